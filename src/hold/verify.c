/* SPDX-License-Identifier: Apache-2.0
 *
 * Verification of a script's run: it is executed again as it was recorded, then under deliberate variations,
 * one at a time and together, and every recorded digest is compared. What moves the bits is what the script
 * depends on.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/nearest.h"
#include "hold/aside.h"
#include "hold/commands.h"
#include "kernels/kernels.h"
#include "run/report.h"

typedef enum way { THREADS, ISA, HASHSEED, ORDER, TIME, CWD, ADDRESSES, WAYS } way;
static const char *const way_names[WAYS] = {"threads", "isa", "hashseed", "order",
                                            "time",    "cwd", "addresses"};

typedef struct verification {
    const ib_script_run *run;
    bool vary[WAYS], moves[WAYS];
    bool differs;  /* an execution was not the same */
    char *scratch; /* a folder of our own, with a log of what the script printed */
    ib_report report;
    ib_value *environment; /* of the last execution */
} verification;

static ib_status parse_vary(bool vary[WAYS], const char *text, ib_error *err) {
    for (const char *at = text; at != NULL && *at != '\0';) {
        char word[32];
        size_t n = strcspn(at, ","), i = 0;
        snprintf(word, sizeof word, "%.*s", n < sizeof word ? (int)n : 31, at);
        while (i < WAYS && strcmp(word, way_names[i]) != 0)
            i++;
        if (i == WAYS) {
            const char *near = ib__nearest(word, way_names, WAYS);
            return ib__fail(
                err, IB_BAD_INPUT, "vary",
                "expected a list of threads, isa, hashseed, order, time, cwd and addresses for the "
                "run of a script, found \"%.60s\"%s%s",
                text, near != NULL ? ", did you mean " : "", near != NULL ? near : "");
        }
        vary[i] = true;
        at += n + (at[n] == ',');
    }
    return IB_OK;
}

/* ---- Inputs ---- */

/* Says which of the files are not what they were; gives how many. */
static size_t changed_files(const ib_value *list, const ib_options *options) {
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        const char *path = ib__value_get(list->items[i], "path")->string;
        const ib_value *hash = ib__value_get(list->items[i], "sha256");
        ib_digest digest;
        char hex[65] = "none";
        if (!ib__value_is(hash, IB_STRING)) continue;
        if (ib__sha256_file(&digest, path, NULL) == IB_OK) ib__digest_hex(hex, &digest);
        if (strcmp(hex, hash->string) == 0) continue;
        ib__say(options, "differs: the file %s was changed\n  recorded sha256 %s\n  found    sha256 %s\n",
                path, hash->string, hex);
        count++;
    }
    return count;
}

static ib_status check_program(const ib_script_run *run, ib_error *err) {
    size_t n = ib__value_get(ib__value_get(run->tree, "program"), "argv")->count;
    for (size_t i = 0; i < n; i++)
        if (run->argv[i] == NULL)
            return ib__fail(err, IB_BAD_INPUT, run->folder,
                            "word %zu of the command looked like a credential and was not recorded; a script "
                            "that takes it from the environment can be verified",
                            i);
    if (access(run->cwd, X_OK) != 0)
        return ib__fail(err, IB_IO, run->cwd, "the folder that the script ran in is not there");
    return IB_OK;
}

/* ---- One execution ---- */

/* Another folder with a link to each name in the recorded one. */
static ib_status other_folder(const verification *v, char **out, ib_error *err) {
    char **names = NULL;
    size_t n = 0;
    char *folder = *out = ib__path_join(v->scratch, "another folder");
    ib_status status = folder == NULL ? ib__fail_memory(err) : ib__folder_make(folder, err);
    if (status == IB_OK) status = ib__folder_names(&names, &n, v->run->cwd, err);
    for (size_t i = 0; status == IB_OK && i < n; i++) {
        char *from = ib__path_join(v->run->cwd, names[i]), *to = ib__path_join(folder, names[i]);
        if (from == NULL || to == NULL)
            status = ib__fail_memory(err);
        else if (symlink(from, to) != 0)
            status = ib__fail(err, IB_IO, to, "cannot be made: %s", strerror(errno));
        free(from);
        free(to);
    }
    ib__names_free(names, n);
    return status;
}

/* What a step says: "parts at step 1: dense/kernel and 3 more of 8 tensors". */
static void say_part(const ib_hold_trace *a, const ib_hold_trace *b, size_t i, const char *label,
                     const ib_options *options) {
    if (i >= a->n_steps || i >= b->n_steps) {
        size_t n = a->n_steps < b->n_steps ? a->n_steps : b->n_steps;
        ib__say(options, "%-24s the same for %zu recorded steps, where one of the two ends\n", label, n);
        return;
    }
    const ib_hold_step *x = &a->steps[i], *y = &b->steps[i];
    size_t count = 0, n = x->count < y->count ? x->count : y->count;
    const char *first = NULL;
    for (size_t k = 0; k < n; k++) {
        const ib_hold_tensor *p = &a->tensors[x->first + k], *q = &b->tensors[y->first + k];
        if (strcmp(p->path, q->path) == 0 && memcmp(&p->digest, &q->digest, sizeof p->digest) == 0) continue;
        if (count++ == 0) first = p->path;
    }
    if (x->count != y->count)
        ib__say(options, "%-24s parts at step %" PRId64 ": %zu tensors against %zu\n", label, x->number,
                x->count, y->count);
    else if (first != NULL)
        ib__say(options, "%-24s parts at step %" PRId64 ": %s (%zu of %zu tensors)\n", label, x->number,
                first, count, n);
    else
        ib__say(options, "%-24s parts at step %" PRId64 ": its loss, or an earlier part of the record\n",
                label, x->number);
}

static void say_log(const verification *v, const ib_options *options) {
    ib_buf text = {0};
    char *path = ib__path_join(v->scratch, "log");
    if (path != NULL && ib__file_read(&text, path, 0, NULL) == IB_OK && text.length > 0) {
        const char *from = text.length > 2000 ? text.data + text.length - 2000 : text.data;
        ib__say(options, "the script printed at its end:\n%s\n", from);
    }
    ib__buf_free(&text);
    free(path);
}

/* Without steps the files that the script made are all that can be compared. */
static bool same_outputs(const verification *v, const ib_execution *e, const char *label,
                         const ib_options *options) {
    const ib_value *recorded = ib__value_get(v->run->tree, "outputs");
    bool same = true;
    for (size_t i = 0; i < recorded->count; i++) {
        const ib_value *path = ib__value_get(recorded->items[i], "path");
        const ib_value *hash = ib__value_get(recorded->items[i], "sha256");
        const ib_value *found = NULL, *made = ib__value_get(recorded->items[i], "new");
        if (!ib__value_is(made, IB_BOOL) || !made->boolean) continue; /* what it began with is not known */
        for (size_t k = 0; k < e->outputs->count && found == NULL; k++)
            if (ib__value_equal(ib__value_get(e->outputs->items[k], "path"), path))
                found = ib__value_get(e->outputs->items[k], "sha256");
        if (found != NULL && ib__value_equal(found, hash)) continue;
        same = false;
        ib__say(options, "%-24s writes other bytes into %s\n", label, path->string);
    }
    return same;
}

static bool compare(verification *v, const ib_execution *e, const char *label, bool files) {
    const ib_options *options = &v->report.inner;
    const ib_hold_trace *recorded = &v->run->trace, *found = &e->seen.trace;
    const char *end = ib__value_get(ib__value_get(v->run->tree, "program"), "end")->string;
    if (strcmp(end, e->end) != 0) {
        ib__say(options, "%-24s ends by %s, recorded: %s\n", label, e->end, end);
        say_log(v, options);
        return false;
    }
    size_t i = ib__hold_trace_parts(recorded, found);
    bool same = i == SIZE_MAX;
    if (!same) say_part(recorded, found, i, label, options);
    if (same && recorded->n_steps == 0 && files) same = same_outputs(v, e, label, options);
    if (same) ib__say(options, "%-24s same (%zu recorded steps)\n", label, recorded->n_steps);
    return same;
}

static ib_status execute(verification *v, const ib_variation *variation, const ib_aside *aside,
                         const char *label, bool *same, ib_error *err) {
    ib_execution e = {0};
    char *log = ib__path_join(v->scratch, "log"), *events = ib__path_join(v->scratch, "events"), *cwd = NULL;
    ib_status status = log == NULL || events == NULL ? ib__fail_memory(err) : ib__aside_again(aside, err);
    if (status == IB_OK && variation->cwd) status = other_folder(v, &cwd, err);
    ib_hold_job job = {.argv = v->run->argv,
                       .env = &v->run->env,
                       .cwd = cwd != NULL ? cwd : v->run->cwd,
                       .input = v->run->input,
                       .output = log,
                       .events = events,
                       .skip = v->scratch,
                       .plan = &v->run->plan,
                       .variation = variation};
    if (status == IB_OK) status = ib__execute(&job, &e, err);
    if (status == IB_OK && e.launched.interrupted != 0)
        status = ib__fail(err, IB_INTERRUPTED, v->run->folder, "verification was stopped in \"%s\"", label);
    if (status == IB_OK) {
        *same = compare(v, &e, label, !variation->cwd);
        ib__report_check(&v->report, label, *same);
        v->differs = v->differs || !*same;
        if (v->environment == NULL && e.seen.environment != NULL)
            v->environment = ib__value_copy(e.seen.environment);
    }
    if (cwd != NULL) ib__tree_remove(cwd);
    ib__execution_free(&e);
    free(log);
    free(events);
    free(cwd);
    return status;
}

/* ---- Variations ---- */

typedef struct trial {
    way way;
    char label[40];
    ib_variation variation;
} trial;

#define TRIALS 16

static void add_trial(trial *list, size_t *n, way w, const char *label, ib_variation variation) {
    list[*n].way = w;
    snprintf(list[*n].label, sizeof list[*n].label, "%s", label);
    list[(*n)++].variation = variation;
}

static size_t list_trials(const verification *v, trial list[TRIALS]) {
    size_t n = 0, recorded = v->run->plan.threads;
    const size_t threads[] = {1, 2, 2 * recorded};
    for (size_t i = 0; v->vary[THREADS] && i < 3; i++) {
        char label[32];
        snprintf(label, sizeof label, "threads: %zu", threads[i]);
        if (threads[i] != recorded && !(i == 2 && threads[i] == 2))
            add_trial(list, &n, THREADS, label, (ib_variation){.threads = threads[i]});
    }
    if (v->vary[ISA]) {
        add_trial(list, &n, ISA, "isa: oneDNN off", (ib_variation){.isa = "onednn-off"});
        if (ib__isa_available(IB_ISA_AVX512))
            add_trial(list, &n, ISA, "isa: AVX2", (ib_variation){.isa = "avx2"});
        if (ib__isa_available(IB_ISA_AVX2))
            add_trial(list, &n, ISA, "isa: SSE4.1", (ib_variation){.isa = "sse41"});
    }
    if (v->vary[HASHSEED])
        add_trial(list, &n, HASHSEED, "hashseed: another", (ib_variation){.hashseed = true});
    if (v->vary[ORDER]) add_trial(list, &n, ORDER, "order: backwards", (ib_variation){.order = true});
    if (v->vary[TIME]) add_trial(list, &n, TIME, "time: a day later", (ib_variation){.time = true});
    if (v->vary[CWD]) add_trial(list, &n, CWD, "cwd: another folder", (ib_variation){.cwd = true});
    if (v->vary[ADDRESSES])
        add_trial(list, &n, ADDRESSES, "addresses: random", (ib_variation){.addresses = true});
    return n;
}

/* All that was asked for at once: what is the same alone may not be together. */
static ib_variation all_together(const verification *v) {
    return (ib_variation){.threads = !v->vary[THREADS]           ? 0
                                     : v->run->plan.threads == 1 ? 2
                                                                 : 1,
                          .isa = v->vary[ISA] ? "onednn-off" : NULL,
                          .hashseed = v->vary[HASHSEED],
                          .order = v->vary[ORDER],
                          .time = v->vary[TIME],
                          .cwd = v->vary[CWD],
                          .addresses = v->vary[ADDRESSES]};
}

static ib_status run_trials(verification *v, const ib_aside *aside, ib_error *err) {
    static const ib_variation none;
    trial list[TRIALS];
    size_t n = list_trials(v, list), ways = 0;
    bool same = false;
    ib_status status = execute(v, &none, aside, "as recorded", &same, err);
    if (status != IB_OK || !same) return status;
    for (size_t i = 0; status == IB_OK && i < n; i++) {
        status = execute(v, &list[i].variation, aside, list[i].label, &same, err);
        if (status == IB_OK && !same) v->moves[list[i].way] = true;
    }
    for (size_t i = 0; i < WAYS; i++)
        ways += v->vary[i];
    ib_variation all = all_together(v);
    if (status == IB_OK && ways > 1) status = execute(v, &all, aside, "together", &same, err);
    return status;
}

/* ---- What comes out ---- */

static void say_ways(verification *v, const char *before, const char *key, bool moved) {
    ib_buf text = {0};
    ib_value *list = ib__value_list();
    for (size_t i = 0; i < WAYS; i++) {
        if (!v->vary[i] || v->moves[i] != moved) continue;
        ib__buf_printf(&text, " %s", way_names[i]);
        if (list != NULL && !ib__value_add(list, ib__value_string(way_names[i]))) v->report.failed = true;
    }
    if (text.length > 0 && !v->report.json) ib__say(&v->report.inner, "%s%s\n", before, text.data);
    ib__report_set(&v->report, key, list);
    ib__buf_free(&text);
}

static void say_result(verification *v) {
    const ib_options *options = &v->report.inner;
    const char *result = ib__value_get(v->run->tree, "result")->string;
    bool moved = false;
    for (size_t i = 0; i < WAYS; i++)
        moved = moved || v->moves[i];
    if (v->differs && !moved) {
        const ib_value *then = ib__value_get(ib__value_get(v->run->tree, "environment"), "python");
        if (v->environment != NULL && ib__value_is(then, IB_MAP))
            (void)ib__env_differences(then, v->environment, options);
    }
    say_ways(v, "moved by:", "moved_by", true);
    say_ways(v, "not moved by:", "not_moved_by", false);
    ib__report_set(&v->report, "result", ib__value_string(result));
    if (!v->differs && !v->report.json) ib__say(options, "verified: run\nresult sha256:%s\n", result);
}

/* By the goal `documented`: files and environment are what they were; the script is not run. */
static ib_status verify_documented(verification *v, ib_error *err) {
    const ib_options *options = &v->report.inner;
    ib_value *now = NULL;
    const ib_value *program = ib__value_get(v->run->tree, "program");
    size_t count = changed_files(ib__value_get(v->run->tree, "inputs"), options) +
                   changed_files(ib__value_get(program, "sources"), options);
    ib_status status = ib__script_env_now(&now, v->run, err);
    if (status == IB_OK)
        count += ib__env_differences(ib__value_get(v->run->tree, "environment"), now, options);
    ib__value_free(now);
    if (status == IB_OK && count == 0)
        ib__say(options, "documented: the files and the environment are there\n");
    return status == IB_OK && count > 0 ? IB_DIFFERS : status;
}

static ib_status verify(verification *v, ib_error *err) {
    ib_aside aside;
    const ib_value *program = ib__value_get(v->run->tree, "program");
    ib_status status = check_program(v->run, err);
    if (status != IB_OK) return status;
    if (changed_files(ib__value_get(v->run->tree, "inputs"), &v->report.inner) +
            changed_files(ib__value_get(program, "sources"), &v->report.inner) >
        0)
        return IB_DIFFERS;
    status = ib__folder_temporary(&v->scratch, err);
    if (status == IB_OK) status = ib__aside_begin(&aside, v->run, err);
    if (status == IB_OK) {
        status = run_trials(v, &aside, err);
        ib_status back = ib__aside_end(&aside, err);
        if (status == IB_OK) status = back;
    }
    ib__folder_discard(v->scratch);
    if (status == IB_OK) say_result(v);
    return status == IB_OK && v->differs ? IB_DIFFERS : status;
}

ib_status ib__script_verify(const char *run, const ib_judgement *how, const ib_options *options,
                            ib_error *err) {
    verification v = {0};
    ib_script_run *r = NULL;
    bool documented = how->goal != NULL && strcmp(how->goal, "documented") == 0;
    if (how->goal != NULL && !documented && strcmp(how->goal, "bitwise") != 0)
        return ib__fail(err, IB_UNSUPPORTED, "goal",
                        "expected bitwise or documented for the run of a script, found \"%.40s\"", how->goal);
    ib_status status = parse_vary(v.vary, how->vary, err);
    if (status == IB_OK) status = ib__script_read(&r, run, err);
    if (status != IB_OK) return status;
    v.run = r;
    ib__report_begin(&v.report, options);
    status = documented ? verify_documented(&v, err) : verify(&v, err);
    status = ib__report_end(&v.report, status, err);
    ib__value_free(v.environment);
    ib__script_free(r);
    return status;
}
