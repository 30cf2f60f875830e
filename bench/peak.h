/* SPDX-License-Identifier: Apache-2.0
 *
 * The float32 FMA peak of one thread, measured in registers: what the tables of the benchmarks compare with.
 */
#ifndef IB_BENCH_PEAK_H
#define IB_BENCH_PEAK_H

#include "kernels/kernels.h"

#include <math.h>
#include <time.h>

#define IB_PEAK_CHAINS 12 /* independent chains, more than latency times throughput of any known CPU */

static inline double ib_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One call does `rounds` FMAs on each of 12 vectors. The empty assembler lines hide from the compiler that
 * all chains are equal and that nobody looks at them. */
#ifdef IB_X86
#include <immintrin.h>
#define IB_PEAK_EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define IB_PEAK_LOOP(type, zero, fmadd)                                                                      \
    type x = zero, acc[IB_PEAK_CHAINS];                                                                      \
    IB_PEAK_EACH(IB_PEAK_ZERO)                                                                               \
    for (size_t r = rounds; r; r--) {                                                                        \
        __asm__ volatile("" : "+x"(x));                                                                      \
        IB_PEAK_EACH(fmadd)                                                                                  \
    }                                                                                                        \
    IB_PEAK_EACH(IB_PEAK_KEEP)
#define IB_PEAK_ZERO(i)                                                                                      \
    acc[i] = x;                                                                                              \
    __asm__ volatile("" : "+x"(acc[i]));
#define IB_PEAK_KEEP(i) __asm__ volatile("" ::"x"(acc[i]));
#define IB_PEAK_FMA256(i) acc[i] = _mm256_fmadd_ps(x, x, acc[i]);
#define IB_PEAK_FMA512(i) acc[i] = _mm512_fmadd_ps(x, x, acc[i]);

__attribute__((target("avx2,fma"))) static inline void ib_peak_avx2(size_t rounds) {
    IB_PEAK_LOOP(__m256, _mm256_setzero_ps(), IB_PEAK_FMA256)
}

__attribute__((target("avx512f"))) static inline void ib_peak_avx512(size_t rounds) {
    IB_PEAK_LOOP(__m512, _mm512_setzero_ps(), IB_PEAK_FMA512)
}
#endif

/* GFLOP/s (an FMA is two) of the vectors this instruction set uses, best of many short runs; 0 for ref. */
static inline double ib_peak_gflops(ib_isa isa) {
    double best = INFINITY, floats = 0;
    const size_t rounds = 20000;
    for (int run = 0; run < 500; run++) {
        double start = ib_seconds();
#ifdef IB_X86
        if (isa == IB_ISA_AVX2) {
            ib_peak_avx2(rounds);
            floats = 8;
        }
        if (isa == IB_ISA_AVX512) {
            ib_peak_avx512(rounds);
            floats = 16;
        }
#endif
        best = fmin(best, ib_seconds() - start);
    }
    return 2 * IB_PEAK_CHAINS * floats * (double)rounds / best * 1e-9;
}

#endif
