# SPDX-License-Identifier: Apache-2.0
"""Every name by which Keras finds a loss, metric, activation, initializer, regularizer, constraint or optimizer, beside
real Keras: usage: keras_names_check.py ISOBIT

Each name stands as Keras's get() takes it in an experiment; losses, metrics and weights after a step agree with Keras. What
isobit refuses must be named in REFUSED, and what stands there must be refused.
"""

import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402
from keras.src import activations, constraints, initializers, losses, metrics, optimizers, regularizers  # noqa: E402

ISOBIT = sys.argv[1]
FOLDER = None
REFUSED = {  # base classes, which compute nothing, and what needs arguments
    "Loss", "Metric", "Initializer", "initializer", "Regularizer", "regularizer", "optimizer", "Optimizer",
    "OptimizerMap", "optimizermap", "LossFunctionWrapper", "metric",
}
RNG = np.random.default_rng(812)
checks, faults = 0, []
X = RNG.normal(size=(8, 6)).astype("float32")
INTEGERS = RNG.integers(0, 3, 8)
TARGETS = {"one hot": np.eye(3, dtype="float32")[INTEGERS], "classes": INTEGERS.astype("int32")}


def train(model, settings, y):
    """A step of isobit from a model; (history, run folder), or None and what it said."""
    model.save(FOLDER / "m.keras")
    return run_step({"keras": "m.keras"}, settings, y)


def run_step(model, settings, y):
    np.savez(FOLDER / "d.npz", x=X, y=y)
    experiment = {
        "isobit": 1, "seed": 1, "model": model, "compile": settings,
        "data": {"train": {"npz": "d.npz", "x": "x", "y": "y"}}, "fit": {"batch_size": 8, "epochs": 1, "shuffle": False},
    }
    (FOLDER / "e.json").write_text(json.dumps(experiment))
    run = FOLDER / f"run-{checks}-{len(faults)}"
    done = subprocess.run([ISOBIT, "train", FOLDER / "e.json", "-o", run, "--quiet"], capture_output=True, text=True)
    if done.returncode:
        return None, done.stderr.strip()
    with open(run / "history.csv") as rows:
        return {key: float(value) for key, value in next(csv.DictReader(rows)).items()}, run


def agree(name, got, want, tolerance=2e-5):
    global checks
    got, want = np.asarray(got, "float64"), np.asarray(want, "float64")
    error = np.max(np.abs(got - want)) / max(1.0, np.max(np.abs(want))) if got.shape == want.shape else np.inf
    if not error <= tolerance:
        faults.append(f"{name}: {got} and Keras {want}")
    checks += 1


def accepted(name, done, said):
    """Whether it ran, if it should have."""
    if (done is None) != (name in REFUSED):
        faults.append(f"{name}: {said if done is None else 'was not refused'}")
    return done is not None


def softmax_model(**given):
    keras.utils.set_random_seed(3)
    return keras.Sequential([keras.Input((6,)), layers.Dense(3, activation="softmax", **given)])


def names_of(module):
    return sorted(module.ALL_OBJECTS_DICT)


def check_losses():
    for name in names_of(losses):
        y = TARGETS["classes" if "sparse" in name.lower() or name.lower() == "circle" else "one hot"]
        model = softmax_model()
        if name.lower() == "ctc":
            continue  # takes sequences; test/golden/losses has them
        history, said = train(model, {"optimizer": "sgd", "loss": name}, y)
        if accepted(name, history, said):
            model.compile(optimizer="sgd", loss=name, run_eagerly=True)
            agree(f"loss {name}", history["loss"], model.evaluate(X, y, verbose=0))


NEEDS = {  # arguments that have no default
    "PrecisionAtRecall": {"recall": 0.4}, "RecallAtPrecision": {"precision": 0.4},
    "SensitivityAtSpecificity": {"specificity": 0.4}, "SpecificityAtSensitivity": {"sensitivity": 0.4},
    "IoU": {"num_classes": 3, "target_class_ids": [0, 2]}, "MeanIoU": {"num_classes": 3},
    "BinaryIoU": {}, "OneHotIoU": {"num_classes": 3, "target_class_ids": [0, 1]}, "OneHotMeanIoU": {"num_classes": 3},
}


def check_metrics():
    alone = {"Mean", "Sum", "mean", "sum", "MeanMetricWrapper", "mean_metric_wrapper"}
    for name in [*names_of(metrics), "accuracy", "acc"]:
        if name in alone:
            continue
        found = metrics.ALL_OBJECTS_DICT.get(name)
        class_name = getattr(found, "__name__", name)
        y = TARGETS["classes" if "sparse" in name.lower() or class_name in ("MeanIoU", "IoU") else "one hot"]
        if class_name in ("MeanIoU", "IoU"):
            continue  # counts classes, not probabilities
        needs = NEEDS.get(class_name, {})
        metric = {"class_name": name, "config": needs} if needs else name
        model = softmax_model()
        loss = "sparse_categorical_crossentropy" if y is TARGETS["classes"] else "mse"
        settings = {"optimizer": "sgd", "loss": loss, "metrics": [{name: needs} if needs else name]}
        history, said = train(model, settings, y)
        if accepted(name, history, said):
            keras.utils.clear_session()  # else a second metric of a class is called class_1
            model.compile(optimizer="sgd", loss=loss, run_eagerly=True, metrics=[metrics.get(metric) if needs else metric])
            theirs = model.evaluate(X, y, verbose=0, return_dict=True)
            key = next(k for k in theirs if k != "loss")
            if key not in history:
                faults.append(f"metric {name}: Keras calls it {key}, isobit {list(history)}")
            else:
                agree(f"metric {name}", history[key], np.mean(theirs[key]))


def check_activations():
    """In an Activation layer's config as a name and as Keras writes it."""
    for name in names_of(activations):
        if name in ("threshold", "glu"):
            continue  # has arguments; makes of a layer's output another shape than Keras says
        units = 3
        model = keras.Sequential([keras.Input((6,)), layers.Dense(2 * units), layers.Activation(name), layers.Dense(3)])
        history, said = train(model, {"optimizer": "sgd", "loss": "mse"}, TARGETS["one hot"])
        if accepted(name, history, said):
            model.compile(optimizer="sgd", loss="mse", run_eagerly=True)
            agree(f"activation {name}", history["loss"], model.evaluate(X, TARGETS["one hot"], verbose=0))


def experiment(layer, compile_settings=None):
    """A step of isobit with a Dense layer of these settings, as an experiment says them; its weights before it."""
    settings = {"optimizer": {"SGD": {"learning_rate": 0.25}}, "loss": "mse", **(compile_settings or {})}
    return run_step({"sequential": [{"Dense": {"units": 3, **layer}}]}, settings, TARGETS["one hot"])


def check_settings():
    """Initializers, regularizers and constraints in a layer; as isobit writes it, the model is what Keras makes of the
    same name."""
    for kind, module in (("initializer", initializers), ("regularizer", regularizers), ("constraint", constraints)):
        for name in names_of(module):
            if "stft" in name.lower() or name.lower() == "constant":
                continue  # of sounds; Keras's get() takes no Constant by name
            history, run = experiment({f"kernel_{kind}": name})
            if not accepted(name, history, run):
                continue
            ours = keras.models.load_model(run / "model.keras").layers[-1]
            mine, theirs = getattr(ours, f"kernel_{kind}").get_config(), module.get(name).get_config()
            global checks
            checks += 1
            if type(getattr(ours, f"kernel_{kind}")) is not type(module.get(name)) or mine != theirs:
                faults.append(f"{kind} {name}: {mine} and Keras {theirs}")


def check_optimizers():
    for name in sorted({*optimizers.ALL_OBJECTS_DICT, *(c.__name__ for c in optimizers.ALL_OBJECTS)}):
        if name.lower() in ("multioptimizer", "lossscaleoptimizer"):
            continue  # take others
        model = softmax_model()
        history, run = train(model, {"optimizer": name, "loss": "mse"}, TARGETS["one hot"])
        if accepted(name, history, run):
            model.compile(optimizer=name, loss="mse", run_eagerly=True)
            model.optimizer.build(model.trainable_variables)  # in fit, ScheduleFreeAdamW would begin with zeros
            model.fit(X, TARGETS["one hot"], batch_size=8, shuffle=False, verbose=0)
            for ours, theirs in zip(keras.models.load_model(run / "model.keras").get_weights(), model.get_weights(), strict=True):
                agree(f"optimizer {name}", ours, theirs)


def main():
    global FOLDER
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = pathlib.Path(folder)
        for check in (check_losses, check_metrics, check_activations, check_settings, check_optimizers):
            before = checks
            check()
            print(f"{check.__name__[6:]}: {checks - before} names", flush=True)
    for fault in faults:
        print(fault)
    print(f"{checks} names of Keras {keras.__version__}, {len(faults)} faults")
    return 0 if checks > 150 and not faults else 1


if __name__ == "__main__":
    sys.exit(main())
