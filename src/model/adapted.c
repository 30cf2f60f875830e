/* SPDX-License-Identifier: Apache-2.0
 *
 * Models whose layers have learned vocabularies or boundaries: what they learned goes into the model's
 * config, and the model is made anew where shapes depend on it.
 */
#include "model/internal.h"

static ib_status note_configs(ib_module *module, ib_error *err) {
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < module->n_members; i++)
        status = note_configs(module->members[i], err);
    if (status != IB_OK || !module->layer || !module->layer->class->adapts_config) return status;
    return ib__value_set(module->entry, "config", ib__value_copy(module->layer->config))
               ? IB_OK
               : ib__fail_memory(err);
}

ib_status ib__model_adapted(ib_model *model, bool *changed, ib_error *err) {
    *changed = false;
    ib_status status = note_configs(model->root, err);
    for (size_t i = 0; status == IB_OK && i < model->n_calls; i++) {
        const ib_call *call = &model->calls[i];
        ib_layer *layer = model->layers[call->layer];
        if (!layer->class->adapts_config || call->n_inputs != 1) continue;
        ib_spec out[IB_OUTPUTS_MAX];
        size_t n;
        ib_args args = {.n = 1,
                        .names = call->names,
                        .specs = &model->tensors[call->inputs[0]],
                        .settings = call->settings};
        status = ib__layer_infer(layer, &args, out, &n, err);
        if (status != IB_OK) return status;
        out[0].shape.dims[0] = -1;
        *changed = *changed || !ib__shape_equal(&out[0].shape, &model->tensors[call->first].shape);
    }
    return status;
}

/* Forgets what the config says of shapes in the middle of the model. Configs are read ones: they are not
 * deep.
 */
static bool forget_shapes(ib_value *value) {
    bool good = true;
    ib__value_free(ib__value_take(value, "build_config"));
    if (ib__value_is_string(ib__value_get(value, "class_name"), "__keras_tensor__"))
        good = ib__value_set(ib__value_get(value, "config"), "shape", ib__value_null());
    for (size_t i = 0; good && (value->kind == IB_MAP || value->kind == IB_LIST) && i < value->count; i++)
        good = forget_shapes(value->items[i]);
    return good;
}

ib_status ib__model_again(ib_model **out, const ib_model *model, const char *name, ib_error *err) {
    if (model->loaded)
        return ib__fail(err, IB_BAD_INPUT, name,
                        "adapting would change shapes of a model whose weights come from a file");
    ib_value *config = ib__value_copy(model->config);
    bool good = config && forget_shapes(config);
    ib_status status = good ? ib__model_from_config(out, config, name, err) : ib__fail_memory(err);
    ib__value_free(config);
    return status;
}
