/* SPDX-License-Identifier: Apache-2.0
 *
 * The layers of random images against real Keras (test/golden/augment.py), where chance has one outcome or a
 * few; that images differ, that the same image of the same step is always the same, and that pipelines and
 * batches see the same distribution.
 */
#include <math.h>

#include "golden.h"

#include "layers/run_layer.h"

enum { SAMPLES = 3, OUTCOMES_MAX = 8, ROOM = SAMPLES * 42 * 47 };

static float y[ROOM], again[ROOM];

static void text_key(char out[128], const char *name, const char *what) {
    (void)snprintf(out, 128, "%s/%s", name, what);
}

static void read_array(ib_zip *zip, const char *name, const char *what, ib_tensor *out) {
    char key[128];
    ib_error err = {0};
    text_key(key, name, what);
    if (ib__npz_array(out, zip, "augment.npz", key, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
}

/* The greatest difference of one image from an outcome. */
static double distance(const float *found, const ib_tensor *outcome, size_t first, size_t n) {
    double worst = 0;
    for (size_t i = 0; i < n; i++)
        worst = fmax(worst, fabs((double)found[i] - ib__tensor_at(outcome, first + i)));
    return worst;
}

/* The config that is written is Keras's own, but for name, dtype and the like. */
static void check_config(const char *class_name, const ib_value *settings, const ib_value *expected) {
    ib_layer *layer;
    ib_error err = {0};
    if (ib__layer_new(&layer, class_name, settings, "some", "layers[0]", &err) != IB_OK)
        fail_msg("%s: %s: %s", class_name, err.where, err.text);
    for (size_t i = 0; i < expected->count; i++) {
        ib_buf a = {0}, b = {0};
        if (strcmp(expected->keys[i], "seed") == 0) continue; /* RandomCrop draws one */
        const ib_value *found = ib__value_get(layer->config, expected->keys[i]);
        if (!found) fail_msg("%s: no %s", class_name, expected->keys[i]);
        assert_true(ib__json_write(&a, found, IB_JSON_PYTHON));
        assert_true(ib__json_write(&b, expected->items[i], IB_JSON_PYTHON));
        if (strcmp(a.data, b.data) != 0)
            fail_msg("%s: %s is %s, Keras has %s", class_name, expected->keys[i], a.data, b.data);
        ib__buf_free(&a);
        ib__buf_free(&b);
    }
    ib__layer_free(layer);
}

static void run_case(ib_zip *zip, const ib_value *c, size_t *compared, double *worst) {
    const char *name = golden_text(c, "name"), *class_name = golden_text(c, "class");
    static float x[ROOM];
    ib_tensor images, outcomes[OUTCOMES_MAX];
    ib_buf yaml = {0};
    size_t n_outcomes = (size_t)ib__value_get(c, "outcomes")->integer;
    assert_true(n_outcomes <= OUTCOMES_MAX);
    check_config(class_name, ib__value_get(c, "settings"), ib__value_get(c, "config"));
    read_array(zip, name, "x", &images);
    for (size_t i = 0; i < n_outcomes; i++) {
        char number[32];
        (void)snprintf(number, sizeof number, "%zu", i);
        read_array(zip, name, number, &outcomes[i]);
    }
    size_t n = (size_t)ib__shape_elements(&images.shape);
    assert_true(n <= ROOM && images.shape.dims[0] == SAMPLES);
    ib__tensor_to_float(x, &images, 0, n);
    assert_true(ib__json_write(&yaml, ib__value_get(c, "settings"), IB_JSON_PYTHON));
    layer_run r = {.class_name = class_name, .yaml = yaml.data, .shape = images.shape, .x = x, .seed = 7};
    ib_shape shape = run_layer_everywhere(r, y, again, ROOM);
    assert_true(ib__shape_equal(&shape, &outcomes[0].shape));
    size_t size = (size_t)ib__shape_elements(&shape) / SAMPLES;
    for (size_t sample = 0; sample < SAMPLES; sample++) {
        double best = HUGE_VAL;
        for (size_t i = 0; i < n_outcomes; i++)
            best = fmin(best, distance(y + sample * size, &outcomes[i], sample * size, size));
        if (!(best <= 2e-6 * 255)) fail_msg("%s: image %zu differs by %g", name, sample, best);
        *worst = fmax(*worst, best);
        ++*compared;
    }
    for (size_t i = 0; i < n_outcomes; i++)
        ib__tensor_free(&outcomes[i]);
    ib__tensor_free(&images);
    ib__buf_free(&yaml);
}

static void test_keras(void **state) {
    (void)state;
    ib_zip *zip;
    ib_buf text = {0};
    ib_value *tree;
    size_t compared = 0;
    double worst = 0;
    assert_int_equal(ib__zip_open(&zip, "test/golden/augment.npz", NULL), IB_OK);
    assert_int_equal(ib__file_read(&text, "test/golden/augment.json", 0, NULL), IB_OK);
    assert_int_equal(ib__json_parse(&tree, text.data, text.length, "augment.json", NULL), IB_OK);
    const ib_value *cases = ib__value_get(tree, "cases");
    for (size_t i = 0; i < cases->count; i++)
        run_case(zip, cases->items[i], &compared, &worst);
    print_message("augment: %zu images agree with Keras, worst %.1e of 255\n", compared, worst);
    assert_true(compared >= 3 * 91);
    ib__value_free(tree);
    ib__buf_free(&text);
    ib__zip_close(zip);
}

/* Many images that are all the same: how many different ones come out, and how often one comes out as it was;
 * another step and another seed give others; without training all stay. */
static void check_chance(const char *class_name, const char *yaml, size_t least_kinds, double kept) {
    enum { MANY = 400, H = 6, W = 5, SIZE = H * W * 3 };
    static float x[MANY * SIZE], out[MANY * SIZE], other[MANY * SIZE];
    for (size_t i = 0; i < MANY * SIZE; i++)
        x[i] = (float)(i % SIZE * 2);
    layer_run r = {
        .class_name = class_name, .yaml = yaml, .shape = {4, {MANY, H, W, 3}}, .x = x, .seed = 7, .step = 5};
    ib_shape shape = run_layer_everywhere(r, out, other, MANY * SIZE);
    size_t size = (size_t)ib__shape_elements(&shape) / MANY, kinds = 0, same = 0;
    for (size_t i = 0; i < MANY; i++) {
        size_t k = 0;
        while (k < i && memcmp(out + k * size, out + i * size, size * sizeof *out) != 0)
            k++;
        kinds += k == i;
        same += size == SIZE && memcmp(out + i * size, x, sizeof *x * SIZE) == 0;
    }
    if (kinds < least_kinds) fail_msg("%s: only %zu kinds of images", class_name, kinds);
    if (kept >= 0 && fabs((double)same / MANY - kept) > 0.12)
        fail_msg("%s: %zu of %d images were kept", class_name, same, MANY);
    r.step = 6;
    run_layer(&r, other, MANY * SIZE);
    assert_memory_not_equal(out, other, MANY * size * sizeof *out);
    r.step = 5;
    r.seed = 8;
    run_layer(&r, other, MANY * SIZE);
    assert_memory_not_equal(out, other, MANY * size * sizeof *out);
    r.inference = true;
    run_layer(&r, other, MANY * SIZE);
    assert_memory_equal(x, other, sizeof x);
}

static void test_chance(void **state) {
    (void)state;
    check_chance("RandomFlip", "{}", 2, 0.5);
    check_chance("RandomCrop", "{height: 3, width: 4}", 8, -1);
    check_chance("RandomTranslation", "{height_factor: 0.3, width_factor: 0.3}", 300, 0);
    check_chance("RandomRotation", "{factor: 0.2}", 300, 0);
    check_chance("RandomZoom", "{height_factor: 0.3, width_factor: [-0.2, 0]}", 300, 0);
    check_chance("RandomShear", "{x_factor: 0.3, y_factor: [0, 0.1]}", 300, 0);
    check_chance("RandomBrightness", "{factor: 0.3}", 300, 0);
    check_chance("RandomContrast", "{factor: 0.5}", 300, 0);
    check_chance("RandomGrayscale", "{factor: 0.3}", 2, 0.7);
    check_chance("RandomInvert", "{factor: [0.2, 0.2]}", 2, 0.8);
    check_chance("RandomColorDegeneration", "{factor: 0.5}", 300, 0);
    check_chance("RandomSaturation", "{factor: 0.5}", 150, 0);
    check_chance("RandomHue", "{factor: 0.5}", 300, 0);
    check_chance("RandomPosterization", "{factor: [2, 6]}", 4, 0);
    check_chance("RandomSharpness", "{factor: 0.5}", 300, 0);
    check_chance("RandomGaussianBlur", "{factor: [0.6, 0.6], sigma: [0.2, 1]}", 100, 0.4);
    check_chance("RandomPerspective", "{factor: [0.6, 0.6]}", 100, 0.4);
    check_chance("RandAugment", "{factor: [0.1, 0.5]}", 300, -1);
    check_chance("AugMix", "{num_chains: 2, chain_depth: 2}", 300, 0);
    check_chance("RandomElasticTransform", "{factor: [0.6, 0.6]}", 150, 0.4);
    check_chance("RandomErasing", "{factor: 0.5, scale: [0.3, 0.6]}", 50, 0.75);
    check_chance("RandomColorJitter", "{brightness_factor: 0.2, contrast_factor: 0.2, hue_factor: 0.1}", 300,
                 0);
    check_chance("Pipeline", "{layers: [{class_name: RandomFlip, config: {}}]}", 2, 0.5);
    check_chance("Solarization", "{threshold_factor: 0.5}", 40, 0);
}

/* Of each image that is drawn a rectangle is filled, here of a quarter of its area. */
static void test_erasing(void **state) {
    (void)state;
    enum { MANY = 60, SIDE = 20, SIZE = SIDE * SIDE };
    static float x[MANY * SIZE], out[MANY * SIZE], other[MANY * SIZE];
    for (size_t i = 0; i < MANY * SIZE; i++)
        x[i] = 100.0f;
    layer_run r = {.class_name = "RandomErasing",
                   .yaml = "{factor: [0.5, 0.5], scale: [0.25, 0.25], fill_value: 7}",
                   .shape = {4, {MANY, SIDE, SIDE, 1}},
                   .x = x,
                   .seed = 3};
    run_layer_everywhere(r, out, other, MANY * SIZE);
    size_t erased = 0;
    for (size_t n = 0; n < MANY; n++) {
        const float *image = out + n * SIZE;
        size_t count = 0, first = SIZE, rows = 0, columns = 0;
        for (size_t i = 0; i < SIZE; i++) {
            count += image[i] == 7.0f;
            if (image[i] == 7.0f && first == SIZE) first = i;
            assert_true(image[i] == 7.0f || image[i] == 100.0f);
        }
        if (!count) continue;
        erased++;
        while (first + columns < SIZE && (first + columns) / SIDE == first / SIDE &&
               image[first + columns] == 7.0f)
            columns++;
        while (first + rows * SIDE < SIZE && image[first + rows * SIDE] == 7.0f)
            rows++;
        assert_in_range(rows, 9, 11);
        assert_in_range(columns, 9, 11);
        assert_int_equal(count, rows * columns);
    }
    assert_in_range(erased, MANY / 2 - 15, MANY / 2 + 15);
}

/* Below some threshold all is kept, from it on all is turned round. */
static void test_thresholds(void **state) {
    (void)state;
    static float x[SAMPLES * 256];
    for (size_t i = 0; i < SAMPLES * 256; i++)
        x[i] = (float)(i % 256);
    layer_run r = {.class_name = "Solarization",
                   .yaml = "{threshold_factor: 0.8}",
                   .shape = {4, {SAMPLES, 16, 16, 1}},
                   .x = x,
                   .seed = 3};
    static float out[SAMPLES * 256];
    run_layer(&r, out, SAMPLES * 256);
    for (size_t s = 0; s < SAMPLES; s++) {
        size_t kept = 0;
        while (kept < 256 && out[s * 256 + kept] == x[kept])
            kept++;
        assert_in_range(kept, 1, 205);
        for (size_t i = kept; i < 256; i++)
            assert_true(out[s * 256 + i] == 255.0f - x[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_keras), cmocka_unit_test(test_chance),
                                       cmocka_unit_test(test_erasing), cmocka_unit_test(test_thresholds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
