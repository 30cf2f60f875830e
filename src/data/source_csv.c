/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables: {csv: FILE, label: COLUMN, features: [COLUMN, ...], labels: int, header: true, separator: ","}
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/csv.h"
#include "data/kinds.h"

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

static ib_status get_features(const ib_entry *q, const ib_value *list, char **names) {
    if (list->kind != IB_LIST || list->count == 0)
        return ib__entry_fail(q, list, "features", "expected a list of columns, found %s",
                              list->kind == IB_LIST ? "an empty one" : ib__kind_name(list->kind));
    ib_status status = IB_OK;
    for (size_t i = 0; i < list->count && status == IB_OK; i++)
        status = get_column(q, list->items[i], "features", &names[i]);
    return status;
}

static ib_status read_table(ib_tensor tensors[2], const ib_entry *q, const char *path) {
    ib_csv_options o = {0};
    const ib_value *label = ib__value_get(q->map, "label"), *list = ib__value_get(q->map, "features");
    size_t count = list != NULL ? list->count : 0;
    char *label_name = NULL;
    char **names = calloc(count + 1, sizeof *names);
    ib_status status = names == NULL ? ib__fail_memory(q->err) : get_format(q, &o);
    if (status == IB_OK && label != NULL) status = get_column(q, label, "label", &label_name);
    if (status == IB_OK && list != NULL) status = get_features(q, list, names);
    o.label = label_name;
    o.features = list != NULL ? (const char *const *)names : NULL;
    o.feature_count = count;
    if (status == IB_OK) status = ib__csv_read(&tensors[0], &tensors[1], path, &o, q->err);
    for (size_t i = 0; names != NULL && i < count; i++)
        free(names[i]);
    free(names);
    free(label_name);
    return status;
}

static ib_status csv_open(ib_elements **out, const ib_entry *q) {
    static const char *const names[] = {"x", "y"};
    const char *file;
    char *path = NULL;
    ib_tensor tensors[2] = {{0}};
    ib_elements *e = NULL;
    ib_digest digest;
    ib_status status = ib__entry_text(q, "csv", true, &file);
    if (status == IB_OK && (path = ib__entry_path(q, file)) == NULL) status = ib__fail_memory(q->err);
    if (status == IB_OK) status = read_table(tensors, q, path);
    if (status == IB_OK)
        status = ib__elements_from_arrays(&e, tensors, names, tensors[1].data != NULL ? 2 : 1, q->err);
    if (status == IB_OK) status = ib__sha256_file(&digest, path, q->err);
    if (status == IB_OK && !ib__elements_add_file(e, "csv", path, &digest)) status = ib__fail_memory(q->err);
    if (status == IB_OK)
        *out = e;
    else
        ib__elements_free(e);
    ib__tensor_free(&tensors[0]);
    ib__tensor_free(&tensors[1]);
    free(path);
    return status;
}

static const char *const fields[] = {"csv", "label", "features", "labels", "header", "separator", NULL};
const ib_source_kind ib__source_csv = {"csv", fields, csv_open};
