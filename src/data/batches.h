/* SPDX-License-Identifier: Apache-2.0
 *
 * Batches: what training takes from data. Which samples a batch holds, and what is in them, is a function of
 * the experiment alone: not of threads, of how many batches are made ahead, or of how often the run was
 * stopped.
 */
#ifndef IB_DATA_BATCHES_H
#define IB_DATA_BATCHES_H

#include "base/pool.h"
#include "data/stage.h"

typedef struct ib_batches ib_batches;

/* A batch. fields: one for each of ib__batches_fields, [samples, ...]; valid until the next call for the same
 * ib_batches. */
typedef struct ib_batch {
    size_t samples;
    ib_tensor *fields;
} ib_batch;

/* Batches that `stage` hands out (stage->samples is not 0), which is taken over, also on failure. prefetch:
 * how many are made ahead; threads: how many make them (1: only the thread that asks, when it asks). *out:
 * yours, release with ib__batches_free. */
ib_status ib__batches_new(ib_batches **out, ib_stage *stage, size_t prefetch, size_t threads, ib_error *err);
void ib__batches_free(ib_batches *b); /* NULL is fine */
/* Where only the thread that asks makes batches, and they are copies of elements, its pool takes part. NULL:
 * none does. */
void ib__batches_share(ib_batches *b, ib_pool *pool);

/* The same for elements [first, first + count) of a source, as Keras takes arrays. shuffle: the stream of the
 * order of a pass; NULL: as they stand. */
ib_status ib__batches_of_elements(ib_batches **out, const ib_elements *elements, uint64_t first,
                                  uint64_t count, size_t batch_size, const ib_stream *shuffle, ib_error *err);

/* Fields of a sample in the order of ib_batch.fields: the shapes have no batch dimension. */
const ib_data_field *ib__batches_fields(const ib_batches *b, size_t *n);
/* Batches in a pass; IB_COUNT_UNKNOWN or IB_COUNT_INFINITE, if it is not known or has no end. */
uint64_t ib__batches_count(const ib_batches *b);
/* Samples in the largest batch. */
size_t ib__batches_size(const ib_batches *b);

/* Goes to the beginning of pass number `pass` (from 0). Each pass may have another order. */
ib_status ib__batches_begin(ib_batches *b, uint32_t pass, ib_error *err);
/* The next batch; *out is NULL at the end of the pass. */
ib_status ib__batches_next(ib_batches *b, const ib_batch **out, ib_error *err);

/* What the samples of the last batch are made of: `words` words a sample, the numbers of elements first among
 * them (stage.h). NULL: there is no last batch. */
const uint64_t *ib__batches_tickets(const ib_batches *b, size_t *words);

/* Where in the pass we are, in bytes; restore goes there: the batches that follow are the same, whatever
 * prefetch and threads are now and were then. name: where the bytes come from, for errors. */
void ib__batches_save(const ib_batches *b, ib_buf *out);
ib_status ib__batches_restore(ib_batches *b, const void *bytes, size_t n, const char *name, ib_error *err);

#endif
