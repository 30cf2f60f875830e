/* SPDX-License-Identifier: Apache-2.0
 *
 * Sources of arrays (npz, npy, IDX): the same elements whether they lie in memory or outside; damaged files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "data/npz.h"
#include "open.h"

#define ROWS 300
#define MNIST "examples/mnist/mnist5k.npz"
#define GOLDEN "test/golden/data/arrays.npz"

static char folder[64];

static const char *in_folder(const char *name) {
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const void *bytes, size_t n) {
    assert_int_equal(ib__file_write(in_folder(name), bytes, n, NULL), IB_OK);
}

static void write_gzip(const char *name, const void *bytes, size_t n) {
    gzFile file = gzopen(in_folder(name), "wb");
    assert_int_equal(gzwrite(file, bytes, (unsigned)n), (int)n);
    assert_int_equal(gzclose(file), Z_OK);
}

/* big-endian float32 and bytes, as IDX and as .npy */
static unsigned char idx_x[4 + 12 + ROWS * 2 * 3 * 4], idx_y[4 + 4 + ROWS];
static float x[ROWS * 2 * 3];
static uint8_t y[ROWS];

static void make_arrays(void) {
    const unsigned char head_x[] = {0, 0, 0x0d, 3, 0, 0, ROWS >> 8, ROWS & 255, 0, 0, 0, 2, 0, 0, 0, 3};
    const unsigned char head_y[] = {0, 0, 0x08, 1, 0, 0, ROWS >> 8, ROWS & 255};
    memcpy(idx_x, head_x, sizeof head_x);
    memcpy(idx_y, head_y, sizeof head_y);
    for (size_t i = 0; i < ROWS * 6; i++) {
        uint32_t bits;
        x[i] = (float)i * 0.37f - 11;
        memcpy(&bits, &x[i], sizeof bits);
        for (size_t k = 0; k < 4; k++)
            idx_x[sizeof head_x + 4 * i + k] = (unsigned char)(bits >> (24 - 8 * k));
    }
    for (size_t i = 0; i < ROWS; i++)
        idx_y[sizeof head_y + i] = y[i] = (uint8_t)(i * 7);
}

static int make_files(void **state) {
    (void)state;
    strcpy(folder, "/tmp/isobit-test-XXXXXX");
    if (mkdtemp(folder) == NULL) return 1;
    make_arrays();
    ib_tensor a = {IB_F32, {3, {ROWS, 2, 3}}, x}, b = {IB_U8, {1, {ROWS}}, y};
    ib_npz_entry entries[] = {{"x", &a}, {"y", &b}};
    write_file("x.idx", idx_x, sizeof idx_x);
    write_file("y.idx", idx_y, sizeof idx_y);
    write_gzip("x.idx.gz", idx_x, sizeof idx_x);
    write_gzip("y.idx.gz", idx_y, sizeof idx_y);
    return ib__npz_write(in_folder("d.npz"), entries, 2, NULL) != IB_OK ||
           ib__npy_write(in_folder("x.npy"), &a, NULL) != IB_OK ||
           ib__npy_write(in_folder("y.npy"), &b, NULL) != IB_OK;
}

static int remove_files(void **state) {
    (void)state;
    char **names;
    size_t n;
    if (ib__folder_names(&names, &n, folder, NULL) != IB_OK) return 1;
    for (size_t i = 0; i < n; i++)
        unlink(in_folder(names[i]));
    ib__names_free(names, n);
    return rmdir(folder);
}

/* All forms of the same arrays, in memory, partly outside, and outside. */
static void test_same_elements(void **unused) {
    (void)unused;
    static const char *const entries[] = {
        "{npz: d.npz, x: x, y: y}",
        "{npy: {x: x.npy, y: y.npy}}",
        "{idx: {x: x.idx, y: y.idx}}",
        "{idx: {x: x.idx.gz, y: y.idx.gz}}",
    };
    static const size_t memory[] = {SIZE_MAX, 1000, 0};
    ib_digest first = {{0}};
    for (size_t i = 0; i < 4; i++) {
        for (size_t m = 0; m < 3; m++) {
            for (size_t block = 1; block <= ROWS; block += 149) {
                ib_source_part part;
                must_open(&part, entries[i], folder, memory[m]);
                assert_int_equal(part.count, ROWS);
                assert_int_equal(part.elements->cheap, m == 0);
                ib_digest d = digest_elements(&part, block);
                if (i == 0 && m == 0 && block == 1) first = d;
                assert_memory_equal(&d, &first, sizeof d);
                ib__elements_free(part.elements);
            }
        }
    }
}

/* A compressed archive, and rows of it; several inputs and weights under names of their own. */
static void test_compressed(void **unused) {
    (void)unused;
    static const char *const entries[] = {
        "{npz: " MNIST ", x: x_train, y: y_train, rows: [100, 200]}",
        "{npz: " MNIST ", x: {a: x_test, b: y_test}, y: {c: y_test, d: x_test}, sample_weight: y_test}"};
    for (size_t i = 0; i < 2; i++) {
        ib_source_part inside, outside;
        must_open(&inside, entries[i], NULL, SIZE_MAX);
        must_open(&outside, entries[i], NULL, 5000);
        ib_digest a = digest_elements(&inside, 64), b = digest_elements(&outside, 7);
        assert_memory_equal(&a, &b, sizeof a);
        assert_true(inside.elements->cheap && !outside.elements->cheap);
        assert_int_equal(inside.count, i == 0 ? 100 : 1000);
        assert_int_equal(inside.elements->n_fields, i == 0 ? 2 : 5);
        assert_string_equal(inside.elements->fields[1].name, i == 0 ? "y" : "x.b");
        ib__elements_free(inside.elements);
        ib__elements_free(outside.elements);
    }
}

/* Every kind of array that a source takes in as it lies in the archive is what the reader of whole arrays
 * gives: types, the other byte order, booleans. */
static void test_as_read(void **unused) {
    (void)unused;
    static const char *const names[] = {"f4", "f8", "f4be", "u1", "i2be", "i8", "bool"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ib_tensor want;
        assert_int_equal(ib__npz_read(&want, GOLDEN, names[i], NULL), IB_OK);
        size_t bytes = (size_t)ib__shape_elements(&want.shape) * ib__dtype_size(want.dtype);
        for (size_t memory = 0; memory <= 100000; memory += 50000) {
            ib_source_part part;
            char yaml[200];
            (void)snprintf(yaml, sizeof yaml, "{npz: " GOLDEN ", x: %s}", names[i]);
            must_open(&part, yaml, NULL, memory);
            void *found = calloc(1, bytes);
            assert_non_null(found);
            assert_int_equal(part.elements->fields[0].dtype, want.dtype);
            assert_int_equal(ib__elements_read(part.elements, 0, (size_t)part.count, &found, NULL), IB_OK);
            assert_memory_equal(found, want.data, bytes);
            free(found);
            ib__elements_free(part.elements);
        }
        ib__tensor_free(&want);
    }
}

static void test_fortran(void **unused) {
    (void)unused;
    static const char file[] =
        "\x93NUMPY\1\0\x3b\0{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3)}  \n"
        "\1\4\2\5\3\6";
    write_file("fortran.npy", file, sizeof file - 1);
    for (size_t memory = 0; memory <= 100000; memory += 100000) {
        ib_source_part part;
        unsigned char found[6];
        void *out = found;
        must_open(&part, "{npy: {x: fortran.npy}}", folder, memory);
        assert_int_equal(ib__elements_read(part.elements, 0, 2, &out, NULL), IB_OK);
        assert_memory_equal(found, "\1\2\3\4\5\6", 6);
        ib__elements_free(part.elements);
    }
}

static void refuse(const char *yaml, size_t memory, const char *where, const char *part) {
    ib_source_part out = {0};
    ib_error err = {0};
    ib_status status = open_entry(&out, yaml, folder, memory, &err);
    if (status == IB_OK || strstr(err.text, part) == NULL || strstr(err.where, where) == NULL)
        fail_msg("%s: expected \"%s\", found %s: %s: %s", yaml, part, ib_status_text(status), err.where,
                 err.text);
}

static void test_damaged(void **unused) {
    (void)unused;
    static unsigned char bytes[sizeof idx_x + 1];
    ib_buf file = {0};
    for (size_t m = 0; m < 2; m++) {
        size_t memory = m == 0 ? SIZE_MAX : 0;
        memcpy(bytes, idx_x, sizeof idx_x);
        write_file("bad", bytes, sizeof idx_x - 1);
        refuse("{idx: {x: bad}}", memory, "bad", m == 0 ? "the file is cut" : "found 7199");
        write_file("bad", bytes, sizeof idx_x + 1);
        refuse("{idx: {x: bad}}", memory, "bad",
               "expected 7200 bytes of data for the shape (300, 2, 3), found 7201");
        write_file("bad", bytes, 9);
        refuse("{idx: {x: bad}}", memory, "bad", "expected an IDX header of 4 bytes at offset 8, found 1");
        bytes[2] = 7;
        write_file("bad", bytes, sizeof idx_x);
        refuse("{idx: {x: bad}}", memory, "bad", "found 00 00 07 03");
        memset(bytes + 2, 255, 14);
        bytes[2] = 8;
        bytes[3] = 8;
        write_file("bad", bytes, sizeof idx_x);
        refuse("{idx: {x: bad}}", memory, "bad", "at most 2^48");
        refuse("{idx: {x: x.idx, y: x.npy}}", memory, "x.npy", "expected an IDX file");
        refuse("{npy: {x: x.npy, y: x.idx}}", memory, "x.idx", "NumPy");
        refuse("{npy: {x: x.npy, z: y.npy}}", memory, "data.train.z", "only x, y, sample_weight");
        refuse("{npy: x.npy}", memory, "data.train.npy", "found text");
        refuse("{npy: {y: y.npy}}", memory, "data.train", "'x' is missing");
        refuse("{idx: {x: {a: 3}}}", memory, "data.train.x", "found an integer");
        assert_int_equal(ib__file_read(&file, in_folder("x.npy"), 0, NULL), IB_OK);
        write_file("bad", file.data, file.length - 1);
        refuse("{npy: {x: bad}}", memory, "bad", "expected the data of float32 (300, 2, 3), found 7199");
        write_file("bad", file.data, 60);
        refuse("{npy: {x: bad}}", memory, "bad", "the header of the .npy");
        ib__buf_free(&file);
        assert_int_equal(ib__file_read(&file, in_folder("x.idx.gz"), 0, NULL), IB_OK);
        write_file("bad", file.data, file.length - 3);
        refuse("{idx: {x: bad}}", memory, "bad", "gzip data, found its end");
        file.data[file.length - 6] ^= 1;
        write_file("bad", file.data, file.length);
        refuse("{idx: {x: bad}}", memory, "bad", "incorrect data check");
        ib__buf_free(&file);
        assert_int_equal(ib__file_read(&file, in_folder("d.npz"), 0, NULL), IB_OK);
        file.data[2000] ^= 1;
        write_file("bad", file.data, file.length);
        refuse("{npz: bad, x: x}", memory, "bad", "CRC");
        ib__buf_free(&file);
    }
}

/* A file that changes while it is read: shorter, and of the same length. */
static void test_changed(void **unused) {
    (void)unused;
    for (int shorter = 0; shorter < 2; shorter++) {
        ib_source_part part;
        float out[6];
        void *to[] = {out};
        ib_error err = {0};
        const struct timespec long_ago[2] = {{1000000000, 0}, {1000000000, 0}};
        write_file("x2.idx", idx_x, sizeof idx_x);
        assert_int_equal(utimensat(AT_FDCWD, in_folder("x2.idx"), long_ago, 0), 0);
        must_open(&part, "{idx: {x: x2.idx}}", folder, 0);
        assert_int_equal(ib__elements_read(part.elements, ROWS - 1, 1, to, NULL), IB_OK);
        FILE *file = fopen(in_folder("x2.idx"), "r+b");
        assert_non_null(file);
        if (!shorter) assert_int_equal(fputc(1, file), 1);
        assert_int_equal(fclose(file), 0);
        if (shorter) assert_int_equal(truncate(in_folder("x2.idx"), sizeof idx_x - 5), 0);
        assert_int_equal(ib__elements_read(part.elements, ROWS - 1, 1, to, &err), IB_BAD_INPUT);
        assert_non_null(strstr(err.where, "x2.idx"));
        assert_non_null(strstr(err.text, shorter ? "became shorter" : "was changed"));
        ib__elements_free(part.elements);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_elements), cmocka_unit_test(test_compressed),
        cmocka_unit_test(test_as_read),       cmocka_unit_test(test_fortran),
        cmocka_unit_test(test_damaged),       cmocka_unit_test(test_changed),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
