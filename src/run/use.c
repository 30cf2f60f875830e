/* SPDX-License-Identifier: Apache-2.0
 *
 * Using a trained model: evaluate, predict, summary. A model is the folder of a run or a .keras file.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/npy.h"
#include "data/npz.h"
#include "run/commands.h"

#define DEFAULT_BATCH 32
#define ROOM_FOR_SCORES 64

static bool ends_in(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* What a call works on. run: NULL when the model is a file of its own. */
typedef struct opened {
    ib_record *run;
    ib_experiment *experiment;
    ib_model *model;
    ib_dataset *data;
    ib_part part;
    size_t batch_size;
} opened;

static void close_all(opened *o) {
    ib__dataset_free(o->data);
    ib__model_free(o->model);
    ib__experiment_free(o->experiment);
    ib__record_free(o->run);
}

static ib_status open_model(opened *o, const char *model, bool compiled, ib_error *err) {
    static const char *const ends[] = {".keras", ".h5", ".hdf5"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_in(model, ends[i])) return ib__keras_load(&o->model, model, compiled, err);
    ib_status status = ib__record_read(&o->run, model, err);
    if (status != IB_OK) return status;
    char *path = ib__path_join(model, "model.keras");
    status = path == NULL ? ib__fail_memory(err) : ib__keras_load(&o->model, path, compiled, err);
    free(path);
    return status;
}

/* [NAME]; NULL: no memory. */
static ib_value *list_of(const char *name) {
    ib_value *list = ib__value_list();
    if (ib__value_add(list, ib__value_string(name))) return list;
    ib__value_free(list);
    return NULL;
}

/* {npz: FILE, x:, y:} or {csv: FILE, label:}, of texts with {features: [x], strings: [x]}. Scores need
 * targets. */
static ib_value *file_entry(const ib_data *data, bool texts, bool scores) {
    ib_value *entry = ib__value_map();
    bool csv = ends_in(data->file, ".csv");
    const char *y = data->y == NULL && scores && !csv ? "y" : data->y;
    bool good = entry != NULL && ib__value_set(entry, csv ? "csv" : "npz", ib__value_string(data->file));
    if (good && !csv) good = ib__value_set(entry, "x", ib__value_string(data->x != NULL ? data->x : "x"));
    if (good && csv && texts)
        good = ib__value_set(entry, "features", list_of(data->x)) &&
               ib__value_set(entry, "strings", list_of(data->x));
    if (good && y != NULL) good = ib__value_set(entry, csv ? "label" : "y", ib__value_string(y));
    if (good) return entry;
    ib__value_free(entry);
    return NULL;
}

static ib_status open_file(opened *o, const ib_data *data, bool scores, size_t threads, ib_error *err) {
    const ib_model *model = o->model;
    bool texts = model->n_inputs == 1 && model->tensors[model->inputs[0]].text;
    if (texts && ends_in(data->file, ".csv") && data->x == NULL)
        return ib__fail(err, IB_BAD_INPUT, data->file, "expected x: the name of the column of texts");
    ib_value *entry = file_entry(data, texts, scores);
    ib_status status = entry == NULL
                           ? ib__fail_memory(err)
                           : ib__dataset_open(&o->data, entry, data->file, "data", NULL, 0, threads, err);
    ib__value_free(entry);
    if (status == IB_OK) o->part = ib__part_whole(o->data);
    return status;
}

static ib_status open_data(opened *o, const ib_data *data, bool scores, size_t threads, ib_error *err) {
    ib_status status = IB_OK;
    if (data->experiment != NULL)
        status = ib__experiment_read(&o->experiment, data->experiment, err);
    else if (o->run != NULL)
        status = ib__record_experiment(&o->experiment, o->run, err);
    o->batch_size = data->batch_size;
    if (o->batch_size == 0)
        o->batch_size =
            o->experiment == NULL ? DEFAULT_BATCH : (size_t)o->experiment->fit.validation_batch_size;
    if (status != IB_OK) return status;
    if (data->file != NULL) return open_file(o, data, scores, threads, err);
    if (o->experiment == NULL)
        return ib__fail(err, IB_BAD_INPUT, "data", "expected a data file or an experiment, found neither");
    return ib__part_open(&o->data, &o->part, o->experiment, data->part != NULL ? data->part : "test", threads,
                         err);
}

/* Everything for one call; a trainer for it in *trainer. */
static ib_status open_all(opened *o, ib_trainer **trainer, const char *model, const ib_data *data,
                          bool scores, const ib_options *options, ib_error *err) {
    static const ib_data nothing;
    ib_runtime runtime;
    ib_status status = ib__runtime_init(&runtime, options->threads, options->isa, err);
    if (status == IB_OK) status = open_model(o, model, scores, err);
    if (data == NULL) data = &nothing;
    if (status == IB_OK && data->weights != NULL) status = ib__weights_load(o->model, data->weights, err);
    if (status == IB_OK) status = open_data(o, data, scores, runtime.threads, err);
    if (status != IB_OK) return status;
    if (scores && !o->model->compiled)
        return ib__fail(err, IB_BAD_INPUT, model, "expected a compiled model, found one without a loss");
    if (scores) status = ib__part_check_targets(o->model, &o->part, ib__part_file(&o->part), err);
    if (status == IB_OK) status = ib__part_check(o->model, &o->part, err);
    return status == IB_OK ? ib__trainer_for_model(trainer, o->model, scores ? &o->part : NULL, &runtime, err)
                           : status;
}

void ib__report_scores(const ib_trainer *t, const ib_options *options) {
    const char *names[ROOM_FOR_SCORES];
    double values[ROOM_FOR_SCORES];
    ib_progress p = {1, 1, 1, 1, 0, 0, names, values, 1, t->model};
    p.count = ib__scores_sorted(&t->held, names, values, ROOM_FOR_SCORES);
    if (options->progress != NULL) options->progress(options->context, &p);
}

ib_status ib__evaluate(const char *model, const ib_data *data, const ib_options *options, ib_error *err) {
    opened o = {0};
    ib_trainer *trainer = NULL;
    ib_status status = open_all(&o, &trainer, model, data, true, options, err);
    if (status == IB_OK) status = ib__trainer_evaluate(trainer, &o.part, o.batch_size, err);
    if (status == IB_OK) ib__report_scores(trainer, options);
    ib__trainer_free(trainer);
    close_all(&o);
    return status;
}

/* One row a sample; the shortest decimals that read back as the same number. */
static ib_status write_csv(const char *path, const ib_tensor *tensor, ib_error *err) {
    ib_buf text = {0};
    size_t rows = (size_t)tensor->shape.dims[0], n = (size_t)ib__shape_elements(&tensor->shape) / rows;
    for (size_t i = 0; i < rows * n; i++) {
        char number[32];
        ib__double_print(number, ib__tensor_at(tensor, i));
        ib__buf_printf(&text, "%s%s", number, (i + 1) % n == 0 ? "\n" : ",");
    }
    ib_status status = text.failed ? ib__fail_memory(err) : ib__file_write(path, text.data, text.length, err);
    ib__buf_free(&text);
    return status;
}

/* One array an output, by the outputs' names. */
static ib_status write_npz(const char *path, const ib_model *model, const ib_tensor *results, ib_error *err) {
    ib_npz_entry *entries = calloc(model->n_outputs + 1, sizeof *entries);
    if (entries == NULL) return ib__fail_memory(err);
    for (size_t i = 0; i < model->n_outputs; i++)
        entries[i] = (ib_npz_entry){model->ends[i].name, &results[i]};
    ib_status status = ib__npz_write(path, entries, model->n_outputs, err);
    free(entries);
    return status;
}

ib_status ib__predict(const char *model, const ib_data *data, const char *out, const ib_options *options,
                      ib_error *err) {
    opened o = {0};
    ib_trainer *trainer = NULL;
    ib_status status = open_all(&o, &trainer, model, data, false, options, err);
    size_t n = status == IB_OK ? o.model->n_outputs : 0;
    ib_tensor *results = calloc(n + 1, sizeof *results);
    if (status == IB_OK && results == NULL) status = ib__fail_memory(err);
    if (status == IB_OK && n > 1 && !ends_in(out, ".npz"))
        status =
            ib__fail(err, IB_BAD_INPUT, out, "the model has %zu outputs: expected a file ending in .npz", n);
    if (status == IB_OK) status = ib__trainer_predict(trainer, &o.part, o.batch_size, results, err);
    if (status == IB_OK)
        status = ends_in(out, ".npz")   ? write_npz(out, o.model, results, err)
                 : ends_in(out, ".csv") ? write_csv(out, results, err)
                                        : ib__npy_write(out, results, err);
    for (size_t i = 0; results != NULL && i < n; i++)
        ib__tensor_free(&results[i]);
    free(results);
    ib__trainer_free(trainer);
    close_all(&o);
    return status;
}

static ib_status say_summary(const ib_model *model, const ib_options *options, ib_error *err) {
    ib_buf text = {0};
    bool good = ib__model_summary(model, 0, &text);
    if (good && options->text != NULL) options->text(options->context, text.data);
    ib__buf_free(&text);
    return good ? IB_OK : ib__fail_memory(err);
}

ib_status ib__summary(const char *file, const ib_options *options, ib_error *err) {
    if (ends_in(file, ".yaml") || ends_in(file, ".yml") || ends_in(file, ".json")) {
        ib_experiment *e = NULL;
        ib_task *task = NULL;
        ib_status status = ib__experiment_read(&e, file, err);
        if (status == IB_OK) status = ib__task_open(&task, e, err);
        if (status == IB_OK) status = say_summary(task->model, options, err);
        ib__task_free(task);
        ib__experiment_free(e);
        return status;
    }
    opened o = {0};
    ib_status status = open_model(&o, file, false, err);
    if (status == IB_OK) status = say_summary(o.model, options, err);
    close_all(&o);
    return status;
}
