/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers and texts in bytes and back: little-endian, whatever the machine. For our own binary files.
 */
#ifndef IB_BASE_PACK_H
#define IB_BASE_PACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

void ib__pack_u64(ib_buf *buf, uint64_t value);
void ib__pack_double(ib_buf *buf, double value);
void ib__pack_text(ib_buf *buf, const char *text);
void ib__pack_bytes(ib_buf *buf, const void *bytes, size_t n); /* the number first */
void ib__pack_floats(ib_buf *buf, const float *values, size_t n);

/* Reading never goes past the end: from the first thing that is not there on, everything is 0, "" or NULL and
 * failed is set, so that a reader may check once. */
typedef struct ib_unpack {
    const unsigned char *at, *end;
    bool failed;
} ib_unpack;
uint64_t ib__unpack_u64(ib_unpack *u);
/* A number up to limit; more is a failure. */
size_t ib__unpack_count(ib_unpack *u, size_t limit);
double ib__unpack_double(ib_unpack *u);
/* Points into the packed bytes; valid as long as they are. */
const char *ib__unpack_text(ib_unpack *u);
const void *ib__unpack_bytes(ib_unpack *u, size_t *n);
void ib__unpack_floats(ib_unpack *u, float *values, size_t n);
/* All was read and nothing is left. */
bool ib__unpack_done(const ib_unpack *u);

#endif
