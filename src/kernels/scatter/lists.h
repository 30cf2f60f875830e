/* SPDX-License-Identifier: Apache-2.0
 *
 * Which updates belong to a row: a list for each row, in ascending order. The words of ib__scatter_lists are
 * the first update of each row, then the update that follows each update.
 */
#ifndef IB_KERNELS_SCATTER_LISTS_H
#define IB_KERNELS_SCATTER_LISTS_H

#include "kernels/kernels.h"

#define IB_SCATTER_NONE UINT32_MAX

static inline uint32_t ib__scatter_head(const ib_scatter_args *g, size_t row) {
    return g->lists[row];
}

static inline uint32_t ib__scatter_next(const ib_scatter_args *g, uint32_t update) {
    return g->lists[g->rows + update];
}

/* The first update that belongs to a later lane than `lane`. */
static inline size_t ib__scatter_lane_end(const ib_scatter_args *g, size_t lane) {
    return (lane + 1) * g->samples / g->lanes * g->per;
}

/* The lane tree over n lanes joins the tree of the first p, the largest power of two below n, with that of
 * the others. */
static inline size_t ib__scatter_first_half(size_t n) {
    size_t p = 1;
    while (p < n - p)
        p *= 2;
    return p;
}

#endif
