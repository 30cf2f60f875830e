/* SPDX-License-Identifier: Apache-2.0
 *
 * The cause of a run that is not reproduced: its record was changed, a bit of memory flipped, it was resumed
 * wrongly, or the machine it ran on computes otherwise. Each leaves another trace:
 *
 *   a record that was changed   a link that does not follow from what stands beside it; or one step differs
 * and the later losses and states agree again a flipped bit               everything differs from some step
 * on; if the state was recorded right then, one tensor differs, and flipping one bit of it back gives the
 * recorded digest a wrong resumption          the first step after one differs another arithmetic steps
 * differ from the very first on, and the environment is another
 */
#include "run/cause.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/again.h"
#include "run/env.h"
#include "run/lockstep.h"
#include "run/say.h"

/* How many steps behind the first that differs are looked at, and how many elements a tensor may have whose
 * bits are tried one by one. */
#define LOOK_BEHIND 64
#define FLIP_ELEMENTS 4096
/* A machine with another arithmetic shows it in its first steps. */
#define EARLY 2

typedef struct search {
    const ib_record *record;
    size_t limit;
    size_t step;   /* the first that differs; SIZE_MAX: none */
    size_t agreed; /* the last recorded state before it that agrees */
    bool loss, link,
        bad_link; /* at that step: the loss differs; the link does; it does not follow from the record */
    size_t tensors, first;        /* how many differ there, which is the first */
    size_t later_same, later_bad; /* losses and states after it */
    bool flipped;
    char flip[512];
} search;

bool ib__cause_flip(const ib_variable *v, const ib_digest *wanted, size_t *element, int *bit) {
    size_t n = (size_t)ib__shape_elements(&v->shape);
    if (n > FLIP_ELEMENTS) return false;
    uint32_t *words = malloc(n * sizeof *words + 1);
    bool found = false;
    if (words == NULL) return false;
    memcpy(words, v->data, n * sizeof *words);
    for (size_t i = 0; i < n && !found; i++) {
        for (int b = 0; b < 32 && !found; b++) {
            words[i] ^= (uint32_t)1 << b;
            ib_digest digest = ib__tensor_digest(&(ib_tensor){IB_F32, v->shape, words});
            found = memcmp(&digest, wanted, sizeof digest) == 0;
            words[i] ^= (uint32_t)1 << b;
            if (found) *element = i;
            if (found) *bit = b;
        }
    }
    free(words);
    return found;
}

static void try_flip(search *s, const ib_trainer *t, const ib_digest *wanted) {
    size_t element;
    int bit;
    char index[160];
    const ib_variable *v = ib__state_variable(t, s->first);
    if (v == NULL || !ib__cause_flip(v, wanted, &element, &bit)) return;
    uint32_t before;
    memcpy(&before, &v->data[element], sizeof before);
    uint32_t after = before ^ ((uint32_t)1 << bit);
    ib__print_index(index, &v->shape, element);
    s->flipped = true;
    snprintf(s->flip, sizeof s->flip,
             "bit %d of element %s of %.160s: 0x%08" PRIx32 " (%.9g) became 0x%08" PRIx32 " (%.9g)", bit,
             index, v->path, before, ib__bits_value(before), after, ib__bits_value(after));
}

static void look_at_tensors(search *s, const ib_trainer *t, const ib_trace *trace) {
    const ib_digest *x = ib__trace_state(&s->record->trace, s->step), *y = ib__trace_state(trace, s->step);
    size_t n = s->record->trace.n_paths;
    if (x == NULL || y == NULL || n != trace->n_paths) return;
    for (size_t i = 0; i < n; i++) {
        if (memcmp(&x[i], &y[i], sizeof *x) == 0) continue;
        if (s->tensors++ == 0) s->first = i;
    }
    if (s->tensors == 1) try_flip(s, t, &x[s->first]);
}

static void look_at_first(search *s, const ib_trainer *t, const ib_trace *trace) {
    const ib_trace *recorded = &s->record->trace;
    const ib_step_record *x = &recorded->steps[s->step], *y = &trace->steps[s->step];
    ib_digest link;
    s->loss = x->loss != y->loss;
    s->link = memcmp(&x->chain, &y->chain, sizeof x->chain) != 0;
    bool complete = !x->state || recorded->n_tensors > 0;
    s->bad_link =
        complete && ib__trace_link(&link, recorded, s->step, t) && memcmp(&link, &x->chain, sizeof link) != 0;
    look_at_tensors(s, t, trace);
}

static bool same_values(const ib_trace *a, const ib_trace *b, size_t step) {
    const ib_digest *x = ib__trace_state(a, step), *y = ib__trace_state(b, step);
    if (a->steps[step].loss != b->steps[step].loss) return false;
    return x == NULL || y == NULL || a->n_paths != b->n_paths || memcmp(x, y, a->n_paths * sizeof *x) == 0;
}

static bool see_step(void *context, const ib_trainer *t, const ib_trace *trace) {
    search *s = context;
    const ib_trace *recorded = &s->record->trace;
    size_t step = trace->n_steps - 1;
    if (step >= recorded->n_steps) return false;
    if (s->step == SIZE_MAX) {
        if (ib__trace_same_step(recorded, trace, step)) {
            if (trace->steps[step].state) s->agreed = step;
            return step < s->limit;
        }
        s->step = step;
        look_at_first(s, t, trace);
        return true;
    }
    if (same_values(recorded, trace, step))
        s->later_same++;
    else
        s->later_bad++;
    return step < s->step + LOOK_BEHIND;
}

/* Appends the leaves that differ; gives how many. */
static size_t differing(ib_buf *out, const ib_value *a, const ib_value *b, const char *section) {
    size_t n = 0;
    for (size_t i = 0; a != NULL && i < a->count; i++) {
        const ib_value *other = ib__value_get(b, a->keys[i]);
        if (other != NULL && ib__value_equal(a->items[i], other)) continue;
        ib__buf_printf(out, "%s%s.%s", out->length > 0 ? ", " : "", section, a->keys[i]);
        n++;
    }
    return n;
}

/* What of the environment that could move a bit is another one here: "cpu.model, build.compiler"; "" if
 * nothing. */
static void say_environment(ib_buf *out, const ib_record *record) {
    ib_value *here = ib__env();
    const ib_value *there = ib__value_get(record->tree, "environment");
    static const char *const sections[] = {"build", "cpu"};
    ib__buf_text(out, "");
    for (size_t i = 0; here != NULL && i < sizeof sections / sizeof *sections; i++)
        differing(out, ib__value_get(there, sections[i]), ib__value_get(here, sections[i]), sections[i]);
    ib__value_free(here);
}

/* The step of a resumption that lies between the last agreement and the first difference; SIZE_MAX: none. */
static size_t resumed_at(const search *s) {
    const ib_value *list = ib__value_get(s->record->tree, "resumed");
    for (size_t i = 0; list != NULL && i < list->count; i++) {
        const ib_value *step = ib__value_get(list->items[i], "step");
        if (ib__value_is(step, IB_INT) && (size_t)step->integer + 1 == s->step) return (size_t)step->integer;
    }
    return SIZE_MAX;
}

static void say_cause(const search *s, const ib_options *options) {
    ib_buf environment = {0};
    const char *path = s->tensors > 0 ? s->record->trace.paths[s->first] : "";
    say_environment(&environment, s->record);
    bool elsewhere = environment.length > 0;
    if (s->bad_link || (s->later_same > 0 && s->later_bad == 0))
        ib__say(options, "cause: the record was changed: step %zu (%s), %s\n", s->step,
                s->loss          ? "its loss"
                : s->tensors > 0 ? path
                                 : "its link",
                s->bad_link ? "its link does not follow from it" : "the steps after it are right again");
    else if (s->step == 0)
        ib__say(options, "cause: initial weights: %zu tensor%s, first %s%s%s\n", s->tensors,
                s->tensors == 1 ? "" : "s", path, s->flipped ? "; " : "", s->flip);
    else if (s->flipped)
        ib__say(options, "cause: memory: after step %zu, %s\n", s->step, s->flip);
    else if (resumed_at(s) != SIZE_MAX)
        ib__say(options, "cause: resumption: training went on at step %zu in another state\n", resumed_at(s));
    else if (elsewhere && s->step <= EARLY)
        ib__say(options, "cause: environment: it computed otherwise from the start; another here: %s\n",
                environment.data);
    else
        ib__say(options, "cause: memory: the run was disturbed between step %zu and step %zu%s%s%s\n",
                s->agreed, s->step, s->tensors > 0 ? ", first seen in " : "", path,
                s->step == s->agreed + 1 && !s->loss ? " (the backward pass or the update)" : "");
    ib__buf_free(&environment);
}

ib_status ib__cause_find(const ib_record *record, const ib_runtime *runtime, size_t limit,
                         const ib_options *options, bool *reproduced, ib_error *err) {
    ib_experiment *experiment = NULL;
    ib_task *task = NULL;
    ib_trace trace = {0};
    search s = {.record = record, .limit = limit, .step = SIZE_MAX};
    ib_fit_hooks hooks = {.check = see_step, .context = &s, .options = options};
    ib_status status = ib__record_experiment(&experiment, record, err);
    if (status == IB_OK) status = ib__task_open(&task, experiment, err);
    if (status == IB_OK) status = ib__fit(task, runtime, &hooks, &trace, err);
    if (status == IB_DIFFERS) status = IB_OK;
    *reproduced = s.step == SIZE_MAX;
    if (status == IB_OK && !*reproduced) {
        ib__say(options, "%s is not reproduced from step %zu on\n", record->folder, s.step);
        ib__again_say_step(&record->trace, &trace, s.step, options);
        say_cause(&s, options);
    } else if (status == IB_OK) {
        ib__say(options, "%s is reproduced up to step %zu\n", record->folder, trace.n_steps - 1);
    }
    ib__trace_free(&trace);
    ib__task_free(task);
    ib__experiment_free(experiment);
    return status;
}
