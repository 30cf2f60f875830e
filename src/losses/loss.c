/* SPDX-License-Identifier: Apache-2.0
 *
 * Losses: found by name, configured as Keras serializes them, and what targets they take.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "losses/internal.h"

/* ---- Names ---- */

static bool is_word(const char *name, const char *words) {
    size_t length = strlen(name);
    while (*words) {
        size_t n = strcspn(words, " ");
        if (n == length && strncmp(name, words, n) == 0) return true;
        words += n + (words[n] == ' ');
    }
    return false;
}

/* What Keras's losses.get knows: classes, functions and short names; "crossentropy" and "ce" in any case. */
static const ib_loss_class *find(const char *name) {
    for (size_t i = 0; i < ib__loss_classes_count; i++) {
        const ib_loss_class *c = &ib__loss_classes_table[i];
        if (c->target == IB_TARGET_CHOSEN) {
            if (ib__same_letters(name, c->function) || ib__same_letters(name, "ce")) return c;
            continue;
        }
        if (strcmp(name, c->name) == 0 || (c->function && strcmp(name, c->function) == 0) ||
            is_word(name, c->shorts))
            return c;
    }
    return NULL;
}

static ib_status unknown(const char *name, const char *where, ib_error *err) {
    enum { NAMES_MAX = 64 };
    const char *names[2 * NAMES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < ib__loss_classes_count && i < NAMES_MAX; i++) {
        const ib_loss_class *c = &ib__loss_classes_table[i];
        if (c->function) names[n++] = c->function;
        if (c->name) names[n++] = c->name;
    }
    const char *near = ib__nearest(name, names, n);
    return ib__fail(err, IB_UNSUPPORTED, where, "the loss '%.80s' is not supported%s%s%s", name,
                    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* ---- Making ---- */

/* The settings with the name put in where it is missing. NULL: no memory. */
static ib_value *with_name(const ib_loss_class *class, const ib_value *settings) {
    ib_value *copy = ib__value_is(settings, IB_MAP) ? ib__value_copy(settings) : ib__value_map();
    if (!copy || ib__value_get(copy, "name")) return copy;
    if (ib__value_set(copy, "name", ib__value_string(class->given))) return copy;
    ib__value_free(copy);
    return NULL;
}

/* Reads the settings; *completed: all of them, as Keras writes them. */
static ib_status configure(ib_loss *loss, const ib_value *settings, const char *where, ib_value **completed,
                           ib_error *err) {
    const ib_loss_class *class = loss->class;
    *completed = NULL;
    if (settings && settings->kind != IB_MAP && settings->kind != IB_NULL)
        return ib__fail(err, IB_BAD_INPUT, where, "%s: expected a map of settings, found %s", class->given,
                        ib__kind_name(settings->kind));
    ib_value *given = with_name(class, settings);
    if (!given) return ib__fail_memory(err);
    ib_status status = ib__settings_read(loss, class->fields, class->n_fields, given, where, completed, err);
    ib__value_free(given);
    return status;
}

/* A function that Keras serialized: {"module": "builtins", "class_name": "function", "config": its name}. */
static const char *function_name(const ib_value *config) {
    if (!ib__value_is_string(ib__value_get(config, "class_name"), "function")) return NULL;
    const ib_value *name = ib__value_get(config, "config");
    return ib__value_is(name, IB_STRING) ? name->string : "function";
}

ib_status ib__loss_new(ib_loss **out, const ib_value *config, const char *where, ib_error *err) {
    *out = NULL;
    const ib_value *settings = NULL;
    const char *name = function_name(config);
    bool function = name != NULL;
    ib_status status = IB_OK;
    if (!function) status = ib__serialized_parts(config, "a loss", where, &name, &settings, err);
    if (status != IB_OK) return status;
    const ib_loss_class *class = find(name);
    if (!class || (function && (!class->function || strcmp(class->function, name) != 0)))
        return unknown(name, where, err);
    bool as_written = (config->kind == IB_STRING && class->function) || function;
    if (!class->name && !as_written)
        return ib__fail(err, IB_BAD_INPUT, where, "\"%s\" takes no settings", class->function);
    ib_loss *loss = calloc(1, sizeof *loss);
    if (!loss) return ib__fail_memory(err);
    *loss = (ib_loss){.class = class, .axis = -1, .n_axes = -1};
    ib_value *completed;
    status = configure(loss, settings, where, &completed, err);
    if (status == IB_OK && as_written) {
        loss->config = ib__value_copy(config);
        ib__value_free(completed);
    } else if (status == IB_OK) {
        loss->config = ib__serialized("keras.losses", class->name, completed);
    }
    if (status == IB_OK && !loss->config) status = ib__fail_memory(err);
    if (status != IB_OK)
        ib__loss_free(loss);
    else
        *out = loss;
    return status;
}

void ib__loss_free(ib_loss *loss) {
    if (!loss) return;
    ib__value_free(loss->config);
    free(loss->alphas);
    free(loss);
}

const char *ib__loss_name(const ib_loss *loss) {
    return loss->class->function ? loss->class->function : loss->class->given;
}

const ib_value *ib__loss_config(const ib_loss *loss) {
    return loss->config;
}

/* ---- Targets ---- */

const ib_loss_class *ib__loss_class(const ib_loss *loss, const ib_shape *prediction, const ib_shape *target) {
    if (loss->class->target != IB_TARGET_CHOSEN) return loss->class;
    int64_t width = prediction->rank ? prediction->dims[prediction->rank - 1] : 1;
    int64_t target_width = target->rank ? target->dims[target->rank - 1] : 1;
    if (width == 1) return find("binary_crossentropy");
    bool sparse = target->rank < prediction->rank || (target_width == 1 && width > 1);
    return find(sparse ? "sparse_categorical_crossentropy" : "categorical_crossentropy");
}

int64_t ib__loss_classes(const ib_loss *loss, const ib_shape *prediction) {
    ib_target target = loss->class->target;
    if ((target != IB_TARGET_CLASS && target != IB_TARGET_SEQUENCE) || !prediction->rank) return 0;
    int64_t classes = prediction->dims[prediction->rank - 1];
    bool other = loss->ignores && (loss->ignore_class < 0 || loss->ignore_class >= classes);
    return other ? 0 : classes;
}

bool ib__loss_label(const ib_loss *loss, const ib_shape *prediction, const ib_shape *target, double label) {
    const ib_loss_class *class = ib__loss_class(loss, prediction, target);
    if (class->target == IB_TARGET_LIKE) return true;
    if (!(label >= -0x1p31 && label < 0x1p31)) return false;
    if (class->target == IB_TARGET_LABEL || (loss->ignores && label == (double)loss->ignore_class))
        return true;
    bool whole = label == (double)(int64_t)label;
    return whole && label >= 0 && label < (double)prediction->dims[prediction->rank - 1];
}

int ib__loss_axis(int64_t axis, int rank) {
    if (axis < 0) axis += rank;
    return axis >= 0 && axis < rank ? (int)axis : -1;
}

unsigned ib__loss_axes(const ib_loss *loss, int rank) {
    unsigned axes = 0;
    if (loss->n_axes < 0) return (1u << rank) - 1;
    for (int i = 0; i < loss->n_axes; i++) {
        int axis = ib__loss_axis(loss->axes[i], rank);
        if (axis < 0 || (axes >> axis & 1)) return 0;
        axes |= 1u << axis;
    }
    return axes;
}

/* May the first dimensions be the same? -1 may be anything. */
static bool dims_fit(const ib_shape *a, const ib_shape *b, int rank) {
    for (int i = 0; i < rank; i++)
        if (a->dims[i] >= 0 && b->dims[i] >= 0 && a->dims[i] != b->dims[i]) return false;
    return true;
}

static bool target_fits(const ib_loss_class *class, const ib_shape *p, const ib_shape *t) {
    int rank = p->rank;
    bool column = t->rank > 0 && t->dims[t->rank - 1] == 1;
    switch (class->target) {
    case IB_TARGET_CLASS:
        if (t->rank == rank && column && class->function) return dims_fit(t, p, rank - 1);
        return t->rank == rank - 1 && dims_fit(t, p, rank - 1);
    case IB_TARGET_LABEL:
        return rank == 2 && (t->rank == 1 || (t->rank == 2 && column)) && dims_fit(t, p, 1);
    case IB_TARGET_SEQUENCE:
        return rank == 3 && t->rank == 2 && dims_fit(t, p, 1);
    default:
        if (t->rank == rank + 1 && column) return dims_fit(t, p, rank);
        if (t->rank == rank - 1 && p->dims[rank - 1] == 1) return dims_fit(t, p, rank - 1);
        return t->rank == rank && dims_fit(t, p, rank);
    }
}

/* Axes and weights of classes that must fit the predictions' shape. */
static ib_status check_settings(const ib_loss *loss, const ib_loss_class *class, const ib_shape *p,
                                ib_error *err) {
    char text[128];
    ib__shape_print(text, p);
    if (ib__loss_axis(loss->axis, p->rank) < 0 || !ib__loss_axes(loss, p->rank))
        return ib__fail(err, IB_BAD_INPUT, "", "%s: axis does not fit predictions of shape %s",
                        ib__loss_name(loss), text);
    if (class->target == IB_TARGET_CLASS && ib__loss_axis(loss->axis, p->rank) != p->rank - 1)
        return ib__fail(err, IB_UNSUPPORTED, "", "%s: only the last axis is supported, found axis %lld",
                        ib__loss_name(loss), (long long)loss->axis);
    int64_t classes = p->dims[p->rank - 1];
    if (loss->n_alphas > 1 && classes >= 0 && (int64_t)loss->n_alphas != classes)
        return ib__fail(err, IB_BAD_INPUT, "", "%s: alpha has %zu values, predictions of shape %s want %lld",
                        ib__loss_name(loss), loss->n_alphas, text, (long long)classes);
    return IB_OK;
}

ib_status ib__loss_target(const ib_loss *loss, const ib_shape *prediction, const ib_shape *given,
                          ib_type *type, ib_shape *shape, ib_error *err) {
    const ib_loss_class *class = ib__loss_class(loss, prediction, given);
    *type = class->target == IB_TARGET_LIKE ? IB_TYPE_F32 : IB_TYPE_I32;
    *shape = *given;
    if (shape->rank > 0) shape->dims[0] = -1;
    if (prediction->rank > 0 && target_fits(class, prediction, shape))
        return check_settings(loss, class, prediction, err);
    char x[128], y[128];
    ib__shape_print(x, shape);
    ib__shape_print(y, prediction);
    return ib__fail(err, IB_BAD_INPUT, "", "%s: targets of shape %s do not fit predictions of shape %s%s",
                    ib__loss_name(loss), x, y,
                    class->target == IB_TARGET_CLASS ? " (expected class numbers)" : "");
}
