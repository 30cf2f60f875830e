/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings of optimizers: defaults, completed configs, what is refused and with which words.
 */
#include "golden.h"

#include "optimizers/optimizer.h"

static ib_status make(const char *yaml, ib_optimizer **out, ib_error *err) {
    ib_value *value;
    assert_int_equal(ib__yaml_parse(&value, yaml, strlen(yaml), "exp.yaml", NULL), IB_OK);
    *err = (ib_error){0};
    ib_status status = ib__optimizer_new(out, value, "compile.optimizer", err);
    ib__value_free(value);
    return status;
}

static ib_optimizer *made(const char *yaml) {
    ib_optimizer *o;
    ib_error err;
    if (make(yaml, &o, &err) != IB_OK) fail_msg("%s: %s: %s", yaml, err.where, err.text);
    return o;
}

static void test_defaults(void **state) {
    (void)state;
    ib_optimizer *o = made("adam");
    assert_string_equal(ib__optimizer_name(o), "adam");
    assert_true(ib__optimizer_learning_rate(o) == (double)0.001f);
    assert_true(ib__optimizer_rate_is_settable(o));
    ib__optimizer_set_learning_rate(o, 0.05);
    const ib_value *config = ib__value_get(ib__optimizer_config(o), "config");
    assert_true(ib__value_get(config, "learning_rate")->real == (double)0.05f);
    assert_true(ib__optimizer_learning_rate(o) == (double)0.05f);
    ib__optimizer_free(o);
    o = made("AdamW: {learning_rate: 0.01}");
    config = ib__value_get(ib__optimizer_config(o), "config");
    assert_true(ib__value_get(config, "weight_decay")->real == 0.004);
    ib__optimizer_free(o);
}

/* A schedule sees the steps done; its rate cannot be set. */
static void test_schedule(void **state) {
    (void)state;
    ib_optimizer *o =
        made("SGD: {learning_rate: {PiecewiseConstantDecay: {boundaries: [2], values: [1, 0.5]}}}");
    assert_false(ib__optimizer_rate_is_settable(o));
    ib__optimizer_set_learning_rate(o, 7);
    for (int64_t step = 0; step < 5; step++) {
        ib__optimizer_set_iterations(o, step);
        assert_true(ib__optimizer_learning_rate(o) == (step <= 2 ? 1.0 : 0.5));
    }
    ib__optimizer_free(o);
}

/* The complete forms that Keras 3.15 writes. */
static void test_configs(void **state) {
    (void)state;
    static const char base[] = "\"weight_decay\": null, \"clipnorm\": null, \"global_clipnorm\": null, "
                               "\"clipvalue\": null, \"use_ema\": false, \"ema_momentum\": 0.99, "
                               "\"ema_overwrite_frequency\": null, \"loss_scale_factor\": %s, "
                               "\"gradient_accumulation_steps\": null, ";
    char none[512], four[512], sgd[1024], rmsprop[1024], expected[4096];
    (void)snprintf(none, sizeof none, base, "null");
    (void)snprintf(four, sizeof four, base, "4.0");
    (void)snprintf(sgd, sizeof sgd,
                   "{\"module\": \"keras.optimizers\", \"class_name\": \"SGD\", \"config\": {\"name\": "
                   "\"sgd\", \"learning_rate\": 0.009999999776482582, %%s\"momentum\": 0.0, \"nesterov\": "
                   "false}, \"registered_name\": null}");
    (void)snprintf(rmsprop, sizeof rmsprop,
                   "{\"module\": \"keras.optimizers\", \"class_name\": \"RMSprop\", \"config\": {\"name\": "
                   "\"rm_sprop\", \"learning_rate\": 0.0010000000474974513, %s\"rho\": 0.9, \"momentum\": "
                   "0.0, \"epsilon\": 1e-07, \"centered\": false}, \"registered_name\": null}",
                   four);
    ib_buf text = {0};
    ib_optimizer *o = made("LossScaleOptimizer: {inner_optimizer: sgd, use_ema: false, dynamic: true}");
    assert_true(ib__json_write(&text, ib__optimizer_config(o), IB_JSON_PYTHON));
    (void)snprintf(expected, sizeof expected,
                   "{\"module\": \"keras.optimizers\", \"class_name\": \"LossScaleOptimizer\", \"config\": "
                   "{\"name\": \"loss_scale_optimizer\", \"inner_optimizer\": ");
    (void)snprintf(expected + strlen(expected), sizeof expected - strlen(expected), sgd, none);
    (void)snprintf(
        expected + strlen(expected), sizeof expected - strlen(expected), "%s",
        ", \"initial_scale\": 32768.0, \"dynamic_growth_steps\": 2000}, \"registered_name\": null}");
    assert_string_equal(text.data, expected);
    ib__optimizer_free(o);
    text.length = 0;
    o = made(
        "MultiOptimizer: {loss_scale_factor: 4.0, optimizer_map: {OptimizerMap: {default_optimizer: sgd, "
        "optimizer_map: {\"dense/.*\": rmsprop}}}}");
    assert_true(ib__json_write(&text, ib__optimizer_config(o), IB_JSON_PYTHON));
    (void)snprintf(expected, sizeof expected,
                   "{\"module\": \"keras.optimizers\", \"class_name\": \"MultiOptimizer\", \"config\": "
                   "{\"optimizer_map\": {\"module\": \"keras.optimizers\", \"class_name\": \"OptimizerMap\", "
                   "\"config\": {\"default_optimizer\": ");
    (void)snprintf(expected + strlen(expected), sizeof expected - strlen(expected), sgd, four);
    (void)snprintf(expected + strlen(expected), sizeof expected - strlen(expected),
                   ", \"optimizer_map\": {\"dense/.*\": %s}}, \"registered_name\": null}, "
                   "\"loss_scale_factor\": 4.0, \"name\": \"multi_optimizer\"}, \"registered_name\": null}",
                   rmsprop);
    assert_string_equal(text.data, expected);
    ib__optimizer_free(o);
    ib__buf_free(&text);
}

static void test_refused(void **state) {
    (void)state;
    static const struct bad {
        const char *yaml;
        ib_status status;
        const char *text;
    } bad[] = {
        {"Adam: {learning_rat: 0.1}", IB_BAD_INPUT, "did you mean \"learning_rate\"?"},
        {"Adam: {beta_1: 2}", IB_BAD_INPUT, "from 0 to 1"},
        {"adma", IB_BAD_INPUT, "nearest is Adam"},
        {"AdamW: {weight_decay: null}", IB_BAD_INPUT, "weight_decay: expected a number"},
        {"Lion: {beta_1: 0}", IB_BAD_INPUT, "above 0"},
        {"Ftrl: {learning_rate_power: 0.5}", IB_BAD_INPUT, "to 0, found 0.5"},
        {"SGD: {gradient_accumulation_steps: 1}", IB_BAD_INPUT, "of 2 or more"},
        {"SGD: {use_ema: 1}", IB_BAD_INPUT, "true or false"},
        {"SGD: {use_ema: true, ema_momentum: 1.5}", IB_BAD_INPUT, "from 0 to 1"},
        {"SGD: {ema_overwrite_frequency: 0}", IB_BAD_INPUT, "of 1 or more"},
        {"SGD: {clipnorm: 1, clipvalue: 1}", IB_BAD_INPUT, "at most one of"},
        {"SGD: {learning_rate: {class_name: CosineDecay, config: {}}}", IB_BAD_INPUT, "is missing"},
        {"SGD: {learning_rate: {CosinDecay: {}}}", IB_BAD_INPUT, "nearest is CosineDecay"},
        {"SGD: {learning_rate: {CosineDecay: {initial_learning_rate: 0.1, decay_steps: 0}}}", IB_BAD_INPUT,
         "expected decay_steps above 0"},
        {"SGD: {learning_rate: {PiecewiseConstantDecay: {boundaries: [1, 2], values: [1, 2]}}}", IB_BAD_INPUT,
         "one more of values"},
        {"SGD: {learning_rate: {PiecewiseConstantDecay: {boundaries: [], values: [1]}}}", IB_BAD_INPUT,
         "a list of numbers"},
        {"SGD: {learning_rate: fast}", IB_BAD_INPUT, "found \"fast\""},
        {"SGD: 3", IB_BAD_INPUT, "a map of settings"},
        {"[1, 2]", IB_BAD_INPUT, "an optimizer by name"},
        {"Muon: {exclude_layers: [1]}", IB_BAD_INPUT, "a list of at most 256 patterns"},
        {"LossScaleOptimizer: {}", IB_BAD_INPUT, "\"inner_optimizer\" is missing"},
        {"LossScaleOptimizer: {inner_optimizer: sgd, clipnorm: 1}", IB_BAD_INPUT, "set it on the inner"},
        {"LossScaleOptimizer: {inner_optimizer: {LossScaleOptimizer: {inner_optimizer: sgd}}}",
         IB_UNSUPPORTED, "LossScaleOptimizer inside of another optimizer"},
        {"MultiOptimizer: {optimizer_map: {a: sgd}}", IB_BAD_INPUT, "expected an OptimizerMap"},
        {"MultiOptimizer: {optimizer_map: {OptimizerMap: {default_optimizer: sgd, optimizer_map: {\"(\": "
         "sgd}}}}",
         IB_BAD_INPUT, "the pattern \"(\" cannot be used"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ib_optimizer *o;
        ib_error err;
        ib_status status = make(bad[i].yaml, &o, &err);
        if (status != bad[i].status || !strstr(err.text, bad[i].text))
            fail_msg("%s gives %d \"%s\"", bad[i].yaml, status, err.text);
        assert_null(o);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_defaults), cmocka_unit_test(test_schedule),
                                       cmocka_unit_test(test_configs), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
