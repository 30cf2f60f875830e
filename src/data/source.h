/* SPDX-License-Identifier: Apache-2.0
 *
 * Data sources: from an entry of an experiment's data to its elements. doc/data.md lists the kinds.
 *
 *   {npz: FILE, x: NAME, y: NAME}
 *   {csv: FILE, label: COLUMN, features: [COLUMN, ...], labels: int, header: true, separator: ","}
 *
 * All kinds take first: N or rows: [A, B] (from A to before B), and split (split.h), which is applied to
 * these.
 */
#ifndef IB_DATA_SOURCE_H
#define IB_DATA_SOURCE_H

#include "data/elements.h"
#include "data/entry.h"

/* Elements [first, first + count) of a source. */
typedef struct ib_source_part {
    ib_elements *elements;
    uint64_t first, count;
} ib_source_part;

/* Opens the source that the entry names. more: fields of the entry that are for others. *out: yours, release
 * its elements with ib__elements_free. */
ib_status ib__source_open(ib_source_part *out, const ib_entry *q, const char *const *more, size_t n_more);

/* Refuses the first NaN or infinity in elements of the part, by its index: {npz: FILE, x: bad}, "x[3, 1] of
 * FILE is nan". audit (may be NULL): the part's, which knows whether there is any. */
struct ib_field_audit;
ib_status ib__source_check_finite(const ib_source_part *part, const struct ib_field_audit *audit,
                                  const ib_entry *q);

/* What a source may keep in memory for a field: a quarter of what the machine, the container or `ulimit -v`
 * has, at most 4 GiB. Where data lie changes no bit. */
size_t ib__source_memory(void);

#endif
