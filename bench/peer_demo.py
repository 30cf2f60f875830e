# SPDX-License-Identifier: Apache-2.0
"""Trains the demo's model (examples/mnist) with Keras and prints seconds an epoch as JSON.

usage: peer_demo.py tensorflow|tensorflow-deterministic|jax NPZ EPOCHS THREADS
"""

import json
import os
import sys
import time

side, path, epochs, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
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

import keras  # noqa: E402
from keras import layers  # noqa: E402

keras.utils.set_random_seed(812)
with np.load(path) as data:
    x, y = data["x_train"], data["y_train"].astype("int32")

model = keras.Sequential(
    [
        keras.Input((28, 28)),
        layers.Reshape((28, 28, 1)),
        layers.Rescaling(1 / 255),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.001), loss="sparse_categorical_crossentropy", metrics=["accuracy"])


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.begun = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.begun)


clock = Clock()
ready = time.perf_counter()
history = model.fit(x, y, batch_size=128, epochs=epochs, verbose=0, callbacks=[clock])
print(
    json.dumps(
        {
            "samples": len(x),
            "epochs": clock.seconds,
            "before_first_epoch": ready - started,
            "loss": history.history["loss"][-1],
        }
    )
)
