/* SPDX-License-Identifier: Apache-2.0
 *
 * NumPy's RandomState and Generator: the numbers of real NumPy.
 */
#include "numerics/streams.h"

#include "numerics/random.h"

/* randint_LOW_HIGH, integers_DTYPE_LOW_HIGH ...: the limits are the last two parts of the key. */
static bool limits(const char *key, int64_t *low, int64_t *high) {
    const char *b = strrchr(key, '_'), *a = b;
    if (!b) return false;
    while (a > key && *--a != '_')
        ;
    char *end;
    *low = strtoll(a + 1, &end, 10);
    if (end != b) return false;
    *high = (int64_t)strtoull(b + 1, &end, 10); /* 2^64 - 1 for 2^64, and for 2^63 what wraps right */
    if (*end == 'p') *high = (int64_t)1 << strtol(end + 1, &end, 10); /* 2p40 */
    return *end == '\0';
}

static bool fill_doubles(expected *e, ib_numpy *g) {
    int64_t low, high;
    bool pair = limits(e->key, &low, &high);
    double *out = e->found;
    float *out_float = e->found;
    for (size_t i = 0; i < e->n; i++) {
        if (strcmp(e->key, "random") == 0 || strcmp(e->key, "random_sample") == 0)
            out[i] = ib__numpy_random(g);
        else if (begins(e->key, "spawn_"))
            out[i] = ib__numpy_random(g);
        else if (strcmp(e->key, "standard_exponential_float32") == 0)
            out_float[i] = ib__numpy_standard_exponential_float(g);
        else if (strcmp(e->key, "random_float32") == 0)
            out_float[i] = ib__numpy_random_float(g);
        else if (strcmp(e->key, "standard_normal_float32") == 0)
            out_float[i] = ib__numpy_standard_normal_float(g);
        else if (strcmp(e->key, "randn") == 0 || strcmp(e->key, "standard_normal") == 0)
            out[i] = ib__numpy_standard_normal(g);
        else if (strcmp(e->key, "standard_exponential") == 0)
            out[i] = ib__numpy_standard_exponential(g);
        else if (pair && begins(e->key, "normal_"))
            out[i] = ib__numpy_normal(g, (double)low, (double)high);
        else if (pair && begins(e->key, "uniform_"))
            out[i] = ib__numpy_uniform(g, (double)low, (double)high);
        else
            return false;
    }
    return true;
}

static const double probabilities[6] = {0.1, 0.0, 0.3, 0.2, 0.15, 0.25}; /* of streams_more */

/* choice_N_K, choice_N_K_replace, choice_replace_N_K, choice_unshuffled_N_K, choice_p_N_K, choice_p_once_N_K
 */
static void choose(expected *e, ib_numpy *g, uint32_t *order) {
    const char *digit = strpbrk(e->key, "0123456789");
    bool p = begins(e->key, "choice_p_");
    ib_choice how = {.replace = strstr(e->key, "_replace") || (p && !strstr(e->key, "_once_")),
                     .shuffle = !strstr(e->key, "_unshuffled_"),
                     .p = p ? probabilities : NULL};
    assert_int_equal(ib__numpy_choice(g, order, (size_t)strtol(digit, NULL, 10), e->n, &how, NULL), IB_OK);
}

/* permutation_N, shuffle_N, shuffle_rows_RxC, permutation_axis0_RxC, three_permutations_N, choice_... */
static bool fill_orders(expected *e, ib_numpy *g) {
    uint32_t *order = ib__alloc(e->n + 1, sizeof *order);
    assert_non_null(order);
    int64_t *out = e->found;
    size_t n = (size_t)e->array.shape.dims[0], width = e->n / n;
    bool rows = begins(e->key, "shuffle_rows_") || begins(e->key, "permutation_axis0_"), known = true;
    if (begins(e->key, "three_permutations_")) {
        for (size_t i = 0; i < n; i++)
            ib__numpy_permutation(g, order + i * width, width);
    } else if (begins(e->key, "choice_")) {
        choose(e, g, order);
    } else if (rows || begins(e->key, "shuffle_") || begins(e->key, "permutation")) {
        ib__numpy_permutation(g, order, n);
    } else {
        known = false;
    }
    for (size_t i = 0; known && i < e->n; i++)
        out[i] = rows ? order[i / width] * (int64_t)width + (int64_t)(i % width) : order[i];
    ib__free(order);
    return known;
}

static bool fill_integers(expected *e, ib_numpy *g) {
    int64_t low, high;
    if (strcmp(e->key, "integers_all_uint64") == 0) {
        ib__numpy_integers(g, IB_U64, 0, UINT64_MAX, e->found, e->n);
        return true;
    }
    bool named = begins(e->key, "randint_") || begins(e->key, "integers_");
    if (!named || !limits(e->key, &low, &high)) return false;
    uint64_t last = (uint64_t)high - (uint64_t)low - 1;
    if (strstr(e->key, "_18446744073709551616")) last = UINT64_MAX - (uint64_t)low;
    ib__numpy_integers(g, e->array.dtype, low, last, e->found, e->n);
    return true;
}

static void open_generator(const expected *e, const char *name, ib_numpy *g) {
    ib_random random;
    ib_error err = {0};
    if (ib__random_open(&random, name, ib__value_get(e->params, "seed"), e->name, &err) != IB_OK)
        fail_msg("%s: %s", err.where, err.text);
    *g = random.u.numpy;
}

static bool legacy_recipe(expected *e) {
    ib_numpy g;
    open_generator(e, "numpy.RandomState", &g);
    if (strcmp(e->key, "state_key") == 0) {
        memcpy(e->found, g.mt.key, sizeof g.mt.key);
        return true;
    }
    if (strcmp(e->key, "state_pos") == 0) {
        *(int64_t *)e->found = g.mt.at;
        return true;
    }
    if (strcmp(e->key, "words") == 0) {
        for (size_t i = 0; i < e->n; i++)
            ((uint32_t *)e->found)[i] = ib__numpy_u32(&g);
        return true;
    }
    return fill_integers(e, &g) || fill_doubles(e, &g) || fill_orders(e, &g);
}

/* Arrays that ask for more of the seed than a generator: an integer. */
static bool sequence_recipe(expected *e, ib_numpy *g) {
    ib_seed seed;
    static const uint32_t zero = 0;
    if (strcmp(e->key, "seed_sequence_state4") != 0 && !begins(e->key, "spawn_")) return false;
    ib__seed_int(&seed, param_int(e, "seed"));
    const uint32_t *entropy = seed.n ? seed.words : &zero;
    size_t words = seed.n ? seed.n : 1;
    ib_seed_sequence s;
    if (strcmp(e->key, "seed_sequence_state4") == 0) {
        uint32_t state[8];
        ib__seed_sequence(&s, entropy, words, NULL, 0);
        ib__seed_sequence_state(&s, state, 8);
        for (size_t i = 0; i < 4; i++)
            ((uint64_t *)e->found)[i] = (uint64_t)state[2 * i + 1] << 32 | state[2 * i];
        return true;
    }
    uint32_t child = (uint32_t)strtol(e->key + strlen("spawn_"), NULL, 10);
    ib__seed_sequence(&s, entropy, words, &child, 1);
    ib__numpy_pcg64(g, &s);
    return fill_doubles(e, g);
}

static bool pcg_recipe(expected *e) {
    ib_numpy g;
    open_generator(e, "numpy.default_rng", &g);
    if (strcmp(e->key, "raw") == 0) {
        for (size_t i = 0; i < e->n; i++)
            ((uint64_t *)e->found)[i] = ib__numpy_u64(&g);
        return true;
    }
    if (sequence_recipe(e, &g)) return true;
    return fill_integers(e, &g) || fill_doubles(e, &g) || fill_orders(e, &g);
}

static void test_golden(void **state) {
    (void)state;
    golden g;
    golden_open(&g, "streams");
    assert_int_equal(compare_family(&g, "numpy-legacy-", legacy_recipe), 90);
    assert_int_equal(compare_family(&g, "numpy-pcg64-", pcg_recipe), 120);
    golden_close(&g);
    golden_open(&g, "streams_more");
    assert_int_equal(compare_family(&g, "numpy-legacy-", legacy_recipe), little_endian() ? 52 : 48);
    assert_int_equal(compare_family(&g, "numpy-pcg64-", pcg_recipe), little_endian() ? 102 : 87);
    golden_close(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
