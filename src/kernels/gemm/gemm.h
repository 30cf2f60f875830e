/* SPDX-License-Identifier: Apache-2.0
 *
 * The fast matrix product: what an instruction set brings (tiles and packing, gemm_simd.inc.h) and what all
 * of them share (cutting, blocking, lanes; gemm_driver.c).
 */
#ifndef IB_KERNELS_GEMM_GEMM_H
#define IB_KERNELS_GEMM_GEMM_H

#include "kernels/kernels.h"

/* One call of a tile kernel on rows x (vectors * width) elements, all held in registers:
 *     acc = in, or +0 if in is NULL
 *     acc = fma(a[i][p], b[p][j], acc)             for p = 0 .. k-1
 *     acc = level[-l * level_size][...] + acc      for l = 0 .. levels-1
 *     out = acc
 * a[i][p] is a[i + p*a_step] (columns) or a[i*a_step + p] (rows); in, level and out have row strides. */
typedef struct ib__gemm_tile {
    const float *a, *b;
    size_t a_step, b_step, k;
    const float *in, *level;
    size_t in_row, level_row, level_size, levels;
    float *out;
    size_t out_row;
} ib__gemm_tile;

typedef void ib__gemm_tile_fn(const ib__gemm_tile *t);

enum { IB__GEMM_COLUMNS, IB__GEMM_ROWS }; /* how a tile reads a */
enum { IB__GEMM_MAX_ROWS = 14 };

typedef struct ib__gemm_tiles {
    size_t rows;                                     /* the tallest tile; all heights from 1 exist */
    size_t width;                                    /* floats in a vector; tiles are 1 or 2 vectors wide */
    ib__gemm_tile_fn *tile[2][2][IB__GEMM_MAX_ROWS]; /* [COLUMNS or ROWS][vectors - 1][rows - 1] */

    /* y[p*y_step + i] = x[p*x_step + i], i < count <= y_step, p < k. Writes whole vectors: zeros up to the
     * next multiple of width, into y of p + 1 (written later) or behind the end. */
    void (*pack_copy)(const float *x, size_t x_step, size_t count, size_t k, float *y, size_t y_step);
    /* y[p*y_step + i] = x[i*x_step + p], the same otherwise. */
    void (*pack_transpose)(const float *x, size_t x_step, size_t count, size_t k, float *y, size_t y_step);
} ib__gemm_tiles;

size_t ib__gemm_scratch(const ib__gemm_tiles *tiles, const ib_gemm_args *g, size_t parts);
void ib__gemm_part(const ib__gemm_tiles *tiles, const ib_gemm_args *g, size_t part, size_t parts,
                   void *scratch, size_t worker);

#endif
