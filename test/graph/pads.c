/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of slices: the sum of padded arrays, the last slice first, whether or not they lie side by side.
 * Zeros keep the sign that the sum gives them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "graph/internal.h"

enum { ROWS = 5, ALONG = 10, MOST = 5, WORDS = ROWS * ALONG * 3 };

/* Ranges of the axis, in the order in which slices are built. */
static const int64_t cuts[][MOST][2] = {
    {{0, 3}, {3, 4}, {4, 10}},
    {{4, 10}, {3, 4}, {0, 3}},
    {{0, 3}, {4, 10}},
    {{2, 5}, {5, 7}},
    {{0, 6}, {4, 10}},
    {{3, 4}, {0, 3}, {4, 10}, {0, 10}},
    {{0, 5}, {5, 10}, {0, 5}, {5, 10}},
    {{1, 2}, {4, 5}, {2, 4}},
    {{0, 2}, {2, 4}, {4, 6}, {6, 8}, {8, 10}},
};

static float number(size_t i) {
    static const float some[] = {-0.0f, 1.5f, 0.0f, -2.25f, INFINITY, 1e-42f, -0.0f, 3e38f, -INFINITY};
    return some[i % (sizeof some / sizeof *some)];
}

static size_t words(const int64_t *cut, size_t inner) {
    return (size_t)(cut[1] - cut[0]) * ROWS * inner;
}

/* dx as the sum says: padded arrays, the last one first. */
static void expect(const int64_t (*cut)[2], size_t n, size_t inner, float *dx) {
    for (size_t i = 0; i < ROWS * ALONG * inner; i++) {
        int64_t at = (int64_t)(i / inner % ALONG);
        for (size_t k = n; k-- > 0;) {
            size_t width = (size_t)(cut[k][1] - cut[k][0]);
            bool inside = at >= cut[k][0] && at < cut[k][1];
            size_t from = (i / inner / ALONG * width + (size_t)(at - cut[k][0])) * inner + i % inner;
            float d = inside ? number(from + k) : 0.0f;
            dx[i] = k + 1 == n ? d : dx[i] + d;
        }
    }
}

static void check(const int64_t (*cut)[2], size_t n, size_t inner) {
    ib_graph *g;
    ib_plan *plan;
    ib_pool *pool;
    ib_node y[MOST], dy[MOST], dx;
    ib_shape shape = {3, {ROWS, ALONG, (int64_t)inner}};
    assert_int_equal(ib__graph_new(&g, ROWS, 0, NULL), IB_OK);
    ib_node x = ib__op_input(g, "x", IB_TYPE_F32, &shape, true);
    for (size_t k = 0; k < n; k++) {
        int64_t start[] = {0, cut[k][0], 0}, limit[] = {ROWS, cut[k][1], (int64_t)inner};
        ib_shape part = {3, {ROWS, cut[k][1] - cut[k][0], (int64_t)inner}};
        y[k] = ib__op_slice(g, x, start, limit);
        dy[k] = ib__op_input(g, "dy", IB_TYPE_F32, &part, true);
    }
    ib__graph_gradients(g, y, dy, n, &x, 1, &dx);
    ib__graph_output(g, dx);
    assert_int_equal(ib__pool_new(&pool, 2, NULL), IB_OK);
    assert_int_equal(ib__plan_new(&plan, g, ib__kernels_for(ib__isa_default()), pool, NULL), IB_OK);
    ib__plan_fill(plan, 0x7fc12345u);
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < words(cut[k], inner); i++)
            ((float *)ib__plan_input(plan, dy[k]))[i] = number(i + k);
    ib__plan_run(plan, NULL);
    static float expected[WORDS];
    expect(cut, n, inner, expected);
    const float *found = ib__plan_value(plan, dx);
    for (size_t i = 0; i < ROWS * ALONG * inner; i++)
        assert_true(memcmp(&found[i], &expected[i], sizeof *found) == 0 ||
                    (isnan(found[i]) && isnan(expected[i])));
    ib__plan_free(plan);
    ib__pool_free(pool);
    ib__graph_free(g);
}

static void test_slices(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        size_t n = 0;
        while (n < MOST && cuts[i][n][1] > 0)
            n++;
        assert_true(n > 1);
        check(cuts[i], n, 1);
        check(cuts[i], n, 3);
    }
}

/* Zero is added once to each of the parts side by side, not once for each of the others. */
static void test_one_zero(void **state) {
    (void)state;
    ib_graph *g;
    ib_node y[4], dy[4], dx;
    ib_shape shape = {2, {ROWS, 8}}, part = {2, {ROWS, 2}};
    assert_int_equal(ib__graph_new(&g, ROWS, 0, NULL), IB_OK);
    ib_node x = ib__op_input(g, "x", IB_TYPE_F32, &shape, true);
    for (int64_t k = 0; k < 4; k++) {
        y[k] = ib__op_slice(g, x, (int64_t[]){0, 2 * k}, (int64_t[]){ROWS, 2 * k + 2});
        dy[k] = ib__op_input(g, "dy", IB_TYPE_F32, &part, true);
    }
    ib__graph_gradients(g, y, dy, 4, &x, 1, &dx);
    size_t adds = 0;
    for (size_t i = 0; i < g->n_nodes; i++)
        adds += g->nodes[i].op == IB_OP_map && g->nodes[i].map == IB_MAP_add;
    assert_int_equal(adds, 4);
    ib__graph_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_slices), cmocka_unit_test(test_one_zero)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
