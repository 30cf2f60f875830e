/* SPDX-License-Identifier: Apache-2.0
 *
 * Losses against real Keras: values and gradients of every golden case, the same bits with every instruction
 * set and number of threads, and the configs that Keras writes.
 */
#include "golden.h"

#include <stdlib.h>

#include "layers/activation.h"
#include "losses/loss.h"

/* How many golden cases there are; all must run. */
enum { CASES = 391, SCORES_CASES = 165 };

typedef struct problem {
    const char *name;
    const ib_value *logits; /* "sigmoid" or "softmax" makes the prediction from p; else null */
    ib_tensor t, p, w, m, loss, dp;
    bool weighted, masked;
} problem;

/* Bits of the value and the gradient of one run. */
typedef struct answer {
    float *loss, *dp;
    size_t n_loss, n_dp;
} answer;

static ib_node input(ib_graph *g, const problem *q, const ib_tensor *a, ib_type type) {
    bool batched = a->shape.rank > 0 && a->shape.dims[0] == q->p.shape.dims[0];
    return ib__op_input(g, "x", type, &a->shape, batched);
}

static ib_node prediction(ib_graph *g, const problem *q, ib_node p) {
    if (ib__value_is_string(q->logits, "softmax"))
        return ib__softmax(g, p, 1u << (ib__node_shape(g, p).rank - 1)); /* keeps its logits */
    if (!ib__value_is_string(q->logits, "sigmoid")) return p;
    ib_node y = ib__op_map(g, IB_MAP_logistic, p, IB_NO_NODE, IB_NO_NODE);
    ib__node_set_logits(g, y, p, IB_LOGITS_SIGMOID);
    return y;
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

static float *copied(const ib_plan *plan, ib_node node, size_t n) {
    float *out = malloc((n + 1) * sizeof *out);
    assert_non_null(out);
    memcpy(out, ib__plan_value(plan, node), n * sizeof *out);
    return out;
}

static answer run(const problem *q, const ib_loss *loss, ib_isa isa, ib_pool *pool) {
    ib_error err = {0};
    ib_graph *g;
    ib_plan *plan;
    ib_type type;
    ib_shape shape;
    assert_int_equal(ib__graph_new(&g, (size_t)q->p.shape.dims[0], 3, NULL), IB_OK);
    if (ib__loss_target(loss, &q->p.shape, &q->t.shape, &type, &shape, &err) != IB_OK)
        fail_msg("%s: %s", q->name, err.text);
    ib_node t = input(g, q, &q->t, type), p = input(g, q, &q->p, IB_TYPE_F32), dy;
    ib_node w = q->weighted ? input(g, q, &q->w, IB_TYPE_F32) : IB_NO_NODE;
    ib_node m = q->masked ? input(g, q, &q->m, IB_TYPE_F32) : IB_NO_NODE;
    ib_node y = ib__loss_call_masked(loss, g, t, prediction(g, q, p), w, m);
    ib__graph_gradients(g, &y, NULL, 1, &p, 1, &dy);
    ib__graph_output(g, y);
    ib__graph_output(g, dy);
    if (ib__plan_new(&plan, g, ib__kernels_for(isa), pool, &err) != IB_OK)
        fail_msg("%s: %s: %s", q->name, err.where, err.text);
    ib__plan_fill(plan, 0x7fc00000u);
    put(plan, t, &q->t, type);
    put(plan, p, &q->p, IB_TYPE_F32);
    if (q->weighted) put(plan, w, &q->w, IB_TYPE_F32);
    if (q->masked) put(plan, m, &q->m, IB_TYPE_F32);
    ib__plan_run(plan, NULL);
    ib_shape got = ib__node_shape(g, y);
    answer a = {.n_loss = (size_t)ib__shape_elements(&got), .n_dp = (size_t)ib__shape_elements(&q->p.shape)};
    if (a.n_loss != (size_t)ib__shape_elements(&q->loss.shape))
        fail_msg("%s: %zu values, Keras has others", q->name, a.n_loss);
    a.loss = copied(plan, y, a.n_loss);
    a.dp = copied(plan, dy, a.n_dp);
    ib__plan_free(plan);
    ib__graph_free(g);
    return a;
}

/* Where float32 itself gives another number (clipping at 1 - 1e-7), Keras's float32 result is the truth. */
static double error_of(const golden *g, const problem *q, const float *got, const ib_tensor *truth,
                       const char *key32) {
    ib_tensor other;
    double e = golden_error(got, truth);
    if (golden_array(g, q->name, key32, &other)) {
        e = fmin(e, golden_error(got, &other));
        ib__tensor_free(&other);
    }
    return e;
}

static double run_case(const golden *g, const ib_value *c, ib_pool *const pools[2]) {
    problem q = {.name = golden_text(c, "name"), .logits = ib__value_get(c, "logits")};
    ib_error err = {0};
    ib_loss *loss;
    ib_value *config = golden_config(c);
    if (ib__loss_new(&loss, config, q.name, &err) != IB_OK) fail_msg("%s: %s", q.name, err.text);
    assert_true(golden_array(g, q.name, "y_true", &q.t) && golden_array(g, q.name, "y_pred", &q.p));
    assert_true(golden_array(g, q.name, "loss", &q.loss) && golden_array(g, q.name, "dy_pred", &q.dp));
    q.weighted = golden_array(g, q.name, "sample_weight", &q.w);
    q.masked = golden_array(g, q.name, "mask", &q.m);
    answer first = run(&q, loss, IB_ISA_REF, pools[0]);
    double e = error_of(g, &q, first.loss, &q.loss, "loss32");
    double d = error_of(g, &q, first.dp, &q.dp, "dy_pred32");
    if (!(e <= fmax(2e-6, 10 * golden_float32_error(c, "loss"))))
        fail_msg("%s: loss is off by %g", q.name, e);
    if (!(d <= fmax(5e-6, 10 * golden_float32_error(c, "dy_pred"))))
        fail_msg("%s: gradient is off by %g", q.name, d);
    for (int isa = IB_ISA_REF; isa <= (int)ib__isa_default(); isa++)
        for (int threads = 0; threads < 2; threads++) {
            answer again = run(&q, loss, (ib_isa)isa, pools[threads]);
            if (memcmp(again.loss, first.loss, first.n_loss * sizeof(float)) != 0 ||
                memcmp(again.dp, first.dp, first.n_dp * sizeof(float)) != 0)
                fail_msg("%s: other bits with instruction set %d, pool %d", q.name, isa, threads);
            free(again.loss);
            free(again.dp);
        }
    free(first.loss);
    free(first.dp);
    ib__loss_free(loss);
    ib__value_free(config);
    ib_tensor *all[] = {&q.t, &q.p, &q.w, &q.m, &q.loss, &q.dp};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ib__tensor_free(all[i]);
    return fmax(e, d);
}

static void run_group(const char *group, size_t cases) {
    golden g;
    ib_pool *pools[2];
    size_t ran = 0;
    double worst = 0;
    golden_open(&g, group);
    assert_int_equal(ib__pool_new(&pools[0], 1, NULL), IB_OK);
    assert_int_equal(ib__pool_new(&pools[1], 3, NULL), IB_OK);
    for (size_t i = 0; i < g.cases->count; i++) {
        worst = fmax(worst, run_case(&g, g.cases->items[i], pools));
        ran++;
    }
    printf("%s: %zu cases agree with Keras (worst %.1e), none refused\n", group, ran, worst);
    assert_true(ran >= cases);
    ib__pool_free(pools[0]);
    ib__pool_free(pools[1]);
    golden_close(&g);
}

static void test_golden(void **unused) {
    (void)unused;
    run_group("losses", CASES);
}

/* Shapes, weights, masks, logits, ties and edges (test/golden/scores.py). */
static void test_scores(void **unused) {
    (void)unused;
    run_group("scores_losses", SCORES_CASES);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_scores)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
