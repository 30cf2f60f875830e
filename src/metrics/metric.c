/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics: a mean of scores over all elements seen, added in sample order in double. A score belongs to an
 * element: a row of predictions for the accuracies with classes and the errors (the mean over the last axis),
 * a single number for binary accuracy and accuracy.
 */
#include "metrics/metric.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"

/* One row: t: the target's row (`tn` numbers), p: the prediction's row (n numbers). */
typedef double score_fn(const ib_metric *metric, const ib_tensor *t, size_t t0, size_t tn, const float *p,
                        size_t n);

struct ib_metric {
    const char *name;
    char given[64]; /* a name of its own, from the config */
    score_fn *score;
    double threshold;
    double state[2]; /* total, count */
};

static score_fn score_equal, score_binary, score_categorical, score_sparse, score_squared, score_absolute;

static const struct entry {
    const char *class_name, *name, *short_name;
    score_fn *score;
} entries[] = {
#define X(class, name, short_names, score) {#class, #name, short_names, score_##score},
#include "metrics/metrics.list"
#undef X
};
enum { ENTRIES = sizeof entries / sizeof *entries };

/* ---- Scores ---- */

static double score_equal(const ib_metric *metric, const ib_tensor *t, size_t t0, size_t tn, const float *p,
                          size_t n) {
    (void)metric;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ib__tensor_at(t, t0 + (tn == n ? i : 0)) == (double)p[i];
    return sum / (double)n;
}

static double score_binary(const ib_metric *metric, const ib_tensor *t, size_t t0, size_t tn, const float *p,
                           size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ib__tensor_at(t, t0 + (tn == n ? i : 0)) == (double)(p[i] > (float)metric->threshold);
    return sum / (double)n;
}

/* The first of the largest. */
static size_t arg_max(const float *p, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (p[i] > p[best]) best = i;
    return best;
}

static double score_categorical(const ib_metric *metric, const ib_tensor *t, size_t t0, size_t tn,
                                const float *p, size_t n) {
    (void)metric;
    size_t best = 0;
    for (size_t i = 1; i < tn; i++)
        if (ib__tensor_at(t, t0 + i) > ib__tensor_at(t, t0 + best)) best = i;
    return best == arg_max(p, n);
}

static double score_sparse(const ib_metric *metric, const ib_tensor *t, size_t t0, size_t tn, const float *p,
                           size_t n) {
    (void)metric;
    (void)tn;
    return ib__tensor_at(t, t0) == (double)arg_max(p, n);
}

static double score_squared(const ib_metric *metric, const ib_tensor *t, size_t t0, size_t tn, const float *p,
                            size_t n) {
    (void)metric;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)p[i] - ib__tensor_at(t, t0 + (tn == n ? i : 0));
        sum += d * d;
    }
    return sum / (double)n;
}

static double score_absolute(const ib_metric *metric, const ib_tensor *t, size_t t0, size_t tn,
                             const float *p, size_t n) {
    (void)metric;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += fabs((double)p[i] - ib__tensor_at(t, t0 + (tn == n ? i : 0)));
    return sum / (double)n;
}

/* ---- Finding ---- */

static const struct entry *find(const char *name) {
    for (size_t i = 0; i < ENTRIES; i++)
        if (strcmp(name, entries[i].class_name) == 0 || strcmp(name, entries[i].name) == 0 ||
            (entries[i].short_name[0] && ib__same_letters(name, entries[i].short_name)))
            return &entries[i];
    return NULL;
}

/* The first entry with this score. */
static const struct entry *scored_by(score_fn *score) {
    const struct entry *e = entries;
    while (e->score != score)
        e++;
    return e;
}

/* "accuracy" as a name means one of three, by the output's width and the loss (Keras's rule). */
static const struct entry *which_accuracy(const char *loss_name, const ib_shape *prediction,
                                          const ib_shape *target) {
    int64_t width = prediction->rank > 1 ? prediction->dims[prediction->rank - 1] : 1;
    int64_t target_width = target->rank > 1 ? target->dims[target->rank - 1] : 1;
    if (width == 1 || (loss_name && strcmp(loss_name, "binary_crossentropy") == 0))
        return scored_by(score_binary);
    bool sparse = target->rank < prediction->rank || (target_width == 1 && width > 1);
    return scored_by(sparse ? score_sparse : score_categorical);
}

static ib_status unknown(const char *name, const char *where, ib_error *err) {
    const char *names[ENTRIES];
    for (size_t i = 0; i < ENTRIES; i++)
        names[i] = entries[i].name;
    const char *near = ib__nearest(name, names, ENTRIES);
    return ib__fail(err, IB_UNSUPPORTED, where, "the metric '%.80s' is not supported%s%s%s", name,
                    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static ib_status configure(ib_metric *metric, const ib_value *settings, const char *where, ib_error *err) {
    static const char *const known[] = {"name", "dtype", "threshold"};
    for (size_t i = 0; settings && settings->kind == IB_MAP && i < settings->count; i++) {
        const char *key = settings->keys[i];
        const ib_value *value = settings->items[i];
        if (strcmp(key, "dtype") == 0) continue;
        if (strcmp(key, "name") == 0 && value->kind == IB_STRING &&
            strlen(value->string) < sizeof metric->given) {
            (void)snprintf(metric->given, sizeof metric->given, "%s", value->string);
        } else if (strcmp(key, "threshold") == 0 && metric->score == score_binary &&
                   ib__value_number(value, &metric->threshold)) {
            continue;
        } else {
            const char *near = ib__nearest(key, known, sizeof known / sizeof *known);
            return ib__fail(err, IB_BAD_INPUT, where,
                            "the metric %s does not take the setting '%.60s' as given%s%s%s", metric->name,
                            key, near ? " (nearest: '" : "", near ? near : "", near ? "')" : "");
        }
    }
    return IB_OK;
}

/* Do targets and predictions fit the score? Errors need rows of one width or one target a row. */
static bool shapes_fit(score_fn *score, const ib_shape *prediction, const ib_shape *target) {
    int64_t width = prediction->rank > 1 ? prediction->dims[prediction->rank - 1] : 1;
    int64_t target_width =
        target->rank > 1 && target->rank == prediction->rank ? target->dims[target->rank - 1] : 1;
    if (score == score_categorical) return target_width == width;
    return target_width == width || target_width == 1;
}

ib_status ib__metric_new(ib_metric **out, const ib_value *config, const char *loss_name,
                         const ib_shape *prediction, const ib_shape *target, const char *where,
                         ib_error *err) {
    *out = NULL;
    const ib_value *class_name = ib__value_get(config, "class_name"), *settings = NULL;
    const char *name = ib__value_is(config, IB_STRING) ? config->string : NULL;
    if (ib__value_is(class_name, IB_STRING)) {
        settings = ib__value_get(config, "config");
        name = class_name->string;
        if (strcmp(name, "function") == 0) name = ib__value_is(settings, IB_STRING) ? settings->string : NULL;
    } else if (ib__value_is(config, IB_MAP) && config->count == 1) {
        settings = config->items[0];
        name = config->keys[0];
    }
    if (!name)
        return ib__fail(err, IB_BAD_INPUT, where, "expected the name of a metric, found %s",
                        config ? ib__kind_name(config->kind) : "nothing");
    const struct entry *e = find(name);
    if (!e) return unknown(name, where, err);
    bool chosen = strcmp(e->name, "accuracy") == 0 && !settings;
    const struct entry *real = chosen ? which_accuracy(loss_name, prediction, target) : e;
    if (!shapes_fit(real->score, prediction, target)) {
        char x[128], y[128];
        ib__shape_print(x, target);
        ib__shape_print(y, prediction);
        return ib__fail(err, IB_BAD_INPUT, where,
                        "%s: targets of shape %s do not fit predictions of shape %s", e->name, x, y);
    }
    ib_metric *metric = calloc(1, sizeof *metric);
    if (!metric) return ib__fail_memory(err);
    /* Keras names a metric as it was asked for: "accuracy", "acc", "mse". */
    *metric = (ib_metric){.name = e->name, .score = real->score, .threshold = 0.5};
    if (ib__value_is(config, IB_STRING) && strcmp(name, e->class_name) != 0 &&
        strlen(name) < sizeof metric->given)
        (void)snprintf(metric->given, sizeof metric->given, "%s", name);
    ib_status status = configure(metric, settings, where, err);
    if (status != IB_OK)
        free(metric);
    else
        *out = metric;
    return status;
}

void ib__metric_free(ib_metric *metric) {
    free(metric);
}

const char *ib__metric_name(const ib_metric *metric) {
    return metric->given[0] ? metric->given : metric->name;
}

/* ---- Accumulating ---- */

void ib__metric_reset(ib_metric *metric) {
    metric->state[0] = metric->state[1] = 0;
}

/* What row r of `rows` weighs by an array with one number for several rows, or one a row; NULL: 1. */
static double row_of(const ib_tensor *of, size_t r, size_t rows) {
    size_t n = of ? (size_t)ib__shape_elements(&of->shape) : 0;
    return n ? ib__tensor_at(of, r / (rows / n)) : 1.0;
}

static bool divides(const ib_tensor *of, size_t rows) {
    int64_t n = of ? ib__shape_elements(&of->shape) : 1;
    return n > 0 && rows % (size_t)n == 0;
}

ib_status ib__metric_add(ib_metric *metric, const ib_metric_batch *batch, ib_error *err) {
    const ib_shape *shape = &batch->y_pred->shape;
    size_t samples = shape->rank > 0 ? (size_t)shape->dims[0] : 0;
    size_t width = shape->rank > 1 ? (size_t)shape->dims[shape->rank - 1] : 1;
    size_t all = (size_t)ib__shape_elements(shape),
           targets = (size_t)ib__shape_elements(&batch->y_true->shape);
    if (samples == 0 || width == 0 || all == 0) return IB_OK;
    size_t rows = all / width, target_width = targets / rows;
    if (!divides(batch->weight, rows) || !divides(batch->mask, rows))
        return ib__fail(err, IB_BAD_INPUT, metric->name, "weights or mask do not fit the predictions");
    const float *p = batch->y_pred->data;
    for (size_t r = 0; r < rows; r++) {
        double w = row_of(batch->weight, r, rows) * row_of(batch->mask, r, rows);
        double s = metric->score(metric, batch->y_true, r * target_width, target_width, p + r * width, width);
        metric->state[0] += s * w;
        metric->state[1] += w;
    }
    return IB_OK;
}

ib_status ib__metric_update(ib_metric *metric, const ib_tensor *y_true, const ib_tensor *y_pred,
                            const ib_tensor *weight) {
    return ib__metric_add(metric, &(ib_metric_batch){y_true, y_pred, weight, NULL, NULL}, NULL);
}

double ib__metric_result(const ib_metric *metric) {
    return metric->state[1] == 0 ? 0 : metric->state[0] / metric->state[1];
}

size_t ib__metric_count(const ib_metric *metric, bool *list) {
    (void)metric;
    if (list) *list = false;
    return 1;
}

void ib__metric_values(const ib_metric *metric, double *out) {
    *out = ib__metric_result(metric);
}

double *ib__metric_states(ib_metric *metric, size_t *n) {
    *n = 2;
    return metric->state;
}

void ib__metric_state(const ib_metric *metric, double state[2]) {
    memcpy(state, metric->state, sizeof metric->state);
}

void ib__metric_set_state(ib_metric *metric, const double state[2]) {
    memcpy(metric->state, state, sizeof metric->state);
}
