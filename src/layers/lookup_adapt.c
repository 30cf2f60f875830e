/* SPDX-License-Identifier: Apache-2.0
 *
 * Vocabularies that lookup layers learn: terms are counted, sorted as Keras sorts them, cut, and put into the
 * config, with the factors of tf_idf.
 */
#include <math.h>

#include "layers/lookup_adapt.h"
#include "numerics/double.h"

/* An integer as bytes that sort as the integers do. */
static void write_number(char out[8], int64_t value) {
    uint64_t bits = (uint64_t)value ^ UINT64_C(1) << 63;
    for (int i = 0; i < 8; i++)
        out[i] = (char)(bits >> (56 - 8 * i));
}

static int64_t read_number(const char *text) {
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | (unsigned char)text[i];
    return (int64_t)(bits ^ UINT64_C(1) << 63);
}

void ib__learn_document(ib_learning *l) {
    l->documents++;
}

void ib__learn_text(ib_learning *l, const char *text, size_t n) {
    size_t i = ib__terms_add(&l->terms, text, n);
    if (i == SIZE_MAX) {
        l->failed = true;
        return;
    }
    ib_term *t = &l->terms.list[i];
    t->count++;
    t->documents += t->last != l->documents;
    t->last = l->documents;
}

void ib__learn_number(ib_learning *l, int64_t value) {
    char bytes[8];
    write_number(bytes, value);
    ib__learn_text(l, bytes, sizeof bytes);
}

/* The tokens of the mask and of what is outside are no terms. */
static bool is_token(const ib_lookup *s, const ib_term *t) {
    if (!s->texts) {
        int64_t value = read_number(t->text);
        return (s->masked && value == s->mask) || (s->has_oov_token && value == s->oov_token);
    }
    return (s->masked && strcmp(s->mask_text, t->text) == 0) ||
           (s->has_oov_token && strcmp(s->oov_text, t->text) == 0);
}

/* Keras's inverse document frequency: log(1 + documents / (1 + those with the term)), rounded to float32. */
static double factor_of(const ib_learning *l, const ib_term *t) {
    return (double)(float)ib__double_log_close(1 + (double)l->documents / (double)(1 + t->documents));
}

static ib_status put_terms(ib_layer *layer, const ib_learning *l, ib_error *err) {
    const ib_lookup *s = layer->settings;
    bool factors = s->encoding.mode == IB_ENCODE_TF_IDF;
    int64_t most = s->most < 0 ? INT32_MAX : s->most - s->start - s->outside;
    ib_value *list = ib__value_list(), *weights = factors ? ib__value_list() : ib__value_null();
    bool good = list && weights;
    for (size_t i = 0; good && i < l->terms.n && (int64_t)list->count < most; i++) {
        const ib_term *t = &l->terms.list[i];
        if (is_token(s, t)) continue;
        good =
            ib__value_add(list, s->texts ? ib__value_string(t->text) : ib__value_int(read_number(t->text)));
        if (good && factors) good = ib__value_add(weights, ib__value_real(factor_of(l, t)));
    }
    size_t n = list ? list->count : 0;
    good = ib__value_set(layer->config, "vocabulary", good ? list : NULL) && good;
    good = ib__value_set(layer->config, "idf_weights", good ? weights : NULL) && good;
    if (!good) return ib__fail_memory(err);
    return n ? IB_OK : ib__fail(err, IB_BAD_INPUT, layer->place, "expected terms to learn, found none");
}

static ib_status end_learning(ib_learning *l, ib_layer *layer, ib_error *err) {
    ib_status status = l->failed ? ib__fail_memory(err) : IB_OK;
    ib__terms_sort(&l->terms);
    if (status == IB_OK) status = put_terms(layer, l, err);
    ib__terms_free(&l->terms);
    return status == IB_OK ? ib__lookup_take(layer, err) : status;
}

ib_status ib__lookup_adapt(ib_layer *layer, ib_learn_fn *learn, ib_samples_fn *next, void *context,
                           ib_error *err) {
    const ib_lookup *s = layer->settings;
    ib_learning l = {0};
    ib_tensor x = {0};
    if (s->given)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "the vocabulary is given: there is nothing to adapt");
    if (s->invert) return ib__fail(err, IB_UNSUPPORTED, layer->place, "an inverted lookup does not adapt");
    for (;;) {
        ib_status status = next(context, &x, err);
        if (status != IB_OK) {
            ib__terms_free(&l.terms);
            return status;
        }
        if (!x.data) return end_learning(&l, layer, err);
        size_t samples = (size_t)x.shape.dims[0], each = (size_t)ib__shape_elements(&x.shape) / samples;
        for (size_t i = 0; i < samples; i++) {
            ib__learn_document(&l);
            for (size_t k = 0; k < each; k++)
                learn(&l, layer, &x, i * each + k);
        }
    }
}
