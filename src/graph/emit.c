/* SPDX-License-Identifier: Apache-2.0
 *
 * What lowering is made of: see emit.h.
 */
#include "graph/emit.h"

/* ---- Buffers ---- */

int ib__buffer_new(ib_plan *plan, size_t words, float *data) {
    if (!ib__grow(&plan->buffers, &plan->buffers_capacity, plan->n_buffers + 1, sizeof *plan->buffers))
        return -1;
    plan->buffers[plan->n_buffers] =
        (ib_buffer){.words = words, .first = -1, .last = -1, .shares = -1, .data = data};
    return (int)plan->n_buffers++;
}

void ib__buffer_touch(ib_plan *plan, int buffer, int step) {
    if (buffer < 0) return;
    ib_buffer *b = &plan->buffers[buffer];
    b->uses += step != b->last;
    if (b->first < 0) b->first = step;
    if (step > b->last) b->last = step;
}

int ib__buffer_for(ib_plan *plan, ib_node a) {
    const ib_graph *g = plan->g;
    ib_node base = ib__alias_base(g, a);
    if (plan->buffer_of[base] >= 0) return plan->buffer_of[base];
    const ib_node_data *n = &g->nodes[base];
    float *data = NULL;
    if (n->op == IB_OP_variable) data = n->u.variable->data;
    if (n->op == IB_OP_constant_array || n->op == IB_OP_outside) data = (float *)(uintptr_t)n->u.values;
    int buffer = ib__buffer_new(plan, ib__node_elements(g, base), data);
    if (buffer >= 0) plan->buffers[buffer].given = data || n->op == IB_OP_input;
    return plan->buffer_of[base] = buffer;
}

ib_step *ib__step_new(ib_plan *plan, ib_step_kind kind, ib_node node) {
    if (!ib__grow(&plan->steps, &plan->steps_capacity, plan->n_steps + 1, sizeof *plan->steps)) return NULL;
    ib_step *step = &plan->steps[plan->n_steps++];
    *step = (ib_step){.kind = kind,
                      .node = node,
                      .epilogue = -1,
                      .parts = 1,
                      .in = {-1, -1},
                      .out = -1,
                      .maker = -1,
                      .block = 1};
    return step;
}

bool ib__step_buffers(ib_plan *plan, ib_step *step, int in0, int in1, int n_in, int out) {
    int index = (int)plan->n_steps - 1;
    if (in0 < 0 || out < 0 || (n_in > 1 && in1 < 0)) return false;
    step->in[0] = in0;
    step->in[1] = n_in > 1 ? in1 : -1;
    step->out = out;
    ib__buffer_touch(plan, in0, index);
    ib__buffer_touch(plan, step->in[1], index);
    ib__buffer_touch(plan, out, index);
    return true;
}

size_t ib__step_parts(const ib_plan *plan, size_t work, size_t pieces, size_t per_thread) {
    if (work < IB__SMALL_WORK || pieces <= 1) return 1;
    size_t parts = ib__pool_threads(plan->pool) * per_thread;
    return parts < pieces ? parts : pieces;
}

/* ---- Lanes ---- */

size_t ib__lane_groups(const ib_plan *plan, size_t read, size_t made) {
    size_t lanes = plan->g->lanes, threads = ib__pool_threads(plan->pool), groups = 0, least = SIZE_MAX;
    if (threads == 1 || lanes <= 1 || plan->g->samples % lanes || read < IB__SMALL_WORK) return 0;
    for (size_t each = 1; lanes % each == 0; each *= 2) {
        size_t longest = (lanes / each + threads - 1) / threads * each;
        if (longest > least) break;
        least = longest;
        groups = lanes / each;
    }
    return 8 * least * threads <= 9 * lanes && groups * made < read ? groups : 0;
}

bool ib__emit_lane_sums(ib_plan *plan, ib_step *step, int in0, int in1, int n_in, ib_node node, size_t groups,
                        size_t inner) {
    int partial = ib__buffer_new(plan, groups * inner, NULL);
    if (!ib__step_buffers(plan, step, in0, in1, n_in, partial)) return false;
    ib_step *tree = ib__step_new(plan, IB_STEP_LANE_TREE, node);
    if (!tree) return false;
    tree->u.tree.lanes = groups;
    tree->u.tree.n = inner;
    tree->parts = ib__step_parts(plan, groups * inner, (inner + 255) / 256, 1);
    return ib__step_buffers(plan, tree, partial, -1, 1, ib__buffer_for(plan, node));
}
