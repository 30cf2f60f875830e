/* SPDX-License-Identifier: Apache-2.0
 *
 * The elementary functions in double-double arithmetic, and the reference kernels made of them.
 *
 * Each function finds its value with a relative error below 2^-90 and rounds once. No argument has a value
 * that near to a rounding boundary without lying on it (test/long/functions.c asks all of them), and where a
 * value is exact, as in exp(0), the double-double is exact too. The worst cases by construction are those of
 * the logistic function near 0: 1/2 + x/4 - x^3/48 + ..., where 1/2 + x/4 can be a boundary; the next term is
 * then at least 2^-78, and is found in the low part.
 */
#include <stdint.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/math/accurate.h"
#include "kernels/math/coef_accurate.h"

/* The float nearest to hi + lo, ties to even. hi is first rounded to odd, that is: if anything is left
 * over and hi is even, hi moves one step towards the rest. A value in 53 bits rounded to odd rounds to 24
 * bits or fewer as the exact value would (Boldo, Melquiond, "Emulation of FMA and correctly rounded
 * sums: proved algorithms using rounding to odd", 2008). */
static float round_once(ib_dd v) {
    uint64_t u;
    memcpy(&u, &v.hi, sizeof u);
    if (v.lo != 0 && (u & 1) == 0) {
        u = (v.lo > 0) == (v.hi > 0) ? u + 1 : u - 1;
    }
    memcpy(&v.hi, &u, sizeof u);
    return (float)v.hi;
}

static double power_of_two(int k) {
    uint64_t u = (uint64_t)(k + 1023) << 52;
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* e^r - 1 for |r| <= 0.36 by the Taylor series up to r^23 / 23!; the terms from r^14 on need no low part. */
static ib_dd expm1_small(ib_dd r) {
    double tail = inverse_factorial[23].hi;
    for (int n = 22; n >= 14; n--) {
        tail = tail * r.hi + inverse_factorial[n].hi;
    }
    ib_dd sum = ib__dd(tail);
    for (int n = 13; n >= 1; n--) {
        sum = ib__dd_add(inverse_factorial[n], ib__dd_multiply(sum, r));
    }
    return ib__dd_multiply(sum, r);
}

/* x = k ln 2 + r with |r| <= 0.36, for |x| <= 210: k is returned. */
static int reduce(double x, ib_dd *r) {
    double k = (x * 0x1.71547652b82fep+0 + 0x1.8p52) - 0x1.8p52; /* 1 / ln 2, rounded to an integer */
    ib_dd top = ib__dd_two_sum(x, -(k * ln2_part[0]));
    ib_dd rest = ib__dd_add(ib__dd_two_product(-k, ln2_part[1]), ib__dd(-k * ln2_part[2]));
    *r = ib__dd_add(top, rest);
    return (int)k;
}

/* e^x for |x| <= 210. */
static ib_dd exp_dd(double x) {
    ib_dd r;
    int k = reduce(x, &r);
    return ib__dd_scale(ib__dd_add(ib__dd(1), expm1_small(r)), power_of_two(k));
}

/* e^x - 1 for |x| <= 210. */
static ib_dd expm1_dd(double x) {
    ib_dd r;
    int k = reduce(x, &r);
    ib_dd e = expm1_small(r);
    if (k == 0) {
        return e;
    }
    double s = power_of_two(k);
    return ib__dd_add(ib__dd_scale(e, s), ib__dd(s - 1));
}

/* k ln 2 + ln(1 + f) for |k| <= 1024 and -0.3 <= f <= 0.42. ln(1 + f) = 2 artanh(s), s = f / (2 + f), by the
 * series s + s^3/3 + s^5/5 + ... up to s^43; |s| <= 0.18, so the terms from s^23 on need no low part. */
static ib_dd log_dd(int k, ib_dd f) {
    ib_dd s = ib__dd_divide(f, ib__dd_add(ib__dd(2), f));
    ib_dd square = ib__dd_multiply(s, s);
    double tail = inverse_odd[21].hi;
    for (int n = 20; n >= 11; n--) {
        tail = tail * square.hi + inverse_odd[n].hi;
    }
    ib_dd sum = ib__dd(tail);
    for (int n = 10; n >= 0; n--) {
        sum = ib__dd_add(inverse_odd[n], ib__dd_multiply(sum, square));
    }
    sum = ib__dd_scale(ib__dd_multiply(sum, s), 2);
    if (k == 0) {
        return sum;
    }
    ib_dd low = ib__dd_add(ib__dd_two_product(k, ln2_part[1]), ib__dd(k * ln2_part[2]));
    return ib__dd_add(ib__dd_add(ib__dd(k * ln2_part[0]), low), sum);
}

/* The k for which u / 2^k lies in [0.70, 1.41), for normal u > 0. */
static int exponent(double u) {
    uint64_t b;
    memcpy(&b, &u, sizeof b);
    return (int)((b + 0x0009600000000000) >> 52) - 1023;
}

/* ln(1 + z) for -1 < z < 2^128. */
static ib_dd log1p_dd(ib_dd z) {
    if (z.hi > -0.29 && z.hi < 0.41) {
        return log_dd(0, z);
    }
    ib_dd u = ib__dd_add(ib__dd(1), z);
    int k = exponent(u.hi);
    return log_dd(k, ib__dd_add(ib__dd_scale(u, power_of_two(-k)), ib__dd(-1)));
}

float ib__math_exp(float x) {
    if (!(x > -104 && x < 89)) { /* e^-104 is below half the least subnormal, e^89 above the largest float */
        return x <= -104 ? 0.0f : x >= 89 ? INFINITY : x;
    }
    return round_once(exp_dd((double)x));
}

float ib__math_expm1(float x) {
    if (x == 0 || !(x > -30 && x < 89)) {
        return x <= -30 ? -1.0f : x >= 89 ? INFINITY : x;
    }
    return round_once(expm1_dd((double)x));
}

float ib__math_log(float x) {
    if (!(x > 0 && x < INFINITY)) {
        return x == 0 ? -INFINITY : x < 0 ? NAN : x;
    }
    int k = exponent((double)x);
    return round_once(log_dd(k, ib__dd((double)x * power_of_two(-k) - 1)));
}

float ib__math_log1p(float x) {
    if (x == 0 || !(x > -1 && x < INFINITY)) {
        return x == -1 ? -INFINITY : x < -1 ? NAN : x;
    }
    return round_once(log1p_dd(ib__dd((double)x)));
}

/* tanh x = t / (t + 2) with t = e^2x - 1, for x > 0. Above 9.02 it is nearer to 1 than to the float below. */
float ib__math_tanh(float x) {
    if (x == 0 || !(x > -10 && x < 10)) {
        return x <= -10 ? -1.0f : x >= 10 ? 1.0f : x;
    }
    ib_dd t = expm1_dd(2 * fabs((double)x));
    float y = round_once(ib__dd_divide(t, ib__dd_add(t, ib__dd(2))));
    return copysignf(y, x);
}

float ib__math_logistic(float x) {
    if (!(x > -104 && x < 18)) { /* 1 - e^-18 is nearer to 1 than to the float below */
        return x <= -104 ? 0.0f : x >= 18 ? 1.0f : x;
    }
    ib_dd e = exp_dd(-fabs((double)x));
    ib_dd d = ib__dd_add(ib__dd(1), e);
    return round_once(ib__dd_divide(x < 0 ? e : ib__dd(1), d));
}

/* ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|). */
float ib__math_softplus(float x) {
    if (!(x > -104 && x < 104)) { /* e^-104 is nothing beside 104 */
        return x <= -104 ? 0.0f : x;
    }
    ib_dd l = log1p_dd(exp_dd(-fabs((double)x)));
    return round_once(x > 0 ? ib__dd_add(ib__dd((double)x), l) : l);
}

/* erf x = 2 / sqrt(pi) e^-x^2 sum over n of 2^n x^(2n+1) / (1 3 5 ... (2n+1)). All terms have one sign, so
 * nothing cancels. The number of terms leaves a rest below 2^-104 of the sum (tools/gencoef.py has a table of
 * 1 / (2n+1) for up to 120 terms; x^2 = 16 needs 84). Beyond 4, erf is nearer to 1 than to the float below.
 */
float ib__math_erf(float x) {
    if (x == 0 || !(x > -4 && x < 4)) {
        return x <= -4 ? -1.0f : x >= 4 ? 1.0f : x;
    }
    double square = (double)x * (double)x; /* exact: 48 bits */
    ib_dd a = ib__dd(2 * square), sum = ib__dd(1);
    for (int n = square < 0.01 ? 12 : 28 + (int)(5 * square); n >= 1; n--) {
        sum = ib__dd_add(ib__dd(1), ib__dd_multiply(ib__dd_multiply(sum, a), inverse_odd[n]));
    }
    ib_dd y = ib__dd_multiply(ib__dd_multiply(sum, ib__dd((double)x)), two_over_sqrt_pi);
    return round_once(ib__dd_multiply(y, exp_dd(-square)));
}

/* A double near 1 / sqrt(x) is rounded to 24 bits and compared with the value by the boundaries m half a unit
 * above and below: 1 / sqrt(x) < m just when 1 < x m^2, where m^2 fits a double (25 bits squared) and the
 * sign of fma(x, m^2, -1) is exact. The value is never itself a boundary, nor does the result overflow or
 * underflow. */
float ib__math_rsqrt(float x) {
    if (!(x > 0 && x < INFINITY)) {
        return x == 0 ? copysignf(INFINITY, x) : x < 0 ? NAN : x > 0 ? 0.0f : x;
    }
    float y = (float)(1 / sqrt((double)x));
    uint32_t u;
    memcpy(&u, &y, sizeof u);
    uint32_t below_bits = u - 1, above_bits = u + 1;
    float below, above;
    memcpy(&below, &below_bits, sizeof below);
    memcpy(&above, &above_bits, sizeof above);
    double low = ((double)y + (double)below) / 2, high = ((double)y + (double)above) / 2;
    if (fma((double)x, low * low, -1) > 0) {
        return below;
    }
    return fma((double)x, high * high, -1) < 0 ? above : y;
}

#define REFERENCE(name)                                                                                      \
    void ib_k_map_##name##_f32_ref(float *d, const float *a, const float *b, const float *c, size_t n) {     \
        (void)b;                                                                                             \
        (void)c;                                                                                             \
        for (size_t i = 0; i < n; i++) {                                                                     \
            d[i] = ib__math_##name(a[i]);                                                                    \
        }                                                                                                    \
    }
REFERENCE(exp)
REFERENCE(expm1)
REFERENCE(log)
REFERENCE(log1p)
REFERENCE(tanh)
REFERENCE(logistic)
REFERENCE(softplus)
REFERENCE(erf)
REFERENCE(rsqrt)
