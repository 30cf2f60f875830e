/* SPDX-License-Identifier: Apache-2.0
 *
 * The graph against a plain interpreter in double precision: values of every op, gradients by finite
 * differences, and the same bits for every instruction set, number of threads, order of parts and content of
 * scratch memory.
 */
#include <fenv.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/interpreter.h"
#include "graph/plan.h"
#include "random.h"

enum { SAMPLES = 20, INPUTS = 4 };

static double evaluate(interpreter *t, ib_node upto) {
    for (ib_node a = 0; a <= upto; a++)
        eval_node(t, a);
    return t->value[upto][0];
}

/* ---- Cases: each builds a scalar from inputs of the shape [SAMPLES, 6] x 2, [6, 5], [5] ---- */

typedef ib_node build_fn(ib_graph *g, const ib_node *in);

static ib_node total(ib_graph *g, ib_node a) { /* a weighted sum, so that every element counts differently */
    ib_shape shape = ib__node_shape(g, a);
    ib_node w = ib__op_convert(g, ib__op_iota(g, &shape, shape.rank - 1), IB_TYPE_F32);
    ib_node weighted = ib__op_multiply(g, a, ib__op_offset(g, ib__op_scale(g, w, 0.25f), 0.5f));
    return ib__op_reduce(g, IB_REDUCE_SUM, weighted, (1u << shape.rank) - 1, false);
}

static ib_node build_elementwise(ib_graph *g, const ib_node *in) {
    ib_node a = in[0], b = in[1];
    ib_node p = ib__op_offset(g, ib__op_square(g, b), 0.5f);
    ib_node x = ib__op_add(g, ib__op_multiply(g, a, b), ib__op_divide(g, a, p));
    x = ib__op_subtract(g, x, ib__op_sqrt(g, p));
    x = ib__op_add(g, x, ib__op_maximum(g, a, b));
    x = ib__op_add(g, x, ib__op_minimum(g, a, ib__op_constant(g, 0.3f)));
    x = ib__op_add(g, x, ib__op_map(g, IB_MAP_fma, a, b, p));
    x = ib__op_add(g, x, ib__op_map(g, IB_MAP_abs, a, -1, -1));
    x = ib__op_add(g, x, ib__op_select(g, ib__op_map(g, IB_MAP_less, a, b, -1), ib__op_negate(g, a), p));
    return total(g, ib__op_relu(g, x));
}

static ib_node build_functions(ib_graph *g, const ib_node *in) {
    static const ib_map_op ops[] = {IB_MAP_exp,      IB_MAP_expm1,    IB_MAP_tanh,
                                    IB_MAP_logistic, IB_MAP_softplus, IB_MAP_erf};
    static const ib_map_op positive[] = {IB_MAP_log, IB_MAP_log1p, IB_MAP_sqrt, IB_MAP_rsqrt};
    ib_node x = in[0], p = ib__op_offset(g, ib__op_square(g, in[0]), 0.5f);
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        x = ib__op_add(g, x, ib__op_map(g, ops[i], in[0], -1, -1));
    for (size_t i = 0; i < sizeof positive / sizeof *positive; i++)
        x = ib__op_add(g, x, ib__op_map(g, positive[i], p, -1, -1));
    return total(g, x);
}

static ib_node build_softmax(ib_graph *g, const ib_node *in) {
    ib_node z = ib__op_add(g, ib__op_matmul(g, in[0], in[2]), in[3]);
    ib_node m = ib__op_stop_gradient(g, ib__op_reduce(g, IB_REDUCE_MAX, z, 2, true));
    ib_node e = ib__op_exp(g, ib__op_subtract(g, z, m));
    ib_node y = ib__op_divide(g, e, ib__op_reduce(g, IB_REDUCE_SUM, e, 2, true));
    return total(g, ib__op_log(g, y));
}

static ib_node build_shapes(ib_graph *g, const ib_node *in) {
    ib_node t = ib__op_transpose(g, in[0], (int[]){1, 0});
    ib_node r = ib__op_reshape(g, t, &(ib_shape){3, {2, -1, SAMPLES}});
    ib_node q = ib__op_transpose(g, r, (int[]){2, 0, 1});
    ib_node s = ib__op_slice(g, q, (int64_t[]){0, 0, 1}, (int64_t[]){SAMPLES, 2, 3});
    ib_node p = ib__op_pad(g, s, 0.75f, (int64_t[]){0, 1, 0}, (int64_t[]){0, 0, 2});
    ib_node flat = ib__op_reshape(g, p, &(ib_shape){2, {SAMPLES, -1}});
    ib_node c = ib__op_concatenate(g, (ib_node[]){in[1], flat, in[0]}, 3, 1);
    ib_node mean = ib__op_mean(g, c, 1, true);
    ib_node wide = ib__op_reduce(g, IB_REDUCE_SUM, ib__op_square(g, q), 2, false);
    ib_node middle = ib__op_reduce(g, IB_REDUCE_SUM, q, 5, true);
    ib_node high = ib__op_reduce(g, IB_REDUCE_MAX, ib__op_multiply(g, q, q), 4, false);
    return ib__op_add(g, total(g, ib__op_multiply(g, c, ib__op_subtract(g, c, mean))),
                      ib__op_add(g, total(g, ib__op_multiply(g, wide, wide)),
                                 ib__op_add(g, total(g, ib__op_square(g, middle)), total(g, high))));
}

static ib_node build_dots(ib_graph *g, const ib_node *in) {
    ib_node a = ib__op_reshape(g, in[0], &(ib_shape){3, {SAMPLES, 2, 3}});
    ib_node b = ib__op_reshape(g, in[1], &(ib_shape){3, {SAMPLES, 2, 3}});
    ib_dot_axes scores = {.n_batch = 1, .n_contract = 1, .a_contract = {2}, .b_contract = {2}};
    ib_node s = ib__op_dot_general(g, a, b, &scores); /* [n, 2, 2] */
    ib_dot_axes mix = {.n_batch = 1, .n_contract = 1, .a_contract = {2}, .b_contract = {1}};
    ib_node m = ib__op_dot_general(g, s, b, &mix);
    ib_node k = ib__op_reshape(g, in[2], &(ib_shape){3, {2, 3, 5}});
    ib_dot_axes heads = {.n_contract = 2, .a_contract = {1, 2}, .b_contract = {0, 1}};
    ib_node y = ib__op_dot_general(g, m, k, &heads); /* [n, 5] */
    ib_dot_axes odd = {.n_contract = 2, .a_contract = {2, 1}, .b_contract = {1, 0}};
    ib_node z = ib__op_dot_general(g, a, k, &odd);
    return total(g, ib__op_multiply(g, ib__op_add(g, y, in[3]), z));
}

static ib_node build_windows(ib_graph *g, const ib_node *in) {
    ib_node x = ib__op_reshape(g, in[0], &(ib_shape){4, {SAMPLES, 3, 2, 1}});
    ib_node x2 = ib__op_reshape(g, in[1], &(ib_shape){4, {SAMPLES, 3, 2, 1}});
    ib_node c = ib__op_concatenate(g, (ib_node[]){x, x2}, 2, 3); /* [n, 3, 2, 2] */
    ib_node w = ib__op_reshape(g, ib__op_slice(g, in[2], (int64_t[]){0, 0}, (int64_t[]){6, 4}),
                               &(ib_shape){4, {2, 2, 2, 3}});
    ib_window same = {.taps = {2, 2}, .strides = {1, 1}, .dilation = {1, 1}, .high = {1, 1}};
    ib_node y = ib__op_relu(g, ib__op_offset(g, ib__op_convolution(g, c, w, &same, 1), 0.1f));
    ib_window pool = {.taps = {2, 2}, .strides = {1, 1}, .dilation = {1, 1}};
    ib_node m = ib__op_max_pool(g, y, &pool), a = ib__op_avg_pool(g, y, &same);
    ib_node w2 = ib__op_reshape(g, ib__op_slice(g, in[2], (int64_t[]){0, 0}, (int64_t[]){6, 3}),
                                &(ib_shape){4, {3, 1, 1, 6}});
    ib_window deep = {.taps = {3, 1}, .strides = {2, 1}, .dilation = {1, 2}, .low = {1}, .high = {1}};
    ib_node d = ib__op_convolution(g, y, w2, &deep, 3);
    return ib__op_add(g, total(g, ib__op_square(g, m)),
                      ib__op_add(g, total(g, ib__op_square(g, a)), total(g, ib__op_square(g, d))));
}

/* A line, a volume, a transposed convolution; and kernels and inputs that are gradients themselves. */
static ib_node build_volumes(ib_graph *g, const ib_node *in) {
    ib_node x = ib__op_reshape(g, in[0], &(ib_shape){5, {SAMPLES, 3, 2, 1, 1}});
    ib_node k = ib__op_reshape(g, ib__op_slice(g, in[2], (int64_t[]){0, 0}, (int64_t[]){6, 4}),
                               &(ib_shape){5, {2, 2, 1, 1, 6}});
    ib_window w = {.taps = {2, 2, 1}, .strides = {1, 1, 1}, .dilation = {1, 1, 1}, .low = {1, 0, 0}};
    ib_node y = ib__op_convolution(g, x, k, &w, 1); /* [n, 3, 1, 1, 6] */
    ib_window even = {.taps = {1, 1, 1}, .strides = {1, 1, 1}, .dilation = {1, 1, 1}, .even = {2}};
    ib_node p = ib__op_avg_pool(g, y, &even), m = ib__op_max_pool(g, y, &even);
    ib_node line = ib__op_reshape(g, in[1], &(ib_shape){3, {SAMPLES, 3, 2}});
    ib_node k2 = ib__op_reshape(g, ib__op_slice(g, in[2], (int64_t[]){0, 0}, (int64_t[]){3, 4}),
                                &(ib_shape){3, {2, 3, 2}});
    ib_window up = {.taps = {2}, .strides = {2}, .dilation = {1}};
    ib_node t = ib__op_convolution_transpose(g, line, k2, (int64_t[]){7}, &up, 1); /* [n, 7, 3] */
    ib_node bent = total(g, ib__op_map(g, IB_MAP_tanh, y, IB_NO_NODE, IB_NO_NODE)), d[3];
    bent = ib__op_add(g, ib__op_add(g, bent, total(g, ib__op_square(g, p))), total(g, ib__op_square(g, t)));
    ib_node loss = ib__op_add(g, bent, total(g, ib__op_square(g, m)));
    ib__graph_gradients(g, &bent, NULL, 1, (ib_node[]){in[0], k, line}, 3, d);
    for (int i = 0; i < 3; i++)
        loss = ib__op_add(g, loss, total(g, d[i]));
    return loss;
}

static const struct {
    const char *name;
    build_fn *build;
} cases[] = {{"elementwise", build_elementwise}, {"functions", build_functions}, {"softmax", build_softmax},
             {"shapes", build_shapes},           {"dots", build_dots},           {"windows", build_windows},
             {"volumes", build_volumes}};
enum { CASES = sizeof cases / sizeof *cases };

static const ib_shape input_shapes[INPUTS] = {{2, {SAMPLES, 6}}, {2, {SAMPLES, 6}}, {2, {6, 5}}, {1, {5}}};

typedef struct fixture {
    ib_graph *g;
    ib_node in[INPUTS], y, dx[INPUTS];
} fixture;

static void make(fixture *f, build_fn *build) {
    assert_int_equal(ib__graph_new(&f->g, SAMPLES, 3, NULL), IB_OK);
    for (int i = 0; i < INPUTS; i++)
        f->in[i] = ib__op_input(f->g, "x", IB_TYPE_F32, &input_shapes[i], i < 2);
    f->y = build(f->g, f->in);
    ib__graph_gradients(f->g, &f->y, NULL, 1, f->in, INPUTS, f->dx);
    ib__graph_output(f->g, f->y);
    for (int i = 0; i < INPUTS; i++)
        ib__graph_output(f->g, f->dx[i]);
    ib_error err = {0};
    if (ib__graph_status(f->g, &err) != IB_OK) fail_msg("%s", err.text);
    assert_true(f->g->n_nodes < MAX_NODES);
}

static void fill_inputs(const fixture *f, ib_plan *plan, interpreter *t) {
    uint64_t state = 7;
    for (int i = 0; i < INPUTS; i++) {
        size_t n = elements(&input_shapes[i]);
        float *to = plan ? ib__plan_input(plan, f->in[i]) : NULL;
        if (t) t->value[f->in[i]] = calloc(n, sizeof(double));
        for (size_t k = 0; k < n; k++) {
            float x = random_number(&state);
            if (to) to[k] = x;
            if (t) t->value[f->in[i]][k] = (double)x;
        }
    }
}

static double worst(const float *x, const double *y, size_t n) {
    double e = 0, scale = 1;
    for (size_t i = 0; i < n; i++) {
        e = fmax(e, fabs((double)x[i] - y[i]));
        scale = fmax(scale, fabs(y[i]));
    }
    return e / scale;
}

/* Values and gradients of the plan agree with the interpreter, and the interpreter's gradients with finite
 * differences. */
static void test_against_double(void **unused) {
    (void)unused;
    ib_pool *pool;
    assert_int_equal(ib__pool_new(&pool, 2, NULL), IB_OK);
    size_t compared = 0;
    for (size_t c = 0; c < CASES; c++) {
        fixture f;
        make(&f, cases[c].build);
        ib_plan *plan;
        assert_int_equal(ib__plan_new(&plan, f.g, ib__kernels_for(IB_ISA_REF), pool, NULL), IB_OK);
        interpreter *t = calloc(1, sizeof *t);
        t->g = f.g;
        fill_inputs(&f, plan, t);
        ib__plan_run(plan, NULL);
        evaluate(t, (ib_node)f.g->n_nodes - 1);
        double e = worst(ib__plan_value(plan, f.y), t->value[f.y], 1);
        if (!(e < 2e-6)) fail_msg("%s: value differs by %g", cases[c].name, e);
        for (int i = 0; i < INPUTS; i++) {
            size_t n = elements(&input_shapes[i]);
            e = worst(ib__plan_value(plan, f.dx[i]), t->value[f.dx[i]], n);
            if (!(e < 5e-6)) fail_msg("%s: gradient of input %d differs by %g", cases[c].name, i, e);
            double *exact = malloc(n * sizeof *exact);
            memcpy(exact, t->value[f.dx[i]], n * sizeof *exact);
            for (size_t k = 0; k < n; k++) {
                double *x = &t->value[f.in[i]][k], kept = *x, h = 1e-6;
                *x = kept + h;
                double up = evaluate(t, f.y);
                *x = kept - h;
                double down = evaluate(t, f.y);
                *x = kept;
                double d = (up - down) / (2 * h);
                if (!(fabs(d - exact[k]) < 2e-6 * fmax(1, fabs(d))))
                    fail_msg("%s: input %d [%zu]: finite difference %.9g, gradient %.9g", cases[c].name, i, k,
                             d, exact[k]);
                compared++;
            }
            free(exact);
        }
        for (size_t i = 0; i < f.g->n_nodes; i++)
            free(t->value[i]);
        free(t);
        ib__plan_free(plan);
        ib__graph_free(f.g);
    }
    ib__pool_free(pool);
    assert_true(compared > 1000);
}

static void result_bits(const fixture *f, const ib_plan *plan, uint32_t *out, size_t *n) {
    *n = 0;
    memcpy(out + (*n)++, ib__plan_value(plan, f->y), 4);
    for (int i = 0; i < INPUTS; i++) {
        size_t k = elements(&input_shapes[i]);
        memcpy(out + *n, ib__plan_value(plan, f->dx[i]), 4 * k);
        *n += k;
    }
}

static void test_same_bits_everywhere(void **unused) {
    (void)unused;
    static const size_t threads[] = {1, 2, 3, 7};
    size_t compared = 0;
    for (size_t c = 0; c < CASES; c++) {
        uint32_t want[512], got[512];
        size_t n = 0, m;
        fixture f;
        make(&f, cases[c].build);
        for (int isa = 0; isa < IB_ISA_COUNT; isa++) {
            if (!ib__isa_available((ib_isa)isa)) continue;
            for (size_t i = 0; i < 4; i++) {
                ib_pool *pool;
                ib_plan *plan;
                assert_int_equal(ib__pool_new(&pool, threads[i], NULL), IB_OK);
                ib__pool_scramble(pool, (unsigned)i);
                assert_int_equal(ib__plan_new(&plan, f.g, ib__kernels_for((ib_isa)isa), pool, NULL), IB_OK);
                ib__plan_fill(plan, i % 2 ? 0x7fc00000u : 0xc2f6e979u);
                fill_inputs(&f, plan, NULL);
                ib__plan_run(plan, NULL);
                ib__plan_run(plan, NULL);
                result_bits(&f, plan, n ? got : want, n ? &m : &n);
                if (isa || i) {
                    if (memcmp(got, want, 4 * n) != 0)
                        fail_msg("%s: other bits with isa %d, %zu threads", cases[c].name, isa, threads[i]);
                    compared++;
                }
                ib__plan_free(plan);
                ib__pool_free(pool);
            }
        }
        ib__graph_free(f.g);
    }
    assert_true(compared >= 3 * CASES);
}

/* A host program that flushes subnormals and rounds down changes nothing, and gets its own mode back. */
static void test_host_rounding(void **unused) {
    (void)unused;
    uint32_t want[512], got[512];
    size_t n = 0;
    for (int pass = 0; pass < 2; pass++) {
        fixture f;
        ib_pool *pool;
        ib_plan *plan;
        make(&f, build_softmax);
        if (pass) assert_int_equal(fesetround(FE_DOWNWARD), 0);
        assert_int_equal(ib__pool_new(&pool, 2, NULL), IB_OK);
        assert_int_equal(ib__plan_new(&plan, f.g, ib__kernels_for(ib__isa_default()), pool, NULL), IB_OK);
        if (pass) assert_int_equal(fesetround(FE_TONEAREST), 0);
        fill_inputs(&f, plan, NULL);
        if (pass) assert_int_equal(fesetround(FE_DOWNWARD), 0);
        ib__plan_run(plan, NULL);
        assert_int_equal(fegetround(), pass ? FE_DOWNWARD : FE_TONEAREST);
        (void)fesetround(FE_TONEAREST);
        result_bits(&f, plan, pass ? got : want, &n);
        ib__plan_free(plan);
        ib__pool_free(pool);
        ib__graph_free(f.g);
    }
    assert_memory_equal(got, want, 4 * n);
}

/* Plans that have their memory in common run by turns and give the bits that each gives alone, whichever
 * lends it and is freed first; a lender that is too small lends nothing. */
static void test_common_memory(void **unused) {
    (void)unused;
    fixture f[3];
    uint32_t want[3][512], got[512];
    size_t n[3], borrowed = 0;
    ib_pool *pool;
    assert_int_equal(ib__pool_new(&pool, 2, NULL), IB_OK);
    for (size_t c = 0; c < 3; c++) {
        ib_plan *alone;
        make(&f[c], cases[c].build);
        assert_int_equal(ib__plan_new(&alone, f[c].g, ib__kernels_for(IB_ISA_REF), pool, NULL), IB_OK);
        fill_inputs(&f[c], alone, NULL);
        ib__plan_run(alone, NULL);
        result_bits(&f[c], alone, want[c], &n[c]);
        ib__plan_free(alone);
    }
    for (size_t first = 0; first < 3; first++) {
        ib_plan *plans[3];
        for (size_t i = 0; i < 3; i++) {
            size_t c = (first + i) % 3;
            const ib_plan *lender = i ? plans[first] : NULL;
            assert_int_equal(
                ib__plan_new_in(&plans[c], f[c].g, ib__kernels_for(IB_ISA_REF), pool, lender, NULL), IB_OK);
            borrowed += i && plans[c]->memory == plans[first]->memory;
            assert_true(plans[c]->memory->words * sizeof(float) >= ib__plan_bytes(plans[c]));
            fill_inputs(&f[c], plans[c], NULL);
        }
        for (size_t i = 0; i < 6; i++) {
            size_t m;
            ib__plan_run(plans[i % 3], NULL);
            result_bits(&f[i % 3], plans[i % 3], got, &m);
            assert_memory_equal(got, want[i % 3], 4 * m);
            if (i >= 3) ib__plan_free(plans[i % 3]);
        }
    }
    assert_in_range(borrowed, 1, 5);
    for (size_t c = 0; c < 3; c++)
        ib__graph_free(f[c].g);
    ib__pool_free(pool);
}

static void test_errors(void **unused) {
    (void)unused;
    ib_graph *g;
    assert_int_equal(ib__graph_new(&g, 4, 0, NULL), IB_OK);
    ib__graph_place(g, "layers[1] dense");
    ib_node x = ib__op_input(g, "x", IB_TYPE_F32, &(ib_shape){2, {4, 3}}, true);
    ib_node w = ib__op_input(g, "w", IB_TYPE_F32, &(ib_shape){2, {5, 2}}, false);
    assert_int_equal(ib__op_matmul(g, x, w), IB_NO_NODE);
    assert_int_equal(ib__op_add(g, x, ib__op_matmul(g, x, w)), IB_NO_NODE);
    ib_error err = {0};
    assert_int_equal(ib__graph_status(g, &err), IB_BAD_INPUT);
    assert_string_equal(err.where, "layers[1] dense");
    assert_string_equal(err.text, "dot_general: shapes (4, 3) and (5, 2) do not fit");
    ib__graph_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_double), cmocka_unit_test(test_same_bits_everywhere),
        cmocka_unit_test(test_host_rounding),  cmocka_unit_test(test_common_memory),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
