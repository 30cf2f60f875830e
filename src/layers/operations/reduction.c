/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations that reduce axes: any, all, sum, mean, max, min, variance, logsumexp, argmax and the like.
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
static const ib_field count_fields[] = {
    NAME, {.key = "axis", .fallback = "null", .read = read_axes, .offset = offsetof(reduction, axes)}};
static const ib_field norm_fields[] = {NAME, {.key = "ord", .fallback = "null", .read = ib__read_null}, AXES};
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

IB_OPERATION_INFER(infer_number, IB_TYPE_F32)
IB_OPERATION_INFER(infer_predicate, IB_TYPE_PRED)

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

/* The mean of the squared distances to the mean. */
static ib_node variance(const ib_layer *layer, ib_graph *g, ib_node x) {
    x = ib__op_convert(g, x, IB_TYPE_F32);
    ib_node centre = ib__op_mean(g, x, mask_of(layer, ib__node_shape(g, x).rank), true);
    return mean(layer, g, ib__op_square(g, ib__op_subtract(g, x, centre)));
}

/* log(sum(exp(x - m))) + m with m = max(x), which no gradient passes. */
static ib_node log_sum_exp(const ib_layer *layer, ib_graph *g, ib_node x) {
    const reduction *s = layer->settings;
    x = ib__op_convert(g, x, IB_TYPE_F32);
    unsigned axes = mask_of(layer, ib__node_shape(g, x).rank);
    ib_node most = ib__op_stop_gradient(g, ib__op_reduce(g, IB_REDUCE_MAX, x, axes, true));
    ib_node y = reduce(layer, g, IB_REDUCE_SUM, ib__op_exp(g, ib__op_subtract(g, x, most)));
    ib_shape shape = ib__node_shape(g, y);
    return ib__op_add(g, ib__op_log(g, y), s->keep ? most : ib__op_reshape(g, most, &shape));
}

static ib_node norm(const ib_layer *layer, ib_graph *g, ib_node x) {
    x = ib__op_convert(g, x, IB_TYPE_F32);
    return ib__op_sqrt(g, reduce(layer, g, IB_REDUCE_SUM, ib__op_square(g, x)));
}

static ib_node count_nonzero(const ib_layer *layer, ib_graph *g, ib_node x) {
    ib_node numbers = ib__op_convert(g, ib__op_convert(g, x, IB_TYPE_PRED), IB_TYPE_F32);
    return ib__op_convert(g, reduce(layer, g, IB_REDUCE_SUM, numbers), IB_TYPE_I32);
}

/* The first place along one axis where x has its largest (or smallest) value: the least of the places where
 * it is equal to it. */
static ib_node place_of(const ib_layer *layer, ib_graph *g, ib_reduce_op op, ib_node x) {
    x = ib__op_convert(g, x, IB_TYPE_F32);
    ib_shape shape = ib__node_shape(g, x);
    unsigned axes = mask_of(layer, shape.rank);
    int axis = 0;
    while (axis + 1 < shape.rank && !(axes >> axis & 1))
        axis++;
    ib_node places = ib__op_convert(g, ib__op_iota(g, &shape, axis), IB_TYPE_F32);
    ib_node found = ib__op_map(g, IB_MAP_equal, x, ib__op_reduce(g, op, x, axes, true), IB_NO_NODE);
    places = ib__op_select(g, found, places, ib__op_constant(g, (float)shape.dims[axis]));
    return ib__op_convert(g, reduce(layer, g, IB_REDUCE_MIN, places), IB_TYPE_I32);
}

static ib_status infer_count(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                             size_t *n, ib_error *err) {
    return infer(layer, args, IB_TYPE_I32, out, n, err);
}

static ib_status infer_place(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                             size_t *n, ib_error *err) {
    const ib_value *axis = ib__value_get(layer->config, "axis");
    if (axis->kind != IB_INT)
        return ib__fail(err, IB_UNSUPPORTED, layer->place, "without one axis it is not supported");
    return infer(layer, args, IB_TYPE_I32, out, n, err);
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
    const ib_layer_class ib__layer_##symbol = {.name = "keras.src.ops." class_name,                          \
                                               .settings = sizeof(reduction),                                \
                                               .arguments = "x",                                             \
                                               .configure = symbol##_configure,                              \
                                               .infer = infer_,                                              \
                                               .apply = symbol##_apply};

REDUCTION(op_any, "numpy.Any", plain_fields, infer_predicate, truth(layer, g, IB_REDUCE_MAX, x))
REDUCTION(op_all, "numpy.All", plain_fields, infer_predicate, truth(layer, g, IB_REDUCE_MIN, x))
REDUCTION(op_sum, "numpy.Sum", sum_fields, infer_number, reduce(layer, g, IB_REDUCE_SUM, x))
REDUCTION(op_mean, "numpy.Mean", plain_fields, infer_number, mean(layer, g, x))
REDUCTION(op_max, "numpy.Max", initial_fields, infer_number, reduce(layer, g, IB_REDUCE_MAX, x))
REDUCTION(op_min, "numpy.Min", initial_fields, infer_number, reduce(layer, g, IB_REDUCE_MIN, x))
REDUCTION(op_var, "numpy.Var", plain_fields, infer_number, variance(layer, g, x))
REDUCTION(op_std, "numpy.Std", plain_fields, infer_number, ib__op_sqrt(g, variance(layer, g, x)))
REDUCTION(op_logsumexp, "math.Logsumexp", plain_fields, infer_number, log_sum_exp(layer, g, x))
REDUCTION(op_norm, "linalg.Norm", norm_fields, infer_number, norm(layer, g, x))
REDUCTION(op_count_nonzero, "numpy.CountNonzero", count_fields, infer_count, count_nonzero(layer, g, x))
REDUCTION(op_argmax, "numpy.Argmax", plain_fields, infer_place, place_of(layer, g, IB_REDUCE_MAX, x))
REDUCTION(op_argmin, "numpy.Argmin", plain_fields, infer_place, place_of(layer, g, IB_REDUCE_MIN, x))
