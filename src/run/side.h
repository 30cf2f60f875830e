/* SPDX-License-Identifier: Apache-2.0
 *
 * One of two trainings that are compared, and where both can be entered.
 */
#ifndef IB_RUN_SIDE_H
#define IB_RUN_SIDE_H

#include "run/record.h"

/* It must not move once it is open: the fitting points into it. */
typedef struct ib_side {
    ib_task *task;
    ib_fit_hooks hooks;
    ib_trace trace;
    ib_fitting *fitting;
    ib_trainer *trainer; /* the fitting's */
} ib_side;

/* from: a checkpoint to go on from; NULL: the beginning. Call ib__side_close after either outcome. */
ib_status ib__side_open(ib_side *side, const ib_experiment *experiment, const ib_runtime *runtime,
                        const ib_checkpoint *from, ib_error *err);
void ib__side_close(ib_side *side);

/* Is any variable another one? options not NULL: says the first that is. *shapes: the models differ. */
bool ib__sides_differ(const ib_side *a, const ib_side *b, const ib_options *options, bool *shapes);

/* Two runs, and for each a checkpoint to go on from; both NULL: the beginning. */
typedef struct ib_meeting {
    const ib_record *records[2];
    const ib_experiment *experiments[2];
    ib_checkpoint *from[2];
} ib_meeting;

/* Finds the newest checkpoints before step `limit` that hold one state: the older one, executed up to the
 * step of the newer one, gives it. Two runs that agree vouch for each other. whole: state in all its parts
 * (runs of one experiment), else variables only. Checkpoints that are damaged, or at odds with the record,
 * are passed over. Release with ib__meeting_end. */
ib_status ib__meeting_find(ib_meeting *meeting, const ib_runtime *runtime, size_t limit, bool whole,
                           const ib_options *options, ib_error *err);
void ib__meeting_end(ib_meeting *meeting);

#endif
