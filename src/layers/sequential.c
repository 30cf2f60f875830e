/* SPDX-License-Identifier: Apache-2.0
 *
 * A Sequential model inside of a wrapper, as TimeDistributed has it: a layer whose parts are called one after
 * the other. (Sequential models that stand in a model are taken apart by src/model.)
 */
#include <stdio.h>

#include "layers/internal.h"

enum { MEMBERS_MAX = 1024 };

static ib_status read_layers(const ib_field *field, const ib_value *value, const char *where, void *out,
                             ib_value **canonical, ib_error *err) {
    (void)field, (void)out, (void)canonical;
    if (value->kind == IB_LIST && value->count > 0 && value->count <= MEMBERS_MAX) return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, where, "expected a list of 1 to %d layers", MEMBERS_MAX);
}

static const ib_field fields[] = {
    IB_LAYER_FIELDS,
    {.key = "layers", .read = read_layers},
    {.key = "build_input_shape", .fallback = "null", .read = ib__read_anything, .omit_null = true}};

static bool is_input(const ib_value *entry) {
    return ib__value_is_string(ib__value_get(entry, "class_name"), "InputLayer");
}

/* An input layer holds no weights and has no group in files: only its settings are checked. */
static ib_status check_input(const ib_layer *layer, const ib_value *entry, ib_value **canonical,
                             ib_error *err) {
    ib_layer *input;
    ib_status status =
        ib__layer_new(&input, "InputLayer", ib__value_get(entry, "config"), "input_layer", layer->place, err);
    if (status != IB_OK) return status;
    ib__layer_free(input);
    *canonical = ib__value_copy(entry);
    return *canonical ? IB_OK : ib__fail_memory(err);
}

/* The group of a member in HDF5: its class in snake case, numbered from the second on. */
static void group_of(const ib_value *layers, size_t at, char *out, size_t size) {
    char own[128], other[128];
    size_t before = 0;
    ib__snake_case(own, sizeof own, ib__value_get(layers->items[at], "class_name")->string);
    for (size_t i = 0; i < at; i++) {
        if (is_input(layers->items[i])) continue;
        ib__snake_case(other, sizeof other, ib__value_get(layers->items[i], "class_name")->string);
        before += strcmp(own, other) == 0;
    }
    if (before)
        snprintf(out, size, "layers/%.120s_%zu", own, before);
    else
        snprintf(out, size, "layers/%.120s", own);
}

static ib_status configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status = ib__layer_configure(layer, fields, sizeof fields / sizeof *fields, config, err);
    if (status != IB_OK) return status;
    ib_value *layers = ib__value_get(layer->config, "layers"), *made = ib__value_list();
    if (!made) return ib__fail_memory(err);
    for (size_t i = 0; status == IB_OK && i < layers->count; i++) {
        const ib_value *entry = layers->items[i];
        ib_value *canonical = NULL;
        char group[160];
        if (!ib__value_is(ib__value_get(entry, "class_name"), IB_STRING)) {
            status = ib__fail(err, IB_BAD_INPUT, layer->place, "layers[%zu]: expected a serialized layer", i);
        } else if (is_input(entry)) {
            if (i)
                status = ib__fail(err, IB_BAD_INPUT, layer->place, "an InputLayer must be the first layer");
            else
                status = check_input(layer, entry, &canonical, err);
        } else {
            group_of(layers, i, group, sizeof group);
            status = ib__layer_add_part(layer, group, entry, "layer", NULL, &canonical, err);
        }
        if (status != IB_OK)
            ib__value_free(canonical);
        else if (!ib__value_add(made, canonical))
            status = ib__fail_memory(err);
    }
    if (status == IB_OK && !layer->n_parts)
        status = ib__fail(err, IB_BAD_INPUT, layer->place, "layers: expected a layer behind the input");
    if (status != IB_OK) {
        ib__value_free(made);
        return status;
    }
    return ib__value_set(layer->config, "layers", made) ? IB_OK : ib__fail_memory(err);
}

/* The first argument of a layer's call, in name; gives name. */
static const char *first_argument(const ib_layer *layer, char name[64]) {
    const char *words = layer->class->arguments ? layer->class->arguments : "inputs";
    snprintf(name, 64, "%.*s", (int)strcspn(words, " "), words);
    return name;
}

static ib_status infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], size_t *n,
                       ib_error *err) {
    if (args->n != 1) return ib__fail(err, IB_BAD_INPUT, layer->place, "expected one input");
    ib_spec now = args->specs[0];
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < layer->n_parts; i++) {
        char word[64];
        const char *name = first_argument(layer->parts[i].layer, word);
        ib_args one = {.n = 1, .names = &name, .specs = &now};
        status = ib__layer_infer(layer->parts[i].layer, &one, out, n, err);
        if (status == IB_OK && *n != 1)
            status = ib__fail(err, IB_BAD_INPUT, layer->parts[i].layer->place,
                              "a layer of a Sequential model gives one output, found %zu", *n);
        now = out[0];
    }
    return status;
}

static void apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    ib_flow now = args->flows[0], made[IB_OUTPUTS_MAX];
    for (size_t i = 0; i < layer->n_parts; i++) {
        char word[64];
        const char *name = first_argument(layer->parts[i].layer, word);
        ib_args one = {.n = 1, .names = &name, .flows = &now};
        if (!ib__layer_call(layer->parts[i].layer, b, &one, made)) return;
        now = made[0];
    }
    out[0] = now;
}

const ib_layer_class ib__layer_sequential = {.name = "Sequential",
                                             .passes = true,
                                             .settings = 1,
                                             .configure = configure,
                                             .infer = infer,
                                             .apply = apply};
