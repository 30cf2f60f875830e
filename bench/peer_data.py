# SPDX-License-Identifier: Apache-2.0
"""Passes over data with tf.data or PyTorch's DataLoader; prints seconds as JSON, as bench_data_pass does.

usage: peer_data.py tensorflow|torch CASE FOLDER THREADS PASSES, or: peer_data.py make FOLDER
"""

import json
import os
import pathlib
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np  # noqa: E402

IMAGES, ROWS, RECORDS, ARRAYS = 600, 40000, 20000, 60000
BATCH = 128


def make(folder):
    """The files that all sides read: photographs' sizes and smoothness, numbers as text, records, an archive."""
    import tensorflow as tf

    rng = np.random.default_rng(5)
    folder.mkdir(parents=True, exist_ok=True)
    for label in "ab":
        (folder / "images" / label).mkdir(parents=True, exist_ok=True)
    for i in range(IMAGES):
        small = rng.integers(0, 256, (12, 16, 3)).astype(np.float32)
        image = tf.image.resize(small, (300, 400), "bicubic") + rng.normal(0, 4, (300, 400, 3))
        jpeg = tf.io.encode_jpeg(tf.cast(tf.clip_by_value(image, 0, 255), tf.uint8), quality=90)
        (folder / "images" / "ab"[i % 2] / f"{i:05}.jpg").write_bytes(jpeg.numpy())
    table = np.column_stack([rng.normal(size=(ROWS, 30)), rng.integers(0, 10, ROWS)])
    header = ",".join([f"c{i}" for i in range(30)] + ["label"])
    np.savetxt(folder / "table.csv", table, delimiter=",", fmt=["%.6f"] * 30 + ["%d"], header=header, comments="")
    with tf.io.TFRecordWriter(str(folder / "records.tfrecord")) as writer:
        for _ in range(RECORDS):
            pixels = rng.integers(0, 256, 784).astype(np.uint8).tobytes()
            feature = {
                "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[pixels])),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[int(rng.integers(10))])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    x = rng.integers(0, 256, (ARRAYS, 28, 28)).astype(np.uint8)
    np.savez(folder / "arrays.npz", x=x, y=rng.integers(0, 10, ARRAYS).astype(np.uint8))


def measure(opened, passes):
    """opened: makes something to iterate over."""
    begun = time.perf_counter()
    data = opened()
    result = {"open": time.perf_counter() - begun, "passes": []}
    for _ in range(passes):
        begun, samples = time.perf_counter(), 0
        for batch in data:
            samples += len(batch[1])
        result["passes"].append(time.perf_counter() - begun)
    print(json.dumps(result | {"samples": samples}))


def tensorflow(case, folder, threads, passes):
    import tensorflow as tf

    auto = tf.data.AUTOTUNE
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.threading.set_intra_op_parallelism_threads(threads)

    def images():
        paths = sorted(str(p) for p in (folder / "images").glob("*/*.jpg"))
        labels = [int(p.split("/")[-2] == "b") for p in paths]

        def load(path, label):
            image = tf.image.resize(tf.io.decode_jpeg(tf.io.read_file(path), channels=3), (180, 240))
            return tf.image.random_crop(tf.image.random_flip_left_right(image), (160, 160, 3)), label

        data = tf.data.Dataset.from_tensor_slices((paths, labels)).shuffle(len(paths))
        return data.map(load, num_parallel_calls=auto).batch(32).prefetch(auto)

    def table():
        data = tf.data.experimental.CsvDataset(str(folder / "table.csv"), [tf.float32] * 30 + [tf.int32], header=True)
        return data.batch(BATCH).map(lambda *c: (tf.stack(c[:30], 1), c[30]), num_parallel_calls=auto).prefetch(auto)

    def records():
        features = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}

        def parse(example):
            parsed = tf.io.parse_example(example, features)
            return tf.reshape(tf.io.decode_raw(parsed["image"], tf.uint8), (-1, 28, 28)), parsed["label"]

        data = tf.data.TFRecordDataset(str(folder / "records.tfrecord")).shuffle(1000).batch(BATCH)
        return data.map(parse, num_parallel_calls=auto).prefetch(auto)

    def arrays():
        with np.load(folder / "arrays.npz") as a:
            data = tf.data.Dataset.from_tensor_slices((a["x"], a["y"]))
        return data.shuffle(ARRAYS).batch(BATCH).prefetch(auto)

    measure({"images": images, "table": table, "records": records, "arrays": arrays}[case], passes)


def torch(case, folder, threads, passes):
    import torch
    from torch.utils.data import DataLoader, Dataset, TensorDataset

    torch.set_num_threads(1)

    class Images(Dataset):
        def __init__(self):
            self.paths = sorted((folder / "images").glob("*/*.jpg"))

        def __len__(self):
            return len(self.paths)

        def __getitem__(self, i):
            from PIL import Image

            image = Image.open(self.paths[i]).convert("RGB").resize((240, 180), Image.Resampling.BILINEAR)
            pixels = np.asarray(image, np.float32)
            if torch.rand(()) < 0.5:
                pixels = pixels[:, ::-1]
            top, left = int(torch.randint(21, ())), int(torch.randint(81, ()))
            return torch.from_numpy(pixels[top : top + 160, left : left + 160].copy()), int(self.paths[i].parent.name == "b")

    def images():
        return DataLoader(Images(), 32, shuffle=True, num_workers=threads, persistent_workers=True)

    def table():
        rows = np.loadtxt(folder / "table.csv", np.float32, delimiter=",", skiprows=1)
        return DataLoader(TensorDataset(torch.from_numpy(rows[:, :30]), torch.from_numpy(rows[:, 30]).int()), BATCH)

    def arrays():
        with np.load(folder / "arrays.npz") as a:
            return DataLoader(TensorDataset(torch.from_numpy(a["x"]), torch.from_numpy(a["y"])), BATCH, shuffle=True)

    measure({"images": images, "table": table, "arrays": arrays}[case], passes)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(pathlib.Path(sys.argv[2]))
    else:
        side, case, folder, threads, passes = sys.argv[1:]
        {"tensorflow": tensorflow, "torch": torch}[side](case, pathlib.Path(folder), int(threads), int(passes))
