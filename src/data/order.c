/* SPDX-License-Identifier: Apache-2.0
 *
 * Order as Keras gives it to arrays: a permutation of a whole pass, or of each batch.
 */
#include <stdlib.h>
#include <string.h>

#include "data/stage.h"

/* ---- All of a pass: the tickets are drawn at once, for they are wanted in any order ---- */

typedef struct order_stage {
    ib_stage base;
    ib_stream stream;
    uint32_t *order, iteration;
    uint64_t *tickets;
    uint64_t at, first; /* first: of plain elements */
    bool ready;
} order_stage;

static ib_status order_begin(ib_stage *s, uint32_t iteration, ib_error *err) {
    order_stage *o = (order_stage *)s;
    o->iteration = iteration;
    o->at = 0;
    o->ready = false;
    return ib__stage_begin(s->from[0], iteration, err);
}

/* Draws the pass. from[0] is at its beginning then: the order's own state is only where in it we are. The
 * tickets of plain elements are their numbers and need no list. */
static ib_status order_draw(order_stage *o, ib_error *err) {
    ib_stage *from = o->base.from[0];
    size_t n = (size_t)o->base.count, words = o->base.words;
    if (o->order == NULL) o->order = calloc(n + 1, sizeof *o->order);
    if (o->order == NULL) return ib__fail_memory(err);
    ib__stream_shuffle(&o->stream, o->iteration, o->order, n);
    o->ready = ib__stage_is_elements(from, &o->first);
    if (o->ready) return IB_OK;
    if (o->tickets == NULL) o->tickets = calloc(n + 1, words * sizeof *o->tickets);
    if (o->tickets == NULL) return ib__fail_memory(err);
    bool more = true;
    ib_status status = ib__stage_begin(from, o->iteration, err);
    for (size_t i = 0; status == IB_OK && more && i < n; i++)
        status = ib__stage_next(from, o->tickets + i * words, &more, err);
    o->ready = status == IB_OK;
    return status;
}

static ib_status order_next(ib_stage *s, uint64_t *ticket, bool *more, ib_error *err) {
    order_stage *o = (order_stage *)s;
    ib_status status = o->ready ? IB_OK : order_draw(o, err);
    *more = status == IB_OK && o->at < s->count;
    if (!*more) return status;
    size_t i = o->order[o->at++];
    if (o->tickets == NULL)
        ticket[0] = o->first + i;
    else
        memcpy(ticket, o->tickets + i * s->words, s->words * sizeof *ticket);
    return status;
}

static void order_save(const ib_stage *s, ib_buf *out) {
    const order_stage *o = (const order_stage *)s;
    ib__pack_u64(out, o->iteration);
    ib__pack_u64(out, o->at);
}

static void order_restore(ib_stage *s, ib_unpack *u) {
    order_stage *o = (order_stage *)s;
    o->iteration = (uint32_t)ib__unpack_count(u, UINT32_MAX);
    o->at = ib__unpack_count(u, (size_t)s->count);
    o->ready = false;
}

static void order_free(ib_stage *s) {
    free(((order_stage *)s)->order);
    free(((order_stage *)s)->tickets);
}

static const ib_stage_class order_class = {
    .size = sizeof(order_stage),
    .begin = order_begin,
    .next = order_next,
    .save = order_save,
    .restore = order_restore,
    .free = order_free,
};

ib_stage *ib__stage_order(ib_stage *from, const ib_stream *stream) {
    ib_stage *s = ib__stage_new(&order_class, &from, 1);
    if (s != NULL) ((order_stage *)s)->stream = *stream;
    return s;
}

/* ---- Within each block: its tickets are put in order in a buffer, then handed out one by one ---- */

typedef struct within_stage {
    ib_stage base;
    ib_stream stream;
    size_t n, filled, at;
    uint32_t iteration, block;
    uint64_t *buffer, *swap;
} within_stage;

static ib_status within_begin(ib_stage *s, uint32_t iteration, ib_error *err) {
    within_stage *w = (within_stage *)s;
    w->iteration = iteration;
    w->block = 0;
    w->filled = w->at = 0;
    return ib__stage_begin(s->from[0], iteration, err);
}

static ib_status next_block(within_stage *w, ib_error *err) {
    size_t words = w->base.words, bytes = words * sizeof *w->buffer;
    uint64_t next = 0;
    bool more = true;
    w->filled = w->at = 0;
    while (w->filled < w->n) {
        ib_status status = ib__stage_next(w->base.from[0], w->buffer + w->filled * words, &more, err);
        if (status != IB_OK) return status;
        if (!more) break;
        w->filled++;
    }
    for (size_t i = 0; i + 1 < w->filled; i++) {
        size_t j = i + ib__stream_below(&w->stream, &next, w->block, w->iteration, (uint32_t)(w->filled - i));
        memcpy(w->swap, w->buffer + i * words, bytes);
        memmove(w->buffer + i * words, w->buffer + j * words, bytes);
        memcpy(w->buffer + j * words, w->swap, bytes);
    }
    w->block++;
    return IB_OK;
}

static ib_status within_next(ib_stage *s, uint64_t *ticket, bool *more, ib_error *err) {
    within_stage *w = (within_stage *)s;
    ib_status status = w->at < w->filled ? IB_OK : next_block(w, err);
    *more = status == IB_OK && w->at < w->filled;
    if (*more) memcpy(ticket, w->buffer + w->at++ * s->words, s->words * sizeof *ticket);
    return status;
}

static void within_save(const ib_stage *s, ib_buf *out) {
    const within_stage *w = (const within_stage *)s;
    ib__pack_u64(out, w->iteration);
    ib__pack_u64(out, w->block);
    ib__pack_u64(out, w->filled);
    ib__pack_u64(out, w->at);
    for (size_t i = 0; i < w->filled * s->words; i++)
        ib__pack_u64(out, w->buffer[i]);
}

static void within_restore(ib_stage *s, ib_unpack *u) {
    within_stage *w = (within_stage *)s;
    w->iteration = (uint32_t)ib__unpack_count(u, UINT32_MAX);
    w->block = (uint32_t)ib__unpack_count(u, UINT32_MAX);
    w->filled = ib__unpack_count(u, w->n);
    w->at = ib__unpack_count(u, w->filled);
    for (size_t i = 0; i < w->filled * s->words; i++)
        w->buffer[i] = ib__unpack_u64(u);
}

static void within_free(ib_stage *s) {
    free(((within_stage *)s)->buffer);
    free(((within_stage *)s)->swap);
}

static const ib_stage_class within_class = {
    .size = sizeof(within_stage),
    .begin = within_begin,
    .next = within_next,
    .save = within_save,
    .restore = within_restore,
    .free = within_free,
};

ib_stage *ib__stage_order_within(ib_stage *from, size_t n, const ib_stream *stream) {
    ib_stage *s = ib__stage_new(&within_class, &from, 1);
    if (s == NULL) return NULL;
    within_stage *w = (within_stage *)s;
    w->n = n;
    w->stream = *stream;
    w->buffer = calloc(n, s->words * sizeof *w->buffer);
    w->swap = calloc(s->words, sizeof *w->swap);
    if (w->buffer != NULL && w->swap != NULL) return s;
    ib__stage_free(s);
    return NULL;
}
