/* SPDX-License-Identifier: Apache-2.0
 *
 * What all optimizers share: config, slots, clipping, the counter.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "layers/layer.h"
#include "optimizers/internal.h"

static const ib_optimizer_class *const classes[] = {&ib__optimizer_sgd, &ib__optimizer_adam,
                                                    &ib__optimizer_adamw, &ib__optimizer_rmsprop};
enum { CLASSES = sizeof classes / sizeof *classes };
/* Keras's others, refused by name. */
static const char *const later[] = {
    "Adadelta",          "Adagrad",           "Adamax", "Nadam", "Ftrl", "Lion", "Lamb", "Adafactor", "Muon",
    "ScheduleFreeAdamW", "LossScaleOptimizer"};
enum { LATER = sizeof later / sizeof *later };

ib_status ib__read_learning_rate(const ib_field *field, const ib_value *value, const char *where, void *out,
                                 ib_value **canonical, ib_error *err) {
    if (value->kind == IB_MAP)
        return ib__fail(err, IB_UNSUPPORTED, where, "a learning rate schedule is not supported yet");
    ib_status status = ib__read_real(field, value, where, out, canonical, err);
    if (status != IB_OK) return status;
    double *rate = out;
    *rate = (double)(float)*rate;
    *canonical = ib__value_real(*rate);
    return *canonical ? IB_OK : ib__fail_memory(err);
}

static ib_status find(const char *name, const char *where, const ib_optimizer_class **out, ib_error *err) {
    const char *names[CLASSES];
    for (size_t i = 0; i < CLASSES; i++) {
        names[i] = classes[i]->name;
        if (ib__name_means(name, names[i])) {
            *out = classes[i];
            return IB_OK;
        }
    }
    for (size_t i = 0; i < LATER; i++)
        if (ib__name_means(name, later[i]))
            return ib__fail(err, IB_UNSUPPORTED, where, "optimizer %s is not supported yet", later[i]);
    const char *near = ib__nearest(name, names, CLASSES);
    return ib__fail(err, IB_BAD_INPUT, where, "unknown optimizer \"%.60s\"%s%s", name,
                    near ? "; nearest is " : "", near ? near : "");
}

/* config with "name" put in where it is missing. */
static ib_value *with_name(const ib_value *config, const char *class_name) {
    ib_value *copy = ib__value_is(config, IB_MAP) ? ib__value_copy(config) : ib__value_map();
    char snake[128];
    ib__snake_case(snake, sizeof snake, class_name);
    if (!copy || ib__value_get(copy, "name")) return copy;
    if (ib__value_set(copy, "name", ib__value_string(snake))) return copy;
    ib__value_free(copy);
    return NULL;
}

ib_status ib__optimizer_new(ib_optimizer **out, const ib_value *value, const char *where, ib_error *err) {
    *out = NULL;
    const char *name;
    const ib_value *config;
    const ib_optimizer_class *class = NULL;
    ib_status status = ib__serialized_parts(value, "an optimizer", where, &name, &config, err);
    if (status == IB_OK) status = find(name, where, &class, err);
    if (status != IB_OK) return status;
    if (config && config->kind != IB_MAP && config->kind != IB_NULL)
        return ib__fail(err, IB_BAD_INPUT, where, "expected a map of settings, found %s",
                        ib__kind_name(config->kind));
    ib_optimizer *o = calloc(1, sizeof *o);
    ib_value *given = with_name(config, class->name), *completed = NULL;
    if (!o || !given) {
        status = ib__fail_memory(err);
        goto done;
    }
    o->class = class;
    status = ib__settings_read(&o->settings, class->fields, class->n_fields, given, where, &completed, err);
    if (status != IB_OK) goto done;
    o->config = ib__serialized("keras.optimizers", class->name, completed);
    if (!o->config) {
        status = ib__fail_memory(err);
        goto done;
    }
    const ib_optimizer_settings *s = &o->settings;
    if (!isnan(s->clipnorm) + !isnan(s->global_clipnorm) + !isnan(s->clipvalue) > 1)
        status = ib__fail(err, IB_BAD_INPUT, where,
                          "expected at most one of clipnorm, global_clipnorm and clipvalue");
done:
    ib__value_free(given);
    if (status != IB_OK) {
        ib__optimizer_free(o);
        o = NULL;
    }
    *out = o;
    return status;
}

void ib__optimizer_free(ib_optimizer *o) {
    if (!o) return;
    for (size_t i = 0; i < o->n_slots; i++)
        ib__free(o->slots[i]->data);
    ib__value_free(o->config);
    ib__arena_free(&o->arena);
    free(o);
}

const ib_value *ib__optimizer_config(const ib_optimizer *o) {
    return o->config;
}

const char *ib__optimizer_name(const ib_optimizer *o) {
    return ib__value_get(ib__value_get(o->config, "config"), "name")->string;
}

/* "adam/dense_kernel_momentum" */
static char *slot_path(ib_optimizer *o, const ib_variable *variable, int slot) {
    char *path = ib__arena_printf(&o->arena, "%s/%s_%s", ib__optimizer_name(o), variable->path,
                                  o->class->slot_names[slot]);
    for (char *p = path ? path + strlen(ib__optimizer_name(o)) + 1 : NULL; p && *p; p++)
        if (*p == '/') *p = '_';
    return path;
}

static ib_status add_slot(ib_optimizer *o, ib_trained *t, int slot, ib_error *err) {
    if (!o->class->slot_names[slot] || !o->class->uses_slot(&o->settings, slot)) return IB_OK;
    ib_variable *v = ib__arena_alloc(&o->arena, sizeof *v);
    if (!v) return ib__fail_memory(err);
    v->path = slot_path(o, t->variable, slot);
    v->shape = t->variable->shape;
    v->data = ib__alloc((size_t)ib__shape_elements(&v->shape), sizeof *v->data);
    if (!v->path || !v->data) {
        ib__free(v->data);
        return ib__fail_memory(err);
    }
    t->slots[slot] = v;
    o->slots[o->n_slots++] = v;
    return IB_OK;
}

ib_status ib__optimizer_build(ib_optimizer *o, ib_variable *const *variables, size_t n, ib_error *err) {
    if (o->trained) return ib__fail(err, IB_INTERNAL, "optimizer", "built twice");
    o->trained = ib__arena_alloc(&o->arena, (n + 1) * sizeof *o->trained);
    o->slots = ib__arena_alloc(&o->arena, (n + 1) * IB_SLOTS_MAX * sizeof *o->slots);
    if (!o->trained || !o->slots) return ib__fail_memory(err);
    o->n_trained = n;
    for (size_t i = 0; i < n; i++)
        o->trained[i] = (ib_trained){.optimizer = o, .variable = variables[i]};
    for (int group = 0; group < IB_SLOTS_MAX; group++) {
        for (size_t i = 0; i < n; i++) {
            for (int slot = 0; slot < IB_SLOTS_MAX; slot++) {
                if (o->class->slot_groups[slot] != group) continue;
                ib_status status = add_slot(o, &o->trained[i], slot, err);
                if (status != IB_OK) return status;
            }
        }
    }
    return IB_OK;
}

static ib_node sum_of_squares(ib_graph *g, ib_node a) {
    unsigned axes = (1u << ib__node_shape(g, a).rank) - 1;
    return ib__op_reduce(g, IB_REDUCE_SUM, ib__op_square(g, a), axes, false);
}

/* Keras's clip_by_norm: a c / max(norm, c). */
static ib_node clip_norm(ib_graph *g, ib_node a, float c) {
    ib_node norm = ib__op_sqrt(g, sum_of_squares(g, a));
    return ib__op_divide(g, ib__op_scale(g, a, c), ib__op_maximum(g, norm, ib__op_constant(g, c)));
}

/* Keras's clip_by_global_norm: c min(1 / norm, 1 / c) + (norm - norm), so that inf and NaN spread. */
static ib_node global_scale(ib_graph *g, const ib_node *gradients, size_t n, double c) {
    ib_node total = IB_NO_NODE;
    for (size_t i = 0; i < n; i++) {
        ib_node squares = sum_of_squares(g, gradients[i]);
        total = i ? ib__op_add(g, total, squares) : squares;
    }
    ib_node norm = ib__op_sqrt(g, total);
    ib_node inverse = ib__op_divide(g, ib__op_constant(g, 1.0f), norm);
    ib_node finite =
        ib__op_scale(g, ib__op_minimum(g, inverse, ib__op_constant(g, (float)(1.0 / c))), (float)c);
    return ib__op_add(g, finite, ib__op_subtract(g, norm, norm));
}

void ib__optimizer_apply(ib_optimizer *o, ib_graph *g, const ib_node *gradients) {
    const ib_optimizer_settings *s = &o->settings;
    ib__graph_place(g, ib__optimizer_name(o));
    ib_node scale = IB_NO_NODE;
    if (s->global_clipnorm > 0.0 && o->n_trained)
        scale = global_scale(g, gradients, o->n_trained, s->global_clipnorm);
    for (size_t i = 0; i < o->n_trained; i++) {
        ib_node a = gradients[i];
        if (s->clipnorm > 0.0)
            a = clip_norm(g, a, (float)s->clipnorm);
        else if (s->global_clipnorm > 0.0)
            a = ib__op_multiply(g, a, scale);
        else if (s->clipvalue > 0.0)
            a = ib__op_minimum(g, ib__op_maximum(g, a, ib__op_constant(g, (float)-s->clipvalue)),
                               ib__op_constant(g, (float)s->clipvalue));
        ib__graph_effect(g, a, o->class->update, &o->trained[i]);
    }
}

void ib__optimizer_begin(ib_optimizer *o) {
    o->class->begin(&o->settings, (double)(o->iterations + 1), &o->scalars);
}

void ib__optimizer_end(ib_optimizer *o) {
    o->iterations++;
}

int64_t ib__optimizer_iterations(const ib_optimizer *o) {
    return o->iterations;
}

void ib__optimizer_set_iterations(ib_optimizer *o, int64_t iterations) {
    o->iterations = iterations;
}

double ib__optimizer_learning_rate(const ib_optimizer *o) {
    return o->settings.learning_rate;
}

void ib__optimizer_set_learning_rate(ib_optimizer *o, double rate) {
    o->settings.learning_rate = (double)(float)rate;
    ib_value *written = ib__value_get(ib__value_get(o->config, "config"), "learning_rate");
    written->kind = IB_REAL;
    written->real = o->settings.learning_rate;
}

size_t ib__optimizer_slots(const ib_optimizer *o, ib_variable *const **slots) {
    *slots = o->slots;
    return o->n_slots;
}
