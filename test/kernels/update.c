/* SPDX-License-Identifier: Apache-2.0
 *
 * The optimizer updates: the reference against the same formulas in double, and each variant against the
 * reference, bit for bit, in every combination of flags.
 */
#include "kernels/check.h"

#include <math.h>

enum { MOST = 70, ARRAYS = 5, REFERENCE_SIZE = 2000 };

/* The arrays of an update: weights, up to three of state, gradient. */
typedef enum which { SGD, ADAM, RMSPROP } which;
typedef struct variant {
    const char *name;
    which optimizer;
    bool state, nesterov, amsgrad, centered, moving;
} variant;

static const variant variants[] = {
    {.name = "sgd", .optimizer = SGD},
    {.name = "sgd momentum", .optimizer = SGD, .state = true},
    {.name = "sgd nesterov", .optimizer = SGD, .state = true, .nesterov = true},
    {.name = "adam", .optimizer = ADAM},
    {.name = "adam amsgrad", .optimizer = ADAM, .amsgrad = true},
    {.name = "rmsprop", .optimizer = RMSPROP},
    {.name = "rmsprop momentum", .optimizer = RMSPROP, .moving = true},
    {.name = "rmsprop centered", .optimizer = RMSPROP, .centered = true},
    {.name = "rmsprop both", .optimizer = RMSPROP, .centered = true, .moving = true},
};

static void run(ib_isa isa, const variant *v, float decay, size_t n, float *const x[ARRAYS]) {
    const ib_kernels *k = ib__kernels_for(isa);
    if (v->optimizer == SGD) {
        const ib_sgd_args a = {0.01f, 0.9f, decay, v->nesterov};
        k->sgd(x[0], v->state ? x[1] : NULL, x[4], n, &a);
    } else if (v->optimizer == ADAM) {
        const ib_adam_args a = {0.003f, 0.1f, 0.001f, 1e-7f, decay};
        k->adam(x[0], x[1], x[2], v->amsgrad ? x[3] : NULL, x[4], n, &a);
    } else {
        const ib_rmsprop_args a = {0.001f, 0.9f, 0.1f, v->moving ? 0.8f : 0.0f, 1e-7f, decay, v->centered};
        k->rmsprop(x[0], x[1], v->centered ? x[2] : NULL, v->moving ? x[3] : NULL, x[4], n, &a);
    }
}

/* The formulas of kernels.h in double, with the scalars as run() has them. */
static void in_double(const variant *v, double decay, double x[ARRAYS]) {
    double g = x[4];
    x[0] -= x[0] * decay;
    if (v->optimizer == SGD) {
        const double lr = (double)0.01f, mu = (double)0.9f;
        x[1] = mu * x[1] - lr * g;
        x[0] += !v->state ? -lr * g : v->nesterov ? mu * x[1] - lr * g : x[1];
    } else if (v->optimizer == ADAM) {
        x[1] += (g - x[1]) * (double)0.1f;
        x[2] += (g * g - x[2]) * (double)0.001f;
        x[3] = fmax(x[3], x[2]);
        x[0] -= x[1] * (double)0.003f / (sqrt(v->amsgrad ? x[3] : x[2]) + (double)1e-7f);
    } else {
        const double rho = (double)0.9f, rest = (double)0.1f;
        x[1] = rho * x[1] + rest * g * g;
        x[2] = rho * x[2] + rest * g;
        double root = sqrt(x[1] - (v->centered ? x[2] * x[2] : 0.0) + (double)1e-7f);
        double step = (double)0.001f * g / root;
        x[3] = (double)0.8f * x[3] + step;
        x[0] -= v->moving ? x[3] : step;
    }
}

/* Second moments must not be negative, nor smaller than the square of the first, as in real training. */
static void ordinary_state(const variant *v, float *const x[ARRAYS], size_t n) {
    for (int j = 0; j < ARRAYS; j++)
        fill(x[j], n, ordinary_number);
    for (size_t i = 0; i < n; i++) {
        int second = v->optimizer == RMSPROP ? 1 : 2, first = 3 - second;
        x[second][i] = x[first][i] * x[first][i] + fabsf(x[second][i]) + 0.01f;
        if (v->optimizer == ADAM) x[3][i] = fabsf(x[3][i]);
    }
}

static void reference_is_right(void **state) {
    (void)state;
    for (size_t k = 0; k < LENGTH(variants); k++) {
        float x[ARRAYS][REFERENCE_SIZE], before[ARRAYS][REFERENCE_SIZE];
        float *arrays[ARRAYS] = {x[0], x[1], x[2], x[3], x[4]};
        for (int decays = 0; decays < 2; decays++) {
            float decay = decays ? 0.004f : 0.0f;
            ordinary_state(&variants[k], arrays, REFERENCE_SIZE);
            memcpy(before, x, sizeof x);
            run(IB_ISA_REF, &variants[k], decay, REFERENCE_SIZE, arrays);
            for (size_t i = 0; i < REFERENCE_SIZE; i++) {
                double expected[ARRAYS];
                for (int j = 0; j < ARRAYS; j++)
                    expected[j] = (double)before[j][i];
                in_double(&variants[k], (double)decay, expected);
                double error = fabs((double)x[0][i] - expected[0]);
                if (!(error <= 4e-7 * (1.0 + fabs(expected[0]))))
                    fail_msg("%s: weight %zu is off by %g", variants[k].name, i, error);
                comparisons++;
            }
            assert_memory_equal(before[4], x[4], sizeof x[4]);
        }
    }
}

static void compare(ib_isa isa, const variant *v, size_t n, size_t shift, float decay, bool awkward) {
    guarded x[ARRAYS], y[ARRAYS];
    float *px[ARRAYS], *py[ARRAYS];
    for (size_t j = 0; j < ARRAYS; j++) {
        x[j] = guarded_new(n, 0);
        y[j] = guarded_new(n, (shift + 5 * j) % 17);
        px[j] = x[j].at;
        py[j] = y[j].at;
        if (awkward) fill(px[j], n, awkward_number);
    }
    if (!awkward) ordinary_state(v, px, n);
    for (size_t j = 0; j < ARRAYS && n; j++)
        memcpy(py[j], px[j], n * sizeof(float));
    for (int step = 0; step < 3; step++) {
        run(IB_ISA_REF, v, decay, n, px);
        run(isa, v, decay, n, py);
        for (size_t j = 0; j < ARRAYS; j++)
            same_bits(v->name, py[j], px[j], n, false);
    }
    for (size_t j = 0; j < ARRAYS; j++) {
        guarded_free(&x[j]);
        guarded_free(&y[j]);
    }
}

static void variants_equal_reference(void **state) {
    (void)state;
    for (ib_isa isa = IB_ISA_REF; isa < IB_ISA_COUNT; isa++) {
        if (!ib__isa_available(isa)) continue;
        for (size_t k = 0; k < LENGTH(variants); k++)
            for (size_t n = 0; n <= MOST; n++)
                for (int kind = 0; kind < 4; kind++)
                    compare(isa, &variants[k], n, n + (size_t)kind, kind & 1 ? 0.004f : 0.0f, kind > 1);
    }
}

/* A weight that is infinite stays infinite when there is no decay: inf - inf * 0 would be NaN. */
static void no_decay_leaves_infinity(void **state) {
    (void)state;
    for (ib_isa isa = IB_ISA_REF; isa < IB_ISA_COUNT; isa++) {
        if (!ib__isa_available(isa)) continue;
        float w[20], g[20] = {0};
        for (size_t i = 0; i < 20; i++)
            w[i] = INFINITY;
        const ib_sgd_args a = {0.01f, 0.0f, 0.0f, false};
        ib__kernels_for(isa)->sgd(w, NULL, g, 20, &a);
        for (size_t i = 0; i < 20; i++)
            assert_true(isinf(w[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_is_right),
        cmocka_unit_test(variants_equal_reference),
        cmocka_unit_test(no_decay_leaves_infinity),
    };
    return cmocka_run_group_tests(tests, NULL, something_was_compared);
}
