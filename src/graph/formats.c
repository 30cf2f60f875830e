/* SPDX-License-Identifier: Apache-2.0
 *
 * Formats: nodes whose numbers are those of a 16-bit format, and the rounding of results to it.
 */
#include "graph/internal.h"

static ib_map_op rounding_to(ib_format format) {
    return format == IB_FORMAT_BF16 ? IB_MAP_to_bfloat16 : IB_MAP_to_float16;
}

ib_format ib__graph_format(const ib_graph *g) {
    return g->format;
}

ib_format ib__graph_set_format(ib_graph *g, ib_format format) {
    ib_format before = g->format;
    g->format = format;
    return before;
}

ib_format ib__node_format(const ib_graph *g, ib_node a) {
    return a == IB_NO_NODE ? IB_FORMAT_F32 : g->nodes[a].format;
}

void ib__format_round(ib_format format, float *values, size_t n) {
    if (format != IB_FORMAT_F32)
        ib__kernels_for(IB_ISA_REF)->map[rounding_to(format)](values, values, NULL, NULL, n);
}

ib_node ib__op_format(ib_graph *g, ib_node a, ib_format format) {
    if (a == IB_NO_NODE || g->nodes[a].type != IB_TYPE_F32 || g->nodes[a].format == format) return a;
    ib_format before = ib__graph_set_format(g, IB_FORMAT_F32);
    ib_map_op op = format == IB_FORMAT_F32 ? IB_MAP_copy : rounding_to(format);
    ib_node rounded = ib__op_map(g, op, a, IB_NO_NODE, IB_NO_NODE);
    if (rounded != IB_NO_NODE) g->nodes[rounded].format = format;
    (void)ib__graph_set_format(g, before);
    return rounded;
}

ib_node ib__op_constant_f32(ib_graph *g, float value) {
    ib_format before = ib__graph_set_format(g, IB_FORMAT_F32);
    ib_node a = ib__op_constant(g, value);
    (void)ib__graph_set_format(g, before);
    return a;
}

ib_node ib__node_rounded(ib_graph *g, const ib_node_data *added) {
    ib_node a = ib__node_last(g, added);
    ib_node rounded = g->format == IB_FORMAT_F32 ? a : ib__op_format(g, a, g->format);
    if (rounded != a && rounded != IB_NO_NODE) g->nodes[a].rounded = rounded;
    return rounded;
}
