/* SPDX-License-Identifier: Apache-2.0
 *
 * What the preload library and the start-up hook wrote down while a program ran.
 */
#ifndef IB_HOLD_EVENTS_H
#define IB_HOLD_EVENTS_H

#include "hold/trace.h"

/* Zero-initialise; release with ib__hold_seen_free. Lists are of maps unless said otherwise. */
typedef struct ib_hold_seen {
    ib_hold_trace trace;
    ib_value *processes;   /* path, exe, python, end ("exit", "_exit 3", null: killed or not known) */
    ib_value *entropy;     /* source, by, at, held, processes */
    ib_value *statics;     /* text: static programs that were started */
    ib_value *warnings;    /* text */
    ib_value *reads;       /* text: paths, in any order, some twice */
    ib_value *writes;      /* likewise */
    ib_value *made;        /* likewise: files and folders that were not there before */
    ib_value *sources;     /* likewise: the program's own modules */
    ib_value *environment; /* map, or NULL: no Python said anything */
    ib_value *history;     /* map of lists: the logs of the first model's epochs */
    ib_value *trained;     /* name, steps, process */
    size_t damaged;        /* lines that cannot be read */
} ib_hold_seen;

ib_status ib__hold_events_read(ib_hold_seen *out, const char *folder, ib_error *err);
/* Steps of training, over all models and processes. */
int64_t ib__hold_seen_steps(const ib_hold_seen *seen);
void ib__hold_seen_free(ib_hold_seen *seen);

#endif
