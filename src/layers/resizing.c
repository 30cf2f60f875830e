/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers that lengthen or shorten axes: ZeroPadding1D and 2D, Cropping1D and 2D, UpSampling1D and 2D
 * (nearest), RepeatVector.
 */
#include "layers/window.h"

typedef struct resizing {
    ib_window_settings window; /* taps: the factors of UpSampling */
    int64_t amount[2][2];      /* rows: low, high; columns: low, high; one axis: columns */
    int interpolation;
    int64_t repeat; /* of RepeatVector */
} resizing;

#define AT(member) .offset = offsetof(resizing, member)

static ib_value *pair_value(const int64_t pair[2]) {
    ib_value *list = ib__value_list();
    if (ib__value_add(list, ib__value_int(pair[0])) && ib__value_add(list, ib__value_int(pair[1])))
        return list;
    ib__value_free(list);
    return NULL;
}

/* 1 or [low, high]; written in the last form. */
static ib_status read_amount(const ib_field *field, const ib_value *value, const char *where, void *out,
                             ib_value **canonical, ib_error *err) {
    int64_t(*amount)[2] = out;
    return ib__read_pair(field, value, where, amount[1], canonical, err);
}

/* 1, [rows, columns] or [[top, bottom], [left, right]]; written in the last form. */
static ib_status read_amounts(const ib_field *field, const ib_value *value, const char *where, void *out,
                              ib_value **canonical, ib_error *err) {
    int64_t(*amount)[2] = out;
    bool pairs = value->kind == IB_LIST && value->count == 2 && value->items[0]->kind == IB_LIST;
    int64_t both[2];
    ib_value *unused = NULL;
    ib_status status = IB_OK;
    if (!pairs) {
        status = ib__read_pair(field, value, where, both, &unused, err);
        ib__value_free(unused);
        for (int i = 0; status == IB_OK && i < 2; i++)
            amount[i][0] = amount[i][1] = both[i];
    }
    for (size_t i = 0; pairs && status == IB_OK && i < 2; i++) {
        unused = NULL;
        status = ib__read_pair(field, value->items[i], where, amount[i], &unused, err);
        ib__value_free(unused);
    }
    if (status != IB_OK) return status;
    *canonical = ib__value_list();
    for (int i = 0; i < 2; i++)
        if (!ib__value_add(*canonical, pair_value(amount[i]))) return ib__fail_memory(err);
    return IB_OK;
}

/* The first axis that the layer works on. */
static int first_axis(const resizing *s) {
    return s->window.data_format ? 2 : 1;
}

static const int64_t *amount_of(const resizing *s, int i) {
    return s->amount[2 - s->window.axes + i];
}

#define CONFIGURE(symbol, its_axes, fields)                                                                  \
    static ib_status symbol##_configure(ib_layer *layer, const ib_value *config, ib_error *err) {            \
        resizing *s = layer->settings;                                                                       \
        s->window.axes = its_axes;                                                                           \
        return ib__layer_configure(layer, fields, sizeof fields / sizeof *fields, config, err);              \
    }
#define CLASS(symbol, class_name, kind)                                                                      \
    const ib_layer_class ib__layer_##symbol = {.name = class_name,                                           \
                                               .settings = sizeof(resizing),                                 \
                                               .configure = symbol##_configure,                              \
                                               .shape = kind##_shape,                                        \
                                               .call = kind##_call};

/* ---- ZeroPadding ---- */

static const ib_field zero_1d[] = {
    IB_LAYER_FIELDS,
    {.key = "padding", .fallback = "1", .read = read_amount, AT(amount), .high = 65536},
    IB_WINDOW_FORMAT};
static const ib_field zero_2d[] = {
    IB_LAYER_FIELDS,
    {.key = "padding", .fallback = "[1, 1]", .read = read_amounts, AT(amount), .high = 65536},
    IB_WINDOW_FORMAT};

static ib_status zero_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                            ib_error *err) {
    const resizing *s = layer->settings;
    ib_shape x;
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    *out = inputs[0];
    for (int i = 0; i < s->window.axes; i++)
        out->dims[first_axis(s) + i] += amount_of(s, i)[0] + amount_of(s, i)[1];
    return IB_OK;
}

static ib_node zero_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const resizing *s = layer->settings;
    int64_t low[IB_RANK_MAX] = {0}, high[IB_RANK_MAX] = {0};
    for (int i = 0; i < s->window.axes; i++) {
        low[first_axis(s) + i] = amount_of(s, i)[0];
        high[first_axis(s) + i] = amount_of(s, i)[1];
    }
    return ib__op_pad(b->g, inputs[0], 0.0f, low, high);
}

CONFIGURE(zero_padding1d, 1, zero_1d)
CONFIGURE(zero_padding2d, 2, zero_2d)
CLASS(zero_padding1d, "ZeroPadding1D", zero)
CLASS(zero_padding2d, "ZeroPadding2D", zero)

/* ---- Cropping ---- */

static const ib_field cropping_1d[] = {
    IB_LAYER_FIELDS, {.key = "cropping", .fallback = "1", .read = read_amount, AT(amount), .high = 65536}};
static const ib_field cropping_2d[] = {
    IB_LAYER_FIELDS,
    {.key = "cropping", .fallback = "[0, 0]", .read = read_amounts, AT(amount), .high = 65536},
    IB_WINDOW_FORMAT};

static ib_status cropping_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                                ib_error *err) {
    const resizing *s = layer->settings;
    ib_shape x;
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    *out = inputs[0];
    for (int i = 0; i < s->window.axes; i++) {
        int64_t *size = &out->dims[first_axis(s) + i];
        *size -= amount_of(s, i)[0] + amount_of(s, i)[1];
        if (*size < 1)
            return ib__fail(err, IB_BAD_INPUT, layer->place, "nothing is left of axis %d", first_axis(s) + i);
    }
    return IB_OK;
}

static ib_node cropping_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const resizing *s = layer->settings;
    ib_shape from = ib__node_shape(b->g, inputs[0]);
    int64_t start[IB_RANK_MAX] = {0}, limit[IB_RANK_MAX];
    memcpy(limit, from.dims, sizeof limit);
    for (int i = 0; i < s->window.axes; i++) {
        start[first_axis(s) + i] = amount_of(s, i)[0];
        limit[first_axis(s) + i] -= amount_of(s, i)[1];
    }
    return ib__op_slice(b->g, inputs[0], start, limit);
}

CONFIGURE(cropping1d, 1, cropping_1d)
CONFIGURE(cropping2d, 2, cropping_2d)
CLASS(cropping1d, "Cropping1D", cropping)
CLASS(cropping2d, "Cropping2D", cropping)

/* ---- UpSampling: every place is repeated ---- */

/* One factor, written as an integer. */
static ib_status read_factor(const ib_field *field, const ib_value *value, const char *where, void *out,
                             ib_value **canonical, ib_error *err) {
    int64_t *factors = out;
    factors[0] = 1;
    return ib__read_int(field, value, where, &factors[1], canonical, err);
}

static ib_status read_interpolation(const ib_field *field, const ib_value *value, const char *where,
                                    void *out, ib_value **canonical, ib_error *err) {
    ib_status status = ib__read_choice(field, value, where, out, canonical, err);
    if (status != IB_OK || *(int *)out == 0) return status;
    return ib__fail(err, IB_UNSUPPORTED, where, "interpolation \"%s\" is not supported yet", value->string);
}

static const ib_field up_1d[] = {IB_LAYER_FIELDS, IB_WINDOW_SIZES("size", "2", read_factor, taps)};
static const ib_field up_2d[] = {IB_LAYER_FIELDS,
                                 IB_WINDOW_SIZES("size", "[2, 2]", ib__read_pair, taps),
                                 IB_WINDOW_FORMAT,
                                 {.key = "interpolation",
                                  .fallback = "\"nearest\"",
                                  .read = read_interpolation,
                                  AT(interpolation),
                                  .choices = "nearest bilinear bicubic lanczos3 lanczos5"}};

static ib_status up_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                          ib_error *err) {
    const resizing *s = layer->settings;
    ib_shape x;
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    *out = inputs[0];
    for (int i = 0; i < s->window.axes; i++)
        out->dims[first_axis(s) + i] *= s->window.taps[2 - s->window.axes + i];
    return IB_OK;
}

/* [.., h, w, ..] -> [.., h, 1, w, 1, ..] -> [.., h, a, w, b, ..] -> [.., h a, w b, ..] */
static ib_node up_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const resizing *s = layer->settings;
    ib_shape from = ib__node_shape(b->g, inputs[0]), wide = {0}, to = from;
    int dims[IB_RANK_MAX];
    for (int d = 0; d < from.rank; d++) {
        int i = d - first_axis(s);
        dims[d] = wide.rank;
        wide.dims[wide.rank++] = from.dims[d];
        if (i < 0 || i >= s->window.axes) continue;
        int64_t factor = s->window.taps[2 - s->window.axes + i];
        wide.dims[wide.rank++] = factor;
        to.dims[d] *= factor;
    }
    return ib__op_reshape(b->g, ib__op_broadcast_in_dim(b->g, inputs[0], &wide, dims), &to);
}

CONFIGURE(up_sampling1d, 1, up_1d)
CONFIGURE(up_sampling2d, 2, up_2d)
CLASS(up_sampling1d, "UpSampling1D", up)
CLASS(up_sampling2d, "UpSampling2D", up)

/* ---- RepeatVector: [n, f] -> [n, times, f] ---- */

static const ib_field repeat_fields[] = {
    IB_LAYER_FIELDS, {.key = "n", .read = ib__read_int, AT(repeat), .low = 1, .high = 0x1p31}};

static ib_status repeat_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                              ib_error *err) {
    const resizing *s = layer->settings;
    ib_status status = ib__layer_same_shape(layer, inputs, n, out, err);
    if (status == IB_OK) status = ib__layer_check_rank(layer, &inputs[0], 2, err);
    *out = (ib_shape){.rank = 3, .dims = {-1, s->repeat, out->dims[1]}};
    return status;
}

static ib_node repeat_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const resizing *s = layer->settings;
    ib_shape from = ib__node_shape(b->g, inputs[0]);
    ib_shape to = {.rank = 3, .dims = {from.dims[0], s->repeat, from.dims[1]}};
    return ib__op_broadcast_in_dim(b->g, inputs[0], &to, (int[]){0, 2});
}

CONFIGURE(repeat_vector, 1, repeat_fields)
CLASS(repeat_vector, "RepeatVector", repeat)
