/* SPDX-License-Identifier: Apache-2.0
 *
 * scatter_add over sixteen columns at a time; included by scatter_avx2.c and scatter_avx512.c. Most rows have
 * no update or one.
 */
#include "kernels/scatter/lists.h"
#include "kernels/simd/v16.h"

ib_k_scatter_scratch_fn IB_K(scatter_add_scratch);
ib_k_scatter_fn IB_K(scatter_add);

size_t IB_K(scatter_add_scratch)(const ib_scatter_args *g, size_t parts) {
    (void)parts;
    return ib__scatter_bytes(g);
}

/* Where a row's tree stands: lanes are asked for in order, so one pass over the list serves all. */
typedef struct cursor {
    const ib_scatter_args *g;
    const uint32_t *next;
    uint32_t at;
    size_t column, n;
} cursor;

static v16 lane_sum(cursor *c, size_t lane) {
    size_t end = ib__scatter_lane_end(c->g, lane);
    v16 sum = v16_zero();
    for (; c->at != IB_SCATTER_NONE && c->at < end; c->at = c->next[c->at])
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

static void fill_row(const ib_scatter_args *g, const ib_scatter_lists *l, size_t r) {
    uint32_t head = l->heads[r - l->row0];
    float *y = g->y + r * g->width;
    for (size_t column = 0; column < g->width; column += 16) {
        cursor c = {g, l->next, head, column, g->width - column};
        v16 sum = head == IB_SCATTER_NONE ? v16_zero() : tree(&c, 0, g->lanes);
        v16_store_n(y + column, sum, c.n);
    }
}

void IB_K(scatter_add)(const ib_scatter_args *g, size_t part, size_t parts, void *scratch) {
    ib_scatter_lists l = ib__scatter_lists(g, part, parts, scratch);
    for (size_t r = l.row0; r < l.row1; r++)
        fill_row(g, &l, r);
}
