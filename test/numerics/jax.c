/* SPDX-License-Identifier: Apache-2.0
 *
 * JAX's random numbers: the numbers of real JAX.
 */
#include "numerics/streams.h"

#include "numerics/jax.h"

static bool begins_before_digit(const char *key, const char *name) {
    size_t n = strlen(name);
    return strncmp(key, name, n) == 0 && key[n] == '_' && key[n + 1] >= '0' && key[n + 1] <= '9';
}

static bool recipe(expected *e) {
    const ib_value *partitionable = ib__value_get(e->params, "jax_threefry_partitionable");
    assert_true(ib__value_is(partitionable, IB_BOOL));
    ib_jax key = ib__jax_key(param_int(e, "seed"), !partitionable->boolean);
    uint32_t words[512];
    ib_status status = IB_OK;
    if (strcmp(e->key, "normal") == 0) { /* long arrays */
        status = ib__jax_normal(&key, e->found, e->n, NULL);
    } else if (strcmp(e->key, "truncated_normal") == 0) {
        status = ib__jax_truncated_normal(&key, -1.5f, 0.75f, e->found, e->n, NULL);
    } else if (strcmp(e->key, "permutation") == 0) {
        status = ib__jax_permutation(&key, e->found, e->n, NULL);
    } else if (e->n > sizeof words / sizeof *words) {
        return false;
    } else if (strcmp(e->key, "key") == 0) {
        memcpy(e->found, key.key, sizeof key.key);
    } else if (begins_before_digit(e->key, "split")) {
        ib_jax keys[16];
        ib__jax_split(&key, keys, e->n / 2);
        for (size_t i = 0; i < e->n / 2; i++)
            memcpy((uint32_t *)e->found + 2 * i, keys[i].key, sizeof key.key);
    } else if (begins_before_digit(e->key, "fold_in")) {
        ib_jax child = ib__jax_fold_in(&key, (uint32_t)strtol(e->key + strlen("fold_in_"), NULL, 10));
        memcpy(e->found, child.key, sizeof child.key);
    } else if (begins(e->key, "bits_uint8_")) {
        status = ib__jax_bits_short(&key, 8, words, e->n, NULL);
        for (size_t i = 0; i < e->n; i++)
            ((uint8_t *)e->found)[i] = (uint8_t)words[i];
    } else if (begins(e->key, "bits_uint16_")) {
        status = ib__jax_bits_short(&key, 16, words, e->n, NULL);
        for (size_t i = 0; i < e->n; i++)
            ((uint16_t *)e->found)[i] = (uint16_t)words[i];
    } else if (begins_before_digit(e->key, "bits")) {
        status = ib__jax_bits(&key, e->found, e->n, NULL);
    } else if (begins(e->key, "uniform_-1_2_")) {
        status = ib__jax_uniform(&key, -1.0f, 2.0f, e->found, e->n, NULL);
    } else if (begins_before_digit(e->key, "uniform")) {
        status = ib__jax_uniform(&key, 0.0f, 1.0f, e->found, e->n, NULL);
    } else if (begins_before_digit(e->key, "normal")) {
        status = ib__jax_normal(&key, e->found, e->n, NULL);
    } else if (begins_before_digit(e->key, "truncated_normal")) {
        status = ib__jax_truncated_normal(&key, -2.0f, 2.0f, e->found, e->n, NULL);
    } else if (begins(e->key, "randint_0_100_")) {
        status = ib__jax_randint(&key, 0, 100, e->found, e->n, NULL);
    } else if (begins(e->key, "randint_-2147483648_2147483647_")) {
        status = ib__jax_randint(&key, INT32_MIN, INT32_MAX, e->found, e->n, NULL);
    } else if (begins_before_digit(e->key, "permutation")) {
        status = ib__jax_permutation(&key, e->found, e->n, NULL); /* int32 */
    } else if (begins(e->key, "bernoulli_0.3_")) {
        float x[512];
        status = ib__jax_uniform(&key, 0.0f, 1.0f, x, e->n, NULL);
        for (size_t i = 0; i < e->n; i++)
            ((uint8_t *)e->found)[i] = x[i] < 0.3f;
    } else {
        return false;
    }
    assert_int_equal(status, IB_OK);
    return true;
}

static void test_golden(void **state) {
    (void)state;
    golden g;
    golden_open(&g, "streams");
    assert_int_equal(compare_family(&g, "jax-threefry-", recipe), 110);
    golden_close(&g);
    golden_open(&g, "streams_more"); /* both kinds of keys */
    assert_int_equal(compare_family(&g, "jax-threefry-", recipe), little_endian() ? 68 : 56);
    golden_close(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
