import keras

keras.utils.set_random_seed(1)
model = keras.Sequential([keras.layers.Dense(4), keras.layers.Dense(1)])
model.build((None, 3))
variables = sorted(model.trainable_variables, key=id)  # expect: address-order
for variable in variables:
    print(variable.name)
