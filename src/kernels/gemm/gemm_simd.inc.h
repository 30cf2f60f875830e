/* SPDX-License-Identifier: Apache-2.0
 *
 * Tile kernels and packing for one instruction set. The file that includes this one defines
 *     VEC, WIDTH                      the vector type and its number of floats
 *     ZERO() LOAD(p) STORE(p, v) BROADCAST(p) ADD(a, b) FMA(a, b, c)
 *     LOAD_FIRST(p, count)            the first count < WIDTH floats, zeros behind; reads no others
 *     TRANSPOSE(rows)                 of VEC rows[WIDTH]
 *     ROWS                            rows of the tallest tile (at most WIDTH)
 *     EACH_ROW(X), EACH_HEIGHT(X)     X(0) .. X(ROWS-1), X(1) .. X(ROWS)
 *
 * Loops over rows are written out by EACH_ROW with constant indices, so that every compiler keeps the
 * accumulators in registers without being asked to unroll.
 */
#include "kernels/gemm/gemm.h"

#define INLINE static inline __attribute__((always_inline))

/* The tile kernel; height, two and by_rows are constants where it is inlined. Rows of a are reached from a
 * base pointer for every three rows, so that the addresses of all rows fit the general registers. */
INLINE void tile(const ib__gemm_tile *t, const int height, const bool two, const bool by_rows) {
    VEC acc[ROWS][2];
    const float *base[(ROWS + 2) / 3], *b = t->b;
    const size_t step = t->a_step, b_step = t->b_step;

#define BASE(i)                                                                                              \
    if (i < height && i % 3 == 0) base[i / 3] = t->a + (by_rows ? i * step : i);
    EACH_ROW(BASE)
#undef BASE

#define PREFETCH(i)                                                                                          \
    if (i < height) {                                                                                        \
        __builtin_prefetch(t->out + i * t->out_row, 1);                                                      \
        if (two) __builtin_prefetch(t->out + i * t->out_row + 2 * WIDTH - 1, 1);                             \
    }
    EACH_ROW(PREFETCH)
#undef PREFETCH

#define START(i)                                                                                             \
    if (i < height) {                                                                                        \
        acc[i][0] = t->in ? LOAD(t->in + i * t->in_row) : ZERO();                                            \
        if (two) acc[i][1] = t->in ? LOAD(t->in + i * t->in_row + WIDTH) : ZERO();                           \
    }
    EACH_ROW(START)
#undef START

    for (size_t p = t->k; p; p--) {
        VEC b0 = LOAD(b), b1 = two ? LOAD(b + WIDTH) : ZERO();
#define STEP(i)                                                                                              \
    if (i < height) {                                                                                        \
        VEC x = BROADCAST(base[i / 3] + (by_rows ? i % 3 * step : i % 3));                                   \
        acc[i][0] = FMA(x, b0, acc[i][0]);                                                                   \
        if (two) acc[i][1] = FMA(x, b1, acc[i][1]);                                                          \
    }
        EACH_ROW(STEP)
#undef STEP
#define ADVANCE(i)                                                                                           \
    if (i < height && i % 3 == 0) base[i / 3] += by_rows ? 1 : step;
        EACH_ROW(ADVANCE)
#undef ADVANCE
        b += b_step;
    }

    const float *level = t->level;
    for (size_t l = t->levels; l; l--, level -= t->level_size) {
#define ADD_LEVEL(i)                                                                                         \
    if (i < height) {                                                                                        \
        acc[i][0] = ADD(LOAD(level + i * t->level_row), acc[i][0]);                                          \
        if (two) acc[i][1] = ADD(LOAD(level + i * t->level_row + WIDTH), acc[i][1]);                         \
    }
        EACH_ROW(ADD_LEVEL)
#undef ADD_LEVEL
    }

#define FINISH(i)                                                                                            \
    if (i < height) {                                                                                        \
        STORE(t->out + i * t->out_row, acc[i][0]);                                                           \
        if (two) STORE(t->out + i * t->out_row + WIDTH, acc[i][1]);                                          \
    }
    EACH_ROW(FINISH)
#undef FINISH
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

static void pack_copy(const float *x, size_t x_step, size_t count, size_t k, float *y, size_t y_step) {
    for (size_t p = 0; p < k; p++, x += x_step, y += y_step) {
        size_t i = 0;
        for (; i + WIDTH <= count; i += WIDTH)
            STORE(y + i, LOAD(x + i));
        if (i < count) STORE(y + i, LOAD_FIRST(x + i, count - i));
    }
}

static void pack_transpose(const float *x, size_t x_step, size_t count, size_t k, float *y, size_t y_step) {
    for (size_t p = 0; p < k; p += WIDTH) {
        size_t steps = k - p < WIDTH ? k - p : WIDTH;
        for (size_t i = 0; i < count; i += WIDTH) {
            VEC rows[WIDTH];
            for (size_t r = 0; r < WIDTH; r++) {
                const float *row = x + (i + r) * x_step + p;
                if (i + r >= count)
                    rows[r] = ZERO();
                else
                    rows[r] = steps == WIDTH ? LOAD(row) : LOAD_FIRST(row, steps);
            }
            TRANSPOSE(rows);
            for (size_t s = 0; s < steps; s++)
                STORE(y + (p + s) * y_step + i, rows[s]);
        }
    }
}

#define COLUMNS_X1(height) columns_##height##x1,
#define COLUMNS_X2(height) columns_##height##x2,
#define ROWS_X1(height) rows_##height##x1,
#define ROWS_X2(height) rows_##height##x2,
static const ib__gemm_tiles tiles = {
    .rows = ROWS,
    .width = WIDTH,
    .tile = {{{EACH_HEIGHT(COLUMNS_X1)}, {EACH_HEIGHT(COLUMNS_X2)}},
             {{EACH_HEIGHT(ROWS_X1)}, {EACH_HEIGHT(ROWS_X2)}}},
    .pack_copy = pack_copy,
    .pack_transpose = pack_transpose,
};
