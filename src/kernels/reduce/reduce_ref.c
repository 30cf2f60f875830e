/* SPDX-License-Identifier: Apache-2.0
 *
 * Reductions, as the contracts reduce/1, reduce_lanes/1, lane_tree/1 and add_rows/1 say them.
 */
#include "kernels/reduce/reduce.h"

#include <math.h>

#include "kernels/kernels.h"
#include "kernels/simd/scalar.h"

ib_k_reduce_fn ib_k_reduce_f32_ref;
ib_k_reduce_lanes_fn ib_k_reduce_lanes_f32_ref;
ib_k_lane_tree_fn ib_k_lane_tree_f32_ref;
ib_k_add_rows_fn ib_k_add_rows_f32_ref;

/* 16 strided accumulators and their tree. */
static float row_block(const float *x, size_t count) {
    float sum[16] = {0};
    for (size_t i = 0; i < count; i++)
        sum[i % 16] += x[i];
    for (size_t half = 8; half; half /= 2)
        for (size_t i = 0; i < half; i++)
            sum[i] += sum[i + half];
    return sum[0];
}

static float column_block(const float *x, size_t count, size_t inner) {
    float sum = 0.0f;
    for (size_t i = 0; i < count; i++)
        sum += x[i * inner];
    return sum;
}

/* The lane tree over n values pairs neighbours level by level and lets an odd last one pass. Its last
 * addition therefore joins the tree of the first p values, p the largest power of two below n, with the tree
 * of the others; and so on downwards. */
static size_t first_half(size_t n) {
    size_t p = 1;
    while (p < n - p)
        p *= 2;
    return p;
}

/* Sum of `count` values that lie `inner` apart, by the rule for inner = 1 or inner > 1. */
static float sum_of(const float *x, size_t count, size_t inner) {
    size_t block = inner == 1 ? IB_REDUCE_ROW_BLOCK : IB_REDUCE_COLUMN_BLOCK;
    if (count <= block) return inner == 1 ? row_block(x, count) : column_block(x, count, inner);
    size_t first = first_half((count + block - 1) / block) * block;
    return sum_of(x, first, inner) + sum_of(x + first * inner, count - first, inner);
}

static float extreme_of(const float *x, size_t count, size_t inner, ib_reduce_op op) {
    float extreme = op == IB_REDUCE_MAX ? -INFINITY : INFINITY;
    for (size_t i = 0; i < count; i++)
        extreme =
            op == IB_REDUCE_MAX ? ib__maximum(extreme, x[i * inner]) : ib__minimum(extreme, x[i * inner]);
    return extreme;
}

void ib_k_reduce_f32_ref(const ib_reduce_args *g, size_t part, size_t parts) {
    size_t n = g->outer * g->inner, end = ib__part_start(n, part + 1, parts);
    for (size_t e = ib__part_start(n, part, parts); e < end; e++) {
        const float *x = g->x + e / g->inner * g->count * g->inner + e % g->inner;
        g->y[e] =
            g->op == IB_REDUCE_SUM ? sum_of(x, g->count, g->inner) : extreme_of(x, g->count, g->inner, g->op);
    }
}

void ib_k_reduce_lanes_f32_ref(const ib_reduce_lanes_args *g, size_t part, size_t parts) {
    size_t n = g->lanes * g->inner, end = ib__part_start(n, part + 1, parts);
    for (size_t e = ib__part_start(n, part, parts); e < end; e++) {
        size_t lane = e / g->inner, column = e % g->inner;
        size_t first = lane * g->samples / g->lanes, last = (lane + 1) * g->samples / g->lanes;
        float sum = 0.0f;
        for (size_t s = first; s < last; s++) {
            float one = sum_of(g->x + s * g->count * g->inner + column, g->count, g->inner);
            sum = s == first ? one : sum + one;
        }
        g->y[e] = sum;
    }
}

static float tree_of(const float *x, size_t lanes, size_t n) {
    if (lanes == 0) return 0.0f;
    if (lanes == 1) return x[0];
    size_t first = first_half(lanes);
    return tree_of(x, first, n) + tree_of(x + first * n, lanes - first, n);
}

void ib_k_lane_tree_f32_ref(const float *x, float *y, size_t lanes, size_t n, size_t part, size_t parts) {
    size_t end = ib__part_start(n, part + 1, parts);
    for (size_t i = ib__part_start(n, part, parts); i < end; i++)
        y[i] = tree_of(x + i, lanes, n);
}

void ib_k_add_rows_f32_ref(const float *x, float *y, size_t count, size_t n) {
    for (size_t row = 0; row < count; row++)
        for (size_t i = 0; i < n; i++)
            y[i] += x[row * n + i];
}
