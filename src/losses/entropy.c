/* SPDX-License-Identifier: Apache-2.0
 *
 * Losses of probabilities, as Keras on TensorFlow computes them. A prediction that carries logits (a softmax
 * or sigmoid output) is taken by its logits; other probabilities are clipped by 1e-7.
 */
#include "layers/activation.h"
#include "losses/internal.h"

#define NO IB_NO_NODE

static const double epsilon = 1e-7; /* Keras's backend.epsilon() */

static ib_node clipped(ib_graph *g, ib_node p) {
    return ib__loss_clip(g, p, epsilon, 1.0 - epsilon);
}

/* The logits that the cross-entropies take: p's own if it has any, whatever made them, p itself with
 * from_logits, else IB_NO_NODE. */
static ib_node logits_of(const ib_loss *loss, const ib_graph *g, ib_node p) {
    ib_node z;
    if (ib__node_logits(g, p, &z) != IB_LOGITS_NONE) return z;
    return loss->from_logits ? p : NO;
}

/* t pulled towards 1/2. */
static ib_node smoothed_binary(const ib_loss *loss, ib_graph *g, ib_node t) {
    double s = loss->label_smoothing;
    if (s == 0.0) return t;
    return ib__op_offset(g, ib__op_scale(g, t, (float)(1.0 - s)), (float)(0.5 * s));
}

/* t pulled towards 1/classes; the classes are those of the last axis, whatever the loss's axis. */
static ib_node smoothed_classes(const ib_loss *loss, ib_graph *g, ib_node t) {
    double s = loss->label_smoothing;
    if (s == 0.0 || t == NO) return t;
    ib_shape shape = ib__node_shape(g, t);
    double classes = shape.rank ? (double)shape.dims[shape.rank - 1] : 1.0;
    return ib__op_offset(g, ib__op_scale(g, t, (float)(1.0 - s)), (float)(s / classes));
}

static unsigned axis_bit(const ib_loss *loss, const ib_graph *g, ib_node a) {
    return 1u << ib__loss_axis(loss->axis, ib__node_shape(g, a).rank);
}

/* Elementwise. From logits z: z where z >= 0 else 0, minus z t, plus ln(1 + e^-|z|), which is smooth at 0. */
static ib_node binary_entropy(ib_graph *g, ib_node t, ib_node p, ib_node z) {
    if (z != NO) {
        ib_node zero = ib__loss_constant(g, 0.0);
        ib_node positive = ib__op_map(g, IB_MAP_greater_equal, z, zero, NO);
        ib_node part = ib__op_subtract(g, ib__op_select(g, positive, z, zero), ib__op_multiply(g, z, t));
        ib_node below = ib__op_select(g, positive, ib__op_negate(g, z), z);
        return ib__op_add(g, part, ib__op_map(g, IB_MAP_softplus, below, NO, NO));
    }
    p = clipped(g, p);
    ib_node yes = ib__op_multiply(g, t, ib__op_log(g, p));
    ib_node no = ib__op_multiply(g, ib__loss_one_minus(g, t), ib__op_log(g, ib__loss_one_minus(g, p)));
    return ib__op_negate(g, ib__op_add(g, yes, no));
}

ib_node ib__loss_binary(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)mask;
    ib_node values = binary_entropy(g, smoothed_binary(loss, g, t), p, logits_of(loss, g, p));
    return values == NO ? NO : ib__op_mean(g, values, axis_bit(loss, g, values), false);
}

/* The entropy times (1 - probability given to the truth)^gamma. */
ib_node ib__loss_binary_focal(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)mask;
    ib_node z = logits_of(loss, g, p);
    t = smoothed_binary(loss, g, t);
    if (loss->from_logits) {
        z = p;
        p = ib__op_map(g, IB_MAP_logistic, p, NO, NO);
    }
    ib_node not_t = ib__loss_one_minus(g, t);
    ib_node truth =
        ib__op_add(g, ib__op_multiply(g, t, p), ib__op_multiply(g, not_t, ib__loss_one_minus(g, p)));
    ib_node focus = ib__loss_power(g, ib__loss_one_minus(g, truth), loss->gamma);
    ib_node values = ib__op_multiply(g, focus, binary_entropy(g, t, p, z));
    if (loss->balanced) {
        ib_node weight = ib__op_add(g, ib__op_scale(g, t, (float)loss->alpha),
                                    ib__op_scale(g, not_t, (float)(1.0 - loss->alpha)));
        values = ib__op_multiply(g, weight, values);
    }
    return values == NO ? NO : ib__op_mean(g, values, axis_bit(loss, g, values), false);
}

/* Cross entropy of t with softmax(z): sum of t (lse - z), lse = ln sum e^z, z shifted by its maximum. */
static ib_node softmax_entropy(ib_graph *g, ib_node t, ib_node z, unsigned axes) {
    if (z == NO) return z;
    ib_node top = ib__op_stop_gradient(g, ib__op_reduce(g, IB_REDUCE_MAX, z, axes, true));
    ib_node s = ib__op_subtract(g, z, top);
    ib_node lse = ib__op_log(g, ib__op_reduce(g, IB_REDUCE_SUM, ib__op_exp(g, s), axes, true));
    return ib__op_reduce(g, IB_REDUCE_SUM, ib__op_multiply(g, t, ib__op_subtract(g, lse, s)), axes, false);
}

/* p divided by its sum, then clipped. */
static ib_node shares(ib_graph *g, ib_node p, unsigned axes) {
    return clipped(g, ib__op_divide(g, p, ib__op_reduce(g, IB_REDUCE_SUM, p, axes, true)));
}

ib_node ib__loss_categorical(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)mask;
    unsigned axes = axis_bit(loss, g, p);
    t = smoothed_classes(loss, g, t);
    ib_node z = logits_of(loss, g, p);
    if (z != NO) return softmax_entropy(g, t, z, axes);
    ib_node terms = ib__op_multiply(g, t, ib__op_log(g, shares(g, p, axes)));
    return ib__op_negate(g, ib__op_reduce(g, IB_REDUCE_SUM, terms, axes, false));
}

/* alpha (1 - p)^gamma (-t ln p), p clipped; logits become probabilities first. */
ib_node ib__loss_categorical_focal(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)mask;
    unsigned axes = axis_bit(loss, g, p);
    t = smoothed_classes(loss, g, t);
    if (loss->from_logits) p = ib__softmax(g, p, axes);
    p = shares(g, p, axes);
    ib_node entropy = ib__op_multiply(g, ib__op_negate(g, t), ib__op_log(g, p));
    ib_node alpha = ib__loss_constant(g, loss->alpha);
    if (loss->alphas) {
        ib_shape row = {.rank = 1, .dims = {(int64_t)loss->n_alphas}};
        alpha = ib__op_constant_array(g, loss->alphas, &row);
    }
    ib_node focus = ib__loss_power(g, ib__loss_one_minus(g, p), loss->gamma);
    ib_node values = ib__op_multiply(g, ib__op_multiply(g, focus, alpha), entropy);
    return ib__op_reduce(g, IB_REDUCE_SUM, values, axes, false);
}

/* Probabilities become ln p, which the softmax of the entropy normalizes again. With ignore_class, elements
 * of that class do not count, and the predictions that do are copies without logits of their own. */
ib_node ib__loss_sparse(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    ib_node skip = NO, zero = ib__loss_constant(g, 0.0);
    ib_shape shape = ib__node_shape(g, p), column = shape;
    if (loss->ignores) {
        ib_node ignored = ib__op_convert(g, ib__loss_constant(g, (double)loss->ignore_class), IB_TYPE_I32);
        skip = ib__op_map(g, IB_MAP_int_equal, t, ignored, NO);
        column.dims[column.rank - 1] = 1;
        p = ib__op_select(g, ib__op_reshape(g, skip, &column), zero, p);
    }
    ib_node z = logits_of(loss, g, p);
    if (z == NO) z = ib__op_log(g, clipped(g, p));
    ib_node hot = ib__loss_one_hot(g, t, shape.dims[shape.rank - 1]);
    ib_node values = softmax_entropy(g, hot, z, 1u << (shape.rank - 1));
    if (skip == NO) return values;
    *mask = ib__op_select(g, skip, zero, ib__loss_constant(g, 1.0));
    return ib__op_select(g, skip, zero, values);
}

/* (1 - p^q) / q, p the probability given to the class. */
ib_node ib__loss_generalized(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)mask;
    ib_shape shape = ib__node_shape(g, p);
    ib_node hot = ib__loss_one_hot(g, t, shape.dims[shape.rank - 1]);
    ib_node truth = ib__loss_sum_last(g, ib__op_multiply(g, p, hot));
    ib_node rest = ib__loss_one_minus(g, ib__loss_power(g, truth, loss->q));
    return ib__op_divide(g, rest, ib__loss_constant(g, loss->q));
}

ib_node ib__loss_divergence(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)loss, (void)mask;
    t = ib__loss_clip(g, t, epsilon, 1.0);
    p = ib__loss_clip(g, p, epsilon, 1.0);
    return ib__loss_sum_last(g, ib__op_multiply(g, t, ib__op_log(g, ib__op_divide(g, t, p))));
}
