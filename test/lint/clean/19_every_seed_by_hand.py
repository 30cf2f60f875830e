"""No global seed at all: every layer and every order has its own."""
import keras
import numpy as np
from keras import layers
from keras.initializers import GlorotUniform, Orthogonal

x = np.random.default_rng(1).normal(size=(64, 10, 4)).astype("float32")
y = x.sum(axis=(1, 2))
model = keras.Sequential(
    [
        layers.LSTM(8, kernel_initializer=GlorotUniform(seed=1), recurrent_initializer=Orthogonal(seed=2), dropout=0.1, seed=3),
        layers.Dropout(0.2, seed=4),
        layers.Dense(1, kernel_initializer=GlorotUniform(seed=5)),
    ]
)
model.compile("adam", "mse")
model.fit(x, y, epochs=2, shuffle=False)
