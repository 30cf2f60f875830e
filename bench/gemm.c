/* SPDX-License-Identifier: Apache-2.0
 *
 * Speed of the matrix product on the shapes of dense layers and their gradients, as a share of the FMA peak,
 * for one and two threads; best of many runs. Usage: bench_gemm [seconds a shape [isa]]
 */
#include "kernels/kernels.h"
#include "base/mem.h"
#include "base/pool.h"
#include "peak.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct shape {
    size_t m, n, k;
    bool a_transposed, b_transposed;
    size_t lanes;
} shape;

static const shape shapes[] = {
    {128, 512, 784, false, false, 1},    {128, 512, 512, false, false, 1},
    {128, 10, 512, false, false, 1},     {784, 512, 128, true, false, 8},
    {512, 512, 128, true, false, 8},     {512, 10, 128, true, false, 8},
    {128, 784, 512, false, true, 1},     {128, 512, 10, false, true, 1},
    {1024, 1024, 1024, false, false, 1}, {2560, 1024, 256, false, false, 1},
    {512, 512, 10240, true, false, 8},   {32, 512, 128, false, false, 1},
    {128, 10, 1600, false, false, 1},    {128, 1, 512, false, false, 1},
    {1, 512, 512, false, false, 1},
};

typedef struct work {
    const ib_kernels *kernels;
    ib_gemm_args g;
    size_t parts, scratch_size;
    char *scratch;
} work;

static void run_part(void *context, size_t part, size_t worker) {
    const work *w = context;
    w->kernels->gemm(&w->g, part, w->parts, w->scratch + worker * w->scratch_size, worker);
}

static float *values(size_t count) {
    float *x = ib__alloc(count, sizeof(float));
    if (!x) exit(1);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(i * 2654435761u % 2048) / 1024.0f - 1.0f;
    return x;
}

/* Best GFLOP/s of runs during `seconds`. */
static double measure(const ib_kernels *kernels, const shape *s, ib_pool *pool, double seconds) {
    float *a = values(s->m * s->k), *b = values(s->k * s->n), *c = values(s->m * s->n);
    work w = {.kernels = kernels,
              .parts = ib__pool_threads(pool),
              .g = {.m = s->m,
                    .n = s->n,
                    .k = s->k,
                    .a = a,
                    .a_row = s->a_transposed ? 1 : s->k,
                    .a_col = s->a_transposed ? s->m : 1,
                    .b = b,
                    .b_row = s->b_transposed ? 1 : s->n,
                    .b_col = s->b_transposed ? s->k : 1,
                    .c = c,
                    .c_row = s->n,
                    .lanes = s->lanes,
                    .samples = s->lanes > 1 ? 128 : 1}};
    w.scratch_size = (kernels->gemm_scratch(&w.g, w.parts) + 63) / 64 * 64;
    w.scratch = ib__alloc(w.parts, w.scratch_size);
    if (!w.scratch) exit(1);
    double best = INFINITY, end = ib_seconds() + seconds;
    for (int run = 0; run < 3 || ib_seconds() < end; run++) {
        double start = ib_seconds();
        ib__pool_run(pool, w.parts, run_part, &w);
        best = fmin(best, ib_seconds() - start);
    }
    ib__free(a);
    ib__free(b);
    ib__free(c);
    ib__free(w.scratch);
    return 2.0 * (double)s->m * (double)s->n * (double)s->k / best * 1e-9;
}

static void table(ib_isa isa, ib_pool *one, ib_pool *two, double seconds) {
    const ib_kernels *kernels = ib__kernels_for(isa);
    if (!kernels) return;
    double peak = ib_peak_gflops(isa);
    printf("%s: FMA peak of one thread %.1f GFLOP/s\n", ib__isa_name(isa), peak);
    printf("     m    n     k  a b lanes    1 thread          2 threads\n");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const shape *s = &shapes[i];
        double first = measure(kernels, s, one, seconds), second = measure(kernels, s, two, seconds);
        printf("%6zu %4zu %5zu  %c %c %3zu  %7.1f (%5.1f %%)  %7.1f (%5.1f %%)\n", s->m, s->n, s->k,
               s->a_transposed ? 't' : '-', s->b_transposed ? 't' : '-', s->lanes, first, 100 * first / peak,
               second, 50 * second / peak);
    }
}

int main(int argc, char **argv) {
    double seconds = argc > 1 ? atof(argv[1]) : 0.2;
    ib_isa only = IB_ISA_COUNT;
    if (argc > 2 && !ib__isa_parse(argv[2], &only)) return 2;
    ib_pool *one, *two;
    if (ib__pool_new(&one, 1, NULL) != IB_OK || ib__pool_new(&two, 2, NULL) != IB_OK) return 1;
    for (int isa = IB_ISA_AVX512; isa >= IB_ISA_AVX2; isa--)
        if (only == IB_ISA_COUNT || only == (ib_isa)isa) table((ib_isa)isa, one, two, seconds);
    ib__pool_free(one);
    ib__pool_free(two);
    return 0;
}
