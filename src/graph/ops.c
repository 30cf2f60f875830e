/* SPDX-License-Identifier: Apache-2.0
 *
 * The ops: what shape and type each gives, and what it refuses.
 */
#include "graph/internal.h"

#include <stdio.h>
#include <string.h>

/* Two operands' common shape by NumPy's rule: aligned at the end, 1 stretches. */
static bool broadcast_shape(const ib_shape *a, const ib_shape *b, ib_shape *out) {
    out->rank = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 1; i <= out->rank; i++) {
        int64_t da = i <= a->rank ? a->dims[a->rank - i] : 1;
        int64_t db = i <= b->rank ? b->dims[b->rank - i] : 1;
        if (da != db && da != 1 && db != 1) return false;
        out->dims[out->rank - i] = da == 1 ? db : da;
    }
    return true;
}

ib_node ib__op_broadcast_to(ib_graph *g, ib_node a, const ib_shape *shape) {
    if (a == IB_NO_NODE) return a;
    const ib_shape from = ib__node(g, a)->shape;
    if (ib__shape_equal(&from, shape)) return a;
    int dims[IB_RANK_MAX] = {0};
    for (int i = 0; i < from.rank; i++)
        dims[i] = shape->rank - from.rank + i;
    return ib__op_broadcast_in_dim(g, a, shape, dims);
}

/* The type an elementwise op takes and gives. */
static ib_type map_type(ib_map_op op, ib_type first, ib_type second) {
    switch (op) {
    case IB_MAP_equal:
    case IB_MAP_not_equal:
    case IB_MAP_less:
    case IB_MAP_less_equal:
    case IB_MAP_greater:
    case IB_MAP_greater_equal:
    case IB_MAP_is_finite:
    case IB_MAP_int_equal:
        return IB_TYPE_PRED;
    case IB_MAP_select:
        return second;
    case IB_MAP_int_to_float:
        return IB_TYPE_F32;
    case IB_MAP_float_to_int:
        return IB_TYPE_I32;
    case IB_MAP_copy:
    case IB_MAP_and:
    case IB_MAP_or:
    case IB_MAP_not:
        return first;
    default:
        return IB_TYPE_F32;
    }
}

/* Does an op on numbers of the graph's format give one of them without rounding? */
static bool stays_in_format(const ib_graph *g, ib_map_op op, const ib_node *in, int n) {
    switch (op) {
    case IB_MAP_copy:
    case IB_MAP_negate:
    case IB_MAP_abs:
    case IB_MAP_sign:
    case IB_MAP_floor:
    case IB_MAP_ceil:
    case IB_MAP_round:
    case IB_MAP_maximum:
    case IB_MAP_minimum:
    case IB_MAP_select:
        break;
    default:
        return false;
    }
    for (int i = 0; i < n; i++)
        if (g->nodes[in[i]].type == IB_TYPE_F32 && g->nodes[in[i]].format != g->format) return false;
    return true;
}

ib_node ib__op_map(ib_graph *g, ib_map_op op, ib_node a, ib_node b, ib_node c) {
    static const int operands[IB_MAP_COUNT] = {
#define X(name, n, meaning) n,
#include "kernels/map/map.list"
#undef X
    };
    ib_node in[3] = {a, b, c};
    int n = operands[op];
    ib_shape shape = {0};
    for (int i = 0; i < n; i++) {
        if (in[i] == IB_NO_NODE) return IB_NO_NODE;
        ib_shape common;
        if (!broadcast_shape(&shape, &ib__node(g, in[i])->shape, &common)) {
            char x[128], y[128];
            ib__shape_print(x, &shape);
            ib__shape_print(y, &ib__node(g, in[i])->shape);
            return ib__graph_fail(g, IB_BAD_INPUT, "%s: shapes %s and %s do not fit",
                                  ib__op_name(&(ib_node_data){.op = IB_OP_map, .map = op}), x, y);
        }
        shape = common;
    }
    bool batched = false;
    for (int i = 0; i < n; i++) {
        const ib_node_data *node = ib__node(g, in[i]);
        batched |= node->batched && node->shape.rank == shape.rank;
        in[i] = ib__op_broadcast_to(g, in[i], &shape);
    }
    ib_type type = map_type(op, ib__node_type(g, in[0]), n > 1 ? ib__node_type(g, in[1]) : IB_TYPE_F32);
    ib_node_data *node = ib__node_add(g, IB_OP_map, type, &shape, in, n);
    if (node) {
        node->map = op;
        node->batched = batched;
        if (type != IB_TYPE_F32 || g->format == IB_FORMAT_F32) return ib__node_last(g, node);
        if (!stays_in_format(g, op, in, n)) return ib__node_rounded(g, node);
        node->format = g->format;
    }
    return ib__node_last(g, node);
}

#define NO IB_NO_NODE
ib_node ib__op_add(ib_graph *g, ib_node a, ib_node b) {
    return ib__op_map(g, IB_MAP_add, a, b, NO);
}
ib_node ib__op_subtract(ib_graph *g, ib_node a, ib_node b) {
    return ib__op_map(g, IB_MAP_subtract, a, b, NO);
}
ib_node ib__op_multiply(ib_graph *g, ib_node a, ib_node b) {
    return ib__op_map(g, IB_MAP_multiply, a, b, NO);
}
ib_node ib__op_divide(ib_graph *g, ib_node a, ib_node b) {
    return ib__op_map(g, IB_MAP_divide, a, b, NO);
}
ib_node ib__op_maximum(ib_graph *g, ib_node a, ib_node b) {
    return ib__op_map(g, IB_MAP_maximum, a, b, NO);
}
ib_node ib__op_minimum(ib_graph *g, ib_node a, ib_node b) {
    return ib__op_map(g, IB_MAP_minimum, a, b, NO);
}
ib_node ib__op_negate(ib_graph *g, ib_node a) {
    return ib__op_map(g, IB_MAP_negate, a, NO, NO);
}
ib_node ib__op_exp(ib_graph *g, ib_node a) {
    return ib__op_map(g, IB_MAP_exp, a, NO, NO);
}
ib_node ib__op_log(ib_graph *g, ib_node a) {
    return ib__op_map(g, IB_MAP_log, a, NO, NO);
}
ib_node ib__op_sqrt(ib_graph *g, ib_node a) {
    return ib__op_map(g, IB_MAP_sqrt, a, NO, NO);
}
ib_node ib__op_square(ib_graph *g, ib_node a) {
    return ib__op_multiply(g, a, a);
}
ib_node ib__op_scale(ib_graph *g, ib_node a, float k) {
    return ib__op_multiply(g, a, ib__op_constant(g, k));
}
ib_node ib__op_offset(ib_graph *g, ib_node a, float k) {
    return ib__op_add(g, a, ib__op_constant(g, k));
}
ib_node ib__op_relu(ib_graph *g, ib_node a) {
    return ib__op_maximum(g, a, ib__op_constant(g, 0.0f));
}
ib_node ib__op_select(ib_graph *g, ib_node predicate, ib_node yes, ib_node no) {
    return ib__op_map(g, IB_MAP_select, predicate, yes, no);
}

ib_node ib__op_convert(ib_graph *g, ib_node a, ib_type type) {
    if (a == IB_NO_NODE) return a;
    ib_type from = ib__node_type(g, a);
    if (from == type) return a;
    if (from == IB_TYPE_PRED) {
        ib_node x = ib__op_select(g, a, ib__op_constant(g, 1.0f), ib__op_constant(g, 0.0f));
        return ib__op_convert(g, x, type);
    }
    if (type == IB_TYPE_PRED)
        return ib__op_map(g, IB_MAP_not_equal, ib__op_convert(g, a, IB_TYPE_F32), ib__op_constant(g, 0.0f),
                          NO);
    return ib__op_map(g, type == IB_TYPE_F32 ? IB_MAP_int_to_float : IB_MAP_float_to_int, a, NO, NO);
}

ib_node ib__op_stop_gradient(ib_graph *g, ib_node a) {
    if (a == IB_NO_NODE) return a;
    ib_shape shape = ib__node(g, a)->shape;
    ib_node_data *node = ib__node_add(g, IB_OP_stop_gradient, ib__node_type(g, a), &shape, &a, 1);
    if (node) node->batched = g->nodes[a].batched;
    return ib__node_last(g, node);
}

ib_node ib__op_reshape(ib_graph *g, ib_node a, const ib_shape *wanted) {
    if (a == IB_NO_NODE) return a;
    const ib_shape from = ib__node(g, a)->shape;
    if (ib__shape_equal(&from, wanted)) return a;
    ib_shape shape = *wanted;
    int64_t known = 1, total = (int64_t)ib__node_elements(g, a);
    int open = -1;
    for (int i = 0; i < shape.rank; i++) {
        if (shape.dims[i] >= 0) {
            if (known >= 0 && __builtin_mul_overflow(known, shape.dims[i], &known)) known = -1;
        } else if (open < 0)
            open = i;
        else
            known = -1;
    }
    if (open >= 0 && known > 0) shape.dims[open] = total / known;
    if (known <= 0 ? total != 0 || known < 0 : (open >= 0 ? known * shape.dims[open] : known) != total) {
        char x[128], y[128];
        ib__shape_print(x, &from);
        ib__shape_print(y, wanted);
        return ib__graph_fail(g, IB_BAD_INPUT, "reshape: %s has other elements than %s", x, y);
    }
    ib_node_data *node = ib__node_add(g, IB_OP_reshape, ib__node_type(g, a), &shape, &a, 1);
    if (node)
        node->batched = g->nodes[a].batched && shape.rank > 0 && g->samples > 0 &&
                        shape.dims[0] % (int64_t)g->samples == 0;
    return ib__node_last(g, node);
}

ib_node ib__op_transpose(ib_graph *g, ib_node a, const int *permutation) {
    if (a == IB_NO_NODE) return a;
    const ib_shape from = ib__node(g, a)->shape;
    ib_shape shape = {.rank = from.rank};
    unsigned seen = 0;
    bool same = true;
    for (int i = 0; i < from.rank; i++) {
        int p = permutation[i];
        if (p < 0 || p >= from.rank || (seen >> p & 1))
            return ib__graph_fail(g, IB_BAD_INPUT, "transpose: not a permutation of %d axes", from.rank);
        seen |= 1u << p;
        shape.dims[i] = from.dims[p];
        same &= p == i;
    }
    if (same) return a;
    ib_node_data *node = ib__node_add(g, IB_OP_transpose, ib__node_type(g, a), &shape, &a, 1);
    if (node) {
        for (int i = 0; i < from.rank; i++)
            node->u.dims[i] = permutation[i];
        node->batched = g->nodes[a].batched && permutation[0] == 0;
    }
    return ib__node_last(g, node);
}

ib_node ib__op_broadcast_in_dim(ib_graph *g, ib_node a, const ib_shape *shape, const int *dims) {
    if (a == IB_NO_NODE) return a;
    const ib_shape from = ib__node(g, a)->shape;
    for (int i = 0; i < from.rank; i++) {
        int d = dims[i];
        if (d < 0 || d >= shape->rank || (i && d <= dims[i - 1]) ||
            (from.dims[i] != 1 && from.dims[i] != shape->dims[d])) {
            char x[128], y[128];
            ib__shape_print(x, &from);
            ib__shape_print(y, shape);
            return ib__graph_fail(g, IB_BAD_INPUT, "broadcast: %s does not fit %s", x, y);
        }
    }
    ib_node_data *node = ib__node_add(g, IB_OP_broadcast_in_dim, ib__node_type(g, a), shape, &a, 1);
    if (node) {
        for (int i = 0; i < from.rank; i++)
            node->u.dims[i] = dims[i];
        node->batched =
            from.rank > 0 && g->nodes[a].batched && dims[0] == 0 && from.dims[0] == shape->dims[0];
    }
    return ib__node_last(g, node);
}

ib_node ib__op_concatenate(ib_graph *g, const ib_node *parts, size_t n, int axis) {
    if (n == 0) return ib__graph_fail(g, IB_BAD_INPUT, "concatenate: expected at least one input");
    for (size_t i = 0; i < n; i++)
        if (parts[i] == IB_NO_NODE) return IB_NO_NODE;
    if (n == 1) return parts[0];
    ib_shape shape = ib__node(g, parts[0])->shape;
    if (axis < 0 || axis >= shape.rank)
        return ib__graph_fail(g, IB_BAD_INPUT, "concatenate: no axis %d", axis);
    int64_t along = 0;
    bool batched = axis > 0;
    for (size_t i = 0; i < n; i++) {
        ib_shape other = ib__node(g, parts[i])->shape;
        bool fits = other.rank == shape.rank;
        for (int d = 0; fits && d < shape.rank; d++)
            fits = d == axis || other.dims[d] == shape.dims[d];
        if (!fits) {
            char x[128], y[128];
            ib__shape_print(x, &shape);
            ib__shape_print(y, &other);
            return ib__graph_fail(g, IB_BAD_INPUT, "concatenate: shapes %s and %s differ beside axis %d", x,
                                  y, axis);
        }
        along += other.dims[axis];
        batched &= ib__node_batched(g, parts[i]);
    }
    shape.dims[axis] = along;
    ib_node *many = ib__arena_alloc(&g->arena, n * sizeof *many);
    if (!many) return ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
    memcpy(many, parts, n * sizeof *many);
    ib_node_data *node =
        ib__node_add(g, IB_OP_concatenate, ib__node_type(g, parts[0]), &shape, parts, (int)n);
    if (node) {
        node->many = many;
        node->u.dims[0] = axis;
        node->batched = batched;
        node->format = g->nodes[parts[0]].format;
        for (size_t i = 1; i < n; i++)
            if (g->nodes[parts[i]].format != node->format) node->format = IB_FORMAT_F32;
    }
    return ib__node_last(g, node);
}

ib_node ib__op_slice(ib_graph *g, ib_node a, const int64_t *start, const int64_t *limit) {
    if (a == IB_NO_NODE) return a;
    const ib_shape from = ib__node(g, a)->shape;
    ib_shape shape = from;
    for (int i = 0; i < from.rank; i++) {
        if (start[i] < 0 || limit[i] > from.dims[i] || start[i] > limit[i])
            return ib__graph_fail(g, IB_BAD_INPUT, "slice: [%lld, %lld) is outside of axis %d of length %lld",
                                  (long long)start[i], (long long)limit[i], i, (long long)from.dims[i]);
        shape.dims[i] = limit[i] - start[i];
    }
    if (ib__shape_equal(&shape, &from)) return a;
    ib_node_data *node = ib__node_add(g, IB_OP_slice, ib__node_type(g, a), &shape, &a, 1);
    if (node) {
        for (int i = 0; i < from.rank; i++) {
            node->u.range.low[i] = start[i];
            node->u.range.high[i] = limit[i];
        }
        node->batched = g->nodes[a].batched && shape.dims[0] == from.dims[0];
    }
    return ib__node_last(g, node);
}

ib_node ib__op_reverse(ib_graph *g, ib_node a, int axis) {
    if (a == IB_NO_NODE) return a;
    const ib_shape shape = ib__node(g, a)->shape;
    if (axis < 0 || axis >= shape.rank) return ib__graph_fail(g, IB_BAD_INPUT, "reverse: no axis %d", axis);
    ib_node_data *node = ib__node_add(g, IB_OP_reverse, ib__node_type(g, a), &shape, &a, 1);
    if (node) {
        node->u.dims[0] = axis;
        node->batched = g->nodes[a].batched && axis > 0;
    }
    return ib__node_last(g, node);
}

ib_node ib__op_pad(ib_graph *g, ib_node a, float value, const int64_t *low, const int64_t *high) {
    if (a == IB_NO_NODE) return a;
    const ib_shape from = ib__node(g, a)->shape;
    ib_shape shape = from;
    for (int i = 0; i < from.rank; i++) {
        if (low[i] < 0 || high[i] < 0 || low[i] > IB_LENGTH_MAX || high[i] > IB_LENGTH_MAX)
            return ib__graph_fail(g, IB_BAD_INPUT, "pad: expected amounts from 0 to 2^30");
        shape.dims[i] += low[i] + high[i];
    }
    if (ib__shape_equal(&shape, &from)) return a;
    ib_node_data *node = ib__node_add(g, IB_OP_pad, ib__node_type(g, a), &shape, &a, 1);
    if (node) {
        for (int i = 0; i < from.rank; i++) {
            node->u.range.low[i] = low[i];
            node->u.range.high[i] = high[i];
        }
        ib__format_round(node->format, &value, 1);
        node->u.range.fill = value;
        node->batched = g->nodes[a].batched && shape.dims[0] == from.dims[0];
    }
    return ib__node_last(g, node);
}

ib_node ib__op_reduce(ib_graph *g, ib_reduce_op op, ib_node a, unsigned axes, bool keep) {
    if (a == IB_NO_NODE) return a;
    const ib_shape from = ib__node(g, a)->shape;
    if (axes >> from.rank)
        return ib__graph_fail(g, IB_BAD_INPUT, "reduce: an axis is outside of rank %d", from.rank);
    ib_shape kept = from, shape = {0};
    for (int i = 0; i < from.rank; i++) {
        if (axes >> i & 1)
            kept.dims[i] = 1;
        else
            shape.dims[shape.rank++] = from.dims[i];
    }
    ib_node r = a;
    if (axes) {
        ib_node_data *node = ib__node_add(g, IB_OP_reduce, IB_TYPE_F32, &shape, &a, 1);
        if (node) {
            node->u.reduce.op = op;
            node->u.reduce.axes = axes;
            node->batched = g->nodes[a].batched && !(axes & 1);
            if (op != IB_REDUCE_SUM) node->format = g->nodes[a].format;
        }
        r = op == IB_REDUCE_SUM ? ib__node_rounded(g, node) : ib__node_last(g, node);
    }
    return keep ? ib__op_reshape(g, r, &kept) : r;
}

ib_node ib__op_mean(ib_graph *g, ib_node a, unsigned axes, bool keep) {
    if (a == IB_NO_NODE) return a;
    int64_t n = 1;
    for (int i = 0; i < ib__node(g, a)->shape.rank; i++)
        if (axes >> i & 1) n *= ib__node(g, a)->shape.dims[i];
    ib_format format = ib__graph_set_format(g, IB_FORMAT_F32);
    ib_node sum = ib__op_reduce(g, IB_REDUCE_SUM, ib__op_format(g, a, IB_FORMAT_F32), axes, keep);
    ib_node mean = ib__op_divide(g, sum, ib__op_constant(g, (float)n));
    (void)ib__graph_set_format(g, format);
    return format == IB_FORMAT_F32 ? mean : ib__op_format(g, mean, format);
}
