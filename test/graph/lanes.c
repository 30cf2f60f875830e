/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums over the batch whose lanes are shared out among threads: the kernel gradients of a convolution and of
 * a dense layer over steps have the bits of one thread, and lanes are shared out where they can be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "graph/plan.h"
#include "random.h"

enum { SIDE = 6, CI = 3, CO = 5, STEPS = 7, UNITS = 19, CONV = 9 * CI * CO, DENSE = CO * UNITS };

typedef struct model {
    ib_graph *g;
    ib_node in[4], dk[2];
} model;

/* Inputs x: [n, 6, 6, 3], v: [n, 7, 19], kernels [3, 3, 3, 5] and [5, 19], whose gradients contract the
 * batch. */
static void make(model *m, size_t samples, size_t lanes) {
    int64_t n = (int64_t)samples;
    ib_shape shapes[4] = {
        {4, {n, SIDE, SIDE, CI}}, {3, {n, STEPS, UNITS}}, {4, {3, 3, CI, CO}}, {2, {CO, UNITS}}};
    ib_window w = {.taps = {3, 3}, .strides = {1, 1}, .dilation = {1, 1}};
    assert_int_equal(ib__graph_new(&m->g, samples, lanes, NULL), IB_OK);
    ib_graph *g = m->g;
    for (int i = 0; i < 4; i++)
        m->in[i] = ib__op_input(g, "x", IB_TYPE_F32, &shapes[i], i < 2);
    ib_node y = ib__op_convolution(g, m->in[0], m->in[2], &w, 1); /* [n, 4, 4, 5] */
    ib_node rows = ib__op_slice(g, ib__op_reshape(g, y, &(ib_shape){3, {n, 16, CO}}), (int64_t[]){0, 0, 0},
                                (int64_t[]){n, STEPS, CO});
    ib_dot_axes axes = {.n_contract = 1, .a_contract = {2}, .b_contract = {0}};
    ib_node z = ib__op_multiply(g, ib__op_dot_general(g, rows, m->in[3], &axes), m->in[1]);
    ib__graph_gradients(g, &z, &m->in[1], 1, &m->in[2], 2, m->dk);
    for (int i = 0; i < 2; i++)
        ib__graph_output(g, m->dk[i]);
    ib_error err = {0};
    if (ib__graph_status(g, &err) != IB_OK) fail_msg("%s", err.text);
}

/* The bits of both gradients; returns how many of them are sums of groups of lanes. */
static size_t run(size_t samples, size_t lanes, ib_isa isa, size_t threads, float out[CONV + DENSE]) {
    model m;
    ib_pool *pool;
    ib_plan *plan;
    make(&m, samples, lanes);
    assert_int_equal(ib__pool_new(&pool, threads, NULL), IB_OK);
    ib__pool_scramble(pool, (unsigned)threads);
    assert_int_equal(ib__plan_new(&plan, m.g, ib__kernels_for(isa), pool, NULL), IB_OK);
    ib__plan_fill(plan, 0x7fc12345u);
    uint64_t state = 11;
    const size_t words[4] = {samples * SIDE * SIDE * CI, samples * STEPS * UNITS, CONV, DENSE};
    for (int i = 0; i < 4; i++) {
        float *x = ib__plan_input(plan, m.in[i]);
        for (size_t k = 0; k < words[i]; k++)
            x[k] = random_number(&state);
    }
    ib__plan_run(plan, NULL);
    ib__plan_run(plan, NULL);
    memcpy(out, ib__plan_value(plan, m.dk[0]), CONV * sizeof(float));
    memcpy(out + CONV, ib__plan_value(plan, m.dk[1]), DENSE * sizeof(float));
    size_t grouped = 0;
    for (size_t i = 0; i < plan->n_steps; i++)
        grouped += plan->steps[i].kind == IB_STEP_LANE_TREE;
    ib__plan_free(plan);
    ib__pool_free(pool);
    ib__graph_free(m.g);
    return grouped;
}

static void test_groups_of_lanes(void **unused) {
    (void)unused;
    static const struct {
        size_t samples, lanes, grouped[9]; /* by number of threads */
    } cases[] = {
        {64, 2, {0, 0, 2, 0, 0, 0, 0, 0, 0}},  {64, 3, {0, 0, 0, 0, 0, 0, 0, 0, 0}},
        {66, 3, {0, 0, 0, 2, 0, 0, 0, 0, 0}},  {96, 6, {0, 0, 2, 2, 0, 0, 2, 0, 0}},
        {128, 8, {0, 0, 2, 2, 2, 0, 0, 0, 2}}, {129, 8, {0, 0, 0, 0, 0, 0, 0, 0, 0}},
    };
    size_t compared = 0;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        static float want[CONV + DENSE], got[CONV + DENSE];
        (void)run(cases[c].samples, cases[c].lanes, IB_ISA_REF, 1, want);
        for (int isa = 0; isa < IB_ISA_COUNT; isa++)
            for (size_t threads = 1; threads < 9 && ib__isa_available((ib_isa)isa); threads++, compared++) {
                size_t grouped = run(cases[c].samples, cases[c].lanes, (ib_isa)isa, threads, got);
                assert_int_equal(grouped, cases[c].grouped[threads]);
                if (memcmp(got, want, sizeof want) != 0)
                    fail_msg("%zu samples in %zu lanes: other bits with isa %d, %zu threads",
                             cases[c].samples, cases[c].lanes, isa, threads);
            }
    }
    assert_true(compared >= 6 * 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_groups_of_lanes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
