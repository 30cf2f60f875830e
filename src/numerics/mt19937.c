/* SPDX-License-Identifier: Apache-2.0
 *
 * MT19937.
 */
#include "numerics/mt19937.h"

enum { N = IB_MT19937_WORDS, M = 397 };

void ib__mt19937_seed(ib_mt19937 *mt, uint32_t seed) {
    mt->key[0] = seed;
    for (uint32_t i = 1; i < N; i++)
        mt->key[i] = 1812433253u * (mt->key[i - 1] ^ mt->key[i - 1] >> 30) + i;
    mt->at = N;
}

/* Place i of the circle of words after 1 .. N - 1: the last word becomes the first one's neighbour. */
static uint32_t next_place(uint32_t *key, uint32_t i) {
    if (++i < N) return i;
    key[0] = key[N - 1];
    return 1;
}

void ib__mt19937_seed_words(ib_mt19937 *mt, const uint32_t *words, size_t n) {
    uint32_t *key = mt->key, i = 1;
    ib__mt19937_seed(mt, 19650218u);
    size_t j = 0;
    for (size_t k = n > N ? n : N; k > 0; k--) {
        key[i] = (key[i] ^ (key[i - 1] ^ key[i - 1] >> 30) * 1664525u) + words[j] + (uint32_t)j;
        i = next_place(key, i);
        j = j + 1 < n ? j + 1 : 0;
    }
    for (uint32_t k = N - 1; k > 0; k--) {
        key[i] = (key[i] ^ (key[i - 1] ^ key[i - 1] >> 30) * 1566083941u) - i;
        i = next_place(key, i);
    }
    key[0] = 0x80000000u;
}

static void new_key(uint32_t *key) {
    for (uint32_t i = 0; i < N; i++) {
        uint32_t y = (key[i] & 0x80000000u) | (key[(i + 1) % N] & 0x7fffffffu);
        key[i] = key[(i + M) % N] ^ y >> 1 ^ (y & 1u ? 0x9908b0dfu : 0u);
    }
}

uint32_t ib__mt19937_word(ib_mt19937 *mt) {
    if (mt->at == N) {
        new_key(mt->key);
        mt->at = 0;
    }
    uint32_t y = mt->key[mt->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

double ib__mt19937_double(ib_mt19937 *mt) {
    uint64_t high = ib__mt19937_word(mt) >> 5, low = ib__mt19937_word(mt) >> 6;
    return (double)(high << 26 | low) * 0x1p-53;
}
