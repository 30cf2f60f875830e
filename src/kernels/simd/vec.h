/* SPDX-License-Identifier: Apache-2.0
 *
 * One register of floats, for the tile kernels of products and convolutions, whose accumulators must stay in
 * registers: v16.h takes two of them for AVX2.
 */
#ifndef IB_KERNELS_SIMD_VEC_H
#define IB_KERNELS_SIMD_VEC_H

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

/* FETCH asks for what a step will read, one or two vectors at p, if that pays. */
#ifdef __AVX512F__

#define VEC __m512
#define WIDTH 16
#define ZERO() _mm512_setzero_ps()
#define LOAD(p) _mm512_loadu_ps(p)
#define STORE(p, v) _mm512_storeu_ps(p, v)
#define BROADCAST(p) _mm512_set1_ps(*(p))
#define ADD(a, b) _mm512_add_ps(a, b)
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
/* A step takes 14 cycles or fewer on processors with two 512-bit units, and what it reads of b or of a kernel
 * is seldom in the level 1 cache: without this the products of a dense layer of 784 units ran at 60 % of the
 * peak, not 92. */
#define FETCH(p, two)                                                                                        \
    __builtin_prefetch(p);                                                                                   \
    if (two) __builtin_prefetch((p) + WIDTH);

#else

#define VEC __m256
#define WIDTH 8
#define ZERO() _mm256_setzero_ps()
#define LOAD(p) _mm256_loadu_ps(p)
#define STORE(p, v) _mm256_storeu_ps(p, v)
#define BROADCAST(p) _mm256_broadcast_ss(p)
#define ADD(a, b) _mm256_add_ps(a, b)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define FETCH(p, two) /* a step takes 6 cycles, of which this would be one */

#endif

#endif
