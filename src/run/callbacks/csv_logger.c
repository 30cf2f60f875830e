/* SPDX-License-Identifier: Apache-2.0
 *
 * CSVLogger: a row an epoch, as Python's csv module writes it (CRLF, quotes where needed).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/callbacks.h"

typedef struct csv_logger {
    const char *filename;
    char separator;
    char where[256];
    ib_growing *file;
    uint64_t length; /* where to go on */
    char **columns;  /* without "epoch"; NULL before the first row */
    size_t n_columns;
} csv_logger;

static const ib_field fields[] = {
    {.key = "filename", .fallback = NULL, .read = ib__read_name},
    {.key = "separator", .fallback = "\",\"", .read = ib__read_name},
    {.key = "append", .fallback = "false", .read = ib__read_flag},
};

static ib_status open_it(void *self, const ib_value *config, const char *where, ib_error *err) {
    csv_logger *c = self;
    const char *separator = ib__value_get(config, "separator")->string;
    c->filename = ib__value_get(config, "filename")->string;
    snprintf(c->where, sizeof c->where, "%s", where);
    if (strlen(separator) != 1 || *separator == '"' || *separator == '\n' || *separator == '\r')
        return ib__fail(err, IB_BAD_INPUT, where, "separator: expected one character, found \"%.40s\"",
                        separator);
    c->separator = *separator;
    return ib__callback_path_check(c->filename, where, err);
}

static ib_status train_begin(void *self, ib_moment *m, ib_error *err) {
    csv_logger *c = self;
    char *path = NULL;
    ib_status status = ib__callback_file(&path, m->folder, c->filename, err);
    if (status == IB_OK) status = ib__growing_open(&c->file, path, c->length, err);
    free(path);
    return status;
}

static void put_cell(const csv_logger *c, ib_buf *out, const char *text) {
    const char special[] = {'"', '\r', '\n', c->separator, '\0'};
    if (out->data != NULL && out->length > 0 && out->data[out->length - 1] != '\n')
        ib__buf_add(out, &c->separator, 1);
    if (strpbrk(text, special) == NULL) {
        ib__buf_text(out, text);
        return;
    }
    ib__buf_text(out, "\"");
    for (; *text != '\0'; text++) {
        if (*text == '"') ib__buf_text(out, "\"");
        ib__buf_add(out, text, 1);
    }
    ib__buf_text(out, "\"");
}

/* Keras's rule: the names of the first epoch; if none is of validation, a column val_ for each, too. */
static bool choose_columns(csv_logger *c, const ib_logs *logs) {
    bool validation = false;
    for (size_t i = 0; i < logs->n; i++)
        validation = validation || strncmp(logs->names[i], "val_", 4) == 0;
    c->n_columns = 0;
    c->columns = calloc(2 * logs->n + 1, sizeof(char *));
    if (c->columns == NULL) return false;
    for (size_t i = 0; i < (validation ? 1 : 2) * logs->n; i++) {
        ib_buf name = {0};
        ib__buf_printf(&name, "%s%s", i < logs->n ? "" : "val_", logs->names[i % logs->n]);
        if (name.failed || name.data == NULL) return false;
        c->columns[c->n_columns++] = name.data;
    }
    return true;
}

static ib_status epoch_end(void *self, ib_moment *m, ib_error *err) {
    csv_logger *c = self;
    ib_buf text = {0};
    char cell[32];
    if (c->columns == NULL) {
        if (!choose_columns(c, m->logs)) return ib__fail_memory(err);
        put_cell(c, &text, "epoch");
        for (size_t i = 0; i < c->n_columns; i++)
            put_cell(c, &text, c->columns[i]);
        ib__buf_text(&text, "\r\n");
    }
    snprintf(cell, sizeof cell, "%zu", m->epoch);
    put_cell(c, &text, cell);
    for (size_t i = 0; i < c->n_columns; i++) {
        double value;
        if (ib__logs_get(m->logs, c->columns[i], &value))
            ib__number_python(cell, value);
        else
            snprintf(cell, sizeof cell, "NA");
        put_cell(c, &text, cell);
    }
    ib__buf_text(&text, "\r\n");
    ib_status status =
        text.failed ? ib__fail_memory(err) : ib__growing_add(c->file, text.data, text.length, err);
    ib__buf_free(&text);
    return status;
}

static ib_status sync_it(void *self, ib_error *err) {
    csv_logger *c = self;
    if (c->file == NULL) return IB_OK;
    c->length = ib__growing_length(c->file);
    return ib__growing_sync(c->file, err);
}

static void pack(const void *self, ib_buf *out) {
    const csv_logger *c = self;
    ib__pack_u64(out, c->length);
    ib__pack_u64(out, c->n_columns);
    for (size_t i = 0; i < c->n_columns; i++)
        ib__pack_text(out, c->columns[i]);
}

static bool unpack(void *self, ib_unpack *u) {
    csv_logger *c = self;
    c->length = ib__unpack_u64(u);
    size_t n = ib__unpack_count(u, (size_t)(u->end - u->at) / 8);
    if (u->failed || n == 0) return true;
    c->columns = calloc(n, sizeof(char *));
    if (c->columns == NULL) return false;
    for (; c->n_columns < n && !u->failed; c->n_columns++) {
        c->columns[c->n_columns] = strdup(ib__unpack_text(u));
        if (c->columns[c->n_columns] == NULL) return false;
    }
    return true;
}

static ib_status train_end(void *self, ib_moment *m, ib_error *err) {
    (void)m;
    return sync_it(self, err);
}

static void close_it(void *self) {
    csv_logger *c = self;
    ib__growing_close(c->file);
    ib__names_free(c->columns, c->n_columns);
}

const ib_callback_class ib__callback_csv_logger = {.name = "CSVLogger",
                                                   .fields = fields,
                                                   .n_fields = sizeof fields / sizeof *fields,
                                                   .size = sizeof(csv_logger),
                                                   .writes = true,
                                                   .open = open_it,
                                                   .train_begin = train_begin,
                                                   .epoch_end = epoch_end,
                                                   .train_end = train_end,
                                                   .sync = sync_it,
                                                   .pack = pack,
                                                   .unpack = unpack,
                                                   .close = close_it};
