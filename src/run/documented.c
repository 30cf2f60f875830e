/* SPDX-License-Identifier: Apache-2.0
 *
 * Verification by the goal `documented`: everything needed to run it again is recorded and still there. Also
 * the comparison of a recorded environment with this one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/spawn.h"
#include "run/again.h"
#include "run/commands.h"
#include "run/env.h"
#include "run/inputs.h"
#include "run/lock_text.h"
#include "run/publish.h"
#include "run/report.h"

/* ---- The environment here and there ---- */

static void say_value(ib_report *r, const char *section, const char *key, const ib_value *a,
                      const ib_value *b) {
    ib_buf x = {0}, y = {0};
    if (a != NULL) ib__json_write(&x, a, IB_JSON_CANONICAL);
    if (b != NULL) ib__json_write(&y, b, IB_JSON_CANONICAL);
    ib__say(&r->inner, "%s.%s: recorded %.300s, here %.300s\n", section, key,
            x.data != NULL ? x.data : "none", y.data != NULL ? y.data : "none");
    ib__buf_free(&x);
    ib__buf_free(&y);
}

/* Says every leaf that differs; gives how many. */
static size_t compare_environments(ib_report *r, const ib_value *recorded, const ib_value *here) {
    size_t n = 0;
    for (size_t i = 0; i < here->count; i++) {
        const ib_value *now = here->items[i], *then = ib__value_get(recorded, here->keys[i]);
        for (size_t k = 0; now->kind == IB_MAP && k < now->count; k++) {
            const ib_value *other = ib__value_get(then, now->keys[k]);
            if (other != NULL && ib__value_equal(now->items[k], other)) continue;
            say_value(r, here->keys[i], now->keys[k], other, now->items[k]);
            n++;
        }
    }
    return n;
}

/* Says the packages of the lock that are not installed in their version; *lacking: how many of them cannot be
 * had either. */
static ib_status compare_packages(ib_report *r, const ib_lock_file *lock, bool ask_apt, size_t *differ,
                                  size_t *lacking, ib_error *err) {
    ib_packages here = {0};
    ib_status status = ib__packages_add_versions(&here, &lock->packages, err);
    for (size_t i = 0; status == IB_OK && i < lock->packages.n; i++) {
        const ib_package *wanted = &lock->packages.all[i];
        const ib_package *found = ib__packages_find(&here, wanted->name);
        if (found != NULL && found->version != NULL && strcmp(found->version, wanted->version) == 0) continue;
        char exact[512];
        snprintf(exact, sizeof exact, "%.250s=%.250s", wanted->name, wanted->version);
        const char *words[] = {"apt-cache", "show", "--no-all-versions", exact, NULL};
        ib_buf shown = {0};
        bool can_be_had = ask_apt && wanted->name[0] != '-' &&
                          ib__spawn_output(&shown, 4096, words, 30) == 0 && shown.length > 0;
        ib__buf_free(&shown);
        ib__say(&r->inner, "package %s: locked %s, here %s%s\n", wanted->name, wanted->version,
                found != NULL && found->version != NULL ? found->version : "none",
                !ask_apt     ? ""
                : can_be_had ? " (can be installed)"
                             : " (the locked version is in no list of apt's)");
        ++*differ;
        *lacking += ask_apt && !can_be_had;
    }
    ib__packages_free(&here);
    return status;
}

ib_status ib__env_check(const char *run, const ib_options *options, ib_error *err) {
    ib_record *record = NULL;
    ib_lock_file lock = {0};
    ib_report r;
    size_t differ = 0, lacking = 0;
    ib_status status = ib__record_read(&record, run, err);
    if (status != IB_OK) return status;
    ib_value *here = ib__env();
    ib__report_begin(&r, options);
    if (here == NULL)
        status = ib__fail_memory(err);
    else
        differ = compare_environments(&r, ib__value_get(record->tree, "environment"), here);
    char *path = ib__path_join(run, "environment.lock");
    if (status == IB_OK && path != NULL && ib__file_exists(path)) {
        status = ib__lock_read(&lock, run, err);
        if (status == IB_OK) status = compare_packages(&r, &lock, false, &differ, &lacking, err);
    }
    if (status == IB_OK && differ > 0) status = IB_DIFFERS;
    if (status == IB_OK) ib__say(&r.inner, "same: the environment is the recorded one\n");
    ib__report_set(&r, "differ", ib__value_int((int64_t)differ));
    status = ib__report_end(&r, status, err);
    free(path);
    ib__packages_free(&lock.packages);
    ib__value_free(here);
    ib__record_free(record);
    return status;
}

ib_status ib__env_lock(const char *folder, const ib_options *options, ib_error *err) {
    char when[32];
    ib_packages packages = {0};
    ib_buf text = {0};
    ib__utc_now(when);
    if (folder != NULL) {
        ib_status status = ib__folder_make(folder, err);
        return status == IB_OK ? ib__lock_write(folder, when, err) : status;
    }
    ib_status status = ib__packages_here(&packages, err);
    if (status == IB_OK) status = ib__lock_text(&text, &packages, when, err);
    if (status == IB_OK && options->text != NULL) options->text(options->context, text.data);
    ib__packages_free(&packages);
    ib__buf_free(&text);
    return status;
}

/* ---- The goal ---- */

typedef struct documents {
    const ib_record *record;
    ib_report report;
    bool met;
} documents;

static void tell(documents *d, const char *name, bool good, const char *text) {
    ib__say(&d->report.inner, "%s: %s%s%s\n", good ? "there" : "missing", name, text[0] != '\0' ? ": " : "",
            text);
    ib__report_check(&d->report, name, good);
    d->met = d->met && good;
}

/* Every input at its path, with its digest. */
static void check_inputs(documents *d) {
    const ib_value *inputs = ib__value_get(d->record->tree, "inputs");
    for (size_t i = 0; i < inputs->count; i++) {
        const ib_value *field = ib__value_get(inputs->items[i], "field");
        const ib_value *path = ib__value_get(inputs->items[i], "path");
        const ib_value *wanted = ib__value_get(inputs->items[i], "sha256");
        if (!ib__value_is(field, IB_STRING) || !ib__value_is(path, IB_STRING)) continue;
        ib_digest digest;
        char hex[65] = "", text[600];
        ib_error problem = {0};
        ib_status status = ib__input_digest(&digest, d->record, field->string, path->string, &problem);
        if (status == IB_OK) ib__digest_hex(hex, &digest);
        bool same = status == IB_OK && ib__value_is_string(wanted, hex);
        snprintf(text, sizeof text, "%.300s%s%.200s", path->string,
                 same              ? ""
                 : status == IB_OK ? ", but it was changed"
                                   : ": ",
                 status == IB_OK ? "" : problem.text);
        tell(d, field->string, same, text);
    }
}

static ib_status check_lock(documents *d, ib_error *err) {
    ib_lock_file lock;
    ib_error problem = {0};
    size_t differ = 0, lacking = 0;
    char text[160];
    if (ib__lock_read(&lock, d->record->folder, &problem) != IB_OK) {
        tell(d, "environment.lock", false, problem.text);
        return IB_OK;
    }
    ib_status status = compare_packages(&d->report, &lock, true, &differ, &lacking, err);
    if (status == IB_OK) {
        snprintf(text, sizeof text,
                 "%zu packages, %zu of them in another version here, %zu of those cannot be had%s",
                 lock.packages.n, differ, lacking,
                 lock.complete ? "" : "; some libraries belong to no package");
        tell(d, "environment.lock", lock.complete && lacking == 0, text);
    }
    ib__packages_free(&lock.packages);
    return status;
}

/* ---- From an empty folder ---- */

static ib_status stage_file(const char *from, const char *to, const char *name, ib_error *err) {
    ib_buf bytes = {0};
    char *source = ib__path_join(from, name), *target = ib__path_join(to, name);
    ib_status status = source == NULL || target == NULL ? ib__fail_memory(err) : IB_OK;
    if (status == IB_OK) status = ib__file_read(&bytes, source, 0, err);
    if (status == IB_OK) status = ib__file_write(target, bytes.data, bytes.length, err);
    ib__buf_free(&bytes);
    free(source);
    free(target);
    return status;
}

/* A link, where a published run would have the input itself: inputs may be large. */
static ib_status stage_input(const char *folder, const char *field, const char *path, ib_error *err) {
    char *name = ib__bundle_input(folder, field, path);
    if (name == NULL) return ib__fail_memory(err);
    ib_status status = IB_OK;
    if (symlink(path, name) != 0) status = ib__fail(err, IB_IO, name, "cannot be made: %s", strerror(errno));
    free(name);
    return status;
}

/* The record and the inputs that it names, and nothing else, in an empty folder; read from there. */
static ib_status stage(const ib_record *record, const char *folder, ib_record **out, ib_error *err) {
    static const char *const names[] = {"record.json", "steps", "tensors"};
    const ib_value *inputs = ib__value_get(record->tree, "inputs");
    char *inner = ib__path_join(folder, "inputs");
    ib_status status = inner == NULL ? ib__fail_memory(err) : ib__folder_make(inner, err);
    for (size_t i = 0; status == IB_OK && i < sizeof names / sizeof *names; i++)
        status = stage_file(record->folder, folder, names[i], err);
    for (size_t i = 0; status == IB_OK && i < inputs->count; i++) {
        const ib_value *field = ib__value_get(inputs->items[i], "field");
        const ib_value *path = ib__value_get(inputs->items[i], "path");
        if (!ib__value_is(field, IB_STRING) || !ib__value_is(path, IB_STRING)) continue;
        if (strchr(field->string, '/') == NULL)
            status = stage_input(folder, field->string, path->string, err);
    }
    if (status == IB_OK) status = ib__record_read(out, folder, err);
    if (status == IB_OK && !ib__value_set((*out)->tree, "folder", ib__value_string(folder)))
        status = ib__fail_memory(err);
    free(inner);
    return status;
}

/* The run from what is recorded and nothing else, up to the end of its first epoch, or the first 200 steps.
 */
static ib_status check_execution(documents *d, ib_error *err) {
    ib_again again = {.options = &d->report.inner, .steps = 200};
    ib_error problem = {0};
    ib_record *staged = NULL;
    char *folder = NULL;
    ib_status status = ib__runtime_init(&again.runtime, d->report.outer->threads, d->report.outer->isa, err);
    if (status != IB_OK) return status;
    for (size_t i = 1; i < d->record->trace.n_steps && i < again.steps; i++)
        if (d->record->trace.steps[i].state) again.steps = i;
    status = ib__folder_temporary(&folder, &problem);
    if (status == IB_OK) status = stage(d->record, folder, &staged, &problem);
    again.record = staged;
    if (status == IB_OK) status = ib__again(&again, &problem);
    char text[640];
    if (status == IB_OK)
        snprintf(
            text, sizeof text,
            "in an empty folder with the record and its inputs alone, the first %zu steps give the recorded "
            "digests",
            again.trace.n_steps > 0 ? again.trace.n_steps - 1 : 0);
    else
        snprintf(text, sizeof text, "%s%s%.300s", problem.where, problem.where[0] != '\0' ? ": " : "",
                 status == IB_DIFFERS ? "it gives other digests" : problem.text);
    tell(d, "execution", status == IB_OK, text);
    ib__again_free(&again);
    ib__record_free(staged);
    ib__folder_discard(folder);
    return IB_OK;
}

ib_status ib__verify_documented(const ib_record *record, const ib_options *options, ib_error *err) {
    documents d = {.record = record, .met = true};
    const ib_value *commit = ib__value_get(record->tree, "git_commit"),
                   *dirty = ib__value_get(record->tree, "git_dirty");
    ib__report_begin(&d.report, options);
    ib__report_set(&d.report, "run", ib__value_string(record->folder));
    ib__report_set(&d.report, "goal", ib__value_string("documented"));
    check_inputs(&d);
    ib_status status = check_lock(&d, err);
    if (status == IB_OK && ib__value_is(commit, IB_STRING)) {
        bool known = ib__value_is(dirty, IB_BOOL);
        char *path = ib__path_join(record->folder, "git.diff");
        bool good = known && (!dirty->boolean || (path != NULL && ib__file_exists(path)));
        tell(&d, "git", good,
             !known           ? "whether files were changed is not known"
             : dirty->boolean ? "a commit and the changes on top of it"
                              : "a commit without changes");
        free(path);
    }
    if (status == IB_OK && d.met) status = check_execution(&d, err);
    if (status == IB_OK) ib__say(&d.report.inner, d.met ? "documented\n" : "not documented\n");
    if (status == IB_OK && !d.met) status = IB_DIFFERS;
    return ib__report_end(&d.report, status, err);
}
