/* SPDX-License-Identifier: Apache-2.0
 *
 * A seeded generator of random graphs: all ops, small shapes (now and then large ones, or without elements),
 * outputs, a gradient, assignments and effects.
 */
#ifndef TEST_GRAPH_RANDOM_GRAPH_H
#define TEST_GRAPH_RANDOM_GRAPH_H

#include "graph/effect.h"
#include "graph/interpreter.h"

enum { POOL = 256, VARIABLES = 24, EFFECTS = 4, NODES = 1500 };

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
    ib_node y, x, dx; /* a gradient, if it has one; else IB_NO_NODE */
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

/* A line, an image or a volume to slide windows over: a node of rank 3 to 5, or a new one. */
static ib_node image(random_graph *r) {
    for (int i = 0; i < 4; i++) {
        ib_node a = pick(r);
        ib_shape s = shape_of(r, a);
        if (s.rank >= 3 && s.rank <= 5 && elements(&s) > 0) return a;
    }
    int rank = 3 + below(r, 3);
    ib_shape s = random_shape(r, rank);
    if (r->samples * 25 <= (int64_t)r->limit) {
        s = (ib_shape){4, {r->samples, 1 + below(r, 5), 1 + below(r, 5), 1 + below(r, 4)}};
        if (elements(&s) > r->limit) s.dims[3] = 1;
    }
    return source(r, &s);
}

/* A window over the axes of s; false: it does not fit. dilation: up to this. */
static bool random_window(random_graph *r, const ib_shape *s, int dilation, bool padded, ib_window *w) {
    *w = (ib_window){0};
    for (int i = 0; i < s->rank - 2; i++) {
        w->taps[i] = 1 + below(r, 3);
        w->strides[i] = 1 + below(r, 2);
        w->dilation[i] = 1 + below(r, dilation);
        w->low[i] = padded ? below(r, (int)w->taps[i]) : 0;
        w->high[i] = padded ? below(r, (int)w->taps[i]) : 0;
        if (s->dims[1 + i] + w->low[i] + w->high[i] < (w->taps[i] - 1) * w->dilation[i] + 1) return false;
    }
    return true;
}

/* Pools; an axis is sometimes cut evenly. */
static ib_node make_pool(random_graph *r, ib_node x) {
    ib_shape s = shape_of(r, x);
    ib_window w;
    if (!random_window(r, &s, 1, true, &w)) return x;
    for (int i = 0; i < s.rank - 2; i++) {
        if (s.dims[1 + i] < w.taps[i]) return x;
        if (chance(r, 20)) w.even[i] = 1 + below(r, 4);
    }
    return chance(r, 50) ? ib__op_max_pool(r->g, x, &w) : ib__op_avg_pool(r->g, x, &w);
}

/* x as the result of a convolution without padding: of an input of these sizes. */
static ib_node make_transposed(random_graph *r, ib_node x) {
    ib_shape s = shape_of(r, x), grown = {.rank = s.rank, .dims = {s.dims[0]}};
    ib_window w;
    if (!random_window(r, &s, 2, false, &w)) return x;
    ib_shape k = {.rank = s.rank};
    for (int i = 0; i < s.rank - 2; i++) {
        k.dims[i] = w.taps[i];
        grown.dims[1 + i] = (s.dims[1 + i] - 1) * w.strides[i] + (w.taps[i] - 1) * w.dilation[i] + 1 +
                            below(r, (int)w.strides[i]);
    }
    k.dims[s.rank - 2] = grown.dims[s.rank - 1] = 1 + below(r, 3);
    k.dims[s.rank - 1] = s.dims[s.rank - 1];
    if (elements(&k) > r->limit || elements(&grown) > r->limit) return x;
    return ib__op_convolution_transpose(r->g, x, source(r, &k), &grown.dims[1], &w, 1);
}

static ib_node make_window(random_graph *r) {
    ib_node x = image(r);
    ib_shape s = shape_of(r, x);
    ib_window w;
    if (chance(r, 40)) return make_pool(r, x);
    if (chance(r, 30)) return make_transposed(r, x);
    if (!random_window(r, &s, 2, true, &w)) return x;
    int64_t channels = s.dims[s.rank - 1], groups = chance(r, 30) ? channels : 1;
    ib_shape k = {.rank = s.rank};
    for (int i = 0; i < s.rank - 2; i++)
        k.dims[i] = w.taps[i];
    k.dims[s.rank - 2] = channels / groups;
    k.dims[s.rank - 1] = groups * (1 + below(r, 4));
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
        r->y = y;
        r->x = x[0];
        r->dx = dx[0];
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
        ib__graph_effect(g, a, record, r->seen[r->n_effects]);
    }
}

static void make_graph(random_graph *r, uint64_t seed) {
    static const int samples[] = {1, 2, 3, 4, 5, 7, 20};
    *r = (random_graph){.state = seed, .y = IB_NO_NODE, .x = IB_NO_NODE, .dx = IB_NO_NODE};
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

#endif
