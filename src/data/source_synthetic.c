/* SPDX-License-Identifier: Apache-2.0
 *
 * Made-up data, for tests and measurements:
 *
 *   {synthetic: 1000, seed: 7, fields: {x: {shape: [28, 28, 1], uniform: [0, 255]}, y: {classes: 10}}}
 *
 * Number k of element i of a field with n numbers is number i n + k of the stream (seed, field, "synthetic").
 */
#include <stdlib.h>
#include <string.h>

#include "data/kinds.h"
#include "numerics/stream.h"

typedef enum law { LAW_UNIFORM, LAW_NORMAL, LAW_CLASSES } law;

typedef struct making {
    ib_stream stream;
    law law;
    double a, b; /* low and high; mean and standard deviation; classes */
} making;

typedef struct synthetic_source {
    ib_elements base;
    making *fields; /* one a field */
} synthetic_source;

static void make_numbers(void *out, const making *m, uint64_t first, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (m->law == LAW_NORMAL)
            ((float *)out)[i] = (float)(m->a + m->b * ib__stream_normal(&m->stream, first + i, 0, 0));
        else if (m->law == LAW_UNIFORM)
            ((float *)out)[i] =
                (float)(m->a + (m->b - m->a) * ib__stream_uniform(&m->stream, first + i, 0, 0));
        else
            ((int32_t *)out)[i] = (int32_t)(m->a * ib__stream_uniform(&m->stream, first + i, 0, 0));
    }
}

static ib_status synthetic_read(const ib_elements *e, uint64_t first, size_t n, void *const *out,
                                ib_error *err) {
    const synthetic_source *s = (const synthetic_source *)e;
    (void)err;
    for (size_t i = 0; i < e->n_fields; i++) {
        size_t each = (size_t)ib__shape_elements(&e->fields[i].shape);
        make_numbers(out[i], &s->fields[i], first * each, n * each);
    }
    return IB_OK;
}

static void synthetic_free(ib_elements *e) {
    free(((synthetic_source *)e)->fields);
}

static const ib_elements_class synthetic_class = {
    .size = sizeof(synthetic_source), .read = synthetic_read, .free = synthetic_free};

/* uniform: [low, high] or normal: [mean, deviation]. */
static ib_status read_pair(making *m, const ib_entry *q, const char *key, law law) {
    const ib_value *pair = ib__value_get(q->map, key);
    if (pair == NULL) return IB_OK;
    if (!ib__value_number(ib__value_at(pair, 0), &m->a) || !ib__value_number(ib__value_at(pair, 1), &m->b) ||
        pair->count != 2)
        return ib__entry_fail(q, pair, key, "expected two numbers");
    m->law = law;
    return IB_OK;
}

static ib_status add_field(synthetic_source *s, const ib_entry *q, const char *name, uint64_t seed) {
    static const char *const known[] = {"shape", "uniform", "normal", "classes"};
    making *m = &s->fields[s->base.n_fields];
    ib_shape shape = {0};
    size_t rank = 0;
    int64_t classes = 0;
    *m = (making){ib__stream(seed, name, "synthetic"), LAW_UNIFORM, 0, 1};
    if (!ib__value_is(q->map, IB_MAP))
        return ib__entry_fail(q, q->map, name, "expected a map such as {shape: [4], uniform: [0, 1]}");
    ib_status status = ib__entry_check(q, known, 4, NULL, 0);
    if (status == IB_OK)
        status = ib__entry_counts(q, "shape", 1, INT64_C(1) << 24, shape.dims, IB_RANK_MAX - 1, &rank);
    if (status == IB_OK) status = ib__entry_count(q, "classes", 1, INT64_C(1) << 30, &classes);
    if (status == IB_OK) status = read_pair(m, q, "uniform", LAW_UNIFORM);
    if (status == IB_OK) status = read_pair(m, q, "normal", LAW_NORMAL);
    if (status != IB_OK) return status;
    shape.rank = (int)rank;
    if (ib__shape_elements(&shape) < 0 || ib__shape_elements(&shape) > INT64_C(1) << 28)
        return ib__entry_fail(q, NULL, "shape", "too many numbers");
    if (classes > 0) {
        m->law = LAW_CLASSES;
        m->a = (double)classes;
    }
    return ib__elements_add_field(&s->base, name, classes > 0 ? IB_I32 : IB_F32, &shape)
               ? IB_OK
               : ib__fail_memory(q->err);
}

static ib_status open_fields(synthetic_source *s, const ib_entry *q) {
    const ib_value *fields = ib__value_get(q->map, "fields");
    int64_t count = 0, seed = (int64_t)q->seed;
    ib_status status = ib__entry_count(q, "synthetic", 1, INT64_C(1) << 32, &count);
    if (status == IB_OK) status = ib__entry_count(q, "seed", 0, INT64_C(1) << 53, &seed);
    if (status != IB_OK) return status;
    if (!ib__value_is(fields, IB_MAP) || fields->count == 0 || fields->count > IB_DATA_FIELDS_MAX)
        return ib__entry_fail(q, fields, "fields",
                              "expected a map such as {x: {shape: [4]}, y: {classes: 3}}");
    s->base.count = (uint64_t)count;
    s->fields = calloc(fields->count, sizeof *s->fields);
    if (s->fields == NULL) return ib__fail_memory(q->err);
    for (size_t i = 0; i < fields->count && status == IB_OK; i++) {
        ib_entry within = *q;
        within.map = fields->items[i];
        status = add_field(s, &within, fields->keys[i], (uint64_t)seed);
    }
    return status;
}

static ib_status synthetic_open(ib_elements **out, const ib_entry *q) {
    ib_elements *e = ib__elements_new(&synthetic_class);
    ib_status status = e == NULL ? ib__fail_memory(q->err) : open_fields((synthetic_source *)e, q);
    if (status == IB_OK)
        *out = e;
    else
        ib__elements_free(e);
    return status;
}

static const char *const known_fields[] = {"synthetic", "seed", "fields", NULL};
const ib_source_kind ib__source_synthetic = {"synthetic", known_fields, synthetic_open};
