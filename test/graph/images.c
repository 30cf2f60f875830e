/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions, pools and kernel gradients that run image by image: the same bits as step by step, with every
 * instruction set and number of threads, and no array between them. The plain form of the model has all of
 * its arrays as outputs and a relu whose gradient cannot move behind the pool.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/plan.h"
#include "random.h"

enum {
    SIDE = 14,
    CI = 3,
    CO = 18,
    KERNEL = 9 * CI * CO,
    MOST_SAMPLES = 96,
    MOST_PIXELS = MOST_SAMPLES * 121
};

typedef struct shape_of_pool {
    int64_t taps, stride, out;
    bool max;
} shape_of_pool;

static const shape_of_pool pools[] = {{2, 2, 6, true}, {3, 2, 5, true}, {2, 1, 11, true}, {3, 3, 4, false}};

typedef struct model {
    ib_graph *g;
    ib_node x, k, b, r, dy, zero, y, dk, db;
} model;

static ib_window window(int64_t taps, int64_t stride) {
    return (ib_window){.taps = {taps, taps}, .strides = {stride, stride}, .dilation = {1, 1}};
}

/* relu(convolution + b + r), pooled, times dy; gradients of the kernel and of b. */
static void make(model *m, size_t samples, shape_of_pool p, bool plain) {
    int64_t n = (int64_t)samples;
    ib_shape x = {4, {n, SIDE, SIDE, CI}}, k = {4, {3, 3, CI, CO}}, b = {1, {CO}}, one = {1, {1}};
    ib_shape dy = {4, {n, p.out, p.out, CO}};
    ib_window conv = window(3, 1), pool = window(p.taps, p.stride);
    assert_int_equal(ib__graph_new(&m->g, samples, 8, NULL), IB_OK);
    ib_graph *g = m->g;
    m->x = ib__op_input(g, "x", IB_TYPE_F32, &x, true);
    m->k = ib__op_input(g, "k", IB_TYPE_F32, &k, false);
    m->b = ib__op_input(g, "b", IB_TYPE_F32, &b, false);
    m->dy = ib__op_input(g, "dy", IB_TYPE_F32, &dy, true);
    m->zero = ib__op_input(g, "zero", IB_TYPE_F32, &one, false);
    ib_node z = ib__op_convolution(g, m->x, m->k, &conv, 1);
    m->r = ib__op_input(g, "r", IB_TYPE_F32, &ib__node(g, z)->shape, true);
    ib_node a = ib__op_add(g, ib__op_add(g, z, m->b), m->r);
    a = plain ? ib__op_maximum(g, a, m->zero) : ib__op_relu(g, a);
    m->y = p.max ? ib__op_max_pool(g, a, &pool) : ib__op_avg_pool(g, a, &pool);
    ib_node in[3] = {m->k, m->b, z}, d[3];
    ib__graph_gradients(g, &m->y, &m->dy, 1, in, plain ? 3 : 2, d);
    m->dk = d[0];
    m->db = d[1];
    ib__graph_output(g, m->y);
    ib__graph_output(g, m->dk);
    ib__graph_output(g, m->db);
    if (plain) {
        ib__graph_output(g, z);
        ib__graph_output(g, a);
        ib__graph_output(g, d[2]);
    }
    ib_error err = {0};
    if (ib__graph_status(g, &err) != IB_OK) fail_msg("%s", err.text);
}

/* Few values, so that windows have several maxima and many negative ones; now and then a NaN. */
static void fill(float *x, size_t n, uint64_t seed, bool nans) {
    for (size_t i = 0; i < n; i++) {
        uint64_t word = random_next(&seed);
        x[i] = nans && word >> 52 == 0 ? NAN : (float)((int)(word >> 60) - 8) / 4.0f;
    }
}

typedef struct result {
    float values[MOST_PIXELS * CO + KERNEL + CO];
    float between[2][MOST_SAMPLES * 12 * 12 *
                     CO]; /* what the pool reads, and its gradient, as watchers see it */
    bool told[2];
    size_t joined, words;
} result;

static void watch(void *context, size_t index, const char *op, const char *place, bool backward,
                  const ib_shape *shape, const void *words) {
    (void)index, (void)place;
    result *out = context;
    if (shape->rank != 4 || shape->dims[1] != 12 || (!backward && strcmp(op, "maximum") != 0)) return;
    out->told[backward] = true;
    memcpy(out->between[backward], words, (size_t)shape->dims[0] * 12 * 12 * CO * sizeof(float));
}

static void run(result *out, size_t samples, shape_of_pool p, bool plain, ib_isa isa, size_t threads) {
    model m;
    ib_pool *pool;
    ib_plan *plan;
    make(&m, samples, p, plain);
    assert_int_equal(ib__pool_new(&pool, threads, NULL), IB_OK);
    ib__pool_scramble(pool, (unsigned)threads);
    assert_int_equal(ib__plan_new(&plan, m.g, ib__kernels_for(isa), pool, NULL), IB_OK);
    ib__plan_fill(plan, 0x7fc12345u);
    size_t pixels = samples * (size_t)(p.out * p.out);
    fill(ib__plan_input(plan, m.x), samples * SIDE * SIDE * CI, 1, true);
    fill(ib__plan_input(plan, m.k), KERNEL, 2, false);
    fill(ib__plan_input(plan, m.b), CO, 3, false);
    fill(ib__plan_input(plan, m.r), samples * 12 * 12 * CO, 5, false);
    fill(ib__plan_input(plan, m.dy), pixels * CO, 4, false);
    memset(ib__plan_input(plan, m.zero), 0, sizeof(float));
    memset(out, 0, sizeof *out);
    ib__plan_run(plan, NULL);
    ib__plan_watch(plan, watch, out);
    ib__plan_run(plan, NULL);
    memcpy(out->values, ib__plan_value(plan, m.dk), KERNEL * sizeof(float));
    memcpy(out->values + KERNEL, ib__plan_value(plan, m.db), CO * sizeof(float));
    memcpy(out->values + KERNEL + CO, ib__plan_value(plan, m.y), pixels * CO * sizeof(float));
    assert_true(out->told[0] && out->told[1]);
    for (size_t i = 0; i < plan->n_steps; i++)
        out->joined += plan->steps[i].inner;
    out->words = plan->arena_words;
    ib__plan_free(plan);
    ib__pool_free(pool);
    ib__graph_free(m.g);
}

static void same_bits(const float *got, const float *want, size_t n, const char *what) {
    for (size_t i = 0; i < n; i++)
        if (memcmp(&got[i], &want[i], sizeof *want) != 0)
            fail_msg("%s: number %zu is %.9g instead of %.9g", what, i, (double)got[i], (double)want[i]);
}

/* Both pairs are joined where the threads get images enough. With two threads and more kernel gradients are
 * cut by lanes, of which three threads get shares that are equal enough; five do not. */
static void test_image_by_image(void **unused) {
    (void)unused;
    static result want, got;
    size_t compared = 0;
    for (size_t i = 0; i < sizeof pools / sizeof *pools; i++)
        for (size_t samples = 32; samples <= MOST_SAMPLES; samples += 32) {
            run(&want, samples, pools[i], true, IB_ISA_REF, 1);
            assert_int_equal(want.joined, 0);
            for (int isa = 0; isa < IB_ISA_COUNT; isa++)
                for (size_t threads = 1; threads < 6 && ib__isa_available((ib_isa)isa); threads++) {
                    char what[96];
                    (void)snprintf(what, sizeof what, "pool %zu, %zu samples, isa %d, %zu threads", i,
                                   samples, isa, threads);
                    run(&got, samples, pools[i], false, (ib_isa)isa, threads);
                    same_bits(got.values, want.values, sizeof want.values / sizeof *want.values, what);
                    for (int b = 0; b < 2; b++)
                        same_bits(got.between[b], want.between[b],
                                  sizeof want.between[b] / sizeof *want.between[b], what);
                    assert_int_equal(got.joined, (pools[i].max ? 1 : 0) + (threads < 5 ? 1 : 0));
                    if (got.joined == 2) assert_true(got.words + samples * 12 * 12 * CO < want.words);
                    compared++;
                }
        }
    assert_true(compared >= sizeof pools / sizeof *pools * MOST_SAMPLES / 32 * 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_image_by_image)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
