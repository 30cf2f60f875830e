/* SPDX-License-Identifier: Apache-2.0
 *
 * report.html: a run on one page, self-contained, without scripts, light and dark.
 */
#ifndef IB_RUN_PAGE_H
#define IB_RUN_PAGE_H

#include "run/trace.h"

/* Writes RUN/report.html. record: the tree of record.json. Levels that a verification proved are read from
 * RUN/verified.json, if it is there. */
ib_status ib__page_write(const char *run, const ib_value *record, const ib_trace *trace, ib_error *err);

#endif
