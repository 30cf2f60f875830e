import keras
import numpy as np

keras.utils.set_random_seed(1)
model = keras.Sequential([keras.layers.Dense(1)])
model.compile("adam", "mse")
backup = keras.callbacks.BackupAndRestore("backup", save_freq=500)  # expect: backup-mid-epoch
model.fit(np.ones((10000, 3)), np.ones((10000, 1)), epochs=10, callbacks=[backup])
