/* SPDX-License-Identifier: Apache-2.0
 *
 * Keras's older .h5 files, for their weights and models: the config stands in the attribute model_config, the
 * weights of a layer in model_weights/LAYER under the names that the group's attribute weight_names lists,
 * the trainable ones first. What the model was compiled with is the attribute training_config; the
 * optimizer's state lies in optimizer_weights in the order in which .keras files number it.
 */
#include "model/old_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "model/config.h"

#define CONFIG_ROOM ((size_t)16 << 20)

bool ib__old_file_is(const char *path) {
    char start[8] = "";
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    size_t n = fread(start, 1, sizeof start, file);
    (void)fclose(file);
    return n == sizeof start && memcmp(start, "\211HDF\r\n\032\n", sizeof start) == 0;
}

static size_t gather_layer(const ib_layer *layer, bool trained, bool frozen, const ib_weight **out) {
    size_t n = 0;
    frozen |= !layer->trainable;
    for (size_t i = 0; i < layer->n_weights; i++) {
        const ib_weight *w = &layer->weights[i];
        if ((w->trainable && !frozen) != trained) continue;
        if (out) out[n] = w;
        n++;
    }
    for (size_t i = 0; i < layer->n_parts; i++)
        n += gather_layer(layer->parts[i].layer, trained, frozen, out ? out + n : NULL);
    return n;
}

/* The weights of a layer or nested model: those that are trained, or the others. */
static size_t gather(const ib_module *module, bool trained, const ib_weight **out) {
    size_t n = 0;
    for (size_t i = 0; i < module->n_members; i++)
        n += gather(module->members[i], trained, out ? out + n : NULL);
    return n + (module->layer ? gather_layer(module->layer, trained, false, out ? out + n : NULL) : 0);
}

static ib_status add_items(ib_h5_item *items, size_t *at, const ib_module *member, const char *prefix,
                           ib_arena *arena, ib_error *err) {
    size_t first = gather(member, true, NULL), n = first + gather(member, false, NULL);
    const ib_weight **weights = ib__arena_alloc(arena, n * sizeof *weights + 1);
    const char *path = ib__arena_printf(arena, "%s%s", prefix, member->name);
    if (!weights || !path) return ib__fail_memory(err);
    (void)gather(member, true, weights);
    (void)gather(member, false, weights + first);
    for (size_t i = 0; i < n; i++)
        items[(*at)++] = (ib_h5_item){.path = path,
                                      .shape = weights[i]->variable.shape,
                                      .whole = weights[i]->integer,
                                      .n_names = n,
                                      .index = i,
                                      .data = weights[i]->variable.data};
    return IB_OK;
}

static ib_status read_weights(ib_model *model, const ib_buf *h5, const char *name, ib_error *err) {
    size_t n = ib__model_weights(model, NULL, false), at = 0;
    ib_arena arena = {0};
    ib_h5_item *items = ib__alloc(n + 1, sizeof *items);
    ib_status status = items ? IB_OK : ib__fail_memory(err);
    for (size_t i = 0; status == IB_OK && i < model->root->n_members; i++)
        status = add_items(items, &at, model->root->members[i], "model_weights/", &arena, err);
    if (status == IB_OK) status = ib__h5_read(h5->data, h5->length, items, at, name, err);
    ib__free(items);
    ib__arena_free(&arena);
    return status;
}

/* The optimizer's state, if the file has it. */
static ib_status read_state(ib_model *model, const ib_buf *h5, const char *name, ib_error *err) {
    const ib_state *state;
    size_t n = ib__optimizer_state(model->optimizer, &state), kept = 0;
    ib_h5_item *items = ib__alloc(n + 1, sizeof *items);
    if (!items) return ib__fail_memory(err);
    for (size_t i = 0; i < n; i++) {
        if (state[i].hidden) continue;
        items[kept] = ib__h5_state("optimizer_weights", &state[i]);
        items[kept].index = kept;
        kept++;
    }
    for (size_t i = 0; i < kept; i++)
        items[i].n_names = kept;
    ib_status status = ib__h5_read(h5->data, h5->length, items, kept, name, err);
    bool found = status == IB_OK && kept > 0 && items[0].found;
    ib__free(items);
    return found ? ib__optimizer_restored(model->optimizer, name, err) : status;
}

/* An attribute of the file that holds JSON. *out stays NULL if there is none. */
static ib_status read_json(ib_value **out, const ib_buf *h5, const char *attribute, const char *path,
                           ib_error *err) {
    char *text = ib__alloc(CONFIG_ROOM, 1), where[256];
    if (!text) return ib__fail_memory(err);
    snprintf(where, sizeof where, "%.200s, %s", path, attribute);
    ib_h5_item item = {.path = attribute, .text = CONFIG_ROOM, .optional = true, .data = text};
    ib_status status = ib__h5_read(h5->data, h5->length, &item, 1, path, err);
    if (status == IB_OK && item.found) status = ib__json_parse(out, text, strlen(text), where, err);
    ib__free(text);
    return status;
}

/* As the compile_config of a .keras file, which calls the optimizer "optimizer". */
static ib_status compile_as(ib_model *model, const ib_value *training, const char *path, ib_error *err) {
    ib_value *compile = ib__value_map();
    bool good = compile != NULL;
    for (size_t i = 0; good && i < training->count; i++) {
        const char *key = training->keys[i];
        good = ib__value_set(compile, strcmp(key, "optimizer_config") == 0 ? "optimizer" : key,
                             ib__value_copy(training->items[i]));
    }
    ib_status status =
        good ? ib__model_compile(model, compile, "training_config", err) : ib__fail_memory(err);
    ib__value_free(compile);
    return status == IB_OK ? IB_OK : ib__fail_within(err, status, path);
}

ib_status ib__old_file_load(ib_model **out, const char *path, bool compiled, ib_error *err) {
    ib_value *config = NULL, *training = NULL;
    ib_model *model = NULL;
    ib_buf h5 = {0};
    ib_status status = ib__file_read(&h5, path, (size_t)4 << 30, err);
    if (status == IB_OK) status = read_json(&config, &h5, "model_config", path, err);
    if (status == IB_OK && !config)
        status = ib__fail(err, IB_BAD_INPUT, path, "there is no model in the file (no model_config)");
    if (status == IB_OK)
        status = ib__model_read(&model, config, path,
                                &(ib_read_options){.weight_limit = ((size_t)1 << 22) + 4 * h5.length}, err);
    if (status == IB_OK && compiled) status = read_json(&training, &h5, "training_config", path, err);
    if (status == IB_OK && training && training->kind == IB_MAP)
        status = compile_as(model, training, path, err);
    if (status == IB_OK) status = read_weights(model, &h5, path, err);
    if (status == IB_OK && model->optimizer) status = read_state(model, &h5, path, err);
    if (status == IB_OK) {
        model->loaded = true;
        *out = model;
    } else {
        ib__model_free(model);
    }
    ib__value_free(config);
    ib__value_free(training);
    ib__buf_free(&h5);
    return status;
}
