/* SPDX-License-Identifier: Apache-2.0
 *
 * Training a recorded run again, in one way or another, and comparing with the record.
 */
#ifndef IB_RUN_AGAIN_H
#define IB_RUN_AGAIN_H

#include "run/record.h"

typedef struct ib_again {
    const ib_record *record;
    ib_runtime runtime;
    const ib_options *options; /* text and progress */
    size_t stops;              /* this often training is stopped and goes on from a checkpoint */
    double seconds;            /* 0: no limit; else it may end after so many, unfinished */
    size_t steps;              /* SIZE_MAX: all; else it ends after so many */
    /* What came out. */
    ib_experiment *experiment;
    ib_task *task;
    ib_trace trace;
    double until;
    size_t differs; /* the first step that does; SIZE_MAX: none */
    bool unfinished;
} ib_again;

/* IB_OK: nothing differs, in as many steps as were asked for. IB_DIFFERS: said to options->text. Call
 * ib__again_free after either. */
ib_status ib__again(ib_again *again, ib_error *err);
void ib__again_free(ib_again *again);

/* The recorded inputs are what the task has read? Says those that are not. */
ib_status ib__again_inputs(const ib_record *record, const ib_task *task, const ib_options *options);
/* Says what differs at a step: the loss, the tensors, or only what came before them. */
void ib__again_say_step(const ib_trace *recorded, const ib_trace *trace, size_t step,
                        const ib_options *options);

#endif
