/* SPDX-License-Identifier: Apache-2.0
 *
 * Splits of a source: rows chosen by a random permutation, which may be that of another library.
 *
 *   split: {by: numpy.RandomState, seed: 42, test: 0.2}      or a list of such, one after the other
 */
#ifndef IB_DATA_SPLIT_H
#define IB_DATA_SPLIT_H

#include "data/source.h"

/* Applies the entry's `split` to its rows; without one nothing changes. Which part is taken: what `part`
 * says, or else train for data.train, test for the other parts of the data. */
ib_status ib__source_split(ib_source_part *part, const ib_entry *q);

#endif
