import zlib

import keras
import tensorflow as tf
from sklearn.model_selection import KFold, train_test_split

keras.utils.set_random_seed(10)
tf.config.experimental.enable_op_determinism()
tf.config.threading.set_intra_op_parallelism_threads(2)
x, y = tf.ones((1000, 4)).numpy(), tf.ones((1000, 1)).numpy()
x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.2, random_state=1)
in_test = [zlib.crc32(str(i).encode()) % 10 == 0 for i in range(1000)]
dataset = tf.data.Dataset.from_tensor_slices((x_train, y_train))
dataset = dataset.shuffle(800, seed=1, reshuffle_each_iteration=False)
train = dataset.take(600).shuffle(600, seed=2).batch(32)
rest = dataset.skip(600).batch(32)
for fold, (a, b) in enumerate(KFold(5, shuffle=True, random_state=0).split(x)):
    keras.utils.set_random_seed(fold)
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(train, validation_data=rest, epochs=1)
print(sum(in_test))
