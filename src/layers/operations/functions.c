/* SPDX-License-Identifier: Apache-2.0
 *
 * keras.ops.nn: activation functions as operations, with their settings; Clip and Round.
 */
#include "layers/activation.h"
#include "layers/operations/operation.h"

#include <math.h>

static ib_status infer_number(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                              size_t *n, ib_error *err) {
    ib_status status = ib__operation_same(layer, args, out, n, err);
    out[0].type = IB_TYPE_F32;
    return status;
}

/* ---- Without settings: as the activation of the same name ---- */

static void apply_named(ib_build *b, const ib_args *args, const char *name, ib_flow *out) {
    ib_activation activation;
    const ib_value config = {.kind = IB_STRING, .string = (char *)name};
    if (ib__activation_find(&activation, &config, name, NULL, NULL) != IB_OK) return;
    out->node = ib__activation_call(&activation, b->g,
                                    ib__op_convert(b->g, ib__operand(b->g, args, "x"), IB_TYPE_F32));
}

#define NAMED(symbol, class_name, activation)                                                                \
    static void symbol##_apply(ib_layer *layer, ib_build *b, const ib_args *args,                            \
                               ib_flow out[IB_OUTPUTS_MAX]) {                                                \
        (void)layer;                                                                                         \
        apply_named(b, args, activation, out);                                                               \
    }                                                                                                        \
    const ib_layer_class ib__layer_##symbol = {.name = "keras.src.ops.nn." class_name,                       \
                                               .arguments = "x",                                             \
                                               .configure = ib__operation_configure,                         \
                                               .infer = infer_number,                                        \
                                               .apply = symbol##_apply};

NAMED(op_relu, "Relu", "relu")
NAMED(op_relu6, "Relu6", "relu6")
NAMED(op_sigmoid, "Sigmoid", "sigmoid")
NAMED(op_softplus, "Softplus", "softplus")
NAMED(op_softsign, "Softsign", "softsign")
NAMED(op_silu, "Silu", "silu")
NAMED(op_selu, "Selu", "selu")
NAMED(op_log_sigmoid, "LogSigmoid", "log_sigmoid")
NAMED(op_hard_sigmoid, "HardSigmoid", "hard_sigmoid")
NAMED(op_hard_silu, "HardSilu", "hard_silu")
NAMED(op_hard_tanh, "HardTanh", "hard_tanh")
NAMED(op_tanh_shrink, "TanhShrink", "tanh_shrink")
NAMED(op_sparse_plus, "SparsePlus", "sparse_plus")
NAMED(op_sparse_sigmoid, "SparseSigmoid", "sparse_sigmoid")

/* ---- With settings ---- */

#define REAL(key_, fallback_, place, low_)                                                                   \
    {                                                                                                        \
        .key = key_, .fallback = fallback_, .read = ib__read_real, .offset = offsetof(ib_operation, place),  \
        .low = low_, .high = HUGE_VAL                                                                        \
    }
#define OPTIONAL(key_, place)                                                                                \
    {                                                                                                        \
        .key = key_, .fallback = "null", .read = ib__read_optional_real,                                     \
        .offset = offsetof(ib_operation, place), .low = -HUGE_VAL, .high = HUGE_VAL                          \
    }

static const ib_field elu_fields[] = {IB_OPERATION_NAME, REAL("alpha", "1.0", a, -HUGE_VAL)};
static const ib_field celu_fields[] = {IB_OPERATION_NAME, REAL("alpha", "1.0", a, 1e-30)};
static const ib_field leaky_fields[] = {IB_OPERATION_NAME, REAL("negative_slope", "0.2", a, -HUGE_VAL)};
static const ib_field shrink_fields[] = {IB_OPERATION_NAME, REAL("threshold", "0.5", a, 0)};
static const ib_field plus_fields[] = {IB_OPERATION_NAME, REAL("b", "4", a, 0)};
static const ib_field threshold_fields[] = {IB_OPERATION_NAME, REAL("threshold", NULL, a, -HUGE_VAL),
                                            REAL("default_value", NULL, b, -HUGE_VAL)};
static const ib_field gelu_fields[] = {IB_OPERATION_NAME,
                                       {.key = "approximate",
                                        .fallback = "true",
                                        .read = ib__read_bool,
                                        .offset = offsetof(ib_operation, flag)}};
static const ib_field axis_fields[] = {IB_OPERATION_NAME, IB_OPERATION_AXIS("axis", "-1")};
static const ib_field axes_fields[] = {IB_OPERATION_NAME, IB_OPERATION_LIST("axis", "-1")};
static const ib_field round_fields[] = {IB_OPERATION_NAME,
                                        {.key = "decimals", .fallback = "0", .read = ib__read_int}};
static const ib_field clip_fields[] = {IB_OPERATION_NAME, OPTIONAL("x_min", a), OPTIONAL("x_max", b)};

/* The axis from the start; those of a softmax: bits. 0, with an error in the graph: one does not fit. */
static int axis_of(const ib_operation *s, int rank) {
    return ib__operation_axis(s->axis, rank, false);
}

static unsigned axes_of(const ib_operation *s, int rank) {
    return ib__axes_mask(s->list, s->count, rank);
}

static ib_status infer_axis(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                            size_t *n, ib_error *err) {
    ib_status status = infer_number(layer, args, out, n, err);
    if (status != IB_OK || axis_of(layer->settings, out[0].shape.rank) > 0) return status;
    return ib__fail(err, IB_BAD_INPUT, layer->place, "axis is outside of the tensor's %d axes, or its first",
                    out[0].shape.rank);
}

static ib_status infer_axes(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                            size_t *n, ib_error *err) {
    ib_status status = infer_number(layer, args, out, n, err);
    if (status != IB_OK || axes_of(layer->settings, out[0].shape.rank)) return status;
    return ib__fail(err, IB_BAD_INPUT, layer->place, "axis is outside of the tensor's %d axes, or its first",
                    out[0].shape.rank);
}

static ib_status infer_glu(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], size_t *n,
                           ib_error *err) {
    ib_status status = infer_axis(layer, args, out, n, err);
    if (status != IB_OK) return status;
    int64_t *size = &out[0].shape.dims[axis_of(layer->settings, out[0].shape.rank)];
    if (*size < 0 || *size % 2)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "expected an axis of even size");
    *size /= 2;
    return IB_OK;
}

/* Like Keras's, without a bound where it is null; the gradient passes at the bounds. */
static ib_node clip(ib_graph *g, ib_node x, double low, double high) {
    ib_node bounds[2] = {ib__op_constant(g, (float)low), ib__op_constant(g, (float)high)};
    if (!isnan(low)) x = ib__op_select(g, ib__op_map(g, IB_MAP_less, x, bounds[0], IB_NO_NODE), bounds[0], x);
    if (!isnan(high))
        x = ib__op_select(g, ib__op_map(g, IB_MAP_greater, x, bounds[1], IB_NO_NODE), bounds[1], x);
    return x;
}

static ib_status infer_round(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                             size_t *n, ib_error *err) {
    if (ib__value_get(layer->config, "decimals")->integer != 0)
        return ib__fail(err, IB_UNSUPPORTED, layer->place, "decimals other than 0 are not supported");
    return infer_number(layer, args, out, n, err);
}

#define SET(symbol, class_name, fields, infer_, value)                                                       \
    IB_OPERATION_CONFIGURE(symbol, fields)                                                                   \
    static void symbol##_apply(ib_layer *layer, ib_build *b, const ib_args *args,                            \
                               ib_flow out[IB_OUTPUTS_MAX]) {                                                \
        const ib_operation *s = layer->settings;                                                             \
        ib_graph *g = b->g;                                                                                  \
        ib_node x = ib__op_convert(g, ib__operand(g, args, "x"), IB_TYPE_F32);                               \
        int rank = ib__node_shape(g, x).rank;                                                                \
        (void)s, (void)rank;                                                                                 \
        out->node = (value);                                                                                 \
    }                                                                                                        \
    const ib_layer_class ib__layer_##symbol = {.name = "keras.src.ops." class_name,                          \
                                               .settings = sizeof(ib_operation),                             \
                                               .arguments = "x",                                             \
                                               .configure = symbol##_configure,                              \
                                               .infer = infer_,                                              \
                                               .apply = symbol##_apply};

SET(op_elu, "nn.Elu", elu_fields, infer_number, ib__elu(g, x, s->a))
SET(op_celu, "nn.Celu", celu_fields, infer_number, ib__celu(g, x, s->a))
SET(op_leaky_relu, "nn.LeakyRelu", leaky_fields, infer_number, ib__leaky_relu(g, x, s->a))
SET(op_gelu, "nn.Gelu", gelu_fields, infer_number, ib__gelu(g, x, s->flag))
SET(op_hard_shrink, "nn.HardShrink", shrink_fields, infer_number, ib__hard_shrink(g, x, s->a))
SET(op_soft_shrink, "nn.SoftShrink", shrink_fields, infer_number, ib__soft_shrink(g, x, s->a))
SET(op_squareplus, "nn.Squareplus", plus_fields, infer_number, ib__squareplus(g, x, s->a))
SET(op_threshold, "nn.Threshold", threshold_fields, infer_number, ib__threshold(g, x, s->a, s->b))
SET(op_glu, "nn.Glu", axis_fields, infer_glu, ib__glu(g, x, axis_of(s, rank)))
SET(op_sparsemax, "nn.Sparsemax", axis_fields, infer_axis, ib__sparsemax(g, x, axis_of(s, rank)))
SET(op_softmax, "nn.Softmax", axes_fields, infer_axes, ib__softmax(g, x, axes_of(s, rank)))
SET(op_log_softmax, "nn.LogSoftmax", axes_fields, infer_axes, ib__log_softmax(g, x, axes_of(s, rank)))
SET(op_clip, "numpy.Clip", clip_fields, infer_number, clip(g, x, s->a, s->b))
SET(op_round, "numpy.Round", round_fields, infer_round,
    ib__op_map(g, IB_MAP_round, x, IB_NO_NODE, IB_NO_NODE))

/* ---- keras.activations.relu with arguments ---- */

static const ib_field relu_fields[] = {IB_OPERATION_NAME,
                                       REAL("negative_slope", "0.0", a, -HUGE_VAL),
                                       OPTIONAL("max_value", b),
                                       {.key = "threshold",
                                        .fallback = "0.0",
                                        .read = ib__read_real,
                                        .low = -HUGE_VAL,
                                        .high = HUGE_VAL,
                                        .offset = offsetof(ib_operation, c)}};
IB_OPERATION_CONFIGURE(relu, relu_fields)

static void relu_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    const ib_operation *s = layer->settings;
    ib_node x = ib__op_convert(b->g, ib__operand(b->g, args, "x"), IB_TYPE_F32);
    out->node = ib__general_relu(b->g, x, s->a, !isnan(s->b), s->b, s->c);
}

const ib_layer_class ib__layer_op_general_relu = {.name = "keras.src.activations.activations.ReLU",
                                                  .settings = sizeof(ib_operation),
                                                  .arguments = "x",
                                                  .configure = relu_configure,
                                                  .infer = infer_number,
                                                  .apply = relu_apply};
