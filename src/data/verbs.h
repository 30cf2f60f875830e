/* SPDX-License-Identifier: Apache-2.0
 *
 * Stages with the names and meanings of tf.data's verbs. All take over `from`, also on failure; NULL: there
 * is no memory. What a stage needs of `from` (samples or batches, equal fields) is checked by who builds the
 * pipeline.
 */
#ifndef IB_DATA_VERBS_H
#define IB_DATA_VERBS_H

#include "data/stage.h"

/* ---- Which elements, in which order (verbs.c) ---- */

/* The first n of an iteration. */
ib_stage *ib__stage_take(ib_stage *from, uint64_t n);
/* All but the first n. */
ib_stage *ib__stage_skip(ib_stage *from, uint64_t n);
/* Those whose number is `index` mod n. */
ib_stage *ib__stage_shard(ib_stage *from, uint64_t n, uint64_t index);
/* n iterations one behind the other, or, for n = IB_COUNT_INFINITE, without end. Round r of iteration i is
 * iteration n i + r of `from`; without end it is 2^20 i + r; both mod 2^32. */
ib_stage *ib__stage_repeat(ib_stage *from, uint64_t n);
/* A buffer of `size` tickets is filled; each time one of them is drawn, and the next one of `from` takes its
 * place (once `from` has ended: the last of the buffer does). Draws are ib__stream_below at step 0 and the
 * iteration as epoch, or, without reshuffle, epoch 0. */
ib_stage *ib__stage_shuffle(ib_stage *from, size_t size, const ib_stream *stream, bool reshuffle);

/* ---- Several sources, several elements (joins.c) ---- */

/* One after the other; all have the same fields. */
ib_stage *ib__stage_concatenate(ib_stage *const *from, size_t n);
/* `cycle` of them are open; `block` elements are taken from each in turn. One that ends is replaced by the
 * next one when its turn comes. */
ib_stage *ib__stage_interleave(ib_stage *const *from, size_t n, size_t cycle, size_t block);
/* An element of each, side by side, as far as the shortest goes: samples with different fields. */
ib_stage *ib__stage_zip(ib_stage *const *from, size_t n);
/* `size` samples, each `stride` after the one before, stacked along a new first dimension; the next window
 * begins `shift` later. Windows that would not be full are left out. */
ib_stage *ib__stage_window(ib_stage *from, size_t size, size_t shift, size_t stride);

/* ---- Elements that fulfil conditions (filter.c) ---- */

typedef enum ib_relation {
    IB_EQUAL,
    IB_NOT_EQUAL,
    IB_LESS,
    IB_LESS_EQUAL,
    IB_GREATER,
    IB_GREATER_EQUAL,
    IB_IS_IN,
    IB_RELATIONS
} ib_relation;

/* A field that is a single number, and what it is compared with. */
typedef struct ib_condition {
    size_t field;
    ib_relation relation;
    const double *values; /* one, but for IB_IS_IN */
    size_t n;
} ib_condition;

/* Samples for which all conditions hold; they are copied. An element that cannot be made passes, so that its
 * error appears when it is made for a batch. */
ib_stage *ib__stage_filter(ib_stage *from, const ib_condition *conditions, size_t n);

/* ---- What is made once (cache.c) ---- */

/* Every iteration is the first one of `from`, and what was made is kept while it fits into `memory`. */
ib_stage *ib__stage_cache(ib_stage *from, size_t memory);

#endif
