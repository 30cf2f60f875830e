/* SPDX-License-Identifier: Apache-2.0
 *
 * What a state of training and that of a checkpoint differ in.
 */
#ifndef IB_RUN_STATE_DIFF_H
#define IB_RUN_STATE_DIFF_H

#include "run/checkpoint.h"

typedef struct ib_state_difference {
    bool differs;
    size_t elements; /* of all tensors; 0: it is something else, or the files are of different kinds */
    char text[640];  /* "bit 3 of element [0, 7] of dense/kernel: 0x... became 0x..." */
} ib_state_difference;

/* trainer: what was expected; checkpoint: what was found. */
ib_status ib__state_difference(ib_state_difference *out, const ib_trainer *trainer,
                               const ib_checkpoint *checkpoint, ib_error *err);

/* "bit 3 of element [0, 7] of PATH: 0x... (1) became 0x... (2)"; when more than one bit is another,
 * "element [0, 7] of PATH: ...". */
void ib__print_change(char *out, size_t size, const ib_variable *variable, size_t element, uint32_t before,
                      uint32_t after);

#endif
