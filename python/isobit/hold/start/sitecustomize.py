# SPDX-License-Identifier: Apache-2.0
"""Start-up hook of ``isobit record``: Python finds this module first, because the supervisor put its folder first on
PYTHONPATH. It loads the hold under a private name, takes its folder off ``sys.path`` and then lets the
sitecustomize that would have run without it run."""

import importlib.machinery
import importlib.util
import os
import sys


def _begin(folder):
    parent = os.path.dirname(folder)
    spec = importlib.util.spec_from_file_location(
        "_isobit_hold", os.path.join(parent, "__init__.py"), submodule_search_locations=[parent]
    )
    package = importlib.util.module_from_spec(spec)
    sys.modules["_isobit_hold"] = package
    spec.loader.exec_module(package)
    importlib.import_module("_isobit_hold.begin").begin()


def _chain(folder):
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", [p for p in sys.path if p != folder])
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


def _run():
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [p for p in sys.path if os.path.abspath(p) != folder]
    if os.environ.get("ISOBIT_HOLD_EVENTS"):
        try:
            _begin(folder)
        except Exception as problem:  # the recorded program must run, whatever happens to us
            sys.stderr.write(f"isobit: the start-up hook failed: {type(problem).__name__}: {problem}\n")
    _chain(folder)


_run()
