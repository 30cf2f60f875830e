/* SPDX-License-Identifier: Apache-2.0
 *
 * Speed of the convolution and its gradients on the layers of small networks, as a share of the FMA peak, for
 * one and two threads; best of many runs. One thread is timed by its CPU time, which a busy machine disturbs
 * less; two threads by the clock. Usage:
 * bench_conv [seconds a line [isa [number of a layer]]]
 */
#include "kernels/kernels.h"
#include "base/mem.h"
#include "base/pool.h"
#include "peak.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct layer {
    size_t n, size, ci, co, k, stride, pad, out, groups;
} layer;

static const layer layers[] = {
    {128, 28, 1, 32, 3, 1, 0, 26, 1},  {128, 13, 32, 64, 3, 1, 0, 11, 1}, {64, 32, 3, 16, 3, 1, 1, 32, 1},
    {64, 32, 16, 16, 3, 1, 1, 32, 1},  {64, 32, 16, 32, 3, 2, 0, 16, 1},  {64, 16, 32, 32, 3, 1, 1, 16, 1},
    {64, 16, 32, 64, 3, 2, 0, 8, 1},   {64, 8, 64, 64, 3, 1, 1, 8, 1},    {64, 32, 16, 32, 1, 2, 0, 16, 1},
    {64, 16, 32, 64, 1, 2, 0, 8, 1},   {32, 4, 256, 256, 3, 1, 1, 4, 1},  {8, 56, 64, 64, 3, 1, 1, 56, 1},
    {64, 16, 64, 64, 3, 1, 1, 16, 64},
};

static const char *const passes[] = {"forward", "grad_input", "grad_kernel"};

typedef struct work {
    ib_conv_args g;
    ib_k_conv_fn *run;
    size_t parts, scratch_size;
    char *scratch;
} work;

static void run_part(void *context, size_t part, size_t worker) {
    const work *w = context;
    w->run(&w->g, part, w->parts, w->scratch + worker * w->scratch_size, worker);
}

static float *values(size_t count) {
    float *x = ib__alloc(count, sizeof(float));
    if (!x) exit(1);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(i * 2654435761u % 2048) / 1024.0f - 1.0f;
    return x;
}

/* Multiplications of a pass: those of taps that lie inside the input. */
static double products(const layer *l) {
    size_t taps = 0;
    for (size_t i = 0; i < l->out; i++)
        for (size_t a = 0; a < l->k; a++) {
            size_t padded = i * l->stride + a;
            taps += padded >= l->pad && padded - l->pad < l->size;
        }
    return (double)(taps * taps) * (double)(l->n * l->ci / l->groups * l->co);
}

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Best GFLOP/s of runs during `seconds`. The arrays: x, dk's size, dy's size, in the roles of the pass. */
static double measure(const ib_kernels *k, const layer *l, int pass, ib_pool *pool, double seconds) {
    float *x = values(l->n * l->size * l->size * l->ci), *y = values(l->n * l->out * l->out * l->co);
    float *weights = values(l->k * l->k * l->ci / l->groups * l->co);
    work w = {.g = {.n = l->n,
                    .h = l->size,
                    .w = l->size,
                    .ci = l->ci,
                    .oh = l->out,
                    .ow = l->out,
                    .co = l->co,
                    .kh = l->k,
                    .kw = l->k,
                    .sh = l->stride,
                    .sw = l->stride,
                    .d = 1,
                    .od = 1,
                    .kd = 1,
                    .sd = 1,
                    .dd = 1,
                    .dh = 1,
                    .dw = 1,
                    .ph = l->pad,
                    .pw = l->pad,
                    .groups = l->groups,
                    .lanes = l->n >= 128 ? 8 : l->n / 16}};
    w.g.x = pass == 1 ? y : x;
    w.g.k = pass == 2 ? y : weights;
    w.g.y = pass == 0 ? y : pass == 1 ? x : weights;
    w.run = pass == 0 ? k->conv : pass == 1 ? k->conv_grad_input : k->conv_grad_kernel;
    size_t threads = ib__pool_threads(pool);
    w.parts = pass == 2 || threads == 1 ? threads : 4 * threads;
    size_t size = pass == 0   ? k->conv_scratch(&w.g, w.parts)
                  : pass == 1 ? k->conv_grad_input_scratch(&w.g, w.parts)
                              : k->conv_grad_kernel_scratch(&w.g, w.parts);
    w.scratch_size = (size + 63) / 64 * 64;
    w.scratch = ib__alloc(threads, w.scratch_size);
    if (!w.scratch) exit(1);
    double best = INFINITY, end = ib_seconds() + seconds;
    for (int run = 0; run < 3 || ib_seconds() < end; run++) {
        double start = threads == 1 ? cpu_seconds() : ib_seconds();
        ib__pool_run(pool, w.parts, run_part, &w);
        best = fmin(best, (threads == 1 ? cpu_seconds() : ib_seconds()) - start);
    }
    ib__free(x);
    ib__free(y);
    ib__free(weights);
    ib__free(w.scratch);
    return 2.0 * products(l) / best * 1e-9;
}

static void table(ib_isa isa, ib_pool *one, ib_pool *two, double seconds, size_t first, size_t end) {
    const ib_kernels *kernels = ib__kernels_for(isa);
    if (!kernels) return;
    double peak = ib_peak_gflops(isa);
    printf("%s: FMA peak of one thread %.1f GFLOP/s\n", ib__isa_name(isa), peak);
    printf("   n size  ci   co k s groups  pass            1 thread          2 threads\n");
    for (size_t i = first; i < end; i++)
        for (int pass = 0; pass < 3; pass++) {
            const layer *l = &layers[i];
            double single = measure(kernels, l, pass, one, seconds);
            double twin = measure(kernels, l, pass, two, seconds);
            printf("%4zu %4zu %3zu %4zu %zu %zu %6zu  %-11s  %7.1f (%5.1f %%)  %7.1f (%5.1f %%)\n", l->n,
                   l->size, l->ci, l->co, l->k, l->stride, l->groups, passes[pass], single,
                   100 * single / peak, twin, 50 * twin / peak);
            fflush(stdout);
        }
}

int main(int argc, char **argv) {
    double seconds = argc > 1 ? atof(argv[1]) : 0.2;
    ib_isa only = IB_ISA_COUNT;
    if (argc > 2 && !ib__isa_parse(argv[2], &only)) return 2;
    size_t first = 0, end = sizeof layers / sizeof *layers;
    if (argc > 3) {
        first = strtoull(argv[3], NULL, 10);
        if (first >= end) return 2;
        end = first + 1;
    }
    ib_pool *one, *two;
    if (ib__pool_new(&one, 1, NULL) != IB_OK || ib__pool_new(&two, 2, NULL) != IB_OK) return 1;
    for (int isa = IB_ISA_AVX512; isa >= IB_ISA_AVX2; isa--)
        if (only == IB_ISA_COUNT || only == (ib_isa)isa) table((ib_isa)isa, one, two, seconds, first, end);
    ib__pool_free(one);
    ib__pool_free(two);
    return 0;
}
