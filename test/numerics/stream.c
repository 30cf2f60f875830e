/* SPDX-License-Identifier: Apache-2.0
 *
 * Doubles' functions against the C library, streams: positions, moments, permutations, and some bits that may
 * never change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "numerics/double.h"
#include "numerics/stream.h"

static double relative(double found, double expected) {
    return expected == 0.0 ? fabs(found) : fabs(found - expected) / fabs(expected);
}

static void test_double_functions(void **state) {
    (void)state;
    ib_stream s = ib__stream(1, "test", "arguments");
    double worst_log = 0, worst_exp = 0, worst_pow = 0, worst_quantile = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        double u = ib__stream_uniform(&s, i, 0, 0), v = ib__stream_uniform(&s, i, 1, 0);
        double x = exp2(u * 2000 - 1000) * (1 + v), e = (u - 0.5) * 1400, near = 1 + (u - 0.5) * 0.01;
        worst_log = fmax(worst_log, relative(ib__double_log(x), log(x)));
        worst_log = fmax(worst_log, relative(ib__double_log(near), log(near)));
        worst_exp = fmax(worst_exp, relative(ib__double_exp(e), exp(e)));
        worst_pow = fmax(worst_pow, relative(ib__double_pow(u, v * 20), pow(u, v * 20)));
        if (u > 0) {
            double q = ib__double_normal_quantile(u);
            worst_quantile = fmax(worst_quantile, fabs(0.5 * erfc(-q / sqrt(2.0)) - u) / u);
        }
    }
    print_message("worst relative errors: log %.2g exp %.2g pow %.2g quantile %.2g\n", worst_log, worst_exp,
                  worst_pow, worst_quantile);
    assert_true(worst_log < 5e-16 && worst_exp < 5e-16 && worst_pow < 1e-13 && worst_quantile < 1e-14);
    assert_true(ib__double_log(0.0) == -HUGE_VAL && isnan(ib__double_log(-1.0)) &&
                ib__double_log(1.0) == 0.0);
    assert_true(ib__double_exp(0.0) == 1.0 && ib__double_exp(1000.0) == HUGE_VAL &&
                ib__double_exp(-1e9) == 0.0);
    assert_true(relative(ib__double_exp(-720.5), exp(-720.5)) < 1e-12 && ib__double_exp(-740.0) > 0.0);
    assert_true(ib__double_pow(0.9, 0.0) == 1.0 && ib__double_pow(0.0, 2.0) == 0.0);
}

static uint64_t bits(double x) {
    uint64_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

static void test_bits_stay(void **state) {
    (void)state;
    ib_stream s = ib__stream(812, "dense/kernel", "initializer");
    assert_int_equal(s.key[0], 0xee667a93u);
    assert_int_equal(s.key[1], 0x17c3f80bu);
    assert_true(bits(ib__stream_uniform(&s, 5, 0, 0)) == 0x3fe9827d88a51331u);
    assert_true(bits(ib__stream_normal(&s, 5, 0, 0)) == 0x3fea9c5cba613283u);
    assert_true(bits(ib__double_pow(0.999, 12345.0)) == 0x3ed22391fb945683u);
    for (uint64_t i = 0; i < 9; i++) {
        uint64_t high = ib__stream_word(&s, 2 * i, 3, 4), low = ib__stream_word(&s, 2 * i + 1, 3, 4);
        assert_true(ib__stream_uniform(&s, i, 3, 4) == (double)(high >> 5 << 26 | low >> 6) * 0x1p-53);
        double middle = ((double)(high >> 6 << 26 | low >> 6) + 0.5) * 0x1p-52;
        assert_true(ib__stream_normal(&s, i, 3, 4) == ib__double_normal_quantile(middle));
    }
}

static void test_names_matter(void **state) {
    (void)state;
    ib_stream a = ib__stream(812, "dense", "dropout");
    const ib_stream others[] = {ib__stream(813, "dense", "dropout"), ib__stream(812, "dense_1", "dropout"),
                                ib__stream(812, "dense", "initializer")};
    for (size_t i = 0; i < 3; i++)
        assert_memory_not_equal(&a, &others[i], sizeof a);
    assert_int_not_equal(ib__stream_word(&a, 0, 0, 0), ib__stream_word(&a, 0, 1, 0));
    assert_int_not_equal(ib__stream_word(&a, 0, 0, 0), ib__stream_word(&a, 0, 0, 1));
}

static void test_moments(void **state) {
    (void)state;
    ib_stream s = ib__stream(7, "x", "y");
    double sum = 0, square = 0, uniform = 0;
    enum { N = 200000 };
    for (uint64_t i = 0; i < N; i++) {
        double x = ib__stream_normal(&s, i, 0, 0);
        sum += x;
        square += x * x;
        uniform += ib__stream_uniform(&s, i, 0, 0);
    }
    assert_true(fabs(sum / N) < 0.01 && fabs(square / N - 1) < 0.015 && fabs(uniform / N - 0.5) < 0.004);
}

static void test_shuffle(void **state) {
    (void)state;
    ib_stream s = ib__stream(812, "data", "shuffle");
    enum { N = 1000 };
    uint32_t first[N], second[N];
    bool seen[N] = {false};
    ib__stream_shuffle(&s, 0, first, N);
    ib__stream_shuffle(&s, 1, second, N);
    assert_memory_not_equal(first, second, sizeof first);
    for (size_t i = 0; i < N; i++) {
        assert_true(first[i] < N && !seen[first[i]]);
        seen[first[i]] = true;
    }
    unsigned counts[6] = {0};
    for (uint32_t epoch = 0; epoch < 6000; epoch++) {
        uint32_t p[3];
        ib__stream_shuffle(&s, epoch, p, 3);
        counts[p[0] * 2 + (p[1] > p[2])]++;
    }
    for (int i = 0; i < 6; i++)
        assert_in_range(counts[i], 850, 1150);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_double_functions),
                                       cmocka_unit_test(test_bits_stay), cmocka_unit_test(test_names_matter),
                                       cmocka_unit_test(test_moments), cmocka_unit_test(test_shuffle)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
