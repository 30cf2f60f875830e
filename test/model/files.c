/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that real Keras 3 wrote: they load, give Keras's outputs, and survive being written and read again.
 */
#include "model/predict.h"

#include <glob.h>
#include <unistd.h>

/* Cases that must load; the others may say that something is not supported yet. */
static const char *const must_load[] = {"assets-integer-lookup",
                                        "assets-string-lookup",
                                        "text-sequence",
                                        "text-tf-idf",
                                        "legacy-h5",
                                        "legacy-h5-sequential-rnn",
                                        "fixed-batch",
                                        "weights-sharded",
                                        "directory-unzipped",
                                        "uncompiled",
                                        "without-optimizer",
                                        "compiled-adam",
                                        "compiled-accumulation",
                                        "compiled-adafactor",
                                        "compiled-adamw-amsgrad-ema",
                                        "compiled-constraints",
                                        "compiled-ftrl",
                                        "compiled-loss-scale",
                                        "compiled-multi",
                                        "compiled-muon",
                                        "compiled-nadam",
                                        "compiled-rmsprop-centered-clip",
                                        "compiled-sgd-momentum-schedule",
                                        "zip-deflated",
                                        "nested-three-levels",
                                        "sequential-of-models",
                                        "h5-big-endian",
                                        "h5-chunked-gzip-shuffle",
                                        "h5-float64",
                                        "dtype-float64",
                                        "h5-latest-format",
                                        "weights-h5",
                                        "names-odd",

                                        "dict-inputs-outputs",
                                        "nested-input-structure",
                                        "operations-as-nodes",
                                        "many-layers"};

static bool must(const char *name) {
    for (size_t i = 0; i < sizeof must_load / sizeof *must_load; i++)
        if (strcmp(must_load[i], name) == 0) return true;
    return false;
}

static const char *scratch(const char *name) {
    static char path[256];
    (void)snprintf(path, sizeof path, "/tmp/isobit-test-%ld-%s", (long)getpid(), name);
    return path;
}

/* Written and read again: the same outputs; written twice: the same bytes. */
static void check_again(ib_model *model, ib_zip *zip, const char *npz, const char *prefix, double before) {
    char first[256];
    ib_error err = {0};
    ib_model *again = NULL;
    ib_buf a = {0}, b = {0};
    (void)snprintf(first, sizeof first, "%s", scratch("a.keras"));
    if (ib__keras_save(model, first, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    if (ib__keras_load(&again, first, true, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    assert_true(predict_error(again, zip, npz, prefix) == before);
    const char *second = scratch("b.keras");
    assert_int_equal(ib__keras_save(again, second, &err), IB_OK);
    assert_int_equal(ib__file_read(&a, first, 0, &err), IB_OK);
    assert_int_equal(ib__file_read(&b, second, 0, &err), IB_OK);
    assert_int_equal(a.length, b.length);
    assert_memory_equal(a.data, b.data, a.length);
    (void)unlink(first);
    (void)unlink(second);
    ib__buf_free(&a);
    ib__buf_free(&b);
    ib__model_free(again);
}

/* model.weights.h5 into a model that has other weights. */
static void check_weight_file(ib_model *model, const char *folder, const char *file, ib_zip *zip,
                              const char *npz, const ib_value *meta, const char *prefix, double limit) {
    char path[600];
    ib_error err = {0};
    ib_weight *weights[64];
    assert_true(ib__model_weights(model, NULL, false) <= 64);
    size_t n = ib__model_weights(model, weights, false);
    for (size_t i = 0; i < n; i++)
        weights[i]->variable.data[0] += 1;
    (void)snprintf(path, sizeof path, "%s/%s", folder, file);
    if (ib__weights_load(model, path, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    assert_int_equal(check_weights(model, zip, npz, meta), n);
    double error = predict_error(model, zip, npz, prefix);
    assert_true(error >= 0 && error <= limit);
}

/* Indexes of shards that lead nowhere, or outside of their folder. */
static void check_bad_shards(ib_model *model) {
    static const char *const bad[][2] = {
        {"[]", "weight_map: expected a map"},
        {"{\"weight_map\": {}}", "for /layers/conv2d/vars"},
        {"{\"weight_map\": {\"/layers/conv2d/vars\": [\"../model.weights.h5\"]}}", "files beside this one"},
        {"{\"weight_map\": {\"/layers/conv2d/vars\": []}}", "stands in none of its files"},
        {"{\"weight_map\": {\"/layers/conv2d/vars\": [\"none.weights.h5\"]}}", "No such file"},
        {"{\"weight_map\": {\"/layers/conv2d/vars\": \"none.weights.h5\"}}", "No such file"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ib_error err = {0};
        const char *path = scratch("a.weights.json");
        assert_int_equal(ib__file_write(path, bad[i][0], strlen(bad[i][0]), &err), IB_OK);
        assert_true(ib__weights_load(model, path, &err) != IB_OK);
        if (!strstr(err.text, bad[i][1])) fail_msg("%s: %s", err.where, err.text);
        (void)unlink(path);
    }
}

static size_t compared, refused;

static void check_case(const char *npz, const char *folder, const char *name) {
    char path[600];
    ib_zip *zip = NULL;
    ib_error err = {0};
    ib_model *model = NULL;
    if (ib__zip_open(&zip, npz, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    ib_value *meta = read_meta(zip, npz);
    const char *expect = golden_text(meta, "expect");
    (void)snprintf(path, sizeof path, "%s/model%s", folder,
                   strcmp(name, "directory-unzipped") == 0 ? ""
                   : strncmp(name, "legacy-h5", 9) == 0    ? ".h5"
                                                           : ".keras");
    bool compiled = strncmp(name, "compiled", 8) == 0 || strcmp(name, "legacy-h5") == 0;
    ib_status status = ib__keras_load(&model, path, compiled, &err);
    if (status != IB_OK) print_message("%s: %s: %s\n", name, err.where, err.text);
    if (strcmp(expect, "refuse") == 0 || status != IB_OK) {
        if (status == IB_OK || must(name)) fail_msg("%s: expected %s", name, expect);
        assert_true(err.text[0] && strstr(err.where, name));
        refused++;
    } else {
        bool other = strcmp(name, "weights-only-other-values") == 0;
        const char *prefix = other ? "keras/" : strcmp(name, "unknown-batch-and-time") == 0 ? "b/" : "";
        double limit = fmax(2e-6, 10 * golden_float32_error(ib__value_get(meta, "float32_error"), "y"));
        if (!other) (void)check_weights(model, zip, npz, meta);
        double error = predict_error(model, zip, npz, prefix);
        if (error < 0 || error > limit) fail_msg("%s: error %g above %g", name, error, limit);
        check_again(model, zip, npz, prefix, error);
        if (other || strcmp(name, "weights-h5") == 0)
            check_weight_file(model, folder, "model.weights.h5", zip, npz, meta, other ? "weights/" : "",
                              limit);
        if (strcmp(name, "weights-sharded") == 0) {
            check_weight_file(model, folder, "model.weights.json", zip, npz, meta, "", limit);
            check_bad_shards(model);
        }
        compared++;
    }
    ib__model_free(model);
    ib__value_free(meta);
    ib__zip_close(zip);
}

static void keras_files(void **state) {
    (void)state;
    glob_t found;
    const char *root = getenv("IB_GOLDEN_FILES") ? getenv("IB_GOLDEN_FILES") : "test/golden/files";
    char pattern[256];
    (void)snprintf(pattern, sizeof pattern, "%s/*.npz", root);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char folder[512], name[128];
        const char *npz = found.gl_pathv[i], *slash = strrchr(npz, '/');
        (void)snprintf(folder, sizeof folder, "%.*s", (int)(strlen(npz) - 4), npz);
        (void)snprintf(name, sizeof name, "%.*s", (int)(strlen(slash + 1) - 4), slash + 1);
        check_case(npz, folder, name);
    }
    globfree(&found);
    ib_model *model = NULL; /* sizes after the data, zip64 fields, a comment */
    ib_error err = {0};
    if (ib__keras_load(&model, "test/golden/files/zip-streamed-zip64-comment/model.keras", false, &err) !=
        IB_OK)
        fail_msg("%s: %s", err.where, err.text);
    ib__model_free(model);
    print_message("%zu compared, %zu refused\n", compared, refused);
    assert_true(compared >= sizeof must_load / sizeof *must_load && refused >= 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(keras_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
