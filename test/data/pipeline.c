/* SPDX-License-Identifier: Apache-2.0
 *
 * Pipelines: tf.data's own results for verbs without random order; shuffles against plain loops; and for
 * every pipeline one digest of order and content, whatever threads, prefetch, and however often it was
 * stopped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "data/npy.h"
#include "passes.h"

static char folder[64];

static const char *in_folder(const char *name) {
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int write_range(const char *name, int n, int dims) {
    int32_t numbers[64 * 4];
    for (int i = 0; i < 64 * 4; i++)
        numbers[i] = i;
    ib_tensor t = {IB_I32, {dims, {n, 4}}, numbers};
    return ib__npy_write(in_folder(name), &t, NULL) != IB_OK;
}

static int make_files(void **state) {
    (void)state;
    (void)strcpy(folder, "/tmp/isobit-test-XXXXXX");
    if (mkdtemp(folder) == NULL) return 1;
    return write_range("A.npy", 23, 1) | write_range("B.npy", 7, 1) | write_range("C.npy", 4, 1) |
           write_range("D.npy", 64, 2);
}

static int remove_files(void **state) {
    (void)state;
    static const char *const names[] = {"A.npy", "B.npy", "C.npy", "D.npy"};
    for (size_t i = 0; i < 4; i++)
        unlink(in_folder(names[i]));
    return rmdir(folder);
}

static ib_dataset *must_open(const char *yaml) {
    return must_open_dataset(yaml, folder);
}

static ib_batches *make_batches(const ib_dataset *d, size_t threads) {
    ib_batches *b = NULL;
    ib_error err = {0};
    ib_batching how = {.count = ib__dataset_count(d), .batch_size = 6, .threads = threads};
    if (ib__dataset_batches(&b, d, &how, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    return b;
}

/* ---- tf.data's results ---- */

static size_t flatten(const ib_value *list, int64_t *out) {
    size_t n = 0;
    if (list->kind == IB_INT) {
        *out = list->integer;
        return 1;
    }
    for (size_t i = 0; i < list->count; i++)
        n += flatten(list->items[i], out + n);
    return n;
}

static size_t compare_batches(const char *yaml, const ib_value *batches) {
    ib_dataset *d = must_open(yaml);
    ib_batches *b = make_batches(d, 2);
    size_t compared = 0, samples = 0;
    assert_int_equal(ib__batches_begin(b, 0, NULL), IB_OK);
    for (size_t i = 0; i < batches->count; i++) {
        int64_t wanted[256];
        const ib_batch *batch = next_batch(b);
        size_t n = flatten(batches->items[i], wanted);
        if (batch == NULL || batch->samples != batches->items[i]->count ||
            (size_t)ib__shape_elements(&batch->fields[0].shape) != n)
            fail_msg("%s: batch %zu has not %zu samples", yaml, i, batches->items[i]->count);
        for (size_t k = 0; k < n; k++, compared++)
            if (((int32_t *)batch->fields[0].data)[k] != wanted[k])
                fail_msg("%s: batch %zu, number %zu: expected %d, found %d", yaml, i, k, (int)wanted[k],
                         ((int32_t *)batch->fields[0].data)[k]);
        samples += batch->samples;
    }
    if (next_batch(b) != NULL) fail_msg("%s: more than %zu batches", yaml, batches->count);
    assert_int_equal(ib__dataset_count(d), samples);
    ib__batches_free(b);
    ib__dataset_free(d);
    return compared;
}

/* What tf.data makes of pipelines; test/long/pipelines.sh gives other ones. */
static const char *golden = "test/golden/pipelines.json";

static void test_tfdata(void **unused) {
    (void)unused;
    ib_buf text = {0};
    ib_value *tree = NULL;
    size_t compared = 0, empty = 0;
    assert_int_equal(ib__file_read(&text, golden, 0, NULL), IB_OK);
    assert_int_equal(ib__json_parse(&tree, text.data, text.length, "pipelines.json", NULL), IB_OK);
    const ib_value *cases = ib__value_get(tree, "cases");
    for (size_t i = 0; i < cases->count; i++) {
        const char *yaml = ib__value_get(cases->items[i], "entry")->string;
        const ib_value *batches = ib__value_get(cases->items[i], "batches");
        if (batches->count > 0) {
            compared += compare_batches(yaml, batches);
            continue;
        }
        ib_dataset *d = NULL;
        ib_error err = {0};
        assert_int_equal(open_dataset(&d, yaml, folder, &err), IB_BAD_INPUT);
        assert_non_null(strstr(err.text, "found none after the pipeline"));
        empty++;
    }
    assert_true(cases->count >= 35 && empty >= 2);
    assert_true(compared > 700);
    ib__value_free(tree);
    ib__buf_free(&text);
}

/* ---- Shuffles ---- */

/* All numbers of a pass, one after the other. */
static size_t numbers_of(const char *yaml, uint32_t pass, int32_t *out) {
    ib_dataset *d = must_open(yaml);
    ib_batches *b = make_batches(d, 1);
    size_t n = 0;
    const ib_batch *batch;
    assert_int_equal(ib__batches_begin(b, pass, NULL), IB_OK);
    while ((batch = next_batch(b)) != NULL) {
        memcpy(out + n, batch->fields[0].data, batch->samples * sizeof *out);
        n += batch->samples;
    }
    ib__batches_free(b);
    ib__dataset_free(d);
    return n;
}

/* The contract's words: a buffer is filled, one is drawn, the next takes its place. */
static void shuffle_plainly(int32_t *out, int n, int size, ib_stream stream, uint32_t epoch) {
    int32_t buffer[64];
    int filled = 0, next = 0;
    uint64_t word = 0;
    for (int i = 0; i < n; i++) {
        while (filled < size && next < n)
            buffer[filled++] = next++;
        uint32_t at = ib__stream_below(&stream, &word, 0, epoch, (uint32_t)filled);
        out[i] = buffer[at];
        if (next < n)
            buffer[at] = next++;
        else
            buffer[at] = buffer[--filled];
    }
}

static void check_shuffle(const char *yaml, int size, ib_stream stream, uint32_t pass, uint32_t epoch) {
    int32_t found[64], wanted[64];
    shuffle_plainly(wanted, 23, size, stream, epoch);
    assert_int_equal(numbers_of(yaml, pass, found), 23);
    assert_memory_equal(found, wanted, 23 * sizeof *found);
}

static void test_shuffle(void **unused) {
    (void)unused;
    ib_stream named = ib__stream(812, "data.train/shuffle", "shuffle"),
              own = ib__stream(7, "data", "shuffle");
    for (uint32_t pass = 0; pass < 3; pass++) {
        check_shuffle("{npy: {x: A.npy}, pipeline: [shuffle: 10]}", 10, named, pass, pass);
        check_shuffle("{npy: {x: A.npy}, pipeline: [prefetch: 1, shuffle: 23]}", 23, named, pass, pass);
        check_shuffle("{npy: {x: A.npy}, pipeline: [shuffle: {buffer_size: 1000, seed: 7}]}", 64, own, pass,
                      pass);
        check_shuffle("{npy: {x: A.npy}, pipeline: [shuffle: {buffer_size: 5, seed: 7, "
                      "reshuffle_each_iteration: false}]}",
                      5, own, pass, 0);
    }
    int32_t one[64], two[64];
    numbers_of("{npy: {x: A.npy}, pipeline: [shuffle: 23, shuffle: 23]}", 0, one);
    numbers_of("{npy: {x: A.npy}, pipeline: [shuffle: 23]}", 0, two);
    assert_memory_not_equal(one, two, sizeof one);
    /* each round of repeat has an order of its own, that of iteration 2 i + r */
    assert_int_equal(numbers_of("{npy: {x: A.npy}, pipeline: [shuffle: 23, repeat: 2]}", 1, one), 46);
    numbers_of("{npy: {x: A.npy}, pipeline: [shuffle: 23]}", 3, two);
    assert_memory_equal(one + 23, two, 23 * sizeof *one);
    /* a cache keeps the first order */
    numbers_of("{npy: {x: A.npy}, pipeline: [shuffle: 23, cache]}", 4, one);
    numbers_of("{npy: {x: A.npy}, pipeline: [shuffle: 23]}", 0, two);
    assert_memory_equal(one, two, 23 * sizeof *one);
}

/* Keras's shuffle="batch". */
static void test_within_batches(void **unused) {
    (void)unused;
    ib_dataset *d = must_open("{npy: {x: A.npy}}");
    ib_batches *b = NULL;
    ib_batching how = {.first = 2, .count = 21, .batch_size = 8, .shuffle = IB_SHUFFLE_BATCH, .threads = 1};
    how.stream = ib__stream(812, "fit", "shuffle");
    assert_int_equal(ib__dataset_batches(&b, d, &how, NULL), IB_OK);
    assert_int_equal(ib__batches_begin(b, 3, NULL), IB_OK);
    for (int block = 0; block < 3; block++) {
        const ib_batch *batch = next_batch(b);
        int32_t order[8];
        uint64_t word = 0;
        int n = block < 2 ? 8 : 5;
        assert_int_equal(batch->samples, n);
        for (int i = 0; i < n; i++)
            order[i] = 2 + 8 * block + i;
        for (int i = 0; i + 1 < n; i++) {
            int j = i + (int)ib__stream_below(&how.stream, &word, (uint32_t)block, 3, (uint32_t)(n - i));
            int32_t swap = order[i];
            order[i] = order[j];
            order[j] = swap;
        }
        assert_memory_equal(batch->fields[0].data, order, (size_t)n * sizeof *order);
    }
    assert_null(next_batch(b));
    ib__batches_free(b);
    ib__dataset_free(d);
}

/* ---- One digest ---- */

static const char *const pipelines[] = {
    "{npy: {x: D.npy}}",
    "{npy: {x: D.npy}, pipeline: [shuffle: 20, batch: 7, prefetch: %d]}",
    "{npy: {x: D.npy}, pipeline: [cache, shuffle: 50, repeat: 3, batch: 10, prefetch: %d]}",
    "{npy: {x: D.npy}, pipeline: [shuffle: 50, cache, repeat: 2, shuffle: 3, batch: 10, prefetch: %d]}",
    "{npy: {x: D.npy}, pipeline: [repeat, shuffle: 70, take: 200, batch: 9, prefetch: %d]}",
    "{npy: {x: D.npy}, pipeline: [shard: {num_shards: 3, index: 1}, skip: 2, shuffle: 5, batch: 4, prefetch: "
    "%d]}",
    "{npy: {x: D.npy}, pipeline: [shuffle: 9, window: {size: 4, shift: 2, stride: 3}, batch: 5, prefetch: "
    "%d]}",
    "{npy: {x: D.npy}, pipeline: [window: {size: 2, shift: 5}, shuffle: 9, batch: 3, prefetch: %d]}",
    "{npy: {x: D.npy}, pipeline: [batch: 5, shuffle: 6, repeat: 2, skip: 3, prefetch: %d]}",
    "{zip: [{npy: {x: {a: D.npy}}, pipeline: [shuffle: 64]}, {npy: {x: {b: D.npy}, y: D.npy}}], "
    "pipeline: [shuffle: 10, batch: 6, prefetch: %d]}",
    "{concatenate: [{npy: {x: A.npy}, pipeline: [shuffle: 8]}, {npy: {x: B.npy}}, {npy: {x: C.npy}}], "
    "pipeline: [shuffle: 12, batch: 5, prefetch: %d]}",
    "{interleave: [{npy: {x: A.npy}}, {npy: {x: B.npy}, pipeline: [shuffle: 7, repeat: 2]}, {npy: {x: "
    "C.npy}}], "
    "cycle_length: 2, block_length: 3, pipeline: [shuffle: 12, batch: 5, prefetch: %d]}",
    "{npy: {x: A.npy}, pipeline: [shuffle: 23, filter: {x: {less: 15}}, repeat: 2, batch: 4, prefetch: %d]}",
};
#define N_PIPELINES (sizeof pipelines / sizeof *pipelines)

static ib_dataset *open_pipeline(size_t i, int prefetch) {
    char yaml[512];
    (void)snprintf(yaml, sizeof yaml, pipelines[i], prefetch);
    return must_open(yaml);
}

/* Passes 0 and 3, the second one stopped after `stop` batches (SIZE_MAX: not) and gone on with elsewhere. */
static ib_digest digest_of(size_t pipeline, size_t threads, int prefetch, size_t stop, size_t *count) {
    ib_sha256 *state = ib__sha256_new();
    ib_dataset *d = open_pipeline(pipeline, prefetch);
    ib_batches *b = make_batches(d, threads);
    assert_int_equal(ib__batches_begin(b, 0, NULL), IB_OK);
    while (add_next(b, state))
        continue;
    assert_int_equal(ib__batches_begin(b, 3, NULL), IB_OK);
    *count = 0;
    while (*count < stop && add_next(b, state))
        (*count)++;
    if (stop != SIZE_MAX) {
        ib_buf bytes = {0};
        ib__batches_save(b, &bytes);
        ib__batches_free(b);
        ib__dataset_free(d);
        d = open_pipeline(pipeline, 5 - prefetch);
        b = make_batches(d, 3 - threads);
        assert_int_equal(ib__batches_restore(b, bytes.data, bytes.length, "state", NULL), IB_OK);
        while (add_next(b, state))
            continue;
        ib__buf_free(&bytes);
    }
    ib__batches_free(b);
    ib__dataset_free(d);
    return ib__sha256_end(state);
}

static void test_one_digest(void **unused) {
    (void)unused;
    static const size_t threads[] = {1, 2, 8};
    static const int prefetch[] = {0, 1, 3, 16};
    size_t compared = 0;
    for (size_t i = 0; i < N_PIPELINES; i++) {
        size_t count, ignored;
        ib_digest first = digest_of(i, 1, 0, SIZE_MAX, &count);
        assert_true(count > 1);
        for (size_t t = 0; t < 3; t++)
            for (size_t p = 0; p < 4; p++, compared++) {
                ib_digest d = digest_of(i, threads[t], prefetch[p], SIZE_MAX, &ignored);
                if (memcmp(&d, &first, sizeof d) != 0)
                    fail_msg("%s: another digest with %zu threads, prefetch %d", pipelines[i], threads[t],
                             prefetch[p]);
            }
        for (size_t stop = 0; stop <= count; stop++, compared++) {
            ib_digest d = digest_of(i, 1 + stop % 2, (int)(stop % 6), stop, &ignored);
            if (memcmp(&d, &first, sizeof d) != 0)
                fail_msg("%s: another digest when stopped after %zu batches", pipelines[i], stop);
        }
    }
    assert_true(compared > 250);
}

/* ---- What is refused ---- */

static void refuse(const char *yaml, const char *where, const char *part) {
    ib_dataset *d = NULL;
    ib_error err = {0};
    ib_status status = open_dataset(&d, yaml, folder, &err);
    if (status == IB_OK || strstr(err.text, part) == NULL || strstr(err.where, where) == NULL)
        fail_msg("%s: expected \"%s\" at \"%s\", found %s: %s: %s", yaml, part, where, ib_status_text(status),
                 err.where, err.text);
}

static void refuse_pipe(const char *pipe, const char *where, const char *part) {
    char yaml[512];
    (void)snprintf(yaml, sizeof yaml, "{npy: {x: A.npy}, pipeline: %s}", pipe);
    refuse(yaml, where, part);
}

static void test_refused(void **unused) {
    (void)unused;
    refuse_pipe("[shufle: 10]", "exp.yaml:1:30 data.train.pipeline[0]", "did you mean shuffle?");
    refuse_pipe("[xyz: 10]", "data.train.pipeline[0]", "expected one of cache, filter");
    refuse_pipe("shuffle", "data.train.pipeline", "expected a list of verbs");
    refuse_pipe("[3]", "pipeline[0]", "found an integer");
    refuse_pipe("[{batch: 2, take: 3}]", "pipeline[0]", "a map of several");
    refuse_pipe("[cache, shuffle]", "data.train.pipeline[1].shuffle", "'buffer_size' is missing");
    refuse_pipe("[shuffle: {buffer_size: 0}]", "pipeline[0].shuffle.buffer_size", "from 1 to");
    refuse_pipe("[shuffle: {bufer_size: 9}]", "pipeline[0].shuffle.bufer_size",
                "did you mean 'buffer_size'?");
    refuse_pipe("[shuffle: {buffer_size: 9, seed: x}]", "shuffle.seed", "expected an integer, found text");
    refuse_pipe("[batch: 4, batch: 2]", "pipeline[1].batch", "expected to stand before batch");
    refuse_pipe("[batch: 4, window: 2]", "pipeline[1].window", "before batch");
    refuse_pipe("[window: {size: 2, drop_remainder: false}]", "window.drop_remainder", "the same shape");
    refuse_pipe("[shard: {num_shards: 3, index: 3}]", "shard.index", "from 0 to 2, found 3");
    refuse_pipe("[shard: {num_shards: 3}]", "shard", "'index' is missing");
    refuse_pipe("[shuffle: {buffer_size: null}]", "shuffle", "'buffer_size' is missing");
    refuse_pipe("[window: {size}]", "window", "'size' is missing");
    refuse_pipe("[batch: {batch_size: null}]", "batch", "'batch_size' is missing");
    refuse_pipe("[shard: {num_shards: null, index: null}]", "shard", "'num_shards' is missing");
    refuse_pipe("[take: {count: null}]", "take", "'count' is missing");
    refuse_pipe("[cache: 3]", "pipeline[0].cache", "expected a map of arguments");
    refuse_pipe("[filter: {z: {less: 3}}]", "filter.z", "no such field of the data; there are x");
    refuse_pipe("[filter: {x: {les: 3}}]", "filter.x", "did you mean less");
    refuse_pipe("[filter: {x: 3}]", "filter.x", "expected conditions");
    refuse_pipe("[filter: {x: {less: a}}]", "filter.x", "expected a number, found text");
    refuse_pipe("[filter: {x: {is_in: 3}}]", "filter.x", "expected a list");
    refuse_pipe("[filter: {x: {less: -1}}]", "data.train", "found none after the pipeline");
    refuse_pipe("[skip: 23]", "data.train", "found none");
    refuse("{npy: {x: D.npy}, pipeline: [filter: {x: {less: 3}}]}", "filter.x", "one number");
    refuse("{zip: [{npy: {x: A.npy}}, {npy: {x: B.npy}}]}", "data.train.zip",
           "entries 0 and 1 both have a field x");
    refuse("{zip: []}", "data.train.zip", "expected a list of 1 to");
    refuse("{zip: [{npy: {x: A.npy}}, {npz: B.npz}]}", "data.train.zip[1]", "'x' is missing");
    refuse("{zip: [{npy: {x: A.npy}, pipeline: [batch: 2]}]}", "data.train.zip", "batch stands behind zip");
    refuse("{zip: [{npy: {x: A.npy}}], first: 3}", "data.train.first", "no such field");
    refuse("{concatenate: [{npy: {x: A.npy}}, {npy: {x: D.npy}}]}", "data.train.concatenate",
           "entry 1 has other fields");
    refuse("{interleave: [{npy: {x: A.npy}}], cycle_length: 0}", "data.train.cycle_length", "from 1 to");
    refuse("{npy: {x: A.npy}, pipline: []}", "data.train.pipline", "did you mean 'pipeline'?");
}

int main(int argc, char **argv) {
    if (argc > 1) golden = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tfdata),         cmocka_unit_test(test_shuffle),
        cmocka_unit_test(test_within_batches), cmocka_unit_test(test_one_digest),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
