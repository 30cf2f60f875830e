/* SPDX-License-Identifier: Apache-2.0
 *
 * Optimizers made of others: LossScaleOptimizer, MultiOptimizer.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pattern.h"
#include "layers/layer.h"
#include "optimizers/internal.h"

/* A serialized optimizer, in its complete form. */
static ib_status read_optimizer(const ib_field *field, const ib_value *value, const char *where, void *out,
                                ib_value **canonical, ib_error *err) {
    (void)field, (void)out;
    ib_optimizer *o;
    ib_status status = ib__optimizer_new(&o, value, where, err);
    if (status != IB_OK) return status;
    bool nested = o->class->compound != NULL;
    if (!nested) *canonical = ib__value_copy(ib__optimizer_config(o));
    const char *name = o->class->name;
    ib__optimizer_free(o);
    if (nested) return ib__fail(err, IB_UNSUPPORTED, where, "%s inside of another optimizer", name);
    return *canonical ? IB_OK : ib__fail_memory(err);
}

static ib_status open_inner(ib_optimizer *o, size_t n, ib_error *err) {
    o->inner = ib__arena_alloc(&o->arena, (n + 1) * sizeof *o->inner);
    return o->inner ? IB_OK : ib__fail_memory(err);
}

/* The group of the last inner optimizer: "inner_optimizer", or "optimizers/adam_1" for the second one of a
 * class. */
static const char *group_of(ib_optimizer *o) {
    if (o->class->compound->guarded) return "inner_optimizer";
    char snake[128];
    size_t before = 0;
    const ib_optimizer_class *class = o->inner[o->n_inner - 1]->class;
    for (size_t i = 0; i + 1 < o->n_inner; i++)
        before += o->inner[i]->class == class;
    ib__snake_case(snake, sizeof snake, class->name);
    if (before == 0) return ib__arena_printf(&o->arena, "optimizers/%s", snake);
    return ib__arena_printf(&o->arena, "optimizers/%s_%zu", snake, before);
}

/* The optimizer of a config, with the loss scale factor of the whole (NaN: none), which is written into it.
 */
static ib_status add_inner(ib_optimizer *o, ib_value *config, const char *where, ib_error *err) {
    double factor = o->settings.loss_scale;
    ib_value *written = isnan(factor) ? ib__value_null() : ib__value_real(factor);
    if (!ib__value_set(ib__value_get(config, "config"), "loss_scale_factor", written))
        return ib__fail_memory(err);
    ib_optimizer *inner;
    ib_status status = ib__optimizer_new(&inner, config, where, err);
    if (status != IB_OK) return status;
    o->inner[o->n_inner++] = inner;
    inner->group = group_of(o);
    return inner->group ? IB_OK : ib__fail_memory(err);
}

const ib_optimizer *ib__optimizer_part(const ib_optimizer *o, size_t i, const char **group) {
    if (i >= o->n_inner) return NULL;
    *group = o->inner[i]->group;
    return o->inner[i];
}

/* ---- LossScaleOptimizer ---- */

/* Settings that old files hold, at their defaults (`choices`, as JSON) only; not written. */
static ib_status read_default(const ib_field *field, const ib_value *value, const char *where, void *out,
                              ib_value **canonical, ib_error *err) {
    (void)out;
    ib_value *expected;
    ib_status status = ib__json_parse(&expected, field->choices, strlen(field->choices), where, err);
    if (status != IB_OK) return status;
    bool same = ib__value_equal(expected, value);
    ib__value_free(expected);
    if (!same)
        return ib__fail(err, IB_BAD_INPUT, where, "expected %s; set it on the inner_optimizer",
                        field->choices);
    *canonical = ib__value_null();
    return *canonical ? IB_OK : ib__fail_memory(err);
}

#define OLD(name, value)                                                                                     \
    { .key = name, .fallback = value, .read = read_default, .choices = value, .omit_null = true }
static const ib_field loss_scale_fields[] = {
    {.key = "name", .read = ib__read_name},
    {.key = "inner_optimizer", .read = read_optimizer},
    IB_OPTIMIZER_REAL("initial_scale", "32768.0", initial_scale, 0x1p-100, 0x1p100),
    {.key = "dynamic_growth_steps",
     .fallback = "2000",
     .read = ib__read_int,
     IB_OPTIMIZER_AT(growth_steps),
     .low = 1,
     .high = 0x1p53},
    OLD("weight_decay", "null"),
    OLD("clipnorm", "null"),
    OLD("global_clipnorm", "null"),
    OLD("clipvalue", "null"),
    OLD("use_ema", "false"),
    OLD("ema_momentum", "0.99"),
    OLD("ema_overwrite_frequency", "null"),
    OLD("loss_scale_factor", "null"),
    OLD("gradient_accumulation_steps", "null"),
    OLD("dynamic", "true")};

static ib_status open_loss_scale(ib_optimizer *o, const char *where, ib_error *err) {
    char place[256];
    (void)snprintf(place, sizeof place, "%.200s, inner_optimizer", where);
    o->settings.loss_scale = (double)NAN;
    ib_status status = open_inner(o, 1, err);
    ib_value *config = ib__value_get(ib__value_get(o->config, "config"), "inner_optimizer");
    if (status == IB_OK) status = add_inner(o, config, place, err);
    if (status == IB_OK) o->inner[0]->untracked = true;
    return status;
}

static ib_status own_all(ib_optimizer *o, ib_variable *const *variables, size_t n, ib_error *err) {
    (void)variables, (void)err;
    memset(o->owner, 0, n * sizeof *o->owner);
    return IB_OK;
}

static ib_status add_scale(ib_optimizer *o, ib_error *err) {
    const char *name = ib__optimizer_name(o);
    ib_state counter = {.path = ib__arena_printf(&o->arena, "%s/step_counter", name),
                        .integer = &o->step_counter};
    ib_state scale = {.path = ib__arena_printf(&o->arena, "%s/dynamic_scale", name),
                      .initial = (float)o->settings.initial_scale};
    ib_status status = ib__optimizer_add_integer(o, &counter, err);
    return status == IB_OK ? ib__optimizer_add_variable(o, &o->last, &scale, &(ib_shape){0}, err) : status;
}

static const ib_compound loss_scale = {.open = open_loss_scale, .assign = own_all, .guarded = true};

const ib_optimizer_class ib__optimizer_loss_scaling = {.name = "LossScaleOptimizer",
                                                       .fields = loss_scale_fields,
                                                       .n_fields = sizeof loss_scale_fields /
                                                                   sizeof *loss_scale_fields,
                                                       .add_last = add_scale,
                                                       .compound = &loss_scale};

/* ---- MultiOptimizer: each variable has the optimizer whose pattern its path matches ---- */

static ib_status read_patterns(const ib_field *field, const ib_value *value, const char *where, void *out,
                               ib_value **canonical, ib_error *err) {
    if (value->kind == IB_NULL) value = NULL;
    if (value && (value->kind != IB_MAP || value->count > IB_PATTERNS_MAX))
        return ib__fail(err, IB_BAD_INPUT, where, "expected a map of at most %d patterns to optimizers",
                        IB_PATTERNS_MAX);
    ib_value *map = ib__value_map();
    ib_status status = map ? IB_OK : ib__fail_memory(err);
    for (size_t i = 0; value && status == IB_OK && i < value->count; i++) {
        char place[256];
        bool matches;
        ib_value *one = NULL;
        (void)snprintf(place, sizeof place, "%.150s, \"%.60s\"", where, value->keys[i]);
        status = ib__pattern_match(value->keys[i], "", true, &matches, place, err);
        if (status == IB_OK) status = read_optimizer(field, value->items[i], place, out, &one, err);
        if (status == IB_OK && !ib__value_set(map, value->keys[i], one)) status = ib__fail_memory(err);
    }
    if (status == IB_OK)
        *canonical = map;
    else
        ib__value_free(map);
    return status;
}

static const ib_field map_fields[] = {{.key = "default_optimizer", .read = read_optimizer},
                                      {.key = "optimizer_map", .fallback = "null", .read = read_patterns}};

static ib_status read_map(const ib_field *field, const ib_value *value, const char *where, void *out,
                          ib_value **canonical, ib_error *err) {
    (void)field, (void)out;
    const char *name;
    const ib_value *config;
    ib_value *completed;
    ib_status status = ib__serialized_parts(value, "an OptimizerMap", where, &name, &config, err);
    if (status == IB_OK && !ib__name_means(name, "OptimizerMap"))
        status = ib__fail(err, IB_BAD_INPUT, where, "expected an OptimizerMap, found \"%.60s\"", name);
    if (status != IB_OK) return status;
    status = ib__settings_read(NULL, map_fields, sizeof map_fields / sizeof *map_fields, config, where,
                               &completed, err);
    if (status != IB_OK) return status;
    *canonical = ib__serialized("keras.optimizers", "OptimizerMap", completed);
    return *canonical ? IB_OK : ib__fail_memory(err);
}

static const ib_field multi_fields[] = {{.key = "optimizer_map", .read = read_map},
                                        IB_OPTIMIZER_OPTIONAL("loss_scale_factor", "null", loss_scale),
                                        {.key = "name", .read = ib__read_name}};

static ib_value *map_config(const ib_optimizer *o) {
    ib_value *map = ib__value_get(ib__value_get(o->config, "config"), "optimizer_map");
    return ib__value_get(map, "config");
}

/* The optimizers of the map in its order, then the default. */
static ib_status open_multi(ib_optimizer *o, const char *where, ib_error *err) {
    ib_value *config = map_config(o), *map = ib__value_get(config, "optimizer_map");
    ib_status status = open_inner(o, map->count + 1, err);
    for (size_t i = 0; status == IB_OK && i < map->count; i++)
        status = add_inner(o, map->items[i], where, err);
    return status == IB_OK ? add_inner(o, ib__value_get(config, "default_optimizer"), where, err) : status;
}

static ib_status own_matching(ib_optimizer *o, ib_variable *const *variables, size_t n, ib_error *err) {
    const ib_value *map = ib__value_get(map_config(o), "optimizer_map");
    for (size_t i = 0; i < n; i++) {
        const char *path = variables[i]->path;
        size_t owner = map->count, found = 0;
        for (size_t k = 0; k < map->count; k++) {
            bool matches = false;
            if (strcmp(map->keys[k], path) == 0) { /* the path itself goes before patterns */
                owner = k;
                found = 1;
                break;
            }
            ib_status status = ib__pattern_match(map->keys[k], path, true, &matches, "optimizer_map", err);
            if (status != IB_OK) return status;
            if (matches) owner = k;
            found += matches;
        }
        if (found > 1)
            return ib__fail(err, IB_BAD_INPUT, "optimizer_map", "several patterns match the variable %s",
                            path);
        o->owner[i] = owner;
    }
    return IB_OK;
}

static const ib_compound multi = {.open = open_multi, .assign = own_matching};

const ib_optimizer_class ib__optimizer_multi = {.name = "MultiOptimizer",
                                                .fields = multi_fields,
                                                .n_fields = sizeof multi_fields / sizeof *multi_fields,
                                                .compound = &multi};
