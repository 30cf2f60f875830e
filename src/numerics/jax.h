/* SPDX-License-Identifier: Apache-2.0
 *
 * JAX's random numbers on a CPU, number for number (0.10): Threefry-2x32 keys and what jax.random makes of
 * them in 32-bit mode. Threefry: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011.
 */
#ifndef IB_NUMERICS_JAX_H
#define IB_NUMERICS_JAX_H

#include <stdbool.h>

#include "base/error.h"

typedef struct ib_jax {
    uint32_t key[2];
    bool sequential; /* jax_threefry_partitionable = False, the default before JAX 0.5 */
} ib_jax;

/* PRNGKey(seed): the low 32 bits count. */
ib_jax ib__jax_key(int64_t seed, bool sequential);
void ib__jax_split(const ib_jax *key, ib_jax *out, size_t n);
ib_jax ib__jax_fold_in(const ib_jax *key, uint32_t data);

/* Arrays of n < 2^31 elements, whatever their shape. */
ib_status ib__jax_bits(const ib_jax *key, uint32_t *out, size_t n, ib_error *err);
/* bits of uint8 (width 8) or uint16 (16), in the low bits of out. */
ib_status ib__jax_bits_short(const ib_jax *key, unsigned width, uint32_t *out, size_t n, ib_error *err);
ib_status ib__jax_uniform(const ib_jax *key, float low, float high, float *out, size_t n, ib_error *err);
ib_status ib__jax_normal(const ib_jax *key, float *out, size_t n, ib_error *err);
ib_status ib__jax_truncated_normal(const ib_jax *key, float low, float high, float *out, size_t n,
                                   ib_error *err);
ib_status ib__jax_randint(const ib_jax *key, int32_t low, int32_t high, int32_t *out, size_t n,
                          ib_error *err); /* low <= x < high */
/* permutation(key, n). choice(key, n, (k,), replace=False) are its first k. */
ib_status ib__jax_permutation(const ib_jax *key, uint32_t *order, size_t n, ib_error *err);
/* permutation(key, items): items in place. */
ib_status ib__jax_shuffle(const ib_jax *key, uint32_t *items, size_t n, ib_error *err);

#endif
