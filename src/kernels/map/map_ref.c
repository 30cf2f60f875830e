/* SPDX-License-Identifier: Apache-2.0
 *
 * The elementwise ops, as map.list says them. Words are read and written as words, so that a predicate or an
 * integer never passes through a float.
 */
#include "kernels/map/map.h"

#include <math.h>

#include "kernels/simd/scalar.h"

#define X(name, operands, meaning) ib_map_fn ib_k_map_##name##_f32_ref;
#include "kernels/map/map.list"
#undef X

/* In an expression F(a) is operand a of the element as a float, W(a) as a word. */
#define F(operand) (operand)[i]
#define W(operand) ib__word_of((operand)[i])
#define FLOATS(name, expression)                                                                             \
    void ib_k_map_##name##_f32_ref(float *d, const float *a, const float *b, const float *c, size_t n) {     \
        (void)b;                                                                                             \
        (void)c;                                                                                             \
        for (size_t i = 0; i < n; i++)                                                                       \
            d[i] = (expression);                                                                             \
    }
#define WORDS(name, expression)                                                                              \
    void ib_k_map_##name##_f32_ref(float *d, const float *a, const float *b, const float *c, size_t n) {     \
        (void)b;                                                                                             \
        (void)c;                                                                                             \
        for (size_t i = 0; i < n; i++) {                                                                     \
            uint32_t word = (expression);                                                                    \
            memcpy(d + i, &word, sizeof word);                                                               \
        }                                                                                                    \
    }
#define PREDICATE(name, condition) WORDS(name, (condition) ? 0xffffffffu : 0u)

static float sign(float x) {
    return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x;
}

/* Words to int32 without a conversion that is not defined by the language for words above 2^31 - 1. */
static int32_t int_of(uint32_t word) {
    int32_t value;
    memcpy(&value, &word, sizeof value);
    return value;
}

static uint32_t int_toward_zero(float x) {
    if (x != x) return 0;
    if (x >= 2147483648.0f) return 0x7fffffffu;
    if (x < -2147483648.0f) return 0x80000000u;
    return (uint32_t)(int32_t)x;
}

/* A 16-bit number is a float32 whose last bits are 0: adding just under half of the last kept place, or half
 * if that place is odd, carries as rounding to nearest even does. NaN stays. */
static uint32_t keep_upper(uint32_t word, unsigned dropped) {
    uint32_t half = UINT32_C(1) << (dropped - 1), odd = word >> dropped & 1;
    return (word + (half - 1 + odd)) & ~(2 * half - 1);
}

static uint32_t to_bfloat16(float x) {
    return x != x ? ib__word_of(x) : keep_upper(ib__word_of(x), 16);
}

/* Below 2^-14 the places of float16 are 2^-24 apart, as those of float32 between 1/2 and 1. From 65520 on the
 * rounded number is 65536 or more, which float16 does not have. */
static uint32_t to_float16(float x) {
    uint32_t sign = ib__word_of(x) & 0x80000000u, size = ib__word_of(x) ^ sign;
    if (x != x) return ib__word_of(x);
    if (size < 0x38800000u) return sign | ib__word_of((ib__float_of(size) + 0.5f) - 0.5f);
    uint32_t rounded = keep_upper(size, 13);
    return sign | (rounded >= 0x47800000u ? 0x7f800000u : rounded);
}

WORDS(copy, W(a))
WORDS(negate, W(a) ^ 0x80000000u)
WORDS(abs, W(a) & 0x7fffffffu)
FLOATS(sign, sign(F(a)))
FLOATS(floor, floorf(F(a)))
FLOATS(ceil, ceilf(F(a)))
FLOATS(round, nearbyintf(F(a)))
FLOATS(sqrt, sqrtf(F(a)))
FLOATS(add, F(a) + F(b))
FLOATS(subtract, F(a) - F(b))
FLOATS(multiply, F(a) * F(b))
FLOATS(divide, F(a) / F(b))
FLOATS(fma, fmaf(F(a), F(b), F(c)))
FLOATS(maximum, ib__maximum(F(a), F(b)))
FLOATS(minimum, ib__minimum(F(a), F(b)))
PREDICATE(equal, F(a) == F(b))
PREDICATE(not_equal, !(F(a) == F(b)))
PREDICATE(less, F(a) < F(b))
PREDICATE(less_equal, F(a) <= F(b))
PREDICATE(greater, F(a) > F(b))
PREDICATE(greater_equal, F(a) >= F(b))
WORDS(select, (W(a) & W(b)) | (~W(a) & W(c)))
WORDS(and, W(a) & W(b))
WORDS(or, W(a) | W(b))
WORDS(not, ~W(a))
PREDICATE(is_finite, (W(a) & 0x7f800000u) != 0x7f800000u)
FLOATS(int_to_float, (float)int_of(W(a)))
WORDS(float_to_int, int_toward_zero(F(a)))
PREDICATE(int_equal, W(a) == W(b))
WORDS(to_bfloat16, to_bfloat16(F(a)))
WORDS(to_float16, to_float16(F(a)))
