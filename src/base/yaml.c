/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML into value trees, from libyaml's events.
 */
#include "base/value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/mem.h"

#define TEXT_MAX ((size_t)64 << 20)
#define DEPTH_MAX 200

typedef struct reader {
    yaml_parser_t parser;
    const char *text, *end;
    const char *name;
    ib_error *err;
} reader;

/* Where a key of a map stands; for finding the one that stands twice. */
typedef struct key_place {
    const char *key;
    yaml_mark_t mark;
} key_place;

static ib_status fail_at(reader *r, yaml_mark_t mark, const char *text, const char *detail) {
    char where[256];
    snprintf(where, sizeof where, "%.200s:%zu:%zu", r->name, mark.line + 1, mark.column + 1);
    return ib__fail(r->err, IB_BAD_INPUT, where, "%s%s", text, detail);
}

/* Whether a tab stands in the blanks that this line, counted from 0, begins with. */
static bool tab_indents(const reader *r, size_t line) {
    const char *at = r->text;
    for (size_t i = 0; i < line && at != NULL; i++) {
        at = memchr(at, '\n', (size_t)(r->end - at));
        if (at != NULL) at++;
    }
    while (at != NULL && at < r->end && *at == ' ')
        at++;
    return at != NULL && at < r->end && *at == '\t';
}

/* libyaml's own words: "did not find expected ',' or ']' (while parsing a flow sequence)". */
static ib_status fail_syntax(reader *r) {
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR) return ib__fail_memory(r->err);
    const char *problem = p->problem != NULL ? p->problem : "not YAML";
    if (p->error == YAML_READER_ERROR)
        return ib__fail(r->err, IB_BAD_INPUT, r->name, "%s at byte %zu", problem, p->problem_offset);
    if (tab_indents(r, p->problem_mark.line))
        return fail_at(r, p->problem_mark, "YAML is indented with blanks, found a tab", "");
    if (p->context == NULL) return fail_at(r, p->problem_mark, problem, "");
    char detail[128];
    snprintf(detail, sizeof detail, " (%s)", p->context);
    return fail_at(r, p->problem_mark, problem, detail);
}

/* The next event, which the caller deletes. */
static ib_status next_event(reader *r, yaml_event_t *event) {
    return yaml_parser_parse(&r->parser, event) ? IB_OK : fail_syntax(r);
}

static bool is_one_of(const char *text, const char *const *words, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(text, words[i]) == 0) return true;
    return false;
}

/* 0x1F and 0o17, within int64. */
static bool parse_based(const char *text, size_t length, int64_t *out) {
    if (length < 3 || text[0] != '0' || (text[1] != 'x' && text[1] != 'o')) return false;
    int64_t base = text[1] == 'x' ? 16 : 8, value = 0;
    for (size_t i = 2; i < length; i++) {
        const char *all = "0123456789abcdef", *all_upper = "0123456789ABCDEF";
        const char *found = strchr(all, text[i]);
        int64_t digit = found != NULL ? found - all : -1;
        if (found == NULL && (found = strchr(all_upper, text[i])) != NULL) digit = found - all_upper;
        if (digit < 0 || digit >= base || __builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *out = value;
    return true;
}

/* The core schema of YAML 1.2 for a plain scalar. */
static ib_value *resolve_plain(const char *text, size_t length) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    static const char *const trues[] = {"true", "True", "TRUE"};
    static const char *const falses[] = {"false", "False", "FALSE"};
    static const char *const nans[] = {".nan", ".NaN", ".NAN"};
    static const char *const infs[] = {".inf", ".Inf", ".INF"};
    if (is_one_of(text, nulls, 5)) return ib__value_null();
    if (is_one_of(text, trues, 3)) return ib__value_bool(true);
    if (is_one_of(text, falses, 3)) return ib__value_bool(false);
    if (is_one_of(text, nans, 3)) return ib__value_real((double)NAN);
    bool sign = text[0] == '-' || text[0] == '+';
    if (is_one_of(text + sign, infs, 3))
        return ib__value_real(text[0] == '-' ? -(double)INFINITY : (double)INFINITY);
    int64_t integer;
    if (ib__int_parse(text, length, &integer) || parse_based(text, length, &integer))
        return ib__value_int(integer);
    double real;
    char first = text[sign];
    if ((first == '.' || (first >= '0' && first <= '9')) && ib__double_parse(text, length, &real))
        return ib__value_real(real);
    return ib__value_string(text);
}

static ib_status check_node(reader *r, const yaml_event_t *event, const yaml_char_t *anchor,
                            const yaml_char_t *tag) {
    if (anchor != NULL)
        return fail_at(r, event->start_mark, "anchors are not read here: &", (const char *)anchor);
    if (tag != NULL) return fail_at(r, event->start_mark, "tags are not read here: ", (const char *)tag);
    return IB_OK;
}

static ib_status check_scalar(reader *r, const yaml_event_t *event) {
    ib_status status = check_node(r, event, event->data.scalar.anchor, event->data.scalar.tag);
    if (status != IB_OK) return status;
    if (strlen((const char *)event->data.scalar.value) != event->data.scalar.length)
        return fail_at(r, event->start_mark, "text with a zero character", "");
    return IB_OK;
}

static ib_status read_node(reader *r, yaml_event_t *event, int depth, ib_value **out);

static ib_status read_list(reader *r, int depth, ib_value *list) {
    for (;;) {
        yaml_event_t event;
        ib_value *child = NULL;
        ib_status status = next_event(r, &event);
        if (status != IB_OK) return status;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return IB_OK;
        }
        status = read_node(r, &event, depth, &child);
        yaml_event_delete(&event);
        if (status != IB_OK) return status;
        if (!ib__value_add(list, child)) return ib__fail_memory(r->err);
    }
}

static int compare_places(const void *a, const void *b) {
    const key_place *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    if (order != 0) return order;
    return x->mark.index < y->mark.index ? -1 : x->mark.index > y->mark.index;
}

/* By sorting: a map with very many keys must not take the square of their number. */
static ib_status check_twice(reader *r, const ib_value *map, key_place *places) {
    for (size_t i = 0; i < map->count; i++)
        places[i].key = map->keys[i];
    if (map->count > 1) qsort(places, map->count, sizeof *places, compare_places);
    for (size_t i = 1; i < map->count; i++)
        if (strcmp(places[i - 1].key, places[i].key) == 0)
            return fail_at(r, places[i].mark, "this key stands twice in one map: ", places[i].key);
    return IB_OK;
}

/* One key and its value; *end: the map is over. */
static ib_status read_pair(reader *r, int depth, ib_value *map, yaml_mark_t *mark, bool *end) {
    yaml_event_t key, event;
    ib_value *child = NULL;
    ib_status status = next_event(r, &key);
    if (status != IB_OK) return status;
    *end = key.type == YAML_MAPPING_END_EVENT;
    *mark = key.start_mark;
    if (!*end) {
        if (key.type != YAML_SCALAR_EVENT)
            status = fail_at(r, key.start_mark, "expected a key, found a list, a map or an alias", "");
        else
            status = check_scalar(r, &key);
        if (status == IB_OK) status = next_event(r, &event);
        if (status == IB_OK) {
            status = read_node(r, &event, depth, &child);
            yaml_event_delete(&event);
        }
        if (status == IB_OK && !ib__value_append(map, (const char *)key.data.scalar.value, child))
            status = ib__fail_memory(r->err);
    }
    yaml_event_delete(&key);
    return status;
}

static ib_status read_map(reader *r, int depth, ib_value *map) {
    key_place *places = NULL;
    size_t capacity = 0;
    ib_status status = IB_OK;
    while (status == IB_OK) {
        yaml_mark_t mark;
        bool end = false;
        status = read_pair(r, depth, map, &mark, &end);
        if (status != IB_OK) break;
        if (end) {
            status = check_twice(r, map, places);
            break;
        }
        if (!ib__grow(&places, &capacity, map->count, sizeof *places))
            status = ib__fail_memory(r->err);
        else
            places[map->count - 1].mark = mark;
    }
    free(places);
    return status;
}

static ib_status read_inside(reader *r, const yaml_event_t *event, int depth, ib_value **out) {
    bool list = event->type == YAML_SEQUENCE_START_EVENT;
    const yaml_char_t *anchor = list ? event->data.sequence_start.anchor : event->data.mapping_start.anchor;
    const yaml_char_t *tag = list ? event->data.sequence_start.tag : event->data.mapping_start.tag;
    ib_status status = check_node(r, event, anchor, tag);
    if (status != IB_OK) return status;
    if (depth >= DEPTH_MAX) return fail_at(r, event->start_mark, "nested deeper than 200", "");
    *out = list ? ib__value_list() : ib__value_map();
    if (*out == NULL) return ib__fail_memory(r->err);
    return list ? read_list(r, depth + 1, *out) : read_map(r, depth + 1, *out);
}

/* The node that begins with this event, which stays the caller's. On failure *out is NULL. */
static ib_status read_node(reader *r, yaml_event_t *event, int depth, ib_value **out) {
    ib_status status = IB_OK;
    *out = NULL;
    if (event->type == YAML_SEQUENCE_START_EVENT || event->type == YAML_MAPPING_START_EVENT) {
        status = read_inside(r, event, depth, out);
    } else if (event->type == YAML_SCALAR_EVENT) {
        status = check_scalar(r, event);
        const char *text = (const char *)event->data.scalar.value;
        bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        if (status == IB_OK) {
            *out = plain ? resolve_plain(text, event->data.scalar.length) : ib__value_string(text);
            if (*out == NULL) status = ib__fail_memory(r->err);
        }
    } else if (event->type == YAML_ALIAS_EVENT) {
        status = fail_at(r, event->start_mark, "aliases are not read here: *",
                         (const char *)event->data.alias.anchor);
    } else {
        status = fail_at(r, event->start_mark, "expected a value", "");
    }
    if (status != IB_OK) {
        ib__value_free(*out);
        *out = NULL;
    } else {
        (*out)->line = (int)event->start_mark.line + 1;
        (*out)->column = (int)event->start_mark.column + 1;
    }
    return status;
}

/* Stream start, document start, value, document end, stream end. An empty stream is null. */
static ib_status read_stream(reader *r, ib_value **out) {
    bool seen = false;
    for (;;) {
        yaml_event_t event;
        ib_status status = next_event(r, &event);
        if (status != IB_OK) return status;
        yaml_event_type_t type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && seen)
            status = fail_at(r, event.start_mark, "expected one document, found a second", "");
        else if (type != YAML_STREAM_START_EVENT && type != YAML_DOCUMENT_START_EVENT &&
                 type != YAML_DOCUMENT_END_EVENT && type != YAML_STREAM_END_EVENT)
            status = read_node(r, &event, 0, out);
        seen = seen || type == YAML_DOCUMENT_START_EVENT;
        yaml_event_delete(&event);
        if (status != IB_OK || type == YAML_STREAM_END_EVENT) return status;
    }
}

ib_status ib__yaml_parse(ib_value **out, const char *text, size_t length, const char *name, ib_error *err) {
    if (length > TEXT_MAX) return ib__fail(err, IB_BAD_INPUT, name, "expected at most 64 MiB, found more");
    reader r = {.text = text, .end = text + length, .name = name, .err = err};
    if (!yaml_parser_initialize(&r.parser)) return ib__fail_memory(err);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, length);
    ib_value *value = NULL;
    ib_status status = read_stream(&r, &value);
    if (status == IB_OK && value == NULL && (value = ib__value_null()) == NULL) status = ib__fail_memory(err);
    yaml_parser_delete(&r.parser);
    if (status == IB_OK)
        *out = value;
    else
        ib__value_free(value);
    return status;
}
