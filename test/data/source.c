/* SPDX-License-Identifier: Apache-2.0
 *
 * Data entries of experiments: tensors out of npz and csv files, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "data/npz.h"
#include "data/audit.h"
#include "numerics/texts.h"
#include "open.h"

static char folder[64];
static const char table[] = "id,width,height,kind\n7,1,2,0\n8,3,4,1\n9,5,6,2\n";

static const char texts[] = "name,width,kind\n\"a, \"\"b\"\"\",1,да\n,2,x\nc  ,3,да\n";

static const char *in_folder(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_files(void **state) {
    (void)state;
    strcpy(folder, "/tmp/isobit-test-XXXXXX");
    if (mkdtemp(folder) == NULL) return 1;
    static float x[] = {0, 1, 2, 3, 4, 5, 6, 7};
    static float bad[] = {0, 1, 2, 3, 4, NAN, 6, INFINITY};
    static uint8_t y[] = {0, 1, 2, 3};
    ib_tensor a = {IB_F32, {2, {4, 2}}, x}, b = {IB_U8, {1, {4}}, y}, c = {IB_F32, {2, {4, 2}}, bad};
    ib_tensor few = {IB_U8, {1, {3}}, y}, none = {IB_F32, {2, {0, 2}}, x}, single = {IB_F32, {0, {0}}, x};
    ib_npz_entry entries[] = {{"x", &a},     {"y", &b},       {"bad", &c},
                              {"few", &few}, {"none", &none}, {"single", &single}};
    return ib__npz_write(in_folder("d.npz"), entries, 6, NULL) != IB_OK ||
           ib__file_write(in_folder("s.csv"), texts, strlen(texts), NULL) != IB_OK ||
           ib__file_write(in_folder("u.csv"), "a,b\n1,\xff\n", 8, NULL) != IB_OK ||
           ib__file_write(in_folder("t.csv"), table, strlen(table), NULL) != IB_OK;
}

static int remove_files(void **state) {
    (void)state;
    unlink(in_folder("d.npz"));
    unlink(in_folder("t.csv"));
    unlink(in_folder("s.csv"));
    unlink(in_folder("u.csv"));
    return rmdir(folder);
}

static void check(const char *yaml, const char *x_shape, double x_first, double x_last, ib_dtype labels,
                  double y_first, double y_last) {
    ib_source_part s;
    char text[128];
    must_open(&s, yaml, folder, SIZE_MAX);
    const ib_elements *e = s.elements;
    float x[16];
    int64_t y[16];
    void *out[] = {x, y};
    ib__shape_print(text, &e->fields[0].shape);
    assert_string_equal(text, x_shape);
    assert_string_equal(e->fields[0].name, "x");
    assert_int_equal(ib__elements_read(e, s.first, (size_t)s.count, out, NULL), IB_OK);
    ib_tensor a = {e->fields[0].dtype, {0}, x}, b = {labels, {0}, y};
    size_t n = (size_t)s.count * (size_t)ib__shape_elements(&e->fields[0].shape);
    assert_true(ib__tensor_at(&a, 0) == x_first && ib__tensor_at(&a, n - 1) == x_last);
    assert_int_equal(e->n_fields, y_first < 0 ? 1 : 2);
    if (e->n_fields > 1) {
        assert_string_equal(e->fields[1].name, "y");
        assert_int_equal(e->fields[1].dtype, labels);
        assert_true(ib__tensor_at(&b, 0) == y_first && ib__tensor_at(&b, s.count - 1) == y_last);
    }
    assert_true(ib__file_exists(e->files[0].path));
    ib__elements_free(s.elements);
}

static void test_npz(void **state) {
    (void)state;
    check("{npz: d.npz, x: x, y: y}", "(2,)", 0, 7, IB_U8, 0, 3);
    check("{npz: d.npz, x: x}", "(2,)", 0, 7, IB_U8, -1, -1);
    check("{npz: d.npz, x: x, y: y, first: 2}", "(2,)", 0, 3, IB_U8, 0, 1);
    check("{npz: d.npz, x: x, y: y, rows: [1, 4]}", "(2,)", 2, 7, IB_U8, 1, 3);
    check("{npz: d.npz, x: bad, y: y, rows: [0, 2]}", "(2,)", 0, 3, IB_U8, 0, 1);
    char absolute[300];
    snprintf(absolute, sizeof absolute, "{npz: %s, x: y}", in_folder("d.npz"));
    check(absolute, "()", 0, 3, IB_U8, -1, -1);
}

static void test_csv(void **state) {
    (void)state;
    check("{csv: t.csv, label: kind}", "(3,)", 7, 6, IB_I32, 0, 2);
    check("{csv: t.csv, label: kind, features: [height, width], labels: float}", "(2,)", 2, 5, IB_F32, 0, 2);
    check("{csv: t.csv, label: kind, labels: int, rows: [1, 2]}", "(3,)", 8, 4, IB_I32, 1, 1);
    check("{csv: t.csv, features: [width], header: true, separator: ','}", "(1,)", 1, 5, IB_F32, -1, -1);
}

/* Columns of texts: the same texts, the same numbers; several inputs; digests of what they say. */
static void test_strings(void **state) {
    (void)state;
    ib_source_part s;
    int32_t name[3], both[6], label[3];
    float width[3];
    size_t n;
    must_open(&s,
              "{csv: s.csv, label: kind, features: {name: name, both: [kind, name], w: [width]}, "
              "strings: [name, kind]}",
              folder, SIZE_MAX);
    void *out[] = {name, both, width, label};
    assert_int_equal(s.elements->n_fields, 4);
    assert_int_equal(ib__elements_read(s.elements, 0, 3, out, NULL), IB_OK);
    assert_string_equal(s.elements->fields[1].name, "x.both");
    assert_int_equal(s.elements->fields[1].dtype, IB_TEXT);
    assert_int_equal(s.elements->fields[3].dtype, IB_TEXT);
    assert_string_equal(ib__text_of(name[0], &n), "a, \"b\"");
    assert_string_equal(ib__text_of(name[1], &n), "");
    assert_int_equal(name[2], both[5]);
    assert_int_equal(label[0], label[2]);
    assert_true(label[0] != label[1] && width[2] == 3);
    ib_digest x = ib__tensor_digest(&(ib_tensor){IB_TEXT, {1, {1}}, &name[0]});
    ib_digest y = ib__tensor_digest(&(ib_tensor){IB_TEXT, {1, {1}}, &name[2]});
    assert_memory_not_equal(&x, &y, sizeof x);
    ib_field_audit *audit = NULL;
    assert_int_equal(ib__source_audit(&audit, &s, 1, NULL), IB_OK);
    assert_true(audit[0].low == 0 && audit[0].high == 0 && audit[0].n_classes == 0);
    free(audit);
    ib__elements_free(s.elements);
}

static void test_digest(void **state) {
    (void)state;
    ib_source_part s;
    must_open(&s, "{csv: t.csv, first: 1}", folder, SIZE_MAX);
    ib_digest whole = ib__sha256(table, strlen(table));
    assert_memory_equal(&s.elements->files[0].digest, &whole, sizeof whole);
    assert_string_equal(s.elements->files[0].path, in_folder("t.csv"));
    assert_string_equal(s.elements->files[0].place, "csv");
    ib__elements_free(s.elements);
}

static void refuse(const char *yaml, const char *where, const char *part) {
    ib_source_part s = {0};
    ib_error err = {0};
    ib_status status = open_entry(&s, yaml, folder, SIZE_MAX, &err);
    ib_field_audit *audit = NULL;
    ib_value *map = NULL;
    assert_int_equal(ib__yaml_parse(&map, yaml, strlen(yaml), "exp.yaml", NULL), IB_OK);
    ib_entry q = {map, "exp.yaml", "data.train", folder, 812, SIZE_MAX, &err};
    if (status == IB_OK) status = ib__source_audit(&audit, &s, 2, &err);
    if (status == IB_OK) status = ib__source_check_finite(&s, audit, &q);
    if (status == IB_OK || strstr(err.text, part) == NULL || strstr(err.where, where) == NULL)
        fail_msg("%s: expected \"%s\", found %s: %s: %s", yaml, part, ib_status_text(status), err.where,
                 err.text);
    ib__value_free(map);
    ib__elements_free(s.elements);
    free(audit);
}

/* What is in a source, whatever the number of threads. */
static void test_audit(void **state) {
    (void)state;
    for (size_t threads = 1; threads <= 4; threads++) {
        ib_source_part s;
        ib_field_audit *audit = NULL;
        must_open(&s, "{npz: d.npz, x: bad, y: y}", folder, SIZE_MAX);
        assert_int_equal(ib__source_audit(&audit, &s, threads, NULL), IB_OK);
        assert_int_equal(audit[0].values, 8);
        assert_int_equal(audit[0].nans, 1);
        assert_int_equal(audit[0].infinities, 1);
        assert_true(audit[0].low == 0 && audit[0].high == 6 && audit[0].whole);
        assert_int_equal(audit[0].n_classes, 0);
        assert_int_equal(audit[1].n_classes, 4);
        assert_true(audit[1].classes[0] == 1 && audit[1].classes[3] == 1 && audit[1].high == 3);
        ib__elements_free(s.elements);
        free(audit);
        must_open(&s, "{npz: examples/mnist/mnist5k.npz, x: x_train, y: y_train}", NULL, 0);
        assert_int_equal(ib__source_audit(&audit, &s, threads, NULL), IB_OK);
        assert_int_equal(audit[0].values, 4000 * 784);
        assert_true(audit[0].low == 0 && audit[0].high == 255);
        uint64_t sum = 0;
        for (size_t i = 0; i < audit[1].n_classes; i++)
            sum += audit[1].classes[i];
        assert_int_equal(audit[1].n_classes, 10);
        assert_int_equal(sum, 4000);
        ib__elements_free(s.elements);
        free(audit);
    }
}

/* An integer of any type at data, after the bits of `value`. */
static double put_integer(void *data, ib_dtype dtype, size_t i, uint64_t value) {
    size_t size = ib__dtype_size(dtype);
    memcpy((char *)data + i * size, &value, size); /* the low bytes: little-endian */
    return ib__tensor_at(&(ib_tensor){dtype, {0}, data}, i);
}

/* Ranges of integers of all types, of as many as are compared side by side, a few more and a few less. */
static void test_ranges(void **state) {
    (void)state;
    static const size_t counts[] = {1, 2, 63, 64, 65, 127, 128, 129, 1000};
    static uint64_t data[1000];
    uint64_t random = 1;
    for (int type = IB_U8; type <= IB_I64; type++) {
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            double low = HUGE_VAL, high = -HUGE_VAL;
            for (size_t i = 0; i < counts[c]; i++) {
                random = random * 6364136223846793005u + 1442695040888963407u;
                double value = put_integer(data, (ib_dtype)type, i, random >> 7 ^ random << 41);
                low = value < low ? value : low;
                high = value > high ? value : high;
            }
            const char *name = "x";
            ib_tensor all = {(ib_dtype)type, {2, {1, (int64_t)counts[c]}}, data};
            ib_source_part part = {.count = 1};
            ib_field_audit *audit = NULL;
            assert_int_equal(ib__elements_borrow(&part.elements, &all, &name, 1, NULL), IB_OK);
            assert_int_equal(ib__source_audit(&audit, &part, 1, NULL), IB_OK);
            assert_true(audit[0].low == low && audit[0].high == high && audit[0].whole);
            ib__elements_free(part.elements);
            free(audit);
        }
    }
}

static void test_refused(void **state) {
    (void)state;
    refuse("{npz: d.npz, x: x, Y: y}", "exp.yaml:1:23 data.train.Y", "did you mean 'y'?");
    refuse("{npz: d.npz, x: x, label: y}", "data.train.label", "only npz, x, y, sample_weight, first, rows");
    refuse("{cvs: t.csv}", "data.train.cvs", "did you mean 'csv'?");
    refuse("{csv: s.csv, strings: [name], label: kind}", "strings", "features must name");
    refuse("{csv: s.csv, strings: [nam], features: [name]}", "strings", "neither a feature nor the label");
    refuse("{csv: s.csv, strings: [name], features: [name, width]}", "features", "texts or numbers");
    refuse("{csv: s.csv, strings: [], features: [name]}", "strings", "empty");
    refuse("{csv: s.csv, strings: [name], features: {}}", "features", "by the names of inputs");
    refuse("{csv: u.csv, strings: [b], features: [b]}", "u.csv:2:3", "UTF-8");
    refuse("{csv: t.csv, lable: kind}", "exp.yaml:1:21 data.train.lable", "did you mean 'label'?");
    refuse("{npz: d.npz, csv: t.csv}", "exp.yaml:1:1 data.train", "found both");
    refuse("{x: x}", "exp.yaml:1:1 data.train", "expected one of the fields npz, npy, csv");
    refuse("{npz: d.npz}", "exp.yaml:1:1 data.train", "'x' is missing");
    refuse("{npz: d.npz, x: 3}", "exp.yaml:1:17 data.train.x", "expected a name, found an integer");
    refuse("{npz: [d.npz], x: x}", "exp.yaml:1:7 data.train.npz", "found a list");
    refuse("{npz: '', x: x}", "data.train.npz", "an empty text");
    refuse("[1]", "exp.yaml:1:1 data.train", "found a list");
    refuse("d.npz", "exp.yaml:1:1 data.train", "found text");
    refuse("{npz: none.npz, x: x}", "none.npz", "No such file");
    refuse("{npz: t.csv, x: x}", "t.csv", "zip archive");
    refuse("{npz: d.npz, x: z}", "d.npz", "there are: x, y, bad");
    refuse("{npz: d.npz, x: x, y: few}", "data.train", "found x (4, 2) and y (3,)");
    refuse("{npz: d.npz, x: none}", "data.train", "there is no data: x has the shape (0, 2)");
    refuse("{npz: d.npz, x: single}", "data.train", "a single number");
    refuse("{npz: d.npz, x: bad}", "exp.yaml:1:17 data.train.x", "x[2, 1] of ");
    refuse("{npz: d.npz, x: bad, rows: [3, 4]}", "data.train.x", "x[0, 1] of ");
    refuse("{npz: d.npz, x: x, y: bad}", "data.train.y", " is NaN");
    refuse("{npz: d.npz, x: x, first: 5}", "exp.yaml:1:27 data.train.first", "there are 4 samples");
    refuse("{npz: d.npz, x: x, first: 0}", "data.train.first", "there are 4");
    refuse("{npz: d.npz, x: x, first: 1.5}", "data.train.first", "there are 4");
    refuse("{npz: d.npz, x: x, rows: [0, 5]}", "data.train.rows", "there are 4");
    refuse("{npz: d.npz, x: x, rows: [2, 2]}", "data.train.rows", "there are 4");
    refuse("{npz: d.npz, x: x, rows: [0, 1, 2]}", "data.train.rows", "there are 4");
    refuse("{npz: d.npz, x: x, rows: 3}", "data.train.rows", "there are 4");
    refuse("{npz: d.npz, x: x, first: 1, rows: [0, 1]}", "data.train.rows", "beside first");
    refuse("{csv: t.csv, label: kidn}", "t.csv", "did you mean 'kind'?");
    refuse("{csv: t.csv, features: []}", "data.train.features", "an empty one");
    refuse("{csv: t.csv, features: width}", "data.train.features", "found text");
    refuse("{csv: t.csv, features: [true]}", "data.train.features", "a boolean");
    refuse("{csv: t.csv, labels: double}", "data.train.labels", "int or float");
    refuse("{csv: t.csv, header: 1}", "data.train.header", "true or false");
    refuse("{csv: t.csv, separator: ab}", "data.train.separator", "tab");
    refuse("{csv: t.csv, separator: ''}", "data.train.separator", "tab");
    refuse("{csv: ., label: kind}", folder, "folder");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_npz),     cmocka_unit_test(test_csv),   cmocka_unit_test(test_strings),
        cmocka_unit_test(test_digest),  cmocka_unit_test(test_audit), cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
