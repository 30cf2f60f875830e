/* SPDX-License-Identifier: Apache-2.0
 *
 * Buffers of a plan bound to other memory: the body of a scan reads and writes stacks in place, step by step,
 * and a batch is read where it was made.
 */
#include "graph/plan.h"

#include <stdlib.h>

static bool add_place(ib_binding *binding, size_t *capacity, float **place) {
    if (!ib__grow(&binding->places, capacity, binding->n + 1, sizeof *binding->places)) return false;
    binding->places[binding->n++] = place;
    return true;
}

static bool add_program(const ib_plan *plan, ib_program *p, int root, ib_binding *out, size_t *capacity) {
    for (int i = 0; i < p->n_loads; i++) {
        if (p->loads[i].kind == IB_LOAD_CONSTANT) continue;
        if (ib__buffer_root(plan, plan->buffer_of[p->loads[i].node]) != root) continue;
        if (!add_place(out, capacity, &p->loads[i].base)) return false;
    }
    for (int i = 0; i < p->n_outputs; i++)
        if (ib__buffer_root(plan, plan->buffer_of[p->outputs[i].node]) == root &&
            !add_place(out, capacity, &p->outputs[i].base))
            return false;
    return true;
}

/* Is it memory that the plan has for itself? */
static bool own_memory(const ib_plan *plan, const ib_buffer *b) {
    return b->placed || (b->data >= plan->arena && b->data < plan->arena + plan->arena_words);
}

ib_status ib__binding_make(ib_binding *out, ib_plan *plan, ib_node a, ib_error *err) {
    int root = ib__buffer_root(plan, plan->buffer_of[ib__alias_base(plan->g, a)]);
    size_t capacity = 0;
    *out = (ib_binding){.home = plan->buffers[root].data};
    if (!own_memory(plan, &plan->buffers[root])) return IB_OK;
    bool good = true;
    for (size_t i = 0; i < plan->n_buffers && good; i++)
        if (ib__buffer_root(plan, (int)i) == root) good = add_place(out, &capacity, &plan->buffers[i].data);
    for (size_t i = 0; i < plan->fusion.n_groups && good; i++)
        good = add_program(plan, &plan->programs[i], root, out, &capacity);
    if (good) return IB_OK;
    ib__binding_free(out);
    return ib__fail_memory(err);
}

void ib__binding_free(ib_binding *binding) {
    free(binding->places);
    *binding = (ib_binding){0};
}

void ib__binding_set(const ib_binding *binding, float *data) {
    for (size_t i = 0; i < binding->n; i++)
        *binding->places[i] = data;
}

static const ib_binding *binding_of_input(ib_plan *plan, ib_node input) {
    for (size_t i = 0; i < plan->n_bound; i++)
        if (plan->bound[i].input == input) return &plan->bound[i].binding;
    if (!ib__grow(&plan->bound, &plan->bound_capacity, plan->n_bound + 1, sizeof *plan->bound)) return NULL;
    ib_bound_input *new = &plan->bound[plan->n_bound];
    new->input = input;
    if (ib__binding_make(&new->binding, plan, input, NULL) != IB_OK) return NULL;
    plan->n_bound++;
    return &new->binding;
}

bool ib__plan_bind_input(ib_plan *plan, ib_node input, void *data) {
    const ib_binding *binding = binding_of_input(plan, input);
    if (binding) ib__binding_set(binding, data ? data : binding->home);
    return binding != NULL;
}
