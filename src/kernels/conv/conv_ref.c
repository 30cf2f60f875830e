/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of the convolution (conv/1) and of its two gradients, as plain loops.
 */
#include "kernels/conv/conv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A pixel of the input or the output. */
typedef struct place {
    size_t plane, row, col;
} place;

static size_t x_index(const ib_conv_args *g, size_t n, place p, size_t channel) {
    return (((n * g->d + p.plane) * g->h + p.row) * g->w + p.col) * g->ci + channel;
}
static size_t y_index(const ib_conv_args *g, size_t n, place p, size_t channel) {
    return (((n * g->od + p.plane) * g->oh + p.row) * g->ow + p.col) * g->co + channel;
}
/* i: input channel within its group. */
static size_t k_index(const ib_conv_args *g, size_t tap, size_t i, size_t o) {
    return (tap * (g->ci / g->groups) + i) * g->co + o;
}
static place place_at(size_t number, size_t rows, size_t cols) {
    return (place){number / cols / rows, number / cols % rows, number % cols};
}

/* Where a tap (by its number) of output pixel y reads; false if that is outside the input. */
static bool reads(const ib_conv_args *g, place y, size_t tap, place *x) {
    place t = place_at(tap, g->kh, g->kw);
    return ib__conv_reads(y.plane, g->sd, t.plane, g->dd, g->pd, g->d, &x->plane) &&
           ib__conv_reads(y.row, g->sh, t.row, g->dh, g->ph, g->h, &x->row) &&
           ib__conv_reads(y.col, g->sw, t.col, g->dw, g->pw, g->w, &x->col);
}

/* Which output pixel reads input pixel x by a tap; false if none does. */
static bool read_by(const ib_conv_args *g, place x, size_t tap, place *y) {
    place t = place_at(tap, g->kh, g->kw);
    return ib__conv_read_by(x.plane, g->sd, t.plane, g->dd, g->pd, g->od, &y->plane) &&
           ib__conv_read_by(x.row, g->sh, t.row, g->dh, g->ph, g->oh, &y->row) &&
           ib__conv_read_by(x.col, g->sw, t.col, g->dw, g->pw, g->ow, &y->col);
}

static float output(const ib_conv_args *g, size_t n, place y, size_t o) {
    size_t channels = g->ci / g->groups, first = o / (g->co / g->groups) * channels;
    float acc = 0.0f;
    place x;
    for (size_t tap = 0; tap < g->kd * g->kh * g->kw; tap++)
        for (size_t c = 0, end = reads(g, y, tap, &x) ? channels : 0; c < end; c++)
            acc = fmaf(g->x[x_index(g, n, x, first + c)], g->k[k_index(g, tap, c, o)], acc);
    return acc;
}

static float input_gradient(const ib_conv_args *g, size_t n, place x, size_t c) {
    size_t channels = g->co / g->groups, in_group = g->ci / g->groups;
    size_t first = c / in_group * channels;
    float acc = 0.0f;
    place y;
    for (size_t tap = 0; tap < g->kd * g->kh * g->kw; tap++)
        for (size_t o = first, end = read_by(g, x, tap, &y) ? o + channels : o; o < end; o++)
            acc = fmaf(g->x[y_index(g, n, y, o)], g->k[k_index(g, tap, c % in_group, o)], acc);
    return acc;
}

/* One image's share of element e of the kernel gradient; dy: of the image. */
static float image_gradient(const ib_conv_args *g, size_t n, const float *dy, size_t e) {
    size_t channels = g->ci / g->groups, o = e % g->co, tap = e / g->co / channels;
    size_t c = o / (g->co / g->groups) * channels + e / g->co % channels; /* of the whole image */
    float acc = 0.0f;
    place t = place_at(tap, g->kh, g->kw), x, y;
    for (y.plane = 0; y.plane < g->od; y.plane++) {
        if (!ib__conv_reads(y.plane, g->sd, t.plane, g->dd, g->pd, g->d, &x.plane)) continue;
        for (y.row = 0; y.row < g->oh; y.row++) {
            if (!ib__conv_reads(y.row, g->sh, t.row, g->dh, g->ph, g->h, &x.row)) continue;
            for (y.col = 0; y.col < g->ow; y.col++)
                if (ib__conv_reads(y.col, g->sw, t.col, g->dw, g->pw, g->w, &x.col))
                    acc = fmaf(g->x[x_index(g, n, x, c)], dy[y_index(g, 0, y, o)], acc);
        }
    }
    return acc;
}

size_t ib_k_conv_scratch_f32_ref(const ib_conv_args *g, size_t parts) {
    (void)g, (void)parts;
    return 0;
}

/* A part is a range of rows of all images. */
void ib_k_conv_f32_ref(const ib_conv_args *g, size_t part, size_t parts, void *scratch, size_t worker) {
    (void)scratch;
    size_t rows = g->n * g->od * g->oh, row0 = rows * part / parts, row1 = rows * (part + 1) / parts;
    for (size_t row = row0; row < row1; row++)
        for (size_t j = 0; j < g->ow; j++)
            for (size_t o = 0; o < g->co; o++) {
                place y = {row / g->oh % g->od, row % g->oh, j};
                g->y[(row * g->ow + j) * g->co + o] = output(g, row / g->oh / g->od, y, o);
            }
    if (g->done && row0 < row1 && g->ow && g->co)
        g->done(g->context, row0 * g->ow, row1 * g->ow, 0, g->co, worker);
}

size_t ib_k_conv_grad_input_scratch_f32_ref(const ib_conv_args *g, size_t parts) {
    (void)g, (void)parts;
    return 0;
}

void ib_k_conv_grad_input_f32_ref(const ib_conv_args *g, size_t part, size_t parts, void *scratch,
                                  size_t worker) {
    (void)scratch;
    size_t rows = g->n * g->d * g->h, row0 = rows * part / parts, row1 = rows * (part + 1) / parts;
    for (size_t row = row0; row < row1; row++)
        for (size_t col = 0; col < g->w; col++)
            for (size_t c = 0; c < g->ci; c++) {
                place x = {row / g->h % g->d, row % g->h, col};
                g->y[(row * g->w + col) * g->ci + c] = input_gradient(g, row / g->h / g->d, x, c);
            }
    if (g->done && row0 < row1 && g->w && g->ci)
        g->done(g->context, row0 * g->w, row1 * g->w, 0, g->ci, worker);
}

/* Elements of dk in the largest part. */
static size_t most_elements(const ib_conv_args *g, size_t parts) {
    return g->kd * g->kh * g->kw * (g->ci / g->groups) * g->co / parts + 1;
}

size_t ib_k_conv_grad_kernel_scratch_f32_ref(const ib_conv_args *g, size_t parts) {
    return (g->lanes ? g->lanes : 1) * most_elements(g, parts) * sizeof(float);
}

/* A part is a range of the elements of dk. */
void ib_k_conv_grad_kernel_f32_ref(const ib_conv_args *g, size_t part, size_t parts, void *scratch,
                                   size_t worker) {
    size_t elements = g->kd * g->kh * g->kw * (g->ci / g->groups) * g->co;
    size_t from = elements * part / parts, count = elements * (part + 1) / parts - from;
    size_t lanes = g->lanes ? g->lanes : 1;
    for (size_t l = 0; l < lanes; l++) {
        size_t first = l * g->n / lanes, last = (l + 1) * g->n / lanes;
        float *lane = (float *)scratch + l * count;
        if (first == last) memset(lane, 0, count * sizeof *lane);
        for (size_t n = first; n < last; n++) {
            size_t at = n * g->od * g->oh * g->ow * g->co;
            const float *dy = g->dy ? g->dy(g->context, n, worker) : g->k + at;
            for (size_t e = 0; e < count; e++) {
                float share = image_gradient(g, n, dy, from + e);
                lane[e] = n == first ? share : lane[e] + share;
            }
        }
    }
    ib_k_lane_tree_f32_ref(scratch, g->y + from, lanes, count, 0, 1);
}

void ib_k_conv_way_f32_ref(const ib_conv_args *g, size_t parts, void *scratch, char text[IB_WAY_TEXT]) {
    (void)g;
    (void)parts;
    (void)scratch;
    (void)snprintf(text, IB_WAY_TEXT, "plain loops");
}

void ib_k_conv_grad_input_way_f32_ref(const ib_conv_args *g, size_t parts, void *scratch,
                                      char text[IB_WAY_TEXT]) {
    ib_k_conv_way_f32_ref(g, parts, scratch, text);
}

void ib_k_conv_grad_kernel_way_f32_ref(const ib_conv_args *g, size_t parts, void *scratch,
                                       char text[IB_WAY_TEXT]) {
    ib_k_conv_way_f32_ref(g, parts, scratch, text);
}
