/* SPDX-License-Identifier: Apache-2.0
 *
 * Losses of numbers: errors, and the hinge losses.
 */
#include "losses/internal.h"

#define NO IB_NO_NODE

static const double epsilon = 1e-7; /* Keras's backend.epsilon() */

ib_node ib__loss_squared(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)loss, (void)mask;
    return ib__loss_mean_last(g, ib__op_square(g, ib__op_subtract(g, p, t)));
}

static ib_node magnitude(ib_graph *g, ib_node a) {
    return ib__op_map(g, IB_MAP_abs, a, NO, NO);
}

ib_node ib__loss_absolute(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)loss, (void)mask;
    return ib__loss_mean_last(g, magnitude(g, ib__op_subtract(g, p, t)));
}

ib_node ib__loss_percentage(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)loss, (void)mask;
    ib_node size = ib__loss_maximum(g, magnitude(g, t), ib__loss_constant(g, epsilon));
    ib_node share = magnitude(g, ib__op_divide(g, ib__op_subtract(g, t, p), size));
    return ib__op_scale(g, ib__loss_mean_last(g, share), 100.0f);
}

/* ln(max(a, epsilon) + 1) */
static ib_node log_plus_one(ib_graph *g, ib_node a) {
    return ib__op_log(g, ib__op_offset(g, ib__loss_maximum(g, a, ib__loss_constant(g, epsilon)), 1.0f));
}

ib_node ib__loss_logarithmic(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)loss, (void)mask;
    ib_node d = ib__op_subtract(g, log_plus_one(g, p), log_plus_one(g, t));
    return ib__loss_mean_last(g, ib__op_square(g, d));
}

/* a / |a| along the axis, with 1 / |a| at most 1 / epsilon. */
static ib_node normalized(ib_graph *g, ib_node a, unsigned axes) {
    ib_node sum = ib__op_reduce(g, IB_REDUCE_SUM, ib__op_square(g, a), axes, true);
    ib_node inverse = ib__op_map(g, IB_MAP_rsqrt, sum, NO, NO);
    return ib__op_multiply(g, a, ib__loss_minimum(g, inverse, ib__loss_constant(g, 1.0 / epsilon)));
}

ib_node ib__loss_cosine(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)mask;
    unsigned axes = 1u << ib__loss_axis(loss->axis, ib__node_shape(g, p).rank);
    ib_node product = ib__op_multiply(g, normalized(g, t, axes), normalized(g, p, axes));
    return ib__op_negate(g, ib__op_reduce(g, IB_REDUCE_SUM, product, axes, false));
}

ib_node ib__loss_huber(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)mask;
    ib_node delta = ib__loss_constant(g, loss->delta), half = ib__loss_constant(g, 0.5);
    ib_node error = ib__op_subtract(g, p, t), size = magnitude(g, error);
    ib_node near = ib__op_multiply(g, half, ib__op_square(g, error));
    ib_node far = ib__op_subtract(g, ib__op_multiply(g, delta, size),
                                  ib__op_multiply(g, half, ib__op_square(g, delta)));
    ib_node small = ib__op_map(g, IB_MAP_less_equal, size, delta, NO);
    return ib__loss_mean_last(g, ib__op_select(g, small, near, far));
}

/* ln cosh x = x + ln(1 + e^-2x) - ln 2 */
ib_node ib__loss_log_cosh(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)loss, (void)mask;
    ib_node x = ib__op_subtract(g, p, t);
    ib_node soft = ib__op_map(g, IB_MAP_softplus, ib__op_scale(g, x, -2.0f), NO, NO);
    ib_node sum = ib__op_subtract(g, ib__op_add(g, x, soft), ib__loss_constant(g, 0.69314718055994530942));
    return ib__loss_mean_last(g, sum);
}

ib_node ib__loss_poisson(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)loss, (void)mask;
    ib_node log = ib__op_log(g, ib__op_offset(g, p, (float)epsilon));
    return ib__loss_mean_last(g, ib__op_subtract(g, p, ib__op_multiply(g, t, log)));
}

/* ---- Hinge ---- */

/* Labels 0 and 1 become -1 and 1 if all of the batch are such. */
static ib_node signed_labels(ib_graph *g, ib_node t) {
    if (t == NO) return t;
    ib_node one = ib__loss_constant(g, 1.0);
    ib_node zeros = ib__op_map(g, IB_MAP_equal, t, ib__loss_constant(g, 0.0), NO);
    ib_node binary = ib__op_map(g, IB_MAP_or, zeros, ib__op_map(g, IB_MAP_equal, t, one, NO), NO);
    unsigned axes = (1u << ib__node_shape(g, t).rank) - 1;
    ib_node least = ib__op_reduce(g, IB_REDUCE_MIN, ib__op_convert(g, binary, IB_TYPE_F32), axes, false);
    ib_node all = ib__op_map(g, IB_MAP_equal, least, one, NO);
    return ib__op_select(g, all, ib__op_offset(g, ib__op_scale(g, t, 2.0f), -1.0f), t);
}

/* max(1 - t p, 0) */
static ib_node short_of_one(ib_graph *g, ib_node t, ib_node p) {
    ib_node margin = ib__loss_one_minus(g, ib__op_multiply(g, signed_labels(g, t), p));
    return ib__loss_maximum(g, margin, ib__loss_constant(g, 0.0));
}

ib_node ib__loss_hinge(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)loss, (void)mask;
    return ib__loss_mean_last(g, short_of_one(g, t, p));
}

ib_node ib__loss_squared_hinge(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)loss, (void)mask;
    return ib__loss_mean_last(g, ib__op_square(g, short_of_one(g, t, p)));
}

/* max(0, 1 + the largest wrong prediction - the right one) */
ib_node ib__loss_categorical_hinge(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)loss, (void)mask;
    ib_node right = ib__loss_sum_last(g, ib__op_multiply(g, t, p));
    ib_node wrong = ib__op_multiply(g, ib__loss_one_minus(g, t), p);
    unsigned last = 1u << (ib__node_shape(g, p).rank - 1);
    ib_node margin = ib__op_subtract(g, ib__op_reduce(g, IB_REDUCE_MAX, wrong, last, false), right);
    return ib__loss_maximum(g, ib__op_offset(g, margin, 1.0f), ib__loss_constant(g, 0.0));
}
