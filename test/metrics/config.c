/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics: names, completed configs, refusals, and how weights, masks and logits are taken.
 */
#include "golden.h"

#include <stdlib.h>

#include "metrics/metric.h"

static ib_value *parsed(const char *json) {
    ib_value *value;
    ib_error err = {0};
    if (ib__json_parse(&value, json, strlen(json), "text", &err) != IB_OK) fail_msg("%s: %s", json, err.text);
    return value;
}

static ib_metric *made(const char *json, const ib_shape *prediction, const ib_shape *target) {
    ib_metric *metric;
    ib_error err = {0};
    ib_value *config = parsed(json);
    if (ib__metric_new(&metric, config, prediction, target, "compile.metrics", &err) != IB_OK)
        fail_msg("%s: %s: %s", json, err.where, err.text);
    ib__value_free(config);
    return metric;
}

/* ---- Names and configs ---- */

static void test_configs(void **unused) {
    (void)unused;
    static const char *const pairs[][2] = {
        {"\"acc\"", "\"acc\""},
        {"{\"AUC\": {\"thresholds\": [0.6, 0.2], \"curve\": \"pr\", \"summation_method\": \"Majoring\"}}",
         "{\"module\": \"keras.metrics\", \"class_name\": \"AUC\", \"config\": {\"name\": \"auc\", "
         "\"dtype\": "
         "\"float32\", \"num_thresholds\": 4, \"curve\": \"PR\", \"summation_method\": \"majoring\", "
         "\"multi_label\": false, \"num_labels\": null, \"label_weights\": null, \"from_logits\": false, "
         "\"thresholds\": [0.2, 0.6]}, \"registered_name\": null}"},
        {"{\"FBetaScore\": {\"beta\": 2, \"threshold\": 1}}",
         "{\"module\": \"keras.metrics\", \"class_name\": \"FBetaScore\", \"config\": {\"name\": "
         "\"fbeta_score\", \"dtype\": \"float32\", \"average\": null, \"beta\": 2.0, \"threshold\": 1.0}, "
         "\"registered_name\": null}"},
        {"{\"SparseTopKCategoricalAccuracy\": {\"from_sorted_ids\": true}}",
         "{\"module\": \"keras.metrics\", \"class_name\": \"SparseTopKCategoricalAccuracy\", \"config\": "
         "{\"name\": \"sparse_top_k_categorical_accuracy\", \"dtype\": \"float32\", \"k\": 5, "
         "\"from_sorted_ids\": true}, \"registered_name\": null}"},
        {"{\"MeanIoU\": {\"num_classes\": 3, \"dtype\": \"int\", \"name\": null}}",
         "{\"module\": \"keras.metrics\", \"class_name\": \"MeanIoU\", \"config\": {\"num_classes\": 3, "
         "\"name\": \"mean_io_u\", \"dtype\": \"int64\", \"ignore_class\": null, \"sparse_y_true\": true, "
         "\"sparse_y_pred\": true, \"axis\": -1}, \"registered_name\": null}"},
        {"{\"cosine_similarity\": {\"axis\": 1}}",
         "{\"module\": \"keras.metrics\", \"class_name\": \"CosineSimilarity\", \"config\": {\"name\": "
         "\"cosine_similarity\", \"dtype\": \"float32\", \"axis\": 1}, \"registered_name\": null}"},
        {"{\"MeanMetricWrapper\": {\"fn\": \"huber\", \"delta\": 2, \"name\": \"h\"}}",
         "{\"module\": \"keras.metrics\", \"class_name\": \"MeanMetricWrapper\", \"config\": {\"name\": "
         "\"h\", "
         "\"dtype\": \"float32\", \"fn\": {\"module\": \"builtins\", \"class_name\": \"function\", "
         "\"config\": "
         "\"huber\", \"registered_name\": \"function\"}, \"delta\": 2}, \"registered_name\": null}"},
        {"{\"module\": \"builtins\", \"class_name\": \"function\", \"config\": \"huber\", "
         "\"registered_name\": \"function\"}",
         "{\"module\": \"builtins\", \"class_name\": \"function\", \"config\": \"huber\", "
         "\"registered_name\": \"function\"}"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        ib_value *config = parsed(pairs[i][0]), *completed;
        ib_error err = {0};
        ib_buf text = {0};
        if (ib__metric_complete(&completed, config, "", &err) != IB_OK) fail_msg("%s", err.text);
        assert_true(ib__json_write(&text, completed, IB_JSON_PYTHON));
        assert_string_equal(text.data, pairs[i][1]);
        ib__buf_free(&text);
        ib__value_free(config);
        ib__value_free(completed);
    }
}

static const ib_shape column = {2, {-1, 1}}, three = {2, {-1, 3}}, flat = {1, {-1}};

/* What a metric is called in the history. */
static void test_names(void **unused) {
    (void)unused;
    static const struct {
        const char *json;
        const ib_shape *prediction, *target;
        const char *name;
    } all[] = {
        {"\"accuracy\"", &three, &flat, "accuracy"},
        {"\"Acc\"", &three, &three, "Acc"},
        {"\"MSE\"", &three, &three, "MSE"},
        {"\"AUC\"", &column, &column, "AUC"},
        {"\"auc\"", &column, &column, "auc"},
        {"{\"AUC\": {}}", &column, &column, "auc"},
        {"{\"AUC\": {\"name\": \"area\"}}", &column, &column, "area"},
        {"\"log_cosh_error\"", &three, &three, "log_cosh_error"},
        {"{\"LogCoshError\": null}", &three, &three, "logcosh"},
        {"{\"class_name\": \"function\", \"config\": \"hinge\"}", &three, &three, "hinge"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ib_metric *metric = made(all[i].json, all[i].prediction, all[i].target);
        assert_string_equal(ib__metric_name(metric), all[i].name);
        ib__metric_free(metric);
    }
}

static void test_refused(void **unused) {
    (void)unused;
    static const struct {
        const char *json, *part;
    } all[] = {
        {"\"acuracy\"", "did you mean 'accuracy'?"},
        {"\"Auc\"", "is not supported"},
        {"\"kld\"", "is not supported"},
        {"3", "expected a metric by name"},
        {"\"io_u\"", "\"num_classes\" is missing"},
        {"\"MeanMetricWrapper\"", "expected a function by name"},
        {"{\"MeanMetricWrapper\": {\"fn\": \"circle\"}}", "is not supported"},
        {"{\"MeanMetricWrapper\": {\"fn\": \"hinge\", \"delta\": 1}}", "unknown key \"delta\""},
        {"{\"class_name\": \"function\", \"config\": \"accuracy\"}", "is not supported"},
        {"{\"AUC\": {\"curves\": \"PR\"}}", "did you mean \"curve\"?"},
        {"{\"AUC\": {\"curve\": \"RP\"}}", "expected one of: ROC PR PRGAIN"},
        {"{\"AUC\": {\"num_thresholds\": 1}}", "expected an integer from 2"},
        {"{\"AUC\": {\"thresholds\": [0.5, 2]}}", "expected a number from 0 to 1"},
        {"{\"AUC\": {\"thresholds\": 0.5}}", "expected a list of thresholds"},
        {"{\"AUC\": {\"num_labels\": 3}}", "num_labels goes with multi_label only"},
        {"{\"AUC\": {\"label_weights\": []}}", "expected a list with a weight for each label"},
        {"{\"AUC\": {\"label_weights\": [1, 2]}}", "do not fit"},
        {"{\"AUC\": {\"dtype\": \"float16\"}}", "only float32"},
        {"{\"Precision\": {\"thresholds\": []}}", "at least one threshold"},
        {"{\"Precision\": {\"top_k\": 0}}", "expected an integer of 1 or more"},
        {"{\"Precision\": {\"top_k\": 4}}", "do not fit"},
        {"{\"Precision\": {\"class_id\": 3}}", "do not fit"},
        {"{\"PrecisionAtRecall\": {}}", "\"recall\" is missing"},
        {"{\"PrecisionAtRecall\": {\"recall\": 1.5}}", "expected a number from 0 to 1"},
        {"{\"FBetaScore\": {\"beta\": 0}}", "expected a number"},
        {"{\"FBetaScore\": {\"average\": \"mean\"}}", "expected one of: micro macro weighted"},
        {"{\"F1Score\": {\"beta\": 1.0}}", "unknown key \"beta\""},
        {"{\"F1Score\": {\"threshold\": 0}}", "expected a number"},
        {"{\"R2Score\": {\"num_regressors\": -1}}", "expected an integer"},
        {"{\"IoU\": {\"num_classes\": 3, \"target_class_ids\": [3]}}", "expected classes below 3, found 3"},
        {"{\"IoU\": {\"num_classes\": 3, \"target_class_ids\": []}}", "expected a list of classes"},
        {"{\"MeanIoU\": {\"num_classes\": 1000000}}", "expected an integer from 1 to 4096"},
        {"{\"PearsonCorrelation\": {\"axis\": 2}}", "do not fit"},
        {"{\"TopKCategoricalAccuracy\": {\"k\": 0}}", "expected an integer from 1"},
        {"{\"Mean\": [1]}", "expected a map of settings"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ib_metric *metric;
        ib_error err = {0};
        ib_value *config = parsed(all[i].json);
        ib_status status =
            ib__metric_new(&metric, config, &three, &three, "exp.yaml:3:9 compile.metrics", &err);
        if (status != IB_UNSUPPORTED && status != IB_BAD_INPUT) fail_msg("%s: not refused", all[i].json);
        assert_null(metric);
        assert_int_equal(strncmp(err.where, "exp.yaml:3:9 compile.metrics", 28), 0);
        if (!strstr(err.text, all[i].part)) fail_msg("%s: %s", all[i].json, err.text);
        ib__value_free(config);
    }
}

/* ---- Values by hand ---- */

typedef struct given {
    float *data;
    ib_shape shape;
} given;

static ib_tensor tensor(given a) {
    return (ib_tensor){IB_F32, a.shape, a.data};
}

/* The result of one batch; what is not given has data NULL. */
static double score(const char *json, given t, given p, given w, given m, given z) {
    ib_tensor all[] = {tensor(t), tensor(p), tensor(w), tensor(m), tensor(z)};
    ib_metric_batch batch = {&all[0], p.data ? &all[1] : NULL, w.data ? &all[2] : NULL,
                             m.data ? &all[3] : NULL, z.data ? &all[4] : NULL};
    ib_metric *metric = made(json, p.data ? &p.shape : NULL, &t.shape);
    ib_error err = {0};
    if (ib__metric_add(metric, &batch, &err) != IB_OK) fail_msg("%s: %s: %s", json, err.where, err.text);
    double result = ib__metric_result(metric);
    ib__metric_free(metric);
    return result;
}

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-9)
static const given none = {0};

/* Two samples of three steps; errors 1, 2, 3 and 4, 5, 6. */
static void test_weights(void **unused) {
    (void)unused;
    static float zeros[6], errors[6] = {1, 2, 3, 4, 5, 6}, halves[2] = {0.5f, 2}, on[6] = {1, 0, 1, 1, 0, 0};
    const given t = {zeros, {3, {2, 3, 1}}}, p = {errors, {3, {2, 3, 1}}};
    const given sample = {halves, {1, {2}}}, column_of = {halves, {2, {2, 1}}}, mask = {on, {2, {2, 3}}};
    NEAR(score("\"mae\"", t, p, none, none, none), 21.0 / 6);
    NEAR(score("\"mae\"", t, p, sample, none, none), (0.5 * 2 + 2 * 5) / 2.5);
    NEAR(score("\"mae\"", t, p, column_of, none, none), (0.5 * 2 + 2 * 5) / 2.5);
    NEAR(score("\"mae\"", t, p, none, mask, none), 8.0 / 3);
    NEAR(score("\"mae\"", t, p, column_of, mask, none), (0.5 * 4 + 2 * 4) / (0.5 * 2 + 2));
    NEAR(score("\"root_mean_squared_error\"", t, p, none, mask, none), sqrt(91.0 / 6)); /* no mask in Keras */
    NEAR(score("\"mean\"", p, none, none, none, none), 21.0 / 6);
    NEAR(score("\"sum\"", p, none, sample, none, none), 0.5 * 6 + 2 * 15);
    NEAR(score("\"mean\"", sample, sample, none, none, none), (0.25 + 4) / 2.5); /* predictions are weights */
}

static void test_logits(void **unused) {
    (void)unused;
    static float labels[2] = {1, 0}, ones[2] = {1, 1}, z[2] = {60, 40};
    const given t = {labels, {2, {2, 1}}}, p = {ones, {2, {2, 1}}}, logits = {z, {2, {2, 1}}};
    NEAR(score("\"bce\"", t, p, none, none, logits), 20.0);
    /* as float32 clips: 1 - 2^-23 */
    NEAR(score("\"bce\"", t, p, none, none, none), 0.5 * (-log(1.0 - 0x1p-23) - log(0x1p-23)));
    NEAR(score("{\"BinaryCrossentropy\": {\"from_logits\": true}}", t, logits, none, none, none), 20.0);
    static float row[2] = {1, 0}, sure[2] = {0, 1}, from[2] = {0, 200};
    const given hot = {row, {2, {1, 2}}}, wrong = {sure, {2, {1, 2}}}, start = {from, {2, {1, 2}}};
    NEAR(score("\"categorical_crossentropy\"", hot, wrong, none, none, start), 200.0);
    static float class0[1] = {0};
    const given label = {class0, {1, {1}}};
    NEAR(score("\"sparse_categorical_crossentropy\"", label, wrong, none, none, start), 200.0);
    const char *ignoring = "{\"SparseCategoricalCrossentropy\": {\"ignore_class\": 1}}";
    assert_true(score(ignoring, label, wrong, none, none, start) < 17.0);
}

/* Elements of the ignored class count as 0 without weights, and not at all with them. */
static void test_ignored(void **unused) {
    (void)unused;
    static float labels[4] = {0, 1, 1, 1}, half[8] = {.5f, .5f, .5f, .5f, .5f, .5f, .5f, .5f},
                 ones[2] = {1, 1};
    const given t = {labels, {2, {2, 2}}}, p = {half, {3, {2, 2, 2}}}, w = {ones, {1, {2}}};
    const char *json = "{\"SparseCategoricalCrossentropy\": {\"ignore_class\": 1}}";
    NEAR(score(json, t, p, none, none, none), log(2.0) / 4);
    NEAR(score(json, t, p, w, none, none), log(2.0));
}

/* The first of equal predictions is taken, -0 is less than 0, NaN is no prediction. */
static void test_choices(void **unused) {
    (void)unused;
    static float labels[3] = {1, 1, 0}, p[6] = {-0.0f, 0, NAN, 1, 2, 2}, near[3] = {0.3f, 0.30000004f, 1};
    const given t = {labels, {1, {3}}}, rows = {p, {2, {3, 2}}}, single = {near, {1, {3}}};
    NEAR(score("\"sparse_categorical_accuracy\"", t, rows, none, none, none), 1.0);
    /* 0.3 as float32 is above 0.3; Keras compares in float32 */
    NEAR(score("{\"TruePositives\": {\"thresholds\": 0.3}}", t, single, none, none, none), 1.0);
    static float tied[4] = {1, 1, 1, 0}, yes[4] = {0, 0, 1, 1};
    const given top = {tied, {2, {1, 4}}}, hot = {yes, {2, {1, 4}}};
    NEAR(score("{\"Precision\": {\"top_k\": 2}}", hot, top, none, none, none), 0.0);
    NEAR(score("{\"Precision\": {\"top_k\": 3}}", hot, top, none, none, none), 1.0 / 3);
}

/* What was accumulated can be carried to another metric. */
static void test_states(void **unused) {
    (void)unused;
    static const char *const all[] = {"\"accuracy\"",
                                      "\"auc\"",
                                      "{\"AUC\": {\"multi_label\": true}}",
                                      "\"f1_score\"",
                                      "\"r2_score\"",
                                      "{\"MeanIoU\": {\"num_classes\": 3}}",
                                      "{\"Recall\": {\"thresholds\": [0.25, 0.75]}}",
                                      "\"hinge\""};
    static float yes[6] = {1, 0, 0, 0, 1, 0}, guess[6] = {.7f, .2f, .1f, .3f, .3f, .4f};
    ib_tensor t = tensor((given){yes, {2, {2, 3}}}), p = tensor((given){guess, {2, {2, 3}}});
    const ib_metric_batch batch = {.y_true = &t, .y_pred = &p};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ib_metric *a = made(all[i], &three, &three), *b = made(all[i], &three, &three);
        size_t n, m;
        assert_int_equal(ib__metric_add(a, &batch, NULL), IB_OK);
        double *from = ib__metric_states(a, &n), *to = ib__metric_states(b, &m);
        assert_true(n > 0 && n == m);
        memcpy(to, from, n * sizeof *to);
        assert_true(ib__metric_result(a) == ib__metric_result(b));
        assert_int_equal(ib__metric_add(a, &batch, NULL), IB_OK);
        assert_int_equal(ib__metric_add(b, &batch, NULL), IB_OK);
        assert_memory_equal(to, from, n * sizeof *to);
        ib__metric_reset(a);
        for (size_t k = 0; k < n; k++)
            assert_true(from[k] == 0);
        ib__metric_free(a);
        ib__metric_free(b);
    }
}

/* A batch of other shapes than the metric was made for is refused. */
static void test_shapes(void **unused) {
    (void)unused;
    static const char *const all[] = {"\"accuracy\"", "\"auc\"", "\"f1_score\"",
                                      "\"r2_score\"", "\"mse\"", "{\"MeanIoU\": {\"num_classes\": 3}}"};
    static float zeros[12];
    ib_tensor t = tensor((given){zeros, {2, {2, 3}}}), p = tensor((given){zeros, {2, {3, 4}}}),
              w = tensor((given){zeros, {1, {5}}});
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ib_metric *metric = made(all[i], &three, &three);
        ib_error err = {0};
        ib_metric_batch wrong = {.y_true = &t, .y_pred = &p},
                        heavy = {.y_true = &t, .y_pred = &t, .weight = &w};
        assert_int_equal(ib__metric_add(metric, &wrong, &err), IB_BAD_INPUT);
        assert_int_equal(ib__metric_add(metric, &heavy, &err), IB_BAD_INPUT);
        ib__metric_free(metric);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configs), cmocka_unit_test(test_names),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_weights), cmocka_unit_test(test_logits), cmocka_unit_test(test_ignored),
        cmocka_unit_test(test_choices), cmocka_unit_test(test_states), cmocka_unit_test(test_shapes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
