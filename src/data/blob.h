/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes that can be read anywhere, with bounded memory: a part of a file, or what was made while a source was
 * opened (decompressed, parsed), which lies in memory up to a limit and beyond it in a temporary file without
 * a name.
 *
 * Files are read by calls and not mapped: a mapped file that shrinks ends the process.
 */
#ifndef IB_DATA_BLOB_H
#define IB_DATA_BLOB_H

#include "base/error.h"

typedef struct ib_blob ib_blob;

#define IB_BLOB_REST UINT64_MAX

/* Bytes [offset, offset + length) of a file (length IB_BLOB_REST: up to its end); they are put into memory if
 * they fit in `memory`. Else the file may not change later: that is an error of a reading. *out: yours,
 * release with ib__blob_free. */
ib_status ib__blob_of_file(ib_blob **out, const char *path, uint64_t offset, uint64_t length, size_t memory,
                           ib_error *err);

/* Memory that is taken over unless it fails; it was made by ib__alloc or malloc. */
ib_status ib__blob_of_memory(ib_blob **out, const char *name, void *bytes, size_t n, ib_error *err);

/* An empty one to add to. name: for errors, copied. memory: how many bytes may lie in memory. */
ib_status ib__blob_new(ib_blob **out, const char *name, size_t memory, ib_error *err);
ib_status ib__blob_add(ib_blob *b, const void *bytes, size_t n, ib_error *err);

uint64_t ib__blob_length(const ib_blob *b);
/* All bytes, if they lie in memory; else NULL. */
const void *ib__blob_memory(const ib_blob *b);
/* From any thread, once nothing is added any more. */
ib_status ib__blob_read(const ib_blob *b, uint64_t at, void *out, size_t n, ib_error *err);
void ib__blob_free(ib_blob *b); /* NULL is fine */

#endif
