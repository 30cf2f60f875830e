/* SPDX-License-Identifier: Apache-2.0
 *
 * The elementary functions, vectorised: the whole of elementary_avx2.c and elementary_avx512.c, which define
 * IB_MATH_ISA and include this.
 *
 * A block of floats is widened to double and evaluated with a relative error below 2^-40 (below 2^-43 before
 * the last division, where there is one). Rounding that double to float is right unless a rounding boundary
 * lies within the error; the lower 29 bits of the double tell. For about one argument in 33000 they don't,
 * and ib__math_<name> is asked. doc/functions.md has the error bounds; test/long/functions.c tries all
 * arguments.
 */
#include <stddef.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/math/accurate.h"
#include "kernels/math/coef_vector.h"
#include "kernels/simd/vd.h"

/* The doubles of a block: the values of its lower and of its upper half. */
typedef struct pair {
    vd low, high;
} pair;

/* Half the width of the zone around a boundary that goes the slow way, in units of the double's last place:
 * 2^13 of them are at least 2^-40 of the value. The zone is tested with one mask, so this is a power of two.
 */
enum { ZONE = 1 << 13, BOUNDARY = 1 << 28, DOUBLE_TAIL = (1 << 29) - 1 };

VD_INLINE unsigned near_boundary(vd low, vd high) {
    return vd_test_words(low, high, BOUNDARY + ZONE, DOUBLE_TAIL & ~(2 * ZONE - 1));
}

/* Floats below 2^-126 are spaced as those from 2^-126 to 2^-125 are, so that adding 2^-126 moves the
 * boundaries to where near_boundary looks for them. */
VD_INLINE vd shift_subnormal(vd y) {
    vd least = vd_set(0x1p-126);
    return vd_if_less(vd_abs(y), least, vd_add(y, vd_with_sign(y, least)), y);
}

/* y with the lanes of words (in the order of vd_test_words) and lanes (in natural order) done anew. */
static __attribute__((noinline, cold)) vf slow_lanes(vf x, vf y, unsigned words, unsigned lanes,
                                                     ib_math_fn *f) {
    float from[VF_LANES], to[VF_LANES];
    vf_store(from, x);
    vf_store(to, y);
    for (unsigned i = 0; i < VF_LANES; i++) {
        if ((words >> i & 1) != 0) {
            lanes |= 1u << vd_word_lane(i);
        }
    }
    for (unsigned i = 0; i < VF_LANES; i++) {
        if ((lanes >> i & 1) != 0) {
            to[i] = f(from[i]);
        }
    }
    return vf_load(to);
}

/* Rounds y, the values of f at x. lanes: those of whose y nothing is known. */
VD_INLINE vf finish(vf x, pair y, unsigned lanes, ib_math_fn *f) {
    unsigned words = near_boundary(y.low, y.high);
    vf r = vf_round(y.low, y.high);
    if (__builtin_expect((words | lanes) != 0, 0)) {
        r = slow_lanes(x, r, words, lanes, f);
    }
    return r;
}

/* The same where results may be subnormal: any is a mask of lanes, not 0 if one of them may be. */
VD_INLINE vf finish_subnormal(vf x, pair y, unsigned any, ib_math_fn *f) {
    if (__builtin_expect(any == 0, 1)) {
        return finish(x, y, 0, f);
    }
    unsigned words = near_boundary(shift_subnormal(y.low), shift_subnormal(y.high));
    vf r = vf_round(y.low, y.high);
    return words != 0 ? slow_lanes(x, r, words, 0, f) : r;
}

/* min(max(x, low), high), NaN where x is NaN. */
VD_INLINE vf clamp(vf x, float low, float high) {
    return vf_max(vf_set(low), vf_min(vf_set(high), x));
}

/* e^x = s (1 + p), for |x| <= 700: x = n ln 2 / 16 + r with n an integer and |r| <= ln 2 / 32, s = 2^(n/16),
 * p = e^r - 1. The sum with 1.5 * 2^52 leaves n in the lowest bits. For |x| <= ln 2 / 32, n = 0, s = 1 and r
 * = x exactly. */
VD_INLINE vd exp_parts(vd x, const double *poly, int degree, vd *s) {
    vd magic = vd_set(0x1.8p52), t = vd_fma(x, vd_set(0x1.71547652b82fep+4), magic); /* 16 / ln 2 */
    vd r = vd_fnma(vd_subtract(t, magic), vd_set(0x1.62e42fefa39efp-5), x);          /* ln 2 / 16 */
    vi bits = vd_bits(vd_lookup(exp_table, vd_index_of(vd_bits(t))));
    *s = vd_from_bits(vi_add(bits, vi_shift_left(vd_bits(t), 48)));
    vd q = vd_set(poly[degree]);
    for (int i = degree - 1; i >= 0; i--) {
        q = vd_fma(q, r, vd_set(poly[i]));
    }
    return vd_fma(vd_multiply(r, r), q, r);
}

VD_INLINE vd exp_double(vd x) {
    vd s, p = exp_parts(x, exp_poly, 3, &s);
    return vd_fma(s, p, s);
}

/* e^x - 1; the relative error stays small near 0, where s = 1. */
VD_INLINE vd expm1_double(vd x) {
    vd s, p = exp_parts(x, expm1_poly, 4, &s);
    return vd_fma(s, p, vd_subtract(s, vd_set(1)));
}

/* value + ln(1 + r), |r| <= 1/30 */
VD_INLINE vd log_end(vd value, vd r) {
    vd q = vd_set(log_poly[5]);
    for (int i = 4; i >= 0; i--) {
        q = vd_fma(q, r, vd_set(log_poly[i]));
    }
    return vd_add(value, vd_fma(vd_multiply(r, r), q, r));
}

/* m 2^-k = (1 + r) / c[j] for normal m > 0, where j / 16 is nearest to the fraction of m; then
 * ln m = value + ln(1 + r) with value = k ln 2 - ln c[j], and |r| <= 1/32. Since |ln m| >= |r| / 2, nothing
 * much cancels. Near 1, k = 0, c = 1 and r = m - 1 exactly. */
VD_INLINE vd log_parts(vd m, vd *r) {
    vi bits = vi_add(vd_bits(m), vi_set(1ll << 47));
    vi exponent = vi_and(bits, vi_set(0x7ff0000000000000));
    vd scaled = vd_from_bits(vi_add(vi_subtract(vd_bits(m), exponent), vi_set(0x3ff0000000000000)));
    vd c, value;
    vd_lookup_two(log_table, 2, 0, vd_index_of(vi_shift_right(bits, 48)), &c, &value);
    *r = vd_fms(scaled, c, vd_set(1));
    return vd_fma(vd_exponent(vd_from_bits(bits)), vd_set(0x1.62e42fefa39efp-1), value);
}

VD_INLINE vd log_double(vd x) {
    vd r, value = log_parts(x, &r);
    return log_end(value, r);
}

VD_INLINE vf exp_block(vf x) {
    vf z = clamp(x, -104, 89);
    pair y = {exp_double(vd_low(z)), exp_double(vd_high(z))};
    return finish_subnormal(x, y, vf_less(x, vf_set(-87.33f)), ib__math_exp);
}

/* The sign of x, for y that has it already unless it is 0. */
VD_INLINE vd expm1_signed(vd x) {
    return vd_with_sign(x, expm1_double(x));
}

VD_INLINE vf expm1_block(vf x) {
    vf z = clamp(x, -104, 89);
    pair y = {expm1_signed(vd_low(z)), expm1_signed(vd_high(z))};
    return finish(x, y, 0, ib__math_expm1);
}

/* The lanes where not low < x < infinity. */
VD_INLINE unsigned outside(vf x, float low) {
    unsigned all = (1u << (VF_LANES - 1) << 1) - 1;
    return all & ~(vf_less(vf_set(low), x) & vf_less(x, vf_set(__builtin_inff())));
}

VD_INLINE vf log_block(vf x) {
    pair y = {log_double(vd_low(x)), log_double(vd_high(x))};
    return finish(x, y, outside(x, 0), ib__math_log);
}

/* Where 1 + x may be rounded and is near 1, r is x. */
VD_INLINE vd log1p_double(vd x) {
    vd r, value = log_parts(vd_add(vd_set(1), x), &r);
    return vd_with_sign(x, log_end(value, vd_if_less(vd_abs(x), vd_set(0x1p-7), x, r)));
}

VD_INLINE vf log1p_block(vf x) {
    pair y = {log1p_double(vd_low(x)), log1p_double(vd_high(x))};
    return finish(x, y, outside(x, -1), ib__math_log1p);
}

/* t / (t + 2) with t = e^2x - 1 */
VD_INLINE vd tanh_double(vd x) {
    vd t = expm1_double(vd_add(x, x));
    return vd_with_sign(x, vd_multiply(t, vd_reciprocal(vd_add(t, vd_set(2)))));
}

VD_INLINE vf tanh_block(vf x) {
    vf z = clamp(x, -10, 10);
    pair y = {tanh_double(vd_low(z)), tanh_double(vd_high(z))};
    return finish(x, y, 0, ib__math_tanh);
}

VD_INLINE vd logistic_double(vd minus_x) {
    return vd_reciprocal(vd_add(vd_set(1), exp_double(minus_x)));
}

VD_INLINE vf logistic_block(vf x) {
    vf z = vf_negate(clamp(x, -104, 89));
    pair y = {logistic_double(vd_low(z)), logistic_double(vd_high(z))};
    return finish_subnormal(x, y, vf_less(x, vf_set(-87.33f)), ib__math_logistic);
}

/* max(x, 0) + ln(1 + e), e = e^-a with a = min(|x|, 104). 1 + e = (1 + r) / c with c near 1 / (1 + j/15),
 * j/15 nearest to e; r = e c + (c - 1), where c - 1 is exact, is as exact for small e (c = 1) as e is. */
VD_INLINE vd softplus_double(vd x, vd a) {
    vd e = exp_double(vd_subtract(vd_set(0), a)), c, value;
    vi j = vd_bits(vd_fma(e, vd_set(15), vd_set(0x1.8p52)));
    vd_lookup_two(log_table_15, 2, 0, vd_index_of(j), &c, &value);
    vd r = vd_fma(e, c, vd_subtract(c, vd_set(1)));
    return vd_add(vd_max(x, vd_set(0)), log_end(value, r));
}

VD_INLINE vf softplus_block(vf x) {
    vf a = vf_min(vf_set(104), vf_abs(x));
    pair y = {softplus_double(vd_low(x), vd_low(a)), softplus_double(vd_high(x), vd_high(a))};
    return finish_subnormal(x, y, vf_less(x, vf_set(-87.33f)), ib__math_softplus);
}

/* x times the polynomial for erf(x) / x of the quarter that |x| lies in. */
VD_INLINE vd erf_double(vd x) {
    vd ax = vd_abs(x), magic = vd_set(0x1.8p52);
    vd t = vd_add(vd_fma(ax, vd_set(4), vd_set(-0.5)), magic);
    vd u = vd_subtract(vd_fnma(vd_subtract(t, magic), vd_set(0.25), ax), vd_set(0.125));
    vd_index j = vd_index_of(vd_bits(t));
    vd q, even, odd;
    vd_lookup_two(erf_table, ERF_DEGREE + 2, ERF_DEGREE, j, &q, &odd);
    for (int i = ERF_DEGREE - 2; i >= 0; i -= 2) {
        vd_lookup_two(erf_table, ERF_DEGREE + 2, i, j, &even, &odd);
        q = vd_fma(vd_fma(q, u, odd), u, even);
    }
    return vd_multiply(q, x);
}

VD_INLINE vf erf_block(vf x) {
    vf z = clamp(x, -3.99f, 3.99f);
    pair y = {erf_double(vd_low(z)), erf_double(vd_high(z))};
    return finish_subnormal(x, y, vf_less(vf_abs(x), vf_set(0x1p-126f)), ib__math_erf);
}

VD_INLINE vf rsqrt_block(vf x) {
    pair y = {vd_reciprocal_sqrt(vd_low(x)), vd_reciprocal_sqrt(vd_high(x))};
    return finish(x, y, outside(x, 0), ib__math_rsqrt);
}

/* A last part of a block is completed with ones, for which every function is quick. */
VD_INLINE void map_blocks(float *d, const float *a, size_t n, vf (*block)(vf)) {
    size_t i = 0;
    for (; n - i >= VF_LANES; i += VF_LANES) {
        vf_store(d + i, block(vf_load(a + i)));
    }
    if (i < n) {
        float rest[VF_LANES];
        vf_store(rest, vf_set(1));
        memcpy(rest, a + i, (n - i) * sizeof *rest);
        vf_store(rest, block(vf_load(rest)));
        memcpy(d + i, rest, (n - i) * sizeof *rest);
    }
}

#define KERNEL_OF(name, isa)                                                                                 \
    void ib_k_map_##name##_f32_##isa(float *d, const float *a, const float *b, const float *c, size_t n) {   \
        (void)b;                                                                                             \
        (void)c;                                                                                             \
        map_blocks(d, a, n, name##_block);                                                                   \
    }
#define KERNEL(name, isa) KERNEL_OF(name, isa)
KERNEL(exp, IB_MATH_ISA)
KERNEL(expm1, IB_MATH_ISA)
KERNEL(log, IB_MATH_ISA)
KERNEL(log1p, IB_MATH_ISA)
KERNEL(tanh, IB_MATH_ISA)
KERNEL(logistic, IB_MATH_ISA)
KERNEL(softplus, IB_MATH_ISA)
KERNEL(erf, IB_MATH_ISA)
KERNEL(rsqrt, IB_MATH_ISA)
