/* SPDX-License-Identifier: Apache-2.0
 *
 * TFRecord: length (8 bytes, little-endian), masked CRC of the length, data, masked CRC of the data.
 */
#include "data/records.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "data/intake.h"

#define HEAD 12
#define FOOT 4
#define PIECE ((size_t)1 << 20)
#define RECORD_MAX ((uint64_t)1 << 30)
/* Where each record begins is kept for up to so many; then for every second, every fourth one ... */
#define PLACES_MAX ((size_t)1 << 20)

struct ib_records {
    char *path;
    ib_blob *blob;
    uint64_t count;
    uint64_t *places; /* of records 0, stride, 2 stride ... */
    size_t n_places, capacity;
    uint64_t stride;
};

static uint64_t number(const unsigned char *at, size_t n) {
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static ib_status fail_record(const ib_records *r, uint64_t i, uint64_t at, ib_error *err, const char *text) {
    char where[256];
    snprintf(where, sizeof where, "%.180s, record %" PRIu64 " at offset %" PRIu64 "", r->path, i, at);
    return ib__fail(err, IB_BAD_INPUT, where, "%s", text);
}

static ib_status check_head(const ib_records *r, const unsigned char head[HEAD], uint64_t i, uint64_t at,
                            uint64_t *length, ib_error *err) {
    *length = number(head, 8);
    if (ib__crc32c_masked(head, 8) != number(head + 8, 4))
        return fail_record(r, i, at, err, "expected a TFRecord: the CRC of the length does not hold");
    if (*length > RECORD_MAX) return fail_record(r, i, at, err, "expected at most 1 GiB, found more");
    return IB_OK;
}

static ib_status add_place(ib_records *r, uint64_t at, ib_error *err) {
    if (r->count % r->stride == 0) {
        if (r->n_places == PLACES_MAX) {
            r->stride *= 2;
            r->n_places /= 2;
            for (size_t i = 0; i < r->n_places; i++)
                r->places[i] = r->places[2 * i];
        }
        if (r->count % r->stride == 0) {
            if (!ib__grow(&r->places, &r->capacity, r->n_places + 1, sizeof *r->places))
                return ib__fail_memory(err);
            r->places[r->n_places++] = at;
        }
    }
    r->count++;
    return IB_OK;
}

/* ---- The first reading ---- */

typedef struct scan {
    ib_intake *in;
    ib_buf record;
    ib_blob *keep; /* NULL: the file itself will do */
} scan;

/* A record's data, by pieces: what the head says is believed as far as data are there. */
static ib_status take_data(scan *s, size_t n, ib_error *err) {
    size_t done = 0;
    while (done < n) {
        size_t piece = n - done < PIECE ? n - done : PIECE;
        if (!ib__grow(&s->record.data, &s->record.capacity, done + piece, 1)) return ib__fail_memory(err);
        ib_status status = ib__intake_need(s->in, s->record.data + done, piece, "the data of a record", err);
        if (status != IB_OK) return status;
        done += piece;
    }
    return IB_OK;
}

/* The next record, checked; *more is false at the end of the file. */
static ib_status scan_record(ib_records *r, scan *s, bool *more, ib_error *err) {
    unsigned char head[HEAD];
    uint64_t at = ib__intake_at(s->in), length;
    size_t got = 0;
    ib_status status = ib__intake_read(s->in, head, 1, &got, err);
    *more = got > 0;
    if (status != IB_OK || !*more) return status;
    status = ib__intake_need(s->in, head + 1, HEAD - 1, "the rest of a record's head", err);
    if (status == IB_OK) status = check_head(r, head, r->count, at, &length, err);
    if (status != IB_OK) return status;
    status = take_data(s, (size_t)length + FOOT, err);
    if (status != IB_OK) return status;
    const unsigned char *foot = (const unsigned char *)s->record.data + length;
    if (ib__crc32c_masked(s->record.data, (size_t)length) != number(foot, FOOT))
        return fail_record(r, r->count, at, err, "the CRC of the data does not hold");
    if (s->keep != NULL) status = ib__blob_add(s->keep, head, HEAD, err);
    if (s->keep != NULL && status == IB_OK)
        status = ib__blob_add(s->keep, s->record.data, (size_t)length + FOOT, err);
    return status == IB_OK ? add_place(r, at, err) : status;
}

static ib_status scan_file(ib_records *r, size_t memory, ib_digest *digest, ib_error *err) {
    scan s = {0};
    bool more = true;
    uint64_t rest;
    ib_status status = ib__intake_open(&s.in, r->path, err);
    if (status == IB_OK && ib__intake_is_gzip(s.in)) status = ib__blob_new(&s.keep, r->path, memory, err);
    while (status == IB_OK && more)
        status = scan_record(r, &s, &more, err);
    if (status == IB_OK) status = ib__intake_end(s.in, digest, &rest, err);
    if (status == IB_OK && s.keep == NULL)
        status = ib__blob_of_file(&r->blob, r->path, 0, IB_BLOB_REST, memory, err);
    else if (status == IB_OK)
        r->blob = s.keep;
    else
        ib__blob_free(s.keep);
    ib__intake_close(s.in);
    ib__buf_free(&s.record);
    return status;
}

ib_status ib__records_open(ib_records **out, const char *path, size_t memory, ib_digest *digest,
                           ib_error *err) {
    ib_records *r = calloc(1, sizeof *r);
    if (r == NULL) return ib__fail_memory(err);
    r->stride = 1;
    r->path = strdup(path);
    ib_status status = r->path == NULL ? ib__fail_memory(err) : scan_file(r, memory, digest, err);
    if (status == IB_OK)
        *out = r;
    else
        ib__records_free(r);
    return status;
}

void ib__records_free(ib_records *r) {
    if (r == NULL) return;
    ib__blob_free(r->blob);
    free(r->places);
    free(r->path);
    free(r);
}

uint64_t ib__records_count(const ib_records *r) {
    return r->count;
}

bool ib__records_in_memory(const ib_records *r) {
    return ib__blob_memory(r->blob) != NULL;
}

/* ---- Reading one ---- */

ib_status ib__records_read(const ib_records *r, uint64_t i, ib_buf *buf, ib_error *err) {
    unsigned char head[HEAD];
    uint64_t number_at = i / r->stride * r->stride, at = r->places[i / r->stride], length = 0;
    ib_status status = IB_OK;
    for (;; number_at++, at += HEAD + length + FOOT) {
        status = ib__blob_read(r->blob, at, head, HEAD, err);
        if (status == IB_OK) status = check_head(r, head, number_at, at, &length, err);
        if (status != IB_OK || number_at == i) break;
    }
    if (status != IB_OK) return status;
    buf->length = 0;
    if (!ib__grow(&buf->data, &buf->capacity, (size_t)length + FOOT, 1)) return ib__fail_memory(err);
    status = ib__blob_read(r->blob, at + HEAD, buf->data, (size_t)length + FOOT, err);
    if (status != IB_OK) return status;
    buf->length = (size_t)length;
    if (ib__records_in_memory(r) ||
        ib__crc32c_masked(buf->data, buf->length) == number((const unsigned char *)buf->data + length, FOOT))
        return IB_OK;
    return fail_record(r, i, at, err, "the CRC of the data does not hold");
}
