/* SPDX-License-Identifier: Apache-2.0
 *
 * A Sequential model inside of a wrapper, as TimeDistributed has it: a layer whose parts are called one after
 * the other. (Sequential models that stand in a model are taken apart by src/model.)
 */
#include "layers/members.h"

static const ib_field fields[] = {
    IB_LAYER_FIELDS,
    {.key = "layers", .read = ib__read_members},
    {.key = "build_input_shape", .fallback = "null", .read = ib__read_anything, .omit_null = true}};

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
        } else if (ib__member_is_input(entry)) {
            if (i)
                status = ib__fail(err, IB_BAD_INPUT, layer->place, "an InputLayer must be the first layer");
            else
                status = ib__member_check_input(layer, entry, &canonical, err);
        } else {
            ib__member_group(group, sizeof group, "layers", layers, i,
                             ib__value_get(entry, "class_name")->string);
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

static ib_status infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], size_t *n,
                       ib_error *err) {
    if (args->n != 1) return ib__fail(err, IB_BAD_INPUT, layer->place, "expected one input");
    ib_spec now = args->specs[0];
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < layer->n_parts; i++) {
        char word[64];
        const char *name = ib__member_argument(layer->parts[i].layer, 0, word);
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
        const char *name = ib__member_argument(layer->parts[i].layer, 0, word);
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
