/* SPDX-License-Identifier: Apache-2.0
 *
 * CSV: fields, columns by name, rows into tensors.
 */
#include "data/csv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/value.h"
#include "numerics/texts.h"

#define FILE_LIMIT ((size_t)1 << 40)
#define COLUMNS_MAX 1000000

typedef struct reader {
    const char *at, *end;
    const char *line_start;
    size_t line, wide; /* wide: bytes of this line before `at` that continue a character */
    char separator;
    const char *name;
    ib_error *err;
} reader;

/* One field: its text, where it begins, whether the row ends after it. */
typedef struct field {
    ib_buf text;
    size_t line, column;
    bool last;
} field;

/* What becomes of a column. */
typedef struct column {
    char *name;
    bool is_label, is_feature;
    size_t slot; /* place among the features */
} column;

typedef struct table {
    reader r;
    const ib_csv_options *options;
    column *columns;
    size_t count, capacity, features, rows;
    float *x;       /* or */
    int32_t *texts; /* with the same capacity */
    double *y;
    size_t x_capacity, y_capacity;
    bool whole_labels;
} table;

static ib_status fail_at(const reader *r, size_t line, size_t column, const char *format,
                         const char *detail) {
    char where[256];
    snprintf(where, sizeof where, "%.200s:%zu:%zu", r->name, line, column);
    return ib__fail(r->err, IB_BAD_INPUT, where, format, detail);
}

static ib_status fail_field(const table *t, const field *f, const char *format) {
    char detail[64];
    snprintf(detail, sizeof detail, "%.60s", f->text.data);
    return fail_at(&t->r, f->line, f->column, format, detail);
}

static void step(reader *r) {
    if (((unsigned char)*r->at & 0xc0) == 0x80) r->wide++;
    if (*r->at++ == '\n') {
        r->line++;
        r->line_start = r->at;
        r->wide = 0;
    }
}

static size_t column_of(const reader *r) {
    return (size_t)(r->at - r->line_start) - r->wide + 1;
}

static bool at_blank(const reader *r) {
    return r->at < r->end && (*r->at == ' ' || *r->at == '\t') && *r->at != r->separator;
}

/* At the end of the text, of a line or of a field. */
static bool at_end(const reader *r) {
    return r->at == r->end || *r->at == r->separator || *r->at == '\n' ||
           (*r->at == '\r' && r->at + 1 < r->end && r->at[1] == '\n');
}

static ib_status read_quoted(reader *r, field *f) {
    step(r);
    for (;;) {
        if (r->at == r->end) return fail_at(r, f->line, f->column, "the quote does not close%s", "");
        if (*r->at == '"') {
            step(r);
            if (r->at == r->end || *r->at != '"') break;
        }
        if (*r->at == '\0') return fail_at(r, r->line, column_of(r), "a zero byte%s", "");
        ib__buf_add(&f->text, r->at, 1);
        step(r);
    }
    while (at_blank(r))
        step(r);
    if (!at_end(r)) return fail_at(r, r->line, column_of(r), "expected a separator after the quote%s", "");
    return IB_OK;
}

static ib_status read_plain(reader *r, field *f) {
    const char *start = r->at;
    while (!at_end(r)) {
        if (*r->at == '"')
            return fail_at(r, r->line, column_of(r), "a quote inside a field without quotes%s", "");
        if (*r->at == '\0' || *r->at == '\r')
            return fail_at(r, r->line, column_of(r), "a zero byte or a lone carriage return%s", "");
        step(r);
    }
    ib__buf_add(&f->text, start, (size_t)(r->at - start));
    while (f->text.length > 0 && strchr(" \t", f->text.data[f->text.length - 1]) != NULL)
        f->text.data[--f->text.length] = '\0';
    return IB_OK;
}

/* The next field, without the blanks around it, and what ends it. */
static ib_status next_field(reader *r, field *f) {
    f->text.length = 0;
    ib__buf_text(&f->text, "");
    while (at_blank(r))
        step(r);
    f->line = r->line;
    f->column = column_of(r);
    bool quoted = r->at < r->end && *r->at == '"';
    ib_status status = quoted ? read_quoted(r, f) : read_plain(r, f);
    if (f->text.failed) status = ib__fail_memory(r->err);
    if (status != IB_OK) return status;
    f->last = r->at == r->end || *r->at != r->separator;
    if (r->at < r->end && *r->at == '\r') step(r);
    if (r->at < r->end) step(r);
    return IB_OK;
}

/* Only blank lines follow. */
static bool nothing_left(const reader *r) {
    for (const char *c = r->at; c < r->end; c++)
        if (*c != '\n' && *c != '\r') return false;
    return true;
}

/* The names of the columns; NULL: no memory, else release with free(). */
static const char **column_names(const table *t) {
    const char **names = calloc(t->count + 1, sizeof *names);
    for (size_t i = 0; names != NULL && i < t->count; i++)
        names[i] = t->columns[i].name;
    return names;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static ib_status check_twice(const table *t) {
    ib_status status = IB_OK;
    const char **names = column_names(t);
    if (names == NULL) return ib__fail_memory(t->r.err);
    qsort(names, t->count, sizeof *names, compare_names);
    for (size_t i = 1; i < t->count && status == IB_OK; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            status = fail_at(&t->r, 1, 1, "two columns are named '%.60s'", names[i]);
    free(names);
    return status;
}

/* The first row gives the number of columns and, unless there is no header, their names. */
static ib_status read_columns(table *t) {
    ib_status status = IB_OK;
    field f = {0};
    const reader start = t->r;
    bool no_header = t->options->header == IB_CSV_HEADER_NONE, numbers = true;
    if (nothing_left(&t->r)) return ib__fail(t->r.err, IB_BAD_INPUT, t->r.name, "the table is empty");
    while (status == IB_OK && !f.last) {
        status = next_field(&t->r, &f);
        if (status != IB_OK) break;
        double ignored;
        numbers = numbers && ib__double_parse(f.text.data, f.text.length, &ignored);
        char number[32];
        snprintf(number, sizeof number, "%zu", t->count);
        if (t->count == COLUMNS_MAX)
            status = fail_at(&t->r, f.line, f.column, "too many columns%s", "");
        else if (!ib__grow(&t->columns, &t->capacity, t->count + 1, sizeof *t->columns))
            status = ib__fail_memory(t->r.err);
        else {
            t->columns[t->count] = (column){.name = strdup(no_header ? number : f.text.data)};
            if (t->columns[t->count++].name == NULL) status = ib__fail_memory(t->r.err);
        }
    }
    ib__buf_free(&f.text);
    if (no_header) t->r = start;
    if (status == IB_OK && numbers && t->options->header == IB_CSV_HEADER_AUTO)
        status = fail_at(&t->r, 1, 1,
                         "every name of the header is a number: say \"header: false\" if the table has none, "
                         "\"header: true\" if it has%s",
                         "");
    return status == IB_OK ? check_twice(t) : status;
}

static column *find_column(table *t, const char *name) {
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->columns[i].name, name) == 0) return &t->columns[i];
    return NULL;
}

static ib_status fail_no_column(const table *t, const char *name) {
    const char **names = column_names(t);
    if (names == NULL) return ib__fail_memory(t->r.err);
    const char *near = ib__nearest(name, names, t->count);
    free(names);
    if (near == NULL)
        return ib__fail(t->r.err, IB_BAD_INPUT, t->r.name, "no column is named '%.80s'; the first is '%.80s'",
                        name, t->columns[0].name);
    return ib__fail(t->r.err, IB_BAD_INPUT, t->r.name, "no column is named '%.80s', did you mean '%.80s'?",
                    name, near);
}

/* Which columns are features, and which is the label. */
static ib_status choose_columns(table *t) {
    const ib_csv_options *o = t->options;
    if (o->label != NULL) {
        column *label = find_column(t, o->label);
        if (label == NULL) return fail_no_column(t, o->label);
        label->is_label = true;
    }
    for (size_t i = 0; o->features != NULL && i < o->feature_count; i++) {
        column *c = find_column(t, o->features[i]);
        if (c == NULL) return fail_no_column(t, o->features[i]);
        if (c->is_feature || c->is_label)
            return ib__fail(t->r.err, IB_BAD_INPUT, t->r.name, "column '%.80s' is asked for twice", c->name);
        c->is_feature = true;
        c->slot = t->features++;
    }
    for (size_t i = 0; o->features == NULL && i < t->count; i++) {
        if (t->columns[i].is_label) continue;
        t->columns[i].is_feature = true;
        t->columns[i].slot = t->features++;
    }
    if (t->features == 0)
        return ib__fail(t->r.err, IB_BAD_INPUT, t->r.name, "the table has no feature column");
    return IB_OK;
}

/* Reads as float; only the label may want more. */
static ib_status take_number(table *t, const field *f, double *out) {
    if (f->text.length == 0) return fail_field(t, f, "a value is missing%s");
    if (!ib__double_parse(f->text.data, f->text.length, out))
        return fail_field(t, f, "expected a number, found '%s'");
    if (!isfinite((float)*out)) return fail_field(t, f, "expected a finite float32 number, found '%s'");
    return IB_OK;
}

static ib_status take_text(table *t, const field *f, int32_t *out) {
    if (ib__utf8_check(f->text.data, f->text.length) != f->text.length)
        return fail_at(&t->r, f->line, f->column, "expected UTF-8, found another byte%s", "");
    return ib__text_number(out, f->text.data, f->text.length, t->r.err);
}

static ib_status take_feature(table *t, const field *f, size_t at) {
    double value = 0;
    if (t->options->texts) return take_text(t, f, &t->texts[at]);
    ib_status status = take_number(t, f, &value);
    if (status == IB_OK) t->x[at] = (float)value;
    return status;
}

static ib_status take_label(table *t, const field *f) {
    double value = 0;
    int32_t text = 0;
    if (t->options->text_label) {
        ib_status status = take_text(t, f, &text);
        t->y[t->rows] = text;
        return status;
    }
    ib_status status = take_number(t, f, &value);
    if (status != IB_OK) return status;
    bool whole = value == floor(value) && value >= -2147483648.0 && value <= 2147483647.0;
    if (!whole && t->options->labels == IB_LABELS_INT)
        return fail_field(t, f, "expected an integer label, found '%s'");
    t->whole_labels = t->whole_labels && whole;
    t->y[t->rows] = value;
    return IB_OK;
}

static ib_status fail_ragged(const table *t, size_t line, size_t found, const char *more) {
    char where[256];
    snprintf(where, sizeof where, "%.200s:%zu:1", t->r.name, line);
    return ib__fail(t->r.err, IB_BAD_INPUT, where, "expected %zu fields, found %zu%s", t->count, found, more);
}

static ib_status read_row(table *t, field *f) {
    size_t line = t->r.line;
    void *x = t->options->texts ? (void *)&t->texts : (void *)&t->x;
    if (!ib__grow(x, &t->x_capacity, (t->rows + 1) * t->features, sizeof *t->x) ||
        !ib__grow(&t->y, &t->y_capacity, t->rows + 1, sizeof *t->y))
        return ib__fail_memory(t->r.err);
    f->last = false;
    for (size_t i = 0; i < t->count; i++) {
        if (f->last) return fail_ragged(t, line, i, "");
        ib_status status = next_field(&t->r, f);
        const column *c = &t->columns[i];
        bool missing = f->last && f->text.length == 0 && i + 1 < t->count;
        if (status == IB_OK && missing) return fail_ragged(t, line, i + (i > 0), "");
        if (status == IB_OK && c->is_label) status = take_label(t, f);
        if (status == IB_OK && c->is_feature) status = take_feature(t, f, t->rows * t->features + c->slot);
        if (status != IB_OK) return status;
    }
    if (!f->last) return fail_ragged(t, line, t->count, " and more");
    t->rows++;
    return IB_OK;
}

static ib_status read_rows(table *t) {
    ib_status status = IB_OK;
    field f = {0};
    t->whole_labels = true;
    while (status == IB_OK && !nothing_left(&t->r))
        status = read_row(t, &f);
    ib__buf_free(&f.text);
    if (status == IB_OK && t->rows == 0)
        status = ib__fail(t->r.err, IB_BAD_INPUT, t->r.name, "the table has no rows");
    return status;
}

static ib_status make_tensors(const table *t, ib_tensor *x, ib_tensor *y) {
    ib_tensor made = {0}, labels = {0};
    ib_shape shape = {2, {(int64_t)t->rows, (int64_t)t->features}}, flat = {1, {(int64_t)t->rows}};
    bool whole =
        t->options->labels == IB_LABELS_INT || (t->options->labels == IB_LABELS_AUTO && t->whole_labels);
    whole = whole || t->options->text_label;
    ib_dtype label = t->options->text_label ? IB_TEXT : whole ? IB_I32 : IB_F32;
    ib_status status = ib__tensor_new(&made, t->options->texts ? IB_TEXT : IB_F32, &shape, t->r.err);
    if (status == IB_OK && t->options->label != NULL)
        status = ib__tensor_new(&labels, label, &flat, t->r.err);
    if (status != IB_OK) {
        ib__tensor_free(&made);
        return status;
    }
    memcpy(made.data, t->options->texts ? (const void *)t->texts : t->x,
           t->rows * t->features * sizeof *t->x);
    for (size_t i = 0; t->options->label != NULL && i < t->rows; i++) {
        if (whole)
            ((int32_t *)labels.data)[i] = (int32_t)t->y[i];
        else
            ((float *)labels.data)[i] = (float)t->y[i];
    }
    *x = made;
    if (t->options->label != NULL) *y = labels;
    return IB_OK;
}

ib_status ib__csv_parse(ib_tensor *x, ib_tensor *y, const char *text, size_t length, const char *name,
                        const ib_csv_options *options, ib_error *err) {
    size_t mark = length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    table t = {.options = options};
    t.r = (reader){.at = text + mark,
                   .end = text + length,
                   .line_start = text + mark,
                   .line = 1,
                   .separator = options->separator != 0 ? options->separator : ',',
                   .name = name,
                   .err = err};
    ib_status status = read_columns(&t);
    if (status == IB_OK) status = choose_columns(&t);
    if (status == IB_OK) status = read_rows(&t);
    if (status == IB_OK) status = make_tensors(&t, x, y);
    for (size_t i = 0; i < t.count; i++)
        free(t.columns[i].name);
    free(t.columns);
    free(t.x);
    free(t.texts);
    free(t.y);
    return status;
}

ib_status ib__csv_read(ib_tensor *x, ib_tensor *y, const char *path, const ib_csv_options *options,
                       ib_error *err) {
    ib_buf buf = {0};
    ib_status status = ib__file_read(&buf, path, FILE_LIMIT, err);
    if (status == IB_OK) status = ib__csv_parse(x, y, buf.data, buf.length, path, options, err);
    ib__buf_free(&buf);
    return status;
}
