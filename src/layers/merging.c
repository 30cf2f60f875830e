/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers of several inputs: Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate.
 */
#include "layers/internal.h"

enum { CONCATENATED_MAX = 256 };

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
                                               .rounds = true,                                               \
                                               .configure = ib__layer_configure_plain,                       \
                                               .shape = merged_shape,                                        \
                                               .call = symbol##_call,                                        \
                                               .mask = ib__mask_any,                                         \
                                               .many_inputs = true};

MERGE(add, "Add", ib__op_add)
MERGE(subtract, "Subtract", ib__op_subtract)

/* ---- Those that leave out what is masked ---- */

/* Input i, widened, and its mask at every element; IB_NO_NODE: none. */
static ib_node masked_input(ib_graph *g, const ib_args *args, size_t i, int rank, ib_node *mask) {
    ib_shape from = ib__node_shape(g, args->flows[i].node), column = from, wide = widened(&from, rank);
    *mask = args->flows[i].mask;
    if (*mask != IB_NO_NODE && from.rank > 1) {
        column.dims[column.rank - 1] = 1;
        *mask = ib__op_reshape(g, ib__op_broadcast_to(g, ib__op_reshape(g, *mask, &column), &from), &wide);
    }
    return ib__op_reshape(g, args->flows[i].node, &wide);
}

static int largest_rank(ib_graph *g, const ib_args *args) {
    int rank = 0;
    for (size_t i = 0; i < args->n; i++)
        if (ib__node_shape(g, args->flows[i].node).rank > rank)
            rank = ib__node_shape(g, args->flows[i].node).rank;
    return rank;
}

static ib_node either(ib_graph *g, ib_node a, ib_node b) {
    return ib__op_map(g, IB_MAP_or, a, b, IB_NO_NODE);
}

/* Where one of two is masked the other counts alone. */
static void merge_extremes(ib_graph *g, const ib_args *args, binary *op, ib_flow *out) {
    int rank = largest_rank(g, args);
    ib_node so_far, y = masked_input(g, args, 0, rank, &so_far);
    for (size_t i = 1; i < args->n; i++) {
        ib_node mask, x = masked_input(g, args, i, rank, &mask);
        if (mask != IB_NO_NODE) x = ib__op_select(g, mask, x, y);
        if (so_far != IB_NO_NODE) y = ib__op_select(g, so_far, y, x);
        so_far = mask != IB_NO_NODE && so_far != IB_NO_NODE ? either(g, so_far, mask) : IB_NO_NODE;
        y = op(g, y, x);
    }
    out->node = y;
}

/* What is masked counts as 1, where all are masked the product is 0. */
static void merge_product(ib_graph *g, const ib_args *args, ib_flow *out) {
    int rank = largest_rank(g, args);
    ib_node y = IB_NO_NODE, all = IB_NO_NODE;
    bool every = true;
    for (size_t i = 0; i < args->n; i++) {
        ib_node mask, x = masked_input(g, args, i, rank, &mask);
        every &= mask != IB_NO_NODE;
        if (mask != IB_NO_NODE) {
            x = ib__op_select(g, mask, x, ib__op_constant(g, 1.0f));
            all = all == IB_NO_NODE ? mask : either(g, all, mask);
        }
        y = i ? ib__op_multiply(g, y, x) : x;
    }
    out->node = every && all != IB_NO_NODE ? ib__op_select(g, all, y, ib__op_constant(g, 0.0f)) : y;
}

#define MASKED_MERGE(symbol, class_name, merged)                                                             \
    static void symbol##_apply(ib_layer *layer, ib_build *b, const ib_args *args,                            \
                               ib_flow out[IB_OUTPUTS_MAX]) {                                                \
        merged;                                                                                              \
        out->mask = ib__mask_any(layer, b, args->flows, args->n, out->node);                                 \
    }                                                                                                        \
    const ib_layer_class ib__layer_##symbol = {.name = class_name,                                           \
                                               .rounds = true,                                               \
                                               .configure = ib__layer_configure_plain,                       \
                                               .shape = merged_shape,                                        \
                                               .apply = symbol##_apply,                                      \
                                               .many_inputs = true};

MASKED_MERGE(multiply, "Multiply", merge_product(b->g, args, out))
MASKED_MERGE(maximum, "Maximum", merge_extremes(b->g, args, ib__op_maximum, out))
MASKED_MERGE(minimum, "Minimum", merge_extremes(b->g, args, ib__op_minimum, out))

static ib_node average_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)layer;
    return ib__op_divide(b->g, merge(b->g, inputs, n, ib__op_add), ib__op_constant(b->g, (float)n));
}

const ib_layer_class ib__layer_average = {.name = "Average",
                                          .rounds = true,
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

/* The masks side by side; an input without one counts as set everywhere. Over the last axis an output's place
 * is set where any of its inputs' is. */
static ib_node concatenate_mask(ib_layer *layer, ib_build *b, const ib_flow *inputs, size_t n,
                                ib_node output) {
    (void)output;
    ib_graph *g = b->g;
    ib_node masks[CONCATENATED_MAX] = {IB_NO_NODE};
    int rank = ib__node_shape(g, inputs[0].node).rank;
    int axis = ib__layer_axis(*(const int64_t *)layer->settings, rank);
    if (n > CONCATENATED_MAX)
        return ib__graph_fail(g, IB_UNSUPPORTED, "more than %d inputs with masks", CONCATENATED_MAX);
    for (size_t i = 0; i < n; i++) {
        ib_shape shape = ib__node_shape(g, inputs[i].node);
        shape.rank--;
        ib_node zero = ib__op_broadcast_to(g, ib__op_constant(g, 0.0f), &shape);
        ib_node ones = ib__op_map(g, IB_MAP_equal, zero, zero, IB_NO_NODE);
        masks[i] = inputs[i].mask == IB_NO_NODE ? ones : ib__op_reshape(g, inputs[i].mask, &shape);
    }
    if (axis < rank - 1) return ib__op_concatenate(g, masks, n, axis);
    for (size_t i = 1; i < n; i++)
        masks[0] = either(g, masks[0], masks[i]);
    return masks[0];
}

const ib_layer_class ib__layer_concatenate = {.name = "Concatenate",
                                              .rounds = true,
                                              .settings = sizeof(int64_t),
                                              .configure = concatenate_configure,
                                              .shape = concatenate_shape,
                                              .call = concatenate_call,
                                              .mask = concatenate_mask,
                                              .many_inputs = true};
