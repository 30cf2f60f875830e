/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers against real Keras: outputs, gradients, training mode, moving statistics, penalties and configs of
 * every golden case, on every instruction set of this machine with the same bits. A case is one layer, or a
 * chain of layers. Cases of layers or settings that are not supported are counted and must be refused by
 * name.
 */
#include <dirent.h>
#include <stdlib.h>

#include "golden.h"

#include "layers/layer.h"

enum { CASES_MAX = 400, LAYERS_MAX = 8, ARRAYS_MAX = 64 };

typedef struct problem {
    const char *name;
    ib_zip *zip;
    char path[256];
    ib_value *meta;
    ib_layer *layers[LAYERS_MAX];
    size_t n_layers, n_inputs;
    ib_tensor x[4], g;
    ib_pool *pool;
    size_t compared;
    double worst;
} problem;

static bool array(const problem *p, const char *prefix, const char *name, ib_tensor *out) {
    char full[256];
    size_t index;
    (void)snprintf(full, sizeof full, "%s%s.npy", prefix, name);
    if (!ib__zip_find(p->zip, full, &index)) return false;
    full[strlen(full) - 4] = '\0';
    ib_error err = {0};
    if (ib__npz_array(out, p->zip, p->path, full, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    return true;
}

static void open_case(problem *p, const char *name) {
    ib_error err = {0};
    ib_tensor meta;
    p->name = name;
    (void)snprintf(p->path, sizeof p->path, "test/golden/layers/%s.npz", name);
    if (ib__zip_open(&p->zip, p->path, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    assert_true(array(p, "", "meta", &meta));
    size_t n = (size_t)ib__shape_elements(&meta.shape);
    if (ib__json_parse(&p->meta, meta.data, n, p->path, &err) != IB_OK)
        fail_msg("%s: %s", err.where, err.text);
    ib__tensor_free(&meta);
    p->n_inputs = ib__value_get(p->meta, "inputs")->count;
    for (size_t i = 0; i < p->n_inputs; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "x%zu", i);
        assert_true(array(p, "", key, &p->x[i]));
    }
    assert_true(array(p, "", "g0", &p->g));
}

static void close_case(problem *p) {
    for (size_t i = 0; i < p->n_layers; i++)
        ib__layer_free(p->layers[i]);
    for (size_t i = 0; i < p->n_inputs; i++)
        ib__tensor_free(&p->x[i]);
    ib__tensor_free(&p->g);
    ib__value_free(p->meta);
    ib__zip_close(p->zip);
}

/* Object numbers depend on addresses in Keras's process; Keras reads files without them. */
static void drop_object_ids(ib_value *v) {
    for (size_t i = 0; i < v->count; i++) {
        if (v->kind == IB_MAP && strcmp(v->keys[i], "shared_object_id") == 0) {
            free(v->keys[i]);
            ib__value_free(v->items[i]);
            for (size_t k = i + 1; k < v->count; k++) {
                v->keys[k - 1] = v->keys[k];
                v->items[k - 1] = v->items[k];
            }
            v->count--;
            i--;
        } else {
            drop_object_ids(v->items[i]);
        }
    }
}

/* The completed config must be Keras's own text, key by key. */
static void check_config(const problem *p, const ib_layer *layer, const ib_value *config) {
    ib_value *expected = ib__value_copy(config);
    ib_buf a = {0}, b = {0};
    drop_object_ids(expected);
    assert_true(ib__json_write(&a, layer->config, IB_JSON_PYTHON));
    assert_true(ib__json_write(&b, expected, IB_JSON_PYTHON));
    if (strcmp(a.data, b.data) != 0) fail_msg("%s: config\n%s\nbut Keras has\n%s", p->name, a.data, b.data);
    ib__buf_free(&a);
    ib__buf_free(&b);
    ib__value_free(expected);
}

/* Makes and builds the layers and fills their weights. IB_UNSUPPORTED: the case is refused. */
static ib_status build_layers(problem *p, ib_error *err) {
    const ib_value *list = ib__value_get(p->meta, "layers");
    assert_true(list->count <= LAYERS_MAX);
    ib_shape inputs[4];
    for (size_t i = 0; i < p->n_inputs; i++) {
        inputs[i] = p->x[i].shape;
        inputs[i].dims[0] = -1;
    }
    size_t n = p->n_inputs;
    for (size_t i = 0; i < list->count; i++) {
        const ib_value *item = list->items[i], *config = ib__value_get(item, "config");
        ib_layer *layer;
        ib_status status = ib__layer_new(&layer, ib__value_get(item, "class_name")->string, config, "layer",
                                         "layers[0]", err);
        if (status != IB_OK) return status;
        p->layers[p->n_layers++] = layer;
        check_config(p, layer, config);
        if (n > 1 && !layer->class->many_inputs)
            return ib__fail(err, IB_UNSUPPORTED, p->name, "masks given as inputs are not supported yet");
        status = ib__layer_build(layer, inputs, n, err);
        ib_shape out;
        if (status == IB_OK) status = layer->class->shape(layer, inputs, n, &out, err);
        if (status != IB_OK) return status;
        inputs[0] = out;
        n = 1;
        for (size_t k = 0; k < layer->n_weights; k++) {
            ib_tensor w;
            if (!array(p, "w/", layer->weights[k].variable.path, &w))
                fail_msg("%s: Keras has no weight %s", p->name, layer->weights[k].variable.path);
            assert_true(ib__shape_equal(&w.shape, &layer->weights[k].variable.shape));
            ib__tensor_to_float(layer->weights[k].variable.data, &w, 0, (size_t)ib__shape_elements(&w.shape));
            ib__tensor_free(&w);
        }
    }
    size_t weights = 0;
    for (size_t i = 0; i < p->n_layers; i++)
        weights += p->layers[i]->n_weights;
    assert_int_equal(weights, ib__value_get(p->meta, "weights")->count);
    return IB_OK;
}

typedef struct expected {
    char key[200];
    ib_node node;
    double tolerance;
} expected;

typedef struct model {
    ib_graph *g;
    ib_node in[4], cotangent, y, penalty;
    expected outputs[ARRAYS_MAX];
    size_t n;
} model;

static void expect(problem *p, model *m, const char *prefix, const char *name, ib_node node,
                   double tolerance) {
    expected e = {.node = node, .tolerance = tolerance};
    size_t index;
    (void)snprintf(e.key, sizeof e.key, "%s%s.npy", prefix, name);
    if (!ib__zip_find(p->zip, e.key, &index)) return;
    e.key[strlen(e.key) - 4] = '\0';
    assert_true(m->n < ARRAYS_MAX);
    m->outputs[m->n++] = e;
    ib__graph_output(m->g, node);
}

/* Gradients of y with cotangent dy with respect to inputs and trained weights, expected under these keys. */
static void expect_gradients(problem *p, model *m, ib_node y, ib_node dy, const char *inputs,
                             const char *weights) {
    ib_node x[ARRAYS_MAX], dx[ARRAYS_MAX];
    const char *paths[ARRAYS_MAX];
    size_t n = 0;
    double tolerance = fmax(5e-6, 10 * golden_float32_error(p->meta, "gradients"));
    for (; n < p->n_inputs; n++)
        x[n] = m->in[n];
    for (size_t i = 0; i < p->n_layers; i++)
        for (size_t k = 0; k < p->layers[i]->n_weights; k++) {
            ib_weight *w = &p->layers[i]->weights[k];
            if (!w->trainable || !p->layers[i]->trainable) continue;
            paths[n] = w->variable.path;
            x[n++] = ib__op_variable(m->g, &w->variable);
        }
    ib__graph_gradients(m->g, &y, &dy, 1, x, n, dx);
    for (size_t i = 0; i < n; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%zu", i);
        if (i < p->n_inputs)
            expect(p, m, inputs, name, dx[i], tolerance);
        else
            expect(p, m, weights, paths[i], dx[i], tolerance);
    }
}

static void build_model(problem *p, model *m, bool training) {
    assert_int_equal(ib__graph_new(&m->g, (size_t)p->x[0].shape.dims[0], 0, NULL), IB_OK);
    ib_build b = {.g = m->g, .training = training, .seed = 1, .extra_loss = IB_NO_NODE};
    ib_node inputs[4];
    size_t n = p->n_inputs;
    for (size_t i = 0; i < n; i++)
        inputs[i] = m->in[i] = ib__op_input(m->g, "x", IB_TYPE_F32, &p->x[i].shape, true);
    for (size_t i = 0; i < p->n_layers; i++) {
        ib__graph_place(m->g, p->layers[i]->place);
        inputs[0] = p->layers[i]->class->call(p->layers[i], &b, inputs, n);
        n = 1;
    }
    m->y = inputs[0];
    ib__graph_place(m->g, "test");
    m->cotangent = ib__op_input(m->g, "g", IB_TYPE_F32, &p->g.shape, true);
    expect(p, m, "", training ? "yt0" : "y0", m->y, fmax(2e-6, 10 * golden_float32_error(p->meta, "y")));
    expect_gradients(p, m, m->y, m->cotangent, training ? "dxt" : "dx", training ? "dwt/" : "dw/");
    m->penalty = IB_NO_NODE;
    for (size_t i = 0; i < p->n_layers; i++)
        for (size_t k = 0; k < p->layers[i]->n_weights; k++) {
            ib_weight *w = &p->layers[i]->weights[k];
            ib_node one = ib__regularizer_call(w->regularizer, m->g, ib__op_variable(m->g, &w->variable));
            if (one != IB_NO_NODE)
                m->penalty = m->penalty == IB_NO_NODE ? one : ib__op_add(m->g, m->penalty, one);
        }
    if (m->penalty != IB_NO_NODE && !training) {
        expect(p, m, "", "loss", m->penalty, fmax(2e-6, 10 * golden_float32_error(p->meta, "y")));
        expect_gradients(p, m, m->penalty, IB_NO_NODE, "ldx", "ldw/");
    }
}

static void put(ib_plan *plan, ib_node to, const ib_tensor *from) {
    ib__tensor_to_float(ib__plan_input(plan, to), from, 0, (size_t)ib__shape_elements(&from->shape));
}

static void compare(problem *p, const char *key, const float *found, double tolerance) {
    ib_tensor truth;
    assert_true(array(p, "", key, &truth));
    double e = golden_error(found, &truth);
    if (!(e <= tolerance)) fail_msg("%s: %s differs by %g, allowed %g", p->name, key, e, tolerance);
    p->worst = fmax(p->worst, e);
    p->compared++;
    ib__tensor_free(&truth);
}

/* All results and weights of a run, one after the other, as one text of bits. */
static void collect(const problem *p, const model *m, const ib_plan *plan, ib_buf *out) {
    for (size_t i = 0; i < m->n; i++) {
        ib_shape shape = ib__node_shape(m->g, m->outputs[i].node);
        const float *value = ib__plan_value(plan, m->outputs[i].node);
        for (int64_t k = 0; k < ib__shape_elements(&shape); k++) {
            float canonical = isnan(value[k]) ? NAN : value[k];
            assert_true(ib__buf_add(out, &canonical, sizeof canonical));
        }
    }
    for (size_t i = 0; i < p->n_layers; i++)
        for (size_t k = 0; k < p->layers[i]->n_weights; k++) {
            const ib_variable *v = &p->layers[i]->weights[k].variable;
            size_t bytes = (size_t)ib__shape_elements(&v->shape) * sizeof(float);
            assert_true(ib__buf_add(out, v->data, bytes));
        }
}

static void run_mode(problem *p, bool training, ib_isa isa, ib_buf *bits) {
    model m = {0};
    ib_plan *plan;
    ib_error err = {0};
    build_model(p, &m, training);
    if (ib__plan_new(&plan, m.g, ib__kernels_for(isa), p->pool, &err) != IB_OK)
        fail_msg("%s: %s: %s", p->name, err.where, err.text);
    for (size_t i = 0; i < p->n_inputs; i++)
        put(plan, m.in[i], &p->x[i]);
    put(plan, m.cotangent, &p->g);
    ib_stream_at at = {.step = 0};
    ib__plan_run(plan, &at);
    for (size_t i = 0; i < m.n; i++)
        compare(p, m.outputs[i].key, ib__plan_value(plan, m.outputs[i].node), m.outputs[i].tolerance);
    for (size_t i = 0; training && i < p->n_layers; i++)
        for (size_t k = 0; k < p->layers[i]->n_weights; k++) {
            const ib_variable *v = &p->layers[i]->weights[k].variable;
            char key[200];
            size_t index;
            (void)snprintf(key, sizeof key, "nt/%s.npy", v->path);
            if (!ib__zip_find(p->zip, key, &index)) continue;
            key[strlen(key) - 4] = '\0';
            compare(p, key, v->data, fmax(2e-6, 10 * golden_float32_error(p->meta, "y")));
        }
    collect(p, &m, plan, bits);
    ib__plan_free(plan);
    ib__graph_free(m.g);
}

/* Moving statistics go back to where they began, for the next instruction set. */
static void reset_weights(problem *p) {
    for (size_t i = 0; i < p->n_layers; i++)
        for (size_t k = 0; k < p->layers[i]->n_weights; k++) {
            ib_variable *v = &p->layers[i]->weights[k].variable;
            ib_tensor w;
            assert_true(array(p, "w/", v->path, &w));
            ib__tensor_to_float(v->data, &w, 0, (size_t)ib__shape_elements(&w.shape));
            ib__tensor_free(&w);
        }
}

typedef enum outcome { SAME, REFUSED } outcome;

static outcome run_case(const char *name, ib_pool *pool, size_t *compared, double *worst) {
    problem p = {.pool = pool};
    ib_error err = {0};
    open_case(&p, name);
    ib_status status = build_layers(&p, &err);
    if (status == IB_UNSUPPORTED) {
        print_message("  %-40s refused: %s\n", name, err.text);
        close_case(&p);
        return REFUSED;
    }
    if (status != IB_OK) fail_msg("%s: %s: %s", name, err.where, err.text);
    bool differs = ib__value_get(p.meta, "training_differs")->boolean;
    ib_buf first = {0};
    for (int isa = 0; isa < IB_ISA_COUNT; isa++) {
        if (!ib__kernels_for((ib_isa)isa)) continue;
        ib_buf bits = {0};
        run_mode(&p, false, (ib_isa)isa, &bits);
        if (differs) run_mode(&p, true, (ib_isa)isa, &bits);
        reset_weights(&p);
        if (isa == 0) {
            first = bits;
            continue;
        }
        if (bits.length != first.length || memcmp(bits.data, first.data, bits.length) != 0)
            fail_msg("%s: other bits on %s", name, ib__isa_name((ib_isa)isa));
        ib__buf_free(&bits);
    }
    if (p.compared == 0) fail_msg("%s: nothing was compared", name);
    *compared += p.compared;
    *worst = fmax(*worst, p.worst);
    ib__buf_free(&first);
    close_case(&p);
    return SAME;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void test_golden(void **state) {
    (void)state;
    char *names[CASES_MAX];
    size_t n = 0, counts[2] = {0}, compared = 0;
    double worst = 0;
    DIR *folder = opendir("test/golden/layers");
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        size_t length = strlen(entry->d_name);
        if (length < 5 || strcmp(entry->d_name + length - 4, ".npz") != 0) continue;
        assert_true(n < CASES_MAX);
        names[n] = strdup(entry->d_name);
        names[n++][length - 4] = '\0';
    }
    closedir(folder);
    qsort(names, n, sizeof *names, by_name);
    ib_pool *pool;
    assert_int_equal(ib__pool_new(&pool, 2, NULL), IB_OK);
    for (size_t i = 0; i < n; i++) {
        counts[run_case(names[i], pool, &compared, &worst)]++;
        free(names[i]);
    }
    ib__pool_free(pool);
    print_message("layers: %zu cases agree with Keras (%zu arrays, worst %.1e), %zu refused by name\n",
                  counts[SAME], compared, worst, counts[REFUSED]);
    assert_true(counts[SAME] >= 247 && counts[REFUSED] <= 23);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
