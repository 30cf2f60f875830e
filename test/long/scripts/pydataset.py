# SPDX-License-Identifier: Apache-2.0
"""A data set whose three workers draw from NumPy. Any backend."""

import keras
import numpy as np
from final import show
from keras import layers


class Noise(keras.utils.PyDataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        x = np.random.normal(size=(16, 8)).astype("float32")
        return x, x.sum(axis=1)


model = keras.Sequential([keras.Input((8,)), layers.Dense(8, activation="tanh"), layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(Noise(workers=3), epochs=2, verbose=0)
show(model.get_weights())
