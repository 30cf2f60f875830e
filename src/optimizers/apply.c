/* SPDX-License-Identifier: Apache-2.0
 *
 * What an optimizer adds to the training graph, and what it does before and after each step. The order is
 * Keras's: loss scale, accumulation, clipping, weight decay, update, average, constraint.
 */
#include <math.h>
#include <string.h>

#include "constraints/constraint.h"
#include "optimizers/internal.h"

/* ---- Parts of updates ---- */

ib_node ib__node_sum(ib_graph *g, ib_node a) {
    return ib__op_reduce(g, IB_REDUCE_SUM, a, (1u << ib__node_shape(g, a).rank) - 1, false);
}

ib_node ib__node_positive(ib_graph *g, ib_node a) {
    return ib__op_map(g, IB_MAP_greater, a, ib__op_constant(g, 0.0f), IB_NO_NODE);
}

ib_node ib__update_scalar(const ib_update *u, int scalar) {
    return ib__op_variable(u->g, &u->o->scalars[scalar]);
}

ib_node ib__update_slot(const ib_update *u, int slot) {
    return ib__op_variable(u->g, u->t->slots[slot]);
}

/* What the variable is before the update: what a layer has assigned in this step, or what it was. */
static ib_node before(ib_graph *g, ib_variable *v) {
    ib_node assigned = ib__graph_assigned(g, v);
    return assigned == IB_NO_NODE ? ib__op_variable(g, v) : assigned;
}

/* The variable becomes value, if the guard holds. */
static void assign(ib_graph *g, ib_variable *v, ib_node guard, ib_node value) {
    if (guard != IB_NO_NODE) value = ib__op_select(g, guard, value, before(g, v));
    ib__graph_assign(g, v, value);
}

ib_node ib__update_set(const ib_update *u, int slot, ib_node value) {
    assign(u->g, u->t->slots[slot], u->guard, value);
    return value;
}

ib_node ib__update_toward(const ib_update *u, int slot, ib_node target, double c) {
    ib_node old = ib__update_slot(u, slot);
    ib_node step = ib__op_scale(u->g, ib__op_subtract(u->g, target, old), (float)c);
    return ib__update_set(u, slot, ib__op_add(u->g, old, step));
}

ib_node ib__update_blend(const ib_update *u, int slot, ib_node target, double keep, double rest) {
    ib_node kept = ib__op_scale(u->g, ib__update_slot(u, slot), (float)keep);
    return ib__update_set(u, slot, ib__op_add(u->g, kept, ib__op_scale(u->g, target, (float)rest)));
}

ib_node ib__update_moments(const ib_update *u, double beta_1, double beta_2, ib_node *velocity) {
    ib_node m = ib__update_toward(u, 0, u->gradient, 1.0 - beta_1);
    *velocity = ib__update_toward(u, 1, ib__op_square(u->g, u->gradient), 1.0 - beta_2);
    return m;
}

ib_node ib__update_quotient(const ib_update *u, ib_node numerator, ib_node v, double epsilon) {
    ib_node root = ib__op_offset(u->g, ib__op_sqrt(u->g, v), (float)epsilon);
    return ib__op_divide(u->g, numerator, root);
}

/* ---- Gradients ---- */

/* Keras's clip_by_norm: a c / max(norm, c). */
static ib_node clip_norm(ib_graph *g, ib_node a, float c) {
    ib_node norm = ib__op_sqrt(g, ib__node_sum(g, ib__op_square(g, a)));
    return ib__op_divide(g, ib__op_scale(g, a, c), ib__op_maximum(g, norm, ib__op_constant(g, c)));
}

/* Keras's clip_by_global_norm: c min(1 / norm, 1 / c) + (norm - norm), so that inf and NaN spread. */
static ib_node global_scale(ib_graph *g, const ib_node *gradients, size_t n, double c) {
    ib_node total = IB_NO_NODE;
    for (size_t i = 0; i < n; i++) {
        ib_node squares = ib__node_sum(g, ib__op_square(g, gradients[i]));
        total = i ? ib__op_add(g, total, squares) : squares;
    }
    ib_node norm = ib__op_sqrt(g, total);
    ib_node inverse = ib__op_divide(g, ib__op_constant(g, 1.0f), norm);
    ib_node finite =
        ib__op_scale(g, ib__op_minimum(g, inverse, ib__op_constant(g, (float)(1.0 / c))), (float)c);
    return ib__op_add(g, finite, ib__op_subtract(g, norm, norm));
}

static void clip(const ib_optimizer *o, ib_graph *g, ib_node *a) {
    const ib_optimizer_settings *s = &o->settings;
    ib_node scale = IB_NO_NODE;
    if (s->global_clipnorm > 0.0) scale = global_scale(g, a, o->n_trained, s->global_clipnorm);
    for (size_t i = 0; i < o->n_trained; i++) {
        if (s->clipnorm > 0.0)
            a[i] = clip_norm(g, a[i], (float)s->clipnorm);
        else if (s->global_clipnorm > 0.0)
            a[i] = ib__op_multiply(g, a[i], scale);
        else if (s->clipvalue > 0.0)
            a[i] = ib__op_minimum(g, ib__op_maximum(g, a[i], ib__op_constant(g, (float)-s->clipvalue)),
                                  ib__op_constant(g, (float)s->clipvalue));
    }
}

/* The gradient as the update sees it: unscaled, and the mean over the steps that are accumulated. updating:
 * the predicate of the last of them. */
static ib_node prepare(const ib_trained *t, ib_graph *g, ib_node a, ib_node guard, ib_node updating) {
    const ib_optimizer_settings *s = &t->optimizer->settings;
    if (!isnan(s->loss_scale)) a = ib__op_divide(g, a, ib__op_constant(g, (float)s->loss_scale));
    if (!t->accumulator) return a;
    ib_node sum = ib__op_add(g, a, ib__op_variable(g, t->accumulator));
    assign(g, t->accumulator, guard, ib__op_select(g, updating, ib__op_constant(g, 0.0f), sum));
    return ib__op_divide(g, sum, ib__op_constant(g, (float)s->accumulate));
}

/* ---- Updates ---- */

static void run_kernel(void *context, const ib_kernels *kernels, const float *value, size_t start, size_t n) {
    const ib_trained *t = context;
    if (t->optimizer->updating) t->optimizer->class->kernel(context, kernels, value, start, n);
}

/* w - w decay, where decay is not 0. */
static ib_node decayed(const ib_update *u, ib_node w) {
    ib_node decay = ib__update_scalar(u, u->t->plain ? IB_SCALAR_PLAIN_DECAY : IB_SCALAR_DECAY);
    ib_node zero = ib__op_constant(u->g, 0.0f);
    ib_node less = ib__op_subtract(u->g, w, ib__op_multiply(u->g, w, decay));
    ib_node any = ib__op_map(u->g, IB_MAP_not_equal, decay, zero, IB_NO_NODE);
    return ib__op_select(u->g, any, less, w);
}

static bool decays(const ib_trained *t) {
    const ib_optimizer_settings *s = &t->optimizer->settings;
    return !t->undecayed && !isnan(t->plain ? s->adam_decay : s->weight_decay);
}

/* The average moves to w, and w to the average when it is time. */
static ib_node averaged(const ib_update *u, ib_node w, ib_node guard) {
    ib_graph *g = u->g;
    ib_node old = ib__op_multiply(g, ib__update_scalar(u, IB_SCALAR_EMA), ib__op_variable(g, u->t->average));
    ib_node average = ib__op_add(g, old, ib__op_multiply(g, ib__update_scalar(u, IB_SCALAR_EMA_REST), w));
    assign(g, u->t->average, guard, average);
    if (u->o->settings.ema_overwrite < 0) return w;
    ib_node overwrite = ib__node_positive(g, ib__update_scalar(u, IB_SCALAR_OVERWRITE));
    return ib__op_select(g, overwrite, average, w);
}

/* guard: whether anything happens in this step; updating: whether the update does. */
static void update(ib_trained *t, ib_graph *g, ib_node gradient, ib_node guard, ib_node updating) {
    const ib_optimizer *o = t->optimizer;
    bool assigned = ib__graph_assigned(g, t->variable) != IB_NO_NODE;
    if (o->class->kernel && guard == IB_NO_NODE && !t->average && !t->constraint && !assigned) {
        ib__graph_effect(g, gradient, run_kernel, t);
        return;
    }
    ib_node w = before(g, t->variable);
    ib_update u = {.o = t->optimizer, .t = t, .g = g, .gradient = gradient, .w = w, .guard = guard};
    if (updating != IB_NO_NODE)
        u.guard = guard == IB_NO_NODE ? updating : ib__op_map(g, IB_MAP_and, guard, updating, IB_NO_NODE);
    if (decays(t)) u.w = decayed(&u, w);
    ib_node next = o->class->update(&u);
    if (updating != IB_NO_NODE) next = ib__op_select(g, updating, next, w);
    if (t->average) next = averaged(&u, next, guard);
    if (t->constraint) next = ib__constraint_call(t->constraint, g, next);
    assign(g, t->variable, guard, next);
}

static void add_own(ib_optimizer *o, ib_graph *g, ib_node *a, ib_node guard) {
    ib_node updating = IB_NO_NODE;
    if (o->settings.accumulate > 0)
        updating = ib__node_positive(g, ib__op_variable(g, &o->scalars[IB_SCALAR_UPDATING]));
    for (size_t i = 0; i < o->n_trained; i++)
        a[i] = prepare(&o->trained[i], g, a[i], guard, updating);
    if (o->n_trained) clip(o, g, a);
    for (size_t i = 0; i < o->n_trained; i++)
        update(&o->trained[i], g, a[i], guard, updating);
}

/* ---- Compounds ---- */

/* A predicate: all gradients are finite. Its value is left in o->finite for the end of the step. */
static ib_node all_finite(ib_optimizer *o, ib_graph *g, const ib_node *a, size_t n) {
    ib_node all = ib__op_constant(g, 1.0f);
    for (size_t i = 0; i < n; i++) {
        ib_node finite = ib__op_map(g, IB_MAP_is_finite, a[i], IB_NO_NODE, IB_NO_NODE);
        ib_node each = ib__op_convert(g, finite, IB_TYPE_F32);
        unsigned axes = (1u << ib__node_shape(g, a[i]).rank) - 1;
        all = ib__op_minimum(g, all, ib__op_reduce(g, IB_REDUCE_MIN, each, axes, false));
    }
    ib__graph_assign(g, &o->finite, ib__op_map(g, IB_MAP_copy, all, IB_NO_NODE, IB_NO_NODE));
    return ib__node_positive(g, all);
}

static void add_inner(ib_optimizer *o, ib_graph *g, ib_node *a, ib_node *some, ib_node guard) {
    if (o->class->compound->guarded) {
        guard = all_finite(o, g, a, o->n_trained);
        ib_node scale = ib__op_variable(g, &o->last);
        for (size_t i = 0; i < o->n_trained; i++)
            a[i] = ib__op_divide(g, a[i], scale);
    }
    for (size_t k = 0; k < o->n_inner; k++) {
        size_t n = 0;
        for (size_t i = 0; i < o->n_trained; i++)
            if (o->owner[i] == k) some[n++] = a[i];
        ib__optimizer_add(o->inner[k], g, some, guard);
    }
}

void ib__optimizer_add(ib_optimizer *o, ib_graph *g, const ib_node *gradients, ib_node guard) {
    size_t n = o->n_trained;
    ib_node *a = ib__alloc(2 * n + 1, sizeof *a);
    if (!a) {
        (void)ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
        return;
    }
    memcpy(a, gradients, n * sizeof *a);
    if (o->class->compound)
        add_inner(o, g, a, a + n, guard);
    else
        add_own(o, g, a, guard);
    ib__free(a);
}

void ib__optimizer_apply(ib_optimizer *o, ib_graph *g, const ib_node *gradients) {
    ib__graph_place(g, ib__optimizer_name(o));
    ib__optimizer_add(o, g, gradients, IB_NO_NODE);
}

ib_node ib__optimizer_loss_scale(ib_optimizer *o, ib_graph *g) {
    if (o->class->compound && o->class->compound->guarded) return ib__op_variable(g, &o->last);
    return isnan(o->settings.loss_scale) ? IB_NO_NODE : ib__op_constant(g, (float)o->settings.loss_scale);
}

/* ---- Steps ---- */

void ib__scalar_set(ib_optimizer *o, int scalar, double value) {
    o->scalars[scalar].data[0] = (float)value;
}

void ib__optimizer_begin(ib_optimizer *o) {
    for (size_t i = 0; i < o->n_inner; i++)
        ib__optimizer_begin(o->inner[i]);
    if (o->class->compound) return;
    const ib_optimizer_settings *s = &o->settings;
    if (o->iterations == 0 && o->class->start) o->class->start(o);
    int64_t every = s->accumulate > 0 ? s->accumulate : 1, updates = o->iterations / every;
    o->updating = (o->iterations + 1) % every == 0;
    o->rate = ib__optimizer_learning_rate(o);
    ib__scalar_set(o, IB_SCALAR_RATE, o->rate);
    ib__scalar_set(o, IB_SCALAR_DECAY, isnan(s->weight_decay) ? 0.0 : s->weight_decay * o->rate);
    ib__scalar_set(o, IB_SCALAR_PLAIN_DECAY, isnan(s->adam_decay) ? 0.0 : s->adam_decay * o->rate);
    ib__scalar_set(o, IB_SCALAR_UPDATING, o->updating);
    double momentum = updates == 0 ? 0.0 : s->ema_momentum;
    ib__scalar_set(o, IB_SCALAR_EMA, momentum);
    ib__scalar_set(o, IB_SCALAR_EMA_REST, 1.0 - momentum);
    ib__scalar_set(o, IB_SCALAR_OVERWRITE, s->ema_overwrite > 0 && (updates + 1) % s->ema_overwrite == 0);
    o->class->begin(o, (double)(updates + 1));
}

/* The step's gradients were finite: scales grow after growth_steps of these in a row. They were not: the step
 * was skipped, and scales shrink. */
static void end_guarded(ib_optimizer *o) {
    if (o->finite.data[0] > 0.0f) {
        ib__optimizer_end(o->inner[0]);
        o->step_counter++;
        if (o->step_counter < o->settings.growth_steps) return;
        o->last.data[0] = o->last.data[0] * 2.0f;
    } else {
        o->last.data[0] = o->last.data[0] * 0.5f;
    }
    o->step_counter = 0;
}

void ib__optimizer_end(ib_optimizer *o) {
    if (o->class->compound && o->class->compound->guarded) {
        end_guarded(o);
        return;
    }
    for (size_t i = 0; i < o->n_inner; i++)
        if (o->inner[i]->n_trained) ib__optimizer_end(o->inner[i]);
    if (o->class->end && o->updating) o->class->end(o);
    o->iterations++;
}

void ib__optimizer_finalize(ib_optimizer *o) {
    for (size_t i = 0; i < o->n_inner; i++)
        ib__optimizer_finalize(o->inner[i]);
    for (size_t i = 0; i < o->n_trained; i++) {
        const ib_trained *t = &o->trained[i];
        if (!t->average) continue;
        size_t n = (size_t)ib__shape_elements(&t->variable->shape);
        memcpy(t->variable->data, t->average->data, n * sizeof *t->variable->data);
    }
}
