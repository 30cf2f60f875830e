/* SPDX-License-Identifier: Apache-2.0
 *
 * Calling layers: arguments, outputs, masks; layers inside of layers.
 */
#include <stdio.h>
#include <stdlib.h>

#include "layers/internal.h"

/* ---- Arguments ---- */

size_t ib__args_find(const ib_args *args, const char *argument, size_t *count) {
    size_t first = 0;
    while (first < args->n && strcmp(args->names[first], argument) != 0)
        first++;
    *count = 0;
    while (first + *count < args->n && strcmp(args->names[first + *count], argument) == 0)
        ++*count;
    return first;
}

const ib_value *ib__args_setting(const ib_args *args, const char *argument) {
    const ib_value *value = ib__value_get(args->settings, argument);
    return value && value->kind != IB_NULL ? value : NULL;
}

bool ib__args_flag(const ib_args *args, const char *argument) {
    const ib_value *value = ib__args_setting(args, argument);
    return value && value->kind == IB_BOOL && value->boolean;
}

bool ib__layer_is_operation(const ib_layer *layer) {
    return strncmp(layer->class->name, "keras.src.", strlen("keras.src.")) == 0;
}

/* ---- Outputs ---- */

static ib_status infer_one(const ib_layer *layer, const ib_args *args, const ib_shape *shapes, ib_spec *out,
                           ib_error *err) {
    if (args->n != 1 && !layer->class->many_inputs)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "%s takes one input, found %zu", layer->class->name,
                        args->n);
    *out = (ib_spec){.type = IB_TYPE_F32};
    return layer->class->shape(layer, shapes, args->n, &out->shape, err);
}

/* Texts where numbers belong, and the other way round. */
static ib_status check_texts(const ib_layer *layer, const ib_args *args, ib_error *err) {
    for (size_t i = 0; i < args->n; i++) {
        if (args->specs[i].text ? layer->class->texts != IB_TEXTS_NONE : layer->class->texts != IB_TEXTS_ONLY)
            continue;
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        args->specs[i].text ? "expected an input of numbers, found texts: TextVectorization, "
                                              "StringLookup and Hashing make numbers of them"
                                            : "expected an input of texts (dtype string), found numbers");
    }
    return IB_OK;
}

ib_status ib__layer_infer(ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], size_t *n,
                          ib_error *err) {
    const ib_layer_class *class = layer->class;
    ib_status status = layer->built ? IB_OK : check_texts(layer, args, err);
    if (status != IB_OK) return status;
    ib_shape *shapes = ib__alloc(args->n + 1, sizeof *shapes);
    if (!shapes) return ib__fail_memory(err);
    for (size_t i = 0; i < args->n; i++)
        shapes[i] = args->specs[i].shape;
    *n = 1;
    status = class->infer ? class->infer(layer, args, out, n, err) : infer_one(layer, args, shapes, out, err);
    if (status == IB_OK && !layer->built) {
        layer->built = true;
        layer->texts = args->n > 0 && args->specs[0].text;
        if (class->build) status = class->build(layer, shapes, args->n, err);
        if (class->build_call) status = class->build_call(layer, args, err);
    }
    ib__free(shapes);
    return status;
}

/* ---- Compute dtypes ---- */

/* An operation has no policy: it gives the widest format of its inputs. */
static ib_format format_of(const ib_layer *layer, const ib_build *b, const ib_args *args) {
    if (ib__value_get(layer->config, "dtype") || !ib__layer_is_operation(layer)) return layer->compute;
    ib_format format = IB_FORMAT_F32;
    bool first = true;
    for (size_t i = 0; i < args->n; i++) {
        if (ib__node_type(b->g, args->flows[i].node) != IB_TYPE_F32) continue;
        ib_format one = ib__node_format(b->g, args->flows[i].node);
        format = first || one == format ? one : IB_FORMAT_F32;
        first = false;
    }
    return format;
}

/* Inputs as the layer's ops take them: cast to its compute dtype, and to float32 if it computes in that. */
static void cast_inputs(const ib_layer *layer, ib_build *b, ib_format format, const ib_args *args,
                        ib_flow *out) {
    const ib_layer_class *class = layer->class;
    for (size_t i = 0; i < args->n; i++) {
        out[i] = args->flows[i];
        if (class->passes) continue;
        if (class->casts != IB_CASTS_NONE && !ib__layer_is_operation(layer))
            out[i].node = ib__op_format(b->g, out[i].node, format);
        if (!class->rounds) out[i].node = ib__op_format(b->g, out[i].node, IB_FORMAT_F32);
    }
}

/* Made in float32, and rounded once to the format of x. */
void ib__layer_add_penalty(ib_build *b, const ib_value *regularizer, ib_node x) {
    ib_format format = ib__node_format(b->g, x), before = ib__graph_set_format(b->g, IB_FORMAT_F32);
    ib_node penalty = ib__regularizer_call(regularizer, b->g, ib__op_format(b->g, x, IB_FORMAT_F32));
    ib_shape shape = ib__node_shape(b->g, x);
    if (shape.rank > 0) penalty = ib__op_divide(b->g, penalty, ib__op_constant(b->g, (float)shape.dims[0]));
    penalty = ib__op_format(b->g, ib__op_format(b->g, penalty, format), IB_FORMAT_F32);
    (void)ib__graph_set_format(b->g, before);
    b->extra_loss = b->extra_loss == IB_NO_NODE ? penalty : ib__op_add(b->g, b->extra_loss, penalty);
}

/* The penalty of each output of a layer with activity_regularizer. */
static void add_activity_penalty(const ib_layer *layer, ib_build *b, const ib_flow *out, size_t n) {
    const ib_value *regularizer = ib__value_get(layer->config, "activity_regularizer");
    if (!regularizer || regularizer->kind == IB_NULL || layer->unpenalized) return;
    for (size_t i = 0; i < n; i++)
        ib__layer_add_penalty(b, regularizer, out[i].node);
}

static void call_one(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow *out) {
    ib_node *nodes = ib__alloc(args->n + 1, sizeof *nodes);
    if (!nodes) {
        (void)ib__graph_fail(b->g, IB_NO_MEMORY, "out of memory");
        return;
    }
    bool masked = false;
    for (size_t i = 0; i < args->n; i++) {
        nodes[i] = args->flows[i].node;
        masked |= args->flows[i].mask != IB_NO_NODE;
    }
    out->node = layer->class->call(layer, b, nodes, args->n);
    if (masked && layer->class->mask)
        out->mask = layer->class->mask(layer, b, args->flows, args->n, out->node);
    ib__free(nodes);
}

static void call_in_format(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow *out, size_t n) {
    ib_format format = format_of(layer, b, args);
    ib_flow *given = ib__alloc(args->n + 1, sizeof *given);
    for (size_t i = 0; i < n; i++)
        out[i] = (ib_flow){IB_NO_NODE, IB_NO_NODE};
    if (!given) {
        (void)ib__graph_fail(b->g, IB_NO_MEMORY, "out of memory");
        return;
    }
    cast_inputs(layer, b, format, args, given);
    ib_args cast = *args;
    cast.flows = given;
    ib_format before = ib__graph_set_format(b->g, layer->class->rounds ? format : IB_FORMAT_F32);
    if (layer->class->apply)
        layer->class->apply(layer, b, &cast, out);
    else
        call_one(layer, b, &cast, out);
    for (size_t i = 0; format != IB_FORMAT_F32 && !layer->class->passes && i < n; i++)
        out[i].node = ib__op_format(b->g, out[i].node, format);
    (void)ib__graph_set_format(b->g, before);
    ib__free(given);
}

size_t ib__layer_call(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    ib_spec *specs = ib__alloc(args->n + IB_OUTPUTS_MAX, sizeof *specs);
    ib_error err = {0};
    ib_args asked = *args;
    size_t n = 0;
    ib_status status = specs ? IB_OK : IB_NO_MEMORY;
    for (size_t i = 0; specs && i < args->n; i++) {
        if (args->flows[i].node == IB_NO_NODE) status = IB_INTERNAL; /* the graph has an error already */
        specs[i] = (ib_spec){.shape = ib__node_shape(b->g, args->flows[i].node),
                             .type = ib__node_type(b->g, args->flows[i].node)};
    }
    asked.specs = specs;
    if (status == IB_OK) status = ib__layer_infer(layer, &asked, specs + args->n, &n, &err);
    ib__free(specs);
    if (status != IB_OK) {
        (void)ib__graph_fail(b->g, status, "%s", err.text);
        return 0;
    }
    call_in_format(layer, b, args, out, n);
    add_activity_penalty(layer, b, out, n);
    return n;
}

ib_node ib__layer_call_one(ib_layer *layer, ib_build *b, ib_node x) {
    static const char *const name = "inputs";
    ib_flow in = {x, IB_NO_NODE}, out[IB_OUTPUTS_MAX];
    ib_args args = {.n = 1, .names = &name, .flows = &in};
    return ib__layer_call(layer, b, &args, out) ? out[0].node : IB_NO_NODE;
}

ib_node ib__mask_first(ib_layer *layer, ib_build *b, const ib_flow *inputs, size_t n, ib_node output) {
    (void)layer, (void)b, (void)n, (void)output;
    return inputs[0].mask;
}

ib_node ib__mask_any(ib_layer *layer, ib_build *b, const ib_flow *inputs, size_t n, ib_node output) {
    (void)layer, (void)output;
    ib_node mask = IB_NO_NODE;
    for (size_t i = 0; i < n; i++) {
        if (inputs[i].mask == IB_NO_NODE) return IB_NO_NODE;
        mask = i == 0 ? inputs[i].mask : ib__op_map(b->g, IB_MAP_or, mask, inputs[i].mask, IB_NO_NODE);
    }
    return mask;
}

/* ---- Layers inside of layers ---- */

ib_status ib__layer_nest(ib_layer *layer, const char *prefix, ib_error *err) {
    layer->path = ib__arena_printf(&layer->arena, "%s%s", prefix ? prefix : "", layer->name);
    char inner[1024];
    if (!layer->path) return ib__fail_memory(err);
    if (snprintf(inner, sizeof inner, "%s/", layer->path) >= (int)sizeof inner)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "the names of nested layers are too long");
    for (size_t i = 0; i < layer->n_parts; i++) {
        ib_status status = ib__layer_nest(layer->parts[i].layer, inner, err);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

/* The layer owns the part from now on, even after an error. */
static ib_status own_part(ib_layer *layer, const char *attribute, ib_layer *part, ib_error *err) {
    if (!ib__grow(&layer->parts, &layer->parts_capacity, layer->n_parts + 1, sizeof *layer->parts)) {
        ib__layer_free(part);
        return ib__fail_memory(err);
    }
    const char *kept = ib__arena_strdup(&layer->arena, attribute);
    layer->parts[layer->n_parts++] = (ib_layer_part){kept, part};
    part->weight_limit = layer->weight_limit;
    if (!kept) return ib__fail_memory(err);
    char prefix[1024];
    if (snprintf(prefix, sizeof prefix, "%s/", layer->path) >= (int)sizeof prefix)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "the names of nested layers are too long");
    return ib__layer_nest(part, prefix, err);
}

ib_status ib__layer_add_part_of(ib_layer *layer, const char *attribute, const ib_layer_class *class,
                                const ib_value *config, const char *given_name, ib_layer **out,
                                ib_error *err) {
    char where[512];
    snprintf(where, sizeof where, "%s, %s", layer->place, attribute);
    ib_status status = ib__layer_new_of(out, class, config, given_name, where, err);
    return status == IB_OK ? own_part(layer, attribute, *out, err) : status;
}

/* A part whose config says no dtype has the policy of the layer around it. NULL: no memory. */
static ib_value *with_policy(const ib_layer *layer, const ib_value *config) {
    ib_value *made = config && config->kind != IB_NULL ? ib__value_copy(config) : ib__value_map();
    if (!made || made->kind != IB_MAP || ib__value_get(made, "dtype")) return made;
    const ib_value *dtype = ib__value_get(layer->config, "dtype");
    if (ib__policy_format(dtype) == IB_FORMAT_F32) return made;
    if (ib__value_set(made, "dtype", ib__value_copy(dtype))) return made;
    ib__value_free(made);
    return NULL;
}

ib_status ib__layer_add_part(ib_layer *layer, const char *attribute, const ib_value *serialized,
                             const char *given_name, ib_layer **out, ib_value **canonical, ib_error *err) {
    char where[512];
    snprintf(where, sizeof where, "%s, %s", layer->place, attribute);
    const char *class_name;
    const ib_value *config;
    ib_layer *part;
    ib_status status = ib__serialized_parts(serialized, "a layer", where, &class_name, &config, err);
    bool graph = status == IB_OK && strcmp(class_name, "Functional") == 0; /* whose config has no dtype */
    ib_value *whole = status != IB_OK ? NULL : graph ? ib__value_copy(config) : with_policy(layer, config);
    if (status == IB_OK && !whole) status = ib__fail_memory(err);
    if (status == IB_OK) status = ib__layer_new(&part, class_name, whole, given_name, where, err);
    ib__value_free(whole);
    if (status == IB_OK) status = own_part(layer, attribute, part, err);
    if (status != IB_OK) return status;
    if (out) *out = part;
    if (!canonical) return IB_OK;
    const char *module = graph                                   ? "keras.src.models.functional"
                         : strcmp(class_name, "Sequential") == 0 ? "keras"
                                                                 : "keras.layers";
    *canonical = ib__serialized(module, class_name, ib__value_copy(part->config));
    if (*canonical && graph &&
        !ib__value_set(*canonical, "registered_name", ib__value_string("Functional"))) {
        ib__value_free(*canonical);
        *canonical = NULL;
    }
    const ib_value *build = ib__value_get(serialized, "build_config");
    if (*canonical && build && !ib__value_set(*canonical, "build_config", ib__value_copy(build))) {
        ib__value_free(*canonical);
        *canonical = NULL;
    }
    return *canonical ? IB_OK : ib__fail_memory(err);
}

const ib_value *ib__layer_keep(ib_layer *layer, ib_value *value) {
    if (!layer->kept) layer->kept = ib__value_list();
    return ib__value_add(layer->kept, value) ? value : NULL;
}

ib_status ib__layer_build_part(ib_layer *part, const ib_shape *input, ib_error *err) {
    if (part->built) return IB_OK;
    part->built = true;
    return part->class->build ? part->class->build(part, input, 1, err) : IB_OK;
}

/* Own weights first, those of the parts after them; a frozen layer freezes its parts. tracked: listed
 * already.
 */
static size_t gather(ib_layer *layer, ib_weight **out, bool trained, bool frozen, const ib_weight *tracked) {
    size_t n = 0;
    frozen |= !layer->trainable;
    if (layer->tracked && !(trained && (frozen || !layer->tracked->trainable))) {
        if (out) out[n] = layer->tracked;
        n++;
    }
    for (size_t i = 0; i < layer->n_weights; i++) {
        if (&layer->weights[i] == tracked || (trained && (frozen || !layer->weights[i].trainable))) continue;
        if (out) out[n] = &layer->weights[i];
        n++;
    }
    for (size_t i = 0; i < layer->n_parts; i++)
        n += gather(layer->parts[i].layer, out ? out + n : NULL, trained, frozen, layer->tracked);
    return n;
}

size_t ib__layer_weights(ib_layer *layer, ib_weight **out, bool trained) {
    return gather(layer, out, trained, false, NULL);
}

/* ---- States ---- */

static ib_variable *find_state(const ib_layer *layer, const char *name) {
    size_t length = strlen(layer->path);
    for (size_t i = 0; i < layer->n_states; i++)
        if (strcmp(layer->states[i]->path + length + 1, name) == 0) return layer->states[i];
    return NULL;
}

ib_variable *ib__layer_state_make(ib_layer *layer, const char *name, const ib_shape *shape) {
    ib_variable *v = ib__alloc(1, sizeof *v);
    if (v) {
        *v = (ib_variable){.path = ib__arena_printf(&layer->arena, "%s/%s", layer->path, name),
                           .shape = *shape,
                           .data = ib__alloc((size_t)ib__shape_elements(shape) + 1, sizeof *v->data)};
    }
    if (!v || !v->path || !v->data ||
        !ib__grow(&layer->states, &layer->states_capacity, layer->n_states + 1, sizeof *layer->states)) {
        if (v) ib__free(v->data);
        ib__free(v);
        return NULL;
    }
    return layer->states[layer->n_states++] = v;
}

ib_node ib__layer_state(ib_layer *layer, ib_graph *g, const char *name, const ib_shape *shape) {
    ib_variable *v = find_state(layer, name);
    if (v && !ib__shape_equal(&v->shape, shape)) {
        char a[128], b[128];
        ib__shape_print(a, &v->shape);
        ib__shape_print(b, shape);
        return ib__graph_fail(
            g, IB_BAD_INPUT,
            "a stateful layer needs batches of one size: its state is %s, now it would be %s", a, b);
    }
    if (!v) v = ib__layer_state_make(layer, name, shape);
    return v ? ib__op_variable(g, v) : ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
}

void ib__layer_state_assign(ib_layer *layer, ib_graph *g, const char *name, ib_node value) {
    ib_variable *v = find_state(layer, name);
    if (v) ib__graph_assign(g, v, value);
}

size_t ib__layer_states(const ib_layer *layer, ib_variable **out) {
    size_t n = layer->n_states;
    if (out && n) memcpy(out, layer->states, n * sizeof *out);
    for (size_t i = 0; i < layer->n_parts; i++)
        n += ib__layer_states(layer->parts[i].layer, out ? out + n : NULL);
    return n;
}
