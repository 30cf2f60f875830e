/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing HDF5: groups and contiguous datasets of float32, int64 and int32, by our own hand, because libhdf5
 * does not promise the same bytes from one version to the next.
 *
 * The format is "HDF5 File Format Specification Version 3.0": a superblock of version 2, object headers of
 * version 2 without times, links kept in the header of their group. Any libhdf5 since 1.8 reads it.
 * Everything is little-endian; addresses and lengths have 8 bytes. Data stand on multiples of 64 bytes.
 */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "model/internal.h"

#define UNDEFINED UINT64_MAX
#define SUPERBLOCK 48

/* A group (data NULL) or dataset while the tree is being made. */
typedef struct node {
    const char *name; /* last part of the path, name_length long */
    size_t name_length;
    const ib_h5_out *item; /* NULL: a group */
    struct node *first, *last, *next;
    uint64_t address;
} node;

static void put(ib_buf *buf, uint64_t value, int bytes) {
    unsigned char out[8];
    for (int i = 0; i < bytes; i++)
        out[i] = (unsigned char)(value >> (8 * i));
    ib__buf_add(buf, out, (size_t)bytes);
}

static void pad_to(ib_buf *buf, size_t multiple) {
    while (!buf->failed && buf->length % multiple)
        put(buf, 0, 1);
}

static uint32_t turn(uint32_t x, int k) {
    return (x << k) | (x >> (32 - k));
}

/* Bob Jenkins's lookup3 (hashlittle) with initial value 0, the checksum of HDF5's metadata. */
static uint32_t checksum(const void *bytes, size_t length) {
    const unsigned char *k = bytes;
    uint32_t s[3];
    s[0] = s[1] = s[2] = 0xdeadbeefu + (uint32_t)length;
    while (length > 12) {
        for (int i = 0; i < 12; i++)
            s[i / 4] += (uint32_t)k[i] << (8 * (i % 4));
        static const int mix[6] = {4, 6, 8, 16, 19, 4};
        for (int i = 0; i < 6; i++) {
            uint32_t *a = &s[i % 3], *b = &s[(i + 1) % 3], *c = &s[(i + 2) % 3];
            *a -= *c;
            *a ^= turn(*c, mix[i]);
            *c += *b;
        }
        k += 12;
        length -= 12;
    }
    if (!length) return s[2];
    for (size_t i = 0; i < length; i++)
        s[i / 4] += (uint32_t)k[i] << (8 * (i % 4));
    static const int final[7] = {14, 11, 25, 16, 4, 14, 24};
    for (int i = 0; i < 7; i++) {
        uint32_t *to = &s[(2 + i) % 3], from = s[(1 + i) % 3];
        *to ^= from;
        *to -= turn(from, final[i]);
    }
    return s[2];
}

/* ---- Object headers ---- */

static void put_message(ib_buf *messages, int type, int flags, const ib_buf *body) {
    put(messages, (uint64_t)type, 1);
    put(messages, body->length, 2);
    put(messages, (uint64_t)flags, 1);
    ib__buf_add(messages, body->data, body->length);
}

/* Version 2, the size of the messages in 4 bytes. Gives the header's address. */
static uint64_t put_header(ib_buf *buf, ib_buf *messages) {
    pad_to(buf, 8);
    uint64_t address = buf->length;
    if (messages->failed) buf->failed = true;
    ib__buf_add(buf, "OHDR", 4);
    put(buf, 2, 1);
    put(buf, 2, 1);
    put(buf, messages->length, 4);
    ib__buf_add(buf, messages->data, messages->length);
    if (!buf->failed) put(buf, checksum(buf->data + address, buf->length - address), 4);
    ib__buf_free(messages);
    return address;
}

static void put_dataspace(ib_buf *body, const ib_h5_out *item) {
    int rank = item->integer ? 0 : item->shape.rank;
    put(body, 2, 1);
    put(body, (uint64_t)rank, 1);
    put(body, 0, 1);
    put(body, rank > 0, 1);
    for (int i = 0; i < rank; i++)
        put(body, (uint64_t)item->shape.dims[i], 8);
}

/* Bytes of an element. */
static int width(const ib_h5_out *item) {
    return item->integer && !item->narrow ? 8 : 4;
}

static void put_datatype(ib_buf *body, const ib_h5_out *item) {
    if (item->integer) { /* class 0, signed: bytes, offset 0, precision */
        put(body, 0x10, 1);
        put(body, 0x08, 3);
        put(body, (uint64_t)width(item), 4);
        put(body, 0, 2);
        put(body, (uint64_t)(8 * width(item)), 2);
        return;
    }
    /* Class 1: implied leading bit, sign at 31; offset 0, precision 32; exponent 23+8, mantissa 0+23, bias.
     */
    put(body, 0x11, 1);
    put(body, 0x001f20, 3);
    put(body, 4, 4);
    put(body, 0, 2);
    put(body, 32, 2);
    put(body, 23, 1);
    put(body, 8, 1);
    put(body, 0, 1);
    put(body, 23, 1);
    put(body, 127, 4);
}

/* Little-endian, every NaN the canonical one; by the thousand, for weights may be many. */
static void put_floats(ib_buf *buf, const float *values, size_t count) {
    unsigned char out[4096];
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t word;
        memcpy(&word, &values[i], sizeof word);
        if ((word & 0x7fffffffu) > 0x7f800000u) word = 0x7fc00000u;
        for (int k = 0; k < 4; k++)
            out[used++] = (unsigned char)(word >> (8 * k));
        if (used == sizeof out || i + 1 == count) {
            ib__buf_add(buf, out, used);
            used = 0;
        }
    }
}

static void put_dataset(ib_buf *buf, node *n) {
    const ib_h5_out *item = n->item;
    size_t count = item->integer ? 1 : (size_t)ib__shape_elements(&item->shape);
    size_t bytes = count * (size_t)width(item);
    pad_to(buf, 64);
    uint64_t place = bytes ? buf->length : UNDEFINED;
    if (item->integer) {
        int64_t value;
        memcpy(&value, item->data, sizeof value);
        put(buf, (uint64_t)value, width(item));
    } else {
        put_floats(buf, item->data, count);
    }
    ib_buf messages = {0}, body = {0};
    put_dataspace(&body, item);
    put_message(&messages, 1, 0, &body);
    body.length = 0;
    put_datatype(&body, item);
    put_message(&messages, 3, 1, &body);
    body.length = 0;
    put(&body, 3, 1); /* fill value: space when needed, written if set, the default */
    put(&body, 0x0a, 1);
    put_message(&messages, 5, 1, &body);
    body.length = 0;
    put(&body, 3, 1); /* layout: contiguous */
    put(&body, 1, 1);
    put(&body, place, 8);
    put(&body, bytes, 8);
    put_message(&messages, 8, 0, &body);
    if (body.failed) buf->failed = true;
    ib__buf_free(&body);
    n->address = put_header(buf, &messages);
}

/* Members come first, for their addresses stand in the group's header. */
static void put_node(ib_buf *buf, node *n) {
    if (n->item) {
        put_dataset(buf, n);
        return;
    }
    for (node *m = n->first; m; m = m->next)
        put_node(buf, m);
    ib_buf messages = {0}, body = {0};
    put(&body, 0, 2); /* link info: no heap, no index */
    put(&body, UNDEFINED, 8);
    put(&body, UNDEFINED, 8);
    put_message(&messages, 2, 0, &body);
    body.length = 0;
    put(&body, 0, 2); /* group info */
    put_message(&messages, 10, 1, &body);
    for (node *m = n->first; m; m = m->next) {
        body.length = 0;
        put(&body, 1, 1); /* a hard link; its name's length takes one byte */
        put(&body, 0, 1);
        put(&body, m->name_length, 1);
        ib__buf_add(&body, m->name, m->name_length);
        put(&body, m->address, 8);
        put_message(&messages, 6, 0, &body);
    }
    if (body.failed) buf->failed = true;
    ib__buf_free(&body);
    n->address = put_header(buf, &messages);
}

/* ---- The tree ---- */

/* The member of this name, made if it is not there; NULL: no memory. Members are asked for in the order in
 * which they were made, so looking at the last one suffices for almost all. */
static node *member(ib_arena *arena, node *group, const char *name, size_t length) {
    node *last = group->last;
    if (last && last->name_length == length && memcmp(last->name, name, length) == 0) return last;
    for (node *m = group->first; m; m = m->next)
        if (m->name_length == length && memcmp(m->name, name, length) == 0) return m;
    node *made = ib__arena_alloc(arena, sizeof *made);
    if (!made) return NULL;
    made->name = name;
    made->name_length = length;
    if (last)
        last->next = made;
    else
        group->first = made;
    group->last = made;
    return made;
}

static ib_status make_tree(ib_arena *arena, node *root, const ib_h5_out *items, size_t n, ib_error *err) {
    for (size_t i = 0; i < n; i++) {
        node *now = root;
        for (const char *part = items[i].path; *part;) {
            size_t length = strcspn(part, "/");
            if (length > 255)
                return ib__fail(err, IB_UNSUPPORTED, items[i].path, "a name of more than 255 bytes");
            now = member(arena, now, part, length);
            if (!now) return ib__fail_memory(err);
            part += length + (part[length] == '/');
        }
        if (items[i].data) now->item = &items[i];
    }
    return IB_OK;
}

ib_status ib__h5_write(ib_buf *buf, const ib_h5_out *items, size_t n, ib_error *err) {
    ib_arena arena = {0};
    node root = {0};
    ib_status status = make_tree(&arena, &root, items, n, err);
    size_t start = buf->length;
    ib_buf file = {0};
    if (status == IB_OK) {
        for (size_t i = 0; i < SUPERBLOCK; i++)
            put(&file, 0, 1);
        put_node(&file, &root);
        pad_to(&file, 8);
        ib_buf block = {0};
        ib__buf_add(&block, "\211HDF\r\n\032\n", 8);
        put(&block, 2, 1); /* version; addresses and lengths of 8 bytes; flags */
        put(&block, 8, 1);
        put(&block, 8, 1);
        put(&block, 0, 1);
        put(&block, 0, 8);
        put(&block, UNDEFINED, 8);
        put(&block, file.length, 8);
        put(&block, root.address, 8);
        if (!block.failed) put(&block, checksum(block.data, block.length), 4);
        if (!file.failed && !block.failed) memcpy(file.data, block.data, SUPERBLOCK);
        if (block.failed || file.failed || !ib__buf_add(buf, file.data, file.length))
            status = ib__fail_memory(err);
        ib__buf_free(&block);
    }
    if (status != IB_OK) buf->length = start;
    ib__buf_free(&file);
    ib__arena_free(&arena);
    return status;
}
