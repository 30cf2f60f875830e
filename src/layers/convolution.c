/* SPDX-License-Identifier: Apache-2.0
 *
 * Conv1D and Conv2D, DepthwiseConv1D and 2D, SeparableConv1D and 2D.
 */
#include <stdio.h>

#include "layers/window.h"

typedef struct convolution {
    ib_window_settings window;
    int64_t filters, groups, multiplier;
    const ib_activation *activation;
    bool use_bias;
} convolution;

#define AT(member) .offset = offsetof(convolution, member)
#define PADDINGS_1D "valid same causal"
#define PADDINGS_2D "valid same"
#define PADDING(choices) IB_WINDOW_CHOICE("padding", "\"valid\"", padding, choices)
#define COUNT(name, default_, member)                                                                        \
    { .key = name, .fallback = default_, .read = ib__read_int, AT(member), .low = 1, .high = 0x1p31 }
#define ACTIVATION_AND_BIAS                                                                                  \
    {.key = "activation", .fallback = "null", .read = ib__read_activation, AT(activation)}, {                \
        .key = "use_bias", .fallback = "true", .read = ib__read_bool, AT(use_bias)                           \
    }
#define INITIALIZER(name, default_)                                                                          \
    { .key = name "_initializer", .fallback = default_, .read = ib__read_initializer }
#define REGULARIZER(name)                                                                                    \
    { .key = name "_regularizer", .fallback = "null", .read = ib__read_regularizer }
#define CONSTRAINT(name)                                                                                     \
    { .key = name "_constraint", .fallback = "null", .read = ib__read_constraint }
#define SIZES_1D(key, fallback, member) IB_WINDOW_SIZES(key, fallback, ib__read_single, member)
#define SIZES_2D(key, fallback, member) IB_WINDOW_SIZES(key, fallback, ib__read_pair, member)

#define PLAIN(sizes, ones, paddings)                                                                         \
    IB_LAYER_FIELDS, COUNT("filters", NULL, filters), sizes("kernel_size", NULL, taps),                      \
        sizes("strides", ones, strides), PADDING(paddings), IB_WINDOW_FORMAT,                                \
        sizes("dilation_rate", ones, dilation), COUNT("groups", "1", groups), ACTIVATION_AND_BIAS,           \
        INITIALIZER("kernel", "\"glorot_uniform\""), INITIALIZER("bias", "\"zeros\""),                       \
        REGULARIZER("kernel"), REGULARIZER("bias"), REGULARIZER("activity"), CONSTRAINT("kernel"),           \
        CONSTRAINT("bias")
#define DEPTHWISE(sizes, ones, paddings)                                                                     \
    IB_LAYER_FIELDS, COUNT("depth_multiplier", "1", multiplier), sizes("kernel_size", NULL, taps),           \
        sizes("strides", ones, strides), PADDING(paddings), IB_WINDOW_FORMAT,                                \
        sizes("dilation_rate", ones, dilation), ACTIVATION_AND_BIAS,                                         \
        INITIALIZER("depthwise", "\"glorot_uniform\""), INITIALIZER("bias", "\"zeros\""),                    \
        REGULARIZER("depthwise"), REGULARIZER("bias"), REGULARIZER("activity"), CONSTRAINT("depthwise"),     \
        CONSTRAINT("bias")
#define SEPARABLE(sizes, ones, paddings)                                                                     \
    IB_LAYER_FIELDS, COUNT("depth_multiplier", "1", multiplier), COUNT("filters", NULL, filters),            \
        sizes("kernel_size", NULL, taps), sizes("strides", ones, strides), PADDING(paddings),                \
        IB_WINDOW_FORMAT, sizes("dilation_rate", ones, dilation), ACTIVATION_AND_BIAS,                       \
        INITIALIZER("depthwise", "\"glorot_uniform\""), INITIALIZER("pointwise", "\"glorot_uniform\""),      \
        INITIALIZER("bias", "\"zeros\""), REGULARIZER("depthwise"), REGULARIZER("pointwise"),                \
        REGULARIZER("bias"), REGULARIZER("activity"), CONSTRAINT("depthwise"), CONSTRAINT("pointwise"),      \
        CONSTRAINT("bias")

static const ib_field plain_1d[] = {PLAIN(SIZES_1D, "1", PADDINGS_1D)};
static const ib_field plain_2d[] = {PLAIN(SIZES_2D, "[1, 1]", PADDINGS_2D)};
static const ib_field depthwise_1d[] = {DEPTHWISE(SIZES_1D, "1", PADDINGS_1D)};
static const ib_field depthwise_2d[] = {DEPTHWISE(SIZES_2D, "[1, 1]", PADDINGS_2D)};
static const ib_field separable_1d[] = {SEPARABLE(SIZES_1D, "1", PADDINGS_1D)};
static const ib_field separable_2d[] = {SEPARABLE(SIZES_2D, "[1, 1]", PADDINGS_2D)};

static ib_status configure(ib_layer *layer, int axes, const ib_field *fields, size_t n,
                           const ib_value *config, ib_error *err) {
    convolution *s = layer->settings;
    s->window.axes = axes;
    s->groups = 1;
    return ib__layer_configure(layer, fields, n, config, err);
}

/* Keras refuses strides with dilation in Conv1D and Conv2D. */
static ib_status configure_plain(ib_layer *layer, int axes, const ib_field *fields, size_t n,
                                 const ib_value *config, ib_error *err) {
    ib_status status = configure(layer, axes, fields, n, config, err);
    if (status != IB_OK) return status;
    const convolution *s = layer->settings;
    const int64_t *strides = s->window.strides, *dilation = s->window.dilation;
    if (s->filters % s->groups)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "expected filters divisible by groups, found %lld and %lld", (long long)s->filters,
                        (long long)s->groups);
    if ((strides[0] > 1 || strides[1] > 1) && (dilation[0] > 1 || dilation[1] > 1))
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "strides above 1 and dilation_rate above 1 exclude each other");
    return IB_OK;
}

/* Output channels: filters, or for a depthwise layer channels * multiplier. */
static ib_status shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                       ib_error *err) {
    const convolution *s = layer->settings;
    ib_shape x;
    int64_t size[2];
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    if (x.dims[3] < 1 || x.dims[3] % s->groups)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "expected channels divisible by groups, found %lld and %lld", (long long)x.dims[3],
                        (long long)s->groups);
    (void)ib__window_of(&s->window, &x, size);
    x = (ib_shape){
        .rank = 4,
        .dims = {x.dims[0], size[0], size[1], s->filters ? s->filters : x.dims[3] * s->multiplier}};
    status = ib__window_output(layer, &inputs[0], &x, out, err);
    return status == IB_OK ? ib__activation_shape(s->activation, layer, out, err) : status;
}

/* [kh, kw, a, b], or [kw, a, b] over one axis. */
static ib_shape kernel_shape(const convolution *s, int64_t a, int64_t b) {
    const int64_t *taps = s->window.taps;
    if (s->window.axes == 1) return (ib_shape){.rank = 3, .dims = {taps[1], a, b}};
    return (ib_shape){.rank = 4, .dims = {taps[0], taps[1], a, b}};
}

static ib_status add_weight(ib_layer *layer, const char *name, const char *configured, const ib_shape *dims,
                            ib_error *err) {
    char initializer[64], regularizer[64], constraint[64];
    (void)snprintf(initializer, sizeof initializer, "%s_initializer", configured);
    (void)snprintf(regularizer, sizeof regularizer, "%s_regularizer", configured);
    (void)snprintf(constraint, sizeof constraint, "%s_constraint", configured);
    return ib__layer_add_weight(layer, name, dims, true, ib__value_get(layer->config, initializer),
                                ib__value_get(layer->config, regularizer),
                                ib__value_get(layer->config, constraint), NULL, err);
}

static ib_status add_bias(ib_layer *layer, int64_t channels, ib_error *err) {
    const convolution *s = layer->settings;
    ib_shape dims = {.rank = 1, .dims = {channels}};
    return s->use_bias ? add_weight(layer, "bias", "bias", &dims, err) : IB_OK;
}

static ib_status build_plain(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    const convolution *s = layer->settings;
    ib_shape x;
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    ib_shape kernel = kernel_shape(s, x.dims[3] / s->groups, s->filters);
    status = add_weight(layer, "kernel", "kernel", &kernel, err);
    return status == IB_OK ? add_bias(layer, s->filters, err) : status;
}

static ib_status build_depthwise(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    const convolution *s = layer->settings;
    ib_shape x;
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    ib_shape kernel = kernel_shape(s, x.dims[3], s->multiplier);
    status = add_weight(layer, "kernel", "depthwise", &kernel, err);
    return status == IB_OK ? add_bias(layer, x.dims[3] * s->multiplier, err) : status;
}

static ib_status build_separable(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    const convolution *s = layer->settings;
    ib_shape x;
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    ib_shape depthwise = kernel_shape(s, x.dims[3], s->multiplier), pointwise = depthwise;
    for (int i = 0; i < s->window.axes; i++)
        pointwise.dims[i] = 1;
    pointwise.dims[s->window.axes] = x.dims[3] * s->multiplier;
    pointwise.dims[s->window.axes + 1] = s->filters;
    status = add_weight(layer, "depthwise_kernel", "depthwise", &depthwise, err);
    if (status == IB_OK) status = add_weight(layer, "pointwise_kernel", "pointwise", &pointwise, err);
    return status == IB_OK ? add_bias(layer, s->filters, err) : status;
}

/* A weight as the op's kernel [kh, kw, ci / groups, co]. */
static ib_node kernel_node(const ib_layer *layer, ib_graph *g, const char *name, int64_t kh, int64_t kw,
                           int64_t in, int64_t out) {
    ib_shape dims = {.rank = 4, .dims = {kh, kw, in, out}};
    return ib__op_reshape(g, ib__layer_weight(layer, g, name), &dims);
}

static ib_node finish(const ib_layer *layer, ib_graph *g, ib_node y) {
    const convolution *s = layer->settings;
    if (s->use_bias) y = ib__op_add(g, y, ib__layer_weight(layer, g, "bias"));
    return ib__activation_call(s->activation, g, ib__window_leave(&s->window, g, y));
}

static ib_node call_plain(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const convolution *s = layer->settings;
    ib_node x = ib__window_enter(&s->window, b->g, inputs[0]);
    ib_shape from = ib__node_shape(b->g, x);
    int64_t size[2];
    ib_window2d window = ib__window_of(&s->window, &from, size);
    ib_node k =
        kernel_node(layer, b->g, "kernel", window.kh, window.kw, from.dims[3] / s->groups, s->filters);
    return finish(layer, b->g, ib__op_convolution(b->g, x, k, &window, s->groups));
}

/* Each channel is a group of its own. */
static ib_node depthwise(ib_layer *layer, ib_graph *g, ib_node x, const char *name) {
    const convolution *s = layer->settings;
    ib_shape from = ib__node_shape(g, x);
    int64_t size[2], channels = from.dims[3];
    ib_window2d window = ib__window_of(&s->window, &from, size);
    ib_node k = kernel_node(layer, g, name, window.kh, window.kw, 1, channels * s->multiplier);
    return ib__op_convolution(g, x, k, &window, channels);
}

static ib_node call_depthwise(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const convolution *s = layer->settings;
    ib_node x = ib__window_enter(&s->window, b->g, inputs[0]);
    return finish(layer, b->g, depthwise(layer, b->g, x, "kernel"));
}

static ib_node call_separable(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const convolution *s = layer->settings;
    static const ib_window2d point = {.kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1};
    ib_node x = ib__window_enter(&s->window, b->g, inputs[0]);
    ib_node y = depthwise(layer, b->g, x, "depthwise_kernel");
    int64_t channels = ib__node_shape(b->g, y).dims[3];
    ib_node k = kernel_node(layer, b->g, "pointwise_kernel", 1, 1, channels, s->filters);
    return finish(layer, b->g, ib__op_convolution(b->g, y, k, &point, 1));
}

#define CONVOLUTION(symbol, class_name, axes, fields, its_configure, kind)                                   \
    static ib_status symbol##_configure(ib_layer *layer, const ib_value *config, ib_error *err) {            \
        return its_configure(layer, axes, fields, sizeof fields / sizeof *fields, config, err);              \
    }                                                                                                        \
    const ib_layer_class ib__layer_##symbol = {.name = class_name,                                           \
                                               .settings = sizeof(convolution),                              \
                                               .configure = symbol##_configure,                              \
                                               .shape = shape,                                               \
                                               .build = build_##kind,                                        \
                                               .call = call_##kind};

CONVOLUTION(conv1d, "Conv1D", 1, plain_1d, configure_plain, plain)
CONVOLUTION(conv2d, "Conv2D", 2, plain_2d, configure_plain, plain)
CONVOLUTION(depthwise_conv1d, "DepthwiseConv1D", 1, depthwise_1d, configure, depthwise)
CONVOLUTION(depthwise_conv2d, "DepthwiseConv2D", 2, depthwise_2d, configure, depthwise)
CONVOLUTION(separable_conv1d, "SeparableConv1D", 1, separable_1d, configure, separable)
CONVOLUTION(separable_conv2d, "SeparableConv2D", 2, separable_2d, configure, separable)
