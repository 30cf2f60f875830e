# SPDX-License-Identifier: Apache-2.0
"""A loop of one's own: GradientTape in a tf.function, the order by numpy.random.permutation. TensorFlow."""

import keras
import numpy as np
import tensorflow as tf
from final import data, show
from keras import layers

x, y = data()
model = keras.Sequential([keras.Input((16,)), layers.Dense(16, activation="relu"), layers.Dropout(0.2), layers.Dense(1)])
optimizer = keras.optimizers.Adam(0.01)


@tf.function
def step(xb, yb):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(xb, training=True)[:, 0] - yb) ** 2)
    optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
    return loss


for _ in range(2):
    order = np.random.permutation(len(x))
    for i in range(0, len(x), 32):
        step(tf.constant(x[order[i : i + 32]]), tf.constant(y[order[i : i + 32]]))
show(model.get_weights())
