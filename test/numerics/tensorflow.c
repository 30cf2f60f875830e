/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorFlow's random numbers, and Keras's on TensorFlow: the numbers of the real libraries.
 */
#include "numerics/streams.h"

#include "numerics/keras_random.h"
#include "numerics/numpy.h"

static ib_value *param(const expected *e, const char *key) {
    return ib__value_get(e->params, key);
}

static void put_order_as(expected *e, const uint32_t *order, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (e->array.dtype == IB_I32)
            ((int32_t *)e->found)[i] = (int32_t)order[i];
        else
            ((int64_t *)e->found)[i] = order[i];
    }
}

static void shuffled(const ib_tf *at, uint32_t *order, size_t n) {
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    ib__tf_shuffle(at, order, n);
}

static void dropout(const ib_tf *at, double rate, float *out, size_t n) {
    ib__tf_uniform(at, 0.0f, 1.0f, out, n);
    float scale = (float)(1.0 / (1.0 - rate));
    for (size_t i = 0; i < n; i++)
        out[i] = out[i] >= (float)rate ? scale : 0.0f;
}

/* A key is "NAME_ARGUMENTS_SHAPE": the arguments as numbers; false: the name is another one, or they are not
 * that many. */
static bool named(const char *key, const char *name, size_t count, double *arguments) {
    size_t n = strlen(name);
    if (strncmp(key, name, n) != 0) return false;
    const char *s = key + n;
    for (size_t i = 0; i < count; i++) {
        char *end;
        if (*s++ != '_') return false;
        arguments[i] = strtod(s, &end);
        if (end == s) return false;
        s = end;
    }
    if (*s++ != '_') return false;
    return strspn(s, "0123456789x") == strlen(s);
}

/* gamma_ALPHA, binomial_COUNT_P, and the long arrays normal, normal_double, truncated_normal (0.5, 2). */
static bool stateless_more(expected *e, const ib_tf *at) {
    float *out = e->found;
    double alpha = 0;
    float a = 0, b = 0;
    if (sscanf(e->key, "gamma_%lf", &alpha) == 1) {
        double y[16];
        assert_true(e->n <= 16);
        assert_int_equal(ib__tf_gamma(at, alpha, y, e->n, NULL), IB_OK);
        for (size_t i = 0; i < e->n; i++)
            out[i] = (float)y[i];
    } else if (sscanf(e->key, "binomial_%f_%f", &a, &b) == 2) {
        ib__tf_binomial(at, a, b, out, e->n);
    } else if (strcmp(e->key, "normal") == 0) {
        ib__tf_normal(at, 0.0f, 1.0f, out, e->n);
    } else if (strcmp(e->key, "normal_double") == 0) {
        ib__tf_normal_double(at, e->found, e->n);
    } else if (strcmp(e->key, "truncated_normal") == 0) {
        ib__tf_truncated_normal(at, 0.5f, 2.0f, out, e->n);
    } else {
        return false;
    }
    return true;
}

static bool stateless_orders(expected *e, const ib_tf *at) {
    double a[2];
    if (begins(e->key, "shuffle")) {
        uint32_t *order = ib__alloc(e->n + 1, sizeof *order);
        assert_non_null(order);
        shuffled(at, order, e->n);
        put_order_as(e, order, e->n);
        ib__free(order);
    } else if (strcmp(e->key, "key") == 0) {
        ((uint64_t *)e->found)[0] = (uint64_t)at->key[1] << 32 | at->key[0];
    } else if (strcmp(e->key, "counter") == 0) {
        ((uint64_t *)e->found)[1] = (uint64_t)at->counter[3] << 32 | at->counter[2];
    } else if (named(e->key, "split", 0, a)) {
        ib__tf_words(at, e->found, e->n);
    } else if (named(e->key, "fold_in", 0, a)) {
        ib__tf_words(at, e->found, 1);
        ((int32_t *)e->found)[1] = (int32_t)strtol(e->key + strlen("fold_in_"), NULL, 10);
    } else if (named(e->key, "categorical", 0, a)) {
        const float logits[3] = {-0x1.26bb1cp+1f, -0x1.9c041p+0f, -0x1.6d3c32p-2f}; /* log(0.1, 0.2, 0.7) */
        assert_int_equal(ib__tf_categorical(at, logits, 3, e->found, e->n, NULL), IB_OK);
    } else {
        return stateless_more(e, at);
    }
    return true;
}

static bool stateless_recipe(expected *e) {
    ib_value *pair = param(e, "seed");
    int64_t seed0 = ib__value_at(pair, 0)->integer, seed1 = ib__value_at(pair, 1)->integer;
    ib_tf at = ib__tf_stateless(seed0, seed1);
    double a[2] = {0, 0};
    if (named(e->key, "uint32", 0, a))
        ib__tf_words(&at, e->found, e->n);
    else if (named(e->key, "uint64", 0, a))
        ib__tf_words_64(&at, e->found, e->n);
    else if (named(e->key, "float32", 0, a))
        ib__tf_uniform(&at, 0.0f, 1.0f, e->found, e->n);
    else if (named(e->key, "float32", 2, a))
        ib__tf_uniform(&at, (float)a[0], (float)a[1], e->found, e->n);
    else if (named(e->key, "float64", 0, a))
        ib__tf_uniform_double(&at, e->found, e->n);
    else if (named(e->key, "float16", 0, a))
        ib__tf_uniform_short(&at, 10, e->found, e->n);
    else if (named(e->key, "bfloat16", 0, a))
        ib__tf_uniform_short(&at, 7, e->found, e->n);
    else if (named(e->key, "int32", 2, a))
        ib__tf_integers(&at, (int32_t)a[0], (int32_t)a[1], e->found, e->n);
    else if (named(e->key, "int64", 2, a))
        ib__tf_integers_64(&at, (int64_t)a[0], (int64_t)a[1], e->found, e->n);
    else if (named(e->key, "normal_float32", 0, a))
        ib__tf_normal(&at, 0.0f, 1.0f, e->found, e->n);
    else if (named(e->key, "normal_float64", 0, a))
        ib__tf_normal_double(&at, e->found, e->n);
    else if (named(e->key, "normal", 2, a))
        ib__tf_normal(&at, (float)a[0], (float)a[1], e->found, e->n);
    else if (named(e->key, "truncated_normal_float32", 0, a))
        ib__tf_truncated_normal(&at, 0.0f, 1.0f, e->found, e->n);
    else if (named(e->key, "truncated_normal_float64", 0, a))
        ib__tf_truncated_normal_double(&at, e->found, e->n);
    else if (named(e->key, "dropout", 1, a))
        dropout(&at, a[0], e->found, e->n);
    else
        return stateless_orders(e, &at);
    return true;
}

/* The calls of the case, one after the other; each leaves the counter greater by 256 a number. */
static bool generator_recipe(expected *e) {
    static const struct {
        const char *key;
        size_t n;
    } calls[] = {{"uint32_7", 7},           {"uniform_3x4", 12},       {"normal_5", 5},
                 {"truncated_normal_5", 5}, {"uniform_int_0_10_8", 8}, {"make_seeds_2", 2}};
    uint64_t state[3] = {(uint64_t)param_int(e, "seed"), 0, 0};
    for (size_t i = 0;; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "state_%zu", i);
        if (strcmp(e->key, key) == 0) {
            memcpy(e->found, state, sizeof state);
            return true;
        }
        if (i == sizeof calls / sizeof *calls) return false;
        ib_tf at = ib__tf_generator(state);
        if (strcmp(e->key, calls[i].key) == 0) {
            if (i == 0) ib__tf_words(&at, e->found, e->n);
            if (i == 1) ib__tf_uniform(&at, 0.0f, 1.0f, e->found, e->n);
            if (i == 2) ib__tf_normal(&at, 0.0f, 1.0f, e->found, e->n);
            if (i == 3) ib__tf_truncated_normal(&at, 0.0f, 1.0f, e->found, e->n);
            if (i == 4) ib__tf_integers(&at, 0, 10, e->found, e->n);
            if (i == 5) ib__tf_words_64(&at, e->found, e->n / 2); /* the second row is zero */
            return true;
        }
        state[0] += 256 * calls[i].n;
    }
}

/* A stateful operation that is called again goes on 256 blocks a number later. */
static bool global_recipe(expected *e) {
    uint64_t global = (uint64_t)param_int(e, "seed"), operation = 0;
    unsigned call = 0, op = 0;
    ib_python python;
    ib__tf_operations_seed(&python, (int64_t)global);
    bool shuffle = sscanf(e->key, "shuffle_10_call%u", &call) == 1;
    if (shuffle || sscanf(e->key, "uniform_5_call%u", &call) == 1 || strcmp(e->key, "normal_6") == 0) {
        for (unsigned i = 0; i <= call; i++)
            operation = ib__tf_operation_seed(&python);
        call = 0;
    } else if (sscanf(e->key, "uniform_5_opseed9_call%u", &call) == 1) {
        operation = 9;
    } else if (sscanf(e->key, "function_uniform_5_call%u_op%u", &call, &op) == 2) {
        operation = op;
    } else {
        return false;
    }
    ib_tf at = ib__tf_stateful(global, operation);
    ib__tf_skip(&at, call * (e->n * 256));
    if (shuffle) {
        uint32_t order[16];
        shuffled(&at, order, e->n);
        put_order_as(e, order, e->n);
    } else if (strcmp(e->key, "normal_6") == 0) {
        ib__tf_normal(&at, 0.0f, 1.0f, e->found, e->n);
    } else {
        ib__tf_uniform(&at, 0.0f, 1.0f, e->found, e->n);
    }
    return true;
}

static bool dataset_recipe(expected *e) {
    size_t n = (size_t)param_int(e, "n"), passes = e->n / n;
    uint64_t global = (uint64_t)param_int(e, "global_seed"), operation;
    if (ib__value_is(param(e, "seed"), IB_INT)) {
        operation = (uint64_t)param_int(e, "seed");
    } else {
        ib_python python;
        ib__tf_operations_seed(&python, (int64_t)global);
        operation = ib__tf_operation_seed(&python);
    }
    bool again = param(e, "reshuffle_each_iteration")->boolean;
    uint32_t order[128];
    assert_true(n <= 128);
    for (size_t i = 0; i < passes; i++) {
        ib_tf at = ib__tf_dataset_stream(global, operation, i, again);
        assert_int_equal(ib__tf_dataset_pass(&at, order, n, (size_t)param_int(e, "buffer"), NULL), IB_OK);
        put_order((int64_t *)e->found + i * n, order, n);
    }
    return strcmp(e->key, "repeat_3") == 0 || strcmp(e->key, "three_loops") == 0;
}

/* ---- Keras ---- */

/* keras.random.beta: a quotient of gamma numbers, the second ones from both seeds + 12. */
static void beta(int64_t seed, double alpha, double b, float *out, size_t n) {
    double x[16], y[16];
    assert_true(n <= 16);
    ib_tf first = ib__keras_stream(seed, 0);
    int64_t rest = seed % 0x7ffffffe; /* as 32-bit integers, which wrap */
    ib_tf second = ib__tf_stateless((int32_t)((uint32_t)rest + 12u), 12);
    assert_int_equal(ib__tf_gamma(&first, alpha, x, n, NULL), IB_OK);
    assert_int_equal(ib__tf_gamma(&second, b, y, n, NULL), IB_OK);
    for (size_t i = 0; i < n; i++)
        out[i] = (float)x[i] / ((float)x[i] + (float)y[i]);
}

static bool keras_random_recipe(expected *e) {
    int64_t seed = param_int(e, "seed");
    ib_tf at = ib__keras_stream(seed, 0);
    double a[3], y[16];
    uint32_t order[16];
    const float logits[3] = {-0x1.9c041p+0f, -0x1.34378ep+0f, -0x1.62e43p-1f}; /* log(0.2, 0.3, 0.5) */
    if (begins(e->key, "generator_call_")) {
        at = ib__keras_stream(seed % ((int64_t)1 << 31), e->key[strlen("generator_call_")] - '0');
        ib__tf_uniform(&at, 0.0f, 1.0f, e->found, e->n);
    } else if (begins(e->key, "global_")) {
        ib_keras k;
        ib__keras_set_random_seed(&k, seed);
        at = ib__keras_global_stream(&k);
        if (strcmp(e->key, "global_uniform_0") != 0) at = ib__keras_global_stream(&k);
        if (strcmp(e->key, "global_state_after_2") == 0)
            memcpy(e->found, k.global, sizeof k.global);
        else
            ib__tf_uniform(&at, 0.0f, 1.0f, e->found, e->n);
    } else if (named(e->key, "uniform", 0, a)) {
        ib__tf_uniform(&at, 0.0f, 1.0f, e->found, e->n);
    } else if (named(e->key, "uniform", 2, a)) {
        ib__tf_uniform(&at, (float)a[0], (float)a[1], e->found, e->n);
    } else if (named(e->key, "normal", 0, a)) {
        ib__tf_normal(&at, 0.0f, 1.0f, e->found, e->n);
    } else if (named(e->key, "truncated_normal", 0, a)) {
        ib__tf_truncated_normal(&at, 0.0f, 1.0f, e->found, e->n);
    } else if (named(e->key, "randint", 2, a)) {
        ib__tf_integers(&at, (int32_t)a[0], (int32_t)a[1], e->found, e->n);
    } else if (named(e->key, "shuffle", 0, a)) {
        assert_int_equal(ib__tf_argsort_shuffle(&at, order, e->n, NULL), IB_OK);
        put_order_as(e, order, e->n);
    } else if (named(e->key, "dropout", 0, a)) {
        dropout(&at, 0.5, e->found, e->n);
    } else if (named(e->key, "categorical", 0, a)) {
        int64_t classes[16];
        assert_int_equal(ib__tf_categorical(&at, logits, 3, classes, e->n, NULL), IB_OK);
        for (size_t i = 0; i < e->n; i++)
            ((int32_t *)e->found)[i] = (int32_t)classes[i];
    } else if (named(e->key, "gamma", 0, a)) {
        assert_int_equal(ib__tf_gamma(&at, 2.0, y, e->n, NULL), IB_OK);
        for (size_t i = 0; i < e->n; i++)
            ((float *)e->found)[i] = (float)y[i];
    } else if (named(e->key, "beta", 0, a)) {
        beta(seed, 2.0, 3.0, e->found, e->n);
    } else if (named(e->key, "binomial", 0, a)) {
        ib__tf_binomial(&at, 10.0f, 0.4f, e->found, e->n);
    } else {
        return false;
    }
    return true;
}

/* Layers of noise on ones: call number k of a SeedGenerator whose seed was given or drawn. */
static bool keras_noise_recipe(expected *e) {
    ib_value *config = ib__value_get(ib__value_get(e->c, "config"), "config");
    const char *class_name = golden_text(ib__value_get(e->c, "config"), "class_name");
    ib_value *given = param(e, "seed");
    ib_keras k;
    ib__keras_set_random_seed(&k, param_int(e, "global_seed"));
    int64_t seed = ib__value_is(given, IB_INT) ? given->integer : ib__keras_make_seed(&k);
    if (begins(e->key, "seed_state_")) {
        ((int64_t *)e->found)[0] = seed;
        ((int64_t *)e->found)[1] = strtol(e->key + strlen("seed_state_"), NULL, 10);
        return true;
    }
    ib_tf at = ib__keras_stream(seed, strtol(e->key + strlen("call_"), NULL, 10));
    double rate = 0;
    bool noise = ib__value_number(ib__value_get(config, "stddev"), &rate);
    assert_true(noise || ib__value_number(ib__value_get(config, "rate"), &rate));
    float *out = e->found;
    if (noise) {
        ib__tf_normal(&at, 0.0f, (float)rate, out, e->n);
        for (size_t i = 0; i < e->n; i++)
            out[i] = 1.0f + out[i];
    } else if (strcmp(class_name, "GaussianDropout") == 0) {
        ib__tf_normal(&at, 1.0f, (float)sqrt(rate / (1.0 - rate)), out, e->n);
    } else if (strcmp(class_name, "AlphaDropout") == 0) {
        double p = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946;
        double a = 1.0 / sqrt((1.0 - rate) * (1.0 + rate * p * p)), b = -a * p * rate;
        ib__tf_uniform(&at, 0.0f, 1.0f, out, e->n);
        for (size_t i = 0; i < e->n; i++) {
            float kept = out[i] >= (float)rate ? 1.0f : 0.0f;
            out[i] = (float)a * (kept + (float)p * (1.0f - kept)) + (float)b;
        }
    } else if (strcmp(class_name, "SpatialDropout1D") == 0 ||
               ib__value_is(ib__value_get(config, "noise_shape"), IB_LIST)) {
        const int64_t *d = e->array.shape.dims; /* one number for all steps of a channel */
        float mask[64];
        assert_true(d[0] * d[2] <= 64);
        dropout(&at, rate, mask, (size_t)(d[0] * d[2]));
        for (size_t i = 0; i < e->n; i++)
            out[i] = mask[(int64_t)i / (d[1] * d[2]) * d[2] + (int64_t)i % d[2]];
    } else {
        dropout(&at, rate, out, e->n);
    }
    return true;
}

/* Epochs of fit: on TensorFlow, with shuffle="batch", and on other backends (NumPy's permutation). */
static bool fit_recipe(expected *e) {
    uint32_t order[256];
    size_t n = (size_t)param_int(e, "n");
    int64_t seed = param_int(e, "seed");
    ib_numpy numpy;
    ib__numpy_legacy(&numpy, (uint32_t)seed);
    assert_true(n <= 256);
    for (size_t i = 0; i < e->n / n; i++) {
        if (begins(e->name, "keras-fit-order-batch-"))
            ib__keras_fit_batch_order(seed, order, n, (size_t)param_int(e, "batch_size"));
        else if (begins(e->name, "keras-numpy-order-"))
            ib__numpy_permutation(&numpy, order, n);
        else
            ib__keras_fit_order(seed, order, n);
        put_order((int64_t *)e->found + i * n, order, n);
    }
    return true;
}

static void test_keras(void **state) {
    (void)state;
    golden g;
    golden_open(&g, "streams");
    assert_int_equal(compare_family(&g, "keras-random-", keras_random_recipe), 68);
    assert_int_equal(compare_family(&g, "keras-Dropout-", keras_noise_recipe) +
                         compare_family(&g, "keras-SpatialDropout", keras_noise_recipe) +
                         compare_family(&g, "keras-Gaussian", keras_noise_recipe) +
                         compare_family(&g, "keras-AlphaDropout-", keras_noise_recipe),
                     270);
    assert_int_equal(compare_family(&g, "keras-fit-order-", fit_recipe) +
                         compare_family(&g, "keras-numpy-order-", fit_recipe),
                     54);
    golden_close(&g);
}

static void test_golden(void **state) {
    (void)state;
    golden g;
    golden_open(&g, "streams");
    assert_int_equal(compare_family(&g, "tf-stateless-", stateless_recipe), 160);
    assert_int_equal(compare_family(&g, "tf-generator-", generator_recipe), 52);
    assert_int_equal(compare_family(&g, "tf-global-", global_recipe), 52);
    assert_int_equal(compare_family(&g, "tf-data-shuffle-", dataset_recipe), 48);
    golden_close(&g);
    golden_open(&g, "streams_more");
    assert_int_equal(compare_family(&g, "tf-stateless-", stateless_recipe), little_endian() ? 30 : 22);
    golden_close(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_keras)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
