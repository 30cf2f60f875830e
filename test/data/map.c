/* SPDX-License-Identifier: Apache-2.0
 *
 * map: layers and functions on elements and on batches; randomness named by iteration and element; the same
 * bits for every instruction set and any number of threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "passes.h"

#define DATA                                                                                                 \
    "{synthetic: 50, seed: 3, fields: {x: {shape: [6, 5, 2], uniform: [0, 256]}, y: {classes: 4}}, "         \
    "pipeline: "
#define EACH 60

static ib_dataset *must_open(const char *pipeline) {
    char yaml[1024];
    (void)snprintf(yaml, sizeof yaml, DATA "%s}", pipeline);
    return must_open_dataset(yaml, NULL);
}

static ib_batches *make_batches(const ib_dataset *d, size_t threads, ib_isa isa) {
    ib_batches *b = NULL;
    ib_error err = {0};
    ib_batching how = {.batch_size = 8, .threads = threads, .kernels = ib__kernels_for(isa)};
    if (ib__dataset_batches(&b, d, &how, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    return b;
}

/* Field `field` of a whole pass as float, `each` numbers a sample; gives the samples. */
static size_t read_pass(const char *pipeline, uint32_t pass, size_t field, float *out, size_t threads,
                        ib_isa isa) {
    ib_dataset *d = must_open(pipeline);
    ib_batches *b = make_batches(d, threads, isa);
    size_t samples = 0, at = 0;
    const ib_batch *batch;
    assert_int_equal(ib__batches_begin(b, pass, NULL), IB_OK);
    while ((batch = next_batch(b)) != NULL) {
        size_t n = (size_t)ib__shape_elements(&batch->fields[field].shape);
        ib__tensor_to_float(out + at, &batch->fields[field], 0, n);
        at += n;
        samples += batch->samples;
    }
    ib__batches_free(b);
    ib__dataset_free(d);
    return samples;
}

static float x[50 * EACH], a[50 * EACH], b[50 * EACH], y[50];

static void test_functions(void **unused) {
    (void)unused;
    assert_int_equal(read_pass("[batch: 8]", 0, 0, x, 1, ib__isa_default()), 50);
    assert_int_equal(read_pass("[batch: 8]", 0, 1, y, 1, ib__isa_default()), 50);
    read_pass("[map: {x: {cast: uint8}}, batch: 8]", 0, 0, a, 1, ib__isa_default());
    for (size_t i = 0; i < 50 * EACH; i++)
        assert_true(a[i] == (float)(uint8_t)x[i]);
    static float hot[50 * 4];
    read_pass("[map: {y: {one_hot: 4}}, batch: 8]", 0, 1, hot, 1, ib__isa_default());
    for (size_t i = 0; i < 50; i++)
        for (size_t k = 0; k < 4; k++)
            assert_true(hot[4 * i + k] == (y[i] == (float)k ? 1 : 0));
    /* several fields, before and behind batch, several maps */
    read_pass("[map: {x: {cast: int32}, y: {one_hot: 9}}, batch: 7, map: {x: {cast: float64}}]", 0, 0, a, 1,
              ib__isa_default());
    for (size_t i = 0; i < 50 * EACH; i++)
        assert_true(a[i] == (float)(int)x[i]);
}

static void test_layers(void **unused) {
    (void)unused;
    read_pass("[map: [Rescaling: {scale: 0.5, offset: -1}], batch: 8]", 0, 0, a, 1, ib__isa_default());
    read_pass("[batch: 9, map: {x: [Rescaling: {scale: 0.5, offset: -1}]}]", 0, 0, b, 2, ib__isa_default());
    assert_memory_equal(a, b, sizeof a);
    for (size_t i = 0; i < 50 * EACH; i++)
        assert_true(a[i] == x[i] * 0.5f - 1);
    /* shapes change: rows 1 to 4, columns 1 to 3 */
    static float cut[50 * 4 * 3 * 2];
    read_pass("[map: [Cropping2D: {cropping: 1}, Flatten: {}], batch: 8]", 0, 0, cut, 1, ib__isa_default());
    for (size_t i = 0; i < 50; i++)
        for (size_t r = 0; r < 4; r++)
            assert_memory_equal(cut + i * 24 + r * 6, x + i * EACH + (r + 1) * 10 + 2, 6 * sizeof(float));
}

/* An element's numbers do not depend on how elements are put into batches; another pass has others. */
static void test_random(void **unused) {
    (void)unused;
    static const char *const same[] = {"[map: [Dropout: {rate: 0.5}], batch: 8]",
                                       "[map: [Dropout: {rate: 0.5}], batch: 13]",
                                       "[prefetch: 3, map: [Dropout: {rate: 0.5}], batch: 1]"};
    for (uint32_t pass = 0; pass < 3; pass++) {
        read_pass(same[0], pass, 0, a, 1, ib__isa_default());
        size_t dropped = 0;
        for (size_t i = 0; i < 50 * EACH; i++) {
            assert_true(a[i] == 0 || a[i] == 2 * x[i]);
            dropped += a[i] == 0;
        }
        assert_true(dropped > 1300 && dropped < 1700);
        for (size_t k = 1; k < 3; k++) {
            read_pass(same[k], pass, 0, b, 3, ib__isa_default());
            assert_memory_equal(a, b, sizeof a);
        }
    }
    read_pass(same[0], 0, 0, b, 1, ib__isa_default());
    assert_memory_not_equal(a, b, sizeof a);
    /* elements of a pass differ from each other, and a second map from the first */
    size_t equal = 0;
    for (size_t i = 0; i < EACH; i++)
        equal += (a[i] == 0) == (a[EACH + i] == 0);
    assert_true(equal > 10 && equal < 50);
    static float twice[50 * EACH];
    read_pass("[map: [Dropout: {rate: 0.5}], map: [Dropout: {rate: 0.5}], batch: 8]", 0, 0, twice, 1,
              ib__isa_default());
    equal = 0;
    for (size_t i = 0; i < 50 * EACH; i++)
        equal += (b[i] == 0) == (twice[i] == 0);
    assert_true(equal > 1900 && equal < 2500);
    /* a cache keeps the first pass's */
    read_pass("[map: [Dropout: {rate: 0.5}], cache, batch: 8]", 2, 0, twice, 2, ib__isa_default());
    assert_memory_equal(b, twice, sizeof twice);
}

static void test_same_bits(void **unused) {
    (void)unused;
    static const char *const pipelines[] = {"[map: [Rescaling: {scale: 0.3}, Dropout: {rate: 0.3}, Softmax: "
                                            "{}], shuffle: 20, batch: 8, prefetch: 2]",
                                            "[shuffle: 20, batch: 7, map: [Rescaling: {scale: 0.3}, Dropout: "
                                            "{rate: 0.3}, Softmax: {}], prefetch: 5]"};
    for (size_t i = 0; i < 2; i++) {
        read_pass(pipelines[i], 1, 0, a, 1, IB_ISA_REF);
        for (int isa = 0; isa < IB_ISA_COUNT; isa++) {
            if (!ib__isa_available((ib_isa)isa)) continue;
            for (size_t threads = 1; threads <= 8; threads *= 2) {
                read_pass(pipelines[i], 1, 0, b, threads, (ib_isa)isa);
                if (memcmp(a, b, sizeof a) != 0)
                    fail_msg("%s: other bits with isa %d, %zu threads", pipelines[i], isa, threads);
            }
        }
    }
}

static void test_resume(void **unused) {
    (void)unused;
    static const char *const pipelines[] = {
        "[shuffle: 30, map: [Dropout: {rate: 0.4}], batch: 6, prefetch: 2]",
        "[shuffle: 30, batch: 6, map: [Dropout: {rate: 0.4}], prefetch: 1]"};
    for (size_t i = 0; i < 2; i++) {
        ib_dataset *d = must_open(pipelines[i]);
        read_pass(pipelines[i], 4, 0, a, 2, ib__isa_default());
        for (size_t stop = 0; stop <= 9; stop++) {
            ib_batches *batches = make_batches(d, 2, ib__isa_default());
            const ib_batch *batch = NULL;
            ib_buf bytes = {0};
            size_t at = 0;
            assert_int_equal(ib__batches_begin(batches, 4, NULL), IB_OK);
            for (size_t k = 0; k <= 9; k++) {
                if (k == stop) {
                    ib__batches_save(batches, &bytes);
                    ib__batches_free(batches);
                    batches = make_batches(d, 1, ib__isa_default());
                    assert_int_equal(ib__batches_restore(batches, bytes.data, bytes.length, "state", NULL),
                                     IB_OK);
                }
                assert_int_equal(ib__batches_next(batches, &batch, NULL), IB_OK);
                if (batch == NULL) break;
                memcpy(b + at, batch->fields[0].data, batch->samples * EACH * sizeof *b);
                at += batch->samples * EACH;
            }
            assert_int_equal(at, 50 * EACH);
            assert_memory_equal(a, b, sizeof a);
            ib__buf_free(&bytes);
            ib__batches_free(batches);
        }
        ib__dataset_free(d);
    }
}

static void refuse(const char *pipeline, const char *where, const char *part) {
    char yaml[1024];
    ib_error err = {0};
    (void)snprintf(yaml, sizeof yaml, DATA "%s}", pipeline);
    ib_dataset *d = NULL;
    ib_status status = open_dataset(&d, yaml, NULL, &err);
    if (status == IB_OK || strstr(err.text, part) == NULL || strstr(err.where, where) == NULL)
        fail_msg("%s: expected \"%s\" at \"%s\", found %s: %s", pipeline, part, where, err.where, err.text);
}

static void test_refused(void **unused) {
    (void)unused;
    refuse("[map: 3]", "pipeline[0].map", "expected a list of layers, or");
    refuse("[map: []]", "pipeline[0].map.x", "expected a list of layers, {cast");
    refuse("[map: {z: {cast: uint8}}]", "pipeline[0].map.z", "no such field of the data");
    refuse("[map: {x: {cast: complex64}}]", "map.x.cast", "expected bool, uint8");
    refuse("[map: {x: {csat: uint8}}]", "map.x.csat", "did you mean 'cast'");
    refuse("[map: [Rescalin: {scale: 1}]]", "map.x", "nearest is Rescaling");
    refuse("[map: [Rescaling: {scales: 1}]]", "map.x", "scale");
    refuse("[map: [Dense: {units: 3}]]", "map.x", "a layer with weights");
    refuse("[map: [BatchNormalization: {}]]", "map.x", "mixes the samples");
    refuse("[map: [Reshape: {target_shape: [7]}]]", "map.x", "");
    /* a class that is not there is seen when its batch is made */
    ib_dataset *d = must_open("[map: {y: {one_hot: 3}}, batch: 50]");
    ib_batches *batches = make_batches(d, 2, ib__isa_default());
    const ib_batch *batch;
    ib_error err = {0};
    assert_int_equal(ib__batches_begin(batches, 0, NULL), IB_OK);
    assert_int_equal(ib__batches_next(batches, &batch, &err), IB_BAD_INPUT);
    assert_string_equal(err.text, "expected a class from 0 to 2, found 3.0");
    assert_non_null(strstr(err.where, "map.y"));
    ib__batches_free(batches);
    ib__dataset_free(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions), cmocka_unit_test(test_layers), cmocka_unit_test(test_random),
        cmocka_unit_test(test_same_bits), cmocka_unit_test(test_resume), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
