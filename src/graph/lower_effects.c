/* SPDX-License-Identifier: Apache-2.0
 *
 * Lowering of effects and assignments: updates in parts, handed to the threads whose caches hold what they
 * read.
 */
#include "graph/emit.h"

#include <stdlib.h>

enum { EFFECT_PART = 16384 };

/* The step that makes the value row by row for its effect, -1: it is an array. */
static int scatter_for_effect(const ib_plan *plan, ib_node value) {
    for (size_t i = 0; i < plan->n_steps; i++) {
        const ib_step *s = &plan->steps[i];
        if (s->kind == IB_STEP_SCATTER && !s->parts && s->node == ib__alias_base(plan->g, value))
            return (int)i;
    }
    return -1;
}

/* What is read lives at this step; the parts of an effect that makes its rows are whole rows. */
static bool emit_effect(ib_plan *plan, size_t effect, ib_node value) {
    int scatter = scatter_for_effect(plan, value), index = (int)plan->n_steps - 1;
    size_t n = ib__node_elements(plan->g, value), most = EFFECT_PART;
    if (scatter >= 0) {
        size_t width = plan->steps[scatter].u.scatter.width;
        most = width < most ? most / width * width : width;
        for (int i = 0; i < 2; i++)
            ib__buffer_touch(plan, plan->steps[scatter].in[i], index);
    } else {
        int buffer = ib__buffer_for(plan, value);
        if (buffer < 0) return false;
        ib__buffer_touch(plan, buffer, index);
    }
    size_t threads = ib__pool_threads(plan->pool);
    for (size_t start = 0; start < n; start += most) {
        size_t size = n - start < most ? n - start : most;
        if (!ib__grow(&plan->effect_parts, &plan->effect_parts_capacity, plan->n_effect_parts + 1,
                      sizeof *plan->effect_parts))
            return false;
        plan->effect_parts[plan->n_effect_parts++] =
            (ib_effect_part){effect, start, size, scatter, (start + size / 2) * threads / n};
    }
    return true;
}

/* A thread takes parts that stand together: of each value it gets the share that it had when the value was
 * made, which lies in its cache. */
static int by_share(const void *x, const void *y) {
    const ib_effect_part *a = x, *b = y;
    if (a->share != b->share) return a->share < b->share ? -1 : 1;
    if (a->effect != b->effect) return a->effect < b->effect ? -1 : 1;
    return a->start < b->start ? -1 : a->start > b->start;
}

bool ib__emit_effects(ib_plan *plan) {
    const ib_graph *g = plan->g;
    if (g->n_effects + g->n_assignments == 0) return true;
    ib_step *step = ib__step_new(plan, IB_STEP_EFFECTS, IB_NO_NODE);
    if (!step) return false;
    for (size_t i = 0; i < g->n_effects + g->n_assignments; i++)
        if (!emit_effect(plan, i,
                         i < g->n_effects ? g->effects[i].value : g->assignments[i - g->n_effects].value))
            return false;
    size_t n = plan->n_effect_parts; /* 0: of weights without elements */
    if (n) qsort(plan->effect_parts, n, sizeof *plan->effect_parts, by_share);
    plan->steps[plan->n_steps - 1].parts = n;
    return true;
}
