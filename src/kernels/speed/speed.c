/* SPDX-License-Identifier: Apache-2.0
 *
 * Times kernels: many short runs, of which the best counts.
 */
#include "kernels/speed/speed.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#include "base/mem.h"

const ib_product_shape ib__product_shapes[] = {
    {128, 512, 784, false, false, 1},    {128, 512, 512, false, false, 1},
    {128, 10, 512, false, false, 1},     {784, 512, 128, true, false, 8},
    {512, 512, 128, true, false, 8},     {512, 10, 128, true, false, 8},
    {128, 784, 512, false, true, 1},     {128, 512, 10, false, true, 1},
    {256, 256, 256, false, false, 1},    {1024, 1024, 1024, false, false, 1},
    {2048, 2048, 2048, false, false, 1}, {2560, 1024, 256, false, false, 1},
    {2560, 2000, 256, false, false, 1},  {512, 512, 10240, true, false, 8},
    {32, 512, 128, false, false, 1},     {128, 10, 1600, false, false, 1},
    {128, 1, 512, false, false, 1},      {1, 512, 512, false, false, 1},
};
const size_t ib__product_shapes_count = sizeof ib__product_shapes / sizeof *ib__product_shapes;

const ib_conv_shape ib__conv_shapes[] = {
    {128, 28, 1, 32, 3, 1, 0, 26, 1},  {128, 13, 32, 64, 3, 1, 0, 11, 1}, {64, 32, 3, 16, 3, 1, 1, 32, 1},
    {64, 32, 16, 16, 3, 1, 1, 32, 1},  {64, 32, 16, 32, 3, 2, 0, 16, 1},  {64, 16, 32, 32, 3, 1, 1, 16, 1},
    {64, 16, 32, 64, 3, 2, 0, 8, 1},   {64, 8, 64, 64, 3, 1, 1, 8, 1},    {64, 32, 16, 32, 1, 2, 0, 16, 1},
    {64, 16, 32, 64, 1, 2, 0, 8, 1},   {32, 4, 256, 256, 3, 1, 1, 4, 1},  {8, 56, 64, 64, 3, 1, 1, 56, 1},
    {64, 16, 64, 64, 3, 1, 1, 16, 64},
};
const size_t ib__conv_shapes_count = sizeof ib__conv_shapes / sizeof *ib__conv_shapes;

const char *const ib__conv_pass_names[IB_CONV_PASSES] = {"forward", "grad_input", "grad_kernel"};

static double now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double ib__seconds(void) {
    return now(CLOCK_MONOTONIC);
}

#define PEAK_CHAINS 12 /* independent chains, more than latency times throughput of any known CPU */

/* One call does `rounds` FMAs on each of 12 vectors. The empty assembler lines hide from the compiler that
 * all chains are equal and that nobody looks at them. */
#ifdef IB_X86
#include <immintrin.h>
#define PEAK_EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define PEAK_LOOP(type, zero, fmadd)                                                                         \
    type x = zero, acc[PEAK_CHAINS];                                                                         \
    PEAK_EACH(PEAK_ZERO)                                                                                     \
    for (size_t r = rounds; r; r--) {                                                                        \
        __asm__ volatile("" : "+x"(x));                                                                      \
        PEAK_EACH(fmadd)                                                                                     \
    }                                                                                                        \
    PEAK_EACH(PEAK_KEEP)
#define PEAK_ZERO(i)                                                                                         \
    acc[i] = x;                                                                                              \
    __asm__ volatile("" : "+x"(acc[i]));
#define PEAK_KEEP(i) __asm__ volatile("" ::"x"(acc[i]));
#define PEAK_FMA256(i) acc[i] = _mm256_fmadd_ps(x, x, acc[i]);
#define PEAK_FMA512(i) acc[i] = _mm512_fmadd_ps(x, x, acc[i]);

__attribute__((target("avx2,fma"))) static void peak_avx2(size_t rounds) {
    PEAK_LOOP(__m256, _mm256_setzero_ps(), PEAK_FMA256)
}

__attribute__((target("avx512f"))) static void peak_avx512(size_t rounds) {
    PEAK_LOOP(__m512, _mm512_setzero_ps(), PEAK_FMA512)
}
#endif

enum { PEAK_ROUNDS = 100000, PEAK_RUNS = 200 };

static void peak_part(void *context, size_t part, size_t worker) {
    const ib_isa isa = *(const ib_isa *)context;
    (void)part;
    (void)worker;
#ifdef IB_X86
    if (isa == IB_ISA_AVX2) peak_avx2(PEAK_ROUNDS);
    if (isa == IB_ISA_AVX512) peak_avx512(PEAK_ROUNDS);
#else
    (void)isa;
#endif
}

double ib__peak_gflops(ib_isa isa, ib_pool *pool) {
    const size_t threads = ib__pool_threads(pool);
    const double floats = isa == IB_ISA_AVX512 ? 16 : isa == IB_ISA_AVX2 ? 8 : 0;
    double best = HUGE_VAL;
    for (int run = 0; run < PEAK_RUNS; run++) {
        double start = ib__seconds();
        ib__pool_run(pool, threads, peak_part, &isa);
        best = fmin(best, ib__seconds() - start);
    }
    return 2 * PEAK_CHAINS * floats * PEAK_ROUNDS * (double)threads / best * 1e-9;
}

float *ib__speed_values(size_t count) {
    float *x = ib__alloc(count, sizeof(float));
    for (size_t i = 0; x != NULL && i < count; i++)
        x[i] = (float)(i * 2654435761u % 2048) / 1024.0f - 1.0f;
    return x;
}

/* A kernel with its arguments, as the pool runs it. */
typedef struct job {
    const ib_kernels *kernels;
    ib_pool *pool;
    ib_gemm_args product;
    ib_conv_args conv;
    ib_k_conv_fn *run_conv; /* NULL: the product */
    size_t parts, scratch_size;
    char *scratch;
} job;

static void run_part(void *context, size_t part, size_t worker) {
    const job *j = context;
    char *scratch = j->scratch + worker * j->scratch_size;
    if (j->run_conv != NULL)
        j->run_conv(&j->conv, part, j->parts, scratch, worker);
    else
        j->kernels->gemm(&j->product, part, j->parts, scratch, worker);
}

double ib__best_seconds(void (*run)(void *context), void *context, size_t threads, double seconds) {
    clockid_t clock = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    double best = HUGE_VAL, end = ib__seconds() + seconds;
    for (int n = 0; n < 3 || ib__seconds() < end; n++) {
        double start = now(clock);
        run(context);
        double spent = now(clock) - start; /* 0: less than this clock can tell */
        if (spent > 0) best = fmin(best, spent);
    }
    return best;
}

static void run_job(void *context) {
    job *j = context;
    ib__pool_run(j->pool, j->parts, run_part, j);
}

/* The job's best seconds; infinity: no memory for its scratch of `size` a thread. */
static double best_of(job *j, size_t size, double seconds) {
    size_t threads = ib__pool_threads(j->pool);
    j->scratch_size = (size + 63) / 64 * 64;
    j->scratch = ib__alloc(threads, j->scratch_size > 0 ? j->scratch_size : 64);
    double best = j->scratch != NULL ? ib__best_seconds(run_job, j, threads, seconds) : HUGE_VAL;
    ib__free(j->scratch);
    return best;
}

/* The arguments, without the arrays. */
static ib_gemm_args product_args(const ib_product_shape *s) {
    return (ib_gemm_args){.m = s->m,
                          .n = s->n,
                          .k = s->k,
                          .a_row = s->a_transposed ? 1 : s->k,
                          .a_col = s->a_transposed ? s->m : 1,
                          .b_row = s->b_transposed ? 1 : s->n,
                          .b_col = s->b_transposed ? s->k : 1,
                          .c_row = s->n,
                          .lanes = s->lanes,
                          .samples = s->lanes > 1 ? 128 : 1};
}

void ib__product_way(const ib_kernels *kernels, const ib_product_shape *s, size_t threads,
                     char text[IB_WAY_TEXT]) {
    ib_gemm_args g = s ? product_args(s) : (ib_gemm_args){0};
    kernels->gemm_way(s ? &g : NULL, threads, text);
}

double ib__product_gflops(const ib_kernels *kernels, const ib_product_shape *s, ib_pool *pool,
                          double seconds) {
    float *a = ib__speed_values(s->m * s->k), *b = ib__speed_values(s->k * s->n);
    float *c = ib__speed_values(s->m * s->n);
    job j = {.kernels = kernels, .pool = pool, .parts = ib__pool_threads(pool), .product = product_args(s)};
    j.product.a = a;
    j.product.b = b;
    j.product.c = c;
    double best = HUGE_VAL;
    if (a != NULL && b != NULL && c != NULL)
        best = best_of(&j, kernels->gemm_scratch(&j.product, j.parts), seconds);
    ib__free(a);
    ib__free(b);
    ib__free(c);
    return 2.0 * (double)s->m * (double)s->n * (double)s->k / best * 1e-9;
}

double ib__conv_products(const ib_conv_shape *s) {
    size_t taps = 0;
    for (size_t i = 0; i < s->out; i++)
        for (size_t a = 0; a < s->k; a++) {
            size_t padded = i * s->stride + a;
            taps += padded >= s->pad && padded - s->pad < s->size;
        }
    size_t each = s->n * (s->ci / s->groups) * s->co;
    return (double)(taps * taps) * (double)each;
}

/* The arguments of a pass; x, weights and y in the roles that it gives them. */
static ib_conv_args conv_args(const ib_conv_shape *s, ib_conv_pass pass, float *x, float *weights, float *y) {
    ib_conv_args g = {.n = s->n,
                      .h = s->size,
                      .w = s->size,
                      .ci = s->ci,
                      .oh = s->out,
                      .ow = s->out,
                      .co = s->co,
                      .kh = s->k,
                      .kw = s->k,
                      .sh = s->stride,
                      .sw = s->stride,
                      .d = 1,
                      .od = 1,
                      .kd = 1,
                      .sd = 1,
                      .dd = 1,
                      .dh = 1,
                      .dw = 1,
                      .ph = s->pad,
                      .pw = s->pad,
                      .groups = s->groups,
                      .lanes = s->n >= 128  ? 8
                               : s->n >= 32 ? s->n / 16
                                            : 1};
    g.x = pass == IB_CONV_GRAD_INPUT ? y : x;
    g.k = pass == IB_CONV_GRAD_KERNEL ? y : weights;
    g.y = pass == IB_CONV_FORWARD ? y : pass == IB_CONV_GRAD_INPUT ? x : weights;
    return g;
}

void ib__product_text(const ib_product_shape *s, char text[IB_SHAPE_TEXT]) {
    if (s == NULL)
        (void)snprintf(text, IB_SHAPE_TEXT, "product: m, n, k; t: transposed; lanes");
    else
        (void)snprintf(text, IB_SHAPE_TEXT, "%5zu %5zu %6zu  %c %c %2zu", s->m, s->n, s->k,
                       s->a_transposed ? 't' : '-', s->b_transposed ? 't' : '-', s->lanes);
}

void ib__conv_text(const ib_conv_shape *s, ib_conv_pass pass, char text[IB_SHAPE_TEXT]) {
    if (s == NULL)
        (void)snprintf(text, IB_SHAPE_TEXT, "convolution: n, size, ci, co, kernel, stride, groups");
    else
        (void)snprintf(text, IB_SHAPE_TEXT, "%4zu %3zu %4zu %4zu %zu %zu %3zu %s", s->n, s->size, s->ci,
                       s->co, s->k, s->stride, s->groups, ib__conv_pass_names[pass]);
}

static size_t conv_scratch(const ib_kernels *k, const ib_conv_args *g, ib_conv_pass pass, size_t parts) {
    return pass == IB_CONV_FORWARD      ? k->conv_scratch(g, parts)
           : pass == IB_CONV_GRAD_INPUT ? k->conv_grad_input_scratch(g, parts)
                                        : k->conv_grad_kernel_scratch(g, parts);
}

/* In how many parts a pass runs; small ones, so that a thread on a slower core gets fewer. */
static size_t conv_parts(ib_conv_pass pass, size_t threads) {
    return pass == IB_CONV_GRAD_KERNEL || threads == 1 ? threads : 4 * threads;
}

bool ib__convolution_way(const ib_kernels *k, const ib_conv_shape *s, ib_conv_pass pass, size_t threads,
                         char text[IB_WAY_TEXT]) {
    if (s == NULL) {
        k->conv_way(NULL, threads, NULL, text);
        return true;
    }
    ib_conv_args g = conv_args(s, pass, NULL, NULL, NULL);
    size_t parts = conv_parts(pass, threads);
    void *scratch = ib__alloc(conv_scratch(k, &g, pass, parts) + 1, 1);
    if (scratch == NULL) return false;
    ib_k_conv_way_fn *way = pass == IB_CONV_FORWARD      ? k->conv_way
                            : pass == IB_CONV_GRAD_INPUT ? k->conv_grad_input_way
                                                         : k->conv_grad_kernel_way;
    way(&g, parts, scratch, text);
    ib__free(scratch);
    return true;
}

double ib__conv_gflops(const ib_kernels *k, const ib_conv_shape *s, ib_conv_pass pass, ib_pool *pool,
                       double seconds) {
    float *x = ib__speed_values(s->n * s->size * s->size * s->ci);
    float *y = ib__speed_values(s->n * s->out * s->out * s->co);
    float *weights = ib__speed_values(s->k * s->k * s->ci / s->groups * s->co);
    size_t threads = ib__pool_threads(pool);
    job j = {.kernels = k,
             .pool = pool,
             .conv = conv_args(s, pass, x, weights, y),
             .run_conv = pass == IB_CONV_FORWARD      ? k->conv
                         : pass == IB_CONV_GRAD_INPUT ? k->conv_grad_input
                                                      : k->conv_grad_kernel,
             .parts = conv_parts(pass, threads)};
    double best = HUGE_VAL;
    if (x != NULL && y != NULL && weights != NULL)
        best = best_of(&j, conv_scratch(k, &j.conv, pass, j.parts), seconds);
    ib__free(x);
    ib__free(y);
    ib__free(weights);
    return 2.0 * ib__conv_products(s) / best * 1e-9;
}
