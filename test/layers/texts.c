/* SPDX-License-Identifier: Apache-2.0
 *
 * TextVectorization, StringLookup and Hashing of texts against real Keras (test/golden/texts.py): what comes
 * out, and what they adapt to; what is refused.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "layers/layer.h"
#include "numerics/texts.h"

/* Rows of texts as a tensor; yours. */
static ib_tensor read_texts(const ib_value *rows) {
    ib_tensor t;
    ib_shape shape = {2, {(int64_t)rows->count, (int64_t)rows->items[0]->count}};
    assert_int_equal(ib__tensor_new(&t, IB_TEXT, &shape, NULL), IB_OK);
    for (size_t i = 0; i < (size_t)ib__shape_elements(&shape); i++) {
        const char *text = rows->items[i / (size_t)shape.dims[1]]->items[i % (size_t)shape.dims[1]]->string;
        assert_int_equal(ib__text_number((int32_t *)t.data + i, text, strlen(text), NULL), IB_OK);
    }
    return t;
}

/* Runs the layer; y: yours, release with ib__free. */
static float *run(ib_layer *layer, const ib_tensor *x, ib_shape *shape) {
    ib_graph *g;
    ib_plan *plan;
    ib_pool *pool;
    ib_error err = {0};
    assert_int_equal(ib__graph_new(&g, (size_t)x->shape.dims[0], 0, NULL), IB_OK);
    ib_build b = {.g = g, .extra_loss = IB_NO_NODE};
    ib_node in = ib__op_input(g, "x", IB_TYPE_I32, &x->shape, true);
    ib_node out = ib__op_convert(g, ib__layer_call_one(layer, &b, in), IB_TYPE_F32);
    ib__graph_output(g, out);
    if (ib__graph_status(g, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    assert_int_equal(ib__pool_new(&pool, 1, NULL), IB_OK);
    assert_int_equal(ib__plan_new(&plan, g, ib__kernels_for(ib__isa_default()), pool, &err), IB_OK);
    memcpy(ib__plan_input(plan, in), x->data, (size_t)ib__shape_elements(&x->shape) * sizeof(int32_t));
    ib__plan_run(plan, &(ib_stream_at){0});
    *shape = ib__node_shape(g, out);
    size_t n = (size_t)ib__shape_elements(shape);
    float *y = ib__alloc(n + 1, sizeof *y);
    assert_non_null(y);
    memcpy(y, ib__plan_value(plan, out), n * sizeof *y);
    ib__plan_free(plan);
    ib__graph_free(g);
    ib__pool_free(pool);
    return y;
}

static ib_status build(ib_layer *layer, const ib_tensor *x, ib_error *err) {
    static const char *const name = "inputs";
    ib_spec spec = {.shape = x->shape, .type = IB_TYPE_I32, .text = true}, out[IB_OUTPUTS_MAX];
    size_t n;
    return ib__layer_infer(layer, &(ib_args){.n = 1, .names = &name, .specs = &spec}, out, &n, err);
}

static size_t compared;

static void compare(const ib_value *c, size_t number, const float *y, const ib_shape *shape) {
    const ib_value *expected = ib__value_get(c, "y"), *dims = ib__value_get(c, "shape");
    const char *class_name = ib__value_get(c, "class")->string;
    if ((size_t)shape->rank != dims->count || (size_t)ib__shape_elements(shape) != expected->count)
        fail_msg("case %zu, %s: another shape", number, class_name);
    for (int i = 0; i < shape->rank; i++)
        assert_int_equal(shape->dims[i], dims->items[i]->integer);
    for (size_t i = 0; i < expected->count; i++, compared++) {
        double want = 0;
        assert_true(ib__value_number(expected->items[i], &want));
        bool whole = expected->items[i]->kind == IB_INT;
        if (whole ? (double)y[i] != want : fabs((double)y[i] - want) > 2e-7 * fabs(want))
            fail_msg("case %zu, %s: %g instead of %g at %zu", number, class_name, (double)y[i], want, i);
    }
}

/* The samples of a case, handed out in blocks. */
typedef struct samples {
    ib_tensor all;
    int64_t at;
} samples;

static ib_status next_samples(void *context, ib_tensor *x, ib_error *err) {
    samples *s = context;
    int64_t left = s->all.shape.dims[0] - s->at, n = left < 7 ? left : 7;
    size_t row = (size_t)(ib__shape_elements(&s->all.shape) / s->all.shape.dims[0]);
    (void)err;
    *x = (ib_tensor){0};
    if (n == 0) return IB_OK;
    *x = s->all;
    x->shape.dims[0] = n;
    x->data = (char *)s->all.data + (size_t)s->at * row * ib__dtype_size(x->dtype);
    s->at += n;
    return IB_OK;
}

/* What was learned must be Keras's: a list of the config against one of the case. */
static void compare_lists(const ib_layer *layer, const ib_value *c, const char *key, size_t number) {
    const ib_value *expected = ib__value_get(c, key), *found = ib__value_get(layer->config, key);
    if (!expected) return;
    assert_int_equal(found->kind, IB_LIST);
    for (size_t i = 0; i < expected->count && i < found->count; i++) {
        const ib_value *a = expected->items[i], *b = found->items[i];
        bool same = a->kind == IB_STRING ? strcmp(a->string, b->string) == 0 : a->real == b->real;
        if (!same) fail_msg("case %zu: %s[%zu] is another one", number, key, i);
    }
    if (found->count != expected->count)
        fail_msg("case %zu: %zu in %s instead of %zu", number, found->count, key, expected->count);
    compared += expected->count;
}

static void adapt(ib_layer *layer, const ib_value *c, ib_tensor all, size_t number) {
    samples s = {all, 0};
    ib_error err = {0};
    if (layer->class->adapt(layer, next_samples, &s, &err) != IB_OK)
        fail_msg("case %zu: %s: %s", number, err.where, err.text);
    compare_lists(layer, c, "vocabulary", number);
    compare_lists(layer, c, "bin_boundaries", number);
    compare_lists(layer, c, "idf_weights", number);
    s.at = 0;
    assert_int_equal(layer->class->adapt(layer, next_samples, &s, &err), IB_BAD_INPUT);
    assert_non_null(strstr(err.text, "nothing to adapt"));
}

static void check_case(const ib_value *c, size_t number) {
    ib_layer *layer;
    ib_error err = {0};
    ib_shape shape;
    ib__texts_hold();
    ib_tensor x = read_texts(ib__value_get(c, "texts"));
    if (ib__layer_new(&layer, ib__value_get(c, "class")->string, ib__value_get(c, "config"), "it",
                      "layers[0]", &err) != IB_OK ||
        build(layer, &x, &err) != IB_OK)
        fail_msg("case %zu: %s: %s", number, err.where, err.text);
    const ib_value *learn = ib__value_get(c, "learn");
    if (learn) {
        ib_tensor all = read_texts(learn);
        adapt(layer, c, all, number);
        ib__tensor_free(&all);
    }
    float *y = run(layer, &x, &shape);
    compare(c, number, y, &shape);
    ib__free(y);
    ib__layer_free(layer);
    ib__tensor_free(&x);
    ib__texts_release();
}

static void as_keras(void **state) {
    (void)state;
    ib_buf text = {0};
    ib_value *cases;
    ib_error err = {0};
    assert_int_equal(ib__file_read(&text, "test/golden/texts.json", 0, &err), IB_OK);
    assert_int_equal(ib__json_parse(&cases, text.data, text.length, "texts.json", &err), IB_OK);
    for (size_t i = 0; i < cases->count; i++)
        check_case(cases->items[i], i);
    print_message("%zu cases, %zu comparisons\n", cases->count, compared);
    assert_true(cases->count > 90 && compared > 10000);
    ib__value_free(cases);
    ib__buf_free(&text);
}

/* Discretization and IntegerLookup. */
static void numbers_as_keras(void **state) {
    (void)state;
    ib_buf text = {0};
    ib_value *cases;
    ib_error err = {0};
    assert_int_equal(ib__file_read(&text, "test/golden/adapted.json", 0, &err), IB_OK);
    assert_int_equal(ib__json_parse(&cases, text.data, text.length, "adapted.json", &err), IB_OK);
    compared = 0;
    for (size_t i = 0; i < cases->count; i++) {
        const ib_value *c = cases->items[i], *learn = ib__value_get(c, "learn"), *first = learn->items[0];
        bool integers = first->kind == IB_LIST;
        ib_shape shape = {2, {(int64_t)learn->count, integers ? (int64_t)first->count : 1}};
        ib_layer *layer;
        ib_tensor x;
        assert_int_equal(ib__tensor_new(&x, integers ? IB_I64 : IB_F64, &shape, NULL), IB_OK);
        for (size_t k = 0; k < (size_t)ib__shape_elements(&shape); k++) {
            const ib_value *row = learn->items[k / (size_t)shape.dims[1]];
            if (integers)
                ((int64_t *)x.data)[k] = row->items[k % (size_t)shape.dims[1]]->integer;
            else
                assert_true(ib__value_number(row, (double *)x.data + k));
        }
        if (ib__layer_new(&layer, ib__value_get(c, "class")->string, ib__value_get(c, "config"), "it",
                          "layers[0]", &err) != IB_OK)
            fail_msg("case %zu: %s: %s", i, err.where, err.text);
        adapt(layer, c, x, i);
        ib__layer_free(layer);
        ib__tensor_free(&x);
    }
    assert_true(cases->count > 20 && compared > 300);
    ib__value_free(cases);
    ib__buf_free(&text);
}

/* The table of texts: one number a text, also beyond a segment and with zero bytes; gone when let go. */
static void table(void **state) {
    (void)state;
    int32_t first = -1, again = -1;
    size_t n;
    ib__texts_hold();
    for (int i = 0; i < 5000; i++) {
        char text[32];
        size_t length = (size_t)snprintf(text, sizeof text, "text %d", i);
        assert_int_equal(ib__text_number(&again, text, length, NULL), IB_OK);
        if (i == 1500) first = again;
        assert_string_equal(ib__text_of(again, &n), text);
        assert_int_equal(n, length);
    }
    assert_int_equal(ib__text_number(&again, "text 1500", 9, NULL), IB_OK);
    assert_int_equal(first, again);
    assert_int_equal(ib__text_number(&again, "a\0b", 3, NULL), IB_OK);
    assert_memory_equal(ib__text_of(again, &n), "a\0b", 4);
    assert_int_equal(n, 3);
    assert_string_equal(ib__text_of(-1, &n), "");
    assert_string_equal(ib__text_of(1 << 30, &n), "");
    ib__texts_hold();
    ib__texts_release();
    assert_string_equal(ib__text_of(first, &n), "text 1500");
    ib__texts_release();
    assert_string_equal(ib__text_of(first, &n), "");
}

static void utf8(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t n, bad;
    } cases[] = {{"", 0, 0},
                 {"aж中😀", 10, 10},
                 {"a\x80", 2, 1},
                 {"\xc0\x80", 2, 0},
                 {"\xe0\x80\x80", 3, 0},
                 {"b\xed\xa0\x80", 4, 1},
                 {"\xf4\x90\x80\x80", 4, 0},
                 {"x\xe4\xb8", 3, 1},
                 {"\xff", 1, 0},
                 {"\xf0\x8f\xbf\xbf", 4, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(ib__utf8_check(cases[i].text, cases[i].n), cases[i].bad);
}

/* Settings that are refused: class, YAML of the settings, words of the error. */
static const char *const bad[][3] = {
    {"TextVectorization", "{output_sequence_length: 4, standardize: lowr}", "standardize"},
    {"TextVectorization", "{output_sequence_length: 4, split: word}", "whitespace"},
    {"TextVectorization", "{output_sequence_length: 4, vocabulary: []}", "an empty list"},
    {"TextVectorization", "{output_sequence_length: 4, vocabulary: [a, b, a]}", "\"a\" stands there twice"},
    {"TextVectorization", "{output_sequence_length: 4, vocabulary: [a, 1]}",
     "list of texts, found an integer"},
    {"TextVectorization", "{output_sequence_length: 4, max_tokens: 3, vocabulary: [a, b]}",
     "at most max_tokens = 3"},
    {"TextVectorization", "{vocabulary: [a, b]}", "output_sequence_length"},
    {"TextVectorization", "{output_mode: count, output_sequence_length: 3, vocabulary: [a, b]}", "only for"},
    {"TextVectorization", "{output_mode: tf_idf, vocabulary: [a, b]}", "idf_weights"},
    {"TextVectorization", "{output_sequence_length: 4, ngrams: 0, vocabulary: [a, b]}", "ngrams"},
    {"TextVectorization", "{output_sequence_length: 4, vocabulary: [a, ''], max_tokens: 9}", "reserved"},
    {"TextVectorization", "{output_sequence_length: 4, vocabulary: words.txt}", "list of texts"},
    {"TextVectorization", "{output_sequence_length: 4, vocabulry: [a]}", "did you mean \"vocabulary\""},
    {"StringLookup", "{vocabulary: [a, b], mask_token: b}", "reserved"},
    {"StringLookup", "{vocabulary: [a, b], invert: true}", "invert"},
    {"StringLookup", "{vocabulary: [a], pad_to_max_tokens: true}", "needs max_tokens"},
    {"StringLookup", "{vocabulary: [a], encoding: latin-1}", "utf-8"},
    {"Hashing", "{num_bins: 4, mask_value: 3}", "mask_value: expected a text"}};

static void refused(void **state) {
    (void)state;
    ib__texts_hold();
    ib_shape shape = {2, {1, 1}};
    ib_tensor x;
    assert_int_equal(ib__tensor_new(&x, IB_TEXT, &shape, NULL), IB_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ib_value *config;
        ib_layer *layer = NULL;
        ib_error err = {0};
        assert_int_equal(ib__yaml_parse(&config, bad[i][1], strlen(bad[i][1]), "e.yaml", NULL), IB_OK);
        ib_status status = ib__layer_new(&layer, bad[i][0], config, "it", "layers[0]", &err);
        if (status == IB_OK) status = build(layer, &x, &err);
        bool found = strstr(err.text, bad[i][2]) || strstr(err.where, bad[i][2]);
        if ((status != IB_BAD_INPUT && status != IB_UNSUPPORTED) || !found || !strstr(err.where, "layers[0]"))
            fail_msg("%s: %s: %s", bad[i][1], err.where, err.text);
        ib__layer_free(layer);
        ib__value_free(config);
    }
    ib__tensor_free(&x);
    ib__texts_release();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_keras), cmocka_unit_test(numbers_as_keras),
                                       cmocka_unit_test(table), cmocka_unit_test(utf8),
                                       cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
