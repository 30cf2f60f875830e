/* SPDX-License-Identifier: Apache-2.0
 *
 * scatter_add, as the contract scatter_add/1 says it.
 */
#include "kernels/scatter/lists.h"

ib_k_scatter_fn ib_k_scatter_add_f32_ref;

/* One number of the lane: the chain over those of the row's updates that are the lane's. */
static float lane_sum(const ib_scatter_args *g, uint32_t head, size_t lane, size_t column) {
    size_t begin = lane == 0 ? 0 : ib__scatter_lane_end(g, lane - 1), end = ib__scatter_lane_end(g, lane);
    float sum = 0.0f;
    for (uint32_t i = head; i != IB_SCATTER_NONE; i = ib__scatter_next(g, i))
        if (i >= begin && i < end) sum += g->updates[i * g->width + column];
    return sum;
}

static float tree(const ib_scatter_args *g, uint32_t head, size_t lane, size_t n, size_t column) {
    if (n == 1) return lane_sum(g, head, lane, column);
    size_t p = ib__scatter_first_half(n);
    return tree(g, head, lane, p, column) + tree(g, head, lane + p, n - p, column);
}

void ib_k_scatter_add_f32_ref(const ib_scatter_args *g, size_t row0, size_t row1) {
    for (size_t r = row0; r < row1; r++)
        for (size_t c = 0; c < g->width; c++)
            g->y[(r - row0) * g->width + c] = tree(g, ib__scatter_head(g, r), 0, g->lanes, c);
}
