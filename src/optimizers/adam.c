/* SPDX-License-Identifier: Apache-2.0
 *
 * Adam and AdamW (which differ in the default of weight_decay only): epsilon stands outside of the root and
 * is not bias-corrected (kernels.h, adam).
 */
#include <math.h>
#include <stddef.h>

#include "numerics/double.h"
#include "optimizers/internal.h"

#define ADAM_FIELDS                                                                                          \
    {.key = "beta_1", .fallback = "0.9", .read = ib__read_real, IB_OPTIMIZER_AT(beta_1), .high = 1.0},       \
        {.key = "beta_2", .fallback = "0.999", .read = ib__read_real, IB_OPTIMIZER_AT(beta_2), .high = 1.0}, \
        {.key = "epsilon",                                                                                   \
         .fallback = "1e-07",                                                                                \
         .read = ib__read_real,                                                                              \
         IB_OPTIMIZER_AT(epsilon),                                                                           \
         .high = 0x1p100},                                                                                   \
    {                                                                                                        \
        .key = "amsgrad", .fallback = "false", .read = ib__read_bool, IB_OPTIMIZER_AT(amsgrad)               \
    }

static const ib_field adam_fields[] = {IB_OPTIMIZER_FIELDS("0.001", "null"), ADAM_FIELDS};
static const ib_field adamw_fields[] = {IB_OPTIMIZER_FIELDS("0.001", "0.004"), ADAM_FIELDS};

static bool uses_slot(const ib_optimizer_settings *s, int slot) {
    return slot < 2 || s->amsgrad;
}

static void begin(const ib_optimizer_settings *s, double t, ib_step_scalars *out) {
    double decay = s->weight_decay == s->weight_decay ? s->weight_decay * s->learning_rate : 0.0;
    double correction_1 = 1.0 - ib__double_pow(s->beta_1, t),
           correction_2 = 1.0 - ib__double_pow(s->beta_2, t);
    out->adam = (ib_adam_args){.alpha = (float)(s->learning_rate * sqrt(correction_2) / correction_1),
                               .c1 = (float)(1.0 - s->beta_1),
                               .c2 = (float)(1.0 - s->beta_2),
                               .eps = (float)s->epsilon,
                               .decay = (float)decay};
}

static void update(void *context, const ib_kernels *kernels, const float *value, size_t start, size_t n) {
    const ib_trained *t = context;
    float *vhat = t->slots[2] ? t->slots[2]->data + start : NULL;
    kernels->adam(t->variable->data + start, t->slots[0]->data + start, t->slots[1]->data + start, vhat,
                  value + start, n, &t->optimizer->scalars.adam);
}

#define ADAM(class_name, its_fields)                                                                         \
    {                                                                                                        \
        .name = class_name, .fields = its_fields, .n_fields = sizeof its_fields / sizeof *its_fields,        \
        .slot_names = {"momentum", "velocity", "velocity_hat"}, .slot_groups = {0, 0, 1},                    \
        .uses_slot = uses_slot, .begin = begin, .update = update                                             \
    }

const ib_optimizer_class ib__optimizer_adam = ADAM("Adam", adam_fields);
const ib_optimizer_class ib__optimizer_adamw = ADAM("AdamW", adamw_fields);
