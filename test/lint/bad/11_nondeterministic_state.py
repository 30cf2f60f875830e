import tensorflow as tf

tf.keras.utils.set_random_seed(1)
tf.config.experimental.enable_op_determinism()
generator = tf.random.Generator.from_non_deterministic_state()  # expect: unseeded-generator
noise = generator.normal((64, 8))
model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
model.compile("adam", "mse")
model.fit(noise, tf.ones((64, 1)))
