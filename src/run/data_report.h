/* SPDX-License-Identifier: Apache-2.0
 *
 * What the audit of data found, for records and for people.
 */
#ifndef IB_RUN_DATA_REPORT_H
#define IB_RUN_DATA_REPORT_H

#include "run/task.h"

/* One map a source: place, samples, and for each field its name, dtype, shape, range, NaN and infinities, and
 * how many samples each class has. NULL: no memory. */
ib_value *ib__data_report(const ib_task *task);
/* The same as lines of text, with the files. */
void ib__data_print(const ib_dataset *data, const ib_options *options);

#endif
