/* SPDX-License-Identifier: Apache-2.0
 *
 * Conv1D, Conv2D and Conv3D, and what all families of convolutions share.
 */
#include "layers/convolution.h"

ib_status ib__conv_configure(ib_layer *layer, int axes, const ib_field *fields, size_t n,
                             const ib_value *config, ib_error *err) {
    ib_convolution *s = layer->settings;
    s->window.axes = axes;
    s->groups = 1;
    return ib__layer_configure(layer, fields, n, config, err);
}

ib_status ib__conv_check_strides(const ib_layer *layer, ib_error *err) {
    const ib_window_settings *s = layer->settings;
    bool strided = false, dilated = false;
    for (int i = 0; i < s->axes; i++) {
        strided |= s->strides[i] > 1;
        dilated |= s->dilation[i] > 1;
    }
    if (strided && dilated)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "strides above 1 and dilation_rate above 1 exclude each other");
    return IB_OK;
}

ib_shape ib__conv_kernel_shape(const ib_convolution *s, int64_t a, int64_t b) {
    int axes = s->window.axes;
    ib_shape shape = {.rank = axes + 2};
    memcpy(shape.dims, s->window.taps, sizeof s->window.taps);
    shape.dims[axes] = a;
    shape.dims[axes + 1] = b;
    return shape;
}

ib_status ib__conv_add_bias(ib_layer *layer, int64_t channels, ib_error *err) {
    const ib_convolution *s = layer->settings;
    ib_shape dims = {.rank = 1, .dims = {channels}};
    return s->use_bias ? ib__layer_add_configured(layer, "bias", &dims, true, err) : IB_OK;
}

ib_status ib__conv_output(const ib_layer *layer, const ib_shape *input, const ib_shape *y, ib_shape *out,
                          ib_error *err) {
    const ib_convolution *s = layer->settings;
    ib_status status = ib__window_output(layer, input, y, out, err);
    return status == IB_OK ? ib__activation_shape(&s->activation, layer, out, err) : status;
}

ib_node ib__conv_finish(const ib_layer *layer, ib_graph *g, ib_node y) {
    const ib_convolution *s = layer->settings;
    if (s->use_bias) y = ib__op_add(g, y, ib__layer_weight(layer, g, "bias"));
    return ib__activation_call(&s->activation, g, ib__window_leave(&s->window, g, y));
}

/* ---- Conv1D, Conv2D, Conv3D ---- */

#define FIELDS(sizes, ones, paddings)                                                                        \
    IB_LAYER_FIELDS, IB_CONV_COUNT("filters", NULL, filters), sizes("kernel_size", NULL, taps),              \
        sizes("strides", ones, strides), IB_CONV_PADDING(paddings), IB_WINDOW_FORMAT,                        \
        sizes("dilation_rate", ones, dilation), IB_CONV_COUNT("groups", "1", groups), IB_CONV_ACTIVATION,    \
        IB_CONV_BIAS, IB_CONV_INITIALIZER("kernel", "\"glorot_uniform\""),                                   \
        IB_CONV_INITIALIZER("bias", "\"zeros\""), IB_CONV_REGULARIZER("kernel"),                             \
        IB_CONV_REGULARIZER("bias"), IB_CONV_REGULARIZER("activity"), IB_CONV_CONSTRAINT("kernel"),          \
        IB_CONV_CONSTRAINT("bias")
static const ib_field fields_1d[] = {FIELDS(IB_CONV_SIZES_1D, "1", "valid same causal")};
static const ib_field fields_2d[] = {FIELDS(IB_CONV_SIZES_2D, "[1, 1]", "valid same")};
static const ib_field fields_3d[] = {FIELDS(IB_CONV_SIZES_3D, "[1, 1, 1]", "valid same")};

static ib_status check(const ib_layer *layer, ib_error *err) {
    const ib_convolution *s = layer->settings;
    if (s->filters % s->groups)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "expected filters divisible by groups, found %lld and %lld", (long long)s->filters,
                        (long long)s->groups);
    return ib__conv_check_strides(layer, err);
}

static ib_status shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                       ib_error *err) {
    const ib_convolution *s = layer->settings;
    ib_shape x, y;
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    int64_t *channels = &x.dims[x.rank - 1];
    if (*channels < 1 || *channels % s->groups)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "expected channels divisible by groups, found %lld and %lld", (long long)*channels,
                        (long long)s->groups);
    (void)ib__window_of(&s->window, &x, &y);
    y.dims[y.rank - 1] = s->filters;
    return ib__conv_output(layer, &inputs[0], &y, out, err);
}

static ib_status build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    const ib_convolution *s = layer->settings;
    ib_shape x;
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    ib_shape kernel = ib__conv_kernel_shape(s, x.dims[x.rank - 1] / s->groups, s->filters);
    status = ib__layer_add_configured(layer, "kernel", &kernel, true, err);
    return status == IB_OK ? ib__conv_add_bias(layer, s->filters, err) : status;
}

static ib_node call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const ib_convolution *s = layer->settings;
    ib_node x = ib__window_enter(&s->window, b->g, inputs[0]);
    ib_shape from = ib__node_shape(b->g, x);
    ib_window window = ib__window_of(&s->window, &from, NULL);
    ib_node k = ib__layer_weight(layer, b->g, "kernel");
    return ib__conv_finish(layer, b->g, ib__op_convolution(b->g, x, k, &window, s->groups));
}

IB_CONVOLUTION(conv1d, "Conv1D", 1, fields_1d, check, shape, build, call)
IB_CONVOLUTION(conv2d, "Conv2D", 2, fields_2d, check, shape, build, call)
IB_CONVOLUTION(conv3d, "Conv3D", 3, fields_3d, check, shape, build, call)
