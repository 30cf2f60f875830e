#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes test/golden/images: small JPEG and PNG files, and what TensorFlow and Keras make of them.

usage: bench/venv/bin/python tools/golden_images.py   (after bench/setup; needs cjpeg of libjpeg-turbo)

pixels.npz: NAME/CHANNELS, what TensorFlow decodes; resized.npz: METHOD/NAME, tf.image.resize of some of them,
float32; order.json: the files and labels that keras.utils.image_dataset_from_directory gives for the folder classes.
"""

import json
import os
import pathlib
import shutil
import subprocess

import keras
import numpy as np
import tensorflow as tf

OUT = pathlib.Path(__file__).resolve().parent.parent / "test/golden/images"


def picture(rows, columns, channels, seed):
    """Waves, edges and some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float64)
    planes = []
    for k in range(channels):
        wave = 128 + 90 * np.sin(x / (5 + k) + seed) * np.cos(y / (7 - k))
        wave += 60 * ((x + y * (k + 1)) % 19 > 12) + rng.normal(0, 8, (rows, columns))
        planes.append(np.clip(wave, 0, 255))
    return np.stack(planes, -1).astype(np.uint8)


def cjpeg(name, pixels, *options):
    kind = "P6" if pixels.shape[2] == 3 else "P5"
    head = f"{kind}\n{pixels.shape[1]} {pixels.shape[0]}\n255\n".encode()
    command = ["cjpeg", "-outfile", str(OUT / name), *options]
    subprocess.run(command, input=head + pixels.tobytes(), check=True)


def png(name, pixels):
    (OUT / name).write_bytes(tf.io.encode_png(pixels).numpy())


def decode(path, channels):
    """With the accurate transform; TensorFlow's own choice is the fast one, which is off by 1 or 2 here and there."""
    if path.suffix == ".jpg":
        return tf.io.decode_jpeg(path.read_bytes(), channels=channels, dct_method="INTEGER_ACCURATE")
    return tf.io.decode_png(path.read_bytes(), channels=channels)


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    rgb, grey = picture(37, 53, 3, 1), picture(21, 18, 1, 2)
    for sampling in ("1x1", "2x1", "2x2", "1x2", "4x1", "4x2"):
        cjpeg(f"s{sampling}.jpg", rgb, "-quality", "85", "-sample", sampling)
    cjpeg("coarse.jpg", rgb, "-quality", "12")
    cjpeg("progressive.jpg", rgb, "-quality", "80", "-progressive")
    cjpeg("restart.jpg", picture(40, 64, 3, 3), "-quality", "90", "-restart", "1")
    cjpeg("rgb.jpg", rgb, "-quality", "90", "-rgb")
    cjpeg("grey.jpg", grey, "-quality", "90")
    cjpeg("tiny.jpg", picture(1, 1, 3, 4), "-quality", "90")
    cjpeg("narrow.jpg", picture(9, 3, 3, 5), "-quality", "90")
    cjpeg("narrower.jpg", picture(3, 5, 3, 6), "-quality", "90", "-sample", "2x1")
    png("rgb.png", rgb)
    png("grey.png", grey)
    png("rgba.png", picture(11, 13, 4, 7))
    png("greyalpha.png", picture(5, 6, 2, 8))
    png("deep.png", picture(7, 9, 3, 9).astype(np.uint16) * 257 + 3)
    pixels, resized = {}, {}
    for path in sorted(OUT.iterdir()):
        for channels in (1, 3, 4):
            jpeg = path.suffix == ".jpg"
            if jpeg and channels == 4 or not jpeg and channels == 1 and not path.stem.startswith("grey"):
                continue  # not what TensorFlow does, or done with other rounding
            if path.stem == "rgb" and jpeg and channels == 1:
                continue
            pixels[f"{path.name}/{channels}"] = decode(path, channels).numpy()
    for method in ("bilinear", "nearest", "bicubic", "area"):
        for name, size in (("rgb.png", (20, 31)), ("rgb.png", (64, 64)), ("grey.png", (7, 50)), ("rgb.png", (1, 1)),
                           ("grey.png", (42, 36)), ("tiny.jpg", (3, 4)), ("rgb.png", (37, 20))):
            image = decode(OUT / name, 0)
            key = f"{method}/{name}/{size[0]}x{size[1]}"
            resized[key] = tf.image.resize(image, size, method=method).numpy().astype(np.float32)
    np.savez_compressed(OUT / "pixels.npz", **pixels)
    np.savez_compressed(OUT / "resized.npz", **resized)
    names = {"b": ["2.png", "10.png", "1.png"], "a": ["z.png", "Z.png", "sub/y.png", "sub-x/w.png"], "c": ["k.PNG"]}
    folder = OUT / "classes"
    for number, (label, files) in enumerate(names.items()):
        for index, name in enumerate(files):
            path = folder / label / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(tf.io.encode_png(np.full((2, 3, 1), 40 * number + index, np.uint8)).numpy())
    cases = []
    for settings in ({"shuffle": False}, {"seed": 7}, {"seed": 7, "validation_split": 0.3, "subset": "training"},
                     {"seed": 7, "validation_split": 0.3, "subset": "validation"},
                     {"shuffle": False, "validation_split": 0.25, "subset": "validation"},
                     {"shuffle": False, "class_names": ["c", "a"]}, {"shuffle": False, "labels": None}):
        data = keras.utils.image_dataset_from_directory(folder, batch_size=None, verbose=False, **settings)
        files = [os.path.relpath(path, folder) for path in data.file_paths]
        cases.append({"settings": settings, "files": files, "class_names": data.class_names})
    (OUT / "order.json").write_text(json.dumps({"cases": cases}, indent=1) + "\n")
    print(len(pixels), "decoded", len(resized), "resized", len(cases), "orders")


if __name__ == "__main__":
    main()
