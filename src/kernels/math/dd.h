/* SPDX-License-Identifier: Apache-2.0
 *
 * Double-double arithmetic: a value is the unevaluated sum hi + lo with |lo| <= ulp(hi) / 2. Relative errors
 * are a few times 2^-104 as long as nothing underflows. See Hida, Li, Bailey, "Algorithms for quad-double
 * precision floating point arithmetic" (2001), and Joldes, Muller, Popescu, "Tight and rigorous error bounds
 * for basic building blocks of double-word arithmetic" (2017).
 */
#ifndef IB_KERNELS_MATH_DD_H
#define IB_KERNELS_MATH_DD_H

#include <math.h>

typedef struct ib_dd {
    double hi, lo;
} ib_dd;

static inline ib_dd ib__dd(double x) {
    return (ib_dd){x, 0};
}

static inline ib_dd ib__dd_negate(ib_dd a) {
    return (ib_dd){-a.hi, -a.lo};
}

/* a + b exactly, if |a| >= |b| or a = 0. */
static inline ib_dd ib__dd_fast_two_sum(double a, double b) {
    double s = a + b;
    return (ib_dd){s, b - (s - a)};
}

/* a + b exactly. */
static inline ib_dd ib__dd_two_sum(double a, double b) {
    double s = a + b, t = s - a;
    return (ib_dd){s, (a - (s - t)) + (b - t)};
}

/* a * b exactly. */
static inline ib_dd ib__dd_two_product(double a, double b) {
    double p = a * b;
    return (ib_dd){p, fma(a, b, -p)};
}

static inline ib_dd ib__dd_add(ib_dd a, ib_dd b) {
    ib_dd s = ib__dd_two_sum(a.hi, b.hi), t = ib__dd_two_sum(a.lo, b.lo);
    s = ib__dd_fast_two_sum(s.hi, s.lo + t.hi);
    return ib__dd_fast_two_sum(s.hi, s.lo + t.lo);
}

static inline ib_dd ib__dd_multiply(ib_dd a, ib_dd b) {
    ib_dd p = ib__dd_two_product(a.hi, b.hi);
    return ib__dd_fast_two_sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

/* Long division with three digits. */
static inline ib_dd ib__dd_divide(ib_dd a, ib_dd b) {
    double q0 = a.hi / b.hi;
    ib_dd r = ib__dd_add(a, ib__dd_negate(ib__dd_multiply(ib__dd(q0), b)));
    double q1 = r.hi / b.hi;
    r = ib__dd_add(r, ib__dd_negate(ib__dd_multiply(ib__dd(q1), b)));
    ib_dd q = ib__dd_fast_two_sum(q0, q1);
    return ib__dd_add(q, ib__dd(r.hi / b.hi));
}

/* a * s for s a power of two, exact while nothing underflows. */
static inline ib_dd ib__dd_scale(ib_dd a, double s) {
    return (ib_dd){a.hi * s, a.lo * s};
}

#endif
