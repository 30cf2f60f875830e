/* SPDX-License-Identifier: Apache-2.0
 *
 * Data entries of an experiment: the kind is found, the source opened, its rows chosen and checked.
 */
#include "data/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "data/audit.h"
#include "data/kinds.h"
#include "data/split.h"

static const ib_source_kind *const kinds[] = {
#define X(name) &ib__source_##name,
#include "data/kinds.list"
#undef X
};
#define N_KINDS (sizeof kinds / sizeof *kinds)
#define FIELDS_MAX 64
#define MEMORY_MAX ((size_t)4 << 30)

/* The bytes that a container may have, as these files say; `most` where they do not. */
static uint64_t container_memory(uint64_t most) {
    static const char *const paths[] = {"/sys/fs/cgroup/memory.max",
                                        "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        uint64_t bytes;
        FILE *file = fopen(paths[i], "re");
        if (file != NULL && fscanf(file, "%" SCNu64, &bytes) == 1 && bytes < most) most = bytes;
        if (file != NULL) fclose(file);
    }
    return most;
}

size_t ib__source_memory(void) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : MEMORY_MAX;
    struct rlimit space;
    if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur < bytes) bytes = space.rlim_cur;
    bytes = container_memory(bytes) / 4;
    return bytes < MEMORY_MAX ? (size_t)bytes : MEMORY_MAX;
}

/* ---- Kinds ---- */

static size_t count_fields(const ib_source_kind *kind) {
    size_t n = 0;
    while (kind->fields[n] != NULL)
        n++;
    return n;
}

/* Says which kinds there are; a misspelt field is named first. */
static ib_status fail_kind(const ib_entry *q, const char *const *more, size_t n_more) {
    const char *all[FIELDS_MAX];
    size_t n = 0;
    ib_buf text = {0};
    for (size_t i = 0; i < N_KINDS; i++) {
        ib__buf_printf(&text, "%s%s", i == 0 ? "" : i + 1 < N_KINDS ? ", " : " or ", kinds[i]->key);
        for (size_t k = 0; kinds[i]->fields[k] != NULL && n < FIELDS_MAX; k++)
            all[n++] = kinds[i]->fields[k];
    }
    ib_status status = text.failed ? ib__fail_memory(q->err) : ib__entry_check(q, all, n, more, n_more);
    if (status == IB_OK) status = ib__entry_fail(q, NULL, "", "expected one of the fields %s", text.data);
    ib__buf_free(&text);
    return status;
}

static ib_status find_kind(const ib_source_kind **out, const ib_entry *q, const char *const *more,
                           size_t n_more) {
    *out = NULL;
    for (size_t i = 0; i < N_KINDS; i++) {
        if (ib__value_get(q->map, kinds[i]->key) == NULL) continue;
        if (*out != NULL)
            return ib__entry_fail(q, NULL, "", "expected %s or %s, found both", (*out)->key, kinds[i]->key);
        *out = kinds[i];
    }
    if (*out == NULL) return fail_kind(q, more, n_more);
    return ib__entry_check(q, (*out)->fields, count_fields(*out), more, n_more);
}

/* ---- Rows ---- */

/* first: N or rows: [A, B]. */
static ib_status choose_rows(ib_source_part *part, const ib_entry *q) {
    const ib_value *first = ib__value_get(q->map, "first"), *rows = ib__value_get(q->map, "rows");
    uint64_t samples = part->elements->count;
    if (first != NULL && rows != NULL)
        return ib__entry_fail(q, rows, "rows", "stands beside first: give one");
    part->first = 0;
    part->count = samples;
    if (first != NULL) {
        if (first->kind != IB_INT || first->integer < 1 || (uint64_t)first->integer > samples)
            return ib__entry_fail(q, first, "first",
                                  "expected how many samples to take; there are %" PRIu64 " samples",
                                  samples);
        part->count = (uint64_t)first->integer;
    }
    if (rows != NULL) {
        const ib_value *a = ib__value_at(rows, 0), *b = ib__value_at(rows, 1);
        if (!ib__value_is(a, IB_INT) || !ib__value_is(b, IB_INT) || rows->count != 2 || a->integer < 0 ||
            b->integer <= a->integer || (uint64_t)b->integer > samples)
            return ib__entry_fail(q, rows, "rows",
                                  "expected [A, B], from A to before B; there are %" PRIu64 " samples",
                                  samples);
        part->first = (uint64_t)a->integer;
        part->count = (uint64_t)(b->integer - a->integer);
    }
    return IB_OK;
}

ib_status ib__source_open(ib_source_part *out, const ib_entry *q, const char *const *more, size_t n_more) {
    const char *known[FIELDS_MAX] = {"first", "rows", "split"};
    size_t n = 3;
    const ib_source_kind *kind;
    if (!ib__value_is(q->map, IB_MAP))
        return ib__entry_fail(q, q->map, "", "expected a map such as {npz: FILE, x: NAME, y: NAME}, found %s",
                              q->map != NULL ? ib__kind_name(q->map->kind) : "nothing");
    for (size_t i = 0; i < n_more && n < FIELDS_MAX; i++)
        known[n++] = more[i];
    ib_source_part part = {0};
    ib_status status = find_kind(&kind, q, known, n);
    if (status == IB_OK) status = kind->open(&part.elements, q);
    if (status == IB_OK && part.elements == NULL) status = ib__fail_memory(q->err);
    if (status == IB_OK) status = choose_rows(&part, q);
    if (status == IB_OK) status = ib__source_split(&part, q);
    if (status == IB_OK)
        *out = part;
    else
        ib__elements_free(part.elements);
    return status;
}

/* ---- Finite numbers ---- */

/* The index of a number as "[3, 1]": the sample's, then its place in the sample. */
static void print_index(ib_buf *out, const ib_shape *shape, uint64_t sample, size_t at) {
    size_t index[IB_RANK_MAX];
    for (int i = shape->rank - 1; i >= 0; i--) {
        index[i] = at % (size_t)shape->dims[i];
        at /= (size_t)shape->dims[i];
    }
    ib__buf_printf(out, "[%" PRIu64, sample);
    for (int i = 0; i < shape->rank; i++)
        ib__buf_printf(out, ", %zu", index[i]);
    ib__buf_text(out, "]");
}

static ib_status fail_not_finite(const ib_source_part *part, const ib_entry *q, const ib_data_field *field,
                                 uint64_t sample, size_t at, double found) {
    ib_buf text = {0};
    char value[32];
    ib__double_print(value, found);
    print_index(&text, &field->shape, sample, at);
    ib_status status =
        text.failed
            ? ib__fail_memory(q->err)
            : ib__entry_fail(q, ib__value_get(q->map, field->name), field->name,
                             "expected finite numbers: %s%s of %.200s is %s", field->name, text.data,
                             part->elements->n_files > 0 ? part->elements->files[0].path : "the source",
                             value);
    ib__buf_free(&text);
    return status;
}

ib_status ib__source_check_finite(const ib_source_part *part, const ib_field_audit *audit,
                                  const ib_entry *q) {
    size_t field = SIZE_MAX, at;
    uint64_t sample, bad = audit == NULL;
    double value;
    for (size_t i = 0; audit != NULL && i < part->elements->n_fields; i++)
        bad += audit[i].nans + audit[i].infinities;
    if (bad == 0) return IB_OK;
    ib_status status = ib__source_find_not_finite(part, &field, &sample, &at, &value, q->err);
    if (status != IB_OK || field == SIZE_MAX) return status;
    return fail_not_finite(part, q, &part->elements->fields[field], sample, at, value);
}
