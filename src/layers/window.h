/* SPDX-License-Identifier: Apache-2.0
 *
 * What convolutions and poolings share: windows over one or two axes, in both data formats. Everything is
 * computed as [n, h, w, c]; one axis is an image of one row.
 */
#ifndef IB_LAYERS_WINDOW_H
#define IB_LAYERS_WINDOW_H

#include "layers/internal.h"

typedef enum ib_padding { IB_PADDING_VALID, IB_PADDING_SAME, IB_PADDING_CAUSAL } ib_padding;

/* First member of the settings of these layers. Pairs are rows and columns; over one axis the rows are 1. */
typedef struct ib_window_settings {
    int axes; /* 1 or 2; set by the class before the config is read */
    int64_t taps[2], strides[2], dilation[2];
    int padding, data_format; /* ib_padding; 0 channels_last, 1 channels_first */
} ib_window_settings;

/* int64_t[2] as above, from an integer or a list of one; written as a list. */
ib_read_fn ib__read_single;
/* As ib__read_pair and ib__read_single for strides of poolings: null takes the taps, read before. */
ib_read_fn ib__read_pool_strides;

#define IB_WINDOW_AT(member) .offset = offsetof(ib_window_settings, member)
#define IB_WINDOW_CHOICE(key_, fallback_, member, choices_)                                                  \
    { .key = key_, .fallback = fallback_, .read = ib__read_choice, IB_WINDOW_AT(member), .choices = choices_ }
#define IB_WINDOW_FORMAT                                                                                     \
    { .key = "data_format", .fallback = "null", .read = ib__read_data_format, IB_WINDOW_AT(data_format) }
#define IB_WINDOW_SIZES(key_, fallback_, reader, member)                                                     \
    { .key = key_, .fallback = fallback_, .read = reader, IB_WINDOW_AT(member), .low = 1, .high = 65536 }

/* Checks one input of axes + 2 known axes and gives it as [n, h, w, c]. */
ib_status ib__window_input(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *nhwc,
                           ib_error *err);
/* [n, h, w, c] in the layer's own form; an output without places is an error. */
ib_status ib__window_output(const ib_layer *layer, const ib_shape *input, const ib_shape *nhwc, ib_shape *out,
                            ib_error *err);
/* The window over an input [n, h, w, c], and the rows and columns of its output. */
ib_window2d ib__window_of(const ib_window_settings *s, const ib_shape *nhwc, int64_t size[2]);

ib_node ib__window_enter(const ib_window_settings *s, ib_graph *g, ib_node x); /* -> [n, h, w, c] */
ib_node ib__window_leave(const ib_window_settings *s, ib_graph *g, ib_node y);

#endif
