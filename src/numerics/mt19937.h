/* SPDX-License-Identifier: Apache-2.0
 *
 * The Mersenne Twister MT19937: M. Matsumoto, T. Nishimura, "Mersenne twister", ACM Transactions on Modeling
 * and Computer Simulation 8 (1998), with the seeding of their version of 2002. Python's `random` and NumPy's
 * RandomState take their words from it.
 */
#ifndef IB_NUMERICS_MT19937_H
#define IB_NUMERICS_MT19937_H

#include <stddef.h>
#include <stdint.h>

enum { IB_MT19937_WORDS = 624 };

typedef struct ib_mt19937 {
    uint32_t key[IB_MT19937_WORDS];
    uint32_t at; /* words of this key that are used up */
} ib_mt19937;

void ib__mt19937_seed(ib_mt19937 *mt, uint32_t seed);
void ib__mt19937_seed_words(ib_mt19937 *mt, const uint32_t *words, size_t n); /* n > 0 */
uint32_t ib__mt19937_word(ib_mt19937 *mt);
/* In [0, 1), 53 bits: 27 of one word, 26 of the next. */
double ib__mt19937_double(ib_mt19937 *mt);

#endif
