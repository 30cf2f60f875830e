/* SPDX-License-Identifier: Apache-2.0
 *
 * Parts of the data, and whether a model can take them.
 */
#ifndef IB_RUN_PART_H
#define IB_RUN_PART_H

#include "data/dataset.h"
#include "model/model.h"
#include "run/experiment.h"
#include "run/ports.h"

/* Samples [first, first + count) of a data set. data NULL: none. */
typedef struct ib_part {
    const ib_dataset *data;
    uint64_t first, count;
} ib_part;
ib_part ib__part_whole(const ib_dataset *data);
const char *ib__part_place(const ib_part *part); /* "data.train" */
/* The file that it comes from, the first one, for errors; its place, if it comes from none. */
const char *ib__part_file(const ib_part *part);

/* What a sample of the part holds; shapes have the batch before them, as -1. */
typedef struct ib_samples {
    size_t n;
    const char *names[IB_DATA_FIELDS_MAX];
    ib_dtype dtypes[IB_DATA_FIELDS_MAX];
    ib_shape shapes[IB_DATA_FIELDS_MAX];
} ib_samples;
ib_samples ib__part_samples(const ib_part *part);

/* The shape of each output's target, -1 batch; out: one an output. */
ib_status ib__target_shapes(const ib_model *model, const ib_samples *data, const ib_ports *ports,
                            ib_shape *out, ib_error *err);

/* "expected a class from 0 to 9, found 11", and then `more`. Always an error. */
ib_status ib__part_fail_number(const char *where, ib_numbering what, int64_t count, double found,
                               const char *more, ib_error *err);

/* Refuses samples that the model cannot take: another shape, labels that are no class, numbers of rows that
 * an Embedding does not have. */
ib_status ib__part_check(const ib_model *model, const ib_part *part, ib_error *err);

/* Refuses a part without a target for every output that has a loss. */
ib_status ib__part_check_targets(const ib_model *model, const ib_part *part, const char *where,
                                 ib_error *err);

/* validation_split: the last samples (tail) or those before them. Keras cuts before any shuffle, at
 * floor(n * (1.0 - split)), the difference rounded as Python rounds it. name: the file, for errors. */
ib_status ib__part_split(ib_part *part, double split, bool tail, const char *name, ib_error *err);

/* The part "train", "validation" or "test" of an experiment, as training has it: without data.validation the
 * tail of train that validation_split cuts off. *data: yours, release with ib__dataset_free. */
ib_status ib__part_open(ib_dataset **data, ib_part *out, const ib_experiment *experiment, const char *part,
                        size_t threads, ib_error *err);
/* How its batches are made; training: in the order that fit says, else as they stand. */
ib_batching ib__part_batching(const ib_part *part, const ib_experiment *experiment, bool training,
                              size_t batch_size, size_t threads);

#endif
