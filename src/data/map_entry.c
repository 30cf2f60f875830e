/* SPDX-License-Identifier: Apache-2.0
 *
 * The argument of map: layers and functions for fields, and what comes out of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/map.h"

void ib__mappings_free(ib_mapping *list, size_t n) {
    for (size_t i = 0; list != NULL && i < n; i++)
        ib__model_free(list[i].model);
    free(list);
}

/* The field's shape as a model sees it: the batch, -1, first. */
static ib_shape with_batch(const ib_stage *from, const ib_shape *shape) {
    ib_shape out = *shape;
    if (from->samples == 0) {
        out.rank = shape->rank + 1;
        memmove(out.dims + 1, out.dims, (size_t)shape->rank * sizeof *out.dims);
    }
    out.dims[0] = -1;
    return out;
}

/* Back: without the batch, or with the stage's. */
static ib_shape without_batch(const ib_stage *from, ib_shape shape) {
    if (from->samples > 0) {
        shape.dims[0] = (int64_t)from->samples;
        return shape;
    }
    shape.rank--;
    memmove(shape.dims, shape.dims + 1, (size_t)shape.rank * sizeof *shape.dims);
    return shape;
}

/* One tensor in and out, of a known shape; no weights that training would change, no samples that mix. */
static ib_status check_model(const ib_mapping *m, const ib_entry *q) {
    ib_model *model = m->model;
    const char *problem = NULL;
    if (model->n_inputs != 1 || model->n_outputs != 1)
        problem = "expected layers with one input and one output";
    for (size_t i = 0; i < model->n_layers && problem == NULL; i++) {
        if (model->layers[i]->class->mixes_samples)
            problem = "a layer that mixes the samples of a batch has no place in map";
        if (ib__layer_states(model->layers[i], NULL) > 0)
            problem = "a layer with a state has no place in map";
    }
    if (problem == NULL && ib__model_weights(model, NULL, false) > 0)
        problem = "a layer with weights has no place in map: put it into the model";
    return problem == NULL ? IB_OK : ib__entry_fail(q, q->map, "", "%s", problem);
}

static ib_status check_output(const ib_mapping *m, const ib_entry *q) {
    const ib_spec *out = &m->model->tensors[m->model->outputs[0]];
    for (int i = 1; i < out->shape.rank; i++)
        if (out->shape.dims[i] < 0)
            return ib__entry_fail(q, q->map, "", "expected layers that give a known shape");
    if (out->type == IB_TYPE_PRED) return ib__entry_fail(q, q->map, "", "expected layers that give numbers");
    return out->shape.rank > 0 ? IB_OK : ib__entry_fail(q, q->map, "", "expected layers that keep the batch");
}

/* The list with an input of texts in front, which says what a Hashing takes. NULL: no memory. */
static ib_value *with_text_input(const ib_value *list, const ib_shape *input) {
    ib_value *out = ib__value_list(), *config = ib__value_map(), *entry = ib__value_map();
    ib_value *dims = ib__value_list();
    bool good = out != NULL && entry != NULL;
    for (int i = 1; i < input->rank; i++)
        good = ib__value_add(dims, ib__value_int(input->dims[i])) && good;
    good = ib__value_set(config, "shape", dims) && good;
    good = ib__value_set(config, "dtype", ib__value_string("string")) && good;
    good = ib__value_set(entry, "Input", config) && good;
    good = ib__value_add(out, entry) && good;
    for (size_t i = 0; good && i < list->count; i++)
        good = ib__value_add(out, ib__value_copy(list->items[i]));
    if (good) return out;
    ib__value_free(out);
    return NULL;
}

/* Layers as an experiment's model has them. Their names begin with the path, so that their random numbers are
 * not those of layers of the model. */
static ib_status read_layers(ib_mapping *m, const ib_entry *q, const ib_stage *from, const ib_value *list,
                             const char *path) {
    ib_value *entry = ib__value_map();
    ib_shape input = with_batch(from, &from->fields[m->field].shape);
    char where[256], prefix[200];
    bool hashed = from->fields[m->field].dtype == IB_TEXT && ib__value_get(list->items[0], "Hashing") != NULL;
    if (!ib__value_set(entry, "sequential", hashed ? with_text_input(list, &input) : ib__value_copy(list))) {
        ib__value_free(entry);
        return ib__fail_memory(q->err);
    }
    snprintf(where, sizeof where, "%.110s:%d:%d %.100s", q->name, list->line, list->column, q->place);
    snprintf(prefix, sizeof prefix, "%.150s/", path);
    ib_status status = ib__model_from_experiment(&m->model, entry, &input,
                                                 q->folder != NULL ? q->folder : ".", where, q->err);
    ib__value_free(entry);
    if (status == IB_OK) status = check_model(m, q);
    if (status == IB_OK) status = check_output(m, q);
    for (size_t i = 0; status == IB_OK && i < m->model->n_layers; i++)
        status = ib__layer_nest(m->model->layers[i], prefix, q->err);
    if (status != IB_OK) return status;
    const ib_spec *out = &m->model->tensors[m->model->outputs[0]];
    m->shape = without_batch(from, out->shape);
    m->dtype = out->type == IB_TYPE_F32 ? IB_F32 : IB_I32;
    return IB_OK;
}

static ib_status read_cast(ib_mapping *m, const ib_entry *q) {
    const char *name;
    ib_status status = ib__entry_text(q, "cast", true, &name);
    if (status != IB_OK) return status;
    if (!ib__dtype_parse(name, &m->dtype) ||
        (m->dtype != IB_BOOL8 && m->dtype != IB_U8 && m->dtype != IB_I32 && m->dtype != IB_I64 &&
         m->dtype != IB_F32 && m->dtype != IB_F64))
        return ib__entry_fail(q, ib__value_get(q->map, "cast"), "cast",
                              "expected bool, uint8, int32, int64, float32 or float64, found %s", name);
    m->change = IB_CHANGE_CAST;
    return IB_OK;
}

static ib_status read_one_hot(ib_mapping *m, const ib_entry *q) {
    ib_status status = ib__entry_count(q, "one_hot", 1, INT64_C(1) << 20, &m->classes);
    if (status != IB_OK) return status;
    if (m->shape.rank == IB_RANK_MAX) return ib__entry_fail(q, q->map, "one_hot", "too many dimensions");
    m->shape.dims[m->shape.rank++] = m->classes;
    if (ib__shape_elements(&m->shape) < 0) return ib__entry_fail(q, q->map, "one_hot", "too many classes");
    m->dtype = IB_F32;
    m->change = IB_CHANGE_ONE_HOT;
    return IB_OK;
}

static ib_status read_mapping(ib_mapping *m, const ib_entry *q, const ib_stage *from, const char *field,
                              const ib_value *value, const char *path) {
    static const char *const functions[] = {"cast", "one_hot"};
    ib_entry within = *q;
    within.map = value;
    within.place = m->place;
    snprintf(m->place, sizeof m->place, "%.90s.%.30s", q->place, field);
    m->field = ib__data_field_find(from->fields, from->n_fields, field);
    if (m->field == SIZE_MAX)
        return ib__entry_fail(q, value, field, "no such field of the data; the first is %s",
                              from->fields[0].name);
    m->dtype = from->fields[m->field].dtype;
    m->shape = from->fields[m->field].shape;
    if (value->kind == IB_LIST && value->count > 0) return read_layers(m, &within, from, value, path);
    if (m->dtype == IB_TEXT)
        return ib__entry_fail(&within, value, "",
                              "expected a list of layers that begins with TextVectorization, StringLookup or "
                              "Hashing, for the field is texts");
    if (value->kind != IB_MAP || value->count != 1)
        return ib__entry_fail(&within, value, "", "expected a list of layers, {cast: DTYPE} or {one_hot: N}");
    ib_status status = ib__entry_check(&within, functions, 2, NULL, 0);
    if (status != IB_OK) return status;
    return ib__value_get(value, "cast") != NULL ? read_cast(m, &within) : read_one_hot(m, &within);
}

ib_status ib__mappings_read(ib_mapping **list, size_t *n, const ib_entry *q, const ib_stage *from,
                            const char *path) {
    const ib_value *map = q->map;
    size_t count = map->kind == IB_MAP ? map->count : 1;
    *n = 0;
    if ((map->kind != IB_MAP && map->kind != IB_LIST) || count == 0)
        return ib__entry_fail(q, map, "", "expected a list of layers, or {FIELD: [LAYER, ...]}, found %s",
                              ib__kind_name(map->kind));
    *list = calloc(count, sizeof **list);
    if (*list == NULL) return ib__fail_memory(q->err);
    ib_status status = IB_OK;
    while (*n < count && status == IB_OK) {
        size_t i = (*n)++;
        status = read_mapping(&(*list)[i], q, from, map->kind == IB_MAP ? map->keys[i] : "x",
                              map->kind == IB_MAP ? map->items[i] : map, path);
    }
    if (status == IB_OK) return IB_OK;
    ib__mappings_free(*list, *n);
    *list = NULL;
    *n = 0;
    return status;
}
