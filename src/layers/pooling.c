/* SPDX-License-Identifier: Apache-2.0
 *
 * Pooling by windows: MaxPooling and AveragePooling, AdaptiveMaxPooling and AdaptiveAveragePooling over one
 * to three axes.
 */
#include "layers/window.h"

typedef ib_node pool_op(ib_graph *g, ib_node x, const ib_window *window);

/* ---- MaxPooling, AveragePooling ---- */

#define FIELDS(reader, size)                                                                                 \
    IB_LAYER_FIELDS, IB_WINDOW_SIZES("pool_size", size, reader, taps),                                       \
        IB_WINDOW_CHOICE("padding", "\"valid\"", padding, "valid same"),                                     \
        IB_WINDOW_SIZES("strides", "null", ib__read_pool_strides, strides), IB_WINDOW_FORMAT
static const ib_field fields_1d[] = {FIELDS(ib__read_single, "2")};
static const ib_field fields_2d[] = {FIELDS(ib__read_pair, "[2, 2]")};
static const ib_field fields_3d[] = {FIELDS(ib__read_triple, "[2, 2, 2]")};

static ib_status shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                       ib_error *err) {
    ib_shape x, y;
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    (void)ib__window_of(layer->settings, &x, &y);
    return ib__window_output(layer, &inputs[0], &y, out, err);
}

static ib_node pool(ib_layer *layer, ib_build *b, ib_node x, pool_op *op) {
    const ib_window_settings *s = layer->settings;
    x = ib__window_enter(s, b->g, x);
    ib_shape from = ib__node_shape(b->g, x);
    ib_window window = ib__window_of(s, &from, NULL);
    return ib__window_leave(s, b->g, op(b->g, x, &window));
}

static ib_node call_max(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    return pool(layer, b, inputs[0], ib__op_max_pool);
}

static ib_node call_average(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    return pool(layer, b, inputs[0], ib__op_avg_pool);
}

#define CLASS(symbol, class_name, its_axes, fields, its_shape, its_call)                                     \
    IB_WINDOW_CLASS(symbol, class_name, ib_window_settings, its_axes, fields, its_shape, its_call)

CLASS(max_pooling1d, "MaxPooling1D", 1, fields_1d, shape, call_max)
CLASS(max_pooling2d, "MaxPooling2D", 2, fields_2d, shape, call_max)
CLASS(max_pooling3d, "MaxPooling3D", 3, fields_3d, shape, call_max)
CLASS(average_pooling1d, "AveragePooling1D", 1, fields_1d, shape, call_average)
CLASS(average_pooling2d, "AveragePooling2D", 2, fields_2d, shape, call_average)
CLASS(average_pooling3d, "AveragePooling3D", 3, fields_3d, shape, call_average)

/* ---- AdaptiveMaxPooling, AdaptiveAveragePooling. taps: the output's sizes ---- */

#define ADAPTIVE(reader) IB_LAYER_FIELDS, IB_WINDOW_SIZES("output_size", NULL, reader, taps), IB_WINDOW_FORMAT
static const ib_field adaptive_1d[] = {ADAPTIVE(ib__read_single)};
static const ib_field adaptive_2d[] = {ADAPTIVE(ib__read_pair)};
static const ib_field adaptive_3d[] = {ADAPTIVE(ib__read_triple)};

static ib_status adaptive_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                                ib_error *err) {
    const ib_window_settings *s = layer->settings;
    ib_shape x;
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    for (int i = 0; i < s->axes; i++) {
        if (x.dims[1 + i] == 0)
            return ib__fail(err, IB_BAD_INPUT, layer->place, "an axis of the input is empty");
        x.dims[1 + i] = s->taps[i];
    }
    return ib__window_output(layer, &inputs[0], &x, out, err);
}

/* One axis after the other, as Keras does: that decides which of several equal maxima gets the gradient. */
static ib_node adaptive_pool(ib_layer *layer, ib_build *b, ib_node x, pool_op *op) {
    const ib_window_settings *s = layer->settings;
    x = ib__window_enter(s, b->g, x);
    for (int i = 0; i < s->axes; i++) {
        ib_window window = {.taps = {1, 1, 1}, .strides = {1, 1, 1}, .dilation = {1, 1, 1}};
        window.even[i] = s->taps[i];
        x = op(b->g, x, &window);
    }
    return ib__window_leave(s, b->g, x);
}

static ib_node adaptive_max(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    return adaptive_pool(layer, b, inputs[0], ib__op_max_pool);
}

static ib_node adaptive_average(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    return adaptive_pool(layer, b, inputs[0], ib__op_avg_pool);
}

#define ADAPTIVE_CLASS(symbol, class_name, axes, kind)                                                       \
    CLASS(symbol##axes##d, class_name #axes "D", axes, adaptive_##axes##d, adaptive_shape, adaptive_##kind)

ADAPTIVE_CLASS(adaptive_max_pooling, "AdaptiveMaxPooling", 1, max)
ADAPTIVE_CLASS(adaptive_max_pooling, "AdaptiveMaxPooling", 2, max)
ADAPTIVE_CLASS(adaptive_max_pooling, "AdaptiveMaxPooling", 3, max)
ADAPTIVE_CLASS(adaptive_average_pooling, "AdaptiveAveragePooling", 1, average)
ADAPTIVE_CLASS(adaptive_average_pooling, "AdaptiveAveragePooling", 2, average)
ADAPTIVE_CLASS(adaptive_average_pooling, "AdaptiveAveragePooling", 3, average)
