/* SPDX-License-Identifier: Apache-2.0
 *
 * Optimizers against real Keras: three variables over twelve steps, the whole state with its paths, the
 * values after the end of fit, and the config. The same bits on every instruction set and with more threads.
 * Rows of a sparse gradient are added up first.
 */
#include "golden.h"

#include "base/mem.h"
#include "optimizers/optimizer.h"

enum { VARIABLES = 3 };

typedef struct problem {
    const golden *g;
    const ib_value *c;
    const char *name;
    const char *variant; /* "", "constraint", "exclude" or "sparse" */
    ib_variable variables[VARIABLES];
    ib_tensor start[VARIABLES], gradient[VARIABLES];
    ib_tensor indices, rows; /* of the gradient of variable 0: [steps, n], [steps, n, columns] */
    double tolerance, worst;
} problem;

/* Arrays that all cases share have no case name in front. */
static void shared(const golden *g, const char *key, ib_tensor *out) {
    ib_error err = {0};
    if (ib__npz_array(out, g->zip, g->path, key, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
}

static void open_problem(problem *p) {
    const ib_value *paths = ib__value_get(p->g->index, "variables");
    assert_int_equal(paths->count, VARIABLES);
    for (int i = 0; i < VARIABLES; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "start/%d", i);
        shared(p->g, key, &p->start[i]);
        (void)snprintf(key, sizeof key, "gradient/%d", i);
        shared(p->g, key, &p->gradient[i]);
        size_t n = (size_t)ib__shape_elements(&p->start[i].shape);
        p->variables[i] = (ib_variable){.path = paths->items[i]->string, .shape = p->start[i].shape};
        p->variables[i].data = ib__alloc(n, sizeof(float));
        assert_non_null(p->variables[i].data);
        ib__tensor_to_float(p->variables[i].data, &p->start[i], 0, n);
    }
    shared(p->g, "sparse/indices", &p->indices);
    shared(p->g, "sparse/rows", &p->rows);
}

static void close_problem(problem *p) {
    for (int i = 0; i < VARIABLES; i++) {
        ib__tensor_free(&p->start[i]);
        ib__tensor_free(&p->gradient[i]);
        ib__free(p->variables[i].data);
    }
    ib__tensor_free(&p->indices);
    ib__tensor_free(&p->rows);
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
    p->worst = fmax(p->worst, worst / scale / p->tolerance);
    ib__tensor_free(&truth);
}

/* Iterations, counters and arrays in Keras's order. Slots of sparse cases have no truth with rows added up.
 * Sums over all steps (Ftrl's linear) cancel: Keras's own float32 is off by up to 2.4e-6 in them. */
static void check_state(problem *p, const ib_optimizer *o, double steps) {
    double before = p->tolerance;
    p->tolerance = fmax(1e-5, before);
    const ib_state *found;
    size_t n = ib__optimizer_state(o, &found);
    const ib_value *state = ib__value_get(p->c, "state");
    assert_int_equal(n, state->count);
    for (size_t i = 0; i < n; i++) {
        char key[32];
        const ib_value *entry = state->items[i];
        assert_string_equal(found[i].path, golden_text(entry, "path"));
        (void)snprintf(key, sizeof key, "state/%zu", i);
        if (!found[i].variable) {
            assert_int_equal(*found[i].integer, i == 0 ? (int64_t)steps : 0);
            assert_string_equal(golden_text(entry, "dtype"), found[i].narrow ? "int32" : "int64");
        } else if (strcmp(p->variant, "sparse") != 0) {
            compare(p, key, found[i].variable->data, 0,
                    (size_t)ib__shape_elements(&found[i].variable->shape));
        }
    }
    p->tolerance = before;
}

/* What the variants say outside of the config. */
static void set_variant(problem *p, ib_optimizer *o) {
    ib_error err = {0};
    for (size_t i = 0; i < VARIABLES; i++) {
        char key[8];
        (void)snprintf(key, sizeof key, "%zu", i);
        const ib_value *constraint = ib__value_get(ib__value_get(p->g->index, "constraints"), key);
        if (strcmp(p->variant, "constraint") == 0 &&
            ib__optimizer_constrain(o, i, constraint, p->name, &err) != IB_OK)
            fail_msg("%s: %s", err.where, err.text);
        if (strcmp(p->variant, "exclude") == 0 && strstr(p->variables[i].path, "bias"))
            ib__optimizer_exclude_from_weight_decay(o, i);
    }
}

static void put_gradient(const problem *p, int i, size_t step, float *out) {
    size_t n = (size_t)ib__shape_elements(&p->start[i].shape);
    if (i > 0 || strcmp(p->variant, "sparse") != 0) {
        ib__tensor_to_float(out, &p->gradient[i], step * n, n);
        return;
    }
    size_t count = (size_t)p->indices.shape.dims[1], columns = (size_t)p->rows.shape.dims[2];
    memset(out, 0, n * sizeof *out);
    for (size_t r = 0; r < count; r++) {
        size_t row = (size_t)ib__tensor_at(&p->indices, step * count + r);
        for (size_t c = 0; c < columns; c++)
            out[row * columns + c] += (float)ib__tensor_at(&p->rows, (step * count + r) * columns + c);
    }
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
    set_variant(p, o);
    ib__optimizer_apply(o, g, inputs);
    if (ib__plan_new(&plan, g, ib__kernels_for(isa), pool, &err) != IB_OK)
        fail_msg("%s: %s: %s", p->name, err.where, err.text);
    double steps = 0;
    assert_true(ib__value_number(ib__value_get(p->g->index, "steps"), &steps) && steps > 5);
    for (size_t step = 0; step < (size_t)steps; step++) {
        for (int i = 0; i < VARIABLES; i++)
            put_gradient(p, i, step, ib__plan_input(plan, inputs[i]));
        ib__optimizer_begin(o);
        ib_stream_at at = {.step = 0};
        ib__plan_run(plan, &at);
        ib__optimizer_end(o);
        for (int i = 0; i < VARIABLES; i++) {
            char key[32];
            size_t n = (size_t)ib__shape_elements(&p->start[i].shape);
            (void)snprintf(key, sizeof key, "%ssteps/%d", strcmp(p->variant, "sparse") == 0 ? "dense_" : "",
                           i);
            compare(p, key, p->variables[i].data, step * n, n);
            assert_true(ib__buf_add(bits, p->variables[i].data, n * sizeof(float)));
        }
    }
    assert_int_equal(ib__optimizer_iterations(o), (int64_t)steps);
    check_state(p, o, steps);
    ib__optimizer_finalize(o);
    for (int i = 0; i < VARIABLES && golden_has(p->g, p->name, "final/0"); i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "final/%d", i);
        compare(p, key, p->variables[i].data, 0, (size_t)ib__shape_elements(&p->start[i].shape));
    }
    ib__plan_free(plan);
    ib__graph_free(g);
}

static void run_case(const golden *g, const ib_value *c, ib_pool *const *pools, double *worst) {
    problem p = {.g = g, .c = c, .name = golden_text(c, "name"), .variant = ""};
    p.tolerance = fmax(2e-6, 10 * golden_float32_error(c, ""));
    const ib_value *variant = ib__value_get(c, "variant");
    if (ib__value_is(variant, IB_STRING)) p.variant = variant->string;
    ib_buf first = {0};
    for (int isa = 0; isa < IB_ISA_COUNT; isa++) {
        if (!ib__kernels_for((ib_isa)isa)) continue;
        ib_optimizer *o;
        ib_error err = {0};
        if (ib__optimizer_new(&o, ib__value_get(c, "config"), p.name, &err) != IB_OK)
            fail_msg("%s: %s: %s", p.name, err.where, err.text);
        golden_same(ib__optimizer_config(o), ib__value_get(c, "config"), p.name);
        open_problem(&p);
        ib_buf bits = {0};
        run_steps(&p, o, (ib_isa)isa, pools[isa > 0], &bits);
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
}

static void test_golden(void **state) {
    (void)state;
    golden g;
    ib_pool *pools[2];
    double worst = 0;
    golden_open(&g, "optimizers");
    assert_int_equal(ib__pool_new(&pools[0], 1, NULL), IB_OK);
    assert_int_equal(ib__pool_new(&pools[1], 3, NULL), IB_OK);
    for (size_t i = 0; i < g.cases->count; i++)
        run_case(&g, g.cases->items[i], pools, &worst);
    print_message("optimizers: %zu cases agree with Keras (worst at %.2f of what is allowed), 0 refused\n",
                  g.cases->count, worst);
    assert_true(g.cases->count >= 213);
    ib__pool_free(pools[0]);
    ib__pool_free(pools[1]);
    golden_close(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
