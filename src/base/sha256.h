/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256, by libcrypto.
 */
#ifndef IB_BASE_SHA256_H
#define IB_BASE_SHA256_H

#include "base/error.h"

typedef struct ib_digest {
    uint8_t bytes[32];
} ib_digest;
typedef struct ib_sha256 ib_sha256;

ib_sha256 *ib__sha256_new(void); /* NULL: no memory */
void ib__sha256_add(ib_sha256 *state, const void *bytes, size_t n);
void ib__sha256_u64(ib_sha256 *state, uint64_t value);    /* little-endian */
void ib__sha256_text(ib_sha256 *state, const char *text); /* with its NUL */
ib_digest ib__sha256_end(ib_sha256 *state);               /* releases state */
ib_digest ib__sha256(const void *bytes, size_t n);
ib_status ib__sha256_file(ib_digest *out, const char *path, ib_error *err);
void ib__digest_hex(char out[65], const ib_digest *digest);
int ib__digest_parse(ib_digest *out, const char *hex); /* 1: good, 0: not 64 hex digits */

#endif
