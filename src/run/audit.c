/* SPDX-License-Identifier: Apache-2.0
 *
 * Audit: random steps of a run are recomputed from the nearest checkpoint before each and compared with the
 * record.
 *
 * A step is known to be right when the state before it was that of the run and the state after it, or the
 * loss, agrees. So from each checkpoint on all steps up to the drawn one are recomputed, and the checkpoints
 * that are passed on the way must hold the state that was reached.
 */
#include "run/audit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "run/again.h"
#include "run/commands.h"
#include "run/state_diff.h"

#define CONFIDENCE 0.95

typedef struct audit {
    const ib_record *record;
    ib_runtime runtime;
    ib_report report;
    ib_experiment *experiment;
    ib_task *task;
    size_t *drawn, n_drawn; /* ascending */
    size_t *checkpoints, n_checkpoints;
    bool *seen;              /* each step: was it recomputed? */
    size_t recomputed, used; /* steps; checkpoints that were gone on from */
    size_t differs;          /* SIZE_MAX: no step */
} audit;

/* Hypergeometric: with b bad steps among n, `looked` miss them all with probability
 * C(n - b, looked) / C(n, looked) = product over i < b of (n - looked - i) / (n - i). */
double ib__audit_share(size_t steps, size_t looked, double confidence) {
    double missed = 1;
    for (size_t b = 0; b < steps; b++) {
        if (missed <= 1 - confidence) return (double)(b == 0 ? 0 : b - 1) / (double)steps;
        missed *= (double)(steps - looked > b ? steps - looked - b : 0) / (double)(steps - b);
    }
    return (double)(steps > 0 ? steps - 1 : 0) / (double)(steps > 0 ? steps : 1);
}

static int by_size(const void *a, const void *b) {
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* k different steps of 1 .. n, by Floyd's method, from the system's random numbers: whoever forges a record
 * must not know which steps will be looked at. */
static ib_status draw(audit *a, size_t n, size_t k, ib_error *err) {
    if (k > n) k = n;
    a->drawn = calloc(k + 1, sizeof *a->drawn);
    if (a->drawn == NULL) return ib__fail_memory(err);
    for (size_t i = n - k + 1; i <= n; i++) {
        uint64_t word;
        if (getrandom(&word, sizeof word, 0) != (ssize_t)sizeof word)
            return ib__fail(err, IB_IO, "audit", "no random numbers: %s", strerror(errno));
        size_t step = (size_t)(word % i) + 1;
        for (size_t m = 0; m < a->n_drawn; m++)
            if (a->drawn[m] == step) step = i;
        a->drawn[a->n_drawn++] = step;
    }
    qsort(a->drawn, a->n_drawn, sizeof *a->drawn, by_size);
    return IB_OK;
}

static bool same_step(void *context, const ib_trainer *trainer, const ib_trace *trace) {
    audit *a = context;
    (void)trainer;
    size_t step = trace->n_steps - 1;
    if (step > 0 && step < a->record->trace.n_steps && !a->seen[step]) {
        a->seen[step] = true;
        a->recomputed++;
    }
    if (ib__trace_same_step(&a->record->trace, trace, step)) return true;
    a->differs = step;
    return false;
}

/* The newest checkpoint before `step`; 0: the beginning. */
static size_t nearest(const audit *a, size_t step) {
    size_t best = 0;
    for (size_t i = 0; i < a->n_checkpoints && a->checkpoints[i] < step; i++)
        best = a->checkpoints[i];
    return best;
}

/* Goes on to a checkpoint that lies on the way: it holds the state that was reached? */
static ib_status pass(audit *a, ib_fitting *f, size_t step, ib_error *err) {
    ib_checkpoint *c = NULL;
    ib_state_difference d = {0};
    ib_status status = ib__checkpoint_open(&c, a->record->folder, step, err);
    if (status == IB_OK) status = ib__fitting_reach(f, c, err);
    if (status == IB_OK) status = ib__state_difference(&d, ib__fitting_trainer(f), c, err);
    if (status == IB_OK && d.differs) {
        ib__say(&a->report.inner,
                "differs: the checkpoint of step %zu does not hold the state of that step\n  %s\n", step,
                d.text);
        status = IB_DIFFERS;
    }
    ib__checkpoint_free(c);
    return status;
}

/* The links that the checkpoint brings must be those of the record. */
static ib_status check_trace(audit *a, const ib_trace *trace) {
    for (size_t i = 0; i < trace->n_steps; i++) {
        if (ib__trace_same_step(&a->record->trace, trace, i)) continue;
        ib__say(&a->report.inner, "differs: step %zu in the checkpoint of step %zu and in the record\n", i,
                trace->n_steps - 1);
        a->differs = i;
        return IB_DIFFERS;
    }
    return IB_OK;
}

static ib_status run_to(audit *a, ib_fitting *f, size_t step, ib_error *err) {
    const ib_trainer *t = ib__fitting_trainer(f);
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < a->n_checkpoints; i++)
        if (a->checkpoints[i] > t->step && a->checkpoints[i] <= step)
            status = pass(a, f, a->checkpoints[i], err);
    return status == IB_OK ? ib__fitting_run(f, step, err) : status;
}

/* From one checkpoint on, all drawn steps that are nearest to it; gives the index of the first that is not.
 */
static ib_status run_segment(audit *a, size_t *at, ib_error *err) {
    size_t from = nearest(a, a->drawn[*at]);
    ib_checkpoint *c = NULL;
    ib_fitting *f = NULL;
    ib_trace trace = {0};
    ib_fit_hooks hooks = {.check = same_step, .context = a, .options = &a->report.inner};
    ib_status status = from > 0 ? ib__checkpoint_open(&c, a->record->folder, from, err) : IB_OK;
    hooks.resume = c;
    if (status == IB_OK) status = ib__fitting_new(&f, a->task, &a->runtime, &hooks, &trace, err);
    if (status == IB_OK && from > 0) status = check_trace(a, &trace);
    a->used += from > 0;
    while (status == IB_OK && *at < a->n_drawn && nearest(a, a->drawn[*at]) == from)
        status = run_to(a, f, a->drawn[(*at)++] + 1, err);
    if (status == IB_DIFFERS && a->differs != SIZE_MAX && a->differs < trace.n_steps &&
        !ib__trace_same_step(&a->record->trace, &trace, a->differs))
        ib__again_say_step(&a->record->trace, &trace, a->differs, &a->report.inner);
    ib__fitting_free(f);
    ib__trace_free(&trace);
    ib__checkpoint_free(c);
    return status;
}

static ib_status run_segments(audit *a, ib_error *err) {
    ib_status status = ib__record_experiment(&a->experiment, a->record, err);
    if (status == IB_OK) status = ib__task_open(&a->task, a->experiment, err);
    if (status == IB_OK) status = ib__again_inputs(a->record, a->task, &a->report.inner);
    for (size_t at = 0; status == IB_OK && at < a->n_drawn;)
        status = run_segment(a, &at, err);
    return status;
}

static void say_result(audit *a) {
    size_t steps = a->record->trace.n_steps - 1;
    double share = ib__audit_share(steps, a->recomputed >= steps ? steps : a->n_drawn, CONFIDENCE);
    ib__report_set(&a->report, "steps", ib__value_int((int64_t)steps));
    ib__report_set(&a->report, "sampled", ib__value_int((int64_t)a->n_drawn));
    ib__report_set(&a->report, "recomputed", ib__value_int((int64_t)a->recomputed));
    ib__report_set(&a->report, "checkpoints", ib__value_int((int64_t)a->used));
    ib__report_set(&a->report, "confidence", ib__value_real(CONFIDENCE));
    ib__report_set(&a->report, "at_most", ib__value_real(share));
    if (a->report.json) return;
    ib__say(a->report.outer,
            "same: %zu of %zu steps drawn, %zu recomputed, from %zu checkpoint%s and the beginning\n",
            a->n_drawn, steps, a->recomputed, a->used, a->used == 1 ? "" : "s");
    if (a->recomputed >= steps)
        ib__say(a->report.outer,
                "audited: no step of this run was corrupted or forged (all were recomputed)\n");
    else
        ib__say(a->report.outer,
                "audited: with confidence %.0f %%, at most %.2g %% of the steps were corrupted or forged; "
                "%.2g %% were "
                "recomputed\n",
                100 * CONFIDENCE, 100 * share, 100 * (double)a->recomputed / (double)steps);
}

ib_status ib__audit(const char *run, size_t sample, const ib_options *options, ib_error *err) {
    audit a = {.differs = SIZE_MAX};
    ib_record *record = NULL;
    ib_status status = ib__record_read(&record, run, err);
    if (status == IB_OK) status = ib__runtime_init(&a.runtime, options->threads, options->isa, err);
    if (status == IB_OK) status = ib__checkpoint_steps(&a.checkpoints, &a.n_checkpoints, run, err);
    if (status == IB_OK) status = draw(&a, record->trace.n_steps - 1, sample > 0 ? sample : 8, err);
    if (status == IB_OK) {
        a.record = record;
        a.seen = calloc(record->trace.n_steps, sizeof *a.seen);
        if (a.seen == NULL) status = ib__fail_memory(err);
    }
    if (status == IB_OK) {
        ib__report_begin(&a.report, options);
        ib__report_set(&a.report, "run", ib__value_string(run));
        status = run_segments(&a, err);
        if (status == IB_OK) say_result(&a);
        status = ib__report_end(&a.report, status, err);
    }
    free(a.drawn);
    free(a.seen);
    free(a.checkpoints);
    ib__task_free(a.task);
    ib__experiment_free(a.experiment);
    ib__record_free(record);
    return status;
}
