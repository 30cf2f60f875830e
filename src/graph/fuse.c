/* SPDX-License-Identifier: Apache-2.0
 *
 * Fusion. Every heavy op and elementwise node gets a stage: heavy ops of stage t run before the elementwise
 * nodes of stage t, which run before the heavy ops of stage t + 1. Elementwise nodes of one stage and one
 * number of elements form a group, which is one pass over memory; a group that needs exactly one heavy op of
 * its stage, of its own size, becomes that op's epilogue.
 */
#include "graph/plan.h"

#include "kernels/reduce/reduce.h"

#include <stdlib.h>

ib_node ib__alias_base(const ib_graph *g, ib_node a) {
    while (g->nodes[a].op == IB_OP_reshape || g->nodes[a].op == IB_OP_stop_gradient)
        a = g->nodes[a].in[0];
    return a;
}

ib_node ib__array_base(const ib_graph *g, ib_node a) {
    a = ib__alias_base(g, a);
    while (g->nodes[a].op == IB_OP_broadcast_in_dim)
        a = ib__alias_base(g, g->nodes[a].in[0]);
    return g->nodes[a].op == IB_OP_constant ? IB_NO_NODE : a;
}

bool ib__is_member(const ib_fusion *f, ib_node a) {
    return f->nodes[a].class == IB_CLASS_ELEMENTWISE;
}

static ib_class classify(const ib_node_data *n) {
    switch (n->op) {
    case IB_OP_input:
    case IB_OP_variable:
    case IB_OP_constant_array:
    case IB_OP_outside:
        return IB_CLASS_SOURCE;
    case IB_OP_constant:
    case IB_OP_broadcast_in_dim:
        return IB_CLASS_VIRTUAL;
    case IB_OP_reshape:
    case IB_OP_stop_gradient:
        return IB_CLASS_ALIAS;
    case IB_OP_map:
    case IB_OP_uniform:
        return IB_CLASS_ELEMENTWISE;
    default:
        return IB_CLASS_HEAVY;
    }
}

static ib_node input_of(const ib_node_data *n, int i) {
    return n->many ? n->many[i] : n->in[i];
}

/* Input i of a heavy op as the array it reads; IB_NO_NODE: none. What a scan's body reads from outside may be
 * virtual, it goes into the body as it is; first carries and arrays may not. */
static ib_node heavy_input(const ib_graph *g, const ib_node_data *n, int i) {
    ib_node a = input_of(n, i);
    bool captured = n->op == IB_OP_scan && (size_t)i >= n->u.scan->n_carries + n->u.scan->n_xs;
    return captured ? ib__array_base(g, a) : a;
}

/* Marks what outputs, assignments and effects need. Walking down the numbers sees consumers first. */
static void mark_live(ib_fusion *f, const ib_graph *g) {
    for (size_t i = 0; i < g->n_outputs; i++)
        f->nodes[g->outputs[i]].live = true;
    for (size_t i = 0; i < g->n_assignments; i++)
        f->nodes[g->assignments[i].value].live = true;
    for (size_t i = 0; i < g->n_effects; i++)
        f->nodes[g->effects[i].value].live = true;
    for (size_t i = g->n_nodes; i-- > 0;) {
        if (!f->nodes[i].live) continue;
        for (int k = 0; k < g->nodes[i].n_in; k++)
            f->nodes[input_of(&g->nodes[i], k)].live = true;
    }
}

/* A virtual node that is wanted as an array becomes a member of a group: a copy through its strides. */
static void need_array(ib_fusion *f, const ib_graph *g, ib_node a) {
    ib_node base = ib__alias_base(g, a);
    f->nodes[base].array_needed = true;
    if (f->nodes[base].class == IB_CLASS_VIRTUAL) f->nodes[base].class = IB_CLASS_ELEMENTWISE;
}

/* Does a chain of broadcasts and aliases end in a rank-0 constant? Then strides do not matter. */
static bool ends_in_constant(const ib_graph *g, ib_node a) {
    a = ib__alias_base(g, a);
    while (g->nodes[a].op == IB_OP_broadcast_in_dim)
        a = ib__alias_base(g, g->nodes[a].in[0]);
    return g->nodes[a].op == IB_OP_constant;
}

/* Does broadcast n read a reshape of a broadcast? Strides compose through broadcasts, but not through that:
 * the inner one must be an array. */
static bool broken_chain(const ib_graph *g, const ib_node_data *n) {
    ib_node inner = n->in[0], base = ib__alias_base(g, inner);
    return inner != base && g->nodes[base].op == IB_OP_broadcast_in_dim && !ends_in_constant(g, base);
}

/* Convolutions, pools and their gradients call back when images are final. */
static bool makes_images(ib_op op) {
    return op == IB_OP_convolution || op == IB_OP_convolution_grad_input || op == IB_OP_max_pool ||
           op == IB_OP_max_pool_grad || op == IB_OP_avg_pool || op == IB_OP_avg_pool_grad;
}

/* A sum over all axes but the last ones, of an operand that is made image by image. Where a sample is short,
 * there is little to sum up; where it is longer than a block of a sum (doc/numerics.md), there would be
 * several chains. A part of the work is some samples then, of which there must be enough for all threads. */
bool ib__sums_in_passing(const ib_graph *g, ib_node sum, size_t *count, size_t *inner) {
    enum { LEAST_SAMPLES = 16, LEAST_COUNT = 2 };
    const ib_node_data *n = &g->nodes[sum];
    if (n->op != IB_OP_reduce || n->u.reduce.op != IB_REDUCE_SUM || g->samples < LEAST_SAMPLES) return false;
    ib_op op = g->nodes[ib__alias_base(g, n->in[0])].op;
    unsigned axes = n->u.reduce.axes;
    bool made = op == IB_OP_map || op == IB_OP_uniform || makes_images(op);
    if (!made || !g->nodes[n->in[0]].batched || !(axes & 1) || (axes & (axes + 1))) return false;
    const ib_shape *shape = &g->nodes[n->in[0]].shape;
    *count = *inner = 1;
    for (int i = 0; i < shape->rank; i++)
        *(axes >> i & 1 ? count : inner) *= (size_t)shape->dims[i];
    if (*count % g->samples) return false;
    *count /= g->samples;
    return *inner > 1 && *count >= LEAST_COUNT && *count <= IB_REDUCE_COLUMN_BLOCK;
}

static void mark_arrays(ib_fusion *f, const ib_graph *g) {
    for (size_t i = 0; i < g->n_outputs; i++)
        need_array(f, g, g->outputs[i]);
    for (size_t i = 0; i < g->n_assignments; i++)
        need_array(f, g, g->assignments[i].value);
    for (size_t i = 0; i < g->n_effects; i++)
        need_array(f, g, g->effects[i].value);
    for (size_t i = 0; i < g->n_nodes; i++) {
        const ib_node_data *n = &g->nodes[i];
        if (!f->nodes[i].live) continue;
        size_t count, inner;
        if (ib__sums_in_passing(g, (ib_node)i, &count, &inner)) continue;
        if (f->nodes[i].class == IB_CLASS_HEAVY) {
            for (int k = 0; k < n->n_in; k++)
                if (heavy_input(g, n, k) != IB_NO_NODE) need_array(f, g, heavy_input(g, n, k));
        } else if (n->op == IB_OP_broadcast_in_dim) {
            if (broken_chain(g, n)) need_array(f, g, n->in[0]);
        }
    }
}

static int array_stage(const ib_fusion *f, const ib_graph *g, ib_node a);

/* A virtual node, made an array or not, is read through its own input, which may be a broadcast's array. */
static int virtual_stage(const ib_fusion *f, const ib_graph *g, ib_node a) {
    const ib_node_data *n = &g->nodes[a];
    if (n->op == IB_OP_constant) return 0;
    if (broken_chain(g, n)) return f->nodes[ib__alias_base(g, n->in[0])].stage + 1;
    return array_stage(f, g, n->in[0]);
}

/* The first stage whose elementwise nodes can read the node's array. */
static int array_stage(const ib_fusion *f, const ib_graph *g, ib_node a) {
    a = ib__alias_base(g, a);
    const ib_fused *n = &f->nodes[a];
    switch (n->class) {
    case IB_CLASS_HEAVY:
        return n->stage;
    case IB_CLASS_ELEMENTWISE:
        if (g->nodes[a].op == IB_OP_map || g->nodes[a].op == IB_OP_uniform) return n->stage + 1;
        return virtual_stage(f, g, a);
    case IB_CLASS_VIRTUAL:
        return virtual_stage(f, g, a);
    default:
        return 0;
    }
}

/* The first stage in which an elementwise node of `count` elements can use the operand. */
static int operand_stage(const ib_fusion *f, const ib_graph *g, ib_node a, size_t count) {
    ib_node base = ib__alias_base(g, a);
    ib_op op = g->nodes[base].op;
    if ((op == IB_OP_map || op == IB_OP_uniform) && ib__node_elements(g, base) == count)
        return f->nodes[base].stage;
    return array_stage(f, g, base);
}

static void assign_stages(ib_fusion *f, const ib_graph *g) {
    for (size_t i = 0; i < g->n_nodes; i++) {
        const ib_node_data *n = &g->nodes[i];
        ib_fused *fused = &f->nodes[i];
        if (!fused->live) continue;
        int stage = 0;
        if (fused->class == IB_CLASS_HEAVY) {
            stage = 1;
            for (int k = 0; k < n->n_in; k++) {
                if (heavy_input(g, n, k) == IB_NO_NODE) continue;
                ib_node base = ib__alias_base(g, heavy_input(g, n, k));
                ib_class class = f->nodes[base].class;
                if (class == IB_CLASS_SOURCE) continue;
                if (f->nodes[base].stage + 1 > stage) stage = f->nodes[base].stage + 1;
            }
        } else if (fused->class == IB_CLASS_ELEMENTWISE) {
            size_t count = ib__node_elements(g, (ib_node)i);
            if (n->op != IB_OP_map && n->op != IB_OP_uniform) stage = virtual_stage(f, g, (ib_node)i);
            for (int k = 0; k < n->n_in && n->op == IB_OP_map; k++) {
                int s = operand_stage(f, g, n->in[k], count);
                if (s > stage) stage = s;
            }
        }
        fused->stage = stage;
        if (stage + 1 > f->n_stages) f->n_stages = stage + 1;
    }
}

/* How many arrays of the node's own size it reads. */
static int full_operands(const ib_graph *g, const ib_node_data *n) {
    int full = 0;
    for (int k = 0; k < n->n_in; k++) {
        ib_node base = ib__alias_base(g, n->in[k]);
        ib_op op = g->nodes[base].op;
        if (op != IB_OP_constant && op != IB_OP_broadcast_in_dim) full++;
    }
    return full;
}

/* A node that reads at most one array and is wanted only by later elementwise stages moves to the first of
 * them: its operand is kept instead of its result, and nothing is stored twice. limit[i]: the first stage
 * that wants i. */
static void sink(ib_fusion *f, const ib_graph *g, int *limit) {
    for (size_t i = 0; i < g->n_nodes; i++)
        limit[i] = INT32_MAX;
    for (size_t i = g->n_nodes; i-- > 0;) {
        const ib_node_data *n = &g->nodes[i];
        ib_fused *fused = &f->nodes[i];
        if (!fused->live) continue;
        size_t count = ib__node_elements(g, (ib_node)i);
        if ((n->op == IB_OP_map || n->op == IB_OP_uniform) && !fused->array_needed && limit[i] != INT32_MAX &&
            limit[i] > fused->stage && full_operands(g, n) <= 1)
            fused->stage = limit[i];
        bool member = n->op == IB_OP_map || n->op == IB_OP_uniform;
        for (int k = 0; k < n->n_in; k++) {
            ib_node base = ib__alias_base(g, input_of(n, k));
            bool same = member && ib__node_elements(g, base) == count;
            int wants = same ? fused->stage : -1; /* others need the array: do not move */
            if (fused->class == IB_CLASS_ALIAS) continue;
            if (wants < limit[base]) limit[base] = wants;
        }
    }
}

/* NULL: no memory. */
static ib_group *group_new(ib_fusion *f, int stage, size_t count, ib_node after) {
    if (!ib__grow(&f->groups, &f->groups_capacity, f->n_groups + 1, sizeof *f->groups)) return NULL;
    f->groups[f->n_groups] = (ib_group){.stage = stage, .count = count, .after = after};
    return &f->groups[f->n_groups++];
}

static ib_status add_to_group(ib_fusion *f, const ib_graph *g, ib_node a, ib_error *err) {
    int stage = f->nodes[a].stage;
    size_t count = ib__node_elements(g, a), i = 0;
    while (i < f->n_groups && (f->groups[i].stage != stage || f->groups[i].count != count))
        i++;
    if (i == f->n_groups && !group_new(f, stage, count, IB_NO_NODE)) return ib__fail_memory(err);
    ib_group *group = &f->groups[i];
    if (!ib__grow(&group->nodes, &group->capacity, group->n_nodes + 1, sizeof *group->nodes))
        return ib__fail_memory(err);
    group->nodes[group->n_nodes++] = a;
    f->nodes[a].group = (int)i;
    return IB_OK;
}

/* Marks the members that are read from outside of their group. */
static void mark_stored(ib_fusion *f, const ib_graph *g) {
    for (size_t i = 0; i < g->n_nodes; i++) {
        const ib_node_data *n = &g->nodes[i];
        if (!f->nodes[i].live) continue;
        if (f->nodes[i].array_needed) f->nodes[i].stored = true;
        if (f->nodes[i].class != IB_CLASS_ELEMENTWISE) continue;
        for (int k = 0; k < n->n_in; k++) {
            ib_node direct = ib__alias_base(g, n->in[k]), base = ib__array_base(g, n->in[k]);
            if (base == IB_NO_NODE || f->nodes[base].class != IB_CLASS_ELEMENTWISE) continue;
            if (base != direct || f->nodes[base].group != f->nodes[i].group ||
                n->op == IB_OP_broadcast_in_dim)
                f->nodes[base].stored = true;
        }
    }
}

/* Can the op call back when blocks of its output are final? */
static bool has_epilogue(const ib_node_data *n) {
    return makes_images(n->op) || (n->op == IB_OP_dot_general && n->u.dot.n_batch == 0);
}

static void attach_epilogues(ib_fusion *f, const ib_graph *g) {
    for (size_t i = 0; i < f->n_groups; i++) {
        ib_group *group = &f->groups[i];
        ib_node only = IB_NO_NODE;
        bool good = true;
        for (size_t j = 0; j < group->n_nodes && good; j++) {
            const ib_node_data *n = &g->nodes[group->nodes[j]];
            for (int k = 0; k < n->n_in; k++) {
                ib_node base = ib__array_base(g, n->in[k]);
                if (base == IB_NO_NODE || f->nodes[base].class != IB_CLASS_HEAVY ||
                    f->nodes[base].stage != group->stage)
                    continue;
                bool direct = ib__alias_base(g, n->in[k]) == base && n->op != IB_OP_broadcast_in_dim;
                good &= direct && (only == IB_NO_NODE || only == base);
                only = base;
            }
        }
        if (!good || only == IB_NO_NODE || !has_epilogue(&g->nodes[only])) continue;
        if (ib__node_elements(g, only) == group->count && group->count > 0) group->after = only;
    }
}

int ib__epilogue_of(const ib_fusion *f, ib_node node) {
    for (size_t k = 0; k < f->n_groups; k++)
        if (f->groups[k].after == node) return (int)k;
    return -1;
}

/* A heavy op's sum in passing needs an epilogue, if only for itself. */
static bool need_epilogue(ib_fusion *f, const ib_graph *g, ib_node a) {
    return ib__epilogue_of(f, a) >= 0 || group_new(f, f->nodes[a].stage, ib__node_elements(g, a), a) != NULL;
}

/* Sums over the batch whose operands are made sample by sample are computed in passing; those of products,
 * which come in blocks of columns, are not. */
static ib_status attach_sums(ib_fusion *f, const ib_graph *g, ib_error *err) {
    size_t count, inner;
    for (size_t i = 0; i < g->n_nodes; i++) {
        if (!f->nodes[i].live || !ib__sums_in_passing(g, (ib_node)i, &count, &inner)) continue;
        ib_node base = ib__alias_base(g, g->nodes[i].in[0]);
        ib_fused *operand = &f->nodes[base];
        if (operand->class == IB_CLASS_HEAVY) {
            if (!need_epilogue(f, g, base)) return ib__fail_memory(err);
            f->nodes[i].in_passing = true;
            continue;
        }
        ib_node after = f->groups[operand->group].after;
        f->nodes[i].in_passing = after == IB_NO_NODE || g->nodes[after].op != IB_OP_dot_general;
        operand->stored |= !f->nodes[i].in_passing;
    }
    return IB_OK;
}

ib_status ib__fuse(ib_fusion *f, const ib_graph *g, ib_error *err) {
    *f = (ib_fusion){0};
    f->nodes = calloc(g->n_nodes + 1, sizeof *f->nodes);
    int *limit = malloc((g->n_nodes + 1) * sizeof *limit);
    ib_status status = IB_OK;
    if (!f->nodes || !limit) {
        status = ib__fail_memory(err);
        goto done;
    }
    for (size_t i = 0; i < g->n_nodes; i++) {
        f->nodes[i].class = classify(&g->nodes[i]);
        f->nodes[i].group = -1;
    }
    mark_live(f, g);
    mark_arrays(f, g);
    assign_stages(f, g);
    sink(f, g, limit);
    for (size_t i = 0; i < g->n_nodes && status == IB_OK; i++)
        if (f->nodes[i].live && f->nodes[i].class == IB_CLASS_ELEMENTWISE)
            status = add_to_group(f, g, (ib_node)i, err);
    mark_stored(f, g);
    attach_epilogues(f, g);
    if (status == IB_OK) status = attach_sums(f, g, err);
done:
    free(limit);
    if (status != IB_OK) ib__fusion_free(f);
    return status;
}

void ib__fusion_free(ib_fusion *f) {
    for (size_t i = 0; i < f->n_groups; i++)
        free(f->groups[i].nodes);
    free(f->groups);
    free(f->nodes);
    *f = (ib_fusion){0};
}
