/* SPDX-License-Identifier: Apache-2.0
 *
 * CRC-32C (Castagnoli), as in TFRecord files.
 */
#ifndef IB_BASE_CRC32C_H
#define IB_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t ib__crc32c(const void *bytes, size_t n);
/* TFRecord's form: rotated and moved, so that a CRC of data that hold CRCs is sound. */
uint32_t ib__crc32c_masked(const void *bytes, size_t n);

#endif
