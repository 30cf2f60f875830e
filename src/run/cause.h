/* SPDX-License-Identifier: Apache-2.0
 *
 * Causes: what made a run another one than its experiment gives.
 */
#ifndef IB_RUN_CAUSE_H
#define IB_RUN_CAUSE_H

#include "run/record.h"

/* Trains the recorded run again, from a checkpoint (NULL: the beginning) until a little further than the
 * first step that differs, and says where it parts and "cause: ..." in one line. *reproduced: nothing differs
 * (up to `limit` steps; SIZE_MAX: all). The checkpoints of the run that are passed are compared, too. */
ib_status ib__cause_find(const ib_record *record, const ib_checkpoint *from, const ib_runtime *runtime,
                         size_t limit, const ib_options *options, bool *reproduced, ib_error *err);

#endif
