/* SPDX-License-Identifier: Apache-2.0
 *
 * The cause of a run that is not reproduced. Each leaves another trace:
 *
 *   a record that was changed   a link that does not follow from what stands beside it; or one step differs
 * and the later losses and states agree again a flipped bit               everything differs from some step
 * on; if the state was recorded right then, one tensor differs, and its sums tell the element; if a
 * checkpoint was taken between the flip and the first step that shows it, that holds the flipped element a
 * wrong resumption          the first step after one differs; its checkpoint, if it is still there, tells
 *                               what was another there
 *   another arithmetic          steps differ from the very first on, and the environment is another
 */
#include "run/cause.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/again.h"
#include "run/env.h"
#include "run/say.h"
#include "run/side.h"
#include "run/state_diff.h"

/* How many steps behind the first that differs are looked at. */
#define LOOK_BEHIND 64
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
    char flip[640];
    size_t bent; /* step of the first checkpoint that does not hold the state; SIZE_MAX: none */
    ib_state_difference difference; /* there */
} search;

/* The one element that makes the tensor what was recorded. */
static void find_flip(search *s, const ib_trainer *t, const ib_digest *digest, const ib_sums *sums) {
    const ib_variable *v = ib__state_variable(t, s->first);
    size_t element, n = v != NULL ? (size_t)ib__shape_elements(&v->shape) : 0;
    uint32_t word, before;
    if (n == 0 || !ib__sums_change(sums, v->data, n, &element, &word)) return;
    float *copy = malloc(n * sizeof *copy);
    if (copy == NULL) return;
    memcpy(copy, v->data, n * sizeof *copy);
    memcpy(&before, &copy[element], sizeof before);
    memcpy(&copy[element], &word, sizeof word);
    ib_digest changed = ib__tensor_digest(&(ib_tensor){IB_F32, v->shape, copy});
    free(copy);
    s->flipped = memcmp(&changed, digest, sizeof changed) == 0;
    if (s->flipped) ib__print_change(s->flip, sizeof s->flip, v, element, before, word);
}

static void look_at_tensors(search *s, const ib_trainer *t, const ib_trace *trace) {
    const ib_digest *x = ib__trace_state(&s->record->trace, s->step), *y = ib__trace_state(trace, s->step);
    size_t n = s->record->trace.n_paths;
    if (x == NULL || y == NULL || n != trace->n_paths) return;
    for (size_t i = 0; i < n; i++) {
        if (memcmp(&x[i], &y[i], sizeof *x) == 0) continue;
        if (s->tensors++ == 0) s->first = i;
    }
    if (s->tensors == 1) find_flip(s, t, &x[s->first], ib__trace_sums(&s->record->trace, s->step) + s->first);
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

/* Training went on at this step? */
static bool resumed_at(const search *s, size_t step) {
    const ib_value *list = ib__value_get(s->record->tree, "resumed");
    for (size_t i = 0; list != NULL && i < list->count; i++) {
        const ib_value *at = ib__value_get(list->items[i], "step");
        if (ib__value_is(at, IB_INT) && (size_t)at->integer == step) return true;
    }
    return false;
}

/* A checkpoint that does not hold the state of its step, and steps behind it that differ: one of both kinds.
 */
static void say_bent(const search *s, const ib_options *options) {
    if (resumed_at(s, s->bent))
        ib__say(options, "cause: resumption: training went on at step %zu in another state: %s\n", s->bent,
                s->difference.text);
    else
        ib__say(options, "cause: memory: between step %zu and step %zu, %s\n", s->agreed, s->bent,
                s->difference.text);
}

static void say_cause(const search *s, const ib_options *options) {
    if (s->bent != SIZE_MAX && resumed_at(s, s->bent)) {
        say_bent(s, options);
        return;
    }
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
    else if (s->bent != SIZE_MAX && s->difference.elements == 1)
        say_bent(s, options);
    else if (resumed_at(s, s->step - 1))
        ib__say(options, "cause: resumption: training went on at step %zu in another state\n", s->step - 1);
    else if (elsewhere && s->step <= EARLY)
        ib__say(options, "cause: environment: it computed otherwise from the start; another here: %s\n",
                environment.data);
    else
        ib__say(options, "cause: memory: the run was disturbed between step %zu and step %zu%s%s%s\n",
                s->agreed, s->step, s->tensors > 0 ? ", first seen in " : "", path,
                s->step == s->agreed + 1 && !s->loss ? " (the backward pass or the update)" : "");
    ib__buf_free(&environment);
}

/* Up to a checkpoint: does it hold the state that was reached? Damaged ones tell nothing. */
static ib_status pass(search *s, ib_fitting *f, size_t step, ib_error *err) {
    ib_checkpoint *c = NULL;
    ib_state_difference d;
    if (ib__checkpoint_open(&c, s->record->folder, step, NULL) != IB_OK) return IB_OK;
    ib_status status = ib__fitting_reach(f, c, err);
    if (status == IB_OK) status = ib__state_difference(&d, ib__fitting_trainer(f), c, err);
    if (status == IB_OK && d.differs && s->bent == SIZE_MAX) {
        s->bent = step;
        s->difference = d;
    }
    if (status == IB_OK && !d.differs) s->agreed = step;
    ib__checkpoint_free(c);
    return status;
}

static ib_status run_search(search *s, ib_fitting *f, ib_error *err) {
    const ib_trainer *t = ib__fitting_trainer(f);
    size_t *steps, n;
    ib_status status = ib__checkpoint_steps(&steps, &n, s->record->folder, err);
    for (size_t i = 0; status == IB_OK && i < n && s->step == SIZE_MAX; i++)
        if (steps[i] > t->step && steps[i] < s->limit) status = pass(s, f, steps[i], err);
    if (status == IB_OK) status = ib__fitting_run(f, t->steps, err);
    free(steps);
    return status == IB_DIFFERS ? IB_OK : status;
}

static void say_reproduced(const search *s, const ib_trace *trace, const ib_options *options) {
    ib__say(options, "%s is reproduced up to step %zu\n", s->record->folder, trace->n_steps - 1);
    if (s->bent != SIZE_MAX && resumed_at(s, s->bent))
        say_bent(s, options);
    else if (s->bent != SIZE_MAX)
        ib__say(options, "  but its checkpoint of step %zu was changed: %s\n", s->bent, s->difference.text);
}

ib_status ib__cause_find(const ib_record *record, const ib_checkpoint *from, const ib_runtime *runtime,
                         size_t limit, const ib_options *options, bool *reproduced, ib_error *err) {
    ib_experiment *experiment = NULL;
    ib_side side = {0};
    search s = {.record = record, .limit = limit, .step = SIZE_MAX, .bent = SIZE_MAX};
    s.agreed = from != NULL ? from->step : 0;
    side.hooks = (ib_fit_hooks){.check = see_step, .context = &s, .options = options};
    ib_status status = ib__record_experiment(&experiment, record, err);
    if (status == IB_OK) status = ib__side_open(&side, experiment, runtime, from, err);
    if (status == IB_OK) status = run_search(&s, side.fitting, err);
    if (status == IB_DIFFERS) status = IB_OK;
    *reproduced = s.step == SIZE_MAX;
    if (status == IB_OK && !*reproduced) {
        ib__say(options, "%s is not reproduced from step %zu on\n", record->folder, s.step);
        ib__again_say_step(&record->trace, &side.trace, s.step, options);
        say_cause(&s, options);
    } else if (status == IB_OK) {
        say_reproduced(&s, &side.trace, options);
    }
    ib__side_close(&side);
    ib__experiment_free(experiment);
    return status;
}
