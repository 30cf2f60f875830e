/* SPDX-License-Identifier: Apache-2.0
 *
 * Elements: fields and files of any source; sources that hold arrays in memory.
 */
#include "data/elements.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "numerics/texts.h"

enum { AHEAD_BYTES = 1024 };

ib_elements *ib__elements_new(const ib_elements_class *class) {
    ib_elements *e = calloc(1, class->size);
    if (e != NULL) e->class = class;
    return e;
}

void ib__elements_free(ib_elements *e) {
    if (e == NULL) return;
    if (e->class->free != NULL) e->class->free(e);
    for (size_t i = 0; i < e->n_fields; i++) {
        if (e->fields[i].dtype == IB_TEXT) ib__texts_release();
        free(e->fields[i].name);
    }
    for (size_t i = 0; i < e->n_files; i++) {
        free(e->files[i].place);
        free(e->files[i].path);
    }
    free(e->fields);
    free(e->files);
    free(e);
}

bool ib__elements_add_field(ib_elements *e, const char *name, ib_dtype dtype, const ib_shape *shape) {
    ib_data_field *grown = realloc(e->fields, (e->n_fields + 1) * sizeof *grown);
    if (grown == NULL) return false;
    e->fields = grown;
    grown[e->n_fields] = (ib_data_field){strdup(name), dtype, *shape};
    if (dtype == IB_TEXT) ib__texts_hold();
    return grown[e->n_fields++].name != NULL;
}

bool ib__elements_add_file(ib_elements *e, const char *place, const char *path, const ib_digest *digest) {
    ib_data_file *grown = realloc(e->files, (e->n_files + 1) * sizeof *grown);
    if (grown == NULL) return false;
    e->files = grown;
    grown[e->n_files] = (ib_data_file){strdup(place), strdup(path), *digest};
    e->n_files++;
    return grown[e->n_files - 1].place != NULL && grown[e->n_files - 1].path != NULL;
}

bool ib__data_field_copy(ib_data_field *out, const ib_data_field *field, size_t n) {
    *out = (ib_data_field){strdup(field->name), field->dtype, field->shape};
    if (n > 0) {
        out->shape.rank++;
        out->shape.dims[0] = (int64_t)n;
        memcpy(out->shape.dims + 1, field->shape.dims, (size_t)field->shape.rank * sizeof(int64_t));
    }
    return out->name != NULL;
}

size_t ib__data_field_bytes(const ib_data_field *field) {
    return (size_t)ib__shape_elements(&field->shape) * ib__dtype_size(field->dtype);
}

size_t ib__data_field_find(const ib_data_field *fields, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].name, name) == 0) return i;
    return SIZE_MAX;
}

const ib_data_file *ib__elements_file(const ib_elements *e, uint64_t i, const char *field, uint64_t *row) {
    if (e->class->file != NULL) return e->class->file(e, i, field, row);
    size_t length = strlen(field);
    *row = i;
    for (size_t k = 0; k < e->n_files; k++) {
        const char *place = e->files[k].place;
        size_t n = strlen(place);
        if (n > length && place[n - length - 1] == '.' && strcmp(place + n - length, field) == 0)
            return &e->files[k];
    }
    return e->n_files > 0 ? &e->files[0] : NULL;
}

ib_status ib__elements_read(const ib_elements *e, uint64_t first, size_t n, void *const *out, ib_error *err) {
    if (first > e->count || n > e->count - first)
        return ib__fail(err, IB_INTERNAL, "data", "expected elements below %" PRIu64 ", found %" PRIu64 "",
                        e->count, first + n);
    return n == 0 ? IB_OK : e->class->read(e, first, n, out, err);
}

void ib__elements_ahead(const ib_elements *e, uint64_t i) {
    if (e->class->ahead != NULL && i < e->count) e->class->ahead(e, i);
}

/* What follows the first lines of a long element comes by itself. */
static void ask_for(const unsigned char *bytes, size_t n) {
    for (size_t at = 0; at < n && at < AHEAD_BYTES; at += 64)
        __builtin_prefetch(bytes + at);
}

/* ---- Columns ---- */

typedef struct column {
    ib_blob *blob;
    uint64_t offset;
    bool swap;
} column;

typedef struct columns {
    ib_elements base;
    column *list; /* one a field */
} columns;

static void swap_bytes(unsigned char *bytes, size_t n, size_t size) {
    for (size_t i = 0; i < n; i += size) {
        for (size_t k = 0; k < size / 2; k++) {
            unsigned char byte = bytes[i + k];
            bytes[i + k] = bytes[i + size - 1 - k];
            bytes[i + size - 1 - k] = byte;
        }
    }
}

/* All bytes but 0 are true. */
static void make_booleans(unsigned char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++)
        bytes[i] = bytes[i] != 0;
}

static ib_status columns_read(const ib_elements *e, uint64_t first, size_t n, void *const *out,
                              ib_error *err) {
    const columns *c = (const columns *)e;
    ib_status status = IB_OK;
    for (size_t i = 0; i < e->n_fields && status == IB_OK; i++) {
        const column *from = &c->list[i];
        size_t bytes = ib__data_field_bytes(&e->fields[i]), size = ib__dtype_size(e->fields[i].dtype);
        unsigned char *to = out[i];
        status = ib__blob_read(from->blob, from->offset + first * bytes, to, n * bytes, err);
        if (status != IB_OK) break;
        if (from->swap) swap_bytes(to, n * bytes, size);
        if (e->fields[i].dtype == IB_BOOL8) make_booleans(to, n * bytes);
    }
    return status;
}

static void columns_ahead(const ib_elements *e, uint64_t i) {
    const columns *c = (const columns *)e;
    for (size_t k = 0; k < e->n_fields; k++) {
        const unsigned char *memory = ib__blob_memory(c->list[k].blob);
        size_t bytes = ib__data_field_bytes(&e->fields[k]);
        if (memory != NULL) ask_for(memory + c->list[k].offset + i * bytes, bytes);
    }
}

static void columns_free(ib_elements *e) {
    columns *c = (columns *)e;
    for (size_t i = 0; c->list != NULL && i < e->n_fields; i++)
        ib__blob_free(c->list[i].blob);
    free(c->list);
}

static const ib_elements_class columns_class = {
    .size = sizeof(columns), .read = columns_read, .ahead = columns_ahead, .free = columns_free};

ib_status ib__elements_from_columns(ib_elements **out, const ib_column *from, size_t n, uint64_t count,
                                    ib_error *err) {
    ib_elements *e = ib__elements_new(&columns_class);
    columns *c = (columns *)e;
    bool good = e != NULL && (c->list = calloc(n + 1, sizeof *c->list)) != NULL;
    size_t taken = 0;
    if (good) e->cheap = true;
    for (; good && taken < n; taken++) {
        const ib_column *f = &from[taken];
        good = ib__elements_add_field(e, f->name, f->dtype, &f->shape);
        if (!good) break;
        c->list[taken] = (column){f->blob, f->offset, f->swap};
        e->cheap = e->cheap && ib__blob_memory(f->blob) != NULL;
    }
    if (good) {
        e->count = count;
        *out = e;
        return IB_OK;
    }
    ib__elements_free(e);
    for (size_t i = taken; i < n; i++)
        ib__blob_free(from[i].blob);
    return ib__fail_memory(err);
}

/* ---- Arrays in memory ---- */

static ib_shape without_first(const ib_shape *shape) {
    ib_shape inner = {.rank = shape->rank - 1};
    for (int i = 0; i < inner.rank; i++)
        inner.dims[i] = shape->dims[i + 1];
    return inner;
}

static ib_status check_samples(const ib_tensor *tensors, const char *const *names, size_t n, ib_error *err) {
    for (size_t i = 0; i < n; i++) {
        const ib_shape *shape = &tensors[i].shape;
        if (shape->rank > 0 && shape->dims[0] == tensors[0].shape.dims[0]) continue;
        char text[128];
        ib__shape_print(text, shape);
        return ib__fail(err, IB_BAD_INPUT, names[i], "expected %lld samples, found the shape %s",
                        (long long)(tensors[0].shape.rank > 0 ? tensors[0].shape.dims[0] : 1), text);
    }
    return IB_OK;
}

ib_status ib__elements_from_arrays(ib_elements **out, ib_tensor *tensors, const char *const *names, size_t n,
                                   ib_error *err) {
    ib_status status = check_samples(tensors, names, n, err);
    if (status != IB_OK) return status;
    ib_column *list = calloc(n + 1, sizeof *list);
    size_t made = 0;
    if (list == NULL) status = ib__fail_memory(err);
    for (; status == IB_OK && made < n; made++) {
        ib_tensor *t = &tensors[made];
        size_t bytes = (size_t)ib__shape_elements(&t->shape) * ib__dtype_size(t->dtype);
        list[made] = (ib_column){names[made], t->dtype, without_first(&t->shape), NULL, 0, false};
        status = ib__blob_of_memory(&list[made].blob, names[made], t->data, bytes, err);
        if (status != IB_OK) break;
        t->data = NULL;
    }
    uint64_t count = n > 0 ? (uint64_t)tensors[0].shape.dims[0] : 0;
    if (status == IB_OK)
        status = ib__elements_from_columns(out, list, n, count, err);
    else
        for (size_t i = 0; i < made; i++)
            ib__blob_free(list[i].blob);
    for (size_t i = 0; i < made; i++)
        ib__tensor_free(&tensors[i]);
    free(list);
    return status;
}

/* ---- Borrowed arrays ---- */

typedef struct borrowed {
    ib_elements base;
    const unsigned char **data;
} borrowed;

static ib_status read_borrowed(const ib_elements *e, uint64_t first, size_t n, void *const *out,
                               ib_error *err) {
    const borrowed *b = (const borrowed *)e;
    (void)err;
    for (size_t i = 0; i < e->n_fields; i++) {
        size_t bytes = ib__data_field_bytes(&e->fields[i]);
        memcpy(out[i], b->data[i] + first * bytes, n * bytes);
        if (e->fields[i].dtype == IB_BOOL8) make_booleans(out[i], n * bytes);
    }
    return IB_OK;
}

static void ahead_borrowed(const ib_elements *e, uint64_t i) {
    for (size_t k = 0; k < e->n_fields; k++) {
        size_t bytes = ib__data_field_bytes(&e->fields[k]);
        ask_for(((const borrowed *)e)->data[k] + i * bytes, bytes);
    }
}

static void free_borrowed(ib_elements *e) {
    free(((borrowed *)e)->data);
}

static const ib_elements_class borrowed_class = {
    .size = sizeof(borrowed), .read = read_borrowed, .ahead = ahead_borrowed, .free = free_borrowed};

ib_status ib__elements_borrow(ib_elements **out, const ib_tensor *arrays, const char *const *names, size_t n,
                              ib_error *err) {
    ib_elements *e = ib__elements_new(&borrowed_class);
    borrowed *b = (borrowed *)e;
    bool good = e != NULL && (b->data = calloc(n + 1, sizeof *b->data)) != NULL;
    for (size_t i = 0; good && i < n; i++) {
        ib_shape shape = {.rank = arrays[i].shape.rank - 1};
        memcpy(shape.dims, arrays[i].shape.dims + 1, (size_t)shape.rank * sizeof *shape.dims);
        b->data[i] = arrays[i].data;
        good = ib__elements_add_field(e, names[i], arrays[i].dtype, &shape);
    }
    if (!good) {
        ib__elements_free(e);
        return ib__fail_memory(err);
    }
    e->count = (uint64_t)arrays[0].shape.dims[0];
    e->cheap = true;
    *out = e;
    return IB_OK;
}
