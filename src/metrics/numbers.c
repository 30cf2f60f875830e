/* SPDX-License-Identifier: Apache-2.0
 *
 * Arrays of doubles for the metrics: room, conversion, shapes brought together as Keras and NumPy do.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/internal.h"

double *ib__metric_room(ib_metric *m, int room, size_t n) {
    if (n <= m->room_sizes[room] && m->rooms[room]) return m->rooms[room];
    double *bigger = n < SIZE_MAX / sizeof *bigger ? realloc(m->rooms[room], (n + 1) * sizeof *bigger) : NULL;
    if (!bigger) return NULL;
    m->rooms[room] = bigger;
    m->room_sizes[room] = n;
    return bigger;
}

bool ib__numbers_load(ib_metric *m, int room, const ib_tensor *tensor, ib_numbers *out) {
    size_t n = (size_t)ib__shape_elements(&tensor->shape);
    out->shape = tensor->shape;
    out->data = ib__metric_room(m, room, n);
    if (!out->data) return false;
    const float *f = tensor->dtype == IB_F32 ? tensor->data : NULL;
    for (size_t i = 0; i < n; i++)
        out->data[i] = f ? (double)f[i] : (double)(float)ib__tensor_at(tensor, i);
    return true;
}

/* One rule of the pair: the longer one, a, ends in an axis of length 1. */
static void shrink_or_grow(ib_shape *a, ib_shape *b) {
    if (b->rank == 1) {
        b->dims[1] = 1;
        b->rank = 2;
    } else {
        a->rank--;
    }
}

void ib__same_rank_shapes(ib_shape *a, ib_shape *b) {
    if (a->rank == b->rank + 1 && a->dims[b->rank] == 1)
        shrink_or_grow(a, b);
    else if (b->rank == a->rank + 1 && b->dims[a->rank] == 1)
        shrink_or_grow(b, a);
}

bool ib__same_dims(const ib_shape *a, const ib_shape *b) {
    bool same = a->rank == b->rank;
    for (int i = 0; same && i < a->rank; i++)
        same = a->dims[i] == b->dims[i] || a->dims[i] < 0 || b->dims[i] < 0;
    return same;
}

int ib__metric_axis(const ib_metric *m, int rank) {
    int64_t axis = m->axis < 0 ? m->axis + rank : m->axis;
    return axis >= 0 && axis < rank ? (int)axis : -1;
}

void ib__drop_axis(ib_shape *shape, int axis) {
    for (int i = axis; i + 1 < shape->rank; i++)
        shape->dims[i] = shape->dims[i + 1];
    shape->rank--;
}

bool ib__common_shape(const ib_shape *a, const ib_shape *b, ib_shape *out) {
    out->rank = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 1; i <= out->rank; i++) {
        int64_t x = i <= a->rank ? a->dims[a->rank - i] : 1, y = i <= b->rank ? b->dims[b->rank - i] : 1;
        if (x != y && x != 1 && y != 1 && x >= 0 && y >= 0) return false;
        out->dims[out->rank - i] = x == 1 || (x < 0 && y != 1) ? y : x;
    }
    return true;
}

ib_status ib__numbers_spread(ib_metric *m, int room, const ib_numbers *a, const ib_shape *shape, bool first,
                             ib_numbers *out, ib_error *err) {
    if (ib__shape_equal(&a->shape, shape)) {
        *out = *a;
        return IB_OK;
    }
    /* how far the next element along each axis is; 0: the same one again */
    size_t step[IB_RANK_MAX] = {0}, all = 1;
    int shift = first ? 0 : shape->rank - a->shape.rank;
    bool fits = a->shape.rank <= shape->rank;
    for (int i = a->shape.rank; fits && i-- > 0;) {
        int64_t n = a->shape.dims[i];
        fits = n == 1 || n == shape->dims[i + shift];
        step[i + shift] = n == 1 ? 0 : all;
        all *= (size_t)n;
    }
    if (!fits) {
        char x[128], y[128];
        ib__shape_print(x, &a->shape);
        ib__shape_print(y, shape);
        return ib__fail(err, IB_BAD_INPUT, m->name, "shape %s does not fit %s", x, y);
    }
    size_t n = (size_t)ib__shape_elements(shape), at[IB_RANK_MAX] = {0};
    double *to = ib__metric_room(m, room, n);
    if (!to) return ib__fail_memory(err);
    for (size_t i = 0, from = 0; i < n; i++) {
        to[i] = a->data[from];
        for (int d = shape->rank; d-- > 0;) {
            from += step[d];
            if (++at[d] < (size_t)shape->dims[d]) break;
            from -= step[d] * at[d];
            at[d] = 0;
        }
    }
    *out = (ib_numbers){*shape, to};
    return IB_OK;
}

ib_status ib__sample_weights_load(ib_metric *m, const ib_metric_batch *batch, const ib_shape *shape,
                                  const double **out, ib_error *err) {
    *out = NULL;
    if (!batch->weight) return IB_OK;
    ib_numbers w;
    if (!ib__numbers_load(m, IB_ROOM_WEIGHTS, batch->weight, &w)) return ib__fail_memory(err);
    while (w.shape.rank > shape->rank && w.shape.dims[w.shape.rank - 1] == 1)
        w.shape.rank--;
    ib_status status = ib__numbers_spread(m, IB_ROOM_SPREAD_WEIGHTS, &w, shape, true, &w, err);
    if (status == IB_OK) *out = w.data;
    return status;
}

size_t ib__arg_max(const double *p, size_t n, size_t stride) {
    size_t best = 0;
    double top = -HUGE_VAL;
    for (size_t i = 0; i < n; i++) {
        double x = p[i * stride];
        if (x == 0.0 && signbit(x)) x = -(double)FLT_MIN;
        if (!(x > top)) continue;
        top = x;
        best = i;
    }
    return best;
}

ib_status ib__metric_misfit(const ib_metric *m, const ib_shape *target, const ib_shape *prediction,
                            ib_error *err) {
    char x[128], y[128] = "none";
    ib__shape_print(x, target);
    if (prediction) ib__shape_print(y, prediction);
    return ib__fail(err, IB_BAD_INPUT, "", "%s: targets of shape %s do not fit predictions of shape %s",
                    m->class->name, x, y);
}
