/* SPDX-License-Identifier: Apache-2.0
 *
 * What the noise layers draw while training: distributions, whole channels, shared rows; the same bits
 * everywhere, others in another step or with another seed.
 */
#include <math.h>

#include "layers/run_layer.h"

enum { SAMPLES = 100, N = 40000 };

static float x[N], y[N], again[N];

static void moments(const float *v, size_t n, double *mean, double *variance) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)v[i];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += ((double)v[i] - *mean) * ((double)v[i] - *mean);
    *variance = squares / (double)n;
}

static layer_run of(const char *class_name, const char *yaml) {
    return (layer_run){.class_name = class_name,
                       .yaml = yaml,
                       .shape = {3, {SAMPLES, 20, N / SAMPLES / 20}},
                       .x = x,
                       .seed = 812,
                       .step = 3};
}

/* Bits are a function of seed and step; without training nothing happens. */
static void check_draws(const char *class_name, const char *yaml) {
    layer_run r = of(class_name, yaml);
    run_layer_everywhere(r, y, again, N);
    r.step = 4;
    run_layer(&r, again, N);
    assert_memory_not_equal(y, again, sizeof y);
    r.step = 3;
    r.seed = 813;
    run_layer(&r, again, N);
    assert_memory_not_equal(y, again, sizeof y);
    r.inference = true;
    run_layer(&r, again, N);
    assert_memory_equal(x, again, sizeof x);
}

static void test_gaussian(void **state) {
    (void)state;
    double mean, variance;
    for (size_t i = 0; i < N; i++)
        x[i] = 2.0f;
    check_draws("GaussianNoise", "{stddev: 0.5}");
    moments(y, N, &mean, &variance);
    assert_true(fabs(mean - 2) < 0.01 && fabs(variance - 0.25) < 0.006);
    size_t beyond = 0;
    for (size_t i = 0; i < N; i++)
        beyond += fabsf(y[i] - 2.0f) > 0.5f * 1.96f;
    assert_in_range(beyond, N / 20 - 200, N / 20 + 200);
    check_draws("GaussianDropout", "{rate: 0.2}");
    moments(y, N, &mean, &variance);
    assert_true(fabs(mean - 2) < 0.02 && fabs(variance - 4 * 0.25) < 0.03);
}

/* Mean 0 and variance 1 stay. */
static void test_alpha(void **state) {
    (void)state;
    double mean, variance;
    layer_run r = of("GaussianNoise", "{stddev: 1}");
    memset(x, 0, sizeof x);
    run_layer(&r, y, N);
    memcpy(x, y, sizeof x);
    check_draws("AlphaDropout", "{rate: 0.3}");
    moments(y, N, &mean, &variance);
    assert_true(fabs(mean) < 0.02 && fabs(variance - 1) < 0.03);
    const double low = -1.6732632423543772 * 1.0507009873554805;
    double a = 1 / sqrt(0.7 * (1 + 0.3 * low * low));
    float value = (float)low * (float)a + (float)(-a * low * 0.3);
    size_t dropped = 0;
    for (size_t i = 0; i < N; i++)
        dropped += y[i] == value;
    assert_in_range(dropped, N * 3 / 10 - 400, N * 3 / 10 + 400);
}

/* Elements with the same coordinates along the kept axes share their fate. */
static void check_shared(const char *class_name, const char *yaml, ib_shape shape, unsigned kept,
                         double rate) {
    layer_run r = of(class_name, yaml);
    r.shape = shape;
    for (size_t i = 0; i < N; i++)
        x[i] = 1.0f;
    run_layer_everywhere(r, y, again, N);
    size_t groups = 0, zeros = 0, n = (size_t)ib__shape_elements(&shape);
    static signed char fate[N];
    memset(fate, -1, sizeof fate);
    for (size_t i = 0; i < n; i++) {
        size_t rest = i, group = 0, size = 1;
        for (int d = shape.rank; d-- > 0;) {
            size_t at = rest % (size_t)shape.dims[d];
            rest /= (size_t)shape.dims[d];
            if (!(kept >> d & 1)) continue;
            group += at * size;
            size *= (size_t)shape.dims[d];
        }
        signed char now = y[i] != 0.0f;
        if (fate[group] < 0) {
            groups++;
            zeros += !now;
            assert_true(!now || y[i] == (float)(1.0 / (1.0 - rate)));
        }
        assert_true(fate[group] < 0 || fate[group] == now);
        fate[group] = now;
    }
    double share = (double)zeros / (double)groups;
    if (fabs(share - rate) > 4 * sqrt(rate * (1 - rate) / (double)groups))
        fail_msg("%s: %zu of %zu groups dropped", class_name, zeros, groups);
}

static void test_shared(void **state) {
    (void)state;
    check_shared("SpatialDropout1D", "{rate: 0.4}", (ib_shape){3, {100, 5, 60}}, 5, 0.4);
    check_shared("SpatialDropout2D", "{rate: 0.4}", (ib_shape){4, {100, 3, 4, 30}}, 9, 0.4);
    check_shared("SpatialDropout2D", "{rate: 0.25, data_format: channels_first}",
                 (ib_shape){4, {100, 30, 3, 4}}, 3, 0.25);
    check_shared("SpatialDropout3D", "{rate: 0.4}", (ib_shape){5, {50, 2, 3, 2, 40}}, 17, 0.4);
    check_shared("Dropout", "{rate: 0.4, noise_shape: [null, 1, null]}", (ib_shape){3, {100, 5, 60}}, 5, 0.4);
    check_shared("Dropout", "{rate: 0.4, noise_shape: [1, null, 60]}", (ib_shape){3, {7, 20, 60}}, 6, 0.4);
    check_shared("Dropout", "{rate: 0.4, noise_shape: [100, 20, 1]}", (ib_shape){3, {100, 20, 3}}, 3, 0.4);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gaussian), cmocka_unit_test(test_alpha),
                                       cmocka_unit_test(test_shared)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
