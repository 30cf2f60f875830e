/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers that add or take away places at the ends of axes: ZeroPadding and Cropping over one to three axes.
 */
#include "layers/window.h"

typedef struct padding {
    ib_window_settings window;
    int64_t amount[IB_AXES_MAX][2]; /* an axis: low, high */
} padding;

/* 1 or [low, high]; written in the last form. */
static ib_status read_amount(const ib_field *field, const ib_value *value, const char *where, void *out,
                             ib_value **canonical, ib_error *err) {
    return ib__read_pair(field, value, where, out, canonical, err);
}

/* 1, or a list with an integer or [low, high] an axis; written as a list of the latter. */
static ib_status read_amounts(const ib_field *field, const ib_value *value, const char *where, void *out,
                              ib_value **canonical, ib_error *err) {
    int64_t(*amount)[2] = out;
    const char *start = (const char *)out - offsetof(padding, amount);
    int axes = ((const ib_window_settings *)(const void *)start)->axes;
    bool list = value->kind == IB_LIST;
    if (list && value->count != (size_t)axes)
        return ib__fail(err, IB_BAD_INPUT, where, "expected an entry for each of %d axes, found %zu", axes,
                        value->count);
    *canonical = ib__value_list();
    for (int i = 0; i < axes; i++) {
        const ib_value *entry = list ? value->items[i] : value;
        ib_value *pair = NULL;
        ib_status status = ib__read_pair(field, entry, where, amount[i], &pair, err);
        if (status != IB_OK) return status;
        if (!ib__value_add(*canonical, pair ? pair : ib__value_copy(entry))) return ib__fail_memory(err);
    }
    return IB_OK;
}

#define AMOUNT(key_, fallback_, reader)                                                                      \
    { .key = key_, .fallback = fallback_, .read = reader, .offset = offsetof(padding, amount), .high = 65536 }
#define CLASS(symbol, class_name, its_axes, fields, kind)                                                    \
    IB_WINDOW_CLASS(symbol, class_name, padding, its_axes, fields, kind##_shape, kind##_call)

/* ---- ZeroPadding ---- */

static const ib_field zero_1d[] = {IB_LAYER_FIELDS, AMOUNT("padding", "1", read_amount), IB_WINDOW_FORMAT};
static const ib_field zero_2d[] = {IB_LAYER_FIELDS, AMOUNT("padding", "1", read_amounts), IB_WINDOW_FORMAT};
static const ib_field zero_3d[] = {IB_LAYER_FIELDS, AMOUNT("padding", "1", read_amounts), IB_WINDOW_FORMAT};

static ib_status zero_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                            ib_error *err) {
    const padding *s = layer->settings;
    ib_shape x;
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    for (int i = 0; i < s->window.axes; i++)
        if (x.dims[1 + i] >= 0) x.dims[1 + i] += s->amount[i][0] + s->amount[i][1];
    return ib__window_output(layer, &inputs[0], &x, out, err);
}

static ib_node zero_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const padding *s = layer->settings;
    int64_t low[IB_RANK_MAX] = {0}, high[IB_RANK_MAX] = {0};
    for (int i = 0; i < s->window.axes; i++) {
        low[ib__window_first_axis(&s->window) + i] = s->amount[i][0];
        high[ib__window_first_axis(&s->window) + i] = s->amount[i][1];
    }
    return ib__op_pad(b->g, inputs[0], 0.0f, low, high);
}

CLASS(zero_padding1d, "ZeroPadding1D", 1, zero_1d, zero)
CLASS(zero_padding2d, "ZeroPadding2D", 2, zero_2d, zero)
CLASS(zero_padding3d, "ZeroPadding3D", 3, zero_3d, zero)

/* ---- Cropping ---- */

static const ib_field cropping_1d[] = {IB_LAYER_FIELDS, AMOUNT("cropping", "1", read_amount)};
static const ib_field cropping_2d[] = {IB_LAYER_FIELDS, AMOUNT("cropping", "0", read_amounts),
                                       IB_WINDOW_FORMAT};
static const ib_field cropping_3d[] = {IB_LAYER_FIELDS, AMOUNT("cropping", "1", read_amounts),
                                       IB_WINDOW_FORMAT};

static ib_status cropping_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                                ib_error *err) {
    const padding *s = layer->settings;
    ib_shape x;
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    for (int i = 0; i < s->window.axes; i++) {
        int64_t *size = &x.dims[1 + i];
        if (*size < 0) continue;
        *size -= s->amount[i][0] + s->amount[i][1];
        if (*size < 1)
            return ib__fail(err, IB_BAD_INPUT, layer->place, "nothing is left of axis %d",
                            ib__window_first_axis(&s->window) + i);
    }
    return ib__window_output(layer, &inputs[0], &x, out, err);
}

static ib_node cropping_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const padding *s = layer->settings;
    ib_shape from = ib__node_shape(b->g, inputs[0]);
    int64_t start[IB_RANK_MAX] = {0}, limit[IB_RANK_MAX];
    memcpy(limit, from.dims, sizeof limit);
    for (int i = 0; i < s->window.axes; i++) {
        start[ib__window_first_axis(&s->window) + i] = s->amount[i][0];
        limit[ib__window_first_axis(&s->window) + i] -= s->amount[i][1];
    }
    return ib__op_slice(b->g, inputs[0], start, limit);
}

CLASS(cropping1d, "Cropping1D", 1, cropping_1d, cropping)
CLASS(cropping2d, "Cropping2D", 2, cropping_2d, cropping)
CLASS(cropping3d, "Cropping3D", 3, cropping_3d, cropping)
