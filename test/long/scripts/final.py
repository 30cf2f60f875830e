# SPDX-License-Identifier: Apache-2.0
"""Prints one hash of what training came to."""

import hashlib

import numpy as np


def show(arrays):
    state = hashlib.sha256()
    for array in arrays:
        state.update(np.ascontiguousarray(array).tobytes())
    print(state.hexdigest()[:16], flush=True)


def data(n=256, width=16):
    """Samples and labels that are the same in each run."""
    x = np.sin(np.arange(n * width, dtype="float32").reshape(n, width) * 0.37)
    return x, (x.sum(axis=1) > 0).astype("float32")
