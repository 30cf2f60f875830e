/* SPDX-License-Identifier: Apache-2.0
 *
 * TextVectorization: texts are made alike, cut into tokens, joined to n-grams and looked up. A text is read
 * where it lies; no token is copied.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "layers/lookup_adapt.h"
#include "numerics/texts.h"

enum { LOWER_AND_STRIP, LOWER, STRIP, AS_IT_IS };
enum { WHITESPACE, CHARACTER, WHOLE };
enum { NGRAMS_MAX = 16 };

typedef struct vectorization {
    ib_lookup lookup;
    int standardize, split, encoding;
    int64_t length; /* output_sequence_length; -1: none */
    int64_t ngrams[NGRAMS_MAX];
    size_t n_ngrams;
} vectorization;

/* ---- Reading ---- */

/* One of the choices, of which the last stands for null. */
static ib_status read_choice_or_null(const ib_field *field, const ib_value *value, const char *where,
                                     void *out, ib_value **canonical, ib_error *err) {
    if (value->kind == IB_MAP)
        return ib__fail(err, IB_UNSUPPORTED, where, "a function of Python cannot be run");
    if (value->kind != IB_NULL) return ib__read_choice(field, value, where, out, canonical, err);
    int last = 0;
    for (const char *c = field->choices; *c; c++)
        last += *c == ' ';
    *(int *)out = last + 1;
    return IB_OK;
}

/* null; n: all lengths from 1 to n; or a list of lengths. */
static ib_status read_ngrams(const ib_field *field, const ib_value *value, const char *where, void *out,
                             ib_value **canonical, ib_error *err) {
    vectorization *s = out;
    (void)field, (void)canonical;
    bool one = value->kind == IB_INT, good = one || value->kind == IB_LIST;
    if (value->kind == IB_NULL) return IB_OK;
    size_t n = one && value->integer > 0 && value->integer <= NGRAMS_MAX ? (size_t)value->integer
               : one                                                     ? 0
                                                                         : value->count;
    good = good && n > 0 && n <= NGRAMS_MAX;
    for (size_t i = 0; good && i < n; i++) {
        good = one || (value->items[i]->kind == IB_INT && value->items[i]->integer > 0 &&
                       value->items[i]->integer <= 1000);
        if (good) s->ngrams[i] = one ? (int64_t)i + 1 : value->items[i]->integer;
    }
    s->n_ngrams = n;
    return good ? IB_OK
                : ib__fail(err, IB_BAD_INPUT, where,
                           "expected null, a number from 1 to %d, or a list of up to %d numbers of 1 or more",
                           NGRAMS_MAX, NGRAMS_MAX);
}

#define AT(member) IB_LOOKUP_AT(vectorization, member)
#define OWN(member) .offset = offsetof(vectorization, member)
static const ib_field fields[] = {
    IB_LAYER_FIELDS,
    {.key = "max_tokens",
     .fallback = "null",
     .read = ib__read_optional_int,
     AT(most),
     .low = 2,
     .high = 0x1p31 - 1},
    {.key = "standardize",
     .fallback = "\"lower_and_strip_punctuation\"",
     .read = read_choice_or_null,
     OWN(standardize),
     .choices = "lower_and_strip_punctuation lower strip_punctuation"},
    {.key = "split",
     .fallback = "\"whitespace\"",
     .read = read_choice_or_null,
     OWN(split),
     .choices = "whitespace character"},
    {.key = "ngrams", .fallback = "null", .read = read_ngrams},
    {.key = "output_mode",
     .fallback = "\"int\"",
     .read = ib__read_choice,
     AT(encoding.mode),
     .choices = IB_ENCODINGS " tf_idf"},
    {.key = "output_sequence_length",
     .fallback = "null",
     .read = ib__read_optional_int,
     OWN(length),
     .low = 1,
     .high = 0x1p24},
    {.key = "pad_to_max_tokens", .fallback = "false", .read = ib__read_bool, AT(pad)},
    {.key = "sparse", .fallback = "false", .read = ib__read_null},
    {.key = "ragged", .fallback = "false", .read = ib__read_null},
    {.key = "vocabulary", .fallback = "null", .read = ib__read_lookup_vocabulary},
    {.key = "idf_weights", .fallback = "null", .read = ib__read_factors},
    {.key = "encoding", .fallback = "\"utf-8\"", .read = ib__read_choice, OWN(encoding), .choices = "utf-8"},
    {.key = "vocabulary_size", .fallback = "null", .read = ib__read_anything}};

static ib_status configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status = ib__layer_configure(layer, fields, sizeof fields / sizeof *fields, config, err);
    if (status != IB_OK) return status;
    vectorization *s = layer->settings;
    bool numbers = s->lookup.encoding.mode == IB_ENCODE_INT;
    s->lookup.texts = s->lookup.masked = s->lookup.has_oov_token = true;
    s->lookup.mask_text = "";
    s->lookup.oov_text = "[UNK]";
    s->lookup.outside = 1;
    if (!numbers && s->length >= 0)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "output_sequence_length: only for the output_mode int");
    if (numbers && s->length < 0 && s->split != WHOLE)
        return ib__fail(err, IB_UNSUPPORTED, layer->place,
                        "the output_mode int needs an output_sequence_length here, for shapes are fixed");
    if (s->lookup.encoding.mode == IB_ENCODE_ONE_HOT)
        return ib__fail(err, IB_UNSUPPORTED, layer->place, "the output_mode one_hot is not supported yet");
    if (s->n_ngrams && s->split == WHOLE)
        return ib__fail(err, IB_UNSUPPORTED, layer->place, "ngrams of texts that are not split");
    return ib__lookup_take(layer, err);
}

/* ---- Tokens ---- */

static bool is_blank(unsigned char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_punctuation(unsigned char c) {
    return c != '\0' && strchr("!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'", c) != NULL;
}

/* A text, and where in it one reads. */
typedef struct cursor {
    const vectorization *s;
    const unsigned char *text;
    size_t at, n;
} cursor;

/* Goes to the next byte that standardizing keeps; false: the end. */
static bool go_to_kept(cursor *c) {
    bool strip = c->s->standardize == LOWER_AND_STRIP || c->s->standardize == STRIP;
    while (strip && c->at < c->n && is_punctuation(c->text[c->at]))
        c->at++;
    return c->at < c->n;
}

/* The byte here as it is standardized: only letters of ASCII become small ones. */
static unsigned char byte_here(const cursor *c) {
    unsigned char x = c->text[c->at];
    bool lower = c->s->standardize == LOWER_AND_STRIP || c->s->standardize == LOWER;
    return lower && x >= 'A' && x <= 'Z' ? (unsigned char)(x - 'A' + 'a') : x;
}

/* Goes to where the next token begins; false: there is none. A whole text is a token, also an empty one. */
static bool go_to_token(cursor *c) {
    while (go_to_kept(c) && c->s->split == WHITESPACE && is_blank(c->text[c->at]))
        c->at++;
    return c->at < c->n;
}

/* Of the bytes of tokens, which are also copied if they shall be. */
typedef struct token_hash {
    uint64_t hash;
    size_t length;
    ib_buf *copy;
} token_hash;

static void hash_byte(token_hash *h, unsigned char byte) {
    h->hash = ib__term_hash(h->hash, byte);
    h->length++;
    if (h->copy) ib__buf_add(h->copy, &byte, 1);
}

/* Reads a token to its end. h, or text of so many bytes to compare with from *done on; false: another byte.
 */
static bool read_token(cursor *c, token_hash *h, const char *text, size_t length, size_t *done) {
    size_t left = c->s->split == CHARACTER ? ib__utf8_length(c->text[c->at]) : SIZE_MAX;
    for (; left > 0 && go_to_kept(c) && !(c->s->split == WHITESPACE && is_blank(c->text[c->at])); left--) {
        unsigned char x = byte_here(c);
        if (h) hash_byte(h, x);
        if (text && (*done == length || (unsigned char)text[(*done)++] != x)) return false;
        c->at++;
    }
    return true;
}

/* `width` tokens with blanks between them, from a cursor on. */
typedef struct ngram {
    cursor from;
    int64_t width;
} ngram;

/* false: there are not so many tokens; *next: behind the first one. */
static bool hash_ngram(const ngram *g, token_hash *h, size_t *next) {
    cursor c = g->from;
    h->hash = IB_TERM_HASH;
    h->length = 0;
    for (int64_t i = 0; i < g->width; i++) {
        if (i > 0 && !go_to_token(&c)) return false;
        if (i > 0) hash_byte(h, ' ');
        (void)read_token(&c, h, NULL, 0, NULL);
        if (i == 0) *next = c.at;
    }
    return true;
}

static bool same_ngram(const void *context, const char *text, size_t length) {
    const ngram *g = context;
    cursor c = g->from;
    size_t done = 0;
    for (int64_t i = 0; i < g->width; i++) {
        if (i > 0) (void)go_to_token(&c);
        if (i > 0 && (done == length || text[done++] != ' ')) return false;
        if (!read_token(&c, NULL, text, length, &done)) return false;
    }
    return done == length;
}

/* The place of an n-gram. */
static int32_t place_of(const vectorization *s, const ngram *g, const token_hash *h) {
    const ib_lookup *l = &s->lookup;
    if (h->length == 0) return l->start ? 0 : -1;
    size_t term = ib__terms_find(&l->words, h->hash, same_ngram, g);
    return term == SIZE_MAX ? (int32_t)l->start : (int32_t)(l->total - l->n + term);
}

/* What becomes of n-grams: one of these. */
typedef struct sink {
    const vectorization *s;
    int32_t *numbers; /* `most` places */
    size_t n, most;
    float *row; /* of the encoding */
    ib_learning *learning;
} sink;

static void learn_ngram(ib_learning *l, const ngram *g) {
    ib_buf text = {0};
    token_hash h = {.copy = &text};
    size_t next;
    (void)hash_ngram(g, &h, &next);
    l->failed = l->failed || text.failed;
    if (!text.failed) ib__learn_text(l, text.length ? text.data : "", text.length);
    ib__buf_free(&text);
}

/* false: enough. */
static bool put_ngram(sink *to, const ngram *g, const token_hash *h) {
    if (to->learning)
        learn_ngram(to->learning, g);
    else if (to->numbers)
        to->numbers[to->n++] = place_of(to->s, g, h);
    else if (to->row)
        ib__encode_number(&to->s->lookup.encoding, place_of(to->s, g, h), 1.0f, to->row);
    return !to->numbers || to->n < to->most;
}

/* All n-grams of one width. */
static bool put_ngrams(sink *to, const unsigned char *text, size_t n, int64_t width) {
    const vectorization *s = to->s;
    ngram g = {{s, text, 0, n}, width};
    token_hash h = {0};
    size_t next = 0;
    if (s->split == WHOLE) {
        (void)hash_ngram(&g, &h, &next);
        return put_ngram(to, &g, &h);
    }
    while (go_to_token(&g.from) && hash_ngram(&g, &h, &next)) {
        if (!put_ngram(to, &g, &h)) return false;
        g.from.at = next;
    }
    return true;
}

static void put_text(sink *to, int32_t number) {
    const vectorization *s = to->s;
    size_t n;
    const unsigned char *text = (const unsigned char *)ib__text_of(number, &n);
    bool more = true;
    for (size_t i = 0; more && i < s->n_ngrams; i++)
        more = put_ngrams(to, text, n, s->ngrams[i]);
    if (s->n_ngrams == 0) (void)put_ngrams(to, text, n, 1);
}

/* ---- The layer ---- */

static void vectorize_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const vectorization *s = context;
    bool numbers = s->lookup.encoding.mode == IB_ENCODE_INT;
    for (size_t row = first; row < end; row++) {
        const int32_t *x = (const int32_t *)rows->in[0] + row * rows->width[0];
        sink to = {.s = s, .most = rows->out_width};
        char *out = (char *)rows->out + row * rows->out_width * 4; /* words of 32 bits */
        memset(out, 0, rows->out_width * 4);
        if (numbers)
            to.numbers = (int32_t *)(void *)out;
        else
            to.row = (float *)(void *)out;
        for (size_t i = 0; i < rows->width[0] && !(numbers && to.n == to.most); i++)
            put_text(&to, x[i]);
        if (!numbers) ib__encode_factors(&s->lookup.encoding, to.row);
    }
}

/* Of an input of this shape. */
static ib_spec output_of(const vectorization *s, const ib_shape *x) {
    bool numbers = s->lookup.encoding.mode == IB_ENCODE_INT;
    int64_t width = !numbers ? s->lookup.encoding.depth : s->length > 0 ? s->length : x->dims[1];
    return (ib_spec){.shape = {.rank = 2, .dims = {x->dims[0], width}},
                     .type = numbers ? IB_TYPE_I32 : IB_TYPE_F32};
}

static ib_status infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], size_t *n,
                       ib_error *err) {
    const vectorization *s = layer->settings;
    *n = 1;
    if (args->n != 1) return ib__fail(err, IB_BAD_INPUT, layer->place, "expected one input");
    const ib_shape *x = &args->specs[0].shape;
    bool whole = s->split == WHOLE;
    bool fits = whole ? x->rank == 2 && x->dims[1] > 0 : x->rank == 1 || (x->rank == 2 && x->dims[1] == 1);
    if (!fits) {
        char text[128];
        ib__shape_print(text, x);
        return ib__fail(err, IB_BAD_INPUT, layer->place, "expected an input of %s, found %s",
                        whole ? "a known number of texts a sample" : "one text a sample", text);
    }
    out[0] = output_of(s, x);
    return IB_OK;
}

static void apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    const vectorization *s = layer->settings;
    if (!ib__lookup_ready(layer, b->g)) return;
    ib_node x = args->flows[0].node;
    ib_shape in = ib__node_shape(b->g, x);
    ib_spec made = output_of(s, &in);
    out[0].node = ib__op_custom_call(b->g, vectorize_rows, s, x, IB_NO_NODE, made.type, &made.shape);
}

static void learn(ib_learning *l, const ib_layer *layer, const ib_tensor *x, size_t i) {
    sink to = {.s = layer->settings, .learning = l};
    put_text(&to, ((const int32_t *)x->data)[i]);
}

static ib_status adapt(ib_layer *layer, ib_samples_fn *next, void *context, ib_error *err) {
    return ib__lookup_adapt(layer, learn, next, context, err);
}

const ib_layer_class ib__layer_text_vectorization = {.name = "TextVectorization",
                                                     .settings = sizeof(vectorization),
                                                     .configure = configure,
                                                     .infer = infer,
                                                     .apply = apply,
                                                     .adapt = adapt,
                                                     .adapts_config = true,
                                                     .free = ib__lookup_free,
                                                     .extra_twice = "_lookup_layer",
                                                     .texts = IB_TEXTS_ONLY};
