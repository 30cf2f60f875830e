/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations that reduce axes: any, all, sum, mean, max, min.
 */
#include "layers/operations/operation.h"

typedef struct reduction {
    int64_t axes[IB_RANK_MAX];
    bool keep;
} reduction;

/* null (all axes), an axis or a list of axes */
static ib_status read_axes(const ib_field *field, const ib_value *value, const char *where, void *out,
                           ib_value **canonical, ib_error *err) {
    return value->kind == IB_NULL ? IB_OK : ib__read_axes(field, value, where, out, canonical, err);
}

#define NAME                                                                                                 \
    { .key = "name", .read = ib__read_name }
#define AXES                                                                                                 \
    {.key = "axis", .fallback = "null", .read = read_axes, .offset = offsetof(reduction, axes)}, {           \
        .key = "keepdims", .fallback = "false", .read = ib__read_bool, .offset = offsetof(reduction, keep)   \
    }
static const ib_field plain_fields[] = {NAME, AXES};
static const ib_field initial_fields[] = {
    NAME, AXES, {.key = "initial", .fallback = "null", .read = ib__read_null}};
static const ib_field sum_fields[] = {
    NAME, AXES, {.key = "dtype", .fallback = "null", .read = ib__read_anything, .omit_null = true}};

/* The axes as bits; the batch may be among them. 0: one does not fit. */
static unsigned mask_of(const ib_layer *layer, int rank) {
    const reduction *s = layer->settings;
    const ib_value *axis = ib__value_get(layer->config, "axis");
    unsigned mask = 0;
    if (axis->kind == IB_NULL) return (1u << rank) - 1;
    for (int i = 0; i < ib__axes_count(axis); i++) {
        int64_t a = s->axes[i] < 0 ? s->axes[i] + rank : s->axes[i];
        if (a < 0 || a >= rank || (mask >> a & 1)) return 0;
        mask |= 1u << a;
    }
    return mask;
}

static ib_status infer(const ib_layer *layer, const ib_args *args, ib_type type, ib_spec *out, size_t *n,
                       ib_error *err) {
    const reduction *s = layer->settings;
    ib_spec x;
    if (!ib__operand_spec(args, "x", &x) || x.shape.rank < 1)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "expected a tensor");
    unsigned mask = mask_of(layer, x.shape.rank);
    if (!mask)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "axis does not fit a tensor of %d axes",
                        x.shape.rank);
    *n = 1;
    out[0] = (ib_spec){.type = type};
    for (int i = 0; i < x.shape.rank; i++) {
        if (!(mask >> i & 1))
            out[0].shape.dims[out[0].shape.rank++] = x.shape.dims[i];
        else if (s->keep)
            out[0].shape.dims[out[0].shape.rank++] = 1;
    }
    return IB_OK;
}

static ib_status infer_number(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                              size_t *n, ib_error *err) {
    return infer(layer, args, IB_TYPE_F32, out, n, err);
}

static ib_status infer_predicate(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                                 size_t *n, ib_error *err) {
    return infer(layer, args, IB_TYPE_PRED, out, n, err);
}

static ib_node reduce(const ib_layer *layer, ib_graph *g, ib_reduce_op op, ib_node x) {
    const reduction *s = layer->settings;
    x = ib__op_convert(g, x, IB_TYPE_F32);
    return ib__op_reduce(g, op, x, mask_of(layer, ib__node_shape(g, x).rank), s->keep);
}

static ib_node mean(const ib_layer *layer, ib_graph *g, ib_node x) {
    const reduction *s = layer->settings;
    x = ib__op_convert(g, x, IB_TYPE_F32);
    return ib__op_mean(g, x, mask_of(layer, ib__node_shape(g, x).rank), s->keep);
}

/* any: the greatest of 0 and 1 is 1; all: the least is. */
static ib_node truth(const ib_layer *layer, ib_graph *g, ib_reduce_op op, ib_node x) {
    ib_node numbers = ib__op_convert(g, ib__op_convert(g, x, IB_TYPE_PRED), IB_TYPE_F32);
    return ib__op_convert(g, reduce(layer, g, op, numbers), IB_TYPE_PRED);
}

#define REDUCTION(symbol, class_name, fields, infer_, value)                                                 \
    static ib_status symbol##_configure(ib_layer *layer, const ib_value *config, ib_error *err) {            \
        return ib__layer_configure(layer, fields, sizeof fields / sizeof *fields, config, err);              \
    }                                                                                                        \
    static void symbol##_apply(ib_layer *layer, ib_build *b, const ib_args *args,                            \
                               ib_flow out[IB_OUTPUTS_MAX]) {                                                \
        ib_graph *g = b->g;                                                                                  \
        ib_node x = ib__operand(g, args, "x");                                                               \
        out->node = (value);                                                                                 \
    }                                                                                                        \
    const ib_layer_class ib__layer_##symbol = {.name = "keras.src.ops.numpy." class_name,                    \
                                               .settings = sizeof(reduction),                                \
                                               .arguments = "x",                                             \
                                               .configure = symbol##_configure,                              \
                                               .infer = infer_,                                              \
                                               .apply = symbol##_apply};

REDUCTION(op_any, "Any", plain_fields, infer_predicate, truth(layer, g, IB_REDUCE_MAX, x))
REDUCTION(op_all, "All", plain_fields, infer_predicate, truth(layer, g, IB_REDUCE_MIN, x))
REDUCTION(op_sum, "Sum", sum_fields, infer_number, reduce(layer, g, IB_REDUCE_SUM, x))
REDUCTION(op_mean, "Mean", plain_fields, infer_number, mean(layer, g, x))
REDUCTION(op_max, "Max", initial_fields, infer_number, reduce(layer, g, IB_REDUCE_MAX, x))
REDUCTION(op_min, "Min", initial_fields, infer_number, reduce(layer, g, IB_REDUCE_MIN, x))
