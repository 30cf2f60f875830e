/* SPDX-License-Identifier: Apache-2.0
 *
 * Encoding of categories; CategoryEncoding and Discretization.
 */
#include "layers/categories.h"

#include <math.h>
#include <stdlib.h>

#include "layers/quantiles.h"

/* ---- Encoding ---- */

/* The shape of an input that is encoded: rows of numbers, each of which becomes depth numbers. */
static bool one_for_each(const ib_encoding *e) {
    return e->mode == IB_ENCODE_ONE_HOT;
}

ib_status ib__encoding_infer(const ib_layer *layer, const ib_encoding *e, const ib_shape *input, ib_spec *out,
                             ib_error *err) {
    *out = (ib_spec){.shape = *input, .type = e->mode == IB_ENCODE_INT ? IB_TYPE_I32 : IB_TYPE_F32};
    if (e->mode == IB_ENCODE_INT) return IB_OK;
    bool fits = one_for_each(e) ? input->rank >= 1 && input->rank < IB_RANK_MAX : input->rank == 2;
    if (!fits || (input->rank == 2 && !one_for_each(e) && input->dims[1] < 0)) {
        char text[128];
        ib__shape_print(text, input);
        return ib__fail(err, IB_BAD_INPUT, layer->place, "expected an input with %s, found %s",
                        one_for_each(e) ? "fewer axes" : "two axes of which the last is known", text);
    }
    bool replace = !one_for_each(e) || (input->rank > 1 && input->dims[input->rank - 1] == 1);
    out->shape.rank += !replace;
    out->shape.dims[out->shape.rank - 1] = e->depth;
    return IB_OK;
}

/* The encoding of n numbers as one row of `depth` floats. */
static void encode_row(const ib_encoding *e, const int32_t *numbers, const float *weights, size_t n,
                       float *out) {
    memset(out, 0, (size_t)e->depth * sizeof *out);
    for (size_t i = 0; i < n; i++)
        ib__encode_number(e, numbers[i], weights ? weights[i] : 1.0f, out);
    ib__encode_factors(e, out);
}

static void encode_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const ib_encoding *e = context;
    size_t width = rows->width[0], n = one_for_each(e) ? 1 : width;
    for (size_t row = first; row < end; row++)
        for (size_t i = 0; i < width; i += n) {
            size_t at = row * width + i;
            encode_row(e, (const int32_t *)rows->in[0] + at,
                       rows->in[1] ? (const float *)rows->in[1] + at : NULL, n,
                       (float *)rows->out + row * rows->out_width + i / n * (size_t)e->depth);
        }
}

ib_node ib__encode(ib_graph *g, const ib_encoding *e, ib_node numbers, ib_node weights) {
    if (e->mode == IB_ENCODE_INT || numbers == IB_NO_NODE) return numbers;
    ib_shape shape = ib__node_shape(g, numbers);
    bool replace = !one_for_each(e) || (shape.rank > 1 && shape.dims[shape.rank - 1] == 1);
    shape.rank += !replace;
    shape.dims[shape.rank - 1] = e->depth;
    if (weights != IB_NO_NODE) weights = ib__op_stop_gradient(g, weights);
    return ib__op_custom_call(g, encode_rows, e, numbers, weights, IB_TYPE_F32, &shape);
}

/* ---- Dtypes ---- */

ib_status ib__read_category_dtype(const ib_field *field, const ib_value *value, const char *where, void *out,
                                  ib_value **canonical, ib_error *err) {
    static const char *const known[] = {"int64", "int32", "float32"};
    (void)field, (void)canonical;
    const char **name = out;
    *name = NULL;
    const char *text = value->kind == IB_STRING ? value->string : NULL;
    const ib_value *config = ib__value_get(value, "config"), *inner = ib__value_get(config, "name");
    if (ib__value_is(inner, IB_STRING)) text = inner->string;
    if (value->kind == IB_NULL) return IB_OK;
    if (!text) return ib__fail(err, IB_BAD_INPUT, where, "expected a dtype");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(text, known[i]) == 0) *name = known[i];
    if (*name) return IB_OK;
    return ib__fail(err, IB_UNSUPPORTED, where,
                    "dtype \"%.60s\" is not supported yet, only float32, int32, int64", text);
}

ib_status ib__category_dtype(ib_layer *layer, const char *given, bool integer, bool text, ib_error *err) {
    const char *name = given ? given : integer ? "int64" : "float32";
    if ((strcmp(name, "float32") != 0) != integer)
        return ib__fail(err, integer ? IB_BAD_INPUT : IB_UNSUPPORTED, layer->place,
                        "dtype: expected %s for this output_mode, found %s", integer ? "int64" : "float32",
                        name);
    ib_value *value = ib__value_string(name);
    if (!text) {
        ib_value *config = ib__value_map();
        if (!ib__value_set(config, "name", value)) {
            ib__value_free(config);
            return ib__fail_memory(err);
        }
        value = ib__serialized("keras", "DTypePolicy", config);
    }
    return ib__value_set(layer->config, "dtype", value) ? IB_OK : ib__fail_memory(err);
}

/* ---- CategoryEncoding ---- */

#define DEPTH_MAX 0x1p27

static const ib_field encoding_fields[] = {IB_LAYER_FIELDS,
                                           {.key = "num_tokens",
                                            .read = ib__read_int,
                                            .offset = offsetof(ib_encoding, depth),
                                            .low = 1,
                                            .high = DEPTH_MAX},
                                           {.key = "output_mode",
                                            .fallback = "\"multi_hot\"",
                                            .read = ib__read_choice,
                                            .offset = offsetof(ib_encoding, mode),
                                            .choices = "one_hot multi_hot count"}};

static ib_status encoding_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status = ib__layer_configure(layer, encoding_fields,
                                           sizeof encoding_fields / sizeof *encoding_fields, config, err);
    ((ib_encoding *)layer->settings)->mode += IB_ENCODE_ONE_HOT;
    return status;
}

static ib_status encoding_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                                size_t *n, ib_error *err) {
    const ib_encoding *e = layer->settings;
    size_t inputs, weights;
    (void)ib__args_find(args, "inputs", &inputs);
    size_t at = ib__args_find(args, "count_weights", &weights);
    *n = 1;
    if (inputs != 1 || weights > 1)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "expected one input and at most one count_weights");
    if (weights && e->mode != IB_ENCODE_COUNT)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "count_weights: only for the output_mode count");
    if (weights && !ib__shape_equal(&args->specs[at].shape, &args->specs[0].shape))
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "count_weights: expected the shape of the input, found another one");
    return ib__encoding_infer(layer, e, &args->specs[0].shape, out, err);
}

static void encoding_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    size_t weights;
    size_t at = ib__args_find(args, "count_weights", &weights);
    ib_node numbers = ib__op_convert(b->g, args->flows[0].node, IB_TYPE_I32), factor = IB_NO_NODE;
    if (weights) factor = ib__op_convert(b->g, args->flows[at].node, IB_TYPE_F32);
    out[0].node = ib__encode(b->g, layer->settings, numbers, factor);
}

const ib_layer_class ib__layer_category_encoding = {.name = "CategoryEncoding",
                                                    .settings = sizeof(ib_encoding),
                                                    .arguments = "inputs count_weights",
                                                    .configure = encoding_configure,
                                                    .infer = encoding_infer,
                                                    .apply = encoding_apply};

/* ---- Discretization: the number of boundaries that are not above x ---- */

typedef struct discretization {
    ib_encoding encoding;
    int64_t bins; /* -1: none were asked for */
    double epsilon;
    size_t n; /* of boundaries */
    bool given;
    const float *boundaries; /* ascending, of the layer's arena */
    const char *dtype;
} discretization;

/* null or a list of numbers in ascending order; they are read by configure. */
static ib_status read_boundaries(const ib_field *field, const ib_value *value, const char *where, void *out,
                                 ib_value **canonical, ib_error *err) {
    (void)field, (void)out, (void)canonical;
    if (value->kind == IB_NULL) return IB_OK;
    bool good = value->kind == IB_LIST && (double)value->count < DEPTH_MAX;
    double before = -(double)INFINITY, x;
    for (size_t i = 0; good && i < value->count; i++) {
        good = ib__value_number(value->items[i], &x) && (double)(float)x >= before;
        if (good) before = (double)(float)x;
    }
    if (good) return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, where, "expected a list of numbers in ascending order");
}

#define AT(member) .offset = offsetof(discretization, member)
static const ib_field discretization_fields[] = {
    {.key = "bin_boundaries", .fallback = "null", .read = read_boundaries},
    {.key = "num_bins",
     .fallback = "null",
     .read = ib__read_optional_int,
     AT(bins),
     .low = 1,
     .high = DEPTH_MAX},
    {.key = "epsilon", .fallback = "0.01", .read = ib__read_real, AT(epsilon), .low = 1e-6, .high = 1},
    {.key = "output_mode",
     .fallback = "\"int\"",
     .read = ib__read_choice,
     AT(encoding.mode),
     .choices = IB_ENCODINGS},
    {.key = "sparse", .fallback = "false", .read = ib__read_null},
    {.key = "name", .read = ib__read_name},
    {.key = "dtype", .fallback = "\"float32\"", .read = ib__read_dtype_text}};

static ib_status take_boundaries(ib_layer *layer, ib_error *err) {
    discretization *s = layer->settings;
    const ib_value *list = ib__value_get(layer->config, "bin_boundaries");
    s->given = list->kind == IB_LIST;
    if (!s->given) return IB_OK;
    float *boundaries = ib__arena_alloc(&layer->arena, (list->count + 1) * sizeof *boundaries);
    if (!boundaries) return ib__fail_memory(err);
    for (size_t i = 0; i < list->count; i++) {
        double x = 0;
        (void)ib__value_number(list->items[i], &x);
        boundaries[i] = (float)x;
    }
    s->boundaries = boundaries;
    s->n = list->count;
    s->encoding.depth = (int64_t)s->n + 1;
    return IB_OK;
}

static ib_status discretization_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status =
        ib__layer_configure(layer, discretization_fields,
                            sizeof discretization_fields / sizeof *discretization_fields, config, err);
    if (status == IB_OK) status = take_boundaries(layer, err);
    discretization *s = layer->settings;
    if (status != IB_OK || s->given) return status;
    if (s->bins < 0) return ib__fail(err, IB_BAD_INPUT, layer->place, "expected bin_boundaries or num_bins");
    s->encoding.depth = s->bins; /* until it is adapted */
    return IB_OK;
}

static ib_status discretization_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                                      size_t *n, ib_error *err) {
    const discretization *s = layer->settings;
    *n = 1;
    if (args->n != 1) return ib__fail(err, IB_BAD_INPUT, layer->place, "expected one input");
    return ib__encoding_infer(layer, &s->encoding, &args->specs[0].shape, out, err);
}

/* How many boundaries are not above x; all of them for NaN. */
static int32_t bin_of(const discretization *s, float x) {
    size_t low = 0, high = s->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (x < s->boundaries[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return (int32_t)low;
}

static void bin_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const float *x = rows->in[0];
    int32_t *out = rows->out;
    for (size_t i = first * rows->out_width; i < end * rows->out_width; i++)
        out[i] = bin_of(context, x[i]);
}

static void discretization_apply(ib_layer *layer, ib_build *b, const ib_args *args,
                                 ib_flow out[IB_OUTPUTS_MAX]) {
    const discretization *s = layer->settings;
    if (!s->given) {
        (void)ib__graph_fail(b->g, IB_BAD_INPUT,
                             "%s has no boundaries: give it bin_boundaries, or name it under adapt",
                             layer->name);
        return;
    }
    ib_node x = ib__op_convert(b->g, args->flows[0].node, IB_TYPE_F32);
    ib_shape shape = ib__node_shape(b->g, x);
    ib_node bins = ib__op_custom_call(b->g, bin_rows, s, x, IB_NO_NODE, IB_TYPE_I32, &shape);
    out[0].node = ib__encode(b->g, &s->encoding, bins, IB_NO_NODE);
}

/* All samples at once, as Keras adapts to an array. */
static ib_status discretization_adapt(ib_layer *layer, ib_samples_fn *next, void *context, ib_error *err) {
    const discretization *s = layer->settings;
    float *values = NULL, *boundaries = NULL;
    size_t n = 0, capacity = 0, count = 0;
    ib_tensor x = {0};
    if (s->given)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "bin_boundaries are given: there is nothing to adapt");
    ib_status status = next(context, &x, err);
    for (; status == IB_OK && x.data; status = next(context, &x, err)) {
        size_t more = (size_t)ib__shape_elements(&x.shape);
        if (!ib__grow(&values, &capacity, n + more, sizeof *values)) {
            status = ib__fail_memory(err);
            break;
        }
        ib__tensor_to_float(values + n, &x, 0, more);
        n += more;
    }
    if (status == IB_OK && n == 0)
        status = ib__fail(err, IB_BAD_INPUT, layer->place, "expected values to adapt to, found none");
    if (status == IB_OK)
        status = ib__quantile_boundaries(&boundaries, &count, values, n, s->epsilon, (size_t)s->bins, err);
    ib_value *list = status == IB_OK ? ib__value_list() : NULL;
    for (size_t i = 0; list && i < count; i++)
        if (!ib__value_add(list, ib__value_real((double)boundaries[i]))) status = IB_NO_MEMORY;
    if (list && !ib__value_set(layer->config, "bin_boundaries", list)) status = IB_NO_MEMORY;
    if ((status == IB_OK && !list) || status == IB_NO_MEMORY) status = ib__fail_memory(err);
    free(values);
    ib__free(boundaries);
    return status == IB_OK ? take_boundaries(layer, err) : status;
}

const ib_layer_class ib__layer_discretization = {.name = "Discretization",
                                                 .settings = sizeof(discretization),
                                                 .configure = discretization_configure,
                                                 .infer = discretization_infer,
                                                 .apply = discretization_apply,
                                                 .adapt = discretization_adapt,
                                                 .adapts_config = true};
