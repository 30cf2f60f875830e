/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of optimizers, in the order of Keras's optimizer.variables: iteration, learning_rate (not with a
 * schedule), averages, gradient accumulators, then the class's slots group by group.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "constraints/constraint.h"
#include "optimizers/internal.h"

static ib_status add_state(ib_optimizer *o, const ib_state *state, ib_error *err) {
    if (!state->path || !ib__grow(&o->state, &o->state_capacity, o->n_state + 1, sizeof *o->state))
        return ib__fail_memory(err);
    o->state[o->n_state++] = *state;
    return IB_OK;
}

ib_status ib__optimizer_add_integer(ib_optimizer *o, const ib_state *state, ib_error *err) {
    ib_status status = add_state(o, state, err);
    if (status == IB_OK) o->n_own = o->n_state;
    return status;
}

static void fill(const ib_variable *v, float value) {
    size_t n = (size_t)ib__shape_elements(&v->shape);
    for (size_t i = 0; i < n; i++)
        v->data[i] = value;
}

ib_status ib__optimizer_add_variable(ib_optimizer *o, ib_variable *v, const ib_state *state,
                                     const ib_shape *shape, ib_error *err) {
    *v = (ib_variable){.path = state->path, .shape = *shape};
    v->data = ib__alloc((size_t)ib__shape_elements(shape), sizeof *v->data);
    ib_state entry = *state;
    entry.variable = v;
    ib_status status = v->data ? add_state(o, &entry, err) : ib__fail_memory(err);
    if (status != IB_OK) {
        ib__free(v->data);
        return status;
    }
    fill(v, state->initial);
    o->n_own = o->n_state;
    return IB_OK;
}

char *ib__optimizer_path(ib_optimizer *o, const ib_variable *variable, const char *slot) {
    const char *name = ib__optimizer_name(o);
    char *path = ib__arena_printf(&o->arena, "%s/%s_%s", name, variable->path, slot);
    for (char *p = path ? path + strlen(name) + 1 : NULL; p && *p; p++)
        if (*p == '/') *p = '_';
    return path;
}

ib_status ib__optimizer_add_slot(ib_trained *t, ib_variable **slot, const ib_state *state,
                                 const ib_shape *shape, ib_error *err) {
    ib_variable *v = ib__arena_alloc(&t->optimizer->arena, sizeof *v);
    ib_status status =
        v ? ib__optimizer_add_variable(t->optimizer, v, state, shape, err) : ib__fail_memory(err);
    if (status == IB_OK) *slot = v;
    return status;
}

ib_status ib__optimizer_add_counters(ib_optimizer *o, ib_error *err) {
    const char *name = ib__optimizer_name(o);
    ib_state iteration = {
        .path = ib__arena_printf(&o->arena, "%s/iteration", name), .integer = &o->iterations, .early = true};
    ib_state rate = {.path = ib__arena_printf(&o->arena, "%s/learning_rate", name),
                     .initial = (float)o->settings.learning_rate,
                     .early = true};
    ib_status status = ib__optimizer_add_integer(o, &iteration, err);
    if (status == IB_OK && !o->schedule)
        status = ib__optimizer_add_variable(o, &o->rate_variable, &rate, &(ib_shape){0}, err);
    return status;
}

static ib_status add_like(ib_trained *t, ib_variable **slot, const char *name, float initial, ib_error *err) {
    ib_state state = {.path = ib__optimizer_path(t->optimizer, t->variable, name), .initial = initial};
    return ib__optimizer_add_slot(t, slot, &state, &t->variable->shape, err);
}

static ib_status add_named(ib_trained *t, int group, ib_error *err) {
    const ib_optimizer_class *class = t->optimizer->class;
    ib_status status = IB_OK;
    for (int slot = 0; status == IB_OK && slot < IB_SLOTS_MAX; slot++) {
        if (!class->slot_names[slot] || class->slot_groups[slot] != group) continue;
        if (class->uses_slot && !class->uses_slot(t, slot)) continue;
        double initial = class->initial ? class->initial(&t->optimizer->settings, slot) : 0.0;
        status = add_like(t, &t->slots[slot], class->slot_names[slot], (float)initial, err);
    }
    return status;
}

static ib_status add_all(ib_optimizer *o, ib_error *err) {
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && o->settings.use_ema && i < o->n_trained; i++)
        status = add_like(&o->trained[i], &o->trained[i].average, "average", 0.0f, err);
    for (size_t i = 0; status == IB_OK && o->settings.accumulate > 0 && i < o->n_trained; i++)
        status = add_like(&o->trained[i], &o->trained[i].accumulator, "gradient_accumulator", 0.0f, err);
    for (int group = 0; group < IB_SLOTS_MAX; group++)
        for (size_t i = 0; status == IB_OK && i < o->n_trained; i++) {
            if (!o->class->add_slots)
                status = add_named(&o->trained[i], group, err);
            else if (group == 0)
                status = o->class->add_slots(&o->trained[i], err);
        }
    if (status == IB_OK && o->class->add_last) status = o->class->add_last(o, err);
    return status;
}

/* The float32 arrays of the state but the learning rate that counts. */
static ib_status list_slots(ib_optimizer *o, ib_error *err) {
    o->slots = calloc(o->n_state + 1, sizeof(ib_variable *));
    if (!o->slots) return ib__fail_memory(err);
    const ib_optimizer *counts = o->class->compound && o->class->compound->guarded ? o->inner[0] : o;
    for (size_t i = 0; i < o->n_state; i++)
        if (o->state[i].variable && o->state[i].variable != &counts->rate_variable)
            o->slots[o->n_slots++] = o->state[i].variable;
    return IB_OK;
}

/* Each inner optimizer gets the variables that it owns. */
static ib_status build_inner(ib_optimizer *o, ib_variable *const *variables, size_t n, ib_error *err) {
    o->owner = ib__arena_alloc(&o->arena, (n + 1) * sizeof *o->owner);
    o->index = ib__arena_alloc(&o->arena, (n + 1) * sizeof *o->index);
    ib_variable **owned = ib__arena_alloc(&o->arena, (n + 1) * sizeof *owned);
    if (!o->owner || !o->index || !owned) return ib__fail_memory(err);
    ib_status status = o->class->compound->assign(o, variables, n, err);
    if (status == IB_OK && o->class->add_last) status = o->class->add_last(o, err);
    for (size_t k = 0; status == IB_OK && k < o->n_inner; k++) {
        size_t count = 0;
        for (size_t i = 0; i < n; i++)
            if (o->owner[i] == k) {
                o->index[i] = count;
                owned[count++] = variables[i];
            }
        status = ib__optimizer_build(o->inner[k], owned, count, err);
        for (size_t i = 0; status == IB_OK && i < o->inner[k]->n_state; i++)
            status = add_state(o, &o->inner[k]->state[i], err);
    }
    return status;
}

ib_status ib__optimizer_build(ib_optimizer *o, ib_variable *const *variables, size_t n, ib_error *err) {
    if (o->trained) return ib__fail(err, IB_INTERNAL, "optimizer", "built twice");
    o->trained = ib__arena_alloc(&o->arena, (n + 1) * sizeof *o->trained);
    if (!o->trained) return ib__fail_memory(err);
    o->n_trained = n;
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < n; i++) {
        o->trained[i] = (ib_trained){.optimizer = o, .variable = variables[i]};
        if (o->class->choose) status = o->class->choose(&o->trained[i], err);
    }
    if (status == IB_OK) status = o->class->compound ? build_inner(o, variables, n, err) : add_all(o, err);
    if (status == IB_OK) status = list_slots(o, err);
    if (status == IB_OK && o->class->start) o->class->start(o);
    return status;
}

ib_status ib__optimizer_constrain(ib_optimizer *o, size_t i, const ib_value *constraint, const char *where,
                                  ib_error *err) {
    if (o->class->compound)
        return ib__optimizer_constrain(o->inner[o->owner[i]], o->index[i], constraint, where, err);
    if (!constraint || constraint->kind == IB_NULL) return IB_OK;
    ib_status status = ib__constraint_check(constraint, &o->trained[i].variable->shape, where, err);
    if (status == IB_OK) o->trained[i].constraint = constraint;
    return status;
}

void ib__optimizer_exclude_from_weight_decay(ib_optimizer *o, size_t i) {
    if (o->class->compound)
        ib__optimizer_exclude_from_weight_decay(o->inner[o->owner[i]], o->index[i]);
    else
        o->trained[i].undecayed = true;
}

size_t ib__optimizer_state(const ib_optimizer *o, const ib_state **state) {
    *state = o->state;
    return o->n_state;
}

size_t ib__optimizer_slots(const ib_optimizer *o, ib_variable *const **slots) {
    *slots = o->slots;
    return o->n_slots;
}

static void start(ib_optimizer *o) {
    for (size_t i = 0; i < o->n_inner; i++)
        start(o->inner[i]);
    if (o->class->start) o->class->start(o);
}

void ib__optimizer_reset(ib_optimizer *o) {
    for (size_t i = 0; i < o->n_state; i++) {
        if (o->state[i].variable)
            fill(o->state[i].variable, o->state[i].initial);
        else
            *o->state[i].integer = 0;
    }
    start(o);
}

ib_status ib__optimizer_restored(ib_optimizer *o, const char *name, ib_error *err) {
    for (size_t i = 0; i < o->n_state; i++) {
        const int64_t *count = o->state[i].integer;
        if (count && (*count < 0 || *count > INT64_MAX / 2))
            return ib__fail(err, IB_BAD_INPUT, name, "optimizer/vars/%zu (%s): expected a count, found %lld",
                            i, o->state[i].path, (long long)*count);
    }
    if (ib__optimizer_rate_is_settable(o)) ib__optimizer_set_learning_rate(o, ib__optimizer_learning_rate(o));
    return IB_OK;
}
