/* SPDX-License-Identifier: Apache-2.0
 *
 * Configs from strangers: every key of every golden layer config takes every awkward value, over fitting and
 * unfitting inputs. Each ends in a layer that builds its ops, or in an error with words; run with sanitizers
 * for the rest.
 */
#include <dirent.h>
#include <stdlib.h>

#include "golden.h"

#include "layers/layer.h"

static const char *const awkward[] = {
    "null",
    "true",
    "false",
    "0",
    "-1",
    "1",
    "3",
    "65536",
    "1099511627775",
    "9223372036854775807",
    "-9223372036854775808",
    "0.5",
    "-2.5",
    "1e308",
    "NaN",
    "Infinity",
    "\"\"",
    "\"same\"",
    "\"channels_first\"",
    "\"\\u00e9%s%n\"",
    "[]",
    "[1]",
    "[0, 0]",
    "[2, 3]",
    "[-1, -1]",
    "[65536, 65536]",
    "[null, 4, 1099511627775, 1099511627775]",
    "[1, 2, 3, 4, 5, 6, 7, 8, 9]",
    "[[1, 2], [3, 4]]",
    "[[1], 2]",
    "{}",
    "{\"class_name\": 3}",
    "{\"class_name\": \"Zeros\", \"config\": [1]}",
    "{\"module\": \"x\", \"class_name\": \"L2\", \"config\": {\"l2\": \"x\"}}"};
enum { AWKWARD = sizeof awkward / sizeof *awkward };

static ib_value *values[AWKWARD];
static size_t made, refused, built;

static void try_inputs(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    static const char *const names[] = {"inputs", "inputs", "inputs", "inputs"};
    ib_spec specs[4], out[IB_OUTPUTS_MAX];
    size_t outputs;
    for (size_t i = 0; i < n; i++)
        specs[i] = (ib_spec){.shape = inputs[i], .type = IB_TYPE_F32};
    ib_args args = {.n = n, .names = names, .specs = specs};
    if (ib__layer_infer(layer, &args, out, &outputs, err) != IB_OK) {
        assert_true(err->code != IB_OK && *err->text);
        refused++;
        return;
    }
    ib_graph *g;
    ib_flow flows[4], made[IB_OUTPUTS_MAX];
    enum { SAMPLES = 2 };
    assert_int_equal(ib__graph_new(&g, SAMPLES, 0, NULL), IB_OK);
    ib_build b = {.g = g, .training = true, .seed = 1, .extra_loss = IB_NO_NODE};
    for (size_t i = 0; i < n; i++) {
        ib_shape shape = inputs[i];
        shape.dims[0] = SAMPLES;
        flows[i] = (ib_flow){ib__op_input(g, "x", IB_TYPE_F32, &shape, true), IB_NO_NODE};
    }
    args.flows = flows;
    size_t called = ib__layer_call(layer, &b, &args, made);
    ib_error graph = {0};
    if (ib__graph_status(g, &graph) == IB_OK) {
        assert_int_equal(called, outputs);
        for (size_t i = 0; i < outputs; i++) {
            ib_shape found = ib__node_shape(g, made[i].node);
            if (found.rank > 0) found.dims[0] = out[i].shape.dims[0];
            if (ib__shape_equal(&found, &out[i].shape)) continue;
            char a[128], s[128];
            ib__shape_print(a, &found);
            ib__shape_print(s, &out[i].shape);
            fail_msg("%s: ops give %s, shape says %s", layer->class->name, a, s);
        }
        built++;
    } else if (strstr(graph.text, "too large") || strstr(graph.text, "under adapt")) {
        refused++;
    } else {
        fail_msg("%s passed shape and failed in its ops: %s", layer->class->name, graph.text);
    }
    ib__graph_free(g);
}

static void try_config(const char *class_name, const ib_value *config, const ib_shape *inputs, size_t n) {
    static const ib_shape others[] = {{1, {-1}},
                                      {2, {-1, 0}},
                                      {2, {-1, -1}},
                                      {3, {-1, 4, 5}},
                                      {4, {-1, 6, 6, 2}},
                                      {4, {-1, 1099511627775, 1099511627775, 3}},
                                      {8, {-1, 2, 2, 2, 2, 2, 2, 2}}};
    enum { OTHERS = sizeof others / sizeof *others };
    for (size_t i = 0; i <= OTHERS; i++) {
        ib_layer *layer;
        ib_error err = {0};
        if (ib__layer_new(&layer, class_name, config, "name", "layers[0]", &err) != IB_OK) {
            assert_true(err.code != IB_OK && *err.text);
            assert_null(layer);
            refused++;
            return;
        }
        made++;
        ib_shape same[4] = {others[i % OTHERS], others[i % OTHERS], others[i % OTHERS], others[i % OTHERS]};
        try_inputs(layer, i == OTHERS ? inputs : same, n, &err);
        ib__layer_free(layer);
    }
}

/* One case for each list of classes is enough. */
static bool seen_before(const ib_value *layers) {
    static char seen[400][160];
    static size_t n_seen;
    char text[160] = "";
    for (size_t i = 0; i < layers->count; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s ",
                       ib__value_get(layers->items[i], "class_name")->string);
    for (size_t i = 0; i < n_seen; i++)
        if (strcmp(seen[i], text) == 0) return true;
    assert_true(n_seen < 400);
    memcpy(seen[n_seen++], text, sizeof text);
    return false;
}

static void run_case(const char *path) {
    ib_error err = {0};
    ib_tensor meta;
    ib_value *tree;
    assert_int_equal(ib__npz_read(&meta, path, "meta", &err), IB_OK);
    assert_int_equal(ib__json_parse(&tree, meta.data, (size_t)ib__shape_elements(&meta.shape), path, &err),
                     IB_OK);
    const ib_value *layers = ib__value_get(tree, "layers"), *inputs = ib__value_get(tree, "inputs");
    ib_shape shapes[4];
    size_t n = inputs->count < 4 ? inputs->count : 4;
    if (seen_before(layers)) {
        ib__value_free(tree);
        ib__tensor_free(&meta);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const ib_value *dims = ib__value_get(inputs->items[i], "shape");
        shapes[i].rank = (int)dims->count;
        for (int d = 0; d < shapes[i].rank; d++)
            shapes[i].dims[d] = d ? dims->items[d]->integer : -1;
    }
    for (size_t i = 0; i < layers->count; i++) {
        const char *class_name = ib__value_get(layers->items[i], "class_name")->string;
        ib_value *config = ib__value_get(layers->items[i], "config");
        try_config(class_name, config, shapes, n);
        for (size_t k = 0; k < config->count; k++) {
            ib_value *own = config->items[k];
            for (size_t v = 0; v < AWKWARD; v++) {
                config->items[k] = values[v];
                try_config(class_name, config, shapes, n);
            }
            config->items[k] = own;
        }
    }
    ib__value_free(tree);
    ib__tensor_free(&meta);
}

static void test_configs(void **state) {
    (void)state;
    for (size_t i = 0; i < AWKWARD; i++)
        assert_int_equal(ib__json_parse(&values[i], awkward[i], strlen(awkward[i]), "awkward", NULL), IB_OK);
    struct dirent **entries;
    int n = scandir("test/golden/layers", &entries, NULL, alphasort);
    assert_true(n > 0);
    for (int i = 0; i < n; i++) {
        char path[512];
        (void)snprintf(path, sizeof path, "test/golden/layers/%s", entries[i]->d_name);
        if (strstr(entries[i]->d_name, ".npz")) run_case(path);
        free(entries[i]);
    }
    free(entries);
    for (size_t i = 0; i < AWKWARD; i++)
        ib__value_free(values[i]);
    print_message("%zu layers made, %zu built their ops, %zu refusals\n", made, built, refused);
    assert_true(made > 5000 && built > 1000 && refused > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_configs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
