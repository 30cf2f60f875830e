# SPDX-License-Identifier: Apache-2.0
"""Makes callbacks.json: what real Keras does with callbacks on the model of training/mlp.keras.

    python test/golden/callbacks.py        # in the root of the source tree, with Keras on TensorFlow

Each case has the callbacks as an experiment writes them, and Keras's epochs (logs), the files that were written, the
first and last line of CSV files, and sums of squares of the final weights."""
import json
import os
import sys
import tempfile

os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
import keras
import numpy as np

data = np.load("test/golden/training/mlp.npz")
CASES = [
    ("early", 20, None, [("EarlyStopping", dict(monitor="val_loss", patience=2, min_delta=0.04))]),
    ("restore", 20, None, [("EarlyStopping", dict(monitor="val_accuracy", patience=3, restore_best_weights=True))]),
    ("baseline", 12, None, [("EarlyStopping", dict(monitor="accuracy", baseline=0.9, patience=4, start_from_epoch=2,
                                                   restore_best_weights=True))]),
    ("least", 12, None, [("EarlyStopping", dict(monitor="val_accuracy", mode="min"))]),
    ("plateau", 14, None, [("ReduceLROnPlateau", dict(monitor="val_loss", factor=0.5, patience=1, min_delta=0.05,
                                                      cooldown=2, min_lr=0.0004))]),
    ("plateau-restore", 30, None, [
        ("ReduceLROnPlateau", dict(monitor="loss", factor=0.2, patience=2, min_delta=0.03)),
        ("EarlyStopping", dict(monitor="loss", patience=5, min_delta=0.02, restore_best_weights=True))]),
    ("schedule", 6, None, [("LearningRateScheduler", dict(schedule={"ExponentialDecay": dict(
        initial_learning_rate=0.1, decay_steps=2, decay_rate=0.5, staircase=True)}))]),
    ("files", 6, None, [
        ("CSVLogger", dict(filename="log.csv", separator=";")),
        ("ModelCheckpoint", dict(filepath="best/{epoch:02d}-{val_accuracy:.2f}.keras", save_best_only=True,
                                 monitor="val_accuracy")),
        ("ModelCheckpoint", dict(filepath="w{epoch}-{batch:03d}.weights.h5", save_weights_only=True, save_freq=5)),
        ("ModelCheckpoint", dict(filepath="threshold{epoch}.keras", save_best_only=True, monitor="val_loss",
                                 initial_value_threshold=0.6))]),
    ("nan", 5, 1e10, [("TerminateOnNaN", {}), ("CSVLogger", dict(filename="log.csv"))]),
    ("without-validation", 2, None, [("CSVLogger", dict(filename="log.csv"))]),
]


def make(name, settings):
    """A schedule by name becomes a Python function of the epoch."""
    if name != "LearningRateScheduler":
        return getattr(keras.callbacks, name)(**settings)
    kind, config = next(iter(settings["schedule"].items()))
    schedule = getattr(keras.optimizers.schedules, kind)(**config)
    return keras.callbacks.LearningRateScheduler(lambda epoch, rate: float(schedule(epoch)))


def run(name, epochs, rate, callbacks):
    model = keras.models.load_model("test/golden/training/mlp.keras")
    if rate is not None:
        model.compile(optimizer=keras.optimizers.RMSprop(rate, rho=0.0, epsilon=0.0), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    held = None if name == "without-validation" else (data["val_x0"], data["val_y0"])
    home = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        made = [make(c, settings) for c, settings in callbacks]
        logs = []
        made.append(keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, values: logs.append(dict(values))))
        model.fit(data["x0"], data["y0"], batch_size=16, epochs=epochs, shuffle=False, validation_data=held,
                  callbacks=made, verbose=0)
        files, csv = [], {}
        for at, _, names in os.walk("."):
            for n in names:
                path = os.path.relpath(os.path.join(at, n), ".")
                files.append(path)
                if path.endswith(".csv"):
                    text = open(path, newline="").read()
                    csv[path] = [text.count("\n"), text.split("\n")[0] + "\n"]
        os.chdir(home)
    squares = [float(np.sum(np.square(np.float64(w)))) for w in model.get_weights()]
    return {"name": name, "epochs": epochs, "rate": rate, "validation": held is not None,
            "callbacks": [{c: settings} for c, settings in callbacks], "logs": logs, "files": sorted(files), "csv": csv,
            "squares": squares}


cases = [run(*c) for c in CASES]
with open("test/golden/callbacks.json", "w") as out:
    json.dump(cases, out, indent=1)
for c in cases:
    print(c["name"], len(c["logs"]), "epochs", c["files"], c["csv"], file=sys.stderr)
