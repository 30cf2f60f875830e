/* SPDX-License-Identifier: Apache-2.0
 *
 * What the families of convolutions share: settings, fields, weights.
 */
#ifndef IB_LAYERS_CONVOLUTION_H
#define IB_LAYERS_CONVOLUTION_H

#include "layers/window.h"

typedef struct ib_convolution {
    ib_window_settings window;
    int64_t filters, groups, multiplier;
    int64_t output_padding[IB_AXES_MAX]; /* of transposed ones; -1: Keras's own choice */
    ib_activation activation;
    bool use_bias;
} ib_convolution;

#define IB_CONV_AT(member) .offset = offsetof(ib_convolution, member)
#define IB_CONV_PADDING(choices) IB_WINDOW_CHOICE("padding", "\"valid\"", padding, choices)
#define IB_CONV_COUNT(name, default_, member)                                                                \
    { .key = name, .fallback = default_, .read = ib__read_int, IB_CONV_AT(member), .low = 1, .high = 0x1p31 }
#define IB_CONV_ACTIVATION                                                                                   \
    { .key = "activation", .fallback = "null", .read = ib__read_activation, IB_CONV_AT(activation) }
#define IB_CONV_BIAS                                                                                         \
    { .key = "use_bias", .fallback = "true", .read = ib__read_bool, IB_CONV_AT(use_bias) }
#define IB_CONV_INITIALIZER(name, default_)                                                                  \
    { .key = name "_initializer", .fallback = default_, .read = ib__read_initializer }
#define IB_CONV_REGULARIZER(name)                                                                            \
    { .key = name "_regularizer", .fallback = "null", .read = ib__read_regularizer }
#define IB_CONV_CONSTRAINT(name)                                                                             \
    { .key = name "_constraint", .fallback = "null", .read = ib__read_constraint }
#define IB_CONV_SIZES_1D(key, fallback, member) IB_WINDOW_SIZES(key, fallback, ib__read_single, member)
#define IB_CONV_SIZES_2D(key, fallback, member) IB_WINDOW_SIZES(key, fallback, ib__read_pair, member)
#define IB_CONV_SIZES_3D(key, fallback, member) IB_WINDOW_SIZES(key, fallback, ib__read_triple, member)

/* Reads the config of a layer over so many axes. */
ib_status ib__conv_configure(ib_layer *layer, int axes, const ib_field *fields, size_t n,
                             const ib_value *config, ib_error *err);
/* Strides and dilation exclude each other, as in Keras. */
ib_status ib__conv_check_strides(const ib_layer *layer, ib_error *err);
/* [taps ..., a, b] */
ib_shape ib__conv_kernel_shape(const ib_convolution *s, int64_t a, int64_t b);
ib_status ib__conv_add_bias(ib_layer *layer, int64_t channels, ib_error *err); /* if there is one */
/* The output [n, ..., c] in the layer's own form, with what the activation makes of it. */
ib_status ib__conv_output(const ib_layer *layer, const ib_shape *input, const ib_shape *y, ib_shape *out,
                          ib_error *err);
/* Bias, the layer's own form, activation. */
ib_node ib__conv_finish(const ib_layer *layer, ib_graph *g, ib_node y);

/* A class: configure_<symbol> reads `fields` and then runs `check`. */
#define IB_CONVOLUTION(symbol, class_name, axes, fields, check, its_shape, its_build, its_call)              \
    static ib_status configure_##symbol(ib_layer *layer, const ib_value *config, ib_error *err) {            \
        size_t n = sizeof fields / sizeof *fields;                                                           \
        ib_status status = ib__conv_configure(layer, axes, fields, n, config, err);                          \
        return status == IB_OK ? check(layer, err) : status;                                                 \
    }                                                                                                        \
    const ib_layer_class ib__layer_##symbol = {.name = class_name,                                           \
                                               .rounds = true,                                               \
                                               .settings = sizeof(ib_convolution),                           \
                                               .configure = configure_##symbol,                              \
                                               .shape = its_shape,                                           \
                                               .build = its_build,                                           \
                                               .call = its_call};

#endif
