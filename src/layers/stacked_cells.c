/* SPDX-License-Identifier: Apache-2.0
 *
 * StackedRNNCells, and cells called as layers: one step.
 */
#include "layers/recurrent.h"

#include <stdio.h>

/* ---- StackedRNNCells: the output of a cell is the input of the next ---- */

static const ib_field fields[] = {IB_LAYER_FIELDS, {.key = "cells", .read = ib__read_anything}};

static ib_status configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status = ib__layer_configure(layer, fields, sizeof fields / sizeof *fields, config, err);
    if (status != IB_OK) return status;
    const ib_value *list = ib__value_get(layer->config, "cells");
    if (list->kind != IB_LIST || !list->count || list->count > IB_CELLS_MAX)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "cells: expected a list of 1 to %d cells",
                        IB_CELLS_MAX);
    ib_value *made = ib__value_list();
    for (size_t i = 0; status == IB_OK && i < list->count; i++) {
        char attribute[160], snake[128];
        const ib_value *given = ib__value_get(list->items[i], "class_name");
        const char *class_name = ib__value_is(given, IB_STRING) ? given->string : "";
        ib__snake_case(snake, sizeof snake, class_name);
        ib__member_group(attribute, sizeof attribute, "cells", list, i, class_name);
        ib_layer *cell = NULL;
        ib_value *canonical = NULL;
        status = ib__layer_add_part(layer, attribute, list->items[i], snake, &cell, &canonical, err);
        if (status == IB_OK && (!ib__cell_class(cell) || ib__cell_class(cell) == &ib__cell_stacked))
            status = ib__fail(err, IB_BAD_INPUT, layer->place, "cells: %s cannot be one", cell->class->name);
        if (status == IB_OK && !ib__value_add(made, canonical)) {
            status = ib__fail_memory(err);
            canonical = NULL;
        }
        if (status != IB_OK) ib__value_free(canonical);
    }
    if (status == IB_OK) return ib__value_set(layer->config, "cells", made) ? IB_OK : ib__fail_memory(err);
    ib__value_free(made);
    return status;
}

/* The output's shape of cell i, which is the input of the next one. */
static ib_shape output_of(const ib_layer *cell, const ib_shape *x) {
    ib_shape states[IB_STATES_MAX];
    size_t output, n = ib__cell_class(cell)->states(cell, x, states, &output);
    return n ? states[output] : (ib_shape){0};
}

static size_t states(const ib_layer *layer, const ib_shape *x, ib_shape out[IB_STATES_MAX], size_t *output) {
    size_t n = 0;
    ib_shape now = *x;
    for (size_t i = 0; i < layer->n_parts; i++) {
        const ib_layer *cell = layer->parts[i].layer;
        ib_shape own[IB_STATES_MAX];
        size_t k, count = ib__cell_class(cell)->states(cell, &now, own, &k);
        if (count == 0 || n + count > IB_STATES_MAX) return 0;
        *output = n + k;
        for (size_t s = 0; s < count; s++)
            out[n++] = own[s];
        now = own[k];
    }
    return n;
}

static ib_status build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    (void)n;
    ib_shape now = inputs[0];
    for (size_t i = 0; i < layer->n_parts; i++) {
        ib_status status = ib__layer_build_part(layer->parts[i].layer, &now, err);
        if (status != IB_OK) return status;
        now = output_of(layer->parts[i].layer, &now);
    }
    return IB_OK;
}

/* Only the first cell sees its inputs of all steps beforehand. */
static ib_node prepare(ib_layer *layer, ib_build *b, ib_node xs, const ib_shape *x, ib_cell_ready *ready) {
    ib_node projected = IB_NO_NODE;
    ib_shape now = *x;
    for (size_t i = 0; i < layer->n_parts; i++) {
        ib_layer *cell = layer->parts[i].layer;
        ib_node y = ib__cell_class(cell)->prepare(cell, b, i ? IB_NO_NODE : xs, &now, &ready->inner[i]);
        if (!i) projected = y;
        now = output_of(cell, &now);
    }
    return projected;
}

static ib_node step(ib_layer *layer, ib_build *b, const ib_cell_ready *ready, ib_node x,
                    const ib_node *states_in, ib_node *next) {
    size_t at = 0;
    for (size_t i = 0; i < layer->n_parts; i++) {
        ib_layer *cell = layer->parts[i].layer;
        ib_shape shape = ib__node_shape(b->g, x), own[IB_STATES_MAX];
        size_t output, count = ib__cell_class(cell)->states(cell, &shape, own, &output);
        x = ib__cell_class(cell)->step(cell, b, &ready->inner[i], x, states_in + at, next + at);
        at += count;
    }
    return x;
}

const ib_cell_class ib__cell_stacked = {"StackedRNNCells", states, prepare, step};

/* ---- One step of a cell as a layer: inputs and states -> output and states ---- */

ib_status ib__cell_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], size_t *n,
                         ib_error *err) {
    ib_shape shapes[IB_STATES_MAX];
    size_t output, given, first = ib__args_find(args, "states", &given);
    if (args->n == 0 || first != 1 || args->specs[0].shape.rank < 2)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "expected an input (batch, ...) and states");
    size_t count = ib__cell_class(layer)->states(layer, &args->specs[0].shape, shapes, &output);
    if (count == 0 || given != count)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "states: expected %zu, found %zu", count, given);
    *n = 0;
    out[(*n)++] = (ib_spec){.shape = shapes[output], .type = IB_TYPE_F32};
    for (size_t i = 0; i < count; i++)
        out[(*n)++] = (ib_spec){.shape = shapes[i], .type = IB_TYPE_F32};
    return IB_OK;
}

void ib__cell_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    ib_cell_ready inner[IB_CELLS_MAX] = {0}, ready = {.inner = inner};
    ib_node in[IB_STATES_MAX], next[IB_STATES_MAX];
    size_t n, first = ib__args_find(args, "states", &n);
    ib_shape x = ib__node_shape(b->g, args->flows[0].node);
    for (size_t i = 0; i < n; i++)
        in[i] = args->flows[first + i].node;
    (void)ib__cell_class(layer)->prepare(layer, b, IB_NO_NODE, &x, &ready);
    out[0].node = ib__cell_class(layer)->step(layer, b, &ready, args->flows[0].node, in, next);
    for (size_t i = 0; i < n; i++)
        out[1 + i].node = next[i];
}

const ib_layer_class ib__layer_stacked_rnn_cells = {.name = "StackedRNNCells",
                                                    .rounds = true,
                                                    .settings = 1,
                                                    .arguments = "inputs states",
                                                    .configure = configure,
                                                    .infer = ib__cell_infer,
                                                    .build = build,
                                                    .apply = ib__cell_apply};
