/* SPDX-License-Identifier: Apache-2.0
 *
 * The loop over epochs and steps.
 */
#include "run/fit.h"

#include <string.h>

typedef struct fitting {
    ib_trainer *trainer;
    const ib_fit_hooks *hooks;
    ib_trace *trace;
    ib_session *session;
    double began, before; /* when this call began, and the seconds of work before it */
    double epoch_began;
    size_t epoch; /* from 1 */
    bool epoch_open;
    size_t kept; /* the step of the newest checkpoint; SIZE_MAX: none */
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
                     .seconds = ib__seconds_now() - f->epoch_began,
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
               : ib__fail(f->err, IB_INTERRUPTED, "", "stopped in epoch %zu, after step %zu%s", p.epoch,
                          t->step, f->hooks->keeper != NULL ? "; --resume goes on from there" : "");
}

static ib_status record(const fitting *f) {
    const ib_fit_hooks *h = f->hooks;
    if (h->on_step != NULL) h->on_step(h->context, f->trainer);
    ib_status status = ib__trace_step(f->trace, f->trainer, f->err);
    if (status == IB_OK && h->check != NULL && !h->check(h->context, f->trainer, f->trace)) return IB_DIFFERS;
    return status;
}

static ib_status end_epoch(fitting *f) {
    ib_trainer *t = f->trainer;
    const ib_part *validation = &t->task->validation;
    ib_status status = IB_OK;
    if (validation->source != NULL)
        status = ib__trainer_evaluate(t, validation, (size_t)t->task->experiment->fit.validation_batch_size,
                                      f->err);
    if (status == IB_OK)
        status = ib__trace_epoch(f->trace, t, validation->source != NULL, ib__seconds_now() - f->epoch_began,
                                 f->err);
    if (status != IB_OK) return status;
    f->epoch_open = false;
    return report(f, t->steps_per_epoch, true);
}

/* Into the state of the checkpoint. An epoch is open when steps of it are done but its line of history is not
 * there. */
static ib_status go_on(fitting *f) {
    ib_trainer *t = f->trainer;
    ib_status status = ib__checkpoint_restore(f->hooks->resume, t, f->trace, f->err);
    if (status != IB_OK) return status;
    f->epoch_open = t->step > f->trace->n_epochs * t->steps_per_epoch;
    f->epoch = f->trace->n_epochs + f->epoch_open;
    f->epoch_began = ib__seconds_now() - f->session->epoch_seconds;
    f->kept = t->step;
    return IB_OK;
}

static ib_status begin_epoch(fitting *f) {
    f->epoch++;
    f->epoch_began = ib__seconds_now();
    ib_status status = report(f, 0, false);
    f->epoch_open = status == IB_OK;
    return status;
}

static ib_status run_step(fitting *f) {
    ib_trainer *t = f->trainer;
    ib_status status = f->epoch_open ? IB_OK : begin_epoch(f);
    if (status == IB_OK) status = ib__trainer_step(t, NULL, NULL, f->err);
    if (status == IB_OK) status = record(f);
    return status == IB_OK ? report(f, (t->step - 1) % t->steps_per_epoch + 1, false) : status;
}

static ib_status keep(fitting *f, ib_error *err) {
    double now = ib__seconds_now();
    f->session->seconds = f->before + now - f->began;
    f->session->epoch_seconds = f->epoch_open ? now - f->epoch_began : 0;
    f->kept = f->trainer->step;
    return ib__keeper_take(f->hooks->keeper, f->trainer, f->trace, f->session, NULL, err);
}

/* A drawn seed is kept at once: without it a run that is killed early could not begin again. */
static ib_status keep_if_due(fitting *f) {
    const ib_trainer *t = f->trainer;
    const ib_keeper *keeper = f->hooks->keeper;
    if (keeper == NULL || t->step == f->kept) return IB_OK;
    bool due = t->step == 0 ? t->task->experiment->seed_drawn : ib__keeper_due(keeper, t->step);
    return due ? keep(f, f->err) : IB_OK;
}

static ib_status run_steps(fitting *f) {
    const ib_trainer *t = f->trainer;
    ib_status status = f->hooks->resume != NULL ? go_on(f) : record(f);
    while (status == IB_OK) {
        bool stop = f->session->stop || t->step == t->steps;
        if (f->epoch_open && (stop || t->step == f->epoch * t->steps_per_epoch)) {
            status = end_epoch(f);
        } else if (stop) {
            break;
        } else {
            status = keep_if_due(f);
            if (status == IB_OK) status = run_step(f);
        }
    }
    if (status != IB_INTERRUPTED || f->hooks->keeper == NULL) return status;
    ib_error problem = {0};
    if (keep(f, &problem) == IB_OK) return status;
    if (f->err != NULL) *f->err = problem;
    return problem.code;
}

static ib_status run_test(ib_trainer *trainer, ib_trace *trace, ib_error *err) {
    const ib_task *task = trainer->task;
    if (task->test.source == NULL) return IB_OK;
    size_t batch_size = (size_t)task->experiment->fit.validation_batch_size;
    ib_status status = ib__trainer_evaluate(trainer, &task->test, batch_size, err);
    return status == IB_OK ? ib__trace_test(trace, trainer, err) : status;
}

ib_status ib__fit(ib_task *task, const ib_runtime *runtime, const ib_fit_hooks *hooks, ib_trace *trace,
                  ib_error *err) {
    ib_session session = {0};
    fitting f = {.hooks = hooks, .trace = trace, .kept = SIZE_MAX, .err = err, .began = ib__seconds_now()};
    f.session = hooks->session != NULL ? hooks->session : &session;
    f.before = f.session->seconds;
    ib_status status = ib__trainer_new(&f.trainer, task, runtime, err);
    if (status != IB_OK) return status;
    status = run_steps(&f);
    if (status == IB_OK) status = run_test(f.trainer, trace, err);
    if (status == IB_OK) status = ib__trace_end(trace, f.trainer, err);
    f.session->seconds = f.before + ib__seconds_now() - f.began;
    ib__trainer_free(f.trainer);
    ib__session_free(&session);
    return status;
}
