#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes test/golden/streams_more.{json,npz}: random numbers of the real libraries, for test/numerics.

    bench/venv/bin/pip install scikit-learn
    bench/venv/bin/python tools/golden_streams.py

Made with Python 3.11, NumPy 2.4.6, TensorFlow 2.21.0, Keras 3.15.1, JAX 0.10.2, scikit-learn 1.9.1 on x86-64 (glibc 2.36, FMA).
Short arrays are stored; of long ones, which reach the rare branches, the SHA-256 of their little-endian bytes.
"""

import hashlib
import json
import os
import random

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"
import jax
import keras
import numpy as np
import tensorflow as tf
from sklearn.model_selection import train_test_split

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "..", "test", "golden", "streams_more")
LONG = 200000
arrays, cases = {}, []


def emit(name, params, short, long=None):
    for key, value in short.items():
        arrays[name + "/" + key] = np.asarray(value)
    digests = {}
    for key, value in (long or {}).items():
        value = np.ascontiguousarray(value)
        digests[key] = {
            "dtype": value.dtype.name,
            "n": int(value.size),
            "sha256": hashlib.sha256(value.tobytes()).hexdigest(),
        }
    cases.append({"name": name, "params": params, "arrays": list(short), "digests": digests})


# ---- Python ----

WEIGHTS = [0.5, 2.0, 0.0, 1.25, 7.0, 0.125]


def python_case(name, seed, params):
    def each(n, f, dtype=None):
        r = random.Random(seed)
        return np.array([f(r) for _ in range(n)], dtype)

    def once(f):
        return np.array(f(random.Random(seed)))

    short = {
        "random": each(5, lambda r: r.random()),
        "randint_-9223372036854775808_9223372036854775807": each(4, lambda r: r.randint(-(2**63), 2**63 - 1)),
        "randint_-1000_5000000000": each(9, lambda r: r.randint(-1000, 5 * 10**9)),
        "randint_0_0": each(2, lambda r: r.randint(0, 0)),
        "normalvariate": each(9, lambda r: r.normalvariate(1.5, 0.25)),
        "gauss": each(9, lambda r: r.gauss(1.5, 0.25)),
        "expovariate": each(9, lambda r: r.expovariate(2.5)),
        "choices": once(lambda r: r.choices(range(6), k=12)),
        "choices_weights": once(lambda r: r.choices(range(6), weights=WEIGHTS, k=12)),
        "sample_1000_30": once(lambda r: r.sample(range(1000), 30)),
        "sample_100000_40": once(lambda r: r.sample(range(100000), 40)),
        "sample_4_4": once(lambda r: r.sample(range(4), 4)),
        "sample_22_5": once(lambda r: r.sample(range(22), 5)),
    }
    long = {
        "gauss": each(LONG, lambda r: r.gauss(1.5, 0.25)),
        "normalvariate": each(LONG, lambda r: r.normalvariate(1.5, 0.25)),
        "shuffle": np.array(once(lambda r: (lambda x: (r.shuffle(x), x)[1])(list(range(LONG)))), np.int64),
    }
    emit(name, params, short, long)


def python_cases():
    big = 3**200
    python_case("python-big", big, {"seed": str(big)})
    python_case("python-negative", -42, {"seed": -42})
    python_case("python-text", "Zürich 1812", {"seed": "Zürich 1812"})
    python_case("python-empty", "", {"seed": ""})


# ---- NumPy ----

P = [0.1, 0.0, 0.3, 0.2, 0.15, 0.25]
RANGES = {
    "bool": [(0, 2), (0, 1)],
    "int8": [(-128, 128), (-3, 5), (7, 8)],
    "uint8": [(0, 256), (0, 200), (0, 3)],
    "int16": [(-32768, 32768), (-100, 20000)],
    "uint16": [(0, 65536), (0, 40000)],
    "int32": [(-(2**31), 2**31), (-7, 2**30 + 11)],
    "uint32": [(0, 2**32), (0, 3 * 2**30)],
    "int64": [(-(2**63), 2**63), (-5, 2**33), (0, 2**32)],
    "uint64": [(0, 2**64), (0, 3 * 2**62)],
}


def integers(draw):
    return {
        "integers_%s_%d_%d" % (dtype, low, high): draw(low, high, 11, dtype)
        for dtype, ranges in RANGES.items()
        for low, high in ranges
    }


def numpy_legacy(name, seed, params):
    def fresh():
        return np.random.RandomState(seed)

    short = integers(lambda low, high, n, dtype: fresh().randint(low, high, n, dtype=dtype))
    short["standard_exponential"] = fresh().standard_exponential(9)
    short["choice_p_6_4"] = fresh().choice(6, 4, p=P)
    short["choice_p_once_6_5"] = fresh().choice(6, 5, replace=False, p=P)
    long = {"standard_normal": fresh().randn(LONG), "permutation": fresh().permutation(LONG)}
    emit(name, params, short, long)


def numpy_generator(name, seed, params):
    def fresh():
        return np.random.default_rng(seed)

    short = integers(lambda low, high, n, dtype: fresh().integers(low, high, n, dtype=dtype))
    short["standard_exponential_float32"] = fresh().standard_exponential(9, dtype=np.float32)
    short["choice_p_6_4"] = fresh().choice(6, 4, p=P)
    short["choice_p_once_6_5"] = fresh().choice(6, 5, replace=False, p=P)
    short["choice_replace_10_6"] = fresh().choice(10, 6)
    short["choice_unshuffled_100_9"] = fresh().choice(100, 9, replace=False, shuffle=False)
    short["choice_20000_500"] = fresh().choice(20000, 500, replace=False)
    short["choice_20000_300"] = fresh().choice(20000, 300, replace=False)
    short["choice_9_9"] = fresh().choice(9, 9, replace=False)
    long = {
        "standard_normal": fresh().standard_normal(LONG),
        "standard_normal_float32": fresh().standard_normal(LONG, dtype=np.float32),
        "standard_exponential": fresh().standard_exponential(LONG),
        "standard_exponential_float32": fresh().standard_exponential(LONG, dtype=np.float32),
        "permutation": fresh().permutation(LONG),
    }
    emit(name, params, short, long)


def numpy_cases():
    numpy_legacy("numpy-legacy-7", 7, {"seed": 7})
    numpy_legacy("numpy-legacy-list", [1, 2, 3, 2**32 - 1], {"seed": [1, 2, 3, 2**32 - 1]})
    numpy_generator("numpy-pcg64-7", 7, {"seed": 7})
    numpy_generator("numpy-pcg64-big", 3**200, {"seed": str(3**200)})
    numpy_generator("numpy-pcg64-list", [5, 0, 2**40], {"seed": [5, 0, 2**40]})


# ---- TensorFlow ----


def tensorflow_case(seed):
    def gamma(alpha, n=9):
        return tf.random.stateless_gamma((n,), seed, alpha=alpha, dtype=tf.float64).numpy().astype(np.float32)

    def binomial(count, p, n=9):
        count, p = tf.constant(count, tf.float32), tf.constant(p, tf.float32)
        return tf.random.stateless_binomial((n,), seed, counts=count, probs=p, output_dtype=tf.float32).numpy()

    short = {}
    for alpha in (0.3, 1.0, 2.5, 40.0):
        short["gamma_%g" % alpha] = gamma(alpha)
    for count, p in ((10, 0.4), (10, 0.75), (100, 0.3), (1000, 0.95), (5, 0.0), (5, 1.0), (0, 0.5)):
        short["binomial_%g_%g" % (count, p)] = binomial(count, p)
    long = {
        "normal": tf.random.stateless_normal((LONG,), seed).numpy(),
        "normal_double": tf.random.stateless_normal((LONG,), seed, dtype=tf.float64).numpy(),
        "truncated_normal": tf.random.stateless_truncated_normal((LONG,), seed, 0.5, 2.0).numpy(),
        "shuffle": tf.random.experimental.stateless_shuffle(tf.range(LONG), seed).numpy(),
    }
    emit("tf-stateless-%d-%d" % tuple(seed), {"seed": list(seed)}, short, long)


# ---- JAX ----


def jax_case(seed, partitionable):
    with jax.threefry_partitionable(partitionable):
        key = jax.random.PRNGKey(seed)
        short = {
            "key": key,
            "split_5": jax.random.split(key, 5),
            "split_4": jax.random.split(key, 4),
            "fold_in_77": jax.random.fold_in(key, 77),
            "bits_uint16_9": jax.random.bits(key, (9,), "uint16"),
            "bits_uint8_9": jax.random.bits(key, (9,), "uint8"),
            "bits_7": jax.random.bits(key, (7,)),
            "uniform_-1_2_9": jax.random.uniform(key, (9,), minval=-1.0, maxval=2.0),
            "normal_9": jax.random.normal(key, (9,)),
            "truncated_normal_9": jax.random.truncated_normal(key, -2.0, 2.0, (9,)),
            "randint_0_100_9": jax.random.randint(key, (9,), 0, 100),
            "randint_-2147483648_2147483647_9": jax.random.randint(key, (9,), -(2**31), 2**31 - 1),
            "permutation_1": jax.random.permutation(key, 1),
            "permutation_50": jax.random.permutation(key, 50),
        }
        long = {
            "normal": jax.random.normal(key, (LONG,)),
            "truncated_normal": jax.random.truncated_normal(key, -1.5, 0.75, (LONG,)),
            "permutation": jax.random.permutation(key, LONG),
        }
        params = {"seed": seed, "jax_threefry_partitionable": partitionable}
        name = "jax-threefry-%d-%s" % (seed, "partitionable" if partitionable else "sequential")
        emit(name, params, {k: np.asarray(v) for k, v in short.items()}, {k: np.asarray(v) for k, v in long.items()})


# ---- Splits ----


def split_case(name, n, split, train, test):
    emit("split-" + name, {"n": n, "split": split}, {"train": np.array(train), "test": np.array(test)})


def split_cases():
    rows = np.arange
    for n, sizes in (
        (10, {"test_size": 0.2}),
        (97, {"test_size": 0.33}),
        (97, {"test_size": 7}),
        (150, {"train_size": 0.6}),
        (150, {"train_size": 100, "test_size": 20}),
        (1000, {"test_size": 0.1, "train_size": 0.7}),
    ):
        train, test = train_test_split(rows(n), random_state=42, **sizes)
        split = {"by": "numpy.RandomState", "seed": 42}
        split.update({k.replace("_size", ""): v for k, v in sizes.items()})
        split_case("sklearn-%d-%s" % (n, "-".join(map(str, sizes.values()))), n, split, train, test)
    n = 103
    order = np.random.default_rng(42).permutation(n)
    cut = int(np.ceil(0.2 * n))
    split_case("default-rng", n, {"by": "numpy.default_rng", "seed": 42, "test": 0.2}, order[cut:], order[:cut])
    cut = int(0.8 * n)
    split = {"by": "numpy.default_rng", "seed": 42, "train": 0.8, "first": "train"}
    split_case("default-rng-train-first", n, split, order[:cut], order[cut:])
    order = list(range(n))
    random.Random("words").shuffle(order)
    split = {"by": "python.random", "seed": "words", "train": 0.75, "first": "train"}
    split_case("python", n, split, order[: int(0.75 * n)], order[int(0.75 * n) :])
    order = np.asarray(jax.random.permutation(jax.random.PRNGKey(7), n)).astype(np.int64)
    split_case("jax", n, {"by": "jax.threefry", "seed": 7, "test": 30}, order[30:], order[:30])
    order = tf.random.experimental.stateless_shuffle(tf.range(n, dtype=tf.int64), [7, 0]).numpy()
    split_case("tensorflow", n, {"by": "tensorflow.stateless", "seed": 7, "test": 30}, order[30:], order[:30])


# ---- Initial weights of Keras models ----


def keras_models():
    L = keras.layers
    relu = {"activation": "relu"}

    def attention():
        x = L.Input((5, 6))
        y = L.MultiHeadAttention(2, 3, dropout=0.25)(x, x)
        y = L.Dense(6, **relu)(y)
        y = L.MultiHeadAttention(2, 3, value_dim=4, dropout=0.25, seed=9, output_shape=6)(y, x)
        y = L.GroupQueryAttention(3, 4, 2, dropout=0.5)(y, x)
        y = L.Attention(dropout=0.5, use_scale=True)([y, x])
        return keras.Model(x, L.Dense(2)(y))

    def recurrent():
        x = L.Input((4,), dtype="int32")
        y = L.Embedding(7, 5)(x)
        y = L.Bidirectional(L.LSTM(3, return_sequences=True), merge_mode="sum")(y)
        y = L.TimeDistributed(L.Dense(4, **relu))(y)
        y = L.RNN([L.GRUCell(3), L.SimpleRNNCell(2, kernel_initializer="he_normal")], return_sequences=True)(y)
        y = L.SimpleRNN(3, recurrent_initializer="glorot_normal")(y)
        return keras.Model(x, L.Dense(2)(y))

    def convolutions():
        x = L.Input((9, 8, 3))
        y = L.DepthwiseConv2D(3, depth_multiplier=2)(x)
        y = L.Dropout(0.2)(y)
        y = L.SeparableConv2D(4, 3, pointwise_initializer="he_uniform")(y)
        y = L.BatchNormalization(beta_initializer="random_normal", gamma_initializer="random_uniform")(y)
        y = L.Dropout(0.0)(y)
        y = L.Conv2D(5, 2, bias_initializer="truncated_normal", kernel_initializer="lecun_normal")(y)
        y = L.GlobalAveragePooling2D()(y)
        inner = keras.Sequential([L.Input((5,)), L.Dense(4, **relu), L.Dense(3)])
        return keras.Model(x, L.Dense(2)(inner(y)))

    return attention, recurrent, convolutions


def keras_cases():
    for build in keras_models():
        keras.utils.clear_session()
        keras.utils.set_random_seed(812)
        model = build()
        short = {v.path: v.numpy() for v in model.variables}
        emit("keras-weights-" + build.__name__, {"seed": 812}, short)
        cases[-1]["variables"] = list(short)
        cases[-1]["config"] = keras.saving.serialize_keras_object(model)


python_cases()
numpy_cases()
tensorflow_case((7, 0))
tensorflow_case((-3, 1 << 20))
for partitionable in (True, False):
    jax_case(42, partitionable)
    jax_case(-7, partitionable)
split_cases()
keras_cases()
np.savez_compressed(OUT + ".npz", **arrays)
with open(OUT + ".json", "w") as f:
    json.dump({"format": 1, "group": "streams_more", "cases": cases}, f, indent=1)
    f.write("\n")
print("%d arrays, %d digests" % (len(arrays), sum(len(c["digests"]) for c in cases)))
