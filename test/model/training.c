/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole training runs against real Keras: a compiled .keras file is loaded and trained as fit does without
 * shuffling. The loss of each step's batch, the final weights and the optimizer's state must agree; two
 * threads and every instruction set must give the same bits. Models that are not supported must be refused by
 * name.
 */
#include <dirent.h>
#include <stdlib.h>

#include "golden.h"

#include "model/model.h"

enum { WEIGHTS_MAX = 64, PORTS_MAX = 4 };

typedef struct run {
    const char *name;
    char npz[256], keras[256];
    ib_value *meta;
    ib_model *model;
    bool dense; /* the case has a run with gradients of embeddings added up */
    ib_tensor x[PORTS_MAX], y[PORTS_MAX], weight, batch_loss; /* weight: data NULL if there is none */
    ib_type target[PORTS_MAX];
    ib_shape target_shape[PORTS_MAX]; /* -1 batch */
    size_t samples, batch, epochs;
    ib_pool *pool;
    double worst;
    size_t compared;
} run;

/* A training step for a batch of this many samples. */
typedef struct step {
    ib_graph *g;
    ib_plan *plan;
    ib_node x[PORTS_MAX], y[PORTS_MAX], weight, loss;
} step;

static bool array(const run *r, const char *key, ib_tensor *out) {
    ib_error err = {0};
    return ib__npz_read(out, r->npz, key, &err) == IB_OK;
}

static size_t number(const ib_value *map, const char *key) {
    double x = 0;
    assert_true(ib__value_number(ib__value_get(map, key), &x));
    return (size_t)x;
}

static void open_run(run *r, const char *name) {
    ib_error err = {0};
    ib_tensor meta;
    r->name = name;
    (void)snprintf(r->npz, sizeof r->npz, "test/golden/training/%s.npz", name);
    (void)snprintf(r->keras, sizeof r->keras, "test/golden/training/%s.keras", name);
    if (!array(r, "meta", &meta)) fail_msg("%s has no meta", r->npz);
    size_t n = (size_t)ib__shape_elements(&meta.shape);
    assert_int_equal(ib__json_parse(&r->meta, meta.data, n, r->npz, &err), IB_OK);
    ib__tensor_free(&meta);
    for (int i = 0; i < PORTS_MAX; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "x%d", i);
        (void)array(r, key, &r->x[i]);
        (void)snprintf(key, sizeof key, "y%d", i);
        (void)array(r, key, &r->y[i]);
    }
    /* Gradients of embeddings are added up first (doc/keras.md). */
    r->dense = array(r, "dense/batch_loss", &r->batch_loss);
    assert_true(r->x[0].data && r->y[0].data && (r->dense || array(r, "batch_loss", &r->batch_loss)));
    (void)array(r, "sample_weight", &r->weight);
    r->samples = (size_t)r->x[0].shape.dims[0];
    r->batch = number(r->meta, "batch_size");
    r->epochs = number(r->meta, "epochs_run");
}

static void close_run(run *r) {
    for (int i = 0; i < PORTS_MAX; i++) {
        ib__tensor_free(&r->x[i]);
        ib__tensor_free(&r->y[i]);
    }
    ib__tensor_free(&r->weight);
    ib__tensor_free(&r->batch_loss);
    ib__value_free(r->meta);
}

static ib_node input(const step *s, ib_type type, ib_shape shape, size_t samples) {
    shape.dims[0] = (int64_t)samples;
    return ib__op_input(s->g, "in", type, &shape, true);
}

static void build_step(run *r, step *s, size_t samples, const ib_kernels *kernels) {
    ib_error err = {0};
    ib_model *model = r->model;
    assert_int_equal(ib__graph_new(&s->g, samples, 0, NULL), IB_OK);
    ib_build b = {.g = s->g, .training = true, .seed = 1, .extra_loss = IB_NO_NODE};
    ib_node weights[PORTS_MAX];
    ib_flow out[PORTS_MAX];
    for (size_t i = 0; i < model->n_inputs; i++)
        s->x[i] = input(s, ib__model_input_type(model, i), r->x[i].shape, samples);
    for (size_t i = 0; i < model->n_outputs; i++)
        s->y[i] = input(s, r->target[i], r->target_shape[i], samples);
    ib_shape line = {1, {0}};
    bool by_class = ib__value_is(ib__value_get(r->meta, "class_weight"), IB_MAP);
    s->weight = IB_NO_NODE;
    if (r->weight.data || by_class)
        s->weight = input(s, IB_TYPE_F32, by_class ? line : r->weight.shape, samples);
    for (size_t i = 0; i < model->n_outputs; i++)
        weights[i] = s->weight;
    ib__model_call(model, &b, s->x, out);
    s->loss = ib__model_objective(model, &b, out, s->y, weights, NULL);
    ib__graph_output(s->g, s->loss);
    assert_int_equal(ib__model_update(model, s->g, s->loss, &err), IB_OK);
    if (ib__plan_new(&s->plan, s->g, kernels, r->pool, &err) != IB_OK)
        fail_msg("%s: %s: %s", r->name, err.where, err.text);
}

/* Samples [first, first + samples) of an array as the input's type. */
static void put(const step *s, ib_node to, ib_type type, const ib_tensor *from, size_t first,
                size_t samples) {
    size_t per = (size_t)(ib__shape_elements(&from->shape) / from->shape.dims[0]);
    void *in = ib__plan_input(s->plan, to);
    if (type == IB_TYPE_F32)
        ib__tensor_to_float(in, from, first * per, samples * per);
    else
        for (size_t i = 0; i < samples * per; i++)
            ((int32_t *)in)[i] = (int32_t)ib__tensor_at(from, first * per + i);
}

static void put_class_weights(const run *r, const step *s, size_t first, size_t samples) {
    float *in = ib__plan_input(s->plan, s->weight);
    for (size_t i = 0; i < samples; i++) {
        char label[32];
        double weight = 1;
        (void)snprintf(label, sizeof label, "%.0f", ib__tensor_at(&r->y[0], first + i));
        (void)ib__value_number(ib__value_get(ib__value_get(r->meta, "class_weight"), label), &weight);
        in[i] = (float)weight;
    }
}

/* The loss scale after a step, where the case has it, is Keras's own. */
static void check_scale(const run *r, size_t number_of_step) {
    const ib_value *scales = ib__value_get(r->meta, "scales");
    const ib_state *state;
    double truth;
    size_t n = ib__optimizer_state(r->model->optimizer, &state);
    if (!scales) return;
    assert_true(ib__value_number(scales->items[number_of_step], &truth));
    for (size_t i = 0; i < n; i++) {
        if (!strstr(state[i].path, "/dynamic_scale")) continue;
        if ((double)*state[i].variable->data != truth)
            fail_msg("%s: after step %zu the scale is %g, Keras has %g", r->name, number_of_step,
                     (double)*state[i].variable->data, truth);
        truth = 0;
    }
    assert_true(truth == 0); /* a scale was compared, or there is none */
}

static void run_step(run *r, step *s, size_t first, size_t samples, size_t number_of_step) {
    for (size_t i = 0; i < r->model->n_inputs; i++)
        put(s, s->x[i], ib__model_input_type(r->model, i), &r->x[i], first, samples);
    for (size_t i = 0; i < r->model->n_outputs; i++)
        put(s, s->y[i], r->target[i], &r->y[i], first, samples);
    if (r->weight.data)
        put(s, s->weight, IB_TYPE_F32, &r->weight, first, samples);
    else if (s->weight != IB_NO_NODE)
        put_class_weights(r, s, first, samples);
    ib__optimizer_begin(r->model->optimizer);
    ib_stream_at at = {.step = (uint32_t)number_of_step};
    ib__plan_run(s->plan, &at);
    ib__optimizer_end(r->model->optimizer);
    double found = (double)*(const float *)ib__plan_value(s->plan, s->loss);
    double truth = ib__tensor_at(&r->batch_loss, number_of_step), gap = 0;
    (void)ib__value_number(ib__value_get(ib__value_get(r->meta, "float32_gap"), "loss"), &gap);
    double e = fabs(found - truth) / fmax(1, fabs(truth));
    if (!(e <= fmax(1e-5, 20 * gap)))
        fail_msg("%s: loss of step %zu is %g, Keras has %g", r->name, number_of_step, found, truth);
    check_scale(r, number_of_step);
    r->worst = fmax(r->worst, e);
    r->compared++;
}

static void compare(run *r, const char *key, const ib_variable *v, double gap) {
    ib_tensor truth;
    if (!array(r, key, &truth)) fail_msg("%s has no %s", r->name, key);
    assert_int_equal(ib__shape_elements(&truth.shape), ib__shape_elements(&v->shape));
    double e = golden_error(v->data, &truth);
    if (!(e <= fmax(1e-5, 20 * gap))) fail_msg("%s: %s differs by %g", r->name, key, e);
    r->worst = fmax(r->worst, e);
    r->compared++;
    ib__tensor_free(&truth);
}

/* Final weights and slots; their bits go to `bits`. Slots move as the weights do: the run's gap is theirs. */
static void check_end(run *r, ib_buf *bits) {
    ib_weight *weights[WEIGHTS_MAX];
    const ib_value *list = ib__value_get(r->meta, "weights");
    size_t n = ib__model_weights(r->model, NULL, false);
    assert_true(n == list->count && n <= WEIGHTS_MAX);
    (void)ib__model_weights(r->model, weights, false);
    double gap = 0;
    for (size_t i = 0; i < n; i++) {
        char key[256];
        (void)snprintf(key, sizeof key, "%sfinal/%s", r->dense ? "dense/" : "",
                       golden_text(list->items[i], "path"));
        (void)ib__value_number(ib__value_get(list->items[i], "float32_gap"), &gap);
        compare(r, key, &weights[i]->variable, gap);
        size_t bytes = (size_t)ib__shape_elements(&weights[i]->variable.shape) * sizeof(float);
        assert_true(ib__buf_add(bits, weights[i]->variable.data, bytes));
    }
    if (r->dense) return; /* the optimizer's state in the case is that of the other run */
    (void)ib__value_number(ib__value_get(ib__value_get(r->meta, "float32_gap"), "final_weights"), &gap);
    const ib_state *state;
    size_t n_state = ib__optimizer_state(r->model->optimizer, &state);
    const ib_value *names = ib__value_get(r->meta, "optimizer_variables");
    assert_int_equal(n_state, names->count);
    bool callbacks = ib__value_get(r->meta, "callbacks")->count > 0; /* they may have set the rate after it */
    for (size_t i = 0; i < n_state; i++) {
        char key[64];
        (void)snprintf(key, sizeof key, "optimizer/%zu", i);
        assert_string_equal(state[i].path, golden_text(names->items[i], "path"));
        if (callbacks && strstr(state[i].path, "/learning_rate")) continue;
        if (state[i].variable) compare(r, key, state[i].variable, gap);
    }
}

/* The epoch whose weights stay: the last, or the best one that an EarlyStopping puts back (the callbacks
 * themselves are tested in test/run/callbacks.c; here Keras's own logs tell what they saw). */
static size_t kept_epoch(const run *r) {
    const ib_value *callbacks = ib__value_get(r->meta, "callbacks");
    size_t kept = r->epochs - 1;
    for (size_t i = 0; i < callbacks->count; i++) {
        const ib_value *settings = ib__value_get(callbacks->items[i], "kwargs");
        const ib_value *restore = ib__value_get(settings, "restore_best_weights");
        if (!restore || !restore->boolean) continue;
        char key[64];
        ib_tensor log;
        double delta = 0, best = HUGE_VAL;
        (void)snprintf(key, sizeof key, "epoch/%s", golden_text(settings, "monitor"));
        (void)ib__value_number(ib__value_get(settings, "min_delta"), &delta);
        assert_true(array(r, key, &log));
        for (size_t epoch = 0; epoch < r->epochs; epoch++)
            if (ib__tensor_at(&log, epoch) < best - delta) {
                best = ib__tensor_at(&log, epoch);
                kept = epoch;
            }
        ib__tensor_free(&log);
    }
    return kept;
}

/* All weights one behind the other: out of the model, or back into it. */
static void copy_weights(const run *r, ib_buf *kept, bool back) {
    ib_weight *weights[WEIGHTS_MAX];
    size_t n = ib__model_weights(r->model, NULL, false), at = 0;
    assert_true(n <= WEIGHTS_MAX);
    (void)ib__model_weights(r->model, weights, false);
    for (size_t i = 0; i < n; i++) {
        size_t bytes = (size_t)ib__shape_elements(&weights[i]->variable.shape) * sizeof(float);
        if (back)
            memcpy(weights[i]->variable.data, kept->data + at, bytes);
        else
            assert_true(ib__buf_add(kept, weights[i]->variable.data, bytes));
        at += bytes;
    }
}

static void train(run *r, const ib_kernels *kernels, ib_buf *bits) {
    size_t rest = r->samples % r->batch, n_step = 0, kept = kept_epoch(r);
    ib_buf weights = {0};
    step whole = {0}, last = {0};
    build_step(r, &whole, r->batch, kernels);
    if (rest) build_step(r, &last, rest, kernels);
    for (size_t epoch = 0; epoch < r->epochs; epoch++) {
        for (size_t first = 0; first < r->samples; first += r->batch) {
            size_t n = r->samples - first < r->batch ? r->samples - first : r->batch;
            run_step(r, n == r->batch ? &whole : &last, first, n, n_step++);
        }
        if (epoch == kept) copy_weights(r, &weights, false);
    }
    assert_int_equal(n_step, number(r->meta, "steps"));
    if (kept + 1 < r->epochs) copy_weights(r, &weights, true);
    ib__buf_free(&weights);
    ib__optimizer_finalize(r->model->optimizer);
    check_end(r, bits);
    step *both[] = {&whole, &last};
    for (int i = 0; i < 2; i++) {
        ib__plan_free(both[i]->plan);
        ib__graph_free(both[i]->g);
    }
}

/* false: refused, with the words in *err. */
static bool load(run *r, ib_error *err) {
    *err = (ib_error){0};
    ib_status status = ib__keras_load(&r->model, r->keras, true, err);
    if (status == IB_UNSUPPORTED) return false;
    if (status != IB_OK) fail_msg("%s: %s: %s", r->name, err->where, err->text);
    if (!r->model->compiled) fail_msg("%s was not compiled", r->name);
    assert_true(r->model->n_inputs <= PORTS_MAX && r->model->n_outputs <= PORTS_MAX);
    for (size_t i = 0; i < r->model->n_outputs; i++) {
        ib_shape prediction = r->model->tensors[r->model->outputs[i]].shape, given = r->y[i].shape;
        given.dims[0] = -1;
        status = ib__loss_target(r->model->ends[i].loss, &prediction, &given, &r->target[i],
                                 &r->target_shape[i], err);
        if (status != IB_OK) fail_msg("%s: %s: %s", r->name, err->where, err->text);
    }
    return true;
}

static bool run_case(const char *name, double *worst, size_t *compared) {
    run r = {0};
    ib_error err;
    ib_buf first = {0};
    bool ran = false;
    open_run(&r, name);
    for (int isa = 0; isa < IB_ISA_COUNT; isa++) {
        if (!ib__kernels_for((ib_isa)isa)) continue;
        if (!load(&r, &err)) {
            print_message("  %-20s refused: %s: %s\n", name, err.where, err.text);
            break;
        }
        ran = true;
        ib_buf bits = {0};
        assert_int_equal(ib__pool_new(&r.pool, isa == 0 ? 1 : 2, NULL), IB_OK);
        train(&r, ib__kernels_for((ib_isa)isa), &bits);
        ib__pool_free(r.pool);
        ib__model_free(r.model);
        if (isa == 0) {
            first = bits;
            continue;
        }
        assert_true(bits.length == first.length && bits.length > 0);
        if (memcmp(bits.data, first.data, bits.length) != 0)
            fail_msg("%s: other bits on %s", name, ib__isa_name((ib_isa)isa));
        ib__buf_free(&bits);
    }
    if (ran) print_message("  %-20s %zu steps, worst %.1e\n", name, number(r.meta, "steps"), r.worst);
    *worst = fmax(*worst, r.worst);
    *compared += r.compared;
    ib__buf_free(&first);
    close_run(&r);
    return ran;
}

static void test_training(void **state) {
    (void)state;
    struct dirent **entries;
    int n = scandir("test/golden/training", &entries, NULL, alphasort);
    size_t same = 0, refused = 0, compared = 0;
    double worst = 0;
    assert_true(n > 0);
    for (int i = 0; i < n; i++) {
        char *end = strstr(entries[i]->d_name, ".npz");
        if (end) {
            *end = '\0';
            bool ran = run_case(entries[i]->d_name, &worst, &compared);
            same += ran;
            refused += !ran;
        }
        free(entries[i]);
    }
    free(entries);
    print_message("training: %zu runs agree with Keras (%zu comparisons, worst %.1e), %zu refused by name\n",
                  same, compared, worst, refused);
    assert_true(same >= 13 && compared > 400);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_training)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
