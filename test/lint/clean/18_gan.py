import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import tensorflow as tf
from keras import layers

SEED = 5
keras.utils.set_random_seed(SEED)
tf.config.experimental.enable_op_determinism()
tf.config.threading.set_intra_op_parallelism_threads(1)
discriminator = keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), layers.Dropout(0.2), layers.Dense(1)])
generator = keras.Sequential([keras.Input((128,)), layers.Dense(784), layers.Reshape((28, 28, 1))])


class GAN(keras.Model):
    def __init__(self, discriminator, generator):
        super().__init__()
        self.discriminator, self.generator = discriminator, generator
        self.seed_generator = keras.random.SeedGenerator(SEED)

    def compile(self, d_optimizer, g_optimizer, loss_fn):
        super().compile()
        self.d_optimizer, self.g_optimizer, self.loss_fn = d_optimizer, g_optimizer, loss_fn

    def train_step(self, images):
        size = tf.shape(images)[0]
        latent = keras.random.normal((size, 128), seed=self.seed_generator)
        labels = tf.ones((size, 1)) + 0.05 * tf.random.uniform((size, 1))
        with tf.GradientTape() as tape:
            loss = self.loss_fn(labels, self.discriminator(self.generator(latent)))
        grads = tape.gradient(loss, self.generator.trainable_weights)
        self.g_optimizer.apply_gradients(zip(grads, self.generator.trainable_weights))
        return {"loss": loss}


(x, _), _ = keras.datasets.mnist.load_data()
dataset = tf.data.Dataset.from_tensor_slices(x[..., None].astype("float32") / 255.0)
dataset = dataset.shuffle(buffer_size=1024).batch(32)
gan = GAN(discriminator, generator)
gan.compile(keras.optimizers.Adam(3e-4), keras.optimizers.Adam(3e-4), keras.losses.BinaryCrossentropy(from_logits=True))
gan.fit(dataset, epochs=1)
