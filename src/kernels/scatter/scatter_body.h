/* SPDX-License-Identifier: Apache-2.0
 *
 * scatter_add over sixteen columns at a time; included by scatter_avx2.c and scatter_avx512.c. Most rows have
 * no update or one.
 */
#include "kernels/scatter/lists.h"
#include "kernels/simd/v16.h"

#include <string.h>

ib_k_scatter_fn IB_K(scatter_add);

/* Where a row's tree stands: lanes are asked for in order, so one pass over the list serves all. */
typedef struct cursor {
    const ib_scatter_args *g;
    uint32_t at;
    size_t column, n;
} cursor;

static v16 lane_sum(cursor *c, size_t lane) {
    size_t end = ib__scatter_lane_end(c->g, lane);
    v16 sum = v16_zero();
    for (; c->at != IB_SCATTER_NONE && c->at < end; c->at = ib__scatter_next(c->g, c->at))
        sum = v16_add(sum, v16_load_n(c->g->updates + c->at * c->g->width + c->column, c->n));
    return sum;
}

static v16 tree(cursor *c, size_t lane, size_t n) {
    if (n == 1) return lane_sum(c, lane);
    size_t p = ib__scatter_first_half(n);
    v16 left = tree(c, lane, p);
    /* No update is left: the others are +0, and no sum here is -0. */
    if (c->at == IB_SCATTER_NONE) return left;
    return v16_add(left, tree(c, lane + p, n - p));
}

static void fill_row(const ib_scatter_args *g, uint32_t head, float *y) {
    for (size_t column = 0; column < g->width; column += 16) {
        cursor c = {g, head, column, g->width - column};
        v16_store_n(y + column, tree(&c, 0, g->lanes), c.n);
    }
}

/* A row of one update is +0 plus it, for what other lanes add is +0. */
static void fill_single(const ib_scatter_args *g, uint32_t update, float *y) {
    const float *x = g->updates + update * g->width;
    for (size_t column = 0; column < g->width; column += 16) {
        size_t n = g->width - column;
        v16_store_n(y + column, v16_add(v16_zero(), v16_load_n(x + column, n)), n);
    }
}

void IB_K(scatter_add)(const ib_scatter_args *g, size_t row0, size_t row1) {
    float *y = g->y;
    for (size_t r = row0; r < row1; r++, y += g->width) {
        uint32_t head = ib__scatter_head(g, r);
        if (head == IB_SCATTER_NONE)
            memset(y, 0, g->width * sizeof *y);
        else if (ib__scatter_next(g, head) == IB_SCATTER_NONE)
            fill_single(g, head, y);
        else
            fill_row(g, head, y);
    }
}
