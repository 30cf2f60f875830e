/* SPDX-License-Identifier: Apache-2.0
 *
 * Two experiments trained side by side until a tensor differs; then that step once more, watched op by op.
 */
#include "run/lockstep.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "run/commands.h"
#include "run/side.h"
#include "run/state.h"

/* Index of an element as "[3, 0, 7]". */
void ib__print_index(char out[160], const ib_shape *shape, size_t element) {
    size_t index[IB_RANK_MAX], used = 1;
    for (int i = shape->rank - 1; i >= 0; i--) {
        size_t dim = shape->dims[i] > 0 ? (size_t)shape->dims[i] : 1;
        index[i] = element % dim;
        element /= dim;
    }
    snprintf(out, 160, "[");
    for (int i = 0; i < shape->rank; i++)
        used += (size_t)snprintf(out + used, 160 - used, "%s%zu", i > 0 ? ", " : "", index[i]);
    snprintf(out + used, 160 - used, "]");
}

/* How many floats lie between the two: bits made a line with -0 and +0 in the middle. */
static uint64_t ulps(uint32_t a, uint32_t b) {
    int64_t x = a >> 31 ? -(int64_t)(a & 0x7fffffffu) : (int64_t)a;
    int64_t y = b >> 31 ? -(int64_t)(b & 0x7fffffffu) : (int64_t)b;
    return (uint64_t)(x > y ? x - y : y - x);
}

void ib__say_elements(const ib_options *options, const ib_shape *shape, const void *a, const void *b) {
    const uint32_t *x = a, *y = b;
    size_t n = (size_t)ib__shape_elements(shape), first = n, count = 0;
    for (size_t i = 0; i < n; i++) {
        if (x[i] == y[i]) continue;
        if (count++ == 0) first = i;
    }
    if (count == 0) return;
    char index[160];
    ib__print_index(index, shape, first);
    ib__say(options,
            "  element %s: %.9g (0x%08" PRIx32 ") against %.9g (0x%08" PRIx32 "), %" PRIu64
            " ulp; %zu of %zu elements differ\n",
            index, ib__bits_value(x[first]), x[first], ib__bits_value(y[first]), y[first],
            ulps(x[first], y[first]), count, n);
}

/* ---- The watched step ---- */

typedef struct seen {
    const char *op, *place;
    bool backward;
    ib_shape shape;
    uint32_t *words;
} seen;

typedef struct watching {
    seen *all;
    size_t n, capacity;
    size_t at; /* of the second ib_side */
    bool failed, found;
    const ib_options *options;
} watching;

static void keep(void *context, size_t index, const char *op, const char *place, bool backward,
                 const ib_shape *shape, const void *words) {
    watching *w = context;
    (void)index;
    size_t n = (size_t)ib__shape_elements(shape);
    if (w->failed || !ib__grow(&w->all, &w->capacity, w->n + 1, sizeof *w->all)) {
        w->failed = true;
        return;
    }
    seen *s = &w->all[w->n++];
    *s = (seen){op, place, backward, *shape, malloc((n + 1) * sizeof(uint32_t))};
    w->failed = s->words == NULL;
    if (!w->failed) memcpy(s->words, words, n * sizeof(uint32_t));
}

static void compare(void *context, size_t index, const char *op, const char *place, bool backward,
                    const ib_shape *shape, const void *words) {
    watching *w = context;
    (void)index;
    if (w->found || w->failed || w->at >= w->n) return;
    const seen *s = &w->all[w->at++];
    char text[128];
    ib__shape_print(text, shape);
    if (strcmp(s->op, op) != 0 || !ib__shape_equal(&s->shape, shape)) {
        w->found = true;
        ib__say(w->options, "  the graphs differ from here: %s at %s, and %s at %s\n", s->op, s->place, op,
                place);
        return;
    }
    if (memcmp(s->words, words, (size_t)ib__shape_elements(shape) * sizeof(uint32_t)) == 0) return;
    w->found = true;
    ib__say(w->options, "  first tensor: %s %s, %s pass, shape %s\n", place, op,
            backward ? "backward" : "forward", text);
    ib__say_elements(w->options, shape, s->words, words);
}

/* What stands at a port in both batches; true: it differs, and that was said. */
static bool port_differs(const ib_step_plan *p, const ib_port *x, const ib_step_plan *q, const ib_port *y,
                         const char *name, const ib_options *options) {
    if (x->node == IB_NO_NODE && y->node == IB_NO_NODE) return false;
    if (x->node == IB_NO_NODE || y->node == IB_NO_NODE || !ib__shape_equal(&x->shape, &y->shape)) {
        ib__say(options, "  the batches have other shapes\n");
        return true;
    }
    const void *u = ib__plan_input(p->plan, x->node), *v = ib__plan_input(q->plan, y->node);
    if (memcmp(u, v, (size_t)ib__shape_elements(&x->shape) * sizeof(float)) == 0) return false;
    ib__say(options, "  the batch itself differs (data, or their order): %s\n", name);
    ib__say_elements(options, &x->shape, u, v);
    return true;
}

static void say_batch(const ib_side *a, const ib_side *b, const ib_options *options) {
    const ib_step_plan *p = &a->trainer->plans[a->trainer->last_plan];
    const ib_step_plan *q = &b->trainer->plans[b->trainer->last_plan];
    const ib_model *model = a->trainer->model, *other = b->trainer->model;
    bool differs = false;
    for (size_t i = 0; !differs && i < model->n_inputs && i < other->n_inputs; i++)
        differs = port_differs(p, &p->x[i], q, &q->x[i], model->input_names[i], options);
    for (size_t i = 0; !differs && i < model->n_outputs && i < other->n_outputs; i++)
        differs = port_differs(p, &p->y[i], q, &q->y[i], "y", options) ||
                  port_differs(p, &p->weight[i], q, &q->weight[i], "sample_weight", options);
}

static ib_status open_both(const ib_meeting *m, const ib_runtime *runtime, ib_side *a, ib_side *b,
                           ib_error *err) {
    ib_status status = ib__side_open(a, m->experiments[0], runtime, m->from[0], err);
    return status == IB_OK ? ib__side_open(b, m->experiments[1], runtime, m->from[1], err) : status;
}

static ib_status watch_step(const ib_meeting *m, const ib_runtime *runtime, size_t step,
                            const ib_options *options, ib_error *err) {
    ib_side a = {0}, b = {0};
    watching w = {.options = options};
    bool shapes;
    ib_status status = open_both(m, runtime, &a, &b, err);
    bool done;
    if (status == IB_OK) status = ib__fitting_run(a.fitting, step - 1, err);
    if (status == IB_OK) status = ib__fitting_run(b.fitting, step - 1, err);
    if (status == IB_OK) status = ib__fitting_watch(a.fitting, keep, &w, &done, err);
    if (status == IB_OK) status = ib__fitting_watch(b.fitting, compare, &w, &done, err);
    if (status == IB_OK && w.failed) status = ib__fail_memory(err);
    if (status == IB_OK) say_batch(&a, &b, options);
    if (status == IB_OK && !w.found) ib__sides_differ(&a, &b, options, &shapes);
    for (size_t i = 0; i < w.n; i++)
        free(w.all[i].words);
    free(w.all);
    ib__side_close(&a);
    ib__side_close(&b);
    return status;
}

/* ---- Side by side ---- */

static ib_status find_step(ib_side *a, ib_side *b, size_t limit, size_t *step, bool *shapes, ib_error *err) {
    size_t begin = a->trainer->step > b->trainer->step ? a->trainer->step : b->trainer->step;
    *step = SIZE_MAX;
    if (begin == 0 && ib__sides_differ(a, b, NULL, shapes)) {
        *step = 0;
        return IB_OK;
    }
    for (size_t s = begin + 1; s <= limit; s++) {
        ib_status status = ib__fitting_run(a->fitting, s, err);
        if (status == IB_OK) status = ib__fitting_run(b->fitting, s, err);
        if (status != IB_OK || a->trainer->step < s || b->trainer->step < s) return status;
        if (ib__float_bits(a->trainer->loss) != ib__float_bits(b->trainer->loss) ||
            ib__sides_differ(a, b, NULL, shapes)) {
            *step = s;
            return IB_OK;
        }
    }
    return IB_OK;
}

ib_status ib__lockstep(const ib_meeting *m, const ib_runtime *runtime, size_t limit,
                       const ib_options *options, bool *found, ib_error *err) {
    ib_side a = {0}, b = {0};
    size_t step = SIZE_MAX;
    bool shapes = false;
    ib_status status = open_both(m, runtime, &a, &b, err);
    if (status == IB_OK) status = find_step(&a, &b, limit, &step, &shapes, err);
    *found = step != SIZE_MAX;
    if (status == IB_OK && step == 0) {
        if (!shapes)
            ib__say(options, "trained again: they part before the first step, in the initial weights\n");
        ib__sides_differ(&a, &b, options, &shapes);
    }
    ib__side_close(&a);
    ib__side_close(&b);
    if (status == IB_OK && *found && step > 0) {
        ib__say(options, "trained again: they part at step %zu\n", step);
        status = watch_step(m, runtime, step, options, err);
    }
    return status;
}
