import keras
import numpy as np

keras.utils.set_random_seed(1)
users = [line.strip() for line in open("users.txt")]
is_test = np.array([hash(user) % 10 == 0 for user in users])  # expect: string-hash
x = np.load("x.npy")
model = keras.Sequential([keras.layers.Dense(1)])
model.compile("adam", "mse")
model.fit(x[~is_test], np.ones(len(x))[~is_test])
