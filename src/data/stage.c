/* SPDX-License-Identifier: Apache-2.0
 *
 * Stages in general; the ends of every pipeline: elements and batches.
 */
#include "data/stage.h"

#include <stdlib.h>
#include <string.h>

ib_stage *ib__stage_new(const ib_stage_class *class, ib_stage *const *from, size_t n_from) {
    ib_stage *s = calloc(1, class->size);
    ib_stage **list = calloc(n_from + 1, sizeof *list);
    for (size_t i = 0; i < n_from; i++)
        if (from[i] == NULL) class = NULL;
    if (s == NULL || list == NULL || class == NULL) {
        for (size_t i = 0; i < n_from; i++)
            ib__stage_free(from[i]);
        free(s);
        free(list);
        return NULL;
    }
    s->class = class;
    s->from = list;
    s->n_from = n_from;
    s->maker = s;
    if (n_from == 0) return s;
    memcpy(list, from, n_from * sizeof *list);
    s->fields = from[0]->fields;
    s->n_fields = from[0]->n_fields;
    s->words = from[0]->words;
    s->count = from[0]->count;
    s->samples = from[0]->samples;
    if (class->make == NULL) s->maker = from[0]->maker;
    return s;
}

void ib__stage_free(ib_stage *s) {
    if (s == NULL) return;
    if (s->class->free != NULL) s->class->free(s);
    for (size_t i = 0; i < s->n_from; i++)
        ib__stage_free(s->from[i]);
    for (size_t i = 0; s->own_fields != NULL && i < s->n_fields; i++)
        free(s->own_fields[i].name);
    free(s->own_fields);
    free(s->from);
    free(s);
}

bool ib__stage_stack(ib_stage *s, size_t n) {
    s->own_fields = calloc(s->n_fields + 1, sizeof *s->own_fields);
    if (s->own_fields == NULL) return false;
    for (size_t i = 0; i < s->n_fields; i++)
        if (!ib__data_field_copy(&s->own_fields[i], &s->fields[i], n)) return false;
    s->fields = s->own_fields;
    return true;
}

ib_status ib__stage_begin(ib_stage *s, uint32_t iteration, ib_error *err) {
    return s->class->begin(s, iteration, err);
}

ib_status ib__stage_next(ib_stage *s, uint64_t *ticket, bool *more, ib_error *err) {
    return s->class->next(s, ticket, more, err);
}

ib_status ib__stage_make(ib_stage *s, const uint64_t *ticket, void *const *out, size_t worker,
                         ib_error *err) {
    return s->maker->class->make(s->maker, ticket, out, worker, err);
}

void ib__stage_save(const ib_stage *s, ib_buf *out) {
    for (size_t i = 0; i < s->n_from; i++)
        ib__stage_save(s->from[i], out);
    if (s->class->save != NULL) s->class->save(s, out);
}

void ib__stage_restore(ib_stage *s, ib_unpack *u) {
    for (size_t i = 0; i < s->n_from; i++)
        ib__stage_restore(s->from[i], u);
    if (s->class->restore != NULL) s->class->restore(s, u);
}

size_t ib__stage_samples(const ib_stage *s, const uint64_t *ticket) {
    return s->samples == 0 ? 1 : (size_t)ticket[0];
}

/* ---- Elements ---- */

typedef struct elements_stage {
    ib_stage base;
    const ib_elements *elements;
    uint64_t first, at;
} elements_stage;

static ib_status elements_begin(ib_stage *s, uint32_t iteration, ib_error *err) {
    (void)iteration;
    (void)err;
    ((elements_stage *)s)->at = 0;
    return IB_OK;
}

static ib_status elements_next(ib_stage *s, uint64_t *ticket, bool *more, ib_error *err) {
    elements_stage *e = (elements_stage *)s;
    (void)err;
    *more = e->at < s->count;
    if (*more) ticket[0] = e->first + e->at++;
    return IB_OK;
}

static ib_status elements_make(ib_stage *s, const uint64_t *ticket, void *const *out, size_t worker,
                               ib_error *err) {
    (void)worker;
    return ib__elements_read(((elements_stage *)s)->elements, ticket[0], 1, out, err);
}

static void elements_save(const ib_stage *s, ib_buf *out) {
    ib__pack_u64(out, ((const elements_stage *)s)->at);
}

static void elements_restore(ib_stage *s, ib_unpack *u) {
    ((elements_stage *)s)->at = ib__unpack_count(u, (size_t)s->count);
}

static const ib_stage_class elements_class = {
    .size = sizeof(elements_stage),
    .begin = elements_begin,
    .next = elements_next,
    .make = elements_make,
    .save = elements_save,
    .restore = elements_restore,
};

ib_stage *ib__stage_elements(const ib_elements *e, uint64_t first, uint64_t count) {
    ib_stage *s = ib__stage_new(&elements_class, NULL, 0);
    if (s == NULL) return NULL;
    ((elements_stage *)s)->elements = e;
    ((elements_stage *)s)->first = first;
    s->fields = e->fields;
    s->n_fields = e->n_fields;
    s->words = 1;
    s->count = count;
    return s;
}

bool ib__stage_is_elements(const ib_stage *s, uint64_t *first) {
    if (s->class != &elements_class) return false;
    *first = ((const elements_stage *)s)->first;
    return true;
}

/* ---- Batches. Ticket: how many samples, then their tickets ---- */

enum { AHEAD = 8 }; /* samples: memory answers about so late, if they are short */

typedef struct batch_stage {
    ib_stage base;
    bool drop_remainder;
} batch_stage;

static ib_status batch_begin(ib_stage *s, uint32_t iteration, ib_error *err) {
    return ib__stage_begin(s->from[0], iteration, err);
}

static ib_status batch_next(ib_stage *s, uint64_t *ticket, bool *more, ib_error *err) {
    ib_stage *from = s->from[0];
    size_t n = 0;
    bool inner = true;
    ib_status status = IB_OK;
    memset(ticket, 0, s->words * sizeof *ticket);
    while (n < s->samples && status == IB_OK) {
        status = ib__stage_next(from, ticket + 1 + n * from->words, &inner, err);
        if (!inner) break;
        n++;
    }
    ticket[0] = n;
    *more = status == IB_OK && n > 0 && (n == s->samples || !((batch_stage *)s)->drop_remainder);
    return status;
}

/* The elements that samples are as they stand: then the ticket of one is its number. NULL: they are made. */
static const ib_elements *plain_elements(const ib_stage *from) {
    return from->maker->class == &elements_class ? ((const elements_stage *)from->maker)->elements : NULL;
}

/* Neighbours are read at once. */
static size_t neighbours(const ib_stage *from, const uint64_t *ticket, size_t i, size_t last) {
    size_t n = 1;
    if (plain_elements(from) == NULL) return 1;
    while (i + n < last && ticket[1 + i + n] == ticket[1 + i] + n)
        n++;
    return n;
}

ib_status ib__stage_batch_make(ib_stage *s, const uint64_t *ticket, size_t first, size_t last,
                               void *const *out, size_t worker, ib_error *err) {
    ib_stage *from = s->from[0];
    const ib_elements *plain = plain_elements(from);
    void *at[IB_DATA_FIELDS_MAX];
    ib_status status = IB_OK;
    for (size_t i = first, asked = first, n; i < last && status == IB_OK; i += n) {
        for (; plain != NULL && asked < last && asked < i + AHEAD; asked++)
            ib__elements_ahead(plain, ticket[1 + asked]);
        for (size_t f = 0; f < s->n_fields; f++)
            at[f] = (char *)out[f] + i * ib__data_field_bytes(&from->fields[f]);
        n = neighbours(from, ticket, i, last);
        status = n > 1 ? ib__elements_read(plain, ticket[1 + i], n, at, err)
                       : ib__stage_make(from, ticket + 1 + i * from->words, at, worker, err);
    }
    return status;
}

static ib_status batch_make(ib_stage *s, const uint64_t *ticket, void *const *out, size_t worker,
                            ib_error *err) {
    return ib__stage_batch_make(s, ticket, 0, (size_t)ticket[0], out, worker, err);
}

static const ib_stage_class batch_class = {
    .size = sizeof(batch_stage), .begin = batch_begin, .next = batch_next, .make = batch_make};

bool ib__stage_is_batch(const ib_stage *s) {
    return s->class == &batch_class;
}

bool ib__stage_batch_is_plain(const ib_stage *s) {
    return plain_elements(s->from[0]) != NULL;
}

ib_stage *ib__stage_batch(ib_stage *from, size_t n, bool drop_remainder) {
    ib_stage *s = ib__stage_new(&batch_class, &from, 1);
    if (s == NULL) return NULL;
    if (!ib__stage_stack(s, n)) {
        ib__stage_free(s);
        return NULL;
    }
    s->samples = n;
    s->words = 1 + n * from->words;
    if (s->count < IB_COUNT_INFINITE) s->count = s->count / n + (s->count % n != 0 && !drop_remainder);
    ((batch_stage *)s)->drop_remainder = drop_remainder;
    return s;
}
