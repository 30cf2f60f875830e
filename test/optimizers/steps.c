/* SPDX-License-Identifier: Apache-2.0
 *
 * How optimizers run: kernels and ops give the same bits; the listed state is all state; loss scales;
 * optimizers made of others.
 */
#include "golden.h"

#include "base/mem.h"
#include "optimizers/optimizer.h"

enum { VARIABLES = 3, STEPS = 9, VALUES_MAX = 4096 };

static const char *const paths[VARIABLES] = {"dense/kernel", "token_embedding/embeddings", "head/bias"};
static const ib_shape shapes[VARIABLES] = {
    {.rank = 2, .dims = {37, 21}}, {.rank = 2, .dims = {5, 19}}, {.rank = 1, .dims = {21}}};

#define TO_ZERO "{PiecewiseConstantDecay: {boundaries: [3], values: [0.1, 0]}}"
#define MULTI(first, map)                                                                                    \
    "MultiOptimizer: {optimizer_map: {OptimizerMap: {default_optimizer: " first ", optimizer_map: {" map     \
    "}}}}"

/* An optimizer with three variables and a plan that takes their gradients. */
typedef struct rig {
    ib_optimizer *o;
    ib_variable variables[VARIABLES];
    ib_graph *g;
    ib_plan *plan;
    ib_pool *pool;
    ib_node inputs[VARIABLES];
} rig;

static size_t size_of(int i) {
    return (size_t)ib__shape_elements(&shapes[i]);
}

/* Numbers in (-1, 1) that depend on their place alone. */
static float number(size_t step, int variable, size_t i) {
    uint32_t x = (uint32_t)(step * 7919 + (size_t)variable * 104729 + i * 31 + 1) * 2654435761u;
    x = (x ^ x >> 15) * 2246822519u;
    return (float)((double)(x ^ x >> 13) / 2147483648.0 - 1.0);
}

static void open_rig(rig *r, const char *yaml, ib_isa isa) {
    ib_value *value;
    ib_error err = {0};
    ib_variable *variables[VARIABLES];
    *r = (rig){0};
    assert_int_equal(ib__yaml_parse(&value, yaml, strlen(yaml), "test", NULL), IB_OK);
    if (ib__optimizer_new(&r->o, value, "optimizer", &err) != IB_OK)
        fail_msg("%s: %s: %s", yaml, err.where, err.text);
    ib__value_free(value);
    assert_int_equal(ib__graph_new(&r->g, 1, 0, NULL), IB_OK);
    for (int i = 0; i < VARIABLES; i++) {
        r->variables[i] = (ib_variable){paths[i], shapes[i], ib__alloc(size_of(i), sizeof(float))};
        assert_non_null(r->variables[i].data);
        for (size_t k = 0; k < size_of(i); k++)
            r->variables[i].data[k] = number(1000, i, k);
        variables[i] = &r->variables[i];
        r->inputs[i] = ib__op_input(r->g, "gradient", IB_TYPE_F32, &shapes[i], false);
    }
    if (ib__optimizer_build(r->o, variables, VARIABLES, &err) != IB_OK)
        fail_msg("%s: %s: %s", yaml, err.where, err.text);
    ib__optimizer_apply(r->o, r->g, r->inputs);
    assert_int_equal(ib__pool_new(&r->pool, isa == IB_ISA_REF ? 1 : 3, NULL), IB_OK);
    if (ib__plan_new(&r->plan, r->g, ib__kernels_for(isa), r->pool, &err) != IB_OK)
        fail_msg("%s: %s", yaml, err.text);
}

static void close_rig(rig *r) {
    ib__plan_free(r->plan);
    ib__pool_free(r->pool);
    ib__graph_free(r->g);
    ib__optimizer_free(r->o);
    for (int i = 0; i < VARIABLES; i++)
        ib__free(r->variables[i].data);
}

/* One step; gradients are scaled. hard: with values at the ends of the range. */
static void take_step(rig *r, size_t step, float scale, bool hard) {
    static const float edges[] = {0.0f, -0.0f, 1e-40f, -3e38f, 3e38f, 1e-30f};
    for (int i = 0; i < VARIABLES; i++) {
        float *gradient = ib__plan_input(r->plan, r->inputs[i]);
        for (size_t k = 0; k < size_of(i); k++)
            gradient[k] = scale * (hard && k < 6 ? edges[k] : number(step, i, k));
        if (hard && step == 5) gradient[7] = (float)INFINITY;
        if (hard && step == 6) gradient[8] = (float)NAN;
    }
    ib__optimizer_begin(r->o);
    ib__plan_run(r->plan, NULL);
    ib__optimizer_end(r->o);
}

static void same_weights(const rig *a, const rig *b, const char *what) {
    for (int i = 0; i < VARIABLES; i++)
        for (size_t k = 0; k < size_of(i); k++) {
            float x = a->variables[i].data[k], y = b->variables[i].data[k];
            bool same = x == y ? signbit(x) == signbit(y) : isnan(x) && isnan(y);
            if (!same) fail_msg("%s: %s[%zu] is %g and %g", what, paths[i], k, (double)x, (double)y);
        }
}

/* Averages that never overwrite change nothing but lead away from the kernels. */
static void test_kernels_equal_ops(void **state) {
    (void)state;
    static const char *const optimizers[] = {
        "SGD: {%s}",
        "SGD: {%s, weight_decay: 0.1, learning_rate: 0.2}",
        "SGD: {%s, momentum: 0.9, clipvalue: 0.5}",
        "SGD: {%s, momentum: 0.9, nesterov: true, weight_decay: 0.1}",
        "SGD: {%s, weight_decay: 0.1, learning_rate: " TO_ZERO "}",
        "SGD: {%s, momentum: 0.5, gradient_accumulation_steps: 2, clipnorm: 1.0}",
        "Adam: {%s}",
        "Adam: {%s, amsgrad: true, epsilon: 0.001, beta_1: 0.8}",
        "AdamW: {%s, global_clipnorm: 2.0}",
        "RMSprop: {%s}",
        "RMSprop: {%s, momentum: 0.7, weight_decay: 0.01}",
        "RMSprop: {%s, centered: true, epsilon: 0.01}",
        "RMSprop: {%s, centered: true, epsilon: 0.01, momentum: 0.3, gradient_accumulation_steps: 3}",
    };
    for (size_t k = 0; k < sizeof optimizers / sizeof *optimizers; k++)
        for (int isa = 0; isa < IB_ISA_COUNT; isa++) {
            if (!ib__kernels_for((ib_isa)isa)) continue;
            char plain[256], with_average[256];
            rig a, b;
            (void)snprintf(plain, sizeof plain, optimizers[k], "use_ema: false");
            (void)snprintf(with_average, sizeof with_average, optimizers[k], "use_ema: true");
            open_rig(&a, plain, (ib_isa)isa);
            open_rig(&b, with_average, (ib_isa)isa);
            for (size_t step = 0; step < STEPS; step++) {
                take_step(&a, step, 1.0f, true);
                take_step(&b, step, 1.0f, true);
                same_weights(&a, &b, plain);
            }
            close_rig(&a);
            close_rig(&b);
        }
}

static const char *const all[] = {
    "SGD: {momentum: 0.9}",
    "Adam: {amsgrad: true, use_ema: true, ema_overwrite_frequency: 3}",
    "AdamW",
    "RMSprop: {centered: true, momentum: 0.5, gradient_accumulation_steps: 2}",
    "Adadelta",
    "Adagrad: {gradient_accumulation_steps: 3}",
    "Adamax",
    "Nadam",
    "Nadam: {gradient_accumulation_steps: 2}",
    "Ftrl: {learning_rate_power: -0.7}",
    "Lamb",
    "Lion",
    "Adafactor",
    "Muon: {exclude_layers: [\"^hea[cd]/\"]}",
    "ScheduleFreeAdamW: {warmup_steps: 4}",
    "LossScaleOptimizer: {inner_optimizer: nadam, dynamic_growth_steps: 4}",
    "LossScaleOptimizer: {inner_optimizer: adafactor}",
    MULTI("lion", "\"dense/.*\": nadam"),
};

/* What ib__optimizer_state lists, copied into a new optimizer, goes on to the same bits; and reset begins
 * anew. */
static void test_state_is_all(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        rig a, b;
        open_rig(&a, all[k], IB_ISA_REF);
        open_rig(&b, all[k], IB_ISA_REF);
        for (size_t step = 0; step < 5; step++)
            take_step(&a, step, 1.0f, false);
        const ib_state *from, *to;
        size_t n = ib__optimizer_state(a.o, &from);
        assert_int_equal(ib__optimizer_state(b.o, &to), n);
        for (size_t i = 0; i < n; i++) {
            if (from[i].integer)
                *to[i].integer = *from[i].integer;
            else
                memcpy(to[i].variable->data, from[i].variable->data,
                       (size_t)ib__shape_elements(&from[i].variable->shape) * sizeof(float));
        }
        assert_int_equal(ib__optimizer_restored(b.o, "test", NULL), IB_OK);
        for (int i = 0; i < VARIABLES; i++)
            memcpy(b.variables[i].data, a.variables[i].data, size_of(i) * sizeof(float));
        for (size_t step = 5; step < STEPS; step++) {
            take_step(&a, step, 1.0f, false);
            take_step(&b, step, 1.0f, false);
            same_weights(&a, &b, all[k]);
        }
        rig fresh;
        open_rig(&fresh, all[k], IB_ISA_REF);
        for (int i = 0; i < VARIABLES; i++)
            memcpy(a.variables[i].data, fresh.variables[i].data, size_of(i) * sizeof(float));
        ib__optimizer_reset(a.o);
        for (size_t step = 0; step < STEPS; step++) {
            take_step(&a, step, 1.0f, false);
            take_step(&fresh, step, 1.0f, false);
        }
        same_weights(&a, &fresh, all[k]);
        close_rig(&a);
        close_rig(&b);
        close_rig(&fresh);
    }
}

static void test_all_instruction_sets(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        rig a, b;
        open_rig(&a, all[k], IB_ISA_REF);
        for (size_t step = 0; step < STEPS; step++)
            take_step(&a, step, 1.0f, true);
        for (int isa = 1; isa < IB_ISA_COUNT; isa++) {
            if (!ib__kernels_for((ib_isa)isa)) continue;
            open_rig(&b, all[k], (ib_isa)isa);
            for (size_t step = 0; step < STEPS; step++)
                take_step(&b, step, 1.0f, true);
            same_weights(&a, &b, all[k]);
            close_rig(&b);
        }
        close_rig(&a);
    }
}

static const ib_state *find(const rig *r, const char *path) {
    const ib_state *list;
    size_t n = ib__optimizer_state(r->o, &list);
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].path, path) == 0) return &list[i];
    fail_msg("no state %s", path);
    return NULL;
}

/* Scaled gradients give the bits of the inner optimizer alone; a step that is not finite changes nothing but
 * the scale. */
static void test_loss_scale(void **state) {
    (void)state;
    rig plain, scaled;
    open_rig(&plain, "Adam: {use_ema: true, gradient_accumulation_steps: 2, clipnorm: 1.0}", IB_ISA_REF);
    open_rig(&scaled,
             "LossScaleOptimizer: {inner_optimizer: {Adam: {use_ema: true, gradient_accumulation_steps: 2, "
             "clipnorm: 1.0}}, initial_scale: 1024, dynamic_growth_steps: 3}",
             IB_ISA_REF);
    const ib_state *scale = find(&scaled, "loss_scale_optimizer/dynamic_scale");
    const ib_state *counter = find(&scaled, "loss_scale_optimizer/step_counter");
    ib_node node = ib__optimizer_loss_scale(scaled.o, scaled.g);
    assert_int_equal(ib__node_shape(scaled.g, node).rank, 0);
    float expected = 1024.0f;
    for (size_t step = 0; step < STEPS; step++) {
        take_step(&plain, step, 1.0f, false);
        take_step(&scaled, step, expected, false);
        same_weights(&plain, &scaled, "loss scale");
        if (step % 3 == 2) expected *= 2.0f;
        assert_true(scale->variable->data[0] == expected);
        assert_int_equal(*counter->integer, (step + 1) % 3);
    }
    take_step(&scaled, STEPS, (float)INFINITY, false);
    same_weights(&plain, &scaled, "a step that is not finite");
    assert_true(scale->variable->data[0] == expected / 2.0f);
    assert_int_equal(ib__optimizer_iterations(scaled.o), STEPS);
    take_step(&plain, STEPS, 1.0f, false);
    take_step(&scaled, STEPS, expected / 2.0f, false);
    same_weights(&plain, &scaled, "the step after");
    ib__optimizer_finalize(plain.o);
    ib__optimizer_finalize(scaled.o);
    same_weights(&plain, &scaled, "averages");
    ib__optimizer_set_learning_rate(scaled.o, 0.25);
    assert_true(ib__optimizer_learning_rate(scaled.o) == 0.25);
    const ib_value *config = ib__value_get(ib__optimizer_config(scaled.o), "config");
    config = ib__value_get(ib__value_get(config, "inner_optimizer"), "config");
    assert_true(ib__value_get(config, "learning_rate")->real == 0.25);
    close_rig(&plain);
    close_rig(&scaled);
}

static void test_loss_scale_factor(void **state) {
    (void)state;
    rig plain, scaled;
    open_rig(&plain, "SGD: {momentum: 0.9}", IB_ISA_REF);
    open_rig(&scaled, "SGD: {momentum: 0.9, loss_scale_factor: 8}", IB_ISA_REF);
    assert_true(ib__optimizer_loss_scale(plain.o, plain.g) == IB_NO_NODE);
    assert_true(ib__optimizer_loss_scale(scaled.o, scaled.g) != IB_NO_NODE);
    for (size_t step = 0; step < 3; step++) {
        take_step(&plain, step, 1.0f, false);
        take_step(&scaled, step, 8.0f, false);
    }
    same_weights(&plain, &scaled, "loss scale factor");
    close_rig(&plain);
    close_rig(&scaled);
}

/* Each variable moves as with its own optimizer alone. The path itself goes before patterns. */
static void test_multi(void **state) {
    (void)state;
    rig multi, alone[VARIABLES];
    static const char *const own[VARIABLES] = {"Adam: {learning_rate: 0.1, clipnorm: 1.0}",
                                               "RMSprop: {use_ema: true}", "SGD: {momentum: 0.5}"};
    open_rig(&multi,
             MULTI("{SGD: {momentum: 0.5}}", "\"[dt].*\": {RMSprop: {use_ema: true}}, dense/kernel: {Adam: "
                                             "{learning_rate: 0.1, clipnorm: 1.0}}"),
             IB_ISA_REF);
    for (int i = 0; i < VARIABLES; i++)
        open_rig(&alone[i], own[i], IB_ISA_REF);
    for (size_t step = 0; step < STEPS; step++) {
        take_step(&multi, step, 1.0f, false);
        for (int i = 0; i < VARIABLES; i++) {
            take_step(&alone[i], step, 1.0f, false);
            assert_memory_equal(multi.variables[i].data, alone[i].variables[i].data,
                                size_of(i) * sizeof(float));
        }
    }
    static const char *const order[] = {"multi_optimizer/iteration",
                                        "multi_optimizer/learning_rate",
                                        "rm_sprop/iteration",
                                        "rm_sprop/learning_rate",
                                        "rm_sprop/token_embedding_embeddings_average",
                                        "rm_sprop/token_embedding_embeddings_velocity",
                                        "adam/iteration",
                                        "adam/learning_rate",
                                        "adam/dense_kernel_momentum",
                                        "adam/dense_kernel_velocity",
                                        "sgd/iteration",
                                        "sgd/learning_rate",
                                        "sgd/head_bias_momentum"};
    const ib_state *list;
    size_t n = ib__optimizer_state(multi.o, &list);
    assert_int_equal(n, sizeof order / sizeof *order);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(list[i].path, order[i]);
    assert_int_equal(*list[0].integer, STEPS);
    assert_int_equal(*list[6].integer, STEPS);
    assert_false(ib__optimizer_rate_is_settable(multi.o));
    ib__optimizer_finalize(multi.o);
    ib__optimizer_finalize(alone[1].o);
    assert_memory_equal(multi.variables[1].data, alone[1].variables[1].data, size_of(1) * sizeof(float));
    close_rig(&multi);
    for (int i = 0; i < VARIABLES; i++)
        close_rig(&alone[i]);
}

/* Which variables Adam updates shows in their velocities. */
static void test_muon_excludes(void **state) {
    (void)state;
    static const struct row {
        const char *yaml;
        size_t state; /* counters, three momenta, velocities */
    } rows[] = {{"Muon", 7},
                {"Muon: {exclude_embeddings: false}", 6},
                {"Muon: {exclude_layers: [nse/k]}", 8},
                {"Muon: {exclude_layers: [\"^kernel\"]}", 7},
                {"Muon: {exclude_layers: [\"(?i)KERNEL$\", nothing]}", 8}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rig r;
        const ib_state *list;
        open_rig(&r, rows[i].yaml, IB_ISA_REF);
        assert_int_equal(ib__optimizer_state(r.o, &list), rows[i].state);
        close_rig(&r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels_equal_ops),    cmocka_unit_test(test_state_is_all),
        cmocka_unit_test(test_all_instruction_sets), cmocka_unit_test(test_loss_scale),
        cmocka_unit_test(test_loss_scale_factor),    cmocka_unit_test(test_multi),
        cmocka_unit_test(test_muon_excludes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
