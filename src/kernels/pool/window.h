/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of a pooling window that lies inside the input.
 */
#ifndef IB_KERNELS_POOL_WINDOW_H
#define IB_KERNELS_POOL_WINDOW_H

#include "kernels/kernels.h"

/* The first place and the extent; planes, rows or cols may be 0. */
typedef struct ib__pool_window {
    size_t plane, row, col, planes, rows, cols;
} ib__pool_window;

/* Along one axis: window number i of `out`, taps k, stride s, low padding p, over n places. k = 0: one of
 * `out` even windows. */
static inline void ib__pool_axis(size_t i, size_t out, size_t k, size_t s, size_t p, size_t n, size_t *first,
                                 size_t *count) {
    if (k == 0) {
        *first = i * n / out;
        *count = ((i + 1) * n + out - 1) / out - *first;
        return;
    }
    size_t from = i * s, to = from + k; /* in padded places */
    from = from > p ? from - p : 0;
    to = to > p ? to - p : 0;
    if (to > n) to = n;
    *first = from;
    *count = to > from ? to - from : 0;
}

static inline ib__pool_window ib__pool_window_at(const ib_pool_args *g, size_t l, size_t i, size_t j) {
    ib__pool_window w;
    ib__pool_axis(l, g->od, g->kd, g->sd, g->pd, g->d, &w.plane, &w.planes);
    ib__pool_axis(i, g->oh, g->kh, g->sh, g->ph, g->h, &w.row, &w.rows);
    ib__pool_axis(j, g->ow, g->kw, g->sw, g->pw, g->w, &w.col, &w.cols);
    return w;
}

static inline size_t ib__pool_places(ib__pool_window w) {
    return w.planes * w.rows * w.cols;
}

/* The most places that a window may have. */
static inline size_t ib__pool_most_places(const ib_pool_args *g) {
    size_t planes = g->kd ? g->kd : g->d / g->od + 2, rows = g->kh ? g->kh : g->h / g->oh + 2;
    return planes * rows * (g->kw ? g->kw : g->w / g->ow + 2);
}

/* Words of hits for each output pixel. */
static inline size_t ib__pool_hits(const ib_pool_args *g) {
    return (g->c + 15) / 16 * ib__pool_most_places(g);
}

#endif
