/* SPDX-License-Identifier: Apache-2.0
 *
 * FarmHash's Fingerprint64, SipHash-2-4 and TensorFlow's way of joining fingerprints.
 *
 * Sources: the description of FarmHash (farmhashna) with its constants; Aumasson and Bernstein, "SipHash: a
 * fast short-input PRF" (2012); tensorflow/core/platform/fingerprint.h for the joining.
 */
#include "numerics/fingerprint.h"

#include <stdbool.h>

#define K0 UINT64_C(0xc3a5c85c97cb3127)
#define K1 UINT64_C(0xb492b66fbe98f273)
#define K2 UINT64_C(0x9ae16a3b2f90404f)

static uint64_t load(const unsigned char *p, int bytes) {
    uint64_t x = 0;
    for (int i = 0; i < bytes; i++)
        x |= (uint64_t)p[i] << (8 * i);
    return x;
}

static uint64_t at(const unsigned char *p) {
    return load(p, 8);
}

static uint64_t right(uint64_t x, int k) {
    return x >> k | x << (64 - k);
}

static uint64_t shift_mix(uint64_t x) {
    return x ^ x >> 47;
}

/* 128 bits to 64. */
static uint64_t fold(uint64_t u, uint64_t v, uint64_t mul) {
    uint64_t a = shift_mix((u ^ v) * mul);
    return shift_mix((v ^ a) * mul) * mul;
}

static uint64_t up_to_16(const unsigned char *s, size_t n) {
    uint64_t mul = K2 + 2 * n;
    if (n >= 8) {
        uint64_t a = at(s) + K2, b = at(s + n - 8);
        return fold(right(b, 37) * mul + a, (right(a, 25) + b) * mul, mul);
    }
    if (n >= 4) return fold(n + (load(s, 4) << 3), load(s + n - 4, 4), mul);
    if (n == 0) return K2;
    uint64_t y = s[0] + ((uint64_t)s[n / 2] << 8), z = n + ((uint64_t)s[n - 1] << 2);
    return shift_mix(y * K2 ^ z * K0) * K2;
}

/* What both middle lengths begin with: a, b from the front, c, d from the end. */
typedef struct ends {
    uint64_t a, b, first, second, mul;
} ends;

static ends both_ends(const unsigned char *s, size_t n, uint64_t k) {
    ends e = {.a = at(s) * k, .b = at(s + 8), .mul = K2 + 2 * n};
    uint64_t c = at(s + n - 8) * e.mul, d = at(s + n - 16) * K2;
    e.first = right(e.a + e.b, 43) + right(c, 30) + d;
    e.second = e.a + right(e.b + K2, 18) + c;
    return e;
}

static uint64_t up_to_32(const unsigned char *s, size_t n) {
    ends e = both_ends(s, n, K1);
    return fold(e.first, e.second, e.mul);
}

static uint64_t up_to_64(const unsigned char *s, size_t n) {
    ends o = both_ends(s, n, K2);
    uint64_t y = o.first, z = fold(y, o.second, o.mul);
    uint64_t e = at(s + 16) * o.mul, f = at(s + 24);
    uint64_t g = (y + at(s + n - 32)) * o.mul, h = (z + at(s + n - 24)) * o.mul;
    return fold(right(e + f, 43) + right(g, 30) + h, e + right(f + o.a, 18) + g, o.mul);
}

typedef struct two {
    uint64_t a, b;
} two;

/* 32 bytes and two seeds to 128 bits. */
static two weak(const unsigned char *s, uint64_t a, uint64_t b) {
    a += at(s);
    b = right(b + a + at(s + 24), 21);
    uint64_t c = a;
    a += at(s + 8) + at(s + 16);
    b += right(a, 44);
    return (two){a + at(s + 24), b + c};
}

/* The state over blocks of 64 bytes. */
typedef struct state {
    uint64_t x, y, z;
    two v, w;
} state;

/* last: 1, or 9 for the last block, whose multiplier is another one, too. */
static void block(state *h, const unsigned char *s, uint64_t mul, uint64_t last) {
    h->x = right(h->x + h->y + h->v.a + at(s + 8), 37) * mul;
    h->y = right(h->y + h->v.b + at(s + 48), 42) * mul;
    h->x ^= h->w.b * last;
    h->y += h->v.a * last + at(s + 40);
    h->z = right(h->z + h->w.a, 33) * mul;
    h->v = weak(s, h->v.b * mul, h->x + h->w.a);
    h->w = weak(s + 32, h->z + h->w.b, h->y + at(s + 16));
    uint64_t z = h->z;
    h->z = h->x;
    h->x = z;
}

uint64_t ib__fingerprint(const void *bytes, size_t n) {
    const unsigned char *s = bytes;
    if (n <= 16) return up_to_16(s, n);
    if (n <= 32) return up_to_32(s, n);
    if (n <= 64) return up_to_64(s, n);
    const uint64_t seed = 81;
    state h = {.x = seed * K2 + at(s), .y = seed * K1 + 113};
    h.z = shift_mix(h.y * K2 + 113) * K2;
    size_t blocks = (n - 1) / 64, rest = (n - 1) % 64;
    for (size_t i = 0; i < blocks; i++)
        block(&h, s + 64 * i, K1, 1);
    uint64_t mul = K1 + ((h.z & 0xff) << 1);
    h.w.a += rest;
    h.v.a += h.w.a;
    h.w.a += h.v.a;
    block(&h, s + n - 64, mul, 9);
    return fold(fold(h.v.a, h.w.a, mul) + shift_mix(h.y) * K0 + h.z, fold(h.v.b, h.w.b, mul) + h.x, mul);
}

/* ---- SipHash ---- */

static void sip_rounds(uint64_t v[4], int n) {
    for (int i = 0; i < n; i++) {
        v[0] += v[1];
        v[1] = right(v[1], 64 - 13) ^ v[0];
        v[0] = right(v[0], 32);
        v[2] += v[3];
        v[3] = right(v[3], 64 - 16) ^ v[2];
        v[0] += v[3];
        v[3] = right(v[3], 64 - 21) ^ v[0];
        v[2] += v[1];
        v[1] = right(v[1], 64 - 17) ^ v[2];
        v[2] = right(v[2], 32);
    }
}

uint64_t ib__siphash(const uint64_t key[2], const void *bytes, size_t n) {
    const unsigned char *s = bytes;
    uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                     key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    for (size_t i = 0; i <= n / 8; i++) {
        bool whole = i < n / 8;
        uint64_t m = whole ? at(s + 8 * i) : load(s + 8 * i, (int)(n % 8)) | (uint64_t)(n & 0xff) << 56;
        v[3] ^= m;
        sip_rounds(v, 2);
        v[0] ^= m;
    }
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t ib__fingerprint_join(uint64_t a, uint64_t b) {
    const uint64_t k = UINT64_C(0xc6a4a7935bd1e995);
    uint64_t x = ((a ^ k) ^ shift_mix(b * k) * k) * k;
    return shift_mix(shift_mix(x) * k);
}
