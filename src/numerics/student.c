/* SPDX-License-Identifier: Apache-2.0
 *
 * Student's t and the beta distribution in double, from + - * / and our own log and exp: the same bits
 * everywhere.
 */
#include <math.h>

#include "numerics/double.h"

#define HALF_LOG_TWO_PI 0.91893853320467274178

/* Stirling's series from 12 on, brought there by Gamma(x + 1) = x Gamma(x). The coefficients are
 * B(2k) / (2k (2k - 1)). */
double ib__double_log_gamma(double x) {
    static const double c[] = {1.0 / 12,   -1.0 / 360,      1.0 / 1260, -1.0 / 1680,
                               1.0 / 1188, -691.0 / 360360, 1.0 / 156};
    double product = 1;
    while (x < 12) {
        product *= x;
        x += 1;
    }
    double z = 1 / (x * x), series = 0;
    for (int k = (int)(sizeof c / sizeof *c) - 1; k >= 0; k--)
        series = series * z + c[k];
    return (x - 0.5) * ib__double_log(x) - x + HALF_LOG_TWO_PI + series / x - ib__double_log(product);
}

/* The continued fraction of the incomplete beta function (Abramowitz and Stegun 26.5.8), by Lentz's method.
 */
static double beta_fraction(double a, double b, double x) {
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m <= 10000; m++) {
        double even = (double)m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        for (int i = 0; i < 2; i++) {
            double term = i == 0 ? even : odd;
            d = 1 + term * d;
            c = 1 + term / c;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            if (fabs(c) < tiny) c = tiny;
            h *= d * c;
        }
        if (fabs(d * c - 1) < 1e-16) break;
    }
    return h;
}

/* The regularized incomplete beta function I_x(a, b). */
static double beta_share(double a, double b, double x) {
    if (!(x > 0)) return 0;
    if (!(x < 1)) return 1;
    double front =
        ib__double_exp(ib__double_log_gamma(a + b) - ib__double_log_gamma(a) - ib__double_log_gamma(b) +
                       a * ib__double_log(x) + b * ib__double_log(1 - x));
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double ib__double_student(double t, double nu) {
    double tail = 0.5 * beta_share(0.5 * nu, 0.5, nu / (nu + t * t));
    return t > 0 ? 1 - tail : tail;
}

/* The distribution is increasing: halving, from an interval that is doubled until it holds the quantile. */
double ib__double_student_quantile(double p, double nu) {
    if (p < 0.5) return -ib__double_student_quantile(1 - p, nu);
    double low = 0, high = 1;
    while (ib__double_student(high, nu) < p && high < 1e300)
        high *= 2;
    for (int i = 0; i < 200 && low < high; i++) {
        double middle = 0.5 * (low + high);
        if (middle == low || middle == high) break;
        if (ib__double_student(middle, nu) < p)
            low = middle;
        else
            high = middle;
    }
    return 0.5 * (low + high);
}

double ib__double_beta_quantile(double p, double a, double b) {
    double low = 0, high = 1;
    for (int i = 0; i < 64; i++) {
        double middle = 0.5 * (low + high);
        if (beta_share(a, b, middle) < p)
            low = middle;
        else
            high = middle;
    }
    return 0.5 * (low + high);
}
