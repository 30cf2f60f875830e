/* SPDX-License-Identifier: Apache-2.0
 *
 * Keras's adapt: layers that learn from the training data before the first step, as the experiment's `adapt`
 * names them.
 */
#ifndef IB_RUN_ADAPT_H
#define IB_RUN_ADAPT_H

#include "run/task.h"

/* Adapts the layers of the task's model that the experiment names; nothing if it names none. */
ib_status ib__adapt(ib_task *task, ib_error *err);

#endif
