/* SPDX-License-Identifier: Apache-2.0
 *
 * Run directories of programs: record.json with the field "program", steps, tensors (doc/hold.md).
 */
#ifndef IB_HOLD_RECORD_H
#define IB_HOLD_RECORD_H

#include "hold/execute.h"

typedef struct ib_script_run {
    char *folder;
    ib_value *tree; /* record.json */
    ib_hold_trace trace;
} ib_script_run;

/* Is there a record of a program in the folder? Whatever is wrong with it is said by ib__script_read. */
bool ib__script_is(const char *run);
/* *out: yours, release with ib__script_free. */
ib_status ib__script_read(ib_script_run **out, const char *run, ib_error *err);
void ib__script_free(ib_script_run *record);

#endif
