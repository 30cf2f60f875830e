#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes augment.npz and augment.json with real Keras (3.15 on TensorFlow): python test/golden/augment.py

What the layers of random images make of some images while training, with settings that leave nothing to chance,
or with each of the few outcomes that chance has; the last ones with the very numbers that isobit draws (seed 7).
A case: class, config, the number of outcomes; arrays CASE/x, CASE/0, CASE/1 ..."""

import hashlib
import json
import os

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
IMAGES = np.random.RandomState(812).randint(0, 256, (3, 7, 9, 3)).astype("float32")
LARGE = np.rint(127 + 99 * np.sin(np.add.outer([0, 1, 2], np.add.outer(np.arange(42) * 0.2, np.arange(47) * 0.3))))
LARGE = LARGE[..., None].astype("float32")  # without steps, which would make much of the last bit of a place


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


def draws(path, n, k, purpose="augment", seed=7, step=0, epoch=0):
    """isobit's uniform numbers [n, k] of a layer (doc/numerics.md, section 7)."""
    text = f"isobit stream 1\n{seed}\n{path}\n{purpose}"
    key = np.frombuffer(hashlib.sha256(text.encode()).digest()[:8], "<u4").astype(np.uint64)
    out = np.zeros((n, k), "float32")
    for sample in range(n):
        for element in range(0, k, 4):
            c = np.array([element // 4, sample, step, epoch], np.uint64)
            k0, k1 = key
            for _ in range(10):
                a, b = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
                low, high = np.uint64(0xFFFFFFFF), np.uint64(32)
                c = np.array([(b >> high) ^ c[1] ^ k0, b & low, (a >> high) ^ c[3] ^ k1, a & low], np.uint64)
                k0, k1 = (k0 + np.uint64(0x9E3779B9)) & low, (k1 + np.uint64(0xBB67AE85)) & low
            words = [int(w) >> 8 for w in c][: k - element]
            out[sample, element:element + len(words)] = np.array(words) * 2.0**-24
    return out


def beta(u, alpha, second=None):
    from scipy.special import betaincinv

    second = alpha if second is None else second
    return betaincinv(alpha.astype("float64"), second.astype("float64"), u.astype("float64") + 2.0**-25).astype("float32")


def blur(layer, x):
    u = draws("random_gaussian_blur", 3, 4)
    low, high = np.float32(layer.sigma[0]), np.float32(layer.sigma[1])
    sigma = u[:, 2:] * (high - low) + low + np.float32(1e-6)
    chosen = u[:, 1] < u[:, 0] * np.float32(layer.factor[1] - layer.factor[0]) + np.float32(layer.factor[0])
    return [layer.transform_images(x[i:i + 1], {"should_apply_blur": chosen[i:i + 1], "blur_factor": sigma[i]})
            for i in range(3)]


def perspective(layer, x):
    from keras.src.backend.tensorflow import image

    solve = image.compute_homography_matrix
    image.compute_homography_matrix = lambda a, b: solve(np.asarray(a, "float64"), np.asarray(b, "float64"))
    u = draws("random_perspective", 3, 10)
    h, w = (x.shape[2:] if layer.data_format == "channels_first" else x.shape[1:3])
    start = np.array([[[0, 0], [w - 1, 0], [0, h - 1], [w - 1, h - 1]]] * 3, "float32")
    part = u[:, 2:].reshape(3, 4, 2) * np.float32(layer.scale) - np.float32(0.5 * layer.scale)
    chosen = u[:, 1] < u[:, 0] * np.float32(layer.factor[1] - layer.factor[0]) + np.float32(layer.factor[0])
    return [layer.transform_images(x, {"apply_perspective": chosen, "start_points": start,
                                       "end_points": start + start * part})]


def mix_up(layer, x):
    u = draws("mix_up", 3, 2)
    return [layer.transform_images(x, {"mix_weight": beta(u[:, 0], np.full(3, layer.alpha)),
                                       "permutation_order": np.argsort(u[:, 1], kind="stable")})]


def cut_mix(layer, x):
    u = draws("cut_mix", 3, 5)
    alpha = u[:, 0] * np.float32(layer.factor[1] - layer.factor[0]) + np.float32(layer.factor[0]) + np.float32(1e-6)
    part = np.sqrt(1 - beta(u[:, 1], alpha))
    h, w = (x.shape[2:] if layer.data_format == "channels_first" else x.shape[1:3])
    corners = []
    for size, i in ((w, 2), (h, 3)):
        length = part * np.float32(size)
        begin = u[:, i] * (size - length)
        corners += [begin, begin + length]
    masks, _ = layer._generate_batch_mask(x.shape, corners)
    return [layer.transform_images(x, {"batch_masks": masks, "permutation_order": np.argsort(u[:, 4], kind="stable")})]


def parts_outcomes(layer, path, one, i, purpose="augment"):
    """What the parts of a layer, whose factor has one value, draw for image i: some draw even then."""
    f = np.float32(layer.factor[0])
    wide = np.float32(layer.factor[0] * 255) - f
    low, high = layer.random_posterization.factor
    names = getattr(layer, "_AUGMENT_LAYERS", None) or layer._augment_layers
    made = {name: getattr(layer, name).get_random_transformation(one) for name in names}
    u = {name: draws(f"{path}/{name}", 3, 3, purpose)[i] for name in made}
    sign = -1 if u["random_shear"][0] > 0.5 else 1
    made["random_shear"] = {"shear_factor": np.array([[layer.factor[0] * sign] * 2], "float32")}
    if "random_contrast" in made:
        made["random_contrast"] = {"contrast_factor": u["random_contrast"][0] * (2 * f) + (1 - f)}
    made["solarization"] = {"additions": u["solarization"][0] * wide + f, "thresholds": u["solarization"][1] * wide + f}
    made["random_posterization"] = {"shift_factor": np.array(
        [8 - int(u["random_posterization"][0] * np.float32(high - low) + np.float32(low))], "uint8")}
    return made


def rand_augment(layer, x):
    """Each image with its own numbers of layers."""
    numbers = np.floor(draws("rand_augment", 3, layer.num_ops) * np.float32(len(layer._AUGMENT_LAYERS))).astype(int)
    return [layer.transform_images(x[i:i + 1], {
        "transforms": parts_outcomes(layer, "rand_augment", x[i:i + 1], i), "layer_idxes": numbers[i]}) for i in range(3)]


ORDER = ["random_shear", "random_translation", "random_rotation", "random_brightness", "random_color_degeneration",
         "random_contrast", "random_sharpness", "random_posterization", "solarization", "auto_contrast", "equalization"]


def aug_mix(layer, x):
    """Each image with its own weights, layers and numbers; isobit counts the layers as RandAugment does."""
    names = [name for name in ORDER if name in layer._augment_layers] + [None]
    chains, depth, alpha = layer.num_chains, layer.chain_depth, np.float32([layer.alpha])
    u = draws("aug_mix", 3, chains * (depth + 1))
    results = []
    for i in range(3):
        one, left, weights, made = x[i:i + 1], np.float32(1), [], []
        for chain in range(chains):
            part = np.float32(1)
            if chain + 1 < chains:
                part = beta(u[i, chain + 1:chain + 2], alpha, np.float32([layer.alpha * (chains - 1 - chain)]))[0]
            weights.append(left * part)
            left = left * (np.float32(1) - part)
            made.append([])
            for use in range(chain * depth, (chain + 1) * depth):
                name = names[int(u[i, chains + use] * np.float32(len(names)))]
                if name:
                    outcomes = parts_outcomes(layer, "aug_mix", one, i, f"augment {use + 1}")
                    made[-1].append({"layer_name": name, "transformation": outcomes[name]})
        results.append(layer.transform_images(one, {
            "chain_mixing_weights": np.array(weights), "weight_sample": beta(u[i, :1], alpha)[0],
            "chain_transforms": made}))
    return results


def elastic(layer, x):
    import tensorflow as tf
    from scipy.special import ndtri

    h, w = (x.shape[2:] if layer.data_format == "channels_first" else x.shape[1:3])
    u = draws("random_elastic_transform", 3, 3)
    z = ndtri(draws("random_elastic_transform", 3, h * w, "field").astype("float64") + 2.0**-25).astype("float32")
    scale = u[:, 2] * np.float32(layer.scale[1] - layer.scale[0]) + np.float32(layer.scale[0])
    chosen = u[:, 1] < u[:, 0] * np.float32(layer.factor[1] - layer.factor[0]) + np.float32(layer.factor[0])
    normal, results = tf.random.stateless_normal, []
    for i in range(3):
        tf.random.stateless_normal = lambda i=i, **given: tf.constant(z[i].reshape(1, h, w))
        results.append(layer.transform_images(keras.ops.convert_to_tensor(x[i:i + 1]), {
            "apply_transform": chosen[i:i + 1], "distortion_factor": scale[i], "seed": layer.generator}))
    tf.random.stateless_normal = normal
    return results


def alone(layer, x):
    return [layer(x[i:i + 1], training=True) for i in range(3)]


def drawn_cases():
    """(class, settings, a function of the layer and the images: results, joined along the first axis; other images)"""
    first = {"data_format": "channels_first"}
    yield "RandomGaussianBlur", {"factor": [1, 1], "sigma": [0.8, 0.8]}, blur
    yield "RandomGaussianBlur", {"factor": 0.7, "kernel_size": [5, 3], "sigma": [0.2, 1.0], "value_range": [20, 200]}, blur
    yield "RandomGaussianBlur", {"factor": [1, 1], "kernel_size": 7, **first}, blur
    yield "RandomPerspective", {"factor": [1, 1]}, perspective
    yield "RandomPerspective", {"factor": 0.8, "scale": 0.4, "interpolation": "nearest", "fill_value": 7.0}, perspective
    yield "RandomPerspective", {"factor": [1, 1], "scale": 0.7, **first}, perspective
    yield "MixUp", {}, mix_up
    yield "MixUp", {"alpha": 3.0, **first}, mix_up
    yield "CutMix", {}, cut_mix
    yield "CutMix", {"factor": [0.4, 0.9], **first}, cut_mix
    yield "Equalization", {}, alone
    yield "Equalization", {"bins": 17, "value_range": [0, 300]}, alone
    yield "Equalization", first, alone
    yield "ContrastLimitedAdaptiveHistogramEqualization", {"tile_grid_size": [2, 3]}, alone
    yield "ContrastLimitedAdaptiveHistogramEqualization", {"tile_grid_size": [4, 2], "clip_limit": 1.5, "value_range": [0, 1]}, alone
    yield "ContrastLimitedAdaptiveHistogramEqualization", {"tile_grid_size": [1, 9], "clip_limit": 0.0, **first}, alone
    for n in (2, 4, 7):
        yield "RandAugment", {"factor": [0.3, 0.3], "num_ops": n}, rand_augment
    yield "RandAugment", {"factor": [0.6, 0.6], "num_ops": 5, "interpolation": "nearest", "value_range": [0, 300]}, rand_augment
    yield "MaxNumBoundingBoxes", {"max_number": 3}, alone
    yield "AugMix", {"factor": [0.3, 0.3]}, aug_mix
    yield "AugMix", {"factor": [0.5, 0.5], "num_chains": 2, "chain_depth": 4, "alpha": 0.6, "all_ops": False,
                     "interpolation": "nearest"}, aug_mix
    yield "AugMix", {"factor": [0.2, 0.2], "num_chains": 1, "value_range": [0, 300]}, aug_mix
    for fill in ("reflect", "wrap", "constant", "nearest"):
        yield "RandomElasticTransform", {"scale": [0.9, 1.0], "fill_mode": fill, "fill_value": 9.0,
                                         "factor": [1, 1]}, elastic
    yield "RandomElasticTransform", {"factor": 0.7, "interpolation": "nearest", "value_range": [20, 200]}, elastic
    yield "RandomElasticTransform", {"factor": [1, 1], **first}, elastic
    yield "RandomElasticTransform", {"scale": [0.9, 1.0], "factor": [1, 1]}, elastic, LARGE


def main():
    arrays, listed = {}, []
    for number, (name, settings, outcomes, *images) in enumerate([*cases(), *drawn_cases()]):
        layer = getattr(keras.layers, name)(**settings)
        x = images[0] if images else IMAGES / 255 if settings.get("value_range") == [0, 1] else IMAGES
        if settings.get("data_format") == "channels_first":
            x = np.ascontiguousarray(np.transpose(x, (0, 3, 1, 2)))
        config = layer.get_config()
        for key in ("name", "dtype", "trainable"):
            config.pop(key, None)
        if callable(outcomes):
            results = [np.concatenate([keras.ops.convert_to_numpy(y) for y in outcomes(layer, x)])]
        else:
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
