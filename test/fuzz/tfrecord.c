/* SPDX-License-Identifier: Apache-2.0
 *
 * Examples of TensorFlow: the bytes are one, in a record with the right sums; or a whole file of records.
 */
#include "entry.h"

#include "base/crc32c.h"

static void put_little(char *out, uint64_t x, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = (char)(x >> 8 * i);
}

static void parse(const uint8_t *bytes, size_t n) {
    static const char entry[] =
        "{tfrecord: [%s], x: a, y: b, features: {a: {dtype: float32, shape: [2], default: 0}, "
        "b: {decode: raw, dtype: uint8, shape: [3]}}}";
    if (n > 65536) return;
    fuzz_entry(entry, bytes, n, 1 << 24);
    fuzz_entry("{tfrecord: [%s], x: a}", bytes, n, 0);
    char *record = malloc(n + 16);
    if (record == NULL) return;
    put_little(record, n, 8);
    put_little(record + 8, ib__crc32c_masked(record, 8), 4);
    memcpy(record + 12, bytes, n);
    put_little(record + 12 + n, ib__crc32c_masked(record + 12, n), 4);
    fuzz_entry(entry, (const uint8_t *)record, n + 16, 0);
    fuzz_entry("{tfrecord: [%s], x: a}", (const uint8_t *)record, n + 16, 1 << 24);
    fuzz_entry("{tfrecord: [%s], x: a, features: {a: {decode: text}}}", (const uint8_t *)record, n + 16, 0);
    free(record);
}

IB_FUZZ("tfrecord")
