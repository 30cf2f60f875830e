/* SPDX-License-Identifier: Apache-2.0
 *
 * The lists of scatter_add.
 */
#include "kernels/scatter/lists.h"

void ib__scatter_lists(const int32_t *indices, size_t count, size_t rows, uint32_t *lists) {
    uint32_t *next = lists + rows;
    for (size_t r = 0; r < rows; r++)
        lists[r] = IB_SCATTER_NONE;
    for (size_t i = rows ? count : 0; i-- > 0;) {
        int64_t index = indices[i], last = (int64_t)rows - 1;
        size_t r = (size_t)(index < 0 ? 0 : index > last ? last : index);
        next[i] = lists[r];
        lists[r] = (uint32_t)i;
    }
}
