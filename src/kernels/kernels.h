/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel table: one entry a kernel, one table an instruction set. `ref` is the definition, written as
 * plain loops from doc/numerics.md; every other table gives the same bits, faster.
 *
 * Parallel kernels take (part, parts): part number `part` of any number of parts does its share of the
 * output elements, so that parts may run in any order and on any thread. No result depends on `parts`.
 * Kernels stand behind validation: they return nothing and trust their arguments.
 *
 * Shape letters (doc/shapes.md): n samples, h w rows and columns, c ci co channels, kh kw taps, m k n of a
 * product. All arrays are float32, row major, and need only 4-byte alignment.
 */
#ifndef IB_KERNELS_KERNELS_H
#define IB_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/map/map.h"

typedef enum ib_isa { IB_ISA_REF, IB_ISA_AVX2, IB_ISA_AVX512, IB_ISA_COUNT } ib_isa;

/* Called when the elements rows [row0, row1) x columns [col0, col1) of the output are final, while they are
 * still in cache: the epilogue (bias, activation ...). Each element is covered exactly once. */
typedef void ib_block_fn(void *context, size_t row0, size_t row1, size_t col0, size_t col1, size_t worker);
/* Makes an image that is read next, until the next call: each image once, in order. */
typedef const float *ib_image_fn(void *context, size_t image, size_t worker);

/* How a kernel goes about a shape here, in columns for people (isobit kernels): what a part, a block and a
 * tile are, what is packed. No bit depends on any of it. g = NULL asks for the heads of the columns; what g
 * points to is not read. */
enum { IB_WAY_TEXT = 160 };

/* gemm/1   c[i][j] = chain over p = 0 .. k-1 of acc = fma(a[i][p], b[p][j], acc), acc from +0.
 * a(i,p) = a[i*a_row + p*a_col], one of a_row, a_col is 1; b likewise; c is row major with stride c_row.
 * lanes > 1: k = samples * (k / samples); lane l is the chain over the samples [l*samples/lanes,
 * (l+1)*samples/lanes), each lane from +0; lane results are added by the lane tree (adjacent pairs level by
 * level, an odd last one passes through). k = 0 gives +0. m or n = 0: nothing to do. */
typedef struct ib_gemm_args {
    size_t m, n, k;
    const float *a;
    size_t a_row, a_col;
    const float *b;
    size_t b_row, b_col;
    float *c;
    size_t c_row;
    size_t lanes, samples;
    ib_block_fn *done; /* may be NULL */
    void *context;
} ib_gemm_args;

/* Bytes for one worker. Does not depend on a, b, c (the pointers), done and context: they may come later. */
typedef size_t ib_k_gemm_scratch_fn(const ib_gemm_args *g, size_t parts);
typedef void ib_k_gemm_fn(const ib_gemm_args *g, size_t part, size_t parts, void *scratch, size_t worker);
typedef void ib_k_gemm_way_fn(const ib_gemm_args *g, size_t parts, char text[IB_WAY_TEXT]);

/* conv/1   x: [n, d, h, w, ci]   k: [kd, kh, kw, ci/groups, co]   y: [n, od, oh, ow, co]
 * Tap (e, a, b) of output (l, i, j) reads plane l*sd + e*dd - pd, row i*sh + a*dh - ph, column
 * j*sw + b*dw - pw; taps outside the input are skipped (they are not part of the chain). Over two axes there
 * is one plane (d = od = kd = sd = dd = 1, pd = 0), over one axis also one row.
 *   forward      y: one chain over (kd, kh, kw, ci) from +0
 *   grad_input   dx: one chain over (kd, kh, kw, co) ascending, taps with no output pixel skipped
 *   grad_kernel  dk: for each image one chain over (od, oh, ow) from +0, skipping taps outside; the images of
 *                a lane are added in order beginning with the first one's value (an image none of whose taps
 *                lies inside counts as +0); lanes by the lane tree, cut as in gemm over samples = n.
 * groups > 1: output channel o reads the input channels of its group o / (co/groups); chains run inside it.
 */
typedef struct ib_conv_args {
    size_t n, d, h, w, ci, od, oh, ow, co, kd, kh, kw, sd, sh, sw, dd, dh, dw, pd, ph, pw, groups;
    const float *x;    /* forward: input;   grad_input: dy;            grad_kernel: input */
    const float *k;    /* forward: kernel;  grad_input: kernel;        grad_kernel: dy */
    float *y;          /* forward: output;  grad_input: dx (x's shape); grad_kernel: dk (k's shape) */
    size_t lanes;      /* grad_kernel only */
    ib_block_fn *done; /* forward, grad_input: output seen as rows = pixels of all images, cols = channels */
    ib_image_fn *dy;   /* grad_kernel in one part, instead of k; may be NULL */
    void *context;
} ib_conv_args;

typedef size_t ib_k_conv_scratch_fn(const ib_conv_args *g, size_t parts); /* bytes for one worker */
typedef void ib_k_conv_fn(const ib_conv_args *g, size_t part, size_t parts, void *scratch, size_t worker);
typedef void ib_k_conv_way_fn(const ib_conv_args *g, size_t parts, void *scratch, char text[IB_WAY_TEXT]);

/* reduce/1   x: [outer, count, inner] -> y: [outer, inner].
 * sum, inner = 1: 16 strided accumulators from +0 (element i into accumulator i mod 16), tree 8+8, 4+4, 2+2,
 * 1+1; a count above 16384 is cut in blocks of 16384, block results by the lane tree.
 * sum, inner > 1: one chain of adds from +0; a count above 1024 is cut in blocks of 1024, block results by
 * the lane tree.   count = 0: +0 (sum), -inf (max), +inf (min).
 * max, min: as maximum and minimum in map.list, ascending (NaN wins). */
typedef enum ib_reduce_op { IB_REDUCE_SUM, IB_REDUCE_MAX, IB_REDUCE_MIN } ib_reduce_op;
typedef struct ib_reduce_args {
    ib_reduce_op op;
    size_t outer, count, inner;
    const float *x;
    float *y;
} ib_reduce_args;
typedef void ib_k_reduce_fn(const ib_reduce_args *g, size_t part, size_t parts);

/* reduce_lanes/1   a sum over the batch. x: [samples, count, inner] -> y: [lanes, inner]: each sample is
 * summed over count by the rule of reduce/1 (inner = 1 or > 1), the samples of a lane are added in order
 * beginning with the first one's value. Follow with lane_tree. Parts cut lanes and inner. */
typedef struct ib_reduce_lanes_args {
    size_t samples, count, inner, lanes;
    const float *x;
    float *y;
} ib_reduce_lanes_args;
typedef void ib_k_reduce_lanes_fn(const ib_reduce_lanes_args *g, size_t part, size_t parts);

/* lane_tree/1   x: [lanes, n] -> y: [n], adjacent pairs level by level, an odd last one passes through. */
typedef void ib_k_lane_tree_fn(const float *x, float *y, size_t lanes, size_t n, size_t part, size_t parts);

/* add_rows/1   x: [count, n], y: [n]. y[i] goes on as a chain of adds over the rows of x: a sum over columns
 * (reduce/1) of which rows come a few at a time. */
typedef void ib_k_add_rows_fn(const float *x, float *y, size_t count, size_t n);

/* pool/1   x: [n, d, h, w, c] -> y: [n, od, oh, ow, c]; window kd x kh x kw, strides sd sh sw, low padding pd
 * ph pw; places outside the input are skipped. An axis with k = 0 is cut evenly: window i of o over n places
 * is [floor(i n / o), ceil((i + 1) n / o)). Over fewer axes d = od = kd = sd = 1 (and h ...), pd = 0.
 *   max_forward   maximum over the window in row-major order (first wins among equals; NaN wins)
 *                 and, if hits is not NULL, which place that is: hits: [n, od, oh, ow, ceil(c / 16),
 *                 ib__pool_most_places], bit c mod 16 of word p is 1 if the first place that holds the
 * maximum (a NaN: the first NaN) is the window's p-th one inside the input; other bits are 0 max_backward dx:
 * each dy goes to the place that hits names; contributions to one dx are added from +0 in order of (od, oh,
 * ow) avg_forward   chain of adds from +0 over the window in row-major order, divided by the number of places
 *                 inside the input
 *   avg_backward  dx: from +0, adds dy / (number of places inside) in order of (od, oh, ow) */
typedef struct ib_pool_args {
    size_t n, d, h, w, c, od, oh, ow, kd, kh, kw, sd, sh, sw, pd, ph, pw;
    const float *x;  /* forward only */
    const float *dy; /* backward only */
    float *y;        /* forward: output; backward: dx */
    uint16_t *hits;  /* max only */
} ib_pool_args;
typedef void ib_k_pool_fn(const ib_pool_args *g, size_t part, size_t parts);

/* transpose/1   y[j][i] = x[i][j] for a batch of matrices: x: [batch, rows, cols]. */
typedef void ib_k_transpose_fn(const float *x, float *y, size_t batch, size_t rows, size_t cols, size_t part,
                               size_t parts);

/* scatter_add/1   updates: [samples * per, width], indices: [samples * per] -> y: [rows, width]. Row r is the
 * sum of the updates whose index is r (an index outside of the rows is that of the nearest row): each lane is
 * one chain of adds from +0 over its samples' updates in order, lanes cut as in gemm over samples; lanes by
 * the lane tree. Makes rows [row0, row1); y: row row0. lists: made before by ib__scatter_lists. */
typedef struct ib_scatter_args {
    size_t samples, per, width, rows, lanes;
    const uint32_t *lists;
    const float *updates;
    float *y;
} ib_scatter_args;
typedef void ib_k_scatter_fn(const ib_scatter_args *g, size_t row0, size_t row1);
/* Which of the `count` updates belong to each row, in order: rows + count words. */
void ib__scatter_lists(const int32_t *indices, size_t count, size_t rows, uint32_t *lists);

/* uniform/1   numbers of stream `key` at (epoch, step): element e of sample s is word e mod 4 of
 * Philox4x32-10(counter = {e / 4, s, step, epoch}, key), made a float as (word >> 8) * 2^-24, in [0, 1).
 * Writes the elements [start, start + n) of the array [samples, per_sample]. */
typedef struct ib_stream_at {
    uint32_t key[2];
    uint32_t step, epoch;
    uint32_t first_sample; /* global number of sample 0 of this array within its batch */
    size_t per_sample;
} ib_stream_at;
typedef void ib_k_uniform_fn(float *y, const ib_stream_at *at, size_t start, size_t n);

/* Optimizer updates over n elements; formulas in doc/numerics.md#optimizers. All scalars are float32 computed
 * by the caller. Every product, sum, quotient and root is rounded separately, in the order written.
 *   sgd       w = w - lr*g                                            (v is NULL)
 *             v = mu*v - lr*g;  w = w + v                             (momentum)
 *             v = mu*v - lr*g;  w = w + (mu*v - lr*g)                 (nesterov)
 *   adam      m = m + (g - m)*c1;  v = v + (g*g - v)*c2;  w = w - (m*alpha) / (sqrt(v) + eps)
 *             amsgrad (vhat not NULL): vhat = maximum(vhat, v), used for v in the quotient
 *   rmsprop   v = rho*v + (1-rho)*(g*g)  [centered: a = rho*a + (1-rho)*g;  d = v - a*a  else d = v]
 *             i = (lr*g) / sqrt(d + eps)  [momentum > 0: b = mu*b + i;  w = w - b   else w = w - i]
 * decay: when not 0, first w = w - w*decay (decay = weight_decay * lr). */
typedef struct ib_sgd_args {
    float lr, mu, decay;
    bool nesterov;
} ib_sgd_args;
typedef struct ib_adam_args {
    float alpha, c1, c2, eps, decay;
} ib_adam_args;
typedef struct ib_rmsprop_args {
    float lr, rho, one_minus_rho, mu, eps, decay;
    bool centered;
} ib_rmsprop_args;
typedef void ib_k_sgd_fn(float *w, float *v, const float *g, size_t n, const ib_sgd_args *a);
typedef void ib_k_adam_fn(float *w, float *m, float *v, float *vhat, const float *g, size_t n,
                          const ib_adam_args *a);
typedef void ib_k_rmsprop_fn(float *w, float *v, float *mean, float *momentum, const float *g, size_t n,
                             const ib_rmsprop_args *a);

/* Rows of images, in bytes.
 * widen/1   A row of a colour component twice as wide, out: [2 w], w > 0, as libjpeg's "fancy" upsampling.
 * Each sample lies between its neighbours, the ends are their own. far NULL    s = near:             out[2x]
 * = (3 s[x] + s[x-1] + 1) >> 2, out[2x+1] = (3 s[x] + s[x+1] + 2) >> 2 otherwise   s = 3 near + far: out[2x]
 * = (3 s[x] + s[x-1] + 8) >> 4, out[2x+1] = (3 s[x] + s[x+1] + 7) >> 4 */
typedef void ib_k_widen_fn(uint8_t *out, const uint8_t *near, const uint8_t *far, size_t w);

/* ycc_to_rgb/1   w pixels of luminance and two colour differences, each a row of its own, to red, green and
 * blue, out: [w, 3]. With b = cb - 128, r = cr - 128, in 16 bits behind the point and cut to 0 .. 255: red =
 * y + r + (26345 r + 2^15 >> 16), green = y - r + (18734 r - 22554 b + 2^15 >> 16), blue = y + 2 b + (-14942
 * b + 2^15 >> 16), which are y + 1.402 r, y - 0.344136 b - 0.714136 r, y + 1.772 b. */
typedef void ib_k_ycc_to_rgb_fn(uint8_t *out, const uint8_t *y, const uint8_t *cb, const uint8_t *cr,
                                size_t w);

/* bilinear/1   n numbers between two rows of bytes: out[i] = top + (bottom - top) * dy, where top is
 * a + (b - a) * dx[i] of bytes a and b of the upper row, bottom the same of the lower row. The a and b of
 * four numbers lie in a window of 16 bytes that begins at window[i / 4]; left[i] and right[i] say where in
 * it, in their lowest byte; the others are those of IB_PLACE, as PSHUFB wants them. Tables go on to a
 * multiple of 16 numbers, with windows that may be read. */
#define IB_PLACE UINT32_C(0x80808000)
typedef struct ib_bilinear_columns {
    size_t n;
    const uint32_t *window, *left, *right;
    const float *dx;
} ib_bilinear_columns;
typedef void ib_k_bilinear_fn(float *out, const uint8_t *upper, const uint8_t *lower, float dy,
                              const ib_bilinear_columns *c);

typedef struct ib_kernels {
    ib_isa isa;
    ib_map_fn *map[IB_MAP_COUNT];
#define X(field, element, type) type *field;
#include "kernels/kernels.list"
#undef X
} ib_kernels;

/* The kernels themselves; called through a table, named here for their definitions. */
#define X(name, element, type)                                                                               \
    type ib_k_##name##_##element##_ref, ib_k_##name##_##element##_avx2, ib_k_##name##_##element##_avx512;
#include "kernels/kernels.list"
#undef X
#define X(name, operands, meaning)                                                                           \
    ib_map_fn ib_k_map_##name##_f32_ref, ib_k_map_##name##_f32_avx2, ib_k_map_##name##_f32_avx512;
#include "kernels/map/map.list"
#undef X

/* The table of an instruction set. NULL if this CPU (or this build) cannot run it. */
const ib_kernels *ib__kernels_for(ib_isa isa);

/* The best available one, lowered by the environment variable ISOBIT_ISA (ref, avx2, avx512) if it is set to
 * a known and available name. */
ib_isa ib__isa_default(void);
bool ib__isa_available(ib_isa isa);
/* Does this processor execute a vector of AVX-512 in two halves? Speed alone may depend on it. */
bool ib__isa_halved(void);
void ib__isa_assume_halved(bool halved); /* for tests, of both ways on one machine */
const char *ib__isa_name(ib_isa isa);
bool ib__isa_parse(const char *name, ib_isa *out);

#endif
