/* SPDX-License-Identifier: Apache-2.0
 *
 * The fast matrix product: what an instruction set brings (tiles and packing, gemm_simd.inc.h) and what all
 * of them share (cutting, blocking, lanes; gemm_driver.c).
 */
#ifndef IB_KERNELS_GEMM_GEMM_H
#define IB_KERNELS_GEMM_GEMM_H

#include "kernels/kernels.h"

/* Before a loop over an array of vectors: gcc at -O2 must be asked to unroll it, clang does it unasked. */
#ifdef __clang__
#define UNROLL
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* A piece of one lane. Running values of unfinished lanes and sums of finished ones lie on a stack of slots:
 *     acc = +0, or, if go_on, what the segment before it in this lane left
 *     acc = fma(a[i][p], b[p][j], acc)      for k values of p
 *     acc = (slot - l) + acc                for l = 1 .. levels
 * and acc is stored into slot `to`, or into c for the last lane. */
typedef struct ib__gemm_segment {
    size_t k, slot, levels, to;
    bool go_on, last_lane;
} ib__gemm_segment;

enum { IB__GEMM_MOST_SEGMENTS = 32 };

/* A range of the contraction: what a tile does at one go. */
typedef struct ib__gemm_unit {
    size_t k0, k, count;
    ib__gemm_segment segments[IB__GEMM_MOST_SEGMENTS];
} ib__gemm_unit;

/* The segments of a unit, one after the other, for rows x (vectors * width) elements held in registers.
 * a[i][p] is a[i + p*a_step] (columns) or a[i*a_step + p] (rows); b[p][j] is b[p*b_step + j]. A slot is
 * row major with stride 2 * width. */
typedef struct ib__gemm_tile {
    const ib__gemm_unit *unit;
    const float *a, *b;
    size_t a_step, b_step;
    float *c, *stack;
    size_t c_row, slot_size;
    size_t tail; /* of a wide tile: columns of its last vector */
} ib__gemm_tile;

typedef void ib__gemm_tile_fn(const ib__gemm_tile *t);

enum { IB__GEMM_COLUMNS, IB__GEMM_ROWS }; /* how a tile reads a */
enum { IB__GEMM_MAX_ROWS = 14 };
enum { IB__GEMM_WIDE = 8 }; /* vectors of the widest tile of one row */

typedef struct ib__gemm_tiles {
    size_t rows;      /* the tallest tile; all heights from 1 exist */
    size_t pair_rows; /* the tallest one that keeps two lanes in registers; 0: there is none */
    size_t width;     /* floats in a vector; tiles are 1 or 2 vectors wide */
    /* How many floats of a that lies in columns, and of b that lies in rows, are better read in place than
     * packed; by measurement. */
    size_t a_in_place, b_in_place;
    size_t unit_k;  /* contraction steps in a unit */
    size_t block_a; /* floats of a in a block: a part of the level 2 cache, of which many have 1 MiB */
    ib__gemm_tile_fn *tile[2][2][IB__GEMM_MAX_ROWS]; /* [COLUMNS or ROWS][vectors - 1][rows - 1] */
    ib__gemm_tile_fn
        *pairs[2][2][IB__GEMM_MAX_ROWS / 2]; /* the same for units of whole lanes, two and more */
    ib__gemm_tile_fn *wide[IB__GEMM_WIDE];   /* of one row that lies along: [vectors - 1] */

    /* y[p*y_step + i] = x[p*x_step + i], i < count <= y_step, p < k. Writes whole vectors: anything up
     * to the next multiple of width, into y of p + 1 (written later) or behind the end. */
    void (*pack_copy)(const float *x, size_t x_step, size_t count, size_t k, float *y, size_t y_step);
    /* y[p*y_step + i] = x[i*x_step + p], the same otherwise. */
    void (*pack_transpose)(const float *x, size_t x_step, size_t count, size_t k, float *y, size_t y_step);
} ib__gemm_tiles;

size_t ib__gemm_scratch(const ib__gemm_tiles *tiles, const ib_gemm_args *g, size_t parts);
void ib__gemm_way(const ib__gemm_tiles *tiles, const ib_gemm_args *g, size_t parts, char text[IB_WAY_TEXT]);
void ib__gemm_part(const ib__gemm_tiles *tiles, const ib_gemm_args *g, size_t part, size_t parts,
                   void *scratch, size_t worker);

#endif
