/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that Keras saved in the middle of training: the whole state of the optimizer is read, and training
 * goes on as in Keras, with the same bits on every instruction set and with more threads.
 */
#include "model/predict.h"

#include <glob.h>

typedef struct run {
    const char *name, *npz, *keras;
    ib_zip *zip;
    ib_value *meta;
    ib_model *model;
    ib_tensor x, y, loss; /* [batches, samples, ..] */
    double worst;         /* of what is allowed */
} run;

static void read(const run *r, const char *key, ib_tensor *out) {
    ib_error err = {0};
    if (ib__npz_array(out, r->zip, r->npz, key, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
}

/* What was read, against Keras's variables: equal. */
static void check_state(const run *r) {
    const ib_state *state;
    const ib_value *list = ib__value_get(r->meta, "optimizer");
    size_t n = ib__optimizer_state(r->model->optimizer, &state);
    assert_int_equal(n, list->count);
    for (size_t i = 0; i < n; i++) {
        char key[64];
        ib_tensor t;
        (void)snprintf(key, sizeof key, "optimizer/%zu", i);
        read(r, key, &t);
        if (state[i].integer) {
            assert_int_equal(t.shape.rank, 0);
            assert_true(*state[i].integer == (int64_t)ib__tensor_at(&t, 0));
            assert_true(state[i].narrow == (t.dtype == IB_I32));
        } else {
            assert_true(t.dtype == IB_F32 && ib__shape_equal(&t.shape, &state[i].variable->shape));
            assert_memory_equal(t.data, state[i].variable->data,
                                (size_t)ib__shape_elements(&t.shape) * sizeof(float));
        }
        ib__tensor_free(&t);
    }
}

static void compare(run *r, const char *what, const float *found, const ib_tensor *truth, const char *error) {
    double limit = fmax(2e-6, 10 * golden_float32_error(ib__value_get(r->meta, "float32_error"), error));
    double e = golden_error(found, truth);
    if (!(e <= limit)) fail_msg("%s: %s differs by %g, allowed %g", r->name, what, e, limit);
    r->worst = fmax(r->worst, e / limit);
}

static void check_end(run *r, ib_buf *bits) {
    enum { MOST = 16 };
    ib_weight *weights[MOST];
    const ib_value *list = ib__value_get(r->meta, "weights");
    size_t n = ib__model_weights(r->model, NULL, false);
    assert_true(n == list->count && n <= MOST && n > 0);
    (void)ib__model_weights(r->model, weights, false);
    for (size_t i = 0; i < n; i++) {
        char key[256];
        ib_tensor truth;
        const ib_variable *v = &weights[i]->variable;
        (void)snprintf(key, sizeof key, "next_w/%s", golden_text(list->items[i], "path"));
        read(r, key, &truth);
        assert_true(ib__shape_equal(&truth.shape, &v->shape));
        compare(r, key, v->data, &truth, "next_w");
        assert_true(ib__buf_add(bits, v->data, (size_t)ib__shape_elements(&v->shape) * sizeof(float)));
        ib__tensor_free(&truth);
    }
}

/* Five batches, each a step. */
static void go_on(run *r, ib_isa isa, size_t threads, ib_buf *bits) {
    ib_graph *g;
    ib_plan *plan;
    ib_pool *pool;
    ib_error err = {0};
    ib_type type;
    ib_model *model = r->model;
    size_t batches = (size_t)r->x.shape.dims[0], samples = (size_t)r->x.shape.dims[1];
    size_t per_x = (size_t)ib__shape_elements(&r->x.shape) / batches;
    ib_shape x = {2, {(int64_t)samples, r->x.shape.dims[2]}}, given = {1, {-1}}, target;
    const ib_spec *out = &model->tensors[model->outputs[0]];
    assert_int_equal(ib__loss_target(model->ends[0].loss, &out->shape, &given, &type, &target, &err), IB_OK);
    target.dims[0] = (int64_t)samples;
    assert_true(type == IB_TYPE_I32);
    assert_int_equal(ib__graph_new(&g, samples, 0, NULL), IB_OK);
    assert_int_equal(ib__pool_new(&pool, threads, NULL), IB_OK);
    ib_build b = {.g = g, .training = true, .seed = 1, .extra_loss = IB_NO_NODE};
    ib_node in = ib__op_input(g, "x", IB_TYPE_F32, &x, true), y = ib__op_input(g, "y", type, &target, true);
    ib_node none = IB_NO_NODE;
    ib_flow flow;
    ib__model_call(model, &b, &in, &flow);
    ib_node loss = ib__model_objective(model, &b, &flow, &y, &none, NULL);
    ib__graph_output(g, loss);
    assert_int_equal(ib__model_update(model, g, loss, &err), IB_OK);
    if (ib__plan_new(&plan, g, ib__kernels_for(isa), pool, &err) != IB_OK) fail_msg("%s", err.text);
    float losses[16];
    assert_true(batches > 0 && batches <= 16);
    for (size_t step = 0; step < batches; step++) {
        ib__tensor_to_float(ib__plan_input(plan, in), &r->x, step * per_x, per_x);
        for (size_t i = 0; i < samples; i++)
            ((int32_t *)ib__plan_input(plan, y))[i] = (int32_t)ib__tensor_at(&r->y, step * samples + i);
        ib__optimizer_begin(model->optimizer);
        ib__plan_run(plan, NULL);
        ib__optimizer_end(model->optimizer);
        losses[step] = *(const float *)ib__plan_value(plan, loss);
    }
    compare(r, "next_loss", losses, &r->loss, "next_loss");
    check_end(r, bits);
    ib__plan_free(plan);
    ib__graph_free(g);
    ib__pool_free(pool);
}

static void check_case(run *r) {
    ib_buf first = {0};
    ib_error err = {0};
    read(r, "next_x", &r->x);
    read(r, "next_y", &r->y);
    read(r, "next_loss", &r->loss);
    for (int k = 0; k < 2 * IB_ISA_COUNT; k++) {
        ib_isa isa = (ib_isa)(k / 2);
        ib_buf bits = {0};
        if (!ib__kernels_for(isa)) continue;
        if (ib__keras_load(&r->model, r->keras, true, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
        check_state(r);
        go_on(r, isa, k % 2 ? 3 : 1, k == 0 ? &first : &bits);
        if (k > 0 && (bits.length != first.length || memcmp(bits.data, first.data, bits.length) != 0))
            fail_msg("%s: other bits on %s", r->name, ib__isa_name(isa));
        ib__buf_free(&bits);
        ib__model_free(r->model);
    }
    assert_true(first.length > 0);
    print_message("  %-32s %.2f of what is allowed\n", r->name, r->worst);
    ib__buf_free(&first);
    ib__tensor_free(&r->x);
    ib__tensor_free(&r->y);
    ib__tensor_free(&r->loss);
}

static void test_continued(void **state) {
    (void)state;
    glob_t found;
    size_t compared = 0;
    const char *root = getenv("IB_GOLDEN_FILES") ? getenv("IB_GOLDEN_FILES") : "test/golden/files";
    char pattern[256];
    (void)snprintf(pattern, sizeof pattern, "%s/compiled-*.npz", root);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char keras[512];
        ib_error err = {0};
        run r = {.npz = found.gl_pathv[i], .keras = keras};
        r.name = strrchr(r.npz, '/') + 1;
        (void)snprintf(keras, sizeof keras, "%.*s/model.keras", (int)(strlen(r.npz) - 4), r.npz);
        if (ib__zip_open(&r.zip, r.npz, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
        r.meta = read_meta(r.zip, r.npz);
        if (ib__value_get(r.meta, "optimizer")) {
            check_case(&r);
            compared++;
        }
        ib__value_free(r.meta);
        ib__zip_close(r.zip);
    }
    globfree(&found);
    print_message("%zu files went on as in Keras, 0 refused\n", compared);
    assert_true(compared >= 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_continued)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
