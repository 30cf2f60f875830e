import keras
import tensorflow_datasets as tfds

keras.utils.set_random_seed(1)
(train, test), info = tfds.load(  # expect: shuffled-files
    "cats_vs_dogs", split=["train[:90%]", "train[90%:]"], with_info=True, as_supervised=True, shuffle_files=True
)
model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(train.batch(32), validation_data=test.batch(32))
