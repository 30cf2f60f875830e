/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of models: reading golden .npz files, and the outputs of a model for given inputs.
 */
#ifndef IB_TEST_PREDICT_H
#define IB_TEST_PREDICT_H

#include "golden.h"

#include <stdlib.h>

#include "model/model.h"
#include "numerics/texts.h"

/* meta.npy: UTF-8 JSON as an array of bytes. */
static inline ib_value *read_meta(ib_zip *zip, const char *path) {
    ib_tensor t = {0};
    ib_error err = {0};
    ib_value *meta = NULL;
    if (ib__npz_array(&t, zip, path, "meta", &err) != IB_OK ||
        ib__json_parse(&meta, t.data, (size_t)ib__shape_elements(&t.shape), path, &err) != IB_OK)
        fail_msg("%s: %s", err.where, err.text);
    ib__tensor_free(&t);
    return meta;
}

/* PREFIX + i ("x0"); false if there is none. */
static inline bool read_array(ib_zip *zip, const char *path, const char *prefix, size_t i, ib_tensor *out) {
    char key[128];
    ib_error err = {0};
    (void)snprintf(key, sizeof key, "%s%zu", prefix, i);
    return ib__npz_array(out, zip, path, key, &err) == IB_OK;
}

/* The input as an array, or the texts that stand in meta; the table of texts is held. */
static inline bool read_input(ib_zip *zip, const char *path, const char *prefix, size_t i, ib_tensor *out) {
    if (read_array(zip, path, prefix, i, out)) return true;
    ib_value *meta = read_meta(zip, path);
    const ib_value *rows = i == 0 ? ib__value_get(meta, "strings") : NULL;
    if (rows) {
        ib_shape shape = {2, {(int64_t)rows->count, (int64_t)rows->items[0]->count}};
        assert_int_equal(ib__tensor_new(out, IB_TEXT, &shape, NULL), IB_OK);
        for (size_t k = 0; k < (size_t)ib__shape_elements(&shape); k++) {
            const char *text =
                rows->items[k / (size_t)shape.dims[1]]->items[k % (size_t)shape.dims[1]]->string;
            assert_int_equal(ib__text_number((int32_t *)out->data + k, text, strlen(text), NULL), IB_OK);
        }
    }
    ib__value_free(meta);
    return rows != NULL;
}

/* Runs the model on inputs x0.. and compares with y0..; gives the largest error, negative when there is
 * nothing to compare. */
static inline double predict_error(ib_model *model, ib_zip *zip, const char *path, const char *prefix) {
    enum { MOST = 8 };
    ib_node in[MOST];
    ib_flow out[MOST];
    ib_tensor x[MOST] = {0};
    char key[64];
    ib_error err = {0};
    ib_graph *g = NULL;
    ib_plan *plan = NULL;
    ib_pool *pool = NULL;
    double worst = -1;
    assert_true(model->n_inputs <= MOST && model->n_outputs <= MOST);
    for (size_t i = 0; i < model->n_inputs; i++) {
        (void)snprintf(key, sizeof key, "%.20sx", prefix);
        if (i == 0) ib__texts_hold();
        if (!read_input(zip, path, key, i, &x[i])) {
            ib__texts_release();
            return -1;
        }
    }
    size_t samples = (size_t)x[0].shape.dims[0];
    assert_int_equal(ib__pool_new(&pool, 1, &err), IB_OK);
    assert_int_equal(ib__graph_new(&g, samples, 0, &err), IB_OK);
    for (size_t i = 0; i < model->n_inputs; i++)
        in[i] = ib__op_input(g, "x", ib__model_input_type(model, i), &x[i].shape, true);
    ib_build b = {.g = g, .extra_loss = IB_NO_NODE};
    ib__model_call(model, &b, in, out);
    for (size_t i = 0; i < model->n_outputs; i++)
        ib__graph_output(g, out[i].node = ib__op_convert(g, out[i].node, IB_TYPE_F32));
    if (ib__graph_status(g, &err) != IB_OK ||
        ib__plan_new(&plan, g, ib__kernels_for(ib__isa_default()), pool, &err) != IB_OK)
        fail_msg("%s: %s", err.where, err.text);
    for (size_t i = 0; i < model->n_inputs; i++) {
        size_t n = (size_t)ib__shape_elements(&x[i].shape);
        if (ib__model_input_type(model, i) == IB_TYPE_F32)
            ib__tensor_to_float(ib__plan_input(plan, in[i]), &x[i], 0, n);
        else
            for (size_t j = 0; j < n; j++)
                ((int32_t *)ib__plan_input(plan, in[i]))[j] = (int32_t)ib__tensor_at(&x[i], j);
        ib__tensor_free(&x[i]);
    }
    ib__plan_run(plan, &(ib_stream_at){0});
    for (size_t i = 0; i < model->n_outputs; i++) {
        ib_tensor y = {0};
        (void)snprintf(key, sizeof key, "%.20sy", prefix);
        if (!read_array(zip, path, key, i, &y)) fail_msg("%s: no y%zu", path, i);
        ib_shape shape = ib__node_shape(g, out[i].node);
        assert_true(ib__shape_equal(&shape, &y.shape));
        worst = fmax(worst, golden_error(ib__plan_value(plan, out[i].node), &y));
        ib__tensor_free(&y);
    }
    ib__plan_free(plan);
    ib__graph_free(g);
    ib__pool_free(pool);
    ib__texts_release();
    return worst;
}

/* The weights as they stand, in meta's order, against the arrays w/PATH; gives how many were compared. */
static inline size_t check_weights(ib_model *model, ib_zip *zip, const char *path, const ib_value *meta) {
    const ib_value *list = ib__value_get(meta, "weights");
    size_t n = ib__model_weights(model, NULL, false);
    if (!list) return 0;
    assert_int_equal(list->count, n);
    ib_weight **weights = calloc(n + 1, sizeof *weights);
    assert_non_null(weights);
    ib__model_weights(model, weights, false);
    for (size_t i = 0; i < n; i++) {
        char key[600];
        ib_tensor t = {0};
        ib_error err = {0};
        (void)snprintf(key, sizeof key, "w/%s", golden_text(list->items[i], "path"));
        if (ib__npz_array(&t, zip, path, key, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
        size_t elements = (size_t)ib__shape_elements(&t.shape);
        assert_true(ib__shape_equal(&t.shape, &weights[i]->variable.shape));
        float *values = calloc(elements + 1, sizeof *values);
        assert_non_null(values);
        ib__tensor_to_float(values, &t, 0, elements);
        assert_memory_equal(values, weights[i]->variable.data, elements * sizeof *values);
        free(values);
        ib__tensor_free(&t);
    }
    free(weights);
    return n;
}

#endif
