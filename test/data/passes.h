/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of data sets: an entry written as YAML opened, its batches, and what goes into a digest of them.
 */
#ifndef IB_TEST_DATA_PASSES_H
#define IB_TEST_DATA_PASSES_H

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "data/dataset.h"

static inline ib_status open_dataset(ib_dataset **out, const char *yaml, const char *folder, ib_error *err) {
    ib_value *entry = NULL;
    ib_status status = ib__yaml_parse(&entry, yaml, strlen(yaml), "exp.yaml", err);
    if (status == IB_OK) status = ib__dataset_open(out, entry, "exp.yaml", "data.train", folder, 812, 2, err);
    ib__value_free(entry);
    return status;
}

static inline ib_dataset *must_open_dataset(const char *yaml, const char *folder) {
    ib_dataset *d = NULL;
    ib_error err = {0};
    if (open_dataset(&d, yaml, folder, &err) != IB_OK) fail_msg("%s: %s: %s", yaml, err.where, err.text);
    return d;
}

/* The next batch, or NULL. */
static inline const ib_batch *next_batch(ib_batches *b) {
    const ib_batch *batch;
    ib_error err = {0};
    if (ib__batches_next(b, &batch, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    return batch;
}

/* Adds the next batch; false: there is none. */
static inline bool add_next(ib_batches *b, ib_sha256 *state) {
    const ib_batch *batch = next_batch(b);
    size_t n;
    if (batch == NULL) return false;
    ib__batches_fields(b, &n);
    for (size_t i = 0; i < n; i++) {
        ib_digest d = ib__tensor_digest(&batch->fields[i]);
        ib__sha256_add(state, &d, sizeof d);
    }
    return true;
}

#endif
