/* SPDX-License-Identifier: Apache-2.0
 *
 * IntegerLookup: numbers to their places in a vocabulary, or back.
 */
#include <inttypes.h>
#include <stdio.h>

#include "layers/lookup_adapt.h"

typedef struct integer_lookup {
    ib_lookup lookup;
    int method;
} integer_lookup;

static ib_status read_token(const ib_field *field, const ib_value *value, const char *where, void *out,
                            ib_value **canonical, ib_error *err) {
    if (value->kind == IB_NULL) return IB_OK;
    return ib__read_int(field, value, where, out, canonical, err);
}

#define AT(member) IB_LOOKUP_AT(integer_lookup, member)
#define METHOD .offset = offsetof(integer_lookup, method)
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
    {.key = "vocabulary_dtype", .fallback = "\"int64\"", .read = ib__read_choice, METHOD, .choices = "int64"},
    {.key = "idf_weights", .fallback = "null", .read = ib__read_factors},
    {.key = "vocabulary", .fallback = "null", .read = ib__read_lookup_vocabulary, .choices = "integers"},
    {.key = "vocabulary_size", .fallback = "null", .read = ib__read_anything},
    {.key = "oov_method",
     .fallback = "\"floormod\"",
     .read = ib__read_choice,
     METHOD,
     .choices = "floormod farmhash"},
    {.key = "salt", .fallback = "null", .read = ib__read_anything}};

static ib_status configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status = ib__layer_configure(layer, fields, sizeof fields / sizeof *fields, config, err);
    if (status != IB_OK) return status;
    ib_lookup *s = layer->settings;
    s->farmhash = ((integer_lookup *)layer->settings)->method == 1;
    s->masked = ib__value_get(layer->config, "mask_token")->kind == IB_INT;
    s->has_oov_token = ib__value_get(layer->config, "oov_token")->kind == IB_INT;
    if (s->invert && (s->encoding.mode != IB_ENCODE_INT || !s->has_oov_token))
        return ib__fail(err, IB_BAD_INPUT, layer->place, "invert needs the output_mode int and an oov_token");
    if (!s->invert && s->outside == 0)
        return ib__fail(err, IB_UNSUPPORTED, layer->place,
                        "num_oov_indices: 0 is not supported yet, for nothing would tell of other numbers");
    return ib__lookup_take(layer, err);
}

/* ---- Looking up ---- */

/* Among the places for what is not in the vocabulary. */
static int32_t outside_place(const ib_lookup *s, int32_t x) {
    int64_t n = s->outside;
    if (n > 1 && !s->farmhash) return (int32_t)(s->start + (x % n + n) % n);
    char digits[16];
    size_t length = (size_t)snprintf(digits, sizeof digits, "%" PRId32, x);
    return ib__lookup_outside(s, digits, length);
}

/* The place of a number. A masked one has none but in the output_mode int. */
static int32_t place_of(const ib_lookup *s, int32_t x) {
    if (s->masked && x == s->mask) return s->start ? 0 : -1;
    const ib_number_term *t = ib__lookup_number(s, x);
    return t ? t->place : outside_place(s, x);
}

/* The number at a place. */
static int32_t number_at(const ib_lookup *s, int32_t place) {
    if (s->masked && place == 0) return (int32_t)s->mask;
    int64_t at = place - s->start - s->outside;
    return at >= 0 && at < (int64_t)s->n ? (int32_t)s->numbers[at].value : (int32_t)s->oov_token;
}

static void look_up_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const ib_lookup *s = context;
    const int32_t *x = rows->in[0];
    int32_t *out = rows->out;
    for (size_t i = first * rows->out_width; i < end * rows->out_width; i++)
        out[i] = s->invert ? number_at(s, x[i]) : place_of(s, x[i]);
}

static void apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    if (!ib__lookup_ready(layer, b->g)) return;
    out[0].node =
        ib__lookup_encode(layer, b, look_up_rows, ib__op_convert(b->g, args->flows[0].node, IB_TYPE_I32));
}

static void learn(ib_learning *l, const ib_layer *layer, const ib_tensor *x, size_t i) {
    (void)layer;
    ib__learn_number(l, (int64_t)ib__tensor_at(x, i));
}

static ib_status adapt(ib_layer *layer, ib_samples_fn *next, void *context, ib_error *err) {
    return ib__lookup_adapt(layer, learn, next, context, err);
}

const ib_layer_class ib__layer_integer_lookup = {.name = "IntegerLookup",
                                                 .settings = sizeof(integer_lookup),
                                                 .configure = configure,
                                                 .infer = ib__lookup_infer,
                                                 .apply = apply,
                                                 .adapt = adapt,
                                                 .adapts_config = true};
