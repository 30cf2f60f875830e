/* SPDX-License-Identifier: Apache-2.0
 *
 * CRC-32C by a table of 16 entries: half a byte at a time.
 */
#include "base/crc32c.h"

/* The polynomial 0x1EDC6F41, bits turned around. */
#define POLYNOMIAL 0x82f63b78u

uint32_t ib__crc32c(const void *bytes, size_t n) {
    const unsigned char *at = bytes;
    uint32_t table[16], crc = 0xffffffffu;
    for (uint32_t i = 0; i < 16; i++) {
        table[i] = i;
        for (int bit = 0; bit < 4; bit++)
            table[i] = (table[i] >> 1) ^ (table[i] & 1 ? POLYNOMIAL : 0);
    }
    for (size_t i = 0; i < n; i++) {
        crc ^= at[i];
        crc = (crc >> 4) ^ table[crc & 15];
        crc = (crc >> 4) ^ table[crc & 15];
    }
    return ~crc;
}

uint32_t ib__crc32c_masked(const void *bytes, size_t n) {
    uint32_t crc = ib__crc32c(bytes, n);
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}
