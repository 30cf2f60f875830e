# SPDX-License-Identifier: Apache-2.0
"""Recorder: for training that isobit record cannot see by itself, such as a jitted loop in JAX."""

import sys


def session_here():
    """The session of ``isobit record`` in this process, or None."""
    package = sys.modules.get("_isobit_hold.session") or sys.modules.get(__package__ + ".session")
    return package.current() if package is not None else None


def _nothing(self, *args, **kwargs):
    """Keras asks its callbacks for this; fit is recorded without it."""


_nothing._is_default = True  # Keras: there is nothing to wait for


class Recorder:
    """Records the state of a training loop under ``isobit record``; elsewhere it does nothing.

    In a loop of your own::

        recorder = isobit.Recorder("generator")
        for batch in batches:
            state = step(state, batch)
            recorder.step({"kernel": state.kernel, "bias": state.bias}, loss=loss)

    step takes a dict of name to array (NumPy, JAX, TensorFlow, PyTorch or Keras variables), or a list of Keras
    variables. The state is recorded at the steps that ``--every`` asks for; reading it costs nothing at others.

    It may also stand among the callbacks of ``Model.fit``, which is recorded with or without it.
    """

    async_safe = True

    def __init__(self, name="model"):
        self._name = name
        self._state = None
        self._track = None

    def _variables(self):
        if isinstance(self._state, dict):
            return list(self._state.items())
        from .train import unique_paths

        return unique_paths(self._state or [])

    def _with_track(self, state, act):
        session = session_here()
        if session is None or session.every <= 0:
            return
        self._state = state
        if self._track is None:
            self._track = session.recorder.track(self, self._name, self._variables)
        act(self._track)
        self._state = None

    def step(self, state, loss=None):
        """After one step of training. state: dict of name to array, or a list of variables; loss: a number."""
        self._with_track(state, lambda track: track.advance(1, loss))

    def end(self, state, loss=None):
        """At the end of training: records the state whatever the number of the step."""
        self._with_track(state, lambda track: track.record(loss))


for _name in ("set_params", "set_model", "on_batch_begin", "on_batch_end", "on_epoch_begin", "on_epoch_end"):
    setattr(Recorder, _name, _nothing)
for _phase in ("train", "test", "predict"):
    for _place in ("begin", "end", "batch_begin", "batch_end"):
        setattr(Recorder, f"on_{_phase}_{_place}", _nothing)
