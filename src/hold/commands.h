/* SPDX-License-Identifier: Apache-2.0
 *
 * What the public calls about scripts do. options is never NULL here.
 */
#ifndef IB_HOLD_COMMANDS_H
#define IB_HOLD_COMMANDS_H

#include "hold/record.h"
#include "run/commands.h"

ib_status ib__script_record(char *const *argv, const ib_script *script, const ib_options *options,
                            int *wait_status, ib_error *err);
ib_status ib__script_verify(const char *run, const ib_judgement *how, const ib_options *options,
                            ib_error *err);
/* One of the two may be a run of isobit's own. */
ib_status ib__script_diff(const char *run_a, const char *run_b, const ib_options *options, ib_error *err);
ib_status ib__script_show(const char *run, const ib_options *options, ib_error *err);
ib_status ib__script_lock(const char *run, const char *folder, bool offline, const ib_options *options,
                          ib_error *err);
ib_status ib__script_env_check(const char *run, const ib_options *options, ib_error *err);

/* Says what differs between two environments as recorded; gives how many things. */
size_t ib__env_differences(const ib_value *recorded, const ib_value *found, const ib_options *options);
/* The environment here, with the recorded Python's if there is one. *out: yours. */
ib_status ib__script_env_now(ib_value **out, const ib_script_run *run, ib_error *err);

#endif
