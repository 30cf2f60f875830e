/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables in CSV (RFC 4180): feature columns into float32 or texts, a label column into float32, int32 or
 * texts.
 */
#ifndef IB_DATA_CSV_H
#define IB_DATA_CSV_H

#include "data/blob.h"
#include "numerics/tensor.h"

/* Labels: IB_LABELS_AUTO is int when every label is an integer that int32 holds, else float. */
typedef enum ib_labels { IB_LABELS_AUTO, IB_LABELS_INT, IB_LABELS_FLOAT } ib_labels;

/* Header: without a word (AUTO) the first row is one, but refused when every name in it is a number, for it
 * may then as well be data; without one (NONE) columns are named "0", "1", ... */
typedef enum ib_csv_header { IB_CSV_HEADER_AUTO, IB_CSV_HEADER_NONE, IB_CSV_HEADER } ib_csv_header;

typedef struct ib_csv_options {
    ib_csv_header header;
    char separator;              /* 0: ',' */
    const char *label;           /* NULL: no label column */
    const char *const *features; /* in this order; NULL: all but the label, in the order of the file */
    size_t feature_count;
    ib_labels labels;
    bool texts, text_label; /* features, the label, are texts: UTF-8, also empty ones */
} ib_csv_options;

/* x: (rows, features), float32 or texts; y: (rows,), NULL without a label. Row after row. */
typedef struct ib_csv_table {
    uint64_t rows;
    size_t features;
    ib_blob *x, *y;
    ib_dtype x_dtype, y_dtype;
} ib_csv_table;
void ib__csv_free(ib_csv_table *table);

/* Reads a text or a file (also gzipped), which passes by in blocks: what the table does not hold in `memory`
 * bytes for each of x and y goes into temporary files. A UTF-8 mark at the beginning, CRLF, quoted fields,
 * blanks around fields and empty lines at the end are fine. Refused with "name:line:column": rows of another
 * length than the first, missing values, what is no finite number, quotes that do not close, names that stand
 * twice, a table without rows, rows longer than 64 MiB. Columns that are not asked for may hold anything.
 * Numbers are rounded to double, then to float32, as NumPy's astype does. *out: yours, release with
 * ib__csv_free; with texts the caller holds their table (numerics/texts.h). */
ib_status ib__csv_parse(ib_csv_table *out, const char *text, size_t length, const char *name,
                        const ib_csv_options *options, size_t memory, ib_error *err);
ib_status ib__csv_read(ib_csv_table *out, const char *path, const ib_csv_options *options, size_t memory,
                       ib_digest *digest, ib_error *err);

#endif
