/* SPDX-License-Identifier: Apache-2.0
 *
 * Splits of data entries: the rows of real libraries reach the elements, in their order.
 */
#include "golden.h"

#include <stdlib.h>
#include <unistd.h>

#include "open.h"

enum { ROWS = 1000 };
static char folder[64];

/* t.csv: row i holds i and i mod 3. */
static int make_files(void **state) {
    (void)state;
    ib_buf text = {0};
    char path[128];
    strcpy(folder, "/tmp/isobit-test-XXXXXX");
    if (mkdtemp(folder) == NULL) return 1;
    ib__buf_text(&text, "number,kind\n");
    for (int i = 0; i < ROWS; i++)
        ib__buf_printf(&text, "%d,%d\n", i, i % 3);
    snprintf(path, sizeof path, "%s/t.csv", folder);
    int failed = text.failed || ib__file_write(path, text.data, text.length, NULL) != IB_OK;
    ib__buf_free(&text);
    return failed;
}

static int remove_files(void **state) {
    char path[128];
    (void)state;
    snprintf(path, sizeof path, "%s/t.csv", folder);
    unlink(path);
    return rmdir(folder);
}

static void read_rows(const ib_source_part *part, float x[ROWS], int64_t y[ROWS]) {
    void *out[] = {x, y};
    ib_error err = {0};
    assert_true(part->count <= ROWS);
    if (ib__elements_read(part->elements, part->first, (size_t)part->count, out, &err) != IB_OK)
        fail_msg("%s", err.text);
    ib_tensor labels = {part->elements->fields[1].dtype, {0}, y};
    for (uint64_t i = 0; i < part->count; i++)
        assert_true(ib__tensor_at(&labels, i) == (double)((int64_t)x[i] % 3));
}

/* The cases split-* of streams_more, with and without `part`. */
static void test_golden(void **state) {
    (void)state;
    golden g;
    size_t compared = 0;
    golden_open(&g, "streams_more");
    for (size_t i = 0; i < g.cases->count; i++) {
        const ib_value *c = g.cases->items[i], *params = ib__value_get(c, "params");
        const char *name = golden_text(c, "name");
        if (strncmp(name, "split-", 6) != 0) continue;
        ib_buf split = {0};
        assert_true(ib__json_write(&split, ib__value_get(params, "split"), IB_JSON_PYTHON));
        for (int test = 0; test < 2; test++) {
            char yaml[1024];
            float x[ROWS];
            int64_t y[ROWS];
            ib_source_part part;
            ib_tensor expected;
            snprintf(yaml, sizeof yaml, "{csv: t.csv, label: kind, first: %d, split: %.*s%s}",
                     (int)ib__value_get(params, "n")->integer, (int)split.length - 1, split.data,
                     test ? ", part: test}" : "}");
            must_open(&part, yaml, folder, SIZE_MAX);
            read_rows(&part, x, y);
            assert_true(golden_array(&g, name, test ? "test" : "train", &expected));
            assert_int_equal(ib__shape_elements(&expected.shape), part.count);
            for (size_t k = 0; k < part.count; k++)
                assert_true((double)x[k] == ib__tensor_at(&expected, k));
            ib__tensor_free(&expected);
            ib__elements_free(part.elements);
            compared++;
        }
        ib__buf_free(&split);
    }
    golden_close(&g);
    assert_int_equal(compared, 22);
}

/* Two splits after each other cut in three; rows: come first; the experiment's seed is taken. */
static void test_lists(void **state) {
    (void)state;
    static const char *const parts[] = {"split: {test: 0.2, part: test}",
                                        "split: [{test: 0.2}, {by: python.random, test: 0.25, part: test}]",
                                        "split: [{test: 0.2}, {by: python.random, test: 0.25}]"};
    static const size_t counts[] = {40, 40, 120};
    bool seen[ROWS] = {false};
    for (size_t k = 0; k < 3; k++) {
        char yaml[256];
        float x[ROWS];
        int64_t y[ROWS];
        ib_source_part part;
        snprintf(yaml, sizeof yaml, "{csv: t.csv, label: kind, rows: [300, 500], %s}", parts[k]);
        must_open(&part, yaml, folder, SIZE_MAX);
        assert_int_equal(part.count, counts[k]);
        read_rows(&part, x, y);
        for (size_t i = 0; i < part.count; i++) {
            size_t row = (size_t)x[i];
            assert_true(row >= 300 && row < 500 && !seen[row]);
            seen[row] = true;
        }
        ib_digest whole = digest_elements(&part, ROWS), pieces = digest_elements(&part, 7);
        assert_memory_equal(&whole, &pieces, sizeof whole);
        ib__elements_free(part.elements);
    }
}

static void test_refused(void **state) {
    (void)state;
    static const char *const bad[][2] = {
        {"split: {test: 0.2, bye: isobit}", "unknown field \"bye\"; nearest is by"},
        {"split: 0.2", "expected a map"},
        {"split: [{test: 0.2}, {}]", "expected test or train"},
        {"split: {test: 300}", "300 to test"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char yaml[256];
        ib_error err = {0};
        ib_source_part part;
        snprintf(yaml, sizeof yaml, "{csv: t.csv, label: kind, first: 200, %s}", bad[i][0]);
        if (open_entry(&part, yaml, folder, SIZE_MAX, &err) != IB_BAD_INPUT || !strstr(err.text, bad[i][1]))
            fail_msg("%s: expected \"%s\", found \"%s\"", bad[i][0], bad[i][1], err.text);
        assert_non_null(strstr(err.where, "exp.yaml:1:"));
        assert_non_null(strstr(err.where, "data.train.split"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_lists),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
