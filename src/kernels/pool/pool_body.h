/* SPDX-License-Identifier: Apache-2.0
 *
 * Pooling over sixteen channels at a time; included by pool_avx2.c and pool_avx512.c. The places of a window
 * are visited in row-major order and the windows in the order of the outputs, so that what one dx receives
 * arrives in the order of the contract.
 */
#include "kernels/pool/window.h"

#include <math.h>
#include <string.h>

#include "kernels/simd/scalar.h"
#include "kernels/simd/v16.h"

ib_k_pool_fn IB_K(max_pool);
ib_k_pool_fn IB_K(max_pool_grad);
ib_k_pool_fn IB_K(avg_pool);
ib_k_pool_fn IB_K(avg_pool_grad);

typedef enum way { MAX_FORWARD, MAX_BACKWARD, AVG_FORWARD, AVG_BACKWARD } way;

/* A window of sixteen (or `lanes`) channels: planes of `rows` runs of `cols` places, `step` floats from place
 * to place, `row_step` from run to run, `plane_step` from plane to plane; `most`: words of hits. */
typedef struct view {
    size_t places, most, rows, cols, plane_step, row_step, step, lanes;
    bool deep;  /* there may be several planes */
    bool alone; /* no other window has a part in these places: dx is written, not added to */
} view;

/* Goes through the places of a view: `at` is the next one, `left` how many there are still to come. */
typedef struct walk {
    size_t at, left, row, col;
} walk;

V16_FN walk walk_begin(view v) {
    return (walk){0, v.places, 0, 0};
}

V16_FN void walk_on(walk *k, view v) {
    k->left--;
    k->at += v.step;
    if (++k->col < v.cols) return;
    k->col = 0;
    k->at += v.row_step - v.cols * v.step;
    if (!v.deep || ++k->row < v.rows) return;
    k->row = 0;
    k->at += v.plane_step - v.rows * v.row_step;
}

/* maximum(x, so far): a greater x or a NaN replaces what there is, an equal one does not. */
V16_FN v16 greatest(const float *x, view v) {
    v16 best = v16_set(-INFINITY);
    for (walk k = walk_begin(v); k.left; walk_on(&k, v))
        best = v16_maximum(v16_load_n(x + k.at, v.lanes), best);
    return best;
}

/* Does it hold the maximum: is it equal to it or, if it is NaN, a NaN (a window with a NaN has no other
 * maximum)? */
V16_FN p16 holds(v16 x, v16 best) {
    return p16_or(v16_eq(x, best), v16_is_nan(x));
}

/* The first place of each lane that holds the maximum. */
V16_FN void write_hits(const float *x, v16 best, uint16_t *hits, view v) {
    uint16_t open = (uint16_t)((1u << v.lanes) - 1);
    memset(hits + v.places, 0, (v.most - v.places) * sizeof *hits);
    for (walk k = walk_begin(v); k.left; walk_on(&k, v)) {
        *hits = open & p16_bits(holds(v16_load_n(x + k.at, v.lanes), best));
        open = (uint16_t)(open & ~*hits++);
    }
}

V16_FN void give_to_greatest(const uint16_t *hits, float *dx, v16 dy, view v) {
    for (walk k = walk_begin(v); k.left; walk_on(&k, v)) {
        v16 old = v.alone ? v16_zero() : v16_load_n(dx + k.at, v.lanes);
        v16_store_n(dx + k.at, v16_select(p16_of_bits(*hits++), v16_add(old, dy), old), v.lanes);
    }
}

V16_FN v16 average(const float *x, view v) {
    v16 sum = v16_zero();
    for (walk k = walk_begin(v); k.left; walk_on(&k, v))
        sum = v16_add(sum, v16_load_n(x + k.at, v.lanes));
    return v16_div(sum, v16_set((float)v.places));
}

V16_FN void give_to_all(float *dx, v16 dy, view v) {
    v16 share = v16_div(dy, v16_set((float)v.places));
    for (walk k = walk_begin(v); k.left; walk_on(&k, v)) {
        v16 old = v.alone ? v16_zero() : v16_load_n(dx + k.at, v.lanes);
        v16_store_n(dx + k.at, v16_add(old, share), v.lanes);
    }
}

/* at: the window's first place in x or dx, pixel: of y or dy; hits: of these channels. */
V16_FN void do_window(way what, const ib_pool_args *g, size_t at, size_t pixel, uint16_t *hits, view v) {
    if (what == MAX_FORWARD) {
        v16 best = greatest(g->x + at, v);
        v16_store_n(g->y + pixel, best, v.lanes);
        if (hits) write_hits(g->x + at, best, hits, v);
    } else if (what == AVG_FORWARD) {
        v16_store_n(g->y + pixel, average(g->x + at, v), v.lanes);
    } else if (what == MAX_BACKWARD) {
        give_to_greatest(hits, g->y + at, v16_load_n(g->dy + pixel, v.lanes), v);
    } else {
        give_to_all(g->y + at, v16_load_n(g->dy + pixel, v.lanes), v);
    }
}

/* Max pooling of a window of 2 x 2 places, as most are, written out for sixteen channels; `below` floats from
 * the upper to the lower places. */
V16_FN void square_take(const float *x, float *y, uint16_t *hits, size_t step, size_t below) {
    v16 a = v16_load(x), b = v16_load(x + step), c = v16_load(x + below), d = v16_load(x + below + step);
    v16 best = v16_maximum(d, v16_maximum(c, v16_maximum(b, a)));
    v16_store(y, best);
    if (!hits) return;
    p16 at_a = holds(a, best), at_b = holds(b, best), at_c = holds(c, best);
    p16 ab = p16_or(at_a, at_b), abc = p16_or(ab, at_c);
    hits[0] = p16_bits(at_a);
    hits[1] = p16_bits(p16_and(at_b, p16_not(at_a)));
    hits[2] = p16_bits(p16_and(at_c, p16_not(ab)));
    hits[3] = p16_bits(p16_not(abc));
}

V16_FN void square_give(float *dx, v16 dy, const uint16_t *hits, size_t step, size_t below) {
    v16 zero = v16_zero(), share = v16_add(zero, dy);
    v16_store(dx, v16_select(p16_of_bits(hits[0]), share, zero));
    v16_store(dx + step, v16_select(p16_of_bits(hits[1]), share, zero));
    v16_store(dx + below, v16_select(p16_of_bits(hits[2]), share, zero));
    v16_store(dx + below + step, v16_select(p16_of_bits(hits[3]), share, zero));
}

/* The same places of the windows below: rows are too short for the processor to see that they follow. */
V16_FN void square_prefetch(const float *at, bool write, size_t step, size_t below) {
    for (size_t row = 2; row < 4; row++)
        for (size_t col = 0; col < 2; col++)
            if (write)
                __builtin_prefetch(at + row * below + col * step, 1);
            else
                __builtin_prefetch(at + row * below + col * step, 0);
}

/* The windows of 2 x 2 at the left of a row of outputs, side by side; returns how many it did. */
V16_FN size_t square_row(way what, const ib_pool_args *g, size_t place, size_t pixel) {
    size_t below = g->w * g->c, windows = g->w / 2 < g->ow ? g->w / 2 : g->ow;
    uint16_t *hits = g->hits ? g->hits + pixel * ib__pool_hits(g) : NULL;
    for (size_t j = 0; j < windows; j++, place += 2 * g->c, pixel++)
        for (size_t c = 0; c < g->c; c += 16, hits += hits ? 4 : 0) {
            if (what == MAX_FORWARD) {
                square_prefetch(g->x + place + c, false, g->c, below);
                square_take(g->x + place + c, g->y + pixel * g->c + c, hits, g->c, below);
            } else {
                square_prefetch(g->y + place + c, true, g->c, below);
                square_give(g->y + place + c, v16_load(g->dy + pixel * g->c + c), hits, g->c, below);
            }
        }
    return windows;
}

/* All channels of one window, whose first place and output pixel are given. */
V16_FN void do_channels(way what, bool deep, bool alone, const ib_pool_args *g, ib__pool_window w,
                        size_t place, size_t pixel) {
    view v = {ib__pool_places(w),
              ib__pool_most_places(g),
              w.rows,
              w.cols,
              g->h * g->w * g->c,
              g->w * g->c,
              g->c,
              16,
              deep,
              alone};
    uint16_t *hits = g->hits ? g->hits + pixel * ib__pool_hits(g) : NULL;
    size_t c = 0;
    for (; g->c - c >= 16; c += 16, hits += hits ? v.most : 0)
        do_window(what, g, place + c, pixel * g->c + c, hits, v);
    v.lanes = g->c - c;
    if (v.lanes) do_window(what, g, place + c, pixel * g->c + c, hits, v);
}

/* Flat windows side by side, without padding, as most are: they cover the upper left of each plane. */
static bool windows_tile(const ib_pool_args *g) {
    bool even = g->kh == 0 || g->kw == 0, padded = g->pd || g->ph || g->pw;
    return !even && !padded && g->sd == 1 && g->kh == g->sh && g->kw == g->sw;
}

/* Zeroes what windows side by side leave uncovered, at the right and at the bottom of the planes. */
static void zero_uncovered(const ib_pool_args *g, float *dx) {
    size_t rows = g->oh * g->kh < g->h ? g->oh * g->kh : g->h;
    size_t cols = g->ow * g->kw < g->w ? g->ow * g->kw : g->w;
    for (size_t l = 0; l < g->d; l++, dx += g->h * g->w * g->c) {
        size_t covered = l < g->od ? rows : 0;
        for (size_t i = 0; i < covered && cols < g->w; i++)
            memset(dx + (i * g->w + cols) * g->c, 0, (g->w - cols) * g->c * sizeof(float));
        memset(dx + covered * g->w * g->c, 0, (g->h - covered) * g->w * g->c * sizeof(float));
    }
}

/* The windows of one row of outputs, whose first pixel is given; w: their planes and rows. */
V16_FN void pool_row(way what, bool deep, bool alone, const ib_pool_args *g, size_t image, ib__pool_window w,
                     size_t pixel) {
    size_t j = 0;
    bool squares = g->kh == 2 && g->kw == 2 && g->sw == 2 && g->pw == 0 && w.planes == 1 && w.rows == 2 &&
                   g->c % 16 == 0;
    if (squares && !deep && (what == MAX_FORWARD || (what == MAX_BACKWARD && alone)))
        j = square_row(what, g, image + (w.plane * g->h + w.row) * g->w * g->c, pixel);
    for (; j < g->ow; j++) {
        ib__pool_axis(j, g->ow, g->kw, g->sw, g->pw, g->w, &w.col, &w.cols);
        size_t place = ((w.plane * g->h + w.row) * g->w + w.col) * g->c;
        do_channels(what, deep, alone, g, w, image + place, pixel + j);
    }
}

V16_FN void pool_images(way what, bool deep, bool alone, const ib_pool_args *g, size_t first, size_t last) {
    size_t image = g->d * g->h * g->w * g->c;
    for (size_t n = first; n < last; n++) {
        if (what == MAX_BACKWARD || what == AVG_BACKWARD) {
            if (alone)
                zero_uncovered(g, g->y + n * image);
            else
                memset(g->y + n * image, 0, image * sizeof(float));
        }
        for (size_t l = 0; l < g->od; l++)
            for (size_t i = 0; i < g->oh; i++)
                pool_row(what, deep, alone, g, n * image, ib__pool_window_at(g, l, i, 0),
                         ((n * g->od + l) * g->oh + i) * g->ow);
    }
}

V16_FN void pool(way what, const ib_pool_args *g, size_t part, size_t parts) {
    size_t first = ib__part_start(g->n, part, parts), last = ib__part_start(g->n, part + 1, parts);
    bool backward = what == MAX_BACKWARD || what == AVG_BACKWARD;
    if (g->kd != 1)
        pool_images(what, true, false, g, first, last);
    else if (backward && windows_tile(g))
        pool_images(what, false, true, g, first, last);
    else
        pool_images(what, false, false, g, first, last);
}

void IB_K(max_pool)(const ib_pool_args *g, size_t part, size_t parts) {
    pool(MAX_FORWARD, g, part, parts);
}

void IB_K(max_pool_grad)(const ib_pool_args *g, size_t part, size_t parts) {
    pool(MAX_BACKWARD, g, part, parts);
}

void IB_K(avg_pool)(const ib_pool_args *g, size_t part, size_t parts) {
    pool(AVG_FORWARD, g, part, parts);
}

void IB_K(avg_pool_grad)(const ib_pool_args *g, size_t part, size_t parts) {
    pool(AVG_BACKWARD, g, part, parts);
}
