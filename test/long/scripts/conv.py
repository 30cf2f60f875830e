# SPDX-License-Identifier: Apache-2.0
"""Convolution with augmentation and batch normalization, nothing seeded. Any backend."""

import keras
from final import data, show
from keras import layers

x, y = data(64, 12 * 12)
x = x.reshape(64, 12, 12, 1)
model = keras.Sequential(
    [
        keras.Input((12, 12, 1)),
        layers.RandomFlip(),
        layers.RandomRotation(0.1),
        layers.Conv2D(8, 3),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile("adam", "binary_crossentropy")
model.fit(x, y, epochs=2, batch_size=16, verbose=0)
show(model.get_weights())
