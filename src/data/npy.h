/* SPDX-License-Identifier: Apache-2.0
 *
 * NumPy's array files, .npy (versions 1, 2 and 3).
 */
#ifndef IB_DATA_NPY_H
#define IB_DATA_NPY_H

#include "base/buf.h"
#include "numerics/tensor.h"

/* Reads a whole .npy text into C order and native byte order. Refused: dtypes that tensors have not (object,
 * text, complex, structured ...), more than IB_RANK_MAX dimensions, data shorter or longer than the shape
 * says. name is used in errors. *out: yours, release with ib__tensor_free. */
ib_status ib__npy_parse(ib_tensor *out, const void *bytes, size_t n, const char *name, ib_error *err);
ib_status ib__npy_read(ib_tensor *out, const char *path, ib_error *err);

/* How an array lies behind its header, which is `header` bytes long. swap: the other byte order. */
typedef struct ib_npy_layout {
    ib_dtype dtype;
    ib_shape shape;
    bool swap, fortran;
    size_t header;
} ib_npy_layout;
#define IB_NPY_HEADER_MAX (65536 + 12)

/* Reads a header from the first n bytes of a .npy (IB_NPY_HEADER_MAX are always enough). */
ib_status ib__npy_layout(ib_npy_layout *out, const void *bytes, size_t n, const char *name, ib_error *err);

/* Appends version 1, little-endian, C order: the bytes depend on the tensor alone. */
ib_status ib__npy_pack(ib_buf *buf, const ib_tensor *tensor, ib_error *err);
ib_status ib__npy_write(const char *path, const ib_tensor *tensor, ib_error *err);
/* SHA-256 of those bytes. */
ib_status ib__npy_digest(ib_digest *out, const ib_tensor *tensor, ib_error *err);

#endif
