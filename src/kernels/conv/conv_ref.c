/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of the two-dimensional convolution (conv2d/1) and of its two gradients, as plain loops.
 */
#include "kernels/conv/conv.h"

#include <math.h>

static size_t x_index(const ib_conv2d_args *g, size_t n, size_t row, size_t col, size_t channel) {
    return ((n * g->h + row) * g->w + col) * g->ci + channel;
}
static size_t y_index(const ib_conv2d_args *g, size_t n, size_t row, size_t col, size_t channel) {
    return ((n * g->oh + row) * g->ow + col) * g->co + channel;
}
/* i: input channel within its group. */
static size_t k_index(const ib_conv2d_args *g, size_t a, size_t b, size_t i, size_t o) {
    return ((a * g->kw + b) * (g->ci / g->groups) + i) * g->co + o;
}

static float output(const ib_conv2d_args *g, size_t n, size_t i, size_t j, size_t o) {
    size_t channels = g->ci / g->groups, first = o / (g->co / g->groups) * channels, row, col;
    float acc = 0.0f;
    for (size_t a = 0; a < g->kh; a++)
        for (size_t b = 0; b < g->kw; b++) {
            if (!ib__conv_reads(i, g->sh, a, g->dh, g->ph, g->h, &row)) continue;
            if (!ib__conv_reads(j, g->sw, b, g->dw, g->pw, g->w, &col)) continue;
            for (size_t c = 0; c < channels; c++)
                acc = fmaf(g->x[x_index(g, n, row, col, first + c)], g->k[k_index(g, a, b, c, o)], acc);
        }
    return acc;
}

static float input_gradient(const ib_conv2d_args *g, size_t n, size_t row, size_t col, size_t c) {
    size_t channels = g->co / g->groups, in_group = g->ci / g->groups, i, j;
    size_t first = c / in_group * channels;
    float acc = 0.0f;
    for (size_t a = 0; a < g->kh; a++)
        for (size_t b = 0; b < g->kw; b++) {
            if (!ib__conv_read_by(row, g->sh, a, g->dh, g->ph, g->oh, &i)) continue;
            if (!ib__conv_read_by(col, g->sw, b, g->dw, g->pw, g->ow, &j)) continue;
            for (size_t o = first; o < first + channels; o++)
                acc = fmaf(g->x[y_index(g, n, i, j, o)], g->k[k_index(g, a, b, c % in_group, o)], acc);
        }
    return acc;
}

/* One image's share of the kernel gradient at (a, b, c, o); c: input channel of the whole image. */
static float image_gradient(const ib_conv2d_args *g, size_t n, size_t a, size_t b, size_t c, size_t o) {
    size_t row, col;
    float acc = 0.0f;
    for (size_t i = 0; i < g->oh; i++)
        for (size_t j = 0; j < g->ow; j++)
            if (ib__conv_reads(i, g->sh, a, g->dh, g->ph, g->h, &row) &&
                ib__conv_reads(j, g->sw, b, g->dw, g->pw, g->w, &col))
                acc = fmaf(g->x[x_index(g, n, row, col, c)], g->k[y_index(g, n, i, j, o)], acc);
    return acc;
}

size_t ib_k_conv2d_scratch_f32_ref(const ib_conv2d_args *g, size_t parts) {
    (void)g, (void)parts;
    return 0;
}

/* A part is a range of rows of all images. */
void ib_k_conv2d_f32_ref(const ib_conv2d_args *g, size_t part, size_t parts, void *scratch, size_t worker) {
    (void)scratch;
    size_t rows = g->n * g->oh, row0 = rows * part / parts, row1 = rows * (part + 1) / parts;
    for (size_t row = row0; row < row1; row++)
        for (size_t j = 0; j < g->ow; j++)
            for (size_t o = 0; o < g->co; o++)
                g->y[(row * g->ow + j) * g->co + o] = output(g, row / g->oh, row % g->oh, j, o);
    if (g->done && row0 < row1 && g->ow && g->co)
        g->done(g->context, row0 * g->ow, row1 * g->ow, 0, g->co, worker);
}

size_t ib_k_conv2d_grad_input_scratch_f32_ref(const ib_conv2d_args *g, size_t parts) {
    (void)g, (void)parts;
    return 0;
}

void ib_k_conv2d_grad_input_f32_ref(const ib_conv2d_args *g, size_t part, size_t parts, void *scratch,
                                    size_t worker) {
    (void)scratch;
    size_t rows = g->n * g->h, row0 = rows * part / parts, row1 = rows * (part + 1) / parts;
    for (size_t row = row0; row < row1; row++)
        for (size_t col = 0; col < g->w; col++)
            for (size_t c = 0; c < g->ci; c++)
                g->y[(row * g->w + col) * g->ci + c] = input_gradient(g, row / g->h, row % g->h, col, c);
    if (g->done && row0 < row1 && g->w && g->ci)
        g->done(g->context, row0 * g->w, row1 * g->w, 0, g->ci, worker);
}

size_t ib_k_conv2d_grad_kernel_scratch_f32_ref(const ib_conv2d_args *g, size_t parts) {
    (void)parts;
    return (g->lanes ? g->lanes : 1) * sizeof(float);
}

/* A part is a range of the elements of dk. */
void ib_k_conv2d_grad_kernel_f32_ref(const ib_conv2d_args *g, size_t part, size_t parts, void *scratch,
                                     size_t worker) {
    (void)worker;
    size_t channels = g->ci / g->groups, elements = g->kh * g->kw * channels * g->co;
    size_t lanes = g->lanes ? g->lanes : 1, end = elements * (part + 1) / parts;
    float *lane = scratch;
    for (size_t e = elements * part / parts; e < end; e++) {
        size_t o = e % g->co, i = e / g->co % channels, b = e / g->co / channels % g->kw;
        size_t a = e / g->co / channels / g->kw, c = o / (g->co / g->groups) * channels + i;
        for (size_t l = 0; l < lanes; l++) {
            size_t first = l * g->n / lanes, last = (l + 1) * g->n / lanes;
            lane[l] = first < last ? image_gradient(g, first, a, b, c, o) : 0.0f;
            for (size_t n = first + 1; n < last; n++)
                lane[l] += image_gradient(g, n, a, b, c, o);
        }
        ib_k_lane_tree_f32_ref(lane, &g->y[e], lanes, 1, 0, 1);
    }
}
