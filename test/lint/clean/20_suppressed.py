import os

import keras
import numpy as np

keras.utils.set_random_seed(1)
rng = np.random.default_rng()  # isobit: ignore[unseeded-generator] fresh noise is wanted here
names = os.listdir("logs")  # isobit: ignore[unsorted-listing]
first = names[0]
print(first, rng.normal())
