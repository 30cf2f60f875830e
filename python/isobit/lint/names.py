# SPDX-License-Identifier: Apache-2.0
"""What a name means: imports and simple aliases resolved to dotted names, with Python's scopes.

`tf.keras.layers.Dense`, `from keras.layers import Dense as D` and `layers = keras.layers` all give
"keras.layers.Dense". A name that a parameter or another assignment hides gives None.
"""

import ast

MISSING = object()  # what was not given, where None has a meaning of its own

# Longest first: the same library under other names.
_CANONICAL = (
    ("tensorflow.python.keras.", "keras."),
    ("tensorflow.compat.v2.", "tensorflow."),
    ("tensorflow.keras.", "keras."),
    ("keras.api._v2.keras.", "keras."),
    ("keras_core.", "keras."),
    ("keras.src.", "keras."),
    ("keras.layers.experimental.preprocessing.", "keras.layers."),
    ("keras.layers.experimental.", "keras.layers."),
    ("keras.layers.preprocessing.", "keras.layers."),
    ("keras.preprocessing.image_dataset_from_directory", "keras.utils.image_dataset_from_directory"),
    ("keras.preprocessing.text_dataset_from_directory", "keras.utils.text_dataset_from_directory"),
    ("keras.preprocessing.timeseries_dataset_from_array", "keras.utils.timeseries_dataset_from_array"),
    ("jax.numpy.random.", "numpy.random."),
)


def canonical(name):
    changed = True
    while changed:
        changed = False
        for old, new in _CANONICAL:
            if (name + ".").startswith(old) or (not old.endswith(".") and name.startswith(old)):
                rest = name[len(old) :] if len(name) >= len(old) else ""
                name, changed = (new + rest).rstrip("."), old != new
                break
    return name


class Scope:
    def __init__(self, node, parent):
        self.node, self.parent = node, parent
        self.imports = {}  # name -> dotted name
        self.values = {}  # name -> list of assigned nodes; None for bindings of unknown value
        self.functions = {}  # name -> list of FunctionDef, Lambda
        self.classes = {}  # name -> ClassDef
        self.aliases = {}

    def binds(self, name):
        return name in self.imports or name in self.values or name in self.functions or name in self.classes


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Names:
    """All names of one tree. parents: child -> parent node; scopes: Name node -> Scope."""

    def __init__(self, tree):
        self.tree = tree
        self.parents, self.scopes, self.own = {}, {}, {}
        self._by_name, self._bindings = {}, {}
        self.stars = []  # modules of `from M import *`
        self.modules = set()  # top-level packages that the file imports
        self.module = Scope(tree, None)
        self.own[tree] = self.module
        self._walk(tree, self.module)
        self._alias_assignments()

    # ---- Building ----

    def _walk(self, node, scope):
        """Iterative, so that deep trees are no danger: (node, scope of the node)."""
        stack = [(node, scope)]
        while stack:
            node, scope = stack.pop()
            self._bind(node, scope)
            inner = scope
            if isinstance(node, _FUNCTIONS + _COMPREHENSIONS + (ast.ClassDef,)):
                inner = self.own[node] = Scope(node, scope)
                if isinstance(node, _FUNCTIONS):
                    self._bind_arguments(node.args, inner)
            for field, value in ast.iter_fields(node):
                outside = field in ("decorator_list", "bases", "keywords", "returns", "args") and inner is not scope
                if isinstance(node, _COMPREHENSIONS):
                    outside = False
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        self.parents[child] = node
                        stack.append((child, scope if outside else inner))

    def _bind(self, node, scope):
        if isinstance(node, ast.Name):
            self.scopes[node] = scope
            self._by_name.setdefault(node.id, []).append(node)
            if isinstance(node.ctx, (ast.Store, ast.Del)):
                scope.values.setdefault(node.id, []).append(self._assigned_value(node))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                self.modules.add(alias.name.split(".")[0])
                name = alias.asname or alias.name.split(".")[0]
                scope.imports[name] = alias.name if alias.asname else alias.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            self.modules.add(module.split(".")[0])
            for alias in node.names:
                if alias.name == "*":
                    self.stars.append(canonical(module))
                else:
                    scope.imports[alias.asname or alias.name] = f"{module}.{alias.name}"
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            scope.functions.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.ClassDef):
            scope.classes[node.name] = node
        elif isinstance(node, ast.ExceptHandler) and node.name:
            scope.values.setdefault(node.name, []).append(None)

    @staticmethod
    def _bind_arguments(arguments, scope):
        every = arguments.posonlyargs + arguments.args + arguments.kwonlyargs
        for argument in every + [a for a in (arguments.vararg, arguments.kwarg) if a]:
            scope.values.setdefault(argument.arg, []).append(None)

    def _assigned_value(self, name):
        """The node assigned by `name = node`, or None where it is not one whole value."""
        parent = self.parents.get(name)
        if isinstance(parent, (ast.Assign, ast.AnnAssign, ast.NamedExpr)):
            return parent.value
        if isinstance(parent, ast.Tuple):  # a, b = x, y
            whole = self.parents.get(parent)
            value = getattr(whole, "value", None) if isinstance(whole, ast.Assign) else None
            if isinstance(value, ast.Tuple) and len(value.elts) == len(parent.elts):
                return value.elts[parent.elts.index(name)]
        return None

    def _alias_assignments(self):
        """`layers = keras.layers`, `f = lambda ...`: names assigned once, to a dotted name or a function."""
        for scope in self.own.values():
            for name, values in scope.values.items():
                if len(values) != 1 or values[0] is None:
                    continue
                if isinstance(values[0], (ast.Name, ast.Attribute)):
                    dotted = self.qualify(values[0])
                    if dotted is not None:
                        scope.aliases[name] = dotted
                elif isinstance(values[0], ast.Lambda):
                    scope.functions.setdefault(name, []).append(values[0])

    # ---- Asking ----

    def find(self, name_node):
        """The scope that binds a name where it stands, or None."""
        scope = self.scopes.get(name_node)
        first = scope
        while scope is not None:
            if scope.binds(name_node.id) and (scope is first or not isinstance(scope.node, ast.ClassDef)):
                return scope
            scope = scope.parent
        return None

    def qualify(self, node):
        """The dotted name of a Name or Attribute whose root is an import, in canonical form; else None."""
        parts = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        scope = self.find(node)
        if scope is None:
            return None
        root = scope.imports.get(node.id) or scope.aliases.get(node.id)
        if root is None:
            return None
        return canonical(".".join([root] + parts[::-1]))

    def star(self, node, exported):
        """For an unbound Name: "module.name" if a starred module is in `exported` {module: names}."""
        if isinstance(node, ast.Name) and self.find(node) is None:
            for module in self.stars:
                if node.id in exported.get(module, ()):
                    return f"{module}.{node.id}"
        return None

    def values(self, node):
        """What is assigned to a Name where it stands: list of nodes, None for unknown bindings."""
        scope = self.find(node) if isinstance(node, ast.Name) else None
        return scope.values.get(node.id, []) if scope is not None else []

    def value(self, node):
        """The one node that a Name stands for, the node itself if it is no Name, or None."""
        if not isinstance(node, ast.Name):
            return node
        values = self.values(node)
        return values[0] if len(values) == 1 else None

    def local_functions(self, node):
        """Functions of this file that a Name may mean."""
        scope = self.find(node) if isinstance(node, ast.Name) else None
        return scope.functions.get(node.id, []) if scope is not None else []

    def local_class(self, node):
        scope = self.find(node) if isinstance(node, ast.Name) else None
        return scope.classes.get(node.id) if scope is not None else None

    def function_of(self, node):
        """The function that a node stands in, or the module."""
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, _FUNCTIONS):
                return node
        return self.tree

    def statement_of(self, node):
        while node in self.parents and not isinstance(node, ast.stmt):
            node = self.parents[node]
        return node

    def uses(self, name, scope):
        """Name nodes (loads) that mean the binding of `name` in `scope`, in order of the text."""
        return [node for node in self._places(name, scope) if isinstance(node.ctx, ast.Load)]

    def stores(self, name, scope):
        """Name nodes that bind `name` in `scope`, in order of the text."""
        return [node for node in self._places(name, scope) if isinstance(node.ctx, ast.Store)]

    def _places(self, name, scope):
        """All Name nodes of one binding; computed once for each name of the file."""
        if name not in self._bindings:
            places = {}
            for node in self._by_name.get(name, ()):
                found = self.find(node)
                if found is not None:
                    places.setdefault(found, []).append(node)
            for nodes in places.values():
                nodes.sort(key=lambda node: (node.lineno, node.col_offset))
            self._bindings[name] = places
        return self._bindings[name].get(scope, [])
