/* SPDX-License-Identifier: Apache-2.0
 *
 * Adadelta, Adagrad, Adamax, Nadam, Lamb and Lion: moments of the gradient, element by element.
 */
#include <math.h>

#include "numerics/double.h"
#include "optimizers/internal.h"

#define TABLE(its_fields) .fields = its_fields, .n_fields = sizeof its_fields / sizeof *its_fields

static ib_node rate(const ib_update *u) {
    return ib__update_scalar(u, IB_SCALAR_RATE);
}

static void begin_nothing(ib_optimizer *o, double t) {
    (void)o, (void)t;
}

/* ---- Adadelta: epsilon stands inside of the roots ---- */

static const ib_field adadelta_fields[] = {IB_OPTIMIZER_FIELDS("0.001", "null"),
                                           IB_OPTIMIZER_REAL("rho", "0.95", rho, 0, 1),
                                           IB_OPTIMIZER_EPSILON("1e-07")};

static ib_node adadelta(ib_update *u) {
    const ib_optimizer_settings *s = &u->o->settings;
    ib_graph *g = u->g;
    float epsilon = (float)s->epsilon;
    ib_node v = ib__update_blend(u, 0, ib__op_square(g, u->gradient), s->rho, 1.0 - s->rho);
    ib_node before = ib__op_sqrt(g, ib__op_offset(g, ib__update_slot(u, 1), epsilon));
    ib_node delta = ib__op_negate(g, ib__op_divide(g, ib__op_multiply(g, before, u->gradient),
                                                   ib__op_sqrt(g, ib__op_offset(g, v, epsilon))));
    ib__update_blend(u, 1, ib__op_square(g, delta), s->rho, 1.0 - s->rho);
    return ib__op_add(g, u->w, ib__op_multiply(g, rate(u), delta));
}

const ib_optimizer_class ib__optimizer_adadelta = {
    .name = "Adadelta",
    TABLE(adadelta_fields),
    .slot_names = {"accumulated_grad", "accumulated_delta_var"},
    .begin = begin_nothing,
    .update = adadelta};

/* ---- Adagrad ---- */

static const ib_field adagrad_fields[] = {
    IB_OPTIMIZER_FIELDS("0.001", "null"),
    IB_OPTIMIZER_REAL("initial_accumulator_value", "0.1", initial_accumulator, 0, 0x1p100),
    IB_OPTIMIZER_EPSILON("1e-07")};

static double adagrad_initial(const ib_optimizer_settings *s, int slot) {
    (void)slot;
    return s->initial_accumulator;
}

static ib_node adagrad(ib_update *u) {
    ib_graph *g = u->g;
    ib_node sum = ib__op_add(g, ib__update_slot(u, 0), ib__op_square(g, u->gradient));
    ib__update_set(u, 0, sum);
    ib_node root = ib__op_sqrt(g, ib__op_offset(g, sum, (float)u->o->settings.epsilon));
    return ib__op_subtract(g, u->w, ib__op_divide(g, ib__op_multiply(g, rate(u), u->gradient), root));
}

const ib_optimizer_class ib__optimizer_adagrad = {.name = "Adagrad",
                                                  TABLE(adagrad_fields),
                                                  .slot_names = {"accumulator"},
                                                  .initial = adagrad_initial,
                                                  .begin = begin_nothing,
                                                  .update = adagrad};

/* ---- Adamax ---- */

enum { CORRECTION_1 = IB_SCALAR_OWN, CORRECTION_2 };

static const ib_field adam_fields[] = {IB_OPTIMIZER_FIELDS("0.001", "null"), IB_OPTIMIZER_BETAS,
                                       IB_OPTIMIZER_EPSILON("1e-07")};

static void begin_corrections(ib_optimizer *o, double t) {
    ib__scalar_set(o, CORRECTION_1, 1.0 - ib__double_pow(o->settings.beta_1, t));
    ib__scalar_set(o, CORRECTION_2, 1.0 - ib__double_pow(o->settings.beta_2, t));
}

static ib_node adamax(ib_update *u) {
    const ib_optimizer_settings *s = &u->o->settings;
    ib_graph *g = u->g;
    ib_node m = ib__update_toward(u, 0, u->gradient, 1.0 - s->beta_1);
    ib_node size = ib__op_map(g, IB_MAP_abs, u->gradient, IB_NO_NODE, IB_NO_NODE);
    ib_node norm = ib__op_maximum(g, ib__op_scale(g, ib__update_slot(u, 1), (float)s->beta_2), size);
    ib__update_set(u, 1, norm);
    ib_node below =
        ib__op_multiply(g, ib__update_scalar(u, CORRECTION_1), ib__op_offset(g, norm, (float)s->epsilon));
    return ib__op_subtract(g, u->w, ib__op_divide(g, ib__op_multiply(g, rate(u), m), below));
}

const ib_optimizer_class ib__optimizer_adamax = {.name = "Adamax",
                                                 TABLE(adam_fields),
                                                 .slot_names = {"momentum", "norm"},
                                                 .begin = begin_corrections,
                                                 .update = adamax};

/* ---- Nadam: momentum by a schedule, whose product over all steps is a variable ---- */

enum {
    NADAM_AHEAD = IB_SCALAR_OWN,
    NADAM_AHEAD_REST,
    NADAM_GRADIENT,
    NADAM_REST,
    NADAM_CORRECTION,
    NADAM_PRODUCT
};

static ib_status nadam_add_product(ib_optimizer *o, ib_error *err) {
    ib_state state = {.path = ib__arena_printf(&o->arena, "%s/variable", ib__optimizer_name(o)),
                      .initial = 1.0f,
                      .hidden = o->untracked};
    return ib__optimizer_add_variable(o, &o->last, &state, &(ib_shape){0}, err);
}

static void nadam_begin(ib_optimizer *o, double t) {
    const ib_optimizer_settings *s = &o->settings;
    double now = s->beta_1 * (1.0 - 0.5 * ib__double_pow(0.96, t));
    double ahead = s->beta_1 * (1.0 - 0.5 * ib__double_pow(0.96, t + 1.0));
    double product = (double)(float)((double)o->last.data[0] * now);
    ib__scalar_set(o, NADAM_AHEAD, ahead);
    ib__scalar_set(o, NADAM_AHEAD_REST, 1.0 - product * ahead);
    ib__scalar_set(o, NADAM_GRADIENT, 1.0 - now);
    ib__scalar_set(o, NADAM_REST, 1.0 - product);
    ib__scalar_set(o, NADAM_CORRECTION, 1.0 - ib__double_pow(s->beta_2, t));
    ib__scalar_set(o, NADAM_PRODUCT, product);
}

static void nadam_end(ib_optimizer *o) {
    o->last.data[0] = o->scalars[NADAM_PRODUCT].data[0];
}

static ib_node nadam(ib_update *u) {
    const ib_optimizer_settings *s = &u->o->settings;
    ib_graph *g = u->g;
    ib_node v, m = ib__update_moments(u, s->beta_1, s->beta_2, &v);
    ib_node first = ib__op_divide(g, ib__op_multiply(g, ib__update_scalar(u, NADAM_AHEAD), m),
                                  ib__update_scalar(u, NADAM_AHEAD_REST));
    ib_node second = ib__op_divide(g, ib__op_multiply(g, ib__update_scalar(u, NADAM_GRADIENT), u->gradient),
                                   ib__update_scalar(u, NADAM_REST));
    ib_node corrected = ib__op_divide(g, v, ib__update_scalar(u, NADAM_CORRECTION));
    ib_node scaled = ib__op_multiply(g, ib__op_add(g, first, second), rate(u));
    return ib__op_subtract(g, u->w, ib__update_quotient(u, scaled, corrected, s->epsilon));
}

const ib_optimizer_class ib__optimizer_nadam = {.name = "Nadam",
                                                TABLE(adam_fields),
                                                .slot_names = {"momentum", "velocity"},
                                                .add_last = nadam_add_product,
                                                .begin = nadam_begin,
                                                .end = nadam_end,
                                                .update = nadam};

/* ---- Lamb: the step has the length of the variable ---- */

static ib_node lamb(ib_update *u) {
    const ib_optimizer_settings *s = &u->o->settings;
    ib_graph *g = u->g;
    ib_node v, m = ib__update_moments(u, s->beta_1, s->beta_2, &v);
    m = ib__op_divide(g, m, ib__update_scalar(u, CORRECTION_1));
    v = ib__op_divide(g, v, ib__update_scalar(u, CORRECTION_2));
    ib_node step = ib__update_quotient(u, m, v, s->epsilon), one = ib__op_constant(g, 1.0f);
    ib_node length = ib__op_sqrt(g, ib__node_sum(g, ib__op_square(g, u->w)));
    ib_node other = ib__op_sqrt(g, ib__node_sum(g, ib__op_square(g, step)));
    ib_node ratio = ib__op_select(g, ib__node_positive(g, other), ib__op_divide(g, length, other), one);
    ratio = ib__op_select(g, ib__node_positive(g, length), ratio, one);
    return ib__op_subtract(g, u->w, ib__op_multiply(g, ib__op_multiply(g, ratio, rate(u)), step));
}

const ib_optimizer_class ib__optimizer_lamb = {.name = "Lamb",
                                               TABLE(adam_fields),
                                               .slot_names = {"momentum", "velocity"},
                                               .begin = begin_corrections,
                                               .update = lamb};

/* ---- Lion: the sign of a momentum ---- */

static const ib_field lion_fields[] = {IB_OPTIMIZER_FIELDS("0.001", "null"),
                                       IB_OPTIMIZER_REAL("beta_1", "0.9", beta_1, 0, 1),
                                       IB_OPTIMIZER_REAL("beta_2", "0.99", beta_2, 0, 1)};

static ib_status lion_check(ib_optimizer *o, const char *where, ib_error *err) {
    if (o->settings.beta_1 > 0.0) return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, where, "beta_1: expected a number above 0 and up to 1, found 0");
}

static ib_node lion(ib_update *u) {
    const ib_optimizer_settings *s = &u->o->settings;
    ib_graph *g = u->g;
    ib_node kept = ib__op_scale(g, ib__update_slot(u, 0), (float)s->beta_1);
    ib_node blend = ib__op_add(g, kept, ib__op_scale(g, u->gradient, (float)(1.0 - s->beta_1)));
    ib_node sign = ib__op_map(g, IB_MAP_sign, blend, IB_NO_NODE, IB_NO_NODE);
    ib__update_blend(u, 0, u->gradient, s->beta_2, 1.0 - s->beta_2);
    return ib__op_subtract(g, u->w, ib__op_multiply(g, rate(u), sign));
}

const ib_optimizer_class ib__optimizer_lion = {.name = "Lion",
                                               TABLE(lion_fields),
                                               .slot_names = {"momentum"},
                                               .check = lion_check,
                                               .begin = begin_nothing,
                                               .update = lion};
