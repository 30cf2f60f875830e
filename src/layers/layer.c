/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers: finding a class, making, building, weights.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/nearest.h"
#include "layers/internal.h"

static const ib_layer_class *const classes[] = {
#define X(symbol, name) &ib__layer_##symbol,
#include "layers/layers.list"
#undef X
};
enum { CLASSES = sizeof classes / sizeof *classes };

const ib_layer_class *ib__layer_class(const char *name) {
    for (size_t i = 0; i < CLASSES; i++)
        if (strcmp(classes[i]->name, name) == 0) return classes[i];
    return NULL;
}

const char *ib__layer_refusal(const char *name) {
    static const char *const refused[][2] = {
#define X(name, why) {#name, why},
#include "layers/refused.list"
#undef X
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (strcmp(refused[i][0], name) == 0) return refused[i][1];
    return NULL;
}

const char *ib__layer_alias(const char *name) {
    static const char *const aliases[][2] = {
#define X(name, class) {#name, #class},
#include "layers/aliases.list"
#undef X
    };
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcmp(aliases[i][0], name) == 0) return aliases[i][1];
    return name;
}

static ib_status unknown_class(const char *name, const char *place, ib_error *err) {
    const char *names[CLASSES], *why = ib__layer_refusal(name);
    if (why) return ib__fail(err, IB_UNSUPPORTED, place, "layer %s is not supported: %s", name, why);
    for (size_t i = 0; i < CLASSES; i++)
        names[i] = classes[i]->name;
    const char *near = ib__nearest(name, names, CLASSES);
    return ib__fail(err, IB_UNSUPPORTED, place, "layer \"%.60s\" is not supported%s%s", name,
                    near ? "; nearest is " : "", near ? near : "");
}

/* The config with its name in front, if it has none. */
static ib_value *with_name(const ib_value *config, const char *given_name) {
    if (ib__value_get(config, "name")) return ib__value_copy(config);
    ib_value *map = ib__value_map();
    bool good = ib__value_set(map, "name", ib__value_string(given_name));
    size_t n = config && config->kind == IB_MAP ? config->count : 0;
    for (size_t i = 0; good && i < n; i++)
        good = ib__value_set(map, config->keys[i], ib__value_copy(config->items[i]));
    if (good) return map;
    ib__value_free(map);
    return NULL;
}

ib_status ib__layer_new(ib_layer **out, const char *class_name, const ib_value *config,
                        const char *given_name, const char *place, ib_error *err) {
    *out = NULL;
    const ib_layer_class *class = ib__layer_class(class_name);
    return class ? ib__layer_new_of(out, class, config, given_name, place, err)
                 : unknown_class(class_name, place, err);
}

ib_status ib__layer_new_of(ib_layer **out, const ib_layer_class *class, const ib_value *config,
                           const char *given_name, const char *place, ib_error *err) {
    *out = NULL;
    if (config && config->kind != IB_MAP && config->kind != IB_NULL)
        return ib__fail(err, IB_BAD_INPUT, place, "expected a map of settings, found %s",
                        ib__kind_name(config->kind));
    const ib_value *name = ib__value_get(config, "name");
    const char *text = name && name->kind == IB_STRING ? name->string : given_name;
    ib_layer *layer = calloc(1, sizeof *layer);
    ib_value *named = with_name(config, given_name);
    ib_status status = IB_NO_MEMORY;
    if (layer && named) {
        layer->class = class;
        layer->trainable = true;
        layer->name = ib__arena_strdup(&layer->arena, text);
        layer->path = layer->name;
        layer->place = ib__arena_printf(&layer->arena, "%s %s", place, text);
        layer->settings = ib__arena_alloc(&layer->arena, class->settings + 1);
        if (layer->name && layer->place && layer->settings) status = class->configure(layer, named, err);
    }
    const ib_value *trainable = layer ? ib__value_get(layer->config, "trainable") : NULL;
    if (trainable) layer->trainable = trainable->boolean;
    if (status == IB_OK) layer->compute = ib__policy_format(ib__value_get(layer->config, "dtype"));
    ib__value_free(named);
    if (status != IB_OK) {
        ib__layer_free(layer);
        return status == IB_NO_MEMORY ? ib__fail_memory(err) : status;
    }
    *out = layer;
    return IB_OK;
}

void ib__layer_free(ib_layer *layer) {
    if (!layer) return;
    if (layer->class && layer->class->free && layer->settings) layer->class->free(layer);
    for (size_t i = 0; i < layer->n_weights; i++)
        ib__free(layer->weights[i].variable.data);
    free(layer->weights);
    for (size_t i = 0; i < layer->n_states; i++) {
        ib__free(layer->states[i]->data);
        ib__free(layer->states[i]);
    }
    free(layer->states);
    ib__free(layer->extra.data);
    for (size_t i = 0; i < layer->n_parts; i++)
        ib__layer_free(layer->parts[i].layer);
    free(layer->parts);
    ib__value_free(layer->config);
    ib__value_free(layer->kept);
    ib__arena_free(&layer->arena);
    free(layer);
}

ib_status ib__layer_add_weight(ib_layer *layer, const char *name, const ib_shape *shape, bool trainable,
                               const ib_value *initializer, const ib_value *regularizer,
                               const ib_value *constraint, ib_weight **out, ib_error *err) {
    int64_t elements = ib__shape_elements(shape);
    uint64_t limit = UINT64_C(1) << 29;
    if (layer->weight_limit && layer->weight_limit < limit) limit = layer->weight_limit;
    if (elements < 0 || (uint64_t)elements > limit) {
        char text[128];
        ib__shape_print(text, shape);
        return ib__fail(err, IB_BAD_INPUT, layer->place, "%s would have the shape %s: too many numbers", name,
                        text);
    }
    if (!ib__grow(&layer->weights, &layer->weights_capacity, layer->n_weights + 1, sizeof *layer->weights))
        return ib__fail_memory(err);
    ib_weight w = {.name = name,
                   .trainable = trainable,
                   .initializer = initializer,
                   .regularizer = ib__value_is(regularizer, IB_NULL) ? NULL : regularizer,
                   .constraint = ib__value_is(constraint, IB_NULL) ? NULL : constraint};
    w.variable.shape = *shape;
    w.variable.path = ib__arena_printf(&layer->arena, "%s/%s", layer->path, name);
    w.variable.data = ib__alloc((size_t)elements + 1, sizeof *w.variable.data);
    if (!w.variable.path || !w.variable.data) {
        ib__free(w.variable.data);
        return ib__fail_memory(err);
    }
    layer->weights[layer->n_weights] = w;
    if (out) *out = &layer->weights[layer->n_weights];
    layer->n_weights++;
    return IB_OK;
}

ib_status ib__layer_add_configured_as(ib_layer *layer, const char *name, const char *configured,
                                      const ib_shape *shape, bool trainable, ib_error *err) {
    char initializer[64], regularizer[64], constraint[64];
    snprintf(initializer, sizeof initializer, "%s_initializer", configured);
    snprintf(regularizer, sizeof regularizer, "%s_regularizer", configured);
    snprintf(constraint, sizeof constraint, "%s_constraint", configured);
    return ib__layer_add_weight(layer, name, shape, trainable, ib__value_get(layer->config, initializer),
                                ib__value_get(layer->config, regularizer),
                                ib__value_get(layer->config, constraint), NULL, err);
}

ib_status ib__layer_add_configured(ib_layer *layer, const char *name, const ib_shape *shape, bool trainable,
                                   ib_error *err) {
    return ib__layer_add_configured_as(layer, name, name, shape, trainable, err);
}

ib_node ib__weight_node(ib_graph *g, ib_weight *weight) {
    ib_node variable = ib__op_variable(g, &weight->variable), assigned = IB_NO_NODE;
    if (weight->trainable) assigned = ib__graph_assigned(g, &weight->variable);
    return assigned == IB_NO_NODE ? variable : ib__op_instead(g, assigned, variable);
}

/* Cast as Keras does on access; while the layer computes in float32, to that once more. */
ib_node ib__layer_weight(const ib_layer *layer, ib_graph *g, const char *name) {
    for (size_t i = 0; i < layer->n_weights; i++) {
        if (strcmp(layer->weights[i].name, name) != 0) continue;
        ib_node weight = ib__weight_node(g, &layer->weights[i]);
        if (layer->compute == IB_FORMAT_F32 || layer->class->casts != IB_CASTS_ALL) return weight;
        weight = ib__op_format(g, weight, layer->compute);
        bool whole = ib__graph_format(g) == IB_FORMAT_F32;
        return whole ? ib__op_format(g, weight, IB_FORMAT_F32) : weight;
    }
    return IB_NO_NODE;
}

ib_status ib__layer_configure(ib_layer *layer, const ib_field *fields, size_t n, const ib_value *config,
                              ib_error *err) {
    return ib__settings_read(layer->settings, fields, n, config, layer->place, &layer->config, err);
}

ib_status ib__layer_configure_plain(ib_layer *layer, const ib_value *config, ib_error *err) {
    static const ib_field fields[] = {IB_LAYER_FIELDS};
    return ib__layer_configure(layer, fields, sizeof fields / sizeof *fields, config, err);
}

ib_status ib__layer_same_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                               ib_error *err) {
    if (n != 1) return ib__fail(err, IB_BAD_INPUT, layer->place, "expected one input, found %zu", n);
    *out = inputs[0];
    return IB_OK;
}

ib_status ib__layer_check_rank(const ib_layer *layer, const ib_shape *input, int rank, ib_error *err) {
    if (input->rank == rank) return IB_OK;
    char text[128];
    ib__shape_print(text, input);
    return ib__fail(err, IB_BAD_INPUT, layer->place, "expected an input with %d axes, found %s", rank, text);
}

ib_status ib__read_data_format(const ib_field *field, const ib_value *value, const char *where, void *out,
                               ib_value **canonical, ib_error *err) {
    if (value->kind == IB_NULL) {
        *(int *)out = 0;
        *canonical = ib__value_string("channels_last");
        return *canonical ? IB_OK : ib__fail_memory(err);
    }
    ib_field choice = *field;
    choice.choices = "channels_last channels_first";
    return ib__read_choice(&choice, value, where, out, canonical, err);
}

int ib__axes_count(const ib_value *value) {
    return value->kind == IB_LIST ? (int)value->count : 1;
}

unsigned ib__axes_mask(const int64_t *axes, int n, int rank) {
    unsigned mask = 0;
    for (int i = 0; i < n; i++) {
        int axis = ib__layer_axis(axes[i], rank);
        if (axis < 0 || (mask >> axis & 1)) return 0;
        mask |= 1u << axis;
    }
    return mask;
}

ib_status ib__read_axes(const ib_field *field, const ib_value *value, const char *where, void *out,
                        ib_value **canonical, ib_error *err) {
    int64_t *axes = out;
    bool one = field->choices && strcmp(field->choices, "one") == 0;
    bool list = field->choices && strcmp(field->choices, "list") == 0;
    size_t n = value->kind == IB_LIST ? value->count : 1;
    bool good = n > 0 && n <= IB_RANK_MAX && !(one && value->kind == IB_LIST);
    for (size_t i = 0; good && i < n; i++) {
        const ib_value *item = value->kind == IB_LIST ? value->items[i] : value;
        good = item->kind == IB_INT && item->integer >= -IB_RANK_MAX && item->integer < IB_RANK_MAX;
        if (good) axes[i] = item->integer;
    }
    if (!good)
        return ib__fail(err, IB_BAD_INPUT, where,
                        one ? "expected an axis" : "expected an axis or a list of axes");
    if (list && value->kind == IB_INT) {
        *canonical = ib__value_list();
        if (!ib__value_add(*canonical, ib__value_int(value->integer))) return ib__fail_memory(err);
    }
    return IB_OK;
}

int ib__layer_axis(int64_t axis, int rank) {
    if (axis < 0) axis += rank;
    return axis >= 1 && axis < rank ? (int)axis : -1;
}
