# SPDX-License-Identifier: Apache-2.0
"""isobit beside real Keras: usage: keras_check.py ISOBIT

1. Models trained and written by isobit load in Keras and predict the same, to 1e-5.
2. Models written by Keras load in isobit and predict the same, to 1e-5.
3. From the same initial weights, without shuffling and dropout, the loss of each step agrees with Keras.
4. With every optimizer, Keras goes on from a file that isobit wrote in the middle of training as isobit does,
   and isobit from Keras's .h5 file as from its own.
"""

import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import warnings

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402

ISOBIT = sys.argv[1]
MNIST = "examples/mnist/mnist5k.npz"
checks = 0


def isobit(*arguments):
    """Runs a command and gives its standard output."""
    done = subprocess.run([ISOBIT, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"isobit {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def agree(name, got, want, tolerance):
    global checks
    got, want = np.asarray(got, dtype=np.float64), np.asarray(want, dtype=np.float64)
    if got.shape != want.shape:
        sys.exit(f"{name}: shapes {got.shape} and {want.shape}")
    error = np.max(np.abs(got - want)) / max(1.0, np.max(np.abs(want)))
    print(f"{name}: {got.size} numbers, largest difference {error:.2e} (allowed {tolerance:.0e})")
    if not error <= tolerance:
        sys.exit(f"{name}: too different")
    checks += 1


def digits(count):
    with np.load(MNIST) as data:
        return data["x_train"][:count].astype("float32"), data["y_train"][:count].astype("int32")


def read_losses(run):
    """Loss of each step from the run's `steps` file."""
    losses = []
    for line in pathlib.Path(run, "steps").read_text().splitlines():
        words = line.split()
        if words and words[0].isdigit() and int(words[0]) > 0:
            losses.append(struct.unpack(">f", bytes.fromhex(words[1]))[0])
    return losses


def written_by_isobit(folder):
    for name in ("mnist", "digits", "breast_cancer"):
        run = folder / name
        isobit("train", f"examples/{name}/experiment.yaml", "-o", run, "--quiet")
        model = keras.models.load_model(run / "model.keras")
        x = np.random.default_rng(1).normal(size=(100, *model.input_shape[1:])).astype("float32")
        np.savez(folder / "x.npz", x=x)
        isobit("predict", run, "--data", folder / "x.npz", "-o", folder / "p.npy")
        agree(f"isobit's {name} in Keras", np.load(folder / "p.npy"), model.predict(x, verbose=0), 1e-5)


def convnet(dropout):
    rest = [layers.Dropout(0.5)] if dropout else []
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Reshape((28, 28, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 3, padding="same", strides=2),
            layers.ReLU(),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            *rest,
            layers.Dense(10, activation="softmax"),
        ]
    )
    return model


def residual():
    inputs = keras.Input((28, 28))
    x = layers.Rescaling(1 / 255)(layers.Reshape((28, 28, 1))(inputs))
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="first")(x)
    y = layers.Conv2D(8, 3, padding="same")(x)
    y = layers.BatchNormalization()(y)
    x = layers.Activation("relu")(layers.Add()([x, y]))
    both = layers.Concatenate()([layers.MaxPooling2D(2)(x), layers.AveragePooling2D(2)(x)])
    x = layers.GlobalAveragePooling2D()(both)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def written_by_keras(folder):
    x, y = digits(256)
    np.savez(folder / "x.npz", x=x)
    for name, model in (("convnet", convnet(True)), ("residual", residual())):
        model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(x, y, epochs=2, verbose=0)
        model.save(folder / "k.keras")
        isobit("predict", folder / "k.keras", "--data", folder / "x.npz", "-o", folder / "p.npy")
        agree(f"Keras's {name} in isobit", np.load(folder / "p.npy"), model.predict(x, verbose=0), 1e-5)


class Losses(keras.callbacks.Callback):
    """The loss of each batch from Keras's running mean (batches of equal size)."""

    def __init__(self):
        super().__init__()
        self.values, self.total = [], 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self.total, self.steps = 0.0, 0

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        total = logs["loss"] * self.steps
        self.values.append(total - self.total)
        self.total = total


OPTIMIZERS = {
    "SGD": lambda: keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
    "Adam": lambda: keras.optimizers.Adam(0.001),
    "AdamW": lambda: keras.optimizers.AdamW(0.001),
    "RMSprop": lambda: keras.optimizers.RMSprop(0.001),
}


def train_keras(model, make, x, y):
    """Losses of each step and the weights after it."""
    losses = Losses()
    model.compile(optimizer=make(), loss="sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=64, epochs=1, shuffle=False, verbose=0, callbacks=[losses])
    return losses.values, model.get_weights()


def same_losses(folder):
    """Truth is Keras in float64: losses to 2e-5; weights to 2e-5, or as near as Keras in float32 is if that is farther
    (RMSprop divides gradients that are nearly 0 by their own size).

    The images get noise: over the constant background of plain digits a convolution is its bias, which is about 0 after
    the first steps, so that one ulp decides whether relu passes half of the image. One epoch: sooner or later some unit
    passes its kink in one run and not in the other, and then any two runs part.
    """
    x, y = digits(512)
    x += np.random.default_rng(3).normal(scale=40, size=x.shape).astype("float32")
    np.savez(folder / "train.npz", x=x, y=y)
    for name, make in OPTIMIZERS.items():
        keras.utils.set_random_seed(1)
        model = convnet(False)
        start = model.get_weights()
        model.compile(optimizer=make(), loss="sparse_categorical_crossentropy")
        model.save(folder / "start.keras")
        experiment = folder / "e.yaml"
        experiment.write_text(
            "isobit: 1\nseed: 1\nmodel: {keras: start.keras}\n"
            "data:\n  train: {npz: train.npz, x: x, y: y}\n"
            "fit: {batch_size: 64, epochs: 1, shuffle: false}\n"
        )
        isobit("train", experiment, "-o", folder / name, "--quiet")
        losses32, weights32 = train_keras(model, make, x, y)
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("float64")
        exact = convnet(False)
        exact.set_weights([w.astype("float64") for w in start])
        losses64, weights64 = train_keras(exact, make, x, y)
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
        assert exact.get_weights()[0].dtype == np.float64
        print(f"Keras in float32 with {name}: losses differ by {np.max(np.abs(np.subtract(losses32, losses64))):.2e}")
        agree(f"losses of 8 steps with {name}", read_losses(folder / name), losses64, 2e-5)
        weights = keras.models.load_model(folder / name / "model.keras").get_weights()
        for i, (ours, theirs, truth) in enumerate(zip(weights, weights32, weights64, strict=True)):
            gap = np.max(np.abs(theirs - truth)) / max(1.0, np.max(np.abs(truth)))
            agree(f"weight {i} after 8 steps with {name}", ours, truth, max(2e-5, gap))


SCHEDULE = "{ExponentialDecay: {initial_learning_rate: 0.02, decay_steps: 3, decay_rate: 0.8}}"
STATES = {
    "Adadelta": "{Adadelta: {learning_rate: 0.5}}",
    "Adafactor": "{Adafactor: {learning_rate: 0.02}}",
    "Adagrad": "{Adagrad: {learning_rate: 0.05, gradient_accumulation_steps: 4}}",
    "Adam": f"{{Adam: {{learning_rate: {SCHEDULE}, amsgrad: true}}}}",
    "AdamW": "{AdamW: {use_ema: true, ema_momentum: 0.9, ema_overwrite_frequency: 4}}",
    "Adamax": "{Adamax: {clipnorm: 0.5}}",
    "Ftrl": "{Ftrl: {learning_rate: 0.05, l1_regularization_strength: 0.01}}",
    "Lamb": "Lamb",
    "Lion": "Lion",
    "LossScaleOptimizer": "{LossScaleOptimizer: {inner_optimizer: nadam, dynamic_growth_steps: 5}}",
    "MultiOptimizer": "{MultiOptimizer: {optimizer_map: {OptimizerMap: {default_optimizer: lion, optimizer_map: "
    "{dense/.*: adam}}}}}",
    "Muon": "{Muon: {exclude_layers: [dense_1/]}}",
    "Nadam": "Nadam",
    "RMSprop": "{RMSprop: {centered: true, momentum: 0.5}}",
    "ScheduleFreeAdamW": "{ScheduleFreeAdamW: {warmup_steps: 3}}",
    "SGD": "{SGD: {momentum: 0.9, nesterov: true}}",
}
MLP = (
    "{sequential: [Dense: {units: 12, activation: tanh, kernel_constraint: max_norm}, Dense: {units: 8, activation: "
    "tanh, kernel_initializer: orthogonal}, Dense: {units: 10, activation: softmax}]}"
)


def goes_on_from_h5(folder, model, then):
    """The older .h5 of the same model gives the bits that the .keras file gave in the run `then`."""
    global checks
    model.save(folder / "then.h5")
    text = (folder / "then.yaml").read_text()
    (folder / "old.yaml").write_text(re.sub(r"keras: \S+}", "keras: then.h5}", text))
    isobit("train", folder / "old.yaml", "-o", folder / "old", "--quiet")
    old, new = (keras.models.load_model(run / "model.keras").get_weights() for run in (folder / "old", then))
    if not all(np.array_equal(a, b) for a, b in zip(old, new, strict=True)):
        sys.exit("the .h5 file gives other bits than the .keras file")
    shutil.rmtree(folder / "old")
    checks += 1


def same_states(folder):
    """Six steps by isobit, then two more by both; the weights agree to 1e-5."""
    x, y = digits(8 * 32)
    x = x.reshape(len(x), -1)[:, 200:240] / 255
    np.savez(folder / "first.npz", x=x[:192], y=y[:192])
    np.savez(folder / "then.npz", x=x[192:], y=y[192:])
    for name, optimizer in STATES.items():
        (folder / "first.yaml").write_text(
            f"isobit: 1\nseed: 1\nmodel: {MLP}\n"
            f"compile: {{optimizer: {optimizer}, loss: sparse_categorical_crossentropy}}\n"
            "data:\n  train: {npz: first.npz, x: x, y: y}\nfit: {batch_size: 32, epochs: 1}\n"
        )
        run = folder / f"first-{name}"
        isobit("train", folder / "first.yaml", "-o", run, "--quiet")
        (folder / "then.yaml").write_text(
            f"isobit: 1\nseed: 1\nmodel: {{keras: first-{name}/model.keras}}\n"
            "data:\n  train: {npz: then.npz, x: x, y: y}\nfit: {batch_size: 32, epochs: 1, shuffle: false}\n"
        )
        then = folder / f"then-{name}"
        isobit("train", folder / "then.yaml", "-o", then, "--quiet")
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # Keras warns when it leaves the state out
            model = keras.models.load_model(run / "model.keras")
        steps = int(model.optimizer._iterations if name == "MultiOptimizer" else model.optimizer.iterations)
        if steps != (1 if name == "Adagrad" else 6):
            sys.exit(f"{name}: Keras found {steps} steps")
        if name in ("Adam", "SGD", "RMSprop"):
            goes_on_from_h5(folder, model, then)
        model.fit(x[192:], y[192:], batch_size=32, epochs=1, shuffle=False, verbose=0)
        ours = keras.models.load_model(then / "model.keras")
        for mine, theirs in zip(ours.get_weights(), model.get_weights(), strict=True):
            agree(f"{name}: weights {mine.shape} after two more steps", mine, theirs, 1e-5)


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        written_by_isobit(folder)
        written_by_keras(folder)
        same_losses(folder)
        same_states(folder)
    print(f"{checks} comparisons with Keras {keras.__version__}, all within their tolerance")
    return 0 if checks > 100 else 1


if __name__ == "__main__":
    sys.exit(main())
