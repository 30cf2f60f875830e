/* SPDX-License-Identifier: Apache-2.0
 *
 * Splits of a source.
 */
#include "data/split.h"

#include <string.h>

#include "base/mem.h"
#include "numerics/random.h"

/* Elements of another source in another order, some of them perhaps not at all. */
typedef struct chosen {
    ib_elements e;
    ib_elements *from;
    uint64_t start; /* row r is element start + r */
    uint32_t *rows;
} chosen;

/* Rows that follow each other are read together. */
static ib_status chosen_read(const ib_elements *e, uint64_t first, size_t n, void *const *out,
                             ib_error *err) {
    const chosen *c = (const chosen *)e;
    const uint32_t *rows = c->rows + first;
    for (size_t i = 0, run; i < n; i += run) {
        void *at[IB_DATA_FIELDS_MAX];
        run = 1;
        while (i + run < n && rows[i + run] == rows[i] + run)
            run++;
        for (size_t k = 0; k < e->n_fields; k++)
            at[k] = (char *)out[k] + i * ib__data_field_bytes(&e->fields[k]);
        ib_status status = ib__elements_read(c->from, c->start + rows[i], run, at, err);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

static void chosen_ahead(const ib_elements *e, uint64_t i) {
    const chosen *c = (const chosen *)e;
    ib__elements_ahead(c->from, c->start + c->rows[i]);
}

static void chosen_free(ib_elements *e) {
    chosen *c = (chosen *)e;
    ib__elements_free(c->from);
    ib__free(c->rows);
}

static const ib_data_file *chosen_file(const ib_elements *e, uint64_t i, const char *field, uint64_t *row) {
    const chosen *c = (const chosen *)e;
    return ib__elements_file(c->from, c->start + c->rows[i], field, row);
}

static const ib_elements_class chosen_class = {.size = sizeof(chosen),
                                               .read = chosen_read,
                                               .ahead = chosen_ahead,
                                               .free = chosen_free,
                                               .file = chosen_file};

/* Takes the rows over, also on failure. */
static ib_status choose(ib_source_part *part, uint32_t *rows, size_t count, ib_error *err) {
    ib_elements *from = part->elements, *e = ib__elements_new(&chosen_class);
    bool good = e != NULL;
    for (size_t i = 0; good && i < from->n_fields; i++)
        good = ib__elements_add_field(e, from->fields[i].name, from->fields[i].dtype, &from->fields[i].shape);
    for (size_t i = 0; good && i < from->n_files; i++)
        good = ib__elements_add_file(e, from->files[i].place, from->files[i].path, &from->files[i].digest);
    if (!good) {
        ib__elements_free(e);
        ib__free(rows);
        return ib__fail_memory(err);
    }
    chosen *c = (chosen *)e;
    e->count = count;
    e->cheap = from->cheap;
    c->from = from;
    c->start = part->first;
    c->rows = rows;
    *part = (ib_source_part){e, 0, count};
    return IB_OK;
}

/* "data.train" and what stands in it. */
static bool is_training(const char *place) {
    static const char train[] = "data.train";
    size_t n = sizeof train - 1;
    return strncmp(place, train, n) == 0 && (place[n] == '\0' || place[n] == '.' || place[n] == '[');
}

static ib_status apply(ib_source_part *part, const ib_entry *q, const ib_value *entry) {
    ib_split split;
    ib_error err = {0};
    size_t train = 0, test = 0, n = (size_t)part->count;
    if (part->count >= (uint64_t)1 << 31)
        return ib__entry_fail(q, entry, "split", "expected fewer than 2^31 samples to split");
    uint32_t *order = ib__alloc(n + 1, sizeof *order), *rows = NULL;
    if (!order) return ib__fail_memory(q->err);
    ib_status status = ib__split_read(&split, entry, (int64_t)q->seed, "", &err);
    if (status == IB_OK) status = ib__split_rows(&split, n, order, &train, &test, "", &err);
    bool training = split.part == IB_SPLIT_UNSAID ? is_training(q->place) : split.part == IB_SPLIT_TRAIN;
    size_t count = training ? train : test;
    if (status == IB_OK && !(rows = ib__alloc(count + 1, sizeof *rows))) status = ib__fail_memory(&err);
    if (status == IB_OK) {
        memcpy(rows, training ? order : order + train, count * sizeof *rows);
        status = choose(part, rows, count, &err);
    }
    ib__free(order);
    if (status == IB_BAD_INPUT) return ib__entry_fail(q, entry, "split", "%s", err.text);
    if (status != IB_OK) ib__error_set(q->err, status, q->place, "%s", err.text);
    return status;
}

ib_status ib__source_split(ib_source_part *part, const ib_entry *q) {
    const ib_value *split = ib__value_get(q->map, "split");
    if (split == NULL) return IB_OK;
    if (split->kind != IB_LIST) return apply(part, q, split);
    for (size_t i = 0; i < split->count; i++) {
        ib_status status = apply(part, q, split->items[i]);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}
