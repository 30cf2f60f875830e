/* SPDX-License-Identifier: Apache-2.0
 *
 * The cells of ConvLSTM1D, 2D, 3D: an LSTM whose products are convolutions. The input's has the layer's
 * window; the state's has stride 1 and "same" padding. Gates stand side by side in the kernels' channels: i f
 * c o.
 *
 * The input's convolution is made for all time steps at once, outside of the steps.
 */
#include <stdio.h>

#include "layers/cells.h"
#include "layers/convolution.h"

enum { GATES = 4 };

#define FIELDS(sizes)                                                                                        \
    IB_LAYER_FIELDS, {.key = "filters", .read = ib__read_int, IB_CELL_AT(units), .low = 1, .high = 0x1p31},  \
        IB_WINDOW_SIZES("kernel_size", NULL, sizes, taps), IB_WINDOW_SIZES("strides", "1", sizes, strides),  \
        IB_WINDOW_CHOICE("padding", "\"valid\"", padding, "valid same"), IB_WINDOW_FORMAT,                   \
        IB_WINDOW_SIZES("dilation_rate", "1", sizes, dilation), IB_CELL_ACTIVATION,                          \
        IB_CELL_RECURRENT_ACTIVATION, IB_CELL_BIAS, IB_CELL_WEIGHTS, IB_CELL_FORGET, IB_CELL_REGULARIZERS,   \
        IB_CELL_CONSTRAINTS, IB_CELL_DROPOUT, IB_CELL_SEED
static const ib_field fields_1d[] = {FIELDS(ib__read_single)};
static const ib_field fields_2d[] = {FIELDS(ib__read_pair)};
static const ib_field fields_3d[] = {FIELDS(ib__read_triple)};

static ib_status configure(ib_layer *layer, int axes, const ib_field *fields, size_t n,
                           const ib_value *config, ib_error *err) {
    ((ib_window_settings *)layer->settings)->axes = axes;
    ib_status status = ib__layer_configure(layer, fields, n, config, err);
    return status == IB_OK ? ib__conv_check_strides(layer, err) : status;
}

/* A step's input as [n, ..., c]. */
static ib_shape channels_last(const ib_window_settings *w, const ib_shape *x) {
    ib_shape out = *x;
    for (int i = 0; i < w->axes; i++)
        out.dims[1 + i] = x->dims[ib__window_first_axis(w) + i];
    out.dims[w->axes + 1] = x->dims[w->data_format ? 1 : w->axes + 1];
    return out;
}

static ib_status build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    (void)n;
    const ib_cell *s = layer->settings;
    int axes = s->window.axes;
    int64_t width = GATES * s->units;
    ib_shape kernel = {.rank = axes + 2}, bias = {.rank = 1, .dims = {width}};
    memcpy(kernel.dims, s->window.taps, sizeof s->window.taps);
    kernel.dims[axes] = channels_last(&s->window, &inputs[0]).dims[axes + 1];
    kernel.dims[axes + 1] = width;
    ib_shape recurrent = kernel;
    recurrent.dims[axes] = s->units;
    ib_status status = ib__layer_add_configured(layer, "kernel", &kernel, true, err);
    if (status == IB_OK)
        status = ib__layer_add_configured_as(layer, "recurrent_kernel", "recurrent", &recurrent, true, err);
    if (status == IB_OK && s->use_bias) status = ib__layer_add_configured(layer, "bias", &bias, true, err);
    if (status == IB_OK && s->use_bias && s->unit_forget_bias)
        layer->weights[layer->n_weights - 1].fill = ib__cell_fill_forget_bias;
    return status;
}

/* h and c, in the layer's own form. All sizes but the batch must be known. */
static size_t states(const ib_layer *layer, const ib_shape *x, ib_shape out[IB_STATES_MAX], size_t *output) {
    const ib_cell *s = layer->settings;
    const ib_window_settings *w = &s->window;
    *output = 0;
    if (x->rank != w->axes + 2) return 0;
    ib_shape from = channels_last(w, x), y;
    for (int i = 1; i < from.rank; i++)
        if (from.dims[i] < 1 || from.dims[i] > INT32_MAX) return 0;
    (void)ib__window_of(w, &from, &y);
    out[0] = *x;
    for (int i = 0; i < w->axes; i++) {
        if (y.dims[1 + i] < 1) return 0;
        out[0].dims[ib__window_first_axis(w) + i] = y.dims[1 + i];
    }
    out[0].dims[w->data_format ? 1 : w->axes + 1] = s->units;
    out[1] = out[0];
    return 2;
}

/* x: [rows, ...] in the layer's own form -> [rows, ..., channels of the kernel] */
static ib_node convolve(const ib_window_settings *w, ib_graph *g, ib_node x, ib_node kernel) {
    x = ib__window_enter(w, g, x);
    ib_shape from = ib__node_shape(g, x);
    ib_window window = ib__window_of(w, &from, NULL);
    return ib__op_convolution(g, x, kernel, &window, 1);
}

/* The convolutions of all gates; with dropout each has its own input. */
static ib_node convolve_gates(const ib_cell *s, const ib_window_settings *w, ib_graph *g, ib_node x,
                              ib_node kernel, const ib_node *factors) {
    if (factors[0] == IB_NO_NODE) return convolve(w, g, x, kernel);
    int channels = w->axes + 1;
    ib_node parts[GATES];
    for (int i = 0; i < GATES; i++)
        parts[i] = convolve(w, g, ib__op_multiply(g, x, factors[i]),
                            ib__cell_part(g, kernel, channels, i * s->units, s->units));
    return ib__op_concatenate(g, parts, GATES, channels);
}

/* Keras drops nothing at the rate 1. */
static void draw(const ib_layer *layer, ib_build *b, const char *purpose, double rate, const ib_shape *shape,
                 ib_node out[GATES]) {
    const ib_cell *s = layer->settings;
    for (int i = 0; i < GATES; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s %d", purpose, i);
        out[i] = IB_NO_NODE;
        if (b->training && rate > 0 && rate < 1)
            out[i] = ib__dropout_factor(layer, b, s->seed, text, rate, shape);
    }
}

/* [samples, steps, ...] <-> [samples * steps, ...] */
static ib_node merge_steps(ib_graph *g, ib_node xs) {
    ib_shape from = ib__node_shape(g, xs), to = {.rank = from.rank - 1, .dims = {-1}};
    memcpy(to.dims + 1, from.dims + 2, (size_t)(to.rank - 1) * sizeof *to.dims);
    return ib__op_reshape(g, xs, &to);
}

static ib_node split_steps(ib_graph *g, ib_node x, int64_t samples, int64_t steps) {
    ib_shape from = ib__node_shape(g, x), to = {.rank = from.rank + 1, .dims = {samples, steps}};
    memcpy(to.dims + 2, from.dims + 1, (size_t)(from.rank - 1) * sizeof *to.dims);
    return ib__op_reshape(g, x, &to);
}

/* A factor of a step's input for the inputs of all steps. */
static ib_node for_all_steps(ib_graph *g, ib_node factor, const ib_shape *xs) {
    if (factor == IB_NO_NODE) return factor;
    ib_node wide = split_steps(g, factor, xs->dims[0], 1);
    return merge_steps(g, ib__op_broadcast_to(g, wide, xs));
}

static ib_node prepare(ib_layer *layer, ib_build *b, ib_node xs, const ib_shape *x, ib_cell_ready *ready) {
    const ib_cell *s = layer->settings;
    ib_graph *g = b->g;
    ib_shape h[IB_STATES_MAX], all = ib__node_shape(g, xs);
    size_t output;
    (void)states(layer, x, h, &output);
    draw(layer, b, "dropout", s->dropout, x, ready->drop);
    draw(layer, b, "recurrent dropout", s->recurrent_dropout, &h[0], ready->recurrent_drop);
    ib_node factors[GATES];
    for (int i = 0; i < GATES; i++)
        factors[i] = for_all_steps(g, ready->drop[i], &all);
    ib_node y =
        convolve_gates(s, &s->window, g, merge_steps(g, xs), ib__layer_weight(layer, g, "kernel"), factors);
    if (s->use_bias) y = ib__op_add(g, y, ib__layer_weight(layer, g, "bias"));
    ready->projected = true;
    return split_steps(g, y, all.dims[0], all.dims[1]);
}

/* c = f * c + i * activation(c~); h = o * activation(c) */
static ib_node step(ib_layer *layer, ib_build *b, const ib_cell_ready *ready, ib_node x, const ib_node *in,
                    ib_node *next) {
    const ib_cell *s = layer->settings;
    ib_graph *g = b->g;
    ib_window_settings w = s->window;
    w.padding = IB_PADDING_SAME;
    for (int i = 0; i < w.axes; i++)
        w.strides[i] = w.dilation[i] = 1;
    ib_node h = convolve_gates(s, &w, g, in[0], ib__layer_weight(layer, g, "recurrent_kernel"),
                               ready->recurrent_drop);
    ib_node z = ib__window_leave(&w, g, ib__op_add(g, x, h)), gate[GATES];
    for (int i = 0; i < GATES; i++) {
        gate[i] = ib__cell_part(g, z, w.data_format ? 1 : w.axes + 1, i * s->units, s->units);
        gate[i] = ib__activation_call(i == 2 ? &s->activation : &s->recurrent_activation, g, gate[i]);
    }
    next[1] = ib__op_add(g, ib__op_multiply(g, gate[1], in[1]), ib__op_multiply(g, gate[0], gate[2]));
    return next[0] = ib__op_multiply(g, gate[3], ib__activation_call(&s->activation, g, next[1]));
}

const ib_cell_class ib__cell_conv_lstm = {"ConvLSTMCell", states, prepare, step};

#define CELL(its_axes, fields)                                                                               \
    static ib_status configure_##its_axes(ib_layer *layer, const ib_value *config, ib_error *err) {          \
        return configure(layer, its_axes, fields, sizeof fields / sizeof *fields, config, err);              \
    }                                                                                                        \
    const ib_layer_class ib__layer_conv_lstm_cell##its_axes##d = {.name = "ConvLSTMCell",                    \
                                                                  .rounds = true,                            \
                                                                  .settings = sizeof(ib_cell),               \
                                                                  .configure = configure_##its_axes,         \
                                                                  .build = build};
CELL(1, fields_1d)
CELL(2, fields_2d)
CELL(3, fields_3d)
