/* SPDX-License-Identifier: Apache-2.0
 *
 * Named random streams: Philox4x32-10 keyed by (seed, path of the object that draws, purpose). A draw depends
 * on its name and position only.
 */
#ifndef IB_NUMERICS_STREAM_H
#define IB_NUMERICS_STREAM_H

#include <stddef.h>
#include <stdint.h>

typedef struct ib_stream {
    uint32_t key[2];
} ib_stream;

/* path: at most 8000 bytes count. key = first 8 bytes, little-endian, of SHA-256("isobit stream 1\n" seed in
 * decimal "\n" path "\n" purpose).
 */
ib_stream ib__stream(uint64_t seed, const char *path, const char *purpose);

/* Word i (i < 2^34) of the stream at (step, epoch): Philox(counter = {i / 4 low, i / 4 high, step, epoch})[i
 * mod 4]. */
uint32_t ib__stream_word(const ib_stream *s, uint64_t i, uint32_t step, uint32_t epoch);

/* Number i of the stream is made of the words 2i and 2i + 1 (w0, w1).
 * uniform: ((w0 >> 5) * 2^26 + (w1 >> 6)) * 2^-53, in [0, 1).
 * normal: the quantile (ib__double_normal_quantile) of ((w0 >> 6) * 2^26 + (w1 >> 6) + 1/2) * 2^-52: mean 0,
 * standard deviation 1; made of + - * / sqrt on doubles only, so the bits are the same everywhere. */
double ib__stream_uniform(const ib_stream *s, uint64_t i, uint32_t step, uint32_t epoch);
double ib__stream_normal(const ib_stream *s, uint64_t i, uint32_t step, uint32_t epoch);
/* A number below n (0 < n < 2^32): word mod n, where words are taken in order from *next on and those below
 * 2^32 mod n are passed over. */
uint32_t ib__stream_below(const ib_stream *s, uint64_t *next, uint32_t step, uint32_t epoch, uint32_t n);
/* A permutation of 0 .. n-1 (n < 2^32), Fisher-Yates: for i = 0 .. n-2 swap the items i and i + a number
 * below n - i; words from the first one at step 0. */
void ib__stream_shuffle(const ib_stream *s, uint32_t epoch, uint32_t *order, size_t n);

#endif
