/* SPDX-License-Identifier: Apache-2.0
 *
 * NumPy's random numbers, number for number: RandomState (MT19937; numpy.random.seed and the functions of
 * numpy.random) and default_rng (SeedSequence, PCG64, Generator). Each function takes as much from the
 * generator as the call of its name. "Both" serve both kinds, each in its own way; the others belong to one.
 */
#ifndef IB_NUMERICS_NUMPY_H
#define IB_NUMERICS_NUMPY_H

#include "numerics/mt19937.h"
#include "numerics/seed.h"
#include "numerics/tensor.h"
#include "numerics/wide.h"

typedef struct ib_numpy {
    bool legacy; /* RandomState; false: Generator(PCG64) */
    ib_mt19937 mt;
    ib_u128 state, increment; /* PCG64 */
    bool has_half;            /* PCG64 gives 32-bit words from halves, the low one first */
    uint32_t half;
    bool has_gauss; /* RandomState: the second number of a pair, waiting */
    double gauss;
} ib_numpy;

/* ---- Seeds ---- */

/* RandomState(seed), numpy.random.seed(seed). */
void ib__numpy_legacy(ib_numpy *g, uint32_t seed);
/* RandomState([...]), n > 0. */
void ib__numpy_legacy_words(ib_numpy *g, const uint32_t *words, size_t n);

/* SeedSequence(entropy): pool of four words. spawn_key: NULL and 0, or the numbers of the children that lead
 * to it (spawn(k)[i] of a new sequence has the key i). */
typedef struct ib_seed_sequence {
    uint32_t pool[4];
} ib_seed_sequence;
void ib__seed_sequence(ib_seed_sequence *s, const uint32_t *entropy, size_t n, const uint32_t *spawn_key,
                       size_t keys);
void ib__seed_sequence_state(const ib_seed_sequence *s, uint32_t *out, size_t n); /* generate_state(n) */
/* Generator(PCG64(sequence)); default_rng(an integer from 0). */
void ib__numpy_pcg64(ib_numpy *g, const ib_seed_sequence *sequence);
void ib__numpy_default_rng(ib_numpy *g, const ib_seed *seed);

/* ---- Words ---- */

uint32_t ib__numpy_u32(ib_numpy *g);
uint64_t ib__numpy_u64(ib_numpy *g);
double ib__numpy_random(ib_numpy *g);      /* random(), random_sample(): [0, 1), 53 bits; both */
float ib__numpy_random_float(ib_numpy *g); /* Generator.random(dtype=float32): 24 bits */
double ib__numpy_uniform(ib_numpy *g, double low, double high); /* both */

/* ---- Normal and exponential numbers ---- */

double ib__numpy_standard_normal(ib_numpy *g);      /* standard_normal(), randn(); both */
float ib__numpy_standard_normal_float(ib_numpy *g); /* Generator.standard_normal(dtype=float32) */
double ib__numpy_normal(ib_numpy *g, double mean, double deviation); /* both */
double ib__numpy_standard_exponential(ib_numpy *g);                  /* both */
float ib__numpy_standard_exponential_float(ib_numpy *g);             /* Generator, dtype=float32 */

/* ---- Integers ---- */

/* One number from 0 to last: by Lemire's method (masked = false: Generator), or by drawing again what is too
 * large under a mask (masked: RandomState). */
uint64_t ib__numpy_upto(ib_numpy *g, uint64_t last, bool masked);
/* integers(low, low + last, endpoint=True) of a Generator, randint(low, low + last + 1) of a RandomState.
 * dtype: an integer or bool. */
void ib__numpy_integers(ib_numpy *g, ib_dtype dtype, int64_t low, uint64_t last, void *out, size_t n);

/* ---- Orders; both ---- */

void ib__numpy_shuffle(ib_numpy *g, uint32_t *items, size_t n);
void ib__numpy_permutation(ib_numpy *g, uint32_t *out, size_t n);
/* choice(n, k, replace, p): p NULL, or n probabilities. k <= n without replacement, and then at least k
 * probabilities above 0. shuffle: the Generator's argument of this name (true is its default). */
typedef struct ib_choice {
    bool replace, shuffle;
    const double *p;
} ib_choice;
ib_status ib__numpy_choice(ib_numpy *g, uint32_t *out, size_t n, size_t k, const ib_choice *how,
                           ib_error *err);

#endif
