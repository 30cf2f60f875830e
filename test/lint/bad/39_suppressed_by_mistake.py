import keras
import numpy as np

keras.utils.set_random_seed(1)
rng = np.random.default_rng()  # isobit: ignore[unseeded-generators]  expect: bad-suppression, unseeded-generator
print(rng.normal())
