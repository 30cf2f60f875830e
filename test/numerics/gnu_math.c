/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions with the bits of glibc 2.36 (x86-64 with FMA): SHA-256 over many results against that of the
 * library's own. `test_numerics_gnu_math libm` prints these digests for the C library of this machine: where
 * they are the expected ones, its Python, NumPy and TensorFlow give the numbers of doc/random.md.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/sha256.h"
#include "numerics/gnu_math.h"
#include "numerics/stream.h"

typedef struct function {
    const char *name;
    double (*ours)(double), (*library)(double);
    float (*ours_float)(float), (*library_float)(float);
    double low, high; /* where the arguments lie */
    const char *digest;
} function;

/* clang-format off */
static const function functions[] = {
    {"log", ib__gnu_log, log, NULL, NULL, 0x1p-53, 1.0, "383d62d2d85e685e"},
    {"log near 1", ib__gnu_log, log, NULL, NULL, 0.93, 1.07, "098f4cbe3f1ddded"},
    {"log1p", ib__gnu_log1p, log1p, NULL, NULL, -1.0, 0.0, "307d795861bc6096"},
    {"sin", ib__gnu_sin, sin, NULL, NULL, 0.0, 6.2831853071795862, "6717a0c16762ae43"},
    {"sin near 0", ib__gnu_sin, sin, NULL, NULL, -0.2, 0.2, "e270b1411f4454e2"},
    {"cos", ib__gnu_cos, cos, NULL, NULL, 0.0, 6.2831853071795862, "4a0722e3e3bedc9a"},
    {"logf", NULL, NULL, ib__gnu_logf, logf, 0x1p-24, 1.0, "b2909bc0f56f559c"},
    {"log1pf", NULL, NULL, ib__gnu_log1pf, log1pf, -1.0, 0.0, "9bb20096b9d38d5e"},
    {"sinf", NULL, NULL, ib__gnu_sinf, sinf, 0.0, 6.2831853071795862, "0d514001014a9dea"},
    {"cosf", NULL, NULL, ib__gnu_cosf, cosf, 0.0, 6.2831853071795862, "3f296e2bd3d3a62a"},
};
/* clang-format on */
enum { FUNCTIONS = sizeof functions / sizeof *functions, ARGUMENTS = 200000, AT_ONCE = 1000 };

static void digest_of(const function *f, bool library, char out[65]) {
    ib_stream stream = ib__stream(1, f->name, "arguments");
    ib_sha256 *sha = ib__sha256_new();
    assert_non_null(sha);
    for (uint64_t i = 0; i < ARGUMENTS; i += AT_ONCE) {
        double y[AT_ONCE];
        float y_float[AT_ONCE];
        for (uint64_t k = 0; k < AT_ONCE; k++) {
            double x = f->low + (f->high - f->low) * ib__stream_uniform(&stream, i + k, 0, 0);
            if (f->ours)
                y[k] = library ? f->library(x) : f->ours(x);
            else if (library)
                y_float[k] = f->library_float((float)x > -1.0f ? (float)x : -0.5f);
            else
                y_float[k] = f->ours_float((float)x > -1.0f ? (float)x : -0.5f);
        }
        if (f->ours)
            ib__sha256_add(sha, y, sizeof y);
        else
            ib__sha256_add(sha, y_float, sizeof y_float);
    }
    ib_digest d = ib__sha256_end(sha);
    ib__digest_hex(out, &d);
    out[16] = '\0';
}

static void test_digests(void **state) {
    (void)state;
    uint16_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    if (first == 0) skip(); /* the digests are over little-endian bytes */
    for (size_t i = 0; i < FUNCTIONS; i++) {
        char found[65];
        digest_of(&functions[i], false, found);
        if (strcmp(found, functions[i].digest) != 0)
            fail_msg("%s: expected %s, found %s", functions[i].name, functions[i].digest, found);
    }
}

/* The ends of the domains, and the numbers next to where the algorithms change over. */
static void test_edges(void **state) {
    (void)state;
    assert_true(ib__gnu_log(1.0) == 0.0 && ib__gnu_logf(1.0f) == 0.0f);
    assert_true(ib__gnu_log1p(0.0) == 0.0 && signbit(ib__gnu_log1p(-0.0)));
    assert_true(ib__gnu_sin(0.0) == 0.0 && ib__gnu_cos(0.0) == 1.0);
    assert_true(ib__gnu_sinf(0.0f) == 0.0f && ib__gnu_cosf(0.0f) == 1.0f);
    const double near[] = {0x1p-1022, 0x1.fffffffffffffp1023, 1.0 - 0x1p-4, 1.0 + 0x1.09p-4, 1.0 - 0x1p-53};
    for (size_t i = 0; i < sizeof near / sizeof *near; i++)
        assert_true(fabs(ib__gnu_log(near[i]) - log(near[i])) <= 0x1p-52 * fabs(log(near[i])));
    const double below[] = {-0x1p-54, -0x1p-30, -0x1p-29, -0x1p-20, -0.29, -0.3, -0.5, -0.75, -1.0 + 0x1p-53};
    for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
        assert_true(fabs(ib__gnu_log1p(below[i]) - log1p(below[i])) <= 0x1p-52 * fabs(log1p(below[i])));
        float x = (float)(below[i] < -0.99 ? -0.99 : below[i]), y = log1pf(x);
        assert_true(fabsf(ib__gnu_log1pf(x) - y) <= 0x1p-23f * fabsf(y));
    }
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "libm") == 0) {
        for (size_t i = 0; i < FUNCTIONS; i++) {
            char found[65];
            digest_of(&functions[i], true, found);
            printf("%-10s %s\n", functions[i].name, found);
        }
        return 0;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_digests), cmocka_unit_test(test_edges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
