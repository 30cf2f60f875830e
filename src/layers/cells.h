/* SPDX-License-Identifier: Apache-2.0
 *
 * What the cells share: settings, fields, parts of steps.
 */
#ifndef IB_LAYERS_CELLS_H
#define IB_LAYERS_CELLS_H

#include "layers/recurrent.h"
#include "layers/window.h"

typedef struct ib_cell {
    ib_window_settings window; /* of ConvLSTM */
    int64_t units;             /* or filters */
    ib_activation activation, recurrent_activation;
    bool use_bias, unit_forget_bias, reset_after;
    double dropout, recurrent_dropout;
    int64_t seed;
} ib_cell;

#define IB_CELL_AT(member) .offset = offsetof(ib_cell, member)
#define IB_CELL_UNITS                                                                                        \
    { .key = "units", .read = ib__read_int, IB_CELL_AT(units), .low = 1, .high = 0x1p31 }
#define IB_CELL_ACTIVATION                                                                                   \
    { .key = "activation", .fallback = "\"tanh\"", .read = ib__read_activation, IB_CELL_AT(activation) }
#define IB_CELL_RECURRENT_ACTIVATION                                                                         \
    {                                                                                                        \
        .key = "recurrent_activation", .fallback = "\"sigmoid\"", .read = ib__read_activation,               \
        IB_CELL_AT(recurrent_activation)                                                                     \
    }
#define IB_CELL_BIAS                                                                                         \
    { .key = "use_bias", .fallback = "true", .read = ib__read_bool, IB_CELL_AT(use_bias) }
#define IB_CELL_WEIGHTS                                                                                      \
    {.key = "kernel_initializer", .fallback = "\"glorot_uniform\"", .read = ib__read_initializer},           \
        {.key = "recurrent_initializer", .fallback = "\"orthogonal\"", .read = ib__read_initializer}, {      \
        .key = "bias_initializer", .fallback = "\"zeros\"", .read = ib__read_initializer                     \
    }
#define IB_CELL_REGULARIZERS                                                                                 \
    {.key = "kernel_regularizer", .fallback = "null", .read = ib__read_regularizer},                         \
        {.key = "recurrent_regularizer", .fallback = "null", .read = ib__read_regularizer}, {                \
        .key = "bias_regularizer", .fallback = "null", .read = ib__read_regularizer                          \
    }
#define IB_CELL_CONSTRAINTS                                                                                  \
    {.key = "kernel_constraint", .fallback = "null", .read = ib__read_constraint},                           \
        {.key = "recurrent_constraint", .fallback = "null", .read = ib__read_constraint}, {                  \
        .key = "bias_constraint", .fallback = "null", .read = ib__read_constraint                            \
    }
#define IB_CELL_DROPOUT                                                                                      \
    {.key = "dropout", .fallback = "0.0", .read = ib__read_real, IB_CELL_AT(dropout), .high = 1.0}, {        \
        .key = "recurrent_dropout", .fallback = "0.0", .read = ib__read_real, IB_CELL_AT(recurrent_dropout), \
        .high = 1.0                                                                                          \
    }
#define IB_CELL_FORGET                                                                                       \
    { .key = "unit_forget_bias", .fallback = "true", .read = ib__read_bool, IB_CELL_AT(unit_forget_bias) }
#define IB_CELL_RESET                                                                                        \
    { .key = "reset_after", .fallback = "true", .read = ib__read_bool, IB_CELL_AT(reset_after) }
#define IB_CELL_SEED                                                                                         \
    { .key = "seed", .fallback = "null", .read = ib__read_optional_int, IB_CELL_AT(seed), .high = 0x1p53 }

/* Part [from, from + n) of an axis. */
ib_node ib__cell_part(ib_graph *g, ib_node x, int axis, int64_t from, int64_t n);
/* The bias of an LSTM: its initializer, but ones for the forget gate. */
ib_status ib__cell_fill_forget_bias(const ib_weight *w, ib_fill_fn *piece, void *context, ib_error *err);

#endif
