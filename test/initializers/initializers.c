/* SPDX-License-Identifier: Apache-2.0
 *
 * Initializers against real Keras: exact arrays, distributions, orthogonal matrices; windows against SciPy;
 * configs, and what is refused.
 */
#include "golden.h"

#include "initializers/window.h"
#include "layers/layer.h"
#include "layers/settings.h"

/* Random initializers: limits, mean and deviation over many seeds against Keras's distribution. */
static void check_draw(const char *name, const ib_value *config, const ib_value *draw) {
    const ib_value *dims = ib__value_get(draw, "shape");
    ib_shape shape = {.rank = (int)dims->count};
    for (int i = 0; i < shape.rank; i++)
        shape.dims[i] = dims->items[i]->integer;
    size_t n = (size_t)ib__shape_elements(&shape);
    bool uniform = strcmp(golden_text(draw, "distribution"), "uniform") == 0;
    bool truncated = strcmp(golden_text(draw, "distribution"), "truncated_normal") == 0;
    double low = -HUGE_VAL, high = HUGE_VAL, mean = 0, deviation = 0;
    if (uniform) {
        assert_true(ib__value_number(ib__value_get(draw, "minval"), &low));
        assert_true(ib__value_number(ib__value_get(draw, "maxval"), &high));
        mean = (low + high) / 2;
        deviation = (high - low) / sqrt(12.0);
    } else {
        const char *key = truncated ? "stddev_of_the_untruncated" : "stddev";
        assert_true(ib__value_number(ib__value_get(draw, key), &deviation));
        assert_true(ib__value_number(ib__value_get(draw, "mean"), &mean));
        if (truncated) {
            low = mean - 2 * deviation;
            high = mean + 2 * deviation;
            deviation *= 0.87962566103423978;
        }
    }
    float data[4096];
    assert_true(n <= sizeof data / sizeof *data);
    size_t seeds = 40000 / n;
    double sum = 0, squares = 0;
    for (size_t seed = 0; seed < seeds; seed++) {
        ib_value *own = ib__value_copy(config);
        assert_true(ib__value_set(ib__value_get(own, "config"), "seed", ib__value_int((int64_t)seed)));
        assert_int_equal(ib__initialize(data, &shape, own, 5, "layer/kernel", NULL), IB_OK);
        ib__value_free(own);
        for (size_t i = 0; i < n; i++) {
            double x = (double)data[i];
            if (!(x >= low - 1e-6 && x <= high + 1e-6))
                fail_msg("%s: %g is outside of %g .. %g", name, x, low, high);
            sum += x - mean;
            squares += (x - mean) * (x - mean);
        }
    }
    double count = (double)(seeds * n), found = sqrt(squares / count);
    if (fabs(sum / count) > 0.02 * deviation || fabs(found / deviation - 1) > 0.02)
        fail_msg("%s: mean off by %g, deviation %g, expected %g", name, sum / count, found, deviation);
}

/* Columns (or rows, if these are fewer) are orthonormal times the gain, and spread over all directions. */
static void check_orthogonal(const char *name, const ib_value *config, const ib_value *draw) {
    const ib_value *dims = ib__value_get(draw, "shape");
    ib_shape shape = {.rank = (int)dims->count};
    double gain = 0;
    assert_true(ib__value_number(ib__value_get(draw, "gain"), &gain));
    for (int i = 0; i < shape.rank; i++)
        shape.dims[i] = dims->items[i]->integer;
    float data[4096];
    size_t n = (size_t)ib__shape_elements(&shape), columns = (size_t)shape.dims[shape.rank - 1],
           rows = n / columns;
    assert_true(n <= sizeof data / sizeof *data && n > 0);
    if (ib__initialize(data, &shape, config, 5, "layer/kernel", NULL) != IB_OK) fail_msg("%s", name);
    bool tall = rows >= columns;
    size_t vectors = tall ? columns : rows, length = tall ? rows : columns;
    for (size_t i = 0; i < vectors; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;
            for (size_t k = 0; k < length; k++)
                sum += (double)data[tall ? k * columns + i : i * columns + k] *
                       (double)data[tall ? k * columns + j : j * columns + k];
            if (fabs(sum - (i == j ? gain * gain : 0)) > 1e-6)
                fail_msg("%s: product %zu %zu is %g", name, i, j, sum);
        }
}

static void check_config(const ib_value *config, const char *name) {
    ib_value *canonical = NULL;
    assert_int_equal(ib__read_initializer(NULL, config, name, NULL, &canonical, NULL), IB_OK);
    golden_same(canonical, config, name);
    ib__value_free(canonical);
}

static void check_exact(const golden *all, const ib_value *c, const char *name, double *worst) {
    const ib_value *config = ib__value_get(c, "config"), *shapes = ib__value_get(c, "shapes");
    double limit = strncmp(name, "STFT", 4) == 0 ? 2e-6 : 0; /* Keras computes it in float32 */
    assert_true(shapes->count > 0);
    for (size_t k = 0; k < shapes->count; k++) {
        char key[32];
        ib_tensor truth;
        float data[4096];
        ib_error err = {0};
        (void)snprintf(key, sizeof key, "%zu", k);
        assert_true(golden_array(all, name, key, &truth));
        assert_true(ib__shape_elements(&truth.shape) <= 4096);
        if (ib__initialize(data, &truth.shape, config, 5, "layer/kernel", &err) != IB_OK)
            fail_msg("%s: %s", name, err.text);
        double e = golden_error(data, &truth);
        if (!(e <= limit)) fail_msg("%s %zu differs by %g", name, k, e);
        *worst = fmax(*worst, e);
        ib__tensor_free(&truth);
    }
}

static void run_group(const char *group, size_t *exact, size_t *drawn, double *worst) {
    golden all;
    golden_open(&all, group);
    for (size_t i = 0; i < all.cases->count; i++) {
        const ib_value *c = all.cases->items[i], *config = ib__value_get(c, "config");
        const ib_value *draws = ib__value_get(c, "draws");
        const char *name = golden_text(c, "name");
        check_config(config, name);
        for (size_t k = 0; draws && k < draws->count; k++) {
            if (strcmp(name, "Orthogonal") == 0)
                check_orthogonal(name, config, draws->items[k]);
            else
                check_draw(name, config, draws->items[k]);
        }
        /* Keras leaves the gain out of the config: here 1.5. */
        if (strcmp(name, "Identity") == 0)
            assert_true(ib__value_set(ib__value_get(config, "config"), "gain", ib__value_real(1.5)));
        if (!draws) check_exact(&all, c, name, worst);
        *(draws ? drawn : exact) += 1;
    }
    golden_close(&all);
}

static void test_golden(void **state) {
    (void)state;
    size_t exact = 0, drawn = 0;
    double worst = 0;
    run_group("initializers", &exact, &drawn, &worst);
    run_group("initializers_more", &exact, &drawn, &worst);
    print_message("initializers: %zu exact (worst %.1e), %zu by distribution, 0 refused\n", exact, worst,
                  drawn);
    assert_true(exact >= 16 && drawn >= 14);
}

/* A = Q R for the normal numbers A of the stream, R with zeros below its diagonal and positive on it: so Q is
 * the one that Keras takes. */
static void test_orthogonal_is_qr(void **state) {
    (void)state;
    enum { ROWS = 9, COLUMNS = 5 };
    float q[ROWS * COLUMNS];
    ib_shape shape = {.rank = 2, .dims = {ROWS, COLUMNS}};
    ib_value *config = ib__value_string("orthogonal");
    ib_stream stream = ib__stream(5, "layer/kernel", "initializer");
    assert_int_equal(ib__initialize(q, &shape, config, 5, "layer/kernel", NULL), IB_OK);
    for (size_t i = 0; i < COLUMNS; i++)
        for (size_t j = 0; j <= i; j++) {
            double r = 0;
            for (size_t k = 0; k < ROWS; k++)
                r += (double)q[k * COLUMNS + i] * ib__stream_normal(&stream, k * COLUMNS + j, 0, 0);
            assert_true(i == j ? r > 0.1 : fabs(r) < 1e-6);
        }
    ib__value_free(config);
}

/* The bits are a contract: these are the first numbers of a seed. */
static void test_orthogonal_bits(void **state) {
    (void)state;
    float data[12], tall[12];
    ib_shape wide = {.rank = 2, .dims = {3, 4}}, high = {.rank = 3, .dims = {2, 2, 3}};
    ib_value *config = ib__value_string("orthogonal");
    assert_int_equal(ib__initialize(data, &wide, config, 5, "layer/kernel", NULL), IB_OK);
    assert_int_equal(ib__initialize(tall, &high, config, 5, "layer/kernel", NULL), IB_OK);
    for (size_t i = 0; i < 12; i++)
        assert_true(data[i] == tall[i % 4 * 3 + i / 4]); /* both are made of the same 4 x 3 numbers */
    static const float first[4] = {0x1.3861d8p-1f, -0x1.5a170cp-1f, 0x1.a46916p-2f, 0x1.86e058p-5f};
    for (size_t i = 0; i < 4; i++)
        if (data[i] != first[i]) fail_msg("number %zu is %a", i, (double)data[i]);
    ib__value_free(config);
}

static void test_windows(void **state) {
    (void)state;
    ib_value *all;
    ib_buf text = {0};
    size_t compared = 0;
    assert_int_equal(ib__file_read(&text, "test/golden/windows.json", 0, NULL), IB_OK);
    assert_int_equal(ib__json_parse(&all, text.data, text.length, "windows.json", NULL), IB_OK);
    const ib_value *list = ib__value_get(all, "windows");
    for (size_t i = 0; i < list->count; i++) {
        const ib_value *w = list->items[i], *values = ib__value_get(w, "values");
        const char *name = golden_text(w, "name");
        double out[16];
        assert_true(values->count <= 16);
        assert_int_equal(ib__window_check(name, "", NULL), IB_OK);
        ib__window(out, values->count, name, ib__value_get(w, "periodic")->boolean);
        for (size_t k = 0; k < values->count; k++) {
            double truth = 0;
            assert_true(ib__value_number(values->items[k], &truth));
            if (!(fabs(out[k] - truth) <= 4e-15))
                fail_msg("%s of %zu: %zu is %.17g and not %.17g", name, values->count, k, out[k], truth);
            compared++;
        }
    }
    assert_true(compared >= 19 * 2 * 18);
    ib__value_free(all);
    ib__buf_free(&text);
}

static void test_refused(void **state) {
    (void)state;
    static const struct bad {
        const char *json, *text;
    } bad[] = {
        {"\"glorot_unifrm\"", "nearest is GlorotUniform"},
        {"{\"Orthogonal\": {\"gain\": \"big\"}}", "a number"},
        {"{\"STFT\": {\"window\": \"hamn\"}}", "unknown window"},
        {"{\"STFT\": {\"scaling\": \"power\"}}", "one of: density spectrum"},
        {"{\"Constant\": {\"value\": [[1, 2], [3]]}}", "an array of numbers"},
        {"{\"RandomUniform\": {\"seed\": {\"class_name\": \"Seed\", \"config\": {}}}}", "a SeedGenerator"},
        {"{\"HeNormal\": {\"input_axes\": 3}}", "a list of axes"},
        {"{\"VarianceScaling\": {\"distribution\": \"cauchy\"}}", "one of: truncated_normal"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ib_value *value;
        ib_error err = {0};
        assert_int_equal(ib__json_parse(&value, bad[i].json, strlen(bad[i].json), "", NULL), IB_OK);
        assert_int_equal(ib__initializer_check(value, "layers[0]", &err), IB_BAD_INPUT);
        if (!strstr(err.text, bad[i].text)) fail_msg("%s gives \"%s\"", bad[i].json, err.text);
        ib__value_free(value);
    }
}

/* What only the weight's shape can tell. */
static void test_shapes(void **state) {
    (void)state;
    static const struct bad {
        const char *json;
        ib_shape shape;
        const char *text;
    } bad[] = {
        {"\"orthogonal\"", {.rank = 1, .dims = {3}}, "two dimensions or more"},
        {"\"identity\"", {.rank = 1, .dims = {3}}, "needs two dimensions"},
        {"\"stft\"", {.rank = 3, .dims = {3, 2, 3}}, "found (3, 2, 3)"},
        {"{\"STFT\": {\"window\": [1, 2]}}", {.rank = 3, .dims = {3, 1, 3}}, "a window of 3 numbers"},
        {"{\"Constant\": {\"value\": [1, 2]}}", {.rank = 1, .dims = {3}}, "shape (2,) does not fit"},
        {"{\"HeNormal\": {\"input_axes\": [2], \"output_axes\": [0]}}",
         {.rank = 2, .dims = {3, 3}},
         "outside of 2"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ib_value *value;
        float data[32];
        ib_error err = {0};
        assert_int_equal(ib__json_parse(&value, bad[i].json, strlen(bad[i].json), "", NULL), IB_OK);
        assert_int_equal(ib__initialize(data, &bad[i].shape, value, 1, "layer/kernel", &err), IB_BAD_INPUT);
        if (!strstr(err.text, bad[i].text)) fail_msg("%s gives \"%s\"", bad[i].json, err.text);
        ib__value_free(value);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),          cmocka_unit_test(test_orthogonal_is_qr),
        cmocka_unit_test(test_orthogonal_bits), cmocka_unit_test(test_windows),
        cmocka_unit_test(test_refused),         cmocka_unit_test(test_shapes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
