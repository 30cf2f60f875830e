# Writes the first 60 digits of each class of mnist5k.npz as JPEG files: digits/CLASS/NUMBER.jpg. Needs NumPy and
# cjpeg (libjpeg-turbo): python make.py
import pathlib
import subprocess

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
with np.load(HERE.parent / "mnist/mnist5k.npz") as arrays:
    digits, labels = arrays["x_train"], arrays["y_train"]
for label in range(10):
    folder = HERE / "digits" / str(label)
    folder.mkdir(parents=True, exist_ok=True)
    for number in np.flatnonzero(labels == label)[:60]:
        grey = b"P5 28 28 255\n" + digits[number].tobytes()
        jpeg = subprocess.run(["cjpeg", "-quality", "90", "-grayscale", "-optimize"], input=grey, capture_output=True, check=True)
        (folder / f"{number:04}.jpg").write_bytes(jpeg.stdout)
