import os

os.environ["PYTHONHASHSEED"] = "0"  # expect: hashseed-inside
import tensorflow as tf

tf.keras.utils.set_random_seed(1)
tf.config.experimental.enable_op_determinism()  # expect: environment-unpinned
model = tf.keras.models.load_model("half.keras")
model.add(tf.keras.layers.Dropout(0.5))
model.fit(tf.ones((8, 3)), tf.ones((8, 1)), initial_epoch=5, epochs=10)  # expect: resume-forgets
