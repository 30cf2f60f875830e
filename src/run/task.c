/* SPDX-License-Identifier: Apache-2.0
 *
 * From an experiment to data and a model that fit each other, and to the canonical form that is hashed.
 */
#include "run/scores.h"
#include "run/task.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/callbacks.h"

#define THREADS_MAX 1024

static const char *const part_names[3] = {"train", "validation", "test"};
static const char *const part_places[3] = {"data.train", "data.validation", "data.test"};
static const char *const npz_places[3] = {"data.train.npz", "data.validation.npz", "data.test.npz"};
static const char *const csv_places[3] = {"data.train.csv", "data.validation.csv", "data.test.csv"};

ib_status ib__runtime_init(ib_runtime *out, size_t threads, const char *isa, ib_error *err) {
    *out = (ib_runtime){.threads = threads, .isa = ib__isa_default()};
    cpu_set_t set;
    if (threads == 0)
        out->threads = sched_getaffinity(0, sizeof set, &set) == 0 ? (size_t)CPU_COUNT(&set) : 1;
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
    ib_input_file *input = &task->inputs[task->n_inputs];
    input->path = ib__path_within(".", path);
    if (input->path == NULL) return ib__fail_memory(err);
    input->field = field;
    input->digest = *digest;
    task->n_inputs++;
    return IB_OK;
}

static ib_status open_data(ib_task *task, ib_error *err) {
    const ib_experiment *e = task->experiment;
    ib_part *parts[3] = {&task->train, &task->validation, &task->test};
    for (size_t i = 0; i < 3; i++) {
        const ib_value *entry = ib__experiment_data(e, part_names[i]);
        if (entry == NULL) continue;
        ib_source *source = &task->sources[i];
        ib_status status = ib__source_read(source, entry, e->name, part_places[i], e->folder, err);
        if (status != IB_OK) return status;
        *parts[i] = (ib_part){source, part_places[i], 0, (size_t)source->x.shape.dims[0]};
        bool npz = ib__value_get(entry, "npz") != NULL;
        status = add_input(task, npz ? npz_places[i] : csv_places[i], source->file, &source->digest, err);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

ib_status ib__part_split(ib_part *part, double split, bool tail, const char *name, ib_error *err) {
    size_t n = part->count, cut = (size_t)floor((double)n * (1.0 - split));
    if (cut == 0 || cut == n) {
        char where[256];
        ib__experiment_where(where, name, NULL, "fit.validation_split");
        return ib__fail(
            err, IB_BAD_INPUT, where,
            "%zu samples are cut in %zu to train and %zu to validate; expected at least one of each", n, cut,
            n - cut);
    }
    if (tail) part->first += cut;
    part->count = tail ? n - cut : cut;
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
static bool put_digest(ib_value *map, const char *key, const ib_digest *digest) {
    char text[72] = "sha256:";
    ib__digest_hex(text + 7, digest);
    return ib__value_set(map, key, ib__value_string(text));
}

/* The part of the experiment that its result is a function of: no name, notes or goal, no callbacks that only
 * write, files by content. */
static ib_status make_canonical(ib_task *task, ib_error *err) {
    static const char *const fields[] = {"isobit", "seed", "model", "compile", "data", "fit"};
    const ib_value *tree = task->experiment->tree;
    task->canonical = ib__value_map();
    bool good = task->canonical != NULL;
    for (size_t i = 0; good && i < sizeof fields / sizeof *fields; i++) {
        const ib_value *value = ib__value_get(tree, fields[i]);
        if (value != NULL) good = ib__value_set(task->canonical, fields[i], ib__value_copy(value));
    }
    if (good) {
        ib_value *callbacks = ib__callbacks_canonical(ib__value_get(tree, "callbacks"));
        if (ib__value_is(callbacks, IB_NULL))
            ib__value_free(callbacks);
        else
            good = ib__value_set(task->canonical, "callbacks", callbacks);
    }
    for (size_t i = 0; good && i < task->n_inputs; i++) {
        char part[64];
        snprintf(part, sizeof part, "%s", task->inputs[i].field);
        char *key = strrchr(part, '.');
        *key++ = '\0';
        ib_value *map = ib__value_get(task->canonical, part);
        if (map == NULL) map = ib__value_get(ib__value_get(task->canonical, "data"), strchr(part, '.') + 1);
        good = put_digest(map, key, &task->inputs[i].digest);
    }
    ib_buf text = {0};
    good = good && ib__json_write(&text, task->canonical, IB_JSON_CANONICAL);
    if (good) task->digest = ib__sha256(text.data, text.length);
    ib__buf_free(&text);
    return good ? IB_OK : ib__fail_memory(err);
}

/* A model from a file: the file is an input, and a .keras file brings its weights. */
static ib_status note_model_file(ib_task *task, bool *has_weights, ib_error *err) {
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
        ib_status status = ib__sha256_file(&digest, path, err);
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

static ib_status build_model(ib_task *task, ib_error *err) {
    const ib_experiment *e = task->experiment;
    const ib_value *entry = ib__value_get(e->tree, "model"), *compile = ib__value_get(e->tree, "compile");
    char where[256];
    bool has_weights = false;
    ib_shape input = task->sources[0].x.shape;
    input.dims[0] = -1;
    ib_status status = note_model_file(task, &has_weights, err);
    if (status != IB_OK) return status;
    ib__experiment_where(where, e->name, entry, "model");
    const ib_value *keras = ib__value_get(entry, "keras");
    if (compile == NULL && ib__value_is(keras, IB_STRING))
        status = load_compiled(task, keras->string, err);
    else
        status = ib__model_from_experiment(&task->model, entry, &input, e->folder, where, err);
    if (status == IB_OK && !has_weights) status = ib__model_initialize(task->model, (uint64_t)e->seed, err);
    if (status != IB_OK) return status;
    ib__experiment_where(where, e->name, compile, "compile");
    if (compile != NULL) return ib__model_compile(task->model, compile, where, err);
    if (!task->model->compiled)
        return ib__fail(err, IB_BAD_INPUT, where, "this field is required, found none");
    return IB_OK;
}

ib_samples ib__part_samples(const ib_part *part) {
    ib_samples s = {.n = 1, .names = {"x", "y"}, .fields = {&part->source->x, &part->source->y}};
    if (part->source->y.data != NULL) s.n = 2;
    return s;
}

/* Class numbers come as integers or as floats that hold integers. */
static ib_status check_labels(const ib_part *part, const ib_tensor *y, const char *field, int64_t classes,
                              ib_error *err) {
    size_t per_sample = (size_t)ib__shape_elements(&y->shape) / (size_t)y->shape.dims[0];
    for (size_t i = part->first * per_sample; i < (part->first + part->count) * per_sample; i++) {
        double label = ib__tensor_at(y, i);
        if (label >= 0 && label < (double)classes && label == floor(label)) continue;
        char where[256], number[32];
        ib__double_print(number, label);
        snprintf(where, sizeof where, "%.160s, %s.%.40s[%zu]", part->source->file, part->place, field,
                 i / per_sample);
        return ib__fail(err, IB_BAD_INPUT, where, "expected a class from 0 to %lld, found %s",
                        (long long)classes - 1, number);
    }
    return IB_OK;
}

ib_status ib__target_shapes(const ib_model *model, const ib_samples *data, const ib_ports *ports,
                            ib_shape *out, ib_error *err) {
    for (size_t i = 0; i < model->n_outputs; i++) {
        const ib_shape output = model->tensors[model->outputs[i]].shape;
        out[i] = output;
        if (model->ends[i].loss == NULL || ports->y[i] == IB_NO_FIELD) continue;
        ib_shape given = data->fields[ports->y[i]]->shape;
        given.dims[0] = -1;
        ib_type type;
        ib_status status = ib__loss_target(model->ends[i].loss, &output, &given, &type, &out[i], err);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

static ib_status check_input(const ib_model *model, size_t input, const ib_tensor *x, const char *where,
                             ib_error *err) {
    char wanted[128], found[128];
    ib_shape shape = x->shape;
    shape.dims[0] = -1;
    const ib_spec *spec = &model->tensors[model->inputs[input]];
    bool same = spec->shape.rank == shape.rank;
    for (int i = 1; same && i < shape.rank; i++)
        same = spec->shape.dims[i] == shape.dims[i] || spec->shape.dims[i] < 0;
    ib__shape_print(wanted, &spec->shape);
    ib__shape_print(found, &shape);
    if (!same)
        return ib__fail(err, IB_BAD_INPUT, where, "expected samples of shape %s, found %s", wanted, found);
    if (spec->type != IB_TYPE_F32 && (x->dtype == IB_F16 || x->dtype == IB_F32 || x->dtype == IB_F64))
        return ib__fail(err, IB_BAD_INPUT, where, "expected integers, found %s", ib__dtype_name(x->dtype));
    return IB_OK;
}

static ib_status check_target(const ib_model *model, size_t output, const ib_part *part, const ib_tensor *y,
                              const char *field, const char *where, ib_error *err) {
    const ib_loss *loss = model->ends[output].loss;
    const ib_shape *shape = &model->tensors[model->outputs[output]].shape;
    if (loss == NULL) return IB_OK;
    ib_type type;
    ib_shape given = y->shape, target;
    given.dims[0] = -1;
    ib_status status = ib__loss_target(loss, shape, &given, &type, &target, err);
    if (status != IB_OK) return ib__fail_within(err, status, where);
    int64_t classes = ib__loss_classes(loss, shape);
    return classes > 0 ? check_labels(part, y, field, classes, err) : IB_OK;
}

ib_status ib__part_check(const ib_model *model, const ib_part *part, ib_error *err) {
    char where[256];
    ib_samples data = ib__part_samples(part);
    ib_ports ports;
    snprintf(where, sizeof where, "%.160s, %s", part->source->file, part->place);
    ib_status status = ib__ports_match(&ports, model, data.names, data.n, where, err);
    if (status != IB_OK) return status;
    for (size_t i = 0; status == IB_OK && i < model->n_inputs; i++) {
        snprintf(where, sizeof where, "%.160s, %s.%.40s", part->source->file, part->place,
                 data.names[ports.x[i]]);
        status = check_input(model, i, data.fields[ports.x[i]], where, err);
    }
    for (size_t i = 0; status == IB_OK && i < model->n_outputs; i++) {
        if (ports.y[i] == IB_NO_FIELD) continue;
        const char *field = data.names[ports.y[i]];
        snprintf(where, sizeof where, "%.160s, %s.%.40s", part->source->file, part->place, field);
        status = check_target(model, i, part, data.fields[ports.y[i]], field, where, err);
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

static ib_status check_parts(ib_task *task, ib_error *err) {
    ib_part *parts[3] = {&task->train, &task->validation, &task->test};
    for (size_t i = 0; i < 3; i++) {
        if (parts[i]->source == NULL) continue;
        char where[256];
        ib__experiment_where(where, task->experiment->name, NULL, parts[i]->place);
        ib_status status = ib__part_check_targets(task->model, parts[i], where, err);
        if (status == IB_OK) status = ib__part_check(task->model, parts[i], err);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

/* Metrics are made by each trainer; here their names are tried, while their place in the file is known. */
static ib_status check_metrics(const ib_task *task, ib_error *err) {
    const ib_model *model = task->model;
    ib_samples data = ib__part_samples(&task->train);
    ib_ports ports;
    ib_shape *targets = calloc(model->n_outputs + 1, sizeof *targets);
    if (targets == NULL) return ib__fail_memory(err);
    ib_status status = ib__ports_match(&ports, model, data.names, data.n, task->train.place, err);
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
    ib_task *task = calloc(1, sizeof *task);
    if (task == NULL) return ib__fail_memory(err);
    task->experiment = experiment;
    ib_status status = open_data(task, err);
    if (status == IB_OK) status = split_validation(task, err);
    if (status == IB_OK) status = build_model(task, err);
    if (status == IB_OK) status = check_parts(task, err);
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
        ib__source_free(&task->sources[i]);
    for (size_t i = 0; i < task->n_inputs; i++)
        free(task->inputs[i].path);
    ib__model_free(task->model);
    ib__value_free(task->canonical);
    free(task);
}
