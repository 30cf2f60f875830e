/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers that disturb their input while training: Dropout, SpatialDropout1D, 2D, 3D, AlphaDropout,
 * GaussianDropout, GaussianNoise; and ActivityRegularization, which only adds a penalty.
 */
#include <math.h>
#include <stdio.h>

#include "layers/noise.h"

typedef struct noise {
    double rate;  /* or the standard deviation */
    int64_t seed; /* -1: the experiment's */
    int rank;     /* of noise_shape; -1: none */
    int64_t dims[IB_RANK_MAX];
    int data_format;
} noise;

#define AT(member) .offset = offsetof(noise, member)
#define RATE(key_)                                                                                           \
    { .key = key_, .read = ib__read_real, AT(rate), .high = 1.0 }
#define SEED                                                                                                 \
    { .key = "seed", .fallback = "null", .read = ib__read_optional_int, AT(seed), .high = 0x1p53 }

ib_node ib__layer_uniform(const ib_layer *layer, ib_build *b, int64_t seed, const char *purpose,
                          const ib_shape *shape) {
    ib_stream stream = ib__stream(seed >= 0 ? (uint64_t)seed : b->seed, layer->path, purpose);
    return ib__op_uniform(b->g, stream.key, shape);
}

/* u -> the quantile of u + 2^-25, rounded once. */
static void normal_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    (void)context;
    const float *u = rows->in[0];
    float *out = rows->out;
    for (size_t i = first * rows->out_width; i < end * rows->out_width; i++)
        out[i] = (float)ib__double_normal_quantile((double)u[i] + 0x1p-25);
}

ib_node ib__layer_normal(const ib_layer *layer, ib_build *b, int64_t seed, const char *purpose,
                         const ib_shape *shape) {
    ib_node u = ib__layer_uniform(layer, b, seed, purpose, shape);
    return ib__op_custom_call(b->g, normal_rows, NULL, u, IB_NO_NODE, IB_TYPE_F32, shape);
}

/* ---- Dropout ---- */

/* noise_shape: null, or a list of sizes; null in it: as in the input. */
static ib_status read_noise_shape(const ib_field *field, const ib_value *value, const char *where, void *out,
                                  ib_value **canonical, ib_error *err) {
    (void)field, (void)canonical;
    noise *s = out;
    s->rank = -1;
    if (value->kind == IB_NULL) return IB_OK;
    bool good = value->kind == IB_LIST && value->count <= IB_RANK_MAX;
    for (size_t i = 0; good && i < value->count; i++) {
        const ib_value *item = value->items[i];
        good = item->kind == IB_NULL || (item->kind == IB_INT && item->integer > 0);
        s->dims[i] = item->kind == IB_INT ? item->integer : -1;
    }
    if (!good)
        return ib__fail(err, IB_BAD_INPUT, where,
                        "expected a list of sizes from 1 on, or null for those of the input");
    s->rank = (int)value->count;
    return IB_OK;
}

static ib_status noise_shape_fits(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                                  ib_error *err) {
    const noise *s = layer->settings;
    ib_status status = ib__layer_same_shape(layer, inputs, n, out, err);
    if (status != IB_OK || s->rank < 0) return status;
    bool fits = s->rank == out->rank;
    for (int i = 0; fits && i < s->rank; i++)
        fits = s->dims[i] < 2 || out->dims[i] < 0 || s->dims[i] == out->dims[i];
    if (fits) return IB_OK;
    char text[128];
    ib__shape_print(text, out);
    return ib__fail(err, IB_BAD_INPUT, layer->place, "noise_shape does not fit the input %s", text);
}

/* Numbers for x, of sizes dims where they are given (NULL: all of x's). One row for all samples is that of
 * the first one. */
static ib_node draw(const ib_layer *layer, ib_build *b, int64_t seed, const char *purpose, ib_node x,
                    const int64_t *dims) {
    ib_shape shape = ib__node_shape(b->g, x);
    bool once = dims && dims[0] == 1 && shape.dims[0] > 1;
    for (int i = once; dims && i < shape.rank; i++)
        if (dims[i] > 0) shape.dims[i] = dims[i];
    ib_node u = ib__layer_uniform(layer, b, seed, purpose, &shape);
    if (!once) return u;
    int64_t start[IB_RANK_MAX] = {0};
    shape.dims[0] = 1;
    return ib__op_slice(b->g, u, start, shape.dims);
}

/* Keeps where the stream's number is at least the rate, times 1 / (1 - rate). */
static ib_node drop(const ib_layer *layer, ib_build *b, ib_node x, const int64_t *dims) {
    const noise *s = layer->settings;
    ib_graph *g = b->g;
    float rate = (float)s->rate;
    if (!b->training || !(rate > 0.0f)) return x;
    if (rate >= 1.0f) return ib__op_scale(g, x, 0.0f);
    ib_node u = draw(layer, b, s->seed, "dropout", x, dims);
    ib_node keep = ib__op_map(g, IB_MAP_greater_equal, u, ib__op_constant_f32(g, rate), IB_NO_NODE);
    ib_node scaled = ib__op_scale(g, x, (float)(1.0 / (1.0 - s->rate)));
    return ib__op_select(g, keep, scaled, ib__op_constant(g, 0.0f));
}

static const ib_field dropout_fields[] = {
    IB_LAYER_FIELDS,
    RATE("rate"),
    SEED,
    {.key = "noise_shape", .fallback = "null", .read = read_noise_shape}};

IB_CONFIGURE(dropout_fields)

static ib_node dropout_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const noise *s = layer->settings;
    return drop(layer, b, inputs[0], s->rank < 0 ? NULL : s->dims);
}

const ib_layer_class ib__layer_dropout = {.name = "Dropout",
                                          .rounds = true,
                                          .settings = sizeof(noise),
                                          .configure = configure,
                                          .shape = noise_shape_fits,
                                          .call = dropout_call,
                                          .mask = ib__mask_first};

/* ---- SpatialDropout: whole channels ---- */

#define SPATIAL                                                                                              \
    RATE("rate"), SEED, {.key = "name", .read = ib__read_name}, {                                            \
        .key = "dtype", .fallback = "\"float32\"", .read = ib__read_dtype_text                               \
    }
static const ib_field line_fields[] = {SPATIAL};
static const ib_field image_fields[] = {
    SPATIAL, {.key = "data_format", .fallback = "null", .read = ib__read_data_format, AT(data_format)}};

static ib_status line_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    return ib__layer_configure(layer, line_fields, sizeof line_fields / sizeof *line_fields, config, err);
}

static ib_status image_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    return ib__layer_configure(layer, image_fields, sizeof image_fields / sizeof *image_fields, config, err);
}

static ib_node spatial_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const noise *s = layer->settings;
    int64_t dims[IB_RANK_MAX];
    int rank = ib__node_shape(b->g, inputs[0]).rank;
    for (int i = 0; i < rank; i++)
        dims[i] = i == 0 || i == (s->data_format ? 1 : rank - 1) ? -1 : 1;
    return drop(layer, b, inputs[0], dims);
}

#define SPATIAL_CLASS(symbol, name_, configure_, rank_)                                                      \
    static ib_status symbol##_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,  \
                                    ib_error *err) {                                                         \
        ib_status status = ib__layer_same_shape(layer, inputs, n, out, err);                                 \
        return status == IB_OK ? ib__layer_check_rank(layer, &inputs[0], rank_, err) : status;               \
    }                                                                                                        \
    const ib_layer_class ib__layer_##symbol = {.name = name_,                                                \
                                               .rounds = true,                                               \
                                               .settings = sizeof(noise),                                    \
                                               .configure = configure_,                                      \
                                               .shape = symbol##_shape,                                      \
                                               .call = spatial_call,                                         \
                                               .mask = ib__mask_first};
SPATIAL_CLASS(spatial_dropout1d, "SpatialDropout1D", line_configure, 3)
SPATIAL_CLASS(spatial_dropout2d, "SpatialDropout2D", image_configure, 4)
SPATIAL_CLASS(spatial_dropout3d, "SpatialDropout3D", image_configure, 5)

/* ---- AlphaDropout: dropped values become SELU's lowest one, then mean and variance are put back ---- */

/* What divides by 1 - rate. */
static ib_status rate_below_one(const ib_layer *layer, ib_error *err) {
    const noise *s = layer->settings;
    if (s->rate < 1.0) return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, layer->place, "rate: expected a number below 1, found 1");
}

static ib_status alpha_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status = configure(layer, config, err);
    return status == IB_OK ? rate_below_one(layer, err) : status;
}

static ib_node alpha_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const noise *s = layer->settings;
    const double low = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946;
    ib_graph *g = b->g;
    if (!b->training || !(s->rate > 0.0)) return inputs[0];
    ib_node u = draw(layer, b, s->seed, "dropout", inputs[0], s->rank < 0 ? NULL : s->dims);
    ib_node keep = ib__op_map(g, IB_MAP_greater_equal, u, ib__op_constant(g, (float)s->rate), IB_NO_NODE);
    double a = 1.0 / sqrt((1.0 - s->rate) * (1.0 + s->rate * low * low));
    ib_node x = ib__op_select(g, keep, inputs[0], ib__op_constant(g, (float)low));
    return ib__op_offset(g, ib__op_scale(g, x, (float)a), (float)(-a * low * s->rate));
}

const ib_layer_class ib__layer_alpha_dropout = {.name = "AlphaDropout",
                                                .settings = sizeof(noise),
                                                .configure = alpha_configure,
                                                .shape = noise_shape_fits,
                                                .call = alpha_call,
                                                .mask = ib__mask_first};

/* ---- Gaussian noise: a factor of mean 1 and variance rate / (1 - rate), or something added ---- */

static const ib_field factor_fields[] = {IB_LAYER_FIELDS, RATE("rate"), SEED};
static const ib_field added_fields[] = {IB_LAYER_FIELDS, RATE("stddev"), SEED};

static ib_status factor_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status =
        ib__layer_configure(layer, factor_fields, sizeof factor_fields / sizeof *factor_fields, config, err);
    return status == IB_OK ? rate_below_one(layer, err) : status;
}

static ib_status added_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    return ib__layer_configure(layer, added_fields, sizeof added_fields / sizeof *added_fields, config, err);
}

static ib_node factor_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const noise *s = layer->settings;
    ib_graph *g = b->g;
    if (!b->training || !(s->rate > 0.0)) return inputs[0];
    ib_shape shape = ib__node_shape(g, inputs[0]);
    ib_node z = ib__layer_normal(layer, b, s->seed, "noise", &shape);
    ib_node factor = ib__op_offset(g, ib__op_scale(g, z, (float)sqrt(s->rate / (1.0 - s->rate))), 1.0f);
    return ib__op_multiply(g, inputs[0], factor);
}

static ib_node added_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const noise *s = layer->settings;
    ib_graph *g = b->g;
    if (!b->training || !(s->rate > 0.0)) return inputs[0];
    ib_shape shape = ib__node_shape(g, inputs[0]);
    ib_node z = ib__layer_normal(layer, b, s->seed, "noise", &shape);
    return ib__op_add(g, inputs[0], ib__op_scale(g, z, (float)s->rate));
}

const ib_layer_class ib__layer_gaussian_dropout = {.name = "GaussianDropout",
                                                   .settings = sizeof(noise),
                                                   .configure = factor_configure,
                                                   .shape = ib__layer_same_shape,
                                                   .call = factor_call,
                                                   .mask = ib__mask_first};

const ib_layer_class ib__layer_gaussian_noise = {.name = "GaussianNoise",
                                                 .settings = sizeof(noise),
                                                 .configure = added_configure,
                                                 .shape = ib__layer_same_shape,
                                                 .call = added_call,
                                                 .mask = ib__mask_first};

/* ---- ActivityRegularization ---- */

static const ib_field activity_fields[] = {IB_LAYER_NAMED,
                                           {.key = "l1", .fallback = "0.0", .read = ib__read_anything},
                                           {.key = "l2", .fallback = "0.0", .read = ib__read_anything}};

/* {"class_name": "L1L2", "config": {"l1": ..., "l2": ...}}; NULL: no memory. Yours. */
static ib_value *activity_regularizer(const ib_layer *layer) {
    static const char *const keys[] = {"l1", "l2"};
    ib_value *config = ib__value_map();
    for (int i = 0; i < 2; i++)
        if (!ib__value_set(config, keys[i], ib__value_copy(ib__value_get(layer->config, keys[i])))) {
            ib__value_free(config);
            return NULL;
        }
    return ib__serialized("keras.regularizers", "L1L2", config);
}

static ib_status activity_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status = ib__layer_configure(layer, activity_fields,
                                           sizeof activity_fields / sizeof *activity_fields, config, err);
    if (status != IB_OK) return status;
    ib_value *regularizer = activity_regularizer(layer);
    status = regularizer ? ib__regularizer_check(regularizer, layer->place, err) : ib__fail_memory(err);
    ib__value_free(regularizer);
    return status;
}

static ib_node activity_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    if (layer->unpenalized) return inputs[0];
    ib_value *regularizer = activity_regularizer(layer);
    if (!regularizer) return ib__graph_fail(b->g, IB_NO_MEMORY, "out of memory");
    ib__layer_add_penalty(b, regularizer, inputs[0]);
    ib__value_free(regularizer);
    return inputs[0];
}

const ib_layer_class ib__layer_activity_regularization = {.name = "ActivityRegularization",
                                                          .rounds = true,
                                                          .configure = activity_configure,
                                                          .shape = ib__layer_same_shape,
                                                          .call = activity_call,
                                                          .mask = ib__mask_first};
