import tensorflow as tf
from tensorflow import keras

keras.utils.set_random_seed(1)  # expect: op-determinism-missing
files = tf.data.Dataset.list_files("train-*.tfrecord", shuffle=False)
data = files.interleave(tf.data.TFRecordDataset, cycle_length=4, num_parallel_calls=4, deterministic=False)  # expect: order-given-up
options = tf.data.Options()
options.deterministic = False  # expect: order-given-up
data = data.with_options(options).batch(32)
model = keras.Sequential([keras.layers.Dense(1)])
model.compile("adam", "mse")
model.fit(data)
