/* SPDX-License-Identifier: Apache-2.0
 *
 * The elementwise ops of plain arithmetic: the reference against what IEEE 754 and map.list say, written here
 * another way (in double, or with integers), and each variant against the reference, bit for bit.
 */
#include "kernels/check.h"

#include <math.h>

static const struct op {
    const char *name;
    ib_map_op op;
    int operands;
} all_ops[] = {
#define X(name, operands, meaning) {#name, IB_MAP_##name, operands},
#include "kernels/map/map.list"
#undef X
};
enum { OPS = IB_MAP_to_float16 + 1, MOST = 70, ROUNDS = 40000 };

static bool gives_words(ib_map_op op) {
    return (op >= IB_MAP_equal && op <= IB_MAP_is_finite) || op == IB_MAP_float_to_int ||
           op == IB_MAP_int_equal || op == IB_MAP_copy || op == IB_MAP_negate || op == IB_MAP_abs;
}

static float operand(ib_map_op op, int which) {
    if (op == IB_MAP_select && which == 0) return ib__float_of(random_word() & 1 ? 0xffffffffu : 0);
    float x = awkward_number();
    /* Half way between two 16-bit numbers, and just beside that. */
    if ((op == IB_MAP_to_bfloat16 || op == IB_MAP_to_float16) && random_word() & 1) {
        uint32_t cut = op == IB_MAP_to_bfloat16 ? 0xffff8000u : 0xfffff000u;
        if (random_word() % 4 == 0) x = ordinary_number() * 0x1p-14f;
        if (random_word() % 4 == 0) x = 65504.0f + (float)(random_word() % 64);
        x = ib__float_of((ib__word_of(x) & cut) + random_word() % 3 - 1);
    }
    return x;
}

/* x to the nearest number of so many binary digits that is a multiple of the smallest one, infinite where it
 * is above the largest. */
static float to_format(float x, int digits, double smallest, double largest) {
    int exponent;
    if (isnan(x) || isinf(x) || x == 0.0f) return x;
    (void)frexp((double)x, &exponent);
    double place = fmax(ldexp(1.0, exponent - digits), smallest);
    double rounded = nearbyint((double)x / place) * place;
    return copysignf(fabs(rounded) > largest ? INFINITY : (float)fabs(rounded), x);
}

static uint32_t predicate(bool holds) {
    return holds ? 0xffffffffu : 0;
}

/* Rounding to an integer, by cases: mode -1 down, 0 to nearest even, +1 up. */
static float to_integer(float x, int mode) {
    if (!(fabsf(x) < 0x1p23f)) return x;
    double whole = (double)(int64_t)x, rest = (double)x - whole;
    double down = rest < 0 ? whole - 1 : whole;
    double part = (double)x - down, result = down;
    bool odd = (int64_t)down % 2 != 0;
    if ((mode == 1 && part > 0) || (mode == 0 && (part > 0.5 || (part == 0.5 && odd)))) result = down + 1;
    return copysignf((float)result, x);
}

static float expected_extreme(float a, float b, bool greatest) {
    if (isnan(a)) return a;
    if (isnan(b)) return b;
    if (a == b) return b;
    return (a > b) == greatest ? a : b;
}

static uint32_t expected_int(float a) {
    if (isnan(a)) return 0;
    double x = trunc((double)a);
    if (x > 2147483647.0) return 0x7fffffffu;
    if (x < -2147483648.0) return 0x80000000u;
    return (uint32_t)(int64_t)x;
}

/* What the op means, once more. The double result of + - * / and sqrt of floats, rounded to float, is the
 * correctly rounded one (53 >= 2 * 24 + 2). */
static float expected_of(ib_map_op op, float a, float b, float c) {
    uint32_t wa = ib__word_of(a), wb = ib__word_of(b), wc = ib__word_of(c);
    double da = (double)a, db = (double)b;
    switch (op) {
    case IB_MAP_copy:
        return a;
    case IB_MAP_negate:
        return ib__float_of(wa >= 0x80000000u ? wa - 0x80000000u : wa + 0x80000000u);
    case IB_MAP_abs:
        return ib__float_of(wa >= 0x80000000u ? wa - 0x80000000u : wa);
    case IB_MAP_sign:
        return isnan(a) || a == 0.0f ? a : copysignf(1.0f, a);
    case IB_MAP_floor:
        return to_integer(a, -1);
    case IB_MAP_ceil:
        return to_integer(a, 1);
    case IB_MAP_round:
        return to_integer(a, 0);
    case IB_MAP_sqrt:
        return (float)sqrt(da);
    case IB_MAP_add:
        return (float)(da + db);
    case IB_MAP_subtract:
        return (float)(da - db);
    case IB_MAP_multiply:
        return (float)(da * db);
    case IB_MAP_divide:
        return (float)(da / db);
    case IB_MAP_fma:
        return fmaf(a, b, c);
    case IB_MAP_maximum:
        return expected_extreme(a, b, true);
    case IB_MAP_minimum:
        return expected_extreme(a, b, false);
    case IB_MAP_equal:
        return ib__float_of(predicate(a <= b && a >= b));
    case IB_MAP_not_equal:
        return ib__float_of(predicate(!(a <= b && a >= b)));
    case IB_MAP_less:
        return ib__float_of(predicate(isless(a, b)));
    case IB_MAP_less_equal:
        return ib__float_of(predicate(islessequal(a, b)));
    case IB_MAP_greater:
        return ib__float_of(predicate(isgreater(a, b)));
    case IB_MAP_greater_equal:
        return ib__float_of(predicate(isgreaterequal(a, b)));
    case IB_MAP_select:
        return wa ? b : c;
    case IB_MAP_and:
        return ib__float_of(wa & wb);
    case IB_MAP_or:
        return ib__float_of(wa | wb);
    case IB_MAP_not:
        return ib__float_of(0xffffffffu - wa);
    case IB_MAP_is_finite:
        return ib__float_of(predicate(!isnan(a) && !isinf(a)));
    case IB_MAP_int_to_float:
        return (float)(wa >= 0x80000000u ? (double)wa - 0x1p32 : (double)wa);
    case IB_MAP_float_to_int:
        return ib__float_of(expected_int(a));
    case IB_MAP_to_bfloat16:
        return to_format(a, 8, 0x1p-133, 0x1.fep127);
    case IB_MAP_to_float16:
        return to_format(a, 11, 0x1p-24, 65504.0);
    case IB_MAP_int_equal:
        return ib__float_of(predicate((wa ^ wb) == 0));
    default:
        (void)wc;
        return 0.0f;
    }
}

static void reference_is_right(void **state) {
    (void)state;
    ib_map_fn *const *map = ib__kernels_for(IB_ISA_REF)->map;
    for (size_t k = 0; k < OPS; k++) {
        assert_non_null(map[all_ops[k].op]);
        for (size_t i = 0; i < ROUNDS; i++) {
            float x[3], d = 0.0f;
            for (int j = 0; j < 3; j++)
                x[j] = operand(all_ops[k].op, j);
            if (i % 7 == 0) x[1] = x[0];
            float expected = expected_of(all_ops[k].op, x[0], x[1], x[2]);
            map[all_ops[k].op](&d, &x[0], all_ops[k].operands > 1 ? &x[1] : NULL,
                               all_ops[k].operands > 2 ? &x[2] : NULL, 1);
            same_bits(all_ops[k].name, &d, &expected, 1, gives_words(all_ops[k].op));
        }
    }
}

/* One op, n elements, operands at odd places; the destination apart (in_place 0) or on operand in_place. */
static void compare(ib_isa isa, const struct op *op, size_t n, size_t shift, int in_place) {
    guarded x[3], d = guarded_new(n, shift % 5), expected = guarded_new(n, 0);
    for (int j = 0; j < 3; j++) {
        x[j] = guarded_new(n, (shift + 3 * (size_t)j) % 17);
        for (size_t i = 0; i < n; i++)
            x[j].at[i] = operand(op->op, j);
    }
    const float *b = op->operands > 1 ? x[1].at : NULL, *c = op->operands > 2 ? x[2].at : NULL;
    ib__kernels_for(IB_ISA_REF)->map[op->op](expected.at, x[0].at, b, c, n);
    float *to = in_place ? x[in_place - 1].at : d.at;
    ib__kernels_for(isa)->map[op->op](to, x[0].at, b, c, n);
    char what[64];
    (void)snprintf(what, sizeof what, "%s %s in place %d", op->name, ib__isa_name(isa), in_place);
    same_bits(what, to, expected.at, n, gives_words(op->op));
    for (int j = 0; j < 3; j++)
        guarded_free(&x[j]);
    guarded_free(&d);
    guarded_free(&expected);
}

static void variants_equal_reference(void **state) {
    (void)state;
    for (ib_isa isa = IB_ISA_REF; isa < IB_ISA_COUNT; isa++) {
        if (!ib__isa_available(isa)) continue;
        for (size_t k = 0; k < OPS; k++) {
            for (size_t n = 0; n <= MOST; n++)
                for (int in_place = 0; in_place <= all_ops[k].operands; in_place++)
                    compare(isa, &all_ops[k], n, n * 7 + (size_t)in_place, in_place);
            for (size_t i = 0; i < 20; i++)
                compare(isa, &all_ops[k], 1021 + i, i, 0);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_is_right),
        cmocka_unit_test(variants_equal_reference),
    };
    return cmocka_run_group_tests(tests, NULL, something_was_compared);
}
