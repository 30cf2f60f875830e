/* SPDX-License-Identifier: Apache-2.0
 *
 * Event files: CRC-32C, whole records after a stop at any length, buckets of histograms.
 */
#include "run/runs.h"

#include <math.h>

#include "base/crc32c.h"
#include "run/events.h"

static void crc(void **state) {
    char zeros[32] = {0}, ones[32];
    (void)state;
    memset(ones, 0xff, sizeof ones);
    /* RFC 3720, B.4 */
    assert_int_equal(ib__crc32c(zeros, 32), 0x8a9136aau);
    assert_int_equal(ib__crc32c(ones, 32), 0x62a8ab43u);
    assert_int_equal(ib__crc32c("123456789", 9), 0xe3069283u);
    assert_int_equal(ib__crc32c("", 0), 0);
    assert_int_equal(ib__crc32c_masked("", 0), 0xa282ead8u);
}

static uint64_t number(const char *at, size_t bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)(unsigned char)at[i] << (8 * i);
    return value;
}

/* Walks over the records; gives how many. */
static size_t records(const char *path) {
    ib_buf file = {0};
    size_t n = 0, at = 0;
    assert_int_equal(ib__file_read(&file, path, 0, NULL), IB_OK);
    for (; at < file.length; n++) {
        assert_true(at + 12 <= file.length);
        size_t length = (size_t)number(file.data + at, 8);
        assert_true(at + 16 + length <= file.length);
        assert_int_equal(number(file.data + at + 8, 4), ib__crc32c_masked(file.data + at, 8));
        assert_int_equal(number(file.data + at + 12 + length, 4),
                         ib__crc32c_masked(file.data + at + 12, length));
        at += 16 + length;
    }
    ib__buf_free(&file);
    return n;
}

static void goes_on(void **state) {
    char path[256];
    ib_events *e = NULL;
    uint64_t length = 0;
    (void)state;
    in_base(path, "events");
    assert_int_equal(ib__events_open(&e, path, 0, NULL), IB_OK);
    assert_int_equal(ib__events_scalar(e, "a", 1, 0.5, NULL), IB_OK);
    assert_int_equal(ib__events_sync(e, &length, NULL), IB_OK);
    assert_int_equal(ib__events_scalar(e, "lost", 2, (double)NAN, NULL), IB_OK);
    uint64_t more = 0;
    assert_int_equal(ib__events_sync(e, &more, NULL), IB_OK);
    assert_true(more > length);
    ib__events_close(e);
    assert_int_equal(records(path), 3);
    assert_int_equal(ib__events_open(&e, path, length, NULL), IB_OK);
    assert_int_equal(ib__events_model(e, "{}", NULL), IB_OK);
    assert_int_equal(ib__events_sync(e, &length, NULL), IB_OK);
    ib__events_close(e);
    assert_int_equal(records(path), 3);
}

/* Nothing finite, a single value, infinities beside numbers, the extremes of float32. */
static void histograms(void **state) {
    static const float odd[] = {NAN, INFINITY}, same[] = {2, 2, 2}, mixed[] = {-INFINITY, 0, 1, NAN},
                       wide[] = {-3.4e38f, 3.4e38f, 0};
    char path[256];
    ib_events *e = NULL;
    uint64_t length = 0;
    (void)state;
    in_base(path, "histograms");
    assert_int_equal(ib__events_open(&e, path, 0, NULL), IB_OK);
    assert_int_equal(ib__events_histogram(e, "odd", 0, odd, 2, NULL), IB_OK);
    assert_int_equal(ib__events_histogram(e, "same", 0, same, 3, NULL), IB_OK);
    assert_int_equal(ib__events_histogram(e, "mixed", 0, mixed, 4, NULL), IB_OK);
    assert_int_equal(ib__events_histogram(e, "wide", 0, wide, 3, NULL), IB_OK);
    assert_int_equal(ib__events_histogram(e, "none", 0, NULL, 0, NULL), IB_OK);
    assert_int_equal(ib__events_sync(e, &length, NULL), IB_OK);
    ib__events_close(e);
    assert_int_equal(records(path), 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(crc), cmocka_unit_test(goes_on),
                                       cmocka_unit_test(histograms)};
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
