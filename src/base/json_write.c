/* SPDX-License-Identifier: Apache-2.0
 *
 * Value trees as JSON text: canonical, as Python writes, or indented.
 */
#include "base/value.h"

#include <stdlib.h>
#include <string.h>

#define INDENT 2

/* The code point at text, whose bytes are counted in *n; U+FFFD for a byte that begins none. */
static unsigned decode(const unsigned char *text, size_t *n) {
    unsigned c = text[0];
    size_t more = c >= 0xf0 && c < 0xf5 ? 3 : c >= 0xe0 ? 2 : c >= 0xc2 ? 1 : 0;
    *n = 1;
    if (c < 0x80) return c;
    if (more == 0 || c >= 0xf5) return 0xfffd;
    unsigned point = c & (0x3fu >> more);
    for (size_t i = 1; i <= more; i++) {
        if ((text[i] & 0xc0) != 0x80) return 0xfffd;
        point = point << 6 | (text[i] & 0x3f);
    }
    *n = more + 1;
    return point;
}

static void write_escape(ib_buf *buf, unsigned c) {
    static const char letters[] = "btn\0fr"; /* from 8 on; 11 has none */
    if (c == '"' || c == '\\')
        ib__buf_printf(buf, "\\%c", (char)c);
    else if (c >= 8 && c <= 13 && c != 11)
        ib__buf_printf(buf, "\\%c", letters[c - 8]);
    else if (c < 0x10000)
        ib__buf_printf(buf, "\\u%04x", c);
    else
        ib__buf_printf(buf, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
                       0xdc00 + ((c - 0x10000) & 0x3ff));
}

/* Runs of characters that need no escape are added at once. */
static void write_string(ib_buf *buf, const char *text, bool ascii) {
    const unsigned char *at = (const unsigned char *)text, *plain = at;
    ib__buf_text(buf, "\"");
    while (*at != '\0') {
        size_t n;
        unsigned c = decode(at, &n);
        bool escape = c < 0x20 || c == '"' || c == '\\' || (ascii && c > 0x7e);
        if (escape) {
            ib__buf_add(buf, plain, (size_t)(at - plain));
            write_escape(buf, c);
            plain = at + n;
        }
        at += n;
    }
    ib__buf_add(buf, plain, (size_t)(at - plain));
    ib__buf_text(buf, "\"");
}

typedef struct member {
    const char *key;
    const ib_value *value;
} member;

static int compare_members(const void *a, const void *b) {
    return strcmp(((const member *)a)->key, ((const member *)b)->key);
}

static void new_line(ib_buf *buf, int depth) {
    ib__buf_printf(buf, "\n%*s", depth * INDENT, "");
}

static void write_value(ib_buf *buf, const ib_value *value, ib_json_style style, int depth);

static void write_members(ib_buf *buf, const ib_value *value, ib_json_style style, int depth) {
    member *members = malloc(value->count * sizeof *members);
    if (members == NULL) {
        buf->failed = true;
        return;
    }
    for (size_t i = 0; i < value->count; i++)
        members[i] = (member){value->kind == IB_MAP ? value->keys[i] : NULL, value->items[i]};
    if (style == IB_JSON_CANONICAL && value->kind == IB_MAP)
        qsort(members, value->count, sizeof *members, compare_members);
    for (size_t i = 0; i < value->count; i++) {
        if (i > 0) ib__buf_text(buf, style == IB_JSON_PYTHON ? ", " : ",");
        if (style == IB_JSON_INDENT) new_line(buf, depth + 1);
        if (value->kind == IB_MAP) {
            write_string(buf, members[i].key, style == IB_JSON_PYTHON);
            ib__buf_text(buf, style == IB_JSON_CANONICAL ? ":" : ": ");
        }
        write_value(buf, members[i].value, style, depth + 1);
    }
    if (style == IB_JSON_INDENT) new_line(buf, depth);
    free(members);
}

static void write_value(ib_buf *buf, const ib_value *value, ib_json_style style, int depth) {
    char number[32];
    switch (value->kind) {
    case IB_NULL:
        ib__buf_text(buf, "null");
        break;
    case IB_BOOL:
        ib__buf_text(buf, value->boolean ? "true" : "false");
        break;
    case IB_INT:
        ib__buf_printf(buf, "%lld", (long long)value->integer);
        break;
    case IB_REAL:
        ib__double_print(number, value->real);
        ib__buf_text(buf, number);
        break;
    case IB_STRING:
        write_string(buf, value->string, style == IB_JSON_PYTHON);
        break;
    case IB_LIST:
    case IB_MAP:
        ib__buf_text(buf, value->kind == IB_LIST ? "[" : "{");
        if (value->count > 0) write_members(buf, value, style, depth);
        ib__buf_text(buf, value->kind == IB_LIST ? "]" : "}");
        break;
    }
}

bool ib__json_write(ib_buf *buf, const ib_value *value, ib_json_style style) {
    write_value(buf, value, style, 0);
    return !buf->failed;
}
