/* SPDX-License-Identifier: Apache-2.0
 *
 * Losses: names, completed configs, refusals, targets, and how weights, masks and logits are taken.
 */
#include "golden.h"

#include "losses/loss.h"

static ib_value *parsed(const char *json) {
    ib_value *value;
    ib_error err = {0};
    if (ib__json_parse(&value, json, strlen(json), "text", &err) != IB_OK) fail_msg("%s: %s", json, err.text);
    return value;
}

static ib_loss *made(const char *json) {
    ib_loss *loss;
    ib_error err = {0};
    ib_value *config = parsed(json);
    if (ib__loss_new(&loss, config, "compile.loss", &err) != IB_OK) fail_msg("%s: %s", json, err.text);
    ib__value_free(config);
    return loss;
}

static void assert_config(const ib_loss *loss, const char *expected) {
    ib_buf text = {0};
    assert_true(ib__json_write(&text, ib__loss_config(loss), IB_JSON_PYTHON));
    assert_string_equal(text.data, expected);
    ib__buf_free(&text);
}

/* What Keras wrote comes back as it is, but for the arguments that Keras loses. */
static void test_golden_configs(void **unused) {
    (void)unused;
    golden g;
    size_t compared = 0;
    golden_open(&g, "losses");
    for (size_t i = 0; i < g.cases->count; i++) {
        const ib_value *config = ib__value_get(g.cases->items[i], "config");
        ib_loss *loss;
        ib_error err = {0};
        if (ib__loss_new(&loss, config, "compile.loss", &err) != IB_OK) fail_msg("%s", err.text);
        golden_same_json(config, ib__loss_config(loss));
        ib__loss_free(loss);
        compared++;
    }
    assert_true(compared >= 391);
    golden_close(&g);
}

static void test_configs(void **unused) {
    (void)unused;
    static const char *const pairs[][2] = {
        {"\"mse\"", "\"mse\""},
        {"\"CategoricalGeneralizedCrossEntropy\"",
         "{\"module\": \"keras.losses\", \"class_name\": \"CategoricalGeneralizedCrossEntropy\", \"config\": "
         "{\"name\": \"categorical_generalized_cross_entropy\", \"reduction\": \"sum_over_batch_size\", "
         "\"q\": 0.5}, \"registered_name\": null}"},
        {"{\"Huber\": {\"delta\": 0.4}}",
         "{\"module\": \"keras.losses\", \"class_name\": \"Huber\", \"config\": {\"name\": \"huber_loss\", "
         "\"reduction\": \"sum_over_batch_size\", \"delta\": 0.4}, \"registered_name\": null}"},
        {"{\"Huber\": {\"delta\": 1, \"dtype\": \"float32\"}}",
         "{\"module\": \"keras.losses\", \"class_name\": \"Huber\", \"config\": {\"name\": \"huber_loss\", "
         "\"reduction\": \"sum_over_batch_size\"}, \"registered_name\": null}"},
        {"{\"mse\": {\"reduction\": null, \"name\": \"m\"}}",
         "{\"module\": \"keras.losses\", \"class_name\": \"MeanSquaredError\", \"config\": {\"name\": \"m\", "
         "\"reduction\": null}, \"registered_name\": null}"},
        {"{\"class_name\": \"Dice\", \"config\": {\"axis\": [1, 2]}}",
         "{\"module\": \"keras.losses\", \"class_name\": \"Dice\", \"config\": {\"name\": \"dice\", "
         "\"reduction\": \"sum_over_batch_size\", \"axis\": [1, 2]}, \"registered_name\": null}"},
        {"{\"module\": \"builtins\", \"class_name\": \"function\", \"config\": \"hinge\", "
         "\"registered_name\": \"function\"}",
         "{\"module\": \"builtins\", \"class_name\": \"function\", \"config\": \"hinge\", "
         "\"registered_name\": \"function\"}"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        ib_loss *loss = made(pairs[i][0]);
        assert_config(loss, pairs[i][1]);
        ib__loss_free(loss);
    }
}

static void test_names(void **unused) {
    (void)unused;
    static const char *const good[] = {
        "\"mse\"", "\"MSE\"", "\"kld\"", "\"BinaryCrossentropy\"", "\"log_cosh\"", "\"CrossEntropy\"",
        "\"ce\"",  "\"ctc\"", "\"MAPE\""};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ib__loss_free(made(good[i]));
    static const struct {
        const char *json, *part;
    } bad[] = {
        {"\"sparse_categorical_crosentropy\"", "did you mean 'sparse_categorical_crossentropy'?"},
        {"\"logcosh\"", "did you mean 'LogCosh'?"},
        {"\"Mse\"", "the loss 'Mse' is not supported"},
        {"\"categorical_generalized_cross_entropy\"", "is not supported"},
        {"3", "expected a loss by name"},
        {"{\"Huber\": {\"delt\": 1}}", "did you mean \"delta\"?"},
        {"{\"Huber\": {\"delta\": \"x\"}}", "expected a number"},
        {"{\"Huber\": [1]}", "expected a map of settings"},
        {"{\"Dice\": {\"axis\": [1, 2, 3, 4, 5, 6, 7, 8, 9]}}", "at most 8 axes"},
        {"{\"Dice\": {\"axis\": \"x\"}}", "expected an integer"},
        {"{\"MeanSquaredError\": {\"reduction\": \"avg\"}}", "expected one of: sum_over_batch_size"},
        {"{\"MeanSquaredError\": {\"dtype\": \"float16\"}}", "only float32"},
        {"{\"CategoricalGeneralizedCrossEntropy\": {\"q\": 1}}", "expected a number from"},
        {"{\"CategoricalFocalCrossentropy\": {\"alpha\": [0.2, null]}}", "expected a number"},
        {"{\"crossentropy\": {}}", "takes no settings"},
        {"{\"class_name\": \"function\", \"config\": \"mse\"}", "is not supported"},
        {"{\"class_name\": \"function\", \"config\": 3}", "is not supported"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ib_loss *loss;
        ib_error err = {0};
        ib_value *config = parsed(bad[i].json);
        ib_status status = ib__loss_new(&loss, config, "exp.yaml:3:9 compile.loss", &err);
        assert_true(status == IB_UNSUPPORTED || status == IB_BAD_INPUT);
        assert_null(loss);
        assert_int_equal(strncmp(err.where, "exp.yaml:3:9 compile.loss", 25), 0);
        if (!strstr(err.text, bad[i].part)) fail_msg("%s: %s", bad[i].json, err.text);
        ib__value_free(config);
    }
}

/* ---- Targets ---- */

static void test_targets(void **unused) {
    (void)unused;
    static const struct {
        const char *json;
        ib_shape prediction, target;
        const char *part; /* of the error; NULL: fits */
    } all[] = {
        {"\"mse\"", {2, {-1, 3}}, {2, {-1, 3}}, NULL},
        {"\"mse\"", {2, {-1, 1}}, {1, {-1}}, NULL},
        {"\"mse\"", {1, {-1}}, {2, {-1, 1}}, NULL},
        {"\"mse\"", {2, {-1, 3}}, {2, {-1, 4}}, "targets of shape (None, 4) do not fit"},
        {"\"ce\"", {2, {-1, 3}}, {1, {-1}}, NULL},
        {"\"ce\"", {2, {-1, 3}}, {2, {-1, 3}}, NULL},
        {"\"ce\"", {2, {-1, 1}}, {2, {-1, 1}}, NULL},
        {"\"sparse_categorical_crossentropy\"", {2, {-1, 3}}, {2, {-1, 1}}, NULL},
        {"\"sparse_categorical_crossentropy\"", {2, {-1, 3}}, {2, {-1, 3}}, "(expected class numbers)"},
        {"{\"SparseCategoricalCrossentropy\": {\"axis\": 1}}",
         {3, {-1, 3, 2}},
         {2, {-1, 3}},
         "only the last"},
        {"{\"CosineSimilarity\": {\"axis\": 2}}", {2, {-1, 3}}, {2, {-1, 3}}, "axis does not fit"},
        {"{\"Dice\": {\"axis\": [1, -1]}}", {2, {-1, 3}}, {2, {-1, 3}}, "axis does not fit"},
        {"{\"CategoricalFocalCrossentropy\": {\"alpha\": [0.5, 0.5]}}", {2, {-1, 3}}, {2, {-1, 3}}, "has 2"},
        {"{\"CategoricalGeneralizedCrossEntropy\": {}}", {2, {-1, 3}}, {2, {-1, 1}}, "do not fit"},
        {"\"circle\"", {2, {-1, 3}}, {1, {-1}}, NULL},
        {"\"circle\"", {3, {-1, 3, 3}}, {1, {-1}}, "do not fit"},
        {"\"ctc\"", {3, {-1, 9, 3}}, {2, {-1, 4}}, NULL},
        {"\"ctc\"", {2, {-1, 9}}, {2, {-1, 4}}, "do not fit"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ib_loss *loss = made(all[i].json);
        ib_type type;
        ib_shape shape;
        ib_error err = {0};
        ib_status status = ib__loss_target(loss, &all[i].prediction, &all[i].target, &type, &shape, &err);
        if ((status == IB_OK) != (all[i].part == NULL)) fail_msg("%s, %zu: %s", all[i].json, i, err.text);
        if (all[i].part && !strstr(err.text, all[i].part)) fail_msg("%s: %s", all[i].json, err.text);
        ib__loss_free(loss);
    }
    ib_shape prediction = {2, {-1, 3}}, target = {1, {-1}};
    ib_loss *loss = made("{\"SparseCategoricalCrossentropy\": {\"ignore_class\": 255}}");
    assert_true(ib__loss_label(loss, &prediction, &target, 2) &&
                ib__loss_label(loss, &prediction, &target, 255));
    assert_false(ib__loss_label(loss, &prediction, &target, 3) ||
                 ib__loss_label(loss, &prediction, &target, 0.5) ||
                 ib__loss_label(loss, &prediction, &target, -1));
    ib__loss_free(loss);
}

/* ---- Values by hand ---- */

typedef struct given {
    const float *data;
    ib_shape shape;
} given;

static ib_node constant(ib_graph *g, given a) {
    return a.data ? ib__op_constant_array(g, a.data, &a.shape) : IB_NO_NODE;
}

/* The loss of a graph without inputs; logits: of a softmax or sigmoid, which kind does not matter. */
static float value_of(const char *json, given t, given p, given w, given m, ib_logits_kind logits) {
    ib_graph *g;
    ib_pool *pool;
    ib_plan *plan;
    ib_error err = {0};
    ib_loss *loss = made(json);
    assert_int_equal(ib__graph_new(&g, (size_t)p.shape.dims[0], 0, NULL), IB_OK);
    assert_int_equal(ib__pool_new(&pool, 1, NULL), IB_OK);
    ib_node prediction = constant(g, p);
    if (logits != IB_LOGITS_NONE) {
        ib_node z = prediction;
        prediction = ib__op_map(g, IB_MAP_logistic, z, IB_NO_NODE, IB_NO_NODE);
        ib__node_set_logits(g, prediction, z, logits);
    }
    ib_node y = ib__loss_call_masked(loss, g, constant(g, t), prediction, constant(g, w), constant(g, m));
    ib__graph_output(g, y);
    if (ib__plan_new(&plan, g, ib__kernels_for(IB_ISA_REF), pool, &err) != IB_OK)
        fail_msg("%s: %s", json, err.text);
    ib__plan_run(plan, NULL);
    float value = *(const float *)ib__plan_value(plan, y);
    ib__plan_free(plan);
    ib__graph_free(g);
    ib__pool_free(pool);
    ib__loss_free(loss);
    return value;
}

#define NEAR(a, b) assert_true(fabs((double)(a) - (b)) < 1e-6)

/* Two samples of three steps; errors 1, 2, 3 and 4, 5, 6. */
static void test_weights(void **unused) {
    (void)unused;
    static const float zeros[6], errors[6] = {1, 2, 3, 4, 5, 6}, halves[2] = {0.5f, 2},
                                 on[6] = {1, 0, 1, 1, 0, 0};
    const given t = {zeros, {3, {2, 3, 1}}}, p = {errors, {3, {2, 3, 1}}}, none = {0};
    const given sample = {halves, {1, {2}}}, column = {halves, {2, {2, 1}}}, mask = {on, {2, {2, 3}}};
    NEAR(value_of("\"mae\"", t, p, none, none, IB_LOGITS_NONE), 21.0 / 6);
    NEAR(value_of("\"mae\"", t, p, sample, none, IB_LOGITS_NONE), 33.0 / 6);
    NEAR(value_of("\"mae\"", t, p, column, none, IB_LOGITS_NONE), 33.0 / 6);
    NEAR(value_of("\"mae\"", t, p, none, mask, IB_LOGITS_NONE), 8.0 / 3);
    NEAR(value_of("\"mae\"", t, p, sample, mask, IB_LOGITS_NONE), 10.0 / 3);
    const char *weighted = "{\"MeanAbsoluteError\": {\"reduction\": \"mean_with_sample_weight\"}}";
    /* Keras divides by the sum of the weights as they came, before they are spread over the steps. */
    NEAR(value_of(weighted, t, p, column, none, IB_LOGITS_NONE), 33.0 / 2.5);
    NEAR(value_of(weighted, t, p, column, mask, IB_LOGITS_NONE), 10.0 / (0.5 + 0.5 + 2));
    NEAR(value_of("{\"MeanAbsoluteError\": {\"reduction\": \"sum\"}}", t, p, column, mask, IB_LOGITS_NONE),
         10.0);
}

/* Logits count whatever made them, as long as the prediction itself carries them. */
static void test_logits(void **unused) {
    (void)unused;
    static const float labels[2] = {1, 0}, z[2] = {60, 40};
    const given t = {labels, {2, {2, 1}}}, p = {z, {2, {2, 1}}}, none = {0};
    NEAR(value_of("\"bce\"", t, p, none, none, IB_LOGITS_SIGMOID), 20.0);
    NEAR(value_of("\"bce\"", t, p, none, none, IB_LOGITS_SOFTMAX), 20.0);
    const given steps = {labels, {2, {1, 2}}}, squeezed = {z, {3, {1, 2, 1}}};
    double clipped = 0.5 * (-log(1.0 - 0x1p-23) - log(0x1p-23));
    assert_true(fabs((double)value_of("\"bce\"", steps, squeezed, none, none, IB_LOGITS_SIGMOID) - clipped) <
                1e-4);
}

/* Predictions of an ignored class may be anything. */
static void test_ignored(void **unused) {
    (void)unused;
    static const float labels[2] = {255, 1}, z[4] = {NAN, INFINITY, 0, 0};
    const given t = {labels, {1, {2}}}, p = {z, {2, {2, 2}}}, none = {0};
    const char *json = "{\"SparseCategoricalCrossentropy\": {\"ignore_class\": 255, \"from_logits\": true}}";
    NEAR(value_of(json, t, p, none, none, IB_LOGITS_NONE), 0.69314718055994531);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden_configs), cmocka_unit_test(test_configs),
                                       cmocka_unit_test(test_names),          cmocka_unit_test(test_targets),
                                       cmocka_unit_test(test_weights),        cmocka_unit_test(test_logits),
                                       cmocka_unit_test(test_ignored)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
