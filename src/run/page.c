/* SPDX-License-Identifier: Apache-2.0
 *
 * The page of a run.
 */
#include "run/page.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "run/chart.h"
#include "run/say.h"

#define STEP_POINTS 300
#define CHAIN_ROWS 60

static const char style[] =
    ":root{--bg:#fff;--fg:#1c1e21;--soft:#667;--line:#dfe3e8;--card:#f6f7f9;--c0:#2563eb;--c1:#d97706;--c2:#"
    "059669;"
    "--c3:#db2777;--good:#15803d}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#15171a;--fg:#e6e8ea;--soft:#9aa4b0;--line:#32373d;--card:#"
    "1e2125;"
    "--c0:#7aa7ff;--c1:#f6b35c;--c2:#4ade9f;--c3:#f58ac2;--good:#4ade80}}\n"
    "body{background:var(--bg);color:var(--fg);font:15px/1.5 "
    "system-ui,sans-serif;max-width:960px;margin:2rem auto;"
    "padding:0 1rem}\n"
    "h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 "
    ".5rem}code,pre,.hash{font-family:ui-monospace,"
    "monospace;font-size:.85em;overflow-wrap:anywhere}\n"
    ".soft{color:var(--soft)}.cards{display:flex;flex-wrap:wrap;gap:.75rem;margin:1rem "
    "0}.card{background:var(--card);"
    "border:1px solid var(--line);border-radius:8px;padding:.5rem .9rem}.card "
    "b{display:block;font-size:1.25rem}\n"
    "figure{margin:1rem "
    "0}figcaption{font-weight:600}.key{font-weight:400;color:var(--soft);margin-left:.8rem;"
    "white-space:nowrap}figure>svg{width:100%;height:auto;max-width:760px}\n"
    "path{fill:none;stroke-width:2;stroke-linejoin:round}.dash{stroke-dasharray:6 4}.grid{stroke:var(--line)}"
    ".axis{fill:var(--soft);font-size:11px}\n"
    "path.s0{stroke:var(--c0)}path.s1{stroke:var(--c1)}path.s2{stroke:var(--c2)}path.s3{stroke:var(--c3)}"
    "circle.s0{fill:var(--c0)}circle.s1{fill:var(--c1)}circle.s2{fill:var(--c2)}circle.s3{fill:var(--c3)}\n"
    "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid var(--line);padding:.25rem "
    ".5rem;"
    "text-align:left;vertical-align:top}th{font-weight:600;color:var(--soft)}td.n,th.n{text-align:right}\n"
    ".matrix{width:auto}.matrix td,.matrix th{text-align:right;border:1px solid var(--line);min-width:1.8rem}"
    ".matrix td.d{font-weight:600}.level{display:inline-block;border:1px solid "
    "var(--line);border-radius:999px;"
    "padding:0 "
    ".7rem;margin-right:.4rem;color:var(--soft)}.proven{border-color:var(--good);color:var(--good)}\n";

static const char *text_of(const ib_value *map, const char *key) {
    const ib_value *value = ib__value_get(map, key);
    return ib__value_is(value, IB_STRING) ? value->string : "";
}

static void put_value(ib_buf *out, const ib_value *value) {
    ib_buf text = {0};
    if (ib__value_is(value, IB_STRING)) {
        ib__html_text(out, value->string);
        return;
    }
    if (value != NULL && ib__json_write(&text, value, IB_JSON_PYTHON)) ib__html_text(out, text.data);
    ib__buf_free(&text);
}

/* Lists with blanks between; nothing is "none". */
static void put_row(ib_buf *out, const char *key, const ib_value *value) {
    ib__buf_text(out, "<tr><th>");
    ib__html_text(out, key);
    ib__buf_text(out, "</th><td>");
    bool list = ib__value_is(value, IB_LIST);
    for (size_t i = 0; list && i < value->count; i++) {
        if (i > 0) ib__buf_text(out, " ");
        put_value(out, value->items[i]);
    }
    if (value == NULL || value->kind == IB_NULL || (list && value->count == 0))
        ib__buf_text(out, "none");
    else if (!list)
        put_value(out, value);
    ib__buf_text(out, "</td></tr>\n");
}

/* ---- Parts of the page ---- */

static void put_head(ib_buf *out, const ib_value *record) {
    const ib_value *experiment = ib__value_get(record, "experiment"),
                   *timing = ib__value_get(record, "timing");
    const char *name = text_of(experiment, "name");
    double seconds = 0;
    (void)ib__value_number(ib__value_get(timing, "seconds"), &seconds);
    if (name[0] == '\0') name = text_of(record, "file");
    ib__buf_text(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                      "<meta name=\"color-scheme\" content=\"light dark\"><title>");
    ib__html_text(out, name);
    ib__buf_printf(out, "</title><style>%s</style></head><body>\n<h1>", style);
    ib__html_text(out, name);
    ib__buf_text(out, "</h1>\n<p class=\"soft\">");
    ib__html_text(out, text_of(experiment, "notes"));
    ib__buf_printf(out, "</p>\n<p>result <span class=\"hash\">sha256:%s</span><br>",
                   text_of(record, "result"));
    ib__buf_text(out, "<span class=\"soft\">trained ");
    ib__html_text(out, text_of(timing, "started"));
    ib__buf_printf(out, ", %.1f s", seconds);
    const ib_value *resumed = ib__value_get(record, "resumed");
    if (resumed != NULL && resumed->count > 0)
        ib__buf_printf(out, ", resumed %zu time%s", resumed->count, resumed->count == 1 ? "" : "s");
    ib__buf_text(out, "</span></p>\n");
}

static void put_card(ib_buf *out, const char *name, double value) {
    ib__buf_printf(out, "<div class=\"card\"><b>%.6g</b><span class=\"soft\">", value);
    ib__html_text(out, name);
    ib__buf_text(out, "</span></div>");
}

static void put_cards(ib_buf *out, const ib_value *record) {
    const ib_value *results = ib__value_get(record, "results"), *test = ib__value_get(results, "test");
    const ib_value *history = ib__value_get(results, "history");
    static const char *const counts[] = {"parameters", "epochs", "steps"};
    ib__buf_text(out, "<div class=\"cards\">");
    for (size_t i = 0; test != NULL && i < test->count; i++) {
        char name[128];
        double value = 0;
        snprintf(name, sizeof name, "test %.100s", test->keys[i]);
        if (ib__value_number(test->items[i], &value)) put_card(out, name, value);
    }
    for (size_t i = 0; history != NULL && i < history->count; i++) {
        double value = 0;
        const ib_value *column = history->items[i];
        if (column->count > 0 && ib__value_number(column->items[column->count - 1], &value))
            put_card(out, history->keys[i], value);
    }
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        double value = 0;
        if (ib__value_number(ib__value_get(results, counts[i]), &value)) put_card(out, counts[i], value);
    }
    ib__buf_text(out, "</div>\n");
}

/* A column of the history in a new array; what is no number is NaN. NULL: there is no such column. */
static double *column_of(const ib_value *list, size_t *n) {
    if (!ib__value_is(list, IB_LIST)) return NULL;
    double *y = calloc(list->count + 1, sizeof *y);
    *n = list->count;
    for (size_t k = 0; y != NULL && k < list->count; k++)
        if (!ib__value_number(list->items[k], &y[k])) y[k] = (double)NAN;
    return y;
}

static void put_history(ib_buf *out, const ib_value *record) {
    const ib_value *history = ib__value_get(ib__value_get(record, "results"), "history");
    for (size_t i = 0; history != NULL && i < history->count; i++) {
        char held[160];
        size_t n = 0, m = 0;
        const char *name = history->keys[i];
        if (strncmp(name, "val_", 4) == 0) continue;
        snprintf(held, sizeof held, "val_%.150s", name);
        double *y = column_of(history->items[i], &n), *v = column_of(ib__value_get(history, held), &m);
        ib_series series[2] = {{"training", y, n, 1, 1, 0}, {"validation", v, m, 1, 1, 1}};
        if (y != NULL) ib__chart_svg(out, name, "epoch", series, v != NULL ? 2 : 1);
        free(y);
        free(v);
    }
}

/* The loss of each step, means of neighbours when there are many. */
static void put_steps(ib_buf *out, const ib_trace *t) {
    size_t steps = t->n_steps - 1, group = (steps + STEP_POINTS - 1) / STEP_POINTS, n = 0;
    double *y = calloc(STEP_POINTS + 1, sizeof *y);
    if (y == NULL || steps < 3) {
        free(y);
        return;
    }
    for (size_t from = 1; from <= steps; from += group) {
        double sum = 0;
        size_t count = 0;
        for (size_t i = from; i < from + group && i <= steps; i++, count++)
            sum += ib__bits_value(t->steps[i].loss);
        y[n++] = sum / (double)count;
    }
    ib_series series = {"loss", y, n, (double)group / 2 + 0.5, (double)group, 0};
    ib__chart_svg(out, group > 1 ? "loss of the batches (means)" : "loss of the batches", "step", &series, 1);
    free(y);
}

static void put_confusion(ib_buf *out, const ib_value *record) {
    const ib_value *rows = ib__value_get(ib__value_get(record, "results"), "confusion");
    double most = 1;
    if (!ib__value_is(rows, IB_LIST) || rows->count == 0) return;
    for (size_t i = 0; i < rows->count; i++)
        for (size_t k = 0; k < rows->items[i]->count; k++)
            if (rows->items[i]->items[k]->real > most) most = rows->items[i]->items[k]->real;
    ib__buf_text(out, "<h2>Confusion on the test data</h2>\n<table class=\"matrix\"><tr><th "
                      "class=\"soft\">true \\ told</th>");
    for (size_t k = 0; k < rows->count; k++)
        ib__buf_printf(out, "<th>%zu</th>", k);
    ib__buf_text(out, "</tr>\n");
    for (size_t i = 0; i < rows->count; i++) {
        ib__buf_printf(out, "<tr><th>%zu</th>", i);
        for (size_t k = 0; k < rows->items[i]->count; k++) {
            double n = rows->items[i]->items[k]->real;
            ib__buf_printf(
                out, "<td%s style=\"background:color-mix(in srgb,var(%s) %.0f%%,transparent)\">%.0f</td>",
                i == k ? " class=\"d\"" : "", i == k ? "--good" : "--c1", 70 * n / most, n);
        }
        ib__buf_text(out, "</tr>\n");
    }
    ib__buf_text(out, "</table>\n");
}

static bool has_text(const ib_value *list, const char *text) {
    for (size_t i = 0; list != NULL && i < list->count; i++)
        if (ib__value_is_string(list->items[i], text)) return true;
    return false;
}

static void put_levels(ib_buf *out, const char *run) {
    static const char *const levels[] = {"run", "threads", "isa", "compiler", "workers", "resume", "gpu"};
    ib_buf text = {0};
    ib_value *verified = NULL;
    char *path = ib__path_join(run, "verified.json");
    if (path != NULL && ib__file_exists(path) && ib__file_read(&text, path, 1 << 20, NULL) == IB_OK &&
        ib__json_parse(&verified, text.data, text.length, path, NULL) != IB_OK)
        verified = NULL;
    const ib_value *proven = ib__value_get(verified, "levels");
    ib__buf_text(out, "<h2>Levels</h2>\n<p>");
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        bool is = has_text(proven, levels[i]);
        ib__buf_printf(out, "<span class=\"level%s\">%s%s</span>", is ? " proven" : "", is ? "\u2713 " : "",
                       levels[i]);
    }
    if (proven == NULL)
        ib__buf_text(out,
                     "</p>\n<p class=\"soft\">None was proven yet: <code>isobit verify</code> does.</p>\n");
    else
        ib__buf_printf(out, "</p>\n<p class=\"soft\">Proven by execution, last on %.40s.</p>\n",
                       text_of(verified, "when"));
    ib__value_free(verified);
    ib__buf_free(&text);
    free(path);
}

static void put_inputs(ib_buf *out, const ib_value *record) {
    const ib_value *inputs = ib__value_get(record, "inputs");
    ib__buf_text(out, "<h2>Inputs</h2>\n<table>");
    for (size_t i = 0; inputs != NULL && i < inputs->count; i++) {
        ib__buf_text(out, "<tr><th>");
        ib__html_text(out, text_of(inputs->items[i], "field"));
        ib__buf_text(out, "</th><td>");
        ib__html_text(out, text_of(inputs->items[i], "path"));
        ib__buf_printf(out, "<br><span class=\"hash soft\">sha256:%.64s</span></td></tr>\n",
                       text_of(inputs->items[i], "sha256"));
    }
    put_row(out, "git commit", ib__value_get(record, "git_commit"));
    ib__buf_text(out, "</table>\n");
}

static void put_environment(ib_buf *out, const ib_value *record) {
    const ib_value *env = ib__value_get(record, "environment");
    ib__buf_text(out, "<h2>Environment</h2>\n<table>");
    for (size_t i = 0; env != NULL && i < env->count; i++) {
        for (size_t k = 0; env->items[i]->kind == IB_MAP && k < env->items[i]->count; k++) {
            char key[128];
            snprintf(key, sizeof key, "%.60s: %.60s", env->keys[i], env->items[i]->keys[k]);
            put_row(out, key, env->items[i]->items[k]);
        }
    }
    ib__buf_text(out, "</table>\n");
}

static void put_experiment(ib_buf *out, const ib_value *record) {
    ib_buf text = {0};
    const ib_value *experiment = ib__value_get(record, "experiment");
    ib__buf_printf(
        out,
        "<h2>Experiment</h2>\n<p class=\"hash soft\">sha256:%.64s, contract %lld</p>\n<details><summary>with "
        "its defaults</summary><pre>",
        text_of(record, "experiment_sha256"),
        (long long)(ib__value_get(record, "contract") != NULL ? ib__value_get(record, "contract")->integer
                                                              : 0));
    if (experiment != NULL && ib__json_write(&text, experiment, IB_JSON_INDENT))
        ib__html_text(out, text.data);
    ib__buf_free(&text);
    ib__buf_text(out, "</pre></details>\n");
}

static void put_chain(ib_buf *out, const ib_trace *t) {
    size_t recorded = 0, seen = 0;
    for (size_t i = 0; i < t->n_steps; i++)
        recorded += t->steps[i].state;
    size_t every = (recorded + CHAIN_ROWS - 1) / CHAIN_ROWS;
    ib__buf_printf(
        out,
        "<h2>Chain of digests</h2>\n<p class=\"soft\">%zu links, %zu of them with the digests of all %zu "
        "tensors.</p>\n<table><tr><th class=\"n\">step</th><th class=\"n\">loss</th><th>link</th></tr>\n",
        t->n_steps, recorded, t->n_paths);
    for (size_t i = 0; i < t->n_steps; i++) {
        char hex[65];
        if (!t->steps[i].state || (seen++ % every != 0 && i + 1 < t->n_steps)) continue;
        ib__digest_hex(hex, &t->steps[i].chain);
        ib__buf_printf(out, "<tr><td class=\"n\">%zu</td><td class=\"n\">", i);
        if (i > 0) ib__buf_printf(out, "%.6g", ib__bits_value(t->steps[i].loss));
        ib__buf_printf(out, "</td><td class=\"hash\">%s</td></tr>\n", hex);
    }
    ib__buf_text(out, "</table>\n");
}

ib_status ib__page_write(const char *run, const ib_value *record, const ib_trace *trace, ib_error *err) {
    ib_buf out = {0};
    char *path = ib__path_join(run, "report.html");
    put_head(&out, record);
    put_cards(&out, record);
    put_history(&out, record);
    put_steps(&out, trace);
    put_confusion(&out, record);
    put_levels(&out, run);
    put_inputs(&out, record);
    put_environment(&out, record);
    put_experiment(&out, record);
    put_chain(&out, trace);
    ib__buf_text(&out, "</body></html>\n");
    ib_status status =
        path == NULL || out.failed ? ib__fail_memory(err) : ib__file_write(path, out.data, out.length, err);
    ib__buf_free(&out);
    free(path);
    return status;
}
