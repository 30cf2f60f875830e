/* SPDX-License-Identifier: Apache-2.0
 *
 * Stopped after any step and gone on, with other threads and instruction sets: the same links, the same
 * result. Damaged checkpoints are refused or passed over. Two processes on one folder: the second is refused.
 */
#include "run/runs.h"

static char experiment[256], run[256], whole[72];
static size_t stop_after;

static int stop(void *context, const ib_progress *p) {
    size_t *calls = context;
    (void)p;
    return ++*calls == stop_after;
}

static ib_status train(bool resume, size_t stop_at, const ib_runtime *runtime, char digest[72],
                       ib_error *err) {
    size_t calls = 0;
    stop_after = stop_at;
    ib_options options = {.threads = runtime->threads,
                          .isa = ib__isa_name(runtime->isa),
                          .resume = resume,
                          .progress = stop,
                          .context = &calls};
    return ib_train(experiment, run, &options, digest, err);
}

static const ib_runtime one = {.threads = 1, .isa = IB_ISA_REF};

static void empty(void) {
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%.250s'", run);
    assert_int_equal(system(command), 0);
}

static int prepare(void **state) {
    if (make_base(state) != 0) return 1;
    write_experiment("small.yaml", "examples/digits/digits.csv", "2");
    in_base(experiment, "small.yaml");
    in_base(run, "whole");
    return train(false, 0, &one, whole, NULL) != IB_OK;
}

/* Stops at each call of progress, and again at the first after it. */
static void anywhere(void **state) {
    size_t stops = 0;
    (void)state;
    in_base(run, "stopped");
    for (size_t at = 1; at <= 2 * (1 + 3 + 1); at++) {
        char digest[72] = "";
        ib_error err = {0};
        ib_runtime other = {.threads = 1 + at % 3, .isa = at % 2 ? ib__isa_default() : IB_ISA_REF};
        empty();
        assert_int_equal(train(false, at, &one, digest, NULL), IB_INTERRUPTED);
        ib_status status = train(true, 1, &other, digest, NULL);
        assert_true(status == IB_INTERRUPTED || at == 10);
        if (status == IB_INTERRUPTED) status = train(true, 0, &other, digest, &err);
        if (status != IB_OK) fail_msg("stopped at call %zu: %s: %s", at, err.where, err.text);
        if (strcmp(digest, whole) != 0) fail_msg("stopped at call %zu: %s, not %s", at, digest, whole);
        stops++;
    }
    assert_int_equal(stops, 10);
    ib_record *a = NULL, *b = NULL;
    assert_int_equal(ib__record_read(&a, run, NULL), IB_OK);
    in_base(run, "whole");
    assert_int_equal(ib__record_read(&b, run, NULL), IB_OK);
    assert_int_equal(ib__trace_first_difference(&a->trace, &b->trace, false), SIZE_MAX);
    assert_int_equal(ib__value_get(a->tree, "resumed")->count, 1);
    assert_int_equal(ib__value_get(b->tree, "resumed")->count, 0);
    ib__record_free(a);
    ib__record_free(b);
}

/* Into a new trainer: it works or is refused. */
static void restore(const char *path) {
    ib_experiment *e = NULL;
    ib_task *task = NULL;
    ib_trainer *trainer = NULL;
    ib_trace trace = {0};
    ib_checkpoint *c = NULL;
    ib_error err = {0};
    ib_status status = ib__checkpoint_read(&c, path, &err);
    if (status == IB_OK) {
        assert_int_equal(ib__experiment_read(&e, experiment, NULL), IB_OK);
        assert_int_equal(ib__task_open(&task, e, NULL), IB_OK);
        assert_int_equal(ib__trainer_new(&trainer, task, &one, NULL), IB_OK);
        status = ib__checkpoint_restore(c, trainer, &trace, &err);
    }
    assert_true(status == IB_OK || status == IB_BAD_INPUT || status == IB_UNSUPPORTED);
    ib__trace_free(&trace);
    ib__checkpoint_free(c);
    ib__trainer_free(trainer);
    ib__task_free(task);
    ib__experiment_free(e);
}

/* With byte i changed and a right digest: what the reader must look at itself. */
static void restore_changed(const char *path, ib_buf *file, size_t i) {
    char kept = file->data[i];
    file->data[i] = (char)(kept ^ 0x81);
    ib_digest right = ib__sha256(file->data, file->length - sizeof right);
    memcpy(file->data + file->length - sizeof right, &right, sizeof right);
    assert_int_equal(ib__file_write(path, file->data, file->length, NULL), IB_OK);
    restore(path);
    file->data[i] = kept;
}

/* Any byte changed, any length: refused, never more. */
static void damaged(void **state) {
    char path[300], digest[72];
    ib_buf file = {0};
    ib_checkpoint *c = NULL;
    (void)state;
    in_base(run, "damaged");
    assert_int_equal(train(false, 3, &one, digest, NULL), IB_INTERRUPTED);
    snprintf(path, sizeof path, "%s/checkpoint/step-000000000002", run);
    assert_int_equal(ib__file_read(&file, path, 0, NULL), IB_OK);
    for (size_t i = 0; i < file.length; i += 397) {
        file.data[i] = (char)(file.data[i] ^ 0x10);
        assert_int_equal(ib__file_write(path, file.data, file.length, NULL), IB_OK);
        assert_int_equal(ib__checkpoint_read(&c, path, NULL), IB_BAD_INPUT);
        file.data[i] = (char)(file.data[i] ^ 0x10);
        if (i % 5 != 0) continue;
        assert_int_equal(ib__file_write(path, file.data, i, NULL), IB_OK);
        assert_int_equal(ib__checkpoint_read(&c, path, NULL), IB_BAD_INPUT);
    }
    for (size_t i = 20; i + 32 < file.length; i += i < 1000 || i + 3000 > file.length ? 13 : 3001)
        restore_changed(path, &file, i);
    ib__buf_free(&file);
}

/* The newest is damaged, the one before it is not. */
static void passed_over(void **state) {
    char path[300], digest[72];
    size_t *steps, n;
    ib_error err = {0};
    (void)state;
    in_base(run, "passed");
    assert_int_equal(train(false, 3, &one, digest, NULL), IB_INTERRUPTED);
    assert_int_equal(train(true, 1, &one, digest, NULL), IB_INTERRUPTED);
    assert_int_equal(ib__checkpoint_steps(&steps, &n, run, NULL), IB_OK);
    assert_int_equal(n, 2);
    snprintf(path, sizeof path, "%s/checkpoint/step-%012zu", run, steps[1]);
    assert_int_equal(ib__file_write(path, "isobit checkpoint 2\n", 20, NULL), IB_OK);
    free(steps);
    ib_status status = train(true, 0, &one, digest, &err);
    if (status != IB_OK) fail_msg("%s: %s", err.where, err.text);
    assert_string_equal(digest, whole);
}

static void locked(void **state) {
    char path[300];
    ib_lock *lock = NULL, *second = NULL;
    ib_error err = {0};
    (void)state;
    in_base(run, "locked");
    assert_int_equal(ib__folder_make(run, NULL), IB_OK);
    snprintf(path, sizeof path, "%s/lock", run);
    assert_int_equal(ib__lock_take(&lock, path, "the run's folder", NULL), IB_OK);
    assert_int_equal(ib__lock_take(&second, path, "the run's folder", &err), IB_BAD_INPUT);
    assert_non_null(strstr(err.text, "the run's folder is in use by process "));
    assert_int_equal(train(false, 0, &one, NULL, NULL), IB_BAD_INPUT);
    ib__lock_release(lock);
    assert_int_equal(train(false, 0, &one, NULL, NULL), IB_OK);
    assert_false(ib__file_exists(path));
}

/* How many checkpoints stay, and where: spread over the run. */
static void thinned(void **state) {
    char text[16384], here[2048];
    size_t *steps, n;
    (void)state;
    assert_non_null(getcwd(here, sizeof here));
    int length =
        snprintf(text, sizeof text,
                 "isobit: 1\nseed: 3\nmodel: {sequential: [Dense: {units: 10, activation: softmax}]}\n"
                 "compile: {optimizer: sgd, loss: sparse_categorical_crossentropy}\n"
                 "data: {train: {csv: %s/examples/digits/digits.csv, label: label, rows: [0, 40]}}\n"
                 "fit: {batch_size: 1, epochs: 1}\ncheckpoint: {steps: 1, keep: 4}\n",
                 here);
    in_base(experiment, "thin.yaml");
    in_base(run, "thin");
    assert_int_equal(ib__file_write(experiment, text, (size_t)length, NULL), IB_OK);
    assert_int_equal(train(false, 0, &one, NULL, NULL), IB_OK);
    assert_int_equal(ib__checkpoint_steps(&steps, &n, run, NULL), IB_OK);
    assert_int_equal(n, 4);
    for (size_t i = 1; i < n; i++)
        assert_true(steps[i] - steps[i - 1] >= 4 && steps[i] - steps[i - 1] <= 20);
    free(steps);
}

/* What an RNN keeps from batch to batch goes on, too, in layers inside of others. */
static void stateful(void **state) {
    char text[16384], here[2048], digest[72], expected[72];
    (void)state;
    assert_non_null(getcwd(here, sizeof here));
    int length = snprintf(
        text, sizeof text,
        "isobit: 1\nseed: 3\nmodel:\n  sequential:\n    - Reshape: {target_shape: [8, 8]}\n"
        "    - Bidirectional: {layer: {class_name: GRU, config: {units: 3, stateful: true, return_sequences: "
        "true}}}\n    - SimpleRNN: {units: 4, stateful: true}\n    - Dense: {units: 10, activation: "
        "softmax}\n"
        "compile: {optimizer: sgd, loss: sparse_categorical_crossentropy}\n"
        "data: {train: {csv: %s/examples/digits/digits.csv, label: label, rows: [0, 40]}}\n"
        "fit: {batch_size: 10, epochs: 2}\ncheckpoint: {steps: 1, keep: 9}\n",
        here);
    in_base(experiment, "stateful.yaml");
    in_base(run, "stateful");
    assert_int_equal(ib__file_write(experiment, text, (size_t)length, NULL), IB_OK);
    assert_int_equal(train(false, 0, &one, expected, NULL), IB_OK);
    in_base(run, "stateful-stopped");
    for (size_t at = 1; at <= 7; at += 3) {
        ib_error err = {0};
        empty();
        assert_int_equal(train(false, at, &one, digest, NULL), IB_INTERRUPTED);
        if (train(true, 0, &(ib_runtime){.threads = 2, .isa = ib__isa_default()}, digest, &err) != IB_OK)
            fail_msg("stopped at call %zu: %s: %s", at, err.where, err.text);
        assert_string_equal(digest, expected);
    }
    char path[300];
    ib_buf file = {0};
    empty();
    assert_int_equal(train(false, 3, &one, digest, NULL), IB_INTERRUPTED);
    snprintf(path, sizeof path, "%s/checkpoint/step-000000000002", run);
    assert_int_equal(ib__file_read(&file, path, 0, NULL), IB_OK);
    for (size_t i = file.length - 32 - 600; i + 32 < file.length; i += 3)
        restore_changed(path, &file, i);
    ib__buf_free(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(anywhere),    cmocka_unit_test(damaged),
                                       cmocka_unit_test(passed_over), cmocka_unit_test(locked),
                                       cmocka_unit_test(thinned),     cmocka_unit_test(stateful)};
    return cmocka_run_group_tests(tests, prepare, remove_base);
}
