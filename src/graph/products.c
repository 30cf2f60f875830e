/* SPDX-License-Identifier: Apache-2.0
 *
 * dot_general: shape rule.
 */
#include "graph/internal.h"

#include <string.h>

/* Axes of a side that are neither batch nor contracted, ascending. */
int ib__rest_axes(int rank, const int *batch, int n_batch, const int *contract, int n_contract, int *out) {
    unsigned used = 0;
    for (int i = 0; i < n_batch; i++)
        used |= 1u << batch[i];
    for (int i = 0; i < n_contract; i++)
        used |= 1u << contract[i];
    int n = 0;
    for (int i = 0; i < rank; i++)
        if (!(used >> i & 1)) out[n++] = i;
    return n;
}

static bool axes_valid(int rank, const int *batch, int n_batch, const int *contract, int n_contract) {
    unsigned used = 0;
    for (int i = 0; i < n_batch + n_contract; i++) {
        int axis = i < n_batch ? batch[i] : contract[i - n_batch];
        if (axis < 0 || axis >= rank || (used >> axis & 1)) return false;
        used |= 1u << axis;
    }
    return true;
}

ib_node ib__op_dot_general(ib_graph *g, ib_node a, ib_node b, const ib_dot_axes *axes) {
    if (a == IB_NO_NODE || b == IB_NO_NODE) return IB_NO_NODE;
    const ib_shape sa = ib__node(g, a)->shape, sb = ib__node(g, b)->shape;
    bool fits = axes_valid(sa.rank, axes->a_batch, axes->n_batch, axes->a_contract, axes->n_contract) &&
                axes_valid(sb.rank, axes->b_batch, axes->n_batch, axes->b_contract, axes->n_contract);
    for (int i = 0; fits && i < axes->n_batch; i++)
        fits = sa.dims[axes->a_batch[i]] == sb.dims[axes->b_batch[i]];
    for (int i = 0; fits && i < axes->n_contract; i++)
        fits = sa.dims[axes->a_contract[i]] == sb.dims[axes->b_contract[i]];
    if (!fits) {
        char x[128], y[128];
        ib__shape_print(x, &sa);
        ib__shape_print(y, &sb);
        return ib__graph_fail(g, IB_BAD_INPUT, "dot_general: shapes %s and %s do not fit", x, y);
    }
    int fa[IB_RANK_MAX], fb[IB_RANK_MAX];
    int na = ib__rest_axes(sa.rank, axes->a_batch, axes->n_batch, axes->a_contract, axes->n_contract, fa);
    int nb = ib__rest_axes(sb.rank, axes->b_batch, axes->n_batch, axes->b_contract, axes->n_contract, fb);
    if (axes->n_batch + na + nb > IB_RANK_MAX)
        return ib__graph_fail(g, IB_UNSUPPORTED, "dot_general: a result of rank %d", axes->n_batch + na + nb);
    ib_shape shape = {0};
    for (int i = 0; i < axes->n_batch; i++)
        shape.dims[shape.rank++] = sa.dims[axes->a_batch[i]];
    for (int i = 0; i < na; i++)
        shape.dims[shape.rank++] = sa.dims[fa[i]];
    for (int i = 0; i < nb; i++)
        shape.dims[shape.rank++] = sb.dims[fb[i]];
    ib_node in[2] = {a, b};
    ib_node_data *node = ib__node_add(g, IB_OP_dot_general, IB_TYPE_F32, &shape, in, 2);
    if (node) {
        node->u.dot = *axes;
        int first = axes->n_batch ? axes->a_batch[0] : na ? fa[0] : -1;
        node->batched = g->nodes[a].batched && first == 0;
    }
    return ib__node_rounded(g, node);
}

ib_node ib__op_matmul(ib_graph *g, ib_node a, ib_node b) {
    if (a == IB_NO_NODE || b == IB_NO_NODE) return IB_NO_NODE;
    ib_dot_axes axes = {.n_contract = 1};
    axes.a_contract[0] = ib__node(g, a)->shape.rank - 1;
    axes.b_contract[0] = 0;
    return ib__op_dot_general(g, a, b, &axes);
}
