/* SPDX-License-Identifier: Apache-2.0
 *
 * Keras's adapt: layers that learn from the training data before the first step, as the experiment's `adapt`
 * names them.
 */
#ifndef IB_RUN_ADAPT_H
#define IB_RUN_ADAPT_H

#include "run/task.h"

/* Adapts those layers of the task's model that the experiment names and that learn vocabularies or
 * boundaries, which stand in the config; then the others, which learn weights. *changed: a layer's output has
 * another shape now, and the model must be made anew from its config. */
typedef enum ib_adapt_what { IB_ADAPT_CONFIGS, IB_ADAPT_WEIGHTS } ib_adapt_what;
ib_status ib__adapt(ib_task *task, ib_adapt_what what, bool *changed, ib_error *err);

#endif
