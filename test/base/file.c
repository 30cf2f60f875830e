/* SPDX-License-Identifier: Apache-2.0
 *
 * Buffers, files, folders, digests of bytes and files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sha256.h"

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/isobit-test-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static const char *in_folder(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int files_in_folder(void) {
    int n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n - 2;
}

static int remove_folder(void **state) {
    (void)state;
    rmdir(in_folder("a/b/c"));
    rmdir(in_folder("a/b"));
    rmdir(in_folder("a"));
    return rmdir(folder);
}

static void test_buf(void **state) {
    (void)state;
    ib_buf buf = {0};
    assert_true(ib__buf_text(&buf, ""));
    assert_string_equal(buf.data, "");
    for (int i = 0; i < 1000; i++)
        assert_true(ib__buf_printf(&buf, "%d,", i % 10));
    assert_int_equal(buf.length, 2000);
    assert_true(ib__buf_add(&buf, "\0x", 2));
    assert_int_equal(buf.length, 2002);
    assert_int_equal(buf.data[2002], 0);
    assert_false(ib__buf_add(&buf, "x", SIZE_MAX / 2));
    assert_true(buf.failed);
    assert_false(ib__buf_text(&buf, "x"));
    assert_int_equal(buf.length, 2002);
    ib__buf_free(&buf);
    assert_true(ib__buf_text(&buf, "again"));
    ib__buf_free(&buf);
}

static void test_write_and_read(void **state) {
    (void)state;
    ib_error err = {0};
    ib_buf buf = {0};
    assert_int_equal(ib__file_write(in_folder("f"), "old and longer", 14, &err), IB_OK);
    assert_int_equal(ib__file_write(in_folder("f"), "n\0w", 3, &err), IB_OK);
    assert_int_equal(files_in_folder(), 1);
    assert_true(ib__file_exists(in_folder("f")));
    assert_int_equal(ib__file_read(&buf, in_folder("f"), 3, &err), IB_OK);
    assert_int_equal(buf.length, 3);
    assert_memory_equal(buf.data, "n\0w", 4);
    assert_int_equal(ib__file_read(&buf, in_folder("f"), 2, &err), IB_BAD_INPUT);
    assert_non_null(strstr(err.text, "at most 2 bytes"));
    assert_string_equal(err.where, in_folder("f"));
    ib__buf_free(&buf);
    unlink(in_folder("f"));
    assert_false(ib__file_exists(in_folder("f")));
}

/* Files around the sizes of blocks, behind what a buffer holds; and one whose size the system gives as 0. */
static void test_sizes(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 131071, 131072, 200000};
    char *bytes = malloc(200000);
    assert_non_null(bytes);
    for (size_t i = 0; i < 200000; i++)
        bytes[i] = (char)(i % 251);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ib_buf buf = {0};
        ib_error err = {0};
        assert_int_equal(ib__file_write(in_folder("f"), bytes, sizes[i], &err), IB_OK);
        for (size_t k = 1; k <= 2; k++) {
            assert_int_equal(ib__file_read(&buf, in_folder("f"), 0, &err), IB_OK);
            assert_int_equal(buf.length, k * sizes[i]);
            assert_memory_equal(buf.data + (k - 1) * sizes[i], bytes, sizes[i]);
            assert_int_equal(buf.data[buf.length], 0);
        }
        ib__buf_free(&buf);
    }
    unlink(in_folder("f"));
    free(bytes);
    ib_buf buf = {0};
    assert_int_equal(ib__file_read(&buf, "/proc/self/status", 0, NULL), IB_OK);
    assert_non_null(strstr(buf.data, "VmSize"));
    ib__buf_free(&buf);
}

static void test_refused(void **state) {
    (void)state;
    ib_buf buf = {0};
    ib_error err = {0};
    assert_int_equal(ib__file_read(&buf, folder, 0, &err), IB_IO);
    err = (ib_error){0};
    assert_int_equal(ib__file_read(&buf, in_folder("none"), 0, &err), IB_IO);
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    assert_int_equal(ib__file_read(&buf, in_folder("pipe"), 0, NULL), IB_IO);
    ib_digest digest;
    assert_int_equal(ib__sha256_file(&digest, in_folder("pipe"), NULL), IB_IO);
    unlink(in_folder("pipe"));
    assert_int_equal(ib__file_read(&buf, "/dev/zero", 0, NULL), IB_IO);
    assert_int_equal(ib__file_write(in_folder("none/f"), "x", 1, NULL), IB_IO);
    assert_int_equal(mkdir(in_folder("d"), 0700), 0);
    assert_int_equal(ib__file_write(in_folder("d"), "x", 1, NULL), IB_IO);
    assert_int_equal(files_in_folder(), 1);
    rmdir(in_folder("d"));
    ib__buf_free(&buf);
}

static void test_folders(void **state) {
    (void)state;
    ib_error err = {0};
    assert_int_equal(ib__folder_make(in_folder("a//b/c/"), &err), IB_OK);
    assert_int_equal(ib__folder_make(in_folder("a/b/c"), &err), IB_OK);
    assert_int_equal(ib__folder_make("/", &err), IB_OK);
    assert_int_equal(ib__folder_check_writable(in_folder("a/b"), &err), IB_OK);
    assert_int_equal(ib__file_write(in_folder("f"), "x", 1, &err), IB_OK);
    assert_int_equal(ib__folder_make(in_folder("f/g"), NULL), IB_IO);
    assert_int_equal(ib__folder_make(in_folder("f"), NULL), IB_IO);
    assert_int_equal(ib__folder_make("", NULL), IB_BAD_INPUT);
    assert_int_equal(ib__folder_check_writable("/proc/self/x", NULL), IB_IO);
    unlink(in_folder("f"));
    assert_int_equal(files_in_folder(), 1);
}

/* The vectors of FIPS 180-2 for "abc" and the empty text. */
static void test_sha256(void **state) {
    (void)state;
    char hex[65];
    ib_digest digest = ib__sha256("abc", 3), other;
    ib__digest_hex(hex, &digest);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest = ib__sha256(NULL, 0);
    ib__digest_hex(hex, &digest);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_int_equal(ib__digest_parse(&other, hex), 1);
    assert_memory_equal(&digest, &other, sizeof digest);
    ib_sha256 *parts = ib__sha256_new();
    ib__sha256_add(parts, "a", 1);
    ib__sha256_add(parts, "", 0);
    ib__sha256_add(parts, "bc", 2);
    digest = ib__sha256_end(parts);
    assert_int_equal(ib__file_write(in_folder("abc"), "abc", 3, NULL), IB_OK);
    assert_int_equal(ib__sha256_file(&other, in_folder("abc"), NULL), IB_OK);
    unlink(in_folder("abc"));
    assert_memory_equal(&digest, &other, sizeof digest);
    ib__digest_hex(hex, &digest);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hex[5] = 'g';
    assert_int_equal(ib__digest_parse(&other, hex), 0);
    assert_int_equal(ib__digest_parse(&other, ""), 0);
    assert_int_equal(
        ib__digest_parse(&other, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf),     cmocka_unit_test(test_write_and_read), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_folders), cmocka_unit_test(test_sha256),         cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
