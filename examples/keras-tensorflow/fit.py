# SPDX-License-Identifier: Apache-2.0
"""The model and the samples of train.py, trained by isobit.fit: the initial weights and the batches are the same, the
arithmetic is isobit's. Dropout draws isobit's own random numbers."""

import os

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import isobit

SEED = 812
isobit.set_random_seed(SEED)

here = os.path.dirname(os.path.abspath(__file__))
data = np.load(os.path.join(here, "..", "mnist", "mnist5k.npz"))
x, y = data["x_train"][:2000].astype("float32")[..., None] / 255, data["y_train"][:2000]


def augment(index, sample):
    image, label = sample
    seed = tf.stack([tf.constant(SEED, tf.int64), index])
    image = tf.image.stateless_random_brightness(image, 0.1, seed)
    image = tf.image.stateless_random_crop(tf.pad(image, [[2, 2], [2, 2], [0, 0]]), (28, 28, 1), seed)
    return image, label


samples = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(2000, seed=SEED).enumerate().map(augment)
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
for _ in range(2):  # each pass over the samples has an order of its own
    images, labels = next(samples.batch(2000).as_numpy_iterator())
    history = isobit.fit(model, images, labels, batch_size=64, shuffle=False)
print(history.digest)
