#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes test/golden/pipelines.json: what tf.data makes of pipelines without random order.

usage: bench/venv/bin/python test/golden/pipelines.py (after bench/setup)

Each case has an entry as an experiment writes it, over {npy: {x: N.npy}} with the numbers 0 .. N-1, and the batches of
one iteration.
"""

import json
import pathlib
import re

import tensorflow as tf

SOURCES = {"A": 23, "B": 7, "C": 4}
PIPES = [
    "batch: 5",
    "batch: {batch_size: 5, drop_remainder: true}",
    "take: 7, batch: 3",
    "take: 100, batch: 10",
    "take: -1, batch: 10",
    "skip: 20, batch: 2",
    "skip: 5, take: 6, batch: 4",
    "shard: {num_shards: 4, index: 0}, batch: 4",
    "shard: {num_shards: 4, index: 3}, batch: 4",
    "shard: {num_shards: 5, index: 2}, skip: 1, batch: 4",
    "repeat: 3, batch: 9",
    "repeat: 0, batch: 2, repeat: 2",
    "batch: 9, repeat: 2",
    "repeat, take: 50, batch: 8",
    "take: 5, repeat: {count: 4}, skip: 3, batch: 4",
    "window: 4, batch: 2",
    "window: {size: 3, shift: 1}, batch: 4",
    "window: {size: 3, shift: 2, stride: 3}, batch: 3",
    "window: {size: 2, shift: 7}, batch: 3",
    "window: {size: 2, shift: 9, stride: 2}, repeat: 2, batch: 3",
    "window: {size: 30}, repeat, take: 2, batch: 3",
    "cache, repeat: 2, batch: 6, prefetch: 3",
    "filter: {x: {less: 12, not_equal: 5}}, batch: 4",
    "filter: {x: {is_in: [3, 5, 22, 40]}}, repeat: 2, batch: 4",
    "filter: {x: {greater_equal: 3, less_equal: 9}}, skip: 1, batch: 4, take: 1",
    "batch: 4, shard: {num_shards: 2, index: 1}",
    "batch: 4, skip: 2, prefetch: 1",
]
JOINS = [
    "concatenate: [A, B, C]",
    "concatenate: [C, C]",
    "interleave: [A, B, C], cycle_length: 2",
    "interleave: [A, B, C], cycle_length: 2, block_length: 3",
    "interleave: [C, B, A, C], cycle_length: 3, block_length: 2",
    "interleave: [C, C, C, C, C], cycle_length: 2, block_length: 5",
    "interleave: [B, A], cycle_length: 5, block_length: 4",
    "interleave: [A], cycle_length: 1",
]


def parse(text):
    """The few forms of YAML above."""
    text = re.sub(r"([a-z_]+)(?=:)", r'"\1"', text)
    text = re.sub(r"(?<![\"a-z_])([a-z]+)(?![\"a-z_:])", r'"\1"', text).replace('"true"', "true")
    items, depth, start = [], 0, 0
    for i, c in enumerate(text + ","):
        depth += (c in "{[") - (c in "}]")
        if c == "," and depth == 0:
            item = text[start:i].strip()
            items.append(json.loads("{" + item + "}" if ":" in item else "{" + item + ": null}"))
            start = i + 1
    return [next(iter(item.items())) for item in items]


CONDITIONS = {
    "less": tf.less,
    "less_equal": tf.less_equal,
    "greater": tf.greater,
    "greater_equal": tf.greater_equal,
    "not_equal": tf.not_equal,
    "is_in": lambda x, values: tf.reduce_any(tf.equal(x, values)),
}


def apply(data, verb, argument):
    if verb == "filter":
        for name, value in argument["x"].items():
            data = data.filter(lambda x, name=name, value=value: CONDITIONS[name](x, tf.constant(value, tf.int32)))
        return data
    if verb == "window":
        given = {"size": argument} if isinstance(argument, int) else dict(argument)
        size = given["size"]
        return data.window(**given, drop_remainder=True).flat_map(lambda w: w.batch(size, drop_remainder=True))
    if argument is None:
        return getattr(data, verb)()
    return getattr(data, verb)(**argument) if isinstance(argument, dict) else getattr(data, verb)(argument)


def source(name):
    return tf.data.Dataset.range(SOURCES[name], output_type=tf.int32)


def entry(name):
    return f"{{npy: {{x: {name}.npy}}}}"


def main():
    cases = []
    for pipe in PIPES:
        data = source("A")
        for verb, argument in parse(pipe):
            data = apply(data, verb, argument)
        cases.append((f"{{npy: {{x: A.npy}}, pipeline: [{pipe}]}}", data))
    for join in JOINS:
        names = re.findall(r"[A-C]", join)
        settings = dict((k, int(v)) for k, v in re.findall(r"(cycle_length|block_length): (\d+)", join))
        if join.startswith("concatenate"):
            data = source(names[0])
            for name in names[1:]:
                data = data.concatenate(source(name))
        else:
            sizes = tf.constant([SOURCES[name] for name in names], tf.int64)
            data = tf.data.Dataset.from_tensor_slices(sizes).interleave(
                lambda n: tf.data.Dataset.range(n, output_type=tf.int32), **settings)
        text = re.sub(r"[A-C]", lambda m: entry(m.group()), join)
        cases.append((f"{{{text}, pipeline: [batch: 4]}}", data.batch(4)))
    out = [{"entry": text, "batches": [b.tolist() for b in data.as_numpy_iterator()]} for text, data in cases]
    lines = ",\n  ".join(json.dumps(case) for case in out)
    made_by = f"tf.data of TensorFlow {tf.__version__}"
    text = f'{{"made_by": "{made_by}", "cases": [\n  {lines}\n]}}\n'
    pathlib.Path(__file__).with_suffix(".json").write_text(text)
    print(len(out), "cases")


if __name__ == "__main__":
    main()
