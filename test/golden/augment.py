#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes augment.npz and augment.json with real Keras (3.15 on TensorFlow): python test/golden/augment.py

What the layers of random images make of some images while training, with settings that leave nothing to chance,
or with each of the few outcomes that chance has. A case: class, config, the number of outcomes; arrays
CASE/x, CASE/0, CASE/1 ..."""

import json
import os

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
IMAGES = np.random.RandomState(812).randint(0, 256, (3, 7, 9, 3)).astype("float32")


def cases():
    """(class, settings, transformations or None: its own one)"""
    modes = [(f, i) for f in ("reflect", "wrap", "constant", "nearest") for i in ("bilinear", "nearest")]
    for fill, how in modes:
        given = {"fill_mode": fill, "interpolation": how, "fill_value": 3.0}
        yield "RandomTranslation", {"height_factor": [0.33, 0.33], "width_factor": [-0.7, -0.7], **given}, None
        yield "RandomRotation", {"factor": [0.11, 0.11], **given}, None
        yield "RandomZoom", {"height_factor": [0.37, 0.37], "width_factor": [-0.41, -0.41], **given}, None
        signs = [{"shear_factor": np.array([[0.3 * s, 0.13 * s]] * 3, "float32")} for s in (1, -1)]
        yield "RandomShear", {"x_factor": [0.3, 0.3], "y_factor": [0.13, 0.13], **given}, signs
    yield "RandomZoom", {"height_factor": [0.6, 0.6]}, None
    yield "RandomRotation", {"factor": [-0.27, -0.27], "data_format": "channels_first"}, None
    yield "RandomTranslation", {"height_factor": [-0.9, -0.9], "width_factor": [0.95, 0.95],
                                "data_format": "channels_first"}, None
    for mode in ("horizontal", "vertical", "horizontal_and_vertical"):
        flips = [{"flips": np.full((3, 1, 1, 1), f)} for f in (False, True)]
        yield "RandomFlip", {"mode": mode}, flips
    yield "RandomFlip", {"mode": "horizontal", "data_format": "channels_first"}, flips
    yield "RandomCrop", {"height": 5, "width": 8}, [(h, w) for h in range(3) for w in range(2)]
    yield "RandomCrop", {"height": 6, "width": 7, "data_format": "channels_first"}, [
        (h, w) for h in range(2) for w in range(3)]
    yield "RandomCrop", {"height": 7, "width": 6}, None
    yield "RandomBrightness", {"factor": [0.3, 0.3]}, None
    yield "RandomBrightness", {"factor": [-0.3, -0.3], "value_range": [20, 200]}, None
    yield "RandomContrast", {"factor": [-0.3, 0.3]}, None
    yield "RandomContrast", {"factor": [-0.6, 0.6], "data_format": "channels_first"}, None
    yield "RandomGrayscale", {"factor": 1.0}, None
    yield "RandomInvert", {"factor": [1, 1]}, None
    yield "RandomInvert", {"factor": [1, 1], "value_range": [0, 200]}, None
    yield "Solarization", {}, None
    yield "RandomPosterization", {"factor": [3, 3]}, None
    yield "RandomPosterization", {"factor": [5, 5], "value_range": [0, 300]}, None
    yield "RandomColorDegeneration", {"factor": [0.6, 0.6]}, None
    yield "AutoContrast", {}, None
    yield "AutoContrast", {"value_range": [0, 300]}, None
    yield "RandomSaturation", {"factor": [0.4, 0.4]}, None
    yield "RandomSaturation", {"factor": [0.8, 0.8], "value_range": [0, 1]}, None
    yield "RandomHue", {"factor": [0.4, 0.4]}, [{"factor": np.full((3,), 0.2 * s, "float32")} for s in (1, -1)]
    yield "RandomSharpness", {"factor": [0.2, 0.2]}, None
    yield "RandomSharpness", {"factor": [0.9, 0.9], "data_format": "channels_first"}, None


def main():
    arrays, listed = {}, []
    for number, (name, settings, outcomes) in enumerate(cases()):
        layer = getattr(keras.layers, name)(**settings)
        x = IMAGES / 255 if settings.get("value_range") == [0, 1] else IMAGES
        if settings.get("data_format") == "channels_first":
            x = np.ascontiguousarray(np.transpose(x, (0, 3, 1, 2)))
        config = layer.get_config()
        for key in ("name", "dtype", "trainable"):
            config.pop(key, None)
        results = [layer(x, training=True)] if outcomes is None else [
            layer.transform_images(keras.ops.convert_to_tensor(x), o, training=True) for o in outcomes]
        key = f"{number:02d}-{name}"
        arrays[key + "/x"] = x
        for i, y in enumerate(results):
            arrays[f"{key}/{i}"] = keras.ops.convert_to_numpy(y).astype("float32")
        listed.append({"name": key, "class": name, "settings": settings, "config": config,
                       "outcomes": len(results)})
    np.savez_compressed(os.path.join(HERE, "augment.npz"), **arrays)
    with open(os.path.join(HERE, "augment.json"), "w") as out:
        json.dump({"keras": keras.__version__, "cases": listed}, out, indent=1)
        out.write("\n")


main()
