/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorFlow's random numbers on a CPU, number for number (2.21): Philox4x32-10 streams, however seeded, and
 * what the operations make of their words.
 */
#ifndef IB_NUMERICS_TENSORFLOW_H
#define IB_NUMERICS_TENSORFLOW_H

#include "base/error.h"
#include "numerics/python.h"

/* A place in a stream: blocks of four words, counted by the 128-bit counter. */
typedef struct ib_tf {
    uint32_t key[2], counter[4];
    uint32_t words[4];
    unsigned left; /* of words */
} ib_tf;

/* ---- Streams ---- */

/* tf.random.stateless_*(seed=[seed0, seed1]) */
ib_tf ib__tf_stateless(int64_t seed0, int64_t seed1);
/* A stateful operation with a global and an operation seed: tf.random.set_seed(global),
 * tf.random.uniform(seed=operation). (0, 0) stands for (0, 2^31 - 1). */
ib_tf ib__tf_stateful(uint64_t global, uint64_t operation);
/* The state of tf.random.Generator: two counter words of 64 bits and the key; from_seed(s): {s, 0, 0}. A call
 * for n numbers begins at this state and leaves the first word greater by 256 n. */
ib_tf ib__tf_generator(const uint64_t state[3]);

void ib__tf_skip(ib_tf *r, uint64_t blocks); /* between calls of ib__tf_word that took whole blocks */
uint32_t ib__tf_word(ib_tf *r);
double ib__tf_double(ib_tf *r); /* [0, 1), 52 bits of two words */

/* Eager operations without a seed: operation n takes the nth number of Python's generator seeded with the
 * global seed. ib__tf_operations_seed before the first. */
void ib__tf_operations_seed(ib_python *r, int64_t global);
uint64_t ib__tf_operation_seed(ib_python *r);

/* ---- Numbers: n of them from the place at, which stays ---- */

void ib__tf_words(const ib_tf *at, uint32_t *out, size_t n);    /* uint32; int32: the same bits */
void ib__tf_words_64(const ib_tf *at, uint64_t *out, size_t n); /* uint64; int64: the same bits */
void ib__tf_integers(const ib_tf *at, int32_t low, int32_t high, int32_t *out,
                     size_t n); /* low <= x < high */
void ib__tf_integers_64(const ib_tf *at, int64_t low, int64_t high, int64_t *out, size_t n);

void ib__tf_uniform(const ib_tf *at, float low, float high, float *out, size_t n);
void ib__tf_uniform_double(const ib_tf *at, double *out, size_t n); /* [0, 1) */
/* [0, 1) in steps of 2^-bits: float16 has 10 bits, bfloat16 7. */
void ib__tf_uniform_short(const ib_tf *at, unsigned bits, float *out, size_t n);
void ib__tf_normal(const ib_tf *at, float mean, float deviation, float *out, size_t n);
void ib__tf_normal_double(const ib_tf *at, double *out, size_t n);
/* Numbers beyond two deviations are drawn anew. */
void ib__tf_truncated_normal(const ib_tf *at, float mean, float deviation, float *out, size_t n);
void ib__tf_truncated_normal_double(const ib_tf *at, double *out, size_t n);

/* stateless_gamma(alpha), alpha > 0; for float32 results round once more. */
ib_status ib__tf_gamma(const ib_tf *at, double alpha, double *out, size_t n, ib_error *err);
/* stateless_binomial(counts, probs) of float32 */
void ib__tf_binomial(const ib_tf *at, float count, float p, float *out, size_t n);
/* stateless_categorical(one row of logits) */
ib_status ib__tf_categorical(const ib_tf *at, const float *logits, size_t classes, int64_t *out, size_t n,
                             ib_error *err);

/* ---- Orders ---- */

/* tf.random.shuffle, stateless_shuffle and the order of Keras's fit(shuffle=True) on arrays. */
void ib__tf_shuffle(const ib_tf *at, uint32_t *items, size_t n);
/* keras.random.shuffle: the order of n uniform numbers. */
ib_status ib__tf_argsort_shuffle(const ib_tf *at, uint32_t *order, size_t n, ib_error *err);
/* One pass of tf.data's shuffle(buffer) over n items. at: a stream from (seed, seed2), at its beginning. */
ib_status ib__tf_dataset_pass(const ib_tf *at, uint32_t *order, size_t n, size_t buffer, ib_error *err);
/* The seeds of pass number `pass` (from 0): the same for all unless reshuffle_each_iteration. */
ib_tf ib__tf_dataset_stream(uint64_t global, uint64_t operation, uint64_t pass, bool reshuffle);

#endif
