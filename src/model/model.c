/* SPDX-License-Identifier: Apache-2.0
 *
 * Models: lifetime, weights, compiling, the forward ops.
 */
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "initializers/keras.h"
#include "model/internal.h"

void ib__model_free(ib_model *model) {
    if (!model) return;
    for (size_t i = 0; i < model->n_layers; i++)
        ib__layer_free(model->layers[i]);
    free(model->layers);
    free(model->calls);
    free(model->tensors);
    ib__value_free(model->config);
    ib__value_free(model->compile);
    ib__value_free(model->kept);
    ib__model_forget_ends(model);
    ib__optimizer_free(model->optimizer);
    ib__arena_free(&model->arena);
    ib__free(model);
}

size_t ib__model_weights(ib_model *model, ib_weight **out, bool trainable_only) {
    size_t n = 0;
    for (size_t i = 0; i < model->n_layers; i++)
        n += ib__layer_weights(model->layers[i], out ? out + n : NULL, trainable_only);
    return n;
}

static ib_status fill_piece(void *seed, const ib_weight *w, float *data, const ib_shape *shape,
                            ib_error *err) {
    return ib__initialize(data, shape, w->initializer, *(const uint64_t *)seed, w->variable.path, err);
}

static ib_status initialize_layer(ib_layer *layer, uint64_t seed, ib_error *err) {
    for (size_t j = 0; j < layer->n_weights; j++) {
        ib_weight *w = &layer->weights[j];
        ib_status status = w->fill ? w->fill(w, fill_piece, &seed, err)
                                   : fill_piece(&seed, w, w->variable.data, &w->variable.shape, err);
        if (status != IB_OK) return status;
    }
    for (size_t i = 0; i < layer->n_parts; i++) {
        ib_status status = initialize_layer(layer->parts[i].layer, seed, err);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

ib_status ib__model_initialize(ib_model *model, uint64_t seed, ib_error *err) {
    for (size_t i = 0; i < model->n_layers && !model->loaded; i++) {
        ib_status status = initialize_layer(model->layers[i], seed, err);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

ib_status ib__model_initialize_as_keras(ib_model *model, int64_t seed, ib_error *err) {
    ib_keras keras;
    ib__keras_set_random_seed(&keras, seed);
    for (size_t i = 0; i < model->n_layers && !model->loaded; i++) {
        ib_status status = ib__keras_initialize_layer(model->layers[i], &keras, err);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

ib_type ib__model_input_type(const ib_model *model, size_t i) {
    return model->tensors[model->inputs[i]].type;
}

int64_t ib__model_input_rows(const ib_model *model, size_t i) {
    int64_t least = 0;
    for (size_t k = 0; k < model->n_calls; k++) {
        const ib_call *call = &model->calls[k];
        const ib_layer *layer = model->layers[call->layer];
        if (layer->class->rows == NULL || call->n_inputs == 0 || call->inputs[0] != model->inputs[i])
            continue;
        int64_t rows = layer->class->rows(layer);
        if (least == 0 || rows < least) least = rows;
    }
    return least;
}

/* ---- Ops ---- */

/* One call: its tensors with the masks that were given or travelled with them. */
static void make_call(ib_model *model, ib_build *b, const ib_call *call, ib_flow *made, ib_flow *given) {
    ib_layer *layer = model->layers[call->layer];
    for (size_t i = 0; i < call->n_inputs; i++) {
        given[i] = made[call->inputs[i]];
        if (call->masks[i] != IB_NO_TENSOR)
            given[i].mask = ib__op_convert(b->g, made[call->masks[i]].node, IB_TYPE_PRED);
    }
    ib_args args = {.n = call->n_inputs, .names = call->names, .flows = given, .settings = call->settings};
    args.mask_given = call->n_inputs > 0 && call->masks[0] != IB_NO_TENSOR;
    ib_flow out[IB_OUTPUTS_MAX];
    ib__graph_place(b->g, layer->place);
    size_t n = ib__layer_call(layer, b, &args, out);
    for (size_t i = 0; layer->class->takes_masks && i < call->n_inputs; i++)
        made[call->inputs[i]].mask = IB_NO_NODE;
    for (size_t i = 0; i < call->n_outputs; i++)
        made[call->first + i] = i < n ? out[i] : (ib_flow){IB_NO_NODE, IB_NO_NODE};
}

void ib__model_call(ib_model *model, ib_build *b, const ib_node *inputs, ib_flow *outputs) {
    for (size_t i = 0; i < model->n_outputs; i++)
        outputs[i] = (ib_flow){IB_NO_NODE, IB_NO_NODE};
    size_t most = 0;
    for (size_t i = 0; i < model->n_calls; i++)
        if (model->calls[i].n_inputs > most) most = model->calls[i].n_inputs;
    ib_flow *made = ib__alloc(model->n_tensors + most + 1, sizeof *made);
    if (!made) {
        (void)ib__graph_fail(b->g, IB_NO_MEMORY, "out of memory");
        return;
    }
    for (size_t i = 0; i < model->n_inputs; i++)
        made[model->inputs[i]] = (ib_flow){inputs[i], IB_NO_NODE};
    for (size_t i = 0; i < model->n_calls; i++)
        make_call(model, b, &model->calls[i], made, made + model->n_tensors);
    ib__graph_place(b->g, "");
    for (size_t i = 0; i < model->n_outputs; i++)
        outputs[i] = made[model->outputs[i]];
    ib__free(made);
}

static ib_node add_penalties(ib_layer *layer, ib_build *b, bool frozen, ib_node sum) {
    frozen |= !layer->trainable;
    for (size_t j = 0; j < layer->n_weights; j++) {
        ib_weight *w = &layer->weights[j];
        if (!w->regularizer || !w->trainable || frozen) continue;
        ib__graph_place(b->g, layer->place);
        ib_node penalty = ib__regularizer_call(w->regularizer, b->g, ib__weight_node(b->g, w));
        sum = sum == IB_NO_NODE ? penalty : ib__op_add(b->g, sum, penalty);
    }
    for (size_t i = 0; i < layer->n_parts; i++)
        sum = add_penalties(layer->parts[i].layer, b, frozen, sum);
    return sum;
}

ib_node ib__model_penalty(ib_model *model, ib_build *b) {
    ib_node sum = IB_NO_NODE;
    for (size_t i = 0; i < model->n_layers; i++)
        sum = add_penalties(model->layers[i], b, false, sum);
    ib__graph_place(b->g, "");
    return sum;
}
