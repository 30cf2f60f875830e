/* SPDX-License-Identifier: Apache-2.0
 *
 * Causes: what made a run another one than its experiment gives.
 */
#ifndef IB_RUN_CAUSE_H
#define IB_RUN_CAUSE_H

#include "run/record.h"

/* Trains the recorded run again, a little further than the first step that differs, and says where it parts
 * and "cause: ..." in one line. *reproduced: nothing differs (up to `limit` steps; SIZE_MAX: all). */
ib_status ib__cause_find(const ib_record *record, const ib_runtime *runtime, size_t limit,
                         const ib_options *options, bool *reproduced, ib_error *err);

/* Which bit of which element turns the tensor into one with this digest; false: none, or it has more elements
 * than can be tried. */
bool ib__cause_flip(const ib_variable *variable, const ib_digest *digest, size_t *element, int *bit);

#endif
