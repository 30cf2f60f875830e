/* SPDX-License-Identifier: Apache-2.0
 *
 * .npy and .npz: read in every byte order and layout, written with the same bytes, damaged ones refused.
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
#include "data/npz.h"
#include "random.h"

static char path[64];

static int make_path(void **state) {
    (void)state;
    strcpy(path, "/tmp/isobit-test-XXXXXX");
    int file = mkstemp(path);
    return file < 0 || close(file) != 0;
}

static int remove_path(void **state) {
    (void)state;
    return unlink(path);
}

/* A .npy of this version, dict and data. */
static void make(ib_buf *buf, int version, const char *dict, const void *data, size_t n) {
    size_t length = strlen(dict);
    char head[] = {(char)0x93,          'N', 'U', 'M', 'P', 'Y', (char)version, 0, (char)length,
                   (char)(length >> 8), 0,   0};
    ib__buf_add(buf, head, version == 1 ? 10 : 12);
    ib__buf_text(buf, dict);
    ib__buf_add(buf, data, n);
}

static void check_read(int version, const char *dict, const void *data, size_t n, ib_dtype dtype,
                       const char *shape, const double *expected) {
    ib_buf buf = {0};
    ib_tensor t = {0};
    ib_error err = {0};
    char text[128];
    make(&buf, version, dict, data, n);
    if (ib__npy_parse(&t, buf.data, buf.length, "t.npy", &err) != IB_OK) fail_msg("%s: %s", dict, err.text);
    assert_int_equal(t.dtype, dtype);
    ib__shape_print(text, &t.shape);
    assert_string_equal(text, shape);
    int64_t elements = ib__shape_elements(&t.shape);
    for (int64_t i = 0; i < elements; i++)
        if (ib__tensor_at(&t, (size_t)i) != expected[i]) fail_msg("%s: element %d", dict, (int)i);
    ib__tensor_free(&t);
    ib__buf_free(&buf);
}

static void test_read(void **state) {
    (void)state;
    static const unsigned char le[] = {1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0};
    static const unsigned char be[] = {0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6};
    static const double straight[] = {1, 2, 3, 4, 5, 6}, turned[] = {1, 3, 5, 2, 4, 6};
    check_read(1, "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }  \n", le, 12, IB_I16, "(2, 3)",
               straight);
    check_read(2, "{'descr': '>i2', 'fortran_order': False, 'shape': (2, 3), }\n", be, 12, IB_I16, "(2, 3)",
               straight);
    check_read(3, "{\"shape\":(2,3),\"fortran_order\":True,\"descr\":\"<u2\"}", le, 12, IB_U16, "(2, 3)",
               turned);
    check_read(1, "{'descr': '>u2', 'fortran_order': True, 'shape': (2L, 3L)}", be, 12, IB_U16, "(2, 3)",
               turned);
    static const double cube[] = {1, 5, 3, 0, 2, 6, 4, 7};
    static const unsigned char bytes[] = {1, 2, 3, 4, 5, 6, 0, 7};
    check_read(1, "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2, 2)}", bytes, 8, IB_U8, "(2, 2, 2)",
               cube);
    static const double bools[] = {1, 0, 1};
    check_read(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (3,)}", "\1\0\7", 3, IB_BOOL8, "(3,)",
               bools);
    static const double one[] = {1.5};
    check_read(1, "{'descr': '<f4', 'fortran_order': False, 'shape': ()}", "\0\0\xc0\x3f", 4, IB_F32, "()",
               one);
    check_read(1, "{'descr': '>f8', 'fortran_order': False, 'shape': (1,)}", "\x3f\xf8\0\0\0\0\0\0", 8,
               IB_F64, "(1,)", one);
    check_read(1, "{'descr': '<f2', 'fortran_order': True, 'shape': (1,1)}", "\0\x3e", 2, IB_F16, "(1, 1)",
               one);
    check_read(1, "{'descr': '<i8', 'fortran_order': False, 'shape': (0, 5)}", "", 0, IB_I64, "(0, 5)", one);
}

static void refuse(int version, const char *dict, const void *data, size_t n, ib_status expected,
                   const char *part) {
    ib_buf buf = {0};
    ib_tensor t = {0};
    ib_error err = {0};
    make(&buf, version, dict, data, n);
    ib_status status = ib__npy_parse(&t, buf.data, buf.length, "t.npy", &err);
    if (status != expected || strstr(err.text, part) == NULL)
        fail_msg("%s: expected \"%s\", found %s: %s", dict, part, ib_status_text(status), err.text);
    assert_string_equal(err.where, "t.npy");
    assert_null(t.data);
    ib__buf_free(&buf);
}

static void test_refused(void **state) {
    (void)state;
#define ORDER "'fortran_order': False, "
    refuse(1, "{'descr': '|O', " ORDER "'shape': (1,)}", "x", 1, IB_UNSUPPORTED, "object array");
    refuse(1, "{'descr': '<c8', " ORDER "'shape': (1,)}", "12345678", 8, IB_UNSUPPORTED, "'<c8'");
    refuse(1, "{'descr': '<U4', " ORDER "'shape': (1,)}", "x", 1, IB_UNSUPPORTED, "'<U4'");
    refuse(1, "{'descr': '|f4', " ORDER "'shape': (1,)}", "1234", 4, IB_UNSUPPORTED, "'|f4'");
    refuse(1, "{'descr': '', " ORDER "'shape': (1,)}", "1234", 4, IB_UNSUPPORTED, "''");
    refuse(1, "{'descr': [('a', '<f4')], " ORDER "'shape': (1,)}", "1234", 4, IB_UNSUPPORTED, "structured");
    refuse(1, "{'descr': '<f4', " ORDER "'shape': (1,1,1,1,1,1,1,1,1)}", "1234", 4, IB_UNSUPPORTED,
           "dimensions");
    refuse(4, "{'descr': '<f4', " ORDER "'shape': (1,)}", "1234", 4, IB_UNSUPPORTED, "version 1, 2 or 3");
    refuse(1, "{'descr': '<f4', " ORDER "'shape': (2,)}", "1234", 4, IB_BAD_INPUT,
           "the data of float32 (2,), found 4 bytes");
    refuse(1, "{'descr': '<f4', " ORDER "'shape': (1,)}", "12345", 5, IB_BAD_INPUT, "found 5 bytes");
    refuse(1, "{'descr': '<f4', " ORDER "'shape': (4611686018427387904, 4)}", "", 0, IB_BAD_INPUT,
           "found 0 bytes");
    refuse(1, "{'descr': '<f4', " ORDER "'shape': (-1,)}", "", 0, IB_BAD_INPUT, "dimensions");
    refuse(1, "{'descr': '<f4', " ORDER "'shape': (1 1)}", "1234", 4, IB_BAD_INPUT, "comma");
    refuse(1, "{'descr': '<f4', 'shape': (1,)}", "1234", 4, IB_BAD_INPUT, "each once");
    refuse(1, "{'descr': '<f4', 'order': 1}", "1234", 4, IB_BAD_INPUT, "each once");
    refuse(1, "{'descr': '<f4', " ORDER "'shape': (1,), 'shape': (1,)}", "1234", 4, IB_BAD_INPUT,
           "each once");
    refuse(1, "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", "1234", 4, IB_BAD_INPUT,
           "True or False");
    refuse(1, "__import__('os')", "", 0, IB_BAD_INPUT, "expected {");
    refuse(1, "{'descr", "", 0, IB_BAD_INPUT, "'key'");
    ib_tensor t;
    assert_int_equal(ib__npy_parse(&t, "", 0, "t", NULL), IB_BAD_INPUT);
    assert_int_equal(ib__npy_parse(&t, "\x93NUMPY\1\0\xff\xff", 10, "t", NULL), IB_BAD_INPUT);
    assert_int_equal(ib__npy_parse(&t, "\x93NUMPY\2\0\xff\xff", 10, "t", NULL), IB_BAD_INPUT);
}

static void test_npy_write(void **state) {
    (void)state;
    float data[] = {1.0f, -2.0f};
    ib_tensor t = {IB_F32, {1, {2}}, data}, back;
    ib_buf buf = {0};
    assert_int_equal(ib__npy_pack(&buf, &t, NULL), IB_OK);
    assert_int_equal(buf.length, 128 + 8);
    assert_memory_equal(buf.data,
                        "\x93NUMPY\1\0\x76\0{'descr': '<f4', 'fortran_order': False, 'shape': (2,), } ", 66);
    assert_memory_equal(buf.data + 127, "\n\0\0\x80\x3f\0\0\0\xc0", 9);
    ib__buf_free(&buf);
    assert_int_equal(ib__npy_write(path, &t, NULL), IB_OK);
    assert_int_equal(ib__npy_read(&back, path, NULL), IB_OK);
    assert_memory_equal(back.data, data, sizeof data);
    ib__tensor_free(&back);
}

static void test_npz(void **state) {
    (void)state;
    float x[] = {1.0f, -2.0f};
    uint8_t y[] = {3};
    ib_tensor a = {IB_F32, {2, {2, 1}}, x}, b = {IB_U8, {0, {0}}, y}, back = {0};
    ib_npz_entry entries[] = {{"x_train", &a}, {"y_train", &b}};
    ib_buf first = {0}, second = {0};
    ib_error err = {0};
    assert_int_equal(ib__npz_write(path, entries, 2, &err), IB_OK);
    assert_int_equal(ib__file_read(&first, path, 0, NULL), IB_OK);
    assert_int_equal(ib__npz_write(path, entries, 2, &err), IB_OK);
    assert_int_equal(ib__file_read(&second, path, 0, NULL), IB_OK);
    assert_int_equal(first.length, second.length);
    assert_memory_equal(first.data, second.data, first.length);
    ib__buf_free(&first);
    ib__buf_free(&second);
    assert_int_equal(ib__npz_read(&back, path, "x_train", &err), IB_OK);
    assert_true(ib__shape_equal(&back.shape, &a.shape));
    assert_memory_equal(back.data, x, sizeof x);
    ib__tensor_free(&back);
    assert_int_equal(ib__npz_read(&back, path, "y_train", &err), IB_OK);
    assert_int_equal(back.shape.rank, 0);
    ib__tensor_free(&back);
    assert_int_equal(ib__npz_read(&back, path, "x_trian", &err), IB_BAD_INPUT);
    assert_string_equal(err.text,
                        "no array is named 'x_trian', did you mean 'x_train'? (there are: x_train, y_train)");
    assert_string_equal(err.where, path);
    assert_int_equal(ib__npz_write(path, NULL, 0, NULL), IB_OK);
    err = (ib_error){0};
    assert_int_equal(ib__npz_read(&back, path, "x", &err), IB_BAD_INPUT);
    assert_string_equal(err.text, "no array is named 'x' (there is none)");
}

static void test_fuzz(void **state) {
    (void)state;
    ib_buf buf = {0};
    static const char data[24] = "0123456789";
    make(&buf, 1, "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3, 2), }  \n", data, 24);
    char *copy = malloc(buf.length);
    uint64_t seed = 9;
    int refused = 0, compared = 0;
    for (int i = 0; i < 6000; i++) {
        memcpy(copy, buf.data, buf.length);
        for (int k = 0; k <= i % 3; k++) {
            (void)random_next(&seed);
            size_t at = 6 + (seed >> 33) % (buf.length - 30);
            copy[at] = i % 2 ? (char)(seed >> 20) : "'(),:{}0123456789<>|fiubLTO"[(seed >> 20) % 27];
        }
        ib_tensor t = {0};
        ib_error err = {0};
        size_t n = i % 6 ? buf.length : (seed >> 40) % buf.length;
        char *exact = malloc(n + 1); /* so that a sanitizer sees every step past the end */
        memcpy(exact + 1, copy, n);
        if (ib__npy_parse(&t, exact + 1, n, "f", &err) != IB_OK) {
            assert_true(err.text[0] != '\0' && t.data == NULL);
            refused++;
        }
        free(exact);
        ib__tensor_free(&t);
        compared++;
    }
    assert_true(refused > 1000 && compared > refused);
    free(copy);
    ib__buf_free(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read), cmocka_unit_test(test_refused), cmocka_unit_test(test_npy_write),
        cmocka_unit_test(test_npz),  cmocka_unit_test(test_fuzz),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
