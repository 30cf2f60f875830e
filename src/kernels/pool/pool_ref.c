/* SPDX-License-Identifier: Apache-2.0
 *
 * Pooling, as the contract pool/1 says it, one channel of one window after the other.
 */
#include "kernels/pool/window.h"

#include <math.h>

#include "kernels/simd/scalar.h"

ib_k_pool_fn ib_k_max_pool_f32_ref;
ib_k_pool_fn ib_k_max_pool_grad_f32_ref;
ib_k_pool_fn ib_k_avg_pool_f32_ref;
ib_k_pool_fn ib_k_avg_pool_grad_f32_ref;

/* Does one channel of one window: w inside the image x, the output pixel's value *out (forward: written;
 * backward: dy), dx the image of gradients. */
typedef void window_fn(const ib_pool_args *g, ib__pool_window w, const float *x, float *out, float *dx);

/* Calls `run` for each window of a part's images, in the order (image, od, oh, ow, channel). */
static void each_window(const ib_pool_args *g, window_fn *run, bool backward, size_t part, size_t parts) {
    size_t image = g->d * g->h * g->w * g->c, end = ib__part_start(g->n, part + 1, parts);
    size_t pixels = g->od * g->oh * g->ow;
    for (size_t n = ib__part_start(g->n, part, parts); n < end; n++) {
        if (backward) memset(g->y + n * image, 0, image * sizeof(float));
        for (size_t i = 0; i < pixels; i++)
            for (size_t c = 0; c < g->c; c++) {
                size_t o = (n * pixels + i) * g->c + c;
                float dy = backward ? g->dy[o] : 0.0f;
                const float *x = g->x ? g->x + n * image + c : NULL;
                run(g, ib__pool_window_at(g, i / g->ow / g->oh, i / g->ow % g->oh, i % g->ow), x,
                    backward ? &dy : g->y + o, backward ? g->y + n * image + c : NULL);
            }
    }
}

/* Place number p of a window, row-major, as an index into an image. */
static size_t place(const ib_pool_args *g, ib__pool_window w, size_t p) {
    size_t plane = w.plane + p / w.cols / w.rows, row = w.row + p / w.cols % w.rows;
    return ((plane * g->h + row) * g->w + w.col + p % w.cols) * g->c;
}

/* The first place that holds the maximum; the window is not empty. */
static size_t first_greatest(const ib_pool_args *g, ib__pool_window w, const float *x) {
    size_t best = place(g, w, 0);
    for (size_t p = 1; p < ib__pool_places(w) && x[best] == x[best]; p++) {
        size_t at = place(g, w, p);
        if (x[at] > x[best] || x[at] != x[at]) best = at;
    }
    return best;
}

static void max_forward(const ib_pool_args *g, ib__pool_window w, const float *x, float *out, float *dx) {
    (void)dx;
    *out = ib__pool_places(w) ? x[first_greatest(g, w, x)] : -INFINITY;
}

static void max_backward(const ib_pool_args *g, ib__pool_window w, const float *x, float *out, float *dx) {
    if (ib__pool_places(w)) dx[first_greatest(g, w, x)] += *out;
}

static void avg_forward(const ib_pool_args *g, ib__pool_window w, const float *x, float *out, float *dx) {
    (void)dx;
    float sum = 0.0f;
    for (size_t p = 0; p < ib__pool_places(w); p++)
        sum += x[place(g, w, p)];
    *out = sum / (float)ib__pool_places(w);
}

static void avg_backward(const ib_pool_args *g, ib__pool_window w, const float *x, float *out, float *dx) {
    (void)x;
    float share = *out / (float)ib__pool_places(w);
    for (size_t p = 0; p < ib__pool_places(w); p++)
        dx[place(g, w, p)] += share;
}

void ib_k_max_pool_f32_ref(const ib_pool_args *g, size_t part, size_t parts) {
    each_window(g, max_forward, false, part, parts);
}

void ib_k_max_pool_grad_f32_ref(const ib_pool_args *g, size_t part, size_t parts) {
    each_window(g, max_backward, true, part, parts);
}

void ib_k_avg_pool_f32_ref(const ib_pool_args *g, size_t part, size_t parts) {
    each_window(g, avg_forward, false, part, parts);
}

void ib_k_avg_pool_grad_f32_ref(const ib_pool_args *g, size_t part, size_t parts) {
    each_window(g, avg_backward, true, part, parts);
}
