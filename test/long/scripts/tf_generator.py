# SPDX-License-Identifier: Apache-2.0
"""tf.random.Generator from a state that nobody knows. TensorFlow."""

import keras
import tensorflow as tf
from final import data, show
from keras import layers

x, y = data()
generator = tf.random.Generator.from_non_deterministic_state()
x = x + generator.normal(x.shape, stddev=0.1).numpy()
model = keras.Sequential([keras.Input((16,)), layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(x, y, epochs=1, batch_size=32, verbose=0)
show(model.get_weights())
