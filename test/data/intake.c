/* SPDX-License-Identifier: Apache-2.0
 *
 * Files read once: one that shrinks, grows or is written to while it is read is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "data/intake.h"

enum { BYTES = 300000 };

typedef void change_fn(const char *path);

static void nothing(const char *path) {
    (void)path;
}

static void shrink(const char *path) {
    assert_int_equal(truncate(path, BYTES - 100000), 0);
}

static void grow(const char *path) {
    assert_int_equal(truncate(path, BYTES + 1), 0);
}

/* The same size, another time: one that no clock gives. */
static void rewrite(const char *path) {
    const struct timespec times[2] = {{1000, 5}, {1000, 5}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* Reads a part, lets the file be changed, reads the rest. */
static ib_status read_changed(change_fn *change, ib_error *err) {
    char path[] = "/tmp/isobit-test-XXXXXX", block[1000];
    char *bytes = calloc(BYTES, 1);
    int file = mkstemp(path);
    ib_intake *in = NULL;
    ib_digest digest;
    uint64_t rest = 0;
    assert_true(file >= 0 && bytes != NULL && close(file) == 0);
    assert_int_equal(ib__file_write(path, bytes, BYTES, NULL), IB_OK);
    assert_int_equal(ib__intake_open(&in, path, NULL), IB_OK);
    assert_int_equal(ib__intake_need(in, block, sizeof block, "a block", NULL), IB_OK);
    change(path);
    ib_status status = ib__intake_end(in, &digest, &rest, err);
    if (status == IB_OK) {
        const ib_digest wanted = ib__sha256(bytes, BYTES);
        assert_memory_equal(&digest, &wanted, sizeof digest);
        assert_int_equal(rest, BYTES - (int)sizeof block);
    }
    ib__intake_close(in);
    unlink(path);
    free(bytes);
    return status;
}

static void test_changed(void **state) {
    (void)state;
    ib_error err = {0};
    assert_int_equal(read_changed(nothing, &err), IB_OK);
    assert_int_equal(read_changed(shrink, &err), IB_BAD_INPUT);
    assert_string_equal(err.text,
                        "expected 300000 bytes, found 200000: the file was changed while it was read");
    assert_int_equal(read_changed(grow, NULL), IB_BAD_INPUT);
    err = (ib_error){0};
    assert_int_equal(read_changed(rewrite, &err), IB_BAD_INPUT);
    assert_string_equal(err.text, "the file was changed while it was read");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_changed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
