/* SPDX-License-Identifier: Apache-2.0
 *
 * dot_general, convolution and pooling: shape rules.
 */
#include "graph/internal.h"

#include <string.h>

/* Axes of a side that are neither batch nor contracted, ascending. */
int ib__rest_axes(int rank, const int *batch, int n_batch, const int *contract, int n_contract, int *out) {
    unsigned used = 0;
    for (int i = 0; i < n_batch; i++)
        used |= 1u << batch[i];
    for (int i = 0; i < n_contract; i++)
        used |= 1u << contract[i];
    int n = 0;
    for (int i = 0; i < rank; i++)
        if (!(used >> i & 1)) out[n++] = i;
    return n;
}

static bool axes_valid(int rank, const int *batch, int n_batch, const int *contract, int n_contract) {
    unsigned used = 0;
    for (int i = 0; i < n_batch + n_contract; i++) {
        int axis = i < n_batch ? batch[i] : contract[i - n_batch];
        if (axis < 0 || axis >= rank || (used >> axis & 1)) return false;
        used |= 1u << axis;
    }
    return true;
}

ib_node ib__op_dot_general(ib_graph *g, ib_node a, ib_node b, const ib_dot_axes *axes) {
    if (a == IB_NO_NODE || b == IB_NO_NODE) return IB_NO_NODE;
    const ib_shape sa = ib__node(g, a)->shape, sb = ib__node(g, b)->shape;
    bool fits = axes_valid(sa.rank, axes->a_batch, axes->n_batch, axes->a_contract, axes->n_contract) &&
                axes_valid(sb.rank, axes->b_batch, axes->n_batch, axes->b_contract, axes->n_contract);
    for (int i = 0; fits && i < axes->n_batch; i++)
        fits = sa.dims[axes->a_batch[i]] == sb.dims[axes->b_batch[i]];
    for (int i = 0; fits && i < axes->n_contract; i++)
        fits = sa.dims[axes->a_contract[i]] == sb.dims[axes->b_contract[i]];
    if (!fits) {
        char x[128], y[128];
        ib__shape_print(x, &sa);
        ib__shape_print(y, &sb);
        return ib__graph_fail(g, IB_BAD_INPUT, "dot_general: shapes %s and %s do not fit", x, y);
    }
    int fa[IB_RANK_MAX], fb[IB_RANK_MAX];
    int na = ib__rest_axes(sa.rank, axes->a_batch, axes->n_batch, axes->a_contract, axes->n_contract, fa);
    int nb = ib__rest_axes(sb.rank, axes->b_batch, axes->n_batch, axes->b_contract, axes->n_contract, fb);
    if (axes->n_batch + na + nb > IB_RANK_MAX)
        return ib__graph_fail(g, IB_UNSUPPORTED, "dot_general: a result of rank %d", axes->n_batch + na + nb);
    ib_shape shape = {0};
    for (int i = 0; i < axes->n_batch; i++)
        shape.dims[shape.rank++] = sa.dims[axes->a_batch[i]];
    for (int i = 0; i < na; i++)
        shape.dims[shape.rank++] = sa.dims[fa[i]];
    for (int i = 0; i < nb; i++)
        shape.dims[shape.rank++] = sb.dims[fb[i]];
    ib_node in[2] = {a, b};
    ib_node_data *node = ib__node_add(g, IB_OP_dot_general, IB_TYPE_F32, &shape, in, 2);
    if (node) {
        node->u.dot = *axes;
        int first = axes->n_batch ? axes->a_batch[0] : na ? fa[0] : -1;
        node->batched = g->nodes[a].batched && first == 0;
    }
    return ib__node_last(g, node);
}

ib_node ib__op_matmul(ib_graph *g, ib_node a, ib_node b) {
    if (a == IB_NO_NODE || b == IB_NO_NODE) return IB_NO_NODE;
    ib_dot_axes axes = {.n_contract = 1};
    axes.a_contract[0] = ib__node(g, a)->shape.rank - 1;
    axes.b_contract[0] = 0;
    return ib__op_dot_general(g, a, b, &axes);
}

/* Output length of a window along one axis; 0 or less: it does not fit. */
static int64_t window_length(int64_t length, int64_t low, int64_t high, int64_t taps, int64_t stride,
                             int64_t dilation) {
    int64_t span = (taps - 1) * dilation + 1;
    int64_t room = length + low + high - span;
    return room < 0 ? 0 : room / stride + 1;
}

static bool window_valid(const ib_window2d *w) {
    const int64_t from_one[] = {w->kh, w->kw, w->sh, w->sw, w->dh, w->dw};
    const int64_t from_zero[] = {w->top, w->bottom, w->left, w->right};
    for (int i = 0; i < 6; i++)
        if (from_one[i] < 1 || from_one[i] > IB_LENGTH_MAX) return false;
    for (int i = 0; i < 4; i++)
        if (from_zero[i] < 0 || from_zero[i] > IB_LENGTH_MAX) return false;
    return true;
}

/* x: [n, h, w, c] under a window -> [n, oh, ow, channels]; false (and an error) if it does not fit. */
static bool window_shape(ib_graph *g, const char *op, const ib_shape *x, const ib_window2d *w,
                         int64_t channels, ib_shape *out) {
    char text[128];
    ib__shape_print(text, x);
    if (!window_valid(w)) {
        (void)ib__graph_fail(g, IB_BAD_INPUT, "%s: a length of the window is out of range", op);
        return false;
    }
    if (x->rank != 4) {
        (void)ib__graph_fail(g, IB_BAD_INPUT, "%s: expected an input of rank 4, found %s", op, text);
        return false;
    }
    int64_t oh = window_length(x->dims[1], w->top, w->bottom, w->kh, w->sh, w->dh);
    int64_t ow = window_length(x->dims[2], w->left, w->right, w->kw, w->sw, w->dw);
    if (oh <= 0 || ow <= 0) {
        (void)ib__graph_fail(g, IB_BAD_INPUT, "%s: a window of %lldx%lld does not fit the input %s", op,
                             (long long)w->kh, (long long)w->kw, text);
        return false;
    }
    *out = (ib_shape){.rank = 4, .dims = {x->dims[0], oh, ow, channels}};
    return true;
}

static ib_node window_node(ib_graph *g, ib_op op, const ib_shape *shape, const ib_node *in, int n,
                           const ib_window2d *window, int64_t groups, bool batched) {
    ib_node_data *node = ib__node_add(g, op, IB_TYPE_F32, shape, in, n);
    if (node) {
        node->u.window.window = *window;
        node->u.window.groups = groups;
        node->batched = batched;
    }
    return ib__node_last(g, node);
}

ib_node ib__op_convolution(ib_graph *g, ib_node x, ib_node k, const ib_window2d *window, int64_t groups) {
    if (x == IB_NO_NODE || k == IB_NO_NODE) return IB_NO_NODE;
    const ib_shape sx = ib__node(g, x)->shape, sk = ib__node(g, k)->shape;
    bool fits = sx.rank == 4 && sk.rank == 4 && groups > 0 && groups <= sx.dims[3] &&
                sk.dims[0] == window->kh && sk.dims[1] == window->kw && sk.dims[2] * groups == sx.dims[3] &&
                sk.dims[3] % groups == 0;
    if (!fits) {
        char a[128], b[128];
        ib__shape_print(a, &sx);
        ib__shape_print(b, &sk);
        return ib__graph_fail(g, IB_BAD_INPUT, "convolution: kernel %s in %lld groups does not fit input %s",
                              b, (long long)groups, a);
    }
    ib_shape shape;
    if (!window_shape(g, "convolution", &sx, window, sk.dims[3], &shape)) return IB_NO_NODE;
    ib_node in[2] = {x, k};
    return window_node(g, IB_OP_convolution, &shape, in, 2, window, groups, ib__node_batched(g, x));
}

ib_node ib__op_convolution_grad_input(ib_graph *g, ib_node dy, ib_node k, const ib_shape *x,
                                      const ib_window2d *window, int64_t groups) {
    ib_node in[2] = {dy, k};
    return window_node(g, IB_OP_convolution_grad_input, x, in, 2, window, groups, ib__node_batched(g, dy));
}

ib_node ib__op_convolution_grad_kernel(ib_graph *g, ib_node x, ib_node dy, const ib_shape *k,
                                       const ib_window2d *window, int64_t groups) {
    ib_node in[2] = {x, dy};
    return window_node(g, IB_OP_convolution_grad_kernel, k, in, 2, window, groups, false);
}

static ib_node pool(ib_graph *g, ib_op op, const char *name, ib_node x, const ib_window2d *window) {
    if (x == IB_NO_NODE) return x;
    const ib_shape sx = ib__node(g, x)->shape;
    if (window->dh != 1 || window->dw != 1)
        return ib__graph_fail(g, IB_UNSUPPORTED, "%s: dilated windows are not supported", name);
    ib_shape shape;
    if (!window_shape(g, name, &sx, window, sx.rank == 4 ? sx.dims[3] : 0, &shape)) return IB_NO_NODE;
    return window_node(g, op, &shape, &x, 1, window, 1, ib__node_batched(g, x));
}

ib_node ib__op_max_pool(ib_graph *g, ib_node x, const ib_window2d *window) {
    return pool(g, IB_OP_max_pool, "max_pool", x, window);
}

ib_node ib__op_avg_pool(ib_graph *g, ib_node x, const ib_window2d *window) {
    return pool(g, IB_OP_avg_pool, "avg_pool", x, window);
}

ib_node ib__op_pool_grad(ib_graph *g, ib_op op, ib_node x, ib_node dy, const ib_window2d *window) {
    if (x == IB_NO_NODE || dy == IB_NO_NODE) return IB_NO_NODE;
    const ib_shape shape = ib__node(g, x)->shape;
    ib_node in[2] = {x, dy};
    return window_node(g, op, &shape, in, 2, window, 1, ib__node_batched(g, dy));
}
