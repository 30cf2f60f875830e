/* SPDX-License-Identifier: Apache-2.0
 *
 * From an experiment to data and a model that fit each other, and to the canonical form that is hashed.
 */
#include "run/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pool.h"
#include "run/adapt.h"
#include "run/callbacks.h"
#include "run/scores.h"

#define THREADS_MAX 1024

static const char *const part_names[3] = {"train", "validation", "test"};
static const char *const part_places[3] = {"data.train", "data.validation", "data.test"};

ib_status ib__runtime_init(ib_runtime *out, size_t threads, const char *isa, ib_error *err) {
    *out = (ib_runtime){.threads = threads, .isa = ib__isa_default()};
    if (threads == 0) out->threads = ib__pool_cpus();
    if (threads > THREADS_MAX)
        return ib__fail(err, IB_BAD_INPUT, "threads", "expected 1 to %d, found %zu", THREADS_MAX, threads);
    if (isa == NULL) return IB_OK;
    if (!ib__isa_parse(isa, &out->isa))
        return ib__fail(err, IB_BAD_INPUT, "isa", "expected ref, avx2 or avx512, found \"%.40s\"", isa);
    if (!ib__isa_available(out->isa))
        return ib__fail(err, IB_UNSUPPORTED, "isa", "this CPU or build cannot run %s", isa);
    return IB_OK;
}

char *ib__path_within(const char *folder, const char *path) {
    char here[4096];
    ib_buf text = {0};
    if (path[0] == '/') return strdup(path);
    if (folder[0] != '/') {
        if (getcwd(here, sizeof here) == NULL) return NULL;
        ib__buf_printf(&text, "%s/", here);
    }
    if (strcmp(folder, ".") != 0) ib__buf_printf(&text, "%s/", folder);
    ib__buf_text(&text, path);
    if (!text.failed) return text.data;
    ib__buf_free(&text);
    return NULL;
}

static ib_status add_input(ib_task *task, const char *field, const char *path, const ib_digest *digest,
                           ib_error *err) {
    if (!ib__grow(&task->inputs, &task->inputs_capacity, task->n_inputs + 1, sizeof *task->inputs))
        return ib__fail_memory(err);
    ib_input_file *input = &task->inputs[task->n_inputs++];
    *input = (ib_input_file){strdup(field), ib__path_within(".", path), *digest};
    return input->field != NULL && input->path != NULL ? IB_OK : ib__fail_memory(err);
}

static ib_status add_inputs(ib_task *task, const ib_dataset *data, ib_error *err) {
    const ib_data_file *file;
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && (file = ib__dataset_file(data, i)) != NULL; i++) {
        ib_buf field = {0};
        ib__buf_printf(&field, "%s.%s", ib__dataset_place(data), file->place);
        status =
            field.failed ? ib__fail_memory(err) : add_input(task, field.data, file->path, &file->digest, err);
        ib__buf_free(&field);
    }
    return status;
}

/* provided: data that are there already, or NULL. */
static ib_status open_data(ib_task *task, const ib_provided *provided, ib_error *err) {
    const ib_experiment *e = task->experiment;
    ib_part *parts[3] = {&task->train, &task->validation, &task->test};
    for (size_t i = 0; i < 2 && provided != NULL; i++)
        task->data[i] = provided->data[i];
    for (size_t i = 0; i < 3; i++) {
        const ib_value *entry = ib__experiment_data(e, part_names[i]);
        if (entry == NULL) continue;
        ib_status status = IB_OK;
        if (task->data[i] == NULL)
            status = ib__dataset_open(&task->data[i], entry, e->name, part_places[i], e->folder,
                                      (uint64_t)e->seed, 0, err);
        if (status == IB_OK) status = add_inputs(task, task->data[i], err);
        if (status != IB_OK) return status;
        *parts[i] = ib__part_whole(task->data[i]);
    }
    return IB_OK;
}

static ib_status split_validation(ib_task *task, ib_error *err) {
    double split = task->experiment->fit.validation_split;
    if (split == 0) return IB_OK;
    task->validation = task->train;
    ib_status status = ib__part_split(&task->validation, split, true, task->experiment->name, err);
    return status == IB_OK ? ib__part_split(&task->train, split, false, task->experiment->name, err) : status;
}

/* Content instead of path: {npz: mnist5k.npz} becomes {npz: "sha256:..."}. */
static bool put_digest(ib_value *canonical, const char *field, const ib_digest *digest) {
    char text[72] = "sha256:";
    ib__digest_hex(text + 7, digest);
    return ib__value_put(canonical, field, ib__value_string(text));
}

/* A copy of `fit` without what changes no bit. NULL: no memory. */
static ib_value *canonical_fit(const ib_value *fit) {
    ib_value *copy = ib__value_map();
    bool good = copy != NULL;
    for (size_t i = 0; good && i < fit->count; i++)
        if (strcmp(fit->keys[i], "audit_every") != 0)
            good = ib__value_set(copy, fit->keys[i], ib__value_copy(fit->items[i]));
    if (good) return copy;
    ib__value_free(copy);
    return NULL;
}

/* The part of the experiment that its result is a function of: no name, notes or goal, no callbacks that only
 * write, files by content. */
static ib_status make_canonical(ib_task *task, ib_error *err) {
    static const char *const fields[] = {"isobit", "seed",    "model", "initial_weights",
                                         "adapt",  "compile", "data",  "fit"};
    const ib_value *tree = task->experiment->tree;
    task->canonical = ib__value_map();
    bool good = task->canonical != NULL;
    for (size_t i = 0; good && i < sizeof fields / sizeof *fields; i++) {
        const ib_value *value = ib__value_get(tree, fields[i]);
        if (value != NULL && value->kind != IB_NULL)
            good =
                ib__value_set(task->canonical, fields[i],
                              strcmp(fields[i], "fit") == 0 ? canonical_fit(value) : ib__value_copy(value));
    }
    if (good) {
        ib_value *callbacks = ib__callbacks_canonical(ib__value_get(tree, "callbacks"));
        if (ib__value_is(callbacks, IB_NULL))
            ib__value_free(callbacks);
        else
            good = ib__value_set(task->canonical, "callbacks", callbacks);
    }
    for (size_t i = 0; good && i < task->n_inputs; i++)
        good = put_digest(task->canonical, task->inputs[i].field, &task->inputs[i].digest);
    ib_buf text = {0};
    good = good && ib__json_write(&text, task->canonical, IB_JSON_CANONICAL);
    if (good) task->digest = ib__sha256(text.data, text.length);
    ib__buf_free(&text);
    return good ? IB_OK : ib__fail_memory(err);
}

/* A model from a file: the file is an input, and a .keras file brings its weights. known: the file's digest,
 * or NULL. */
static ib_status note_model_file(ib_task *task, const ib_digest *known, bool *has_weights, ib_error *err) {
    static const char *const keys[] = {"keras", "config"};
    static const char *const places[] = {"model.keras", "model.config"};
    const ib_value *entry = ib__value_get(task->experiment->tree, "model");
    for (size_t i = 0; i < 2; i++) {
        const ib_value *file = ib__value_get(entry, keys[i]);
        if (!ib__value_is(file, IB_STRING)) continue;
        *has_weights = i == 0;
        char *path = ib__path_within(task->experiment->folder, file->string);
        if (path == NULL) return ib__fail_memory(err);
        ib_digest digest;
        ib_status status = IB_OK;
        if (known != NULL)
            digest = *known;
        else
            status = ib__sha256_file(&digest, path, err);
        if (status == IB_OK) status = add_input(task, places[i], path, &digest, err);
        free(path);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

/* A compiled .keras file goes on where it was saved: with its loss, its optimizer and the optimizer's state.
 */
static ib_status load_compiled(ib_task *task, const char *file, ib_error *err) {
    char *path = ib__path_within(task->experiment->folder, file);
    if (path == NULL) return ib__fail_memory(err);
    ib_status status = ib__keras_load(&task->model, path, true, err);
    free(path);
    return status;
}

/* Weights from a file of their own, which is an input. */
static ib_status load_weights(ib_task *task, const char *file, ib_error *err) {
    ib_digest digest;
    char *path = ib__path_within(task->experiment->folder, file);
    if (path == NULL) return ib__fail_memory(err);
    ib_status status = ib__weights_load(task->model, path, err);
    if (status == IB_OK) status = ib__sha256_file(&digest, path, err);
    if (status == IB_OK) status = add_input(task, "initial_weights.file", path, &digest, err);
    free(path);
    return status;
}

static ib_status initialize(ib_task *task, bool has_weights, ib_error *err) {
    const ib_experiment *e = task->experiment;
    const ib_value *given = ib__value_get(e->tree, "initial_weights");
    const ib_value *file = ib__value_get(given, "file");
    if (ib__value_is(file, IB_STRING)) return load_weights(task, file->string, err);
    if (!ib__value_is(given, IB_MAP) && has_weights) return IB_OK;
    if (has_weights) {
        char where[256];
        ib__experiment_where(where, e->name, given, "initial_weights");
        return ib__fail(err, IB_BAD_INPUT, where, "expected none, for model.keras brings its weights");
    }
    if (e->weights_as_keras) return ib__model_initialize_as_keras(task->model, e->weights_seed, err);
    int64_t seed = ib__value_is(given, IB_MAP) ? e->weights_seed : e->seed;
    return ib__model_initialize(task->model, (uint64_t)seed, err);
}

static ib_status take_model(ib_task *task, const ib_provided *provided, ib_error *err) {
    bool has_weights;
    task->model = provided->model;
    task->borrowed = true;
    ib_status status = note_model_file(task, &provided->file, &has_weights, err);
    return status == IB_OK ? initialize(task, true, err) : status;
}

static ib_status build_model(ib_task *task, ib_error *err) {
    const ib_experiment *e = task->experiment;
    const ib_value *entry = ib__value_get(e->tree, "model"), *compile = ib__value_get(e->tree, "compile");
    char where[256];
    bool has_weights = false;
    ib_samples samples = ib__part_samples(&task->train);
    ib_shape input = samples.shapes[0];
    ib_status status = note_model_file(task, NULL, &has_weights, err);
    if (status != IB_OK) return status;
    ib__experiment_where(where, e->name, entry, "model");
    const ib_value *keras = ib__value_get(entry, "keras");
    if (compile == NULL && ib__value_is(keras, IB_STRING))
        status = load_compiled(task, keras->string, err);
    else
        status = ib__model_from_experiment(&task->model, entry, &input, e->folder, where, err);
    if (status == IB_OK) status = initialize(task, has_weights, err);
    if (status != IB_OK) return status;
    ib__experiment_where(where, e->name, compile, "compile");
    if (compile != NULL) return ib__model_compile(task->model, compile, where, err);
    if (!task->model->compiled)
        return ib__fail(err, IB_BAD_INPUT, where, "this field is required, found none");
    return IB_OK;
}

static ib_status check_parts(ib_task *task, ib_error *err) {
    ib_part *parts[3] = {&task->train, &task->validation, &task->test};
    for (size_t i = 0; i < 3; i++) {
        if (parts[i]->data == NULL) continue;
        char where[256];
        ib__experiment_where(where, task->experiment->name, NULL, ib__part_place(parts[i]));
        ib_status status = ib__part_check_targets(task->model, parts[i], where, err);
        if (status == IB_OK) status = ib__part_check(task->model, parts[i], err);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

/* The model anew, as its config says after adapting. */
static ib_status make_anew(ib_task *task, ib_error *err) {
    const ib_experiment *e = task->experiment;
    const ib_value *compile = ib__value_get(e->tree, "compile");
    char where[256];
    ib_model *model = NULL;
    ib__experiment_where(where, e->name, compile, "compile");
    ib_status status = ib__model_again(&model, task->model, e->name, err);
    if (status != IB_OK) return status;
    ib__model_free(task->model);
    task->model = model;
    status = initialize(task, false, err);
    return status == IB_OK ? ib__model_compile(model, compile, where, err) : status;
}

static ib_status adapt(ib_task *task, ib_error *err) {
    bool changed = false;
    ib_status status = ib__adapt(task, IB_ADAPT_CONFIGS, &changed, err);
    if (status == IB_OK && changed) status = make_anew(task, err);
    if (status == IB_OK && changed) status = check_parts(task, err);
    return status == IB_OK ? ib__adapt(task, IB_ADAPT_WEIGHTS, &changed, err) : status;
}

/* Metrics are made by each trainer; here their names are tried, while their place in the file is known. */
static ib_status check_metrics(const ib_task *task, ib_error *err) {
    const ib_model *model = task->model;
    ib_samples data = ib__part_samples(&task->train);
    ib_ports ports;
    ib_shape *targets = calloc(model->n_outputs + 1, sizeof *targets);
    if (targets == NULL) return ib__fail_memory(err);
    ib_status status = ib__ports_match(&ports, model, data.names, data.n, ib__part_place(&task->train), err);
    if (status == IB_OK) status = ib__target_shapes(model, &data, &ports, targets, err);
    if (status == IB_OK) {
        ib_scores scores;
        status = ib__scores_new(&scores, model, targets, task->experiment->name, err);
        ib__scores_free(&scores);
    }
    ib__ports_free(&ports);
    free(targets);
    return status;
}

ib_status ib__task_open(ib_task **out, const ib_experiment *experiment, ib_error *err) {
    return ib__task_open_provided(out, experiment, NULL, err);
}

ib_status ib__task_open_provided(ib_task **out, const ib_experiment *experiment, const ib_provided *provided,
                                 ib_error *err) {
    ib_task *task = calloc(1, sizeof *task);
    if (task == NULL) {
        for (size_t i = 0; i < 2 && provided != NULL; i++)
            ib__dataset_free(provided->data[i]);
        return ib__fail_memory(err);
    }
    task->experiment = experiment;
    ib_status status = open_data(task, provided, err);
    if (status == IB_OK) status = split_validation(task, err);
    if (status == IB_OK) status = provided != NULL ? take_model(task, provided, err) : build_model(task, err);
    if (status == IB_OK) status = check_parts(task, err);
    if (status == IB_OK) status = adapt(task, err);
    if (status == IB_OK) status = check_metrics(task, err);
    if (status == IB_OK) status = make_canonical(task, err);
    if (status == IB_OK)
        *out = task;
    else
        ib__task_free(task);
    return status;
}

void ib__task_free(ib_task *task) {
    if (task == NULL) return;
    for (size_t i = 0; i < 3; i++)
        ib__dataset_free(task->data[i]);
    for (size_t i = 0; i < task->n_inputs; i++) {
        free(task->inputs[i].field);
        free(task->inputs[i].path);
    }
    free(task->inputs);
    if (!task->borrowed) ib__model_free(task->model);
    ib__value_free(task->canonical);
    free(task);
}
