/* SPDX-License-Identifier: Apache-2.0
 *
 * Adafactor: the second moment of a matrix is kept as means over its rows and over its columns (of the last
 * two axes). A vector keeps it whole; Keras then has two integers that nothing uses.
 */
#include <math.h>
#include <string.h>

#include "numerics/double.h"
#include "optimizers/internal.h"

static const ib_field fields[] = {IB_OPTIMIZER_FIELDS("0.001", "null"),
                                  IB_OPTIMIZER_REAL("beta_2_decay", "-0.8", beta_2_decay, -0x1p100, 0x1p100),
                                  IB_OPTIMIZER_REAL("epsilon_1", "1e-30", epsilon, 0, 0x1p100),
                                  IB_OPTIMIZER_REAL("epsilon_2", "0.001", epsilon_2, 0, 0x1p100),
                                  IB_OPTIMIZER_REAL("clip_threshold", "1.0", clip_threshold, 0, 0x1p100),
                                  /* Changes nothing: rho is at most 1 / sqrt(t) in either case. */
                                  {.key = "relative_step", .fallback = "true", .read = ib__read_flag}};

enum { ROWS, COLUMNS, VELOCITY };
enum { RHO = IB_SCALAR_OWN, BETA, BETA_REST };

/* axis: the one that is left out. */
static ib_shape without(const ib_shape *shape, int axis) {
    ib_shape out = {.rank = shape->rank - 1};
    for (int i = 0, k = 0; i < shape->rank; i++)
        if (i != axis) out.dims[k++] = shape->dims[i];
    return out;
}

/* The means are named as the variable alone: "adafactor/kernel". */
static ib_status add_slots(ib_trained *t, ib_error *err) {
    ib_optimizer *o = t->optimizer;
    const ib_shape *shape = &t->variable->shape;
    const char *slash = strrchr(t->variable->path, '/');
    ib_state state = {.path = ib__arena_printf(&o->arena, "%s/%s", ib__optimizer_name(o),
                                               slash ? slash + 1 : t->variable->path)};
    ib_status status = IB_OK;
    for (int i = ROWS; status == IB_OK && i <= COLUMNS; i++) {
        if (shape->rank < 2) {
            if (o->untracked) continue;
            ib_state unused = {.path = state.path, .integer = &o->unused, .narrow = true};
            status = ib__optimizer_add_integer(o, &unused, err);
        } else {
            ib_shape means = without(shape, i == ROWS ? shape->rank - 1 : shape->rank - 2);
            status = ib__optimizer_add_slot(t, &t->slots[i], &state, &means, err);
        }
    }
    state.path = ib__optimizer_path(o, t->variable, "velocity");
    return status == IB_OK ? ib__optimizer_add_slot(t, &t->slots[VELOCITY], &state, shape, err) : status;
}

static void begin(ib_optimizer *o, double t) {
    double power = ib__double_pow(t, o->settings.beta_2_decay);
    ib__scalar_set(o, RHO, fmin(o->rate, 1.0 / sqrt(t)));
    ib__scalar_set(o, BETA, 1.0 - power);
    ib__scalar_set(o, BETA_REST, power);
}

/* sqrt(mean(a^2)) */
static ib_node root_mean_square(ib_graph *g, ib_node a) {
    unsigned axes = (1u << ib__node_shape(g, a).rank) - 1;
    return ib__op_sqrt(g, ib__op_mean(g, ib__op_square(g, a), axes, false));
}

static ib_node moved(const ib_update *u, int slot, ib_node target) {
    ib_graph *g = u->g;
    ib_node kept = ib__op_multiply(g, ib__update_scalar(u, BETA), ib__update_slot(u, slot));
    return ib__update_set(u, slot,
                          ib__op_add(g, kept, ib__op_multiply(g, ib__update_scalar(u, BETA_REST), target)));
}

/* [..., n, m] from the means over rows [..., n] and over columns [..., m]: (r / mean(r)) c. */
static ib_node second_moment(const ib_update *u, ib_node squares) {
    ib_graph *g = u->g;
    ib_shape rows = u->t->variable->shape, columns = rows;
    int last = rows.rank - 1;
    ib_node r = moved(u, ROWS, ib__op_mean(g, squares, 1u << last, false));
    ib_node c = moved(u, COLUMNS, ib__op_mean(g, squares, 1u << (last - 1), false));
    r = ib__op_divide(g, r, ib__op_mean(g, r, 1u << (last - 1), true));
    rows.dims[last] = 1;
    columns.dims[last - 1] = 1;
    return ib__op_multiply(g, ib__op_reshape(g, r, &rows), ib__op_reshape(g, c, &columns));
}

static ib_node update(ib_update *u) {
    const ib_optimizer_settings *s = &u->o->settings;
    ib_graph *g = u->g;
    ib_node squares = ib__op_offset(g, ib__op_square(g, u->gradient), (float)s->epsilon), v;
    if (u->t->slots[ROWS])
        v = ib__update_set(u, VELOCITY, second_moment(u, squares));
    else
        v = moved(u, VELOCITY, squares);
    ib_node floor = ib__op_constant(g, (float)s->epsilon_2);
    ib_node alpha =
        ib__op_multiply(g, ib__op_maximum(g, floor, root_mean_square(g, u->w)), ib__update_scalar(u, RHO));
    ib_node step = ib__op_divide(g, u->gradient, ib__op_sqrt(g, v));
    ib_node limit = ib__op_constant(g, (float)s->clip_threshold);
    ib_node over = ib__op_divide(g, root_mean_square(g, step), limit);
    step = ib__op_divide(g, step, ib__op_maximum(g, ib__op_constant(g, 1.0f), over));
    return ib__op_subtract(g, u->w, ib__op_multiply(g, alpha, step));
}

const ib_optimizer_class ib__optimizer_adafactor = {.name = "Adafactor",
                                                    .fields = fields,
                                                    .n_fields = sizeof fields / sizeof *fields,
                                                    .add_slots = add_slots,
                                                    .begin = begin,
                                                    .update = update};
