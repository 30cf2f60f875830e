/* SPDX-License-Identifier: Apache-2.0
 *
 * Losses and metrics in training: reductions, ignored classes, logits, and the compile config of the model.
 */
#include <math.h>

#include "run/runs.h"

/* One dense layer on digits; the data have the classes 0 to 9. */
static const char *const text_of =
    "isobit: 1\nseed: 5\nmodel:\n  sequential:\n    - Rescaling: {scale: %s}\n"
    "    - Dense: {units: %d, activation: softmax}\n"
    "compile: {optimizer: {SGD: {learning_rate: 0.001}}, loss: %s, metrics: [%s]}\n"
    "data:\n  train: {csv: %s/examples/digits/digits.csv, label: label, rows: [0, 90]}\n"
    "fit: {batch_size: 32, epochs: 1}\n";

typedef struct trained {
    float weights[650];
    double loss, metric;
    char compile[4096];
    ib_error error;
} trained;

/* Three steps; the last has 26 samples. */
static ib_status train(trained *out, const char *scale, int units, const char *loss, const char *metrics) {
    char path[256], here[2048], text[8192];
    ib_experiment *experiment = NULL;
    ib_task *task = NULL;
    ib_trainer *t = NULL;
    ib_runtime runtime = {.isa = IB_ISA_REF, .threads = 1};
    *out = (trained){0};
    assert_non_null(getcwd(here, sizeof here));
    snprintf(text, sizeof text, text_of, scale, units, loss, metrics, here);
    in_base(path, "scores.yaml");
    assert_int_equal(ib__file_write(path, text, strlen(text), NULL), IB_OK);
    ib_status status = ib__experiment_read(&experiment, path, &out->error);
    if (status == IB_OK) status = ib__task_open(&task, experiment, &out->error);
    if (status == IB_OK) status = ib__trainer_new(&t, task, &runtime, &out->error);
    for (int i = 0; i < 3 && status == IB_OK; i++)
        status = ib__trainer_step(t, NULL, NULL, &out->error);
    if (status == IB_OK) {
        ib_buf json = {0};
        memcpy(out->weights, t->weights[0]->variable.data, (size_t)(64 * units) * sizeof(float));
        memcpy(out->weights + 64 * units, t->weights[1]->variable.data, (size_t)units * sizeof(float));
        out->loss = ib__scores_loss(&t->train);
        if (t->train.n_metrics > 0) out->metric = ib__metric_result(t->train.metrics[0].metric);
        assert_true(ib__json_write(&json, task->model->compile, IB_JSON_PYTHON));
        snprintf(out->compile, sizeof out->compile, "%s", json.data);
        ib__buf_free(&json);
    }
    ib__trainer_free(t);
    ib__task_free(task);
    ib__experiment_free(experiment);
    return status;
}

#define LOSS(settings) "{SparseCategoricalCrossentropy: {" settings "}}"

/* Without reduction a step follows the sum of the elements, and their mean is logged, as in Keras. */
static void reductions(void **state) {
    (void)state;
    static trained none, sum, mean;
    assert_int_equal(train(&none, "0.1", 10, LOSS("reduction: none"), ""), IB_OK);
    assert_int_equal(train(&sum, "0.1", 10, LOSS("reduction: sum"), ""), IB_OK);
    assert_int_equal(train(&mean, "0.1", 10, LOSS(""), ""), IB_OK);
    assert_memory_equal(none.weights, sum.weights, sizeof none.weights);
    assert_memory_not_equal(none.weights, mean.weights, sizeof none.weights);
    assert_true(none.loss > 1 && none.loss < 10 && sum.loss > 20 * none.loss);
}

/* Ignored classes may lie outside of the others; nothing else may. */
static void ignored_classes(void **state) {
    (void)state;
    static trained t;
    assert_int_equal(train(&t, "0.1", 9, LOSS("ignore_class: 9"), ""), IB_OK);
    assert_int_equal(train(&t, "0.1", 10, LOSS("ignore_class: 9"), ""), IB_OK);
    assert_int_equal(train(&t, "0.1", 9, LOSS("ignore_class: -1"), ""), IB_BAD_INPUT);
    assert_non_null(strstr(t.error.text, "expected a class from 0 to 8, found 9"));
    assert_int_equal(train(&t, "0.1", 9, LOSS(""), ""), IB_BAD_INPUT);
    assert_non_null(strstr(t.error.text, "expected a class from 0 to 8, found 9"));
}

/* A metric of probabilities is taken from the softmax's logits, as the loss is: clipped ones score at most
 * 16.2. */
static void logits(void **state) {
    (void)state;
    static trained t;
    assert_int_equal(train(&t, "10.0", 10, LOSS(""), "sparse_categorical_crossentropy"), IB_OK);
    assert_true(t.loss > 20);
    assert_true(fabs(t.metric - t.loss) < 1e-5 * t.loss);
}

static void compile_config(void **state) {
    (void)state;
    static trained t;
    assert_int_equal(train(&t, "0.1", 10, LOSS("name: l"), "acc, {SparseTopKCategoricalAccuracy: {k: 2}}"),
                     IB_OK);
    assert_non_null(strstr(t.compile, "\"loss\": {\"module\": \"keras.losses\", \"class_name\": "
                                      "\"SparseCategoricalCrossentropy\", \"config\": {\"name\": \"l\", "
                                      "\"reduction\": \"sum_over_batch_size\", \"from_logits\": false, "
                                      "\"ignore_class\": null}, \"registered_name\": null}"));
    assert_non_null(strstr(t.compile,
                           "\"metrics\": [\"acc\", {\"module\": \"keras.metrics\", \"class_name\": "
                           "\"SparseTopKCategoricalAccuracy\", \"config\": {\"name\": "
                           "\"sparse_top_k_categorical_accuracy\", \"dtype\": \"float32\", "
                           "\"k\": 2}, \"registered_name\": null}]"));
}

/* Mistakes are said with their line. */
static void refused(void **state) {
    (void)state;
    static trained t;
    assert_true(train(&t, "0.1", 10, LOSS("ignore_clas: 1"), "") != IB_OK);
    assert_non_null(strstr(t.error.text, "did you mean \"ignore_class\"?"));
    assert_true(train(&t, "0.1", 10, LOSS(""), "{AUC: {curve: RP}}") != IB_OK);
    assert_non_null(strstr(t.error.where, "scores.yaml:7:"));
    assert_non_null(strstr(t.error.text, "expected one of: ROC PR PRGAIN"));
    assert_true(train(&t, "0.1", 10, LOSS(""), "f1_score") != IB_OK);
    assert_non_null(strstr(t.error.text, "do not fit predictions of shape (None, 10)"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reductions), cmocka_unit_test(ignored_classes),
                                       cmocka_unit_test(logits), cmocka_unit_test(compile_config),
                                       cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
