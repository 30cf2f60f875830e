/* SPDX-License-Identifier: Apache-2.0
 *
 * Uniform numbers, sixteen Philox blocks (64 numbers) at a time; included by uniform_avx2.c and
 * uniform_avx512.c.
 */
#include "kernels/kernels.h"

#include <string.h>

#include "kernels/random/philox.h"
#include "kernels/simd/v16.h"

ib_k_uniform_fn IB_K(uniform);

enum { BLOCKS = 16, NUMBERS = 4 * BLOCKS };

/* Eight blocks, given word by word, to 32 numbers in order: words are paired, the pairs are paired, and the
 * 128-bit halves, which hold blocks i and i + 4, are put in their places. */
V16_FN void store_blocks(float *y, __m256 a, __m256 b, __m256 c, __m256 d) {
    __m256 ab_low = _mm256_unpacklo_ps(a, b), ab_high = _mm256_unpackhi_ps(a, b);
    __m256 cd_low = _mm256_unpacklo_ps(c, d), cd_high = _mm256_unpackhi_ps(c, d);
    __m256 blocks_04 = _mm256_shuffle_ps(ab_low, cd_low, 0x44);
    __m256 blocks_15 = _mm256_shuffle_ps(ab_low, cd_low, 0xee);
    __m256 blocks_26 = _mm256_shuffle_ps(ab_high, cd_high, 0x44);
    __m256 blocks_37 = _mm256_shuffle_ps(ab_high, cd_high, 0xee);
    _mm256_storeu_ps(y, _mm256_permute2f128_ps(blocks_04, blocks_15, 0x20));
    _mm256_storeu_ps(y + 8, _mm256_permute2f128_ps(blocks_26, blocks_37, 0x20));
    _mm256_storeu_ps(y + 16, _mm256_permute2f128_ps(blocks_04, blocks_15, 0x31));
    _mm256_storeu_ps(y + 24, _mm256_permute2f128_ps(blocks_26, blocks_37, 0x31));
}

V16_FN v16 unit_interval(w16 words) {
    return v16_mul(w16_to_float(w16_shift_right(words, 8)), v16_set(0x1p-24f));
}

/* Eight counters, whose words are the even ones here (the odd ones are of no account): a product of words
 * then is where it was made, the low half of it in an even place. */
typedef struct eight {
    w16 c0, c1, c2, c3;
} eight;

/* keys: the two key words of this round. */
V16_FN eight one_round(eight b, const uint32_t *keys) {
    w16 p0 = w16_multiply_even(b.c0, w16_set(IB_PHILOX_MULTIPLIER_0));
    w16 p1 = w16_multiply_even(b.c2, w16_set(IB_PHILOX_MULTIPLIER_1));
    return (eight){w16_xor(w16_xor(w16_odd_to_even(p1), b.c1), w16_set(keys[0])), p1,
                   w16_xor(w16_xor(w16_odd_to_even(p0), b.c3), w16_set(keys[1])), p0};
}

/* Written out: a loop would spend its time on moving the state about. */
V16_FN eight ten_rounds(eight b, const uint32_t *keys) {
    b = one_round(one_round(b, keys), keys + 2);
    b = one_round(one_round(b, keys + 4), keys + 6);
    b = one_round(one_round(b, keys + 8), keys + 10);
    b = one_round(one_round(b, keys + 12), keys + 14);
    return one_round(one_round(b, keys + 16), keys + 18);
}

/* A place in a stream with the keys of all rounds. */
typedef struct stream {
    ib_stream_at at;
    uint32_t keys[2 * IB_PHILOX_ROUNDS];
} stream;

static stream stream_with_keys(const ib_stream_at *at) {
    stream s = {*at, {at->key[0], at->key[1]}};
    for (size_t i = 2; i < 2 * IB_PHILOX_ROUNDS; i += 2) {
        s.keys[i] = s.keys[i - 2] + IB_PHILOX_KEY_STEP_0;
        s.keys[i + 1] = s.keys[i - 1] + IB_PHILOX_KEY_STEP_1;
    }
    return s;
}

/* The 64 numbers of sixteen counters {block, sample, step, epoch}. */
V16_FN void sixteen_blocks(float *y, const stream *s, w16 block, w16 sample) {
    const w16 step = w16_set(s->at.step), epoch = w16_set(s->at.epoch);
    eight even = ten_rounds((eight){block, sample, step, epoch}, s->keys);
    eight odd = ten_rounds((eight){w16_odd_to_even(block), w16_odd_to_even(sample), step, epoch}, s->keys);
    w16 c0 = w16_join_even(even.c0, odd.c0), c1 = w16_join_even(even.c1, odd.c1);
    w16 c2 = w16_join_even(even.c2, odd.c2), c3 = w16_join_even(even.c3, odd.c3);
    v16 u0 = unit_interval(c0), u1 = unit_interval(c1), u2 = unit_interval(c2), u3 = unit_interval(c3);
    store_blocks(y, v16_low_half(u0), v16_low_half(u1), v16_low_half(u2), v16_low_half(u3));
    store_blocks(y + 32, v16_high_half(u0), v16_high_half(u1), v16_high_half(u2), v16_high_half(u3));
}

/* Up to sixteen blocks from any place on, across the ends of samples; returns how many numbers were written,
 * at most n. */
static size_t blocks_anywhere(float *y, const stream *from, size_t start, size_t n) {
    const ib_stream_at *at = &from->at;
    uint32_t block[BLOCKS] = {0}, sample[BLOCKS] = {0};
    unsigned char first[BLOCKS], count[BLOCKS];
    size_t blocks = 0, done = 0;
    size_t s = start / at->per_sample, e = start % at->per_sample;
    for (; blocks < BLOCKS && done < n; blocks++) {
        size_t take = 4 - e % 4;
        if (take > at->per_sample - e) take = at->per_sample - e;
        if (take > n - done) take = n - done;
        block[blocks] = (uint32_t)(e / 4);
        sample[blocks] = at->first_sample + (uint32_t)s;
        first[blocks] = (unsigned char)(e % 4);
        count[blocks] = (unsigned char)take;
        done += take;
        e += take;
        if (e == at->per_sample) {
            e = 0;
            s++;
        }
    }
    float words[2 * BLOCKS], numbers[NUMBERS];
    memcpy(words, block, sizeof block);
    memcpy(words + BLOCKS, sample, sizeof sample);
    sixteen_blocks(numbers, from, v16_words(v16_load(words)), v16_words(v16_load(words + BLOCKS)));
    for (size_t b = 0; b < blocks; y += count[b], b++)
        memcpy(y, numbers + 4 * b + first[b], count[b] * sizeof(float));
    return done;
}

void IB_K(uniform)(float *y, const ib_stream_at *at, size_t start, size_t n) {
    const stream from = stream_with_keys(at);
    const ib_stream_at place = from.at;
    while (n) {
        size_t s = start / place.per_sample, e = start % place.per_sample, done = 0;
        if (e % 4 == 0) {
            w16 sample = w16_set(place.first_sample + (uint32_t)s);
            for (; n - done >= NUMBERS && place.per_sample - e >= NUMBERS; done += NUMBERS, e += NUMBERS)
                sixteen_blocks(y + done, &from, w16_add(w16_set((uint32_t)(e / 4)), w16_lane_numbers()),
                               sample);
        }
        if (!done) done = blocks_anywhere(y, &from, start, n);
        y += done;
        start += done;
        n -= done;
    }
}
