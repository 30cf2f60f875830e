/* SPDX-License-Identifier: Apache-2.0
 *
 * Learning rate schedules against real Keras: in float64, and rounded against Keras's own float32.
 */
#include "golden.h"

#include "optimizers/schedule.h"

static size_t check_case(const golden *g, const ib_value *c, const ib_tensor *steps, double *worst) {
    const char *name = golden_text(c, "name");
    ib_schedule *s;
    ib_error err = {0};
    ib_tensor values, rounded;
    if (ib__schedule_new(&s, ib__value_get(c, "config"), name, &err) != IB_OK)
        fail_msg("%s: %s", err.where, err.text);
    golden_same(ib__schedule_config(s), ib__value_get(c, "config"), name);
    assert_true(golden_array(g, name, "values", &values) && golden_array(g, name, "values32", &rounded));
    size_t n = (size_t)ib__shape_elements(&steps->shape);
    double limit = fmax(2e-7, 10 * golden_float32_error(c, ""));
    for (size_t i = 0; i < n; i++) {
        double step = ib__tensor_at(steps, i), x = ib__schedule_at(s, (int64_t)step);
        double e = fabs(x - ib__tensor_at(&values, i)),
               e32 = fabs((double)(float)x - ib__tensor_at(&rounded, i));
        if (!(e <= 1e-13)) fail_msg("%s: step %.0f gives %.17g, off by %g", name, step, x, e);
        if (!(e32 <= limit)) fail_msg("%s: step %.0f is off by %g from float32", name, step, e32);
        *worst = fmax(*worst, e);
    }
    ib__tensor_free(&values);
    ib__tensor_free(&rounded);
    ib__schedule_free(s);
    return n;
}

static void test_golden(void **state) {
    (void)state;
    golden g;
    ib_tensor steps;
    double worst = 0;
    size_t compared = 0;
    golden_open(&g, "schedules");
    assert_int_equal(ib__npz_array(&steps, g.zip, g.path, "steps", NULL), IB_OK);
    for (size_t i = 0; i < g.cases->count; i++)
        compared += check_case(&g, g.cases->items[i], &steps, &worst);
    print_message("schedules: %zu cases agree with Keras at %zu steps (worst %.1e), 0 refused\n",
                  g.cases->count, compared, worst);
    assert_true(g.cases->count >= 17 && compared >= 17 * 64);
    ib__tensor_free(&steps);
    golden_close(&g);
}

/* At the steps where a new period begins, the last bit of a logarithm decides; as in Keras with a good C
 * library. powers[i]: whether (t_mul^i - 1) / (t_mul - 1) periods count as i restarts. */
static void test_restarts(void **state) {
    (void)state;
    static const struct edge {
        const char *json;
        int64_t step;
        double rate;
    } edges[] = {
        {"{\"initial_learning_rate\": 1.0, \"first_decay_steps\": 1}", 7, 1.0},
        {"{\"initial_learning_rate\": 1.0, \"first_decay_steps\": 1}", 1023, 1.0},
        {"{\"initial_learning_rate\": 1.0, \"first_decay_steps\": 1, \"t_mul\": 3.0}", 4, 1.0},
        {"{\"initial_learning_rate\": 1.0, \"first_decay_steps\": 1, \"t_mul\": 3.0}", 121, 0.0}, /* 4.9999 */
        {"{\"initial_learning_rate\": 1.0, \"first_decay_steps\": 1, \"t_mul\": 5.0}", 31, 1.0},
        {"{\"initial_learning_rate\": 1.0, \"first_decay_steps\": 1, \"t_mul\": 10.0}", 111,
         0.0}, /* 2.9999 */
    };
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        char text[256];
        ib_value *value;
        ib_schedule *s;
        (void)snprintf(text, sizeof text, "{\"CosineDecayRestarts\": %s}", edges[i].json);
        assert_int_equal(ib__json_parse(&value, text, strlen(text), "", NULL), IB_OK);
        assert_int_equal(ib__schedule_new(&s, value, "", NULL), IB_OK);
        double rate = ib__schedule_at(s, edges[i].step);
        if (fabs(rate - edges[i].rate) > 1e-12) fail_msg("%s at %d: %g", text, (int)edges[i].step, rate);
        ib__schedule_free(s);
        ib__value_free(value);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_restarts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
