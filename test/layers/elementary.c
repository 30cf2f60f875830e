/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations that are computed in float64: sine, cosine and tangent of large numbers, and powers of special
 * ones, which golden cases leave out.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "layers/layer.h"

/* The operation of n numbers on this instruction set; x2: a second operand, or NULL. */
static void run(const char *name, const float *x, const float *x2, size_t n, ib_isa isa, float *y) {
    static const char *const one[1] = {"x"}, *const two[2] = {"x1", "x2"};
    ib_layer *layer;
    ib_error err = {0};
    ib_graph *g;
    ib_plan *plan;
    ib_pool *pool;
    char class_name[64] = "keras.src.ops.numpy.";
    strcat(class_name, name);
    if (ib__layer_new(&layer, class_name, NULL, "op", "layers[0]", &err) != IB_OK)
        fail_msg("%s: %s", err.where, err.text);
    assert_int_equal(ib__graph_new(&g, n, 0, NULL), IB_OK);
    ib_build b = {.g = g, .extra_loss = IB_NO_NODE};
    ib_shape shape = {1, {(int64_t)n}};
    ib_flow in[2] = {{ib__op_input(g, "x", IB_TYPE_F32, &shape, true), IB_NO_NODE},
                     {ib__op_input(g, "y", IB_TYPE_F32, &shape, true), IB_NO_NODE}};
    ib_flow out[IB_OUTPUTS_MAX];
    ib_args args = {.n = x2 ? 2 : 1, .names = x2 ? two : one, .flows = in};
    assert_int_equal(ib__layer_call(layer, &b, &args, out), 1);
    ib__graph_output(g, out[0].node);
    assert_int_equal(ib__pool_new(&pool, 1, NULL), IB_OK);
    if (ib__plan_new(&plan, g, ib__kernels_for(isa), pool, &err) != IB_OK)
        fail_msg("%s: %s", err.where, err.text);
    memcpy(ib__plan_input(plan, in[0].node), x, n * sizeof *x);
    if (x2) memcpy(ib__plan_input(plan, in[1].node), x2, n * sizeof *x2);
    ib__plan_run(plan, &(ib_stream_at){0});
    memcpy(y, ib__plan_value(plan, out[0].node), n * sizeof *y);
    ib__plan_free(plan);
    ib__pool_free(pool);
    ib__graph_free(g);
    ib__layer_free(layer);
}

/* Numbers, and what their sine, cosine and tangent are, by mpmath with 600 bits. The fourth number is the
 * float32 that is nearest to an odd multiple of pi/2, relatively. */
static const float circular[][4] = {{0x1.2a05f2p+33f, -0x1.f334c8p-2f, 0x1.bf098ap-1f, -0x1.1dep-1f},
                                    {0x1.c363ccp+127f, 0x1.bff388p-1f, -0x1.efeaf8p-2f, -0x1.ce7a5ap+0f},
                                    {-0x1.b1ae4ep+68f, 0x1.b3f136p-2f, -0x1.cf48dap-1f, -0x1.e1c856p-2f},
                                    {0x1.f37c8ap+95f, 1.0f, -0x1.bbdd52p-30f, -0x1.274c1cp+29f},
                                    {0x1.24f8p+19f, -0x1.b40318p-3f, 0x1.f44324p-1f, -0x1.be3e08p-3f},
                                    {0x1.000002p+23f, -0x1.0cee5p-1f, -0x1.b3aefep-1f, 0x1.3c09c4p-1f},
                                    {0x1p+120f, 0x1.82e346p-2f, -0x1.da0cdp-1f, -0x1.a1dc28p-2f},
                                    {0x1.921fb6p+1f, -0x1.777a5cp-24f, -1.0f, 0x1.777a5cp-24f},
                                    {0x1.6ac5b2p+64f, 0x1.fffb1p-1f, 0x1.1c6a6p-7f, 0x1.ccd458p+6f},
                                    {0x1p+19f, 0x1.57481ep-3f, 0x1.f8c198p-1f, 0x1.5c354ap-3f},
                                    {-0x1.00002p+19f, -0x1.d71b5p-1f, 0x1.9102d8p-2f, -0x1.2cbf82p+1f},
                                    {0x1.16c2p-133f, 0x1.16c2p-133f, 1.0f, 0x1.16c2p-133f},
                                    {-0.0f, -0.0f, 1.0f, -0.0f},
                                    {INFINITY, NAN, NAN, NAN},
                                    {NAN, NAN, NAN, NAN}};

/* base, exponent, power */
static const float powers[][3] = {{-2.0f, 3.0f, -8.0f},        {-2.0f, -2.0f, 0.25f},
                                  {-2.0f, 0.5f, NAN},          {0.0f, 0.0f, 1.0f},
                                  {NAN, 0.0f, 1.0f},           {1.0f, NAN, 1.0f},
                                  {0.0f, -1.0f, INFINITY},     {-0.0f, -1.0f, -INFINITY},
                                  {-0.0f, 3.0f, -0.0f},        {-0.0f, 0.5f, 0.0f},
                                  {-1.0f, INFINITY, 1.0f},     {2.0f, -INFINITY, 0.0f},
                                  {0.5f, -INFINITY, INFINITY}, {-INFINITY, 3.0f, -INFINITY},
                                  {-INFINITY, 0.5f, INFINITY}, {1e30f, 2.0f, INFINITY}};

static void expect(const char *name, const float *x, float found, float truth) {
    bool same = isnan(truth) ? isnan(found) : memcmp(&found, &truth, sizeof found) == 0;
    if (!same) fail_msg("%s(%a): %a, expected %a", name, (double)*x, (double)found, (double)truth);
}

static void test_circular(void **state) {
    static const char *const names[3] = {"Sin", "Cos", "Tan"};
    enum { CASES = sizeof circular / sizeof *circular };
    (void)state;
    float x[CASES], y[CASES];
    for (size_t i = 0; i < CASES; i++)
        x[i] = circular[i][0];
    for (int isa = 0; isa < IB_ISA_COUNT; isa++) {
        if (!ib__kernels_for((ib_isa)isa)) continue;
        for (size_t f = 0; f < 3; f++) {
            run(names[f], x, NULL, CASES, (ib_isa)isa, y);
            for (size_t i = 0; i < CASES; i++)
                expect(names[f], &x[i], y[i], circular[i][f + 1]);
        }
    }
}

static void test_powers(void **state) {
    enum { CASES = sizeof powers / sizeof *powers };
    (void)state;
    float a[CASES], b[CASES], y[CASES];
    for (size_t i = 0; i < CASES; i++) {
        a[i] = powers[i][0];
        b[i] = powers[i][1];
    }
    run("Power", a, b, CASES, (ib_isa)0, y);
    for (size_t i = 0; i < CASES; i++)
        expect("Power", &a[i], y[i], powers[i][2]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_circular), cmocka_unit_test(test_powers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
