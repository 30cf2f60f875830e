/* SPDX-License-Identifier: Apache-2.0
 *
 * Transposition of a batch of matrices.
 */
#include "kernels/kernels.h"

#include "kernels/simd/scalar.h"

ib_k_transpose_fn ib_k_transpose_f32_ref;

/* Parts cut the rows of the results. */
void ib_k_transpose_f32_ref(const float *x, float *y, size_t batch, size_t rows, size_t cols, size_t part,
                            size_t parts) {
    size_t end = ib__part_start(batch * cols, part + 1, parts);
    for (size_t u = ib__part_start(batch * cols, part, parts); u < end; u++)
        for (size_t i = 0; i < rows; i++)
            memcpy(y + u * rows + i, x + (u / cols * rows + i) * cols + u % cols, sizeof(float));
}
