/* SPDX-License-Identifier: Apache-2.0
 *
 * Connectionist temporal classification (Graves and others, ICML 2006), as TensorFlow computes it: class 0 is
 * the blank and pads the labels, p: [n, t, c] are logits, every one of the t steps counts.
 *
 * States of a sample with labels a, b: blank, a, blank, b, blank. A path may stay, go to the next state, or
 * leave out a blank between different labels. TensorFlow lets paths also end elsewhere with probability
 * 1e-307, so that labels that are too long have a loss of about 700 and not infinity; the gradient that it
 * gives counts paths that begin elsewhere with that probability, too. With labels that fit, neither shows.
 */
#include <math.h>

#include "layers/activation.h"
#include "losses/internal.h"

#define NO IB_NO_NODE

static const double elsewhere = -706.893623549172; /* ln 1e-307 */
static const double never = -1e30;                 /* e^never is 0 beside any state's value */

/* [n, l] labels to [n, 2l + 1] states' classes, float32. */
static ib_node states_of(ib_graph *g, ib_node labels) {
    ib_shape shape = ib__node_shape(g, labels), column = {3, {shape.dims[0], shape.dims[1], 1}},
             row = {2, {shape.dims[0], 2 * shape.dims[1]}};
    int64_t low[2] = {0, 1}, high[3] = {0, 0, 1}, none[3] = {0};
    ib_node pairs = ib__op_pad(g, ib__op_reshape(g, labels, &column), 0.0f, none, high);
    return ib__op_pad(g, ib__op_reshape(g, pairs, &row), 0.0f, low, none);
}

/* a moved by `places` states to the right. */
static ib_node moved(ib_graph *g, ib_node a, int64_t places, double fill) {
    ib_shape shape = ib__node_shape(g, a);
    int64_t start[2] = {0, 0}, limit[2] = {shape.dims[0], shape.dims[1] - places}, low[2] = {0, places};
    return ib__op_pad(g, ib__op_slice(g, a, start, limit), (float)fill, low, start);
}

/* Predicate [n, s]: may a path come from two states before? At labels that differ from the one before. */
static ib_node skips_of(ib_graph *g, ib_node states) {
    ib_shape shape = ib__node_shape(g, states);
    ib_node number = ib__op_convert(g, ib__op_iota(g, &shape, 1), IB_TYPE_F32);
    ib_node half = ib__op_scale(g, number, 0.5f);
    ib_node odd = ib__op_map(g, IB_MAP_not_equal, half, ib__op_map(g, IB_MAP_floor, half, NO, NO), NO);
    ib_node later = ib__op_map(g, IB_MAP_greater, number, ib__loss_constant(g, 2.0), NO);
    ib_node differs = ib__op_map(g, IB_MAP_not_equal, states, moved(g, states, 2, 0.0), NO);
    return ib__op_map(g, IB_MAP_and, ib__op_map(g, IB_MAP_and, odd, later, NO), differs, NO);
}

/* ln of where paths begin: the first blank or label; `others` and one more for a state that has a third way
 * in, since elsewhere there are as many beginnings as transitions. */
static ib_node start_of(ib_graph *g, ib_node skips, double others) {
    ib_shape shape = ib__node_shape(g, skips);
    ib_node number = ib__op_convert(g, ib__op_iota(g, &shape, 1), IB_TYPE_F32);
    ib_node first = ib__op_map(g, IB_MAP_less, number, ib__loss_constant(g, 2.0), NO);
    ib_node ways = ib__op_select(g, skips, ib__loss_constant(g, others + 1.0986122886681098),
                                 ib__loss_constant(g, others + 0.69314718055994531));
    return ib__op_select(g, first, ib__loss_constant(g, 0.0), ways);
}

/* ln of where paths end: the last label or the blank after it; labels: [n, l] float32. */
static ib_node end_of(ib_graph *g, ib_node labels, ib_node states) {
    ib_shape shape = ib__node_shape(g, states);
    ib_node zero = ib__loss_constant(g, 0.0);
    ib_node some = ib__op_convert(g, ib__op_map(g, IB_MAP_not_equal, labels, zero, NO), IB_TYPE_F32);
    ib_node last = ib__op_scale(g, ib__op_reduce(g, IB_REDUCE_SUM, some, 2u, true), 2.0f);
    ib_node number = ib__op_convert(g, ib__op_iota(g, &shape, 1), IB_TYPE_F32);
    ib_node blank = ib__op_map(g, IB_MAP_equal, number, last, NO);
    ib_node label = ib__op_map(g, IB_MAP_equal, number, ib__op_offset(g, last, -1.0f), NO);
    return ib__op_select(g, ib__op_map(g, IB_MAP_or, blank, label, NO), zero,
                         ib__loss_constant(g, elsewhere));
}

/* The largest number of each row as [n, 1], which no gradient passes. */
static ib_node largest(ib_graph *g, ib_node a) {
    return ib__op_stop_gradient(g, ib__op_reduce(g, IB_REDUCE_MAX, a, 2u, true));
}

/* ln(e^a + e^b + e^c) */
static ib_node log_sum(ib_graph *g, ib_node a, ib_node b, ib_node c) {
    ib_node top = ib__op_stop_gradient(g, ib__op_maximum(g, ib__op_maximum(g, a, b), c));
    ib_node sum =
        ib__op_add(g, ib__op_exp(g, ib__op_subtract(g, a, top)), ib__op_exp(g, ib__op_subtract(g, b, top)));
    sum = ib__op_add(g, sum, ib__op_exp(g, ib__op_subtract(g, c, top)));
    return ib__op_add(g, top, ib__op_log(g, sum));
}

/* What runs along the steps: ln of each state's share of the paths so far, [n, s], its largest taken out and
 * kept in `scale`, [n, 1], so that small shares keep their digits. */
typedef struct walk {
    ib_graph *g;
    ib_node skips, start, shares, scale;
} walk;

/* One step; seen: [n, 1, s], ln of the probability of each state's class. */
static void step(walk *w, ib_node seen) {
    ib_graph *g = w->g;
    ib_shape shape = ib__node_shape(g, w->skips);
    ib_node a = w->shares, sum = w->start;
    if (a != NO) {
        ib_node skip = ib__op_select(g, w->skips, moved(g, a, 2, never), ib__loss_constant(g, never));
        sum = log_sum(g, a, moved(g, a, 1, never), skip);
    }
    sum = ib__op_add(g, sum, ib__op_reshape(g, seen, &shape));
    ib_node top = largest(g, sum);
    w->shares = ib__op_subtract(g, sum, top);
    w->scale = w->scale == NO ? top : ib__op_add(g, w->scale, top);
}

/* The steps in order. Halves of halves: the gradient of a slice is as long as what it was cut from. */
static void steps(walk *w, ib_node seen) {
    if (seen == NO) return;
    ib_shape shape = ib__node_shape(w->g, seen);
    int64_t n = shape.dims[1], half = n / 2;
    if (n == 1) {
        step(w, seen);
        return;
    }
    steps(w, ib__op_slice(w->g, seen, (int64_t[]){0, 0, 0}, (int64_t[]){shape.dims[0], half, shape.dims[2]}));
    steps(w, ib__op_slice(w->g, seen, (int64_t[]){0, half, 0}, shape.dims));
}

/* ln of the probability of all paths, [n, 1]. */
static ib_node paths(ib_graph *g, ib_node seen, ib_node skips, ib_node start, ib_node end) {
    walk w = {.g = g, .skips = skips, .start = start, .shares = NO, .scale = NO};
    steps(&w, seen);
    ib_node ends = ib__op_add(g, w.shares, end), top = largest(g, ends);
    ib_node sum = ib__op_reduce(g, IB_REDUCE_SUM, ib__op_exp(g, ib__op_subtract(g, ends, top)), 2u, true);
    return ib__op_add(g, ib__op_add(g, w.scale, top), ib__op_log(g, sum));
}

ib_node ib__loss_ctc(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)loss, (void)mask;
    ib_shape shape = ib__node_shape(g, p), row = {1, {shape.dims[0]}};
    ib_node labels = ib__op_convert(g, t, IB_TYPE_F32), states = states_of(g, labels);
    ib_node hot = ib__loss_one_hot(g, ib__op_convert(g, states, IB_TYPE_I32), shape.dims[2]);
    ib_dot_axes axes = {.n_batch = 1, .n_contract = 1, .a_contract = {2}, .b_contract = {2}};
    ib_node seen = ib__op_dot_general(g, ib__log_softmax(g, p, 4u), hot, &axes);
    ib_node skips = skips_of(g, states), end = end_of(g, labels, states);
    ib_node value = paths(g, ib__op_stop_gradient(g, seen), skips, start_of(g, skips, never), end);
    ib_node slope = paths(g, seen, skips, start_of(g, skips, elsewhere), end);
    /* the value of the one, the gradient of the other */
    value = ib__op_add(g, ib__op_subtract(g, value, ib__op_stop_gradient(g, slope)), slope);
    return ib__op_reshape(g, ib__op_negate(g, value), &row);
}
