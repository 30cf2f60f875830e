/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution, AVX2: tiles of up to 6 x 16 or 12 x 8.
 */
#include <immintrin.h>
#include <stddef.h>

#define ISA avx2
#define ROWS 12
#define EACH_ROW(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define EACH_HEIGHT_2(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define EACH_HEIGHT_1(X) EACH_HEIGHT_2(X) X(7) X(8) X(9) X(10) X(11) X(12)
#define EACH_SWEEP_1(X) X(1) X(2) X(3) X(4)
#define EACH_SWEEP_3(X) X(1)
#define PIXELS ROWS
#define EACH_PIXEL EACH_ROW
#define EACH_PIXEL_HEIGHT_1 EACH_HEIGHT_1
#define FETCH_X(p) (void)(p);
#define MASK __m256i
#define MASK_OF(count) mask_of(count)
#define LOAD_MASKED(p, mask) _mm256_maskload_ps(p, mask)
#define STORE_MASKED(p, mask, v) _mm256_maskstore_ps(p, mask, v)

static inline __m256i mask_of(size_t count) {
    const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), index);
}

#include "kernels/conv/conv_simd.inc.h"
