/* SPDX-License-Identifier: Apache-2.0
 *
 * CRC-32C by eight tables: eight bytes at a time.
 */
#include "base/crc32c.h"

#include <pthread.h>
#include <string.h>

/* The polynomial 0x1EDC6F41, bits turned around. */
#define POLYNOMIAL 0x82f63b78u

/* tables[k][b]: what byte b does to the remainder when k bytes follow it. */
static uint32_t tables[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_tables(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
        tables[0][i] = crc;
    }
    for (size_t k = 1; k < 8; k++)
        for (size_t i = 0; i < 256; i++)
            tables[k][i] = (tables[k - 1][i] >> 8) ^ tables[0][tables[k - 1][i] & 255];
}

static uint32_t word_at(const unsigned char *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

uint32_t ib__crc32c(const void *bytes, size_t n) {
    const unsigned char *at = bytes;
    uint32_t crc = 0xffffffffu;
    (void)pthread_once(&once, make_tables);
    for (; n >= 8; n -= 8, at += 8) {
        uint32_t low = crc ^ word_at(at), high = word_at(at + 4);
        crc = tables[7][low & 255] ^ tables[6][low >> 8 & 255] ^ tables[5][low >> 16 & 255] ^
              tables[4][low >> 24] ^ tables[3][high & 255] ^ tables[2][high >> 8 & 255] ^
              tables[1][high >> 16 & 255] ^ tables[0][high >> 24];
    }
    for (size_t i = 0; i < n; i++)
        crc = (crc >> 8) ^ tables[0][(crc ^ at[i]) & 255];
    return ~crc;
}

uint32_t ib__crc32c_masked(const void *bytes, size_t n) {
    uint32_t crc = ib__crc32c(bytes, n);
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}
