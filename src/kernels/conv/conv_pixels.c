/* SPDX-License-Identifier: Apache-2.0
 *
 * Forward pass and input gradient around the tile kernels. Both are one computation: each place of the
 * output (y, or dx) reads a list of taps from the source (x, or dy). The output of an image is cut in
 * regions, a run of planes by a run of rows by a run of columns, in which all places have the same taps
 * inside the source. A run goes in steps of one place in the forward pass and of the stride in the input
 * gradient, so that stride, dilation and padding show only in the runs. Nothing is padded and nothing outside
 * is read.
 *
 * Work goes by blocks that stay in the level 2 cache (some images, some planes or some rows), in a block by
 * panels of output channels, then by regions, then by tiles along whatever dimension fills them best.
 */
#include "kernels/conv/conv.h"

#include "kernels/simd/scalar.h"

#include <stdio.h>
#include <string.h>

enum {
    BLOCK_FLOATS = 48 * 1024,  /* of the output; as much again of the source and a panel go beside it */
    LARGE_KERNEL = 128 * 1024, /* floats: one that does not stay there comes anew for each block, */
    LARGE_BLOCK = 256 * 1024,  /* which is then larger */
    FETCH_FLOATS = 32 * 1024,  /* a plane of the source that large is fetched ahead */
    IMAGES_IN_TILE = 8,        /* pixels whole images apart may share a cache set: no more than its ways */
};

/* One axis of the window, seen from the output's places. */
typedef struct axis {
    size_t places, source, taps, stride, dilation, pad;
    size_t step, source_step; /* from a place of a run to the next: in the output, in the source */
    bool transposed;
} axis;

/* The places start, start + step, ... (count of them) have the taps tap, tap + tap_step, ... inside. The
 * first tap of the first place reads source place `at`, each further tap at_step behind it. */
typedef struct run {
    size_t start, count, at, tap, taps, tap_step;
    ptrdiff_t at_step;
} run;

typedef struct job {
    const ib__conv_tiles *tiles;
    const ib_conv_args *g;
    bool transposed, by_channel;
    axis planes, rows, cols;
    size_t groups, length, channels;      /* of a group: channels of the source, of the output */
    size_t source_channels, out_channels; /* of a pixel */
    size_t packed_channels, panel_rows;   /* of a group, whole vectors; kd * kh * kw * length */
    run *plane_runs, *row_runs, *col_runs;
    size_t n_plane_runs, n_row_runs, n_col_runs;
    bool gaps; /* places without taps */
    ib__conv_tap *taps;
    float *packed;
} job;

/* One of the dimensions of the pixels of a region in a block. */
enum { IMAGES, PLANES, ROWS, COLS, DIMENSIONS };
typedef struct dimension {
    size_t count, x, y;
} dimension;

/* Whole images, whole planes of one image, or rows of one plane. */
typedef struct block {
    size_t image, images, plane, planes, row, rows;
} block;

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}
static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

static axis axis_of(size_t input, size_t output, size_t taps, size_t stride, size_t dilation, size_t pad,
                    bool transposed) {
    return (axis){.places = transposed ? input : output,
                  .source = transposed ? output : input,
                  .taps = taps,
                  .stride = stride,
                  .dilation = dilation,
                  .pad = pad,
                  .step = transposed ? stride : 1,
                  .source_step = transposed ? 1 : stride,
                  .transposed = transposed};
}

static job job_of(const ib__conv_tiles *tiles, const ib_conv_args *g, bool transposed) {
    job j = {.tiles = tiles, .g = g, .transposed = transposed, .by_channel = ib__conv_by_channel(g)};
    j.planes = axis_of(g->d, g->od, g->kd, g->sd, g->dd, g->pd, transposed);
    j.rows = axis_of(g->h, g->oh, g->kh, g->sh, g->dh, g->ph, transposed);
    j.cols = axis_of(g->w, g->ow, g->kw, g->sw, g->dw, g->pw, transposed);
    j.source_channels = transposed ? g->co : g->ci;
    j.out_channels = transposed ? g->ci : g->co;
    j.groups = j.by_channel ? 1 : g->groups;
    j.length = j.by_channel ? 1 : j.source_channels / g->groups;
    j.channels = j.by_channel ? j.out_channels : j.out_channels / g->groups;
    j.packed_channels = ib__conv_ceil_div(j.channels, tiles->width) * tiles->width;
    j.panel_rows = g->kd * g->kh * g->kw * j.length;
    return j;
}

/* ---- Runs ---- */

static bool tap_inside(const axis *x, size_t place, size_t tap, size_t *at) {
    if (x->transposed) return ib__conv_read_by(place, x->stride, tap, x->dilation, x->pad, x->source, at);
    return ib__conv_reads(place, x->stride, tap, x->dilation, x->pad, x->source, at);
}

/* The run of one place. Its taps are evenly spaced: a range in the forward pass, those of one residue modulo
 * the stride in the input gradient. */
static run run_at(const axis *x, size_t place) {
    run r = {.start = place, .count = 1, .tap_step = 1};
    size_t at;
    for (size_t tap = 0; tap < x->taps; tap++) {
        if (!tap_inside(x, place, tap, &at)) continue;
        if (r.taps == 0) {
            r.tap = tap;
            r.at = at;
        }
        if (r.taps == 1) {
            r.tap_step = tap - r.tap;
            r.at_step = (ptrdiff_t)at - (ptrdiff_t)r.at;
        }
        r.taps++;
    }
    return r;
}

/* At most x->places runs. */
static size_t find_runs(const axis *x, run *runs) {
    size_t count = 0;
    for (size_t residue = 0; residue < x->step; residue++)
        for (size_t place = residue; place < x->places; place += x->step) {
            run next = run_at(x, place), *last = runs + count - 1;
            if (place != residue && next.tap == last->tap && next.taps == last->taps &&
                next.tap_step == last->tap_step)
                last->count++;
            else
                runs[count++] = next;
        }
    return count;
}

static bool any_without_taps(const run *runs, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!runs[i].taps) return true;
    return false;
}

/* The number of places of a run before place `end`. */
static size_t places_before(const run *r, const axis *x, size_t end) {
    return end <= r->start ? 0 : smaller(r->count, ib__conv_ceil_div(end - r->start, x->step));
}

/* The taps of a region in the order of the chain; what lies in one piece becomes one entry. */
static size_t list_taps(const job *j, const run *p, const run *r, const run *c) {
    size_t count = 0, x_row = j->cols.source * j->source_channels;
    ptrdiff_t plane = (ptrdiff_t)(j->rows.source * x_row) * p->at_step, row = (ptrdiff_t)x_row * r->at_step;
    ptrdiff_t col = (ptrdiff_t)j->source_channels * c->at_step;
    for (size_t t = 0; t < p->taps; t++)
        for (size_t u = 0; u < r->taps; u++)
            for (size_t v = 0; v < c->taps; v++) {
                size_t tap = (p->tap + t * p->tap_step) * j->g->kh + r->tap + u * r->tap_step;
                tap = tap * j->g->kw + c->tap + v * c->tap_step;
                ib__conv_tap next = {(ptrdiff_t)t * plane + (ptrdiff_t)u * row + (ptrdiff_t)v * col,
                                     tap * j->length, j->length};
                ib__conv_tap *last = j->taps + count - 1;
                if (count && last->x + (ptrdiff_t)last->length == next.x && last->k + last->length == next.k)
                    last->length += next.length;
                else
                    j->taps[count++] = next;
            }
    return count;
}

/* Whether all tiles can slide over the taps of a row: by channel, SLIDE_TAPS taps side by side, and at both
 * ends of a line no more than the two outer taps outside. */
static bool slides(const job *j) {
    const axis *c = &j->cols;
    if (!j->by_channel || c->taps != IB__CONV_SLIDE_TAPS || c->stride != 1 || c->dilation != 1) return false;
    return j->transposed ? c->places + c->pad <= c->source + 2
                         : c->pad <= 2 && c->places <= c->source + c->pad;
}

/* Channels of the panel that begins at `channel`; tiles that slide have one panel. */
static size_t panel_width(const job *j, size_t channel) {
    return slides(j) ? j->packed_channels : ib__conv_panel(j->tiles, channel, j->channels) * j->tiles->width;
}

/* ---- The packed kernel: [group][panel][tap][channel of the source][channels of the panel] ---- */

static float *packed_panel(const job *j, size_t group, size_t channel) {
    return j->packed + j->panel_rows * (group * j->packed_channels + channel);
}

/* y[p][i] = k[p * row + i * step] for i < width; zero up to the panel's width, which the tiles do not store.
 */
static void pack_rows(const float *k, size_t row, size_t step, size_t rows, size_t width, float *y,
                      size_t panel) {
    for (size_t p = 0; p < rows; p++, y += panel) {
        if (step == 1)
            memcpy(y, k + p * row, width * sizeof(float));
        else
            for (size_t i = 0; i < width; i++)
                y[i] = k[p * row + i * step];
        for (size_t i = width; i < panel; i++)
            y[i] = 0.0f;
    }
}

static void pack_panel(const job *j, size_t group, size_t channel, size_t panel) {
    const ib_conv_args *g = j->g;
    size_t in_group = g->ci / g->groups, width = smaller(panel, j->channels - channel);
    float *y = packed_panel(j, group, channel);
    for (size_t tap = 0; tap < g->kd * g->kh * g->kw; tap++, y += j->length * panel) {
        const float *k = g->k + tap * in_group * g->co;
        if (j->by_channel)
            pack_rows(k + channel, g->co, 1, 1, width, y, panel);
        else if (!j->transposed)
            pack_rows(k + group * j->channels + channel, g->co, 1, j->length, width, y, panel);
        else if (g->groups == 1 && width == panel)
            j->tiles->transpose(k + channel * g->co, y, 1, width, g->co, 0, 1);
        else
            pack_rows(k + channel * g->co + group * j->length, 1, g->co, j->length, width, y, panel);
    }
}

/* ---- Tiles ---- */

/* The dimension along which the fewest tiles cover a region. Images only where the others do badly. */
static int tile_dimension(const dimension *d, size_t most) {
    size_t fewest = 0, all = d[IMAGES].count * d[PLANES].count * d[ROWS].count * d[COLS].count;
    int along = COLS;
    for (int i = COLS; i > IMAGES; i--) {
        size_t tiles = ib__conv_ceil_div(d[i].count, most) * (all / d[i].count);
        if (i < COLS && tiles >= fewest) continue;
        fewest = tiles;
        along = i;
    }
    size_t by_image = ib__conv_ceil_div(d[IMAGES].count, IMAGES_IN_TILE) * (all / d[IMAGES].count);
    return 3 * by_image <= 2 * fewest ? IMAGES : along;
}

/* The tiles of one line of pixels. A tile may take but 300 cycles, a division 20: there is none for a line of
 * one tile. */
static void cover_line(const job *j, ib__conv_tile t, size_t count, size_t cuts, size_t vectors) {
    const float *x = t.x;
    float *y = t.y;
    for (size_t cut = 0, first = 0, end; cut < cuts; cut++, first = end) {
        end = cut + 1 == cuts ? count : count * (cut + 1) / cuts;
        t.x = x + first * t.x_step;
        t.y = y + first * t.y_step;
        j->tiles->tile[j->by_channel][vectors - 1][end - first - 1](&t);
    }
}

/* Tiles of `most` places ask, spread over their steps, for what the lowest row of taps reads in the next
 * line. */
static void fetch_next_line(const job *j, const dimension *d, ib__conv_tile *t, size_t most) {
    size_t steps = 0;
    for (size_t i = 0; i < t->count; i++)
        steps += t->taps[i].length;
    t->next = (j->transposed ? t->taps[0].x : t->taps[t->count - 1].x) + (ptrdiff_t)d[ROWS].x;
    t->next_step = steps == 0 ? 0 : ib__conv_ceil_div(most * d[COLS].x, steps);
}

/* Where vectors are halved, tiles of more pixels than others have rows are 13 % slower. */
static size_t most_pixels(const ib__conv_tiles *tiles, size_t vectors) {
    return ib__isa_halved() ? tiles->heights[vectors - 1] : tiles->pixels[vectors - 1];
}

static void cover(const job *j, const dimension *d, ib__conv_tile t, size_t vectors) {
    size_t most = most_pixels(j->tiles, vectors);
    int along = tile_dimension(d, most), others[3], n = 0;
    if (along == COLS) fetch_next_line(j, d, &t, smaller(most, d[COLS].count));
    if (along == IMAGES) most = smaller(most, IMAGES_IN_TILE);
    for (int i = 0; i < DIMENSIONS; i++)
        if (i != along) others[n++] = i;
    const dimension *a = &d[others[0]], *b = &d[others[1]], *c = &d[others[2]];
    const float *x = t.x;
    float *y = t.y;
    t.x_step = d[along].x;
    t.y_step = d[along].y;
    size_t cuts = ib__conv_ceil_div(d[along].count, most);
    for (size_t u = 0; u < a->count; u++)
        for (size_t v = 0; v < b->count; v++)
            for (size_t w = 0; w < c->count; w++) {
                t.x = x + u * a->x + v * b->x + w * c->x;
                t.y = y + u * a->y + v * b->y + w * c->y;
                cover_line(j, t, d[along].count, cuts, vectors);
            }
}

/* Pixels [from, to) of a line whose source and output begin at x and y. Column i of the tile is what its
 * pixel i reads by tap 0. In the input gradient later taps lie to the left: pixels go from right to left. */
static void slide_tile(const job *j, ib__conv_slide s, size_t from, size_t to) {
    const axis *c = &j->cols;
    size_t columns = to - from + 2;
    ptrdiff_t channels = (ptrdiff_t)j->source_channels, pad = (ptrdiff_t)c->pad, place;
    if (j->transposed) {
        place = (ptrdiff_t)to - 1 + pad;
        s.first = to + c->pad > c->source ? to + c->pad - c->source : 0;
        s.end = smaller(columns, to + c->pad);
        s.y += (to - 1) * j->out_channels;
    } else {
        place = (ptrdiff_t)from - pad;
        s.first = c->pad > from ? c->pad - from : 0;
        s.end = smaller(columns, c->source + c->pad - from);
        s.y += from * j->out_channels;
    }
    s.x += place * channels;
    s.x_step = j->transposed ? -channels : channels;
    j->tiles->slide[to - from - 1](&s);
}

/* All channels of a region in a block; t describes its first pixel. */
static void slide_over(const job *j, const dimension *d, const ib__conv_tile *t) {
    size_t count = d[COLS].count, cuts = ib__conv_ceil_div(count, j->tiles->heights[0]);
    ib__conv_slide s = {.lines = d[ROWS].count,
                        .x_line = d[ROWS].x,
                        .y_line = d[ROWS].y,
                        .taps = t->taps,
                        .count = t->count,
                        .k = t->k,
                        .k_step = j->packed_channels,
                        .channels = j->channels};
    if (j->rows.source * d[ROWS].x >= FETCH_FLOATS)
        s.fetch = j->transposed ? t->taps : t->taps + t->count - 1; /* of the lowest row */
    for (size_t image = 0; image < d[IMAGES].count; image++)
        for (size_t plane = 0; plane < d[PLANES].count; plane++) {
            s.x = t->x + image * d[IMAGES].x + plane * d[PLANES].x;
            s.y = t->y + image * d[IMAGES].y + plane * d[PLANES].y;
            for (size_t cut = 0; cut < cuts; cut++)
                slide_tile(j, s, count * cut / cuts, count * (cut + 1) / cuts);
        }
}

/* One panel of one region in a block. */
static void do_region(const job *j, const run *p, const run *r, const run *c, const block *k, size_t group,
                      size_t channel) {
    size_t z0 = places_before(p, &j->planes, k->plane);
    size_t z1 = places_before(p, &j->planes, k->plane + k->planes);
    size_t q0 = places_before(r, &j->rows, k->row), q1 = places_before(r, &j->rows, k->row + k->rows);
    if (z0 == z1 || q0 == q1 || !p->taps || !r->taps || !c->taps) return;
    size_t x_row = j->cols.source * j->source_channels, y_row = j->cols.places * j->out_channels;
    size_t x_plane = j->rows.source * x_row, y_plane = j->rows.places * y_row;
    size_t vectors = ib__conv_panel(j->tiles, channel, j->channels);
    dimension d[DIMENSIONS] = {
        {k->images, j->planes.source * x_plane, j->planes.places * y_plane},
        {z1 - z0, j->planes.source_step * x_plane, j->planes.step * y_plane},
        {q1 - q0, j->rows.source_step * x_row, j->rows.step * y_row},
        {c->count, j->cols.source_step * j->source_channels, j->cols.step * j->out_channels},
    };
    ib__conv_tile t = {
        .x = j->g->x + k->image * d[IMAGES].x + p->at * x_plane + z0 * d[PLANES].x + r->at * x_row +
             q0 * d[ROWS].x + c->at * j->source_channels,
        .taps = j->taps,
        .count = list_taps(j, p, r, c),
        .k = packed_panel(j, group, channel),
        .y = j->g->y + k->image * d[IMAGES].y + p->start * y_plane + z0 * d[PLANES].y + r->start * y_row +
             q0 * d[ROWS].y + c->start * j->out_channels,
        .width = smaller(vectors * j->tiles->width, j->channels - channel),
    };
    t.x += j->by_channel ? channel : group * j->length;
    t.y += group * j->channels + channel;
    if (slides(j))
        slide_over(j, d, &t);
    else
        cover(j, d, t, vectors);
}

/* Places without taps are zeros. They lie scattered between the others (input gradients with a stride), so
 * that it is faster to clear the whole block, which the level 2 cache then holds. */
static void do_block(const job *j, const block *k, size_t worker) {
    size_t first = ((k->image * j->planes.places + k->plane) * j->rows.places + k->row) * j->cols.places;
    size_t pixels = k->images * k->planes * k->rows * j->cols.places;
    if (j->gaps) memset(j->g->y + first * j->out_channels, 0, pixels * j->out_channels * sizeof(float));
    for (size_t group = 0; group < j->groups; group++)
        for (size_t channel = 0; channel < j->channels; channel += panel_width(j, channel))
            for (size_t p = 0; p < j->n_plane_runs; p++)
                for (size_t r = 0; r < j->n_row_runs; r++)
                    for (size_t c = 0; c < j->n_col_runs; c++)
                        do_region(j, &j->plane_runs[p], &j->row_runs[r], &j->col_runs[c], k, group, channel);
    if (j->g->done) j->g->done(j->g->context, first, first + pixels, 0, j->out_channels, worker);
}

/* ---- Parts ---- */

/* The rows of all images that are a part's: whole images where there are enough of them. */
static size_t first_row(const job *j, size_t part, size_t parts) {
    size_t n = j->g->n, rows = j->planes.places * j->rows.places;
    return n >= 2 * parts || n % parts == 0 ? ib__part_start(n, part, parts) * rows
                                            : ib__part_start(n * rows, part, parts);
}

/* The block that begins at `row` of the rows of all images and ends before `end`, of `most` rows where it can
 * be. */
static block block_at(const job *j, size_t row, size_t end, size_t most) {
    size_t rows = j->rows.places, planes = j->planes.places, left = end - row, line = row / rows;
    block k = {line / planes, 1, line % planes, 1, row % rows, rows};
    size_t images = smaller(most, left) / (planes * rows), many = smaller(most, left) / rows;
    if (k.row == 0 && k.plane == 0 && images) {
        size_t all = left / (planes * rows), blocks = ib__conv_ceil_div(all, images);
        k.images = ib__conv_ceil_div(all, blocks); /* no small rest at the end */
        k.planes = planes;
    } else if (k.row == 0 && many)
        k.planes = smaller(many, planes - k.plane);
    else
        k.rows = smaller(smaller(most, rows - k.row), left);
    return k;
}

static size_t whole_lines(size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

static size_t runs_bytes(const job *j) {
    return whole_lines((j->planes.places + j->rows.places + j->cols.places) * sizeof(run));
}

static size_t taps_bytes(const job *j) {
    return whole_lines(j->g->kd * j->g->kh * j->g->kw * sizeof(ib__conv_tap));
}

/* Scratch: runs of planes, rows and columns, taps, packed kernel. */
size_t ib__conv_pixels_scratch(const ib__conv_tiles *tiles, const ib_conv_args *g, bool transposed) {
    job j = job_of(tiles, g, transposed);
    return runs_bytes(&j) + taps_bytes(&j) + j.groups * j.packed_channels * j.panel_rows * sizeof(float);
}

static void find_regions(job *j, void *scratch) {
    char *at = scratch;
    j->plane_runs = scratch;
    j->row_runs = j->plane_runs + j->planes.places;
    j->col_runs = j->row_runs + j->rows.places;
    j->taps = (void *)(at + runs_bytes(j));
    j->packed = (void *)(at + runs_bytes(j) + taps_bytes(j));
    j->n_plane_runs = find_runs(&j->planes, j->plane_runs);
    j->n_row_runs = find_runs(&j->rows, j->row_runs);
    j->n_col_runs = find_runs(&j->cols, j->col_runs);
    if (slides(j)) {
        *j->col_runs = (run){.count = j->cols.places, .taps = j->cols.taps, .tap_step = 1};
        j->col_runs->at_step = j->transposed ? -1 : 1;
        j->n_col_runs = 1;
    }
    j->gaps = any_without_taps(j->plane_runs, j->n_plane_runs) ||
              any_without_taps(j->row_runs, j->n_row_runs) || any_without_taps(j->col_runs, j->n_col_runs);
}

static void pack_kernel(const job *j) {
    for (size_t group = 0; group < j->groups; group++)
        for (size_t channel = 0; channel < j->channels; channel += panel_width(j, channel))
            pack_panel(j, group, channel, panel_width(j, channel));
}

/* Rows of all images that a block has at most. */
static size_t rows_of_block(const job *j) {
    bool large = j->groups * j->packed_channels * j->panel_rows > LARGE_KERNEL;
    return larger(1, (large ? LARGE_BLOCK : BLOCK_FLOATS) / (j->cols.places * j->out_channels));
}

void ib__conv_pixels(const ib__conv_tiles *tiles, const ib_conv_args *g, bool transposed, size_t part,
                     size_t parts, void *scratch, size_t worker) {
    job j = job_of(tiles, g, transposed);
    size_t row_floats = j.cols.places * j.out_channels;
    if (!j.planes.places || !j.rows.places || !row_floats) return;
    size_t row = first_row(&j, part, parts), end = first_row(&j, part + 1, parts);
    if (row == end) return;
    find_regions(&j, scratch);
    pack_kernel(&j);
    size_t most = rows_of_block(&j);
    while (row < end) {
        block k = block_at(&j, row, end, most);
        do_block(&j, &k, worker);
        row += k.images * k.planes * k.rows;
    }
}

void ib__conv_way(char text[IB_WAY_TEXT], const char *block, const char *tile, const char *along) {
    (void)snprintf(text, IB_WAY_TEXT, "%-12s %-8s %s", block, tile, along);
}

/* The most frequent run; NULL: no place has taps. */
static const run *longest(const run *runs, size_t count) {
    const run *found = NULL;
    for (size_t i = 0; i < count; i++)
        if (runs[i].taps && (!found || runs[i].count > found->count)) found = &runs[i];
    return found;
}

/* Of the largest region in the first block of the first part. */
void ib__conv_pixels_way(const ib__conv_tiles *tiles, const ib_conv_args *g, bool transposed, size_t parts,
                         void *scratch, char text[IB_WAY_TEXT]) {
    static const char *const names[] = {"images", "planes", "rows", "columns"};
    job j = job_of(tiles, g, transposed);
    find_regions(&j, scratch);
    block k = block_at(&j, first_row(&j, 0, parts), first_row(&j, 1, parts), rows_of_block(&j));
    const run *p = longest(j.plane_runs, j.n_plane_runs), *r = longest(j.row_runs, j.n_row_runs);
    const run *c = longest(j.col_runs, j.n_col_runs);
    size_t vectors = ib__conv_panel(tiles, 0, j.channels), most = most_pixels(tiles, vectors);
    dimension d[DIMENSIONS] = {{.count = k.images},
                               {.count = p ? places_before(p, &j.planes, k.plane + k.planes) : 1},
                               {.count = r ? places_before(r, &j.rows, k.row + k.rows) : 1},
                               {.count = c ? c->count : 1}};
    int along = slides(&j) ? COLS : tile_dimension(d, most);
    most = slides(&j) ? tiles->heights[0] : along == IMAGES ? smaller(most, IMAGES_IN_TILE) : most;
    size_t count = larger(1, d[along].count),
           height = ib__conv_ceil_div(count, ib__conv_ceil_div(count, most));
    char of_block[32], tile[32], way[48];
    if (k.rows < j.rows.places)
        (void)snprintf(of_block, sizeof of_block, "%zu rows", k.rows);
    else
        (void)snprintf(of_block, sizeof of_block, "%zu %s", k.images * k.planes,
                       k.planes < j.planes.places ? "planes" : "images");
    (void)snprintf(tile, sizeof tile, "%zux%zu", height,
                   smaller(j.channels, slides(&j) ? j.channels : vectors * tiles->width));
    (void)snprintf(way, sizeof way, "%s%s%s", names[along], slides(&j) ? ", taps side by side" : "",
                   j.gaps ? ", gaps cleared" : "");
    ib__conv_way(text, of_block, tile, way);
}
