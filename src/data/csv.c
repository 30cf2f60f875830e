/* SPDX-License-Identifier: Apache-2.0
 *
 * CSV: fields, columns by name, rows into tensors.
 */
#include "data/csv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "base/value.h"
#include "data/intake.h"
#include "numerics/texts.h"

#define COLUMNS_MAX 1000000
#define ROW_MAX ((size_t)64 << 20)
#define BLOCK ((size_t)256 << 10)
#define LABELS 4096 /* in a block */

/* Bytes of the table that are here: all of a text, or of a file those from the row on that comes next. */
typedef struct reader {
    const char *at, *end;
    const char *line_start;
    size_t line, wide; /* wide: bytes of this line before `at` that continue a character */
    char separator;
    const char *name;
    ib_error *err;
    ib_intake *in; /* where more comes from; NULL: these are the last */
    char *room;
    size_t capacity;
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

typedef union cell {
    float number;
    int32_t text;
} cell;

typedef struct table {
    reader r;
    const ib_csv_options *options;
    column *columns;
    size_t count, capacity, features, memory;
    uint64_t rows;
    cell *block; /* rows that are not yet in x */
    size_t held, room;
    double labels[LABELS]; /* those of y */
    size_t n_labels;
    ib_blob *x, *y; /* y: doubles, until all are known */
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

/* ---- The file passes by ---- */

/* Up to the end of the row: its line feed, which is none within quotes. */
static bool row_is_here(const reader *r) {
    size_t n = (size_t)(r->end - r->at);
    const char *feed = n > 0 ? memchr(r->at, '\n', n) : NULL, *closed = NULL;
    if (feed == NULL) return false;
    if (memchr(r->at, '"', (size_t)(feed - r->at)) == NULL) return true;
    bool quoted = false, fresh = true; /* fresh: nothing but blanks of the field was met */
    for (const char *c = r->at; c < r->end; c++) {
        if (quoted) {
            quoted = *c != '"';
            if (!quoted) closed = c;
            continue;
        }
        if (*c == '\n') return true;
        quoted = *c == '"' && (fresh || (closed != NULL && c == closed + 1));
        fresh = *c == r->separator || (fresh && (*c == ' ' || *c == '\t'));
    }
    return false;
}

/* More bytes behind those that are here. Only between rows: places in the bytes are others then. */
static ib_status refill(reader *r) {
    size_t held = (size_t)(r->end - r->at), n;
    if (held > ROW_MAX) return fail_at(r, r->line, 1, "expected a row of at most 64 MiB, found no end%s", "");
    if (r->at != r->room && held > 0) memmove(r->room, r->at, held);
    if (!ib__grow(&r->room, &r->capacity, held + BLOCK, 1)) return ib__fail_memory(r->err);
    ib_status status = ib__intake_read(r->in, r->room + held, r->capacity - held, &n, r->err);
    if (n == 0) r->in = NULL;
    r->at = r->line_start = r->room;
    r->end = r->room + held + n;
    return status;
}

/* Is there another row? Then all of it is here. Blank lines at the end are none. */
static ib_status next_row(reader *r, bool *more) {
    ib_status status = IB_OK;
    for (;;) {
        while (status == IB_OK && r->in != NULL && !row_is_here(r))
            status = refill(r);
        *more = false;
        for (const char *c = r->at; c < r->end && !*more; c++)
            *more = *c != '\n' && *c != '\r';
        if (status != IB_OK || *more || r->in == NULL) return status;
        status = refill(r);
    }
}

static ib_status skip_mark(reader *r) {
    ib_status status = IB_OK;
    while (status == IB_OK && r->in != NULL && r->end - r->at < 3)
        status = refill(r);
    if (status == IB_OK && r->end - r->at >= 3 && memcmp(r->at, "\xef\xbb\xbf", 3) == 0)
        r->line_start = r->at += 3;
    return status;
}

/* ---- Columns ---- */

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
    field f = {0};
    bool no_header = t->options->header == IB_CSV_HEADER_NONE, numbers = true, more;
    ib_status status = next_row(&t->r, &more);
    const reader start = t->r;
    if (status == IB_OK && !more) status = ib__fail(t->r.err, IB_BAD_INPUT, t->r.name, "the table is empty");
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

static ib_status take_feature(table *t, const field *f, cell *out) {
    double value = 0;
    if (t->options->texts) return take_text(t, f, &out->text);
    ib_status status = take_number(t, f, &value);
    out->number = (float)value;
    return status;
}

static ib_status take_label(table *t, const field *f) {
    double value = 0;
    int32_t text = 0;
    ib_status status = t->options->text_label ? take_text(t, f, &text) : take_number(t, f, &value);
    if (t->options->text_label) value = text;
    if (status != IB_OK) return status;
    bool whole = value == floor(value) && value >= -2147483648.0 && value <= 2147483647.0;
    if (!whole && t->options->labels == IB_LABELS_INT)
        return fail_field(t, f, "expected an integer label, found '%s'");
    t->whole_labels = t->whole_labels && whole;
    t->labels[t->n_labels] = value;
    return IB_OK;
}

static ib_status fail_ragged(const table *t, size_t line, size_t found, const char *more) {
    char where[256];
    snprintf(where, sizeof where, "%.200s:%zu:1", t->r.name, line);
    return ib__fail(t->r.err, IB_BAD_INPUT, where, "expected %zu fields, found %zu%s", t->count, found, more);
}

static ib_status read_row(table *t, field *f) {
    size_t line = t->r.line;
    f->last = false;
    for (size_t i = 0; i < t->count; i++) {
        if (f->last) return fail_ragged(t, line, i, "");
        ib_status status = next_field(&t->r, f);
        const column *c = &t->columns[i];
        bool missing = f->last && f->text.length == 0 && i + 1 < t->count;
        if (status == IB_OK && missing) return fail_ragged(t, line, i + (i > 0), "");
        if (status == IB_OK && c->is_label) status = take_label(t, f);
        if (status == IB_OK && c->is_feature) status = take_feature(t, f, &t->block[t->held + c->slot]);
        if (status != IB_OK) return status;
    }
    if (!f->last) return fail_ragged(t, line, t->count, " and more");
    return IB_OK;
}

static ib_status flush_features(table *t) {
    ib_status status = ib__blob_add(t->x, t->block, t->held * sizeof *t->block, t->r.err);
    t->held = 0;
    return status;
}

static ib_status flush_labels(table *t) {
    ib_status status = ib__blob_add(t->y, t->labels, t->n_labels * sizeof *t->labels, t->r.err);
    t->n_labels = 0;
    return status;
}

/* The row that was read counts. */
static ib_status keep_row(table *t) {
    ib_status status = IB_OK;
    t->rows++;
    t->held += t->features;
    t->n_labels += t->y != NULL;
    if (t->room - t->held < t->features) status = flush_features(t);
    return status == IB_OK && t->n_labels == LABELS ? flush_labels(t) : status;
}

static ib_status make_room(table *t) {
    size_t rows = BLOCK / sizeof *t->block / t->features;
    t->room = (rows > 0 ? rows : 1) * t->features;
    t->block = malloc(t->room * sizeof *t->block);
    if (t->block == NULL) return ib__fail_memory(t->r.err);
    ib_status status = ib__blob_new(&t->x, t->r.name, t->memory, t->r.err);
    if (status == IB_OK && t->options->label != NULL)
        status = ib__blob_new(&t->y, t->r.name, t->memory, t->r.err);
    return status;
}

static ib_status read_rows(table *t) {
    field f = {0};
    bool more = true;
    t->whole_labels = true;
    ib_status status = make_room(t);
    while (status == IB_OK) {
        status = next_row(&t->r, &more);
        if (status != IB_OK || !more) break;
        status = read_row(t, &f);
        if (status == IB_OK) status = keep_row(t);
    }
    ib__buf_free(&f.text);
    if (status == IB_OK && t->rows == 0)
        status = ib__fail(t->r.err, IB_BAD_INPUT, t->r.name, "the table has no rows");
    if (status == IB_OK) status = flush_features(t);
    return status == IB_OK && t->y != NULL ? flush_labels(t) : status;
}

/* ---- What comes of it ---- */

/* Labels from doubles into what all of them are. */
static ib_status convert_labels(table *t, ib_dtype dtype, ib_blob **out) {
    int32_t whole[LABELS];
    float real[LABELS];
    ib_status status = ib__blob_new(out, t->r.name, t->memory, t->r.err);
    for (uint64_t row = 0; row < t->rows && status == IB_OK; row += LABELS) {
        size_t n = t->rows - row < LABELS ? (size_t)(t->rows - row) : LABELS;
        status = ib__blob_read(t->y, row * sizeof(double), t->labels, n * sizeof(double), t->r.err);
        for (size_t i = 0; i < n && status == IB_OK; i++) {
            if (dtype == IB_F32)
                real[i] = (float)t->labels[i];
            else
                whole[i] = (int32_t)t->labels[i];
        }
        const void *from = dtype == IB_F32 ? (const void *)real : whole;
        if (status == IB_OK) status = ib__blob_add(*out, from, n * sizeof *whole, t->r.err);
    }
    return status;
}

static ib_status finish(table *t, ib_csv_table *out) {
    const ib_csv_options *o = t->options;
    bool whole = o->labels == IB_LABELS_INT || (o->labels == IB_LABELS_AUTO && t->whole_labels);
    *out = (ib_csv_table){.rows = t->rows,
                          .features = t->features,
                          .x_dtype = o->texts ? IB_TEXT : IB_F32,
                          .y_dtype = o->text_label ? IB_TEXT
                                     : whole       ? IB_I32
                                                   : IB_F32};
    ib_status status = t->y != NULL ? convert_labels(t, out->y_dtype, &out->y) : IB_OK;
    if (status != IB_OK) {
        ib__csv_free(out);
        return status;
    }
    out->x = t->x;
    t->x = NULL;
    return IB_OK;
}

void ib__csv_free(ib_csv_table *table) {
    ib__blob_free(table->x);
    ib__blob_free(table->y);
    *table = (ib_csv_table){0};
}

static ib_status parse(ib_csv_table *out, table *t) {
    t->r.line = 1;
    t->r.line_start = t->r.at;
    t->r.separator = t->options->separator != 0 ? t->options->separator : ',';
    ib_status status = skip_mark(&t->r);
    if (status == IB_OK) status = read_columns(t);
    if (status == IB_OK) status = choose_columns(t);
    if (status == IB_OK) status = read_rows(t);
    if (status == IB_OK) status = finish(t, out);
    for (size_t i = 0; i < t->count; i++)
        free(t->columns[i].name);
    ib__blob_free(t->x);
    ib__blob_free(t->y);
    free(t->columns);
    free(t->block);
    free(t->r.room);
    return status;
}

ib_status ib__csv_parse(ib_csv_table *out, const char *text, size_t length, const char *name,
                        const ib_csv_options *options, size_t memory, ib_error *err) {
    table t = {.options = options, .memory = memory};
    t.r = (reader){.at = text, .end = text + length, .name = name, .err = err};
    return parse(out, &t);
}

ib_status ib__csv_read(ib_csv_table *out, const char *path, const ib_csv_options *options, size_t memory,
                       ib_digest *digest, ib_error *err) {
    table t = {.options = options, .memory = memory};
    ib_intake *in = NULL;
    uint64_t rest;
    ib_status status = ib__intake_open(&in, path, err);
    t.r = (reader){.name = path, .err = err, .in = in};
    if (status == IB_OK) status = parse(out, &t);
    if (status == IB_OK) {
        status = ib__intake_end(in, digest, &rest, err);
        if (status != IB_OK) ib__csv_free(out);
    }
    ib__intake_close(in);
    return status;
}
