import keras
import tensorflow as tf
from keras import layers

keras.utils.set_random_seed(5)  # expect: op-determinism-missing
data_augmentation = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)])

train_ds = keras.utils.image_dataset_from_directory("PetImages", seed=1337, image_size=(180, 180))
train_ds = train_ds.map(  # expect: random-in-parallel-map
    lambda img, label: (data_augmentation(img, training=True), label),
    num_parallel_calls=tf.data.AUTOTUNE,
).prefetch(tf.data.AUTOTUNE)
model = keras.Sequential([layers.Rescaling(1.0 / 255), layers.Flatten(), layers.Dense(1)])
model.compile("adam", "binary_crossentropy")
model.fit(train_ds, epochs=3)
