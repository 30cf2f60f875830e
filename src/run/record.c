/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing and reading run directories.
 */
#include "run/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "run/env.h"

/* ---- Writing ---- */

static const char *const files[] = {"model.keras", "history.csv", "steps", "tensors", "record.json"};

bool ib__record_complete(const char *run) {
    char *path = ib__path_join(run, "record.json");
    bool complete = path != NULL && ib__file_exists(path);
    free(path);
    return complete;
}

static ib_status check_free(const char *run, bool resume, ib_error *err) {
    size_t *steps, n;
    if (ib__record_complete(run))
        return ib__fail(err, IB_BAD_INPUT, run, "expected a new folder, found a run (record.json)");
    ib_status status = ib__checkpoint_steps(&steps, &n, run, err);
    if (status == IB_OK && n > 0 && !resume)
        status = ib__fail(err, IB_BAD_INPUT, run,
                          "expected a new folder, found a run that was stopped at step %zu; --resume goes on",
                          steps[n - 1]);
    free(steps);
    return status;
}

ib_status ib__record_prepare(const char *run, bool resume, bool *made, ib_lock **lock, ib_error *err) {
    *made = !ib__file_exists(run);
    *lock = NULL;
    ib_status status = ib__folder_check_writable(run, err);
    char *path = ib__path_join(run, "lock");
    if (status == IB_OK && path == NULL) status = ib__fail_memory(err);
    if (status == IB_OK) status = ib__lock_take(lock, path, "the run's folder", err);
    if (status == IB_OK) status = check_free(run, resume, err);
    if (status == IB_OK) status = ib__checkpoint_clean(run, err);
    free(path);
    if (status != IB_OK) {
        ib__record_release(run, *made, *lock);
        *lock = NULL;
    }
    return status;
}

void ib__record_release(const char *run, bool made, ib_lock *lock) {
    ib__lock_release(lock);
    if (made) rmdir(run);
}

static bool put_digest(ib_value *map, const char *key, const ib_digest *digest) {
    char hex[65];
    ib__digest_hex(hex, digest);
    return ib__value_set(map, key, ib__value_string(hex));
}

static ib_value *inputs_value(const ib_task *task) {
    ib_value *list = ib__value_list();
    bool good = list != NULL;
    for (size_t i = 0; good && i < task->n_inputs; i++) {
        ib_value *item = ib__value_map();
        good = item != NULL && ib__value_set(item, "field", ib__value_string(task->inputs[i].field)) &&
               ib__value_set(item, "path", ib__value_string(task->inputs[i].path)) &&
               put_digest(item, "sha256", &task->inputs[i].digest);
        good = ib__value_add(list, item) && good;
    }
    if (good) return list;
    ib__value_free(list);
    return NULL;
}

/* {name: [value of each epoch]} */
static ib_value *history_value(const ib_trace *trace) {
    ib_value *map = ib__value_map();
    bool good = map != NULL;
    for (size_t i = 0; good && i < trace->n_names; i++) {
        ib_value *list = ib__value_list();
        good = ib__value_set(map, trace->names[i], list);
        for (size_t k = 0; good && k < trace->n_epochs; k++)
            good = ib__value_add(list, ib__value_real(trace->history[k * trace->n_names + i]));
    }
    if (good) return map;
    ib__value_free(map);
    return NULL;
}

static ib_value *results_value(const ib_task *task, const ib_trace *trace) {
    ib_value *map = ib__value_map(), *test = ib__value_map();
    int64_t parameters = 0;
    size_t n = ib__model_weights(task->model, NULL, false);
    ib_weight **weights = calloc(n + 1, sizeof(ib_weight *));
    bool good = map != NULL && test != NULL && weights != NULL;
    if (weights != NULL) ib__model_weights(task->model, weights, false);
    for (size_t i = 0; weights != NULL && i < n; i++)
        parameters += ib__shape_elements(&weights[i]->variable.shape);
    free(weights);
    for (size_t i = 0; good && i < trace->n_test; i++)
        good = ib__value_set(test, trace->test_names[i], ib__value_real(trace->test[i]));
    good = good && ib__value_set(map, "parameters", ib__value_int(parameters)) &&
           ib__value_set(map, "epochs", ib__value_int((int64_t)trace->n_epochs)) &&
           ib__value_set(map, "steps", ib__value_int((int64_t)trace->n_steps - 1)) &&
           ib__value_set(map, "history", history_value(trace));
    if (map == NULL)
        ib__value_free(test);
    else
        good = ib__value_set(map, "test", test) && good;
    if (good) return map;
    ib__value_free(map);
    return NULL;
}

static ib_value *environment_value(const ib_runtime *runtime, size_t threads) {
    ib_value *env = ib__env(), *used = ib__value_map();
    bool good = used != NULL && ib__value_set(used, "isa", ib__value_string(ib__isa_name(runtime->isa))) &&
                ib__value_set(used, "threads", ib__value_int((int64_t)threads));
    if (env == NULL)
        ib__value_free(used);
    else
        good = ib__value_set(env, "used", used) && good;
    if (good && env != NULL) return env;
    ib__value_free(env);
    return NULL;
}

static ib_value *timing_value(const ib_session *session, const ib_trace *trace) {
    ib_value *map = ib__value_map(), *epochs = ib__value_list();
    bool good = map != NULL && epochs != NULL;
    for (size_t i = 0; good && i < trace->n_epochs; i++)
        good = ib__value_add(epochs, ib__value_real(trace->seconds[i]));
    good = good && ib__value_set(map, "started", ib__value_string(session->started)) &&
           ib__value_set(map, "seconds", ib__value_real(session->seconds));
    if (map == NULL)
        ib__value_free(epochs);
    else
        good = ib__value_set(map, "epochs", epochs) && good;
    if (good) return map;
    ib__value_free(map);
    return NULL;
}

/* [{step, when}]: where and when training went on after it had been stopped. */
static ib_value *resumed_value(const ib_session *session) {
    ib_value *list = ib__value_list();
    bool good = list != NULL;
    for (size_t i = 0; good && i < session->n_resumed; i++) {
        const ib_resumption *r = &session->resumed[i];
        ib_value *item = ib__value_map();
        good = item != NULL && ib__value_set(item, "step", ib__value_int((int64_t)r->step)) &&
               ib__value_set(item, "when", ib__value_string(r->when));
        good = ib__value_add(list, item) && good;
    }
    if (good) return list;
    ib__value_free(list);
    return NULL;
}

static ib_value *record_value(const ib_task *task, const ib_trace *trace, const ib_runtime *runtime,
                              const ib_session *session) {
    const ib_experiment *e = task->experiment;
    ib_value *map = ib__value_map();
    char commit[65];
    char *folder = ib__path_within(".", e->folder);
    const ib_value *goal = ib__value_get(e->tree, "goal");
    bool good =
        map != NULL && folder != NULL && ib__value_set(map, "isobit_record", ib__value_int(1)) &&
        put_digest(map, "result", &trace->result) &&
        ib__value_set(map, "contract", ib__value_int(IB_CONTRACT_VERSION)) &&
        ib__value_set(map, "goal", ib__value_copy(goal)) &&
        ib__value_set(map, "seed", ib__value_int(e->seed)) &&
        ib__value_set(map, "seed_drawn", ib__value_bool(e->seed_drawn)) &&
        ib__value_set(map, "experiment", ib__value_copy(e->tree)) &&
        put_digest(map, "experiment_sha256", &task->digest) &&
        ib__value_set(map, "file", ib__value_string(e->name)) &&
        ib__value_set(map, "folder", ib__value_string(folder)) &&
        ib__value_set(map, "inputs", inputs_value(task)) &&
        ib__value_set(map, "git_commit",
                      ib__env_commit(commit, e->folder) ? ib__value_string(commit) : ib__value_null()) &&
        ib__value_set(map, "environment", environment_value(runtime, runtime->threads)) &&
        ib__value_set(map, "timing", timing_value(session, trace)) &&
        ib__value_set(map, "resumed", resumed_value(session)) &&
        ib__value_set(map, "results", results_value(task, trace));
    free(folder);
    if (good) return map;
    ib__value_free(map);
    return NULL;
}

/* As Keras's CSVLogger: epochs from 0, rows end in CRLF, numbers as Python prints them. */
static bool print_history(const ib_trace *trace, ib_buf *out) {
    ib__buf_text(out, "epoch");
    for (size_t i = 0; i < trace->n_names; i++)
        ib__buf_printf(out, ",%s", trace->names[i]);
    ib__buf_text(out, "\r\n");
    for (size_t k = 0; k < trace->n_epochs; k++) {
        ib__buf_printf(out, "%zu", k);
        for (size_t i = 0; i < trace->n_names; i++) {
            double value = trace->history[k * trace->n_names + i];
            char number[32];
            ib__number_python(number, value);
            ib__buf_printf(out, ",%s", number);
        }
        ib__buf_text(out, "\r\n");
    }
    return !out->failed;
}

static ib_status write_text(const char *run, const char *name, ib_buf *text, ib_error *err) {
    char *path = ib__path_join(run, name);
    ib_status status = path == NULL || text->failed ? ib__fail_memory(err)
                                                    : ib__file_write(path, text->data, text->length, err);
    free(path);
    ib__buf_free(text);
    return status;
}

static ib_status write_all(const char *run, const ib_task *task, const ib_trace *trace,
                           const ib_runtime *runtime, const ib_session *session, ib_error *err) {
    ib_buf text = {0};
    char *model = ib__path_join(run, files[0]);
    ib_status status = model == NULL ? ib__fail_memory(err) : ib__keras_save(task->model, model, err);
    free(model);
    if (status != IB_OK) return status;
    print_history(trace, &text);
    status = write_text(run, files[1], &text, err);
    if (status != IB_OK) return status;
    ib__trace_print_steps(trace, &text);
    status = write_text(run, files[2], &text, err);
    if (status != IB_OK) return status;
    ib__trace_print_tensors(trace, &text);
    status = write_text(run, files[3], &text, err);
    if (status != IB_OK) return status;
    ib_value *record = record_value(task, trace, runtime, session);
    if (record == NULL || !ib__json_write(&text, record, IB_JSON_INDENT) || !ib__buf_text(&text, "\n"))
        status = ib__fail_memory(err);
    ib__value_free(record);
    if (status == IB_OK) status = write_text(run, files[4], &text, err);
    ib__buf_free(&text);
    return status;
}

/* A run is there when its record is: the record comes last, and a failure takes the other files away. */
ib_status ib__record_write(const char *run, const ib_task *task, const ib_trace *trace,
                           const ib_runtime *runtime, const ib_session *session, ib_error *err) {
    ib_status status = write_all(run, task, trace, runtime, session, err);
    for (size_t i = 0; status != IB_OK && i < sizeof files / sizeof *files; i++) {
        char *path = ib__path_join(run, files[i]);
        if (path != NULL) unlink(path);
        free(path);
    }
    return status;
}

/* ---- Reading ---- */

static ib_status read_text(const char *run, const char *name, ib_buf *text, char **path, ib_error *err) {
    *path = ib__path_join(run, name);
    return *path == NULL ? ib__fail_memory(err) : ib__file_read(text, *path, 0, err);
}

/* The fields that the rest relies on. */
static ib_status check_record(const ib_value *tree, const char *path, ib_error *err) {
    static const struct need {
        const char *key;
        ib_kind kind;
    } needs[] = {{"isobit_record", IB_INT},
                 {"result", IB_STRING},
                 {"contract", IB_INT},
                 {"experiment", IB_MAP},
                 {"file", IB_STRING},
                 {"folder", IB_STRING},
                 {"inputs", IB_LIST},
                 {"results", IB_MAP},
                 {"environment", IB_MAP},
                 {"timing", IB_MAP},
                 {"experiment_sha256", IB_STRING}};
    char where[256];
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        const ib_value *value = ib__value_get(tree, needs[i].key);
        if (ib__value_is(value, needs[i].kind)) continue;
        ib__experiment_where(where, path, value, needs[i].key);
        return ib__fail(err, IB_BAD_INPUT, where, "expected %s, found %s", ib__kind_name(needs[i].kind),
                        value == NULL ? "none" : ib__kind_name(value->kind));
    }
    int64_t version = ib__value_get(tree, "isobit_record")->integer;
    if (version == 1) return IB_OK;
    ib__experiment_where(where, path, ib__value_get(tree, "isobit_record"), "isobit_record");
    return ib__fail(err, IB_UNSUPPORTED, where, "expected version 1, found %lld", (long long)version);
}

static ib_status read_record(ib_record *r, const char *run, ib_error *err) {
    ib_buf text = {0};
    char *path = NULL;
    ib_status status = read_text(run, "record.json", &text, &path, err);
    if (status == IB_OK) status = ib__json_parse(&r->tree, text.data, text.length, path, err);
    if (status == IB_OK) status = check_record(r->tree, path, err);
    if (status == IB_OK && !ib__digest_parse(&r->trace.result, ib__value_get(r->tree, "result")->string))
        status = ib__fail(err, IB_BAD_INPUT, path, "result: expected 64 hex digits");
    free(path);
    ib__buf_free(&text);
    path = NULL;
    if (status == IB_OK) status = read_text(run, "steps", &text, &path, err);
    if (status == IB_OK) status = ib__trace_parse_steps(&r->trace, text.data, path, err);
    free(path);
    ib__buf_free(&text);
    path = NULL;
    if (status == IB_OK) status = read_text(run, "tensors", &text, &path, err);
    if (status == IB_OK) status = ib__trace_parse_tensors(&r->trace, text.data, path, err);
    free(path);
    ib__buf_free(&text);
    return status;
}

ib_status ib__record_read(ib_record **out, const char *run, ib_error *err) {
    ib_record *r = calloc(1, sizeof *r);
    if (r == NULL) return ib__fail_memory(err);
    r->folder = strdup(run);
    ib_status status = r->folder == NULL ? ib__fail_memory(err) : read_record(r, run, err);
    if (status == IB_OK)
        *out = r;
    else
        ib__record_free(r);
    return status;
}

void ib__record_free(ib_record *r) {
    if (r == NULL) return;
    ib__value_free(r->tree);
    ib__trace_free(&r->trace);
    free(r->folder);
    free(r);
}

const char *ib__record_input(const ib_record *r, const char *field, const char **path) {
    const ib_value *inputs = ib__value_get(r->tree, "inputs");
    for (size_t i = 0; i < inputs->count; i++) {
        const ib_value *item = inputs->items[i];
        const ib_value *file = ib__value_get(item, "path"), *hash = ib__value_get(item, "sha256");
        if (!ib__value_is_string(ib__value_get(item, "field"), field)) continue;
        if (!ib__value_is(file, IB_STRING) || !ib__value_is(hash, IB_STRING)) continue;
        if (path != NULL) *path = file->string;
        return hash->string;
    }
    return NULL;
}

/* Puts the path of each input into its field of the tree. */
static ib_status place_inputs(ib_value *tree, const ib_record *r, ib_error *err) {
    const ib_value *inputs = ib__value_get(r->tree, "inputs");
    for (size_t i = 0; i < inputs->count; i++) {
        const ib_value *name = ib__value_get(inputs->items[i], "field");
        const ib_value *path = ib__value_get(inputs->items[i], "path");
        if (!ib__value_is(name, IB_STRING) || !ib__value_is(path, IB_STRING)) continue;
        if (!ib__file_exists(path->string))
            return ib__fail(err, IB_IO, path->string, "%s of the run is not there any more", name->string);
        ib_value *value = ib__value_string(path->string);
        if (value == NULL) return ib__fail_memory(err);
        (void)ib__value_put(tree, name->string, value);
    }
    return IB_OK;
}

ib_status ib__record_experiment(ib_experiment **out, const ib_record *r, ib_error *err) {
    int64_t contract = ib__value_get(r->tree, "contract")->integer;
    if (contract != IB_CONTRACT_VERSION)
        return ib__fail(err, IB_UNSUPPORTED, r->folder,
                        "expected contract version %d of the arithmetic, found %lld", IB_CONTRACT_VERSION,
                        (long long)contract);
    ib_value *tree = ib__value_copy(ib__value_get(r->tree, "experiment"));
    if (tree == NULL) return ib__fail_memory(err);
    ib_status status = place_inputs(tree, r, err);
    if (status == IB_OK)
        status = ib__experiment_from_tree(out, tree, ib__value_get(r->tree, "file")->string,
                                          ib__value_get(r->tree, "folder")->string, err);
    ib__value_free(tree);
    return status;
}

/* ---- Checking ---- */

static bool same_results(const ib_record *r, const ib_task *task, const ib_trace *trace) {
    ib_value *results = results_value(task, trace);
    ib_buf a = {0}, b = {0};
    bool same = results != NULL && ib__json_write(&a, results, IB_JSON_CANONICAL) &&
                ib__json_write(&b, ib__value_get(r->tree, "results"), IB_JSON_CANONICAL) &&
                strcmp(a.data, b.data) == 0;
    ib__value_free(results);
    ib__buf_free(&a);
    ib__buf_free(&b);
    return same;
}

static bool same_history(const ib_record *r, const ib_trace *trace) {
    char *path = ib__path_join(r->folder, "history.csv");
    ib_buf file = {0}, wanted = {0};
    bool same = path != NULL && ib__file_read(&file, path, 0, NULL) == IB_OK &&
                print_history(trace, &wanted) && file.length == wanted.length &&
                memcmp(file.data, wanted.data, wanted.length) == 0;
    free(path);
    ib__buf_free(&file);
    ib__buf_free(&wanted);
    return same;
}

static bool same_weights(const ib_record *r, const ib_task *task) {
    char *path = ib__path_join(r->folder, "model.keras");
    ib_model *model = NULL;
    bool same = path != NULL && ib__keras_load(&model, path, false, NULL) == IB_OK;
    size_t n = ib__model_weights(task->model, NULL, false);
    ib_weight **a = calloc(2 * n + 1, sizeof(ib_weight *)), **b = a + n;
    same = same && a != NULL && ib__model_weights(model, NULL, false) == n;
    if (same) {
        ib__model_weights(task->model, a, false);
        ib__model_weights(model, b, false);
    }
    for (size_t i = 0; same && i < n; i++) {
        const ib_variable *x = &a[i]->variable, *y = &b[i]->variable;
        ib_digest p = ib__tensor_digest(&(ib_tensor){IB_F32, x->shape, x->data});
        ib_digest q = ib__tensor_digest(&(ib_tensor){IB_F32, y->shape, y->data});
        same = memcmp(&p, &q, sizeof p) == 0; /* of NaN alike, whichever it is */
    }
    free(a);
    free(path);
    ib__model_free(model);
    return same;
}

const char *ib__record_check(const ib_record *r, const ib_task *task, const ib_trace *trace) {
    if (!same_results(r, task, trace)) return "record.json (results)";
    if (!same_history(r, trace)) return "history.csv";
    return same_weights(r, task) ? NULL : "model.keras";
}
