/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbered elements: what every data source is to the rest. A source knows how many elements it has and what
 * one looks like, and reads any range of them, from any thread, with bounded memory.
 *
 * An element is a list of named fields. "x" or "x.NAME" goes to the model's input, "y" or "y.NAME" to an
 * output as its target, "sample_weight" or "sample_weight.NAME" weighs the loss of an output.
 */
#ifndef IB_DATA_ELEMENTS_H
#define IB_DATA_ELEMENTS_H

#include "data/blob.h"
#include "numerics/tensor.h"

#define IB_DATA_FIELDS_MAX 64

/* shape: of one element. */
typedef struct ib_data_field {
    char *name;
    ib_dtype dtype;
    ib_shape shape;
} ib_data_field;

/* A file that elements come from. place: what names it within the entry ("npz", "tfrecord[2]"). */
typedef struct ib_data_file {
    char *place, *path;
    ib_digest digest;
} ib_data_file;

typedef struct ib_elements ib_elements;

typedef struct ib_elements_class {
    size_t size; /* bytes of the whole struct, ib_elements first */
    /* Puts elements [first, first + n), which are there, one behind the other into out[field]. Called from
     * several threads at once. */
    ib_status (*read)(const ib_elements *e, uint64_t first, size_t n, void *const *out, ib_error *err);
    void (*free)(ib_elements *e); /* what is the class's own; may be NULL */
    /* Asks for element i, which is read soon and lies in memory somewhere; NULL: it would not help. */
    void (*ahead)(const ib_elements *e, uint64_t i);
    /* Which of the files element i comes from, and its number there; NULL: see ib__elements_file. */
    const ib_data_file *(*file)(const ib_elements *e, uint64_t i, const char *field, uint64_t *row);
} ib_elements_class;

struct ib_elements {
    const ib_elements_class *class;
    ib_data_field *fields;
    size_t n_fields;
    uint64_t count;
    bool cheap; /* reading is a copy from memory */
    ib_data_file *files;
    size_t n_files;
};

/* Zeroed memory of the class's size. NULL: no memory. */
ib_elements *ib__elements_new(const ib_elements_class *class);
void ib__elements_free(ib_elements *e); /* NULL is fine */

/* Adds a field or a file (name, place and path are copied). false: no memory. Elements hold the table of
 * texts for each field of type IB_TEXT. */
bool ib__elements_add_field(ib_elements *e, const char *name, ib_dtype dtype, const ib_shape *shape);
bool ib__elements_add_file(ib_elements *e, const char *place, const char *path, const ib_digest *digest);

/* A copy with a name of its own; n > 0: with a first dimension more, of n. false: no memory. */
bool ib__data_field_copy(ib_data_field *out, const ib_data_field *field, size_t n);
/* Bytes of the field in one element. */
size_t ib__data_field_bytes(const ib_data_field *field);
/* The number of the field, or SIZE_MAX. */
size_t ib__data_field_find(const ib_data_field *fields, size_t n, const char *name);

/* For errors: the file that a field of element i comes from (by default the one that is the field's own, as
 * "idx.y", else the first), or NULL; *row: its number there, from 0. */
const ib_data_file *ib__elements_file(const ib_elements *e, uint64_t i, const char *field, uint64_t *row);

ib_status ib__elements_read(const ib_elements *e, uint64_t first, size_t n, void *const *out, ib_error *err);
/* Element i will be read soon: brings it into the cache if that can be done meanwhile. */
void ib__elements_ahead(const ib_elements *e, uint64_t i);

/* ---- Elements that lie one behind the other, a blob a field: most sources end here ---- */

/* How the bytes of a field lie in its blob. offset: where element 0 begins; swap: the other byte order.
 * Booleans may be any byte: all but 0 are true. */
typedef struct ib_column {
    const char *name;
    ib_dtype dtype;
    ib_shape shape; /* of one element */
    ib_blob *blob;
    uint64_t offset;
    bool swap;
} ib_column;

/* count elements; the blobs, which are that long, are taken over, also on failure. */
ib_status ib__elements_from_columns(ib_elements **out, const ib_column *columns, size_t n, uint64_t count,
                                    ib_error *err);

/* Arrays in memory: array i becomes field names[i]; its first dimension counts elements, the same in all. The
 * arrays are taken over: the tensors are cleared. */
ib_status ib__elements_from_arrays(ib_elements **out, ib_tensor *arrays, const char *const *names, size_t n,
                                   ib_error *err);

/* Arrays in memory that stay their owner's and outlive the elements; the first dimension counts elements. */
ib_status ib__elements_borrow(ib_elements **out, const ib_tensor *arrays, const char *const *names, size_t n,
                              ib_error *err);

#endif
