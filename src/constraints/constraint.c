/* SPDX-License-Identifier: Apache-2.0
 *
 * Constraints: MaxNorm, MinMaxNorm, NonNeg, UnitNorm. Norms are taken over `axis`; 1e-7 (Keras's epsilon) is
 * added to what is divided by.
 */
#include "constraints/constraint.h"

#include <stddef.h>
#include <string.h>

#include "layers/settings.h"

typedef struct axes {
    int64_t list[IB_RANK_MAX];
    int n;
} axes;

typedef struct settings {
    double low, high, rate;
    axes axes;
} settings;

/* An axis or a list of axes; written as given. */
static ib_status read_axes(const ib_field *field, const ib_value *value, const char *where, void *out,
                           ib_value **canonical, ib_error *err) {
    (void)field, (void)canonical;
    axes *axes = out;
    size_t n = value->kind == IB_LIST ? value->count : 1;
    bool good = n > 0 && n <= IB_RANK_MAX;
    for (size_t i = 0; good && i < n; i++) {
        const ib_value *item = value->kind == IB_LIST ? value->items[i] : value;
        good = item->kind == IB_INT && item->integer >= -IB_RANK_MAX && item->integer < IB_RANK_MAX;
        if (good) axes->list[i] = item->integer;
    }
    axes->n = (int)n;
    return good ? IB_OK : ib__fail(err, IB_BAD_INPUT, where, "expected an axis or a list of axes");
}

#define AT(member) .offset = offsetof(settings, member)
#define AXIS                                                                                                 \
    { .key = "axis", .fallback = "0", .read = read_axes, AT(axes) }
#define NORM(name, value, member)                                                                            \
    { .key = name, .fallback = value, .read = ib__read_real, AT(member), .high = 0x1p100 }
static const ib_field max_norm_fields[] = {NORM("max_value", "2", high), AXIS};
static const ib_field unit_norm_fields[] = {AXIS};
static const ib_field min_max_norm_fields[] = {
    NORM("min_value", "0.0", low),
    NORM("max_value", "1.0", high),
    {.key = "rate", .fallback = "1.0", .read = ib__read_real, AT(rate), .low = -0x1p100, .high = 0x1p100},
    AXIS};

/* ---- Calls. norms: [.., 1, ..] ---- */

static ib_node norms(const settings *s, ib_graph *g, ib_node w) {
    int rank = ib__node_shape(g, w).rank;
    unsigned mask = 0;
    for (int i = 0; i < s->axes.n; i++)
        mask |= 1u << (s->axes.list[i] < 0 ? s->axes.list[i] + rank : s->axes.list[i]);
    return ib__op_sqrt(g, ib__op_reduce(g, IB_REDUCE_SUM, ib__op_square(g, w), mask, true));
}

static ib_node clipped(ib_graph *g, ib_node a, double low, double high) {
    ib_node above = ib__op_maximum(g, a, ib__op_constant(g, (float)low));
    return ib__op_minimum(g, above, ib__op_constant(g, (float)high));
}

static ib_node with_norm(ib_graph *g, ib_node w, ib_node norm, ib_node desired) {
    return ib__op_multiply(g, w, ib__op_divide(g, desired, ib__op_offset(g, norm, 1e-7f)));
}

static ib_node max_norm(const settings *s, ib_graph *g, ib_node w) {
    ib_node norm = norms(s, g, w);
    return with_norm(g, w, norm, clipped(g, norm, 0.0, s->high));
}

static ib_node min_max_norm(const settings *s, ib_graph *g, ib_node w) {
    ib_node norm = norms(s, g, w);
    ib_node desired = ib__op_scale(g, clipped(g, norm, s->low, s->high), (float)s->rate);
    return with_norm(g, w, norm, ib__op_add(g, desired, ib__op_scale(g, norm, (float)(1.0 - s->rate))));
}

static ib_node unit_norm(const settings *s, ib_graph *g, ib_node w) {
    return ib__op_divide(g, w, ib__op_offset(g, norms(s, g, w), 1e-7f));
}

static ib_node non_neg(const settings *s, ib_graph *g, ib_node w) {
    (void)s;
    return ib__op_relu(g, w);
}

static ib_node same(const settings *s, ib_graph *g, ib_node w) {
    (void)s, (void)g;
    return w;
}

#define CLASS(name, its_fields)                                                                              \
    { name, NULL, its_fields, sizeof its_fields / sizeof *its_fields }
static const struct row {
    ib_named named;
    ib_node (*call)(const settings *s, ib_graph *g, ib_node w);
} rows[] = {{CLASS("MaxNorm", max_norm_fields), max_norm},
            {CLASS("MinMaxNorm", min_max_norm_fields), min_max_norm},
            {{"NonNeg", NULL, NULL, 0}, non_neg},
            {CLASS("UnitNorm", unit_norm_fields), unit_norm},
            {{"Constraint", NULL, NULL, 0}, same}};

static ib_status parse(const ib_value *value, const char *where, const struct row **row, settings *s,
                       ib_value **canonical, ib_error *err) {
    const void *found;
    const ib_value *config;
    *s = (settings){0};
    ib_status status = ib__named_find(rows, sizeof rows / sizeof *rows, sizeof *rows, "a constraint", value,
                                      where, &found, &config, err);
    *row = found;
    return status == IB_OK ? ib__named_read(found, "keras.constraints", config, where, s, canonical, err)
                           : status;
}

ib_status ib__read_constraint(const ib_field *field, const ib_value *value, const char *where, void *out,
                              ib_value **canonical, ib_error *err) {
    (void)field, (void)out;
    const struct row *row;
    settings s;
    return value->kind == IB_NULL ? IB_OK : parse(value, where, &row, &s, canonical, err);
}

/* No axis outside of the weight's rank, none twice. */
static ib_status check_axes(const settings *s, const ib_shape *shape, const char *where, ib_error *err) {
    unsigned seen = 0;
    for (int i = 0; i < s->axes.n; i++) {
        int64_t axis = s->axes.list[i] < 0 ? s->axes.list[i] + shape->rank : s->axes.list[i];
        if (axis < 0 || axis >= shape->rank || seen >> axis & 1) {
            char text[128];
            ib__shape_print(text, shape);
            return ib__fail(err, IB_BAD_INPUT, where,
                            "the constraint's axis %lld does not fit a weight of shape %s",
                            (long long)s->axes.list[i], text);
        }
        seen |= 1u << axis;
    }
    return IB_OK;
}

ib_status ib__constraint_check(const ib_value *config, const ib_shape *shape, const char *where,
                               ib_error *err) {
    const struct row *row;
    settings s;
    ib_value *canonical = NULL;
    ib_status status = parse(config, where, &row, &s, &canonical, err);
    ib__value_free(canonical);
    return status == IB_OK && shape ? check_axes(&s, shape, where, err) : status;
}

ib_node ib__constraint_call(const ib_value *config, ib_graph *g, ib_node w) {
    const struct row *row;
    settings s;
    ib_value *canonical = NULL;
    ib_error error = {0};
    ib_status status = parse(config, "", &row, &s, &canonical, &error);
    ib__value_free(canonical);
    return status == IB_OK ? row->call(&s, g, w) : ib__graph_fail(g, status, "%s", error.text);
}
