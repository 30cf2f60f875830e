/* SPDX-License-Identifier: Apache-2.0
 *
 * Nanoseconds an element of the elementary functions, over 1024 elements in L1: the best of many runs.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <time.h>

#include "kernels/kernels.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double measure(ib_map_fn *f, const float *x, float *y, size_t n) {
    double best = 1;
    for (int run = 0; run < 200; run++) {
        enum { TIMES = 20 };
        double start = now();
        for (int i = 0; i < TIMES; i++) {
            f(y, x, NULL, NULL, n);
        }
        double t = (now() - start) / (TIMES * (double)n);
        best = t < best ? t : best;
    }
    return best * 1e9;
}

int main(void) {
    enum { N = 1024 };
    static const struct {
        const char *name;
        ib_map_op op;
        float low, high;
    } ops[] = {{"exp", IB_MAP_exp, -10, 10},           {"expm1", IB_MAP_expm1, -4, 4},
               {"log", IB_MAP_log, 0.01f, 10},         {"log1p", IB_MAP_log1p, -0.9f, 4},
               {"tanh", IB_MAP_tanh, -4, 4},           {"logistic", IB_MAP_logistic, -8, 8},
               {"softplus", IB_MAP_softplus, -8, 8},   {"erf", IB_MAP_erf, -3, 3},
               {"rsqrt", IB_MAP_rsqrt, 0.001f, 100.0f}};
    static float x[N], y[N];
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        for (size_t j = 0; j < N; j++) {
            x[j] = ops[i].low + (ops[i].high - ops[i].low) * ((float)(j * 619 % N) / N);
        }
        printf("%-9s", ops[i].name);
        for (int isa = IB_ISA_COUNT - 1; isa >= 0; isa--) {
            const ib_kernels *k = ib__kernels_for((ib_isa)isa);
            if (k != NULL) {
                printf("  %s %7.2f ns", ib__isa_name((ib_isa)isa), measure(k->map[ops[i].op], x, y, N));
            }
        }
        printf("\n");
    }
    return 0;
}
