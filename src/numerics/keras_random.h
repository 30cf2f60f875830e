/* SPDX-License-Identifier: Apache-2.0
 *
 * Who gets which random numbers in Keras 3 on TensorFlow: seeds that are drawn, and the streams they lead to.
 */
#ifndef IB_NUMERICS_KERAS_RANDOM_H
#define IB_NUMERICS_KERAS_RANDOM_H

#include "numerics/tensorflow.h"

/* What keras.utils.set_random_seed(seed) sets, as far as Keras itself draws from it. */
typedef struct ib_keras {
    ib_python python;
    bool global_made;
    int64_t global[2]; /* the SeedGenerator of keras.random.* without a seed */
} ib_keras;

void ib__keras_set_random_seed(ib_keras *k, int64_t seed);
/* The seed of an initializer or SeedGenerator that is made without one: Python's randint(1, 10^9). */
int64_t ib__keras_make_seed(ib_keras *k);
/* The stream of keras.random.* without a seed. */
ib_tf ib__keras_global_stream(ib_keras *k);

/* The stream of an integer seed (call = 0), and of call number `call` of a SeedGenerator. */
ib_tf ib__keras_stream(int64_t seed, int64_t call);

/* fit(shuffle=True) on arrays, after set_random_seed(seed): the same order in every epoch. fit(shuffle=
 * "batch"): batches in order, shuffled inside. */
void ib__keras_fit_order(int64_t seed, uint32_t *order, size_t n);
void ib__keras_fit_batch_order(int64_t seed, uint32_t *order, size_t n, size_t batch_size);

#endif
