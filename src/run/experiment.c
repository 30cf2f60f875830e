/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading an experiment. Each map has a table of fields; what is not in the table is an error that names the
 * nearest field.
 */
#include "run/experiment.h"

#include <errno.h>
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/file.h"
#include "base/nearest.h"
#include "run/callbacks.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define FIELDS_MAX 16
#define LARGEST 9007199254740992.0 /* 2^53: integers up to here are exact as double, too */

/* fallback: JSON text of the default, NULL: none is filled in. Integers and numbers lie in [low, high]. */
typedef struct field {
    const char *key;
    ib_kind kind;
    bool required, may_be_null;
    double low, high;
    const char *fallback;
} field;

static const field top_fields[] = {
    {"isobit", IB_INT, true, false, 1, 1, NULL},
    {"name", IB_STRING, false, false, 0, 0, NULL},
    {"notes", IB_STRING, false, false, 0, 0, NULL},
    {"seed", IB_INT, false, true, 0, LARGEST, NULL},
    {"goal", IB_STRING, false, false, 0, 0, "\"bitwise\""},
    {"margins", IB_MAP, false, true, 0, 0, NULL},
    {"model", IB_MAP, true, false, 0, 0, NULL},
    {"initial_weights", IB_MAP, false, true, 0, 0, NULL},
    {"adapt", IB_LIST, false, true, 0, 0, NULL},
    {"compile", IB_MAP, false, false, 0, 0, NULL},
    {"data", IB_MAP, true, false, 0, 0, NULL},
    {"fit", IB_MAP, false, false, 0, 0, "{}"},
    {"callbacks", IB_LIST, false, true, 0, 0, NULL},
    {"checkpoint", IB_MAP, false, false, 0, 0, "{}"},
};
static const field compile_fields[] = {
    {"optimizer", IB_NULL, false, false, 0, 0, NULL},
    {"loss", IB_NULL, true, false, 0, 0, NULL},
    {"metrics", IB_LIST, false, true, 0, 0, NULL},
};
static const field data_fields[] = {
    {"train", IB_MAP, true, false, 0, 0, NULL},
    {"validation", IB_MAP, false, false, 0, 0, NULL},
    {"test", IB_MAP, false, false, 0, 0, NULL},
};
static const field initial_weights_fields[] = {
    {"as", IB_STRING, false, false, 0, 0, NULL},
    {"file", IB_STRING, false, false, 0, 0, NULL},
    {"seed", IB_INT, false, true, 0, LARGEST, NULL},
};
static const field fit_fields[] = {
    {"batch_size", IB_INT, false, false, 1, 1 << 24, "32"},
    {"epochs", IB_INT, false, false, 1, 1 << 30, "1"},
    {"shuffle", IB_BOOL, false, false, 0, 0, "true"},
    {"validation_split", IB_REAL, false, false, 0, 1, "0.0"},
    {"validation_batch_size", IB_INT, false, true, 1, 1 << 24, "null"},
    {"steps_per_epoch", IB_INT, false, true, 1, 1 << 30, "null"},
    {"lanes", IB_INT, false, true, 1, 1 << 16, "null"},
    {"record_every", IB_INT, false, true, 1, LARGEST, "null"},
    {"audit_every", IB_INT, false, true, 1, LARGEST, NULL},
    {"class_weight", IB_MAP, false, true, 0, 0, NULL},
};
static const field checkpoint_fields[] = {
    {"steps", IB_INT, false, true, 1, LARGEST, "null"},
    {"seconds", IB_REAL, false, true, 0, 1e9, "null"},
    {"keep", IB_INT, false, false, 0, 1000, "4"},
};
static const char *const weight_rules[] = {"isobit", "keras-tensorflow"};
static const char *const goals[] = {"bitwise", "functional", "documented"};

void ib__experiment_where(char out[256], const char *name, const ib_value *at, const char *place) {
    if (at != NULL && at->line > 0)
        snprintf(out, 256, "%.160s:%d:%d %.60s", name, at->line, at->column, place);
    else
        snprintf(out, 256, "%.160s%s%.60s", name, place[0] != '\0' ? " " : "", place);
}

/* A reader's place: the file, and the map within it ("fit."; "" at the top). */
typedef struct reader {
    const char *name, *prefix;
    ib_error *err;
} reader;

static ib_status fail_at(const reader *r, const ib_value *at, const char *key, const char *text) {
    char place[128], where[256];
    snprintf(place, sizeof place, "%s%s", r->prefix, key);
    ib__experiment_where(where, r->name, at, place);
    return ib__fail(r->err, IB_BAD_INPUT, where, "%s", text);
}

static const field *find_field(const char *key, const field *fields, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(key, fields[i].key) == 0) return &fields[i];
    return NULL;
}

static ib_status fail_unknown(const reader *r, const ib_value *at, const char *key, const field *fields,
                              size_t n) {
    const char *names[FIELDS_MAX] = {NULL};
    for (size_t i = 0; i < n; i++)
        names[i] = fields[i].key;
    const char *near = ib__nearest(key, names, n);
    char text[400];
    if (near != NULL) {
        snprintf(text, sizeof text, "unknown field, did you mean %s?", near);
    } else {
        int used = snprintf(text, sizeof text, "unknown field, expected one of");
        for (size_t i = 0; i < n; i++)
            used += snprintf(text + used, sizeof text - (size_t)used, " %s", names[i]);
    }
    return fail_at(r, at, key, text);
}

/* What was found, for messages: "found \"five\"", "found 0", "found a list". */
static void print_found(char out[96], const ib_value *value) {
    char number[32];
    if (value->kind == IB_STRING) {
        snprintf(out, 96, "found \"%.60s\"", value->string);
    } else if (value->kind == IB_INT) {
        snprintf(out, 96, "found %lld", (long long)value->integer);
    } else if (value->kind == IB_REAL) {
        ib__double_print(number, value->real);
        snprintf(out, 96, "found %s", number);
    } else {
        snprintf(out, 96, "found %s", ib__kind_name(value->kind));
    }
}

static bool kind_fits(const field *f, const ib_value *value) {
    if (strcmp(f->key, "shuffle") == 0 && ib__value_is_string(value, "batch")) return true;
    if (f->kind == IB_NULL) return value->kind == IB_STRING || value->kind == IB_MAP;
    if (f->kind == IB_REAL) return value->kind == IB_REAL || value->kind == IB_INT;
    return value->kind == f->kind;
}

static ib_status check_field(const reader *r, const field *f, const ib_value *value) {
    char text[320], found[96], low[32], high[32];
    if (value->kind == IB_NULL && f->may_be_null) return IB_OK;
    print_found(found, value);
    if (!kind_fits(f, value)) {
        const char *wanted = f->kind == IB_NULL ? "a name or a map" : ib__kind_name(f->kind);
        snprintf(text, sizeof text, "expected %s%s, %s", wanted, f->may_be_null ? " or null" : "", found);
        return fail_at(r, value, f->key, text);
    }
    if (f->kind != IB_INT && f->kind != IB_REAL) return IB_OK;
    if (value->real >= f->low && value->real <= f->high) return IB_OK;
    snprintf(low, sizeof low, "%.0f", f->low);
    snprintf(high, sizeof high, "%.0f", f->high);
    snprintf(text, sizeof text, "expected %s from %s to %s, %s", ib__kind_name(f->kind), low, high, found);
    return fail_at(r, value, f->key, text);
}

static ib_status check_map(const reader *r, const ib_value *map, const field *fields, size_t n) {
    for (size_t i = 0; i < map->count; i++) {
        const field *f = find_field(map->keys[i], fields, n);
        if (f == NULL) return fail_unknown(r, map->items[i], map->keys[i], fields, n);
        ib_status status = check_field(r, f, map->items[i]);
        if (status != IB_OK) return status;
    }
    for (size_t i = 0; i < n; i++)
        if (fields[i].required && ib__value_get(map, fields[i].key) == NULL)
            return fail_at(r, map, fields[i].key, "this field is required, found none");
    return IB_OK;
}

/* A new map with the fields in the order of the table and the defaults of those that are not there. NULL: no
 * memory. Numbers that Keras takes as float become reals, so that 0 and 0.0 are one experiment. */
static ib_value *complete(const ib_value *map, const field *fields, size_t n) {
    ib_value *out = ib__value_map();
    bool good = out != NULL;
    for (size_t i = 0; good && i < n; i++) {
        const ib_value *given = map == NULL ? NULL : ib__value_get(map, fields[i].key);
        ib_value *child = NULL;
        if (given != NULL && fields[i].kind == IB_REAL && given->kind == IB_INT)
            child = ib__value_real(given->real);
        else if (given != NULL)
            child = ib__value_copy(given);
        else if (fields[i].fallback == NULL)
            continue;
        else if (ib__json_parse(&child, fields[i].fallback, strlen(fields[i].fallback), "", NULL) != IB_OK)
            child = NULL;
        good = ib__value_set(out, fields[i].key, child);
    }
    if (good) return out;
    ib__value_free(out);
    return NULL;
}

static ib_status check_sections(const ib_value *tree, const char *name, ib_error *err) {
    reader r = {name, "", err};
    if (tree->kind != IB_MAP)
        return fail_at(&r, tree, "", "expected a map with the fields isobit, model, compile, data, fit");
    ib_status status = check_map(&r, tree, top_fields, COUNT(top_fields));
    if (status != IB_OK) return status;
    const ib_value *goal = ib__value_get(tree, "goal");
    bool known = goal == NULL;
    for (size_t i = 0; !known && i < COUNT(goals); i++)
        known = strcmp(goal->string, goals[i]) == 0;
    if (!known) {
        char text[160];
        const char *near = ib__nearest(goal->string, goals, COUNT(goals));
        snprintf(text, sizeof text, "expected bitwise, functional or documented, found \"%.40s\"%s%s",
                 goal->string, near != NULL ? ", did you mean " : "", near != NULL ? near : "");
        return fail_at(&r, goal, "goal", text);
    }
    const ib_value *margins = ib__value_get(tree, "margins");
    for (size_t i = 0; ib__value_is(margins, IB_MAP) && i < margins->count; i++) {
        double margin;
        reader inner = {name, "margins.", err};
        if (!ib__value_number(margins->items[i], &margin) || !(margin > 0))
            return fail_at(&inner, margins->items[i], margins->keys[i], "expected a number above 0");
    }
    const struct section {
        const char *key, *prefix;
        const field *fields;
        size_t n;
    } sections[] = {
        {"initial_weights", "initial_weights.", initial_weights_fields, COUNT(initial_weights_fields)},
        {"compile", "compile.", compile_fields, COUNT(compile_fields)},
        {"data", "data.", data_fields, COUNT(data_fields)},
        {"fit", "fit.", fit_fields, COUNT(fit_fields)},
        {"checkpoint", "checkpoint.", checkpoint_fields, COUNT(checkpoint_fields)}};
    for (size_t i = 0; status == IB_OK && i < COUNT(sections); i++) {
        const ib_value *map = ib__value_get(tree, sections[i].key);
        reader inner = {name, sections[i].prefix, err};
        if (map != NULL && map->kind != IB_NULL)
            status = check_map(&inner, map, sections[i].fields, sections[i].n);
    }
    return status;
}

ib_status ib__experiment_set_seed(ib_experiment *e, int64_t seed, bool drawn, ib_error *err) {
    e->seed = seed;
    e->seed_drawn = drawn;
    if (!ib__value_set(e->tree, "seed", ib__value_int(seed))) return ib__fail_memory(err);
    if (!e->weights_follow) return IB_OK;
    e->weights_seed = seed;
    ib_value *map = ib__value_get(e->tree, "initial_weights");
    return ib__value_set(map, "seed", ib__value_int(seed)) ? IB_OK : ib__fail_memory(err);
}

/* The program's, for experiments that give no seed; -1: none. */
static _Atomic int64_t program_seed = -1;

void ib__experiment_default_seed(int64_t seed) {
    program_seed = seed;
}

/* Without any seed the experiment is not a function of its file: one is drawn, shown and recorded. */
static ib_status take_seed(ib_experiment *e, ib_error *err) {
    const ib_value *given = ib__value_get(e->tree, "seed");
    if (ib__value_is(given, IB_INT)) {
        e->seed = given->integer;
        return IB_OK;
    }
    int64_t program = program_seed;
    if (program >= 0) return ib__experiment_set_seed(e, program, false, err);
    uint32_t drawn;
    if (getrandom(&drawn, sizeof drawn, 0) != (ssize_t)sizeof drawn)
        return ib__fail(err, IB_IO, e->name, "no seed is given and none can be drawn: %s", strerror(errno));
    return ib__experiment_set_seed(e, drawn, true, err);
}

static int64_t integer_or_zero(const ib_value *map, const char *key) {
    const ib_value *value = ib__value_get(map, key);
    return ib__value_is(value, IB_INT) ? value->integer : 0;
}

/* {class number: weight}; the classes come as keys. */
static ib_status take_class_weight(ib_experiment *e, const ib_value *map, ib_error *err) {
    reader r = {e->name, "fit.", err};
    if (!ib__value_is(map, IB_MAP)) return IB_OK;
    for (size_t i = 0; i < map->count; i++) {
        const char *key = map->keys[i];
        double weight;
        size_t digits = strspn(key, "0123456789");
        if (digits == 0 || key[digits] != '\0' || digits > 9)
            return fail_at(&r, map->items[i], "class_weight",
                           "expected class numbers as keys, as {0: 1.0, 1: 2.5}");
        if (!ib__value_number(map->items[i], &weight) || !(weight >= 0) || !(weight <= DBL_MAX))
            return fail_at(&r, map->items[i], "class_weight", "expected weights from 0 up");
    }
    e->fit.class_weight = map;
    return IB_OK;
}

static ib_status take_fit(ib_experiment *e, ib_error *err) {
    ib_value *fit = complete(ib__value_get(e->tree, "fit"), fit_fields, COUNT(fit_fields));
    if (!ib__value_set(e->tree, "fit", fit)) return ib__fail_memory(err);
    e->fit.batch_size = integer_or_zero(fit, "batch_size");
    e->fit.epochs = integer_or_zero(fit, "epochs");
    e->fit.validation_batch_size = integer_or_zero(fit, "validation_batch_size");
    if (e->fit.validation_batch_size == 0) e->fit.validation_batch_size = e->fit.batch_size;
    e->fit.steps_per_epoch = integer_or_zero(fit, "steps_per_epoch");
    e->fit.lanes = integer_or_zero(fit, "lanes");
    e->fit.record_every = integer_or_zero(fit, "record_every");
    e->fit.audit_every = integer_or_zero(fit, "audit_every");
    const ib_value *shuffle = ib__value_get(fit, "shuffle");
    e->fit.shuffle = shuffle->kind == IB_STRING ? IB_SHUFFLE_BATCH
                     : shuffle->boolean         ? IB_SHUFFLE_ALL
                                                : IB_SHUFFLE_NONE;
    const ib_value *split = ib__value_get(fit, "validation_split");
    e->fit.validation_split = split->real;
    reader r = {e->name, "fit.", err};
    if (split->real > 0 && ib__experiment_data(e, "validation") != NULL)
        return fail_at(&r, split, "validation_split",
                       "expected 0 beside data.validation: give one of the two");
    if (split->real >= 1) return fail_at(&r, split, "validation_split", "expected a number below 1");
    return take_class_weight(e, ib__value_get(fit, "class_weight"), err);
}

/* Whose rule draws the initial weights. The seed is filled in, so that it is part of the record. */
static ib_status take_initial_weights(ib_experiment *e, ib_error *err) {
    ib_value *map = ib__value_get(e->tree, "initial_weights");
    if (!ib__value_is(map, IB_MAP)) return IB_OK;
    const ib_value *as = ib__value_get(map, "as"), *seed = ib__value_get(map, "seed");
    const ib_value *file = ib__value_get(map, "file");
    reader r = {e->name, "initial_weights.", err};
    if (as == NULL && file == NULL)
        return fail_at(&r, map, "as", "this field is required unless there is file: FILE, found none");
    if (as != NULL && file != NULL)
        return fail_at(&r, file, "file", "expected one of as and file, found both");
    if (file != NULL && ib__value_is(seed, IB_INT))
        return fail_at(&r, seed, "seed", "expected none beside file: nothing is drawn");
    if (file != NULL) return IB_OK;
    e->weights_as_keras = strcmp(as->string, "keras-tensorflow") == 0;
    if (!e->weights_as_keras && strcmp(as->string, "isobit") != 0) {
        char text[160];
        const char *near = ib__nearest(as->string, weight_rules, COUNT(weight_rules));
        snprintf(text, sizeof text, "expected isobit or keras-tensorflow, found \"%.40s\"%s%s", as->string,
                 near != NULL ? ", did you mean " : "", near != NULL ? near : "");
        return fail_at(&r, as, "as", text);
    }
    e->weights_follow = !ib__value_is(seed, IB_INT);
    e->weights_seed = e->weights_follow ? e->seed : seed->integer;
    return ib__value_set(map, "seed", ib__value_int(e->weights_seed)) ? IB_OK : ib__fail_memory(err);
}

/* With all settings; their places in the file are told here, where they are known. */
static ib_status take_callbacks(ib_experiment *e, ib_error *err) {
    const ib_value *list = ib__value_get(e->tree, "callbacks");
    if (!ib__value_is(list, IB_LIST)) return IB_OK;
    ib_callbacks *callbacks = NULL;
    ib_value *completed = NULL;
    ib_status status = ib__callbacks_new(&callbacks, list, e->name, &completed, err);
    if (status == IB_OK && !ib__value_set(e->tree, "callbacks", completed)) status = ib__fail_memory(err);
    ib__callbacks_free(callbacks);
    return status;
}

static ib_status take_checkpoint(ib_experiment *e, ib_error *err) {
    ib_value *map =
        complete(ib__value_get(e->tree, "checkpoint"), checkpoint_fields, COUNT(checkpoint_fields));
    if (!ib__value_set(e->tree, "checkpoint", map)) return ib__fail_memory(err);
    const ib_value *seconds = ib__value_get(map, "seconds");
    e->checkpoint.steps = integer_or_zero(map, "steps");
    e->checkpoint.keep = integer_or_zero(map, "keep");
    e->checkpoint.seconds = ib__value_is(seconds, IB_REAL) ? seconds->real : 0;
    return IB_OK;
}

ib_status ib__experiment_from_tree(ib_experiment **out, const ib_value *tree, const char *name,
                                   const char *folder, ib_error *err) {
    ib_status status = check_sections(tree, name, err);
    if (status != IB_OK) return status;
    ib_experiment *e = calloc(1, sizeof *e);
    if (e == NULL) return ib__fail_memory(err);
    e->tree = complete(tree, top_fields, COUNT(top_fields));
    e->name = strdup(name);
    e->folder = strdup(folder);
    if (e->tree == NULL || e->name == NULL || e->folder == NULL) status = ib__fail_memory(err);
    if (status == IB_OK) status = take_seed(e, err);
    if (status == IB_OK) status = take_initial_weights(e, err);
    if (status == IB_OK) status = take_fit(e, err);
    if (status == IB_OK) status = take_callbacks(e, err);
    if (status == IB_OK) status = take_checkpoint(e, err);
    if (status == IB_OK)
        *out = e;
    else
        ib__experiment_free(e);
    return status;
}

ib_status ib__experiment_read(ib_experiment **out, const char *path, ib_error *err) {
    ib_buf text = {0};
    ib_value *tree = NULL;
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    char *folder = slash == NULL   ? strdup(".")
                   : slash == path ? strdup("/")
                                   : strndup(path, (size_t)(slash - path));
    if (folder == NULL) return ib__fail_memory(err);
    ib_status status = ib__file_read(&text, path, (size_t)64 << 20, err);
    if (status == IB_OK)
        status = dot != NULL && strcmp(dot, ".json") == 0
                     ? ib__json_parse(&tree, text.data, text.length, path, err)
                     : ib__yaml_parse(&tree, text.data, text.length, path, err);
    if (status == IB_OK) status = ib__experiment_take_vocabularies(tree, folder, err);
    if (status == IB_OK) status = ib__experiment_from_tree(out, tree, path, folder, err);
    ib__value_free(tree);
    ib__buf_free(&text);
    free(folder);
    return status;
}

void ib__experiment_free(ib_experiment *e) {
    if (e == NULL) return;
    ib__value_free(e->tree);
    free(e->name);
    free(e->folder);
    free(e);
}

ib_value *ib__experiment_data(const ib_experiment *e, const char *part) {
    return ib__value_get(ib__value_get(e->tree, "data"), part);
}
