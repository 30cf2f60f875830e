/* SPDX-License-Identifier: Apache-2.0
 *
 * A task: an experiment with its data opened and its model built, ready to train; and how to run it.
 */
#ifndef IB_RUN_TASK_H
#define IB_RUN_TASK_H

#include "run/experiment.h"
#include "run/part.h"

/* How the work is done; no bit of a result depends on it. scramble and fill are for tests. */
typedef struct ib_runtime {
    size_t threads; /* 0: one for each CPU */
    ib_isa isa;
    unsigned scramble;
    uint32_t fill; /* fills the memory of a step before it runs; 0: not */
} ib_runtime;

/* Threads and the named instruction set (NULL: the best). Unknown and unavailable names are errors. */
ib_status ib__runtime_init(ib_runtime *out, size_t threads, const char *isa, ib_error *err);

/* An input file of the experiment. */
typedef struct ib_input_file {
    char *field; /* "data.train.npz" */
    char *path;  /* as it was opened */
    ib_digest digest;
} ib_input_file;

typedef struct ib_task {
    const ib_experiment *experiment; /* borrowed */
    ib_dataset *data[3];             /* train, validation, test, as they are there */
    ib_part train, validation, test;
    ib_input_file *inputs;
    size_t n_inputs, inputs_capacity;
    ib_model *model; /* initialized and compiled */
    bool borrowed;   /* the model is the caller's */
    ib_value *canonical;
    ib_digest digest; /* SHA-256 of the canonical form */
} ib_task;

/* What a caller has in memory already, instead of the files that the experiment names. */
typedef struct ib_provided {
    ib_model *model;     /* compiled; it is trained itself, and stays the caller's */
    ib_digest file;      /* of the .keras file that the model makes */
    ib_dataset *data[2]; /* train, validation (NULL: none); taken over, also on failure */
} ib_provided;

/* Opens the data, builds, initializes and compiles the model, checks that they fit each other. The experiment
 * must outlive the task. *out: yours, release with ib__task_free. */
ib_status ib__task_open(ib_task **out, const ib_experiment *experiment, ib_error *err);
/* The same with what is provided; everything must fit the experiment, whose files are not opened. */
ib_status ib__task_open_provided(ib_task **out, const ib_experiment *experiment, const ib_provided *provided,
                                 ib_error *err);
void ib__task_free(ib_task *task);

/* The absolute form of path within folder. NULL: no memory. Release with free(). */
char *ib__path_within(const char *folder, const char *path);

#endif
