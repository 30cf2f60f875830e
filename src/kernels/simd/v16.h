/* SPDX-License-Identifier: Apache-2.0
 *
 * Sixteen logical lanes: the vocabulary in which kernels are written once and compiled for each instruction
 * set. v16 holds float32, w16 holds 32-bit words, p16 holds one predicate a lane. One zmm register in a file
 * *_avx512.c, two ymm registers (lanes 0-7 and 8-15) in a file *_avx2.c.
 *
 * Each operation rounds once and is exactly the scalar operation of its name; none regroups or contracts.
 * load_n and store_n touch the first n lanes in memory only (n >= 16: all 16); missing lanes are loaded as 0.
 *
 * A file of kernels defines nothing but its instruction set, through its name, and includes a body that uses
 * these words and names its functions IB_K(op), or IB_K_U8(op) if they give bytes.
 */
#ifndef IB_KERNELS_SIMD_V16_H
#define IB_KERNELS_SIMD_V16_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define V16_FN static inline __attribute__((always_inline))

#ifdef __AVX512F__

#define IB_K(op) ib_k_##op##_f32_avx512
#define IB_K_U8(op) ib_k_##op##_u8_avx512

typedef __m512 v16;
typedef __m512i w16;
typedef __mmask16 p16;

V16_FN __mmask16 v16_first(size_t n) {
    return (__mmask16)(n >= 16 ? 0xffffu : (1u << n) - 1u);
}

V16_FN v16 v16_load(const float *p) {
    return _mm512_loadu_ps(p);
}
V16_FN void v16_store(float *p, v16 x) {
    _mm512_storeu_ps(p, x);
}
V16_FN v16 v16_load_n(const float *p, size_t n) {
    return n >= 16 ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(v16_first(n), p);
}
/* As load_n, but missing lanes are those of `other`. */
V16_FN v16 v16_load_or(const float *p, size_t n, v16 other) {
    return _mm512_mask_loadu_ps(other, v16_first(n), p);
}
V16_FN void v16_store_n(float *p, v16 x, size_t n) {
    if (n >= 16)
        _mm512_storeu_ps(p, x);
    else
        _mm512_mask_storeu_ps(p, v16_first(n), x);
}

V16_FN v16 v16_set(float x) {
    return _mm512_set1_ps(x);
}
V16_FN v16 v16_zero(void) {
    return _mm512_setzero_ps();
}
V16_FN v16 v16_add(v16 a, v16 b) {
    return _mm512_add_ps(a, b);
}
V16_FN v16 v16_sub(v16 a, v16 b) {
    return _mm512_sub_ps(a, b);
}
V16_FN v16 v16_mul(v16 a, v16 b) {
    return _mm512_mul_ps(a, b);
}
V16_FN v16 v16_div(v16 a, v16 b) {
    return _mm512_div_ps(a, b);
}
V16_FN v16 v16_sqrt(v16 a) {
    return _mm512_sqrt_ps(a);
}
V16_FN v16 v16_fma(v16 a, v16 b, v16 c) {
    return _mm512_fmadd_ps(a, b, c);
}
V16_FN v16 v16_floor(v16 a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
V16_FN v16 v16_ceil(v16 a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
}
V16_FN v16 v16_round(v16 a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

V16_FN p16 v16_eq(v16 a, v16 b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}
V16_FN p16 v16_ne(v16 a, v16 b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ);
}
V16_FN p16 v16_lt(v16 a, v16 b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
V16_FN p16 v16_le(v16 a, v16 b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
}
V16_FN p16 v16_is_nan(v16 a) {
    return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
}
V16_FN p16 w16_eq(w16 a, w16 b) {
    return _mm512_cmpeq_epi32_mask(a, b);
}

V16_FN int p16_any(p16 a) {
    return a != 0;
}
V16_FN p16 p16_not(p16 a) {
    return (p16)~a;
}
V16_FN p16 p16_and(p16 a, p16 b) {
    return (p16)(a & b);
}
V16_FN p16 p16_or(p16 a, p16 b) {
    return (p16)(a | b);
}
/* All ones where the predicate holds, else 0. */
V16_FN w16 p16_words(p16 a) {
    return _mm512_movm_epi32(a);
}
/* Bit i: lane i. */
V16_FN uint16_t p16_bits(p16 a) {
    return a;
}
V16_FN p16 p16_of_bits(uint16_t bits) {
    return bits;
}
V16_FN v16 v16_select(p16 p, v16 a, v16 b) {
    return _mm512_mask_blend_ps(p, b, a);
}
V16_FN w16 w16_select(p16 p, w16 a, w16 b) {
    return _mm512_mask_blend_epi32(p, b, a);
}

/* The first operand or the second one as MAXPS has it: a > b ? a : b. */
V16_FN v16 v16_greater_one(v16 a, v16 b) {
    return _mm512_max_ps(a, b);
}
V16_FN v16 v16_smaller_one(v16 a, v16 b) {
    return _mm512_min_ps(a, b);
}

V16_FN w16 w16_set(uint32_t x) {
    return _mm512_set1_epi32((int)x);
}
V16_FN w16 w16_lane_numbers(void) {
    return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
V16_FN w16 w16_add(w16 a, w16 b) {
    return _mm512_add_epi32(a, b);
}
V16_FN w16 w16_and(w16 a, w16 b) {
    return _mm512_and_si512(a, b);
}
V16_FN w16 w16_or(w16 a, w16 b) {
    return _mm512_or_si512(a, b);
}
V16_FN w16 w16_xor(w16 a, w16 b) {
    return _mm512_xor_si512(a, b);
}
V16_FN w16 w16_and_not(w16 a, w16 b) {
    return _mm512_andnot_si512(b, a);
} /* a & ~b */
V16_FN w16 w16_shift_right(w16 a, int bits) {
    return _mm512_srli_epi32(a, (unsigned)bits);
}

/* The 64-bit products of the even words, each in the place of two words. */
V16_FN w16 w16_multiply_even(w16 a, w16 b) {
    return _mm512_mul_epu32(a, b);
}
/* The odd words, moved to the even places. */
V16_FN w16 w16_odd_to_even(w16 a) {
    return _mm512_srli_epi64(a, 32);
}
/* The even words of both, interleaved. */
V16_FN w16 w16_join_even(w16 even, w16 odd) {
    return _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
}

V16_FN w16 v16_words(v16 a) {
    return _mm512_castps_si512(a);
}
V16_FN v16 w16_floats(w16 a) {
    return _mm512_castsi512_ps(a);
}
/* int32 to float32, nearest even; and back toward zero, 0x80000000 for what does not fit. */
V16_FN v16 w16_to_float(w16 a) {
    return _mm512_cvtepi32_ps(a);
}
V16_FN w16 v16_to_int(v16 a) {
    return _mm512_cvttps_epi32(a);
}

/* Lanes 8-15 as a vector half, for trees and transposes. */
V16_FN __m256 v16_low_half(v16 a) {
    return _mm512_castps512_ps256(a);
}
V16_FN __m256 v16_high_half(v16 a) {
    return _mm512_extractf32x8_ps(a, 1);
}

#else

#define IB_K(op) ib_k_##op##_f32_avx2
#define IB_K_U8(op) ib_k_##op##_u8_avx2

typedef struct v16 {
    __m256 lo, hi;
} v16;
typedef struct w16 {
    __m256i lo, hi;
} w16;
typedef struct p16 {
    __m256 lo, hi; /* all ones where true */
} p16;

/* Masks of the first n of 16 lanes: 16 ones and 16 zeros, read from place 16 - n. */
static const int32_t v16_ones_then_zeros[32] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                                -1, -1, -1, -1, -1, 0,  0,  0,  0,  0,  0,
                                                0,  0,  0,  0,  0,  0,  0,  0,  0,  0};
V16_FN w16 v16_first(size_t n) {
    const int32_t *p = v16_ones_then_zeros + 16 - (n < 16 ? n : 16);
    return (w16){_mm256_loadu_si256((const __m256i *)(const void *)p),
                 _mm256_loadu_si256((const __m256i *)(const void *)(p + 8))};
}

V16_FN v16 v16_load(const float *p) {
    return (v16){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
V16_FN void v16_store(float *p, v16 x) {
    _mm256_storeu_ps(p, x.lo);
    _mm256_storeu_ps(p + 8, x.hi);
}
V16_FN v16 v16_load_n(const float *p, size_t n) {
    if (n >= 16) return v16_load(p);
    w16 first = v16_first(n);
    if (n <= 8) return (v16){_mm256_maskload_ps(p, first.lo), _mm256_setzero_ps()};
    return (v16){_mm256_loadu_ps(p), _mm256_maskload_ps(p + 8, first.hi)};
}
/* As load_n, but missing lanes are those of `other`. */
V16_FN v16 v16_load_or(const float *p, size_t n, v16 other) {
    w16 first = v16_first(n);
    v16 x = v16_load_n(p, n);
    return (v16){_mm256_blendv_ps(other.lo, x.lo, _mm256_castsi256_ps(first.lo)),
                 _mm256_blendv_ps(other.hi, x.hi, _mm256_castsi256_ps(first.hi))};
}
V16_FN void v16_store_n(float *p, v16 x, size_t n) {
    w16 first = v16_first(n);
    if (n >= 16) {
        v16_store(p, x);
    } else if (n <= 8) {
        _mm256_maskstore_ps(p, first.lo, x.lo);
    } else {
        _mm256_storeu_ps(p, x.lo);
        _mm256_maskstore_ps(p + 8, first.hi, x.hi);
    }
}

#define V16_1(type, name, from, intrinsic)                                                                   \
    V16_FN type name(from a) {                                                                               \
        return (type){intrinsic(a.lo), intrinsic(a.hi)};                                                     \
    }
#define V16_2(type, name, from, intrinsic)                                                                   \
    V16_FN type name(from a, from b) {                                                                       \
        return (type){intrinsic(a.lo, b.lo), intrinsic(a.hi, b.hi)};                                         \
    }
#define V16_ROUND(name, way)                                                                                 \
    V16_FN v16 name(v16 a) {                                                                                 \
        return (v16){_mm256_round_ps(a.lo, (way) | _MM_FROUND_NO_EXC),                                       \
                     _mm256_round_ps(a.hi, (way) | _MM_FROUND_NO_EXC)};                                      \
    }
#define V16_COMPARE(name, way)                                                                               \
    V16_FN p16 name(v16 a, v16 b) {                                                                          \
        return (p16){_mm256_cmp_ps(a.lo, b.lo, way), _mm256_cmp_ps(a.hi, b.hi, way)};                        \
    }

V16_FN v16 v16_set(float x) {
    return (v16){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
V16_FN v16 v16_zero(void) {
    return (v16){_mm256_setzero_ps(), _mm256_setzero_ps()};
}
V16_2(v16, v16_add, v16, _mm256_add_ps)
V16_2(v16, v16_sub, v16, _mm256_sub_ps)
V16_2(v16, v16_mul, v16, _mm256_mul_ps)
V16_2(v16, v16_div, v16, _mm256_div_ps)
V16_1(v16, v16_sqrt, v16, _mm256_sqrt_ps)
V16_FN v16 v16_fma(v16 a, v16 b, v16 c) {
    return (v16){_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
V16_ROUND(v16_floor, _MM_FROUND_TO_NEG_INF)
V16_ROUND(v16_ceil, _MM_FROUND_TO_POS_INF)
V16_ROUND(v16_round, _MM_FROUND_TO_NEAREST_INT)

V16_COMPARE(v16_eq, _CMP_EQ_OQ)
V16_COMPARE(v16_ne, _CMP_NEQ_UQ)
V16_COMPARE(v16_lt, _CMP_LT_OQ)
V16_COMPARE(v16_le, _CMP_LE_OQ)
V16_FN p16 v16_is_nan(v16 a) {
    return (p16){_mm256_cmp_ps(a.lo, a.lo, _CMP_UNORD_Q), _mm256_cmp_ps(a.hi, a.hi, _CMP_UNORD_Q)};
}
V16_FN p16 w16_eq(w16 a, w16 b) {
    return (p16){_mm256_castsi256_ps(_mm256_cmpeq_epi32(a.lo, b.lo)),
                 _mm256_castsi256_ps(_mm256_cmpeq_epi32(a.hi, b.hi))};
}

V16_FN int p16_any(p16 a) {
    return _mm256_movemask_ps(_mm256_or_ps(a.lo, a.hi)) != 0;
}
V16_2(p16, p16_and, p16, _mm256_and_ps)
V16_2(p16, p16_or, p16, _mm256_or_ps)
V16_FN p16 p16_not(p16 a) {
    __m256 ones = _mm256_castsi256_ps(_mm256_set1_epi32(-1));
    return (p16){_mm256_xor_ps(a.lo, ones), _mm256_xor_ps(a.hi, ones)};
}
/* All ones where the predicate holds, else 0. */
V16_1(w16, p16_words, p16, _mm256_castps_si256)
/* Bit i: lane i. */
V16_FN uint16_t p16_bits(p16 a) {
    return (uint16_t)(_mm256_movemask_ps(a.lo) | _mm256_movemask_ps(a.hi) << 8);
}
V16_FN p16 p16_of_bits(uint16_t bits) {
    __m256i all = _mm256_set1_epi32(bits), one = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    __m256i two = _mm256_slli_epi32(one, 8);
    return (p16){_mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(all, one), one)),
                 _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(all, two), two))};
}
V16_FN v16 v16_select(p16 p, v16 a, v16 b) {
    return (v16){_mm256_blendv_ps(b.lo, a.lo, p.lo), _mm256_blendv_ps(b.hi, a.hi, p.hi)};
}

/* The first operand or the second one as MAXPS has it: a > b ? a : b. */
V16_2(v16, v16_greater_one, v16, _mm256_max_ps)
V16_2(v16, v16_smaller_one, v16, _mm256_min_ps)

V16_FN w16 w16_set(uint32_t x) {
    return (w16){_mm256_set1_epi32((int)x), _mm256_set1_epi32((int)x)};
}
V16_FN w16 w16_lane_numbers(void) {
    return (w16){_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15)};
}
V16_2(w16, w16_add, w16, _mm256_add_epi32)
V16_2(w16, w16_and, w16, _mm256_and_si256)
V16_2(w16, w16_or, w16, _mm256_or_si256)
V16_2(w16, w16_xor, w16, _mm256_xor_si256)
V16_FN w16 w16_and_not(w16 a, w16 b) { /* a & ~b */
    return (w16){_mm256_andnot_si256(b.lo, a.lo), _mm256_andnot_si256(b.hi, a.hi)};
}
V16_FN w16 w16_shift_right(w16 a, int bits) {
    return (w16){_mm256_srli_epi32(a.lo, bits), _mm256_srli_epi32(a.hi, bits)};
}

/* The 64-bit products of the even words, each in the place of two words. */
V16_2(w16, w16_multiply_even, w16, _mm256_mul_epu32)
/* The odd words, moved to the even places. */
V16_FN w16 w16_odd_to_even(w16 a) {
    return (w16){_mm256_srli_epi64(a.lo, 32), _mm256_srli_epi64(a.hi, 32)};
}
/* The even words of both, interleaved. */
V16_FN w16 w16_join_even(w16 even, w16 odd) {
    return (w16){_mm256_blend_epi32(even.lo, _mm256_slli_epi64(odd.lo, 32), 0xaa),
                 _mm256_blend_epi32(even.hi, _mm256_slli_epi64(odd.hi, 32), 0xaa)};
}

V16_1(w16, v16_words, v16, _mm256_castps_si256)
V16_1(v16, w16_floats, w16, _mm256_castsi256_ps)
V16_FN w16 w16_select(p16 p, w16 a, w16 b) {
    return v16_words(v16_select(p, w16_floats(a), w16_floats(b)));
}
/* int32 to float32, nearest even; and back toward zero, 0x80000000 for what does not fit. */
V16_1(v16, w16_to_float, w16, _mm256_cvtepi32_ps)
V16_1(w16, v16_to_int, v16, _mm256_cvttps_epi32)

/* The halves: lanes 0-7 and 8-15. */
V16_FN __m256 v16_low_half(v16 a) {
    return a.lo;
}
V16_FN __m256 v16_high_half(v16 a) {
    return a.hi;
}

#undef V16_1
#undef V16_2
#undef V16_ROUND
#undef V16_COMPARE

#endif

/* maximum and minimum of map.list: a > b or a is NaN ? a : b, so that NaN wins and of two zeros the second.
 */
V16_FN v16 v16_maximum(v16 a, v16 b) {
    return v16_select(v16_is_nan(a), a, v16_greater_one(a, b));
}
V16_FN v16 v16_minimum(v16 a, v16 b) {
    return v16_select(v16_is_nan(a), a, v16_smaller_one(a, b));
}

/* The sum of the lanes by the tree 8 + 8, 4 + 4, 2 + 2, 1 + 1: lane i and lane i + 8 first. */
V16_FN float v16_sum(v16 a) {
    __m256 by8 = _mm256_add_ps(v16_low_half(a), v16_high_half(a));
    __m128 by4 = _mm_add_ps(_mm256_castps256_ps128(by8), _mm256_extractf128_ps(by8, 1));
    __m128 by2 = _mm_add_ps(by4, _mm_movehl_ps(by4, by4));
    return _mm_cvtss_f32(_mm_add_ss(by2, _mm_shuffle_ps(by2, by2, 1)));
}

/* The greatest or smallest lane, of which none may be NaN; which of two zeros is left open. */
V16_FN float v16_greatest(v16 a) {
    __m256 by8 = _mm256_max_ps(v16_low_half(a), v16_high_half(a));
    __m128 by4 = _mm_max_ps(_mm256_castps256_ps128(by8), _mm256_extractf128_ps(by8, 1));
    __m128 by2 = _mm_max_ps(by4, _mm_movehl_ps(by4, by4));
    return _mm_cvtss_f32(_mm_max_ss(by2, _mm_shuffle_ps(by2, by2, 1)));
}
V16_FN float v16_smallest(v16 a) {
    __m256 by8 = _mm256_min_ps(v16_low_half(a), v16_high_half(a));
    __m128 by4 = _mm_min_ps(_mm256_castps256_ps128(by8), _mm256_extractf128_ps(by8, 1));
    __m128 by2 = _mm_min_ps(by4, _mm_movehl_ps(by4, by4));
    return _mm_cvtss_f32(_mm_min_ss(by2, _mm_shuffle_ps(by2, by2, 1)));
}

#endif
