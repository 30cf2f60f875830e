# SPDX-License-Identifier: Apache-2.0
"""Writes keras_names.json beside this script: what the installed Keras exports under keras.layers, keras.losses and so on.

Each name maps to "" (defined by arithmetic), to the name that it is another name of, to "code" (a layer that runs a
program of its user), or to "base" (a class to derive from, or a helper that computes nothing).
"""

import json
import pathlib
import types

import keras

SPACES = "layers losses metrics optimizers optimizers.schedules initializers regularizers constraints activations dtype_policies mixed_precision".split()
BASES = set(
    "Layer Wrapper InputSpec Loss Metric Optimizer LearningRateSchedule Initializer Regularizer Constraint "
    "get serialize deserialize dtype_policy global_policy set_dtype_policy set_global_policy".split()
)
CODE = {"Lambda", "JaxLayer", "FlaxLayer", "TFSMLayer", "TorchModuleWrapper"}
# Functions that make a layer, and the one that pairs optimizers with variables.
ALIASES = {"Input": "InputLayer", "OptimizerMap": "MultiOptimizer", "Policy": "DTypePolicy"}


def kind(name, thing, space, first):
    if name in BASES:
        return "base"
    if name in CODE:
        return "code"
    if space == "layers" and isinstance(thing, types.FunctionType):
        return ALIASES.get(name, name.capitalize())
    if name in ALIASES:
        return ALIASES[name]
    own = getattr(thing, "__name__", name)
    if isinstance(thing, type) and own != name and own in first:
        return own
    if isinstance(thing, types.FunctionType) and own != name:
        return own
    return ""


def main():
    out = {"keras": keras.__version__}
    for space in SPACES:
        module = keras
        for part in space.split("."):
            module = getattr(module, part)
        things = {
            n: getattr(module, n)
            for n in sorted(dir(module))
            if not n.startswith("_") and not isinstance(getattr(module, n), types.ModuleType)
        }
        out[space] = {n: kind(n, t, space, things) for n, t in things.items()}
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(out, indent=0) + "\n")


main()
