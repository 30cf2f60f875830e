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

/* Rows of three, the channels of pixels. */
static void copy_triples(const float *src, float *dst, size_t n, size_t from_step, size_t to_step) {
    for (size_t from = 0, to = 0; n > 0; n--, from += from_step, to += to_step)
        memcpy(dst + to, src + from, 3 * sizeof *dst);
}

/* n rows of c->dims[last] numbers, their beginnings from_step and to_step apart. Short rows are frequent, and
 * a call for each would cost more than they do. */
static void copy_rows(const ib_copy *c, const float *src, float *dst, size_t n, size_t from_step,
                      size_t to_step) {
    size_t last = (size_t)c->rank - 1, width = c->dims[last];
    size_t ss = c->src_strides[last], ds = c->dst_strides[last];
    if (ss == 1 && ds == 1 && width == 3) {
        copy_triples(src, dst, n, from_step, to_step);
        return;
    }
    for (size_t from = 0, to = 0; n > 0; n--, from += from_step, to += to_step) {
        if (ss == 1 && ds == 1 && width > 8)
            memcpy(dst + to, src + from, width * sizeof *dst);
        else
            for (size_t i = 0; i < width; i++)
                memcpy(dst + to + i * ds, src + from + i * ss, sizeof *dst);
    }
}

/* Rows are numbered through all dimensions but the last; those of the dimension before it go at once. Strides
 * may be negative, as numbers that wrap. */
void ib__copy_run(const ib_copy *c, const float *src, float *dst, size_t row0, size_t row1) {
    size_t last = (size_t)c->rank - 1;
    bool flat = last == 0;
    size_t lines = flat ? 1 : c->dims[last - 1];
    size_t from_step = flat ? 0 : c->src_strides[last - 1], to_step = flat ? 0 : c->dst_strides[last - 1];
    for (size_t row = row0; row < row1;) {
        size_t at = row % lines, rest = row / lines, n = lines - at < row1 - row ? lines - at : row1 - row;
        size_t from = c->src_offset + at * from_step, to = c->dst_offset + at * to_step;
        for (size_t i = flat ? 0 : last - 1; i-- > 0;) {
            from += rest % c->dims[i] * c->src_strides[i];
            to += rest % c->dims[i] * c->dst_strides[i];
            rest /= c->dims[i];
        }
        copy_rows(c, src + from, dst + to, n, from_step, to_step);
        row += n;
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
