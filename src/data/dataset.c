/* SPDX-License-Identifier: Apache-2.0
 *
 * Data sets: entries with their sources and pipelines. The tree of an entry is walked twice: to open what it
 * names, and, for each set of batches, to build the stages over what was opened, in the same order.
 */
#include "data/dataset.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/pipeline.h"
#include "data/verbs.h"

#define JOINED_MAX 1024
#define DEPTH_MAX 8
/* Always the same, for a position in the data holds what was drawn ahead, and checkpoints of two machines are
 * compared. */
#define PREFETCH_DEFAULT 2

struct ib_dataset {
    ib_value *entry;
    char *name, *place, *folder;
    uint64_t seed, count, batches; /* batches: of its own, in a pass */
    bool batched;                  /* its pipeline makes batches */
    size_t threads;
    ib_dataset_source *sources; /* in the order of the tree */
    size_t n_sources;
    ib_data_field *fields; /* of a sample */
    size_t n_fields;
    ib_data_file *files; /* of all sources, place with prefix; paths and digests are the sources' */
    size_t n_files;
};

/* The stages being built; `next` is the source that comes next. */
typedef struct building {
    const ib_dataset *d;
    size_t next;
    int64_t prefetch;
    const ib_kernels *kernels;
} building;

static const char *const joins[] = {"zip", "concatenate", "interleave"};
#define N_JOINS 3

/* Which of the joining verbs an entry is; N_JOINS: it is a source. */
static size_t join_of(const ib_value *entry) {
    size_t i = 0;
    while (i < N_JOINS && ib__value_get(entry, joins[i]) == NULL)
        i++;
    return i;
}

static ib_entry entry_at(const ib_dataset *d, const ib_value *map, const char *place, ib_error *err) {
    return (ib_entry){map, d->name, place, d->folder, d->seed, ib__source_memory(), err};
}

static const char *const common[] = {"pipeline"};

/* ---- Opening ---- */

static ib_status open_tree(ib_dataset *d, const ib_entry *q, const char *prefix, size_t depth);

/* Room for one source more. */
static ib_dataset_source *add_source(ib_dataset *d, const char *prefix) {
    ib_dataset_source *grown = realloc(d->sources, (d->n_sources + 1) * sizeof *grown);
    if (grown == NULL) return NULL;
    d->sources = grown;
    ib_dataset_source *s = &grown[d->n_sources];
    *s = (ib_dataset_source){.prefix = strdup(prefix)};
    if (s->prefix == NULL) return NULL;
    d->n_sources++;
    return s;
}

static ib_status audit_source(const ib_dataset *d, ib_dataset_source *s, const ib_entry *q) {
    ib_status status = ib__source_audit(&s->audit, &s->part, d->threads, q->err);
    return status == IB_OK ? ib__source_check_finite(&s->part, s->audit, q) : status;
}

static ib_status open_source(ib_dataset *d, const ib_entry *q, const char *prefix) {
    ib_dataset_source *s = add_source(d, prefix);
    if (s == NULL) return ib__fail_memory(q->err);
    ib_status status = ib__source_open(&s->part, q, common, 1);
    return status == IB_OK ? audit_source(d, s, q) : status;
}

static ib_status open_joined(ib_dataset *d, const ib_entry *q, size_t join, const char *prefix,
                             size_t depth) {
    static const char *const fields[] = {"zip", "concatenate", "interleave", "cycle_length", "block_length"};
    const char *key = joins[join];
    const ib_value *list = ib__value_get(q->map, key);
    const char *known[] = {key, fields[3], fields[4]};
    ib_status status = ib__entry_check(q, known, join == 2 ? 3 : 1, common, 1);
    if (status != IB_OK) return status;
    if (list->kind != IB_LIST || list->count == 0 || list->count > JOINED_MAX)
        return ib__entry_fail(q, list, key, "expected a list of 1 to %d entries", JOINED_MAX);
    if (depth == DEPTH_MAX) return ib__entry_fail(q, list, key, "entries within entries within entries");
    for (size_t i = 0; i < list->count && status == IB_OK; i++) {
        char place[128], inner[160];
        snprintf(place, sizeof place, "%.80s.%s[%zu]", q->place, key, i);
        snprintf(inner, sizeof inner, "%.100s%s[%zu].", prefix, key, i);
        ib_entry child = *q;
        child.map = list->items[i];
        child.place = place;
        status = open_tree(d, &child, inner, depth + 1);
    }
    return status;
}

static ib_status open_tree(ib_dataset *d, const ib_entry *q, const char *prefix, size_t depth) {
    size_t join = join_of(q->map);
    return join == N_JOINS ? open_source(d, q, prefix) : open_joined(d, q, join, prefix, depth);
}

/* ---- Building stages ---- */

static ib_status build_tree(ib_stage **out, building *b, const ib_entry *q);

/* What is joined: samples, of the same fields or (zip) of different ones. */
static ib_status check_joined(const ib_entry *q, size_t join, ib_stage *const *from, size_t n) {
    const char *key = joins[join];
    for (size_t i = 0; i < n; i++) {
        if (from[i]->samples > 0)
            return ib__entry_fail(q, NULL, key, "entry %zu makes batches: batch stands behind %s", i, key);
        for (size_t k = 0; join == 0 && k < from[i]->n_fields; k++)
            for (size_t other = 0; other < i; other++)
                if (ib__data_field_find(from[other]->fields, from[other]->n_fields,
                                        from[i]->fields[k].name) != SIZE_MAX)
                    return ib__entry_fail(q, NULL, key, "entries %zu and %zu both have a field %s", other, i,
                                          from[i]->fields[k].name);
        bool same = from[i]->n_fields == from[0]->n_fields;
        for (size_t k = 0; join != 0 && same && k < from[i]->n_fields; k++) {
            const ib_data_field *x = &from[0]->fields[k], *y = &from[i]->fields[k];
            same = strcmp(x->name, y->name) == 0 && x->dtype == y->dtype &&
                   ib__shape_equal(&x->shape, &y->shape);
        }
        if (join != 0 && !same)
            return ib__entry_fail(q, NULL, key, "entry %zu has other fields, types or shapes than entry 0",
                                  i);
    }
    return IB_OK;
}

static ib_status join(ib_stage **out, const ib_entry *q, size_t join, ib_stage **from, size_t n) {
    int64_t cycle = 2, block = 1;
    ib_status status = check_joined(q, join, from, n);
    if (status == IB_OK) status = ib__entry_count(q, "cycle_length", 1, JOINED_MAX, &cycle);
    if (status == IB_OK) status = ib__entry_count(q, "block_length", 1, INT64_C(1) << 40, &block);
    if (status != IB_OK) {
        for (size_t i = 0; i < n; i++)
            ib__stage_free(from[i]);
        return status;
    }
    *out = join == 0   ? ib__stage_zip(from, n)
           : join == 1 ? ib__stage_concatenate(from, n)
                       : ib__stage_interleave(from, n, (size_t)cycle, (size_t)block);
    return *out != NULL ? IB_OK : ib__fail_memory(q->err);
}

static ib_status build_joined(ib_stage **out, building *b, const ib_entry *q, size_t which) {
    const char *key = joins[which];
    const ib_value *list = ib__value_get(q->map, key);
    ib_stage **from = calloc(list->count, sizeof(ib_stage *));
    if (from == NULL) return ib__fail_memory(q->err);
    size_t made = 0;
    ib_status status = IB_OK;
    for (; made < list->count && status == IB_OK; made += status == IB_OK) {
        char place[128];
        snprintf(place, sizeof place, "%.80s.%s[%zu]", q->place, key, made);
        ib_entry child = *q;
        child.map = list->items[made];
        child.place = place;
        status = build_tree(&from[made], b, &child);
    }
    if (status == IB_OK) {
        status = join(out, q, which, from, made);
    } else {
        for (size_t i = 0; i < made; i++)
            ib__stage_free(from[i]);
    }
    free(from);
    return status;
}

static ib_status build_tree(ib_stage **out, building *b, const ib_entry *q) {
    const ib_value *list = ib__value_get(q->map, "pipeline");
    size_t which = join_of(q->map);
    ib_pipeline p = {NULL, -1, b->kernels};
    ib_status status = IB_OK;
    if (which < N_JOINS) {
        status = build_joined(&p.stage, b, q, which);
    } else {
        const ib_source_part *part = &b->d->sources[b->next++].part;
        p.stage = ib__stage_elements(part->elements, part->first, part->count);
        if (p.stage == NULL) status = ib__fail_memory(q->err);
    }
    if (status == IB_OK && list != NULL) status = ib__pipeline_build(&p, q, list);
    *out = p.stage;
    b->prefetch = p.prefetch;
    return status;
}

/* A pass with its order, counted without making any element but for a filter. */
static ib_status count_tickets(ib_stage *s, uint64_t *count, uint64_t *tickets, ib_error *err) {
    uint64_t *ticket = calloc(s->words, sizeof *ticket);
    bool more = true;
    *count = *tickets = 0;
    ib_status status = ticket == NULL ? ib__fail_memory(err) : ib__stage_begin(s, 0, err);
    while (status == IB_OK) {
        status = ib__stage_next(s, ticket, &more, err);
        if (status != IB_OK || !more) break;
        *count += ib__stage_samples(s, ticket);
        (*tickets)++;
    }
    free(ticket);
    return status;
}

static ib_status learn_fields(ib_dataset *d, const ib_stage *s, ib_error *err) {
    d->fields = calloc(s->n_fields + 1, sizeof *d->fields);
    if (d->fields == NULL) return ib__fail_memory(err);
    for (size_t i = 0; i < s->n_fields; i++) {
        ib_data_field *f = &d->fields[d->n_fields++];
        if (!ib__data_field_copy(f, &s->fields[i], 0)) return ib__fail_memory(err);
        if (s->samples == 0) continue;
        f->shape.rank--;
        memmove(f->shape.dims, f->shape.dims + 1, (size_t)f->shape.rank * sizeof *f->shape.dims);
    }
    return IB_OK;
}

/* Builds the stages once, to check them and to see what comes out. */
static ib_status try_out(ib_dataset *d, ib_error *err) {
    ib_stage *s = NULL;
    building b = {.d = d, .kernels = ib__kernels_for(ib__isa_default())};
    ib_entry q = entry_at(d, d->entry, d->place, err);
    ib_status status = build_tree(&s, &b, &q);
    if (status != IB_OK) return status;
    status = learn_fields(d, s, err);
    d->count = d->batches = s->count;
    d->batched = s->samples > 0;
    bool known = s->count == IB_COUNT_INFINITE || (s->count != IB_COUNT_UNKNOWN && s->samples == 0);
    if (status == IB_OK && !known) status = count_tickets(s, &d->count, &d->batches, err);
    if (status == IB_OK && d->count == 0)
        status = ib__entry_fail(&q, NULL, "", "expected samples, found none after the pipeline");
    ib__stage_free(s);
    return status;
}

static ib_status list_files(ib_dataset *d, ib_error *err) {
    size_t n = 0;
    for (size_t i = 0; i < d->n_sources; i++)
        n += d->sources[i].part.elements->n_files;
    d->files = calloc(n + 1, sizeof *d->files);
    if (d->files == NULL) return ib__fail_memory(err);
    for (size_t i = 0; i < d->n_sources; i++) {
        const ib_elements *e = d->sources[i].part.elements;
        for (size_t k = 0; k < e->n_files; k++) {
            ib_buf place = {0};
            ib__buf_printf(&place, "%s%s", d->sources[i].prefix, e->files[k].place);
            if (place.failed) return ib__fail_memory(err);
            d->files[d->n_files++] = (ib_data_file){place.data, e->files[k].path, e->files[k].digest};
        }
    }
    return IB_OK;
}

/* Everything but the sources. */
static ib_status begin(ib_dataset **out, const ib_value *entry, const char *name, const char *place,
                       const char *folder, size_t threads, ib_error *err) {
    ib_dataset *d = calloc(1, sizeof *d);
    if (d == NULL) return ib__fail_memory(err);
    d->threads = threads;
    d->name = strdup(name);
    d->place = strdup(place);
    d->folder = strdup(folder != NULL ? folder : "");
    d->entry = entry != NULL ? ib__value_copy(entry) : ib__value_null();
    if (d->name != NULL && d->place != NULL && d->folder != NULL && d->entry != NULL) {
        *out = d;
        return IB_OK;
    }
    ib__dataset_free(d);
    return ib__fail_memory(err);
}

/* With its sources open. Frees d on failure. */
static ib_status finish(ib_dataset **out, ib_dataset *d, ib_status status, ib_error *err) {
    if (status == IB_OK) status = list_files(d, err);
    if (status == IB_OK) status = try_out(d, err);
    if (status == IB_OK)
        *out = d;
    else
        ib__dataset_free(d);
    return status;
}

ib_status ib__dataset_open(ib_dataset **out, const ib_value *entry, const char *name, const char *place,
                           const char *folder, uint64_t seed, size_t threads, ib_error *err) {
    ib_dataset *d = NULL;
    ib_status status = begin(&d, entry, name, place, folder, threads, err);
    if (status != IB_OK) return status;
    d->seed = seed;
    ib_entry q = entry_at(d, d->entry, d->place, err);
    return finish(out, d, open_tree(d, &q, "", 0), err);
}

ib_status ib__dataset_of_elements(ib_dataset **out, ib_elements *elements, const char *name,
                                  const char *place, size_t threads, ib_error *err) {
    ib_dataset *d = NULL;
    ib_status status = begin(&d, NULL, name, place, NULL, threads, err);
    ib_dataset_source *s = status == IB_OK ? add_source(d, "") : NULL;
    if (s == NULL) {
        ib__elements_free(elements);
        ib__dataset_free(d);
        return ib__fail_memory(err);
    }
    s->part = (ib_source_part){elements, 0, elements->count};
    ib_entry q = entry_at(d, d->entry, d->place, err);
    return finish(out, d, audit_source(d, s, &q), err);
}

void ib__dataset_free(ib_dataset *d) {
    if (d == NULL) return;
    for (size_t i = 0; i < d->n_sources; i++) {
        ib__elements_free(d->sources[i].part.elements);
        free(d->sources[i].audit);
        free(d->sources[i].prefix);
    }
    for (size_t i = 0; i < d->n_fields; i++)
        free(d->fields[i].name);
    for (size_t i = 0; i < d->n_files; i++)
        free(d->files[i].place);
    free(d->sources);
    free(d->fields);
    free(d->files);
    ib__value_free(d->entry);
    free(d->name);
    free(d->place);
    free(d->folder);
    free(d);
}

const char *ib__dataset_place(const ib_dataset *d) {
    return d->place;
}

const ib_data_field *ib__dataset_fields(const ib_dataset *d, size_t *n) {
    *n = d->n_fields;
    return d->fields;
}

uint64_t ib__dataset_count(const ib_dataset *d) {
    return d->count;
}

static bool has_pipeline(const ib_value *entry) {
    size_t which = join_of(entry);
    const ib_value *list = which < N_JOINS ? ib__value_get(entry, joins[which]) : NULL;
    bool has = ib__value_get(entry, "pipeline") != NULL;
    for (size_t i = 0; list != NULL && i < list->count; i++)
        has = has || has_pipeline(list->items[i]);
    return has;
}

bool ib__dataset_piped(const ib_dataset *d) {
    return has_pipeline(d->entry);
}

const ib_data_file *ib__dataset_file(const ib_dataset *d, size_t i) {
    return i < d->n_files ? &d->files[i] : NULL;
}

void ib__dataset_where(char out[256], const ib_dataset *d, const char *field, uint64_t element) {
    uint64_t row = 0;
    char rows[32] = "";
    const ib_source_part *part = &d->sources[0].part;
    if (d->n_sources != 1 || element < part->first || element - part->first >= part->count) {
        snprintf(out, 256, "%.150s.%.60s", d->place, field);
        return;
    }
    const ib_data_file *file = ib__elements_file(part->elements, element, field, &row);
    uint64_t sample = element - part->first;
    if (row != sample) snprintf(rows, sizeof rows, ", row %" PRIu64, row);
    snprintf(out, 256, "%.110s%s%s%.60s.%.40s[%" PRIu64 "]", file != NULL ? file->path : "",
             file != NULL ? rows : "", file != NULL ? ", " : "", d->place, field, sample);
}

uint64_t ib__dataset_batch_count(const ib_dataset *d, size_t batch_size) {
    if (d->batched || d->count == IB_COUNT_INFINITE) return d->batches;
    return d->count / batch_size + (d->count % batch_size != 0);
}

const ib_dataset_source *ib__dataset_source(const ib_dataset *d, size_t i) {
    return i < d->n_sources ? &d->sources[i] : NULL;
}

ib_status ib__dataset_find_no_number(const ib_dataset *d, size_t field, uint64_t first, uint64_t count,
                                     ib_numbering what, int64_t numbers, uint64_t *sample, double *value,
                                     ib_error *err) {
    *sample = UINT64_MAX;
    *value = 0;
    if (ib__dataset_piped(d) || join_of(d->entry) != N_JOINS) return IB_OK;
    const ib_field_audit *audit = &d->sources[0].audit[field];
    if (audit->whole && audit->low >= 0 && audit->high < (double)numbers) return IB_OK;
    ib_source_part part = d->sources[0].part;
    part.first += first;
    part.count = count;
    return ib__source_find_no_number(&part, field, what, numbers, sample, value, err);
}

/* ---- Batches ---- */

/* Copies from memory are made by the thread that asks: others would cost more than they do. */
static bool is_cheap(const ib_dataset *d) {
    bool cheap = !ib__dataset_piped(d);
    for (size_t i = 0; i < d->n_sources; i++)
        cheap = cheap && d->sources[i].part.elements->cheap;
    return cheap;
}

/* As Keras takes arrays: some of the samples, in an order of each pass. Takes over s. */
static ib_status order_arrays(ib_stage **out, ib_stage *s, const ib_batching *how, const ib_entry *q) {
    if (s != NULL && how->shuffle == IB_SHUFFLE_ALL && s->count > UINT32_MAX) {
        ib__stage_free(s);
        return ib__entry_fail(q, NULL, "",
                              "expected fewer than 2^32 samples to shuffle; a pipeline can shuffle more");
    }
    if (how->shuffle == IB_SHUFFLE_ALL) s = ib__stage_order(s, &how->stream);
    if (how->shuffle == IB_SHUFFLE_BATCH) s = ib__stage_order_within(s, how->batch_size, &how->stream);
    *out = s;
    return s != NULL ? IB_OK : ib__fail_memory(q->err);
}

static ib_status build_arrays(ib_stage **out, building *b, const ib_batching *how, const ib_entry *q) {
    ib_stage *s = NULL;
    if (join_of(q->map) == N_JOINS) {
        const ib_source_part *part = &b->d->sources[0].part;
        s = ib__stage_elements(part->elements, part->first + how->first, how->count);
    } else {
        ib_status status = build_tree(&s, b, q);
        if (status != IB_OK) return status;
        s = ib__stage_take(ib__stage_skip(s, how->first), how->count);
    }
    return order_arrays(out, s, how, q);
}

ib_status ib__dataset_batches(ib_batches **out, const ib_dataset *d, const ib_batching *how, ib_error *err) {
    ib_stage *s = NULL;
    building b = {.d = d, .prefetch = -1, .kernels = how->kernels};
    if (b.kernels == NULL) b.kernels = ib__kernels_for(ib__isa_default());
    ib_entry q = entry_at(d, d->entry, d->place, err);
    ib_batching capped = *how;
    if (d->count < how->batch_size) capped.batch_size = (size_t)d->count;
    how = &capped;
    ib_status status = ib__dataset_piped(d) ? build_tree(&s, &b, &q) : build_arrays(&s, &b, how, &q);
    if (status != IB_OK) return status;
    if (s->samples == 0) s = ib__stage_batch(s, how->batch_size, false);
    bool cheap = is_cheap(d);
    size_t prefetch = b.prefetch >= 0 ? (size_t)b.prefetch : PREFETCH_DEFAULT;
    status = ib__batches_new(out, s, cheap ? 0 : prefetch, cheap ? 1 : how->threads, err);
    if (status == IB_OK) ib__batches_share(*out, how->pool);
    return status;
}
