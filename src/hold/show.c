/* SPDX-License-Identifier: Apache-2.0
 *
 * What the run of a script was: isobit show.
 */
#include <inttypes.h>
#include <string.h>

#include "hold/commands.h"

static void say_words(const ib_script_run *r, const ib_options *options) {
    const ib_value *argv = ib__value_get(ib__value_get(r->tree, "program"), "argv");
    ib_buf text = {0};
    for (size_t i = 0; i < argv->count; i++)
        ib__buf_printf(&text, "%s%s", i > 0 ? " " : "", r->argv[i] != NULL ? r->argv[i] : "(left out)");
    ib__say(options, "%-14s %.1500s\n", "program", text.data != NULL ? text.data : "");
    ib__buf_free(&text);
}

static const char *text_of(const ib_value *map, const char *key) {
    const ib_value *value = ib__value_get(map, key);
    return ib__value_is(value, IB_STRING) ? value->string : "";
}

static void say_files(const char *kind, const ib_value *list, const ib_options *options) {
    for (size_t i = 0; i < list->count && i < 20; i++)
        ib__say(options, "%-14s %s %s\n", kind, text_of(list->items[i], "path"),
                text_of(list->items[i], "sha256"));
    if (list->count > 20) ib__say(options, "%-14s ... %zu in all\n", kind, list->count);
}

static void say_entropy(const ib_value *list, const ib_options *options) {
    for (size_t i = 0; i < list->count; i++) {
        const ib_value *held = ib__value_get(list->items[i], "held");
        ib__say(options, "%-14s %s by %s %s%s\n", "entropy", text_of(list->items[i], "source"),
                text_of(list->items[i], "by"), text_of(list->items[i], "at"),
                ib__value_is(held, IB_BOOL) && held->boolean ? "" : ": not held");
    }
}

static void say_trained(const ib_value *list, const ib_options *options) {
    for (size_t i = 0; i < list->count; i++) {
        const ib_value *steps = ib__value_get(list->items[i], "steps");
        ib__say(options, "%-14s %s, %" PRId64 " steps\n", "trained", text_of(list->items[i], "name"),
                ib__value_is(steps, IB_INT) ? steps->integer : 0);
    }
}

static void say_environment(const ib_value *env, const ib_options *options) {
    const ib_value *python = ib__value_get(env, "python"), *backends = ib__value_get(python, "backends");
    ib__say(options, "%-14s %s\n", "cpu", text_of(ib__value_get(env, "cpu"), "model"));
    if (python != NULL) ib__say(options, "%-14s %s\n", "python", text_of(python, "version"));
    for (size_t i = 0; ib__value_is(backends, IB_MAP) && i < backends->count; i++)
        ib__say(options, "%-14s %s\n", backends->keys[i], text_of(backends, backends->keys[i]));
}

ib_status ib__script_show(const char *run, const ib_options *options, ib_error *err) {
    ib_script_run *r = NULL;
    ib_status status = ib__script_read(&r, run, err);
    if (status != IB_OK) return status;
    const ib_value *results = ib__value_get(r->tree, "results"), *hold = ib__value_get(r->tree, "hold");
    const ib_value *names = ib__value_get(hold, "names");
    say_words(r, options);
    ib__say(options, "%-14s %s\n", "folder", r->cwd);
    ib__say(options, "%-14s %s\n", "end", text_of(ib__value_get(r->tree, "program"), "end"));
    ib__say(options, "%-14s", "held");
    for (size_t i = 0; i < names->count; i++)
        if (ib__value_is(names->items[i], IB_STRING)) ib__say(options, " %s", names->items[i]->string);
    ib__say(options, "\n%-14s %" PRId64 "\n", "seed", ib__value_get(hold, "seed")->integer);
    say_environment(ib__value_get(r->tree, "environment"), options);
    say_files("input", ib__value_get(r->tree, "inputs"), options);
    say_files("output", ib__value_get(r->tree, "outputs"), options);
    say_entropy(ib__value_get(r->tree, "entropy"), options);
    const ib_value *escaped = ib__value_get(r->tree, "escaped");
    for (size_t i = 0; i < escaped->count; i++)
        ib__say(options, "%-14s %s: %s\n", "not held", text_of(escaped->items[i], "exe"),
                text_of(escaped->items[i], "how"));
    say_trained(ib__value_get(results, "trained"), options);
    ib__say(options, "%-14s %" PRId64 "\n", "steps", ib__value_get(results, "steps")->integer);
    ib__say(options, "result sha256:%s\n", ib__value_get(r->tree, "result")->string);
    ib__script_free(r);
    return IB_OK;
}
