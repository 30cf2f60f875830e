/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores of probabilities. They are clipped where float32 clips them, so that a prediction of 1 for the wrong
 * class scores what Keras shows.
 */
#include <math.h>

#include "metrics/functions.h"
#include "numerics/double.h"

static const double epsilon = (double)1e-7f, below_one = (double)(1.0f - 1e-7f);

static double clip(double x, double low, double high) {
    return x < low ? low : x > high ? high : x;
}

double ib__softplus(double x) {
    double top = x > 0.0 ? x : 0.0;
    return top + ib__double_log(1.0 + ib__double_exp(-fabs(x)));
}

double ib__logistic(double x) {
    double e = ib__double_exp(-fabs(x));
    return x >= 0.0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
}

double ib__divergence_score(const ib_metric *m, const ib_row *r) {
    (void)m;
    double sum = 0;
    for (size_t i = 0; i < r->n; i++) {
        double t = clip(r->t[i * r->stride], epsilon, 1.0), p = clip(r->p[i * r->stride], epsilon, 1.0);
        sum += t * ib__double_log(t / p);
    }
    return sum;
}

/* What an entropy is taken of: the logits that the predictions carry, or the predictions, which are logits
 * with from_logits. With ignore_class the predictions are copies without logits of their own. */
typedef struct source {
    const double *x;
    bool logits;
} source;

static source source_of(const ib_metric *m, const ib_row *r) {
    bool own = r->z && !m->ignores;
    return (source){own ? r->z : r->p, own || m->from_logits};
}

/* ---- Binary ---- */

static double smoothed_binary(const ib_metric *m, double t) {
    return m->label_smoothing == 0.0 ? t : t * (1.0 - m->label_smoothing) + 0.5 * m->label_smoothing;
}

/* -t ln p - (1 - t) ln(1 - p); from logits z: max(z, 0) - z t + ln(1 + e^-|z|). */
static double binary_entropy(double t, double x, bool logits) {
    if (logits) return (x >= 0.0 ? x : 0.0) - x * t + ib__softplus(-fabs(x));
    double p = clip(x, epsilon, below_one);
    return -(t * ib__double_log(p) + (1.0 - t) * ib__double_log(1.0 - p));
}

double ib__binary_score(const ib_metric *m, const ib_row *r) {
    source s = source_of(m, r);
    double sum = 0;
    for (size_t i = 0; i < r->n; i++) {
        size_t at = i * r->stride;
        sum += binary_entropy(smoothed_binary(m, r->t[at]), s.x[at], s.logits);
    }
    return sum / (double)r->n;
}

/* As TensorFlow's pow; the C library's is not the same everywhere. */
static double power(double x, double y) {
    if (x >= 0.0) return ib__double_pow(x, y);
    if (y != floor(y)) return (double)NAN;
    double size = ib__double_pow(-x, y);
    return fmod(y, 2.0) != 0.0 ? -size : size;
}

/* With from_logits the predictions are logits, whatever made them. */
double ib__binary_focal_score(const ib_metric *m, const ib_row *r) {
    source s = m->from_logits ? (source){r->p, true} : source_of(m, r);
    double sum = 0;
    for (size_t i = 0; i < r->n; i++) {
        size_t at = i * r->stride;
        double t = smoothed_binary(m, r->t[at]), p = m->from_logits ? ib__logistic(r->p[at]) : r->p[at];
        double truth = t * p + (1.0 - t) * (1.0 - p);
        double score = power(1.0 - truth, m->gamma) * binary_entropy(t, s.x[at], s.logits);
        sum += m->balanced ? (t * m->alpha + (1.0 - t) * (1.0 - m->alpha)) * score : score;
    }
    return sum / (double)r->n;
}

/* ---- Classes ---- */

/* ln of the sum of e^z over the row. */
static double log_sum_exp(const double *z, const ib_row *r) {
    double top = -HUGE_VAL, sum = 0;
    for (size_t i = 0; i < r->n; i++)
        top = z[i * r->stride] > top || isnan(z[i * r->stride]) ? z[i * r->stride] : top;
    for (size_t i = 0; i < r->n; i++)
        sum += ib__double_exp(z[i * r->stride] - top);
    return top + ib__double_log(sum);
}

static double smoothed(const ib_metric *m, double t, size_t classes) {
    if (m->label_smoothing == 0.0) return t;
    return t * (1.0 - m->label_smoothing) + m->label_smoothing / (double)classes;
}

static double sum_of(const ib_row *r) {
    double sum = 0;
    for (size_t i = 0; i < r->n; i++)
        sum += r->p[i * r->stride];
    return sum;
}

double ib__categorical_score(const ib_metric *m, const ib_row *r) {
    source s = source_of(m, r);
    double score = 0, whole = s.logits ? log_sum_exp(s.x, r) : sum_of(r);
    for (size_t i = 0; i < r->n; i++) {
        double t = smoothed(m, r->t[i * r->stride], r->last), own = s.x[i * r->stride];
        score += t * (s.logits ? whole - own : -ib__double_log(clip(own / whole, epsilon, below_one)));
    }
    return score;
}

double ib__categorical_focal_score(const ib_metric *m, const ib_row *r) {
    double score = 0, whole = m->from_logits ? log_sum_exp(r->p, r) : sum_of(r);
    for (size_t i = 0; i < r->n; i++) {
        double t = smoothed(m, r->t[i * r->stride], r->last), p = r->p[i * r->stride];
        p = clip(m->from_logits ? ib__double_exp(p - whole) : p / whole, epsilon, below_one);
        score += power(1.0 - p, m->gamma) * m->alpha * (-t * ib__double_log(p));
    }
    return score;
}

/* Probabilities are clipped, and normalized after that. */
double ib__sparse_score(const ib_metric *m, const ib_row *r) {
    source s = source_of(m, r);
    double label = trunc(*r->t), sum = 0;
    if (m->ignores && *r->t == (double)m->ignore_class) return 0;
    if (!(label >= 0 && label < (double)r->n)) return (double)NAN;
    size_t own = (size_t)label * r->stride;
    if (s.logits) return log_sum_exp(s.x, r) - s.x[own];
    for (size_t i = 0; i < r->n; i++)
        sum += clip(s.x[i * r->stride], epsilon, below_one);
    return ib__double_log(sum) - ib__double_log(clip(s.x[own], epsilon, below_one));
}

/* ---- Arguments ---- */

#define AT(member) .offset = offsetof(ib_metric, member)
#define ANY .low = -0x1p100, .high = 0x1p100
#define AXIS                                                                                                 \
    {                                                                                                        \
        .key = "axis", .fallback = "-1", .read = ib__read_int, AT(axis), .low = -IB_RANK_MAX,                \
        .high = IB_RANK_MAX - 1                                                                              \
    }
#define FROM_LOGITS                                                                                          \
    { .key = "from_logits", .fallback = "false", .read = ib__read_bool, AT(from_logits) }
#define SMOOTHING                                                                                            \
    { .key = "label_smoothing", .fallback = "0.0", .read = ib__read_real, AT(label_smoothing), .high = 1.0 }
#define REAL(name, member, value)                                                                            \
    { .key = name, .fallback = value, .read = ib__read_real, AT(member), ANY }

ib_status ib__read_ignored(const ib_field *field, const ib_value *value, const char *where, void *out,
                           ib_value **canonical, ib_error *err) {
    ib_metric *m = out;
    m->ignores = value->kind != IB_NULL;
    return m->ignores ? ib__read_int(field, value, where, &m->ignore_class, canonical, err) : IB_OK;
}

const ib_field ib__axis_field[1] = {AXIS};
const ib_field ib__entropy_fields[3] = {FROM_LOGITS, SMOOTHING, AXIS};
const ib_field ib__sparse_fields[2] = {
    FROM_LOGITS,
    {.key = "ignore_class", .fallback = "null", .read = ib__read_ignored, .low = -0x1p24, .high = 0x1p24}};
const ib_field ib__binary_focal_fields[6] = {
    {.key = "apply_class_balancing", .fallback = "false", .read = ib__read_bool, AT(balanced)},
    REAL("alpha", alpha, "0.25"),
    REAL("gamma", gamma, "2.0"),
    FROM_LOGITS,
    SMOOTHING,
    AXIS};
const ib_field ib__categorical_focal_fields[5] = {REAL("alpha", alpha, "0.25"), REAL("gamma", gamma, "2.0"),
                                                  FROM_LOGITS, SMOOTHING, AXIS};
