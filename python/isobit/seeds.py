# SPDX-License-Identifier: Apache-2.0
"""The one-call seed."""

import random
import sys

_next = None


def set_random_seed(seed: int) -> None:
    """Seeds isobit and, as `keras.utils.set_random_seed` does, Python, NumPy and Keras's backend.

    seed: 0 to 2**32 - 1, the range that NumPy takes. Calls of `isobit.fit` without a seed of their own then take seed,
    seed + 1, seed + 2 ..., so that each has its own order of samples and its own dropout, and a script that runs again
    repeats them all. Raises ValueError outside of the range. Keras is seeded if the script has imported it before.
    """
    global _next
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed: expected an integer from 0 to {2**32 - 1}, found {seed!r}")
    _next = seed
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(seed)
        return
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)


def take_seed(seed):
    """The seed of one call: its own, else the next one, else None (the engine draws one and records it)."""
    global _next
    if seed is not None:
        return int(seed)
    if _next is None:
        return None
    _next += 1
    return _next - 1
