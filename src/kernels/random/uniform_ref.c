/* SPDX-License-Identifier: Apache-2.0
 *
 * Uniform numbers, one element after the other.
 */
#include "kernels/kernels.h"

#include "kernels/random/philox.h"

ib_k_uniform_fn ib_k_uniform_f32_ref;

void ib_k_uniform_f32_ref(float *y, const ib_stream_at *at, size_t start, size_t n) {
    for (size_t i = 0; i < n; i++) {
        size_t sample = (start + i) / at->per_sample, e = (start + i) % at->per_sample;
        const uint32_t counter[4] = {(uint32_t)(e / 4), at->first_sample + (uint32_t)sample, at->step,
                                     at->epoch};
        uint32_t words[4];
        ib__philox(counter, at->key, words);
        y[i] = (float)(words[e % 4] >> 8) * 0x1p-24f;
    }
}
