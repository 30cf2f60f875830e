/* SPDX-License-Identifier: Apache-2.0
 *
 * Pooling: every variant against the contract written tap by tap, in parts; and the gradients against the
 * values in double.
 */
#include "kernels/check.h"
#include "kernels/pool/window.h"

#include <math.h>

static bool awkward;
static float number(void) {
    static const float few[] = {-1.0f, 0.0f, -0.0f, 2.0f};
    if (awkward) return awkward_number();
    return random_word() % 3 ? few[random_word() % 4] : ordinary_number(); /* many equal ones */
}

/* Where tap a of output i reads along an axis, or -1; `even`: the axis is cut in `out` even windows. */
static long along(size_t i, size_t a, size_t s, size_t p, size_t n, size_t out, bool even) {
    long at = even ? (long)(i * n / out + a) : (long)(i * s + a) - (long)p;
    long end = even ? (long)ceil((double)((i + 1) * n) / (double)out) : (long)n;
    return at < 0 || at >= end ? -1 : at;
}

/* The input pixel under tap number `tap` of output number `out`, or -1. An even window has as many taps as
 * the axis has places. */
static long under(const ib_pool_args *g, size_t out, size_t tap) {
    size_t kw = g->kw ? g->kw : g->w, kh = g->kh ? g->kh : g->h, ow = g->ow, oh = g->oh;
    long plane = along(out / ow / oh, tap / kw / kh, g->sd, g->pd, g->d, g->od, !g->kd);
    long row = along(out / ow % oh, tap / kw % kh, g->sh, g->ph, g->h, oh, !g->kh);
    long col = along(out % ow, tap % kw, g->sw, g->pw, g->w, ow, !g->kw);
    return plane < 0 || row < 0 || col < 0 ? -1 : (plane * (long)g->h + row) * (long)g->w + col;
}

static size_t taps_of(const ib_pool_args *g) {
    return (g->kd ? g->kd : g->d) * (g->kh ? g->kh : g->h) * (g->kw ? g->kw : g->w);
}

/* One window of one channel: x and dx point at the image's channel, stride c. y: value, maximum or average;
 * with dx the gradient dy is handed on. winner: which of the places inside holds the maximum, -1: none. */
static float expected_window(const ib_pool_args *g, bool max, size_t out, const float *x, float *dx, float dy,
                             long *winner) {
    long best = -1, inside = 0;
    *winner = -1;
    float sum = 0.0f, places = 0.0f;
    for (int pass = 0; pass < (dx ? 2 : 1); pass++)
        for (size_t tap = 0; tap < taps_of(g); tap++) {
            long p = under(g, out, tap);
            if (p < 0) continue;
            float v = x ? x[(size_t)p * g->c] : 0.0f;
            if (pass == 0) {
                float old = best < 0 || !x ? 0.0f : x[(size_t)best * g->c];
                if (best < 0 || v > old || (isnan(v) && !isnan(old))) {
                    best = p;
                    *winner = inside;
                }
                inside++;
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

static void expected_pool(const ib_pool_args *g, bool max, float *y, float *dx, uint16_t *hits) {
    size_t places = g->d * g->h * g->w * g->c, pixels = g->od * g->oh * g->ow;
    for (size_t e = 0; dx && e < g->n * places; e++)
        dx[e] = 0.0f;
    memset(hits, 0, g->n * pixels * ib__pool_hits(g) * sizeof *hits);
    for (size_t o = 0; o < g->n * pixels * g->c; o++) {
        size_t image = o / g->c / pixels * places + o % g->c;
        long winner;
        y[o] = expected_window(g, max, o / g->c % pixels, g->x + image, dx ? dx + image : NULL,
                               dx ? g->dy[o] : 0.0f, &winner);
        uint16_t *words = hits + o / g->c * ib__pool_hits(g) + o % g->c / 16 * ib__pool_most_places(g);
        if (winner >= 0) words[winner] = (uint16_t)(words[winner] | 1u << o % g->c % 16);
    }
}

static void compare(ib_isa isa, ib_pool_args g) {
    size_t in = g.n * g.d * g.h * g.w * g.c, out = g.n * g.od * g.oh * g.ow * g.c;
    guarded x = guarded_new(in, 1), dy = guarded_new(out, 2), y = guarded_new(out, 3),
            dx = guarded_new(in, 1);
    guarded expected_y = guarded_new(out, 0), expected_dx = guarded_new(in, 0);
    size_t words = g.n * g.od * g.oh * g.ow * ib__pool_hits(&g);
    guarded hits = guarded_new((words + 1) / 2, 1), expected_hits = guarded_new((words + 1) / 2, 0);
    fill(x.at, in, number);
    fill(dy.at, out, number);
    const ib_kernels *k = ib__kernels_for(isa);
    char what[160];
    (void)snprintf(what, sizeof what,
                   "%s n %zu, %zu x %zu x %zu x %zu, window %zu x %zu x %zu, stride %zu %zu %zu, padding "
                   "%zu %zu %zu",
                   ib__isa_name(isa), g.n, g.d, g.h, g.w, g.c, g.kd, g.kh, g.kw, g.sd, g.sh, g.sw, g.pd, g.ph,
                   g.pw);
    for (int max = 0; max < 2; max++) {
        g.x = x.at;
        g.dy = dy.at;
        expected_pool(&g, max, expected_y.at, expected_dx.at, (void *)expected_hits.at);
        ib_pool_args forward = g, backward = g;
        forward.dy = NULL;
        forward.y = y.at;
        backward.y = dx.at;
        backward.x = NULL;
        FOR_ALL_PARTS(fill(y.at, out, awkward_number),
                      (max ? k->max_pool : k->avg_pool)(&forward, part, parts),
                      same_bits(what, y.at, expected_y.at, out, false))
        if (max) {
            forward.hits = backward.hits = (void *)hits.at;
            FOR_ALL_PARTS(fill(hits.at, (words + 1) / 2, awkward_number), k->max_pool(&forward, part, parts),
                          same_bits(what, y.at, expected_y.at, out, false);
                          assert_memory_equal(hits.at, expected_hits.at, words * sizeof(uint16_t)))
        }
        FOR_ALL_PARTS(fill(dx.at, in, awkward_number),
                      (max ? k->max_pool_grad : k->avg_pool_grad)(&backward, part, parts),
                      same_bits(what, dx.at, expected_dx.at, in, false))
    }
    guarded_free(&x);
    guarded_free(&dy);
    guarded_free(&y);
    guarded_free(&dx);
    guarded_free(&expected_y);
    guarded_free(&expected_dx);
    guarded_free(&hits);
    guarded_free(&expected_hits);
}

/* valid: no padding; same: as Keras pads, more at the end. */
static ib_pool_args shape(size_t n, size_t h, size_t w, size_t c, size_t kh, size_t kw, size_t sh, size_t sw,
                          bool same) {
    ib_pool_args g = {.n = n, .h = h, .w = w, .c = c, .kh = kh, .kw = kw, .sh = sh, .sw = sw};
    g.d = g.od = g.kd = g.sd = 1;
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

/* Planes, and axes cut evenly. */
static void volumes(void **state) {
    (void)state;
    static const size_t planes[][5] = {/* d, od, kd, sd, pd */
                                       {4, 2, 2, 2, 0}, {5, 2, 2, 2, 0}, {3, 3, 3, 1, 1}, {5, 3, 0, 1, 0},
                                       {2, 4, 0, 1, 0}, {6, 3, 1, 2, 0}, {3, 1, 3, 3, 0}};
    for (ib_isa isa = IB_ISA_REF; isa < IB_ISA_COUNT; isa++)
        for (size_t i = 0; ib__isa_available(isa) && i < 2 * LENGTH(planes); i++)
            for (size_t c = 3; c < 40; c += 13) {
                const size_t *p = planes[i % LENGTH(planes)];
                awkward = c == 16;
                ib_pool_args g = shape(2, 5, 4, c, 2, 2, 1 + i % 2, 2, i % 3 == 0);
                g.d = p[0], g.od = p[1], g.kd = p[2], g.sd = p[3], g.pd = p[4];
                compare(isa, g);
                g.oh = 1 + i % 7, g.kh = 0, g.ph = 0;
                compare(isa, g);
                g.ow = 3, g.kw = 0, g.pw = 0;
                compare(isa, g);
            }
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
        ib_pool_args g = shape(2, 3, 3, 20, 2, 2, 2, 2, false);
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
            ib_pool_args g = shape(2, 9, 9, 17, 3, 3, 2, 2, true);
            float x[2 * 81 * 17], dx[2 * 81 * 17], dy[2 * 25 * 17];
            fill(x, LENGTH(x), ordinary_number);
            fill(dy, LENGTH(dy), ordinary_number);
            float y[2 * 25 * 17];
            uint16_t hits[2 * 25 * 18];
            g.x = x;
            g.y = y;
            g.hits = hits;
            ib__kernels_for(isa)->max_pool(&g, 0, 1);
            g.y = dx;
            g.dy = dy;
            (max ? ib__kernels_for(isa)->max_pool_grad : ib__kernels_for(isa)->avg_pool_grad)(&g, 0, 1);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_shapes), cmocka_unit_test(volumes),
                                       cmocka_unit_test(nothing_is_lost)};
    return cmocka_run_group_tests(tests, NULL, something_was_compared);
}
