#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes texts.json and adapted.json with real Keras (3.15 on TensorFlow): python test/golden/texts.py

What layers make of texts. A case: class, config as Keras saves it, texts (rows of them), and what comes out; with
`learn`, texts that the layer adapted to before. adapted.json: what layers of numbers learn."""

import json
import os
import random

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf

HERE = os.path.dirname(os.path.abspath(__file__))
ONE = [["The quick brown Fox, jumps over the LAZY dog!"], [""], ["  \t tabs\nand\x0blines\r\f "], ["!!! ... ?"],
       ["don't stop-me; now's (the) time_out"], ["Grün ist schön \u00c4\u00d6 ж \u4e2d\u6587 \U0001f600 the"], ["the"],
       ["a a a b b [UNK] c"], ["the quick the quick brown the\u00a0fox \u2028 x"], ["x" * 300 + " the " + "y" * 70]]
WORDS = ["the", "quick", "fox", "dont", "grün", "a", "b", "中文", "the quick", "quick brown"]
SEVERAL = [["red", "green", ""], ["blau", "желтый", "red"], ["[UNK]", "x" * 90, "Red"], ["\U0001f600", "12", "-1"]]
COLOURS = ["green", "red", "желтый", "blau"]


def vectorization(**more):
    return keras.layers.TextVectorization, more, ONE


def cases():
    for standardize in ("lower_and_strip_punctuation", "lower", "strip_punctuation", None):
        for split in ("whitespace", "character"):
            yield *vectorization(standardize=standardize, split=split, output_sequence_length=9,
                                 vocabulary=WORDS + ["Fox,", "The", "t", "h", "ж", "\U0001f600"]), None
        yield *vectorization(standardize=standardize, split=None, vocabulary=WORDS), None
        yield *vectorization(standardize=standardize, split=None, vocabulary=WORDS, output_sequence_length=3), None
    for ngrams in (2, 3, (2,), (3, 1)):
        yield *vectorization(ngrams=ngrams, output_sequence_length=20, vocabulary=WORDS), None
        yield *vectorization(ngrams=ngrams, output_mode="count", vocabulary=WORDS), None
    yield *vectorization(ngrams=2, split="character", output_mode="count", vocabulary=["t h", "x x", " ", "   "]), None
    yield *vectorization(vocabulary=["", "[UNK]"] + WORDS, output_sequence_length=4), None
    for mode in ("multi_hot", "count"):
        yield *vectorization(output_mode=mode, vocabulary=WORDS), None
        yield *vectorization(output_mode=mode, vocabulary=WORDS, pad_to_max_tokens=True, max_tokens=14), None
        yield *vectorization(output_mode=mode, split=None, vocabulary=WORDS), None
    weights = [0.1 * i + 0.3 for i in range(len(WORDS))]
    yield *vectorization(output_mode="tf_idf", vocabulary=WORDS, idf_weights=weights), None
    yield *vectorization(output_mode="tf_idf", vocabulary=WORDS, idf_weights=weights, pad_to_max_tokens=True,
                         max_tokens=13), None
    yield *vectorization(output_mode="tf_idf", vocabulary=["[UNK]"] + WORDS, idf_weights=[0.77] + weights), None
    lookup = keras.layers.StringLookup
    for mode in ("int", "one_hot", "multi_hot", "count"):
        for mask in (None, "", "red"):
            given = [c for c in COLOURS if c != mask]
            yield lookup, {"vocabulary": given, "mask_token": mask, "output_mode": mode}, SEVERAL, None
            yield lookup, {"vocabulary": given, "mask_token": mask, "output_mode": mode, "num_oov_indices": 3,
                           "oov_token": "?"}, SEVERAL, None
    yield lookup, {"vocabulary": COLOURS, "num_oov_indices": 7, "salt": 5}, SEVERAL, None
    yield lookup, {"vocabulary": COLOURS, "num_oov_indices": 7, "salt": [2**62, -9]}, SEVERAL, None
    yield lookup, {"vocabulary": ["", "[UNK]", "[UNK]"] + COLOURS, "num_oov_indices": 2, "mask_token": ""}, SEVERAL, None
    yield lookup, {"vocabulary": ["red", "[UNK]"], "mask_token": ""}, SEVERAL, None
    yield lookup, {"vocabulary": COLOURS, "output_mode": "tf_idf", "idf_weights": [0.25, 0.75, 0.6, 0.4],
                   "num_oov_indices": 2}, SEVERAL, None
    for more in ({}, {"salt": 7}, {"salt": [1, 2]}, {"mask_value": ""}, {"mask_value": "red", "output_mode": "one_hot"},
                 {"output_mode": "multi_hot"}, {"output_mode": "count"}):
        yield keras.layers.Hashing, {"num_bins": 5, **more}, SEVERAL, None
        yield keras.layers.Hashing, {"num_bins": 1000003 if "output_mode" not in more else 3, **more}, ONE, None
    chance = random.Random(812)
    letters = ["a", "b", "c", "B", "!", " ", " ", "é", "[UNK]"]
    learn = [["".join(chance.choice(letters) for _ in range(chance.randrange(12)))] for _ in range(60)]
    for more in ({"output_sequence_length": 6}, {"output_sequence_length": 6, "max_tokens": 9}, {"output_mode": "count"},
                 {"output_mode": "tf_idf"}, {"output_mode": "tf_idf", "max_tokens": 12, "pad_to_max_tokens": True},
                 {"output_mode": "multi_hot", "max_tokens": 400, "pad_to_max_tokens": True},
                 {"ngrams": 2, "output_sequence_length": 12}, {"ngrams": (2, 3), "output_mode": "tf_idf"},
                 {"split": "character", "output_sequence_length": 5}, {"split": None, "standardize": "lower"},
                 {"standardize": None, "output_sequence_length": 8}):
        yield keras.layers.TextVectorization, more, learn[:20] + ONE, learn
    triples = [[chance.choice(["a", "b", "c", "d", "", "[UNK]", "é", "ab"]) for _ in range(3)] for _ in range(25)]
    for more in ({}, {"max_tokens": 5}, {"mask_token": ""}, {"output_mode": "tf_idf"}, {"num_oov_indices": 2},
                 {"output_mode": "tf_idf", "mask_token": "b", "max_tokens": 6}, {"oov_token": None},
                 {"output_mode": "one_hot", "max_tokens": 4}):
        yield lookup, more, triples[:6] + SEVERAL, triples


def numbers():
    """Layers of numbers that adapt: (class, settings, numbers)"""
    rng = np.random.RandomState(812)
    for n in (3, 40, 300, 1501):
        for bins, epsilon in ((1, 0.01), (4, 0.01), (7, 0.3), (10, 0.003), (150, 0.01)):
            yield keras.layers.Discretization, {"num_bins": bins, "epsilon": epsilon}, rng.normal(size=n).round(2).astype("float32")
    yield keras.layers.Discretization, {"num_bins": 5}, rng.randint(0, 4, 300).astype("float32")
    for more in ({}, {"max_tokens": 6}, {"mask_token": 0}, {"output_mode": "tf_idf", "num_oov_indices": 2},
                 {"oov_token": 3, "mask_token": -2}):
        yield keras.layers.IntegerLookup, more, rng.randint(-6, 7, (60, 2)).astype("int64")


def plain(config):
    config = {k: v for k, v in config.items() if k != "dtype"}
    if isinstance(config.get("ngrams"), tuple):
        config["ngrams"] = list(config["ngrams"])
    return config


def main():
    found = []
    for layer_class, settings, texts, learn in cases():
        layer = layer_class(**settings)
        if learn:
            layer.adapt(tf.constant(learn))
        y = np.asarray(layer(tf.constant(texts)))
        config = plain(layer.get_config())
        case = {"class": layer_class.__name__, "config": config, "texts": texts, "shape": list(y.shape),
                "y": [float(v) if y.dtype.kind == "f" else int(v) for v in y.ravel()]}
        if learn:
            case["learn"] = learn
            case["config"]["vocabulary_size"] = None
            case["vocabulary"] = layer.get_vocabulary(include_special_tokens=False)
        found.append(case)
    write("texts.json", found)
    found = []
    for layer_class, settings, x in numbers():
        layer = layer_class(**settings)
        layer.adapt(x if layer_class is keras.layers.Discretization else tf.constant(x))
        case = {"class": layer_class.__name__, "config": settings, "learn": x.tolist() if x.dtype.kind == "i" else [round(float(v), 2) for v in x]}
        if layer_class is keras.layers.Discretization:
            case["bin_boundaries"] = layer.bin_boundaries
        else:
            case["vocabulary"] = [int(v) for v in layer.get_vocabulary(include_special_tokens=False)]
        if settings.get("output_mode") == "tf_idf":
            case["idf_weights"] = [float(v) for v in layer.idf_weights.numpy()[-len(case["vocabulary"]):]]
        found.append(case)
    write("adapted.json", found)


def write(name, cases):
    with open(os.path.join(HERE, name), "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases) + "\n]\n")


main()
