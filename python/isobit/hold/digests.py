# SPDX-License-Identifier: Apache-2.0
"""Digests of tensors, the same as those of isobit's own runs: SHA-256 over "float32(3,4)" and the values,
little-endian, every NaN as the canonical one."""

import hashlib
import struct
import sys

# dtype: (unsigned integer of the same size, mask without the sign, infinity, canonical NaN)
_FLOATS = {
    "float16": ("u2", 0x7FFF, 0x7C00, 0x7E00),
    "bfloat16": ("u2", 0x7FFF, 0x7F80, 0x7FC0),
    "float32": ("u4", 0x7FFFFFFF, 0x7F800000, 0x7FC00000),
    "float64": ("u8", 0x7FFFFFFFFFFFFFFF, 0x7FF0000000000000, 0x7FF8000000000000),
}


def to_numpy(value):
    """A NumPy array with the bits of a variable or tensor of any backend; (array, name of its dtype)."""
    import numpy as np

    value = getattr(value, "value", value) if not callable(getattr(value, "value", None)) else value.value()
    if hasattr(value, "detach"):  # PyTorch
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            import torch

            return value.view(torch.int16).numpy(), "bfloat16"
        value = value.numpy()
    elif hasattr(value, "numpy"):  # TensorFlow
        value = value.numpy()
    array = np.asarray(value)
    return array, array.dtype.name


def as_float(array, dtype):
    """The array, a bfloat16 one exactly as float32: NumPy's files know no bfloat16."""
    import numpy as np

    if dtype != "bfloat16":
        return array
    bits = np.ascontiguousarray(array).view("u2").astype("u4") << 16
    return bits.view("f4").reshape(array.shape)


def _bytes_by_numpy(value):
    """(dtype, shape, canonical bytes)"""
    import numpy as np

    array, dtype = to_numpy(value)
    data = np.ascontiguousarray(array).reshape(-1)
    if dtype in _FLOATS:
        unsigned, mask, infinity, nan = _FLOATS[dtype]
        data = data.view(unsigned)
        found = (data & mask) > infinity if dtype == "bfloat16" else np.isnan(array).reshape(-1)
        if found.any():
            data = data.copy()
            data[found] = nan
    if sys.byteorder == "big" and data.dtype.itemsize > 1:
        data = data.byteswap()
    return dtype, array.shape, data.view(np.uint8).data


# Format of the struct module: dtype, format of an unsigned integer of the same size.
_BUFFERS = {"f": ("float32", "I"), "d": ("float64", "Q"), "i": ("int32", "I"), "q": ("int64", "Q"), "B": ("uint8", "B")}


def _bytes_by_buffer(value):
    """The same without NumPy, for what has the buffer protocol, such as array.array."""
    view = memoryview(value)
    dtype, unsigned = _BUFFERS[view.format]
    words = view.cast("B").cast(unsigned).tolist()
    if dtype in _FLOATS:
        _, mask, infinity, nan = _FLOATS[dtype]
        words = [nan if word & mask > infinity else word for word in words]
    return dtype, view.shape, struct.pack(f"<{len(words)}{unsigned}", *words)


def digest(value):
    """The digest of a variable or tensor as 64 hex digits."""
    try:
        dtype, shape, data = _bytes_by_numpy(value)
    except ImportError:
        dtype, shape, data = _bytes_by_buffer(value)
    state = hashlib.sha256(f"{dtype}({','.join(map(str, shape))})".encode())
    state.update(data)
    return state.hexdigest()
