/* SPDX-License-Identifier: Apache-2.0
 *
 * Callbacks against real Keras (test/golden/callbacks.json): the same epochs, logs, learning rates, files and
 * final weights; the same after a stop at each step; what is refused.
 */
#include "run/runs.h"

#include <math.h>

#include "run/callbacks.h"

#define TOLERANCE 2e-5

static ib_value *cases;
static size_t compared;

static int prepare(void **state) {
    ib_buf text = {0};
    if (make_base(state) != 0 || ib__file_read(&text, "test/golden/callbacks.json", 0, NULL) != IB_OK)
        return 1;
    int result = ib__json_parse(&cases, text.data, text.length, "callbacks.json", NULL) != IB_OK;
    ib__buf_free(&text);
    return result;
}

static int finish(void **state) {
    ib__value_free(cases);
    return remove_base(state);
}

static const char *text_of(const ib_value *map, const char *key) {
    return ib__value_get(map, key)->string;
}

/* The case as an experiment, base/NAME.json. */
static void write_case(const ib_value *c, char path[256]) {
    char here[2048], name[128];
    ib_buf text = {0};
    const ib_value *rate = ib__value_get(c, "rate");
    assert_non_null(getcwd(here, sizeof here));
    ib__buf_printf(
        &text,
        "{\"isobit\": 1, \"seed\": 1, \"model\": {\"keras\": \"%s/test/golden/training/mlp.keras\"}, "
        "\"data\": {\"train\": {\"npz\": \"%s/test/golden/training/mlp.npz\", \"x\": \"x0\", \"y\": \"y0\"}",
        here, here);
    if (ib__value_get(c, "validation")->boolean)
        ib__buf_printf(&text,
                       ", \"validation\": {\"npz\": \"%s/test/golden/training/mlp.npz\", \"x\": \"val_x0\", "
                       "\"y\": \"val_y0\"}",
                       here);
    ib__buf_printf(&text,
                   "}, \"fit\": {\"batch_size\": 16, \"epochs\": %lld, \"shuffle\": false}, \"callbacks\": ",
                   (long long)ib__value_get(c, "epochs")->integer);
    ib__json_write(&text, ib__value_get(c, "callbacks"), IB_JSON_CANONICAL);
    if (rate->kind != IB_NULL)
        ib__buf_printf(&text,
                       ", \"compile\": {\"optimizer\": {\"RMSprop\": {\"learning_rate\": %g, \"rho\": 0.0, "
                       "\"epsilon\": 0.0}}, \"loss\": "
                       "\"sparse_categorical_crossentropy\", \"metrics\": [\"accuracy\"]}",
                       rate->real);
    ib__buf_text(&text, "}");
    snprintf(name, sizeof name, "%s.json", text_of(c, "name"));
    in_base(path, name);
    assert_int_equal(ib__file_write(path, text.data, text.length, NULL), IB_OK);
    ib__buf_free(&text);
}

static void near(const char *name, const char *what, double found, double wanted) {
    double e = fabs(found - wanted) / fmax(1, fabs(wanted));
    bool same = found == wanted || (isnan(found) && isnan(wanted)) || e <= TOLERANCE;
    if (!same) fail_msg("%s: %s is %.9g, Keras has %.9g", name, what, found, wanted);
    compared++;
}

static void compare_history(const ib_value *c, const ib_value *record) {
    const ib_value *logs = ib__value_get(c, "logs");
    const ib_value *history = ib__value_get(ib__value_get(record, "results"), "history");
    const char *name = text_of(c, "name");
    size_t n = logs->items[0]->count;
    assert_int_equal(history->count, n);
    for (size_t i = 0; i < n; i++) {
        const char *key = logs->items[0]->keys[i];
        const ib_value *column = ib__value_get(history, key);
        if (column == NULL) fail_msg("%s: no %s", name, key);
        if (column->count != logs->count)
            fail_msg("%s: %zu epochs, Keras %zu", name, column->count, logs->count);
        for (size_t k = 0; k < logs->count; k++) {
            double found, wanted;
            assert_true(ib__value_number(column->items[k], &found));
            assert_true(ib__value_number(ib__value_get(logs->items[k], key), &wanted));
            near(name, key, found, wanted);
            if (strcmp(key, "learning_rate") == 0) assert_true(found == wanted);
        }
    }
}

static void compare_weights(const ib_value *c, const char *run) {
    char path[300];
    ib_model *model = NULL;
    const ib_value *squares = ib__value_get(c, "squares");
    snprintf(path, sizeof path, "%s/model.keras", run);
    assert_int_equal(ib__keras_load(&model, path, false, NULL), IB_OK);
    ib_weight *weights[64];
    assert_int_equal(ib__model_weights(model, NULL, false), squares->count);
    ib__model_weights(model, weights, false);
    for (size_t i = 0; i < squares->count; i++) {
        double sum = 0, wanted;
        const ib_variable *v = &weights[i]->variable;
        for (size_t k = 0; k < (size_t)ib__shape_elements(&v->shape); k++)
            sum += (double)v->data[k] * (double)v->data[k];
        assert_true(ib__value_number(squares->items[i], &wanted));
        near(text_of(c, "name"), v->path, sum, wanted);
    }
    ib__model_free(model);
}

static void compare_files(const ib_value *c, const char *run) {
    const ib_value *files = ib__value_get(c, "files"), *csv = ib__value_get(c, "csv");
    char path[600];
    for (size_t i = 0; i < files->count; i++) {
        snprintf(path, sizeof path, "%s/%s", run, files->items[i]->string);
        if (!ib__file_exists(path)) fail_msg("%s: no file %s", text_of(c, "name"), files->items[i]->string);
        compared++;
    }
    snprintf(path, sizeof path,
             "test $(cd '%s' && find . -type f ! -name model.keras ! -name history.csv ! -name steps ! -name "
             "tensors "
             "! -name record.json ! -name environment.lock ! -name Dockerfile ! -name git.diff ! -name "
             "report.html ! -path './checkpoint/*' | wc -l) = %zu",
             run, files->count);
    assert_int_equal(system(path), 0);
    for (size_t i = 0; i < csv->count; i++) {
        ib_buf text = {0};
        int64_t lines = 0;
        const char *first = csv->items[i]->items[1]->string;
        snprintf(path, sizeof path, "%s/%s", run, csv->keys[i]);
        assert_int_equal(ib__file_read(&text, path, 0, NULL), IB_OK);
        for (size_t k = 0; k < text.length; k++)
            lines += text.data[k] == '\n';
        assert_int_equal(lines, csv->items[i]->items[0]->integer);
        assert_memory_equal(text.data, first, strlen(first));
        ib__buf_free(&text);
    }
}

typedef struct stopper {
    size_t calls, at;
} stopper;

static int stop(void *context, const ib_progress *p) {
    stopper *s = context;
    (void)p;
    return ++s->calls == s->at;
}

static void train(const char *experiment, const char *run, size_t stop_at, bool resume, char digest[72]) {
    ib_error err = {0};
    stopper s = {.at = stop_at};
    ib_options options = {.threads = 1, .resume = resume, .progress = stop, .context = &s};
    ib_status status = ib_train(experiment, run, &options, digest, &err);
    if (status != IB_OK && status != IB_INTERRUPTED) fail_msg("%s: %s", err.where, err.text);
}

static void as_keras(void **state) {
    (void)state;
    assert_true(cases->count >= 9);
    for (size_t i = 0; i < cases->count; i++) {
        char path[256], run[256], digest[72];
        ib_record *record = NULL;
        write_case(cases->items[i], path);
        in_base(run, text_of(cases->items[i], "name"));
        train(path, run, 0, false, digest);
        assert_int_equal(ib__record_read(&record, run, NULL), IB_OK);
        compare_history(cases->items[i], record->tree);
        compare_weights(cases->items[i], run);
        compare_files(cases->items[i], run);
        ib__record_free(record);
        assert_int_equal(ib_verify(run, NULL, NULL, NULL), IB_OK);
    }
    print_message("%zu values compared\n", compared);
    assert_true(compared > 300);
}

/* Stopped at a call of progress and gone on: the same digest, the same files byte by byte. */
static void resumed(void **state) {
    static const char *const names[] = {"plateau-restore", "files", "nan"};
    size_t tried = 0;
    (void)state;
    for (size_t i = 0; i < cases->count; i++) {
        char path[256], whole[256], again[256], first[72], second[72], command[1200];
        const char *name = text_of(cases->items[i], "name");
        if (strcmp(name, names[0]) != 0 && strcmp(name, names[1]) != 0 && strcmp(name, names[2]) != 0)
            continue;
        write_case(cases->items[i], path);
        in_base(whole, "whole");
        in_base(again, "again");
        snprintf(command, sizeof command, "rm -rf '%s' '%s'", whole, again);
        assert_int_equal(system(command), 0);
        train(path, whole, 0, false, first);
        for (size_t at = 1; at < 40; at += 3) {
            snprintf(command, sizeof command, "rm -rf '%s'", again);
            assert_int_equal(system(command), 0);
            train(path, again, at, false, second);
            train(path, again, 0, true, second);
            if (strcmp(second, first) != 0)
                fail_msg("%s, stopped at %zu: %s, not %s", name, at, second, first);
            snprintf(command, sizeof command,
                     "diff -r -q -x checkpoint -x record.json -x environment.lock -x Dockerfile -x "
                     "report.html '%s' '%s'",
                     whole, again);
            assert_int_equal(system(command), 0);
            tried++;
        }
    }
    assert_true(tried >= 3 * 13);
}

static void refuse(const char *callbacks, const char *part) {
    char path[256], run[256];
    ib_error err = {0};
    ib_value *c = NULL, *list = NULL;
    assert_int_equal(ib__yaml_parse(&list, callbacks, strlen(callbacks), "", NULL), IB_OK);
    c = ib__value_copy(cases->items[cases->count - 1]);
    assert_true(ib__value_set(c, "callbacks", list));
    write_case(c, path);
    in_base(run, "refused");
    ib_status status = ib_train(path, run, NULL, NULL, &err);
    if (status == IB_OK || strstr(err.text, part) == NULL || strstr(err.where, "callbacks") == NULL)
        fail_msg("%s: expected \"%s\", found %s: %s: %s", callbacks, part, ib_status_text(status), err.where,
                 err.text);
    assert_false(ib__file_exists(run));
    ib__value_free(c);
}

static void refused(void **state) {
    (void)state;
    refuse("[EarlyStoping]", "did you mean EarlyStopping");
    refuse("[LambdaCallback]", "not supported");
    refuse("[EarlyStopping: {monitor: loss, patiense: 3}]", "did you mean \"patience\"");
    refuse("[EarlyStopping: {monitor: loss, patience: -1}]", "an integer from 0 to");
    refuse("[EarlyStopping: {monitor: loss, mode: less}]", "one of: auto min max");
    refuse("[EarlyStopping: {monitor: acuracy}]", "did you mean accuracy");
    refuse("[EarlyStopping]", "no data to validate on");
    refuse("[EarlyStopping: {monitor: learning_rate}]", "give min or max");
    refuse("[ReduceLROnPlateau: {monitor: loss, factor: 1.0}]", "a number below 1");
    refuse("[LearningRateScheduler]", "\"schedule\" is missing");
    refuse("[LearningRateScheduler: {schedule: lambda}]", "Python functions are not supported");
    refuse("[LearningRateScheduler: {schedule: {ExponentialDekay: {}}}]", "ExponentialDecay");
    refuse("[CSVLogger]", "\"filename\" is missing");
    refuse("[CSVLogger: {filename: ../log.csv}]", "a path within the run's folder");
    refuse("[CSVLogger: {filename: /tmp/log.csv}]", "a path within the run's folder");
    refuse("[CSVLogger: {filename: l.csv, separator: ab}]", "one character");
    refuse("[ModelCheckpoint: {filepath: m.h5}]", "ends in .keras");
    refuse("[ModelCheckpoint: {filepath: m.keras, save_weights_only: true}]", "ends in .weights.h5");
    refuse("[ModelCheckpoint: {filepath: m.keras, save_freq: often}]", "\"epoch\" or a number of steps");
    refuse("[BackupAndRestore: {save_freq: 0}]", "\"epoch\" or a number of steps");
    refuse("[TensorBoard: {write_images: true}]", "not supported yet");
    refuse("[TensorBoard: {update_freq: 0}]", "\"epoch\" or a number of steps");
    refuse("[3]", "a callback by name");
}

static void format(const char *pattern, const char *wanted) {
    ib_logs logs = {0};
    char *found = NULL;
    assert_true(ib__logs_set(&logs, "", "epoch", 7) && ib__logs_set(&logs, "", "loss", 0.123456789) &&
                ib__logs_set(&logs, "val_", "loss", 2));
    ib_status status = ib__callback_format(&found, pattern, &logs, "", NULL);
    if (wanted == NULL) {
        assert_int_equal(status, IB_BAD_INPUT);
    } else {
        assert_int_equal(status, IB_OK);
        assert_string_equal(found, wanted);
    }
    free(found);
    ib__logs_free(&logs);
}

static void formats(void **state) {
    (void)state;
    format("m.keras", "m.keras");
    format("{epoch}", "7");
    format("{epoch:02d}-{loss:.3f}", "07-0.123");
    format("{epoch:3}", "  7");
    format("{loss}{{}}", "0.123456789{}");
    format("{val_loss}", "2.0");
    format("{loss:08.2e}", "1.23e-01");
    format("{loss:.3g}", "0.123");
    format("{lost}", NULL);
    format("{epoch", NULL);
    format("}", NULL);
    format("{loss:d}", NULL);
    format("{loss:99999f}", NULL);
    format("{epoch:s}", NULL);
}

/* Those that write or speak are no part of the result; those that steer are. */
static void digests(void **state) {
    static const char *const lists[] = {"[]",
                                        ("[CSVLogger: {filename: a.csv}, TensorBoard: {histogram_freq: 1, "
                                         "update_freq: 2}, BackupAndRestore: {save_freq: 3}]"),
                                        "[EarlyStopping: {monitor: loss, patience: 50}]",
                                        "[EarlyStopping: {monitor: loss, patience: 50, verbose: 1}]"};
    char found[4][72];
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        char path[256], run[256], name[16];
        ib_value *c = ib__value_copy(cases->items[0]), *list = NULL;
        assert_int_equal(ib__yaml_parse(&list, lists[i], strlen(lists[i]), "", NULL), IB_OK);
        assert_true(ib__value_set(c, "callbacks", list));
        write_case(c, path);
        snprintf(name, sizeof name, "d%zu", i);
        in_base(run, name);
        train(path, run, 0, false, found[i]);
        ib__value_free(c);
    }
    assert_string_equal(found[0], found[1]);
    assert_string_equal(found[2], found[3]);
    assert_string_not_equal(found[0], found[2]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_keras), cmocka_unit_test(resumed),
                                       cmocka_unit_test(refused), cmocka_unit_test(formats),
                                       cmocka_unit_test(digests)};
    return cmocka_run_group_tests(tests, prepare, finish);
}
