/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of training between two steps, in bytes: all that the next step is a function of and that steps
 * change. Checkpoints hold it; audit and diff put a trainer back to where it was.
 */
#ifndef IB_RUN_STATE_H
#define IB_RUN_STATE_H

#include "run/trainer.h"

/* Step, weights, optimizer (slots, iterations, learning rate), running loss and metrics, states of stateful
 * layers. Streams and the
 * order of samples are functions of the step's number. */
void ib__state_pack(ib_buf *out, const ib_trainer *trainer);
/* Puts the trainer into this state. name: the file, for errors. */
ib_status ib__state_unpack(ib_trainer *trainer, const void *bytes, size_t n, const char *name, ib_error *err);

/* Variable i: weights, then the optimizer's slots, then the states that stateful layers have made in a step;
 * NULL behind the last. */
ib_variable *ib__state_variable(const ib_trainer *trainer, size_t i);

#endif
