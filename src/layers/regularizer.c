/* SPDX-License-Identifier: Apache-2.0
 *
 * Regularizers: L1, L2, L1L2. l1 * sum |w| + l2 * sum w^2, no half, not divided by the batch.
 */
#include "layers/internal.h"

#include "base/nearest.h"

typedef struct settings {
    double l1, l2;
} settings;

#define STRENGTH(member, value)                                                                              \
    {                                                                                                        \
        .key = #member, .fallback = value, .read = ib__read_real, .offset = offsetof(settings, member),      \
        .high = 0x1p100                                                                                      \
    }
static const ib_field l1_fields[] = {STRENGTH(l1, "0.01")};
static const ib_field l2_fields[] = {STRENGTH(l2, "0.01")};
static const ib_field both_fields[] = {STRENGTH(l1, "0.0"), STRENGTH(l2, "0.0")};

static const struct row {
    const char *name, *alias;
    const ib_field *fields;
    size_t n;
} rows[] = {{"L1", "l1", l1_fields, 1}, {"L2", "l2", l2_fields, 1}, {"L1L2", "l1_l2", both_fields, 2}};
enum { ROWS = sizeof rows / sizeof *rows };

static ib_status parse(const ib_value *value, const char *where, settings *s, ib_value **canonical,
                       ib_error *err) {
    const char *name, *names[ROWS];
    const ib_value *config;
    *s = (settings){0};
    ib_status status = ib__serialized_parts(value, "a regularizer", where, &name, &config, err);
    if (status != IB_OK) return status;
    for (size_t i = 0; i < ROWS; i++) {
        names[i] = rows[i].name;
        if (!ib__name_means(name, rows[i].name) && strcmp(name, rows[i].alias) != 0) continue;
        ib_value *completed;
        status = ib__settings_read(s, rows[i].fields, rows[i].n, config, where, &completed, err);
        if (status != IB_OK) return status;
        *canonical = ib__serialized("keras.regularizers", rows[i].name, completed);
        return *canonical ? IB_OK : ib__fail_memory(err);
    }
    if (ib__name_means(name, "OrthogonalRegularizer"))
        return ib__fail(err, IB_UNSUPPORTED, where, "regularizer %s is not supported yet", name);
    const char *near = ib__nearest(name, names, ROWS);
    return ib__fail(err, IB_BAD_INPUT, where, "unknown regularizer \"%.60s\"%s%s", name,
                    near ? "; nearest is " : "", near ? near : "");
}

ib_status ib__read_regularizer(const ib_field *field, const ib_value *value, const char *where, void *out,
                               ib_value **canonical, ib_error *err) {
    (void)field, (void)out;
    settings s;
    return value->kind == IB_NULL ? IB_OK : parse(value, where, &s, canonical, err);
}

ib_status ib__regularizer_check(const ib_value *config, const char *where, ib_error *err) {
    settings s;
    ib_value *canonical = NULL;
    ib_status status = !config || config->kind == IB_NULL ? IB_OK : parse(config, where, &s, &canonical, err);
    ib__value_free(canonical);
    return status;
}

ib_node ib__regularizer_call(const ib_value *config, ib_graph *g, ib_node w) {
    if (!config || config->kind == IB_NULL || w == IB_NO_NODE) return IB_NO_NODE;
    settings s;
    ib_value *canonical = NULL;
    ib_error error = {0};
    ib_status status = parse(config, "", &s, &canonical, &error);
    ib__value_free(canonical);
    if (status != IB_OK) return ib__graph_fail(g, status, "%s", error.text);
    unsigned axes = (1u << ib__node_shape(g, w).rank) - 1;
    ib_node penalty = IB_NO_NODE;
    if (s.l1 != 0.0) {
        ib_node size = ib__op_map(g, IB_MAP_abs, w, IB_NO_NODE, IB_NO_NODE);
        penalty = ib__op_scale(g, ib__op_reduce(g, IB_REDUCE_SUM, size, axes, false), (float)s.l1);
    }
    if (s.l2 != 0.0) {
        ib_node squares = ib__op_reduce(g, IB_REDUCE_SUM, ib__op_square(g, w), axes, false);
        ib_node second = ib__op_scale(g, squares, (float)s.l2);
        penalty = penalty == IB_NO_NODE ? second : ib__op_add(g, penalty, second);
    }
    return penalty == IB_NO_NODE ? ib__op_constant(g, 0.0f) : penalty;
}
