# SPDX-License-Identifier: Apache-2.0
"""Arrays of all kinds as the fields that the C library takes: a list of (name, array) in C order."""

import re

import numpy as np

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,60}$")


def as_array(value, what: str) -> np.ndarray:
    """value as a NumPy array in C order and this machine's byte order. Raises TypeError for what is no array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()  # PyTorch
    if hasattr(value, "element_spec") or hasattr(value, "__next__") or callable(value):
        raise TypeError(
            f"{what}: expected arrays, found {type(value).__name__}; isobit.fit takes arrays, the pipelines of an "
            "experiment file take the rest"
        )
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{what}: expected numbers, found {array.dtype}")
    if array.dtype.itemsize > 8:
        raise TypeError(f"{what}: expected at most 64 bits a number, found {array.dtype}")
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def role_fields(role: str, value, names: "list[str]"):
    """The fields of one role: x alone, a list (by number) or a dict (by name). names: the model's, in order."""
    if value is None:
        return []
    if isinstance(value, dict):
        for name in value:
            if name not in names:
                raise ValueError(f"{role}: the model has no {name!r}; expected {', '.join(map(repr, names))}")
        pairs = [(name if _PLAIN.match(name) else str(names.index(name)), item) for name, item in value.items()]
        return [(f"{role}.{name}", as_array(item, f"{role}[{name!r}]")) for name, item in pairs]
    if isinstance(value, (list, tuple)) and len(names) > 1:
        if len(value) != len(names):
            raise ValueError(f"{role}: expected {len(names)} arrays, found {len(value)}")
        return [(f"{role}.{i}", as_array(item, f"{role}[{i}]")) for i, item in enumerate(value) if item is not None]
    if isinstance(value, (list, tuple)) and len(value) == 1 and getattr(value[0], "ndim", 0) > 1:
        value = value[0]
    return [(role, as_array(value, role))]


def fields(x, y, sample_weight, inputs: "list[str]", outputs: "list[str]"):
    """All fields of a part of the data, as Keras's fit takes it."""
    return (
        role_fields("x", x, inputs)
        + role_fields("y", y, outputs)
        + role_fields("sample_weight", sample_weight, outputs)
    )
