/* SPDX-License-Identifier: Apache-2.0
 *
 * Windows over one or two axes, in both data formats.
 */
#include "layers/window.h"

ib_status ib__read_single(const ib_field *field, const ib_value *value, const char *where, void *out,
                          ib_value **canonical, ib_error *err) {
    int64_t *pair = out;
    const ib_value *one = value->kind == IB_LIST && value->count == 1 ? value->items[0] : value;
    ib_status status = ib__read_int(field, one, where, &pair[1], canonical, err);
    if (status != IB_OK) return status;
    pair[0] = 1;
    *canonical = ib__value_list();
    return ib__value_add(*canonical, ib__value_int(pair[1])) ? IB_OK : ib__fail_memory(err);
}

ib_status ib__read_pool_strides(const ib_field *field, const ib_value *value, const char *where, void *out,
                                ib_value **canonical, ib_error *err) {
    const char *start = (const char *)out - offsetof(ib_window_settings, strides);
    const ib_window_settings *s = (const ib_window_settings *)(const void *)start;
    ib_read_fn *read = s->axes == 1 ? ib__read_single : ib__read_pair;
    if (value->kind != IB_NULL) return read(field, value, where, out, canonical, err);
    memcpy(out, s->taps, sizeof s->taps);
    *canonical = ib__value_list();
    for (int i = 2 - s->axes; i < 2; i++)
        if (!ib__value_add(*canonical, ib__value_int(s->taps[i]))) return ib__fail_memory(err);
    return IB_OK;
}

ib_status ib__window_input(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *nhwc,
                           ib_error *err) {
    const ib_window_settings *s = layer->settings;
    ib_shape x;
    ib_status status = ib__layer_same_shape(layer, inputs, n, &x, err);
    if (status == IB_OK) status = ib__layer_check_rank(layer, &x, s->axes + 2, err);
    if (status != IB_OK) return status;
    for (int i = 1; i < x.rank; i++)
        if (x.dims[i] < 0)
            return ib__fail(err, IB_UNSUPPORTED, layer->place,
                            "inputs of unknown size beside the batch are not supported yet");
    int first = s->data_format ? 2 : 1;
    *nhwc = (ib_shape){.rank = 4, .dims = {x.dims[0], 1, 1, x.dims[s->data_format ? 1 : x.rank - 1]}};
    for (int i = 0; i < s->axes; i++)
        nhwc->dims[3 - s->axes + i] = x.dims[first + i];
    return IB_OK;
}

ib_status ib__window_output(const ib_layer *layer, const ib_shape *input, const ib_shape *nhwc, ib_shape *out,
                            ib_error *err) {
    const ib_window_settings *s = layer->settings;
    if (nhwc->dims[1] < 1 || nhwc->dims[2] < 1) {
        char text[128];
        ib__shape_print(text, input);
        return ib__fail(err, IB_BAD_INPUT, layer->place, "the window is larger than the input %s", text);
    }
    *out = *input;
    out->dims[s->data_format ? 1 : out->rank - 1] = nhwc->dims[3];
    for (int i = 0; i < s->axes; i++)
        out->dims[(s->data_format ? 2 : 1) + i] = nhwc->dims[3 - s->axes + i];
    return IB_OK;
}

/* Keras's paddings of one axis. "same": the output has ceil(size / stride) places, an odd padding is longer
 * at the end; "causal": all padding stands at the beginning. */
static void axis_padding(int padding, int64_t size, int64_t taps, int64_t stride, int64_t dilation,
                         int64_t *low, int64_t *high, int64_t *out) {
    int64_t reach = (taps - 1) * dilation + 1;
    *low = padding == IB_PADDING_CAUSAL ? reach - 1 : 0;
    *high = 0;
    if (padding != IB_PADDING_SAME) {
        int64_t all = size + *low;
        *out = size > 0 && all >= reach ? (all - reach) / stride + 1 : 0;
        return;
    }
    *out = (size + stride - 1) / stride;
    int64_t total = (*out - 1) * stride + reach - size;
    if (total < 0) total = 0;
    *low = total / 2;
    *high = total - *low;
}

ib_window2d ib__window_of(const ib_window_settings *s, const ib_shape *nhwc, int64_t size[2]) {
    ib_window2d v = {.kh = s->taps[0],
                     .kw = s->taps[1],
                     .sh = s->strides[0],
                     .sw = s->strides[1],
                     .dh = s->dilation[0] ? s->dilation[0] : 1,
                     .dw = s->dilation[1] ? s->dilation[1] : 1};
    axis_padding(s->axes == 1 ? IB_PADDING_VALID : s->padding, nhwc->dims[1], v.kh, v.sh, v.dh, &v.top,
                 &v.bottom, &size[0]);
    axis_padding(s->padding, nhwc->dims[2], v.kw, v.sw, v.dw, &v.left, &v.right, &size[1]);
    return v;
}

/* [n, w, c] <-> [n, 1, w, c] */
static ib_node reshape_rows(ib_graph *g, ib_node x, bool enter) {
    ib_shape from = ib__node_shape(g, x), to = from;
    to.rank = enter ? 4 : 3;
    to.dims[1] = enter ? 1 : from.dims[2];
    to.dims[2] = enter ? from.dims[1] : from.dims[3];
    if (enter) to.dims[3] = from.dims[2];
    return ib__op_reshape(g, x, &to);
}

ib_node ib__window_enter(const ib_window_settings *s, ib_graph *g, ib_node x) {
    if (s->data_format) x = ib__op_transpose(g, x, s->axes == 1 ? (int[]){0, 2, 1} : (int[]){0, 2, 3, 1});
    return s->axes == 1 ? reshape_rows(g, x, true) : x;
}

ib_node ib__window_leave(const ib_window_settings *s, ib_graph *g, ib_node y) {
    if (s->axes == 1) y = reshape_rows(g, y, false);
    if (!s->data_format) return y;
    return ib__op_transpose(g, y, s->axes == 1 ? (int[]){0, 2, 1} : (int[]){0, 3, 1, 2});
}
