/* SPDX-License-Identifier: Apache-2.0
 *
 * What the losses are made of: ops in the forms and with the gradients that they have in TensorFlow.
 */
#include <math.h>

#include "losses/internal.h"

#define NO IB_NO_NODE

ib_node ib__loss_constant(ib_graph *g, double value) {
    return ib__op_constant(g, (float)value);
}

/* The graph's maximum and minimum give the gradient of a tie to their second operand. */
ib_node ib__loss_maximum(ib_graph *g, ib_node a, ib_node b) {
    return ib__op_maximum(g, b, a);
}

ib_node ib__loss_minimum(ib_graph *g, ib_node a, ib_node b) {
    return ib__op_minimum(g, b, a);
}

ib_node ib__loss_clip(ib_graph *g, ib_node a, double low, double high) {
    a = ib__loss_minimum(g, a, ib__loss_constant(g, high));
    return ib__loss_maximum(g, a, ib__loss_constant(g, low));
}

ib_node ib__loss_one_minus(ib_graph *g, ib_node a) {
    return ib__op_subtract(g, ib__loss_constant(g, 1.0), a);
}

ib_node ib__loss_mean_last(ib_graph *g, ib_node a) {
    if (a == NO) return a;
    int rank = ib__node_shape(g, a).rank;
    return rank ? ib__op_mean(g, a, 1u << (rank - 1), false) : a;
}

ib_node ib__loss_sum_last(ib_graph *g, ib_node a) {
    if (a == NO) return a;
    int rank = ib__node_shape(g, a).rank;
    return rank ? ib__op_reduce(g, IB_REDUCE_SUM, a, 1u << (rank - 1), false) : a;
}

/* a to a whole power from 2 on, by squaring. */
static ib_node whole_power(ib_graph *g, ib_node a, unsigned n) {
    ib_node out = NO;
    for (; n; n >>= 1) {
        if (n & 1) out = out == NO ? a : ib__op_multiply(g, out, a);
        if (n > 1) a = ib__op_square(g, a);
    }
    return out;
}

/* Small whole powers are products; others e^(y ln a), with 0 kept out of the logarithm where the power of 0
 * and its derivative are finite. */
ib_node ib__loss_power(ib_graph *g, ib_node a, double y) {
    if (y == 0.0) return ib__loss_constant(g, 1.0);
    if (y == floor(y) && y >= 1.0 && y <= 64.0) return whole_power(g, a, (unsigned)y);
    if (y < 1.0) return ib__op_exp(g, ib__op_scale(g, ib__op_log(g, a), (float)y));
    ib_node zero = ib__loss_constant(g, 0.0), none = ib__op_map(g, IB_MAP_equal, a, zero, NO);
    ib_node safe = ib__op_select(g, none, ib__loss_constant(g, 1.0), a);
    ib_node power = ib__op_exp(g, ib__op_scale(g, ib__op_log(g, safe), (float)y));
    return ib__op_select(g, none, zero, power);
}

ib_node ib__loss_one_hot(ib_graph *g, ib_node labels, int64_t classes) {
    if (labels == NO) return labels;
    ib_shape column = ib__node_shape(g, labels), wide = column;
    if (column.rank == IB_RANK_MAX)
        return ib__graph_fail(g, IB_BAD_INPUT, "expected labels of at most %d axes", IB_RANK_MAX - 1);
    column.dims[column.rank++] = 1;
    wide.dims[wide.rank++] = classes;
    ib_node number = ib__op_iota(g, &wide, wide.rank - 1);
    ib_node hot = ib__op_map(g, IB_MAP_int_equal, ib__op_reshape(g, labels, &column), number, NO);
    return ib__op_convert(g, hot, IB_TYPE_F32);
}

/* a without its last axis, which has length 1, or with such axes more. */
static ib_node with_rank(ib_graph *g, ib_node a, int rank) {
    ib_shape shape = ib__node_shape(g, a);
    while (shape.rank < rank)
        shape.dims[shape.rank++] = 1;
    shape.rank = rank;
    return ib__op_reshape(g, a, &shape);
}

void ib__same_rank(ib_graph *g, ib_node *a, ib_node *b) {
    if (*a == NO || *b == NO) return;
    ib_shape x = ib__node_shape(g, *a), y = ib__node_shape(g, *b);
    if (x.rank == y.rank + 1 && x.dims[y.rank] == 1) {
        if (y.rank == 1)
            *b = with_rank(g, *b, 2);
        else
            *a = with_rank(g, *a, y.rank);
    } else if (y.rank == x.rank + 1 && y.dims[x.rank] == 1) {
        if (x.rank == 1)
            *a = with_rank(g, *a, 2);
        else
            *b = with_rank(g, *b, x.rank);
    }
}

void ib__first_axes(ib_graph *g, ib_node *a, ib_node *b) {
    ib__same_rank(g, a, b);
    if (*a == NO || *b == NO) return;
    int x = ib__node_shape(g, *a).rank, y = ib__node_shape(g, *b).rank;
    if (x && x < y) *a = with_rank(g, *a, y);
    if (y && y < x) *b = with_rank(g, *b, x);
}
