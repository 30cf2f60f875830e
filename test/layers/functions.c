/* SPDX-License-Identifier: Apache-2.0
 *
 * Activations against real Keras; configs and settings of layers: what is refused and how it is said;
 * dropout.
 */
#include "golden.h"

#include "layers/activation.h"
#include "layers/run_layer.h"
#include "layers/layer.h"

static ib_node output_with_gradient(ib_graph *g, ib_node y, ib_node dy, ib_node x) {
    ib_node dx;
    ib__graph_gradients(g, &y, &dy, 1, &x, 1, &dx);
    ib__graph_output(g, y);
    ib__graph_output(g, dx);
    return dx;
}

/* A golden activation: by name, or with the settings that a layer can give. */
static ib_node call_activation(ib_graph *g, const ib_value *c, ib_node x, bool *known) {
    const char *name = golden_text(c, "function");
    const ib_value *kwargs = ib__value_get(c, "kwargs");
    double slope = 0, limit = 0, threshold = 0;
    bool limited = ib__value_number(ib__value_get(kwargs, "max_value"), &limit);
    *known = true;
    if (kwargs->count == 0) {
        ib_activation activation;
        ib_value *config = ib__value_string(name);
        *known = ib__activation_find(&activation, config, name, NULL, NULL) == IB_OK;
        ib__value_free(config);
        return *known ? ib__activation_call(&activation, g, x) : x;
    }
    (void)ib__value_number(ib__value_get(kwargs, "negative_slope"), &slope);
    (void)ib__value_number(ib__value_get(kwargs, "threshold"), &threshold);
    if (strcmp(name, "relu") == 0) return ib__general_relu(g, x, slope, limited, limit, threshold);
    if (strcmp(name, "leaky_relu") == 0) return ib__leaky_relu(g, x, slope);
    if (strcmp(name, "elu") == 0 && ib__value_number(ib__value_get(kwargs, "alpha"), &slope))
        return ib__elu(g, x, slope);
    double number = 0, value = 0;
    for (size_t i = 0; i < kwargs->count; i++)
        (void)ib__value_number(kwargs->items[i], &number);
    (void)ib__value_number(ib__value_get(kwargs, "default_value"), &value);
    if (strcmp(name, "celu") == 0) return ib__celu(g, x, number);
    if (strcmp(name, "gelu") == 0) return ib__gelu(g, x, ib__value_get(kwargs, "approximate")->boolean);
    if (strcmp(name, "hard_shrink") == 0) return ib__hard_shrink(g, x, number);
    if (strcmp(name, "soft_shrink") == 0) return ib__soft_shrink(g, x, number);
    if (strcmp(name, "squareplus") == 0) return ib__squareplus(g, x, number);
    if (strcmp(name, "threshold") == 0) return ib__threshold(g, x, threshold, value);
    const ib_value *axis = ib__value_get(kwargs, "axis");
    if (strcmp(name, "glu") == 0) return ib__glu(g, x, (int)axis->integer);
    if (strcmp(name, "sparsemax") == 0) return ib__sparsemax(g, x, (int)axis->integer);
    unsigned axes = 0;
    for (size_t i = 0; axis && axis->kind == IB_LIST && i < axis->count; i++)
        axes |= 1u << axis->items[i]->integer;
    if (axis && axis->kind == IB_INT) axes = 1u << axis->integer;
    if (strcmp(name, "softmax") == 0) return ib__softmax(g, x, axes);
    if (strcmp(name, "log_softmax") == 0) return ib__log_softmax(g, x, axes);
    *known = false;
    return x;
}

static void shared_array(const golden *g, const char *key, ib_tensor *out) {
    ib_error err = {0};
    if (ib__npz_array(out, g->zip, g->path, key, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
}

/* The corner of `from` that has this shape (glu gives half of its input). */
static void put_corner(float *to, const ib_tensor *from, const ib_shape *shape) {
    for (size_t i = 0; i < (size_t)ib__shape_elements(shape); i++) {
        size_t rest = i, at = 0, stride = 1;
        for (int d = shape->rank; d-- > 0;) {
            at += rest % (size_t)shape->dims[d] * stride;
            rest /= (size_t)shape->dims[d];
            stride *= (size_t)from->shape.dims[d];
        }
        to[i] = (float)ib__tensor_at(from, at);
    }
}

/* Edges: each value must agree with Keras in float64 or in float32. TensorFlow's e^x - 1 rounds to 0 for tiny
 * negative x, where it then takes the derivative of the other side; there the value at -1e-4 is the truth. */
static double edge_error(const float *found, const ib_tensor *wide, const ib_tensor *narrow,
                         const ib_tensor *x) {
    double worst = 0, before = 0;
    size_t n = (size_t)ib__shape_elements(&x->shape);
    for (size_t i = 0; i < n; i++)
        if (ib__tensor_at(x, i) < -9e-5 && ib__tensor_at(x, i) > -1.1e-4) before = ib__tensor_at(wide, i);
    for (size_t i = 0; i < n; i++) {
        double v = (double)found[i], a = ib__tensor_at(wide, i), b = ib__tensor_at(narrow, i);
        double e = isnan(a) && isnan(v) ? 0
                   : v == a || v == b   ? 0
                                        : fmin(fabs(v - a), fabs(v - b)) / fmax(1, fabs(a));
        double at = ib__tensor_at(x, i);
        if (at < 0 && at > -1e-6 && fabs(v - before) < 1e-3) e = 0;
        if (!(e <= 5e-6)) print_message("  at %g: %g, Keras has %g and %g\n", at, v, a, b);
        worst = e <= worst ? worst : isnan(e) ? HUGE_VAL : e;
    }
    return worst;
}

/* y and dx of one case over x (edge: single values with cotangent 1). */
static bool run_activation(const golden *all, const ib_value *c, ib_pool *pool, bool edge, double *worst) {
    ib_tensor x, cotangent = {0}, y, dx, y32 = {0}, dx32 = {0};
    const char *name = golden_text(c, "name");
    if (!golden_array(all, name, edge ? "edge_y" : "y", &y)) return false;
    assert_true(golden_array(all, name, edge ? "edge_dx" : "dx", &dx));
    shared_array(all, edge ? "edge" : "x", &x);
    if (!edge) shared_array(all, "g", &cotangent);
    if (edge)
        assert_true(golden_array(all, name, "edge_y32", &y32) && golden_array(all, name, "edge_dx32", &dx32));
    ib_graph *g;
    ib_plan *plan;
    ib_error err = {0};
    bool known;
    assert_int_equal(ib__graph_new(&g, (size_t)x.shape.dims[0], 0, NULL), IB_OK);
    ib_node in = ib__op_input(g, "x", IB_TYPE_F32, &x.shape, true);
    ib_node out = call_activation(g, c, in, &known);
    ib_shape shape = ib__node_shape(g, out);
    if (known) {
        ib_node dy = edge ? ib__op_constant(g, 1.0f) : ib__op_input(g, "g", IB_TYPE_F32, &shape, true);
        ib_node d = output_with_gradient(g, out, dy, in);
        if (ib__plan_new(&plan, g, ib__kernels_for(ib__isa_default()), pool, &err) != IB_OK)
            fail_msg("%s: %s: %s", name, err.where, err.text);
        ib__tensor_to_float(ib__plan_input(plan, in), &x, 0, (size_t)ib__shape_elements(&x.shape));
        if (!edge) put_corner(ib__plan_input(plan, dy), &cotangent, &shape);
        ib_stream_at at = {.step = 0};
        ib__plan_run(plan, &at);
        const float *found = ib__plan_value(plan, out), *gradient = ib__plan_value(plan, d);
        double e = golden_error(found, &y), f = golden_error(gradient, &dx);
        if (edge) {
            e = edge_error(found, &y, &y32, &x);
            f = edge_error(gradient, &dx, &dx32, &x);
        }
        bool good = e <= fmax(2e-6, 10 * golden_float32_error(c, "y")) &&
                    f <= fmax(5e-6, 10 * golden_float32_error(c, "dx"));
        if (!good) print_message("%s%s: differs by %g, gradient by %g\n", name, edge ? " (edges)" : "", e, f);
        assert_true(good);
        *worst = fmax(*worst, fmax(e, f));
        ib__plan_free(plan);
    }
    ib__graph_free(g);
    ib_tensor *arrays[] = {&x, &cotangent, &y, &dx, &y32, &dx32};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        ib__tensor_free(arrays[i]);
    return known;
}

static void test_activations(void **state) {
    (void)state;
    golden g;
    ib_pool *pool;
    size_t same = 0, edges = 0, refused = 0;
    double worst = 0;
    golden_open(&g, "activations");
    assert_int_equal(ib__pool_new(&pool, 1, NULL), IB_OK);
    for (size_t i = 0; i < g.cases->count; i++) {
        bool ran = run_activation(&g, g.cases->items[i], pool, false, &worst);
        if (ran) edges += run_activation(&g, g.cases->items[i], pool, true, &worst);
        same += ran;
        refused += !ran;
        if (!ran) print_message("  %s is not there\n", golden_text(g.cases->items[i], "name"));
    }
    print_message("activations: %zu cases agree with Keras, %zu with edges (worst %.1e), %zu are not there\n",
                  same, edges, worst, refused);
    assert_true(same == g.cases->count && edges > 0);
    ib__pool_free(pool);
    golden_close(&g);
}

static ib_status make(const char *class_name, const char *yaml, ib_layer **out, ib_error *err) {
    ib_value *value;
    *err = (ib_error){0};
    assert_int_equal(ib__yaml_parse(&value, yaml, strlen(yaml), "exp.yaml", NULL), IB_OK);
    ib_status status = ib__layer_new(out, class_name, value, "some", "layers[3]", err);
    ib__value_free(value);
    return status;
}

static void test_refusals(void **state) {
    (void)state;
    static const struct bad {
        const char *class_name, *yaml;
        ib_status status;
        const char *where, *text;
    } bad[] = {
        {"Dense", "{}", IB_BAD_INPUT, "layers[3] some", "\"units\" is missing"},
        {"Dense", "{unit: 3}", IB_BAD_INPUT, "layers[3] some", "did you mean \"units\"?"},
        {"Dense", "{units: 0}", IB_BAD_INPUT, "layers[3] some, units", "an integer of 1 or more, found 0"},
        {"Dense", "{units: 2.5}", IB_BAD_INPUT, "layers[3] some, units", "found 2.5"},
        {"Dense", "{units: 2, activation: rellu}", IB_BAD_INPUT, "layers[3] some, activation",
         "nearest is relu"},
        {"Dense", "{units: 2, activation: {PReLU: {}}}", IB_UNSUPPORTED, "layers[3] some, activation",
         "layer PReLU as activation is not supported: give it as a layer of its own"},
        {"Dense", "{units: 2, activation: {LeakyReLU: {slope: 1}}}", IB_BAD_INPUT,
         "layers[3] some, activation leaky_re_lu", "unknown key \"slope\""},
        {"Dense", "{units: 2, activation: LeakyReLU}", IB_BAD_INPUT, "layers[3] some, activation",
         "leaky_relu"},
        {"Dense", "{units: 2, activation: threshold}", IB_UNSUPPORTED, "layers[3] some, activation",
         "keras.ops.threshold"},
        {"Dense", "{units: 2, kernel_initializer: glorot}", IB_BAD_INPUT,
         "layers[3] some, kernel_initializer", "unknown initializer"},
        {"Dense", "{units: 2, kernel_regularizer: l3}", IB_BAD_INPUT, "layers[3] some, kernel_regularizer",
         "unknown regularizer"},
        {"Dense", "{units: 2, dtype: float16}", IB_UNSUPPORTED, "layers[3] some, dtype", "only float32"},
        {"Dense", "{units: 2, dtype: mixed_bfloat61}", IB_UNSUPPORTED, "layers[3] some, dtype",
         "nearest is mixed_bfloat16"},
        {"Dense", "{units: 2, dtype: {class_name: QuantizedDTypePolicy, config: {mode: int8}}}",
         IB_UNSUPPORTED, "layers[3] some, dtype", "QuantizedDTypePolicy is not supported"},
        {"Dense", "{units: 2, trainable: 1}", IB_BAD_INPUT, "layers[3] some, trainable", "true or false"},
        {"SpectralNormalization", "{layer: {class_name: Dense, config: {units: 2}}, power_iterations: 0}",
         IB_BAD_INPUT, "layers[3] some, power_iterations", "from 1 to 1000"},
        {"RandomGaussianBlur", "{kernel_size: [3, 4]}", IB_BAD_INPUT, "layers[3] some, kernel_size",
         "an odd number"},
        {"ContrastLimitedAdaptiveHistogramEqualization", "{tile_grid_size: [0, 2]}", IB_BAD_INPUT,
         "layers[3] some, tile_grid_size", "from 1 to 256"},
        {"MixUp", "{alpha: 0}", IB_BAD_INPUT, "layers[3] some, alpha", "found 0"},
        {"Dense", "[1]", IB_BAD_INPUT, "layers[3]", "a map of settings"},
        {"Conv2D", "{filters: 2, kernel_size: [3]}", IB_BAD_INPUT, "layers[3] some, kernel_size",
         "a list of two"},
        {"Conv2D", "{filters: 3, kernel_size: 3, groups: 2}", IB_BAD_INPUT, "layers[3] some", "divisible"},
        {"Conv2D", "{filters: 2, kernel_size: 3, padding: full}", IB_BAD_INPUT, "layers[3] some, padding",
         "one of: valid same"},
        {"Conv2D", "{filters: 2, kernel_size: 3, strides: 2, dilation_rate: 2}", IB_BAD_INPUT,
         "layers[3] some", "exclude each other"},
        {"Dropout", "{rate: 1.5}", IB_BAD_INPUT, "layers[3] some, rate", "from 0 to 1, found 1.5"},
        {"AlphaDropout", "{rate: 1}", IB_BAD_INPUT, "layers[3] some", "a number below 1"},
        {"GaussianDropout", "{rate: 1}", IB_BAD_INPUT, "layers[3] some", "a number below 1"},
        {"Dropout", "{rate: 0.5, noise_shape: [0]}", IB_BAD_INPUT, "layers[3] some, noise_shape",
         "sizes from 1 on"},
        {"Discretization", "{bin_boundaries: [0, 2, 1]}", IB_BAD_INPUT, "layers[3] some, bin_boundaries",
         "in ascending order"},
        {"Discretization", "{}", IB_BAD_INPUT, "layers[3] some", "bin_boundaries or num_bins"},
        {"Hashing", "{num_bins: 0}", IB_BAD_INPUT, "layers[3] some, num_bins", "from 1 to"},
        {"Hashing", "{num_bins: 3, dtype: float32}", IB_BAD_INPUT, "layers[3] some", "expected int64"},
        {"IntegerLookup", "{vocabulary: [3, 5, 3]}", IB_BAD_INPUT, "layers[3] some", "3 stands there twice"},
        {"IntegerLookup", "{vocabulary: [3, 5], mask_token: 5}", IB_BAD_INPUT, "layers[3] some",
         "5 is a reserved token"},
        {"IntegerLookup", "{vocabulary: [3, 5], max_tokens: 2}", IB_BAD_INPUT, "layers[3] some",
         "at most max_tokens = 2 places, found 3"},
        {"IntegerLookup", "{vocabulary: [3, 5], output_mode: tf_idf}", IB_BAD_INPUT, "layers[3] some",
         "one for each term"},
        {"Resizing", "{height: 3, width: 4, interpolation: area}", IB_BAD_INPUT,
         "layers[3] some, interpolation", "one of: nearest bilinear bicubic lanczos3 lanczos5"},
        {"Resizing", "{height: 3, width: 4, crop_to_aspect_ratio: true, pad_to_aspect_ratio: true}",
         IB_BAD_INPUT, "layers[3] some", "exclude each other"},
        {"ConvLSTM2D", "{filters: 2, kernel_size: 3, strides: 2, dilation_rate: 2}", IB_BAD_INPUT,
         "layers[3] some, cell conv_lstm_cell", "exclude each other"},
        {"STFTSpectrogram", "{frame_length: 8, frame_step: 9}", IB_BAD_INPUT, "layers[3] some",
         "at most the frame_length 8, found 9"},
        {"STFTSpectrogram", "{frame_length: 8, fft_length: 7}", IB_BAD_INPUT, "layers[3] some",
         "at least the frame_length 8, found 7"},
        {"STFTSpectrogram", "{window: hanx}", IB_BAD_INPUT, "layers[3] some, window", "nearest is hann"},
        {"MelSpectrogram", "{fft_length: 8, sequence_length: 9}", IB_BAD_INPUT, "layers[3] some",
         "at least the sequence_length 9, found 8"},
        {"MelSpectrogram", "{min_freq: 9000}", IB_BAD_INPUT, "layers[3] some", "less than max_freq"},
        {"MelSpectrogram", "{window: kaiser}", IB_BAD_INPUT, "layers[3] some", "hann, hamming"},
        {"Permute", "{dims: [1, 1]}", IB_BAD_INPUT, "layers[3] some", "each of 1 to 2 once"},
        {"FlaxLayer", "{units: 3}", IB_UNSUPPORTED, "layers[3]",
         "layer FlaxLayer is not supported: it runs a Flax module"},
        {"Conv2d", "{}", IB_UNSUPPORTED, "layers[3]", "nearest is Conv2D"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ib_layer *layer;
        ib_error err;
        ib_status status = make(bad[i].class_name, bad[i].yaml, &layer, &err);
        if (status != bad[i].status || strcmp(err.where, bad[i].where) != 0 || !strstr(err.text, bad[i].text))
            fail_msg("%s %s: %d \"%s\": \"%s\"", bad[i].class_name, bad[i].yaml, (int)status, err.where,
                     err.text);
        assert_null(layer);
    }
}

/* Shapes that do not fit are refused before anything is built. */
static void test_shapes(void **state) {
    (void)state;
    static const struct bad {
        const char *class_name, *yaml;
        ib_shape input;
        const char *text;
    } bad[] = {
        {"Conv2D",
         "{filters: 2, kernel_size: 3}",
         {3, {-1, 8, 8}},
         "an input with 4 axes, found (None, 8, 8)"},
        {"Conv2D", "{filters: 2, kernel_size: 9}", {4, {-1, 8, 8, 1}}, "the window is larger than the input"},
        {"Conv2D",
         "{filters: 2, kernel_size: 3, groups: 2}",
         {4, {-1, 8, 8, 3}},
         "channels divisible by groups"},
        {"Dense", "{units: 2}", {2, {-1, -1}}, "a known last axis"},
        {"Reshape", "{target_shape: [4, 4]}", {2, {-1, 8}}, "cannot be reshaped to (4, 4)"},
        {"Reshape", "{target_shape: [-1, 0]}", {2, {-1, 8}}, "cannot be reshaped"},
        {"BatchNormalization", "{axis: 4}", {2, {-1, 8}}, "axis does not fit"},
        {"STFTSpectrogram", "{}", {3, {-1, 200, 1}}, "the window is larger"},
        {"MelSpectrogram", "{}", {2, {-1, 1024}}, "longer than half of fft_length 2048, found 1024"},
        {"ConvLSTM1D", "{filters: 2, kernel_size: 3}", {4, {-1, 4, 2, 1}}, "does not fit the cell"},
        {"Resizing", "{height: 2, width: 3}", {4, {-1, 0, 2, 1}}, "an image has no places"},
        {"MaxPooling2D", "{}", {4, {-1, 1, 1, 1}}, "the window is larger"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ib_layer *layer;
        ib_error err;
        assert_int_equal(make(bad[i].class_name, bad[i].yaml, &layer, &err), IB_OK);
        static const char *const name = "inputs";
        ib_spec spec = {.shape = bad[i].input, .type = IB_TYPE_F32}, out[IB_OUTPUTS_MAX];
        size_t n;
        ib_args args = {.n = 1, .names = &name, .specs = &spec};
        assert_int_equal(ib__layer_infer(layer, &args, out, &n, &err), IB_BAD_INPUT);
        if (!strstr(err.text, bad[i].text)) fail_msg("%s: \"%s\"", bad[i].class_name, err.text);
        ib__layer_free(layer);
    }
}

/* y of a Dropout layer over ones. */
static void run_dropout(const char *yaml, const char *name, uint64_t seed, uint32_t step, bool training,
                        float *out, size_t n) {
    ib_layer *layer;
    ib_error err = {0};
    ib_graph *g;
    ib_plan *plan;
    ib_pool *pool;
    ib_value *config;
    assert_int_equal(ib__yaml_parse(&config, yaml, strlen(yaml), "exp.yaml", NULL), IB_OK);
    assert_int_equal(ib__layer_new(&layer, "Dropout", config, name, "layers[0]", &err), IB_OK);
    ib__value_free(config);
    ib_shape shape = {2, {100, (int64_t)n / 100}};
    assert_int_equal(ib__graph_new(&g, 100, 0, NULL), IB_OK);
    ib_build b = {.g = g, .training = training, .seed = seed, .extra_loss = IB_NO_NODE};
    ib_node x = ib__op_input(g, "x", IB_TYPE_F32, &shape, true);
    ib_node y = ib__layer_call_one(layer, &b, x);
    y = ib__op_scale(g, y, 1.0f);
    ib__graph_output(g, y);
    assert_int_equal(ib__pool_new(&pool, 1, NULL), IB_OK);
    assert_int_equal(ib__plan_new(&plan, g, ib__kernels_for(ib__isa_default()), pool, NULL), IB_OK);
    float *in = ib__plan_input(plan, x);
    for (size_t i = 0; i < n; i++)
        in[i] = 1.0f;
    ib_stream_at at = {.step = step};
    ib__plan_run(plan, &at);
    memcpy(out, ib__plan_value(plan, y), n * sizeof *out);
    ib__plan_free(plan);
    ib__pool_free(pool);
    ib__graph_free(g);
    ib__layer_free(layer);
}

static void test_dropout(void **state) {
    (void)state;
    enum { N = 10000 };
    static float a[N], b[N];
    run_dropout("{rate: 0.25}", "dropout", 812, 3, true, a, N);
    size_t kept = 0;
    for (size_t i = 0; i < N; i++) {
        assert_true(a[i] == 0.0f || a[i] == (float)(1.0 / 0.75));
        kept += a[i] != 0.0f;
    }
    assert_in_range(kept, 7300, 7700);
    run_dropout("{rate: 0.25}", "dropout", 812, 3, true, b, N);
    assert_memory_equal(a, b, sizeof a);
    run_dropout("{rate: 0.25}", "dropout", 812, 4, true, b, N);
    assert_memory_not_equal(a, b, sizeof a);
    run_dropout("{rate: 0.25}", "dropout_1", 812, 3, true, b, N);
    assert_memory_not_equal(a, b, sizeof a);
    run_dropout("{rate: 0.25, seed: 7}", "dropout", 812, 3, true, a, N);
    run_dropout("{rate: 0.25, seed: 7}", "dropout", 813, 3, true, b, N);
    assert_memory_equal(a, b, sizeof a);
    for (size_t i = 0; i < N; i++)
        a[i] = 1.0f;
    run_dropout("{rate: 0.25}", "dropout", 812, 3, false, b, N);
    assert_memory_equal(a, b, sizeof a);
    run_dropout("{rate: 0}", "dropout", 812, 3, true, b, N);
    assert_memory_equal(a, b, sizeof a);
    memset(a, 0, sizeof a);
    run_dropout("{rate: 1}", "dropout", 812, 3, true, b, N);
    assert_memory_equal(a, b, sizeof a);
}

static void test_snake_case(void **state) {
    (void)state;
    static const char *const pairs[][2] = {{"Conv2D", "conv2d"},
                                           {"MaxPooling2D", "max_pooling2d"},
                                           {"GlobalAveragePooling2D", "global_average_pooling2d"},
                                           {"ReLU", "re_lu"},
                                           {"LeakyReLU", "leaky_re_lu"},
                                           {"ELU", "elu"},
                                           {"RMSprop", "rm_sprop"},
                                           {"AdamW", "adam_w"},
                                           {"Conv2DTranspose", "conv2d_transpose"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char out[128];
        ib__snake_case(out, sizeof out, pairs[i][0]);
        assert_string_equal(out, pairs[i][1]);
    }
}

/* A layer as activation gives the bits of the layer. */
static void test_layers_as_activation(void **state) {
    (void)state;
    static const char *const layers[][2] = {
        {"ReLU", "{max_value: 1.5, negative_slope: 0.25, threshold: 0.5}"},
        {"LeakyReLU", "{negative_slope: 0.2}"},
        {"ELU", "{alpha: 0.7}"},
        {"Softmax", "{axis: [1, 2]}"},
        {"Activation", "{activation: mish}"}};
    enum { SIZE = 2 * 3 * 5 };
    float x[SIZE], alone[SIZE], within[SIZE];
    for (int i = 0; i < SIZE; i++)
        x[i] = (float)(i * 7 % SIZE - SIZE / 2) / 5.0f;
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        char yaml[160];
        (void)snprintf(yaml, sizeof yaml, "{activation: {%s: %s}}", layers[i][0], layers[i][1]);
        layer_run r = {.class_name = layers[i][0], .yaml = layers[i][1], .shape = {3, {2, 3, 5}}, .x = x};
        run_layer(&r, alone, SIZE);
        r.class_name = "Activation";
        r.yaml = yaml;
        run_layer(&r, within, SIZE);
        assert_memory_equal(alone, within, sizeof alone);
        assert_memory_not_equal(alone, x, sizeof alone);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_activations),
                                       cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_layers_as_activation),
                                       cmocka_unit_test(test_shapes),
                                       cmocka_unit_test(test_dropout),
                                       cmocka_unit_test(test_snake_case)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
