/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of images: plain loops straight from the contract.
 */
#include "kernels/kernels.h"

ib_k_widen_fn ib_k_widen_u8_ref;
ib_k_ycc_to_rgb_fn ib_k_ycc_to_rgb_u8_ref;
ib_k_bilinear_fn ib_k_bilinear_f32_ref;

static int sum_at(const uint8_t *near, const uint8_t *far, size_t x) {
    return far == NULL ? near[x] : 3 * near[x] + far[x];
}

void ib_k_widen_u8_ref(uint8_t *out, const uint8_t *near, const uint8_t *far, size_t w) {
    int before = far == NULL ? 1 : 8, behind = far == NULL ? 2 : 7, bits = far == NULL ? 2 : 4;
    for (size_t x = 0; x < w; x++) {
        int s = sum_at(near, far, x), left = sum_at(near, far, x > 0 ? x - 1 : 0);
        int right = sum_at(near, far, x + 1 < w ? x + 1 : x);
        out[2 * x] = (uint8_t)((3 * s + left + before) >> bits);
        out[2 * x + 1] = (uint8_t)((3 * s + right + behind) >> bits);
    }
}

static uint8_t cut(int x) {
    return (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
}

void ib_k_ycc_to_rgb_u8_ref(uint8_t *out, const uint8_t *y, const uint8_t *cb, const uint8_t *cr, size_t w) {
    const int half = 1 << 15;
    for (size_t x = 0; x < w; x++) {
        int b = cb[x] - 128, r = cr[x] - 128;
        out[3 * x] = cut(y[x] + r + ((26345 * r + half) >> 16));
        out[3 * x + 1] = cut(y[x] - r + ((18734 * r - 22554 * b + half) >> 16));
        out[3 * x + 2] = cut(y[x] + 2 * b + ((-14942 * b + half) >> 16));
    }
}

void ib_k_bilinear_f32_ref(float *out, const uint8_t *upper, const uint8_t *lower, float dy,
                           const ib_bilinear_columns *c) {
    for (size_t i = 0; i < c->n; i++) {
        size_t a = c->window[i / 4] + (c->left[i] & 0xff), b = c->window[i / 4] + (c->right[i] & 0xff);
        float top = (float)(upper[b] - upper[a]) * c->dx[i];
        float bottom = (float)(lower[b] - lower[a]) * c->dx[i];
        top = (float)upper[a] + top;
        bottom = (float)lower[a] + bottom;
        float between = (bottom - top) * dy;
        out[i] = top + between;
    }
}
