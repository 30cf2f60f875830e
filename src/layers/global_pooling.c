/* SPDX-License-Identifier: Apache-2.0
 *
 * Pooling over all places: GlobalMaxPooling and GlobalAveragePooling over one to three axes.
 */
#include "layers/window.h"

typedef struct global_pooling {
    ib_window_settings window;
    bool keepdims;
} global_pooling;

static const ib_field fields[] = {IB_LAYER_FIELDS,
                                  IB_WINDOW_FORMAT,
                                  {.key = "keepdims",
                                   .fallback = "false",
                                   .read = ib__read_bool,
                                   .offset = offsetof(global_pooling, keepdims)}};

static ib_status shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                       ib_error *err) {
    const global_pooling *s = layer->settings;
    ib_shape x;
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    for (int i = 1; i <= s->window.axes; i++)
        x.dims[i] = x.dims[i] == 0 ? 0 : 1;
    status = ib__window_output(layer, &inputs[0], &x, out, err);
    if (!s->keepdims) *out = (ib_shape){.rank = 2, .dims = {x.dims[0], x.dims[x.rank - 1]}};
    return status;
}

static unsigned place_axes(const global_pooling *s) {
    return ((1u << s->window.axes) - 1) << ib__window_first_axis(&s->window);
}

static ib_node call_max(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const global_pooling *s = layer->settings;
    return ib__op_reduce(b->g, IB_REDUCE_MAX, inputs[0], place_axes(s), s->keepdims);
}

/* The sum over the steps that a mask [n, steps] leaves, divided by their number. */
static ib_node masked_average(const global_pooling *s, ib_graph *g, ib_node x, ib_node mask) {
    ib_shape shape = ib__node_shape(g, x), column = shape;
    column.dims[s->window.data_format ? 1 : 2] = 1;
    mask = ib__op_reshape(g, mask, &column);
    ib_node kept = ib__op_select(g, mask, x, ib__op_constant(g, 0.0f));
    ib_node sum = ib__op_reduce(g, IB_REDUCE_SUM, kept, place_axes(s), s->keepdims);
    ib_node count = ib__op_convert(g, mask, IB_TYPE_F32);
    return ib__op_divide(g, sum, ib__op_reduce(g, IB_REDUCE_SUM, count, place_axes(s), s->keepdims));
}

/* The mask is used by GlobalAveragePooling1D alone, and ends there. */
static void apply_average(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow *out) {
    const global_pooling *s = layer->settings;
    ib_node x = args->flows[0].node, mask = args->flows[0].mask;
    if (mask == IB_NO_NODE || s->window.axes > 1)
        out->node = ib__op_mean(b->g, x, place_axes(s), s->keepdims);
    else
        out->node = masked_average(s, b->g, x, mask);
}

#define CLASS(symbol, class_name, its_axes, compute)                                                         \
    static ib_status symbol##_configure(ib_layer *layer, const ib_value *config, ib_error *err) {            \
        ((ib_window_settings *)layer->settings)->axes = its_axes;                                            \
        return ib__layer_configure(layer, fields, sizeof fields / sizeof *fields, config, err);              \
    }                                                                                                        \
    const ib_layer_class ib__layer_##symbol = {.name = class_name,                                           \
                                               .settings = sizeof(global_pooling),                           \
                                               .configure = symbol##_configure,                              \
                                               .shape = shape,                                               \
                                               compute};

CLASS(global_max_pooling1d, "GlobalMaxPooling1D", 1, .call = call_max)
CLASS(global_max_pooling2d, "GlobalMaxPooling2D", 2, .call = call_max)
CLASS(global_max_pooling3d, "GlobalMaxPooling3D", 3, .call = call_max)
CLASS(global_average_pooling1d, "GlobalAveragePooling1D", 1, .apply = apply_average)
CLASS(global_average_pooling2d, "GlobalAveragePooling2D", 2, .apply = apply_average)
CLASS(global_average_pooling3d, "GlobalAveragePooling3D", 3, .apply = apply_average)
