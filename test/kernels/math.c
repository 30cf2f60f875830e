/* SPDX-License-Identifier: Apache-2.0
 *
 * The elementary functions, quickly: special values, the hard cases that the proof (test/long/functions.c)
 * found, agreement of the variants with the reference, tails, odd places, work in place.
 */
#include "kernels/check.h"

#include <math.h>

static const ib_map_op ops[] = {IB_MAP_exp,      IB_MAP_expm1,    IB_MAP_log, IB_MAP_log1p, IB_MAP_tanh,
                                IB_MAP_logistic, IB_MAP_softplus, IB_MAP_erf, IB_MAP_rsqrt};
static const char *const names[] = {"exp",      "expm1",    "log", "log1p", "tanh",
                                    "logistic", "softplus", "erf", "rsqrt"};

/* The op at x, by each variant in each place of a block. */
static void expect(size_t which, uint32_t x, uint32_t expected) {
    enum { PLACES = 17 };
    for (int isa = 0; isa < IB_ISA_COUNT; isa++) {
        if (!ib__isa_available((ib_isa)isa)) continue;
        float a[PLACES], y[PLACES], want[PLACES];
        for (int i = 0; i < PLACES; i++) {
            a[i] = ib__float_of(x);
            want[i] = ib__float_of(expected);
        }
        ib__kernels_for((ib_isa)isa)->map[ops[which]](y, a, NULL, NULL, PLACES);
        char what[80];
        snprintf(what, sizeof what, "%s(%08x), %s", names[which], x, ib__isa_name((ib_isa)isa));
        same_bits(what, y, want, PLACES, false);
    }
}

enum { NAN_ = 0x7fc00000, INF = 0x7f800000, ONE = 0x3f800000 };

static void special_values(void **state) {
    (void)state;
    /* the results at +0, -0, +inf, -inf */
    static const uint32_t results[LENGTH(ops)][4] = {
        {ONE, ONE, INF, 0},
        {0, 0x80000000, INF, 0xbf800000},
        {0xff800000, 0xff800000, INF, NAN_},
        {0, 0x80000000, INF, NAN_},
        {0, 0x80000000, ONE, 0xbf800000},
        {0x3f000000, 0x3f000000, ONE, 0},
        {0x3f317218, 0x3f317218, INF, 0},
        {0, 0x80000000, ONE, 0xbf800000},
        {INF, 0xff800000, 0, NAN_},
    };
    static const uint32_t arguments[4] = {0, 0x80000000, INF, 0xff800000};
    static const uint32_t nans[] = {0x7fc00000, 0xffc00000, 0x7f800001, 0xff800001, 0x7fffffff, 0xffffffff};
    for (size_t f = 0; f < LENGTH(ops); f++) {
        for (size_t i = 0; i < LENGTH(arguments); i++)
            expect(f, arguments[i], results[f][i]);
        for (size_t i = 0; i < LENGTH(nans); i++)
            expect(f, nans[i], NAN_);
    }
}

/* Poles, domains, and the ends of the ranges in which results are neither 0 nor infinite nor 1. */
static void edges(void **state) {
    (void)state;
    static const struct {
        uint32_t x, y;
    } cases[LENGTH(ops)][6] = {
        {{0x42b17217, 0x7f7fff84},
         {0x42b17218, INF},
         {0xc2cff1b4, 1},
         {0xc2cff1b5, 0},
         {1, ONE},
         {ONE, 0x402df854}},
        {{0x42b17217, 0x7f7fff84},
         {0x42b17218, INF},
         {0xc2d00000, 0xbf800000},
         {1, 1},
         {0x80000001, 0x80000001},
         {ONE, 0x3fdbf0a9}},
        {{ONE, 0},
         {0xbf800000, NAN_},
         {1, 0xc2ce8ed0},
         {0x80000001, NAN_},
         {0x3f7fffff, 0xb3800000},
         {0x7f7fffff, 0x42b17218}},
        {{0xbf800000, 0xff800000},
         {0xbf800001, NAN_},
         {0xbf7fffff, 0xc1851592},
         {1, 1},
         {0x80000001, 0x80000001},
         {0x7f7fffff, 0x42b17218}},
        {{1, 1},
         {0x80000001, 0x80000001},
         {0x41200000, ONE},
         {0xc1200000, 0xbf800000},
         {ONE, 0x3f42f7d6},
         {0xbf800000, 0xbf42f7d6}},
        {{0x34c00000, 0x3f000001},
         {0x35600000, 0x3f000003},
         {0xc2d00000, 0},
         {0x42000000, ONE},
         {1, 0x3f000000},
         {0x80000001, 0x3f000000}},
        {{0xc2d00000, 0},
         {0x7f7fffff, 0x7f7fffff},
         {0x42c80000, 0x42c80000},
         {1, 0x3f317218},
         {0xff7fffff, 0},
         {0xc2cff1b5, 0}},
        {{1, 1},
         {0x80000001, 0x80000001},
         {0x40800000, ONE},
         {0xc0800000, 0xbf800000},
         {ONE, 0x3f57bb3d},
         {0xbf800000, 0xbf57bb3d}},
        {{ONE, ONE},
         {0x40800000, 0x3f000000},
         {0xbf800000, NAN_},
         {1, 0x64b504f3},
         {0x7f7fffff, 0x1f800000},
         {0x00800000, 0x5f000000}},
    };
    for (size_t f = 0; f < LENGTH(ops); f++) {
        for (size_t i = 0; i < LENGTH(cases[f]); i++)
            expect(f, cases[f][i].x, cases[f][i].y);
    }
}

/* The arguments whose values are nearest to a rounding boundary, as the proof prints them. */
static void hard_cases(void **state) {
    (void)state;
    static const struct {
        uint32_t x, y;
    } cases[LENGTH(ops)][4] = {
        {{0xc16912cd, 0x34fd331b},
         {0xbbf0edf1, 0x3f7e1fe9},
         {0xbae0e25c, 0x3f7f8fa7},
         {0xb3000000, 0x3f800000}},
        {{0x34ca62c1, 0x34ca62c3},
         {0x3a254e7a, 0x3a255bd3},
         {0x3dc252dd, 0x3dcbd76b},
         {0xb675cbfc, 0xb675cbdf}},
        {{0x65d890d3, 0x4254d1f9},
         {0x4c5d65a5, 0x418f034b},
         {0x4d604ebe, 0x419a352c},
         {0x41178feb, 0x400fe5e7}},
        {{0x35400003, 0x353fffff},
         {0xb53ffffd, 0xb5400001},
         {0x65d890d3, 0x4254d1f9},
         {0x3efd81ad, 0x3ecdeee1}},
        {{0x3ac37de2, 0x3ac37dd9},
         {0xbac37de2, 0xbac37dd9},
         {0x3eee0566, 0x3ede3cbe},
         {0x40acb4d0, 0x3f7ffd50}},
        {{0xb3800000, 0x3f000000},
         {0x34000000, 0x3f000000},
         {0xb4400000, 0x3effffff},
         {0xb4a00000, 0x3efffffe}},
        {{0x39ea41d0, 0x3f3180bd},
         {0x3ad68ba7, 0x3f31a7c1},
         {0x40a3f888, 0x40a42924},
         {0x398b9622, 0x3f317ad1}},
        {{0x3940ead6, 0x3959af14},
         {0xb940ead6, 0xb959af14},
         {0x39c0057d, 0x39d8ac49},
         {0xb9c0057d, 0xb9d8ac49}},
        {{0x013a18e3, 0x5e96209e},
         {0x023a18e3, 0x5e16209e},
         {0x033a18e3, 0x5d96209e},
         {0x043a18e3, 0x5d16209e}},
    };
    for (size_t f = 0; f < LENGTH(ops); f++) {
        for (size_t i = 0; i < LENGTH(cases[f]); i++)
            expect(f, cases[f][i].x, cases[f][i].y);
    }
}

/* Each variant against the reference at 2^18 arguments a function that are spread over all words, and
 * as many between -16 and 16. */
static void variants_agree(void **state) {
    (void)state;
    enum { BLOCK = 4096, BLOCKS = 128 };
    float *x = malloc(3 * BLOCK * sizeof *x);
    assert_non_null(x);
    float *expected = x + BLOCK, *found = x + 2 * BLOCK;
    for (size_t f = 0; f < LENGTH(ops); f++) {
        for (size_t b = 0; b < BLOCKS; b++) {
            for (size_t i = 0; i < BLOCK; i++) {
                uint32_t word = random_word();
                x[i] = b % 2 ? ib__float_of(word) : ((float)(word >> 8) * 0x1p-24f - 0.5f) * 32;
            }
            ib__kernels_for(IB_ISA_REF)->map[ops[f]](expected, x, NULL, NULL, BLOCK);
            for (int isa = IB_ISA_REF + 1; isa < IB_ISA_COUNT; isa++) {
                if (!ib__isa_available((ib_isa)isa)) continue;
                ib__kernels_for((ib_isa)isa)->map[ops[f]](found, x, NULL, NULL, BLOCK);
                same_bits(names[f], found, expected, BLOCK, false);
            }
        }
    }
    free(x);
}

/* All lengths up to 40 at odd places, with guards, to a second array and in place. */
static void lengths_and_places(void **state) {
    (void)state;
    enum { LONGEST = 40 };
    for (size_t f = 0; f < LENGTH(ops); f++) {
        for (size_t n = 0; n <= LONGEST; n++) {
            guarded x = guarded_new(n, n % 5), y = guarded_new(n, n % 3);
            float expected[LONGEST + 1], input[LONGEST + 1];
            fill(input, n, awkward_number);
            for (size_t i = 0; i < n; i++)
                ib__kernels_for(IB_ISA_REF)->map[ops[f]](&expected[i], &input[i], NULL, NULL, 1);
            for (int isa = 0; isa < IB_ISA_COUNT; isa++) {
                if (!ib__isa_available((ib_isa)isa)) continue;
                memcpy(x.at, input, n * sizeof *input);
                ib__kernels_for((ib_isa)isa)->map[ops[f]](y.at, x.at, NULL, NULL, n);
                same_bits(names[f], y.at, expected, n, false);
                ib__kernels_for((ib_isa)isa)->map[ops[f]](x.at, x.at, NULL, NULL, n);
                same_bits(names[f], x.at, expected, n, false);
            }
            guarded_free(&x);
            guarded_free(&y);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(special_values), cmocka_unit_test(edges),
                                       cmocka_unit_test(hard_cases), cmocka_unit_test(variants_agree),
                                       cmocka_unit_test(lengths_and_places)};
    return cmocka_run_group_tests(tests, NULL, something_was_compared);
}
