/* SPDX-License-Identifier: Apache-2.0
 *
 * Vectors of doubles for code that is written once and compiled for AVX2 + FMA and for AVX-512: VD_LANES
 * doubles (vd), as many 64-bit integers (vi), and twice as many floats (vf). The lower half of a vf is
 * widened by vd_low, the upper by vd_high. Masks of the lanes of a vf are plain unsigned integers.
 */
#ifndef IB_KERNELS_SIMD_VD_H
#define IB_KERNELS_SIMD_VD_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define VD_INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)

#define VD_LANES 8
typedef __m512d vd;
typedef __m512i vi;
typedef __m512 vf;

VD_INLINE vd vd_set(double x) {
    return _mm512_set1_pd(x);
}
VD_INLINE vd vd_add(vd a, vd b) {
    return _mm512_add_pd(a, b);
}
VD_INLINE vd vd_subtract(vd a, vd b) {
    return _mm512_sub_pd(a, b);
}
VD_INLINE vd vd_multiply(vd a, vd b) {
    return _mm512_mul_pd(a, b);
}
/* a * b + c */
VD_INLINE vd vd_fma(vd a, vd b, vd c) {
    return _mm512_fmadd_pd(a, b, c);
}
/* a * b - c */
VD_INLINE vd vd_fms(vd a, vd b, vd c) {
    return _mm512_fmsub_pd(a, b, c);
}
/* c - a * b */
VD_INLINE vd vd_fnma(vd a, vd b, vd c) {
    return _mm512_fnmadd_pd(a, b, c);
}
VD_INLINE vd vd_abs(vd a) {
    return _mm512_abs_pd(a);
}
/* b where a's sign bit is clear, -b where it is set, for b >= 0 */
VD_INLINE vd vd_with_sign(vd a, vd b) {
    return _mm512_or_pd(b, _mm512_and_pd(a, _mm512_set1_pd(-0.0)));
}
/* a < b ? c : d */
VD_INLINE vd vd_if_less(vd a, vd b, vd c, vd d) {
    return _mm512_mask_blend_pd(_mm512_cmp_pd_mask(a, b, _CMP_LT_OQ), d, c);
}
/* b where a is NaN, else the larger */
VD_INLINE vd vd_max(vd a, vd b) {
    return _mm512_max_pd(a, b);
}
VD_INLINE vi vd_bits(vd a) {
    return _mm512_castpd_si512(a);
}
VD_INLINE vd vd_from_bits(vi a) {
    return _mm512_castsi512_pd(a);
}
VD_INLINE vi vi_set(int64_t x) {
    return _mm512_set1_epi64(x);
}
VD_INLINE vi vi_add(vi a, vi b) {
    return _mm512_add_epi64(a, b);
}
VD_INLINE vi vi_subtract(vi a, vi b) {
    return _mm512_sub_epi64(a, b);
}
VD_INLINE vi vi_and(vi a, vi b) {
    return _mm512_and_si512(a, b);
}
#define vi_shift_left(a, n) _mm512_slli_epi64(a, n)
#define vi_shift_right(a, n) _mm512_srli_epi64(a, n)

/* floor(log2 a) for normal a > 0 */
VD_INLINE vd vd_exponent(vd a) {
    return _mm512_getexp_pd(a);
}

/* Here a lookup is a permutation of a column of the table. */
#define VD_BY_COLUMNS 1
typedef __m512i vd_index;
VD_INLINE vd_index vd_index_of(vi i) {
    return i;
}
VD_INLINE vd vd_lookup(const double table[16], vd_index i) {
    return _mm512_permutex2var_pd(_mm512_loadu_pd(table), i, _mm512_loadu_pd(table + 8));
}
VD_INLINE void vd_lookup_two(const double *table, int terms, int term, vd_index i, vd *a, vd *b) {
    (void)terms;
    *a = vd_lookup(table + 16 * term, i);
    *b = vd_lookup(table + 16 * term + 16, i);
}

/* 1 / a to a relative error of 2^-41, for normal a whose reciprocal is normal: e = 1 - a r0 is below 2^-14,
 * and r0 (1 + e + e^2) leaves e^3. */
VD_INLINE vd vd_reciprocal(vd a) {
    vd r = _mm512_rcp14_pd(a), e = _mm512_fnmadd_pd(a, r, _mm512_set1_pd(1));
    return _mm512_fmadd_pd(r, _mm512_fmadd_pd(e, e, e), r);
}

/* 1 / sqrt(a) to a relative error of 2^-50, for normal a > 0: e = 1 - a r0^2 is below 2^-12.9, and
 * r0 (1 + e/2 + 3/8 e^2 + 5/16 e^3) leaves 35/128 e^4. */
VD_INLINE vd vd_reciprocal_sqrt(vd a) {
    vd r = _mm512_rsqrt14_pd(a), e = _mm512_fnmadd_pd(_mm512_mul_pd(a, r), r, _mm512_set1_pd(1));
    vd p = _mm512_fmadd_pd(e, _mm512_set1_pd(0.3125), _mm512_set1_pd(0.375));
    p = _mm512_fmadd_pd(p, e, _mm512_set1_pd(0.5));
    return _mm512_fmadd_pd(_mm512_mul_pd(r, e), p, r);
}

VD_INLINE vf vf_set(float x) {
    return _mm512_set1_ps(x);
}
VD_INLINE vf vf_load(const float *p) {
    return _mm512_loadu_ps(p);
}
VD_INLINE void vf_store(float *p, vf a) {
    _mm512_storeu_ps(p, a);
}
/* b where a or b is NaN, else the larger or smaller */
VD_INLINE vf vf_max(vf a, vf b) {
    return _mm512_max_ps(a, b);
}
VD_INLINE vf vf_min(vf a, vf b) {
    return _mm512_min_ps(a, b);
}
VD_INLINE vf vf_negate(vf a) {
    return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f));
}
VD_INLINE vf vf_abs(vf a) {
    return _mm512_abs_ps(a);
}
/* false where either is NaN */
VD_INLINE unsigned vf_less(vf a, vf b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
VD_INLINE vd vd_low(vf a) {
    return _mm512_cvtps_pd(_mm512_castps512_ps256(a));
}
VD_INLINE vd vd_high(vf a) {
    return _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1));
}
VD_INLINE vf vf_round(vd low, vd high) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)), _mm512_cvtpd_ps(high), 1);
}

/* The lanes where (lower word of the double + add) & mask = 0, in the order that vd_word_lane tells. */
VD_INLINE unsigned vd_test_words(vd low, vd high, int add, int mask) {
    __m512i w = _mm512_castps_si512(_mm512_shuffle_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high), 0x88));
    return _mm512_testn_epi32_mask(_mm512_add_epi32(w, _mm512_set1_epi32(add)), _mm512_set1_epi32(mask));
}

#else

#define VD_LANES 4
typedef __m256d vd;
typedef __m256i vi;
typedef __m256 vf;

VD_INLINE vd vd_set(double x) {
    return _mm256_set1_pd(x);
}
VD_INLINE vd vd_add(vd a, vd b) {
    return _mm256_add_pd(a, b);
}
VD_INLINE vd vd_subtract(vd a, vd b) {
    return _mm256_sub_pd(a, b);
}
VD_INLINE vd vd_multiply(vd a, vd b) {
    return _mm256_mul_pd(a, b);
}
VD_INLINE vd vd_fma(vd a, vd b, vd c) {
    return _mm256_fmadd_pd(a, b, c);
}
VD_INLINE vd vd_fms(vd a, vd b, vd c) {
    return _mm256_fmsub_pd(a, b, c);
}
VD_INLINE vd vd_fnma(vd a, vd b, vd c) {
    return _mm256_fnmadd_pd(a, b, c);
}
VD_INLINE vd vd_abs(vd a) {
    return _mm256_andnot_pd(_mm256_set1_pd(-0.0), a);
}
VD_INLINE vd vd_with_sign(vd a, vd b) {
    return _mm256_or_pd(b, _mm256_and_pd(a, _mm256_set1_pd(-0.0)));
}
VD_INLINE vd vd_if_less(vd a, vd b, vd c, vd d) {
    return _mm256_blendv_pd(d, c, _mm256_cmp_pd(a, b, _CMP_LT_OQ));
}
VD_INLINE vd vd_max(vd a, vd b) {
    return _mm256_max_pd(a, b);
}
VD_INLINE vi vd_bits(vd a) {
    return _mm256_castpd_si256(a);
}
VD_INLINE vd vd_from_bits(vi a) {
    return _mm256_castsi256_pd(a);
}
VD_INLINE vi vi_set(int64_t x) {
    return _mm256_set1_epi64x(x);
}
VD_INLINE vi vi_add(vi a, vi b) {
    return _mm256_add_epi64(a, b);
}
VD_INLINE vi vi_subtract(vi a, vi b) {
    return _mm256_sub_epi64(a, b);
}
VD_INLINE vi vi_and(vi a, vi b) {
    return _mm256_and_si256(a, b);
}
#define vi_shift_left(a, n) _mm256_slli_epi64(a, n)
#define vi_shift_right(a, n) _mm256_srli_epi64(a, n)
VD_INLINE vd vd_exponent(vd a) {
    __m256i e = _mm256_or_si256(_mm256_srli_epi64(vd_bits(a), 52), _mm256_set1_epi64x(0x4330000000000000));
    return _mm256_sub_pd(vd_from_bits(e), _mm256_set1_pd(0x1p52 + 1023));
}

/* Here a lookup is four loads, of one term, or of two neighbours in a row of the table. */
#define VD_BY_COLUMNS 0
typedef __m256i vd_index;
VD_INLINE vd_index vd_index_of(vi i) {
    return _mm256_and_si256(i, _mm256_set1_epi64x(15));
}
VD_INLINE vd vd_lookup(const double table[16], vd_index i) {
    __m128i i01 = _mm256_castsi256_si128(i), i23 = _mm256_extracti128_si256(i, 1);
    __m128d low = _mm_load_sd(table + _mm_cvtsi128_si64(i01));
    __m128d high = _mm_load_sd(table + _mm_cvtsi128_si64(i23));
    low = _mm_loadh_pd(low, table + _mm_extract_epi64(i01, 1));
    high = _mm_loadh_pd(high, table + _mm_extract_epi64(i23, 1));
    return _mm256_insertf128_pd(_mm256_castpd128_pd256(low), high, 1);
}
VD_INLINE void vd_lookup_two(const double *table, int terms, int term, vd_index i, vd *a, vd *b) {
    i = _mm256_mul_epu32(i, _mm256_set1_epi64x(terms));
    __m128i i01 = _mm256_castsi256_si128(i), i23 = _mm256_extracti128_si256(i, 1);
    __m256d even = _mm256_castpd128_pd256(_mm_loadu_pd(table + term + _mm_cvtsi128_si64(i01)));
    __m256d odd = _mm256_castpd128_pd256(_mm_loadu_pd(table + term + _mm_extract_epi64(i01, 1)));
    even = _mm256_insertf128_pd(even, _mm_loadu_pd(table + term + _mm_cvtsi128_si64(i23)), 1);
    odd = _mm256_insertf128_pd(odd, _mm_loadu_pd(table + term + _mm_extract_epi64(i23, 1)), 1);
    *a = _mm256_unpacklo_pd(even, odd);
    *b = _mm256_unpackhi_pd(even, odd);
}
VD_INLINE vd vd_reciprocal(vd a) {
    return _mm256_div_pd(_mm256_set1_pd(1), a);
}
VD_INLINE vd vd_reciprocal_sqrt(vd a) {
    return _mm256_div_pd(_mm256_set1_pd(1), _mm256_sqrt_pd(a));
}

VD_INLINE vf vf_set(float x) {
    return _mm256_set1_ps(x);
}
VD_INLINE vf vf_load(const float *p) {
    return _mm256_loadu_ps(p);
}
VD_INLINE void vf_store(float *p, vf a) {
    _mm256_storeu_ps(p, a);
}
VD_INLINE vf vf_max(vf a, vf b) {
    return _mm256_max_ps(a, b);
}
VD_INLINE vf vf_min(vf a, vf b) {
    return _mm256_min_ps(a, b);
}
VD_INLINE vf vf_negate(vf a) {
    return _mm256_xor_ps(a, _mm256_set1_ps(-0.0f));
}
VD_INLINE vf vf_abs(vf a) {
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
VD_INLINE unsigned vf_less(vf a, vf b) {
    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
VD_INLINE vd vd_low(vf a) {
    return _mm256_cvtps_pd(_mm256_castps256_ps128(a));
}
VD_INLINE vd vd_high(vf a) {
    return _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1));
}
VD_INLINE vf vf_round(vd low, vd high) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(low)), _mm256_cvtpd_ps(high), 1);
}
VD_INLINE unsigned vd_test_words(vd low, vd high, int add, int mask) {
    __m256i w = _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castpd_ps(low), _mm256_castpd_ps(high), 0x88));
    w = _mm256_and_si256(_mm256_add_epi32(w, _mm256_set1_epi32(add)), _mm256_set1_epi32(mask));
    return (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(w, _mm256_setzero_si256())));
}

#endif

#define VF_LANES (2 * VD_LANES)

/* A table of 16 rows of an even number of terms, stored by columns or by rows as VD_BY_COLUMNS says. For
 * vd_lookup, a table of 16 numbers. Indexes are taken mod 16; vd_lookup_two gives the terms `term` and
 * `term` + 1 of row i. */
#define vd_table(name, terms) double name[16 * (terms)]

/* The lane of the vf that bit i of vd_test_words speaks of: each 128 bits hold two of the lower and two of
 * the upper half. */
VD_INLINE unsigned vd_word_lane(unsigned i) {
    return 2 * (i >> 2) + (i & 1) + ((i & 2) != 0 ? VD_LANES : 0);
}

#endif
