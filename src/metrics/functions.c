/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores of rows: accuracies, errors, similarities. Formulas are Keras's, in doubles.
 */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "metrics/functions.h"
#include "numerics/double.h"

static const double epsilon = 1e-7; /* Keras's backend.epsilon() */

/* ---- Accuracies ---- */

static double equal(const ib_metric *m, const ib_row *r) {
    (void)m;
    return *r->t == *r->p;
}

/* Thresholds are compared in float32, as Keras does. */
static double binary(const ib_metric *m, const ib_row *r) {
    return *r->t == (double)(*r->p > (double)(float)m->threshold);
}

static double categorical(const ib_metric *m, const ib_row *r) {
    (void)m;
    return ib__arg_max(r->t, r->n, r->stride) == ib__arg_max(r->p, r->n, r->stride);
}

static double sparse(const ib_metric *m, const ib_row *r) {
    (void)m;
    return *r->t == (double)ib__arg_max(r->p, r->n, r->stride);
}

/* TensorFlow's in_top_k: fewer than k predictions are greater; false for classes that are not there and as
 * soon as a prediction is not finite. */
static bool in_top_k(const ib_row *r, double label, int64_t k) {
    if (!(label >= 0 && label < (double)r->n)) return false;
    double own = r->p[(size_t)label * r->stride];
    int64_t greater = 0;
    if (!isfinite(own)) return false;
    for (size_t i = 0; i < r->n && greater <= k; i++) {
        if (!isfinite(r->p[i * r->stride])) return false;
        greater += r->p[i * r->stride] > own;
    }
    return greater < k;
}

static double top_k(const ib_metric *m, const ib_row *r) {
    return in_top_k(r, (double)ib__arg_max(r->t, r->n, r->stride), m->k);
}

static double sparse_top_k(const ib_metric *m, const ib_row *r) {
    if (!m->from_sorted_ids) return in_top_k(r, trunc(*r->t), m->k);
    for (size_t i = 0; i < r->n && (int64_t)i < m->k; i++)
        if (r->p[i * r->stride] == *r->t) return 1;
    return 0;
}

/* ---- Errors: the mean over the row ---- */

/* Declares a score that is the mean of an expression in t and p over the row. */
#define MEAN(name, expression)                                                                               \
    static double name(const ib_metric *m, const ib_row *r) {                                                \
        (void)m;                                                                                             \
        double sum = 0;                                                                                      \
        for (size_t i = 0; i < r->n; i++) {                                                                  \
            double t = r->t[i * r->stride], p = r->p[i * r->stride];                                         \
            sum += (expression);                                                                             \
        }                                                                                                    \
        return sum / (double)r->n;                                                                           \
    }

static double square(double x) {
    return x * x;
}

static double at_least(double x, double low) {
    return x < low ? low : x;
}

/* x + ln(1 + e^-2x) - ln 2 */
static double log_cosh(double x) {
    return x + ib__softplus(-2.0 * x) - 0.69314718055994530942;
}

static double huber_of(double error, double delta) {
    double size = fabs(error);
    return size <= delta ? 0.5 * error * error : delta * size - 0.5 * delta * delta;
}

MEAN(squared, square(t - p))
MEAN(absolute, fabs(t - p))
MEAN(share, fabs((t - p) / at_least(fabs(t), epsilon)))
MEAN(logarithmic,
     square(ib__double_log(at_least(p, epsilon) + 1.0) - ib__double_log(at_least(t, epsilon) + 1.0)))
MEAN(log_cosh_error, log_cosh(p - t))
MEAN(huber, huber_of(p - t, m->delta))
MEAN(hinge, at_least(1.0 - t * p, 0.0))
MEAN(squared_hinge, square(at_least(1.0 - t * p, 0.0)))
MEAN(poisson, p - t * ib__double_log(p + epsilon))

static double percentage(const ib_metric *m, const ib_row *r) {
    return 100.0 * share(m, r);
}

static double categorical_hinge(const ib_metric *m, const ib_row *r) {
    (void)m;
    double right = 0, wrong = -HUGE_VAL;
    for (size_t i = 0; i < r->n; i++) {
        double t = r->t[i * r->stride], p = r->p[i * r->stride];
        right += t * p;
        wrong = (1.0 - t) * p > wrong || isnan(p) ? (1.0 - t) * p : wrong;
    }
    return at_least(wrong - right + 1.0, 0.0);
}

/* ---- Similarities ---- */

static double norm_inverse(const double *x, const ib_row *r) {
    double sum = 0;
    for (size_t i = 0; i < r->n; i++)
        sum += square(x[i * r->stride]);
    double inverse = 1.0 / sqrt(sum);
    return inverse > 1.0 / epsilon ? 1.0 / epsilon : inverse;
}

static double cosine(const ib_metric *m, const ib_row *r) {
    (void)m;
    double t = norm_inverse(r->t, r), p = norm_inverse(r->p, r), sum = 0;
    for (size_t i = 0; i < r->n; i++)
        sum += r->t[i * r->stride] * t * (r->p[i * r->stride] * p);
    return sum;
}

/* keras.losses.cosine_similarity, which a function of this name means. */
static double cosine_loss(const ib_metric *m, const ib_row *r) {
    return -cosine(m, r);
}

static double mean_of(const double *x, const ib_row *r) {
    double sum = 0;
    for (size_t i = 0; i < r->n; i++)
        sum += x[i * r->stride];
    return sum / (double)r->n;
}

static double variance_of(const double *x, double mean, const ib_row *r) {
    double sum = 0;
    for (size_t i = 0; i < r->n; i++)
        sum += square(x[i * r->stride] - mean);
    return sum / (double)r->n;
}

static double pearson(const ib_metric *m, const ib_row *r) {
    (void)m;
    double t = mean_of(r->t, r), p = mean_of(r->p, r), sum = 0;
    double st = sqrt(variance_of(r->t, t, r)), sp = sqrt(variance_of(r->p, p, r));
    for (size_t i = 0; i < r->n; i++)
        sum += (r->t[i * r->stride] - t) / st * ((r->p[i * r->stride] - p) / sp);
    return sum / (double)r->n;
}

/* Keras subtracts the predictions' mean from both. */
static double concordance(const ib_metric *m, const ib_row *r) {
    (void)m;
    double t = mean_of(r->t, r), p = mean_of(r->p, r), sum = 0;
    double norm = variance_of(r->t, t, r) + variance_of(r->p, p, r) + square(t - p) + epsilon;
    for (size_t i = 0; i < r->n; i++)
        sum += 2.0 * ((r->t[i * r->stride] - p) * (r->p[i * r->stride] - p)) / norm;
    return sum / (double)r->n;
}

/* ---- Overlaps ---- */

static double dice(const ib_metric *m, const ib_row *r) {
    (void)m;
    double both = 0, sizes = 0;
    for (size_t i = 0; i < r->n; i++) {
        both += r->t[i] * r->p[i];
        sizes += r->t[i] + r->p[i];
    }
    return 1.0 - 2.0 * both / (sizes + epsilon);
}

static double tversky(const ib_metric *m, const ib_row *r) {
    double both = 0, missed = 0, extra = 0;
    for (size_t i = 0; i < r->n; i++) {
        both += r->t[i] * r->p[i];
        missed += (1.0 - r->p[i]) * r->t[i];
        extra += r->p[i] * (1.0 - r->t[i]);
    }
    return 1.0 - both / (both + missed * m->alpha + extra * m->beta + epsilon);
}

/* ---- The table ---- */

#define AT(member) .offset = offsetof(ib_metric, member)
#define ANY .low = -0x1p100, .high = 0x1p100
static const ib_field threshold_field[] = {
    {.key = "threshold", .fallback = "0.5", .read = ib__read_real, AT(threshold), ANY}};
static const ib_field k_fields[] = {
    {.key = "k", .fallback = "5", .read = ib__read_int, AT(k), .low = 1, .high = 0x1p31},
    {.key = "from_sorted_ids", .fallback = "false", .read = ib__read_bool, AT(from_sorted_ids)}};
static const ib_field delta_field[] = {
    {.key = "delta", .fallback = "1.0", .read = ib__read_real, AT(delta), ANY}};
static const ib_field tversky_fields[] = {
    {.key = "alpha", .fallback = "0.5", .read = ib__read_real, AT(alpha), ANY},
    {.key = "beta", .fallback = "0.5", .read = ib__read_real, AT(beta), ANY}};

/* A function without arguments; with arguments or a rule of its own. */
#define PLAIN(name_, rows_, row_)                                                                            \
    { .name = name_, .rows = IB_ROWS_##rows_, .row = row_ }
#define WITH(name_, rows_, row_, ...)                                                                        \
    { .name = name_, .rows = IB_ROWS_##rows_, .row = row_, __VA_ARGS__ }
#define TAKES(of) .fields = of, .n_fields = sizeof of / sizeof *of
static const ib_function functions[] = {
    WITH("accuracy", ELEMENT, equal, .inner = true),
    WITH("squared_elements", ELEMENT, squared, .inner = true),
    WITH("cosine", AXIS, cosine, .inner = true),
    WITH("binary_accuracy", ELEMENT, binary, TAKES(threshold_field)),
    WITH("categorical_accuracy", AXIS, categorical, .same = true),
    PLAIN("sparse_categorical_accuracy", CLASS, sparse),
    WITH("top_k_categorical_accuracy", AXIS, top_k, .fields = k_fields, .n_fields = 1, .same = true),
    WITH("sparse_top_k_categorical_accuracy", CLASS, sparse_top_k, TAKES(k_fields), .keep_column = true),
    PLAIN("mean_squared_error", AXIS, squared),
    PLAIN("mean_absolute_error", AXIS, absolute),
    PLAIN("mean_absolute_percentage_error", AXIS, percentage),
    PLAIN("mean_squared_logarithmic_error", AXIS, logarithmic),
    PLAIN("log_cosh", AXIS, log_cosh_error),
    WITH("huber", AXIS, huber, TAKES(delta_field)),
    WITH("hinge", AXIS, hinge, .signs = true),
    WITH("squared_hinge", AXIS, squared_hinge, .signs = true),
    PLAIN("categorical_hinge", AXIS, categorical_hinge),
    PLAIN("poisson", AXIS, poisson),
    WITH("cosine_similarity", AXIS, cosine_loss, TAKES(ib__axis_field)),
    WITH("pearson_correlation", AXIS, pearson, TAKES(ib__axis_field)),
    WITH("concordance_correlation", AXIS, concordance, TAKES(ib__axis_field)),
    PLAIN("dice", ALL, dice),
    WITH("tversky", ALL, tversky, TAKES(tversky_fields)),
    PLAIN("kl_divergence", AXIS, ib__divergence_score),
    WITH("binary_crossentropy", AXIS, ib__binary_score, TAKES(ib__entropy_fields), .same = true,
         .entropy = true),
    WITH("categorical_crossentropy", AXIS, ib__categorical_score, TAKES(ib__entropy_fields), .same = true,
         .entropy = true),
    WITH("sparse_categorical_crossentropy", CLASS, ib__sparse_score, TAKES(ib__sparse_fields),
         .entropy = true),
    WITH("binary_focal_crossentropy", AXIS, ib__binary_focal_score, TAKES(ib__binary_focal_fields),
         .same = true, .entropy = true),
    WITH("categorical_focal_crossentropy", AXIS, ib__categorical_focal_score,
         TAKES(ib__categorical_focal_fields), .same = true),
};

const ib_function *ib__metric_function(const char *name, bool inner) {
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (strcmp(functions[i].name, name) == 0 && (inner || !functions[i].inner)) return &functions[i];
    return NULL;
}

size_t ib__metric_function_names(const char **out, size_t limit) {
    size_t n = 0;
    for (size_t i = 0; i < sizeof functions / sizeof *functions && n < limit; i++)
        if (!functions[i].inner) out[n++] = functions[i].name;
    return n;
}
