/* SPDX-License-Identifier: Apache-2.0
 *
 * The graph's edges: what random graphs found, arrays without elements, rank 8, lengths that overflow, and
 * ops of IB_NO_NODE.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/effect.h"
#include "graph/internal.h"

#define NO IB_NO_NODE

typedef struct fixture {
    ib_graph *g;
    ib_pool *pool;
    ib_plan *plan;
} fixture;

static fixture begin(size_t samples) {
    fixture f = {0};
    assert_int_equal(ib__graph_new(&f.g, samples, 0, NULL), IB_OK);
    assert_int_equal(ib__pool_new(&f.pool, 3, NULL), IB_OK);
    return f;
}

static void compile(fixture *f) {
    ib_error err = {0};
    if (ib__plan_new(&f->plan, f->g, ib__kernels_for(ib__isa_default()), f->pool, &err) != IB_OK)
        fail_msg("%s", err.text);
    ib__plan_fill(f->plan, 0x7fc00000u);
}

static void end(fixture *f) {
    ib__plan_free(f->plan);
    ib__pool_free(f->pool);
    ib__graph_free(f->g);
}

static ib_node input(fixture *f, const ib_shape *shape, bool batched) {
    return ib__op_input(f->g, "x", IB_TYPE_F32, shape, batched);
}

/* A sum over a batch of one sample, kept axes between the reduced ones. */
static void test_one_sample(void **unused) {
    (void)unused;
    fixture f = begin(1);
    ib_node x = input(&f, &(ib_shape){3, {1, 3, 4}}, true);
    ib_node y = ib__op_reduce(f.g, IB_REDUCE_SUM, x, 5, false);
    ib__graph_output(f.g, y);
    compile(&f);
    float *at = ib__plan_input(f.plan, x);
    for (int i = 0; i < 12; i++)
        at[i] = (float)i;
    ib__plan_run(f.plan, NULL);
    const float want[3] = {6, 22, 38};
    assert_memory_equal(ib__plan_value(f.plan, y), want, sizeof want);
    end(&f);
}

/* The inner broadcast must be an array before the outer one reads it through a reshape, whichever size the
 * graph had first. */
static void test_broadcast_of_reshape(void **unused) {
    (void)unused;
    fixture f = begin(1);
    ib_node x = input(&f, &(ib_shape){1, {3}}, false);
    ib_node early = ib__op_negate(f.g, input(&f, &(ib_shape){2, {4, 6}}, false));
    ib_node wide = ib__op_broadcast_to(f.g, x, &(ib_shape){2, {2, 3}});
    ib_node flat = ib__op_reshape(f.g, wide, &(ib_shape){1, {6}});
    ib_node y = ib__op_add(f.g, early, ib__op_broadcast_to(f.g, flat, &(ib_shape){2, {4, 6}}));
    ib__graph_output(f.g, y);
    compile(&f);
    memcpy(ib__plan_input(f.plan, x), (const float[]){1, 2, 3}, 12);
    ib__plan_run(f.plan, NULL);
    const float *got = ib__plan_value(f.plan, y);
    for (int i = 0; i < 24; i++)
        assert_true(got[i] == (float)(i % 3 + 1));
    end(&f);
}

/* Two variables change places while an effect reads one; the last assignment to a variable counts. */
static void test_assignments(void **unused) {
    (void)unused;
    enum { N = 40000 };
    float *data[2], *seen = ib__alloc(N, sizeof *seen);
    ib_variable v[2];
    fixture f = begin(1);
    for (int i = 0; i < 2; i++) {
        data[i] = ib__alloc(N, sizeof(float));
        for (int k = 0; k < N; k++)
            data[i][k] = (float)(i ? -k : k);
        v[i] = (ib_variable){.path = "v", .shape = {1, {N}}, .data = data[i]};
    }
    ib_node a = ib__op_variable(f.g, &v[0]), b = ib__op_variable(f.g, &v[1]);
    ib__graph_assign(f.g, &v[0], ib__op_scale(f.g, a, 3.0f));
    assert_int_not_equal(ib__graph_assigned(f.g, &v[0]), NO);
    assert_int_equal(ib__graph_assigned(f.g, &v[1]), NO);
    ib__graph_assign(f.g, &v[0], ib__op_stop_gradient(f.g, b));
    ib__graph_assign(f.g, &v[1], a);
    ib__graph_effect(f.g, a, record, seen);
    compile(&f);
    ib__pool_scramble(f.pool, 2);
    for (int run = 0; run < 2; run++) {
        ib__plan_run(f.plan, NULL);
        for (int k = 0; k < N; k++)
            if (data[0][k] != (float)(run ? k : -k) || data[1][k] != (float)(run ? -k : k) ||
                seen[k] != (float)(run ? -k : k))
                fail_msg("run %d, element %d", run, k);
    }
    end(&f);
    ib__free(data[0]);
    ib__free(data[1]);
    ib__free(seen);
}

/* Arrays without elements pass through every op and write nothing anywhere; sums of nothing are +0. */
static void test_no_elements(void **unused) {
    (void)unused;
    fixture f = begin(0);
    ib_graph *g = f.g;
    ib_node x = input(&f, &(ib_shape){4, {0, 3, 3, 2}}, true), y[12];
    ib_window w = {.taps = {2, 2}, .strides = {1, 1}, .dilation = {1, 1}};
    ib_node k = ib__op_broadcast_to(g, ib__op_constant(g, 2.0f), &(ib_shape){4, {2, 2, 2, 5}});
    ib_node many = ib__op_broadcast_to(g, ib__op_constant(g, 3.0f), &(ib_shape){2, {50, 70}});
    ib_node flat = ib__op_reshape(g, x, &(ib_shape){2, {0, 18}});
    ib_dot_axes batch = {.n_batch = 1}, over = {.n_contract = 1};
    size_t n = 0;
    y[n++] = ib__op_map(g, IB_MAP_exp, ib__op_relu(g, x), NO, NO);
    y[n++] = ib__op_convolution(g, x, k, &w, 1);
    y[n++] = ib__op_max_pool(g, x, &w);
    y[n++] = ib__op_transpose(g, ib__op_concatenate(g, (ib_node[]){x, x}, 2, 1), (int[]){3, 1, 2, 0});
    y[n++] = ib__op_dot_general(g, flat, flat, &batch);
    y[n++] = ib__op_dot_general(g, ib__op_slice(g, many, (int64_t[]){0, 0}, (int64_t[]){0, 70}),
                                ib__op_slice(g, many, (int64_t[]){0, 0}, (int64_t[]){0, 70}), &batch);
    y[n++] = ib__op_uniform(g, (uint32_t[]){1, 2}, &(ib_shape){2, {0, 4}});
    size_t full = n;
    y[n++] = ib__op_dot_general(g, flat, flat, &over);
    y[n++] = ib__op_reduce(g, IB_REDUCE_SUM, x, 7, false);
    y[n++] = ib__op_pad(g, flat, 0.0f, (int64_t[]){1, 0}, (int64_t[]){2, 0});
    ib_node total = ib__op_reduce(g, IB_REDUCE_SUM, ib__op_square(g, y[1]), 15, false);
    ib__graph_gradients(g, &total, NULL, 1, &k, 1, &y[n++]);
    float nothing[1] = {7};
    ib__graph_effect(g, flat, record, nothing);
    for (size_t i = 0; i < n; i++)
        ib__graph_output(g, y[i]);
    ib__graph_output(g, many);
    compile(&f);
    ib__plan_run(f.plan, NULL);
    for (size_t i = 0; i < n; i++) {
        size_t count = ib__node_elements(g, y[i]);
        assert_true(i < full ? count == 0 : count > 0);
        for (size_t e = 0; e < count; e++)
            assert_memory_equal((const float *)ib__plan_value(f.plan, y[i]) + e, &(float){0}, 4);
    }
    for (size_t e = 0; e < 3500; e++)
        assert_true(((const float *)ib__plan_value(f.plan, many))[e] == 3.0f);
    assert_true(nothing[0] == 7);
    end(&f);
}

static void test_rank_eight(void **unused) {
    (void)unused;
    fixture f = begin(2);
    const ib_shape eight = {8, {2, 3, 1, 2, 1, 3, 2, 2}};
    ib_node x = input(&f, &eight, true);
    ib_node t = ib__op_transpose(f.g, x, (int[]){7, 6, 5, 4, 3, 2, 1, 0});
    ib_node back = ib__op_transpose(f.g, ib__op_negate(f.g, t), (int[]){7, 6, 5, 4, 3, 2, 1, 0});
    ib_node zero = ib__op_add(f.g, x, back);
    ib_node sum = ib__op_reduce(f.g, IB_REDUCE_SUM, ib__op_square(f.g, zero), 0xff, false), dx;
    ib__graph_gradients(f.g, &sum, NULL, 1, &x, 1, &dx);
    ib__graph_output(f.g, sum);
    ib__graph_output(f.g, zero);
    ib__graph_output(f.g, dx);
    compile(&f);
    for (int i = 0; i < 144; i++)
        ((float *)ib__plan_input(f.plan, x))[i] = (float)i;
    ib__plan_run(f.plan, NULL);
    for (int i = 0; i < 144; i++) {
        assert_true(((const float *)ib__plan_value(f.plan, zero))[i] == 0);
        assert_true(((const float *)ib__plan_value(f.plan, dx))[i] == 0);
    }
    ib_node more = ib__op_reshape(f.g, x, &(ib_shape){2, {144, 1}});
    assert_int_equal(ib__op_dot_general(f.g, x, more, &(ib_dot_axes){0}), NO);
    assert_int_equal(ib__graph_status(f.g, NULL), IB_UNSUPPORTED);
    end(&f);
}

/* Each case on a fresh graph: refused with a message, nothing worse. */
static void test_lengths_that_overflow(void **unused) {
    (void)unused;
    const int64_t huge = INT64_MAX, large = (int64_t)1 << 40;
    const ib_window one = {.taps = {1, 1}, .strides = {1, 1}, .dilation = {1, 1}};
    enum { CASES = 17 };
    for (int c = 0; c < CASES; c++) {
        fixture f = begin(2);
        ib_graph *g = f.g;
        ib_node x = input(&f, &(ib_shape){4, {2, 3, 3, 2}}, true), y = NO;
        ib_node k = input(&f, &(ib_shape){4, {1, 1, 2, 4}}, false);
        ib_window w = one;
        if (c == 0) y = ib__op_reshape(g, x, &(ib_shape){3, {large, large, 9}});
        if (c == 1) y = ib__op_reshape(g, x, &(ib_shape){4, {-1, huge, huge, 4}});
        if (c == 2) y = ib__op_pad(g, x, 0, (int64_t[]){huge, 0, 0, 0}, (int64_t[]){huge, 0, 0, 0});
        if (c == 3) y = ib__op_broadcast_to(g, x, &(ib_shape){5, {large, 2, 3, 3, 2}});
        if (c == 4) y = input(&f, &(ib_shape){3, {large, large, large}}, false);
        if (c == 5) y = input(&f, &(ib_shape){1, {-3}}, false);
        if (c == 6) y = ib__op_iota(g, &(ib_shape){0}, -1);
        if (c == 7) y = ib__op_iota(g, &(ib_shape){1, {huge}}, 0);
        if (c == 8) y = ib__op_convolution(g, x, k, &w, huge);
        if (c == 9) w.dilation[0] = huge;
        if (c == 10) w.taps[0] = w.dilation[0] = huge;
        if (c == 11) w.low[0] = w.high[0] = huge;
        if (c == 12) w.strides[0] = 0;
        if (c == 16) w.even[0] = huge;
        if (c == 9 || c == 11) y = ib__op_convolution(g, x, k, &w, 1);
        if (c == 10 || c == 12 || c == 16) y = ib__op_avg_pool(g, x, &w);
        ib_node wide = ib__op_reshape(g, x, &(ib_shape){4, {2, 3, 1, 6}});
        if (c == 13) y = ib__op_convolution_transpose(g, wide, k, (int64_t[]){3, 1}, &w, 1);
        if (c == 14) y = ib__op_convolution_transpose(g, k, k, (int64_t[]){huge, huge}, &w, huge);
        if (c == 15) y = ib__op_convolution_transpose(g, k, k, (int64_t[]){5, 1}, &w, 1);
        ib_error err = {0};
        if (y != NO) fail_msg("case %d was taken", c);
        assert_int_not_equal(ib__graph_status(g, &err), IB_OK);
        assert_int_not_equal(ib__graph_status(g, NULL), IB_NO_MEMORY);
        assert_true(strlen(err.text) > 5);
        assert_int_not_equal(ib__plan_new(&f.plan, g, ib__kernels_for(IB_ISA_REF), f.pool, &err), IB_OK);
        end(&f);
    }
}

/* Ops of IB_NO_NODE give IB_NO_NODE and no error of their own. */
static void test_no_node(void **unused) {
    (void)unused;
    fixture f = begin(2);
    ib_graph *g = f.g;
    ib_node x = input(&f, &(ib_shape){2, {2, 3}}, true), dx[2];
    const int64_t at[8] = {0};
    const int axes[8] = {0};
    const ib_shape shape = {2, {2, 3}};
    ib_variable v = {.path = "v", .shape = shape};
    const ib_window w = {.taps = {1}, .strides = {1}, .dilation = {1}};
    const ib_node made[] = {ib__op_map(g, IB_MAP_add, NO, x, NO),
                            ib__op_map(g, IB_MAP_select, x, x, NO),
                            ib__op_convert(g, NO, IB_TYPE_PRED),
                            ib__op_stop_gradient(g, NO),
                            ib__op_reshape(g, NO, &shape),
                            ib__op_transpose(g, NO, axes),
                            ib__op_broadcast_in_dim(g, NO, &shape, axes),
                            ib__op_broadcast_to(g, NO, &shape),
                            ib__op_concatenate(g, (ib_node[]){x, NO}, 2, 0),
                            ib__op_slice(g, NO, at, at),
                            ib__op_pad(g, NO, 0, at, at),
                            ib__op_reduce(g, IB_REDUCE_MAX, NO, 1, true),
                            ib__op_mean(g, NO, 1, true),
                            ib__op_matmul(g, x, NO),
                            ib__op_matmul(g, NO, x),
                            ib__op_dot_general(g, NO, x, &(ib_dot_axes){0}),
                            ib__op_convolution(g, NO, x, &w, 1),
                            ib__op_convolution_transpose(g, x, NO, at, &w, 1),
                            ib__op_max_pool(g, NO, &w),
                            ib__op_avg_pool(g, NO, &w)};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        if (made[i] != NO) fail_msg("case %zu is a node", i);
    assert_int_equal(ib__node_shape(g, NO).rank, 0);
    assert_false(ib__node_batched(g, NO));
    ib__graph_output(g, NO);
    ib__graph_assign(g, &v, NO);
    ib__graph_effect(g, NO, record, NULL);
    ib__node_set_logits(g, NO, x, IB_LOGITS_SOFTMAX);
    ib__graph_gradients(g, (ib_node[]){NO}, NULL, 1, (ib_node[]){NO, x}, 2, dx);
    assert_int_equal(dx[0], NO);
    assert_int_not_equal(dx[1], NO);
    assert_int_equal(ib__graph_status(g, NULL), IB_OK);
    compile(&f);
    ib__plan_run(f.plan, NULL);
    end(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_sample),  cmocka_unit_test(test_broadcast_of_reshape),
        cmocka_unit_test(test_assignments), cmocka_unit_test(test_no_elements),
        cmocka_unit_test(test_rank_eight),  cmocka_unit_test(test_lengths_that_overflow),
        cmocka_unit_test(test_no_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
