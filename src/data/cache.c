/* SPDX-License-Identifier: Apache-2.0
 *
 * cache: what was made is kept. Tickets say how an element is made, so keeping it is only a matter of speed:
 * what does not fit into memory is made again, and a position needs no elements.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "data/verbs.h"

/* Ticket: that of `from`, then the number of the element in the iteration. */
typedef struct cache_stage {
    ib_stage base;
    uint64_t at;
    size_t bytes, limit; /* of an element; how many elements are kept */
    pthread_mutex_t lock;
    void **kept; /* element by number, fields one behind the other; NULL: not made yet */
    size_t capacity, known;
} cache_stage;

static ib_status cache_begin(ib_stage *s, uint32_t iteration, ib_error *err) {
    (void)iteration;
    ((cache_stage *)s)->at = 0;
    return ib__stage_begin(s->from[0], 0, err);
}

static ib_status cache_next(ib_stage *s, uint64_t *ticket, bool *more, ib_error *err) {
    ib_status status = ib__stage_next(s->from[0], ticket, more, err);
    if (status == IB_OK && *more) ticket[s->words - 1] = ((cache_stage *)s)->at++;
    return status;
}

/* Between the kept form and fields. */
static void copy_fields(const ib_stage *s, char *kept, void *const *out, bool keep) {
    for (size_t i = 0; i < s->n_fields; i++) {
        size_t bytes = ib__data_field_bytes(&s->fields[i]);
        if (bytes > 0 && keep) memcpy(kept, out[i], bytes);
        if (bytes > 0 && !keep) memcpy(out[i], kept, bytes);
        kept += bytes;
    }
}

static void *find_kept(cache_stage *c, size_t number) {
    pthread_mutex_lock(&c->lock);
    void *kept = number < c->known ? c->kept[number] : NULL;
    pthread_mutex_unlock(&c->lock);
    return kept;
}

/* Two threads may make the same element; they make the same bytes, and one of them is kept. */
static void keep(cache_stage *c, size_t number, void *const *out) {
    char *copy = malloc(c->bytes + 1);
    if (copy == NULL) return;
    copy_fields(&c->base, copy, out, true);
    pthread_mutex_lock(&c->lock);
    if (ib__grow(&c->kept, &c->capacity, number + 1, sizeof *c->kept)) {
        while (c->known <= number)
            c->kept[c->known++] = NULL;
        if (c->kept[number] == NULL) {
            c->kept[number] = copy;
            copy = NULL;
        }
    }
    pthread_mutex_unlock(&c->lock);
    free(copy);
}

static ib_status cache_make(ib_stage *s, const uint64_t *ticket, void *const *out, size_t worker,
                            ib_error *err) {
    cache_stage *c = (cache_stage *)s;
    size_t number = (size_t)ticket[s->words - 1];
    void *kept = find_kept(c, number);
    if (kept != NULL) {
        copy_fields(s, kept, out, false);
        return IB_OK;
    }
    ib_status status = ib__stage_make(s->from[0], ticket, out, worker, err);
    if (status == IB_OK && number < c->limit) keep(c, number, out);
    return status;
}

static void cache_save(const ib_stage *s, ib_buf *out) {
    ib__pack_u64(out, ((const cache_stage *)s)->at);
}

static void cache_restore(ib_stage *s, ib_unpack *u) {
    ((cache_stage *)s)->at = ib__unpack_u64(u);
}

static void cache_free(ib_stage *s) {
    cache_stage *c = (cache_stage *)s;
    for (size_t i = 0; i < c->known; i++)
        free(c->kept[i]);
    free(c->kept);
    pthread_mutex_destroy(&c->lock);
}

static const ib_stage_class cache_class = {.size = sizeof(cache_stage),
                                           .begin = cache_begin,
                                           .next = cache_next,
                                           .make = cache_make,
                                           .save = cache_save,
                                           .restore = cache_restore,
                                           .free = cache_free};

ib_stage *ib__stage_cache(ib_stage *from, size_t memory) {
    ib_stage *s = ib__stage_new(&cache_class, &from, 1);
    if (s == NULL) return NULL;
    cache_stage *c = (cache_stage *)s;
    pthread_mutex_init(&c->lock, NULL);
    for (size_t i = 0; i < s->n_fields; i++)
        c->bytes += ib__data_field_bytes(&s->fields[i]);
    c->limit = memory / (c->bytes + 64);
    s->words++;
    return s;
}
