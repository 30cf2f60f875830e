/* SPDX-License-Identifier: Apache-2.0
 *
 * Verbs that choose and order elements and leave them as they are: take, skip, shard, repeat, shuffle.
 */
#include "data/verbs.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define ENDLESS_ROUNDS 20 /* bits */

/* ---- take, skip, shard: counting ---- */

typedef struct counting_stage {
    ib_stage base;
    uint64_t n, index, at; /* at: elements of this iteration that were handed out */
} counting_stage;

static ib_status counting_begin(ib_stage *s, uint32_t iteration, ib_error *err) {
    ((counting_stage *)s)->at = 0;
    return ib__stage_begin(s->from[0], iteration, err);
}

static void counting_save(const ib_stage *s, ib_buf *out) {
    ib__pack_u64(out, ((const counting_stage *)s)->at);
}

static void counting_restore(ib_stage *s, ib_unpack *u) {
    ((counting_stage *)s)->at = ib__unpack_u64(u);
}

static ib_stage *counting_new(const ib_stage_class *class, ib_stage *from, uint64_t n, uint64_t index) {
    ib_stage *s = ib__stage_new(class, &from, 1);
    if (s == NULL) return NULL;
    ((counting_stage *)s)->n = n;
    ((counting_stage *)s)->index = index;
    return s;
}

static ib_status take_next(ib_stage *s, uint64_t *ticket, bool *more, ib_error *err) {
    counting_stage *c = (counting_stage *)s;
    *more = c->at < c->n;
    if (!*more) return IB_OK;
    c->at++;
    return ib__stage_next(s->from[0], ticket, more, err);
}

static const ib_stage_class take_class = {.size = sizeof(counting_stage),
                                          .begin = counting_begin,
                                          .next = take_next,
                                          .save = counting_save,
                                          .restore = counting_restore};

ib_stage *ib__stage_take(ib_stage *from, uint64_t n) {
    ib_stage *s = counting_new(&take_class, from, n, 0);
    if (s == NULL || s->count == IB_COUNT_UNKNOWN) return s;
    if (s->count == IB_COUNT_INFINITE || s->count > n) s->count = n;
    return s;
}

/* Passes over n elements; *more: there were so many. The last one's ticket is in `ticket`. */
static ib_status pass_over(ib_stage *from, uint64_t n, uint64_t *ticket, bool *more, ib_error *err) {
    ib_status status = IB_OK;
    *more = true;
    for (uint64_t i = 0; i < n && *more && status == IB_OK; i++)
        status = ib__stage_next(from, ticket, more, err);
    return status;
}

static ib_status skip_next(ib_stage *s, uint64_t *ticket, bool *more, ib_error *err) {
    counting_stage *c = (counting_stage *)s;
    ib_status status = pass_over(s->from[0], c->at++ == 0 ? c->n : 0, ticket, more, err);
    return status == IB_OK && *more ? ib__stage_next(s->from[0], ticket, more, err) : status;
}

static const ib_stage_class skip_class = {.size = sizeof(counting_stage),
                                          .begin = counting_begin,
                                          .next = skip_next,
                                          .save = counting_save,
                                          .restore = counting_restore};

ib_stage *ib__stage_skip(ib_stage *from, uint64_t n) {
    ib_stage *s = counting_new(&skip_class, from, n, 0);
    if (s != NULL && s->count < IB_COUNT_INFINITE) s->count = s->count > n ? s->count - n : 0;
    return s;
}

static ib_status shard_next(ib_stage *s, uint64_t *ticket, bool *more, ib_error *err) {
    counting_stage *c = (counting_stage *)s;
    return pass_over(s->from[0], c->at++ == 0 ? c->index + 1 : c->n, ticket, more, err);
}

static const ib_stage_class shard_class = {.size = sizeof(counting_stage),
                                           .begin = counting_begin,
                                           .next = shard_next,
                                           .save = counting_save,
                                           .restore = counting_restore};

ib_stage *ib__stage_shard(ib_stage *from, uint64_t n, uint64_t index) {
    ib_stage *s = counting_new(&shard_class, from, n, index);
    if (s != NULL && s->count < IB_COUNT_INFINITE)
        s->count = s->count > index ? (s->count - index - 1) / n + 1 : 0;
    return s;
}

/* ---- repeat ---- */

typedef struct repeat_stage {
    ib_stage base;
    uint64_t n, round;
    uint32_t iteration;
    bool empty; /* the round has had no element so far */
} repeat_stage;

static ib_status begin_round(repeat_stage *r, ib_error *err) {
    uint64_t first =
        r->n == IB_COUNT_INFINITE ? (uint64_t)r->iteration << ENDLESS_ROUNDS : r->iteration * r->n;
    r->empty = true;
    return ib__stage_begin(r->base.from[0], (uint32_t)(first + r->round), err);
}

static ib_status repeat_begin(ib_stage *s, uint32_t iteration, ib_error *err) {
    repeat_stage *r = (repeat_stage *)s;
    r->iteration = iteration;
    r->round = 0;
    return begin_round(r, err);
}

/* A round without an element is the last one: there would be no end. */
static ib_status repeat_next(ib_stage *s, uint64_t *ticket, bool *more, ib_error *err) {
    repeat_stage *r = (repeat_stage *)s;
    *more = false;
    while (r->round < r->n) {
        ib_status status = ib__stage_next(s->from[0], ticket, more, err);
        if (status != IB_OK || *more) {
            r->empty = false;
            return status;
        }
        if (r->empty || r->round + 1 == r->n) return IB_OK;
        r->round++;
        status = begin_round(r, err);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

static void repeat_save(const ib_stage *s, ib_buf *out) {
    const repeat_stage *r = (const repeat_stage *)s;
    ib__pack_u64(out, r->iteration);
    ib__pack_u64(out, r->round);
    ib__pack_u64(out, r->empty);
}

static void repeat_restore(ib_stage *s, ib_unpack *u) {
    repeat_stage *r = (repeat_stage *)s;
    r->iteration = (uint32_t)ib__unpack_count(u, UINT32_MAX);
    r->round = ib__unpack_u64(u);
    r->empty = ib__unpack_u64(u) != 0;
}

static const ib_stage_class repeat_class = {.size = sizeof(repeat_stage),
                                            .begin = repeat_begin,
                                            .next = repeat_next,
                                            .save = repeat_save,
                                            .restore = repeat_restore};

ib_stage *ib__stage_repeat(ib_stage *from, uint64_t n) {
    ib_stage *s = ib__stage_new(&repeat_class, &from, 1);
    if (s == NULL) return NULL;
    ((repeat_stage *)s)->n = n;
    if (n == IB_COUNT_INFINITE && s->count > 0)
        s->count = IB_COUNT_INFINITE;
    else if (s->count < IB_COUNT_INFINITE)
        s->count = n == 0 || s->count < IB_COUNT_INFINITE / n ? s->count * n : IB_COUNT_UNKNOWN;
    return s;
}

/* ---- shuffle ---- */

typedef struct shuffle_stage {
    ib_stage base;
    ib_stream stream;
    bool reshuffle, ended; /* ended: `from` has no more */
    size_t size, filled, capacity;
    uint64_t *buffer; /* `filled` tickets */
    uint64_t word;    /* the next word of the stream */
    uint32_t epoch;
} shuffle_stage;

static ib_status shuffle_begin(ib_stage *s, uint32_t iteration, ib_error *err) {
    shuffle_stage *h = (shuffle_stage *)s;
    h->epoch = h->reshuffle ? iteration : 0;
    h->word = h->filled = 0;
    h->ended = false;
    return ib__stage_begin(s->from[0], iteration, err);
}

static ib_status fill_buffer(shuffle_stage *h, ib_error *err) {
    size_t words = h->base.words;
    while (h->filled < h->size && !h->ended) {
        bool more;
        if (!ib__grow(&h->buffer, &h->capacity, (h->filled + 1) * words, sizeof *h->buffer))
            return ib__fail_memory(err);
        ib_status status = ib__stage_next(h->base.from[0], h->buffer + h->filled * words, &more, err);
        if (status != IB_OK) return status;
        h->ended = !more;
        h->filled += more;
    }
    return IB_OK;
}

static ib_status shuffle_next(ib_stage *s, uint64_t *ticket, bool *more, ib_error *err) {
    shuffle_stage *h = (shuffle_stage *)s;
    ib_status status = fill_buffer(h, err);
    *more = status == IB_OK && h->filled > 0;
    if (!*more) return status;
    size_t bytes = s->words * sizeof *ticket;
    size_t at = ib__stream_below(&h->stream, &h->word, 0, h->epoch, (uint32_t)h->filled);
    uint64_t *place = h->buffer + at * s->words;
    bool another = false;
    memcpy(ticket, place, bytes);
    if (!h->ended) status = ib__stage_next(s->from[0], place, &another, err);
    if (another) return status;
    h->ended = true;
    h->filled--;
    if (at < h->filled) memcpy(place, h->buffer + h->filled * s->words, bytes);
    return status;
}

static void shuffle_save(const ib_stage *s, ib_buf *out) {
    const shuffle_stage *h = (const shuffle_stage *)s;
    ib__pack_u64(out, h->epoch);
    ib__pack_u64(out, h->word);
    ib__pack_u64(out, h->ended);
    ib__pack_u64(out, h->filled);
    for (size_t i = 0; i < h->filled * s->words; i++)
        ib__pack_u64(out, h->buffer[i]);
}

static void shuffle_restore(ib_stage *s, ib_unpack *u) {
    shuffle_stage *h = (shuffle_stage *)s;
    h->epoch = (uint32_t)ib__unpack_count(u, UINT32_MAX);
    h->word = ib__unpack_u64(u);
    h->ended = ib__unpack_u64(u) != 0;
    h->filled = ib__unpack_count(u, h->size);
    for (size_t i = 0; i < h->filled * s->words && !u->failed; i++) {
        if (!ib__grow(&h->buffer, &h->capacity, i + 1, sizeof *h->buffer)) u->failed = true;
        if (!u->failed) h->buffer[i] = ib__unpack_u64(u);
    }
    if (u->failed) h->filled = 0;
}

static void shuffle_free(ib_stage *s) {
    free(((shuffle_stage *)s)->buffer);
}

static const ib_stage_class shuffle_class = {.size = sizeof(shuffle_stage),
                                             .begin = shuffle_begin,
                                             .next = shuffle_next,
                                             .save = shuffle_save,
                                             .restore = shuffle_restore,
                                             .free = shuffle_free};

ib_stage *ib__stage_shuffle(ib_stage *from, size_t size, const ib_stream *stream, bool reshuffle) {
    ib_stage *s = ib__stage_new(&shuffle_class, &from, 1);
    if (s == NULL) return NULL;
    shuffle_stage *h = (shuffle_stage *)s;
    h->size = size;
    h->stream = *stream;
    h->reshuffle = reshuffle;
    return s;
}
