/* SPDX-License-Identifier: Apache-2.0
 *
 * Models: lifetime, weights, compiling, the forward ops.
 */
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "layers/settings.h"
#include "model/internal.h"

void ib__model_free(ib_model *model) {
    if (!model) return;
    for (size_t i = 0; i < model->n_layers; i++)
        ib__layer_free(model->layers[i]);
    free(model->layers);
    free(model->calls);
    ib__value_free(model->config);
    ib__value_free(model->compile);
    ib__value_free(model->metrics);
    ib__loss_free(model->loss);
    ib__optimizer_free(model->optimizer);
    ib__arena_free(&model->arena);
    ib__free(model);
}

size_t ib__model_weights(ib_model *model, ib_weight **out, bool trainable_only) {
    size_t n = 0;
    for (size_t i = 0; i < model->n_layers; i++) {
        ib_layer *layer = model->layers[i];
        for (size_t j = 0; j < layer->n_weights; j++) {
            ib_weight *weight = &layer->weights[j];
            if (trainable_only && !(weight->trainable && layer->trainable)) continue;
            if (out) out[n] = weight;
            n++;
        }
    }
    return n;
}

ib_status ib__model_initialize(ib_model *model, uint64_t seed, ib_error *err) {
    for (size_t i = 0; i < model->n_layers && !model->loaded; i++) {
        ib_layer *layer = model->layers[i];
        for (size_t j = 0; j < layer->n_weights; j++) {
            ib_weight *w = &layer->weights[j];
            ib_status status = ib__initialize(w->variable.data, &w->variable.shape, w->initializer, seed,
                                              w->variable.path, err);
            if (status != IB_OK) return status;
        }
    }
    return IB_OK;
}

ib_type ib__model_input_type(const ib_model *model, size_t i) {
    const ib_layer *layer = model->layers[model->calls[model->inputs[i]].layer];
    const ib_value *dtype = ib__value_get(layer->config, "dtype");
    bool integer = ib__value_is(dtype, IB_STRING) && strncmp(dtype->string, "float", 5) != 0;
    return integer ? IB_TYPE_I32 : IB_TYPE_F32;
}

/* ---- Ops ---- */

void ib__model_call(ib_model *model, ib_build *b, const ib_node *inputs, ib_node *outputs) {
    for (size_t i = 0; i < model->n_outputs; i++)
        outputs[i] = IB_NO_NODE;
    ib_node *made = ib__alloc(model->n_calls, sizeof *made);
    ib_node *given = ib__alloc(model->n_calls, sizeof *given); /* inputs of one call */
    if (!made || !given) {
        ib__graph_fail(b->g, IB_NO_MEMORY, "out of memory");
        ib__free(made);
        ib__free(given);
        return;
    }
    for (size_t i = 0; i < model->n_inputs; i++)
        made[model->inputs[i]] = inputs[i];
    for (size_t i = 0; i < model->n_calls; i++) {
        const ib_call *call = &model->calls[i];
        if (!call->n_inputs) continue;
        ib_layer *layer = model->layers[call->layer];
        for (size_t j = 0; j < call->n_inputs; j++)
            given[j] = made[call->inputs[j]];
        ib__graph_place(b->g, layer->place);
        made[i] = layer->class->call(layer, b, given, call->n_inputs);
    }
    ib__graph_place(b->g, "");
    for (size_t i = 0; i < model->n_outputs; i++)
        outputs[i] = made[model->outputs[i]];
    ib__free(made);
    ib__free(given);
}

ib_node ib__model_penalty(ib_model *model, ib_build *b) {
    ib_node sum = IB_NO_NODE;
    for (size_t i = 0; i < model->n_layers; i++) {
        ib_layer *layer = model->layers[i];
        for (size_t j = 0; j < layer->n_weights; j++) {
            ib_weight *w = &layer->weights[j];
            if (!w->regularizer || !w->trainable || !layer->trainable) continue;
            ib__graph_place(b->g, layer->place);
            ib_node variable = ib__op_variable(b->g, &w->variable);
            ib_node penalty = ib__regularizer_call(w->regularizer, b->g, variable);
            sum = sum == IB_NO_NODE ? penalty : ib__op_add(b->g, sum, penalty);
        }
    }
    ib__graph_place(b->g, "");
    return sum;
}

/* ---- Compiling ---- */

/* Keras gives losses and metrics for each output in lists or maps; of a model with one output the one inside
 * is meant. */
static const ib_value *only_one(const ib_value *value) {
    while (value && value->kind == IB_LIST && value->count == 1 &&
           (value->items[0]->kind == IB_LIST || value->items[0]->kind == IB_NULL))
        value = value->items[0];
    return value;
}

static ib_status check_keys(const ib_value *compile, const char *where, ib_error *err) {
    static const char *const keys[] = {
        "optimizer",           "loss",        "loss_weights",   "metrics", "weighted_metrics", "run_eagerly",
        "steps_per_execution", "jit_compile", "auto_scale_loss"};
    enum { KEYS = sizeof keys / sizeof *keys };
    for (size_t i = 0; i < compile->count; i++) {
        const char *key = compile->keys[i];
        size_t k = 0;
        while (k < KEYS && strcmp(keys[k], key) != 0)
            k++;
        if (k == KEYS) {
            const char *near = ib__nearest(key, keys, KEYS);
            return ib__fail(err, IB_BAD_INPUT, where, "unknown field \"%.60s\"%s%s", key,
                            near ? "; nearest is " : "", near ? near : "");
        }
        bool later = strcmp(key, "loss_weights") == 0 || strcmp(key, "weighted_metrics") == 0;
        const ib_value *value = only_one(compile->items[i]);
        if (later && value->kind != IB_NULL && !(value->kind == IB_LIST && !value->count))
            return ib__fail(err, IB_UNSUPPORTED, where, "%s is not supported yet", key);
    }
    return IB_OK;
}

/* A loss or metric in Keras's form: {Name: settings} of an experiment becomes {module, class_name, config,
 * registered_name}; names and Keras's own form stay. NULL: no memory. */
static ib_value *keras_form(const ib_value *value, const char *module) {
    if (value->kind != IB_MAP || value->count != 1 || ib__value_get(value, "class_name"))
        return ib__value_copy(value);
    ib_value *config = value->items[0]->kind == IB_MAP ? ib__value_copy(value->items[0]) : ib__value_map();
    return ib__serialized(module, value->keys[0], config);
}

/* metrics: null, one, a list, or one of these in a list. *out: a list, or NULL. */
static ib_status read_metrics(const ib_value *metrics, const char *where, ib_value **out, ib_error *err) {
    *out = NULL;
    metrics = only_one(metrics);
    if (!metrics || metrics->kind == IB_NULL) return IB_OK;
    if (metrics->kind == IB_LIST) {
        for (size_t i = 0; i < metrics->count; i++)
            if (metrics->items[i]->kind != IB_STRING && metrics->items[i]->kind != IB_MAP)
                return ib__fail(err, IB_BAD_INPUT, where, "metrics[%zu]: expected a name or a map, found %s",
                                i, ib__kind_name(metrics->items[i]->kind));
        *out = ib__value_list();
        bool good = *out != NULL;
        for (size_t i = 0; good && i < metrics->count; i++)
            good = ib__value_add(*out, keras_form(metrics->items[i], "keras.metrics"));
        if (good) return IB_OK;
        ib__value_free(*out);
        *out = NULL;
        return ib__fail_memory(err);
    }
    if (metrics->kind != IB_STRING && metrics->kind != IB_MAP)
        return ib__fail(err, IB_BAD_INPUT, where, "metrics: expected a list, found %s",
                        ib__kind_name(metrics->kind));
    *out = ib__value_list();
    if (ib__value_add(*out, keras_form(metrics, "keras.metrics"))) return IB_OK;
    ib__value_free(*out);
    *out = NULL;
    return ib__fail_memory(err);
}

static ib_status build_optimizer(ib_model *model, ib_optimizer *optimizer, ib_error *err) {
    size_t n = ib__model_weights(model, NULL, true);
    ib_weight **weights = ib__alloc(n + 1, sizeof *weights);
    ib_variable **variables = ib__alloc(n + 1, sizeof *variables);
    ib_status status = weights && variables ? IB_OK : ib__fail_memory(err);
    if (status == IB_OK) {
        ib__model_weights(model, weights, true);
        for (size_t i = 0; i < n; i++)
            variables[i] = &weights[i]->variable;
        status = ib__optimizer_build(optimizer, variables, n, err);
    }
    ib__free(weights);
    ib__free(variables);
    return status;
}

/* Keras's compile_config. NULL: no memory. */
static ib_value *compile_config(const ib_optimizer *optimizer, const ib_value *loss,
                                const ib_value *metrics) {
    ib_value *map = ib__value_map();
    if (ib__value_set(map, "optimizer", ib__value_copy(ib__optimizer_config(optimizer))) &&
        ib__value_set(map, "loss", keras_form(loss, "keras.losses")) &&
        ib__value_set(map, "loss_weights", ib__value_null()) &&
        ib__value_set(map, "metrics", metrics ? ib__value_copy(metrics) : ib__value_null()) &&
        ib__value_set(map, "weighted_metrics", ib__value_null()) &&
        ib__value_set(map, "run_eagerly", ib__value_bool(false)) &&
        ib__value_set(map, "steps_per_execution", ib__value_int(1)) &&
        ib__value_set(map, "jit_compile", ib__value_bool(false)))
        return map;
    ib__value_free(map);
    return NULL;
}

ib_status ib__model_compile(ib_model *model, const ib_value *compile, const char *where, ib_error *err) {
    if (!ib__value_is(compile, IB_MAP))
        return ib__fail(err, IB_BAD_INPUT, where, "expected a map with optimizer and loss, found %s",
                        compile ? ib__kind_name(compile->kind) : "nothing");
    ib_status status = check_keys(compile, where, err);
    if (status != IB_OK) return status;
    if (model->n_outputs != 1)
        return ib__fail(err, IB_UNSUPPORTED, where, "training a model with %zu outputs is not supported yet",
                        model->n_outputs);
    char at[256];
    const ib_value *given = ib__value_get(compile, "optimizer");
    ib_value *rmsprop = given ? NULL : ib__value_string("rmsprop"); /* Keras's default */
    const ib_value *loss_config = only_one(ib__value_get(compile, "loss"));
    if (ib__value_is(loss_config, IB_LIST) && loss_config->count == 1) loss_config = loss_config->items[0];
    ib_loss *loss = NULL;
    ib_optimizer *optimizer = NULL;
    ib_value *metrics = NULL, *whole = NULL;
    if (!loss_config || loss_config->kind == IB_NULL) {
        status = ib__fail(err, IB_BAD_INPUT, where, "loss is missing");
        goto done;
    }
    snprintf(at, sizeof at, "%s.optimizer", where);
    status = ib__optimizer_new(&optimizer, given ? given : rmsprop, at, err);
    if (status != IB_OK) goto done;
    snprintf(at, sizeof at, "%s.loss", where);
    status = ib__loss_new(&loss, loss_config, at, err);
    if (status == IB_OK) status = read_metrics(ib__value_get(compile, "metrics"), where, &metrics, err);
    if (status == IB_OK) status = build_optimizer(model, optimizer, err);
    if (status != IB_OK) goto done;
    whole = compile_config(optimizer, loss_config, metrics);
    if (!whole) {
        status = ib__fail_memory(err);
        goto done;
    }
    ib__loss_free(model->loss);
    ib__optimizer_free(model->optimizer);
    ib__value_free(model->metrics);
    ib__value_free(model->compile);
    model->loss = loss;
    model->optimizer = optimizer;
    model->metrics = metrics;
    model->compile = whole;
    loss = NULL;
    optimizer = NULL;
    metrics = NULL;
done:
    ib__value_free(rmsprop);
    ib__value_free(metrics);
    ib__loss_free(loss);
    ib__optimizer_free(optimizer);
    return status;
}
