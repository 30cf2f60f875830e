/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of images: every variant gives the bytes and bits of the reference, at every length and odd places,
 * and touches nothing outside of the rows; the reference agrees with the formulas of colours.
 */
#include "kernels/check.h"

#include <math.h>

enum { LONGEST = 140, EDGE = 64, EDGE_BYTE = 0xa5 };

/* n bytes that end where the memory ends, so that a sanitizer sees what is read beyond. */
static uint8_t *bytes_new(size_t n) {
    uint8_t *x = malloc(n + (n == 0));
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = random_word() % 8 == 0 ? (uint8_t)(random_word() % 2 * 255) : (uint8_t)random_word();
    return x;
}

/* Bytes between two edges. */
static uint8_t *framed_new(size_t n) {
    uint8_t *x = malloc(n + 2 * EDGE);
    assert_non_null(x);
    memset(x, EDGE_BYTE, n + 2 * EDGE);
    return x + EDGE;
}

static void framed_check(const char *what, uint8_t *x, const uint8_t *expected, size_t n) {
    for (size_t i = 0; i < EDGE; i++)
        if (x[i - EDGE] != EDGE_BYTE || x[n + i] != EDGE_BYTE)
            fail_msg("%s: %zu bytes beyond the row of %zu were written", what, i, n);
    for (size_t i = 0; i < n; i++)
        if (x[i] != expected[i])
            fail_msg("%s: byte %zu of %zu: found %d, expected %d", what, i, n, x[i], expected[i]);
    comparisons += n;
    free(x - EDGE);
}

static void compare_widen(ib_isa isa, size_t w, bool both) {
    uint8_t *near = bytes_new(w), *far = bytes_new(w), *out = framed_new(2 * w), expected[2 * LONGEST];
    char what[64];
    (void)snprintf(what, sizeof what, "widen %s [%zu] of %d", ib__isa_name(isa), w, 1 + both);
    ib__kernels_for(IB_ISA_REF)->widen(expected, near, both ? far : NULL, w);
    ib__kernels_for(isa)->widen(out, near, both ? far : NULL, w);
    framed_check(what, out, expected, 2 * w);
    free(near);
    free(far);
}

static void test_widen(void **state) {
    (void)state;
    for (ib_isa isa = IB_ISA_REF; isa < IB_ISA_COUNT; isa++)
        for (size_t w = 1; w <= LONGEST && ib__isa_available(isa); w++) {
            compare_widen(isa, w, false);
            compare_widen(isa, w, true);
        }
}

static void compare_colours(ib_isa isa, size_t w) {
    uint8_t *in[3] = {bytes_new(w), bytes_new(w), bytes_new(w)}, *out = framed_new(3 * w),
            expected[3 * LONGEST];
    char what[64];
    (void)snprintf(what, sizeof what, "ycc_to_rgb %s [%zu]", ib__isa_name(isa), w);
    ib__kernels_for(IB_ISA_REF)->ycc_to_rgb(expected, in[0], in[1], in[2], w);
    ib__kernels_for(isa)->ycc_to_rgb(out, in[0], in[1], in[2], w);
    framed_check(what, out, expected, 3 * w);
    for (size_t i = 0; i < 3; i++)
        free(in[i]);
}

static void test_colours(void **state) {
    (void)state;
    for (ib_isa isa = IB_ISA_REF; isa < IB_ISA_COUNT; isa++)
        for (size_t w = 0; w <= LONGEST && ib__isa_available(isa); w++)
            compare_colours(isa, w);
}

static void near_to(uint8_t found, double wanted) {
    double cut = wanted < 0 ? 0 : wanted > 255 ? 255 : wanted;
    if (!(fabs(found - cut) <= 0.51)) fail_msg("expected %.3f, found %d", cut, found);
    comparisons++;
}

/* All colour differences, with some luminances: every variant as the reference, and that as the formulas. */
static void test_all_colours(void **state) {
    (void)state;
    uint8_t y[256], cb[256], cr[256], out[3][3 * 256];
    for (int n = 0; n < 3 * 256; n++) {
        memset(y, n % 3 * 100 + n % 56, sizeof y);
        memset(cr, n / 3, sizeof cr);
        for (int i = 0; i < 256; i++)
            cb[i] = (uint8_t)i;
        for (ib_isa isa = IB_ISA_REF; isa < IB_ISA_COUNT; isa++) {
            if (!ib__isa_available(isa)) continue;
            ib__kernels_for(isa)->ycc_to_rgb(out[isa], y, cb, cr, 256);
            assert_memory_equal(out[isa], out[0], sizeof out[0]);
            comparisons += 256;
        }
        for (int i = 0; i < 256; i++) {
            double b = i - 128, r = cr[i] - 128;
            near_to(out[0][3 * i], y[i] + 1.402 * r);
            near_to(out[0][3 * i + 1], y[i] - 0.344136286 * b - 0.714136286 * r);
            near_to(out[0][3 * i + 2], y[i] + 1.772 * b);
        }
    }
}

/* Windows anywhere in rows of 16 bytes or more, places anywhere in them. */
static void compare_bilinear(ib_isa isa, size_t n, size_t bytes) {
    uint32_t window[LONGEST / 4 + 4] = {0}, left[LONGEST + 16] = {0}, right[LONGEST + 16] = {0};
    float dx[LONGEST + 16] = {0}, dy = n % 3 == 0 ? awkward_number() : 0.375f;
    for (size_t i = 0; i < n; i++) {
        window[i / 4] = i % 4 == 0 ? random_word() % (uint32_t)(bytes - 15) : window[i / 4];
        left[i] = IB_PLACE | random_word() % 16;
        right[i] = IB_PLACE | random_word() % 16;
        dx[i] = n % 2 == 0 ? awkward_number() : (float)(random_word() >> 8) * 0x1p-24f;
    }
    ib_bilinear_columns c = {n, window, left, right, dx};
    uint8_t *upper = bytes_new(bytes), *lower = bytes_new(bytes);
    guarded out = guarded_new(n, n % 7), expected = guarded_new(n, 0);
    char what[64];
    (void)snprintf(what, sizeof what, "bilinear %s [%zu] from %zu", ib__isa_name(isa), n, bytes);
    ib__kernels_for(IB_ISA_REF)->bilinear(expected.at, upper, lower, dy, &c);
    ib__kernels_for(isa)->bilinear(out.at, upper, lower, dy, &c);
    same_bits(what, out.at, expected.at, n, false);
    guarded_free(&out);
    guarded_free(&expected);
    free(upper);
    free(lower);
}

static void test_bilinear(void **state) {
    (void)state;
    for (ib_isa isa = IB_ISA_REF; isa < IB_ISA_COUNT; isa++)
        for (size_t n = 0; n <= LONGEST && ib__isa_available(isa); n++) {
            compare_bilinear(isa, n, 16 + n % 50);
            compare_bilinear(isa, n, 16);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_widen), cmocka_unit_test(test_colours),
                                       cmocka_unit_test(test_all_colours), cmocka_unit_test(test_bilinear)};
    return cmocka_run_group_tests(tests, NULL, something_was_compared);
}
