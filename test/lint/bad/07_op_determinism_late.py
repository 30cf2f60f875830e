import tensorflow as tf

tf.keras.utils.set_random_seed(3)
model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(tf.ones((8, 2)), tf.ones((8, 1)), epochs=1)

tf.config.experimental.enable_op_determinism()  # expect: op-determinism-late
model.fit(tf.ones((8, 2)), tf.ones((8, 1)), epochs=5)
