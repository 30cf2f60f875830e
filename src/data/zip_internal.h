/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the zip reader share.
 */
#ifndef IB_DATA_ZIP_INTERNAL_H
#define IB_DATA_ZIP_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the `size` bytes of stored member number `index` begin in the archive. */
bool ib__zip_find_data(const char *path, size_t index, uint64_t size, uint64_t *offset);

#endif
