/* SPDX-License-Identifier: Apache-2.0
 *
 * Host tensors: shapes, conversion, digests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "numerics/tensor.h"

static void test_dtypes(void **state) {
    (void)state;
    ib_dtype dtype;
    assert_true(ib__dtype_parse("float16", &dtype) && dtype == IB_F16);
    assert_false(ib__dtype_parse("float", &dtype));
    assert_string_equal(ib__dtype_name(IB_U64), "uint64");
    assert_int_equal(ib__dtype_size(IB_BOOL8), 1);
    assert_int_equal(ib__dtype_size(IB_F64), 8);
}

static void test_shapes(void **state) {
    (void)state;
    char text[128];
    ib_shape shape = {4, {-1, 28, 28, 1}};
    ib__shape_print(text, &shape);
    assert_string_equal(text, "(None, 28, 28, 1)");
    assert_int_equal(ib__shape_elements(&shape), -1);
    ib_shape one = {1, {3}}, none = {0, {0}};
    ib__shape_print(text, &one);
    assert_string_equal(text, "(3,)");
    ib__shape_print(text, &none);
    assert_string_equal(text, "()");
    assert_int_equal(ib__shape_elements(&none), 1);
    assert_false(ib__shape_equal(&one, &none));
    ib_shape empty = {3, {INT64_MAX, 0, INT64_MAX}}, large = {2, {1 << 25, 1 << 25}};
    assert_int_equal(ib__shape_elements(&empty), -1);
    assert_int_equal(ib__shape_elements(&large), -1);
    ib_shape limit = {2, {1 << 24, 1 << 24}};
    assert_int_equal(ib__shape_elements(&limit), (int64_t)1 << 48);
    ib_shape wide = {8, {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, 1, 1}};
    ib__shape_print(text, &wide);
    assert_true(strlen(text) < 128);
    ib_tensor tensor = {0};
    ib_error err = {0};
    assert_int_equal(ib__tensor_new(&tensor, IB_F32, &large, &err), IB_BAD_INPUT);
    assert_null(tensor.data);
}

static void test_convert(void **state) {
    (void)state;
    uint16_t halves[] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x8000, 0x7e01, 0x03ff, 0x0400};
    ib_tensor h = {IB_F16, {1, {9}}, halves};
    assert_true(ib__tensor_at(&h, 0) == 1.0 && ib__tensor_at(&h, 1) == -2.0);
    assert_true(ib__tensor_at(&h, 2) == ldexp(1.0, -24) && ib__tensor_at(&h, 3) == 65504.0);
    assert_true(isinf(ib__tensor_at(&h, 4)) && isnan(ib__tensor_at(&h, 6)));
    assert_true(signbit(ib__tensor_at(&h, 5)) && ib__tensor_at(&h, 5) == 0.0);
    assert_true(ib__tensor_at(&h, 7) == ldexp(1023.0, -24) && ib__tensor_at(&h, 8) == ldexp(1.0, -14));
    /* 2^24 + 1 + 2^-30 as double, then float, would be 2^24; by way of int64 the last bit decides alone. */
    int64_t large[] = {((int64_t)1 << 62) + ((int64_t)1 << 38) + 1, -1};
    ib_tensor i = {IB_I64, {1, {2}}, large};
    float out[2];
    ib__tensor_to_float(out, &i, 0, 2);
    assert_true((double)out[0] == ldexp(1.0, 62) + ldexp(1.0, 39) && out[1] == -1.0f);
    uint8_t b[] = {0, 2, 255};
    ib_tensor t = {IB_BOOL8, {1, {3}}, b};
    ib__tensor_to_float(out, &t, 1, 2);
    assert_true(out[0] == 1.0f && out[1] == 1.0f);
    t.dtype = IB_I8;
    assert_true(ib__tensor_at(&t, 2) == -1.0);
}

static void check_digest(const ib_tensor *tensor, const void *bytes, size_t n) {
    ib_digest a = ib__tensor_digest(tensor), b = ib__sha256(bytes, n);
    assert_memory_equal(&a, &b, sizeof a);
}

static void test_digest(void **state) {
    (void)state;
    float values[] = {1.0f, -0.0f};
    uint32_t nan = 0xffc00123;
    float data[3];
    memcpy(data, values, 8);
    memcpy(data + 2, &nan, 4);
    ib_tensor t = {IB_F32, {2, {1, 3}}, data};
    check_digest(&t, "float32(1,3)\0\0\x80\x3f\0\0\0\x80\0\0\xc0\x7f", 24);
    uint16_t u[] = {0xff12};
    ib_tensor w = {IB_U16, {0, {0}}, u};
    check_digest(&w, "uint16()\x12\xff", 10);
    uint8_t b[] = {0, 7};
    ib_tensor bools = {IB_BOOL8, {1, {2}}, b};
    check_digest(&bools, "bool(2)\0\1", 9);
    ib_tensor none = {IB_F64, {2, {0, 4}}, b};
    check_digest(&none, "float64(0,4)", 12);
    static double many[5000];
    char text[13 + sizeof many] = "float64(5000)";
    many[4999] = (double)NAN;
    memcpy(text + 13 + sizeof many - 8, "\0\0\0\0\0\0\xf8\x7f", 8);
    ib_tensor m = {IB_F64, {1, {5000}}, many};
    check_digest(&m, text, sizeof text);
}

/* Float32 tensors around the ends of blocks, with values of all kinds, byte by byte. */
static void test_digest_blocks(void **state) {
    static const uint32_t kinds[] = {0,          0x80000000, 1,          0x7f800000, 0xff800000, 0x7f800001,
                                     0xffffffff, 0x7fc00000, 0x3f800000, 0xc2f6e979, 0x7f7fffff};
    static const int64_t sizes[] = {1, 2, 2047, 2048, 2049, 4095, 4096, 4097, 5000};
    static uint32_t words[5000];
    static char text[32 + sizeof words];
    (void)state;
    for (size_t i = 0; i < 5000; i++)
        words[i] = kinds[i * 7 % 11] ^ (i % 3 == 0 ? (uint32_t)i : 0);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t used = (size_t)snprintf(text, 32, "float32(%lld)", (long long)sizes[s]);
        for (size_t i = 0; i < (size_t)sizes[s]; i++) {
            float value;
            memcpy(&value, &words[i], sizeof value);
            uint32_t bits = isnan(value) ? 0x7fc00000 : words[i];
            for (int k = 0; k < 32; k += 8)
                text[used++] = (char)(bits >> k);
        }
        ib_tensor t = {IB_F32, {1, {sizes[s]}}, words};
        check_digest(&t, text, used);
    }
}

static void test_new(void **state) {
    (void)state;
    ib_tensor t;
    ib_shape shape = {2, {3, 0}}, some = {1, {5}};
    assert_int_equal(ib__tensor_new(&t, IB_I32, &shape, NULL), IB_OK);
    assert_non_null(t.data);
    ib__tensor_free(&t);
    assert_null(t.data);
    assert_int_equal(ib__tensor_new(&t, IB_F64, &some, NULL), IB_OK);
    assert_int_equal((uintptr_t)t.data % 64, 0);
    assert_true(ib__tensor_at(&t, 4) == 0.0);
    ib__tensor_free(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dtypes), cmocka_unit_test(test_shapes),        cmocka_unit_test(test_convert),
        cmocka_unit_test(test_digest), cmocka_unit_test(test_digest_blocks), cmocka_unit_test(test_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
