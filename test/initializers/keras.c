/* SPDX-License-Identifier: Apache-2.0
 *
 * Initial weights as Keras on TensorFlow draws them, against real Keras: single initializers, and whole
 * models after keras.utils.set_random_seed. Bit for bit; only orthogonal matrices, which TensorFlow computes
 * in float32 and we in double, are compared with a tolerance.
 */
#include "golden.h"

#include "initializers/keras.h"
#include "model/model.h"

static bool equal_bits(const float *found, const ib_tensor *expected) {
    assert_int_equal(expected->dtype, IB_F32);
    return memcmp(found, expected->data, (size_t)ib__shape_elements(&expected->shape) * sizeof *found) == 0;
}

/* Random initializers of the group with the seed in their config; arrays NAME/0, NAME/1 ... */
static void test_initializers(void **state) {
    (void)state;
    golden g;
    golden_open(&g, "initializers");
    size_t equal = 0, near = 0, refused = 0;
    for (size_t i = 0; i < g.cases->count; i++) {
        const ib_value *c = g.cases->items[i], *config = ib__value_get(c, "config");
        const ib_value *seed = ib__value_get(ib__value_get(config, "config"), "seed");
        const char *name = golden_text(c, "name");
        ib_tensor expected;
        if (!ib__value_is(seed, IB_INT)) continue;
        for (int k = 0;; k++) {
            char key[16];
            (void)snprintf(key, sizeof key, "%d", k);
            if (!golden_array(&g, name, key, &expected)) break;
            float *found = ib__alloc((size_t)ib__shape_elements(&expected.shape) + 1, sizeof *found);
            assert_non_null(found);
            ib_error err = {0};
            ib_status status = ib__keras_fill(found, &expected.shape, config, seed->integer, name, &err);
            bool orthogonal = strcmp(name, "Orthogonal") == 0;
            if (status == IB_UNSUPPORTED)
                refused++;
            else if (status != IB_OK)
                fail_msg("%s: %s", err.where, err.text);
            else if (orthogonal ? golden_error(found, &expected) > 1e-6 : !equal_bits(found, &expected))
                fail_msg("%s/%d: other bits than Keras's", name, k);
            else
                *(orthogonal ? &near : &equal) += 1;
            ib__free(found);
            ib__tensor_free(&expected);
        }
    }
    golden_close(&g);
    print_message("initializers: %zu arrays bit for bit, %zu near, %zu refused\n", equal, near, refused);
    assert_true(equal == 61 && near == 4 && refused == 0);
}

/* One model; false: it is refused because a layer or an initializer is not supported. */
static bool run_model(const golden *g, const ib_value *c, size_t *equal, size_t *near) {
    const char *name = golden_text(c, "name");
    const ib_value *variables = ib__value_get(c, "variables");
    const ib_value *seed = ib__value_get(ib__value_get(c, "params"), "seed");
    ib_error err = {0};
    ib_model *model;
    if (ib__model_from_config(&model, ib__value_get(c, "config"), name, &err) != IB_OK) {
        if (err.code != IB_UNSUPPORTED) fail_msg("%s: %s", err.where, err.text);
        print_message("refused: %s: %s\n", err.where, err.text);
        return false;
    }
    ib_status status = ib__model_initialize_as_keras(model, seed->integer, &err);
    if (status != IB_OK && status != IB_UNSUPPORTED) fail_msg("%s: %s", err.where, err.text);
    if (status != IB_OK) print_message("refused: %s: %s\n", err.where, err.text);
    size_t n = ib__model_weights(model, NULL, false), at = 0;
    ib_weight **weights = ib__alloc(n + 1, sizeof *weights);
    assert_non_null(weights);
    ib__model_weights(model, weights, false);
    for (size_t i = 0; status == IB_OK && i < variables->count; i++) {
        const char *path = variables->items[i]->string;
        ib_tensor expected;
        if (strstr(path, "seed_generator_state")) continue;
        assert_true(golden_array(g, name, path, &expected));
        assert_true(at < n && ib__shape_equal(&expected.shape, &weights[at]->variable.shape));
        bool orthogonal = strstr(path, "orthogonal/kernel") || strstr(path, "recurrent_kernel");
        const float *found = weights[at++]->variable.data;
        if (orthogonal ? golden_error(found, &expected) > 1e-6 : !equal_bits(found, &expected))
            fail_msg("%s/%s: other bits than Keras's", name, path);
        *(orthogonal ? near : equal) += 1;
        ib__tensor_free(&expected);
    }
    if (status == IB_OK) assert_int_equal(at, n);
    ib__free(weights);
    ib__model_free(model);
    return status == IB_OK;
}

/* Models of a group of cases that may be refused; weights: how many were equal. */
static void compare_models(const char *group, size_t expected, size_t least) {
    golden g;
    golden_open(&g, group);
    size_t models = 0, refused = 0, equal = 0, near = 0;
    for (size_t i = 0; i < g.cases->count; i++) {
        const ib_value *c = g.cases->items[i];
        if (strncmp(golden_text(c, "name"), "keras-weights-", strlen("keras-weights-")) != 0) continue;
        bool done = run_model(&g, c, &equal, &near);
        models += done;
        refused += !done;
    }
    golden_close(&g);
    print_message("%s: %zu models, %zu weights bit for bit, %zu near; %zu models refused\n", group, models,
                  equal, near, refused);
    assert_int_equal(models + refused, expected);
    assert_true(equal >= least);
}

static void test_models(void **state) {
    (void)state;
    compare_models("streams", 32, 260);
    compare_models("streams_more", 3, 60);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_initializers), cmocka_unit_test(test_models)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
