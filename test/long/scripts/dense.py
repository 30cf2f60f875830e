# SPDX-License-Identifier: Apache-2.0
"""Initial weights, dropout, noise and the order of samples, all without a seed. Any backend."""

import keras
from final import data, show
from keras import layers

x, y = data()
model = keras.Sequential(
    [
        keras.Input((16,)),
        layers.Dense(32, activation="relu"),
        layers.Dropout(0.3),
        layers.GaussianNoise(0.1),
        layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
model.fit(x, y, epochs=2, batch_size=32, verbose=0)
show(model.get_weights())
