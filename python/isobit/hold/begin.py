# SPDX-License-Identifier: Apache-2.0
"""Begins the session of a process: patches, and what is written down at its end."""

import atexit
import os
import sys

from . import environment, imports, seeds, session, train, workers


def _leave(current):
    current.recorder.leave()
    if current.forked:
        return  # its parent has the same modules and packages
    for file in environment.own_modules():
        current.line_once("source", file=file)
    # TensorFlow, PyTorch and JAX take seconds to start, so the list of packages costs little beside them; a short
    # helper process should not pay for it, and one description serves all processes.
    if current.claim("environment"):
        current.line("environment", python=environment.describe())


def _watch_exits(current):
    """os._exit runs nothing at its end, so the list is written before it."""
    leave = os._exit

    def _exit(status):
        _leave(current)
        leave(status)

    _exit.__doc__ = leave.__doc__
    os._exit = _exit
    atexit.register(_leave, current)


def _watch_files(current):
    """Without the preload library only what Python opens is seen."""

    def hook(event, args):
        if event != "open" or not isinstance(args[0], (str, bytes)):
            return
        name = os.path.abspath(os.fsdecode(args[0]))
        if (
            name.startswith((current.events, "/proc/", "/sys/", "/dev/"))
            or "/site-packages/" in name
            or "/lib/python" in name
        ):
            return
        mode, flags = args[1], args[2] or 0
        write = any(c in mode for c in "wax+") if isinstance(mode, str) else bool(flags & (os.O_WRONLY | os.O_RDWR))
        if write and not os.path.exists(name):
            current.line_once("write", file=name, new=1)
        else:
            current.line_once("write" if write else "read", file=name)

    sys.addaudithook(hook)


def begin():
    current = session.begin(os.environ)
    current.line("python", path=current.process, version=sys.version.split()[0])
    imports.install(current.warn)
    seeds.install(current)
    workers.install(current)
    train.install(current)
    _watch_exits(current)
    if not current.preloaded:
        _watch_files(current)
