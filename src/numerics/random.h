/* SPDX-License-Identifier: Apache-2.0
 *
 * Random orders by the name of the stream that they come from, and splits of data made of them:
 *
 *   {by: numpy.default_rng, seed: 42, test: 0.2}
 */
#ifndef IB_NUMERICS_RANDOM_H
#define IB_NUMERICS_RANDOM_H

#include "base/value.h"
#include "numerics/jax.h"
#include "numerics/numpy.h"
#include "numerics/python.h"
#include "numerics/stream.h"
#include "numerics/tensorflow.h"

/* X(constant, name): what the name stands for.
 * isobit               ib__stream(seed, "", "order")
 * python.random        random.seed(seed)
 * numpy.RandomState    numpy.random.RandomState(seed), numpy.random.seed(seed)
 * numpy.default_rng    numpy.random.default_rng(seed)
 * tensorflow.stateless tf.random.*stateless_*(seed=(seed, 0)); call number k of an object takes (seed, k)
 * jax.threefry         jax.random.PRNGKey(seed); call number k > 0 of an object takes fold_in(key, k) */
#define IB_RANDOM_LIST(X)                                                                                    \
    X(IB_RANDOM_ISOBIT, "isobit")                                                                            \
    X(IB_RANDOM_PYTHON, "python.random")                                                                     \
    X(IB_RANDOM_NUMPY_LEGACY, "numpy.RandomState")                                                           \
    X(IB_RANDOM_NUMPY_GENERATOR, "numpy.default_rng")                                                        \
    X(IB_RANDOM_TENSORFLOW, "tensorflow.stateless")                                                          \
    X(IB_RANDOM_JAX, "jax.threefry")
typedef enum ib_random_kind {
#define X(constant, name) constant,
    IB_RANDOM_LIST(X)
#undef X
} ib_random_kind;

typedef struct ib_random {
    ib_random_kind kind;
    uint32_t calls; /* so far */
    union {
        ib_stream isobit;
        ib_python python;
        ib_numpy numpy;
        int64_t tensorflow[2];
        ib_jax jax;
    } u;
} ib_random;

/* seed: an integer; text of digits for one of any size (python.random: other text is a str seed); a list of
 * integers for NumPy; two of them for TensorFlow. where: "exp.yaml, data.split", for errors. */
ib_status ib__random_open(ib_random *out, const char *name, const ib_value *seed, const char *where,
                          ib_error *err);
/* The library's shuffle of n items (n < 2^31), and its permutation of 0 .. n - 1. */
ib_status ib__random_shuffle(ib_random *r, uint32_t *items, size_t n, ib_error *err);
ib_status ib__random_permutation(ib_random *r, uint32_t *out, size_t n, ib_error *err);

/* ---- Splits ---- */

/* A number of samples, or a share of all. */
typedef struct ib_split_size {
    bool given, is_count;
    double share; /* above 0, below 1 */
    size_t count;
} ib_split_size;

typedef enum ib_split_part { IB_SPLIT_UNSAID, IB_SPLIT_TRAIN, IB_SPLIT_TEST } ib_split_part;

typedef struct ib_split {
    ib_random random;
    ib_split_size test, train;
    bool train_first;
    ib_split_part part;
} ib_split;

/* entry: a map with
 *   by     the name of a stream; isobit
 *   seed   as for ib__random_open; the one given here as `seed`
 *   test   share or number of test samples; with a share, rounded up
 *   train  share or number of training samples; with a share, rounded down; all others without it
 *   first  which part the permutation begins with: test (as scikit-learn), or train
 *   part   which part is meant, train or test: for whoever takes one */
ib_status ib__split_read(ib_split *out, const ib_value *entry, int64_t seed, const char *where,
                         ib_error *err);
/* order: room for n rows. The training rows come first, *train of them, then the *test test rows, each part
 * in the order that the permutation gives. */
ib_status ib__split_rows(ib_split *split, size_t n, uint32_t *order, size_t *train, size_t *test,
                         const char *where, ib_error *err);

#endif
