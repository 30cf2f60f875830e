/* SPDX-License-Identifier: Apache-2.0
 *
 * Batches made ahead by threads of their own.
 *
 * A ring of slots: one is the caller's, the others are being made. The thread that asks draws the tickets,
 * which is quick; the samples of all slots are cut in chunks, and threads take chunks in the order of the
 * ring. Nothing is exchanged between chunks, so it does not matter who makes which one when.
 */
#include "data/batches.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rounding.h"

#define CHUNKS_A_THREAD 4
#define SHARED_BYTES (32 * 1024) /* of a batch that several threads copy */

typedef struct slot {
    uint64_t *ticket;
    void *data[IB_DATA_FIELDS_MAX];
    size_t samples, chunks; /* chunks: in how many parts it is made */
    size_t taken, done;     /* chunks; under the lock, as what follows */
    ib_status status;       /* of the first chunk that failed */
    size_t failed;
    ib_error error;
} slot;

struct ib_batches {
    ib_stage *stage;
    ib_data_field *sample; /* fields without the batch dimension; names are the stage's */
    slot *slots;
    size_t n_slots, head, filled; /* slots [head, head + filled) of the ring hold tickets */
    bool begun, ended;            /* ended: the stage has no more tickets */
    ib_buf backlog;               /* tickets of a restored position that no slot holds yet */
    size_t backlog_at;
    ib_batch batch;
    size_t threads; /* that make samples, the caller included */
    ib_pool *pool;  /* that makes them instead; NULL: none */
    pthread_t *workers;
    size_t n_workers;
    pthread_mutex_t lock;
    pthread_cond_t work, made;
    bool stop;
};

typedef struct worker_start {
    ib_batches *b;
    size_t number;
} worker_start;

static slot *slot_at(ib_batches *b, size_t i) {
    return &b->slots[(b->head + i) % b->n_slots];
}

/* ---- Making ---- */

/* A chunk failed: of several errors in a batch the one of the first sample counts, so that the message does
 * not depend on threads either. */
static void note_failure(slot *s, size_t chunk, ib_status status, const ib_error *error) {
    if (s->status != IB_OK && s->failed < chunk) return;
    s->status = status;
    s->failed = chunk;
    s->error = *error;
}

static ib_status make_chunk(ib_batches *b, slot *s, size_t chunk, size_t worker, ib_error *error) {
    ib_stage *stage = b->stage;
    if (!ib__stage_is_batch(stage->maker)) return ib__stage_make(stage, s->ticket, s->data, worker, error);
    size_t first = chunk * s->samples / s->chunks, last = (chunk + 1) * s->samples / s->chunks;
    return ib__stage_batch_make(stage->maker, s->ticket, first, last, s->data, worker, error);
}

/* The first slot with a chunk that nobody has taken; NULL: none among the first n. */
static slot *find_work(ib_batches *b, size_t n) {
    for (size_t i = 0; i < n && i < b->filled; i++) {
        slot *s = slot_at(b, i);
        if (s->taken < s->chunks) return s;
    }
    return NULL;
}

/* Takes a chunk and makes it, with the lock held before and after. */
static void make_next(ib_batches *b, slot *s, size_t worker) {
    ib_error error = {0};
    size_t chunk = s->taken++;
    pthread_mutex_unlock(&b->lock);
    ib_status status = make_chunk(b, s, chunk, worker, &error);
    pthread_mutex_lock(&b->lock);
    if (status != IB_OK) note_failure(s, chunk, status, &error);
    if (++s->done == s->taken) pthread_cond_broadcast(&b->made);
}

static void *worker_main(void *argument) {
    worker_start start = *(worker_start *)argument;
    ib_batches *b = start.b;
    free(argument);
    (void)ib__rounding_enter();
    pthread_mutex_lock(&b->lock);
    while (!b->stop) {
        slot *s = find_work(b, b->n_slots);
        if (s != NULL)
            make_next(b, s, start.number);
        else
            pthread_cond_wait(&b->work, &b->lock);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

/* ---- Drawing tickets ---- */

static bool from_backlog(ib_batches *b, uint64_t *ticket) {
    size_t bytes = b->stage->words * sizeof *ticket;
    if (b->backlog_at >= b->backlog.length) return false;
    memcpy(ticket, b->backlog.data + b->backlog_at, bytes);
    b->backlog_at += bytes;
    return true;
}

/* Puts the next ticket into the first free slot; *more: there was one. */
static ib_status fill_slot(ib_batches *b, bool *more, ib_error *err) {
    slot *s = slot_at(b, b->filled);
    ib_status status = IB_OK;
    *more = from_backlog(b, s->ticket);
    if (!*more && !b->ended) {
        status = ib__stage_next(b->stage, s->ticket, more, err);
        b->ended = status == IB_OK && !*more;
    }
    if (!*more) return status;
    s->samples = ib__stage_samples(b->stage, s->ticket);
    s->chunks = ib__stage_is_batch(b->stage->maker) ? CHUNKS_A_THREAD * b->threads : 1;
    if (b->threads == 1) s->chunks = b->pool != NULL ? ib__pool_threads(b->pool) : 1;
    if (s->chunks > s->samples) s->chunks = s->samples;
    s->status = IB_OK;
    pthread_mutex_lock(&b->lock);
    s->taken = s->done = 0;
    b->filled++;
    if (b->n_workers > 0) pthread_cond_broadcast(&b->work);
    pthread_mutex_unlock(&b->lock);
    return IB_OK;
}

static void make_part(void *context, size_t chunk, size_t worker) {
    ib_batches *b = context;
    slot *s = slot_at(b, 0);
    ib_error error = {0};
    ib_status status = make_chunk(b, s, chunk, worker, &error);
    if (status == IB_OK) return;
    pthread_mutex_lock(&b->lock);
    note_failure(s, chunk, status, &error);
    pthread_mutex_unlock(&b->lock);
}

/* Helps with the first slot, then waits for what others have taken of it. */
static void finish_head(ib_batches *b) {
    slot *s = slot_at(b, 0);
    if (b->pool != NULL) {
        ib__pool_run(b->pool, s->chunks, make_part, b);
        return;
    }
    pthread_mutex_lock(&b->lock);
    while (s->done < s->chunks) {
        if (s->taken < s->chunks)
            make_next(b, s, 0);
        else
            pthread_cond_wait(&b->made, &b->lock);
    }
    pthread_mutex_unlock(&b->lock);
}

ib_status ib__batches_next(ib_batches *b, const ib_batch **out, ib_error *err) {
    bool more = true;
    *out = NULL;
    if (!b->begun) return ib__fail(err, IB_INTERNAL, "data", "expected a pass to be begun");
    while (more && b->filled < b->n_slots) {
        ib_status status = fill_slot(b, &more, err);
        if (status != IB_OK) return status;
    }
    if (b->filled == 0) return IB_OK;
    finish_head(b);
    slot *s = slot_at(b, 0);
    if (s->status != IB_OK) return ib__fail(err, s->status, s->error.where, "%s", s->error.text);
    b->batch.samples = s->samples;
    for (size_t i = 0; i < b->stage->n_fields; i++) {
        b->batch.fields[i].data = s->data[i];
        b->batch.fields[i].shape.dims[0] = (int64_t)s->samples;
    }
    pthread_mutex_lock(&b->lock);
    b->head = (b->head + 1) % b->n_slots;
    b->filled--;
    pthread_mutex_unlock(&b->lock);
    *out = &b->batch;
    return IB_OK;
}

/* ---- Position ---- */

/* Forgets all tickets, after the chunks that are being made. */
static void drain(ib_batches *b) {
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < b->filled; i++) {
        slot *s = slot_at(b, i);
        s->chunks = s->taken;
        while (s->done < s->taken)
            pthread_cond_wait(&b->made, &b->lock);
    }
    b->filled = 0;
    pthread_mutex_unlock(&b->lock);
    ib__buf_free(&b->backlog);
    b->backlog_at = 0;
}

ib_status ib__batches_begin(ib_batches *b, uint32_t pass, ib_error *err) {
    drain(b);
    b->ended = false;
    ib_status status = ib__stage_begin(b->stage, pass, err);
    b->begun = status == IB_OK;
    return status;
}

static void pack_ticket(const ib_batches *b, const uint64_t *ticket, ib_buf *out) {
    for (size_t i = 0; i < b->stage->words; i++)
        ib__pack_u64(out, ticket[i]);
}

/* Tickets that were drawn but whose batches nobody has had yet, then the position of the stages behind them.
 */
void ib__batches_save(const ib_batches *b, ib_buf *out) {
    size_t bytes = b->stage->words * sizeof(uint64_t), waiting = (b->backlog.length - b->backlog_at) / bytes;
    ib__pack_u64(out, b->begun);
    ib__pack_u64(out, b->ended);
    ib__pack_u64(out, b->stage->words);
    ib__pack_u64(out, b->filled + waiting);
    for (size_t i = 0; i < b->filled; i++)
        pack_ticket(b, b->slots[(b->head + i) % b->n_slots].ticket, out);
    for (size_t i = 0; i < waiting; i++) {
        const void *ticket = b->backlog.data + b->backlog_at + i * bytes;
        pack_ticket(b, ticket, out);
    }
    ib__stage_save(b->stage, out);
}

ib_status ib__batches_restore(ib_batches *b, const void *bytes, size_t n, const char *name, ib_error *err) {
    ib_unpack u = {bytes, (const unsigned char *)bytes + n, false};
    drain(b);
    b->begun = ib__unpack_u64(&u) != 0;
    b->ended = ib__unpack_u64(&u) != 0;
    size_t words = ib__unpack_count(&u, SIZE_MAX / 16), tickets = ib__unpack_count(&u, SIZE_MAX / 16);
    u.failed = u.failed || words != b->stage->words;
    for (size_t i = 0; i < tickets && !u.failed; i++) {
        for (size_t k = 0; k < words && !u.failed; k++) {
            uint64_t word = ib__unpack_u64(&u);
            ib__buf_add(&b->backlog, &word, sizeof word);
            u.failed = u.failed || (k == 0 && (word == 0 || word > b->stage->samples));
        }
    }
    if (b->backlog.failed) return ib__fail_memory(err);
    ib__stage_restore(b->stage, &u);
    if (ib__unpack_done(&u)) return IB_OK;
    b->begun = false;
    return ib__fail(err, IB_BAD_INPUT, name, "expected a position in the data, found other content");
}

/* ---- Making and releasing them ---- */

static ib_status make_slots(ib_batches *b, ib_error *err) {
    b->slots = calloc(b->n_slots, sizeof *b->slots);
    if (b->slots == NULL) return ib__fail_memory(err);
    for (size_t i = 0; i < b->n_slots; i++) {
        slot *s = &b->slots[i];
        s->ticket = calloc(b->stage->words, sizeof *s->ticket);
        if (s->ticket == NULL) return ib__fail_memory(err);
        for (size_t f = 0; f < b->stage->n_fields; f++) {
            s->data[f] = ib__alloc(ib__data_field_bytes(&b->stage->fields[f]), 1);
            if (s->data[f] == NULL) return ib__fail_memory(err);
        }
    }
    return IB_OK;
}

static ib_status make_fields(ib_batches *b, ib_error *err) {
    size_t n = b->stage->n_fields;
    b->sample = calloc(n + 1, sizeof *b->sample);
    b->batch.fields = calloc(n + 1, sizeof *b->batch.fields);
    if (b->sample == NULL || b->batch.fields == NULL) return ib__fail_memory(err);
    for (size_t i = 0; i < n; i++) {
        const ib_data_field *f = &b->stage->fields[i];
        b->batch.fields[i] = (ib_tensor){f->dtype, f->shape, NULL};
        b->sample[i] = (ib_data_field){f->name, f->dtype, {.rank = f->shape.rank - 1}};
        for (int k = 1; k < f->shape.rank; k++)
            b->sample[i].shape.dims[k - 1] = f->shape.dims[k];
    }
    return IB_OK;
}

/* The thread that asks is one of them. Signals stay with the program's own threads. */
static ib_status start_workers(ib_batches *b, ib_error *err) {
    sigset_t all, before;
    if (b->threads == 1) return IB_OK;
    b->workers = calloc(b->threads, sizeof *b->workers);
    if (b->workers == NULL) return ib__fail_memory(err);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (b->n_workers + 1 < b->threads) {
        worker_start *start = malloc(sizeof *start);
        if (start == NULL) break;
        *start = (worker_start){b, b->n_workers + 1};
        if (pthread_create(&b->workers[b->n_workers], NULL, worker_main, start) != 0) {
            free(start);
            break;
        }
        b->n_workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (b->n_workers + 1 == b->threads) return IB_OK;
    return ib__fail(err, IB_NO_MEMORY, "threads", "expected %zu threads, the system gave %zu", b->threads,
                    b->n_workers + 1);
}

ib_status ib__batches_new(ib_batches **out, ib_stage *stage, size_t prefetch, size_t threads, ib_error *err) {
    ib_batches *b = calloc(1, sizeof *b);
    if (b == NULL || stage == NULL) {
        ib__stage_free(stage);
        free(b);
        return ib__fail_memory(err);
    }
    b->stage = stage;
    b->n_slots = prefetch + 1;
    b->threads = threads == 0 ? 1 : threads;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->work, NULL);
    pthread_cond_init(&b->made, NULL);
    ib_status status = make_fields(b, err);
    if (status == IB_OK) status = make_slots(b, err);
    if (status == IB_OK) status = start_workers(b, err);
    if (status == IB_OK)
        *out = b;
    else
        ib__batches_free(b);
    return status;
}

void ib__batches_share(ib_batches *b, ib_pool *pool) {
    size_t bytes = 0;
    for (size_t i = 0; i < b->stage->n_fields; i++)
        bytes += ib__data_field_bytes(&b->stage->fields[i]);
    bool plain = ib__stage_is_batch(b->stage->maker) && ib__stage_batch_is_plain(b->stage->maker);
    if (b->threads == 1 && plain && bytes >= SHARED_BYTES) b->pool = pool;
}

ib_status ib__batches_of_elements(ib_batches **out, const ib_elements *elements, uint64_t first,
                                  uint64_t count, size_t batch_size, const ib_stream *shuffle,
                                  ib_error *err) {
    size_t size = batch_size < count ? batch_size : (size_t)count;
    ib_stage *s = ib__stage_elements(elements, first, count);
    if (shuffle != NULL) s = ib__stage_order(s, shuffle);
    return ib__batches_new(out, ib__stage_batch(s, size, false), 0, 1, err);
}

void ib__batches_free(ib_batches *b) {
    if (b == NULL) return;
    pthread_mutex_lock(&b->lock);
    b->stop = true;
    pthread_cond_broadcast(&b->work);
    pthread_mutex_unlock(&b->lock);
    for (size_t i = 0; i < b->n_workers; i++)
        pthread_join(b->workers[i], NULL);
    pthread_cond_destroy(&b->work);
    pthread_cond_destroy(&b->made);
    pthread_mutex_destroy(&b->lock);
    for (size_t i = 0; b->slots != NULL && i < b->n_slots; i++) {
        free(b->slots[i].ticket);
        for (size_t f = 0; f < b->stage->n_fields; f++)
            ib__free(b->slots[i].data[f]);
    }
    ib__buf_free(&b->backlog);
    ib__stage_free(b->stage);
    free(b->slots);
    free(b->workers);
    free(b->sample);
    free(b->batch.fields);
    free(b);
}

const ib_data_field *ib__batches_fields(const ib_batches *b, size_t *n) {
    *n = b->stage->n_fields;
    return b->sample;
}

uint64_t ib__batches_count(const ib_batches *b) {
    return b->stage->count;
}

size_t ib__batches_size(const ib_batches *b) {
    return b->stage->samples;
}

/* The ticket of a batch begins with the number of samples, whatever stages stand on top of it. */
const uint64_t *ib__batches_tickets(const ib_batches *b, size_t *words) {
    const ib_stage *s = b->stage;
    while (!ib__stage_is_batch(s) && s->n_from == 1)
        s = s->from[0];
    *words = s->n_from == 1 ? s->from[0]->words : 0;
    const slot *last = &b->slots[(b->head + b->n_slots - 1) % b->n_slots];
    return b->begun && *words > 0 ? last->ticket + 1 : NULL;
}
