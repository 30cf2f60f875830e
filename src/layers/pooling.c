/* SPDX-License-Identifier: Apache-2.0
 *
 * Pooling over rows and columns, by windows and over the whole image. channels_first is brought to
 * channels_last by transposes around the op.
 */
#include "layers/internal.h"

/* ---- MaxPooling2D, AveragePooling2D ---- */

typedef struct pooling {
    int64_t size[2], strides[2];
    int padding, data_format; /* 0: valid, channels_last; 1: same, channels_first */
} pooling;

/* strides: null takes the pool size, which stands before it in the table. */
static ib_status read_strides(const ib_field *field, const ib_value *value, const char *where, void *out,
                              ib_value **canonical, ib_error *err) {
    if (value->kind != IB_NULL) return ib__read_pair(field, value, where, out, canonical, err);
    int64_t *strides = out;
    const pooling *s = (const pooling *)(const void *)((const char *)out - offsetof(pooling, strides));
    *canonical = ib__value_list();
    for (int i = 0; i < 2; i++) {
        strides[i] = s->size[i];
        if (!ib__value_add(*canonical, ib__value_int(s->size[i]))) return ib__fail_memory(err);
    }
    return IB_OK;
}

#define AT(member) .offset = offsetof(pooling, member)
static const ib_field fields[] = {
    IB_LAYER_FIELDS,
    {.key = "pool_size", .fallback = "[2, 2]", .read = ib__read_pair, AT(size), .low = 1, .high = 65536},
    {.key = "padding",
     .fallback = "\"valid\"",
     .read = ib__read_choice,
     AT(padding),
     .choices = "valid same"},
    {.key = "strides", .fallback = "null", .read = read_strides, AT(strides), .low = 1, .high = 65536},
    {.key = "data_format", .fallback = "null", .read = ib__read_data_format, AT(data_format)}};

IB_CONFIGURE(fields)

static ib_window2d window_of(const pooling *s, int64_t h, int64_t w, int64_t out[2]) {
    ib_window2d v = {
        .kh = s->size[0], .kw = s->size[1], .sh = s->strides[0], .sw = s->strides[1], .dh = 1, .dw = 1};
    ib__window_padding(s->padding, h, v.kh, v.sh, 1, &v.top, &v.bottom, &out[0]);
    ib__window_padding(s->padding, w, v.kw, v.sw, 1, &v.left, &v.right, &out[1]);
    return v;
}

static ib_status shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                       ib_error *err) {
    const pooling *s = layer->settings;
    ib_status status = ib__layer_check_window_input(layer, inputs, n, err);
    if (status != IB_OK) return status;
    int h = s->data_format ? 2 : 1;
    int64_t size[2];
    (void)window_of(s, inputs[0].dims[h], inputs[0].dims[h + 1], size);
    *out = inputs[0];
    out->dims[h] = size[0];
    out->dims[h + 1] = size[1];
    return ib__layer_check_window_output(layer, &inputs[0], size, err);
}

typedef ib_node pool_op(ib_graph *g, ib_node x, const ib_window2d *window);

static ib_node pool(ib_layer *layer, ib_build *b, ib_node x, pool_op *op) {
    const pooling *s = layer->settings;
    if (s->data_format) x = ib__channels_last(b->g, x);
    ib_shape from = ib__node_shape(b->g, x);
    int64_t size[2];
    ib_window2d window = window_of(s, from.dims[1], from.dims[2], size);
    ib_node y = op(b->g, x, &window);
    return s->data_format ? ib__channels_first(b->g, y) : y;
}

static ib_node call_max(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    return pool(layer, b, inputs[0], ib__op_max_pool);
}

static ib_node call_average(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    return pool(layer, b, inputs[0], ib__op_avg_pool);
}

const ib_layer_class ib__layer_max_pooling2d = {.name = "MaxPooling2D",
                                                .settings = sizeof(pooling),
                                                .configure = configure,
                                                .shape = shape,
                                                .call = call_max};
const ib_layer_class ib__layer_average_pooling2d = {.name = "AveragePooling2D",
                                                    .settings = sizeof(pooling),
                                                    .configure = configure,
                                                    .shape = shape,
                                                    .call = call_average};

/* ---- GlobalMaxPooling2D, GlobalAveragePooling2D ---- */

typedef struct global_pooling {
    int data_format;
    bool keepdims;
} global_pooling;

static const ib_field global_fields[] = {IB_LAYER_FIELDS,
                                         {.key = "data_format",
                                          .fallback = "null",
                                          .read = ib__read_data_format,
                                          .offset = offsetof(global_pooling, data_format)},
                                         {.key = "keepdims",
                                          .fallback = "false",
                                          .read = ib__read_bool,
                                          .offset = offsetof(global_pooling, keepdims)}};

static ib_status global_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    return ib__layer_configure(layer, global_fields, sizeof global_fields / sizeof *global_fields, config,
                               err);
}

static ib_status global_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                              ib_error *err) {
    const global_pooling *s = layer->settings;
    ib_status status = ib__layer_check_window_input(layer, inputs, n, err);
    if (status != IB_OK) return status;
    int c = s->data_format ? 1 : 3;
    *out = (ib_shape){.rank = s->keepdims ? 4 : 2, .dims = {inputs[0].dims[0], 1, 1, 1}};
    out->dims[s->keepdims ? c : 1] = inputs[0].dims[c];
    return IB_OK;
}

static unsigned image_axes(const global_pooling *s) {
    return s->data_format ? 1u << 2 | 1u << 3 : 1u << 1 | 1u << 2;
}

static ib_node call_global_max(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const global_pooling *s = layer->settings;
    return ib__op_reduce(b->g, IB_REDUCE_MAX, inputs[0], image_axes(s), s->keepdims);
}

static ib_node call_global_average(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const global_pooling *s = layer->settings;
    return ib__op_mean(b->g, inputs[0], image_axes(s), s->keepdims);
}

const ib_layer_class ib__layer_global_max_pooling2d = {.name = "GlobalMaxPooling2D",
                                                       .settings = sizeof(global_pooling),
                                                       .configure = global_configure,
                                                       .shape = global_shape,
                                                       .call = call_global_max};
const ib_layer_class ib__layer_global_average_pooling2d = {.name = "GlobalAveragePooling2D",
                                                           .settings = sizeof(global_pooling),
                                                           .configure = global_configure,
                                                           .shape = global_shape,
                                                           .call = call_global_average};
