/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole training steps of two models built from ops alone: where the time goes. The best of several rounds is
 * printed. Usage: bench_step [mlp|cnn [threads [isa]]]
 */
#include "base/mem.h"
#include "graph/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 128, MAX_WEIGHTS = 16, ROUNDS = 20, RUNS = 20 };

typedef struct slot {
    ib_variable w;
    float *m, *v;
    ib_adam_args args;
} slot;

typedef struct model {
    ib_graph *g;
    slot weights[MAX_WEIGHTS];
    size_t n;
    ib_node x, y, loss;
} model;

static void update(void *context, const ib_kernels *kernels, const float *value, size_t start, size_t n) {
    slot *s = context;
    kernels->adam(s->w.data + start, s->m + start, s->v + start, NULL, value, n, &s->args);
}

static ib_node weight(model *m, int rank, const int64_t *dims) {
    slot *s = &m->weights[m->n++];
    s->w = (ib_variable){.path = "w", .shape = {.rank = rank}};
    size_t n = 1, fan = 1;
    for (int i = 0; i < rank; i++) {
        s->w.shape.dims[i] = dims[i];
        n *= (size_t)dims[i];
        if (i + 1 < rank) fan *= (size_t)dims[i];
    }
    s->w.data = ib__alloc(n, 4);
    s->m = ib__alloc(n, 4);
    s->v = ib__alloc(n, 4);
    uint64_t state = m->n;
    for (size_t i = 0; rank > 1 && i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        s->w.data[i] = ((float)(state >> 40) / 16777216.0f - 0.5f) * 2.0f / (float)fan * 8.0f;
    }
    s->args = (ib_adam_args){.alpha = 1e-3f, .c1 = 0.1f, .c2 = 0.001f, .eps = 1e-7f};
    return ib__op_variable(m->g, &s->w);
}

static ib_node dense(model *m, ib_node x, int64_t units) {
    ib_node w = weight(m, 2, (int64_t[]){ib__node_shape(m->g, x).dims[1], units});
    ib_node b = weight(m, 1, (int64_t[]){units});
    return ib__op_add(m->g, ib__op_matmul(m->g, x, w), b);
}

static ib_node dropout(model *m, ib_node x, float rate, uint32_t key) {
    ib_shape shape = ib__node_shape(m->g, x);
    ib_node u = ib__op_uniform(m->g, (uint32_t[]){key, 7}, &shape);
    ib_node keep = ib__op_map(m->g, IB_MAP_greater_equal, u, ib__op_constant(m->g, rate), IB_NO_NODE);
    return ib__op_select(m->g, keep, ib__op_scale(m->g, x, 1 / (1 - rate)), ib__op_constant(m->g, 0));
}

static ib_node conv(model *m, ib_node x, int64_t filters) {
    int64_t ci = ib__node_shape(m->g, x).dims[3];
    ib_window w = {.taps = {3, 3}, .strides = {1, 1}, .dilation = {1, 1}};
    ib_window pool = {.taps = {2, 2}, .strides = {2, 2}, .dilation = {1, 1}};
    ib_node k = weight(m, 4, (int64_t[]){3, 3, ci, filters}), b = weight(m, 1, &filters);
    ib_node y = ib__op_relu(m->g, ib__op_add(m->g, ib__op_convolution(m->g, x, k, &w, 1), b));
    return ib__op_max_pool(m->g, y, &pool);
}

static ib_node logits(model *m, const char *name) {
    ib_node x = m->x;
    if (strcmp(name, "mlp") == 0) {
        for (int i = 0; i < 2; i++)
            x = dropout(m, ib__op_relu(m->g, dense(m, x, 512)), 0.2f, (uint32_t)i);
    } else {
        x = ib__op_reshape(m->g, x, &(ib_shape){4, {BATCH, 28, 28, 1}});
        x = conv(m, ib__op_scale(m->g, x, 1 / 255.0f), 32);
        x = conv(m, x, 64);
        x = dropout(m, ib__op_reshape(m->g, x, &(ib_shape){2, {BATCH, -1}}), 0.5f, 9);
    }
    return dense(m, x, 10);
}

static void build(model *m, const char *name) {
    (void)ib__graph_new(&m->g, BATCH, 0, NULL);
    m->x = ib__op_input(m->g, "x", IB_TYPE_F32, &(ib_shape){2, {BATCH, 784}}, true);
    m->y = ib__op_input(m->g, "y", IB_TYPE_I32, &(ib_shape){2, {BATCH, 1}}, true);
    ib_node z = logits(m, name);
    ib_shape shape = ib__node_shape(m->g, z);
    ib_node s =
        ib__op_subtract(m->g, z, ib__op_stop_gradient(m->g, ib__op_reduce(m->g, IB_REDUCE_MAX, z, 2, true)));
    ib_node lse = ib__op_log(m->g, ib__op_reduce(m->g, IB_REDUCE_SUM, ib__op_exp(m->g, s), 2, true));
    ib_node hot = ib__op_convert(
        m->g, ib__op_map(m->g, IB_MAP_int_equal, m->y, ib__op_iota(m->g, &shape, 1), IB_NO_NODE),
        IB_TYPE_F32);
    ib_node rows = ib__op_subtract(
        m->g, lse, ib__op_reduce(m->g, IB_REDUCE_SUM, ib__op_multiply(m->g, s, hot), 2, true));
    m->loss = ib__op_mean(m->g, rows, 3, false);
    ib_node w[MAX_WEIGHTS], dw[MAX_WEIGHTS];
    for (size_t i = 0; i < m->n; i++)
        w[i] = ib__op_variable(m->g, &m->weights[i].w);
    ib__graph_gradients(m->g, &m->loss, NULL, 1, w, m->n, dw);
    for (size_t i = 0; i < m->n; i++)
        ib__graph_effect(m->g, dw[i], update, &m->weights[i]);
    ib__graph_output(m->g, m->loss);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "cnn";
    size_t threads = argc > 2 ? (size_t)atoi(argv[2]) : 0;
    ib_isa isa = ib__isa_default();
    if (argc > 3 && !ib__isa_parse(argv[3], &isa)) return 2;
    ib_error err = {0};
    ib_pool *pool;
    ib_plan *plan;
    model m = {0};
    build(&m, name);
    if (ib__pool_new(&pool, threads, &err) != IB_OK ||
        ib__plan_new(&plan, m.g, ib__kernels_for(isa), pool, &err) != IB_OK) {
        fprintf(stderr, "%s: %s\n", err.where, err.text);
        return 2;
    }
    float *x = ib__plan_input(plan, m.x);
    int32_t *y = ib__plan_input(plan, m.y);
    for (int i = 0; i < BATCH * 784; i++)
        x[i] = (float)(((unsigned)i * 2654435761u) >> 24);
    for (int i = 0; i < BATCH; i++)
        y[i] = i % 10;
    double best = 1e9;
    (void)ib__plan_time(plan, NULL);
    for (int r = 0; r < ROUNDS; r++) {
        double t = now();
        for (int i = 0; i < RUNS; i++)
            ib__plan_run(plan, &(ib_stream_at){.step = (uint32_t)i});
        t = (now() - t) / RUNS;
        if (t < best) best = t;
    }
    ib_buf out = {0};
    (void)ib__plan_print_times(plan, &out);
    printf("%s%s, %s, %zu threads: best %.3f ms a step, %.0f samples/s, loss %g, arena %.1f MB\n", out.data,
           name, ib__isa_name(isa), ib__pool_threads(pool), best * 1e3, BATCH / best,
           (double)*(const float *)ib__plan_value(plan, m.loss), (double)ib__plan_bytes(plan) / 1e6);
    ib__buf_free(&out);
    ib__plan_free(plan);
    ib__pool_free(pool);
    ib__graph_free(m.g);
    for (size_t i = 0; i < m.n; i++) {
        ib__free(m.weights[i].w.data);
        ib__free(m.weights[i].m);
        ib__free(m.weights[i].v);
    }
    return 0;
}
