/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed numbers and texts; files that grow; names in folders; leftovers of interrupted writes.
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
#include "base/pack.h"

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/isobit-test-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

static ib_unpack over(const ib_buf *buf, size_t n) {
    const unsigned char *bytes = (const unsigned char *)buf->data;
    return (ib_unpack){bytes, bytes + n, false};
}

static void there_and_back(void **state) {
    static const float floats[3] = {1.5f, -0.0f, INFINITY};
    ib_buf buf = {0};
    (void)state;
    ib__pack_u64(&buf, UINT64_C(0x0102030405060708));
    ib__pack_double(&buf, -0.0);
    ib__pack_text(&buf, "a text");
    ib__pack_bytes(&buf, "xyz", 3);
    ib__pack_floats(&buf, floats, 3);
    assert_false(buf.failed);
    assert_int_equal(buf.data[0], 8);
    for (size_t n = 0; n <= buf.length; n++) {
        ib_unpack u = over(&buf, n);
        size_t length;
        float found[3] = {0};
        uint64_t number = ib__unpack_u64(&u);
        double zero = ib__unpack_double(&u);
        const char *text = ib__unpack_text(&u);
        const void *bytes = ib__unpack_bytes(&u, &length);
        ib__unpack_floats(&u, found, 3);
        assert_int_equal(ib__unpack_done(&u), n == buf.length);
        assert_int_equal(u.failed, n < buf.length);
        if (n < buf.length) continue;
        assert_true(number == UINT64_C(0x0102030405060708) && zero == 0 && signbit(zero));
        assert_string_equal(text, "a text");
        assert_int_equal(length, 3);
        assert_memory_equal(bytes, "xyz", 3);
        assert_memory_equal(found, floats, sizeof floats);
    }
    ib__buf_free(&buf);
}

/* Lengths that no file can have, texts without an end or with one inside. */
static void hostile(void **state) {
    size_t n;
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        ib_buf buf = {0};
        ib__pack_u64(&buf, kind == 0 ? UINT64_MAX : 4);
        ib__buf_add(&buf, kind == 1 ? "abcd" : "a\0b", 4);
        ib_unpack u = over(&buf, buf.length);
        assert_string_equal(ib__unpack_text(&u), "");
        assert_true(u.failed);
        assert_true(ib__unpack_u64(&u) == 0 && ib__unpack_bytes(&u, &n) == NULL && n == 0);
        u = over(&buf, buf.length);
        assert_int_equal(ib__unpack_count(&u, 3), 0);
        assert_true(u.failed);
        ib__buf_free(&buf);
    }
}

static void growing(void **state) {
    char path[128];
    ib_growing *g = NULL;
    ib_buf text = {0};
    (void)state;
    snprintf(path, sizeof path, "%s/log", folder);
    assert_int_equal(ib__growing_open(&g, path, 3, NULL), IB_IO);
    assert_int_equal(ib__growing_open(&g, path, 0, NULL), IB_OK);
    assert_int_equal(ib__growing_add(g, "one two", 7, NULL), IB_OK);
    assert_int_equal(ib__growing_sync(g, NULL), IB_OK);
    assert_int_equal(ib__growing_length(g), 7);
    ib__growing_close(g);
    assert_int_equal(ib__growing_open(&g, path, 8, NULL), IB_BAD_INPUT);
    assert_int_equal(ib__growing_open(&g, path, 4, NULL), IB_OK);
    assert_int_equal(ib__growing_add(g, "2", 1, NULL), IB_OK);
    ib__growing_close(g);
    assert_int_equal(ib__file_read(&text, path, 0, NULL), IB_OK);
    assert_string_equal(text.data, "one 2");
    ib__buf_free(&text);
    assert_int_equal(ib__growing_open(&g, folder, 0, NULL), IB_IO);
    assert_int_equal(ib__file_remove(path, NULL), IB_OK);
    assert_int_equal(ib__file_remove(path, NULL), IB_OK);
}

static void folder_names(void **state) {
    static const char *const wanted[] = {"B", "a", "b"};
    char **names, path[128];
    size_t n;
    (void)state;
    for (size_t i = 3; i-- > 0;) {
        snprintf(path, sizeof path, "%s/%s", folder, wanted[i]);
        assert_int_equal(ib__file_write(path, "", 0, NULL), IB_OK);
    }
    assert_int_equal(ib__folder_names(&names, &n, folder, NULL), IB_OK);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(names[i], wanted[i]);
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    ib__names_free(names, n);
    assert_int_equal(ib__folder_names(&names, &n, "/nowhere", NULL), IB_OK);
    assert_int_equal(n, 0);
}

static void leftovers(void **state) {
    (void)state;
    assert_true(ib__file_is_leftover("steps.12.0", "steps"));
    assert_false(ib__file_is_leftover("steps", "steps"));
    assert_false(ib__file_is_leftover("steps.12", "steps"));
    assert_false(ib__file_is_leftover("steps.12.", "steps"));
    assert_false(ib__file_is_leftover("steps.12.0x", "steps"));
    assert_false(ib__file_is_leftover("steps.a.0", "steps"));
    assert_false(ib__file_is_leftover("other.12.0", "steps"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back), cmocka_unit_test(hostile),
                                       cmocka_unit_test(growing), cmocka_unit_test(folder_names),
                                       cmocka_unit_test(leftovers)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
