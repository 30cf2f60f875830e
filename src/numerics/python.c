/* SPDX-License-Identifier: Apache-2.0
 *
 * Python's random numbers. Which words a call takes is that of CPython's Lib/random.py and
 * Modules/_randommodule.c.
 */
#include "numerics/python.h"

#include <math.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/mem.h"
#include "numerics/gnu_math.h"
#include "numerics/order.h"

void ib__python_seed(ib_python *r, const ib_seed *seed) {
    static const uint32_t zero = 0;
    ib__mt19937_seed_words(&r->mt, seed->n ? seed->words : &zero, seed->n ? seed->n : 1);
    r->has_gauss = false;
    r->gauss = 0;
}

/* The number whose bytes, the highest first, are those of the text and of its SHA-512. */
ib_status ib__python_seed_text(ib_python *r, const void *bytes, size_t n, const char *where, ib_error *err) {
    enum { DIGEST = 64, TEXT_MAX = 4 * IB_SEED_WORDS - DIGEST };
    unsigned char all[4 * IB_SEED_WORDS];
    if (n > TEXT_MAX)
        return ib__fail(err, IB_BAD_INPUT, where, "seed: expected at most %d bytes, found %zu", TEXT_MAX, n);
    if (n) memcpy(all, bytes, n);
    if (EVP_Digest(all, n, all + n, NULL, EVP_sha512(), NULL) != 1) return ib__fail_memory(err);
    ib_seed seed;
    ib_status status = ib__seed_bytes(&seed, all, n + DIGEST, where, err);
    if (status == IB_OK) ib__python_seed(r, &seed);
    return status;
}

double ib__python_random(ib_python *r) {
    return ib__mt19937_double(&r->mt);
}

void ib__python_bits(ib_python *r, uint32_t *words, size_t k) {
    for (; k > 32; k -= 32)
        *words++ = ib__mt19937_word(&r->mt);
    if (k) *words = ib__mt19937_word(&r->mt) >> (32 - k);
}

static size_t bit_length(uint64_t x) {
    size_t k = 0;
    for (; x; x >>= 1)
        k++;
    return k;
}

/* As many bits as last + 1 has, drawn anew while they are too large. */
uint64_t ib__python_upto(ib_python *r, uint64_t last) {
    size_t k = last == UINT64_MAX ? 65 : bit_length(last + 1);
    for (;;) {
        uint32_t words[3] = {0};
        ib__python_bits(r, words, k);
        uint64_t value = (uint64_t)words[1] << 32 | words[0];
        if (words[2] == 0 && value <= last) return value;
    }
}

int64_t ib__python_randint(ib_python *r, int64_t low, int64_t high) {
    return (int64_t)((uint64_t)low + ib__python_upto(r, (uint64_t)high - (uint64_t)low));
}

double ib__python_uniform(ib_python *r, double low, double high) {
    return low + (high - low) * ib__python_random(r);
}

/* By G. Box and M. Muller: two numbers from an angle and a distance. */
double ib__python_gauss(ib_python *r, double mean, double deviation) {
    double z = r->gauss;
    if (r->has_gauss) {
        r->has_gauss = false;
        return mean + z * deviation;
    }
    double angle = ib__python_random(r) * 0x1.921fb54442d18p+2; /* 2 pi */
    double distance = sqrt(-2.0 * ib__gnu_log(1.0 - ib__python_random(r)));
    z = ib__gnu_cos(angle) * distance;
    r->gauss = ib__gnu_sin(angle) * distance;
    r->has_gauss = true;
    return mean + z * deviation;
}

/* By A. Kinderman and J. Monahan: a quotient of uniform numbers. The constant is 4 e^(-1/2) / sqrt(2). */
double ib__python_normalvariate(ib_python *r, double mean, double deviation) {
    double z, u;
    do {
        double v = ib__python_random(r);
        u = 1.0 - ib__python_random(r);
        z = 0x1.b72cd3f331398p+0 * (v - 0.5) / u;
    } while (!(z * z / 4.0 <= -ib__gnu_log(u)));
    return mean + z * deviation;
}

double ib__python_expovariate(ib_python *r, double rate) {
    return -ib__gnu_log(1.0 - ib__python_random(r)) / rate;
}

void ib__python_shuffle(ib_python *r, uint32_t *items, size_t n) {
    for (size_t i = n; i-- > 1;)
        ib__order_swap(items, i, (size_t)ib__python_upto(r, i));
}

/* Few of many are drawn until they are new; many of few are taken out of a list of all, which closes its gaps
 * from the end. Where Python changes over: 21 + 4^ceil(log4(3 k)) items, for k above 5. */
ib_status ib__python_sample(ib_python *r, uint32_t *out, size_t n, size_t k, ib_error *err) {
    uint64_t list_up_to = 21, power = 4;
    while (power < (uint64_t)k * 3)
        power *= 4;
    if (k > 5) list_up_to += power;
    if (n <= list_up_to) {
        uint32_t *pool = ib__alloc(n + 1, sizeof *pool);
        if (!pool) return ib__fail_memory(err);
        for (size_t i = 0; i < n; i++)
            pool[i] = (uint32_t)i;
        for (size_t i = 0; i < k; i++) {
            size_t j = (size_t)ib__python_upto(r, n - i - 1);
            out[i] = pool[j];
            pool[j] = pool[n - i - 1];
        }
        ib__free(pool);
        return IB_OK;
    }
    ib_order_set seen;
    if (!ib__order_set_new(&seen, k)) return ib__fail_memory(err);
    for (size_t i = 0; i < k; i++) {
        do
            out[i] = (uint32_t)ib__python_upto(r, n - 1);
        while (!ib__order_set_add(&seen, out[i]));
    }
    ib__order_set_free(&seen);
    return IB_OK;
}

ib_status ib__python_choices(ib_python *r, uint32_t *out, size_t n, const double *weights, size_t k,
                             ib_error *err) {
    if (!weights) {
        for (size_t i = 0; i < k; i++)
            out[i] = (uint32_t)floor(ib__python_random(r) * (double)n);
        return IB_OK;
    }
    double *sums = ib__alloc(n + 1, sizeof *sums);
    if (!sums) return ib__fail_memory(err);
    for (size_t i = 0; i < n; i++)
        sums[i] = (i ? sums[i - 1] : 0.0) + weights[i];
    for (size_t i = 0; i < k; i++) {
        double x = ib__python_random(r) * sums[n - 1];
        size_t low = 0, high = n - 1; /* the first item whose sum is above x; the last one at the latest */
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (x < sums[middle])
                high = middle;
            else
                low = middle + 1;
        }
        out[i] = (uint32_t)low;
    }
    ib__free(sums);
    return IB_OK;
}
