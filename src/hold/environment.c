/* SPDX-License-Identifier: Apache-2.0
 *
 * Environments compared: isobit env --check.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "hold/commands.h"
#include "run/env.h"
#include "run/report.h"

/* ---- Differences ---- */

static const char *name_of(const ib_value *item) {
    const ib_value *name = ib__value_get(item, "name");
    return ib__value_is(name, IB_STRING) ? name->string : NULL;
}

static const ib_value *find_package(const ib_value *list, const char *name) {
    for (size_t i = 0; ib__value_is(list, IB_LIST) && i < list->count; i++) {
        const char *other = name_of(list->items[i]);
        if (other != NULL && strcmp(other, name) == 0) return list->items[i];
    }
    return NULL;
}

static const char *version_of(const ib_value *package) {
    const ib_value *version = ib__value_get(package, "version");
    return package == NULL ? "none" : ib__value_is(version, IB_STRING) ? version->string : "unknown";
}

static size_t package_differences(const ib_value *then, const ib_value *now, const ib_options *options) {
    size_t count = 0;
    for (size_t i = 0; ib__value_is(then, IB_LIST) && i < then->count; i++) {
        const char *name = name_of(then->items[i]);
        const ib_value *found = name != NULL ? find_package(now, name) : NULL;
        if (name == NULL || (found != NULL && ib__value_equal(found, then->items[i]))) continue;
        count++;
        if (found != NULL && strcmp(version_of(found), version_of(then->items[i])) == 0)
            ib__say(options, "package %s %s: other files than recorded\n", name, version_of(found));
        else
            ib__say(options, "package %s: recorded %s, found %s\n", name, version_of(then->items[i]),
                    version_of(found));
    }
    for (size_t i = 0; ib__value_is(now, IB_LIST) && i < now->count; i++) {
        const char *name = name_of(now->items[i]);
        if (name == NULL || find_package(then, name) != NULL) continue;
        count++;
        ib__say(options, "package %s: recorded none, found %s\n", name, version_of(now->items[i]));
    }
    return count;
}

static void say_leaf(const char *place, const ib_value *then, const ib_value *now,
                     const ib_options *options) {
    ib_buf x = {0}, y = {0};
    if (then != NULL) ib__json_write(&x, then, IB_JSON_CANONICAL);
    if (now != NULL) ib__json_write(&y, now, IB_JSON_CANONICAL);
    ib__say(options, "%s: recorded %.300s, found %.300s\n", place, x.data != NULL ? x.data : "none",
            y.data != NULL ? y.data : "none");
    ib__buf_free(&x);
    ib__buf_free(&y);
}

/* Maps by their keys, lists of packages by name, everything else as a whole. What only one side has does not
 * count as a difference unless it is a package: versions of isobit record more than older ones did. */
static size_t differences(const char *place, const ib_value *then, const ib_value *now,
                          const ib_options *options) {
    size_t count = 0;
    if (then == NULL || now == NULL || ib__value_equal(then, now)) return 0;
    size_t n = strlen(place);
    if (n >= 8 && strcmp(place + n - 8, "packages") == 0) return package_differences(then, now, options);
    if (then->kind != IB_MAP || now->kind != IB_MAP) {
        say_leaf(place, then, now, options);
        return 1;
    }
    for (size_t i = 0; i < then->count; i++) {
        char inner[256];
        snprintf(inner, sizeof inner, "%.150s%s%.80s", place, *place != '\0' ? "." : "", then->keys[i]);
        count += differences(inner, then->items[i], ib__value_get(now, then->keys[i]), options);
    }
    return count;
}

size_t ib__env_differences(const ib_value *recorded, const ib_value *found, const ib_options *options) {
    return differences("", recorded, found, options);
}

/* ---- The environment here ---- */

/* Runs the recorded interpreter for a moment, with nothing held, to let the hook describe it. */
static ib_status python_now(ib_value **out, const ib_script_run *run, const char *interpreter,
                            ib_error *err) {
    static const ib_variation none;
    ib_hold_plan plan;
    ib_execution e = {0};
    char *folder = NULL, *words[] = {(char *)interpreter, "-c", "pass", NULL};
    ib_status status = ib__hold_plan_init(&plan, "none", err);
    if (status == IB_OK) status = ib__folder_temporary(&folder, err);
    if (status != IB_OK) return status;
    plan.every = 0;
    char *events = ib__path_join(folder, "events"), *log = ib__path_join(folder, "log");
    ib_hold_job job = {.argv = words,
                       .env = &run->env,
                       .cwd = "/",
                       .input = "/dev/null",
                       .output = log,
                       .events = events,
                       .skip = folder,
                       .plan = &plan,
                       .variation = &none};
    status = events == NULL || log == NULL ? ib__fail_memory(err) : ib__execute(&job, &e, err);
    if (status == IB_OK && e.seen.environment == NULL)
        status = ib__fail(err, IB_IO, interpreter, "this Python says nothing about itself (%s)", e.end);
    if (status == IB_OK && (*out = ib__value_copy(e.seen.environment)) == NULL) status = ib__fail_memory(err);
    ib__execution_free(&e);
    ib__folder_discard(folder);
    free(events);
    free(log);
    return status;
}

ib_status ib__script_env_now(ib_value **out, const ib_script_run *run, ib_error *err) {
    const ib_value *then =
        run != NULL ? ib__value_get(ib__value_get(run->tree, "environment"), "python") : NULL;
    const ib_value *interpreter = ib__value_get(then, "executable");
    ib_value *env = ib__env(), *python = NULL;
    ib_status status = env == NULL ? ib__fail_memory(err) : IB_OK;
    if (status == IB_OK && ib__value_is(interpreter, IB_STRING)) {
        status = python_now(&python, run, interpreter->string, err);
        /* Which backends were imported is a fact of the script's run, not of the environment. */
        const ib_value *backends = ib__value_get(then, "backends");
        if (status == IB_OK && backends != NULL &&
            !ib__value_set(python, "backends", ib__value_copy(backends)))
            status = ib__fail_memory(err);
        if (status != IB_OK)
            ib__value_free(python);
        else if (!ib__value_set(env, "python", python))
            status = ib__fail_memory(err);
    }
    if (status == IB_OK)
        *out = env;
    else
        ib__value_free(env);
    return status;
}

static ib_status compare(const ib_value *then, const ib_script_run *script, const ib_options *options,
                         ib_error *err) {
    ib_value *now = NULL;
    ib_status status = ib__script_env_now(&now, script, err);
    if (status != IB_OK) return status;
    if (status == IB_OK && ib__env_differences(then, now, options) > 0)
        status = IB_DIFFERS;
    else if (status == IB_OK)
        ib__say(options, "same: the environment is the recorded one\n");
    ib__value_free(now);
    return status;
}

ib_status ib__script_env_check(const char *run, const ib_options *options, ib_error *err) {
    ib_script_run *script = NULL;
    ib_report report;
    ib_status status = ib__script_read(&script, run, err);
    if (status != IB_OK) return status;
    ib__report_begin(&report, options);
    status = compare(ib__value_get(script->tree, "environment"), script, &report.inner, err);
    status = ib__report_end(&report, status, err);
    ib__script_free(script);
    return status;
}
