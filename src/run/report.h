/* SPDX-License-Identifier: Apache-2.0
 *
 * What a judgement says: to a person as it goes, or to a machine as one JSON value at the end
 * (options->json).
 */
#ifndef IB_RUN_REPORT_H
#define IB_RUN_REPORT_H

#include "base/value.h"
#include "run/say.h"

typedef struct ib_report {
    const ib_options *outer; /* the caller's */
    ib_options inner;        /* for those who say something: with JSON their text is collected */
    ib_value *tree;          /* a map; NULL: no memory, or text is wanted */
    ib_buf text;
    bool json, failed;
} ib_report;

void ib__report_begin(ib_report *report, const ib_options *options);
/* Sets a field; takes over value. Nothing without JSON. */
void ib__report_set(ib_report *report, const char *key, ib_value *value);
/* Appends {name, same, text said since the last call} to the list `checks`. */
void ib__report_check(ib_report *report, const char *name, bool same);
/* Gives the JSON to the caller, with "same": status is IB_OK, and what is left of the text. Gives status, or
 * an error. */
ib_status ib__report_end(ib_report *report, ib_status status, ib_error *err);

#endif
