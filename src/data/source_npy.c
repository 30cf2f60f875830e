/* SPDX-License-Identifier: Apache-2.0
 *
 * Sources of NumPy arrays:
 *
 *   {npz: FILE, x: NAME, y: NAME}       arrays of an archive
 *   {npy: {x: FILE, y: FILE}}           a file an array
 *
 * An array that fits into memory is put there as it is unpacked; one that does not is read where it lies, or,
 * if it is compressed, from a temporary file. One in Fortran's order is put in order in memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/kinds.h"
#include "data/npz.h"

static ib_status from_tensor(ib_array *a, ib_tensor *t, const char *name, ib_error *err) {
    size_t bytes = (size_t)ib__shape_elements(&t->shape) * ib__dtype_size(t->dtype);
    *a = (ib_array){.dtype = t->dtype, .shape = t->shape};
    ib_status status = ib__blob_of_memory(&a->blob, name, t->data, bytes, err);
    if (status == IB_OK) t->data = NULL;
    ib__tensor_free(t);
    return status;
}

static ib_array from_layout(const ib_npy_layout *l) {
    return (ib_array){.dtype = l->dtype, .shape = l->shape, .swap = l->swap};
}

static ib_status check_length(const ib_npy_layout *l, uint64_t length, const char *name, ib_error *err) {
    char text[128];
    int64_t elements = ib__shape_elements(&l->shape);
    if (elements >= 0 && (uint64_t)elements * ib__dtype_size(l->dtype) == length) return IB_OK;
    ib__shape_print(text, &l->shape);
    return ib__fail(err, IB_BAD_INPUT, name, "expected the data of %s %s, found %llu bytes",
                    ib__dtype_name(l->dtype), text, (unsigned long long)length);
}

/* ---- Members of an archive ---- */

/* Collects the header, and, if `blob` is wanted, what follows it. */
typedef struct member_sink {
    ib_buf head;
    ib_npy_layout layout;
    const char *name;
    bool known, keep;
    size_t memory;
    ib_blob *blob;
} member_sink;

static ib_status take_head(member_sink *m, ib_error *err) {
    ib_status status = ib__npy_layout(&m->layout, m->head.data, m->head.length, m->name, err);
    m->known = status == IB_OK;
    if (status != IB_OK || !m->keep) return status;
    size_t header = m->layout.header;
    status = ib__blob_new(&m->blob, m->name, m->memory, err);
    return status == IB_OK ? ib__blob_add(m->blob, m->head.data + header, m->head.length - header, err)
                           : status;
}

static ib_status add_piece(void *context, const void *bytes, size_t n, ib_error *err) {
    member_sink *m = context;
    if (m->known) return m->keep ? ib__blob_add(m->blob, bytes, n, err) : IB_OK;
    if (!ib__buf_add(&m->head, bytes, n)) return ib__fail_memory(err);
    return m->head.length >= IB_NPY_HEADER_MAX ? take_head(m, err) : IB_OK;
}

/* What is read where it lies, or as it comes out of an archive. Fortran's order is put in order first, and in
 * memory so is the other byte order. */
static bool is_plain(const ib_npy_layout *l, bool fits) {
    return !l->fortran && !(fits && l->swap);
}

/* The member is read once in any case, so that its CRC is checked. What does not fit into memory stays in the
 * archive if it is stored there, and else goes to a temporary file. *plain: false: not taken. */
static ib_status take_member(ib_array *a, ib_zip *zip, size_t index, const char *path, const char *name,
                             size_t memory, bool *plain, ib_error *err) {
    uint64_t offset = 0;
    bool fits = ib__zip_size(zip, index) <= memory, stored = false;
    member_sink m = {.name = name, .memory = memory};
    ib_status status = fits ? IB_OK : ib__zip_locate(zip, index, &stored, &offset, err);
    m.keep = !stored;
    if (status == IB_OK) status = ib__zip_each(zip, index, add_piece, &m, err);
    if (status == IB_OK && !m.known) status = take_head(&m, err);
    ib__buf_free(&m.head);
    uint64_t length = ib__zip_size(zip, index) - m.layout.header;
    if (status == IB_OK) status = check_length(&m.layout, length, name, err);
    *a = from_layout(&m.layout);
    *plain = is_plain(&m.layout, fits);
    if (status == IB_OK && stored)
        status = ib__blob_of_file(&m.blob, path, offset + m.layout.header, length, memory, err);
    if (status == IB_OK && *plain)
        a->blob = m.blob;
    else
        ib__blob_free(m.blob);
    return status;
}

static ib_status open_member(ib_array *a, ib_zip *zip, const char *path, const ib_pick *pick, size_t memory,
                             ib_error *err) {
    ib_buf member = {0}, name = {0};
    ib_tensor t = {0};
    size_t index;
    bool plain = false;
    ib__buf_printf(&member, "%s.npy", pick->source);
    ib__buf_printf(&name, "%s, %s", path, pick->source);
    ib_status status = member.failed || name.failed ? ib__fail_memory(err) : IB_OK;
    if (status == IB_OK && ib__zip_find(zip, member.data, &index))
        status = take_member(a, zip, index, path, name.data, memory, &plain, err);
    if (status == IB_OK && !plain) {
        status = ib__npz_array(&t, zip, path, pick->source, err);
        if (status == IB_OK) status = from_tensor(a, &t, name.data, err);
    }
    ib__buf_free(&member);
    ib__buf_free(&name);
    return status;
}

static ib_status npz_open_picks(ib_array *arrays, const ib_entry *q, const char *path,
                                const ib_picks *picks) {
    ib_zip *zip = NULL;
    ib_status status = ib__zip_open(&zip, path, q->err);
    for (size_t i = 0; status == IB_OK && i < picks->n; i++)
        status = open_member(&arrays[i], zip, path, &picks->list[i], q->memory, q->err);
    ib__zip_close(zip);
    return status;
}

static ib_status npz_open(ib_elements **out, const ib_entry *q) {
    return ib__picks_open(out, q, "npz", npz_open_picks);
}

/* ---- Files ---- */

static ib_status read_head(ib_npy_layout *layout, uint64_t *length, const char *path, ib_error *err) {
    ib_blob *file = NULL;
    char *head = malloc(IB_NPY_HEADER_MAX);
    ib_status status =
        head == NULL ? ib__fail_memory(err) : ib__blob_of_file(&file, path, 0, IB_BLOB_REST, 0, err);
    if (status == IB_OK) {
        *length = ib__blob_length(file);
        size_t n = *length < IB_NPY_HEADER_MAX ? (size_t)*length : IB_NPY_HEADER_MAX;
        status = ib__blob_read(file, 0, head, n, err);
        if (status == IB_OK) status = ib__npy_layout(layout, head, n, path, err);
    }
    ib__blob_free(file);
    free(head);
    return status;
}

static ib_status open_file(ib_array *a, const char *path, size_t memory, ib_digest *digest, ib_error *err) {
    uint64_t length = 0;
    ib_npy_layout layout;
    ib_status status = read_head(&layout, &length, path, err);
    if (status != IB_OK) return status;
    if (is_plain(&layout, length <= memory)) {
        *a = from_layout(&layout);
        status = check_length(&layout, length - layout.header, path, err);
        if (status == IB_OK)
            status = ib__blob_of_file(&a->blob, path, layout.header, length - layout.header, memory, err);
    } else {
        ib_tensor t = {0};
        status = ib__npy_read(&t, path, err);
        if (status == IB_OK) status = from_tensor(a, &t, path, err);
    }
    return status == IB_OK ? ib__sha256_file(digest, path, err) : status;
}

static ib_status npy_open(ib_elements **out, const ib_entry *q) {
    return ib__arrays_open(out, q, "npy", open_file);
}

static const char *const npz_fields[] = {"npz", "x", "y", "sample_weight", NULL};
static const char *const npy_fields[] = {"npy", NULL};
const ib_source_kind ib__source_npz = {"npz", npz_fields, npz_open};
const ib_source_kind ib__source_npy = {"npy", npy_fields, npy_open};
