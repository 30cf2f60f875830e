/* SPDX-License-Identifier: Apache-2.0
 *
 * Random graphs. Each is run node by node (every node alone in a graph of its own, whose operands are inputs,
 * with the ref kernels), and then as a plan: fusion, epilogues and shared memory, all instruction sets, other
 * numbers of threads, scrambled parts, filled scratch memory, repeated runs must all give those bits. Each
 * node alone is compared with the interpreter in double precision.
 *
 * test_graph_fuzz [graphs [first seed]]; a graph that fails prints its seed and its nodes.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/interpreter.h"
#include "graph/plan.h"

enum { POOL = 256, VARIABLES = 24, EFFECTS = 4, NODES = 1500 };

static size_t graphs = 2000, first_seed = 1;

/* ---- The generator ---- */

typedef struct random_graph {
    uint64_t state;
    ib_graph *g;
    size_t limit; /* elements of a node, at most */
    bool empty;   /* dimensions of 0 are allowed */
    int64_t samples;
    ib_node made[POOL]; /* float32 nodes to take operands from */
    int n_made;
    ib_variable variables[VARIABLES];
    float *initial[VARIABLES];
    int n_variables;
    float *seen[EFFECTS]; /* what effects were given */
    int n_effects;
} random_graph;

static uint64_t next(random_graph *r) {
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int below(random_graph *r, int n) {
    return (int)(next(r) % (uint64_t)n);
}

static bool chance(random_graph *r, int percent) {
    return below(r, 100) < percent;
}

/* Small multiples of 1/8, so that equal values are common, or any number; sometimes a zero with a sign. */
static float number(random_graph *r) {
    int kind = below(r, 8);
    if (kind == 0) return chance(r, 50) ? 0.0f : -0.0f;
    if (kind < 4) return (float)(below(r, 33) - 16) * 0.125f;
    return (float)(below(r, 1 << 23) - (1 << 22)) * 0x1p-21f;
}

static int64_t dimension(random_graph *r) {
    static const int64_t small[] = {1, 1, 2, 2, 3, 3, 4, 5, 6, 7};
    static const int64_t large[] = {1, 2, 3, 8, 15, 16, 17, 33, 64, 130};
    return (r->limit > 1000 ? large : small)[below(r, 10)];
}

static ib_shape random_shape(random_graph *r, int rank) {
    ib_shape s = {.rank = rank};
    do
        for (int i = 0; i < rank; i++)
            s.dims[i] = dimension(r);
    while (elements(&s) > r->limit);
    return s;
}

static ib_shape shape_of(const random_graph *r, ib_node a) {
    return ib__node_shape(r->g, a);
}

static ib_node keep(random_graph *r, ib_node a) {
    if (a == IB_NO_NODE || ib__node_type(r->g, a) != IB_TYPE_F32) return a;
    if (elements(&r->g->nodes[a].shape) > r->limit) return a;
    r->made[r->n_made < POOL ? r->n_made++ : below(r, POOL)] = a;
    return a;
}

/* A node made before; the later ones are likelier. */
static ib_node pick(random_graph *r) {
    int i = below(r, r->n_made), j = below(r, r->n_made);
    return r->made[i > j ? i : j];
}

static ib_node variable(random_graph *r, const ib_shape *s) {
    ib_variable *v = &r->variables[r->n_variables];
    size_t n = elements(s);
    *v = (ib_variable){.path = "v", .shape = *s, .data = ib__alloc(n, sizeof(float))};
    r->initial[r->n_variables++] = ib__alloc(n, sizeof(float));
    for (size_t i = 0; i < n; i++)
        r->initial[r->n_variables - 1][i] = number(r);
    return ib__op_variable(r->g, v);
}

/* A new source of the shape. */
static ib_node source(random_graph *r, const ib_shape *s) {
    ib_graph *g = r->g;
    bool samples = s->rank > 0 && s->dims[0] % r->samples == 0 && s->dims[0] > 0;
    switch (below(r, 7)) {
    case 0:
        if (r->n_variables < VARIABLES) return variable(r, s);
        return ib__op_input(g, "x", IB_TYPE_F32, s, false);
    case 1: {
        float *values = ib__alloc(elements(s), sizeof *values);
        for (size_t i = 0; i < elements(s); i++)
            values[i] = number(r);
        ib_node a = ib__op_constant_array(g, values, s);
        ib__free(values);
        return a;
    }
    case 2:
        if (s->rank > 0) {
            ib_node numbers = ib__op_iota(g, s, below(r, s->rank));
            return ib__op_scale(g, ib__op_convert(g, numbers, IB_TYPE_F32), 0.25f);
        }
        return ib__op_constant(g, number(r));
    case 3:
        if (samples) return ib__op_uniform(g, (uint32_t[]){(uint32_t)below(r, 1000), 7}, s);
        return ib__op_broadcast_to(g, ib__op_constant(g, number(r)), s);
    default:
        return ib__op_input(g, "x", IB_TYPE_F32, s, samples && chance(r, 80));
    }
}

/* An operand that broadcasts with `a`: made before, reduced from a, or new. */
static ib_node partner(random_graph *r, ib_node a) {
    ib_shape s = shape_of(r, a);
    for (int attempt = 0; attempt < 6; attempt++) {
        ib_node b = pick(r);
        ib_shape other = shape_of(r, b);
        size_t all = 1;
        bool fits = true;
        for (int i = 1; i <= IB_RANK_MAX; i++) {
            int64_t x = i <= s.rank ? s.dims[s.rank - i] : 1;
            int64_t y = i <= other.rank ? other.dims[other.rank - i] : 1;
            fits &= x == y || x == 1 || y == 1;
            all *= (size_t)(x == 1 ? y : x);
        }
        if (fits && all <= r->limit) return b;
    }
    if (s.rank > 0 && chance(r, 40))
        return ib__op_reduce(r->g, (ib_reduce_op)below(r, 3), a, (unsigned)below(r, 1 << s.rank), true);
    int drop = chance(r, 40) ? below(r, s.rank + 1) : 0;
    ib_shape t = ib__shape_of(s.rank - drop, s.dims + drop);
    for (int i = 0; i < t.rank; i++)
        if (chance(r, 25)) t.dims[i] = 1;
    return source(r, &t);
}

static ib_node positive(random_graph *r, ib_node a) {
    return ib__op_offset(r->g, ib__op_square(r->g, a), 0.5f);
}

static ib_node make_unary(random_graph *r) {
    static const ib_map_op any[] = {IB_MAP_copy,  IB_MAP_negate,   IB_MAP_abs,      IB_MAP_sign,
                                    IB_MAP_floor, IB_MAP_ceil,     IB_MAP_round,    IB_MAP_tanh,
                                    IB_MAP_exp,   IB_MAP_logistic, IB_MAP_softplus, IB_MAP_erf};
    static const ib_map_op bounded[] = {IB_MAP_sqrt, IB_MAP_rsqrt, IB_MAP_log, IB_MAP_log1p};
    ib_node a = pick(r);
    if (chance(r, 20)) return ib__op_map(r->g, bounded[below(r, 4)], positive(r, a), IB_NO_NODE, IB_NO_NODE);
    ib_map_op op = any[below(r, sizeof any / sizeof *any)];
    if (op == IB_MAP_exp) a = ib__op_minimum(r->g, a, ib__op_constant(r->g, 4.0f));
    return chance(r, 15) ? ib__op_relu(r->g, a) : ib__op_map(r->g, op, a, IB_NO_NODE, IB_NO_NODE);
}

static ib_node make_binary(random_graph *r) {
    static const ib_map_op ops[] = {IB_MAP_add,     IB_MAP_add,     IB_MAP_subtract, IB_MAP_multiply,
                                    IB_MAP_maximum, IB_MAP_minimum, IB_MAP_divide};
    static const ib_map_op compare[] = {IB_MAP_equal,      IB_MAP_not_equal, IB_MAP_less,
                                        IB_MAP_less_equal, IB_MAP_greater,   IB_MAP_greater_equal};
    ib_node a = pick(r), b = partner(r, a);
    ib_map_op op = ops[below(r, 7)];
    if (op == IB_MAP_divide) b = positive(r, b);
    if (chance(r, 12)) return ib__op_map(r->g, IB_MAP_fma, a, b, partner(r, ib__op_add(r->g, a, b)));
    if (chance(r, 15)) {
        ib_node p = ib__op_map(r->g, compare[below(r, 6)], a, b, IB_NO_NODE);
        if (chance(r, 20)) p = ib__op_map(r->g, IB_MAP_not, p, IB_NO_NODE, IB_NO_NODE);
        ib_node yes = chance(r, 50) ? a : b;
        return chance(r, 20) ? ib__op_convert(r->g, p, IB_TYPE_F32)
                             : ib__op_select(r->g, p, yes, ib__op_constant(r->g, number(r)));
    }
    return chance(r, 50) ? ib__op_map(r->g, op, a, b, IB_NO_NODE) : ib__op_map(r->g, op, b, a, IB_NO_NODE);
}

/* The elements dealt out again, by their factors. */
static ib_node make_reshape(random_graph *r, ib_node a) {
    ib_shape t = {.rank = 1 + below(r, chance(r, 20) ? IB_RANK_MAX : 4)};
    size_t n = elements(&r->g->nodes[a].shape);
    for (int i = 0; i < t.rank; i++)
        t.dims[i] = 1;
    if (n == 0) {
        t.dims[below(r, t.rank)] = 0;
        return ib__op_reshape(r->g, a, &t);
    }
    if (n % (size_t)r->samples == 0 && chance(r, 60)) {
        t.dims[0] = r->samples;
        n /= (size_t)r->samples;
    }
    for (size_t p = 2; n > 1; p++)
        for (; n % p == 0; n /= p)
            t.dims[below(r, t.rank)] *= (int64_t)p;
    if (chance(r, 30)) t.dims[below(r, t.rank)] = -1;
    return ib__op_reshape(r->g, a, &t);
}

static void shuffle(random_graph *r, int *list, int n) {
    for (int i = n - 1; i > 0; i--) {
        int j = below(r, i + 1), x = list[i];
        list[i] = list[j];
        list[j] = x;
    }
}

static ib_node make_transpose(random_graph *r, ib_node a) {
    int permutation[IB_RANK_MAX], rank = shape_of(r, a).rank;
    for (int i = 0; i < rank; i++)
        permutation[i] = i;
    bool first = rank > 1 && chance(r, 40);
    shuffle(r, permutation + first, rank - first);
    return ib__op_transpose(r->g, a, permutation);
}

static ib_node make_slice(random_graph *r, ib_node a) {
    ib_shape s = shape_of(r, a);
    int64_t start[IB_RANK_MAX] = {0}, limit[IB_RANK_MAX];
    for (int i = 0; i < s.rank; i++) {
        limit[i] = s.dims[i];
        if (s.dims[i] == 0 || chance(r, 50)) continue;
        start[i] = below(r, (int)s.dims[i]);
        limit[i] = start[i] + 1 + below(r, (int)(s.dims[i] - start[i]));
        if (r->empty && chance(r, 20)) limit[i] = start[i];
    }
    return ib__op_slice(r->g, a, start, limit);
}

static ib_node make_pad(random_graph *r, ib_node a) {
    ib_shape s = shape_of(r, a);
    int64_t low[IB_RANK_MAX] = {0}, high[IB_RANK_MAX] = {0};
    size_t n = 1;
    for (int i = 0; i < s.rank; i++) {
        if (chance(r, 40)) low[i] = below(r, 3);
        if (chance(r, 40)) high[i] = below(r, 3);
        n *= (size_t)(s.dims[i] + low[i] + high[i]);
    }
    return n > r->limit ? a : ib__op_pad(r->g, a, number(r), low, high);
}

static ib_node make_concatenate(random_graph *r, ib_node a) {
    ib_shape s = shape_of(r, a);
    if (s.rank == 0) return a;
    ib_node parts[5];
    int n = 1 + below(r, 5), axis = below(r, s.rank);
    for (int i = 0; i < n; i++) {
        ib_shape t = s;
        if (chance(r, 50)) t.dims[axis] = 1 + below(r, 3);
        ib_node same = chance(r, 50) ? ib__op_negate(r->g, a) : a;
        parts[i] = chance(r, 50) ? same : source(r, &t);
    }
    return ib__op_concatenate(r->g, parts, (size_t)n, axis);
}

/* New dimensions and stretched ones, often of something that was broadcast and reshaped before. */
static ib_node make_broadcast(random_graph *r, ib_node a) {
    ib_shape s = shape_of(r, a), t = {0};
    int dims[IB_RANK_MAX] = {0};
    for (int i = 0; i < s.rank; i++) {
        while (t.rank + s.rank - i < IB_RANK_MAX && chance(r, 25))
            t.dims[t.rank++] = 1 + below(r, 4);
        dims[i] = t.rank;
        t.dims[t.rank++] = s.dims[i] == 1 && chance(r, 50) ? 1 + below(r, 5) : s.dims[i];
    }
    while (t.rank < IB_RANK_MAX && chance(r, 30))
        t.dims[t.rank++] = 1 + below(r, 4);
    if (elements(&t) > r->limit) return a;
    ib_node b = ib__op_broadcast_in_dim(r->g, a, &t, dims);
    if (!chance(r, 40)) return b;
    return make_broadcast(r, chance(r, 80) ? make_reshape(r, b) : ib__op_stop_gradient(r->g, b));
}

static ib_node make_reduce(random_graph *r, ib_node a) {
    ib_shape s = shape_of(r, a);
    unsigned axes = (unsigned)below(r, 1 << s.rank);
    if (chance(r, 30)) return ib__op_mean(r->g, a, axes, chance(r, 50));
    ib_reduce_op op = chance(r, 60) ? IB_REDUCE_SUM : (ib_reduce_op)below(r, 3);
    return ib__op_reduce(r->g, op, a, axes, chance(r, 50));
}

/* Each axis of a is batch, contracted or free; b has the first two kinds and free ones, in any order. */
static ib_node make_dot(random_graph *r, ib_node a) {
    ib_shape s = shape_of(r, a), t = {0};
    ib_dot_axes axes = {0};
    int order[IB_RANK_MAX], is[IB_RANK_MAX], at[IB_RANK_MAX], left = 0;
    for (int i = 0; i < s.rank; i++)
        order[i] = i;
    if (chance(r, 30)) shuffle(r, order, s.rank);
    for (int i = 0; i < s.rank; i++) {
        int kind = below(r, 5), axis = order[i];
        if (kind == 0) axes.a_batch[axes.n_batch++] = axis;
        if (kind == 1 || kind == 2) axes.a_contract[axes.n_contract++] = axis;
        left += kind > 2;
    }
    if (chance(r, 25)) { /* with itself, or something of its shape */
        memcpy(axes.b_batch, axes.a_batch, sizeof axes.b_batch);
        memcpy(axes.b_contract, axes.a_contract, sizeof axes.b_contract);
        size_t n = elements(&s);
        if (axes.n_batch + 2 * left > IB_RANK_MAX || n * n > 40 * r->limit) return a;
        return ib__op_dot_general(r->g, a, chance(r, 50) ? a : source(r, &s), &axes);
    }
    int common = axes.n_batch + axes.n_contract, more = below(r, 3);
    if (common + more > IB_RANK_MAX || axes.n_batch + left + more > IB_RANK_MAX) return a;
    for (int i = 0; i < common + more; i++)
        order[i] = i;
    if (chance(r, 50)) shuffle(r, order, common + more);
    t.rank = common + more;
    for (int i = 0; i < t.rank; i++) {
        is[i] = i < axes.n_batch ? axes.a_batch[i] : i < common ? axes.a_contract[i - axes.n_batch] : -1;
        at[i] = order[i];
        t.dims[at[i]] = is[i] >= 0 ? s.dims[is[i]] : dimension(r);
        if (i < axes.n_batch)
            axes.b_batch[i] = at[i];
        else if (i < common)
            axes.b_contract[i - axes.n_batch] = at[i];
    }
    if (elements(&t) > r->limit || elements(&t) * elements(&s) > 40 * r->limit) return a;
    return ib__op_dot_general(r->g, a, source(r, &t), &axes);
}

/* An image to slide windows over: a node of rank 4, or a new one. */
static ib_node image(random_graph *r) {
    for (int i = 0; i < 4; i++) {
        ib_node a = pick(r);
        ib_shape s = shape_of(r, a);
        if (s.rank == 4 && elements(&s) > 0) return a;
    }
    ib_shape s = random_shape(r, 4);
    if (r->samples * 25 <= (int64_t)r->limit) {
        s = (ib_shape){4, {r->samples, 1 + below(r, 5), 1 + below(r, 5), 1 + below(r, 4)}};
        if (elements(&s) > r->limit) s.dims[3] = 1;
    }
    return source(r, &s);
}

static ib_node make_window(random_graph *r) {
    ib_node x = image(r);
    ib_shape s = shape_of(r, x);
    bool pool = chance(r, 40);
    ib_window2d w = {
        .kh = 1 + below(r, 3), .kw = 1 + below(r, 3), .sh = 1 + below(r, 2), .sw = 1 + below(r, 2)};
    w.dh = pool ? 1 : 1 + below(r, 2);
    w.dw = pool ? 1 : 1 + below(r, 2);
    w.top = below(r, (int)w.kh);
    w.bottom = below(r, (int)w.kh);
    w.left = below(r, (int)w.kw);
    w.right = below(r, (int)w.kw);
    if (s.dims[1] + w.top + w.bottom < (w.kh - 1) * w.dh + 1) return x;
    if (s.dims[2] + w.left + w.right < (w.kw - 1) * w.dw + 1) return x;
    if (pool && (s.dims[1] < w.kh || s.dims[2] < w.kw)) return x;
    if (pool) return chance(r, 50) ? ib__op_max_pool(r->g, x, &w) : ib__op_avg_pool(r->g, x, &w);
    int64_t groups = chance(r, 30) ? s.dims[3] : 1;
    ib_shape k = {4, {w.kh, w.kw, s.dims[3] / groups, groups * (1 + below(r, 4))}};
    if (elements(&k) > r->limit) return x;
    return ib__op_convolution(r->g, x, source(r, &k), &w, groups);
}

static void make_node(random_graph *r) {
    int kind = below(r, 32);
    ib_node a = pick(r);
    if (kind < 8)
        a = make_unary(r);
    else if (kind < 16)
        a = make_binary(r);
    else if (kind < 18)
        a = make_reshape(r, a);
    else if (kind < 20)
        a = make_transpose(r, a);
    else if (kind == 20)
        a = make_slice(r, a);
    else if (kind == 21)
        a = make_pad(r, a);
    else if (kind == 22)
        a = make_concatenate(r, a);
    else if (kind < 25)
        a = make_broadcast(r, a);
    else if (kind < 28)
        a = make_reduce(r, a);
    else if (kind < 30)
        a = make_dot(r, a);
    else if (kind == 30)
        a = make_window(r);
    else
        a = chance(r, 30) ? ib__op_stop_gradient(r->g, a) : make_dot(r, make_reshape(r, a));
    (void)keep(r, a);
}

static void record_effect(void *context, const ib_kernels *kernels, const float *value, size_t start,
                          size_t n) {
    (void)kernels;
    memcpy((float *)context + start, value + start, n * sizeof *value);
}

static void add_results(random_graph *r) {
    ib_graph *g = r->g;
    if (chance(r, 70)) {
        ib_node from[2] = {pick(r), pick(r)}, dx[8], x[8];
        int nx = 1 + below(r, 8);
        for (int i = 0; i < nx; i++)
            x[i] = r->made[below(r, r->n_made)];
        ib_node y = IB_NO_NODE;
        for (int i = 0; i < 2; i++) {
            ib_node sum = ib__op_multiply(g, from[i], partner(r, from[i]));
            unsigned all = (1u << shape_of(r, sum).rank) - 1;
            sum = ib__op_reduce(g, IB_REDUCE_SUM, sum, all, false);
            y = i ? ib__op_add(g, y, sum) : sum;
        }
        ib__graph_gradients(g, &y, NULL, 1, x, (size_t)nx, dx);
        ib__graph_output(g, y);
        for (int i = 0; i < nx; i++)
            if (chance(r, 70)) ib__graph_output(g, keep(r, dx[i]));
    }
    for (int i = 1 + below(r, 4); i > 0; i--) {
        ib_node a = pick(r);
        if (g->nodes[ib__alias_base(g, a)].op != IB_OP_variable) ib__graph_output(g, a);
    }
    for (int i = 0; i < r->n_variables; i++)
        if (chance(r, 40))
            for (int attempt = 0; attempt < 8; attempt++) {
                ib_node a = pick(r);
                ib_shape s = shape_of(r, a);
                bool same = ib__shape_equal(&s, &r->variables[i].shape);
                if (!same && attempt < 7) continue;
                if (!same) a = ib__op_scale(g, ib__op_variable(g, &r->variables[i]), 0.5f);
                ib__graph_assign(g, &r->variables[i], a);
                break;
            }
    for (; r->n_effects < EFFECTS && chance(r, 40); r->n_effects++) {
        ib_node a = pick(r);
        r->seen[r->n_effects] = ib__alloc(elements(&g->nodes[a].shape), sizeof(float));
        ib__graph_effect(g, a, record_effect, r->seen[r->n_effects]);
    }
}

static void make_graph(random_graph *r, uint64_t seed) {
    static const int samples[] = {1, 2, 3, 4, 5, 7, 20};
    *r = (random_graph){.state = seed};
    bool large = chance(r, 4);
    r->limit = large ? 40000 : 300;
    r->empty = chance(r, 10);
    r->samples = samples[below(r, 7)];
    assert_int_equal(ib__graph_new(&r->g, (size_t)r->samples, (size_t)below(r, 6), NULL), IB_OK);
    for (int i = 2 + below(r, 3); i > 0; i--) {
        ib_shape s = random_shape(r, below(r, 5));
        if (s.rank > 0 && chance(r, 60)) s.dims[0] = r->samples * (1 + chance(r, 15));
        (void)keep(r, source(r, &s));
    }
    if (r->n_made == 0) (void)keep(r, ib__op_constant(r->g, 0.5f));
    for (int i = 3 + below(r, large ? 12 : 30); i > 0 && r->g->n_nodes < NODES; i--)
        make_node(r);
    add_results(r);
}

static void drop_graph(random_graph *r) {
    for (int i = 0; i < r->n_variables; i++) {
        ib__free(r->variables[i].data);
        ib__free(r->initial[i]);
    }
    for (int i = 0; i < r->n_effects; i++)
        ib__free(r->seen[i]);
    ib__graph_free(r->g);
}

static void restore_variables(random_graph *r) {
    for (int i = 0; i < r->n_variables; i++)
        memcpy(r->variables[i].data, r->initial[i], elements(&r->variables[i].shape) * sizeof(float));
}

/* ---- Node by node ---- */

static const ib_stream_at position = {.step = 3, .epoch = 2, .first_sample = 5};

typedef struct truth {
    uint32_t *words[MAX_NODES];
    interpreter exact;
} truth;

/* A node alone: a graph of that node, its operands inputs. */
static uint32_t *run_alone(const ib_graph *g, ib_node a, const truth *t, ib_pool *pool) {
    const ib_node_data *n = &g->nodes[a];
    size_t count = elements(&n->shape);
    uint32_t *out = calloc(count + 1, sizeof *out);
    ib_graph *alone;
    ib_plan *plan;
    ib_node *in = calloc((size_t)n->n_in + 1, sizeof *in), node;
    assert_int_equal(ib__graph_new(&alone, g->samples, g->lanes, NULL), IB_OK);
    for (int k = 0; k < n->n_in; k++) {
        const ib_node_data *operand = &g->nodes[n->many ? n->many[k] : n->in[k]];
        in[k] = ib__op_input(alone, "x", operand->type, &operand->shape, operand->batched);
    }
    if (n->op == IB_OP_constant_array) {
        node = ib__op_constant_array(alone, n->u.values, &n->shape);
    } else {
        ib_node_data *made = ib__node_add(alone, n->op, n->type, &n->shape, in, n->n_in);
        assert_non_null(made);
        made->map = n->map;
        made->u = n->u;
        made->batched = n->batched;
        if (n->many) {
            made->many = ib__arena_alloc(&alone->arena, (size_t)n->n_in * sizeof *in);
            memcpy(made->many, in, (size_t)n->n_in * sizeof *in);
        }
        node = ib__node_last(alone, made);
    }
    ib__graph_output(alone, node);
    assert_int_equal(ib__plan_new(&plan, alone, ib__kernels_for(IB_ISA_REF), pool, NULL), IB_OK);
    for (int k = 0; k < n->n_in; k++) {
        ib_node from = n->many ? n->many[k] : n->in[k];
        memcpy(ib__plan_input(plan, in[k]), t->words[from], elements(&g->nodes[from].shape) * 4);
    }
    if (n->op == IB_OP_input) memcpy(ib__plan_input(plan, node), t->words[a], count * 4);
    ib__plan_run(plan, &position);
    memcpy(out, ib__plan_value(plan, node), count * 4);
    ib__plan_free(plan);
    ib__graph_free(alone);
    free(in);
    return out;
}

static double as_double(ib_type type, uint32_t word) {
    float f;
    memcpy(&f, &word, 4);
    return type == IB_TYPE_F32   ? (double)f
           : type == IB_TYPE_I32 ? (double)(int32_t)word
                                 : (double)(word != 0);
}

/* How large the terms of a node's results can be together; more where long chains add up their rounding. */
static double size_of(const ib_graph *g, const truth *t, ib_node a) {
    const ib_node_data *n = &g->nodes[a];
    double product = 1, terms = 1, sum = 0;
    for (int k = 0; k < n->n_in; k++) {
        ib_node from = n->many ? n->many[k] : n->in[k];
        double most = 0;
        for (size_t i = 0; i < elements(&g->nodes[from].shape); i++)
            most = fmax(most, fabs(t->exact.value[from][i]));
        product *= most;
        sum += most;
        terms = fmax(terms, (double)elements(&g->nodes[from].shape));
    }
    terms *= 1 + terms / 500;
    bool products = n->op != IB_OP_map && n->op != IB_OP_reduce && n->n_in == 2;
    return fmax(products || n->map == IB_MAP_fma ? product * terms : 0,
                sum * (n->op == IB_OP_map ? 1 : terms));
}

/* Words are what the node's op gives in double precision, but for rounding. Uniform numbers are taken. */
static const char *check_exact(const ib_graph *g, truth *t, ib_node a, size_t *compared) {
    const ib_node_data *n = &g->nodes[a];
    size_t count = elements(&n->shape);
    double *kept = calloc(count + 1, sizeof *kept), size = size_of(g, t, a);
    const char *wrong = NULL;
    for (size_t i = 0; i < count; i++)
        kept[i] = as_double(n->type, t->words[a][i]);
    if (n->op != IB_OP_input && n->op != IB_OP_uniform && size < 1e30) {
        eval_node(&t->exact, a);
        for (size_t i = 0; i < count; i++, ++*compared) {
            double want = t->exact.value[a][i];
            if (isnan(want) ? !isnan(kept[i]) : isinf(want) ? kept[i] != want && fabs(kept[i]) < 1e37 : false)
                wrong = "not finite where it should be, or the other way round";
            if (isfinite(want) && fabs(want) < 1e37 &&
                !(fabs(kept[i] - want) <= 1e-6 * (fabs(want) + size) + 1e-37))
                wrong = "far from the interpreter";
        }
    }
    free(t->exact.value[a]);
    t->exact.value[a] = kept;
    return wrong;
}

static const char *find_truth(random_graph *r, truth *t, ib_pool *pool, ib_node *bad, size_t *compared) {
    const ib_graph *g = r->g;
    *t = (truth){.exact.g = g};
    restore_variables(r);
    const char *wrong = NULL;
    for (ib_node a = 0; a < (ib_node)g->n_nodes; a++) {
        size_t n = elements(&g->nodes[a].shape);
        if (g->nodes[a].op == IB_OP_input) {
            t->words[a] = calloc(n + 1, 4);
            for (size_t i = 0; i < n; i++) {
                float x = number(r);
                memcpy(&t->words[a][i], &x, 4);
            }
        } else {
            t->words[a] = run_alone(g, a, t, pool);
        }
        const char *here = check_exact(g, t, a, compared);
        if (here && !wrong) {
            wrong = here;
            *bad = a;
        }
    }
    return wrong;
}

static void drop_truth(const random_graph *r, truth *t) {
    for (size_t a = 0; a < r->g->n_nodes; a++) {
        free(t->words[a]);
        free(t->exact.value[a]);
    }
}

/* ---- Plans ---- */

static bool same_words(ib_type type, const void *x, const uint32_t *want, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t word;
        memcpy(&word, (const char *)x + 4 * i, 4);
        bool both_nan =
            type == IB_TYPE_F32 && (word & 0x7fffffff) > 0x7f800000 && (want[i] & 0x7fffffff) > 0x7f800000;
        if (word != want[i] && !both_nan) return false;
    }
    return true;
}

/* After a run: outputs, assigned variables and what effects were given. */
static const char *check_results(const random_graph *r, const ib_plan *plan, const truth *t, ib_node *bad,
                                 size_t *compared) {
    const ib_graph *g = r->g;
    for (size_t i = 0; i < g->n_outputs; i++, ++*compared) {
        const ib_node_data *n = &g->nodes[ *bad = g->outputs[i]];
        if (g->nodes[ib__alias_base(g, *bad)].op == IB_OP_variable) continue;
        if (!same_words(n->type, ib__plan_value(plan, *bad), t->words[*bad], elements(&n->shape)))
            return "output has other bits";
    }
    for (size_t i = 0; i < g->n_assignments; i++, ++*compared) {
        const ib_variable *v = g->assignments[i].variable;
        *bad = g->assignments[i].value;
        if (!same_words(IB_TYPE_F32, v->data, t->words[*bad], elements(&v->shape)))
            return "assigned variable has other bits";
    }
    for (size_t i = 0; i < g->n_effects; i++, ++*compared) {
        const ib_node_data *n = &g->nodes[ *bad = g->effects[i].value];
        if (!same_words(n->type, r->seen[i], t->words[*bad], elements(&n->shape)))
            return "effect got other bits";
    }
    return NULL;
}

static const char *run_plan(random_graph *r, const truth *t, ib_isa isa, ib_pool *pool, uint32_t fill,
                            ib_node *bad, size_t *compared) {
    ib_plan *plan;
    ib_error err = {0};
    *bad = IB_NO_NODE;
    if (ib__plan_new(&plan, r->g, ib__kernels_for(isa), pool, &err) != IB_OK) return "no plan";
    ib__plan_fill(plan, fill);
    for (size_t i = 0; i < r->g->n_nodes; i++)
        if (r->g->nodes[i].op == IB_OP_input)
            memcpy(ib__plan_input(plan, (ib_node)i), t->words[i], elements(&r->g->nodes[i].shape) * 4);
    const char *wrong = NULL;
    for (int run = 0; run < 2 && !wrong; run++) {
        restore_variables(r);
        ib__plan_run(plan, &position);
        wrong = check_results(r, plan, t, bad, compared);
    }
    ib__plan_free(plan);
    return wrong;
}

static void print_graph(const ib_graph *g) {
    for (size_t i = 0; i < g->n_nodes; i++) {
        const ib_node_data *n = &g->nodes[i];
        char shape[128];
        ib__shape_print(shape, &n->shape);
        fprintf(stderr, "%4zu %-24s %-20s%s", i, ib__op_name(n), shape, n->batched ? " batched" : "");
        for (int k = 0; k < n->n_in; k++)
            fprintf(stderr, " %d", n->many ? n->many[k] : n->in[k]);
        if (n->op == IB_OP_reduce) fprintf(stderr, " axes %x", n->u.reduce.axes);
        if (n->op == IB_OP_broadcast_in_dim || n->op == IB_OP_transpose)
            for (int d = 0; d < g->nodes[n->in[0]].shape.rank; d++)
                fprintf(stderr, "%s%d", d ? "," : " dims ", n->u.dims[d]);
        fprintf(stderr, "\n");
    }
    for (size_t i = 0; i < g->n_outputs; i++)
        fprintf(stderr, "output %d\n", g->outputs[i]);
    for (size_t i = 0; i < g->n_assignments; i++)
        fprintf(stderr, "assign %d\n", g->assignments[i].value);
    for (size_t i = 0; i < g->n_effects; i++)
        fprintf(stderr, "effect %d\n", g->effects[i].value);
}

static const uint32_t fills[] = {0x7fc00000u, 0xc2f6e979u, 0x7f7fffffu, 0};

/* The graph of a seed in all ways; the last time with every node as an output. */
static void fuzz_one(uint64_t seed, ib_pool **pools, size_t *compared) {
    random_graph r;
    ib_error err = {0};
    make_graph(&r, seed);
    bool refused = ib__graph_status(r.g, &err) != IB_OK;
    if (refused && err.code == IB_UNSUPPORTED) { /* a product's rank, a second gradient */
        drop_graph(&r);
        return;
    }
    if (refused) print_graph(r.g);
    if (refused) fail_msg("seed %llu: %s", (unsigned long long)seed, err.text);
    assert_true(r.g->n_nodes < MAX_NODES);
    truth *t = malloc(sizeof *t);
    ib_node bad = IB_NO_NODE;
    const char *wrong = find_truth(&r, t, pools[0], &bad, compared), *way = "alone";
    for (int pass = 0; pass <= IB_ISA_COUNT && !wrong; pass++) {
        ib_isa isa = pass < IB_ISA_COUNT ? (ib_isa)pass : ib__isa_default();
        if (!ib__isa_available(isa)) continue;
        if (pass == IB_ISA_COUNT)
            for (size_t i = 0; i < r.g->n_nodes; i++)
                ib__graph_output(r.g, (ib_node)i);
        ib_pool *pool = pools[below(&r, 3)];
        ib__pool_scramble(pool, (unsigned)below(&r, 4));
        wrong = run_plan(&r, t, isa, pool, fills[below(&r, 4)], &bad, compared);
        way = pass < IB_ISA_COUNT ? ib__isa_name(isa) : "all nodes are outputs";
    }
    if (wrong) print_graph(r.g);
    if (wrong) fail_msg("seed %llu, node %d, %s: %s", (unsigned long long)seed, bad, way, wrong);
    drop_truth(&r, t);
    free(t);
    drop_graph(&r);
}

static void test_random_graphs(void **unused) {
    (void)unused;
    ib_pool *pools[3];
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(ib__pool_new(&pools[i], i + 1, NULL), IB_OK);
    size_t compared = 0;
    for (size_t i = 0; i < graphs; i++)
        fuzz_one(first_seed + i, pools, &compared);
    for (size_t i = 0; i < 3; i++)
        ib__pool_free(pools[i]);
    assert_true(compared > graphs);
}

int main(int argc, char **argv) {
    if (argc > 1) graphs = strtoul(argv[1], NULL, 10);
    if (argc > 2) first_seed = strtoul(argv[2], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
