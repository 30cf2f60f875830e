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

#include <stdio.h>
#include <string.h>

enum {
    UNIT_MANY_LANES = 400, /* contraction steps in a unit at most, if there are more than MANY_LANES */
    MANY_LANES = 4,
    BLOCK_DONE = 64 * 1024,   /* floats of c in a block for which done is called */
    BLOCK_STACK = 256 * 1024, /* floats of a slot of the lane stack that waits for the next unit */
    BLOCK_COLUMNS = 1024,
    FEW_COLUMNS = 12, /* at most so many are worked on as rows, see turn() */
    CHUNK = 8,        /* rows of a matrix that are packed at one go, so that they are read along */
};

typedef enum packing_b {
    IN_PLACE, /* only a panel that ends within a vector is packed */
    BY_PANEL, /* each panel just before use */
    AT_ONCE,  /* all panels of a unit: for several blocks below each other, or to read long rows along */
} packing_b;

/* What is the same for all blocks of a part. */
typedef struct plan {
    size_t row0, row1, col0, col1; /* the part */
    size_t unit_k;                 /* contraction steps in a unit */
    size_t block_tiles;            /* tiles of a block below each other */
    size_t block_cols;
    size_t group_tiles; /* tiles below each other that go through a unit before the next unit begins */
    bool pack_a;
    packing_b pack_b;
    size_t slots;   /* of the lane stack */
    bool one_stack; /* each tile does all lanes at one go, so that they share one stack */
    bool pairs;     /* ... and takes two lanes at a time */
    bool lane_ends; /* a unit ends where a lane ends */
    size_t rows;    /* of the tallest tile */
    size_t panel;   /* columns of the widest tile */
} plan;

/* Tiles first .. last - 1 of all the tiles below each other, columns col0 .. col1 - 1. */
typedef struct block {
    size_t first, last, col0, col1;
} block;

typedef struct cursor {
    size_t lane, k, depth;
    bool begun;
} cursor;

typedef struct job {
    const ib__gemm_tiles *tiles;
    const ib_gemm_args *g;
    plan p;
    size_t tiles_down; /* tiles of the part below each other; its rows are cut evenly */
    size_t slot_size, worker;
    bool turned;                 /* element (row, col) of the product is c[col * c_row + row] */
    float *a, *b, *slots, *edge; /* scratch: packed a, packed b, lane stacks, a tile at the edge */
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
static bool next_unit(const ib_gemm_args *g, const plan *plan, cursor *at, ib__gemm_unit *u) {
    size_t lanes = lanes_of(g);
    u->k0 = at->k;
    u->k = u->count = 0;
    while (at->lane < lanes && u->count < IB__GEMM_MOST_SEGMENTS && u->k < plan->unit_k) {
        if (plan->lane_ends && u->k && !at->begun) break;
        size_t left = lane_end(g, at->lane) - at->k;
        bool last_lane = at->lane + 1 == lanes;
        ib__gemm_segment s = {.k = smaller(left, plan->unit_k - u->k),
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
 * pack a panel of b, one to pack a row of a, and one for each number of a or b that comes from another
 * thread's cache or from memory. The largest part's size goes to *rows and *cols. */
static void cut(const ib__gemm_tiles *tiles, const ib_gemm_args *g, size_t part, size_t parts, plan *p,
                size_t *rows, size_t *cols) {
    size_t panel = 2 * tiles->width, panels = ceil_div(g->n, panel);
    size_t most_rows = ceil_div(g->m, parts), most_panels = ceil_div(panels, parts);
    p->row0 = p->col0 = 0;
    p->row1 = *rows = g->m;
    p->col1 = *cols = g->n;
    size_t of_panel = 6 + panel, of_row = 2;
    if (panels * (2 * most_rows + of_panel) + of_row * most_rows <=
        most_panels * (2 * g->m + of_panel) + of_row * g->m) {
        p->row0 = g->m * part / parts;
        p->row1 = g->m * (part + 1) / parts;
        *rows = most_rows;
    } else {
        p->col0 = smaller(g->n, panels * part / parts * panel);
        p->col1 = smaller(g->n, panels * (part + 1) / parts * panel);
        *cols = smaller(g->n, most_panels * panel);
    }
}

/* Where packing pays, by measurement: where an array is read often enough, and either does not stay in the
 * cache when read in place, or its rows lie 4 KiB apart, so that those of a tile push each other out of the
 * level 1 cache. b must be packed when it does not lie in rows. */
static void choose_packing(const ib__gemm_tiles *tiles, const ib_gemm_args *g, size_t rows, size_t cols,
                           plan *p) {
    size_t tall = ceil_div(rows, p->rows), wide = ceil_div(cols, p->panel);
    size_t floats_a = rows * g->k, floats_b = cols * g->k;
    bool rows_collide = tiles->rows > 8 && g->a_row % 1024 == 0;
    if (a_by_rows(g))
        p->pack_a = wide >= (rows_collide ? 4 : 16) && (floats_a >= 512 * 1024 || rows_collide);
    else
        p->pack_a = wide >= 4 && floats_a >= tiles->a_in_place;
    size_t few = g->b_row % 1024 == 0 ? 16 : 32;
    if (g->b_col == 1 && (tall < few || floats_b < tiles->b_in_place))
        p->pack_b = IN_PLACE;
    else
        p->pack_b = g->b_col == 1 || p->group_tiles > p->block_tiles ? AT_ONCE : BY_PANEL;
}

/* Slots of the lane stack: lane l of several runs above at most as many sums as l has one bits. */
static size_t slots_for(size_t lanes) {
    size_t bits = 0;
    for (size_t l = lanes - 1; l; l /= 2)
        bits++;
    return bits ? bits + 1 : 0;
}

/* Everything but the range is the same for all parts. Lane stacks limit the block when they must wait for
 * the next unit; a chain waits in c itself, so its units may go over many blocks. */
static plan make_plan(const ib__gemm_tiles *tiles, const ib_gemm_args *g, size_t part, size_t parts) {
    plan p;
    size_t rows, cols;
    cut(tiles, g, part, parts, &p, &rows, &cols);
    size_t lanes = lanes_of(g), panel = (g->m == 1 ? IB__GEMM_WIDE : 2) * tiles->width;
    size_t unit_k = lanes > MANY_LANES ? smaller(tiles->unit_k, UNIT_MANY_LANES) : tiles->unit_k;
    size_t lane_k = ceil_div(g->k, lanes);
    p.lane_ends = lanes > 1 && lane_k > unit_k / 2;
    size_t chain = p.lane_ends ? lane_k : g->k;
    size_t units = larger(1, ceil_div(chain, unit_k));
    p.unit_k = larger(1, ceil_div(chain, units));
    p.slots = slots_for(lanes);
    p.one_stack = units == 1 && !p.lane_ends && lanes <= IB__GEMM_MOST_SEGMENTS;
    p.pairs = p.one_stack && lanes > 1 && tiles->pair_rows && g->m > 1;
    p.rows = p.pairs ? tiles->pair_rows : tiles->rows;
    p.panel = panel;

    bool waiting = p.slots && !p.one_stack;
    size_t most = waiting ? BLOCK_STACK : g->done ? BLOCK_DONE : SIZE_MAX;
    p.block_cols = smaller(BLOCK_COLUMNS, ceil_div(cols, panel) * panel);
    size_t block_rows = smaller(most / larger(panel, p.block_cols), tiles->block_a / p.unit_k);
    size_t down = ceil_div(rows, p.rows);
    p.block_tiles = smaller(larger(4, block_rows / p.rows), down);
    p.group_tiles = waiting ? p.block_tiles : down;
    choose_packing(tiles, g, rows, cols, &p);
    return p;
}

static size_t tile_floats(const ib__gemm_tiles *tiles) {
    return tiles->rows * 2 * tiles->width;
}
static size_t slot_floats(const ib__gemm_tiles *tiles, const plan *p) {
    size_t wide = ceil_div(p->block_cols, p->panel);
    return p->one_stack ? tile_floats(tiles) : p->group_tiles * wide * tile_floats(tiles);
}

/* A packed tile of a is followed by a vector of room for what packing writes behind it. */
static size_t floats_a(const ib__gemm_tiles *tiles, const plan *p) {
    return p->pack_a ? p->block_tiles * (tiles->rows * p->unit_k + tiles->width) : 0;
}
static size_t floats_b(const plan *p) {
    return (p->pack_b == AT_ONCE ? p->block_cols : p->panel) * p->unit_k;
}

static size_t tile_row(const job *j, size_t tile) {
    return j->p.row0 + (j->p.row1 - j->p.row0) * tile / j->tiles_down;
}

static float *packed_a(const job *j, const ib__gemm_unit *u, const block *at, size_t tile) {
    return j->a + (tile_row(j, tile) - tile_row(j, at->first)) * u->k + (tile - at->first) * j->tiles->width;
}

/* Packs the tiles of a block. Where a lies in columns, a few of them at a time, across all tiles. */
static void pack_a(const job *j, const ib__gemm_unit *u, const block *at) {
    const ib_gemm_args *g = j->g;
    size_t chunk = a_by_rows(g) ? larger(1, u->k) : CHUNK;
    for (size_t p = 0; p < u->k; p += chunk)
        for (size_t tile = at->first; tile < at->last; tile++) {
            size_t row = tile_row(j, tile), height = tile_row(j, tile + 1) - row;
            const float *x = g->a + row * g->a_row + (u->k0 + p) * g->a_col;
            float *y = packed_a(j, u, at, tile) + p * height;
            size_t steps = smaller(chunk, u->k - p);
            if (a_by_rows(g))
                j->tiles->pack_transpose(x, g->a_row, height, steps, y, height);
            else
                j->tiles->pack_copy(x, g->a_col, height, steps, y, height);
        }
}

/* Floats of a row of the packed panel: whole vectors. */
static size_t panel_row(const job *j, size_t width) {
    return ceil_div(width, j->tiles->width) * j->tiles->width;
}

/* Packs the panels of columns col0 .. col1 - 1, the same way. */
static void pack_b(const job *j, const ib__gemm_unit *u, size_t col0, size_t col1) {
    const ib_gemm_args *g = j->g;
    size_t panel = j->p.panel, chunk = g->b_col == 1 ? CHUNK : larger(1, u->k);
    for (size_t p = 0; p < u->k; p += chunk)
        for (size_t col = col0; col < col1; col += panel) {
            size_t width = smaller(panel, col1 - col), row = panel_row(j, width);
            const float *x = g->b + (u->k0 + p) * g->b_row + col * g->b_col;
            float *y = j->b + (col - col0) * u->k + p * row;
            size_t steps = smaller(chunk, u->k - p);
            if (g->b_col == 1)
                j->tiles->pack_copy(x, g->b_row, width, steps, y, row);
            else
                j->tiles->pack_transpose(x, g->b_col, width, steps, y, row);
        }
}

/* Between c and the buffer of a tile at the edge, or of any tile where c lies turned. */
static void fill_buffer(const job *j, const float *c, size_t height, size_t width) {
    size_t c_row = j->g->c_row, row = 2 * j->tiles->width;
    for (size_t i = 0; i < height; i++)
        for (size_t q = 0; q < width; q++)
            j->edge[i * row + q] = j->turned ? c[q * c_row + i] : c[i * c_row + q];
}
static void empty_buffer(const job *j, float *c, size_t height, size_t width) {
    size_t c_row = j->g->c_row, row = 2 * j->tiles->width;
    if (!j->turned)
        for (size_t i = 0; i < height; i++)
            memcpy(c + i * c_row, j->edge + i * row, width * sizeof(float));
    else
        for (size_t q = 0; q < width; q++)
            for (size_t i = 0; i < height; i++)
                c[q * c_row + i] = j->edge[i * row + q];
}

/* One unit of the tile at (row, col) of c; *t says where its a, b and stack lie. A tile that is not whole
 * vectors wide goes by way of a buffer. */
static void run_tile(const job *j, ib__gemm_tile *t, size_t row, size_t height, size_t col, size_t width) {
    const ib_gemm_args *g = j->g;
    const ib__gemm_unit *u = t->unit;
    size_t vectors = ceil_div(width, j->tiles->width);
    bool buffered = j->turned || width % j->tiles->width != 0;
    float *c = g->c + (j->turned ? col * g->c_row + row : row * g->c_row + col);
    t->c = buffered ? j->edge : c;
    t->tail = width - (vectors - 1) * j->tiles->width;
    t->c_row = buffered ? 2 * j->tiles->width : g->c_row;
    if (buffered && u->segments[0].last_lane && u->segments[0].go_on) fill_buffer(j, c, height, width);
    int mode = j->p.pack_a || !a_by_rows(g) ? IB__GEMM_COLUMNS : IB__GEMM_ROWS;
    if (j->g->m == 1)
        j->tiles->wide[vectors - 1](t);
    else
        (j->p.pairs ? j->tiles->pairs[mode][vectors - 1] : j->tiles->tile[mode][vectors - 1])[height - 1](t);
    if (buffered && u->segments[u->count - 1].last_lane) empty_buffer(j, c, height, width);
}

/* One unit of the tiles of a panel, columns col .. col + width - 1 of the block. */
static void run_panel(const job *j, const ib__gemm_unit *u, const block *at, size_t col, size_t width) {
    const ib_gemm_args *g = j->g;
    size_t panel = j->p.panel;
    ib__gemm_tile t = {.unit = u, .slot_size = j->slot_size, .stack = j->slots};
    if (!j->p.one_stack) t.stack += (col - at->col0) / panel * (at->last - at->first) * tile_floats(j->tiles);
    if (j->p.pack_b == IN_PLACE && (g->m == 1 || width % j->tiles->width == 0)) {
        t.b = g->b + u->k0 * g->b_row + col;
        t.b_step = g->b_row;
    } else {
        if (j->p.pack_b != AT_ONCE) pack_b(j, u, col, col + width);
        t.b = j->b + (j->p.pack_b == AT_ONCE ? (col - at->col0) * u->k : 0);
        t.b_step = panel_row(j, width);
    }
    for (size_t tile = at->first; tile < at->last; tile++) {
        size_t row = tile_row(j, tile), height = tile_row(j, tile + 1) - row;
        if (j->p.pack_a) {
            t.a = packed_a(j, u, at, tile);
            t.a_step = height;
        } else {
            t.a = g->a + row * g->a_row + u->k0 * g->a_col;
            t.a_step = g->m > 1 && a_by_rows(g) ? g->a_row : g->a_col;
        }
        run_tile(j, &t, row, height, col, width);
        if (!j->p.one_stack) t.stack += tile_floats(j->tiles);
    }
}

/* All units of a group of blocks below each other. */
static void run_group(const job *j, const block *group) {
    const ib_gemm_args *g = j->g;
    size_t tall = group->last - group->first, blocks = ceil_div(tall, j->p.block_tiles);
    ib__gemm_unit u;
    cursor walk = {0};
    while (next_unit(g, &j->p, &walk, &u)) {
        if (j->p.pack_b == AT_ONCE) pack_b(j, &u, group->col0, group->col1);
        for (size_t n = 0; n < blocks; n++) {
            block at = *group;
            at.first = group->first + tall * n / blocks;
            at.last = group->first + tall * (n + 1) / blocks;
            if (j->p.pack_a) pack_a(j, &u, &at);
            for (size_t col = at.col0; col < at.col1; col += j->p.panel)
                run_panel(j, &u, &at, col, smaller(j->p.panel, at.col1 - col));
            if (g->done && walk.lane == lanes_of(g))
                g->done(g->context, tile_row(j, at.first), tile_row(j, at.last), at.col0, at.col1, j->worker);
        }
    }
}

static void run_part(const ib__gemm_tiles *tiles, const ib_gemm_args *g, bool turned, size_t part,
                     size_t parts, void *scratch, size_t worker) {
    job j = {
        .tiles = tiles, .g = g, .p = make_plan(tiles, g, part, parts), .worker = worker, .turned = turned};
    const plan *p = &j.p;
    if (p->row0 == p->row1 || p->col0 == p->col1) return;
    j.tiles_down = ceil_div(p->row1 - p->row0, p->rows);
    j.slot_size = slot_floats(tiles, p);
    j.b = scratch;
    j.edge = j.b + floats_b(p);
    j.slots = j.edge + tile_floats(tiles);
    j.a = j.slots + p->slots * j.slot_size;

    size_t groups = ceil_div(j.tiles_down, p->group_tiles);
    for (size_t n = 0; n < groups; n++)
        for (size_t col = p->col0; col < p->col1; col += p->block_cols) {
            block group = {j.tiles_down * n / groups, j.tiles_down * (n + 1) / groups, col,
                           smaller(p->col1, col + p->block_cols)};
            run_group(&j, &group);
        }
}

/* The caller of a product that was turned round. */
static void done_turned(void *context, size_t row0, size_t row1, size_t col0, size_t col1, size_t worker) {
    const ib_gemm_args *g = context;
    g->done(g->context, col0, col1, row0, row1, worker);
}

/* Few columns leave most of a vector empty. c^T = b^T a^T has few rows instead, and its tiles fill whole
 * vectors: for one column, and for a few where a lies in columns, so that its numbers stand side by side for
 * it. */
static bool turn(const ib__gemm_tiles *tiles, const ib_gemm_args *g, ib_gemm_args *turned) {
    *turned = *g;
    bool few = g->n > 1 && g->n <= FEW_COLUMNS && g->a_row == 1 && g->m >= 4 * tiles->width;
    if (!few && (g->n != 1 || g->c_row != 1)) return false;
    turned->m = g->n;
    turned->n = g->m;
    turned->a = g->b;
    turned->a_row = g->b_col;
    turned->a_col = g->b_row;
    turned->b = g->a;
    turned->b_row = g->a_col;
    turned->b_col = g->a_row;
    turned->done = g->done ? done_turned : NULL;
    return true;
}

/* Enough whether done is set later or not. */
size_t ib__gemm_scratch(const ib__gemm_tiles *tiles, const ib_gemm_args *g, size_t parts) {
    ib_gemm_args turned;
    (void)turn(tiles, g, &turned);
    size_t floats = 0;
    for (int with_done = 0; with_done < 2; with_done++) {
        turned.done = with_done ? done_turned : NULL;
        plan p = make_plan(tiles, &turned, 0, parts);
        floats = larger(floats, floats_b(&p) + tile_floats(tiles) + p.slots * slot_floats(tiles, &p) +
                                    floats_a(tiles, &p));
    }
    return floats * sizeof(float);
}

void ib__gemm_part(const ib__gemm_tiles *tiles, const ib_gemm_args *g, size_t part, size_t parts,
                   void *scratch, size_t worker) {
    ib_gemm_args original = *g, args;
    bool turned = turn(tiles, g, &args);
    if (turned) args.context = &original;
    run_part(tiles, &args, turned && g->n > 1, part, parts, scratch, worker);
}

void ib__gemm_way(const ib__gemm_tiles *tiles, const ib_gemm_args *g, size_t parts, char text[IB_WAY_TEXT]) {
    static const char format[] = "%-10s %-7s %6s %-10s %-8s %-8s %s";
    static const char *const b[] = {"in place", "panels", "at once"};
    ib_gemm_args args;
    if (g == NULL) {
        (void)snprintf(text, IB_WAY_TEXT, format, "part", "tile", "unit", "block", "a", "b", "lanes");
        return;
    }
    bool turned = turn(tiles, g, &args);
    plan p = make_plan(tiles, &args, 0, parts);
    size_t rows = larger(1, p.row1 - p.row0), cols = p.col1 - p.col0, down = ceil_div(rows, p.rows);
    char part[24], tile[24], unit[24], block[24];
    (void)snprintf(part, sizeof part, "%zux%zu%s", rows, cols, turned ? "'" : "");
    (void)snprintf(tile, sizeof tile, "%zux%zu", ceil_div(rows, down), smaller(cols, p.panel));
    (void)snprintf(unit, sizeof unit, "%zu", p.unit_k);
    (void)snprintf(block, sizeof block, "%zux%zu", smaller(rows, p.block_tiles * p.rows),
                   smaller(cols, p.block_cols));
    (void)snprintf(text, IB_WAY_TEXT, format, part, tile, unit, block, p.pack_a ? "packed" : "in place",
                   b[p.pack_b],
                   !p.slots      ? ""
                   : p.pairs     ? "two at a time"
                   : p.one_stack ? "one after another"
                                 : "unit by unit");
}
