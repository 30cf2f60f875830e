/* SPDX-License-Identifier: Apache-2.0
 *
 * Optimizers by name: configs and settings; counters and the learning rate.
 */
#include "optimizers/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "layers/layer.h"
#include "optimizers/internal.h"

static const ib_optimizer_class *const classes[] = {
#define X(symbol) &ib__optimizer_##symbol,
#include "optimizers/optimizers.list"
#undef X
};
enum { CLASSES = sizeof classes / sizeof *classes };

ib_status ib__read_learning_rate(const ib_field *field, const ib_value *value, const char *where, void *out,
                                 ib_value **canonical, ib_error *err) {
    double *rate = out;
    if (value->kind == IB_MAP) {
        ib_schedule *schedule;
        ib_status status = ib__schedule_new(&schedule, value, where, err);
        if (status != IB_OK) return status;
        *rate = (double)NAN;
        *canonical = ib__value_copy(ib__schedule_config(schedule));
        ib__schedule_free(schedule);
        return *canonical ? IB_OK : ib__fail_memory(err);
    }
    ib_status status = ib__read_real(field, value, where, out, canonical, err);
    if (status != IB_OK) return status;
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

/* Memory for the scalars, a cache line each. */
static ib_status make_scalars(ib_optimizer *o, ib_error *err) {
    float *data = ib__alloc((IB_SCALARS_MAX + 1) * 16, sizeof *data);
    if (!data) return ib__fail_memory(err);
    for (int i = 0; i < IB_SCALARS_MAX; i++)
        o->scalars[i] = (ib_variable){.path = "scalar", .data = data + (ptrdiff_t)16 * i};
    o->finite = (ib_variable){.path = "finite", .data = data + (ptrdiff_t)16 * IB_SCALARS_MAX};
    return IB_OK;
}

/* What the table of fields does not say. */
static ib_status complete(ib_optimizer *o, const char *where, ib_error *err) {
    const ib_optimizer_settings *s = &o->settings;
    const ib_value *rate = ib__value_get(ib__value_get(o->config, "config"), "learning_rate");
    ib_status status = make_scalars(o, err);
    if (status == IB_OK && o->class->compound) return o->class->compound->open(o, where, err);
    if (status == IB_OK && ib__value_is(rate, IB_MAP))
        status = ib__schedule_new(&o->schedule, rate, where, err);
    if (status != IB_OK) return status;
    if (!isnan(s->clipnorm) + !isnan(s->global_clipnorm) + !isnan(s->clipvalue) > 1)
        return ib__fail(err, IB_BAD_INPUT, where,
                        "expected at most one of clipnorm, global_clipnorm and clipvalue");
    return o->class->check ? o->class->check(o, where, err) : IB_OK;
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
    status = o && given ? IB_OK : ib__fail_memory(err);
    if (status == IB_OK) {
        o->class = class;
        status =
            ib__settings_read(&o->settings, class->fields, class->n_fields, given, where, &completed, err);
    }
    if (status == IB_OK) {
        o->config = ib__serialized("keras.optimizers", class->name, completed);
        status = o->config ? complete(o, where, err) : ib__fail_memory(err);
    }
    if (status == IB_OK) status = ib__optimizer_add_counters(o, err);
    ib__value_free(given);
    if (status == IB_OK)
        *out = o;
    else
        ib__optimizer_free(o);
    return status;
}

void ib__optimizer_free(ib_optimizer *o) {
    if (!o) return;
    for (size_t i = 0; i < o->n_own; i++)
        if (o->state[i].variable) ib__free(o->state[i].variable->data);
    for (size_t i = 0; i < o->n_inner; i++)
        ib__optimizer_free(o->inner[i]);
    ib__free(o->scalars[0].data);
    ib__schedule_free(o->schedule);
    ib__value_free(o->config);
    ib__arena_free(&o->arena);
    free(o->state);
    free(o->slots);
    free(o);
}

const ib_value *ib__optimizer_config(const ib_optimizer *o) {
    return o->config;
}

const char *ib__optimizer_name(const ib_optimizer *o) {
    return ib__value_get(ib__value_get(o->config, "config"), "name")->string;
}

/* The optimizer whose learning rate and steps count: the one inside of a LossScaleOptimizer. */
static ib_optimizer *counting(const ib_optimizer *o) {
    return o->class->compound && o->class->compound->guarded ? o->inner[0] : (ib_optimizer *)o;
}

int64_t ib__optimizer_iterations(const ib_optimizer *o) {
    return counting(o)->iterations;
}

void ib__optimizer_set_iterations(ib_optimizer *o, int64_t iterations) {
    counting(o)->iterations = iterations;
}

double ib__optimizer_learning_rate(const ib_optimizer *o) {
    o = counting(o);
    return o->schedule ? (double)(float)ib__schedule_at(o->schedule, o->iterations)
                       : (double)o->rate_variable.data[0];
}

bool ib__optimizer_rate_is_settable(const ib_optimizer *o) {
    o = counting(o);
    return !o->schedule && !o->class->compound;
}

static void write_rate(ib_value *serialized, double rate) {
    ib_value *config = ib__value_get(serialized, "config"), *inner = ib__value_get(config, "inner_optimizer");
    if (inner) write_rate(inner, rate);
    ib_value *written = ib__value_get(config, "learning_rate");
    if (!written) return;
    written->kind = IB_REAL;
    written->real = rate;
}

void ib__optimizer_set_learning_rate(ib_optimizer *o, double rate) {
    if (!ib__optimizer_rate_is_settable(o)) return;
    ib_optimizer *inner = counting(o);
    inner->rate_variable.data[0] = (float)rate;
    write_rate(o->config, (double)(float)rate);
    if (inner != o) write_rate(inner->config, (double)(float)rate);
}
