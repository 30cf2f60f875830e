/* SPDX-License-Identifier: Apache-2.0
 *
 * Regularizers against real Keras: value, gradient and config; the same bits on every instruction set.
 */
#include "golden.h"

#include "layers/layer.h"
#include "layers/settings.h"

enum { VALUES_MAX = 256 };

static void check_config(const ib_value *config, const char *name) {
    ib_value *canonical = NULL;
    assert_int_equal(ib__read_regularizer(NULL, config, name, NULL, &canonical, NULL), IB_OK);
    golden_same(canonical, config, name);
    ib__value_free(canonical);
}

/* out[0]: the value; then its gradient. */
static void run(const ib_value *config, const ib_tensor *x, ib_isa isa, ib_pool *pool, float *out) {
    ib_graph *g;
    ib_plan *plan;
    ib_error err = {0};
    size_t n = (size_t)ib__shape_elements(&x->shape);
    assert_int_equal(ib__graph_new(&g, 1, 0, NULL), IB_OK);
    ib_node in = ib__op_input(g, "x", IB_TYPE_F32, &x->shape, false), d;
    ib_node y = ib__regularizer_call(config, g, in);
    ib__graph_gradients(g, &y, NULL, 1, &in, 1, &d);
    ib__graph_output(g, y);
    ib__graph_output(g, d);
    if (ib__plan_new(&plan, g, ib__kernels_for(isa), pool, &err) != IB_OK) fail_msg("%s", err.text);
    ib__tensor_to_float(ib__plan_input(plan, in), x, 0, n);
    ib__plan_run(plan, NULL);
    out[0] = *(const float *)ib__plan_value(plan, y);
    memcpy(out + 1, ib__plan_value(plan, d), n * sizeof *out);
    ib__plan_free(plan);
    ib__graph_free(g);
}

static void check_case(const golden *g, const ib_value *c, ib_pool *pool, double *worst) {
    const char *name = golden_text(c, "name");
    const ib_value *config = ib__value_get(c, "config");
    ib_tensor x, value, dx;
    float first[VALUES_MAX + 1], again[VALUES_MAX + 1];
    assert_true(golden_array(g, name, "x", &x) && golden_array(g, name, "value", &value) &&
                golden_array(g, name, "dx", &dx));
    check_config(config, name);
    size_t n = (size_t)ib__shape_elements(&x.shape);
    assert_true(n > 0 && n <= VALUES_MAX);
    run(config, &x, IB_ISA_REF, pool, first);
    for (int isa = 1; isa < IB_ISA_COUNT; isa++) {
        if (!ib__kernels_for((ib_isa)isa)) continue;
        run(config, &x, (ib_isa)isa, pool, again);
        assert_memory_equal(first, again, (n + 1) * sizeof *first);
    }
    double e = fmax(golden_error(first, &value), golden_error(first + 1, &dx));
    if (!(e <= 2e-6)) fail_msg("%s differs by %g", name, e);
    *worst = fmax(*worst, e);
    ib__tensor_free(&x);
    ib__tensor_free(&value);
    ib__tensor_free(&dx);
}

static void test_golden(void **state) {
    (void)state;
    golden g;
    ib_pool *pool;
    double worst = 0;
    golden_open(&g, "regularizers");
    assert_int_equal(ib__pool_new(&pool, 3, NULL), IB_OK);
    for (size_t i = 0; i < g.cases->count; i++)
        check_case(&g, g.cases->items[i], pool, &worst);
    print_message("regularizers: %zu cases agree with Keras (worst %.1e), 0 refused\n", g.cases->count,
                  worst);
    assert_true(g.cases->count >= 8);
    ib__pool_free(pool);
    golden_close(&g);
}

static void test_settings(void **state) {
    (void)state;
    static const struct row {
        const char *json, *text; /* the config as written, or the message */
        bool good;
    } rows[] = {
        {"{\"L1L2\": {\"l1\": 1, \"l2\": null}}", "{\"l1\": 1.0, \"l2\": 0.0}", true},
        {"{\"L2\": {\"l2\": null}}", "{\"l2\": 0.01}", true},
        {"\"l1_l2\"", "{\"l1\": 0.0, \"l2\": 0.0}", true},
        {"\"orthogonal_regularizer\"", "{\"factor\": 0.009999999776482582, \"mode\": \"rows\"}", true},
        {"{\"OrthogonalRegularizer\": {\"mode\": \"both\"}}", "one of: rows columns", false},
        {"{\"L2\": {\"l2\": -1}}", "of 0 or more", false},
        {"\"l3\"", "unknown regularizer \"l3\"", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ib_value *value, *canonical = NULL;
        ib_error err = {0};
        ib_buf text = {0};
        assert_int_equal(ib__json_parse(&value, rows[i].json, strlen(rows[i].json), "", NULL), IB_OK);
        ib_status status = ib__read_regularizer(NULL, value, "layers[0]", NULL, &canonical, &err);
        assert_int_equal(status, rows[i].good ? IB_OK : IB_BAD_INPUT);
        if (rows[i].good) {
            assert_true(ib__json_write(&text, ib__value_get(canonical, "config"), IB_JSON_PYTHON));
            assert_string_equal(text.data, rows[i].text);
        } else if (!strstr(err.text, rows[i].text)) {
            fail_msg("%s gives \"%s\"", rows[i].json, err.text);
        }
        ib__value_free(value);
        ib__value_free(canonical);
        ib__buf_free(&text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_settings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
