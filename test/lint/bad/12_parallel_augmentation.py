import tensorflow as tf
from tensorflow import keras

keras.utils.set_random_seed(5)  # expect: op-determinism-missing


def augment(image, label):
    image = tf.image.random_flip_left_right(image)
    image = tf.image.random_brightness(image, 0.1)
    return image, label


data = tf.data.Dataset.from_tensor_slices((tf.ones((64, 8, 8, 3)), tf.ones((64, 1))))
data = data.map(augment, num_parallel_calls=tf.data.AUTOTUNE).batch(16)  # expect: random-in-parallel-map
model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
model.compile("adam", "mse")
model.fit(data, epochs=2)
