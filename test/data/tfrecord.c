/* SPDX-License-Identifier: Apache-2.0
 *
 * TFRecord files that TensorFlow wrote, against what it parses from them; damage anywhere is found.
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

#include "base/crc32c.h"
#include "base/file.h"
#include "data/npz.h"
#include "data/wire.h"
#include "numerics/texts.h"
#include "open.h"

#define GOLDEN "test/golden/tfrecord/"
#define FEATURES                                                                                             \
    "x: {l: long, f: floats, i: image}, y: {a: label, b: raw}, features: {label: {dtype: int64}, long: "     \
    "{dtype: "                                                                                               \
    "int64, shape: 5}, floats: {dtype: float32, shape: [2, 3], default: -1.5}, raw: {decode: raw, dtype: "   \
    "uint16, shape: [2, 3]}, image: {decode: image, image_size: [4, 5]}}}"

static char path[64];

static int make_file(void **unused) {
    (void)unused;
    (void)strcpy(path, "/tmp/isobit-test-XXXXXX");
    int file = mkstemp(path);
    return file < 0 || close(file) != 0;
}

static int remove_file(void **unused) {
    (void)unused;
    return unlink(path);
}

/* All fields of all records, read `block` at a time. */
static void compare(const char *yaml, size_t memory, size_t block, size_t *compared) {
    static const char *const names[] = {"long", "floats", "image", "label", "raw"};
    ib_source_part part;
    ib_tensor wanted[5] = {{0}};
    must_open(&part, yaml, NULL, memory);
    const ib_elements *e = part.elements;
    assert_int_equal(part.count, 25);
    assert_int_equal(e->n_fields, 5);
    int64_t room[5][25 * 64];
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(ib__npz_read(&wanted[i], GOLDEN "parsed.npz", names[i], NULL), IB_OK);
    for (uint64_t at = 0; at < 25; at += block) {
        void *out[5] = {room[0], room[1], room[2], room[3], room[4]};
        size_t n = 25 - at < block ? (size_t)(25 - at) : block;
        ib_error err = {0};
        if (ib__elements_read(e, at, n, out, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
        for (size_t i = 0; i < 5; i++) {
            size_t each = (size_t)ib__shape_elements(&e->fields[i].shape);
            assert_int_equal(e->fields[i].dtype, wanted[i].dtype);
            assert_int_equal(each * 25, ib__shape_elements(&wanted[i].shape));
            ib_tensor t = {e->fields[i].dtype, {0}, out[i]};
            for (size_t k = 0; k < n * each; k++, (*compared)++) {
                double x = ib__tensor_at(&wanted[i], at * each + k), y = ib__tensor_at(&t, k);
                if (i == 2 ? fabs(x - y) > 2e-4 : x != y)
                    fail_msg("%s, %s[%zu]: expected %.17g, found %.17g", yaml, names[i], at * each + k, x, y);
            }
        }
    }
    for (size_t i = 0; i < 5; i++)
        ib__tensor_free(&wanted[i]);
    ib__elements_free(part.elements);
}

static void test_parsed(void **unused) {
    (void)unused;
    static const char *const files[] = {
        "all.tfrecord", "[" GOLDEN "first.tfrecord, " GOLDEN "second.tfrecord]", "all.tfrecord.gz"};
    size_t compared = 0;
    for (size_t i = 0; i < 3; i++) {
        char yaml[1024];
        (void)snprintf(yaml, sizeof yaml, "{tfrecord: %s%s, " FEATURES, i == 1 ? "" : GOLDEN, files[i]);
        compare(yaml, SIZE_MAX, 1, &compared);
        compare(yaml, SIZE_MAX, 7, &compared);
        compare(yaml, 0, 25, &compared);
    }
    assert_int_equal(compared, 9 * 25 * (5 + 6 + 60 + 1 + 6));
}

/* Without `features` the first record tells. */
static void test_learned(void **unused) {
    (void)unused;
    ib_source_part part;
    must_open(&part, "{tfrecord: " GOLDEN "all.tfrecord, x: long, y: label}", NULL, SIZE_MAX);
    assert_int_equal(part.elements->fields[0].shape.dims[0], 5);
    assert_int_equal(part.elements->fields[1].shape.rank, 0);
    assert_int_equal(part.elements->fields[1].dtype, IB_I64);
    assert_true(part.elements->cheap);
    ib__elements_free(part.elements);
}

/* ---- What is refused ---- */

static void refuse(const char *yaml, const char *where, const char *part) {
    for (size_t memory = 0; memory < 2; memory++) {
        ib_source_part out = {0};
        ib_error err = {0};
        void *fields[IB_DATA_FIELDS_MAX];
        char room[4096];
        ib_status status = open_entry(&out, yaml, NULL, memory == 0 ? 0 : SIZE_MAX, &err);
        for (size_t i = 0; i < IB_DATA_FIELDS_MAX; i++)
            fields[i] = room;
        for (uint64_t i = 0; status == IB_OK && i < out.count; i++)
            status = ib__elements_read(out.elements, i, 1, fields, &err);
        if (status == IB_OK || strstr(err.text, part) == NULL || strstr(err.where, where) == NULL)
            fail_msg("%s: expected \"%s\" at \"%s\", found %s: %s: %s", yaml, part, where,
                     ib_status_text(status), err.where, err.text);
        ib__elements_free(out.elements);
    }
}

static void test_refused(void **unused) {
    (void)unused;
#define ALL "{tfrecord: " GOLDEN "all.tfrecord, "
    refuse(ALL "x: floats}", "record 0, floats", "expected this feature, found ");
    refuse(ALL "x: image}", "record 0, image", "say in `features` how to decode");
    refuse(ALL "x: long, features: {label: {dtype: int64}}}", "data.train.x", "does not say what long is");
    refuse(ALL "x: long, features: {long: {dtype: int64, shape: [4]}}}", "record 0, long",
           "expected 4 int64 numbers, found 5");
    refuse(ALL "x: long, features: {long: {dtype: float32, shape: 5}}}", "record 0, long",
           "expected float32 numbers, found int64 numbers");
    refuse(ALL "x: floats, features: {floats: {dtype: float32, shape: 6}}}", "record 0, floats",
           "found none");
    refuse(ALL "x: raw, features: {raw: {decode: raw, dtype: uint8, shape: 3}}}", "record 0, raw",
           "expected 3 bytes, found 12");
    refuse(ALL "x: raw, features: {raw: {decode: raw}}}", "features.raw", "'dtype' is missing");
    refuse(ALL "x: raw, features: {raw: {decode: image}}}", "record 0, raw", "JPEG or PNG");
    refuse(ALL "x: image, features: {image: {decode: image, image_size: null}}}", "record 1, image",
           "have one size");
    refuse(ALL "x: label, features: {label: {dtype: int32}}}", "features.label.dtype", "float32 or int64");
    refuse(ALL "x: label, features: {label: {type: int64}}}", "features.label.type", "did you mean 'dtype'");
    refuse(ALL "x: label, features: {label: {decode: text}}}", "record 0, label", "int64 numbers");
    refuse(ALL "x: raw, features: {raw: {decode: text, shape: 3}}}", "features.raw.shape", "no such field");
    refuse("{tfrecord: [], x: a}", "data.train.tfrecord", "expected 1 to");
    refuse("{tfrecord: README.md, x: a}", "README.md, record 0", "the CRC of the length");
    refuse("{tfrecord: none, x: a}", "none", "No such file");
}

static void test_texts(void **unused) {
    (void)unused;
    static const char *const wanted[] = {"in the beginning", "\xc3\xa9t\xc3\xa9", ""};
    ib_source_part part;
    ib_error err = {0};
    int32_t number;
    void *out[] = {&number};
    size_t n;
    must_open(&part, "{tfrecord: " GOLDEN "texts.tfrecord, x: text, features: {text: {decode: text}}}", NULL,
              0);
    assert_true(part.count == 4 && part.elements->fields[0].dtype == IB_TEXT);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(ib__elements_read(part.elements, i, 1, out, NULL), IB_OK);
        assert_string_equal(ib__text_of(number, &n), wanted[i]);
    }
    assert_int_equal(ib__elements_read(part.elements, 3, 1, out, &err), IB_BAD_INPUT);
    assert_non_null(strstr(err.where, "texts.tfrecord, record 3, text"));
    assert_non_null(strstr(err.text, "expected UTF-8"));
    ib__elements_free(part.elements);
}

/* One bit changed anywhere, or the end cut off, is always an error. */
static void test_damaged(void **unused) {
    (void)unused;
    ib_buf file = {0};
    char yaml[256];
    size_t refused = 0;
    assert_int_equal(ib__file_read(&file, GOLDEN "first.tfrecord", 0, NULL), IB_OK);
    (void)snprintf(yaml, sizeof yaml, "{tfrecord: %s, x: long}", path);
    for (size_t i = 0; i < file.length; i += 41, refused++) {
        ib_source_part part = {0};
        file.data[i] = (char)(file.data[i] ^ 1 << i % 8);
        FILE *f = fopen(path, "wb");
        assert_int_equal(fwrite(file.data, 1, file.length, f), file.length);
        assert_int_equal(fclose(f), 0);
        if (open_entry(&part, yaml, NULL, 0, NULL) == IB_OK) fail_msg("byte %zu: a change is not seen", i);
        file.data[i] = (char)(file.data[i] ^ 1 << i % 8);
    }
    for (size_t n = 1; n < file.length; n += 1009) {
        ib_source_part part = {0};
        ib_error err = {0};
        FILE *f = fopen(path, "wb");
        assert_int_equal(fwrite(file.data, 1, n, f), n);
        assert_int_equal(fclose(f), 0);
        if (open_entry(&part, yaml, NULL, 0, &err) == IB_OK) {
            ib__elements_free(part.elements); /* cut between two records */
            continue;
        }
        refused++;
        assert_non_null(strstr(err.text, "the file is cut"));
    }
    assert_true(refused > 500);
    ib__buf_free(&file);
}

/* Examples that no program writes: groups, endless varints, lengths past the end, keys twice. */
static void test_wire(void **unused) {
    (void)unused;
    static const struct wire_case {
        const char *bytes;
        size_t n;
        bool good;
    } cases[] = {
        {"", 0, true},
        {"\x0a\x00", 2, true},
        {"\x0b", 1, false},                                         /* a group */
        {"\x0a\x05\x0a", 3, false},                                 /* longer than what is there */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, true}, /* 2^64 - 1 */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11, false},
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, false},
        {"\x00\x00", 2, false},                 /* field 0 */
        {"\x09\x00\x00", 3, false},             /* eight bytes that are not there */
        {"\x0a\x04\x0a\x02\x0a\x05", 6, false}, /* a key longer than its entry */
        {"\x12\x03"
         "abc",
         5, true}, /* an unknown field */
        {"\x0a\x09\x0a\x07\x0a\x01"
         "a\x12\x02\x1a\x00",
         11, true}, /* a: an empty list */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ib_feature f;
        bool good = ib__example_find(&f, cases[i].bytes, cases[i].n, "a");
        if (good != cases[i].good) fail_msg("case %zu: expected %d", i, cases[i].good);
    }
    /* the last of two features of one name, and of two lists of one feature, counts */
    static const char twice[] = "\x0a\x1c\x0a\x0c\x0a\x01"
                                "a\x12\x07\x1a\x05\x0a\x03\x01\x02\x03"
                                "\x0a\x0c\x0a\x01"
                                "a\x12\x07\x1a\x05\x0a\x03\x04\x05\x06";
    ib_feature f;
    int64_t values[3];
    assert_true(ib__example_find(&f, twice, sizeof twice - 1, "a"));
    assert_int_equal(ib__feature_ints(&f, values, 3), 3);
    assert_int_equal(values[2], 6);
    /* numbers packed and one by one */
    static const unsigned char mixed[] = {0x08, 5, 0x0a, 2, 7, 8, 0x08, 0x96, 0x01};
    f = (ib_feature){IB_FEATURE_INTS, {mixed, mixed + sizeof mixed, false}};
    int64_t all[4];
    assert_int_equal(ib__feature_ints(&f, all, 4), 4);
    assert_true(all[0] == 5 && all[1] == 7 && all[2] == 8 && all[3] == 150);
    assert_int_equal(ib__feature_ints(&f, all, 1), 4);
    f.list.end--;
    assert_int_equal(ib__feature_ints(&f, all, 4), SIZE_MAX);
}

static void test_crc(void **unused) {
    (void)unused;
    /* every length and offset against bit by bit */
    unsigned char bytes[64];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 37 + 11);
    for (size_t first = 0; first < 8; first++)
        for (size_t n = 0; first + n <= sizeof bytes; n++) {
            uint32_t crc = 0xffffffffu;
            for (size_t i = 0; i < n; i++) {
                crc ^= bytes[first + i];
                for (int bit = 0; bit < 8; bit++)
                    crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
            }
            assert_int_equal(ib__crc32c(bytes + first, n), ~crc);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parsed),  cmocka_unit_test(test_learned), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_damaged), cmocka_unit_test(test_texts),   cmocka_unit_test(test_wire),
        cmocka_unit_test(test_crc),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
