/* SPDX-License-Identifier: Apache-2.0
 *
 * Ftrl ("follow the regularized leader"): the variable is a function of sums over all steps.
 */
#include "optimizers/internal.h"

static const ib_field fields[] = {
    IB_OPTIMIZER_FIELDS("0.001", "null"),
    IB_OPTIMIZER_REAL("learning_rate_power", "-0.5", rate_power, -0x1p20, 0),
    IB_OPTIMIZER_REAL("initial_accumulator_value", "0.1", initial_accumulator, 0, 0x1p100),
    IB_OPTIMIZER_REAL("l1_regularization_strength", "0.0", l1, 0, 0x1p100),
    IB_OPTIMIZER_REAL("l2_regularization_strength", "0.0", l2, 0, 0x1p100),
    IB_OPTIMIZER_REAL("l2_shrinkage_regularization_strength", "0.0", shrinkage, 0, 0x1p100),
    IB_OPTIMIZER_REAL("beta", "0.0", beta, -0x1p100, 0x1p100)};

enum { ACCUMULATOR, LINEAR };
enum { SCALAR_L2 = IB_SCALAR_OWN };

static double initial(const ib_optimizer_settings *s, int slot) {
    return slot == ACCUMULATOR ? s->initial_accumulator : 0.0;
}

static void begin(ib_optimizer *o, double t) {
    (void)t;
    ib__scalar_set(o, SCALAR_L2, 2.0 * (o->settings.l2 + o->settings.beta / (2.0 * o->rate)));
}

/* a^p for a >= 0, p >= 0. */
static ib_node power(ib_graph *g, ib_node a, double p) {
    if (p == 0.5) return ib__op_sqrt(g, a);
    if (p == 1.0) return a;
    if (p == 0.0) return ib__op_constant(g, 1.0f);
    return ib__op_exp(g, ib__op_scale(g, ib__op_log(g, a), (float)p));
}

static ib_node update(ib_update *u) {
    const ib_optimizer_settings *s = &u->o->settings;
    ib_graph *g = u->g;
    ib_node rate = ib__update_scalar(u, IB_SCALAR_RATE), old = ib__update_slot(u, ACCUMULATOR);
    ib_node sum = ib__op_add(g, old, ib__op_square(g, u->gradient));
    ib_node root = power(g, sum, -s->rate_power), root_before = power(g, old, -s->rate_power);
    ib_node gradient = ib__op_add(g, u->gradient, ib__op_scale(g, u->w, (float)(2.0 * s->shrinkage)));
    ib_node sigma = ib__op_divide(g, ib__op_subtract(g, root, root_before), rate);
    ib_node change = ib__op_subtract(g, gradient, ib__op_multiply(g, sigma, u->w));
    ib_node linear = ib__op_add(g, ib__update_slot(u, LINEAR), change);
    ib_node quadratic = ib__op_add(g, ib__op_divide(g, root, rate), ib__update_scalar(u, SCALAR_L2));
    ib_node limit = ib__op_constant(g, (float)s->l1), low = ib__op_constant(g, (float)-s->l1);
    ib_node clipped = ib__op_minimum(g, ib__op_maximum(g, linear, low), limit);
    ib__update_set(u, LINEAR, linear);
    ib__update_set(u, ACCUMULATOR, sum);
    return ib__op_divide(g, ib__op_subtract(g, clipped, linear), quadratic);
}

const ib_optimizer_class ib__optimizer_ftrl = {.name = "Ftrl",
                                               .fields = fields,
                                               .n_fields = sizeof fields / sizeof *fields,
                                               .slot_names = {"accumulator", "linear"},
                                               .initial = initial,
                                               .begin = begin,
                                               .update = update};
