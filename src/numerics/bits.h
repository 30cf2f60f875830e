/* SPDX-License-Identifier: Apache-2.0
 *
 * Floating-point numbers as the integers that hold them.
 */
#ifndef IB_NUMERICS_BITS_H
#define IB_NUMERICS_BITS_H

#include <stdint.h>
#include <string.h>

static inline uint64_t ib__double_bits(double x) {
    uint64_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

static inline double ib__double_of_bits(uint64_t b) {
    double x;
    memcpy(&x, &b, sizeof x);
    return x;
}

static inline uint32_t ib__float_bits(float x) {
    uint32_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

static inline float ib__float_of_bits(uint32_t b) {
    float x;
    memcpy(&x, &b, sizeof x);
    return x;
}

#endif
