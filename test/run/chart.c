/* SPDX-License-Identifier: Apache-2.0
 *
 * Charts: every kind of number ends in a figure or in none; text is escaped.
 */
#include "run/runs.h"

#include <float.h>
#include <math.h>

#include "run/chart.h"

/* How many times the text has the piece. */
static size_t times(const ib_buf *text, const char *piece) {
    size_t n = 0;
    for (const char *at = text->data; at != NULL && (at = strstr(at, piece)) != NULL; at++)
        n++;
    return n;
}

static size_t paths(const double *y, size_t n) {
    ib_buf out = {0};
    ib_series series = {"a<b", y, n, 1, 1, 0};
    ib__chart_svg(&out, "\"title\" & more", "step", &series, 1);
    assert_false(out.failed);
    size_t found = times(&out, "<path class=\"s0\" d=\"M");
    if (found > 0) {
        assert_int_equal(times(&out, "a&lt;b"), 1);
        assert_int_equal(times(&out, "&quot;title&quot; &amp; more"), 2);
        assert_int_equal(times(&out, "nan") + times(&out, "inf"), 0);
        assert_true(times(&out, "class=\"grid\"") >= 2 && times(&out, "class=\"grid\"") < 20);
    }
    ib__buf_free(&out);
    return found;
}

static void numbers(void **state) {
    static const double plain[] = {3, 1, 2}, same[] = {5, 5}, zero[] = {0, 0}, one[] = {7},
                        gap[] = {1, NAN, 2}, none[] = {NAN, INFINITY}, wide[] = {-DBL_MAX, DBL_MAX},
                        tiny[] = {0, 5e-324, 1e-310}, close[] = {1, 1 + DBL_EPSILON},
                        large[] = {1e300, 2e300}, small[] = {1e-200, 3e-200};
    (void)state;
    assert_int_equal(paths(plain, 3), 2); /* the legend's and the line */
    assert_int_equal(paths(same, 2), 2);
    assert_int_equal(paths(zero, 2), 2);
    assert_int_equal(paths(one, 1), 2);
    assert_int_equal(paths(gap, 3), 2);
    assert_int_equal(paths(none, 2), 0);
    assert_int_equal(paths(wide, 2), 0);
    assert_int_equal(paths(tiny, 3), 2);
    assert_true(paths(close, 2) <= 2);
    assert_int_equal(paths(large, 2), 2);
    assert_int_equal(paths(small, 2), 2);
    assert_int_equal(paths(plain, 0), 0);
}

static void blocks(void **state) {
    static const double rising[] = {0, 1, 2, 3, 4, 5, 6, 7}, odd[] = {NAN, 1}, same[] = {2, 2};
    ib_buf out = {0};
    (void)state;
    ib__chart_blocks(&out, rising, 8, 8);
    assert_string_equal(out.data, "▁▂▃▄▅▆▇█");
    ib__buf_free(&out);
    ib__chart_blocks(&out, rising, 8, 2);
    assert_string_equal(out.data, "▂▇"); /* means of four */
    ib__buf_free(&out);
    ib__chart_blocks(&out, odd, 2, 40);
    assert_string_equal(out.data, " ▅");
    ib__buf_free(&out);
    ib__chart_blocks(&out, same, 2, 40);
    assert_string_equal(out.data, "▅▅");
    ib__buf_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers), cmocka_unit_test(blocks)};
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
