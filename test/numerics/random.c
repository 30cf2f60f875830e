/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams by name: splits with the rows of real libraries, and what is refused.
 */
#include "numerics/streams.h"

#include "numerics/random.h"

/* "train" or "test" of the case's split. */
static bool split_recipe(expected *e) {
    ib_split split;
    ib_error err = {0};
    size_t n = (size_t)param_int(e, "n"), train, test;
    uint32_t order[2048];
    assert_true(n <= 2048);
    if (ib__split_read(&split, ib__value_get(e->params, "split"), 1, e->name, &err) != IB_OK ||
        ib__split_rows(&split, n, order, &train, &test, e->name, &err) != IB_OK)
        fail_msg("%s: %s", err.where, err.text);
    bool is_test = strcmp(e->key, "test") == 0;
    assert_int_equal(e->n, is_test ? test : train);
    put_order(e->found, is_test ? order + train : order, e->n);
    return is_test || strcmp(e->key, "train") == 0;
}

static void test_splits(void **state) {
    (void)state;
    golden g;
    golden_open(&g, "streams_more");
    assert_int_equal(compare_family(&g, "split-", split_recipe), 22);
    golden_close(&g);
}

static ib_value *parse(const char *text) {
    ib_value *value;
    assert_int_equal(ib__json_parse(&value, text, strlen(text), "", NULL), IB_OK);
    return value;
}

/* Any stream gives each row once; the same again from the same seed, other orders in later calls. */
static void test_permutations(void **state) {
    (void)state;
    const char *const names[] = {
        "isobit",      "python.random", "numpy.RandomState", "numpy.default_rng", "tensorflow.stateless",
        "jax.threefry"};
    ib_value seed = {.kind = IB_INT, .integer = 5};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        enum { N = 100 };
        ib_random r, again;
        uint32_t a[N], b[N], seen[N] = {0};
        assert_int_equal(ib__random_open(&r, names[k], &seed, "", NULL), IB_OK);
        assert_int_equal(ib__random_open(&again, names[k], &seed, "", NULL), IB_OK);
        assert_int_equal(ib__random_permutation(&r, a, N, NULL), IB_OK);
        assert_int_equal(ib__random_permutation(&again, b, N, NULL), IB_OK);
        assert_memory_equal(a, b, sizeof a);
        for (size_t i = 0; i < N; i++)
            seen[a[i]]++;
        for (size_t i = 0; i < N; i++)
            assert_int_equal(seen[i], 1);
        assert_int_equal(ib__random_permutation(&r, a, N, NULL), IB_OK);
        assert_memory_not_equal(a, b, sizeof a);
        assert_int_equal(ib__random_permutation(&r, a, 0, NULL), IB_OK);
        assert_int_equal(ib__random_permutation(&r, a, 1, NULL), IB_OK);
        assert_int_equal(a[0], 0);
    }
}

/* An entry that must be refused, and what the message says. */
static const struct {
    const char *entry, *message;
} bad[] = {
    {"[]", "expected a map"},
    {"{\"test\": 0.2, \"sed\": 1}", "unknown field \"sed\"; nearest is seed"},
    {"{\"by\": \"numpy.default_rgn\", \"test\": 0.2}", "nearest is numpy.default_rng"},
    {"{\"by\": \"dice\", \"test\": 0.2}", "unknown random stream \"dice\"; there are isobit"},
    {"{\"by\": 3, \"test\": 0.2}", "by: expected the name"},
    {"{\"seed\": 1}", "expected test or train"},
    {"{\"test\": 0}", "test: expected a share"},
    {"{\"test\": 1.0}", "test: expected a share"},
    {"{\"test\": -2}", "test: expected a share"},
    {"{\"train\": \"most\", \"test\": 0.5}", "train: expected a share"},
    {"{\"test\": 0.2, \"first\": \"last\"}", "first: expected test or train"},
    {"{\"test\": 0.2, \"first\": 2}", "first: expected test or train"},
    {"{\"test\": 0.2, \"part\": \"all\"}", "part: expected test or train, found all"},
    {"{\"test\": 0.2, \"seed\": -1}", "seed: expected an integer from 0 for isobit"},
    {"{\"test\": 0.2, \"seed\": \"x\"}", "seed: expected an integer from 0 for isobit"},
    {"{\"test\": 0.2, \"by\": \"numpy.RandomState\", \"seed\": 4294967296}",
     "seed: expected an integer from 0"},
    {"{\"test\": 0.2, \"by\": \"numpy.RandomState\", \"seed\": [1, 4294967296]}", "seed: expected"},
    {"{\"test\": 0.2, \"by\": \"numpy.RandomState\", \"seed\": []}", "seed: expected at least one"},
    {"{\"test\": 0.2, \"by\": \"numpy.default_rng\", \"seed\": -1}", "seed: expected an integer from 0"},
    {"{\"test\": 0.2, \"by\": \"numpy.default_rng\", \"seed\": [1, \"x\"]}",
     "seed: expected an integer of at most"},
    {"{\"test\": 0.2, \"by\": \"numpy.default_rng\", \"seed\": 1.5}", "seed: expected an integer"},
    {"{\"test\": 0.2, \"by\": \"python.random\", \"seed\": [1]}", "seed: expected an integer or text"},
    {"{\"test\": 0.2, \"by\": \"tensorflow.stateless\", \"seed\": [1, 2, 3]}", "a list of two"},
    {"{\"test\": 0.2, \"by\": \"jax.threefry\", \"seed\": null}", "seed: expected an integer for jax"},
    {"{\"test\": 11}", "10 samples do not suffice"},
    {"{\"test\": 5, \"train\": 6}", "10 samples do not suffice"},
    {"{\"test\": 10}", "expected at least one of each"},
    {"{\"train\": 0.01}", "expected at least one of each"},
};

static void test_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ib_split split;
        ib_error err = {0};
        uint32_t order[16];
        size_t train, test;
        ib_value *entry = parse(bad[i].entry);
        ib_status status = ib__split_read(&split, entry, 1, "here", &err);
        if (status == IB_OK) status = ib__split_rows(&split, 10, order, &train, &test, "here", &err);
        ib__value_free(entry);
        if (status != IB_BAD_INPUT || !strstr(err.text, bad[i].message))
            fail_msg("%s: expected \"%s\", found %d \"%s\"", bad[i].entry, bad[i].message, status, err.text);
        assert_string_equal(err.where, "here");
    }
    char digits[7000];
    memset(digits, '9', sizeof digits - 1);
    digits[sizeof digits - 1] = '\0';
    ib_seed seed;
    assert_int_equal(ib__seed_decimal(&seed, digits, "", NULL), IB_BAD_INPUT);
    digits[6000] = '\0';
    assert_int_equal(ib__seed_decimal(&seed, digits, "", NULL), IB_OK);
    assert_true(seed.n <= IB_SEED_WORDS && seed.words[seed.n - 1] != 0);
    ib_python python;
    assert_int_equal(ib__python_seed_text(&python, digits, 3000, "", NULL), IB_BAD_INPUT);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_splits), cmocka_unit_test(test_permutations),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
