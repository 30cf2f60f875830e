/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix product, AVX2: tiles of up to 6 x 16 (12 accumulators, two vectors of b, one broadcast of a).
 */
#include "kernels/gemm/gemm.h"
#include "kernels/simd/vec.h"

#define ROWS 6
#define A_IN_PLACE 0
#define B_IN_PLACE (32 * 1024)
#define UNIT_K 400
#define BLOCK_A (96 * 1024)
#define C_ROWS 6
#define EACH_ROW(X) X(0) X(1) X(2) X(3) X(4) X(5)
#define EACH_HEIGHT(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define LOAD_FIRST(p, count) load_first(p, count)
#define TRANSPOSE(rows) transpose8(rows)

static inline __m256 load_first(const float *p, size_t count) {
    const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), index));
}

/* 8 x 8 in three rounds: pairs, quads, 128-bit halves. */
static inline void transpose8(__m256 r[8]) {
    __m256 t[8];
    UNROLL
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    UNROLL
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        t[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
        t[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
    }
    UNROLL
    for (int i = 0; i < 8; i++)
        r[i] = t[i];
}

#include "kernels/gemm/gemm_simd.inc.h"

size_t ib_k_gemm_scratch_f32_avx2(const ib_gemm_args *g, size_t parts) {
    return ib__gemm_scratch(&tiles, g, parts);
}

void ib_k_gemm_f32_avx2(const ib_gemm_args *g, size_t part, size_t parts, void *scratch, size_t worker) {
    ib__gemm_part(&tiles, g, part, parts, scratch, worker);
}

void ib_k_gemm_way_f32_avx2(const ib_gemm_args *g, size_t parts, char text[IB_WAY_TEXT]) {
    ib__gemm_way(&tiles, g, parts, text);
}
