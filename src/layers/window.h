/* SPDX-License-Identifier: Apache-2.0
 *
 * What convolutions and poolings share: windows over one to three axes, in both data formats. Everything is
 * computed as [n, ..., c].
 */
#ifndef IB_LAYERS_WINDOW_H
#define IB_LAYERS_WINDOW_H

#include "layers/internal.h"

typedef enum ib_padding { IB_PADDING_VALID, IB_PADDING_SAME, IB_PADDING_CAUSAL } ib_padding;

enum { IB_AXES_MAX = 3 };

/* First member of the settings of these layers. */
typedef struct ib_window_settings {
    int axes; /* 1 to 3; set by the class before the config is read */
    int64_t taps[IB_AXES_MAX], strides[IB_AXES_MAX], dilation[IB_AXES_MAX];
    int padding, data_format; /* ib_padding; 0 channels_last, 1 channels_first */
} ib_window_settings;

/* int64_t[1] from an integer or a list of one; written as a list. */
ib_read_fn ib__read_single;
/* For strides of poolings: null takes the taps, read before; else a number an axis. */
ib_read_fn ib__read_pool_strides;

#define IB_WINDOW_AT(member) .offset = offsetof(ib_window_settings, member)
#define IB_WINDOW_CHOICE(key_, fallback_, member, choices_)                                                  \
    { .key = key_, .fallback = fallback_, .read = ib__read_choice, IB_WINDOW_AT(member), .choices = choices_ }
#define IB_WINDOW_FORMAT                                                                                     \
    { .key = "data_format", .fallback = "null", .read = ib__read_data_format, IB_WINDOW_AT(data_format) }
#define IB_WINDOW_SIZES(key_, fallback_, reader, member)                                                     \
    { .key = key_, .fallback = fallback_, .read = reader, IB_WINDOW_AT(member), .low = 1, .high = 65536 }

/* A class whose settings begin with ib_window_settings, over its_axes axes. */
#define IB_WINDOW_CLASS(symbol, class_name, settings_type, its_axes, fields, its_shape, its_call)            \
    static ib_status symbol##_configure(ib_layer *layer, const ib_value *config, ib_error *err) {            \
        ((ib_window_settings *)layer->settings)->axes = its_axes;                                            \
        return ib__layer_configure(layer, fields, sizeof fields / sizeof *fields, config, err);              \
    }                                                                                                        \
    const ib_layer_class ib__layer_##symbol = {.name = class_name,                                           \
                                               .rounds = true,                                               \
                                               .settings = sizeof(settings_type),                            \
                                               .configure = symbol##_configure,                              \
                                               .shape = its_shape,                                           \
                                               .call = its_call};

/* The first axis that the layer slides over. */
int ib__window_first_axis(const ib_window_settings *s);
/* Checks one input of axes + 2 axes with a known number of channels and gives it as [n, ..., c]; sizes that
 * only the data say are -1. */
ib_status ib__window_input(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *x,
                           ib_error *err);
/* [n, ..., c] in the layer's own form; an output without places is an error. */
ib_status ib__window_output(const ib_layer *layer, const ib_shape *input, const ib_shape *y, ib_shape *out,
                            ib_error *err);
/* The window over an input [n, ..., c]; y, if not NULL: the output, with as many channels. */
ib_window ib__window_of(const ib_window_settings *s, const ib_shape *x, ib_shape *y);

ib_node ib__window_enter(const ib_window_settings *s, ib_graph *g, ib_node x); /* -> [n, ..., c] */
ib_node ib__window_leave(const ib_window_settings *s, ib_graph *g, ib_node y);

#endif
