/* SPDX-License-Identifier: Apache-2.0
 *
 * gather and scatter_add: shape rules.
 */
#include "graph/internal.h"

ib_node ib__op_gather(ib_graph *g, ib_node table, ib_node indices) {
    if (table == IB_NO_NODE || indices == IB_NO_NODE) return IB_NO_NODE;
    const ib_shape from = ib__node(g, table)->shape, which = ib__node(g, indices)->shape;
    if (ib__node_type(g, indices) != IB_TYPE_I32)
        return ib__graph_fail(g, IB_INTERNAL, "gather: expected integers as indices");
    if (from.rank < 1 || from.dims[0] < 1 || which.rank + from.rank - 1 > IB_RANK_MAX)
        return ib__graph_fail(g, IB_BAD_INPUT, "gather: the table has no rows, or the result too many axes");
    ib_shape shape = which;
    for (int i = 1; i < from.rank; i++)
        shape.dims[shape.rank++] = from.dims[i];
    ib_node in[2] = {table, indices};
    ib_node_data *node = ib__node_add(g, IB_OP_gather, ib__node_type(g, table), &shape, in, 2);
    if (node) node->batched = g->nodes[indices].batched;
    return ib__node_last(g, node);
}

ib_node ib__op_scatter_add(ib_graph *g, ib_node indices, ib_node updates, const ib_shape *shape) {
    ib_node in[2] = {indices, updates};
    return ib__node_rounded(g, ib__node_add(g, IB_OP_scatter_add, IB_TYPE_F32, shape, in, 2));
}
