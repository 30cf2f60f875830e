import keras
from keras import layers

keras.utils.set_random_seed(1)
initializer = keras.initializers.GlorotUniform(seed=42)  # expect: shared-initializer
inputs = keras.Input((16,))
query = layers.Dense(16, kernel_initializer=initializer)(inputs)
value = layers.Dense(16, kernel_initializer=initializer)(inputs)
model = keras.Model(inputs, layers.Add()([query, value]))
model.compile("adam", "mse")
model.fit([[0.0] * 16], [[0.0] * 16])
