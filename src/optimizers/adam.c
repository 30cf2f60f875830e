/* SPDX-License-Identifier: Apache-2.0
 *
 * Adam and AdamW (which differ in the default of weight_decay only): epsilon stands outside of the root and
 * is not bias-corrected (kernels.h, adam). Muon uses Adam's update too.
 */
#include "optimizers/adam.h"

#include <math.h>

#include "numerics/double.h"

#define ADAM_FIELDS                                                                                          \
    IB_OPTIMIZER_BETAS, IB_OPTIMIZER_EPSILON("1e-07"), IB_OPTIMIZER_FLAG("amsgrad", "false", amsgrad)

static const ib_field adam_fields[] = {IB_OPTIMIZER_FIELDS("0.001", "null"), ADAM_FIELDS};
static const ib_field adamw_fields[] = {IB_OPTIMIZER_FIELDS("0.001", "0.004"), ADAM_FIELDS};

static ib_status check_decay(ib_optimizer *o, const char *where, ib_error *err) {
    if (!isnan(o->settings.weight_decay)) return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, where, "weight_decay: expected a number, found null");
}

static bool uses_slot(const ib_trained *t, int slot) {
    return slot < 2 || t->optimizer->settings.amsgrad;
}

double ib__adam_alpha(const ib_optimizer_settings *s, double rate, double t) {
    double correction_1 = 1.0 - ib__double_pow(s->beta_1, t),
           correction_2 = 1.0 - ib__double_pow(s->beta_2, t);
    return rate * sqrt(correction_2) / correction_1;
}

static void begin(ib_optimizer *o, double t) {
    const ib_optimizer_settings *s = &o->settings;
    double alpha = ib__adam_alpha(s, o->rate, t);
    ib__scalar_set(o, IB_SCALAR_ALPHA, alpha);
    o->args[0].adam = (ib_adam_args){.alpha = (float)alpha,
                                     .c1 = (float)(1.0 - s->beta_1),
                                     .c2 = (float)(1.0 - s->beta_2),
                                     .eps = (float)s->epsilon,
                                     .decay = o->scalars[IB_SCALAR_DECAY].data[0]};
    o->args[1] = o->args[0];
    o->args[1].adam.decay = 0.0f;
}

ib_node ib__adam_update(ib_update *u) {
    const ib_optimizer_settings *s = &u->o->settings;
    ib_node v, m = ib__update_moments(u, s->beta_1, s->beta_2, &v);
    if (u->t->slots[2]) v = ib__update_set(u, 2, ib__op_maximum(u->g, ib__update_slot(u, 2), v));
    ib_node scaled = ib__op_multiply(u->g, m, ib__update_scalar(u, IB_SCALAR_ALPHA));
    return ib__op_subtract(u->g, u->w, ib__update_quotient(u, scaled, v, s->epsilon));
}

static void kernel(void *context, const ib_kernels *kernels, const float *value, size_t start, size_t n) {
    const ib_trained *t = context;
    float *vhat = t->slots[2] ? t->slots[2]->data + start : NULL;
    kernels->adam(t->variable->data + start, t->slots[0]->data + start, t->slots[1]->data + start, vhat,
                  value, n, &t->optimizer->args[t->undecayed].adam);
}

#define ADAM(class_name, its_fields, its_check)                                                              \
    {                                                                                                        \
        .name = class_name, .fields = its_fields, .n_fields = sizeof its_fields / sizeof *its_fields,        \
        .slot_names = {"momentum", "velocity", "velocity_hat"}, .slot_groups = {0, 0, 1},                    \
        .uses_slot = uses_slot, .check = its_check, .begin = begin, .update = ib__adam_update,               \
        .kernel = kernel                                                                                     \
    }

const ib_optimizer_class ib__optimizer_adam = ADAM("Adam", adam_fields, NULL);
const ib_optimizer_class ib__optimizer_adamw = ADAM("AdamW", adamw_fields, check_decay);
