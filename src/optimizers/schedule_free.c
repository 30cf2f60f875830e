/* SPDX-License-Identifier: Apache-2.0
 *
 * ScheduleFreeAdamW. The momentum is a second set of weights, which begins as the variable. As Keras does on
 * TensorFlow, the momentum that is taken out of the variable is the one of this step.
 */
#include <math.h>
#include <string.h>

#include "numerics/double.h"
#include "optimizers/internal.h"

static const ib_field fields[] = {IB_OPTIMIZER_FIELDS("0.0025", "null"), IB_OPTIMIZER_BETAS,
                                  IB_OPTIMIZER_EPSILON("1e-08"),
                                  IB_OPTIMIZER_REAL("warmup_steps", "0", warmup_steps, 0, 0x1p53)};

enum { MOMENTUM, VELOCITY };
enum { WARM_RATE = IB_SCALAR_OWN, CORRECTION, WEIGHT, WEIGHT_REST };

static void start(ib_optimizer *o) {
    for (size_t i = 0; i < o->n_trained; i++) {
        const ib_variable *v = o->trained[i].variable;
        size_t n = (size_t)ib__shape_elements(&v->shape);
        memcpy(o->trained[i].slots[MOMENTUM]->data, v->data, n * sizeof *v->data);
    }
}

static void begin(ib_optimizer *o, double t) {
    double warmup = o->settings.warmup_steps;
    ib__scalar_set(o, WARM_RATE, warmup > 0.0 ? o->rate * fmin(t / warmup, 1.0) : o->rate);
    ib__scalar_set(o, CORRECTION, 1.0 - ib__double_pow(o->settings.beta_2, t));
    ib__scalar_set(o, WEIGHT, 1.0 / t);
    ib__scalar_set(o, WEIGHT_REST, 1.0 - 1.0 / t);
}

static ib_node update(ib_update *u) {
    const ib_optimizer_settings *s = &u->o->settings;
    ib_graph *g = u->g;
    float beta = (float)s->beta_1, rest = (float)(1.0 - s->beta_1);
    ib_node v = ib__update_toward(u, VELOCITY, ib__op_square(g, u->gradient), 1.0 - s->beta_2);
    v = ib__op_divide(g, v, ib__update_scalar(u, CORRECTION));
    ib_node scaled = ib__op_multiply(g, ib__update_scalar(u, WARM_RATE), u->gradient);
    ib_node step = ib__update_quotient(u, scaled, v, s->epsilon);
    ib_node z = ib__update_set(u, MOMENTUM, ib__op_subtract(g, ib__update_slot(u, MOMENTUM), step));
    ib_node part = ib__op_scale(g, z, rest);
    ib_node x = ib__op_divide(g, ib__op_subtract(g, u->w, part), ib__op_constant(g, beta));
    x = ib__op_add(g, ib__op_multiply(g, ib__update_scalar(u, WEIGHT_REST), x),
                   ib__op_multiply(g, ib__update_scalar(u, WEIGHT), z));
    return ib__op_add(g, part, ib__op_scale(g, x, beta));
}

const ib_optimizer_class ib__optimizer_schedule_free = {.name = "ScheduleFreeAdamW",
                                                        .fields = fields,
                                                        .n_fields = sizeof fields / sizeof *fields,
                                                        .slot_names = {"momentum", "velocity"},
                                                        .start = start,
                                                        .begin = begin,
                                                        .update = update};
