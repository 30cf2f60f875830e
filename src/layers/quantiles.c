/* SPDX-License-Identifier: Apache-2.0
 *
 * Keras's estimate of quantiles (keras/src/layers/preprocessing/discretization.py): a summary of about 1 /
 * epsilon values with their weights is taken from the sorted values, and compressed twice. Where NumPy works
 * in float32 and where in float64 is part of the result.
 */
#include "layers/quantiles.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Values, ascending, and how many each stands for. */
typedef struct summary {
    float *values, *weights;
    size_t n;
} summary;

static void free_summary(summary *s) {
    ib__free(s->values);
    ib__free(s->weights);
    *s = (summary){0};
}

static ib_status new_summary(summary *s, size_t n, ib_error *err) {
    *s = (summary){ib__alloc(n + 1, sizeof(float)), ib__alloc(n + 1, sizeof(float)), n};
    if (s->values && s->weights) return IB_OK;
    free_summary(s);
    return ib__fail_memory(err);
}

static int by_value(const void *a, const void *b) {
    const float *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* One value out of `step`, the last of each. */
static ib_status summarize(summary *out, float *values, size_t n, double epsilon, ib_error *err) {
    double step = fmax((double)n / (1.0 / epsilon), 1);
    size_t first = (size_t)(step - 1), each = (size_t)step;
    qsort(values, n, sizeof *values, by_value);
    ib_status status = new_summary(out, first < n ? (n - 1 - first) / each + 1 : 0, err);
    for (size_t i = 0; status == IB_OK && i < out->n; i++) {
        out->values[i] = values[first + i * each];
        out->weights[i] = (float)step;
    }
    return status;
}

/* NumPy's interp at x; xs and ys are rounded to float32. j: where the last x was, for ascending ones. */
static double interpolate(double x, const float *xs, const float *ys, size_t n, size_t *j) {
    if (x < (double)xs[0]) return (double)ys[0];
    while (*j + 1 < n && (double)xs[*j + 1] <= x)
        ++*j;
    double x0 = (double)xs[*j], y0 = (double)ys[*j];
    if (*j + 1 == n || x == x0) return y0;
    double slope = ((double)ys[*j + 1] - y0) / ((double)xs[*j + 1] - x0);
    return slope * (x - x0) + y0;
}

/* The values at shares of epsilon, 2 epsilon ... of the weights. */
static ib_status compress(summary *s, double epsilon, ib_error *err) {
    if ((double)s->n * epsilon < 1) return IB_OK;
    size_t n = (size_t)ceil(1.0 / epsilon), at = 0, at_weight = 0;
    float *sums = ib__alloc(s->n + 1, sizeof *sums), *shares = ib__alloc(s->n + 1, sizeof *shares);
    summary out = {0};
    ib_status status = sums && shares ? new_summary(&out, n, err) : ib__fail_memory(err);
    float sum = 0;
    for (size_t i = 0; status == IB_OK && i < s->n; i++)
        sums[i] = sum += s->weights[i];
    for (size_t i = 0; status == IB_OK && i < s->n; i++)
        shares[i] = sums[i] / sum;
    double before = 0;
    for (size_t i = 0; status == IB_OK && i < n; i++) {
        double share = epsilon + (double)i * epsilon;
        out.values[i] = (float)interpolate(share, shares, s->values, s->n, &at);
        double weight = interpolate(share, shares, sums, s->n, &at_weight);
        out.weights[i] = (float)(weight - before);
        before = weight;
    }
    ib__free(sums);
    ib__free(shares);
    if (status != IB_OK) return status;
    free_summary(s);
    *s = out;
    return IB_OK;
}

ib_status ib__quantile_boundaries(float **out, size_t *n_out, float *values, size_t n, double epsilon,
                                  size_t bins, ib_error *err) {
    summary s = {0};
    ib_status status = summarize(&s, values, n, epsilon, err);
    if (status == IB_OK) status = compress(&s, epsilon, err);
    if (status == IB_OK) status = compress(&s, 1.0 / (double)bins, err);
    if (status == IB_OK) {
        *out = s.values;
        *n_out = s.n > 0 ? s.n - 1 : 0;
        s.values = NULL;
    }
    free_summary(&s);
    return status;
}
