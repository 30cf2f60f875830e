/* SPDX-License-Identifier: Apache-2.0
 *
 * Verbs that put several sources, or several elements, together: concatenate, interleave, zip, window.
 */
#include <stdlib.h>
#include <string.h>

#include "data/verbs.h"

static ib_status begin_all(ib_stage *s, uint32_t iteration, ib_error *err) {
    ib_status status = IB_OK;
    for (size_t i = 0; i < s->n_from && status == IB_OK; i++)
        status = ib__stage_begin(s->from[i], iteration, err);
    return status;
}

/* ---- concatenate, interleave. Ticket: that of the source, then the source's number ---- */

typedef struct mixing_stage {
    ib_stage base;
    size_t cycle, block;     /* of interleave */
    size_t at, taken, after; /* place in the cycle; elements of it in this turn; the next source to open */
    size_t *open;            /* [cycle] source + 1, 0: none */
} mixing_stage;

static ib_status take_from(ib_stage *s, size_t source, uint64_t *ticket, bool *more, ib_error *err) {
    memset(ticket, 0, s->words * sizeof *ticket);
    ticket[s->words - 1] = source;
    return ib__stage_next(s->from[source], ticket, more, err);
}

static ib_status mixing_make(ib_stage *s, const uint64_t *ticket, void *const *out, size_t worker,
                             ib_error *err) {
    uint64_t source = ticket[s->words - 1];
    if (source >= s->n_from) return ib__fail(err, IB_INTERNAL, "data", "a ticket of another pipeline");
    return ib__stage_make(s->from[source], ticket, out, worker, err);
}

static ib_status mixing_begin(ib_stage *s, uint32_t iteration, ib_error *err) {
    mixing_stage *m = (mixing_stage *)s;
    m->at = m->taken = m->after = 0;
    if (m->open != NULL) memset(m->open, 0, m->cycle * sizeof *m->open);
    return begin_all(s, iteration, err);
}

static void mixing_save(const ib_stage *s, ib_buf *out) {
    const mixing_stage *m = (const mixing_stage *)s;
    ib__pack_u64(out, m->at);
    ib__pack_u64(out, m->taken);
    ib__pack_u64(out, m->after);
    for (size_t i = 0; m->open != NULL && i < m->cycle; i++)
        ib__pack_u64(out, m->open[i]);
}

static void mixing_restore(ib_stage *s, ib_unpack *u) {
    mixing_stage *m = (mixing_stage *)s;
    m->at = ib__unpack_count(u, m->open != NULL ? m->cycle - 1 : s->n_from);
    m->taken = ib__unpack_count(u, m->block);
    m->after = ib__unpack_count(u, s->n_from);
    for (size_t i = 0; m->open != NULL && i < m->cycle; i++)
        m->open[i] = ib__unpack_count(u, s->n_from);
}

static void mixing_free(ib_stage *s) {
    free(((mixing_stage *)s)->open);
}

static uint64_t sum_of_counts(const ib_stage *s) {
    uint64_t sum = 0;
    for (size_t i = 0; i < s->n_from; i++) {
        uint64_t count = s->from[i]->count;
        if (count == IB_COUNT_UNKNOWN || sum == IB_COUNT_UNKNOWN)
            sum = IB_COUNT_UNKNOWN;
        else if (count == IB_COUNT_INFINITE || sum == IB_COUNT_INFINITE)
            sum = IB_COUNT_INFINITE;
        else
            sum += count;
    }
    return sum;
}

static ib_stage *mixing_new(const ib_stage_class *class, ib_stage *const *from, size_t n) {
    ib_stage *s = ib__stage_new(class, from, n);
    if (s == NULL) return NULL;
    for (size_t i = 0; i < n; i++)
        if (from[i]->words > s->words) s->words = from[i]->words;
    s->words++;
    s->count = sum_of_counts(s);
    return s;
}

static ib_status concatenate_next(ib_stage *s, uint64_t *ticket, bool *more, ib_error *err) {
    mixing_stage *m = (mixing_stage *)s;
    *more = false;
    while (m->at < s->n_from) {
        ib_status status = take_from(s, m->at, ticket, more, err);
        if (status != IB_OK || *more) return status;
        m->at++;
    }
    return IB_OK;
}

static const ib_stage_class concatenate_class = {.size = sizeof(mixing_stage),
                                                 .begin = mixing_begin,
                                                 .next = concatenate_next,
                                                 .make = mixing_make,
                                                 .save = mixing_save,
                                                 .restore = mixing_restore,
                                                 .free = mixing_free};

ib_stage *ib__stage_concatenate(ib_stage *const *from, size_t n) {
    return mixing_new(&concatenate_class, from, n);
}

/* The next place of the cycle gets its turn. */
static void advance(mixing_stage *m) {
    m->at = (m->at + 1) % m->cycle;
    m->taken = 0;
}

/* As tf.data has it: a place whose source has ended loses its turn; when the turn comes round again, the next
 * source is opened there. */
static ib_status interleave_next(ib_stage *s, uint64_t *ticket, bool *more, ib_error *err) {
    mixing_stage *m = (mixing_stage *)s;
    *more = false;
    for (size_t idle = 0; idle <= m->cycle;) {
        if (m->open[m->at] == 0 && m->after < s->n_from) m->open[m->at] = ++m->after;
        if (m->open[m->at] == 0) {
            idle++;
            advance(m);
            continue;
        }
        ib_status status = take_from(s, m->open[m->at] - 1, ticket, more, err);
        if (status != IB_OK) return status;
        if (*more) {
            if (++m->taken == m->block) advance(m);
            return IB_OK;
        }
        m->open[m->at] = 0;
        idle = 0;
        advance(m);
    }
    return IB_OK;
}

static const ib_stage_class interleave_class = {.size = sizeof(mixing_stage),
                                                .begin = mixing_begin,
                                                .next = interleave_next,
                                                .make = mixing_make,
                                                .save = mixing_save,
                                                .restore = mixing_restore,
                                                .free = mixing_free};

ib_stage *ib__stage_interleave(ib_stage *const *from, size_t n, size_t cycle, size_t block) {
    ib_stage *s = mixing_new(&interleave_class, from, n);
    if (s == NULL) return NULL;
    mixing_stage *m = (mixing_stage *)s;
    m->cycle = cycle;
    m->block = block;
    m->open = calloc(cycle, sizeof *m->open);
    if (m->open != NULL) return s;
    ib__stage_free(s);
    return NULL;
}

/* ---- zip. Ticket: those of all sources ---- */

static ib_status zip_next(ib_stage *s, uint64_t *ticket, bool *more, ib_error *err) {
    *more = true;
    for (size_t i = 0, at = 0; i < s->n_from && *more; at += s->from[i++]->words) {
        ib_status status = ib__stage_next(s->from[i], ticket + at, more, err);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

static ib_status zip_make(ib_stage *s, const uint64_t *ticket, void *const *out, size_t worker,
                          ib_error *err) {
    ib_status status = IB_OK;
    for (size_t i = 0; i < s->n_from && status == IB_OK; i++) {
        status = ib__stage_make(s->from[i], ticket, out, worker, err);
        ticket += s->from[i]->words;
        out += s->from[i]->n_fields;
    }
    return status;
}

static const ib_stage_class zip_class = {
    .size = sizeof(ib_stage), .begin = begin_all, .next = zip_next, .make = zip_make};

ib_stage *ib__stage_zip(ib_stage *const *from, size_t n) {
    ib_stage *s = ib__stage_new(&zip_class, from, n);
    if (s == NULL) return NULL;
    size_t fields = 0;
    s->words = 0;
    for (size_t i = 0; i < n; i++) {
        fields += from[i]->n_fields;
        s->words += from[i]->words;
        if (from[i]->count == IB_COUNT_UNKNOWN || s->count == IB_COUNT_UNKNOWN)
            s->count = IB_COUNT_UNKNOWN;
        else if (from[i]->count < s->count)
            s->count = from[i]->count;
    }
    ib_data_field *list = calloc(fields + 1, sizeof *list);
    if (list == NULL) {
        ib__stage_free(s);
        return NULL;
    }
    s->own_fields = list;
    s->fields = list;
    s->n_fields = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < from[i]->n_fields; k++)
            if (!ib__data_field_copy(&list[s->n_fields++], &from[i]->fields[k], 0)) {
                ib__stage_free(s);
                return NULL;
            }
    return s;
}

/* ---- window. Ticket: those of its samples ---- */

typedef struct window_stage {
    ib_stage base;
    size_t size, shift, stride;
    size_t span, held; /* tickets from the first sample of a window to its last; in the buffer */
    size_t pass_over;  /* tickets of `from` before the next window begins */
    uint64_t *buffer;
} window_stage;

static ib_status window_begin(ib_stage *s, uint32_t iteration, ib_error *err) {
    ((window_stage *)s)->held = ((window_stage *)s)->pass_over = 0;
    return ib__stage_begin(s->from[0], iteration, err);
}

/* Forgets the first `shift` tickets; those that are not here yet are passed over when they come. */
static void shift_buffer(window_stage *w, size_t words) {
    size_t gone = w->shift < w->held ? w->shift : w->held;
    memmove(w->buffer, w->buffer + gone * words, (w->held - gone) * words * sizeof *w->buffer);
    w->held -= gone;
    w->pass_over = w->shift - gone;
}

static ib_status window_next(ib_stage *s, uint64_t *ticket, bool *more, ib_error *err) {
    window_stage *w = (window_stage *)s;
    ib_stage *from = s->from[0];
    *more = true;
    while (w->held < w->span) {
        ib_status status = ib__stage_next(from, w->buffer + w->held * from->words, more, err);
        if (status != IB_OK || !*more) return status;
        if (w->pass_over > 0)
            w->pass_over--;
        else
            w->held++;
    }
    for (size_t i = 0; i < w->size; i++)
        memcpy(ticket + i * from->words, w->buffer + i * w->stride * from->words,
               from->words * sizeof *ticket);
    shift_buffer(w, from->words);
    return IB_OK;
}

static ib_status window_make(ib_stage *s, const uint64_t *ticket, void *const *out, size_t worker,
                             ib_error *err) {
    const window_stage *w = (const window_stage *)s;
    ib_stage *from = s->from[0];
    void *at[IB_DATA_FIELDS_MAX];
    ib_status status = IB_OK;
    for (size_t i = 0; i < w->size && status == IB_OK; i++) {
        for (size_t f = 0; f < s->n_fields; f++)
            at[f] = (char *)out[f] + i * ib__data_field_bytes(&from->fields[f]);
        status = ib__stage_make(from, ticket + i * from->words, at, worker, err);
    }
    return status;
}

static void window_save(const ib_stage *s, ib_buf *out) {
    const window_stage *w = (const window_stage *)s;
    ib__pack_u64(out, w->held);
    ib__pack_u64(out, w->pass_over);
    for (size_t i = 0; i < w->held * s->from[0]->words; i++)
        ib__pack_u64(out, w->buffer[i]);
}

static void window_restore(ib_stage *s, ib_unpack *u) {
    window_stage *w = (window_stage *)s;
    w->held = ib__unpack_count(u, w->span);
    w->pass_over = ib__unpack_count(u, w->shift);
    for (size_t i = 0; i < w->held * s->from[0]->words; i++)
        w->buffer[i] = ib__unpack_u64(u);
}

static void window_free(ib_stage *s) {
    free(((window_stage *)s)->buffer);
}

static const ib_stage_class window_class = {.size = sizeof(window_stage),
                                            .begin = window_begin,
                                            .next = window_next,
                                            .make = window_make,
                                            .save = window_save,
                                            .restore = window_restore,
                                            .free = window_free};

ib_stage *ib__stage_window(ib_stage *from, size_t size, size_t shift, size_t stride) {
    ib_stage *s = ib__stage_new(&window_class, &from, 1);
    if (s == NULL) return NULL;
    window_stage *w = (window_stage *)s;
    w->size = size;
    w->shift = shift;
    w->stride = stride;
    w->span = (size - 1) * stride + 1;
    w->buffer = calloc(w->span + 1, from->words * sizeof *w->buffer);
    s->words = size * from->words;
    if (s->count < IB_COUNT_INFINITE) s->count = s->count < w->span ? 0 : (s->count - w->span) / shift + 1;
    if (w->buffer != NULL && ib__stage_stack(s, size)) return s;
    ib__stage_free(s);
    return NULL;
}
