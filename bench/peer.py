# SPDX-License-Identifier: Apache-2.0
"""Trains a workload of bench/workloads with Keras and prints seconds an epoch as JSON.

usage: peer.py SIDE WORKLOAD NPZ BATCH EPOCHS THREADS
SIDE: tensorflow, tensorflow-deterministic, tensorflow-xla, jax or torch. The models are those of the experiment
files; Keras draws other weights.
"""

import json
import os
import sys
import time

side, workload, path = sys.argv[1:4]
batch, epochs, threads = map(int, sys.argv[4:7])
started = time.perf_counter()
os.environ["KERAS_BACKEND"] = side.split("-")[0]
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["JAX_PLATFORMS"] = "cpu"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])

import numpy as np  # noqa: E402

if side.startswith("tensorflow"):
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    if side == "tensorflow-deterministic":
        tf.config.experimental.enable_op_determinism()
if side == "torch":
    import torch

    torch.set_num_threads(threads)

import keras  # noqa: E402
from keras import Input, layers, regularizers  # noqa: E402


def demo():
    return keras.Sequential([Input((28, 28)), layers.Reshape((28, 28, 1)), layers.Rescaling(1 / 255), *convnet()])


def convnet():
    return [
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(10, activation="softmax"),
    ]


def mlp():
    hidden = []
    for _ in range(2):
        hidden += [layers.Dense(512, activation="relu"), layers.Dropout(0.2)]
    return keras.Sequential([Input((784,)), *hidden, layers.Dense(10, activation="softmax")])


def cnn():
    return keras.Sequential([Input((28, 28, 1)), *convnet()])


def resnet():
    def conv(x, filters, size, strides):
        return layers.Conv2D(
            filters,
            size,
            strides=strides,
            padding="same",
            kernel_initializer="he_normal",
            kernel_regularizer=regularizers.L2(1e-4),
        )(x)

    def norm(x):
        return layers.BatchNormalization()(x)

    image = Input((32, 32, 3))
    x = layers.Activation("relu")(norm(conv(image, 16, 3, 1)))
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(3):
            strides = 2 if stage and not block else 1
            y = layers.Activation("relu")(norm(conv(x, filters, 3, strides)))
            y = norm(conv(y, filters, 3, 1))
            if strides == 2:
                x = conv(x, filters, 1, 2)
            x = layers.Activation("relu")(layers.Add()([x, y]))
    x = layers.Flatten()(layers.AveragePooling2D(8)(x))
    return keras.Model(image, layers.Dense(10, activation="softmax", kernel_initializer="he_normal")(x))


def lstm():
    body = [layers.Embedding(20000, 128), layers.LSTM(128), layers.Dense(1, activation="sigmoid")]
    return keras.Sequential([Input((100,), dtype="int32"), *body])


def gpt():
    tokens = Input((80,), dtype="int32")
    x = layers.Embedding(2000, 256)(tokens)
    for _ in range(2):
        a = layers.Dropout(0.1)(layers.MultiHeadAttention(4, 64)(x, x, use_causal_mask=True))
        x = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, a]))
        f = layers.Dense(256)(layers.Dense(1024, activation="gelu")(x))
        x = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, layers.Dropout(0.1)(f)]))
    return keras.Model(tokens, layers.Dense(2000)(x))


def tabular():
    hidden = []
    for _ in range(2):
        hidden += [
            layers.Dense(64),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.Dropout(0.3),
        ]
    return keras.Sequential([Input((30,)), *hidden, layers.Dense(1, activation="sigmoid")])


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.begun = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.begun)


OPTIMIZERS = {"resnet": lambda: keras.optimizers.SGD(0.1, momentum=0.9)}
LOSSES = {
    "lstm": "binary_crossentropy",
    "tabular": "binary_crossentropy",
    "gpt": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
}
keras.utils.set_random_seed(812)
names = ("x_train", "y_train") if workload == "demo" else ("x", "y")
with np.load(path) as data:
    x, y = data[names[0]], data[names[1]].astype("int32")
model = globals()[workload]()
model.compile(
    optimizer=OPTIMIZERS.get(workload, lambda: keras.optimizers.Adam(0.001))(),
    loss=LOSSES.get(workload, "sparse_categorical_crossentropy"),
    metrics=["accuracy"] if workload == "demo" else None,
    jit_compile=side in ("tensorflow-xla", "jax"),
)
clock = Clock()
ready = time.perf_counter()
model.fit(x, y, batch_size=batch, epochs=epochs, verbose=0, callbacks=[clock])
print(json.dumps({"epochs": clock.seconds, "before_first_epoch": ready - started}))
