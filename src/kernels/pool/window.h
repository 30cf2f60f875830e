/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of a pooling window that lies inside the input.
 */
#ifndef IB_KERNELS_POOL_WINDOW_H
#define IB_KERNELS_POOL_WINDOW_H

#include "kernels/kernels.h"

typedef struct ib_window {
    size_t row, col, rows, cols; /* rows or cols may be 0 */
} ib_window;

/* Along one axis: window number i of taps k, stride s, low padding p, over n places. */
static inline void ib__window_axis(size_t i, size_t k, size_t s, size_t p, size_t n, size_t *first,
                                   size_t *count) {
    size_t from = i * s, to = from + k; /* in padded places */
    from = from > p ? from - p : 0;
    to = to > p ? to - p : 0;
    if (to > n) to = n;
    *first = from;
    *count = to > from ? to - from : 0;
}

static inline ib_window ib__window_at(const ib_pool2d_args *g, size_t i, size_t j) {
    ib_window w;
    ib__window_axis(i, g->kh, g->sh, g->ph, g->h, &w.row, &w.rows);
    ib__window_axis(j, g->kw, g->sw, g->pw, g->w, &w.col, &w.cols);
    return w;
}

#endif
