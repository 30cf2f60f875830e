/* SPDX-License-Identifier: Apache-2.0
 *
 * Seeded numbers for tests, from Knuth's linear generator of 64 bits, of which the high ones are good.
 */
#ifndef IB_TEST_RANDOM_H
#define IB_TEST_RANDOM_H

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state) {
    return *state = *state * 6364136223846793005u + 1442695040888963407u;
}

/* In [-2, 2). */
static inline float random_number(uint64_t *state) {
    return (float)((int64_t)(random_next(state) >> 40) - (1 << 23)) / (float)(1 << 22);
}

#endif
