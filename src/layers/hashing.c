/* SPDX-License-Identifier: Apache-2.0
 *
 * Hashing and HashedCrossing: integers and texts sorted into buckets by TensorFlow's hashes of their bytes;
 * integers are hashed as decimal digits.
 */
#include <inttypes.h>
#include <stdio.h>

#include "layers/categories.h"
#include "numerics/fingerprint.h"
#include "numerics/texts.h"

#define BINS_MAX 0x1p31 /* numbers of categories are int32 */

typedef struct hashing {
    ib_encoding encoding;
    uint64_t bins, salt[2];
    bool salted, masked;
    int64_t mask;
    const char *mask_text; /* NULL: the mask is a number */
    const char *dtype;
} hashing;

#define AT(member) .offset = offsetof(hashing, member)
#define BINS                                                                                                 \
    { .key = "num_bins", .read = ib__read_int, AT(encoding.depth), .low = 1, .high = BINS_MAX - 1 }

/* null, an integer, or two of them; written as a list. */
static ib_status read_salt(const ib_field *field, const ib_value *value, const char *where, void *out,
                           ib_value **canonical, ib_error *err) {
    hashing *s = out;
    if (value->kind == IB_NULL) return IB_OK;
    int64_t pair[2];
    ib_field both = *field;
    both.low = -0x1p63;
    both.high = 0x1p63;
    ib_status status = ib__read_pair(&both, value, where, pair, canonical, err);
    if (status != IB_OK) return status;
    s->salted = true;
    s->salt[0] = (uint64_t)pair[0];
    s->salt[1] = (uint64_t)pair[1];
    return IB_OK;
}

static ib_status read_mask(const ib_field *field, const ib_value *value, const char *where, void *out,
                           ib_value **canonical, ib_error *err) {
    hashing *s = out;
    s->masked = value->kind != IB_NULL;
    if (value->kind == IB_STRING) return IB_OK;
    return s->masked ? ib__read_int(field, value, where, &s->mask, canonical, err) : IB_OK;
}

static const ib_field hashing_fields[] = {
    {.key = "name", .read = ib__read_name},
    {.key = "trainable", .fallback = "true", .read = ib__read_flag},
    {.key = "dtype", .fallback = "null", .read = ib__read_category_dtype, AT(dtype)},
    BINS,
    {.key = "salt", .fallback = "null", .read = read_salt},
    {.key = "mask_value", .fallback = "null", .read = read_mask, .low = -0x1p63, .high = 0x1p63},
    {.key = "output_mode",
     .fallback = "\"int\"",
     .read = ib__read_choice,
     AT(encoding.mode),
     .choices = IB_ENCODINGS},
    {.key = "sparse", .fallback = "false", .read = ib__read_null}};

static ib_status hashing_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status = ib__layer_configure(layer, hashing_fields,
                                           sizeof hashing_fields / sizeof *hashing_fields, config, err);
    if (status != IB_OK) return status;
    hashing *s = layer->settings;
    s->mask_text = ib__value_get(layer->config, "mask_value")->string;
    s->masked = s->masked && s->encoding.depth > 1;
    s->bins = (uint64_t)s->encoding.depth - s->masked;
    return ib__category_dtype(layer, s->dtype, s->encoding.mode == IB_ENCODE_INT, false, err);
}

static ib_status hashing_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                               size_t *n, ib_error *err) {
    const hashing *s = layer->settings;
    *n = 1;
    if (args->n != 1) return ib__fail(err, IB_BAD_INPUT, layer->place, "expected one input");
    if (!layer->built && s->masked && args->specs[0].text != (s->mask_text != NULL))
        return ib__fail(err, IB_BAD_INPUT, layer->place, "mask_value: expected %s, as the input has",
                        args->specs[0].text ? "a text" : "a number");
    return ib__encoding_infer(layer, &s->encoding, &args->specs[0].shape, out, err);
}

static int32_t bucket_of_bytes(const hashing *s, const char *bytes, size_t n) {
    uint64_t hash = s->salted ? ib__siphash(s->salt, bytes, n) : ib__fingerprint(bytes, n);
    return (int32_t)(hash % s->bins) + s->masked;
}

/* The bucket of a number. */
static int32_t bucket_of(const hashing *s, int32_t x) {
    if (s->masked && x == s->mask) return 0;
    char digits[16];
    size_t n = (size_t)snprintf(digits, sizeof digits, "%" PRId32, x);
    return bucket_of_bytes(s, digits, n);
}

static int32_t bucket_of_text(const hashing *s, int32_t x) {
    size_t n;
    const char *text = ib__text_of(x, &n);
    if (s->masked && n == strlen(s->mask_text) && memcmp(text, s->mask_text, n) == 0) return 0;
    return bucket_of_bytes(s, text, n);
}

static void bucket_text_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const int32_t *x = rows->in[0];
    int32_t *out = rows->out;
    for (size_t i = first * rows->out_width; i < end * rows->out_width; i++)
        out[i] = bucket_of_text(context, x[i]);
}

static void bucket_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const int32_t *x = rows->in[0];
    int32_t *out = rows->out;
    for (size_t i = first * rows->out_width; i < end * rows->out_width; i++)
        out[i] = bucket_of(context, x[i]);
}

static void hashing_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    const hashing *s = layer->settings;
    ib_node x = ib__op_convert(b->g, args->flows[0].node, IB_TYPE_I32);
    ib_shape shape = ib__node_shape(b->g, x);
    ib_node buckets = ib__op_custom_call(b->g, layer->texts ? bucket_text_rows : bucket_rows, s, x,
                                         IB_NO_NODE, IB_TYPE_I32, &shape);
    out[0].node = ib__encode(b->g, &s->encoding, buckets, IB_NO_NODE);
}

const ib_layer_class ib__layer_hashing = {.name = "Hashing",
                                          .settings = sizeof(hashing),
                                          .configure = hashing_configure,
                                          .infer = hashing_infer,
                                          .apply = hashing_apply,
                                          .texts = IB_TEXTS_TOO};

/* ---- HashedCrossing: one bucket for the combination of several numbers ---- */

static const ib_field crossing_fields[] = {
    BINS,
    {.key = "output_mode",
     .fallback = "\"int\"",
     .read = ib__read_choice,
     AT(encoding.mode),
     .choices = "int one_hot"},
    {.key = "sparse", .fallback = "false", .read = ib__read_null},
    {.key = "name", .read = ib__read_name},
    {.key = "dtype", .fallback = "null", .read = ib__read_category_dtype, AT(dtype)}};

static ib_status crossing_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status = ib__layer_configure(layer, crossing_fields,
                                           sizeof crossing_fields / sizeof *crossing_fields, config, err);
    if (status != IB_OK) return status;
    hashing *s = layer->settings;
    s->bins = (uint64_t)s->encoding.depth;
    return ib__category_dtype(layer, s->dtype, s->encoding.mode == IB_ENCODE_INT, true, err);
}

static ib_status crossing_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                                size_t *n, ib_error *err) {
    const hashing *s = layer->settings;
    const ib_shape *first = &args->specs[0].shape;
    bool fits = args->n >= 2 && (first->rank == 1 || (first->rank == 2 && first->dims[1] == 1));
    for (size_t i = 0; fits && i < args->n; i++)
        fits = ib__shape_equal(&args->specs[i].shape, first) && args->specs[i].type == IB_TYPE_I32;
    *n = 1;
    if (!fits)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "expected two or more inputs of integers, one for each sample");
    return ib__encoding_infer(layer, &s->encoding, first, out, err);
}

static void crossing_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const hashing *s = context;
    const int32_t *x = rows->in[0];
    int32_t *out = rows->out;
    for (size_t row = first; row < end; row++) {
        uint64_t hash = UINT64_C(0xdecafcaffe); /* TensorFlow's default key */
        for (size_t i = 0; i < rows->width[0]; i++)
            hash = ib__fingerprint_join(hash, (uint64_t)(int64_t)x[row * rows->width[0] + i]);
        out[row] = (int32_t)(hash % s->bins);
    }
}

static void crossing_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    const hashing *s = layer->settings;
    ib_graph *g = b->g;
    ib_node *columns = ib__alloc(args->n, sizeof *columns);
    if (!columns) {
        (void)ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
        return;
    }
    ib_shape shape = ib__node_shape(g, args->flows[0].node), column = {2, {shape.dims[0], 1}};
    for (size_t i = 0; i < args->n; i++)
        columns[i] = ib__op_reshape(g, args->flows[i].node, &column);
    ib_node all = ib__op_concatenate(g, columns, args->n, 1);
    ib__free(columns);
    ib_node buckets = ib__op_custom_call(g, crossing_rows, s, all, IB_NO_NODE, IB_TYPE_I32, &shape);
    out[0].node = ib__encode(g, &s->encoding, buckets, IB_NO_NODE);
}

const ib_layer_class ib__layer_hashed_crossing = {.name = "HashedCrossing",
                                                  .settings = sizeof(hashing),
                                                  .configure = crossing_configure,
                                                  .infer = crossing_infer,
                                                  .apply = crossing_apply,
                                                  .many_inputs = true};
