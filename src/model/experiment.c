/* SPDX-License-Identifier: Apache-2.0
 *
 * The `model:` entry of an experiment, rewritten into Keras's config:
 *
 *   {sequential: [{Dense: {units: 10}}, Flatten, ...], name: NAME}
 *   {functional: {inputs: {image: [28, 28, 1]}, layers: [{Dense: {name: h, inputs: image, units: 10}}, ...],
 *                 outputs: h, name: NAME}}
 *   {keras: FILE}   {config: FILE}
 *
 * Layers without a name get Keras's ("dense", "dense_1"). A model without an input layer takes the shape of
 * the data. In a functional model a layer without `inputs` takes the one before it; outputs default to the
 * last layer. `inputs` is a layer's name, a list of names, or a map of the call's arguments:
 * {query: x, value: x, use_causal_mask: true}. "lstm:1" is the second output of the layer lstm.
 */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/nearest.h"
#include "layers/lookup.h"
#include "layers/settings.h"
#include "model/config.h"

typedef struct builder {
    const ib_shape *input; /* of the data, or NULL */
    const char *where;
    ib_error *err;
    ib_value *layers; /* Keras's list, being made */
    ib_value *policy; /* the dtype of layers that say none, or NULL: float32 */
} builder;

static const char *text_of(const ib_value *value) {
    return value && value->kind == IB_STRING ? value->string : NULL;
}

/* "line 12, " in front of errors inside of an entry that was read from a file. */
static ib_status fail(builder *b, const ib_value *at, ib_status code, const char *what) {
    char place[256];
    if (at && at->line)
        snprintf(place, sizeof place, "%.200s, line %d", b->where, at->line);
    else
        snprintf(place, sizeof place, "%.240s", b->where);
    return ib__fail(b->err, code, place, "%s", what);
}

static ib_status unknown(builder *b, const ib_value *at, const char *key, const char *const *known,
                         size_t n) {
    char text[256];
    const char *near = ib__nearest(key, known, n);
    snprintf(text, sizeof text, "unknown field \"%.60s\"%s%s", key, near ? "; nearest is " : "",
             near ? near : "");
    return fail(b, at, IB_BAD_INPUT, text);
}

static ib_status check_keys(builder *b, const ib_value *map, const char *const *known, size_t n) {
    for (size_t i = 0; i < map->count; i++) {
        size_t k = 0;
        while (k < n && strcmp(known[k], map->keys[i]) != 0)
            k++;
        if (k == n) return unknown(b, map->items[i], map->keys[i], known, n);
    }
    return IB_OK;
}

static const ib_value *layer_name(const ib_value *entry) {
    return ib__value_get(ib__value_get(entry, "config"), "name");
}

static bool has_layer(const ib_value *layers, const char *name) {
    for (size_t i = 0; i < layers->count; i++)
        if (ib__value_is_string(layer_name(layers->items[i]), name)) return true;
    return false;
}

/* Keras's name for the next layer of a class: "dense", "dense_1" ...; never one that an earlier layer has. */
static void next_name(char *out, size_t size, const char *class_name, const ib_value *layers) {
    char snake[128];
    if (strcmp(class_name, "InputLayer") == 0)
        snprintf(snake, sizeof snake, "input_layer");
    else
        ib__snake_case(snake, sizeof snake, class_name);
    snprintf(out, size, "%s", snake);
    for (size_t i = 1; has_layer(layers, out); i++)
        snprintf(out, size, "%s_%zu", snake, i);
}

/* ---- Layers ---- */

/* One entry of a list of layers, taken apart; all borrowed. */
typedef struct part {
    const char *class_name;
    const ib_value *config; /* NULL: none */
    const ib_value *name, *inputs;
    const ib_value *entry;
} part;

static ib_status take_apart(builder *b, const ib_value *entry, part *out) {
    *out = (part){.entry = entry, .class_name = ""};
    if (entry->kind == IB_STRING) {
        out->class_name = ib__layer_alias(entry->string);
        return IB_OK;
    }
    const char *expected = "expected a layer: its class with its settings, as {Dense: {units: 10}}";
    if (entry->kind != IB_MAP || !entry->count) return fail(b, entry, IB_BAD_INPUT, expected);
    const ib_value *class_name = ib__value_get(entry, "class_name");
    if (ib__value_is(class_name, IB_STRING)) {
        out->class_name = class_name->string;
        out->config = ib__value_get(entry, "config");
        out->inputs = ib__value_get(entry, "inputs");
    } else {
        for (size_t i = 0; i < entry->count; i++) {
            const char *key = entry->keys[i];
            if (strcmp(key, "name") == 0) {
                out->name = entry->items[i];
            } else if (strcmp(key, "inputs") == 0) {
                out->inputs = entry->items[i];
            } else if (!out->class_name[0]) {
                out->class_name = key;
                out->config = entry->items[i];
            } else {
                return fail(b, entry, IB_BAD_INPUT, expected);
            }
        }
    }
    if (!out->class_name[0]) return fail(b, entry, IB_BAD_INPUT, expected);
    out->class_name = ib__layer_alias(out->class_name);
    if (out->config && out->config->kind == IB_NULL) out->config = NULL;
    if (out->config && out->config->kind != IB_MAP)
        return fail(b, out->config, IB_BAD_INPUT, "expected a map of settings");
    if (!out->name) out->name = ib__value_get(out->config, "name");
    if (!out->inputs) out->inputs = ib__value_get(out->config, "inputs");
    if (out->name && (out->name->kind != IB_STRING || !out->name->string[0]))
        return fail(b, out->name, IB_BAD_INPUT, "name: expected text");
    return IB_OK;
}

/* Layers whose config holds the dtype of what they give, or float32 alone: a model's policy is not theirs. */
static bool has_own_dtype(const char *class_name) {
    static const char *const names[] = {"CategoryEncoding", "Discretization",   "Hashing",
                                        "HashedCrossing",   "IntegerLookup",    "SpatialDropout1D",
                                        "SpatialDropout2D", "SpatialDropout3D", "Pipeline"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(class_name, names[i]) == 0) return true;
    return false;
}

/* {module, class_name, config (name first), registered_name}; policy: of layers that say no dtype, or NULL.
 * NULL: no memory. */
static ib_value *layer_entry(const part *p, const char *name, const ib_value *policy) {
    ib_value *entry = ib__value_map(), *config = ib__value_map();
    bool good = ib__value_set(config, "name", ib__value_string(name));
    if (good && policy && !ib__value_get(p->config, "dtype") && !has_own_dtype(p->class_name))
        good = ib__value_set(config, "dtype", ib__value_copy(policy));
    for (size_t i = 0; good && p->config && i < p->config->count; i++) {
        const char *key = p->config->keys[i];
        if (strcmp(key, "name") != 0 && strcmp(key, "inputs") != 0)
            good = ib__value_set(config, key, ib__value_copy(p->config->items[i]));
    }
    good = good && ib__value_set(entry, "module", ib__value_string("keras.layers")) &&
           ib__value_set(entry, "class_name", ib__value_string(p->class_name));
    if (!good) {
        ib__value_free(config);
        ib__value_free(entry);
        return NULL;
    }
    if (!ib__value_set(entry, "config", config) ||
        !ib__value_set(entry, "registered_name", ib__value_null())) {
        ib__value_free(entry);
        return NULL;
    }
    entry->line = p->entry->line;
    entry->column = p->entry->column;
    return entry;
}

static ib_value *batched(const ib_value *dims) {
    ib_value *list = ib__value_list();
    bool good = ib__value_add(list, ib__value_null());
    for (size_t i = 0; good && i < dims->count; i++)
        good = ib__value_add(list, ib__value_copy(dims->items[i]));
    if (good) return list;
    ib__value_free(list);
    return NULL;
}

/* An input layer; shape without the batch, or NULL for the data's. */
static ib_status add_input(builder *b, const char *name, const ib_value *shape, const char *dtype,
                           const ib_value *at) {
    ib_value *dims = NULL;
    if (shape && shape->kind != IB_NULL) {
        if (shape->kind != IB_LIST) return fail(b, shape, IB_BAD_INPUT, "expected a shape, as [28, 28, 1]");
        dims = batched(shape);
    } else if (b->input && b->input->rank > 0) {
        dims = ib__dims_value(b->input);
    } else {
        return fail(b, at, IB_BAD_INPUT, "the shape of an input is not known");
    }
    ib_value *entry = ib__input_entry(name, dims, dtype ? dtype : "float32");
    return ib__value_add(b->layers, entry) ? IB_OK : ib__fail_memory(b->err);
}

/* Input: {shape: [28, 28, 1], dtype: float32, name: x}; InputLayer with batch_shape as in Keras's files. */
static ib_status add_written_input(builder *b, const part *p) {
    static const char *const known[] = {"shape",  "dtype",  "name",    "batch_shape",
                                        "sparse", "ragged", "optional"};
    char name[160];
    next_name(name, sizeof name, "InputLayer", b->layers);
    ib_status status = p->config ? check_keys(b, p->config, known, sizeof known / sizeof *known) : IB_OK;
    if (status != IB_OK) return status;
    const ib_value *dtype = ib__value_get(p->config, "dtype");
    const ib_value *whole = ib__value_get(p->config, "batch_shape");
    const char *text = p->name ? p->name->string : name;
    if (!ib__value_is(whole, IB_LIST) || !whole->count)
        return add_input(b, text, ib__value_get(p->config, "shape"), text_of(dtype), p->entry);
    ib_value dims = *whole; /* the same items without the first */
    dims.items++;
    dims.count--;
    return add_input(b, text, &dims, text_of(dtype), p->entry);
}

static bool is_input(const char *class_name) {
    return strcmp(class_name, "Input") == 0 || strcmp(class_name, "InputLayer") == 0;
}

static ib_status add_layer(builder *b, const part *p, ib_value **out) {
    char name[160];
    next_name(name, sizeof name, p->class_name, b->layers);
    ib_value *entry = layer_entry(p, p->name ? p->name->string : name, b->policy);
    *out = entry;
    return ib__value_add(b->layers, entry) ? IB_OK : ib__fail_memory(b->err);
}

/* ---- Sequential ---- */

/* What the first layer takes, where no input says it; NULL: floats. */
static const char *input_dtype(const char *class_name) {
    bool texts;
    (void)ib__lookup_is(class_name, &texts);
    return strcmp(class_name, "Embedding") == 0 ? "int32" : texts ? "string" : NULL;
}

static ib_status sequential(builder *b, const ib_value *list, size_t *added) {
    if (list->kind != IB_LIST || !list->count)
        return fail(b, list, IB_BAD_INPUT, "sequential: expected a list of layers");
    for (size_t i = 0; i < list->count; i++) {
        part p;
        ib_status status = take_apart(b, list->items[i], &p);
        if (status != IB_OK) return status;
        if (p.inputs)
            return fail(b, p.inputs, IB_BAD_INPUT, "inputs: layers of a sequential model have none");
        if (is_input(p.class_name)) {
            if (i) return fail(b, p.entry, IB_BAD_INPUT, "an input must be the first layer");
            status = add_written_input(b, &p);
        } else {
            if (!i) {
                status = add_input(b, "input_layer", NULL, input_dtype(p.class_name), p.entry);
                *added = 1;
            }
            ib_value *entry;
            if (status == IB_OK) status = add_layer(b, &p, &entry);
        }
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

/* ---- Functional ---- */

/* [layer, 0, output] of "layer" or "layer:output"; a layer of the whole name comes first. NULL: no memory. */
static ib_value *history(const builder *b, const char *name) {
    const char *colon = strrchr(name, ':');
    int64_t output = 0;
    size_t length = strlen(name);
    if (colon && !has_layer(b->layers, name) && colon[1] >= '0' && colon[1] <= '9' && !colon[2]) {
        output = colon[1] - '0';
        length = (size_t)(colon - name);
    }
    ib_value *list = ib__value_list(), *layer = ib__value_string(name);
    if (layer) layer->string[length] = '\0';
    if (ib__value_add(list, layer) && ib__value_add(list, ib__value_int(0)) &&
        ib__value_add(list, ib__value_int(output)))
        return list;
    ib__value_free(list);
    return NULL;
}

/* {"class_name": "__keras_tensor__", "config": {"shape": null, "dtype": ..., "keras_history": [name, 0, 0]}};
 * the shape is filled in when it is known. NULL: no memory. */
static ib_value *tensor(const builder *b, const char *name) {
    ib_value *map = ib__value_map(), *config = ib__value_map();
    bool good = ib__value_set(config, "shape", ib__value_null()) &&
                ib__value_set(config, "dtype", ib__value_string("float32")) &&
                ib__value_set(config, "keras_history", history(b, name)) &&
                ib__value_set(map, "class_name", ib__value_string("__keras_tensor__"));
    if (good && ib__value_set(map, "config", config)) return map;
    if (!good) ib__value_free(config);
    ib__value_free(map);
    return NULL;
}

/* A name, or a list of names, as tensors. */
static ib_status tensors_of(builder *b, const ib_value *inputs, ib_value **out) {
    const char *expected = "inputs: expected the name of a layer, a list of names, or arguments with names";
    *out = NULL;
    if (inputs->kind == IB_STRING) {
        *out = tensor(b, inputs->string);
        return *out ? IB_OK : ib__fail_memory(b->err);
    }
    if (inputs->kind != IB_LIST) return fail(b, inputs, IB_BAD_INPUT, expected);
    *out = ib__value_list();
    ib_status status = *out ? IB_OK : ib__fail_memory(b->err);
    for (size_t i = 0; status == IB_OK && i < inputs->count; i++) {
        if (inputs->items[i]->kind != IB_STRING)
            status = fail(b, inputs->items[i], IB_BAD_INPUT, expected);
        else if (!ib__value_add(*out, tensor(b, inputs->items[i]->string)))
            status = ib__fail_memory(b->err);
    }
    if (status != IB_OK) {
        ib__value_free(*out);
        *out = NULL;
    }
    return status;
}

/* An argument with a name: the tensors of layers, or a setting. */
static ib_status argument_of(builder *b, const ib_value *given, ib_value **out) {
    const ib_value *first = given->kind == IB_LIST && given->count ? given->items[0] : given;
    if (first->kind == IB_STRING) return tensors_of(b, given, out);
    *out = ib__value_copy(given);
    return *out ? IB_OK : ib__fail_memory(b->err);
}

/* inbound_nodes of a layer with these arguments, both taken over. */
static ib_status set_inbound(builder *b, ib_value *entry, ib_value *args, ib_value *kwargs) {
    ib_value *node = ib__value_map(), *nodes = ib__value_list();
    bool good = ib__value_set(node, "args", args);
    if (!good) ib__value_free(kwargs);
    good = good && ib__value_set(node, "kwargs", kwargs);
    if (!good) ib__value_free(node);
    good = good && ib__value_add(nodes, node);
    if (!good) ib__value_free(nodes);
    return good && ib__value_set(entry, "inbound_nodes", nodes) ? IB_OK : ib__fail_memory(b->err);
}

/* Positional arguments: one tensor; several; or a list of them, for classes that take a list. */
static ib_status positional(builder *b, const ib_value *inputs, const part *p, ib_value **out) {
    const ib_layer_class *class = ib__layer_class(p->class_name);
    ib_value *tensors, *args;
    ib_status status = tensors_of(b, inputs, &tensors);
    if (status != IB_OK) return status;
    bool list = inputs->kind == IB_LIST;
    if (list && !(class && class->many_inputs)) {
        *out = tensors;
        return IB_OK;
    }
    args = ib__value_list();
    ib_value *one = tensors;
    if (!list && class && class->many_inputs) {
        one = ib__value_list();
        if (!ib__value_add(one, tensors)) {
            ib__value_free(one);
            one = NULL;
        }
    }
    if (!one || !ib__value_add(args, one)) {
        ib__value_free(args);
        return ib__fail_memory(b->err);
    }
    *out = args;
    return IB_OK;
}

static ib_status add_node(builder *b, ib_value *entry, const part *p, const ib_value *previous) {
    const ib_value *inputs = p->inputs ? p->inputs : previous;
    ib_value *args = NULL, *kwargs = NULL;
    ib_status status = IB_OK;
    if (inputs->kind == IB_MAP)
        args = ib__value_list();
    else
        status = positional(b, inputs, p, &args);
    if (status == IB_OK) kwargs = ib__value_map();
    for (size_t i = 0; status == IB_OK && inputs->kind == IB_MAP && i < inputs->count; i++) {
        ib_value *value;
        status = argument_of(b, inputs->items[i], &value);
        if (status == IB_OK && !ib__value_set(kwargs, inputs->keys[i], value))
            status = ib__fail_memory(b->err);
    }
    if (status == IB_OK) return set_inbound(b, entry, args, kwargs);
    ib__value_free(args);
    ib__value_free(kwargs);
    return status;
}

static ib_status add_inputs(builder *b, const ib_value *inputs) {
    if (!inputs || inputs->kind == IB_NULL) return add_input(b, "input_layer", NULL, NULL, inputs);
    if (inputs->kind == IB_STRING) return add_input(b, inputs->string, NULL, NULL, inputs);
    if (inputs->kind != IB_MAP || !inputs->count)
        return fail(b, inputs, IB_BAD_INPUT, "inputs: expected a name, or names with shapes");
    for (size_t i = 0; i < inputs->count; i++) {
        const ib_value *item = inputs->items[i], *dtype = NULL;
        if (item->kind == IB_MAP) {
            static const char *const known[] = {"shape", "dtype"};
            ib_status status = check_keys(b, item, known, 2);
            if (status != IB_OK) return status;
            dtype = ib__value_get(item, "dtype");
            item = ib__value_get(item, "shape");
        }
        ib_status status = add_input(b, inputs->keys[i], item, text_of(dtype), inputs);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

/* One name: [name, 0, 0]; several: a list of these. */
static ib_status ends(builder *b, const ib_value *names, ib_value **out) {
    if (names->kind == IB_STRING) {
        *out = history(b, names->string);
        return *out ? IB_OK : ib__fail_memory(b->err);
    }
    if (names->kind != IB_LIST || !names->count)
        return fail(b, names, IB_BAD_INPUT, "outputs: expected the name of a layer, or a list of names");
    *out = ib__value_list();
    for (size_t i = 0; i < names->count; i++) {
        if (names->items[i]->kind != IB_STRING)
            return fail(b, names->items[i], IB_BAD_INPUT, "outputs: expected the name of a layer");
        if (!ib__value_add(*out, history(b, names->items[i]->string))) return ib__fail_memory(b->err);
    }
    return IB_OK;
}

/* The config's input_layers and output_layers. */
static ib_status add_ends(builder *b, ib_value *config, size_t n_inputs, const ib_value *outputs) {
    ib_value *names = ib__value_list(), *made = NULL;
    ib_status status = names ? IB_OK : ib__fail_memory(b->err);
    for (size_t i = 0; status == IB_OK && i < n_inputs; i++)
        if (!ib__value_add(names, ib__value_copy(layer_name(b->layers->items[i]))))
            status = ib__fail_memory(b->err);
    if (status == IB_OK) status = ends(b, n_inputs == 1 ? names->items[0] : names, &made);
    if (status == IB_OK && !ib__value_set(config, "input_layers", made)) status = ib__fail_memory(b->err);
    made = NULL;
    const ib_value *last = layer_name(b->layers->items[b->layers->count - 1]);
    if (status == IB_OK) {
        status = ends(b, outputs && outputs->kind != IB_NULL ? outputs : last, &made);
        if (status != IB_OK)
            ib__value_free(made);
        else if (!ib__value_set(config, "output_layers", made))
            status = ib__fail_memory(b->err);
    }
    ib__value_free(names);
    return status;
}

static ib_status functional(builder *b, const ib_value *entry, ib_value *config, size_t *added) {
    static const char *const known[] = {"inputs", "layers", "outputs", "name"};
    if (entry->kind != IB_MAP)
        return fail(b, entry, IB_BAD_INPUT, "functional: expected inputs, layers and outputs");
    ib_status status = check_keys(b, entry, known, 4);
    if (status == IB_OK) status = add_inputs(b, ib__value_get(entry, "inputs"));
    if (status != IB_OK) return status;
    *added = b->layers->count;
    for (size_t i = 0; i < *added; i++) {
        ib_value *input = b->layers->items[i];
        if (!ib__value_set(input, "name", ib__value_copy(layer_name(input))) ||
            !ib__value_set(input, "inbound_nodes", ib__value_list()))
            return ib__fail_memory(b->err);
    }
    const ib_value *layers = ib__value_get(entry, "layers");
    if (!ib__value_is(layers, IB_LIST) || !layers->count)
        return fail(b, layers ? layers : entry, IB_BAD_INPUT, "functional.layers: expected a list of layers");
    for (size_t i = 0; i < layers->count; i++) {
        part p;
        status = take_apart(b, layers->items[i], &p);
        if (status != IB_OK) return status;
        if (is_input(p.class_name))
            return fail(b, p.entry, IB_BAD_INPUT, "inputs stand under functional.inputs");
        ib_value *previous = ib__value_copy(layer_name(b->layers->items[b->layers->count - 1]));
        ib_value *made = NULL;
        if (!previous) return ib__fail_memory(b->err);
        status = add_layer(b, &p, &made);
        if (status == IB_OK && !ib__value_set(made, "name", ib__value_copy(layer_name(made))))
            status = ib__fail_memory(b->err);
        if (status == IB_OK) status = add_node(b, made, &p, previous);
        ib__value_free(previous);
        if (status != IB_OK) return status;
    }
    return add_ends(b, config, *added, ib__value_get(entry, "outputs"));
}

/* ---- The entry ---- */

/* The root {module, class_name, config {name, trainable, layers, ...}, registered_name}. b->layers becomes
 * part of it at once, so that there is one thing to release. NULL: no memory. */
static ib_value *new_root(builder *b, bool graph, const char *name, ib_value **config) {
    ib_value *root = ib__value_map();
    *config = ib__value_map();
    b->layers = ib__value_list();
    bool good = ib__value_set(*config, "name", ib__value_string(name)) &&
                ib__value_set(*config, "trainable", ib__value_bool(true)) &&
                (graph || !b->policy || ib__value_set(*config, "dtype", ib__value_copy(b->policy)));
    if (!good || !ib__value_set(*config, "layers", b->layers)) {
        if (!good) ib__value_free(b->layers);
        ib__value_free(*config);
        ib__value_free(root);
        return NULL;
    }
    const char *module = graph ? "keras.src.models.functional" : "keras";
    const char *class_name = graph ? "Functional" : "Sequential";
    good = ib__value_set(root, "module", ib__value_string(module)) &&
           ib__value_set(root, "class_name", ib__value_string(class_name));
    if (!good) ib__value_free(*config);
    if (good && ib__value_set(root, "config", *config) &&
        ib__value_set(root, "registered_name", graph ? ib__value_string(class_name) : ib__value_null()))
        return root;
    ib__value_free(root);
    return NULL;
}

/* Keras's global policy while the model is made. */
static ib_status read_policy(builder *b, const ib_value *given) {
    static const ib_field field = {.key = "dtype_policy"};
    char where[512];
    if (given->line)
        (void)snprintf(where, sizeof where, "%.400s, line %d, dtype_policy", b->where, given->line);
    else
        (void)snprintf(where, sizeof where, "%.400s, dtype_policy", b->where);
    return ib__read_dtype(&field, given, where, NULL, &b->policy, b->err);
}

static ib_status in_place(builder *b, const ib_value *entry, ib_model **out) {
    const ib_value *list = ib__value_get(entry, "sequential"), *graph = ib__value_get(entry, "functional");
    const ib_value *name = ib__value_get(entry, "name");
    if (!name) name = ib__value_get(graph, "name");
    if (name && (name->kind != IB_STRING || !name->string[0]))
        return fail(b, name, IB_BAD_INPUT, "name: expected text");
    ib_value *config = NULL;
    const ib_value *policy = ib__value_get(entry, "dtype_policy");
    ib_status status = policy ? read_policy(b, policy) : IB_OK;
    if (status != IB_OK) return status;
    ib_value *root = new_root(b, graph, name ? name->string : graph ? "functional" : "sequential", &config);
    if (!root) {
        ib__value_free(b->policy);
        return ib__fail_memory(b->err);
    }
    ib_read_options options = {.list = graph ? "functional.layers" : "sequential"};
    status = graph ? functional(b, graph, config, &options.added) : sequential(b, list, &options.added);
    if (status == IB_OK) status = ib__model_read(out, root, b->where, &options, b->err);
    ib__value_free(root);
    ib__value_free(b->policy);
    return status;
}

static ib_status from_config_file(builder *b, const char *path, ib_model **out) {
    ib_buf text = {0};
    ib_value *config = NULL, *compile = NULL;
    ib_status status = ib__file_read(&text, path, (size_t)64 << 20, b->err);
    if (status == IB_OK) status = ib__json_parse(&config, text.data, text.length, path, b->err);
    if (status == IB_OK) status = ib__config_split(config, path, &compile, b->err);
    if (status == IB_OK) status = ib__model_read(out, config, path, &(ib_read_options){0}, b->err);
    ib__value_free(compile);
    ib__value_free(config);
    ib__buf_free(&text);
    return status;
}

static ib_status from_file(builder *b, const ib_value *file, bool keras, const char *folder, ib_model **out) {
    if (file->kind != IB_STRING || !file->string[0])
        return fail(b, file, IB_BAD_INPUT, "expected the name of a file");
    ib_buf path = {0};
    if (folder && folder[0] && file->string[0] != '/') ib__buf_printf(&path, "%s/", folder);
    ib__buf_text(&path, file->string);
    ib_status status = path.failed ? ib__fail_memory(b->err)
                       : keras     ? ib__keras_load(out, path.data, false, b->err)
                                   : from_config_file(b, path.data, out);
    ib__buf_free(&path);
    return status;
}

ib_status ib__model_from_experiment(ib_model **out, const ib_value *entry, const ib_shape *input,
                                    const char *folder, const char *where, ib_error *err) {
    static const char *const known[] = {"sequential", "functional", "keras",
                                        "config",     "name",       "dtype_policy"};
    builder b = {.input = input, .where = where, .err = err};
    *out = NULL;
    const char *expected = "expected one of sequential, functional, keras, config";
    if (!ib__value_is(entry, IB_MAP)) return fail(&b, entry, IB_BAD_INPUT, expected);
    ib_status status = check_keys(&b, entry, known, sizeof known / sizeof *known);
    if (status != IB_OK) return status;
    size_t kinds = 0;
    for (size_t i = 0; i < 4; i++)
        kinds += ib__value_get(entry, known[i]) != NULL;
    if (kinds != 1) return fail(&b, entry, IB_BAD_INPUT, expected);
    const ib_value *keras = ib__value_get(entry, "keras"), *config = ib__value_get(entry, "config");
    const ib_value *policy = ib__value_get(entry, "dtype_policy");
    if (policy && (keras || config))
        return fail(&b, policy, IB_BAD_INPUT, "dtype_policy: a file says the policies of its layers itself");
    if (keras) return from_file(&b, keras, true, folder, out);
    if (config) return from_file(&b, config, false, folder, out);
    return in_place(&b, entry, out);
}
