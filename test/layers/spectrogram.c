/* SPDX-License-Identifier: Apache-2.0
 *
 * STFTSpectrogram: both data formats hold the same numbers. MelSpectrogram: a sample's bits do not depend on
 * the batch, although top_db counts from a largest place.
 */
#include <math.h>

#include "layers/run_layer.h"

enum { N = 3, T = 40, C = 2, FRAMES = 9, F = 5, ROOM = N * FRAMES * F * C };

static float x[N * T * C], y[ROOM], z[ROOM], again[ROOM];

static void fill(void) {
    for (size_t i = 0; i < N * T * C; i++)
        x[i] = (float)(i * 7919 % 101) / 50 - 1;
}

static void swap_axes(void) {
    static float other[N * T * C];
    for (size_t n = 0; n < N; n++)
        for (size_t t = 0; t < T; t++)
            for (size_t c = 0; c < C; c++)
                other[(n * C + c) * T + t] = x[(n * T + t) * C + c];
    memcpy(x, other, sizeof x);
}

static void test_formats(void **state) {
    (void)state;
    size_t compared = 0;
    for (int expand = 0; expand < 2; expand++) {
        char yaml[160];
        layer_run r = {.class_name = "STFTSpectrogram", .yaml = yaml, .x = x, .weights = NAN};
        const char *form =
            "{mode: magnitude, frame_length: 8, frame_step: 4, data_format: %s, expand_dims: %s}";
        fill();
        r.shape = (ib_shape){3, {N, T, C}};
        snprintf(yaml, sizeof yaml, form, "channels_last", expand ? "true" : "false");
        ib_shape last = run_layer_everywhere(r, y, again, ROOM);
        swap_axes();
        r.shape = (ib_shape){3, {N, C, T}};
        snprintf(yaml, sizeof yaml, form, "channels_first", expand ? "true" : "false");
        ib_shape first = run_layer_everywhere(r, z, again, ROOM);
        ib_shape wanted[2][2] = {{{3, {N, FRAMES, C * F}}, {3, {N, C * F, FRAMES}}},
                                 {{4, {N, FRAMES, F, C}}, {4, {N, C, FRAMES, F}}}};
        assert_true(ib__shape_equal(&last, &wanted[expand][0]));
        assert_true(ib__shape_equal(&first, &wanted[expand][1]));
        for (size_t i = 0; i < ROOM; i++) { /* i counts n, channel, frame, frequency */
            size_t f = i % F, t = i / F % FRAMES, c = i / F / FRAMES % C, n = i / F / FRAMES / C;
            size_t a = (n * FRAMES + t) * C * F + (expand ? f * C + c : c * F + f);
            size_t b = expand ? i : ((n * C + c) * F + f) * FRAMES + t;
            assert_true(y[a] == z[b] && y[a] > 0);
            compared++;
        }
    }
    assert_int_equal(compared, 2 * ROOM);
}

static void test_samples(void **state) {
    (void)state;
    enum { BANDS = 4, EACH = BANDS * (T * C / 8 + 1) };
    layer_run r = {.class_name = "MelSpectrogram",
                   .yaml = "{fft_length: 16, sequence_stride: 8, num_mel_bins: 4, top_db: 6}",
                   .shape = {2, {N, T * C}},
                   .x = x};
    fill();
    for (size_t i = 0; i < T * C; i++)
        x[i] *= 100;
    ib_shape shape = run_layer_everywhere(r, y, again, ROOM), wanted = {3, {N, BANDS, EACH / BANDS}};
    assert_true(ib__shape_equal(&shape, &wanted));
    r.shape.dims[0] = 1;
    for (size_t n = 0; n < N; n++) {
        r.x = x + n * T * C;
        run_layer(&r, z, ROOM);
        assert_memory_equal(z, y + n * EACH, EACH * sizeof *z);
        float low = z[0], high = z[0];
        for (size_t i = 0; i < EACH; i++) {
            low = fminf(low, z[i]);
            high = fmaxf(high, z[i]);
        }
        assert_true(low == high - 6.0f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_formats), cmocka_unit_test(test_samples)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
