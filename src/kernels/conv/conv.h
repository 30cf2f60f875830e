/* SPDX-License-Identifier: Apache-2.0
 *
 * The fast convolution: what an instruction set brings (tile kernels, conv_simd.inc.h) and what all of them
 * share: cutting outputs in regions and tiles (conv_pixels.c: forward and input gradient; conv_weights.c:
 * kernel gradient).
 */
#ifndef IB_KERNELS_CONV_CONV_H
#define IB_KERNELS_CONV_CONV_H

#include "kernels/kernels.h"

/* Where tap number `tap` of output place `place` reads along one axis; false if that is outside the input. */
static inline bool ib__conv_reads(size_t place, size_t stride, size_t tap, size_t dilation, size_t pad,
                                  size_t n, size_t *at) {
    size_t padded = place * stride + tap * dilation;
    *at = padded - pad;
    return padded >= pad && padded - pad < n;
}

/* Which output place reads input place `at` by tap number `tap`; false if none does. */
static inline bool ib__conv_read_by(size_t at, size_t stride, size_t tap, size_t dilation, size_t pad,
                                    size_t n, size_t *place) {
    size_t padded = at + pad, shift = tap * dilation;
    *place = (padded - shift) / stride;
    return padded >= shift && (padded - shift) % stride == 0 && *place < n;
}

/* A run of chain steps: `length` floats of the source from x on (an offset from the pixel's first tap),
 * with rows of the packed kernel from number k on. */
typedef struct ib__conv_tap {
    ptrdiff_t x;
    size_t k, length;
} ib__conv_tap;

/* A tile of the forward pass or the input gradient: `height` pixels that share a list of taps, x_step floats
 * apart in the source and y_step in the output, by one or two vectors of channels.
 *     y[pixel][j] = chain over taps and their steps of fma(x[pixel*x_step + step], k[step][j], acc)
 * By channel (groups of one channel): fma(x[pixel*x_step + tap][j], k[tap][j], acc).
 * Tiles one vector wide store only `width` channels. k is packed in rows of 1 or 2 vectors.
 * Each step of the chain asks for the source at x + next, then next_step floats further on. */
typedef struct ib__conv_tile {
    const float *x;
    size_t x_step;
    const ib__conv_tap *taps;
    size_t count;
    const float *k;
    float *y;
    size_t y_step, width;
    ptrdiff_t next;
    size_t next_step;
} ib__conv_tile;

/* By channel, where a row of the window has SLIDE_TAPS taps side by side: `height` pixels of so many lines by
 * all channels. Each x is loaded once a tap row and goes into the chains of the pixels that read it, the
 * rightmost tap of the leftmost one first, so that each chain is the one of ib__conv_tile. Column j of the
 * tile, at x + j * x_step, is tap 0 of pixel j, tap 1 of pixel j - 1, tap 2 of pixel j - 2; pixel j goes to
 * y + j * x_step. Columns outside of [first, end) lie outside of the input: two at
 * most at each end. count is a multiple of SLIDE_TAPS. */
typedef struct ib__conv_slide {
    const float *x;
    ptrdiff_t x_step; /* floats; channels in and out are as many, so that y has the same */
    size_t first, end;
    size_t lines, x_line, y_line; /* the same for so many lines, floats apart */
    const ib__conv_tap *fetch;    /* each line fetches what this tap reads in the next one; NULL: none */
    const ib__conv_tap *taps;
    size_t count;
    const float *k;
    size_t k_step; /* floats of a row of k, whole vectors */
    float *y;
    size_t channels;
} ib__conv_slide;

enum {
    IB__CONV_MAX_HEIGHT = 16,
    IB__CONV_MAX_PIXELS = 30,
    IB__CONV_SLIDE_TAPS = 3,
    IB__CONV_SWEEP_TAPS = 3,
    IB__CONV_SWEEP_LINES = 3
};

/* A tile of the kernel gradient: `height` neighbouring elements (b, c) of a tap row, by one or two vectors of
 * output channels. Element i is x_element floats of x behind element 0; the output columns for which it lies
 * inside the input are [col[i], col[i] + cols[i]). The columns first .. first + left - 1 are tested one by
 * one, so are the last `right`; for the `core` between them all elements lie inside.
 *     slot[i][j] = image's chain over (rows, columns), or the same added to what is there
 * Tiles one vector wide read only `width` channels of dy. By channel: element i reads a vector of x.
 *
 * A sweep is a tile of `height` input channels by all SWEEP_TAPS taps of `lines` tap rows, in the order (tap
 * row, tap, channel), by one vector. It goes over the columns of x and takes each number that it loads to the
 * chains of all taps of the row; for this it keeps the last dy of the row in registers. By channel it
 * loads a vector of x. */
typedef struct ib__conv_weights_tile {
    ptrdiff_t x;
    size_t dy, slot; /* offsets in the image of x (before it where the first column is not inside), of dy, and
                        in the slot */
    size_t plane, planes, row, rows; /* of the output, for which the tap lies inside; x and dy begin there */
    size_t first, left, core, right;
    size_t height, vectors, width;
    size_t line_row[IB__CONV_SWEEP_LINES], line_rows[IB__CONV_SWEEP_LINES]; /* of a sweep: as row, rows */
    size_t col[IB__CONV_MAX_HEIGHT], cols[IB__CONV_MAX_HEIGHT];
    size_t out; /* offset of the tile in dk */
} ib__conv_weights_tile;

/* What is the same for all tiles of a kernel gradient: floats from place to place. */
typedef struct ib__conv_weights_steps {
    size_t x_plane, x_row, x_col, x_element, dy_plane, dy_row, dy_col;
    size_t x_line; /* from tap row to tap row */
    size_t w, ow, pw;
} ib__conv_weights_steps;

/* What a sweep asks for at every place, for the level 2 cache: the line at `at`, then `step` bytes on. */
typedef struct ib__conv_fetch {
    const char *at;
    size_t step;
} ib__conv_fetch;

/* The rows [row0, row1) of one plane of an image's output. A chain that is not finished with them rests in
 * `chain`, laid out as the slot: `resume` takes it from there, `pause` leaves it there. */
typedef struct ib__conv_weights_band {
    const float *x, *dy; /* the image */
    size_t plane, row0, row1;
    bool resume, pause, add;
    float *chain, *slot;
    ib__conv_fetch next_x, next_dy;
} ib__conv_weights_band;

typedef void ib__conv_tile_fn(const ib__conv_tile *t);
typedef void ib__conv_slide_fn(const ib__conv_slide *t);
typedef void ib__conv_weights_fn(const ib__conv_weights_tile *t, const ib__conv_weights_steps *s,
                                 const ib__conv_weights_band *band);

typedef struct ib__conv_tiles {
    size_t width;      /* floats in a vector */
    size_t pixels[2];  /* in the tallest tile of pixels one and two vectors wide */
    size_t heights[2]; /* of the tallest others */
    /* [by channel][vectors - 1][height - 1] */
    ib__conv_tile_fn *tile[2][2][IB__CONV_MAX_PIXELS];
    ib__conv_slide_fn *slide[IB__CONV_MAX_HEIGHT]; /* up to heights[0] */
    ib__conv_weights_fn *weights[2][2][IB__CONV_MAX_HEIGHT];
    size_t sweep_heights[2]; /* the highest sweep of one tap row and of SWEEP_LINES */
    ib__conv_weights_fn *sweep[2][IB__CONV_MAX_HEIGHT];
    ib__conv_weights_fn *sweep_each; /* by channel, of SWEEP_LINES */
    ib_k_transpose_fn *transpose;
} ib__conv_tiles;

static inline size_t ib__conv_ceil_div(size_t a, size_t b) {
    return a / b + (a % b != 0);
}

/* Vectors in the panel of columns that begins at col: two where that many are whole, else one. */
static inline size_t ib__conv_panel(const ib__conv_tiles *tiles, size_t col, size_t cols) {
    return cols - col >= 2 * tiles->width ? 2 : 1;
}

/* Groups of one channel in and one out: vectors run over the groups. */
static inline bool ib__conv_by_channel(const ib_conv_args *g) {
    return g->groups > 1 && g->ci == g->groups && g->co == g->groups;
}

size_t ib__conv_pixels_scratch(const ib__conv_tiles *tiles, const ib_conv_args *g, bool transposed);
void ib__conv_pixels(const ib__conv_tiles *tiles, const ib_conv_args *g, bool transposed, size_t part,
                     size_t parts, void *scratch, size_t worker);
/* The columns of a way (kernels.h): what of the output is worked on at one go, the places and channels of a
 * tile, what the places are. */
void ib__conv_way(char text[IB_WAY_TEXT], const char *block, const char *tile, const char *along);
void ib__conv_pixels_way(const ib__conv_tiles *tiles, const ib_conv_args *g, bool transposed, size_t parts,
                         void *scratch, char text[IB_WAY_TEXT]);
void ib__conv_weights_way(const ib__conv_tiles *tiles, const ib_conv_args *g, size_t parts,
                          char text[IB_WAY_TEXT]);
size_t ib__conv_weights_scratch(const ib__conv_tiles *tiles, const ib_conv_args *g, size_t parts);
void ib__conv_weights(const ib__conv_tiles *tiles, const ib_conv_args *g, size_t part, size_t parts,
                      void *scratch, size_t worker);

#endif
