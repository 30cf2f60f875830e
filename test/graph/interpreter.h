/* SPDX-License-Identifier: Apache-2.0
 *
 * A plain interpreter of graphs in double precision, shared by the graph's tests. Predicates are 0 or 1.
 */
#ifndef TEST_GRAPH_INTERPRETER_H
#define TEST_GRAPH_INTERPRETER_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/internal.h"

enum { MAX_NODES = 4000 };

typedef struct interpreter {
    const ib_graph *g;
    double *value[MAX_NODES]; /* predicates: 0 or 1 */
} interpreter;

static size_t elements(const ib_shape *s) {
    size_t n = 1;
    for (int i = 0; i < s->rank; i++)
        n *= (size_t)s->dims[i];
    return n;
}

static void coordinates(const ib_shape *s, size_t i, int64_t *at) {
    for (int d = s->rank; d-- > 0;) {
        at[d] = (int64_t)(i % (size_t)s->dims[d]);
        i /= (size_t)s->dims[d];
    }
}

static size_t place(const ib_shape *s, const int64_t *at) {
    size_t i = 0;
    for (int d = 0; d < s->rank; d++)
        i = i * (size_t)s->dims[d] + (size_t)at[d];
    return i;
}

static double apply(ib_map_op op, double a, double b, double c) {
    switch (op) {
    case IB_MAP_copy:
        return a;
    case IB_MAP_negate:
        return -a;
    case IB_MAP_abs:
        return fabs(a);
    case IB_MAP_sign:
        return isnan(a) ? a : (a > 0) - (a < 0);
    case IB_MAP_floor:
        return floor(a);
    case IB_MAP_ceil:
        return ceil(a);
    case IB_MAP_round:
        return nearbyint(a);
    case IB_MAP_sqrt:
        return sqrt(a);
    case IB_MAP_add:
        return a + b;
    case IB_MAP_subtract:
        return a - b;
    case IB_MAP_multiply:
        return a * b;
    case IB_MAP_divide:
        return a / b;
    case IB_MAP_fma:
        return a * b + c;
    case IB_MAP_maximum:
        return a > b || isnan(a) ? a : b;
    case IB_MAP_minimum:
        return a < b || isnan(a) ? a : b;
    case IB_MAP_equal:
    case IB_MAP_int_equal:
        return a == b;
    case IB_MAP_not_equal:
        return a != b;
    case IB_MAP_less:
        return a < b;
    case IB_MAP_less_equal:
        return a <= b;
    case IB_MAP_greater:
        return a > b;
    case IB_MAP_greater_equal:
        return a >= b;
    case IB_MAP_select:
        return a != 0 ? b : c;
    case IB_MAP_and:
        return a != 0 && b != 0;
    case IB_MAP_or:
        return a != 0 || b != 0;
    case IB_MAP_not:
        return a == 0;
    case IB_MAP_int_to_float:
        return a;
    case IB_MAP_exp:
        return exp(a);
    case IB_MAP_expm1:
        return expm1(a);
    case IB_MAP_log:
        return log(a);
    case IB_MAP_log1p:
        return log1p(a);
    case IB_MAP_tanh:
        return tanh(a);
    case IB_MAP_logistic:
        return 1 / (1 + exp(-a));
    case IB_MAP_softplus:
        return fmax(a, 0) + log1p(exp(-fabs(a)));
    case IB_MAP_erf:
        return erf(a);
    case IB_MAP_rsqrt:
        return 1 / sqrt(a);
    default:
        fail_msg("op %d is not interpreted", op);
        return 0;
    }
}

static void eval_dot(const interpreter *t, const ib_node_data *n, double *y) {
    const ib_node_data *a = &t->g->nodes[n->in[0]], *b = &t->g->nodes[n->in[1]];
    const ib_dot_axes *d = &n->u.dot;
    for (size_t i = 0; i < elements(&n->shape); i++) {
        int64_t at[IB_RANK_MAX], x[IB_RANK_MAX], w[IB_RANK_MAX];
        coordinates(&n->shape, i, at);
        int k = 0;
        for (int j = 0; j < d->n_batch; j++, k++)
            x[d->a_batch[j]] = w[d->b_batch[j]] = at[k];
        for (int side = 0; side < 2; side++)
            for (int axis = 0; axis < (side ? b : a)->shape.rank; axis++) {
                bool used = false;
                for (int j = 0; j < d->n_batch; j++)
                    used |= (side ? d->b_batch : d->a_batch)[j] == axis;
                for (int j = 0; j < d->n_contract; j++)
                    used |= (side ? d->b_contract : d->a_contract)[j] == axis;
                if (!used) (side ? w : x)[axis] = at[k++];
            }
        ib_shape over = {.rank = d->n_contract};
        for (int j = 0; j < d->n_contract; j++)
            over.dims[j] = a->shape.dims[d->a_contract[j]];
        double sum = 0;
        for (size_t p = 0; p < elements(&over); p++) {
            int64_t c[IB_RANK_MAX];
            coordinates(&over, p, c);
            for (int j = 0; j < d->n_contract; j++) {
                x[d->a_contract[j]] = c[j];
                w[d->b_contract[j]] = c[j];
            }
            sum += t->value[n->in[0]][place(&a->shape, x)] * t->value[n->in[1]][place(&b->shape, w)];
        }
        y[i] = sum;
    }
}

/* Taps of a window along axis i of x. */
static int64_t window_taps(const ib_window *w, const ib_shape *x, int i) {
    return w->even[i] ? x->dims[1 + i] : w->taps[i];
}

/* The place of x that tap number `tap` of the output place `out` reads, into at[1 ...]; false: outside. */
static bool window_reads(const ib_window *w, const ib_shape *x, const int64_t *out, int64_t tap,
                         int64_t *at) {
    bool inside = true;
    for (int i = x->rank - 3; i >= 0; i--) {
        int64_t n = x->dims[1 + i], taps = window_taps(w, x, i), end = n, t = tap % taps;
        tap /= taps;
        at[1 + i] = out[1 + i] * w->strides[i] + t * w->dilation[i] - w->low[i];
        if (w->even[i]) {
            at[1 + i] = out[1 + i] * n / w->even[i] + t;
            end = ((out[1 + i] + 1) * n + w->even[i] - 1) / w->even[i];
        }
        inside &= at[1 + i] >= 0 && at[1 + i] < end;
    }
    return inside;
}

/* Convolutions in all three directions and pools: one walk over (output element, tap). */
static void eval_window(const interpreter *t, const ib_node_data *n, double *y) {
    const ib_window *w = &n->u.window.window;
    const ib_shape *s0 = &t->g->nodes[n->in[0]].shape;
    bool pool = n->op == IB_OP_max_pool || n->op == IB_OP_avg_pool || n->op == IB_OP_max_pool_grad ||
                n->op == IB_OP_avg_pool_grad;
    const ib_shape *xs = n->op == IB_OP_convolution_grad_input ? &n->shape : s0;
    const ib_shape *ys = n->op == IB_OP_convolution_grad_input ? s0
                         : n->n_in == 2 && (pool || n->op == IB_OP_convolution_grad_kernel)
                             ? &t->g->nodes[n->in[1]].shape
                             : &n->shape;
    int channel = xs->rank - 1;
    int64_t groups = pool ? 1 : n->u.window.groups, ci = xs->dims[channel], co = ys->dims[channel], taps = 1;
    for (int i = 0; i < channel - 1; i++)
        taps *= window_taps(w, xs, i);
    const double *a = t->value[n->in[0]], *b = n->n_in > 1 ? t->value[n->in[1]] : NULL;
    for (size_t i = 0; i < elements(&n->shape); i++)
        y[i] = 0;
    for (size_t i = 0; i < elements(ys); i++) {
        int64_t out[IB_RANK_MAX], at[IB_RANK_MAX], best = -1, inside = 0;
        coordinates(ys, i, out);
        at[0] = out[0];
        for (int64_t p = 0; p < taps; p++) {
            if (!window_reads(w, xs, out, p, at)) continue;
            at[channel] = out[channel];
            inside++;
            if (pool) {
                int64_t j = (int64_t)place(xs, at);
                if (best < 0 || a[j] > a[best] || (isnan(a[j]) && !isnan(a[best]))) best = j;
                if (n->op == IB_OP_avg_pool) y[i] += a[j];
                continue;
            }
            int64_t per = ci / groups, first = out[channel] / (co / groups) * per;
            for (int64_t k = 0; k < per; k++) {
                at[channel] = first + k;
                size_t j = place(xs, at), m = (size_t)((p * per + k) * co + out[channel]);
                if (n->op == IB_OP_convolution) y[i] += a[j] * b[m];
                if (n->op == IB_OP_convolution_grad_input) y[j] += a[i] * b[m];
                if (n->op == IB_OP_convolution_grad_kernel) y[m] += a[j] * b[i];
            }
        }
        if (n->op == IB_OP_max_pool) y[i] = a[best];
        if (n->op == IB_OP_avg_pool) y[i] /= (double)inside;
        if (n->op == IB_OP_max_pool_grad) y[best] += b[i];
        at[channel] = out[channel];
        for (int64_t p = 0; n->op == IB_OP_avg_pool_grad && p < taps; p++)
            if (window_reads(w, xs, out, p, at)) y[place(xs, at)] += b[i] / (double)inside;
    }
}

static void eval_reduce(const interpreter *t, const ib_node_data *n, double *y) {
    const ib_shape *s = &t->g->nodes[n->in[0]].shape;
    for (size_t i = 0; i < elements(&n->shape); i++)
        y[i] = n->u.reduce.op == IB_REDUCE_SUM ? 0 : n->u.reduce.op == IB_REDUCE_MAX ? -HUGE_VAL : HUGE_VAL;
    for (size_t i = 0; i < elements(s); i++) {
        int64_t at[IB_RANK_MAX], to[IB_RANK_MAX];
        coordinates(s, i, at);
        int r = 0;
        for (int d = 0; d < s->rank; d++)
            if (!(n->u.reduce.axes >> d & 1)) to[r++] = at[d];
        double x = t->value[n->in[0]][i], *into = &y[place(&n->shape, to)];
        if (n->u.reduce.op == IB_REDUCE_SUM) *into += x;
        if (n->u.reduce.op == IB_REDUCE_MAX) *into = apply(IB_MAP_maximum, *into, x, 0);
        if (n->u.reduce.op == IB_REDUCE_MIN) *into = apply(IB_MAP_minimum, *into, x, 0);
    }
}

/* Ops that only move elements: where element i of the result comes from; false: from nowhere (padding). */
static bool source_of(const interpreter *t, const ib_node_data *n, size_t i, ib_node *from, size_t *at_from) {
    int64_t at[IB_RANK_MAX], to[IB_RANK_MAX];
    coordinates(&n->shape, i, at);
    *from = n->many ? n->many[0] : n->in[0];
    const ib_shape *s = &t->g->nodes[*from].shape;
    for (int d = 0; d < s->rank; d++) {
        if (n->op == IB_OP_broadcast_in_dim) to[d] = s->dims[d] == 1 ? 0 : at[n->u.dims[d]];
        if (n->op == IB_OP_slice) to[d] = at[d] + n->u.range.low[d];
        if (n->op == IB_OP_concatenate) to[d] = at[d];
        if (n->op == IB_OP_pad) {
            to[d] = at[d] - n->u.range.low[d];
            if (to[d] < 0 || to[d] >= s->dims[d]) return false;
        }
    }
    if (n->op == IB_OP_transpose)
        for (int d = 0; d < s->rank; d++)
            to[n->u.dims[d]] = at[d];
    for (int k = 0; n->op == IB_OP_concatenate && to[n->u.dims[0]] >= s->dims[n->u.dims[0]];) {
        to[n->u.dims[0]] -= s->dims[n->u.dims[0]];
        *from = n->many[++k];
        s = &t->g->nodes[*from].shape;
    }
    *at_from = n->op == IB_OP_reshape || n->op == IB_OP_stop_gradient ? i : place(s, to);
    return true;
}

static void eval_node(interpreter *t, ib_node a) {
    const ib_node_data *n = &t->g->nodes[a];
    size_t count = elements(&n->shape);
    if (!t->value[a]) t->value[a] = calloc(count + 1, sizeof(double));
    double *y = t->value[a];
    switch (n->op) {
    case IB_OP_input:
        return; /* filled by the test */
    case IB_OP_variable:
    case IB_OP_constant_array:
        for (size_t i = 0; i < count; i++) {
            float f = n->op == IB_OP_variable ? n->u.variable->data[i] : n->u.values[i];
            int32_t word;
            memcpy(&word, &f, 4);
            y[i] = n->type == IB_TYPE_I32 ? (double)word : (double)f;
        }
        return;
    case IB_OP_constant:
        y[0] = (double)n->u.value;
        return;
    case IB_OP_map:
        for (size_t i = 0; i < count; i++)
            y[i] = apply(n->map, t->value[n->in[0]][i], n->n_in > 1 ? t->value[n->in[1]][i] : 0,
                         n->n_in > 2 ? t->value[n->in[2]][i] : 0);
        return;
    case IB_OP_dot_general:
        eval_dot(t, n, y);
        return;
    case IB_OP_reduce:
        eval_reduce(t, n, y);
        return;
    case IB_OP_convolution:
    case IB_OP_convolution_grad_input:
    case IB_OP_convolution_grad_kernel:
    case IB_OP_max_pool:
    case IB_OP_max_pool_grad:
    case IB_OP_avg_pool:
    case IB_OP_avg_pool_grad:
        eval_window(t, n, y);
        return;
    default:
        for (size_t i = 0; i < count; i++) {
            ib_node from;
            size_t at;
            y[i] = source_of(t, n, i, &from, &at) ? t->value[from][at] : (double)n->u.range.fill;
        }
    }
}

#endif
