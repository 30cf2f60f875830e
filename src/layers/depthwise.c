/* SPDX-License-Identifier: Apache-2.0
 *
 * DepthwiseConv1D and 2D, SeparableConv1D and 2D: each channel is a group of its own.
 */
#include "layers/convolution.h"

#define DEPTHWISE(sizes, ones)                                                                               \
    IB_LAYER_FIELDS, IB_CONV_COUNT("depth_multiplier", "1", multiplier), sizes("kernel_size", NULL, taps),   \
        sizes("strides", ones, strides), IB_CONV_PADDING("valid same"), IB_WINDOW_FORMAT,                    \
        sizes("dilation_rate", ones, dilation), IB_CONV_ACTIVATION, IB_CONV_BIAS,                            \
        IB_CONV_INITIALIZER("depthwise", "\"glorot_uniform\""), IB_CONV_INITIALIZER("bias", "\"zeros\""),    \
        IB_CONV_REGULARIZER("depthwise"), IB_CONV_REGULARIZER("bias"), IB_CONV_REGULARIZER("activity"),      \
        IB_CONV_CONSTRAINT("depthwise"), IB_CONV_CONSTRAINT("bias")
#define SEPARABLE(sizes, ones)                                                                               \
    IB_LAYER_FIELDS, IB_CONV_COUNT("depth_multiplier", "1", multiplier),                                     \
        IB_CONV_COUNT("filters", NULL, filters), sizes("kernel_size", NULL, taps),                           \
        sizes("strides", ones, strides), IB_CONV_PADDING("valid same"), IB_WINDOW_FORMAT,                    \
        sizes("dilation_rate", ones, dilation), IB_CONV_ACTIVATION, IB_CONV_BIAS,                            \
        IB_CONV_INITIALIZER("depthwise", "\"glorot_uniform\""),                                              \
        IB_CONV_INITIALIZER("pointwise", "\"glorot_uniform\""), IB_CONV_INITIALIZER("bias", "\"zeros\""),    \
        IB_CONV_REGULARIZER("depthwise"), IB_CONV_REGULARIZER("pointwise"), IB_CONV_REGULARIZER("bias"),     \
        IB_CONV_REGULARIZER("activity"), IB_CONV_CONSTRAINT("depthwise"), IB_CONV_CONSTRAINT("pointwise"),   \
        IB_CONV_CONSTRAINT("bias")
static const ib_field depthwise_1d[] = {DEPTHWISE(IB_CONV_SIZES_1D, "1")};
static const ib_field depthwise_2d[] = {DEPTHWISE(IB_CONV_SIZES_2D, "[1, 1]")};
static const ib_field separable_1d[] = {SEPARABLE(IB_CONV_SIZES_1D, "1")};
static const ib_field separable_2d[] = {SEPARABLE(IB_CONV_SIZES_2D, "[1, 1]")};

static ib_status no_check(const ib_layer *layer, ib_error *err) {
    (void)layer, (void)err;
    return IB_OK;
}

/* Output channels: filters, or for a depthwise layer channels * multiplier. */
static ib_status shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                       ib_error *err) {
    const ib_convolution *s = layer->settings;
    ib_shape x, y;
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    int64_t made, channels = x.dims[x.rank - 1];
    if (channels < 1 || __builtin_mul_overflow(channels, s->multiplier, &made))
        return ib__fail(err, IB_BAD_INPUT, layer->place, "too many or no channels: %lld by %lld",
                        (long long)channels, (long long)s->multiplier);
    (void)ib__window_of(&s->window, &x, &y);
    y.dims[y.rank - 1] = s->filters ? s->filters : made;
    return ib__conv_output(layer, &inputs[0], &y, out, err);
}

static ib_status build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    const ib_convolution *s = layer->settings;
    ib_shape x;
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    int64_t channels = x.dims[x.rank - 1], made = channels * s->multiplier;
    ib_shape depthwise = ib__conv_kernel_shape(s, channels, s->multiplier);
    if (!s->filters) {
        status = ib__layer_add_configured_as(layer, "kernel", "depthwise", &depthwise, true, err);
        return status == IB_OK ? ib__conv_add_bias(layer, made, err) : status;
    }
    ib_shape pointwise = ib__conv_kernel_shape(s, made, s->filters);
    for (int i = 0; i < s->window.axes; i++)
        pointwise.dims[i] = 1;
    status = ib__layer_add_configured_as(layer, "depthwise_kernel", "depthwise", &depthwise, true, err);
    if (status == IB_OK)
        status = ib__layer_add_configured_as(layer, "pointwise_kernel", "pointwise", &pointwise, true, err);
    return status == IB_OK ? ib__conv_add_bias(layer, s->filters, err) : status;
}

/* The weight [taps ..., c, multiplier] is the op's kernel [taps ..., 1, c * multiplier]. */
static ib_node depthwise(ib_layer *layer, ib_graph *g, ib_node x, const char *name) {
    const ib_convolution *s = layer->settings;
    ib_shape from = ib__node_shape(g, x);
    int64_t channels = from.dims[from.rank - 1];
    ib_window window = ib__window_of(&s->window, &from, NULL);
    ib_shape dims = ib__conv_kernel_shape(s, 1, channels * s->multiplier);
    ib_node k = ib__op_reshape(g, ib__layer_weight(layer, g, name), &dims);
    return ib__op_convolution(g, x, k, &window, channels);
}

static ib_node call_depthwise(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const ib_convolution *s = layer->settings;
    ib_node x = ib__window_enter(&s->window, b->g, inputs[0]);
    return ib__conv_finish(layer, b->g, depthwise(layer, b->g, x, "kernel"));
}

static ib_node call_separable(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const ib_convolution *s = layer->settings;
    static const ib_window point = {.taps = {1, 1}, .strides = {1, 1}, .dilation = {1, 1}};
    ib_node x = ib__window_enter(&s->window, b->g, inputs[0]);
    ib_node y = depthwise(layer, b->g, x, "depthwise_kernel");
    ib_node k = ib__layer_weight(layer, b->g, "pointwise_kernel");
    return ib__conv_finish(layer, b->g, ib__op_convolution(b->g, y, k, &point, 1));
}

IB_CONVOLUTION(depthwise_conv1d, "DepthwiseConv1D", 1, depthwise_1d, no_check, shape, build, call_depthwise)
IB_CONVOLUTION(depthwise_conv2d, "DepthwiseConv2D", 2, depthwise_2d, no_check, shape, build, call_depthwise)
IB_CONVOLUTION(separable_conv1d, "SeparableConv1D", 1, separable_1d, no_check, shape, build, call_separable)
IB_CONVOLUTION(separable_conv2d, "SeparableConv2D", 2, separable_2d, no_check, shape, build, call_separable)
