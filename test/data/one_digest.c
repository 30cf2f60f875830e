/* SPDX-License-Identifier: Apache-2.0
 *
 * One digest of order and content for every kind of source: for 1, 2 and 8 threads, prefetch from 0 to 16,
 * folders that are listed backwards, each instruction set, and stopped after each batch.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "passes.h"

/* ---- Folders listed backwards: this readdir stands before the system's ---- */

static bool backwards;
static size_t turned;

typedef struct dirent *readdir_fn(DIR *folder);

static readdir_fn *system_readdir(void) {
    static readdir_fn *found;
    if (found == NULL) {
        void *symbol = dlsym(RTLD_NEXT, "readdir");
        memcpy(&found, &symbol, sizeof found);
    }
    return found;
}

/* One folder at a time, as the library reads them. The entries are kept until the next one is opened. */
struct dirent *readdir(DIR *folder) {
    static struct dirent entries[256];
    static DIR *open;
    static size_t left;
    if (!backwards) return system_readdir()(folder);
    if (open != folder || left == 0) {
        const struct dirent *entry;
        if (open == folder) {
            open = NULL;
            return NULL;
        }
        open = folder;
        while (left < 256 && (entry = system_readdir()(folder)) != NULL)
            memcpy(&entries[left++], entry, entry->d_reclen);
        turned += left > 3;
        if (left == 0) return NULL;
    }
    return &entries[--left];
}

/* ---- Digests ---- */

static const char *const entries[] = {
    "{images: test/golden/images/classes, image_size: [9, 7], labels: inferred, pipeline: [shuffle: 20, "
    "map: [Rescaling: {scale: 0.007}, Dropout: {rate: 0.3}], batch: 3, prefetch: %d]}",
    "{images: test/golden/images/classes, image_size: [9, 7], pipeline: [cache, repeat: 2, batch: 4, map: "
    "{x: [Dropout: {rate: 0.3}], y: {one_hot: 9}}, prefetch: %d]}",
    "{text: test/golden/data/text.txt, window: 10, shift: 3, pipeline: [shuffle: 30, batch: 4, prefetch: "
    "%d]}",
    "{text: test/golden/data/text.txt, tokens: words, lines: 5, pipeline: [shard: {num_shards: 2, index: "
    "1}, batch: 1, map: {x: {cast: float32}}, prefetch: %d]}",
    "{csv: examples/digits/digits.csv, label: label, first: 70, pipeline: [filter: {y: {less: 7}}, "
    "shuffle: 20, batch: 8, map: [Softmax: {}], prefetch: %d]}",
    "{hdf5: test/golden/data/arrays.h5, x: packed/f4be, y: plain/i8, pipeline: [shuffle: 57, window: 3, "
    "batch: 5, prefetch: %d]}",
    "{npz: test/golden/data/arrays.npz, x: f4, y: f8, pipeline: [shuffle: 9, batch: 8, prefetch: %d]}",
    "{tfrecord: [test/golden/tfrecord/first.tfrecord, test/golden/tfrecord/second.tfrecord], x: image, y: "
    "label, features: {label: {dtype: int64}, image: {decode: image, image_size: [4, 5]}}, pipeline: "
    "[shuffle: 6, batch: 4, prefetch: %d]}",
    "{texts: test/golden/text_folder, seed: 3, pipeline: [shuffle: 5, map: [Hashing: {num_bins: 1000}], "
    "batch: "
    "4, prefetch: %d]}",
    "{tfrecord: test/golden/tfrecord/texts.tfrecord, x: text, y: number, first: 3, features: {text: {decode: "
    "text}, number: {dtype: int64}}, pipeline: [repeat: 3, batch: 2, map: [Hashing: {num_bins: 99}], "
    "prefetch: "
    "%d]}",
    "{zip: [{csv: examples/verses/verses.csv, features: [text], strings: [text], first: 20}, {npz: "
    "test/golden/data/arrays.npz, x: {z: f4}, y: f8}], pipeline: [map: {x: [Hashing: {num_bins: 999}]}, "
    "shuffle: "
    "7, batch: 4, prefetch: %d]}",
    "{concatenate: [{csv: examples/digits/digits.csv, label: label, rows: [9, 20]}, {csv: "
    "examples/digits/digits.csv, label: label, rows: [50, 61], pipeline: [shuffle: 9]}], pipeline: [shuffle: "
    "5, "
    "batch: 4, prefetch: %d]}",
    "{interleave: [{synthetic: 20, fields: {x: {shape: [3]}}}, {synthetic: 30, fields: {x: {shape: [3], "
    "normal: [0, 1]}}}], block_length: 4, pipeline: [map: [Dropout: {rate: 0.3}], batch: 7, prefetch: %d]}",
};
#define N_ENTRIES (sizeof entries / sizeof *entries)

static ib_dataset *open_numbered(size_t i, int prefetch) {
    char yaml[512];
    (void)snprintf(yaml, sizeof yaml, entries[i], prefetch);
    return must_open_dataset(yaml, NULL);
}

static ib_batches *make_batches(const ib_dataset *d, size_t threads, ib_isa isa) {
    ib_batches *b = NULL;
    ib_error err = {0};
    ib_batching how = {.batch_size = 6, .threads = threads, .kernels = ib__kernels_for(isa)};
    if (ib__dataset_batches(&b, d, &how, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    return b;
}

/* How one pass is made. stop: after so many batches the position is saved, and others go on from there. */
typedef struct way {
    size_t threads, stop;
    int prefetch;
    ib_isa isa;
} way;

static ib_digest digest_of(size_t entry, const way *w, size_t *count) {
    ib_sha256 *state = ib__sha256_new();
    ib_dataset *d = open_numbered(entry, w->prefetch);
    ib_batches *b = make_batches(d, w->threads, w->isa);
    assert_int_equal(ib__batches_begin(b, 2, NULL), IB_OK);
    *count = 0;
    while (*count < w->stop && add_next(b, state))
        (*count)++;
    if (w->stop != SIZE_MAX) {
        ib_buf bytes = {0};
        ib__batches_save(b, &bytes);
        ib__batches_free(b);
        b = make_batches(d, 3 - w->threads, w->isa);
        assert_int_equal(ib__batches_restore(b, bytes.data, bytes.length, "state", NULL), IB_OK);
        while (add_next(b, state))
            continue;
        ib__buf_free(&bytes);
    }
    ib__batches_free(b);
    ib__dataset_free(d);
    return ib__sha256_end(state);
}

static size_t compared;

static void expect(size_t entry, way w, const ib_digest *wanted, const char *what) {
    size_t ignored;
    ib_digest d = digest_of(entry, &w, &ignored);
    compared++;
    if (memcmp(&d, wanted, sizeof d) != 0)
        fail_msg("%s: another digest: %s, %zu threads, prefetch %d, stopped after %zu, %s", entries[entry],
                 what, w.threads, w.prefetch, w.stop, ib__isa_name(w.isa));
}

static void test_one_digest(void **unused) {
    (void)unused;
    static const size_t threads[] = {1, 2, 8};
    static const int prefetch[] = {0, 1, 16};
    for (size_t i = 0; i < N_ENTRIES; i++) {
        size_t count;
        const way plain = {1, SIZE_MAX, 0, IB_ISA_REF};
        ib_digest first = digest_of(i, &plain, &count);
        assert_true(count > 1);
        for (size_t k = 0; k < 9; k++)
            expect(i, (way){threads[k / 3], SIZE_MAX, prefetch[k % 3], IB_ISA_REF}, &first, "threads");
        for (int isa = 0; isa < IB_ISA_COUNT; isa++)
            if (ib__isa_available((ib_isa)isa))
                expect(i, (way){2, SIZE_MAX, 1, (ib_isa)isa}, &first, "instruction set");
        for (size_t stop = 0; stop <= count; stop++)
            expect(i, (way){1 + stop % 2, stop, (int)(stop % 3), IB_ISA_REF}, &first, "resumed");
        backwards = true;
        expect(i, plain, &first, "folders backwards");
        backwards = false;
    }
    assert_true(compared > 150);
    assert_true(turned >= 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_digest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
