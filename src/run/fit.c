/* SPDX-License-Identifier: Apache-2.0
 *
 * The loop over epochs and steps.
 */
#include "run/fit.h"

#include <stdlib.h>
#include <string.h>

#include "run/callbacks.h"

struct ib_fitting {
    ib_trainer *trainer;
    const ib_fit_hooks *hooks;
    ib_trace *trace;
    ib_callbacks *callbacks;
    ib_moment moment;
    ib_logs logs;
    ib_session own, *session;
    double began, before; /* when this object began, and the seconds of work before it */
    double epoch_began;
    size_t epoch; /* from 1 */
    bool epoch_open;
    size_t kept; /* the step of the newest checkpoint; SIZE_MAX: none */
};

#define SCORES_MAX 32

/* Names and values of the moment: at the end of an epoch the line of history, else the running scores. */
static ib_status report(ib_fitting *f, size_t step, bool epoch_end, ib_error *err) {
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
                     .epoch_end = epoch_end,
                     .model = t->model};
    if (epoch_end) {
        p.names = (const char *const *)f->trace->names;
        p.values = f->trace->history + (f->trace->n_epochs - 1) * f->trace->n_names;
        p.count = f->trace->n_names;
    } else if (step > 0) {
        p.count = ib__scores_sorted(&t->train, names, values, SCORES_MAX);
    }
    int answer = o->progress(o->context, &p);
    if (answer == IB_END && epoch_end && f->hooks->folder == NULL) {
        f->session->stop = true;
        return IB_OK;
    }
    return answer == IB_GO_ON
               ? IB_OK
               : ib__fail(err, IB_INTERRUPTED, "", "stopped in epoch %zu, after step %zu%s", p.epoch, t->step,
                          f->hooks->keeper != NULL ? "; --resume goes on from there" : "");
}

static bool is_over(const ib_fitting *f) {
    return f->session->stop || f->trainer->step == f->trainer->steps;
}

static ib_status record(const ib_fitting *f, ib_error *err) {
    const ib_fit_hooks *h = f->hooks;
    ib_status status = ib__trace_step(f->trace, f->trainer, f->session->stop, err);
    if (status == IB_OK && h->check != NULL && !h->check(h->context, f->trainer, f->trace)) return IB_DIFFERS;
    return status;
}

/* What callbacks asked for. */
static void take_wishes(ib_fitting *f) {
    if (f->moment.stop) f->session->stop = true;
}

static ib_status end_epoch(ib_fitting *f, ib_error *err) {
    ib_trainer *t = f->trainer;
    const ib_part *validation = &t->task->validation;
    size_t batch_size = (size_t)t->task->experiment->fit.validation_batch_size;
    ib_status status = IB_OK;
    f->moment.epoch = f->epoch - 1;
    ib__logs_clear(&f->logs);
    if (!ib__logs_scores(&f->logs, &t->train, "")) return ib__fail_memory(err);
    if (validation->data != NULL) {
        status = ib__trainer_evaluate(t, validation, batch_size, err);
        if (status == IB_OK && !ib__logs_scores(&f->logs, &t->held, "val_")) status = ib__fail_memory(err);
    }
    if (status == IB_OK) status = ib__callbacks_epoch_end(f->callbacks, &f->moment, err);
    if (status == IB_OK)
        status = ib__trace_epoch(f->trace, &f->logs, ib__seconds_now() - f->epoch_began, err);
    if (status != IB_OK) return status;
    take_wishes(f);
    f->epoch_open = false;
    return report(f, t->steps_per_epoch, true, err);
}

/* Into the state of the checkpoint. An epoch is open when steps of it are done but its line of history is not
 * there. */
static ib_status go_on(ib_fitting *f, ib_error *err) {
    ib_trainer *t = f->trainer;
    const ib_checkpoint *c = f->hooks->resume;
    ib_status status = ib__checkpoint_restore(c, t, f->trace, err);
    if (status == IB_OK)
        status = ib__callbacks_unpack(f->callbacks, c->callbacks, c->n_callbacks, c->path, err);
    if (status != IB_OK) return status;
    f->session->stop = c->session.stop;
    f->epoch_open = t->step > f->trace->n_epochs * t->steps_per_epoch;
    f->epoch = f->trace->n_epochs + f->epoch_open;
    f->epoch_began = ib__seconds_now() - c->session.epoch_seconds;
    f->kept = t->step;
    return IB_OK;
}

/* Progress is told first: whoever stops there goes on with the beginning of this epoch. */
static ib_status begin_epoch(ib_fitting *f, ib_error *err) {
    f->epoch++;
    f->epoch_began = ib__seconds_now();
    ib_status status = report(f, 0, false, err);
    if (status != IB_OK) return status;
    f->epoch_open = true;
    f->moment.epoch = f->epoch - 1;
    f->moment.step = 0;
    return ib__callbacks_epoch_begin(f->callbacks, &f->moment, err);
}

static void call_on_step(const ib_fitting *f) {
    if (f->hooks->on_step != NULL) f->hooks->on_step(f->hooks->context, f->trainer);
}

/* Computes the next step, and leaves the state after it in *out. scramble: the order in which its parts are
 * given to threads, so that another computation of it goes other ways through the machine. */
static ib_status compute(ib_fitting *f, const ib_buf *before, unsigned scramble, ib_buf *out, ib_error *err) {
    ib_trainer *t = f->trainer;
    ib_status status = IB_OK;
    if (scramble != 0)
        status = ib__state_unpack(t, before->data, before->length, "the state of training", err);
    if (scramble != 0) ib__pool_scramble(t->pool, scramble);
    if (status == IB_OK) status = ib__trainer_step(t, NULL, NULL, err);
    if (scramble != 0) ib__pool_scramble(t->pool, t->runtime.scramble);
    if (status != IB_OK) return status;
    call_on_step(f);
    ib__state_pack(out, t);
    return out->failed ? ib__fail_memory(err) : IB_OK;
}

static bool same_bytes(const ib_buf *a, const ib_buf *b) {
    return a->length == b->length && memcmp(a->data, b->data, a->length) == 0;
}

static ib_status note_repair(ib_fitting *f, ib_error *err) {
    ib_session *s = f->session;
    if (!ib__grow(&s->repairs, &s->repairs_capacity, s->n_repairs + 1, sizeof *s->repairs))
        return ib__fail_memory(err);
    s->repairs[s->n_repairs++] = (ib_repair){.step = f->trainer->step};
    ib__say(f->hooks->options,
            "step %zu was computed twice with two results: data were corrupted; what two of three "
            "computations give "
            "counts\n",
            f->trainer->step);
    return IB_OK;
}

/* The next step computed twice. When the results differ a third computation decides; if it agrees with
 * neither, nothing can be trusted any more. */
static ib_status audit_step(ib_fitting *f, ib_error *err) {
    ib_buf before = {0}, first = {0}, second = {0}, third = {0};
    ib__state_pack(&before, f->trainer);
    ib_status status = before.failed ? ib__fail_memory(err) : compute(f, &before, 0, &first, err);
    if (status == IB_OK) status = compute(f, &before, 1, &second, err);
    f->session->audited++;
    if (status == IB_OK && !same_bytes(&first, &second)) {
        status = note_repair(f, err);
        if (status == IB_OK) status = compute(f, &before, 2, &third, err);
        if (status == IB_OK && !same_bytes(&third, &first) && !same_bytes(&third, &second))
            status = ib__fail(err, IB_INTERNAL, "",
                              "step %zu gave three results in three computations: this machine "
                              "corrupts data",
                              f->trainer->step);
    }
    ib__buf_free(&before);
    ib__buf_free(&first);
    ib__buf_free(&second);
    ib__buf_free(&third);
    return status;
}

static ib_status take_step(ib_fitting *f, ib_watch_fn *watch, void *context, ib_error *err) {
    ib_trainer *t = f->trainer;
    size_t every = (size_t)t->task->experiment->fit.audit_every;
    bool audit = f->hooks->keeper != NULL && every > 0 && (t->step + 1) % every == 0;
    if (audit && watch == NULL) return audit_step(f, err);
    ib_status status = ib__trainer_step(t, watch, context, err);
    if (status == IB_OK) call_on_step(f);
    return status;
}

static ib_status run_step(ib_fitting *f, ib_watch_fn *watch, void *context, ib_error *err) {
    ib_trainer *t = f->trainer;
    ib_status status = f->epoch_open ? IB_OK : begin_epoch(f, err);
    if (status == IB_OK) status = take_step(f, watch, context, err);
    if (status != IB_OK) return status;
    f->moment.epoch = f->epoch - 1;
    f->moment.step = (t->step - 1) % t->steps_per_epoch + 1;
    status = ib__callbacks_step_end(f->callbacks, &f->moment, err);
    take_wishes(f);
    if (status == IB_OK) status = record(f, err);
    return status == IB_OK ? report(f, f->moment.step, false, err) : status;
}

ib_status ib__fitting_keep(ib_fitting *f, ib_error *err) {
    double now = ib__seconds_now();
    ib_buf callbacks = {0};
    f->session->seconds = f->before + now - f->began;
    f->session->epoch_seconds = f->epoch_open ? now - f->epoch_began : 0;
    f->kept = f->trainer->step;
    f->moment.checkpoint = false;
    ib_status status = ib__callbacks_pack(f->callbacks, &callbacks, err);
    if (status == IB_OK)
        status = ib__keeper_take(f->hooks->keeper, f->trainer, f->trace, f->session, &callbacks, err);
    ib__buf_free(&callbacks);
    return status;
}

/* A drawn seed is kept at once: without it a run that is killed early could not begin again. */
static ib_status keep_if_due(ib_fitting *f, ib_error *err) {
    const ib_trainer *t = f->trainer;
    const ib_keeper *keeper = f->hooks->keeper;
    if (keeper == NULL || t->step == f->kept) return IB_OK;
    bool due = t->step == 0 ? t->task->experiment->seed_drawn : ib__keeper_due(keeper, t->step);
    return due || f->moment.checkpoint ? ib__fitting_keep(f, err) : IB_OK;
}

/* Ends an epoch whose steps are done. */
static ib_status settle(ib_fitting *f, ib_error *err) {
    if (!f->epoch_open || !(is_over(f) || f->trainer->step == f->epoch * f->trainer->steps_per_epoch))
        return IB_OK;
    return end_epoch(f, err);
}

ib_status ib__fitting_run(ib_fitting *f, size_t step, ib_error *err) {
    ib_status status = IB_OK;
    while (status == IB_OK && f->trainer->step < step) {
        status = settle(f, err);
        if (status != IB_OK || is_over(f)) break;
        status = keep_if_due(f, err);
        if (status == IB_OK) status = run_step(f, NULL, NULL, err);
    }
    return status;
}

ib_status ib__fitting_reach(ib_fitting *f, const ib_checkpoint *c, ib_error *err) {
    ib_trace trace = {0};
    ib_status status = ib__trace_unpack(&trace, c->trace, c->n_trace, c->path, err);
    if (status == IB_OK) status = ib__fitting_run(f, c->step, err);
    if (status == IB_OK && trace.n_epochs > f->trace->n_epochs && f->trainer->step == c->step)
        status = settle(f, err);
    ib__trace_free(&trace);
    return status;
}

ib_status ib__fitting_watch(ib_fitting *f, ib_watch_fn *watch, void *context, bool *done, ib_error *err) {
    ib_status status = settle(f, err);
    *done = status == IB_OK && !is_over(f);
    return *done ? run_step(f, watch, context, err) : status;
}

static ib_status run_test(ib_fitting *f, ib_error *err) {
    const ib_task *task = f->trainer->task;
    if (task->test.data == NULL) return IB_OK;
    size_t batch_size = (size_t)task->experiment->fit.validation_batch_size;
    if (!ib__matrix_new(&f->trace->confusion, f->trainer->model)) return ib__fail_memory(err);
    f->trainer->held.confusion = &f->trace->confusion;
    ib_status status = ib__trainer_evaluate(f->trainer, &task->test, batch_size, err);
    f->trainer->held.confusion = NULL;
    return status == IB_OK ? ib__trace_test(f->trace, f->trainer, err) : status;
}

/* All steps, and a last checkpoint when they are stopped. */
static ib_status run_all(ib_fitting *f, ib_error *err) {
    ib_status status = ib__fitting_run(f, f->trainer->steps, err);
    if (status == IB_OK) status = settle(f, err);
    if (status != IB_INTERRUPTED || f->hooks->keeper == NULL) return status;
    ib_error problem = {0};
    if (ib__fitting_keep(f, &problem) == IB_OK) return status;
    if (err != NULL) *err = problem;
    return problem.code;
}

ib_trainer *ib__fitting_trainer(ib_fitting *f) {
    return f->trainer;
}

void ib__fitting_free(ib_fitting *f) {
    if (f == NULL) return;
    ib__callbacks_free(f->callbacks);
    ib__trainer_free(f->trainer);
    ib__logs_free(&f->logs);
    ib__session_free(&f->own);
    free(f);
}

static ib_status begin(ib_fitting *f, ib_task *task, const ib_runtime *runtime, ib_error *err) {
    const ib_experiment *e = task->experiment;
    ib_status status = ib__trainer_new(&f->trainer, task, runtime, err);
    if (status == IB_OK)
        status = ib__callbacks_new(&f->callbacks, ib__value_get(e->tree, "callbacks"), e->name, NULL, err);
    if (status != IB_OK) return status;
    f->moment = (ib_moment){.trainer = f->trainer, .folder = f->hooks->folder, .logs = &f->logs};
    if (f->hooks->folder != NULL) f->moment.options = f->hooks->options;
    if (f->hooks->resume != NULL) status = go_on(f, err);
    if (status == IB_OK) status = ib__callbacks_train_begin(f->callbacks, &f->moment, err);
    if (status != IB_OK || f->hooks->resume != NULL) return status;
    call_on_step(f);
    return record(f, err);
}

ib_status ib__fitting_new(ib_fitting **out, ib_task *task, const ib_runtime *runtime,
                          const ib_fit_hooks *hooks, ib_trace *trace, ib_error *err) {
    ib_fitting *f = calloc(1, sizeof *f);
    if (f == NULL) return ib__fail_memory(err);
    f->hooks = hooks;
    f->trace = trace;
    f->kept = SIZE_MAX;
    f->began = ib__seconds_now();
    f->session = hooks->session != NULL ? hooks->session : &f->own;
    f->before = f->session->seconds;
    ib_status status = begin(f, task, runtime, err);
    if (status == IB_OK)
        *out = f;
    else
        ib__fitting_free(f);
    return status;
}

ib_status ib__fitting_end(ib_fitting *f, ib_error *err) {
    ib_status status = run_all(f, err);
    if (status == IB_OK) ib__optimizer_finalize(f->trainer->model->optimizer);
    if (status == IB_OK) status = ib__callbacks_train_end(f->callbacks, &f->moment, err);
    if (status == IB_OK) status = run_test(f, err);
    if (status == IB_OK) status = ib__trace_end(f->trace, f->trainer, err);
    f->session->seconds = f->before + ib__seconds_now() - f->began;
    return status;
}

ib_status ib__fit(ib_task *task, const ib_runtime *runtime, const ib_fit_hooks *hooks, ib_trace *trace,
                  ib_error *err) {
    ib_fitting *f = NULL;
    ib_status status = ib__fitting_new(&f, task, runtime, hooks, trace, err);
    if (status == IB_OK) status = ib__fitting_end(f, err);
    ib__fitting_free(f);
    return status;
}
