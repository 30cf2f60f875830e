/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a Keras config by a table of fields.
 */
#include "layers/settings.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "layers/layer.h"

enum { FIELDS_MAX = 64 };

static bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

static bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}

static char lower(char c) {
    return is_upper(c) ? (char)(c + ('a' - 'A')) : c;
}

/* Keras's to_snake_case: an underscore before a capital that is followed by a small letter or preceded by
 * one. */
void ib__snake_case(char *out, size_t size, const char *class_name) {
    size_t n = 0;
    /* Keras exports one class under another name than its own. */
    if (strcmp(class_name, "GroupQueryAttention") == 0) class_name = "GroupedQueryAttention";
    for (const char *p = class_name; *p && n + 2 < size; p++) {
        if (p > class_name && is_upper(*p) && (is_lower(p[1]) || is_lower(p[-1]))) out[n++] = '_';
        out[n++] = lower(*p);
    }
    out[n] = '\0';
}

void ib__member_group(char *out, size_t size, const char *folder, const ib_value *members, size_t at,
                      const char *class_name) {
    char snake[128];
    size_t before = 0;
    for (size_t i = 0; i < at; i++)
        before += ib__value_is_string(ib__value_get(members->items[i], "class_name"), class_name);
    ib__snake_case(snake, sizeof snake, class_name);
    (void)snprintf(out, size, before ? "%s/%s_%zu" : "%s/%s", folder, snake, before);
}

bool ib__name_means(const char *name, const char *class_name) {
    char snake[128];
    size_t i = 0;
    while (name[i] && lower(name[i]) == lower(class_name[i]))
        i++;
    ib__snake_case(snake, sizeof snake, class_name);
    return (!name[i] && !class_name[i]) || strcmp(name, snake) == 0;
}

void ib__value_describe(char out[64], const ib_value *value) {
    char number[32];
    switch (value ? value->kind : IB_NULL) {
    case IB_NULL:
        snprintf(out, 64, "null");
        break;
    case IB_BOOL:
        snprintf(out, 64, "%s", value->boolean ? "true" : "false");
        break;
    case IB_INT:
        snprintf(out, 64, "%lld", (long long)value->integer);
        break;
    case IB_REAL:
        ib__double_print(number, value->real);
        snprintf(out, 64, "%s", number);
        break;
    case IB_STRING:
        snprintf(out, 64, "\"%.50s\"", value->string);
        break;
    default:
        snprintf(out, 64, "%s of %zu", ib__kind_name(value->kind), value->count);
        break;
    }
}

static ib_status refuse(const ib_value *value, const char *where, const char *expected, ib_error *err) {
    char found[64];
    ib__value_describe(found, value);
    return ib__fail(err, IB_BAD_INPUT, where, "expected %s, found %s", expected, found);
}

/* 3 and not 3.0 */
static void print_bound(char out[32], double bound) {
    ib__double_print(out, bound);
    size_t n = strlen(out);
    if (n > 2 && strcmp(out + n - 2, ".0") == 0) out[n - 2] = '\0';
}

/* "an integer from 1 to 4", "a number of 0 or more". */
static void describe_range(char out[96], const char *what, double low, double high) {
    char a[32], b[32];
    print_bound(a, low);
    print_bound(b, high);
    if (high >= 0x1p31)
        snprintf(out, 96, "%s of %s or more", what, a);
    else
        snprintf(out, 96, "%s from %s to %s", what, a, b);
}

static ib_status check_key(const char *key, const ib_field *fields, size_t n, const char *where,
                           ib_error *err) {
    const char *names[FIELDS_MAX];
    for (size_t i = 0; i < n; i++) {
        if (strcmp(key, fields[i].key) == 0) return IB_OK;
        names[i] = fields[i].key;
    }
    const char *near = ib__nearest(key, names, n);
    if (near)
        return ib__fail(err, IB_BAD_INPUT, where, "unknown key \"%.60s\"; did you mean \"%s\"?", key, near);
    return ib__fail(err, IB_BAD_INPUT, where, "unknown key \"%.60s\"", key);
}

static ib_status read_field(void *settings, const ib_field *field, const ib_value *config, const char *where,
                            ib_value *completed, ib_error *err) {
    if (ib__value_get(completed, field->key))
        return IB_OK; /* a key of all layers and of this one stands first */
    char place[256];
    snprintf(place, sizeof place, "%s%s%s", where, *where ? ", " : "", field->key);
    const ib_value *given = ib__value_get(config, field->key);
    ib_value *fallback = NULL, *canonical = NULL;
    ib_status status = IB_OK;
    if (!given) {
        if (!field->fallback) return ib__fail(err, IB_BAD_INPUT, where, "\"%s\" is missing", field->key);
        status = ib__json_parse(&fallback, field->fallback, strlen(field->fallback), place, err);
        if (status != IB_OK) return status;
        given = fallback;
    }
    char *out = settings;
    status = field->read(field, given, place, out ? out + field->offset : NULL, &canonical, err);
    if (status == IB_OK && !canonical && !(canonical = ib__value_copy(given))) status = ib__fail_memory(err);
    if (status == IB_OK && field->omit_null && canonical->kind == IB_NULL) {
        ib__value_free(canonical);
        canonical = NULL;
    } else if (status == IB_OK) {
        if (!ib__value_append(completed, field->key, canonical)) status = ib__fail_memory(err);
        canonical = NULL;
    }
    ib__value_free(canonical);
    ib__value_free(fallback);
    return status;
}

ib_status ib__settings_read(void *settings, const ib_field *fields, size_t n, const ib_value *config,
                            const char *where, ib_value **completed, ib_error *err) {
    *completed = NULL;
    if (n > FIELDS_MAX) return ib__fail(err, IB_INTERNAL, where, "too many fields");
    if (config && config->kind == IB_NULL) config = NULL;
    if (config && config->kind != IB_MAP) return refuse(config, where, "a map of settings", err);
    for (size_t i = 0; config && i < config->count; i++) {
        ib_status status = check_key(config->keys[i], fields, n, where, err);
        if (status != IB_OK) return status;
    }
    ib_value *map = ib__value_map();
    if (!map) return ib__fail_memory(err);
    for (size_t i = 0; i < n; i++) {
        ib_status status = read_field(settings, &fields[i], config, where, map, err);
        if (status != IB_OK) {
            ib__value_free(map);
            return status;
        }
    }
    *completed = map;
    return IB_OK;
}

ib_status ib__read_bool(const ib_field *field, const ib_value *value, const char *where, void *out,
                        ib_value **canonical, ib_error *err) {
    (void)field, (void)canonical;
    if (value->kind != IB_BOOL) return refuse(value, where, "true or false", err);
    *(bool *)out = value->boolean;
    return IB_OK;
}

ib_status ib__read_int(const ib_field *field, const ib_value *value, const char *where, void *out,
                       ib_value **canonical, ib_error *err) {
    (void)canonical;
    if (value->kind != IB_INT || (double)value->integer < field->low ||
        (double)value->integer > field->high) {
        char expected[96];
        describe_range(expected, "an integer", field->low, field->high);
        return refuse(value, where, expected, err);
    }
    *(int64_t *)out = value->integer;
    return IB_OK;
}

ib_status ib__read_optional_int(const ib_field *field, const ib_value *value, const char *where, void *out,
                                ib_value **canonical, ib_error *err) {
    if (value->kind != IB_NULL) return ib__read_int(field, value, where, out, canonical, err);
    *(int64_t *)out = -1;
    return IB_OK;
}

ib_status ib__read_real(const ib_field *field, const ib_value *value, const char *where, void *out,
                        ib_value **canonical, ib_error *err) {
    (void)canonical;
    double x;
    if (!ib__value_number(value, &x) || !(x >= field->low && x <= field->high)) {
        char expected[96];
        describe_range(expected, "a number", field->low, field->high);
        return refuse(value, where, expected, err);
    }
    *(double *)out = x;
    return IB_OK;
}

ib_status ib__read_optional_real(const ib_field *field, const ib_value *value, const char *where, void *out,
                                 ib_value **canonical, ib_error *err) {
    if (value->kind != IB_NULL) return ib__read_real(field, value, where, out, canonical, err);
    *(double *)out = (double)NAN;
    return IB_OK;
}

ib_status ib__read_choice(const ib_field *field, const ib_value *value, const char *where, void *out,
                          ib_value **canonical, ib_error *err) {
    (void)canonical;
    const char *at = field->choices;
    size_t length = value->kind == IB_STRING ? strlen(value->string) : 0;
    for (int index = 0; length && *at; index++) {
        size_t n = strcspn(at, " ");
        if (n == length && strncmp(at, value->string, n) == 0) {
            *(int *)out = index;
            return IB_OK;
        }
        at += n + (at[n] == ' ');
    }
    char expected[160];
    snprintf(expected, sizeof expected, "one of: %s", field->choices);
    return refuse(value, where, expected, err);
}

/* int64_t[n] from an integer or a list of n; written as a list. */
static ib_status read_several(const ib_field *field, const ib_value *value, const char *where, size_t n,
                              const char *number, int64_t *out, ib_value **canonical, ib_error *err) {
    bool good = value->kind == IB_INT || (value->kind == IB_LIST && value->count == n);
    for (size_t i = 0; good && i < n; i++) {
        const ib_value *item = value->kind == IB_INT ? value : value->items[i];
        good = item->kind == IB_INT && (double)item->integer >= field->low &&
               (double)item->integer <= field->high;
        if (good) out[i] = item->integer;
    }
    if (!good) {
        char range[96], expected[128];
        describe_range(range, "an integer", field->low, field->high);
        snprintf(expected, sizeof expected, "%s, or a list of %s", range, number);
        return refuse(value, where, expected, err);
    }
    if (value->kind == IB_LIST) return IB_OK;
    *canonical = ib__value_list();
    for (size_t i = 0; i < n; i++)
        if (!ib__value_add(*canonical, ib__value_int(out[i]))) return ib__fail_memory(err);
    return IB_OK;
}

ib_status ib__read_pair(const ib_field *field, const ib_value *value, const char *where, void *out,
                        ib_value **canonical, ib_error *err) {
    return read_several(field, value, where, 2, "two", out, canonical, err);
}

ib_status ib__read_triple(const ib_field *field, const ib_value *value, const char *where, void *out,
                          ib_value **canonical, ib_error *err) {
    return read_several(field, value, where, 3, "three", out, canonical, err);
}

ib_status ib__read_name(const ib_field *field, const ib_value *value, const char *where, void *out,
                        ib_value **canonical, ib_error *err) {
    (void)field, (void)out, (void)canonical;
    if (value->kind != IB_STRING || !*value->string) return refuse(value, where, "a name", err);
    if (strlen(value->string) > 250) return refuse(value, where, "a name of at most 250 bytes", err);
    return IB_OK;
}

ib_status ib__read_optional_text(const ib_field *field, const ib_value *value, const char *where, void *out,
                                 ib_value **canonical, ib_error *err) {
    (void)field, (void)out, (void)canonical;
    if (value->kind == IB_STRING || value->kind == IB_NULL) return IB_OK;
    return refuse(value, where, "text or null", err);
}

ib_status ib__read_flag(const ib_field *field, const ib_value *value, const char *where, void *out,
                        ib_value **canonical, ib_error *err) {
    (void)field, (void)out, (void)canonical;
    return value->kind == IB_BOOL ? IB_OK : refuse(value, where, "true or false", err);
}

ib_status ib__read_anything(const ib_field *field, const ib_value *value, const char *where, void *out,
                            ib_value **canonical, ib_error *err) {
    (void)field, (void)value, (void)where, (void)out, (void)canonical, (void)err;
    return IB_OK;
}

ib_status ib__read_null(const ib_field *field, const ib_value *value, const char *where, void *out,
                        ib_value **canonical, ib_error *err) {
    (void)out, (void)canonical;
    if (value->kind == IB_NULL || (value->kind == IB_BOOL && !value->boolean)) return IB_OK;
    char found[64];
    ib__value_describe(found, value);
    return ib__fail(err, IB_UNSUPPORTED, where, "%s is not supported yet, found %s", field->key, found);
}

/* The name of a dtype given as text, as {"name": ...} or as a serialized DTypePolicy. A model of float64 is
 * read as one of float32. */
static const char *dtype_name(const ib_value *value) {
    if (!value || value->kind == IB_NULL) return "float32";
    const ib_value *config = ib__value_get(value, "config");
    const ib_value *name = value->kind == IB_STRING ? value : ib__value_get(config ? config : value, "name");
    if (!ib__value_is(name, IB_STRING)) return NULL;
    return strcmp(name->string, "float64") == 0 ? "float32" : name->string;
}

/* The policies that are supported, in the order of ib_format. */
static const char *const policies[] = {"float32", "mixed_bfloat16", "mixed_float16"};
enum { POLICIES = sizeof policies / sizeof *policies };

/* n: how many of the policies are allowed. */
static ib_status check_dtype(const ib_value *value, size_t n, const char *where, ib_error *err) {
    const char *name = dtype_name(value);
    const ib_value *class_name = ib__value_get(value, "class_name");
    if (ib__value_is(class_name, IB_STRING) && strcmp(class_name->string, "DTypePolicy") != 0 &&
        strcmp(class_name->string, "FloatDTypePolicy") != 0)
        return ib__fail(err, IB_UNSUPPORTED, where, "%.60s is not supported, only DTypePolicy",
                        class_name->string);
    if (!name) return refuse(value, where, "a dtype", err);
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, policies[i]) == 0) return IB_OK;
    if (n == 1)
        return ib__fail(err, IB_UNSUPPORTED, where, "dtype \"%.60s\" is not supported yet, only float32",
                        name);
    const char *near = ib__nearest(name, policies, n);
    return ib__fail(err, IB_UNSUPPORTED, where,
                    "dtype \"%.60s\" is not supported, only float32, mixed_bfloat16 and mixed_float16%s%s",
                    name, near ? "; nearest is " : "", near ? near : "");
}

ib_format ib__policy_format(const ib_value *dtype) {
    const char *name = dtype_name(dtype);
    for (size_t i = 0; name && i < POLICIES; i++)
        if (strcmp(name, policies[i]) == 0) return (ib_format)i;
    return IB_FORMAT_F32;
}

ib_status ib__read_dtype(const ib_field *field, const ib_value *value, const char *where, void *out,
                         ib_value **canonical, ib_error *err) {
    (void)field, (void)out;
    ib_status status = check_dtype(value, POLICIES, where, err);
    if (status != IB_OK) return status;
    ib_value *config = ib__value_map();
    if (!ib__value_set(config, "name", ib__value_string(dtype_name(value)))) {
        ib__value_free(config);
        return ib__fail_memory(err);
    }
    *canonical = ib__serialized("keras", "DTypePolicy", config);
    return *canonical ? IB_OK : ib__fail_memory(err);
}

ib_status ib__read_dtype_text(const ib_field *field, const ib_value *value, const char *where, void *out,
                              ib_value **canonical, ib_error *err) {
    (void)field, (void)out;
    ib_status status = check_dtype(value, 1, where, err);
    if (status != IB_OK) return status;
    *canonical = ib__value_string("float32");
    return *canonical ? IB_OK : ib__fail_memory(err);
}

ib_value *ib__serialized(const char *module, const char *class_name, ib_value *config) {
    ib_value *map = ib__value_map();
    bool good = ib__value_set(map, "module", ib__value_string(module)) &&
                ib__value_set(map, "class_name", ib__value_string(class_name));
    if (!good) ib__value_free(config);
    good = good && ib__value_set(map, "config", config) &&
           ib__value_set(map, "registered_name", ib__value_null());
    if (good) return map;
    ib__value_free(map);
    return NULL;
}

ib_status ib__serialized_parts(const ib_value *value, const char *kind, const char *where, const char **name,
                               const ib_value **config, ib_error *err) {
    *config = NULL;
    if (ib__value_is(value, IB_STRING)) {
        *name = value->string;
        return IB_OK;
    }
    const ib_value *class_name = ib__value_get(value, "class_name");
    if (ib__value_is(class_name, IB_STRING)) {
        *name = class_name->string;
        *config = ib__value_get(value, "config");
        return IB_OK;
    }
    if (ib__value_is(value, IB_MAP) && value->count == 1 && !class_name) {
        *name = value->keys[0];
        *config = value->items[0];
        return IB_OK;
    }
    char expected[96];
    snprintf(expected, sizeof expected, "%s by name or as {class_name, config}", kind);
    return refuse(value, where, expected, err);
}

static const ib_named *named_at(const void *rows, size_t size, size_t i) {
    return (const ib_named *)(const void *)((const char *)rows + i * size);
}

ib_status ib__named_find(const void *rows, size_t n, size_t size, const char *kind, const ib_value *value,
                         const char *where, const void **row, const ib_value **config, ib_error *err) {
    enum { MOST = 64 };
    const char *name, *names[MOST];
    *row = NULL;
    if (n > MOST) return ib__fail(err, IB_INTERNAL, where, "too many classes");
    ib_status status = ib__serialized_parts(value, kind, where, &name, config, err);
    if (status != IB_OK) return status;
    for (size_t i = 0; i < n; i++) {
        const ib_named *named = named_at(rows, size, i);
        names[i] = named->name;
        if (ib__name_means(name, named->name) || (named->alias && strcmp(name, named->alias) == 0)) {
            *row = named;
            return IB_OK;
        }
    }
    const char *near = ib__nearest(name, names, n);
    return ib__fail(err, IB_BAD_INPUT, where, "unknown %s \"%.60s\"%s%s", strchr(kind, ' ') + 1, name,
                    near ? "; nearest is " : "", near ? near : "");
}

ib_status ib__named_read(const void *row, const char *module, const ib_value *config, const char *where,
                         void *settings, ib_value **canonical, ib_error *err) {
    const ib_named *named = row;
    ib_value *completed;
    ib_status status =
        ib__settings_read(settings, named->fields, named->n_fields, config, where, &completed, err);
    if (status != IB_OK) return status;
    *canonical = ib__serialized(module, named->name, completed);
    return *canonical ? IB_OK : ib__fail_memory(err);
}
