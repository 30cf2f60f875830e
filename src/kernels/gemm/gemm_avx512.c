/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix product, AVX-512: tiles of up to 14 x 32 (28 accumulators, two vectors of b, one broadcast of a).
 */
#include "kernels/gemm/gemm.h"
#include "kernels/simd/vec.h"

#define ROWS 14
#define A_IN_PLACE (4 * 1024)
#define B_IN_PLACE (4 * 1024)
#define UNIT_K 1100
#define BLOCK_A (128 * 1024)
#define C_ROWS 2
#define PAIR_ROWS 7
#define EACH_ROW(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13)
#define EACH_HEIGHT(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define EACH_PAIR_HEIGHT(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define LOAD_FIRST(p, count) _mm512_maskz_loadu_ps((__mmask16)((1u << (count)) - 1), p)
#define TRANSPOSE(rows) transpose16(rows)

/* 16 x 16 in four rounds: pairs, quads, then 128-bit quarters twice. */
static inline void transpose16(__m512 r[16]) {
    __m512 t[16];
    UNROLL
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    UNROLL
    for (int i = 0; i < 16; i += 4) {
        __m512d a = _mm512_castps_pd(t[i]), b = _mm512_castps_pd(t[i + 1]);
        __m512d c = _mm512_castps_pd(t[i + 2]), d = _mm512_castps_pd(t[i + 3]);
        r[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
        r[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
        r[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
        r[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd);
        r[i + 4] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xdd);
    }
}

#include "kernels/gemm/gemm_simd.inc.h"

size_t ib_k_gemm_scratch_f32_avx512(const ib_gemm_args *g, size_t parts) {
    return ib__gemm_scratch(&tiles, g, parts);
}

void ib_k_gemm_f32_avx512(const ib_gemm_args *g, size_t part, size_t parts, void *scratch, size_t worker) {
    ib__gemm_part(&tiles, g, part, parts, scratch, worker);
}

void ib_k_gemm_way_f32_avx512(const ib_gemm_args *g, size_t parts, char text[IB_WAY_TEXT]) {
    ib__gemm_way(&tiles, g, parts, text);
}
