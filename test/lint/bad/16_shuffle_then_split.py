import tensorflow as tf
from tensorflow import keras

keras.utils.set_random_seed(1)
tf.config.experimental.enable_op_determinism()
dataset = tf.data.Dataset.from_tensor_slices((tf.ones((1000, 4)), tf.ones((1000, 1))))
dataset = dataset.shuffle(buffer_size=1000)  # expect: shuffle-then-split
dataset = dataset.map(lambda x, y: (x / 2.0, y))
train_dataset = dataset.take(800).batch(32)
val_dataset = dataset.skip(800).batch(32)
model = keras.Sequential([keras.layers.Dense(1)])
model.compile("adam", "mse")
model.fit(train_dataset, validation_data=val_dataset, epochs=5)
