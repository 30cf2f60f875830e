/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of images; included by pixels_avx2.c and pixels_avx512.c. Bytes are handled 32 at once. A row ends
 * with a block that begins earlier and makes some bytes again, so that nothing beyond the row is touched;
 * rows shorter than a block go through a copy.
 */
#include "kernels/kernels.h"

#include <string.h>

#include "kernels/simd/v16.h"

ib_k_widen_fn IB_K_U8(widen);
ib_k_ycc_to_rgb_fn IB_K_U8(ycc_to_rgb);
ib_k_bilinear_fn IB_K(bilinear);

enum { BLOCK = 32 };

V16_FN __m256i load_bytes(const uint8_t *at) {
    return _mm256_loadu_si256((const __m256i *)(const void *)at);
}
V16_FN void store_bytes(uint8_t *at, __m256i x) {
    _mm256_storeu_si256((__m256i *)(void *)at, x);
}

/* ---- Twice as wide ---- */

/* Numbers of 16 bits in two registers, as unpacking leaves them: samples 0-7 and 16-23, 8-15 and 24-31. */
typedef struct pair {
    __m256i low, high;
} pair;

V16_FN pair sums(const uint8_t *near, const uint8_t *far) {
    __m256i n = load_bytes(near);
    if (far == NULL) {
        __m256i none = _mm256_setzero_si256();
        return (pair){_mm256_unpacklo_epi8(n, none), _mm256_unpackhi_epi8(n, none)};
    }
    __m256i f = load_bytes(far), weights = _mm256_set1_epi16(0x0103);
    return (pair){_mm256_maddubs_epi16(_mm256_unpacklo_epi8(n, f), weights),
                  _mm256_maddubs_epi16(_mm256_unpackhi_epi8(n, f), weights)};
}

/* Two bytes from each sample: the one between it and the sample before, the one between it and the next. */
V16_FN __m256i between(__m256i before, __m256i s, __m256i next, bool both) {
    int bits = both ? 4 : 2;
    __m256i three = _mm256_add_epi16(_mm256_add_epi16(s, s), s);
    __m256i left = _mm256_add_epi16(_mm256_add_epi16(three, before), _mm256_set1_epi16(both ? 8 : 1));
    __m256i right = _mm256_add_epi16(_mm256_add_epi16(three, next), _mm256_set1_epi16(both ? 7 : 2));
    right = _mm256_slli_epi16(_mm256_srli_epi16(right, bits), 8);
    return _mm256_or_si256(_mm256_srli_epi16(left, bits), right);
}

/* 32 samples that have one before and one behind. */
V16_FN void widen_block(uint8_t *out, const uint8_t *near, const uint8_t *far) {
    bool both = far != NULL;
    pair s = sums(near, far);
    pair before = sums(near - 1, both ? far - 1 : NULL), next = sums(near + 1, both ? far + 1 : NULL);
    __m256i low = between(before.low, s.low, next.low, both);
    __m256i high = between(before.high, s.high, next.high, both);
    store_bytes(out, _mm256_permute2x128_si256(low, high, 0x20));
    store_bytes(out + BLOCK, _mm256_permute2x128_si256(low, high, 0x31));
}

/* One sample, at the ends of a row and in short rows. */
static void widen_one(uint8_t *out, const uint8_t *near, const uint8_t *far, size_t w, size_t x) {
    size_t at[3] = {x > 0 ? x - 1 : 0, x, x + 1 < w ? x + 1 : x};
    int s[3], bits = far != NULL ? 4 : 2;
    for (size_t i = 0; i < 3; i++)
        s[i] = far != NULL ? 3 * near[at[i]] + far[at[i]] : near[at[i]];
    out[2 * x] = (uint8_t)((3 * s[1] + s[0] + (far != NULL ? 8 : 1)) >> bits);
    out[2 * x + 1] = (uint8_t)((3 * s[1] + s[2] + (far != NULL ? 7 : 2)) >> bits);
}

V16_FN void widen_blocks(uint8_t *out, const uint8_t *near, const uint8_t *far, size_t w) {
    size_t last = w - 1 - BLOCK;
    for (size_t x = 1;; x = x + BLOCK < last ? x + BLOCK : last) {
        widen_block(out + 2 * x, near + x, far != NULL ? far + x : NULL);
        if (x == last) return;
    }
}

void IB_K_U8(widen)(uint8_t *out, const uint8_t *near, const uint8_t *far, size_t w) {
    if (w < BLOCK + 2) {
        for (size_t x = 0; x < w; x++)
            widen_one(out, near, far, w, x);
        return;
    }
    widen_one(out, near, far, w, 0);
    widen_one(out, near, far, w, w - 1);
    if (far == NULL)
        widen_blocks(out, near, NULL, w);
    else
        widen_blocks(out, near, far, w);
}

/* ---- Colours ---- */

/* (factor x + 2^15) >> 16, by halves of the shift: the product of 2 x keeps one bit more. */
V16_FN __m256i scaled(__m256i x, int factor) {
    __m256i high = _mm256_mulhi_epi16(_mm256_add_epi16(x, x), _mm256_set1_epi16((short)factor));
    return _mm256_srai_epi16(_mm256_add_epi16(high, _mm256_set1_epi16(1)), 1);
}

/* (18734 r - 22554 b + 2^15) >> 16 */
V16_FN __m256i green_part(__m256i b, __m256i r) {
    const __m256i factors = _mm256_set1_epi32((int)(18734u << 16 | (uint16_t)-22554));
    const __m256i half = _mm256_set1_epi32(1 << 15);
    __m256i low = _mm256_madd_epi16(_mm256_unpacklo_epi16(b, r), factors);
    __m256i high = _mm256_madd_epi16(_mm256_unpackhi_epi16(b, r), factors);
    low = _mm256_srai_epi32(_mm256_add_epi32(low, half), 16);
    high = _mm256_srai_epi32(_mm256_add_epi32(high, half), 16);
    return _mm256_packs_epi32(low, high);
}

typedef struct colours {
    __m256i red, green, blue;
} colours;

/* Sixteen pixels, not cut yet. */
V16_FN colours colours_of(__m256i y, __m256i cb, __m256i cr) {
    __m256i middle = _mm256_set1_epi16(128), b = _mm256_sub_epi16(cb, middle),
            r = _mm256_sub_epi16(cr, middle);
    __m256i red = _mm256_add_epi16(_mm256_add_epi16(y, r), scaled(r, 26345));
    __m256i green = _mm256_add_epi16(_mm256_sub_epi16(y, r), green_part(b, r));
    __m256i blue = _mm256_add_epi16(_mm256_add_epi16(y, _mm256_add_epi16(b, b)), scaled(b, -14942));
    return (colours){red, green, blue};
}

/* 16 bytes of each colour, twice, to 48 bytes of pixels, twice. Byte k of piece j is number 16 j + k of the
 * pixels, so colour (16 j + k) mod 3 of pixel (16 j + k) / 3. */
V16_FN __m256i piece(const colours *c, const int8_t places[3][16]) {
    const __m256i *in[3] = {&c->red, &c->green, &c->blue};
    __m256i out = _mm256_setzero_si256();
    for (size_t i = 0; i < 3; i++) {
        __m256i at = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)places[i]));
        out = _mm256_or_si256(out, _mm256_shuffle_epi8(*in[i], at));
    }
    return out;
}

static const int8_t places[3][3][16] = {{{0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1, 5},
                                         {-1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1},
                                         {-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1}},
                                        {{-1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10, -1},
                                         {5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10},
                                         {-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1}},
                                        {{-1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1, -1},
                                         {-1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1},
                                         {10, -1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15}}};

/* 32 pixels. */
V16_FN void rgb_block(uint8_t *out, const uint8_t *y, const uint8_t *cb, const uint8_t *cr) {
    const __m256i none = _mm256_setzero_si256();
    __m256i a = load_bytes(y), b = load_bytes(cb), r = load_bytes(cr);
    colours low = colours_of(_mm256_unpacklo_epi8(a, none), _mm256_unpacklo_epi8(b, none),
                             _mm256_unpacklo_epi8(r, none));
    colours high = colours_of(_mm256_unpackhi_epi8(a, none), _mm256_unpackhi_epi8(b, none),
                              _mm256_unpackhi_epi8(r, none));
    colours c = {_mm256_packus_epi16(low.red, high.red), _mm256_packus_epi16(low.green, high.green),
                 _mm256_packus_epi16(low.blue, high.blue)};
    __m256i first = piece(&c, places[0]), second = piece(&c, places[1]), third = piece(&c, places[2]);
    store_bytes(out, _mm256_permute2x128_si256(first, second, 0x20));
    store_bytes(out + BLOCK, _mm256_permute2x128_si256(third, first, 0x30));
    store_bytes(out + 2 * BLOCK, _mm256_permute2x128_si256(second, third, 0x31));
}

void IB_K_U8(ycc_to_rgb)(uint8_t *out, const uint8_t *y, const uint8_t *cb, const uint8_t *cr, size_t w) {
    if (w < BLOCK) {
        uint8_t in[3][BLOCK] = {{0}}, made[3 * BLOCK];
        memcpy(in[0], y, w);
        memcpy(in[1], cb, w);
        memcpy(in[2], cr, w);
        rgb_block(made, in[0], in[1], in[2]);
        memcpy(out, made, 3 * w);
        return;
    }
    for (size_t x = 0;; x = x + BLOCK < w - BLOCK ? x + BLOCK : w - BLOCK) {
        rgb_block(out + 3 * x, y + x, cb + x, cr + x);
        if (x == w - BLOCK) return;
    }
}

/* ---- Between two rows ---- */

/* Bytes of four windows, four from each, as float32. */
#ifdef __AVX512F__
V16_FN v16 bytes_at(__m512i windows, const uint32_t *places_of) {
    return _mm512_cvtepi32_ps(_mm512_shuffle_epi8(windows, _mm512_loadu_si512(places_of)));
}
typedef __m512i windows;
V16_FN windows load_windows(const uint8_t *row, const uint32_t *at) {
    __m512i x = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(const void *)(row + at[0])));
    x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(const void *)(row + at[1])), 1);
    x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(const void *)(row + at[2])), 2);
    return _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(const void *)(row + at[3])), 3);
}
#else
typedef struct windows {
    __m256i low, high;
} windows;
V16_FN v16 bytes_at(windows w, const uint32_t *places_of) {
    __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)places_of);
    __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(places_of + 8));
    return (v16){_mm256_cvtepi32_ps(_mm256_shuffle_epi8(w.low, low)),
                 _mm256_cvtepi32_ps(_mm256_shuffle_epi8(w.high, high))};
}
V16_FN __m256i two_windows(const uint8_t *row, const uint32_t *at) {
    __m128i low = _mm_loadu_si128((const __m128i *)(const void *)(row + at[0]));
    __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(row + at[1]));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}
V16_FN windows load_windows(const uint8_t *row, const uint32_t *at) {
    return (windows){two_windows(row, at), two_windows(row, at + 2)};
}
#endif

V16_FN v16 mixed(v16 a, v16 b, v16 t) {
    return v16_add(a, v16_mul(v16_sub(b, a), t));
}

void IB_K(bilinear)(float *out, const uint8_t *upper, const uint8_t *lower, float dy,
                    const ib_bilinear_columns *c) {
    v16 t = v16_set(dy);
    for (size_t i = 0; i < c->n; i += 16) {
        windows above = load_windows(upper, c->window + i / 4),
                below = load_windows(lower, c->window + i / 4);
        v16 dx = v16_load(c->dx + i);
        v16 top = mixed(bytes_at(above, c->left + i), bytes_at(above, c->right + i), dx);
        v16 bottom = mixed(bytes_at(below, c->left + i), bytes_at(below, c->right + i), dx);
        v16_store_n(out + i, mixed(top, bottom, t), c->n - i);
    }
}
