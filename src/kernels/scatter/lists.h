/* SPDX-License-Identifier: Apache-2.0
 *
 * Which updates belong to a row: lists in ascending order, made anew for the rows of a part.
 */
#ifndef IB_KERNELS_SCATTER_LISTS_H
#define IB_KERNELS_SCATTER_LISTS_H

#include "kernels/kernels.h"

#define IB_SCATTER_NONE UINT32_MAX

/* heads: one a row of the part; next: one an update. */
typedef struct ib_scatter_lists {
    uint32_t *heads, *next;
    size_t row0, row1;
} ib_scatter_lists;

static inline size_t ib__scatter_bytes(const ib_scatter_args *g) {
    return (g->rows + g->samples * g->per + 2) * sizeof(uint32_t);
}

static inline ib_scatter_lists ib__scatter_lists(const ib_scatter_args *g, size_t part, size_t parts,
                                                 void *scratch) {
    ib_scatter_lists l = {.row0 = g->rows * part / parts, .row1 = g->rows * (part + 1) / parts};
    l.heads = scratch;
    l.next = l.heads + g->rows;
    for (size_t r = l.row0; r < l.row1; r++)
        l.heads[r - l.row0] = IB_SCATTER_NONE;
    for (size_t i = g->samples * g->per; i-- > 0;) {
        int64_t index = g->indices[i], last = (int64_t)g->rows - 1;
        size_t r = (size_t)(index < 0 ? 0 : index > last ? last : index);
        if (r < l.row0 || r >= l.row1) continue;
        l.next[i] = l.heads[r - l.row0];
        l.heads[r - l.row0] = (uint32_t)i;
    }
    return l;
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
