/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the initializers room.
 */
#ifndef IB_INITIALIZERS_INTERNAL_H
#define IB_INITIALIZERS_INTERNAL_H

#include "base/value.h"
#include "numerics/stream.h"
#include "numerics/tensor.h"

/* An array within a config: nested lists of numbers, or one number. */
typedef struct ib_numbers {
    const ib_value *tree;
    ib_shape shape;
} ib_numbers;

/* value: a number, nested lists, or a serialized NumPy array or tensor. */
ib_status ib__numbers_read(ib_numbers *out, const ib_value *value, const char *where, ib_error *err);
double ib__numbers_at(const ib_numbers *numbers, const int64_t *coordinates);
/* Fills data with the array, broadcast to shape. path: of the weight, for errors. */
ib_status ib__numbers_fill(float *data, const ib_shape *shape, const ib_numbers *numbers, const char *path,
                           ib_error *err);

/* A matrix with orthonormal columns (or rows, whichever are fewer) times gain. All axes but the last are its
 * rows.
 */
ib_status ib__orthogonal(float *data, const ib_shape *shape, const ib_stream *stream, double gain,
                         const char *path, ib_error *err);

/* The settings of STFT. */
typedef struct ib_stft {
    bool imaginary, periodic;
    int scaling;            /* 0 none, 1 density, 2 spectrum */
    const ib_value *window; /* null, a name, or an array */
} ib_stft;
/* shape: [frame, 1, frequencies] */
ib_status ib__stft_kernel(float *data, const ib_shape *shape, const ib_stft *settings, const char *path,
                          ib_error *err);

#endif
