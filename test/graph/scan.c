/* SPDX-License-Identifier: Apache-2.0
 *
 * Scans: a recurrent cell run as a scan gives the numbers of the same cell written out step by step,
 * forwards, backwards in time, with masks, and its gradients; the bits are those of every instruction set,
 * any number of threads, and whatever the memory held. gather and scatter_add in a graph.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "graph/effect.h"
#include "random.h"

enum { SAMPLES = 6, STEPS = 5, IN = 3, UNITS = 4, RESULTS = 8, ROOM = 4096 };

static float w_x[IN * 2 * UNITS], w_h[UNITS * 2 * UNITS], bias[2 * UNITS];
static ib_variable variables[] = {{"w_x", {2, {IN, 2 * UNITS}}, w_x},
                                  {"w_h", {2, {UNITS, 2 * UNITS}}, w_h},
                                  {"bias", {1, {2 * UNITS}}, bias}};

typedef struct outcome {
    float values[RESULTS][ROOM];
    size_t n[RESULTS];
} outcome;

static ib_node part(ib_graph *g, ib_node z, int64_t from, int64_t to) {
    int64_t start[2] = {0, from}, limit[2] = {SAMPLES, to};
    return ib__op_slice(g, z, start, limit);
}

/* c' = c * gate + tanh(candidate) * scale where the mask holds; the output is c' * gate. */
static void cell(ib_graph *g, ib_node x, ib_node h, ib_node c, ib_node mask, ib_node scale, ib_node *h_next,
                 ib_node *c_next) {
    ib_node z = ib__op_matmul(g, x, ib__op_variable(g, &variables[0]));
    z = ib__op_add(g, z, ib__op_matmul(g, h, ib__op_variable(g, &variables[1])));
    z = ib__op_add(g, z, ib__op_variable(g, &variables[2]));
    ib_node gate = ib__op_map(g, IB_MAP_logistic, part(g, z, 0, UNITS), IB_NO_NODE, IB_NO_NODE);
    ib_node candidate = ib__op_map(g, IB_MAP_tanh, part(g, z, UNITS, 2 * UNITS), IB_NO_NODE, IB_NO_NODE);
    ib_node next = ib__op_add(g, ib__op_multiply(g, c, gate), ib__op_multiply(g, candidate, scale));
    *c_next = ib__op_select(g, mask, next, c);
    *h_next = ib__op_select(g, mask, ib__op_multiply(g, next, gate), h);
}

static ib_node step_of(ib_graph *g, ib_node xs, int64_t t, int64_t width) {
    int64_t start[3] = {0, t, 0}, limit[3] = {SAMPLES, t + 1, width};
    ib_shape flat = {2, {SAMPLES, width}};
    return ib__op_reshape(g, ib__op_slice(g, xs, start, limit), &flat);
}

typedef struct problem {
    ib_graph *g;
    ib_node xs, mask_numbers, scale, init, h_final, c_final, hs;
} problem;

static void written_out(problem *p, bool reverse) {
    ib_graph *g = p->g;
    ib_node h = p->init, c = ib__op_scale(g, p->init, 0.5f), all[STEPS];
    ib_shape stack = {3, {SAMPLES, 1, UNITS}};
    for (int64_t i = 0; i < STEPS; i++) {
        int64_t t = reverse ? STEPS - 1 - i : i;
        ib_node m = step_of(g, p->mask_numbers, t, 1);
        cell(g, step_of(g, p->xs, t, IN), h, c, ib__op_convert(g, m, IB_TYPE_PRED), p->scale, &h, &c);
        all[t] = ib__op_reshape(g, h, &stack);
    }
    p->h_final = h;
    p->c_final = c;
    p->hs = ib__op_concatenate(g, all, STEPS, 1);
}

static void scanned(problem *p, bool reverse) {
    ib_graph *g = p->g;
    ib_scan *scan = ib__scan_begin(g, STEPS, reverse);
    ib_node h = ib__scan_carry(g, scan, p->init), h_next, c_next;
    ib_node c = ib__scan_carry(g, scan, ib__op_scale(g, p->init, 0.5f));
    ib_node m = ib__scan_x(g, scan, p->mask_numbers);
    cell(g, ib__scan_x(g, scan, p->xs), h, c, ib__op_convert(g, m, IB_TYPE_PRED), p->scale, &h_next, &c_next);
    ib__scan_next(g, scan, h, h_next);
    ib__scan_next(g, scan, c, c_next);
    ib__scan_end(g, scan);
    p->h_final = ib__scan_final(g, scan, h);
    p->c_final = ib__scan_final(g, scan, c);
    p->hs = ib__scan_stacked(g, scan, h_next);
}

static void fill(ib_plan *plan, ib_node a, size_t n, uint64_t seed) {
    float *x = ib__plan_input(plan, a);
    for (size_t i = 0; i < n; i++)
        x[i] = random_number(&seed);
}

typedef struct watched {
    const float *init;
    size_t found;
} watched;

/* Counts stacks that begin with half of init for every sample: what the steps had in c. */
static void watch(void *context, size_t index, const char *op, const char *place, bool backward,
                  const ib_shape *shape, const void *words) {
    watched *w = context;
    const float *stack = words;
    (void)index, (void)place, (void)backward;
    if (strcmp(op, "scan_result") != 0 || shape->rank != 3) return;
    assert_true(shape->dims[0] == SAMPLES && shape->dims[1] == STEPS);
    size_t width = (size_t)shape->dims[2], same = 0;
    for (size_t s = 0; s < SAMPLES && width == UNITS; s++)
        for (size_t u = 0; u < UNITS; u++)
            same += stack[s * STEPS * UNITS + u] == 0.5f * w->init[s * UNITS + u];
    w->found += same == (size_t)SAMPLES * UNITS;
}

static void run(void build(problem *, bool), bool reverse, ib_isa isa, size_t threads, outcome *out) {
    problem p;
    ib_error err = {0};
    ib_shape xs = {3, {SAMPLES, STEPS, IN}}, masks = {3, {SAMPLES, STEPS, 1}}, state = {2, {SAMPLES, UNITS}};
    assert_int_equal(ib__graph_new(&p.g, SAMPLES, 3, NULL), IB_OK);
    p.xs = ib__op_input(p.g, "xs", IB_TYPE_F32, &xs, true);
    p.mask_numbers = ib__op_input(p.g, "mask", IB_TYPE_F32, &masks, true);
    p.scale = ib__op_input(p.g, "scale", IB_TYPE_F32, &state, true);
    p.init = ib__op_input(p.g, "init", IB_TYPE_F32, &state, true);
    build(&p, reverse);
    /* A loss of all that comes out. */
    ib_node square = ib__op_reduce(p.g, IB_REDUCE_SUM, ib__op_square(p.g, p.hs), 7, false);
    ib_node ends = ib__op_reduce(p.g, IB_REDUCE_SUM, ib__op_multiply(p.g, p.h_final, p.c_final), 3, false);
    ib_node loss = ib__op_add(p.g, square, ends);
    ib_node x[] = {p.xs,
                   p.init,
                   p.scale,
                   ib__op_variable(p.g, &variables[0]),
                   ib__op_variable(p.g, &variables[1]),
                   ib__op_variable(p.g, &variables[2])};
    ib_node results[RESULTS] = {p.hs, p.c_final};
    ib__graph_gradients(p.g, &loss, NULL, 1, x, 6, results + 2);
    for (size_t i = 0; i < RESULTS; i++)
        ib__graph_output(p.g, results[i]);
    ib_pool *pool;
    ib_plan *plan;
    assert_int_equal(ib__pool_new(&pool, threads, NULL), IB_OK);
    if (ib__plan_new(&plan, p.g, ib__kernels_for(isa), pool, &err) != IB_OK)
        fail_msg("%s: %s", err.where, err.text);
    ib__plan_fill(plan, 0x7fc54321u + (uint32_t)threads);
    fill(plan, p.xs, SAMPLES * STEPS * IN, 1);
    fill(plan, p.scale, SAMPLES * UNITS, 2);
    fill(plan, p.init, SAMPLES * UNITS, 3);
    float *mask = ib__plan_input(plan, p.mask_numbers);
    for (size_t i = 0; i < SAMPLES * STEPS; i++)
        mask[i] = i % 4 == 1 ? 0.0f : 1.0f;
    watched w = {ib__plan_input(plan, p.init), 0};
    for (int turn = 0; turn < 3; turn++) {
        ib__plan_watch(plan, turn == 1 ? watch : NULL, &w);
        ib__plan_run(plan, &(ib_stream_at){0});
    }
    assert_int_equal(w.found, build == scanned && !reverse);
    for (size_t i = 0; i < RESULTS; i++) {
        ib_shape shape = ib__node_shape(p.g, results[i]);
        out->n[i] = (size_t)ib__shape_elements(&shape);
        assert_true(out->n[i] <= ROOM);
        memcpy(out->values[i], ib__plan_value(plan, results[i]), out->n[i] * sizeof(float));
    }
    ib__plan_free(plan);
    ib__pool_free(pool);
    ib__graph_free(p.g);
}

/* Values and the gradients for what comes in are sums of the same terms in the same order; the gradients for
 * weights are sums over samples and steps in another one. */
static void test_as_written_out(void **state) {
    (void)state;
    static outcome a, b;
    uint64_t seed = 9;
    for (size_t i = 0; i < 3; i++)
        for (int64_t k = 0; k < ib__shape_elements(&variables[i].shape); k++)
            variables[i].data[k] = random_number(&seed);
    for (int reverse = 0; reverse < 2; reverse++) {
        run(written_out, reverse, IB_ISA_REF, 1, &a);
        run(scanned, reverse, IB_ISA_REF, 1, &b);
        for (size_t r = 0; r < RESULTS; r++) {
            assert_int_equal(a.n[r], b.n[r]);
            for (size_t i = 0; i < a.n[r]; i++) {
                double x = (double)a.values[r][i], y = (double)b.values[r][i];
                double allowed = r < 4 ? 0 : 1e-5 * fmax(1, fabs(x));
                if (!(fabs(x - y) <= allowed))
                    fail_msg("result %zu, element %zu: %g, expected %g", r, i, y, x);
            }
        }
    }
}

static void test_same_bits(void **state) {
    (void)state;
    static outcome first, now;
    size_t compared = 0;
    run(scanned, false, IB_ISA_REF, 1, &first);
    for (int isa = 0; isa < IB_ISA_COUNT; isa++)
        for (size_t threads = 1; threads < 5 && ib__kernels_for((ib_isa)isa); threads++, compared++) {
            run(scanned, false, (ib_isa)isa, threads, &now);
            assert_memory_equal(&first, &now, sizeof now);
        }
    assert_true(compared >= 4);
}

static void test_gather(void **state) {
    (void)state;
    float table[5 * 2], expected[3 * 2 * 2];
    ib_variable v = {"table", {2, {5, 2}}, table};
    ib_graph *g;
    ib_plan *plan;
    ib_pool *pool;
    ib_shape which = {2, {3, 2}};
    const int32_t indices[] = {1, 4, 1, 0, 9, -3};
    for (size_t i = 0; i < 10; i++)
        table[i] = (float)i;
    assert_int_equal(ib__graph_new(&g, 3, 2, NULL), IB_OK);
    ib_node in = ib__op_input(g, "ids", IB_TYPE_I32, &which, true);
    ib_node y = ib__op_gather(g, ib__op_variable(g, &v), in), table_node = ib__op_variable(g, &v), dy;
    ib_node loss = ib__op_reduce(g, IB_REDUCE_SUM, ib__op_square(g, y), 7, false);
    ib__graph_gradients(g, &loss, NULL, 1, &table_node, 1, &dy);
    ib__graph_output(g, y);
    ib__graph_output(g, dy);
    assert_int_equal(ib__pool_new(&pool, 2, NULL), IB_OK);
    assert_int_equal(ib__plan_new(&plan, g, ib__kernels_for(ib__isa_default()), pool, NULL), IB_OK);
    memcpy(ib__plan_input(plan, in), indices, sizeof indices);
    ib__plan_run(plan, &(ib_stream_at){0});
    for (size_t i = 0; i < 6; i++) {
        int32_t row = indices[i] < 0 ? 0 : indices[i] > 4 ? 4 : indices[i];
        memcpy(expected + 2 * i, table + 2 * row, 2 * sizeof *table);
    }
    assert_memory_equal(ib__plan_value(plan, y), expected, sizeof expected);
    const float *d = ib__plan_value(plan, dy);
    const float times[] = {2, 2, 0, 0, 2};
    for (size_t i = 0; i < 10; i++)
        assert_true(d[i] == times[i / 2] * 2 * table[i]);
    ib__plan_free(plan);
    ib__pool_free(pool);
    ib__graph_free(g);
}

enum { TABLE_ROWS = 20000, TABLE_WIDTH = 3, TABLE = TABLE_ROWS * TABLE_WIDTH };
static float big_table[TABLE], as_array[TABLE], by_effect[TABLE];

/* Counts the scatters that are told, and checks them. */
static void watch_scatter(void *context, size_t index, const char *op, const char *place, bool backward,
                          const ib_shape *shape, const void *words) {
    (void)index, (void)place, (void)backward, (void)shape;
    if (strcmp(op, "scatter_add") != 0) return;
    ++*(int *)context;
    assert_memory_equal(words, as_array, sizeof as_array);
}

/* The gradient of a table of many rows, for an effect, and as an array too or not. */
static void table_gradient(bool array, int *told) {
    ib_variable v = {"table", {2, {TABLE_ROWS, TABLE_WIDTH}}, big_table};
    ib_graph *g;
    ib_plan *plan;
    ib_pool *pool;
    assert_int_equal(ib__graph_new(&g, 16, 2, NULL), IB_OK);
    ib_node in = ib__op_input(g, "ids", IB_TYPE_I32, &(ib_shape){2, {16, 300}}, true);
    ib_node table = ib__op_variable(g, &v), y = ib__op_gather(g, table, in), dy;
    ib_node loss = ib__op_reduce(g, IB_REDUCE_SUM, ib__op_square(g, y), 7, false);
    ib__graph_gradients(g, &loss, NULL, 1, &table, 1, &dy);
    if (array) ib__graph_output(g, dy);
    ib__graph_effect(g, dy, record, by_effect);
    assert_int_equal(ib__pool_new(&pool, 2, NULL), IB_OK);
    assert_int_equal(ib__plan_new(&plan, g, ib__kernels_for(ib__isa_default()), pool, NULL), IB_OK);
    int32_t *ids = ib__plan_input(plan, in);
    for (int32_t i = 0; i < 16 * 300; i++)
        ids[i] = i % 7 ? (i * 7919) % TABLE_ROWS : i % 11;
    memset(by_effect, 0x55, sizeof by_effect);
    ib__plan_watch(plan, watch_scatter, told);
    if (array) ib__plan_watch(plan, NULL, NULL);
    ib__plan_run(plan, NULL);
    if (array) memcpy(as_array, ib__plan_value(plan, dy), sizeof as_array);
    ib__plan_free(plan);
    ib__pool_free(pool);
    ib__graph_free(g);
}

static void test_table_gradient(void **state) {
    (void)state;
    int told = 0;
    uint64_t seed = 5;
    for (size_t i = 0; i < TABLE; i++)
        big_table[i] = random_number(&seed);
    table_gradient(true, &told);
    assert_memory_equal(by_effect, as_array, sizeof as_array);
    table_gradient(false, &told);
    assert_memory_equal(by_effect, as_array, sizeof as_array);
    assert_int_equal(told, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_written_out),
                                       cmocka_unit_test(test_same_bits), cmocka_unit_test(test_gather),
                                       cmocka_unit_test(test_table_gradient)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
