/* SPDX-License-Identifier: Apache-2.0
 *
 * Zip archives: what is written, what is read, what is refused.
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
#include <zlib.h>

#include "base/file.h"
#include "base/sha256.h"
#include "data/zip.h"
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

static const ib_zip_member two[] = {{"a.txt", "hello", 5}, {"b/c.bin", "\0\1\2", 3}};

/* A new file each time: some file systems wait for the disk when an old one is written over. */
static void put(const void *bytes, size_t n) {
    unlink(path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

/* Opens the file and reads all its members. */
static ib_status read_all(ib_error *err) {
    ib_zip *zip = NULL;
    ib_status status = ib__zip_open(&zip, path, err);
    for (size_t i = 0; status == IB_OK && i < ib__zip_count(zip); i++) {
        ib_buf buf = {0};
        status = ib__zip_read(zip, ib__zip_name(zip, i), 0, &buf, err);
        ib__buf_free(&buf);
    }
    ib__zip_close(zip);
    return status;
}

static void refuse(const ib_buf *bytes, ib_status expected, const char *part) {
    ib_error err = {0};
    put(bytes->data, bytes->length);
    ib_status status = read_all(&err);
    if (status != expected || strstr(err.text, part) == NULL)
        fail_msg("expected \"%s\", found %s: %s", part, ib_status_text(status), err.text);
    assert_non_null(strstr(err.where, path));
}

static void test_round_trip(void **state) {
    (void)state;
    ib_zip *zip = NULL;
    ib_buf buf = {0};
    size_t index;
    assert_int_equal(ib__zip_write(path, two, 2, NULL), IB_OK);
    assert_int_equal(ib__zip_open(&zip, path, NULL), IB_OK);
    assert_int_equal(ib__zip_count(zip), 2);
    assert_string_equal(ib__zip_name(zip, 1), "b/c.bin");
    assert_int_equal(ib__zip_size(zip, 1), 3);
    assert_true(ib__zip_find(zip, "b/c.bin", &index) && index == 1);
    assert_int_equal(ib__zip_read(zip, "b/c.bin", 3, &buf, NULL), IB_OK);
    assert_int_equal(buf.length, 3);
    assert_memory_equal(buf.data, "\0\1\2", 4);
    ib_error err = {0};
    assert_int_equal(ib__zip_read(zip, "b/c.bin", 2, &buf, &err), IB_BAD_INPUT);
    assert_string_equal(err.text, "expected at most 2 bytes, found 3");
    err = (ib_error){0};
    assert_int_equal(ib__zip_read(zip, "d", 0, &buf, &err), IB_BAD_INPUT);
    assert_string_equal(err.text, "no such member, only a.txt, b/c.bin");
    ib__buf_free(&buf);
    ib__zip_close(zip);
}

/* The bytes are a promise: this digest changes only with the format. */
static void test_same_bytes(void **state) {
    (void)state;
    ib_buf a = {0}, b = {0};
    assert_int_equal(ib__zip_pack(&a, two, 2, NULL), IB_OK);
    assert_int_equal(ib__zip_pack(&b, two, 2, NULL), IB_OK);
    assert_int_equal(a.length, 2 * (30 + 46) + 22 + 2 * 12 + 8);
    assert_int_equal(a.length, b.length);
    assert_memory_equal(a.data, b.data, a.length);
    char hex[65];
    ib_digest digest = ib__sha256(a.data, a.length);
    ib__digest_hex(hex, &digest);
    assert_string_equal(hex, "2009aa8a82ca15a5738cfd76cd0db4e9ef147a62bffd0bfa6e4db2759729e7a8");
    ib__buf_free(&a);
    ib__buf_free(&b);
}

static void test_write_refused(void **state) {
    (void)state;
    static const char *const names[] = {"", "/a", "../a", "a/../b", "a/..", "a\\b", "C:a", "a\nb"};
    ib_buf buf = {0};
    for (size_t i = 0; i < 8; i++) {
        ib_zip_member m = {names[i], "x", 1};
        assert_int_equal(ib__zip_pack(&buf, &m, 1, NULL), IB_BAD_INPUT);
    }
    ib_zip_member good[] = {{"..a", "", 0}, {"a..", NULL, 0}, {"f/", "", 0}, {"\xc3\xa9", "x", 1}};
    assert_int_equal(ib__zip_pack(&buf, good, 4, NULL), IB_OK);
    put(buf.data, buf.length);
    assert_int_equal(read_all(NULL), IB_OK);
    ib_zip_member twice[] = {{"a", "", 0}, {"a", "", 0}};
    assert_int_equal(ib__zip_pack(&buf, twice, 2, NULL), IB_BAD_INPUT);
    ib_zip_member large[] = {{"a", "", (size_t)3 << 30}, {"b", "", (size_t)3 << 30}};
    assert_int_equal(ib__zip_pack(&buf, large, 2, NULL), IB_UNSUPPORTED);
    ib__buf_free(&buf);
}

/* Puts `to` in every place of `from` in the archive: names stand in the local header and in the directory. */
static void replace(ib_buf *buf, const char *from, const char *to) {
    size_t n = strlen(from);
    int found = 0;
    for (size_t i = 0; i + n <= buf->length; i++) {
        if (memcmp(buf->data + i, from, n) == 0) {
            memcpy(buf->data + i, to, n);
            found++;
        }
    }
    assert_int_equal(found, 2);
}

static void test_names_refused(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"/.txt", "absolute"}, {"../xx", "\"..\""},     {"xy/..", "\"..\""},
        {"C:txt", "drive"},    {"a\\txt", "backslash"}, {"a\x1btxt", "control"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ib_buf buf = {0};
        ib__zip_pack(&buf, two, 2, NULL);
        replace(&buf, "a.txt", cases[i][0]);
        refuse(&buf, IB_BAD_INPUT, cases[i][1]);
        ib__buf_free(&buf);
    }
    ib_zip_member same[] = {{"a.txt", "hello", 5}, {"b.txt", "hello", 5}};
    ib_buf buf = {0};
    ib__zip_pack(&buf, same, 2, NULL);
    replace(&buf, "b.txt", "a.txt");
    refuse(&buf, IB_BAD_INPUT, "");
    ib__buf_free(&buf);
}

static size_t directory_entry(const ib_buf *buf) {
    for (size_t i = 0; i + 4 <= buf->length; i++)
        if (memcmp(buf->data + i, "PK\1\2", 4) == 0) return i;
    fail_msg("no directory");
    return 0;
}

static void test_damage_refused(void **state) {
    (void)state;
    ib_buf buf = {0};
    ib__zip_pack(&buf, two, 2, NULL);
    size_t entry = directory_entry(&buf);
    buf.data[35]++; /* the first byte of "hello" */
    refuse(&buf, IB_BAD_INPUT, "CRC");
    buf.data[35]--;
    buf.data[6] = buf.data[entry + 8] = 1; /* encrypted */
    refuse(&buf, IB_UNSUPPORTED, "encrypted");
    buf.data[6] = buf.data[entry + 8] = 0;
    buf.data[8] = buf.data[entry + 10] = 14; /* LZMA */
    refuse(&buf, IB_UNSUPPORTED, "compression method 14");
    buf.data[8] = buf.data[entry + 10] = 0;
    buf.data[22] = buf.data[entry + 24] = 6; /* size, compressed size being 5 */
    refuse(&buf, IB_BAD_INPUT, "impossible size");
    buf.data[22] = buf.data[entry + 24] = 5;
    buf.data[entry + 41] = (char)0xa1; /* a symbolic link */
    refuse(&buf, IB_BAD_INPUT, "a link");
    buf.data[entry + 41] = (char)0x81;
    put(buf.data, buf.length);
    assert_int_equal(read_all(NULL), IB_OK);
    for (size_t n = 0; n < buf.length; n++) {
        put(buf.data, n);
        assert_int_not_equal(read_all(NULL), IB_OK);
    }
    ib__buf_free(&buf);
}

/* An archive of one deflated member that states `size`. */
static void pack_deflated(ib_buf *buf, const void *bytes, size_t n, uint32_t size) {
    unsigned char packed[4096];
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)bytes,
                  .avail_in = (unsigned)n,
                  .next_out = packed,
                  .avail_out = sizeof packed};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    ib_zip_member m = {"m", packed, z.total_out};
    assert_int_equal(ib__zip_pack(buf, &m, 1, NULL), IB_OK);
    deflateEnd(&z);
    size_t entry = directory_entry(buf);
    uint32_t crc = (uint32_t)crc32(0, bytes, (unsigned)n);
    for (int i = 0; i < 4; i++) {
        buf->data[14 + i] = buf->data[entry + 16 + (size_t)i] = (char)(crc >> 8 * i);
        buf->data[22 + i] = buf->data[entry + 24 + (size_t)i] = (char)(size >> 8 * i);
    }
    buf->data[8] = buf->data[entry + 10] = Z_DEFLATED;
}

static void test_deflate(void **state) {
    (void)state;
    static char zeros[1000000];
    ib_buf buf = {0};
    pack_deflated(&buf, zeros, sizeof zeros, sizeof zeros);
    put(buf.data, buf.length);
    ib_error err = {0};
    if (read_all(&err) != IB_OK) fail_msg("%s", err.text);
    ib__buf_free(&buf);
    pack_deflated(&buf, zeros, sizeof zeros, 1000);
    refuse(&buf, IB_BAD_INPUT, "");
    ib__buf_free(&buf);
    pack_deflated(&buf, zeros, sizeof zeros, 1000001);
    refuse(&buf, IB_BAD_INPUT, "");
    ib__buf_free(&buf);
    pack_deflated(&buf, zeros, sizeof zeros, 3000000);
    refuse(&buf, IB_BAD_INPUT, "impossible size");
    ib__buf_free(&buf);
}

static void test_not_a_file(void **state) {
    (void)state;
    ib_zip *zip = NULL;
    assert_int_equal(ib__zip_open(&zip, "/tmp", NULL), IB_IO);
    assert_int_equal(ib__zip_open(&zip, "/tmp/no-such-file-here", NULL), IB_IO);
    assert_null(zip);
    ib__zip_close(NULL);
}

static void test_fuzz(void **state) {
    (void)state;
    ib_buf buf = {0}, copy = {0};
    static const char text[] = "one two three one two three one two three";
    pack_deflated(&buf, text, sizeof text, sizeof text);
    uint64_t seed = 3;
    int refused = 0;
    for (int i = 0; i < 3000; i++) {
        copy.length = 0;
        ib__buf_add(&copy, buf.data, buf.length);
        for (int k = 0; k <= i % 3; k++) {
            (void)random_next(&seed);
            copy.data[(seed >> 33) % copy.length] ^= (char)(1 << (seed >> 20) % 8);
        }
        put(copy.data, i % 7 ? copy.length : (seed >> 40) % copy.length);
        ib_error err = {0};
        if (read_all(&err) != IB_OK) {
            assert_true(err.text[0] != '\0');
            refused++;
        }
    }
    assert_true(refused > 1000);
    ib__buf_free(&buf);
    ib__buf_free(&copy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_write_refused),  cmocka_unit_test(test_names_refused),
        cmocka_unit_test(test_damage_refused), cmocka_unit_test(test_deflate),
        cmocka_unit_test(test_not_a_file),     cmocka_unit_test(test_fuzz),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
