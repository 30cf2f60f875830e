/* SPDX-License-Identifier: Apache-2.0
 *
 * TFRecord files: records of any length, each behind its length, each with CRC-32C of both.
 */
#ifndef IB_DATA_RECORDS_H
#define IB_DATA_RECORDS_H

#include "base/buf.h"
#include "base/sha256.h"
#include "data/blob.h"

typedef struct ib_records ib_records;

/* Reads the whole file once, checks every CRC and finds where the records begin. A gzipped file is unpacked.
 * memory: bytes that may be kept. *out: yours, release with ib__records_free. */
ib_status ib__records_open(ib_records **out, const char *path, size_t memory, ib_digest *digest,
                           ib_error *err);
void ib__records_free(ib_records *r); /* NULL is fine */

uint64_t ib__records_count(const ib_records *r);
bool ib__records_in_memory(const ib_records *r);
/* Record number i into buf (its old content goes); any thread. Its CRC is checked again unless it lies in
 * memory. */
ib_status ib__records_read(const ib_records *r, uint64_t i, ib_buf *buf, ib_error *err);

#endif
