/* SPDX-License-Identifier: Apache-2.0
 *
 * Intersection over union. States: the confusion matrix, [classes, classes], row the target.
 */
#include <math.h>

#include "metrics/internal.h"

static const double epsilon = 1e-7; /* Keras's backend.epsilon() */

/* The shape of class numbers: without the axis of the classes, if there is one. false: no such axis. */
static bool classes_shape(const ib_metric *m, const ib_shape *given, bool sparse, ib_shape *out) {
    *out = *given;
    if (sparse) return true;
    int axis = ib__metric_axis(m, given->rank);
    if (axis < 0) return false;
    ib__drop_axis(out, axis);
    return true;
}

/* Numbers of elements that can be the same; -1 may be anything. */
static bool elements_fit(const ib_shape *a, const ib_shape *b) {
    int64_t x = ib__shape_elements(a), y = ib__shape_elements(b);
    return x < 0 || y < 0 || x == y;
}

ib_status ib__iou_fits(const ib_metric *m, const ib_shape *target, const ib_shape *prediction,
                       ib_error *err) {
    ib_shape t, p;
    bool fits = prediction && classes_shape(m, target, m->sparse_true, &t) &&
                classes_shape(m, prediction, m->sparse_pred, &p) && elements_fit(&t, &p);
    return fits ? IB_OK : ib__metric_misfit(m, target, prediction, err);
}

ib_status ib__iou_size(ib_metric *m, const ib_shape *target, const ib_shape *prediction, ib_error *err) {
    (void)target, (void)prediction, (void)err;
    m->n_states = (size_t)(m->num_classes * m->num_classes);
    m->n_values = 1;
    return IB_OK;
}

/* Class numbers of a: the first largest along the axis, or the numbers themselves toward zero. */
static void to_classes(const ib_metric *m, ib_numbers *a, bool sparse) {
    ib_shape shape;
    (void)classes_shape(m, &a->shape, sparse, &shape);
    size_t n = (size_t)ib__shape_elements(&shape);
    if (sparse) {
        for (size_t i = 0; i < n; i++)
            a->data[i] = m->whole ? trunc(a->data[i]) : a->data[i];
        return;
    }
    int axis = ib__metric_axis(m, a->shape.rank);
    size_t width = (size_t)a->shape.dims[axis], stride = 1;
    for (int i = axis + 1; i < a->shape.rank; i++)
        stride *= (size_t)a->shape.dims[i];
    /* row by row of the outer axes, so that no number is overwritten before it was read */
    for (size_t o = 0; o < n / stride; o++) {
        for (size_t i = 0; i < stride; i++) {
            double *row = a->data + o * width * stride + i;
            *row = (double)ib__arg_max(row, width, stride);
        }
        for (size_t i = 0; i < stride; i++)
            a->data[o * stride + i] = a->data[o * width * stride + i];
    }
    a->shape = shape;
}

ib_status ib__iou_add(ib_metric *m, const ib_metric_batch *batch, ib_error *err) {
    ib_numbers t, p;
    const double *w;
    ib_status status = ib__iou_fits(m, &batch->y_true->shape, &batch->y_pred->shape, err);
    if (status != IB_OK) return status;
    if (!ib__numbers_load(m, IB_ROOM_TARGETS, batch->y_true, &t) ||
        !ib__numbers_load(m, IB_ROOM_PREDICTIONS, batch->y_pred, &p))
        return ib__fail_memory(err);
    size_t all = (size_t)ib__shape_elements(&p.shape);
    if (!isnan(m->threshold))
        for (size_t i = 0; i < all; i++)
            p.data[i] = p.data[i] >= (double)(float)m->threshold;
    to_classes(m, &t, m->sparse_true);
    to_classes(m, &p, m->sparse_pred);
    status = ib__sample_weights_load(m, batch, &t.shape, &w, err);
    if (status != IB_OK) return status;
    size_t n = (size_t)ib__shape_elements(&t.shape), classes = (size_t)m->num_classes;
    for (size_t i = 0; i < n; i++) {
        double x = t.data[i], y = p.data[i], weight = w ? w[i] : 1.0;
        if (!(x >= 0 && x < (double)classes && y >= 0 && y < (double)classes)) continue;
        if (m->ignores && x == (double)m->ignore_class) continue;
        m->states[(size_t)x * classes + (size_t)y] += m->whole ? trunc(weight) : weight;
    }
    return IB_OK;
}

void ib__iou_values(const ib_metric *m, double *out) {
    size_t n = (size_t)m->num_classes;
    double sum = 0, seen = 0;
    for (size_t i = 0; i < m->n_target_ids; i++) {
        size_t id = (size_t)m->target_ids[i];
        double row = 0, column = 0, both = m->states[id * n + id];
        for (size_t k = 0; k < n; k++) {
            row += m->states[id * n + k];
            column += m->states[k * n + id];
        }
        double whole = row + column - both;
        if (!(whole > 1e-9)) continue;
        sum += both / (whole + epsilon);
        seen += 1.0;
    }
    *out = sum / (seen + epsilon);
}
