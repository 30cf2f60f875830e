/* SPDX-License-Identifier: Apache-2.0
 *
 * Python's `random`: the numbers of real Python.
 */
#include "numerics/streams.h"

#include "numerics/python.h"

/* Keys are named as the calls: randint_LOW_HIGH, shuffle_N, sample_N_K. */
static bool recipe(expected *e) {
    ib_python r;
    ib_seed seed;
    ib__seed_int(&seed, param_int(e, "seed"));
    ib__python_seed(&r, &seed);
    uint32_t order[64];
    long a = 0, b = 0;
    assert_true(e->n <= 64);
    if (begins(e->key, "shuffle_") || begins(e->key, "sample_")) {
        if (sscanf(e->key, "sample_%ld_%ld", &a, &b) == 2) {
            assert_int_equal(ib__python_sample(&r, order, (size_t)a, (size_t)b, NULL), IB_OK);
        } else {
            for (uint32_t i = 0; i < e->n; i++)
                order[i] = i;
            ib__python_shuffle(&r, order, e->n);
        }
        put_order(e->found, order, e->n);
        return true;
    }
    bool known = true;
    for (size_t i = 0; i < e->n; i++) {
        if (strcmp(e->key, "getrandbits32") == 0) {
            ib__python_bits(&r, (uint32_t *)e->found + i, 32);
        } else if (strcmp(e->key, "getrandbits64") == 0) {
            uint32_t words[2];
            ib__python_bits(&r, words, 64);
            ((uint64_t *)e->found)[i] = (uint64_t)words[1] << 32 | words[0];
        } else if (strcmp(e->key, "random") == 0) {
            ((double *)e->found)[i] = ib__python_random(&r);
        } else if (strcmp(e->key, "gauss") == 0) {
            ((double *)e->found)[i] = ib__python_gauss(&r, 0.0, 1.0);
        } else if (sscanf(e->key, "randint_%ld_%ld", &a, &b) == 2) {
            ((int64_t *)e->found)[i] = ib__python_randint(&r, a, b);
        } else if (sscanf(e->key, "uniform_%ld_%ld", &a, &b) == 2) {
            ((double *)e->found)[i] = ib__python_uniform(&r, (double)a, (double)b);
        } else {
            known = false;
        }
    }
    return known;
}

static void test_golden(void **state) {
    (void)state;
    golden g;
    golden_open(&g, "streams");
    assert_int_equal(compare_family(&g, "python-", recipe), 55);
    golden_close(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
