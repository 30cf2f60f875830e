import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_NUM_INTRAOP_THREADS"] = "2"

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

keras.utils.set_random_seed(1337)
tf.config.experimental.enable_op_determinism()


class Sampling(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        z_mean, z_log_var = inputs
        epsilon = keras.random.normal(shape=ops.shape(z_mean), seed=self.seed_generator)
        return z_mean + ops.exp(0.5 * z_log_var) * epsilon


class VAE(keras.Model):
    def __init__(self):
        super().__init__()
        self.mean, self.variance = layers.Dense(2), layers.Dense(2)
        self.sampling, self.decoder = Sampling(), layers.Dense(784, activation="sigmoid")

    def train_step(self, data):
        with tf.GradientTape() as tape:
            mean, variance = self.mean(data), self.variance(data)
            out = self.decoder(self.sampling([mean, variance]))
            loss = ops.mean((out - data) ** 2)
        grads = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(grads, self.trainable_weights))
        return {"loss": loss}


(x, _), _ = keras.datasets.mnist.load_data()
vae = VAE()
vae.compile(optimizer=keras.optimizers.Adam())
vae.fit(x.reshape(-1, 784).astype("float32") / 255, epochs=1, batch_size=128)
print(np.mean(x))
