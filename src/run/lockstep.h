/* SPDX-License-Identifier: Apache-2.0
 *
 * Two experiments trained side by side.
 */
#ifndef IB_RUN_LOCKSTEP_H
#define IB_RUN_LOCKSTEP_H

#include "run/side.h"

/* Trains both from where they meet for at most `limit` steps and says where they part: step, op and place in
 * the model, first element. *found: they part. */
ib_status ib__lockstep(const ib_meeting *meeting, const ib_runtime *runtime, size_t limit,
                       const ib_options *options, bool *found, ib_error *err);

/* Index of an element as "[3, 0, 7]". */
void ib__print_index(char out[160], const ib_shape *shape, size_t element);
/* Says the first element that differs, both bit patterns, the distance and how many differ; nothing when none
 * does. a, b: arrays of 32-bit words. */
void ib__say_elements(const ib_options *options, const ib_shape *shape, const void *a, const void *b);

#endif
