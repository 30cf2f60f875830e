/* SPDX-License-Identifier: Apache-2.0
 *
 * Losses of sets and of pairs: Dice, Tversky, and the circle loss of embeddings.
 */
#include <math.h>

#include "losses/internal.h"

#define NO IB_NO_NODE

static const double epsilon = 1e-7; /* Keras's backend.epsilon() */

static ib_node sum(ib_graph *g, ib_node a, unsigned axes) {
    return ib__op_reduce(g, IB_REDUCE_SUM, a, axes, false);
}

/* 1 - 2 |t p| / (|t| + |p| + epsilon) */
ib_node ib__loss_dice(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)mask;
    unsigned axes = ib__loss_axes(loss, ib__node_shape(g, p).rank);
    ib_node both = ib__op_scale(g, sum(g, ib__op_multiply(g, t, p), axes), 2.0f);
    ib_node sizes = ib__op_offset(g, ib__op_add(g, sum(g, t, axes), sum(g, p, axes)), (float)epsilon);
    return ib__loss_one_minus(g, ib__op_divide(g, both, sizes));
}

/* 1 - |t p| / (|t p| + alpha |t (1 - p)| + beta |p (1 - t)| + epsilon) */
ib_node ib__loss_tversky(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)mask;
    unsigned axes = ib__loss_axes(loss, ib__node_shape(g, p).rank);
    ib_node both = sum(g, ib__op_multiply(g, t, p), axes);
    ib_node missed = sum(g, ib__op_multiply(g, ib__loss_one_minus(g, p), t), axes);
    ib_node extra = sum(g, ib__op_multiply(g, p, ib__loss_one_minus(g, t)), axes);
    ib_node size = ib__op_add(g, both, ib__op_scale(g, missed, (float)loss->alpha));
    size = ib__op_offset(g, ib__op_add(g, size, ib__op_scale(g, extra, (float)loss->beta)), (float)epsilon);
    return ib__loss_one_minus(g, ib__op_divide(g, both, size));
}

/* ---- Circle ---- */

/* ln of the sum of e^x over the pairs of each row that the predicate names; -inf for none. */
static ib_node log_sum_exp(ib_graph *g, ib_node pairs, ib_node x) {
    ib_node zero = ib__loss_constant(g, 0.0), out = ib__loss_constant(g, -HUGE_VAL);
    x = ib__op_select(g, pairs, x, out);
    ib_node top = ib__op_reduce(g, IB_REDUCE_MAX, x, 2u, true);
    top = ib__op_select(g, ib__op_map(g, IB_MAP_is_finite, top, NO, NO), top, zero);
    top = ib__op_stop_gradient(g, top);
    ib_node log =
        ib__op_log(g, ib__op_reduce(g, IB_REDUCE_SUM, ib__op_exp(g, ib__op_subtract(g, x, top)), 2u, true));
    ib_shape row = {.rank = 1, .dims = {ib__node_shape(g, x).dims[0]}};
    return ib__op_reshape(g, ib__op_add(g, log, top), &row);
}

/* scale * max((offset + sign * distance) * pair, 0) * (margin - distance) */
static ib_node weighted(ib_graph *g, ib_node distance, ib_node weight, ib_node pairs, double scale,
                        double margin) {
    weight = ib__op_multiply(g, weight, ib__op_convert(g, pairs, IB_TYPE_F32));
    weight = ib__loss_maximum(g, weight, ib__loss_constant(g, 0.0));
    ib_node rest = ib__op_subtract(g, ib__loss_constant(g, margin), distance);
    return ib__op_multiply(g, ib__op_scale(g, weight, (float)scale), rest);
}

/* p: [n, d] of length 1, t: [n] labels. Pairs of equal labels are drawn together, others apart; rows whose
 * loss is 0 do not count. */
ib_node ib__loss_circle(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    int64_t n = ib__node_shape(g, p).dims[0];
    ib_shape column = {.rank = 2, .dims = {n, 1}}, row = {.rank = 2, .dims = {1, n}},
             square = {.rank = 2, .dims = {n, n}};
    ib_dot_axes axes = {.n_contract = 1, .a_contract = {1}, .b_contract = {1}};
    ib_node distance = ib__loss_one_minus(g, ib__op_dot_general(g, p, p, &axes));
    distance = ib__loss_maximum(g, distance, ib__loss_constant(g, 0.0));
    ib_node same =
        ib__op_map(g, IB_MAP_int_equal, ib__op_reshape(g, t, &column), ib__op_reshape(g, t, &row), NO);
    ib_node other = ib__op_map(g, IB_MAP_not, same, NO, NO);
    if (loss->remove_diagonal) {
        ib_node itself =
            ib__op_map(g, IB_MAP_int_equal, ib__op_iota(g, &square, 0), ib__op_iota(g, &square, 1), NO);
        same = ib__op_map(g, IB_MAP_and, same, ib__op_map(g, IB_MAP_not, itself, NO, NO), NO);
    }
    double m = loss->margin;
    ib_node near =
        weighted(g, distance, ib__op_add(g, ib__loss_constant(g, m), distance), same, -1 * loss->gamma, m);
    ib_node far = weighted(g, distance, ib__op_subtract(g, ib__loss_constant(g, 1 + m), distance), other,
                           loss->gamma, 1 - m);
    ib_node sums = ib__op_add(g, log_sum_exp(g, same, near), log_sum_exp(g, other, far));
    ib_node values = ib__op_map(g, IB_MAP_softplus, sums, NO, NO);
    *mask =
        ib__op_convert(g, ib__op_map(g, IB_MAP_greater, values, ib__loss_constant(g, 0.0), NO), IB_TYPE_F32);
    return values;
}
