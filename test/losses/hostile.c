/* SPDX-License-Identifier: Apache-2.0
 *
 * Losses with odd settings: read and built, or refused.
 */
#include "hostile_config.h"

#include "losses/loss.h"

/* A graph of a few samples, with gradient. */
static ib_status attempt(const ib_value *config, const ib_value *c, ib_error *err) {
    static const ib_shape shapes[] = {{2, {3, 4}}, {3, {3, 4, 2}}, {2, {3, 1}}, {1, {3}}};
    (void)c;
    ib_loss *loss;
    ib_status status = ib__loss_new(&loss, config, "compile.loss", err);
    if (status != IB_OK) return status;
    for (size_t i = 0; i < 16; i++) {
        ib_type type;
        ib_shape shape;
        ib_graph *g;
        ib_error unused = {0};
        const ib_shape *p = &shapes[i / 4], *t = &shapes[i % 4];
        if (ib__loss_target(loss, p, t, &type, &shape, &unused) != IB_OK) continue;
        assert_int_equal(ib__graph_new(&g, 3, 0, NULL), IB_OK);
        ib_node y_pred = ib__op_input(g, "p", IB_TYPE_F32, p, true), dy;
        ib_node y_true = ib__op_input(g, "t", type, t, true);
        ib_node y = ib__loss_call(loss, g, y_true, y_pred, IB_NO_NODE);
        ib__graph_gradients(g, &y, NULL, 1, &y_pred, 1, &dy);
        ib_status built = ib__graph_status(g, &unused);
        if (built != IB_OK) fail_msg("fits, but is not built: %s", unused.text);
        ib__graph_free(g);
    }
    ib__loss_free(loss);
    return IB_OK;
}

static void test_odd_settings(void **unused) {
    (void)unused;
    size_t refused = hostile_configs("scores_losses", attempt);
    printf("losses: %zu odd configs refused\n", refused);
    assert_true(refused > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_odd_settings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
