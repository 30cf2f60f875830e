/* SPDX-License-Identifier: Apache-2.0
 *
 * Philox4x32-10, a counter-based generator: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers:
 * as easy as 1, 2, 3", SC 2011. Four words for each counter and key.
 */
#ifndef IB_KERNELS_RANDOM_PHILOX_H
#define IB_KERNELS_RANDOM_PHILOX_H

#include <stdint.h>

#define IB_PHILOX_MULTIPLIER_0 0xd2511f53u
#define IB_PHILOX_MULTIPLIER_1 0xcd9e8d57u
#define IB_PHILOX_KEY_STEP_0 0x9e3779b9u
#define IB_PHILOX_KEY_STEP_1 0xbb67ae85u
enum { IB_PHILOX_ROUNDS = 10 };

static inline void ib__philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]};
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < IB_PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)IB_PHILOX_MULTIPLIER_0 * c[0];
        uint64_t p1 = (uint64_t)IB_PHILOX_MULTIPLIER_1 * c[2];
        c[0] = (uint32_t)(p1 >> 32) ^ c[1] ^ k0;
        c[1] = (uint32_t)p1;
        c[2] = (uint32_t)(p0 >> 32) ^ c[3] ^ k1;
        c[3] = (uint32_t)p0;
        k0 += IB_PHILOX_KEY_STEP_0;
        k1 += IB_PHILOX_KEY_STEP_1;
    }
    for (int i = 0; i < 4; i++)
        out[i] = c[i];
}

#endif
