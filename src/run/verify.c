/* SPDX-License-Identifier: Apache-2.0
 *
 * Verification by the goal `bitwise`: a recorded run is trained again, in as many ways as asked for, and
 * every recorded digest compared.
 */
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "run/again.h"
#include "run/cause.h"
#include "run/commands.h"
#include "run/page.h"
#include "run/report.h"

/* The plain loops may need an hour for what the others do in a second, so that beside another instruction set
 * they run for so many seconds only; isobit verify --isa ref lets them run to the end. */
#define REFERENCE_SECONDS 20.0
#define STOPS 3 /* of --vary resume */

typedef enum level { THREADS, ISA, RESUME, COMPILER, LEVELS } level;
static const char *const level_names[LEVELS] = {"threads", "isa", "resume", "compiler"};

typedef struct verification {
    const ib_record *record;
    ib_runtime base;
    bool vary[LEVELS], proven[LEVELS];
    ib_report report;
} verification;

static ib_status parse_vary(bool vary[LEVELS], const char *text, ib_error *err) {
    for (const char *at = text; at != NULL && *at != '\0';) {
        char word[32];
        size_t n = strcspn(at, ","), i = 0;
        snprintf(word, sizeof word, "%.*s", n < sizeof word ? (int)n : 31, at);
        while (i < LEVELS && strcmp(word, level_names[i]) != 0)
            i++;
        if (i == LEVELS) {
            const char *near = ib__nearest(word, level_names, LEVELS);
            return ib__fail(err, IB_BAD_INPUT, "vary",
                            "expected a list of threads, isa, resume and compiler, found \"%.60s\"%s%s", text,
                            near != NULL ? ", did you mean " : "", near != NULL ? near : "");
        }
        vary[i] = true;
        at += n + (at[n] == ',');
    }
    return IB_OK;
}

/* One re-execution, and what it says. */
static ib_status reexecute(verification *v, const ib_runtime *runtime, size_t stops, double seconds,
                           ib_error *err) {
    char label[128];
    const ib_options *options = &v->report.inner;
    ib_again again = {
        .record = v->record, .runtime = *runtime, .options = options, .stops = stops, .seconds = seconds};
    int n = snprintf(label, sizeof label, "%s, %zu thread%s", ib__isa_name(runtime->isa), runtime->threads,
                     runtime->threads == 1 ? "" : "s");
    if (stops > 0) snprintf(label + n, sizeof label - (size_t)n, ", stopped %zu times", stops);
    ib_status status = ib__again(&again, err);
    size_t steps = again.trace.n_steps > 0 ? again.trace.n_steps - 1 : 0;
    if (status == IB_OK && again.unfinished)
        ib__say(options, "same: %s (the first %zu of %zu steps; --isa ref runs all)\n", label, steps,
                v->record->trace.n_steps - 1);
    else if (status == IB_OK)
        ib__say(options, "same: %s (%zu steps)\n", label, steps);
    else if (status == IB_DIFFERS)
        ib__say(options, "not the same: %s\n", label);
    const ib_value *resumed = ib__value_get(v->record->tree, "resumed");
    bool went_on = ib__value_is(resumed, IB_LIST) && resumed->count > 0;
    if (status == IB_DIFFERS && again.task != NULL && (again.differs != SIZE_MAX || went_on)) {
        bool reproduced;
        status = ib__cause_find(v->record, NULL, runtime, again.differs, options, &reproduced, err);
        if (status == IB_OK) status = IB_DIFFERS;
        if (status == IB_DIFFERS && reproduced && again.differs != SIZE_MAX)
            ib__say(options, "cause: memory: this re-execution was disturbed, another one was not\n");
    }
    if (status == IB_OK || status == IB_DIFFERS) ib__report_check(&v->report, label, status == IB_OK);
    ib__again_free(&again);
    return status;
}

static ib_status vary_threads(verification *v, ib_error *err) {
    static const size_t threads[] = {1, 2, 3, 7};
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < sizeof threads / sizeof *threads; i++) {
        ib_runtime other = v->base;
        other.threads = threads[i];
        if (other.threads != v->base.threads) status = reexecute(v, &other, 0, 0, err);
    }
    return status;
}

/* The best first. */
static ib_status vary_isa(verification *v, ib_error *err) {
    ib_status status = IB_OK;
    for (int i = IB_ISA_COUNT - 1; status == IB_OK && i >= 0; i--) {
        ib_runtime other = v->base;
        other.isa = (ib_isa)i;
        if (other.isa == v->base.isa || !ib__isa_available(other.isa)) continue;
        status = reexecute(v, &other, 0, other.isa == IB_ISA_REF ? REFERENCE_SECONDS : 0, err);
    }
    return status;
}

static ib_status run_variations(verification *v, ib_error *err) {
    ib_status status = reexecute(v, &v->base, 0, 0, err);
    if (status == IB_OK && v->vary[THREADS]) status = vary_threads(v, err);
    if (status == IB_OK && v->vary[ISA]) status = vary_isa(v, err);
    if (status == IB_OK && v->vary[RESUME]) status = reexecute(v, &v->base, STOPS, 0, err);
    for (size_t i = 0; i < LEVELS; i++)
        v->proven[i] = status == IB_OK && v->vary[i];
    if (status == IB_OK && v->vary[COMPILER])
        status = ib__vary_compiler(v->record->folder, &v->report, &v->proven[COMPILER], err);
    return status;
}

static bool has_text(const ib_value *list, const char *text) {
    for (size_t i = 0; list != NULL && i < list->count; i++)
        if (ib__value_is_string(list->items[i], text)) return true;
    return false;
}

/* What was proven, and where, is noted beside the run (and what was proven before stays), for its page and
 * for publishing. A folder that cannot be written, as that of somebody else, stays as it is. */
static void note_levels(const verification *v, ib_value *levels) {
    static const char *const all[] = {"run", "threads", "isa", "compiler", "workers", "resume", "gpu"};
    char when[32], *path = ib__path_join(v->record->folder, "verified.json"),
                   *bundle = ib__path_join(v->record->folder, "statement.json");
    ib_buf text = {0};
    ib_value *before = NULL, *map = ib__value_map(), *list = ib__value_list();
    ib__utc_now(when);
    bool good = path != NULL && bundle != NULL && !ib__file_exists(bundle) && map != NULL && list != NULL;
    if (good && ib__file_exists(path) && ib__file_read(&text, path, 1 << 20, NULL) == IB_OK &&
        ib__json_parse(&before, text.data, text.length, path, NULL) != IB_OK)
        before = NULL;
    if (before != NULL &&
        !ib__value_equal(ib__value_get(before, "result"), ib__value_get(v->record->tree, "result"))) {
        ib__value_free(before);
        before = NULL;
    }
    for (size_t i = 0; good && i < sizeof all / sizeof *all; i++)
        if (has_text(levels, all[i]) || has_text(ib__value_get(before, "levels"), all[i]))
            good = ib__value_add(list, ib__value_string(all[i]));
    ib__buf_free(&text);
    good = good && ib__value_set(map, "result", ib__value_copy(ib__value_get(v->record->tree, "result"))) &&
           ib__value_set(map, "when", ib__value_string(when));
    if (good) {
        good = ib__value_set(map, "levels", list) && ib__json_write(&text, map, IB_JSON_INDENT) &&
               ib__buf_text(&text, "\n");
        list = NULL;
    }
    if (good && ib__file_write(path, text.data, text.length, NULL) == IB_OK)
        (void)ib__page_write(v->record->folder, v->record->tree, &v->record->trace, NULL);
    ib__value_free(list);
    ib__value_free(map);
    ib__value_free(before);
    ib__buf_free(&text);
    free(path);
    free(bundle);
}

static void say_levels(verification *v) {
    ib_value *levels = ib__value_list();
    ib_buf text = {0};
    ib__value_add(levels, ib__value_string("run"));
    for (size_t i = 0; i < LEVELS; i++) {
        if (!v->proven[i]) continue;
        ib__buf_printf(&text, " %s", level_names[i]);
        ib__value_add(levels, ib__value_string(level_names[i]));
    }
    if (!v->report.json) {
        ib__say(v->report.outer, "verified: run%s\n", text.data == NULL ? "" : text.data);
        ib__say(v->report.outer, "result sha256:%s\n", ib__value_get(v->record->tree, "result")->string);
    }
    note_levels(v, levels);
    ib__report_set(&v->report, "levels", levels);
    ib__buf_free(&text);
}

ib_status ib__verify_bitwise(const ib_record *record, const char *vary, const ib_options *options,
                             ib_error *err) {
    verification v = {.record = record};
    ib_status status = parse_vary(v.vary, vary, err);
    if (status == IB_OK) status = ib__runtime_init(&v.base, options->threads, options->isa, err);
    if (status != IB_OK) return status;
    ib__report_begin(&v.report, options);
    ib__report_set(&v.report, "run", ib__value_string(record->folder));
    ib__report_set(&v.report, "goal", ib__value_string("bitwise"));
    ib__report_set(&v.report, "result", ib__value_copy(ib__value_get(record->tree, "result")));
    status = run_variations(&v, err);
    if (status == IB_OK) say_levels(&v);
    return ib__report_end(&v.report, status, err);
}
