/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients: one rule an op, written with ops. The walk goes from the last node to the first, so a node's
 * adjoint is complete when its turn comes; contributions are added in that order.
 */
#include "graph/internal.h"

#include <stdlib.h>
#include <string.h>

typedef struct walk {
    ib_graph *g;
    ib_node *adjoint; /* a node's adjoint so far; IB_NO_NODE: none */
    bool *needed;     /* the node depends on an x */
} walk;

static void contribute(walk *w, ib_node to, ib_node d) {
    if (!w->needed[to] || d == IB_NO_NODE) return;
    w->adjoint[to] = w->adjoint[to] == IB_NO_NODE ? d : ib__op_add(w->g, w->adjoint[to], d);
}

#define NO IB_NO_NODE

static ib_node zero(ib_graph *g) {
    return ib__op_constant(g, 0.0f);
}

/* Functions of one operand whose derivative follows from the operand x and the result y. */
static ib_node unary_rule(ib_graph *g, ib_map_op op, ib_node x, ib_node y, ib_node dy) {
    switch (op) {
    case IB_MAP_copy:
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

static void map_rule(walk *w, const ib_node_data *n, ib_node y, ib_node dy) {
    ib_graph *g = w->g;
    ib_node a = n->in[0], b = n->in[1], c = n->in[2];
    switch (n->map) {
    case IB_MAP_add:
        contribute(w, a, dy);
        contribute(w, b, dy);
        break;
    case IB_MAP_subtract:
        contribute(w, a, dy);
        if (w->needed[b]) contribute(w, b, ib__op_negate(g, dy));
        break;
    case IB_MAP_multiply:
        if (w->needed[a]) contribute(w, a, ib__op_multiply(g, dy, b));
        if (w->needed[b]) contribute(w, b, ib__op_multiply(g, dy, a));
        break;
    case IB_MAP_divide:
        if (w->needed[a]) contribute(w, a, ib__op_divide(g, dy, b));
        if (w->needed[b]) /* -(dy * y) / b */
            contribute(w, b, ib__op_negate(g, ib__op_divide(g, ib__op_multiply(g, dy, y), b)));
        break;
    case IB_MAP_fma:
        if (w->needed[a]) contribute(w, a, ib__op_multiply(g, dy, b));
        if (w->needed[b]) contribute(w, b, ib__op_multiply(g, dy, a));
        contribute(w, c, dy);
        break;
    case IB_MAP_maximum:
    case IB_MAP_minimum: {
        /* y > b says the same as a > b (y < b as a < b), and y is kept anyway. */
        ib_node first = ib__op_map(g, n->map == IB_MAP_maximum ? IB_MAP_greater : IB_MAP_less, y, b, NO);
        if (w->needed[a]) contribute(w, a, where(g, first, dy));
        if (w->needed[b]) contribute(w, b, ib__op_select(g, first, zero(g), dy));
        break;
    }
    case IB_MAP_select:
        if (w->needed[b]) contribute(w, b, where(g, a, dy));
        if (w->needed[c]) contribute(w, c, ib__op_select(g, a, zero(g), dy));
        break;
    default:
        if (w->needed[a]) contribute(w, a, unary_rule(g, n->map, a, y, dy));
        break;
    }
}

/* broadcast_in_dim: the sum over every axis that was made or stretched. */
static void broadcast_rule(walk *w, const ib_node_data *n, ib_node dy) {
    ib_graph *g = w->g;
    const ib_shape from = ib__node(g, n->in[0])->shape;
    unsigned axes = (1u << n->shape.rank) - 1;
    for (int i = 0; i < from.rank; i++) {
        int d = n->u.dims[i];
        if (from.dims[i] == n->shape.dims[d]) axes &= ~(1u << d);
    }
    contribute(w, n->in[0], ib__op_reshape(g, ib__op_reduce(g, IB_REDUCE_SUM, dy, axes, false), &from));
}

static void transpose_rule(walk *w, const ib_node_data *n, ib_node dy) {
    int inverse[IB_RANK_MAX] = {0};
    for (int i = 0; i < n->shape.rank; i++)
        inverse[n->u.dims[i]] = i;
    contribute(w, n->in[0], ib__op_transpose(w->g, dy, inverse));
}

static void concatenate_rule(walk *w, const ib_node_data *n, ib_node dy) {
    int axis = n->u.dims[0];
    int64_t start[IB_RANK_MAX] = {0}, limit[IB_RANK_MAX];
    memcpy(limit, n->shape.dims, sizeof limit);
    int64_t at = 0;
    for (int i = 0; i < n->n_in; i++) {
        start[axis] = at;
        at += ib__node(w->g, n->many[i])->shape.dims[axis];
        limit[axis] = at;
        if (w->needed[n->many[i]]) contribute(w, n->many[i], ib__op_slice(w->g, dy, start, limit));
    }
}

static void slice_rule(walk *w, const ib_node_data *n, ib_node dy) {
    int64_t high[IB_RANK_MAX];
    const ib_shape from = ib__node(w->g, n->in[0])->shape;
    for (int i = 0; i < from.rank; i++)
        high[i] = from.dims[i] - n->u.range.high[i];
    contribute(w, n->in[0], ib__op_pad(w->g, dy, 0.0f, n->u.range.low, high));
}

static void pad_rule(walk *w, const ib_node_data *n, ib_node dy) {
    int64_t limit[IB_RANK_MAX];
    const ib_shape from = ib__node(w->g, n->in[0])->shape;
    for (int i = 0; i < from.rank; i++)
        limit[i] = from.dims[i] + n->u.range.low[i];
    contribute(w, n->in[0], ib__op_slice(w->g, dy, n->u.range.low, limit));
}

/* Spreads a reduced array over the axes it lost. */
static ib_node spread(ib_graph *g, ib_node reduced, const ib_shape *shape, unsigned axes) {
    int dims[IB_RANK_MAX], n = 0;
    for (int i = 0; i < shape->rank; i++)
        if (!(axes >> i & 1)) dims[n++] = i;
    return ib__op_broadcast_in_dim(g, reduced, shape, dims);
}

/* sum: the gradient goes everywhere; max, min: in equal parts to the places that hold the result. */
static void reduce_rule(walk *w, const ib_node_data *n, ib_node y, ib_node dy) {
    ib_graph *g = w->g;
    ib_node x = n->in[0];
    unsigned axes = n->u.reduce.axes;
    const ib_shape shape = ib__node(g, x)->shape;
    if (n->u.reduce.op == IB_REDUCE_SUM) {
        contribute(w, x, spread(g, dy, &shape, axes));
        return;
    }
    ib_node holds = ib__op_map(g, IB_MAP_equal, x, spread(g, y, &shape, axes), NO);
    ib_node count = ib__op_reduce(g, IB_REDUCE_SUM, ib__op_convert(g, holds, IB_TYPE_F32), axes, false);
    contribute(w, x, where(g, holds, spread(g, ib__op_divide(g, dy, count), &shape, axes)));
}

/* r has the axes listed in `have` (as axes of x, in r's order); brings them into x's order. */
static ib_node reorder(ib_graph *g, ib_node r, const int *have, int n) {
    int permutation[IB_RANK_MAX] = {0};
    for (int i = 0; i < n; i++)
        permutation[have[i]] = i;
    return ib__op_transpose(g, r, permutation);
}

/* y = [batch, free a, free b].  da = dy . b over free b gives [batch, free a, contracted in b's order];
 * db = a . dy over free a gives [batch, contracted in a's order, free b]. */
static void dot_rule(walk *w, const ib_node_data *n, ib_node dy) {
    ib_graph *g = w->g;
    const ib_dot_axes d = n->u.dot;
    ib_node a = n->in[0], b = n->in[1];
    int ra = ib__node(g, a)->shape.rank, rb = ib__node(g, b)->shape.rank;
    int fa[IB_RANK_MAX] = {0}, fb[IB_RANK_MAX] = {0}, have[IB_RANK_MAX] = {0}, nb = d.n_batch, k;
    int na_free = ib__rest_axes(ra, d.a_batch, nb, d.a_contract, d.n_contract, fa);
    int nb_free = ib__rest_axes(rb, d.b_batch, nb, d.b_contract, d.n_contract, fb);
    if (w->needed[a]) {
        ib_dot_axes t = {.n_batch = nb, .n_contract = nb_free};
        for (int i = 0; i < nb; i++) {
            t.a_batch[i] = i;
            t.b_batch[i] = d.b_batch[i];
            have[i] = d.a_batch[i];
        }
        for (int i = 0; i < nb_free; i++) {
            t.a_contract[i] = nb + na_free + i;
            t.b_contract[i] = fb[i];
        }
        k = nb;
        for (int i = 0; i < na_free; i++)
            have[k++] = fa[i];
        for (int axis = 0; axis < rb; axis++)
            for (int i = 0; i < d.n_contract; i++)
                if (d.b_contract[i] == axis) have[k++] = d.a_contract[i];
        contribute(w, a, reorder(g, ib__op_dot_general(g, dy, b, &t), have, ra));
    }
    if (w->needed[b]) {
        ib_dot_axes t = {.n_batch = nb, .n_contract = na_free};
        for (int i = 0; i < nb; i++) {
            t.a_batch[i] = d.a_batch[i];
            t.b_batch[i] = i;
            have[i] = d.b_batch[i];
        }
        for (int i = 0; i < na_free; i++) {
            t.a_contract[i] = fa[i];
            t.b_contract[i] = nb + i;
        }
        k = nb;
        for (int axis = 0; axis < ra; axis++)
            for (int i = 0; i < d.n_contract; i++)
                if (d.a_contract[i] == axis) have[k++] = d.b_contract[i];
        for (int i = 0; i < nb_free; i++)
            have[k++] = fb[i];
        contribute(w, b, reorder(g, ib__op_dot_general(g, a, dy, &t), have, rb));
    }
}

static void convolution_rule(walk *w, const ib_node_data *n, ib_node dy) {
    ib_graph *g = w->g;
    const ib_window2d window = n->u.window.window;
    int64_t groups = n->u.window.groups;
    ib_node x = n->in[0], k = n->in[1];
    const ib_shape sx = ib__node(g, x)->shape, sk = ib__node(g, k)->shape;
    if (w->needed[k]) contribute(w, k, ib__op_convolution_grad_kernel(g, x, dy, &sk, &window, groups));
    if (w->needed[x]) contribute(w, x, ib__op_convolution_grad_input(g, dy, k, &sx, &window, groups));
}

/* One node's rule. n is a copy: rules add nodes. */
static void apply_rule(walk *w, const ib_node_data *n, ib_node y, ib_node dy) {
    ib_graph *g = w->g;
    switch (n->op) {
    case IB_OP_map:
        map_rule(w, n, y, dy);
        break;
    case IB_OP_reshape: {
        const ib_shape from = ib__node(g, n->in[0])->shape;
        contribute(w, n->in[0], ib__op_reshape(g, dy, &from));
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
    case IB_OP_slice:
        slice_rule(w, n, dy);
        break;
    case IB_OP_pad:
        pad_rule(w, n, dy);
        break;
    case IB_OP_reduce:
        reduce_rule(w, n, y, dy);
        break;
    case IB_OP_dot_general:
        dot_rule(w, n, dy);
        break;
    case IB_OP_convolution:
        convolution_rule(w, n, dy);
        break;
    case IB_OP_max_pool:
    case IB_OP_avg_pool: {
        const ib_window2d window = n->u.window.window;
        ib_op op = n->op == IB_OP_max_pool ? IB_OP_max_pool_grad : IB_OP_avg_pool_grad;
        contribute(w, n->in[0], ib__op_pool_grad(g, op, n->in[0], dy, &window));
        break;
    }
    case IB_OP_convolution_grad_input:
    case IB_OP_convolution_grad_kernel:
    case IB_OP_max_pool_grad:
    case IB_OP_avg_pool_grad:
        (void)ib__graph_fail(g, IB_UNSUPPORTED, "%s: second gradients are not supported", ib__op_name(n));
        break;
    default:
        break; /* sources and stop_gradient */
    }
}

/* Marks what depends on an x, up to node `end`. */
static void mark_needed(walk *w, const ib_node *x, size_t nx, size_t end) {
    for (size_t i = 0; i < nx; i++)
        if (x[i] != IB_NO_NODE) w->needed[x[i]] = true;
    for (size_t i = 0; i < end; i++) {
        const ib_node_data *n = &w->g->nodes[i];
        if (n->op == IB_OP_stop_gradient) continue;
        for (int k = 0; k < n->n_in; k++)
            w->needed[i] |= w->needed[n->many ? n->many[k] : n->in[k]];
    }
}

void ib__graph_gradients(ib_graph *g, const ib_node *y, const ib_node *dy, size_t ny, const ib_node *x,
                         size_t nx, ib_node *dx) {
    for (size_t i = 0; i < nx; i++)
        dx[i] = IB_NO_NODE;
    size_t end = g->n_nodes;
    if (g->error.code != IB_OK) return;
    walk w = {.g = g};
    w.adjoint = malloc((end + 1) * sizeof *w.adjoint);
    w.needed = calloc(end + 1, sizeof *w.needed);
    if (!w.adjoint || !w.needed) {
        (void)ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
        goto done;
    }
    for (size_t i = 0; i < end; i++)
        w.adjoint[i] = IB_NO_NODE;
    mark_needed(&w, x, nx, end);
    const char *place = g->place;
    g->backward = true;
    for (size_t i = 0; i < ny; i++) {
        if (y[i] == IB_NO_NODE) continue;
        ib_node d = dy && dy[i] != IB_NO_NODE ? dy[i] : ib__op_constant(g, 1.0f);
        const ib_shape shape = ib__node(g, y[i])->shape;
        contribute(&w, y[i], ib__op_broadcast_to(g, d, &shape));
    }
    for (size_t i = end; i-- > 0;) {
        if (!w.needed[i] || w.adjoint[i] == IB_NO_NODE) continue;
        const ib_node_data n = g->nodes[i];
        g->place = n.place;
        apply_rule(&w, &n, (ib_node)i, w.adjoint[i]);
    }
    g->place = place;
    for (size_t i = 0; i < nx; i++) {
        if (x[i] == IB_NO_NODE) continue;
        const ib_shape shape = ib__node(g, x[i])->shape;
        dx[i] = w.adjoint[x[i]] != IB_NO_NODE ? w.adjoint[x[i]] : ib__op_broadcast_to(g, zero(g), &shape);
    }
    g->backward = false;
done:
    free(w.adjoint);
    free(w.needed);
}
