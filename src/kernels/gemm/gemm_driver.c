/* SPDX-License-Identifier: Apache-2.0
 *
 * The fast matrix product around the tile kernels: cuts the output in parts, blocks and tiles, the
 * contraction in units, packs what is worth packing, and walks the lanes.
 *
 * Nothing here shows in the bits: a tile that begins a later unit loads the stored partial sums and goes on
 * with the chain, and the lane tree is walked as a stack (when lane l ends, it takes one entry off the stack
 * for each trailing one bit of l; the last lane takes all), which adds the same pairs as the tree.
 */
#include "kernels/gemm/gemm.h"

#include <string.h>

enum {
    UNIT_K = 256,         /* contraction steps in a unit */
    BLOCK_A = 96 * 1024,  /* floats of a in a block: with the others, within a level 2 cache of 1 MiB */
    BLOCK_C = 128 * 1024, /* floats of c in a block */
    BLOCK_COLUMNS = 1024,
};

/* What is the same for all blocks of a part. */
typedef struct plan {
    size_t row0, row1, col0, col1; /* the part */
    size_t unit_k;                 /* contraction steps in a unit */
    size_t block_tiles;            /* tiles of a block below each other */
    size_t block_cols;
    bool pack_a, pack_b;
    bool one_unit; /* the lane stack is one tile's and stays in the level 1 cache */
    size_t slots;  /* of the lane stack */
} plan;

typedef struct cursor {
    size_t lane, k, depth;
    bool begun;
} cursor;

typedef struct job {
    const ib__gemm_tiles *tiles;
    const ib_gemm_args *g;
    plan p;
    float *a, *b, *slots, *edge; /* scratch: packed block of a, packed panel of b, lane stack, an edge tile */
    size_t slot_size;
} job;

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}
static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}
static size_t ceil_div(size_t a, size_t b) {
    return a / b + (a % b != 0);
}
static size_t lanes_of(const ib_gemm_args *g) {
    return larger(g->lanes, 1);
}
static bool a_by_rows(const ib_gemm_args *g) {
    return g->a_col == 1;
}

static size_t lane_end(const ib_gemm_args *g, size_t lane) {
    if (g->lanes <= 1) return g->k;
    return g->samples ? (lane + 1) * g->samples / g->lanes * (g->k / g->samples) : 0;
}

/* Collects the segments of the next unit; false when the contraction is finished. */
static bool next_unit(const ib_gemm_args *g, size_t unit_k, cursor *at, ib__gemm_unit *u) {
    size_t lanes = lanes_of(g);
    u->k0 = at->k;
    u->k = u->count = 0;
    while (at->lane < lanes && u->count < IB__GEMM_MOST_SEGMENTS && u->k < unit_k) {
        size_t left = lane_end(g, at->lane) - at->k;
        bool last_lane = at->lane + 1 == lanes;
        ib__gemm_segment s = {.k = smaller(left, unit_k - u->k),
                              .slot = at->depth,
                              .to = at->depth,
                              .go_on = at->begun,
                              .last_lane = last_lane};
        at->begun = s.k < left;
        if (!at->begun) {
            s.levels = last_lane ? at->depth : (size_t)__builtin_ctzll(~(unsigned long long)at->lane);
            s.to = at->depth - s.levels;
            at->depth = s.to + 1;
            at->lane++;
        }
        at->k += s.k;
        u->k += s.k;
        u->segments[u->count++] = s;
    }
    return u->count != 0;
}

/* Which rows and columns are part number `part`: a range of rows or of panels of columns, whichever makes
 * the largest part cheaper. The estimate is in cycles a contraction step: two for a row of a tile, six to
 * pack a panel of b, one to pack a row of a. The largest part's size goes to *rows and *cols. */
static void cut(const ib__gemm_tiles *tiles, const ib_gemm_args *g, size_t part, size_t parts, plan *p,
                size_t *rows, size_t *cols) {
    size_t panel = 2 * tiles->width, panels = ceil_div(g->n, panel);
    size_t most_rows = ceil_div(g->m, parts), most_panels = ceil_div(panels, parts);
    p->row0 = p->col0 = 0;
    p->row1 = *rows = g->m;
    p->col1 = *cols = g->n;
    if (panels * (2 * most_rows + 6) + most_rows <= most_panels * (2 * g->m + 6) + g->m) {
        p->row0 = g->m * part / parts;
        p->row1 = g->m * (part + 1) / parts;
        *rows = most_rows;
    } else {
        p->col0 = smaller(g->n, panels * part / parts * panel);
        p->col1 = smaller(g->n, panels * (part + 1) / parts * panel);
        *cols = smaller(g->n, most_panels * panel);
    }
}

/* Where packing pays. b must be packed when it does not lie in rows. */
static void choose_packing(const ib__gemm_tiles *tiles, const ib_gemm_args *g, size_t rows, size_t cols,
                           plan *p) {
    size_t tall = ceil_div(rows, tiles->rows), wide = ceil_div(cols, 2 * tiles->width);
    p->pack_a = wide >= 8 && rows * g->k > 256 * 1024;
    p->pack_b = g->b_col != 1 || (tall >= 8 && cols * g->k > 512 * 1024);
}

/* Everything but the range is the same for all parts. */
static plan make_plan(const ib__gemm_tiles *tiles, const ib_gemm_args *g, size_t part, size_t parts) {
    plan p;
    size_t rows, cols;
    cut(tiles, g, part, parts, &p, &rows, &cols);
    choose_packing(tiles, g, rows, cols, &p);

    size_t lanes = lanes_of(g), panel = 2 * tiles->width, units = larger(1, ceil_div(g->k, UNIT_K));
    p.unit_k = larger(1, ceil_div(g->k, units));
    p.one_unit = units == 1 && lanes <= IB__GEMM_MOST_SEGMENTS;
    p.slots = 0;
    for (size_t l = lanes - 1; l; l /= 2)
        p.slots++;
    if (p.slots) p.slots++;

    size_t values = p.one_unit ? BLOCK_C : BLOCK_C / (p.slots + 1);
    p.block_cols = larger(1, smaller(BLOCK_COLUMNS, values / 256) / panel) * panel;
    p.block_cols = smaller(p.block_cols, ceil_div(cols, panel) * panel);
    size_t block_rows = smaller(values / larger(1, p.block_cols), BLOCK_A / p.unit_k);
    p.block_tiles = smaller(larger(4, block_rows / tiles->rows), ceil_div(rows, tiles->rows));
    return p;
}

static size_t block_rows(const ib__gemm_tiles *tiles, const plan *p) {
    return p->block_tiles * tiles->rows;
}

static size_t slot_size(const ib__gemm_tiles *tiles, const plan *p) {
    size_t tile = tiles->rows * 2 * tiles->width;
    if (p->one_unit) return tile;
    return p->block_tiles * ceil_div(p->block_cols, 2 * tiles->width) * tile;
}

static size_t whole_lines(size_t floats) {
    return (floats + 15) / 16 * 16;
}
static size_t floats_a(const ib__gemm_tiles *tiles, const plan *p) {
    return p->pack_a ? whole_lines(block_rows(tiles, p) * p->unit_k + tiles->width) : 0;
}
static size_t floats_b(const ib__gemm_tiles *tiles, const plan *p) {
    return p->unit_k * 2 * tiles->width;
}
static size_t floats_edge(const ib__gemm_tiles *tiles) {
    return tiles->rows * 2 * tiles->width;
}

size_t ib__gemm_scratch(const ib__gemm_tiles *tiles, const ib_gemm_args *g, size_t parts) {
    plan p = make_plan(tiles, g, 0, parts);
    size_t stack = p.slots * slot_size(tiles, &p);
    return (floats_a(tiles, &p) + floats_b(tiles, &p) + floats_edge(tiles) + stack) * sizeof(float);
}

/* One unit of the tile at (row, col) of c; *t says where its a and b lie, index is its number within the
 * block. A tile that is not whole vectors wide goes by way of a buffer. */
static void run_tile(const job *j, ib__gemm_tile *t, int mode, size_t row, size_t height, size_t col,
                     size_t width, size_t index) {
    const ib_gemm_args *g = j->g;
    const ib__gemm_unit *u = t->unit;
    size_t panel = 2 * j->tiles->width, vectors = ceil_div(width, j->tiles->width);
    bool edge = width < vectors * j->tiles->width;
    float *c = g->c + row * g->c_row + col;
    t->c = edge ? j->edge : c;
    t->c_row = edge ? panel : g->c_row;
    t->slot_size = j->slot_size;
    t->stack = j->slots + (j->p.one_unit ? 0 : index * j->tiles->rows * panel);

    if (edge && u->segments[0].last_lane && u->segments[0].go_on)
        for (size_t i = 0; i < height; i++)
            memcpy(t->c + i * panel, c + i * g->c_row, width * sizeof(float));
    j->tiles->tile[mode][vectors - 1][height - 1](t);
    if (edge && u->segments[u->count - 1].last_lane)
        for (size_t i = 0; i < height; i++)
            memcpy(c + i * g->c_row, t->c + i * panel, width * sizeof(float));
}

/* First row of tile t when rows are cut evenly in tiles. */
static size_t tile_row(const plan *p, size_t t, size_t tiles) {
    return p->row0 + (p->row1 - p->row0) * t / tiles;
}

static void pack_a(const job *j, const ib__gemm_unit *u, size_t first, size_t last, size_t all) {
    const ib_gemm_args *g = j->g;
    size_t row0 = tile_row(&j->p, first, all);
    for (size_t t = first; t < last; t++) {
        size_t row = tile_row(&j->p, t, all), height = tile_row(&j->p, t + 1, all) - row;
        const float *x = g->a + row * g->a_row + u->k0 * g->a_col;
        float *y = j->a + (row - row0) * u->k;
        if (a_by_rows(g))
            j->tiles->pack_transpose(x, g->a_row, height, u->k, y, height);
        else
            j->tiles->pack_copy(x, g->a_col, height, u->k, y, height);
    }
}

/* One unit of a panel of columns: b is read in place where it lies in rows and the panel is whole. */
static void run_panel(const job *j, const ib__gemm_unit *u, size_t first, size_t last, size_t all, size_t col,
                      size_t width, size_t index) {
    const ib_gemm_args *g = j->g;
    size_t row0 = tile_row(&j->p, first, all), b_step = g->b_row;
    size_t vectors = ceil_div(width, j->tiles->width), full = vectors * j->tiles->width;
    const float *b = g->b + u->k0 * g->b_row + col * g->b_col;
    if (j->p.pack_b || width < full) {
        if (g->b_col == 1)
            j->tiles->pack_copy(b, g->b_row, width, u->k, j->b, full);
        else
            j->tiles->pack_transpose(b, g->b_col, width, u->k, j->b, full);
        b = j->b;
        b_step = full;
    }
    int mode = j->p.pack_a || !a_by_rows(g) ? IB__GEMM_COLUMNS : IB__GEMM_ROWS;
    for (size_t n = first; n < last; n++) {
        size_t row = tile_row(&j->p, n, all), height = tile_row(&j->p, n + 1, all) - row;
        ib__gemm_tile t = {.unit = u, .b = b, .b_step = b_step};
        if (j->p.pack_a) {
            t.a = j->a + (row - row0) * u->k;
            t.a_step = height;
        } else {
            t.a = g->a + row * g->a_row + u->k0 * g->a_col;
            t.a_step = a_by_rows(g) ? g->a_row : g->a_col;
        }
        run_tile(j, &t, mode, row, height, col, width, index + n - first);
    }
}

/* All units of the block of tile rows first .. last - 1 of `all` and columns col0 .. col1 - 1. */
static void run_block(const job *j, size_t first, size_t last, size_t all, size_t col0, size_t col1,
                      size_t worker) {
    size_t panel = 2 * j->tiles->width;
    ib__gemm_unit u;
    cursor at = {0};
    while (next_unit(j->g, j->p.unit_k, &at, &u)) {
        if (j->p.pack_a) pack_a(j, &u, first, last, all);
        size_t index = 0;
        for (size_t col = col0; col < col1; col += panel, index += last - first)
            run_panel(j, &u, first, last, all, col, smaller(panel, col1 - col), index);
    }
    if (j->g->done)
        j->g->done(j->g->context, tile_row(&j->p, first, all), tile_row(&j->p, last, all), col0, col1,
                   worker);
}

void ib__gemm_part(const ib__gemm_tiles *tiles, const ib_gemm_args *g, size_t part, size_t parts,
                   void *scratch, size_t worker) {
    job j = {.tiles = tiles, .g = g, .p = make_plan(tiles, g, part, parts)};
    const plan *p = &j.p;
    if (p->row0 == p->row1 || p->col0 == p->col1) return;
    j.slot_size = slot_size(tiles, p);
    j.a = scratch;
    j.b = j.a + floats_a(tiles, p);
    j.edge = j.b + floats_b(tiles, p);
    j.slots = j.edge + floats_edge(tiles);

    size_t all = ceil_div(p->row1 - p->row0, tiles->rows), blocks = ceil_div(all, p->block_tiles);
    for (size_t block = 0; block < blocks; block++)
        for (size_t col = p->col0; col < p->col1; col += p->block_cols)
            run_block(&j, all * block / blocks, all * (block + 1) / blocks, all, col,
                      smaller(p->col1, col + p->block_cols), worker);
}
