import keras
import numpy as np

keras.utils.set_random_seed(812)
rng = np.random.default_rng()  # expect: unseeded-generator
x = rng.normal(size=(256, 20)).astype("float32")
y = (x.sum(axis=1) > 0).astype("float32")

model = keras.Sequential([keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1, activation="sigmoid")])
model.compile("adam", "binary_crossentropy")
model.fit(x, y, epochs=3)
