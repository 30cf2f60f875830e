/* SPDX-License-Identifier: Apache-2.0
 *
 * The confusion matrix of a model with one output that tells classes.
 */
#ifndef IB_RUN_MATRIX_H
#define IB_RUN_MATRIX_H

#include "model/model.h"

typedef struct ib_matrix {
    size_t classes;   /* 0: does not apply */
    uint64_t *counts; /* [true class][predicted class] */
} ib_matrix;

/* For a model with a cross-entropy over at most 64 classes. false: no memory. */
bool ib__matrix_new(ib_matrix *c, const ib_model *model);
void ib__matrix_free(ib_matrix *c);
/* Adds a batch: class numbers or one row a sample; the first of the largest predictions, or above 1/2 when
 * there is one number a sample. */
void ib__matrix_add(ib_matrix *c, const ib_tensor *target, const ib_tensor *prediction);
/* {classes: n, counts: [[...], ...]}; NULL: does not apply, or no memory. */
ib_value *ib__matrix_value(const ib_matrix *c);

#endif
