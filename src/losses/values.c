/* SPDX-License-Identifier: Apache-2.0
 *
 * The losses' formulas, as Keras on TensorFlow computes them. A prediction that carries logits (a softmax or
 * sigmoid output) is taken by its logits; other probabilities are clipped by 1e-7.
 */
#include "losses/internal.h"

static const double clip = 1e-7;

static int last_axis(const ib_graph *g, ib_node a) {
    return ib__node_shape(g, a).rank - 1;
}

/* axis as a number from 0; IB_NO_NODE's rank is 0. */
static int axis_of(const ib_loss *loss, const ib_graph *g, ib_node p) {
    int rank = ib__node_shape(g, p).rank;
    int64_t axis = loss->axis < 0 ? loss->axis + rank : loss->axis;
    return axis < 0 || axis >= rank ? rank - 1 : (int)axis;
}

static ib_node mean_last(ib_graph *g, ib_node a) {
    if (a == IB_NO_NODE) return a;
    int axis = last_axis(g, a);
    return axis < 0 ? a : ib__op_mean(g, a, 1u << axis, false);
}

ib_node ib__loss_squared(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)loss;
    (void)mask;
    return mean_last(g, ib__op_square(g, ib__op_subtract(g, p, t)));
}

ib_node ib__loss_absolute(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)loss;
    (void)mask;
    ib_node d = ib__op_subtract(g, p, t);
    return mean_last(g, ib__op_map(g, IB_MAP_abs, d, IB_NO_NODE, IB_NO_NODE));
}

static ib_node clipped(ib_graph *g, ib_node p) {
    ib_node low = ib__op_constant(g, (float)clip), high = ib__op_constant(g, (float)(1.0 - clip));
    return ib__op_maximum(g, ib__op_minimum(g, p, high), low);
}

/* The logits of p if it has any of this kind, in p's shape; else IB_NO_NODE. */
static ib_node logits_of(const ib_loss *loss, const ib_graph *g, ib_node p, ib_logits_kind kind) {
    if (loss->from_logits) return p;
    ib_node z;
    return ib__node_logits(g, p, &z) == kind ? z : IB_NO_NODE;
}

static ib_node one_minus(ib_graph *g, ib_node a) {
    return ib__op_subtract(g, ib__op_constant(g, 1.0f), a);
}

/* From logits z: z where z >= 0 else 0, minus z t, plus ln(1 + e^-|z|), which is smooth at 0. */
ib_node ib__loss_binary(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)mask;
    if (loss->label_smoothing != 0.0)
        t = ib__op_offset(g, ib__op_scale(g, t, (float)(1.0 - loss->label_smoothing)),
                          (float)(0.5 * loss->label_smoothing));
    ib_node z = logits_of(loss, g, p, IB_LOGITS_SIGMOID), values;
    if (z != IB_NO_NODE) {
        ib_node zero = ib__op_constant(g, 0.0f);
        ib_node positive = ib__op_map(g, IB_MAP_greater_equal, z, zero, IB_NO_NODE);
        ib_node part = ib__op_subtract(g, ib__op_select(g, positive, z, zero), ib__op_multiply(g, z, t));
        ib_node below = ib__op_select(g, positive, ib__op_negate(g, z), z);
        values = ib__op_add(g, part, ib__op_map(g, IB_MAP_softplus, below, IB_NO_NODE, IB_NO_NODE));
    } else {
        p = clipped(g, p);
        ib_node yes = ib__op_multiply(g, t, ib__op_log(g, p));
        ib_node no = ib__op_multiply(g, one_minus(g, t), ib__op_log(g, one_minus(g, p)));
        values = ib__op_negate(g, ib__op_add(g, yes, no));
    }
    if (values == IB_NO_NODE) return values;
    return ib__op_mean(g, values, 1u << axis_of(loss, g, values), false);
}

/* Cross entropy of t with softmax(z) along axis: sum of t (lse - z), lse = ln sum e^z, z shifted by its
 * maximum. */
static ib_node softmax_entropy(ib_graph *g, ib_node t, ib_node z, int axis) {
    if (z == IB_NO_NODE) return z;
    unsigned axes = 1u << axis;
    ib_node top = ib__op_stop_gradient(g, ib__op_reduce(g, IB_REDUCE_MAX, z, axes, true));
    ib_node s = ib__op_subtract(g, z, top);
    ib_node lse = ib__op_log(g, ib__op_reduce(g, IB_REDUCE_SUM, ib__op_exp(g, s), axes, true));
    return ib__op_reduce(g, IB_REDUCE_SUM, ib__op_multiply(g, t, ib__op_subtract(g, lse, s)), axes, false);
}

ib_node ib__loss_categorical(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    (void)mask;
    if (p == IB_NO_NODE) return p;
    if (loss->label_smoothing != 0.0) {
        ib_shape shape = ib__node_shape(g, t);
        double classes = shape.rank ? (double)shape.dims[shape.rank - 1] : 1.0;
        t = ib__op_offset(g, ib__op_scale(g, t, (float)(1.0 - loss->label_smoothing)),
                          (float)(loss->label_smoothing / classes));
    }
    int axis = axis_of(loss, g, p);
    ib_node z = logits_of(loss, g, p, IB_LOGITS_SOFTMAX);
    if (z != IB_NO_NODE) return softmax_entropy(g, t, z, axis);
    p = ib__op_divide(g, p, ib__op_reduce(g, IB_REDUCE_SUM, p, 1u << axis, true));
    ib_node terms = ib__op_multiply(g, t, ib__op_log(g, clipped(g, p)));
    return ib__op_negate(g, ib__op_reduce(g, IB_REDUCE_SUM, terms, 1u << axis, false));
}

/* Probabilities become ln p, which the softmax of the entropy normalizes again. Elements whose class is
 * ignore_class do not count. */
ib_node ib__loss_sparse(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask) {
    if (p == IB_NO_NODE || t == IB_NO_NODE) return IB_NO_NODE;
    ib_node z = logits_of(loss, g, p, IB_LOGITS_SOFTMAX);
    if (z == IB_NO_NODE) z = ib__op_log(g, clipped(g, p));
    ib_shape shape = ib__node_shape(g, p), column = ib__node_shape(g, t);
    column.dims[column.rank++] = 1;
    ib_node labels = ib__op_reshape(g, t, &column);
    ib_node number = ib__op_iota(g, &shape, shape.rank - 1);
    ib_node hot = ib__op_convert(g, ib__op_map(g, IB_MAP_int_equal, labels, number, IB_NO_NODE), IB_TYPE_F32);
    ib_node values = softmax_entropy(g, hot, z, shape.rank - 1);
    if (!loss->ignores) return values;
    ib_node ignored = ib__op_convert(g, ib__op_constant(g, (float)loss->ignore_class), IB_TYPE_I32);
    ib_node skip = ib__op_map(g, IB_MAP_int_equal, t, ignored, IB_NO_NODE);
    ib_node zero = ib__op_constant(g, 0.0f), one = ib__op_constant(g, 1.0f);
    *mask = ib__op_select(g, skip, zero, one);
    return ib__op_select(g, skip, zero, values);
}
