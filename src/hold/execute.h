/* SPDX-License-Identifier: Apache-2.0
 *
 * One execution of a program under a plan, and what was seen of it.
 */
#ifndef IB_HOLD_EXECUTE_H
#define IB_HOLD_EXECUTE_H

#include "hold/events.h"
#include "hold/launch.h"

typedef struct ib_hold_job {
    char *const *argv;
    const ib_variables *env;    /* as the user gave it, without what holds */
    const char *cwd;            /* absolute */
    const char *input, *output; /* as in ib_launch */
    const char *events;         /* absolute path of a folder that is not there yet; removed afterwards */
    const char *keep;           /* a folder to move archives of weights into; NULL: they are not kept */
    const char *skip;           /* more folders whose files do not count */
    const ib_hold_plan *plan;
    const ib_variation *variation;
} ib_hold_job;

/* Zero-initialise; release with ib__execution_free. */
typedef struct ib_execution {
    ib_launched launched;
    ib_hold_seen seen;
    ib_value *inputs, *outputs; /* maps of path, sha256 (null: too large, or gone), bytes; sorted by path */
    ib_value *folders;          /* text: folders that the program made */
    ib_value *sources;
    ib_value *variables; /* map: what the plan has set in the environment for the program */
    bool hook, preload;  /* are installed */
    char end[32];        /* "exit 0", "signal 9" */
} ib_execution;

ib_status ib__execute(const ib_hold_job *job, ib_execution *out, ib_error *err);
void ib__execution_free(ib_execution *execution);

#endif
