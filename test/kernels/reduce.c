/* SPDX-License-Identifier: Apache-2.0
 *
 * Reductions: the reference against sums in double and against the contract written another way (whole arrays
 * of accumulators, level by level); each variant against the reference, bit for bit, in parts.
 */
#include "kernels/check.h"

#include <math.h>

static bool awkward;
static float number(void) {
    return awkward ? awkward_number() : ordinary_number();
}

/* The lane tree in place, as its contract is worded. */
__attribute__((noinline)) static float level_by_level(float *x, size_t n) {
    while (n > 1) {
        size_t m = 0;
        for (size_t i = 0; i + 1 < n; i += 2)
            x[m++] = x[i] + x[i + 1];
        if (n % 2) x[m++] = x[n - 1];
        n = m;
    }
    return n ? x[0] : 0.0f;
}

static float expected_row_block(const float *x, size_t count) {
    float s[16] = {0};
    for (size_t lane = 0; lane < 16; lane++)
        for (size_t i = lane; i < count; i += 16)
            s[lane] = s[lane] + x[i];
    float t[8], u[4];
    for (size_t i = 0; i < 8; i++)
        t[i] = s[i] + s[i + 8];
    for (size_t i = 0; i < 4; i++)
        u[i] = t[i] + t[i + 4];
    return (u[0] + u[2]) + (u[1] + u[3]);
}

static float expected_sum(const float *x, size_t count, size_t inner) {
    size_t block = inner == 1 ? 16384 : 1024, blocks = 0;
    float *results = malloc((count / block + 1) * sizeof *results);
    assert_non_null(results);
    for (size_t i = 0; i < count; i += block) {
        size_t n = count - i < block ? count - i : block;
        float chain = 0.0f;
        for (size_t j = i; j < i + n; j++)
            chain = chain + x[j * inner];
        results[blocks++] = inner == 1 ? expected_row_block(x + i, n) : chain;
    }
    float sum = level_by_level(results, blocks);
    free(results);
    return sum;
}

static float expected_extreme(const float *x, size_t count, size_t inner, bool greatest) {
    float extreme = greatest ? -INFINITY : INFINITY;
    for (size_t i = 0; i < count; i++) {
        float v = x[i * inner];
        if (isnan(extreme)) break;
        if (isnan(v) || v == extreme || (v > extreme) == greatest) extreme = v;
    }
    return extreme;
}

static void reference_is_right(void **state) {
    (void)state;
    static const size_t counts[] = {0,    1,    2,    7,    15,   16,    17,    33,    100,
                                    1023, 1024, 1025, 2048, 5000, 16384, 16385, 114700};
    static const size_t inners[] = {1, 2, 5};
    for (size_t c = 0; c < LENGTH(counts); c++)
        for (size_t k = 0; k < LENGTH(inners); k++)
            for (int op = 0; op < 3; op++)
                for (int kind = 0; kind < 2; kind++) {
                    size_t count = counts[c], inner = inners[k];
                    awkward = kind;
                    float *x = malloc((count * inner + 1) * sizeof *x), y[5], expected[5];
                    assert_non_null(x);
                    fill(x, count * inner, number);
                    const ib_reduce_args g = {(ib_reduce_op)op, 1, count, inner, x, y};
                    ib__kernels_for(IB_ISA_REF)->reduce(&g, 0, 1);
                    for (size_t i = 0; i < inner; i++) {
                        expected[i] = op ? expected_extreme(x + i, count, inner, op == IB_REDUCE_MAX)
                                         : expected_sum(x + i, count, inner);
                        double sum = 0, size = 0;
                        for (size_t j = 0; j < count; j++) {
                            sum += (double)x[j * inner + i];
                            size += fabs((double)x[j * inner + i]);
                        }
                        if (!op && !awkward) assert_true(fabs((double)y[i] - sum) <= size * 0x1p-16);
                    }
                    same_bits("reference", y, expected, inner, false);
                    free(x);
                }
}

static void compare_reduce(ib_isa isa, ib_reduce_op op, size_t outer, size_t count, size_t inner) {
    guarded x = guarded_new(outer * count * inner, count % 5), y = guarded_new(outer * inner, inner % 3);
    guarded expected = guarded_new(outer * inner, 0);
    fill(x.at, x.n, number);
    ib_reduce_args g = {op, outer, count, inner, x.at, expected.at};
    ib__kernels_for(IB_ISA_REF)->reduce(&g, 0, 1);
    g.y = y.at;
    char what[99];
    (void)snprintf(what, sizeof what, "%s op %d [%zu %zu %zu]", ib__isa_name(isa), (int)op, outer, count,
                   inner);
    FOR_ALL_PARTS(fill(y.at, y.n, awkward_number), ib__kernels_for(isa)->reduce(&g, part, parts),
                  same_bits(what, y.at, expected.at, y.n, false))
    guarded_free(&x);
    guarded_free(&y);
    guarded_free(&expected);
}

static void reduce_equals_reference(void **state) {
    (void)state;
    static const size_t shapes[][3] = {{5, 80, 80},   {1, 1030, 130}, {2, 2100, 3},  {1, 40000, 1},
                                       {3, 16385, 1}, {1, 7000, 1},   {2, 5200, 65}, {1, 131073, 1},
                                       {7, 3, 200},   {0, 5, 5},      {5, 0, 3},     {5, 0, 1},
                                       {4, 5, 0},     {9, 33, 64}};
    for (ib_isa isa = IB_ISA_REF; isa < IB_ISA_COUNT; isa++) {
        if (!ib__isa_available(isa)) continue;
        for (int op = 0; op < 3; op++)
            for (int kind = 0; kind < 2; kind++) {
                awkward = kind;
                for (size_t n = 0; n <= 70; n++) {
                    compare_reduce(isa, (ib_reduce_op)op, n % 10, n, 1);
                    compare_reduce(isa, (ib_reduce_op)op, n, n % 23, 1);
                    compare_reduce(isa, (ib_reduce_op)op, 1 + n % 3, n % 7, n);
                    compare_reduce(isa, (ib_reduce_op)op, 1 + n % 4, n, 1 + n * 5 % 71);
                }
                for (size_t s = 0; s < LENGTH(shapes); s++)
                    compare_reduce(isa, (ib_reduce_op)op, shapes[s][0], shapes[s][1], shapes[s][2]);
            }
    }
}

static float zero_or_below(void) {
    static const float values[] = {-1.0f, 0.0f, -0.0f, -1e-40f};
    return values[random_word() % 4];
}
static float zero_or_above(void) {
    return -zero_or_below();
}

/* Of several zeros the last one is the extreme; all variants must look for the same. */
static void last_zero_wins(void **state) {
    (void)state;
    for (ib_isa isa = IB_ISA_REF; isa < IB_ISA_COUNT; isa++) {
        if (!ib__isa_available(isa)) continue;
        for (size_t count = 1; count < 100; count++)
            for (size_t inner = 1; inner < 4; inner += 2) {
                float x[3 * 9 * 100], y[27], expected[27];
                for (int greatest = 0; greatest < 2; greatest++) {
                    fill(x, 9 * count * inner, greatest ? zero_or_below : zero_or_above);
                    const ib_reduce_args g = {
                        greatest ? IB_REDUCE_MAX : IB_REDUCE_MIN, 9, count, inner, x, y};
                    ib__kernels_for(isa)->reduce(&g, 0, 1);
                    for (size_t i = 0; i < 9 * inner; i++)
                        expected[i] = expected_extreme(x + i / inner * count * inner + i % inner, count,
                                                       inner, greatest);
                    same_bits("zeros", y, expected, 9 * inner, false);
                }
            }
    }
}

static void compare_lanes(ib_isa isa, size_t samples, size_t count, size_t inner, size_t lanes) {
    guarded x = guarded_new(samples * count * inner, samples % 4), y = guarded_new(lanes * inner, 1);
    guarded expected = guarded_new(lanes * inner, 0);
    fill(x.at, x.n, number);
    for (size_t e = 0; e < lanes * inner; e++) {
        size_t lane = e / inner, first = lane * samples / lanes, last = (lane + 1) * samples / lanes;
        expected.at[e] = 0.0f;
        for (size_t s = first; s < last; s++) {
            float one = expected_sum(x.at + s * count * inner + e % inner, count, inner);
            expected.at[e] = s == first ? one : expected.at[e] + one;
        }
    }
    ib_reduce_lanes_args g = {samples, count, inner, lanes, x.at, y.at};
    char what[99];
    (void)snprintf(what, sizeof what, "%s lanes %zu [%zu %zu %zu]", ib__isa_name(isa), lanes, samples, count,
                   inner);
    FOR_ALL_PARTS(fill(y.at, y.n, awkward_number), ib__kernels_for(isa)->reduce_lanes(&g, part, parts),
                  same_bits(what, y.at, expected.at, y.n, false))
    guarded_free(&x);
    guarded_free(&y);
    guarded_free(&expected);
}

static void reduce_lanes_is_right(void **state) {
    (void)state;
    for (ib_isa isa = IB_ISA_REF; isa < IB_ISA_COUNT; isa++) {
        if (!ib__isa_available(isa)) continue;
        for (int kind = 0; kind < 2; kind++) {
            awkward = kind;
            for (size_t n = 0; n <= 70; n++) {
                compare_lanes(isa, n, 1, 1, 1 + n % 9);
                compare_lanes(isa, n % 21, 1, n, 1 + n % 8);
                compare_lanes(isa, 16, n, 1, 8);
                compare_lanes(isa, 9, n % 5, 64 + n, 4);
            }
            compare_lanes(isa, 3, 1100, 5, 2);
            compare_lanes(isa, 3, 1100, 70, 2);
            compare_lanes(isa, 3, 17000, 1, 2);
            compare_lanes(isa, 2, 3, 5, 5);
            compare_lanes(isa, 0, 3, 130, 2);
        }
    }
}

static void lane_tree_is_right(void **state) {
    (void)state;
    for (ib_isa isa = IB_ISA_REF; isa < IB_ISA_COUNT; isa++) {
        if (!ib__isa_available(isa)) continue;
        for (size_t lanes = 0; lanes <= 33; lanes++)
            for (size_t n = 0; n <= 70; n += 1 + lanes % 4) {
                awkward = n & 1;
                guarded x = guarded_new(lanes * n, n % 3), y = guarded_new(n, lanes % 4);
                guarded expected = guarded_new(n, 0);
                fill(x.at, x.n, number);
                for (size_t i = 0; i < n; i++) {
                    float column[33];
                    for (size_t lane = 0; lane < lanes; lane++)
                        column[lane] = x.at[lane * n + i];
                    expected.at[i] = level_by_level(column, lanes);
                }
                FOR_ALL_PARTS(fill(y.at, n, awkward_number),
                              ib__kernels_for(isa)->lane_tree(x.at, y.at, lanes, n, part, parts),
                              same_bits("lane_tree", y.at, expected.at, n, false))
                if (lanes) {
                    ib__kernels_for(isa)->lane_tree(x.at, x.at, lanes, n, 0, 1);
                    same_bits("lane_tree in place", x.at, expected.at, n, false);
                }
                guarded_free(&x);
                guarded_free(&y);
                guarded_free(&expected);
            }
    }
}

/* Rows in two goes: the chains go on. */
static void add_rows_goes_on(void **state) {
    (void)state;
    for (ib_isa isa = IB_ISA_REF; isa < IB_ISA_COUNT; isa++) {
        if (!ib__isa_available(isa)) continue;
        for (size_t count = 0; count <= 20; count++)
            for (size_t n = 1; n <= 150; n += 1 + count % 4) {
                awkward = n & 1;
                guarded x = guarded_new(count * n, n % 3), y = guarded_new(n, count % 4);
                guarded expected = guarded_new(n, 0);
                fill(x.at, x.n, number);
                fill(y.at, n, number);
                for (size_t i = 0; i < n; i++) {
                    expected.at[i] = y.at[i];
                    for (size_t row = 0; row < count; row++)
                        expected.at[i] = expected.at[i] + x.at[row * n + i];
                }
                ib__kernels_for(isa)->add_rows(x.at, y.at, count / 3, n);
                ib__kernels_for(isa)->add_rows(x.at + count / 3 * n, y.at, count - count / 3, n);
                same_bits("add_rows", y.at, expected.at, n, false);
                guarded_free(&x);
                guarded_free(&y);
                guarded_free(&expected);
            }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_is_right), cmocka_unit_test(reduce_equals_reference),
        cmocka_unit_test(last_zero_wins),     cmocka_unit_test(reduce_lanes_is_right),
        cmocka_unit_test(lane_tree_is_right), cmocka_unit_test(add_rows_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, something_was_compared);
}
