# SPDX-License-Identifier: Apache-2.0
"""Order of parallel results: those that come in the order of their completion come in the order of their start, and
Keras's PyDataset has one worker. This costs parallelism; ``--hold=-workers`` leaves it alone."""

import itertools
import time

from .imports import after_import


def _futures(session, module):
    base = module._base if hasattr(module, "_base") else __import__("concurrent.futures._base", fromlist=["*"])
    serial = itertools.count()
    make = base.Future.__init__

    def __init__(self):
        make(self)
        self._isobit_serial = next(serial)

    def as_completed(fs, timeout=None):
        end = None if timeout is None else time.monotonic() + timeout
        futures = sorted(set(fs), key=lambda f: getattr(f, "_isobit_serial", 0))
        for done, future in enumerate(futures):
            left = None if end is None else max(0.0, end - time.monotonic())
            if not base.wait([future], timeout=left).done:
                raise base.TimeoutError(f"{len(futures) - done} (of {len(futures)}) futures unfinished")
            yield future

    as_completed.__doc__ = base.as_completed.__doc__
    base.Future.__init__ = __init__
    base.as_completed = module.as_completed = as_completed


def _pools(session, module):
    def imap_unordered(self, func, iterable, chunksize=1):
        return self.imap(func, iterable, chunksize)

    imap_unordered.__doc__ = module.Pool.imap_unordered.__doc__
    module.Pool.imap_unordered = imap_unordered


def _keras(session, keras):
    dataset = getattr(keras.utils, "PyDataset", None)
    if dataset is None or not isinstance(getattr(dataset, "workers", None), property):
        return
    prop = dataset.workers

    def workers(self):
        asked = prop.fget(self)
        if asked > 1:
            session.warn(f"{type(self).__name__}: one worker instead of {asked} (--hold=-workers leaves them alone)")
        return min(asked, 1)

    dataset.workers = property(workers, prop.fset)


def install(session):
    if session.holds("workers"):
        after_import("concurrent.futures", lambda module: _futures(session, module))
        after_import("multiprocessing.pool", lambda module: _pools(session, module))
        after_import("keras", lambda module: _keras(session, module))
