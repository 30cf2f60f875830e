# SPDX-License-Identifier: Apache-2.0
"""isobit: Keras training in C with the same bits everywhere, for Python.

    import isobit

    isobit.set_random_seed(812)
    history = isobit.fit(model, x, y, epochs=5, run="run/")   # a compiled Keras model, trained in C
    print(history.digest)                                     # the same on every machine
    print(isobit.verify("run/"))                              # trained again, compared digest by digest

`fit`, `evaluate` and `predict` take a Keras model and need Keras; all else does without. Training itself runs in C
without Python's lock. No bit of a result depends on threads, instruction set or machine (doc/numerics.md).
"""

from importlib import import_module
from typing import TYPE_CHECKING

# Where each public name lives. They are imported when first used: the linter and the recorder come without the
# extension.
_PLACES = {
    "Recorder": "hold",
    "Run": "runs",
    "Verdict": "runs",
    "audit": "runs",
    "diff": "runs",
    "env": "runs",
    "kernels": "runs",
    "summary": "runs",
    "train": "runs",
    "verify": "runs",
    "Model": "models",
    "from_config": "models",
    "load": "models",
    "evaluate": "fitting",
    "fit": "fitting",
    "predict": "fitting",
    "set_random_seed": "seeds",
}

__all__ = ["CONTRACT_VERSION", "__version__", *sorted(_PLACES)]

if TYPE_CHECKING:
    from .fitting import evaluate, fit, predict
    from .hold import Recorder
    from .models import Model, from_config, load
    from .runs import Run, Verdict, audit, diff, env, kernels, summary, train, verify
    from .seeds import set_random_seed

    CONTRACT_VERSION: int
    __version__: str


def __getattr__(name):
    if name in _PLACES:
        value = getattr(import_module("." + _PLACES[name], __name__), name)
    elif name in ("__version__", "CONTRACT_VERSION"):
        extension = import_module("._isobit", __name__)
        value = extension.version if name == "__version__" else extension.contract
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted(set(globals()) | set(__all__))
