/* SPDX-License-Identifier: Apache-2.0
 *
 * Speed of the products and convolutions on the machine at hand, beside the peak of its fused multiply-adds:
 * what `isobit bench` prints and the benchmark beside other libraries uses. Nothing of a run depends on it.
 */
#ifndef IB_KERNELS_SPEED_H
#define IB_KERNELS_SPEED_H

#include "base/pool.h"
#include "kernels/kernels.h"

/* c: [m, n] = a: [m, k] times b: [k, n]; a or b may lie transposed. lanes > 1: the gradient of a dense
 * layer's weights, a sum over samples in lanes. */
typedef struct ib_product_shape {
    size_t m, n, k;
    bool a_transposed, b_transposed;
    size_t lanes;
} ib_product_shape;

/* x: [n, size, size, ci], kernel: [k, k, ci / groups, co], y: [n, out, out, co]. */
typedef struct ib_conv_shape {
    size_t n, size, ci, co, k, stride, pad, out, groups;
} ib_conv_shape;

typedef enum ib_conv_pass {
    IB_CONV_FORWARD,
    IB_CONV_GRAD_INPUT,
    IB_CONV_GRAD_KERNEL,
    IB_CONV_PASSES
} ib_conv_pass;

extern const char *const ib__conv_pass_names[IB_CONV_PASSES];

/* The shapes of dense layers, of transformers and of small convolutional networks. */
extern const ib_product_shape ib__product_shapes[];
extern const size_t ib__product_shapes_count;
extern const ib_conv_shape ib__conv_shapes[];
extern const size_t ib__conv_shapes_count;

/* Seconds of a clock that never goes back. */
double ib__seconds(void);
/* GFLOP/s (a fused multiply-add is two) of all threads of the pool at once with the vectors of this
 * instruction set, best of many short runs; 0 for ref. Threads that share a core have hardly more than one of
 * them. */
double ib__peak_gflops(ib_isa isa, ib_pool *pool);
/* Best seconds of runs during `seconds`, at least three. One thread is timed by its CPU time, which a busy
 * machine disturbs less; several by the clock. */
double ib__best_seconds(void (*run)(void *context), void *context, size_t threads, double seconds);
/* The same of a kernel, as GFLOP/s; 0: no memory. */
double ib__product_gflops(const ib_kernels *kernels, const ib_product_shape *shape, ib_pool *pool,
                          double seconds);
double ib__conv_gflops(const ib_kernels *kernels, const ib_conv_shape *shape, ib_conv_pass pass,
                       ib_pool *pool, double seconds);
/* The shape in columns for people; NULL: what the columns are. */
enum { IB_SHAPE_TEXT = 176 };
void ib__product_text(const ib_product_shape *shape, char text[IB_SHAPE_TEXT]);
void ib__conv_text(const ib_conv_shape *shape, ib_conv_pass pass, char text[IB_SHAPE_TEXT]);
/* How a kernel goes about a shape on so many threads (kernels.h); shape NULL: the heads of the columns. */
void ib__product_way(const ib_kernels *kernels, const ib_product_shape *shape, size_t threads,
                     char text[IB_WAY_TEXT]);
/* false: no memory. */
bool ib__convolution_way(const ib_kernels *kernels, const ib_conv_shape *shape, ib_conv_pass pass,
                         size_t threads, char text[IB_WAY_TEXT]);
/* Multiplications of a pass: those of taps that lie inside the input. */
double ib__conv_products(const ib_conv_shape *shape);
/* count numbers from -1 to 1; NULL: no memory. */
float *ib__speed_values(size_t count);

#endif
