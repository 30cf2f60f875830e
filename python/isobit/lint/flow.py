# SPDX-License-Identifier: Apache-2.0
"""The order in which a script probably runs: calls, assignments and imports, from the first statement on.

A function is entered at its first call (or where it is handed to another call), a class's __init__ where it is
made, its other methods at their first call or when training begins. Both branches of an `if` are walked. This is
no proof of order, so rules ask it only for what holds on every path that a reader would take.
"""

import ast

_TRAINING = {"fit", "fit_generator", "train_on_batch", "apply_gradients", "evaluate", "predict"}


class Flow:
    """steps: nodes in probable order of execution; reached: functions that were entered."""

    def __init__(self, tree, names):
        self.names = names
        self.steps, self.reached = [], set()
        self.methods = {}  # method name -> definitions
        self.made = []  # classes of this file of which an object is made
        for node in names.parents:
            if isinstance(node, ast.ClassDef):
                for item in node.body:
                    if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)):
                        self.methods.setdefault(item.name, []).append(item)
        self._visit(tree)
        self._enter_deferred()
        self.index = {node: number for number, node in reversed(list(enumerate(self.steps)))}

    def _visit(self, node):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for child in node.decorator_list + node.args.defaults + [d for d in node.args.kw_defaults if d]:
                self._visit(child)
        elif isinstance(node, ast.Lambda):
            pass
        elif isinstance(node, ast.Call):
            for child in ast.iter_child_nodes(node):
                self._visit(child)
            self.steps.append(node)
            self._enter_call(node)
        elif isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
            for generator in node.generators:
                self._visit(generator)
            for child in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
                self._visit(child)
        elif isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
            if node.value is not None:
                self._visit(node.value)
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                self._visit(target)
            self.steps.append(node)
        else:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self.steps.append(node)
            for child in ast.iter_child_nodes(node):
                self._visit(child)

    def _enter(self, function):
        if function in self.reached:
            return
        self.reached.add(function)
        if isinstance(function, ast.Lambda):
            self._visit(function.body)
        else:
            for statement in function.body:
                self._visit(statement)

    def _enter_call(self, call):
        target = call.func
        if isinstance(target, ast.Name):
            for function in self.names.local_functions(target):
                self._enter(function)
            self._make(self.names.local_class(target))
        elif isinstance(target, ast.Attribute) and self.names.qualify(target) is None:
            for function in self.methods.get(target.attr, ()):
                self._enter(function)
        for argument in call.args + [keyword.value for keyword in call.keywords]:
            if isinstance(argument, ast.Lambda):
                self._enter(argument)
            elif isinstance(argument, ast.Name):
                for function in self.names.local_functions(argument):
                    self._enter(function)
            elif isinstance(argument, ast.Attribute) and self.names.qualify(argument) is None:
                for function in self.methods.get(argument.attr, ()):
                    self._enter(function)
        if isinstance(target, ast.Attribute) and target.attr in _TRAINING:
            self._enter_deferred()

    def _make(self, class_):
        if class_ is None or class_ in self.made:
            return
        self.made.append(class_)
        for base in class_.bases:
            self._make(self.names.local_class(base))
        for item in class_.body:
            if isinstance(item, ast.FunctionDef) and item.name in ("__init__", "__new__", "__post_init__"):
                self._enter(item)

    def _enter_deferred(self):
        """Methods that the framework calls: those of every class of which an object was made."""
        for class_ in list(self.made):
            for item in class_.body:
                if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    self._enter(item)
