/* SPDX-License-Identifier: Apache-2.0
 *
 * Nanoseconds an element of the elementwise ops, updates, reductions, pools, transposes and uniform numbers,
 * on one thread, for each instruction set this CPU has; and microseconds of an empty run of the thread pool.
 * The best of several rounds is printed. An argument is a part of the names to measure.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/pool.h"
#include "kernels/kernels.h"

enum { TILE = 1024, SLICE = 16384, LARGE = 1 << 22, ROUNDS = 7 };

/* Elements 0 .. 1024 stay in L1, 16384 of a few arrays in L2; LARGE is the size of the arrays. */
static float *array[5];
static volatile float sink;

static double now(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

typedef void run_fn(const ib_kernels *k, size_t which, size_t n);

typedef struct job {
    const char *name;
    run_fn *run;
    size_t which, n;
} job;

static void run_map(const ib_kernels *k, size_t which, size_t n) {
    k->map[which](array[0], array[1], array[2], array[3], n);
}

static void run_update(const ib_kernels *k, size_t which, size_t n) {
    const ib_sgd_args sgd = {0.01f, 0.9f, 0.0f, false};
    const ib_adam_args adam = {0.001f, 0.1f, 0.001f, 1e-7f, 0.0f};
    const ib_rmsprop_args rmsprop = {0.001f, 0.9f, 0.1f, 0.0f, 1e-7f, 0.0f, false};
    if (which == 0) k->sgd(array[0], NULL, array[4], n, &sgd);
    if (which == 1) k->sgd(array[0], array[1], array[4], n, &sgd);
    if (which == 2) k->adam(array[0], array[1], array[2], NULL, array[4], n, &adam);
    if (which == 3) k->rmsprop(array[0], array[1], NULL, NULL, array[4], n, &rmsprop);
}

/* which: the length of the innermost axis; a negative one as count, with 1 as the innermost. */
static void run_rows(const ib_kernels *k, size_t count, size_t n) {
    const ib_reduce_args g = {IB_REDUCE_SUM, n / count, count, 1, array[1], array[0]};
    k->reduce(&g, 0, 1);
}

static void run_max_rows(const ib_kernels *k, size_t count, size_t n) {
    const ib_reduce_args g = {IB_REDUCE_MAX, n / count, count, 1, array[1], array[0]};
    k->reduce(&g, 0, 1);
}

static void run_columns(const ib_kernels *k, size_t inner, size_t n) {
    const ib_reduce_lanes_args g = {16, n / inner / 16, inner, 8, array[1], array[0]};
    k->reduce_lanes(&g, 0, 1);
    k->lane_tree(array[0], array[0], 8, inner, 0, 1);
}

static void run_pool(const ib_kernels *k, size_t which, size_t n) {
    size_t c = 32, side = 16, images = n / (c * side * side);
    ib_pool_args g = {.n = images,
                      .d = 1,
                      .od = 1,
                      .kd = 1,
                      .sd = 1,
                      .h = side,
                      .w = side,
                      .c = c,
                      .oh = side / 2,
                      .ow = side / 2};
    g.kh = g.kw = g.sh = g.sw = 2;
    g.x = array[1];
    g.y = array[0];
    g.dy = which % 2 ? array[2] : NULL;
    g.hits = which < 2 ? (uint16_t *)(void *)array[3] : NULL;
    ib_k_pool_fn *const pools[] = {k->max_pool, k->max_pool_grad, k->avg_pool, k->avg_pool_grad};
    pools[which](&g, 0, 1);
}

static void run_transpose(const ib_kernels *k, size_t rows, size_t n) {
    k->transpose(array[1], array[0], 1, rows, n / rows, 0, 1);
}

static void run_uniform(const ib_kernels *k, size_t per_sample, size_t n) {
    const ib_stream_at at = {{1, 2}, 3, 4, 0, per_sample};
    k->uniform(array[0], &at, 0, n);
}

static double nanoseconds(const ib_kernels *k, const job *j) {
    size_t repeat = 1 + ((size_t)1 << 21) / j->n;
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now();
        for (size_t i = 0; i < repeat; i++)
            j->run(k, j->which, j->n);
        double each = (now() - start) / (double)(repeat * j->n);
        if (round == 0 || each < best) best = each;
    }
    sink = array[0][0];
    return best;
}

static void measure(const job *j, const char *wanted) {
    if (wanted && !strstr(j->name, wanted)) return;
    printf("%-28s %8zu", j->name, j->n);
    for (ib_isa isa = IB_ISA_REF; isa < IB_ISA_COUNT; isa++) {
        const ib_kernels *k = ib__kernels_for(isa);
        if (k)
            printf(" %9.4f", nanoseconds(k, j));
        else
            printf("         -");
    }
    printf("\n");
}

static void empty(void *context, size_t part, size_t worker) {
    (void)context;
    (void)part;
    (void)worker;
}

static void measure_pool(size_t threads) {
    ib_pool *pool;
    if (ib__pool_new(&pool, threads, NULL) != IB_OK) return;
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now();
        for (int i = 0; i < 2000; i++)
            ib__pool_run(pool, 2 * threads, empty, NULL);
        double each = (now() - start) / 2000;
        if (round == 0 || each < best) best = each;
    }
    printf("thread pool, %zu threads: %.2f us a run\n", threads, best / 1000);
    ib__pool_free(pool);
}

static const job jobs[] = {
    {"map copy", run_map, IB_MAP_copy, TILE},
    {"map add", run_map, IB_MAP_add, TILE},
    {"map add", run_map, IB_MAP_add, SLICE},
    {"map multiply", run_map, IB_MAP_multiply, TILE},
    {"map fma", run_map, IB_MAP_fma, TILE},
    {"map divide", run_map, IB_MAP_divide, TILE},
    {"map sqrt", run_map, IB_MAP_sqrt, TILE},
    {"map maximum", run_map, IB_MAP_maximum, TILE},
    {"map greater", run_map, IB_MAP_greater, TILE},
    {"map select", run_map, IB_MAP_select, TILE},
    {"map round", run_map, IB_MAP_round, TILE},
    {"map float_to_int", run_map, IB_MAP_float_to_int, TILE},
    {"sgd", run_update, 0, SLICE},
    {"sgd momentum", run_update, 1, SLICE},
    {"adam", run_update, 2, TILE},
    {"adam", run_update, 2, SLICE},
    {"adam", run_update, 2, LARGE},
    {"rmsprop", run_update, 3, SLICE},
    {"reduce sum, rows of 10", run_rows, 10, 10240},
    {"reduce sum, rows of 80", run_rows, 80, 10240},
    {"reduce sum, rows of 2048", run_rows, 2048, SLICE},
    {"reduce sum, one row", run_rows, LARGE, LARGE},
    {"reduce max, rows of 10", run_max_rows, 10, 10240},
    {"reduce max, rows of 80", run_max_rows, 80, 10240},
    {"reduce lanes, 16 columns", run_columns, 16, SLICE},
    {"reduce lanes, 32 columns", run_columns, 32, SLICE},
    {"reduce lanes, 64 columns", run_columns, 64, SLICE},
    {"reduce lanes, 512 columns", run_columns, 512, SLICE},
    {"reduce lanes, 16 columns", run_columns, 16, 1 << 20},
    {"max_pool 2x2", run_pool, 0, SLICE},
    {"max_pool_grad 2x2", run_pool, 1, SLICE},
    {"avg_pool 2x2", run_pool, 2, SLICE},
    {"avg_pool_grad 2x2", run_pool, 3, SLICE},
    {"max_pool 2x2", run_pool, 0, 1 << 21},
    {"max_pool_grad 2x2", run_pool, 1, 1 << 21},
    {"transpose 128 rows", run_transpose, 128, SLICE},
    {"transpose 512 rows", run_transpose, 512, 512 * 784},
    {"uniform", run_uniform, 512, SLICE},
    {"uniform, 10 a sample", run_uniform, 10, SLICE},
};

int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof array / sizeof *array; i++) {
        array[i] = ib__alloc(LARGE, sizeof(float));
        if (!array[i]) return 2;
        for (size_t j = 0; j < LARGE; j++)
            array[i][j] = (float)((j * 2654435761u + i * 40503u) % 1000003) * 1e-6f + 0.5f;
    }
    printf("%-28s %8s %9s %9s %9s   (ns an element)\n", "kernel", "n", "ref", "avx2", "avx512");
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++)
        measure(&jobs[i], argc > 1 ? argv[1] : NULL);
    for (size_t threads = 1; threads <= 4; threads++)
        measure_pool(threads);
    for (size_t i = 0; i < sizeof array / sizeof *array; i++)
        ib__free(array[i]);
    return 0;
}
