/* SPDX-License-Identifier: Apache-2.0
 *
 * RMSprop: epsilon stands inside of the root (kernels.h, rmsprop).
 */
#include <stddef.h>

#include "optimizers/internal.h"

static const ib_field fields[] = {
    IB_OPTIMIZER_FIELDS("0.001", "null"),
    {.key = "rho", .fallback = "0.9", .read = ib__read_real, IB_OPTIMIZER_AT(rho), .high = 1.0},
    {.key = "momentum", .fallback = "0.0", .read = ib__read_real, IB_OPTIMIZER_AT(momentum), .high = 1.0},
    {.key = "epsilon", .fallback = "1e-07", .read = ib__read_real, IB_OPTIMIZER_AT(epsilon), .high = 0x1p100},
    {.key = "centered", .fallback = "false", .read = ib__read_bool, IB_OPTIMIZER_AT(centered)}};

enum { VELOCITY, MOMENTUM, AVERAGE };

static bool uses_slot(const ib_optimizer_settings *s, int slot) {
    return slot == VELOCITY || (slot == MOMENTUM ? s->momentum > 0.0 : s->centered);
}

static void begin(const ib_optimizer_settings *s, double t, ib_step_scalars *out) {
    (void)t;
    double decay = s->weight_decay == s->weight_decay ? s->weight_decay * s->learning_rate : 0.0;
    out->rmsprop = (ib_rmsprop_args){.lr = (float)s->learning_rate,
                                     .rho = (float)s->rho,
                                     .one_minus_rho = (float)(1.0 - s->rho),
                                     .mu = (float)s->momentum,
                                     .eps = (float)s->epsilon,
                                     .decay = (float)decay,
                                     .centered = s->centered};
}

static void update(void *context, const ib_kernels *kernels, const float *value, size_t start, size_t n) {
    const ib_trained *t = context;
    float *slots[IB_SLOTS_MAX];
    for (int i = 0; i < IB_SLOTS_MAX; i++)
        slots[i] = t->slots[i] ? t->slots[i]->data + start : NULL;
    kernels->rmsprop(t->variable->data + start, slots[VELOCITY], slots[AVERAGE], slots[MOMENTUM],
                     value + start, n, &t->optimizer->scalars.rmsprop);
}

const ib_optimizer_class ib__optimizer_rmsprop = {.name = "RMSprop",
                                                  .fields = fields,
                                                  .n_fields = sizeof fields / sizeof *fields,
                                                  .slot_names = {"velocity", "momentum", "average_gradient"},
                                                  .slot_groups = {0, 1, 2},
                                                  .uses_slot = uses_slot,
                                                  .begin = begin,
                                                  .update = update};
