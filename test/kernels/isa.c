/* SPDX-License-Identifier: Apache-2.0
 *
 * The choice of the instruction set: names, the environment variable, and tables without holes.
 */
#include "kernels/kernels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_names(void **state) {
    (void)state;
    for (int i = 0; i < IB_ISA_COUNT; i++) {
        ib_isa isa = IB_ISA_COUNT;
        assert_true(ib__isa_parse(ib__isa_name((ib_isa)i), &isa));
        assert_int_equal(isa, i);
    }
    ib_isa isa = IB_ISA_COUNT;
    assert_false(ib__isa_parse("", &isa));
    assert_false(ib__isa_parse("AVX2", &isa));
    assert_false(ib__isa_parse("avx5", &isa));
    assert_false(ib__isa_parse("avx5120", &isa));
    assert_int_equal(isa, IB_ISA_COUNT);
    assert_string_equal(ib__isa_name(IB_ISA_COUNT), "unknown");
}

static void test_environment(void **state) {
    (void)state;
    assert_int_equal(unsetenv("ISOBIT_ISA"), 0);
    ib_isa best = ib__isa_default();
    assert_true(ib__isa_available(best));
    for (int i = 0; i < IB_ISA_COUNT; i++) {
        assert_int_equal(setenv("ISOBIT_ISA", ib__isa_name((ib_isa)i), 1), 0);
        assert_int_equal(ib__isa_default(), ib__isa_available((ib_isa)i) ? (ib_isa)i : best);
        if (ib__isa_available((ib_isa)i)) assert_true((ib_isa)i <= best);
    }
    assert_int_equal(setenv("ISOBIT_ISA", "mmx", 1), 0);
    assert_int_equal(ib__isa_default(), best);
    assert_int_equal(unsetenv("ISOBIT_ISA"), 0);
}

static void test_tables_are_full(void **state) {
    (void)state;
    assert_non_null(ib__kernels_for(IB_ISA_REF));
    assert_null(ib__kernels_for(IB_ISA_COUNT));
    for (int i = 0; i < IB_ISA_COUNT; i++) {
        const ib_kernels *kernels = ib__kernels_for((ib_isa)i);
        assert_int_equal(kernels != NULL, ib__isa_available((ib_isa)i));
        if (!kernels) continue;
        assert_int_equal(kernels->isa, i);
        for (size_t op = 0; op < IB_MAP_COUNT; op++)
            assert_true(kernels->map[op] != NULL);
#define X(name, element, type) assert_true(kernels->name != NULL);
#include "kernels/kernels.list"
#undef X
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_tables_are_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
