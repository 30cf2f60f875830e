/* SPDX-License-Identifier: Apache-2.0
 *
 * Fields of data entries.
 */
#include "data/entry.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"

#define NAMES_MAX 64

void ib__entry_error(const ib_entry *q, const ib_value *at, const char *key, const char *format, ...) {
    char where[256], text[512];
    if (at == NULL || at->line == 0) at = q->map;
    const char *dot = key[0] != '\0' && q->place[0] != '\0' ? "." : "";
    if (at != NULL && at->line > 0)
        snprintf(where, sizeof where, "%.110s:%d:%d %.70s%s%.40s", q->name, at->line, at->column, q->place,
                 dot, key);
    else
        snprintf(where, sizeof where, "%.110s, %.70s%s%.40s", q->name, q->place, dot, key);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ib__error_set(q->err, IB_BAD_INPUT, where, "%s", text);
}

ib_status ib__entry_check(const ib_entry *q, const char *const *fields, size_t n, const char *const *more,
                          size_t n_more) {
    const char *all[NAMES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < n && count < NAMES_MAX; i++)
        all[count++] = fields[i];
    for (size_t i = 0; i < n_more && count < NAMES_MAX; i++)
        all[count++] = more[i];
    for (size_t i = 0; i < q->map->count; i++) {
        const char *key = q->map->keys[i];
        bool known = false;
        for (size_t k = 0; k < count; k++)
            known = known || strcmp(key, all[k]) == 0;
        if (known) continue;
        const char *near = ib__nearest(key, all, count);
        if (near != NULL)
            return ib__entry_fail(q, q->map->items[i], key, "no such field, did you mean '%s'?", near);
        ib_buf text = {0};
        for (size_t k = 0; k < count; k++)
            ib__buf_printf(&text, "%s%s", k > 0 ? ", " : "", all[k]);
        ib_status status =
            text.failed ? ib__fail_memory(q->err)
                        : ib__entry_fail(q, q->map->items[i], key, "no such field, only %s", text.data);
        ib__buf_free(&text);
        return status;
    }
    return IB_OK;
}

ib_status ib__entry_text(const ib_entry *q, const char *key, bool needed, const char **out) {
    const ib_value *value = ib__value_get(q->map, key);
    *out = NULL;
    if (value == NULL) return needed ? ib__entry_fail(q, NULL, "", "the field '%s' is missing", key) : IB_OK;
    if (value->kind != IB_STRING || value->string[0] == '\0')
        return ib__entry_fail(q, value, key, "expected a name, found %s",
                              value->kind == IB_STRING ? "an empty text" : ib__kind_name(value->kind));
    *out = value->string;
    return IB_OK;
}

static ib_status check_integer(const ib_entry *q, const ib_value *value, const char *key, int64_t low,
                               int64_t high) {
    if (value->kind != IB_INT)
        return ib__entry_fail(q, value, key, "expected an integer, found %s", ib__kind_name(value->kind));
    if (value->integer >= low && value->integer <= high) return IB_OK;
    return ib__entry_fail(q, value, key,
                          "expected an integer from %" PRId64 " to %" PRId64 ", found %" PRId64 "", low, high,
                          value->integer);
}

ib_status ib__entry_count(const ib_entry *q, const char *key, int64_t low, int64_t high, int64_t *out) {
    const ib_value *value = ib__value_get(q->map, key);
    if (value == NULL || value->kind == IB_NULL) return IB_OK;
    ib_status status = check_integer(q, value, key, low, high);
    if (status == IB_OK) *out = value->integer;
    return status;
}

ib_status ib__entry_number(const ib_entry *q, const char *key, double low, double high, double *out) {
    const ib_value *value = ib__value_get(q->map, key);
    double number;
    if (value == NULL || value->kind == IB_NULL) return IB_OK;
    if (!ib__value_number(value, &number))
        return ib__entry_fail(q, value, key, "expected a number, found %s", ib__kind_name(value->kind));
    if (!(number >= low && number <= high)) {
        char a[32], b[32], c[32];
        ib__double_print(a, low);
        ib__double_print(b, high);
        ib__double_print(c, number);
        return ib__entry_fail(q, value, key, "expected a number from %s to %s, found %s", a, b, c);
    }
    *out = number;
    return IB_OK;
}

ib_status ib__entry_flag(const ib_entry *q, const char *key, bool *out) {
    const ib_value *value = ib__value_get(q->map, key);
    if (value == NULL) return IB_OK;
    if (value->kind != IB_BOOL)
        return ib__entry_fail(q, value, key, "expected true or false, found %s", ib__kind_name(value->kind));
    *out = value->boolean;
    return IB_OK;
}

ib_status ib__entry_choice(const ib_entry *q, const char *key, const char *const *words, size_t n,
                           size_t *out) {
    const ib_value *value = ib__value_get(q->map, key);
    if (value == NULL) return IB_OK;
    for (size_t i = 0; i < n; i++) {
        if (!ib__value_is_string(value, words[i])) continue;
        *out = i;
        return IB_OK;
    }
    ib_buf text = {0};
    for (size_t i = 0; i < n; i++)
        ib__buf_printf(&text, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " or ", words[i]);
    ib_status status =
        text.failed ? ib__fail_memory(q->err)
                    : ib__entry_fail(q, value, key, "expected %s, found %s", text.data,
                                     value->kind == IB_STRING ? value->string : ib__kind_name(value->kind));
    ib__buf_free(&text);
    return status;
}

ib_status ib__entry_counts(const ib_entry *q, const char *key, int64_t low, int64_t high, int64_t *out,
                           size_t most, size_t *n) {
    const ib_value *value = ib__value_get(q->map, key);
    *n = 0;
    if (value == NULL) return IB_OK;
    if (value->kind != IB_LIST) {
        *n = 1;
        return ib__entry_count(q, key, low, high, out);
    }
    if (value->count > most)
        return ib__entry_fail(q, value, key, "expected at most %zu integers, found %zu", most, value->count);
    ib_status status = IB_OK;
    for (size_t i = 0; i < value->count && status == IB_OK; i++) {
        status = check_integer(q, value->items[i], key, low, high);
        out[i] = value->items[i]->integer;
    }
    *n = value->count;
    return status;
}

char *ib__entry_path(const ib_entry *q, const char *file) {
    ib_buf path = {0};
    if (file[0] != '/' && q->folder != NULL && q->folder[0] != '\0') ib__buf_printf(&path, "%s/", q->folder);
    ib__buf_text(&path, file);
    if (path.failed) ib__buf_free(&path);
    return path.data;
}

/* ---- Picks ---- */

static ib_status add_pick(ib_picks *picks, const ib_entry *q, const char *role, const char *part,
                          const ib_value *source) {
    char field[300];
    if (source->kind != IB_STRING || source->string[0] == '\0')
        return ib__entry_fail(q, source, role, "expected a name, found %s",
                              source->kind == IB_STRING ? "an empty text" : ib__kind_name(source->kind));
    if (part != NULL && (part[0] == '\0' || strlen(part) > 200))
        return ib__entry_fail(q, source, role, "expected the name of an input or output, found '%.40s'",
                              part);
    snprintf(field, sizeof field, "%s%s%s", role, part != NULL ? "." : "", part != NULL ? part : "");
    ib_pick *grown = realloc(picks->list, (picks->n + 1) * sizeof *grown);
    if (grown == NULL) return ib__fail_memory(q->err);
    picks->list = grown;
    grown[picks->n++] = (ib_pick){strdup(field), strdup(source->string), source};
    return grown[picks->n - 1].field == NULL || grown[picks->n - 1].source == NULL ? ib__fail_memory(q->err)
                                                                                   : IB_OK;
}

ib_status ib__picks_read(ib_picks *picks, const ib_entry *q) {
    static const char *const roles[] = {"x", "y", "sample_weight"};
    if (ib__value_get(q->map, "x") == NULL) return ib__entry_fail(q, NULL, "", "the field 'x' is missing");
    for (size_t r = 0; r < sizeof roles / sizeof *roles; r++) {
        const ib_value *value = ib__value_get(q->map, roles[r]);
        ib_status status = IB_OK;
        if (value == NULL) continue;
        if (value->kind != IB_MAP) status = add_pick(picks, q, roles[r], NULL, value);
        for (size_t i = 0; value->kind == IB_MAP && i < value->count && status == IB_OK; i++)
            status = add_pick(picks, q, roles[r], value->keys[i], value->items[i]);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

void ib__picks_free(ib_picks *picks) {
    for (size_t i = 0; i < picks->n; i++) {
        free(picks->list[i].field);
        free(picks->list[i].source);
    }
    free(picks->list);
    *picks = (ib_picks){0};
}
