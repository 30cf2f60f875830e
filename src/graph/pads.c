/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums of padded arrays. The gradient of slices side by side (the gates of a cell) is a sum of arrays that
 * are zero outside of their slice: here it becomes one array whose parts lie side by side.
 */
#include "graph/walk.h"

#include <math.h>
#include <string.h>

/* An array in zeros along one axis; parts: the arrays that it is made of, side by side. */
typedef struct padded {
    const ib_node *parts;
    size_t n;
    int axis;
    int64_t low, high;
} padded;

/* The first axis is left alone: it may count samples. *in keeps the only part of an array that is not a
 * concatenation. */
static bool find_padded(const ib_graph *g, ib_node a, ib_node *in, padded *out) {
    const ib_node_data *n = &g->nodes[a];
    if (n->op != IB_OP_pad || n->u.range.fill != 0.0f || signbit(n->u.range.fill)) return false;
    int axes = 0;
    for (int i = 0; i < n->shape.rank; i++) {
        if (n->u.range.low[i] == 0 && n->u.range.high[i] == 0) continue;
        axes++;
        out->axis = i;
    }
    if (axes != 1 || out->axis == 0) return false;
    out->low = n->u.range.low[out->axis];
    out->high = n->u.range.high[out->axis];
    *in = n->in[0];
    const ib_node_data *inner = &g->nodes[*in];
    bool several = inner->op == IB_OP_concatenate && inner->u.dims[0] == out->axis;
    out->parts = several ? inner->many : in;
    out->n = several ? (size_t)inner->n_in : 1;
    return true;
}

/* x + 0, as the sum says it: -0 becomes 0. Once is enough. */
static ib_node plus_zero(ib_graph *g, ib_node x) {
    const ib_node_data *n = &g->nodes[x];
    if (n->op == IB_OP_map && n->map == IB_MAP_add) {
        const ib_node_data *second = &g->nodes[ib__alias_base(g, n->in[1])];
        if (second->op == IB_OP_broadcast_in_dim) second = &g->nodes[ib__alias_base(g, second->in[0])];
        if (second->op == IB_OP_constant && second->u.value == 0.0f && !signbit(second->u.value)) return x;
    }
    return ib__op_add(g, x, ib__op_constant(g, 0.0f));
}

ib_node ib__sum_of_pads(ib_graph *g, ib_node a, ib_node b) {
    ib_node in_a, in_b;
    padded x, y;
    if (!find_padded(g, a, &in_a, &x) || !find_padded(g, b, &in_b, &y)) return IB_NO_NODE;
    const ib_shape shape = g->nodes[a].shape;
    if (x.axis != y.axis || !ib__shape_equal(&shape, &g->nodes[b].shape)) return IB_NO_NODE;
    const padded *first = x.low < y.low ? &x : &y, *second = first == &x ? &y : &x;
    if (shape.dims[x.axis] - first->high != second->low) return IB_NO_NODE;
    ib_node *parts = ib__arena_alloc(&g->arena, (x.n + y.n) * sizeof *parts);
    if (!parts) return ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < first->n + second->n; i++)
        parts[i] = plus_zero(g, i < first->n ? first->parts[i] : second->parts[i - first->n]);
    int64_t low[IB_RANK_MAX] = {0}, high[IB_RANK_MAX] = {0};
    low[x.axis] = first->low;
    high[x.axis] = second->high;
    return ib__op_pad(g, ib__op_concatenate(g, parts, x.n + y.n, x.axis), 0.0f, low, high);
}
