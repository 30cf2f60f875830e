/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing run directories.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/data_report.h"
#include "run/env.h"
#include "run/git.h"
#include "run/lock_text.h"
#include "run/page.h"
#include "run/record.h"

static const char *const files[] = {"model.keras", "history.csv",      "steps",
                                    "tensors",     "environment.lock", "Dockerfile",
                                    "git.diff",    "report.html",      "record.json"};

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

ib_value *ib__record_results(const ib_task *task, const ib_trace *trace) {
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
    if (good && trace->confusion.classes > 0)
        good = ib__value_set(map, "confusion", ib__matrix_value(&trace->confusion));
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

/* {audited, repaired: [step]}: steps that were computed twice, and those whose two results differed. */
static ib_value *audits_value(const ib_session *session) {
    ib_value *map = ib__value_map(), *list = ib__value_list();
    bool good = map != NULL && list != NULL &&
                ib__value_set(map, "audited", ib__value_int((int64_t)session->audited));
    for (size_t i = 0; good && i < session->n_repairs; i++)
        good = ib__value_add(list, ib__value_int((int64_t)session->repairs[i].step));
    if (map == NULL)
        ib__value_free(list);
    else
        good = ib__value_set(map, "repaired", list) && good;
    if (good) return map;
    ib__value_free(map);
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
        ib__value_set(map, "data", ib__data_report(task)) &&
        ib__value_set(map, "git_commit",
                      ib__env_commit(commit, e->folder) ? ib__value_string(commit) : ib__value_null()) &&
        ib__value_set(map, "environment", environment_value(runtime, runtime->threads)) &&
        ib__value_set(map, "timing", timing_value(session, trace)) &&
        ib__value_set(map, "resumed", resumed_value(session)) &&
        ib__value_set(map, "self_audit", audits_value(session)) &&
        ib__value_set(map, "results", ib__record_results(task, trace));
    free(folder);
    if (good) return map;
    ib__value_free(map);
    return NULL;
}

/* Whether tracked files around the experiment were changed, and the digest of the patch (in git.diff). */
static bool put_git(ib_value *record, bool known, const ib_buf *patch) {
    bool dirty = known && patch->length > 0;
    if (!ib__value_set(record, "git_dirty", known ? ib__value_bool(dirty) : ib__value_null())) return false;
    ib_digest digest = ib__sha256(patch->data, dirty ? patch->length : 0);
    return !dirty || put_digest(record, "git_diff_sha256", &digest);
}

/* As Keras's CSVLogger: epochs from 0, rows end in CRLF, numbers as Python prints them. */
bool ib__record_history(const ib_trace *trace, ib_buf *out) {
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

static ib_status write_model(const char *run, const ib_task *task, ib_error *err) {
    char *path = ib__path_join(run, "model.keras");
    ib_status status = path == NULL ? ib__fail_memory(err) : ib__keras_save(task->model, path, err);
    free(path);
    return status;
}

static ib_status write_git(const char *run, ib_buf *patch, ib_error *err) {
    if (patch->length == 0) return IB_OK;
    return write_text(run, "git.diff", patch, err);
}

static ib_status write_all(const char *run, const ib_task *task, const ib_trace *trace,
                           const ib_value *record, ib_buf *patch, ib_error *err) {
    ib_buf text = {0};
    char when[32];
    ib__utc_now(when);
    ib_status status = write_model(run, task, err);
    if (status == IB_OK) ib__record_history(trace, &text);
    if (status == IB_OK) status = write_text(run, "history.csv", &text, err);
    if (status == IB_OK) ib__trace_print_steps(trace, &text);
    if (status == IB_OK) status = write_text(run, "steps", &text, err);
    if (status == IB_OK) ib__trace_print_tensors(trace, &text);
    if (status == IB_OK) status = write_text(run, "tensors", &text, err);
    if (status == IB_OK) status = ib__lock_write(run, when, err);
    if (status == IB_OK) status = write_git(run, patch, err);
    if (status == IB_OK) status = ib__page_write(run, record, trace, err);
    if (status == IB_OK && (!ib__json_write(&text, record, IB_JSON_INDENT) || !ib__buf_text(&text, "\n")))
        status = ib__fail_memory(err);
    if (status == IB_OK) status = write_text(run, "record.json", &text, err);
    ib__buf_free(&text);
    return status;
}

/* What the record holds and what git says. git looks at the work tree while this process looks for packages:
 * nothing is written meanwhile, for the run may lie in that tree. */
static ib_status gather(ib_value **record, ib_buf *patch, const ib_task *task, const ib_trace *trace,
                        const ib_runtime *runtime, const ib_session *session, ib_error *err) {
    char commit[65];
    const char *folder = task->experiment->folder;
    bool known = ib__env_commit(commit, folder);
    ib_spawned git = known ? ib__git_diff_begin(folder) : (ib_spawned){.child = -1};
    *record = record_value(task, trace, runtime, session);
    ib_status status = ib__lock_prepare(err);
    known = ib__git_diff_end(&git, patch) && known;
    bool good = *record != NULL && put_git(*record, known, patch);
    return status != IB_OK || good ? status : ib__fail_memory(err);
}

/* A run is there when its record is: the record comes last, and a failure takes the other files away. */
ib_status ib__record_write(const char *run, const ib_task *task, const ib_trace *trace,
                           const ib_runtime *runtime, const ib_session *session, ib_error *err) {
    ib_buf patch = {0};
    ib_value *record = NULL;
    ib_status status = gather(&record, &patch, task, trace, runtime, session, err);
    if (status == IB_OK) status = write_all(run, task, trace, record, &patch, err);
    for (size_t i = 0; status != IB_OK && i < sizeof files / sizeof *files; i++) {
        char *path = ib__path_join(run, files[i]);
        if (path != NULL) ib__file_remove(path, NULL);
        free(path);
    }
    ib__value_free(record);
    ib__buf_free(&patch);
    return status;
}
