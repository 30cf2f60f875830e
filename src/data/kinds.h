/* SPDX-License-Identifier: Apache-2.0
 *
 * Kinds of sources: one row in kinds.list, one opener.
 */
#ifndef IB_DATA_KINDS_H
#define IB_DATA_KINDS_H

#include "data/elements.h"
#include "data/entry.h"

typedef struct ib_source_kind {
    const char *key;           /* the field that tells the kind: "npz" */
    const char *const *fields; /* the fields that it knows, its key among them; NULL-terminated */
    /* Opens what the entry names, whose fields are known ones. *out: yours. */
    ib_status (*open)(ib_elements **out, const ib_entry *q);
} ib_source_kind;

#define X(name) extern const ib_source_kind ib__source_##name;
#include "data/kinds.list"
#undef X

/* ---- For kinds that give arrays by name ---- */

/* An array: its samples lie one behind the other in the blob, from `offset` on. shape: samples first. */
typedef struct ib_array {
    ib_dtype dtype;
    ib_shape shape;
    bool swap; /* the other byte order */
    ib_blob *blob;
    uint64_t offset;
} ib_array;

/* Arrays whose first dimensions agree, array i being picks->list[i], become elements; the blobs are taken
 * over. file: for errors. */
ib_status ib__arrays_to_elements(ib_elements **out, const ib_entry *q, ib_array *arrays,
                                 const ib_picks *picks, const char *file);
void ib__arrays_free(ib_array *arrays, size_t n);

/* {KEY: FILE, x: NAME, ...}: one file with arrays by name, of which `open` takes array i to be
 * picks->list[i]. */
typedef ib_status ib_picks_open(ib_array *arrays, const ib_entry *q, const char *path, const ib_picks *picks);
ib_status ib__picks_open(ib_elements **out, const ib_entry *q, const char *key, ib_picks_open *open);

/* {KEY: {x: FILE, y: FILE}}: a file an array, each opened by `open`, which also gives the file's digest. */
typedef ib_status ib_array_open(ib_array *out, const char *path, size_t memory, ib_digest *digest,
                                ib_error *err);
ib_status ib__arrays_open(ib_elements **out, const ib_entry *q, const char *key, ib_array_open *open);

#endif
