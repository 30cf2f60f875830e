import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
import numpy as np

keras.utils.set_random_seed(1)
key = jax.random.PRNGKey(0)
key, sub = jax.random.split(key)
noise = np.asarray(jax.random.normal(sub, (128, 4)))
rng = np.random.default_rng(1)
x = noise + rng.normal(size=(128, 4)).astype("float32")
model = keras.Sequential([keras.layers.Dense(16, activation="relu"), keras.layers.Dropout(0.2), keras.layers.Dense(1)])
model.compile(optimizer="adam", loss="mse")
model.fit(x, x.sum(axis=1), epochs=3)
