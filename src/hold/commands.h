/* SPDX-License-Identifier: Apache-2.0
 *
 * What the public calls about programs do.
 */
#ifndef IB_HOLD_COMMANDS_H
#define IB_HOLD_COMMANDS_H

#include "hold/record.h"
#include "run/commands.h"

ib_status ib__script_record(char *const *argv, const ib_script *program, const ib_options *options,
                            int *wait_status, ib_error *err);

#endif
