/* SPDX-License-Identifier: Apache-2.0
 *
 * Executions: start, wait, gather what was written down, hash the files.
 */
#include "hold/execute.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"

/* Larger files are recorded by size alone: hashing would take longer than a user expects of a record. */
#define HASH_LIMIT ((int64_t)4 << 30)

static int by_text(const void *a, const void *b) {
    return strcmp((*(ib_value *const *)a)->string, (*(ib_value *const *)b)->string);
}

static void sort_texts(ib_value *list) {
    if (list->count > 0) qsort(list->items, list->count, sizeof(ib_value *), by_text);
}

static bool holds_text(const ib_value *list, const ib_value *text) {
    return list != NULL && list->count > 0 &&
           bsearch(&text, list->items, list->count, sizeof(ib_value *), by_text) != NULL;
}

/* {path, sha256, bytes}; a file that is gone has null for both. */
static ib_value *file_value(const char *path) {
    ib_value *map = ib__value_map();
    struct stat st;
    ib_digest digest;
    char hex[65];
    bool there = stat(path, &st) == 0 && S_ISREG(st.st_mode);
    bool hashed = there && st.st_size <= HASH_LIMIT && ib__sha256_file(&digest, path, NULL) == IB_OK;
    if (hashed) ib__digest_hex(hex, &digest);
    bool good = map != NULL && ib__value_set(map, "path", ib__value_string(path)) &&
                ib__value_set(map, "sha256", hashed ? ib__value_string(hex) : ib__value_null()) &&
                ib__value_set(map, "bytes", there ? ib__value_int((int64_t)st.st_size) : ib__value_null());
    if (good) return map;
    ib__value_free(map);
    return NULL;
}

static bool is_device(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

/* The files of a sorted list, each once, without those of `without`. gone: files that are not there count,
 * too. */
static ib_value *files_value(const ib_value *list, const ib_value *without, bool gone) {
    ib_value *out = ib__value_list();
    bool good = out != NULL;
    for (size_t i = 0; good && i < list->count; i++) {
        const char *path = list->items[i]->string;
        struct stat st;
        if (i > 0 && strcmp(list->items[i - 1]->string, path) == 0) continue;
        if (holds_text(without, list->items[i]) || is_device(path)) continue;
        if (!gone && stat(path, &st) != 0) continue;
        good = ib__value_add(out, file_value(path));
    }
    if (good) return out;
    ib__value_free(out);
    return NULL;
}

/* Of a sorted list the paths that are folders now, each once. */
static ib_value *folders_value(const ib_value *list) {
    ib_value *out = ib__value_list();
    bool good = out != NULL;
    for (size_t i = 0; good && i < list->count; i++) {
        struct stat st;
        const char *path = list->items[i]->string;
        if (i > 0 && strcmp(list->items[i - 1]->string, path) == 0) continue;
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) good = ib__value_add(out, ib__value_string(path));
    }
    if (good) return out;
    ib__value_free(out);
    return NULL;
}

static ib_status gather_files(ib_execution *out, ib_error *err) {
    ib_hold_seen *seen = &out->seen;
    sort_texts(seen->reads);
    sort_texts(seen->writes);
    sort_texts(seen->sources);
    sort_texts(seen->made);
    out->sources = files_value(seen->sources, NULL, true);
    out->inputs = files_value(seen->reads, seen->writes, false);
    out->outputs = files_value(seen->writes, NULL, false);
    out->folders = folders_value(seen->made);
    for (size_t i = 0; out->outputs != NULL && i < out->outputs->count; i++) {
        ib_value *item = out->outputs->items[i];
        bool made = holds_text(seen->made, ib__value_get(item, "path"));
        if (!ib__value_set(item, "new", ib__value_bool(made))) return ib__fail_memory(err);
    }
    return out->sources == NULL || out->inputs == NULL || out->outputs == NULL || out->folders == NULL
               ? ib__fail_memory(err)
               : IB_OK;
}

/* What the plan has set or changed, without the supervisor's own names and the two lists of paths. */
static ib_value *changed_variables(const ib_variables *before, const ib_variables *after) {
    ib_value *map = ib__value_map();
    bool good = map != NULL;
    for (size_t i = 0; good && i < after->count; i++) {
        char name[256];
        size_t n = strcspn(after->entries[i], "=");
        if (n >= sizeof name) continue;
        snprintf(name, sizeof name, "%.*s", (int)n, after->entries[i]);
        const char *old = ib__variables_get(before, name), *value = after->entries[i] + n + 1;
        if (ib__hold_own_variable(name) || strcmp(name, "PYTHONPATH") == 0 || strcmp(name, "LD_PRELOAD") == 0)
            continue;
        if (old != NULL && strcmp(old, value) == 0) continue;
        good = ib__value_set(map, name, ib__value_string(value));
    }
    if (good) return map;
    ib__value_free(map);
    return NULL;
}

static void describe_end(char out[32], int status) {
    if (WIFSIGNALED(status))
        snprintf(out, 32, "signal %d", WTERMSIG(status));
    else
        snprintf(out, 32, "exit %d", WEXITSTATUS(status));
}

/* Moves archives of weights to where they are kept; of one that cannot be, the name is taken out of the
 * record. */
static ib_status keep_weights(const ib_hold_job *job, const ib_value *trained, ib_error *err) {
    for (size_t i = 0; i < trained->count; i++) {
        ib_value *file = ib__value_get(trained->items[i], "weights");
        if (!ib__value_is(file, IB_STRING)) continue;
        char *from = ib__path_join(job->events, file->string), *to = ib__path_join(job->keep, file->string);
        bool memory = from != NULL && to != NULL, moved = memory && rename(from, to) == 0;
        free(from);
        free(to);
        if (!memory || (!moved && !ib__value_set(trained->items[i], "weights", ib__value_null())))
            return ib__fail_memory(err);
    }
    return IB_OK;
}

static ib_status run(const ib_hold_job *job, const ib_variables *env, ib_execution *out, ib_error *err) {
    const ib_hold_plan *plan = job->plan;
    ib_launch launch = {.argv = job->argv,
                        .env = env->entries,
                        .cwd = job->cwd,
                        .input = job->input,
                        .output = job->output,
                        .cpus = plan->held[IB_HOLD_THREADS] ? plan->threads : 0,
                        .fixed_addresses = plan->held[IB_HOLD_ADDRESSES] && !job->variation->addresses,
                        .watch = plan->held[IB_HOLD_WATCH]};
    if (job->variation->threads > 0) launch.cpus = job->variation->threads;
    ib_status status = ib__launch(&launch, &out->launched, err);
    if (status == IB_OK) status = ib__hold_events_read(&out->seen, job->events, err);
    if (status == IB_OK) status = gather_files(out, err);
    if (status == IB_OK && job->keep != NULL) status = keep_weights(job, out->seen.trained, err);
    if (status != IB_OK) return status;
    describe_end(out->end, out->launched.status);
    ib__hold_trace_end(&out->seen.trace, out->end, out->outputs);
    return IB_OK;
}

ib_status ib__execute(const ib_hold_job *job, ib_execution *out, ib_error *err) {
    ib_hold_files files;
    ib_variables env = {0};
    *out = (ib_execution){0};
    ib_status status = ib__hold_files(&files, err);
    if (status == IB_OK && mkdir(job->events, 0700) != 0)
        status = ib__fail(err, IB_IO, job->events, "cannot be made: %s", strerror(errno));
    if (status != IB_OK) return status;
    out->hook = files.hook[0] != '\0';
    out->preload = files.preload[0] != '\0';
    ib__variables_copy(&env, job->env->entries);
    status = ib__hold_plan_env(job->plan, job->variation, &files, job->events, job->skip, &env, err);
    if (status == IB_OK && (out->variables = changed_variables(job->env, &env)) == NULL)
        status = ib__fail_memory(err);
    if (status == IB_OK) status = run(job, &env, out, err);
    ib__tree_remove(job->events);
    ib__variables_free(&env);
    if (status != IB_OK) ib__execution_free(out);
    return status;
}

void ib__execution_free(ib_execution *e) {
    ib__hold_seen_free(&e->seen);
    ib_value *all[] = {e->inputs, e->outputs, e->folders, e->sources, e->variables};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ib__value_free(all[i]);
    *e = (ib_execution){0};
}
