/* SPDX-License-Identifier: Apache-2.0
 *
 * IntegerLookup: numbers to their places in a vocabulary, or back.
 *
 * Places: the mask (0, if there is a mask token and numbers come out), then those for what is not in the
 * vocabulary, then the vocabulary's own.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "layers/categories.h"
#include "numerics/fingerprint.h"

typedef struct term {
    int64_t value;
    int32_t place;
} term;

typedef struct lookup {
    ib_encoding encoding;
    bool invert, pad, masked, has_oov_token, salted, farmhash;
    int method;
    int64_t most, outside; /* max_tokens, -1: any; num_oov_indices */
    int64_t mask, oov_token;
    uint64_t salt[2];
    int64_t start;   /* of the places for what is not in the vocabulary */
    size_t n, total; /* terms; places */
    term *terms;     /* by value, or inverted by place; of the layer's arena */
} lookup;

/* ---- Reading ---- */

static ib_status read_token(const ib_field *field, const ib_value *value, const char *where, void *out,
                            ib_value **canonical, ib_error *err) {
    if (value->kind == IB_NULL) return IB_OK;
    return ib__read_int(field, value, where, out, canonical, err);
}

static ib_status read_vocabulary(const ib_field *field, const ib_value *value, const char *where, void *out,
                                 ib_value **canonical, ib_error *err) {
    (void)field, (void)out, (void)canonical;
    if (value->kind == IB_NULL)
        return ib__fail(err, IB_UNSUPPORTED, where, "a lookup without a vocabulary is not supported yet");
    bool good = value->kind == IB_LIST && value->count > 0 && (double)value->count < 0x1p31;
    for (size_t i = 0; good && i < value->count; i++)
        good = value->items[i]->kind == IB_INT;
    if (good) return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, where, "expected a list of integers");
}

static ib_status read_factors(const ib_field *field, const ib_value *value, const char *where, void *out,
                              ib_value **canonical, ib_error *err) {
    (void)field, (void)out, (void)canonical;
    if (value->kind == IB_NULL) return IB_OK;
    double x;
    bool good = value->kind == IB_LIST;
    for (size_t i = 0; good && i < value->count; i++)
        good = ib__value_number(value->items[i], &x);
    return good ? IB_OK : ib__fail(err, IB_BAD_INPUT, where, "expected a list of numbers");
}

#define AT(member) .offset = offsetof(lookup, member)
#define INTEGER .low = -0x1p63, .high = 0x1p63
static const ib_field fields[] = {
    IB_LAYER_FIELDS,
    {.key = "invert", .fallback = "false", .read = ib__read_bool, AT(invert)},
    {.key = "max_tokens",
     .fallback = "null",
     .read = ib__read_optional_int,
     AT(most),
     .low = 2,
     .high = 0x1p31 - 1},
    {.key = "num_oov_indices", .fallback = "1", .read = ib__read_int, AT(outside), .low = 0, .high = 0x1p30},
    {.key = "oov_token", .fallback = "-1", .read = read_token, AT(oov_token), INTEGER},
    {.key = "mask_token", .fallback = "null", .read = read_token, AT(mask), INTEGER},
    {.key = "output_mode",
     .fallback = "\"int\"",
     .read = ib__read_choice,
     AT(encoding.mode),
     .choices = IB_ENCODINGS " tf_idf"},
    {.key = "sparse", .fallback = "false", .read = ib__read_null},
    {.key = "pad_to_max_tokens", .fallback = "false", .read = ib__read_bool, AT(pad)},
    {.key = "vocabulary_dtype",
     .fallback = "\"int64\"",
     .read = ib__read_choice,
     AT(method),
     .choices = "int64"},
    {.key = "idf_weights", .fallback = "null", .read = read_factors},
    {.key = "vocabulary", .fallback = "null", .read = read_vocabulary},
    {.key = "vocabulary_size", .fallback = "null", .read = ib__read_anything},
    {.key = "oov_method",
     .fallback = "\"floormod\"",
     .read = ib__read_choice,
     AT(method),
     .choices = "floormod farmhash"},
    {.key = "salt", .fallback = "null", .read = ib__read_anything}};

/* ---- The vocabulary ---- */

static int by_value(const void *a, const void *b) {
    const term *x = a, *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

static term *find(const lookup *s, int64_t value) {
    term key = {.value = value};
    return bsearch(&key, s->terms, s->n, sizeof *s->terms, by_value);
}

/* Whether the list begins with the tokens of the mask and of what is outside. */
static bool begins_with_tokens(const lookup *s, const ib_value *list) {
    size_t n = (size_t)(s->start + s->outside);
    bool same = n <= list->count && (s->has_oov_token || s->outside == 0);
    for (size_t i = 0; same && i < n; i++)
        same = list->items[i]->integer == ((int64_t)i < s->start ? s->mask : s->oov_token);
    return same;
}

/* What Keras refuses: doubled terms, and the mask's token among them; inverted, also the other token. */
static ib_status check_terms(const ib_layer *layer, ib_error *err) {
    const lookup *s = layer->settings;
    const term *odd = NULL;
    for (size_t i = 1; !odd && i < s->n; i++)
        if (s->terms[i].value == s->terms[i - 1].value) odd = &s->terms[i];
    if (odd)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "vocabulary: %" PRId64 " stands there twice",
                        odd->value);
    if (s->masked) odd = find(s, s->mask);
    if (!odd && s->invert && s->has_oov_token) odd = find(s, s->oov_token);
    if (odd)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "vocabulary: %" PRId64 " is a reserved token and cannot stand there", odd->value);
    bool fits =
        !s->invert || ((!s->masked || s->mask == (int32_t)s->mask) && s->oov_token == (int32_t)s->oov_token);
    for (size_t i = 0; fits && s->invert && i < s->n; i++)
        fits = s->terms[i].value == (int32_t)s->terms[i].value;
    return fits ? IB_OK
                : ib__fail(err, IB_UNSUPPORTED, layer->place,
                           "vocabulary: numbers beyond 32 bits do not come out");
}

static int by_place(const void *a, const void *b) {
    const term *x = a, *y = b;
    return (x->place > y->place) - (x->place < y->place);
}

static ib_status take_vocabulary(ib_layer *layer, bool *tokens, ib_error *err) {
    lookup *s = layer->settings;
    const ib_value *list = ib__value_get(layer->config, "vocabulary");
    *tokens = begins_with_tokens(s, list);
    size_t first = (size_t)(s->start + s->outside), skip = *tokens ? first : 0;
    s->n = list->count - skip;
    s->total = first + s->n;
    s->terms = ib__arena_alloc(&layer->arena, (s->n + 1) * sizeof *s->terms);
    if (!s->terms) return ib__fail_memory(err);
    for (size_t i = 0; i < s->n; i++)
        s->terms[i] = (term){list->items[skip + i]->integer, (int32_t)(first + i)};
    qsort(s->terms, s->n, sizeof *s->terms, by_value);
    ib_status status = check_terms(layer, err);
    if (status != IB_OK) return status;
    if (s->invert) qsort(s->terms, s->n, sizeof *s->terms, by_place);
    if (s->most >= 0 && s->total > (size_t)s->most)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "expected at most max_tokens = %" PRId64 " places, found %zu", s->most, s->total);
    s->encoding.depth = s->pad ? s->most : (int64_t)s->total;
    ib_value *size = ib__value_int((int64_t)s->total);
    return ib__value_set(layer->config, "vocabulary_size", size) ? IB_OK : ib__fail_memory(err);
}

/* The factors of tf_idf: those given, in front of them their mean for the tokens, behind them 0. */
static ib_status take_factors(ib_layer *layer, bool tokens, ib_error *err) {
    lookup *s = layer->settings;
    const ib_value *list = ib__value_get(layer->config, "idf_weights");
    size_t expected = ib__value_get(layer->config, "vocabulary")->count, depth = (size_t)s->encoding.depth;
    bool wanted = s->encoding.mode == IB_ENCODE_TF_IDF;
    if (wanted != (list->kind == IB_LIST) || (wanted && list->count != expected))
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        wanted ? "idf_weights: expected one for each term of the vocabulary"
                               : "idf_weights: only for the output_mode tf_idf");
    if (!wanted) return IB_OK;
    ib_variable *v = &layer->extra;
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
    lookup *s = layer->settings;
    const ib_value *salt = ib__value_get(layer->config, "salt");
    s->farmhash = s->method == 1;
    s->salted = salt->kind != IB_NULL;
    if (!s->salted) return IB_OK;
    if (!s->farmhash)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "salt: only for the oov_method farmhash");
    int64_t pair[2];
    char where[512];
    ib_value *canonical = NULL;
    (void)snprintf(where, sizeof where, "%.480s, salt", layer->place);
    ib_status status = ib__read_pair(&(ib_field){INTEGER}, salt, where, pair, &canonical, err);
    if (status != IB_OK) return status;
    s->salt[0] = (uint64_t)pair[0];
    s->salt[1] = (uint64_t)pair[1];
    return !canonical || ib__value_set(layer->config, "salt", canonical) ? IB_OK : ib__fail_memory(err);
}

static ib_status configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status = ib__layer_configure(layer, fields, sizeof fields / sizeof *fields, config, err);
    if (status != IB_OK) return status;
    lookup *s = layer->settings;
    s->masked = ib__value_get(layer->config, "mask_token")->kind == IB_INT;
    s->has_oov_token = ib__value_get(layer->config, "oov_token")->kind == IB_INT;
    s->start = s->masked && s->encoding.mode == IB_ENCODE_INT;
    if (s->invert && (s->encoding.mode != IB_ENCODE_INT || !s->has_oov_token))
        return ib__fail(err, IB_BAD_INPUT, layer->place, "invert needs the output_mode int and an oov_token");
    if (s->pad && s->most < 0)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "pad_to_max_tokens needs max_tokens");
    if (!s->invert && s->outside == 0)
        return ib__fail(err, IB_UNSUPPORTED, layer->place,
                        "num_oov_indices: 0 is not supported yet, for nothing would tell of other numbers");
    status = take_salt(layer, err);
    bool tokens = false;
    if (status == IB_OK) status = take_vocabulary(layer, &tokens, err);
    return status == IB_OK ? take_factors(layer, tokens, err) : status;
}

/* ---- Looking up ---- */

/* Among the places for what is not in the vocabulary. */
static int32_t outside_place(const lookup *s, int32_t x) {
    int64_t n = s->outside, place = 0;
    if (n > 1 && s->farmhash) {
        char digits[16];
        size_t length = (size_t)snprintf(digits, sizeof digits, "%" PRId32, x);
        uint64_t hash = s->salted ? ib__siphash(s->salt, digits, length) : ib__fingerprint(digits, length);
        place = (int64_t)(hash % (uint64_t)n);
    } else if (n > 1) {
        place = (x % n + n) % n;
    }
    return (int32_t)(s->start + place);
}

/* The place of a number. A masked one has none but in the output_mode int. */
static int32_t place_of(const lookup *s, int32_t x) {
    if (s->masked && x == s->mask) return s->start ? 0 : -1;
    const term *t = find(s, x);
    return t ? t->place : outside_place(s, x);
}

/* The number at a place. */
static int32_t number_at(const lookup *s, int32_t place) {
    if (s->masked && place == 0) return (int32_t)s->mask;
    int64_t at = place - s->start - s->outside;
    return at >= 0 && at < (int64_t)s->n ? (int32_t)s->terms[at].value : (int32_t)s->oov_token;
}

static void look_up_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const lookup *s = context;
    const int32_t *x = rows->in[0];
    int32_t *out = rows->out;
    for (size_t i = first * rows->out_width; i < end * rows->out_width; i++)
        out[i] = s->invert ? number_at(s, x[i]) : place_of(s, x[i]);
}

static ib_status infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], size_t *n,
                       ib_error *err) {
    const lookup *s = layer->settings;
    *n = 1;
    if (args->n != 1) return ib__fail(err, IB_BAD_INPUT, layer->place, "expected one input");
    return ib__encoding_infer(layer, &s->encoding, &args->specs[0].shape, out, err);
}

static void apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    const lookup *s = layer->settings;
    ib_node x = ib__op_convert(b->g, args->flows[0].node, IB_TYPE_I32);
    ib_shape shape = ib__node_shape(b->g, x);
    ib_node places = ib__op_custom_call(b->g, look_up_rows, s, x, IB_NO_NODE, IB_TYPE_I32, &shape);
    out[0].node = ib__encode(b->g, &s->encoding, places, IB_NO_NODE);
}

const ib_layer_class ib__layer_integer_lookup = {.name = "IntegerLookup",
                                                 .settings = sizeof(lookup),
                                                 .configure = configure,
                                                 .infer = infer,
                                                 .apply = apply};
