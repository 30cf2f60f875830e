/* SPDX-License-Identifier: Apache-2.0
 *
 * Where two runs part: settings, then data, then steps, then tensors.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "run/commands.h"
#include "run/lockstep.h"

/* ---- Settings ---- */

/* Paths of files are compared by content, as inputs. */
static bool is_file_field(const char *place) {
    const char *dot = strrchr(place, '.');
    return dot != NULL && (strcmp(dot, ".npz") == 0 || strcmp(dot, ".csv") == 0 ||
                           strcmp(dot, ".keras") == 0 || strcmp(dot, ".config") == 0);
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

/* Says every leaf that differs; gives how many. */
static size_t diff_values(const char *place, const ib_value *a, const ib_value *b,
                          const ib_options *options) {
    char inner[256];
    size_t count = 0;
    if (a != NULL && b != NULL && ib__value_equal(a, b)) return 0;
    if (is_file_field(place) && ib__value_is(a, IB_STRING) && ib__value_is(b, IB_STRING)) return 0;
    bool both = a != NULL && b != NULL;
    bool maps = both && a->kind == IB_MAP && b->kind == IB_MAP;
    bool lists = both && a->kind == IB_LIST && b->kind == IB_LIST && a->count == b->count;
    if (!maps && !lists) {
        say_values(place, a, b, options);
        return 1;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (lists)
            snprintf(inner, sizeof inner, "%.200s[%zu]", place, i);
        else
            snprintf(inner, sizeof inner, "%.150s%s%.80s", place, *place ? "." : "", a->keys[i]);
        count += diff_values(inner, a->items[i], lists ? b->items[i] : ib__value_get(b, a->keys[i]), options);
    }
    for (size_t i = 0; maps && i < b->count; i++) {
        if (ib__value_get(a, b->keys[i]) != NULL) continue;
        snprintf(inner, sizeof inner, "%.150s%s%.80s", place, *place ? "." : "", b->keys[i]);
        count += diff_values(inner, NULL, b->items[i], options);
    }
    return count;
}

/* ---- Data ---- */

/* Gives how many elements differ; a difference of type or shape counts as one. */
static size_t say_element(const char *what, const ib_tensor *a, const ib_tensor *b, const char *field,
                          const ib_options *options) {
    char x[128], y[128], u[32], v[32];
    ib__shape_print(x, &a->shape);
    ib__shape_print(y, &b->shape);
    if (a->dtype != b->dtype || !ib__shape_equal(&a->shape, &b->shape)) {
        ib__say(options, "  %s: %s %s against %s %s\n", what, ib__dtype_name(a->dtype), x,
                ib__dtype_name(b->dtype), y);
        return 1;
    }
    size_t n = (size_t)ib__shape_elements(&a->shape), row = n / (size_t)a->shape.dims[0], count = 0,
           first = 0;
    for (size_t i = 0; i < n; i++) {
        if (ib__tensor_at(a, i) == ib__tensor_at(b, i)) continue;
        if (count++ == 0) first = i;
    }
    if (count == 0) return 0;
    ib__double_print(u, ib__tensor_at(a, first));
    ib__double_print(v, ib__tensor_at(b, first));
    ib__say(options, "  %s: row %zu, ", what, first / row);
    size_t rest = first % row;
    for (int d = 1; d < a->shape.rank; d++) {
        size_t below = 1;
        for (int k = d + 1; k < a->shape.rank; k++)
            below *= (size_t)a->shape.dims[k];
        ib__say(options, "%s%zu%s", d == 1 ? "column " : " ", rest / below,
                d + 1 == a->shape.rank ? "" : ",");
        rest %= below;
    }
    ib__say(options, "%s%s against %s; %zu of %zu elements differ%s\n", a->shape.rank > 1 ? ": " : "", u, v,
            count, n, strstr(field, ".csv") != NULL ? " (rows from 0, after the header)" : "");
    return count;
}

/* Both files as they were recorded? Then the first element that differs can be named. */
static bool read_recorded(ib_source *out, const ib_record *r, const char *field, const ib_options *options) {
    const char *path = NULL, *hash = ib__record_input(r, field, &path);
    char hex[65], part[64];
    ib_error err = {0};
    ib_experiment *e = NULL;
    snprintf(part, sizeof part, "%s", strchr(field, '.') + 1);
    *strchr(part, '.') = '\0';
    ib_status status = ib__record_experiment(&e, r, &err);
    if (status == IB_OK)
        status = ib__source_read(out, ib__experiment_data(e, part), e->name, part, e->folder, &err);
    ib__experiment_free(e);
    if (status != IB_OK) {
        ib__say(options, "  cannot be compared: %s: %s\n", err.where, err.text);
        return false;
    }
    ib__digest_hex(hex, &out->digest);
    if (strcmp(hex, hash) == 0) return true;
    ib__say(options, "  cannot be compared: %s is not what %s was trained on any more\n", path, r->folder);
    ib__source_free(out);
    return false;
}

static size_t diff_inputs(const ib_record *a, const ib_record *b, const ib_options *options) {
    static const char *const fields[] = {"data.train.npz", "data.validation.npz", "data.test.npz",
                                         "data.train.csv", "data.validation.csv", "data.test.csv",
                                         "model.keras",    "model.config"};
    size_t count = 0;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const char *pa = NULL, *pb = NULL;
        const char *x = ib__record_input(a, fields[i], &pa), *y = ib__record_input(b, fields[i], &pb);
        if (x == NULL || y == NULL || strcmp(x, y) == 0) continue;
        count++;
        ib__say(options, "input %s: %s against %s, other content\n", fields[i], pa, pb);
        ib_source s = {0}, t = {0};
        if (strncmp(fields[i], "data.", 5) == 0 && read_recorded(&s, a, fields[i], options) &&
            read_recorded(&t, b, fields[i], options)) {
            size_t elements = say_element("x", &s.x, &t.x, fields[i], options);
            if (s.y.data != NULL && t.y.data != NULL)
                elements += say_element("y", &s.y, &t.y, fields[i], options);
            if (elements == 0) ib__say(options, "  no sample in use differs\n");
        }
        ib__source_free(&s);
        ib__source_free(&t);
    }
    return count;
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

typedef struct witness {
    const ib_trace *traces[2];
    size_t parts[2]; /* where each record leaves the re-execution; SIZE_MAX: not so far */
    size_t limit;
} witness;

static bool see_step(void *context, const ib_trainer *trainer, const ib_trace *trace) {
    witness *w = context;
    (void)trainer;
    size_t step = trace->n_steps - 1;
    for (int i = 0; i < 2; i++) {
        if (!ib__trace_same_step(w->traces[i], trace, step) && w->parts[i] == SIZE_MAX) w->parts[i] = step;
    }
    return step < w->limit;
}

/* The same experiment twice, other digests: at least one of them was disturbed. Its re-execution tells which.
 */
static ib_status name_disturbed(const ib_record *a, const ib_record *b, const ib_experiment *e,
                                const ib_runtime *runtime, size_t step, const ib_options *options,
                                ib_error *err) {
    ib_task *task = NULL;
    ib_trace trace = {0};
    witness w = {{&a->trace, &b->trace}, {SIZE_MAX, SIZE_MAX}, step};
    ib_fit_hooks hooks = {.check = see_step, .context = &w, .options = options};
    ib_status status = ib__task_open(&task, e, err);
    if (status == IB_OK) status = ib__fit(task, runtime, &hooks, &trace, err);
    if (status == IB_DIFFERS) status = IB_OK;
    const ib_record *records[2] = {a, b};
    for (int i = 0; status == IB_OK && i < 2; i++) {
        if (w.parts[i] == SIZE_MAX)
            ib__say(options, "trained again: %s is reproduced up to step %zu\n", records[i]->folder,
                    trace.n_steps - 1);
        else
            ib__say(
                options,
                "trained again: %s is not reproduced from step %zu on: it was disturbed while it ran, or its "
                "record was changed\n",
                records[i]->folder, w.parts[i]);
    }
    ib__trace_free(&trace);
    ib__task_free(task);
    return status;
}

/* Are all inputs still what the run was trained on? Says the first that is not. */
static bool inputs_intact(const ib_record *r, const ib_options *options) {
    const ib_value *inputs = ib__value_get(r->tree, "inputs");
    for (size_t i = 0; i < inputs->count; i++) {
        const ib_value *path = ib__value_get(inputs->items[i], "path");
        const ib_value *hash = ib__value_get(inputs->items[i], "sha256");
        if (!ib__value_is(path, IB_STRING)) continue;
        ib_digest digest;
        char hex[65] = "";
        if (ib__sha256_file(&digest, path->string, NULL) == IB_OK) ib__digest_hex(hex, &digest);
        if (ib__value_is_string(hash, hex)) continue;
        ib__say(options, "not trained again: %s is not what %s was trained on any more\n", path->string,
                r->folder);
        return false;
    }
    return true;
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
    } else if (same) {
        status = name_disturbed(a, b, ea, &runtime, step, options, err);
    } else {
        bool found = false;
        status = ib__lockstep(ea, eb, &runtime, step, options, &found, err);
        if (status == IB_OK && !found)
            ib__say(options,
                    "trained again: no tensor differs up to step %zu; isobit verify says which of the two "
                    "is not reproduced\n",
                    step);
    }
    ib__experiment_free(ea);
    ib__experiment_free(eb);
    return status;
}

static ib_status diff_records(const ib_record *a, const ib_record *b, const ib_options *options,
                              ib_error *err) {
    const ib_value *x = ib__value_get(a->tree, "experiment_sha256"),
                   *y = ib__value_get(b->tree, "experiment_sha256");
    bool same = strcmp(x->string, y->string) == 0;
    int64_t u = ib__value_get(a->tree, "contract")->integer, v = ib__value_get(b->tree, "contract")->integer;
    if (u != v) ib__say(options, "contract: version %lld against %lld\n", (long long)u, (long long)v);
    if (!same) {
        diff_values("", ib__value_get(a->tree, "experiment"), ib__value_get(b->tree, "experiment"), options);
        diff_inputs(a, b, options);
    }
    size_t step = ib__trace_first_difference(&a->trace, &b->trace, !same);
    if (step == SIZE_MAX) {
        ib__say(options,
                "recorded: no step differs; the results differ in settings, history or test results\n");
        return IB_DIFFERS;
    }
    say_step(a, b, step, options);
    ib_status status = train_again(a, b, same, step, options, err);
    return status == IB_OK ? IB_DIFFERS : status;
}

ib_status ib__diff(const char *run_a, const char *run_b, const ib_options *options, ib_error *err) {
    ib_record *a = NULL, *b = NULL;
    ib_status status = ib__record_read(&a, run_a, err);
    if (status == IB_OK) status = ib__record_read(&b, run_b, err);
    if (status == IB_OK && memcmp(&a->trace.result, &b->trace.result, sizeof a->trace.result) == 0 &&
        ib__trace_first_difference(&a->trace, &b->trace, false) == SIZE_MAX) {
        ib__say(options, "same: result sha256:%s\n", ib__value_get(a->tree, "result")->string);
    } else if (status == IB_OK) {
        status = diff_records(a, b, options, err);
    }
    ib__record_free(a);
    ib__record_free(b);
    return status;
}
