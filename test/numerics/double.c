/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of doubles on the host against the C library, and bits that may not change.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "numerics/double.h"

/* Differences in units in the last place of the larger one's binade. */
static double ulps(double a, double b) {
    if (a == b) return 0;
    return fabs(a - b) / (nextafter(fabs(b), INFINITY) - fabs(b));
}

static void test_log(void **state) {
    (void)state;
    double worst = 0, worst_close = 0;
    for (int i = 1; i < 200000; i++) {
        double x = (double)i * 0.001, truth = log(x);
        if (i == 1000) continue;
        worst = fmax(worst, ulps(ib__double_log(x), truth));
        worst_close = fmax(worst_close, ulps(ib__double_log_close(x), truth));
    }
    assert_true(worst > 0 && worst <= 2 && worst_close <= 1);
    for (int i = -1000; i < 1000; i++)
        assert_true(ib__double_log_close(ldexp(1.0, i)) == log(ldexp(1.0, i)));
    assert_true(ib__double_log_close(0.0) == -HUGE_VAL && isnan(ib__double_log_close(-1.0)));
    assert_true(ib__double_log_close(HUGE_VAL) == HUGE_VAL && ib__double_log_close(1.0) == 0.0);
}

static void test_waves(void **state) {
    (void)state;
    for (int i = -400000; i < 400000; i++) {
        double x = (double)i * 0.00037;
        assert_true(fabs(ib__double_cos(x) - cos(x)) <= 4e-16 && fabs(ib__double_sin(x) - sin(x)) <= 4e-16);
        double large = (double)i * 1.31;
        assert_true(fabs(ib__double_cos(large) - cos(large)) <= 4e-16);
        assert_true(fabs(ib__double_sin(large) - sin(large)) <= 4e-16);
    }
    assert_true(ib__double_cos(0.0) == 1.0 && ib__double_sin(0.0) == 0.0 && ib__double_cos(M_PI) == -1.0);
    for (int i = 0; i < 200000; i++) {
        double angle = (i - 100000) * 3.14159e-5, length = exp((i % 601 - 300) * 0.5);
        double v = length * sin(angle), u = length * cos(angle), truth = atan2(v, u);
        assert_true(fabs(ib__double_atan2(v, u) - truth) <= 1e-15 * fabs(truth));
    }
    static const double edges[] = {0.0, -0.0, 1.0, -1.0, HUGE_VAL, -HUGE_VAL, 0x1p-1074, -0x1p1023};
    for (size_t i = 0; i < 64; i++) {
        double v = edges[i / 8], u = edges[i % 8], found = ib__double_atan2(v, u), truth = atan2(v, u);
        assert_true(fabs(found - truth) <= 1e-15 * fabs(truth) && signbit(found) == signbit(truth));
    }
    assert_true(isnan(ib__double_atan2((double)NAN, 1.0)) && isnan(ib__double_atan2(1.0, (double)NAN)));
    assert_true(isnan(ib__double_cos(HUGE_VAL)) && isnan(ib__double_sin((double)NAN)));
}

static void test_bits(void **state) {
    (void)state;
    assert_true(ib__double_cos(1.0) == 0x1.14a280fb5068cp-1);
    assert_true(ib__double_sin(100.0) == -0x1.03425b78c4db8p-1);
    assert_true(ib__double_log_close(10.0) == 0x1.26bb1bbb55516p+1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_log), cmocka_unit_test(test_waves),
                                       cmocka_unit_test(test_bits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
