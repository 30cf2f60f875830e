/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics with a value for each class or output: FBetaScore, F1Score and R2Score.
 */
#include <math.h>

#include "metrics/internal.h"

static const double epsilon = 1e-7; /* Keras's backend.epsilon() */

/* Targets and predictions of one shape [samples, classes]. */
static bool align(const ib_shape *target, const ib_shape *prediction, bool grow, ib_shape *shape) {
    ib_shape t = *target, p = *prediction;
    if (grow) ib__same_rank_shapes(&t, &p);
    *shape = p;
    return p.rank == 2 && ib__same_dims(&t, &p);
}

/* The number of columns of a prediction, 0 if it is not known. */
static size_t columns_of(const ib_shape *shape) {
    int64_t n = shape->rank == 2 ? shape->dims[1] : 1;
    return n > 0 && n <= 1 << 24 ? (size_t)n : 0;
}

static ib_status load(ib_metric *m, const ib_metric_batch *batch, bool grow, ib_numbers *t, ib_numbers *p,
                      const double **w, ib_error *err) {
    ib_shape shape;
    if (!ib__numbers_load(m, IB_ROOM_TARGETS, batch->y_true, t) ||
        !ib__numbers_load(m, IB_ROOM_PREDICTIONS, batch->y_pred, p))
        return ib__fail_memory(err);
    if (!align(&t->shape, &p->shape, grow, &shape) || columns_of(&shape) != m->n_labels)
        return ib__metric_misfit(m, &batch->y_true->shape, &batch->y_pred->shape, err);
    p->shape = shape;
    return ib__sample_weights_load(m, batch, &shape, w, err);
}

/* ---- F scores. States: true positives, false positives, false negatives, weights; [classes] each, or one
 * number for all classes with average "micro". ---- */

ib_status ib__fbeta_fits(const ib_metric *m, const ib_shape *target, const ib_shape *prediction,
                         ib_error *err) {
    ib_shape shape;
    bool fits = prediction && align(target, prediction, false, &shape) && columns_of(&shape);
    return fits ? IB_OK : ib__metric_misfit(m, target, prediction, err);
}

ib_status ib__fbeta_size(ib_metric *m, const ib_shape *target, const ib_shape *prediction, ib_error *err) {
    (void)target, (void)err;
    m->n_labels = columns_of(prediction);
    m->list = m->average == IB_AVERAGE_NONE;
    m->n_values = m->list ? m->n_labels : 1;
    m->n_states = 4 * (m->average == IB_AVERAGE_MICRO ? 1 : m->n_labels);
    return IB_OK;
}

/* Without a threshold the largest prediction of a row is chosen (each of several), unless it is near 0. */
static void choose(const ib_metric *m, double *p, size_t rows, size_t n) {
    for (size_t r = 0; r < rows; r++, p += n) {
        double top = p[0];
        for (size_t i = 1; i < n; i++)
            top = p[i] > top || isnan(p[i]) ? p[i] : top;
        for (size_t i = 0; i < n; i++)
            p[i] = isnan(m->threshold) ? p[i] >= top && fabs(p[i]) > (double)1e-9f
                                       : p[i] > (double)(float)m->threshold;
    }
}

ib_status ib__fbeta_add(ib_metric *m, const ib_metric_batch *batch, ib_error *err) {
    ib_numbers t, p;
    const double *w = NULL;
    ib_status status = load(m, batch, false, &t, &p, &w, err);
    if (status != IB_OK) return status;
    size_t rows = (size_t)p.shape.dims[0], n = m->n_labels, kept = m->n_states / 4;
    choose(m, p.data, rows, n);
    for (size_t i = 0; i < rows * n; i++) {
        double weight = w ? w[i] : 1.0, x = t.data[i], y = p.data[i];
        double *state = m->states + (kept == 1 ? 0 : i % n);
        state[0] += y * x * weight;
        state[kept] += y * (1.0 - x) * weight;
        state[2 * kept] += (1.0 - y) * x * weight;
        state[3 * kept] += x * weight;
    }
    return IB_OK;
}

void ib__fbeta_values(const ib_metric *m, double *out) {
    size_t n = m->n_states / 4;
    double sum = 0, weights = 0, square = m->beta * m->beta;
    for (size_t i = 0; i < n; i++)
        weights += m->states[3 * n + i];
    for (size_t i = 0; i < n; i++) {
        double tp = m->states[i];
        double precision = tp / (tp + m->states[n + i] + epsilon);
        double recall = tp / (tp + m->states[2 * n + i] + epsilon);
        double score = precision * recall / (square * precision + recall + epsilon) * (1.0 + square);
        if (m->list) out[i] = score;
        sum += m->average == IB_AVERAGE_WEIGHTED ? score * (m->states[3 * n + i] / (weights + epsilon))
                                                 : score / (double)n;
    }
    if (!m->list) *out = sum;
}

/* ---- R2. States: the number of elements, then sums of squares, sums, squared errors and weights, [outputs]
 * each. ---- */

ib_status ib__r2_fits(const ib_metric *m, const ib_shape *target, const ib_shape *prediction, ib_error *err) {
    ib_shape shape;
    bool fits = prediction && align(target, prediction, true, &shape) && columns_of(&shape);
    return fits ? IB_OK : ib__metric_misfit(m, target, prediction, err);
}

ib_status ib__r2_size(ib_metric *m, const ib_shape *target, const ib_shape *prediction, ib_error *err) {
    (void)target, (void)err;
    m->n_labels = columns_of(prediction);
    m->list = m->aggregation == IB_R2_NONE;
    m->n_values = m->list ? m->n_labels : 1;
    m->n_states = 1 + 4 * m->n_labels;
    return IB_OK;
}

ib_status ib__r2_add(ib_metric *m, const ib_metric_batch *batch, ib_error *err) {
    ib_numbers t, p;
    const double *w = NULL;
    ib_status status = load(m, batch, true, &t, &p, &w, err);
    if (status != IB_OK) return status;
    size_t n = m->n_labels, all = (size_t)ib__shape_elements(&p.shape);
    for (size_t i = 0; i < all; i++) {
        double weight = w ? w[i] : 1.0, x = t.data[i], error = x - p.data[i];
        double *state = m->states + 1 + i % n;
        state[0] += x * (x * weight);
        state[n] += x * weight;
        state[2 * n] += error * error * weight;
        state[3 * n] += weight;
    }
    m->states[0] += (double)all;
    return IB_OK;
}

/* Keras counts elements, not samples. */
static double adjusted(const ib_metric *m, double score) {
    double n = m->states[0], regressors = (double)m->num_regressors;
    if (m->num_regressors == 0 || regressors >= n - 1.0) return score;
    return 1.0 - (1.0 - score) * (n - 1.0) / (n - regressors - 1.0);
}

void ib__r2_values(const ib_metric *m, double *out) {
    size_t n = m->n_labels;
    double sum = 0, totals = 0;
    for (size_t i = 0; i < n; i++) {
        const double *state = m->states + 1 + i;
        double total = state[0] - state[n] * (state[n] / state[3 * n]);
        double score = 1.0 - state[2 * n] / total;
        if (isinf(score)) score = 0.0;
        if (m->list) out[i] = adjusted(m, score);
        sum += m->aggregation == IB_R2_VARIANCE ? total * score : score / (double)n;
        totals += total;
    }
    if (!m->list) *out = adjusted(m, m->aggregation == IB_R2_VARIANCE ? sum / totals : sum);
}
