/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON into value trees, by jansson. Jansson does not say where a value stands, and reads neither the NaN and
 * Infinity that Python writes nor integers beyond int64. So a scan before it notes the place of every value,
 * in the order of the text, puts "0.0..." of the same length in the place of such numbers and keeps what they
 * were. Jansson keeps the order of members, so a walk of its tree meets the values in the same order.
 */
#include "base/value.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define TEXT_MAX ((size_t)64 << 20)
#define DEPTH_MAX 200

typedef struct place {
    int line, column;
    bool replaced;
    double number;
} place;

typedef struct scan {
    char *text; /* a copy, changed in place */
    size_t length, at;
    size_t line_start, wide; /* where the line begins; bytes in it since that continue a character */
    int line, depth;
    place *places;
    size_t count, capacity, next;
    const char *name;
    ib_error *err;
} scan;

static int column_of(const scan *s) {
    return (int)(s->at - s->line_start - s->wide) + 1;
}

static ib_status add_place(scan *s, bool replaced, double number) {
    if (!ib__grow(&s->places, &s->capacity, s->count + 1, sizeof *s->places)) return ib__fail_memory(s->err);
    s->places[s->count++] = (place){s->line, column_of(s), replaced, number};
    return IB_OK;
}

/* Steps over a string and what blanks follow it; a string before a colon is a key, not a value. */
static ib_status scan_string(scan *s) {
    ib_status status = add_place(s, false, 0);
    if (status != IB_OK) return status;
    size_t wide = 0;
    for (s->at++; s->at < s->length && s->text[s->at] != '"' && s->text[s->at] != '\n'; s->at++) {
        if (((unsigned char)s->text[s->at] & 0xc0) == 0x80) wide++;
        if (s->text[s->at] == '\\' && s->at + 1 < s->length && s->text[s->at + 1] != '\n') s->at++;
    }
    s->wide += wide;
    if (s->at < s->length && s->text[s->at] == '"') s->at++;
    size_t after = s->at;
    while (after < s->length && strchr(" \t\r\n", s->text[after]) != NULL && s->text[after] != '\0')
        after++;
    if (after < s->length && s->text[after] == ':') s->count--;
    return IB_OK;
}

/* A number or a word: NaN, Infinity, -Infinity and too large integers are taken out. */
static ib_status scan_word(scan *s) {
    size_t n = 0;
    while (s->at + n < s->length && s->text[s->at + n] != '\0' &&
           strchr(" \t\r\n,:[]{}\"", s->text[s->at + n]) == NULL)
        n++;
    char *word = s->text + s->at;
    double number = 0;
    int64_t integer;
    bool replaced = true, minus = word[0] == '-';
    if (n == 3 && memcmp(word, "NaN", 3) == 0)
        number = (double)NAN;
    else if (n == 8 && memcmp(word, "Infinity", 8) == 0)
        number = (double)INFINITY;
    else if (n == 9 && memcmp(word, "-Infinity", 9) == 0)
        number = -(double)INFINITY;
    else
        replaced = n > 18 && strspn(word + minus, "0123456789") >= n - minus && word[minus] != '0' &&
                   !ib__int_parse(word, n, &integer) && ib__double_parse(word, n, &number);
    ib_status status = add_place(s, replaced, number);
    if (replaced) {
        memset(word, '0', n);
        word[1] = '.';
    }
    s->at += n > 0 ? n : 1;
    return status;
}

/* Notes places and limits depth; says nothing about the grammar, which is jansson's. */
static ib_status scan_text(scan *s) {
    ib_status status = IB_OK;
    while (status == IB_OK && s->at < s->length) {
        char c = s->text[s->at];
        if (c == '"') {
            status = scan_string(s);
            continue;
        }
        if (c == '[' || c == '{') {
            status = add_place(s, false, 0);
            if (++s->depth > DEPTH_MAX && status == IB_OK) {
                char where[256];
                snprintf(where, sizeof where, "%.200s:%d:%d", s->name, s->line, column_of(s));
                status = ib__fail(s->err, IB_BAD_INPUT, where, "nested deeper than 200");
            }
        } else if (c == ']' || c == '}') {
            s->depth--;
        } else if (c == '\n') {
            s->line++;
            s->line_start = s->at + 1;
            s->wide = 0;
        } else if (c != ' ' && c != '\t' && c != '\r' && c != ',' && c != ':') {
            status = scan_word(s);
            continue;
        }
        s->at++;
    }
    return status;
}

static ib_value *build(scan *s, const json_t *json);

static ib_value *build_children(scan *s, const json_t *json) {
    ib_value *value = json_is_array(json) ? ib__value_list() : ib__value_map();
    bool good = value != NULL;
    if (json_is_array(json)) {
        for (size_t i = 0; good && i < json_array_size(json); i++)
            good = ib__value_add(value, build(s, json_array_get(json, i)));
    } else {
        const char *key;
        json_t *child;
        json_object_foreach((json_t *)(uintptr_t)json, key, child) {
            if (good) good = ib__value_append(value, key, build(s, child));
        }
    }
    if (!good) {
        ib__value_free(value);
        return NULL;
    }
    return value;
}

/* NULL: no memory. */
static ib_value *build(scan *s, const json_t *json) {
    place at = s->next < s->count ? s->places[s->next] : (place){0};
    s->next++;
    ib_value *value = NULL;
    switch (json_typeof(json)) {
    case JSON_NULL:
        value = ib__value_null();
        break;
    case JSON_TRUE:
        value = ib__value_bool(true);
        break;
    case JSON_FALSE:
        value = ib__value_bool(false);
        break;
    case JSON_INTEGER:
        value = ib__value_int(json_integer_value(json));
        break;
    case JSON_REAL:
        value = ib__value_real(at.replaced ? at.number : json_real_value(json));
        break;
    case JSON_STRING:
        value = ib__value_string(json_string_value(json));
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        value = build_children(s, json);
        break;
    }
    if (value != NULL) {
        value->line = at.line;
        value->column = at.column;
    }
    return value;
}

ib_status ib__json_parse(ib_value **out, const char *text, size_t length, const char *name, ib_error *err) {
    if (length > TEXT_MAX) return ib__fail(err, IB_BAD_INPUT, name, "expected at most 64 MiB, found more");
    scan s = {.length = length, .line = 1, .name = name, .err = err};
    json_t *json = NULL;
    ib_value *value = NULL;
    ib_status status = IB_OK;
    s.text = malloc(length + 1);
    if (s.text == NULL) return ib__fail_memory(err);
    if (length > 0) memcpy(s.text, text, length);
    s.text[length] = '\0';
    status = scan_text(&s);
    if (status == IB_OK) {
        json_error_t problem;
        json = json_loadb(s.text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
        if (json == NULL && json_error_code(&problem) == json_error_out_of_memory) {
            status = ib__fail_memory(err);
        } else if (json == NULL) {
            char where[256];
            snprintf(where, sizeof where, "%.200s:%d:%d", name, problem.line, problem.column);
            status = ib__fail(err, IB_BAD_INPUT, where, "%s", problem.text);
        }
    }
    if (status == IB_OK && (value = build(&s, json)) == NULL) status = ib__fail_memory(err);
    json_decref(json);
    free(s.places);
    free(s.text);
    if (status == IB_OK) *out = value;
    return status;
}
