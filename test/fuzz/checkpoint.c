/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints, with the SHA-256 at their end made right and taken for ones of the experiment below, put into
 * a trainer of it.
 */
#include "fuzz.h"

#include "run/checkpoint.h"

static const char text[] =
    "isobit: 1\nseed: 3\nmodel: {sequential: [{Dense: {units: 2}}, {BatchNormalization: {}}, {Dropout: "
    "{rate: 0.5}}, {Dense: {units: 1}}]}\ncompile: {optimizer: adam, loss: mse, metrics: [mae]}\n"
    "data: {train: {synthetic: 9, fields: {x: {shape: [3]}, y: {shape: [1]}}, pipeline: [shuffle: 4]}}\n"
    "fit: {batch_size: 2, epochs: 2}\n";

static ib_task *open_task(void) {
    ib_experiment *e = NULL;
    ib_task *task = NULL;
    ib_error err = {0};
    const char *path = fuzz_file(text, sizeof text - 1);
    if (path == NULL || ib__experiment_read(&e, path, &err) != IB_OK ||
        ib__task_open(&task, e, &err) != IB_OK)
        abort();
    return task;
}

static void restore(ib_checkpoint *c, ib_task *task) {
    const ib_runtime one = {.threads = 1, .isa = IB_ISA_REF};
    ib_trainer *trainer = NULL;
    ib_trace trace = {0};
    ib_error err = {0};
    c->experiment = task->digest;
    if (ib__trainer_new(&trainer, task, &one, &err) != IB_OK) abort();
    fuzz_check(ib__checkpoint_restore(c, trainer, &trace, &err), &err);
    ib__trace_free(&trace);
    ib__trainer_free(trainer);
}

static void parse(const uint8_t *bytes, size_t n) {
    static ib_task *task;
    ib_checkpoint *c = NULL;
    ib_error err = {0};
    if (task == NULL) task = open_task();
    char *file = malloc(n + sizeof(ib_digest));
    if (file == NULL) return;
    memcpy(file, bytes, n);
    size_t body = n > sizeof(ib_digest) ? n - sizeof(ib_digest) : 0;
    ib_digest digest = ib__sha256(file, body);
    memcpy(file + body, &digest, sizeof digest);
    const char *path = fuzz_file(file, body + sizeof digest);
    free(file);
    if (path == NULL) return;
    ib_status status = ib__checkpoint_read(&c, path, &err);
    fuzz_check(status, &err);
    if (status != IB_OK) return;
    restore(c, task);
    ib__checkpoint_free(c);
}

IB_FUZZ("checkpoint")
