/* SPDX-License-Identifier: Apache-2.0
 *
 * Keras's seeds.
 */
#include "numerics/keras_random.h"

void ib__keras_set_random_seed(ib_keras *k, int64_t seed) {
    ib_seed number;
    ib__seed_int(&number, seed);
    ib__python_seed(&k->python, &number);
    k->global_made = false;
}

int64_t ib__keras_make_seed(ib_keras *k) {
    return ib__python_randint(&k->python, 1, 1000000000);
}

/* Keras's seeds have 64 bits, the operations take 31 of them: modulo 2^31 - 2, and never negative. */
static int64_t short_seed(int64_t seed) {
    int64_t rest = seed % 0x7ffffffe;
    return rest < 0 ? rest + 0x7ffffffe : rest;
}

ib_tf ib__keras_stream(int64_t seed, int64_t call) {
    return ib__tf_stateless(short_seed(seed), short_seed(call));
}

/* The pair goes on as (x + 1) 5387 mod 933199, both numbers alike. */
ib_tf ib__keras_global_stream(ib_keras *k) {
    if (!k->global_made) {
        k->global[0] = ib__keras_make_seed(k);
        k->global[1] = 0;
        k->global_made = true;
    }
    ib_tf stream = ib__keras_stream(k->global[0], k->global[1]);
    for (int i = 0; i < 2; i++)
        k->global[i] = (k->global[i] + 1) * 5387 % 933199;
    return stream;
}

/* The first random operation of a function: its seed is 0. */
void ib__keras_fit_order(int64_t seed, uint32_t *order, size_t n) {
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    ib_tf stream = ib__tf_stateful((uint64_t)seed, 0);
    ib__tf_shuffle(&stream, order, n);
}

/* Each batch begins a new block. */
void ib__keras_fit_batch_order(int64_t seed, uint32_t *order, size_t n, size_t batch_size) {
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    ib_tf stream = ib__tf_stateful((uint64_t)seed, 0);
    for (size_t start = 0; start < n; start += batch_size) {
        size_t size = n - start < batch_size ? n - start : batch_size;
        ib__tf_shuffle(&stream, order + start, size);
        ib__tf_skip(&stream, (size + 2) / 4);
    }
}
