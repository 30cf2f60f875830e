/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics: found by name, configured as Keras serializes them, and what all of them share.
 */
#include "metrics/metric.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "layers/layer.h"
#include "metrics/internal.h"

/* ---- Names ---- */

/* Keras's metrics.get knows classes, their names in snake case, and a few short names. */
static const ib_metric_class *find(const char *name) {
    for (size_t i = 0; i < ib__metric_classes_count; i++) {
        const ib_metric_class *c = &ib__metric_classes[i];
        char snake[128];
        ib__snake_case(snake, sizeof snake, c->name);
        const char *at = strstr(c->shorts, name);
        size_t n = strlen(name);
        bool is_short = n && at && (at == c->shorts || at[-1] == ' ') && (at[n] == ' ' || !at[n]);
        if (strcmp(name, c->name) == 0 || strcmp(name, snake) == 0 || is_short) return c;
    }
    return NULL;
}

static ib_status unknown(const char *what, const char *name, const char *const *names, size_t n,
                         const char *where, ib_error *err) {
    const char *near = ib__nearest(name, names, n);
    return ib__fail(err, IB_UNSUPPORTED, where, "the %s '%.80s' is not supported%s%s%s", what, name,
                    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static ib_status unknown_metric(const char *name, const char *where, ib_error *err) {
    enum { NAMES_MAX = 64 };
    char snakes[NAMES_MAX][64];
    const char *names[2 * NAMES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < ib__metric_classes_count && i < NAMES_MAX; i++) {
        ib__snake_case(snakes[i], sizeof snakes[i], ib__metric_classes[i].name);
        names[n++] = snakes[i];
        names[n++] = ib__metric_classes[i].name;
    }
    return unknown("metric", name, names, n, where, err);
}

/* "accuracy" as a name means one of three, by the shapes (Keras's rule). */
static const char *which_accuracy(const ib_shape *prediction, const ib_shape *target) {
    int64_t width = prediction->rank ? prediction->dims[prediction->rank - 1] : 1;
    int64_t target_width = target->rank ? target->dims[target->rank - 1] : 1;
    if (width == 1) return "BinaryAccuracy";
    bool sparse = target->rank < prediction->rank || (target_width == 1 && width > 1);
    return sparse ? "SparseCategoricalAccuracy" : "CategoricalAccuracy";
}

/* ---- Making ---- */

/* How a metric was asked for. */
typedef struct asked {
    const ib_metric_class *class;
    const ib_function *function; /* of a wrapper; NULL: the class's own */
    const ib_value *settings;    /* NULL: none */
    const char *name;            /* what Keras calls it; NULL: as its settings say */
    bool as_written;             /* Keras writes what was given */
} asked;

/* A function that Keras serialized: {"module": "builtins", "class_name": "function", "config": its name}. */
static const char *function_name(const ib_value *config) {
    if (!ib__value_is_string(ib__value_get(config, "class_name"), "function")) return NULL;
    const ib_value *name = ib__value_get(config, "config");
    return ib__value_is(name, IB_STRING) ? name->string : "function";
}

static ib_value *serialized_function(const char *name) {
    ib_value *map = ib__value_map();
    if (ib__value_set(map, "module", ib__value_string("builtins")) &&
        ib__value_set(map, "class_name", ib__value_string("function")) &&
        ib__value_set(map, "config", ib__value_string(name)) &&
        ib__value_set(map, "registered_name", ib__value_string("function")))
        return map;
    ib__value_free(map);
    return NULL;
}

static ib_status find_function(const char *name, const char *where, const ib_function **out, ib_error *err) {
    const char *names[64];
    *out = ib__metric_function(name, false);
    if (*out) return IB_OK;
    return unknown("function", name, names, ib__metric_function_names(names, 64), where, err);
}

/* prediction and target may be NULL: then "accuracy" stays open, and its class is Accuracy. */
static ib_status ask(asked *a, const ib_value *config, const ib_shape *prediction, const ib_shape *target,
                     const char *where, ib_error *err) {
    *a = (asked){0};
    const char *name = function_name(config);
    if (name) {
        a->class = find("MeanMetricWrapper");
        a->name = name;
        a->as_written = true;
        return find_function(name, where, &a->function, err);
    }
    ib_status status = ib__serialized_parts(config, "a metric", where, &name, &a->settings, err);
    if (status != IB_OK) return status;
    if (config->kind == IB_STRING) {
        a->name = name;
        a->as_written = true;
        if (ib__same_letters(name, "accuracy") || ib__same_letters(name, "acc"))
            name = prediction && target ? which_accuracy(prediction, target) : "Accuracy";
    }
    a->class = find(name);
    return a->class ? IB_OK : unknown_metric(name, where, err);
}

/* The settings with a name put in where it is missing. NULL: no memory. */
static ib_value *with_name(const ib_metric_class *class, const ib_value *settings) {
    char snake[128];
    ib_value *copy = ib__value_is(settings, IB_MAP) ? ib__value_copy(settings) : ib__value_map();
    const ib_value *name = ib__value_get(copy, "name");
    if (!copy || (name && name->kind != IB_NULL)) return copy;
    ib__snake_case(snake, sizeof snake, class->name);
    if (ib__value_set(copy, "name", ib__value_string(class->given ? class->given : snake))) return copy;
    ib__value_free(copy);
    return NULL;
}

/* The wrapper's settings: name, dtype, fn, and the arguments of fn, of which Keras writes those given. */
static ib_status configure_wrapper(ib_metric *m, const ib_value *given, const char *where, ib_error *err) {
    const ib_value *fn = ib__value_get(given, "fn");
    const char *name = function_name(fn);
    if (!name && ib__value_is(fn, IB_STRING)) name = fn->string;
    if (!name) return ib__fail(err, IB_BAD_INPUT, where, "fn: expected a function by name");
    const ib_metric_class *short_of = ib__metric_function(name, false) ? NULL : find(name);
    if (short_of && short_of->function && !ib__name_means(name, short_of->name)) name = short_of->function;
    ib_status status = find_function(name, where, &m->function, err);
    if (status != IB_OK) return status;
    ib_value *own = ib__value_map(), *arguments = ib__value_map(), *completed = NULL;
    bool good = own && arguments;
    for (size_t i = 0; i < given->count && good; i++) {
        const char *key = given->keys[i];
        bool common = strcmp(key, "name") == 0 || strcmp(key, "dtype") == 0;
        if (strcmp(key, "fn") != 0)
            good = ib__value_set(common ? own : arguments, key, ib__value_copy(given->items[i]));
    }
    status = good ? ib__settings_read(m, m->class->fields, m->class->n_fields, own, where, &m->config, err)
                  : ib__fail_memory(err);
    if (status == IB_OK)
        status = ib__settings_read(m, m->function->fields, m->function->n_fields, arguments, where,
                                   &completed, err);
    if (status == IB_OK && !ib__value_set(m->config, "fn", serialized_function(m->function->name)))
        status = ib__fail_memory(err);
    for (size_t i = 0; status == IB_OK && i < arguments->count; i++) {
        const ib_value *value = ib__value_get(completed, arguments->keys[i]);
        if (!ib__value_set(m->config, arguments->keys[i], ib__value_copy(value)))
            status = ib__fail_memory(err);
    }
    ib__value_free(own);
    ib__value_free(arguments);
    ib__value_free(completed);
    return status;
}

/* The defaults of a function's arguments, for one that was asked for by its name. */
static ib_status configure_function(ib_metric *m, const char *where, ib_error *err) {
    ib_value *completed = NULL;
    ib_status status =
        ib__settings_read(m, m->function->fields, m->function->n_fields, NULL, where, &completed, err);
    ib__value_free(completed);
    return status;
}

/* Reads the settings into m, and into m->config as Keras writes them. */
static ib_status configure(ib_metric *m, const asked *a, const char *where, ib_error *err) {
    const ib_metric_class *class = a->class;
    if (a->settings && a->settings->kind != IB_MAP && a->settings->kind != IB_NULL)
        return ib__fail(err, IB_BAD_INPUT, where, "%s: expected a map of settings, found %s", class->name,
                        ib__kind_name(a->settings->kind));
    ib_value *given = with_name(class, a->settings);
    if (!given) return ib__fail_memory(err);
    ib_status status = IB_OK;
    m->function = a->function;
    if (class->function) m->function = ib__metric_function(class->function, true);
    bool wrapper = !class->function && class->add == ib__mean_add;
    if (wrapper && !a->function)
        status = configure_wrapper(m, given, where, err);
    else
        status = ib__settings_read(m, class->fields, class->n_fields, given, where, &m->config, err);
    if (status == IB_OK && a->function) status = configure_function(m, where, err);
    if (status == IB_OK && class->prepare) status = class->prepare(m, where, err);
    ib__value_free(given);
    return status;
}

static ib_status make(ib_metric **out, const asked *a, const char *where, ib_error *err) {
    ib_metric *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m) return ib__fail_memory(err);
    *m = (ib_metric){.class = a->class, .axis = -1, .class_id = -1, .top_k = -1, .threshold = 0.5};
    ib_status status = configure(m, a, where, err);
    if (status == IB_OK && a->name && !ib__value_set(m->config, "name", ib__value_string(a->name)))
        status = ib__fail_memory(err);
    if (status != IB_OK) {
        ib__metric_free(m);
        return status;
    }
    m->name = ib__value_get(m->config, "name")->string;
    *out = m;
    return IB_OK;
}

ib_status ib__metric_complete(ib_value **out, const ib_value *config, const char *where, ib_error *err) {
    *out = NULL;
    asked a;
    ib_metric *m;
    ib_status status = ask(&a, config, NULL, NULL, where, err);
    if (status == IB_OK) status = make(&m, &a, where, err);
    if (status != IB_OK) return status;
    *out = a.as_written ? ib__value_copy(config)
                        : ib__serialized("keras.metrics", a.class->name, ib__value_copy(m->config));
    ib__metric_free(m);
    return *out ? IB_OK : ib__fail_memory(err);
}

ib_status ib__metric_new(ib_metric **out, const ib_value *config, const ib_shape *prediction,
                         const ib_shape *target, const char *where, ib_error *err) {
    *out = NULL;
    asked a;
    ib_metric *m = NULL;
    ib_status status = ask(&a, config, prediction, target, where, err);
    if (status == IB_OK) status = make(&m, &a, where, err);
    if (status != IB_OK) return status;
    status = m->class->fits(m, target, prediction, err);
    if (status == IB_OK) status = m->class->size(m, target, prediction, err);
    if (status != IB_OK) {
        status = ib__fail_within(err, status, where);
    } else if (m->n_states > 1 << 26) {
        status = ib__fail(err, IB_BAD_INPUT, where, "%s: too many thresholds or classes", m->class->name);
    } else {
        m->states = calloc(m->n_states + 1, sizeof *m->states);
        m->result = calloc(m->n_values + 1, sizeof *m->result);
        if (!m->states || !m->result) status = ib__fail_memory(err);
    }
    if (status != IB_OK)
        ib__metric_free(m);
    else
        *out = m;
    return status;
}

void ib__metric_free(ib_metric *m) {
    if (!m) return;
    for (size_t i = 0; i < IB_ROOMS; i++)
        free(m->rooms[i]);
    ib__value_free(m->config);
    free(m->thresholds);
    free(m->label_weights);
    free(m->target_ids);
    free(m->states);
    free(m->result);
    free(m);
}

const char *ib__metric_name(const ib_metric *m) {
    return m->name;
}

/* ---- Accumulating ---- */

void ib__metric_reset(ib_metric *m) {
    memset(m->states, 0, m->n_states * sizeof *m->states);
}

ib_status ib__metric_add(ib_metric *m, const ib_metric_batch *batch, ib_error *err) {
    if (ib__shape_elements(&batch->y_true->shape) == 0) return IB_OK;
    ib_status status = m->class->add(m, batch, err);
    return status == IB_OK ? IB_OK : ib__fail_within(err, status, m->name);
}

bool ib__metric_takes_logits(const ib_metric *m) {
    return m->function && m->function->entropy;
}

size_t ib__metric_count(const ib_metric *m, bool *list) {
    if (list) *list = m->list;
    return m->n_values;
}

void ib__metric_values(const ib_metric *m, double *out) {
    m->class->values(m, out);
}

double ib__metric_result(const ib_metric *m) {
    double sum = 0;
    ib__metric_values(m, m->result);
    for (size_t i = 0; i < m->n_values; i++)
        sum += m->result[i];
    return sum / (double)m->n_values;
}

double *ib__metric_states(ib_metric *m, size_t *n) {
    *n = m->n_states;
    return m->states;
}
