/* SPDX-License-Identifier: Apache-2.0
 *
 * A table over runs: what came out, and which settings differ.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "run/commands.h"
#include "run/report.h"

#define COLUMNS_MAX 64

typedef struct table {
    ib_record **runs;
    size_t n;
    char *columns[COLUMNS_MAX]; /* metrics and settings, in the order in which they are met */
    size_t n_columns;
    ib_report report;
} table;

static bool add_column(table *t, const char *name) {
    for (size_t i = 0; i < t->n_columns; i++)
        if (strcmp(t->columns[i], name) == 0) return true;
    if (t->n_columns == COLUMNS_MAX) return true;
    t->columns[t->n_columns] = strdup(name);
    return t->columns[t->n_columns++] != NULL;
}

/* The last value of each column of the history, and the results on the test data. */
static bool add_metrics(table *t, const ib_record *r) {
    const ib_value *results = ib__value_get(r->tree, "results");
    const ib_value *history = ib__value_get(results, "history"), *test = ib__value_get(results, "test");
    bool good = true;
    for (size_t i = 0; good && history != NULL && i < history->count; i++)
        good = add_column(t, history->keys[i]);
    for (size_t i = 0; good && test != NULL && i < test->count; i++) {
        char name[128];
        snprintf(name, sizeof name, "test_%.100s", test->keys[i]);
        good = add_column(t, name);
    }
    return good;
}

/* The leaf at a path of keys and indices; NULL: none. */
static const ib_value *leaf_at(const ib_value *tree, const char *path) {
    while (tree != NULL && *path != '\0') {
        char key[256];
        size_t n = strcspn(path, "\n");
        snprintf(key, sizeof key, "%.*s", (int)(n < sizeof key ? n : sizeof key - 1), path);
        tree = tree->kind == IB_LIST ? ib__value_at(tree, strtoul(key, NULL, 10)) : ib__value_get(tree, key);
        path += n + (path[n] == '\n');
    }
    return tree;
}

static bool differs_somewhere(const table *t, const char *path, const ib_value *value) {
    for (size_t i = 0; i < t->n; i++) {
        const ib_value *other = leaf_at(ib__value_get(t->runs[i]->tree, "experiment"), path);
        if (other == NULL || !ib__value_equal(value, other)) return true;
    }
    return false;
}

/* Leaves of the experiment in which the runs differ become columns, called by their path with newlines
 * between keys.
 */
static bool add_settings(table *t, const ib_value *value, const char *path) {
    bool good = true;
    if (value->kind != IB_MAP && value->kind != IB_LIST)
        return differs_somewhere(t, path, value) ? add_column(t, path) : true;
    for (size_t i = 0; good && i < value->count; i++) {
        char inner[512], index[32];
        snprintf(index, sizeof index, "%zu", i);
        snprintf(inner, sizeof inner, "%.400s%s%.100s", path, *path != '\0' ? "\n" : "",
                 value->kind == IB_MAP ? value->keys[i] : index);
        good = add_settings(t, value->items[i], inner);
    }
    return good;
}

static bool metric_of(const ib_record *r, const char *name, double *out) {
    const ib_value *results = ib__value_get(r->tree, "results");
    const ib_value *column = ib__value_get(ib__value_get(results, "history"), name);
    if (column != NULL && column->count > 0) return ib__value_number(column->items[column->count - 1], out);
    return strncmp(name, "test_", 5) == 0 &&
           ib__value_number(ib__value_get(ib__value_get(results, "test"), name + 5), out);
}

static void print_cell(char out[40], const table *t, size_t run, size_t column) {
    double number;
    const char *name = t->columns[column];
    const ib_value *leaf = leaf_at(ib__value_get(t->runs[run]->tree, "experiment"), name);
    ib_buf text = {0};
    if (metric_of(t->runs[run], name, &number))
        ib__buf_printf(&text, "%.6g", number);
    else if (leaf != NULL && leaf->kind == IB_STRING)
        ib__buf_text(&text, leaf->string);
    else if (leaf != NULL)
        ib__json_write(&text, leaf, IB_JSON_CANONICAL);
    else
        ib__buf_text(&text, "-");
    snprintf(out, 40, "%.30s", text.data != NULL ? text.data : "");
    ib__buf_free(&text);
}

/* The last keys of the path, as long as they fit. */
static void print_heading(char out[40], const char *path) {
    size_t n = strlen(path);
    const char *from = n > 30 ? path + n - 30 : path;
    snprintf(out, 40, "%s", from);
    for (char *at = out; *at != '\0'; at++)
        if (*at == '\n') *at = '.';
}

static void say_table(table *t) {
    const ib_options *o = t->report.outer;
    size_t widest = 3, widths[COLUMNS_MAX];
    char cell[40];
    for (size_t i = 0; i < t->n; i++)
        if (strlen(t->runs[i]->folder) > widest) widest = strlen(t->runs[i]->folder);
    for (size_t c = 0; c < t->n_columns; c++) {
        print_heading(cell, t->columns[c]);
        widths[c] = strlen(cell);
        for (size_t i = 0; i < t->n; i++) {
            print_cell(cell, t, i, c);
            if (strlen(cell) > widths[c]) widths[c] = strlen(cell);
        }
    }
    ib__say(o, "%-*s  %-12s %8s", (int)widest, "run", "result", "seconds");
    for (size_t c = 0; c < t->n_columns; c++) {
        print_heading(cell, t->columns[c]);
        ib__say(o, "  %*s", (int)widths[c], cell);
    }
    ib__say(o, "\n");
    for (size_t i = 0; i < t->n; i++) {
        double seconds = 0;
        (void)ib__value_number(ib__value_get(ib__value_get(t->runs[i]->tree, "timing"), "seconds"), &seconds);
        ib__say(o, "%-*s  %-12.12s %8.1f", (int)widest, t->runs[i]->folder,
                ib__value_get(t->runs[i]->tree, "result")->string, seconds);
        for (size_t c = 0; c < t->n_columns; c++) {
            print_cell(cell, t, i, c);
            ib__say(o, "  %*s", (int)widths[c], cell);
        }
        ib__say(o, "\n");
    }
}

/* For machines: a list of maps, a number or text for each column. */
static void report_table(table *t) {
    ib_value *list = ib__value_list();
    for (size_t i = 0; i < t->n; i++) {
        ib_value *row = ib__value_map();
        (void)ib__value_set(row, "run", ib__value_string(t->runs[i]->folder));
        (void)ib__value_set(row, "result", ib__value_copy(ib__value_get(t->runs[i]->tree, "result")));
        for (size_t c = 0; c < t->n_columns; c++) {
            double number;
            char name[512];
            const ib_value *leaf = leaf_at(ib__value_get(t->runs[i]->tree, "experiment"), t->columns[c]);
            snprintf(name, sizeof name, "%s", t->columns[c]);
            for (char *at = name; *at != '\0'; at++)
                if (*at == '\n') *at = '.';
            if (metric_of(t->runs[i], t->columns[c], &number))
                (void)ib__value_set(row, name, ib__value_real(number));
            else if (leaf != NULL)
                (void)ib__value_set(row, name, ib__value_copy(leaf));
        }
        if (!ib__value_add(list, row)) t->report.failed = true;
    }
    ib__report_set(&t->report, "runs", list);
}

ib_status ib__compare(const char *const *runs, size_t n, const ib_options *options, ib_error *err) {
    table t = {.n = 0};
    t.runs = calloc(n + 1, sizeof(ib_record *));
    ib_status status = t.runs == NULL ? ib__fail_memory(err) : IB_OK;
    for (; status == IB_OK && t.n < n; t.n += status == IB_OK)
        status = ib__record_read(&t.runs[t.n], runs[t.n], err);
    bool good = true, same = true;
    for (size_t i = 0; status == IB_OK && good && i < t.n; i++) {
        good = add_metrics(&t, t.runs[i]);
        same = same && memcmp(&t.runs[i]->trace.result, &t.runs[0]->trace.result, sizeof(ib_digest)) == 0;
    }
    for (size_t i = 0; status == IB_OK && good && i < t.n; i++)
        good = add_settings(&t, ib__value_get(t.runs[i]->tree, "experiment"), "");
    if (status == IB_OK && !good) status = ib__fail_memory(err);
    if (status == IB_OK) {
        ib__report_begin(&t.report, options);
        if (t.report.json)
            report_table(&t);
        else
            say_table(&t);
        ib__report_set(&t.report, "same_result", ib__value_bool(same));
        status = ib__report_end(&t.report, status, err);
    }
    for (size_t i = 0; i < t.n_columns; i++)
        free(t.columns[i]);
    for (size_t i = 0; t.runs != NULL && i < t.n; i++)
        ib__record_free(t.runs[i]);
    free(t.runs);
    return status;
}
