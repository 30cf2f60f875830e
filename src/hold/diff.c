/* SPDX-License-Identifier: Apache-2.0
 *
 * Where two runs part when one of them, or both, are of scripts: settings, files, environment, steps, and the
 * distance of the final weights.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "hold/commands.h"
#include "hold/ulp.h"

/* Either the run of a script or one of isobit's own. */
typedef struct side {
    ib_script_run *script;
    ib_record *own;
    ib_weights weights;
} side;

static ib_status open_side(side *s, const char *run, ib_error *err) {
    ib_status status =
        ib__script_is(run) ? ib__script_read(&s->script, run, err) : ib__record_read(&s->own, run, err);
    if (status != IB_OK) return status;
    return s->script != NULL ? ib__weights_of_script(&s->weights, s->script, err)
                             : ib__weights_of_model(&s->weights, s->own, err);
}

static void close_side(side *s) {
    ib__script_free(s->script);
    ib__record_free(s->own);
    ib__weights_free(&s->weights);
}

/* ---- Settings and files of two scripts ---- */

static size_t say_setting(const char *name, const ib_value *a, const ib_value *b, const ib_options *options) {
    if (a == NULL || b == NULL || ib__value_equal(a, b)) return 0;
    ib_buf x = {0}, y = {0};
    ib__json_write(&x, a, IB_JSON_CANONICAL);
    ib__json_write(&y, b, IB_JSON_CANONICAL);
    ib__say(options, "%s: %.400s against %.400s\n", name, x.data != NULL ? x.data : "",
            y.data != NULL ? y.data : "");
    ib__buf_free(&x);
    ib__buf_free(&y);
    return 1;
}

static size_t diff_variables(const ib_value *a, const ib_value *b, const ib_options *options) {
    size_t count = 0;
    for (size_t i = 0; i < a->count; i++)
        count += say_setting(a->keys[i], a->items[i], ib__value_get(b, a->keys[i]), options);
    return count;
}

static size_t diff_files(const char *what, const ib_value *a, const ib_value *b, const ib_options *options) {
    size_t count = 0;
    for (size_t i = 0; i < a->count; i++) {
        const ib_value *path = ib__value_get(a->items[i], "path"), *found = NULL;
        for (size_t k = 0; k < b->count && found == NULL; k++)
            if (ib__value_equal(ib__value_get(b->items[k], "path"), path))
                found = ib__value_get(b->items[k], "sha256");
        if (found == NULL || ib__value_equal(found, ib__value_get(a->items[i], "sha256"))) continue;
        ib__say(options, "%s %s: other content\n", what, path->string);
        count++;
    }
    return count;
}

static size_t diff_settings(const ib_script_run *a, const ib_script_run *b, const ib_options *options) {
    static const struct {
        const char *map, *key;
    } settings[] = {{"program", "argv"}, {"program", "cwd"}, {"program", "end"}, {"hold", "names"},
                    {"hold", "seed"},    {"hold", "every"},  {"hold", "threads"}};
    const ib_value *x = a->tree, *y = b->tree;
    const ib_value *p = ib__value_get(x, "program"), *q = ib__value_get(y, "program");
    size_t count = 0;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        count +=
            say_setting(settings[i].key, ib__value_get(ib__value_get(x, settings[i].map), settings[i].key),
                        ib__value_get(ib__value_get(y, settings[i].map), settings[i].key), options);
    count += diff_variables(ib__value_get(ib__value_get(x, "hold"), "variables"),
                            ib__value_get(ib__value_get(y, "hold"), "variables"), options);
    count += diff_files("source", ib__value_get(p, "sources"), ib__value_get(q, "sources"), options);
    count += diff_files("input", ib__value_get(x, "inputs"), ib__value_get(y, "inputs"), options);
    count += ib__env_differences(ib__value_get(x, "environment"), ib__value_get(y, "environment"), options);
    return count;
}

/* ---- Steps ---- */

/* A recorded state of either kind of run. */
typedef struct state {
    int64_t step;
    size_t count;
    const ib_hold_tensor *tensors; /* of a script */
    const ib_digest *digests;      /* of isobit's own, in the order of paths */
    char *const *paths;
} state;

static size_t state_count(const side *s) {
    return s->script != NULL ? s->script->trace.n_steps : s->own->trace.n_steps;
}

/* false: this step's state is not recorded. */
static bool state_at(const side *s, size_t i, state *out) {
    if (s->script != NULL) {
        const ib_hold_step *step = &s->script->trace.steps[i];
        *out = (state){
            .step = step->number, .count = step->count, .tensors = s->script->trace.tensors + step->first};
        return true;
    }
    const ib_trace *t = &s->own->trace;
    *out =
        (state){.step = (int64_t)i, .count = t->n_paths, .digests = ib__trace_state(t, i), .paths = t->paths};
    return out->digests != NULL;
}

static const char *path_of(const state *s, size_t i) {
    return s->tensors != NULL ? s->tensors[i].path : s->paths[i];
}

static const ib_digest *digest_of(const state *s, size_t i) {
    return s->tensors != NULL ? &s->tensors[i].digest : &s->digests[i];
}

/* Compares tensors of one path; gives how many differ and, in *first, the first of them. */
static size_t compare_states(const state *a, const state *b, size_t *pairs, const char **first) {
    size_t count = 0;
    *pairs = 0;
    for (size_t i = 0; i < a->count; i++) {
        for (size_t k = 0; k < b->count; k++) {
            size_t at = (i + k) % b->count; /* mostly in the same order */
            if (!ib__same_tensor_name(path_of(a, i), path_of(b, at))) continue;
            ++*pairs;
            if (memcmp(digest_of(a, i), digest_of(b, at), sizeof(ib_digest)) != 0 && count++ == 0)
                *first = path_of(a, i);
            break;
        }
    }
    return count;
}

/* Says the first step that both recorded and where a tensor differs; false: there is none. */
static bool diff_steps(const side *a, const side *b, const ib_options *options) {
    size_t k = 0, compared = 0, steps = 0;
    int64_t last = 0;
    for (size_t i = 0; i < state_count(a); i++) {
        state x, y;
        if (!state_at(a, i, &x)) continue;
        bool there = false;
        for (; k < state_count(b); k++) {
            there = state_at(b, k, &y) && y.step >= x.step;
            if (there) break;
        }
        if (!there || y.step != x.step) continue;
        k++;
        size_t pairs;
        const char *first = "";
        size_t count = compare_states(&x, &y, &pairs, &first);
        compared += pairs;
        if (count > 0) {
            ib__say(options, "recorded: they part at step %" PRId64 ": %s (%zu of %zu tensors)", x.step,
                    first, count, pairs);
            if (steps > 0) ib__say(options, "; the same at step %" PRId64, last);
            ib__say(options, "\n");
            return true;
        }
        steps += pairs > 0;
        last = x.step;
    }
    ib__say(options, "recorded: %zu digests at %zu steps are the same in both\n", compared, steps);
    return false;
}

static bool diff_weights(const side *a, const side *b, const ib_options *options) {
    size_t differing;
    if (a->weights.count == 0 || b->weights.count == 0) {
        ib__say(options, "final weights: not recorded in %s\n",
                a->weights.count == 0 ? "the first" : "the second");
        return false;
    }
    ib__say(options, "final weights:\n");
    size_t pairs = ib__weights_compare(&a->weights, &b->weights, &differing, options);
    ib__say(options, "  %zu of %zu tensors of one name differ\n", differing, pairs);
    return differing > 0 || pairs == 0;
}

/* "same" is said of two scripts only: the results of different kinds of run are digests of different things.
 */
static ib_status diff_sides(const side *a, const side *b, const ib_options *options) {
    bool scripts = a->script != NULL && b->script != NULL;
    if (scripts && memcmp(&a->script->trace.result, &b->script->trace.result, sizeof(ib_digest)) == 0 &&
        ib__hold_trace_parts(&a->script->trace, &b->script->trace) == SIZE_MAX) {
        ib__say(options, "same: result sha256:%s\n", ib__value_get(a->script->tree, "result")->string);
        return IB_OK;
    }
    if (scripts) (void)diff_settings(a->script, b->script, options);
    bool parts = diff_steps(a, b, options);
    parts = diff_weights(a, b, options) || parts;
    return parts || scripts ? IB_DIFFERS : IB_OK;
}

ib_status ib__script_diff(const char *run_a, const char *run_b, const ib_options *options, ib_error *err) {
    side a = {0}, b = {0};
    ib_status status = open_side(&a, run_a, err);
    if (status == IB_OK) status = open_side(&b, run_b, err);
    if (status == IB_OK) status = diff_sides(&a, &b, options);
    close_side(&a);
    close_side(&b);
    return status;
}
