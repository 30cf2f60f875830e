/* SPDX-License-Identifier: Apache-2.0
 *
 * Images: pixels as TensorFlow decodes them, resizing within its float32 error, folders in Keras's order;
 * files that are cut or damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "data/dataset.h"
#include "data/image.h"
#include "data/npz.h"
#include "open.h"

#define GOLDEN "test/golden/images/"

static void read_file(ib_buf *out, const char *name) {
    char path[256];
    ib_error err = {0};
    (void)snprintf(path, sizeof path, GOLDEN "%s", name);
    if (ib__file_read(out, path, 0, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
}

static void decode(ib_image *out, const char *name, size_t channels) {
    ib_buf bytes = {0};
    ib_error err = {0};
    read_file(&bytes, name);
    if (ib__image_decode(out, bytes.data, bytes.length, channels, name, &err) != IB_OK)
        fail_msg("%s: %s", err.where, err.text);
    ib__buf_free(&bytes);
}

/* Every pixel of every file, against TensorFlow. */
static void test_pixels(void **unused) {
    (void)unused;
    ib_zip *zip = NULL;
    size_t files = 0, compared = 0;
    assert_int_equal(ib__zip_open(&zip, GOLDEN "pixels.npz", NULL), IB_OK);
    for (size_t i = 0; i < ib__zip_count(zip); i++, files++) {
        char name[128], file[128];
        ib_tensor wanted = {0};
        ib_image image = {0};
        (void)snprintf(name, sizeof name, "%s", ib__zip_name(zip, i));
        name[strlen(name) - 4] = '\0';
        (void)snprintf(file, sizeof file, "%s", name);
        *strchr(file, '/') = '\0';
        size_t channels = (size_t)(name[strlen(name) - 1] - '0');
        assert_int_equal(ib__npz_array(&wanted, zip, GOLDEN "pixels.npz", name, NULL), IB_OK);
        decode(&image, file, channels);
        assert_int_equal(image.height, wanted.shape.dims[0]);
        assert_int_equal(image.width, wanted.shape.dims[1]);
        assert_int_equal(channels, wanted.shape.dims[2]);
        size_t n = image.height * image.width * channels;
        for (size_t k = 0; k < n; k++, compared++)
            if (image.pixels[k] != ((uint8_t *)wanted.data)[k])
                fail_msg("%s: row %zu, column %zu, channel %zu: expected %d, found %d", name,
                         k / channels / image.width, k / channels % image.width, k % channels,
                         ((uint8_t *)wanted.data)[k], image.pixels[k]);
        ib__image_free(&image);
        ib__tensor_free(&wanted);
    }
    ib__zip_close(zip);
    assert_int_equal(files, 39);
    assert_true(compared > 90000);
}

static void test_resized(void **unused) {
    (void)unused;
    static const char *const methods[] = {"bilinear", "nearest", "bicubic", "area"};
    static const double error[] = {2e-4, 0, 1e-3, 1e-3};
    ib_zip *zip = NULL;
    size_t compared = 0, cases = 0;
    assert_int_equal(ib__zip_open(&zip, GOLDEN "resized.npz", NULL), IB_OK);
    for (size_t i = 0; i < ib__zip_count(zip); i++, cases++) {
        char name[128], file[64], method[16];
        size_t h, w, how = 0;
        ib_tensor wanted = {0};
        ib_image image = {0};
        (void)snprintf(name, sizeof name, "%s", ib__zip_name(zip, i));
        name[strlen(name) - 4] = '\0';
        assert_int_equal(sscanf(name, "%15[^/]/%63[^/]/%zux%zu", method, file, &h, &w), 4);
        while (strcmp(methods[how], method) != 0)
            how++;
        assert_int_equal(ib__npz_array(&wanted, zip, "resized.npz", name, NULL), IB_OK);
        decode(&image, file, (size_t)wanted.shape.dims[2]);
        size_t n = h * w * image.channels;
        float *out = calloc(n, sizeof *out);
        ib_crop all = {0, 0, image.height, image.width};
        assert_int_equal(ib__image_resize(out, h, w, &image, &all, (ib_resizing)how, NULL), IB_OK);
        for (size_t k = 0; k < n; k++, compared++) {
            double x = ib__tensor_at(&wanted, k), difference = fabs(x - (double)out[k]);
            if (!(difference <= error[how]))
                fail_msg("%s: number %zu: expected %.9g, found %.9g", name, k, x, (double)out[k]);
        }
        free(out);
        ib__image_free(&image);
        ib__tensor_free(&wanted);
    }
    ib__zip_close(zip);
    assert_int_equal(cases, 28);
    assert_true(compared > 20000);
}

/* Parts of an image are resized as images of their own. */
static void test_crop(void **unused) {
    (void)unused;
    ib_image image = {0}, part = {.height = 13, .width = 17, .channels = 3};
    decode(&image, "rgb.png", 3);
    part.pixels = malloc(13 * 17 * 3);
    for (size_t y = 0; y < 13; y++)
        memcpy(part.pixels + y * 17 * 3, image.pixels + ((y + 5) * image.width + 9) * 3, (size_t)17 * 3);
    for (int how = IB_RESIZE_BILINEAR; how <= IB_RESIZE_AREA; how++) {
        float a[20 * 10 * 3], b[20 * 10 * 3];
        assert_int_equal(
            ib__image_resize(a, 20, 10, &image, &(ib_crop){5, 9, 13, 17}, (ib_resizing)how, NULL), IB_OK);
        assert_int_equal(ib__image_resize(b, 20, 10, &part, &(ib_crop){0, 0, 13, 17}, (ib_resizing)how, NULL),
                         IB_OK);
        assert_memory_equal(a, b, sizeof a);
    }
    ib__image_free(&image);
    ib__image_free(&part);
}

static void test_write(void **unused) {
    (void)unused;
    for (size_t channels = 1; channels <= 4; channels++) {
        if (channels == 2) continue;
        ib_image image = {0}, again = {0};
        ib_buf bytes = {0};
        decode(&image, "rgba.png", channels);
        assert_int_equal(ib__image_encode_png(&bytes, &image, NULL), IB_OK);
        assert_int_equal(ib__image_decode(&again, bytes.data, bytes.length, channels, "again", NULL), IB_OK);
        assert_memory_equal(image.pixels, again.pixels, image.height * image.width * channels);
        ib__image_free(&image);
        ib__image_free(&again);
        ib__buf_free(&bytes);
    }
}

/* ---- Folders ---- */

static uint8_t grey_of(const char *path) {
    ib_image image = {0};
    char file[256];
    (void)snprintf(file, sizeof file, "classes/%s", path);
    decode(&image, file, 1);
    uint8_t value = image.pixels[0];
    ib__image_free(&image);
    return value;
}

/* {"seed": 7} -> "{images: ..., seed: 7}" */
static void entry_of(char out[512], const ib_value *settings) {
    ib_buf text = {0};
    assert_true(ib__json_write(&text, settings, IB_JSON_PYTHON));
    (void)snprintf(out, 512, "{images: " GOLDEN "classes, color_mode: grayscale, image_size: [2, 3]%s%s",
                   settings->count > 0 ? ", " : "", text.data + 1);
    ib__buf_free(&text);
}

static void test_orders(void **unused) {
    (void)unused;
    ib_buf text = {0};
    ib_value *tree = NULL;
    size_t files = 0;
    read_file(&text, "order.json");
    assert_int_equal(ib__json_parse(&tree, text.data, text.length, "order.json", NULL), IB_OK);
    const ib_value *cases = ib__value_get(tree, "cases");
    for (size_t i = 0; i < cases->count; i++) {
        const ib_value *wanted = ib__value_get(cases->items[i], "files");
        const ib_value *classes = ib__value_get(cases->items[i], "class_names");
        char yaml[512];
        ib_source_part part;
        entry_of(yaml, ib__value_get(cases->items[i], "settings"));
        must_open(&part, yaml, NULL, SIZE_MAX);
        assert_int_equal(part.count, wanted->count);
        for (size_t k = 0; k < wanted->count; k++, files++) {
            float x[6];
            int32_t y = -1;
            void *out[] = {x, &y};
            const char *path = wanted->items[k]->string;
            assert_int_equal(ib__elements_read(part.elements, k, 1, out, NULL), IB_OK);
            if (x[5] != (float)grey_of(path)) fail_msg("%s: file %zu is not %s", yaml, k, path);
            if (classes->kind == IB_NULL) continue;
            size_t length = strlen(classes->items[y]->string);
            assert_true(strncmp(path, classes->items[y]->string, length) == 0 && path[length] == '/');
        }
        ib__elements_free(part.elements);
    }
    assert_int_equal(cases->count, 7);
    assert_int_equal(files, 39);
    ib__value_free(tree);
    ib__buf_free(&text);
}

static void test_settings(void **unused) {
    (void)unused;
    ib_source_part part;
    float x[64 * 64 * 4], y[3];
    void *out[] = {x, y};
    must_open(&part, "{images: " GOLDEN "classes, label_mode: categorical, shuffle: false, image_size: 5}",
              NULL, 0);
    assert_int_equal(part.elements->n_fields, 2);
    assert_int_equal(ib__data_field_bytes(&part.elements->fields[0]), 5 * 5 * 3 * 4);
    assert_int_equal(ib__elements_read(part.elements, 5, 1, out, NULL), IB_OK);
    assert_true(y[0] == 0 && y[1] == 1 && y[2] == 0 && x[0] == x[2]);
    ib__elements_free(part.elements);
    must_open(&part,
              "{images: " GOLDEN
              "classes, label_mode: binary, shuffle: false, class_names: [b, a], image_size: null, "
              "color_mode: rgba}",
              NULL, 0);
    assert_int_equal(part.elements->fields[0].dtype, IB_U8);
    assert_int_equal(part.elements->fields[0].shape.dims[1], 3);
    assert_int_equal(ib__elements_read(part.elements, 6, 1, out, NULL), IB_OK);
    assert_true(y[0] == 1 && ((uint8_t *)x)[3] == 255);
    ib__elements_free(part.elements);
    must_open(&part,
              "{images: " GOLDEN "classes, labels: [0, 1, 2, 3, 0, 1, 2, 3], shuffle: false, image_size: 2}",
              NULL, 0);
    int32_t label;
    out[1] = &label;
    assert_int_equal(ib__elements_read(part.elements, 3, 1, out, NULL), IB_OK);
    assert_int_equal(label, 3);
    ib__elements_free(part.elements);
}

/* ---- What is refused ---- */

static char folder[64];

static const char *in_folder(const char *name) {
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_folder(void **unused) {
    (void)unused;
    (void)strcpy(folder, "/tmp/isobit-test-XXXXXX");
    return mkdtemp(folder) == NULL || mkdir(in_folder("a"), 0700) != 0 ||
           mkdir(in_folder("empty"), 0700) != 0;
}

static int remove_folder(void **unused) {
    (void)unused;
    unlink(in_folder("a/1.jpg"));
    unlink(in_folder("a/2.jpg"));
    return rmdir(in_folder("a")) | rmdir(in_folder("empty")) | rmdir(folder);
}

static void refuse(const char *yaml, const char *where, const char *part) {
    ib_dataset *d = NULL;
    ib_value *entry = NULL;
    ib_error err = {0};
    assert_int_equal(ib__yaml_parse(&entry, yaml, strlen(yaml), "exp.yaml", NULL), IB_OK);
    ib_status status = ib__dataset_open(&d, entry, "exp.yaml", "data.train", NULL, 1, 2, &err);
    if (status == IB_OK || strstr(err.text, part) == NULL || strstr(err.where, where) == NULL)
        fail_msg("%s: expected \"%s\", found %s: %s: %s", yaml, part, ib_status_text(status), err.where,
                 err.text);
    ib__value_free(entry);
    ib__dataset_free(d);
}

static void test_refused(void **unused) {
    (void)unused;
    char yaml[256];
    ib_buf bytes = {0};
    refuse("{images: nowhere}", "nowhere", "No such file");
    refuse("{images: " GOLDEN "rgb.png}", "rgb.png", "expected a folder");
    refuse("{images: " GOLDEN "classes, class_names: [a, d]}", "class_names", "there is no folder d");
    refuse("{images: " GOLDEN "classes, label_mode: binary}", "label_mode",
           "binary needs 2 classes, found 3");
    refuse("{images: " GOLDEN "classes, labels: [1, 2]}", "labels", "a label for each of 8 files, found 2");
    refuse("{images: " GOLDEN "classes, validation_split: 0.2}", "data.train",
           "validation_split and subset together");
    refuse("{images: " GOLDEN "classes, validation_split: 0.1, subset: training}", "validation_split",
           "8 to train and 0");
    refuse("{images: " GOLDEN "classes, color_mode: gray}", "color_mode", "expected grayscale, rgb or rgba");
    refuse("{images: " GOLDEN "classes, interpolation: lanczos3}", "interpolation", "expected bilinear");
    refuse("{images: " GOLDEN "classes, image_size: [0, 2]}", "image_size", "from 1");
    refuse("{images: " GOLDEN "classes, seed: -1}", "seed", "numpy.RandomState");
    (void)snprintf(yaml, sizeof yaml, "{images: %s}", folder);
    refuse(yaml, folder, "expected images");
    /* a file that is cut; one that is no image; two sizes */
    read_file(&bytes, "s2x2.jpg");
    assert_int_equal(ib__file_write(in_folder("a/1.jpg"), bytes.data, bytes.length, NULL), IB_OK);
    assert_int_equal(ib__file_write(in_folder("a/2.jpg"), bytes.data, bytes.length - 30, NULL), IB_OK);
    refuse(yaml, "a/2.jpg", "expected a JPEG image: Premature end");
    assert_int_equal(ib__file_write(in_folder("a/2.jpg"), "GIF89a", 6, NULL), IB_OK);
    refuse(yaml, "a/2.jpg", "expected a JPEG or PNG image");
    ib__buf_free(&bytes);
    read_file(&bytes, "tiny.jpg");
    assert_int_equal(ib__file_write(in_folder("a/2.jpg"), bytes.data, bytes.length, NULL), IB_OK);
    (void)snprintf(yaml, sizeof yaml, "{images: %s, image_size: null, shuffle: false}", folder);
    refuse(yaml, "a/2.jpg", "without image_size all have one size");
    ib__buf_free(&bytes);
}

/* A file is changed after its digest was taken. */
static void test_changed(void **unused) {
    (void)unused;
    ib_buf bytes = {0}, other = {0};
    char yaml[256];
    float x[12], y;
    void *out[] = {x, &y};
    ib_source_part part;
    ib_error err = {0};
    read_file(&bytes, "s2x2.jpg");
    read_file(&other, "s1x1.jpg");
    unlink(in_folder("a/2.jpg"));
    assert_int_equal(ib__file_write(in_folder("a/1.jpg"), bytes.data, bytes.length, NULL), IB_OK);
    (void)snprintf(yaml, sizeof yaml, "{images: %s, image_size: 2}", folder);
    must_open(&part, yaml, NULL, 0);
    assert_int_equal(ib__elements_read(part.elements, 0, 1, out, NULL), IB_OK);
    assert_int_equal(ib__file_write(in_folder("a/1.jpg"), other.data, other.length, NULL), IB_OK);
    assert_int_equal(ib__elements_read(part.elements, 0, 1, out, &err), IB_BAD_INPUT);
    assert_non_null(strstr(err.text, "was changed"));
    ib__elements_free(part.elements);
    ib__buf_free(&bytes);
    ib__buf_free(&other);
}

/* Cut at every length, and with every 7th byte changed: an error or an image, never more. */
static void test_damaged(void **unused) {
    (void)unused;
    static const char *const names[] = {"s2x2.jpg", "progressive.jpg", "restart.jpg", "grey.jpg",
                                        "rgb.png",  "greyalpha.png",   "deep.png",    "s4x2.jpg"};
    size_t refused = 0;
    for (size_t f = 0; f < sizeof names / sizeof *names; f++) {
        ib_buf bytes = {0};
        read_file(&bytes, names[f]);
        for (size_t n = 0; n < bytes.length; n += n < 700 ? 1 : 37) {
            ib_image image = {0};
            char *copy = malloc(n + 1);
            memcpy(copy, bytes.data, n);
            ib_status status = ib__image_decode(&image, copy, n, 3, "cut", NULL);
            if (status == IB_OK && n + 12 < bytes.length) fail_msg("%s: cut at %zu it is read", names[f], n);
            refused += status != IB_OK;
            ib__image_free(&image);
            free(copy);
        }
        for (size_t n = 0; n < bytes.length; n += 7) {
            ib_image image = {0};
            char before = bytes.data[n];
            bytes.data[n] = (char)(before ^ (1 << n % 8));
            refused +=
                ib__image_decode(&image, bytes.data, bytes.length, 1 + 2 * (n % 2), "damaged", NULL) != IB_OK;
            bytes.data[n] = before;
            ib__image_free(&image);
        }
        ib__buf_free(&bytes);
    }
    assert_true(refused > 4000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pixels),  cmocka_unit_test(test_resized), cmocka_unit_test(test_crop),
        cmocka_unit_test(test_write),   cmocka_unit_test(test_orders),  cmocka_unit_test(test_settings),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_changed), cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
