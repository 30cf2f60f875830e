# SPDX-License-Identifier: Apache-2.0
"""Keras models, trained, evaluated and asked in C: fit, evaluate, predict."""

import json
import os
import tempfile
from typing import Any, Optional

import numpy as np

from . import _isobit
from .arrays import as_array, fields, role_fields
from .callbacks import Bridge, Mirror, translate
from .hold.recorder import session_here
from .models import experiment_settings, fit_settings, validation_fields
from .runs import Path, Run


def fit(
    model: Any,
    x: Any = None,
    y: Any = None,
    batch_size: Optional[int] = None,
    epochs: int = 1,
    verbose: Any = "auto",
    callbacks: Any = None,
    validation_split: float = 0.0,
    validation_data: Any = None,
    shuffle: Any = True,
    class_weight: "Optional[dict[int, float]]" = None,
    sample_weight: Any = None,
    *,
    steps_per_epoch: Optional[int] = None,
    validation_batch_size: Optional[int] = None,
    seed: Optional[int] = None,
    run: Optional[Path] = None,
    name: Optional[str] = None,
    threads: Optional[int] = None,
    isa: Optional[str] = None,
) -> Any:
    """Trains a compiled Keras model (any backend) in C, in place, and gives a Keras History.

    x: array [n, ...] of samples, or a list or dict of arrays for several inputs. y: targets [n, ...], likewise for
    outputs. sample_weight: [n]. Numbers of any NumPy type; float64 is rounded to float32 once. Weights and optimizer
    state start as they are and are written back. The other arguments are Keras's.

    seed: of the order of samples and of dropout; None: the next one after `isobit.set_random_seed`, or one that is
    drawn. run: a folder that the run is recorded in, for `isobit verify`, `diff`, `audit`; its input/ holds all that was
    given. threads, isa: no bit depends on them.

    The History has `digest` ("sha256:..."), a function of model, data, seed and settings alone, the same with and
    without `run`; None if a Python callback changed weights, learning rate or the end of training. It has `run`, an
    isobit.Run or None.

    callbacks: EarlyStopping, ReduceLROnPlateau, TerminateOnNaN and LearningRateScheduler with one of Keras's schedules run
    in C and are part of the record. All others are called in Python; they see the weights of the moment at the ends of
    epochs.

    Raises ValueError for what is wrong (with the place, what was expected and what was found), TypeError for data that
    are no arrays, NotImplementedError for layers, losses or settings that isobit has not, by name. Ctrl-C raises
    KeyboardInterrupt; the model then has the weights of that moment, and a recorded run has a checkpoint:
    `isobit.train(run + "/input/experiment.json", run, resume=True)` goes on to the same bits.
    """
    keras = _keras(model)
    inner = _take(model, x, keras)
    mirror = Mirror(model, inner, _isobit.END)
    entries, others = translate(_callback_list(callbacks), keras)
    names = _names(model)
    settings = fit_settings(
        batch_size=batch_size or 32,
        epochs=epochs,
        shuffle=shuffle,
        validation_split=validation_split,
        validation_batch_size=validation_batch_size,
        steps_per_epoch=steps_per_epoch,
        class_weight=class_weight,
    )
    settings = experiment_settings(settings, seed, entries, name=name)
    bridge = Bridge(model, mirror, others, _verbosity(verbose), epochs, keras, run is not None)
    watched = _Watched(model)
    try:
        digest = inner.fit(
            fields(x, y, sample_weight, *names),
            validation_fields(validation_data, *names),
            json.dumps(settings),
            None if run is None else os.fspath(run),
            threads=threads,
            isa=isa,
            progress=bridge.progress,
        )
    finally:
        mirror.pull()
    bridge.end()
    history = bridge.history
    watched.end(history.history)
    history.digest = None if bridge.changed or model.stop_training and others else digest
    history.run = None if run is None else Run(run)
    history.seed = history.run.seed if history.run else settings.get("seed")
    return history


def evaluate(
    model: Any,
    x: Any = None,
    y: Any = None,
    batch_size: Optional[int] = None,
    verbose: Any = "auto",
    sample_weight: Any = None,
    *,
    return_dict: bool = False,
    threads: Optional[int] = None,
    isa: Optional[str] = None,
) -> Any:
    """Loss and metrics of a compiled Keras model on arrays, computed in C.

    Gives what Keras gives: a number, or a list in Keras's order, or with return_dict a dict by name. Raises as fit.
    """
    keras = _keras(model)
    inner = _take(model, x, keras)
    found = {}

    def keep(epoch, epochs, step, steps, seconds, scores, epoch_end):
        found.update(scores)

    given = fields(x, y, sample_weight, *_names(model))
    inner.evaluate(given, batch_size or 32, threads=threads, isa=isa, progress=keep)
    if return_dict:
        return found
    values = _in_keras_order(model, found, x, y)
    return values[0] if len(values) == 1 else values


def predict(
    model: Any,
    x: Any,
    batch_size: Optional[int] = None,
    verbose: Any = "auto",
    *,
    threads: Optional[int] = None,
    isa: Optional[str] = None,
) -> Any:
    """Predictions of a Keras model, computed in C: a float32 array [n, ...], or a list of them, one an output.

    The bits do not depend on batch_size. Raises as fit.
    """
    keras = _keras(model)
    inner = _take(model, x, keras, compiled=False)
    given = role_fields("x", x, _names(model)[0])
    results = [np.asarray(r) for r in inner.predict(given, batch_size or 32, threads=threads, isa=isa)]
    return results[0] if len(results) == 1 else results


# ---- Between Keras and C ----


def _keras(model):
    """The module keras, which the model comes from."""
    import keras

    if not isinstance(model, keras.Model):
        raise TypeError(f"model: expected a Keras model, found {type(model).__name__}")
    return keras


def _names(model):
    """Names of inputs and outputs, in order. A Sequential model has one of each, whose names do not matter."""
    inputs = getattr(model, "input_names", None) or [tensor.name for tensor in model.inputs]
    outputs = getattr(model, "output_names", None) or [tensor.name for tensor in model.outputs]
    return list(inputs), list(outputs)


def _take(model, x, keras, compiled=True):
    """The model in the C library, with weights and optimizer state, by way of Keras's own file format."""
    if compiled and not model.compiled:
        raise ValueError("model: expected a compiled model; call model.compile(...)")
    if not model.built:
        if isinstance(x, (list, tuple, dict)):
            raise ValueError("model: expected a built model; give it an Input, or call it once")
        model.build((None, *as_array(x, "x").shape[1:]))
    if compiled and not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    with tempfile.TemporaryDirectory(prefix="isobit-") as folder:
        path = os.path.join(folder, "model.keras")
        keras.saving.save_model(model, path)
        try:
            return _isobit.load(path)
        except (ValueError, NotImplementedError) as error:
            text = str(error).replace(path, "model")
            raise type(error)(text) from None


class _Watched:
    """Under ``isobit record`` the states before and after, as Keras's fit, which it watches, does not run."""

    def __init__(self, model):
        session = session_here()
        self.track = session.recorder.model(model) if session is not None and session.every > 0 else None
        if self.track is not None:
            self.model, self.steps = model, self._iterations(model)
            self.track.record()

    def _iterations(self, model):
        return int(model.optimizer.iterations.numpy())

    def end(self, history):
        if self.track is not None:
            self.track.advance(self._iterations(self.model) - self.steps)
            self.track.record(history.get("loss", [None])[-1])


def _callback_list(callbacks):
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]


def _verbosity(verbose):
    return 1 if verbose == "auto" else int(verbose)


def _in_keras_order(model, scores, x, y):
    """As Keras's evaluate gives a list: loss first, then by output, as they were compiled. Keras knows the order once it
    has built its metrics."""
    import keras

    def one(value):
        return None if value is None else as_array(value[:1], "data")

    try:
        model._symbolic_build(data_batch=(keras.tree.map_structure(one, x), keras.tree.map_structure(one, y)))
        flat = model._flatten_metrics_in_order(scores)
    except (AttributeError, TypeError, ValueError, RuntimeError):  # another release of Keras
        flat = [scores["loss"], *(scores[name] for name in sorted(scores) if name != "loss")]
    return list(flat) if isinstance(flat, (list, tuple)) else [flat]
