/* SPDX-License-Identifier: Apache-2.0
 *
 * Event files. The messages are few and small, so they are written by hand; numbers of fields are those of
 * tensorflow/core/util/event.proto, framework/summary.proto and framework/tensor.proto.
 */
#include "run/events.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/crc32c.h"
#include "base/pack.h"

#define BUCKETS 30
#define FLUSH_BYTES ((size_t)1 << 16)

struct ib_events {
    ib_growing *file;
    ib_buf waiting;
};

/* ---- Protocol buffers ---- */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };
enum { DT_FLOAT = 1, DT_DOUBLE = 2, DT_STRING = 7 };
enum { CLASS_SCALAR = 1, CLASS_TENSOR = 2 };

static void put_varint(ib_buf *out, uint64_t value) {
    do {
        unsigned char byte = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        ib__buf_add(out, &byte, 1);
        value >>= 7;
    } while (value != 0);
}

static void put_number(ib_buf *out, unsigned field, uint64_t value) {
    put_varint(out, field << 3 | VARINT);
    put_varint(out, value);
}

static void put_double(ib_buf *out, unsigned field, double value) {
    put_varint(out, field << 3 | FIXED64);
    ib__pack_double(out, value);
}

static void put_bytes(ib_buf *out, unsigned field, const void *bytes, size_t n) {
    put_varint(out, field << 3 | BYTES);
    put_varint(out, n);
    ib__buf_add(out, bytes, n);
}

/* Puts a message into another, and releases it. */
static void put_message(ib_buf *out, unsigned field, ib_buf *inner) {
    if (inner->failed) out->failed = true;
    put_bytes(out, field, inner->data, inner->length);
    ib__buf_free(inner);
}

/* ---- Records ---- */

static void put_word(ib_buf *out, uint32_t word) {
    unsigned char bytes[4];
    for (int i = 0; i < 4; i++)
        bytes[i] = (unsigned char)(word >> (8 * i));
    ib__buf_add(out, bytes, sizeof bytes);
}

static ib_status flush(ib_events *e, ib_error *err) {
    if (e->waiting.failed) return ib__fail_memory(err);
    ib_status status = ib__growing_add(e->file, e->waiting.data, e->waiting.length, err);
    e->waiting.length = 0;
    return status;
}

static ib_status put_record(ib_events *e, ib_buf *event, ib_error *err) {
    ib_buf length = {0};
    ib__pack_u64(&length, event->length);
    if (length.failed || event->failed) {
        e->waiting.failed = true;
    } else {
        ib__buf_add(&e->waiting, length.data, length.length);
        put_word(&e->waiting, ib__crc32c_masked(length.data, length.length));
        ib__buf_add(&e->waiting, event->data, event->length);
        put_word(&e->waiting, ib__crc32c_masked(event->data, event->length));
    }
    ib__buf_free(&length);
    ib__buf_free(event);
    return e->waiting.failed || e->waiting.length >= FLUSH_BYTES ? flush(e, err) : IB_OK;
}

static void put_time(ib_buf *event) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    put_double(event, 1, (double)t.tv_sec + 1e-9 * (double)t.tv_nsec);
}

/* An event with one value: a tensor, and who shows it. */
static ib_status put_value(ib_events *e, const char *tag, int64_t step, const char *plugin,
                           const char *content, unsigned class, ib_buf *tensor, ib_error *err) {
    ib_buf event = {0}, summary = {0}, value = {0}, metadata = {0}, data = {0};
    put_bytes(&data, 1, plugin, strlen(plugin));
    put_bytes(&data, 2, content, strlen(content));
    put_message(&metadata, 1, &data);
    if (class != 0) put_number(&metadata, 4, class);
    put_bytes(&value, 1, tag, strlen(tag));
    put_message(&value, 9, &metadata);
    put_message(&value, 8, tensor);
    put_message(&summary, 1, &value);
    put_time(&event);
    put_number(&event, 2, (uint64_t)step);
    put_message(&event, 5, &summary);
    return put_record(e, &event, err);
}

ib_status ib__events_open(ib_events **out, const char *path, uint64_t length, ib_error *err) {
    static const char version[] = "brain.Event:2";
    ib_events *e = calloc(1, sizeof *e);
    if (e == NULL) return ib__fail_memory(err);
    ib_status status = ib__growing_open(&e->file, path, length, err);
    if (status == IB_OK && length == 0) {
        ib_buf event = {0};
        put_time(&event);
        put_bytes(&event, 3, version, sizeof version - 1);
        status = put_record(e, &event, err);
    }
    if (status == IB_OK)
        *out = e;
    else
        ib__events_close(e);
    return status;
}

void ib__events_close(ib_events *e) {
    if (e == NULL) return;
    ib__growing_close(e->file);
    ib__buf_free(&e->waiting);
    free(e);
}

ib_status ib__events_sync(ib_events *e, uint64_t *length, ib_error *err) {
    ib_status status = flush(e, err);
    *length = ib__growing_length(e->file);
    return status == IB_OK ? ib__growing_sync(e->file, err) : status;
}

/* ---- Values ---- */

ib_status ib__events_scalar(ib_events *e, const char *tag, int64_t step, double value, ib_error *err) {
    ib_buf tensor = {0}, shape = {0};
    float rounded = (float)value;
    uint32_t bits;
    memcpy(&bits, &rounded, sizeof bits);
    put_number(&tensor, 1, DT_FLOAT);
    put_message(&tensor, 2, &shape);
    put_varint(&tensor, 5 << 3 | FIXED32);
    put_word(&tensor, bits);
    return put_value(e, tag, step, "scalars", "", CLASS_SCALAR, &tensor, err);
}

static void put_dimension(ib_buf *shape, uint64_t size) {
    ib_buf dimension = {0};
    put_number(&dimension, 1, size);
    put_message(shape, 2, &dimension);
}

/* Rows (left edge, right edge, count). A single value gets one bucket of width 1 around it. */
static size_t make_buckets(double rows[BUCKETS][3], const float *values, size_t n) {
    double low = 0, high = 0;
    size_t finite = 0;
    for (size_t i = 0; i < n; i++) {
        double v = (double)values[i];
        if (v - v != 0) continue;
        low = finite == 0 || v < low ? v : low;
        high = finite == 0 || v > high ? v : high;
        finite++;
    }
    if (finite == 0) return 0;
    size_t count = high > low ? BUCKETS : 1;
    double width = high > low ? (high - low) / BUCKETS : 1, start = high > low ? low : low - 0.5;
    for (size_t b = 0; b < count; b++) {
        rows[b][0] = start + (double)b * width;
        rows[b][1] = b + 1 == count && high > low ? high : start + (double)(b + 1) * width;
        rows[b][2] = 0;
    }
    for (size_t i = 0; i < n; i++) {
        double v = (double)values[i];
        if (v - v != 0) continue;
        size_t b = (size_t)((v - start) / width);
        rows[b < count ? b : count - 1][2] += 1;
    }
    return count;
}

ib_status ib__events_histogram(ib_events *e, const char *tag, int64_t step, const float *values, size_t n,
                               ib_error *err) {
    double rows[BUCKETS][3];
    size_t count = make_buckets(rows, values, n);
    ib_buf tensor = {0}, shape = {0}, content = {0};
    for (size_t b = 0; b < count; b++)
        for (int k = 0; k < 3; k++)
            ib__pack_double(&content, rows[b][k]);
    put_number(&tensor, 1, DT_DOUBLE);
    put_dimension(&shape, count);
    put_dimension(&shape, 3);
    put_message(&tensor, 2, &shape);
    put_message(&tensor, 4, &content);
    return put_value(e, tag, step, "histograms", "", CLASS_TENSOR, &tensor, err);
}

ib_status ib__events_model(ib_events *e, const char *json, ib_error *err) {
    ib_buf tensor = {0}, shape = {0};
    put_number(&tensor, 1, DT_STRING);
    put_message(&tensor, 2, &shape);
    put_bytes(&tensor, 8, json, strlen(json));
    return put_value(e, "keras", 0, "graph_keras_model", "1", 0, &tensor, err);
}
