/* SPDX-License-Identifier: Apache-2.0
 *
 * Pooling over one or two axes, by windows and over all places.
 */
#include "layers/window.h"

/* ---- MaxPooling1D, MaxPooling2D, AveragePooling1D, AveragePooling2D ---- */

#define FIELDS(reader, size)                                                                                 \
    IB_LAYER_FIELDS, IB_WINDOW_SIZES("pool_size", size, reader, taps),                                       \
        IB_WINDOW_CHOICE("padding", "\"valid\"", padding, "valid same"),                                     \
        IB_WINDOW_SIZES("strides", "null", ib__read_pool_strides, strides), IB_WINDOW_FORMAT
static const ib_field fields_1d[] = {FIELDS(ib__read_single, "2")};
static const ib_field fields_2d[] = {FIELDS(ib__read_pair, "[2, 2]")};

static ib_status configure(ib_layer *layer, int axes, const ib_value *config, ib_error *err) {
    ib_window_settings *s = layer->settings;
    s->axes = axes;
    if (axes == 1)
        return ib__layer_configure(layer, fields_1d, sizeof fields_1d / sizeof *fields_1d, config, err);
    return ib__layer_configure(layer, fields_2d, sizeof fields_2d / sizeof *fields_2d, config, err);
}

static ib_status configure_1d(ib_layer *layer, const ib_value *config, ib_error *err) {
    return configure(layer, 1, config, err);
}

static ib_status configure_2d(ib_layer *layer, const ib_value *config, ib_error *err) {
    return configure(layer, 2, config, err);
}

static ib_status shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                       ib_error *err) {
    ib_shape x;
    int64_t size[2];
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    (void)ib__window_of(layer->settings, &x, size);
    x.dims[1] = size[0];
    x.dims[2] = size[1];
    return ib__window_output(layer, &inputs[0], &x, out, err);
}

typedef ib_node pool_op(ib_graph *g, ib_node x, const ib_window2d *window);

static ib_node pool(ib_layer *layer, ib_build *b, ib_node x, pool_op *op) {
    const ib_window_settings *s = layer->settings;
    x = ib__window_enter(s, b->g, x);
    ib_shape from = ib__node_shape(b->g, x);
    int64_t size[2];
    ib_window2d window = ib__window_of(s, &from, size);
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

#define POOLING(symbol, class_name, its_configure, its_call)                                                 \
    const ib_layer_class ib__layer_##symbol = {.name = class_name,                                           \
                                               .settings = sizeof(ib_window_settings),                       \
                                               .configure = its_configure,                                   \
                                               .shape = shape,                                               \
                                               .call = its_call};

POOLING(max_pooling1d, "MaxPooling1D", configure_1d, call_max)
POOLING(max_pooling2d, "MaxPooling2D", configure_2d, call_max)
POOLING(average_pooling1d, "AveragePooling1D", configure_1d, call_average)
POOLING(average_pooling2d, "AveragePooling2D", configure_2d, call_average)

/* ---- GlobalMaxPooling1D, 2D and GlobalAveragePooling1D, 2D ---- */

typedef struct global_pooling {
    ib_window_settings window;
    bool keepdims;
} global_pooling;

static const ib_field global_fields[] = {IB_LAYER_FIELDS,
                                         IB_WINDOW_FORMAT,
                                         {.key = "keepdims",
                                          .fallback = "false",
                                          .read = ib__read_bool,
                                          .offset = offsetof(global_pooling, keepdims)}};

static ib_status global_configure(ib_layer *layer, int axes, const ib_value *config, ib_error *err) {
    global_pooling *s = layer->settings;
    s->window.axes = axes;
    return ib__layer_configure(layer, global_fields, sizeof global_fields / sizeof *global_fields, config,
                               err);
}

static ib_status global_configure_1d(ib_layer *layer, const ib_value *config, ib_error *err) {
    return global_configure(layer, 1, config, err);
}

static ib_status global_configure_2d(ib_layer *layer, const ib_value *config, ib_error *err) {
    return global_configure(layer, 2, config, err);
}

static ib_status global_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                              ib_error *err) {
    const global_pooling *s = layer->settings;
    ib_shape x;
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    x.dims[1] = x.dims[2] = 1;
    status = ib__window_output(layer, &inputs[0], &x, out, err);
    if (!s->keepdims) *out = (ib_shape){.rank = 2, .dims = {x.dims[0], x.dims[3]}};
    return status;
}

static unsigned place_axes(const global_pooling *s) {
    unsigned axes = s->window.axes == 1 ? 1u : 3u;
    return axes << (s->window.data_format ? 2 : 1);
}

static ib_node call_global_max(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const global_pooling *s = layer->settings;
    return ib__op_reduce(b->g, IB_REDUCE_MAX, inputs[0], place_axes(s), s->keepdims);
}

static ib_node call_global_average(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const global_pooling *s = layer->settings;
    return ib__op_mean(b->g, inputs[0], place_axes(s), s->keepdims);
}

#define GLOBAL_POOLING(symbol, class_name, its_configure, its_call)                                          \
    const ib_layer_class ib__layer_##symbol = {.name = class_name,                                           \
                                               .settings = sizeof(global_pooling),                           \
                                               .configure = its_configure,                                   \
                                               .shape = global_shape,                                        \
                                               .call = its_call};

GLOBAL_POOLING(global_max_pooling1d, "GlobalMaxPooling1D", global_configure_1d, call_global_max)
GLOBAL_POOLING(global_max_pooling2d, "GlobalMaxPooling2D", global_configure_2d, call_global_max)
GLOBAL_POOLING(global_average_pooling2d, "GlobalAveragePooling2D", global_configure_2d, call_global_average)

/* A mask [batch, steps] leaves steps out. */
static void apply_global_average_1d(ib_layer *layer, ib_build *b, const ib_args *args,
                                    ib_flow out[IB_OUTPUTS_MAX]) {
    const global_pooling *s = layer->settings;
    ib_graph *g = b->g;
    ib_node x = args->flows[0].node, mask = args->flows[0].mask;
    if (mask == IB_NO_NODE) {
        out->node = call_global_average(layer, b, &x, 1);
        return;
    }
    ib_shape column = ib__node_shape(g, x);
    column.dims[s->window.data_format ? 1 : 2] = 1;
    mask = ib__op_reshape(g, mask, &column);
    unsigned axes = place_axes(s);
    ib_node kept = ib__op_select(g, mask, x, ib__op_constant(g, 0.0f));
    ib_node count = ib__op_reduce(g, IB_REDUCE_SUM, ib__op_convert(g, mask, IB_TYPE_F32), axes, s->keepdims);
    out->node = ib__op_divide(g, ib__op_reduce(g, IB_REDUCE_SUM, kept, axes, s->keepdims), count);
}

const ib_layer_class ib__layer_global_average_pooling1d = {.name = "GlobalAveragePooling1D",
                                                           .settings = sizeof(global_pooling),
                                                           .configure = global_configure_1d,
                                                           .shape = global_shape,
                                                           .apply = apply_global_average_1d};
