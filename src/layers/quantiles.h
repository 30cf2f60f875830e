/* SPDX-License-Identifier: Apache-2.0
 *
 * Boundaries that cut values into bins of about equal size, as Keras's Discretization estimates them.
 */
#ifndef IB_LAYERS_QUANTILES_H
#define IB_LAYERS_QUANTILES_H

#include "base/error.h"

/* Sorts the values and gives at most bins - 1 boundaries, ascending. *out: yours, ib__free. n > 0. */
ib_status ib__quantile_boundaries(float **out, size_t *n_out, float *values, size_t n, double epsilon,
                                  size_t bins, ib_error *err);

#endif
