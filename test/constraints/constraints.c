/* SPDX-License-Identifier: Apache-2.0
 *
 * Constraints against real Keras, and what is refused.
 */
#include "golden.h"

#include "constraints/constraint.h"
#include "layers/settings.h"

static void check_config(const ib_value *config, const char *name) {
    ib_value *canonical = NULL;
    assert_int_equal(ib__read_constraint(NULL, config, name, NULL, &canonical, NULL), IB_OK);
    golden_same(canonical, config, name);
    ib__value_free(canonical);
}

static void run(const ib_value *config, const ib_tensor *x, ib_isa isa, ib_pool *pool, float *out) {
    ib_graph *g;
    ib_plan *plan;
    ib_error err = {0};
    size_t n = (size_t)ib__shape_elements(&x->shape);
    assert_int_equal(ib__graph_new(&g, 1, 0, NULL), IB_OK);
    ib_node in = ib__op_input(g, "w", IB_TYPE_F32, &x->shape, false);
    ib_node y = ib__constraint_call(config, g, in);
    ib__graph_output(g, y);
    if (ib__plan_new(&plan, g, ib__kernels_for(isa), pool, &err) != IB_OK) fail_msg("%s", err.text);
    ib__tensor_to_float(ib__plan_input(plan, in), x, 0, n);
    ib__plan_run(plan, NULL);
    memcpy(out, ib__plan_value(plan, y), n * sizeof *out);
    ib__plan_free(plan);
    ib__graph_free(g);
}

static void check_case(const golden *g, const ib_value *c, ib_pool *pool, double *worst) {
    const char *name = golden_text(c, "name");
    const ib_value *config = ib__value_get(c, "config");
    ib_tensor x, y;
    float first[4096], again[4096];
    ib_error err = {0};
    assert_true(golden_array(g, name, "x", &x) && golden_array(g, name, "y", &y));
    if (ib__constraint_check(config, &x.shape, name, &err) != IB_OK) fail_msg("%s: %s", name, err.text);
    check_config(config, name);
    size_t n = (size_t)ib__shape_elements(&x.shape);
    assert_true(n > 0 && n <= 4096);
    run(config, &x, IB_ISA_REF, pool, first);
    for (int isa = 1; isa < IB_ISA_COUNT; isa++) {
        if (!ib__kernels_for((ib_isa)isa)) continue;
        run(config, &x, (ib_isa)isa, pool, again);
        assert_memory_equal(first, again, n * sizeof *first);
    }
    double e = golden_error(first, &y);
    if (!(e <= fmax(2e-6, 10 * golden_float32_error(c, "")))) fail_msg("%s differs by %g", name, e);
    *worst = fmax(*worst, e);
    ib__tensor_free(&x);
    ib__tensor_free(&y);
}

static void test_golden(void **state) {
    (void)state;
    golden g;
    ib_pool *pool;
    double worst = 0;
    golden_open(&g, "constraints");
    assert_int_equal(ib__pool_new(&pool, 3, NULL), IB_OK);
    for (size_t i = 0; i < g.cases->count; i++)
        check_case(&g, g.cases->items[i], pool, &worst);
    print_message("constraints: %zu cases agree with Keras (worst %.1e), 0 refused\n", g.cases->count, worst);
    assert_true(g.cases->count >= 11);
    ib__pool_free(pool);
    golden_close(&g);
}

static void test_refused(void **state) {
    (void)state;
    static const struct bad {
        const char *json, *text;
    } bad[] = {
        {"\"max_nrm\"", "nearest is MaxNorm"},
        {"{\"MaxNorm\": {\"max_value\": -1}}", "of 0 or more"},
        {"{\"MaxNorm\": {\"axis\": 1.5}}", "an axis or a list of axes"},
        {"{\"UnitNorm\": {\"axis\": 2}}", "axis 2 does not fit a weight of shape (3, 4)"},
        {"{\"UnitNorm\": {\"axis\": [0, -2]}}", "axis -2 does not fit"},
        {"{\"NonNeg\": {\"axis\": 0}}", "unknown key \"axis\""},
        {"3", "a constraint by name"},
    };
    ib_shape shape = {.rank = 2, .dims = {3, 4}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ib_value *value;
        ib_error err = {0};
        assert_int_equal(ib__json_parse(&value, bad[i].json, strlen(bad[i].json), "", NULL), IB_OK);
        assert_int_equal(ib__constraint_check(value, &shape, "layers[0]", &err), IB_BAD_INPUT);
        if (!strstr(err.text, bad[i].text)) fail_msg("%s gives \"%s\"", bad[i].json, err.text);
        ib__value_free(value);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
