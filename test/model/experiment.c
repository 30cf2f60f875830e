/* SPDX-License-Identifier: Apache-2.0
 *
 * The `model:` entry of an experiment: what it becomes, and what is said about mistakes.
 */
#include "model/predict.h"

#include <unistd.h>

static ib_value *parse(const char *text) {
    ib_value *value = NULL;
    ib_error err = {0};
    if (ib__yaml_parse(&value, text, strlen(text), "exp.yaml", &err) != IB_OK)
        fail_msg("%s: %s", err.where, err.text);
    return value;
}

static ib_model *build(const char *text, ib_shape input) {
    ib_value *entry = parse(text);
    ib_model *model = NULL;
    ib_error err = {0};
    if (ib__model_from_experiment(&model, entry, &input, NULL, "exp.yaml, model", &err) != IB_OK)
        fail_msg("%s: %s", err.where, err.text);
    ib__value_free(entry);
    return model;
}

static const ib_shape image = {.rank = 4, .dims = {-1, 12, 12, 1}}, row = {.rank = 2, .dims = {-1, 6}};

static void sequential(void **state) {
    (void)state;
    ib_model *model = build("sequential:\n"
                            "  - Rescaling: {scale: 0.5}\n"
                            "  - Conv2D: {filters: 4, kernel_size: 3, activation: relu}\n"
                            "  - MaxPool2D:\n"
                            "  - Flatten\n"
                            "  - Dense: {units: 5}\n"
                            "  - Dense: {units: 10, activation: softmax, kernel_regularizer: l2}\n"
                            "name: little\n",
                            image);
    assert_string_equal(model->name, "little");
    assert_false(model->functional);
    assert_int_equal(model->n_layers, 7);
    assert_string_equal(model->layers[0]->name, "input_layer");
    assert_string_equal(model->layers[6]->path, "dense_1");
    assert_int_equal(model->tensors[model->outputs[0]].shape.dims[1], 10);
    assert_int_equal(ib__model_weights(model, NULL, true), 6);
    ib_error err = {0};
    ib_value *compile = parse("optimizer: {Adam: {learning_rate: 0.01}}\n"
                              "loss: {SparseCategoricalCrossentropy: {from_logits: false}}\n"
                              "metrics: [accuracy]\n");
    if (ib__model_compile(model, compile, "compile", &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    assert_int_equal(ib__model_initialize(model, 1, &err), IB_OK);
    assert_true(ib__value_is_string(ib__value_get(ib__value_get(model->compile, "loss"), "class_name"),
                                    "SparseCategoricalCrossentropy"));
    ib__value_free(compile);
    char path[128];
    (void)snprintf(path, sizeof path, "/tmp/isobit-test-%ld.keras", (long)getpid());
    if (ib__keras_save(model, path, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    ib_model *again = NULL;
    if (ib__keras_load(&again, path, true, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    assert_true(ib__value_equal(model->config, again->config));
    assert_true(ib__value_equal(model->compile, again->compile));
    (void)unlink(path);
    ib__model_free(again);
    ib__model_free(model);
}

static void functional(void **state) {
    (void)state;
    ib_model *model = build("functional:\n"
                            "  inputs: {a: [6], b: {shape: [6], dtype: float32}}\n"
                            "  layers:\n"
                            "    - Dense: {name: left, inputs: a, units: 4}\n"
                            "    - Dense: {name: right, inputs: b, units: 4}\n"
                            "    - {Add: {}, name: sum, inputs: [left, right]}\n"
                            "    - Activation: {activation: relu}\n"
                            "  outputs: [sum, activation]\n",
                            row);
    assert_true(model->functional && model->list_outputs);
    assert_int_equal(model->n_inputs, 2);
    assert_int_equal(model->n_outputs, 2);
    assert_int_equal(model->n_calls, 4);
    assert_int_equal(model->calls[model->n_calls - 1].n_inputs, 1);
    const ib_value *layers = ib__value_get(ib__value_get(model->config, "config"), "layers");
    const ib_value *node = ib__value_at(ib__value_get(ib__value_at(layers, 4), "inbound_nodes"), 0);
    const ib_value *sum = ib__value_at(ib__value_at(ib__value_get(node, "args"), 0), 1);
    const ib_value *shape = ib__value_get(ib__value_get(sum, "config"), "shape");
    assert_true(ib__value_is(ib__value_at(shape, 0), IB_NULL));
    assert_int_equal(ib__value_at(shape, 1)->integer, 4);
    ib__model_free(model);
}

/* Arguments by name, settings of a call, further outputs. */
static void arguments(void **state) {
    (void)state;
    ib_model *model = build("functional:\n"
                            "  inputs: {x: [5, 4], state: [3]}\n"
                            "  layers:\n"
                            "    - LSTM: {name: lstm, units: 3, return_sequences: true, return_state: true}\n"
                            "      inputs: {sequences: x, initial_state: [state, state]}\n"
                            "    - MultiHeadAttention: {name: attend, num_heads: 1, key_dim: 2}\n"
                            "      inputs: {query: lstm, value: x, use_causal_mask: true}\n"
                            "    - {Add: {}, name: sum, inputs: ['lstm:1', 'lstm:2']}\n"
                            "  outputs: [attend, sum]\n",
                            row);
    assert_int_equal(model->n_outputs, 2);
    assert_int_equal(model->tensors[model->outputs[0]].shape.rank, 3);
    assert_int_equal(model->tensors[model->outputs[1]].shape.dims[1], 3);
    const ib_value *layers = ib__value_get(ib__value_get(model->config, "config"), "layers");
    const ib_value *node = ib__value_at(ib__value_get(ib__value_at(layers, 3), "inbound_nodes"), 0);
    const ib_value *kwargs = ib__value_get(node, "kwargs");
    assert_true(ib__value_get(kwargs, "use_causal_mask")->boolean);
    const ib_value *shape = ib__value_get(ib__value_get(ib__value_get(kwargs, "query"), "config"), "shape");
    assert_true(ib__value_is(shape, IB_LIST));
    assert_int_equal(ib__value_at(shape, 2)->integer, 3);
    ib__model_free(model);
}

/* A model's policy is that of the layers that say none, and of those inside of them; with mixed_float16 the
 * loss is scaled. */
static void policies(void **state) {
    (void)state;
    static const char *const text = "dtype_policy: %s\n"
                                    "sequential:\n"
                                    "  - Dense: {units: 4}\n"
                                    "  - Reshape: {target_shape: [2, 2]}\n"
                                    "  - Bidirectional: {layer: {LSTM: {units: 3}}}\n"
                                    "  - Dense: {units: 2, dtype: float32}\n";
    static const struct {
        const char *policy;
        ib_format format;
        const char *optimizer;
        bool automatic;
    } cases[] = {{"float32", IB_FORMAT_F32, "adam", true},
                 {"mixed_bfloat16", IB_FORMAT_BF16, "adam", true},
                 {"mixed_float16", IB_FORMAT_F16, "loss_scale_optimizer", true},
                 {"mixed_float16", IB_FORMAT_F16, "adam", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char yaml[512];
        (void)snprintf(yaml, sizeof yaml, text, cases[i].policy);
        ib_model *model = build(yaml, row);
        ib_error err = {0};
        assert_int_equal(model->n_layers, 5);
        assert_int_equal(model->layers[1]->compute, cases[i].format);
        assert_int_equal(model->layers[3]->parts[0].layer->compute, cases[i].format);
        assert_int_equal(model->layers[4]->compute, IB_FORMAT_F32);
        (void)snprintf(yaml, sizeof yaml, "{optimizer: adam, loss: mse, auto_scale_loss: %s}",
                       cases[i].automatic ? "true" : "false");
        ib_value *compile = parse(yaml);
        if (ib__model_compile(model, compile, "compile", &err) != IB_OK)
            fail_msg("%s: %s", err.where, err.text);
        assert_string_equal(ib__optimizer_name(model->optimizer), cases[i].optimizer);
        ib__value_free(compile);
        ib__model_free(model);
    }
}

static void mistakes(void **state) {
    (void)state;
    static const struct {
        const char *text, *where, *says;
    } cases[] = {
        {"sequental: [Flatten]", "exp.yaml, model", "sequential"},
        {"name: x", "exp.yaml, model", "expected one of"},
        {"{sequential: [Flatten], keras: x.keras}", "exp.yaml, model", "expected one of"},
        {"sequential: []", "exp.yaml, model", "a list of layers"},
        {"sequential:\n  - Flatten\n  - Dens: {units: 3}", "exp.yaml, model, line 3, sequential[1]", "Dense"},
        {"sequential:\n  - Dense: {unit: 3}", "exp.yaml, model, line 2, sequential[0] dense", "units"},
        {"sequential:\n  - FlaxLayer: {units: 3}", "sequential[0]",
         "FlaxLayer is not supported: it runs a Flax module"},
        {"sequential:\n  - Dense: {units: 3}\n  - Input: {shape: [3]}", "line 3", "first layer"},
        {"sequential: [{Dense: {units: 3, name: x}}, {Dense: {units: 3, name: x}}]", "sequential[1]",
         "stands twice"},
        {"dtype_policy: mixed_flaot16\nsequential:\n  - Dense: {units: 3}", "line 1, dtype_policy",
         "nearest is mixed_float16"},
        {"dtype_policy: float16\nsequential:\n  - Dense: {units: 3}", "dtype_policy",
         "only float32, mixed_bfloat16"},
        {"dtype_policy: mixed_float16\nsequential:\n  - Dense: {units: 3, dtype: bfloat16}",
         "sequential[0] dense, dtype", "\"bfloat16\" is not supported"},
        {"{keras: x.keras, dtype_policy: mixed_float16}", "line 1", "a file says"},
        {"{keras: /nowhere/x.keras}", "/nowhere/x.keras", "opened"},
        {"functional: {layers: [{Dense: {units: 3, inputs: nothing}}]}", "functional.layers[0]",
         "no layer \"nothing\""},
        {"functional: {layers: [{Dense: {name: a, units: 3, inputs: b}}, {Dense: {name: b, units: 3}}]}", "a",
         "never made"},
        {"functional: {layers: [{Dense: {name: a, units: 3}}], outputs: c}", "output_layers", "\"c\""},
        {"functional: {layers: [{Dense: {name: a, units: 3}}], outputs: 'a:1'}", "functional", "output 1"},
        {"functional: {layers: [{Dense: {units: 3}, inputs: 5}]}", "line 1", "arguments with names"},
        {"functional: {layers: [{Dense: {units: 3}, inputs: {inputs: [input_layer, 5]}}]}", "line 1",
         "arguments with names"},
        {"functional: {layers: [{Dense: {units: 3}, inputs: {inputs: input_layer, kausal: true}}]}", "dense",
         "kausal"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ib_value *entry = parse(cases[i].text);
        ib_model *model = NULL;
        ib_error err = {0};
        assert_true(ib__model_from_experiment(&model, entry, &row, NULL, "exp.yaml, model", &err) != IB_OK);
        if (!strstr(err.where, cases[i].where) || !strstr(err.text, cases[i].says))
            fail_msg("%s\n%s: %s", cases[i].text, err.where, err.text);
        assert_null(model);
        ib__value_free(entry);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sequential), cmocka_unit_test(functional),
                                       cmocka_unit_test(arguments), cmocka_unit_test(policies),
                                       cmocka_unit_test(mistakes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
