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

/* key = first 8 bytes, little-endian, of SHA-256("isobit stream 1\n" seed in decimal "\n" path "\n" purpose).
 */
ib_stream ib__stream(uint64_t seed, const char *path, const char *purpose);

/* Word i (i < 2^34) of the stream at (step, epoch): Philox(counter = {i / 4 low, i / 4 high, step, epoch})[i
 * mod 4]. */
uint32_t ib__stream_word(const ib_stream *s, uint64_t i, uint32_t step, uint32_t epoch);

/* Conversions; doc/numerics.md#random. */
double ib__stream_uniform(const ib_stream *s, uint64_t i, uint32_t step,
                          uint32_t epoch); /* 53 bits, [0, 1) */
double ib__stream_normal(const ib_stream *s, uint64_t i, uint32_t step, uint32_t epoch);
/* A permutation of 0 .. n-1 (n < 2^32) by Fisher-Yates, draws made unbiased by rejection. */
void ib__stream_shuffle(const ib_stream *s, uint32_t epoch, uint32_t *order, size_t n);

#endif
