/* SPDX-License-Identifier: Apache-2.0
 *
 * Verification by the goal `functional`: the metrics of two groups of runs are equivalent within stated
 * margins. A group is an experiment trained with several seeds, or the runs that a folder holds, as they were
 * recorded.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "run/commands.h"
#include "run/equivalence.h"
#include "run/report.h"

#define ALPHA 0.05
#define SEEDS_DEFAULT 5
#define SEEDS_MAX 10000
#define METRICS_MAX 16

typedef struct group {
    const char *what;            /* the folder */
    double *values[METRICS_MAX]; /* one for each run */
    size_t n, capacity[METRICS_MAX];
} group;

typedef struct functional {
    char names[METRICS_MAX][96];
    double margins[METRICS_MAX];
    size_t n_metrics, seeds;
    ib_runtime runtime;
    ib_report report;
    group a, b;
} functional;

/* ---- Margins: "accuracy=0.01,val_loss=0.05", or the experiment's ---- */

static ib_status add_margin(functional *f, const char *name, size_t length, double margin, ib_error *err) {
    if (f->n_metrics == METRICS_MAX || length == 0 || length >= sizeof f->names[0] || !(margin > 0))
        return ib__fail(err, IB_BAD_INPUT, "margin", "expected at most %d names with margins above 0",
                        METRICS_MAX);
    snprintf(f->names[f->n_metrics], sizeof f->names[0], "%.*s", (int)length, name);
    f->margins[f->n_metrics++] = margin;
    return IB_OK;
}

static ib_status parse_margins(functional *f, const char *text, ib_error *err) {
    ib_status status = IB_OK;
    for (const char *at = text; status == IB_OK && *at != '\0';) {
        size_t n = strcspn(at, ","), name = strcspn(at, "=,");
        double margin;
        if (name >= n || !ib__double_parse(at + name + 1, n - name - 1, &margin))
            return ib__fail(err, IB_BAD_INPUT, "margin", "expected NAME=NUMBER,..., found \"%.60s\"", text);
        status = add_margin(f, at, name, margin, err);
        at += n + (at[n] == ',');
    }
    return status;
}

static ib_status recorded_margins(functional *f, const ib_record *record, ib_error *err) {
    const ib_value *map = ib__value_get(ib__value_get(record->tree, "experiment"), "margins");
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && map != NULL && i < map->count; i++) {
        double margin = 0;
        (void)ib__value_number(map->items[i], &margin);
        status = add_margin(f, map->keys[i], strlen(map->keys[i]), margin, err);
    }
    return status;
}

/* ---- Values of a run ---- */

/* test_NAME: a result on data.test; others: the last epoch's. */
static bool trace_value(const ib_trace *t, const char *name, double *out) {
    for (size_t i = 0; strncmp(name, "test_", 5) == 0 && i < t->n_test; i++)
        if (strcmp(t->test_names[i], name + 5) == 0) {
            *out = t->test[i];
            return true;
        }
    for (size_t i = 0; t->n_epochs > 0 && i < t->n_names; i++)
        if (strcmp(t->names[i], name) == 0) {
            *out = t->history[(t->n_epochs - 1) * t->n_names + i];
            return true;
        }
    return false;
}

static bool record_value(const ib_record *r, const char *name, double *out) {
    const ib_value *results = ib__value_get(r->tree, "results"), *column = NULL;
    if (strncmp(name, "test_", 5) == 0 &&
        ib__value_number(ib__value_get(ib__value_get(results, "test"), name + 5), out))
        return true;
    column = ib__value_get(ib__value_get(results, "history"), name);
    return ib__value_is(column, IB_LIST) && column->count > 0 &&
           ib__value_number(column->items[column->count - 1], out);
}

static ib_status no_value(const char *run, const char *name, const ib_record *r, ib_error *err) {
    const ib_value *history = r == NULL ? NULL : ib__value_get(ib__value_get(r->tree, "results"), "history");
    const char *near =
        history == NULL ? NULL : ib__nearest(name, (const char *const *)history->keys, history->count);
    return ib__fail(err, IB_BAD_INPUT, run, "there is no metric \"%.60s\"%s%s", name,
                    near != NULL ? ", did you mean " : "", near != NULL ? near : "");
}

static ib_status add_value(group *g, size_t metric, double value, ib_error *err) {
    if (!ib__grow(&g->values[metric], &g->capacity[metric], g->n + 1, sizeof(double)))
        return ib__fail_memory(err);
    g->values[metric][g->n] = value;
    return IB_OK;
}

static ib_status add_record(functional *f, group *g, const ib_record *r, ib_error *err) {
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < f->n_metrics; i++) {
        double value;
        if (!record_value(r, f->names[i], &value)) return no_value(r->folder, f->names[i], r, err);
        status = add_value(g, i, value, err);
    }
    if (status == IB_OK) g->n++;
    return status;
}

static void say_run(functional *f, const char *what, int64_t seed, const group *g) {
    ib__say(&f->report.inner, "%s, seed %lld:", what, (long long)seed);
    for (size_t i = 0; i < f->n_metrics; i++)
        ib__say(&f->report.inner, " %s %.6g", f->names[i], g->values[i][g->n - 1]);
    ib__say(&f->report.inner, "\n");
}

static ib_status train_seed(functional *f, group *g, const ib_record *r, int64_t seed, ib_error *err) {
    ib_experiment *e = NULL;
    ib_task *task = NULL;
    ib_trace trace = {0};
    ib_status status = ib__record_experiment(&e, r, err);
    if (status == IB_OK) status = ib__experiment_set_seed(e, seed, false, err);
    if (status == IB_OK) status = ib__task_open(&task, e, err);
    if (status == IB_OK)
        status = ib__fit(task, &f->runtime, &(ib_fit_hooks){.options = &f->report.inner}, &trace, err);
    for (size_t i = 0; status == IB_OK && i < f->n_metrics; i++) {
        double value;
        status = trace_value(&trace, f->names[i], &value) ? add_value(g, i, value, err)
                                                          : no_value(r->folder, f->names[i], r, err);
    }
    if (status == IB_OK) {
        g->n++;
        say_run(f, r->folder, seed, g);
    }
    ib__trace_free(&trace);
    ib__task_free(task);
    ib__experiment_free(e);
    return status;
}

/* Other seeds than the recorded one, and others for each group. */
static ib_status train_group(functional *f, group *g, const ib_record *r, size_t first, ib_error *err) {
    const ib_value *seed = ib__value_get(r->tree, "seed");
    int64_t base = ib__value_is(seed, IB_INT) ? seed->integer : 0;
    ib_status status = IB_OK;
    double recorded;
    for (size_t i = 0; i < f->n_metrics; i++)
        if (!record_value(r, f->names[i], &recorded)) return no_value(r->folder, f->names[i], r, err);
    for (size_t i = 0; status == IB_OK && i < f->seeds; i++)
        status = train_seed(f, g, r, base + (int64_t)(first + i), err);
    return status;
}

/* The runs in a folder; how many is 0 when it holds none. */
static ib_status read_group(functional *f, group *g, const char *folder, ib_error *err) {
    char **names;
    size_t n;
    ib_status status = ib__folder_names(&names, &n, folder, err);
    for (size_t i = 0; status == IB_OK && i < n; i++) {
        char *path = ib__path_join(folder, names[i]);
        ib_record *r = NULL;
        if (path == NULL) status = ib__fail_memory(err);
        if (path != NULL && ib__record_complete(path)) {
            status = ib__record_read(&r, path, err);
            if (status == IB_OK) status = add_record(f, g, r, err);
        }
        ib__record_free(r);
        free(path);
    }
    ib__names_free(names, n);
    return status;
}

/* A run is trained with several seeds, a folder of runs is read. */
static ib_status fill_group(functional *f, group *g, const char *what, size_t first, ib_error *err) {
    ib_record *r = NULL;
    g->what = what;
    if (!ib__record_complete(what)) {
        ib_status status = read_group(f, g, what, err);
        if (status == IB_OK && g->n < 2)
            status = ib__fail(err, IB_BAD_INPUT, what,
                              "expected a run, or a folder with at least two, found %zu", g->n);
        return status;
    }
    ib_status status = ib__record_read(&r, what, err);
    if (status == IB_OK) status = train_group(f, g, r, first, err);
    ib__record_free(r);
    return status;
}

/* ---- The tests ---- */

static bool judge_metric(functional *f, size_t i) {
    static const char *const verdicts[] = {"equivalent", "different", "not shown to be equivalent"};
    ib_equivalence e = ib__equivalence(f->a.values[i], f->a.n, f->b.values[i], f->b.n, f->margins[i], ALPHA);
    ib__say(&f->report.inner,
            "%s: %.6g (deviation %.2g, n = %zu) and %.6g (deviation %.2g, n = %zu); difference %.3g, %.0f %% "
            "interval "
            "[%.3g, %.3g], margin %.3g: %s\n",
            f->names[i], e.mean_a, e.deviation_a, f->a.n, e.mean_b, e.deviation_b, f->b.n, e.difference,
            100 * (1 - 2 * ALPHA), e.low, e.high, f->margins[i], verdicts[e.verdict]);
    ib__report_check(&f->report, f->names[i], e.verdict == IB_EQUIVALENT);
    return e.verdict == IB_EQUIVALENT;
}

static ib_status run_groups(functional *f, const ib_record *record, const char *against, ib_error *err) {
    ib_status status = IB_OK;
    f->a.what = record->folder;
    if (against == NULL) { /* the recorded value against new seeds */
        f->b.what = record->folder;
        status = add_record(f, &f->b, record, err);
        if (status == IB_OK) status = train_group(f, &f->a, record, 1, err);
    } else {
        status = train_group(f, &f->a, record, 1, err);
        if (status == IB_OK) status = fill_group(f, &f->b, against, 1 + f->seeds, err);
    }
    return status;
}

static void free_groups(functional *f) {
    for (size_t i = 0; i < METRICS_MAX; i++) {
        free(f->a.values[i]);
        free(f->b.values[i]);
    }
}

static ib_status run_judgement(functional *f, ib_status status, ib_error *err) {
    size_t good = 0;
    for (size_t i = 0; status == IB_OK && i < f->n_metrics; i++)
        good += judge_metric(f, i);
    if (status == IB_OK && good < f->n_metrics) status = IB_DIFFERS;
    if (status == IB_OK || status == IB_DIFFERS)
        ib__say(&f->report.inner, "%s\n",
                status == IB_OK ? "functionally the same" : "not functionally the same");
    status = ib__report_end(&f->report, status, err);
    free_groups(f);
    return status;
}

static ib_status open_functional(functional *f, const ib_record *record, const ib_judgement *how,
                                 const ib_options *options, ib_error *err) {
    f->seeds = how->seeds > 0 ? how->seeds : SEEDS_DEFAULT;
    ib_status status = how->margins != NULL ? parse_margins(f, how->margins, err)
                       : record != NULL     ? recorded_margins(f, record, err)
                                            : IB_OK;
    if (status == IB_OK && f->n_metrics == 0)
        status = ib__fail(
            err, IB_BAD_INPUT, "margin",
            "expected margins, as --margin accuracy=0.01 or margins: {accuracy: 0.01} in the experiment");
    if (status == IB_OK && (f->seeds < 2 || f->seeds > SEEDS_MAX))
        status = ib__fail(err, IB_BAD_INPUT, "seeds", "expected 2 to %d, found %zu", SEEDS_MAX, f->seeds);
    if (status == IB_OK) status = ib__runtime_init(&f->runtime, options->threads, options->isa, err);
    return status;
}

ib_status ib__verify_functional(const char *run, const ib_record *record, const ib_judgement *how,
                                const ib_options *options, ib_error *err) {
    functional f = {.seeds = 0};
    ib_status status = open_functional(&f, record, how, options, err);
    if (status != IB_OK) return status;
    ib__report_begin(&f.report, options);
    ib__report_set(&f.report, "run", ib__value_string(run));
    ib__report_set(&f.report, "goal", ib__value_string("functional"));
    if (record != NULL) {
        status = run_groups(&f, record, how->against, err);
    } else if (how->against == NULL) {
        status = ib__fail(err, IB_BAD_INPUT, run, "expected --against beside a folder of runs");
    } else {
        status = fill_group(&f, &f.a, run, 1, err);
        if (status == IB_OK) status = fill_group(&f, &f.b, how->against, 1 + f.seeds, err);
    }
    return run_judgement(&f, status, err);
}
