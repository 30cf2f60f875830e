/* SPDX-License-Identifier: Apache-2.0
 *
 * Tile kernels and packing for one instruction set, over the vectors of simd/vec.h. The file that includes
 * this one defines
 *     LOAD_FIRST(p, count)            the first count < WIDTH floats, zeros behind; reads no others
 *     TRANSPOSE(rows)                 of VEC rows[WIDTH]
 *     C_ROWS                          rows of c that are asked for at one go
 *     ROWS                            rows of the tallest tile (at most WIDTH)
 *     A_IN_PLACE, B_IN_PLACE, UNIT_K, BLOCK_A  see gemm.h
 *     EACH_ROW(X), EACH_HEIGHT(X)     X(0) .. X(ROWS-1), X(1) .. X(ROWS)
 * and, where there are registers enough for two lanes of a tile (at most ROWS / 2 rows),
 *     PAIR_ROWS, EACH_PAIR_HEIGHT(X)  rows of the tallest one, X(1) .. X(PAIR_ROWS)
 *
 * Loops over rows are written out by EACH_ROW with constant indices, so that every compiler keeps the
 * accumulators in registers without being asked to unroll.
 */
#include "kernels/gemm/gemm.h"
#include "kernels/simd/vec.h"

enum { PIECE = 16 }; /* steps of the chain between some rows of c and the next */

/* The pieces of the tile kernel, each for row i; height, two and by_rows are constants where it is inlined.
 */
#define BASE(i)                                                                                              \
    if (i < height && i % 3 == 0) base[i / 3] = t->a + (by_rows ? i * step : i);
#define START(i)                                                                                             \
    if (i < height) acc[i][0] = acc[i][1] = ZERO();
#define CONTINUE(i)                                                                                          \
    if (i < height) {                                                                                        \
        acc[i][0] = LOAD(in);                                                                                \
        if (two) acc[i][1] = LOAD(in + WIDTH);                                                               \
        in += in_row;                                                                                        \
    }
#define STEP(i)                                                                                              \
    if (i < height) {                                                                                        \
        VEC x = BROADCAST(base[i / 3] + (by_rows ? i % 3 * step : i % 3));                                   \
        acc[i][0] = FMA(x, b0, acc[i][0]);                                                                   \
        if (two) acc[i][1] = FMA(x, b1, acc[i][1]);                                                          \
    }
#define ADVANCE(i)                                                                                           \
    if (i < height && i % 3 == 0) base[i / 3] += by_rows ? 1 : step;
#define ADD_LEVEL(i)                                                                                         \
    if (i < height) {                                                                                        \
        acc[i][0] = ADD(LOAD(level + i * 2 * WIDTH), acc[i][0]);                                             \
        if (two) acc[i][1] = ADD(LOAD(level + i * 2 * WIDTH + WIDTH), acc[i][1]);                            \
    }
#define FINISH(i)                                                                                            \
    if (i < height) {                                                                                        \
        STORE(out, acc[i][0]);                                                                               \
        if (two) STORE(out + WIDTH, acc[i][1]);                                                              \
        out += out_row;                                                                                      \
    }
#define FINISH_AND_STEP(i) FINISH(i) START(i) STEP(i)

#define FETCH_C                                                                                              \
    for (size_t n_c = C_ROWS; n_c && c_left; n_c--, c_left--, c += c_row) {                                  \
        __builtin_prefetch(c, 1);                                                                            \
        if (two) __builtin_prefetch(c + 2 * WIDTH - 1, 1);                                                   \
    }

#define LOAD_B                                                                                               \
    const VEC b0 = LOAD(b), b1 = two ? LOAD(b + WIDTH) : b0;                                                 \
    FETCH(b + 16 * b_step, two)                                                                              \
    b += b_step;

/* Steps of the chain. A tile asks for its rows of c little by little: all of them at its beginning would
 * stand in the way of the a and b that it waits for. */
#define CHAIN(count)                                                                                         \
    for (size_t left = count, n; left; left -= n) {                                                          \
        n = c_left && left > PIECE ? PIECE : left;                                                           \
        FETCH_C                                                                                              \
        for (size_t q = n; q; q--) {                                                                         \
            LOAD_B                                                                                           \
            EACH_ROW(STEP)                                                                                   \
            EACH_ROW(ADVANCE)                                                                                \
        }                                                                                                    \
    }

/* The tile kernel. Rows of a are reached from a base pointer for every three rows, so that the addresses of
 * all rows fit the general registers. a and b of one segment follow those of the segment before. Between two
 * segments the stores of one go with the first step of the next, which hides them. */
INLINE void tile(const ib__gemm_tile *t, const int height, const bool two, const bool by_rows) {
    VEC acc[ROWS][2];
    const float *base[(ROWS + 2) / 3], *b = t->b;
    const size_t step = t->a_step, b_step = t->b_step, c_row = t->c_row, slot_size = t->slot_size;
    const ib__gemm_segment *segment = t->unit->segments, *last = segment + t->unit->count - 1;
    EACH_ROW(BASE)
    const float *c = t->c;
    size_t c_left = last->last_lane ? (size_t)height : 0;
    if (segment->go_on) {
        const float *in = segment->last_lane ? t->c : t->stack + segment->slot * slot_size;
        const size_t in_row = segment->last_lane ? c_row : 2 * WIDTH;
        EACH_ROW(CONTINUE)
    } else {
        EACH_ROW(START)
    }
    for (size_t steps = segment->k;; segment++) {
        CHAIN(steps)
        const float *level = t->stack + segment->slot * slot_size;
        for (size_t l = segment->levels; l; l--) {
            level -= slot_size;
            EACH_ROW(ADD_LEVEL)
        }
        if (segment == last) break;
        float *out = t->stack + segment->to * slot_size;
        const size_t out_row = 2 * WIDTH;
        if (segment[1].k) {
            LOAD_B
            EACH_ROW(FINISH_AND_STEP)
            EACH_ROW(ADVANCE)
            steps = segment[1].k - 1;
        } else {
            EACH_ROW(FINISH)
            EACH_ROW(START)
            steps = 0;
        }
    }
    float *out = last->last_lane ? t->c : t->stack + last->to * slot_size;
    const size_t out_row = last->last_lane ? c_row : 2 * WIDTH;
    EACH_ROW(FINISH)
}

#define TILES_OF_HEIGHT(height)                                                                              \
    static void columns_##height##x1(const ib__gemm_tile *t) {                                               \
        tile(t, height, false, false);                                                                       \
    }                                                                                                        \
    static void columns_##height##x2(const ib__gemm_tile *t) {                                               \
        tile(t, height, true, false);                                                                        \
    }                                                                                                        \
    static void rows_##height##x1(const ib__gemm_tile *t) {                                                  \
        tile(t, height, false, true);                                                                        \
    }                                                                                                        \
    static void rows_##height##x2(const ib__gemm_tile *t) {                                                  \
        tile(t, height, true, true);                                                                         \
    }
EACH_HEIGHT(TILES_OF_HEIGHT)
#ifdef PAIR_ROWS
#define KEEP(i)                                                                                              \
    if (i < height) {                                                                                        \
        left[i][0] = acc[i][0];                                                                              \
        left[i][1] = acc[i][1];                                                                              \
    }
#define ADD_KEPT(i)                                                                                          \
    if (i < height) {                                                                                        \
        acc[i][0] = ADD(left[i][0], acc[i][0]);                                                              \
        if (two) acc[i][1] = ADD(left[i][1], acc[i][1]);                                                     \
    }

/* The same for a unit of whole lanes, of at most PAIR_ROWS rows: lanes 2q and 2q + 1 are added in registers,
 * so that every other sum is neither stored nor loaded. Stores between lanes cost the most there. */
INLINE void pair_tile(const ib__gemm_tile *t, const int height, const bool two, const bool by_rows) {
    VEC acc[ROWS][2], left[ROWS][2];
    const float *base[(ROWS + 2) / 3], *b = t->b;
    const size_t step = t->a_step, b_step = t->b_step, c_row = t->c_row, slot_size = t->slot_size;
    const ib__gemm_segment *segment = t->unit->segments, *last = segment + t->unit->count - 1;
    EACH_ROW(BASE)
    const float *c = t->c;
    size_t c_left = (size_t)height;
    for (;; segment++) {
        size_t kept = 0;
        EACH_ROW(START)
        CHAIN(segment->k)
        if (segment != last) {
            segment++;
            kept = 1;
            EACH_ROW(KEEP)
            EACH_ROW(START)
            CHAIN(segment->k)
            EACH_ROW(ADD_KEPT)
        }
        const float *level = t->stack + (segment->slot - kept) * slot_size;
        for (size_t l = segment->levels - kept; l; l--) {
            level -= slot_size;
            EACH_ROW(ADD_LEVEL)
        }
        if (segment == last) break;
        float *out = t->stack + segment->to * slot_size;
        const size_t out_row = 2 * WIDTH;
        EACH_ROW(FINISH)
    }
    float *out = t->c;
    const size_t out_row = c_row;
    EACH_ROW(FINISH)
}

#define PAIRS_OF_HEIGHT(height)                                                                              \
    static void pair_columns_##height##x1(const ib__gemm_tile *t) {                                          \
        pair_tile(t, height, false, false);                                                                  \
    }                                                                                                        \
    static void pair_columns_##height##x2(const ib__gemm_tile *t) {                                          \
        pair_tile(t, height, true, false);                                                                   \
    }                                                                                                        \
    static void pair_rows_##height##x1(const ib__gemm_tile *t) {                                             \
        pair_tile(t, height, false, true);                                                                   \
    }                                                                                                        \
    static void pair_rows_##height##x2(const ib__gemm_tile *t) {                                             \
        pair_tile(t, height, true, true);                                                                    \
    }
EACH_PAIR_HEIGHT(PAIRS_OF_HEIGHT)
#endif

/* In steps. Of rows that lie 2 KiB apart 16 would fill their sets of the level 1 cache. */
enum { WIDE_AHEAD = 4 };

/* The segments of a unit for one row and many vectors: two would be two chains, whose steps wait for each
 * other. The last vector reads `tail` columns. */
INLINE void wide_tile(const ib__gemm_tile *t, const int vectors) {
    VEC acc[IB__GEMM_WIDE];
    const float *a = t->a, *b = t->b;
    const size_t a_step = t->a_step, b_step = t->b_step, slot_size = t->slot_size, tail = t->tail;
    const ib__gemm_segment *segment = t->unit->segments, *last = segment + t->unit->count - 1;
    for (;; segment++) {
        const float *in = segment->last_lane ? t->c : t->stack + segment->slot * slot_size;
        UNROLL
        for (int v = 0; v < vectors; v++)
            acc[v] = segment->go_on ? LOAD(in + v * WIDTH) : ZERO();
        for (size_t p = segment->k; p; p--) {
            const VEC x = BROADCAST(a);
            UNROLL
            for (int v = 0; v < vectors; v++) {
                __builtin_prefetch(b + WIDE_AHEAD * b_step + v * WIDTH);
                const float *y = b + v * WIDTH;
                acc[v] = FMA(x, v + 1 < vectors ? LOAD(y) : LOAD_FIRST(y, tail), acc[v]);
            }
            a += a_step;
            b += b_step;
        }
        const float *level = t->stack + segment->slot * slot_size;
        for (size_t l = segment->levels; l; l--) {
            level -= slot_size;
            UNROLL
            for (int v = 0; v < vectors; v++)
                acc[v] = ADD(LOAD(level + v * WIDTH), acc[v]);
        }
        float *out = segment->last_lane ? t->c : t->stack + segment->to * slot_size;
        UNROLL
        for (int v = 0; v < vectors; v++)
            STORE(out + v * WIDTH, acc[v]);
        if (segment == last) break;
    }
}

#define EACH_WIDTH(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define WIDE(vectors)                                                                                        \
    static void wide_##vectors(const ib__gemm_tile *t) {                                                     \
        wide_tile(t, vectors);                                                                               \
    }
EACH_WIDTH(WIDE)

static void pack_copy(const float *x, size_t x_step, size_t count, size_t k, float *y, size_t y_step) {
    for (size_t p = 0; p < k; p++, x += x_step, y += y_step) {
        size_t i = 0;
        for (; i + WIDTH <= count; i += WIDTH)
            STORE(y + i, LOAD(x + i));
        if (i < count) STORE(y + i, LOAD_FIRST(x + i, count - i));
    }
}

/* The first `steps` columns of WIDTH rows at x_row[.] + p, as rows of y. */
INLINE void transpose_block(const float *const *x_row, size_t p, size_t steps, float *y, size_t y_step,
                            const bool whole) {
    VEC r[WIDTH];
    UNROLL
    for (size_t i = 0; i < WIDTH; i++)
        r[i] = whole ? LOAD(x_row[i] + p) : LOAD_FIRST(x_row[i] + p, steps);
    TRANSPOSE(r);
    UNROLL
    for (size_t i = 0; i < WIDTH; i++)
        if (whole || i < steps) STORE(y + i * y_step, r[i]);
}

static void pack_transpose(const float *x, size_t x_step, size_t count, size_t k, float *y, size_t y_step) {
    for (size_t i = 0; i < count; i += WIDTH) {
        const float *x_row[WIDTH];
        for (size_t r = 0; r < WIDTH; r++)
            x_row[r] = x + (i + r < count ? i + r : count - 1) * x_step;
        size_t p = 0;
        for (; p + WIDTH <= k; p += WIDTH)
            transpose_block(x_row, p, WIDTH, y + p * y_step + i, y_step, true);
        if (p < k) transpose_block(x_row, p, k - p, y + p * y_step + i, y_step, false);
    }
}

#define WIDE_NAME(vectors) wide_##vectors,
#define COLUMNS_X1(height) columns_##height##x1,
#define COLUMNS_X2(height) columns_##height##x2,
#define ROWS_X1(height) rows_##height##x1,
#define ROWS_X2(height) rows_##height##x2,
#ifdef PAIR_ROWS
#define PAIR_COLUMNS_X1(height) pair_columns_##height##x1,
#define PAIR_COLUMNS_X2(height) pair_columns_##height##x2,
#define PAIR_ROWS_X1(height) pair_rows_##height##x1,
#define PAIR_ROWS_X2(height) pair_rows_##height##x2,
#endif
static const ib__gemm_tiles tiles = {
    .rows = ROWS,
    .width = WIDTH,
    .a_in_place = A_IN_PLACE,
    .b_in_place = B_IN_PLACE,
    .unit_k = UNIT_K,
    .block_a = BLOCK_A,
    .tile = {{{EACH_HEIGHT(COLUMNS_X1)}, {EACH_HEIGHT(COLUMNS_X2)}},
             {{EACH_HEIGHT(ROWS_X1)}, {EACH_HEIGHT(ROWS_X2)}}},
#ifdef PAIR_ROWS
    .pair_rows = PAIR_ROWS,
    .pairs = {{{EACH_PAIR_HEIGHT(PAIR_COLUMNS_X1)}, {EACH_PAIR_HEIGHT(PAIR_COLUMNS_X2)}},
              {{EACH_PAIR_HEIGHT(PAIR_ROWS_X1)}, {EACH_PAIR_HEIGHT(PAIR_ROWS_X2)}}},
#endif
    .wide = {EACH_WIDTH(WIDE_NAME)},
    .pack_copy = pack_copy,
    .pack_transpose = pack_transpose,
};
