/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the data of two runs part: file, sample, element.
 */
#ifndef IB_RUN_DIFF_DATA_H
#define IB_RUN_DIFF_DATA_H

#include "run/record.h"

/* What a difference points to, for the last line. */
typedef struct ib_causes {
    const ib_record *record; /* one of the two */
    ib_buf text;
    size_t settings, data;
    bool seed; /* the seed differs */
} ib_causes;
/* Adds "kind: what", or "kind" when what is "". */
void ib__causes_add(ib_causes *c, const char *kind, const char *what);

/* Says which input files have other content, and, if they are still there, the first element that differs, or
 * that samples are in another order. Gives how many files differ. */
size_t ib__diff_inputs(const ib_record *a, const ib_record *b, ib_causes *c, const ib_options *options);

#endif
