/* SPDX-License-Identifier: Apache-2.0
 *
 * Compiling: losses, loss weights and metrics of a model's outputs, and the optimizer, in the forms that
 * Keras takes: one for all outputs, a list with one an output, or a map by the outputs' names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "layers/settings.h"
#include "model/internal.h"

void ib__model_forget_ends(ib_model *model) {
    for (size_t i = 0; model->ends && i < model->n_outputs; i++) {
        ib_output *end = &model->ends[i];
        ib__loss_free(end->loss);
        ib__value_free(end->metrics);
        ib__value_free(end->weighted);
        *end = (ib_output){.name = end->name, .loss_weight = 1};
    }
    model->compiled = model->loss_weighted = false;
}

/* ---- Forms ---- */

typedef struct compiling {
    const ib_model *model;
    const char *where;
    ib_error *err;
} compiling;

static ib_status check_keys(const ib_value *compile, const char *where, ib_error *err) {
    static const char *const keys[] = {
        "optimizer",           "loss",        "loss_weights",   "metrics", "weighted_metrics", "run_eagerly",
        "steps_per_execution", "jit_compile", "auto_scale_loss"};
    enum { KEYS = sizeof keys / sizeof *keys };
    for (size_t i = 0; i < compile->count; i++) {
        size_t k = 0;
        while (k < KEYS && strcmp(keys[k], compile->keys[i]) != 0)
            k++;
        if (k < KEYS) continue;
        const char *near = ib__nearest(compile->keys[i], keys, KEYS);
        return ib__fail(err, IB_BAD_INPUT, where, "unknown field \"%.60s\"%s%s", compile->keys[i],
                        near ? "; nearest is " : "", near ? near : "");
    }
    return IB_OK;
}

/* Losses and metrics in the form in which Keras writes them: names stay, a class gets all of its settings.
 * What cannot be read stays as it is: it is refused, with its place, where it is used. NULL: no memory. */
typedef ib_value *form_fn(const ib_value *value);

static ib_value *loss_form(const ib_value *value) {
    ib_loss *loss;
    if (ib__loss_new(&loss, value, "", NULL) != IB_OK) return ib__value_copy(value);
    ib_value *form = ib__value_copy(ib__loss_config(loss));
    ib__loss_free(loss);
    return form;
}

static ib_value *metric_form(const ib_value *value) {
    ib_value *form;
    if (ib__metric_complete(&form, value, "", NULL) != IB_OK) return ib__value_copy(value);
    form->line = value->line;
    form->column = value->column;
    return form;
}

/* Is it a map whose keys are outputs? */
static bool by_output(const ib_model *model, const ib_value *value) {
    if (!ib__value_is(value, IB_MAP) || !value->count) return false;
    for (size_t i = 0; i < value->count; i++) {
        size_t k = 0;
        while (k < model->n_outputs && strcmp(model->ends[k].name, value->keys[i]) != 0)
            k++;
        if (k == model->n_outputs) return false;
    }
    return true;
}

/* What a list or map has for output i; *found: false if a map has nothing for it. */
static const ib_value *of_output(const ib_model *model, const ib_value *value, size_t i) {
    if (by_output(model, value)) return ib__value_get(value, model->ends[i].name);
    return ib__value_at(value, i);
}

/* The whole in Keras's form: maps by output and lists item by item. NULL: no memory. */
static ib_value *whole_form(const ib_model *model, const ib_value *value, form_fn *form) {
    if (!value) return ib__value_null();
    bool outputs = by_output(model, value);
    if (value->kind == IB_NULL) return ib__value_null();
    if (value->kind != IB_LIST && !outputs) return form(value);
    ib_value *out = outputs ? ib__value_map() : ib__value_list();
    bool good = out != NULL;
    for (size_t i = 0; good && i < value->count; i++) {
        ib_value *item = whole_form(model, value->items[i], form);
        good = outputs ? ib__value_set(out, value->keys[i], item) : ib__value_add(out, item);
    }
    if (good) return out;
    ib__value_free(out);
    return NULL;
}

/* ---- Losses ---- */

static ib_status read_losses(const compiling *c, const ib_value *loss, ib_output *ends) {
    const ib_model *model = c->model;
    size_t n = model->n_outputs, some = 0;
    bool each = by_output(model, loss) || (ib__value_is(loss, IB_LIST) && loss->count == n);
    if (ib__value_is(loss, IB_LIST) && !each)
        return ib__fail(c->err, IB_BAD_INPUT, c->where,
                        "loss: expected one for each of %zu outputs, found %zu", n, loss->count);
    if (by_output(model, loss) && loss->count != n)
        return ib__fail(c->err, IB_BAD_INPUT, c->where,
                        "loss: expected all %zu outputs as keys (null: none), found %zu", n, loss->count);
    for (size_t i = 0; i < n; i++) {
        const ib_value *one = each ? of_output(model, loss, i) : loss;
        if (!one || one->kind == IB_NULL) continue;
        char at[256];
        snprintf(at, sizeof at, "%.200s.loss%s%.40s", c->where, each && n > 1 ? "." : "",
                 each && n > 1 ? ends[i].name : "");
        ib_status status = ib__loss_new(&ends[i].loss, one, at, c->err);
        if (status != IB_OK) return status;
        some++;
    }
    return some ? IB_OK : ib__fail(c->err, IB_BAD_INPUT, c->where, "loss is missing");
}

static ib_status read_weights(const compiling *c, const ib_value *weights, ib_output *ends) {
    const ib_model *model = c->model;
    bool each = by_output(model, weights) || ib__value_is(weights, IB_LIST);
    if (!weights || weights->kind == IB_NULL) return IB_OK;
    if (weights->kind == IB_LIST && weights->count != model->n_outputs)
        return ib__fail(c->err, IB_BAD_INPUT, c->where,
                        "loss_weights: expected one for each of %zu outputs, found %zu", model->n_outputs,
                        weights->count);
    for (size_t i = 0; i < model->n_outputs; i++) {
        const ib_value *one = each ? of_output(model, weights, i) : weights;
        if (!one || one->kind == IB_NULL) continue;
        if (!ib__value_number(one, &ends[i].loss_weight) || (!each && model->n_outputs > 1))
            return ib__fail(c->err, IB_BAD_INPUT, c->where,
                            "loss_weights: expected a number for each output, found %s",
                            ib__kind_name(one->kind));
    }
    return IB_OK;
}

/* ---- Metrics ---- */

/* The names and maps in value, also in lists inside of it, in Keras's form. */
static ib_status add_metrics(const compiling *c, const char *field, const ib_value *value, ib_value *list) {
    if (value->kind == IB_NULL) return IB_OK;
    if (value->kind == IB_LIST) {
        for (size_t i = 0; i < value->count; i++) {
            ib_status status = add_metrics(c, field, value->items[i], list);
            if (status != IB_OK) return status;
        }
        return IB_OK;
    }
    if (value->kind != IB_STRING && value->kind != IB_MAP)
        return ib__fail(c->err, IB_BAD_INPUT, c->where, "%s[%zu]: expected a name or a map, found %s", field,
                        list->count, ib__kind_name(value->kind));
    return ib__value_add(list, metric_form(value)) ? IB_OK : ib__fail_memory(c->err);
}

static ib_status read_metrics(const compiling *c, const char *field, const ib_value *metrics, bool weighted,
                              ib_output *ends) {
    const ib_model *model = c->model;
    size_t n = model->n_outputs;
    if (!metrics || metrics->kind == IB_NULL || (metrics->kind == IB_LIST && !metrics->count)) return IB_OK;
    bool outputs = by_output(model, metrics);
    if (n > 1 && !outputs && (metrics->kind != IB_LIST || metrics->count != n))
        return ib__fail(c->err, IB_BAD_INPUT, c->where,
                        "%s: expected a list with one entry for each of %zu outputs, or a map by their names",
                        field, n);
    for (size_t i = 0; i < n; i++) {
        const ib_value *one = outputs || n > 1 ? of_output(model, metrics, i) : metrics;
        if (!one || one->kind == IB_NULL) continue;
        ib_value *list = ib__value_list();
        if (!list) return ib__fail_memory(c->err);
        *(weighted ? &ends[i].weighted : &ends[i].metrics) = list;
        ib_status status = add_metrics(c, field, one, list);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

/* ---- Optimizer ---- */

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
    for (size_t i = 0; status == IB_OK && i < n; i++)
        status =
            ib__optimizer_constrain(optimizer, i, weights[i]->constraint, weights[i]->variable.path, err);
    ib__free(weights);
    ib__free(variables);
    return status;
}

/* Is mixed_float16 the model's policy? A Functional model's config does not say it: then, if it is a layer's.
 */
static bool is_float16(const ib_model *model) {
    const ib_value *policy = ib__value_get(ib__value_get(model->config, "config"), "dtype");
    if (policy) return ib__policy_format(policy) == IB_FORMAT_F16;
    for (size_t i = 0; i < model->n_layers; i++)
        if (model->layers[i]->compute == IB_FORMAT_F16) return true;
    return false;
}

static bool scales_loss(const ib_value *optimizer) {
    const ib_value *name = ib__value_get(optimizer, "class_name");
    if (!name) name = optimizer;
    if (ib__value_is(name, IB_MAP) && name->count == 1)
        return ib__name_means(name->keys[0], "LossScaleOptimizer");
    return ib__value_is(name, IB_STRING) && ib__name_means(name->string, "LossScaleOptimizer");
}

/* The optimizer to compile with, in *out, which is the caller's: the given one, Keras's default, or, as Keras
 * does for the policy mixed_float16, either of them inside of a LossScaleOptimizer. */
static ib_status choose_optimizer(const compiling *c, const ib_value *compile, ib_value **out) {
    const ib_value *given = ib__value_get(compile, "optimizer"),
                   *automatic = ib__value_get(compile, "auto_scale_loss");
    if (automatic && automatic->kind != IB_BOOL)
        return ib__fail(c->err, IB_BAD_INPUT, c->where, "auto_scale_loss: expected true or false, found %s",
                        ib__kind_name(automatic->kind));
    *out = given ? ib__value_copy(given) : ib__value_string("rmsprop");
    bool wraps = is_float16(c->model) && (!automatic || automatic->boolean) && *out && !scales_loss(*out);
    if (!*out) return ib__fail_memory(c->err);
    if (!wraps) return IB_OK;
    ib_value *config = ib__value_map();
    bool good = ib__value_set(config, "inner_optimizer", *out);
    *out = NULL;
    if (good && ib__value_set(config, "name", ib__value_string("loss_scale_optimizer")))
        *out = ib__serialized("keras.optimizers", "LossScaleOptimizer", config);
    else
        ib__value_free(config);
    return *out ? IB_OK : ib__fail_memory(c->err);
}

/* Keras's compile_config. NULL: no memory. */
static ib_value *compile_config(const ib_model *model, const ib_optimizer *optimizer,
                                const ib_value *compile) {
    ib_value *map = ib__value_map();
    const ib_value *weights = ib__value_get(compile, "loss_weights");
    if (ib__value_set(map, "optimizer", ib__value_copy(ib__optimizer_config(optimizer))) &&
        ib__value_set(map, "loss", whole_form(model, ib__value_get(compile, "loss"), loss_form)) &&
        ib__value_set(map, "loss_weights", weights ? ib__value_copy(weights) : ib__value_null()) &&
        ib__value_set(map, "metrics", whole_form(model, ib__value_get(compile, "metrics"), metric_form)) &&
        ib__value_set(map, "weighted_metrics",
                      whole_form(model, ib__value_get(compile, "weighted_metrics"), metric_form)) &&
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
    compiling c = {model, where, err};
    char at[256];
    ib_value *chosen = NULL;
    ib_optimizer *optimizer = NULL;
    ib_value *whole = NULL;
    ib__model_forget_ends(model);
    snprintf(at, sizeof at, "%.240s.optimizer", where);
    status = choose_optimizer(&c, compile, &chosen);
    if (status == IB_OK) status = ib__optimizer_new(&optimizer, chosen, at, err);
    if (status == IB_OK) status = read_losses(&c, ib__value_get(compile, "loss"), model->ends);
    if (status == IB_OK) status = read_weights(&c, ib__value_get(compile, "loss_weights"), model->ends);
    if (status == IB_OK)
        status = read_metrics(&c, "metrics", ib__value_get(compile, "metrics"), false, model->ends);
    if (status == IB_OK)
        status = read_metrics(&c, "weighted_metrics", ib__value_get(compile, "weighted_metrics"), true,
                              model->ends);
    if (status == IB_OK) status = build_optimizer(model, optimizer, err);
    if (status == IB_OK) {
        whole = compile_config(model, optimizer, compile);
        if (!whole) status = ib__fail_memory(err);
    }
    ib__value_free(chosen);
    if (status != IB_OK) {
        ib__model_forget_ends(model);
        ib__optimizer_free(optimizer);
        return status;
    }
    const ib_value *weights = ib__value_get(compile, "loss_weights");
    model->loss_weighted = weights && weights->kind != IB_NULL;
    model->compiled = true;
    ib__optimizer_free(model->optimizer);
    ib__value_free(model->compile);
    model->optimizer = optimizer;
    model->compile = whole;
    return IB_OK;
}
