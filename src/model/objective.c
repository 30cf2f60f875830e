/* SPDX-License-Identifier: Apache-2.0
 *
 * What training minimises: the losses of the outputs times their weights, in the order of the outputs, then
 * what layers add (activity), then the penalties of weights. This order of additions is Keras's.
 */
#include "model/model.h"

/* A mask as the losses take it: 1 where it is set, 0 elsewhere. */
static ib_node mask_values(ib_graph *g, ib_node mask) {
    return mask == IB_NO_NODE ? mask : ib__op_convert(g, mask, IB_TYPE_F32);
}

ib_node ib__model_objective(ib_model *model, ib_build *b, const ib_flow *outputs, const ib_node *targets,
                            const ib_node *weights, ib_node *each) {
    ib_graph *g = b->g;
    ib_node total = IB_NO_NODE;
    for (size_t i = 0; i < model->n_outputs; i++) {
        const ib_output *end = &model->ends[i];
        if (each) each[i] = IB_NO_NODE;
        if (!end->loss) continue;
        ib__graph_place(g, model->n_outputs > 1 ? end->name : "loss");
        ib_node output = ib__op_format(g, outputs[i].node, IB_FORMAT_F32); /* losses cast what they get */
        ib_node loss =
            ib__loss_call_masked(end->loss, g, targets[i], output, weights ? weights[i] : IB_NO_NODE,
                                 mask_values(g, outputs[i].mask));
        if (each) each[i] = loss;
        if (model->loss_weighted) loss = ib__op_scale(g, loss, (float)end->loss_weight);
        total = total == IB_NO_NODE ? loss : ib__op_add(g, total, loss);
    }
    ib__graph_place(g, "loss");
    if (b->extra_loss != IB_NO_NODE) total = ib__op_add(g, total, b->extra_loss);
    ib_node penalty = ib__model_penalty(model, b);
    return penalty == IB_NO_NODE ? total : ib__op_add(g, total, penalty);
}

ib_status ib__model_update(ib_model *model, ib_graph *g, ib_node loss, ib_error *err) {
    size_t n = ib__model_weights(model, NULL, true);
    ib_weight **weights = ib__alloc(n + 1, sizeof *weights);
    ib_node *nodes = ib__alloc(2 * (n + 1), sizeof *nodes);
    ib_status status = weights && nodes ? IB_OK : ib__fail_memory(err);
    if (status == IB_OK) {
        ib_node *gradients = nodes + n + 1;
        (void)ib__model_weights(model, weights, true);
        for (size_t i = 0; i < n; i++)
            nodes[i] = ib__op_variable(g, &weights[i]->variable);
        ib_node dy = ib__optimizer_loss_scale(model->optimizer, g);
        ib__graph_gradients(g, &loss, &dy, 1, nodes, n, gradients);
        ib__optimizer_apply(model->optimizer, g, gradients);
    }
    ib__free(weights);
    ib__free(nodes);
    return status;
}
