/* SPDX-License-Identifier: Apache-2.0
 *
 * Named random streams.
 */
#include "numerics/stream.h"

#include <stdio.h>

#include "base/sha256.h"
#include "kernels/random/philox.h"
#include "numerics/double.h"

ib_stream ib__stream(uint64_t seed, const char *path, const char *purpose) {
    char text[8192];
    int n =
        snprintf(text, sizeof text, "isobit stream 1\n%llu\n%s\n%s", (unsigned long long)seed, path, purpose);
    size_t length = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    ib_digest d = ib__sha256(text, length);
    ib_stream s = {{0, 0}};
    for (int i = 0; i < 8; i++)
        s.key[i / 4] |= (uint32_t)d.bytes[i] << (8 * (i % 4));
    return s;
}

/* Words 4 block to 4 block + 3. */
static void block_of(uint32_t words[4], const ib_stream *s, uint64_t block, uint32_t step, uint32_t epoch) {
    uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), step, epoch};
    ib__philox(counter, s->key, words);
}

uint32_t ib__stream_word(const ib_stream *s, uint64_t i, uint32_t step, uint32_t epoch) {
    uint32_t words[4];
    block_of(words, s, i / 4, step, epoch);
    return words[i % 4];
}

/* Words 2 i and 2 i + 1, which are of one block. */
static void word_pair(uint32_t out[2], const ib_stream *s, uint64_t i, uint32_t step, uint32_t epoch) {
    uint32_t words[4];
    block_of(words, s, i / 2, step, epoch);
    out[0] = words[i % 2 * 2];
    out[1] = words[i % 2 * 2 + 1];
}

double ib__stream_uniform(const ib_stream *s, uint64_t i, uint32_t step, uint32_t epoch) {
    uint32_t pair[2];
    word_pair(pair, s, i, step, epoch);
    uint64_t high = pair[0] >> 5, low = pair[1] >> 6;
    return (double)(high << 26 | low) * 0x1p-53;
}

double ib__stream_normal(const ib_stream *s, uint64_t i, uint32_t step, uint32_t epoch) {
    uint32_t pair[2];
    word_pair(pair, s, i, step, epoch);
    uint64_t high = pair[0] >> 6, low = pair[1] >> 6;
    return ib__double_normal_quantile(((double)(high << 26 | low) + 0.5) * 0x1p-52);
}

uint32_t ib__stream_below(const ib_stream *s, uint64_t *next, uint32_t step, uint32_t epoch, uint32_t n) {
    uint32_t refused = (uint32_t)(0u - n) % n, word; /* 2^32 mod n: that many words are too many */
    do
        word = ib__stream_word(s, (*next)++, step, epoch);
    while (word < refused);
    return word % n;
}

void ib__stream_shuffle(const ib_stream *s, uint32_t epoch, uint32_t *order, size_t n) {
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    uint64_t next = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        size_t j = i + ib__stream_below(s, &next, 0, epoch, (uint32_t)(n - i));
        uint32_t swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}
