/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution and pooling over one to three axes: shape rules.
 */
#include "graph/internal.h"

/* Output length of a window along one axis; 0 or less: it does not fit. */
static int64_t window_length(const ib_window *w, int axis, int64_t length) {
    if (w->even[axis] > 0) return length > 0 ? w->even[axis] : 0;
    int64_t span = (w->taps[axis] - 1) * w->dilation[axis] + 1;
    int64_t room = length + w->low[axis] + w->high[axis] - span;
    return room < 0 ? 0 : room / w->strides[axis] + 1;
}

static bool window_valid(const ib_window *w, int axes) {
    for (int i = 0; i < axes; i++) {
        const int64_t from_one[] = {w->taps[i], w->strides[i], w->dilation[i]};
        const int64_t from_zero[] = {w->low[i], w->high[i], w->even[i]};
        for (int k = 0; k < 3; k++)
            if (from_one[k] < 1 || from_one[k] > IB_LENGTH_MAX || from_zero[k] < 0 ||
                from_zero[k] > IB_LENGTH_MAX)
                return false;
    }
    return true;
}

/* x: [n, ..., c] under a window -> [n, ..., channels]; false (and an error) if it does not fit. */
static bool window_shape(ib_graph *g, const char *op, const ib_shape *x, const ib_window *w, int64_t channels,
                         ib_shape *out) {
    char text[128];
    ib__shape_print(text, x);
    if (x->rank < 3 || x->rank > 5) {
        (void)ib__graph_fail(g, IB_BAD_INPUT, "%s: expected an input of rank 3 to 5, found %s", op, text);
        return false;
    }
    int axes = x->rank - 2;
    if (!window_valid(w, axes)) {
        (void)ib__graph_fail(g, IB_BAD_INPUT, "%s: a length of the window is out of range", op);
        return false;
    }
    *out = (ib_shape){.rank = x->rank, .dims = {x->dims[0]}};
    out->dims[axes + 1] = channels;
    for (int i = 0; i < axes; i++) {
        out->dims[1 + i] = window_length(w, i, x->dims[1 + i]);
        if (out->dims[1 + i] > 0) continue;
        (void)ib__graph_fail(g, IB_BAD_INPUT, "%s: a window of %lld places does not fit axis %d of %s", op,
                             (long long)w->taps[i], 1 + i, text);
        return false;
    }
    return true;
}

static ib_node window_node(ib_graph *g, ib_op op, const ib_shape *shape, const ib_node *in, int n,
                           const ib_window *window, int64_t groups, bool batched) {
    ib_node_data *node = ib__node_add(g, op, IB_TYPE_F32, shape, in, n);
    if (node) {
        node->u.window.window = *window;
        node->u.window.groups = groups;
        node->batched = batched;
    }
    return op == IB_OP_max_pool ? ib__node_last(g, node) : ib__node_rounded(g, node);
}

/* Does the kernel fit channels in, and the window? */
static bool kernel_fits(const ib_shape *k, int rank, int64_t channels, const ib_window *w, int64_t groups) {
    bool fits = k->rank == rank && rank >= 3 && rank <= 5 && groups > 0 && groups <= channels;
    for (int i = 0; fits && i < rank - 2; i++)
        fits = k->dims[i] == w->taps[i] && w->even[i] == 0;
    return fits && k->dims[rank - 2] * groups == channels && k->dims[rank - 1] % groups == 0;
}

static ib_node kernel_misfit(ib_graph *g, const char *op, const ib_shape *k, int64_t groups,
                             const ib_shape *with) {
    char a[128], b[128];
    ib__shape_print(a, k);
    ib__shape_print(b, with);
    return ib__graph_fail(g, IB_BAD_INPUT, "%s: kernel %s in %lld groups does not fit input %s", op, a,
                          (long long)groups, b);
}

ib_node ib__op_convolution(ib_graph *g, ib_node x, ib_node k, const ib_window *window, int64_t groups) {
    if (x == IB_NO_NODE || k == IB_NO_NODE) return IB_NO_NODE;
    const ib_shape sx = ib__node(g, x)->shape, sk = ib__node(g, k)->shape;
    if (!kernel_fits(&sk, sx.rank, sx.rank > 0 ? sx.dims[sx.rank - 1] : 0, window, groups))
        return kernel_misfit(g, "convolution", &sk, groups, &sx);
    ib_shape shape;
    if (!window_shape(g, "convolution", &sx, window, sk.dims[sk.rank - 1], &shape)) return IB_NO_NODE;
    ib_node in[2] = {x, k};
    return window_node(g, IB_OP_convolution, &shape, in, 2, window, groups, ib__node_batched(g, x));
}

ib_node ib__op_convolution_transpose(ib_graph *g, ib_node y, ib_node k, const int64_t *sizes,
                                     const ib_window *window, int64_t groups) {
    if (y == IB_NO_NODE || k == IB_NO_NODE) return IB_NO_NODE;
    const ib_shape sy = ib__node(g, y)->shape, sk = ib__node(g, k)->shape;
    int rank = sy.rank;
    bool fits = rank >= 3 && rank <= 5 && sk.rank == rank && sk.dims[rank - 1] == sy.dims[rank - 1];
    ib_shape shape = {.rank = rank, .dims = {sy.dims[0]}}, back;
    for (int i = 1; fits && i < rank - 1; i++) {
        fits = sizes[i - 1] > 0 && sizes[i - 1] <= IB_LENGTH_MAX;
        shape.dims[i] = sizes[i - 1];
    }
    fits = fits && !__builtin_mul_overflow(sk.dims[rank - 2], groups, &shape.dims[rank - 1]);
    fits = fits && kernel_fits(&sk, rank, shape.dims[rank - 1], window, groups);
    if (!fits) return kernel_misfit(g, "convolution_transpose", &sk, groups, &sy);
    if (!window_shape(g, "convolution_transpose", &shape, window, sk.dims[rank - 1], &back))
        return IB_NO_NODE;
    if (!ib__shape_equal(&back, &sy))
        return ib__graph_fail(g, IB_BAD_INPUT,
                              "convolution_transpose: no convolution gives its input's shape");
    return ib__op_convolution_grad_input(g, y, k, &shape, window, groups);
}

ib_node ib__op_convolution_grad_input(ib_graph *g, ib_node dy, ib_node k, const ib_shape *x,
                                      const ib_window *window, int64_t groups) {
    ib_node in[2] = {dy, k};
    return window_node(g, IB_OP_convolution_grad_input, x, in, 2, window, groups, ib__node_batched(g, dy));
}

ib_node ib__op_convolution_grad_kernel(ib_graph *g, ib_node x, ib_node dy, const ib_shape *k,
                                       const ib_window *window, int64_t groups) {
    ib_node in[2] = {x, dy};
    return window_node(g, IB_OP_convolution_grad_kernel, k, in, 2, window, groups, false);
}

static ib_node pool(ib_graph *g, ib_op op, const char *name, ib_node x, const ib_window *window) {
    if (x == IB_NO_NODE) return x;
    const ib_shape sx = ib__node(g, x)->shape;
    ib_shape shape;
    if (!window_shape(g, name, &sx, window, sx.rank > 0 ? sx.dims[sx.rank - 1] : 0, &shape))
        return IB_NO_NODE;
    for (int i = 0; i < sx.rank - 2; i++)
        if (window->dilation[i] != 1)
            return ib__graph_fail(g, IB_UNSUPPORTED, "%s: dilated windows are not supported", name);
    return window_node(g, op, &shape, &x, 1, window, 1, ib__node_batched(g, x));
}

ib_node ib__op_max_pool(ib_graph *g, ib_node x, const ib_window *window) {
    return pool(g, IB_OP_max_pool, "max_pool", x, window);
}

ib_node ib__op_avg_pool(ib_graph *g, ib_node x, const ib_window *window) {
    return pool(g, IB_OP_avg_pool, "avg_pool", x, window);
}

ib_node ib__op_pool_grad(ib_graph *g, ib_op op, ib_node x, ib_node dy, const ib_window *window) {
    if (x == IB_NO_NODE || dy == IB_NO_NODE) return IB_NO_NODE;
    const ib_shape shape = ib__node(g, x)->shape;
    ib_node in[2] = {x, dy};
    return window_node(g, op, &shape, in, 2, window, 1, ib__node_batched(g, dy));
}
