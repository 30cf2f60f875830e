/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernel tests share: seeded numbers that are rich in NaN, -0, infinities and subnormals; arrays
 * between guard bands at odd places; the comparison of bits, in which any NaN equals any NaN; the orders in
 * which parts are run.
 */
#ifndef IB_TEST_KERNELS_CHECK_H
#define IB_TEST_KERNELS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/simd/scalar.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static size_t comparisons; /* elements compared; a test that compared none has failed */

static uint64_t random_state = 812;
static uint32_t random_word(void) {
    random_state += 0x9e3779b97f4a7c15u;
    uint64_t z = random_state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) >> 32);
}

/* A number like a weight or an activation. */
static inline float ordinary_number(void) {
    return ((float)(random_word() >> 8) * 0x1p-24f - 0.5f) * (random_word() & 1 ? 4.0f : 0.01f);
}

/* Any word, or one of the values that go wrong. */
static inline float awkward_number(void) {
    static const uint32_t words[] = {0x00000000, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000,
                                     0x7fc00000, 0xffc00001, 0x7f800001, 0x00000001, 0x80000001, 0x007fffff,
                                     0x00800000, 0x7f7fffff, 0xff7fffff, 0x3f000000, 0xbf000000, 0x3fc00000,
                                     0x40200000, 0x4f000000, 0xcf000000, 0xcf000001, 0x4effffff, 0x4b000001,
                                     0x4b800001, 0x3effffff, 0xffffffff, 0x7fffffff, 0x00ffffff, 0x01000001};
    uint32_t kind = random_word() % 4;
    if (kind == 0) return ordinary_number();
    if (kind == 1) return ib__float_of(random_word());
    return ib__float_of(words[random_word() % LENGTH(words)]);
}

/* n floats between guard bands of 64 words, `shift` floats behind an aligned place. */
typedef struct guarded {
    float *block, *at;
    size_t n, shift;
} guarded;

enum { GUARD = 64, GUARD_WORD = 0x5ca1ab1e };

static inline guarded guarded_new(size_t n, size_t shift) {
    if (n > (size_t)1 << 28) fail_msg("an array of %zu is no test", n);
    guarded g = {malloc((n + shift + 2 * GUARD) * sizeof(float)), NULL, n, shift};
    assert_non_null(g.block);
    for (size_t i = 0; i < n + shift + 2 * GUARD; i++)
        g.block[i] = ib__float_of(GUARD_WORD);
    g.at = g.block + GUARD + shift;
    return g;
}

static inline void guarded_check(const guarded *g) {
    for (size_t i = 0; i < g->n + g->shift + 2 * GUARD; i++) {
        if (i >= GUARD + g->shift && i < GUARD + g->shift + g->n) continue;
        if (ib__word_of(g->block[i]) != GUARD_WORD)
            fail_msg("word %td beyond the array of %zu was written", g->block + i - g->at, g->n);
    }
}

static inline void guarded_free(guarded *g) {
    guarded_check(g);
    free(g->block);
    g->block = g->at = NULL;
}

static inline void fill(float *x, size_t n, float (*number)(void)) {
    for (size_t i = 0; i < n; i++)
        x[i] = number();
}

static inline uint32_t canonical(float x) {
    uint32_t word = ib__word_of(x);
    return (word & 0x7fffffffu) > 0x7f800000u ? 0x7fc00000u : word;
}

/* words: the arrays hold words (predicates, integers), no NaN is like another. */
static inline void same_bits(const char *what, const float *found, const float *expected, size_t n,
                             bool words) {
    for (size_t i = 0; i < n; i++) {
        uint32_t f = words ? ib__word_of(found[i]) : canonical(found[i]);
        uint32_t e = words ? ib__word_of(expected[i]) : canonical(expected[i]);
        if (f != e) fail_msg("%s: element %zu of %zu: found %08x, expected %08x", what, i, n, f, e);
    }
    comparisons += n;
}

/* Numbers of parts, and the parts in the order `order` (0 ascending, 1 descending, 2 odd ones first). */
static const size_t part_counts[] = {1, 2, 3, 7};
static inline size_t part_in_order(size_t i, size_t parts, unsigned order) {
    if (order == 0) return i;
    if (order == 1) return parts - 1 - i;
    return 2 * i + 1 < parts ? 2 * i + 1 : 2 * (i - parts / 2);
}

/* Calls `run` with variables part and parts for each cut and order; `before` makes the output fresh and
 * `after` checks it. */
#define FOR_ALL_PARTS(before, run, after)                                                                    \
    for (size_t cut = 0; cut < LENGTH(part_counts); cut++)                                                   \
        for (unsigned order = 0; order < 3; order++) {                                                       \
            size_t parts = part_counts[cut];                                                                 \
            before;                                                                                          \
            for (size_t turn = 0; turn < parts; turn++) {                                                    \
                size_t part = part_in_order(turn, parts, order);                                             \
                run;                                                                                         \
            }                                                                                                \
            after;                                                                                           \
        }

/* At the end of a program's group of tests. */
static inline int something_was_compared(void **state) {
    (void)state;
    if (!comparisons) fprintf(stderr, "nothing was compared\n");
    return comparisons ? 0 : -1;
}

#endif
