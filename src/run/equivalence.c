/* SPDX-License-Identifier: Apache-2.0
 *
 * Two one-sided tests.
 */
#include "run/equivalence.h"

#include <math.h>

#include "numerics/double.h"

static double mean_of(const double *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (double)n;
}

static double variance_of(const double *x, size_t n, double mean) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return n > 1 ? sum / (double)(n - 1) : 0;
}

/* Welch and Satterthwaite. */
static double degrees(double ea, size_t na, double eb, size_t nb) {
    double below = ea * ea / (double)(na - 1) + (nb > 1 ? eb * eb / (double)(nb - 1) : 0);
    return below > 0 ? (ea + eb) * (ea + eb) / below : (double)(na - 1);
}

ib_equivalence ib__equivalence(const double *a, size_t na, const double *b, size_t nb, double margin,
                               double alpha) {
    ib_equivalence e = {.mean_a = mean_of(a, na), .mean_b = mean_of(b, nb)};
    double va = variance_of(a, na, e.mean_a), vb = variance_of(b, nb, e.mean_b);
    double ea = va / (double)na, eb = vb / (double)nb;
    e.deviation_a = sqrt(va);
    e.deviation_b = sqrt(vb);
    e.difference = e.mean_a - e.mean_b;
    e.nu = degrees(ea, na, eb, nb);
    double half = sqrt(ea + eb) * ib__double_student_quantile(1 - alpha, e.nu);
    e.low = e.difference - half;
    e.high = e.difference + half;
    if (e.low >= -margin && e.high <= margin)
        e.verdict = IB_EQUIVALENT;
    else if (e.low > margin || e.high < -margin)
        e.verdict = IB_DIFFERENT;
    else
        e.verdict = IB_UNDECIDED;
    return e;
}
