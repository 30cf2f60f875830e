/* SPDX-License-Identifier: Apache-2.0
 *
 * The loop over epochs and steps.
 */
#include "run/fit.h"

#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct fitting {
    ib_trainer *trainer;
    const ib_fit_hooks *hooks;
    ib_trace *trace;
    size_t epoch; /* from 1 */
    double epoch_began;
    ib_error *err;
} fitting;

#define SCORES_MAX 32

/* Names and values of the moment: at the end of an epoch the line of history, else the running scores. */
static ib_status report(const fitting *f, size_t step, bool epoch_end) {
    const ib_options *o = f->hooks->options;
    if (o == NULL || o->progress == NULL) return IB_OK;
    const ib_trainer *t = f->trainer;
    const char *names[SCORES_MAX];
    double values[SCORES_MAX];
    ib_progress p = {.epoch = f->epoch,
                     .epochs = (size_t)t->task->experiment->fit.epochs,
                     .step = step,
                     .steps = t->steps_per_epoch,
                     .seconds = now() - f->epoch_began,
                     .names = names,
                     .values = values,
                     .epoch_end = epoch_end};
    if (epoch_end) {
        p.names = (const char *const *)f->trace->names;
        p.values = f->trace->history + (f->trace->n_epochs - 1) * f->trace->n_names;
        p.count = f->trace->n_names;
    } else if (step > 0) {
        p.count = ib__scores_sorted(&t->train, names, values, SCORES_MAX);
    }
    return o->progress(o->context, &p) == 0
               ? IB_OK
               : ib__fail(f->err, IB_INTERRUPTED, "", "stopped in epoch %zu, after step %zu", p.epoch,
                          t->step);
}

static ib_status record(const fitting *f) {
    const ib_fit_hooks *h = f->hooks;
    if (h->on_step != NULL) h->on_step(h->context, f->trainer);
    ib_status status = ib__trace_step(f->trace, f->trainer, f->err);
    if (status == IB_OK && h->check != NULL && !h->check(h->context, f->trainer, f->trace)) return IB_DIFFERS;
    return status;
}

static ib_status end_epoch(const fitting *f) {
    ib_trainer *t = f->trainer;
    const ib_part *validation = &t->task->validation;
    ib_status status = IB_OK;
    if (validation->source != NULL)
        status = ib__trainer_evaluate(t, validation, (size_t)t->task->experiment->fit.validation_batch_size,
                                      f->err);
    if (status == IB_OK)
        status = ib__trace_epoch(f->trace, t, validation->source != NULL, now() - f->epoch_began, f->err);
    return status == IB_OK ? report(f, t->steps_per_epoch, true) : status;
}

static ib_status run_steps(fitting *f) {
    ib_trainer *t = f->trainer;
    ib_status status = record(f);
    while (status == IB_OK && t->step < t->steps) {
        if (t->step % t->steps_per_epoch == 0) {
            f->epoch++;
            f->epoch_began = now();
            status = report(f, 0, false);
        }
        if (status == IB_OK) status = ib__trainer_step(t, NULL, NULL, f->err);
        if (status == IB_OK) status = record(f);
        size_t in_epoch = (t->step - 1) % t->steps_per_epoch + 1;
        if (status == IB_OK) status = report(f, in_epoch, false);
        if (status == IB_OK && in_epoch == t->steps_per_epoch) status = end_epoch(f);
    }
    return status;
}

ib_status ib__fit(ib_task *task, const ib_runtime *runtime, const ib_fit_hooks *hooks, ib_trace *trace,
                  ib_error *err) {
    fitting f = {.hooks = hooks, .trace = trace, .err = err};
    ib_status status = ib__trainer_new(&f.trainer, task, runtime, err);
    if (status != IB_OK) return status;
    status = run_steps(&f);
    if (status == IB_OK && task->test.source != NULL) {
        status = ib__trainer_evaluate(f.trainer, &task->test,
                                      (size_t)task->experiment->fit.validation_batch_size, err);
        if (status == IB_OK) status = ib__trace_test(trace, f.trainer, err);
    }
    if (status == IB_OK) status = ib__trace_end(trace, f.trainer, err);
    ib__trainer_free(f.trainer);
    return status;
}
