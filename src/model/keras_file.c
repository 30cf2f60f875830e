/* SPDX-License-Identifier: Apache-2.0
 *
 * .keras and .weights.h5 files. A .keras file is a zip archive of metadata.json, config.json and
 * model.weights.h5. In the HDF5 part the weights of a layer are vars/0, vars/1 ... of its group, and the
 * optimizer's are optimizer/vars/i, in the order of Keras's optimizer.variables.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "data/zip.h"
#include "model/config.h"
#include "model/old_file.h"

#define KERAS_VERSION "3.15.1"
#define CONFIG_LIMIT ((size_t)64 << 20)

/* ---- Paths of weights ---- */

typedef struct paths {
    ib_arena arena;
    ib_h5_item *items; /* reading */
    ib_h5_out *outs;   /* writing */
    size_t n_items, items_capacity, n_outs, outs_capacity;
    bool reading;
    ib_error *err;
} paths;

static void free_paths(paths *p) {
    free(p->items);
    free(p->outs);
    ib__arena_free(&p->arena);
}

static ib_status add_item(paths *p, const ib_h5_item *item) {
    if (!item->path || !ib__grow(&p->items, &p->items_capacity, p->n_items + 1, sizeof *p->items))
        return ib__fail_memory(p->err);
    p->items[p->n_items++] = *item;
    return IB_OK;
}

static ib_status add_out(paths *p, const ib_h5_out *out) {
    if (!out->path || !ib__grow(&p->outs, &p->outs_capacity, p->n_outs + 1, sizeof *p->outs))
        return ib__fail_memory(p->err);
    p->outs[p->n_outs++] = *out;
    return IB_OK;
}

/* A weight that is an integer in Keras. */
static ib_status add_count(paths *p, const char *path, float value) {
    int64_t *count = ib__arena_alloc(&p->arena, sizeof *count);
    if (!count) return ib__fail_memory(p->err);
    *count = (int64_t)value;
    return add_out(p, &(ib_h5_out){.path = path, .integer = true, .data = count});
}

/* group/vars/i for each weight, after the groups of the layer's parts. */
static ib_status add_layer(paths *p, const ib_layer *layer, const char *group) {
    ib_status status = IB_OK;
    if (layer->tracked) { /* stands here a second time; the part's own counts */
        const ib_variable *v = &layer->tracked->variable;
        const char *path = ib__arena_printf(&p->arena, "%s/vars/0", group);
        status = p->reading ? add_item(p, &(ib_h5_item){.path = path, .shape = v->shape, .data = v->data})
                            : add_out(p, &(ib_h5_out){.path = path, .shape = v->shape, .data = v->data});
    }
    for (size_t i = 0; status == IB_OK && i < layer->n_parts; i++) {
        const char *inner = ib__arena_printf(&p->arena, "%s/%s", group, layer->parts[i].attribute);
        status = inner ? add_layer(p, layer->parts[i].layer, inner) : ib__fail_memory(p->err);
    }
    if (status == IB_OK && !p->reading)
        status = add_out(p, &(ib_h5_out){.path = ib__arena_printf(&p->arena, "%s/vars", group)});
    for (size_t i = 0; status == IB_OK && i < layer->n_weights; i++) {
        const ib_weight *w = &layer->weights[i];
        const ib_variable *v = &w->variable;
        const char *path = ib__arena_printf(&p->arena, "%s/vars/%zu", group, i + (layer->tracked != NULL));
        if (p->reading)
            status = add_item(
                p, &(ib_h5_item){.path = path, .shape = v->shape, .whole = w->integer, .data = v->data});
        else if (w->integer)
            status = add_count(p, path, v->data[0]);
        else
            status = add_out(p, &(ib_h5_out){.path = path, .shape = v->shape, .data = v->data});
    }
    const ib_variable *v = &layer->extra;
    if (status != IB_OK || !v->data) return status;
    const char *path = ib__arena_printf(&p->arena, "%s/vars/%s", group, v->path), *twice = NULL;
    if (layer->class->extra_twice) {
        twice = ib__arena_printf(&p->arena, "%s/%s/vars/%s", group, layer->class->extra_twice, v->path);
        ib_h5_item item = {.path = twice, .shape = v->shape, .optional = true, .data = v->data};
        ib_h5_out out = {.path = twice, .shape = v->shape, .data = v->data};
        status = p->reading ? add_item(p, &item) : add_out(p, &out);
    }
    if (status != IB_OK) return status;
    return p->reading ? add_item(p, &(ib_h5_item){.path = path, .shape = v->shape, .data = v->data})
                      : add_out(p, &(ib_h5_out){.path = path, .shape = v->shape, .data = v->data});
}

static ib_status add_module(paths *p, const ib_module *module) {
    if (!module->h5) return IB_OK;
    if (module->layer) return add_layer(p, module->layer, module->h5);
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < module->n_members; i++)
        status = add_module(p, module->members[i]);
    if (status == IB_OK && !p->reading)
        status = add_out(p, &(ib_h5_out){.path = ib__arena_printf(&p->arena, "%s%svars", module->h5,
                                                                  module->h5[0] ? "/" : "")});
    return status;
}

/* ---- Optimizer ---- */

/* group/vars/i for each piece of state; early: only those that are there before the first step. What
 * optimizers inside of it hold is written a second time, in their own groups. */
static ib_status add_optimizer(paths *p, const ib_optimizer *optimizer, const char *group, bool early) {
    const ib_state *state;
    const ib_optimizer *part;
    const char *inner;
    size_t n = ib__optimizer_state(optimizer, &state), at = 0;
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && !p->reading && (part = ib__optimizer_part(optimizer, i, &inner));
         i++) {
        const char *path = ib__arena_printf(&p->arena, "%s/%s", group, inner);
        status = path ? add_optimizer(p, part, path, early) : ib__fail_memory(p->err);
    }
    for (size_t i = 0; status == IB_OK && i < n; i++) {
        if (state[i].hidden || (early && !state[i].early)) continue;
        ib_h5_item item = ib__h5_state(ib__arena_printf(&p->arena, "%s/vars/%zu", group, at++), &state[i]);
        ib_h5_out out = {item.path, item.shape, item.integer, state[i].narrow, item.data};
        status = p->reading ? add_item(p, &item) : add_out(p, &out);
    }
    const char *end = ib__arena_printf(&p->arena, "%s/vars/%zu", group, at);
    return status == IB_OK && p->reading ? add_item(p, &(ib_h5_item){.path = end, .absent = true}) : status;
}

/* How many of the items from `first` on, but the last, were found; *expected: how many there are. */
static size_t count_found(const paths *p, size_t first, size_t *expected) {
    size_t found = 0;
    *expected = p->n_items - 1 - first;
    for (size_t i = first; i + 1 < p->n_items; i++)
        found += p->items[i].found;
    return found;
}

/* ---- Reading ---- */

static ib_status read_once(ib_model *model, const ib_buf *h5, const char *name, bool early, size_t *found,
                           size_t *expected, ib_error *err) {
    paths p = {.reading = true, .err = err};
    ib_status status = add_module(&p, model->root);
    size_t first = p.n_items;
    if (status == IB_OK && model->optimizer) status = add_optimizer(&p, model->optimizer, "optimizer", early);
    if (status == IB_OK) status = ib__h5_read(h5->data, h5->length, p.items, p.n_items, name, err);
    if (status == IB_OK && model->optimizer) *found = count_found(&p, first, expected);
    free_paths(&p);
    return status;
}

/* The optimizer's state is there as a whole, or without what its first step makes, or not at all. */
static ib_status read_weights(ib_model *model, const ib_buf *h5, const char *name, ib_error *err) {
    size_t found = 0, expected = 0, early = 0;
    ib_status status = read_once(model, h5, name, false, &found, &expected, err);
    if (!model->optimizer || (status == IB_OK && found == 0)) return status;
    if (status == IB_BAD_INPUT || (status == IB_OK && found < expected)) {
        size_t whole = found;
        ib__optimizer_reset(model->optimizer);
        if (read_once(model, h5, name, true, &found, &early, NULL) == IB_OK && found == early)
            status = IB_OK;
        else if (status == IB_OK)
            status = ib__fail(err, IB_BAD_INPUT, name, "optimizer/vars: expected %zu arrays, found %zu",
                              expected, whole);
    }
    return status == IB_OK ? ib__optimizer_restored(model->optimizer, name, err) : status;
}

/* The members of a .keras file, or of a folder into which one was unpacked. zip: NULL for a folder. */
static ib_status read_member(ib_zip *zip, const char *path, const char *name, size_t limit, ib_buf *out,
                             ib_error *err) {
    if (zip) return ib__zip_read(zip, name, limit, out, err);
    ib_buf file = {0};
    ib_status status = ib__buf_printf(&file, "%s/%s", path, name)
                           ? ib__file_read(out, file.data, limit ? limit : (size_t)2 << 30, err)
                           : ib__fail_memory(err);
    ib__buf_free(&file);
    return status;
}

static ib_status read_config(ib_value **out, ib_zip *zip, const char *path, ib_error *err) {
    char name[256];
    snprintf(name, sizeof name, "%.200s, config.json", path);
    ib_buf text = {0};
    ib_status status = read_member(zip, path, "config.json", CONFIG_LIMIT, &text, err);
    if (status == IB_OK) status = ib__json_parse(out, text.data, text.length, name, err);
    ib__buf_free(&text);
    return status;
}

/* A .keras file, or the folder that one was unpacked into (zip: NULL). */
typedef struct archive {
    ib_zip *zip;
    const char *path;
} archive;

static ib_status read_asset(void *context, const char *path, ib_buf *out, bool *found, ib_error *err) {
    const archive *a = context;
    char name[1100], file[4096];
    size_t index;
    (void)snprintf(name, sizeof name, "assets/%.1040s", path);
    if (a->zip)
        *found = ib__zip_find(a->zip, name, &index);
    else
        *found =
            snprintf(file, sizeof file, "%s/%s", a->path, name) < (int)sizeof file && access(file, F_OK) == 0;
    return *found ? read_member(a->zip, a->path, name, CONFIG_LIMIT, out, err) : IB_OK;
}

ib_status ib__keras_load(ib_model **out, const char *path, bool compiled, ib_error *err) {
    *out = NULL;
    ib_zip *zip = NULL;
    ib_value *config = NULL, *compile = NULL;
    ib_model *model = NULL;
    ib_buf h5 = {0};
    char name[256];
    snprintf(name, sizeof name, "%.200s, model.weights.h5", path);
    struct stat info;
    bool folder = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    if (!folder && ib__old_file_is(path)) return ib__old_file_load(out, path, compiled, err);
    ib_status status = folder ? IB_OK : ib__zip_open(&zip, path, err);
    if (status != IB_OK) return status;
    status = read_config(&config, zip, path, err);
    if (status == IB_OK) status = ib__assets_read(config, read_asset, &(archive){zip, path}, err);
    if (status == IB_OK) status = ib__config_number_shared(config, err);
    if (status == IB_OK) status = ib__config_split(config, path, &compile, err);
    if (status == IB_OK) status = read_member(zip, path, "model.weights.h5", 0, &h5, err);
    /* A small file cannot ask for much memory: weights may be packed, but hardly more than sixteenfold. */
    if (status == IB_OK)
        status = ib__model_read(&model, config, path,
                                &(ib_read_options){.weight_limit = ((size_t)1 << 22) + 4 * h5.length}, err);
    if (status == IB_OK && compiled && compile && compile->kind != IB_NULL &&
        !(compile->kind == IB_MAP && !compile->count)) {
        status = ib__model_compile(model, compile, "compile_config", err);
        if (status != IB_OK) status = ib__fail_within(err, status, path);
    }
    if (status == IB_OK) status = read_weights(model, &h5, name, err);
    if (status == IB_OK) status = ib__assets_weights(model->root, err);
    if (status == IB_OK) model->loaded = true;
    if (status == IB_OK)
        *out = model;
    else
        ib__model_free(model);
    ib__buf_free(&h5);
    ib__value_free(compile);
    ib__value_free(config);
    if (zip) ib__zip_close(zip);
    return status;
}

/* ---- Shards: x.weights.json says which HDF5 files beside it hold the variables of a group ---- */

typedef struct shards {
    const char *path; /* of the JSON file */
    const ib_value *map;
    paths weights;
    ib_error *err;
} shards;

/* The list of files of an item's group: of "layers/dense/vars/0", that of "/layers/dense/vars". */
static ib_status shards_of(const shards *s, const ib_h5_item *item, const ib_value **out) {
    char key[1024];
    const char *slash = strrchr(item->path, '/');
    snprintf(key, sizeof key, "/%.*s", slash ? (int)(slash - item->path) : 0, item->path);
    *out = ib__value_get(s->map, key);
    bool good = ib__value_is(*out, IB_LIST);
    for (size_t i = 0; good && i < (*out)->count; i++) {
        const ib_value *name = (*out)->items[i];
        good = ib__value_is(name, IB_STRING) && name->string[0] && name->string[0] != '.' &&
               !strchr(name->string, '/');
    }
    return good ? IB_OK
                : ib__fail(s->err, IB_BAD_INPUT, s->path,
                           "weight_map: expected a list of files beside this one for %.200s", key);
}

static bool stands_in(const ib_value *list, const char *name) {
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i]->string, name) == 0) return true;
    return false;
}

/* All items that stand in this file and were not found before. */
static ib_status read_shard(shards *s, const char *name) {
    paths *p = &s->weights;
    ib_h5_item *items = ib__alloc(p->n_items + 1, sizeof *items);
    size_t *from = ib__alloc(p->n_items + 1, sizeof *from), n = 0;
    ib_buf file = {0}, h5 = {0};
    const char *slash = strrchr(s->path, '/');
    bool good = items && from &&
                ib__buf_printf(&file, "%.*s%s", slash ? (int)(slash + 1 - s->path) : 0, s->path, name);
    ib_status status =
        good ? ib__file_read(&h5, file.data, (size_t)4 << 30, s->err) : ib__fail_memory(s->err);
    for (size_t i = 0; status == IB_OK && i < p->n_items; i++) {
        const ib_value *list;
        status = shards_of(s, &p->items[i], &list);
        if (status != IB_OK || p->items[i].found || !stands_in(list, name)) continue;
        items[n] = p->items[i];
        items[n].optional = true;
        from[n++] = i;
    }
    if (status == IB_OK) status = ib__h5_read(h5.data, h5.length, items, n, file.data, s->err);
    for (size_t i = 0; status == IB_OK && i < n; i++)
        p->items[from[i]].found = items[i].found;
    ib__buf_free(&file);
    ib__buf_free(&h5);
    ib__free(items);
    ib__free(from);
    return status;
}

/* Each item looks into the files of its group until it is found; a file brings all that it holds. */
static ib_status read_shards(shards *s) {
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < s->weights.n_items; i++) {
        const ib_h5_item *item = &s->weights.items[i];
        const ib_value *list;
        status = shards_of(s, item, &list);
        for (size_t k = 0; status == IB_OK && !item->found && k < list->count; k++)
            status = read_shard(s, list->items[k]->string);
        if (status == IB_OK && !item->found)
            status =
                ib__fail(s->err, IB_BAD_INPUT, s->path, "%.200s stands in none of its files", item->path);
    }
    return status;
}

/* Keras writes the only file of a group without a list. */
static bool list_files(ib_value *map) {
    bool good = true;
    for (size_t i = 0; good && i < map->count; i++) {
        if (map->items[i]->kind != IB_STRING) continue;
        ib_value *list = ib__value_list();
        good = ib__value_add(list, ib__value_string(map->items[i]->string)) &&
               ib__value_set(map, map->keys[i], list);
        if (!good) ib__value_free(list);
    }
    return good;
}

static ib_status load_shards(ib_model *model, const char *path, ib_error *err) {
    ib_buf text = {0};
    ib_value *index = NULL;
    shards s = {.path = path, .weights = {.reading = true, .err = err}, .err = err};
    ib_status status = ib__file_read(&text, path, CONFIG_LIMIT, err);
    if (status == IB_OK) status = ib__json_parse(&index, text.data, text.length, path, err);
    if (status == IB_OK) {
        ib_value *map = ib__value_get(index, "weight_map");
        s.map = map;
        if (!ib__value_is(s.map, IB_MAP))
            status = ib__fail(err, IB_BAD_INPUT, path, "weight_map: expected a map, found %s",
                              s.map ? ib__kind_name(s.map->kind) : "nothing");
        else if (!list_files(map))
            status = ib__fail_memory(err);
    }
    if (status == IB_OK) status = add_module(&s.weights, model->root);
    if (status == IB_OK) status = read_shards(&s);
    if (status == IB_OK) model->loaded = true;
    free_paths(&s.weights);
    ib__value_free(index);
    ib__buf_free(&text);
    return status;
}

ib_status ib__weights_load(ib_model *model, const char *path, ib_error *err) {
    size_t length = strlen(path);
    if (length > 5 && strcmp(path + length - 5, ".json") == 0) return load_shards(model, path, err);
    ib_buf h5 = {0};
    ib_status status = ib__file_read(&h5, path, (size_t)4 << 30, err);
    if (status == IB_OK) status = read_weights(model, &h5, path, err);
    if (status == IB_OK) model->loaded = true;
    ib__buf_free(&h5);
    return status;
}

/* ---- Writing ---- */

static ib_status write_weights(const ib_model *model, ib_buf *buf, ib_error *err) {
    paths p = {.err = err};
    ib_status status = add_module(&p, model->root);
    if (status == IB_OK && model->optimizer) status = add_optimizer(&p, model->optimizer, "optimizer", false);
    if (status == IB_OK) status = ib__h5_write(buf, p.outs, p.n_outs, err);
    free_paths(&p);
    return status;
}

static ib_status write_config(const ib_model *model, ib_buf *buf, ib_error *err) {
    ib_value *whole = ib__value_copy(model->config);
    bool good = whole != NULL;
    if (good && model->compile) good = ib__value_set(whole, "compile_config", ib__value_copy(model->compile));
    good = good && ib__json_write(buf, whole, IB_JSON_PYTHON);
    ib__value_free(whole);
    return good ? IB_OK : ib__fail_memory(err);
}

ib_status ib__keras_pack(const ib_model *model, ib_buf *buf, ib_error *err) {
    static const char metadata[] =
        "{\"keras_version\": \"" KERAS_VERSION "\", \"date_saved\": \"1980-01-01@00:00:00\"}";
    ib_buf config = {0}, h5 = {0};
    ib_status status = write_config(model, &config, err);
    if (status == IB_OK) status = write_weights(model, &h5, err);
    if (status == IB_OK) {
        ib_zip_member members[] = {{"metadata.json", metadata, sizeof metadata - 1},
                                   {"config.json", config.data, config.length},
                                   {"model.weights.h5", h5.data, h5.length}};
        status = ib__zip_pack(buf, members, 3, err);
    }
    ib__buf_free(&config);
    ib__buf_free(&h5);
    return status;
}

ib_status ib__keras_save(const ib_model *model, const char *path, ib_error *err) {
    ib_buf file = {0};
    ib_status status = ib__keras_pack(model, &file, err);
    if (status == IB_OK) status = ib__file_write(path, file.data, file.length, err);
    ib__buf_free(&file);
    return status;
}

ib_status ib__weights_save(const ib_model *model, const char *path, ib_error *err) {
    ib_buf h5 = {0};
    ib_status status = write_weights(model, &h5, err);
    if (status == IB_OK) status = ib__file_write(path, h5.data, h5.length, err);
    ib__buf_free(&h5);
    return status;
}
