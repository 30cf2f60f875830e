# SPDX-License-Identifier: Apache-2.0
"""The arrays that the workloads train on: random numbers from a fixed seed, as .npz files. Standard library only.

usage: data.py FOLDER
"""

import array
import pathlib
import random
import struct
import sys
import zipfile

# name: shape of a sample, (classes of x or None for numbers in [0, 1)), shape of a label, its classes, samples
ARRAYS = {
    "mlp": ((784,), None, (), 10, 12800),
    "cnn": ((28, 28, 1), None, (), 10, 6400),
    "resnet": ((32, 32, 3), None, (), 10, 640),
    "lstm": ((100,), 20000, (), 2, 1280),
    "gpt": ((80,), 2000, (80,), 2000, 256),
    "tabular": ((30,), None, (), 2, 51200),
}


def npy(shape, kind, values):
    """The bytes of a .npy file (version 1.0)."""
    header = f"{{'descr': '<{kind}4', 'fortran_order': False, 'shape': {shape!r}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + values.tobytes()


def numbers(source, count):
    table = [i / 256 for i in range(256)]
    return array.array("f", map(table.__getitem__, source.randbytes(count)))


def classes(source, count, n):
    words = array.array("I", source.randbytes(4 * count))
    return array.array("i", (w % n for w in words))


def size(shape):
    product = 1
    for n in shape:
        product *= n
    return product


def write(folder):
    """Writes what is missing."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, (shape, vocabulary, label, n, samples) in ARRAYS.items():
        path = folder / f"{name}.npz"
        if path.exists():
            continue
        source = random.Random(812)
        count = samples * size(shape)
        x = classes(source, count, vocabulary) if vocabulary else numbers(source, count)
        y = classes(source, samples * size(label), n)
        part = path.with_suffix(".part")
        with zipfile.ZipFile(part, "w") as out:
            out.writestr("x.npy", npy((samples, *shape), "i" if vocabulary else "f", x))
            out.writestr("y.npy", npy((samples, *label), "i", y))
        part.replace(path)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.split("\n\n")[-1])
    write(sys.argv[1])
