import os

import keras

os.environ["KERAS_BACKEND"] = "jax"  # expect: env-too-late

keras.utils.set_random_seed(1)
model = keras.Sequential([keras.layers.Dense(1)])
model.compile("adam", "mse")
model.fit([[1.0]], [[1.0]])
