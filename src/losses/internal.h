/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the losses: what a loss was configured to, and the functions that give its elements.
 */
#ifndef IB_LOSSES_INTERNAL_H
#define IB_LOSSES_INTERNAL_H

#include "losses/loss.h"

typedef enum ib_reduction {
    IB_REDUCTION_MEAN, /* sum_over_batch_size, mean */
    IB_REDUCTION_SUM,
    IB_REDUCTION_WEIGHTED_MEAN, /* mean_with_sample_weight */
    IB_REDUCTION_NONE
} ib_reduction;

/* Elements of the loss: t and p of the same rank (sparse: t int32, one rank less). *mask: set to a float32
 * node of 0 and 1 if some elements do not count. */
typedef ib_node ib_values_fn(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask);

struct ib_loss {
    const char *name; /* Keras's function name */
    ib_values_fn *values;
    ib_reduction reduction;
    bool from_logits;
    double label_smoothing;
    int64_t axis;
    bool ignores; /* sparse: ignore_class is set */
    int64_t ignore_class;
};

#define X(class, function, short_names, values) ib_values_fn ib__loss_##values;
#include "losses/losses.list"
#undef X

#endif
