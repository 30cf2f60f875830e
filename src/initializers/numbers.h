/* SPDX-License-Identifier: Apache-2.0
 *
 * Arrays within configs.
 */
#ifndef IB_INITIALIZERS_NUMBERS_H
#define IB_INITIALIZERS_NUMBERS_H

#include "base/value.h"
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

#endif
