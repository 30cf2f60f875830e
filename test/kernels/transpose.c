/* SPDX-License-Identifier: Apache-2.0
 *
 * Transposition: every variant moves every word to its place, in parts, and writes nothing else.
 */
#include "kernels/check.h"

static void compare(ib_isa isa, size_t batch, size_t rows, size_t cols) {
    guarded x = guarded_new(batch * rows * cols, rows % 3), y = guarded_new(x.n, cols % 5);
    guarded expected = guarded_new(x.n, 0);
    fill(x.at, x.n, awkward_number);
    for (size_t b = 0; b < batch; b++)
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < cols; j++)
                expected.at[b * rows * cols + j * rows + i] = x.at[b * rows * cols + i * cols + j];
    char what[64];
    (void)snprintf(what, sizeof what, "%s [%zu %zu %zu]", ib__isa_name(isa), batch, rows, cols);
    FOR_ALL_PARTS(fill(y.at, y.n, awkward_number),
                  ib__kernels_for(isa)->transpose(x.at, y.at, batch, rows, cols, part, parts),
                  same_bits(what, y.at, expected.at, y.n, true))
    guarded_free(&x);
    guarded_free(&y);
    guarded_free(&expected);
}

static void all_shapes(void **state) {
    (void)state;
    for (ib_isa isa = IB_ISA_REF; isa < IB_ISA_COUNT; isa++) {
        if (!ib__isa_available(isa)) continue;
        for (size_t rows = 0; rows <= 35; rows++)
            for (size_t cols = 0; cols <= 35; cols++)
                compare(isa, 1 + (rows + cols) % 3, rows, cols);
        for (size_t n = 0; n <= 70; n++) {
            compare(isa, n % 4, n, 70 - n);
            compare(isa, 1, 64 + n, 3 * n);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_shapes)};
    return cmocka_run_group_tests(tests, NULL, something_was_compared);
}
