/* SPDX-License-Identifier: Apache-2.0
 *
 * Regular expressions: what Python's re finds, what is refused, and that no pattern takes long.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/pattern.h"

static void test_matches(void **state) {
    (void)state;
    static const struct row {
        const char *pattern, *text;
        bool search, full; /* re.search(..) is not None, re.fullmatch(..) is not None in Python 3.11 */
    } rows[] = {
        {"kernel", "dense/kernel", true, false},
        {"dense/.*", "dense/kernel", true, true},
        {"^kernel", "dense/kernel", false, false},
        {"dense|dense/kernel", "dense/kernel", true, true},
        {"dense_\\d+/(kernel|bias)", "dense_12/bias", true, true},
        {"(?i)KERNEL$", "dense/kernel", true, false},
        {"(?P<layer>\\w+)/bias", "dense_1/bias", true, true},
        {"", "dense", true, false},
        {"[^/]+", "dense/bias", true, false},
        {"caf\u00e9", "caf\u00e9/kernel", true, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool search, full;
        assert_int_equal(ib__pattern_match(rows[i].pattern, rows[i].text, false, &search, "here", NULL),
                         IB_OK);
        assert_int_equal(ib__pattern_match(rows[i].pattern, rows[i].text, true, &full, "here", NULL), IB_OK);
        if (search != rows[i].search || full != rows[i].full)
            fail_msg("%s in %s", rows[i].pattern, rows[i].text);
    }
}

static void test_refused(void **state) {
    (void)state;
    static char text[4096];
    bool matches;
    ib_error err = {0};
    assert_int_equal(ib__pattern_match("dense(", "dense", true, &matches, "optimizer, exclude_layers", &err),
                     IB_BAD_INPUT);
    assert_string_equal(err.where, "optimizer, exclude_layers");
    assert_non_null(strstr(err.text, "the pattern \"dense(\" cannot be used"));
    err = (ib_error){0};
    memset(text, 'a', 60); /* takes about 2^40 steps without a limit */
    text[60] = '!';
    assert_int_equal(ib__pattern_match("(a|aa)+$", text, false, &matches, "", &err), IB_BAD_INPUT);
    if (!strstr(err.text, "limit")) fail_msg("%s", err.text);
    memset(text, 'a', 2000);
    assert_int_equal(ib__pattern_match(text, "a", false, &matches, "", &err), IB_BAD_INPUT);
    assert_int_equal(ib__pattern_match("\xff", "a", false, &matches, "", &err), IB_BAD_INPUT);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_matches), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
