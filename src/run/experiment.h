/* SPDX-License-Identifier: Apache-2.0
 *
 * The experiment: everything that a result is a function of, read from YAML or JSON, checked field by field,
 * with defaults filled in.
 */
#ifndef IB_RUN_EXPERIMENT_H
#define IB_RUN_EXPERIMENT_H

#include "base/value.h"
#include "data/dataset.h"

typedef struct ib_fit_settings {
    int64_t batch_size, validation_batch_size, epochs;
    int64_t steps_per_epoch; /* 0: one pass over the data */
    int64_t lanes;           /* 0: by batch size, ib__lanes_default */
    int64_t audit_every;  /* 0: not; else each so many steps one is computed twice. No part of the result */
    int64_t record_every; /* 0: state digests at the ends of epochs only */
    ib_shuffling shuffle;
    double validation_split;
    const ib_value *class_weight; /* {"0": 1.0, ...}, within the tree; NULL: none */
} ib_fit_settings;

/* When checkpoints are taken; no part of the result. */
typedef struct ib_checkpoint_settings {
    int64_t steps;  /* 0: not by steps */
    double seconds; /* 0: by itself */
    int64_t keep;   /* how many stay in the run */
} ib_checkpoint_settings;

typedef struct ib_experiment {
    ib_value *tree; /* complete: defaults filled in, fields in a fixed order */
    char *name;     /* the file, for errors */
    char *folder;   /* relative paths are relative to it */
    int64_t seed;
    bool seed_drawn;       /* the file gave none, and the program neither */
    bool weights_as_keras; /* initial weights as Keras on TensorFlow draws them, from weights_seed */
    bool weights_follow;   /* weights_seed is seed */
    int64_t weights_seed;
    ib_fit_settings fit;
    ib_checkpoint_settings checkpoint;
} ib_experiment;

/* Reads a file: JSON when its name ends in .json, else YAML. *out: yours, release with ib__experiment_free.
 */
ib_status ib__experiment_read(ib_experiment **out, const char *path, ib_error *err);
/* The same from a tree (copied), for records. */
ib_status ib__experiment_from_tree(ib_experiment **out, const ib_value *tree, const char *name,
                                   const char *folder, ib_error *err);
/* The seed of experiments that are read from now on and give none; -1: one is drawn for each. */
void ib__experiment_default_seed(int64_t seed);
/* Another seed than the file gave (or drew). */
ib_status ib__experiment_set_seed(ib_experiment *experiment, int64_t seed, bool drawn, ib_error *err);
void ib__experiment_free(ib_experiment *experiment);

/* data.train, data.validation or data.test; NULL when there is none. */
ib_value *ib__experiment_data(const ib_experiment *experiment, const char *part);

/* Wherever a layer's `vocabulary` is the name of a file, its terms take the name's place, so that the record
 * has them. */
ib_status ib__experiment_take_vocabularies(ib_value *tree, const char *folder, ib_error *err);

/* "exp.yaml:12:5 fit.epochs", or "exp.yaml fit.epochs" when the place in the file is not known. */
void ib__experiment_where(char out[256], const char *name, const ib_value *at, const char *place);

#endif
