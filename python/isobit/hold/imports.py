# SPDX-License-Identifier: Apache-2.0
"""Calls a function when a module has been imported, whoever imports it.

A finder at the head of ``sys.meta_path`` lets the others find the module and adds to its loader's exec_module. It
survives that TensorFlow looks for Keras by ``find_spec`` without importing it, and that Keras is imported in the
middle of TensorFlow.
"""

import sys

_waiting = {}
_problem = []  # what to call with a text when something cannot be held


def after_import(name, function):
    """function(module) after the module of this name has been executed; at once if it has been already."""
    _waiting.setdefault(name, []).append(function)
    module = sys.modules.get(name)
    if module is not None and not getattr(getattr(module, "__spec__", None), "_initializing", False):
        _call(name, module)


def _call(name, module):
    for function in _waiting.pop(name, ()):
        try:
            function(module)
        except Exception as problem:  # another version of the library: the program goes on, and the record says so
            for tell in _problem:
                tell(f"{name} is not held or recorded in full: {type(problem).__name__}: {problem}")


class Finder:
    """First on sys.meta_path. Only names that somebody waits for are touched."""

    busy = set()

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name not in _waiting or name in cls.busy:
            return None
        cls.busy.add(name)
        try:
            spec = None
            for finder in sys.meta_path:
                find = None if finder is cls else getattr(finder, "find_spec", None)
                spec = find(name, path, target) if find is not None else None
                if spec is not None:
                    break
        finally:
            cls.busy.discard(name)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            cls._add(spec.loader, name)
        return spec

    @staticmethod
    def _add(loader, name):
        execute = loader.exec_module

        def exec_module(module):
            execute(module)
            if module.__name__ == name:
                _call(name, module)

        try:
            loader.exec_module = exec_module
        except AttributeError:
            pass  # a loader without attributes of its own: built-in and frozen modules


def install(tell):
    """tell(text) is called when a function fails; the import does not."""
    _problem.append(tell)
    sys.meta_path.insert(0, Finder)
