# SPDX-License-Identifier: Apache-2.0
"""Where a value with an accidental order goes: does the order reach the result, or is it sorted, counted or only
looked at?

The answer "it matters" needs a use that keeps order (a list built, an index, a slice, an enumeration, a call that
takes the sequence); anything not understood counts as harmless.
"""

import ast

_HARMLESS_CALLS = {
    "len",
    "set",
    "frozenset",
    "any",
    "all",
    "max",
    "min",
    "print",
    "str",
    "repr",
    "bool",
    "isinstance",
    "type",
    "Counter",
    "display",
    "format",
}
_SORTING_CALLS = {
    "sorted",
    "natsorted",
    "natsort",
    "humansorted",
    "sort",
    "unique",
    "argsort",
    "sort_values",
    "SortedList",
}
_TRANSPARENT_CALLS = {
    "list",
    "tuple",
    "map",
    "filter",
    "iter",
    "reversed",
    "tqdm",
    "trange",
    "array",
    "asarray",
    "Series",
}
_KEEPING_CALLS = {
    "enumerate",
    "zip",
    "dict",
    "next",
    "DataFrame",
    "from_tensor_slices",
    "TextLineDataset",
    "TFRecordDataset",
    "FixedLengthRecordDataset",
    "shuffle",
    "choice",
    "sample",
    "permutation",
    "choices",
    "train_test_split",
    "adapt",
    "set_vocabulary",
    "StringLookup",
    "IntegerLookup",
    "TextVectorization",
    "islice",
    "concat",
    "concatenate",
    "stack",
    "vstack",
    "constant",
    "convert_to_tensor",
    "join",
}
_COMPREHENSIONS = (ast.ListComp, ast.GeneratorExp)


def order_matters(script, node, depth=6, seen=None):
    """Whether the order of the elements of `node` reaches something that keeps it."""
    seen = set() if seen is None else seen
    if node in seen or depth == 0:
        return False
    seen.add(node)
    parent = script.parent(node)
    if isinstance(parent, ast.Starred):
        return order_matters(script, parent, depth, seen)
    if isinstance(parent, (ast.List, ast.Tuple)) and isinstance(node, ast.Starred):
        return order_matters(script, parent, depth, seen)
    if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Add):
        return order_matters(script, parent, depth, seen)
    if isinstance(parent, ast.comprehension) and parent.iter is node:
        return _comprehension(script, script.parent(parent), depth, seen)
    if isinstance(parent, (ast.For, ast.AsyncFor)) and parent.iter is node:
        return _loop(script, parent, depth, seen)
    if isinstance(parent, ast.Subscript) and parent.value is node:
        return _subscript(script, parent, depth, seen)
    if isinstance(parent, ast.Call):
        return _argument(script, parent, node, depth, seen)
    if isinstance(parent, ast.keyword):
        return _argument(script, script.parent(parent), node, depth, seen)
    if isinstance(parent, ast.IfExp) and parent.test is not node:
        return order_matters(script, parent, depth, seen)
    if isinstance(parent, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) and parent.value is node:
        targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
        return len(targets) == 1 and _variable(script, targets[0], depth, seen)
    if isinstance(parent, ast.AugAssign) and parent.value is node and isinstance(parent.op, ast.Add):
        return _variable(script, parent.target, depth, seen)
    if isinstance(parent, ast.Return):
        return _returned(script, parent, depth, seen)
    if isinstance(parent, ast.Lambda):
        return False
    return False


def _call_name(call):
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _argument(script, call, node, depth, seen):
    """The value is an argument of a call (or the object of a method)."""
    name = _call_name(call)
    if name in _SORTING_CALLS or name in _HARMLESS_CALLS:
        return False
    if name in _TRANSPARENT_CALLS:
        return order_matters(script, call, depth, seen)
    if name == "dict" or name == "zip" or name == "enumerate":
        return _mapped(script, call, depth, seen)
    if name in _KEEPING_CALLS:
        return True
    if name in ("append", "extend", "insert") and isinstance(call.func, ast.Attribute) and node is not call.func:
        return name == "extend" and _variable(script, call.func.value, depth, seen)
    functions = script.names.local_functions(call.func) if isinstance(call.func, ast.Name) else []
    if len(functions) == 1 and node in call.args and not isinstance(functions[0], ast.Lambda):
        return _parameter(script, functions[0], call.args.index(node), depth, seen)
    return False


def _mapped(script, call, depth, seen):
    """enumerate(x), zip(x, y), dict(...): numbers or partners are given by position."""
    parent = script.parent(call)
    if isinstance(parent, ast.Call) and _call_name(parent) in _SORTING_CALLS:
        return False
    if isinstance(parent, (ast.For, ast.AsyncFor)) and parent.iter is call:
        return _call_name(call) == "enumerate" and _number_is_kept(script, parent) or _loop(script, parent, depth, seen)
    if isinstance(parent, ast.comprehension):
        return True
    if isinstance(parent, ast.Call) and _call_name(parent) in ("dict", "list", "tuple"):
        return True
    return _call_name(call) == "dict"


def _number_is_kept(script, loop):
    """for i, x in enumerate(...): i is stored in a list, a dict or an array; not merely printed or plotted."""
    target = loop.target
    if not (isinstance(target, ast.Tuple) and target.elts and isinstance(target.elts[0], ast.Name)):
        return False
    number = target.elts[0].id
    for statement in loop.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Subscript) for t in node.targets):
                if any(isinstance(n, ast.Name) and n.id == number for n in ast.walk(node)):
                    return True
            if isinstance(node, ast.Call) and _call_name(node) in ("append", "extend"):
                if any(isinstance(n, ast.Name) and n.id == number for n in ast.walk(node)):
                    return True
    return False


def _parameter(script, function, position, depth, seen):
    arguments = function.args.posonlyargs + function.args.args
    if position >= len(arguments):
        return False
    return _name_matters(script, arguments[position].arg, script.names.own[function], depth - 1, seen)


def _comprehension(script, node, depth, seen):
    if isinstance(node, ast.SetComp):
        return False
    if isinstance(node, ast.DictComp):
        return False
    parent = script.parent(node)
    if isinstance(parent, ast.Call) and _call_name(parent) in ("sum", "prod", "Counter"):
        return False
    return order_matters(script, node, depth, seen)


def _loop(script, loop, depth, seen):
    """A loop keeps order if it appends to a list, yields, or adds a sequence up; unless that list is sorted."""
    for statement in loop.body:
        for node in ast.walk(statement):
            if isinstance(node, (ast.Yield, ast.YieldFrom)):
                return True
            if isinstance(node, ast.Call) and _call_name(node) in ("append", "extend", "write"):
                if isinstance(node.func, ast.Attribute) and _call_name(node) != "write":
                    if _built(script, node.func.value, loop, depth, seen):
                        return True
            if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
                if isinstance(node.value, (ast.List, ast.ListComp)) and _built(script, node.target, loop, depth, seen):
                    return True
    return False


def _built(script, target, loop, depth, seen):
    """A list that a loop appends to: does its order matter afterwards?"""
    if isinstance(target, ast.Name):
        return _variable(script, target, depth, seen, after=loop)
    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
        return not _sorted_attribute(script, target.attr)
    return False


def _sorted_attribute(script, name):
    for node in script.names.parents:
        if isinstance(node, ast.Attribute) and node.attr == name:
            parent = script.parent(node)
            if isinstance(parent, ast.Attribute) and parent.attr == "sort":
                return True
            if isinstance(parent, ast.Call) and node in parent.args and _call_name(parent) in _SORTING_CALLS:
                return True
    return False


def _subscript(script, node, depth, seen):
    """x[0], x[:n], x[-1]: which elements these are depends on the order."""
    index = node.slice
    if isinstance(node.ctx, ast.Store) or _only_one(script, node):
        return False
    if isinstance(index, ast.Slice):
        whole = index.lower is None and index.upper is None
        return order_matters(script, node, depth, seen) if whole else shown_only(script, node) is False
    return shown_only(script, node) is False


def _only_one(script, node):
    """Under a test that there is one element, as in `if len(x) == 1`, an index chooses nothing."""
    while node in script.names.parents:
        child, node = node, script.names.parents[node]
        test = node.test if isinstance(node, (ast.If, ast.IfExp)) else node if isinstance(node, ast.BoolOp) else None
        if test is not None and child is not getattr(node, "orelse", None):
            text = ast.unparse(test)
            if "len(" in text and "== 1" in text:
                return True
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return False
    return False


def shown_only(script, node):
    """Whether a value is only printed or shown, as a look at an example is."""
    while True:
        parent = script.parent(node)
        if isinstance(parent, ast.Call) and node is not parent.func:
            name = _call_name(parent)
            if name in (
                "print",
                "display",
                "imshow",
                "show",
                "plot",
                "title",
                "set_title",
                "len",
                "imread",
                "Image",
            ):
                return True
            node = parent
        elif isinstance(
            parent, (ast.Attribute, ast.FormattedValue, ast.JoinedStr, ast.keyword, ast.BinOp, ast.Subscript)
        ):
            node = parent
        elif isinstance(parent, ast.Call):
            node = parent
        else:
            return isinstance(parent, ast.Expr)


def _variable(script, target, depth, seen, after=None):
    if not isinstance(target, ast.Name):
        return False
    scope = script.names.find(target)
    if scope is None:
        return False
    begin = (target.lineno, target.col_offset) if isinstance(script.parent(target), ast.Assign) else (0, 0)
    return _name_matters(script, target.id, scope, depth - 1, seen, after, begin)


def _name_matters(script, name, scope, depth, seen, after=None, begin=(0, 0)):
    """Whether any use of a variable keeps its order, while no use sorts it. Uses count from the assignment at `begin`
    up to the next one."""
    if depth <= 0 or (name, scope, begin) in seen:
        return False
    seen.add((name, scope, begin))
    end = _next_assignment(script, name, scope, begin)
    uses = [
        use
        for use in script.names.uses(name, scope)
        if begin <= (use.lineno, use.col_offset) < end and not _inside(script, use, after)
    ]
    for use in uses:
        parent = script.parent(use)
        if isinstance(parent, ast.Attribute) and parent.attr in ("sort", "sort_values", "sort_index"):
            return False
        if isinstance(parent, ast.Call) and use in parent.args and _call_name(parent) in _SORTING_CALLS:
            return False
    return any(order_matters(script, use, depth, seen) for use in uses)


def _next_assignment(script, name, scope, begin):
    """The end of the next plain assignment to the name after `begin`, or no place at all."""
    ends = [(10**9, 0)]
    for node in script.names.stores(name, scope) if begin > (0, 0) else ():
        statement = script.parent(node)
        if isinstance(statement, ast.Assign) and (node.lineno, node.col_offset) > begin:
            ends.append((statement.end_lineno, statement.end_col_offset))
    return min(ends)


def _inside(script, node, ancestor):
    while ancestor is not None and node in script.names.parents:
        node = script.names.parents[node]
        if node is ancestor:
            return True
    return False


def _returned(script, statement, depth, seen):
    """The value leaves a function: look at every call of it in this file."""
    function = script.names.function_of(statement)
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    for call in script.calls:
        if isinstance(call.func, ast.Name) and function in script.names.local_functions(call.func):
            if order_matters(script, call, depth - 1, seen):
                return True
    return False
