/* SPDX-License-Identifier: Apache-2.0
 *
 * What the layers of random images share. Each image has its own random numbers: those of the layer's stream
 * at its sample, step and epoch (in a pipeline: at its element and iteration), whatever the batch or threads.
 * Images are [n, h, w, c], or [n, c, h, w] with channels_first; without training they stay as they are.
 */
#ifndef IB_LAYERS_AUGMENT_H
#define IB_LAYERS_AUGMENT_H

#include "layers/noise.h"

typedef struct augment {
    int channels_first;
    int64_t seed; /* -1: the experiment's */
    double factor[2], second[2], range[2];
    bool has_second;
    int mode, fill, interpolation;
    double fill_value;
    int64_t height, width, bins;
    int64_t turn; /* which use of a layer that is a part of another this is; each has its own numbers */
} augment;

/* double[2] from two numbers, or from one: [-f, f], no lower than field->low. field->choices: how. "base": a
 * list need only touch the bounds, as in Keras; "each": both lie in them; "up": one number f is [0, f];
 * "plain": as each, and written as it came. Null is [0, 0] and sets no flag. */
ib_read_fn ib__read_range;
ib_read_fn ib__read_value_range; /* double[2], ascending */

#define IB_AUGMENT(member) .offset = offsetof(augment, member)
#define IB_AUGMENT_FIELDS                                                                                    \
    IB_LAYER_FIELDS, {                                                                                       \
        .key = "data_format", .fallback = "null", .read = ib__read_data_format, IB_AUGMENT(channels_first)   \
    }
#define IB_AUGMENT_SEED                                                                                      \
    { .key = "seed", .fallback = "null", .read = ib__read_optional_int, IB_AUGMENT(seed), .high = 0x1p53 }
#define IB_AUGMENT_VALUES                                                                                    \
    { .key = "value_range", .fallback = "[0, 255]", .read = ib__read_value_range, IB_AUGMENT(range) }

/* A part of [0, 1], from one number or two. */
#define IB_AUGMENT_FACTOR(key_, default_, member)                                                            \
    {                                                                                                        \
        .key = key_, .fallback = default_, .read = ib__read_range, IB_AUGMENT(member), .high = 1.0,          \
        .choices = "base"                                                                                    \
    }
#define IB_AUGMENT_INTERPOLATION                                                                             \
    {                                                                                                        \
        .key = "interpolation", .fallback = "\"bilinear\"", .read = ib__read_choice,                         \
        IB_AUGMENT(interpolation), .choices = "nearest bilinear"                                             \
    }
#define IB_AUGMENT_FILL_VALUE                                                                                \
    {                                                                                                        \
        .key = "fill_value", .fallback = "0.0", .read = ib__read_real, IB_AUGMENT(fill_value),               \
        .low = -0x1p60, .high = 0x1p60                                                                       \
    }

/* Images that keep their shape. */
ib_status ib__augment_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                            ib_error *err);
/* Which axis holds what. */
typedef struct ib_image_axes {
    int height, width, channels;
} ib_image_axes;
ib_image_axes ib__image_axes(const augment *s);
/* An image as planes of rows of pixels of `step` numbers: one plane with channels_last, c with the other. */
typedef struct ib_image_layout {
    size_t planes, height, width, step;
} ib_image_layout;
ib_image_layout ib__image_layout(const augment *s, const ib_shape *shape);

/* k uniform numbers for each image, [n, k]. */
ib_node ib__augment_draws(const ib_layer *layer, ib_build *b, ib_node x, int64_t k);
/* Number i of each image, [n, 1, 1, 1]. */
ib_node ib__augment_draw(ib_graph *g, ib_node draws, int64_t i);
/* The same, spread over [low, high) as TensorFlow does: u * (high - low) + low. */
ib_node ib__augment_between(ib_graph *g, ib_node draws, int64_t i, double low, double high);
/* A predicate [n, 1, 1, 1]: number 1 of each image is below a chance in [factor0, factor1), which number 0
 * gives. */
ib_node ib__augment_chosen(ib_graph *g, ib_node draws, const double factor[2]);
/* A predicate: which places of an axis lie within a part of it that begins where u of [0, 1) says. */
ib_node ib__augment_within(ib_graph *g, const ib_shape *shape, int axis, ib_node part, ib_node u);
/* Values of one range in another. */
ib_node ib__augment_rescaled(ib_graph *g, ib_node x, const double from[2], const double to[2]);
/* x within [low, high]. */
ib_node ib__augment_clip(ib_graph *g, ib_node x, double low, double high);

/* A class of layers whose config is this table, and whose call is made while training only. mixes: samples
 * with each other. */
#define IB_AUGMENT_CLASS(symbol, class_name, fields, shape_, train)                                          \
    IB_AUGMENT_CLASS_THAT(symbol, class_name, fields, shape_, train, false)
#define IB_AUGMENT_CLASS_THAT(symbol, class_name, fields, shape_, train, mixes)                              \
    static ib_status symbol##_configure(ib_layer *layer, const ib_value *config, ib_error *err) {            \
        return ib__layer_configure(layer, fields, sizeof fields / sizeof *fields, config, err);              \
    }                                                                                                        \
    static ib_node symbol##_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {            \
        (void)n;                                                                                             \
        ib_node x = ib__op_convert(b->g, inputs[0], IB_TYPE_F32);                                            \
        return b->training ? train(layer, b, x) : x;                                                         \
    }                                                                                                        \
    const ib_layer_class ib__layer_##symbol = {.name = class_name,                                           \
                                               .settings = sizeof(augment),                                  \
                                               .configure = symbol##_configure,                              \
                                               .shape = shape_,                                              \
                                               .call = symbol##_call,                                        \
                                               .mixes_samples = mixes};

#endif
