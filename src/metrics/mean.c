/* SPDX-License-Identifier: Apache-2.0
 *
 * Means of scores: Keras's MeanMetricWrapper and what stands on it, Mean and Sum. States: total, count.
 */
#include <math.h>

#include "metrics/internal.h"

/* ---- Shapes ---- */

/* Targets and predictions as the function takes them, ranks brought together; *scores: the shape of its
 * scores. false: they do not fit. */
static bool align(const ib_metric *m, ib_shape *t, ib_shape *p, ib_shape *scores) {
    const ib_function *f = m->function;
    if (f->rows == IB_ROWS_CLASS) {
        if (p->rank < 1) return false;
        *scores = *p;
        scores->rank--;
        bool column = t->rank == p->rank && t->dims[t->rank - 1] == 1;
        ib_shape flat = *t;
        if (column) flat.rank--;
        if (!ib__same_dims(&flat, scores)) return false;
        if (f->keep_column) *scores = *t;
        if (!f->keep_column && !f->entropy && scores->rank > 1 && scores->dims[scores->rank - 1] == 1)
            scores->rank--;
        return true;
    }
    ib__same_rank_shapes(t, p);
    if (!ib__common_shape(t, p, scores)) return false;
    if (f->same && !ib__same_dims(t, p)) return false;
    if (f->rows == IB_ROWS_ALL) scores->rank = 0;
    if (f->rows != IB_ROWS_AXIS) return true;
    int axis = ib__metric_axis(m, scores->rank);
    if (axis < 0) return false;
    ib__drop_axis(scores, axis);
    return true;
}

ib_status ib__mean_fits(const ib_metric *m, const ib_shape *target, const ib_shape *prediction,
                        ib_error *err) {
    ib_shape t = *target, p, scores;
    if (!prediction) return ib__metric_misfit(m, target, prediction, err);
    p = *prediction;
    return align(m, &t, &p, &scores) ? IB_OK : ib__metric_misfit(m, target, prediction, err);
}

ib_status ib__mean_size(ib_metric *m, const ib_shape *target, const ib_shape *prediction, ib_error *err) {
    (void)target, (void)prediction, (void)err;
    m->n_states = 2;
    m->n_values = 1;
    return IB_OK;
}

/* ---- Adding ---- */

static size_t product(const ib_shape *shape, int from, int to) {
    size_t n = 1;
    for (int i = from; i < to; i++)
        n *= (size_t)shape->dims[i];
    return n;
}

/* Scores with weights or NULL, as Keras's reduce_to_samplewise_values: the mean (or for Sum the sum) over all
 * axes but the first, then the sum over the samples. Axes that weights do not have are taken out first. */
static ib_status reduce(ib_metric *m, const ib_numbers *scores, const ib_numbers *weights, bool sums,
                        ib_error *err) {
    ib_numbers v = *scores, w = {0};
    if (weights) {
        ib_shape shape;
        w = *weights;
        ib__same_rank_shapes(&v.shape, &w.shape);
        shape = v.shape;
        if (w.shape.rank < shape.rank) shape.rank = w.shape.rank;
        ib_status status = ib__numbers_spread(m, IB_ROOM_SPREAD_WEIGHTS, &w, &shape, true, &w, err);
        if (status != IB_OK) return status;
    }
    int rank = v.shape.rank, outer = weights ? w.shape.rank : rank;
    size_t samples = rank ? (size_t)v.shape.dims[0] : 1, each = product(&v.shape, rank ? 1 : 0, outer),
           inner = product(&v.shape, outer, rank);
    const double *x = v.data, *y = w.data;
    for (size_t i = 0; i < samples; i++) {
        double total = 0, count = 0;
        for (size_t k = 0; k < each; k++) {
            double value = 0, weight = y ? *y++ : 1.0;
            for (size_t l = 0; l < inner; l++)
                value += *x++;
            total += (sums ? value : value / (double)inner) * weight;
            count += weight;
        }
        m->states[0] += sums ? total : total / (double)each;
        m->states[1] += y ? count / (double)each : 1.0;
    }
    return IB_OK;
}

/* Weights times mask; *out: NULL if there is neither. */
static ib_status load_weights(ib_metric *m, const ib_tensor *weight, const ib_tensor *mask, ib_numbers *room,
                              const ib_numbers **out, ib_error *err) {
    ib_numbers w = {0}, k = {0};
    *out = NULL;
    if ((weight && !ib__numbers_load(m, IB_ROOM_WEIGHTS, weight, &w)) ||
        (mask && !ib__numbers_load(m, IB_ROOM_MASK, mask, &k)))
        return ib__fail_memory(err);
    if (!weight && !mask) return IB_OK;
    *out = room;
    *room = weight ? w : k;
    if (!weight || !mask) return IB_OK;
    ib__same_rank_shapes(&k.shape, &w.shape);
    const ib_shape *shape = k.shape.rank >= w.shape.rank ? &k.shape : &w.shape;
    ib_shape common = *shape;
    if (k.shape.rank == w.shape.rank && !ib__common_shape(&k.shape, &w.shape, &common))
        return ib__fail(err, IB_BAD_INPUT, m->name, "sample weights and mask differ in shape");
    ib_status status = ib__numbers_spread(m, IB_ROOM_SPREAD_MASK, &k, &common, true, &k, err);
    if (status == IB_OK) status = ib__numbers_spread(m, IB_ROOM_SPREAD_WEIGHTS, &w, &common, true, &w, err);
    size_t n = status == IB_OK ? (size_t)ib__shape_elements(&common) : 0;
    double *both = ib__metric_room(m, IB_ROOM_COUNTS, n);
    if (status == IB_OK && !both) status = ib__fail_memory(err);
    for (size_t i = 0; i < n && status == IB_OK; i++)
        both[i] = w.data[i] * k.data[i];
    *room = (ib_numbers){common, both};
    return status;
}

static void sign_labels(ib_numbers *t) {
    size_t n = (size_t)ib__shape_elements(&t->shape);
    for (size_t i = 0; i < n; i++)
        if (t->data[i] != 0.0 && t->data[i] != 1.0) return;
    for (size_t i = 0; i < n; i++)
        t->data[i] = 2.0 * t->data[i] - 1.0;
}

/* A batch's arrays. z: data NULL if there are no logits. */
typedef struct arrays {
    ib_numbers t, p, z, scores;
} arrays;

static void score(const ib_metric *m, arrays *a) {
    const ib_function *f = m->function;
    const ib_shape *shape = &a->p.shape;
    int axis = f->rows == IB_ROWS_AXIS ? ib__metric_axis(m, shape->rank) : shape->rank - 1;
    size_t n = shape->rank ? (size_t)shape->dims[axis] : 1, all = (size_t)ib__shape_elements(shape);
    ib_row row = {.n = n, .stride = 1, .last = shape->rank ? (size_t)shape->dims[shape->rank - 1] : 1};
    if (f->rows == IB_ROWS_ELEMENT) row.n = 1;
    if (f->rows == IB_ROWS_ALL) row.n = all;
    if (f->rows == IB_ROWS_AXIS) row.stride = product(shape, axis + 1, shape->rank);
    size_t rows = row.n ? all / row.n : 0;
    for (size_t i = 0; i < rows; i++) {
        size_t at = i / row.stride * row.stride * row.n + i % row.stride;
        row.t = f->rows == IB_ROWS_CLASS ? a->t.data + i : a->t.data + at;
        row.p = a->p.data + at;
        row.z = a->z.data ? a->z.data + at : NULL;
        a->scores.data[i] = f->row(m, &row);
    }
}

static ib_status load(ib_metric *m, const ib_metric_batch *batch, arrays *a, ib_error *err) {
    const ib_function *f = m->function;
    bool logits = f->entropy && batch->logits;
    if (!ib__numbers_load(m, IB_ROOM_TARGETS, batch->y_true, &a->t) ||
        !ib__numbers_load(m, IB_ROOM_PREDICTIONS, batch->y_pred, &a->p))
        return ib__fail_memory(err);
    ib_shape common;
    if (!align(m, &a->t.shape, &a->p.shape, &a->scores.shape) ||
        (f->rows != IB_ROWS_CLASS && !ib__common_shape(&a->t.shape, &a->p.shape, &common)))
        return ib__metric_misfit(m, &batch->y_true->shape, &batch->y_pred->shape, err);
    /* A prediction that was reshaped carries no logits any more. */
    logits = logits && ib__shape_equal(&a->p.shape, &batch->y_pred->shape) &&
             ib__shape_equal(&a->p.shape, &batch->logits->shape);
    if (logits && !ib__numbers_load(m, IB_ROOM_LOGITS, batch->logits, &a->z)) return ib__fail_memory(err);
    ib_status status = IB_OK;
    if (f->signs) sign_labels(&a->t);
    if (f->rows != IB_ROWS_CLASS) {
        status = ib__numbers_spread(m, IB_ROOM_SPREAD_TARGETS, &a->t, &common, false, &a->t, err);
        if (status == IB_OK)
            status = ib__numbers_spread(m, IB_ROOM_SPREAD_PREDICTIONS, &a->p, &common, false, &a->p, err);
    }
    a->scores.data = ib__metric_room(m, IB_ROOM_SCORES, (size_t)ib__shape_elements(&a->scores.shape));
    if (status == IB_OK && !a->scores.data) status = ib__fail_memory(err);
    return status;
}

/* Elements of the ignored class weigh nothing; without weights Keras counts them. */
static ib_status drop_ignored(ib_metric *m, const arrays *a, ib_numbers *weights, ib_error *err) {
    const ib_shape *shape = &a->scores.shape;
    size_t n = (size_t)ib__shape_elements(shape);
    ib_numbers spread;
    ib_status status = ib__numbers_spread(m, IB_ROOM_SPREAD_PREDICTIONS, weights, shape, true, &spread, err);
    double *kept = ib__metric_room(m, IB_ROOM_SPREAD_TARGETS, n);
    if (status == IB_OK && !kept) status = ib__fail_memory(err);
    for (size_t i = 0; i < n && status == IB_OK; i++)
        kept[i] = a->t.data[i] == (double)m->ignore_class ? 0.0 : spread.data[i];
    *weights = (ib_numbers){*shape, kept};
    return status;
}

ib_status ib__mean_add(ib_metric *m, const ib_metric_batch *batch, ib_error *err) {
    arrays a = {0};
    ib_status status = load(m, batch, &a, err);
    if (status != IB_OK) return status;
    score(m, &a);
    bool masked = m->class->values != ib__root_mean_values; /* which Keras builds without the wrapper */
    ib_numbers room;
    const ib_numbers *weights;
    status = load_weights(m, batch->weight, masked ? batch->mask : NULL, &room, &weights, err);
    if (status != IB_OK) return status;
    if (weights && m->ignores) status = drop_ignored(m, &a, &room, err);
    if (status != IB_OK) return status;
    return reduce(m, &a.scores, weights, false, err);
}

/* ---- Mean and Sum of values ---- */

/* In a compile config Keras calls them as any other metric, with the targets as values and the predictions as
 * their weights. */
ib_status ib__values_fits(const ib_metric *m, const ib_shape *target, const ib_shape *prediction,
                          ib_error *err) {
    (void)m, (void)target, (void)prediction, (void)err;
    return IB_OK;
}

ib_status ib__values_size(ib_metric *m, const ib_shape *target, const ib_shape *prediction, ib_error *err) {
    return ib__mean_size(m, target, prediction, err);
}

ib_status ib__values_add(ib_metric *m, const ib_metric_batch *batch, ib_error *err) {
    ib_numbers values, room;
    const ib_numbers *weights;
    if (batch->y_pred && batch->weight)
        return ib__fail(err, IB_BAD_INPUT, m->name,
                        "%s takes values and weights, not targets and predictions", m->class->name);
    if (!ib__numbers_load(m, IB_ROOM_TARGETS, batch->y_true, &values)) return ib__fail_memory(err);
    ib_status status =
        load_weights(m, batch->y_pred ? batch->y_pred : batch->weight, NULL, &room, &weights, err);
    return status == IB_OK ? reduce(m, &values, weights, m->class->values == ib__sum_values, err) : status;
}

/* ---- Results ---- */

void ib__mean_values(const ib_metric *m, double *out) {
    *out = ib__divide_no_nan(m->states[0], m->states[1]);
}

void ib__root_mean_values(const ib_metric *m, double *out) {
    *out = sqrt(ib__divide_no_nan(m->states[0], m->states[1]));
}

void ib__sum_values(const ib_metric *m, double *out) {
    *out = m->states[0];
}
