/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that a script writes, set aside while it runs again: a script that finds its own output may do
 * something else, and what the user has must not be written over by a variation.
 */
#ifndef IB_HOLD_ASIDE_H
#define IB_HOLD_ASIDE_H

#include "hold/record.h"

typedef struct ib_aside_item {
    char *path, *kept; /* kept: "PATH.isobit-aside" */
    bool made;         /* the script made it: it is not there when the script runs again */
    bool there;        /* it was there, and is kept */
    bool absent;       /* it was not: what an execution makes is removed */
} ib_aside_item;

typedef struct ib_aside {
    ib_aside_item *items;
    size_t count, capacity;
} ib_aside;

/* Sets aside what the record lists; on an error all is as it was. Ended by ib__aside_end. */
ib_status ib__aside_begin(ib_aside *aside, const ib_script_run *run, ib_error *err);
/* Before each execution: files as the script found them when it was recorded, as far as that is known. */
ib_status ib__aside_again(const ib_aside *aside, ib_error *err);
/* Puts everything back and removes what the executions made. */
ib_status ib__aside_end(ib_aside *aside, ib_error *err);

#endif
