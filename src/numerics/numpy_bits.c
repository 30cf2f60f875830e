/* SPDX-License-Identifier: Apache-2.0
 *
 * NumPy's bit generators: SeedSequence, PCG64, MT19937, and the integers made of their words.
 *
 * PCG64: M. O'Neill, "PCG: A family of simple fast space-efficient statistically good algorithms for random
 * number generation" (2014), XSL RR 128/64. SeedSequence: after M. O'Neill, "Developing a seed_seq
 * alternative" (2015), with the constants of numpy/random/bit_generator.pyx. Bounded integers: D. Lemire,
 * "Fast random integer generation in an interval", ACM Transactions on Modeling and Computer Simulation 29
 * (2019).
 */
#include <string.h>

#include "numerics/numpy.h"

void ib__numpy_legacy(ib_numpy *g, uint32_t seed) {
    *g = (ib_numpy){.legacy = true};
    ib__mt19937_seed(&g->mt, seed);
}

void ib__numpy_legacy_words(ib_numpy *g, const uint32_t *words, size_t n) {
    *g = (ib_numpy){.legacy = true};
    ib__mt19937_seed_words(&g->mt, words, n);
}

/* ---- SeedSequence ---- */

static uint32_t hash_mix(uint32_t value, uint32_t *constant) {
    value ^= *constant;
    *constant *= 0x931e8875u;
    value *= *constant;
    return value ^ value >> 16;
}

static uint32_t mix(uint32_t x, uint32_t y) {
    uint32_t value = 0xca01f9ddu * x - 0x4973f715u * y;
    return value ^ value >> 16;
}

/* The entropy, filled up with zeros to the size of the pool if a spawn key follows; then that. */
void ib__seed_sequence(ib_seed_sequence *s, const uint32_t *entropy, size_t n, const uint32_t *spawn_key,
                       size_t keys) {
    size_t start = keys && n < 4 ? 4 : n, total = start + keys;
    uint32_t constant = 0x43b0d7e5u;
    for (size_t i = 0; i < 4 || i < total; i++) {
        uint32_t word = i < n ? entropy[i] : i >= start && i < total ? spawn_key[i - start] : 0;
        if (i < 4) s->pool[i] = hash_mix(word, &constant);
        if (i == 3) {
            for (size_t from = 0; from < 4; from++)
                for (size_t to = 0; to < 4; to++)
                    if (from != to) s->pool[to] = mix(s->pool[to], hash_mix(s->pool[from], &constant));
        }
        for (size_t to = 0; i > 3 && to < 4; to++)
            s->pool[to] = mix(s->pool[to], hash_mix(word, &constant));
    }
}

void ib__seed_sequence_state(const ib_seed_sequence *s, uint32_t *out, size_t n) {
    uint32_t constant = 0x8b51f9ddu;
    for (size_t i = 0; i < n; i++) {
        uint32_t value = s->pool[i % 4] ^ constant;
        constant *= 0x58f38dedu;
        value *= constant;
        out[i] = value ^ value >> 16;
    }
}

/* ---- PCG64 ---- */

static void pcg_step(ib_numpy *g) {
    static const ib_u128 multiplier = {2549297995355413924u, 4865540595714422341u};
    g->state = ib__u128_add(ib__u128_multiply(g->state, multiplier), g->increment);
}

void ib__numpy_pcg64(ib_numpy *g, const ib_seed_sequence *sequence) {
    uint32_t half[8];
    uint64_t word[4];
    ib__seed_sequence_state(sequence, half, 8);
    for (size_t i = 0; i < 4; i++)
        word[i] = (uint64_t)half[2 * i + 1] << 32 | half[2 * i];
    *g = (ib_numpy){.increment = {word[2] << 1 | word[3] >> 63, word[3] << 1 | 1u}};
    pcg_step(g);
    g->state = ib__u128_add(g->state, (ib_u128){word[0], word[1]});
    pcg_step(g);
}

void ib__numpy_default_rng(ib_numpy *g, const ib_seed *seed) {
    static const uint32_t zero = 0;
    ib_seed_sequence s;
    ib__seed_sequence(&s, seed->n ? seed->words : &zero, seed->n ? seed->n : 1, NULL, 0);
    ib__numpy_pcg64(g, &s);
}

static uint64_t pcg_word(ib_numpy *g) {
    pcg_step(g);
    uint64_t x = g->state.high ^ g->state.low;
    unsigned turn = (unsigned)(g->state.high >> 58);
    return x >> turn | x << (-turn & 63u);
}

/* ---- Words ---- */

uint32_t ib__numpy_u32(ib_numpy *g) {
    if (g->legacy) return ib__mt19937_word(&g->mt);
    if (g->has_half) {
        g->has_half = false;
        return g->half;
    }
    uint64_t word = pcg_word(g);
    g->has_half = true;
    g->half = (uint32_t)(word >> 32);
    return (uint32_t)word;
}

uint64_t ib__numpy_u64(ib_numpy *g) {
    if (!g->legacy) return pcg_word(g);
    uint64_t high = ib__mt19937_word(&g->mt);
    return high << 32 | ib__mt19937_word(&g->mt);
}

double ib__numpy_random(ib_numpy *g) {
    return g->legacy ? ib__mt19937_double(&g->mt) : (double)(pcg_word(g) >> 11) * 0x1p-53;
}

float ib__numpy_random_float(ib_numpy *g) {
    return (float)(ib__numpy_u32(g) >> 8) * 0x1p-24f;
}

double ib__numpy_uniform(ib_numpy *g, double low, double high) {
    double range = high - low;
    return low + range * ib__numpy_random(g);
}

/* ---- Integers ---- */

/* The least 2^k - 1 from last on. */
static uint64_t mask_of(uint64_t last) {
    for (unsigned shift = 1; shift < 64; shift *= 2)
        last |= last >> shift;
    return last;
}

/* Words of 8, 16, 32 or 64 bits; the short ones are cut from a 32-bit word, the lowest first. */
typedef struct cutter {
    ib_numpy *g;
    unsigned bits, left; /* left: pieces that the word still holds */
    uint32_t word;
} cutter;

static uint64_t cut(cutter *c) {
    if (c->bits == 64) return ib__numpy_u64(c->g);
    if (c->bits == 32) return ib__numpy_u32(c->g);
    if (c->left == 0) {
        c->word = ib__numpy_u32(c->g);
        c->left = 32 / c->bits;
    } else {
        c->word >>= c->bits;
    }
    c->left--;
    return c->word & ((1u << c->bits) - 1);
}

/* From 0 to last < 2^bits - 1: the high half of word * (last + 1); drawn anew where the low half is one of
 * the 2^bits mod (last + 1) values that some results would have too many of. */
static uint64_t lemire(cutter *c, uint64_t last) {
    uint64_t count = last + 1, ones = UINT64_MAX >> (64 - c->bits);
    if (c->bits == 64) {
        ib_u128 m = ib__u128_product(cut(c), count);
        for (uint64_t refused = m.low < count ? (ones - last) % count : 0; m.low < refused;)
            m = ib__u128_product(cut(c), count);
        return m.high;
    }
    uint64_t m = cut(c) * count;
    for (uint64_t refused = (m & ones) < count ? (ones - last) % count : 0; (m & ones) < refused;)
        m = cut(c) * count;
    return m >> c->bits;
}

static uint64_t bounded(cutter *c, uint64_t last, bool masked) {
    if (last == 0) return 0;
    if (last == UINT64_MAX >> (64 - c->bits)) return cut(c);
    if (!masked) return lemire(c, last);
    uint64_t mask = mask_of(last), value;
    do
        value = cut(c) & mask;
    while (value > last);
    return value;
}

/* Numbers that fit take 32 bits. */
uint64_t ib__numpy_upto(ib_numpy *g, uint64_t last, bool masked) {
    cutter c = {.g = g, .bits = last <= UINT32_MAX ? 32 : 64};
    return bounded(&c, last, masked);
}

void ib__numpy_integers(ib_numpy *g, ib_dtype dtype, int64_t low, uint64_t last, void *out, size_t n) {
    size_t size = ib__dtype_size(dtype);
    cutter c = {.g = g, .bits = dtype == IB_BOOL8 ? 1 : (unsigned)(8 * size)};
    if (size == 8 && last <= UINT32_MAX) c.bits = 32;
    for (size_t i = 0; i < n; i++) {
        uint64_t value = (uint64_t)low + bounded(&c, last, g->legacy);
        if (size == 1)
            ((uint8_t *)out)[i] = (uint8_t)value;
        else if (size == 2)
            ((uint16_t *)out)[i] = (uint16_t)value;
        else if (size == 4)
            ((uint32_t *)out)[i] = (uint32_t)value;
        else
            ((uint64_t *)out)[i] = value;
    }
}
