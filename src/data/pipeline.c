/* SPDX-License-Identifier: Apache-2.0
 *
 * From a list of verbs to stages: arguments read and checked.
 */
#include "data/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "data/map.h"
#include "data/verbs.h"

#define LARGEST (INT64_C(1) << 53)
#define BUFFER_MAX (INT64_C(1) << 31)
#define BATCH_MAX (INT64_C(1) << 24)
#define WINDOW_MAX (INT64_C(1) << 20)

/* A verb that is being added. */
typedef struct adding {
    ib_pipeline *pipeline;
    ib_entry q;       /* its arguments; place "data.train.pipeline[2].shuffle" */
    const char *path; /* "data.train/shuffle": names its random streams */
} adding;

typedef struct verb {
    const char *name, *main; /* main: the argument of the short form, shuffle: 1000 */
    const char *arguments[5];
    bool samples; /* only before batch */
    bool raw;     /* reads its argument itself */
    ib_status (*add)(adding *a);
} verb;

/* The stage is made, or there was no memory. */
static ib_status put(adding *a, ib_stage *s) {
    a->pipeline->stage = s;
    return s != NULL ? IB_OK : ib__fail_memory(a->q.err);
}

/* Null is no argument: a count that is left at 0 would divide or take nothing. */
static ib_status need(const adding *a, const char *key) {
    const ib_value *value = ib__value_get(a->q.map, key);
    if (value != NULL && value->kind != IB_NULL) return IB_OK;
    return ib__entry_fail(&a->q, value, "", "the argument '%s' is missing", key);
}

/* An argument that must be there. */
static ib_status get(const adding *a, const char *key, int64_t low, int64_t high, int64_t *out) {
    ib_status status = need(a, key);
    return status == IB_OK ? ib__entry_count(&a->q, key, low, high, out) : status;
}

static ib_status add_cache(adding *a) {
    return put(a, ib__stage_cache(a->pipeline->stage, a->q.memory));
}

static ib_status add_shuffle(adding *a) {
    int64_t size = 0, seed = -1;
    bool again = true;
    ib_status status = get(a, "buffer_size", 1, BUFFER_MAX, &size);
    if (status == IB_OK) status = ib__entry_count(&a->q, "seed", 0, LARGEST, &seed);
    if (status == IB_OK) status = ib__entry_flag(&a->q, "reshuffle_each_iteration", &again);
    if (status != IB_OK) return status;
    ib_stream stream =
        seed >= 0 ? ib__stream((uint64_t)seed, "data", "shuffle") : ib__stream(a->q.seed, a->path, "shuffle");
    return put(a, ib__stage_shuffle(a->pipeline->stage, (size_t)size, &stream, again));
}

static ib_status add_repeat(adding *a) {
    int64_t count = -1;
    ib_status status = ib__entry_count(&a->q, "count", -1, LARGEST, &count);
    if (status != IB_OK) return status;
    uint64_t n = count < 0 ? IB_COUNT_INFINITE : (uint64_t)count;
    return put(a, ib__stage_repeat(a->pipeline->stage, n));
}

/* -1 takes all, and skips all. */
static ib_status add_take(adding *a) {
    int64_t count = 0;
    ib_status status = get(a, "count", -1, LARGEST, &count);
    if (status != IB_OK || count < 0) return status;
    return put(a, ib__stage_take(a->pipeline->stage, (uint64_t)count));
}

static ib_status add_skip(adding *a) {
    int64_t count = 0;
    ib_status status = get(a, "count", -1, LARGEST, &count);
    if (status != IB_OK) return status;
    if (count < 0) return put(a, ib__stage_take(a->pipeline->stage, 0));
    return put(a, ib__stage_skip(a->pipeline->stage, (uint64_t)count));
}

static ib_status add_shard(adding *a) {
    int64_t n = 0, index = 0;
    ib_status status = get(a, "num_shards", 1, LARGEST, &n);
    if (status == IB_OK) status = get(a, "index", 0, n - 1, &index);
    return status == IB_OK ? put(a, ib__stage_shard(a->pipeline->stage, (uint64_t)n, (uint64_t)index))
                           : status;
}

/* One more dimension must be allowed, and n elements must be a size that can be had. */
static ib_status check_stack(const adding *a, int64_t n) {
    const ib_stage *s = a->pipeline->stage;
    for (size_t i = 0; i < s->n_fields; i++) {
        const ib_data_field *f = &s->fields[i];
        if (f->shape.rank == IB_RANK_MAX)
            return ib__entry_fail(&a->q, NULL, "",
                                  "expected fields of at most %d dimensions, found %s with %d",
                                  IB_RANK_MAX - 1, f->name, f->shape.rank);
        ib_data_field stacked = {f->name, f->dtype, {.rank = f->shape.rank + 1, .dims = {n}}};
        memcpy(stacked.shape.dims + 1, f->shape.dims, (size_t)f->shape.rank * sizeof(int64_t));
        if (ib__shape_elements(&stacked.shape) < 0)
            return ib__entry_fail(&a->q, NULL, "", "%lld times %s is too much", (long long)n, f->name);
    }
    return IB_OK;
}

static ib_status add_batch(adding *a) {
    int64_t size = 0;
    bool drop = false;
    ib_status status = get(a, "batch_size", 1, BATCH_MAX, &size);
    if (status == IB_OK) status = ib__entry_flag(&a->q, "drop_remainder", &drop);
    if (status == IB_OK) status = check_stack(a, size);
    return status == IB_OK ? put(a, ib__stage_batch(a->pipeline->stage, (size_t)size, drop)) : status;
}

static ib_status add_window(adding *a) {
    int64_t size = 0, shift = -1, stride = 1;
    bool drop = true;
    ib_status status = get(a, "size", 1, WINDOW_MAX, &size);
    if (status == IB_OK) status = ib__entry_count(&a->q, "shift", 1, WINDOW_MAX, &shift);
    if (status == IB_OK) status = ib__entry_count(&a->q, "stride", 1, WINDOW_MAX, &stride);
    if (status == IB_OK) status = ib__entry_flag(&a->q, "drop_remainder", &drop);
    if (status == IB_OK && !drop)
        status = ib__entry_fail(&a->q, ib__value_get(a->q.map, "drop_remainder"), "drop_remainder",
                                "expected true: all elements of a pipeline have the same shape");
    if (status == IB_OK) status = check_stack(a, size);
    if (status != IB_OK) return status;
    return put(a, ib__stage_window(a->pipeline->stage, (size_t)size, (size_t)(shift < 0 ? size : shift),
                                   (size_t)stride));
}

static ib_status add_prefetch(adding *a) {
    return get(a, "buffer_size", 0, 1024, &a->pipeline->prefetch);
}

/* ---- filter: {FIELD: {less: 5}, ...} ---- */

static const char *const relations[IB_RELATIONS] = {"equal",   "not_equal",     "less", "less_equal",
                                                    "greater", "greater_equal", "is_in"};

static ib_status find_field(const adding *a, const char *name, const ib_value *at, size_t *out) {
    const ib_stage *s = a->pipeline->stage;
    const char *names[IB_DATA_FIELDS_MAX];
    *out = ib__data_field_find(s->fields, s->n_fields, name);
    if (*out != SIZE_MAX) return IB_OK;
    ib_buf text = {0};
    for (size_t i = 0; i < s->n_fields; i++) {
        names[i] = s->fields[i].name;
        ib__buf_printf(&text, "%s%s", i > 0 ? ", " : "", names[i]);
    }
    const char *near = ib__nearest(name, names, s->n_fields);
    ib_status status =
        text.failed
            ? ib__fail_memory(a->q.err)
            : ib__entry_fail(&a->q, at, name, "no such field of the data%s%s; there are %s",
                             near != NULL ? ", did you mean " : "", near != NULL ? near : "", text.data);
    ib__buf_free(&text);
    return status;
}

/* A number, or a list of them for is_in, into values; *n: how many. */
static ib_status read_values(const adding *a, const ib_value *value, const char *key, bool list,
                             double *values, size_t room, size_t *n) {
    *n = list && value->kind == IB_LIST ? value->count : 1;
    if (*n == 0 || *n > room || (list && value->kind != IB_LIST))
        return ib__entry_fail(&a->q, value, key, "expected a list of 1 to %zu numbers", room);
    for (size_t i = 0; i < *n; i++) {
        const ib_value *v = list ? value->items[i] : value;
        if (v->kind == IB_BOOL)
            values[i] = v->boolean;
        else if (!ib__value_number(v, &values[i]))
            return ib__entry_fail(&a->q, v, key, "expected a number, found %s", ib__kind_name(v->kind));
    }
    return IB_OK;
}

#define CONDITIONS_MAX 32
#define VALUES_MAX 4096

typedef struct conditions {
    ib_condition list[CONDITIONS_MAX];
    double values[VALUES_MAX];
    size_t n, used;
} conditions;

static ib_status add_relation(const adding *a, conditions *c, size_t field, const char *name,
                              const char *word, const ib_value *value) {
    ib_condition *condition = &c->list[c->n];
    ib_relation r = IB_EQUAL;
    while (r < IB_RELATIONS && strcmp(relations[r], word) != 0)
        r++;
    if (r == IB_RELATIONS) {
        const char *near = ib__nearest(word, relations, IB_RELATIONS);
        return ib__entry_fail(&a->q, value, name, "'%s' is no condition, %s%s", word,
                              near != NULL ? "did you mean "
                                           : "expected equal, not_equal, less, less_equal, "
                                             "greater, greater_equal or is_in",
                              near != NULL ? near : "");
    }
    if (c->n == CONDITIONS_MAX) return ib__entry_fail(&a->q, value, name, "too many conditions");
    *condition = (ib_condition){.field = field, .relation = r, .values = c->values + c->used};
    ib_status status =
        read_values(a, value, name, r == IB_IS_IN, c->values + c->used, VALUES_MAX - c->used, &condition->n);
    c->used += condition->n;
    c->n += status == IB_OK;
    return status;
}

static ib_status read_conditions(const adding *a, conditions *c) {
    const ib_value *map = a->q.map;
    if (map->count == 0) return ib__entry_fail(&a->q, map, "", "expected {FIELD: {less: 5}}, found nothing");
    for (size_t i = 0; i < map->count; i++) {
        const ib_value *inner = map->items[i];
        const char *name = map->keys[i];
        size_t field;
        ib_status status = find_field(a, name, inner, &field);
        if (status != IB_OK) return status;
        if (ib__shape_elements(&a->pipeline->stage->fields[field].shape) != 1)
            return ib__entry_fail(&a->q, inner, name, "expected a field that is one number");
        if (a->pipeline->stage->fields[field].dtype == IB_TEXT)
            return ib__entry_fail(&a->q, inner, name, "expected a field of numbers, found texts");
        if (inner->kind != IB_MAP || inner->count == 0)
            return ib__entry_fail(&a->q, inner, name, "expected conditions such as {less: 5}, found %s",
                                  ib__kind_name(inner->kind));
        for (size_t k = 0; k < inner->count && status == IB_OK; k++)
            status = add_relation(a, c, field, name, inner->keys[k], inner->items[k]);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

static ib_status add_filter(adding *a) {
    conditions *c = calloc(1, sizeof *c);
    ib_status status = c == NULL ? ib__fail_memory(a->q.err) : read_conditions(a, c);
    if (status == IB_OK) status = put(a, ib__stage_filter(a->pipeline->stage, c->list, c->n));
    free(c);
    return status;
}

static ib_status add_map(adding *a) {
    ib_mapping *list = NULL;
    size_t n;
    ib_status status = ib__mappings_read(&list, &n, &a->q, a->pipeline->stage, a->path);
    if (status != IB_OK) return status;
    return put(a, ib__stage_map(a->pipeline->stage, list, n, a->pipeline->kernels, a->q.seed));
}

/* ---- Verbs ---- */

static const verb verbs[] = {
    {"cache", NULL, {NULL}, false, false, add_cache},
    {"filter", NULL, {NULL}, true, true, add_filter},
    {"map", NULL, {NULL}, false, true, add_map},
    {"shuffle",
     "buffer_size",
     {"buffer_size", "seed", "reshuffle_each_iteration"},
     false,
     false,
     add_shuffle},
    {"repeat", "count", {"count"}, false, false, add_repeat},
    {"batch", "batch_size", {"batch_size", "drop_remainder"}, true, false, add_batch},
    {"prefetch", "buffer_size", {"buffer_size"}, false, false, add_prefetch},
    {"take", "count", {"count"}, false, false, add_take},
    {"skip", "count", {"count"}, false, false, add_skip},
    {"shard", NULL, {"num_shards", "index"}, false, false, add_shard},
    {"window", "size", {"size", "shift", "stride", "drop_remainder"}, true, false, add_window},
};
#define N_VERBS (sizeof verbs / sizeof *verbs)

static const verb *find_verb(const char *name) {
    for (size_t i = 0; i < N_VERBS; i++)
        if (strcmp(verbs[i].name, name) == 0) return &verbs[i];
    return NULL;
}

static ib_status fail_verb(const ib_entry *q, const ib_value *at, const char *key, const char *name) {
    const char *names[N_VERBS];
    ib_buf text = {0};
    for (size_t i = 0; i < N_VERBS; i++) {
        names[i] = verbs[i].name;
        ib__buf_printf(&text, "%s%s", i > 0 ? ", " : "", names[i]);
    }
    const char *near = ib__nearest(name, names, N_VERBS);
    ib_status status =
        text.failed    ? ib__fail_memory(q->err)
        : near != NULL ? ib__entry_fail(q, at, key, "'%s' is no verb, did you mean %s?", name, near)
                       : ib__entry_fail(q, at, key, "'%s' is no verb, expected one of %s", name, text.data);
    ib__buf_free(&text);
    return status;
}

/* shuffle: 1000 means shuffle: {buffer_size: 1000}; NULL: no memory. */
static ib_value *arguments_of(const verb *v, const ib_value *given) {
    if (ib__value_is(given, IB_MAP) || (v->raw && given != NULL)) return ib__value_copy(given);
    ib_value *map = ib__value_map();
    bool bare = given == NULL || given->kind == IB_NULL || v->main == NULL;
    if (map != NULL && !bare && !ib__value_set(map, v->main, ib__value_copy(given))) {
        ib__value_free(map);
        map = NULL;
    }
    return map;
}

static ib_status add_verb(ib_pipeline *p, const ib_entry *q, const verb *v, const ib_value *item,
                          const ib_value *given, const char *key, size_t before) {
    char place[128], path[160], number[24] = "";
    size_t n = 0;
    snprintf(place, sizeof place, "%.60s.%s.%s", q->place, key, v->name);
    if (before > 0) snprintf(number, sizeof number, "_%zu", before);
    snprintf(path, sizeof path, "%.100s/%s%s", q->place, v->name, number);
    adding a = {p, *q, path};
    a.q.place = place;
    a.q.map = item;
    while (v->arguments[n] != NULL)
        n++;
    if (v->samples && p->stage->samples > 0)
        return ib__entry_fail(&a.q, item, "", "expected to stand before batch");
    if (!v->raw && v->main == NULL && given != NULL && given->kind != IB_MAP && given->kind != IB_NULL)
        return ib__entry_fail(&a.q, given, "", "expected a map of arguments, found %s",
                              ib__kind_name(given->kind));
    ib_value *map = arguments_of(v, given);
    if (map == NULL) return ib__fail_memory(q->err);
    if (!v->raw) {
        map->line = item->line;
        map->column = item->column;
    }
    a.q.map = map;
    ib_status status = v->raw ? IB_OK : ib__entry_check(&a.q, v->arguments, n, NULL, 0);
    if (status == IB_OK) status = v->add(&a);
    ib__value_free(map);
    return status;
}

/* How often the verb stands before item `end`: its streams are named by that, so that other verbs can come
 * and go. */
static size_t count_before(const ib_value *list, size_t end, const char *name) {
    size_t n = 0;
    for (size_t i = 0; i < end; i++) {
        const ib_value *item = list->items[i];
        n += ib__value_is_string(item, name) ||
             (item->kind == IB_MAP && item->count == 1 && strcmp(item->keys[0], name) == 0);
    }
    return n;
}

static ib_status add_item(ib_pipeline *p, const ib_entry *q, const ib_value *list, size_t i) {
    const ib_value *item = list->items[i];
    char key[32];
    snprintf(key, sizeof key, "pipeline[%zu]", i);
    bool bare = item->kind == IB_STRING;
    if (!bare && (item->kind != IB_MAP || item->count != 1))
        return ib__entry_fail(q, item, key, "expected a verb such as shuffle: {buffer_size: 1000}, found %s",
                              item->kind == IB_MAP ? "a map of several" : ib__kind_name(item->kind));
    const char *name = bare ? item->string : item->keys[0];
    const verb *v = find_verb(name);
    if (v == NULL) return fail_verb(q, item, key, name);
    return add_verb(p, q, v, item, bare ? NULL : item->items[0], key, count_before(list, i, name));
}

ib_status ib__pipeline_build(ib_pipeline *p, const ib_entry *q, const ib_value *list) {
    ib_status status = IB_OK;
    if (list->kind != IB_LIST)
        status = ib__entry_fail(q, list, "pipeline", "expected a list of verbs, found %s",
                                ib__kind_name(list->kind));
    for (size_t i = 0; status == IB_OK && i < list->count; i++)
        status = add_item(p, q, list, i);
    if (status == IB_OK) return IB_OK;
    ib__stage_free(p->stage);
    p->stage = NULL;
    return status;
}
