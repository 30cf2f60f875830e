/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers against real Keras: each golden case is a small model, loaded from its .keras file. Outputs, masks,
 * gradients for inputs and weights, training mode, state, penalties and the config's text must agree; every
 * instruction set of this machine and one and three threads must give the same bits. Cases with layers or
 * settings that are not supported must be refused by name; they are counted.
 *
 * The cases of mixed/ are of mixed precision: Keras's numbers themselves are rounded to 16 bits there, so the
 * tolerance is a few units of that, or Keras's own distance from float32 where that is more (sums that
 * cancel); where its numbers are of the 16-bit format, ours must be, too, and most of the outputs must be the
 * very same numbers.
 */
#include <dirent.h>
#include <stdlib.h>

#include "golden.h"

#include "model/model.h"

enum { CASES_MAX = 1000, INPUTS_MAX = 16, ARRAYS_MAX = 128, CALLS_MAX = 4 };

typedef struct problem {
    const char *folder, *name;
    ib_format format; /* of the case's policy */
    char path[256];
    ib_zip *zip;
    ib_value *meta;
    ib_model *model;
    ib_weight *weights[ARRAYS_MAX];
    size_t n_weights;
    ib_tensor x[INPUTS_MAX], g[INPUTS_MAX]; /* inputs; cotangents of outputs (data NULL: none) */
    ib_pool *pool;
    size_t compared;
    size_t outputs, equal; /* mixed precision: numbers that were compared, and that are Keras's own */
    double worst;
} problem;

/* ---- Arrays of a case ---- */

static bool has(const problem *p, const char *key) {
    char full[300];
    size_t index;
    (void)snprintf(full, sizeof full, "%.256s.npy", key);
    return ib__zip_find(p->zip, full, &index);
}

static bool array(const problem *p, const char *key, ib_tensor *out) {
    ib_error err = {0};
    if (!has(p, key)) return false;
    if (ib__npz_array(out, p->zip, p->path, key, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    return true;
}

static const char *weight_path(const problem *p, size_t i) {
    return golden_text(ib__value_get(p->meta, "weights")->items[i], "path");
}

static void open_case(problem *p, const char *name) {
    ib_error err = {0};
    ib_tensor meta;
    p->name = name;
    (void)snprintf(p->path, sizeof p->path, "test/golden/%s/%s.npz", p->folder, name);
    if (ib__zip_open(&p->zip, p->path, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    assert_true(array(p, "meta", &meta));
    size_t n = (size_t)ib__shape_elements(&meta.shape);
    if (ib__json_parse(&p->meta, meta.data, n, p->path, &err) != IB_OK)
        fail_msg("%s: %s", err.where, err.text);
    ib__tensor_free(&meta);
    p->format = ib__policy_format(ib__value_get(p->meta, "policy"));
    for (size_t i = 0; i < INPUTS_MAX; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "x%zu", i);
        (void)array(p, key, &p->x[i]);
        (void)snprintf(key, sizeof key, "g%zu", i);
        (void)array(p, key, &p->g[i]);
    }
}

static void close_case(problem *p) {
    ib__model_free(p->model);
    for (size_t i = 0; i < INPUTS_MAX; i++) {
        ib__tensor_free(&p->x[i]);
        ib__tensor_free(&p->g[i]);
    }
    ib__value_free(p->meta);
    ib__zip_close(p->zip);
}

/* ---- The config's text ---- */

/* Object numbers depend on addresses in Keras's process; Keras reads files without them. What the model was
 * compiled with stands apart. */
static void drop_object_ids(ib_value *v) {
    for (size_t i = 0; i < v->count; i++) {
        if (v->kind == IB_MAP &&
            (strcmp(v->keys[i], "shared_object_id") == 0 || strcmp(v->keys[i], "compile_config") == 0)) {
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

/* What we would write must be Keras's own text, key by key. */
static void check_config(const problem *p, const char *path) {
    ib_zip *zip;
    ib_buf text = {0}, a = {0}, b = {0};
    ib_value *expected;
    assert_int_equal(ib__zip_open(&zip, path, NULL), IB_OK);
    assert_int_equal(ib__zip_read(zip, "config.json", 0, &text, NULL), IB_OK);
    assert_int_equal(ib__json_parse(&expected, text.data, text.length, path, NULL), IB_OK);
    ib__zip_close(zip);
    drop_object_ids(expected);
    drop_object_ids(p->model->config);
    assert_true(ib__json_write(&a, p->model->config, IB_JSON_PYTHON));
    assert_true(ib__json_write(&b, expected, IB_JSON_PYTHON));
    size_t at = 0;
    while (a.data[at] && a.data[at] == b.data[at])
        at++;
    size_t from = at > 80 ? at - 80 : 0;
    if (a.data[at] != b.data[at])
        fail_msg("%s: config\n...%.160s\nbut Keras has\n...%.160s", p->name, a.data + from, b.data + from);
    ib__buf_free(&text);
    ib__buf_free(&a);
    ib__buf_free(&b);
    ib__value_free(expected);
}

/* IB_UNSUPPORTED: the case is refused. */
static ib_status load(problem *p, ib_error *err) {
    char path[256];
    (void)snprintf(path, sizeof path, "test/golden/%s/%s.keras", p->folder, p->name);
    ib_status status = ib__keras_load(&p->model, path, false, err);
    if (status != IB_OK) return status;
    check_config(p, path);
    p->n_weights = ib__model_weights(p->model, NULL, false);
    assert_true(p->n_weights <= ARRAYS_MAX && p->model->n_inputs <= INPUTS_MAX);
    (void)ib__model_weights(p->model, p->weights, false);
    assert_int_equal(p->n_weights, ib__value_get(p->meta, "weights")->count);
    return IB_OK;
}

/* Weights and states as they were, for the next instruction set; Keras's order and shapes are ours. */
static void reset_weights(problem *p) {
    for (size_t i = 0; i < p->model->n_layers; i++) {
        ib_variable *states[ARRAYS_MAX];
        size_t n = ib__layer_states(p->model->layers[i], NULL);
        assert_true(n <= ARRAYS_MAX);
        (void)ib__layer_states(p->model->layers[i], states);
        for (size_t k = 0; k < n; k++)
            memset(states[k]->data, 0, (size_t)ib__shape_elements(&states[k]->shape) * sizeof(float));
    }
    for (size_t i = 0; i < p->n_weights; i++) {
        ib_variable *v = &p->weights[i]->variable;
        char key[256];
        ib_tensor w;
        (void)snprintf(key, sizeof key, "w/%s", weight_path(p, i));
        if (!array(p, key, &w)) fail_msg("%s: no %s", p->name, key);
        if (!ib__shape_equal(&w.shape, &v->shape)) fail_msg("%s: %s has another shape", p->name, v->path);
        ib__tensor_to_float(v->data, &w, 0, (size_t)ib__shape_elements(&w.shape));
        ib__tensor_free(&w);
    }
}

/* ---- A mode: inference or training ---- */

typedef struct expected {
    char key[200];
    ib_node node;
    double tolerance;
} expected;

typedef struct mode {
    bool training;
    ib_graph *g;
    ib_plan *plan;
    ib_node in[INPUTS_MAX], cotangent[INPUTS_MAX];
    ib_flow out[INPUTS_MAX];
    expected outputs[ARRAYS_MAX];
    size_t n;
} mode;

static double tolerance_of(const problem *p, bool gradients) {
    if (p->format != IB_FORMAT_F32)
        return (gradients ? 6 : 3) * (p->format == IB_FORMAT_BF16 ? 0x1p-8 : 0x1p-11);
    double own = golden_float32_error(p->meta, gradients ? "gradients" : "y");
    return fmax(gradients ? 5e-6 : 2e-6, 10 * own);
}

/* node is compared under this key if the case has it. */
static void expect(problem *p, mode *m, const char *key, ib_node node, bool gradient) {
    if (!has(p, key) || node == IB_NO_NODE) return;
    assert_true(m->n < ARRAYS_MAX);
    if (ib__node_type(m->g, node) != IB_TYPE_F32) node = ib__op_convert(m->g, node, IB_TYPE_F32);
    expected e = {.node = node, .tolerance = tolerance_of(p, gradient)};
    if (p->format != IB_FORMAT_F32) e.tolerance = fmax(e.tolerance, 1.5 * golden_float32_error(p->meta, key));
    (void)snprintf(e.key, sizeof e.key, "%s", key);
    m->outputs[m->n++] = e;
    ib__graph_output(m->g, node);
}

/* Gradients for inputs and trained weights: keys dx0 or dxt0 or ldx0, dw/PATH or dwt/PATH or ldw/PATH. */
static void expect_gradients(problem *p, mode *m, const ib_node *y, const ib_node *dy, size_t n,
                             const char *inputs, const char *weights) {
    ib_node x[ARRAYS_MAX + INPUTS_MAX], dx[ARRAYS_MAX + INPUTS_MAX];
    char keys[ARRAYS_MAX + INPUTS_MAX][200];
    size_t count = 0;
    for (size_t i = 0; i < p->model->n_inputs; i++) {
        if (ib__model_input_type(p->model, i) != IB_TYPE_F32) continue;
        (void)snprintf(keys[count], sizeof *keys, "%s%zu", inputs, i);
        x[count++] = m->in[i];
    }
    for (size_t i = 0; i < p->n_weights; i++) {
        (void)snprintf(keys[count], sizeof *keys, "%s/%s", weights, weight_path(p, i));
        if (has(p, keys[count])) x[count++] = ib__op_variable(m->g, &p->weights[i]->variable);
    }
    ib__graph_gradients(m->g, y, dy, n, x, count, dx);
    for (size_t i = 0; i < count; i++)
        expect(p, m, keys[i], dx[i], true);
}

static void build_mode(problem *p, mode *m) {
    size_t samples = (size_t)p->x[0].shape.dims[0], n = p->model->n_outputs;
    assert_int_equal(ib__graph_new(&m->g, samples, 0, NULL), IB_OK);
    ib_build b = {.g = m->g, .training = m->training, .seed = 1, .extra_loss = IB_NO_NODE};
    for (size_t i = 0; i < p->model->n_inputs; i++)
        m->in[i] = ib__op_input(m->g, "x", ib__model_input_type(p->model, i), &p->x[i].shape, true);
    ib__model_call(p->model, &b, m->in, m->out);
    ib__graph_place(m->g, "test");
    ib_node y[INPUTS_MAX], dy[INPUTS_MAX];
    size_t pairs = 0;
    for (size_t i = 0; i < n; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, m->training ? "yt%zu" : "y%zu", i);
        expect(p, m, key, m->out[i].node, false);
        (void)snprintf(key, sizeof key, "m%zu", i);
        bool masked = has(p, key);
        if (masked != (m->out[i].mask != IB_NO_NODE))
            fail_msg("%s: output %zu has %s mask", p->name, i, masked ? "no" : "a");
        expect(p, m, key, m->out[i].mask, false);
        m->cotangent[i] = IB_NO_NODE;
        if (!p->g[i].data) continue;
        m->cotangent[i] = ib__op_input(m->g, "g", IB_TYPE_F32, &p->g[i].shape, true);
        y[pairs] = m->out[i].node;
        dy[pairs++] = m->cotangent[i];
    }
    if (!m->training || has(p, "yt0"))
        expect_gradients(p, m, y, dy, pairs, m->training ? "dxt" : "dx", m->training ? "dwt" : "dw");
    if (m->training) return;
    ib_node penalty = ib__model_penalty(p->model, &b);
    if (b.extra_loss != IB_NO_NODE)
        penalty = penalty == IB_NO_NODE ? b.extra_loss : ib__op_add(m->g, b.extra_loss, penalty);
    if ((penalty != IB_NO_NODE) != has(p, "loss"))
        fail_msg("%s: a penalty is missing or unexpected", p->name);
    if (penalty == IB_NO_NODE) return;
    expect(p, m, "loss", penalty, false);
    expect_gradients(p, m, &penalty, NULL, 1, "ldx", "ldw");
}

static void put(ib_plan *plan, ib_node to, ib_type type, const ib_tensor *from) {
    size_t n = (size_t)ib__shape_elements(&from->shape);
    if (type == IB_TYPE_F32)
        ib__tensor_to_float(ib__plan_input(plan, to), from, 0, n);
    else
        for (size_t i = 0; i < n; i++)
            ((int32_t *)ib__plan_input(plan, to))[i] = (int32_t)ib__tensor_at(from, i);
}

/* A 16-bit format's numbers must be numbers of it here, too. */
static void compare_format(problem *p, const char *key, const float *found, const ib_tensor *truth) {
    ib_map_op op = p->format == IB_FORMAT_BF16 ? IB_MAP_to_bfloat16 : IB_MAP_to_float16;
    ib_map_fn *to_format = ib__kernels_for(IB_ISA_REF)->map[op];
    size_t n = (size_t)ib__shape_elements(&truth->shape), equal = 0, rounded = 0, ours = 0;
    for (size_t i = 0; i < n; i++) {
        float keras = (float)ib__tensor_at(truth, i), a, b;
        to_format(&a, &keras, NULL, NULL, 1);
        to_format(&b, &found[i], NULL, NULL, 1);
        rounded += a == keras || isnan(a);
        ours += b == found[i] || isnan(b);
        equal += keras == found[i];
    }
    if (rounded == n && ours != n) fail_msg("%s: %s is not rounded as in Keras", p->name, key);
    if (key[0] != 'y') return;
    p->outputs += n;
    p->equal += equal;
}

static void compare(problem *p, const char *key, const float *found, const ib_shape *shape,
                    double tolerance) {
    ib_tensor truth;
    assert_true(array(p, key, &truth));
    if (!ib__shape_equal(&truth.shape, shape)) {
        char a[128], b[128];
        ib__shape_print(a, shape);
        ib__shape_print(b, &truth.shape);
        fail_msg("%s: %s has the shape %s, Keras has %s", p->name, key, a, b);
    }
    double e = golden_error(found, &truth);
    if (!(e <= tolerance)) fail_msg("%s: %s differs by %g, allowed %g", p->name, key, e, tolerance);
    if (p->format != IB_FORMAT_F32) compare_format(p, key, found, &truth);
    p->worst = fmax(p->worst, e);
    p->compared++;
    ib__tensor_free(&truth);
}

static void add_bits(ib_buf *out, const float *value, const ib_shape *shape) {
    for (int64_t k = 0; k < ib__shape_elements(shape); k++) {
        float canonical = isnan(value[k]) ? NAN : value[k];
        assert_true(ib__buf_add(out, &canonical, sizeof canonical));
    }
}

/* Calls number 1, 2 ... of stateful layers: s1/x0 -> s1/y0. */
static void run_on(problem *p, mode *m, ib_buf *bits) {
    for (size_t call = 1; call < CALLS_MAX; call++) {
        char key[64];
        (void)snprintf(key, sizeof key, "s%zu/y0", call);
        if (!has(p, key)) return;
        for (size_t i = 0; i < p->model->n_inputs; i++) {
            ib_tensor x;
            (void)snprintf(key, sizeof key, "s%zu/x%zu", call, i);
            assert_true(array(p, key, &x));
            put(m->plan, m->in[i], ib__model_input_type(p->model, i), &x);
            ib__tensor_free(&x);
        }
        ib__plan_run(m->plan, &(ib_stream_at){0});
        for (size_t i = 0; i < p->model->n_outputs; i++) {
            (void)snprintf(key, sizeof key, "s%zu/y%zu", call, i);
            ib_shape shape = ib__node_shape(m->g, m->out[i].node);
            compare(p, key, ib__plan_value(m->plan, m->out[i].node), &shape, tolerance_of(p, false));
            add_bits(bits, ib__plan_value(m->plan, m->out[i].node), &shape);
        }
    }
}

static void run_mode(problem *p, bool training, ib_isa isa, ib_buf *bits) {
    mode m = {.training = training};
    ib_error err = {0};
    build_mode(p, &m);
    if (ib__plan_new(&m.plan, m.g, ib__kernels_for(isa), p->pool, &err) != IB_OK)
        fail_msg("%s: %s: %s", p->name, err.where, err.text);
    ib__plan_fill(m.plan, 0x7fc12345u);
    for (size_t i = 0; i < p->model->n_inputs; i++)
        put(m.plan, m.in[i], ib__model_input_type(p->model, i), &p->x[i]);
    for (size_t i = 0; i < p->model->n_outputs; i++)
        if (m.cotangent[i] != IB_NO_NODE) put(m.plan, m.cotangent[i], IB_TYPE_F32, &p->g[i]);
    ib__plan_run(m.plan, &(ib_stream_at){0});
    for (size_t i = 0; i < m.n; i++) {
        ib_shape shape = ib__node_shape(m.g, m.outputs[i].node);
        const float *value = ib__plan_value(m.plan, m.outputs[i].node);
        compare(p, m.outputs[i].key, value, &shape, m.outputs[i].tolerance);
        add_bits(bits, value, &shape);
    }
    for (size_t i = 0; training && i < p->n_weights; i++) {
        char key[256];
        const ib_variable *v = &p->weights[i]->variable;
        (void)snprintf(key, sizeof key, "nt/%s", weight_path(p, i));
        if (has(p, key)) compare(p, key, v->data, &v->shape, tolerance_of(p, false));
        add_bits(bits, v->data, &v->shape);
    }
    if (!training) run_on(p, &m, bits);
    ib__plan_free(m.plan);
    ib__graph_free(m.g);
}

/* ---- Cases ---- */

/* What the cases of a folder gave together. */
typedef struct totals {
    size_t same, refused, compared, outputs, equal;
    double worst;
} totals;

static void run_case(const char *folder, const char *name, ib_pool *pools[2], totals *t) {
    problem p = {.folder = folder};
    ib_error err = {0};
    open_case(&p, name);
    ib_status status = load(&p, &err);
    if (status == IB_UNSUPPORTED) {
        print_message("  %-48s refused: %s: %s\n", name, err.where, err.text);
        close_case(&p);
        t->refused++;
        return;
    }
    if (status != IB_OK) fail_msg("%s: %s: %s", name, err.where, err.text);
    bool differs = ib__value_get(p.meta, "training_differs")->boolean;
    ib_buf first = {0};
    for (int isa = 0; isa < IB_ISA_COUNT; isa++) {
        if (!ib__kernels_for((ib_isa)isa)) continue;
        ib_buf bits = {0};
        p.pool = pools[isa % 2];
        reset_weights(&p);
        run_mode(&p, false, (ib_isa)isa, &bits);
        reset_weights(&p);
        if (differs) run_mode(&p, true, (ib_isa)isa, &bits);
        if (isa == 0) {
            first = bits;
            continue;
        }
        if (bits.length != first.length || memcmp(bits.data, first.data, bits.length) != 0)
            fail_msg("%s: other bits on %s", name, ib__isa_name((ib_isa)isa));
        ib__buf_free(&bits);
    }
    if (p.compared == 0) fail_msg("%s: nothing was compared", name);
    t->same++;
    t->compared += p.compared;
    t->outputs += p.outputs;
    t->equal += p.equal;
    t->worst = fmax(t->worst, p.worst);
    if (getenv("CASE")) print_message("  %-48s %.1e, %zu of %zu\n", name, p.worst, p.equal, p.outputs);
    ib__buf_free(&first);
    close_case(&p);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All cases of a folder, or those whose names begin with the variable CASE. */
static totals run_folder(const char *folder) {
    char *names[CASES_MAX], path[64];
    size_t n = 0;
    totals t = {0};
    const char *only = getenv("CASE");
    (void)snprintf(path, sizeof path, "test/golden/%s", folder);
    DIR *listing = opendir(path);
    assert_non_null(listing);
    for (struct dirent *entry; (entry = readdir(listing));) {
        size_t length = strlen(entry->d_name);
        if (length < 5 || strcmp(entry->d_name + length - 4, ".npz") != 0) continue;
        if (only && strncmp(entry->d_name, only, strlen(only)) != 0) continue;
        assert_true(n < CASES_MAX);
        names[n] = strdup(entry->d_name);
        names[n++][length - 4] = '\0';
    }
    closedir(listing);
    qsort(names, n, sizeof *names, by_name);
    ib_pool *pools[2];
    assert_int_equal(ib__pool_new(&pools[0], 1, NULL), IB_OK);
    assert_int_equal(ib__pool_new(&pools[1], 3, NULL), IB_OK);
    for (size_t i = 0; i < n; i++) {
        run_case(folder, names[i], pools, &t);
        free(names[i]);
    }
    ib__pool_free(pools[0]);
    ib__pool_free(pools[1]);
    print_message("%s: %zu cases agree with Keras (%zu arrays, worst %.1e), %zu refused by name\n", folder,
                  t.same, t.compared, t.worst, t.refused);
    return t;
}

static void test_golden(void **state) {
    (void)state;
    totals t = run_folder("layers");
    if (!getenv("CASE")) assert_true(t.same >= 706);
}

static void test_mixed(void **state) {
    (void)state;
    totals t = run_folder("mixed");
    if (getenv("CASE")) return;
    print_message("mixed: %zu of %zu numbers are Keras's own\n", t.equal, t.outputs);
    assert_true(t.same >= 86 && t.outputs > 0);
    assert_true((double)t.equal >= 0.8 * (double)t.outputs);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_mixed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
