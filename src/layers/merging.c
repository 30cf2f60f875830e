/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers of several inputs: Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate.
 */
#include "layers/internal.h"

/* Keras's rule: shorter inputs get axes of size 1 after the batch; then each axis stretches from 1. */
static ib_shape widened(const ib_shape *shape, int rank) {
    ib_shape wide = {.rank = rank, .dims = {shape->dims[0]}};
    int extra = rank - shape->rank;
    for (int i = 1; i < rank; i++)
        wide.dims[i] = i <= extra ? 1 : shape->dims[i - extra];
    return wide;
}

static ib_status merged_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                              ib_error *err) {
    bool subtract = strcmp(layer->class->name, "Subtract") == 0;
    if (subtract ? n != 2 : n < 1)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "expected %s, found %zu inputs",
                        subtract ? "two inputs" : "at least one input", n);
    int rank = 0;
    for (size_t i = 0; i < n; i++)
        if (inputs[i].rank > rank) rank = inputs[i].rank;
    *out = widened(&inputs[0], rank);
    for (size_t k = 1; k < n; k++) {
        ib_shape other = widened(&inputs[k], rank);
        for (int i = 1; i < rank; i++) {
            int64_t a = out->dims[i], b = other.dims[i];
            if (a != b && a != 1 && b != 1) {
                char x[128], y[128];
                ib__shape_print(x, &inputs[0]);
                ib__shape_print(y, &inputs[k]);
                return ib__fail(err, IB_BAD_INPUT, layer->place, "inputs of shapes %s and %s do not fit", x,
                                y);
            }
            if (a == 1) out->dims[i] = b;
        }
    }
    return IB_OK;
}

typedef ib_node binary(ib_graph *g, ib_node a, ib_node b);

static ib_node merge(ib_graph *g, const ib_node *inputs, size_t n, binary *op) {
    int rank = 0;
    for (size_t i = 0; i < n; i++)
        if (ib__node_shape(g, inputs[i]).rank > rank) rank = ib__node_shape(g, inputs[i]).rank;
    ib_node y = IB_NO_NODE;
    for (size_t i = 0; i < n; i++) {
        ib_shape from = ib__node_shape(g, inputs[i]), wide = widened(&from, rank);
        ib_node x = ib__op_reshape(g, inputs[i], &wide);
        y = i ? op(g, y, x) : x;
    }
    return y;
}

#define MERGE(symbol, class_name, op)                                                                        \
    static ib_node symbol##_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {            \
        (void)layer;                                                                                         \
        return merge(b->g, inputs, n, op);                                                                   \
    }                                                                                                        \
    const ib_layer_class ib__layer_##symbol = {.name = class_name,                                           \
                                               .configure = ib__layer_configure_plain,                       \
                                               .shape = merged_shape,                                        \
                                               .call = symbol##_call,                                        \
                                               .mask = ib__mask_any,                                         \
                                               .many_inputs = true};

MERGE(add, "Add", ib__op_add)
MERGE(subtract, "Subtract", ib__op_subtract)
MERGE(multiply, "Multiply", ib__op_multiply)
MERGE(maximum, "Maximum", ib__op_maximum)
MERGE(minimum, "Minimum", ib__op_minimum)

static ib_node average_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)layer;
    return ib__op_divide(b->g, merge(b->g, inputs, n, ib__op_add), ib__op_constant(b->g, (float)n));
}

const ib_layer_class ib__layer_average = {.name = "Average",
                                          .configure = ib__layer_configure_plain,
                                          .shape = merged_shape,
                                          .call = average_call,
                                          .mask = ib__mask_any,
                                          .many_inputs = true};

/* ---- Concatenate ---- */

static const ib_field concatenate_fields[] = {
    IB_LAYER_FIELDS,
    {.key = "axis", .fallback = "-1", .read = ib__read_int, .low = -IB_RANK_MAX, .high = IB_RANK_MAX - 1}};

static ib_status concatenate_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    return ib__layer_configure(layer, concatenate_fields,
                               sizeof concatenate_fields / sizeof *concatenate_fields, config, err);
}

static ib_status concatenate_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                                   ib_error *err) {
    if (n < 1) return ib__fail(err, IB_BAD_INPUT, layer->place, "expected at least one input");
    *out = inputs[0];
    int axis = ib__layer_axis(*(const int64_t *)layer->settings, out->rank);
    bool fits = axis >= 0;
    for (size_t k = 1; fits && k < n; k++) {
        fits = inputs[k].rank == out->rank;
        for (int i = 1; fits && i < out->rank; i++)
            fits = i == axis || inputs[k].dims[i] == out->dims[i];
        if (fits && inputs[k].dims[axis] >= 0) out->dims[axis] += inputs[k].dims[axis];
    }
    if (fits) return IB_OK;
    char text[128];
    ib__shape_print(text, &inputs[0]);
    return ib__fail(err, IB_BAD_INPUT, layer->place,
                    "expected inputs that agree beside axis %lld, the first is %s",
                    (long long)*(const int64_t *)layer->settings, text);
}

static ib_node concatenate_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    int axis = ib__layer_axis(*(const int64_t *)layer->settings, ib__node_shape(b->g, inputs[0]).rank);
    return ib__op_concatenate(b->g, inputs, n, axis);
}

const ib_layer_class ib__layer_concatenate = {.name = "Concatenate",
                                              .settings = sizeof(int64_t),
                                              .configure = concatenate_configure,
                                              .shape = concatenate_shape,
                                              .call = concatenate_call,
                                              .many_inputs = true};
