/* SPDX-License-Identifier: Apache-2.0
 *
 * HDF5 data sets. The library's own parser runs in a child process and may end there; what comes back is
 * checked by us.
 */
#define FUZZ_CHANGES 15 /* a process each */
#include "entry.h"

static void parse(const uint8_t *bytes, size_t n) {
    const char *path = fuzz_named(bytes, n, ".h5"); /* libhdf5 follows no link to a file without a name */
    fuzz_entry_at("{hdf5: %s, x: /x, y: /group/y}", path, n % 2 == 0 ? 0 : 1 << 24);
    if (path != NULL) (void)unlink(path);
}

IB_FUZZ("hdf5")
