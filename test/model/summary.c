/* SPDX-License-Identifier: Apache-2.0
 *
 * The summary of models, letter by letter as real Keras 3 prints it: test/golden/summary/NAME.txt for the
 * config in NAME.json.
 */
#include "model/predict.h"

static void as_keras(void **state) {
    (void)state;
    static const char *const names[] = {"cnn", "branched", "twins", "line", "operations"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[256];
        ib_error err = {0};
        ib_buf text = {0}, expected = {0}, found = {0};
        ib_value *config = NULL;
        ib_model *model = NULL;
        (void)snprintf(path, sizeof path, "test/golden/summary/%s.txt", names[i]);
        assert_int_equal(ib__file_read(&expected, path, 0, &err), IB_OK);
        (void)snprintf(path, sizeof path, "test/golden/summary/%s.json", names[i]);
        assert_int_equal(ib__file_read(&text, path, 0, &err), IB_OK);
        assert_int_equal(ib__json_parse(&config, text.data, text.length, path, &err), IB_OK);
        if (ib__model_from_config(&model, config, path, &err) != IB_OK)
            fail_msg("%s: %s", err.where, err.text);
        const ib_value *compile = ib__value_get(config, "compile_config");
        if (compile && compile->count)
            assert_int_equal(ib__model_compile(model, compile, "compile_config", &err), IB_OK);
        assert_true(ib__model_summary(model, 0, &found));
        if (found.length != expected.length || memcmp(found.data, expected.data, found.length) != 0) {
            (void)fputs(found.data, stderr);
            fail_msg("%s: another summary", names[i]);
        }
        ib__model_free(model);
        ib__value_free(config);
        ib__buf_free(&text);
        ib__buf_free(&expected);
        ib__buf_free(&found);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_keras)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
