# SPDX-License-Identifier: Apache-2.0
"""tf.data pipelines: order given up, random draws in parallel maps, splits that move."""

import ast

from ..random_api import AUGMENTING, DRAWING, NUMPY, PYTHON, draw, is_dataset_shuffle
from . import replace, rule


@rule(
    "order-given-up",
    "warning",
    reason="Elements then come in the order in which threads finish them.",
    mend="leave deterministic at its default, True",
)
def order_given_up(script):
    if script.op_determinism:
        return
    for call in script.calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("map", "interleave", "ragged_batch"):
            value = script.argument(call, "deterministic")
            if isinstance(value, ast.Constant) and value.value is False and script.uses_keras:
                yield value, f"{call.func.attr} gives up the order of elements", (replace(value, "True"),)
    for node in script.names.parents:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value is False:
            for target in node.targets:
                if isinstance(target, ast.Attribute) and target.attr in (
                    "deterministic",
                    "experimental_deterministic",
                ):
                    if _is_options(script, target.value):
                        yield node, "the data set gives up the order of elements", (replace(node.value, "True"),)


def _is_options(script, node):
    value = script.names.value(node)
    return isinstance(value, ast.Call) and script.qualify(value) in (
        "tensorflow.data.Options",
        "tensorflow.compat.v1.data.Options",
    )


@rule(
    "shuffled-files",
    "warning",
    reason="tfds.load(shuffle_files=True) reads files in parallel in no fixed order unless it has a seed.",
    mend="add read_config=tfds.ReadConfig(shuffle_seed=812), or leave shuffle_files at False",
)
def shuffled_files(script):
    if script.op_determinism:
        return
    for call in script.calls:
        name = script.qualify(call) or ""
        if not (name.startswith("tensorflow_datasets.") or getattr(call.func, "attr", "") == "as_dataset"):
            continue
        value = script.argument(call, "shuffle_files")
        if isinstance(value, ast.Constant) and value.value is True and not script.given(call, "read_config"):
            if script.imports("tensorflow_datasets"):
                yield call, "shuffle_files=True without a seed reads the files in no fixed order"


@rule(
    "random-in-parallel-map",
    "warning",
    reason="Which element gets which number then depends on which thread is faster, with any seed.",
    mend="draw with tf.random.stateless_* from a seed of the element's own, call enable_op_determinism(), or leave "
    "num_parallel_calls out",
)
def random_in_parallel_map(script):
    if script.op_determinism or script.backend not in (None, "tensorflow"):
        return
    for call in script.calls:
        if not isinstance(call.func, ast.Attribute) or call.func.attr not in ("map", "interleave"):
            continue
        if not script.uses_keras or script.qualify(call) is not None or not _parallel(script, call):
            continue
        function = script.argument(call, "map_func", 0)
        if not isinstance(function, ast.AST):
            continue
        for text in _draws_of(script, function):
            yield call, f"{text} draws inside a parallel {call.func.attr}"
            break


def _parallel(script, call):
    position = 1 if call.func.attr == "map" else 3
    value = script.argument(call, "num_parallel_calls", position)
    if not isinstance(value, ast.AST):
        return False
    return script.constant(value) not in (None, 1)


def _draws_of(script, function):
    """Names of draws in the function given to map: tf's own, Keras's layers, or Python's inside py_function."""
    if _is_augmentation(script, function):
        yield _layer_name(script, function)
    for local in script.function_nodes(function):
        for call in script.calls_inside(local):
            name = script.qualify(call) or ""
            if name in ("tensorflow.py_function", "tensorflow.numpy_function", "tensorflow.py_func"):
                yield from _python_draws(script, call)
            elif name.startswith(("tensorflow.random.", "tensorflow.image.random_")):
                last = name.rpartition(".")[2]
                stateful = name.startswith("tensorflow.image.random_") or (
                    name.count(".") == 2
                    and not last.startswith(("stateless", "set_seed", "split", "fold_in", "Generator"))
                    and last not in ("create_rng_state", "get_global_generator", "set_global_generator")
                )
                if stateful:
                    yield name.replace("tensorflow", "tf", 1)
            elif _is_augmentation(script, call.func):
                yield _layer_name(script, call.func)


def _python_draws(script, call):
    function = script.argument(call, "func", 0)
    if isinstance(function, ast.AST):
        for local in script.function_nodes(function):
            for inner in script.calls_inside(local):
                found = draw(script, inner)
                if found and found.generators & {PYTHON, NUMPY}:
                    yield found.text
                    return


def _layer_name(script, node):
    value = script.names.value(node) if isinstance(node, ast.Name) else node
    if isinstance(value, ast.Call) and (script.qualify(value) or "").startswith("keras.layers."):
        return script.qualify(value).rpartition(".")[2]
    return f"{ast.unparse(node)} (random layers)"


def _is_augmentation(script, node):
    """A random layer, or a Sequential of which one is, made in this file and called by name or directly."""
    value = script.names.value(node) if isinstance(node, ast.Name) else node
    if not isinstance(value, ast.Call):
        return False
    name = script.qualify(value) or ""
    if name.startswith("keras.layers."):
        return name.rpartition(".")[2] in AUGMENTING
    if name in ("keras.Sequential", "keras.models.Sequential") and value.args:
        layers = value.args[0]
        layers = script.names.value(layers) if isinstance(layers, ast.Name) else layers
        return isinstance(layers, (ast.List, ast.Tuple)) and any(
            isinstance(item, ast.Call)
            and (script.qualify(item) or "").startswith("keras.layers.")
            and script.qualify(item).rpartition(".")[2] in DRAWING
            for item in layers.elts
        )
    return False


@rule(
    "shuffle-then-split",
    "error",
    reason="shuffle makes another order in each epoch, so samples move between the parts: validation sees training data.",
    mend="split first and shuffle the training part, or shuffle with reshuffle_each_iteration=False",
)
def shuffle_then_split(script):
    for call in script.calls:
        if not is_dataset_shuffle(script, call) or not script.uses_keras:
            continue
        value = script.argument(call, "reshuffle_each_iteration", 2)
        if value is None or (isinstance(value, ast.AST) and script.constant(value) is not True):
            continue
        variable = _kept_in(script, call)
        if variable is None:
            continue
        takes, skips = _parts(script, variable)
        if takes and skips:
            yield call, f"{variable.id} is shuffled anew in each epoch and then split by take (line {takes[0].lineno}) and skip"


_FIXING = ("cache", "take", "skip", "as_numpy_iterator", "save", "snapshot")


def _kept_in(script, call):
    """The name to which a data set is assigned, through a chain that does not fix its order; or None."""
    node = call
    while True:
        parent = script.parent(node)
        if isinstance(parent, ast.Attribute) and isinstance(script.parent(parent), ast.Call):
            if parent.attr in _FIXING:
                return None
            node = script.parent(parent)
        elif isinstance(parent, ast.Assign) and len(parent.targets) == 1 and isinstance(parent.targets[0], ast.Name):
            return parent.targets[0]
        else:
            return None


def _parts(script, variable):
    """Uses variable.take(...) and variable.skip(...) that follow in the text; ds = ds.map(f) goes on, any other
    assignment to the name ends the search."""
    scope = script.names.find(variable)
    end = 10**9
    for store in script.names.stores(variable.id, scope):
        if store.lineno > variable.lineno and not _goes_on(script, store):
            end = store.lineno
            break
    takes, skips = [], []
    for use in script.names.uses(variable.id, scope):
        attribute = script.parent(use)
        if variable.lineno < use.lineno <= end and isinstance(script.parent(attribute), ast.Call):
            if isinstance(attribute, ast.Attribute):
                {"take": takes, "skip": skips}.get(attribute.attr, []).append(use)
    return takes, skips


def _goes_on(script, store):
    """ds = ds.map(f).batch(n): the same order under the same name."""
    node = getattr(script.parent(store), "value", None)
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr not in _FIXING:
        node = node.func.value
    return isinstance(node, ast.Name) and node.id == store.id
