/* SPDX-License-Identifier: Apache-2.0
 *
 * HDF5 data sets that h5py wrote, plain and packed, in memory and outside; what is refused; damaged files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "data/npz.h"
#include "open.h"

#define GOLDEN "test/golden/data/"

static const char *const names[] = {"f4", "f8", "f4be", "u1", "i2be", "i8", "bool"};
#define COUNT 7

static void test_arrays(void **unused) {
    (void)unused;
    size_t compared = 0;
    for (size_t i = 0; i < COUNT; i++) {
        ib_tensor wanted = {0};
        assert_int_equal(ib__npz_read(&wanted, GOLDEN "arrays.npz", names[i], NULL), IB_OK);
        for (int k = 0; k < 4; k++) {
            char yaml[256];
            ib_source_part part;
            double room[57 * 8];
            void *out[] = {room};
            (void)snprintf(yaml, sizeof yaml, "{hdf5: " GOLDEN "arrays.h5, x: %s/%s}",
                           k % 2 ? "/packed" : "plain", names[i]);
            must_open(&part, yaml, NULL, k < 2 ? SIZE_MAX : 16);
            const ib_data_field *f = &part.elements->fields[0];
            assert_int_equal(part.count, 57);
            assert_int_equal(f->dtype, wanted.dtype);
            assert_int_equal(f->shape.rank + 1, wanted.shape.rank);
            assert_int_equal(part.elements->cheap, k < 2);
            assert_int_equal(ib__elements_read(part.elements, 0, 57, out, NULL), IB_OK);
            size_t n = (size_t)ib__shape_elements(&wanted.shape) * ib__dtype_size(wanted.dtype);
            assert_memory_equal(room, wanted.data, n);
            compared += n;
            ib__elements_free(part.elements);
        }
        ib__tensor_free(&wanted);
    }
    assert_true(compared > 16000);
}

static void refuse(const char *yaml, const char *where, const char *text) {
    ib_source_part out = {0};
    ib_error err = {0};
    ib_status status = open_entry(&out, yaml, NULL, 0, &err);
    if (status == IB_OK || strstr(err.text, text) == NULL || strstr(err.where, where) == NULL)
        fail_msg("%s: expected \"%s\" at \"%s\", found %s: %s: %s", yaml, text, where, ib_status_text(status),
                 err.where, err.text);
}

static void test_refused(void **unused) {
    (void)unused;
#define FILE_ "{hdf5: " GOLDEN "arrays.h5, x: "
    refuse(FILE_ "nothing}", "data.train.x", "there is no nothing in");
    refuse(FILE_ "plain}", "arrays.h5", "expected a data set, found a group");
    refuse(FILE_ "text}", "arrays.h5", "found another type");
    refuse(FILE_ "half}", "arrays.h5", "found another type");
    refuse(FILE_ "scalar}", "arrays.h5", "found no array");
    refuse(FILE_ "soft}", "arrays.h5", "a link to another place");
    refuse(FILE_ "out}", "arrays.h5", "a link to another place");
    refuse(FILE_ "plain/f4, y: few}", "data.train",
           "as many samples in x as in y, found x (57, 3, 2) and y (3, 2)");
    refuse("{hdf5: " GOLDEN "text.txt, x: a}", "text.txt", "no HDF5 file");
    refuse("{hdf5: nowhere.h5, x: a}", "nowhere.h5", "No such file");
    refuse("{hdf5: test, x: a}", "test", "expected a file");
}

/* Cut and changed files: an error or an array, never more. */
static void test_damaged(void **unused) {
    (void)unused;
    char path[] = "/tmp/isobit-test-XXXXXX", yaml[128];
    ib_buf file = {0};
    size_t refused = 0, tried = 0;
    int end = mkstemp(path);
    assert_true(end >= 0 && close(end) == 0);
    assert_int_equal(ib__file_read(&file, GOLDEN "arrays.h5", 0, NULL), IB_OK);
    for (size_t i = 0; i < 40; i++, tried++) {
        ib_source_part part = {0};
        size_t at = i * 911 % file.length, n = i % 4 == 0 ? at : file.length;
        file.data[at] = (char)(file.data[at] ^ 1 << i % 8);
        FILE *f = fopen(path, "wb");
        assert_int_equal(fwrite(file.data, 1, n, f), n);
        assert_int_equal(fclose(f), 0);
        (void)snprintf(yaml, sizeof yaml, "{hdf5: %s, x: %s/f4, y: packed/u1}", path,
                       i % 2 ? "packed" : "plain");
        refused += open_entry(&part, yaml, NULL, 0, NULL) != IB_OK;
        ib__elements_free(part.elements);
        file.data[at] = (char)(file.data[at] ^ 1 << i % 8);
    }
    assert_true(refused > 10 && refused < tried);
    unlink(path);
    ib__buf_free(&file);
}

/* A file of a kilobyte that says to hold four hundred megabytes, in chunks that nobody wrote. */
static void test_unwritten(void **unused) {
    (void)unused;
    char path[] = "/tmp/isobit-test-XXXXXX", yaml[64];
    int end = mkstemp(path);
    assert_true(end >= 0 && close(end) == 0);
    hsize_t count = 100000000, chunk = 1000;
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate_simple(1, &count, NULL), list = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_chunk(list, 1, &chunk) >= 0);
    hid_t set = H5Dcreate2(file, "x", H5T_IEEE_F32LE, space, H5P_DEFAULT, list, H5P_DEFAULT);
    assert_true(set >= 0);
    H5Dclose(set);
    H5Pclose(list);
    H5Sclose(space);
    H5Fclose(file);
    (void)snprintf(yaml, sizeof yaml, "{hdf5: %s, x: x}", path);
    refuse(yaml, path, "found 400000000 bytes, of which 0 are stored");
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_unwritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
