/* SPDX-License-Identifier: Apache-2.0
 *
 * A data set: a part of an experiment's data with its sources opened, ready to give batches. An entry is a
 * source (source.h), or several put together:
 *
 *   {zip: [ENTRY, ...]}  {concatenate: [ENTRY, ...]}
 *   {interleave: [ENTRY, ...], cycle_length: 2, block_length: 1}
 *
 * and may have a pipeline (pipeline.h). Without one its batches are made as Keras takes arrays.
 */
#ifndef IB_DATA_DATASET_H
#define IB_DATA_DATASET_H

#include "data/audit.h"
#include "data/batches.h"
#include "kernels/kernels.h"

typedef struct ib_dataset ib_dataset;

/* Opens and audits the sources: all of them are read once. place says where the entry stands ("data.train"),
 * name which file it is in ("exp.yaml"), folder what relative paths are relative to (NULL: the current one).
 * seed: the experiment's. threads: 0: one for each CPU. *out: yours, release with ib__dataset_free. */
ib_status ib__dataset_open(ib_dataset **out, const ib_value *entry, const char *name, const char *place,
                           const char *folder, uint64_t seed, size_t threads, ib_error *err);
/* The same over elements that are there already (taken over, also on failure): one source, no pipeline. */
ib_status ib__dataset_of_elements(ib_dataset **out, ib_elements *elements, const char *name,
                                  const char *place, size_t threads, ib_error *err);
void ib__dataset_free(ib_dataset *d); /* NULL is fine */

const char *ib__dataset_place(const ib_dataset *d);
/* The fields of a sample. */
const ib_data_field *ib__dataset_fields(const ib_dataset *d, size_t *n);
/* Samples in a pass (those of iteration 0, where it depends on that), or IB_COUNT_INFINITE. */
uint64_t ib__dataset_count(const ib_dataset *d);
/* Batches in a pass, if they have this size where the data set does not say; IB_COUNT_INFINITE likewise. */
uint64_t ib__dataset_batch_count(const ib_dataset *d, size_t batch_size);
/* It has a pipeline: order and batches are said there. */
bool ib__dataset_piped(const ib_dataset *d);
/* Number i of the files that were read, or NULL. place: within the entry ("npz", "zip[1].csv"). */
const ib_data_file *ib__dataset_file(const ib_dataset *d, size_t i);

/* Where a field of element number `element` of the only source comes from, for errors: "FILE, row 33,
 * data.train.y[83]", without the row if that is the number in the brackets. UINT64_MAX, or several sources:
 * "data.train.y". */
void ib__dataset_where(char out[256], const ib_dataset *d, const char *field, uint64_t element);

/* Source number i with its audit, or NULL. prefix: where it stands in the entry ("zip[1]."), or "". */
typedef struct ib_dataset_source {
    ib_source_part part;
    ib_field_audit *audit; /* one a field */
    char *prefix;
} ib_dataset_source;
const ib_dataset_source *ib__dataset_source(const ib_dataset *d, size_t i);
/* The first of samples [first, first + count) whose field is no number of one of `numbers` classes or rows;
 * *sample UINT64_MAX: there is none, or it is seen only when batches are made, as behind a pipeline. */
ib_status ib__dataset_find_no_number(const ib_dataset *d, size_t field, uint64_t first, uint64_t count,
                                     ib_numbering what, int64_t numbers, uint64_t *sample, double *value,
                                     ib_error *err);

/* Keras's fit(shuffle=): nothing; all samples of a pass; those within each batch. */
typedef enum ib_shuffling { IB_SHUFFLE_NONE, IB_SHUFFLE_ALL, IB_SHUFFLE_BATCH } ib_shuffling;

/* How batches are made. first, count, shuffle and stream are for data sets without a pipeline. threads: 1 or
 * more. */
typedef struct ib_batching {
    uint64_t first, count; /* which samples */
    size_t batch_size;     /* of a pipeline: unless it says so itself */
    ib_shuffling shuffle;
    ib_stream stream; /* of the order */
    size_t threads;
    const ib_kernels *kernels; /* that layers of map run on; NULL: the best */
    ib_pool *pool;             /* of the thread that asks, which waits for them; NULL: none */
} ib_batching;

/* The data set must outlive the batches. *out: yours. */
ib_status ib__dataset_batches(ib_batches **out, const ib_dataset *d, const ib_batching *how, ib_error *err);

#endif
