/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a file once from its beginning to its end, hashing it on the way; gzip is taken off where it is
 * found.
 */
#ifndef IB_DATA_INTAKE_H
#define IB_DATA_INTAKE_H

#include <stdbool.h>

#include "base/sha256.h"

typedef struct ib_intake ib_intake;

/* *out: yours, release with ib__intake_close. */
ib_status ib__intake_open(ib_intake **out, const char *path, ib_error *err);
/* Up to `room` bytes; *n is 0 only at the end. A damaged gzip is an error that names the offset. */
ib_status ib__intake_read(ib_intake *in, void *out, size_t room, size_t *n, ib_error *err);
/* All of n bytes; what says what they are ("the header"), for the error when the file ends before. */
ib_status ib__intake_need(ib_intake *in, void *out, size_t n, const char *what, ib_error *err);
/* Where the next byte stands, decompressed. */
uint64_t ib__intake_at(const ib_intake *in);
bool ib__intake_is_gzip(const ib_intake *in);
/* Reads what is left and gives the digest of the file as it lies on the disk, which must be what it was when
 * it was opened. *rest: how many bytes were left, decompressed. */
ib_status ib__intake_end(ib_intake *in, ib_digest *digest, uint64_t *rest, ib_error *err);
void ib__intake_close(ib_intake *in); /* NULL is fine */

#endif
