/* SPDX-License-Identifier: Apache-2.0
 *
 * Running cells over time: masks, states that stay, outputs; RNN, and LSTM, GRU, SimpleRNN and
 * ConvLSTM1D, 2D, 3D, which are RNN with their own cell; StackedRNNCells; cells as layers.
 */
#include "layers/recurrent.h"

#include <stdio.h>

static const ib_cell_class *const cells[] = {&ib__cell_simple, &ib__cell_gru, &ib__cell_lstm,
                                             &ib__cell_conv_lstm, &ib__cell_stacked};

const ib_cell_class *ib__cell_class(const ib_layer *layer) {
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        if (strcmp(cells[i]->name, layer->class->name) == 0) return cells[i];
    return NULL;
}

ib_node ib__dropout_factor(const ib_layer *layer, ib_build *b, int64_t seed, const char *purpose, double rate,
                           const ib_shape *shape) {
    ib_stream stream = ib__stream(seed >= 0 ? (uint64_t)seed : b->seed, layer->path, purpose);
    ib_node u = ib__op_uniform(b->g, stream.key, shape);
    ib_node keep =
        ib__op_map(b->g, IB_MAP_greater_equal, u, ib__op_constant_f32(b->g, (float)rate), IB_NO_NODE);
    float scale = rate < 1 ? (float)(1.0 / (1.0 - rate)) : 0.0f;
    return ib__op_select(b->g, keep, ib__op_constant(b->g, scale), ib__op_constant(b->g, 0.0f));
}

/* ---- Shapes ---- */

/* The shape of a step's input. */
static ib_shape step_shape(const ib_shape *xs) {
    ib_shape x = {.rank = xs->rank - 1, .dims = {xs->dims[0]}};
    for (int i = 1; i < x.rank; i++)
        x.dims[i] = xs->dims[i + 1];
    return x;
}

static ib_status check_sequence(const ib_layer *layer, const ib_args *args, ib_error *err) {
    size_t n;
    (void)ib__args_find(args, args->n ? args->names[0] : "", &n);
    const ib_shape *xs = args->n ? &args->specs[0].shape : NULL;
    if (xs && n == 1 && xs->rank >= 3 && xs->dims[xs->rank - 1] >= 0) return IB_OK;
    char text[128] = "nothing";
    if (xs) ib__shape_print(text, xs);
    return ib__fail(err, IB_BAD_INPUT, layer->place,
                    "expected a sequence (batch, steps, ...) with a known last axis, found %s", text);
}

/* Initial states, if there are any, must have the states' shapes. */
static ib_status check_states(const ib_layer *layer, const ib_args *args, const char *argument,
                              const ib_shape *states, size_t n_states, ib_error *err) {
    size_t n, first = ib__args_find(args, argument, &n);
    if (n == 0) return IB_OK;
    bool fits = n == n_states;
    for (size_t i = 0; fits && i < n; i++) {
        ib_shape given = args->specs[first + i].shape;
        given.dims[0] = states[i].dims[0];
        fits = ib__shape_equal(&given, &states[i]);
    }
    if (fits) return IB_OK;
    char text[128];
    ib__shape_print(text, &states[0]);
    return ib__fail(err, IB_BAD_INPUT, layer->place, "%s: expected %zu states of shapes as %s", argument,
                    n_states, text);
}

ib_status ib__rnn_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], size_t *n,
                        ib_error *err) {
    const ib_rnn_flags *flags = ib__rnn_flags((ib_layer *)(uintptr_t)layer);
    const ib_layer *cell = layer->parts[0].layer;
    ib_status status = check_sequence(layer, args, err);
    if (status != IB_OK) return status;
    ib_shape states[IB_STATES_MAX], x = step_shape(&args->specs[0].shape);
    size_t output, n_states = ib__cell_class(cell)->states(cell, &x, states, &output);
    if (n_states == 0)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "the input does not fit the cell %s", cell->name);
    status = check_states(layer, args, "initial_state", states, n_states, err);
    if (status != IB_OK) return status;
    ib_shape y = states[output];
    if (flags->sequences) {
        for (int i = y.rank++; i > 1; i--)
            y.dims[i] = y.dims[i - 1];
        y.dims[1] = args->specs[0].shape.dims[1];
    }
    *n = 0;
    out[(*n)++] = (ib_spec){.shape = y, .type = IB_TYPE_F32};
    for (size_t i = 0; flags->state && i < n_states; i++)
        out[(*n)++] = (ib_spec){.shape = states[i], .type = IB_TYPE_F32};
    return IB_OK;
}

ib_status ib__rnn_build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    (void)n;
    ib_layer *cell = layer->parts[0].layer;
    ib_shape x = step_shape(&inputs[0]);
    return ib__layer_build_part(cell, &x, err);
}

/* ---- Running ---- */

typedef struct running {
    ib_layer *layer, *cell;
    const ib_cell_class *class;
    const ib_rnn_flags *flags;
    ib_shape states[IB_STATES_MAX];
    size_t n, output; /* of the states; which one has the output's shape */
    ib_node init[IB_STATES_MAX], in[IB_STATES_MAX], next[IB_STATES_MAX];
} running;

static ib_node zeros(ib_graph *g, const ib_shape *shape) {
    return ib__op_broadcast_to(g, ib__op_constant(g, 0.0f), shape);
}

/* Keras lets a mask that travels reach a call of one tensor only: with initial states the mask must be given.
 */
static ib_node mask_of_steps(const ib_args *args) {
    size_t states;
    (void)ib__args_find(args, "initial_state", &states);
    return states > 0 && !args->mask_given ? IB_NO_NODE : args->flows[0].mask;
}

/* Where the states begin: given, kept from the last call, or zero. */
static void first_states(running *r, ib_build *b, const ib_args *args) {
    size_t given, first = ib__args_find(args, "initial_state", &given);
    for (size_t i = 0; i < r->n; i++) {
        char name[32];
        snprintf(name, sizeof name, "state_%zu", i);
        if (given)
            r->init[i] = args->flows[first + i].node;
        else if (r->flags->stateful)
            r->init[i] = ib__layer_state(r->layer, b->g, name, &r->states[i]);
        else
            r->init[i] = zeros(b->g, &r->states[i]);
    }
}

static void keep_states(running *r, ib_build *b, const ib_node *finals) {
    for (size_t i = 0; r->flags->stateful && i < r->n; i++) {
        char name[32];
        snprintf(name, sizeof name, "state_%zu", i);
        ib__layer_state_assign(r->layer, b->g, name, finals[i]);
    }
}

/* A mask of a step [samples, ...], which may speak for places of images, too, for values of this shape. */
static ib_node widened(ib_graph *g, ib_node mask, ib_node value) {
    ib_shape shape = ib__node_shape(g, value), from = ib__node_shape(g, mask), column = {.rank = shape.rank};
    for (int i = 0; i < column.rank; i++) {
        column.dims[i] = i < from.rank ? from.dims[i] : 1;
        if (column.dims[i] != 1 && column.dims[i] != shape.dims[i])
            return ib__graph_fail(g, IB_BAD_INPUT, "a mask has other places than the cell's states");
    }
    return ib__op_broadcast_to(g, ib__op_reshape(g, mask, &column), &shape);
}

/* A step's mask as a slice of [samples, steps] or [samples, steps, ...]. */
static ib_node step_mask(ib_graph *g, ib_scan *scan, ib_node mask) {
    ib_shape shape = ib__node_shape(g, mask);
    if (shape.rank == 2) {
        shape.dims[shape.rank++] = 1;
        mask = ib__op_reshape(g, mask, &shape);
    }
    return ib__scan_x(g, scan, mask);
}

/* Keras's rule: where the mask is not set the states stay, and the output is that of the step before, or 0.
 */
static ib_node masked(running *r, ib_graph *g, ib_scan *scan, ib_node mask, ib_node output) {
    ib_node m = step_mask(g, scan, mask);
    for (size_t i = 0; i < r->n; i++)
        r->next[i] = ib__op_select(g, widened(g, m, r->next[i]), r->next[i], r->in[i]);
    ib_shape shape = ib__node_shape(g, output);
    ib_node other = zeros(g, &shape);
    if (r->flags->zero_output) return ib__op_select(g, widened(g, m, output), output, other);
    ib_node before = ib__scan_carry(g, scan, other);
    ib_node y = ib__op_select(g, widened(g, m, output), output, before);
    ib__scan_next(g, scan, before, y);
    return y;
}

/* The value after the last step: that of a carry, or of a carry made for it. */
static ib_node carry_of(running *r, ib_graph *g, ib_scan *scan, ib_node value) {
    for (size_t i = 0; i < r->n; i++)
        if (r->next[i] == value) return r->in[i];
    ib_shape shape = ib__node_shape(g, value);
    ib_node carry = ib__scan_carry(g, scan, zeros(g, &shape));
    ib__scan_next(g, scan, carry, value);
    return carry;
}

void ib__rnn_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    ib_graph *g = b->g;
    running r = {.layer = layer, .cell = layer->parts[0].layer, .flags = ib__rnn_flags(layer)};
    ib_node xs = args->flows[0].node, mask = mask_of_steps(args);
    ib_shape from = ib__node_shape(g, xs), x = step_shape(&from);
    r.class = ib__cell_class(r.cell);
    r.n = r.class->states(r.cell, &x, r.states, &r.output);
    ib_cell_ready inner[IB_CELLS_MAX] = {0}, ready = {.inner = inner};
    first_states(&r, b, args);
    ib_node projected = r.class->prepare(r.cell, b, xs, &x, &ready);
    ib_scan *scan = ib__scan_begin(g, from.dims[1], r.flags->backwards);
    for (size_t i = 0; i < r.n; i++)
        r.in[i] = ib__scan_carry(g, scan, r.init[i]);
    ib_node output = r.class->step(r.cell, b, &ready, ib__scan_x(g, scan, projected), r.in, r.next);
    if (mask != IB_NO_NODE) output = masked(&r, g, scan, mask, output);
    for (size_t i = 0; i < r.n; i++)
        ib__scan_next(g, scan, r.in[i], r.next[i]);
    ib_node last = r.flags->sequences ? IB_NO_NODE : carry_of(&r, g, scan, output);
    ib__scan_end(g, scan);
    ib_node finals[IB_STATES_MAX];
    for (size_t i = 0; (r.flags->state || r.flags->stateful) && i < r.n; i++)
        finals[i] = ib__scan_final(g, scan, r.in[i]);
    keep_states(&r, b, finals);
    if (r.flags->sequences) {
        out[0].node = ib__scan_stacked(g, scan, output);
        out[0].mask = args->flows[0].mask;
        /* Keras gives the outputs in the order of the steps. */
        if (r.flags->backwards) out[0].node = ib__op_reverse(g, out[0].node, 1);
    } else {
        out[0].node = ib__scan_final(g, scan, last);
    }
    for (size_t i = 0; r.flags->state && i < r.n; i++)
        out[1 + i].node = finals[i];
}

/* ---- RNN ---- */

typedef struct rnn {
    ib_rnn_flags flags;
} rnn;

/* The cell is made by configure, from the raw config. */
static const ib_field rnn_fields[] = {
    IB_LAYER_FIELDS, IB_RNN_FIELDS(rnn, flags), {.key = "cell", .read = ib__read_anything}};

static ib_status check_cell(const ib_layer *layer, const ib_layer *cell, ib_error *err) {
    if (ib__cell_class(cell)) return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, layer->place, "%s is no cell", cell->class->name);
}

static ib_status rnn_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status =
        ib__layer_configure(layer, rnn_fields, sizeof rnn_fields / sizeof *rnn_fields, config, err);
    if (status != IB_OK) return status;
    const ib_value *cell = ib__value_get(layer->config, "cell");
    ib_value *canonical = NULL, *stack = NULL;
    if (cell->kind == IB_LIST) { /* several cells are StackedRNNCells */
        ib_value *inner = ib__value_map();
        if (!ib__value_set(inner, "cells", ib__value_copy(cell))) {
            ib__value_free(inner);
            return ib__fail_memory(err);
        }
        cell = stack = ib__serialized("keras.layers", "StackedRNNCells", inner);
        if (!stack) return ib__fail_memory(err);
    }
    ib_layer *part;
    status = ib__layer_add_part(layer, "cell", cell, "cell", &part, &canonical, err);
    ib__value_free(stack);
    if (status == IB_OK) status = check_cell(layer, part, err);
    if (status != IB_OK) {
        ib__value_free(canonical);
        return status;
    }
    return ib__value_set(layer->config, "cell", canonical) ? IB_OK : ib__fail_memory(err);
}

const ib_layer_class ib__layer_rnn = {.name = "RNN",
                                      .rounds = true,
                                      .settings = sizeof(rnn),
                                      .arguments = "sequences initial_state",
                                      .configure = rnn_configure,
                                      .infer = ib__rnn_infer,
                                      .build = ib__rnn_build,
                                      .apply = ib__rnn_apply};

/* ---- LSTM, GRU, SimpleRNN, ConvLSTM: an RNN and its cell in one config ---- */

#define TEXT(name, value)                                                                                    \
    { .key = name, .fallback = value, .read = ib__read_anything }
#define COMMON IB_LAYER_FIELDS, IB_RNN_FIELDS(rnn, flags), TEXT("units", NULL), TEXT("activation", "\"tanh\"")
#define WEIGHTS                                                                                              \
    TEXT("use_bias", "true"), TEXT("kernel_initializer", "\"glorot_uniform\""),                              \
        TEXT("recurrent_initializer", "\"orthogonal\""), TEXT("bias_initializer", "\"zeros\"")
#define REST                                                                                                 \
    TEXT("kernel_regularizer", "null"), TEXT("recurrent_regularizer", "null"),                               \
        TEXT("bias_regularizer", "null"),                                                                    \
        {.key = "activity_regularizer", .fallback = "null", .read = ib__read_regularizer},                   \
        TEXT("kernel_constraint", "null"), TEXT("recurrent_constraint", "null"),                             \
        TEXT("bias_constraint", "null"), TEXT("dropout", "0.0"), TEXT("recurrent_dropout", "0.0")

static const ib_field lstm_fields[] = {COMMON,  TEXT("recurrent_activation", "\"sigmoid\""),
                                       WEIGHTS, TEXT("unit_forget_bias", "true"),
                                       REST,    TEXT("seed", "null")};
static const ib_field gru_fields[] = {COMMON,
                                      TEXT("recurrent_activation", "\"sigmoid\""),
                                      WEIGHTS,
                                      REST,
                                      TEXT("reset_after", "true"),
                                      TEXT("seed", "null")};
static const ib_field simple_fields[] = {COMMON, WEIGHTS, REST};
static const ib_field conv_fields[] = {IB_LAYER_FIELDS,
                                       IB_RNN_FIELDS(rnn, flags),
                                       TEXT("filters", NULL),
                                       TEXT("kernel_size", NULL),
                                       TEXT("strides", "1"),
                                       TEXT("padding", "\"valid\""),
                                       TEXT("data_format", "null"),
                                       TEXT("dilation_rate", "1"),
                                       TEXT("activation", "\"tanh\""),
                                       TEXT("recurrent_activation", "\"sigmoid\""),
                                       WEIGHTS,
                                       TEXT("unit_forget_bias", "true"),
                                       REST,
                                       TEXT("seed", "null")};

/* Is the key one that the cell has, too? */
static bool is_cells(const ib_field *f) {
    return f->read == ib__read_anything && strcmp(f->key, "name") != 0;
}

/* The cell's settings are read by the cell; what it makes of them goes back into the layer's config. */
static ib_status configure_with_cell(ib_layer *layer, const ib_value *config, const ib_field *fields,
                                     size_t n, const ib_layer_class *cell_class, ib_error *err) {
    ib_status status = ib__layer_configure(layer, fields, n, config, err);
    if (status != IB_OK) return status;
    char name[128];
    ib__snake_case(name, sizeof name, cell_class->name);
    ib_value *inner = ib__value_map();
    bool good = ib__value_set(inner, "name", ib__value_string(name)) &&
                ib__value_set(inner, "dtype", ib__value_copy(ib__value_get(layer->config, "dtype")));
    for (size_t i = 0; good && i < n; i++)
        if (is_cells(&fields[i]))
            good = ib__value_set(inner, fields[i].key,
                                 ib__value_copy(ib__value_get(layer->config, fields[i].key)));
    ib_layer *part = NULL;
    status = good ? ib__layer_add_part_of(layer, "cell", cell_class, inner, name, &part, err)
                  : ib__fail_memory(err);
    ib__value_free(inner);
    for (size_t i = 0; status == IB_OK && i < n; i++)
        if (is_cells(&fields[i]) &&
            !ib__value_set(layer->config, fields[i].key,
                           ib__value_copy(ib__value_get(part->config, fields[i].key))))
            status = ib__fail_memory(err);
    return status;
}

#define WITH_CELL(symbol, class_name, fields, cell_class)                                                    \
    static ib_status symbol##_configure(ib_layer *layer, const ib_value *config, ib_error *err) {            \
        return configure_with_cell(layer, config, fields, sizeof fields / sizeof *fields, &cell_class, err); \
    }                                                                                                        \
    const ib_layer_class ib__layer_##symbol = {.name = class_name,                                           \
                                               .rounds = true,                                               \
                                               .settings = sizeof(rnn),                                      \
                                               .arguments = "sequences initial_state",                       \
                                               .configure = symbol##_configure,                              \
                                               .infer = ib__rnn_infer,                                       \
                                               .build = ib__rnn_build,                                       \
                                               .apply = ib__rnn_apply};
WITH_CELL(lstm, "LSTM", lstm_fields, ib__layer_lstm_cell)
WITH_CELL(gru, "GRU", gru_fields, ib__layer_gru_cell)
WITH_CELL(simple_rnn, "SimpleRNN", simple_fields, ib__layer_simple_rnn_cell)
WITH_CELL(conv_lstm1d, "ConvLSTM1D", conv_fields, ib__layer_conv_lstm_cell1d)
WITH_CELL(conv_lstm2d, "ConvLSTM2D", conv_fields, ib__layer_conv_lstm_cell2d)
WITH_CELL(conv_lstm3d, "ConvLSTM3D", conv_fields, ib__layer_conv_lstm_cell3d)

ib_rnn_flags *ib__rnn_flags(ib_layer *layer) {
    static const ib_layer_class *const with_flags[] = {
        &ib__layer_rnn,         &ib__layer_lstm,        &ib__layer_gru,        &ib__layer_simple_rnn,
        &ib__layer_conv_lstm1d, &ib__layer_conv_lstm2d, &ib__layer_conv_lstm3d};
    for (size_t i = 0; i < sizeof with_flags / sizeof *with_flags; i++)
        if (layer->class == with_flags[i]) return &((rnn *)layer->settings)->flags;
    return NULL;
}
