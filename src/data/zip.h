/* SPDX-License-Identifier: Apache-2.0
 *
 * Zip archives: members of archives from strangers, read into memory only (nothing is ever extracted to
 * disk), and archives whose bytes are the same everywhere.
 */
#ifndef IB_DATA_ZIP_H
#define IB_DATA_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

typedef struct ib_zip ib_zip;

/* Opens the archive and checks its directory and local headers. Refused, with the member named: encrypted
 * members, methods other than stored and deflate, absolute names, "..", backslashes, drive letters, control
 * characters, names that stand twice, links and devices, sizes that no deflate stream can have (more than
 * 1100 : 1) or, compressed, above 2 GiB. *out: yours, release with ib__zip_close. */
ib_status ib__zip_open(ib_zip **out, const char *path, ib_error *err);
void ib__zip_close(ib_zip *zip); /* NULL is fine */

/* Members in the order of the archive. Names live as long as zip. */
size_t ib__zip_count(const ib_zip *zip);
const char *ib__zip_name(const ib_zip *zip, size_t index);
uint64_t ib__zip_size(const ib_zip *zip, size_t index);
bool ib__zip_find(const ib_zip *zip, const char *name, size_t *index);

/* Appends the whole member to buf (data NUL-terminated) after checking its size and CRC; on failure buf's
 * content is undefined. More than limit bytes (0: 2 GiB) is an error. The error's where is "FILE, NAME"; for
 * a name that is not there the text lists those that are. */
ib_status ib__zip_read(ib_zip *zip, const char *name, size_t limit, ib_buf *buf, ib_error *err);

/* The same member by pieces, to a function that may stop it with an error. */
typedef ib_status ib_zip_sink(void *context, const void *bytes, size_t n, ib_error *err);
ib_status ib__zip_each(ib_zip *zip, size_t index, ib_zip_sink *sink, void *context, ib_error *err);

/* Where in the file the bytes of a stored member begin; *stored is false for a compressed one. */
ib_status ib__zip_locate(const ib_zip *zip, size_t index, bool *stored, uint64_t *offset, ib_error *err);

typedef struct ib_zip_member {
    const char *name; /* relative, with '/', UTF-8 */
    const void *bytes;
    size_t length;
} ib_zip_member;

/* Members stored in the given order, dated 1980-01-01, mode 0644, no extra fields: the bytes depend on the
 * members alone. At most 65535 members and 4 GiB in all. pack appends to buf; write makes the file
 * atomically. */
ib_status ib__zip_pack(ib_buf *buf, const ib_zip_member *members, size_t n, ib_error *err);
ib_status ib__zip_write(const char *path, const ib_zip_member *members, size_t n, ib_error *err);

#endif
