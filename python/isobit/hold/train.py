# SPDX-License-Identifier: Apache-2.0
"""Recording of training: ``Model.fit`` and ``train_on_batch`` of Keras, custom loops that apply a Keras optimizer
(eagerly or in a ``tf.function``), and PyTorch's own optimizers. Nothing is drawn and no number is changed; a digest
reads weights only.

A *track* is one model (or optimizer) that is trained. Its state is recorded before its first step, after each step
whose number is a power of two or a multiple of `every`, and when a call of fit ends.
"""

import functools
import importlib
import os
import threading
import time
import weakref

from .digests import as_float, digest, to_numpy
from .imports import after_import

_local = threading.local()
SAVED = 16  # tracks of a process whose weights are kept


def wanted(step, every):
    return every > 0 and (step & (step - 1) == 0 or step % every == 0)


class Track:
    """One trained model. variables() gives [(path, variable)]."""

    def __init__(self, recorder, name, prefix, variables):
        self.recorder, self.name, self.prefix, self.variables = recorder, name, prefix, variables
        self.steps = 0
        self.recorded = -1
        self.saved = -1
        self.number = len(recorder.names)

    def record(self, loss=None):
        if self.recorded == self.steps or self.recorder.session.every <= 0:
            return
        self.recorded = self.steps
        self.recorder.write(self, loss)

    def advance(self, steps=1, loss=None):
        """After `steps` more steps of training."""
        before = self.steps
        self.steps += steps
        self.recorder.total += steps
        every = self.recorder.session.every
        if any(wanted(step, every) for step in range(before + 1, self.steps + 1)):
            self.record(loss)


def unique_paths(variables):
    """[(path, variable)] with names that stand twice made different by a number."""
    seen, out = {}, []
    for v in variables:
        path = str(getattr(v, "path", None) or getattr(v, "name", None) or "variable")
        n = seen.get(path, 0)
        seen[path] = n + 1
        out.append((path if n == 0 else f"{path}#{n + 1}", v))
    return out


class TrainRecorder:
    """Tracks of this process, their lines and their weights."""

    def __init__(self, session):
        self.session = session
        self.total = 0
        self.free_from = 0.0  # when the next one may begin, so that they cost at most a fiftieth of the time
        self.tracks = weakref.WeakKeyDictionary()
        self.names = set()

    def track(self, owner, name, variables):
        """The track of an object; made, and its state recorded, when it is seen for the first time."""
        found = self.tracks.get(owner)
        if found is None:
            n, base = 1, name
            while name in self.names:
                n += 1
                name = f"{base}#{n}"
            prefix = name + ":" if self.names else ""
            self.names.add(name)
            found = self.tracks[owner] = Track(self, name, prefix, variables)
        return found

    def model(self, model):
        """The track of a Keras model."""
        return self.track(model, model.name, _model_variables(model))

    def write(self, track, loss):
        tensors = [[track.prefix + path, digest(v)] for path, v in track.variables()]
        fields = {} if loss is None else {"loss": float(loss)}
        self.session.line("step", n=self.total, of=track.name, steps=track.steps, tensors=tensors, **fields)

    def save(self, track, at_end=False):
        """Writes the weights of one of the first tracks, for distances between two runs."""
        now = time.monotonic()
        if track.saved == track.steps or track.steps == 0 or track.number > SAVED or not (at_end or now > self.free_from):
            return
        try:
            import numpy as np
        except ImportError:
            return
        arrays = {path: as_float(*to_numpy(v)) for path, v in track.variables()}
        if not arrays:
            return
        name = f"weights-{self.session.process}-{track.number}.npz"
        with open(f"{self.session.events}/{name}.part", "wb") as file:
            np.savez(file, **arrays)
        os.replace(f"{self.session.events}/{name}.part", f"{self.session.events}/{name}")
        self.session.line("weights", of=track.name, steps=track.steps, file=name)
        track.saved = track.steps
        self.free_from = now + 50 * (time.monotonic() - now)

    def forget(self):
        """In a child: what its parent has trained is not the child's."""
        self.total = 0
        self.tracks = weakref.WeakKeyDictionary()
        self.names = set()

    def leave(self):
        """At the end of the process: the last state of each model that is still there."""
        for track in list(self.tracks.values()):
            if track.variables():
                track.record()
                self.save(track, at_end=True)
            self.session.line("trained", of=track.name, steps=track.steps)


# ---- Keras


def _model_variables(model):
    reference = weakref.ref(model)

    def variables():
        model = reference()
        if model is None:
            return []
        if hasattr(model, "jax_state_sync"):
            model.jax_state_sync()
        out = list(model.variables)
        optimizer = getattr(model, "optimizer", None)
        if optimizer is not None:
            known = {id(v) for v in out}
            out += [v for v in optimizer.variables if id(v) not in known]
        metrics = {id(v) for m in getattr(model, "metrics", ()) for v in getattr(m, "variables", ())}
        return unique_paths([v for v in out if id(v) not in metrics])

    return variables


def _make_callback(keras, recorder):
    class RecordCallback(keras.callbacks.Callback):
        """Looks when a batch begins: the weights are then those after the step before, and Keras need not turn
        its logs into numbers for us."""

        def on_train_begin(self, logs=None):
            self.track = recorder.model(self.model)
            self.at = 0
            self.epoch_seen = 0
            self.track.record()

        def on_epoch_begin(self, epoch, logs=None):
            self.at = 0

        def on_train_batch_begin(self, batch, logs=None):
            if batch > self.at:
                self.track.advance(batch - self.at)
                self.at = batch

        def on_epoch_end(self, epoch, logs=None):
            last = getattr(self.model, "steps_per_execution", 1)
            self.track.advance(int(last))
            logs = {k: float(v) for k, v in (logs or {}).items() if _is_number(v)}
            recorder.session.line("epoch", of=self.track.name, epoch=epoch, logs=logs)
            self.loss = logs.get("loss")

        def on_train_end(self, logs=None):
            self.track.record(getattr(self, "loss", None))
            recorder.save(self.track)

    return RecordCallback()


def _is_number(value):
    try:
        float(value)
        return True
    except (TypeError, ValueError):
        return False


def _deep():
    return getattr(_local, "depth", 0)


class _Inside:
    """While a call that records by itself runs, what it calls records nothing."""

    def __enter__(self):
        _local.depth = _deep() + 1

    def __exit__(self, *_):
        _local.depth -= 1


def _wrap_fit(keras, recorder):
    fit = keras.Model.fit

    def wrapped(self, *args, **kwargs):
        if _deep() or recorder.session.every <= 0:
            return fit(self, *args, **kwargs)
        callback = _make_callback(keras, recorder)
        given = kwargs.get("callbacks")
        if isinstance(given, keras.callbacks.CallbackList):
            given.append(callback)
        elif len(args) > 5:  # x, y, batch_size, epochs, verbose, callbacks
            args = (*args[:5], [*_as_list(args[5]), callback], *args[6:])
        else:
            kwargs["callbacks"] = [*_as_list(given), callback]
        with _Inside():
            return fit(self, *args, **kwargs)

    functools.update_wrapper(wrapped, fit)
    keras.Model.fit = wrapped


def _as_list(callbacks):
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]


def _wrap_train_on_batch(keras, recorder):
    original = keras.Model.train_on_batch

    def wrapped(self, *args, **kwargs):
        if _deep():
            return original(self, *args, **kwargs)
        with _Inside():
            result = original(self, *args, **kwargs)
        recorder.model(self).advance()
        return result

    functools.update_wrapper(wrapped, original)
    keras.Model.train_on_batch = wrapped


def _optimizer_variables(optimizer):
    reference = weakref.ref(optimizer)

    def variables():
        optimizer = reference()
        if optimizer is None:
            return []
        return unique_paths([*getattr(optimizer, "_trainable_variables", ()), *optimizer.variables])

    return variables


def _is_eager(keras):
    if keras.backend.backend() != "tensorflow":
        return True
    import tensorflow as tf

    return tf.executing_eagerly() and not tf.inside_function()


class Optimizers:
    """Keras optimizers that were applied outside of fit; in a tf.function they are looked at when it returns."""

    def __init__(self, recorder):
        self.recorder = recorder
        self.known = weakref.WeakSet()
        self.seen = weakref.WeakKeyDictionary()  # iterations at the last look

    def applied(self, optimizer):
        self._look(optimizer)

    def traced(self, optimizer):
        if optimizer not in self.known:
            self.known.add(optimizer)
            self.seen[optimizer] = 0

    def look(self):
        for optimizer in list(self.known):
            self._look(optimizer)

    def _look(self, optimizer):
        iterations = int(to_numpy(optimizer.iterations)[0])
        before = self.seen.get(optimizer, 0)
        self.seen[optimizer] = iterations
        if iterations <= before:
            return
        track = self.recorder.track(optimizer, str(optimizer.name), _optimizer_variables(optimizer))
        track.advance(iterations - before)


def _wrap_apply(keras, optimizers):
    base = keras.optimizers.Optimizer
    original = base.apply

    def apply(self, *args, **kwargs):
        result = original(self, *args, **kwargs)
        if not _deep():
            if _is_eager(keras):
                optimizers.applied(self)
            else:
                optimizers.traced(self)
        return result

    functools.update_wrapper(apply, original)
    base.apply = apply


def _wrap_tf_function(tf, optimizers):
    cls = type(tf.function(lambda: None))
    original = cls.__call__

    def call(self, *args, **kwargs):
        outermost = getattr(_local, "functions", 0) == 0
        _local.functions = getattr(_local, "functions", 0) + 1
        try:
            result = original(self, *args, **kwargs)
        finally:
            _local.functions -= 1
        if outermost and optimizers.known and not _deep() and not tf.inside_function():
            optimizers.look()
        return result

    functools.update_wrapper(call, original)
    cls.__call__ = call


# ---- PyTorch's own optimizers


def _torch_variables(optimizer):
    reference = weakref.ref(optimizer)

    def variables():
        optimizer = reference()
        if optimizer is None:
            return []
        return [
            (f"group{g}/{i}", p)
            for g, group in enumerate(optimizer.param_groups)
            for i, p in enumerate(group["params"])
        ]

    return variables


def _torch(recorder, torch):
    register = importlib.import_module("torch.optim.optimizer").register_optimizer_step_post_hook

    def after_step(optimizer, args, kwargs):
        if not _deep():
            name = type(optimizer).__name__
            recorder.track(optimizer, name, _torch_variables(optimizer)).advance()

    register(after_step)


def install(session):
    recorder = TrainRecorder(session)
    session.recorder = recorder
    if session.every <= 0:
        return

    def keras_imported(keras):
        _wrap_fit(keras, recorder)
        _wrap_train_on_batch(keras, recorder)
        _wrap_apply(keras, optimizers)

    optimizers = Optimizers(recorder)
    after_import("keras", keras_imported)
    after_import("tensorflow", lambda tf: _wrap_tf_function(tf, optimizers))
    after_import("torch", lambda torch: _torch(recorder, torch))
