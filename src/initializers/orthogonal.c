/* SPDX-License-Identifier: Apache-2.0
 *
 * Orthogonal matrices. Keras takes Q of the QR factorization of a normal matrix, with signs that make R's
 * diagonal positive; this Q is unique, and is found here by Gram-Schmidt in double with a fixed order of
 * operations.
 */
#include <math.h>

#include "base/mem.h"
#include "initializers/internal.h"

/* Sixteen sums as in doc/numerics.md, section 4, without its blocks. */
static double dot(const double *a, const double *b, size_t n) {
    double sums[16] = {0};
    size_t whole = n - n % 16;
    for (size_t i = 0; i < whole; i += 16)
        for (size_t k = 0; k < 16; k++)
            sums[k] += a[i + k] * b[i + k];
    for (size_t i = whole; i < n; i++)
        sums[i - whole] += a[i] * b[i];
    for (size_t half = 8; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            sums[i] += sums[i + half];
    return sums[0];
}

/* Columns q[0 .. j-1] are orthonormal: makes column j so. Twice, so that nothing is left of what rounding in
 * the first pass left over (W. Kahan's "twice is enough"; L. Giraud et al., "The loss of orthogonality in the
 * Gram-Schmidt orthogonalization process", 2005). */
static void orthonormalize(double *q, size_t j, size_t rows) {
    double *v = q + j * rows;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < j; i++) {
            const double *u = q + i * rows;
            double r = dot(u, v, rows);
            for (size_t k = 0; k < rows; k++)
                v[k] -= r * u[k];
        }
    double norm = sqrt(dot(v, v, rows));
    for (size_t k = 0; k < rows; k++)
        v[k] /= norm;
}

ib_status ib__orthogonal(float *data, const ib_shape *shape, const double *normal, double gain,
                         const char *path, ib_error *err) {
    if (shape->rank < 2)
        return ib__fail(err, IB_BAD_INPUT, path,
                        "initializer Orthogonal needs two dimensions or more, found %d", shape->rank);
    size_t n = (size_t)ib__shape_elements(shape), columns = (size_t)shape->dims[shape->rank - 1];
    if (n == 0) return IB_OK;
    size_t rows = n / columns, longer = rows > columns ? rows : columns, shorter = n / longer;
    double *q = ib__alloc(n, sizeof *q); /* [shorter][longer]: column by column */
    if (!q) return ib__fail_memory(err);
    for (size_t k = 0; k < longer; k++)
        for (size_t j = 0; j < shorter; j++)
            q[j * longer + k] = normal[k * shorter + j];
    for (size_t j = 0; j < shorter; j++)
        orthonormalize(q, j, longer);
    bool tall = rows >= columns;
    for (size_t i = 0; i < n; i++) {
        size_t row = i / columns, column = i % columns;
        data[i] = (float)(gain * q[tall ? column * longer + row : row * longer + column]);
    }
    ib__free(q);
    return IB_OK;
}
