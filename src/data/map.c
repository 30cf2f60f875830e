/* SPDX-License-Identifier: Apache-2.0
 *
 * The stage of map: graphs and plans for each thread, run for one element after the other.
 */
#include "data/map.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* A compiled mapping for so many samples. */
typedef struct instance {
    size_t mapping, samples;
    ib_graph *g;
    ib_plan *plan;
    ib_node in, out;
} instance;

/* What one thread needs. */
typedef struct worker {
    ib_pool *pool; /* of this thread alone */
    instance *instances;
    size_t n, capacity;
    void **before; /* one a field of `from`: what mapped fields are made of */
} worker;

/* Ticket: that of `from`, then the iteration and the number of the element in it. */
typedef struct map_stage {
    ib_stage base;
    ib_mapping *list;
    size_t n;
    const ib_kernels *kernels;
    uint64_t seed;
    uint32_t iteration, at;
    pthread_mutex_t lock;
    worker **workers;
    size_t n_workers, capacity;
} map_stage;

static ib_status map_begin(ib_stage *s, uint32_t iteration, ib_error *err) {
    ((map_stage *)s)->iteration = iteration;
    ((map_stage *)s)->at = 0;
    return ib__stage_begin(s->from[0], iteration, err);
}

static ib_status map_next(ib_stage *s, uint64_t *ticket, bool *more, ib_error *err) {
    map_stage *m = (map_stage *)s;
    ib_status status = ib__stage_next(s->from[0], ticket, more, err);
    if (status == IB_OK && *more) ticket[s->words - 1] = (uint64_t)m->iteration << 32 | m->at++;
    return status;
}

static void map_save(const ib_stage *s, ib_buf *out) {
    ib__pack_u64(out, ((const map_stage *)s)->iteration);
    ib__pack_u64(out, ((const map_stage *)s)->at);
}

static void map_restore(ib_stage *s, ib_unpack *u) {
    ((map_stage *)s)->iteration = (uint32_t)ib__unpack_count(u, UINT32_MAX);
    ((map_stage *)s)->at = (uint32_t)ib__unpack_count(u, UINT32_MAX);
}

/* ---- Threads ---- */

static void worker_free(worker *w, size_t n_fields) {
    if (w == NULL) return;
    for (size_t i = 0; i < w->n; i++) {
        ib__plan_free(w->instances[i].plan);
        ib__graph_free(w->instances[i].g);
    }
    for (size_t i = 0; w->before != NULL && i < n_fields; i++)
        ib__free(w->before[i]);
    free(w->before);
    free(w->instances);
    ib__pool_free(w->pool);
    free(w);
}

static ib_status worker_new(worker **out, const map_stage *m, ib_error *err) {
    const ib_stage *from = m->base.from[0];
    worker *w = calloc(1, sizeof *w);
    if (w == NULL) return ib__fail_memory(err);
    ib_status status = ib__pool_new(&w->pool, 1, err);
    w->before = calloc(from->n_fields + 1, sizeof *w->before);
    if (status == IB_OK && w->before == NULL) status = ib__fail_memory(err);
    for (size_t i = 0; i < m->n && status == IB_OK; i++) {
        size_t field = m->list[i].field;
        w->before[field] = ib__alloc(1, ib__data_field_bytes(&from->fields[field]));
        if (w->before[field] == NULL) status = ib__fail_memory(err);
    }
    if (status == IB_OK)
        *out = w;
    else
        worker_free(w, from->n_fields);
    return status;
}

/* What belongs to thread number `number`; made when it first comes. */
static ib_status worker_of(worker **out, map_stage *m, size_t number, ib_error *err) {
    ib_status status = IB_OK;
    pthread_mutex_lock(&m->lock);
    if (!ib__grow(&m->workers, &m->capacity, number + 1, sizeof(worker *))) status = ib__fail_memory(err);
    while (status == IB_OK && m->n_workers <= number)
        m->workers[m->n_workers++] = NULL;
    if (status == IB_OK && m->workers[number] == NULL) status = worker_new(&m->workers[number], m, err);
    if (status == IB_OK) *out = m->workers[number];
    pthread_mutex_unlock(&m->lock);
    return status;
}

/* ---- Layers ---- */

static ib_status compile(const map_stage *m, const worker *w, instance *i, ib_error *err) {
    const ib_mapping *mapping = &m->list[i->mapping];
    ib_model *model = mapping->model;
    ib_status status = ib__graph_new(&i->g, i->samples, 1, err);
    if (status != IB_OK) return status;
    ib_build b = {.g = i->g, .training = true, .seed = m->seed, .extra_loss = IB_NO_NODE};
    ib_shape shape = model->tensors[model->inputs[0]].shape;
    shape.dims[0] = (int64_t)i->samples;
    i->in = ib__op_input(i->g, "x", ib__model_input_type(model, 0), &shape, true);
    ib_flow out;
    ib__model_call(model, &b, &i->in, &out);
    i->out = out.node;
    ib__graph_output(i->g, i->out);
    status = ib__graph_status(i->g, err);
    return status == IB_OK ? ib__plan_new(&i->plan, i->g, m->kernels, w->pool, err) : status;
}

/* Models are not made to build two graphs at once: the lock is held. */
static ib_status instance_of(instance **out, map_stage *m, worker *w, size_t mapping, size_t samples,
                             ib_error *err) {
    for (size_t i = 0; i < w->n; i++) {
        if (w->instances[i].mapping != mapping || w->instances[i].samples != samples) continue;
        *out = &w->instances[i];
        return IB_OK;
    }
    if (!ib__grow(&w->instances, &w->capacity, w->n + 1, sizeof *w->instances)) return ib__fail_memory(err);
    instance *i = &w->instances[w->n];
    *i = (instance){.mapping = mapping, .samples = samples};
    pthread_mutex_lock(&m->lock);
    ib_status status = compile(m, w, i, err);
    pthread_mutex_unlock(&m->lock);
    if (status != IB_OK) {
        ib__plan_free(i->plan);
        ib__graph_free(i->g);
        return status;
    }
    w->n++;
    *out = i;
    return IB_OK;
}

static void put_input(void *to, ib_type type, const ib_tensor *from, size_t n) {
    if (type == IB_TYPE_F32) {
        ib__tensor_to_float(to, from, 0, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        ((int32_t *)to)[i] = (int32_t)ib__tensor_at(from, i);
}

/* Layers over float32 get their input where they read it, without a copy. A batch that is not full is copied:
 * who makes it may write as much as a full one has. */
static bool is_direct(const map_stage *m, size_t mapping, size_t samples) {
    const ib_mapping *p = &m->list[mapping];
    const ib_stage *from = m->base.from[0];
    return p->change == IB_CHANGE_LAYERS && from->fields[p->field].dtype == IB_F32 &&
           ib__model_input_type(p->model, 0) == IB_TYPE_F32 &&
           (from->samples == 0 || from->samples == samples);
}

/* from: NULL: the input is there already. */
static ib_status run_layers(map_stage *m, worker *w, size_t mapping, const ib_tensor *from, size_t samples,
                            void *out, uint64_t name, ib_error *err) {
    instance *i;
    const ib_mapping *p = &m->list[mapping];
    ib_status status = instance_of(&i, m, w, mapping, samples, err);
    if (status != IB_OK) return status;
    ib_stream_at at = {.step = (uint32_t)name, .epoch = (uint32_t)(name >> 32)};
    if (from != NULL)
        put_input(ib__plan_input(i->plan, i->in), ib__model_input_type(p->model, 0), from,
                  (size_t)ib__shape_elements(&from->shape));
    ib__plan_run(i->plan, &at);
    ib_shape shape = ib__node_shape(i->g, i->out);
    memcpy(out, ib__plan_value(i->plan, i->out), (size_t)ib__shape_elements(&shape) * sizeof(float));
    return IB_OK;
}

/* ---- Functions ---- */

static void put_integer(void *out, ib_dtype dtype, size_t i, double x, double low, double high) {
    double cut = x != x ? 0 : x < low ? low : x > high ? high : trunc(x);
    switch (dtype) {
    case IB_BOOL8:
        ((uint8_t *)out)[i] = x != 0;
        return;
    case IB_U8:
        ((uint8_t *)out)[i] = (uint8_t)cut;
        return;
    case IB_I32:
        ((int32_t *)out)[i] = (int32_t)cut;
        return;
    default:
        ((int64_t *)out)[i] = (int64_t)cut;
    }
}

/* To float32 and float64 rounded once; to integers towards 0, cut at their ends, NaN becomes 0. */
static void cast(void *out, ib_dtype dtype, const ib_tensor *from, size_t n) {
    if (dtype == IB_F32) {
        ib__tensor_to_float(out, from, 0, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double x = ib__tensor_at(from, i);
        if (dtype == IB_F64)
            ((double *)out)[i] = x;
        else
            put_integer(out, dtype, i, x,
                        dtype == IB_U8    ? 0
                        : dtype == IB_I32 ? INT32_MIN
                                          : -0x1p63,
                        dtype == IB_U8    ? 255
                        : dtype == IB_I32 ? INT32_MAX
                                          : 0x1.fffffffffffffp62);
    }
}

static ib_status one_hot(float *out, const ib_mapping *p, const ib_tensor *from, size_t n, ib_error *err) {
    for (size_t i = 0; i < n; i++) {
        double x = ib__tensor_at(from, i);
        if (!(x >= 0 && x < (double)p->classes && x == trunc(x))) {
            char number[32];
            ib__double_print(number, x);
            return ib__fail(err, IB_BAD_INPUT, p->place, "expected a class from 0 to %lld, found %s",
                            (long long)p->classes - 1, number);
        }
        for (int64_t k = 0; k < p->classes; k++)
            out[i * (size_t)p->classes + (size_t)k] = k == (int64_t)x ? 1 : 0;
    }
    return IB_OK;
}

/* ---- Elements ---- */

static ib_status change(map_stage *m, worker *w, size_t mapping, size_t samples, void *out, uint64_t name,
                        ib_error *err) {
    const ib_mapping *p = &m->list[mapping];
    const ib_stage *from = m->base.from[0];
    const ib_data_field *field = &from->fields[p->field];
    ib_tensor before = {field->dtype, field->shape, w->before[p->field]};
    if (from->samples > 0) before.shape.dims[0] = (int64_t)samples;
    size_t n = (size_t)ib__shape_elements(&before.shape);
    if (p->change == IB_CHANGE_ONE_HOT) return one_hot(out, p, &before, n, err);
    if (p->change == IB_CHANGE_LAYERS) {
        const ib_tensor *input = is_direct(m, mapping, samples) ? NULL : &before;
        return run_layers(m, w, mapping, input, samples, out, name, err);
    }
    cast(out, p->dtype, &before, n);
    return IB_OK;
}

/* Where the fields that are mapped are to be put before. */
static ib_status choose_places(void **to, map_stage *m, worker *w, size_t samples, ib_error *err) {
    ib_status status = IB_OK;
    for (size_t i = 0; i < m->n && status == IB_OK; i++) {
        instance *made;
        if (!is_direct(m, i, samples)) continue;
        status = instance_of(&made, m, w, i, samples, err);
        if (status == IB_OK) to[m->list[i].field] = ib__plan_input(made->plan, made->in);
    }
    return status;
}

static ib_status map_make(ib_stage *s, const uint64_t *ticket, void *const *out, size_t number,
                          ib_error *err) {
    map_stage *m = (map_stage *)s;
    worker *w = NULL;
    void *to[IB_DATA_FIELDS_MAX];
    ib_status status = worker_of(&w, m, number, err);
    if (status != IB_OK) return status;
    for (size_t i = 0; i < s->n_fields; i++)
        to[i] = w->before[i] != NULL ? w->before[i] : out[i];
    size_t samples = ib__stage_samples(s, ticket);
    status = choose_places(to, m, w, samples, err);
    if (status == IB_OK) status = ib__stage_make(s->from[0], ticket, to, number, err);
    for (size_t i = 0; i < m->n && status == IB_OK; i++)
        status = change(m, w, i, samples, out[m->list[i].field], ticket[s->words - 1], err);
    return status;
}

static void map_free(ib_stage *s) {
    map_stage *m = (map_stage *)s;
    for (size_t i = 0; i < m->n_workers; i++)
        worker_free(m->workers[i], s->n_fields);
    free(m->workers);
    ib__mappings_free(m->list, m->n);
    pthread_mutex_destroy(&m->lock);
}

static const ib_stage_class map_class = {.size = sizeof(map_stage),
                                         .begin = map_begin,
                                         .next = map_next,
                                         .make = map_make,
                                         .save = map_save,
                                         .restore = map_restore,
                                         .free = map_free};

ib_stage *ib__stage_map(ib_stage *from, ib_mapping *list, size_t n, const ib_kernels *kernels,
                        uint64_t seed) {
    ib_stage *s = ib__stage_new(&map_class, &from, 1);
    if (s == NULL) {
        ib__mappings_free(list, n);
        return NULL;
    }
    map_stage *m = (map_stage *)s;
    pthread_mutex_init(&m->lock, NULL);
    m->list = list;
    m->n = n;
    m->kernels = kernels;
    m->seed = seed;
    s->words++;
    if (!ib__stage_stack(s, 0)) {
        ib__stage_free(s);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        s->own_fields[list[i].field].dtype = list[i].dtype;
        s->own_fields[list[i].field].shape = list[i].shape;
    }
    return s;
}
