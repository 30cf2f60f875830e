/* SPDX-License-Identifier: Apache-2.0
 *
 * Reductions over sixteen lanes; included by reduce_avx2.c and reduce_avx512.c. Four independent chains run
 * side by side where there are four (neighbouring rows or columns), since one alone would wait for its adder.
 */
#include "kernels/reduce/reduce.h"

#include <math.h>

#include "kernels/kernels.h"
#include "kernels/simd/scalar.h"
#include "kernels/simd/v16.h"

ib_k_reduce_fn IB_K(reduce);
ib_k_reduce_lanes_fn IB_K(reduce_lanes);
ib_k_lane_tree_fn IB_K(lane_tree);
ib_k_add_rows_fn IB_K(add_rows);

typedef struct four {
    v16 a, b, c, d;
} four;

V16_FN v16 identity(ib_reduce_op op) {
    return op == IB_REDUCE_SUM ? v16_zero() : v16_set(op == IB_REDUCE_MAX ? -INFINITY : INFINITY);
}

V16_FN v16 joined(ib_reduce_op op, v16 so_far, v16 x) {
    if (op == IB_REDUCE_SUM) return v16_add(so_far, x);
    return op == IB_REDUCE_MAX ? v16_maximum(so_far, x) : v16_minimum(so_far, x);
}

V16_FN four four_joined(ib_reduce_op op, four s, four x) {
    return (four){joined(op, s.a, x.a), joined(op, s.b, x.b), joined(op, s.c, x.c), joined(op, s.d, x.d)};
}

/* Joins `steps` vectors, `step` floats apart, to s. */
V16_FN v16 chain_from(ib_reduce_op op, v16 s, const float *x, size_t step, size_t steps, size_t lanes) {
    for (size_t i = 0; i < steps; i++, x += step)
        s = joined(op, s, v16_load_n(x, lanes));
    return s;
}

V16_FN v16 chain(ib_reduce_op op, const float *x, size_t step, size_t steps, size_t lanes) {
    return chain_from(op, identity(op), x, step, steps, lanes);
}

/* Four chains that begin `apart` floats apart. */
V16_FN four four_chains_from(ib_reduce_op op, four s, const float *x, size_t apart, size_t step,
                             size_t steps) {
    for (size_t i = 0; i < steps; i++, x += step)
        s = four_joined(
            op, s,
            (four){v16_load(x), v16_load(x + apart), v16_load(x + 2 * apart), v16_load(x + 3 * apart)});
    return s;
}

V16_FN four four_chains(ib_reduce_op op, const float *x, size_t apart, size_t step, size_t steps) {
    v16 none = identity(op);
    return four_chains_from(op, (four){none, none, none, none}, x, apart, step, steps);
}

/* The lane tree over values that come one by one. level[] holds the finished subtrees, the largest first, one
 * for each bit of `count`; a new value joins every subtree that it completes. */
typedef struct tree {
    size_t count, levels;
    v16 level[IB_REDUCE_TREE_DEPTH];
} tree;

V16_FN void tree_add(tree *t, v16 x) {
    for (size_t size = t->count++; size & 1; size >>= 1)
        x = v16_add(t->level[--t->levels], x);
    t->level[t->levels++] = x;
}

V16_FN v16 tree_end(tree *t) {
    if (!t->levels) return v16_zero();
    v16 x = t->level[--t->levels];
    while (t->levels)
        x = v16_add(t->level[--t->levels], x);
    return x;
}

/* From the sixteen accumulators of a row to its result. The lanes hold the last zero each has met, but of an
 * extreme that is zero the last one of the row must win: it is looked for. */
V16_FN float row_end(ib_reduce_op op, v16 s, const float *x, size_t count) {
    if (op == IB_REDUCE_SUM) return v16_sum(s);
    if (p16_any(v16_is_nan(s))) return NAN;
    float extreme = op == IB_REDUCE_MAX ? v16_greatest(s) : v16_smallest(s);
    if (extreme == 0.0f) {
        while (x[count - 1] != 0.0f)
            count--;
        extreme = x[count - 1];
    }
    return extreme;
}

V16_FN v16 row_rest(ib_reduce_op op, v16 s, const float *x, size_t count) {
    size_t rest = count % 16;
    return rest ? joined(op, s, v16_load_or(x + count - rest, rest, identity(op))) : s;
}

/* A row that is one block, or any row of an extreme. */
V16_FN float short_row(ib_reduce_op op, const float *x, size_t count) {
    v16 s = chain(op, x, 16, count / 16, 16);
    return row_end(op, row_rest(op, s, x, count), x, count);
}

static float row_sum(const float *x, size_t count) {
    if (count <= IB_REDUCE_ROW_BLOCK) return short_row(IB_REDUCE_SUM, x, count);
    tree t;
    t.count = t.levels = 0;
    for (size_t i = 0; i < count; i += IB_REDUCE_ROW_BLOCK) {
        size_t left = count - i;
        tree_add(&t, v16_set(short_row(IB_REDUCE_SUM, x + i,
                                       left < IB_REDUCE_ROW_BLOCK ? left : IB_REDUCE_ROW_BLOCK)));
    }
    float sum[16];
    v16_store(sum, tree_end(&t));
    return sum[0];
}

/* y[r] = the result of row r of x: [rows, count]. */
V16_FN void all_rows(ib_reduce_op op, float *y, const float *x, size_t rows, size_t count) {
    size_t r = 0;
    if (op != IB_REDUCE_SUM || count <= IB_REDUCE_ROW_BLOCK) {
        for (; r + 4 <= rows; r += 4) {
            const float *row = x + r * count;
            four s = four_chains(op, row, count, 16, count / 16);
            const v16 lanes[4] = {s.a, s.b, s.c, s.d};
            for (size_t i = 0; i < 4; i++, row += count)
                y[r + i] = row_end(op, row_rest(op, lanes[i], row, count), row, count);
        }
    }
    for (; r < rows; r++)
        y[r] = op == IB_REDUCE_SUM ? row_sum(x + r * count, count) : short_row(op, x + r * count, count);
}

/* Sums or extremes of `lanes` neighbouring columns of x: [count, inner]. */
V16_FN v16 columns(ib_reduce_op op, const float *x, size_t count, size_t inner, size_t lanes) {
    if (op != IB_REDUCE_SUM || count <= IB_REDUCE_COLUMN_BLOCK) {
        if (lanes >= 16) return chain(op, x, inner, count, 16);
        return chain(op, x, inner, count, lanes);
    }
    tree t;
    t.count = t.levels = 0;
    for (size_t i = 0; i < count; i += IB_REDUCE_COLUMN_BLOCK) {
        size_t left = count - i;
        tree_add(&t, chain(op, x + i * inner, inner,
                           left < IB_REDUCE_COLUMN_BLOCK ? left : IB_REDUCE_COLUMN_BLOCK, lanes));
    }
    return tree_end(&t);
}

V16_FN void four_store(float *y, four s) {
    v16_store(y, s.a);
    v16_store(y + 16, s.b);
    v16_store(y + 32, s.c);
    v16_store(y + 48, s.d);
}

/* y[i] = the result of column i of x: [count, inner], for i in [from, to). */
V16_FN void all_columns(ib_reduce_op op, float *y, const float *x, size_t count, size_t inner, size_t from,
                        size_t to) {
    bool one_block = op != IB_REDUCE_SUM || count <= IB_REDUCE_COLUMN_BLOCK;
    while (one_block && to - from >= 64) {
        four_store(y + from, four_chains(op, x + from, 16, inner, count));
        from += 64;
    }
    for (; from < to; from += 16)
        v16_store_n(y + from, columns(op, x + from, count, inner, to - from), to - from);
}

V16_FN void reduce(ib_reduce_op op, const ib_reduce_args *g, size_t part, size_t parts) {
    if (g->inner == 1) {
        size_t from = ib__part_start(g->outer, part, parts), to = ib__part_start(g->outer, part + 1, parts);
        all_rows(op, g->y + from, g->x + from * g->count, to - from, g->count);
        return;
    }
    size_t groups = (g->inner + 15) / 16, units = g->outer * groups;
    size_t unit = ib__part_start(units, part, parts), end = ib__part_start(units, part + 1, parts);
    while (unit < end) {
        size_t o = unit / groups, first = unit % groups;
        size_t last = groups - first < end - unit ? groups : first + (end - unit);
        all_columns(op, g->y + o * g->inner, g->x + o * g->count * g->inner, g->count, g->inner, first * 16,
                    last < groups ? last * 16 : g->inner);
        unit += last - first;
    }
}

void IB_K(reduce)(const ib_reduce_args *g, size_t part, size_t parts) {
    if (g->op == IB_REDUCE_SUM)
        reduce(IB_REDUCE_SUM, g, part, parts);
    else if (g->op == IB_REDUCE_MAX)
        reduce(IB_REDUCE_MAX, g, part, parts);
    else
        reduce(IB_REDUCE_MIN, g, part, parts);
}

/* One lane of samples [first, last), inner = 1. */
static float lane_of_rows(const ib_reduce_lanes_args *g, size_t first, size_t last) {
    float sum = 0.0f, rows[4];
    for (size_t s = first; s < last; s += 4) {
        size_t n = last - s < 4 ? last - s : 4;
        all_rows(IB_REDUCE_SUM, rows, g->x + s * g->count, n, g->count);
        for (size_t i = 0; i < n; i++)
            sum = s + i == first ? rows[i] : sum + rows[i];
    }
    return sum;
}

/* One lane of samples [first, last), columns [from, to) of [count, inner], inner > 1. */
static void lane_of_columns(const ib_reduce_lanes_args *g, float *y, size_t first, size_t last, size_t from,
                            size_t to) {
    size_t apart = g->count * g->inner;
    const float *x = g->x + first * apart;
    for (; g->count <= IB_REDUCE_COLUMN_BLOCK && to - from >= 64; from += 64) {
        four sum = four_chains(IB_REDUCE_SUM, x + from, 16, g->inner, first < last ? g->count : 0);
        for (size_t s = 1; s < last - first; s++)
            sum = four_joined(IB_REDUCE_SUM, sum,
                              four_chains(IB_REDUCE_SUM, x + s * apart + from, 16, g->inner, g->count));
        four_store(y + from, sum);
    }
    for (; from < to; from += 16) {
        v16 sum = columns(IB_REDUCE_SUM, x + from, first < last ? g->count : 0, g->inner, to - from);
        for (size_t s = 1; s < last - first; s++)
            sum = v16_add(sum, columns(IB_REDUCE_SUM, x + s * apart + from, g->count, g->inner, to - from));
        v16_store_n(y + from, sum, to - from);
    }
}

void IB_K(reduce_lanes)(const ib_reduce_lanes_args *g, size_t part, size_t parts) {
    size_t groups = (g->inner + 15) / 16, units = g->lanes * groups;
    size_t unit = ib__part_start(units, part, parts), end = ib__part_start(units, part + 1, parts);
    while (unit < end) {
        size_t lane = unit / groups, from = unit % groups;
        size_t to = groups - from < end - unit ? groups : from + (end - unit);
        size_t first = lane * g->samples / g->lanes, last = (lane + 1) * g->samples / g->lanes;
        if (g->inner == 1)
            g->y[lane] = lane_of_rows(g, first, last);
        else
            lane_of_columns(g, g->y + lane * g->inner, first, last, from * 16,
                            to < groups ? to * 16 : g->inner);
        unit += to - from;
    }
}

/* Columns in sixteens; the tree of one is finished before its y is written, so y may be the first lane. */
void IB_K(lane_tree)(const float *x, float *y, size_t lanes, size_t n, size_t part, size_t parts) {
    size_t groups = (n + 15) / 16;
    size_t from = 16 * ib__part_start(groups, part, parts), to = 16 * ib__part_start(groups, part + 1, parts);
    for (size_t i = from; i < to && i < n; i += 16) {
        tree t;
        t.count = t.levels = 0;
        for (size_t lane = 0; lane < lanes; lane++)
            tree_add(&t, v16_load_n(x + lane * n + i, n - i));
        v16_store_n(y + i, tree_end(&t), n - i);
    }
}

/* Whole vectors in a loop of their own. */
V16_FN v16 columns_from(v16 s, const float *x, size_t step, size_t steps, size_t lanes) {
    if (lanes >= 16) return chain_from(IB_REDUCE_SUM, s, x, step, steps, 16);
    return chain_from(IB_REDUCE_SUM, s, x, step, steps, lanes);
}

void IB_K(add_rows)(const float *x, float *y, size_t count, size_t n) {
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        four s = {v16_load(y + i), v16_load(y + i + 16), v16_load(y + i + 32), v16_load(y + i + 48)};
        four_store(y + i, four_chains_from(IB_REDUCE_SUM, s, x + i, 16, n, count));
    }
    for (; i < n; i += 16)
        v16_store_n(y + i, columns_from(v16_load_n(y + i, n - i), x + i, n, count, n - i), n - i);
}
