/* SPDX-License-Identifier: Apache-2.0
 *
 * Value trees, JSON, YAML and decimal numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "base/value.h"
#include "random.h"

typedef ib_status parse_fn(ib_value **out, const char *text, size_t length, const char *name, ib_error *err);

static ib_value *parsed(parse_fn *parse, const char *text) {
    ib_value *value = NULL;
    ib_error err = {0};
    if (parse(&value, text, strlen(text), "t", &err) != IB_OK)
        fail_msg("%s: refused: %s: %s", text, err.where, err.text);
    return value;
}

static void check_json(ib_value *value, ib_json_style style, const char *expected) {
    ib_buf buf = {0};
    assert_true(ib__json_write(&buf, value, style));
    assert_string_equal(buf.data, expected);
    ib__buf_free(&buf);
    ib__value_free(value);
}

static void check_refused(parse_fn *parse, const char *text, size_t length, const char *where,
                          const char *part) {
    ib_value *value = NULL;
    ib_error err = {0};
    ib_status status = parse(&value, text, length, "t", &err);
    if (status == IB_OK) fail_msg("read, but should be refused: %s", text);
    assert_int_equal(status, IB_BAD_INPUT);
    assert_int_equal(err.code, IB_BAD_INPUT);
    if (where != NULL) assert_string_equal(err.where, where);
    if (strstr(err.text, part) == NULL) fail_msg("\"%s\" does not say \"%s\"", err.text, part);
    assert_null(value);
}

static void refuse(parse_fn *parse, const char *text, const char *where, const char *part) {
    check_refused(parse, text, strlen(text), where, part);
}

static void test_json_read(void **state) {
    (void)state;
    ib_value *v = parsed(ib__json_parse, "{\"b\": [1, -2.5, true, null, \"a\\u00e9\\n\"],\n  \"a\": {}}");
    assert_int_equal(v->kind, IB_MAP);
    assert_int_equal(v->count, 2);
    assert_string_equal(v->keys[0], "b");
    const ib_value *b = ib__value_get(v, "b");
    assert_int_equal(b->count, 5);
    assert_int_equal(ib__value_at(b, 0)->integer, 1);
    assert_int_equal(b->column, 7);
    assert_int_equal(ib__value_at(b, 4)->line, 1);
    assert_int_equal(ib__value_at(b, 4)->column, 29);
    assert_int_equal(ib__value_get(v, "a")->line, 2);
    assert_int_equal(ib__value_get(v, "a")->column, 8);
    assert_true(ib__value_is_string(ib__value_at(b, 4), "a\xc3\xa9\n"));
    assert_null(ib__value_at(b, 5));
    assert_null(ib__value_get(b, "x"));
    assert_null(ib__value_get(NULL, "x"));
    double d;
    assert_true(ib__value_number(ib__value_at(b, 1), &d) && d == -2.5);
    assert_false(ib__value_number(ib__value_at(b, 2), &d));
    check_json(v, IB_JSON_CANONICAL, "{\"a\":{},\"b\":[1,-2.5,true,null,\"a\xc3\xa9\\n\"]}");
}

static void test_json_special_numbers(void **state) {
    (void)state;
    ib_value *v = parsed(ib__json_parse,
                         "[NaN,-Infinity, Infinity,\"NaN\",{\"NaN\":NaN},123456789012345678901234567890,"
                         "9223372036854775807,-9223372036854775808,-9223372036854775809]");
    assert_int_equal(ib__value_at(v, 0)->kind, IB_REAL);
    assert_int_equal(ib__value_at(v, 6)->kind, IB_INT);
    assert_int_equal(ib__value_at(v, 8)->kind, IB_REAL);
    check_json(v, IB_JSON_PYTHON,
               "[NaN, -Infinity, Infinity, \"NaN\", {\"NaN\": NaN}, 1.2345678901234568e+29, "
               "9223372036854775807, -9223372036854775808, -9.223372036854776e+18]");
    check_json(parsed(ib__json_parse, " NaN "), IB_JSON_CANONICAL, "NaN");
    check_json(parsed(ib__json_parse, "0.1"), IB_JSON_CANONICAL, "0.1");
}

static void test_json_styles(void **state) {
    (void)state;
    static const char text[] =
        "{\"z\":[1,2.0],\"e\":[],\"a\\u00e9\\ud83d\\ude00\\u0001\\u007f\":{\"x\":\"/\"}}";
    check_json(parsed(ib__json_parse, text), IB_JSON_PYTHON,
               "{\"z\": [1, 2.0], \"e\": [], \"a\\u00e9\\ud83d\\ude00\\u0001\\u007f\": {\"x\": \"/\"}}");
    check_json(parsed(ib__json_parse, text), IB_JSON_CANONICAL,
               "{\"a\xc3\xa9\xf0\x9f\x98\x80\\u0001\x7f\":{\"x\":\"/\"},\"e\":[],\"z\":[1,2.0]}");
    check_json(parsed(ib__json_parse, "{\"z\":[1,{\"b\":2}],\"e\":[]}"), IB_JSON_INDENT,
               "{\n  \"z\": [\n    1,\n    {\n      \"b\": 2\n    }\n  ],\n  \"e\": []\n}");
    check_json(parsed(ib__json_parse, "\"\\b\\t\\n\\u000b\\f\\r\\\"\\\\\""), IB_JSON_CANONICAL,
               "\"\\b\\t\\n\\u000b\\f\\r\\\"\\\\\"");
    ib_value *bad_bytes = ib__value_string("a\xff\xe2\x82z");
    check_json(bad_bytes, IB_JSON_PYTHON, "\"a\\ufffd\\ufffd\\ufffdz\"");
}

static void test_json_refused(void **state) {
    (void)state;
    refuse(ib__json_parse, "", NULL, "near end of file");
    refuse(ib__json_parse, "{\"a\":1,\n \"a\":2}", NULL, "duplicate");
    refuse(ib__json_parse, "[1,2", NULL, "end of file");
    refuse(ib__json_parse, "[1] x", NULL, "end of file expected");
    refuse(ib__json_parse, "{'a': 1}", NULL, "");
    refuse(ib__json_parse, "[nan]", NULL, "");
    refuse(ib__json_parse, "[NaNx]", NULL, "");
    refuse(ib__json_parse, "[+Infinity]", NULL, "");
    refuse(ib__json_parse, "[01]", NULL, "");
    refuse(ib__json_parse, "[01234567890123456789012]", NULL, "");
    refuse(ib__json_parse, "[1e999]", NULL, "overflow");
    refuse(ib__json_parse, "[\"\\u0000\"]", NULL, "");
    refuse(ib__json_parse, "[\"\\ud800\"]", NULL, "");
    refuse(ib__json_parse, "[\"\xff\"]", NULL, "");
    check_refused(ib__json_parse, "[1]\0", 4, NULL, "");
    check_refused(ib__json_parse, "[\"a\0b\"]", 7, NULL, "");
    char *deep = malloc(100000);
    memset(deep, '[', 100000);
    check_refused(ib__json_parse, deep, 100000, "t:1:201", "deeper than 200");
    check_refused(ib__yaml_parse, deep, 100000, NULL, "deeper than 200");
    free(deep);
    ib_value *v = NULL;
    assert_int_equal(ib__json_parse(&v, "[", 1, "t", NULL), IB_BAD_INPUT);
}

static void test_yaml_read(void **state) {
    (void)state;
    ib_value *v =
        parsed(ib__yaml_parse, "# c\nmodel:\n  - Dense: {units: 10, rate: 1e-3}\n  - b\nfit: 812\n");
    const ib_value *dense = ib__value_get(ib__value_at(ib__value_get(v, "model"), 0), "Dense");
    assert_int_equal(dense->line, 3);
    assert_int_equal(dense->column, 12);
    assert_int_equal(ib__value_get(dense, "units")->column, 20);
    assert_int_equal(ib__value_get(v, "fit")->line, 5);
    check_json(v, IB_JSON_CANONICAL,
               "{\"fit\":812,\"model\":[{\"Dense\":{\"rate\":0.001,\"units\":10}},\"b\"]}");
}

static void test_yaml_scalars(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", "null"},
        {"~", "null"},
        {"null", "null"},
        {"Null", "null"},
        {"true", "true"},
        {"False", "false"},
        {"yes", "\"yes\""},
        {"on", "\"on\""},
        {"no", "\"no\""},
        {"off", "\"off\""},
        {"y", "\"y\""},
        {"812", "812"},
        {"-3", "-3"},
        {"+3", "3"},
        {"012", "12"},
        {"0x1F", "31"},
        {"0o17", "15"},
        {"0xZ", "\"0xZ\""},
        {"1e-3", "0.001"},
        {"1.", "1.0"},
        {".5", "0.5"},
        {"-.5", "-0.5"},
        {"1_000", "\"1_000\""},
        {"1:30", "\"1:30\""},
        {".inf", "Infinity"},
        {"-.Inf", "-Infinity"},
        {".nan", "NaN"},
        {"nan", "\"nan\""},
        {"Infinity", "\"Infinity\""},
        {"-inf", "\"-inf\""},
        {"'1'", "\"1\""},
        {"\"true\"", "\"true\""},
        {"1e", "\"1e\""},
        {".", "\".\""},
        {"-", "[null]"},
        {"--1", "\"--1\""},
        {"1 2", "\"1 2\""},
        {"99999999999999999999", "1e+20"},
        {"2026-01-01", "\"2026-01-01\""},
        {"0x8000000000000000", "\"0x8000000000000000\""},
        {"|\n  a\n  b\n", "\"a\\nb\\n\""},
        {"{1: 2, null: 3}", "{\"1\":2,\"null\":3}"},
        {"--- 5\n...\n", "5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_json(parsed(ib__yaml_parse, cases[i][0]), IB_JSON_CANONICAL, cases[i][1]);
}

static void test_yaml_refused(void **state) {
    (void)state;
    refuse(ib__yaml_parse, "a: 1\nb: 2\na: 3\n", "t:3:1", "twice in one map: a");
    refuse(ib__yaml_parse, "a: &x 1\nb: *x\n", "t:1:4", "anchors");
    refuse(ib__yaml_parse, "b: *x\n", "t:1:4", "aliases");
    refuse(ib__yaml_parse, "a: !!int 1\n", "t:1:4", "tags");
    refuse(ib__yaml_parse, "a: ! 1\n", "t:1:4", "tags");
    refuse(ib__yaml_parse, "a: !x [1]\n", "t:1:4", "tags");
    refuse(ib__yaml_parse, "? [1]\n: 2\n", NULL, "expected a key");
    refuse(ib__yaml_parse, "a: 1\n---\nb: 2\n", "t:2:1", "one document");
    refuse(ib__yaml_parse, "a: [1\nb: 2\n", NULL, "while parsing a flow sequence");
    refuse(ib__yaml_parse, "a:\n\t- 1\n", "t:2:1", "found a tab");
    refuse(ib__yaml_parse, "a: \"x\\0y\"\n", "t:1:4", "zero character");
    refuse(ib__yaml_parse, "a: \xff\n", NULL, "");
    refuse(ib__yaml_parse, "a: b: c\n", NULL, "");
}

/* Many keys must not take the square of their number. */
static void test_many_keys(void **state) {
    (void)state;
    ib_buf buf = {0};
    for (int i = 0; i < 200000; i++)
        ib__buf_printf(&buf, "k%d: %d\n", i, i);
    ib_value *v = parsed(ib__yaml_parse, buf.data);
    assert_int_equal(v->count, 200000);
    ib__value_free(v);
    ib__buf_text(&buf, "k77: 0\n");
    ib_error err = {0};
    v = NULL;
    assert_int_equal(ib__yaml_parse(&v, buf.data, buf.length, "t", &err), IB_BAD_INPUT);
    assert_string_equal(err.where, "t:200001:1");
    ib__buf_free(&buf);
}

static void test_build(void **state) {
    (void)state;
    ib_value *map = ib__value_map();
    assert_true(ib__value_set(map, "a", ib__value_int(1)));
    assert_true(ib__value_set(map, "b", ib__value_list()));
    assert_true(ib__value_add(ib__value_get(map, "b"), ib__value_real(-0.0)));
    assert_true(ib__value_set(map, "a", ib__value_string("x")));
    assert_int_equal(map->count, 2);
    assert_false(ib__value_set(map, "c", NULL));
    assert_false(ib__value_add(map, ib__value_null()));
    assert_false(ib__value_set(ib__value_get(map, "b"), "k", ib__value_null()));
    ib_value *copy = ib__value_copy(map);
    assert_true(ib__value_equal(map, copy));
    copy->items[1]->items[0]->real = 0.0;
    assert_false(ib__value_equal(map, copy));
    ib__value_free(copy);
    ib_value *one = ib__value_int(1), *real = ib__value_real(1.0);
    assert_false(ib__value_equal(one, real));
    ib__value_free(one);
    ib__value_free(real);
    ib_value *x = parsed(ib__json_parse, "{\"a\":1,\"b\":NaN}"),
             *y = parsed(ib__yaml_parse, "{b: .nan, a: 1}");
    assert_true(ib__value_equal(x, y));
    ib__value_free(x);
    ib__value_free(y);
    check_json(map, IB_JSON_CANONICAL, "{\"a\":\"x\",\"b\":[-0.0]}");
}

static void check_print(double value, const char *expected) {
    char text[32];
    ib__double_print(text, value);
    assert_string_equal(text, expected);
    double back;
    assert_true(ib__double_parse(text, strlen(text), &back));
    assert_true(value != value ? back != back : memcmp(&value, &back, sizeof value) == 0);
}

/* Expected texts are Python's repr. */
static void test_put(void **state) {
    (void)state;
    const char *text = "{\"a\": {\"b.c\": 1, \"b\": {\"c\": 2, \"d\": [3, {\"e\": 4}, [5]]}}, \"z[0]\": 6}";
    static const char *const paths[] = {"a.b.c", "a.b.d[0]", "a.b.d[1].e", "a.b.d[2][0]", "z[0]"};
    static const char *const absent[] = {"",       "b",          "a.",      "a.b.x", "a.b.d[3]",
                                         "a.b.d[", "a.b.d[0].x", "a.b.d.e", "z"};
    ib_value *tree = NULL;
    ib_buf out = {0};
    assert_int_equal(ib__json_parse(&tree, text, strlen(text), "t", NULL), IB_OK);
    for (int i = 0; i < 5; i++)
        assert_true(ib__value_put(tree, paths[i], ib__value_int(10 + i)));
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        assert_false(ib__value_put(tree, absent[i], ib__value_int(99)));
    assert_false(ib__value_put(tree, "a", NULL));
    assert_true(ib__json_write(&out, tree, IB_JSON_PYTHON));
    /* the first key that fits is taken */
    assert_string_equal(out.data, "{\"a\": {\"b.c\": 10, \"b\": {\"c\": 2, \"d\": [11, {\"e\": 12}, [13]]}}, "
                                  "\"z[0]\": 14}");
    ib__buf_free(&out);
    ib__value_free(tree);
}

static void test_double_print(void **state) {
    (void)state;
    check_print(0.0, "0.0");
    check_print(-0.0, "-0.0");
    check_print(1.0, "1.0");
    check_print(100.0, "100.0");
    check_print(0.1, "0.1");
    check_print(1e-4, "0.0001");
    check_print(1e-5, "1e-05");
    check_print(1.5e-7, "1.5e-07");
    check_print(1e15, "1000000000000000.0");
    check_print(1e16, "1e+16");
    check_print(9007199254740993.0, "9007199254740992.0");
    check_print(123456789012345680.0, "1.2345678901234568e+17");
    check_print(ldexp(1.0, -44), "5.684341886080802e-14");
    check_print(9.5367431640625e-07, "9.5367431640625e-07");
    check_print(5e-324, "5e-324");
    check_print(2.2250738585072014e-308, "2.2250738585072014e-308");
    check_print(-1.7976931348623157e308, "-1.7976931348623157e+308");
    check_print(0.30000000000000004, "0.30000000000000004");
    check_print((double)0.001f, "0.0010000000474974513");
    check_print((double)INFINITY, "Infinity");
    check_print(-(double)INFINITY, "-Infinity");
    check_print((double)NAN, "NaN");
}

static void test_double_round_trip(void **state) {
    (void)state;
    uint64_t seed = 812, compared = 0;
    for (int i = 0; i < 30000; i++) {
        (void)random_next(&seed);
        uint64_t bits = seed ^ seed >> 29;
        if (i % 3 == 0) bits &= ~0xfffffffffffffu; /* powers of two */
        double value, back;
        memcpy(&value, &bits, 8);
        if (!isfinite(value)) continue;
        char text[32];
        ib__double_print(text, value);
        assert_true(ib__double_parse(text, strlen(text), &back));
        assert_memory_equal(&value, &back, 8);
        compared++;
    }
    assert_true(compared > 10000);
}

static void test_double_parse(void **state) {
    (void)state;
    static const char *const bad[] = {"",    " 1", "1 ",  "0x10", "1e",  "e5", ".",   "+",    "-",
                                      "1,5", "1f", "1e+", "--1",  "nax", "in", "1_0", "infx", "1.2.3"};
    double d;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (ib__double_parse(bad[i], strlen(bad[i]), &d)) fail_msg("\"%s\" was read", bad[i]);
    assert_true(ib__double_parse("1e999", 5, &d) && d > 1e308);
    assert_true(ib__double_parse("-INF", 4, &d) && d < -1e308);
    assert_true(ib__double_parse("1.5xyz", 3, &d) && d == 1.5);
    int64_t n;
    assert_true(ib__int_parse("-9223372036854775808", 20, &n) && n == INT64_MIN);
    assert_false(ib__int_parse("9223372036854775808", 19, &n));
    assert_false(ib__int_parse("-", 1, &n));
    assert_false(ib__int_parse("1.0", 3, &n));
}

/* Short decimals take another way than strtod; both must give the same bits. */
static void test_short_decimals(void **state) {
    (void)state;
    uint64_t seed = 7;
    for (int i = 0; i < 50000; i++) {
        (void)random_next(&seed);
        char text[64];
        unsigned long long whole = (seed >> 20) % 100000000, fraction = seed >> 45;
        int n = snprintf(text, sizeof text, i % 2 ? "%s%llu.%0*llue%d" : "%s%llu.%0*llu", i % 3 ? "" : "-",
                         whole, 1 + i % 8, fraction, (int)(seed >> 33) % 25);
        double found, expected = strtod(text, NULL);
        assert_true(ib__double_parse(text, (size_t)n, &found));
        assert_memory_equal(&found, &expected, sizeof found);
    }
    double d;
    assert_true(ib__double_parse("9007199254740993", 16, &d) && d == 9007199254740992.0);
    assert_true(ib__double_parse("-0", 2, &d) && signbit(d) && d == 0.0);
    assert_true(ib__double_parse("1e23", 4, &d) && d == 1e23);
    assert_true(ib__double_parse("1e-99999", 8, &d) && d == 0.0);
}

/* Where the decimal point of the locale is a comma nothing changes. Skipped if no such locale is installed.
 */
static void test_locale(void **state) {
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "nl_NL.UTF-8"};
    bool found = false;
    for (size_t i = 0; i < 4 && !found; i++)
        found = setlocale(LC_ALL, names[i]) != NULL;
    if (!found) skip();
    check_print(1.5, "1.5");
    check_json(parsed(ib__json_parse, "[1.5,1e-7]"), IB_JSON_CANONICAL, "[1.5,1e-07]");
    check_json(parsed(ib__yaml_parse, "[1.5]"), IB_JSON_CANONICAL, "[1.5]");
    setlocale(LC_ALL, "C");
}

static void test_nearest(void **state) {
    (void)state;
    static const char *const names[] = {"epochs", "batch_size", "shuffle", "Dense", "x", "y"};
    assert_string_equal(ib__nearest("epoch", names, 6), "epochs");
    assert_string_equal(ib__nearest("eopchs", names, 6), "epochs");
    assert_string_equal(ib__nearest("dense", names, 6), "Dense");
    assert_string_equal(ib__nearest("batchsize", names, 6), "batch_size");
    assert_null(ib__nearest("learning_rate", names, 6));
    assert_null(ib__nearest("z", names, 6));
    assert_null(ib__nearest("epochs", names, 0));
    char longer[200];
    memset(longer, 'e', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_null(ib__nearest(longer, names, 6));
}

/* Bytes changed and texts cut at random: refused or read, never more. */
static void fuzz(parse_fn *parse, const char *valid) {
    size_t length = strlen(valid);
    char *text = malloc(length);
    uint64_t seed = 1;
    int refused = 0;
    for (int i = 0; i < 4000; i++) {
        memcpy(text, valid, length);
        for (int k = 0; k < 1 + i % 4; k++) {
            (void)random_next(&seed);
            text[(seed >> 33) % length] =
                i % 2 ? (char)(seed >> 20) : "[]{}:,\"'-#&*!|>%@\\\n 0Ne"[(seed >> 20) % 22];
        }
        ib_value *value = NULL;
        ib_error err = {0};
        if (parse(&value, text, i % 5 ? length : (seed >> 40) % length, "f", &err) != IB_OK) {
            assert_true(err.code != IB_OK && err.text[0] != '\0' && value == NULL);
            refused++;
        } else {
            ib_buf buf = {0};
            assert_true(ib__json_write(&buf, value, IB_JSON_CANONICAL));
            ib__buf_free(&buf);
        }
        ib__value_free(value);
    }
    free(text);
    assert_true(refused > 500);
}

static void test_fuzz(void **state) {
    (void)state;
    fuzz(ib__json_parse, "{\"a\": [1, -2.5e-3, NaN, -Infinity, \"t\\u00e9\\n\", true, null], \"b\": "
                         "{\"c\": {\"d\": 123456789012345678901234567890}}}");
    fuzz(ib__yaml_parse,
         "isobit: 1\nseed: 812\nmodel:\n  sequential:\n    - Dense: {units: 10, x: [1, 2.5]}\n"
         "    - Flatten: {}\nname: \"a\\u00e9\"\ntext: |\n  block\n  two\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_read),
        cmocka_unit_test(test_json_special_numbers),
        cmocka_unit_test(test_json_styles),
        cmocka_unit_test(test_json_refused),
        cmocka_unit_test(test_yaml_read),
        cmocka_unit_test(test_yaml_scalars),
        cmocka_unit_test(test_yaml_refused),
        cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_build),
        cmocka_unit_test(test_double_print),
        cmocka_unit_test(test_double_parse),
        cmocka_unit_test(test_double_round_trip),
        cmocka_unit_test(test_short_decimals),
        cmocka_unit_test(test_locale),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_fuzz),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
