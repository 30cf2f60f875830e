/* SPDX-License-Identifier: Apache-2.0
 *
 * Elements: fields and files of any source; sources that hold arrays in memory.
 */
#include "data/elements.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

ib_elements *ib__elements_new(const ib_elements_class *class) {
    ib_elements *e = calloc(1, class->size);
    if (e != NULL) e->class = class;
    return e;
}

void ib__elements_free(ib_elements *e) {
    if (e == NULL) return;
    if (e->class->free != NULL) e->class->free(e);
    for (size_t i = 0; i < e->n_fields; i++)
        free(e->fields[i].name);
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

size_t ib__data_field_bytes(const ib_data_field *field) {
    return (size_t)ib__shape_elements(&field->shape) * ib__dtype_size(field->dtype);
}

size_t ib__data_field_find(const ib_data_field *fields, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].name, name) == 0) return i;
    return SIZE_MAX;
}

ib_status ib__elements_read(const ib_elements *e, uint64_t first, size_t n, void *const *out, ib_error *err) {
    if (first > e->count || n > e->count - first)
        return ib__fail(err, IB_INTERNAL, "data", "expected elements below %" PRIu64 ", found %" PRIu64 "",
                        e->count, first + n);
    return n == 0 ? IB_OK : e->class->read(e, first, n, out, err);
}

/* ---- Arrays in memory ---- */

typedef struct arrays {
    ib_elements base;
    ib_tensor *tensors; /* one a field */
} arrays;

static ib_status arrays_read(const ib_elements *e, uint64_t first, size_t n, void *const *out,
                             ib_error *err) {
    const arrays *a = (const arrays *)e;
    (void)err;
    for (size_t i = 0; i < e->n_fields; i++) {
        size_t bytes = ib__data_field_bytes(&e->fields[i]);
        if (bytes > 0) memcpy(out[i], (const char *)a->tensors[i].data + first * bytes, n * bytes);
    }
    return IB_OK;
}

static void arrays_free(ib_elements *e) {
    arrays *a = (arrays *)e;
    for (size_t i = 0; a->tensors != NULL && i < e->n_fields; i++)
        ib__tensor_free(&a->tensors[i]);
    free(a->tensors);
}

static const ib_elements_class arrays_class = {sizeof(arrays), arrays_read, arrays_free};

static ib_shape without_first(const ib_shape *shape) {
    ib_shape inner = {.rank = shape->rank - 1};
    for (int i = 0; i < inner.rank; i++)
        inner.dims[i] = shape->dims[i + 1];
    return inner;
}

ib_status ib__elements_from_arrays(ib_elements **out, ib_tensor *tensors, const char *const *names, size_t n,
                                   ib_error *err) {
    ib_elements *e = ib__elements_new(&arrays_class);
    arrays *a = (arrays *)e;
    ib_status status = e == NULL ? ib__fail_memory(err) : IB_OK;
    if (status == IB_OK && (a->tensors = calloc(n + 1, sizeof *tensors)) == NULL)
        status = ib__fail_memory(err);
    for (size_t i = 0; status == IB_OK && i < n; i++) {
        const ib_shape *shape = &tensors[i].shape;
        if (shape->rank == 0 || shape->dims[0] != tensors[0].shape.dims[0]) {
            char text[128];
            ib__shape_print(text, shape);
            status = ib__fail(err, IB_BAD_INPUT, names[i], "expected %lld samples, found the shape %s",
                              (long long)(tensors[0].shape.rank > 0 ? tensors[0].shape.dims[0] : 1), text);
            break;
        }
        ib_shape inner = without_first(shape);
        if (!ib__elements_add_field(e, names[i], tensors[i].dtype, &inner)) {
            status = ib__fail_memory(err);
            break;
        }
        e->count = (uint64_t)shape->dims[0];
    }
    if (status != IB_OK) {
        ib__elements_free(e);
        return status;
    }
    for (size_t i = 0; i < n; i++) {
        a->tensors[i] = tensors[i];
        tensors[i] = (ib_tensor){0};
    }
    e->cheap = true;
    *out = e;
    return IB_OK;
}
