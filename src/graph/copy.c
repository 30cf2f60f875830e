/* SPDX-License-Identifier: Apache-2.0
 *
 * Strided copies: transposes, slices, concatenations, pads; and rows by number. They move words and do no
 * arithmetic.
 */
#include "graph/plan.h"

#include <string.h>

void ib__copy_simplify(ib_copy *c) {
    int r = 0;
    for (int i = 0; i < c->rank; i++) {
        if (c->dims[i] == 1) continue;
        if (r > 0 && c->src_strides[r - 1] == c->src_strides[i] * c->dims[i] &&
            c->dst_strides[r - 1] == c->dst_strides[i] * c->dims[i]) {
            c->dims[r - 1] *= c->dims[i];
        } else {
            c->dims[r] = c->dims[i];
            r++;
        }
        c->src_strides[r - 1] = c->src_strides[i];
        c->dst_strides[r - 1] = c->dst_strides[i];
    }
    if (r == 0) {
        c->dims[0] = 1;
        c->src_strides[0] = c->dst_strides[0] = 1;
        r = 1;
    }
    c->rank = r;
}

size_t ib__copy_rows(const ib_copy *c) {
    size_t rows = 1;
    for (int i = 0; i + 1 < c->rank; i++)
        rows *= c->dims[i];
    return rows;
}

/* The next row: `at` counts through the dimensions before the last one, from and to follow. */
static void next_row(const ib_copy *c, size_t *at, size_t *from, size_t *to) {
    for (int i = c->rank - 1; i-- > 0;) {
        *from += c->src_strides[i];
        *to += c->dst_strides[i];
        if (++at[i] < c->dims[i]) return;
        *from -= at[i] * c->src_strides[i];
        *to -= at[i] * c->dst_strides[i];
        at[i] = 0;
    }
}

/* Strides may be negative, as numbers that wrap. */
void ib__copy_run(const ib_copy *c, const float *src, float *dst, size_t row0, size_t row1) {
    int inner = c->rank - 1;
    size_t n = c->dims[inner], ss = c->src_strides[inner], ds = c->dst_strides[inner];
    size_t at[IB_RANK_MAX] = {0}, rest = row0, from = c->src_offset, to = c->dst_offset;
    bool whole = ss == 1 && ds == 1 && n > 8;
    if (row0 >= row1) return; /* a dimension may be 0 */
    for (int i = inner; i-- > 0;) {
        at[i] = rest % c->dims[i];
        rest /= c->dims[i];
        from += at[i] * c->src_strides[i];
        to += at[i] * c->dst_strides[i];
    }
    for (size_t row = row0; row < row1; row++) {
        if (whole)
            memcpy(dst + to, src + from, n * sizeof *dst);
        else
            for (size_t i = 0; i < n; i++)
                memcpy(dst + to + i * ds, src + from + i * ss, sizeof *dst);
        next_row(c, at, &from, &to);
    }
}

void ib__gather_run(const float *table, size_t rows, size_t width, const int32_t *indices, float *out,
                    size_t first, size_t end) {
    for (size_t i = first; i < end; i++) {
        int64_t index = indices[i], last = (int64_t)rows - 1;
        size_t r = (size_t)(index < 0 ? 0 : index > last ? last : index);
        memcpy(out + i * width, table + r * width, width * sizeof *out);
    }
}
