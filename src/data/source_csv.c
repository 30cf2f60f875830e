/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables: {csv: FILE, label: COLUMN, features: [COLUMN, ...], labels: int, header: true, separator: ","}
 * strings: [COLUMN, ...] are texts; features: {INPUT: COLUMN or [COLUMN, ...]} gives several inputs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/csv.h"
#include "data/kinds.h"
#include "numerics/texts.h"

/* A column by name, or by number in a table without header. The text lives in *column. */
static ib_status get_column(const ib_entry *q, const ib_value *value, const char *key, char **column) {
    char number[32];
    const char *name = number;
    if (value->kind == IB_INT)
        snprintf(number, sizeof number, "%" PRId64, value->integer);
    else if (value->kind == IB_STRING)
        name = value->string;
    else
        return ib__entry_fail(q, value, key, "expected the name of a column, found %s",
                              ib__kind_name(value->kind));
    *column = strdup(name);
    return *column != NULL ? IB_OK : ib__fail_memory(q->err);
}

static ib_status get_format(const ib_entry *q, ib_csv_options *o) {
    const ib_value *separator = ib__value_get(q->map, "separator");
    static const char *const labels[] = {"int", "float"};
    size_t choice = SIZE_MAX;
    bool header = false;
    ib_status status = ib__entry_flag(q, "header", &header);
    if (status == IB_OK) status = ib__entry_choice(q, "labels", labels, 2, &choice);
    if (status != IB_OK) return status;
    if (ib__value_get(q->map, "header") != NULL) o->header = header ? IB_CSV_HEADER : IB_CSV_HEADER_NONE;
    if (choice != SIZE_MAX) o->labels = choice == 0 ? IB_LABELS_INT : IB_LABELS_FLOAT;
    if (separator == NULL) return IB_OK;
    if (separator->kind != IB_STRING || strlen(separator->string) != 1 ||
        strchr(",;\t|: ", separator->string[0]) == NULL)
        return ib__entry_fail(q, separator, "separator", "expected one of , ; | : tab or blank");
    o->separator = separator->string[0];
    return IB_OK;
}

/* ---- What becomes of the columns ---- */

/* One field of the elements: the columns that it is made of. */
typedef struct input {
    char *name;     /* "x", "x.INPUT" */
    char **columns; /* NULL: all but the label */
    size_t count;
    const ib_value *at; /* for errors */
} input;

typedef struct plan {
    input inputs[IB_DATA_FIELDS_MAX];
    size_t n;
    char *label;
    ib_csv_options options;
} plan;

static void free_plan(plan *p) {
    for (size_t i = 0; i < p->n; i++) {
        for (size_t k = 0; p->inputs[i].columns != NULL && k < p->inputs[i].count; k++)
            free(p->inputs[i].columns[k]);
        free(p->inputs[i].columns);
        free(p->inputs[i].name);
    }
    free(p->label);
}

/* A column, or a list of them. */
static ib_status add_input(const ib_entry *q, plan *p, const char *name, const ib_value *value) {
    bool list = value != NULL && value->kind == IB_LIST;
    size_t count = list ? value->count : value != NULL;
    if (list && count == 0)
        return ib__entry_fail(q, value, "features", "expected a list of columns, found an empty one");
    if (p->n == IB_DATA_FIELDS_MAX - 1) return ib__entry_fail(q, value, "features", "too many inputs");
    input *in = &p->inputs[p->n++];
    *in = (input){.name = strdup(name), .at = value};
    if (value != NULL) in->columns = calloc(count + 1, sizeof *in->columns);
    if (in->name == NULL || (value != NULL && in->columns == NULL)) return ib__fail_memory(q->err);
    ib_status status = IB_OK;
    for (; in->count < count && status == IB_OK; in->count++)
        status = get_column(q, list ? value->items[in->count] : value, "features", &in->columns[in->count]);
    return status;
}

/* features: [COLUMN, ...], or {INPUT: COLUMN or [COLUMN, ...], ...} */
static ib_status get_features(const ib_entry *q, plan *p) {
    const ib_value *given = ib__value_get(q->map, "features");
    if (given == NULL || given->kind == IB_LIST) return add_input(q, p, "x", given);
    if (given->kind != IB_MAP || given->count == 0)
        return ib__entry_fail(q, given, "features",
                              "expected a list of columns, or columns by the names of inputs, found %s",
                              ib__kind_name(given->kind));
    ib_status status = IB_OK;
    for (size_t i = 0; i < given->count && status == IB_OK; i++) {
        char name[160];
        snprintf(name, sizeof name, "x.%.150s", given->keys[i]);
        status = add_input(q, p, name, given->items[i]);
    }
    return status;
}

static bool is_named(char *const *columns, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(columns[i], name) == 0) return true;
    return false;
}

/* Every column under `strings` must be used. */
static ib_status check_strings(const ib_entry *q, const plan *p, const ib_value *at, const char *name) {
    bool used = p->label != NULL && strcmp(p->label, name) == 0;
    for (size_t i = 0; i < p->n && !used; i++) {
        if (p->inputs[i].columns == NULL)
            return ib__entry_fail(q, at, "strings", "features must name its columns where some are texts");
        used = is_named(p->inputs[i].columns, p->inputs[i].count, name);
    }
    return used ? IB_OK
                : ib__entry_fail(q, at, "strings", "'%.80s' is neither a feature nor the label", name);
}

/* Which inputs are texts: all columns of one are, or none is. */
static ib_status get_strings(const ib_entry *q, plan *p, bool *texts) {
    const ib_value *list = ib__value_get(q->map, "strings");
    if (list == NULL) return IB_OK;
    if (list->kind != IB_LIST || list->count == 0)
        return ib__entry_fail(q, list, "strings", "expected a list of columns, found %s",
                              list->kind == IB_LIST ? "an empty one" : ib__kind_name(list->kind));
    size_t found[IB_DATA_FIELDS_MAX] = {0};
    ib_status status = IB_OK;
    for (size_t i = 0; i < list->count && status == IB_OK; i++) {
        char *name = NULL;
        status = get_column(q, list->items[i], "strings", &name);
        if (status == IB_OK) status = check_strings(q, p, list->items[i], name);
        for (size_t k = 0; k < p->n && status == IB_OK; k++)
            found[k] += is_named(p->inputs[k].columns, p->inputs[k].count, name);
        if (status == IB_OK && p->label != NULL && strcmp(p->label, name) == 0) p->options.text_label = true;
        free(name);
    }
    for (size_t k = 0; k < p->n && status == IB_OK; k++) {
        texts[k] = found[k] > 0;
        if (found[k] > 0 && found[k] < p->inputs[k].count)
            status = ib__entry_fail(q, p->inputs[k].at, "features",
                                    "an input is texts or numbers: give {INPUT: [COLUMN, ...]} for each");
    }
    return status;
}

/* The columns of input i; the label comes with the first. The file must be the same in each pass. */
static ib_status read_input(ib_csv_table *out, const ib_entry *q, const plan *p, size_t i, const bool *texts,
                            const char *path, ib_digest *digest) {
    ib_csv_options o = p->options;
    ib_digest found;
    o.label = i == 0 ? p->label : NULL;
    o.features = (const char *const *)p->inputs[i].columns;
    o.feature_count = p->inputs[i].count;
    o.texts = texts[i];
    ib_status status = ib__csv_read(out, path, &o, q->memory, &found, q->err);
    if (status == IB_OK && i > 0 && memcmp(&found, digest, sizeof found) != 0)
        status = ib__fail(q->err, IB_BAD_INPUT, path, "the file was changed while it was read");
    *digest = found;
    return status;
}

/* One pass over the table for each input. */
static ib_status read_inputs(ib_elements **out, const ib_entry *q, const plan *p, const bool *texts,
                             const char *path, ib_digest *digest) {
    ib_csv_table tables[IB_DATA_FIELDS_MAX] = {{0}};
    ib_column *columns = calloc(p->n + 1, sizeof *columns);
    size_t n = 0;
    ib_status status = columns == NULL ? ib__fail_memory(q->err) : IB_OK;
    for (size_t i = 0; i < p->n && status == IB_OK; i++)
        status = read_input(&tables[i], q, p, i, texts, path, digest);
    for (; n < p->n && status == IB_OK; n++) {
        const ib_csv_table *t = &tables[n];
        ib_shape shape = {1, {(int64_t)t->features}};
        columns[n] = (ib_column){p->inputs[n].name, t->x_dtype, shape, t->x, 0, false};
    }
    if (status == IB_OK && p->label != NULL)
        columns[n++] = (ib_column){"y", tables[0].y_dtype, {0}, tables[0].y, 0, false};
    if (status == IB_OK)
        status = ib__elements_from_columns(out, columns, n, tables[0].rows, q->err);
    else
        for (size_t i = 0; i < p->n; i++)
            ib__csv_free(&tables[i]);
    free(columns);
    return status;
}

static ib_status csv_open(ib_elements **out, const ib_entry *q) {
    const char *file;
    char *path = NULL;
    const ib_value *label = ib__value_get(q->map, "label");
    bool texts[IB_DATA_FIELDS_MAX] = {false};
    plan p = {0};
    ib_elements *e = NULL;
    ib_digest digest;
    ib__texts_hold();
    ib_status status = ib__entry_text(q, "csv", true, &file);
    if (status == IB_OK && (path = ib__entry_path(q, file)) == NULL) status = ib__fail_memory(q->err);
    if (status == IB_OK) status = get_format(q, &p.options);
    if (status == IB_OK && label != NULL) status = get_column(q, label, "label", &p.label);
    if (status == IB_OK) status = get_features(q, &p);
    if (status == IB_OK) status = get_strings(q, &p, texts);
    if (status == IB_OK) status = read_inputs(&e, q, &p, texts, path, &digest);
    if (status == IB_OK && !ib__elements_add_file(e, "csv", path, &digest)) status = ib__fail_memory(q->err);
    if (status == IB_OK)
        *out = e;
    else
        ib__elements_free(e);
    free_plan(&p);
    free(path);
    ib__texts_release();
    return status;
}

static const char *const fields[] = {"csv",     "label",  "features",  "labels",
                                     "strings", "header", "separator", NULL};
const ib_source_kind ib__source_csv = {"csv", fields, csv_open};
