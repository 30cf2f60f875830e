/* SPDX-License-Identifier: Apache-2.0
 *
 * Pooling: every variant against the contract written tap by tap, in parts; and the gradients against the
 * values in double.
 */
#include "kernels/check.h"

#include <math.h>

static bool awkward;
static float number(void) {
    static const float few[] = {-1.0f, 0.0f, -0.0f, 2.0f};
    if (awkward) return awkward_number();
    return random_word() % 3 ? few[random_word() % 4] : ordinary_number(); /* many equal ones */
}

/* The input pixel under tap (a, b) of output (i, j), or -1. */
static long under(const ib_pool2d_args *g, size_t i, size_t j, size_t a, size_t b) {
    long row = (long)(i * g->sh + a) - (long)g->ph, col = (long)(j * g->sw + b) - (long)g->pw;
    if (row < 0 || col < 0 || row >= (long)g->h || col >= (long)g->w) return -1;
    return row * (long)g->w + col;
}

/* One window of one channel: x and dx point at the image's channel, stride c. y: value, maximum or average;
 * with dx the gradient dy is handed on. */
static float expected_window(const ib_pool2d_args *g, bool max, size_t i, size_t j, const float *x, float *dx,
                             float dy) {
    long best = -1;
    float sum = 0.0f, places = 0.0f;
    for (int pass = 0; pass < (dx ? 2 : 1); pass++)
        for (size_t a = 0; a < g->kh; a++)
            for (size_t b = 0; b < g->kw; b++) {
                long p = under(g, i, j, a, b);
                if (p < 0) continue;
                float v = x ? x[(size_t)p * g->c] : 0.0f;
                if (pass == 0) {
                    float old = best < 0 || !x ? 0.0f : x[(size_t)best * g->c];
                    if (best < 0 || v > old || (isnan(v) && !isnan(old))) best = p;
                    sum = sum + v;
                    places = places + 1.0f;
                } else if (!max) {
                    dx[(size_t)p * g->c] = dx[(size_t)p * g->c] + dy / places;
                } else if (p == best) {
                    dx[(size_t)p * g->c] = dx[(size_t)p * g->c] + dy;
                }
            }
    return !max ? sum / places : best < 0 ? -INFINITY : x ? x[(size_t)best * g->c] : 0.0f;
}

static void expected_pool(const ib_pool2d_args *g, bool max, float *y, float *dx) {
    for (size_t e = 0; dx && e < g->n * g->h * g->w * g->c; e++)
        dx[e] = 0.0f;
    for (size_t o = 0; o < g->n * g->oh * g->ow * g->c; o++) {
        size_t c = o % g->c, pixel = o / g->c, j = pixel % g->ow, i = pixel / g->ow % g->oh;
        size_t image = pixel / g->ow / g->oh * g->h * g->w * g->c + c;
        float value =
            expected_window(g, max, i, j, g->x + image, dx ? dx + image : NULL, dx ? g->dy[o] : 0.0f);
        if (y) y[o] = value;
    }
}

static void compare(ib_isa isa, ib_pool2d_args g) {
    size_t in = g.n * g.h * g.w * g.c, out = g.n * g.oh * g.ow * g.c;
    guarded x = guarded_new(in, 1), dy = guarded_new(out, 2), y = guarded_new(out, 3),
            dx = guarded_new(in, 1);
    guarded expected_y = guarded_new(out, 0), expected_dx = guarded_new(in, 0);
    fill(x.at, in, number);
    fill(dy.at, out, number);
    const ib_kernels *k = ib__kernels_for(isa);
    char what[120];
    (void)snprintf(what, sizeof what,
                   "%s n %zu, %zu x %zu x %zu, window %zu x %zu, stride %zu %zu, padding %zu %zu",
                   ib__isa_name(isa), g.n, g.h, g.w, g.c, g.kh, g.kw, g.sh, g.sw, g.ph, g.pw);
    for (int max = 0; max < 2; max++) {
        g.x = x.at;
        g.dy = dy.at;
        expected_pool(&g, max, expected_y.at, expected_dx.at);
        ib_pool2d_args forward = g, backward = g;
        forward.dy = NULL;
        forward.y = y.at;
        backward.y = dx.at;
        if (!max) backward.x = NULL;
        FOR_ALL_PARTS(fill(y.at, out, awkward_number),
                      (max ? k->max_pool2d : k->avg_pool2d)(&forward, part, parts),
                      same_bits(what, y.at, expected_y.at, out, false))
        FOR_ALL_PARTS(fill(dx.at, in, awkward_number),
                      (max ? k->max_pool2d_grad : k->avg_pool2d_grad)(&backward, part, parts),
                      same_bits(what, dx.at, expected_dx.at, in, false))
    }
    guarded_free(&x);
    guarded_free(&dy);
    guarded_free(&y);
    guarded_free(&dx);
    guarded_free(&expected_y);
    guarded_free(&expected_dx);
}

/* valid: no padding; same: as Keras pads, more at the end. */
static ib_pool2d_args shape(size_t n, size_t h, size_t w, size_t c, size_t kh, size_t kw, size_t sh,
                            size_t sw, bool same) {
    ib_pool2d_args g = {.n = n, .h = h, .w = w, .c = c, .kh = kh, .kw = kw, .sh = sh, .sw = sw};
    if (!same) {
        g.oh = h < kh ? 0 : (h - kh) / sh + 1;
        g.ow = w < kw ? 0 : (w - kw) / sw + 1;
        return g;
    }
    g.oh = (h + sh - 1) / sh;
    g.ow = (w + sw - 1) / sw;
    size_t th = (g.oh - 1) * sh + kh, tw = (g.ow - 1) * sw + kw;
    g.ph = th > h ? (th - h) / 2 : 0;
    g.pw = tw > w ? (tw - w) / 2 : 0;
    return g;
}

static void all_shapes(void **state) {
    (void)state;
    static const size_t windows[][4] = {{2, 2, 2, 2}, {3, 3, 2, 2}, {3, 3, 1, 1}, {1, 4, 1, 2},
                                        {5, 2, 3, 1}, {1, 1, 2, 3}, {2, 3, 4, 5}};
    for (ib_isa isa = IB_ISA_REF; isa < IB_ISA_COUNT; isa++) {
        if (!ib__isa_available(isa)) continue;
        for (int kind = 0; kind < 4; kind++) {
            awkward = kind & 1;
            for (size_t c = 1; c <= 70; c++) {
                const size_t *k = windows[c % LENGTH(windows)];
                compare(isa, shape(1 + c % 3, 5, 4 + c % 2, c, k[0], k[1], k[2], k[3], kind > 1));
            }
            for (size_t i = 0; i < LENGTH(windows); i++)
                for (size_t h = 1; h < 9; h += 2) {
                    const size_t *k = windows[i];
                    compare(isa, shape(h, h, 10 - h, 3 + i, k[0], k[1], k[2], k[3], kind > 1));
                }
        }
        /* Padding so wide that some windows lie outside altogether. */
        ib_pool2d_args g = shape(2, 3, 3, 20, 2, 2, 2, 2, false);
        g.ph = g.pw = 5;
        g.oh = g.ow = 7;
        compare(isa, g);
    }
}

/* With no ties, the gradient sums to that of the outputs. */
static void nothing_is_lost(void **state) {
    (void)state;
    awkward = false;
    for (ib_isa isa = IB_ISA_REF; isa < IB_ISA_COUNT; isa++) {
        if (!ib__isa_available(isa)) continue;
        for (int max = 0; max < 2; max++) {
            ib_pool2d_args g = shape(2, 9, 9, 17, 3, 3, 2, 2, true);
            float x[2 * 81 * 17], dx[2 * 81 * 17], dy[2 * 25 * 17];
            fill(x, LENGTH(x), ordinary_number);
            fill(dy, LENGTH(dy), ordinary_number);
            g.x = x;
            g.y = dx;
            g.dy = dy;
            (max ? ib__kernels_for(isa)->max_pool2d_grad : ib__kernels_for(isa)->avg_pool2d_grad)(&g, 0, 1);
            double given = 0, taken = 0;
            for (size_t i = 0; i < LENGTH(dy); i++)
                given += (double)dy[i];
            for (size_t i = 0; i < LENGTH(dx); i++)
                taken += (double)dx[i];
            assert_true(fabs(given - taken) < 1e-3);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_shapes), cmocka_unit_test(nothing_is_lost)};
    return cmocka_run_group_tests(tests, NULL, something_was_compared);
}
