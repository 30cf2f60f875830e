/* SPDX-License-Identifier: Apache-2.0
 *
 * Which goal a run is judged by.
 */
#include <string.h>

#include "run/commands.h"
#include "run/publish.h"

ib_status ib__verify(const char *run, const ib_judgement *how, const ib_options *options, ib_error *err) {
    ib_record *record = NULL;
    bool functional = how->goal != NULL && strcmp(how->goal, "functional") == 0;
    if (functional && !ib__record_complete(run)) return ib__verify_functional(run, NULL, how, options, err);
    ib_status status = ib__record_read(&record, run, err);
    if (status != IB_OK) return status;
    status = ib__bundle_check(record, options->json ? NULL : options, err);
    if (status != IB_OK) {
        ib__record_free(record);
        return status;
    }
    const ib_value *own = ib__value_get(ib__value_get(record->tree, "experiment"), "goal");
    const char *goal = how->goal != NULL ? how->goal : ib__value_is(own, IB_STRING) ? own->string : "bitwise";
    if (strcmp(goal, "bitwise") == 0)
        status = ib__verify_bitwise(record, how->vary, options, err);
    else if (strcmp(goal, "functional") == 0)
        status = ib__verify_functional(run, record, how, options, err);
    else if (strcmp(goal, "documented") == 0)
        status = ib__verify_documented(record, options, err);
    else
        status = ib__fail(err, IB_BAD_INPUT, "goal",
                          "expected bitwise, functional or documented, found \"%.40s\"", goal);
    ib__record_free(record);
    return status;
}
