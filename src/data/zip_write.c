/* SPDX-License-Identifier: Apache-2.0
 *
 * Zip archives whose bytes depend on the members alone. Written here and not by libzip, which promises no
 * bytes: stored members, one date, no extra fields. The layout is PKWARE's APPNOTE 6.3.3, 4.3.7 and on.
 */
#include "data/zip.h"

#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "data/zip_name.h"

#define DATE_1980_01_01 0x0021
#define VERSION_NEEDED 20
#define MADE_BY_UNIX (3 << 8 | VERSION_NEEDED)
#define FLAG_UTF8 0x0800
#define FILE_0644 0100644u
#define SIZE_LIMIT ((uint64_t)UINT32_MAX)
#define NAME_LIMIT 65535

typedef struct entry {
    uint32_t crc, offset;
} entry;

const char *ib__zip_name_problem(const char *name) {
    if (name[0] == '\0') return "is empty";
    if (name[0] == '/') return "is an absolute path";
    if (name[1] == ':') return "begins with a drive letter";
    const char *part = name;
    for (const char *c = name;; c++) {
        if (*c == '\\') return "has a backslash";
        if ((*c != '\0' && (unsigned char)*c < 0x20) || *c == 0x7f) return "has a control character";
        if (*c != '/' && *c != '\0') continue;
        if (c - part == 2 && memcmp(part, "..", 2) == 0) return "leads outside with \"..\"";
        if (*c == '\0') return NULL;
        part = c + 1;
    }
}

static void add16(ib_buf *buf, unsigned value) {
    ib__buf_add(buf, (unsigned char[]){(unsigned char)value, (unsigned char)(value >> 8)}, 2);
}

static void add32(ib_buf *buf, uint32_t value) {
    add16(buf, value & 0xffff);
    add16(buf, value >> 16);
}

/* The 22 bytes that local header and directory entry share, and the length of no extra field. */
static void add_common(ib_buf *buf, const ib_zip_member *m, uint32_t crc) {
    bool ascii = true;
    for (const char *c = m->name; *c != '\0'; c++)
        ascii = ascii && (unsigned char)*c < 0x80;
    add16(buf, VERSION_NEEDED);
    add16(buf, ascii ? 0 : FLAG_UTF8);
    add16(buf, 0); /* stored */
    add16(buf, 0); /* midnight */
    add16(buf, DATE_1980_01_01);
    add32(buf, crc);
    add32(buf, (uint32_t)m->length);
    add32(buf, (uint32_t)m->length);
    add16(buf, (unsigned)strlen(m->name));
    add16(buf, 0);
}

static void add_directory_entry(ib_buf *buf, const ib_zip_member *m, entry e) {
    add32(buf, 0x02014b50);
    add16(buf, MADE_BY_UNIX);
    add_common(buf, m, e.crc);
    add16(buf, 0); /* no comment */
    add16(buf, 0); /* disk */
    add16(buf, 0); /* internal attributes */
    add32(buf, (uint32_t)FILE_0644 << 16);
    add32(buf, e.offset);
    ib__buf_text(buf, m->name);
}

static void add_end(ib_buf *buf, size_t n, size_t directory, size_t length) {
    add32(buf, 0x06054b50);
    add16(buf, 0);
    add16(buf, 0);
    add16(buf, (unsigned)n);
    add16(buf, (unsigned)n);
    add32(buf, (uint32_t)length);
    add32(buf, (uint32_t)directory);
    add16(buf, 0);
}

static uint32_t crc_of(const void *bytes, size_t n) {
    return (uint32_t)crc32_z(crc32_z(0, NULL, 0), n > 0 ? bytes : (const void *)"", n);
}

/* Names, their number, and that every size and offset fits in 32 bits. */
static ib_status check_members(const ib_zip_member *members, size_t n, ib_error *err) {
    uint64_t total = 22;
    if (n >= 65535)
        return ib__fail(err, IB_UNSUPPORTED, "zip", "expected fewer than 65535 members, found %zu", n);
    for (size_t i = 0; i < n; i++) {
        const char *problem = ib__zip_name_problem(members[i].name);
        if (problem == NULL && strlen(members[i].name) > NAME_LIMIT) problem = "is too long";
        if (problem != NULL)
            return ib__fail(err, IB_BAD_INPUT, "zip", "the name of member %zu %s", i, problem);
        for (size_t k = 0; k < i; k++)
            if (strcmp(members[k].name, members[i].name) == 0)
                return ib__fail(err, IB_BAD_INPUT, "zip", "two members are named %s", members[i].name);
        if (members[i].length > SIZE_LIMIT) total = SIZE_LIMIT;
        total += members[i].length + 2 * strlen(members[i].name) + 76;
        if (total >= SIZE_LIMIT)
            return ib__fail(err, IB_UNSUPPORTED, members[i].name, "an archive above 4 GiB cannot be written");
    }
    return IB_OK;
}

ib_status ib__zip_pack(ib_buf *buf, const ib_zip_member *members, size_t n, ib_error *err) {
    ib_status status = check_members(members, n, err);
    if (status != IB_OK) return status;
    entry *entries = ib__alloc(n, sizeof *entries);
    if (entries == NULL) return ib__fail_memory(err);
    size_t start = buf->length;
    for (size_t i = 0; i < n; i++) {
        const ib_zip_member *m = &members[i];
        entries[i] = (entry){crc_of(m->bytes, m->length), (uint32_t)(buf->length - start)};
        add32(buf, 0x04034b50);
        add_common(buf, m, entries[i].crc);
        ib__buf_text(buf, m->name);
        ib__buf_add(buf, m->bytes, m->length);
    }
    size_t directory = buf->length - start;
    for (size_t i = 0; i < n; i++)
        add_directory_entry(buf, &members[i], entries[i]);
    add_end(buf, n, directory, buf->length - start - directory);
    ib__free(entries);
    return buf->failed ? ib__fail_memory(err) : IB_OK;
}

ib_status ib__zip_write(const char *path, const ib_zip_member *members, size_t n, ib_error *err) {
    ib_buf buf = {0};
    ib_status status = ib__zip_pack(&buf, members, n, err);
    if (status == IB_OK) status = ib__file_write(path, buf.data, buf.length, err);
    ib__buf_free(&buf);
    return status;
}
