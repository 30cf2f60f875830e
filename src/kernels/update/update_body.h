/* SPDX-License-Identifier: Apache-2.0
 *
 * The optimizer updates over sixteen lanes; included by update_avx2.c and update_avx512.c. Each variant of an
 * optimizer is a loop of its own: the flags are constants where the always-inlined steps are called.
 */
#include "kernels/kernels.h"

#include "kernels/simd/v16.h"

ib_k_sgd_fn IB_K(sgd);
ib_k_adam_fn IB_K(adam);
ib_k_rmsprop_fn IB_K(rmsprop);

/* Runs the call `step`, which uses i and lanes, over n elements. */
#define EACH(n, step)                                                                                        \
    do {                                                                                                     \
        size_t i = 0, lanes = 16;                                                                            \
        for (; (n)-i >= 16; i += 16)                                                                         \
            (step);                                                                                          \
        lanes = (n)-i;                                                                                       \
        if (lanes) (step);                                                                                   \
    } while (0)

V16_FN v16 decayed(const float *w, float decay, size_t lanes) {
    v16 weight = v16_load_n(w, lanes);
    return decay != 0.0f ? v16_sub(weight, v16_mul(weight, v16_set(decay))) : weight;
}

V16_FN void sgd_plain(float *w, const float *g, const ib_sgd_args *a, size_t lanes) {
    v16 step = v16_mul(v16_set(a->lr), v16_load_n(g, lanes));
    v16_store_n(w, v16_sub(decayed(w, a->decay, lanes), step), lanes);
}

V16_FN void sgd_momentum(float *w, float *v, const float *g, const ib_sgd_args *a, bool nesterov,
                         size_t lanes) {
    v16 mu = v16_set(a->mu);
    v16 step = v16_mul(v16_set(a->lr), v16_load_n(g, lanes));
    v16 speed = v16_sub(v16_mul(mu, v16_load_n(v, lanes)), step);
    v16_store_n(v, speed, lanes);
    v16 move = nesterov ? v16_sub(v16_mul(mu, speed), step) : speed;
    v16_store_n(w, v16_add(decayed(w, a->decay, lanes), move), lanes);
}

void IB_K(sgd)(float *w, float *v, const float *g, size_t n, const ib_sgd_args *args) {
    const ib_sgd_args a = *args;
    if (!v)
        EACH(n, sgd_plain(w + i, g + i, &a, lanes));
    else if (a.nesterov)
        EACH(n, sgd_momentum(w + i, v + i, g + i, &a, true, lanes));
    else
        EACH(n, sgd_momentum(w + i, v + i, g + i, &a, false, lanes));
}

/* How far ahead an Adam step fetches: three arrays that are read and written are more than the processor
 * follows by itself from page to page. */
enum { AHEAD = 1024 };

V16_FN void adam_step(float *w, float *m, float *v, float *vhat, const float *g, const ib_adam_args *a,
                      size_t lanes) {
    __builtin_prefetch(w + AHEAD, 1);
    __builtin_prefetch(m + AHEAD, 1);
    __builtin_prefetch(v + AHEAD, 1);
    v16 gradient = v16_load_n(g, lanes), first = v16_load_n(m, lanes), second = v16_load_n(v, lanes);
    first = v16_add(first, v16_mul(v16_sub(gradient, first), v16_set(a->c1)));
    second = v16_add(second, v16_mul(v16_sub(v16_mul(gradient, gradient), second), v16_set(a->c2)));
    v16_store_n(m, first, lanes);
    v16_store_n(v, second, lanes);
    if (vhat) {
        second = v16_maximum(v16_load_n(vhat, lanes), second);
        v16_store_n(vhat, second, lanes);
    }
    v16 root = v16_add(v16_sqrt(second), v16_set(a->eps));
    v16 step = v16_div(v16_mul(first, v16_set(a->alpha)), root);
    v16_store_n(w, v16_sub(decayed(w, a->decay, lanes), step), lanes);
}

void IB_K(adam)(float *w, float *m, float *v, float *vhat, const float *g, size_t n,
                const ib_adam_args *args) {
    const ib_adam_args a = *args;
    if (vhat)
        EACH(n, adam_step(w + i, m + i, v + i, vhat + i, g + i, &a, lanes));
    else
        EACH(n, adam_step(w + i, m + i, v + i, NULL, g + i, &a, lanes));
}

/* mean: NULL unless centered. momentum: NULL unless there is one. */
V16_FN void rmsprop_step(float *w, float *v, float *mean, float *momentum, const float *g,
                         const ib_rmsprop_args *a, size_t lanes) {
    v16 gradient = v16_load_n(g, lanes), rho = v16_set(a->rho), rest = v16_set(a->one_minus_rho);
    v16 square = v16_add(v16_mul(rho, v16_load_n(v, lanes)), v16_mul(rest, v16_mul(gradient, gradient)));
    v16_store_n(v, square, lanes);
    v16 d = square;
    if (mean) {
        v16 average = v16_add(v16_mul(rho, v16_load_n(mean, lanes)), v16_mul(rest, gradient));
        v16_store_n(mean, average, lanes);
        d = v16_sub(square, v16_mul(average, average));
    }
    v16 step = v16_div(v16_mul(v16_set(a->lr), gradient), v16_sqrt(v16_add(d, v16_set(a->eps))));
    if (momentum) {
        step = v16_add(v16_mul(v16_set(a->mu), v16_load_n(momentum, lanes)), step);
        v16_store_n(momentum, step, lanes);
    }
    v16_store_n(w, v16_sub(decayed(w, a->decay, lanes), step), lanes);
}

void IB_K(rmsprop)(float *w, float *v, float *mean, float *momentum, const float *g, size_t n,
                   const ib_rmsprop_args *args) {
    const ib_rmsprop_args a = *args;
    bool moving = a.mu > 0.0f;
    if (a.centered && moving)
        EACH(n, rmsprop_step(w + i, v + i, mean + i, momentum + i, g + i, &a, lanes));
    else if (a.centered)
        EACH(n, rmsprop_step(w + i, v + i, mean + i, NULL, g + i, &a, lanes));
    else if (moving)
        EACH(n, rmsprop_step(w + i, v + i, NULL, momentum + i, g + i, &a, lanes));
    else
        EACH(n, rmsprop_step(w + i, v + i, NULL, NULL, g + i, &a, lanes));
}
