# SPDX-License-Identifier: Apache-2.0
"""Models in isobit's memory, without Keras: load, look, train, evaluate, predict, save."""

import json
import os
from typing import Any, Optional

import numpy as np

from . import _isobit
from .arrays import fields, role_fields
from .runs import Path, Progress
from .seeds import take_seed


class Model:
    """A Keras model in isobit's memory. Made by `load` and `from_config`.

    Weights and optimizer state are looked at without a copy: `numpy.asarray(model.weights[0])`. They may be written
    while no call works on the model.
    """

    def __init__(self, inner):
        self._inner = inner

    @property
    def weights(self) -> "list[Any]":
        """Tensors in Keras's order; each has name ("dense/kernel"), shape, dtype, and NumPy can look at it."""
        return self._inner.weights()

    @property
    def state(self) -> "list[Any]":
        """The optimizer's state as tensors, in the order of Keras's optimizer.variables; empty before compile."""
        return self._inner.state()

    def state_written(self) -> None:
        """Takes up what was written into `state`. Raises ValueError for a count below 0."""
        self._inner.state_written()

    def compile(self, optimizer="rmsprop", loss=None, metrics=None, **more) -> None:
        """Keras's compile, with names or configs ({"class_name": ..., "config": ...}). Raises ValueError."""
        given = {"optimizer": optimizer, "loss": loss, "metrics": metrics, **more}
        self._inner.compile(json.dumps({key: value for key, value in given.items() if value is not None}))

    def summary(self) -> str:
        """Layers, shapes and parameters as Keras prints them."""
        return self._inner.summary()

    def save(self, path: Path) -> None:
        """Writes a .keras file that Keras reads, too; its bytes depend on the model alone. Raises OSError."""
        self._inner.save(os.fspath(path))

    def fit(
        self,
        x,
        y=None,
        *,
        batch_size: int = 32,
        epochs: int = 1,
        validation_data=None,
        validation_split: float = 0.0,
        shuffle=True,
        sample_weight=None,
        class_weight: "Optional[dict[int, float]]" = None,
        callbacks: "Optional[list[Any]]" = None,
        seed: Optional[int] = None,
        run: Optional[Path] = None,
        resume: bool = False,
        threads: Optional[int] = None,
        isa: Optional[str] = None,
        progress: Optional[Progress] = None,
        **fit,
    ) -> str:
        """Trains on arrays and gives the digest.

        x: array [n, ...], or a list or dict of arrays for several inputs; y, sample_weight: likewise for outputs.
        callbacks: as in an experiment file, [{"EarlyStopping": {"monitor": "loss"}}]. run: a folder to write; all that
        was given is in run/input, and `isobit.verify(run)` works. The digest is the same with and without a run. More
        keywords are those of the experiment's `fit:` (doc/experiment.md).

        Raises ValueError and TypeError for what does not fit, KeyboardInterrupt on Ctrl-C: the model then stays as it was
        trained so far.
        """
        settings = fit_settings(
            batch_size=batch_size,
            epochs=epochs,
            validation_split=validation_split,
            shuffle=shuffle,
            class_weight=class_weight,
            **fit,
        )
        names = self._names(x), self._names(y)
        return self._inner.fit(
            fields(x, y, sample_weight, *names),
            validation_fields(validation_data, *names),
            json.dumps(experiment_settings(settings, seed, callbacks)),
            None if run is None else os.fspath(run),
            resume=resume,
            threads=threads,
            isa=isa,
            progress=progress,
        )

    def evaluate(self, x, y, *, sample_weight=None, batch_size: int = 32, threads=None, isa=None) -> "dict[str, float]":
        """Loss and metrics by name."""
        found = {}

        def keep(epoch, epochs, step, steps, seconds, scores, epoch_end):
            found.update(scores)

        given = fields(x, y, sample_weight, self._names(x), self._names(y))
        self._inner.evaluate(given, batch_size, threads=threads, isa=isa, progress=keep)
        return found

    def predict(self, x, *, batch_size: int = 32, threads=None, isa=None):
        """Predictions as a NumPy array, or a dict of them by the outputs' names if there are several. The bits do not
        depend on batch_size."""
        given = role_fields("x", x, self._names(x))
        results = self._inner.predict(given, batch_size, threads=threads, isa=isa)
        if len(results) == 1:
            return np.asarray(results[0])
        return {result.name: np.asarray(result) for result in results}

    @staticmethod
    def _names(value):
        """Names for a list or dict of arrays: the library itself knows whether the model has them."""
        if isinstance(value, dict):
            return list(value)
        if isinstance(value, (list, tuple)) and any(getattr(item, "ndim", 0) > 0 for item in value):
            return [str(i) for i in range(len(value))]
        return [""]


def load(path: Path) -> Model:
    """Reads a .keras file or the model of a run's folder. Raises ValueError, OSError, NotImplementedError."""
    return Model(_isobit.load(os.fspath(path)))


def from_config(config, seed: Optional[int] = None) -> Model:
    """From Keras's config: the dict of `keras.saving.serialize_keras_object(model)`, or its JSON text. Weights come from
    the config's initializers and the seed."""
    text = config if isinstance(config, str) else json.dumps(config)
    seed = take_seed(seed)
    return Model(_isobit.from_config(text, 0 if seed is None else seed))


def fit_settings(class_weight=None, **fit):
    """The experiment's `fit:`. None means the default."""
    settings = {key: value for key, value in fit.items() if value is not None}
    if class_weight is not None:
        settings["class_weight"] = {str(key): float(value) for key, value in class_weight.items()}
    return settings


def experiment_settings(fit, seed, callbacks, **more):
    settings = {"fit": fit, **{key: value for key, value in more.items() if value is not None}}
    seed = take_seed(seed)
    if seed is not None:
        settings["seed"] = seed
    if callbacks:
        settings["callbacks"] = callbacks
    return settings


def validation_fields(data, inputs, outputs):
    """validation_data as Keras takes it: (x, y) or (x, y, sample_weight)."""
    if data is None:
        return []
    if not isinstance(data, (list, tuple)) or len(data) not in (2, 3):
        raise TypeError(f"validation_data: expected (x, y) or (x, y, sample_weight), found {type(data).__name__}")
    return fields(data[0], data[1], data[2] if len(data) == 3 else None, inputs, outputs)
