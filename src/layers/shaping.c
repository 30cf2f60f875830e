/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers that only move values: Flatten, Reshape, Permute, Identity.
 */
#include "layers/internal.h"

/* The shape of `wanted` with node x's first dimension as batch. */
static ib_node reshape_to(ib_graph *g, ib_node x, ib_shape wanted) {
    wanted.dims[0] = ib__node_shape(g, x).dims[0];
    return ib__op_reshape(g, x, &wanted);
}

static ib_status check_known(const ib_layer *layer, const ib_shape *input, ib_error *err) {
    for (int i = 1; i < input->rank; i++)
        if (input->dims[i] < 0)
            return ib__fail(err, IB_UNSUPPORTED, layer->place,
                            "inputs of unknown size beside the batch are not supported yet");
    return IB_OK;
}

static ib_status shape_of_call(const ib_layer *layer, ib_graph *g, ib_node x, ib_shape *out) {
    ib_shape input = ib__node_shape(g, x);
    ib_error error = {0};
    ib_status status = layer->class->shape(layer, &input, 1, out, &error);
    if (status != IB_OK) (void)ib__graph_fail(g, status, "%s", error.text);
    return status;
}

/* ---- Flatten ---- */

static const ib_field flatten_fields[] = {
    IB_LAYER_FIELDS, {.key = "data_format", .fallback = "null", .read = ib__read_data_format}};

static ib_status flatten_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    return ib__layer_configure(layer, flatten_fields, sizeof flatten_fields / sizeof *flatten_fields, config,
                               err);
}

static ib_status flatten_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                               ib_error *err) {
    ib_status status = ib__layer_same_shape(layer, inputs, n, out, err);
    if (status == IB_OK) status = check_known(layer, &inputs[0], err);
    if (status != IB_OK) return status;
    ib_shape inner = {.rank = out->rank - 1};
    for (int i = 1; i < out->rank; i++)
        inner.dims[i - 1] = out->dims[i];
    int64_t elements = ib__shape_elements(&inner);
    if (elements < 0) return ib__fail(err, IB_BAD_INPUT, layer->place, "the input has too many elements");
    *out = (ib_shape){.rank = 2, .dims = {inputs[0].dims[0], elements}};
    return IB_OK;
}

static ib_node flatten_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    ib_node x = inputs[0];
    ib_shape from = ib__node_shape(b->g, x), out;
    if (*(const int *)layer->settings && from.rank > 2) {
        int permutation[IB_RANK_MAX] = {0};
        for (int i = 1; i + 1 < from.rank; i++)
            permutation[i] = i + 1;
        permutation[from.rank - 1] = 1;
        x = ib__op_transpose(b->g, x, permutation);
    }
    if (shape_of_call(layer, b->g, inputs[0], &out) != IB_OK) return IB_NO_NODE;
    return reshape_to(b->g, x, out);
}

const ib_layer_class ib__layer_flatten = {.name = "Flatten",
                                          .rounds = true,
                                          .settings = sizeof(int),
                                          .configure = flatten_configure,
                                          .shape = flatten_shape,
                                          .call = flatten_call};

/* ---- Reshape ---- */

/* A list of integers as a shape; field->low: the smallest allowed. */
static ib_status read_sizes(const ib_field *field, const ib_value *value, const char *where, void *out,
                            ib_value **canonical, ib_error *err) {
    (void)canonical;
    ib_shape *shape = out;
    bool good = value->kind == IB_LIST && value->count < IB_RANK_MAX;
    shape->rank = good ? (int)value->count : 0;
    for (int i = 0; i < shape->rank; i++) {
        const ib_value *item = value->items[i];
        good = good && item->kind == IB_INT && (double)item->integer >= field->low &&
               item->integer < INT64_C(1) << 40;
        shape->dims[i] = item->integer;
    }
    if (!good)
        return ib__fail(err, IB_BAD_INPUT, where, "expected a list of at most %d integers of %d or more",
                        IB_RANK_MAX - 1, (int)field->low);
    return IB_OK;
}

static const ib_field reshape_fields[] = {IB_LAYER_FIELDS,
                                          {.key = "target_shape", .read = read_sizes, .low = -1}};

static ib_status reshape_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    return ib__layer_configure(layer, reshape_fields, sizeof reshape_fields / sizeof *reshape_fields, config,
                               err);
}

static ib_status reshape_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                               ib_error *err) {
    const ib_shape *target = layer->settings;
    ib_shape flat;
    ib_status status = flatten_shape(layer, inputs, n, &flat, err);
    if (status != IB_OK) return status;
    *out = (ib_shape){.rank = target->rank + 1, .dims = {inputs[0].dims[0]}};
    int64_t total = flat.dims[1], known = 1;
    int open = 0;
    bool good = true;
    for (int i = 0; i < target->rank; i++) {
        out->dims[i + 1] = target->dims[i];
        if (target->dims[i] >= 0) {
            bool more = target->dims[i] > 0 && known > total / target->dims[i];
            known = more ? total + 1 : known * target->dims[i];
        } else {
            good = good && !open;
            open = i + 1;
        }
    }
    if (open) {
        good = good && known > 0 && total % known == 0;
        out->dims[open] = good ? total / known : 0;
    }
    if (good && (open || known == total)) return IB_OK;
    char from[128], to[128];
    ib__shape_print(from, &inputs[0]);
    ib__shape_print(to, target);
    return ib__fail(err, IB_BAD_INPUT, layer->place, "%s cannot be reshaped to %s", from, to);
}

static ib_node reshape_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    ib_shape out;
    if (shape_of_call(layer, b->g, inputs[0], &out) != IB_OK) return IB_NO_NODE;
    return reshape_to(b->g, inputs[0], out);
}

const ib_layer_class ib__layer_reshape = {.name = "Reshape",
                                          .rounds = true,
                                          .settings = sizeof(ib_shape),
                                          .configure = reshape_configure,
                                          .shape = reshape_shape,
                                          .call = reshape_call};

/* ---- Permute: dims count from 1, the batch stays ---- */

static const ib_field permute_fields[] = {IB_LAYER_FIELDS, {.key = "dims", .read = read_sizes, .low = 1}};

static ib_status permute_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status = ib__layer_configure(layer, permute_fields,
                                           sizeof permute_fields / sizeof *permute_fields, config, err);
    if (status != IB_OK) return status;
    const ib_shape *dims = layer->settings;
    unsigned seen = 0;
    for (int i = 0; i < dims->rank; i++) {
        if (dims->dims[i] > dims->rank || (seen >> dims->dims[i] & 1))
            return ib__fail(err, IB_BAD_INPUT, layer->place, "dims: expected each of 1 to %d once",
                            dims->rank);
        seen |= 1u << dims->dims[i];
    }
    return IB_OK;
}

static ib_status permute_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                               ib_error *err) {
    const ib_shape *dims = layer->settings;
    ib_status status = ib__layer_same_shape(layer, inputs, n, out, err);
    if (status == IB_OK) status = ib__layer_check_rank(layer, &inputs[0], dims->rank + 1, err);
    for (int i = 0; status == IB_OK && i < dims->rank; i++)
        out->dims[i + 1] = inputs[0].dims[dims->dims[i]];
    return status;
}

static ib_node permute_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const ib_shape *dims = layer->settings;
    int permutation[IB_RANK_MAX] = {0};
    for (int i = 0; i < dims->rank; i++)
        permutation[i + 1] = (int)dims->dims[i];
    return ib__op_transpose(b->g, inputs[0], permutation);
}

const ib_layer_class ib__layer_permute = {.name = "Permute",
                                          .rounds = true,
                                          .settings = sizeof(ib_shape),
                                          .configure = permute_configure,
                                          .shape = permute_shape,
                                          .call = permute_call};

/* ---- Identity ---- */

static ib_node identity_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)layer, (void)b, (void)n;
    return inputs[0];
}

const ib_layer_class ib__layer_identity = {.name = "Identity",
                                           .rounds = true,
                                           .configure = ib__layer_configure_plain,
                                           .shape = ib__layer_same_shape,
                                           .call = identity_call,
                                           .mask = ib__mask_first};
