/* SPDX-License-Identifier: Apache-2.0
 *
 * Comparing the data of two runs, source by source.
 */
#include "run/diff_data.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "run/say.h"

#define BLOCK 256 /* samples */

/* A field of both. */
typedef struct comparing {
    const ib_data_field *field;
    uint64_t different, first_sample;
    size_t first_at;
    double a, b; /* the first values that differ */
} comparing;

static void compare_block(comparing *c, const void *x, const void *y, uint64_t first, size_t n) {
    ib_tensor a = {c->field->dtype, c->field->shape, (void *)(uintptr_t)x}, b = a;
    b.data = (void *)(uintptr_t)y;
    size_t each = (size_t)ib__shape_elements(&a.shape);
    for (size_t i = 0; i < n * each; i++) {
        double u = ib__tensor_at(&a, i), v = ib__tensor_at(&b, i);
        if (u == v || c->different++ > 0) continue;
        c->first_sample = first + i / each;
        c->first_at = i % each;
        c->a = u;
        c->b = v;
    }
}

/* "x: row 39, column 20: 3 against 4; 1 of 12800 elements differ" */
static void say_difference(const comparing *c, const char *prefix, uint64_t total, bool table,
                           const ib_options *options) {
    char u[32], v[32];
    ib__double_print(u, c->a);
    ib__double_print(v, c->b);
    ib__say(options, "  %s%s: row %" PRIu64 ", ", prefix, c->field->name, c->first_sample);
    size_t rest = c->first_at;
    for (int d = 0; d < c->field->shape.rank; d++) {
        size_t below = 1;
        for (int k = d + 1; k < c->field->shape.rank; k++)
            below *= (size_t)c->field->shape.dims[k];
        ib__say(options, "%s%zu%s", d == 0 ? "column " : " ", rest / below,
                d + 1 == c->field->shape.rank ? "" : ",");
        rest %= below;
    }
    ib__say(options, "%s%s against %s; %" PRIu64 " of %" PRIu64 " elements differ%s\n",
            c->field->shape.rank > 0 ? ": " : "", u, v, c->different, total,
            table ? " (rows from 0, after the header)" : "");
}

static ib_status compare_fields(const ib_source_part *a, const ib_source_part *b, comparing *list,
                                ib_error *err) {
    size_t n = a->elements->n_fields;
    void *buffers[2 * IB_DATA_FIELDS_MAX] = {NULL};
    ib_status status = IB_OK;
    for (size_t i = 0; i < n; i++) {
        size_t bytes = ib__data_field_bytes(&a->elements->fields[i]);
        buffers[i] = ib__alloc(BLOCK, bytes);
        buffers[n + i] = ib__alloc(BLOCK, bytes);
        if (buffers[i] == NULL || buffers[n + i] == NULL) status = ib__fail_memory(err);
    }
    for (uint64_t at = 0; at < a->count && status == IB_OK; at += BLOCK) {
        size_t count = a->count - at < BLOCK ? (size_t)(a->count - at) : BLOCK;
        status = ib__elements_read(a->elements, a->first + at, count, buffers, err);
        if (status == IB_OK) status = ib__elements_read(b->elements, b->first + at, count, buffers + n, err);
        for (size_t i = 0; i < n && status == IB_OK; i++)
            compare_block(&list[i], buffers[i], buffers[n + i], at, count);
    }
    for (size_t i = 0; i < 2 * n; i++)
        ib__free(buffers[i]);
    return status;
}

static bool same_form(const ib_source_part *a, const ib_source_part *b) {
    const ib_elements *x = a->elements, *y = b->elements;
    bool same = a->count == b->count && x->n_fields == y->n_fields;
    for (size_t i = 0; same && i < x->n_fields; i++)
        same = strcmp(x->fields[i].name, y->fields[i].name) == 0 &&
               x->fields[i].dtype == y->fields[i].dtype &&
               ib__shape_equal(&x->fields[i].shape, &y->fields[i].shape);
    return same;
}

static void say_form(const ib_source_part *part, const char *prefix, const char *which,
                     const ib_options *options) {
    for (size_t i = 0; i < part->elements->n_fields; i++) {
        char shape[128];
        const ib_data_field *f = &part->elements->fields[i];
        ib__shape_print(shape, &f->shape);
        ib__say(options, "  %s%s %s: %" PRIu64 " of %s %s\n", prefix, f->name, which, part->count,
                ib__dtype_name(f->dtype), shape);
    }
}

/* Says the fields that differ; gives how many. */
static size_t compare_elements(const ib_dataset_source *a, const ib_dataset_source *b,
                               const ib_options *options) {
    ib_error err = {0};
    size_t differ = 0, n = a->part.elements->n_fields;
    comparing *list = calloc(n + 1, sizeof *list);
    for (size_t i = 0; list != NULL && i < n; i++)
        list[i].field = &a->part.elements->fields[i];
    if (list == NULL || compare_fields(&a->part, &b->part, list, &err) != IB_OK) {
        ib__say(options, "  cannot be compared: %s: %s\n", err.where, err.text);
        free(list);
        return 1;
    }
    const char *place = a->part.elements->n_files > 0 ? a->part.elements->files[0].place : "";
    for (size_t i = 0; i < n; i++) {
        if (list[i].different == 0) continue;
        differ++;
        uint64_t total = a->part.count * (uint64_t)ib__shape_elements(&list[i].field->shape);
        say_difference(&list[i], a->prefix, total, strncmp(place, "csv", 3) == 0, options);
    }
    free(list);
    return differ;
}

/* ---- The same samples in another order ---- */

#define ROWS_MAX 10000000

static bool digest_rows(ib_digest *out, const ib_source_part *part) {
    const ib_elements *e = part->elements;
    void *buffers[IB_DATA_FIELDS_MAX] = {NULL};
    bool good = true;
    for (size_t i = 0; i < e->n_fields; i++)
        good = (buffers[i] = ib__alloc(1, ib__data_field_bytes(&e->fields[i]))) != NULL && good;
    for (uint64_t at = 0; at < part->count && good; at++) {
        ib_digest fields[IB_DATA_FIELDS_MAX];
        good = ib__elements_read(e, part->first + at, 1, buffers, NULL) == IB_OK;
        for (size_t i = 0; i < e->n_fields && good; i++)
            fields[i] = ib__sha256(buffers[i], ib__data_field_bytes(&e->fields[i]));
        out[at] = ib__sha256(fields, e->n_fields * sizeof *fields);
    }
    for (size_t i = 0; i < e->n_fields; i++)
        ib__free(buffers[i]);
    return good;
}

static int by_bytes(const void *a, const void *b) {
    return memcmp(a, b, sizeof(ib_digest));
}

/* Then says so. */
static bool is_reordered(const ib_source_part *s, const ib_source_part *t, const char *field, ib_causes *c,
                         const ib_options *options) {
    size_t n = (size_t)s->count, moved = 0, first[2] = {0, 0};
    ib_digest *a = n < ROWS_MAX ? calloc(2 * n + 1, sizeof *a) : NULL;
    if (a == NULL) return false;
    ib_digest *b = a + n;
    bool same = digest_rows(a, s) && digest_rows(b, t);
    for (size_t i = 0; i < n && same; i++) {
        if (memcmp(&a[i], &b[i], sizeof *a) == 0) continue;
        if (moved < 2) first[moved] = i;
        moved++;
    }
    if (same) {
        qsort(a, n, sizeof *a, by_bytes);
        qsort(b, n, sizeof *b, by_bytes);
        same = moved > 0 && memcmp(a, b, n * sizeof *a) == 0;
    }
    free(a);
    if (!same) return false;
    char text[200];
    if (moved == 2)
        snprintf(text, sizeof text, "%.60s: rows %zu and %zu are swapped", field, first[0], first[1]);
    else
        snprintf(text, sizeof text, "%.60s: the same rows in another order, %zu of %zu are moved", field,
                 moved, n);
    ib__say(options, "  %s\n", text);
    ib__causes_add(c, "order of the data", text);
    return true;
}

/* Both are as they were recorded: what differs in them. */
static void compare_sources(const ib_dataset_source *a, const ib_dataset_source *b, const char *field,
                            ib_causes *c, const ib_options *options) {
    if (!same_form(&a->part, &b->part)) {
        say_form(&a->part, a->prefix, "here", options);
        say_form(&b->part, b->prefix, "there", options);
        ib__causes_add(c, "data", field);
        return;
    }
    if (is_reordered(&a->part, &b->part, field, c, options)) return;
    size_t differ = compare_elements(a, b, options);
    if (differ == 0) ib__say(options, "  no sample in use differs\n");
    ib__causes_add(c, differ > 0 ? "data" : "data that are not in use", field);
}

/* The files are as they were recorded? Then elements can be compared. */
static bool open_recorded(ib_dataset **out, const ib_record *r, const char *part, const ib_options *options) {
    ib_error err = {0};
    ib_experiment *e = NULL;
    const ib_data_file *file;
    char place[64], hex[65];
    snprintf(place, sizeof place, "data.%s", part);
    ib_status status = ib__record_experiment(&e, r, &err);
    if (status == IB_OK)
        status = ib__dataset_open(out, ib__experiment_data(e, part), e->name, place, e->folder,
                                  (uint64_t)e->seed, 0, &err);
    ib__experiment_free(e);
    if (status != IB_OK) {
        ib__say(options, "  cannot be compared: %s: %s\n", err.where, err.text);
        return false;
    }
    for (size_t i = 0; (file = ib__dataset_file(*out, i)) != NULL; i++) {
        char field[512];
        snprintf(field, sizeof field, "%s.%.400s", place, file->place);
        const char *hash = ib__record_input(r, field, NULL);
        ib__digest_hex(hex, &file->digest);
        if (hash != NULL && strcmp(hex, hash) == 0) continue;
        ib__say(options, "  cannot be compared: %s is not what %s was trained on any more\n", file->path,
                r->folder);
        return false;
    }
    return true;
}

/* The source that the file of this field belongs to, or NULL. */
static const ib_dataset_source *source_of(const ib_dataset *d, const char *field) {
    const ib_dataset_source *s;
    for (size_t i = 0; (s = ib__dataset_source(d, i)) != NULL; i++)
        for (size_t k = 0; k < s->part.elements->n_files; k++) {
            char name[512];
            snprintf(name, sizeof name, "%.60s.%.200s%.200s", ib__dataset_place(d), s->prefix,
                     s->part.elements->files[k].place);
            if (strcmp(name, field) == 0) return s;
        }
    return NULL;
}

/* field: "data.train.npz" */
static void diff_data(const ib_record *a, const ib_record *b, const char *field, ib_causes *c,
                      const ib_options *options) {
    ib_dataset *x = NULL, *y = NULL;
    char part[64];
    snprintf(part, sizeof part, "%.*s", (int)strcspn(field + 5, "."), field + 5);
    const ib_dataset_source *s = NULL, *t = NULL;
    if (open_recorded(&x, a, part, options) && open_recorded(&y, b, part, options)) {
        s = source_of(x, field);
        t = source_of(y, field);
    }
    if (s != NULL && t != NULL)
        compare_sources(s, t, field, c, options);
    else
        ib__causes_add(c, "data, the file is another", field);
    ib__dataset_free(x);
    ib__dataset_free(y);
}

void ib__causes_add(ib_causes *c, const char *kind, const char *what) {
    ib__buf_printf(&c->text, "%s%s%s%s", c->text.length > 0 ? "; " : "", kind, what[0] != '\0' ? ": " : "",
                   what);
}

size_t ib__diff_inputs(const ib_record *a, const ib_record *b, ib_causes *c, const ib_options *options) {
    const ib_value *inputs = ib__value_get(a->tree, "inputs");
    size_t count = 0;
    for (size_t i = 0; i < inputs->count; i++) {
        const ib_value *name = ib__value_get(inputs->items[i], "field");
        const char *pa = NULL, *pb = NULL;
        if (!ib__value_is(name, IB_STRING)) continue;
        const char *field = name->string;
        const char *x = ib__record_input(a, field, &pa), *y = ib__record_input(b, field, &pb);
        if (x == NULL || y == NULL || strcmp(x, y) == 0) continue;
        count++;
        ib__say(options, "input %s: %s against %s, other content\n", field, pa, pb);
        if (strncmp(field, "data.", 5) != 0)
            ib__causes_add(c, strcmp(field, "model.keras") == 0 ? "initial weights" : "model", field);
        else
            diff_data(a, b, field, c, options);
    }
    return count;
}
