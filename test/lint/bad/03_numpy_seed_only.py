import numpy as np
import keras

np.random.seed(1337)

model = keras.Sequential([keras.layers.Embedding(1000, 16), keras.layers.LSTM(32), keras.layers.Dense(1)])  # expect: seed-partial
model.compile(optimizer="rmsprop", loss="binary_crossentropy")
model.fit(np.zeros((32, 10)), np.zeros(32), epochs=2)
