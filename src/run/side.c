/* SPDX-License-Identifier: Apache-2.0
 *
 * One of two trainings that are compared, and where both can be entered.
 */
#include "run/side.h"

#include <stdlib.h>
#include <string.h>

#include "run/lockstep.h"
#include "run/say.h"
#include "run/state_diff.h"

void ib__side_close(ib_side *s) {
    ib__fitting_free(s->fitting);
    ib__trace_free(&s->trace);
    ib__task_free(s->task);
    *s = (ib_side){0};
}

ib_status ib__side_open(ib_side *s, const ib_experiment *experiment, const ib_runtime *runtime,
                        const ib_checkpoint *from, ib_error *err) {
    ib_status status = ib__task_open(&s->task, experiment, err);
    s->hooks.resume = from;
    if (status == IB_OK) status = ib__fitting_new(&s->fitting, s->task, runtime, &s->hooks, &s->trace, err);
    if (status == IB_OK) s->trainer = ib__fitting_trainer(s->fitting);
    return status;
}

bool ib__sides_differ(const ib_side *a, const ib_side *b, const ib_options *options, bool *shapes) {
    *shapes = false;
    for (size_t i = 0;; i++) {
        const ib_variable *x = ib__state_variable(a->trainer, i), *y = ib__state_variable(b->trainer, i);
        if (x == NULL && y == NULL) return false;
        *shapes = x == NULL || y == NULL || !ib__shape_equal(&x->shape, &y->shape);
        if (*shapes) {
            if (options != NULL)
                ib__say(options, "the models differ: variable %zu is %s and %s\n", i + 1,
                        x == NULL ? "none" : x->path, y == NULL ? "none" : y->path);
            return true;
        }
        if (memcmp(x->data, y->data, (size_t)ib__shape_elements(&x->shape) * sizeof(float)) == 0) continue;
        if (options != NULL) {
            ib__say(options, "  tensor %s\n", x->path);
            ib__say_elements(options, &x->shape, x->data, y->data);
        }
        return true;
    }
}

/* ---- Where they meet ---- */

/* The links that a checkpoint brings are those of its run's record? */
static bool fits_record(const ib_checkpoint *c, const ib_record *record) {
    ib_trace trace = {0};
    bool fits = ib__trace_unpack(&trace, c->trace, c->n_trace, c->path, NULL) == IB_OK;
    for (size_t i = 0; fits && i < trace.n_steps; i++)
        fits = ib__trace_same_step(&record->trace, &trace, i);
    ib__trace_free(&trace);
    return fits;
}

/* A run's checkpoints that were not tried yet: the first n of steps. */
typedef struct candidates {
    size_t *steps, n;
} candidates;

/* The newest of them that can be used; *out NULL: none. */
static ib_status newest(candidates *k, const ib_record *record, ib_checkpoint **out, ib_error *err) {
    for (; *out == NULL && k->n > 0; k->n -= *out == NULL) {
        ib_status status = ib__checkpoint_open(out, record->folder, k->steps[k->n - 1], err);
        if (status == IB_NO_MEMORY) return status;
        if (status == IB_OK && fits_record(*out, record)) return IB_OK;
        ib__checkpoint_free(*out);
        *out = NULL;
    }
    return IB_OK;
}

/* Executes the older one up to the newer one. Files that cannot be gone on from meet nobody. */
static ib_status try_pair(const ib_meeting *m, const ib_runtime *runtime, bool whole, bool *same,
                          ib_error *err) {
    size_t late = m->from[1]->step > m->from[0]->step ? 1 : 0, early = 1 - late;
    ib_side sides[2] = {{0}, {0}};
    bool shapes;
    *same = false;
    ib_status status = ib__side_open(&sides[early], m->experiments[early], runtime, m->from[early], err);
    if (status == IB_OK) status = ib__fitting_reach(sides[early].fitting, m->from[late], err);
    if (status == IB_OK && whole) {
        ib_state_difference d;
        status = ib__state_difference(&d, sides[early].trainer, m->from[late], err);
        *same = status == IB_OK && !d.differs;
    } else if (status == IB_OK) {
        status = ib__side_open(&sides[late], m->experiments[late], runtime, m->from[late], err);
        *same = status == IB_OK && sides[early].trainer->step == m->from[late]->step &&
                !ib__sides_differ(&sides[0], &sides[1], NULL, &shapes);
    }
    ib__side_close(&sides[0]);
    ib__side_close(&sides[1]);
    return status == IB_BAD_INPUT || status == IB_UNSUPPORTED ? IB_OK : status;
}

static void drop(ib_meeting *m, candidates k[2], size_t i) {
    ib__checkpoint_free(m->from[i]);
    m->from[i] = NULL;
    k[i].n--;
}

static ib_status search_pairs(ib_meeting *m, candidates k[2], const ib_runtime *runtime, bool whole,
                              ib_error *err) {
    for (;;) {
        bool same;
        ib_status status = newest(&k[0], m->records[0], &m->from[0], err);
        if (status == IB_OK) status = newest(&k[1], m->records[1], &m->from[1], err);
        if (status != IB_OK || m->from[0] == NULL || m->from[1] == NULL) return status;
        status = try_pair(m, runtime, whole, &same, err);
        if (status != IB_OK || same) return status;
        size_t x = m->from[0]->step, y = m->from[1]->step;
        if (x >= y) drop(m, k, 0);
        if (y >= x) drop(m, k, 1);
    }
}

ib_status ib__meeting_find(ib_meeting *m, const ib_runtime *runtime, size_t limit, bool whole,
                           const ib_options *options, ib_error *err) {
    candidates k[2] = {{0}, {0}};
    ib_status status = IB_OK;
    for (int i = 0; status == IB_OK && i < 2; i++) {
        status = ib__checkpoint_steps(&k[i].steps, &k[i].n, m->records[i]->folder, err);
        while (k[i].n > 0 && k[i].steps[k[i].n - 1] >= limit)
            k[i].n--;
    }
    if (status == IB_OK) status = search_pairs(m, k, runtime, whole, err);
    free(k[0].steps);
    free(k[1].steps);
    if (status != IB_OK) return status;
    if (m->from[0] != NULL && m->from[1] != NULL) {
        ib__say(options, "checkpoints: those of step %zu and of step %zu hold one state; from there\n",
                m->from[0]->step, m->from[1]->step);
        return IB_OK;
    }
    ib__meeting_end(m);
    ib__say(options, "checkpoints: none of both before step %zu that hold one state; from the beginning\n",
            limit);
    return IB_OK;
}

void ib__meeting_end(ib_meeting *m) {
    for (int i = 0; i < 2; i++) {
        ib__checkpoint_free(m->from[i]);
        m->from[i] = NULL;
    }
}
