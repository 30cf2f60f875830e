# SPDX-License-Identifier: Apache-2.0
"""One script with all that rules ask of it: tree, names, flow, calls, backend, training."""

import ast
import re
from functools import cached_property

from .flow import Flow
from .names import MISSING, Names
from .random_api import STAR_EXPORTS

_KERAS = {
    "keras",
    "tensorflow",
    "tf_keras",
    "keras_core",
    "keras_hub",
    "keras_nlp",
    "keras_cv",
    "keras_tuner",
    "autokeras",
}
_FRAMEWORKS = _KERAS | {"torch", "jax", "flax", "optax", "lightning", "pytorch_lightning"}
# Method names that train; each with what must hold for a call of it to mean training.
_TRAINING = {"fit", "fit_generator", "train_on_batch", "apply_gradients"}
_OPTIMIZER = re.compile(r"opt", re.IGNORECASE)


class Script:
    def __init__(self, source, tree):
        self.source, self.tree = source, tree
        self.names = Names(tree)
        self.calls = sorted(
            (node for node in self.names.parents if isinstance(node, ast.Call)),
            key=lambda node: (node.lineno, node.col_offset, -(node.end_col_offset or 0)),
        )
        self._qualified = {}

    # ---- Names and arguments ----

    def qualify(self, node):
        """The dotted name of a call's function, or of a Name or Attribute; None if it is not an import's."""
        target = node.func if isinstance(node, ast.Call) else node
        if target not in self._qualified:
            self._qualified[target] = self.names.qualify(target) or self.names.star(target, STAR_EXPORTS)
        return self._qualified[target]

    def parent(self, node):
        return self.names.parents.get(node)

    @staticmethod
    def argument(call, name, position=None):
        """The node given for an argument, by keyword or position; MISSING if it is not given, None if unknown
        (* or ** may give it)."""
        unknown = False
        for keyword in call.keywords:
            if keyword.arg == name:
                return keyword.value
            unknown = unknown or keyword.arg is None
        if position is not None:
            for number, value in enumerate(call.args):
                if isinstance(value, ast.Starred):
                    unknown = True
                    break
                if number == position:
                    return value
        return None if unknown else MISSING

    def constant(self, node):
        """The constant that a node stands for (through a name assigned once), or MISSING."""
        if isinstance(node, ast.Name):
            node = self.names.value(node)
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            return -node.operand.value if isinstance(node.operand.value, (int, float)) else MISSING
        return MISSING

    def given(self, call, name, position=None):
        """True if an argument is given and is not the constant None (or may be given by * or **)."""
        value = self.argument(call, name, position)
        return value is not MISSING and not (isinstance(value, ast.Constant) and value.value is None)

    def is_false(self, call, name, position=None):
        value = self.argument(call, name, position)
        return value is not MISSING and value is not None and self.constant(value) in (False, 0)

    # ---- Where calls are ----

    @cached_property
    def flow(self):
        return Flow(self.tree, self.names)

    def reached(self, node):
        return node in self.flow.index

    def loops(self, node):
        """The loops around a node within its function, innermost first."""
        found = []
        while node in self.names.parents:
            node = self.names.parents[node]
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
                break
            if isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
                found.append(node)
        return found

    def function_nodes(self, node, depth=4):
        """Local functions that a node given as a function may mean: a lambda, a function's or method's name, a
        call of functools.partial."""
        if isinstance(node, ast.Lambda):
            return [node]
        if isinstance(node, ast.Name):
            return list(self.names.local_functions(node))
        if isinstance(node, ast.Attribute) and self.qualify(node) is None:
            found = self.flow.methods.get(node.attr, [])
            return list(found) if len(found) == 1 else []
        if isinstance(node, ast.Call) and depth:
            if self.qualify(node) == "functools.partial" and node.args:
                return self.function_nodes(node.args[0], depth - 1)
            if self.qualify(node) in (
                "tensorflow.function",
                "tensorflow.autograph.experimental.do_not_convert",
            ):
                return self.function_nodes(node.args[0], depth - 1) if node.args else []
        return []

    def calls_inside(self, function, depth=4, seen=None):
        """Calls in a function's body and in local functions that it calls."""
        seen = set() if seen is None else seen
        if function in seen or depth == 0:
            return
        seen.add(function)
        body = [function.body] if isinstance(function, ast.Lambda) else function.body
        for statement in body:
            for node in ast.walk(statement):
                if isinstance(node, ast.Call):
                    yield node
                    for inner in self.function_nodes(node.func):
                        yield from self.calls_inside(inner, depth - 1, seen)

    # ---- What the script is ----

    def imports(self, *packages):
        return any(package in self.names.modules for package in packages)

    @cached_property
    def uses_keras(self):
        return bool(self.names.modules & _KERAS)

    @cached_property
    def uses_framework(self):
        return bool(self.names.modules & _FRAMEWORKS)

    @cached_property
    def backend(self):
        """ "tensorflow", "jax", "torch", "numpy", or None where the script does not say."""
        for name, value, _ in self.environment_writes:
            if name == "KERAS_BACKEND" and value is not None:
                return value
        for call in self.calls:
            if self.qualify(call) == "keras.config.set_backend" and call.args:
                value = self.constant(call.args[0])
                return value if isinstance(value, str) else None
        return "tensorflow" if self.imports("tensorflow", "tf_keras") else None

    @cached_property
    def environment_writes(self):
        return list(self._environment_writes())

    def _environment_writes(self):
        """(name, value or None, node) of each os.environ["NAME"] = value, setdefault, putenv and %env."""
        for node in self.names.parents:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Subscript) and self.qualify(target.value) == "os.environ":
                        yield self._text(target.slice), self._text(node.value), node
            elif isinstance(node, ast.Call):
                name = self.qualify(node)
                if name in ("os.environ.setdefault", "os.putenv") and len(node.args) == 2:
                    yield self._text(node.args[0]), self._text(node.args[1]), node
                elif name == "os.environ.update" and node.args and isinstance(node.args[0], ast.Dict):
                    for key, value in zip(node.args[0].keys, node.args[0].values):
                        yield self._text(key), self._text(value), node
                elif name == "os.environ.update":
                    for keyword in node.keywords:
                        yield keyword.arg, self._text(keyword.value), node

    def _text(self, node):
        value = self.constant(node) if node is not None else MISSING
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str" and node.args:
            value = self.constant(node.args[0])
        return None if value is MISSING else str(value)

    def is_training(self, call):
        """Whether a call trains a model: fit of a compiled one, or an optimizer's step."""
        if not isinstance(call.func, ast.Attribute):
            return self.qualify(call) in ("jax.grad", "jax.value_and_grad")
        name, dotted = call.func.attr, self.qualify(call)
        if dotted in ("jax.grad", "jax.value_and_grad"):
            return True
        if dotted is not None:
            return False
        if name in _TRAINING:
            return self.uses_keras and (name != "fit" or self._may_be_model(call.func.value))
        if name == "step" and self.imports("torch"):
            return bool(_OPTIMIZER.search(ast.unparse(call.func.value)))
        return False

    def _may_be_model(self, receiver):
        """False for scalers, tokenizers and the like, known by the class they were made of."""
        value = self.names.value(receiver)
        if isinstance(value, ast.Call):
            dotted = self.qualify(value) or ""
            if dotted.split(".")[0] in ("sklearn", "xgboost", "lightgbm", "scipy", "statsmodels"):
                return False
        return self.compiles

    @cached_property
    def compiles(self):
        """Whether the file compiles or loads a Keras model."""
        for call in self.calls:
            if isinstance(call.func, ast.Attribute) and call.func.attr == "compile" and (call.args or call.keywords):
                if self.qualify(call) is None:
                    return True
            if (self.qualify(call) or "").endswith("load_model"):
                return True
        return any(isinstance(c, ast.ClassDef) and _has_train_step(c) for c in self.names.parents)

    @cached_property
    def training(self):
        """Calls that train and that the script reaches, in probable order."""
        return [node for node in self.flow.steps if isinstance(node, ast.Call) and self.is_training(node)]

    @cached_property
    def op_determinism(self):
        """Whether op determinism is switched on anywhere, by call or environment."""
        for call in self.calls:
            if (self.qualify(call) or "").endswith("enable_op_determinism"):
                return True
        return any(
            name in ("TF_DETERMINISTIC_OPS", "TF_CUDNN_DETERMINISTIC") and value not in ("0", "false", "False")
            for name, value, _ in self.environment_writes
        )


def _has_train_step(class_):
    return any(isinstance(item, ast.FunctionDef) and item.name == "train_step" for item in class_.body)
