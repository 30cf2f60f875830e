/* SPDX-License-Identifier: Apache-2.0
 *
 * Models and arrays in memory: training on arrays equals training on the files that hold them, with the same
 * digests; views are the model's own memory; bad arrays and settings end in an error.
 */
#include "run/runs.h"

#include <math.h>

#define SAMPLES 70
#define CLASSES 3

static float x[SAMPLES][6];
static int64_t y[SAMPLES];
static float second[SAMPLES][4];

static const char *const layers =
    "{\"class_name\": \"Dense\", \"config\": {\"name\": \"dense\", \"units\": 8, \"activation\": \"tanh\"}},"
    "{\"class_name\": \"Dropout\", \"config\": {\"name\": \"dropout\", \"rate\": 0.25}},"
    "{\"class_name\": \"Dense\", \"config\": {\"name\": \"dense_1\", \"units\": 3, \"activation\": "
    "\"softmax\"}}";
static const char *const compile = "{\"optimizer\": \"adam\", \"loss\": \"sparse_categorical_crossentropy\","
                                   " \"metrics\": [\"accuracy\"]}";
static const char *const settings = "{\"seed\": 3, \"fit\": {\"batch_size\": 32, \"epochs\": 2}}";

static int make_data(void **state) {
    for (int i = 0; i < SAMPLES; i++) {
        for (int k = 0; k < 6; k++)
            x[i][k] = (float)((i * 7 + k * 3) % 11) / 11.0f;
        for (int k = 0; k < 4; k++)
            second[i][k] = (float)((i * 5 + k) % 7) / 7.0f;
        y[i] = (i / 5) % CLASSES;
    }
    return make_base(state);
}

static ib_model *fresh(void) {
    char json[2048];
    ib_error err = {0};
    ib_model *model = NULL;
    snprintf(
        json, sizeof json,
        "{\"module\": \"keras\", \"class_name\": \"Sequential\", \"config\": {\"name\": \"s\", \"layers\": ["
        "{\"class_name\": \"InputLayer\", \"config\": {\"name\": \"in\", \"batch_shape\": [null, 6]}},%s]},"
        " \"compile_config\": %s}",
        layers, compile);
    if (ib_model_from_config(&model, json, 1, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    return model;
}

/* Both parts are the same arrays. */
static void views(ib_view out[2]) {
    out[0] = (ib_view){"x", "float32", 2, {SAMPLES, 6}, x};
    out[1] = (ib_view){"y", "int64", 1, {SAMPLES}, y};
}

static void fit(ib_model *model, const char *run, const ib_options *options, char digest[72]) {
    ib_view v[2];
    ib_error err = {0};
    views(v);
    if (ib_fit(model, v, 2, v, 2, settings, run, options, digest, &err) != IB_OK)
        fail_msg("%s: %s", err.where, err.text);
}

static void same_weights(ib_model *a, ib_model *b) {
    ib_view v, w;
    size_t n = 0;
    for (; ib_model_weight(a, n, &v); n++) {
        size_t count = 1;
        assert_true(ib_model_weight(b, n, &w));
        assert_string_equal(v.name, w.name);
        for (size_t i = 0; i < v.rank; i++)
            count *= (size_t)v.shape[i];
        assert_memory_equal(v.data, w.data, count * sizeof(float));
    }
    assert_int_equal(n, 4);
    assert_false(ib_model_weight(b, n, &w));
}

/* With and without a run, from memory and from the files of the run, once and again with optimizer state. */
static void digests(void **state) {
    char run[256], experiment[512], other[256], first[72], again[72];
    (void)state;
    ib_model *a = fresh(), *b = fresh();
    for (int round = 0; round < 2; round++) {
        char name[32];
        ib_options options = {.threads = 1 + (size_t)round, .isa = "ref"};
        snprintf(name, sizeof name, "memory%d", round);
        in_base(run, name);
        fit(a, run, NULL, first);
        fit(b, NULL, &options, again);
        assert_string_equal(first, again);
        same_weights(a, b);
        snprintf(experiment, sizeof experiment, "%s/input/experiment.json", run);
        snprintf(name, sizeof name, "files%d", round);
        in_base(other, name);
        assert_int_equal(ib_train(experiment, other, NULL, again, NULL), IB_OK);
        assert_string_equal(first, again);
        assert_int_equal(ib_verify(run, NULL, NULL, NULL), IB_OK);
        ib_model *trained = NULL;
        assert_int_equal(ib_model_load(&trained, other, NULL), IB_OK);
        same_weights(a, trained);
        ib_model_free(trained);
    }
    ib_view v;
    assert_true(ib_model_state(a, 0, &v));
    assert_string_equal(v.dtype, "int64");
    assert_int_equal(*(int64_t *)v.data, 2 * 2 * 3);
    ib_model_free(a);
    ib_model_free(b);
}

typedef struct watched {
    size_t calls, answer_at;
    int answer;
    double loss;
    ib_model *model;
} watched;

static int watch(void *context, const ib_progress *p) {
    watched *w = context;
    w->model = p->model;
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->names[i], "loss") == 0) w->loss = p->values[i];
    return ++w->calls == w->answer_at ? w->answer : IB_GO_ON;
}

/* Views are the model's memory; evaluate and predict use what was written there. */
static void writing(void **state) {
    ib_error err = {0};
    ib_view v[2], w;
    ib_results *results = NULL;
    watched seen = {0};
    ib_options options = {.progress = watch, .context = &seen};
    (void)state;
    ib_model *model = fresh();
    views(v);
    assert_true(ib_model_weight(model, 2, &w));
    assert_string_equal(w.name, "dense_1/kernel");
    memset(w.data, 0, 8 * CLASSES * sizeof(float));
    assert_int_equal(ib_model_predict(model, v, 1, 0, &options, &results, &err), IB_OK);
    assert_true(ib_results_get(results, 0, &w));
    assert_false(ib_results_get(results, 1, &w));
    assert_int_equal(w.rank, 2);
    assert_int_equal(w.shape[0], SAMPLES);
    for (int i = 0; i < SAMPLES * CLASSES; i++)
        assert_true(((float *)w.data)[i] == 1.0f / 3.0f);
    ib_results_free(results);
    assert_int_equal(ib_model_evaluate(model, v, 2, 16, &options, &err), IB_OK);
    assert_true(fabs(seen.loss - log(3)) < 1e-6);
    assert_ptr_equal(seen.model, model);
    for (size_t i = 0; ib_model_state(model, i, &w); i++)
        if (strcmp(w.name, "adam/learning_rate") == 0 || strcmp(w.name, "learning_rate") == 0)
            *(float *)w.data = 0;
    assert_int_equal(ib_model_state_written(model, NULL), IB_OK);
    ib_model *still = fresh();
    assert_true(ib_model_weight(still, 2, &w));
    memset(w.data, 0, 8 * CLASSES * sizeof(float));
    fit(model, NULL, NULL, NULL);
    same_weights(model, still); /* with a learning rate of 0 nothing moves */
    ib_model_free(still);
    ib_model_free(model);
}

/* Stopped runs go on to the same digest; without a run IB_END ends training after the epoch. */
static void stopping(void **state) {
    char run[256], experiment[512], whole[72], resumed[72];
    ib_view v[2], w;
    (void)state;
    views(v);
    in_base(run, "stop");
    ib_model *a = fresh(), *b = fresh();
    watched seen = {.answer_at = 4, .answer = IB_STOP};
    ib_options options = {.progress = watch, .context = &seen};
    assert_int_equal(ib_fit(a, v, 2, v, 2, settings, run, &options, NULL, NULL), IB_INTERRUPTED);
    assert_ptr_equal(seen.model, a);
    fit(b, NULL, NULL, whole);
    snprintf(experiment, sizeof experiment, "%s/input/experiment.json", run);
    options = (ib_options){.resume = 1};
    assert_int_equal(ib_train(experiment, run, &options, resumed, NULL), IB_OK);
    assert_string_equal(whole, resumed);
    ib_model_free(a);
    a = fresh();
    seen = (watched){.answer_at = 5, .answer = IB_END}; /* begin, three steps, end of the first epoch */
    options = (ib_options){.progress = watch, .context = &seen};
    assert_int_equal(ib_fit(a, v, 2, NULL, 0, settings, NULL, &options, whole, NULL), IB_OK);
    assert_true(ib_model_state(a, 0, &w));
    assert_int_equal(*(int64_t *)w.data, 3);
    ib_model_free(a);
    a = fresh();
    in_base(run, "end");
    seen = (watched){.answer_at = 5, .answer = IB_END};
    assert_int_equal(ib_fit(a, v, 2, NULL, 0, settings, run, &options, whole, NULL), IB_INTERRUPTED);
    ib_model_free(a);
    ib_model_free(b);
}

static const char *const two_inputs =
    "{\"module\": \"keras\", \"class_name\": \"Functional\", \"config\": {\"name\": \"f\", \"layers\": ["
    "{\"class_name\": \"InputLayer\", \"name\": \"a\", \"config\": {\"batch_shape\": [null, 6], \"name\": "
    "\"a\"},"
    " \"inbound_nodes\": []},"
    "{\"class_name\": \"InputLayer\", \"name\": \"b\", \"config\": {\"batch_shape\": [null, 4], \"name\": "
    "\"b\"},"
    " \"inbound_nodes\": []},"
    "{\"class_name\": \"Concatenate\", \"name\": \"c\", \"config\": {\"name\": \"c\"}, \"inbound_nodes\": "
    "[{\"args\":"
    " [[{\"class_name\": \"__keras_tensor__\", \"config\": {\"shape\": [null, 6], \"dtype\": \"float32\","
    " \"keras_history\": [\"a\", 0, 0]}}, {\"class_name\": \"__keras_tensor__\", \"config\": {\"shape\": "
    "[null, 4],"
    " \"dtype\": \"float32\", \"keras_history\": [\"b\", 0, 0]}}]], \"kwargs\": {}}]},"
    "{\"class_name\": \"Dense\", \"name\": \"d\", \"config\": {\"name\": \"d\", \"units\": 1}, "
    "\"inbound_nodes\":"
    " [{\"args\": [{\"class_name\": \"__keras_tensor__\", \"config\": {\"shape\": [null, 10], \"dtype\":"
    " \"float32\", \"keras_history\": [\"c\", 0, 0]}}], \"kwargs\": {}}]}],"
    " \"input_layers\": [[\"a\", 0, 0], [\"b\", 0, 0]], \"output_layers\": [\"d\", 0, 0]},"
    " \"compile_config\": {\"optimizer\": \"sgd\", \"loss\": \"mse\"}}";

/* Inputs by name and by number; sample weights. */
static void several(void **state) {
    char run[256], experiment[512], other[256], first[72], again[72];
    ib_error err = {0};
    ib_model *model = NULL;
    static float target[SAMPLES], weight[SAMPLES];
    (void)state;
    for (int i = 0; i < SAMPLES; i++) {
        target[i] = (float)i / 64;
        weight[i] = (float)(i % 3);
    }
    ib_view named[] = {{"x.a", "float32", 2, {SAMPLES, 6}, x},
                       {"x.b", "float32", 2, {SAMPLES, 4}, second},
                       {"y", "float32", 1, {SAMPLES}, target},
                       {"sample_weight", "float32", 1, {SAMPLES}, weight}};
    for (int numbered = 0; numbered < 2; numbered++) {
        if (numbered) {
            named[0].name = "x.0";
            named[1].name = "x.1";
        }
        in_base(run, numbered ? "numbered" : "named");
        in_base(other, numbered ? "numbered2" : "named2");
        if (ib_model_from_config(&model, two_inputs, 1, &err) != IB_OK)
            fail_msg("%s: %s", err.where, err.text);
        if (ib_fit(model, named, 4, NULL, 0, settings, run, NULL, first, &err) != IB_OK)
            fail_msg("%s: %s", err.where, err.text);
        snprintf(experiment, sizeof experiment, "%s/input/experiment.json", run);
        if (ib_train(experiment, other, NULL, again, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
        assert_string_equal(first, again);
        ib_model_free(model);
    }
}

static void expect(const ib_view *v, size_t n, const char *given, const char *run, const char *part) {
    ib_error err = {0};
    ib_model *model = fresh();
    ib_status status = ib_fit(model, v, n, NULL, 0, given, run, NULL, NULL, &err);
    if (status != IB_BAD_INPUT || (strstr(err.where, part) == NULL && strstr(err.text, part) == NULL))
        fail_msg("expected an error that says \"%s\", found %d, %s: %s", part, status, err.where, err.text);
    ib_model_free(model);
}

static void bad(void **state) {
    static float broken[SAMPLES][6];
    static int64_t labels[SAMPLES] = {0, 1, 7};
    char run[256], path[512];
    ib_view v[3];
    (void)state;
    in_base(run, "bad");
    views(v);
    v[2] = v[1];
    expect(v, 0, settings, run, "expected 1 to 64 arrays");
    v[1].name = "z";
    expect(v, 2, settings, run, "\"z\"");
    v[1].name = "y.../../up";
    expect(v, 2, settings, run, "expected fields");
    views(v);
    v[1].dtype = "object";
    expect(v, 2, settings, run, "\"object\"");
    views(v);
    v[1].shape[0] = SAMPLES - 1;
    expect(v, 2, settings, run, "as many samples");
    views(v);
    v[0].rank = 9;
    expect(v, 2, settings, run, "dimensions");
    v[0].rank = 0;
    expect(v, 2, settings, run, "dimensions");
    views(v);
    v[0].shape[1] = 5;
    expect(v, 2, settings, run, "(None, 6)");
    v[0].shape[1] = -1;
    expect(v, 2, settings, run, "from 0 on");
    v[0].shape[1] = INT64_MAX;
    expect(v, 2, settings, run, "at least one sample");
    views(v);
    expect(v, 1, settings, run, "targets");
    v[2] = v[0];
    expect(v, 3, settings, run, "x");
    v[1].data = labels;
    expect(v, 2, settings, run, "class from 0 to 2, found 7");
    views(v);
    memcpy(broken, x, sizeof x);
    broken[3][1] = NAN;
    v[0].data = broken;
    expect(v, 2, settings, run, "x[3, 1]");
    views(v);
    expect(v, 2, "{\"sed\": 3}", run, "seed");
    expect(v, 2, "{\"fit\": {\"epochs\": 0}}", run, "epochs");
    expect(v, 2, "{\"model\": {}}", run, "'model'");
    expect(v, 2, "[]", run, "a map");
    expect(v, 2, "{", run, "settings");
    assert_false(ib__file_exists(run)); /* nothing is left of what did not begin */
    ib_model *good = fresh();
    fit(good, run, NULL, NULL);
    ib_model_free(good);
    expect(v, 2, settings, run, "holds a run");
    snprintf(path, sizeof path, "%s/input/experiment.json", run);
    assert_true(ib__file_exists(path));
    ib_model *model = NULL;
    assert_int_equal(ib_model_load(&model, "/nowhere.keras", NULL), IB_IO);
    assert_int_equal(ib_model_from_config(&model, "{}", 0, NULL), IB_BAD_INPUT);
    assert_int_equal(ib_model_from_config(&model, "nonsense", 0, NULL), IB_BAD_INPUT);
    assert_null(model);
}

/* Without a loss there is no training; compile brings one. */
static void compiling(void **state) {
    ib_view v[2];
    ib_error err = {0};
    ib_model *model = NULL;
    char json[1024];
    (void)state;
    views(v);
    snprintf(json, sizeof json,
             "{\"class_name\": \"Sequential\", \"config\": {\"name\": \"s\", \"layers\": [{\"class_name\": "
             "\"InputLayer\","
             " \"config\": {\"name\": \"in\", \"batch_shape\": [null, 6]}},%s]}}",
             layers);
    assert_int_equal(ib_model_from_config(&model, json, 1, &err), IB_OK);
    assert_int_equal(ib_fit(model, v, 2, NULL, 0, settings, NULL, NULL, NULL, NULL), IB_BAD_INPUT);
    assert_int_equal(ib_model_evaluate(model, v, 2, 0, NULL, NULL), IB_BAD_INPUT);
    assert_int_equal(ib_model_compile(model, "{\"optimizer\": \"adamm\"}", NULL), IB_BAD_INPUT);
    assert_int_equal(ib_model_compile(model, compile, &err), IB_OK);
    assert_int_equal(ib_fit(model, v, 2, NULL, 0, settings, NULL, NULL, NULL, NULL), IB_OK);
    ib_model_free(model);
    ib_model_free(NULL);
    ib_results_free(NULL);
}

/* Keras numbers shared objects by their addresses; the files that isobit writes, and digests, do not tell. */
static void shared_objects(void **state) {
    static const long long ids[2][4] = {{140453997277968, 139000000000001, 139000000000001, 17},
                                        {7, 3, 3, 1}};
    static const char *const format =
        "{\"class_name\": \"Sequential\", \"config\": {\"name\": \"s\", \"dtype\": {\"module\": \"keras\","
        " \"class_name\": \"DTypePolicy\", \"config\": {\"name\": \"float32\"}, \"registered_name\": null,"
        " \"shared_object_id\": %lld}, \"layers\": ["
        "{\"class_name\": \"InputLayer\", \"config\": {\"name\": \"in\", \"batch_shape\": [null, 6]},"
        " \"shared_object_id\": %lld}, {\"class_name\": \"Dense\", \"config\": {\"name\": \"d\", \"units\": "
        "3, \"activation\": \"softmax\","
        " \"kernel_initializer\": {\"module\": \"keras.initializers\", \"class_name\": \"GlorotUniform\","
        " \"config\": {\"seed\": null}, \"shared_object_id\": %lld},"
        " \"bias_initializer\": {\"module\": \"keras.initializers\", \"class_name\": \"GlorotUniform\","
        " \"config\": {\"seed\": null}, \"shared_object_id\": %lld}}, \"shared_object_id\": %lld}]},"
        " \"compile_config\": %s}";
    char path[256], digests[2][72];
    ib_view v[2];
    ib_buf files[2] = {{0}};
    (void)state;
    views(v);
    for (int i = 0; i < 2; i++) {
        char json[2048];
        ib_model *model = NULL;
        ib_error err = {0};
        snprintf(json, sizeof json, format, ids[i][0], ids[i][3], ids[i][1], ids[i][2], ids[i][3], compile);
        if (ib_model_from_config(&model, json, 1, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
        in_base(path, "shared.keras");
        assert_int_equal(ib_model_save(model, path, NULL), IB_OK);
        assert_int_equal(ib__file_read(&files[i], path, 0, NULL), IB_OK);
        assert_non_null(memmem(files[i].data, files[i].length, "\"shared_object_id\": 1", 21));
        assert_null(memmem(files[i].data, files[i].length, "\"shared_object_id\": 2", 21));
        assert_int_equal(ib_fit(model, v, 2, NULL, 0, settings, NULL, NULL, digests[i], NULL), IB_OK);
        ib_model_free(model);
    }
    assert_int_equal(files[0].length, files[1].length);
    assert_memory_equal(files[0].data, files[1].data, files[0].length);
    assert_string_equal(digests[0], digests[1]);
    ib__buf_free(&files[0]);
    ib__buf_free(&files[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(digests),       cmocka_unit_test(writing),
                                       cmocka_unit_test(stopping),      cmocka_unit_test(several),
                                       cmocka_unit_test(bad),           cmocka_unit_test(compiling),
                                       cmocka_unit_test(shared_objects)};
    return cmocka_run_group_tests(tests, make_data, remove_base);
}
