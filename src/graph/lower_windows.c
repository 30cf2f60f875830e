/* SPDX-License-Identifier: Apache-2.0
 *
 * Lowering of convolutions, pools and their gradients: windows as kernels see them.
 */
#include "graph/emit.h"

#include "kernels/pool/window.h"

#include <string.h>

/* One axis of a window as kernels see it. */
typedef struct axis {
    size_t in, out, taps, stride, dilation, low;
} axis;

/* Planes (0), rows (1) or columns (2); a window over fewer axes has one plane and one row. */
static axis axis_of(const ib_window *w, const ib_shape *x, const ib_shape *y, int which) {
    int i = which - (5 - x->rank);
    if (i < 0) return (axis){1, 1, 1, 1, 1, 0};
    axis a = {(size_t)x->dims[1 + i], (size_t)y->dims[1 + i], (size_t)w->taps[i],
              (size_t)w->strides[i],  (size_t)w->dilation[i], (size_t)w->low[i]};
    if (w->even[i] > 0) {
        a.taps = a.low = 0;
        a.stride = 1;
    }
    return a;
}

bool ib__lower_convolution(ib_plan *plan, ib_node node) {
    const ib_graph *g = plan->g;
    const ib_node_data *n = &g->nodes[node];
    ib_step_kind kind = n->op == IB_OP_convolution              ? IB_STEP_CONVOLUTION
                        : n->op == IB_OP_convolution_grad_input ? IB_STEP_CONVOLUTION_GRAD_INPUT
                                                                : IB_STEP_CONVOLUTION_GRAD_KERNEL;
    const ib_shape *first = &g->nodes[n->in[0]].shape, *second = &g->nodes[n->in[1]].shape;
    const ib_shape *x = kind == IB_STEP_CONVOLUTION_GRAD_INPUT ? &n->shape : first;
    const ib_shape *y = kind == IB_STEP_CONVOLUTION              ? &n->shape
                        : kind == IB_STEP_CONVOLUTION_GRAD_INPUT ? first
                                                                 : second;
    ib_step *step = ib__step_new(plan, kind, node);
    if (!step) return false;
    axis d = axis_of(&n->u.window.window, x, y, 0), h = axis_of(&n->u.window.window, x, y, 1);
    axis w = axis_of(&n->u.window.window, x, y, 2);
    bool weights = kind == IB_STEP_CONVOLUTION_GRAD_KERNEL;
    bool lanes = weights && g->nodes[n->in[0]].batched && g->nodes[n->in[1]].batched;
    ib_conv_args *args = &step->u.convolution;
    *args = (ib_conv_args){
        .n = (size_t)x->dims[0],
        .ci = (size_t)x->dims[x->rank - 1],
        .co = (size_t)y->dims[y->rank - 1],
        .d = d.in,
        .h = h.in,
        .w = w.in,
        .od = d.out,
        .oh = h.out,
        .ow = w.out,
        .kd = d.taps,
        .kh = h.taps,
        .kw = w.taps,
        .sd = d.stride,
        .sh = h.stride,
        .sw = w.stride,
        .dd = d.dilation,
        .dh = h.dilation,
        .dw = w.dilation,
        .pd = d.low,
        .ph = h.low,
        .pw = w.low,
        .groups = (size_t)n->u.window.groups,
        .lanes = lanes ? g->lanes : 1,
    };
    step->columns = (size_t)n->shape.dims[n->shape.rank - 1];
    size_t kernel = ib__node_elements(g, node);
    size_t read = ib__node_elements(g, n->in[0]) + ib__node_elements(g, n->in[1]);
    size_t groups = ib__lane_groups(plan, read, kernel);
    if (lanes && groups) {
        step->kind = IB_STEP_CONVOLUTION_GRAD_LANES;
        step->node = IB_NO_NODE;
        step->parts = groups;
        return ib__emit_lane_sums(plan, step, ib__buffer_for(plan, n->in[0]), ib__buffer_for(plan, n->in[1]),
                                  2, node, groups, kernel);
    }
    step->parts = ib__step_parts(plan, IB__SMALL_WORK, weights ? SIZE_MAX : args->n * args->d * args->h,
                                 weights ? 1 : 4);
    return ib__step_buffers(plan, step, ib__buffer_for(plan, n->in[0]), ib__buffer_for(plan, n->in[1]), 2,
                            ib__buffer_for(plan, node));
}

static ib_step *pool_step(ib_plan *plan, ib_node node, ib_op op, const ib_pool_args *args, int hits) {
    ib_step *step = ib__step_new(plan, IB_STEP_POOL, node);
    if (!step) return NULL;
    step->u.pool.op = op;
    step->u.pool.args = *args;
    step->u.pool.hits = hits;
    step->parts = ib__step_parts(plan, args->n * args->d * args->h * args->w * args->c, args->n, 4);
    return step;
}

/* The buffer of what a max pool over x with these windows says of its maxima, for its gradient; -1: no
 * memory. If there is no such pool in this plan, there will be one for that alone. */
static int hits_of(ib_plan *plan, int x, const ib_pool_args *args) {
    size_t pixels = args->n * args->od * args->oh * args->ow, at = 0;
    for (; at < plan->n_steps; at++) {
        const ib_step *step = &plan->steps[at];
        bool max = step->kind == IB_STEP_POOL && step->u.pool.op == IB_OP_max_pool;
        if (max && step->in[0] == x && memcmp(&step->u.pool.args, args, sizeof *args) == 0) break;
    }
    if (at == plan->n_steps) {
        int out = ib__buffer_new(plan, pixels * args->c, NULL);
        ib_step *step = pool_step(plan, IB_NO_NODE, IB_OP_max_pool, args, -1);
        if (!step || !ib__step_buffers(plan, step, x, -1, 1, out)) return -1;
    }
    int *hits = &plan->steps[at].u.pool.hits;
    if (*hits < 0) *hits = ib__buffer_new(plan, (pixels * ib__pool_hits(args) + 1) / 2, NULL);
    ib__buffer_touch(plan, *hits, (int)at);
    return *hits;
}

bool ib__lower_pool(ib_plan *plan, ib_node node) {
    const ib_graph *g = plan->g;
    const ib_node_data *n = &g->nodes[node];
    bool backward = n->n_in == 2;
    const ib_shape *x = &g->nodes[n->in[0]].shape;
    const ib_shape *y = backward ? &g->nodes[n->in[1]].shape : &n->shape;
    axis d = axis_of(&n->u.window.window, x, y, 0), h = axis_of(&n->u.window.window, x, y, 1);
    axis w = axis_of(&n->u.window.window, x, y, 2);
    const ib_pool_args args = {
        .n = (size_t)x->dims[0],
        .c = (size_t)x->dims[x->rank - 1],
        .d = d.in,
        .h = h.in,
        .w = w.in,
        .od = d.out,
        .oh = h.out,
        .ow = w.out,
        .kd = d.taps,
        .kh = h.taps,
        .kw = w.taps,
        .sd = d.stride,
        .sh = h.stride,
        .sw = w.stride,
        .pd = d.low,
        .ph = h.low,
        .pw = w.low,
    };
    int hits = -1;
    if (n->op == IB_OP_max_pool_grad) {
        hits = hits_of(plan, ib__buffer_for(plan, n->in[0]), &args);
        if (hits < 0) return false;
    }
    ib_step *step = pool_step(plan, node, n->op, &args, hits);
    if (!step) return false;
    return ib__step_buffers(plan, step, ib__buffer_for(plan, n->in[backward ? 1 : 0]), hits,
                            hits >= 0 ? 2 : 1, ib__buffer_for(plan, node));
}
