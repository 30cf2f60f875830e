/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics with odd settings: read, fed and asked, or refused.
 */
#include "hostile_config.h"

#include <stdlib.h>

#include "metrics/metric.h"

/* Feeds batches of several shapes with odd numbers in them. */
static void feed(const ib_value *config, const ib_shape *t_shape, const ib_shape *p_shape) {
    static float t[24], p[24] = {0, 1, NAN, INFINITY, -INFINITY, -0.0f, 0.5f, 1e-40f, 3e38f, -2, 0.25f, 7};
    static float w[3] = {1, -0.5f, NAN}, m[3] = {1, 0, 1};
    for (int i = 0; i < 24; i++)
        t[i] = i % 7 == 6 ? (i % 2 ? NAN : -5.0f) : (float)(i % 3);
    ib_tensor y_true = {IB_F32, *t_shape, t}, y_pred = {IB_F32, *p_shape, p};
    ib_tensor weight = {IB_F32, {1, {3}}, w}, mask = {IB_F32, {1, {3}}, m};
    const ib_metric_batch batches[] = {
        {.y_true = &y_true, .y_pred = &y_pred},
        {.y_true = &y_true, .y_pred = &y_pred, .weight = &weight, .mask = &mask},
        {.y_true = &y_true, .y_pred = &y_pred, .logits = &y_pred}};
    ib_metric *metric;
    if (ib__metric_new(&metric, config, p_shape, t_shape, "", NULL) != IB_OK) return;
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++)
        (void)ib__metric_add(metric, &batches[i], NULL);
    bool list;
    size_t n = ib__metric_count(metric, &list), states;
    double *values = calloc(n + 1, sizeof *values);
    assert_non_null(values);
    assert_true(n > 0 && (list || n == 1));
    ib__metric_values(metric, values);
    (void)ib__metric_result(metric);
    assert_non_null(ib__metric_states(metric, &states));
    free(values);
    ib__metric_free(metric);
}

static ib_status attempt(const ib_value *config, const ib_value *c, ib_error *err) {
    static const ib_shape shapes[] = {{2, {3, 4}}, {3, {3, 4, 2}}, {2, {3, 1}}, {1, {3}}};
    (void)c;
    ib_value *completed;
    ib_status status = ib__metric_complete(&completed, config, "compile.metrics", err);
    if (status != IB_OK) return status;
    for (size_t i = 0; i < 16; i++)
        feed(completed, &shapes[i % 4], &shapes[i / 4]);
    ib__value_free(completed);
    return IB_OK;
}

static void test_odd_settings(void **unused) {
    (void)unused;
    size_t refused = hostile_configs("scores_metrics", attempt);
    printf("metrics: %zu odd configs refused\n", refused);
    assert_true(refused > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_odd_settings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
