/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics of decisions: counts of true and false positives and negatives at thresholds. Whether a prediction
 * passes a threshold is decided in float32, as Keras does; counts and weights are doubles. States: the counts
 * that a class keeps, one after the other, each [thresholds] or, of several labels, [thresholds, labels].
 */
#include <math.h>
#include <string.h>

#include "metrics/functions.h"
#include "numerics/double.h"

enum { TRUE_POSITIVE, FALSE_POSITIVE, TRUE_NEGATIVE, FALSE_NEGATIVE, KINDS };

/* ---- Shapes ---- */

/* Targets and predictions with ranks brought together; *shape: of what is counted. */
static bool align(const ib_metric *m, const ib_shape *target, const ib_shape *prediction, ib_shape *shape) {
    ib_shape t = *target, p = *prediction;
    ib__same_rank_shapes(&p, &t);
    if (!ib__same_dims(&t, &p) || p.rank == 0) return false;
    *shape = p;
    int64_t width = p.rank > 1 ? p.dims[p.rank - 1] : 1;
    if (m->top_k > 0 && (p.rank < 2 || m->top_k > width)) return false;
    if (m->class_id >= 0 && (p.rank < 2 || m->class_id >= width)) return false;
    if (m->class_id >= 0) shape->dims[p.rank - 1] = 1;
    int64_t labels = shape->dims[shape->rank - 1];
    if (m->multi_label &&
        (prediction->rank != 2 || p.rank != 2 || (m->num_labels > 0 && labels != m->num_labels)))
        return false;
    return m->n_label_weights == 0 || (int64_t)m->n_label_weights == labels;
}

ib_status ib__confusion_fits(const ib_metric *m, const ib_shape *target, const ib_shape *prediction,
                             ib_error *err) {
    ib_shape shape;
    bool fits = prediction && align(m, target, prediction, &shape);
    return fits ? IB_OK : ib__metric_misfit(m, target, prediction, err);
}

ib_status ib__confusion_size(ib_metric *m, const ib_shape *target, const ib_shape *prediction,
                             ib_error *err) {
    (void)target;
    int64_t labels = m->multi_label ? prediction->dims[1] : 1;
    if (labels < 0 || labels > 1 << 24)
        return ib__fail(err, IB_BAD_INPUT, "", "%s: the number of labels is not known", m->class->name);
    m->n_labels = (size_t)labels;
    for (int i = 0; i < KINDS; i++)
        m->n_states += m->class->counts >> i & 1 ? m->n_thresholds * m->n_labels : 0;
    bool scalar = m->class->values != ib__counted_values && m->class->values != ib__precision_values &&
                  m->class->values != ib__recall_values;
    m->list = !scalar && m->n_thresholds > 1;
    m->n_values = m->list ? m->n_thresholds : 1;
    return IB_OK;
}

/* Where the counts of a kind begin; NULL: they are not kept. */
static double *counts_of(const ib_metric *m, int kind) {
    size_t at = 0;
    if (!(m->class->counts >> kind & 1)) return NULL;
    for (int i = 0; i < kind; i++)
        at += m->class->counts >> i & 1 ? m->n_thresholds * m->n_labels : 0;
    return m->states + at;
}

/* ---- Adding ---- */

/* All but the k largest of each row become -1e10, below every threshold; of equal ones the first are larger.
 */
static void keep_top(double *p, size_t rows, size_t n, size_t k, double *kept) {
    for (size_t r = 0; r < rows; r++, p += n) {
        for (size_t i = 0; i < n; i++)
            kept[i] = -1e10;
        for (size_t i = 0; i < k; i++) {
            size_t best = n;
            for (size_t j = 0; j < n; j++)
                if (kept[j] == -1e10 && (best == n || p[j] > p[best])) best = j;
            if (best < n) kept[best] = p[best];
        }
        memcpy(p, kept, n * sizeof *p);
    }
}

/* Elements of one class: every width-th. */
static void keep_class(double *x, size_t rows, size_t width, size_t class_id) {
    for (size_t r = 0; r < rows; r++)
        x[r] = x[r * width + class_id];
}

/* What a batch gives: n elements, weights or NULL. */
typedef struct decisions {
    const double *t, *p, *w;
    size_t n, width; /* width: of the last axis */
} decisions;

static double weight_of(const ib_metric *m, const decisions *d, size_t i) {
    double w = d->w ? d->w[i] : 1.0;
    return m->n_label_weights && !m->multi_label ? w * m->label_weights[i % d->width] : w;
}

static void count_each(ib_metric *m, const decisions *d) {
    double *of[KINDS];
    for (int i = 0; i < KINDS; i++)
        of[i] = counts_of(m, i);
    for (size_t i = 0; i < d->n; i++) {
        double w = weight_of(m, d, i);
        bool label = d->t[i] != 0.0;
        for (size_t k = 0; k < m->n_thresholds; k++) {
            bool positive = d->p[i] > (double)(float)m->thresholds[k];
            int kind = label ? (positive ? TRUE_POSITIVE : FALSE_NEGATIVE)
                             : (positive ? FALSE_POSITIVE : TRUE_NEGATIVE);
            if (of[kind]) of[kind][k * m->n_labels + i % m->n_labels] += w;
        }
    }
}

/* The number of thresholds below a prediction, minus 1, when they stand at 0, 1/n .. 1. -1: below all. */
static int64_t bucket_of(const ib_metric *m, double prediction) {
    float p = (float)prediction, last = (float)m->n_thresholds - 1.0f;
    if (!(p > 0.0f)) return m->beyond && p <= 0.0f ? 0 : -1;
    p = p > 1.0f ? 1.0f : p;
    int64_t bucket = (int64_t)ceilf(p * last) - 1;
    return bucket;
}

/* Evenly spaced thresholds: predictions go into buckets, and counts are their sums from the end. */
static ib_status count_buckets(ib_metric *m, const decisions *d, ib_error *err) {
    size_t labels = m->n_labels, each = (m->n_thresholds + 1) * labels;
    double *sums = ib__metric_room(m, IB_ROOM_COUNTS, 2 * each);
    if (!sums) return ib__fail_memory(err);
    memset(sums, 0, 2 * each * sizeof *sums);
    double *whole[2] = {sums + each - labels, sums + 2 * each - labels};
    for (size_t i = 0; i < d->n; i++) {
        double w = weight_of(m, d, i);
        int64_t bucket = bucket_of(m, d->p[i]);
        size_t label = d->t[i] != 0.0, column = i % labels;
        whole[label][column] += w;
        if (bucket >= 0) sums[label * each + (size_t)bucket * labels + column] += w;
    }
    double *tp = counts_of(m, TRUE_POSITIVE), *fp = counts_of(m, FALSE_POSITIVE);
    double *tn = counts_of(m, TRUE_NEGATIVE), *fn = counts_of(m, FALSE_NEGATIVE);
    double *bucket_false = sums, *bucket_true = sums + each;
    for (size_t i = m->n_thresholds * labels; i-- > 0;) {
        if (i + labels < m->n_thresholds * labels) {
            bucket_true[i] += bucket_true[i + labels];
            bucket_false[i] += bucket_false[i + labels];
        }
        if (tp) tp[i] += bucket_true[i];
        if (fp) fp[i] += bucket_false[i];
        if (tn) tn[i] += whole[0][i % labels] - bucket_false[i];
        if (fn) fn[i] += whole[1][i % labels] - bucket_true[i];
    }
    return IB_OK;
}

ib_status ib__confusion_add(ib_metric *m, const ib_metric_batch *batch, ib_error *err) {
    ib_numbers t, p;
    ib_shape shape;
    if (!ib__numbers_load(m, IB_ROOM_TARGETS, batch->y_true, &t) ||
        !ib__numbers_load(m, IB_ROOM_PREDICTIONS, batch->y_pred, &p))
        return ib__fail_memory(err);
    if (!align(m, &t.shape, &p.shape, &shape))
        return ib__metric_misfit(m, &batch->y_true->shape, &batch->y_pred->shape, err);
    decisions d = {t.data, p.data, NULL, (size_t)ib__shape_elements(&shape), 1};
    size_t width = p.shape.rank > 1 ? (size_t)p.shape.dims[p.shape.rank - 1] : 1;
    size_t all = (size_t)ib__shape_elements(&p.shape), rows = all / width;
    if (m->from_logits)
        for (size_t i = 0; i < all; i++)
            p.data[i] = (double)(float)ib__logistic(p.data[i]);
    if (m->top_k > 0) {
        double *kept = ib__metric_room(m, IB_ROOM_SCORES, width);
        if (!kept) return ib__fail_memory(err);
        keep_top(p.data, rows, width, (size_t)m->top_k, kept);
    }
    if (m->class_id >= 0) {
        keep_class(t.data, rows, width, (size_t)m->class_id);
        keep_class(p.data, rows, width, (size_t)m->class_id);
    }
    d.width = (size_t)shape.dims[shape.rank - 1];
    ib_status status = ib__sample_weights_load(m, batch, &shape, &d.w, err);
    if (status != IB_OK) return status;
    if (m->even) return count_buckets(m, &d, err);
    count_each(m, &d);
    return IB_OK;
}

/* ---- Results ---- */

void ib__counted_values(const ib_metric *m, double *out) {
    memcpy(out, m->states, m->n_values * sizeof *out);
}

/* a / (a + b) at every threshold. */
static double share(const double *a, const double *b, size_t i) {
    return ib__divide_no_nan(a[i], a[i] + b[i]);
}

void ib__precision_values(const ib_metric *m, double *out) {
    for (size_t i = 0; i < m->n_values; i++)
        out[i] = share(counts_of(m, TRUE_POSITIVE), counts_of(m, FALSE_POSITIVE), i);
}

void ib__recall_values(const ib_metric *m, double *out) {
    for (size_t i = 0; i < m->n_values; i++)
        out[i] = share(counts_of(m, TRUE_POSITIVE), counts_of(m, FALSE_NEGATIVE), i);
}

/* The largest a / (a + b) where c / (c + d) reaches the value; 0 if it nowhere does. Each is a kind. */
static double best(const ib_metric *m, int a, int b, int c, int d) {
    double top = 0;
    for (size_t i = 0; i < m->n_thresholds; i++) {
        double wanted = share(counts_of(m, c), counts_of(m, d), i);
        double found = share(counts_of(m, a), counts_of(m, b), i);
        if (wanted >= m->value && found > top) top = found;
    }
    return top;
}

void ib__sensitivity_at_specificity_values(const ib_metric *m, double *out) {
    *out = best(m, TRUE_POSITIVE, FALSE_NEGATIVE, TRUE_NEGATIVE, FALSE_POSITIVE);
}

void ib__specificity_at_sensitivity_values(const ib_metric *m, double *out) {
    *out = best(m, TRUE_NEGATIVE, FALSE_POSITIVE, TRUE_POSITIVE, FALSE_NEGATIVE);
}

void ib__precision_at_recall_values(const ib_metric *m, double *out) {
    *out = best(m, TRUE_POSITIVE, FALSE_POSITIVE, TRUE_POSITIVE, FALSE_NEGATIVE);
}

void ib__recall_at_precision_values(const ib_metric *m, double *out) {
    *out = best(m, TRUE_POSITIVE, FALSE_NEGATIVE, TRUE_POSITIVE, FALSE_POSITIVE);
}

/* ---- Area under a curve ---- */

/* One label's curve: counts of a kind at threshold i are of[kind][i * step]. */
typedef struct curve {
    const double *of[KINDS];
    size_t n, step;
} curve;

static double at(const curve *c, int kind, size_t i) {
    return c->of[kind][i * c->step];
}

/* Davis and Goadrich (ICML 2006): between two points of a precision-recall curve, true positives grow in
 * proportion to all positives, not precision to recall. */
static double interpolated_pr(const curve *c) {
    double area = 0;
    for (size_t i = 0; i + 1 < c->n; i++) {
        double tp = at(c, TRUE_POSITIVE, i + 1), dtp = at(c, TRUE_POSITIVE, i) - tp;
        double p = tp + at(c, FALSE_POSITIVE, i + 1);
        double before = at(c, TRUE_POSITIVE, i) + at(c, FALSE_POSITIVE, i), dp = before - p;
        double slope = ib__divide_no_nan(dtp, dp > 0 ? dp : 0), intercept = tp - slope * p;
        double ratio = before > 0 && p > 0 ? before / p : 1.0;
        double positives = tp + at(c, FALSE_NEGATIVE, i + 1);
        area += ib__divide_no_nan(slope * (dtp + intercept * ib__double_log(ratio)),
                                  positives > 0 ? positives : 0);
    }
    return area;
}

static void point(const ib_metric *m, const curve *c, size_t i, double *x, double *y) {
    double tp = at(c, TRUE_POSITIVE, i), fp = at(c, FALSE_POSITIVE, i);
    double tn = at(c, TRUE_NEGATIVE, i), fn = at(c, FALSE_NEGATIVE, i);
    if (m->curve == IB_CURVE_ROC) {
        *x = ib__divide_no_nan(fp, fp + tn);
        *y = ib__divide_no_nan(tp, tp + fn);
    } else if (m->curve == IB_CURVE_PR) {
        *x = ib__divide_no_nan(tp, tp + fn);
        *y = ib__divide_no_nan(tp, tp + fp);
    } else { /* gains: Flach and Kull (NIPS 2015) */
        double scale = ib__divide_no_nan(tp + fn, tn + fp);
        double recall = tp == 0.0 ? 0.0 : 1.0 - scale * ib__divide_no_nan(fn, tp);
        *x = recall < 0.0 ? 0.0 : recall;
        *y = tp == 0.0 ? 1.0 : 1.0 - scale * ib__divide_no_nan(fp, tp);
    }
}

static double area(const ib_metric *m, const curve *c) {
    if (m->curve == IB_CURVE_PR && m->summation == IB_SUM_INTERPOLATION) return interpolated_pr(c);
    double sum = 0, x, y, next_x, next_y;
    point(m, c, 0, &x, &y);
    for (size_t i = 0; i + 1 < c->n; i++, x = next_x, y = next_y) {
        point(m, c, i + 1, &next_x, &next_y);
        double low = y < next_y ? y : next_y, high = y < next_y ? next_y : y;
        double height = m->summation == IB_SUM_INTERPOLATION ? (y + next_y) / 2.0
                        : m->summation == IB_SUM_MAJORING    ? high
                                                             : low;
        sum += (x - next_x) * height;
    }
    return sum;
}

void ib__auc_values(const ib_metric *m, double *out) {
    double sum = 0, weights = 0;
    for (size_t label = 0; label < m->n_labels; label++) {
        curve c = {.n = m->n_thresholds, .step = m->n_labels};
        for (int i = 0; i < KINDS; i++)
            c.of[i] = counts_of(m, i) + label;
        double w = m->multi_label && m->n_label_weights ? m->label_weights[label] : 1.0;
        sum += area(m, &c) * w;
        weights += w;
    }
    *out = ib__divide_no_nan(sum, weights);
}
