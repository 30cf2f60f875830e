/* SPDX-License-Identifier: Apache-2.0
 *
 * Vocabularies of lookup layers: from the config, with the factors of tf_idf; the places of texts.
 */
#include "layers/lookup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "numerics/fingerprint.h"

bool ib__lookup_is(const char *class_name, bool *texts) {
    *texts = strcmp(class_name, "TextVectorization") == 0 || strcmp(class_name, "StringLookup") == 0;
    return *texts || strcmp(class_name, "IntegerLookup") == 0;
}

/* ---- Reading ---- */

/* What is wrong with a vocabulary, or NULL. */
static const char *vocabulary_problem(const ib_value *value, ib_kind kind) {
    if (value->kind != IB_LIST || (double)value->count >= 0x1p31) return "";
    if (value->count == 0) return "an empty list";
    for (size_t i = 0; i < value->count; i++)
        if (value->items[i]->kind != kind) return ib__kind_name(value->items[i]->kind);
    return NULL;
}

ib_status ib__read_lookup_vocabulary(const ib_field *field, const ib_value *value, const char *where,
                                     void *out, ib_value **canonical, ib_error *err) {
    (void)out, (void)canonical;
    if (value->kind == IB_NULL) return IB_OK;
    bool integers = field->choices != NULL;
    const char *problem = vocabulary_problem(value, integers ? IB_INT : IB_STRING);
    if (!problem) return IB_OK;
    char found[64];
    ib__value_describe(found, value);
    return ib__fail(err, IB_BAD_INPUT, where, "expected a list of %s, found %s",
                    integers ? "integers" : "texts", problem[0] ? problem : found);
}

ib_status ib__read_factors(const ib_field *field, const ib_value *value, const char *where, void *out,
                           ib_value **canonical, ib_error *err) {
    (void)field, (void)out, (void)canonical;
    if (value->kind == IB_NULL) return IB_OK;
    double x;
    bool good = value->kind == IB_LIST;
    for (size_t i = 0; good && i < value->count; i++)
        good = ib__value_number(value->items[i], &x);
    return good ? IB_OK : ib__fail(err, IB_BAD_INPUT, where, "expected a list of numbers");
}

/* ---- The vocabulary ---- */

static int by_value(const void *a, const void *b) {
    const ib_number_term *x = a, *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

const ib_number_term *ib__lookup_number(const ib_lookup *s, int64_t value) {
    ib_number_term key = {.value = value};
    return s->n ? bsearch(&key, s->numbers, s->n, sizeof *s->numbers, by_value) : NULL;
}

/* Whether the list begins with the tokens of the mask and of what is outside. */
static bool begins_with_tokens(const ib_lookup *s, const ib_value *list) {
    size_t n = (size_t)(s->start + s->outside);
    bool same = n <= list->count && (s->has_oov_token || s->outside == 0);
    for (size_t i = 0; same && i < n; i++) {
        bool mask = (int64_t)i < s->start;
        if (s->texts)
            same = strcmp(list->items[i]->string, mask ? s->mask_text : s->oov_text) == 0;
        else
            same = list->items[i]->integer == (mask ? s->mask : s->oov_token);
    }
    return same;
}

/* What Keras refuses: doubled terms, and the mask's token among them; inverted, also the other token. */
static ib_status check_numbers(const ib_layer *layer, ib_error *err) {
    const ib_lookup *s = layer->settings;
    const ib_number_term *odd = NULL;
    for (size_t i = 1; !odd && i < s->n; i++)
        if (s->numbers[i].value == s->numbers[i - 1].value) odd = &s->numbers[i];
    if (odd)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "vocabulary: %" PRId64 " stands there twice",
                        odd->value);
    if (s->masked) odd = ib__lookup_number(s, s->mask);
    if (!odd && s->invert && s->has_oov_token) odd = ib__lookup_number(s, s->oov_token);
    if (odd)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "vocabulary: %" PRId64 " is a reserved token and cannot stand there", odd->value);
    bool fits =
        !s->invert || ((!s->masked || s->mask == (int32_t)s->mask) && s->oov_token == (int32_t)s->oov_token);
    for (size_t i = 0; fits && s->invert && i < s->n; i++)
        fits = s->numbers[i].value == (int32_t)s->numbers[i].value;
    return fits ? IB_OK
                : ib__fail(err, IB_UNSUPPORTED, layer->place,
                           "vocabulary: numbers beyond 32 bits do not come out");
}

static int by_place(const void *a, const void *b) {
    const ib_number_term *x = a, *y = b;
    return (x->place > y->place) - (x->place < y->place);
}

static ib_status take_numbers(ib_layer *layer, const ib_value *list, size_t skip, ib_error *err) {
    ib_lookup *s = layer->settings;
    s->numbers = ib__arena_alloc(&layer->arena, (s->n + 1) * sizeof *s->numbers);
    if (!s->numbers) return ib__fail_memory(err);
    for (size_t i = 0; i < s->n; i++)
        s->numbers[i] = (ib_number_term){list->items[skip + i]->integer, (int32_t)(s->total - s->n + i)};
    qsort(s->numbers, s->n, sizeof *s->numbers, by_value);
    ib_status status = check_numbers(layer, err);
    if (status == IB_OK && s->invert) qsort(s->numbers, s->n, sizeof *s->numbers, by_place);
    return status;
}

static ib_status take_words(ib_layer *layer, const ib_value *list, size_t skip, ib_error *err) {
    ib_lookup *s = layer->settings;
    ib__terms_free(&s->words);
    for (size_t i = 0; i < s->n; i++) {
        const char *text = list->items[skip + i]->string;
        size_t place = ib__terms_add(&s->words, text, strlen(text));
        if (place == SIZE_MAX) return ib__fail_memory(err);
        if (place != i)
            return ib__fail(err, IB_BAD_INPUT, layer->place, "vocabulary: \"%.80s\" stands there twice",
                            text);
        if (s->masked && strcmp(text, s->mask_text) == 0)
            return ib__fail(err, IB_BAD_INPUT, layer->place,
                            "vocabulary: \"%.80s\" is a reserved token and cannot stand there", text);
    }
    return IB_OK;
}

static ib_status take_vocabulary(ib_layer *layer, bool *tokens, ib_error *err) {
    ib_lookup *s = layer->settings;
    const ib_value *list = ib__value_get(layer->config, "vocabulary");
    *tokens = begins_with_tokens(s, list);
    size_t first = (size_t)(s->start + s->outside), skip = *tokens ? first : 0;
    s->n = list->count - skip;
    s->total = first + s->n;
    ib_status status = (s->texts ? take_words : take_numbers)(layer, list, skip, err);
    if (status != IB_OK) return status;
    if (s->most >= 0 && s->total > (size_t)s->most)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "expected at most max_tokens = %" PRId64 " places, found %zu", s->most, s->total);
    return IB_OK;
}

/* The factors of tf_idf: those given, in front of them their mean for the tokens, behind them 0. */
static ib_status take_factors(ib_layer *layer, bool tokens, ib_error *err) {
    ib_lookup *s = layer->settings;
    const ib_value *list = ib__value_get(layer->config, "idf_weights");
    size_t expected = s->given ? ib__value_get(layer->config, "vocabulary")->count : 0;
    size_t depth = (size_t)s->encoding.depth;
    bool wanted = s->encoding.mode == IB_ENCODE_TF_IDF && s->given;
    if (wanted != (list->kind == IB_LIST) || (wanted && list->count != expected))
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        wanted ? "idf_weights: expected one for each term of the vocabulary"
                               : "idf_weights: only with a vocabulary, for the output_mode tf_idf");
    if (!wanted) return IB_OK;
    ib_variable *v = &layer->extra;
    ib__free(v->data);
    *v = (ib_variable){"idf_weights", {1, {s->encoding.depth}}, ib__alloc(depth + 1, sizeof *v->data)};
    if (!v->data) return ib__fail_memory(err);
    size_t front = tokens ? 0 : (size_t)(s->start + s->outside);
    double sum = 0, x = 0;
    for (size_t i = 0; i < list->count; i++) {
        (void)ib__value_number(list->items[i], &x);
        v->data[front + i] = (float)x;
        sum += x;
    }
    for (size_t i = 0; i < front; i++)
        v->data[i] = (float)(sum / (double)list->count);
    s->encoding.factors = v->data;
    return IB_OK;
}

static ib_status take_salt(ib_layer *layer, ib_error *err) {
    ib_lookup *s = layer->settings;
    const ib_value *salt = ib__value_get(layer->config, "salt");
    s->salted = ib__value_is(salt, IB_INT) || ib__value_is(salt, IB_LIST);
    if (!s->salted) return IB_OK;
    if (!s->farmhash && !s->texts)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "salt: only for the oov_method farmhash");
    int64_t pair[2];
    char where[512];
    ib_value *canonical = NULL;
    (void)snprintf(where, sizeof where, "%.480s, salt", layer->place);
    const ib_field any = {.low = -0x1p63, .high = 0x1p63};
    ib_status status = ib__read_pair(&any, salt, where, pair, &canonical, err);
    if (status != IB_OK) return status;
    s->salt[0] = (uint64_t)pair[0];
    s->salt[1] = (uint64_t)pair[1];
    return !canonical || ib__value_set(layer->config, "salt", canonical) ? IB_OK : ib__fail_memory(err);
}

ib_status ib__lookup_take(ib_layer *layer, ib_error *err) {
    ib_lookup *s = layer->settings;
    s->given = ib__value_get(layer->config, "vocabulary")->kind == IB_LIST;
    s->start = s->masked && s->encoding.mode == IB_ENCODE_INT;
    if (s->pad && s->most < 0)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "pad_to_max_tokens needs max_tokens");
    ib_status status = take_salt(layer, err);
    bool tokens = false;
    s->total = (size_t)(s->start + s->outside);
    if (status == IB_OK && s->given) status = take_vocabulary(layer, &tokens, err);
    if (status != IB_OK) return status;
    s->encoding.depth = s->pad ? s->most : (int64_t)s->total;
    ib_value *size = s->given ? ib__value_int((int64_t)s->total) : ib__value_null();
    if (!ib__value_set(layer->config, "vocabulary_size", size)) return ib__fail_memory(err);
    return take_factors(layer, tokens, err);
}

void ib__lookup_free(ib_layer *layer) {
    ib__terms_free(&((ib_lookup *)layer->settings)->words);
}

/* ---- Looking up ---- */

int32_t ib__lookup_outside(const ib_lookup *s, const char *text, size_t n) {
    uint64_t count = (uint64_t)s->outside;
    if (count < 2) return (int32_t)s->start;
    uint64_t hash = s->salted ? ib__siphash(s->salt, text, n) : ib__fingerprint(text, n);
    return (int32_t)(s->start + (int64_t)(hash % count));
}

int32_t ib__lookup_text(const ib_lookup *s, const char *text, size_t n) {
    if (s->masked && strlen(s->mask_text) == n && memcmp(text, s->mask_text, n) == 0)
        return s->start ? 0 : -1;
    size_t term = ib__terms_find_text(&s->words, text, n);
    return term == SIZE_MAX ? ib__lookup_outside(s, text, n) : (int32_t)(s->total - s->n + term);
}

bool ib__lookup_ready(const ib_layer *layer, ib_graph *g) {
    const ib_lookup *s = layer->settings;
    if (!s->given)
        (void)ib__graph_fail(g, IB_BAD_INPUT, "%s has no vocabulary: give it one, or name it under adapt",
                             layer->name);
    return s->given;
}

ib_status ib__lookup_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], size_t *n,
                           ib_error *err) {
    const ib_lookup *s = layer->settings;
    *n = 1;
    if (args->n != 1) return ib__fail(err, IB_BAD_INPUT, layer->place, "expected one input");
    return ib__encoding_infer(layer, &s->encoding, &args->specs[0].shape, out, err);
}

ib_node ib__lookup_encode(const ib_layer *layer, ib_build *b, ib_rows_fn *rows, ib_node x) {
    const ib_lookup *s = layer->settings;
    ib_shape shape = ib__node_shape(b->g, x);
    ib_node places = ib__op_custom_call(b->g, rows, s, x, IB_NO_NODE, IB_TYPE_I32, &shape);
    return ib__encode(b->g, &s->encoding, places, IB_NO_NODE);
}
