/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorFlow's gamma, binomial and categorical numbers.
 */
#include <math.h>

#include "base/mem.h"
#include "numerics/double.h"
#include "numerics/gnu_math.h"
#include "numerics/tensorflow.h"

/* Pairs of doubles from a block, the second one first. */
typedef struct pairs {
    double pair[2];
    unsigned left;
} pairs;

static double take_uniform(pairs *p, ib_tf *r) {
    if (p->left == 0) {
        ib__tf_uniform_double(r, p->pair, 2);
        ib__tf_skip(r, 1);
        p->left = 2;
    }
    return p->pair[--p->left];
}

static double take_normal(pairs *p, ib_tf *r) {
    if (p->left == 0) {
        ib__tf_normal_double(r, p->pair, 2);
        ib__tf_skip(r, 1);
        p->left = 2;
    }
    return p->pair[--p->left];
}

/* G. Marsaglia, W. Tsang, "A simple method for generating gamma variables", ACM Transactions on Mathematical
 * Software 26 (2000). */
static double gamma_number(ib_tf *r, double alpha) {
    pairs uniform = {{0}, 0}, normal = {{0}, 0};
    if (alpha == 1.0) return -ib__gnu_log1p(-take_uniform(&uniform, r));
    double d = alpha + (alpha < 1.0 ? 2.0 / 3.0 : -1.0 / 3.0), c = 1.0 / 3.0 / sqrt(d);
    for (;;) {
        double x = take_normal(&normal, r), v = 1.0 + c * x;
        if (v <= 0.0) continue;
        v = v * v * v;
        double u = take_uniform(&uniform, r), square = x * x;
        bool inside = u < 1.0 - 0.0331 * square * square;
        if (!inside && !(ib__double_log(u) < 0.5 * x * x + d * (1.0 - v + ib__double_log(v)))) continue;
        double y = d * v;
        return alpha < 1.0 ? y * ib__double_pow(take_uniform(&uniform, r), 1.0 / alpha) : y;
    }
}

ib_status ib__tf_gamma(const ib_tf *at, double alpha, double *out, size_t n, ib_error *err) {
    if (!(alpha > 0.0) || isinf(alpha))
        return ib__fail(err, IB_BAD_INPUT, "", "gamma: expected alpha > 0, found %g", alpha);
    for (size_t i = 0; i < n; i++) {
        ib_tf r = *at;
        ib__tf_skip(&r, (uint64_t)i * 256);
        out[i] = gamma_number(&r, alpha);
    }
    return IB_OK;
}

/* Geometric numbers are added until their sum is above count. */
static double by_inversion(ib_tf *r, double count, double p) {
    pairs uniform = {{0}, 0};
    double sum = 0, found = 0;
    for (;; found++) {
        double u = take_uniform(&uniform, r);
        if (u == 0.0) return found;
        sum += ceil(ib__gnu_log(u) / ib__gnu_log1p(-p));
        if (sum > count) return found;
    }
}

/* ln k! less Stirling's formula for it. */
static double stirling_rest(double k) {
    static const double rest[10] = {
        0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211,
        0.0138761288230707, 0.0118967099458917, 0.0104112652619720, 0.00925546218271273, 0.00833056343336287};
    if (k <= 9.0) return rest[(int)k];
    double square = (k + 1.0) * (k + 1.0);
    return (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / square) / square) / (k + 1.0);
}

/* W. Hörmann, "The generation of binomial random variates", Journal of Statistical Computation and
 * Simulation 46 (1993): transformed rejection. */
static double by_rejection(ib_tf *r, double count, double p) {
    pairs uniform = {{0}, 0};
    double deviation = sqrt(count * p * (1.0 - p)), b = 1.15 + 2.53 * deviation;
    double a = -0.0873 + 0.0248 * b + 0.01 * p, c = count * p + 0.5, inner = 0.92 - 4.2 / b;
    double odds = p / (1.0 - p), alpha = (2.83 + 5.1 / b) * deviation, m = floor((count + 1.0) * p);
    for (;;) {
        double u = take_uniform(&uniform, r), v = take_uniform(&uniform, r);
        u = u - 0.5;
        double us = 0.5 - fabs(u), k = floor((2.0 * a / us + b) * u + c);
        if (us >= 0.07 && v <= inner) return k;
        if (k < 0.0 || k > count) continue;
        v = ib__double_log(v * alpha / (a / (us * us) + b));
        double bound = (m + 0.5) * ib__double_log((m + 1.0) / (odds * (count - m + 1.0))) +
                       (count + 1.0) * ib__double_log((count - m + 1.0) / (count - k + 1.0)) +
                       (k + 0.5) * ib__double_log(odds * (count - k + 1.0) / (k + 1.0)) + stirling_rest(m) +
                       stirling_rest(count - m) - stirling_rest(k) - stirling_rest(count - k);
        if (v <= bound) return k;
    }
}

void ib__tf_binomial(const ib_tf *at, float count, float p, float *out, size_t n) {
    bool mirrored = p > 0.5f;
    float q = mirrored ? 1.0f - p : p;
    bool many = count * q >= 10.0f, drawn = count > 0.0f && q > 0.0f;
    for (size_t i = 0; i < n; i++) {
        if (!drawn) {
            out[i] = !(count > 0.0f) || p <= 0.0f ? 0.0f : p >= 1.0f ? count : p; /* p is NaN */
            continue;
        }
        ib_tf r = *at;
        ib__tf_skip(&r, (uint64_t)i * (many ? 256 : 42));
        double y =
            many ? by_rejection(&r, (double)count, (double)q) : by_inversion(&r, (double)count, (double)q);
        out[i] = (float)(mirrored ? (double)count - y : y);
    }
}

/* Classes whose logit is not finite are never drawn. */
ib_status ib__tf_categorical(const ib_tf *at, const float *logits, size_t classes, int64_t *out, size_t n,
                             ib_error *err) {
    double *sums = ib__alloc(classes + 1, sizeof *sums), sum = 0;
    if (!sums) return ib__fail_memory(err);
    float highest = -3.40282346638528859812e+38f;
    for (size_t i = 0; i < classes; i++)
        if (isfinite(logits[i]) && logits[i] > highest) highest = logits[i];
    for (size_t i = 0; i < classes; i++) {
        if (isfinite(logits[i])) sum += ib__double_exp((double)logits[i] - (double)highest);
        sums[i] = sum;
    }
    ib_tf r = *at;
    for (size_t i = 0; i < n; i++) {
        double x = ib__tf_double(&r) * sum;
        size_t place = 0;
        while (place < classes && !(x < sums[place]))
            place++;
        out[i] = (int64_t)place;
    }
    ib__free(sums);
    return IB_OK;
}
