/* SPDX-License-Identifier: Apache-2.0
 *
 * NumPy's .npz: a zip archive of .npy members, one an array.
 */
#ifndef IB_DATA_NPZ_H
#define IB_DATA_NPZ_H

#include "data/npy.h"
#include "data/zip.h"

/* The array `name` (member "NAME.npy"); an unknown name is an error that lists the arrays that are there.
 * path is the archive's, for errors. *out: yours, release with ib__tensor_free. */
ib_status ib__npz_array(ib_tensor *out, ib_zip *zip, const char *path, const char *name, ib_error *err);

/* Opens, reads one array, closes. */
ib_status ib__npz_read(ib_tensor *out, const char *path, const char *name, ib_error *err);

typedef struct ib_npz_entry {
    const char *name; /* without ".npy" */
    const ib_tensor *tensor;
} ib_npz_entry;

/* Uncompressed, in the given order, the same bytes everywhere; atomically. */
ib_status ib__npz_write(const char *path, const ib_npz_entry *entries, size_t n, ib_error *err);

#endif
