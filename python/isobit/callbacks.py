# SPDX-License-Identifier: Apache-2.0
"""Keras's callbacks: those that isobit has itself become entries of the experiment, the others run in Python."""

import numpy as np


def translate(callbacks, keras):
    """Gives (entries of the experiment, callbacks that run in Python). Subclasses run in Python."""
    entries, others = [], []
    for callback in callbacks:
        entry = _entry(callback, keras)
        if entry is None:
            others.append(callback)
        else:
            entries.append(entry)
    return entries, others


def _entry(callback, keras):
    kind = type(callback)
    known = keras.callbacks
    if kind is known.EarlyStopping:
        names = ("monitor", "patience", "mode", "baseline", "restore_best_weights", "start_from_epoch")
        return {"EarlyStopping": {**_settings(callback, names), "min_delta": abs(float(callback.min_delta))}}
    if kind is known.ReduceLROnPlateau:
        names = ("monitor", "factor", "patience", "mode", "min_delta", "cooldown", "min_lr")
        return {"ReduceLROnPlateau": _settings(callback, names)}
    if kind is known.TerminateOnNaN:
        return "TerminateOnNaN"
    if kind is known.LearningRateScheduler:
        schedules = keras.optimizers.schedules
        if isinstance(callback.schedule, schedules.LearningRateSchedule):
            return {"LearningRateScheduler": {"schedule": schedules.serialize(callback.schedule)}}
    return None


def _settings(callback, names):
    return {name: getattr(callback, name) for name in names if getattr(callback, name) is not None}


class Bridge:
    """Calls Keras's callbacks while the C library trains.

    The Keras model has the weights of the moment at the beginning of training and at the end of each epoch. What callbacks
    change there (weights, learning rate) goes into training, unless the run is recorded, for its record could not
    tell. model.stop_training ends training with the epoch.
    """

    def __init__(self, model, mirror, callbacks, verbose, epochs, keras, recorded):
        self.model, self.mirror, self.callbacks = model, mirror, list(callbacks)
        self.verbose, self.epochs, self.keras, self.recorded = verbose, epochs, keras, recorded
        self.history = keras.callbacks.History()
        self.list = None
        self.changed = False

    def begin(self, steps):
        self.model.stop_training = False
        self.list = self.keras.callbacks.CallbackList(
            [self.history, *self.callbacks],
            add_history=False,
            add_progbar=self.verbose != 0,
            verbose=self.verbose,
            epochs=self.epochs,
            steps=steps,
            model=self.model,
        )
        self.list.on_train_begin()

    def progress(self, epoch, epochs, step, steps, seconds, scores, epoch_end):
        """What the C library calls; gives its answer."""
        if self.list is None:
            self.begin(steps)
        if step == 0:
            self.list.on_epoch_begin(epoch - 1)
            self._take_changes()
        elif not epoch_end:
            self.list.on_train_batch_begin(step - 1)
            self.list.on_train_batch_end(step - 1, scores)
        else:
            self._end_epoch(epoch - 1, scores)
            if self.model.stop_training:
                if self.recorded:
                    raise ValueError(
                        "callbacks: a callback ended training, which the record of a run cannot tell; "
                        "use EarlyStopping or TerminateOnNaN, or fit without run="
                    )
                return self.mirror.END
        return 0

    def _end_epoch(self, epoch, scores):
        if self.callbacks:
            self.mirror.pull()
        self.list.on_epoch_end(epoch, scores)
        self._take_changes()

    def _take_changes(self):
        if not self.callbacks or not self.mirror.push():
            return
        self.changed = True
        if self.recorded:
            raise ValueError(
                "callbacks: a callback changed weights or learning rate, which the record of a run cannot tell; "
                "fit without run="
            )

    def end(self):
        if self.list is not None:
            self.list.on_train_end()


class Mirror:
    """The same variables twice: in the Keras model and in the C library, in Keras's order.

    Raises NotImplementedError when they do not match, before anything was trained.
    """

    def __init__(self, model, inner, end):
        self.END = end
        self.inner = inner
        weights = _model_weights(model)
        self.pairs = _match(weights, inner.weights(), "weight")
        self.state = _match(list(model.optimizer.variables), inner.state(), "optimizer variable")
        self.seen = None

    def pull(self):
        """C to Keras. Copies, because backends may keep looking at the memory that they are given."""
        self.seen = []
        for variable, view in self.pairs + self.state:
            value = np.array(view)
            variable.assign(value.astype(_dtype(variable), copy=False))
            self.seen.append(value)

    def push(self):
        """Keras to C, what was changed since pull: weights and optimizer state. Gives whether anything was."""
        changed = False
        if self.seen is None:
            self.seen = [np.array(view) for _, view in self.pairs + self.state]
        for i, (variable, view) in enumerate(self.pairs + self.state):
            value = np.asarray(_numpy(variable), dtype=self.seen[i].dtype)
            if value.tobytes() != self.seen[i].tobytes():
                np.asarray(view)[...] = value
                self.seen[i] = value
                changed = True
        if changed:
            self.inner.state_written()
        return changed


def _model_weights(model):
    """Layer by layer, as isobit orders them; shared layers once."""
    found, seen = [], set()
    for layer in model.layers:
        for variable in layer.weights:
            if id(variable) not in seen:
                seen.add(id(variable))
                found.append(variable)
    return found


def _match(variables, views, what):
    if len(variables) != len(views):
        raise NotImplementedError(f"expected {len(views)} {what}s, the Keras model has {len(variables)}")
    pairs = []
    for variable, view in zip(variables, views):
        if tuple(variable.shape) != view.shape:
            raise NotImplementedError(
                f"{what} {variable.path}: expected the shape {view.shape}, found {tuple(variable.shape)}"
            )
        pairs.append((variable, view))
    return pairs


def _dtype(variable):
    return str(variable.dtype).rpartition(".")[2]


def _numpy(variable):
    value = variable.value
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value)
