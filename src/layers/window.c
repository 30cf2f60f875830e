/* SPDX-License-Identifier: Apache-2.0
 *
 * Windows over one to three axes, in both data formats.
 */
#include "layers/window.h"

ib_status ib__read_single(const ib_field *field, const ib_value *value, const char *where, void *out,
                          ib_value **canonical, ib_error *err) {
    int64_t *number = out;
    const ib_value *one = value->kind == IB_LIST && value->count == 1 ? value->items[0] : value;
    ib_status status = ib__read_int(field, one, where, number, canonical, err);
    if (status != IB_OK) return status;
    *canonical = ib__value_list();
    return ib__value_add(*canonical, ib__value_int(*number)) ? IB_OK : ib__fail_memory(err);
}

ib_status ib__read_pool_strides(const ib_field *field, const ib_value *value, const char *where, void *out,
                                ib_value **canonical, ib_error *err) {
    const char *start = (const char *)out - offsetof(ib_window_settings, strides);
    const ib_window_settings *s = (const ib_window_settings *)(const void *)start;
    ib_read_fn *const read[] = {ib__read_single, ib__read_pair, ib__read_triple};
    if (value->kind != IB_NULL) return read[s->axes - 1](field, value, where, out, canonical, err);
    memcpy(out, s->taps, sizeof s->taps);
    *canonical = ib__value_list();
    for (int i = 0; i < s->axes; i++)
        if (!ib__value_add(*canonical, ib__value_int(s->taps[i]))) return ib__fail_memory(err);
    return IB_OK;
}

int ib__window_first_axis(const ib_window_settings *s) {
    return s->data_format ? 2 : 1;
}

ib_status ib__window_input(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *x,
                           ib_error *err) {
    const ib_window_settings *s = layer->settings;
    ib_status status = ib__layer_same_shape(layer, inputs, n, x, err);
    if (status == IB_OK) status = ib__layer_check_rank(layer, x, s->axes + 2, err);
    if (status != IB_OK) return status;
    int64_t channels = x->dims[s->data_format ? 1 : s->axes + 1];
    for (int i = 0; i < s->axes; i++)
        x->dims[1 + i] = inputs[0].dims[ib__window_first_axis(s) + i];
    x->dims[s->axes + 1] = channels;
    if (channels < 0) return ib__fail(err, IB_BAD_INPUT, layer->place, "expected a known number of channels");
    for (int i = 1; i < x->rank; i++)
        if (x->dims[i] > INT32_MAX)
            return ib__fail(err, IB_BAD_INPUT, layer->place, "an axis of length %lld is too long",
                            (long long)x->dims[i]);
    return IB_OK;
}

ib_status ib__window_output(const ib_layer *layer, const ib_shape *input, const ib_shape *y, ib_shape *out,
                            ib_error *err) {
    const ib_window_settings *s = layer->settings;
    *out = *input;
    out->dims[s->data_format ? 1 : s->axes + 1] = y->dims[s->axes + 1];
    for (int i = 0; i < s->axes; i++) {
        out->dims[ib__window_first_axis(s) + i] = y->dims[1 + i];
        if (y->dims[1 + i] != 0) continue;
        char text[128];
        ib__shape_print(text, input);
        return ib__fail(err, IB_BAD_INPUT, layer->place, "the window is larger than the input %s", text);
    }
    return IB_OK;
}

/* Keras's paddings of axis i and its output's size; 0: none, -1: unknown. "same": the output has
 * ceil(size / stride) places, an odd padding is longer at the end; "causal": all padding stands at the
 * beginning. */
static int64_t pad_axis(ib_window *w, int i, int padding, int64_t size) {
    int64_t reach = (w->taps[i] - 1) * w->dilation[i] + 1, stride = w->strides[i];
    w->low[i] = padding == IB_PADDING_CAUSAL ? reach - 1 : 0;
    if (size < 0) return -1;
    if (padding != IB_PADDING_SAME) {
        int64_t all = size + w->low[i];
        return size > 0 && all >= reach ? (all - reach) / stride + 1 : 0;
    }
    int64_t out = (size + stride - 1) / stride, total = (out - 1) * stride + reach - size;
    if (total < 0) total = 0;
    w->low[i] = total / 2;
    w->high[i] = total - w->low[i];
    return out;
}

ib_window ib__window_of(const ib_window_settings *s, const ib_shape *x, ib_shape *y) {
    ib_window w = {0};
    ib_shape made = *x;
    for (int i = 0; i < s->axes; i++) {
        w.taps[i] = s->taps[i];
        w.strides[i] = s->strides[i];
        w.dilation[i] = s->dilation[i] ? s->dilation[i] : 1;
        made.dims[1 + i] = pad_axis(&w, i, s->padding, x->dims[1 + i]);
    }
    if (y) *y = made;
    return w;
}

/* The axis of channels goes from place `from` to place `to`. */
static ib_node move_channels(const ib_window_settings *s, ib_graph *g, ib_node x, int from, int to) {
    int permutation[IB_AXES_MAX + 2], next = 1;
    permutation[0] = 0;
    for (int i = 1; i < s->axes + 2; i++) {
        if (i == to) {
            permutation[i] = from;
            continue;
        }
        next += next == from;
        permutation[i] = next++;
    }
    return s->data_format ? ib__op_transpose(g, x, permutation) : x;
}

ib_node ib__window_enter(const ib_window_settings *s, ib_graph *g, ib_node x) {
    return move_channels(s, g, x, 1, s->axes + 1);
}

ib_node ib__window_leave(const ib_window_settings *s, ib_graph *g, ib_node y) {
    return move_channels(s, g, y, s->axes + 1, 1);
}
