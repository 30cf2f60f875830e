/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers that repeat places: UpSampling over one to three axes, RepeatVector.
 */
#include "layers/resampling.h"
#include "layers/window.h"

typedef struct up_sampling {
    ib_window_settings window; /* taps: the factors */
    int interpolation;
    int64_t repeat; /* of RepeatVector */
} up_sampling;

#define AT(member) .offset = offsetof(up_sampling, member)
#define CLASS(symbol, class_name, its_axes, fields, kind)                                                    \
    IB_WINDOW_CLASS(symbol, class_name, up_sampling, its_axes, fields, kind##_shape, kind##_call)

static const ib_field up_1d[] = {IB_LAYER_FIELDS, IB_WINDOW_SIZES("size", "2", ib__read_int, taps)};
static const ib_field up_2d[] = {IB_LAYER_FIELDS,
                                 IB_WINDOW_SIZES("size", "[2, 2]", ib__read_pair, taps),
                                 IB_WINDOW_FORMAT,
                                 {.key = "interpolation",
                                  .fallback = "\"nearest\"",
                                  .read = ib__read_choice,
                                  AT(interpolation),
                                  .choices = IB_INTERPOLATIONS}};
static const ib_field up_3d[] = {IB_LAYER_FIELDS, IB_WINDOW_SIZES("size", "[2, 2, 2]", ib__read_triple, taps),
                                 IB_WINDOW_FORMAT};

static ib_status up_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                          ib_error *err) {
    const up_sampling *s = layer->settings;
    ib_shape x;
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    for (int i = 0; i < s->window.axes; i++)
        if (x.dims[1 + i] > 0) x.dims[1 + i] *= s->window.taps[i];
    return ib__window_output(layer, &inputs[0], &x, out, err);
}

/* [.., h, w, ..] -> [.., h, 1, w, 1, ..] -> [.., h, a, w, b, ..] -> [.., h a, w b, ..] */
static ib_node repeat_places(const up_sampling *s, ib_graph *g, ib_node x) {
    ib_shape from = ib__node_shape(g, x), wide = {0}, to = from;
    int dims[IB_RANK_MAX];
    for (int d = 0; d < from.rank; d++) {
        int i = d - ib__window_first_axis(&s->window);
        dims[d] = wide.rank;
        wide.dims[wide.rank++] = from.dims[d];
        if (i < 0 || i >= s->window.axes) continue;
        wide.dims[wide.rank++] = s->window.taps[i];
        to.dims[d] *= s->window.taps[i];
    }
    return ib__op_reshape(g, ib__op_broadcast_in_dim(g, x, &wide, dims), &to);
}

static ib_node up_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const up_sampling *s = layer->settings;
    if (s->interpolation == IB_NEAREST) return repeat_places(s, b->g, inputs[0]);
    int first = ib__window_first_axis(&s->window);
    ib_shape from = ib__node_shape(b->g, inputs[0]);
    ib_node y = inputs[0];
    for (int i = first; i < first + s->window.axes; i++)
        y = ib__resample(b->g, y, i, from.dims[i] * s->window.taps[i - first],
                         (ib_interpolation)s->interpolation, false);
    return y;
}

CLASS(up_sampling1d, "UpSampling1D", 1, up_1d, up)
CLASS(up_sampling2d, "UpSampling2D", 2, up_2d, up)
CLASS(up_sampling3d, "UpSampling3D", 3, up_3d, up)

/* ---- RepeatVector: [n, f] -> [n, times, f] ---- */

static const ib_field repeat_fields[] = {
    IB_LAYER_FIELDS, {.key = "n", .read = ib__read_int, AT(repeat), .low = 1, .high = 0x1p31}};

static ib_status repeat_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                              ib_error *err) {
    const up_sampling *s = layer->settings;
    ib_status status = ib__layer_same_shape(layer, inputs, n, out, err);
    if (status == IB_OK) status = ib__layer_check_rank(layer, &inputs[0], 2, err);
    *out = (ib_shape){.rank = 3, .dims = {-1, s->repeat, out->dims[1]}};
    return status;
}

static ib_node repeat_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const up_sampling *s = layer->settings;
    ib_shape from = ib__node_shape(b->g, inputs[0]);
    ib_shape to = {.rank = 3, .dims = {from.dims[0], s->repeat, from.dims[1]}};
    return ib__op_broadcast_in_dim(b->g, inputs[0], &to, (int[]){0, 2});
}

CLASS(repeat_vector, "RepeatVector", 1, repeat_fields, repeat)
