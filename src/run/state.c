/* SPDX-License-Identifier: Apache-2.0
 *
 * Packing and unpacking the state of training.
 */
#include "run/state.h"

#include <string.h>

#include "base/pack.h"

/* State *i of a layer and its parts; NULL, and *i less by their number: there are not so many. */
static ib_variable *layer_state(const ib_layer *layer, size_t *i) {
    if (*i < layer->n_states) return layer->states[*i];
    *i -= layer->n_states;
    for (size_t k = 0; k < layer->n_parts; k++) {
        ib_variable *v = layer_state(layer->parts[k].layer, i);
        if (v != NULL) return v;
    }
    return NULL;
}

/* What a stateful layer keeps from batch to batch is made by the first step. */
static ib_variable *kept_state(const ib_trainer *t, size_t i) {
    for (size_t k = 0; k < t->model->n_layers; k++) {
        ib_variable *v = layer_state(t->model->layers[k], &i);
        if (v != NULL) return v;
    }
    return NULL;
}

ib_variable *ib__state_variable(const ib_trainer *t, size_t i) {
    ib_variable *const *slots = NULL;
    if (i < t->n_weights) return &t->weights[i]->variable;
    size_t n = t->model->optimizer == NULL ? 0 : ib__optimizer_slots(t->model->optimizer, &slots);
    i -= t->n_weights;
    if (slots != NULL && i < n) return slots[i];
    return kept_state(t, i - n);
}

static void pack_scores(ib_buf *out, const ib_scores *s) {
    ib__pack_u64(out, s->n_outputs);
    for (size_t i = 0; i <= s->n_outputs; i++) {
        ib__pack_double(out, s->losses[i].total);
        ib__pack_double(out, s->losses[i].count);
    }
    ib__pack_u64(out, s->n_metrics);
    for (size_t i = 0; i < s->n_metrics; i++) {
        size_t n;
        const double *state = ib__metric_states(s->metrics[i].metric, &n);
        ib__pack_text(out, s->metrics[i].name);
        ib__pack_u64(out, n);
        for (size_t k = 0; k < n; k++)
            ib__pack_double(out, state[k]);
    }
}

static void pack_variable(ib_buf *out, const ib_variable *v) {
    char shape[128];
    ib__shape_print(shape, &v->shape);
    ib__pack_text(out, v->path);
    ib__pack_text(out, shape);
    ib__pack_floats(out, v->data, (size_t)ib__shape_elements(&v->shape));
}

/* Where training is in its data. */
static void pack_position(ib_buf *out, const ib_trainer *t) {
    ib_buf position = {0};
    ib__batches_save(t->batches, &position);
    ib__pack_u64(out, t->pass);
    ib__pack_bytes(out, position.data, position.length);
    out->failed = out->failed || position.failed;
    ib__buf_free(&position);
}

void ib__state_pack(ib_buf *out, const ib_trainer *t) {
    ib__pack_u64(out, t->step);
    for (size_t i = 0; i < t->n_weights; i++)
        pack_variable(out, &t->weights[i]->variable);
    const ib_state *state;
    size_t n = ib__optimizer_state(t->model->optimizer, &state);
    ib__pack_text(out, ib__optimizer_name(t->model->optimizer));
    for (size_t i = 0; i < n; i++) {
        if (state[i].variable) {
            pack_variable(out, state[i].variable);
        } else {
            ib__pack_text(out, state[i].path);
            ib__pack_u64(out, (uint64_t)*state[i].integer);
        }
    }
    pack_scores(out, &t->train);
    pack_position(out, t);
    const ib_variable *v;
    for (size_t i = 0; (v = kept_state(t, i)) != NULL; i++) {
        ib__pack_text(out, v->path);
        ib__pack_u64(out, (uint64_t)v->shape.rank);
        for (int k = 0; k < v->shape.rank; k++)
            ib__pack_u64(out, (uint64_t)v->shape.dims[k]);
        ib__pack_floats(out, v->data, (size_t)ib__shape_elements(&v->shape));
    }
}

static ib_status other(const char *name, const char *what, const char *expected, const char *found,
                       ib_error *err) {
    return ib__fail(err, IB_BAD_INPUT, name, "%s: expected %.100s, found %.100s", what, expected, found);
}

static ib_status unpack_variable(ib_unpack *u, ib_variable *v, const char *name, ib_error *err) {
    char shape[128];
    ib__shape_print(shape, &v->shape);
    const char *path = ib__unpack_text(u), *found = ib__unpack_text(u);
    if (strcmp(path, v->path) != 0) return other(name, "variable", v->path, path, err);
    if (strcmp(found, shape) != 0) return other(name, v->path, shape, found, err);
    ib__unpack_floats(u, v->data, (size_t)ib__shape_elements(&v->shape));
    return IB_OK;
}

static ib_status unpack_optimizer(ib_optimizer *o, ib_unpack *u, const char *name, ib_error *err) {
    const char *found = ib__unpack_text(u);
    if (strcmp(found, ib__optimizer_name(o)) != 0)
        return other(name, "optimizer", ib__optimizer_name(o), found, err);
    const ib_state *state;
    size_t n = ib__optimizer_state(o, &state);
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < n; i++) {
        if (state[i].variable) {
            status = unpack_variable(u, state[i].variable, name, err);
            continue;
        }
        found = ib__unpack_text(u);
        if (strcmp(found, state[i].path) != 0) status = other(name, "state", state[i].path, found, err);
        *state[i].integer = (int64_t)ib__unpack_u64(u);
    }
    return status;
}

static ib_status unpack_scores(ib_scores *s, ib_unpack *u, const char *name, ib_error *err) {
    if (ib__unpack_u64(u) != s->n_outputs)
        return ib__fail(err, IB_BAD_INPUT, name, "expected %zu outputs, found others", s->n_outputs);
    for (size_t i = 0; i <= s->n_outputs; i++) {
        s->losses[i].total = ib__unpack_double(u);
        s->losses[i].count = ib__unpack_double(u);
    }
    if (ib__unpack_u64(u) != s->n_metrics)
        return ib__fail(err, IB_BAD_INPUT, name, "expected %zu metrics, found others", s->n_metrics);
    for (size_t i = 0; i < s->n_metrics; i++) {
        size_t n;
        double *state = ib__metric_states(s->metrics[i].metric, &n);
        const char *metric = ib__unpack_text(u);
        if (strcmp(metric, s->metrics[i].name) != 0)
            return other(name, "metric", s->metrics[i].name, metric, err);
        if (ib__unpack_u64(u) != n)
            return ib__fail(err, IB_BAD_INPUT, name, "%s: expected %zu numbers, found others", metric, n);
        for (size_t k = 0; k < n; k++)
            state[k] = ib__unpack_double(u);
    }
    return IB_OK;
}

/* The layer of this path, or one inside of it. */
static ib_layer *find_layer(ib_layer *layer, const char *path, size_t n) {
    if (strlen(layer->path) == n && memcmp(layer->path, path, n) == 0) return layer;
    ib_layer *found = NULL;
    for (size_t i = 0; found == NULL && i < layer->n_parts; i++)
        found = find_layer(layer->parts[i].layer, path, n);
    return found;
}

/* A state as it was packed, in its layer. */
static ib_status unpack_kept(ib_trainer *t, ib_unpack *u, const char *name, ib_error *err) {
    const char *path = ib__unpack_text(u), *slash = strrchr(path, '/');
    ib_layer *layer = NULL;
    for (size_t i = 0; slash != NULL && layer == NULL && i < t->model->n_layers; i++)
        layer = find_layer(t->model->layers[i], path, (size_t)(slash - path));
    if (layer == NULL)
        return ib__fail(err, IB_BAD_INPUT, name, "expected the state of a layer, found \"%.100s\"", path);
    ib_shape shape = {.rank = (int)ib__unpack_count(u, IB_RANK_MAX)};
    size_t room = (size_t)(u->end - u->at) / sizeof(float), elements = 1;
    for (int i = 0; i < shape.rank; i++) {
        shape.dims[i] = (int64_t)ib__unpack_count(u, room);
        if (shape.dims[i] > 0 && elements > room / (size_t)shape.dims[i]) u->failed = true;
        elements = u->failed ? 0 : elements * (size_t)shape.dims[i];
    }
    ib_variable *v = NULL;
    for (size_t i = 0; i < layer->n_states; i++)
        if (strcmp(layer->states[i]->path, path) == 0) v = layer->states[i];
    if (u->failed || (v != NULL && !ib__shape_equal(&v->shape, &shape)))
        return ib__fail(err, IB_BAD_INPUT, name, "%.100s: a state of another shape", path);
    if (v == NULL) v = ib__layer_state_make(layer, slash + 1, &shape);
    if (v == NULL) return ib__fail_memory(err);
    ib__unpack_floats(u, v->data, elements);
    return IB_OK;
}

/* States that are not in the file were not made yet: they are zero. */
static ib_status unpack_states(ib_trainer *t, ib_unpack *u, const char *name, ib_error *err) {
    ib_variable *v;
    for (size_t i = 0; (v = kept_state(t, i)) != NULL; i++)
        memset(v->data, 0, (size_t)ib__shape_elements(&v->shape) * sizeof *v->data);
    ib_status status = IB_OK;
    while (status == IB_OK && !u->failed && u->at < u->end)
        status = unpack_kept(t, u, name, err);
    return status;
}

ib_status ib__state_unpack(ib_trainer *t, const void *bytes, size_t n, const char *name, ib_error *err) {
    ib_unpack u = {bytes, (const unsigned char *)bytes + n, false};
    size_t step = ib__unpack_count(&u, t->steps);
    if (u.failed) return ib__fail(err, IB_BAD_INPUT, name, "expected a step up to %zu", t->steps);
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < t->n_weights; i++)
        status = unpack_variable(&u, &t->weights[i]->variable, name, err);
    if (status == IB_OK) status = unpack_optimizer(t->model->optimizer, &u, name, err);
    if (status == IB_OK) status = unpack_scores(&t->train, &u, name, err);
    if (status != IB_OK) return status;
    size_t n_position;
    t->pass = ib__unpack_count(&u, UINT32_MAX);
    const void *position = ib__unpack_bytes(&u, &n_position);
    status = unpack_states(t, &u, name, err);
    if (status != IB_OK) return status;
    if (!ib__unpack_done(&u))
        return ib__fail(err, IB_BAD_INPUT, name,
                        "expected the state of a training run, found something else");
    t->step = step;
    status = ib__optimizer_restored(t->model->optimizer, name, err);
    return status == IB_OK ? ib__batches_restore(t->batches, position, n_position, name, err) : status;
}
