/* SPDX-License-Identifier: Apache-2.0
 *
 * Disks that are full, read-only or broken at every single call, processes killed at every call and power
 * lost at every call: what is there afterwards goes on to the same bits.
 */
#include "run/disk.h"

#include <sys/wait.h>

static char experiment[256], run[256], whole[72];

static const char *const dense =
    "isobit: 1\nseed: 3\nmodel:\n  sequential:\n    - Dense: {units: 6, activation: relu}\n"
    "    - Dropout: {rate: 0.5}\n    - Dense: {units: 10, activation: softmax}\n"
    "compile: {optimizer: adam, loss: sparse_categorical_crossentropy, metrics: [accuracy]}\n"
    "data: {train: {csv: few.csv, label: label}}\n"
    "fit: {batch_size: 32, epochs: 2}\ncheckpoint: {steps: 1, keep: 1}\n";

static ib_status train(bool resume, char digest[72], ib_error *err) {
    ib_options options = {.threads = 1, .resume = resume};
    return ib_train(experiment, run, &options, digest, err);
}

static void empty(void) {
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%.250s'", run);
    assert_int_equal(system(command), 0);
}

static int prepare(void **state) {
    char command[512];
    if (make_base(state) != 0) return 1;
    real_disk = ib__disk;
    in_base(experiment, "dense.yaml");
    in_base(run, "run");
    snprintf(command, sizeof command, "head -n 61 examples/digits/digits.csv >%s/few.csv", base);
    if (system(command) != 0) return 1;
    if (ib__file_write(experiment, dense, strlen(dense), NULL) != IB_OK) return 1;
    return train(false, whole, NULL) != IB_OK;
}

/* Goes on and ends in the result of the run that nothing disturbed. */
static void ends_the_same(const char *what, size_t at) {
    char digest[72] = "";
    ib_error err = {0};
    ib_status status = train(true, digest, &err);
    if (status != IB_OK) fail_msg("%s at call %zu: %s: %s", what, at, err.where, err.text);
    if (strcmp(digest, whole) != 0) fail_msg("%s at call %zu: %s, not %s", what, at, digest, whole);
}

/* How often each disk was tried; the calls of a whole run. */
static size_t faults_at_every_call(int problem, bool lasting) {
    for (size_t at = 0;; at++) {
        ib_error err = {0};
        empty();
        plant((fault){.at = at, .problem = problem, .lasting = lasting});
        ib_status status = train(false, NULL, &err);
        bool reached = planted.calls > planted.at;
        mend();
        if (!reached) {
            assert_int_equal(status, IB_OK);
            return at;
        }
        /* Whoever checks whether a folder can be written may fail to clean up and not mind. */
        if (status != IB_OK) {
            if (status != IB_IO || strstr(err.text, strerror(problem)) == NULL || err.where[0] == '\0')
                fail_msg("call %zu: %s: %s: %s", at, ib_status_text(status), err.where, err.text);
        }
        ends_the_same(strerror(problem), at);
    }
}

static void full_disk(void **state) {
    (void)state;
    size_t calls = faults_at_every_call(ENOSPC, true);
    print_message("%zu calls\n", calls);
    assert_true(calls > 30);
    assert_int_equal(faults_at_every_call(ENOSPC, false), calls);
}

static void read_only_disk(void **state) {
    (void)state;
    assert_true(faults_at_every_call(EROFS, true) > 30);
}

static void broken_disk(void **state) {
    (void)state;
    assert_true(faults_at_every_call(EIO, false) > 30);
}

static void killed(void **state) {
    (void)state;
    size_t at = 0;
    for (bool reached = true; reached; at++) {
        empty();
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            plant((fault){.at = at, .problem = 0});
            _exit(train(false, NULL, NULL) == IB_OK ? 0 : 1);
        }
        int how;
        assert_int_equal(waitpid(child, &how, 0), child);
        reached = WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL;
        if (!reached) assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
        ends_the_same("killed", at);
    }
    assert_true(at > 30);
}

/* When the next checkpoint is begun, the one before is safe: no more work than that is lost. */
static void keeps_checkpoint(size_t cut) {
    size_t safe = 0;
    for (size_t i = 0; i < cut; i++)
        safe += journal[i].kind == CREATE && strstr(journal[i].path, "/checkpoint/") != NULL;
    if (safe-- < 2 || ib__record_complete(run)) return;
    ib_checkpoint *newest = NULL;
    assert_int_equal(ib__checkpoint_latest(&newest, run, NULL, NULL), IB_OK);
    if (newest == NULL || newest->step < safe) fail_msg("power cut at call %zu: step %zu is lost", cut, safe);
    ib__checkpoint_free(newest);
}

static void power_cut(void **state) {
    char first[256];
    (void)state;
    strcpy(first, run);
    empty();
    note_all();
    assert_int_equal(train(false, NULL, NULL), IB_OK);
    mend();
    assert_true(n_journal > 30);
    in_base(run, "left");
    for (size_t cut = 0; cut <= n_journal; cut++) {
        leave(first, run, cut, false);
        keeps_checkpoint(cut);
        ends_the_same("power cut", cut);
        leave(first, run, cut, true);
        keeps_checkpoint(cut);
        ends_the_same("power cut, names first,", cut);
    }
    strcpy(run, first);
    free_journal();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(full_disk), cmocka_unit_test(read_only_disk),
                                       cmocka_unit_test(broken_disk), cmocka_unit_test(killed),
                                       cmocka_unit_test(power_cut)};
    return cmocka_run_group_tests(tests, prepare, remove_base);
}
