"""The classic: only TensorFlow's generator is seeded, but Keras draws initial weights from Python's."""
import tensorflow as tf
from tensorflow.keras import layers

tf.random.set_seed(42)
tf.config.experimental.enable_op_determinism()

inputs = tf.keras.Input((32,))
x = layers.Dense(64, activation="relu")(inputs)  # expect: seed-partial
outputs = layers.Dense(1)(x)
model = tf.keras.Model(inputs, outputs)
model.compile("adam", "mse")
model.fit(tf.ones((64, 32)), tf.ones((64, 1)), epochs=3)
