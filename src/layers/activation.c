/* SPDX-License-Identifier: Apache-2.0
 *
 * Activation functions, op by op as Keras defines them. At kinks the gradient is TensorFlow's choice.
 */
#include "layers/activation.h"

#include "base/nearest.h"
#include "layers/internal.h"

#define NO IB_NO_NODE

static ib_node constant(ib_graph *g, double value) {
    return ib__op_constant(g, (float)value);
}

static ib_node compare(ib_graph *g, ib_map_op op, ib_node x, double value) {
    return ib__op_map(g, op, x, constant(g, value), NO);
}

/* x limited to [low, high]; the gradient passes at the limits themselves. */
static ib_node clip(ib_graph *g, ib_node x, double low, double high) {
    ib_node y = ib__op_select(g, compare(g, IB_MAP_less, x, low), constant(g, low), x);
    return ib__op_select(g, compare(g, IB_MAP_greater, x, high), constant(g, high), y);
}

static ib_node linear(ib_graph *g, ib_node x) {
    (void)g;
    return x;
}

static ib_node relu6(ib_graph *g, ib_node x) {
    return ib__op_minimum(g, ib__op_relu(g, x), constant(g, 6.0));
}

ib_node ib__leaky_relu(ib_graph *g, ib_node x, double slope) {
    return ib__op_select(g, compare(g, IB_MAP_greater, x, 0.0), x, ib__op_scale(g, x, (float)slope));
}

ib_node ib__general_relu(ib_graph *g, ib_node x, double slope, bool limited, double limit, double threshold) {
    if (slope != 0.0 && !limited && threshold == 0.0) return ib__leaky_relu(g, x, slope);
    ib_node negative = NO, y;
    if (slope != 0.0)
        negative = ib__op_relu(g, threshold != 0.0 ? ib__op_subtract(g, constant(g, threshold), x)
                                                   : ib__op_negate(g, x));
    if (threshold != 0.0)
        y = ib__op_select(g, compare(g, IB_MAP_greater, x, threshold), x, constant(g, 0.0));
    else
        y = ib__op_relu(g, x);
    if (limited) y = clip(g, y, 0.0, limit);
    return slope != 0.0 ? ib__op_subtract(g, y, ib__op_scale(g, negative, (float)slope)) : y;
}

/* x where x >= 0, else e^x - 1, then times alpha where x <= 0 (so the gradient at 0 is alpha). The argument
 * of the exponential is kept below 0 so that nothing overflows in the branch that is not taken. */
ib_node ib__elu(ib_graph *g, ib_node x, double alpha) {
    ib_node e = ib__op_map(g, IB_MAP_expm1, ib__op_minimum(g, x, constant(g, 0.0)), NO, NO);
    ib_node y = ib__op_select(g, compare(g, IB_MAP_less, x, 0.0), e, x);
    if (alpha == 1.0) return y;
    return ib__op_select(g, compare(g, IB_MAP_greater, x, 0.0), y, ib__op_scale(g, y, (float)alpha));
}

static unsigned last_axis(ib_graph *g, ib_node x) {
    int rank = ib__node_shape(g, x).rank;
    return rank > 0 ? 1u << (rank - 1) : 0;
}

/* x - max(x), which no gradient passes: the result does not depend on it. */
static ib_node centred(ib_graph *g, ib_node x, unsigned axes) {
    return ib__op_subtract(g, x, ib__op_stop_gradient(g, ib__op_reduce(g, IB_REDUCE_MAX, x, axes, true)));
}

/* In a 16-bit format it is computed in float32 and rounded once, and has no logits any more, as Keras loses
 * them when a loss casts it. */
ib_node ib__softmax(ib_graph *g, ib_node x, unsigned axes) {
    ib_format format = ib__graph_format(g);
    if (format != IB_FORMAT_F32) {
        (void)ib__graph_set_format(g, IB_FORMAT_F32);
        ib_node wide = ib__softmax(g, ib__op_format(g, x, IB_FORMAT_F32), axes);
        (void)ib__graph_set_format(g, format);
        return ib__op_format(g, wide, format);
    }
    ib_node e = ib__op_exp(g, centred(g, x, axes));
    ib_node y = ib__op_divide(g, e, ib__op_reduce(g, IB_REDUCE_SUM, e, axes, true));
    ib__node_set_logits(g, y, x, IB_LOGITS_SOFTMAX);
    return y;
}

ib_node ib__log_softmax(ib_graph *g, ib_node x, unsigned axes) {
    ib_node c = centred(g, x, axes);
    return ib__op_subtract(g, c,
                           ib__op_log(g, ib__op_reduce(g, IB_REDUCE_SUM, ib__op_exp(g, c), axes, true)));
}

static ib_node softmax(ib_graph *g, ib_node x) {
    return ib__softmax(g, x, last_axis(g, x));
}

static ib_node log_softmax(ib_graph *g, ib_node x) {
    return ib__log_softmax(g, x, last_axis(g, x));
}

static ib_node sigmoid(ib_graph *g, ib_node x) {
    ib_node y = ib__op_map(g, IB_MAP_logistic, x, NO, NO);
    ib__node_set_logits(g, y, x, IB_LOGITS_SIGMOID);
    return y;
}

static ib_node tanh_of(ib_graph *g, ib_node x) {
    return ib__op_map(g, IB_MAP_tanh, x, NO, NO);
}

static ib_node softplus(ib_graph *g, ib_node x) {
    return ib__op_map(g, IB_MAP_softplus, x, NO, NO);
}

static ib_node elu(ib_graph *g, ib_node x) {
    return ib__elu(g, x, 1.0);
}

static ib_node selu(ib_graph *g, ib_node x) {
    const double scale = 1.0507009873554805, alpha = 1.6732632423543772;
    ib_node e = ib__op_map(g, IB_MAP_expm1, ib__op_minimum(g, x, constant(g, 0.0)), NO, NO);
    return ib__op_select(g, compare(g, IB_MAP_less, x, 0.0), ib__op_scale(g, e, (float)(scale * alpha)),
                         ib__op_scale(g, x, (float)scale));
}

/* max(x, 0) + alpha expm1(min(x, 0) / alpha); both parts pass the gradient at 0, which makes 2 there, as in
 * TensorFlow. */
ib_node ib__celu(ib_graph *g, ib_node x, double alpha) {
    ib_node zero = constant(g, 0.0);
    ib_node positive = ib__op_select(g, compare(g, IB_MAP_less, x, 0.0), zero, x);
    ib_node negative = ib__op_select(g, compare(g, IB_MAP_greater, x, 0.0), zero, x);
    if (alpha != 1.0) negative = ib__op_divide(g, negative, constant(g, alpha));
    negative = ib__op_map(g, IB_MAP_expm1, negative, NO, NO);
    return ib__op_add(g, positive, alpha != 1.0 ? ib__op_scale(g, negative, (float)alpha) : negative);
}

static ib_node celu(ib_graph *g, ib_node x) {
    return ib__celu(g, x, 1.0);
}

/* x/2 (1 + erf(x / sqrt 2)); approximately x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
ib_node ib__gelu(ib_graph *g, ib_node x, bool approximate) {
    ib_node e;
    if (approximate) {
        ib_node cube = ib__op_multiply(g, ib__op_square(g, x), x);
        e = ib__op_add(g, x, ib__op_scale(g, cube, 0.044715f));
        e = ib__op_map(g, IB_MAP_tanh, ib__op_scale(g, e, 0.79788456080286535588f), NO, NO);
    } else {
        e = ib__op_map(g, IB_MAP_erf, ib__op_scale(g, x, 0.70710678118654752440f), NO, NO);
    }
    return ib__op_multiply(g, ib__op_scale(g, x, 0.5f), ib__op_offset(g, e, 1.0f));
}

static ib_node gelu(ib_graph *g, ib_node x) {
    return ib__gelu(g, x, false);
}

static ib_node softsign(ib_graph *g, ib_node x) {
    return ib__op_divide(g, x, ib__op_offset(g, ib__op_map(g, IB_MAP_abs, x, NO, NO), 1.0f));
}

static ib_node silu(ib_graph *g, ib_node x) {
    return ib__op_multiply(g, x, ib__op_map(g, IB_MAP_logistic, x, NO, NO));
}

static ib_node leaky_relu(ib_graph *g, ib_node x) {
    return ib__leaky_relu(g, x, 0.2);
}

static ib_node hard_sigmoid(ib_graph *g, ib_node x) {
    return ib__op_divide(g, relu6(g, ib__op_offset(g, x, 3.0f)), constant(g, 6.0));
}

static ib_node hard_silu(ib_graph *g, ib_node x) {
    return ib__op_multiply(g, x, hard_sigmoid(g, x));
}

static ib_node mish(ib_graph *g, ib_node x) {
    return ib__op_multiply(g, x, tanh_of(g, softplus(g, x)));
}

static ib_node hard_tanh(ib_graph *g, ib_node x) {
    return clip(g, x, -1.0, 1.0);
}

ib_node ib__hard_shrink(ib_graph *g, ib_node x, double threshold) {
    ib_node size = ib__op_map(g, IB_MAP_abs, x, NO, NO);
    return ib__op_select(g, compare(g, IB_MAP_greater, size, threshold), x, constant(g, 0.0));
}

static ib_node hard_shrink(ib_graph *g, ib_node x) {
    return ib__hard_shrink(g, x, 0.5);
}

ib_node ib__soft_shrink(ib_graph *g, ib_node x, double threshold) {
    float t = (float)threshold;
    ib_node below =
        ib__op_select(g, compare(g, IB_MAP_less, x, -threshold), ib__op_offset(g, x, t), constant(g, 0.0));
    return ib__op_select(g, compare(g, IB_MAP_greater, x, threshold), ib__op_offset(g, x, -t), below);
}

static ib_node soft_shrink(ib_graph *g, ib_node x) {
    return ib__soft_shrink(g, x, 0.5);
}

ib_node ib__threshold(ib_graph *g, ib_node x, double threshold, double value) {
    return ib__op_select(g, compare(g, IB_MAP_greater, x, threshold), x, constant(g, value));
}

static ib_node tanh_shrink(ib_graph *g, ib_node x) {
    return ib__op_subtract(g, x, tanh_of(g, x));
}

static ib_node log_sigmoid(ib_graph *g, ib_node x) {
    return ib__op_negate(g, softplus(g, ib__op_negate(g, x)));
}

/* (x + sqrt(x^2 + b)) / 2 */
ib_node ib__squareplus(ib_graph *g, ib_node x, double b) {
    ib_node root = ib__op_sqrt(g, ib__op_offset(g, ib__op_square(g, x), (float)b));
    return ib__op_scale(g, ib__op_add(g, x, root), 0.5f);
}

static ib_node squareplus(ib_graph *g, ib_node x) {
    return ib__squareplus(g, x, 4.0);
}

/* 0 up to -1, (x + 1)^2 / 4 up to 1, then x */
static ib_node sparse_plus(ib_graph *g, ib_node x) {
    ib_node middle = ib__op_scale(g, ib__op_square(g, ib__op_offset(g, x, 1.0f)), 0.25f);
    ib_node upper = ib__op_select(g, compare(g, IB_MAP_less, x, 1.0), middle, x);
    return ib__op_select(g, compare(g, IB_MAP_less_equal, x, -1.0), constant(g, 0.0), upper);
}

static ib_node sparse_sigmoid(ib_graph *g, ib_node x) {
    ib_node middle = ib__op_scale(g, ib__op_offset(g, x, 1.0f), 0.5f);
    ib_node upper = ib__op_select(g, compare(g, IB_MAP_greater_equal, x, 1.0), constant(g, 1.0), middle);
    return ib__op_select(g, compare(g, IB_MAP_less_equal, x, -1.0), constant(g, 0.0), upper);
}

ib_node ib__glu(ib_graph *g, ib_node x, int axis) {
    ib_shape shape = ib__node_shape(g, x);
    if (axis < 0 || axis >= shape.rank || shape.dims[axis] % 2)
        return ib__graph_fail(g, IB_BAD_INPUT, "glu: expected an axis of even size");
    int64_t start[IB_RANK_MAX] = {0}, limit[IB_RANK_MAX];
    memcpy(limit, shape.dims, sizeof limit);
    limit[axis] /= 2;
    ib_node first = ib__op_slice(g, x, start, limit);
    start[axis] = limit[axis];
    limit[axis] = shape.dims[axis];
    ib_node second = ib__op_slice(g, x, start, limit);
    return ib__op_multiply(g, first, ib__op_map(g, IB_MAP_logistic, second, NO, NO));
}

static ib_node glu(ib_graph *g, ib_node x) {
    return ib__glu(g, x, ib__node_shape(g, x).rank - 1);
}

/* Whether element j of a row stands before element i, or is it, when the row is sorted, the largest first and
 * equal ones in their order: a predicate [..., n (i), n (j)]. across: [..., 1, n]; down: [..., n, 1]. */
static ib_node ranked(ib_graph *g, ib_node across, ib_node down, int64_t n, int rank) {
    ib_shape square = {.rank = rank + 1};
    for (int i = 0; i < square.rank; i++)
        square.dims[i] = i < rank - 1 ? 1 : n;
    ib_node i = ib__op_convert(g, ib__op_iota(g, &square, rank - 1), IB_TYPE_F32);
    ib_node j = ib__op_convert(g, ib__op_iota(g, &square, rank), IB_TYPE_F32);
    ib_node equal = ib__op_map(g, IB_MAP_equal, across, down, NO);
    equal = ib__op_map(g, IB_MAP_and, equal, ib__op_map(g, IB_MAP_less_equal, j, i, NO), NO);
    return ib__op_map(g, IB_MAP_or, ib__op_map(g, IB_MAP_greater, across, down, NO), equal, NO);
}

/* Keras's formula: with the elements of a row sorted, the largest first, s_r the sum of the first r and k how
 * many of them fulfil x_r > (s_r - 1) / r, the result is max(x - t, 0), t = (sum of these k s_r - 1) / k.
 * (The paper has s_k for that sum.) Nothing is sorted: each element finds its r and s by comparison. */
ib_node ib__sparsemax(ib_graph *g, ib_node x, int axis) {
    ib_shape shape = ib__node_shape(g, x);
    int rank = shape.rank, last = rank - 1, order[IB_RANK_MAX];
    if (x == NO) return NO;
    if (axis < 0 || axis > last || rank >= IB_RANK_MAX || shape.dims[axis] > IB_SPARSEMAX_MAX)
        return ib__graph_fail(g, IB_UNSUPPORTED, "sparsemax: expected an axis of at most %d elements",
                              IB_SPARSEMAX_MAX);
    for (int i = 0; i < rank; i++)
        order[i] = i == axis ? last : i == last ? axis : i;
    if (axis != last) x = ib__op_transpose(g, x, order);
    ib_shape across = ib__node_shape(g, x), down = across;
    int64_t n = across.dims[last];
    across.rank = down.rank = rank + 1;
    across.dims[rank] = n;
    across.dims[last] = down.dims[rank] = 1;
    ib_node zero = constant(g, 0.0), one = constant(g, 1.0), row = ib__op_reshape(g, x, &across);
    ib_node before = ranked(g, row, ib__op_reshape(g, x, &down), n, rank);
    unsigned sum_axes = 1u << rank, row_axes = 1u << last;
    ib_node s = ib__op_reduce(g, IB_REDUCE_SUM, ib__op_select(g, before, row, zero), sum_axes, false);
    ib_node r = ib__op_reduce(g, IB_REDUCE_SUM, ib__op_select(g, before, one, zero), sum_axes, false);
    ib_node support = ib__op_subtract(g, x, ib__op_divide(g, ib__op_offset(g, s, -1.0f), r));
    support = compare(g, IB_MAP_greater, support, 0.0);
    ib_node k = ib__op_reduce(g, IB_REDUCE_SUM, ib__op_select(g, support, one, zero), row_axes, true);
    ib_node t = ib__op_reduce(g, IB_REDUCE_SUM, ib__op_select(g, support, s, zero), row_axes, true);
    t = ib__op_divide(g, ib__op_offset(g, t, -1.0f), k);
    ib_node y = ib__op_subtract(g, x, t);
    y = ib__op_select(g, compare(g, IB_MAP_less, y, 0.0), zero, y);
    return axis != last ? ib__op_transpose(g, y, order) : y;
}

static ib_node sparsemax(ib_graph *g, ib_node x) {
    return ib__sparsemax(g, x, ib__node_shape(g, x).rank - 1);
}

static const struct {
    const char *name;
    ib_node (*call)(ib_graph *g, ib_node x);
} activations[] = {{"linear", linear},
                   {"relu", ib__op_relu},
                   {"relu6", relu6},
                   {"softmax", softmax},
                   {"log_softmax", log_softmax},
                   {"sigmoid", sigmoid},
                   {"tanh", tanh_of},
                   {"softplus", softplus},
                   {"elu", elu},
                   {"selu", selu},
                   {"celu", celu},
                   {"gelu", gelu},
                   {"softsign", softsign},
                   {"silu", silu},
                   {"exponential", ib__op_exp},
                   {"leaky_relu", leaky_relu},
                   {"hard_sigmoid", hard_sigmoid},
                   {"hard_silu", hard_silu},
                   {"mish", mish},
                   {"hard_tanh", hard_tanh},
                   {"hard_shrink", hard_shrink},
                   {"soft_shrink", soft_shrink},
                   {"tanh_shrink", tanh_shrink},
                   {"log_sigmoid", log_sigmoid},
                   {"squareplus", squareplus},
                   {"sparse_plus", sparse_plus},
                   {"sparse_sigmoid", sparse_sigmoid},
                   {"glu", glu},
                   {"sparsemax", sparsemax}};
enum { ACTIVATIONS = sizeof activations / sizeof *activations };

static ib_status unknown(const char *name, const char *where, ib_error *err) {
    const char *names[ACTIVATIONS];
    for (size_t i = 0; i < ACTIVATIONS; i++)
        names[i] = activations[i].name;
    if (strcmp(name, "threshold") == 0)
        return ib__fail(err, IB_UNSUPPORTED, where,
                        "activation threshold has arguments that a name does not give; "
                        "keras.ops.threshold in a Functional model has them");
    const char *near = ib__nearest(name, names, ACTIVATIONS);
    return ib__fail(err, IB_BAD_INPUT, where, "unknown activation \"%.60s\"%s%s", name,
                    near ? "; nearest is " : "", near ? near : "");
}

/* A layer as activation, as in Dense(4, activation=LeakyReLU(0.2)). */
static ib_status find_layer(ib_activation *out, const char *class_name, const ib_value *settings,
                            const char *where, ib_value **canonical, ib_error *err) {
    char snake[128];
    ib_layer *layer;
    ib__snake_case(snake, sizeof snake, class_name);
    ib_status status = ib__layer_new(&layer, class_name, settings, snake, where, err);
    if (status != IB_OK) return status;
    if (!ib__activation_of_layer(out, layer))
        status =
            ib__fail(err, IB_UNSUPPORTED, where,
                     "layer %s as activation is not supported: give it as a layer of its own", class_name);
    if (status == IB_OK && canonical) {
        *canonical = ib__serialized("keras.layers", class_name, ib__value_copy(layer->config));
        if (!*canonical) status = ib__fail_memory(err);
    }
    ib__layer_free(layer);
    return status;
}

ib_status ib__activation_find(ib_activation *out, const ib_value *config, const char *where,
                              ib_value **canonical, ib_error *err) {
    static const char *const aliases[][2] = {{"swish", "silu"}, {"hard_swish", "hard_silu"}};
    *out = (ib_activation){0};
    const char *name = "linear";
    const ib_value *settings = NULL;
    ib_status status = IB_OK;
    if (config && config->kind != IB_NULL)
        status = ib__serialized_parts(config, "an activation", where, &name, &settings, err);
    if (status != IB_OK) return status;
    if (ib__value_is_string(ib__value_get(config, "class_name"), "function") && settings &&
        settings->kind == IB_STRING)
        name = settings->string;
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcmp(name, aliases[i][0]) == 0) name = aliases[i][1];
    size_t i = 0;
    while (i < ACTIVATIONS && strcmp(activations[i].name, name) != 0)
        i++;
    if (i == ACTIVATIONS && config && config->kind == IB_MAP && ib__layer_class(name))
        return find_layer(out, name, settings, where, canonical, err);
    if (i == ACTIVATIONS) return unknown(name, where, err);
    out->name = activations[i].name;
    out->call = activations[i].call;
    if (canonical) *canonical = ib__value_string(out->name);
    return !canonical || *canonical ? IB_OK : ib__fail_memory(err);
}

/* A layer of float32 alone: of another policy than the layer around it, it would cast. */
static ib_node layer_call(const ib_activation *activation, ib_graph *g, ib_node x) {
    if (ib__graph_format(g) == IB_FORMAT_F32 && activation->format == IB_FORMAT_F32)
        return activation->of_layer(activation, g, x);
    return ib__graph_fail(g, IB_UNSUPPORTED, "layer %s as activation is supported in float32 only",
                          activation->name);
}

/* In a 16-bit format computed in float32 and rounded once, but for what is exact anyway. */
ib_node ib__activation_call(const ib_activation *activation, ib_graph *g, ib_node x) {
    ib_format format = ib__graph_format(g);
    if (!activation->call) return layer_call(activation, g, x);
    if (format == IB_FORMAT_F32 || activation->call == linear || activation->call == ib__op_relu)
        return activation->call(g, x);
    (void)ib__graph_set_format(g, IB_FORMAT_F32);
    ib_node y = activation->call(g, ib__op_format(g, x, IB_FORMAT_F32));
    (void)ib__graph_set_format(g, format);
    return ib__op_format(g, y, format);
}

ib_status ib__activation_shape(const ib_activation *activation, const ib_layer *layer, ib_shape *shape,
                               ib_error *err) {
    if (activation->call != glu) return IB_OK;
    int64_t *last = &shape->dims[shape->rank - 1];
    if (shape->rank < 2 || *last < 0 || *last % 2)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "activation glu needs a last axis of even size");
    *last /= 2;
    return IB_OK;
}

const char *ib__activation_name(const ib_activation *activation) {
    return activation->name;
}

ib_status ib__read_activation(const ib_field *field, const ib_value *value, const char *where, void *out,
                              ib_value **canonical, ib_error *err) {
    (void)field;
    return ib__activation_find(out, value, where, canonical, err);
}
