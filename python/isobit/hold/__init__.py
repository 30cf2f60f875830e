# SPDX-License-Identifier: Apache-2.0
"""What ``isobit record`` does inside a Python program: seeds by name, digests of training steps, a list of
what the program asked for. ``Recorder`` is for training loops that it cannot see by itself."""

__all__ = ["Recorder"]


def __getattr__(name):
    if name == "Recorder":
        from .recorder import Recorder

        return Recorder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
