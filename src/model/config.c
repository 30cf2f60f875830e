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

/* keras.ops in a Functional model, and activation functions with arguments: their classes are called by
 * module and name, "keras.src.ops.numpy.Add". */
static bool is_op(const char *text) {
    static const char functions[] = "keras.src.activations.activations";
    return strncmp(text, "keras.src.ops.", 14) == 0 || strncmp(text, functions, sizeof functions - 1) == 0;
}

bool ib__module_is_op(const ib_module *module) {
    return is_op(module->class_name);
}

const ib_value *ib__model_keep(ib_reader *r, ib_value *value) {
    if (!r->model->kept) r->model->kept = ib__value_list();
    return ib__value_add(r->model->kept, value) ? value : NULL;
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
    if (module->kind == IB_STRING && is_op(module->string)) return IB_OK;
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
    return ib__fail(err, IB_UNSUPPORTED, place,
                    "%s of the module \"%.80s\" is not supported: it is not one of Keras's own classes",
                    class_name, text);
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
    ib_status status = check_origin(entry, class_name->string, place, r->err);
    if (status != IB_OK) return status;
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
    status = add_origin(entry, class_name->string, r->err);
    if (status != IB_OK) return status;
    ib_module *module = ib__arena_alloc(&r->model->arena, sizeof *module);
    if (!module) return ib__fail_memory(r->err);
    const ib_value *origin = ib__value_get(entry, "module");
    bool op = ib__value_is(origin, IB_STRING) && is_op(origin->string);
    module->class_name = ib__arena_printf(&r->model->arena, "%s%s%s", op ? origin->string : "", op ? "." : "",
                                          class_name->string);
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
    status = ib__layer_nest(layer, prefix, r->err);
    if (status != IB_OK) return status;
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

/* The shapes of a call's tensors by argument, as Keras's build_config has them: {"input_shape": ...} if there
 * is one argument, else {"shapes_dict": {"query_shape": ...}}. NULL: no memory. */
static ib_value *build_shapes(const ib_layer *layer, const ib_args *args) {
    ib_value *map = ib__value_map(), *dict = ib__value_map();
    bool good = map && dict;
    size_t names = 0;
    for (size_t i = 0, n; good && i < args->n; i += n, names++) {
        char key[80];
        (void)ib__args_find(args, args->names[i], &n);
        snprintf(key, sizeof key, "%.64s_shape", args->names[i]);
        bool listed = i == 0 && layer->class->many_inputs;
        ib_value *list = listed || n > 1 ? ib__value_list() : ib__dims_value(&args->specs[i].shape);
        for (size_t k = 0; (listed || n > 1) && list && k < n; k++)
            if (!ib__value_add(list, ib__dims_value(&args->specs[i + k].shape))) {
                ib__value_free(list);
                list = NULL;
            }
        good = ib__value_set(dict, key, list);
    }
    if (good && names == 1) good = ib__value_set(map, "input_shape", ib__value_copy(dict->items[0]));
    if (good && names != 1) good = ib__value_set(map, "shapes_dict", ib__value_copy(dict));
    ib__value_free(dict);
    if (good) return map;
    ib__value_free(map);
    return NULL;
}

/* Keras writes (None, 1, depth) for what comes out of a TextVectorization that encodes, and makes (None,
 * depth): of a model of texts an axis of 1 behind the batch does not count. */
static bool fits_behind_texts(const ib_reader *r, const ib_value *list, const ib_shape *shape) {
    bool texts = false;
    for (size_t i = 0; i < r->model->n_tensors; i++)
        texts = texts || r->model->tensors[i].text;
    if (!texts || !ib__value_is(list, IB_LIST) || list->count < 3 || shape->rank >= IB_RANK_MAX) return false;
    ib_shape longer = {.rank = shape->rank + 1, .dims = {-1, 1}};
    for (int i = 1; i < shape->rank; i++)
        longer.dims[i + 1] = shape->dims[i];
    return dims_fit(list, &longer);
}

/* build_config {"input_shape": ...} is checked where it stands, and added where a layer with weights has
 * none. */
static ib_status note_build(ib_reader *r, ib_module *module, const ib_args *args) {
    ib_value *build = ib__value_get(module->entry, "build_config");
    ib_value *given = ib__value_get(build, "input_shape");
    const ib_layer *layer = module->layer;
    if (given && given->kind != IB_NULL) {
        bool nested = given->kind == IB_LIST && given->count && given->items[0]->kind == IB_LIST;
        bool fits = nested ? given->count <= args->n : dims_fit(given, &args->specs[0].shape);
        for (size_t i = 0; fits && nested && i < given->count; i++)
            fits = dims_fit(given->items[i], &args->specs[i].shape);
        if (fits || fits_behind_texts(r, given, &args->specs[0].shape)) return IB_OK;
        char text[128];
        ib__shape_print(text, &args->specs[0].shape);
        return ib__fail(r->err, IB_BAD_INPUT, layer->place,
                        "build_config has another input_shape than the layer's input, %s", text);
    }
    if (build || !layer->class->build) return IB_OK;
    return ib__value_set(module->entry, "build_config", build_shapes(layer, args)) ? IB_OK
                                                                                   : ib__fail_memory(r->err);
}

static ib_status add_tensor(ib_reader *r, const ib_spec *spec, size_t *out) {
    ib_model *model = r->model;
    if (model->n_tensors >= IB_CALLS_MAX)
        return ib__fail(r->err, IB_UNSUPPORTED, "", "more than %d calls of layers", IB_CALLS_MAX);
    if (!ib__grow(&model->tensors, &r->tensors_capacity, model->n_tensors + 1, sizeof *model->tensors))
        return ib__fail_memory(r->err);
    *out = model->n_tensors;
    model->tensors[model->n_tensors++] = *spec;
    return IB_OK;
}

static ib_status note_shapes(ib_reader *r, ib_module *module, const size_t *tensors, size_t n) {
    if (module->n_shapes != n) module->shapes = ib__arena_alloc(&r->model->arena, n * sizeof *module->shapes);
    if (!module->shapes) return ib__fail_memory(r->err);
    module->n_shapes = n;
    for (size_t i = 0; i < n; i++)
        module->shapes[i] = r->model->tensors[tensors[i]].shape;
    return IB_OK;
}

static size_t layer_index(const ib_model *model, const ib_layer *layer) {
    size_t i = 0;
    while (model->layers[i] != layer)
        i++;
    return i;
}

/* Is `name` the argument "mask" or "<argument>_mask", that is a mask of tensors of this argument? */
static bool is_mask_of(const char *name, const char *argument, bool first) {
    size_t n = strlen(argument);
    return (first && strcmp(name, "mask") == 0) ||
           (strncmp(name, argument, n) == 0 && strcmp(name + n, "_mask") == 0);
}

bool ib__argument_name(const ib_module *module, size_t i, char out[64]) {
    const char *text = module->layer ? module->layer->class->arguments : NULL;
    if (!text) text = "inputs";
    for (; i > 0; i--) {
        text += strcspn(text, " ");
        text += strspn(text, " ");
    }
    size_t length = strcspn(text, " ");
    if (!length || length >= 64) return false;
    memcpy(out, text, length);
    out[length] = '\0';
    return true;
}

bool ib__argument_known(const ib_module *module, const char *name) {
    char word[64];
    if (strcmp(name, "training") == 0) return true;
    for (size_t i = 0; ib__argument_name(module, i, word); i++)
        if (strcmp(name, word) == 0 || is_mask_of(name, word, i == 0)) return true;
    return false;
}

/* Splits what is given into inputs and their masks; arrays in the model's arena. */
static ib_status sort_inputs(ib_reader *r, const ib_module *module, const ib_given *given, size_t n,
                             ib_call *call) {
    ib_arena *arena = &r->model->arena;
    call->inputs = ib__arena_alloc(arena, (n + 1) * sizeof *call->inputs);
    call->masks = ib__arena_alloc(arena, (n + 1) * sizeof *call->masks);
    call->names = ib__arena_alloc(arena, (n + 1) * sizeof *call->names);
    if (!call->inputs || !call->masks || !call->names) return ib__fail_memory(r->err);
    char word[64];
    for (size_t k = 0; ib__argument_name(module, k, word); k++) {
        size_t first = call->n_inputs;
        for (size_t i = 0; i < n; i++) {
            if (strcmp(given[i].argument, word) != 0) continue;
            call->inputs[call->n_inputs] = given[i].tensor;
            call->masks[call->n_inputs] = IB_NO_TENSOR;
            call->names[call->n_inputs++] = given[i].argument;
        }
        for (size_t i = 0; i < n; i++)
            if (is_mask_of(given[i].argument, word, k == 0) && first + given[i].place < call->n_inputs)
                call->masks[first + given[i].place] = given[i].tensor;
    }
    return IB_OK;
}

static ib_status call_leaf(ib_reader *r, ib_module *module, const ib_given *given, size_t n,
                           const ib_value *settings, size_t **outputs, size_t *n_outputs) {
    ib_layer *layer = module->layer;
    ib_model *model = r->model;
    ib_call call = {.layer = layer_index(model, layer), .settings = settings, .first = model->n_tensors};
    ib_status status = sort_inputs(r, module, given, n, &call);
    if (status != IB_OK) return status;
    ib_spec *specs = ib__alloc(call.n_inputs + IB_OUTPUTS_MAX, sizeof *specs), *made = NULL;
    if (!specs) return ib__fail_memory(r->err);
    made = specs + call.n_inputs;
    for (size_t i = 0; i < call.n_inputs; i++)
        specs[i] = model->tensors[call.inputs[i]];
    ib_args args = {.n = call.n_inputs, .names = call.names, .specs = specs, .settings = settings};
    bool first = !layer->built;
    if (!first && args.n && specs[0].text != layer->texts)
        status = ib__fail(r->err, IB_UNSUPPORTED, layer->place, "it is called with texts and with numbers");
    if (status == IB_OK) status = ib__layer_infer(layer, &args, made, n_outputs, r->err);
    if (status == IB_OK && first && args.n) status = note_build(r, module, &args);
    call.n_outputs = *n_outputs;
    *outputs = ib__arena_alloc(&model->arena, (*n_outputs + 1) * sizeof **outputs);
    if (status == IB_OK && !*outputs) status = ib__fail_memory(r->err);
    for (size_t i = 0; status == IB_OK && i < *n_outputs; i++) {
        if (made[i].shape.rank > 0) made[i].shape.dims[0] = -1;
        status = add_tensor(r, &made[i], &(*outputs)[i]);
    }
    ib__free(specs);
    if (status != IB_OK) return status;
    if (!ib__grow(&model->calls, &r->calls_capacity, model->n_calls + 1, sizeof *model->calls))
        return ib__fail_memory(r->err);
    model->calls[model->n_calls++] = call;
    return note_shapes(r, module, *outputs, *n_outputs);
}

/* The members of a Sequential model one after the other. */
static ib_status call_chain(ib_reader *r, ib_module *module, const ib_given *given, size_t n,
                            size_t **outputs, size_t *n_outputs) {
    if (n != 1)
        return ib__fail(r->err, IB_BAD_INPUT, module->name, "a Sequential model takes one input, found %zu",
                        n);
    size_t now = given[0].tensor, *made = NULL, n_made = 0;
    for (size_t i = 0; i < module->n_members; i++) {
        ib_module *member = module->members[i];
        if (ib__module_is_input(member)) {
            ib_status status = ib__input_check(r, member, now);
            if (status != IB_OK) return status;
            continue;
        }
        char word[64];
        (void)ib__argument_name(member, 0, word);
        ib_given one = {.tensor = now, .argument = ib__arena_strdup(&r->model->arena, word)};
        if (!one.argument) return ib__fail_memory(r->err);
        ib_status status = ib__module_call(r, member, &one, 1, NULL, &made, &n_made);
        if (status == IB_OK && n_made != 1)
            status = ib__fail(r->err, IB_BAD_INPUT, member->name,
                              "a layer of a Sequential model must have one output, this has %zu", n_made);
        if (status != IB_OK) return status;
        now = made[0];
    }
    *n_outputs = 1;
    *outputs = ib__arena_alloc(&r->model->arena, sizeof **outputs);
    if (!*outputs) return ib__fail_memory(r->err);
    (*outputs)[0] = now;
    return IB_OK;
}

/* Calls any member; *outputs: tensors, in the model's arena. */
ib_status ib__module_call(ib_reader *r, ib_module *module, const ib_given *given, size_t n,
                          const ib_value *settings, size_t **outputs, size_t *n_outputs) {
    if (++r->module_calls > IB_CALLS_MAX)
        return ib__fail(r->err, IB_UNSUPPORTED, "", "more than %d calls of layers", IB_CALLS_MAX);
    if (module->layer) return call_leaf(r, module, given, n, settings, outputs, n_outputs);
    ib_status status = module->functional ? ib__functional_expand(r, module, given, n, outputs, n_outputs)
                                          : call_chain(r, module, given, n, outputs, n_outputs);
    return status == IB_OK ? note_shapes(r, module, *outputs, *n_outputs) : status;
}

/* A tensor given to a nested model's InputLayer must have its shape. */
ib_status ib__input_check(ib_reader *r, ib_module *input, size_t tensor) {
    const ib_value *declared = ib__value_get(input->layer->config, "batch_shape");
    const ib_shape *found = &r->model->tensors[tensor].shape;
    if (dims_fit(declared, found)) return note_shapes(r, input, &tensor, 1);
    char text[128];
    ib__shape_print(text, found);
    return ib__fail(r->err, IB_BAD_INPUT, input->layer->place, "is given the shape %s", text);
}

/* The tensor of one of the model's own inputs. */
ib_status ib__input_call(ib_reader *r, ib_module *input, size_t *out) {
    ib_spec specs[IB_OUTPUTS_MAX];
    size_t n;
    ib_args args = {0};
    ib_status status = ib__layer_infer(input->layer, &args, specs, &n, r->err);
    if (status != IB_OK) return status;
    if (specs[0].shape.rank < 1)
        return ib__fail(r->err, IB_BAD_INPUT, input->layer->place, "an input must have a batch axis");
    status = add_tensor(r, &specs[0], out);
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
    ib_given *given = ib__arena_alloc(&model->arena, (model->n_inputs + 1) * sizeof *given);
    model->inputs = ib__arena_alloc(&model->arena, (model->n_inputs + 1) * sizeof *model->inputs);
    model->input_names = ib__arena_alloc(&model->arena, (model->n_inputs + 1) * sizeof *model->input_names);
    if (!given || !model->inputs || !model->input_names) return ib__fail_memory(r->err);
    for (size_t i = 0; i < model->n_inputs; i++) {
        ib_module *input = root->members[root->functional ? root->inputs[i].member : 0];
        ib_status status = ib__input_call(r, input, &model->inputs[i]);
        if (status != IB_OK) return status;
        given[i] = (ib_given){model->inputs[i], "inputs", i};
        model->input_names[i] = input->name;
    }
    ib_status status =
        ib__module_call(r, root, given, model->n_inputs, NULL, &model->outputs, &model->n_outputs);
    if (status != IB_OK) return status;
    for (size_t i = 0; i < model->n_outputs; i++)
        if (model->tensors[model->outputs[i]].text)
            return ib__fail(r->err, IB_UNSUPPORTED, "", "a model whose output is texts is not supported");
    model->ends = ib__arena_alloc(&model->arena, (model->n_outputs + 1) * sizeof *model->ends);
    if (!model->ends) return ib__fail_memory(r->err);
    for (size_t i = 0; i < model->n_outputs; i++) {
        size_t last = root->functional ? root->outputs[i].member : root->n_members - 1;
        model->ends[i].name = root->members[last]->name;
    }
    return IB_OK;
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
    *compile = ib__value_take(config, "compile_config");
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
