/* SPDX-License-Identifier: Apache-2.0
 *
 * The algorithms: log, logf, sinf and cosf of Arm's optimized-routines (2018), sin and cos of IBM's accurate
 * mathematical library without its slow paths (2018 on), log1p and log1pf of fdlibm (Sun, 1993). Constants
 * are theirs. Where a product is added, fma stands if the compiled library has one there.
 */
#include "numerics/gnu_math.h"

#include <math.h>
#include "numerics/bits.h"
#include "numerics/gnu_tables.h"

/* ---- Logarithms ---- */

/* Near 1: x - 1 - (x - 1)^2 / 2 with a low part, and a polynomial from the third power on. */
static double log_near_one(double x) {
    static const double b[11] = {-0x1p-1,
                                 0x1.5555555555577p-2,
                                 -0x1.ffffffffffdcbp-3,
                                 0x1.999999995dd0cp-3,
                                 -0x1.55555556745a7p-3,
                                 0x1.24924a344de30p-3,
                                 -0x1.fffffa4423d65p-4,
                                 0x1.c7184282ad6cap-4,
                                 -0x1.999eb43b068ffp-4,
                                 0x1.78182f7afd085p-4,
                                 -0x1.5521375d145cdp-4};
    double r = x - 1.0, r2 = r * r, r3 = r * r2;
    double low3 = fma(r2, b[3], fma(b[2], r, b[1])), low6 = fma(r2, b[6], fma(b[5], r, b[4]));
    double low9 = fma(r3, b[10], fma(r2, b[9], fma(b[8], r, b[7])));
    double series = fma(fma(low9, r3, low6), r3, low3);
    double head = fma(-0x1p27, r, fma(r, 0x1p27, r)), tail = r - head, square = head * head;
    double high = fma(square, b[0], r), low = fma(square, b[0], r - high);
    low = fma(b[0] * tail, r + head, low);
    return high + fma(series, r3, low);
}

/* x = 2^k z, z = c (1 + r): k ln 2 + ln c + ln(1 + r). */
double ib__gnu_log(double x) {
    static const double a[5] = {-0x1.0000000000001p-1, 0x1.555555551305bp-2, -0x1.fffffffeb4590p-3,
                                0x1.999b324f10111p-3, -0x1.55575e506c89fp-3};
    if (x >= 1.0 - 0x1p-4 && x < 1.0 + 0x1.09p-4) return x == 1.0 ? 0.0 : log_near_one(x);
    uint64_t b = ib__double_bits(x), above = b - 0x3fe6000000000000u;
    double k = (double)((int64_t)above >> 52), z = ib__double_of_bits(b - (above & 0xfff0000000000000u));
    const double *row = log_table[above >> 45 & 127];
    double r = fma(z, row[0], -1.0), head = fma(k, 0x1.62e42fefa3800p-1, row[1]);
    double high = r + head, low = fma(k, 0x1.ef35793c76730p-45, head - high + r);
    double r2 = r * r;
    double series = fma(fma(r, a[4], a[3]), r2, fma(a[2], r, a[1]));
    return fma(r * r2, series, fma(r2, a[0], low)) + high;
}

float ib__gnu_logf(float x) {
    static const double a[3] = {-0x1.00ea348b88334p-2, 0x1.5575b0be00b6ap-2, -0x1.ffffef20a4123p-2};
    if (x == 1.0f) return 0.0f;
    uint32_t b = ib__float_bits(x), above = b - 0x3f330000u;
    double k = (double)((int32_t)above >> 23), z = (double)ib__float_of_bits(b - (above & 0xff800000u));
    const double *row = logf_table[above >> 19 & 15];
    double r = fma(z, row[0], -1.0), r2 = r * r, head = r + fma(k, 0x1.62e42fefa39efp-1, row[1]);
    return (float)fma(r2, fma(a[0], r2, fma(a[1], r, a[2])), head);
}

/* ln(1 + f) = f - (f^2/2 - s (f^2/2 + R)), s = f / (2 + f), R a series in s^2. 1 + x = 2^k (1 + f); c is what
 * rounding took from 1 + x, relatively. */
double ib__gnu_log1p(double x) {
    static const double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
    if (x > -0x1p-29) return x > -0x1p-54 ? x : x - x * x * 0.5;
    double f = x, c = 0.0, k = 0.0;
    uint32_t fraction = 1; /* of 1 + f; 0: f is below 2^-20 */
    if ((uint32_t)(ib__double_bits(x) >> 32) >= 0xbfd2bec4u) {
        double u = 1.0 + x;
        uint64_t b = ib__double_bits(u);
        k = (double)((int)(b >> 52) - 1023);
        c = (x - (u - 1.0)) / u;
        fraction = (uint32_t)(b >> 32) & 0xfffffu;
        b = (b & 0x000fffffffffffffu) | (fraction < 0x6a09eu ? 0x3ff0000000000000u : 0x3fe0000000000000u);
        if (fraction >= 0x6a09eu) {
            k += 1.0;
            fraction = (0x100000u - fraction) >> 2;
        }
        f = ib__double_of_bits(b) - 1.0;
    }
    double half = 0.5 * f * f, low = fma(k, ln2_low, c);
    if (fraction == 0) {
        if (f == 0.0) return fma(k, ln2_high, low);
        double rest = fma(-f, 0x1.5555555555555p-1, 1.0) * half;
        return k == 0.0 ? f - rest : fma(k, ln2_high, -(rest - low - f));
    }
    double s = f / (2.0 + f), z = s * s, z2 = z * z, z4 = z2 * z2, z6 = z2 * z4;
    double series = fma(z, 0x1.5555555555593p-1, z2 * fma(0x1.2492494229359p-2, z, 0x1.999999997fa04p-2));
    series = fma(z4, fma(0x1.7466496cb03dep-3, z, 0x1.c71c51d8e78afp-3), series);
    series = fma(z6, fma(0x1.2f112df3e5244p-3, z, 0x1.39a09d078c69fp-3), series);
    double rest = (series + half) * s;
    return k == 0.0 ? f - (half - rest) : fma(k, ln2_high, -(half - (low + rest) - f));
}

float ib__gnu_log1pf(float x) {
    static const float series[7] = {0x1.555556p-1f, 0x1.99999ap-2f, 0x1.24924ap-2f, 0x1.c71c52p-3f,
                                    0x1.74664ap-3f, 0x1.39a09ep-3f, 0x1.2f112ep-3f};
    static const float ln2_high = 0x1.62e3p-1f, ln2_low = 0x1.2fefa2p-17f;
    if (x > -0x1p-29f) return x;
    float f = x, c = 0.0f, k = 0.0f;
    uint32_t fraction = 1;
    if (ib__float_bits(x) >= 0xbe95f620u) {
        float u = 1.0f + x;
        uint32_t b = ib__float_bits(u);
        k = (float)((int)(b >> 23) - 127);
        c = (x - (u - 1.0f)) / u;
        fraction = b & 0x7fffffu;
        b = fraction | (fraction < 0x3504f7u ? 0x3f800000u : 0x3f000000u);
        if (fraction >= 0x3504f7u) {
            k += 1.0f;
            fraction = (0x800000u - fraction) >> 2;
        }
        f = ib__float_of_bits(b) - 1.0f;
    }
    float half = 0.5f * f * f, low = k * ln2_low + c;
    if (fraction == 0) {
        if (f == 0.0f) return k * ln2_high + low;
        float rest = half * (1.0f - series[0] * f);
        return k == 0.0f ? f - rest : k * ln2_high - (rest - low - f);
    }
    float s = f / (2.0f + f), z = s * s, sum = 0.0f;
    for (int i = 6; i >= 0; i--)
        sum = (sum + series[i]) * z;
    float rest = (sum + half) * s;
    return k == 0.0f ? f - (half - rest) : k * ln2_high - (half - (low + rest) - f);
}

/* ---- Sine and cosine ---- */

/* A table of multiples of 1/128, and short series of sine and cosine for what is left. */
typedef struct piece {
    const double *row;
    double x, square;
} piece;

static piece piece_of(double x) {
    const double big = 0x1.8p45;
    double u = big + fabs(x), left = fabs(x) - (u - big);
    return (piece){sincos_table[(uint32_t)ib__double_bits(u)], left, left * left};
}

static double sine_series(const piece *p) {
    return fma(0x1.11110e829872fp-7, p->square, -0x1.5555555555515p-3);
}

/* 1 - cos x */
static double cosine_series(const piece *p) {
    double q = fma(0x1.6c16bedd9e239p-10, p->square, -0x1.5555555555535p-5);
    return p->square * fma(q, p->square, 0.5);
}

/* cos(x + dx) and sin(x + dx); |x| < 0.86. */
static double cosine(double x, double dx) {
    piece p = piece_of(x);
    p.x += x < 0.0 ? -dx : dx;
    p.square = p.x * p.x;
    double s = fma(p.x * p.square, sine_series(&p), p.x), c = cosine_series(&p);
    double rest = fma(-p.row[1], s, p.row[3]);
    rest = fma(-c, p.row[2], rest);
    return p.row[2] + fma(-s, p.row[0], rest);
}

static double sine(double x, double dx) {
    if (fabs(x) < 0.126) {
        double z = x * x, series = -0x1.addffc2fcdf59p-26;
        series = fma(series, z, 0x1.71de27b9a7ed9p-19);
        series = fma(series, z, -0x1.a01a019db08b8p-13);
        series = fma(series, z, 0x1.1111111110ecep-7);
        series = fma(series, z, -0x1.5555555555555p-3);
        return x + fma(z, fma(series, x, -(dx * 0.5)), dx);
    }
    if (x <= 0.0) dx = -dx;
    piece p = piece_of(x);
    double s = p.x + fma(p.x * p.square, sine_series(&p), dx), c = fma(p.x, dx, cosine_series(&p));
    double rest = fma(p.row[3], s, p.row[1]);
    rest = fma(-c, p.row[0], rest);
    return copysign(p.row[0] + fma(s, p.row[2], rest), x);
}

/* x = n pi/2 + *a + *da; n mod 4 is returned. */
static unsigned reduce(double x, double *a, double *da) {
    const double magic = 0x1.8p52;
    double t = fma(x, 0x1.45f306dc9c883p-1, magic), n = t - magic;
    double y = fma(-n, -0x1.dde973cp-27, fma(-n, 0x1.921fb58p+0, x));
    double first = fma(-n, -0x1.cb3b398p-55, y), low = fma(-n, -0x1.cb3b398p-55, y - first);
    *a = fma(-n, -0x1.d747f23e32ed7p-83, first);
    *da = low + fma(-n, -0x1.d747f23e32ed7p-83, first - *a);
    return (unsigned)ib__double_bits(t) & 3u;
}

static double quarter(double x, unsigned turn) {
    double a, da;
    unsigned n = reduce(x, &a, &da) + turn;
    double y = n & 1u ? cosine(a, da) : sine(a, da);
    return n & 2u ? -y : y;
}

static const double half_pi = 0x1.921fb54442d18p+0, half_pi_low = 0x1.1a62633145c07p-54;

/* The upper half of a double's bits without the sign, by which the library chooses its way. */
static uint32_t size_of(double x) {
    return (uint32_t)(ib__double_bits(x) >> 32) & 0x7fffffffu;
}

double ib__gnu_sin(double x) {
    uint32_t size = size_of(x);
    if (size < 0x3e500000u) return x;
    if (size < 0x3feb6000u) return sine(x, 0.0);
    if (size < 0x400368fdu) return copysign(cosine(half_pi - fabs(x), half_pi_low), x);
    return quarter(x, 0);
}

double ib__gnu_cos(double x) {
    uint32_t size = size_of(x);
    if (size < 0x3e400000u) return 1.0;
    if (size < 0x3feb6000u) return cosine(x, 0.0);
    if (size >= 0x400368fdu) return quarter(x, 1);
    double y = half_pi - fabs(x), a = y + half_pi_low;
    return sine(a, y - a + half_pi_low);
}

static double sinf_series(double x, double square) {
    double cube = x * square, fifth = square * cube;
    double head = fma(cube, -0x1.555545995a603p-3, x);
    return fma(fma(-0x1.994eb3774cf24p-13, square, 0x1.1107605230bc4p-7), fifth, head);
}

static double cosf_series(double square) {
    double fourth = square * square, sixth = square * fourth;
    double head = fma(fourth, 0x1.55553e1068f19p-5, fma(-0x1.ffffffd0c621cp-2, square, 1.0));
    return fma(fma(0x1.99343027bf8c3p-16, square, -0x1.6c087e89a359dp-10), sixth, head);
}

/* sin(y + turn pi/2) in eighths of a circle. */
static float quarterf(float y, unsigned turn) {
    double x = (double)y;
    int32_t n = ((int32_t)(x * 0x1.45f306dc9c883p+23) + 0x800000) >> 24;
    x = fma(-(double)n, half_pi, x);
    unsigned at = (unsigned)n + turn;
    double value = at & 1u ? cosf_series(x * x) : sinf_series(x, x * x);
    return (float)(at & 2u ? -value : value);
}

float ib__gnu_sinf(float y) {
    if (fabsf(y) >= 0x1.8p-1f) return quarterf(y, 0);
    return fabsf(y) < 0x1p-12f ? y : (float)sinf_series((double)y, (double)y * (double)y);
}

float ib__gnu_cosf(float y) {
    if (fabsf(y) >= 0x1.8p-1f) return quarterf(y, 1);
    return fabsf(y) < 0x1p-12f ? 1.0f : (float)cosf_series((double)y * (double)y);
}
