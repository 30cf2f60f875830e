/* SPDX-License-Identifier: Apache-2.0
 *
 * Lowering: nodes become steps (a kernel with its arguments) that name buffers. Shapes alone decide how work
 * is cut; strides that a kernel cannot take are made contiguous by a copy first.
 */
#include "graph/emit.h"

#include <string.h>

enum { PROGRAM_PART = 32768 };

/* ---- Copies ---- */

static void row_major(const ib_shape *shape, size_t strides[IB_RANK_MAX]) {
    size_t step = 1;
    memset(strides, 0, IB_RANK_MAX * sizeof *strides);
    for (int i = shape->rank; i-- > 0;) {
        strides[i] = step;
        step *= (size_t)shape->dims[i];
    }
}

static bool emit_copy(ib_plan *plan, ib_node node, int from, int to, ib_copy *copy) {
    ib__copy_simplify(copy);
    ib_step *step = ib__step_new(plan, IB_STEP_COPY, node);
    if (!step) return false;
    step->u.copy = *copy;
    size_t rows = ib__copy_rows(copy);
    step->parts = ib__step_parts(plan, rows * copy->dims[copy->rank - 1], rows, 4);
    return ib__step_buffers(plan, step, from, -1, 1, to);
}

/* dst[j0, j1, ...] = src[...] with dst axis i = src axis permutation[i]; dst contiguous. */
static bool emit_transpose(ib_plan *plan, ib_node node, int from, int to, const ib_shape *shape,
                           const int *permutation) {
    size_t strides[IB_RANK_MAX];
    row_major(shape, strides);
    ib_copy copy = {.rank = shape->rank};
    size_t step = 1;
    for (int i = shape->rank; i-- > 0;) {
        copy.dims[i] = (size_t)shape->dims[permutation[i]];
        copy.src_strides[i] = strides[permutation[i]];
        copy.dst_strides[i] = step;
        step *= copy.dims[i];
    }
    return emit_copy(plan, node, from, to, &copy);
}

/* ---- Products ---- */

/* Axes in the given order as one axis: total length and stride. false: they are not evenly spaced. */
static bool collapse(const ib_shape *shape, const size_t *strides, const int *axes, int n, size_t *length,
                     size_t *stride) {
    *length = 1;
    *stride = 0;
    for (int i = n; i-- > 0;) {
        size_t d = (size_t)shape->dims[axes[i]];
        if (d == 1) continue;
        if (*length == 1)
            *stride = strides[axes[i]];
        else if (strides[axes[i]] != *stride * *length)
            return false;
        *length *= d;
    }
    return true;
}

typedef struct matrix {
    int buffer;
    size_t batch, rows, cols, batch_step, row, col;
} matrix;

static void add_axes(const ib_shape *shape, const int *axes, int n, int *permutation, int *at,
                     size_t *length) {
    for (int i = 0; i < n; i++) {
        permutation[(*at)++] = axes[i];
        *length *= (size_t)shape->dims[axes[i]];
    }
}

/* An operand as [batch, rows, cols] with one of the strides 1; copied into that form if it must be, and what
 * lies side by side then stays so: a copy number by number costs more than a product that reads columns. */
static bool as_matrix(ib_plan *plan, ib_node operand, const int *batch, int nb, const int *rows, int nr,
                      const int *cols, int nc, matrix *out) {
    const ib_shape shape = plan->g->nodes[operand].shape;
    size_t strides[IB_RANK_MAX];
    row_major(&shape, strides);
    out->buffer = ib__buffer_for(plan, operand);
    if (out->buffer < 0) return false;
    bool good = collapse(&shape, strides, batch, nb, &out->batch, &out->batch_step);
    good = collapse(&shape, strides, rows, nr, &out->rows, &out->row) && good;
    good = collapse(&shape, strides, cols, nc, &out->cols, &out->col) && good;
    if (good && out->rows == 1) out->row = out->col == 1 ? out->cols : 1;
    if (good && out->cols == 1) out->col = out->row == 1 ? out->rows : 1;
    if (good && (out->row == 1 || out->col == 1)) return true;
    bool turned = nr > 0 && strides[rows[nr - 1]] == 1;
    int permutation[IB_RANK_MAX], n = 0;
    out->batch = out->rows = out->cols = 1;
    add_axes(&shape, batch, nb, permutation, &n, &out->batch);
    if (turned) add_axes(&shape, cols, nc, permutation, &n, &out->cols);
    add_axes(&shape, rows, nr, permutation, &n, &out->rows);
    if (!turned) add_axes(&shape, cols, nc, permutation, &n, &out->cols);
    out->row = turned ? 1 : out->cols;
    out->col = turned ? out->rows : 1;
    out->batch_step = out->rows * out->cols;
    int from = out->buffer;
    out->buffer = ib__buffer_new(plan, out->batch * out->batch_step, NULL);
    return out->buffer >= 0 && emit_transpose(plan, IB_NO_NODE, from, out->buffer, &shape, permutation);
}

static bool lower_dot(ib_plan *plan, ib_node node) {
    const ib_graph *g = plan->g;
    const ib_node_data *n = &g->nodes[node];
    const ib_dot_axes *d = &n->u.dot;
    int fa[IB_RANK_MAX], fb[IB_RANK_MAX];
    int na = ib__rest_axes(g->nodes[n->in[0]].shape.rank, d->a_batch, d->n_batch, d->a_contract,
                           d->n_contract, fa);
    int nb = ib__rest_axes(g->nodes[n->in[1]].shape.rank, d->b_batch, d->n_batch, d->b_contract,
                           d->n_contract, fb);
    matrix a, b;
    if (!as_matrix(plan, n->in[0], d->a_batch, d->n_batch, fa, na, d->a_contract, d->n_contract, &a) ||
        !as_matrix(plan, n->in[1], d->b_batch, d->n_batch, d->b_contract, d->n_contract, fb, nb, &b))
        return false;
    ib_step *step = ib__step_new(plan, IB_STEP_GEMM, node);
    if (!step) return false;
    ib_gemm_args *args = &step->u.gemm.args;
    *args = (ib_gemm_args){.m = a.rows,
                           .n = b.cols,
                           .k = a.cols,
                           .a_row = a.row,
                           .a_col = a.col,
                           .b_row = b.row,
                           .b_col = b.col,
                           .c_row = b.cols};
    bool over_samples = d->n_contract > 0 && d->a_contract[0] == 0 && d->b_contract[0] == 0 &&
                        g->nodes[n->in[0]].batched && g->nodes[n->in[1]].batched;
    if (over_samples && g->lanes > 1) {
        args->lanes = g->lanes;
        args->samples = g->samples;
    }
    size_t result = a.rows * b.cols;
    size_t groups = args->lanes > 1 ? ib__lane_groups(plan, (args->m + args->n) * args->k, result) : 0;
    if (groups && a.batch == 1 && ib__epilogue_of(&plan->fusion, node) < 0) {
        args->lanes /= groups;
        args->samples /= groups;
        args->k /= groups;
        step->u.gemm.batch = step->parts = groups;
        step->u.gemm.a_step = args->k * args->a_col;
        step->u.gemm.b_step = args->k * args->b_row;
        step->u.gemm.c_step = result;
        step->u.gemm.inner_parts = 1;
        step->node = IB_NO_NODE;
        return ib__emit_lane_sums(plan, step, a.buffer, b.buffer, 2, node, groups, result);
    }
    step->u.gemm.batch = a.batch;
    step->u.gemm.a_step = a.batch_step;
    step->u.gemm.b_step = b.batch_step;
    step->u.gemm.c_step = a.rows * b.cols;
    step->columns = b.cols;
    size_t work = args->m * args->n * (args->k ? args->k : 1) * a.batch;
    size_t threads = work < IB__SMALL_WORK ? 1 : ib__pool_threads(plan->pool);
    step->u.gemm.inner_parts = a.batch >= threads ? 1 : threads;
    step->parts = a.batch > 1 && work < IB__SMALL_WORK ? a.batch : a.batch * step->u.gemm.inner_parts;
    return ib__step_buffers(plan, step, a.buffer, b.buffer, 2, ib__buffer_for(plan, node));
}

/* ---- Reductions ---- */

/* The reduced axes as one block [outer, count, inner]; false: kept axes lie between them. */
static bool one_block(const ib_shape *shape, unsigned axes, size_t *outer, size_t *count, size_t *inner) {
    *outer = *count = *inner = 1;
    int phase = 0;
    for (int i = 0; i < shape->rank; i++) {
        size_t d = (size_t)shape->dims[i];
        bool reduced = axes >> i & 1;
        if (d == 1) continue;
        if (reduced && phase == 2) return false;
        if (reduced) phase = 1;
        if (!reduced && phase == 1) phase = 2;
        *(phase == 0 ? outer : phase == 1 ? count : inner) *= d;
    }
    return true;
}

/* Sums over the batch: a sum for each lane, then the tree over the lanes. x: [samples, count, inner]. */
static bool emit_lanes(ib_plan *plan, ib_node node, int x, size_t count, size_t inner) {
    const ib_graph *g = plan->g;
    ib_step *step = ib__step_new(plan, IB_STEP_REDUCE_LANES, IB_NO_NODE);
    if (!step) return false;
    step->u.lanes =
        (ib_reduce_lanes_args){.samples = g->samples, .count = count, .inner = inner, .lanes = g->lanes};
    step->parts = ib__step_parts(plan, g->samples * count * inner, g->lanes * ((inner + 15) / 16), 4);
    return ib__emit_lane_sums(plan, step, x, -1, 1, node, g->lanes, inner);
}

/* A sum of which a program has summed up the samples. */
static bool lower_in_passing(ib_plan *plan, ib_node node) {
    for (size_t k = 0; k < plan->fusion.n_groups; k++)
        for (int i = 0; i < plan->programs[k].n_totals; i++) {
            const ib_total *t = &plan->programs[k].totals[i];
            if (t->node == node) return emit_lanes(plan, node, t->buffer, 1, t->inner);
        }
    return false;
}

static bool lower_reduce(ib_plan *plan, ib_node node) {
    const ib_graph *g = plan->g;
    const ib_node_data *n = &g->nodes[node];
    if (plan->fusion.nodes[node].in_passing) return lower_in_passing(plan, node);
    const ib_shape shape = g->nodes[n->in[0]].shape;
    unsigned axes = n->u.reduce.axes;
    ib_reduce_op op = n->u.reduce.op;
    bool over_samples = op == IB_REDUCE_SUM && (axes & 1) && g->nodes[n->in[0]].batched;
    size_t outer, count, inner;
    int x = ib__buffer_for(plan, n->in[0]);
    bool together = one_block(&shape, axes, &outer, &count, &inner);
    if (!together || (over_samples && outer != 1)) {
        /* Kept axes lie between (with one sample, they may seem to come first): reduced axes go to the front
         * (sums over samples) or to the back. */
        int permutation[IB_RANK_MAX], at = 0;
        for (int pass = 0; pass < 2; pass++)
            for (int i = 0; i < shape.rank; i++)
                if ((axes >> i & 1) == (over_samples ? pass == 0 : pass == 1)) permutation[at++] = i;
        outer = count = inner = 1;
        for (int i = 0; i < shape.rank; i++)
            *(axes >> i & 1 ? &count : over_samples ? &inner : &outer) *= (size_t)shape.dims[i];
        int moved = ib__buffer_new(plan, outer * count * inner, NULL);
        if (moved < 0 || x < 0 || !emit_transpose(plan, IB_NO_NODE, x, moved, &shape, permutation))
            return false;
        x = moved;
    }
    if (over_samples && g->samples > 0 && count % g->samples == 0)
        return emit_lanes(plan, node, x, count / g->samples, inner);
    ib_step *step = ib__step_new(plan, IB_STEP_REDUCE, node);
    if (!step) return false;
    step->u.reduce = (ib_reduce_args){.op = op, .outer = outer, .count = count, .inner = inner};
    step->parts = ib__step_parts(plan, outer * count * inner, outer * ((inner + 15) / 16), 4);
    return ib__step_buffers(plan, step, x, -1, 1, ib__buffer_for(plan, node));
}

/* ---- Layout ---- */

static bool lower_concatenate(ib_plan *plan, ib_node node) {
    const ib_graph *g = plan->g;
    const ib_node_data *n = &g->nodes[node];
    int axis = n->u.dims[0];
    size_t out[IB_RANK_MAX], at = 0;
    row_major(&n->shape, out);
    for (int i = 0; i < n->n_in; i++) {
        const ib_shape *part = &g->nodes[n->many[i]].shape;
        ib_copy copy = {.rank = part->rank, .dst_offset = at * out[axis]};
        row_major(part, copy.src_strides);
        for (int d = 0; d < part->rank; d++) {
            copy.dims[d] = (size_t)part->dims[d];
            copy.dst_strides[d] = out[d];
        }
        at += (size_t)part->dims[axis];
        ib_node named = i + 1 == n->n_in ? node : IB_NO_NODE;
        if (!emit_copy(plan, named, ib__buffer_for(plan, n->many[i]), ib__buffer_for(plan, node), &copy))
            return false;
    }
    return true;
}

/* slice: a part of the input; pad: the input as a part of the output. */
static bool lower_range(ib_plan *plan, ib_node node) {
    const ib_graph *g = plan->g;
    const ib_node_data *n = &g->nodes[node];
    bool slice = n->op == IB_OP_slice;
    const ib_shape *in = &g->nodes[n->in[0]].shape, *part = slice ? &n->shape : in;
    int from = ib__buffer_for(plan, n->in[0]), to = ib__buffer_for(plan, node);
    if (!slice) {
        ib_step *step = ib__step_new(plan, IB_STEP_FILL, IB_NO_NODE);
        if (!step) return false;
        step->u.fill = n->u.range.fill;
        if (!ib__step_buffers(plan, step, to, -1, 1, to)) return false;
    }
    ib_copy copy = {.rank = in->rank};
    row_major(in, copy.src_strides);
    row_major(&n->shape, copy.dst_strides);
    for (int d = 0; d < in->rank; d++) {
        copy.dims[d] = (size_t)part->dims[d];
        size_t low = (size_t)n->u.range.low[d];
        *(slice ? &copy.src_offset : &copy.dst_offset) +=
            low * (slice ? copy.src_strides[d] : copy.dst_strides[d]);
    }
    return emit_copy(plan, node, from, to, &copy);
}

/* ---- Gather, scatter, calls, scans ---- */

static bool lower_gather(ib_plan *plan, ib_node node) {
    const ib_graph *g = plan->g;
    const ib_node_data *n = &g->nodes[node];
    ib_step *step = ib__step_new(plan, IB_STEP_GATHER, node);
    if (!step) return false;
    size_t rows = (size_t)g->nodes[n->in[0]].shape.dims[0], count = ib__node_elements(g, n->in[1]);
    step->u.gather.rows = rows;
    step->u.gather.width = ib__node_elements(g, n->in[0]) / rows;
    step->u.gather.count = count;
    step->parts = ib__step_parts(plan, count * step->u.gather.width, count, 4);
    return ib__step_buffers(plan, step, ib__buffer_for(plan, n->in[0]), ib__buffer_for(plan, n->in[1]), 2,
                            ib__buffer_for(plan, node));
}

/* Is the node an array that one effect reads and nothing else? */
static bool only_for_effect(const ib_plan *plan, ib_node node) {
    const ib_graph *g = plan->g;
    size_t effects = 0, others = 0;
    for (size_t i = 0; i < g->n_effects; i++)
        effects += ib__alias_base(g, g->effects[i].value) == node;
    for (size_t i = 0; i < g->n_assignments; i++)
        others += ib__alias_base(g, g->assignments[i].value) == node;
    for (size_t i = 0; i < g->n_outputs; i++)
        others += ib__alias_base(g, g->outputs[i]) == node;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const ib_node_data *n = &g->nodes[i];
        bool reads = plan->fusion.nodes[i].live && plan->fusion.nodes[i].class != IB_CLASS_ALIAS;
        for (int k = 0; k < n->n_in && reads; k++)
            others += ib__alias_base(g, n->many ? n->many[k] : n->in[k]) == node;
    }
    return effects == 1 && others == 0;
}

/* The gradient of an Embedding's table has as many rows as the table, nearly all zero: where only the update
 * reads it, its rows are made a few at a time, just before they are used. */
static bool lower_scatter(ib_plan *plan, ib_node node) {
    const ib_graph *g = plan->g;
    const ib_node_data *n = &g->nodes[node];
    size_t count = ib__node_elements(g, n->in[0]), rows = (size_t)n->shape.dims[0];
    int lists = ib__buffer_new(plan, rows + count, NULL), updates = ib__buffer_for(plan, n->in[1]);
    ib_step *first = ib__step_new(plan, IB_STEP_SCATTER_LISTS, IB_NO_NODE);
    if (!first) return false;
    first->u.scatter = (ib_scatter_args){.samples = count, .per = 1, .rows = rows};
    if (!ib__step_buffers(plan, first, ib__buffer_for(plan, n->in[0]), -1, 1, lists)) return false;
    ib_step *step = ib__step_new(plan, IB_STEP_SCATTER, node);
    if (!step || updates < 0) return false;
    bool batched = g->nodes[n->in[0]].batched && g->samples > 0 && count % g->samples == 0;
    step->u.scatter = (ib_scatter_args){.samples = batched ? g->samples : count,
                                        .per = batched ? count / g->samples : 1,
                                        .width = rows ? ib__node_elements(g, node) / rows : 0,
                                        .rows = rows,
                                        .lanes = batched ? g->lanes : 1};
    bool late = ib__node_elements(g, node) > 0 && only_for_effect(plan, node);
    step->parts = late ? 0 : ib__step_parts(plan, ib__node_elements(g, node), rows, 1);
    return ib__step_buffers(plan, step, lists, updates, 2,
                            step->parts ? ib__buffer_for(plan, node) : updates);
}

static bool lower_call(ib_plan *plan, ib_node node) {
    const ib_graph *g = plan->g;
    const ib_node_data *n = &g->nodes[node];
    ib_step *step = ib__step_new(plan, IB_STEP_CUSTOM_CALL, node);
    if (!step) return false;
    size_t rows = (size_t)n->shape.dims[0], work = ib__node_elements(g, node);
    step->u.call.run = n->u.call.run;
    step->u.call.context = n->u.call.context;
    step->u.call.count = rows;
    step->u.call.rows.out_width = rows ? work / rows : 0;
    for (int i = 0; i < n->n_in; i++) {
        size_t words = ib__node_elements(g, n->in[i]);
        step->u.call.rows.width[i] = rows ? words / rows : 0;
        work += words;
    }
    step->parts = ib__step_parts(plan, 8 * work, rows, 4);
    int second = n->n_in > 1 ? ib__buffer_for(plan, n->in[1]) : -1;
    return ib__step_buffers(plan, step, ib__buffer_for(plan, n->in[0]), second, n->n_in,
                            ib__buffer_for(plan, node));
}

/* All that the body reads and gives lives at this step. */
static bool lower_scan(ib_plan *plan, ib_node node) {
    const ib_graph *g = plan->g;
    const ib_node_data *n = &g->nodes[node];
    const ib_scan *scan = n->u.scan;
    ib_step *step = ib__step_new(plan, IB_STEP_SCAN, IB_NO_NODE);
    if (!step) return false;
    step->u.scan.scan = scan;
    step->parts = ib__scan_parts(plan, scan);
    int index = (int)plan->n_steps - 1;
    for (int k = 0; k < n->n_in; k++) {
        bool captured = (size_t)k >= scan->n_carries + scan->n_xs;
        ib_node a = captured ? ib__array_base(g, n->many[k]) : n->many[k];
        if (a == IB_NO_NODE) continue;
        int buffer = ib__buffer_for(plan, a);
        if (buffer < 0) return false;
        ib__buffer_touch(plan, buffer, index);
    }
    for (size_t i = 0; i < scan->n_carries + scan->n_ys; i++) {
        ib_node result = i < scan->n_carries ? scan->carries[i].final : scan->ys[i - scan->n_carries].outer;
        if (result == IB_NO_NODE || !plan->fusion.nodes[result].live) continue;
        int buffer = ib__buffer_for(plan, result);
        if (buffer < 0) return false;
        ib__buffer_touch(plan, buffer, index);
        plan->buffers[buffer].by_steps = i >= scan->n_carries && ib__scans_alone_read(plan, result);
    }
    return true;
}

/* A copy that reads one axis from its end; the stride's negative is taken modulo the size of size_t. */
static bool lower_reverse(ib_plan *plan, ib_node node) {
    const ib_node_data *n = &plan->g->nodes[node];
    int axis = n->u.dims[0];
    ib_copy copy = {.rank = n->shape.rank};
    row_major(&n->shape, copy.src_strides);
    row_major(&n->shape, copy.dst_strides);
    for (int d = 0; d < copy.rank; d++)
        copy.dims[d] = (size_t)n->shape.dims[d];
    if (copy.dims[axis] > 0) copy.src_offset = (copy.dims[axis] - 1) * copy.src_strides[axis];
    copy.src_strides[axis] = 0 - copy.src_strides[axis];
    return emit_copy(plan, node, ib__buffer_for(plan, n->in[0]), ib__buffer_for(plan, node), &copy);
}

static bool lower_heavy(ib_plan *plan, ib_node node) {
    const ib_node_data *n = &plan->g->nodes[node];
    switch (n->op) {
    case IB_OP_dot_general:
        return lower_dot(plan, node);
    case IB_OP_convolution:
    case IB_OP_convolution_grad_input:
    case IB_OP_convolution_grad_kernel:
        return ib__lower_convolution(plan, node);
    case IB_OP_max_pool:
    case IB_OP_max_pool_grad:
    case IB_OP_avg_pool:
    case IB_OP_avg_pool_grad:
        return ib__lower_pool(plan, node);
    case IB_OP_reduce:
        return lower_reduce(plan, node);
    case IB_OP_transpose:
        return emit_transpose(plan, node, ib__buffer_for(plan, n->in[0]), ib__buffer_for(plan, node),
                              &plan->g->nodes[n->in[0]].shape, n->u.dims);
    case IB_OP_concatenate:
        return lower_concatenate(plan, node);
    case IB_OP_reverse:
        return lower_reverse(plan, node);
    case IB_OP_gather:
        return lower_gather(plan, node);
    case IB_OP_scatter_add:
        return lower_scatter(plan, node);
    case IB_OP_custom_call:
        return lower_call(plan, node);
    case IB_OP_scan:
        return lower_scan(plan, node);
    case IB_OP_scan_result:
        return true; /* the scan has made it */
    default:
        return lower_range(plan, node);
    }
}

/* ---- Groups ---- */

/* The group's arrays live at this step. */
static bool touch_program(ib_plan *plan, ib_program *p, int step) {
    for (int i = 0; i < p->n_loads; i++) {
        if (p->loads[i].kind == IB_LOAD_CONSTANT) continue;
        int buffer = ib__buffer_for(plan, p->loads[i].node);
        if (buffer < 0) return false;
        ib__buffer_touch(plan, buffer, step);
    }
    for (int i = 0; i < p->n_outputs; i++) {
        int buffer = ib__buffer_for(plan, p->outputs[i].node);
        if (buffer < 0) return false;
        ib__buffer_touch(plan, buffer, step);
    }
    for (int i = 0; i < p->n_totals; i++) {
        p->totals[i].buffer = ib__buffer_new(plan, p->samples * p->totals[i].inner, NULL);
        if (p->totals[i].buffer < 0) return false;
        ib__buffer_touch(plan, p->totals[i].buffer, step);
    }
    return true;
}

/* What an element costs, in elements of a sum: functions and random numbers take ten times as long. */
static size_t program_cost(const ib_program *p) {
    size_t cost = 1;
    for (int i = 0; i < p->n_code; i++)
        cost += p->code[i].draw || p->code[i].op >= IB_MAP_exp ? 10 : 1;
    return cost;
}

static bool emit_group(ib_plan *plan, int group) {
    ib_program *p = &plan->programs[group];
    ib_node named = p->n_outputs ? p->outputs[p->n_outputs - 1].node : IB_NO_NODE;
    ib_step *step = ib__step_new(plan, IB_STEP_PROGRAM, named);
    if (!step) return false;
    step->epilogue = group;
    size_t pieces = p->samples ? p->samples : (p->count + p->tile - 1) / p->tile;
    step->parts = p->count * program_cost(p) / PROGRAM_PART + 1;
    if (step->parts > pieces) step->parts = pieces ? pieces : 1;
    return touch_program(plan, p, (int)plan->n_steps - 1);
}

static bool emit_stage(ib_plan *plan, int stage) {
    const ib_graph *g = plan->g;
    const ib_fusion *f = &plan->fusion;
    for (size_t i = 0; i < g->n_nodes; i++) {
        if (!f->nodes[i].live || f->nodes[i].class != IB_CLASS_HEAVY || f->nodes[i].stage != stage) continue;
        if (!lower_heavy(plan, (ib_node)i)) return false;
        int epilogue = ib__epilogue_of(&plan->fusion, (ib_node)i);
        if (epilogue < 0) continue;
        ib_step *step = &plan->steps[plan->n_steps - 1];
        ib_program *program = &plan->programs[epilogue];
        step->epilogue = epilogue;
        /* Convolutions cut between images where these can be shared out evenly. */
        while (program->samples && program->samples % step->parts)
            step->parts--;
        if (!touch_program(plan, program, (int)plan->n_steps - 1)) return false;
    }
    for (size_t k = 0; k < f->n_groups; k++)
        if (f->groups[k].stage == stage && f->groups[k].after == IB_NO_NODE && !emit_group(plan, (int)k))
            return false;
    return true;
}

ib_status ib__plan_lower(ib_plan *plan, ib_error *err) {
    const ib_graph *g = plan->g;
    for (size_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].op == IB_OP_input && ib__buffer_for(plan, (ib_node)i) < 0)
            return ib__fail_memory(err);
    for (int stage = 0; stage < plan->fusion.n_stages; stage++)
        if (!emit_stage(plan, stage)) return ib__fail_memory(err);
    if (!ib__emit_effects(plan)) return ib__fail_memory(err);
    for (size_t i = 0; i < g->n_outputs; i++) {
        int buffer = ib__buffer_for(plan, g->outputs[i]);
        if (buffer < 0) return ib__fail_memory(err);
        ib__buffer_touch(plan, buffer, INT32_MAX);
    }
    ib__join_images(plan);
    return IB_OK;
}
