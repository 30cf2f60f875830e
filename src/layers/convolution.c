/* SPDX-License-Identifier: Apache-2.0
 *
 * Conv2D. channels_first is brought to channels_last by transposes around the op.
 */
#include "layers/internal.h"

typedef struct conv2d {
    int64_t filters, kernel[2], strides[2], dilation[2], groups;
    int padding, data_format; /* 0: valid, channels_last; 1: same, channels_first */
    const ib_activation *activation;
    bool use_bias;
} conv2d;

#define AT(member) .offset = offsetof(conv2d, member)
static const ib_field fields[] = {
    IB_LAYER_FIELDS,
    {.key = "filters", .read = ib__read_int, AT(filters), .low = 1, .high = 0x1p31},
    {.key = "kernel_size", .read = ib__read_pair, AT(kernel), .low = 1, .high = 65536},
    {.key = "strides", .fallback = "[1, 1]", .read = ib__read_pair, AT(strides), .low = 1, .high = 65536},
    {.key = "padding",
     .fallback = "\"valid\"",
     .read = ib__read_choice,
     AT(padding),
     .choices = "valid same"},
    {.key = "data_format", .fallback = "null", .read = ib__read_data_format, AT(data_format)},
    {.key = "dilation_rate",
     .fallback = "[1, 1]",
     .read = ib__read_pair,
     AT(dilation),
     .low = 1,
     .high = 65536},
    {.key = "groups", .fallback = "1", .read = ib__read_int, AT(groups), .low = 1, .high = 0x1p31},
    {.key = "activation", .fallback = "null", .read = ib__read_activation, AT(activation)},
    {.key = "use_bias", .fallback = "true", .read = ib__read_bool, AT(use_bias)},
    {.key = "kernel_initializer", .fallback = "\"glorot_uniform\"", .read = ib__read_initializer},
    {.key = "bias_initializer", .fallback = "\"zeros\"", .read = ib__read_initializer},
    {.key = "kernel_regularizer", .fallback = "null", .read = ib__read_regularizer},
    {.key = "bias_regularizer", .fallback = "null", .read = ib__read_regularizer},
    {.key = "activity_regularizer", .fallback = "null", .read = ib__read_null},
    {.key = "kernel_constraint", .fallback = "null", .read = ib__read_null},
    {.key = "bias_constraint", .fallback = "null", .read = ib__read_null}};

static ib_status configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status = ib__layer_configure(layer, fields, sizeof fields / sizeof *fields, config, err);
    if (status != IB_OK) return status;
    const conv2d *s = layer->settings;
    if (s->filters % s->groups)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "expected filters divisible by groups, found %lld and %lld", (long long)s->filters,
                        (long long)s->groups);
    if ((s->strides[0] > 1 || s->strides[1] > 1) && (s->dilation[0] > 1 || s->dilation[1] > 1))
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "strides above 1 and dilation_rate above 1 exclude each other");
    return IB_OK;
}

/* The window of an input [n, h, w, c]; out: rows and columns of the output. */
static ib_window2d window_of(const conv2d *s, int64_t h, int64_t w, int64_t out[2]) {
    ib_window2d v = {.kh = s->kernel[0],
                     .kw = s->kernel[1],
                     .sh = s->strides[0],
                     .sw = s->strides[1],
                     .dh = s->dilation[0],
                     .dw = s->dilation[1]};
    ib__window_padding(s->padding, h, v.kh, v.sh, v.dh, &v.top, &v.bottom, &out[0]);
    ib__window_padding(s->padding, w, v.kw, v.sw, v.dw, &v.left, &v.right, &out[1]);
    return v;
}

static ib_status shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                       ib_error *err) {
    const conv2d *s = layer->settings;
    ib_status status = ib__layer_check_window_input(layer, inputs, n, err);
    if (status != IB_OK) return status;
    int c = s->data_format ? 1 : 3, h = s->data_format ? 2 : 1;
    int64_t channels = inputs[0].dims[c], size[2];
    if (channels % s->groups)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "expected channels divisible by groups, found %lld and %lld", (long long)channels,
                        (long long)s->groups);
    (void)window_of(s, inputs[0].dims[h], inputs[0].dims[h + 1], size);
    *out = inputs[0];
    out->dims[c] = s->filters;
    out->dims[h] = size[0];
    out->dims[h + 1] = size[1];
    status = ib__layer_check_window_output(layer, &inputs[0], size, err);
    return status == IB_OK ? ib__activation_shape(s->activation, layer, out, err) : status;
}

static ib_status build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    (void)n;
    const conv2d *s = layer->settings;
    int64_t channels = inputs[0].dims[s->data_format ? 1 : 3];
    ib_shape kernel = {.rank = 4, .dims = {s->kernel[0], s->kernel[1], channels / s->groups, s->filters}};
    ib_shape bias = {.rank = 1, .dims = {s->filters}};
    ib_status status = ib__layer_add_configured(layer, "kernel", &kernel, true, err);
    if (status == IB_OK && s->use_bias) status = ib__layer_add_configured(layer, "bias", &bias, true, err);
    return status;
}

static ib_node call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const conv2d *s = layer->settings;
    ib_graph *g = b->g;
    ib_node x = s->data_format ? ib__channels_last(g, inputs[0]) : inputs[0];
    ib_shape from = ib__node_shape(g, x);
    int64_t size[2];
    ib_window2d window = window_of(s, from.dims[1], from.dims[2], size);
    ib_node y = ib__op_convolution(g, x, ib__layer_weight(layer, g, "kernel"), &window, s->groups);
    if (s->use_bias) y = ib__op_add(g, y, ib__layer_weight(layer, g, "bias"));
    if (s->data_format) y = ib__channels_first(g, y);
    return ib__activation_call(s->activation, g, y);
}

const ib_layer_class ib__layer_conv2d = {.name = "Conv2D",
                                         .settings = sizeof(conv2d),
                                         .configure = configure,
                                         .shape = shape,
                                         .build = build,
                                         .call = call};
