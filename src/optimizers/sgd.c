/* SPDX-License-Identifier: Apache-2.0
 *
 * SGD: the momentum buffer holds the learning rate (kernels.h, sgd).
 */
#include "optimizers/internal.h"

static const ib_field fields[] = {IB_OPTIMIZER_FIELDS("0.01", "null"),
                                  IB_OPTIMIZER_REAL("momentum", "0.0", momentum, 0, 1),
                                  IB_OPTIMIZER_FLAG("nesterov", "false", nesterov)};

static bool uses_slot(const ib_trained *t, int slot) {
    (void)slot;
    return t->optimizer->settings.momentum != 0.0;
}

static void begin(ib_optimizer *o, double t) {
    (void)t;
    const ib_optimizer_settings *s = &o->settings;
    o->args[0].sgd = (ib_sgd_args){.lr = (float)o->rate,
                                   .mu = (float)s->momentum,
                                   .decay = o->scalars[IB_SCALAR_DECAY].data[0],
                                   .nesterov = s->nesterov};
    o->args[1] = o->args[0];
    o->args[1].sgd.decay = 0.0f;
}

static ib_node update(ib_update *u) {
    const ib_optimizer_settings *s = &u->o->settings;
    ib_graph *g = u->g;
    ib_node step = ib__op_multiply(g, ib__update_scalar(u, IB_SCALAR_RATE), u->gradient);
    if (!u->t->slots[0]) return ib__op_subtract(g, u->w, step);
    float mu = (float)s->momentum;
    ib_node v = ib__op_subtract(g, ib__op_scale(g, ib__update_slot(u, 0), mu), step);
    ib__update_set(u, 0, v);
    return ib__op_add(g, u->w, s->nesterov ? ib__op_subtract(g, ib__op_scale(g, v, mu), step) : v);
}

static void kernel(void *context, const ib_kernels *kernels, const float *value, size_t start, size_t n) {
    const ib_trained *t = context;
    float *velocity = t->slots[0] ? t->slots[0]->data + start : NULL;
    kernels->sgd(t->variable->data + start, velocity, value, n, &t->optimizer->args[t->undecayed].sgd);
}

const ib_optimizer_class ib__optimizer_sgd = {.name = "SGD",
                                              .fields = fields,
                                              .n_fields = sizeof fields / sizeof *fields,
                                              .slot_names = {"momentum"},
                                              .uses_slot = uses_slot,
                                              .begin = begin,
                                              .update = update,
                                              .kernel = kernel};
