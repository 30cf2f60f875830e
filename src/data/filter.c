/* SPDX-License-Identifier: Apache-2.0
 *
 * filter: the only verb that must make elements to know the order.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "data/verbs.h"

typedef struct filter_stage {
    ib_stage base;
    ib_condition *conditions;
    double *values; /* of all conditions */
    size_t n;
    void *element[IB_DATA_FIELDS_MAX];
} filter_stage;

static bool holds(const ib_condition *c, double x) {
    bool in = false;
    switch (c->relation) {
    case IB_EQUAL:
        return x == c->values[0];
    case IB_NOT_EQUAL:
        return x != c->values[0];
    case IB_LESS:
        return x < c->values[0];
    case IB_LESS_EQUAL:
        return x <= c->values[0];
    case IB_GREATER:
        return x > c->values[0];
    case IB_GREATER_EQUAL:
        return x >= c->values[0];
    default:
        for (size_t i = 0; i < c->n && !in; i++)
            in = x == c->values[i];
        return in;
    }
}

static bool passes(filter_stage *f, const uint64_t *ticket) {
    if (ib__stage_make(f->base.from[0], ticket, f->element, 0, NULL) != IB_OK) return true;
    for (size_t i = 0; i < f->n; i++) {
        const ib_data_field *field = &f->base.fields[f->conditions[i].field];
        ib_tensor t = {field->dtype, field->shape, f->element[f->conditions[i].field]};
        if (!holds(&f->conditions[i], ib__tensor_at(&t, 0))) return false;
    }
    return true;
}

static ib_status filter_begin(ib_stage *s, uint32_t iteration, ib_error *err) {
    return ib__stage_begin(s->from[0], iteration, err);
}

static ib_status filter_next(ib_stage *s, uint64_t *ticket, bool *more, ib_error *err) {
    ib_status status;
    do
        status = ib__stage_next(s->from[0], ticket, more, err);
    while (status == IB_OK && *more && !passes((filter_stage *)s, ticket));
    return status;
}

static void filter_free(ib_stage *s) {
    filter_stage *f = (filter_stage *)s;
    for (size_t i = 0; i < s->n_fields; i++)
        ib__free(f->element[i]);
    free(f->conditions);
    free(f->values);
}

static const ib_stage_class filter_class = {
    .size = sizeof(filter_stage), .begin = filter_begin, .next = filter_next, .free = filter_free};

static bool copy_conditions(filter_stage *f, const ib_condition *conditions, size_t n) {
    size_t total = 0, at = 0;
    for (size_t i = 0; i < n; i++)
        total += conditions[i].n;
    f->conditions = calloc(n + 1, sizeof *f->conditions);
    f->values = calloc(total + 1, sizeof *f->values);
    if (f->conditions == NULL || f->values == NULL) return false;
    for (size_t i = 0; i < n; i++) {
        f->conditions[i] = conditions[i];
        f->conditions[i].values = f->values + at;
        for (size_t k = 0; k < conditions[i].n; k++)
            f->values[at++] = conditions[i].values[k];
    }
    f->n = n;
    return true;
}

ib_stage *ib__stage_filter(ib_stage *from, const ib_condition *conditions, size_t n) {
    ib_stage *s = ib__stage_new(&filter_class, &from, 1);
    if (s == NULL) return NULL;
    filter_stage *f = (filter_stage *)s;
    bool good = copy_conditions(f, conditions, n);
    for (size_t i = 0; i < s->n_fields && good; i++) {
        f->element[i] = ib__alloc(1, ib__data_field_bytes(&s->fields[i]));
        good = f->element[i] != NULL;
    }
    if (s->count != 0) s->count = IB_COUNT_UNKNOWN;
    if (good) return s;
    ib__stage_free(s);
    return NULL;
}
