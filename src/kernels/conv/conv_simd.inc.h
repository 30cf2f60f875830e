/* SPDX-License-Identifier: Apache-2.0
 *
 * Tile kernels of the convolution for one instruction set, over the vectors of simd/vec.h. The file that
 * includes this one defines
 *     MASK, MASK_OF(count)            the first count <= WIDTH floats
 *     LOAD_MASKED(p, mask) STORE_MASKED(p, mask, v)    touch no other floats
 *     FETCH_X(p)                      asks for the number of x at p, which the next line of a tile reads
 *     EACH_ROW(X), ROWS               X(0) .. X(ROWS-1): rows of the tallest tile
 *     EACH_HEIGHT_1(X), EACH_HEIGHT_2(X)   X(1) .. X(the tallest tile one, two vectors wide)
 *     EACH_SWEEP_1(X), EACH_SWEEP_3(X)     X(1) .. X(channels of the highest sweep of one, three tap rows)
 *     EACH_PIXEL(X), PIXELS, EACH_PIXEL_HEIGHT_1(X)   the same for pixels, in tiles that may be taller
 *
 * Loops over rows are written out by EACH_ROW with constant indices, so that every compiler keeps the
 * accumulators in registers without being asked to unroll.
 */
#include "kernels/conv/conv.h"
#include "kernels/simd/vec.h"

/* height, two and by_channel are constants where these are inlined. Pixels are reached from a base pointer
 * for every three or five, so that the addresses fit the general registers. */
INLINE void pixels(const ib__conv_tile *t, const int height, const bool two, const bool by_channel) {
    VEC acc[PIXELS][2];
    const float *base[(PIXELS + 2) / 3];
    const size_t step = t->x_step, next_step = t->next_step, group = height > 12 ? 5 : 3;
    const float *next = t->x + t->next;
    const MASK mask = MASK_OF(two ? WIDTH : t->width);
#define START(i)                                                                                             \
    if (i < height) acc[i][0] = acc[i][1] = ZERO();
    EACH_PIXEL(START)
    for (const ib__conv_tap *tap = t->taps, *end = tap + t->count; tap != end; tap++) {
        const float *x = t->x + tap->x;
        const float *k = t->k + tap->k * (two ? 2 * WIDTH : WIDTH);
#define BASE(i)                                                                                              \
    if (i < height && i % group == 0) base[i / group] = x + i * step;
        EACH_PIXEL(BASE)
        for (size_t p = tap->length; p; p--) {
            VEC k0 = LOAD(k), k1 = two ? LOAD(k + WIDTH) : ZERO();
            if (!by_channel) {
                FETCH_X(next)
                next += next_step;
            }
            FETCH(k + 16 * (two ? 2 * WIDTH : WIDTH), two)
#define STEP(i)                                                                                              \
    if (i < height) {                                                                                        \
        const float *at = base[i / group] + i % group * step;                                                \
        VEC x0 = !by_channel ? BROADCAST(at) : two ? LOAD(at) : LOAD_MASKED(at, mask);                       \
        acc[i][0] = FMA(x0, k0, acc[i][0]);                                                                  \
        if (two) acc[i][1] = FMA(by_channel ? LOAD(at + WIDTH) : x0, k1, acc[i][1]);                         \
    }
            EACH_PIXEL(STEP)
#define ADVANCE(i)                                                                                           \
    if (i < height && i % group == 0) base[i / group]++;
            EACH_PIXEL(ADVANCE)
            k += two ? 2 * WIDTH : WIDTH;
        }
    }
    float *y = t->y;
    const size_t y_step = t->y_step;
#define FINISH(i)                                                                                            \
    if (i < height) {                                                                                        \
        if (two) {                                                                                           \
            STORE(y, acc[i][0]);                                                                             \
            STORE(y + WIDTH, acc[i][1]);                                                                     \
        } else                                                                                               \
            STORE_MASKED(y, mask, acc[i][0]);                                                                \
        y += y_step;                                                                                         \
    }
    EACH_PIXEL(FINISH)
}

#define SLIDE_START(i)                                                                                       \
    if (i < height) acc[i] = ZERO();
/* A row that there is; the condition beside it says whether it is meant. */
#define SLIDE_ROW(i) ((i) < 0 ? 0 : (i) < ROWS ? (i) : ROWS - 1)
/* Every compiler wants an index inside of the array, also where the pixel is none. */
#define SLIDE_AT(i) ((i) < 0 || (i) >= ROWS ? 0 : (i))
#define SLIDE_TAP(i, tap)                                                                                    \
    if (i >= 0 && i < height) acc[SLIDE_AT(i)] = FMA(x0, tap, acc[SLIDE_AT(i)]);
#define SLIDE_COLUMN(j)                                                                                      \
    if (j < height + 2 && (j >= 2 || j >= first) && (j < height || j < end)) {                               \
        VEC x0 = whole ? LOAD(x + (j)*step) : LOAD_MASKED(x + (j)*step, mask);                               \
        SLIDE_TAP(j, k0)                                                                                     \
        SLIDE_TAP(j - 1, k1)                                                                                 \
        SLIDE_TAP(j - 2, k2)                                                                                 \
    }
#define SLIDE_FINISH(i)                                                                                      \
    if (i < height) {                                                                                        \
        if (whole)                                                                                           \
            STORE(y, acc[i]);                                                                                \
        else                                                                                                 \
            STORE_MASKED(y, mask, acc[i]);                                                                   \
        y += step;                                                                                           \
    }

#define SLIDE_FETCH(i)                                                                                       \
    if (i < height) {                                                                                        \
        __builtin_prefetch(next_x + i * step);                                                               \
        __builtin_prefetch(next_y + i * step, 1);                                                            \
    }

/* The vector of channels from number c on, of one line. */
INLINE void slide(const ib__conv_slide *t, size_t line, size_t c, const int height, const bool whole) {
    VEC acc[ROWS];
    const ptrdiff_t step = t->x_step;
    const size_t k_step = t->k_step;
    const int first = (int)t->first, end = (int)t->end;
    const MASK mask = MASK_OF(whole ? WIDTH : t->channels - c);
    const ib__conv_tap *last = t->taps + t->count;
    if (t->fetch) {
        const float *next_x = t->x + (line + 1) * t->x_line + t->fetch->x + c;
        const float *next_y = t->y + (line + 1) * t->y_line + c;
        EACH_ROW(SLIDE_FETCH)
    }
    EACH_ROW(SLIDE_START)
    for (const ib__conv_tap *tap = t->taps; tap != last; tap += IB__CONV_SLIDE_TAPS) {
        const float *x = t->x + line * t->x_line + tap->x + c, *k = t->k + tap->k * k_step + c;
        const VEC k0 = LOAD(k), k1 = LOAD(k + k_step), k2 = LOAD(k + 2 * k_step);
        EACH_ROW(SLIDE_COLUMN)
        SLIDE_COLUMN(ROWS)
        SLIDE_COLUMN(ROWS + 1)
    }
    float *y = t->y + line * t->y_line + c;
    EACH_ROW(SLIDE_FINISH)
}

/* One output pixel: element i takes part if it lies inside, which `test` asks. */
#define WEIGHTS_PIXEL(test)                                                                                  \
    {                                                                                                        \
        VEC d0 = two ? LOAD(d) : LOAD_MASKED(d, mask), d1 = two ? LOAD(d + WIDTH) : ZERO();                  \
        EACH_ROW(test)                                                                                       \
        a += x_col;                                                                                          \
        d += dy_col;                                                                                         \
    }
#define ELEMENT(i)                                                                                           \
    if (i < height) {                                                                                        \
        const float *at = by_channel ? a + i * element : a + i;                                              \
        VEC x0 = !by_channel ? BROADCAST(at) : two ? LOAD(at) : LOAD_MASKED(at, mask);                       \
        acc[i][0] = FMA(x0, d0, acc[i][0]);                                                                  \
        if (two) acc[i][1] = FMA(by_channel ? LOAD(at + WIDTH) : x0, d1, acc[i][1]);                         \
    }
#define ELEMENT_INSIDE(i)                                                                                    \
    if (i < height && col - t->col[i] < t->cols[i]) ELEMENT(i)

INLINE void weights(const ib__conv_weights_tile *t, const ib__conv_weights_steps *s,
                    const ib__conv_weights_band *band, const int height, const bool two,
                    const bool by_channel) {
    VEC acc[ROWS][2];
    const size_t x_col = s->x_col, dy_col = s->dy_col, element = s->x_element;
    const MASK mask = MASK_OF(two ? WIDTH : t->width);
    const size_t top = t->row, plane = band->plane - t->plane, rows = plane < t->planes ? t->rows : 0;
    const size_t first = band->row0 > top ? band->row0 : top;
    const size_t end = band->row1 < top + rows ? band->row1 : top + rows;
#define RESUME(i)                                                                                            \
    if (i < height) {                                                                                        \
        acc[i][0] = LOAD(from + i * (two ? 2 * WIDTH : WIDTH));                                              \
        if (two) acc[i][1] = LOAD(from + i * 2 * WIDTH + WIDTH);                                             \
    }
    if (band->resume) {
        const float *from = band->chain + t->slot;
        EACH_ROW(RESUME)
    } else {
        EACH_ROW(START)
    }
    const float *x = band->x, *dy = band->dy;
    if (first < end) {
        x += t->x + (ptrdiff_t)(plane * s->x_plane + (first - top) * s->x_row);
        dy += t->dy + plane * s->dy_plane + (first - top) * s->dy_row;
    }
    for (size_t row = first; row < end; row++, x += s->x_row, dy += s->dy_row) {
        const float *a = x, *d = dy;
        size_t col = t->first;
        for (size_t n = t->left; n; n--, col++)
            WEIGHTS_PIXEL(ELEMENT_INSIDE)
        for (size_t n = t->core; n; n--)
            WEIGHTS_PIXEL(ELEMENT)
        col += t->core;
        for (size_t n = t->right; n; n--, col++)
            WEIGHTS_PIXEL(ELEMENT_INSIDE)
    }
    float *to = (band->pause ? band->chain : band->slot) + t->slot;
    if (band->add && !band->pause) {
#define ADD_SLOT(i)                                                                                          \
    if (i < height) {                                                                                        \
        acc[i][0] = ADD(LOAD(to + i * (two ? 2 * WIDTH : WIDTH)), acc[i][0]);                                \
        if (two) acc[i][1] = ADD(LOAD(to + i * 2 * WIDTH + WIDTH), acc[i][1]);                               \
    }
        EACH_ROW(ADD_SLOT)
    }
#define STORE_SLOT(i)                                                                                        \
    if (i < height) {                                                                                        \
        STORE(to + i * (two ? 2 * WIDTH : WIDTH), acc[i][0]);                                                \
        if (two) STORE(to + i * 2 * WIDTH + WIDTH, acc[i][1]);                                               \
    }
    EACH_ROW(STORE_SLOT)
}

/* ---- Kernel gradient, all taps of a row in a tile ---- */

enum {
    SWEEP_CHANNELS = 8, /* of the highest sweep */
    SWEEP_AHEAD = 8     /* places of a row from one that is read to one that is fetched for it */
};

#define SWEEP_EACH(X)                                                                                        \
    X(0, 0)                                                                                                  \
    X(0, 1) X(0, 2) X(0, 3) X(0, 4) X(0, 5) X(0, 6) X(0, 7) X(1, 0) X(1, 1) X(1, 2) X(2, 0) X(2, 1) X(2, 2)
#define SWEEP_LOAD(at) (by_channel ? LOAD_MASKED(at, mask) : BROADCAST(at))
#define SWEEP_FMA(u, c, tap, value) acc[u][tap][c] = FMA(value, d##tap, acc[u][tap][c]);
#define SWEEP_TAP(u, c, tap)                                                                                 \
    if (u < lines && c < channels && in##u) SWEEP_FMA(u, c, tap, SWEEP_LOAD(a + u * x_line + c))
#define SWEEP_TAP_0(u, c) SWEEP_TAP(u, c, 0)
#define SWEEP_TAP_1(u, c) SWEEP_TAP(u, c, 1)
#define SWEEP_TAP_2(u, c) SWEEP_TAP(u, c, 2)
#define SWEEP_TAPS(u, c)                                                                                     \
    if (u < lines && c < channels && in##u) {                                                                \
        const VEC x0 = SWEEP_LOAD(a + u * x_line + c);                                                       \
        SWEEP_FMA(u, c, 0, x0)                                                                               \
        SWEEP_FMA(u, c, 1, x0)                                                                               \
        SWEEP_FMA(u, c, 2, x0)                                                                               \
    }
#define SWEEP_FETCH                                                                                          \
    __builtin_prefetch(a + (size_t)(lines - 1) * x_line + SWEEP_AHEAD * x_col);                              \
    __builtin_prefetch(d + SWEEP_AHEAD * dy_col);                                                            \
    __builtin_prefetch(next_x.at, 0, 2);                                                                     \
    __builtin_prefetch(next_dy.at, 0, 2);                                                                    \
    next_x.at += next_x.step;                                                                                \
    next_dy.at += next_dy.step;
/* A row of which the tap rows that are `in` lie inside. d0, d1, d2: what taps 0, 1, 2 read in dy at this
 * column of x; columns that not all taps reach come before and behind the others. */
#define SWEEP_ROW(i0, i1, i2)                                                                                \
    {                                                                                                        \
        const bool in0 = i0, in1 = i1, in2 = i2;                                                             \
        const float *a = x, *d = dy + 2 * dy_col;                                                            \
        VEC d0 = LOAD_MASKED(dy, mask), d1 = LOAD_MASKED(dy + dy_col, mask), d2;                             \
        if (before > 1) {                                                                                    \
            SWEEP_EACH(SWEEP_TAP_0)                                                                          \
            a += x_col;                                                                                      \
        }                                                                                                    \
        d2 = d0, d0 = d1, d1 = d2;                                                                           \
        if (before > 0) {                                                                                    \
            SWEEP_EACH(SWEEP_TAP_0)                                                                          \
            SWEEP_EACH(SWEEP_TAP_1)                                                                          \
            a += x_col;                                                                                      \
        }                                                                                                    \
        for (size_t n = core; n; n--) {                                                                      \
            d2 = d1;                                                                                         \
            d1 = d0;                                                                                         \
            d0 = LOAD_MASKED(d, mask);                                                                       \
            SWEEP_FETCH                                                                                      \
            SWEEP_EACH(SWEEP_TAPS)                                                                           \
            a += x_col;                                                                                      \
            d += dy_col;                                                                                     \
        }                                                                                                    \
        d2 = d1, d1 = d0;                                                                                    \
        if (behind > 0) {                                                                                    \
            SWEEP_EACH(SWEEP_TAP_1)                                                                          \
            SWEEP_EACH(SWEEP_TAP_2)                                                                          \
            a += x_col;                                                                                      \
        }                                                                                                    \
        d2 = d1;                                                                                             \
        if (behind > 1) {                                                                                    \
            SWEEP_EACH(SWEEP_TAP_2)                                                                          \
        }                                                                                                    \
    }
#define SWEEP_AT(u, c, tap) (((u)*3 + (tap)) * channels + (c)) * WIDTH
#define SWEEP_OF_TAPS(X, u, c)                                                                               \
    if (u < lines && c < channels) {                                                                         \
        X(u, c, 0)                                                                                           \
        X(u, c, 1)                                                                                           \
        X(u, c, 2)                                                                                           \
    }
#define SWEEP_START_TAP(u, c, tap) acc[u][tap][c] = ZERO();
#define SWEEP_RESUME_TAP(u, c, tap) acc[u][tap][c] = LOAD(chain + SWEEP_AT(u, c, tap));
#define SWEEP_ADD_TAP(u, c, tap) acc[u][tap][c] = ADD(LOAD(to + SWEEP_AT(u, c, tap)), acc[u][tap][c]);
#define SWEEP_STORE_TAP(u, c, tap) STORE(to + SWEEP_AT(u, c, tap), acc[u][tap][c]);
#define SWEEP_START(u, c) SWEEP_OF_TAPS(SWEEP_START_TAP, u, c)
#define SWEEP_RESUME(u, c) SWEEP_OF_TAPS(SWEEP_RESUME_TAP, u, c)
#define SWEEP_ADD(u, c) SWEEP_OF_TAPS(SWEEP_ADD_TAP, u, c)
#define SWEEP_STORE(u, c) SWEEP_OF_TAPS(SWEEP_STORE_TAP, u, c)
#define SWEEP_IN(u) (row - t->line_row[u] < t->line_rows[u])

INLINE void sweep(const ib__conv_weights_tile *t, const ib__conv_weights_steps *s,
                  const ib__conv_weights_band *band, const int lines, const int channels,
                  const bool by_channel) {
    VEC acc[IB__CONV_SWEEP_LINES][IB__CONV_SWEEP_TAPS][SWEEP_CHANNELS];
    const size_t x_row = s->x_row, x_col = s->x_col, x_line = s->x_line, dy_row = s->dy_row;
    const size_t dy_col = s->dy_col, before = 2 - s->pw, padded = s->w + s->pw;
    const size_t core = (padded < s->ow ? padded : s->ow) - 2, behind = padded - 2 - core;
    const MASK mask = MASK_OF(t->width);
    const bool reads = band->plane - t->plane < t->planes;
    const size_t plane = reads ? band->plane - t->plane : 0, end = reads ? band->row1 : 0;
    const float *chain = band->chain + t->slot;
    if (band->resume) {
        SWEEP_EACH(SWEEP_RESUME)
    } else {
        SWEEP_EACH(SWEEP_START)
    }
    ib__conv_fetch next_x = band->next_x, next_dy = band->next_dy;
    const float *x = band->x + (t->x + (ptrdiff_t)(plane * s->x_plane + band->row0 * x_row));
    const float *dy = band->dy + t->dy + plane * s->dy_plane + band->row0 * dy_row;
    for (size_t row = band->row0; row < end; row++, x += x_row, dy += dy_row) {
        if (SWEEP_IN(0) && (lines == 1 || (SWEEP_IN(1) && SWEEP_IN(2))))
            SWEEP_ROW(true, true, true)
        else if (lines > 1)
            SWEEP_ROW(SWEEP_IN(0), SWEEP_IN(1), SWEEP_IN(2))
    }
    float *to = (band->pause ? band->chain : band->slot) + t->slot;
    if (band->add && !band->pause) {
        SWEEP_EACH(SWEEP_ADD)
    }
    SWEEP_EACH(SWEEP_STORE)
}

#define SWEEP_OF(lines, channels)                                                                            \
    static void sweep_##lines##x##channels(const ib__conv_weights_tile *t, const ib__conv_weights_steps *s,  \
                                           const ib__conv_weights_band *band) {                              \
        sweep(t, s, band, lines, channels, false);                                                           \
    }
#define SWEEP_1(channels) SWEEP_OF(1, channels)
#define SWEEP_3(channels) SWEEP_OF(3, channels)
EACH_SWEEP_1(SWEEP_1)
EACH_SWEEP_3(SWEEP_3)
static void sweep_each(const ib__conv_weights_tile *t, const ib__conv_weights_steps *s,
                       const ib__conv_weights_band *band) {
    sweep(t, s, band, IB__CONV_SWEEP_LINES, 1, true);
}

#define PIXELS_OF(height, vectors)                                                                           \
    static void pixels_##height##x##vectors(const ib__conv_tile *t) {                                        \
        pixels(t, height, vectors == 2, false);                                                              \
    }                                                                                                        \
    static void pixels_each_##height##x##vectors(const ib__conv_tile *t) {                                   \
        pixels(t, height, vectors == 2, true);                                                               \
    }
#define WEIGHTS_OF(height, vectors)                                                                          \
    static void weights_##height##x##vectors(const ib__conv_weights_tile *t,                                 \
                                             const ib__conv_weights_steps *s,                                \
                                             const ib__conv_weights_band *band) {                            \
        weights(t, s, band, height, vectors == 2, false);                                                    \
    }                                                                                                        \
    static void weights_each_##height##x##vectors(const ib__conv_weights_tile *t,                            \
                                                  const ib__conv_weights_steps *s,                           \
                                                  const ib__conv_weights_band *band) {                       \
        weights(t, s, band, height, vectors == 2, true);                                                     \
    }
#define ALL_PIXELS_X1(height) PIXELS_OF(height, 1)
#define ALL_PIXELS_X2(height) PIXELS_OF(height, 2)
#define ALL_WEIGHTS_X1(height) WEIGHTS_OF(height, 1)
#define ALL_WEIGHTS_X2(height) WEIGHTS_OF(height, 2)
#define SLIDES(height)                                                                                       \
    static void slide_##height(const ib__conv_slide *t) {                                                    \
        for (size_t line = 0; line < t->lines; line++) {                                                     \
            size_t c = 0;                                                                                    \
            for (; c + WIDTH <= t->channels; c += WIDTH)                                                     \
                slide(t, line, c, height, true);                                                             \
            if (c < t->channels) slide(t, line, c, height, false);                                           \
        }                                                                                                    \
    }
EACH_HEIGHT_1(SLIDES)
EACH_PIXEL_HEIGHT_1(ALL_PIXELS_X1)
EACH_HEIGHT_2(ALL_PIXELS_X2)
EACH_HEIGHT_1(ALL_WEIGHTS_X1)
EACH_HEIGHT_2(ALL_WEIGHTS_X2)

#define PIXELS_X1(height) pixels_##height##x1,
#define PIXELS_X2(height) pixels_##height##x2,
#define PIXELS_EACH_X1(height) pixels_each_##height##x1,
#define PIXELS_EACH_X2(height) pixels_each_##height##x2,
#define WEIGHTS_X1(height) weights_##height##x1,
#define WEIGHTS_X2(height) weights_##height##x2,
#define WEIGHTS_EACH_X1(height) weights_each_##height##x1,
#define WEIGHTS_EACH_X2(height) weights_each_##height##x2,
#define SLIDE_NAME(height) slide_##height,
#define SWEEP_NAME_1(channels) sweep_1x##channels,
#define SWEEP_NAME_3(channels) sweep_3x##channels,
#define ONE(height) +1
#define CONV_NAME_(name, isa) ib_k_##name##_f32_##isa
#define CONV_NAME(name, isa) CONV_NAME_(name, isa)
static const ib__conv_tiles tiles = {
    .width = WIDTH,
    .pixels = {0 EACH_PIXEL_HEIGHT_1(ONE), 0 EACH_HEIGHT_2(ONE)},
    .heights = {0 EACH_HEIGHT_1(ONE), 0 EACH_HEIGHT_2(ONE)},
    .tile = {{{EACH_PIXEL_HEIGHT_1(PIXELS_X1)}, {EACH_HEIGHT_2(PIXELS_X2)}},
             {{EACH_PIXEL_HEIGHT_1(PIXELS_EACH_X1)}, {EACH_HEIGHT_2(PIXELS_EACH_X2)}}},
    .slide = {EACH_HEIGHT_1(SLIDE_NAME)},
    .sweep_heights = {0 EACH_SWEEP_1(ONE), 0 EACH_SWEEP_3(ONE)},
    .sweep_each = sweep_each,
    .sweep = {{EACH_SWEEP_1(SWEEP_NAME_1)}, {EACH_SWEEP_3(SWEEP_NAME_3)}},
    .weights = {{{EACH_HEIGHT_1(WEIGHTS_X1)}, {EACH_HEIGHT_2(WEIGHTS_X2)}},
                {{EACH_HEIGHT_1(WEIGHTS_EACH_X1)}, {EACH_HEIGHT_2(WEIGHTS_EACH_X2)}}},
    .transpose = CONV_NAME(transpose, ISA),
};

size_t CONV_NAME(conv_scratch, ISA)(const ib_conv_args *g, size_t parts) {
    (void)parts;
    return ib__conv_pixels_scratch(&tiles, g, false);
}

void CONV_NAME(conv, ISA)(const ib_conv_args *g, size_t part, size_t parts, void *scratch, size_t worker) {
    ib__conv_pixels(&tiles, g, false, part, parts, scratch, worker);
}

size_t CONV_NAME(conv_grad_input_scratch, ISA)(const ib_conv_args *g, size_t parts) {
    (void)parts;
    return ib__conv_pixels_scratch(&tiles, g, true);
}

void CONV_NAME(conv_grad_input, ISA)(const ib_conv_args *g, size_t part, size_t parts, void *scratch,
                                     size_t worker) {
    ib__conv_pixels(&tiles, g, true, part, parts, scratch, worker);
}

size_t CONV_NAME(conv_grad_kernel_scratch, ISA)(const ib_conv_args *g, size_t parts) {
    return ib__conv_weights_scratch(&tiles, g, parts);
}

void CONV_NAME(conv_grad_kernel, ISA)(const ib_conv_args *g, size_t part, size_t parts, void *scratch,
                                      size_t worker) {
    ib__conv_weights(&tiles, g, part, parts, scratch, worker);
}

void CONV_NAME(conv_way, ISA)(const ib_conv_args *g, size_t parts, void *scratch, char text[IB_WAY_TEXT]) {
    if (g == NULL)
        ib__conv_way(text, "block", "tile", "along");
    else
        ib__conv_pixels_way(&tiles, g, false, parts, scratch, text);
}

void CONV_NAME(conv_grad_input_way, ISA)(const ib_conv_args *g, size_t parts, void *scratch,
                                         char text[IB_WAY_TEXT]) {
    ib__conv_pixels_way(&tiles, g, true, parts, scratch, text);
}

void CONV_NAME(conv_grad_kernel_way, ISA)(const ib_conv_args *g, size_t parts, void *scratch,
                                          char text[IB_WAY_TEXT]) {
    (void)scratch;
    ib__conv_weights_way(&tiles, g, parts, text);
}
