/* SPDX-License-Identifier: Apache-2.0
 *
 * custom_call: shape rule; linear calls, functions with gradients.
 */
#include "graph/internal.h"

#include <string.h>

ib_node ib__op_custom_call(ib_graph *g, ib_rows_fn *run, const void *context, ib_node a, ib_node b,
                           ib_type type, const ib_shape *shape) {
    if (a == IB_NO_NODE) return IB_NO_NODE;
    ib_node in[2] = {a, b};
    int n = b == IB_NO_NODE ? 1 : 2;
    bool fits = shape->rank > 0;
    for (int i = 0; fits && i < n; i++) {
        const ib_shape *from = &ib__node(g, in[i])->shape;
        fits = from->rank > 0 && from->dims[0] == shape->dims[0];
    }
    if (!fits) return ib__graph_fail(g, IB_INTERNAL, "custom_call: operands and result have other rows");
    ib_node_data *node = ib__node_add(g, IB_OP_custom_call, type, shape, in, n);
    if (node) {
        node->u.call.run = run;
        node->u.call.context = context;
        node->batched = g->nodes[a].batched || (n > 1 && g->nodes[b].batched);
    }
    return ib__node_last(g, node);
}

ib_node ib__op_linear_call(ib_graph *g, const ib_linear *f, ib_node a, const ib_shape *shape) {
    ib_node y = ib__op_custom_call(g, f->run, f->context, a, IB_NO_NODE, IB_TYPE_F32, shape);
    if (y == IB_NO_NODE) return y;
    g->nodes[y].u.call.transposed = f->transposed;
    return ib__node_rounded(g, &g->nodes[y]);
}

ib_node ib__op_function_call(ib_graph *g, const ib_rows_function *f, ib_node a, ib_node b,
                             const ib_shape *shape) {
    ib_node y = ib__op_custom_call(g, f->run, f->context, a, b, IB_TYPE_F32, shape);
    if (y == IB_NO_NODE) return y;
    g->nodes[y].u.call.gradient = f->gradient;
    return ib__node_rounded(g, &g->nodes[y]);
}

static void copy_first(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    (void)context;
    size_t width = rows->out_width;
    memcpy((float *)rows->out + first * width, (const float *)rows->in[0] + first * width,
           (end - first) * width * sizeof(float));
}

static ib_node to_second(ib_graph *g, const ib_node in[2], ib_node y, ib_node dy, int i) {
    (void)g, (void)in, (void)y;
    return i ? dy : IB_NO_NODE;
}

ib_node ib__op_instead(ib_graph *g, ib_node value, ib_node target) {
    if (value == IB_NO_NODE || target == IB_NO_NODE) return IB_NO_NODE;
    ib_shape shape = ib__node_shape(g, target), other = ib__node_shape(g, value);
    if (!ib__shape_equal(&shape, &other)) return ib__graph_fail(g, IB_INTERNAL, "instead: other shapes");
    const ib_rows_function f = {copy_first, to_second, NULL};
    return ib__op_function_call(g, &f, value, target, &shape);
}
