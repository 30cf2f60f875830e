/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of runs: a small experiment on real digits, trained in a folder of its own.
 */
#ifndef IB_TEST_RUN_RUNS_H
#define IB_TEST_RUN_RUNS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "run/commands.h"

/* A convnet with all that could move a bit: dropout, batch statistics, a last partial batch, validation, an
 * L2 penalty, momentum. 150 samples in batches of 64: three steps an epoch, the last of 22. */
static const char *const small_experiment =
    "isobit: 1\nseed: 5\nmodel:\n  sequential:\n    - Rescaling: {scale: 0.0625}\n"
    "    - Reshape: {target_shape: [8, 8, 1]}\n"
    "    - Conv2D: {filters: 8, kernel_size: 3, padding: same, kernel_regularizer: l2}\n"
    "    - BatchNormalization: {}\n    - ReLU: {}\n    - MaxPooling2D: {pool_size: 2}\n"
    "    - Conv2D: {filters: 16, kernel_size: 3, activation: tanh}\n    - AveragePooling2D: {pool_size: 2}\n"
    "    - Flatten: {}\n    - Dropout: {rate: 0.25}\n    - Dense: {units: 10, activation: softmax}\n"
    "compile: {optimizer: {SGD: {learning_rate: 0.05, momentum: 0.9, nesterov: true}}, "
    "loss: sparse_categorical_crossentropy, metrics: [accuracy]}\n"
    "data:\n  train: {csv: %s, label: label, rows: [0, 200]}\n"
    "  test: {csv: %s, label: label, rows: [200, 260]}\n"
    "fit: {batch_size: 64, epochs: 2, validation_split: 0.25, record_every: %s}\n";

static char base[64];

static inline void in_base(char out[256], const char *name) {
    snprintf(out, 256, "%s/%s", base, name);
}

/* Writes base/name from the small experiment. */
static inline void write_experiment(const char *name, const char *data, const char *record_every) {
    char path[256], here[2048], text[16384], csv[4096];
    in_base(path, name);
    assert_non_null(getcwd(here, sizeof here));
    if (data[0] == '/')
        snprintf(csv, sizeof csv, "%s", data);
    else
        snprintf(csv, sizeof csv, "%s/%s", here, data);
    snprintf(text, sizeof text, small_experiment, csv, csv, record_every);
    assert_int_equal(ib__file_write(path, text, strlen(text), NULL), IB_OK);
}

/* Tests lose no power: nothing waits for the disk. */
static inline int skip_sync(int file) {
    (void)file;
    return 0;
}

static inline int skip_sync_folder(const char *folder) {
    (void)folder;
    return 0;
}

static inline int make_base(void **state) {
    (void)state;
    ib__disk.sync = skip_sync;
    ib__disk.sync_folder = skip_sync_folder;
    strcpy(base, "/tmp/isobit-runs-XXXXXX");
    return mkdtemp(base) == NULL;
}

static inline int remove_base(void **state) {
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", base);
    return system(command);
}

/* Trains base/name with hooks into *trace; written as a run to base/run when run is not NULL, with
 * checkpoints if the experiment takes them by steps. */
static inline void train_with(const char *name, const ib_runtime *runtime, const ib_fit_hooks *hooks,
                              const char *run, ib_trace *trace) {
    char path[256];
    ib_error err = {0};
    ib_experiment *experiment = NULL;
    ib_task *task = NULL;
    in_base(path, name);
    ib_keeper keeper;
    ib_session session = {0};
    ib_fit_hooks all = *hooks;
    ib_status status = ib__experiment_read(&experiment, path, &err);
    if (run != NULL) in_base(path, run);
    if (status == IB_OK) status = ib__task_open(&task, experiment, &err);
    if (status == IB_OK && run != NULL && experiment->checkpoint.steps > 0) {
        keeper = ib__keeper(experiment, path);
        all.keeper = &keeper;
        all.session = &session;
        status = ib__folder_make(path, &err);
    }
    if (status == IB_OK) status = ib__fit(task, runtime, &all, trace, &err);
    if (status == IB_OK && run != NULL) {
        bool made;
        ib_lock *lock = NULL;
        session = (ib_session){.started = "2026-01-01T00:00:00Z", .seconds = 1};
        status = ib__record_prepare(path, true, &made, &lock, &err);
        if (status == IB_OK) status = ib__record_write(path, task, trace, runtime, &session, &err);
        ib__lock_release(lock);
    }
    if (status != IB_OK) fail_msg("%s: %s", err.where, err.text);
    ib__task_free(task);
    ib__experiment_free(experiment);
}

#endif
