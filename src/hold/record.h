/* SPDX-License-Identifier: Apache-2.0
 *
 * Run directories of scripts: record.json with the field "program", steps, tensors (doc/hold.md).
 */
#ifndef IB_HOLD_RECORD_H
#define IB_HOLD_RECORD_H

#include "hold/execute.h"

typedef struct ib_script_run {
    char *folder;
    ib_value *tree; /* record.json; fields of the kinds that doc/hold.md says */
    ib_hold_trace trace;
    /* What runs it again: */
    char **argv;      /* NULL at the end */
    ib_variables env; /* recorded variables, and those of today that were left out of the record */
    ib_hold_plan plan;
    const char *cwd, *input; /* input: a file, or /dev/null */
} ib_script_run;

/* Does the folder hold the record of a script? Whatever is wrong with it is said by ib__script_read. */
bool ib__script_is(const char *run);
/* *out: yours, release with ib__script_free. */
ib_status ib__script_read(ib_script_run **out, const char *run, ib_error *err);
void ib__script_free(ib_script_run *run);

#endif
