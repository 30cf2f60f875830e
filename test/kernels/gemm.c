/* SPDX-License-Identifier: Apache-2.0
 *
 * The matrix product: ref against a literal chain and against double; every instruction set against ref, bit
 * for bit, over sizes around the tiles, layouts, special values, lanes, parts, and the done callback.
 */
#include "kernels/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "random.h"

static uint64_t random_state = 1;

static uint32_t random_word(void) {
    return (uint32_t)(random_next(&random_state) >> 32);
}

static size_t random_below(size_t n) {
    return random_word() % n;
}

/* special: one value in sixteen is an odd one. */
static float random_value(bool special) {
    static const uint32_t odd[] = {0x7fc00000, 0x7f800000, 0xff800000, 0x80000000, 0x00000000,
                                   0x00000001, 0x80000123, 0x7f7fffff, 0xff7fffff, 0x00800000};
    if (special && random_below(16) == 0) {
        float x;
        memcpy(&x, &odd[random_below(sizeof odd / sizeof *odd)], sizeof x);
        return x;
    }
    return (float)((int32_t)random_word() >> 8) * 0x1p-23f;
}

static bool same(float x, float y) {
    return (isnan(x) && isnan(y)) || !memcmp(&x, &y, sizeof x);
}

static void *must_alloc(size_t size) {
    void *p = malloc(size ? size : 1);
    assert_non_null(p);
    return p;
}

/* One product with its arrays. a and b lie at odd offsets and end where their last element ends, so that a
 * checker of memory sees a read beyond it. */
typedef struct product {
    ib_gemm_args g;
    float *a, *b, *c, *want; /* blocks of memory */
    size_t c_size;
    unsigned char *covered; /* times done was called, an element */
    float *seen;            /* value when done was called */
} product;

enum { GUARD = 41 };
static const float guard = 12345.0f;

static float *random_matrix(size_t rows, size_t cols, bool transposed, bool special, size_t *row, size_t *col,
                            const float **first) {
    size_t major = transposed ? cols : rows, minor = transposed ? rows : cols;
    size_t stride = minor + (random_below(4) ? 0 : 5), offset = random_below(4);
    size_t count = offset + (major && minor ? (major - 1) * stride + minor : 0);
    float *all = must_alloc(count * sizeof(float));
    for (size_t i = 0; i < count; i++)
        all[i] = random_value(special);
    *row = transposed ? 1 : stride;
    *col = transposed ? stride : 1;
    *first = all + offset;
    return all;
}

static product make_product(size_t m, size_t n, size_t k, size_t lanes, size_t samples, unsigned layout,
                            bool special) {
    product p = {.g = {.m = m, .n = n, .k = k, .lanes = lanes, .samples = samples}};
    p.a = random_matrix(m, k, layout & 1, special, &p.g.a_row, &p.g.a_col, &p.g.a);
    p.b = random_matrix(k, n, layout & 2, special, &p.g.b_row, &p.g.b_col, &p.g.b);
    p.g.c_row = n + random_below(3) * 3;
    p.c_size = m * p.g.c_row + 2 * GUARD;
    p.c = must_alloc(p.c_size * sizeof(float));
    p.want = must_alloc(p.c_size * sizeof(float));
    p.seen = must_alloc(m * n * sizeof(float));
    p.covered = must_alloc(m * n);
    for (size_t i = 0; i < p.c_size; i++)
        p.want[i] = guard;
    return p;
}

static void free_product(product *p) {
    free(p->a);
    free(p->b);
    free(p->c);
    free(p->want);
    free(p->seen);
    free(p->covered);
}

static void note_done(void *context, size_t row0, size_t row1, size_t col0, size_t col1, size_t worker) {
    product *p = context;
    assert_true(row0 < row1 && row1 <= p->g.m && col0 < col1 && col1 <= p->g.n);
    assert_int_equal(worker, 3);
    for (size_t i = row0; i < row1; i++)
        for (size_t j = col0; j < col1; j++) {
            p->covered[i * p->g.n + j]++;
            p->seen[i * p->g.n + j] = p->g.c[i * p->g.c_row + j];
        }
}

/* Runs all parts, in an order that is not ascending, with scratch of exactly the size asked for and full of
 * NaN. */
static void run(product *p, const ib_kernels *kernels, float *c, size_t parts) {
    ib_gemm_args early = p->g;
    early.a = early.b = early.c = NULL;
    early.done = NULL;
    size_t size = kernels->gemm_scratch(&early, parts);
    p->g.c = c + GUARD;
    p->g.done = note_done;
    p->g.context = p;
    memset(p->covered, 0, p->g.m * p->g.n);
    void *scratch = must_alloc(size);
    for (size_t i = 0; i < parts; i++) {
        memset(scratch, 0xff, size);
        kernels->gemm(&p->g, (i * 5 + 3) % parts, parts, scratch, 3);
    }
    free(scratch);
    for (size_t e = 0; e < p->g.m * p->g.n; e++) {
        assert_int_equal(p->covered[e], 1);
        assert_true(same(p->seen[e], p->g.c[e / p->g.n * p->g.c_row + e % p->g.n]));
    }
}

static size_t compared;

/* Every available instruction set and several numbers of parts against ref; guard values too. */
static void check_product(product *p) {
    static const size_t parts[] = {1, 2, 3, 7};
    run(p, ib__kernels_for(IB_ISA_REF), p->want, 1);
    for (int isa = 0; isa < IB_ISA_COUNT; isa++) {
        const ib_kernels *kernels = ib__kernels_for((ib_isa)isa);
        if (!kernels) continue;
        for (size_t n = 0; n < 4; n++) {
            if (n == 0 && isa == IB_ISA_REF) continue;
            if (n && isa == IB_ISA_REF && p->g.m * p->g.n * p->g.k > 10000) continue;
            for (size_t i = 0; i < p->c_size; i++)
                p->c[i] = guard;
            run(p, kernels, p->c, parts[n]);
            for (size_t i = 0; i < p->c_size; i++)
                if (!same(p->c[i], p->want[i]))
                    fail_msg("%s, %zu x %zu x %zu, lanes %zu, samples %zu, parts %zu: at %zd found %a, "
                             "expected %a",
                             ib__isa_name((ib_isa)isa), p->g.m, p->g.n, p->g.k, p->g.lanes, p->g.samples,
                             parts[n], (ptrdiff_t)i - GUARD, (double)p->c[i], (double)p->want[i]);
            compared += p->g.m * p->g.n;
        }
    }
}

static void check_shape(size_t m, size_t n, size_t k, size_t lanes, size_t samples, unsigned layout,
                        bool special) {
    product p = make_product(m, n, k, lanes, samples, layout, special);
    check_product(&p);
    free_product(&p);
}

/* The literal definition, written apart from the library: lanes by recursion on the tree. */
static float literal_tree(const float *lane, size_t lanes) {
    if (lanes == 1) return lane[0];
    float next[16] = {0};
    size_t count = 0;
    for (size_t i = 0; i < lanes; i += 2)
        next[count++] = i + 1 < lanes ? lane[i] + lane[i + 1] : lane[i];
    return literal_tree(next, count);
}

static void test_ref_is_the_definition(void **state) {
    (void)state;
    static const size_t lane_counts[] = {0, 1, 2, 3, 5, 8, 13};
    for (size_t round = 0; round < 28; round++) {
        size_t lanes = lane_counts[round % 7], samples = 1 + random_below(20), each = 1 + random_below(5);
        product p = make_product(5, 7, samples * each, lanes, samples, (unsigned)round & 3, false);
        run(&p, ib__kernels_for(IB_ISA_REF), p.want, 1 + round % 3);
        for (size_t i = 0; i < 5; i++)
            for (size_t j = 0; j < 7; j++) {
                float lane[16];
                double exact = 0, size = 0;
                size_t at = 0, count = lanes > 1 ? lanes : 1;
                for (size_t l = 0; l < count; l++) {
                    lane[l] = 0;
                    for (; at < (l + 1) * samples / count * each; at++) {
                        float x = p.g.a[i * p.g.a_row + at * p.g.a_col],
                              y = p.g.b[at * p.g.b_row + j * p.g.b_col];
                        lane[l] = fmaf(x, y, lane[l]);
                        exact += (double)x * (double)y;
                        size += fabs((double)x * (double)y);
                    }
                }
                assert_int_equal(at, p.g.k);
                float found = p.want[GUARD + i * p.g.c_row + j];
                assert_true(same(found, literal_tree(lane, count)));
                assert_true(fabs((double)found - exact) <= size * (double)p.g.k * 0x1p-24);
            }
        free_product(&p);
    }
}

static void test_sizes(void **state) {
    (void)state;
    static const size_t ms[] = {1, 2, 5, 6, 7, 11, 13, 14, 15, 29},
                        ns[] = {1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 70},
                        ks[] = {0, 1, 2, 7, 8, 15, 16, 17, 40};
    unsigned layout = 0;
    for (size_t i = 0; i < sizeof ms / sizeof *ms; i++)
        for (size_t j = 0; j < sizeof ns / sizeof *ns; j++)
            for (size_t l = 0; l < sizeof ks / sizeof *ks; l++, layout++)
                check_shape(ms[i], ns[j], ks[l], 1, ks[l], layout, layout % 3 == 0);
    check_shape(0, 5, 3, 1, 3, 0, false);
    check_shape(5, 0, 3, 1, 3, 0, false);
}

/* Contractions of several units, outputs of several blocks, each layout. */
static void test_large(void **state) {
    (void)state;
    for (unsigned layout = 0; layout < 4; layout++) {
        check_shape(30, 50, 255 + layout, 1, 1, layout, false);
        check_shape(20, 45, 2330, 1, 1, layout, layout == 3);
        check_shape(400, 130, 300, 1, 1, layout, false);
        check_shape(131, 520, 521, 1, 1, layout, false);
        check_shape(33, 2100, 40, 1, 1, layout, layout == 1);
        check_shape(1, 300, 1300, 1, 1, layout, false);
        check_shape(300, 1, 1300, 1, 1, layout, false);
    }
}

static void test_lanes(void **state) {
    (void)state;
    static const size_t samples[] = {1, 3, 7, 16, 21, 128}, each[] = {0, 1, 2, 5, 41};
    unsigned layout = 0;
    for (size_t lanes = 0; lanes <= 8; lanes++)
        for (size_t s = 0; s < sizeof samples / sizeof *samples; s++)
            for (size_t e = 0; e < sizeof each / sizeof *each; e++, layout++)
                check_shape(1 + random_below(30), 1 + random_below(50), samples[s] * each[e], lanes,
                            samples[s], layout, layout % 5 == 0);
    for (size_t lanes = 9; lanes < 80; lanes += 7)
        check_shape(17, 35, 90 * 3, lanes, 90, (unsigned)lanes, false);
    check_shape(150, 200, 128 * 20, 8, 128, 1, false);
    check_shape(20, 300, 128 * 20, 5, 128, 3, false);
    check_shape(9, 40, 0, 8, 0, 0, false);
}

/* Few columns, which may be worked on as rows. */
static void test_few_columns(void **state) {
    (void)state;
    static const size_t ms[] = {31, 32, 65, 130, 300}, lanes[] = {1, 2, 8}, each[] = {1, 13};
    unsigned layout = 0;
    for (size_t n = 1; n < 14; n++)
        for (size_t i = 0; i < sizeof ms / sizeof *ms; i++, layout++)
            for (size_t l = 0; l < sizeof lanes / sizeof *lanes; l++)
                for (size_t e = 0; e < sizeof each / sizeof *each; e++)
                    check_shape(ms[i], n, 130 * each[e], lanes[l], 130, layout | 1, layout % 3 == 0);
    check_shape(70, 9, 3300, 2, 2, 1, false);
}

/* One row, whose tiles are wide, in chains of several units and in lanes that fit one unit and that do not.
 */
static void test_one_row(void **state) {
    (void)state;
    static const size_t ns[] = {2, 15, 17, 47, 63, 64, 65, 100, 127, 128, 129, 300, 512, 1030};
    unsigned layout = 0;
    for (size_t i = 0; i < sizeof ns / sizeof *ns; i++, layout++) {
        for (size_t k = 1; k < 6000; k = 7 * k + 2)
            check_shape(1, ns[i], k, 1, k, layout, i % 3 == 0);
        for (size_t lanes = 2; lanes < 50; lanes += 6)
            check_shape(1, ns[i], 50 * lanes, lanes, 50, layout, i % 4 == 0);
        check_shape(1, ns[i], 3300, 2, 2, layout + 1, false);
    }
}

/* What is said about a shape: the largest numbers fit, and a column stands where its head does. */
static void test_way(void **state) {
    (void)state;
    static const char *const heads[] = {"tile", "block", "lanes"};
    for (int isa = IB_ISA_AVX2; isa < IB_ISA_COUNT; isa++) {
        const ib_kernels *kernels = ib__kernels_for((ib_isa)isa);
        if (!kernels) continue;
        ib_gemm_args g = {.m = 784, .n = 512, .k = 128, .a_row = 1, .a_col = 784, .b_row = 512, .b_col = 1};
        g.c_row = 512;
        g.lanes = 8;
        g.samples = 128;
        char head[IB_WAY_TEXT], way[IB_WAY_TEXT];
        kernels->gemm_way(NULL, 2, head);
        kernels->gemm_way(&g, 2, way);
        for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
            const char *at = strstr(head, heads[i]);
            assert_non_null(at);
            assert_int_equal(way[at - head - 1], ' ');
            assert_int_not_equal(way[at - head], ' ');
        }
        assert_memory_equal(way, "392x512 ", 8);
        g.m = g.n = g.k = g.samples = g.c_row = g.b_row = g.a_col = SIZE_MAX / 4096;
        kernels->gemm_way(&g, 1, way);
        assert_true(strlen(way) < IB_WAY_TEXT);
    }
}

static void test_something_was_compared(void **state) {
    (void)state;
    assert_true(compared > 1000000);
}

/* Negative zero and infinities, by hand: from +0, so that -0 products give +0. */
static void test_signed_zero(void **state) {
    (void)state;
    const float a[] = {-0.0f, -0.0f}, b[] = {1.0f, 1.0f};
    for (int isa = 0; isa < IB_ISA_COUNT; isa++) {
        const ib_kernels *kernels = ib__kernels_for((ib_isa)isa);
        if (!kernels) continue;
        float c = 7.0f;
        ib_gemm_args g = {.m = 1,
                          .n = 1,
                          .k = 2,
                          .a = a,
                          .a_row = 2,
                          .a_col = 1,
                          .b = b,
                          .b_row = 1,
                          .b_col = 1,
                          .c = &c,
                          .c_row = 1,
                          .lanes = 1,
                          .samples = 2};
        void *scratch = must_alloc(kernels->gemm_scratch(&g, 1));
        kernels->gemm(&g, 0, 1, scratch, 0);
        assert_true(same(c, 0.0f));
        free(scratch);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ref_is_the_definition),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_lanes),
        cmocka_unit_test(test_few_columns),
        cmocka_unit_test(test_one_row),
        cmocka_unit_test(test_way),
        cmocka_unit_test(test_signed_zero),
        cmocka_unit_test(test_something_was_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
