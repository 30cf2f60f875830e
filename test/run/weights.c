/* SPDX-License-Identifier: Apache-2.0
 *
 * Initial weights by another's rule, and the seed of a program: what reaches the model, what is refused.
 */
#include "run/runs.h"

#include "initializers/keras.h"

/* Writes base/name: the small experiment without its seed, with other lines in front. */
static void write_with(char path[256], const char *name, const char *lines) {
    char text[16384];
    ib_buf whole = {0};
    write_experiment(name, "examples/digits/digits.csv", "null");
    in_base(path, name);
    assert_int_equal(ib__file_read(&whole, path, 0, NULL), IB_OK);
    const char *rest = strstr(whole.data, "model:");
    assert_non_null(rest);
    snprintf(text, sizeof text, "isobit: 1\n%s%.*s", lines, (int)(whole.length - (size_t)(rest - whole.data)),
             rest);
    assert_int_equal(ib__file_write(path, text, strlen(text), NULL), IB_OK);
    ib__buf_free(&whole);
}

/* The kernel of the first convolution, [3, 3, 1, 8]. */
static void first_kernel(const char *lines, float kernel[72]) {
    char path[256];
    ib_error err = {0};
    ib_experiment *experiment = NULL;
    ib_task *task = NULL;
    ib_weight *weights[64];
    write_with(path, "weights.yaml", lines);
    if (ib__experiment_read(&experiment, path, &err) != IB_OK ||
        ib__task_open(&task, experiment, &err) != IB_OK)
        fail_msg("%s: %s", err.where, err.text);
    assert_true(ib__model_weights(task->model, NULL, false) <= 64);
    ib__model_weights(task->model, weights, false);
    assert_string_equal(weights[0]->variable.path, "conv2d/kernel");
    memcpy(kernel, weights[0]->variable.data, 72 * sizeof *kernel);
    ib__task_free(task);
    ib__experiment_free(experiment);
}

static void keras_rule(void **state) {
    (void)state;
    const ib_shape shape = {4, {3, 3, 1, 8}};
    float expected[72], found[72];
    ib_keras keras;
    ib__keras_set_random_seed(&keras, 812);
    ib_value *glorot = ib__value_string("glorot_uniform");
    int64_t seed = ib__keras_make_seed(&keras);
    assert_int_equal(ib__keras_fill(expected, &shape, glorot, seed, "", NULL), IB_OK);
    ib__value_free(glorot);
    first_kernel("seed: 5\ninitial_weights: {as: keras-tensorflow, seed: 812}\n", found);
    assert_memory_equal(found, expected, sizeof found);
    first_kernel("seed: 812\ninitial_weights: {as: keras-tensorflow}\n", found);
    assert_memory_equal(found, expected, sizeof found);
    first_kernel("seed: 812\n", found);
    assert_memory_not_equal(found, expected, sizeof found);
    memcpy(expected, found, sizeof found);
    first_kernel("seed: 5\ninitial_weights: {as: isobit, seed: 812}\n", found);
    assert_memory_equal(found, expected, sizeof found);
}

static void refused(void **state) {
    static const char *const bad[][2] = {
        {"initial_weights: {as: keras}\n", "expected isobit or keras-tensorflow"},
        {"initial_weights: {as: keras-tensorflw}\n", "did you mean keras-tensorflow"},
        {"initial_weights: {seed: 1}\n", "this field is required"},
        {"initial_weights: {as: isobit, seed: -1}\n", "expected an integer from 0"},
        {"initial_weights: {as: isobit, sede: 1}\n", "did you mean seed"},
        {"initial_weights: keras-tensorflow\n", "expected a map"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char path[256];
        ib_error err = {0};
        ib_experiment *experiment = NULL;
        write_with(path, "bad.yaml", bad[i][0]);
        if (ib__experiment_read(&experiment, path, &err) != IB_BAD_INPUT || !strstr(err.text, bad[i][1]))
            fail_msg("%s: expected \"%s\", found \"%s\"", bad[i][0], bad[i][1], err.text);
        assert_non_null(strstr(err.where, "bad.yaml:2:"));
    }
}

/* An experiment without a seed is that of the program's seed; with one it keeps its own. */
static void program_seed(void **state) {
    char with[256], without[256], run[256], expected[72], found[72];
    ib_error err = {0};
    (void)state;
    write_with(without, "without.yaml", "initial_weights: {as: keras-tensorflow}\n");
    write_with(with, "with.yaml", "seed: 77\ninitial_weights: {as: keras-tensorflow}\n");
    in_base(run, "with");
    assert_int_equal(ib_train(with, run, NULL, expected, NULL), IB_OK);
    assert_int_equal(ib_set_random_seed(77, NULL), IB_OK);
    in_base(run, "without");
    assert_int_equal(ib_train(without, run, NULL, found, &err), IB_OK);
    assert_string_equal(found, expected);
    assert_int_equal(ib_verify(run, NULL, NULL, NULL), IB_OK);
    assert_int_equal(ib_set_random_seed(78, NULL), IB_OK);
    in_base(run, "own");
    assert_int_equal(ib_train(with, run, NULL, found, NULL), IB_OK);
    assert_string_equal(found, expected);
    assert_int_equal(ib_set_random_seed(-1, NULL), IB_OK);
    ib_experiment *experiment = NULL;
    assert_int_equal(ib__experiment_read(&experiment, without, NULL), IB_OK);
    assert_true(experiment->seed_drawn && experiment->weights_seed == experiment->seed);
    assert_int_equal(ib__experiment_set_seed(experiment, 9, true, NULL), IB_OK);
    assert_int_equal(experiment->weights_seed, 9);
    ib__experiment_free(experiment);
    assert_int_equal(ib_set_random_seed(-2, &err), IB_BAD_INPUT);
    assert_int_equal(ib_set_random_seed(((int64_t)1 << 53) + 1, NULL), IB_BAD_INPUT);
    assert_non_null(strstr(err.text, "found -2"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(keras_rule), cmocka_unit_test(refused),
                                       cmocka_unit_test(program_seed)};
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
