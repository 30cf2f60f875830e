/* SPDX-License-Identifier: Apache-2.0
 *
 * Data sources: from an entry of an experiment's data to the tensors x and y.
 *
 *   {npz: FILE, x: NAME, y: NAME}
 *   {csv: FILE, label: COLUMN, features: [COLUMN, ...], labels: int, header: true, separator: ","}
 *
 * y, label and all after them may be left out; both take first: N or rows: [A, B] (from A to before B).
 */
#ifndef IB_DATA_SOURCE_H
#define IB_DATA_SOURCE_H

#include "base/value.h"
#include "numerics/tensor.h"

typedef struct ib_source {
    ib_tensor x, y;   /* the same number of samples, more than 0, all finite; y.data NULL: no labels */
    char *file;       /* as it was opened */
    ib_digest digest; /* SHA-256 of the whole file, whatever rows were taken */
} ib_source;

/* place says where the entry stands ("data.train"), name which file it is in ("exp.yaml"), for errors; folder
 * is what relative paths are relative to (NULL: the current one). *out: yours, release with ib__source_free;
 * untouched on failure. */
ib_status ib__source_read(ib_source *out, const ib_value *entry, const char *name, const char *place,
                          const char *folder, ib_error *err);
void ib__source_free(ib_source *source);

#endif
