/* SPDX-License-Identifier: Apache-2.0
 *
 * What ConvLSTM layers drop while training: each gate its own, the same in all time steps. All weights are 1
 * and nothing bends, so that few values can come out.
 */
#include <math.h>

#include "layers/run_layer.h"

enum { SAMPLES = 100, STEPS = 2, PLACES = 20, N = SAMPLES * STEPS * PLACES };

static float x[N], y[N], again[N];

/* h of both steps for an input; bit g of drop and keep: gate g (i f c o) has the factor 2, else 0. */
static void cell(float input, int drop, int keep, float out[STEPS]) {
    float h = 0, c = 0;
    for (int t = 0; t < STEPS; t++) {
        float gate[4];
        for (int g = 0; g < 4; g++)
            gate[g] = input * (drop < 0 ? 1 : (float)(2 * (drop >> g & 1))) +
                      h * (keep < 0 ? 1 : (float)(2 * (keep >> g & 1))) + 1;
        c = gate[1] * c + gate[0] * gate[2];
        out[t] = h = gate[3] * c;
    }
}

/* Each place has the values of one of the 16 choices, and all choices with other values come. */
static void check(layer_run r, bool recurrent) {
    float cases[16][STEPS];
    size_t seen[16] = {0};
    for (int d = 0; d < 16; d++)
        cell(1, recurrent ? -1 : d, recurrent ? d : -1, cases[d]);
    run_layer_everywhere(r, y, again, N);
    for (size_t i = 0; i < SAMPLES * PLACES; i++) {
        const float *first = y + i / PLACES * STEPS * PLACES + i % PLACES;
        int d = 0;
        while (d < 16 && (cases[d][0] != first[0] || cases[d][1] != first[PLACES]))
            d++;
        if (d == 16) fail_msg("%s: %g, then %g", r.yaml, (double)first[0], (double)first[PLACES]);
        seen[d]++;
    }
    for (int d = 0; d < 16; d++) {
        size_t same = 0;
        bool before = false;
        for (int e = 0; e < 16; e++) {
            bool equal = memcmp(cases[d], cases[e], sizeof cases[d]) == 0;
            same += equal;
            before |= equal && e < d;
        }
        double expected = SAMPLES * PLACES * (double)same / 16;
        if (!before && fabs((double)seen[d] - expected) > 4 * sqrt(expected))
            fail_msg("%s: choice %d came %zu times, expected about %g", r.yaml, d, seen[d], expected);
    }
}

static void test_dropout(void **state) {
    (void)state;
    static const char common[] = "filters: 1, kernel_size: 1, activation: linear, recurrent_activation: "
                                 "linear, return_sequences: true";
    char yaml[256];
    layer_run r = {.class_name = "ConvLSTM1D",
                   .yaml = yaml,
                   .shape = {4, {SAMPLES, STEPS, PLACES, 1}},
                   .x = x,
                   .weights = 1,
                   .seed = 812,
                   .step = 3};
    for (size_t i = 0; i < N; i++)
        x[i] = 1.0f;
    for (int format = 0; format < 2; format++) {
        if (format) r.shape = (ib_shape){4, {SAMPLES, STEPS, 1, PLACES}};
        for (int recurrent = 0; recurrent < 2; recurrent++) {
            snprintf(yaml, sizeof yaml, "{%s, %s: 0.5%s}", common,
                     recurrent ? "recurrent_dropout" : "dropout",
                     format ? ", data_format: channels_first" : "");
            check(r, recurrent);
            r.step = 4;
            run_layer(&r, again, N);
            assert_memory_not_equal(y, again, sizeof y);
            r.step = 3;
            r.inference = true;
            float none[STEPS];
            cell(1, -1, -1, none);
            run_layer_everywhere(r, y, again, N);
            for (size_t i = 0; i < N; i++)
                assert_true(y[i] == none[i / PLACES % STEPS]);
            r.inference = false;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_dropout)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
