/* SPDX-License-Identifier: Apache-2.0
 *
 * An entry of an experiment's data section: a map whose fields are looked up, checked, and named in errors
 * with their place in the file.
 */
#ifndef IB_DATA_ENTRY_H
#define IB_DATA_ENTRY_H

#include "base/value.h"

typedef struct ib_entry {
    const ib_value *map;
    const char *name;   /* the file it stands in: "exp.yaml" */
    const char *place;  /* "data.train" */
    const char *folder; /* what relative paths are relative to; NULL: the current one */
    uint64_t seed;      /* of the experiment */
    size_t memory;      /* bytes that a source may keep in memory for one field */
    ib_error *err;
} ib_entry;

/* An error at a field. where: "exp.yaml:12:5 data.train.x"; at: the value in question, NULL: the entry; key:
 * "" for the entry itself. A macro, so that whoever reads it sees that the status is not IB_OK. */
void ib__entry_error(const ib_entry *q, const ib_value *at, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
#define ib__entry_fail(...) (ib__entry_error(__VA_ARGS__), (ib_status)IB_BAD_INPUT)

/* Refuses fields that are in neither list and names the nearest one that is. */
ib_status ib__entry_check(const ib_entry *q, const char *const *fields, size_t n, const char *const *more,
                          size_t n_more);

/* Fields by their kind. Where the field is not there *out stays as it is (text: NULL). */
ib_status ib__entry_text(const ib_entry *q, const char *key, bool needed, const char **out);
ib_status ib__entry_count(const ib_entry *q, const char *key, int64_t low, int64_t high, int64_t *out);
ib_status ib__entry_number(const ib_entry *q, const char *key, double low, double high, double *out);
ib_status ib__entry_flag(const ib_entry *q, const char *key, bool *out);
/* One of n words; *out: which. */
ib_status ib__entry_choice(const ib_entry *q, const char *key, const char *const *words, size_t n,
                           size_t *out);
/* A list of 1 to `most` integers, or one integer; *n: how many, 0 without the field. */
ib_status ib__entry_counts(const ib_entry *q, const char *key, int64_t low, int64_t high, int64_t *out,
                           size_t most, size_t *n);

/* The path of a file that the entry names. NULL: no memory. free(). */
char *ib__entry_path(const ib_entry *q, const char *file);

/* ---- Which array goes where: x: NAME or x: {INPUT: NAME, ...}; y and sample_weight likewise ---- */

typedef struct ib_pick {
    char *field;        /* "x", "x.INPUT", "y", "sample_weight" */
    char *source;       /* NAME */
    const ib_value *at; /* for errors */
} ib_pick;

typedef struct ib_picks {
    ib_pick *list;
    size_t n;
} ib_picks;

/* From the fields x, y and sample_weight of the entry; x must be there. Yours, release with ib__picks_free,
 * also on failure. */
ib_status ib__picks_read(ib_picks *picks, const ib_entry *q);
void ib__picks_free(ib_picks *picks);

#endif
