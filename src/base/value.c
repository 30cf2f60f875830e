/* SPDX-License-Identifier: Apache-2.0
 *
 * Value trees: building, looking, comparing.
 */
#include "base/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static ib_value *new_value(ib_kind kind) {
    ib_value *value = calloc(1, sizeof *value);
    if (value != NULL) value->kind = kind;
    return value;
}

ib_value *ib__value_null(void) {
    return new_value(IB_NULL);
}

ib_value *ib__value_bool(bool b) {
    ib_value *value = new_value(IB_BOOL);
    if (value != NULL) value->boolean = b;
    return value;
}

ib_value *ib__value_int(int64_t i) {
    ib_value *value = new_value(IB_INT);
    if (value != NULL) {
        value->integer = i;
        value->real = (double)i;
    }
    return value;
}

ib_value *ib__value_real(double r) {
    ib_value *value = new_value(IB_REAL);
    if (value != NULL) value->real = r;
    return value;
}

ib_value *ib__value_string(const char *s) {
    ib_value *value = new_value(IB_STRING);
    if (value == NULL) return NULL;
    value->string = strdup(s);
    if (value->string == NULL) {
        free(value);
        return NULL;
    }
    return value;
}

ib_value *ib__value_list(void) {
    return new_value(IB_LIST);
}

ib_value *ib__value_map(void) {
    return new_value(IB_MAP);
}

void ib__value_free(ib_value *value) {
    if (value == NULL) return;
    for (size_t i = 0; i < value->count; i++) {
        ib__value_free(value->items[i]);
        if (value->keys != NULL) free(value->keys[i]);
    }
    free(value->items);
    free(value->keys);
    free(value->string);
    free(value);
}

/* Room for one more item and, in a map, its key. The keys may end with more room than the items: harmless. */
static bool make_room(ib_value *value) {
    size_t items = value->capacity, keys = value->capacity;
    if (value->kind == IB_MAP && !ib__grow(&value->keys, &keys, value->count + 1, sizeof *value->keys))
        return false;
    if (!ib__grow(&value->items, &items, value->count + 1, sizeof(ib_value *))) return false;
    value->capacity = items;
    return true;
}

bool ib__value_add(ib_value *list, ib_value *child) {
    if (child == NULL || list == NULL || list->kind != IB_LIST || !make_room(list)) {
        ib__value_free(child);
        return false;
    }
    list->items[list->count++] = child;
    return true;
}

bool ib__value_append(ib_value *map, const char *key, ib_value *child) {
    char *copy = NULL;
    if (child == NULL || map == NULL || map->kind != IB_MAP || !make_room(map) ||
        (copy = strdup(key)) == NULL) {
        ib__value_free(child);
        return false;
    }
    map->keys[map->count] = copy;
    map->items[map->count++] = child;
    return true;
}

bool ib__value_set(ib_value *map, const char *key, ib_value *child) {
    if (child == NULL) return false;
    for (size_t i = 0; map != NULL && map->kind == IB_MAP && i < map->count; i++) {
        if (strcmp(map->keys[i], key) == 0) {
            ib__value_free(map->items[i]);
            map->items[i] = child;
            return true;
        }
    }
    return ib__value_append(map, key, child);
}

ib_value *ib__value_copy(const ib_value *value) {
    ib_value *copy = new_value(value->kind);
    if (copy == NULL) return NULL;
    copy->line = value->line;
    copy->column = value->column;
    copy->boolean = value->boolean;
    copy->integer = value->integer;
    copy->real = value->real;
    bool good = value->string == NULL || (copy->string = strdup(value->string)) != NULL;
    for (size_t i = 0; good && i < value->count; i++) {
        ib_value *child = ib__value_copy(value->items[i]);
        good = value->kind == IB_MAP ? ib__value_append(copy, value->keys[i], child)
                                     : ib__value_add(copy, child);
    }
    if (!good) {
        ib__value_free(copy);
        return NULL;
    }
    return copy;
}

/* Where the item at the path is kept, or NULL. Keys may hold dots and brackets themselves, so all keys that
 * the path begins with are tried. */
static ib_value **find_place(ib_value *tree, const char *path) {
    if (tree->kind == IB_LIST) {
        char *end;
        if (path[0] != '[' || path[1] < '0' || path[1] > '9') return NULL;
        unsigned long index = strtoul(path + 1, &end, 10);
        if (*end != ']' || index >= tree->count) return NULL;
        end += end[1] == '.' ? 2 : 1;
        return *end == '\0' ? &tree->items[index] : find_place(tree->items[index], end);
    }
    for (size_t i = 0; tree->kind == IB_MAP && i < tree->count; i++) {
        size_t n = strlen(tree->keys[i]);
        if (strncmp(path, tree->keys[i], n) != 0) continue;
        if (path[n] == '\0') return &tree->items[i];
        if (path[n] != '.' && path[n] != '[') continue;
        ib_value **place = find_place(tree->items[i], path + n + (path[n] == '.'));
        if (place != NULL) return place;
    }
    return NULL;
}

bool ib__value_put(ib_value *tree, const char *path, ib_value *child) {
    ib_value **place = tree == NULL || child == NULL ? NULL : find_place(tree, path);
    if (place == NULL) {
        ib__value_free(child);
        return false;
    }
    ib__value_free(*place);
    *place = child;
    return true;
}

const ib_value *ib__value_path(const ib_value *tree, const char *path) {
    ib_value **place = tree == NULL ? NULL : find_place((ib_value *)(uintptr_t)tree, path);
    return place == NULL ? NULL : *place;
}

ib_value *ib__value_get(const ib_value *map, const char *key) {
    if (map == NULL || map->kind != IB_MAP) return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->keys[i], key) == 0) return map->items[i];
    return NULL;
}

ib_value *ib__value_take(ib_value *map, const char *key) {
    if (map == NULL || map->kind != IB_MAP) return NULL;
    for (size_t i = 0; i < map->count; i++) {
        if (strcmp(map->keys[i], key) != 0) continue;
        ib_value *taken = map->items[i];
        free(map->keys[i]);
        map->count--;
        memmove(&map->keys[i], &map->keys[i + 1], (map->count - i) * sizeof *map->keys);
        memmove(&map->items[i], &map->items[i + 1], (map->count - i) * sizeof *map->items);
        return taken;
    }
    return NULL;
}

ib_value *ib__value_at(const ib_value *list, size_t index) {
    if (list == NULL || list->kind != IB_LIST || index >= list->count) return NULL;
    return list->items[index];
}

bool ib__value_is(const ib_value *value, ib_kind kind) {
    return value != NULL && value->kind == kind;
}

bool ib__value_is_string(const ib_value *value, const char *text) {
    return ib__value_is(value, IB_STRING) && strcmp(value->string, text) == 0;
}

bool ib__value_number(const ib_value *value, double *out) {
    if (!ib__value_is(value, IB_INT) && !ib__value_is(value, IB_REAL)) return false;
    *out = value->real;
    return true;
}

static bool children_equal(const ib_value *a, const ib_value *b) {
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++) {
        const ib_value *other = b->items[i];
        if (a->kind == IB_MAP && strcmp(a->keys[i], b->keys[i]) != 0) other = ib__value_get(b, a->keys[i]);
        if (!ib__value_equal(a->items[i], other)) return false;
    }
    return true;
}

/* Of reals -0.0 is not 0.0; any NaN equals any NaN. */
bool ib__value_equal(const ib_value *a, const ib_value *b) {
    if (a == NULL || b == NULL) return a == b;
    if (a->kind != b->kind) return false;
    switch (a->kind) {
    case IB_NULL:
        return true;
    case IB_BOOL:
        return a->boolean == b->boolean;
    case IB_INT:
        return a->integer == b->integer;
    case IB_REAL:
        if (a->real != a->real) return b->real != b->real;
        return a->real == b->real && signbit(a->real) == signbit(b->real);
    case IB_STRING:
        return strcmp(a->string, b->string) == 0;
    case IB_LIST:
    case IB_MAP:
        return children_equal(a, b);
    }
    return false;
}

const char *ib__kind_name(ib_kind kind) {
    static const char *const names[] = {
        [IB_NULL] = "null",   [IB_BOOL] = "a boolean", [IB_INT] = "an integer", [IB_REAL] = "a number",
        [IB_STRING] = "text", [IB_LIST] = "a list",    [IB_MAP] = "a map"};
    return names[kind];
}
