/* SPDX-License-Identifier: Apache-2.0
 *
 * Transposition in blocks of 8 x 8 registers; included by transpose_avx2.c and transpose_avx512.c. A unit of
 * work is a strip of 16 columns, one cache line wide, which becomes 16 rows of the result.
 */
#include "kernels/kernels.h"

#include "kernels/simd/scalar.h"
#include "kernels/simd/v16.h"

ib_k_transpose_fn IB_K(transpose);

enum { STRIP = 16 };

/* Pairs of rows are interleaved, then pairs of pairs, then the 128-bit halves are exchanged. */
V16_FN void block_8x8(const float *x, size_t x_row, float *y, size_t y_row) {
    __m256 r[8], pair[8], quad[8];
    for (size_t i = 0; i < 8; i++)
        r[i] = _mm256_loadu_ps(x + i * x_row);
    for (size_t i = 0; i < 8; i += 2) {
        pair[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        pair[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (size_t i = 0; i < 8; i += 4) {
        quad[i] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44);
        quad[i + 1] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0xee);
        quad[i + 2] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
        quad[i + 3] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
    }
    for (size_t i = 0; i < 4; i++) {
        _mm256_storeu_ps(y + i * y_row, _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x20));
        _mm256_storeu_ps(y + (i + 4) * y_row, _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x31));
    }
}

static void small_block(const float *x, size_t x_row, float *y, size_t y_row, size_t rows, size_t cols) {
    for (size_t j = 0; j < cols; j++)
        for (size_t i = 0; i < rows; i++)
            y[j * y_row + i] = x[i * x_row + j];
}

/* x: `width` columns of a matrix of `rows` rows; y: the rows of the result they become. */
static void strip(const float *x, float *y, size_t rows, size_t cols, size_t width) {
    size_t i = 0;
    for (; rows - i >= 8; i += 8) {
        size_t j = 0;
        for (; width - j >= 8; j += 8)
            block_8x8(x + i * cols + j, cols, y + j * rows + i, rows);
        if (j < width) small_block(x + i * cols + j, cols, y + j * rows + i, rows, 8, width - j);
    }
    if (i < rows) small_block(x + i * cols, cols, y + i, rows, rows - i, width);
}

void IB_K(transpose)(const float *x, float *y, size_t batch, size_t rows, size_t cols, size_t part,
                     size_t parts) {
    size_t strips = (cols + STRIP - 1) / STRIP, end = ib__part_start(batch * strips, part + 1, parts);
    for (size_t u = ib__part_start(batch * strips, part, parts); u < end; u++) {
        size_t matrix = u / strips * rows * cols, j = u % strips * STRIP;
        strip(x + matrix + j, y + matrix + j * rows, rows, cols, cols - j < STRIP ? cols - j : STRIP);
    }
}
