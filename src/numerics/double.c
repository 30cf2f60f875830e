/* SPDX-License-Identifier: Apache-2.0
 *
 * log, exp, pow, cos, sin, atan2 and the normal quantile in double. The steps below are the definition: no
 * operation may be contracted, reordered or left to the C library (sqrt is exact everywhere).
 */
#include "numerics/double.h"

#include <math.h>
#include <stdbool.h>

#include "numerics/bits.h"

/* ln 2 as a sum; the first part has 33 bits, so its product with an exponent is exact. */
#define LN2_HIGH 0x1.62e42fee00000p-1
#define LN2_LOW 0x1.a39ef35793c76p-33

/* 2^k for -1022 <= k <= 1023. */
static double power_of_two(int k) {
    return ib__double_of_bits((uint64_t)(k + 1023) << 52);
}

/* x = 2^k m with m in (sqrt(1/2), sqrt(2)], for finite x > 0. */
static double split(double x, int *exponent) {
    int k = 0;
    if (x < 0x1p-1022) {
        x = x * 0x1p54;
        k = -54;
    }
    uint64_t b = ib__double_bits(x);
    k += (int)(b >> 52) - 1023;
    double m = ib__double_of_bits((b & 0x000fffffffffffffu) | 0x3ff0000000000000u);
    if (m > 1.4142135623730951) {
        m = m * 0.5;
        k += 1;
    }
    *exponent = k;
    return m;
}

/* atanh(s) = s + s^3/3 + s^5/5 ...: 2 atanh(s) - 2s. For |s| < 0.1716 twelve terms leave less than 2^-58 of
 * the first. */
static double atanh_tail(double s) {
    double z = s * s, series = 0.0;
    for (int n = 25; n >= 3; n -= 2)
        series = series * z + 1.0 / (double)n;
    return 2.0 * s * z * series;
}

/* ln m = 2 atanh(s), s = (m - 1) / (m + 1). */
double ib__double_log(double x) {
    if (!(x > 0.0)) return x == 0.0 ? -HUGE_VAL : (double)NAN;
    if (!(x < HUGE_VAL)) return x;
    int k;
    double m = split(x, &k), f = m - 1.0, s = f / (m + 1.0), tail = atanh_tail(s);
    /* 2s = f - s f exactly in the reals: f carries the leading bits */
    double low = tail - s * f + (double)k * LN2_LOW;
    return (double)k * LN2_HIGH + (f + low);
}

/* The same with s as a sum of two doubles, so that only the tail (at most 1 % of ln m) and the last addition
 * are rounded. */
double ib__double_log_close(double x) {
    if (!(x > 0.0) || !(x < HUGE_VAL)) return ib__double_log(x);
    int k;
    double m = split(x, &k), f = m - 1.0, d = m + 1.0, d_low = m - (d - 1.0), s = f / d;
    double s_low = (fma(-s, d, f) - s * d_low) / d;
    double high = (double)k * LN2_HIGH, two = 2.0 * s, sum = high + two, t = sum - high;
    double rest = (high - (sum - t)) + (two - t);
    return sum + (rest + (2.0 * s_low + atanh_tail(s) + (double)k * LN2_LOW));
}

/* x = k ln 2 + r, |r| < 0.35: fourteen terms of e^r. */
double ib__double_exp(double x) {
    if (x != x) return x;
    if (x > 709.79) return HUGE_VAL;
    if (x < -745.2) return 0.0;
    int k = (int)(x * 1.4426950408889634 + (x < 0.0 ? -0.5 : 0.5));
    double r = (x - (double)k * LN2_HIGH) - (double)k * LN2_LOW;
    double series = 0.0;
    for (int n = 14; n >= 2; n--)
        series = (series + 1.0) * r / (double)n;
    double y = 1.0 + (r + r * series);
    if (k > 1000) return y * power_of_two(k - 100) * 0x1p100;
    if (k < -1000) return y * power_of_two(k + 100) * 0x1p-100;
    return y * power_of_two(k);
}

double ib__double_pow(double x, double y) {
    if (y == 0.0) return 1.0;
    if (x == 0.0) return y > 0.0 ? 0.0 : HUGE_VAL;
    return ib__double_exp(y * ib__double_log(x));
}

/* x = k pi/2 + r, |r| <= 0.79. pi/2 as a sum of three: the first two have 33 bits, so their products with k
 * are exact. */
static double quarter(double x, int *quadrant) {
    double k = floor(x * 0.63661977236758134308 + 0.5);
    double r = ((x - k * 0x1.921fb54400000p+0) - k * 0x1.0b4611a600000p-34) - k * 0x1.3198a2e037073p-69;
    *quadrant = (int)(k - 4.0 * floor(k * 0.25));
    return r;
}

/* Taylor series: what is left out is below 2^-60. quadrant 1 turns a sine into a cosine. */
static double turned(double r, int quadrant) {
    double z = r * r, sum = 1.0;
    bool odd = quadrant % 2 == 1;
    for (int n = odd ? 18 : 19; n >= 2; n -= 2)
        sum = 1.0 - sum * z / (double)(n * (n - 1));
    if (!odd) sum = r * sum;
    return quadrant % 4 >= 2 ? -sum : sum;
}

double ib__double_sin(double x) {
    if (!(x > -0x1p1023 && x < 0x1p1023)) return (double)NAN;
    int quadrant;
    double r = quarter(x, &quadrant);
    return turned(r, quadrant);
}

double ib__double_cos(double x) {
    if (!(x > -0x1p1023 && x < 0x1p1023)) return (double)NAN;
    int quadrant;
    double r = quarter(x, &quadrant);
    return turned(r, quadrant + 1);
}

/* atan t, 0 <= t <= 1: twice atan t = 2 atan(t / (1 + sqrt(1 + t^2))), then the series of what is at most
 * tan(pi / 16) = 0.199, whose fifteenth term is below 2^-70 of the first. */
static double arc(double t) {
    if (t < 0x1p-30) return t;
    for (int i = 0; i < 2; i++)
        t = t / (1.0 + sqrt(1.0 + t * t));
    double z = t * t, series = 0.0;
    for (int n = 27; n >= 3; n -= 2)
        series = 1.0 / (double)n - series * z;
    return 4.0 * (t - t * z * series);
}

double ib__double_atan2(double y, double x) {
    const double pi = 3.141592653589793;
    double a = fabs(y), b = fabs(x);
    if (!(a == a && b == b)) return (double)NAN;
    double low = a < b ? a : b, high = a < b ? b : a;
    double r = high == 0.0 ? 0.0 : arc(low == high ? 1.0 : low / high);
    if (a > b) r = pi / 2.0 - r;
    if (signbit(x)) r = pi - r;
    return signbit(y) ? -r : r;
}

static double polynomial(const double *c, int n, double r) {
    double y = c[n - 1];
    for (int i = n - 2; i >= 0; i--)
        y = y * r + c[i];
    return y;
}

/* M. J. Wichura, Algorithm AS 241: The Percentage Points of the Normal Distribution, Applied Statistics 37
 * (1988) 477-484, PPND16: three rational approximations of degree 7. */
double ib__double_normal_quantile(double p) {
    static const double a[8] = {3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3,
                                1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
                                3.3430575583588128105e+4, 2.5090809287301226727e+3};
    static const double b[8] = {1.0,
                                4.2313330701600911252e+1,
                                6.8718700749205790830e+2,
                                5.3941960214247511077e+3,
                                2.1213794301586595867e+4,
                                3.9307895800092710610e+4,
                                2.8729085735721942674e+4,
                                5.2264952788528545610e+3};
    static const double c[8] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                5.76949722146069140550e0,  3.64784832476320460504e0,
                                1.27045825245236838258e0,  2.41780725177450611770e-1,
                                2.27238449892691845833e-2, 7.74545014278341407640e-4};
    static const double d[8] = {1.0,
                                2.05319162663775882187e0,
                                1.67638483018380384940e0,
                                6.89767334985100004550e-1,
                                1.48103976427480074590e-1,
                                1.51986665636164571966e-2,
                                5.47593808499534494600e-4,
                                1.05075007164441684324e-9};
    static const double e[8] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                                1.78482653991729133580e0,  2.96560571828504891230e-1,
                                2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                2.71155556874348757815e-5, 2.01033439929228813265e-7};
    static const double f[8] = {1.0,
                                5.99832206555887937690e-1,
                                1.36929880922735805310e-1,
                                1.48753612908506148525e-2,
                                7.86869131145613259100e-4,
                                1.84631831751005468180e-5,
                                1.42151175831644588870e-7,
                                2.04426310338993978564e-15};
    double q = p - 0.5;
    if (q >= -0.425 && q <= 0.425) {
        double r = 0.180625 - q * q;
        return polynomial(a, 8, r) * q / polynomial(b, 8, r);
    }
    double r = sqrt(-ib__double_log(q <= 0.0 ? p : 1.0 - p));
    double x = r <= 5.0 ? polynomial(c, 8, r - 1.6) / polynomial(d, 8, r - 1.6)
                        : polynomial(e, 8, r - 5.0) / polynomial(f, 8, r - 5.0);
    return q < 0.0 ? -x : x;
}
