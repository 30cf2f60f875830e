/* SPDX-License-Identifier: Apache-2.0
 *
 * What the reference kernels share: words and floats, maximum and minimum, the cut of work into parts.
 */
#ifndef IB_KERNELS_SIMD_SCALAR_H
#define IB_KERNELS_SIMD_SCALAR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t ib__word_of(float x) {
    uint32_t word;
    memcpy(&word, &x, sizeof word);
    return word;
}

static inline float ib__float_of(uint32_t word) {
    float x;
    memcpy(&x, &word, sizeof x);
    return x;
}

/* As in map.list: NaN wins, and of two zeros the second. */
static inline float ib__maximum(float a, float b) {
    return a > b || a != a ? a : b;
}
static inline float ib__minimum(float a, float b) {
    return a < b || a != a ? a : b;
}

/* Where part number `part` of `parts` begins among n things; it ends where the next one begins. */
static inline size_t ib__part_start(size_t n, size_t part, size_t parts) {
    size_t each = n / parts, more = n % parts;
    return part * each + (part < more ? part : more);
}

#endif
