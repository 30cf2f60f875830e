/* SPDX-License-Identifier: Apache-2.0
 *
 * The wire format (protobuf.dev, "Encoding") and the message Example (tensorflow/core/example): features are
 * a map from names to lists of bytes, floats or integers.
 */
#include "data/wire.h"

#include <string.h>

static void fail(ib_wire *w) {
    w->failed = true;
    w->at = w->end;
}

/* At most ten bytes of seven bits, the lowest first. */
uint64_t ib__wire_varint(ib_wire *w) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (w->at == w->end) break;
        unsigned char byte = *w->at++;
        if (shift == 63 && byte > 1) break;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return value;
    }
    fail(w);
    return 0;
}

static uint64_t fixed(ib_wire *w, size_t n) {
    uint64_t value = 0;
    if ((size_t)(w->end - w->at) < n) {
        fail(w);
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        value |= (uint64_t)w->at[i] << (8 * i);
    w->at += n;
    return value;
}

bool ib__wire_next(ib_wire *w, ib_wire_field *field) {
    if (w->failed || w->at == w->end) return false;
    uint64_t key = ib__wire_varint(w), length;
    *field = (ib_wire_field){.number = (uint32_t)(key >> 3), .type = (int)(key & 7)};
    if (w->failed || key >> 3 == 0 || key >> 3 > 0x1fffffff) {
        fail(w);
        return false;
    }
    switch (field->type) {
    case IB_WIRE_VARINT:
        field->value = ib__wire_varint(w);
        break;
    case IB_WIRE_64:
        field->value = fixed(w, 8);
        break;
    case IB_WIRE_32:
        field->value = fixed(w, 4);
        break;
    case IB_WIRE_BYTES:
        length = ib__wire_varint(w);
        if (w->failed || length > (uint64_t)(w->end - w->at)) {
            fail(w);
            return false;
        }
        field->bytes = (ib_wire){w->at, w->at + length, false};
        w->at += length;
        break;
    default:
        fail(w);
    }
    return !w->failed;
}

/* ---- Example ---- */

/* Message Feature: bytes_list = 1, float_list = 2, int64_list = 3; each a message. */
static bool read_feature(ib_feature *out, ib_wire w) {
    ib_wire_field f;
    *out = (ib_feature){0};
    while (ib__wire_next(&w, &f))
        if (f.number >= 1 && f.number <= 3 && f.type == IB_WIRE_BYTES)
            *out = (ib_feature){(ib_feature_kind)f.number, f.bytes};
    return !w.failed;
}

/* Message Features.FeatureEntry: key = 1, value = 2. */
static bool read_entry(ib_wire w, ib_wire *key, ib_wire *value) {
    ib_wire_field f;
    static const unsigned char nothing[1];
    *key = *value = (ib_wire){nothing, nothing, false};
    while (ib__wire_next(&w, &f)) {
        if (f.type != IB_WIRE_BYTES) continue;
        if (f.number == 1) *key = f.bytes;
        if (f.number == 2) *value = f.bytes;
    }
    return !w.failed;
}

/* Called for each entry of the map; true ends the walk. */
typedef bool entry_fn(void *context, const ib_wire *key, const ib_wire *value);

/* false: no Example. */
static bool walk(const void *bytes, size_t n, entry_fn *visit, void *context) {
    ib_wire w = {bytes, (const unsigned char *)bytes + n, false};
    ib_wire_field features, entry;
    while (ib__wire_next(&w, &features)) {
        if (features.number != 1 || features.type != IB_WIRE_BYTES) continue;
        ib_wire inner = features.bytes, key, value;
        while (ib__wire_next(&inner, &entry)) {
            if (entry.number != 1 || entry.type != IB_WIRE_BYTES) continue;
            if (!read_entry(entry.bytes, &key, &value)) return false;
            if (visit(context, &key, &value)) return true;
        }
        if (inner.failed) return false;
    }
    return !w.failed;
}

typedef struct finding {
    const char *name;
    size_t length;
    ib_feature *out;
    bool damaged;
} finding;

static bool compare_name(void *context, const ib_wire *key, const ib_wire *value) {
    finding *f = context;
    if ((size_t)(key->end - key->at) == f->length && memcmp(key->at, f->name, f->length) == 0)
        f->damaged = !read_feature(f->out, *value);
    return f->damaged;
}

bool ib__example_find(ib_feature *out, const void *bytes, size_t n, const char *name) {
    finding f = {name, strlen(name), out, false};
    *out = (ib_feature){0};
    return walk(bytes, n, compare_name, &f) && !f.damaged;
}

typedef struct counting {
    size_t left;
    ib_wire key;
    ib_feature *out;
    bool found;
} counting;

static bool count_down(void *context, const ib_wire *key, const ib_wire *value) {
    counting *c = context;
    if (c->left-- > 0) return false;
    c->key = *key;
    c->found = read_feature(c->out, *value);
    return true;
}

bool ib__example_at(const void *bytes, size_t n, size_t i, const char **name, size_t *length,
                    ib_feature *out) {
    counting c = {.left = i, .out = out};
    if (!walk(bytes, n, count_down, &c) || !c.found) return false;
    *name = (const char *)c.key.at;
    *length = (size_t)(c.key.end - c.key.at);
    return true;
}

/* ---- Lists. Numbers are packed (one field of bytes) or not (a field each), or both in turn ---- */

static void put_float(float *out, size_t room, size_t at, uint64_t bits) {
    uint32_t word = (uint32_t)bits;
    if (at < room) memcpy(&out[at], &word, sizeof word);
}

size_t ib__feature_floats(const ib_feature *f, float *out, size_t room) {
    ib_wire w = f->list;
    ib_wire_field field;
    size_t n = 0;
    if (f->kind != IB_FEATURE_FLOATS) return f->kind == IB_FEATURE_NONE ? 0 : SIZE_MAX;
    while (ib__wire_next(&w, &field)) {
        if (field.number != 1) continue;
        if (field.type == IB_WIRE_32) put_float(out, room, n++, field.value);
        if (field.type != IB_WIRE_BYTES) continue;
        while (field.bytes.at != field.bytes.end && !field.bytes.failed)
            put_float(out, room, n++, fixed(&field.bytes, 4));
        w.failed = w.failed || field.bytes.failed;
    }
    return w.failed ? SIZE_MAX : n;
}

size_t ib__feature_ints(const ib_feature *f, int64_t *out, size_t room) {
    ib_wire w = f->list;
    ib_wire_field field;
    size_t n = 0;
    if (f->kind != IB_FEATURE_INTS) return f->kind == IB_FEATURE_NONE ? 0 : SIZE_MAX;
    while (ib__wire_next(&w, &field)) {
        if (field.number != 1) continue;
        if (field.type == IB_WIRE_VARINT) {
            if (n < room) out[n] = (int64_t)field.value;
            n++;
        }
        if (field.type != IB_WIRE_BYTES) continue;
        while (field.bytes.at != field.bytes.end && !field.bytes.failed) {
            uint64_t value = ib__wire_varint(&field.bytes);
            if (n < room) out[n] = (int64_t)value;
            n++;
        }
        w.failed = w.failed || field.bytes.failed;
    }
    return w.failed ? SIZE_MAX : n;
}

size_t ib__feature_bytes(const ib_feature *f, ib_wire *out, size_t room) {
    ib_wire w = f->list;
    ib_wire_field field;
    size_t n = 0;
    if (f->kind != IB_FEATURE_BYTES) return f->kind == IB_FEATURE_NONE ? 0 : SIZE_MAX;
    while (ib__wire_next(&w, &field)) {
        if (field.number != 1 || field.type != IB_WIRE_BYTES) continue;
        if (n < room) out[n] = field.bytes;
        n++;
    }
    return w.failed ? SIZE_MAX : n;
}
