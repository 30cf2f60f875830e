/* SPDX-License-Identifier: Apache-2.0
 *
 * Losses against real Keras: values and gradients of every golden case whose class is supported. Classes that
 * are not are counted, and must be refused by name.
 */
#include "golden.h"

#include "losses/loss.h"

typedef struct problem {
    ib_graph *g;
    ib_tensor t, p, w, m, loss, dp;
    bool weighted, masked;
    ib_node in[4], y, dy;
} problem;

static ib_node input(problem *q, int slot, const ib_tensor *a, ib_type type) {
    bool batched = a->shape.rank > 0 && a->shape.dims[0] == q->p.shape.dims[0];
    return q->in[slot] = ib__op_input(q->g, "x", type, &a->shape, batched);
}

static void put(ib_plan *plan, ib_node to, const ib_tensor *from, ib_type type) {
    size_t n = (size_t)ib__shape_elements(&from->shape);
    void *words = ib__plan_input(plan, to);
    for (size_t i = 0; i < n; i++) {
        if (type == IB_TYPE_I32)
            ((int32_t *)words)[i] = (int32_t)ib__tensor_at(from, i);
        else
            ((float *)words)[i] = (float)ib__tensor_at(from, i);
    }
}

static const char *run_case(const golden *g, const ib_value *c, ib_pool *pool, double *worst) {
    const char *name = golden_text(c, "name");
    ib_error err = {0};
    ib_loss *loss;
    if (ib__loss_new(&loss, ib__value_get(c, "config"), name, &err) != IB_OK)
        return err.code == IB_UNSUPPORTED ? "refused" : "error";
    problem q = {0};
    assert_true(golden_array(g, name, "y_true", &q.t) && golden_array(g, name, "y_pred", &q.p));
    assert_true(golden_array(g, name, "loss", &q.loss) && golden_array(g, name, "dy_pred", &q.dp));
    q.weighted = golden_array(g, name, "sample_weight", &q.w);
    q.masked = golden_array(g, name, "mask", &q.m);
    ib_type type;
    ib_shape shape;
    assert_int_equal(ib__graph_new(&q.g, (size_t)q.p.shape.dims[0], 0, NULL), IB_OK);
    if (ib__loss_target(loss, &q.p.shape, &q.t.shape, &type, &shape, &err) != IB_OK)
        fail_msg("%s: %s", name, err.text);
    ib_node t = input(&q, 0, &q.t, type), p = input(&q, 1, &q.p, IB_TYPE_F32);
    ib_node w = q.weighted ? input(&q, 2, &q.w, IB_TYPE_F32) : IB_NO_NODE;
    ib_node m = q.masked ? input(&q, 3, &q.m, IB_TYPE_F32) : IB_NO_NODE;
    q.y = ib__loss_call_masked(loss, q.g, t, p, w, m);
    ib__graph_gradients(q.g, &q.y, NULL, 1, &p, 1, &q.dy);
    ib__graph_output(q.g, q.y);
    ib__graph_output(q.g, q.dy);
    ib_plan *plan;
    if (ib__plan_new(&plan, q.g, ib__kernels_for(ib__isa_default()), pool, &err) != IB_OK)
        fail_msg("%s: %s: %s", name, err.where, err.text);
    put(plan, t, &q.t, type);
    put(plan, p, &q.p, IB_TYPE_F32);
    if (q.weighted) put(plan, w, &q.w, IB_TYPE_F32);
    if (q.masked) put(plan, m, &q.m, IB_TYPE_F32);
    ib__plan_run(plan, NULL);
    double e = golden_error(ib__plan_value(plan, q.y), &q.loss),
           d = golden_error(ib__plan_value(plan, q.dy), &q.dp);
    /* Where float32 itself gives another number (clipping at 1 - 1e-7), Keras's float32 result is the truth.
     */
    ib_tensor other;
    if (golden_array(g, name, "loss32", &other)) {
        e = fmin(e, golden_error(ib__plan_value(plan, q.y), &other));
        ib__tensor_free(&other);
    }
    if (golden_array(g, name, "dy_pred32", &other)) {
        d = fmin(d, golden_error(ib__plan_value(plan, q.dy), &other));
        ib__tensor_free(&other);
    }
    if (!(e <= fmax(2e-6, 10 * golden_float32_error(c, "loss")))) fail_msg("%s: loss differs by %g", name, e);
    if (!(d <= fmax(5e-6, 10 * golden_float32_error(c, "dy_pred"))))
        fail_msg("%s: gradient differs by %g", name, d);
    *worst = fmax(*worst, fmax(e, d));
    ib__plan_free(plan);
    ib__graph_free(q.g);
    ib__loss_free(loss);
    ib_tensor *all[] = {&q.t, &q.p, &q.w, &q.m, &q.loss, &q.dp};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ib__tensor_free(all[i]);
    return "same";
}

static void test_golden(void **unused) {
    (void)unused;
    golden g;
    ib_pool *pool;
    size_t same = 0, refused = 0;
    double worst = 0;
    golden_open(&g, "losses");
    assert_int_equal(ib__pool_new(&pool, 1, NULL), IB_OK);
    for (size_t i = 0; i < g.cases->count; i++) {
        const char *result = run_case(&g, g.cases->items[i], pool, &worst);
        if (strcmp(result, "error") == 0) fail_msg("%s: not loaded", golden_text(g.cases->items[i], "name"));
        same += strcmp(result, "same") == 0;
        refused += strcmp(result, "refused") == 0;
    }
    printf("losses: %zu cases agree with Keras (worst %.1e), %zu of classes that are refused by name\n", same,
           worst, refused);
    assert_true(same >= 100);
    ib__pool_free(pool);
    golden_close(&g);
}

static void test_names(void **unused) {
    (void)unused;
    static const char *const good[] = {"mse", "MSE", "sparse_categorical_crossentropy", "BinaryCrossentropy"};
    ib_loss *loss;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ib_value *name = ib__value_string(good[i]);
        assert_int_equal(ib__loss_new(&loss, name, "", NULL), IB_OK);
        ib__loss_free(loss);
        ib__value_free(name);
    }
    ib_error err = {0};
    ib_value *bad = ib__value_string("sparse_categorical_crosentropy");
    assert_int_equal(ib__loss_new(&loss, bad, "exp.yaml:3:9 compile.loss", &err), IB_UNSUPPORTED);
    assert_string_equal(err.where, "exp.yaml:3:9 compile.loss");
    assert_non_null(strstr(err.text, "did you mean 'sparse_categorical_crossentropy'?"));
    ib__value_free(bad);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
