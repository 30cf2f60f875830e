/* SPDX-License-Identifier: Apache-2.0
 *
 * adapt: Normalization learns mean and variance of the training samples alone, TextVectorization its terms;
 * the run repeats its bits; what cannot adapt is refused.
 */
#include <math.h>

#include "run/runs.h"

enum { SAMPLES = 150, COLUMNS = 64 };

/* Writes base/name; layers: of a sequential model, in front of the last one. */
static void write_adapting(char path[256], const char *name, const char *adapt, const char *layers) {
    char text[4096], here[2048];
    assert_non_null(getcwd(here, sizeof here));
    snprintf(text, sizeof text,
             "isobit: 1\nseed: 5\nmodel:\n  sequential:\n%s    - Dense: {units: 10, activation: softmax}\n"
             "%s"
             "compile: {optimizer: sgd, loss: sparse_categorical_crossentropy}\n"
             "data:\n  train: {csv: %s/examples/digits/digits.csv, label: label, rows: [0, 200]}\n"
             "fit: {batch_size: 64, epochs: 2, validation_split: 0.25, record_every: 1}\n",
             layers, adapt, here);
    in_base(path, name);
    assert_int_equal(ib__file_write(path, text, strlen(text), NULL), IB_OK);
}

static ib_status open_task(const char *path, ib_experiment **experiment, ib_task **task, ib_error *err) {
    *task = NULL;
    assert_int_equal(ib__experiment_read(experiment, path, NULL), IB_OK);
    return ib__task_open(task, *experiment, err);
}

/* The training samples, [SAMPLES, COLUMNS]. */
static void read_samples(const ib_task *task, float *x) {
    ib_batches *batches;
    const ib_batch *batch;
    ib_batching how = ib__part_batching(&task->train, task->experiment, false, SAMPLES, 1);
    assert_int_equal(ib__dataset_batches(&batches, task->train.data, &how, NULL), IB_OK);
    assert_int_equal(ib__batches_begin(batches, 0, NULL), IB_OK);
    assert_int_equal(ib__batches_next(batches, &batch, NULL), IB_OK);
    assert_int_equal(batch->samples, SAMPLES);
    ib__tensor_to_float(x, &batch->fields[0], 0, (size_t)SAMPLES * COLUMNS);
    ib__batches_free(batches);
}

static void test_moments(void **state) {
    (void)state;
    char path[256];
    ib_error err = {0};
    ib_experiment *experiment;
    ib_task *task;
    static float x[SAMPLES * COLUMNS];
    write_adapting(path, "adapt.yaml", "adapt: [normalization, whole]\n",
                   "    - Normalization: {}\n    - Rescaling: {scale: 0.5}\n");
    if (open_task(path, &experiment, &task, &err) == IB_OK || !strstr(err.text, "as normalization"))
        fail_msg("whole: %s", err.text);
    ib__experiment_free(experiment);
    write_adapting(path, "adapt.yaml", "adapt: [normalization]\n", "    - Normalization: {}\n");
    if (open_task(path, &experiment, &task, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    const ib_weight *weights = task->model->layers[1]->weights;
    assert_string_equal(weights[0].variable.path, "normalization/mean");
    read_samples(task, x);
    for (size_t c = 0; c < COLUMNS; c++) {
        double mean = 0, variance = 0;
        for (size_t i = 0; i < SAMPLES; i++)
            mean += (double)x[i * COLUMNS + c] / SAMPLES;
        for (size_t i = 0; i < SAMPLES; i++)
            variance += pow((double)x[i * COLUMNS + c] - mean, 2) / SAMPLES;
        assert_true(fabs((double)weights[0].variable.data[c] - mean) <= 1e-6 * fmax(1, mean));
        assert_true(fabs((double)weights[1].variable.data[c] - variance) <= 1e-6 * fmax(1, variance));
    }
    ib__task_free(task);
    ib__experiment_free(experiment);
}

static void test_one_number(void **state) {
    (void)state;
    char path[256];
    ib_error err = {0};
    ib_experiment *experiment;
    ib_task *task;
    static float x[SAMPLES * COLUMNS];
    double mean = 0, variance = 0;
    write_adapting(path, "one.yaml", "adapt: [scale]\n", "    - Normalization: {axis: null, name: scale}\n");
    if (open_task(path, &experiment, &task, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    const ib_weight *weights = task->model->layers[1]->weights;
    read_samples(task, x);
    for (size_t i = 0; i < SAMPLES * COLUMNS; i++)
        mean += (double)x[i] / (SAMPLES * COLUMNS);
    for (size_t i = 0; i < SAMPLES * COLUMNS; i++)
        variance += pow((double)x[i] - mean, 2) / (SAMPLES * COLUMNS);
    assert_true(fabs((double)weights[0].variable.data[0] - mean) <= 1e-6 * mean);
    assert_true(fabs((double)weights[1].variable.data[0] - variance) <= 1e-6 * variance);
    ib__task_free(task);
    ib__experiment_free(experiment);
}

/* The same result again; another one without adapt. */
static void test_run(void **state) {
    (void)state;
    char path[256], run[256], adapted[72], plain[72];
    ib_error err = {0};
    write_adapting(path, "run.yaml", "adapt: [normalization]\n", "    - Normalization: {}\n");
    in_base(run, "adapted");
    if (ib_train(path, run, NULL, adapted, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    assert_int_equal(ib_verify(run, &(ib_judgement){.vary = "threads,isa,resume"}, NULL, &err), IB_OK);
    write_adapting(path, "plain.yaml", "", "    - Normalization: {}\n");
    in_base(run, "plain");
    assert_int_equal(ib_train(path, run, NULL, plain, &err), IB_OK);
    assert_string_not_equal(adapted, plain);
}

/* Weights from a file of their own: of an experiment, and of a model that is loaded. */
static void test_weights(void **state) {
    (void)state;
    static const char *const bad[][2] = {{"{file: w.weights.h5, as: isobit}", "found both"},
                                         {"{file: w.weights.h5, seed: 3}", "expected none beside file"},
                                         {"{file: none.weights.h5}", "No such file"},
                                         {"{}", "unless there is file"}};
    char path[256], run[256], file[256], text[128], first[72], second[72];
    ib_error err = {0};
    ib_model *model = NULL;
    write_adapting(path, "plain.yaml", "", "");
    in_base(run, "first");
    assert_int_equal(ib_train(path, run, NULL, first, &err), IB_OK);
    assert_int_equal(ib_model_load(&model, run, &err), IB_OK);
    in_base(file, "w.weights.h5");
    assert_int_equal(ib__weights_save(model, file, &err), IB_OK);
    assert_int_equal(ib_model_load_weights(model, file, &err), IB_OK);
    assert_int_equal(ib_model_load_weights(model, path, &err), IB_BAD_INPUT);
    ib_model_free(model);
    write_adapting(path, "weights.yaml", "initial_weights: {file: w.weights.h5}\n", "");
    in_base(run, "second");
    if (ib_train(path, run, NULL, second, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    assert_string_not_equal(first, second);
    assert_int_equal(ib_verify(run, NULL, NULL, &err), IB_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ib_experiment *experiment = NULL;
        ib_task *task = NULL;
        snprintf(text, sizeof text, "initial_weights: %s\n", bad[i][0]);
        write_adapting(path, "bad.yaml", text, "");
        err = (ib_error){0};
        ib_status status = ib__experiment_read(&experiment, path, &err);
        if (status == IB_OK) status = ib__task_open(&task, experiment, &err);
        if (status == IB_OK || !strstr(err.text, bad[i][1]))
            fail_msg("%s: %s: %s", bad[i][0], err.where, err.text);
        ib__experiment_free(experiment);
    }
}

/* Texts of a table, and what is learned from them; shapes that depend on it; in the model that is written. */
static void test_texts(void **state) {
    (void)state;
    static const char table[] = "text,y\n\"a b, b\",0\nb c,1\nA. b!,1\n";
    char path[256], csv[256], run[256], file[300], digest[72], text[1024];
    ib_error err = {0};
    ib_model *model;
    in_base(csv, "t.csv");
    assert_int_equal(ib__file_write(csv, table, strlen(table), NULL), IB_OK);
    snprintf(text, sizeof text,
             "isobit: 1\nseed: 5\nmodel:\n  sequential:\n    - TextVectorization: {output_mode: count}\n"
             "    - Dense: {units: 2}\n    - Normalization: {}\n    - Dense: {units: 1}\n"
             "adapt: [text_vectorization]\ncompile: {optimizer: sgd, loss: mse}\n"
             "data:\n  train: {csv: %s, label: y, features: [text], strings: [text]}\nfit: {epochs: 2}\n",
             csv);
    in_base(path, "texts.yaml");
    in_base(run, "texts");
    assert_int_equal(ib__file_write(path, text, strlen(text), NULL), IB_OK);
    if (ib_train(path, run, NULL, digest, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    assert_int_equal(ib_verify(run, &(ib_judgement){.vary = "threads,isa"}, NULL, &err), IB_OK);
    snprintf(file, sizeof file, "%s/model.keras", run);
    assert_int_equal(ib__keras_load(&model, file, true, &err), IB_OK);
    const ib_value *terms = ib__value_get(model->layers[1]->config, "vocabulary");
    static const char *const expected[] = {"b", "a", "c"};
    assert_int_equal(terms->count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(terms->items[i]->string, expected[i]);
    assert_int_equal(model->layers[2]->weights[0].variable.shape.dims[0], 4);
    ib__model_free(model);
    const char *without = strstr(text, "adapt: ");
    snprintf(csv, sizeof csv, "%.*s", 240, without);
    text[without - text] = '\0';
    strcat(text, csv + strlen("adapt: [text_vectorization]\n"));
    assert_int_equal(ib__file_write(path, text, strlen(text), NULL), IB_OK);
    in_base(run, "without");
    assert_int_equal(ib_train(path, run, NULL, digest, &err), IB_BAD_INPUT);
    assert_non_null(strstr(err.text, "text_vectorization has no vocabulary"));
}

static void test_refused(void **state) {
    static const char *const bad[][3] = {
        {"adapt: [dense]\n", "    - Normalization: {}\n", "as normalization, found \"dense\""},
        {"adapt: [normalisation]\n", "    - Normalization: {}\n", "as normalization"},
        {"adapt: [dense]\n", "", "expected the name of a layer, found \"dense\""},
        {"adapt: [3]\n", "    - Normalization: {}\n", "expected names of layers"},
        {"adapt: [normalization]\n", "    - Normalization: {mean: 0, variance: 1}\n", "nothing to adapt"},
        {"adapt: [normalization]\n", "    - ReLU: {}\n    - Normalization: {}\n",
         "takes an input of the model"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char path[256];
        ib_error err = {0};
        ib_experiment *experiment;
        ib_task *task;
        write_adapting(path, "bad.yaml", bad[i][0], bad[i][1]);
        if (open_task(path, &experiment, &task, &err) != IB_BAD_INPUT || !strstr(err.text, bad[i][2]))
            fail_msg("%s%s: expected \"%s\", found \"%s\"", bad[i][0], bad[i][1], bad[i][2], err.text);
        ib__experiment_free(experiment);
    }
}

/* A file with the vocabulary is the same as its list, and the record needs the file no more. */
static void test_vocabulary_file(void **state) {
    (void)state;
    static const char *const given[] = {"[\"the\", \"\\u00e9t\\u00e9\", \"was\"]", "terms.txt"};
    static const char *const bad[][2] = {{"nowhere.txt", "nowhere.txt: cannot be opened"},
                                         {"wrong.txt", "wrong.txt: line 2: expected UTF-8"}};
    char path[256], text[4096], digests[2][72], run[256], here[2048];
    assert_non_null(getcwd(here, sizeof here));
    in_base(path, "terms.txt");
    assert_int_equal(ib__file_write(path, "the\n\xc3\xa9t\xc3\xa9\nwas\n", 14, NULL), IB_OK);
    in_base(path, "wrong.txt");
    assert_int_equal(ib__file_write(path, "the\ncaf\xe9\n", 9, NULL), IB_OK);
    static const char format[] =
        "isobit: 1\nseed: 5\nmodel:\n  sequential:\n    - TextVectorization: {output_mode: multi_hot, "
        "vocabulary: %s}\n    - Dense: {units: 1}\ncompile: {optimizer: sgd, loss: mse}\ndata: {train: "
        "{texts: "
        "%s/test/golden/text_folder}}\n";
    for (size_t i = 0; i < 2; i++) {
        ib_error err = {0};
        snprintf(text, sizeof text, format, given[i], here);
        in_base(path, "terms.yaml");
        assert_int_equal(ib__file_write(path, text, strlen(text), NULL), IB_OK);
        in_base(run, given[i][0] == '[' ? "list" : "file");
        if (ib_train(path, run, NULL, digests[i], &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    }
    assert_string_equal(digests[0], digests[1]);
    in_base(path, "terms.txt");
    assert_int_equal(ib__file_remove(path, NULL), IB_OK);
    assert_int_equal(ib_verify(run, NULL, NULL, NULL), IB_OK);
    for (size_t i = 0; i < 2; i++) {
        ib_error err = {0};
        ib_experiment *e = NULL;
        snprintf(text, sizeof text, format, bad[i][0], here);
        in_base(path, "terms.yaml");
        assert_int_equal(ib__file_write(path, text, strlen(text), NULL), IB_OK);
        assert_true(ib__experiment_read(&e, path, &err) != IB_OK);
        snprintf(text, sizeof text, "%s: %s", err.where, err.text);
        if (strstr(text, bad[i][1]) == NULL) fail_msg("expected %s, found %s", bad[i][1], text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_moments), cmocka_unit_test(test_one_number),
                                       cmocka_unit_test(test_run),     cmocka_unit_test(test_texts),
                                       cmocka_unit_test(test_weights), cmocka_unit_test(test_vocabulary_file),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
