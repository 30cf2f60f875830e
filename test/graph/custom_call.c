/* SPDX-License-Identifier: Apache-2.0
 *
 * Custom calls: rows computed by a function, cut in any way, outside and in the body of a scan; no gradient.
 * Linear calls: their transpose is their gradient, again and again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "graph/graph.h"

enum { ROWS = 96, A = 61, B = 53, OUT = 31 };

/* out[r, j] = factor * (a[r, j] + b[r, 0]) + j */
static void combine(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const float *factor = context, *a = rows->in[0], *b = rows->in[1];
    float *out = rows->out;
    for (size_t r = first; r < end; r++)
        for (size_t j = 0; j < rows->out_width; j++)
            out[r * rows->out_width + j] =
                *factor * (a[r * rows->width[0] + j] + (b ? b[r * rows->width[1]] : 0.0f)) + (float)j;
}

static const float factor = 3.0f;

static void test_rows(void **state) {
    (void)state;
    static float expected[ROWS * OUT];
    size_t compared = 0;
    for (size_t threads = 1; threads <= 5; threads += 2) {
        ib_graph *g;
        ib_plan *plan;
        ib_pool *pool;
        ib_shape sa = {2, {ROWS, A}}, sb = {2, {ROWS, B}}, so = {2, {ROWS, OUT}};
        assert_int_equal(ib__graph_new(&g, ROWS, 0, NULL), IB_OK);
        ib_node a = ib__op_input(g, "a", IB_TYPE_F32, &sa, true);
        ib_node b = ib__op_input(g, "b", IB_TYPE_F32, &sb, true);
        ib_node y = ib__op_custom_call(g, combine, &factor, ib__op_scale(g, a, 2.0f), b, IB_TYPE_F32, &so);
        assert_true(ib__node_batched(g, y));
        y = ib__op_negate(g, y);
        ib__graph_output(g, y);
        assert_int_equal(ib__pool_new(&pool, threads, NULL), IB_OK);
        assert_int_equal(ib__plan_new(&plan, g, ib__kernels_for(ib__isa_default()), pool, NULL), IB_OK);
        ib__plan_fill(plan, 0x7fc12345u);
        float *pa = ib__plan_input(plan, a), *pb = ib__plan_input(plan, b);
        for (size_t i = 0; i < ROWS * A; i++)
            pa[i] = (float)(i % 91);
        for (size_t i = 0; i < ROWS * B; i++)
            pb[i] = (float)(i % 17);
        for (size_t i = 0; i < ROWS * OUT; i++)
            expected[i] = -(factor * (2.0f * pa[i / OUT * A + i % OUT] + pb[i / OUT * B]) + (float)(i % OUT));
        ib__plan_run(plan, &(ib_stream_at){0});
        assert_memory_equal(ib__plan_value(plan, y), expected, sizeof expected);
        compared++;
        ib__plan_free(plan);
        ib__pool_free(pool);
        ib__graph_free(g);
    }
    assert_int_equal(compared, 3);
}

/* In a scan: the call of each step's part, for parts of the samples. */
static void test_scan(void **state) {
    (void)state;
    enum { STEPS = 4, WIDTH = 3 };
    for (size_t threads = 1; threads <= 3; threads += 2) {
        ib_graph *g;
        ib_plan *plan;
        ib_pool *pool;
        ib_shape stack = {3, {ROWS, STEPS, WIDTH}}, row = {2, {ROWS, WIDTH}};
        assert_int_equal(ib__graph_new(&g, ROWS, 0, NULL), IB_OK);
        ib_node xs = ib__op_input(g, "x", IB_TYPE_F32, &stack, true);
        ib_scan *scan = ib__scan_begin(g, STEPS, false);
        ib_node x = ib__scan_x(g, scan, xs);
        ib_node y = ib__op_custom_call(g, combine, &factor, x, IB_NO_NODE, IB_TYPE_F32, &row);
        y = ib__op_scale(g, y, 0.5f);
        ib__scan_end(g, scan);
        y = ib__scan_stacked(g, scan, y);
        ib__graph_output(g, y);
        assert_int_equal(ib__pool_new(&pool, threads, NULL), IB_OK);
        assert_int_equal(ib__plan_new(&plan, g, ib__kernels_for(ib__isa_default()), pool, NULL), IB_OK);
        float *in = ib__plan_input(plan, xs);
        for (size_t i = 0; i < ROWS * STEPS * WIDTH; i++)
            in[i] = (float)(i % 77);
        ib__plan_run(plan, &(ib_stream_at){0});
        const float *out = ib__plan_value(plan, y);
        for (size_t i = 0; i < ROWS * STEPS * WIDTH; i++)
            assert_true(out[i] == 0.5f * (3.0f * in[i] + (float)(i % WIDTH)));
        ib__plan_free(plan);
        ib__pool_free(pool);
        ib__graph_free(g);
    }
}

static void whole(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    (void)context;
    for (size_t i = first; i < end; i++)
        ((int32_t *)rows->out)[i] = (int32_t)((const float *)rows->in[0])[i];
}

/* Nothing flows through integers; a gradient for floats is refused, and so are other rows. */
static void test_gradient(void **state) {
    (void)state;
    for (int integers = 0; integers < 2; integers++) {
        ib_graph *g;
        ib_error err = {0};
        ib_shape line = {1, {ROWS}}, short_line = {1, {ROWS - 1}};
        assert_int_equal(ib__graph_new(&g, ROWS, 0, NULL), IB_OK);
        ib_node x = ib__op_input(g, "x", IB_TYPE_F32, &line, true), dx;
        ib_node y = integers ? ib__op_custom_call(g, whole, NULL, x, IB_NO_NODE, IB_TYPE_I32, &line)
                             : ib__op_custom_call(g, combine, &factor, x, IB_NO_NODE, IB_TYPE_F32, &line);
        if (integers) y = ib__op_convert(g, y, IB_TYPE_F32);
        ib_node loss = ib__op_reduce(g, IB_REDUCE_SUM, y, 1, false);
        ib__graph_gradients(g, &loss, NULL, 1, &x, 1, &dx);
        assert_int_equal(ib__graph_status(g, &err), integers ? IB_OK : IB_UNSUPPORTED);
        ib__graph_free(g);
        assert_int_equal(ib__graph_new(&g, ROWS, 0, NULL), IB_OK);
        x = ib__op_input(g, "x", IB_TYPE_F32, &line, true);
        assert_int_equal(ib__op_custom_call(g, whole, NULL, x, IB_NO_NODE, IB_TYPE_I32, &short_line),
                         IB_NO_NODE);
        assert_int_equal(ib__graph_status(g, NULL), IB_INTERNAL);
        ib__graph_free(g);
    }
}

/* [a, b, c] -> [a + 2 b, 3 c] times the context, and its transpose */
static void mix(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const float k = *(const float *)context;
    for (size_t r = first; r < end; r++) {
        const float *in = (const float *)rows->in[0] + 3 * r;
        float *out = (float *)rows->out + 2 * r;
        out[0] = k * (in[0] + 2 * in[1]);
        out[1] = k * 3 * in[2];
    }
}

static void mix_transposed(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const float k = *(const float *)context;
    for (size_t r = first; r < end; r++) {
        const float *in = (const float *)rows->in[0] + 2 * r;
        float *out = (float *)rows->out + 3 * r;
        out[0] = k * in[0];
        out[1] = k * 2 * in[0];
        out[2] = k * 3 * in[1];
    }
}

/* dx = Mt dy; as a function of dy its gradient for a cotangent v is M v. */
static void test_linear(void **state) {
    (void)state;
    ib_graph *g;
    ib_plan *plan;
    ib_pool *pool;
    ib_shape wide = {2, {ROWS, 3}}, narrow = {2, {ROWS, 2}};
    assert_int_equal(ib__graph_new(&g, ROWS, 0, NULL), IB_OK);
    float *k = ib__graph_memory(g, 1, sizeof *k);
    *k = 0.5f;
    ib_linear f = {mix, mix_transposed, k};
    ib_node x = ib__op_input(g, "x", IB_TYPE_F32, &wide, true), dx, ddy;
    ib_node dy = ib__op_input(g, "dy", IB_TYPE_F32, &narrow, true);
    ib_node y = ib__op_linear_call(g, &f, x, &narrow);
    ib__graph_gradients(g, &y, &dy, 1, &x, 1, &dx);
    ib__graph_gradients(g, &dx, &x, 1, &dy, 1, &ddy);
    ib__graph_output(g, y);
    ib__graph_output(g, dx);
    ib__graph_output(g, ddy);
    assert_int_equal(ib__pool_new(&pool, 3, NULL), IB_OK);
    assert_int_equal(ib__plan_new(&plan, g, ib__kernels_for(ib__isa_default()), pool, NULL), IB_OK);
    float *px = ib__plan_input(plan, x), *pdy = ib__plan_input(plan, dy);
    for (int i = 0; i < 3 * ROWS; i++)
        px[i] = (float)(i % 23);
    for (int i = 0; i < 2 * ROWS; i++)
        pdy[i] = (float)(i % 19);
    ib__plan_run(plan, &(ib_stream_at){0});
    const float *py = ib__plan_value(plan, y), *pdx = ib__plan_value(plan, dx);
    for (int r = 0; r < ROWS; r++) {
        assert_true(py[2 * r] == 0.5f * (px[3 * r] + 2 * px[3 * r + 1]));
        assert_true(py[2 * r + 1] == 1.5f * px[3 * r + 2]);
        assert_true(pdx[3 * r] == 0.5f * pdy[2 * r] && pdx[3 * r + 1] == pdy[2 * r]);
        assert_true(pdx[3 * r + 2] == 1.5f * pdy[2 * r + 1]);
    }
    assert_memory_equal(py, ib__plan_value(plan, ddy), 2 * ROWS * sizeof *py);
    ib__plan_free(plan);
    ib__pool_free(pool);
    ib__graph_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_scan),
                                       cmocka_unit_test(test_gradient), cmocka_unit_test(test_linear)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
