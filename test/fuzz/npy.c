/* SPDX-License-Identifier: Apache-2.0
 *
 * Arrays in .npy.
 */
#include "fuzz.h"

#include "data/npy.h"

static void parse(const uint8_t *bytes, size_t n) {
    ib_tensor x = {0};
    ib_npy_layout layout;
    ib_error err = {0};
    fuzz_check(ib__npy_parse(&x, bytes, n, "t.npy", &err), &err);
    err = (ib_error){0};
    fuzz_check(ib__npy_layout(&layout, bytes, n, "t.npy", &err), &err);
    ib__tensor_free(&x);
}

IB_FUZZ("npy")
