/* SPDX-License-Identifier: Apache-2.0
 *
 * Python's `random`: the numbers of real Python.
 */
#include "numerics/streams.h"

#include "numerics/random.h"

static const double weights[6] = {0.5, 2.0, 0.0, 1.25, 7.0, 0.125}; /* of streams_more */

/* shuffle, shuffle_N, sample_N_K, choices, choices_weights */
static bool fill_order(expected *e, ib_python *r) {
    long a = 0, b = 0;
    uint32_t *order = ib__alloc(e->n + 1, sizeof *order);
    assert_non_null(order);
    ib_status status = IB_OK;
    bool known = true;
    if (sscanf(e->key, "sample_%ld_%ld", &a, &b) == 2) {
        status = ib__python_sample(r, order, (size_t)a, (size_t)b, NULL);
    } else if (strcmp(e->key, "choices") == 0) {
        status = ib__python_choices(r, order, 6, NULL, e->n, NULL);
    } else if (strcmp(e->key, "choices_weights") == 0) {
        status = ib__python_choices(r, order, 6, weights, e->n, NULL);
    } else if (begins(e->key, "shuffle")) {
        for (uint32_t i = 0; i < e->n; i++)
            order[i] = i;
        ib__python_shuffle(r, order, e->n);
    } else {
        known = false;
    }
    assert_int_equal(status, IB_OK);
    if (known) put_order(e->found, order, e->n);
    ib__free(order);
    return known;
}

/* Keys are named as the calls: randint_LOW_HIGH. streams has gauss(0, 1), streams_more gauss(1.5, 0.25). */
static bool recipe(expected *e) {
    ib_random random;
    ib_error err = {0};
    if (ib__random_open(&random, "python.random", ib__value_get(e->params, "seed"), e->name, &err) != IB_OK)
        fail_msg("%s: %s", err.where, err.text);
    ib_python *r = &random.u.python;
    bool more = ib__value_get(e->c, "digests") != NULL;
    double mean = more ? 1.5 : 0.0, deviation = more ? 0.25 : 1.0, *out = e->found;
    long long a = 0, b = 0;
    for (size_t i = 0; i < e->n; i++) {
        if (strcmp(e->key, "getrandbits32") == 0) {
            ib__python_bits(r, (uint32_t *)e->found + i, 32);
        } else if (strcmp(e->key, "getrandbits64") == 0) {
            uint32_t words[2];
            ib__python_bits(r, words, 64);
            ((uint64_t *)e->found)[i] = (uint64_t)words[1] << 32 | words[0];
        } else if (strcmp(e->key, "random") == 0) {
            out[i] = ib__python_random(r);
        } else if (strcmp(e->key, "gauss") == 0) {
            out[i] = ib__python_gauss(r, mean, deviation);
        } else if (strcmp(e->key, "normalvariate") == 0) {
            out[i] = ib__python_normalvariate(r, mean, deviation);
        } else if (strcmp(e->key, "expovariate") == 0) {
            out[i] = ib__python_expovariate(r, 2.5);
        } else if (sscanf(e->key, "randint_%lld_%lld", &a, &b) == 2) {
            ((int64_t *)e->found)[i] = ib__python_randint(r, a, b);
        } else if (sscanf(e->key, "uniform_%lld_%lld", &a, &b) == 2) {
            out[i] = ib__python_uniform(r, (double)a, (double)b);
        } else {
            return fill_order(e, r);
        }
    }
    return true;
}

static void test_golden(void **state) {
    (void)state;
    golden g;
    golden_open(&g, "streams");
    assert_int_equal(compare_family(&g, "python-", recipe), 55);
    golden_close(&g);
    golden_open(&g, "streams_more");
    assert_int_equal(compare_family(&g, "python-", recipe), little_endian() ? 64 : 52);
    golden_close(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
