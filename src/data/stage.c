/* SPDX-License-Identifier: Apache-2.0
 *
 * Stages in general; the ends of every pipeline: elements, their order, batches.
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

/* ---- Order: all tickets of the pass are drawn at once, for they are wanted in any order ---- */

typedef struct order_stage {
    ib_stage base;
    ib_stream stream;
    uint32_t *order, iteration;
    uint64_t *tickets;
    uint64_t at;
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
    o->ready = from->class == &elements_class;
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
        ticket[0] = ((elements_stage *)s->from[0])->first + i;
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

/* ---- Batches. Ticket: how many samples, then their tickets ---- */

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

/* The ticket of a sample that comes from elements as they are is its number: neighbours are read at once. */
static size_t neighbours(const ib_stage *from, const uint64_t *ticket, size_t i, size_t last) {
    size_t n = 1;
    if (from->maker->class != &elements_class) return 1;
    while (i + n < last && ticket[1 + i + n] == ticket[1 + i] + n)
        n++;
    return n;
}

ib_status ib__stage_batch_make(ib_stage *s, const uint64_t *ticket, size_t first, size_t last,
                               void *const *out, size_t worker, ib_error *err) {
    ib_stage *from = s->from[0];
    void *at[IB_DATA_FIELDS_MAX];
    ib_status status = IB_OK;
    for (size_t i = first, n; i < last && status == IB_OK; i += n) {
        for (size_t f = 0; f < s->n_fields; f++)
            at[f] = (char *)out[f] + i * ib__data_field_bytes(&from->fields[f]);
        n = neighbours(from, ticket, i, last);
        status = n > 1
                     ? ib__elements_read(((elements_stage *)from->maker)->elements, ticket[1 + i], n, at, err)
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

/* The fields of a batch of n: one dimension more. NULL: no memory. */
static ib_data_field *batch_fields(const ib_stage *from, size_t n) {
    ib_data_field *fields = calloc(from->n_fields + 1, sizeof *fields);
    bool good = fields != NULL;
    for (size_t i = 0; good && i < from->n_fields; i++) {
        const ib_shape *inner = &from->fields[i].shape;
        fields[i].dtype = from->fields[i].dtype;
        fields[i].shape.rank = inner->rank + 1;
        fields[i].shape.dims[0] = (int64_t)n;
        memcpy(&fields[i].shape.dims[1], inner->dims, (size_t)inner->rank * sizeof *inner->dims);
        good = (fields[i].name = strdup(from->fields[i].name)) != NULL;
    }
    if (good) return fields;
    for (size_t i = 0; fields != NULL && i < from->n_fields; i++)
        free(fields[i].name);
    free(fields);
    return NULL;
}

ib_stage *ib__stage_batch(ib_stage *from, size_t n, bool drop_remainder) {
    ib_stage *s = ib__stage_new(&batch_class, &from, 1);
    if (s == NULL) return NULL;
    s->own_fields = batch_fields(from, n);
    if (s->own_fields == NULL) {
        ib__stage_free(s);
        return NULL;
    }
    s->fields = s->own_fields;
    s->samples = n;
    s->words = 1 + n * from->words;
    if (s->count < IB_COUNT_INFINITE) s->count = s->count / n + (s->count % n != 0 && !drop_remainder);
    ((batch_stage *)s)->drop_remainder = drop_remainder;
    return s;
}
