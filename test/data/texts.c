/* SPDX-License-Identifier: Apache-2.0
 *
 * Folders of texts beside Keras's text_dataset_from_directory; what is refused.
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
#include "numerics/texts.h"
#include "open.h"

/* Is [text, [label, ...]] among the pairs that are not yet taken? */
static bool take(const ib_value *pairs, bool *taken, const char *text, const ib_tensor *label) {
    for (size_t i = 0; i < pairs->count; i++) {
        const ib_value *numbers = ib__value_at(pairs->items[i], 1);
        bool same = !taken[i] && strcmp(ib__value_at(pairs->items[i], 0)->string, text) == 0;
        if (same) assert_int_equal(numbers->count, ib__shape_elements(&label->shape));
        for (size_t k = 0; same && k < numbers->count; k++) {
            double wanted = -1;
            assert_true(ib__value_number(numbers->items[k], &wanted));
            same = ib__tensor_at(label, k) == wanted;
        }
        if (!same) continue;
        taken[i] = true;
        return true;
    }
    return false;
}

static void compare(const ib_value *entry, const ib_value *pairs, size_t memory) {
    ib_entry q = {entry, "exp.yaml", "data.train", NULL, 812, memory, NULL};
    ib_source_part part;
    bool taken[64] = {false};
    assert_true(pairs->count > 2 && pairs->count < 64);
    assert_int_equal(ib__source_open(&part, &q, NULL, 0), IB_OK);
    assert_int_equal(part.count, pairs->count);
    const ib_elements *e = part.elements;
    assert_true(e->n_fields == 2 && e->fields[0].dtype == IB_TEXT);
    for (uint64_t i = 0; i < part.count; i++) {
        int32_t number;
        float room[8];
        void *out[] = {&number, room};
        size_t n;
        assert_int_equal(ib__elements_read(e, i, 1, out, NULL), IB_OK);
        const ib_tensor label = {e->fields[1].dtype, e->fields[1].shape, room};
        if (!take(pairs, taken, ib__text_of(number, &n), &label))
            fail_msg("Keras has no such text: %s", ib__text_of(number, &n));
    }
    ib__elements_free(part.elements);
}

static void test_keras(void **unused) {
    (void)unused;
    ib_buf text = {0};
    ib_value *tree = NULL;
    assert_int_equal(ib__file_read(&text, "test/golden/text_folder.json", 0, NULL), IB_OK);
    assert_int_equal(ib__json_parse(&tree, text.data, text.length, "text_folder.json", NULL), IB_OK);
    const ib_value *cases = ib__value_get(tree, "cases");
    assert_int_equal(cases->count, 5);
    for (size_t i = 0; i < 2 * cases->count; i++) {
        const ib_value *one = cases->items[i / 2];
        compare(ib__value_get(one, "entry"), ib__value_get(one, "pairs"), i % 2 * 10000);
    }
    ib__value_free(tree);
    ib__buf_free(&text);
}

static void refuse(const char *yaml, const char *part_of_text) {
    ib_source_part part;
    ib_error err = {0};
    ib_status status = open_entry(&part, yaml, NULL, 1000, &err);
    if (status != IB_BAD_INPUT || strstr(err.text, part_of_text) == NULL)
        fail_msg("%s: expected \"%s\", found %s", yaml, part_of_text, err.text);
}

static void test_refused(void **unused) {
    (void)unused;
    char *folder = NULL, path[300], yaml[400];
    assert_int_equal(ib__folder_temporary(&folder, NULL), IB_OK);
    snprintf(path, sizeof path, "%s/a", folder);
    assert_int_equal(ib__folder_make(path, NULL), IB_OK);
    snprintf(yaml, sizeof yaml, "{texts: %s}", folder);
    refuse(yaml, "expected texts (.txt), in a folder for each class, found none");
    snprintf(path, sizeof path, "%s/a/1.txt", folder);
    assert_int_equal(ib__file_write(path, "caf\xe9", 4, NULL), IB_OK);
    refuse(yaml, "expected UTF-8, found another byte at offset 3");
    refuse("{texts: test/golden/text_folder, max_length: 0}", "expected an integer from 1");
    refuse("{texts: test/golden/text_folder, image_size: [3, 3]}", "no such field");
    refuse("{texts: test/golden/text_folder, class_names: [frist]}", "did you mean first");
    ib__folder_discard(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_keras), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
