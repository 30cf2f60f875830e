/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the initializers room.
 */
#ifndef IB_INITIALIZERS_INTERNAL_H
#define IB_INITIALIZERS_INTERNAL_H

#include "initializers/numbers.h"
#include "numerics/stream.h"

/* What an initializer of this shape draws from: uniform numbers from low to high, normal ones (mean, stddev),
 * those cut at two deviations, an orthogonal matrix times gain; or its values are fixed. */
typedef enum ib_draws {
    IB_DRAWS_NOTHING,
    IB_DRAWS_UNIFORM,
    IB_DRAWS_NORMAL,
    IB_DRAWS_TRUNCATED,
    IB_DRAWS_ORTHOGONAL
} ib_draws;
typedef struct ib_distribution {
    ib_draws draws;
    double low, high, mean, stddev, gain;
} ib_distribution;
ib_status ib__initializer_distribution(ib_distribution *out, const ib_value *initializer,
                                       const ib_shape *shape, const char *path, ib_error *err);
/* Whether it draws at all, and the seed of its config, if it has one. */
ib_status ib__initializer_seed(const ib_value *initializer, const char *path, bool *random, bool *given,
                               int64_t *seed, ib_error *err);

/* A matrix with orthonormal columns (or rows, whichever are fewer) times gain. All axes but the last are its
 * rows. normal: as many numbers, a matrix [longer side][shorter side]. */
ib_status ib__orthogonal(float *data, const ib_shape *shape, const double *normal, double gain,
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
