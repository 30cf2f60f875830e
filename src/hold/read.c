/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the run of a script, with what it takes to run it again. Records come from strangers: each field is
 * looked at before it is used.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "hold/record.h"
#include "run/record.h"

extern char **environ;

#define RECORD_LIMIT ((size_t)256 << 20)

/* Only what tells the two kinds of record apart is looked for: a whole parse comes later. */
bool ib__script_is(const char *run) {
    ib_buf text = {0};
    ib_value *tree = NULL;
    char *path = ib__path_join(run, "record.json");
    bool is = path != NULL && ib__file_read(&text, path, RECORD_LIMIT, NULL) == IB_OK &&
              ib__json_parse(&tree, text.data, text.length, path, NULL) == IB_OK &&
              ib__value_get(tree, "program") != NULL;
    ib__value_free(tree);
    ib__buf_free(&text);
    free(path);
    return is;
}

static ib_status bad_field(const char *path, const char *field, const char *expected, ib_error *err) {
    return ib__fail(err, IB_BAD_INPUT, path, "%s: expected %s", field, expected);
}

/* A list of maps, each with a text "path" and, when there is one, 64 hex digits in "sha256". */
static ib_status check_files(const ib_value *list, const char *path, const char *field, ib_error *err) {
    for (size_t i = 0; i < list->count; i++) {
        ib_digest digest;
        const ib_value *name = ib__value_get(list->items[i], "path"),
                       *hash = ib__value_get(list->items[i], "sha256");
        bool hashed = ib__value_is(hash, IB_STRING) && ib__digest_parse(&digest, hash->string);
        if (!ib__value_is(name, IB_STRING) || !(hashed || ib__value_is(hash, IB_NULL)))
            return bad_field(path, field, "maps with path and sha256", err);
    }
    return IB_OK;
}

static ib_status check_tree(const ib_value *tree, const char *path, ib_error *err) {
    static const ib_need needs[] = {{"isobit_record", IB_INT}, {"result", IB_STRING},   {"program", IB_MAP},
                                    {"hold", IB_MAP},          {"inputs", IB_LIST},     {"outputs", IB_LIST},
                                    {"processes", IB_LIST},    {"entropy", IB_LIST},    {"escaped", IB_LIST},
                                    {"warnings", IB_LIST},     {"environment", IB_MAP}, {"timing", IB_MAP},
                                    {"results", IB_MAP}};
    static const struct {
        const char *map, *key;
        ib_kind kind;
    } inner[] = {
        {"program", "argv", IB_LIST},   {"program", "cwd", IB_STRING}, {"program", "stdin", IB_STRING},
        {"program", "end", IB_STRING},  {"program", "env", IB_MAP},    {"program", "sources", IB_LIST},
        {"hold", "names", IB_LIST},     {"hold", "seed", IB_INT},      {"hold", "every", IB_INT},
        {"hold", "threads", IB_INT},    {"hold", "variables", IB_MAP}, {"results", "steps", IB_INT},
        {"results", "trained", IB_LIST}};
    ib_status status = ib__record_needs(tree, path, needs, sizeof needs / sizeof *needs, err);
    for (size_t i = 0; status == IB_OK && i < sizeof inner / sizeof *inner; i++)
        if (!ib__value_is(ib__value_get(ib__value_get(tree, inner[i].map), inner[i].key), inner[i].kind))
            status = bad_field(path, inner[i].key, ib__kind_name(inner[i].kind), err);
    if (status != IB_OK) return status;
    static const char *const lists[] = {"inputs", "outputs"};
    for (size_t i = 0; status == IB_OK && i < 2; i++)
        status = check_files(ib__value_get(tree, lists[i]), path, lists[i], err);
    if (status == IB_OK)
        status = check_files(ib__value_get(ib__value_get(tree, "program"), "sources"), path, "sources", err);
    return status;
}

static ib_status read_file(const char *run, const char *name, ib_buf *text, char **path, ib_error *err) {
    *path = ib__path_join(run, name);
    return *path == NULL ? ib__fail_memory(err) : ib__file_read(text, *path, 0, err);
}

static ib_status read_files(ib_script_run *r, ib_error *err) {
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"record.json", "steps", "tensors"};
        ib_buf text = {0};
        char *path = NULL;
        ib_status status = read_file(r->folder, names[i], &text, &path, err);
        if (status == IB_OK && i == 0) status = ib__json_parse(&r->tree, text.data, text.length, path, err);
        if (status == IB_OK && i == 0) status = check_tree(r->tree, path, err);
        if (status == IB_OK && i == 1) status = ib__hold_trace_parse_steps(&r->trace, text.data, path, err);
        if (status == IB_OK && i == 2) status = ib__hold_trace_parse_tensors(&r->trace, text.data, path, err);
        if (status == IB_OK && i == 0 &&
            !ib__digest_parse(&r->trace.result, ib__value_get(r->tree, "result")->string))
            status = bad_field(path, "result", "64 hex digits", err);
        free(path);
        ib__buf_free(&text);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

/* ---- What runs it again ---- */

static ib_status take_arguments(ib_script_run *r, const ib_value *list, ib_error *err) {
    r->argv = calloc(list->count + 1, sizeof(char *));
    if (r->argv == NULL) return ib__fail_memory(err);
    if (list->count == 0) return bad_field(r->folder, "program.argv", "a program", err);
    for (size_t i = 0; i < list->count; i++) {
        const ib_value *word = list->items[i];
        if (ib__value_is(word, IB_STRING)) r->argv[i] = word->string;
        if (!ib__value_is(word, IB_STRING) && !ib__value_is(word, IB_NULL))
            return bad_field(r->folder, "program.argv", "texts", err);
    }
    return IB_OK;
}

static void take_variables(ib_script_run *r, const ib_value *map) {
    for (size_t i = 0; i < map->count; i++)
        if (ib__value_is(map->items[i], IB_STRING))
            ib__variables_set(&r->env, map->keys[i], map->items[i]->string);
    for (char **at = environ; *at != NULL; at++) {
        char *equals = strchr(*at, '='), *name = equals != NULL ? strndup(*at, (size_t)(equals - *at)) : NULL;
        if (name != NULL && ib__looks_secret(name, equals + 1)) ib__variables_set(&r->env, name, equals + 1);
        free(name);
    }
}

static ib_status take_plan(ib_hold_plan *plan, const ib_value *hold, ib_error *err) {
    ib_buf names = {0};
    const ib_value *list = ib__value_get(hold, "names");
    ib__buf_text(&names, "none");
    for (size_t i = 0; i < list->count; i++)
        if (ib__value_is(list->items[i], IB_STRING)) ib__buf_printf(&names, ",%s", list->items[i]->string);
    ib_status status = names.failed ? ib__fail_memory(err) : ib__hold_plan_init(plan, names.data, err);
    ib__buf_free(&names);
    int64_t every = ib__value_get(hold, "every")->integer, threads = ib__value_get(hold, "threads")->integer;
    plan->seed = (uint64_t)ib__value_get(hold, "seed")->integer;
    plan->every = every > 0 ? (size_t)every : 0;
    plan->threads = threads > 0 && threads < 4096 ? (size_t)threads : 1;
    return status;
}

static ib_status take_program(ib_script_run *r, ib_error *err) {
    const ib_value *program = ib__value_get(r->tree, "program");
    const char *input = ib__value_get(program, "stdin")->string;
    r->cwd = ib__value_get(program, "cwd")->string;
    r->input = input[0] == '/' ? input : "/dev/null";
    take_variables(r, ib__value_get(program, "env"));
    ib_status status = take_arguments(r, ib__value_get(program, "argv"), err);
    if (status == IB_OK) {
        status = take_plan(&r->plan, ib__value_get(r->tree, "hold"), err);
        if (status != IB_OK) status = ib__fail_within(err, status, r->folder);
    }
    return status == IB_OK && r->env.failed ? ib__fail_memory(err) : status;
}

ib_status ib__script_read(ib_script_run **out, const char *run, ib_error *err) {
    ib_script_run *r = calloc(1, sizeof *r);
    if (r == NULL) return ib__fail_memory(err);
    r->folder = strdup(run);
    ib_status status = r->folder == NULL ? ib__fail_memory(err) : read_files(r, err);
    if (status == IB_OK) status = take_program(r, err);
    if (status == IB_OK)
        *out = r;
    else
        ib__script_free(r);
    return status;
}

void ib__script_free(ib_script_run *r) {
    if (r == NULL) return;
    ib__value_free(r->tree);
    ib__hold_trace_free(&r->trace);
    ib__variables_free(&r->env);
    free(r->argv);
    free(r->folder);
    free(r);
}
