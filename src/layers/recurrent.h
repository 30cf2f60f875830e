/* SPDX-License-Identifier: Apache-2.0
 *
 * Recurrent cells: what the layers that run them over time need. A cell is a layer of its own too.
 */
#ifndef IB_LAYERS_RECURRENT_H
#define IB_LAYERS_RECURRENT_H

#include "layers/internal.h"

enum { IB_STATES_MAX = 32, IB_GATES_MAX = 4, IB_CELLS_MAX = 16 };

/* What a cell has made outside of the time steps. */
typedef struct ib_cell_ready ib_cell_ready;
struct ib_cell_ready {
    bool projected;             /* the steps' x is a slice of the projection of all steps at once */
    ib_node drop[IB_GATES_MAX]; /* factors of the inputs, the same in all steps; IB_NO_NODE: none */
    ib_node recurrent_drop[IB_GATES_MAX];
    ib_node recurrent[IB_GATES_MAX]; /* columns of the recurrent kernel, where they are wanted apart */
    ib_cell_ready *inner;            /* one a cell of StackedRNNCells */
};

typedef struct ib_cell_class {
    const char *name; /* of the layer class */
    /* The shapes of the states (-1 batch) for a step's input; gives their number. The output has the shape of
     * state number *output. */
    size_t (*states)(const ib_layer *cell, const ib_shape *x, ib_shape out[IB_STATES_MAX], size_t *output);
    /* xs: [samples, steps, ...], or IB_NO_NODE when inputs come one by one; x: a step's shape. Gives the
     * array that steps take slices of. */
    ib_node (*prepare)(ib_layer *cell, ib_build *b, ib_node xs, const ib_shape *x, ib_cell_ready *ready);
    /* One step; gives the output and the next states. */
    ib_node (*step)(ib_layer *cell, ib_build *b, const ib_cell_ready *ready, ib_node x, const ib_node *states,
                    ib_node *next);
} ib_cell_class;

/* NULL: the layer is no cell. */
const ib_cell_class *ib__cell_class(const ib_layer *layer);
extern const ib_cell_class ib__cell_simple, ib__cell_gru, ib__cell_lstm, ib__cell_conv_lstm, ib__cell_stacked;
/* The cells of ConvLSTM1D, 2D, 3D, which Keras does not name as layers. */
extern const ib_layer_class ib__layer_conv_lstm_cell1d, ib__layer_conv_lstm_cell2d,
    ib__layer_conv_lstm_cell3d;

/* The flags of every layer that runs a cell. */
typedef struct ib_rnn_flags {
    bool sequences, state, backwards, stateful, unroll, zero_output;
} ib_rnn_flags;
#define IB_RNN_FIELDS(type, member)                                                                          \
    {.key = "return_sequences",                                                                              \
     .fallback = "false",                                                                                    \
     .read = ib__read_bool,                                                                                  \
     .offset = offsetof(type, member.sequences)},                                                            \
        {.key = "return_state",                                                                              \
         .fallback = "false",                                                                                \
         .read = ib__read_bool,                                                                              \
         .offset = offsetof(type, member.state)},                                                            \
        {.key = "go_backwards",                                                                              \
         .fallback = "false",                                                                                \
         .read = ib__read_bool,                                                                              \
         .offset = offsetof(type, member.backwards)},                                                        \
        {.key = "stateful",                                                                                  \
         .fallback = "false",                                                                                \
         .read = ib__read_bool,                                                                              \
         .offset = offsetof(type, member.stateful)},                                                         \
        {.key = "unroll",                                                                                    \
         .fallback = "false",                                                                                \
         .read = ib__read_bool,                                                                              \
         .offset = offsetof(type, member.unroll)},                                                           \
    {                                                                                                        \
        .key = "zero_output_for_mask", .fallback = "false", .read = ib__read_bool,                           \
        .offset = offsetof(type, member.zero_output)                                                         \
    }

/* The flags of an RNN, LSTM, GRU, SimpleRNN or ConvLSTM layer; NULL for another layer. */
ib_rnn_flags *ib__rnn_flags(ib_layer *layer);

/* infer, build and apply of a layer whose part number 0 is the cell. */
ib_status ib__rnn_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], size_t *n,
                        ib_error *err);
ib_status ib__rnn_build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err);
void ib__rnn_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]);

/* A cell as a layer: one step. */
ib_status ib__cell_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], size_t *n,
                         ib_error *err);
void ib__cell_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]);

/* A factor for dropout: 1 / (1 - rate) where the stream's number is at least the rate, else 0. */
ib_node ib__dropout_factor(const ib_layer *layer, ib_build *b, int64_t seed, const char *purpose, double rate,
                           const ib_shape *shape);

#endif
