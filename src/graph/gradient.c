/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients: one rule an op, written with ops. The walk goes from the last node to the first, so a node's
 * adjoint is complete when its turn comes; contributions are added in that order.
 */
#include "graph/walk.h"

#include <stdlib.h>
#include <string.h>

bool ib__walk_new(ib_walk *w, ib_graph *g, size_t n) {
    *w = (ib_walk){.g = g, .n = n};
    w->adjoint = malloc((n + 1) * sizeof *w->adjoint);
    w->slice = malloc((n + 1) * sizeof *w->slice);
    w->needed = calloc(n + 1, sizeof *w->needed);
    if (!w->adjoint || !w->needed || !w->slice) return false;
    for (size_t i = 0; i < n; i++)
        w->adjoint[i] = w->slice[i] = IB_NO_NODE;
    return true;
}

void ib__walk_free(ib_walk *w) {
    free(w->adjoint);
    free(w->slice);
    free(w->needed);
    free(w->pending);
    *w = (ib_walk){0};
}

static void postpone(ib_walk *w, ib_node to, ib_node d, ib_node rule) {
    if (!w->needed[to] || d == IB_NO_NODE) return;
    if (ib__grow(&w->pending, &w->pending_capacity, w->n_pending + 1, sizeof *w->pending))
        w->pending[w->n_pending++] = (ib_pending){to, d, rule};
    else
        (void)ib__graph_fail(w->g, IB_NO_MEMORY, "out of memory");
}

/* Is it a node that the body reads from outside? */
static bool from_outside(const ib_walk *w, ib_node a) {
    return w->region && w->g->nodes[a].region == 0;
}

static ib_node sum(ib_graph *g, ib_node a, ib_node b) {
    ib_node joined = ib__sum_of_pads(g, a, b);
    return joined == IB_NO_NODE ? ib__op_add(g, a, b) : joined;
}

void ib__walk_contribute(ib_walk *w, ib_node to, ib_node d) {
    if (!w->needed[to] || d == IB_NO_NODE) return;
    if (from_outside(w, to)) {
        postpone(w, to, d, IB_NO_NODE);
        return;
    }
    ib_format format = w->g->nodes[to].format, before = ib__graph_set_format(w->g, format);
    if (format != IB_FORMAT_F32) d = ib__op_format(w->g, d, format);
    w->adjoint[to] = w->adjoint[to] == IB_NO_NODE ? d : sum(w->g, w->adjoint[to], d);
    (void)ib__graph_set_format(w->g, before);
}

#define NO IB_NO_NODE

static ib_node zero(ib_graph *g) {
    return ib__op_constant(g, 0.0f);
}

/* Functions of one operand whose derivative follows from the operand x and the result y. */
static ib_node unary_rule(ib_graph *g, ib_map_op op, ib_node x, ib_node y, ib_node dy) {
    switch (op) {
    case IB_MAP_copy:
    case IB_MAP_to_bfloat16:
    case IB_MAP_to_float16:
        return dy;
    case IB_MAP_negate:
        return ib__op_negate(g, dy);
    case IB_MAP_abs:
        return ib__op_multiply(g, dy, ib__op_map(g, IB_MAP_sign, x, NO, NO));
    case IB_MAP_sqrt:
        return ib__op_divide(g, ib__op_scale(g, dy, 0.5f), y);
    case IB_MAP_rsqrt: /* -1/2 y^3 */
        return ib__op_multiply(g, ib__op_scale(g, dy, -0.5f), ib__op_multiply(g, y, ib__op_square(g, y)));
    case IB_MAP_exp:
        return ib__op_multiply(g, dy, y);
    case IB_MAP_expm1:
        return ib__op_multiply(g, dy, ib__op_offset(g, y, 1.0f));
    case IB_MAP_log:
        return ib__op_divide(g, dy, x);
    case IB_MAP_log1p:
        return ib__op_divide(g, dy, ib__op_offset(g, x, 1.0f));
    case IB_MAP_tanh: /* 1 - y^2 */
        return ib__op_multiply(g, dy, ib__op_subtract(g, ib__op_constant(g, 1.0f), ib__op_square(g, y)));
    case IB_MAP_logistic: /* y (1 - y) */
        return ib__op_multiply(g, dy, ib__op_multiply(g, y, ib__op_subtract(g, ib__op_constant(g, 1.0f), y)));
    case IB_MAP_softplus:
        return ib__op_multiply(g, dy, ib__op_map(g, IB_MAP_logistic, x, NO, NO));
    case IB_MAP_erf: { /* 2 / sqrt(pi) exp(-x^2) */
        ib_node e = ib__op_exp(g, ib__op_negate(g, ib__op_square(g, x)));
        return ib__op_multiply(g, dy, ib__op_scale(g, e, 1.12837916709551257390f));
    }
    default:
        return NO; /* sign, floor, comparisons, integers: piecewise constant */
    }
}

/* dy where the predicate holds, else 0. */
static ib_node where(ib_graph *g, ib_node predicate, ib_node dy) {
    return ib__op_select(g, predicate, dy, zero(g));
}

/* The gradient of a maximum with a constant that one max pool alone reads, where dy is that pool's gradient:
 * what the pool gives passes the same test as the place that it came from, so that the test is made where
 * there are fewer numbers, and nobody reads y any more. The bits are the same: y holds a window's result
 * where the window's gradient goes. IB_NO_NODE: it is no such case. */
static ib_node pool_of_maximum(ib_graph *g, ib_node y, ib_node b, ib_node dy) {
    const ib_node_data *n = ib__node(g, dy);
    while (ib__node(g, b)->op == IB_OP_broadcast_in_dim)
        b = ib__node(g, b)->in[0];
    if (n->op != IB_OP_max_pool_grad || n->in[0] != y || ib__node(g, b)->op != IB_OP_constant) return NO;
    const ib_window window = n->u.window.window;
    ib_node given = n->in[1], pool = NO;
    for (ib_node i = y + 1; i < dy && pool == NO; i++) {
        const ib_node_data *other = ib__node(g, i);
        if (other->op == IB_OP_max_pool && other->in[0] == y &&
            memcmp(&other->u.window.window, &window, sizeof window) == 0)
            pool = i;
    }
    if (pool == NO) return NO;
    ib_node passes = ib__op_map(g, IB_MAP_greater, pool, b, NO);
    return ib__op_pool_grad(g, IB_OP_max_pool_grad, y, where(g, passes, given), &window);
}

static void map_rule(ib_walk *w, const ib_node_data *n, ib_node y, ib_node dy) {
    ib_graph *g = w->g;
    ib_node a = n->in[0], b = n->in[1], c = n->in[2];
    switch (n->map) {
    case IB_MAP_add:
        ib__walk_contribute(w, a, dy);
        ib__walk_contribute(w, b, dy);
        break;
    case IB_MAP_subtract:
        ib__walk_contribute(w, a, dy);
        if (w->needed[b]) ib__walk_contribute(w, b, ib__op_negate(g, dy));
        break;
    case IB_MAP_multiply:
        if (w->needed[a]) ib__walk_contribute(w, a, ib__op_multiply(g, dy, b));
        if (w->needed[b]) ib__walk_contribute(w, b, ib__op_multiply(g, dy, a));
        break;
    case IB_MAP_divide:
        if (w->needed[a]) ib__walk_contribute(w, a, ib__op_divide(g, dy, b));
        if (w->needed[b]) /* -(dy * y) / b */
            ib__walk_contribute(w, b, ib__op_negate(g, ib__op_divide(g, ib__op_multiply(g, dy, y), b)));
        break;
    case IB_MAP_fma:
        if (w->needed[a]) ib__walk_contribute(w, a, ib__op_multiply(g, dy, b));
        if (w->needed[b]) ib__walk_contribute(w, b, ib__op_multiply(g, dy, a));
        ib__walk_contribute(w, c, dy);
        break;
    case IB_MAP_maximum:
    case IB_MAP_minimum: {
        /* y > b says the same as a > b (y < b as a < b), and y is kept anyway. */
        bool maximum = n->map == IB_MAP_maximum;
        ib_node pooled = maximum && !w->needed[b] ? pool_of_maximum(g, y, b, dy) : NO;
        if (pooled != NO) {
            ib__walk_contribute(w, a, pooled);
            break;
        }
        ib_node first = ib__op_map(g, maximum ? IB_MAP_greater : IB_MAP_less, y, b, NO);
        if (w->needed[a]) ib__walk_contribute(w, a, where(g, first, dy));
        if (w->needed[b]) ib__walk_contribute(w, b, ib__op_select(g, first, zero(g), dy));
        break;
    }
    case IB_MAP_select:
        if (w->needed[b]) ib__walk_contribute(w, b, where(g, a, dy));
        if (w->needed[c]) ib__walk_contribute(w, c, ib__op_select(g, a, zero(g), dy));
        break;
    default:
        if (w->needed[a]) ib__walk_contribute(w, a, unary_rule(g, n->map, a, y, dy));
        break;
    }
}

/* broadcast_in_dim: the sum over every axis that was made or stretched. */
static void broadcast_rule(ib_walk *w, const ib_node_data *n, ib_node dy) {
    ib_graph *g = w->g;
    const ib_shape from = ib__node(g, n->in[0])->shape;
    unsigned axes = (1u << n->shape.rank) - 1;
    for (int i = 0; i < from.rank; i++) {
        int d = n->u.dims[i];
        if (from.dims[i] == n->shape.dims[d]) axes &= ~(1u << d);
    }
    ib__walk_contribute(w, n->in[0],
                        ib__op_reshape(g, ib__op_reduce(g, IB_REDUCE_SUM, dy, axes, false), &from));
}

static void transpose_rule(ib_walk *w, const ib_node_data *n, ib_node dy) {
    int inverse[IB_RANK_MAX] = {0};
    for (int i = 0; i < n->shape.rank; i++)
        inverse[n->u.dims[i]] = i;
    ib__walk_contribute(w, n->in[0], ib__op_transpose(w->g, dy, inverse));
}

static void concatenate_rule(ib_walk *w, const ib_node_data *n, ib_node dy) {
    int axis = n->u.dims[0];
    int64_t start[IB_RANK_MAX] = {0}, limit[IB_RANK_MAX];
    memcpy(limit, n->shape.dims, sizeof limit);
    int64_t at = 0;
    for (int i = 0; i < n->n_in; i++) {
        start[axis] = at;
        at += ib__node(w->g, n->many[i])->shape.dims[axis];
        limit[axis] = at;
        if (w->needed[n->many[i]]) ib__walk_contribute(w, n->many[i], ib__op_slice(w->g, dy, start, limit));
    }
}

static void slice_rule(ib_walk *w, const ib_node_data *n, ib_node dy) {
    int64_t high[IB_RANK_MAX];
    const ib_shape from = ib__node(w->g, n->in[0])->shape;
    for (int i = 0; i < from.rank; i++)
        high[i] = from.dims[i] - n->u.range.high[i];
    ib__walk_contribute(w, n->in[0], ib__op_pad(w->g, dy, 0.0f, n->u.range.low, high));
}

static void pad_rule(ib_walk *w, const ib_node_data *n, ib_node dy) {
    int64_t limit[IB_RANK_MAX];
    const ib_shape from = ib__node(w->g, n->in[0])->shape;
    for (int i = 0; i < from.rank; i++)
        limit[i] = from.dims[i] + n->u.range.low[i];
    ib__walk_contribute(w, n->in[0], ib__op_slice(w->g, dy, n->u.range.low, limit));
}

/* Spreads a reduced array over the axes it lost. */
static ib_node spread(ib_graph *g, ib_node reduced, const ib_shape *shape, unsigned axes) {
    int dims[IB_RANK_MAX], n = 0;
    for (int i = 0; i < shape->rank; i++)
        if (!(axes >> i & 1)) dims[n++] = i;
    return ib__op_broadcast_in_dim(g, reduced, shape, dims);
}

/* sum: the gradient goes everywhere; max, min: in equal parts to the places that hold the result. */
static void reduce_rule(ib_walk *w, const ib_node_data *n, ib_node y, ib_node dy) {
    ib_graph *g = w->g;
    ib_node x = n->in[0];
    unsigned axes = n->u.reduce.axes;
    const ib_shape shape = ib__node(g, x)->shape;
    if (n->u.reduce.op == IB_REDUCE_SUM) {
        ib__walk_contribute(w, x, spread(g, dy, &shape, axes));
        return;
    }
    ib_node holds = ib__op_map(g, IB_MAP_equal, x, spread(g, y, &shape, axes), NO);
    ib_node count = ib__op_reduce(g, IB_REDUCE_SUM, ib__op_convert(g, holds, IB_TYPE_F32), axes, false);
    ib__walk_contribute(w, x, where(g, holds, spread(g, ib__op_divide(g, dy, count), &shape, axes)));
}

/* r has the axes listed in `have` (as axes of x, in r's order); brings them into x's order. */
static ib_node reorder(ib_graph *g, ib_node r, const int *have, int n) {
    int permutation[IB_RANK_MAX] = {0};
    for (int i = 0; i < n; i++)
        permutation[have[i]] = i;
    return ib__op_transpose(g, r, permutation);
}

/* y = [batch, free a, free b].  da = dy . b over free b gives [batch, free a, contracted in b's order]. */
static ib_node dot_gradient_a(ib_graph *g, const ib_dot_axes *d, int ra, ib_node b, ib_node dy) {
    int rb = ib__node(g, b)->shape.rank, nb = d->n_batch, k = nb;
    int fa[IB_RANK_MAX] = {0}, fb[IB_RANK_MAX] = {0}, have[IB_RANK_MAX] = {0};
    int na_free = ib__rest_axes(ra, d->a_batch, nb, d->a_contract, d->n_contract, fa);
    int nb_free = ib__rest_axes(rb, d->b_batch, nb, d->b_contract, d->n_contract, fb);
    ib_dot_axes t = {.n_batch = nb, .n_contract = nb_free};
    for (int i = 0; i < nb; i++) {
        t.a_batch[i] = i;
        t.b_batch[i] = d->b_batch[i];
        have[i] = d->a_batch[i];
    }
    for (int i = 0; i < nb_free; i++) {
        t.a_contract[i] = nb + na_free + i;
        t.b_contract[i] = fb[i];
    }
    for (int i = 0; i < na_free; i++)
        have[k++] = fa[i];
    for (int axis = 0; axis < rb; axis++)
        for (int i = 0; i < d->n_contract; i++)
            if (d->b_contract[i] == axis) have[k++] = d->a_contract[i];
    return reorder(g, ib__op_dot_general(g, dy, b, &t), have, ra);
}

/* db = a . dy over free a gives [batch, contracted in a's order, free b]. stacked: a and dy have an axis of
 * time steps after that of samples, which is contracted after it. */
static ib_node dot_gradient_b(ib_graph *g, const ib_dot_axes *d, int rb, ib_node a, ib_node dy,
                              bool stacked) {
    int ra = ib__node(g, a)->shape.rank - stacked, nb = d->n_batch, k = nb, at = 0;
    int fa[IB_RANK_MAX] = {0}, fb[IB_RANK_MAX] = {0}, have[IB_RANK_MAX] = {0};
    int na_free = ib__rest_axes(ra, d->a_batch, nb, d->a_contract, d->n_contract, fa);
    int nb_free = ib__rest_axes(rb, d->b_batch, nb, d->b_contract, d->n_contract, fb);
    ib_dot_axes t = {.n_batch = nb};
    for (int i = 0; i < nb; i++) {
        t.a_batch[i] = d->a_batch[i];
        t.b_batch[i] = i;
        have[i] = d->b_batch[i];
    }
    for (int i = 0; i < na_free; i++) {
        t.a_contract[at] = stacked && fa[i] > 0 ? fa[i] + 1 : fa[i];
        t.b_contract[at++] = stacked && i > 0 ? nb + i + 1 : nb + i;
        if (!stacked || i > 0) continue;
        t.a_contract[at] = 1;
        t.b_contract[at++] = 1;
    }
    t.n_contract = at;
    for (int axis = 0; axis < ra; axis++)
        for (int i = 0; i < d->n_contract; i++)
            if (d->a_contract[i] == axis) have[k++] = d->b_contract[i];
    for (int i = 0; i < nb_free; i++)
        have[k++] = fb[i];
    return reorder(g, ib__op_dot_general(g, a, dy, &t), have, rb);
}

/* In a body, may the gradient for operand b wait for a product over samples and steps? */
static bool product_waits(const ib_walk *w, const ib_node_data *n) {
    const ib_node_data *a = &w->g->nodes[n->in[0]], *b = &w->g->nodes[n->in[1]];
    return from_outside(w, n->in[1]) && !b->batched && a->batched && n->batched && n->u.dot.n_batch == 0;
}

/* A weight on the right side of a product in a body: the product with its transpose, which is made outside.
 */
static ib_node dot_gradient_a_in_body(ib_graph *g, const ib_dot_axes *d, ib_node a, ib_node b, ib_node dy) {
    int rb = ib__node(g, b)->shape.rank, fb[IB_RANK_MAX], none[1] = {0}, permutation[IB_RANK_MAX] = {0},
        k = 0;
    int nb_free = ib__rest_axes(rb, none, 0, d->b_contract, d->n_contract, fb);
    ib_dot_axes moved = *d;
    for (int i = 0; i < nb_free; i++)
        permutation[k++] = fb[i];
    for (int axis = 0; axis < rb; axis++)
        for (int i = 0; i < d->n_contract; i++)
            if (d->b_contract[i] == axis) {
                moved.b_contract[i] = k;
                permutation[k++] = axis;
            }
    return dot_gradient_a(g, &moved, ib__node(g, a)->shape.rank, ib__op_transpose(g, b, permutation), dy);
}

static void dot_rule(ib_walk *w, const ib_node_data *n, ib_node y, ib_node dy) {
    ib_graph *g = w->g;
    const ib_dot_axes d = n->u.dot;
    ib_node a = n->in[0], b = n->in[1];
    bool waits = product_waits(w, n);
    if (w->needed[a])
        ib__walk_contribute(w, a,
                            waits ? dot_gradient_a_in_body(g, &d, a, b, dy)
                                  : dot_gradient_a(g, &d, ib__node(g, a)->shape.rank, b, dy));
    if (waits)
        postpone(w, b, dy, y);
    else if (w->needed[b])
        ib__walk_contribute(w, b, dot_gradient_b(g, &d, ib__node(g, b)->shape.rank, a, dy, false));
}

/* A convolution, its input gradient or its kernel gradient: each is linear in two of (x, k, y) and makes the
 * third. From two of them and the window, the op that makes what is NO. */
static ib_node convolve(ib_graph *g, const ib_node_data *n, ib_node x, ib_node k, ib_node y,
                        const ib_shape *shape) {
    const ib_window window = n->u.window.window;
    int64_t groups = n->u.window.groups;
    if (y == NO) return ib__op_convolution(g, x, k, &window, groups);
    if (x == NO) return ib__op_convolution_grad_input(g, y, k, shape, &window, groups);
    return ib__op_convolution_grad_kernel(g, x, y, shape, &window, groups);
}

/* dk from x and dy, which are in[0] and the adjoint; for the input gradient the other way around. */
static ib_node kernel_gradient(ib_graph *g, const ib_node_data *n, ib_node in, ib_node dy,
                               const ib_shape *k) {
    bool transposed = n->op == IB_OP_convolution_grad_input;
    return convolve(g, n, transposed ? dy : in, NO, transposed ? in : dy, k);
}

static void convolution_rule(ib_walk *w, const ib_node_data *n, ib_node y, ib_node dy) {
    ib_graph *g = w->g;
    ib_node a = n->in[0], b = n->in[1];
    const ib_shape sa = ib__node(g, a)->shape, sb = ib__node(g, b)->shape;
    if (n->op == IB_OP_convolution_grad_kernel) { /* of x and dy */
        if (w->needed[b]) ib__walk_contribute(w, b, convolve(g, n, a, dy, NO, &sb));
        if (w->needed[a]) ib__walk_contribute(w, a, convolve(g, n, NO, dy, b, &sa));
        return;
    }
    if (from_outside(w, b))
        postpone(w, b, dy, y);
    else if (w->needed[b])
        ib__walk_contribute(w, b, kernel_gradient(g, n, a, dy, &sb));
    bool transposed = n->op == IB_OP_convolution_grad_input;
    if (w->needed[a])
        ib__walk_contribute(w, a, convolve(g, n, transposed ? dy : NO, b, transposed ? NO : dy, &sa));
}

static void call_rule(ib_walk *w, const ib_node_data *n, ib_node y, ib_node dy) {
    ib_graph *g = w->g;
    if (n->u.call.transposed) {
        ib_linear f = {n->u.call.transposed, n->u.call.run, n->u.call.context};
        ib_shape shape = ib__node_shape(g, n->in[0]);
        ib__walk_contribute(w, n->in[0], ib__op_linear_call(g, &f, dy, &shape));
        return;
    }
    for (int i = 0; i < n->n_in; i++) {
        if (!w->needed[n->in[i]]) continue;
        if (n->u.call.gradient)
            ib__walk_contribute(w, n->in[i], n->u.call.gradient(g, n->in, y, dy, i));
        else if (ib__node_type(g, n->in[i]) == IB_TYPE_F32)
            (void)ib__graph_fail(g, IB_UNSUPPORTED, "there is no gradient for what this is made of");
    }
}

static void apply_rule(ib_walk *w, const ib_node_data *n, ib_node y, ib_node dy) {
    ib_graph *g = w->g;
    ib_node value = n->rounded != NO ? n->rounded : y; /* what the op gave */
    switch (n->op) {
    case IB_OP_map:
        map_rule(w, n, value, dy);
        break;
    case IB_OP_reshape: {
        const ib_shape from = ib__node(g, n->in[0])->shape;
        ib__walk_contribute(w, n->in[0], ib__op_reshape(g, dy, &from));
        break;
    }
    case IB_OP_broadcast_in_dim:
        broadcast_rule(w, n, dy);
        break;
    case IB_OP_transpose:
        transpose_rule(w, n, dy);
        break;
    case IB_OP_concatenate:
        concatenate_rule(w, n, dy);
        break;
    case IB_OP_reverse:
        ib__walk_contribute(w, n->in[0], ib__op_reverse(g, dy, n->u.dims[0]));
        break;
    case IB_OP_slice:
        slice_rule(w, n, dy);
        break;
    case IB_OP_pad:
        pad_rule(w, n, dy);
        break;
    case IB_OP_reduce:
        reduce_rule(w, n, value, dy);
        break;
    case IB_OP_dot_general:
        dot_rule(w, n, y, dy);
        break;
    case IB_OP_convolution:
    case IB_OP_convolution_grad_input:
    case IB_OP_convolution_grad_kernel:
        convolution_rule(w, n, y, dy);
        break;
    case IB_OP_max_pool:
    case IB_OP_avg_pool: {
        const ib_window window = n->u.window.window;
        ib_op op = n->op == IB_OP_max_pool ? IB_OP_max_pool_grad : IB_OP_avg_pool_grad;
        ib__walk_contribute(w, n->in[0], ib__op_pool_grad(g, op, n->in[0], dy, &window));
        break;
    }
    case IB_OP_gather: {
        const ib_shape shape = ib__node(g, n->in[0])->shape;
        if (from_outside(w, n->in[0]))
            postpone(w, n->in[0], dy, y);
        else
            ib__walk_contribute(w, n->in[0], ib__op_scatter_add(g, n->in[1], dy, &shape));
        break;
    }
    case IB_OP_scatter_add:
        ib__walk_contribute(w, n->in[1], ib__op_gather(g, dy, n->in[0]));
        break;
    case IB_OP_scan:
        ib__scan_rule(w, n);
        break;
    case IB_OP_custom_call:
        call_rule(w, n, y, dy);
        break;
    case IB_OP_avg_pool_grad: {
        const ib_window window = n->u.window.window;
        ib__walk_contribute(w, n->in[1], ib__op_avg_pool(g, dy, &window));
        break;
    }
    case IB_OP_max_pool_grad:
        (void)ib__graph_fail(g, IB_UNSUPPORTED, "%s: second gradients are not supported", ib__op_name(n));
        break;
    default:
        break; /* sources and stop_gradient */
    }
}

void ib__walk_rule(ib_walk *w, const ib_node_data *n, ib_node y, ib_node dy) {
    ib_format format = n->rounded != NO ? ib__node_format(w->g, n->rounded) : n->format;
    ib_format before = ib__graph_set_format(w->g, format);
    apply_rule(w, n, y, dy);
    (void)ib__graph_set_format(w->g, before);
}

/* ---- The walk ---- */

/* [samples, steps, ...] as [samples * steps, ...] */
static ib_node flat(ib_graph *g, ib_node stack) {
    if (stack == NO) return NO;
    const ib_shape from = ib__node(g, stack)->shape;
    ib_shape shape = {.rank = from.rank - 1, .dims = {from.dims[0] * from.dims[1]}};
    for (int i = 1; i < shape.rank; i++)
        shape.dims[i] = from.dims[i + 1];
    return ib__op_reshape(g, stack, &shape);
}

void ib__walk_finish_pending(ib_walk *outer, const ib_pending *p, ib_scan *forward, ib_scan *backward) {
    ib_graph *g = outer->g;
    ib_node dy = ib__scan_stacked(g, backward, p->d);
    if (dy == NO) return;
    if (p->rule == NO) {
        ib__walk_contribute(outer, p->to, ib__op_reduce(g, IB_REDUCE_SUM, dy, 1u << 1, false));
        return;
    }
    const ib_node_data n = g->nodes[p->rule];
    const ib_shape shape = g->nodes[p->to].shape;
    g->place = n.place;
    if (n.op == IB_OP_gather) {
        ib__walk_contribute(outer, p->to,
                            ib__op_scatter_add(g, ib__scan_stacked(g, forward, n.in[1]), dy, &shape));
        return;
    }
    ib_node x = ib__scan_stacked(g, forward, n.in[0]);
    if (x == NO) return;
    ib_node d = n.op == IB_OP_dot_general ? dot_gradient_b(g, &n.u.dot, shape.rank, x, dy, true)
                                          : kernel_gradient(g, &n, flat(g, x), flat(g, dy), &shape);
    ib__walk_contribute(outer, p->to, d);
}

/* Marks what depends on an x. */
static void mark_needed(ib_walk *w, const ib_node *x, size_t nx) {
    for (size_t i = 0; i < nx; i++)
        if (x[i] != IB_NO_NODE) w->needed[x[i]] = true;
    for (size_t i = 0; i < w->n; i++) {
        const ib_node_data *n = &w->g->nodes[i];
        if (n->op == IB_OP_stop_gradient) continue;
        for (int k = 0; k < n->n_in; k++)
            w->needed[i] |= w->needed[n->many ? n->many[k] : n->in[k]];
    }
}

/* Has one of a scan's results an adjoint? */
static bool scan_has_adjoint(const ib_walk *w, const ib_scan *scan) {
    bool some = false;
    for (size_t i = 0; i < scan->n_ys; i++)
        some |= (size_t)scan->ys[i].outer < w->n && w->adjoint[scan->ys[i].outer] != NO;
    for (size_t i = 0; i < scan->n_carries; i++) {
        ib_node final = scan->carries[i].final;
        some |= final != NO && (size_t) final < w->n && w->adjoint[final] != NO;
    }
    return some;
}

static void walk_back(ib_walk *w) {
    ib_graph *g = w->g;
    const char *place = g->place;
    for (size_t i = w->n; i-- > 0 && g->error.code == IB_OK;) {
        const ib_node_data n = g->nodes[i];
        if (!w->needed[i] || n.region) continue;
        if (n.op == IB_OP_scan ? !scan_has_adjoint(w, n.u.scan) : w->adjoint[i] == NO) continue;
        g->place = n.place;
        ib__walk_rule(w, &n, (ib_node)i, w->adjoint[i]);
    }
    g->place = place;
}

void ib__graph_gradients(ib_graph *g, const ib_node *y, const ib_node *dy, size_t ny, const ib_node *x,
                         size_t nx, ib_node *dx) {
    for (size_t i = 0; i < nx; i++)
        dx[i] = IB_NO_NODE;
    if (g->error.code != IB_OK) return;
    ib_walk w;
    if (!ib__walk_new(&w, g, g->n_nodes)) {
        (void)ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
        ib__walk_free(&w);
        return;
    }
    mark_needed(&w, x, nx);
    ib_format format = ib__graph_set_format(g, IB_FORMAT_F32);
    g->backward = true;
    for (size_t i = 0; i < ny; i++) {
        if (y[i] == IB_NO_NODE) continue;
        ib_node d = dy && dy[i] != IB_NO_NODE ? dy[i] : ib__op_constant(g, 1.0f);
        const ib_shape shape = ib__node(g, y[i])->shape;
        ib__walk_contribute(&w, y[i], ib__op_broadcast_to(g, d, &shape));
    }
    walk_back(&w);
    for (size_t i = 0; i < nx; i++) {
        if (x[i] == IB_NO_NODE) continue;
        const ib_shape shape = ib__node(g, x[i])->shape;
        dx[i] = w.adjoint[x[i]] != IB_NO_NODE ? w.adjoint[x[i]] : ib__op_broadcast_to(g, zero(g), &shape);
    }
    g->backward = false;
    (void)ib__graph_set_format(g, format);
    ib__walk_free(&w);
}
