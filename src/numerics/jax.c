/* SPDX-License-Identifier: Apache-2.0
 *
 * Threefry and jax.random. Which words a function takes is that of jax/_src/random; how its floats are
 * rounded is that of the code which XLA compiles for CPUs with FMA (a sum of a product is one operation).
 */
#include "numerics/jax.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "numerics/bits.h"
#include "numerics/order.h"

static uint32_t rotate(uint32_t x, unsigned by) {
    return x << by | x >> (32 - by);
}

static void threefry(const uint32_t key[2], uint32_t x[2]) {
    static const unsigned turns[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
    const uint32_t k[3] = {key[0], key[1], key[0] ^ key[1] ^ 0x1bd11bdau};
    x[0] += k[0];
    x[1] += k[1];
    for (uint32_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < 4; j++) {
            x[0] += x[1];
            x[1] = rotate(x[1], turns[i % 2][j]) ^ x[0];
        }
        x[0] += k[(i + 1) % 3];
        x[1] += k[(i + 2) % 3] + i + 1;
    }
}

/* Words i and n/2 + i, rounded up, come from one block in the sequential way; an odd end is filled with 0. */
static void sequential_words(const uint32_t key[2], uint32_t *out, size_t n) {
    size_t half = (n + 1) / 2;
    for (size_t i = 0; i < half; i++) {
        uint32_t x[2] = {(uint32_t)i, half + i < n ? (uint32_t)(half + i) : 0};
        threefry(key, x);
        out[i] = x[0];
        if (half + i < n) out[half + i] = x[1];
    }
}

ib_jax ib__jax_key(int64_t seed, bool sequential) {
    return (ib_jax){.key = {0, (uint32_t)seed}, .sequential = sequential};
}

void ib__jax_split(const ib_jax *key, ib_jax *out, size_t n) {
    for (size_t i = 0; i < n; i++) {
        out[i] = *key;
        uint32_t x[2] = {0, (uint32_t)i};
        threefry(key->key, x);
        memcpy(out[i].key, x, sizeof x);
    }
    for (size_t i = 0; key->sequential && i < n; i++) {
        uint32_t a[2] = {(uint32_t)i, (uint32_t)(n + i)}; /* words i and n + i of 2 n */
        threefry(key->key, a);
        out[i / 2].key[i % 2] = a[0];
        out[(n + i) / 2].key[(n + i) % 2] = a[1];
    }
}

ib_jax ib__jax_fold_in(const ib_jax *key, uint32_t data) {
    uint32_t x[2] = {0, data};
    threefry(key->key, x);
    return (ib_jax){.key = {x[0], x[1]}, .sequential = key->sequential};
}

/* ---- Words ---- */

static ib_status check(size_t n, ib_error *err) {
    if (n < (size_t)1 << 31) return IB_OK;
    return ib__fail(err, IB_UNSUPPORTED, "", "expected fewer than 2^31 random numbers of JAX, found %zu", n);
}

ib_status ib__jax_bits(const ib_jax *key, uint32_t *out, size_t n, ib_error *err) {
    ib_status status = check(n, err);
    if (status != IB_OK) return status;
    if (key->sequential) {
        sequential_words(key->key, out, n);
        return IB_OK;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t x[2] = {0, (uint32_t)i};
        threefry(key->key, x);
        out[i] = x[0] ^ x[1];
    }
    return IB_OK;
}

ib_status ib__jax_bits_short(const ib_jax *key, unsigned width, uint32_t *out, size_t n, ib_error *err) {
    uint32_t ones = (1u << width) - 1, per_word = 32 / width;
    if (!key->sequential) {
        ib_status status = ib__jax_bits(key, out, n, err);
        for (size_t i = 0; status == IB_OK && i < n; i++)
            out[i] &= ones;
        return status;
    }
    size_t words = (n + per_word - 1) / per_word;
    uint32_t *whole = ib__alloc(words + 1, sizeof *whole);
    if (!whole) return ib__fail_memory(err);
    ib_status status = ib__jax_bits(key, whole, words, err);
    for (size_t i = 0; status == IB_OK && i < n; i++)
        out[i] = whole[i / per_word] >> (width * (uint32_t)(i % per_word)) & ones;
    ib__free(whole);
    return status;
}

/* ---- Floats ---- */

ib_status ib__jax_uniform(const ib_jax *key, float low, float high, float *out, size_t n, ib_error *err) {
    uint32_t *words = ib__alloc(n + 1, sizeof *words);
    if (!words) return ib__fail_memory(err);
    ib_status status = ib__jax_bits(key, words, n, err);
    float range = high - low;
    for (size_t i = 0; status == IB_OK && i < n; i++) {
        float x = fmaf((float)(words[i] >> 9) * 0x1p-23f, range, low);
        out[i] = x > low ? x : low;
    }
    ib__free(words);
    return status;
}

static float polynomial(const float *c, int n, float x) {
    float y = c[0];
    for (int i = 1; i < n; i++)
        y = fmaf(y, x, c[i]);
    return y;
}

/* ln x for 2^-126 <= x, after S. Moshier's Cephes: x = 2^e (1 + t), sqrt(1/2) <= 1 + t. */
static float xla_log(float x) {
    static const float head[3] = {0x1.204376p-4f, -0x1.d7a37p-4f, 0x1.de4a34p-4f};
    static const float middle[3] = {-0x1.fcba9ep-4f, 0x1.23d37ep-3f, -0x1.555cap-3f};
    static const float tail[3] = {0x1.999d58p-3f, -0x1.fffff8p-3f, 0x1.555554p-2f};
    uint32_t bits = ib__float_bits(x);
    float e = (float)((int)(bits >> 23) - 126), m = ib__float_of_bits((bits & 0x807fffffu) | 0x3f000000u);
    bool low = m < 0x1.6a09e6p-1f;
    if (low) e -= 1.0f;
    float t = m - 1.0f + (low ? m : 0.0f), square = t * t, cube = square * t;
    float series = fmaf(polynomial(head, 3, t), cube, polynomial(middle, 3, t));
    series = fmaf(series, cube, polynomial(tail, 3, t));
    float rest = fmaf(cube, series, e * -0x1.bd0106p-13f);
    return fmaf(e, 0x1.63p-1f, t - 0.5f * square + rest);
}

/* ln(1 + x) for -1 < x. Near 0: x - x^2/2 + x^3 times a quotient of polynomials. */
static float xla_log1p(float x) {
    static const float above[7] = {0x1.7bc096p-15f, 0x1.fe818ap-2f, 0x1.a509f4p+2f, 0x1.de9738p+4f,
                                   0x1.e798ecp+5f,  0x1.c8e75ap+5f, 0x1.40a202p+4f};
    static const float below[7] = {0x1p+0f,        0x1.e2035ap+3f, 0x1.4c30b6p+6f, 0x1.bb865ap+7f,
                                   0x1.351946p+8f, 0x1.b0db14p+7f, 0x1.e0f304p+5f};
    if (!(fabsf(x) < 0x1.a8279ap-2f)) return xla_log(x + 1.0f);
    float square = x * x, quotient = polynomial(above, 7, x) / polynomial(below, 7, x);
    return x + fmaf(square, -0.5f, x * square * quotient);
}

/* M. Giles, "Approximating the erfinv function", GPU Computing Gems (2011), in floats. |x| < 1 */
static float xla_erf_inv(float x) {
    static const float centre[9] = {0x1.e2cb1p-26f,   0x1.70966cp-22f, -0x1.d8e6aep-19f,
                                    -0x1.26b582p-18f, 0x1.ca65b6p-13f, -0x1.48a81p-10f,
                                    -0x1.11c9dep-8f,  0x1.f91ec6p-3f,  0x1.805c5ep+0f};
    static const float end[9] = {-0x1.a3e136p-13f, 0x1.a76ad6p-14f, 0x1.61b8e4p-10f,
                                 -0x1.e17bcep-9f,  0x1.7824f6p-8f,  -0x1.f38baep-8f,
                                 0x1.354afcp-7f,   0x1.006db6p+0f,  0x1.6a9efcp+1f};
    float log = xla_log1p(-(x * x));
    bool near = log > -5.0f;
    float w = near ? -2.5f - log : sqrtf(-log) - 3.0f;
    return polynomial(near ? centre : end, 9, w) * x;
}

static const float sqrt_2 = 0x1.6a09e6p+0f;

ib_status ib__jax_normal(const ib_jax *key, float *out, size_t n, ib_error *err) {
    ib_status status = ib__jax_uniform(key, -0x1.fffffep-1f, 1.0f, out, n, err);
    for (size_t i = 0; status == IB_OK && i < n; i++)
        out[i] = xla_erf_inv(out[i]) * sqrt_2;
    return status;
}

static float xla_erf(float x) {
    static const float above[5] = {0x1.e05aa2p-13f, 0x1.bebb44p-9f, 0x1.a16dd6p-5f, 0x1.7b4e8p-3f,
                                   0x1.20dd74p+0f};
    static const float below[7] = {-0x1.fa720cp-24f, 0x1.8b11bep-16f, 0x1.0ada5p-10f, 0x1.cd0fa8p-7f,
                                   0x1.c69842p-4f,   0x1.fd6894p-2f,  0x1p+0f};
    if (fabsf(x) >= 0x1.ea8f96p+1f) return copysignf(1.0f, x);
    float square = x * x;
    return x * polynomial(above, 5, square) / polynomial(below, 7, square);
}

ib_status ib__jax_truncated_normal(const ib_jax *key, float low, float high, float *out, size_t n,
                                   ib_error *err) {
    float half_root = 1.0f / sqrt_2; /* what XLA makes of the division */
    float a = xla_erf(low * half_root), b = xla_erf(high * half_root);
    ib_status status = ib__jax_uniform(key, a, b, out, n, err);
    float least = nextafterf(low, INFINITY), most = nextafterf(high, -INFINITY);
    for (size_t i = 0; status == IB_OK && i < n; i++) {
        float x = fabsf(out[i]) < 1.0f ? xla_erf_inv(out[i]) * sqrt_2 : copysignf(INFINITY, out[i]);
        out[i] = x < least ? least : x > most ? most : x;
    }
    return status;
}

/* ---- Integers and orders ---- */

/* Two words make a number of 64 bits, whose remainder is taken; products wrap as JAX's do. */
ib_status ib__jax_randint(const ib_jax *key, int32_t low, int32_t high, int32_t *out, size_t n,
                          ib_error *err) {
    ib_jax keys[2];
    ib__jax_split(key, keys, 2);
    uint32_t *words = ib__alloc(2 * n + 1, sizeof *words);
    if (!words) return ib__fail_memory(err);
    ib_status status = ib__jax_bits(&keys[0], words, n, err);
    if (status == IB_OK) status = ib__jax_bits(&keys[1], words + n, n, err);
    uint32_t span = high > low ? (uint32_t)high - (uint32_t)low : 1, factor = 0x10000u % span;
    factor = factor * factor % span;
    for (size_t i = 0; status == IB_OK && i < n; i++) {
        uint32_t offset = (words[i] % span * factor + words[n + i] % span) % span;
        out[i] = (int32_t)((uint32_t)low + offset);
    }
    ib__free(words);
    return status;
}

/* Sorted by random words, which may repeat: once, twice or three times, as 3 ln n / ln(2^32 - 1) says. */
ib_status ib__jax_shuffle(const ib_jax *key, uint32_t *items, size_t n, ib_error *err) {
    int rounds = n < 2 ? 0 : n <= 1625 ? 1 : n <= 2642245 ? 2 : 3;
    uint32_t *words = ib__alloc(n + 1, sizeof *words);
    ib_status status = words ? IB_OK : ib__fail_memory(err);
    ib_jax pair[2] = {*key, *key};
    for (int round = 0; status == IB_OK && round < rounds; round++) {
        ib_jax from = pair[0];
        ib__jax_split(&from, pair, 2);
        status = ib__jax_bits(&pair[1], words, n, err);
        if (status == IB_OK) status = ib__order_by_words(items, words, n, err);
    }
    ib__free(words);
    return status;
}

ib_status ib__jax_permutation(const ib_jax *key, uint32_t *order, size_t n, ib_error *err) {
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    return ib__jax_shuffle(key, order, n, err);
}
