/* SPDX-License-Identifier: Apache-2.0
 *
 * RMSprop: epsilon stands inside of the root (kernels.h, rmsprop).
 */
#include "optimizers/internal.h"

static const ib_field fields[] = {
    IB_OPTIMIZER_FIELDS("0.001", "null"), IB_OPTIMIZER_REAL("rho", "0.9", rho, 0, 1),
    IB_OPTIMIZER_REAL("momentum", "0.0", momentum, 0, 1), IB_OPTIMIZER_EPSILON("1e-07"),
    IB_OPTIMIZER_FLAG("centered", "false", centered)};

enum { VELOCITY, MOMENTUM, AVERAGE };

static bool uses_slot(const ib_trained *t, int slot) {
    const ib_optimizer_settings *s = &t->optimizer->settings;
    return slot == VELOCITY || (slot == MOMENTUM ? s->momentum > 0.0 : s->centered);
}

static void begin(ib_optimizer *o, double t) {
    (void)t;
    const ib_optimizer_settings *s = &o->settings;
    o->args[0].rmsprop = (ib_rmsprop_args){.lr = (float)o->rate,
                                           .rho = (float)s->rho,
                                           .one_minus_rho = (float)(1.0 - s->rho),
                                           .mu = (float)s->momentum,
                                           .eps = (float)s->epsilon,
                                           .decay = o->scalars[IB_SCALAR_DECAY].data[0],
                                           .centered = s->centered};
    o->args[1] = o->args[0];
    o->args[1].rmsprop.decay = 0.0f;
}

static ib_node update(ib_update *u) {
    const ib_optimizer_settings *s = &u->o->settings;
    ib_graph *g = u->g;
    ib_node v = ib__update_blend(u, VELOCITY, ib__op_square(g, u->gradient), s->rho, 1.0 - s->rho);
    if (s->centered) {
        ib_node a = ib__update_blend(u, AVERAGE, u->gradient, s->rho, 1.0 - s->rho);
        v = ib__op_subtract(g, v, ib__op_square(g, a));
    }
    ib_node scaled = ib__op_multiply(g, ib__update_scalar(u, IB_SCALAR_RATE), u->gradient);
    ib_node step = ib__op_divide(g, scaled, ib__op_sqrt(g, ib__op_offset(g, v, (float)s->epsilon)));
    if (s->momentum > 0.0) {
        step = ib__op_add(g, ib__op_scale(g, ib__update_slot(u, MOMENTUM), (float)s->momentum), step);
        ib__update_set(u, MOMENTUM, step);
    }
    return ib__op_subtract(g, u->w, step);
}

static void kernel(void *context, const ib_kernels *kernels, const float *value, size_t start, size_t n) {
    const ib_trained *t = context;
    float *slots[IB_SLOTS_MAX];
    for (int i = 0; i < IB_SLOTS_MAX; i++)
        slots[i] = t->slots[i] ? t->slots[i]->data + start : NULL;
    kernels->rmsprop(t->variable->data + start, slots[VELOCITY], slots[AVERAGE], slots[MOMENTUM], value, n,
                     &t->optimizer->args[t->undecayed].rmsprop);
}

const ib_optimizer_class ib__optimizer_rmsprop = {.name = "RMSprop",
                                                  .fields = fields,
                                                  .n_fields = sizeof fields / sizeof *fields,
                                                  .slot_names = {"velocity", "momentum", "average_gradient"},
                                                  .slot_groups = {0, 1, 2},
                                                  .uses_slot = uses_slot,
                                                  .begin = begin,
                                                  .update = update,
                                                  .kernel = kernel};
