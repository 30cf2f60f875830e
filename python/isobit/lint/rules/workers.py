# SPDX-License-Identifier: Apache-2.0
"""Parallel workers: data sets that draw in several threads or processes, results in the order of completion."""

import ast

from ..random_api import NUMPY, PYTHON, TENSORFLOW, draw
from ..uses import order_matters
from . import rule

_DATASETS = {"keras.utils.PyDataset", "keras.utils.Sequence", "keras.utils.data_utils.Sequence"}
_GENERATORS = {"numpy.random.default_rng", "numpy.random.RandomState", "random.Random"}
_GENERATOR_METHODS = {
    "random",
    "integers",
    "normal",
    "uniform",
    "choice",
    "shuffle",
    "permutation",
    "permuted",
    "standard_normal",
    "randint",
    "sample",
    "randrange",
    "gauss",
    "binomial",
    "poisson",
    "beta",
    "exponential",
    "rand",
    "randn",
}


@rule(
    "worker-draws",
    "warning",
    reason="Workers share one stream of random numbers, or each has a copy: which sample gets which number depends on "
    "timing and on the number of workers.",
    mend="make the generator in __getitem__ from the seed and the index: np.random.default_rng((seed, epoch, index))",
)
def worker_draws(script):
    for class_, workers, place in _datasets_with_workers(script):
        for item in class_.body:
            if isinstance(item, ast.FunctionDef) and item.name == "__getitem__":
                text = _draw_in(script, item)
                if text:
                    yield place, f"{class_.name}.__getitem__ draws with {text} in {workers}"
                    break


def _datasets_with_workers(script):
    """(class, words, place) of PyDataset and torch Dataset classes of this file that run in several workers."""
    classes = [node for node in script.names.parents if isinstance(node, ast.ClassDef)]
    keras_classes = [c for c in classes if any(script.qualify(base) in _DATASETS for base in c.bases)]
    for class_ in keras_classes:
        for call in script.calls:
            if _made_with_workers(script, call, class_):
                yield class_, "several workers", call
                break
    if len(keras_classes) == 1:
        for call in script.calls:
            if getattr(call.func, "attr", "") in ("fit", "fit_generator") and _many(script, call, "workers"):
                yield keras_classes[0], "several workers", call
    for call in script.calls:
        if script.qualify(call) == "torch.utils.data.DataLoader" and _many(script, call, "num_workers", 5):
            if script.given(call, "worker_init_fn") or not call.args:
                continue
            value = script.names.value(call.args[0])
            class_ = script.names.local_class(value.func) if isinstance(value, ast.Call) else None
            if class_ is not None and _generator_attributes(script, class_):
                yield class_, "the workers of a DataLoader, each with a copy of it", call


def _made_with_workers(script, call, class_):
    """MyDataset(..., workers=4), or super().__init__(workers=4) inside the class."""
    if script.names.local_class(call.func) is class_:
        return _many(script, call, "workers")
    function = call.func
    if isinstance(function, ast.Attribute) and function.attr == "__init__" and _many(script, call, "workers"):
        node = call
        while node in script.names.parents:
            node = script.names.parents[node]
            if node is class_:
                return True
    return False


def _many(script, call, name, position=None):
    value = script.argument(call, name, position)
    number = script.constant(value) if isinstance(value, ast.AST) else None
    return isinstance(number, int) and number > 1


def _generator_attributes(script, class_):
    """Names of attributes that hold a generator: self.rng = np.random.default_rng(...)."""
    found = set()
    for node in ast.walk(class_):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = zip(target.elts, node.value.elts)
            for left, right in pairs:
                if isinstance(left, ast.Attribute) and isinstance(right, ast.Call):
                    if script.qualify(right) in _GENERATORS:
                        found.add(left.attr)
    return found


def _draw_in(script, function):
    """The first draw in __getitem__ and what it calls: from a global stream, or from the object's own generator."""
    class_ = script.parent(function)
    generators = _generator_attributes(script, class_)
    for call in script.calls_inside(function):
        found = draw(script, call)
        if found and found.generators & {PYTHON, NUMPY, TENSORFLOW}:
            return found.text
        target = call.func
        if isinstance(target, ast.Attribute) and target.attr in _GENERATOR_METHODS:
            if isinstance(target.value, ast.Attribute) and target.value.attr in generators:
                return f"self.{target.value.attr}.{target.attr}"
    return None


@rule(
    "completion-order",
    "warning",
    reason="as_completed and imap_unordered give results in the order in which workers finish.",
    mend="executor.map and Pool.imap keep the order; or sort, or store each result under its own key",
)
def completion_order(script):
    for call in script.calls:
        name = script.qualify(call)
        if name in ("concurrent.futures.as_completed", "asyncio.as_completed"):
            word = "as_completed"
        elif isinstance(call.func, ast.Attribute) and call.func.attr == "imap_unordered" and name is None:
            word = "imap_unordered"
        else:
            continue
        if order_matters(script, call):
            yield call, f"results are kept in the order in which {word} gives them"
