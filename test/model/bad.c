/* SPDX-License-Identifier: Apache-2.0
 *
 * Malformed .keras files: each is refused with an error that names the file, or loads where Keras loads it,
 * in bounded time and memory; and thousands of files with flipped bytes.
 */
#include "model/predict.h"

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "random.h"

static char path[64];
static ib_buf valid;

static int setup(void **state) {
    (void)state;
    ib_error err = {0};
    (void)snprintf(path, sizeof path, "/tmp/isobit-test-%ld.keras", (long)getpid());
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    struct rlimit memory = {(rlim_t)2 << 30, (rlim_t)2 << 30};
    (void)setrlimit(RLIMIT_AS, &memory);
#endif
    return ib__file_read(&valid, "test/golden/bad/_valid.keras", 0, &err) != IB_OK;
}

static int teardown(void **state) {
    (void)state;
    ib__buf_free(&valid);
    return unlink(path);
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void write_case(const void *bytes, size_t n) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    if (n) assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static ib_status load(bool compiled, ib_error *err) {
    ib_model *model = NULL;
    double start = seconds();
    ib_status status = ib__keras_load(&model, path, compiled, err);
    assert_true(seconds() - start < 20);
    assert_true((status == IB_OK) == (model != NULL));
    assert_true(status == IB_OK || status == IB_NO_MEMORY || (strstr(err->where, path) && err->text[0]));
    ib__model_free(model);
    return status;
}

/* ---- test/golden/bad/cases.bin, in the format of pack.py beside it ---- */

typedef struct cursor {
    const unsigned char *at, *end;
} cursor;

static uint32_t take(cursor *c, int bytes) {
    uint32_t value = 0;
    assert_true(c->end - c->at >= bytes);
    for (int i = 0; i < bytes; i++)
        value |= (uint32_t)*c->at++ << (8 * i);
    return value;
}

static void unpack(cursor *c, ib_buf *out) {
    uint32_t parts = take(c, 4);
    for (uint32_t i = 0; i < parts; i++) {
        uint32_t offset = take(c, 4), length = take(c, 4);
        if (offset == UINT32_MAX) {
            assert_true((size_t)(c->end - c->at) >= length);
            assert_true(ib__buf_add(out, c->at, length));
            c->at += length;
            continue;
        }
        for (size_t j = offset; j < (size_t)offset + length; j++) {
            assert_true(j < valid.length + out->length);
            char byte = j < valid.length ? valid.data[j] : out->data[j - valid.length];
            assert_true(ib__buf_add(out, &byte, 1));
        }
    }
}

static void malformed(void **state) {
    (void)state;
    ib_buf packed = {0};
    ib_error err = {0};
    assert_int_equal(ib__file_read(&packed, "test/golden/bad/cases.bin", 0, &err), IB_OK);
    cursor c = {(unsigned char *)packed.data, (unsigned char *)packed.data + packed.length};
    size_t loaded = 0, refused = 0;
    while (c.at < c.end) {
        char name[256] = "";
        uint32_t length = take(&c, 1);
        for (uint32_t i = 0; i < length; i++)
            name[i] = (char)take(&c, 1);
        uint32_t expect = take(&c, 1);
        ib_buf bytes = {0};
        unpack(&c, &bytes);
        write_case(bytes.data, bytes.length);
        ib__buf_free(&bytes);
        err = (ib_error){0};
        ib_status status = load(false, &err);
        if (expect == 0 && status == IB_OK) fail_msg("%s was not refused", name);
        if (expect == 2 && status != IB_OK) fail_msg("%s: %s: %s", name, err.where, err.text);
        if (expect == 2 && load(true, &err) == IB_OK) fail_msg("%s was not refused for training", name);
        loaded += status == IB_OK;
        refused += status != IB_OK;
    }
    ib__buf_free(&packed);
    print_message("%zu loaded, %zu refused\n", loaded, refused);
    assert_true(loaded >= 8 && refused >= 180);
}

/* ---- Flipped bytes ---- */

static uint32_t next(uint64_t *s) {
    return (uint32_t)(random_next(s) >> 33);
}

/* The zip's CRCs would find every flip, so they are kept right: the members are packed anew. */
static void flipped(void **state) {
    (void)state;
    const char *rounds = getenv("ISOBIT_FLIPS");
    int n = rounds ? atoi(rounds) : 400, loaded = 0;
    ib_error err = {0};
    ib_zip *zip = NULL;
    ib_buf config = {0}, h5 = {0};
    write_case(valid.data, valid.length);
    assert_int_equal(load(true, &err), IB_OK);
    assert_int_equal(ib__zip_open(&zip, "test/golden/bad/_valid.keras", &err), IB_OK);
    assert_int_equal(ib__zip_read(zip, "config.json", 0, &config, &err), IB_OK);
    assert_int_equal(ib__zip_read(zip, "model.weights.h5", 0, &h5, &err), IB_OK);
    ib__zip_close(zip);
    uint64_t s = 812;
    for (int i = 0; i < n; i++) {
        ib_buf packed = {0};
        bool raw = i % 4 == 0;
        ib_buf *target = raw ? &valid : i % 4 == 1 ? &config : &h5;
        uint32_t count = 1 + next(&s) % 4, places[4];
        char before[4];
        for (uint32_t k = 0; k < count; k++) {
            places[k] = next(&s) % (uint32_t)target->length;
            before[k] = target->data[places[k]];
            target->data[places[k]] = (char)next(&s);
        }
        ib_zip_member members[] = {{"metadata.json", "{}", 2},
                                   {"config.json", config.data, config.length},
                                   {"model.weights.h5", h5.data, h5.length}};
        if (raw)
            assert_true(ib__buf_add(&packed, valid.data, valid.length));
        else
            assert_int_equal(ib__zip_pack(&packed, members, 3, &err), IB_OK);
        for (uint32_t k = count; k-- > 0;)
            target->data[places[k]] = before[k];
        write_case(packed.data, packed.length);
        ib__buf_free(&packed);
        ib_error found = {0};
        loaded += load(i % 2, &found) == IB_OK;
    }
    ib__buf_free(&config);
    ib__buf_free(&h5);
    print_message("%d of %d loaded\n", loaded, n);
    assert_true(loaded > 0 && loaded < n);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(malformed), cmocka_unit_test(flipped)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
