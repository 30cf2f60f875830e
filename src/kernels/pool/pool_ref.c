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
 * backward: dy), dx the image of gradients, hits the words of sixteen channels or NULL. */
typedef void window_fn(const ib_pool_args *g, ib__pool_window w, const float *x, float *out, float *dx,
                       uint16_t *hits, size_t channel);

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
                uint16_t *hits = g->hits;
                if (hits) hits += (n * pixels + i) * ib__pool_hits(g) + c / 16 * ib__pool_most_places(g);
                run(g, ib__pool_window_at(g, i / g->ow / g->oh, i / g->ow % g->oh, i % g->ow), x,
                    backward ? &dy : g->y + o, backward ? g->y + n * image + c : NULL, hits, c);
            }
    }
}

/* Place number p of a window, row-major, as an index into an image. */
static size_t place(const ib_pool_args *g, ib__pool_window w, size_t p) {
    size_t plane = w.plane + p / w.cols / w.rows, row = w.row + p / w.cols % w.rows;
    return ((plane * g->h + row) * g->w + w.col + p % w.cols) * g->c;
}

static void max_forward(const ib_pool_args *g, ib__pool_window w, const float *x, float *out, float *dx,
                        uint16_t *hits, size_t channel) {
    (void)dx;
    size_t best = 0;
    *out = -INFINITY;
    for (size_t p = 0; p < ib__pool_places(w); p++) {
        float value = x[place(g, w, p)];
        if (p > 0 && !(value > *out || (value != value && *out == *out))) continue;
        *out = value;
        best = p;
    }
    if (!hits) return;
    if (channel % 16 == 0) memset(hits, 0, ib__pool_most_places(g) * sizeof *hits);
    if (ib__pool_places(w)) hits[best] = (uint16_t)(hits[best] | 1u << channel % 16);
}

static void max_backward(const ib_pool_args *g, ib__pool_window w, const float *x, float *out, float *dx,
                         uint16_t *hits, size_t channel) {
    (void)x;
    for (size_t p = 0; p < ib__pool_places(w); p++)
        if (hits[p] >> channel % 16 & 1) dx[place(g, w, p)] += *out;
}

static void avg_forward(const ib_pool_args *g, ib__pool_window w, const float *x, float *out, float *dx,
                        uint16_t *hits, size_t channel) {
    (void)dx, (void)hits, (void)channel;
    float sum = 0.0f;
    for (size_t p = 0; p < ib__pool_places(w); p++)
        sum += x[place(g, w, p)];
    *out = sum / (float)ib__pool_places(w);
}

static void avg_backward(const ib_pool_args *g, ib__pool_window w, const float *x, float *out, float *dx,
                         uint16_t *hits, size_t channel) {
    (void)x, (void)hits, (void)channel;
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
