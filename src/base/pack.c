/* SPDX-License-Identifier: Apache-2.0
 *
 * Packing and unpacking.
 */
#include "base/pack.h"

#include <string.h>

/* Words are turned by the thousand, for weights may be many. */
#define BLOCK 1024

void ib__pack_u64(ib_buf *buf, uint64_t value) {
    unsigned char out[8];
    for (int i = 0; i < 8; i++)
        out[i] = (unsigned char)(value >> (8 * i));
    ib__buf_add(buf, out, sizeof out);
}

void ib__pack_double(ib_buf *buf, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    ib__pack_u64(buf, bits);
}

void ib__pack_bytes(ib_buf *buf, const void *bytes, size_t n) {
    ib__pack_u64(buf, n);
    ib__buf_add(buf, bytes, n);
}

/* With its NUL, so that the reader can point at it. */
void ib__pack_text(ib_buf *buf, const char *text) {
    ib__pack_bytes(buf, text, strlen(text) + 1);
}

void ib__pack_floats(ib_buf *buf, const float *values, size_t n) {
    unsigned char out[4 * BLOCK];
    for (size_t start = 0; start < n; start += BLOCK) {
        size_t count = n - start < BLOCK ? n - start : BLOCK;
        for (size_t i = 0; i < count; i++) {
            uint32_t bits;
            memcpy(&bits, &values[start + i], sizeof bits);
            for (int k = 0; k < 4; k++)
                out[4 * i + (size_t)k] = (unsigned char)(bits >> (8 * k));
        }
        ib__buf_add(buf, out, 4 * count);
    }
}

/* The next n bytes; NULL when they are not there. */
static const unsigned char *take(ib_unpack *u, size_t n) {
    if (u->failed || (size_t)(u->end - u->at) < n) {
        u->failed = true;
        return NULL;
    }
    const unsigned char *at = u->at;
    u->at += n;
    return at;
}

uint64_t ib__unpack_u64(ib_unpack *u) {
    const unsigned char *at = take(u, 8);
    uint64_t value = 0;
    for (int i = 0; at != NULL && i < 8; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

size_t ib__unpack_count(ib_unpack *u, size_t limit) {
    uint64_t value = ib__unpack_u64(u);
    if (value <= limit) return (size_t)value;
    u->failed = true;
    return 0;
}

double ib__unpack_double(ib_unpack *u) {
    uint64_t bits = ib__unpack_u64(u);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

const void *ib__unpack_bytes(ib_unpack *u, size_t *n) {
    uint64_t length = ib__unpack_u64(u);
    const void *at = length > SIZE_MAX ? NULL : take(u, (size_t)length);
    if (at == NULL) u->failed = true;
    *n = at == NULL ? 0 : (size_t)length;
    return at;
}

const char *ib__unpack_text(ib_unpack *u) {
    size_t n;
    const char *text = ib__unpack_bytes(u, &n);
    if (text != NULL && n > 0 && memchr(text, '\0', n) == text + n - 1) return text;
    u->failed = true;
    return "";
}

void ib__unpack_floats(ib_unpack *u, float *values, size_t n) {
    const unsigned char *at = n > SIZE_MAX / 4 ? NULL : take(u, 4 * n);
    if (at == NULL) u->failed = true;
    for (size_t i = 0; at != NULL && i < n; i++) {
        uint32_t bits = 0;
        for (int k = 0; k < 4; k++)
            bits |= (uint32_t)at[4 * i + (size_t)k] << (8 * k);
        memcpy(&values[i], &bits, sizeof bits);
    }
}

bool ib__unpack_done(const ib_unpack *u) {
    return !u->failed && u->at == u->end;
}
