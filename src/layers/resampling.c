/* SPDX-License-Identifier: Apache-2.0
 *
 * Resampling an axis: which places a new place is made of, and with which weights. Both are TensorFlow's:
 * place i of n has its middle at i + 1/2 of a length n.
 */
#include "layers/resampling.h"

#include <math.h>

#include "numerics/double.h"

/* A sample is [outer, from, inner] and becomes [outer, to, inner]. New place i is the sum of weights[i * taps
 * + t] times place start[i] + t, t < count[i]. */
typedef struct resampling {
    size_t outer, from, to, inner, taps;
    size_t *start, *count;
    float *weights;
} resampling;

/* ---- Running ---- */

static void resample_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const resampling *r = context;
    for (size_t o = first * r->outer; o < end * r->outer; o++)
        for (size_t i = 0; i < r->to; i++) {
            const float *x = (const float *)rows->in[0] + (o * r->from + r->start[i]) * r->inner;
            const float *w = r->weights + i * r->taps;
            float *y = (float *)rows->out + (o * r->to + i) * r->inner;
            for (size_t j = 0; j < r->inner; j++)
                y[j] = w[0] * x[j];
            for (size_t t = 1; t < r->count[i]; t++)
                for (size_t j = 0; j < r->inner; j++)
                    y[j] += w[t] * x[t * r->inner + j];
        }
}

/* Each old place gets weight times new place, new places ascending, from +0. */
static void spread_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const resampling *r = context;
    for (size_t o = first * r->outer; o < end * r->outer; o++) {
        float *all = (float *)rows->out + o * r->from * r->inner;
        for (size_t j = 0; j < r->from * r->inner; j++)
            all[j] = 0.0f;
        for (size_t i = 0; i < r->to; i++) {
            const float *dy = (const float *)rows->in[0] + (o * r->to + i) * r->inner;
            const float *w = r->weights + i * r->taps;
            float *dx = all + r->start[i] * r->inner;
            for (size_t t = 0; t < r->count[i]; t++)
                for (size_t j = 0; j < r->inner; j++)
                    dx[t * r->inner + j] += w[t] * dy[j];
        }
    }
}

/* ---- Kernels: the weight of a place at this distance ---- */

static double triangle(double x) {
    return x < 1 ? 1 - x : 0;
}

/* Keys, 1981, a = -1/2 */
static double keys_cubic(double x) {
    if (x >= 2) return 0;
    return x >= 1 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : ((1.5 * x - 2.5) * x) * x + 1;
}

static double lanczos(double x, double radius) {
    const double pi = 3.141592653589793;
    if (x > radius) return 0;
    if (x <= 1e-3) return 1;
    return radius * ib__double_sin(pi * x) * ib__double_sin(pi * x / radius) / (pi * pi * x * x);
}

static double radius_of(ib_interpolation how) {
    static const double radius[] = {
        [IB_BILINEAR] = 1, [IB_BICUBIC] = 2, [IB_LANCZOS3] = 3, [IB_LANCZOS5] = 5};
    return radius[how];
}

static double kernel(ib_interpolation how, double x) {
    if (how == IB_BILINEAR) return triangle(x);
    return how == IB_BICUBIC ? keys_cubic(x) : lanczos(x, radius_of(how));
}

/* ---- Places and weights ---- */

/* How far a kernel is drawn out. */
static double kernel_scale(const resampling *r, bool antialias) {
    return antialias && r->from > r->to ? (double)r->from / (double)r->to : 1.0;
}

static int64_t clamp(int64_t i, size_t size) {
    if (i < 0) return 0;
    return i < (int64_t)size ? i : (int64_t)size - 1;
}

/* The middle of new place i among the old ones, place k reaching from k to k + 1; in float32, as in
 * TensorFlow, where it is rounded to a place or to a row of a table. */
static float middle(const resampling *r, size_t i) {
    return ((float)i + 0.5f) * ((float)r->from / (float)r->to);
}

static void nearest(resampling *r, size_t i) {
    r->start[i] = (size_t)clamp((int64_t)floorf(middle(r, i)), r->from);
    r->count[i] = 1;
    r->weights[i * r->taps] = 1.0f;
}

/* Between the two places around; outside of the middles of the first and the last, that place. */
static void bilinear(resampling *r, size_t i) {
    double at = ((double)i + 0.5) * ((double)r->from / (double)r->to) - 0.5, below = floor(at);
    int64_t low = clamp((int64_t)below, r->from), high = clamp((int64_t)below + 1, r->from);
    float *w = r->weights + i * r->taps;
    r->start[i] = (size_t)low;
    r->count[i] = (size_t)(high - low) + 1;
    w[0] = high > low ? (float)(1 - (at - below)) : 1.0f;
    if (high > low) w[1] = (float)(at - below);
}

/* The kernel's values at the places around, those outside left out, divided by their sum. at: where place 0
 * has distance 0. */
static void weigh(resampling *r, size_t i, int64_t start, int64_t end, ib_interpolation how, double at,
                  double scale) {
    float *w = r->weights + i * r->taps;
    double sum = 0;
    r->start[i] = (size_t)start;
    r->count[i] = (size_t)(end - start);
    for (int64_t k = start; k < end; k++)
        sum += kernel(how, fabs((double)k - at) / scale);
    for (int64_t k = start; k < end; k++)
        w[k - start] = (float)(kernel(how, fabs((double)k - at) / scale) / sum);
}

/* TensorFlow takes the coefficients from a table of 1024 steps between two places. */
static void bicubic(resampling *r, size_t i) {
    float at = middle(r, i) - 0.5f, below = floorf(at);
    double step = (double)rintf((at - below) * 1024.0f) / 1024.0;
    int64_t low = (int64_t)below;
    weigh(r, i, clamp(low - 1, r->from), clamp(low + 2, r->from) + 1, IB_BICUBIC, (double)below + step, 1.0);
}

static void by_kernel(resampling *r, size_t i, ib_interpolation how, double scale) {
    double at = ((double)i + 0.5) * ((double)r->from / (double)r->to) - 0.5, reach = radius_of(how) * scale;
    weigh(r, i, clamp((int64_t)ceil(at - reach), r->from), clamp((int64_t)floor(at + reach), r->from) + 1,
          how, at, scale);
}

static void fill(resampling *r, ib_interpolation how, bool antialias) {
    for (size_t i = 0; i < r->to; i++) {
        if (how == IB_NEAREST)
            nearest(r, i);
        else if (how == IB_BILINEAR && !antialias)
            bilinear(r, i);
        else if (how == IB_BICUBIC && !antialias)
            bicubic(r, i);
        else
            by_kernel(r, i, how, kernel_scale(r, antialias));
    }
}

static size_t taps_of(const resampling *r, ib_interpolation how, bool antialias) {
    if (how == IB_NEAREST) return 1;
    size_t taps = 2 * (size_t)ceil(radius_of(how) * kernel_scale(r, antialias)) + 1;
    return taps < r->from ? taps : r->from;
}

ib_node ib__resample(ib_graph *g, ib_node x, int axis, int64_t size, ib_interpolation interpolation,
                     bool antialias) {
    ib_shape shape = ib__node_shape(g, x);
    if (x == IB_NO_NODE || shape.dims[axis] == size) return x;
    resampling *r = ib__graph_memory(g, 1, sizeof *r);
    if (!r) return IB_NO_NODE;
    r->outer = r->inner = 1;
    for (int i = 1; i < axis; i++)
        r->outer *= (size_t)shape.dims[i];
    for (int i = axis + 1; i < shape.rank; i++)
        r->inner *= (size_t)shape.dims[i];
    r->from = (size_t)shape.dims[axis];
    r->to = (size_t)size;
    shape.dims[axis] = size;
    ib_linear f = {resample_rows, spread_rows, r};
    ib_node y = ib__op_linear_call(g, &f, x, &shape);
    if (y == IB_NO_NODE) return y; /* the shape is too large: no tables for it */
    r->taps = taps_of(r, interpolation, antialias);
    r->start = ib__graph_memory(g, r->to, sizeof *r->start);
    r->count = ib__graph_memory(g, r->to, sizeof *r->count);
    r->weights = ib__graph_memory(g, r->to * r->taps, sizeof *r->weights);
    if (!r->start || !r->count || !r->weights) return IB_NO_NODE;
    fill(r, interpolation, antialias);
    return y;
}
