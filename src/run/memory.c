/* SPDX-License-Identifier: Apache-2.0
 *
 * Models and arrays in memory: the public calls ib_model_*, ib_fit, ib_results_*. Training on arrays is the
 * training of an experiment whose files would hold them: the same canonical form, the same digest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rounding.h"
#include "data/npy.h"
#include "model/config.h"
#include "run/commands.h"

#define DEFAULT_BATCH 32

static const ib_options silent;

/* ---- Models ---- */

ib_status ib_model_load(ib_model **out, const char *path, ib_error *err) {
    char *file = ib__path_join(path, "model.keras");
    if (file == NULL) return ib__fail_memory(err);
    unsigned before = ib__rounding_enter();
    ib_status status = ib__keras_load(out, ib__file_exists(file) ? file : path, true, err);
    ib__rounding_leave(before);
    free(file);
    return status;
}

static ib_status build(ib_model **out, ib_value *config, uint64_t seed, ib_error *err) {
    ib_value *compile = NULL;
    ib_model *model = NULL;
    ib_status status = ib__config_number_shared(config, err);
    if (status == IB_OK) status = ib__config_split(config, "config", &compile, err);
    if (status == IB_OK) status = ib__model_from_config(&model, config, "config", err);
    if (status == IB_OK) status = ib__model_initialize(model, seed, err);
    if (status == IB_OK && ib__value_is(compile, IB_MAP) && compile->count > 0)
        status = ib__model_compile(model, compile, "compile_config", err);
    if (status == IB_OK)
        *out = model;
    else
        ib__model_free(model);
    ib__value_free(compile);
    return status;
}

ib_status ib_model_from_config(ib_model **out, const char *json, uint64_t seed, ib_error *err) {
    ib_value *config = NULL;
    unsigned before = ib__rounding_enter();
    ib_status status = ib__json_parse(&config, json, strlen(json), "config", err);
    if (status == IB_OK) status = build(out, config, seed, err);
    ib__rounding_leave(before);
    ib__value_free(config);
    return status;
}

void ib_model_free(ib_model *model) {
    ib__model_free(model);
}

ib_status ib_model_load_weights(ib_model *model, const char *path, ib_error *err) {
    unsigned before = ib__rounding_enter();
    ib_status status = ib__weights_load(model, path, err);
    ib__rounding_leave(before);
    return status;
}

ib_status ib_model_save(const ib_model *model, const char *path, ib_error *err) {
    return ib__keras_save(model, path, err);
}

ib_status ib_model_compile(ib_model *model, const char *json, ib_error *err) {
    ib_value *compile = NULL;
    unsigned before = ib__rounding_enter();
    ib_status status = ib__json_parse(&compile, json, strlen(json), "compile", err);
    if (status == IB_OK) status = ib__model_compile(model, compile, "compile", err);
    ib__rounding_leave(before);
    ib__value_free(compile);
    return status;
}

ib_status ib_model_summary(const ib_model *model, const ib_options *options, ib_error *err) {
    ib_buf text = {0};
    bool good = ib__model_summary(model, 0, &text);
    if (good && options != NULL && options->text != NULL) options->text(options->context, text.data);
    ib__buf_free(&text);
    return good ? IB_OK : ib__fail_memory(err);
}

static void view_of(ib_view *out, const char *name, ib_dtype dtype, const ib_shape *shape, void *data) {
    *out = (ib_view){.name = name, .dtype = ib__dtype_name(dtype), .rank = (size_t)shape->rank, .data = data};
    memcpy(out->shape, shape->dims, sizeof out->shape);
}

int ib_model_weight(ib_model *model, size_t i, ib_view *out) {
    for (size_t k = 0; k < model->n_layers; k++) {
        size_t n = ib__layer_weights(model->layers[k], NULL, false);
        if (i >= n) {
            i -= n;
            continue;
        }
        ib_weight **list = calloc(n, sizeof(ib_weight *));
        if (list == NULL) return 0;
        ib__layer_weights(model->layers[k], list, false);
        const ib_variable *v = &list[i]->variable;
        view_of(out, v->path, IB_F32, &v->shape, v->data);
        free(list);
        return 1;
    }
    return 0;
}

int ib_model_state(ib_model *model, size_t i, ib_view *out) {
    static const ib_shape scalar;
    const ib_state *state = NULL;
    size_t n = model->optimizer != NULL ? ib__optimizer_state(model->optimizer, &state) : 0;
    if (i >= n) return 0;
    if (state[i].variable != NULL)
        view_of(out, state[i].path, IB_F32, &state[i].variable->shape, state[i].variable->data);
    else
        view_of(out, state[i].path, IB_I64, &scalar, state[i].integer);
    return 1;
}

ib_status ib_model_state_written(ib_model *model, ib_error *err) {
    return model->optimizer != NULL ? ib__optimizer_restored(model->optimizer, "optimizer", err) : IB_OK;
}

/* ---- Arrays ---- */

/* Views as tensors, checked; the memory stays the caller's. */
typedef struct arrays {
    size_t n;
    ib_tensor tensors[IB_DATA_FIELDS_MAX];
    const char *names[IB_DATA_FIELDS_MAX];
} arrays;

/* "x", "y" or "sample_weight", alone or with ".NAME": what an experiment may say, and a file's name hold. */
static ib_status check_field(const char *field, const char *place, ib_error *err) {
    static const char *const roles[] = {"x", "y", "sample_weight"};
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t n = strcspn(field, "."), rest = strlen(field) - n;
    bool known = false;
    for (size_t i = 0; i < 3; i++)
        known = known || (strlen(roles[i]) == n && strncmp(roles[i], field, n) == 0);
    if (known && (rest == 0 || (rest > 1 && rest < 64 && strspn(field + n + 1, good) == rest - 1)))
        return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, place,
                    "expected fields x, y, sample_weight, or these with .NAME (letters, digits, _ and -), "
                    "found \"%.80s\"",
                    field);
}

static ib_status take_view(ib_tensor *out, const ib_view *view, const char *place, ib_error *err) {
    char where[256], shape[128];
    snprintf(where, sizeof where, "%.60s, %.60s", place, view->name);
    if (!ib__dtype_parse(view->dtype, &out->dtype))
        return ib__fail(err, IB_BAD_INPUT, where, "expected numbers, found the type \"%.40s\"", view->dtype);
    if (view->rank == 0 || view->rank > IB_RANK_MAX)
        return ib__fail(err, IB_BAD_INPUT, where, "expected 1 to %d dimensions, found %zu", IB_RANK_MAX,
                        view->rank);
    out->shape = (ib_shape){.rank = (int)view->rank};
    for (size_t i = 0; i < view->rank; i++) {
        out->shape.dims[i] = view->shape[i];
        if (view->shape[i] < 0)
            return ib__fail(err, IB_BAD_INPUT, where, "expected dimensions from 0 on, found %lld",
                            (long long)view->shape[i]);
    }
    ib__shape_print(shape, &out->shape);
    if (ib__shape_elements(&out->shape) <= 0)
        return ib__fail(err, IB_BAD_INPUT, where, "expected at least one sample, found an array of shape %s",
                        shape);
    out->data = view->data;
    return IB_OK;
}

static ib_status take_views(arrays *out, const ib_view *views, size_t n, const char *place, ib_error *err) {
    if (n == 0 || n > IB_DATA_FIELDS_MAX)
        return ib__fail(err, IB_BAD_INPUT, place, "expected 1 to %d arrays, found %zu", IB_DATA_FIELDS_MAX,
                        n);
    for (out->n = 0; out->n < n; out->n++) {
        size_t i = out->n;
        out->names[i] = views[i].name;
        ib_status status = check_field(views[i].name, place, err);
        if (status == IB_OK) status = take_view(&out->tensors[i], &views[i], place, err);
        if (status != IB_OK) return status;
        if (out->tensors[i].shape.dims[0] != out->tensors[0].shape.dims[0])
            return ib__fail(err, IB_BAD_INPUT, place,
                            "expected as many samples in %.60s as in %.60s, found %lld and %lld",
                            views[i].name, views[0].name, (long long)out->tensors[i].shape.dims[0],
                            (long long)out->tensors[0].shape.dims[0]);
    }
    return IB_OK;
}

/* "RUN/input/train.x.npy", or without a folder "train.x.npy". NULL: no memory. */
static char *file_name(const char *folder, const char *part, const char *field) {
    ib_buf name = {0};
    if (folder != NULL) ib__buf_printf(&name, "%s/", folder);
    ib__buf_printf(&name, "%s.%s.npy", part, field);
    if (!name.failed) return name.data;
    ib__buf_free(&name);
    return NULL;
}

/* Notes at the elements the files that would hold the arrays, and writes them if there is a folder. */
static ib_status note_files(ib_elements *e, const arrays *a, const char *part, const char *folder,
                            ib_error *err) {
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < a->n; i++) {
        ib_digest digest;
        char place[128], *path = file_name(folder, part, a->names[i]);
        snprintf(place, sizeof place, "npy.%.100s", a->names[i]);
        if (path == NULL) return ib__fail_memory(err);
        if (folder != NULL) status = ib__npy_write(path, &a->tensors[i], err);
        if (status == IB_OK) status = ib__npy_digest(&digest, &a->tensors[i], err);
        if (status == IB_OK && !ib__elements_add_file(e, place, path, &digest)) status = ib__fail_memory(err);
        free(path);
    }
    return status;
}

/* A data set over arrays. folder NULL: they are not written. */
static ib_status open_arrays(ib_dataset **out, const arrays *a, const char *name, const char *part,
                             const char *folder, size_t threads, ib_error *err) {
    ib_elements *e = NULL;
    char place[32];
    snprintf(place, sizeof place, "data.%s", part);
    ib_status status = ib__elements_borrow(&e, a->tensors, a->names, a->n, err);
    if (status == IB_OK) status = note_files(e, a, part, folder, err);
    if (status == IB_OK) return ib__dataset_of_elements(out, e, name, place, threads, err);
    ib__elements_free(e);
    return status;
}

/* ---- Fitting ---- */

/* What ib_fit works with. */
typedef struct fitting {
    ib_model *model;
    char *folder; /* RUN/input, or NULL */
    arrays train, validation;
    ib_value *tree; /* of the experiment */
    ib_buf file;    /* the model as a .keras file */
} fitting;

/* {npy: {x: FILE, y: FILE}}, or {NAME: FILE} in place of FILE. */
static ib_value *entry_of(const arrays *a, const char *part) {
    ib_value *entry = ib__value_map(), *files = ib__value_map();
    bool good = entry != NULL && ib__value_set(entry, "npy", files);
    for (size_t i = 0; good && i < a->n; i++) {
        char role[16], *path = file_name(NULL, part, a->names[i]);
        const char *dot = strchr(a->names[i], '.');
        ib_value *file = path != NULL ? ib__value_string(path) : NULL, *map = files;
        snprintf(role, sizeof role, "%.*s", (int)strcspn(a->names[i], "."), a->names[i]);
        if (dot != NULL && (map = ib__value_get(files, role)) == NULL) {
            good = ib__value_set(files, role, ib__value_map());
            map = ib__value_get(files, role);
        }
        good = good && ib__value_is(map, IB_MAP) && ib__value_set(map, dot != NULL ? dot + 1 : role, file);
        free(path);
    }
    if (good) return entry;
    ib__value_free(entry);
    return NULL;
}

/* The settings with what is known: version, model, data. */
static ib_status make_tree(fitting *f, const char *settings, ib_error *err) {
    static const char *const own[] = {"isobit", "model", "compile", "data"};
    ib_value *model = ib__value_map(), *data = ib__value_map();
    ib_status status = ib__json_parse(&f->tree, settings, strlen(settings), "settings", err);
    if (status == IB_OK && f->tree->kind != IB_MAP)
        status =
            ib__fail(err, IB_BAD_INPUT, "settings", "expected a map, found %s", ib__kind_name(f->tree->kind));
    for (size_t i = 0; status == IB_OK && i < sizeof own / sizeof *own; i++)
        if (ib__value_get(f->tree, own[i]) != NULL)
            status =
                ib__fail(err, IB_BAD_INPUT, "settings", "the field '%s' comes from the call itself", own[i]);
    if (status != IB_OK) {
        ib__value_free(model);
        ib__value_free(data);
        return status;
    }
    bool good = model != NULL && ib__value_set(model, "keras", ib__value_string("model.keras"));
    good = good && ib__value_set(data, "train", entry_of(&f->train, "train"));
    if (f->validation.n > 0)
        good = good && ib__value_set(data, "validation", entry_of(&f->validation, "validation"));
    good = ib__value_set(f->tree, "isobit", ib__value_int(1)) && good;
    good = ib__value_set(f->tree, "model", model) && good;
    good = ib__value_set(f->tree, "data", data) && good;
    return good ? IB_OK : ib__fail_memory(err);
}

static ib_status write_file(const fitting *f, const char *name, const ib_buf *text, ib_error *err) {
    char *path = ib__path_join(f->folder, name);
    ib_status status =
        path != NULL ? ib__file_write(path, text->data, text->length, err) : ib__fail_memory(err);
    free(path);
    return status;
}

/* The experiment and its model; the arrays are written when they are opened. */
static ib_status write_inputs(fitting *f, ib_error *err) {
    ib_buf text = {0};
    ib_status status = ib__folder_make(f->folder, err);
    if (status == IB_OK) status = write_file(f, "model.keras", &f->file, err);
    if (status == IB_OK && !ib__json_write(&text, f->tree, IB_JSON_INDENT)) status = ib__fail_memory(err);
    if (status == IB_OK) status = write_file(f, "experiment.json", &text, err);
    ib__buf_free(&text);
    return status;
}

static ib_status run(fitting *f, const char *run, const ib_options *options, char digest[72], ib_error *err) {
    ib_experiment *e = NULL;
    ib_provided provided = {.model = f->model};
    const char *name = "settings";
    char *file = f->folder != NULL ? ib__path_join(f->folder, "experiment.json") : NULL;
    if (file != NULL) name = file;
    ib_status status = ib__experiment_from_tree(&e, f->tree, name, f->folder != NULL ? f->folder : ".", err);
    if (status == IB_OK) status = ib__keras_pack(f->model, &f->file, err);
    if (status == IB_OK && f->folder != NULL) status = write_inputs(f, err);
    if (status == IB_OK) {
        provided.file = ib__sha256(f->file.data, f->file.length);
        status = open_arrays(&provided.data[0], &f->train, name, "train", f->folder, options->threads, err);
    }
    if (status == IB_OK && f->validation.n > 0)
        status = open_arrays(&provided.data[1], &f->validation, name, "validation", f->folder,
                             options->threads, err);
    if (status == IB_OK) {
        status = ib__train_provided(e, &provided, run, options, digest, err);
    } else {
        ib__dataset_free(provided.data[0]);
        ib__experiment_free(e);
    }
    free(file);
    return status;
}

/* A run that did not begin leaves nothing behind. */
static void clean_up(const fitting *f, const char *run, bool made) {
    static const char *const left[] = {"lock", "checkpoint", "record.json"};
    char **names = NULL;
    size_t n = 0;
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        char *path = ib__path_join(run, left[i]);
        bool there = path == NULL || ib__file_exists(path);
        free(path);
        if (there) return;
    }
    if (ib__folder_names(&names, &n, f->folder, NULL) == IB_OK) {
        for (size_t i = 0; i < n; i++) {
            char *path = ib__path_join(f->folder, names[i]);
            if (path != NULL) ib__file_remove(path, NULL);
            free(path);
        }
        ib__names_free(names, n);
    }
    rmdir(f->folder);
    if (made) rmdir(run);
}

static ib_status fit(fitting *f, const ib_view *train, size_t n_train, const ib_view *validation,
                     size_t n_validation, const char *settings, const char *where, const ib_options *options,
                     char digest[72], ib_error *err) {
    if (!f->model->compiled)
        return ib__fail(err, IB_BAD_INPUT, "model", "expected a compiled model, found one without a loss");
    ib_status status = take_views(&f->train, train, n_train, "train", err);
    if (status == IB_OK && n_validation > 0)
        status = take_views(&f->validation, validation, n_validation, "validation", err);
    if (status == IB_OK) status = make_tree(f, settings != NULL ? settings : "{}", err);
    if (status == IB_OK && where != NULL && (f->folder = ib__path_join(where, "input")) == NULL)
        status = ib__fail_memory(err);
    if (status != IB_OK) return status;
    if (where != NULL && !options->resume && ib__record_complete(where))
        return ib__fail(err, IB_BAD_INPUT, where, "expected a new folder, found one that holds a run");
    bool made = where != NULL && !ib__file_exists(where);
    status = run(f, where, options, digest, err);
    if (status != IB_OK && where != NULL) clean_up(f, where, made);
    return status;
}

ib_status ib_fit(ib_model *model, const ib_view *train, size_t n_train, const ib_view *validation,
                 size_t n_validation, const char *settings, const char *run, const ib_options *options,
                 char digest[72], ib_error *err) {
    fitting f = {.model = model};
    unsigned before = ib__rounding_enter();
    ib_status status = fit(&f, train, n_train, validation, n_validation, settings, run,
                           options != NULL ? options : &silent, digest, err);
    ib__rounding_leave(before);
    ib__value_free(f.tree);
    ib__buf_free(&f.file);
    free(f.folder);
    return status;
}

/* ---- Evaluating and predicting ---- */

struct ib_results {
    size_t n;
    char **names;
    ib_tensor *tensors;
};

/* A part of all samples, and a trainer that takes it. scores: targets are wanted. */
static ib_status open_use(ib_trainer **out, ib_dataset **data, ib_part *part, ib_model *model,
                          const ib_view *views, size_t n, bool scores, const ib_options *options,
                          ib_error *err) {
    ib_runtime runtime;
    arrays a;
    ib_elements *e = NULL;
    ib_status status = ib__runtime_init(&runtime, options->threads, options->isa, err);
    if (status == IB_OK) status = take_views(&a, views, n, "data", err);
    if (status == IB_OK) status = ib__elements_borrow(&e, a.tensors, a.names, a.n, err);
    if (status == IB_OK) status = ib__dataset_of_elements(data, e, "data", "data", options->threads, err);
    if (status != IB_OK) return status;
    *part = ib__part_whole(*data);
    if (scores && !model->compiled)
        return ib__fail(err, IB_BAD_INPUT, "model", "expected a compiled model, found one without a loss");
    if (scores) status = ib__part_check_targets(model, part, "data", err);
    if (status == IB_OK) status = ib__part_check(model, part, err);
    return status == IB_OK ? ib__trainer_for_model(out, model, scores ? part : NULL, &runtime, err) : status;
}

ib_status ib_model_evaluate(ib_model *model, const ib_view *views, size_t n, size_t batch_size,
                            const ib_options *options, ib_error *err) {
    ib_trainer *trainer = NULL;
    ib_dataset *data = NULL;
    ib_part part;
    if (options == NULL) options = &silent;
    unsigned before = ib__rounding_enter();
    ib_status status = open_use(&trainer, &data, &part, model, views, n, true, options, err);
    if (status == IB_OK)
        status = ib__trainer_evaluate(trainer, &part, batch_size > 0 ? batch_size : DEFAULT_BATCH, err);
    if (status == IB_OK) ib__report_scores(trainer, options);
    ib__trainer_free(trainer);
    ib__dataset_free(data);
    ib__rounding_leave(before);
    return status;
}

static ib_status results_for(ib_results **out, const ib_model *model, ib_error *err) {
    ib_results *r = calloc(1, sizeof *r);
    bool good = r != NULL && (r->names = calloc(model->n_outputs + 1, sizeof *r->names)) != NULL &&
                (r->tensors = calloc(model->n_outputs + 1, sizeof *r->tensors)) != NULL;
    for (; good && r->n < model->n_outputs; r->n++)
        good = (r->names[r->n] = strdup(model->ends[r->n].name)) != NULL;
    if (good) {
        *out = r;
        return IB_OK;
    }
    ib_results_free(r);
    return ib__fail_memory(err);
}

ib_status ib_model_predict(ib_model *model, const ib_view *views, size_t n, size_t batch_size,
                           const ib_options *options, ib_results **out, ib_error *err) {
    ib_trainer *trainer = NULL;
    ib_dataset *data = NULL;
    ib_results *results = NULL;
    ib_part part;
    if (options == NULL) options = &silent;
    unsigned before = ib__rounding_enter();
    ib_status status = open_use(&trainer, &data, &part, model, views, n, false, options, err);
    if (status == IB_OK) status = results_for(&results, model, err);
    if (status == IB_OK)
        status = ib__trainer_predict(trainer, &part, batch_size > 0 ? batch_size : DEFAULT_BATCH,
                                     results->tensors, err);
    ib__trainer_free(trainer);
    ib__dataset_free(data);
    ib__rounding_leave(before);
    if (status == IB_OK)
        *out = results;
    else
        ib_results_free(results);
    return status;
}

int ib_results_get(const ib_results *results, size_t i, ib_view *out) {
    if (i >= results->n) return 0;
    const ib_tensor *t = &results->tensors[i];
    view_of(out, results->names[i], t->dtype, &t->shape, t->data);
    return 1;
}

void ib_results_free(ib_results *results) {
    if (results == NULL) return;
    for (size_t i = 0; i < results->n; i++) {
        free(results->names[i]);
        ib__tensor_free(&results->tensors[i]);
    }
    free(results->names);
    free(results->tensors);
    free(results);
}
