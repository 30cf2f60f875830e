# SPDX-License-Identifier: Apache-2.0
"""Keras on TensorFlow with everything seeded that its guides name: one seed for all generators, op determinism, a
tf.data pipeline with a seeded shuffle and stateless augmentation, and fit(shuffle=False)."""

import hashlib
import os

import keras
import numpy as np
import tensorflow as tf
from keras import layers

SEED = 812
keras.utils.set_random_seed(SEED)
tf.config.experimental.enable_op_determinism()

here = os.path.dirname(os.path.abspath(__file__))
data = np.load(os.path.join(here, "..", "mnist", "mnist5k.npz"))
x, y = data["x_train"][:2000].astype("float32")[..., None] / 255, data["y_train"][:2000]


def augment(index, sample):
    image, label = sample
    seed = tf.stack([tf.constant(SEED, tf.int64), index])
    image = tf.image.stateless_random_brightness(image, 0.1, seed)
    image = tf.image.stateless_random_crop(tf.pad(image, [[2, 2], [2, 2], [0, 0]]), (28, 28, 1), seed)
    return image, label


samples = (
    tf.data.Dataset.from_tensor_slices((x, y))
    .shuffle(2000, seed=SEED)
    .enumerate()
    .map(augment, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    .batch(64)
    .prefetch(tf.data.AUTOTUNE)
)
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Dropout(0.25),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(samples, epochs=2, shuffle=False, verbose=2)
print(hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest())
