import os
import random

os.environ["TF_DETERMINISTIC_OPS"] = "1"
os.environ["TF_NUM_INTRAOP_THREADS"] = "4"

import numpy as np
import tensorflow as tf
from tensorflow.keras import Sequential
from tensorflow.keras.layers import Dense, Dropout

SEED = 7
random.seed(SEED)
np.random.seed(SEED)
tf.random.set_seed(SEED)

X = np.random.rand(100, 5)
y = (X.sum(axis=1) > 2.5).astype(int)
model = Sequential([Dense(12, activation="relu"), Dropout(0.2), Dense(1, activation="sigmoid")])
model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
model.fit(X, y, epochs=5, verbose=0)
