"""Seeds, op determinism and threads, then tf.data with shuffle and a parallel map."""
import os

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import keras
import tensorflow as tf
from keras import layers

keras.utils.set_random_seed(812)
tf.config.experimental.enable_op_determinism()
tf.config.threading.set_intra_op_parallelism_threads(2)


def prepare(image, label):
    image = tf.cast(image, tf.float32) / 255.0
    image = tf.image.random_flip_left_right(image)
    return tf.expand_dims(image, -1), label


(images, labels), _ = keras.datasets.mnist.load_data()
train = (
    tf.data.Dataset.from_tensor_slices((images, labels))
    .shuffle(buffer_size=len(images))
    .map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
    .batch(64)
    .prefetch(tf.data.AUTOTUNE)
)
model = keras.Sequential([layers.Conv2D(8, 3), layers.GlobalAveragePooling2D(), layers.Dense(10)])
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
model.fit(train, epochs=2)
