/* SPDX-License-Identifier: Apache-2.0
 *
 * Running one layer on one input, for tests of layers without golden cases: what they draw while training.
 */
#ifndef IB_TEST_LAYERS_RUN_LAYER_H
#define IB_TEST_LAYERS_RUN_LAYER_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/value.h"
#include "layers/layer.h"

typedef struct layer_run {
    const char *class_name, *yaml;
    ib_shape shape; /* of x */
    const float *x;
    float weights; /* each number of every weight; NAN: as their initializers make them */
    uint64_t seed;
    uint32_t step;
    bool inference;
    ib_isa isa;
    size_t threads;
} layer_run;

/* y: room for `room` floats; gives the output's shape. */
static inline ib_shape run_layer(const layer_run *r, float *y, size_t room) {
    ib_layer *layer;
    ib_error err = {0};
    ib_graph *g;
    ib_plan *plan;
    ib_pool *pool;
    ib_value *config;
    char snake[128];
    ib__snake_case(snake, sizeof snake, r->class_name);
    assert_int_equal(ib__yaml_parse(&config, r->yaml, strlen(r->yaml), "exp.yaml", NULL), IB_OK);
    if (ib__layer_new(&layer, r->class_name, config, snake, "layers[0]", &err) != IB_OK)
        fail_msg("%s: %s: %s", r->class_name, err.where, err.text);
    ib__value_free(config);
    assert_int_equal(ib__graph_new(&g, (size_t)r->shape.dims[0], 0, NULL), IB_OK);
    ib_build b = {.g = g, .training = !r->inference, .seed = r->seed, .extra_loss = IB_NO_NODE};
    ib_node x = ib__op_input(g, "x", IB_TYPE_F32, &r->shape, true);
    ib_node out = ib__op_map(g, IB_MAP_copy, ib__layer_call_one(layer, &b, x), IB_NO_NODE, IB_NO_NODE);
    ib__graph_output(g, out);
    ib_weight *weights[16];
    size_t n_weights = ib__layer_weights(layer, NULL, false);
    assert_true(n_weights <= sizeof weights / sizeof *weights);
    (void)ib__layer_weights(layer, weights, false);
    for (size_t i = 0; isnan(r->weights) && i < n_weights; i++) {
        const ib_variable *v = &weights[i]->variable;
        assert_int_equal(ib__initialize(v->data, &v->shape, weights[i]->initializer, r->seed, v->path, NULL),
                         IB_OK);
    }
    for (size_t i = 0; !isnan(r->weights) && i < n_weights; i++)
        for (int64_t k = 0; k < ib__shape_elements(&weights[i]->variable.shape); k++)
            weights[i]->variable.data[k] = r->weights;
    assert_int_equal(ib__pool_new(&pool, r->threads ? r->threads : 1, NULL), IB_OK);
    if (ib__plan_new(&plan, g, ib__kernels_for(r->isa), pool, &err) != IB_OK)
        fail_msg("%s: %s: %s", r->class_name, err.where, err.text);
    memcpy(ib__plan_input(plan, x), r->x, (size_t)ib__shape_elements(&r->shape) * sizeof *r->x);
    ib__plan_fill(plan, 0x7fc12345u);
    ib__plan_run(plan, &(ib_stream_at){.step = r->step});
    ib_shape shape = ib__node_shape(g, out);
    size_t n = (size_t)ib__shape_elements(&shape);
    assert_true(n <= room);
    memcpy(y, ib__plan_value(plan, out), n * sizeof *y);
    ib__plan_free(plan);
    ib__pool_free(pool);
    ib__graph_free(g);
    ib__layer_free(layer);
    return shape;
}

/* The same on every instruction set of this machine and on one and three threads; y and again: room floats.
 */
static inline ib_shape run_layer_everywhere(layer_run r, float *y, float *again, size_t room) {
    r.isa = (ib_isa)0;
    ib_shape shape = run_layer(&r, y, room);
    size_t bytes = (size_t)ib__shape_elements(&shape) * sizeof *y;
    for (int isa = 0; isa < IB_ISA_COUNT; isa++) {
        if (!ib__kernels_for((ib_isa)isa)) continue;
        r.isa = (ib_isa)isa;
        r.threads = isa % 2 ? 1 : 3;
        run_layer(&r, again, room);
        if (memcmp(y, again, bytes) != 0)
            fail_msg("%s: other bits on %s", r.class_name, ib__isa_name((ib_isa)isa));
    }
    return shape;
}

#endif
