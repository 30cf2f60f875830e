/* SPDX-License-Identifier: Apache-2.0
 *
 * Where two runs part: settings, then data, then steps, then tensors.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "run/cause.h"
#include "run/commands.h"
#include "run/diff_data.h"
#include "run/inputs.h"
#include "run/lockstep.h"

/* ---- Settings ---- */

static void add_setting(ib_causes *c, const char *place) {
    bool seed = strcmp(place, "seed") == 0;
    c->settings++;
    c->seed = c->seed || seed;
    if (c->settings > 4) return;
    ib__causes_add(c, seed ? "seed" : "experiment field", seed ? "the streams that it gives" : place);
}

static void say_values(const char *place, const ib_value *a, const ib_value *b, const ib_options *options) {
    ib_buf x = {0}, y = {0};
    if (a != NULL) ib__json_write(&x, a, IB_JSON_CANONICAL);
    if (b != NULL) ib__json_write(&y, b, IB_JSON_CANONICAL);
    ib__say(options, "setting %s: %.400s against %.400s\n", place, a != NULL && x.data ? x.data : "none",
            b != NULL && y.data ? y.data : "none");
    ib__buf_free(&x);
    ib__buf_free(&y);
}

/* Says every leaf that differs. Files are compared by content, as inputs. */
static void diff_values(const char *place, const ib_value *a, const ib_value *b, ib_causes *c,
                        const ib_options *options) {
    char inner[256];
    if (a != NULL && b != NULL && ib__value_equal(a, b)) return;
    if (ib__record_input(c->record, place, NULL) != NULL && ib__value_is(a, IB_STRING) &&
        ib__value_is(b, IB_STRING))
        return;
    bool both = a != NULL && b != NULL;
    bool maps = both && a->kind == IB_MAP && b->kind == IB_MAP;
    bool lists = both && a->kind == IB_LIST && b->kind == IB_LIST && a->count == b->count;
    if (!maps && !lists) {
        say_values(place, a, b, options);
        add_setting(c, place);
        return;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (lists)
            snprintf(inner, sizeof inner, "%.200s[%zu]", place, i);
        else
            snprintf(inner, sizeof inner, "%.150s%s%.80s", place, *place ? "." : "", a->keys[i]);
        diff_values(inner, a->items[i], lists ? b->items[i] : ib__value_get(b, a->keys[i]), c, options);
    }
    for (size_t i = 0; maps && i < b->count; i++) {
        if (ib__value_get(a, b->keys[i]) != NULL) continue;
        snprintf(inner, sizeof inner, "%.150s%s%.80s", place, *place ? "." : "", b->keys[i]);
        diff_values(inner, NULL, b->items[i], c, options);
    }
}

/* The fields that a result is a function of. */
static void diff_settings(const ib_record *a, const ib_record *b, ib_causes *c, const ib_options *options) {
    static const char *const fields[] = {"isobit", "seed", "model", "compile", "data", "fit", "callbacks"};
    const ib_value *x = ib__value_get(a->tree, "experiment"), *y = ib__value_get(b->tree, "experiment");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const ib_value *p = ib__value_get(x, fields[i]), *q = ib__value_get(y, fields[i]);
        if (p != NULL || q != NULL) diff_values(fields[i], p, q, c, options);
    }
}

/* ---- Steps ---- */

static void say_step(const ib_record *a, const ib_record *b, size_t step, const ib_options *options) {
    const ib_trace *x = &a->trace, *y = &b->trace;
    if (step >= x->n_steps || step >= y->n_steps) {
        ib__say(options, "recorded: the same up to step %zu, where one of them ends\n", step - 1);
        return;
    }
    uint32_t u = x->steps[step].loss, v = y->steps[step].loss;
    if (step == 0)
        ib__say(options, "recorded: they part before the first step\n");
    else
        ib__say(options, "recorded: they part at step %zu\n", step);
    if (u != v)
        ib__say(options, "  loss: %.9g (0x%08" PRIx32 ") against %.9g (0x%08" PRIx32 ")\n", ib__bits_value(u),
                u, ib__bits_value(v), v);
    const ib_digest *p = ib__trace_state(x, step), *q = ib__trace_state(y, step);
    if (p == NULL || q == NULL || x->n_paths != y->n_paths) {
        ib__say(options,
                "  tensors were not recorded at this step (fit.record_every: 1 records them at each)\n");
        return;
    }
    size_t shown = 0, count = 0;
    for (size_t i = 0; i < x->n_paths; i++)
        count += memcmp(&p[i], &q[i], sizeof *p) != 0;
    for (size_t i = 0; i < x->n_paths && shown < 4; i++) {
        if (memcmp(&p[i], &q[i], sizeof *p) == 0) continue;
        ib__say(options, "%s%s", shown++ == 0 ? "  tensors: " : ", ", x->paths[i]);
    }
    if (count > 0)
        ib__say(options, "%s (%zu of %zu differ)\n", count > shown ? ", ..." : "", count, x->n_paths);
}

/* ---- Training again ---- */

/* The same experiment twice, other digests: at least one of them was disturbed. Its re-execution tells which,
 * and what disturbed it. */
static ib_status name_disturbed(const ib_meeting *m, const ib_runtime *runtime, size_t step,
                                const ib_options *options, ib_error *err) {
    ib_status status = IB_OK;
    for (int i = 0; status == IB_OK && i < 2; i++) {
        bool reproduced;
        ib__say(options, "trained again: ");
        status = ib__cause_find(m->records[i], m->from[i], runtime, step, options, &reproduced, err);
    }
    return status;
}

/* Are all inputs still what the run was trained on? Says the first that is not. */
static bool inputs_intact(const ib_record *r, const ib_options *options) {
    const ib_value *inputs = ib__value_get(r->tree, "inputs");
    for (size_t i = 0; i < inputs->count; i++) {
        const ib_value *path = ib__value_get(inputs->items[i], "path");
        const ib_value *field = ib__value_get(inputs->items[i], "field");
        const ib_value *hash = ib__value_get(inputs->items[i], "sha256");
        if (!ib__value_is(path, IB_STRING) || !ib__value_is(field, IB_STRING)) continue;
        ib_digest digest;
        char hex[65] = "";
        if (ib__input_digest(&digest, r, field->string, path->string, NULL) == IB_OK)
            ib__digest_hex(hex, &digest);
        if (ib__value_is_string(hash, hex)) continue;
        ib__say(options, "not trained again: %s is not what %s was trained on any more\n", path->string,
                r->folder);
        return false;
    }
    return true;
}

/* Two experiments side by side. */
static ib_status part_again(const ib_meeting *m, const ib_runtime *runtime, size_t step,
                            const ib_options *options, ib_error *err) {
    bool found = false;
    ib_status status = ib__lockstep(m, runtime, step, options, &found, err);
    if (status == IB_OK && !found)
        ib__say(options,
                "trained again: no tensor differs up to step %zu; isobit verify says which of the two "
                "is not reproduced\n",
                step);
    return status;
}

static ib_status train_again(const ib_record *a, const ib_record *b, bool same, size_t step,
                             const ib_options *options, ib_error *err) {
    ib_experiment *ea = NULL, *eb = NULL;
    ib_runtime runtime;
    ib_status status = ib__runtime_init(&runtime, options->threads, options->isa, err);
    if (status != IB_OK || !inputs_intact(a, options) || !inputs_intact(b, options)) return status;
    ib_error reason = {0};
    if (ib__record_experiment(&ea, a, &reason) != IB_OK || ib__record_experiment(&eb, b, &reason) != IB_OK) {
        ib__say(options, "not trained again: %s: %s\n", reason.where, reason.text);
    } else {
        ib_meeting m = {.records = {a, b}, .experiments = {ea, eb}};
        status = ib__meeting_find(&m, &runtime, step, same, options, err);
        if (status == IB_OK && same) status = name_disturbed(&m, &runtime, step, options, err);
        if (status == IB_OK && !same) status = part_again(&m, &runtime, step, options, err);
        ib__meeting_end(&m);
    }
    ib__experiment_free(ea);
    ib__experiment_free(eb);
    return status;
}

/* The result differs, but no step: history or results, as the experiment or a change of the record gives
 * them. */
static void say_results(const ib_record *a, const ib_record *b, bool same, const ib_options *options) {
    ib__say(options, "recorded: no step differs; the results differ in settings, history or test results\n");
    if (same)
        ib__say(options,
                "cause: the record was changed: history or results of %s or %s; isobit verify tells which\n",
                a->folder, b->folder);
}

static ib_status diff_records(const ib_record *a, const ib_record *b, const ib_options *options,
                              ib_error *err) {
    const ib_value *x = ib__value_get(a->tree, "experiment_sha256"),
                   *y = ib__value_get(b->tree, "experiment_sha256");
    bool same = strcmp(x->string, y->string) == 0;
    ib_causes c = {.record = a};
    ib_status status = IB_OK;
    int64_t u = ib__value_get(a->tree, "contract")->integer, v = ib__value_get(b->tree, "contract")->integer;
    if (u != v) {
        ib__say(options, "contract: version %lld against %lld\n", (long long)u, (long long)v);
        ib__causes_add(&c, "contract version", "");
    }
    if (!same) {
        diff_settings(a, b, &c, options);
        c.data = ib__diff_inputs(a, b, &c, options);
        if (c.settings + c.data == 0) ib__causes_add(&c, "the record was changed", "experiment_sha256");
    }
    size_t step = ib__trace_first_difference(&a->trace, &b->trace, !same);
    if (step == SIZE_MAX) {
        say_results(a, b, same && u == v, options);
    } else {
        say_step(a, b, step, options);
        status = train_again(a, b, same && u == v, step, options, err);
    }
    if (c.text.length > 0) ib__say(options, "cause: %s\n", c.text.data);
    ib__buf_free(&c.text);
    return status == IB_OK ? IB_DIFFERS : status;
}

ib_status ib__diff(const char *run_a, const char *run_b, const ib_options *options, ib_error *err) {
    ib_record *a = NULL, *b = NULL;
    ib_status status = ib__record_read(&a, run_a, err);
    if (status == IB_OK) status = ib__record_read(&b, run_b, err);
    if (status == IB_OK &&
        ib__value_equal(ib__value_get(a->tree, "contract"), ib__value_get(b->tree, "contract")) &&
        ib__value_equal(ib__value_get(a->tree, "experiment_sha256"),
                        ib__value_get(b->tree, "experiment_sha256")) &&
        memcmp(&a->trace.result, &b->trace.result, sizeof a->trace.result) == 0 &&
        ib__trace_first_difference(&a->trace, &b->trace, false) == SIZE_MAX) {
        ib__say(options, "same: result sha256:%s\n", ib__value_get(a->tree, "result")->string);
    } else if (status == IB_OK) {
        status = diff_records(a, b, options, err);
    }
    ib__record_free(a);
    ib__record_free(b);
    return status;
}
