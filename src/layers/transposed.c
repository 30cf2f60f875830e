/* SPDX-License-Identifier: Apache-2.0
 *
 * Conv1DTranspose, Conv2DTranspose and Conv3DTranspose: what the gradient of a convolution does to its input.
 */
#include "layers/convolution.h"

/* int64_t[axes]: null (-1) or as ib__read_single, ib__read_pair and ib__read_triple. */
static ib_status read_output_padding(const ib_field *field, const ib_value *value, const char *where,
                                     void *out, ib_value **canonical, ib_error *err) {
    const char *start = (const char *)out - offsetof(ib_convolution, output_padding);
    int axes = ((const ib_window_settings *)(const void *)start)->axes;
    ib_read_fn *const read[] = {ib__read_single, ib__read_pair, ib__read_triple};
    if (value->kind != IB_NULL) return read[axes - 1](field, value, where, out, canonical, err);
    for (int i = 0; i < axes; i++)
        ((int64_t *)out)[i] = -1;
    return IB_OK;
}

#define FIELDS(sizes, ones)                                                                                  \
    IB_LAYER_FIELDS, IB_CONV_COUNT("filters", NULL, filters), sizes("kernel_size", NULL, taps),              \
        sizes("strides", ones, strides), IB_CONV_PADDING("valid same"),                                      \
        {.key = "output_padding",                                                                            \
         .fallback = "null",                                                                                 \
         .read = read_output_padding,                                                                        \
         IB_CONV_AT(output_padding),                                                                         \
         .high = 65536},                                                                                     \
        IB_WINDOW_FORMAT, sizes("dilation_rate", ones, dilation), IB_CONV_ACTIVATION, IB_CONV_BIAS,          \
        IB_CONV_INITIALIZER("kernel", "\"glorot_uniform\""), IB_CONV_INITIALIZER("bias", "\"zeros\""),       \
        IB_CONV_REGULARIZER("kernel"), IB_CONV_REGULARIZER("bias"), IB_CONV_REGULARIZER("activity"),         \
        IB_CONV_CONSTRAINT("kernel"), IB_CONV_CONSTRAINT("bias")
static const ib_field fields_1d[] = {FIELDS(IB_CONV_SIZES_1D, "1")};
static const ib_field fields_2d[] = {FIELDS(IB_CONV_SIZES_2D, "[1, 1]")};
static const ib_field fields_3d[] = {FIELDS(IB_CONV_SIZES_3D, "[1, 1, 1]")};

static ib_status check(const ib_layer *layer, ib_error *err) {
    const ib_convolution *s = layer->settings;
    for (int i = 0; i < s->window.axes; i++)
        if (s->output_padding[i] >= s->window.strides[i])
            return ib__fail(err, IB_BAD_INPUT, layer->place,
                            "expected output_padding below strides, found %lld and %lld",
                            (long long)s->output_padding[i], (long long)s->window.strides[i]);
    return ib__conv_check_strides(layer, err);
}

/* Axis i of the output, of which the convolution makes `size` places (-1: unknown), and the padding of that
 * convolution. "same" makes size * stride places, "valid" as many as the taps reach and no gap behind them;
 * output_padding counts from (size - 1) * stride + 1 (odd reach) or + 0, or from the taps' reach. */
static int64_t grow_axis(const ib_convolution *s, int i, int64_t size, ib_window *w) {
    int64_t reach = (w->taps[i] - 1) * w->dilation[i] + 1, stride = w->strides[i];
    int64_t extra = s->output_padding[i];
    if (s->window.padding == IB_PADDING_VALID) {
        if (extra < 0) extra = reach < stride ? stride - reach : 0;
        return size < 0 ? -1 : (size - 1) * stride + reach + extra;
    }
    int64_t own = extra < 0 ? stride : reach % 2 + extra; /* places behind the last stride */
    int64_t total = reach > own ? reach - own : 0;
    w->low[i] = total / 2;
    w->high[i] = total - w->low[i];
    return size < 0 ? -1 : (size - 1) * stride + own;
}

/* The window of the convolution that goes from y, the layer's output, to x. */
static ib_window window_of(const ib_convolution *s, const ib_shape *x, ib_shape *y) {
    ib_window w = {0};
    *y = *x;
    for (int i = 0; i < s->window.axes; i++) {
        w.taps[i] = s->window.taps[i];
        w.strides[i] = s->window.strides[i];
        w.dilation[i] = s->window.dilation[i];
        y->dims[1 + i] = grow_axis(s, i, x->dims[1 + i], &w);
    }
    y->dims[y->rank - 1] = s->filters;
    return w;
}

static ib_status shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                       ib_error *err) {
    ib_shape x, y;
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    for (int i = 1; i < x.rank; i++)
        if (x.dims[i] == 0) return ib__fail(err, IB_BAD_INPUT, layer->place, "an axis of the input is empty");
    (void)window_of(layer->settings, &x, &y);
    return ib__conv_output(layer, &inputs[0], &y, out, err);
}

static ib_status build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    const ib_convolution *s = layer->settings;
    ib_shape x;
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    ib_shape kernel = ib__conv_kernel_shape(s, s->filters, x.dims[x.rank - 1]);
    status = ib__layer_add_configured(layer, "kernel", &kernel, true, err);
    return status == IB_OK ? ib__conv_add_bias(layer, s->filters, err) : status;
}

static ib_node call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const ib_convolution *s = layer->settings;
    ib_node x = ib__window_enter(&s->window, b->g, inputs[0]);
    ib_shape from = ib__node_shape(b->g, x), to;
    ib_window window = window_of(s, &from, &to);
    ib_node k = ib__layer_weight(layer, b->g, "kernel");
    return ib__conv_finish(layer, b->g, ib__op_convolution_transpose(b->g, x, k, &to.dims[1], &window, 1));
}

IB_CONVOLUTION(conv1d_transpose, "Conv1DTranspose", 1, fields_1d, check, shape, build, call)
IB_CONVOLUTION(conv2d_transpose, "Conv2DTranspose", 2, fields_2d, check, shape, build, call)
IB_CONVOLUTION(conv3d_transpose, "Conv3DTranspose", 3, fields_3d, check, shape, build, call)
