/* SPDX-License-Identifier: Apache-2.0
 *
 * Products of 64-bit integers with all 128 bits, without a compiler's own types.
 */
#ifndef IB_NUMERICS_WIDE_H
#define IB_NUMERICS_WIDE_H

#include <stdint.h>

typedef struct ib_u128 {
    uint64_t high, low;
} ib_u128;

static inline ib_u128 ib__u128_product(uint64_t a, uint64_t b) {
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t low = a0 * b0, middle = a1 * b0 + (low >> 32), other = a0 * b1 + (uint32_t)middle;
    return (ib_u128){a1 * b1 + (middle >> 32) + (other >> 32), other << 32 | (uint32_t)low};
}

static inline ib_u128 ib__u128_add(ib_u128 a, ib_u128 b) {
    uint64_t low = a.low + b.low;
    return (ib_u128){a.high + b.high + (low < a.low), low};
}

/* Modulo 2^128. */
static inline ib_u128 ib__u128_multiply(ib_u128 a, ib_u128 b) {
    ib_u128 p = ib__u128_product(a.low, b.low);
    p.high += a.high * b.low + a.low * b.high;
    return p;
}

#endif
