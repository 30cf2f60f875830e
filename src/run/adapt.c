/* SPDX-License-Identifier: Apache-2.0
 *
 * Adapting layers: one pass over the samples of the training data, in their order without a shuffle, for each
 * layer that is named.
 */
#include "run/adapt.h"

#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "run/ports.h"

#define BATCH 256 /* samples read at once; no bit depends on it */

/* Samples of one field, batch by batch. */
typedef struct samples {
    ib_batches *batches;
    size_t field;
} samples;

static ib_status next_samples(void *context, ib_tensor *x, ib_error *err) {
    samples *s = context;
    const ib_batch *batch = NULL;
    ib_status status = ib__batches_next(s->batches, &batch, err);
    *x = status == IB_OK && batch != NULL ? batch->fields[s->field] : (ib_tensor){0};
    return status;
}

static ib_status adapt_layer(const ib_task *task, ib_layer *layer, size_t field, ib_error *err) {
    samples s = {.field = field};
    const ib_part *part = &task->train;
    if (part->count == IB_COUNT_INFINITE)
        return ib__fail(err, IB_BAD_INPUT, ib__part_place(part),
                        "expected data with an end to adapt to: add take");
    ib_batching how = ib__part_batching(part, task->experiment, false, BATCH, 1);
    ib_status status = ib__dataset_batches(&s.batches, part->data, &how, err);
    if (status == IB_OK) status = ib__batches_begin(s.batches, 0, err);
    if (status == IB_OK) status = layer->class->adapt(layer, next_samples, &s, err);
    ib__batches_free(s.batches);
    return status;
}

/* Which of the model's inputs the layer takes; IB_NO_TENSOR: none. */
static size_t input_of(const ib_model *model, size_t layer) {
    for (size_t c = 0; c < model->n_calls; c++) {
        const ib_call *call = &model->calls[c];
        for (size_t i = 0; call->layer == layer && call->n_inputs == 1 && i < model->n_inputs; i++)
            if (call->inputs[0] == model->inputs[i]) return i;
    }
    return IB_NO_TENSOR;
}

static ib_status fail_at(const ib_task *task, const ib_value *at, const char *expected, const char *found,
                         ib_error *err) {
    char where[256];
    ib__experiment_where(where, task->experiment->name, at, "adapt");
    return ib__fail(err, IB_BAD_INPUT, where, "expected %s, found \"%.60s\"", expected, found);
}

/* The layer of this name that can adapt. */
static ib_status find_layer(const ib_task *task, const ib_value *name, size_t *out, ib_error *err) {
    const ib_model *model = task->model;
    if (!ib__value_is(name, IB_STRING))
        return fail_at(task, name, "names of layers", ib__kind_name(name->kind), err);
    const char **names = ib__alloc(model->n_layers + 1, sizeof *names);
    if (names == NULL) return ib__fail_memory(err);
    char expected[200] = "the name of a layer";
    size_t n = 0;
    *out = model->n_layers;
    for (size_t i = 0; i < model->n_layers; i++) {
        if (model->layers[i]->class->adapt != NULL) names[n++] = model->layers[i]->name;
        if (strcmp(model->layers[i]->name, name->string) == 0) *out = i;
    }
    const char *near = ib__nearest(name->string, names, n);
    if (near == NULL && n > 0) near = names[0];
    if (near != NULL) snprintf(expected, sizeof expected, "the name of a layer that adapts, as %.100s", near);
    ib__free(names);
    if (*out == model->n_layers || model->layers[*out]->class->adapt == NULL)
        return fail_at(task, name, expected, name->string, err);
    return IB_OK;
}

/* The named layers whose config is adapted, or the others. */
static ib_status adapt_some(const ib_task *task, const ib_value *list, bool config, ib_error *err) {
    const ib_model *model = task->model;
    ib_samples data = ib__part_samples(&task->train);
    ib_ports ports;
    ib_status status = ib__ports_match(&ports, model, data.names, data.n, ib__part_place(&task->train), err);
    if (status != IB_OK) return status;
    for (size_t i = 0; status == IB_OK && i < list->count; i++) {
        size_t layer = 0;
        status = find_layer(task, list->items[i], &layer, err);
        if (status != IB_OK) break;
        size_t input = input_of(model, layer);
        if (input == IB_NO_TENSOR)
            status = fail_at(task, list->items[i], "a layer that takes an input of the model",
                             list->items[i]->string, err);
        else if (model->layers[layer]->class->adapts_config == config)
            status = adapt_layer(task, model->layers[layer], ports.x[input], err);
    }
    ib__ports_free(&ports);
    return status;
}

ib_status ib__adapt(ib_task *task, ib_adapt_what what, bool *changed, ib_error *err) {
    const ib_value *list = ib__value_get(task->experiment->tree, "adapt");
    *changed = false;
    if (!ib__value_is(list, IB_LIST) || list->count == 0) return IB_OK;
    ib_status status = adapt_some(task, list, what == IB_ADAPT_CONFIGS, err);
    return status == IB_OK && what == IB_ADAPT_CONFIGS ? ib__model_adapted(task->model, changed, err)
                                                       : status;
}
