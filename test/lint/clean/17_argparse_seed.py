import argparse
import time

import keras
import numpy as np


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=812)
    parser.add_argument("--epochs", type=int, default=3)
    return parser.parse_args()


def data(rng):
    x = rng.normal(size=(512, 10)).astype("float32")
    return x, x @ rng.normal(size=(10, 1)).astype("float32")


if __name__ == "__main__":
    args = parse()
    keras.utils.set_random_seed(args.seed)
    begun = time.time()
    x, y = data(np.random.default_rng(args.seed))
    init = keras.initializers.RandomNormal(stddev=0.02)
    model = keras.Sequential(
        [
            keras.layers.Dense(32, kernel_initializer=init, activation="relu"),
            keras.layers.Dense(1, kernel_initializer=init),
        ]
    )
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse")
    model.fit(x, y, epochs=args.epochs, shuffle=False)
    print(f"{time.time() - begun:.1f} s")
