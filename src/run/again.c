/* SPDX-License-Identifier: Apache-2.0
 *
 * Re-execution of a recorded run, step by step against the record.
 */
#include "run/again.h"

#include <string.h>

#include "run/say.h"

static bool same_step(void *context, const ib_trainer *trainer, const ib_trace *trace) {
    ib_again *a = context;
    (void)trainer;
    size_t step = trace->n_steps - 1;
    if (!ib__trace_same_step(&a->record->trace, trace, step)) {
        a->differs = step;
        return false;
    }
    a->unfinished = (a->until > 0 && step > 0 && ib__seconds_now() > a->until) || step >= a->steps;
    return !a->unfinished;
}

ib_status ib__again_inputs(const ib_record *record, const ib_task *task, const ib_options *options) {
    ib_status status = IB_OK;
    for (size_t i = 0; i < task->n_inputs; i++) {
        char hex[65];
        ib__digest_hex(hex, &task->inputs[i].digest);
        const char *recorded = ib__record_input(record, task->inputs[i].field, NULL);
        if (recorded != NULL && strcmp(recorded, hex) == 0) continue;
        ib__say(options, "differs: %s, the file %s was changed\n  recorded sha256 %s\n  found    sha256 %s\n",
                task->inputs[i].field, task->inputs[i].path, recorded == NULL ? "none" : recorded, hex);
        status = IB_DIFFERS;
    }
    return status;
}

/* Says what differs at a step: the loss, the tensors, or only what came before them. */
void ib__again_say_step(const ib_trace *recorded, const ib_trace *trace, size_t step,
                        const ib_options *options) {
    if (step >= recorded->n_steps) {
        ib__say(options, "differs: the record ends at step %zu\n", recorded->n_steps - 1);
        return;
    }
    if (step == 0)
        ib__say(options, "differs before the first step\n");
    else
        ib__say(options, "differs: first at step %zu\n", step);
    const ib_step_record *a = &recorded->steps[step], *b = &trace->steps[step];
    if (a->loss != b->loss)
        ib__say(options, "  loss: recorded %.9g (0x%08x), now %.9g (0x%08x)\n", ib__bits_value(a->loss),
                a->loss, ib__bits_value(b->loss), b->loss);
    const ib_digest *x = ib__trace_state(recorded, step), *y = ib__trace_state(trace, step);
    size_t different = 0, first = 0;
    for (size_t i = 0; x != NULL && y != NULL && i < recorded->n_paths && i < trace->n_paths; i++) {
        if (memcmp(&x[i], &y[i], sizeof *x) == 0) continue;
        if (different++ == 0) first = i;
    }
    if (different > 0)
        ib__say(options, "  tensors: %zu of %zu, first %s\n", different, trace->n_paths, trace->paths[first]);
}

/* What differs after all steps agree. */
static ib_status judge_end(const ib_again *a) {
    const ib_trace *recorded = &a->record->trace;
    if (a->trace.n_steps != recorded->n_steps) {
        ib__say(a->options, "differs: %zu steps recorded, %zu now\n", recorded->n_steps - 1,
                a->trace.n_steps - 1);
        return IB_DIFFERS;
    }
    const char *what = ib__record_check(a->record, a->task, &a->trace);
    if (memcmp(&a->trace.result, &recorded->result, sizeof recorded->result) != 0)
        ib__say(a->options, "differs: all steps agree, but not the result digest\n");
    else if (what != NULL)
        ib__say(a->options, "differs: all steps agree, but %s does not hold what was trained\n", what);
    else
        return IB_OK;
    return IB_DIFFERS;
}

static ib_status open_task(ib_again *a, ib_error *err) {
    ib_status status = ib__record_experiment(&a->experiment, a->record, err);
    if (status == IB_OK) status = ib__task_open(&a->task, a->experiment, err);
    return status == IB_OK ? ib__again_inputs(a->record, a->task, a->options) : status;
}

/* ---- Stopped on the way ---- */

/* From the newest checkpoint in the folder, if there is one, to `step`; there a checkpoint is taken.
 * SIZE_MAX: to the end. Everything is opened anew, as another process would. */
static ib_status run_piece(ib_again *a, const char *folder, size_t step, ib_error *err) {
    ib_checkpoint *c = NULL;
    ib_fitting *f = NULL;
    ib__again_free(a);
    ib_status status = open_task(a, err);
    if (status == IB_OK) status = ib__checkpoint_latest(&c, folder, NULL, err);
    ib_keeper keeper = {.run = folder, .every_seconds = 1e18, .last = ib__seconds_now()};
    ib_fit_hooks hooks = {
        .check = same_step, .context = a, .options = a->options, .keeper = &keeper, .resume = c};
    if (status == IB_OK) status = ib__fitting_new(&f, a->task, &a->runtime, &hooks, &a->trace, err);
    if (status == IB_OK && step == SIZE_MAX) status = ib__fitting_end(f, err);
    if (status == IB_OK && step != SIZE_MAX) status = ib__fitting_run(f, step, err);
    if (status == IB_OK && step != SIZE_MAX) status = ib__fitting_keep(f, err);
    ib__fitting_free(f);
    ib__checkpoint_free(c);
    return status;
}

static ib_status run_stopped(ib_again *a, ib_error *err) {
    size_t steps = a->record->trace.n_steps - 1;
    char *folder = NULL;
    ib_status status = ib__folder_temporary(&folder, err);
    for (size_t i = 1; status == IB_OK && i <= a->stops; i++) {
        size_t step = steps * i / (a->stops + 1);
        if (step > 0) status = run_piece(a, folder, step, err);
    }
    if (status == IB_OK) status = run_piece(a, folder, SIZE_MAX, err);
    ib__folder_discard(folder);
    return status;
}

static ib_status run_whole(ib_again *a, ib_error *err) {
    ib_fit_hooks hooks = {.check = same_step, .context = a, .options = a->options};
    ib_status status = open_task(a, err);
    return status == IB_OK ? ib__fit(a->task, &a->runtime, &hooks, &a->trace, err) : status;
}

ib_status ib__again(ib_again *a, ib_error *err) {
    a->differs = SIZE_MAX;
    a->until = a->seconds > 0 ? ib__seconds_now() + a->seconds : 0;
    if (a->steps == 0) a->steps = SIZE_MAX;
    ib_status status = a->stops > 0 ? run_stopped(a, err) : run_whole(a, err);
    if (status == IB_DIFFERS && a->differs != SIZE_MAX)
        ib__again_say_step(&a->record->trace, &a->trace, a->differs, a->options);
    else if (status == IB_DIFFERS && a->unfinished)
        status = IB_OK;
    else if (status == IB_OK)
        status = judge_end(a);
    return status;
}

void ib__again_free(ib_again *a) {
    ib__trace_free(&a->trace);
    ib__task_free(a->task);
    ib__experiment_free(a->experiment);
    a->task = NULL;
    a->experiment = NULL;
}
