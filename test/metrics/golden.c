/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics against real Keras: the result after each update of every golden case, and the configs that Keras
 * writes.
 */
#include "golden.h"

#include <stdlib.h>

#include "metrics/metric.h"

/* How many golden cases there are; all must run. */
enum { CASES = 150, SCORES_CASES = 326 };

static bool array(const golden *g, const char *name, int64_t update, const char *key, ib_tensor *out) {
    char full[64];
    (void)snprintf(full, sizeof full, "%lld/%s", (long long)update, key);
    *out = (ib_tensor){0};
    return golden_array(g, name, full, out);
}

static const ib_tensor *given(const ib_tensor *t) {
    return t->data ? t : NULL;
}

static void compare(const ib_metric *metric, const ib_value *c, const ib_tensor *result, int64_t update) {
    double values[64];
    float got[64];
    bool list;
    size_t n = ib__metric_count(metric, &list);
    if (n > 64 || list != (result->shape.rank > 0) || n != (size_t)ib__shape_elements(&result->shape))
        fail_msg("%s: %zu values, Keras has others", golden_text(c, "name"), n);
    ib__metric_values(metric, values);
    for (size_t i = 0; i < n; i++)
        got[i] = (float)values[i];
    double e = golden_error(got, result);
    if (!(e <= fmax(2e-6, 10 * golden_float32_error(c, ""))))
        fail_msg("%s: update %lld is off by %g", golden_text(c, "name"), (long long)update, e);
}

static void run_case(const golden *g, const ib_value *c) {
    const char *name = golden_text(c, "name");
    ib_metric *metric = NULL;
    ib_value *config = golden_config(c);
    int64_t updates = ib__value_get(c, "updates")->integer;
    for (int64_t i = 0; i < updates; i++) {
        ib_error err = {0};
        ib_tensor t, p, w, m, z, result;
        if (!array(g, name, i, "y_true", &t)) assert_true(array(g, name, i, "values", &t));
        (void)array(g, name, i, "y_pred", &p);
        (void)array(g, name, i, "sample_weight", &w);
        (void)array(g, name, i, "mask", &m);
        (void)array(g, name, i, "logits", &z);
        assert_true(array(g, name, i, "result", &result));
        if (!metric &&
            ib__metric_new(&metric, config, given(&p) ? &p.shape : NULL, &t.shape, name, &err) != IB_OK)
            fail_msg("%s: %s", err.where, err.text);
        ib_metric_batch batch = {
            .y_true = &t, .y_pred = given(&p), .weight = given(&w), .mask = given(&m), .logits = given(&z)};
        if (ib__metric_add(metric, &batch, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
        compare(metric, c, &result, i);
        if (ib__value_is(ib__value_get(c, "config"), IB_STRING))
            assert_string_equal(ib__metric_name(metric), golden_text(c, "metric"));
        ib_tensor *all[] = {&t, &p, &w, &m, &z, &result};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            ib__tensor_free(all[k]);
    }
    ib__metric_free(metric);
    ib__value_free(config);
}

static void run_group(const char *group, size_t cases) {
    golden g;
    size_t ran = 0;
    golden_open(&g, group);
    for (size_t i = 0; i < g.cases->count; i++, ran++)
        run_case(&g, g.cases->items[i]);
    printf("%s: %zu cases agree with Keras, none refused\n", group, ran);
    assert_true(ran >= cases);
    golden_close(&g);
}

static void test_golden(void **unused) {
    (void)unused;
    run_group("metrics", CASES);
}

/* Shapes, weights, masks, logits, ties and edges (test/golden/scores.py). */
static void test_scores(void **unused) {
    (void)unused;
    run_group("scores_metrics", SCORES_CASES);
}

/* What Keras wrote comes back as it is. */
static void test_configs(void **unused) {
    (void)unused;
    golden g;
    size_t compared = 0;
    golden_open(&g, "metrics");
    for (size_t i = 0; i < g.cases->count; i++) {
        const ib_value *config = ib__value_get(g.cases->items[i], "config");
        if (strcmp(golden_text(g.cases->items[i], "class"), "MeanMetricWrapper") == 0) continue; /* by hand */
        ib_value *completed;
        ib_error err = {0};
        if (ib__metric_complete(&completed, config, "compile.metrics", &err) != IB_OK)
            fail_msg("%s", err.text);
        golden_same_json(config, completed);
        ib__value_free(completed);
        compared++;
    }
    assert_true(compared >= CASES - 1);
    golden_close(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_scores),
                                       cmocka_unit_test(test_configs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
