/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers that give images a fixed size: Resizing, CenterCrop.
 */
#include "layers/resampling.h"
#include "layers/window.h"

typedef struct resizing {
    ib_window_settings window; /* of the two axes; its format */
    int64_t size[2];           /* height, width */
    int interpolation, fill_mode;
    bool crop, pad, antialias;
    double fill;
} resizing;

#define AT(member) .offset = offsetof(resizing, member)
#define SIZE(key_, i)                                                                                        \
    { .key = key_, .read = ib__read_int, AT(size[i]), .low = 1, .high = 65536 }
#define FLAG(key_, member)                                                                                   \
    { .key = key_, .fallback = "false", .read = ib__read_bool, AT(member) }

static const ib_field resizing_fields[] = {IB_LAYER_FIELDS,
                                           IB_WINDOW_FORMAT,
                                           SIZE("height", 0),
                                           SIZE("width", 1),
                                           {.key = "interpolation",
                                            .fallback = "\"bilinear\"",
                                            .read = ib__read_choice,
                                            AT(interpolation),
                                            .choices = IB_INTERPOLATIONS},
                                           FLAG("crop_to_aspect_ratio", crop),
                                           FLAG("pad_to_aspect_ratio", pad),
                                           {.key = "fill_mode",
                                            .fallback = "\"constant\"",
                                            .read = ib__read_choice,
                                            AT(fill_mode),
                                            .choices = "constant"},
                                           {.key = "fill_value",
                                            .fallback = "0.0",
                                            .read = ib__read_real,
                                            AT(fill),
                                            .low = -0x1p127,
                                            .high = 0x1p127},
                                           FLAG("antialias", antialias)};
static const ib_field crop_fields[] = {IB_LAYER_FIELDS, IB_WINDOW_FORMAT, SIZE("height", 0),
                                       SIZE("width", 1)};

static ib_status resizing_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    resizing *s = layer->settings;
    s->window.axes = 2;
    ib_status status = ib__layer_configure(layer, resizing_fields,
                                           sizeof resizing_fields / sizeof *resizing_fields, config, err);
    if (status == IB_OK && s->crop && s->pad)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "crop_to_aspect_ratio and pad_to_aspect_ratio exclude each other");
    return status;
}

static ib_status crop_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    resizing *s = layer->settings;
    s->window.axes = 2;
    s->interpolation = IB_BILINEAR; /* of images that are smaller than what is cut out */
    s->crop = true;
    return ib__layer_configure(layer, crop_fields, sizeof crop_fields / sizeof *crop_fields, config, err);
}

static ib_status shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                       ib_error *err) {
    const resizing *s = layer->settings;
    ib_shape x;
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    for (int i = 0; i < 2; i++) {
        if (x.dims[1 + i] == 0) return ib__fail(err, IB_BAD_INPUT, layer->place, "an image has no places");
        x.dims[1 + i] = s->size[i];
    }
    return ib__window_output(layer, &inputs[0], &x, out, err);
}

/* Sizes of the largest part, or with `around` of the smallest image around, that has the output's ratio. */
static void with_ratio(const resizing *s, const int64_t from[2], bool around, int64_t out[2]) {
    for (int i = 0; i < 2; i++) {
        int64_t fitting = from[1 - i] * s->size[i] / s->size[1 - i];
        bool own = around ? from[i] > fitting : from[i] < fitting;
        out[i] = own ? from[i] : fitting;
        if (out[i] < 1) out[i] = 1;
    }
}

/* The middle of x with these sizes. */
static ib_node middle(const resizing *s, ib_graph *g, ib_node x, const int64_t sizes[2]) {
    int first = ib__window_first_axis(&s->window);
    ib_shape from = ib__node_shape(g, x);
    int64_t start[IB_RANK_MAX] = {0}, limit[IB_RANK_MAX];
    memcpy(limit, from.dims, sizeof limit);
    for (int i = 0; i < 2; i++) {
        start[first + i] = (from.dims[first + i] - sizes[i]) / 2;
        limit[first + i] = start[first + i] + sizes[i];
    }
    return ib__op_slice(g, x, start, limit);
}

/* Keras puts as much on either side, so an odd place is left out. */
static ib_node padded(const resizing *s, ib_graph *g, ib_node x, const int64_t from[2],
                      const int64_t sizes[2]) {
    int first = ib__window_first_axis(&s->window);
    int64_t amount[IB_RANK_MAX] = {0};
    for (int i = 0; i < 2; i++)
        amount[first + i] = (sizes[i] - from[i]) / 2;
    return ib__op_pad(g, x, (float)s->fill, amount, amount);
}

static ib_node resized(const resizing *s, ib_graph *g, ib_node x) {
    int first = ib__window_first_axis(&s->window);
    ib_shape shape = ib__node_shape(g, x);
    const int64_t *from = &shape.dims[first];
    int64_t sizes[2];
    with_ratio(s, from, s->pad, sizes);
    if (s->crop) x = middle(s, g, x, sizes);
    if (s->pad) x = padded(s, g, x, from, sizes);
    for (int i = 0; i < 2; i++)
        x = ib__resample(g, x, first + i, s->size[i], (ib_interpolation)s->interpolation, s->antialias);
    return x;
}

static ib_node resizing_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    return resized(layer->settings, b->g, inputs[0]);
}

static ib_node crop_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const resizing *s = layer->settings;
    ib_shape from = ib__node_shape(b->g, inputs[0]);
    int first = ib__window_first_axis(&s->window);
    bool fits = from.dims[first] >= s->size[0] && from.dims[first + 1] >= s->size[1];
    return fits ? middle(s, b->g, inputs[0], s->size) : resized(s, b->g, inputs[0]);
}

#define CLASS(symbol, class_name, kind)                                                                      \
    const ib_layer_class ib__layer_##symbol = {.name = class_name,                                           \
                                               .settings = sizeof(resizing),                                 \
                                               .configure = kind##_configure,                                \
                                               .shape = shape,                                               \
                                               .call = kind##_call};
CLASS(resizing, "Resizing", resizing)
CLASS(center_crop, "CenterCrop", crop)
