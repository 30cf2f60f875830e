/* SPDX-License-Identifier: Apache-2.0
 *
 * Parts of the data: fields, shapes, labels against a model; validation_split.
 */
#include "run/part.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

ib_part ib__part_whole(const ib_dataset *data) {
    return (ib_part){data, 0, ib__dataset_count(data)};
}

const char *ib__part_place(const ib_part *part) {
    return ib__dataset_place(part->data);
}

const char *ib__part_file(const ib_part *part) {
    const ib_data_file *file = ib__dataset_file(part->data, 0);
    return file != NULL ? file->path : ib__part_place(part);
}

ib_samples ib__part_samples(const ib_part *part) {
    ib_samples s;
    const ib_data_field *fields = ib__dataset_fields(part->data, &s.n);
    for (size_t i = 0; i < s.n; i++) {
        s.names[i] = fields[i].name;
        s.dtypes[i] = fields[i].dtype;
        s.shapes[i] = (ib_shape){fields[i].shape.rank + 1, {-1}};
        for (int k = 0; k < fields[i].shape.rank; k++)
            s.shapes[i].dims[k + 1] = fields[i].shape.dims[k];
    }
    return s;
}

ib_status ib__part_fail_number(const char *where, ib_numbering what, int64_t count, double found,
                               const char *more, ib_error *err) {
    char number[32];
    ib__double_print(number, found);
    return ib__fail(err, IB_BAD_INPUT, where, "expected a %s from 0 to %" PRId64 ", found %s%s",
                    what == IB_ROWS ? "row of the Embedding" : "class", count - 1, number, more);
}

/* Class numbers come as integers or as floats that hold integers. */
static ib_status check_numbers(const ib_part *part, size_t field, const char *name, ib_numbering what,
                               int64_t count, ib_error *err) {
    uint64_t sample;
    double found;
    ib_status status = ib__dataset_find_no_number(part->data, field, part->first, part->count, what, count,
                                                  &sample, &found, err);
    if (status != IB_OK || sample == UINT64_MAX) return status;
    char where[256];
    const ib_dataset_source *source = ib__dataset_source(part->data, 0);
    ib__dataset_where(where, part->data, name, source->part.first + part->first + sample);
    return ib__part_fail_number(where, what, count, found, "", err);
}

ib_status ib__target_shapes(const ib_model *model, const ib_samples *data, const ib_ports *ports,
                            ib_shape *out, ib_error *err) {
    for (size_t i = 0; i < model->n_outputs; i++) {
        const ib_shape output = model->tensors[model->outputs[i]].shape;
        out[i] = output;
        if (model->ends[i].loss == NULL || ports->y[i] == IB_NO_FIELD) continue;
        ib_type type;
        ib_status status =
            ib__loss_target(model->ends[i].loss, &output, &data->shapes[ports->y[i]], &type, &out[i], err);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

static ib_status check_input(const ib_model *model, size_t input, ib_dtype dtype, const ib_shape *shape,
                             const char *where, ib_error *err) {
    char wanted[128], found[128];
    const ib_spec *spec = &model->tensors[model->inputs[input]];
    bool same = spec->shape.rank == shape->rank;
    for (int i = 1; same && i < shape->rank; i++)
        same = spec->shape.dims[i] == shape->dims[i] || spec->shape.dims[i] < 0;
    ib__shape_print(wanted, &spec->shape);
    ib__shape_print(found, shape);
    if (!same)
        return ib__fail(err, IB_BAD_INPUT, where, "expected samples of shape %s, found %s", wanted, found);
    if (spec->text != (dtype == IB_TEXT))
        return ib__fail(err, IB_BAD_INPUT, where, "expected %s, found %s", spec->text ? "texts" : "numbers",
                        ib__dtype_name(dtype));
    if (!spec->text && spec->type != IB_TYPE_F32 && dtype >= IB_F16)
        return ib__fail(err, IB_BAD_INPUT, where, "expected integers, found %s", ib__dtype_name(dtype));
    return IB_OK;
}

static ib_status check_target(const ib_model *model, size_t output, const ib_part *part, size_t field,
                              const ib_samples *data, const char *where, ib_error *err) {
    const ib_loss *loss = model->ends[output].loss;
    const ib_shape *shape = &model->tensors[model->outputs[output]].shape;
    if (loss == NULL) return IB_OK;
    if (data->dtypes[field] == IB_TEXT)
        return ib__fail(err, IB_BAD_INPUT, where,
                        "expected numbers, found texts: a StringLookup in map makes numbers of them");
    ib_type type;
    ib_shape target;
    ib_status status = ib__loss_target(loss, shape, &data->shapes[field], &type, &target, err);
    if (status != IB_OK) return ib__fail_within(err, status, where);
    int64_t classes = ib__loss_classes(loss, shape);
    return classes > 0 ? check_numbers(part, field, data->names[field], IB_CLASSES, classes, err) : IB_OK;
}

ib_status ib__part_check(const ib_model *model, const ib_part *part, ib_error *err) {
    char where[256];
    ib_samples data = ib__part_samples(part);
    ib_ports ports;
    snprintf(where, sizeof where, "%.160s, %s", ib__part_file(part), ib__part_place(part));
    ib_status status = ib__ports_match(&ports, model, data.names, data.n, where, err);
    if (status != IB_OK) return status;
    for (size_t i = 0; status == IB_OK && i < model->n_inputs; i++) {
        snprintf(where, sizeof where, "%.160s, %s.%.40s", ib__part_file(part), ib__part_place(part),
                 data.names[ports.x[i]]);
        status = check_input(model, i, data.dtypes[ports.x[i]], &data.shapes[ports.x[i]], where, err);
        int64_t rows = ib__model_input_rows(model, i);
        if (status == IB_OK && rows > 0)
            status = check_numbers(part, ports.x[i], data.names[ports.x[i]], IB_ROWS, rows, err);
    }
    for (size_t i = 0; status == IB_OK && i < model->n_outputs; i++) {
        if (ports.y[i] == IB_NO_FIELD) continue;
        snprintf(where, sizeof where, "%.160s, %s.%.40s", ib__part_file(part), ib__part_place(part),
                 data.names[ports.y[i]]);
        status = check_target(model, i, part, ports.y[i], &data, where, err);
    }
    ib__ports_free(&ports);
    return status;
}

/* Training and scoring need a target for every output that has a loss. */
ib_status ib__part_check_targets(const ib_model *model, const ib_part *part, const char *where,
                                 ib_error *err) {
    ib_samples data = ib__part_samples(part);
    ib_ports ports;
    ib_status status = ib__ports_match(&ports, model, data.names, data.n, where, err);
    if (status == IB_OK && !ports.targets)
        status = ib__fail(err, IB_BAD_INPUT, where, "expected targets (y, or label), found none");
    ib__ports_free(&ports);
    return status;
}

ib_status ib__part_split(ib_part *part, double split, bool tail, const char *name, ib_error *err) {
    uint64_t n = part->count;
    char where[256];
    ib__experiment_where(where, name, NULL, "fit.validation_split");
    if (ib__dataset_piped(part->data))
        return ib__fail(err, IB_BAD_INPUT, where,
                        "expected 0 beside a pipeline: cut there, by take and skip");
    uint64_t cut = (uint64_t)floor((double)n * (1.0 - split));
    if (cut == 0 || cut == n) {
        return ib__fail(err, IB_BAD_INPUT, where,
                        "%" PRIu64 " samples are cut in %" PRIu64 " to train and %" PRIu64
                        " to validate; expected at least one of each",
                        n, cut, n - cut);
    }
    if (tail) part->first += cut;
    part->count = tail ? n - cut : cut;
    return IB_OK;
}

ib_status ib__part_open(ib_dataset **data, ib_part *out, const ib_experiment *e, const char *part,
                        size_t threads, ib_error *err) {
    static const char *const parts[] = {"train", "validation", "test"};
    static const char *const places[] = {"data.train", "data.validation", "data.test"};
    const ib_value *entry = ib__experiment_data(e, part);
    double split = e->fit.validation_split;
    bool tail = entry == NULL && split > 0 && strcmp(part, "validation") == 0;
    size_t i = 0;
    while (i < 3 && strcmp(part, parts[i]) != 0)
        i++;
    if (i == 3)
        return ib__fail(err, IB_BAD_INPUT, "part", "expected train, validation or test, found \"%.40s\"",
                        part);
    if (tail) i = 0;
    if (tail) entry = ib__experiment_data(e, "train");
    if (entry == NULL) return ib__fail(err, IB_BAD_INPUT, e->name, "expected %s, found none", places[i]);
    ib_status status =
        ib__dataset_open(data, entry, e->name, places[i], e->folder, (uint64_t)e->seed, threads, err);
    if (status != IB_OK) return status;
    *out = ib__part_whole(*data);
    return split > 0 && i == 0 ? ib__part_split(out, split, tail, e->name, err) : IB_OK;
}

ib_batching ib__part_batching(const ib_part *part, const ib_experiment *e, bool training, size_t batch_size,
                              size_t threads) {
    ib_batching how = {
        .first = part->first, .count = part->count, .batch_size = batch_size, .threads = threads};
    if (!training) return how;
    how.shuffle = e->fit.shuffle;
    how.stream = ib__stream((uint64_t)e->seed, "fit", "shuffle");
    return how;
}
