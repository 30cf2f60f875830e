import time

import keras
import numpy as np

keras.utils.set_random_seed(1)
model = keras.Sequential([keras.layers.Dense(1)])
model.compile("adam", "mse")
x, y = np.ones((32, 3)), np.ones((32, 1))
begun = time.perf_counter()
while time.perf_counter() - begun < 600:  # expect: stops-by-clock
    model.train_on_batch(x, y)
