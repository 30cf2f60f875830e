/* SPDX-License-Identifier: Apache-2.0
 *
 * Python's module `random`, number for number (CPython 3.11): what random.seed(...) and the calls after it
 * give. Each function here takes as much from the generator as the call of its name.
 */
#ifndef IB_NUMERICS_PYTHON_H
#define IB_NUMERICS_PYTHON_H

#include "numerics/mt19937.h"
#include "numerics/seed.h"

typedef struct ib_python {
    ib_mt19937 mt;
    bool has_gauss;
    double gauss; /* the second number of a pair, waiting */
} ib_python;

/* random.seed(an integer): its sign does not count. */
void ib__python_seed(ib_python *r, const ib_seed *seed);
/* random.seed(text or bytes), version 2; text as UTF-8. At most 2496 bytes. */
ib_status ib__python_seed_text(ib_python *r, const void *bytes, size_t n, const char *where, ib_error *err);

double ib__python_random(ib_python *r);
/* getrandbits(k): (k + 31) / 32 words, the lowest first. */
void ib__python_bits(ib_python *r, uint32_t *words, size_t k);
/* randrange(last + 1), also for last = 2^64 - 1. */
uint64_t ib__python_upto(ib_python *r, uint64_t last);
/* randint(low, high), low <= high. choice(items) of n items is item number randint(0, n - 1). */
int64_t ib__python_randint(ib_python *r, int64_t low, int64_t high);
double ib__python_uniform(ib_python *r, double low, double high);
/* gauss(mean, deviation), which keeps every second number for the next call; normalvariate(mean, deviation),
 * which does not. expovariate(rate). */
double ib__python_gauss(ib_python *r, double mean, double deviation);
double ib__python_normalvariate(ib_python *r, double mean, double deviation);
double ib__python_expovariate(ib_python *r, double rate);
/* shuffle(items) */
void ib__python_shuffle(ib_python *r, uint32_t *items, size_t n);
/* sample(range(n), k) with k <= n < 2^32. */
ib_status ib__python_sample(ib_python *r, uint32_t *out, size_t n, size_t k, ib_error *err);
/* choices(range(n), weights, k=k) with 0 < n < 2^32. weights: NULL, or n numbers with a finite sum above 0.
 */
ib_status ib__python_choices(ib_python *r, uint32_t *out, size_t n, const double *weights, size_t k,
                             ib_error *err);

#endif
