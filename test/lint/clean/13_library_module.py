"""Layers and helpers for other scripts: nothing is trained here, so no seed is missing."""
import keras
from keras import layers


def residual_block(x, filters, pooling=False):
    residual = x
    x = layers.Conv2D(filters, 3, activation="relu", padding="same")(x)
    x = layers.Dropout(0.1)(x)
    if pooling:
        x = layers.MaxPooling2D(2, padding="same")(x)
        residual = layers.Conv2D(filters, 1, strides=2)(residual)
    return layers.add([x, residual])


class Trainer:
    def __init__(self, model, seed=None):
        self.model, self.seed = model, seed

    def run(self, x, y):
        self.model.compile("adam", "mse")
        return self.model.fit(x, y)


class Mixer(keras.layers.Layer):
    def __init__(self, units, seed=None):
        super().__init__()
        self.dense, self.drop = layers.Dense(units), layers.Dropout(0.1, seed=seed)

    def call(self, x):
        return self.drop(self.dense(x))
