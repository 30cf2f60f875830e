#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes test/golden/tfrecord: files that TensorFlow wrote, and what it parses from them.

usage: bench/venv/bin/python tools/golden_tfrecord.py   (after bench/setup; after golden_images.py)
"""

import pathlib
import shutil

import numpy as np
import tensorflow as tf

ROOT = pathlib.Path(__file__).resolve().parent.parent / "test/golden"
OUT = ROOT / "tfrecord"
RECORDS = 25


def example(i):
    rng = np.random.default_rng(i)
    image = ("tiny.jpg", "narrow.jpg", "rgb.png")[i % 3]
    features = {
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[i % 4 - (i == 7)])),
        "long": tf.train.Feature(int64_list=tf.train.Int64List(value=[2**62 + i, -(2**63) + i, -1, 0, 300])),
        "floats": tf.train.Feature(float_list=tf.train.FloatList(value=rng.normal(size=6))),
        "raw": tf.train.Feature(bytes_list=tf.train.BytesList(value=[rng.integers(0, 60000, (2, 3)).astype("<u2").tobytes()])),
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[(ROOT / "images" / image).read_bytes()])),
        "unused": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"x" * i])),
    }
    if i % 5 == 0:
        del features["floats"]
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def write(name, numbers, compression=None):
    with tf.io.TFRecordWriter(str(OUT / name), tf.io.TFRecordOptions(compression_type=compression)) as writer:
        for i in numbers:
            writer.write(example(i))


def write_texts():
    """Texts and their numbers; the last one is no UTF-8."""
    texts = ["in the beginning".encode(), "\u00e9t\u00e9".encode(), b"", b"caf\xe9"]
    with tf.io.TFRecordWriter(str(OUT / "texts.tfrecord")) as writer:
        for i, text in enumerate(texts):
            features = {"text": tf.train.Feature(bytes_list=tf.train.BytesList(value=[text])),
                        "number": tf.train.Feature(int64_list=tf.train.Int64List(value=[i]))}
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    write("all.tfrecord", range(RECORDS))
    write("first.tfrecord", range(10))
    write("second.tfrecord", range(10, RECORDS))
    write("all.tfrecord.gz", range(RECORDS), "GZIP")
    write_texts()
    spec = {
        "label": tf.io.FixedLenFeature([], tf.int64),
        "long": tf.io.FixedLenFeature([5], tf.int64),
        "floats": tf.io.FixedLenFeature([2, 3], tf.float32, default_value=np.full((2, 3), -1.5)),
        "raw": tf.io.FixedLenFeature([], tf.string),
        "image": tf.io.FixedLenFeature([], tf.string),
    }
    rows = {key: [] for key in spec}
    for record in tf.data.TFRecordDataset(str(OUT / "all.tfrecord")):
        parsed = tf.io.parse_single_example(record, spec)
        for key in ("label", "long", "floats"):
            rows[key].append(parsed[key].numpy())
        rows["raw"].append(tf.reshape(tf.io.decode_raw(parsed["raw"], tf.uint16), (2, 3)).numpy())
        decode = tf.io.decode_png if parsed["image"].numpy()[:4] == b"\x89PNG" else tf.io.decode_jpeg
        settings = {} if decode is tf.io.decode_png else {"dct_method": "INTEGER_ACCURATE"}
        image = decode(parsed["image"], channels=3, **settings)
        rows["image"].append(tf.image.resize(image, (4, 5)).numpy())
    np.savez_compressed(OUT / "parsed.npz", **{key: np.stack(value) for key, value in rows.items()})
    print(RECORDS, "records")


if __name__ == "__main__":
    main()
