/* SPDX-License-Identifier: Apache-2.0
 *
 * Learning rate schedules of Keras: a function of the number of steps done so far, computed in double.
 */
#ifndef IB_OPTIMIZERS_SCHEDULE_H
#define IB_OPTIMIZERS_SCHEDULE_H

#include "base/value.h"

typedef struct ib_schedule ib_schedule;

/* value: a map {class_name, config}, or {ClassName: {...}} as experiments say it. */
ib_status ib__schedule_new(ib_schedule **out, const ib_value *value, const char *where, ib_error *err);
void ib__schedule_free(ib_schedule *schedule);
/* The complete Keras serialization. Borrowed. */
const ib_value *ib__schedule_config(const ib_schedule *schedule);
double ib__schedule_at(const ib_schedule *schedule, int64_t step);

#endif
