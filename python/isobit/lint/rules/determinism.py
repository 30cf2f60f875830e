# SPDX-License-Identifier: Apache-2.0
"""Switches of the frameworks: op determinism of TensorFlow, deterministic algorithms of PyTorch."""

import ast

from ..random_api import TENSORFLOW, TORCH, seeds
from . import insert_after, replace, rule

_SWITCHES = {
    "tensorflow.config.experimental.enable_op_determinism": "",
    "keras.utils.set_random_seed": "",
    "torch.use_deterministic_algorithms": "True",
}


@rule(
    "op-determinism-not-called",
    "error",
    reason="The name of a function alone does nothing.",
    mend="add the parentheses: tf.config.experimental.enable_op_determinism()",
)
def not_called(script):
    for node in script.names.parents:
        if isinstance(node, ast.Expr) and isinstance(node.value, (ast.Attribute, ast.Name)):
            name = script.qualify(node.value)
            if name in _SWITCHES:
                edits = (insert_after(node.value, "(True)" if _SWITCHES[name] else "()"),)
                yield node.value, f"{name.rpartition('.')[2]} is named, not called", (
                    () if name == "keras.utils.set_random_seed" else edits
                )


@rule(
    "op-determinism-missing",
    "warning",
    reason="A seed does not fix the order of additions in parallel kernels; GPU kernels and parallel input maps then "
    "give other bits in each run.",
    mend="call tf.config.experimental.enable_op_determinism() (PyTorch: torch.use_deterministic_algorithms(True))",
)
def missing(script):
    if not script.training:
        return
    first = {}
    for step in script.flow.steps:
        if isinstance(step, ast.Call):
            for generator in seeds(script, step) or ():
                first.setdefault(generator, step)
    if TENSORFLOW in first and script.backend == "tensorflow" and not _names_determinism(script):
        if script.imports("tensorflow", "keras", "tf_keras") and not _unknown_helper(script, first[TENSORFLOW]):
            yield first[
                TENSORFLOW
            ], "the script sets a seed and trains with TensorFlow, but never enables op determinism"
    elif TORCH in first and script.imports("torch") and script.backend in (None, "torch"):
        if _uses_cuda(script) and not _torch_determinism(script) and not _unknown_helper(script, first[TORCH]):
            yield first[TORCH], "the script sets a seed and trains on CUDA, but never asks for deterministic algorithms"


def _names_determinism(script):
    """Called, or at least named: a name without a call is another rule's finding."""
    if script.op_determinism:
        return True
    return any(
        isinstance(node, ast.Attribute) and node.attr == "enable_op_determinism" for node in script.names.parents
    )


def _unknown_helper(script, call):
    """Seeded by a function of another module, which may switch determinism on as well."""
    name = script.qualify(call)
    return name is None or name.split(".")[0] not in (
        "tensorflow",
        "keras",
        "tf_keras",
        "torch",
        "random",
        "numpy",
    )


def _uses_cuda(script):
    return any(
        (isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("cuda"))
        or (isinstance(node, ast.Attribute) and node.attr == "cuda")
        for node in script.names.parents
    )


def _torch_determinism(script):
    for node in script.names.parents:
        if isinstance(node, (ast.Attribute, ast.Name)):
            name = script.qualify(node) or ""
            if name in ("torch.use_deterministic_algorithms", "torch.backends.cudnn.deterministic"):
                return True
    return False


@rule(
    "op-determinism-late",
    "warning",
    reason="Operations that ran before the switch ran without it; TensorFlow asks for it at the start of the program.",
    mend="call enable_op_determinism directly after the seed, before any layer or tensor is made",
)
def late(script):
    training = script.training
    if not training:
        return
    begun = script.flow.index[training[0]]
    for number, step in enumerate(script.flow.steps):
        if not isinstance(step, ast.Call):
            continue
        if (script.qualify(step) or "").endswith(".enable_op_determinism"):
            if number > begun:
                yield step, f"op determinism is enabled after training began (line {training[0].lineno})"
            return


@rule(
    "cudnn-benchmark",
    "warning",
    reason="cuDNN then times its algorithms and takes the fastest, which differs from run to run.",
    mend="torch.backends.cudnn.benchmark = False",
)
def cudnn_benchmark(script):
    for node in script.names.parents:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value is True:
            for target in node.targets:
                if script.qualify(target) == "torch.backends.cudnn.benchmark":
                    yield node, "cuDNN chooses algorithms by their speed in this run", (replace(node.value, "False"),)
