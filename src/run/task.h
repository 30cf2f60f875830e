/* SPDX-License-Identifier: Apache-2.0
 *
 * A task: an experiment with its data opened and its model built, ready to train; and how to run it.
 */
#ifndef IB_RUN_TASK_H
#define IB_RUN_TASK_H

#include "data/source.h"
#include "model/model.h"
#include "run/experiment.h"
#include "run/ports.h"

/* How the work is done; no bit of a result depends on it. scramble and fill are for tests. */
typedef struct ib_runtime {
    size_t threads; /* 0: one for each CPU */
    ib_isa isa;
    unsigned scramble;
    uint32_t fill; /* fills the memory of a step before it runs; 0: not */
} ib_runtime;

/* Threads and the named instruction set (NULL: the best). Unknown and unavailable names are errors. */
ib_status ib__runtime_init(ib_runtime *out, size_t threads, const char *isa, ib_error *err);

/* Some samples of a source: [first, first + count). source NULL: none. */
typedef struct ib_part {
    const ib_source *source;
    const char *place; /* "data.train" */
    size_t first, count;
} ib_part;

/* The fields of a part: "x", "y" (src/run/ports.h). */
#define IB_FIELDS_MAX 64
typedef struct ib_samples {
    size_t n;
    const char *names[IB_FIELDS_MAX];
    const ib_tensor *fields[IB_FIELDS_MAX];
} ib_samples;
ib_samples ib__part_samples(const ib_part *part);
/* The shape of each output's target, -1 batch; out: one an output. */
ib_status ib__target_shapes(const ib_model *model, const ib_samples *data, const ib_ports *ports,
                            ib_shape *out, ib_error *err);

/* An input file of the experiment. */
typedef struct ib_input_file {
    const char *field; /* "data.train.npz" */
    char *path;        /* as it was opened */
    ib_digest digest;
} ib_input_file;
#define IB_INPUTS_MAX 4

typedef struct ib_task {
    const ib_experiment *experiment; /* borrowed */
    ib_source sources[3];            /* train, validation, test, as they are there */
    ib_part train, validation, test;
    ib_input_file inputs[IB_INPUTS_MAX];
    size_t n_inputs;
    ib_model *model; /* initialized and compiled */
    ib_value *canonical;
    ib_digest digest; /* SHA-256 of the canonical form */
} ib_task;

/* Opens the data, builds, initializes and compiles the model, checks that they fit each other. The experiment
 * must outlive the task. *out: yours, release with ib__task_free. */
ib_status ib__task_open(ib_task **out, const ib_experiment *experiment, ib_error *err);
void ib__task_free(ib_task *task);

/* Refuses samples that the model cannot take: another shape, labels that are no class. */
ib_status ib__part_check(const ib_model *model, const ib_part *part, ib_error *err);

/* Refuses a part without a target for every output that has a loss. */
ib_status ib__part_check_targets(const ib_model *model, const ib_part *part, const char *where,
                                 ib_error *err);

/* validation_split: the last samples (tail) or those before them. Keras cuts before any shuffle, at
 * floor(n * (1.0 - split)), the difference rounded as Python rounds it. name: the file, for errors. */
ib_status ib__part_split(ib_part *part, double split, bool tail, const char *name, ib_error *err);

/* The absolute form of path within folder. NULL: no memory. Release with free(). */
char *ib__path_within(const char *folder, const char *path);

#endif
