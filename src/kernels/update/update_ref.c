/* SPDX-License-Identifier: Apache-2.0
 *
 * The optimizer updates, one element after the other, each operation rounded in the order written.
 */
#include "kernels/kernels.h"

#include <math.h>

#include "kernels/simd/scalar.h"

ib_k_sgd_fn ib_k_sgd_f32_ref;
ib_k_adam_fn ib_k_adam_f32_ref;
ib_k_rmsprop_fn ib_k_rmsprop_f32_ref;

/* w - w*decay; a decay of 0 leaves w alone, even an infinite one. */
static float decayed(float w, float decay) {
    return decay != 0.0f ? w - w * decay : w;
}

void ib_k_sgd_f32_ref(float *w, float *v, const float *g, size_t n, const ib_sgd_args *a) {
    for (size_t i = 0; i < n; i++) {
        float weight = decayed(w[i], a->decay);
        float step = a->lr * g[i];
        if (!v) {
            w[i] = weight - step;
            continue;
        }
        v[i] = a->mu * v[i] - step;
        w[i] = weight + (a->nesterov ? a->mu * v[i] - step : v[i]);
    }
}

void ib_k_adam_f32_ref(float *w, float *m, float *v, float *vhat, const float *g, size_t n,
                       const ib_adam_args *a) {
    for (size_t i = 0; i < n; i++) {
        float weight = decayed(w[i], a->decay);
        m[i] = m[i] + (g[i] - m[i]) * a->c1;
        v[i] = v[i] + (g[i] * g[i] - v[i]) * a->c2;
        float second = v[i];
        if (vhat) second = vhat[i] = ib__maximum(vhat[i], v[i]);
        w[i] = weight - (m[i] * a->alpha) / (sqrtf(second) + a->eps);
    }
}

void ib_k_rmsprop_f32_ref(float *w, float *v, float *mean, float *momentum, const float *g, size_t n,
                          const ib_rmsprop_args *a) {
    for (size_t i = 0; i < n; i++) {
        float weight = decayed(w[i], a->decay);
        v[i] = a->rho * v[i] + a->one_minus_rho * (g[i] * g[i]);
        float d = v[i];
        if (a->centered) {
            mean[i] = a->rho * mean[i] + a->one_minus_rho * g[i];
            d = v[i] - mean[i] * mean[i];
        }
        float step = (a->lr * g[i]) / sqrtf(d + a->eps);
        if (a->mu > 0.0f) step = momentum[i] = a->mu * momentum[i] + step;
        w[i] = weight - step;
    }
}
