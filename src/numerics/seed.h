/* SPDX-License-Identifier: Apache-2.0
 *
 * Seeds of other people's generators: integers of any size, as Python takes them.
 */
#ifndef IB_NUMERICS_SEED_H
#define IB_NUMERICS_SEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { IB_SEED_WORDS = 640 }; /* 20480 bits: more than the largest state that is seeded */

/* The magnitude as 32-bit words, the lowest first; n = 0 for zero, else words[n - 1] is not 0. */
typedef struct ib_seed {
    bool negative;
    size_t n;
    uint32_t words[IB_SEED_WORDS];
} ib_seed;

void ib__seed_int(ib_seed *out, int64_t value);
/* Decimal digits with an optional sign, at most 6000 of them. where: for errors. */
ib_status ib__seed_decimal(ib_seed *out, const char *text, const char *where, ib_error *err);
/* Bytes as one number, the first byte the highest; at most 4 * IB_SEED_WORDS of them. */
ib_status ib__seed_bytes(ib_seed *out, const void *bytes, size_t n, const char *where, ib_error *err);
/* true and *out when the seed lies in 0 .. 2^64 - 1. */
bool ib__seed_u64(const ib_seed *seed, uint64_t *out);

#endif
