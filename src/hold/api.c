/* SPDX-License-Identifier: Apache-2.0
 *
 * The public calls about programs of others.
 */
#include "hold/commands.h"

static const ib_options silent;
static const ib_script defaults;

ib_status ib_script_record(char *const *argv, const ib_script *program, const ib_options *options,
                           int *wait_status, ib_error *err) {
    if (argv == NULL || argv[0] == NULL)
        return ib__fail(err, IB_BAD_INPUT, "record", "expected a program to run, found none");
    return ib__script_record(argv, program != NULL ? program : &defaults, options != NULL ? options : &silent,
                             wait_status, err);
}
