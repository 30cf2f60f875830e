/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of the matrix product (gemm/1): one chain an element and lane, lanes by the lane tree.
 */
#include "kernels/kernels.h"

#include <math.h>
#include <stdio.h>

static float chain(const ib_gemm_args *g, size_t i, size_t j, size_t k0, size_t k1) {
    float acc = 0.0f;
    for (size_t p = k0; p < k1; p++)
        acc = fmaf(g->a[i * g->a_row + p * g->a_col], g->b[p * g->b_row + j * g->b_col], acc);
    return acc;
}

/* The lane tree, in place: neighbours are added level by level, an odd last one passes through. */
static float lane_tree(float *lane, size_t lanes) {
    for (; lanes > 1; lanes = (lanes + 1) / 2) {
        for (size_t i = 0; i < lanes / 2; i++)
            lane[i] = lane[2 * i] + lane[2 * i + 1];
        if (lanes % 2) lane[lanes / 2] = lane[lanes - 1];
    }
    return lane[0];
}

static float element(const ib_gemm_args *g, size_t i, size_t j, float *lane) {
    if (g->lanes <= 1) return chain(g, i, j, 0, g->k);
    size_t per_sample = g->samples ? g->k / g->samples : 0;
    for (size_t l = 0; l < g->lanes; l++)
        lane[l] = chain(g, i, j, l * g->samples / g->lanes * per_sample,
                        (l + 1) * g->samples / g->lanes * per_sample);
    return lane_tree(lane, g->lanes);
}

size_t ib_k_gemm_scratch_f32_ref(const ib_gemm_args *g, size_t parts) {
    (void)parts;
    return g->lanes * sizeof(float);
}

/* A part is a range of rows. */
void ib_k_gemm_f32_ref(const ib_gemm_args *g, size_t part, size_t parts, void *scratch, size_t worker) {
    size_t row0 = g->m * part / parts, row1 = g->m * (part + 1) / parts;
    for (size_t i = row0; i < row1; i++)
        for (size_t j = 0; j < g->n; j++)
            g->c[i * g->c_row + j] = element(g, i, j, scratch);
    if (g->done && row0 < row1 && g->n) g->done(g->context, row0, row1, 0, g->n, worker);
}

void ib_k_gemm_way_f32_ref(const ib_gemm_args *g, size_t parts, char text[IB_WAY_TEXT]) {
    (void)g;
    (void)parts;
    (void)snprintf(text, IB_WAY_TEXT, "plain loops");
}
