/* SPDX-License-Identifier: Apache-2.0
 *
 * Losses: found by name, configured as Keras serializes them, aligned and reduced as Keras's Loss does.
 */
#include "losses/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"

typedef struct entry {
    const char *class_name, *function, *short_name;
    ib_values_fn *values;
} entry;

static const entry entries[] = {
#define X(class, function, short_names, values) {#class, #function, short_names, ib__loss_##values},
#include "losses/losses.list"
#undef X
};
enum { ENTRIES = sizeof entries / sizeof *entries };

static const entry *find(const char *name) {
    for (size_t i = 0; i < ENTRIES; i++)
        if (strcmp(name, entries[i].class_name) == 0 || strcmp(name, entries[i].function) == 0 ||
            (entries[i].short_name[0] && ib__same_letters(name, entries[i].short_name)))
            return &entries[i];
    return NULL;
}

static ib_status unknown(const char *name, const char *where, ib_error *err) {
    const char *names[ENTRIES];
    for (size_t i = 0; i < ENTRIES; i++)
        names[i] = entries[i].function;
    const char *near = ib__nearest(name, names, ENTRIES);
    return ib__fail(err, IB_UNSUPPORTED, where, "the loss '%.80s' is not supported%s%s%s", name,
                    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static ib_status set_reduction(ib_loss *loss, const ib_value *value, const char *where, ib_error *err) {
    if (ib__value_is_string(value, "sum_over_batch_size") || ib__value_is_string(value, "mean"))
        loss->reduction = IB_REDUCTION_MEAN;
    else if (ib__value_is_string(value, "sum"))
        loss->reduction = IB_REDUCTION_SUM;
    else if (ib__value_is_string(value, "mean_with_sample_weight"))
        loss->reduction = IB_REDUCTION_WEIGHTED_MEAN;
    else if (ib__value_is_string(value, "none") || value->kind == IB_NULL)
        loss->reduction = IB_REDUCTION_NONE;
    else
        return ib__fail(
            err, IB_BAD_INPUT, where,
            "reduction: expected sum_over_batch_size, mean, sum, mean_with_sample_weight or none");
    return IB_OK;
}

/* One setting of a serialized loss. */
static ib_status set(ib_loss *loss, const char *key, const ib_value *value, const char *where,
                     ib_error *err) {
    static const char *const known[] = {"name", "dtype",       "reduction", "from_logits", "label_smoothing",
                                        "axis", "ignore_class"};
    if (strcmp(key, "name") == 0 || strcmp(key, "dtype") == 0) return IB_OK;
    if (strcmp(key, "reduction") == 0) return set_reduction(loss, value, where, err);
    if (strcmp(key, "from_logits") == 0) {
        if (value->kind != IB_BOOL)
            return ib__fail(err, IB_BAD_INPUT, where, "from_logits: expected true or false, found %s",
                            ib__kind_name(value->kind));
        loss->from_logits = value->boolean;
        return IB_OK;
    }
    if (strcmp(key, "label_smoothing") == 0) {
        if (!ib__value_number(value, &loss->label_smoothing) ||
            !(loss->label_smoothing >= 0 && loss->label_smoothing <= 1))
            return ib__fail(err, IB_BAD_INPUT, where, "label_smoothing: expected a number in [0, 1]");
        return IB_OK;
    }
    if (strcmp(key, "axis") == 0) {
        if (value->kind != IB_INT || value->integer < -IB_RANK_MAX || value->integer >= IB_RANK_MAX)
            return ib__fail(err, IB_BAD_INPUT, where, "axis: expected an axis number");
        loss->axis = value->integer;
        return IB_OK;
    }
    if (strcmp(key, "ignore_class") == 0) {
        if (value->kind == IB_NULL) return IB_OK;
        if (value->kind != IB_INT || value->integer < -(1 << 24) || value->integer > 1 << 24)
            return ib__fail(err, IB_BAD_INPUT, where, "ignore_class: expected a class number");
        loss->ignores = true;
        loss->ignore_class = value->integer;
        return IB_OK;
    }
    const char *near = ib__nearest(key, known, sizeof known / sizeof *known);
    return ib__fail(err, IB_BAD_INPUT, where, "unknown setting '%.60s' of a loss%s%s%s", key,
                    near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* A loss as written: "mse", {class_name, config}, {MeanSquaredError: {...}} or a serialized function. */
static const char *name_of(const ib_value *config, const ib_value **settings) {
    *settings = NULL;
    if (!config) return NULL;
    if (config->kind == IB_STRING) return config->string;
    const ib_value *class_name = ib__value_get(config, "class_name");
    if (class_name && class_name->kind == IB_STRING) {
        const ib_value *inner = ib__value_get(config, "config");
        if (strcmp(class_name->string, "function") == 0)
            return ib__value_is(inner, IB_STRING) ? inner->string : NULL;
        *settings = inner;
        return class_name->string;
    }
    if (config->kind == IB_MAP && config->count == 1) {
        *settings = config->items[0];
        return config->keys[0];
    }
    return NULL;
}

ib_status ib__loss_new(ib_loss **out, const ib_value *config, const char *where, ib_error *err) {
    *out = NULL;
    const ib_value *settings;
    const char *name = name_of(config, &settings);
    if (!name)
        return ib__fail(err, IB_BAD_INPUT, where, "expected the name of a loss, found %s",
                        config ? ib__kind_name(config->kind) : "nothing");
    const entry *e = find(name);
    if (!e) return unknown(name, where, err);
    ib_loss *loss = calloc(1, sizeof *loss);
    if (!loss) return ib__fail_memory(err);
    *loss = (ib_loss){.name = e->function, .values = e->values, .axis = -1};
    ib_status status = IB_OK;
    if (settings && settings->kind != IB_MAP && settings->kind != IB_NULL)
        status = ib__fail(err, IB_BAD_INPUT, where, "%s: expected a map of settings", e->class_name);
    for (size_t i = 0; status == IB_OK && settings && settings->kind == IB_MAP && i < settings->count; i++)
        status = set(loss, settings->keys[i], settings->items[i], where, err);
    if (status != IB_OK)
        free(loss);
    else
        *out = loss;
    return status;
}

void ib__loss_free(ib_loss *loss) {
    free(loss);
}

const char *ib__loss_name(const ib_loss *loss) {
    return loss->name;
}

static bool is_sparse(const ib_loss *loss) {
    return loss->values == ib__loss_sparse;
}

int64_t ib__loss_classes(const ib_loss *loss, const ib_shape *prediction) {
    return is_sparse(loss) && prediction->rank > 0 ? prediction->dims[prediction->rank - 1] : 0;
}

/* May two dimensions be the same? -1 may be anything. */
static bool dims_fit(const ib_shape *a, const ib_shape *b, int rank) {
    for (int i = 0; i < rank; i++)
        if (a->dims[i] >= 0 && b->dims[i] >= 0 && a->dims[i] != b->dims[i]) return false;
    return true;
}

ib_status ib__loss_target(const ib_loss *loss, const ib_shape *prediction, const ib_shape *given,
                          ib_type *type, ib_shape *shape, ib_error *err) {
    *type = is_sparse(loss) ? IB_TYPE_I32 : IB_TYPE_F32;
    *shape = *given;
    if (shape->rank > 0) shape->dims[0] = -1;
    int rank = prediction->rank - (is_sparse(loss) ? 1 : 0);
    bool column = given->rank == rank + 1 && given->dims[rank] == 1;
    bool flat = !is_sparse(loss) && given->rank == rank - 1 && prediction->dims[rank - 1] == 1;
    bool good = prediction->rank > 0 && (given->rank == rank || column || flat);
    if (good && dims_fit(shape, prediction, given->rank < rank ? given->rank : rank)) return IB_OK;
    char x[128], y[128];
    ib__shape_print(x, shape);
    ib__shape_print(y, prediction);
    return ib__fail(err, IB_BAD_INPUT, "", "%s: targets of shape %s do not fit predictions of shape %s%s",
                    loss->name, x, y, is_sparse(loss) ? " (expected class numbers)" : "");
}

/* a without its last axis, which has length 1; or with such an axis more. Logits go along. */
static ib_node with_rank(ib_graph *g, ib_node a, int rank) {
    ib_shape shape = ib__node_shape(g, a);
    while (shape.rank < rank)
        shape.dims[shape.rank++] = 1;
    shape.rank = rank;
    ib_node z, r = ib__op_reshape(g, a, &shape);
    ib_logits_kind kind = ib__node_logits(g, a, &z);
    if (r != a && kind == IB_LOGITS_SIGMOID) ib__node_set_logits(g, r, ib__op_reshape(g, z, &shape), kind);
    return r;
}

/* Keras's rule for a pair whose ranks differ by one and whose longer one ends in an axis of length 1: of rank
 * 1 the shorter one grows, else the longer one shrinks. */
static void same_rank(ib_graph *g, ib_node *a, ib_node *b) {
    ib_shape x = ib__node_shape(g, *a), y = ib__node_shape(g, *b);
    if (x.rank == y.rank + 1 && x.dims[y.rank] == 1) {
        if (y.rank == 1)
            *b = with_rank(g, *b, 2);
        else
            *a = with_rank(g, *a, y.rank);
    } else if (y.rank == x.rank + 1 && y.dims[x.rank] == 1) {
        if (x.rank == 1)
            *a = with_rank(g, *a, 2);
        else
            *b = with_rank(g, *b, x.rank);
    }
}

/* Weights for elements of `values`: weights of fewer axes are those of the first axes. */
static ib_node fit_weight(ib_graph *g, ib_node values, ib_node weight) {
    ib_shape v = ib__node_shape(g, values), w = ib__node_shape(g, weight);
    if (w.rank == v.rank + 1 && w.dims[v.rank] == 1) return with_rank(g, weight, v.rank);
    return w.rank < v.rank ? with_rank(g, weight, v.rank) : weight;
}

static unsigned all_axes(const ib_graph *g, ib_node a) {
    return (1u << ib__node_shape(g, a).rank) - 1;
}

static ib_node sum_all(ib_graph *g, ib_node a) {
    return a == IB_NO_NODE ? a : ib__op_reduce(g, IB_REDUCE_SUM, a, all_axes(g, a), false);
}

/* A mask as weights: for means the elements that count weigh total / valid, so that the mean is over them. */
static ib_node mask_weight(const ib_loss *loss, ib_graph *g, ib_node mask) {
    if (mask == IB_NO_NODE || loss->reduction != IB_REDUCTION_MEAN) return mask;
    ib_shape shape = ib__node_shape(g, mask);
    int64_t total = ib__shape_elements(&shape);
    ib_node valid = sum_all(g, mask), zero = ib__op_constant(g, 0.0f);
    ib_node none = ib__op_map(g, IB_MAP_equal, valid, zero, IB_NO_NODE);
    ib_node safe = ib__op_select(g, none, ib__op_constant(g, 1.0f), valid);
    ib_node ratio = ib__op_select(g, none, zero, ib__op_divide(g, ib__op_constant(g, (float)total), safe));
    return ib__op_multiply(g, mask, ratio);
}

/* sum / sum of the weights, 0 where these are 0. */
static ib_node weighted_mean(ib_graph *g, ib_node sum, ib_node weighted, ib_node weight) {
    ib_shape shape = ib__node_shape(g, weighted);
    ib_node zero = ib__op_constant(g, 0.0f), total = sum_all(g, ib__op_broadcast_to(g, weight, &shape));
    ib_node none = ib__op_map(g, IB_MAP_equal, total, zero, IB_NO_NODE);
    ib_node safe = ib__op_select(g, none, ib__op_constant(g, 1.0f), total);
    return ib__op_select(g, none, zero, ib__op_divide(g, sum, safe));
}

static ib_node reduce(const ib_loss *loss, ib_graph *g, ib_node values, ib_node weight) {
    if (values == IB_NO_NODE) return values;
    ib_node weighted = values;
    if (weight != IB_NO_NODE) {
        weight = fit_weight(g, values, weight);
        weighted = ib__op_multiply(g, values, weight);
    }
    if (weighted == IB_NO_NODE || loss->reduction == IB_REDUCTION_NONE) return weighted;
    ib_node sum = sum_all(g, weighted);
    if (loss->reduction == IB_REDUCTION_SUM) return sum;
    if (loss->reduction == IB_REDUCTION_WEIGHTED_MEAN && weight != IB_NO_NODE)
        return weighted_mean(g, sum, weighted, weight);
    ib_shape shape = ib__node_shape(g, weighted);
    return ib__op_divide(g, sum, ib__op_constant(g, (float)ib__shape_elements(&shape)));
}

ib_node ib__loss_call_masked(const ib_loss *loss, ib_graph *g, ib_node y_true, ib_node y_pred, ib_node weight,
                             ib_node mask) {
    if (y_true == IB_NO_NODE || y_pred == IB_NO_NODE) return IB_NO_NODE;
    ib_node own = IB_NO_NODE;
    if (is_sparse(loss)) {
        int rank = ib__node_shape(g, y_pred).rank - 1;
        if (ib__node_shape(g, y_true).rank == rank + 1) y_true = with_rank(g, y_true, rank);
        y_true = ib__op_convert(g, y_true, IB_TYPE_I32);
    } else {
        y_true = ib__op_convert(g, y_true, IB_TYPE_F32);
        same_rank(g, &y_true, &y_pred);
    }
    ib_node values = loss->values(loss, g, y_true, y_pred, &own);
    if (values == IB_NO_NODE) return values;
    if (own != IB_NO_NODE) mask = mask == IB_NO_NODE ? own : ib__op_multiply(g, mask, own);
    ib_node by_mask = mask_weight(loss, g, mask);
    if (by_mask != IB_NO_NODE && weight != IB_NO_NODE) {
        ib_node fitted = fit_weight(g, by_mask, weight);
        weight = ib__op_multiply(g, fitted, by_mask);
    } else if (by_mask != IB_NO_NODE) {
        weight = by_mask;
    }
    return reduce(loss, g, values, weight);
}

ib_node ib__loss_call(const ib_loss *loss, ib_graph *g, ib_node y_true, ib_node y_pred, ib_node weight) {
    return ib__loss_call_masked(loss, g, y_true, y_pred, weight, IB_NO_NODE);
}
