/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the layers room: the classes, the fields that all configs share, helpers of several families.
 */
#ifndef IB_LAYERS_INTERNAL_H
#define IB_LAYERS_INTERNAL_H

#include <stddef.h>
#include <string.h>

#include "layers/layer.h"
#include "layers/settings.h"

#define X(symbol, name) extern const ib_layer_class ib__layer_##symbol;
#include "layers/layers.list"
#undef X

/* What every config begins with; then, only when it is set, the penalty that ib__layer_call puts on the
 * outputs. A class with a key of the same name in its own table has it there when it is null. */
#define IB_LAYER_NAMED                                                                                       \
    {.key = "name", .read = ib__read_name}, {.key = "trainable", .fallback = "true", .read = ib__read_flag}, \
    {                                                                                                        \
        .key = "dtype", .fallback = "\"float32\"", .read = ib__read_dtype                                    \
    }
#define IB_LAYER_FIELDS                                                                                      \
    IB_LAYER_NAMED, {                                                                                        \
        .key = "activity_regularizer", .fallback = "null", .read = ib__read_regularizer, .omit_null = true   \
    }

/* For classes whose config is a table of fields: reads it into layer->settings and layer->config. */
ib_status ib__layer_configure(ib_layer *layer, const ib_field *fields, size_t n, const ib_value *config,
                              ib_error *err);
#define IB_CONFIGURE(fields)                                                                                 \
    static ib_status configure(ib_layer *layer, const ib_value *config, ib_error *err) {                     \
        return ib__layer_configure(layer, fields, sizeof fields / sizeof *fields, config, err);              \
    }

/* Config of a class without settings of its own, and the shape of a layer that keeps its input's. */
ib_status ib__layer_configure_plain(ib_layer *layer, const ib_value *config, ib_error *err);
ib_status ib__layer_same_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                               ib_error *err);

/* Is it an operation of keras.ops? */
bool ib__layer_is_operation(const ib_layer *layer);

/* Masks of outputs: the first input's; where any input's is set, if all have one. */
ib_node ib__mask_first(ib_layer *layer, ib_build *b, const ib_flow *inputs, size_t n, ib_node output);
ib_node ib__mask_any(ib_layer *layer, ib_build *b, const ib_flow *inputs, size_t n, ib_node output);

/* "expected an input of rank 4, found (None, 3)" */
ib_status ib__layer_check_rank(const ib_layer *layer, const ib_shape *input, int rank, ib_error *err);
/* What the activation makes of a shape: glu halves the last axis, all others keep it. */
ib_status ib__activation_shape(const ib_activation *activation, const ib_layer *layer, ib_shape *shape,
                               ib_error *err);
/* Adds a weight whose initializer and regularizer stand in the config under "<name>_initializer" ... */
ib_status ib__layer_add_configured(ib_layer *layer, const char *name, const ib_shape *shape, bool trainable,
                                   ib_error *err);
/* The same for "<configured>_initializer" ... */
ib_status ib__layer_add_configured_as(ib_layer *layer, const char *name, const char *configured,
                                      const ib_shape *shape, bool trainable, ib_error *err);
/* The weight's node, or IB_NO_NODE if there is no such weight. */
ib_node ib__layer_weight(const ib_layer *layer, ib_graph *g, const char *name);
/* axis of a tensor of this rank, counted from the end when negative; -1: outside, or the batch axis. */
int ib__layer_axis(int64_t axis, int rank);

/* int64_t[IB_RANK_MAX] from an integer or a list of them; choices "one": only an integer, "list": written as
 * a list. axes_count: how many a canonical value holds. axes_mask: bit i for axis i of this rank; 0: one is
 * outside, doubled, or the batch. */
ib_read_fn ib__read_axes;
int ib__axes_count(const ib_value *value);
unsigned ib__axes_mask(const int64_t *axes, int n, int rank);

/* int: 0 channels_last (also for null, and written so), 1 channels_first */
ib_read_fn ib__read_data_format;

#endif
