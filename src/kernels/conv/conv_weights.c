/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel gradient around the tile kernels. dk is cut in tiles: neighbouring elements (kw, ci) of one tap
 * row by one or two vectors of output channels, or sweeps (conv.h) by one vector. A part owns some of the
 * tiles and takes all images through them, one after the other; each tile keeps the image's chains in
 * registers and adds them to the lane's slot. Slots are a stack that walks the lane tree: when lane l ends,
 * it takes one entry off the stack for each trailing one bit of l; the last lane takes all.
 */
#include "kernels/conv/conv.h"

#include "kernels/simd/scalar.h"

#include <stdio.h>
#include <string.h>

enum {
    LEAST_SWEEP = 3,        /* channels that make chains enough with the taps of a row */
    FEW_CHANNELS = 8,       /* with fewer, a tile goes over several taps of a row */
    BAND_FLOATS = 64 * 1024 /* of x and dy: an image that is larger goes in bands of rows through all tiles */
};

typedef struct job {
    const ib__conv_tiles *tiles;
    const ib_conv_args *g;
    bool by_channel;
    size_t sweep;                       /* tap rows of a sweep; 0: no sweeps */
    size_t groups, in_group, out_group; /* channels of a group as the tiles see it */
    size_t pieces, piece;               /* a tap row has this many pieces of this many elements */
    ib__conv_weights_steps steps;
} job;

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}
static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* All sweeps of so many tap rows and at most `height` channels. */
static size_t sweeps(const job *j, size_t lines, size_t height) {
    size_t panels = j->groups * ib__conv_ceil_div(j->out_group, j->tiles->width);
    return j->g->kd * j->g->kh / lines * ib__conv_ceil_div(j->in_group, height) * panels;
}

/* Tap rows of a sweep: all where they fit, so that there are chains enough to keep the processor busy, and
 * where that leaves no part without work; 0: too few chains for a sweep. By channel, vectors of half a cache
 * line do not gain where pixels lie 1 KiB apart: they fall into few sets of it and are loaded twice. */
static size_t sweep_lines(const job *j, size_t parts) {
    const ib_conv_args *g = j->g;
    size_t one = j->tiles->sweep_heights[0], all = j->tiles->sweep_heights[1];
    bool wide = g->ow >= 2 && g->w + g->pw >= 2 && g->pw <= 2;
    if (g->kw != IB__CONV_SWEEP_TAPS || g->sw != 1 || g->dw != 1 || !wide) return 0;
    if (j->by_channel && j->tiles->width < 16 && g->co % 256 == 0) return 0;
    if (g->kh == IB__CONV_SWEEP_LINES && j->in_group <= all) {
        size_t work = IB__CONV_SWEEP_LINES * ib__conv_ceil_div(sweeps(j, IB__CONV_SWEEP_LINES, all), parts);
        if (j->by_channel || work <= ib__conv_ceil_div(sweeps(j, 1, one), parts)) return IB__CONV_SWEEP_LINES;
    }
    return j->in_group >= LEAST_SWEEP ? 1 : 0;
}

/* By channel the elements of a tile are taps, else (tap, input channel), which lie side by side in x if the
 * taps do. */
static job job_of(const ib__conv_tiles *tiles, const ib_conv_args *g, size_t parts) {
    job j = {.tiles = tiles, .g = g, .by_channel = ib__conv_by_channel(g)};
    j.groups = j.by_channel ? 1 : g->groups;
    j.in_group = g->ci / g->groups;
    j.out_group = j.by_channel ? g->co : g->co / g->groups;
    bool joined = j.by_channel || (g->groups == 1 && g->dw == 1 && g->ci < FEW_CHANNELS);
    j.pieces = joined ? 1 : g->kw;
    j.piece = joined ? g->kw * j.in_group : j.in_group;
    j.sweep = sweep_lines(&j, parts);
    if (j.sweep) {
        j.pieces = 1;
        j.piece = j.in_group;
    }
    j.steps = (ib__conv_weights_steps){.x_plane = g->sd * g->h * g->w * g->ci,
                                       .x_row = g->sh * g->w * g->ci,
                                       .x_col = g->sw * g->ci,
                                       .x_element = j.by_channel ? g->dw * g->ci : 1,
                                       .dy_plane = g->oh * g->ow * g->co,
                                       .dy_row = g->ow * g->co,
                                       .dy_col = g->co,
                                       .x_line = g->dh * g->w * g->ci,
                                       .w = g->w,
                                       .ow = g->ow,
                                       .pw = g->pw};
    return j;
}

/* The output columns (or rows, planes) [*first, *first + *count) for which a tap lies inside the input. */
static void inside(size_t places, size_t stride, size_t tap, size_t dilation, size_t pad, size_t n,
                   size_t *first, size_t *count) {
    size_t shift = tap * dilation;
    *first = shift >= pad ? 0 : ib__conv_ceil_div(pad - shift, stride);
    size_t end = n + pad > shift ? ib__conv_ceil_div(n + pad - shift, stride) : 0;
    end = smaller(end, places);
    *count = end > *first ? end - *first : 0;
    if (!*count) *first = 0;
}

/* The columns of a tile: those where all elements lie inside, and before and behind them those where some
 * do. Returns the first. */
static size_t columns(ib__conv_weights_tile *t) {
    size_t first = SIZE_MAX, end = 0, core0 = 0, core1 = SIZE_MAX;
    for (size_t i = 0; i < t->height; i++) {
        core0 = larger(core0, t->col[i]);
        core1 = smaller(core1, t->col[i] + t->cols[i]);
        if (!t->cols[i]) continue;
        first = smaller(first, t->col[i]);
        end = larger(end, t->col[i] + t->cols[i]);
    }
    if (first >= end) first = end = 0;
    if (core0 >= core1) core0 = core1 = end;
    t->first = first;
    t->left = core0 - first;
    t->core = core1 - core0;
    t->right = end - core1;
    return first;
}

static size_t vectors_at(const job *j, size_t channel) {
    return j->sweep ? 1 : ib__conv_panel(j->tiles, channel, j->out_group);
}

/* The sweep of the channels [m, m + height) in the tap rows from `line` on. */
static ib__conv_weights_tile make_sweep(const job *j, size_t group, size_t channel, size_t line, size_t m,
                                        size_t height) {
    const ib_conv_args *g = j->g;
    size_t e = line / g->kh, a = line % g->kh, plane, planes;
    inside(g->od, g->sd, e, g->dd, g->pd, g->d, &plane, &planes);
    ib__conv_weights_tile t = {.plane = plane,
                               .planes = planes,
                               .height = height,
                               .vectors = 1,
                               .width = smaller(j->tiles->width, j->out_group - channel)};
    for (size_t u = 0; u < j->sweep; u++)
        inside(g->oh, g->sh, a + u, g->dh, g->ph, g->h, &t.line_row[u], &t.line_rows[u]);
    ptrdiff_t in_plane = (ptrdiff_t)(plane * g->sd + e * g->dd) - (ptrdiff_t)g->pd;
    ptrdiff_t in_row = in_plane * (ptrdiff_t)g->h + (ptrdiff_t)(a * g->dh) - (ptrdiff_t)g->ph;
    t.x = in_row * (ptrdiff_t)(g->w * g->ci) + (ptrdiff_t)(j->by_channel ? channel : group * j->in_group + m);
    t.dy = plane * g->oh * g->ow * g->co + group * j->out_group + channel;
    t.out = (line * g->kw * j->in_group + m) * g->co + group * j->out_group + channel;
    return t;
}

/* The tile of the elements [m, m + height) of piece `piece` in tap row `line`, counted over all tap planes.
 */
static ib__conv_weights_tile make_tile(const job *j, size_t group, size_t channel, size_t line, size_t piece,
                                       size_t m, size_t height) {
    const ib_conv_args *g = j->g;
    size_t vectors = vectors_at(j, channel), plane, planes, row, rows;
    size_t e = line / g->kh, a = line % g->kh;
    inside(g->od, g->sd, e, g->dd, g->pd, g->d, &plane, &planes);
    inside(g->oh, g->sh, a, g->dh, g->ph, g->h, &row, &rows);
    ib__conv_weights_tile t = {.plane = plane,
                               .planes = planes,
                               .row = row,
                               .rows = rows,
                               .height = height,
                               .vectors = vectors,
                               .width = smaller(vectors * j->tiles->width, j->out_group - channel)};
    size_t element = piece * j->piece + m; /* of the tap row */
    for (size_t i = 0; i < height; i++)
        inside(g->ow, g->sw, (element + i) / j->in_group, g->dw, g->pw, g->w, &t.col[i], &t.cols[i]);
    size_t col = columns(&t), b = element / j->in_group, c = element % j->in_group;
    size_t in_plane = plane * g->sd + e * g->dd - g->pd, in_row = row * g->sh + a * g->dh - g->ph;
    size_t in_col = col * g->sw + b * g->dw - g->pw;
    t.x = (ptrdiff_t)(((in_plane * g->h + in_row) * g->w + in_col) * g->ci + c);
    t.x += (ptrdiff_t)(j->by_channel ? channel : group * j->in_group);
    if (!rows || !planes) t.x = 0;
    t.dy = ((plane * g->oh + row) * g->ow + col) * g->co + group * j->out_group + channel;
    t.out = ((line * g->kw + b) * j->in_group + c) * g->co + group * j->out_group + channel;
    return t;
}

/* Number u of the tiles of a panel, of pieces that are cut in `cuts`. */
static ib__conv_weights_tile tile_of(const job *j, size_t group, size_t channel, size_t u, size_t cuts) {
    size_t cut = u % cuts, m = j->piece * cut / cuts, height = j->piece * (cut + 1) / cuts - m;
    if (j->sweep) return make_sweep(j, group, channel, u / cuts * j->sweep, m, height);
    return make_tile(j, group, channel, u / cuts / j->pieces, u / cuts % j->pieces, m, height);
}

/* Tiles that a piece is cut in, of so many vectors. */
static size_t cuts_of(const job *j, size_t vectors) {
    size_t tallest = j->sweep ? j->tiles->sweep_heights[j->sweep > 1] : j->tiles->heights[vectors - 1];
    return ib__conv_ceil_div(j->piece, tallest);
}

/* Vectors of a tile's slot for each of its `height`. */
static size_t taps_of(const job *j) {
    return larger(1, j->sweep * IB__CONV_SWEEP_TAPS);
}

/* The tiles [from, to) of all in the order group, channels, tap row, elements. NULL counts them. */
static size_t list_tiles(const job *j, size_t from, size_t to, ib__conv_weights_tile *list) {
    size_t n = 0, slot = 0, lines = j->g->kd * j->g->kh / larger(1, j->sweep);
    for (size_t group = 0; group < j->groups; group++)
        for (size_t channel = 0, vectors; channel < j->out_group; channel += vectors * j->tiles->width) {
            vectors = vectors_at(j, channel);
            size_t cuts = cuts_of(j, vectors);
            for (size_t u = 0; u < lines * j->pieces * cuts; u++, n++) {
                if (!list || n < from || n >= to) continue;
                ib__conv_weights_tile *t = &list[n - from];
                *t = tile_of(j, group, channel, u, cuts);
                t->slot = slot;
                slot += t->height * taps_of(j) * vectors * j->tiles->width;
            }
        }
    return list ? slot : n;
}

/* The stack of slots, and one more for chains between bands. */
static size_t slot_count(const ib_conv_args *g) {
    size_t slots = 2;
    for (size_t l = g->lanes; l > 1; l = (l + 1) / 2)
        slots++;
    return slots;
}

/* Output rows in a band. */
static size_t band_rows(const ib_conv_args *g) {
    size_t row = g->sh * g->w * g->ci + g->ow * g->co;
    return smaller(larger(1, g->oh), larger(1, BAND_FLOATS / larger(1, row)));
}

static size_t most_tiles(const job *j, size_t parts) {
    return ib__conv_ceil_div(list_tiles(j, 0, 0, NULL), parts);
}

/* Floats of the slots of so many tiles as large as the largest, which are those of the first panel: tiles of
 * one vector are at most twice as tall as those of two. */
static size_t most_floats(const job *j, size_t n_tiles) {
    size_t vectors = vectors_at(j, 0), cuts = larger(1, cuts_of(j, vectors));
    return n_tiles * ib__conv_ceil_div(j->piece, cuts) * taps_of(j) * vectors * j->tiles->width;
}

static size_t list_bytes(size_t n_tiles) {
    return (n_tiles * sizeof(ib__conv_weights_tile) + 63) / 64 * 64;
}

/* Scratch: the part's tiles, then the slots. */
size_t ib__conv_weights_scratch(const ib__conv_tiles *tiles, const ib_conv_args *g, size_t parts) {
    job j = job_of(tiles, g, parts);
    size_t n = most_tiles(&j, parts);
    return list_bytes(n) + slot_count(g) * most_floats(&j, n) * sizeof(float);
}

static ib__conv_weights_fn *kernel_of(const job *j, const ib__conv_weights_tile *t) {
    if (j->sweep && j->by_channel) return j->tiles->sweep_each;
    if (j->sweep) return j->tiles->sweep[j->sweep > 1][t->height - 1];
    return j->tiles->weights[j->by_channel][t->vectors - 1][t->height - 1];
}

static ib__conv_fetch fetch_from(const float *from, size_t floats, size_t places) {
    return (ib__conv_fetch){(const char *)from, floats * sizeof(float) / larger(1, places) + 1};
}

/* While a band goes through the tiles, each of them fetches its share of the next one, which lies behind it,
 * also where that is in the next image, if it has been made. */
static void run_tiles(const job *j, const ib__conv_weights_tile *list, size_t n_tiles,
                      ib__conv_weights_band *band) {
    const ib__conv_weights_steps *s = &j->steps;
    size_t rows = band->row1 - band->row0, places = rows * s->ow;
    const float *x = band->x + band->plane * s->x_plane + band->row1 * s->x_row;
    const float *dy = band->dy + band->plane * s->dy_plane + band->row1 * s->dy_row;
    band->next_x = fetch_from(x, rows * s->x_row, places * n_tiles);
    if (j->g->dy && !band->pause) dy -= rows * s->dy_row;
    band->next_dy = fetch_from(dy, rows * s->dy_row, places * n_tiles);
    for (const ib__conv_weights_tile *t = list; t != list + n_tiles; t++) {
        kernel_of(j, t)(t, s, band);
        band->next_x.at += places * band->next_x.step;
        band->next_dy.at += places * band->next_dy.step;
    }
}

/* Bands go through the planes one after the other; an image without places is one empty band. */
static void do_image(const job *j, const ib__conv_weights_tile *list, size_t n_tiles, size_t image,
                     const float *dy, float *chain, float *slot, bool add) {
    const ib_conv_args *g = j->g;
    ib__conv_weights_band band = {.x = g->x + image * g->d * g->h * g->w * g->ci,
                                  .dy = dy,
                                  .pause = true,
                                  .add = add,
                                  .chain = chain,
                                  .slot = slot};
    for (size_t rows = band_rows(g); band.pause; band.resume = true) {
        band.row1 = smaller(g->oh, band.row0 + rows);
        bool ends = band.row1 == g->oh;
        band.pause = !ends || band.plane + 1 < g->od;
        run_tiles(j, list, n_tiles, &band);
        band.plane += ends;
        band.row0 = ends ? 0 : band.row1;
    }
}

static void add_slot(float *left, const float *right, size_t size) {
    for (size_t i = 0; i < size; i++)
        left[i] += right[i];
}

static void write_out(const job *j, const ib__conv_weights_tile *list, size_t n_tiles, const float *slot) {
    const ib_conv_args *g = j->g;
    for (const ib__conv_weights_tile *t = list; t != list + n_tiles; t++)
        for (size_t i = 0; i < t->height * taps_of(j); i++) {
            size_t element = i / t->height * j->in_group + i % t->height;
            memcpy(g->y + t->out + element * g->co, slot + t->slot + i * t->vectors * j->tiles->width,
                   t->width * sizeof(float));
        }
}

void ib__conv_weights(const ib__conv_tiles *tiles, const ib_conv_args *g, size_t part, size_t parts,
                      void *scratch, size_t worker) {
    job j = job_of(tiles, g, parts);
    size_t all = list_tiles(&j, 0, 0, NULL), from = ib__part_start(all, part, parts);
    size_t n_tiles = ib__part_start(all, part + 1, parts) - from, lanes = larger(1, g->lanes), depth = 0;
    ib__conv_weights_tile *list = scratch;
    float *chain = (void *)((char *)scratch + list_bytes(most_tiles(&j, parts)));
    size_t size = list_tiles(&j, from, from + n_tiles, list);
    float *slots = chain + size;
    for (size_t lane = 0; lane < lanes; lane++) {
        size_t first = lane * g->n / lanes, end = (lane + 1) * g->n / lanes;
        float *slot = slots + depth++ * size;
        if (first == end) memset(slot, 0, size * sizeof(float));
        for (size_t image = first; image < end; image++) {
            size_t at = image * g->od * g->oh * g->ow * g->co;
            const float *dy = g->dy ? g->dy(g->context, image, worker) : g->k + at;
            do_image(&j, list, n_tiles, image, dy, chain, slot, image > first);
        }
        for (size_t l = lane; depth > 1 && (l % 2 || lane + 1 == lanes); l /= 2) {
            slot = slots + --depth * size;
            add_slot(slots + (depth - 1) * size, slot, size);
        }
    }
    write_out(&j, list, n_tiles, slots);
}

void ib__conv_weights_way(const ib__conv_tiles *tiles, const ib_conv_args *g, size_t parts,
                          char text[IB_WAY_TEXT]) {
    job j = job_of(tiles, g, parts);
    size_t vectors = vectors_at(&j, 0), height = ib__conv_ceil_div(j.piece, larger(1, cuts_of(&j, vectors)));
    char block[32], tile[32], along[64];
    (void)snprintf(block, sizeof block, "%zu rows", band_rows(g));
    (void)snprintf(tile, sizeof tile, "%zux%zu", height * taps_of(&j),
                   smaller(j.out_group, vectors * tiles->width));
    if (j.sweep)
        (void)snprintf(along, sizeof along, "%zu channels, all taps of %s", height,
                       j.sweep > 1 ? "all tap rows" : "a tap row");
    else
        (void)snprintf(along, sizeof along, "%s",
                       j.by_channel   ? "taps"
                       : j.pieces > 1 ? "channels of a tap"
                                      : "taps and channels");
    ib__conv_way(text, block, tile, along);
}
