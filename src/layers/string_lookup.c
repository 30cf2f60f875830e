/* SPDX-License-Identifier: Apache-2.0
 *
 * StringLookup: texts to their places in a vocabulary.
 */
#include "layers/lookup_adapt.h"
#include "numerics/texts.h"

typedef struct string_lookup {
    ib_lookup lookup;
    int method; /* floormod or farmhash: of integers; texts are always hashed */
} string_lookup;

#define AT(member) IB_LOOKUP_AT(string_lookup, member)
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
    {.key = "oov_token", .fallback = "\"[UNK]\"", .read = ib__read_optional_text},
    {.key = "mask_token", .fallback = "null", .read = ib__read_optional_text},
    {.key = "output_mode",
     .fallback = "\"int\"",
     .read = ib__read_choice,
     AT(encoding.mode),
     .choices = IB_ENCODINGS " tf_idf"},
    {.key = "sparse", .fallback = "false", .read = ib__read_null},
    {.key = "pad_to_max_tokens", .fallback = "false", .read = ib__read_bool, AT(pad)},
    {.key = "idf_weights", .fallback = "null", .read = ib__read_factors},
    {.key = "vocabulary", .fallback = "null", .read = ib__read_lookup_vocabulary},
    {.key = "vocabulary_size", .fallback = "null", .read = ib__read_anything},
    {.key = "oov_method",
     .fallback = "\"floormod\"",
     .read = ib__read_choice,
     .offset = offsetof(string_lookup, method),
     .choices = "floormod farmhash"},
    {.key = "salt", .fallback = "null", .read = ib__read_anything},
    {.key = "encoding",
     .fallback = "\"utf-8\"",
     .read = ib__read_choice,
     .offset = offsetof(string_lookup, method),
     .choices = "utf-8"}};

static ib_status configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status = ib__layer_configure(layer, fields, sizeof fields / sizeof *fields, config, err);
    if (status != IB_OK) return status;
    ib_lookup *s = layer->settings;
    s->texts = true;
    s->mask_text = ib__value_get(layer->config, "mask_token")->string;
    s->oov_text = ib__value_get(layer->config, "oov_token")->string;
    s->masked = s->mask_text != NULL;
    s->has_oov_token = s->oov_text != NULL;
    if (s->invert)
        return ib__fail(err, IB_UNSUPPORTED, layer->place,
                        "invert: a StringLookup whose output is texts is not supported");
    if (s->outside == 0)
        return ib__fail(err, IB_UNSUPPORTED, layer->place,
                        "num_oov_indices: 0 is not supported yet, for nothing would tell of other texts");
    return ib__lookup_take(layer, err);
}

static void look_up_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const int32_t *x = rows->in[0];
    int32_t *out = rows->out;
    for (size_t i = first * rows->out_width; i < end * rows->out_width; i++) {
        size_t n;
        const char *text = ib__text_of(x[i], &n);
        out[i] = ib__lookup_text(context, text, n);
    }
}

static void apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    if (!ib__lookup_ready(layer, b->g)) return;
    out[0].node = ib__lookup_encode(layer, b, look_up_rows, args->flows[0].node);
}

static void learn(ib_learning *l, const ib_layer *layer, const ib_tensor *x, size_t i) {
    size_t n;
    const char *text = ib__text_of(((const int32_t *)x->data)[i], &n);
    (void)layer;
    ib__learn_text(l, text, n);
}

static ib_status adapt(ib_layer *layer, ib_samples_fn *next, void *context, ib_error *err) {
    return ib__lookup_adapt(layer, learn, next, context, err);
}

const ib_layer_class ib__layer_string_lookup = {.name = "StringLookup",
                                                .settings = sizeof(string_lookup),
                                                .configure = configure,
                                                .infer = ib__lookup_infer,
                                                .apply = apply,
                                                .adapt = adapt,
                                                .adapts_config = true,
                                                .free = ib__lookup_free,
                                                .texts = IB_TEXTS_ONLY};
