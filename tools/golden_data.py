#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes test/golden/data: HDF5 files that h5py wrote, and texts with the numbers that Keras gives their words.

usage: bench/venv/bin/python tools/golden_data.py   (after bench/setup)
"""

import json
import pathlib
import shutil

import h5py
import keras
import numpy as np

OUT = pathlib.Path(__file__).resolve().parent.parent / "test/golden/data"
ROWS = 57


def arrays():
    rng = np.random.default_rng(5)
    return {
        "f4": rng.normal(size=(ROWS, 3, 2)).astype("<f4"),
        "f8": rng.normal(size=(ROWS, 2)),
        "f4be": rng.normal(size=(ROWS, 4)).astype(">f4"),
        "u1": rng.integers(0, 256, (ROWS, 5), np.uint8),
        "i2be": rng.integers(-3000, 3000, (ROWS,)).astype(">i2"),
        "i8": rng.integers(-(2**62), 2**62, (ROWS,)),
        "bool": rng.integers(0, 2, (ROWS, 2)).astype(bool),
    }


def write_h5():
    made = arrays()
    with h5py.File(OUT / "arrays.h5", "w") as f:
        for name, array in made.items():
            f.create_dataset(f"plain/{name}", data=array)
            f.create_dataset(f"packed/{name}", data=array, chunks=(8,) + array.shape[1:], compression="gzip",
                             shuffle=True, fletcher32=True)
        f.create_dataset("text", data=np.array([b"a", b"b"]))
        f.create_dataset("scalar", data=3)
        f.create_dataset("half", data=np.zeros(4, np.float16))
        f["soft"] = h5py.SoftLink("/plain/f4")
        f["out"] = h5py.ExternalLink("other.h5", "/x")
        f.create_dataset("few", data=np.zeros((3, 2), np.float32))
    np.savez_compressed(OUT / "arrays.npz", **made)


TEXT = """It was the best of times, it was the worst of times;
it was the age of wisdom -- it was the age of foolishness.

"Caf\u00e9", she said: na\u00efve? na\u00efve! 12 12 and 7,000 \u65e5\u672c \u65e5\u672c
the end the"""


def write_texts():
    (OUT / "text.txt").write_text(TEXT, encoding="utf-8")
    lines = TEXT.split("\n")
    cases = []
    for standardize in (None, "lower", "lower_and_strip_punctuation", "strip_punctuation"):
        for most in (None, 12):
            layer = keras.layers.TextVectorization(max_tokens=most, standardize=standardize, output_sequence_length=6)
            layer.adapt(lines)
            cases.append({"standardize": standardize or "none", "max_tokens": most, "vocabulary": layer.get_vocabulary(),
                          "numbers": np.asarray(layer(lines)).tolist()})
    (OUT / "words.json").write_text(json.dumps({"cases": cases}) + "\n")


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    write_h5()
    write_texts()


if __name__ == "__main__":
    main()
