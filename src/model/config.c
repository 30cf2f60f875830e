/* SPDX-License-Identifier: Apache-2.0
 *
 * From Keras's config tree to a model: first the tree of layers and nested models is made, then it is
 * expanded into calls. A nested model that is called twice is expanded twice over the same layers. What Keras
 * would write is put into the config on the way (defaults, the shapes of the layers' inputs).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/config.h"
#include "model/internal.h"

bool ib__module_is_input(const ib_module *module) {
    return module->layer && strcmp(module->class_name, "InputLayer") == 0;
}

/* ---- The tree ---- */

static bool is_model_class(const char *name) {
    return strcmp(name, "Sequential") == 0 || strcmp(name, "Functional") == 0 || strcmp(name, "Model") == 0;
}

/* Layers of Keras itself only: a file may name a function of any Python module as a layer's class. */
static ib_status check_origin(const ib_value *entry, const char *class_name, const char *place,
                              ib_error *err) {
    const ib_value *module = ib__value_get(entry, "module");
    const ib_value *registered = ib__value_get(entry, "registered_name");
    if (ib__value_is(registered, IB_STRING) && strchr(registered->string, '>') &&
        strncmp(registered->string, "keras.", 6) != 0)
        return ib__fail(err, IB_UNSUPPORTED, place,
                        "%s is a custom class (\"%.80s\"); only Keras's own are "
                        "supported",
                        class_name, registered->string);
    if (!module || module->kind == IB_NULL) return IB_OK;
    if (module->kind != IB_STRING)
        return ib__fail(err, IB_BAD_INPUT, place, "module: expected text, found %s",
                        ib__kind_name(module->kind));
    static const char *const fine[] = {"keras.layers", "keras.src.layers", "keras", "keras.models",
                                       "keras.src.models"};
    const char *text = module->string;
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        size_t length = strlen(fine[i]);
        if (strncmp(text, fine[i], length) != 0) continue;
        if (!text[length]) return IB_OK;
        if (text[length] == '.' && strstr(fine[i], "src")) return IB_OK;
    }
    return ib__fail(err, IB_UNSUPPORTED, place, "%s of the module \"%.80s\" is not supported", class_name,
                    text);
}

/* Older files do not say the module; Keras asks for it. */
static ib_status add_origin(ib_value *entry, const char *class_name, ib_error *err) {
    if (ib__value_get(entry, "module")) return IB_OK;
    bool graph = strcmp(class_name, "Functional") == 0, list = strcmp(class_name, "Sequential") == 0;
    const char *module = graph ? "keras.src.models.functional" : list ? "keras" : "keras.layers";
    ib_value *registered = graph ? ib__value_string("Functional") : ib__value_null();
    return ib__value_set(entry, "registered_name", registered) &&
                   ib__value_set(entry, "module", ib__value_string(module))
               ? IB_OK
               : ib__fail_memory(err);
}

static const ib_value *module_name(const ib_value *entry) {
    const ib_value *name = ib__value_get(ib__value_get(entry, "config"), "name");
    return name ? name : ib__value_get(entry, "name");
}

/* Checks what layers and models have in common and makes the module. */
static ib_status new_module(ib_reader *r, ib_value *entry, const char *place, ib_module **out) {
    if (!ib__value_is(entry, IB_MAP))
        return ib__fail(r->err, IB_BAD_INPUT, place, "expected a map with class_name and config, found %s",
                        entry ? ib__kind_name(entry->kind) : "nothing");
    const ib_value *class_name = ib__value_get(entry, "class_name");
    if (!ib__value_is(class_name, IB_STRING))
        return ib__fail(r->err, IB_BAD_INPUT, place, "class_name: expected text, found %s",
                        class_name ? ib__kind_name(class_name->kind) : "nothing");
    const ib_value *config = ib__value_get(entry, "config");
    if (!ib__value_is(config, IB_MAP))
        return ib__fail(r->err, IB_BAD_INPUT, place, "config: expected a map, found %s",
                        config ? ib__kind_name(config->kind) : "nothing");
    const ib_value *name = module_name(entry);
    if (!ib__value_is(name, IB_STRING) || !name->string[0])
        return ib__fail(r->err, IB_BAD_INPUT, place, "name: expected text, found %s",
                        !name                     ? "nothing"
                        : name->kind == IB_STRING ? "an empty one"
                                                  : ib__kind_name(name->kind));
    if (strchr(name->string, '/'))
        return ib__fail(r->err, IB_BAD_INPUT, place, "name: \"%.80s\" has a '/'", name->string);
    ib_status status = check_origin(entry, class_name->string, place, r->err);
    if (status != IB_OK) return status;
    status = add_origin(entry, class_name->string, r->err);
    if (status != IB_OK) return status;
    ib_module *module = ib__arena_alloc(&r->model->arena, sizeof *module);
    if (!module) return ib__fail_memory(r->err);
    module->class_name = ib__arena_strdup(&r->model->arena, class_name->string);
    module->name = ib__arena_strdup(&r->model->arena, name->string);
    module->entry = entry;
    if (!module->class_name || !module->name) return ib__fail_memory(r->err);
    *out = module;
    return IB_OK;
}

static ib_status make_leaf(ib_reader *r, ib_module *module, const char *prefix, const char *place,
                           bool frozen) {
    ib_model *model = r->model;
    if (model->n_layers >= IB_LAYERS_MAX)
        return ib__fail(r->err, IB_UNSUPPORTED, place, "more than %d layers", IB_LAYERS_MAX);
    if (!ib__grow(&model->layers, &r->layers_capacity, model->n_layers + 1, sizeof *model->layers))
        return ib__fail_memory(r->err);
    const ib_value *config = ib__value_get(module->entry, "config");
    ib_layer *layer = NULL;
    if (!ib__layer_class(module->class_name)) /* an error, whose place shall have the name too */
        place = ib__arena_printf(&model->arena, "%s %s", place, module->name);
    if (!place) return ib__fail_memory(r->err);
    ib_status status = ib__layer_new(&layer, module->class_name, config, module->name, place, r->err);
    if (status != IB_OK) return status;
    model->layers[model->n_layers++] = layer;
    module->layer = layer;
    layer->weight_limit = r->options.weight_limit;
    if (frozen) layer->trainable = false;
    if (prefix[0]) {
        layer->path = ib__arena_printf(&layer->arena, "%s%s", prefix, layer->name);
        if (!layer->path) return ib__fail_memory(r->err);
    }
    if (!ib__value_set(module->entry, "config", ib__value_copy(layer->config)))
        return ib__fail_memory(r->err);
    return IB_OK;
}

static ib_status make_module(ib_reader *r, ib_value *entry, const char *prefix, const char *place,
                             bool frozen, ib_module **out);

static ib_status add_member(ib_reader *r, ib_module *module, ib_module *member, const char *place) {
    for (size_t i = 0; i < module->n_members; i++)
        if (strcmp(module->members[i]->name, member->name) == 0)
            return ib__fail(r->err, IB_BAD_INPUT, place, "the name \"%.80s\" stands twice", member->name);
    if (module->n_members >= IB_LAYERS_MAX)
        return ib__fail(r->err, IB_UNSUPPORTED, place, "more than %d layers", IB_LAYERS_MAX);
    if (module->n_members == module->members_capacity) {
        size_t capacity = module->members_capacity ? 2 * module->members_capacity : 16;
        ib_module **grown = ib__arena_alloc(&r->model->arena, capacity * sizeof *grown);
        if (!grown) return ib__fail_memory(r->err);
        if (module->n_members) memcpy(grown, module->members, module->n_members * sizeof *grown);
        module->members = grown;
        module->members_capacity = capacity;
    }
    module->members[module->n_members++] = member;
    return IB_OK;
}

/* HDF5 groups are named by class and a counter among the members of a model, in the order of its layers;
 * Sequential does not count its input layer. */
static ib_status name_groups(ib_reader *r, ib_module *module) {
    char(*names)[128] = ib__arena_alloc(&r->model->arena, module->n_members * 128 + 1);
    if (!names) return ib__fail_memory(r->err);
    for (size_t i = 0; i < module->n_members; i++) {
        ib_module *member = module->members[i];
        if (!module->functional && ib__module_is_input(member)) continue;
        ib__snake_case(names[i], sizeof names[i], member->class_name);
        size_t before = 0;
        for (size_t j = 0; j < i; j++)
            before += strcmp(names[j], names[i]) == 0;
        char number[24] = "";
        if (before) snprintf(number, sizeof number, "_%zu", before);
        member->h5 = ib__arena_printf(&r->model->arena, "%s%slayers/%s%s", module->h5,
                                      module->h5[0] ? "/" : "", names[i], number);
        if (!member->h5) return ib__fail_memory(r->err);
    }
    for (size_t i = 0; i < module->n_members; i++) {
        ib_module *member = module->members[i];
        if (member->h5 && !member->layer) {
            ib_status status = name_groups(r, member);
            if (status != IB_OK) return status;
        }
    }
    return IB_OK;
}

const char *ib__layer_place(ib_reader *r, const ib_module *module, const char *place, size_t i) {
    ib_arena *arena = &r->model->arena;
    if (module != r->model->root || !r->options.list)
        return ib__arena_printf(arena, "%s%slayers[%zu]", place, place[0] ? ", " : "", i);
    if (i < r->options.added) return "the input layer";
    const ib_value *layers = ib__value_get(ib__value_get(module->entry, "config"), "layers");
    const ib_value *entry = ib__value_at(layers, i);
    i -= r->options.added;
    if (!entry || !entry->line) return ib__arena_printf(arena, "%s[%zu]", r->options.list, i);
    return ib__arena_printf(arena, "line %d, %s[%zu]", entry->line, r->options.list, i);
}

static ib_status make_model(ib_reader *r, ib_module *module, const char *prefix, const char *place,
                            bool frozen) {
    module->functional = strcmp(module->class_name, "Sequential") != 0;
    ib_value *config = ib__value_get(module->entry, "config");
    ib_value *layers = ib__value_get(config, "layers");
    if (!ib__value_is(layers, IB_LIST))
        return ib__fail(r->err, IB_BAD_INPUT, place, "layers: expected a list, found %s",
                        layers ? ib__kind_name(layers->kind) : "nothing");
    const ib_value *trainable = ib__value_get(config, "trainable");
    if (module->functional && ib__value_is(trainable, IB_BOOL) && !trainable->boolean) frozen = true;
    for (size_t i = 0; i < layers->count; i++) {
        const char *at = ib__layer_place(r, module, place, i);
        if (!at) return ib__fail_memory(r->err);
        ib_module *member = NULL;
        ib_status status = make_module(r, layers->items[i], prefix, at, frozen, &member);
        if (status == IB_OK) status = add_member(r, module, member, at);
        if (status == IB_OK && !module->functional && ib__module_is_input(member) && i > 0)
            status = ib__fail(r->err, IB_BAD_INPUT, at, "an InputLayer must be the first layer");
        if (status != IB_OK) return status;
    }
    return module->functional ? ib__functional_read(r, module, config, place) : IB_OK;
}

static ib_status make_module(ib_reader *r, ib_value *entry, const char *prefix, const char *place,
                             bool frozen, ib_module **out) {
    ib_status status = new_module(r, entry, place, out);
    ib_module *module = *out;
    if (status != IB_OK || !module) return status;
    if (!is_model_class(module->class_name)) return make_leaf(r, module, prefix, place, frozen);
    const char *inner = ib__arena_printf(&r->model->arena, "%s%s/", prefix, module->name);
    const char *at = ib__arena_printf(&r->model->arena, "%s %s", place, module->name);
    if (!inner || !at) return ib__fail_memory(r->err);
    return make_model(r, module, inner, at, frozen);
}

/* ---- Calls ---- */

ib_value *ib__dims_value(const ib_shape *shape) {
    ib_value *list = ib__value_list();
    for (int i = 0; list && i < shape->rank; i++)
        if (!ib__value_add(list, shape->dims[i] < 0 ? ib__value_null() : ib__value_int(shape->dims[i]))) {
            ib__value_free(list);
            return NULL;
        }
    return list;
}

/* Whether a shape written in a config may be this one: null fits anything, the batch is not looked at. */
static bool dims_fit(const ib_value *list, const ib_shape *shape) {
    if (!ib__value_is(list, IB_LIST) || list->count != (size_t)shape->rank) return false;
    for (int i = 1; i < shape->rank; i++) {
        const ib_value *dim = list->items[i];
        if (dim->kind == IB_NULL || shape->dims[i] < 0) continue;
        if (dim->kind != IB_INT || dim->integer != shape->dims[i]) return false;
    }
    return true;
}

/* build_config {"input_shape": ...} is checked where it stands and added where it is missing. */
static ib_status note_build(ib_reader *r, ib_module *module, const ib_shape *shapes, size_t n) {
    ib_value *build = ib__value_get(module->entry, "build_config");
    ib_value *given = ib__value_get(build, "input_shape");
    const ib_layer *layer = module->layer;
    if (given && given->kind != IB_NULL) {
        bool nested = given->kind == IB_LIST && given->count && given->items[0]->kind == IB_LIST;
        bool fits = nested ? given->count == n : n == 1 && dims_fit(given, &shapes[0]);
        for (size_t i = 0; fits && nested && i < n; i++)
            fits = dims_fit(given->items[i], &shapes[i]);
        if (fits) return IB_OK;
        char text[128];
        ib__shape_print(text, &shapes[0]);
        return ib__fail(r->err, IB_BAD_INPUT, layer->place,
                        "build_config has another input_shape than the layer's input, %s", text);
    }
    if (build || ib__module_is_input(module)) return IB_OK;
    ib_value *map = ib__value_map();
    ib_value *list = layer->class->many_inputs ? ib__value_list() : ib__dims_value(&shapes[0]);
    for (size_t i = 0; layer->class->many_inputs && list && i < n; i++)
        if (!ib__value_add(list, ib__dims_value(&shapes[i]))) {
            ib__value_free(list);
            list = NULL;
        }
    if (ib__value_set(map, "input_shape", list) && ib__value_set(module->entry, "build_config", map))
        return IB_OK;
    return ib__fail_memory(r->err);
}

static ib_status push_call(ib_reader *r, size_t layer, const size_t *inputs, size_t n, const ib_shape *shape,
                           size_t *out) {
    ib_model *model = r->model;
    if (model->n_calls >= IB_CALLS_MAX)
        return ib__fail(r->err, IB_UNSUPPORTED, "", "more than %d calls of layers", IB_CALLS_MAX);
    if (!ib__grow(&model->calls, &r->calls_capacity, model->n_calls + 1, sizeof *model->calls))
        return ib__fail_memory(r->err);
    ib_call call = {.layer = layer, .n_inputs = n, .shape = *shape};
    call.shape.dims[0] = -1;
    call.inputs = ib__arena_alloc(&model->arena, (n + 1) * sizeof *call.inputs);
    if (!call.inputs) return ib__fail_memory(r->err);
    if (n) memcpy(call.inputs, inputs, n * sizeof *inputs);
    *out = model->n_calls;
    model->calls[model->n_calls++] = call;
    return IB_OK;
}

static ib_status note_shapes(ib_reader *r, ib_module *module, const size_t *calls, size_t n) {
    if (module->n_shapes != n) module->shapes = ib__arena_alloc(&r->model->arena, n * sizeof *module->shapes);
    if (!module->shapes) return ib__fail_memory(r->err);
    module->n_shapes = n;
    for (size_t i = 0; i < n; i++)
        module->shapes[i] = r->model->calls[calls[i]].shape;
    return IB_OK;
}

static size_t layer_index(const ib_model *model, const ib_layer *layer) {
    size_t i = 0;
    while (model->layers[i] != layer)
        i++;
    return i;
}

static ib_status call_leaf(ib_reader *r, ib_module *module, const size_t *inputs, size_t n, size_t *out) {
    ib_layer *layer = module->layer;
    if (!layer->class->many_inputs && n != 1)
        return ib__fail(r->err, IB_BAD_INPUT, layer->place, "%s takes one input, found %zu",
                        layer->class->name, n);
    ib_shape *shapes = ib__alloc(n + 1, sizeof *shapes);
    if (!shapes) return ib__fail_memory(r->err);
    for (size_t i = 0; i < n; i++)
        shapes[i] = r->model->calls[inputs[i]].shape;
    bool first = !layer->built;
    ib_shape shape = {0};
    ib_status status = ib__layer_build(layer, shapes, n, r->err);
    if (status == IB_OK) status = layer->class->shape(layer, shapes, n, &shape, r->err);
    if (status == IB_OK && first) status = note_build(r, module, shapes, n);
    if (status == IB_OK) status = push_call(r, layer_index(r->model, layer), inputs, n, &shape, out);
    if (status == IB_OK) status = note_shapes(r, module, out, 1);
    ib__free(shapes);
    return status;
}

/* Calls any member; *outputs: in the model's arena. */
ib_status ib__module_call(ib_reader *r, ib_module *module, const size_t *inputs, size_t n, size_t **outputs,
                          size_t *n_outputs) {
    if (++r->module_calls > IB_CALLS_MAX)
        return ib__fail(r->err, IB_UNSUPPORTED, "", "more than %d calls of layers", IB_CALLS_MAX);
    if (module->layer) {
        *n_outputs = 1;
        *outputs = ib__arena_alloc(&r->model->arena, sizeof **outputs);
        if (!*outputs) return ib__fail_memory(r->err);
        return call_leaf(r, module, inputs, n, *outputs);
    }
    ib_status status = IB_OK;
    if (module->functional) {
        status = ib__functional_expand(r, module, inputs, n, outputs, n_outputs);
    } else {
        if (n != 1)
            return ib__fail(r->err, IB_BAD_INPUT, module->name,
                            "a Sequential model takes one input, found "
                            "%zu",
                            n);
        size_t now = inputs[0], *made = NULL, n_made = 0;
        for (size_t i = 0; status == IB_OK && i < module->n_members; i++) {
            ib_module *member = module->members[i];
            if (ib__module_is_input(member)) {
                status = ib__input_check(r, member, now);
                continue;
            }
            status = ib__module_call(r, member, &now, 1, &made, &n_made);
            if (status == IB_OK && n_made != 1)
                status = ib__fail(r->err, IB_BAD_INPUT, member->name,
                                  "a layer of a Sequential model must have one output, this has %zu", n_made);
            if (status == IB_OK) now = made[0];
        }
        if (status != IB_OK) return status;
        *n_outputs = 1;
        *outputs = ib__arena_alloc(&r->model->arena, sizeof **outputs);
        if (!*outputs) return ib__fail_memory(r->err);
        (*outputs)[0] = now;
    }
    return status == IB_OK ? note_shapes(r, module, *outputs, *n_outputs) : status;
}

/* A call given to a nested model's InputLayer must have its shape. */
ib_status ib__input_check(ib_reader *r, ib_module *input, size_t call) {
    const ib_value *declared = ib__value_get(input->layer->config, "batch_shape");
    const ib_shape *found = &r->model->calls[call].shape;
    if (dims_fit(declared, found)) return note_shapes(r, input, &call, 1);
    char text[128];
    ib__shape_print(text, found);
    return ib__fail(r->err, IB_BAD_INPUT, input->layer->place, "is given the shape %s", text);
}

/* The call of one of the model's own inputs. */
ib_status ib__input_call(ib_reader *r, ib_module *input, size_t *out) {
    ib_layer *layer = input->layer;
    ib_shape shape = {0};
    ib_status status = layer->class->shape(layer, NULL, 0, &shape, r->err);
    if (status != IB_OK) return status;
    if (shape.rank < 1)
        return ib__fail(r->err, IB_BAD_INPUT, layer->place, "an input must have a batch axis");
    for (int i = 1; i < shape.rank; i++)
        if (shape.dims[i] < 0)
            return ib__fail(r->err, IB_UNSUPPORTED, layer->place,
                            "axis %d is unknown (None); only the batch may be unknown", i);
    layer->built = true;
    status = push_call(r, layer_index(r->model, layer), NULL, 0, &shape, out);
    return status == IB_OK ? note_shapes(r, input, out, 1) : status;
}

/* ---- The root ---- */

/* A Sequential model without an input layer gets one, with the shape it was built for. */
static ib_status add_input(ib_value *entry, const char *name, ib_error *err) {
    ib_value *config = ib__value_get(entry, "config");
    ib_value *layers = ib__value_get(config, "layers");
    if (!ib__value_is_string(ib__value_get(entry, "class_name"), "Sequential") ||
        !ib__value_is(layers, IB_LIST) || !layers->count ||
        ib__value_is_string(ib__value_get(layers->items[0], "class_name"), "InputLayer"))
        return IB_OK;
    const ib_value *shape = ib__value_get(config, "build_input_shape");
    if (!ib__value_is(shape, IB_LIST))
        return ib__fail(err, IB_BAD_INPUT, name,
                        "a Sequential model without an InputLayer that was never built has no shapes");
    ib_value *input = ib__input_entry("input_layer", ib__value_copy(shape), "float32");
    if (!ib__value_add(layers, input)) return ib__fail_memory(err);
    for (size_t i = layers->count - 1; i > 0; i--) {
        ib_value *t = layers->items[i];
        layers->items[i] = layers->items[i - 1];
        layers->items[i - 1] = t;
    }
    return IB_OK;
}

static bool set_text(ib_value *map, const char *key, const char *text) {
    return ib__value_set(map, key, ib__value_string(text));
}

/* An InputLayer as Keras writes it. Takes over shape. NULL: no memory. */
ib_value *ib__input_entry(const char *name, ib_value *shape, const char *dtype) {
    ib_value *entry = ib__value_map(), *config = ib__value_map();
    bool good = ib__value_set(config, "batch_shape", shape) && set_text(config, "dtype", dtype) &&
                ib__value_set(config, "sparse", ib__value_bool(false)) &&
                ib__value_set(config, "ragged", ib__value_bool(false)) && set_text(config, "name", name) &&
                ib__value_set(config, "optional", ib__value_bool(false));
    good = good && set_text(entry, "module", "keras.layers") && set_text(entry, "class_name", "InputLayer");
    if (!good) {
        ib__value_free(config);
        ib__value_free(entry);
        return NULL;
    }
    if (ib__value_set(entry, "config", config) && ib__value_set(entry, "registered_name", ib__value_null()))
        return entry;
    ib__value_free(entry);
    return NULL;
}

static ib_status expand_root(ib_reader *r, ib_module *root) {
    ib_model *model = r->model;
    model->n_inputs = root->functional ? root->n_inputs : 1;
    model->inputs = ib__arena_alloc(&model->arena, model->n_inputs * sizeof *model->inputs + 1);
    if (!model->inputs) return ib__fail_memory(r->err);
    for (size_t i = 0; i < model->n_inputs; i++) {
        ib_module *input = root->members[root->functional ? root->inputs[i].member : 0];
        ib_status status = ib__input_call(r, input, &model->inputs[i]);
        if (status != IB_OK) return status;
    }
    return ib__module_call(r, root, model->inputs, model->n_inputs, &model->outputs, &model->n_outputs);
}

static ib_status read_root(ib_reader *r) {
    ib_model *model = r->model;
    ib_status status = new_module(r, model->config, "", &model->root);
    ib_module *root = model->root;
    if (status != IB_OK || !root) return status;
    root->h5 = "";
    if (!is_model_class(root->class_name))
        return ib__fail(r->err, IB_UNSUPPORTED, "",
                        "class_name: expected Sequential or Functional, found \"%.80s\"", root->class_name);
    model->name = ib__arena_strdup(&model->arena, root->name);
    model->functional = strcmp(root->class_name, "Sequential") != 0;
    if (!model->name) return ib__fail_memory(r->err);
    status = make_model(r, root, "", "", false);
    if (status == IB_OK) status = name_groups(r, root);
    if (status != IB_OK) return status;
    if (model->functional ? !root->n_inputs || !root->n_outputs : root->n_members < 2)
        return ib__fail(r->err, IB_BAD_INPUT, "", "the model has no %s",
                        model->functional ? "input or output" : "layers");
    const ib_value *outputs = ib__value_get(ib__value_get(model->config, "config"), "output_layers");
    model->list_outputs =
        ib__value_is(outputs, IB_LIST) && outputs->count && outputs->items[0]->kind != IB_STRING;
    return expand_root(r, root);
}

ib_status ib__config_split(ib_value *config, const char *path, ib_value **compile, ib_error *err) {
    *compile = NULL;
    if (!ib__value_is(config, IB_MAP))
        return ib__fail(err, IB_BAD_INPUT, path, "expected a map, found %s", ib__kind_name(config->kind));
    for (size_t i = 0; i < config->count; i++) {
        if (strcmp(config->keys[i], "compile_config") != 0) continue;
        *compile = config->items[i];
        free(config->keys[i]);
        config->count--;
        memmove(&config->keys[i], &config->keys[i + 1], (config->count - i) * sizeof *config->keys);
        memmove(&config->items[i], &config->items[i + 1], (config->count - i) * sizeof *config->items);
        break;
    }
    return IB_OK;
}

ib_status ib__model_read(ib_model **out, const ib_value *config, const char *name,
                         const ib_read_options *options, ib_error *err) {
    *out = NULL;
    ib_model *model = ib__alloc(1, sizeof *model);
    if (!model) return ib__fail_memory(err);
    ib_error own = {0};
    ib_reader reader = {.model = model, .err = err ? err : &own, .options = *options};
    ib_status status = IB_OK;
    model->config = ib__value_copy(config);
    ib_value *compile = NULL;
    if (!model->config) status = ib__fail_memory(err);
    if (status == IB_OK && model->config->kind == IB_MAP)
        status = ib__config_split(model->config, "", &compile, reader.err);
    ib__value_free(compile);
    if (status == IB_OK) status = add_input(model->config, "", reader.err);
    if (status == IB_OK) status = read_root(&reader);
    if (status != IB_OK) {
        ib__model_free(model);
        return status == IB_NO_MEMORY ? status : ib__fail_within(err, status, name);
    }
    *out = model;
    return IB_OK;
}

ib_status ib__model_from_config(ib_model **out, const ib_value *config, const char *name, ib_error *err) {
    return ib__model_read(out, config, name, &(ib_read_options){0}, err);
}
