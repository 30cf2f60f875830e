/* SPDX-License-Identifier: Apache-2.0
 *
 * Sources that give arrays by name: from arrays to elements, and files that hold one array each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/kinds.h"

/* Refuses arrays with different numbers of samples, and those without any. */
static ib_status check_samples(const ib_entry *q, const char *file, const ib_array *arrays,
                               const ib_picks *picks) {
    const char *first = picks->list[0].field;
    char a[128], b[128];
    for (size_t i = 0; i < picks->n; i++) {
        const char *name = picks->list[i].field;
        const ib_shape *shape = &arrays[i].shape;
        if (shape->rank == 0)
            return ib__entry_fail(q, NULL, "", "expected arrays of samples, found a single number in %s",
                                  file);
        ib__shape_print(a, &arrays[0].shape);
        ib__shape_print(b, shape);
        if (shape->dims[0] != arrays[0].shape.dims[0])
            return ib__entry_fail(q, NULL, "",
                                  "expected as many samples in %s as in %s, found %s %s and %s %s", first,
                                  name, first, a, name, b);
        if (ib__shape_elements(shape) == 0)
            return ib__entry_fail(q, NULL, "", "there is no data: %s has the shape %s", name, b);
    }
    return IB_OK;
}

ib_status ib__arrays_to_elements(ib_elements **out, const ib_entry *q, ib_array *arrays,
                                 const ib_picks *picks, const char *file) {
    ib_status status = check_samples(q, file, arrays, picks);
    if (status != IB_OK) return status;
    ib_column *columns = calloc(picks->n, sizeof *columns);
    if (columns == NULL) return ib__fail_memory(q->err);
    for (size_t i = 0; i < picks->n; i++) {
        ib_array *a = &arrays[i];
        columns[i] = (ib_column){
            picks->list[i].field, a->dtype, {.rank = a->shape.rank - 1}, a->blob, a->offset, a->swap};
        memcpy(columns[i].shape.dims, a->shape.dims + 1, (size_t)columns[i].shape.rank * sizeof(int64_t));
        a->blob = NULL;
    }
    status = ib__elements_from_columns(out, columns, picks->n, (uint64_t)arrays[0].shape.dims[0], q->err);
    free(columns);
    return status;
}

void ib__arrays_free(ib_array *arrays, size_t n) {
    for (size_t i = 0; arrays != NULL && i < n; i++)
        ib__blob_free(arrays[i].blob);
    free(arrays);
}

/* ---- One file ---- */

static ib_status open_hashed(ib_elements **out, const ib_entry *q, const char *key, const char *path,
                             const ib_picks *picks, ib_picks_open *open) {
    ib_digest digest;
    ib_array *arrays = calloc(picks->n, sizeof *arrays);
    ib_status status = arrays == NULL ? ib__fail_memory(q->err) : open(arrays, q, path, picks);
    if (status == IB_OK) status = ib__arrays_to_elements(out, q, arrays, picks, path);
    if (status == IB_OK) status = ib__sha256_file(&digest, path, q->err);
    if (status == IB_OK && !ib__elements_add_file(*out, key, path, &digest)) status = ib__fail_memory(q->err);
    ib__arrays_free(arrays, picks->n);
    return status;
}

ib_status ib__picks_open(ib_elements **out, const ib_entry *q, const char *key, ib_picks_open *open) {
    const char *file;
    char *path = NULL;
    ib_picks picks = {0};
    ib_elements *e = NULL;
    ib_status status = ib__entry_text(q, key, true, &file);
    if (status == IB_OK && (path = ib__entry_path(q, file)) == NULL) status = ib__fail_memory(q->err);
    if (status == IB_OK) status = ib__picks_read(&picks, q);
    if (status == IB_OK) status = open_hashed(&e, q, key, path, &picks, open);
    if (status == IB_OK)
        *out = e;
    else
        ib__elements_free(e);
    ib__picks_free(&picks);
    free(path);
    return status;
}

/* ---- A file an array ---- */

typedef struct array_file {
    char *path;
    ib_digest digest;
} array_file;

static ib_status open_all(ib_elements **out, const ib_entry *q, const char *key, ib_array_open *open,
                          const ib_picks *picks, ib_array *arrays, array_file *files) {
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < picks->n; i++) {
        files[i].path = ib__entry_path(q, picks->list[i].source);
        if (files[i].path == NULL) return ib__fail_memory(q->err);
        status = open(&arrays[i], files[i].path, q->memory, &files[i].digest, q->err);
    }
    if (status == IB_OK) status = ib__arrays_to_elements(out, q, arrays, picks, "the files");
    for (size_t i = 0; status == IB_OK && i < picks->n; i++) {
        char place[320];
        snprintf(place, sizeof place, "%s.%s", key, picks->list[i].field);
        if (!ib__elements_add_file(*out, place, files[i].path, &files[i].digest))
            status = ib__fail_memory(q->err);
    }
    return status;
}

ib_status ib__arrays_open(ib_elements **out, const ib_entry *q, const char *key, ib_array_open *open) {
    static const char *const roles[] = {"x", "y", "sample_weight"};
    ib_picks picks = {0};
    ib_elements *e = NULL;
    ib_array *arrays = NULL;
    array_file *files = NULL;
    ib_entry within = *q;
    within.map = ib__value_get(q->map, key);
    if (within.map->kind != IB_MAP)
        return ib__entry_fail(q, within.map, key, "expected {x: FILE, y: FILE}, found %s",
                              ib__kind_name(within.map->kind));
    ib_status status = ib__entry_check(&within, roles, 3, NULL, 0);
    if (status == IB_OK) status = ib__picks_read(&picks, &within);
    if (status == IB_OK) {
        arrays = calloc(picks.n, sizeof *arrays);
        files = calloc(picks.n, sizeof *files);
        status = arrays == NULL || files == NULL ? ib__fail_memory(q->err)
                                                 : open_all(&e, q, key, open, &picks, arrays, files);
    }
    if (status == IB_OK)
        *out = e;
    else
        ib__elements_free(e);
    for (size_t i = 0; files != NULL && i < picks.n; i++)
        free(files[i].path);
    free(files);
    ib__arrays_free(arrays, picks.n);
    ib__picks_free(&picks);
    return status;
}
