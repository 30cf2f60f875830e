/* SPDX-License-Identifier: Apache-2.0
 *
 * Where two runs part: settings, then data, then steps, then tensors.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "run/cause.h"
#include "run/commands.h"
#include "run/lockstep.h"

/* ---- Settings ---- */

/* Paths of files are compared by content, as inputs. */
static bool is_file_field(const char *place) {
    const char *dot = strrchr(place, '.');
    return dot != NULL && (strcmp(dot, ".npz") == 0 || strcmp(dot, ".csv") == 0 ||
                           strcmp(dot, ".keras") == 0 || strcmp(dot, ".config") == 0);
}

/* What the difference points to, for the last line. */
typedef struct causes {
    ib_buf text;
    size_t settings, data;
    bool seed; /* the seed differs */
} causes;

static void add_cause(causes *c, const char *kind, const char *what) {
    ib__buf_printf(&c->text, "%s%s%s%s", c->text.length > 0 ? "; " : "", kind, what[0] != '\0' ? ": " : "",
                   what);
}

static void add_setting(causes *c, const char *place) {
    bool seed = strcmp(place, "seed") == 0;
    c->settings++;
    c->seed = c->seed || seed;
    if (c->settings > 4) return;
    add_cause(c, seed ? "seed" : "experiment field", seed ? "the streams that it gives" : place);
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

/* Says every leaf that differs. */
static void diff_values(const char *place, const ib_value *a, const ib_value *b, causes *c,
                        const ib_options *options) {
    char inner[256];
    if (a != NULL && b != NULL && ib__value_equal(a, b)) return;
    if (is_file_field(place) && ib__value_is(a, IB_STRING) && ib__value_is(b, IB_STRING)) return;
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
static void diff_settings(const ib_record *a, const ib_record *b, causes *c, const ib_options *options) {
    static const char *const fields[] = {"isobit", "seed", "model", "compile", "data", "fit", "callbacks"};
    const ib_value *x = ib__value_get(a->tree, "experiment"), *y = ib__value_get(b->tree, "experiment");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const ib_value *p = ib__value_get(x, fields[i]), *q = ib__value_get(y, fields[i]);
        if (p != NULL || q != NULL) diff_values(fields[i], p, q, c, options);
    }
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

static ib_digest row_digest(const ib_source *s, size_t row) {
    ib_digest parts[2] = {{{0}}, {{0}}};
    const ib_tensor *tensors[2] = {&s->x, &s->y};
    for (size_t i = 0; i < 2; i++) {
        if (tensors[i]->data == NULL) continue;
        size_t n = (size_t)ib__shape_elements(&tensors[i]->shape) / (size_t)tensors[i]->shape.dims[0] *
                   ib__dtype_size(tensors[i]->dtype);
        parts[i] = ib__sha256((const char *)tensors[i]->data + row * n, n);
    }
    return ib__sha256(parts, sizeof parts);
}

static int by_bytes(const void *a, const void *b) {
    return memcmp(a, b, sizeof(ib_digest));
}

/* Are these the same samples in another order? Then says so. */
static bool is_reordered(const ib_source *s, const ib_source *t, const char *field, causes *c,
                         const ib_options *options) {
    size_t n = (size_t)s->x.shape.dims[0], moved = 0, first[2] = {0, 0};
    if (!ib__shape_equal(&s->x.shape, &t->x.shape) || s->x.dtype != t->x.dtype) return false;
    if ((s->y.data == NULL) != (t->y.data == NULL)) return false;
    ib_digest *a = calloc(2 * n, sizeof *a), *b = a + n;
    if (a == NULL) return false;
    for (size_t i = 0; i < n; i++) {
        a[i] = row_digest(s, i);
        b[i] = row_digest(t, i);
        if (memcmp(&a[i], &b[i], sizeof *a) == 0) continue;
        if (moved < 2) first[moved] = i;
        moved++;
    }
    qsort(a, n, sizeof *a, by_bytes);
    qsort(b, n, sizeof *b, by_bytes);
    bool same = moved > 0 && memcmp(a, b, n * sizeof *a) == 0;
    free(a);
    if (!same) return false;
    char text[200];
    if (moved == 2)
        snprintf(text, sizeof text, "%.60s: rows %zu and %zu are swapped", field, first[0], first[1]);
    else
        snprintf(text, sizeof text, "%.60s: the same rows in another order, %zu of %zu are moved", field,
                 moved, n);
    ib__say(options, "  %s\n", text);
    add_cause(c, "order of the data", text);
    return true;
}

/* Both were read as they were recorded: what differs in them. */
static void diff_sources(const ib_source *s, const ib_source *t, const char *field, causes *c,
                         const ib_options *options) {
    if (is_reordered(s, t, field, c, options)) return;
    size_t elements = say_element("x", &s->x, &t->x, field, options);
    if (s->y.data != NULL && t->y.data != NULL) elements += say_element("y", &s->y, &t->y, field, options);
    if (elements == 0) ib__say(options, "  no sample in use differs\n");
    add_cause(c, elements > 0 ? "data" : "data that are not in use", field);
}

static size_t diff_inputs(const ib_record *a, const ib_record *b, causes *c, const ib_options *options) {
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
        if (strncmp(fields[i], "data.", 5) != 0)
            add_cause(c, strcmp(fields[i], "model.keras") == 0 ? "initial weights" : "model", fields[i]);
        else if (read_recorded(&s, a, fields[i], options) && read_recorded(&t, b, fields[i], options))
            diff_sources(&s, &t, fields[i], c, options);
        else
            add_cause(c, "data, the file is another", fields[i]);
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

/* The same experiment twice, other digests: at least one of them was disturbed. Its re-execution tells which,
 * and what disturbed it. */
static ib_status name_disturbed(const ib_record *a, const ib_record *b, const ib_runtime *runtime,
                                size_t step, const ib_options *options, ib_error *err) {
    const ib_record *records[2] = {a, b};
    ib_status status = IB_OK;
    for (int i = 0; status == IB_OK && i < 2; i++) {
        bool reproduced;
        ib__say(options, "trained again: ");
        status = ib__cause_find(records[i], runtime, step, options, &reproduced, err);
    }
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
        status = name_disturbed(a, b, &runtime, step, options, err);
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
    causes c = {0};
    ib_status status = IB_OK;
    int64_t u = ib__value_get(a->tree, "contract")->integer, v = ib__value_get(b->tree, "contract")->integer;
    if (u != v) {
        ib__say(options, "contract: version %lld against %lld\n", (long long)u, (long long)v);
        add_cause(&c, "contract version", "");
    }
    if (!same) {
        diff_settings(a, b, &c, options);
        c.data = diff_inputs(a, b, &c, options);
        if (c.settings + c.data == 0) add_cause(&c, "the record was changed", "experiment_sha256");
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
