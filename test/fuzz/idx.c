/* SPDX-License-Identifier: Apache-2.0
 *
 * IDX files, plain and gzipped.
 */
#include "entry.h"

static void parse(const uint8_t *bytes, size_t n) {
    fuzz_entry("{idx: {x: %s}}", bytes, n, n % 2 == 0 ? 0 : 1 << 24);
}

IB_FUZZ("idx")
