/* SPDX-License-Identifier: Apache-2.0
 *
 * Running loss and metrics.
 */
#include "run/scores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "run/experiment.h"

static char *joined(const char *a, const char *between, const char *b) {
    ib_buf text = {0};
    ib__buf_printf(&text, "%s%s%s", a, between, b);
    return text.data;
}

/* Keras's way with a name that is taken: a second metric becomes "acc_1", a weighted one "weighted_acc". Both
 * count how often the name was asked for. */
static char *unique_name(const ib_scores *s, const ib_model *model, size_t output, const char *metric,
                         bool weighted) {
    bool several = model->n_outputs > 1;
    const char *prefix = several ? model->ends[output].name : "", *line = several ? "_" : "";
    char *name = joined(prefix, line, metric);
    for (int round = 0; name != NULL && round < 2; round++) {
        size_t taken = 0;
        for (size_t i = 0; i < s->n_metrics; i++)
            taken += strcmp(s->metrics[i].name, name) == 0;
        if (taken == 0) return name;
        if (weighted && round == 0) {
            char *inner = joined("weighted", "_", metric);
            free(name);
            name = inner == NULL ? NULL : joined(prefix, line, inner);
            free(inner);
            continue;
        }
        char number[24];
        for (size_t k = 1; name != NULL && taken > 0; k++) {
            snprintf(number, sizeof number, "%zu", k);
            char *next = joined(name, "_", number);
            taken = 0;
            for (size_t i = 0; next != NULL && i < s->n_metrics; i++)
                taken += strcmp(s->metrics[i].name, next) == 0;
            if (next != NULL && taken > 0) {
                free(next);
                continue;
            }
            free(name);
            name = next;
        }
        break;
    }
    return name;
}

static ib_status add_metrics(ib_scores *s, const ib_model *model, size_t output, const ib_shape *target,
                             bool weighted, const char *name, ib_error *err) {
    const ib_output *end = &model->ends[output];
    const ib_value *list = weighted ? end->weighted : end->metrics;
    const ib_shape *prediction = &model->tensors[model->outputs[output]].shape;
    for (size_t i = 0; list != NULL && i < list->count; i++) {
        ib_score *score = &s->metrics[s->n_metrics];
        char where[256];
        ib__experiment_where(where, name, list->items[i],
                             weighted ? "compile.weighted_metrics" : "compile.metrics");
        *score = (ib_score){.output = output, .weighted = weighted, .config = list->items[i]};
        ib_status status = ib__metric_new(&score->metric, list->items[i], prediction, target, where, err);
        if (status != IB_OK) return status;
        score->name = unique_name(s, model, output, ib__metric_name(score->metric), weighted);
        s->n_metrics++;
        if (score->name == NULL) return ib__fail_memory(err);
    }
    return IB_OK;
}

ib_status ib__scores_new(ib_scores *s, const ib_model *model, const ib_shape *targets, const char *name,
                         ib_error *err) {
    size_t n = model->n_outputs, metrics = 0, losses = 0;
    for (size_t i = 0; i < n; i++) {
        metrics += model->ends[i].metrics != NULL ? model->ends[i].metrics->count : 0;
        metrics += model->ends[i].weighted != NULL ? model->ends[i].weighted->count : 0;
        losses += model->ends[i].loss != NULL;
    }
    *s = (ib_scores){.n_outputs = n};
    s->losses = calloc(n + 1, sizeof *s->losses);
    s->metrics = calloc(metrics + 1, sizeof *s->metrics);
    if (s->losses == NULL || s->metrics == NULL) return ib__fail_memory(err);
    for (size_t i = 0; losses > 1 && i < n; i++) {
        if (model->ends[i].loss == NULL) continue;
        s->losses[i].name = joined(model->ends[i].name, "_", "loss");
        if (s->losses[i].name == NULL) return ib__fail_memory(err);
    }
    s->losses[n].name = joined("loss", "", "");
    if (s->losses[n].name == NULL) return ib__fail_memory(err);
    for (int weighted = 0; weighted < 2; weighted++)
        for (size_t i = 0; i < n; i++) {
            ib_status status = add_metrics(s, model, i, &targets[i], weighted, name, err);
            if (status != IB_OK) return status;
        }
    return IB_OK;
}

void ib__scores_free(ib_scores *s) {
    for (size_t i = 0; i < s->n_metrics; i++) {
        ib__metric_free(s->metrics[i].metric);
        free(s->metrics[i].name);
    }
    for (size_t i = 0; s->losses != NULL && i <= s->n_outputs; i++)
        free(s->losses[i].name);
    free(s->metrics);
    free(s->losses);
    *s = (ib_scores){0};
}

void ib__scores_reset(ib_scores *s) {
    for (size_t i = 0; s->losses != NULL && i <= s->n_outputs; i++)
        s->losses[i].total = s->losses[i].count = 0;
    for (size_t i = 0; i < s->n_metrics; i++)
        ib__metric_reset(s->metrics[i].metric);
}

static const ib_tensor *given(const ib_tensor *t) {
    return t->data != NULL ? t : NULL;
}

bool ib__scores_take_logits(const ib_scores *s, size_t output) {
    bool takes = false;
    for (size_t i = 0; i < s->n_metrics; i++)
        takes = takes || (s->metrics[i].output == output && ib__metric_takes_logits(s->metrics[i].metric));
    return takes;
}

ib_status ib__scores_add(ib_scores *s, size_t samples, float loss, const ib_scored *outputs, ib_error *err) {
    for (size_t i = 0; i <= s->n_outputs; i++) {
        ib_loss_mean *mean = &s->losses[i];
        double weight = i < s->n_outputs ? 1 : (double)samples;
        mean->total += (double)(i < s->n_outputs ? outputs[i].loss : loss) * weight;
        mean->count += weight;
    }
    if (s->confusion != NULL) ib__matrix_add(s->confusion, &outputs[0].target, &outputs[0].prediction);
    for (size_t i = 0; i < s->n_metrics; i++) {
        const ib_score *score = &s->metrics[i];
        const ib_scored *o = &outputs[score->output];
        ib_metric_batch batch = {.y_true = &o->target,
                                 .y_pred = &o->prediction,
                                 .weight = score->weighted ? given(&o->weight) : NULL,
                                 .mask = given(&o->mask),
                                 .logits = given(&o->logits)};
        ib_status status = ib__metric_add(score->metric, &batch, err);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

/* ---- Logs ---- */

static double mean_of(const ib_loss_mean *mean) {
    return mean->count > 0 ? mean->total / mean->count : 0;
}

double ib__scores_loss(const ib_scores *s) {
    return mean_of(&s->losses[s->n_outputs]);
}

size_t ib__scores_count(const ib_scores *s) {
    size_t n = s->n_metrics;
    for (size_t i = 0; s->losses != NULL && i <= s->n_outputs; i++)
        n += s->losses[i].name != NULL;
    return n;
}

static void insert(const char **names, double *values, size_t n, const char *name, double value) {
    for (; n > 0 && strcmp(names[n - 1], name) > 0; n--) {
        names[n] = names[n - 1];
        values[n] = values[n - 1];
    }
    names[n] = name;
    values[n] = value;
}

size_t ib__scores_sorted(const ib_scores *s, const char **names, double *values, size_t limit) {
    size_t n = 0;
    for (size_t i = 0; s->losses != NULL && i <= s->n_outputs && n < limit; i++)
        if (s->losses[i].name != NULL) insert(names, values, n++, s->losses[i].name, mean_of(&s->losses[i]));
    for (size_t i = 0; i < s->n_metrics && n < limit; i++)
        insert(names, values, n++, s->metrics[i].name, ib__metric_result(s->metrics[i].metric));
    return n;
}
