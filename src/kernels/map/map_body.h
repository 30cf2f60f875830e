/* SPDX-License-Identifier: Apache-2.0
 *
 * The elementwise ops over sixteen lanes; included by map_avx2.c and map_avx512.c.
 */
#include "kernels/map/map.h"

#include "kernels/simd/v16.h"

#define X(name, operands, meaning) ib_map_fn IB_K(map_##name);
#include "kernels/map/map.list"
#undef X

/* The loop of an op: whole vectors, then what is left. In an expression A, B, C are the operands as floats,
 * AW, BW, CW as words. */
#define A v16_load_n(a + i, lanes)
#define B v16_load_n(b + i, lanes)
#define C v16_load_n(c + i, lanes)
#define AW v16_words(A)
#define BW v16_words(B)
#define CW v16_words(C)
#define FLOATS(name, expression)                                                                             \
    V16_FN void name##_at(float *d, const float *a, const float *b, const float *c, size_t i,                \
                          size_t lanes) {                                                                    \
        (void)b;                                                                                             \
        (void)c;                                                                                             \
        v16_store_n(d + i, expression, lanes);                                                               \
    }                                                                                                        \
    void IB_K(map_##name)(float *d, const float *a, const float *b, const float *c, size_t n) {              \
        size_t i = 0;                                                                                        \
        for (; n - i >= 16; i += 16)                                                                         \
            name##_at(d, a, b, c, i, 16);                                                                    \
        if (i < n) name##_at(d, a, b, c, i, n - i);                                                          \
    }
#define WORDS(name, expression) FLOATS(name, w16_floats(expression))
#define PREDICATE(name, condition) WORDS(name, p16_words(condition))

V16_FN v16 sign(v16 x) {
    v16 one = w16_floats(w16_or(w16_and(v16_words(x), w16_set(0x80000000u)), v16_words(v16_set(1.0f))));
    return v16_select(p16_or(v16_is_nan(x), v16_eq(x, v16_zero())), x, one);
}

/* Below -2^31 the conversion gives 0x80000000, which is what saturation asks for. */
V16_FN w16 int_toward_zero(v16 x) {
    w16 value = w16_select(v16_le(v16_set(2147483648.0f), x), w16_set(0x7fffffffu), v16_to_int(x));
    return w16_select(v16_is_nan(x), w16_set(0), value);
}

V16_FN w16 chosen(w16 a, w16 b, w16 c) {
    return w16_or(w16_and(a, b), w16_and_not(c, a));
}

V16_FN p16 is_finite(w16 a) {
    w16 exponent = w16_set(0x7f800000u);
    return p16_not(w16_eq(w16_and(a, exponent), exponent));
}

/* As in map_ref.c. */
V16_FN w16 keep_upper(w16 a, int dropped) {
    w16 odd = w16_and(w16_shift_right(a, dropped), w16_set(1));
    w16 sum = w16_add(w16_add(a, w16_set((1u << (dropped - 1)) - 1)), odd);
    return w16_and_not(sum, w16_set((1u << dropped) - 1));
}

V16_FN v16 to_bfloat16(v16 x) {
    return v16_select(v16_is_nan(x), x, w16_floats(keep_upper(v16_words(x), 16)));
}

V16_FN v16 to_float16(v16 x) {
    w16 sign = w16_and(v16_words(x), w16_set(0x80000000u));
    v16 size = w16_floats(w16_xor(v16_words(x), sign)), half = v16_set(0.5f);
    v16 small = v16_sub(v16_add(size, half), half);
    v16 large = w16_floats(keep_upper(v16_words(size), 13));
    large = v16_select(v16_le(v16_set(0x1p16f), large), w16_floats(w16_set(0x7f800000u)), large);
    v16 rounded = v16_select(v16_lt(size, v16_set(0x1p-14f)), small, large);
    return v16_select(v16_is_nan(x), x, w16_floats(w16_or(v16_words(rounded), sign)));
}

FLOATS(copy, A)
WORDS(negate, w16_xor(AW, w16_set(0x80000000u)))
WORDS(abs, w16_and(AW, w16_set(0x7fffffffu)))
FLOATS(sign, sign(A))
FLOATS(floor, v16_floor(A))
FLOATS(ceil, v16_ceil(A))
FLOATS(round, v16_round(A))
FLOATS(sqrt, v16_sqrt(A))
FLOATS(add, v16_add(A, B))
FLOATS(subtract, v16_sub(A, B))
FLOATS(multiply, v16_mul(A, B))
FLOATS(divide, v16_div(A, B))
FLOATS(fma, v16_fma(A, B, C))
FLOATS(maximum, v16_maximum(A, B))
FLOATS(minimum, v16_minimum(A, B))
PREDICATE(equal, v16_eq(A, B))
PREDICATE(not_equal, v16_ne(A, B))
PREDICATE(less, v16_lt(A, B))
PREDICATE(less_equal, v16_le(A, B))
PREDICATE(greater, v16_lt(B, A))
PREDICATE(greater_equal, v16_le(B, A))
WORDS(select, chosen(AW, BW, CW))
WORDS(and, w16_and(AW, BW))
WORDS(or, w16_or(AW, BW))
WORDS(not, w16_xor(AW, w16_set(0xffffffffu)))
PREDICATE(is_finite, is_finite(AW))
FLOATS(int_to_float, w16_to_float(AW))
WORDS(float_to_int, int_toward_zero(A))
PREDICATE(int_equal, w16_eq(AW, BW))
FLOATS(to_bfloat16, to_bfloat16(A))
FLOATS(to_float16, to_float16(A))
