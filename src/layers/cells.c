/* SPDX-License-Identifier: Apache-2.0
 *
 * SimpleRNNCell, GRUCell, LSTMCell. Gates stand side by side in the kernels' columns, in Keras's order: z r h
 * for a GRU, i f c o for an LSTM.
 *
 * x . kernel + bias is made for all time steps at once, outside of the steps; a step adds h .
 * recurrent_kernel to its slice. With recurrent dropout every gate has its own factors, as in Keras.
 */
#include "layers/cells.h"

static const ib_field simple_fields[] = {IB_LAYER_FIELDS,     IB_CELL_UNITS,   IB_CELL_ACTIVATION,
                                         IB_CELL_BIAS,        IB_CELL_WEIGHTS, IB_CELL_REGULARIZERS,
                                         IB_CELL_CONSTRAINTS, IB_CELL_DROPOUT, IB_CELL_SEED};
static const ib_field gru_fields[] = {
    IB_LAYER_FIELDS, IB_CELL_UNITS,   IB_CELL_ACTIVATION,   IB_CELL_RECURRENT_ACTIVATION,
    IB_CELL_BIAS,    IB_CELL_WEIGHTS, IB_CELL_REGULARIZERS, IB_CELL_CONSTRAINTS,
    IB_CELL_DROPOUT, IB_CELL_RESET,   IB_CELL_SEED};
static const ib_field lstm_fields[] = {
    IB_LAYER_FIELDS,     IB_CELL_UNITS,   IB_CELL_ACTIVATION, IB_CELL_RECURRENT_ACTIVATION,
    IB_CELL_BIAS,        IB_CELL_FORGET,  IB_CELL_WEIGHTS,    IB_CELL_REGULARIZERS,
    IB_CELL_CONSTRAINTS, IB_CELL_DROPOUT, IB_CELL_SEED};

#define CONFIGURE(name, fields)                                                                              \
    static ib_status name(ib_layer *layer, const ib_value *config, ib_error *err) {                          \
        return ib__layer_configure(layer, fields, sizeof fields / sizeof *fields, config, err);              \
    }
CONFIGURE(simple_configure, simple_fields)
CONFIGURE(gru_configure, gru_fields)
CONFIGURE(lstm_configure, lstm_fields)

/* ---- Weights ---- */

ib_status ib__cell_fill_forget_bias(const ib_weight *w, ib_fill_fn *piece, void *context, ib_error *err) {
    ib_shape one = {.rank = 1, .dims = {w->variable.shape.dims[0] / 4}}, two = one;
    size_t units = (size_t)one.dims[0];
    two.dims[0] *= 2;
    ib_status status = piece(context, w, w->variable.data, &one, err);
    for (size_t i = 0; i < units; i++)
        w->variable.data[units + i] = 1.0f;
    return status == IB_OK ? piece(context, w, w->variable.data + 2 * units, &two, err) : status;
}

static ib_status build_gates(ib_layer *layer, const ib_shape *inputs, int64_t gates, ib_error *err) {
    const ib_cell *s = layer->settings;
    int64_t last = inputs[0].dims[inputs[0].rank - 1], width = gates * s->units;
    ib_shape kernel = {.rank = 2, .dims = {last, width}}, recurrent = {.rank = 2, .dims = {s->units, width}};
    ib_shape bias = {.rank = 1, .dims = {width}};
    if (gates == 3 && s->reset_after) bias = (ib_shape){.rank = 2, .dims = {2, width}};
    ib_status status = ib__layer_add_configured(layer, "kernel", &kernel, true, err);
    if (status != IB_OK) return status;
    ib_weight *w = NULL;
    status = ib__layer_add_weight(layer, "recurrent_kernel", &recurrent, true,
                                  ib__value_get(layer->config, "recurrent_initializer"),
                                  ib__value_get(layer->config, "recurrent_regularizer"),
                                  ib__value_get(layer->config, "recurrent_constraint"), &w, err);
    if (status == IB_OK && s->use_bias) status = ib__layer_add_configured(layer, "bias", &bias, true, err);
    if (status == IB_OK && s->use_bias && gates == 4 && s->unit_forget_bias)
        layer->weights[layer->n_weights - 1].fill = ib__cell_fill_forget_bias;
    return status;
}

static ib_status simple_build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    (void)n;
    return build_gates(layer, inputs, 1, err);
}

static ib_status gru_build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    (void)n;
    return build_gates(layer, inputs, 3, err);
}

static ib_status lstm_build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    (void)n;
    return build_gates(layer, inputs, 4, err);
}

/* ---- What a step shares ---- */

ib_node ib__cell_part(ib_graph *g, ib_node x, int axis, int64_t from, int64_t n) {
    ib_shape shape = ib__node_shape(g, x);
    int64_t start[IB_RANK_MAX] = {0}, limit[IB_RANK_MAX];
    memcpy(limit, shape.dims, sizeof limit);
    start[axis] = from;
    limit[axis] = from + n;
    return ib__op_slice(g, x, start, limit);
}

/* Columns [from, from + n) * units of the last axis. */
static ib_node columns(ib_graph *g, ib_node x, int64_t from, int64_t n, int64_t units) {
    if (x == IB_NO_NODE) return x;
    return ib__cell_part(g, x, ib__node_shape(g, x).rank - 1, from * units, n * units);
}

/* Row r of a bias [2, width]; a bias of one row is its row 0. */
static ib_node bias_row(const ib_layer *layer, ib_graph *g, int64_t r) {
    ib_node bias = ib__layer_weight(layer, g, "bias");
    ib_shape shape = ib__node_shape(g, bias);
    if (shape.rank < 2) return r ? IB_NO_NODE : bias;
    int64_t start[2] = {r, 0}, limit[2] = {r + 1, shape.dims[1]};
    ib_shape flat = {.rank = 1, .dims = {shape.dims[1]}};
    return ib__op_reshape(g, ib__op_slice(g, bias, start, limit), &flat);
}

/* x times a factor, which has no axis of time where x may have one. */
static ib_node times(ib_graph *g, ib_node x, ib_node factor) {
    if (factor == IB_NO_NODE) return x;
    ib_shape wide = ib__node_shape(g, factor);
    if (ib__node_shape(g, x).rank > wide.rank) {
        for (int i = wide.rank++; i > 1; i--)
            wide.dims[i] = wide.dims[i - 1];
        wide.dims[1] = 1;
        factor = ib__op_reshape(g, factor, &wide);
    }
    return ib__op_multiply(g, x, factor);
}

/* [gate 0 | gate 1 | ...] = x . kernel with the factors of each gate, or of all together. */
static ib_node product(ib_graph *g, ib_node x, ib_node kernel, const ib_node *factors, int64_t gates,
                       int64_t units) {
    if (gates == 1 || factors[1] == IB_NO_NODE) return ib__op_matmul(g, times(g, x, factors[0]), kernel);
    ib_node parts[IB_GATES_MAX];
    for (int64_t i = 0; i < gates; i++)
        parts[i] = ib__op_matmul(g, times(g, x, factors[i]), columns(g, kernel, i, 1, units));
    return ib__op_concatenate(g, parts, (size_t)gates, ib__node_shape(g, x).rank - 1);
}

/* Keras adds an LSTM's bias last. In float32 it is added outside of the steps, which is faster; in a 16-bit
 * format, where the order shows far more, at Keras's place. */
static bool biased_last(const ib_graph *g, int64_t gates) {
    return gates == 4 && ib__graph_format(g) != IB_FORMAT_F32;
}

static ib_node project(const ib_layer *layer, ib_build *b, ib_node x, const ib_cell_ready *ready,
                       int64_t gates) {
    const ib_cell *s = layer->settings;
    ib_node y = product(b->g, x, ib__layer_weight(layer, b->g, "kernel"), ready->drop, gates, s->units);
    return s->use_bias && !biased_last(b->g, gates) ? ib__op_add(b->g, y, bias_row(layer, b->g, 0)) : y;
}

/* Keras draws a factor for each gate if there is recurrent dropout and more than one gate, else one for all.
 */
static ib_node prepare(ib_layer *layer, ib_build *b, ib_node xs, const ib_shape *x, ib_cell_ready *ready,
                       int64_t gates) {
    static const char *const inputs[] = {"dropout 0", "dropout 1", "dropout 2", "dropout 3"};
    static const char *const states[] = {"recurrent dropout 0", "recurrent dropout 1", "recurrent dropout 2",
                                         "recurrent dropout 3"};
    const ib_cell *s = layer->settings;
    bool apart = s->recurrent_dropout > 0 && gates > 1;
    ib_shape h = {.rank = 2, .dims = {x->dims[0], s->units}};
    for (int64_t i = 0; i < IB_GATES_MAX; i++) {
        bool used = b->training && i < (apart ? gates : 1);
        ready->drop[i] = ready->recurrent_drop[i] = ready->recurrent[i] = IB_NO_NODE;
        if (used && s->dropout > 0)
            ready->drop[i] = ib__dropout_factor(layer, b, s->seed, inputs[i], s->dropout, x);
        if (used && s->recurrent_dropout > 0)
            ready->recurrent_drop[i] =
                ib__dropout_factor(layer, b, s->seed, states[i], s->recurrent_dropout, &h);
    }
    ready->projected = xs != IB_NO_NODE;
    return ready->projected ? project(layer, b, xs, ready, gates) : IB_NO_NODE;
}

static ib_node projected(const ib_layer *layer, ib_build *b, ib_node x, const ib_cell_ready *ready,
                         int64_t gates) {
    return ready->projected ? x : project(layer, b, x, ready, gates);
}

static size_t one_state(const ib_layer *layer, const ib_shape *x, ib_shape out[IB_STATES_MAX],
                        size_t *output) {
    const ib_cell *s = layer->settings;
    *output = 0;
    if (x->rank != 2) return 0;
    out[0] = (ib_shape){.rank = 2, .dims = {x->dims[0], s->units}};
    return 1;
}

/* ---- SimpleRNNCell: h = activation(x . kernel + bias + h . recurrent_kernel) ---- */

static ib_node simple_prepare(ib_layer *layer, ib_build *b, ib_node xs, const ib_shape *x,
                              ib_cell_ready *ready) {
    return prepare(layer, b, xs, x, ready, 1);
}

static ib_node simple_step(ib_layer *layer, ib_build *b, const ib_cell_ready *ready, ib_node x,
                           const ib_node *states, ib_node *next) {
    const ib_cell *s = layer->settings;
    ib_graph *g = b->g;
    ib_node h = product(g, states[0], ib__layer_weight(layer, g, "recurrent_kernel"), ready->recurrent_drop,
                        1, s->units);
    h = ib__op_add(g, projected(layer, b, x, ready, 1), h);
    return next[0] = ib__activation_call(&s->activation, g, h);
}

const ib_cell_class ib__cell_simple = {"SimpleRNNCell", one_state, simple_prepare, simple_step};

/* ---- GRUCell ---- */

/* The columns of the recurrent kernel that are used apart are cut outside of the steps. */
static ib_node gru_prepare(ib_layer *layer, ib_build *b, ib_node xs, const ib_shape *x,
                           ib_cell_ready *ready) {
    const ib_cell *s = layer->settings;
    ib_node y = prepare(layer, b, xs, x, ready, 3),
            kernel = ib__layer_weight(layer, b->g, "recurrent_kernel");
    if (!s->reset_after) {
        ready->recurrent[0] = columns(b->g, kernel, 0, 2, s->units);
        ready->recurrent[1] = columns(b->g, kernel, 2, 1, s->units);
    }
    return y;
}

/* z, r = gates; candidate = activation(x_h + r * (h . U_h + b_h)), or activation(x_h + (r * h) . U_h);
 * h = z * h + (1 - z) * candidate */
static ib_node gru_step(ib_layer *layer, ib_build *b, const ib_cell_ready *ready, ib_node x,
                        const ib_node *states, ib_node *next) {
    const ib_cell *s = layer->settings;
    ib_graph *g = b->g;
    ib_node h = states[0], xs = projected(layer, b, x, ready, 3), inner, candidate;
    if (s->reset_after) {
        inner =
            product(g, h, ib__layer_weight(layer, g, "recurrent_kernel"), ready->recurrent_drop, 3, s->units);
        if (s->use_bias) inner = ib__op_add(g, inner, bias_row(layer, g, 1));
    } else {
        inner = product(g, h, ready->recurrent[0], ready->recurrent_drop, 2, s->units);
    }
    ib_node z = ib__op_add(g, columns(g, xs, 0, 1, s->units), columns(g, inner, 0, 1, s->units));
    ib_node r = ib__op_add(g, columns(g, xs, 1, 1, s->units), columns(g, inner, 1, 1, s->units));
    z = ib__activation_call(&s->recurrent_activation, g, z);
    r = ib__activation_call(&s->recurrent_activation, g, r);
    if (s->reset_after)
        candidate = ib__op_multiply(g, r, columns(g, inner, 2, 1, s->units));
    else
        candidate = ib__op_matmul(g, ib__op_multiply(g, r, times(g, h, ready->recurrent_drop[2])),
                                  ready->recurrent[1]);
    candidate =
        ib__activation_call(&s->activation, g, ib__op_add(g, columns(g, xs, 2, 1, s->units), candidate));
    ib_node rest = ib__op_subtract(g, ib__op_constant(g, 1.0f), z);
    return next[0] = ib__op_add(g, ib__op_multiply(g, z, h), ib__op_multiply(g, rest, candidate));
}

const ib_cell_class ib__cell_gru = {"GRUCell", one_state, gru_prepare, gru_step};

/* ---- LSTMCell ---- */

static size_t lstm_states(const ib_layer *layer, const ib_shape *x, ib_shape out[IB_STATES_MAX],
                          size_t *output) {
    if (!one_state(layer, x, out, output)) return 0;
    out[1] = out[0];
    return 2;
}

static ib_node lstm_prepare(ib_layer *layer, ib_build *b, ib_node xs, const ib_shape *x,
                            ib_cell_ready *ready) {
    return prepare(layer, b, xs, x, ready, 4);
}

/* c = f * c + i * activation(c~); h = o * activation(c) */
static ib_node lstm_step(ib_layer *layer, ib_build *b, const ib_cell_ready *ready, ib_node x,
                         const ib_node *states, ib_node *next) {
    const ib_cell *s = layer->settings;
    ib_graph *g = b->g;
    ib_node z = product(g, states[0], ib__layer_weight(layer, g, "recurrent_kernel"), ready->recurrent_drop,
                        4, s->units);
    z = ib__op_add(g, projected(layer, b, x, ready, 4), z);
    if (s->use_bias && biased_last(g, 4)) z = ib__op_add(g, z, bias_row(layer, g, 0));
    ib_node i = ib__activation_call(&s->recurrent_activation, g, columns(g, z, 0, 1, s->units));
    ib_node f = ib__activation_call(&s->recurrent_activation, g, columns(g, z, 1, 1, s->units));
    ib_node candidate = ib__activation_call(&s->activation, g, columns(g, z, 2, 1, s->units));
    ib_node o = ib__activation_call(&s->recurrent_activation, g, columns(g, z, 3, 1, s->units));
    next[1] = ib__op_add(g, ib__op_multiply(g, f, states[1]), ib__op_multiply(g, i, candidate));
    return next[0] = ib__op_multiply(g, o, ib__activation_call(&s->activation, g, next[1]));
}

const ib_cell_class ib__cell_lstm = {"LSTMCell", lstm_states, lstm_prepare, lstm_step};

/* ---- As layers ---- */

#define CELL(symbol, class_name, prefix)                                                                     \
    const ib_layer_class ib__layer_##symbol = {.name = class_name,                                           \
                                               .rounds = true,                                               \
                                               .settings = sizeof(ib_cell),                                  \
                                               .arguments = "inputs states",                                 \
                                               .configure = prefix##_configure,                              \
                                               .infer = ib__cell_infer,                                      \
                                               .build = prefix##_build,                                      \
                                               .apply = ib__cell_apply};
CELL(simple_rnn_cell, "SimpleRNNCell", simple)
CELL(gru_cell, "GRUCell", gru)
CELL(lstm_cell, "LSTMCell", lstm)
