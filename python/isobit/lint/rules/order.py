# SPDX-License-Identifier: Apache-2.0
"""Orders that nobody chose: directory listings, sets, hashes of strings, addresses."""

import ast

from ..uses import order_matters
from . import replace, rule, wrap

_LISTINGS = {"os.listdir", "glob.glob", "glob.iglob"}
_PATH_METHODS = {"glob", "rglob", "iterdir"}


@rule(
    "unsorted-listing",
    "warning",
    reason="A directory is listed in the order of the file system, which differs between machines and copies.",
    mend="sort it: sorted(os.listdir(path))",
)
def unsorted_listing(script):
    for call in script.calls:
        name = script.qualify(call)
        if name in ("os.walk", "os.scandir"):
            if name == "os.walk" and _walk_is_sorted(script, call):
                continue
            if order_matters(script, call):
                yield call, f"{name.replace('os.', '')} gives entries in the file system's order, and the order is kept"
            continue
        word = name if name in _LISTINGS else _path_listing(script, call)
        if word and order_matters(script, call):
            yield call, f"{word} gives names in the file system's order, and the order is kept", wrap(
                call, "sorted(", ")"
            )


def _path_listing(script, call):
    """Path(...).glob("*.png") and the like; None where the object may be something else."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in _PATH_METHODS or script.qualify(call):
        return None
    if not script.imports("pathlib"):
        return None
    if call.func.attr == "iterdir":
        return "iterdir" if not call.args else None
    return call.func.attr if len(call.args) == 1 else None


def _walk_is_sorted(script, call):
    """for root, dirs, files in os.walk(...): with dirs.sort() or sorted(files) in the loop."""
    loop = script.parent(call)
    if not isinstance(loop, ast.For):
        return isinstance(loop, ast.Call)
    for statement in loop.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Attribute) and node.attr == "sort":
                return True
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("sorted", "natsorted")
            ):
                return True
    return False


@rule(
    "set-order",
    "warning",
    reason="The order of a set of strings follows their hashes, which differ in each process.",
    mend="sort it: sorted(set(words)); or keep the order of first appearance: list(dict.fromkeys(words))",
)
def set_order(script):
    for node in script.names.parents:
        if not _is_set(script, node) or _holds_numbers(script, node):
            continue
        parent = script.parent(node)
        if order_matters(script, node):
            edits = ()
            if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name) and parent.func.id == "list":
                if not isinstance(script.parent(parent), ast.Call):
                    edits = (replace(parent.func, "sorted"),)
            yield node, "the order of a set is kept; it differs from process to process for strings", edits


def _is_set(script, node):
    """set(...), {a for ...}, {"a", "b"}, and differences and unions of such."""
    if isinstance(node, (ast.Set, ast.SetComp)):
        return not _in_set_operation(script, node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("set", "frozenset"):
        return script.names.find(node.func) is None and bool(node.args) and not _in_set_operation(script, node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Sub, ast.BitAnd, ast.BitOr, ast.BitXor)):
        return any(_set_literal(side) for side in (node.left, node.right))
    return False


def _set_literal(node):
    return isinstance(node, (ast.Set, ast.SetComp)) or (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("set", "frozenset")
    )


def _in_set_operation(script, node):
    parent = script.parent(node)
    return isinstance(parent, ast.BinOp) and isinstance(parent.op, (ast.Sub, ast.BitAnd, ast.BitOr, ast.BitXor))


_NUMERIC = {"range", "arange", "randint", "argmax", "unique", "nonzero", "where"}


def _holds_numbers(script, node):
    """Elements that are clearly numbers: their hashes are their values."""
    if isinstance(node, ast.Set):
        return all(isinstance(item, ast.Constant) and isinstance(item.value, (int, float)) for item in node.elts)
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            name = part.func.attr if isinstance(part.func, ast.Attribute) else getattr(part.func, "id", "")
            if name in _NUMERIC or name in ("int", "float", "ord"):
                return True
    if isinstance(node, ast.Call) and isinstance(node.args[0], ast.Name):
        return _numeric_name(script, node.args[0])
    return False


def _numeric_name(script, name):
    """y_train and the like are arrays of class numbers by custom; words, tokens and names are not."""
    lowered = name.id.lower()
    if lowered in (
        "y",
        "ys",
        "target",
        "targets",
        "labels",
        "ids",
        "indices",
        "idx",
        "numbers",
        "ints",
    ) or lowered.startswith("y_"):
        return True
    value = script.names.value(name)
    return isinstance(value, (ast.List, ast.Tuple)) and all(
        isinstance(item, ast.Constant) and isinstance(item.value, (int, float)) for item in value.elts
    )


@rule(
    "string-hash",
    "warning",
    reason="hash() of a string differs between processes unless PYTHONHASHSEED is set before Python starts.",
    mend="zlib.crc32(text.encode()) or int(hashlib.sha256(text.encode()).hexdigest(), 16)",
)
def string_hash(script):
    for call in script.calls:
        if not isinstance(call.func, ast.Name) or call.func.id != "hash" or script.names.find(call.func) is not None:
            continue
        if len(call.args) != 1 or isinstance(script.constant(call.args[0]), (int, float)):
            continue
        function = script.names.function_of(call)
        if getattr(function, "name", "") in ("__hash__", "__eq__"):
            continue
        parent = script.parent(call)
        if isinstance(parent, ast.Call) and getattr(parent.func, "id", "") == "abs":
            parent = script.parent(parent)
        if isinstance(parent, ast.BinOp) and isinstance(parent.op, (ast.Mod, ast.BitAnd, ast.RShift)):
            if parent.right is not call:
                yield call, "a bucket or a split follows hash(), which differs in each process for strings"


@rule(
    "address-order",
    "warning",
    reason="id() is an address and hash() of most objects follows it; both differ from run to run.",
    mend="sort by something that the data hold: key=str, key=lambda x: x.name",
)
def address_order(script):
    for call in script.calls:
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        if name not in ("sorted", "sort", "min", "max"):
            continue
        key = script.argument(call, "key")
        if isinstance(key, ast.Name) and key.id in ("id", "hash") and script.names.find(key) is None:
            yield call, f"the order follows {key.id}(), which differs from run to run"
