/* SPDX-License-Identifier: Apache-2.0
 *
 * SGD: the momentum buffer holds the learning rate (kernels.h, sgd).
 */
#include <stddef.h>

#include "optimizers/internal.h"

static const ib_field fields[] = {
    IB_OPTIMIZER_FIELDS("0.01", "null"),
    {.key = "momentum", .fallback = "0.0", .read = ib__read_real, IB_OPTIMIZER_AT(momentum), .high = 1.0},
    {.key = "nesterov", .fallback = "false", .read = ib__read_bool, IB_OPTIMIZER_AT(nesterov)}};

static bool uses_slot(const ib_optimizer_settings *s, int slot) {
    (void)slot;
    return s->momentum != 0.0;
}

static void begin(const ib_optimizer_settings *s, double t, ib_step_scalars *out) {
    (void)t;
    double decay = s->weight_decay == s->weight_decay ? s->weight_decay * s->learning_rate : 0.0;
    out->sgd = (ib_sgd_args){.lr = (float)s->learning_rate,
                             .mu = (float)s->momentum,
                             .decay = (float)decay,
                             .nesterov = s->nesterov};
}

static void update(void *context, const ib_kernels *kernels, const float *value, size_t start, size_t n) {
    const ib_trained *t = context;
    float *velocity = t->slots[0] ? t->slots[0]->data + start : NULL;
    kernels->sgd(t->variable->data + start, velocity, value + start, n, &t->optimizer->scalars.sgd);
}

const ib_optimizer_class ib__optimizer_sgd = {.name = "SGD",
                                              .fields = fields,
                                              .n_fields = sizeof fields / sizeof *fields,
                                              .slot_names = {"momentum"},
                                              .uses_slot = uses_slot,
                                              .begin = begin,
                                              .update = update};
