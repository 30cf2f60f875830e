/* SPDX-License-Identifier: Apache-2.0
 *
 * Fitting: the whole training of a task, traced.
 */
#ifndef IB_RUN_FIT_H
#define IB_RUN_FIT_H

#include "run/checkpoint.h"

/* What callers may hang in. on_step is called after each computation of a step and before its record (step
 * 0: before training) and may change variables: tests use it. check sees each step after it was recorded:
 * true goes on, false ends the training early with IB_DIFFERS. */
typedef struct ib_fit_hooks {
    void (*on_step)(void *context, ib_trainer *trainer);
    bool (*check)(void *context, const ib_trainer *trainer, const ib_trace *trace);
    void *context;
    const ib_options *options;   /* progress; may be NULL */
    ib_keeper *keeper;           /* takes checkpoints; NULL: none. Needs session */
    const ib_checkpoint *resume; /* goes on from here; NULL: from the beginning */
    ib_session *session;         /* kept up to date; may be NULL */
    const char *folder;          /* where callbacks write; NULL: they write nothing */
} ib_fit_hooks;

/* Trains task->model. When progress asks for a stop and there is a keeper, a last checkpoint is taken.
 * *trace: empty before; yours, release with ib__trace_free, also on failure. */
ib_status ib__fit(ib_task *task, const ib_runtime *runtime, const ib_fit_hooks *hooks, ib_trace *trace,
                  ib_error *err);

/* The same in pieces, for those who look at single steps. task, hooks and trace must outlive it. *out: yours,
 * release with ib__fitting_free. */
typedef struct ib_fitting ib_fitting;
ib_status ib__fitting_new(ib_fitting **out, ib_task *task, const ib_runtime *runtime,
                          const ib_fit_hooks *hooks, ib_trace *trace, ib_error *err);
void ib__fitting_free(ib_fitting *fitting);
ib_trainer *ib__fitting_trainer(ib_fitting *fitting);
/* Runs until `step` steps are done or training is over, without the end of the last epoch in it. */
ib_status ib__fitting_run(ib_fitting *fitting, size_t step, ib_error *err);
/* Runs to the step of a checkpoint, and through the end of the epoch there if that is in the checkpoint. */
ib_status ib__fitting_reach(ib_fitting *fitting, const ib_checkpoint *checkpoint, ib_error *err);
/* Takes a checkpoint by the keeper now. */
ib_status ib__fitting_keep(ib_fitting *fitting, ib_error *err);
/* All that is left: steps, callbacks, test, result. */
ib_status ib__fitting_end(ib_fitting *fitting, ib_error *err);
/* One step, watched op by op; false in *done: training is over. */
ib_status ib__fitting_watch(ib_fitting *fitting, ib_watch_fn *watch, void *context, bool *done,
                            ib_error *err);

#endif
