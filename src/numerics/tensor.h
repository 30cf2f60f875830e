/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors as plain host arrays: dtype, shape, contiguous data. What data sources give, files hold and digests
 * see. Also shapes with an unknown dimension (-1), as Keras writes None.
 */
#ifndef IB_NUMERICS_TENSOR_H
#define IB_NUMERICS_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/sha256.h"

#define IB_RANK_MAX 8

/* X(name, numpy code, bytes): text is as in NumPy ("float32"). Elements of IB_TEXT are numbers of texts
 * (texts.h); it stands last, behind all types of numbers. */
#define IB_DTYPE_LIST(X)                                                                                     \
    X(IB_BOOL8, "bool", 1)                                                                                   \
    X(IB_U8, "uint8", 1)                                                                                     \
    X(IB_I8, "int8", 1)                                                                                      \
    X(IB_U16, "uint16", 2)                                                                                   \
    X(IB_I16, "int16", 2)                                                                                    \
    X(IB_U32, "uint32", 4)                                                                                   \
    X(IB_I32, "int32", 4)                                                                                    \
    X(IB_U64, "uint64", 8)                                                                                   \
    X(IB_I64, "int64", 8)                                                                                    \
    X(IB_F16, "float16", 2)                                                                                  \
    X(IB_F32, "float32", 4)                                                                                  \
    X(IB_F64, "float64", 8)                                                                                  \
    X(IB_TEXT, "string", 4)
typedef enum ib_dtype {
#define X(name, text, bytes) name,
    IB_DTYPE_LIST(X)
#undef X
} ib_dtype;

typedef struct ib_shape {
    int rank;
    int64_t dims[IB_RANK_MAX]; /* -1: unknown, only in layer shapes */
} ib_shape;

/* Owned when `data` was made by ib__tensor_new; release with ib__tensor_free (which clears it). */
typedef struct ib_tensor {
    ib_dtype dtype;
    ib_shape shape;
    void *data; /* native byte order, 64-byte aligned when owned */
} ib_tensor;

const char *ib__dtype_name(ib_dtype dtype);
size_t ib__dtype_size(ib_dtype dtype);
bool ib__dtype_parse(const char *name, ib_dtype *out);

int64_t ib__shape_elements(const ib_shape *shape); /* -1: unknown dimension or overflow of 2^48 */
bool ib__shape_equal(const ib_shape *a, const ib_shape *b);
void ib__shape_print(char out[128], const ib_shape *shape); /* "(None, 28, 28, 1)" as Keras prints */

ib_status ib__tensor_new(ib_tensor *out, ib_dtype dtype, const ib_shape *shape, ib_error *err); /* zeroed */
void ib__tensor_free(ib_tensor *tensor);

/* Element i as double (bool: 0 or 1), and as float32 rounded once. */
double ib__tensor_at(const ib_tensor *tensor, size_t i);
void ib__tensor_to_float(float *out, const ib_tensor *tensor, size_t start, size_t n);

/* SHA-256 over "dtype(d0,d1,...)" and the canonical data: little-endian, every NaN as 0x7fc00000. */
ib_digest ib__tensor_digest(const ib_tensor *tensor);

#endif
