/* SPDX-License-Identifier: Apache-2.0
 *
 * Recording a program: isobit record.
 */
#include "hold/record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "hold/commands.h"
#include "run/env.h"
#include "run/git.h"
#include "run/record.h"

extern char **environ;

static const char *const files[] = {"steps", "tensors", "record.json"};
#define N_FILES (sizeof files / sizeof *files)

/* ---- record.json ---- */

/* The variables of the environment that are no credentials; the names of those that are. */
static bool put_environment(ib_value *program, const ib_variables *env) {
    ib_value *map = ib__value_map(), *left_out = ib__value_list();
    bool good = map != NULL && left_out != NULL;
    for (size_t i = 0; good && i < env->count; i++) {
        char name[256];
        size_t n = strcspn(env->entries[i], "=");
        if (n == 0 || n >= sizeof name) continue;
        snprintf(name, sizeof name, "%.*s", (int)n, env->entries[i]);
        const char *value = env->entries[i] + n + (env->entries[i][n] == '=');
        if (ib__hold_own_variable(name)) continue;
        good = ib__looks_secret(name, value) ? ib__value_add(left_out, ib__value_string(name))
                                             : ib__value_set(map, name, ib__value_string(value));
    }
    good = ib__value_set(program, "env", map) && good;
    return ib__value_set(program, "env_left_out", left_out) && good;
}

/* "--api-key", "secret", "--token=secret": an argument after such a name, or with it, is not recorded. */
static bool secret_argument(char *const *argv, size_t i) {
    char name[256];
    const char *equals = strchr(argv[i], '=');
    if (argv[i][0] == '-' && equals != NULL) {
        snprintf(name, sizeof name, "%.*s", (int)(equals - argv[i]), argv[i]);
        return ib__looks_secret(name, equals + 1);
    }
    bool after = i > 0 && argv[i - 1][0] == '-' && strchr(argv[i - 1], '=') == NULL && argv[i][0] != '-';
    return ib__looks_secret(after ? argv[i - 1] : "", argv[i]);
}

static ib_value *arguments_value(char *const *argv) {
    ib_value *list = ib__value_list();
    bool good = list != NULL;
    for (size_t i = 0; good && argv[i] != NULL; i++)
        good = ib__value_add(list, secret_argument(argv, i) ? ib__value_null() : ib__value_string(argv[i]));
    if (good) return list;
    ib__value_free(list);
    return NULL;
}

/* "terminal", "pipe", "closed", or the path of a file. */
static ib_value *input_value(void) {
    struct stat st;
    char path[4096];
    if (fstat(STDIN_FILENO, &st) != 0) return ib__value_string("closed");
    ssize_t n = S_ISREG(st.st_mode) ? readlink("/proc/self/fd/0", path, sizeof path - 1) : -1;
    if (n > 0) {
        path[n] = '\0';
        return ib__value_string(path);
    }
    return ib__value_string(isatty(STDIN_FILENO) ? "terminal" : S_ISCHR(st.st_mode) ? "device" : "pipe");
}

static ib_value *program_value(const ib_hold_job *job, const ib_execution *e) {
    ib_value *map = ib__value_map();
    bool good = map != NULL && ib__value_set(map, "argv", arguments_value(job->argv)) &&
                ib__value_set(map, "cwd", ib__value_string(job->cwd)) &&
                ib__value_set(map, "stdin", input_value()) &&
                ib__value_set(map, "end", ib__value_string(e->end)) && put_environment(map, job->env) &&
                ib__value_set(map, "sources", ib__value_copy(e->sources));
    if (good) return map;
    ib__value_free(map);
    return NULL;
}

static ib_value *hold_value(const ib_hold_job *job, const ib_execution *e) {
    ib_value *map = ib__value_map();
    const ib_hold_plan *plan = job->plan;
    bool good = map != NULL && ib__value_set(map, "names", ib__hold_plan_names(plan)) &&
                ib__value_set(map, "seed", ib__value_int((int64_t)plan->seed)) &&
                ib__value_set(map, "every", ib__value_int((int64_t)plan->every)) &&
                ib__value_set(map, "threads", ib__value_int((int64_t)plan->threads)) &&
                ib__value_set(map, "variables", ib__value_copy(e->variables)) &&
                ib__value_set(map, "preload", ib__value_bool(e->preload)) &&
                ib__value_set(map, "watched", ib__value_bool(e->launched.watched));
    if (good) return map;
    ib__value_free(map);
    return NULL;
}

/* What passed the hold by: seen by the kernel's reports, or known to be static when it was started. */
static ib_value *escaped_value(const ib_execution *e) {
    ib_value *list = ib__value_list();
    bool good = list != NULL;
    for (size_t i = 0; good && i < e->launched.n_escapes; i++) {
        const ib_escape *escape = &e->launched.escapes[i];
        ib_value *item = ib__value_map();
        good = item != NULL && ib__value_set(item, "exe", ib__value_string(escape->exe)) &&
               ib__value_set(item, "by", ib__value_string(escape->by)) &&
               ib__value_set(item, "how", ib__value_string("raw system call")) &&
               ib__value_set(item, "count", ib__value_int((int64_t)escape->count));
        good = ib__value_add(list, item) && good;
    }
    for (size_t i = 0; good && i < e->seen.statics->count; i++) {
        ib_value *item = ib__value_map();
        good = item != NULL && ib__value_set(item, "exe", ib__value_copy(e->seen.statics->items[i])) &&
               ib__value_set(item, "how", ib__value_string("static program"));
        good = ib__value_add(list, item) && good;
    }
    if (good) return list;
    ib__value_free(list);
    return NULL;
}

/* GPUs and their driver, from what NVIDIA's driver shows in /proc; an empty list without one. */
static ib_value *gpus_value(void) {
    static const char folder[] = "/proc/driver/nvidia/gpus";
    char **names = NULL;
    size_t n = 0;
    ib_value *list = ib__value_list();
    bool good = list != NULL && ib__folder_names(&names, &n, folder, NULL) == IB_OK;
    for (size_t i = 0; good && i < n; i++) {
        char path[512], model[256] = "unknown";
        snprintf(path, sizeof path, "%s/%.200s/information", folder, names[i]);
        (void)ib__env_line(model, sizeof model, path, "Model");
        good = ib__value_add(list, ib__value_string(model));
    }
    ib__names_free(names, n);
    if (good) return list;
    ib__value_free(list);
    return NULL;
}

static bool put_gpus(ib_value *env) {
    char driver[256];
    bool there = ib__env_line(driver, sizeof driver, "/proc/driver/nvidia/version", "NVRM version");
    return ib__value_set(env, "gpus", gpus_value()) &&
           ib__value_set(env, "gpu_driver", there ? ib__value_string(driver) : ib__value_null());
}

static ib_value *environment_value(const ib_execution *e) {
    ib_value *env = ib__env();
    if (env == NULL) return NULL;
    ib_value *python = e->seen.environment != NULL ? ib__value_copy(e->seen.environment) : ib__value_null();
    if (ib__value_set(env, "python", python) && put_gpus(env)) return env;
    ib__value_free(env);
    return NULL;
}

static ib_value *timing_value(const char *started, double seconds) {
    ib_value *map = ib__value_map();
    if (map != NULL && ib__value_set(map, "started", ib__value_string(started)) &&
        ib__value_set(map, "seconds", ib__value_real(seconds)))
        return map;
    ib__value_free(map);
    return NULL;
}

static ib_value *results_value(const ib_execution *e) {
    ib_value *map = ib__value_map();
    if (map != NULL && ib__value_set(map, "steps", ib__value_int(ib__hold_seen_steps(&e->seen))) &&
        ib__value_set(map, "trained", ib__value_copy(e->seen.trained)) &&
        ib__value_set(map, "history", ib__value_copy(e->seen.history)))
        return map;
    ib__value_free(map);
    return NULL;
}

/* What git knew of the folder before the program ran. */
typedef struct git_state {
    bool known;
    ib_buf patch; /* uncommitted changes */
} git_state;

static bool put_git(ib_value *map, const ib_hold_job *job, const git_state *git) {
    char commit[65], hex[65];
    bool dirty = git->known && git->patch.length > 0;
    ib_digest digest = ib__sha256(git->patch.data, git->patch.length);
    ib__digest_hex(hex, &digest);
    return ib__value_set(map, "git_commit",
                         ib__env_commit(commit, job->cwd) ? ib__value_string(commit) : ib__value_null()) &&
           ib__value_set(map, "git_dirty", git->known ? ib__value_bool(dirty) : ib__value_null()) &&
           (!dirty || ib__value_set(map, "git_diff_sha256", ib__value_string(hex)));
}

static ib_value *record_value(const ib_hold_job *job, const ib_execution *e, const git_state *git,
                              const char *started) {
    ib_value *map = ib__value_map();
    char result[65];
    ib__digest_hex(result, &e->seen.trace.result);
    bool good = map != NULL && ib__value_set(map, "isobit_record", ib__value_int(1)) &&
                ib__value_set(map, "result", ib__value_string(result)) &&
                ib__value_set(map, "program", program_value(job, e)) &&
                ib__value_set(map, "hold", hold_value(job, e)) &&
                ib__value_set(map, "inputs", ib__value_copy(e->inputs)) &&
                ib__value_set(map, "outputs", ib__value_copy(e->outputs)) &&
                ib__value_set(map, "folders", ib__value_copy(e->folders)) &&
                ib__value_set(map, "processes", ib__value_copy(e->seen.processes)) &&
                ib__value_set(map, "entropy", ib__value_copy(e->seen.entropy)) &&
                ib__value_set(map, "escaped", escaped_value(e)) &&
                ib__value_set(map, "warnings", ib__value_copy(e->seen.warnings)) && put_git(map, job, git) &&
                ib__value_set(map, "environment", environment_value(e)) &&
                ib__value_set(map, "timing", timing_value(started, e->launched.seconds)) &&
                ib__value_set(map, "results", results_value(e));
    if (good) return map;
    ib__value_free(map);
    return NULL;
}

/* ---- Files ---- */

static ib_status write_text(const char *run, const char *name, const ib_buf *text, ib_error *err) {
    char *path = ib__path_join(run, name);
    ib_status status = path == NULL || text->failed ? ib__fail_memory(err)
                                                    : ib__file_write(path, text->data, text->length, err);
    free(path);
    return status;
}

static ib_status write_files(const char *run, const ib_hold_job *job, const ib_execution *e,
                             const git_state *git, const char *started, ib_error *err) {
    ib_buf steps = {0}, tensors = {0}, text = {0};
    ib_value *record = record_value(job, e, git, started);
    bool good = ib__hold_trace_print(&e->seen.trace, &steps, &tensors) && record != NULL &&
                ib__json_write(&text, record, IB_JSON_INDENT) && ib__buf_text(&text, "\n");
    ib_status status = good ? IB_OK : ib__fail_memory(err);
    const ib_buf *contents[N_FILES] = {&steps, &tensors, &text};
    if (status == IB_OK && git->patch.length > 0) status = write_text(run, "git.diff", &git->patch, err);
    for (size_t i = 0; status == IB_OK && i < N_FILES; i++)
        status = write_text(run, files[i], contents[i], err);
    ib__value_free(record);
    ib__buf_free(&steps);
    ib__buf_free(&tensors);
    ib__buf_free(&text);
    return status;
}

static void say_end(const ib_execution *e, const char *run, const ib_options *options) {
    char hex[65];
    ib__digest_hex(hex, &e->seen.trace.result);
    for (size_t i = 0; i < e->seen.warnings->count; i++)
        ib__say(options, "isobit: warning: %s\n", e->seen.warnings->items[i]->string);
    for (size_t i = 0; i < e->launched.n_escapes; i++)
        ib__say(options, "isobit: not held: %s asks the kernel for entropy by raw system calls (%s)\n",
                e->launched.escapes[i].by, e->launched.escapes[i].exe);
    for (size_t i = 0; i < e->seen.statics->count; i++)
        ib__say(options, "isobit: not held: %s is a static program\n", e->seen.statics->items[i]->string);
    ib__say(options, "isobit: recorded in %s: %s, %" PRId64 " steps, result sha256:%s\n", run, e->end,
            ib__hold_seen_steps(&e->seen), hex);
}

static ib_status record_into(const char *run, const ib_hold_job *job, const ib_options *options,
                             int *wait_status, ib_error *err) {
    ib_execution e = {0};
    char started[32];
    time_t begun = time(NULL);
    struct tm utc;
    gmtime_r(&begun, &utc);
    strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%SZ", &utc);
    git_state git = {0};
    git.known = ib__git_diff(&git.patch, job->cwd);
    ib_status status = ib__execute(job, &e, err);
    if (status == IB_OK) *wait_status = e.launched.status;
    if (status == IB_OK) status = write_files(run, job, &e, &git, started, err);
    if (status == IB_OK) say_end(&e, run, options);
    ib__buf_free(&git.patch);
    ib__execution_free(&e);
    return status;
}

/* The first of run-1, run-2 ... that is not there. */
static ib_status choose_folder(char out[64], ib_error *err) {
    for (unsigned i = 1; i < 100000; i++) {
        snprintf(out, 64, "run-%u", i);
        if (mkdir(out, 0777) == 0) return IB_OK;
        if (errno != EEXIST) return ib__fail(err, IB_IO, out, "cannot be made: %s", strerror(errno));
    }
    return ib__fail(err, IB_IO, out, "exists, and all before it");
}

ib_status ib__script_record(char *const *argv, const ib_script *program, const ib_options *options,
                            int *wait_status, ib_error *err) {
    static const ib_variation none;
    ib_hold_plan plan;
    ib_variables env = {0};
    char chosen[64];
    const char *run = program->run;
    bool made = false;
    ib_lock *lock = NULL;
    ib_status status = ib__hold_plan_init(&plan, program->hold, err);
    plan.seed = program->seed;
    if (program->every != 0) plan.every = program->every > 0 ? (size_t)program->every : 0;
    if (status == IB_OK && run == NULL) {
        status = choose_folder(chosen, err);
        run = chosen;
    }
    if (status == IB_OK) status = ib__record_prepare(run, false, &made, &lock, err);
    if (status != IB_OK) return status;
    char *folder = realpath(run, NULL), *cwd = realpath(".", NULL);
    ib_buf events = {0};
    ib__buf_printf(&events, "%s/events", folder != NULL ? folder : run);
    ib__variables_copy(&env, environ);
    if (folder == NULL || cwd == NULL || events.failed || env.failed) status = ib__fail_memory(err);
    ib_hold_job job = {.argv = argv,
                       .env = &env,
                       .cwd = cwd,
                       .events = events.data,
                       .keep = folder,
                       .skip = folder,
                       .plan = &plan,
                       .variation = &none};
    if (status == IB_OK) status = record_into(run, &job, options, wait_status, err);
    ib__record_release(run, made || run == chosen, lock);
    ib__buf_free(&events);
    ib__variables_free(&env);
    free(folder);
    free(cwd);
    return status;
}
