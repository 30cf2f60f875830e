/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking hold of run directories, reading and checking them.
 */
#include "run/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "run/publish.h"

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

/* ---- Reading ---- */

static ib_status read_text(const char *run, const char *name, ib_buf *text, char **path, ib_error *err) {
    *path = ib__path_join(run, name);
    return *path == NULL ? ib__fail_memory(err) : ib__file_read(text, *path, 0, err);
}

ib_status ib__record_needs(const ib_value *tree, const char *path, const ib_need *needs, size_t n,
                           ib_error *err) {
    char where[256];
    for (size_t i = 0; i < n; i++) {
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

/* The fields that the rest relies on. */
static ib_status check_record(const ib_value *tree, const char *path, ib_error *err) {
    static const ib_need needs[] = {{"isobit_record", IB_INT},
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
    return ib__record_needs(tree, path, needs, sizeof needs / sizeof *needs, err);
}

/* A folder without record.json: what it is, if that can be told. */
static ib_status check_complete(const char *run, ib_error *err) {
    size_t *steps = NULL, n = 0;
    if (ib__record_complete(run)) return IB_OK;
    if (!ib__file_exists(run))
        return ib__fail(err, IB_IO, run, "expected the folder of a run, found nothing there");
    ib_status status = ib__checkpoint_steps(&steps, &n, run, NULL);
    if (status == IB_OK && n > 0)
        status = ib__fail(err, IB_BAD_INPUT, run,
                          "expected a complete run, found one that was stopped at step %zu or still trains; "
                          "isobit train --resume goes on",
                          steps[n - 1]);
    else
        status = ib__fail(err, IB_BAD_INPUT, run, "expected a run (record.json), found something else");
    free(steps);
    return status;
}

static ib_status read_record(ib_record *r, const char *run, ib_error *err) {
    ib_buf text = {0};
    char *path = NULL;
    ib_status status = check_complete(run, err);
    if (status == IB_OK) status = read_text(run, "record.json", &text, &path, err);
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

/* A published run brings its inputs: those are meant, wherever they were once. */
static ib_status find_bundled(const ib_record *r, ib_error *err) {
    const ib_value *inputs = ib__value_get(r->tree, "inputs");
    for (size_t i = 0; i < inputs->count; i++) {
        const ib_value *name = ib__value_get(inputs->items[i], "field");
        const ib_value *path = ib__value_get(inputs->items[i], "path");
        if (!ib__value_is(name, IB_STRING) || !ib__value_is(path, IB_STRING)) continue;
        if (strchr(name->string, '/') != NULL) continue;
        char *bundled = ib__bundle_input(r->folder, name->string, path->string);
        char *whole = bundled == NULL ? NULL : ib__path_within(".", bundled);
        bool good = whole != NULL && (!ib__file_exists(bundled) ||
                                      ib__value_set(inputs->items[i], "path", ib__value_string(whole)));
        free(bundled);
        free(whole);
        if (!good) return ib__fail_memory(err);
    }
    return IB_OK;
}

ib_status ib__record_read(ib_record **out, const char *run, ib_error *err) {
    ib_record *r = calloc(1, sizeof *r);
    if (r == NULL) return ib__fail_memory(err);
    r->folder = strdup(run);
    ib_status status = r->folder == NULL ? ib__fail_memory(err) : read_record(r, run, err);
    if (status == IB_OK) status = find_bundled(r, err);
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
    ib_value *results = ib__record_results(task, trace);
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
                ib__record_history(trace, &wanted) && file.length == wanted.length &&
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
