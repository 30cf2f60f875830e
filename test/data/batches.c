/* SPDX-License-Identifier: Apache-2.0
 *
 * Batches: what is in them and in which order, for any number of threads and batches made ahead, and when
 * stopped and restored after every batch.
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

#define SAMPLES 103

/* x: [3] float32, three numbers of the sample; y: [] int32, its number; NULL threads: not cheap. */
static ib_elements *make_elements(void) {
    ib_tensor arrays[2];
    ib_elements *e = NULL;
    ib_shape x = {2, {SAMPLES, 3}}, y = {1, {SAMPLES}};
    const char *const names[] = {"x", "y"};
    assert_int_equal(ib__tensor_new(&arrays[0], IB_F32, &x, NULL), IB_OK);
    assert_int_equal(ib__tensor_new(&arrays[1], IB_I32, &y, NULL), IB_OK);
    for (int i = 0; i < SAMPLES; i++) {
        ((int32_t *)arrays[1].data)[i] = i;
        for (int k = 0; k < 3; k++)
            ((float *)arrays[0].data)[3 * i + k] = (float)(i * 10 + k);
    }
    assert_int_equal(ib__elements_from_arrays(&e, arrays, names, 2, NULL), IB_OK);
    assert_null(arrays[0].data);
    return e;
}

static ib_stage *make_stage(const ib_elements *e, size_t size, bool shuffle, bool drop) {
    ib_stream stream = ib__stream(812, "fit", "shuffle");
    ib_stage *s = ib__stage_elements(e, 1, SAMPLES - 1);
    if (shuffle) s = ib__stage_order(s, &stream);
    return ib__stage_batch(s, size, drop);
}

static ib_batches *make_batches(const ib_elements *e, size_t size, bool shuffle, bool drop, size_t prefetch,
                                size_t threads) {
    ib_batches *b = NULL;
    assert_int_equal(ib__batches_new(&b, make_stage(e, size, shuffle, drop), prefetch, threads, NULL), IB_OK);
    return b;
}

/* Two passes, the second one numbered 5. */
static ib_digest digest_of(ib_batches *b) {
    ib_sha256 *state = ib__sha256_new();
    for (uint32_t pass = 0; pass < 10; pass += 5) {
        assert_int_equal(ib__batches_begin(b, pass, NULL), IB_OK);
        while (add_next(b, state))
            continue;
    }
    return ib__sha256_end(state);
}

/* The samples themselves, against plain loops. */
static void test_content(void **unused) {
    (void)unused;
    ib_elements *e = make_elements();
    ib_stream stream = ib__stream(812, "fit", "shuffle");
    uint32_t order[SAMPLES];
    ib_batches *b = make_batches(e, 10, true, false, 0, 1);
    const ib_batch *batch;
    size_t n, seen = 0;
    assert_int_equal(ib__batches_count(b), 11);
    assert_int_equal(ib__batches_next(b, &batch, NULL), IB_INTERNAL);
    ib__stream_shuffle(&stream, 3, order, SAMPLES - 1);
    assert_int_equal(ib__batches_begin(b, 3, NULL), IB_OK);
    const ib_data_field *fields = ib__batches_fields(b, &n);
    assert_int_equal(n, 2);
    assert_string_equal(fields[0].name, "x");
    assert_int_equal(fields[0].shape.rank, 1);
    for (;;) {
        assert_int_equal(ib__batches_next(b, &batch, NULL), IB_OK);
        if (batch == NULL) break;
        assert_int_equal(batch->samples, seen + 10 <= SAMPLES - 1 ? 10 : (SAMPLES - 1) % 10);
        assert_int_equal(batch->fields[0].shape.dims[0], batch->samples);
        for (size_t i = 0; i < batch->samples; i++, seen++) {
            int number = (int)order[seen] + 1;
            assert_int_equal(((int32_t *)batch->fields[1].data)[i], number);
            assert_true(ib__tensor_at(&batch->fields[0], 3 * i + 2) == number * 10 + 2);
        }
    }
    assert_int_equal(seen, SAMPLES - 1);
    ib__batches_free(b);
    b = make_batches(e, 10, false, true, 0, 1);
    assert_int_equal(ib__batches_count(b), 10);
    assert_int_equal(ib__batches_begin(b, 0, NULL), IB_OK);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(ib__batches_next(b, &batch, NULL), IB_OK);
        assert_int_equal(((int32_t *)batch->fields[1].data)[9], 10 * i + 10);
    }
    assert_int_equal(ib__batches_next(b, &batch, NULL), IB_OK);
    assert_null(batch);
    ib__batches_free(b);
    ib__elements_free(e);
}

static void test_threads_and_prefetch(void **unused) {
    (void)unused;
    static const size_t threads[] = {1, 2, 8}, prefetch[] = {0, 1, 2, 5, 16};
    ib_elements *e = make_elements();
    for (size_t size = 1; size <= 200; size += size < 10 ? 3 : 95) {
        ib_digest first = {{0}};
        for (size_t t = 0; t < 3; t++) {
            for (size_t p = 0; p < 5; p++) {
                ib_batches *b = make_batches(e, size, true, false, prefetch[p], threads[t]);
                ib_digest d = digest_of(b);
                if (t == 0 && p == 0) first = d;
                assert_memory_equal(&d, &first, sizeof d);
                ib__batches_free(b);
            }
        }
    }
    ib__elements_free(e);
}

/* Saved after `stop` batches of pass 2 with one prefetch and restored with another. */
static ib_digest stopped(const ib_elements *e, bool shuffle, size_t stop, size_t before, size_t after) {
    ib_sha256 *state = ib__sha256_new();
    ib_buf bytes = {0};
    ib_batches *b = make_batches(e, 8, shuffle, false, before, before + 1);
    assert_int_equal(ib__batches_begin(b, 2, NULL), IB_OK);
    for (size_t i = 0; i < stop; i++)
        assert_true(add_next(b, state));
    ib__batches_save(b, &bytes);
    ib__batches_free(b);
    b = make_batches(e, 8, shuffle, false, after, after + 1);
    assert_int_equal(ib__batches_restore(b, bytes.data, bytes.length, "state", NULL), IB_OK);
    ib__buf_free(&bytes);
    ib__batches_save(b, &bytes); /* and once more, before anything is drawn */
    assert_int_equal(ib__batches_restore(b, bytes.data, bytes.length, "state", NULL), IB_OK);
    while (add_next(b, state))
        continue;
    ib__batches_free(b);
    ib__buf_free(&bytes);
    return ib__sha256_end(state);
}

static void test_resume(void **unused) {
    (void)unused;
    ib_elements *e = make_elements();
    for (int shuffle = 0; shuffle < 2; shuffle++) {
        ib_digest whole = stopped(e, shuffle, 0, 0, 0);
        for (size_t stop = 0; stop <= 13; stop++) {
            for (size_t p = 0; p < 4; p++) {
                ib_digest d = stopped(e, shuffle, stop, p, 3 - p);
                assert_memory_equal(&d, &whole, sizeof d);
            }
        }
    }
    ib__elements_free(e);
}

static void test_bad_position(void **unused) {
    (void)unused;
    ib_elements *e = make_elements();
    ib_buf bytes = {0};
    ib_batches *b = make_batches(e, 8, true, false, 1, 1);
    assert_int_equal(ib__batches_begin(b, 0, NULL), IB_OK);
    ib__batches_save(b, &bytes);
    for (size_t n = 0; n < bytes.length; n++)
        assert_int_equal(ib__batches_restore(b, bytes.data, n, "state", NULL), IB_BAD_INPUT);
    assert_int_equal(ib__batches_restore(b, bytes.data, bytes.length, "state", NULL), IB_OK);
    ib__buf_free(&bytes);
    ib__batches_free(b);
    ib__elements_free(e);
}

/* A source whose elements 40 and 77 cannot be read. */
static ib_status read_badly(const ib_elements *e, uint64_t first, size_t n, void *const *out, ib_error *err) {
    (void)e;
    for (uint64_t i = first; i < first + n; i++) {
        char where[32];
        (void)snprintf(where, sizeof where, "element %d", (int)i);
        if (i == 40 || i == 77) return ib__fail(err, IB_BAD_INPUT, where, "cannot be read");
        ((int32_t *)out[0])[i - first] = (int32_t)i;
    }
    return IB_OK;
}
static const ib_elements_class bad_class = {.size = sizeof(ib_elements), .read = read_badly};

static void test_errors(void **unused) {
    (void)unused;
    ib_elements *e = ib__elements_new(&bad_class);
    assert_true(ib__elements_add_field(e, "x", IB_I32, &(ib_shape){.rank = 0}));
    e->count = SAMPLES;
    for (size_t threads = 1; threads <= 8; threads *= 2) {
        for (size_t prefetch = 0; prefetch < 4; prefetch++) {
            const ib_batch *batch;
            ib_error err = {0};
            ib_batches *b = make_batches(e, 102, false, false, prefetch, threads);
            assert_int_equal(ib__batches_begin(b, 0, NULL), IB_OK);
            assert_int_equal(ib__batches_next(b, &batch, &err), IB_BAD_INPUT);
            assert_string_equal(err.where, "element 40");
            ib__batches_free(b);
        }
    }
    ib__elements_free(e);
}

/* Samples of 800 bytes, which the threads of the caller's pool copy; one that cannot be read is told, too. */
static void test_shared(void **unused) {
    (void)unused;
    ib_shape shape = {2, {SAMPLES, 200}};
    ib_tensor array;
    const char *const name = "x";
    ib_elements *e = NULL, *bad = ib__elements_new(&bad_class);
    assert_int_equal(ib__tensor_new(&array, IB_F32, &shape, NULL), IB_OK);
    for (int i = 0; i < SAMPLES * 200; i++)
        ((float *)array.data)[i] = (float)i;
    assert_int_equal(ib__elements_from_arrays(&e, &array, &name, 1, NULL), IB_OK);
    assert_true(ib__elements_add_field(bad, "x", IB_I32, &(ib_shape){.rank = 0}));
    assert_true(ib__elements_add_field(bad, "z", IB_F32, &(ib_shape){1, {200}}));
    bad->count = SAMPLES;
    ib_digest first = {{0}};
    for (size_t threads = 1; threads < 5; threads++) {
        ib_pool *pool;
        const ib_batch *batch;
        ib_error err = {0};
        assert_int_equal(ib__pool_new(&pool, threads, NULL), IB_OK);
        ib__pool_scramble(pool, (unsigned)threads);
        ib_batches *b = make_batches(e, 50, true, false, 0, 1);
        if (threads > 1) ib__batches_share(b, pool);
        ib_digest d = digest_of(b);
        if (threads == 1) first = d;
        assert_memory_equal(&d, &first, sizeof d);
        ib__batches_free(b);
        b = make_batches(bad, 102, false, false, 0, 1);
        ib__batches_share(b, pool);
        assert_int_equal(ib__batches_begin(b, 0, NULL), IB_OK);
        assert_int_equal(ib__batches_next(b, &batch, &err), IB_BAD_INPUT);
        assert_string_equal(err.where, "element 40");
        ib__batches_free(b);
        ib__pool_free(pool);
    }
    ib__elements_free(bad);
    ib__elements_free(e);
}

static void test_arrays(void **unused) {
    (void)unused;
    ib_tensor arrays[2];
    ib_elements *e = NULL;
    ib_error err = {0};
    const char *const names[] = {"x", "y"};
    assert_int_equal(ib__tensor_new(&arrays[0], IB_F32, &(ib_shape){2, {4, 3}}, NULL), IB_OK);
    assert_int_equal(ib__tensor_new(&arrays[1], IB_I32, &(ib_shape){1, {5}}, NULL), IB_OK);
    assert_int_equal(ib__elements_from_arrays(&e, arrays, names, 2, &err), IB_BAD_INPUT);
    assert_string_equal(err.text, "expected 4 samples, found the shape (5,)");
    assert_int_equal(ib__elements_from_arrays(&e, arrays, names, 1, &err), IB_OK);
    float out[3];
    void *to[] = {out};
    assert_int_equal(ib__elements_read(e, 4, 1, to, &err), IB_INTERNAL);
    assert_int_equal(ib__elements_read(e, 3, 1, to, &err), IB_OK);
    ib__elements_free(e);
    ib__tensor_free(&arrays[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content), cmocka_unit_test(test_threads_and_prefetch),
        cmocka_unit_test(test_resume),  cmocka_unit_test(test_bad_position),
        cmocka_unit_test(test_errors),  cmocka_unit_test(test_shared),
        cmocka_unit_test(test_arrays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
