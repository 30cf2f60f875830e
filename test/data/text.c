/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts: words numbered as Keras's TextVectorization numbers them, windows of characters against plain loops,
 * what is no text.
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
#include "data/vocabulary.h"
#include "open.h"

#define GOLDEN "test/golden/data/"

static char folder[64];

static const char *in_folder(const char *name) {
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *bytes, size_t n) {
    assert_int_equal(ib__file_write(in_folder(name), bytes, n, NULL), IB_OK);
}

static int make_folder(void **unused) {
    (void)unused;
    (void)strcpy(folder, "/tmp/isobit-test-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **unused) {
    (void)unused;
    unlink(in_folder("t.txt"));
    unlink(in_folder("other.txt"));
    return rmdir(folder);
}

/* The vocabulary itself, and the numbers of all lines. */
static void test_words(void **unused) {
    (void)unused;
    static const char *const standards[] = {"none", "lower", "lower_and_strip_punctuation",
                                            "strip_punctuation"};
    ib_buf json = {0}, text = {0};
    ib_value *tree = NULL;
    size_t compared = 0;
    assert_int_equal(ib__file_read(&json, GOLDEN "words.json", 0, NULL), IB_OK);
    assert_int_equal(ib__file_read(&text, GOLDEN "text.txt", 0, NULL), IB_OK);
    assert_int_equal(ib__json_parse(&tree, json.data, json.length, "words.json", NULL), IB_OK);
    const ib_value *cases = ib__value_get(tree, "cases");
    for (size_t i = 0; i < cases->count; i++) {
        const ib_value *vocabulary = ib__value_get(cases->items[i], "vocabulary");
        const ib_value *numbers = ib__value_get(cases->items[i], "numbers");
        const ib_value *most = ib__value_get(cases->items[i], "max_tokens");
        const char *standard = ib__value_get(cases->items[i], "standardize")->string;
        size_t s = 0;
        while (strcmp(standards[s], standard) != 0)
            s++;
        ib_vocabulary *v = NULL;
        assert_int_equal(ib__vocabulary_new(&v, IB_TOKENS_WORDS, (ib_standard)s,
                                            most->kind == IB_INT ? (size_t)most->integer : 0, NULL),
                         IB_OK);
        for (size_t k = 0; k < text.length; k += 5) /* pieces that end anywhere */
            assert_int_equal(
                ib__vocabulary_count(v, text.data + k, text.length - k < 5 ? text.length - k : 5, "t", NULL),
                IB_OK);
        assert_int_equal(ib__vocabulary_close(v, "t", NULL), IB_OK);
        assert_int_equal(ib__vocabulary_size(v), vocabulary->count);
        for (size_t k = 0; k < vocabulary->count; k++)
            assert_string_equal(ib__vocabulary_text(v, k), vocabulary->items[k]->string);
        ib__vocabulary_free(v);
        char yaml[256], limit[40] = "";
        if (most->kind == IB_INT) (void)snprintf(limit, sizeof limit, ", max_tokens: %d", (int)most->integer);
        (void)snprintf(yaml, sizeof yaml,
                       "{text: " GOLDEN "text.txt, tokens: words, lines: 6, standardize: %s%s}", standard,
                       limit);
        ib_source_part part;
        int32_t x[6];
        void *out[] = {x};
        must_open(&part, yaml, NULL, i % 2 == 0 ? SIZE_MAX : 0);
        assert_int_equal(part.count, numbers->count);
        for (size_t line = 0; line < numbers->count; line++) {
            assert_int_equal(ib__elements_read(part.elements, line, 1, out, NULL), IB_OK);
            for (size_t k = 0; k < 6; k++, compared++)
                assert_int_equal(x[k], numbers->items[line]->items[k]->integer);
        }
        ib__elements_free(part.elements);
    }
    assert_int_equal(compared, 8 * 5 * 6);
    ib__value_free(tree);
    ib__buf_free(&json);
    ib__buf_free(&text);
}

/* ---- Characters ---- */

static const char letters[] = "b\xc3\xa9"
                              "a\xf0\x9f\x98\x80"
                              "a\xe2\x82\xac"
                              "b\n"; /* b é a 😀 a € b LF: 8 characters */
static const int32_t numbers[] = {2, 3, 1, 5, 1, 4, 2, 0};

static void check_windows(const char *settings, size_t window, size_t shift, bool last, size_t count) {
    for (size_t memory = 0; memory < 2; memory++) {
        char yaml[256];
        ib_source_part part;
        int32_t x[8], y[8];
        void *out[] = {x, y};
        (void)snprintf(yaml, sizeof yaml, "{text: t.txt%s}", settings);
        must_open(&part, yaml, folder, memory == 0 ? 0 : SIZE_MAX);
        assert_int_equal(part.count, count);
        assert_int_equal(part.elements->cheap, memory == 1);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(ib__elements_read(part.elements, i, 1, out, NULL), IB_OK);
            assert_memory_equal(x, numbers + i * shift, window * sizeof *x);
            if (last)
                assert_int_equal(y[0], numbers[i * shift + window]);
            else
                assert_memory_equal(y, numbers + i * shift + 1, window * sizeof *y);
        }
        ib__elements_free(part.elements);
    }
}

static void test_windows(void **unused) {
    (void)unused;
    write_file("t.txt", letters, sizeof letters - 1);
    check_windows(", window: 3", 3, 3, false, 2);
    check_windows(", window: 3, shift: 1, tokens: characters", 3, 1, false, 5);
    check_windows(", window: 7, targets: last", 7, 7, true, 1);
    check_windows(", window: 2, shift: 3, targets: last", 2, 3, true, 2);
}

static void test_lines(void **unused) {
    (void)unused;
    ib_source_part part;
    int32_t x[12];
    void *out[] = {x};
    write_file("t.txt", "abb a\n\nab\nb", 11);
    write_file("other.txt", "  abb", 5); /* blank 0, a 1, b 2 */
    must_open(&part, "{text: t.txt, lines: 3, tokens: bytes}", folder, 0);
    assert_int_equal(part.count, 4);
    assert_int_equal(ib__elements_read(part.elements, 0, 4, out, NULL), IB_OK);
    assert_true(x[0] == 'a' && x[2] == 'b' && x[3] == 0 && x[9] == 'b' && x[10] == 0);
    ib__elements_free(part.elements);
    must_open(&part, "{text: t.txt, lines: 3, tokens: words}", folder, 0);
    assert_int_equal(ib__elements_read(part.elements, 0, 4, out, NULL), IB_OK);
    /* each word once: by falling bytes b 2, abb 3, ab 4, a 5 */
    assert_true(x[0] == 3 && x[1] == 5 && x[2] == 0 && x[3] == 0 && x[6] == 4 && x[9] == 2);
    ib__elements_free(part.elements);
    must_open(&part, "{text: other.txt, lines: 5, vocabulary: t.txt}", folder, 0);
    assert_int_equal(part.elements->n_files, 2);
    assert_int_equal(ib__elements_read(part.elements, 0, 1, out, NULL), IB_OK);
    assert_true(x[0] == 1 && x[2] == 2 && x[4] == 3); /* LF 0, blank 1, a 2, b 3 */
    ib__elements_free(part.elements);
}

static void refuse(const char *bytes, size_t n, const char *yaml, const char *where, const char *part) {
    ib_source_part out = {0};
    ib_error err = {0};
    write_file("t.txt", bytes, n);
    ib_status status = open_entry(&out, yaml, folder, 0, &err);
    if (status == IB_OK || strstr(err.text, part) == NULL || strstr(err.where, where) == NULL)
        fail_msg("%s: expected \"%s\", found %s: %s: %s", yaml, part, ib_status_text(status), err.where,
                 err.text);
}

static void test_refused(void **unused) {
    (void)unused;
    const char *one = "{text: t.txt, window: 1}";
    refuse("ab\xff"
           "c",
           4, one, "t.txt", "UTF-8, found another byte at offset 2");
    refuse("ab\xc3", 3, one, "t.txt", "UTF-8, found another byte at offset 3");
    refuse("a\xc0\x80"
           "b",
           4, one, "t.txt", "offset 1"); /* NUL in two bytes */
    refuse("a\xed\xa0\x80"
           "b",
           5, one, "t.txt", "UTF-8"); /* a surrogate */
    refuse("a\xf4\x90\x80\x80"
           "b",
           6, one, "t.txt", "UTF-8"); /* above U+10FFFF */
    refuse("a\xe0\x80\xaf"
           "b",
           5, one, "t.txt", "UTF-8"); /* too long a form */
    refuse("a", 1, one, "t.txt", "at least 2 tokens for a window, found 1");
    refuse("", 0, "{text: t.txt, lines: 4}", "t.txt", "expected lines, found none");
    refuse("ab", 2, "{text: t.txt}", "data.train", "window: N or lines: N, found neither");
    refuse("ab", 2, "{text: t.txt, window: 1, lines: 1}", "data.train", "found both");
    refuse("ab", 2, "{text: t.txt, window: 1, max_tokens: 9}", "data.train", "are for words");
    refuse("ab", 2, "{text: t.txt, lines: 1, shift: 2}", "data.train", "are for windows");
    refuse("ab", 2, "{text: t.txt, window: 1, tokens: letters}", "tokens",
           "expected characters, words or bytes");
    write_file("other.txt", "xy", 2);
    refuse("ab", 2, "{text: t.txt, window: 1, vocabulary: other.txt}", "t.txt",
           "the character 'a' at offset 0 is not in");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
