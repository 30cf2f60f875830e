/* SPDX-License-Identifier: Apache-2.0
 *
 * Optimizers against real Keras: three variables over twelve steps, slots and their paths, and the config.
 * The same bits on every instruction set. Cases of settings that are not supported are counted and must be
 * refused by name.
 */
#include "golden.h"

#include "base/mem.h"
#include "optimizers/optimizer.h"

enum { VARIABLES = 3 };

typedef struct problem {
    const golden *g;
    const ib_value *c;
    const char *name;
    ib_variable variables[VARIABLES];
    ib_tensor start[VARIABLES], gradient[VARIABLES];
    double tolerance, worst;
} problem;

/* Arrays that all cases share have no case name in front. */
static void shared(const golden *g, const char *key, int i, ib_tensor *out) {
    char full[64];
    ib_error err = {0};
    (void)snprintf(full, sizeof full, "%s/%d", key, i);
    if (ib__npz_array(out, g->zip, g->path, full, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
}

static void open_problem(problem *p) {
    const ib_value *paths = ib__value_get(p->g->index, "variables");
    assert_int_equal(paths->count, VARIABLES);
    for (int i = 0; i < VARIABLES; i++) {
        shared(p->g, "start", i, &p->start[i]);
        shared(p->g, "gradient", i, &p->gradient[i]);
        size_t n = (size_t)ib__shape_elements(&p->start[i].shape);
        p->variables[i] = (ib_variable){.path = paths->items[i]->string, .shape = p->start[i].shape};
        p->variables[i].data = ib__alloc(n, sizeof(float));
        assert_non_null(p->variables[i].data);
        ib__tensor_to_float(p->variables[i].data, &p->start[i], 0, n);
    }
}

static void close_problem(problem *p) {
    for (int i = 0; i < VARIABLES; i++) {
        ib__tensor_free(&p->start[i]);
        ib__tensor_free(&p->gradient[i]);
        ib__free(p->variables[i].data);
    }
}

/* found against the part [first, first + n) of the array CASE/key. */
static void compare(problem *p, const char *key, const float *found, size_t first, size_t n) {
    ib_tensor truth;
    if (!golden_array(p->g, p->name, key, &truth)) fail_msg("%s has no %s", p->name, key);
    assert_true(first + n <= (size_t)ib__shape_elements(&truth.shape));
    double worst = 0, scale = 1;
    for (size_t i = 0; i < n; i++) {
        double expected = ib__tensor_at(&truth, first + i);
        worst = fmax(worst, fabs((double)found[i] - expected));
        scale = fmax(scale, fabs(expected));
        if (isnan(found[i])) worst = HUGE_VAL;
    }
    if (!(worst / scale <= p->tolerance))
        fail_msg("%s: %s at %zu differs by %g, allowed %g", p->name, key, first, worst / scale, p->tolerance);
    p->worst = fmax(p->worst, worst / scale);
    ib__tensor_free(&truth);
}

static void check_slots(problem *p, const ib_optimizer *o) {
    ib_variable *const *slots;
    size_t n = ib__optimizer_slots(o, &slots);
    const ib_value *state = ib__value_get(p->c, "state");
    assert_int_equal(n + 2, state->count); /* iteration and learning rate come first */
    for (size_t i = 0; i < n; i++) {
        char key[32];
        assert_string_equal(slots[i]->path, ib__value_get(state->items[i + 2], "path")->string);
        (void)snprintf(key, sizeof key, "state/%zu", i + 2);
        compare(p, key, slots[i]->data, 0, (size_t)ib__shape_elements(&slots[i]->shape));
    }
}

static void check_config(const problem *p, const ib_optimizer *o) {
    ib_buf a = {0}, b = {0};
    assert_true(ib__json_write(&a, ib__optimizer_config(o), IB_JSON_PYTHON));
    assert_true(ib__json_write(&b, ib__value_get(p->c, "config"), IB_JSON_PYTHON));
    assert_string_equal(a.data, b.data);
    ib__buf_free(&a);
    ib__buf_free(&b);
}

static void run_steps(problem *p, ib_optimizer *o, ib_isa isa, ib_pool *pool, ib_buf *bits) {
    ib_graph *g;
    ib_plan *plan;
    ib_error err = {0};
    ib_variable *variables[VARIABLES];
    ib_node inputs[VARIABLES];
    assert_int_equal(ib__graph_new(&g, 1, 0, NULL), IB_OK);
    for (int i = 0; i < VARIABLES; i++) {
        variables[i] = &p->variables[i];
        inputs[i] = ib__op_input(g, "gradient", IB_TYPE_F32, &p->start[i].shape, false);
    }
    assert_int_equal(ib__optimizer_build(o, variables, VARIABLES, NULL), IB_OK);
    ib__optimizer_apply(o, g, inputs);
    if (ib__plan_new(&plan, g, ib__kernels_for(isa), pool, &err) != IB_OK)
        fail_msg("%s: %s: %s", p->name, err.where, err.text);
    double steps = 0;
    assert_true(ib__value_number(ib__value_get(p->g->index, "steps"), &steps) && steps > 5);
    for (size_t step = 0; step < (size_t)steps; step++) {
        for (int i = 0; i < VARIABLES; i++) {
            size_t n = (size_t)ib__shape_elements(&p->start[i].shape);
            ib__tensor_to_float(ib__plan_input(plan, inputs[i]), &p->gradient[i], step * n, n);
        }
        ib__optimizer_begin(o);
        ib_stream_at at = {.step = 0};
        ib__plan_run(plan, &at);
        ib__optimizer_end(o);
        for (int i = 0; i < VARIABLES; i++) {
            char key[32];
            size_t n = (size_t)ib__shape_elements(&p->start[i].shape);
            (void)snprintf(key, sizeof key, "steps/%d", i);
            compare(p, key, p->variables[i].data, step * n, n);
            assert_true(ib__buf_add(bits, p->variables[i].data, n * sizeof(float)));
        }
    }
    assert_int_equal(ib__optimizer_iterations(o), (int64_t)steps);
    ib__plan_free(plan);
    ib__graph_free(g);
}

static bool run_case(const golden *g, const ib_value *c, ib_pool *pool, double *worst) {
    problem p = {.g = g, .c = c, .name = golden_text(c, "name")};
    p.tolerance = fmax(2e-6, 10 * golden_float32_error(c, ""));
    const ib_value *variant = ib__value_get(c, "variant");
    ib_buf first = {0};
    for (int isa = 0; isa < IB_ISA_COUNT; isa++) {
        if (!ib__kernels_for((ib_isa)isa)) continue;
        ib_optimizer *o;
        ib_error err = {0};
        ib_status status = ib__optimizer_new(&o, ib__value_get(c, "config"), p.name, &err);
        if (status != IB_OK || ib__value_is(variant, IB_STRING)) {
            if (status != IB_OK && status != IB_UNSUPPORTED)
                fail_msg("%s: %s: %s", p.name, err.where, err.text);
            ib__optimizer_free(o);
            return false;
        }
        check_config(&p, o);
        open_problem(&p);
        ib_buf bits = {0};
        run_steps(&p, o, (ib_isa)isa, pool, &bits);
        check_slots(&p, o);
        if (isa == 0) {
            first = bits;
        } else {
            assert_true(bits.length == first.length && bits.length > 0);
            if (memcmp(bits.data, first.data, bits.length) != 0)
                fail_msg("%s: other bits on %s", p.name, ib__isa_name((ib_isa)isa));
            ib__buf_free(&bits);
        }
        close_problem(&p);
        ib__optimizer_free(o);
    }
    ib__buf_free(&first);
    *worst = fmax(*worst, p.worst);
    return true;
}

static void test_golden(void **state) {
    (void)state;
    golden g;
    ib_pool *pool;
    size_t same = 0, refused = 0;
    double worst = 0;
    golden_open(&g, "optimizers");
    assert_int_equal(ib__pool_new(&pool, 1, NULL), IB_OK);
    for (size_t i = 0; i < g.cases->count; i++) {
        bool ran = run_case(&g, g.cases->items[i], pool, &worst);
        same += ran;
        refused += !ran;
        const char *class_name = golden_text(g.cases->items[i], "class");
        if (!ran && (strcmp(class_name, "SGD") == 0 || strncmp(class_name, "Adam", 5) == 0 ||
                     strcmp(class_name, "RMSprop") == 0))
            print_message("  %s refused\n", golden_text(g.cases->items[i], "name"));
    }
    print_message(
        "optimizers: %zu cases agree with Keras (worst %.1e), %zu refused by name or of variants that "
        "no setting can express\n",
        same, worst, refused);
    assert_true(same >= 30);
    ib__pool_free(pool);
    golden_close(&g);
}

static ib_status make(const char *yaml, ib_optimizer **out, ib_error *err) {
    ib_value *value;
    assert_int_equal(ib__yaml_parse(&value, yaml, strlen(yaml), "exp.yaml", NULL), IB_OK);
    *err = (ib_error){0};
    ib_status status = ib__optimizer_new(out, value, "compile.optimizer", err);
    ib__value_free(value);
    return status;
}

static void test_settings(void **state) {
    (void)state;
    ib_optimizer *o;
    ib_error err;
    assert_int_equal(make("adam", &o, &err), IB_OK);
    assert_string_equal(ib__optimizer_name(o), "adam");
    assert_true(ib__optimizer_learning_rate(o) == (double)0.001f);
    ib__optimizer_set_learning_rate(o, 0.05);
    const ib_value *config = ib__value_get(ib__optimizer_config(o), "config");
    assert_true(ib__value_get(config, "learning_rate")->real == (double)0.05f);
    ib__optimizer_free(o);
    assert_int_equal(make("AdamW: {learning_rate: 0.01}", &o, &err), IB_OK);
    assert_true(ib__value_get(ib__value_get(ib__optimizer_config(o), "config"), "weight_decay")->real ==
                0.004);
    ib__optimizer_free(o);
    static const struct bad {
        const char *yaml;
        ib_status status;
        const char *text;
    } bad[] = {
        {"Adam: {learning_rat: 0.1}", IB_BAD_INPUT, "did you mean \"learning_rate\"?"},
        {"Adam: {beta_1: 2}", IB_BAD_INPUT, "from 0 to 1"},
        {"adma", IB_BAD_INPUT, "nearest is Adam"},
        {"Adagrad", IB_UNSUPPORTED, "Adagrad is not supported yet"},
        {"SGD: {use_ema: true}", IB_UNSUPPORTED, "use_ema is not supported yet"},
        {"SGD: {gradient_accumulation_steps: 2}", IB_UNSUPPORTED, "is not supported yet"},
        {"SGD: {loss_scale_factor: 2.0}", IB_UNSUPPORTED, "is not supported yet"},
        {"SGD: {clipnorm: 1, clipvalue: 1}", IB_BAD_INPUT, "at most one of"},
        {"SGD: {learning_rate: {class_name: CosineDecay, config: {}}}", IB_UNSUPPORTED, "schedule"},
        {"SGD: {learning_rate: fast}", IB_BAD_INPUT, "found \"fast\""},
        {"SGD: 3", IB_BAD_INPUT, "a map of settings"},
        {"[1, 2]", IB_BAD_INPUT, "an optimizer by name"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(make(bad[i].yaml, &o, &err), bad[i].status);
        assert_null(o);
        if (!strstr(err.text, bad[i].text)) fail_msg("%s gives \"%s\"", bad[i].yaml, err.text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_settings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
