/* SPDX-License-Identifier: Apache-2.0
 *
 * CSV tables: what is read and what is refused, with its place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "data/csv.h"
#include "random.h"

static const char *const features_ca[] = {"c", "a"};

/* With all in memory, and with all in temporary files. */
static void check_with(const char *text, const ib_csv_options *options, size_t memory, const char *shape,
                       const float *x, ib_dtype labels, const double *y) {
    ib_csv_table t = {0};
    ib_error err = {0};
    float features[64], reals[64];
    int32_t wholes[64];
    char found[128];
    if (ib__csv_parse(&t, text, strlen(text), "t.csv", options, memory, &err) != IB_OK)
        fail_msg("%s: %s: %s", text, err.where, err.text);
    snprintf(found, sizeof found, "(%d, %d)", (int)t.rows, (int)t.features);
    assert_string_equal(found, shape);
    assert_int_equal(t.x_dtype, IB_F32);
    size_t n = (size_t)t.rows * t.features;
    assert_int_equal(ib__blob_length(t.x), n * sizeof *x);
    assert_int_equal(ib__blob_memory(t.x) != NULL, memory > 0);
    assert_int_equal(ib__blob_read(t.x, 0, features, n * sizeof *x, NULL), IB_OK);
    assert_memory_equal(features, x, n * sizeof *x);
    assert_int_equal(t.y != NULL, options->label != NULL);
    if (t.y != NULL) {
        assert_int_equal(t.y_dtype, labels);
        assert_int_equal(ib__blob_length(t.y), t.rows * sizeof *wholes);
        void *to = labels == IB_I32 ? (void *)wholes : reals;
        assert_int_equal(ib__blob_read(t.y, 0, to, (size_t)t.rows * sizeof *wholes, NULL), IB_OK);
        for (size_t i = 0; i < t.rows; i++)
            assert_true((labels == IB_I32 ? (double)wholes[i] : (double)reals[i]) == y[i]);
    }
    ib__csv_free(&t);
}

static void check(const char *text, const ib_csv_options *options, const char *shape, const float *x,
                  ib_dtype labels, const double *y) {
    check_with(text, options, 1000, shape, x, labels, y);
    check_with(text, options, 0, shape, x, labels, y);
}

static void test_read(void **state) {
    (void)state;
    static const float ab[] = {1, 2.5f, -3, 0.1f}, one[] = {1, 3}, ca[] = {0, 1, 1, -3};
    static const double whole[] = {0, 1}, real[] = {0.5, 1};
    ib_csv_options plain = {0}, label = {.label = "y"}, floats = {.label = "y", .labels = IB_LABELS_FLOAT};
    check("a,b\n1,2.5\n-3,.1\n", &plain, "(2, 2)", ab, IB_F32, NULL);
    check("\xef\xbb\xbf"
          "a,b\r\n1,2.5\r\n-3,.1",
          &plain, "(2, 2)", ab, IB_F32, NULL);
    check("\"a\",\"b, \"\"\nc\"\n 1 ,\"2.5\"\n\"-3\" ,\t1e-1\n\n\r\n", &plain, "(2, 2)", ab, IB_F32, NULL);
    check("a,y,b\n1,0,2.5\n-3,1,.1\n", &label, "(2, 2)", ab, IB_I32, whole);
    check("a,y,b\n1,0.0,2.5\n-3,1e0,.1\n", &label, "(2, 2)", ab, IB_I32, whole);
    check("a,y,b\n1,0.5,2.5\n-3,1,.1\n", &label, "(2, 2)", ab, IB_F32, real);
    check("a,y,b\n1,0,2.5\n-3,1,.1\n", &floats, "(2, 2)", ab, IB_F32, whole);
    check("a\n1\n3\n", &plain, "(2, 1)", one, IB_F32, NULL);
    ib_csv_options some = {.label = "y", .features = features_ca, .feature_count = 2};
    check("y,a,b,c\n0,1,text,0\n1,-3,,1\n", &some, "(2, 2)", ca, IB_I32, whole);
    ib_csv_options none = {.header = IB_CSV_HEADER_NONE, .label = "1", .separator = ';'};
    check("1;0;2.5\n-3;1;.1\n", &none, "(2, 2)", ab, IB_I32, whole);
    ib_csv_options stated = {.header = IB_CSV_HEADER};
    check("0,1\n1,2.5\n-3,.1\n", &stated, "(2, 2)", ab, IB_F32, NULL);
    ib_csv_options blanks = {.separator = ' '};
    check("a b\n1 2.5\n-3 .1\n", &blanks, "(2, 2)", ab, IB_F32, NULL);
}

static void refuse_bytes(const char *text, size_t length, const ib_csv_options *options, const char *where,
                         const char *part) {
    ib_csv_table t = {0};
    ib_error err = {0};
    ib_status status = ib__csv_parse(&t, text, length, "t.csv", options, 100, &err);
    if (status != IB_BAD_INPUT || strstr(err.text, part) == NULL)
        fail_msg("%s: expected \"%s\", found %s: %s", text, part, ib_status_text(status), err.text);
    assert_string_equal(err.where, where);
    assert_null(t.x);
    assert_null(t.y);
}

static void refuse(const char *text, const ib_csv_options *options, const char *where, const char *part) {
    refuse_bytes(text, strlen(text), options, where, part);
}

static void test_refused(void **state) {
    (void)state;
    ib_csv_options plain = {0}, label = {.label = "y"}, whole = {.label = "y", .labels = IB_LABELS_INT};
    ib_csv_options some = {.features = features_ca, .feature_count = 2};
    refuse("", &plain, "t.csv", "empty");
    refuse("\n\n", &plain, "t.csv", "empty");
    refuse("a,b\n", &plain, "t.csv", "no rows");
    refuse("a,b\n1,2\n3\n", &plain, "t.csv:3:1", "expected 2 fields, found 1");
    refuse("a,b,c\n1,2,\n", &plain, "t.csv:2:5", "missing");
    refuse("a,b,c\n1,\n", &plain, "t.csv:2:1", "expected 3 fields, found 2");
    refuse("a,b\n1,2,3\n", &plain, "t.csv:2:1", "found 2 and more");
    refuse("a,b\n1,2\n\n3,4\n", &plain, "t.csv:3:1", "found 0");
    refuse("a,b\n1,\n", &plain, "t.csv:2:3", "missing");
    refuse("a,b\n,1\n", &plain, "t.csv:2:1", "missing");
    refuse("a,b\n\"x\ny\", z\n", &plain, "t.csv:2:1", "a number");
    refuse("\xc3\xa9,b\n1,2\n\"\xc3\xa9\xc3\xa9\" , z\n",
           &(ib_csv_options){.features = (const char *[]){"b"}, .feature_count = 1}, "t.csv:3:8",
           "found 'z'");
    refuse("a,b\n1,nan\n", &plain, "t.csv:2:3", "finite");
    refuse("a,b\n1,1e39\n", &plain, "t.csv:2:3", "finite");
    refuse("a,b\n1,0x10\n", &plain, "t.csv:2:3", "found '0x10'");
    refuse("a,b\n1,\"2\n", &plain, "t.csv:2:3", "does not close");
    refuse("a,b\n1,\"2\"3\n", &plain, "t.csv:2:6", "separator");
    refuse("a,b\n1,2\"3\n", &plain, "t.csv:2:4", "quote inside");
    refuse("a,b\n1,2\r3\n", &plain, "t.csv:2:4", "carriage return");
    refuse_bytes("a,b\n1,\0\n", 8, &plain, "t.csv:2:3", "zero byte");
    refuse("a,b,a\n1,2,3\n", &plain, "t.csv:1:1", "two columns are named 'a'");
    refuse("1,2\n3,4\n", &plain, "t.csv:1:1", "header: false");
    refuse("a,b\n1,2\n", &label, "t.csv", "no column is named 'y'");
    refuse("label_x,Y\n1,2\n", &label, "t.csv", "did you mean 'Y'?");
    refuse("a,b\n1,2\n", &some, "t.csv", "no column is named 'c'");
    refuse("a,y\n1,2.5\n", &whole, "t.csv:2:3", "an integer label, found '2.5'");
    refuse("a,y\n1,2147483648\n", &whole, "t.csv:2:3", "an integer label");
    refuse("y\n1\n", &label, "t.csv", "no feature column");
    ib_csv_options twice = {.features = (const char *[]){"a", "a"}, .feature_count = 2};
    refuse("a,b\n1,2\n", &twice, "t.csv", "twice");
}

/* A file passes by in blocks: rows, quoted line feeds, CRLF and characters of several bytes at their borders.
 */
static void test_blocks(void **state) {
    (void)state;
    ib_buf text = {0};
    char path[] = "/tmp/isobit-csv-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    ib__buf_text(&text, "\xef\xbb\xbfname,a,y\r\n");
    size_t rows = 30000;
    for (size_t i = 0; i < rows; i++)
        ib__buf_printf(&text, i % 3 == 0 ? "\"\xc3\xa9\n\"\"%zu\",%zu.5,%zu\r\n" : "x%zu, %zu ,%zu\n", i, i,
                       i % 7);
    ib__buf_text(&text, "\n\r\n\n");
    assert_int_equal(ib__file_write(path, text.data, text.length, NULL), IB_OK);
    ib_csv_options options = {.label = "y", .features = (const char *[]){"a"}, .feature_count = 1};
    for (size_t memory = 0; memory <= 1 << 20; memory += 1 << 20) {
        ib_csv_table t = {0};
        ib_digest found, wanted = ib__sha256(text.data, text.length);
        ib_error err = {0};
        if (ib__csv_read(&t, path, &options, memory, &found, &err) != IB_OK)
            fail_msg("%s: %s", err.where, err.text);
        assert_memory_equal(&found, &wanted, sizeof found);
        assert_int_equal(t.rows, rows);
        for (size_t i = 0; i < rows; i++) {
            float a;
            int32_t y;
            assert_int_equal(ib__blob_read(t.x, i * sizeof a, &a, sizeof a, NULL), IB_OK);
            assert_int_equal(ib__blob_read(t.y, i * sizeof y, &y, sizeof y, NULL), IB_OK);
            assert_true(a == (float)i + (i % 3 == 0 ? 0.5f : 0) && y == (int32_t)(i % 7));
        }
        ib__csv_free(&t);
    }
    unlink(path);
    ib__buf_free(&text);
}

static void test_fuzz(void **state) {
    (void)state;
    static const char valid[] = "a,\"b \"\"q\"\"\",y\r\n1,2.5,0\r\n\"-3\",1e-4,1\r\n4,5,1\r\n";
    size_t length = sizeof valid - 1;
    uint64_t seed = 5;
    int refused = 0, read = 0;
    for (int i = 0; i < 5000; i++) {
        size_t n = i % 6 ? length : (size_t)i % length;
        char *text = malloc(n + 1);
        memcpy(text + 1, valid, n);
        for (int k = 0; k <= i % 3 && n > 0; k++) {
            (void)random_next(&seed);
            text[1 + (seed >> 33) % n] = i % 2 ? (char)(seed >> 20) : ",\"\r\n 0123.e-"[(seed >> 20) % 13];
        }
        ib_csv_table t = {0};
        ib_error err = {0};
        ib_csv_options options = {.label = "y"};
        if (ib__csv_parse(&t, text + 1, n, "f", &options, 1000, &err) != IB_OK) {
            assert_true(err.text[0] != '\0' && t.x == NULL);
            refused++;
        } else {
            read++;
        }
        ib__csv_free(&t);
        free(text);
    }
    assert_true(refused > 500 && read > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_fuzz),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
