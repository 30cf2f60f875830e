/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorFlow's Philox streams, and uniform and normal numbers, integers and orders from them. What is done
 * with the words is that of tensorflow/core/lib/random (random_distributions.h) and of the kernels that fill
 * tensors; the proof of each recipe is a comparison with TensorFlow (test/numerics/tensorflow.c).
 */
#include "numerics/tensorflow.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "kernels/random/philox.h"
#include "numerics/gnu_math.h"
#include "numerics/order.h"

/* ---- Streams ---- */

/* One block under a fixed key mixes the two seeds. */
ib_tf ib__tf_stateless(int64_t seed0, int64_t seed1) {
    static const uint32_t key[2] = {0x3ec8f720u, 0x02461e29u};
    uint64_t a = (uint64_t)seed0, b = (uint64_t)seed1;
    const uint32_t counter[4] = {(uint32_t)a, (uint32_t)(a >> 32), (uint32_t)b, (uint32_t)(b >> 32)};
    uint32_t mixed[4];
    ib__philox(counter, key, mixed);
    return (ib_tf){.key = {mixed[0], mixed[1]}, .counter = {0, 0, mixed[2], mixed[3]}};
}

/* The seeds as they are: one is the key, one the upper half of the counter. */
static ib_tf seeded(uint64_t seed, uint64_t seed2) {
    return (ib_tf){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                   .counter = {0, 0, (uint32_t)seed2, (uint32_t)(seed2 >> 32)}};
}

ib_tf ib__tf_stateful(uint64_t global, uint64_t operation) {
    return seeded(global, global || operation ? operation : 0x7fffffffu);
}

ib_tf ib__tf_generator(const uint64_t state[3]) {
    return (ib_tf){.key = {(uint32_t)state[2], (uint32_t)(state[2] >> 32)},
                   .counter = {(uint32_t)state[0], (uint32_t)(state[0] >> 32), (uint32_t)state[1],
                               (uint32_t)(state[1] >> 32)}};
}

void ib__tf_skip(ib_tf *r, uint64_t blocks) {
    uint64_t carry = 0, add[4] = {(uint32_t)blocks, blocks >> 32, 0, 0};
    for (int i = 0; i < 4; i++) {
        carry += add[i] + r->counter[i];
        r->counter[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

uint32_t ib__tf_word(ib_tf *r) {
    if (r->left == 0) {
        ib__philox(r->counter, r->key, r->words);
        ib__tf_skip(r, 1);
        r->left = 4;
    }
    return r->words[4 - r->left--];
}

void ib__tf_operations_seed(ib_python *r, int64_t global) {
    ib_seed seed;
    ib__seed_int(&seed, global);
    ib__python_seed(r, &seed);
}

uint64_t ib__tf_operation_seed(ib_python *r) {
    return ib__python_upto(r, 0x7fffffffu);
}

/* ---- Integers ---- */

void ib__tf_words(const ib_tf *at, uint32_t *out, size_t n) {
    ib_tf r = *at;
    for (size_t i = 0; i < n; i++)
        out[i] = ib__tf_word(&r);
}

static uint64_t word_64(ib_tf *r) {
    uint64_t low = ib__tf_word(r);
    return low | (uint64_t)ib__tf_word(r) << 32;
}

void ib__tf_words_64(const ib_tf *at, uint64_t *out, size_t n) {
    ib_tf r = *at;
    for (size_t i = 0; i < n; i++)
        out[i] = word_64(&r);
}

void ib__tf_integers(const ib_tf *at, int32_t low, int32_t high, int32_t *out, size_t n) {
    ib_tf r = *at;
    uint32_t range = (uint32_t)high - (uint32_t)low;
    for (size_t i = 0; i < n; i++)
        out[i] = (int32_t)((uint32_t)low + ib__tf_word(&r) % range);
}

void ib__tf_integers_64(const ib_tf *at, int64_t low, int64_t high, int64_t *out, size_t n) {
    ib_tf r = *at;
    uint64_t range = (uint64_t)high - (uint64_t)low;
    for (size_t i = 0; i < n; i++)
        out[i] = (int64_t)((uint64_t)low + word_64(&r) % range);
}

/* ---- Uniform numbers ---- */

static float unit(ib_tf *r) {
    return (float)(ib__tf_word(r) & 0x7fffffu) * 0x1p-23f;
}

/* The first word gives the upper 20 bits. */
double ib__tf_double(ib_tf *r) {
    uint64_t high = ib__tf_word(r) & 0xfffffu;
    return (double)(high << 32 | ib__tf_word(r)) * 0x1p-52;
}

void ib__tf_uniform(const ib_tf *at, float low, float high, float *out, size_t n) {
    ib_tf r = *at;
    float range = high - low;
    for (size_t i = 0; i < n; i++)
        out[i] = unit(&r) * range + low;
}

void ib__tf_uniform_double(const ib_tf *at, double *out, size_t n) {
    ib_tf r = *at;
    for (size_t i = 0; i < n; i++)
        out[i] = ib__tf_double(&r);
}

void ib__tf_uniform_short(const ib_tf *at, unsigned bits, float *out, size_t n) {
    ib_tf r = *at;
    uint32_t ones = (1u << bits) - 1;
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(ib__tf_word(&r) & ones) / (float)(ones + 1);
}

/* ---- Normal numbers: pairs by G. Box and M. Muller ---- */

static void normal_pair(ib_tf *r, float out[2]) {
    float u = unit(r);
    if (u < 1e-7f) u = 1e-7f;
    float angle = (float)(0x1.921fb54442d18p+2 * (double)unit(r)); /* 2 pi */
    float distance = sqrtf(-2.0f * ib__gnu_logf(u));
    out[0] = ib__gnu_sinf(angle) * distance;
    out[1] = ib__gnu_cosf(angle) * distance;
}

static void normal_pair_double(ib_tf *r, double out[2]) {
    double u = ib__tf_double(r);
    if (u < 1e-7) u = 1e-7;
    double angle = 0x1.921fb54442d18p+2 * ib__tf_double(r);
    double distance = sqrt(-2.0 * ib__gnu_log(u));
    out[0] = ib__gnu_sin(angle) * distance;
    out[1] = ib__gnu_cos(angle) * distance;
}

void ib__tf_normal(const ib_tf *at, float mean, float deviation, float *out, size_t n) {
    ib_tf r = *at;
    float pair[2];
    for (size_t i = 0; i < n; i++) {
        if (i % 2 == 0) normal_pair(&r, pair);
        out[i] = pair[i % 2] * deviation + mean;
    }
}

void ib__tf_normal_double(const ib_tf *at, double *out, size_t n) {
    ib_tf r = *at;
    double pair[2];
    for (size_t i = 0; i < n; i++) {
        if (i % 2 == 0) normal_pair_double(&r, pair);
        out[i] = pair[i % 2];
    }
}

/* Numbers are made in groups of four; each group has 256 blocks of its own. */
void ib__tf_truncated_normal(const ib_tf *at, float mean, float deviation, float *out, size_t n) {
    for (size_t start = 0; start < n; start += 4) {
        ib_tf r = *at;
        ib__tf_skip(&r, (uint64_t)start * 64);
        for (size_t found = 0; found < 4;) {
            float pair[2];
            normal_pair(&r, pair);
            for (size_t i = 0; i < 2 && found < 4; i++) {
                if (!(fabsf(pair[i]) < 2.0f)) continue;
                if (start + found < n) out[start + found] = pair[i] * deviation + mean;
                found++;
            }
        }
    }
}

/* Groups of two, 128 blocks each. */
void ib__tf_truncated_normal_double(const ib_tf *at, double *out, size_t n) {
    for (size_t start = 0; start < n; start += 2) {
        ib_tf r = *at;
        ib__tf_skip(&r, (uint64_t)start * 64);
        for (size_t found = 0; found < 2;) {
            double pair[2];
            normal_pair_double(&r, pair);
            for (size_t i = 0; i < 2 && found < 2; i++) {
                if (!(fabs(pair[i]) < 2.0)) continue;
                if (start + found < n) out[start + found] = pair[i];
                found++;
            }
        }
    }
}

/* ---- Orders ---- */

void ib__tf_shuffle(const ib_tf *at, uint32_t *items, size_t n) {
    ib_tf r = *at;
    for (size_t i = 0; i + 1 < n; i++)
        ib__order_swap(items, i, i + ib__tf_word(&r) % (uint32_t)(n - i));
}

ib_status ib__tf_argsort_shuffle(const ib_tf *at, uint32_t *order, size_t n, ib_error *err) {
    uint32_t *words = ib__alloc(n + 1, sizeof *words);
    if (!words) return ib__fail_memory(err);
    ib_tf r = *at;
    for (size_t i = 0; i < n; i++) {
        order[i] = (uint32_t)i;
        words[i] = ib__tf_word(&r) & 0x7fffffu; /* what is left of it in a float */
    }
    ib_status status = ib__order_by_words(order, words, n, err);
    ib__free(words);
    return status;
}

/* A buffer is filled; then one of its items is taken, the first one moves there, and the next item comes in
 * at the end. The buffer is a ring. */
ib_status ib__tf_dataset_pass(const ib_tf *at, uint32_t *order, size_t n, size_t buffer, ib_error *err) {
    size_t room = buffer < n ? buffer : n, first = 0, held = room;
    if (room == 0) return n == 0 ? IB_OK : ib__fail(err, IB_BAD_INPUT, "", "expected a buffer of 1 or more");
    uint32_t *ring = ib__alloc(room + 1, sizeof *ring);
    if (!ring) return ib__fail_memory(err);
    ib_tf r = *at;
    for (size_t i = 0; i < room; i++)
        ring[i] = (uint32_t)i;
    for (size_t i = 0, next = room; i < n; i++) {
        size_t taken = (first + ib__tf_word(&r) % (uint32_t)held) % room;
        order[i] = ring[taken];
        ring[taken] = ring[first];
        if (next < n)
            ring[first] = (uint32_t)next++; /* where the first one was is now the end */
        else
            held--;
        first = (first + 1) % room;
    }
    ib__free(ring);
    return IB_OK;
}

ib_tf ib__tf_dataset_stream(uint64_t global, uint64_t operation, uint64_t pass, bool reshuffle) {
    if (global == 0 && operation == 0) operation = 0x7fffffffu;
    ib_tf parent = seeded(global, operation);
    if (!reshuffle) return parent;
    ib__tf_skip(&parent, pass / 2);
    for (uint64_t i = 0; i < pass % 2 * 2; i++)
        (void)ib__tf_word(&parent);
    uint32_t seed = ib__tf_word(&parent);
    return seeded(seed, ib__tf_word(&parent));
}
