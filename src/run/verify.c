/* SPDX-License-Identifier: Apache-2.0
 *
 * Verification: a recorded run is trained again, in as many ways as asked for, and every recorded digest
 * compared.
 */
#include "run/commands.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The plain loops may need an hour for what the others do in a second, so that beside another instruction set
 * they run for so many seconds only; isobit verify --isa ref lets them run to the end. */
#define REFERENCE_SECONDS 20.0

typedef struct comparison {
    const ib_trace *recorded;
    size_t step;  /* the first that differs; SIZE_MAX: none so far */
    double until; /* of the monotonic clock; 0: no limit */
    bool stopped; /* for the time */
} comparison;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool same_step(void *context, const ib_trainer *trainer, const ib_trace *trace) {
    comparison *c = context;
    (void)trainer;
    size_t step = trace->n_steps - 1;
    if (ib__trace_same_step(c->recorded, trace, step)) {
        c->stopped = c->until > 0 && step > 0 && now() > c->until;
        return !c->stopped;
    }
    c->step = step;
    return false;
}

static ib_status verify_inputs(const ib_record *record, const ib_task *task, const ib_options *options) {
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
static void say_step(const ib_trace *recorded, const ib_trace *trace, size_t step,
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

/* What a finished or stopped re-execution says. */
static ib_status judge(const ib_record *record, const ib_task *task, const ib_trace *trace,
                       const comparison *c, ib_status status, const char *label, const ib_options *options) {
    size_t steps = trace->n_steps - 1, recorded = record->trace.n_steps - 1;
    if (status == IB_DIFFERS && c->stopped) {
        ib__say(options, "same: %s (the first %zu of %zu steps; --isa ref runs all)\n", label, steps,
                recorded);
        return IB_OK;
    }
    if (status == IB_DIFFERS && c->step != SIZE_MAX) {
        say_step(&record->trace, trace, c->step, options);
    } else if (status == IB_OK && steps != recorded) {
        ib__say(options, "differs: %zu steps recorded, %zu now\n", recorded, steps);
        status = IB_DIFFERS;
    } else if (status == IB_OK && memcmp(&trace->result, &record->trace.result, sizeof trace->result) != 0) {
        ib__say(options, "differs: all steps agree, but not the result digest\n");
        status = IB_DIFFERS;
    }
    const char *file = status == IB_OK ? ib__record_check(record, task, trace) : NULL;
    if (file != NULL) {
        ib__say(options, "differs: all steps agree, but %s does not hold what was trained\n", file);
        status = IB_DIFFERS;
    }
    if (status == IB_OK)
        ib__say(options, "same: %s (%zu steps)\n", label, steps);
    else if (status == IB_DIFFERS)
        ib__say(options, "not the same: %s\n", label);
    return status;
}

/* Trains the recorded run again and compares. seconds: 0, or when to stop early. */
static ib_status reexecute(const ib_record *record, const ib_runtime *runtime, double seconds,
                           const ib_options *options, ib_error *err) {
    ib_experiment *experiment = NULL;
    ib_task *task = NULL;
    ib_trace trace = {0};
    char label[64];
    comparison c = {&record->trace, SIZE_MAX, seconds > 0 ? now() + seconds : 0, false};
    ib_fit_hooks hooks = {.check = same_step, .context = &c, .options = options};
    snprintf(label, sizeof label, "%s, %zu thread%s", ib__isa_name(runtime->isa), runtime->threads,
             runtime->threads == 1 ? "" : "s");
    ib_status status = ib__record_experiment(&experiment, record, err);
    if (status == IB_OK) status = ib__task_open(&task, experiment, err);
    if (status == IB_OK) status = verify_inputs(record, task, options);
    if (status == IB_OK) {
        status = ib__fit(task, runtime, &hooks, &trace, err);
        if (status == IB_OK || status == IB_DIFFERS)
            status = judge(record, task, &trace, &c, status, label, options);
    }
    ib__trace_free(&trace);
    ib__task_free(task);
    ib__experiment_free(experiment);
    return status;
}

typedef struct variation {
    bool threads, isa;
} variation;

static ib_status parse_vary(variation *out, const char *vary, ib_error *err) {
    *out = (variation){false, false};
    for (const char *at = vary; at != NULL && *at != '\0';) {
        size_t n = strcspn(at, ",");
        if (n == 7 && strncmp(at, "threads", n) == 0)
            out->threads = true;
        else if (n == 3 && strncmp(at, "isa", n) == 0)
            out->isa = true;
        else
            return ib__fail(err, IB_BAD_INPUT, "vary",
                            "expected threads, isa or threads,isa, found \"%.60s\"", vary);
        at += n + (at[n] == ',');
    }
    return IB_OK;
}

/* Once as asked for, then with other threads, then with other instruction sets, the best first. */
static ib_status run_variations(const ib_record *record, const ib_runtime *base, const variation *vary,
                                const ib_options *options, ib_error *err) {
    static const size_t threads[] = {1, 2, 3, 7};
    ib_status status = reexecute(record, base, 0, options, err);
    for (size_t i = 0; vary->threads && status == IB_OK && i < sizeof threads / sizeof *threads; i++) {
        ib_runtime other = *base;
        other.threads = threads[i];
        if (other.threads != base->threads) status = reexecute(record, &other, 0, options, err);
    }
    for (int i = IB_ISA_COUNT - 1; vary->isa && status == IB_OK && i >= 0; i--) {
        ib_runtime other = *base;
        other.isa = (ib_isa)i;
        if (other.isa == base->isa || !ib__isa_available(other.isa)) continue;
        status = reexecute(record, &other, other.isa == IB_ISA_REF ? REFERENCE_SECONDS : 0, options, err);
    }
    return status;
}

ib_status ib__verify(const char *run, const char *vary, const ib_options *options, ib_error *err) {
    ib_runtime runtime;
    variation v;
    ib_record *record = NULL;
    ib_status status = parse_vary(&v, vary, err);
    if (status == IB_OK) status = ib__runtime_init(&runtime, options->threads, options->isa, err);
    if (status == IB_OK) status = ib__record_read(&record, run, err);
    if (status == IB_OK) status = run_variations(record, &runtime, &v, options, err);
    if (status == IB_OK) {
        ib__say(options, "verified: run%s%s\n", v.threads ? " threads" : "", v.isa ? " isa" : "");
        ib__say(options, "result sha256:%s\n", ib__value_get(record->tree, "result")->string);
    }
    ib__record_free(record);
    return status;
}
