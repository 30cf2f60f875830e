/* SPDX-License-Identifier: Apache-2.0
 *
 * NumPy's normal and exponential numbers: RandomState's by G. Marsaglia's polar method and by inversion,
 * Generator's by the ziggurat method (G. Marsaglia, W. Tsang, "The ziggurat method for generating random
 * variables", Journal of Statistical Software 5 (2000)). log and log1p have the bits of the C library's, as
 * they stand in results; exp is compared with only.
 */
#include <math.h>

#include "numerics/double.h"
#include "numerics/gnu_math.h"
#include "numerics/numpy.h"
#include "numerics/ziggurat.h"

/* Where the last layer ends and the tail begins. */
#define NORMAL_R 0x1.d3bb48209ad33p+1
#define NORMAL_MINUS_INVERSE_R (-0x1.183aa6c20e8c1p-2)
#define EXPONENTIAL_R 0x1.ec9d9297ebb83p+2

static double polar(ib_numpy *g) {
    if (g->has_gauss) {
        g->has_gauss = false;
        return g->gauss;
    }
    double x, y, square;
    do {
        x = 2.0 * ib__numpy_random(g) - 1.0;
        y = 2.0 * ib__numpy_random(g) - 1.0;
        square = x * x + y * y;
    } while (square >= 1.0 || square == 0.0);
    double factor = sqrt(-2.0 * ib__gnu_log(square) / square);
    g->has_gauss = true;
    g->gauss = factor * x;
    return factor * y;
}

/* A word is a layer (8 bits), a sign, and a place in the layer (52 bits). */
double ib__numpy_standard_normal(ib_numpy *g) {
    if (g->legacy) return polar(g);
    for (;;) {
        uint64_t word = ib__numpy_u64(g), place = word >> 9 & 0xfffffffffffffu;
        size_t layer = (size_t)(word & 0xff);
        double x = (double)place * normal_w[layer];
        if (word & 0x100u) x = -x;
        if (place < normal_k[layer]) return x;
        if (layer > 0) {
            double f = normal_f[layer];
            if ((normal_f[layer - 1] - f) * ib__numpy_random(g) + f < ib__double_exp(-0.5 * x * x)) return x;
            continue;
        }
        for (;;) {
            double a = NORMAL_MINUS_INVERSE_R * ib__gnu_log1p(-ib__numpy_random(g));
            double b = -ib__gnu_log1p(-ib__numpy_random(g));
            if (b + b > a * a) return place & 0x100u ? -(NORMAL_R + a) : NORMAL_R + a;
        }
    }
}

float ib__numpy_standard_normal_float(ib_numpy *g) {
    for (;;) {
        uint32_t word = ib__numpy_u32(g), place = word >> 9;
        size_t layer = word & 0xffu;
        float x = (float)place * normal_float_w[layer];
        if (word & 0x100u) x = -x;
        if (place < normal_float_k[layer]) return x;
        if (layer > 0) {
            float f = normal_float_f[layer];
            float height = (normal_float_f[layer - 1] - f) * ib__numpy_random_float(g) + f;
            if ((double)height < ib__double_exp(-0.5 * (double)x * (double)x)) return x;
            continue;
        }
        for (;;) {
            float a = (float)NORMAL_MINUS_INVERSE_R * ib__gnu_log1pf(-ib__numpy_random_float(g));
            float b = -ib__gnu_log1pf(-ib__numpy_random_float(g));
            if (b + b > a * a) return place & 0x100u ? -((float)NORMAL_R + a) : (float)NORMAL_R + a;
        }
    }
}

double ib__numpy_normal(ib_numpy *g, double mean, double deviation) {
    return mean + deviation * ib__numpy_standard_normal(g);
}

double ib__numpy_standard_exponential(ib_numpy *g) {
    if (g->legacy) return -ib__gnu_log(1.0 - ib__numpy_random(g));
    for (;;) {
        uint64_t word = ib__numpy_u64(g) >> 3, place = word >> 8;
        size_t layer = (size_t)(word & 0xff);
        double x = (double)place * exponential_w[layer];
        if (place < exponential_k[layer]) return x;
        if (layer == 0) return EXPONENTIAL_R - ib__gnu_log1p(-ib__numpy_random(g));
        double f = exponential_f[layer];
        if ((exponential_f[layer - 1] - f) * ib__numpy_random(g) + f < ib__double_exp(-x)) return x;
    }
}

float ib__numpy_standard_exponential_float(ib_numpy *g) {
    for (;;) {
        uint32_t word = ib__numpy_u32(g) >> 1, place = word >> 8;
        size_t layer = word & 0xffu;
        float x = (float)place * exponential_float_w[layer];
        if (place < exponential_float_k[layer]) return x;
        if (layer == 0) return (float)EXPONENTIAL_R - ib__gnu_log1pf(-ib__numpy_random_float(g));
        float f = exponential_float_f[layer];
        float height = (exponential_float_f[layer - 1] - f) * ib__numpy_random_float(g) + f;
        if (height < (float)ib__double_exp(-(double)x)) return x;
    }
}
