/* SPDX-License-Identifier: Apache-2.0
 *
 * Stages: what a pipeline is made of, with the names and meanings of tf.data.
 *
 * A stage hands out tickets, not data. A ticket is a few words that say how an element is made: numbers of
 * elements, and the names of the random numbers that it takes. Order is thus decided by one thread, quickly
 * and with little state (a shuffle buffer holds tickets, not images), and the elements themselves are made by
 * any number of threads in any order: an element is a function of its ticket.
 *
 * An iteration is one pass over a stage. It has a number, and what is random depends on the seed, the number
 * and the place in the pass alone.
 */
#ifndef IB_DATA_STAGE_H
#define IB_DATA_STAGE_H

#include "base/pack.h"
#include "data/elements.h"
#include "numerics/stream.h"

#define IB_COUNT_UNKNOWN UINT64_MAX
#define IB_COUNT_INFINITE (UINT64_MAX - 1)

typedef struct ib_stage ib_stage;

typedef struct ib_stage_class {
    size_t size; /* bytes of the whole struct, ib_stage first */
    /* Before the first element of an iteration. Called by one thread at a time, as next, save, restore. */
    ib_status (*begin)(ib_stage *s, uint32_t iteration, ib_error *err);
    /* The next ticket; *more is false at the end of the iteration. */
    ib_status (*next)(ib_stage *s, uint64_t *ticket, bool *more, ib_error *err);
    /* Makes an element: out[field]. Any thread; worker: which scratch memory is its own. NULL: elements pass
     * through this stage unchanged. */
    ib_status (*make)(ib_stage *s, const uint64_t *ticket, void *const *out, size_t worker, ib_error *err);
    /* The position within an iteration in bytes and back, children not included. restore is called instead
     * of begin; bytes that do not fit set u->failed. NULL: there is none. */
    void (*save)(const ib_stage *s, ib_buf *out);
    void (*restore)(ib_stage *s, ib_unpack *u);
    void (*free)(ib_stage *s); /* what is the class's own; may be NULL */
} ib_stage_class;

struct ib_stage {
    const ib_stage_class *class;
    ib_stage **from; /* owned; [0 .. n_from) */
    size_t n_from;
    const ib_data_field *fields; /* of what it hands out */
    size_t n_fields;
    ib_data_field *own_fields; /* NULL: those of from[0] */
    size_t words;              /* of a ticket */
    uint64_t count;            /* tickets of an iteration, or IB_COUNT_UNKNOWN, IB_COUNT_INFINITE */
    /* 0: an element is a sample. Else it is a batch of at most so many; the first dimension of its fields is
     * this number, and the first word of its ticket says how many there are. */
    size_t samples;
    ib_stage *maker; /* the nearest stage that makes elements: itself, or further up */
};

/* A stage over from[0 .. n_from), which it takes over, also on failure. Fields, words, count and samples are
 * those of from[0] until the caller says otherwise. NULL: no memory. */
ib_stage *ib__stage_new(const ib_stage_class *class, ib_stage *const *from, size_t n_from);
void ib__stage_free(ib_stage *s); /* with all that it stands on; NULL is fine */

/* Gives the stage fields of its own: those of from[0], n of them along a new first dimension. false: no
 * memory. */
bool ib__stage_stack(ib_stage *s, size_t n);

ib_status ib__stage_begin(ib_stage *s, uint32_t iteration, ib_error *err);
ib_status ib__stage_next(ib_stage *s, uint64_t *ticket, bool *more, ib_error *err);
ib_status ib__stage_make(ib_stage *s, const uint64_t *ticket, void *const *out, size_t worker, ib_error *err);
/* The whole pipeline's position. */
void ib__stage_save(const ib_stage *s, ib_buf *out);
void ib__stage_restore(ib_stage *s, ib_unpack *u);
/* Samples in the element of this ticket. */
size_t ib__stage_samples(const ib_stage *s, const uint64_t *ticket);

/* ---- The stages ---- All: NULL when there is no memory; from is taken over. ---- */

/* Elements [first, first + count), borrowed. Ticket: the element's number. */
ib_stage *ib__stage_elements(const ib_elements *e, uint64_t first, uint64_t count);
/* It is such a stage; *first: the number of its first element. */
bool ib__stage_is_elements(const ib_stage *s, uint64_t *first);
/* All of a pass in the order of ib__stream_shuffle at its iteration; fewer than 2^32, the count known. */
ib_stage *ib__stage_order(ib_stage *from, const ib_stream *stream);
/* The same within each n of a pass: block b is shuffled by words at step b. */
ib_stage *ib__stage_order_within(ib_stage *from, size_t n, const ib_stream *stream);
/* Batches of n. */
ib_stage *ib__stage_batch(ib_stage *from, size_t n, bool drop_remainder);
/* Samples [first, last) of a batch that a stage of ib__stage_batch makes. */
ib_status ib__stage_batch_make(ib_stage *s, const uint64_t *ticket, size_t first, size_t last,
                               void *const *out, size_t worker, ib_error *err);
bool ib__stage_is_batch(const ib_stage *s);
/* Are the samples of this stage of batches elements as they stand? */
bool ib__stage_batch_is_plain(const ib_stage *s);

#endif
