/* SPDX-License-Identifier: Apache-2.0
 *
 * Data entries of an experiment: fields checked, files read, samples checked.
 */
#include "data/source.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "data/csv.h"
#include "data/npz.h"

static const char *const npz_fields[] = {"npz", "x", "y", "first", "rows"};
static const char *const csv_fields[] = {"csv",    "label",     "features", "labels",
                                         "header", "separator", "first",    "rows"};
static const char *const all_fields[] = {"npz",    "csv",    "x",         "y",     "label", "features",
                                         "labels", "header", "separator", "first", "rows"};
#define COUNT(array) (sizeof(array) / sizeof *(array))

typedef struct request {
    const ib_value *entry;
    const char *name, *place, *folder;
    ib_error *err;
} request;

/* where: "exp.yaml:12:5 data.train.x". */
static ib_status fail_field(const request *q, const ib_value *at, const char *key, const char *format,
                            const char *detail) {
    char where[256];
    if (at == NULL) at = q->entry;
    const char *dot = key[0] != '\0' ? "." : "";
    if (at != NULL && at->line > 0)
        snprintf(where, sizeof where, "%.120s:%d:%d %.60s%s%.40s", q->name, at->line, at->column, q->place,
                 dot, key);
    else
        snprintf(where, sizeof where, "%.120s, %.60s%s%.40s", q->name, q->place, dot, key);
    return ib__fail(q->err, IB_BAD_INPUT, where, format, detail);
}

static ib_status check_fields(const request *q, const char *const *fields, size_t n) {
    for (size_t i = 0; i < q->entry->count; i++) {
        const char *key = q->entry->keys[i];
        bool known = false;
        for (size_t k = 0; k < n; k++)
            known = known || strcmp(key, fields[k]) == 0;
        if (known) continue;
        const char *near = ib__nearest(key, fields, n);
        if (near != NULL)
            return fail_field(q, q->entry->items[i], key, "no such field, did you mean '%s'?", near);
        ib_buf all = {0};
        for (size_t k = 0; k < n; k++)
            ib__buf_printf(&all, "%s%s", k > 0 ? ", " : "", fields[k]);
        ib_status status = all.failed
                               ? ib__fail_memory(q->err)
                               : fail_field(q, q->entry->items[i], key, "no such field, only %s", all.data);
        ib__buf_free(&all);
        return status;
    }
    return IB_OK;
}

/* The text of a field; *out stays NULL when it is not there and need not be. */
static ib_status get_text(const request *q, const char *key, bool needed, const char **out) {
    const ib_value *value = ib__value_get(q->entry, key);
    *out = NULL;
    if (value == NULL) return needed ? fail_field(q, NULL, "", "the field '%s' is missing", key) : IB_OK;
    if (value->kind != IB_STRING || value->string[0] == '\0')
        return fail_field(q, value, key, "expected a name, found %s",
                          value->kind == IB_STRING ? "an empty text" : ib__kind_name(value->kind));
    *out = value->string;
    return IB_OK;
}

/* NULL: no memory. */
static char *path_of(const request *q, const char *file) {
    ib_buf path = {0};
    if (file[0] != '/' && q->folder != NULL && q->folder[0] != '\0') ib__buf_printf(&path, "%s/", q->folder);
    ib__buf_text(&path, file);
    if (path.failed) ib__buf_free(&path);
    return path.data;
}

static ib_status read_npz(const request *q, ib_source *s) {
    const char *x, *y;
    ib_zip *zip = NULL;
    ib_status status = get_text(q, "x", true, &x);
    if (status == IB_OK) status = get_text(q, "y", false, &y);
    if (status == IB_OK) status = ib__zip_open(&zip, s->file, q->err);
    if (status == IB_OK) status = ib__npz_array(&s->x, zip, s->file, x, q->err);
    if (status == IB_OK && y != NULL) status = ib__npz_array(&s->y, zip, s->file, y, q->err);
    ib__zip_close(zip);
    return status;
}

/* A column by name, or by number in a table without header. The text lives in *column. */
static ib_status get_column(const request *q, const ib_value *value, const char *key, char **column) {
    char number[32];
    const char *name = number;
    if (value->kind == IB_INT)
        snprintf(number, sizeof number, "%" PRId64, value->integer);
    else if (value->kind == IB_STRING)
        name = value->string;
    else
        return fail_field(q, value, key, "expected the name of a column, found %s",
                          ib__kind_name(value->kind));
    *column = strdup(name);
    return *column != NULL ? IB_OK : ib__fail_memory(q->err);
}

static ib_status get_labels(const request *q, ib_csv_options *o) {
    const ib_value *value = ib__value_get(q->entry, "labels");
    if (value == NULL) return IB_OK;
    if (ib__value_is_string(value, "int"))
        o->labels = IB_LABELS_INT;
    else if (ib__value_is_string(value, "float"))
        o->labels = IB_LABELS_FLOAT;
    else
        return fail_field(q, value, "labels", "expected int or float%s", "");
    return IB_OK;
}

static ib_status get_format(const request *q, ib_csv_options *o) {
    const ib_value *header = ib__value_get(q->entry, "header");
    const ib_value *separator = ib__value_get(q->entry, "separator");
    if (header != NULL && header->kind != IB_BOOL)
        return fail_field(q, header, "header", "expected true or false, found %s",
                          ib__kind_name(header->kind));
    if (header != NULL) o->header = header->boolean ? IB_CSV_HEADER : IB_CSV_HEADER_NONE;
    if (separator == NULL) return IB_OK;
    if (separator->kind != IB_STRING || strlen(separator->string) != 1 ||
        strchr(",;\t|: ", separator->string[0]) == NULL)
        return fail_field(q, separator, "separator", "expected one of , ; | : tab or blank%s", "");
    o->separator = separator->string[0];
    return IB_OK;
}

static ib_status get_features(const request *q, const ib_value *list, char **names) {
    if (list->kind != IB_LIST || list->count == 0)
        return fail_field(q, list, "features", "expected a list of columns, found %s",
                          list->kind == IB_LIST ? "an empty one" : ib__kind_name(list->kind));
    ib_status status = IB_OK;
    for (size_t i = 0; i < list->count && status == IB_OK; i++)
        status = get_column(q, list->items[i], "features", &names[i]);
    return status;
}

static ib_status read_csv(const request *q, ib_source *s) {
    ib_csv_options o = {0};
    const ib_value *label = ib__value_get(q->entry, "label"), *list = ib__value_get(q->entry, "features");
    size_t count = list != NULL ? list->count : 0;
    char *label_name = NULL;
    char **names = calloc(count + 1, sizeof *names);
    ib_status status = names == NULL ? ib__fail_memory(q->err) : get_format(q, &o);
    if (status == IB_OK) status = get_labels(q, &o);
    if (status == IB_OK && label != NULL) status = get_column(q, label, "label", &label_name);
    if (status == IB_OK && list != NULL) status = get_features(q, list, names);
    o.label = label_name;
    o.features = list != NULL ? (const char *const *)names : NULL;
    o.feature_count = count;
    if (status == IB_OK) status = ib__csv_read(&s->x, &s->y, s->file, &o, q->err);
    for (size_t i = 0; names != NULL && i < count; i++)
        free(names[i]);
    free(names);
    free(label_name);
    return status;
}

static ib_status check_samples(const request *q, const ib_source *s) {
    char x[128], y[128], text[320];
    ib__shape_print(x, &s->x.shape);
    ib__shape_print(y, &s->y.shape);
    if (s->x.shape.rank == 0 || (s->y.data != NULL && s->y.shape.rank == 0))
        return fail_field(q, NULL, "", "expected arrays of samples, found a single number in %s", s->file);
    if (s->y.data != NULL && s->x.shape.dims[0] != s->y.shape.dims[0]) {
        snprintf(text, sizeof text, "%s and y %s", x, y);
        return fail_field(q, NULL, "", "expected as many samples in x as in y, found x %s", text);
    }
    if (ib__shape_elements(&s->x.shape) == 0 || (s->y.data != NULL && ib__shape_elements(&s->y.shape) == 0))
        return fail_field(q, NULL, "", "there is no data: x has the shape %s", x);
    return IB_OK;
}

/* first: N or rows: [A, B]; *from and *to stay as they are without. */
static ib_status get_rows(const request *q, int64_t samples, int64_t *from, int64_t *to) {
    const ib_value *first = ib__value_get(q->entry, "first"), *rows = ib__value_get(q->entry, "rows");
    char text[96];
    snprintf(text, sizeof text, "there are %" PRId64 " samples", samples);
    if (first != NULL && rows != NULL)
        return fail_field(q, rows, "rows", "stands beside first: give one%s", "");
    if (first != NULL) {
        if (first->kind != IB_INT || first->integer < 1 || first->integer > samples)
            return fail_field(q, first, "first", "expected how many samples to take; %s", text);
        *to = first->integer;
    }
    if (rows != NULL) {
        const ib_value *a = ib__value_at(rows, 0), *b = ib__value_at(rows, 1);
        if (!ib__value_is(a, IB_INT) || !ib__value_is(b, IB_INT) || rows->count != 2 || a->integer < 0 ||
            b->integer <= a->integer || b->integer > samples)
            return fail_field(q, rows, "rows", "expected [A, B], from A to before B; %s", text);
        *from = a->integer;
        *to = b->integer;
    }
    return IB_OK;
}

/* Samples from .. to - 1 move to the front of the same memory. */
static void keep_rows(ib_tensor *t, int64_t from, int64_t to) {
    if (t->data == NULL) return;
    size_t row = (size_t)(ib__shape_elements(&t->shape) / t->shape.dims[0]) * ib__dtype_size(t->dtype);
    memmove(t->data, (char *)t->data + (size_t)from * row, (size_t)(to - from) * row);
    t->shape.dims[0] = to - from;
}

/* The first element that is NaN or infinite is named by its index. */
static ib_status check_finite(const request *q, const ib_source *s, const ib_tensor *t, const char *name) {
    if (t->data == NULL || t->dtype < IB_F16) return IB_OK;
    size_t n = (size_t)ib__shape_elements(&t->shape), at = 0;
    while (at < n && isfinite(ib__tensor_at(t, at)))
        at++;
    if (at == n) return IB_OK;
    int64_t index[IB_RANK_MAX];
    size_t rest = at;
    for (int i = t->shape.rank - 1; i >= 0; i--) {
        index[i] = (int64_t)(rest % (size_t)t->shape.dims[i]);
        rest /= (size_t)t->shape.dims[i];
    }
    ib_buf text = {0};
    ib__buf_printf(&text, "%s[", name);
    for (int i = 0; i < t->shape.rank; i++)
        ib__buf_printf(&text, "%s%" PRId64, i > 0 ? ", " : "", index[i]);
    char value[32];
    ib__double_print(value, ib__tensor_at(t, at));
    ib__buf_printf(&text, "] of %.200s is %s", s->file, value);
    ib_status status = text.failed ? ib__fail_memory(q->err)
                                   : fail_field(q, ib__value_get(q->entry, name), name,
                                                "expected finite numbers: %s", text.data);
    ib__buf_free(&text);
    return status;
}

static ib_status check_and_cut(const request *q, ib_source *s) {
    ib_status status = check_samples(q, s);
    if (status != IB_OK) return status;
    int64_t from = 0, to = s->x.shape.dims[0];
    status = get_rows(q, to, &from, &to);
    if (status != IB_OK) return status;
    keep_rows(&s->x, from, to);
    keep_rows(&s->y, from, to);
    status = check_finite(q, s, &s->x, "x");
    return status == IB_OK ? check_finite(q, s, &s->y, "y") : status;
}

ib_status ib__source_read(ib_source *out, const ib_value *entry, const char *name, const char *place,
                          const char *folder, ib_error *err) {
    request q = {entry, name, place, folder, err};
    ib_source s = {0};
    const char *file = NULL;
    if (!ib__value_is(entry, IB_MAP))
        return fail_field(&q, NULL, "", "expected a map with npz or csv, found %s",
                          entry != NULL ? ib__kind_name(entry->kind) : "nothing");
    bool npz = ib__value_get(entry, "npz") != NULL, csv = ib__value_get(entry, "csv") != NULL;
    if (npz && csv) return fail_field(&q, NULL, "", "expected npz or csv, found both%s", "");
    ib_status status = csv   ? check_fields(&q, csv_fields, COUNT(csv_fields))
                       : npz ? check_fields(&q, npz_fields, COUNT(npz_fields))
                             : check_fields(&q, all_fields, COUNT(all_fields));
    if (status == IB_OK && !npz && !csv)
        status = fail_field(&q, NULL, "", "expected one of npz: FILE or csv: FILE%s", "");
    if (status == IB_OK) status = get_text(&q, csv ? "csv" : "npz", true, &file);
    if (status == IB_OK && (s.file = path_of(&q, file)) == NULL) status = ib__fail_memory(err);
    if (status == IB_OK) status = csv ? read_csv(&q, &s) : read_npz(&q, &s);
    if (status == IB_OK) status = check_and_cut(&q, &s);
    if (status == IB_OK) status = ib__sha256_file(&s.digest, s.file, err);
    if (status == IB_OK)
        *out = s;
    else
        ib__source_free(&s);
    return status;
}

void ib__source_free(ib_source *source) {
    ib__tensor_free(&source->x);
    ib__tensor_free(&source->y);
    free(source->file);
    *source = (ib_source){0};
}
