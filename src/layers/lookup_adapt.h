/* SPDX-License-Identifier: Apache-2.0
 *
 * Vocabularies that lookup layers learn from samples.
 */
#ifndef IB_LAYERS_LOOKUP_ADAPT_H
#define IB_LAYERS_LOOKUP_ADAPT_H

#include "layers/lookup.h"
#include "numerics/tensor.h"

/* What was seen so far. */
typedef struct ib_learning {
    ib_terms terms;
    uint64_t documents;
    bool failed; /* no memory */
} ib_learning;

/* Another document begins; another term of it. */
void ib__learn_document(ib_learning *l);
void ib__learn_text(ib_learning *l, const char *text, size_t n);
void ib__learn_number(ib_learning *l, int64_t value);

/* Counts the terms of element i. */
typedef void ib_learn_fn(ib_learning *l, const ib_layer *layer, const ib_tensor *x, size_t i);
/* A layer's adapt: each sample is a document. The vocabulary is put into the config and taken. */
ib_status ib__lookup_adapt(ib_layer *layer, ib_learn_fn *learn, ib_samples_fn *next, void *context,
                           ib_error *err);

#endif
