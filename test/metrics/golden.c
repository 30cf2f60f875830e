/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics against real Keras: the result after each update of every golden case whose class is supported.
 */
#include "golden.h"

#include <stdlib.h>

#include "metrics/metric.h"

static void as_float(ib_tensor *t) {
    ib_tensor f;
    assert_int_equal(ib__tensor_new(&f, IB_F32, &t->shape, NULL), IB_OK);
    ib__tensor_to_float(f.data, t, 0, (size_t)ib__shape_elements(&t->shape));
    ib__tensor_free(t);
    *t = f;
}

static bool run_case(const golden *g, const ib_value *c) {
    const char *name = golden_text(c, "name");
    ib_metric *metric = NULL;
    int64_t updates = ib__value_get(c, "updates")->integer;
    for (int64_t i = 0; i < updates; i++) {
        char key[64];
        ib_tensor t, p, w, result;
        (void)snprintf(key, sizeof key, "%lld/y_pred", (long long)i);
        if (!golden_array(g, name, key, &p)) return false; /* metrics of single values */
        (void)snprintf(key, sizeof key, "%lld/y_true", (long long)i);
        assert_true(golden_array(g, name, key, &t));
        (void)snprintf(key, sizeof key, "%lld/sample_weight", (long long)i);
        bool weighted = golden_array(g, name, key, &w);
        (void)snprintf(key, sizeof key, "%lld/result", (long long)i);
        assert_true(golden_array(g, name, key, &result));
        as_float(&p);
        ib_error err = {0};
        if (!metric && ib__metric_new(&metric, ib__value_get(c, "config"), NULL, &p.shape, &t.shape, name,
                                      &err) != IB_OK) {
            if (err.code != IB_UNSUPPORTED) fail_msg("%s: %s", name, err.text);
            ib__tensor_free(&t), ib__tensor_free(&p), ib__tensor_free(&result);
            if (weighted) ib__tensor_free(&w);
            return false;
        }
        if (weighted) {
            assert_int_equal(w.shape.dims[0], p.shape.dims[0]);
            as_float(&w);
        }
        ib__metric_update(metric, &t, &p, weighted ? &w : NULL);
        float got = (float)ib__metric_result(metric);
        double e = golden_error(&got, &result);
        if (!(e <= fmax(2e-6, 10 * golden_float32_error(c, ""))))
            fail_msg("%s: update %lld differs by %g", name, (long long)i, e);
        ib__tensor_free(&t), ib__tensor_free(&p), ib__tensor_free(&result);
        if (weighted) ib__tensor_free(&w);
    }
    ib__metric_free(metric);
    return true;
}

static void test_golden(void **unused) {
    (void)unused;
    golden g;
    size_t same = 0, others = 0;
    golden_open(&g, "metrics");
    for (size_t i = 0; i < g.cases->count; i++) {
        bool ran = run_case(&g, g.cases->items[i]);
        same += ran;
        others += !ran;
    }
    printf("metrics: %zu cases agree with Keras, %zu of classes that are not supported yet\n", same, others);
    assert_true(same >= 15);
    golden_close(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
