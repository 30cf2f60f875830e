/* SPDX-License-Identifier: Apache-2.0
 *
 * Regularizers: L1, L2, L1L2: l1 * sum |w| + l2 * sum w^2, no half, not divided by the batch; and
 * OrthogonalRegularizer.
 */
#include <stddef.h>
#include <string.h>

#include "layers/layer.h"
#include "layers/settings.h"

typedef struct settings {
    double l1, l2;
    double factor;
    int mode; /* 0 rows, 1 columns */
} settings;

/* A number or null, written as a number with a point. Two bounds have other meanings here: low is what null
 * means, and with high the number is rounded to float32, because Keras keeps it as a tensor. */
static ib_status read_strength(const ib_field *field, const ib_value *value, const char *where, void *out,
                               ib_value **canonical, ib_error *err) {
    ib_field bounds = {.high = 0x1p100};
    double *x = out;
    *x = field->low;
    ib_status status =
        value->kind == IB_NULL ? IB_OK : ib__read_real(&bounds, value, where, out, canonical, err);
    if (status != IB_OK) return status;
    if (field->high > 0.0) *x = (double)(float)*x;
    *canonical = ib__value_real(*x);
    return *canonical ? IB_OK : ib__fail_memory(err);
}

#define STRENGTH(member, value, null, tensor)                                                                \
    {                                                                                                        \
        .key = #member, .fallback = value, .read = read_strength, .offset = offsetof(settings, member),      \
        .low = null, .high = tensor                                                                          \
    }
static const ib_field l1_fields[] = {STRENGTH(l1, "0.01", 0.01, 1)};
static const ib_field l2_fields[] = {STRENGTH(l2, "0.01", 0.01, 0)};
static const ib_field both_fields[] = {STRENGTH(l1, "0.0", 0, 0), STRENGTH(l2, "0.0", 0, 0)};
static const ib_field orthogonal_fields[] = {STRENGTH(factor, "0.01", 0.01, 1),
                                             {.key = "mode",
                                              .fallback = "\"rows\"",
                                              .read = ib__read_choice,
                                              .offset = offsetof(settings, mode),
                                              .choices = "rows columns"}};

/* ---- Penalties ---- */

static ib_node strengths(const settings *s, ib_graph *g, ib_node w) {
    unsigned axes = (1u << ib__node_shape(g, w).rank) - 1;
    ib_node penalty = IB_NO_NODE;
    if (s->l1 != 0.0) {
        ib_node size = ib__op_map(g, IB_MAP_abs, w, IB_NO_NODE, IB_NO_NODE);
        penalty = ib__op_scale(g, ib__op_reduce(g, IB_REDUCE_SUM, size, axes, false), (float)s->l1);
    }
    if (s->l2 != 0.0) {
        ib_node squares = ib__op_reduce(g, IB_REDUCE_SUM, ib__op_square(g, w), axes, false);
        ib_node second = ib__op_scale(g, squares, (float)s->l2);
        penalty = penalty == IB_NO_NODE ? second : ib__op_add(g, penalty, second);
    }
    return penalty == IB_NO_NODE ? ib__op_constant(g, 0.0f) : penalty;
}

/* factor / 2 * sum of |products of different rows of length 1| / number of pairs. w: [n, m]; columns alike. A
 * length is at least 1e-7. */
static ib_node orthogonal(const settings *s, ib_graph *g, ib_node w) {
    if (ib__node_shape(g, w).rank != 2)
        return ib__graph_fail(g, IB_BAD_INPUT, "OrthogonalRegularizer needs a weight of two dimensions");
    int along = s->mode == 0 ? 1 : 0;
    ib_node squares = ib__op_reduce(g, IB_REDUCE_SUM, ib__op_square(g, w), 1u << along, true);
    ib_node inverse = ib__op_map(g, IB_MAP_rsqrt, squares, IB_NO_NODE, IB_NO_NODE);
    w = ib__op_multiply(g, w, ib__op_minimum(g, inverse, ib__op_constant(g, 1e7f)));
    ib_dot_axes axes = {.n_contract = 1, .a_contract = {along}, .b_contract = {along}};
    ib_node products = ib__op_dot_general(g, w, w, &axes);
    ib_shape square = ib__node_shape(g, products);
    ib_node same =
        ib__op_map(g, IB_MAP_int_equal, ib__op_iota(g, &square, 0), ib__op_iota(g, &square, 1), IB_NO_NODE);
    products = ib__op_select(g, same, ib__op_constant(g, 0.0f), products);
    ib_node sizes = ib__op_map(g, IB_MAP_abs, products, IB_NO_NODE, IB_NO_NODE);
    ib_node sum = ib__op_scale(g, ib__op_reduce(g, IB_REDUCE_SUM, sizes, 3, false), (float)(s->factor * 0.5));
    double n = (double)square.dims[0];
    return ib__op_divide(g, sum, ib__op_constant(g, (float)(n * (n - 1.0) / 2.0)));
}

#define CLASS(name, alias, its_fields)                                                                       \
    { name, alias, its_fields, sizeof its_fields / sizeof *its_fields }
static const struct row {
    ib_named named;
    ib_node (*call)(const settings *s, ib_graph *g, ib_node w);
} rows[] = {{CLASS("L1", "l1", l1_fields), strengths},
            {CLASS("L2", "l2", l2_fields), strengths},
            {CLASS("L1L2", "l1_l2", both_fields), strengths},
            {CLASS("OrthogonalRegularizer", NULL, orthogonal_fields), orthogonal}};

static ib_status parse(const ib_value *value, const char *where, const struct row **row, settings *s,
                       ib_value **canonical, ib_error *err) {
    const void *found;
    const ib_value *config;
    *s = (settings){0};
    ib_status status = ib__named_find(rows, sizeof rows / sizeof *rows, sizeof *rows, "a regularizer", value,
                                      where, &found, &config, err);
    *row = found;
    return status == IB_OK ? ib__named_read(found, "keras.regularizers", config, where, s, canonical, err)
                           : status;
}

ib_status ib__read_regularizer(const ib_field *field, const ib_value *value, const char *where, void *out,
                               ib_value **canonical, ib_error *err) {
    (void)field, (void)out;
    const struct row *row;
    settings s;
    return value->kind == IB_NULL ? IB_OK : parse(value, where, &row, &s, canonical, err);
}

ib_status ib__regularizer_check(const ib_value *config, const char *where, ib_error *err) {
    ib_value *canonical = NULL;
    ib_status status = config ? ib__read_regularizer(NULL, config, where, NULL, &canonical, err) : IB_OK;
    ib__value_free(canonical);
    return status;
}

ib_node ib__regularizer_call(const ib_value *config, ib_graph *g, ib_node w) {
    if (!config || config->kind == IB_NULL || w == IB_NO_NODE) return IB_NO_NODE;
    const struct row *row;
    settings s;
    ib_value *canonical = NULL;
    ib_error error = {0};
    ib_status status = parse(config, "", &row, &s, &canonical, &error);
    ib__value_free(canonical);
    return status == IB_OK ? row->call(&s, g, w) : ib__graph_fail(g, status, "%s", error.text);
}
