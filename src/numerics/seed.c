/* SPDX-License-Identifier: Apache-2.0
 *
 * Seeds of any size.
 */
#include "numerics/seed.h"

#include <string.h>

static void trim(ib_seed *s) {
    while (s->n > 0 && s->words[s->n - 1] == 0)
        s->n--;
}

void ib__seed_int(ib_seed *out, int64_t value) {
    uint64_t size = value < 0 ? 0u - (uint64_t)value : (uint64_t)value;
    *out = (ib_seed){.negative = value < 0, .n = 2, .words = {(uint32_t)size, (uint32_t)(size >> 32)}};
    trim(out);
}

ib_status ib__seed_decimal(ib_seed *out, const char *text, const char *where, ib_error *err) {
    enum { DIGITS_MAX = 6000 };
    const char *digits = text + (*text == '-' || *text == '+');
    size_t n = strspn(digits, "0123456789");
    if (n == 0 || digits[n] != '\0' || n > DIGITS_MAX)
        return ib__fail(err, IB_BAD_INPUT, where,
                        "seed: expected an integer of at most %d digits, found \"%.40s\"", DIGITS_MAX, text);
    *out = (ib_seed){.negative = *text == '-'};
    for (size_t i = 0; i < n; i++) {
        uint64_t carry = (uint64_t)(digits[i] - '0');
        for (size_t k = 0; k < out->n; k++) {
            carry += (uint64_t)out->words[k] * 10;
            out->words[k] = (uint32_t)carry;
            carry >>= 32;
        }
        if (carry) out->words[out->n++] = (uint32_t)carry; /* 6000 digits have 19932 bits */
    }
    return IB_OK;
}

ib_status ib__seed_bytes(ib_seed *out, const void *bytes, size_t n, const char *where, ib_error *err) {
    if (n > sizeof out->words)
        return ib__fail(err, IB_BAD_INPUT, where, "seed: expected at most %zu bytes, found %zu",
                        sizeof out->words, n);
    *out = (ib_seed){.n = (n + 3) / 4};
    const unsigned char *b = bytes;
    for (size_t i = 0; i < n; i++)
        out->words[i / 4] |= (uint32_t)b[n - 1 - i] << (8 * (i % 4));
    trim(out);
    return IB_OK;
}

bool ib__seed_u64(const ib_seed *seed, uint64_t *out) {
    if (seed->n > 2 || (seed->negative && seed->n)) return false;
    *out = (uint64_t)seed->words[1] << 32 | seed->words[0];
    return true;
}
