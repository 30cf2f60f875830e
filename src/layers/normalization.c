/* SPDX-License-Identifier: Apache-2.0
 *
 * BatchNormalization, LayerNormalization, GroupNormalization, RMSNormalization, UnitNormalization.
 */
#include <math.h>

#include "layers/internal.h"

typedef struct settings {
    int64_t axes[IB_RANK_MAX];
    int n_axes;
    double momentum, epsilon;
    bool center, scale, rms;
    int64_t groups;
    bool renorm;
    double rmin, rmax, dmax, renorm_momentum; /* NaN: no bound */
} settings;

#define AT(member) .offset = offsetof(settings, member)

/* Axes of the parameters -> the shape of gamma and beta, and that shape with ones elsewhere. */
static ib_status parameter_shape(const ib_layer *layer, const ib_shape *input, ib_shape *out, ib_error *err) {
    const settings *s = layer->settings;
    unsigned mask = ib__axes_mask(s->axes, s->n_axes, input->rank);
    *out = (ib_shape){0};
    for (int i = 0; i < input->rank; i++)
        if (mask >> i & 1) out->dims[out->rank++] = input->dims[i];
    if (!mask || ib__shape_elements(out) < 1) {
        char text[128];
        ib__shape_print(text, input);
        return ib__fail(err, IB_BAD_INPUT, layer->place, "axis does not fit the input %s", text);
    }
    return IB_OK;
}

static ib_status shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                       ib_error *err) {
    ib_shape parameters;
    ib_status status = ib__layer_same_shape(layer, inputs, n, out, err);
    return status == IB_OK ? parameter_shape(layer, &inputs[0], &parameters, err) : status;
}

/* A parameter [sizes of the axes] made ready for broadcasting against x. */
static ib_node parameter(const ib_layer *layer, ib_graph *g, const char *name, ib_node x) {
    const settings *s = layer->settings;
    ib_shape from = ib__node_shape(g, x), wide = from;
    unsigned mask = ib__axes_mask(s->axes, s->n_axes, from.rank);
    ib_node w = ib__layer_weight(layer, g, name);
    if (!mask || mask == 1u << (from.rank - 1)) return w;
    for (int i = 0; i < from.rank; i++)
        if (!(mask >> i & 1)) wide.dims[i] = 1;
    return ib__op_reshape(g, w, &wide);
}

/* ---- BatchNormalization ---- */

/* null, or bounds of the corrections: rmin and rmax of the factor, dmax of the shift. */
static const ib_field clipping_fields[] = {
    {.key = "rmax", .fallback = "null", .read = ib__read_optional_real, AT(rmax), .high = 0x1p100},
    {.key = "rmin", .fallback = "null", .read = ib__read_optional_real, AT(rmin), .high = 0x1p100},
    {.key = "dmax", .fallback = "null", .read = ib__read_optional_real, AT(dmax), .high = 0x1p100}};

static ib_status read_clipping(const ib_field *field, const ib_value *value, const char *where, void *out,
                               ib_value **canonical, ib_error *err) {
    (void)field, (void)out, (void)canonical;
    if (value->kind == IB_NULL || value->kind == IB_MAP) return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, where, "expected a map of bounds, found %s",
                    ib__kind_name(value->kind));
}

static const ib_field batch_fields[] = {
    IB_LAYER_FIELDS,
    {.key = "axis", .fallback = "-1", .read = ib__read_axes, AT(axes), .choices = "one"},
    {.key = "momentum", .fallback = "0.99", .read = ib__read_real, AT(momentum), .high = 1.0},
    {.key = "epsilon", .fallback = "0.001", .read = ib__read_real, AT(epsilon), .high = 0x1p100},
    {.key = "center", .fallback = "true", .read = ib__read_bool, AT(center)},
    {.key = "scale", .fallback = "true", .read = ib__read_bool, AT(scale)},
    {.key = "beta_initializer", .fallback = "\"zeros\"", .read = ib__read_initializer},
    {.key = "gamma_initializer", .fallback = "\"ones\"", .read = ib__read_initializer},
    {.key = "moving_mean_initializer", .fallback = "\"zeros\"", .read = ib__read_initializer},
    {.key = "moving_variance_initializer", .fallback = "\"ones\"", .read = ib__read_initializer},
    {.key = "beta_regularizer", .fallback = "null", .read = ib__read_regularizer},
    {.key = "gamma_regularizer", .fallback = "null", .read = ib__read_regularizer},
    {.key = "beta_constraint", .fallback = "null", .read = ib__read_constraint},
    {.key = "gamma_constraint", .fallback = "null", .read = ib__read_constraint},
    {.key = "synchronized", .fallback = "false", .read = ib__read_null},
    {.key = "renorm", .fallback = "false", .read = ib__read_bool, AT(renorm)},
    {.key = "renorm_clipping", .fallback = "null", .read = read_clipping},
    {.key = "renorm_momentum", .fallback = "0.99", .read = ib__read_real, AT(renorm_momentum), .high = 1.0}};

static ib_status batch_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    settings *s = layer->settings;
    s->n_axes = 1;
    ib_status status =
        ib__layer_configure(layer, batch_fields, sizeof batch_fields / sizeof *batch_fields, config, err);
    if (status != IB_OK || !s->renorm) return status;
    const ib_value *bounds = ib__value_get(layer->config, "renorm_clipping");
    ib_value *completed = NULL;
    status = ib__settings_read(s, clipping_fields, sizeof clipping_fields / sizeof *clipping_fields,
                               bounds->kind == IB_NULL ? NULL : bounds, layer->place, &completed, err);
    ib__value_free(completed);
    if (status != IB_OK) return status;
    if (s->rmax < s->rmin)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "renorm_clipping: rmax is below rmin");
    if (bounds->kind == IB_NULL && !ib__value_set(layer->config, "renorm_clipping", ib__value_map()))
        return ib__fail_memory(err);
    return IB_OK;
}

/* A standard deviation begins as the root of what the variance's initializer gives. */
static ib_status fill_root(const ib_weight *weight, ib_fill_fn *piece, void *context, ib_error *err) {
    float *data = weight->variable.data;
    ib_status status = piece(context, weight, data, &weight->variable.shape, err);
    for (int64_t i = 0; status == IB_OK && i < ib__shape_elements(&weight->variable.shape); i++)
        data[i] = sqrtf(data[i]);
    return status;
}

/* What renormalization keeps besides: the moving deviation, and the statistics of training. */
static ib_status build_renorm(ib_layer *layer, const ib_shape *channels, ib_error *err) {
    static const char *const names[] = {"moving_stddev", "renorm_mean", "renorm_stddev"};
    const ib_value *mean = ib__value_get(layer->config, "moving_mean_initializer");
    const ib_value *variance = ib__value_get(layer->config, "moving_variance_initializer");
    ib_status status = IB_OK;
    for (int i = 0; status == IB_OK && i < 3; i++) {
        ib_weight *weight;
        status = ib__layer_add_weight(layer, names[i], channels, false, i == 1 ? mean : variance, NULL, NULL,
                                      &weight, err);
        if (status == IB_OK && i != 1) weight->fill = fill_root;
    }
    return status;
}

static ib_status batch_build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    (void)n;
    const settings *s = layer->settings;
    ib_shape channels;
    ib_status status = parameter_shape(layer, &inputs[0], &channels, err);
    if (status == IB_OK && s->scale) status = ib__layer_add_configured(layer, "gamma", &channels, true, err);
    if (status == IB_OK && s->center) status = ib__layer_add_configured(layer, "beta", &channels, true, err);
    if (status == IB_OK) status = ib__layer_add_configured(layer, "moving_mean", &channels, false, err);
    if (status == IB_OK) status = ib__layer_add_configured(layer, "moving_variance", &channels, false, err);
    return status == IB_OK && s->renorm ? build_renorm(layer, &channels, err) : status;
}

/* What a weight is before this call: a layer that is called again goes on from what its last call assigned.
 */
static ib_node moving_value(ib_graph *g, ib_variable *moving) {
    ib_node before = ib__graph_assigned(g, moving);
    return before == IB_NO_NODE ? ib__op_variable(g, moving) : before;
}

static ib_variable *find_moving(ib_layer *layer, const char *name) {
    for (size_t i = 0; i < layer->n_weights; i++)
        if (strcmp(layer->weights[i].name, name) == 0) return &layer->weights[i].variable;
    return NULL;
}

/* moving = moving * momentum + batch * (1 - momentum); gives it. */
static ib_node update_moving(ib_layer *layer, ib_graph *g, const char *name, double momentum, ib_node batch) {
    ib_variable *moving = find_moving(layer, name);
    if (!moving) return IB_NO_NODE;
    ib_node flat = ib__op_reshape(g, batch, &moving->shape);
    ib_node old = ib__op_scale(g, moving_value(g, moving), (float)momentum);
    ib_node value = ib__op_add(g, old, ib__op_scale(g, flat, (float)(1.0 - momentum)));
    ib__graph_assign(g, moving, value);
    return value;
}

/* Renormalization: the batch's statistics are corrected towards those of training by r = stddev / training's
 * stddev and d = (mean - training's mean) / training's stddev, which no gradient passes. Statistics are kept
 * for the next call. */
static void renormalize(ib_layer *layer, ib_graph *g, ib_node mean, ib_node variance, ib_node *r,
                        ib_node *d) {
    const settings *s = layer->settings;
    ib_variable *kept_mean = find_moving(layer, "renorm_mean");
    ib_variable *kept_stddev = find_moving(layer, "renorm_stddev");
    ib_variable *moving_variance = find_moving(layer, "moving_variance");
    ib_node epsilon = ib__op_constant(g, (float)s->epsilon);
    if (!kept_mean || !kept_stddev || !moving_variance) return;
    mean = ib__op_stop_gradient(g, mean);
    variance = ib__op_stop_gradient(g, variance);
    ib_node stddev = ib__op_sqrt(g, ib__op_add(g, variance, epsilon));
    ib_shape wide = ib__node_shape(g, mean);
    ib_node base = ib__op_reshape(g, moving_value(g, kept_stddev), &wide);
    base = ib__op_maximum(g, base, ib__op_sqrt(g, epsilon));
    *r = ib__op_divide(g, stddev, base);
    *d = ib__op_subtract(g, mean, ib__op_reshape(g, moving_value(g, kept_mean), &wide));
    *d = ib__op_divide(g, *d, base);
    if (!isnan(s->rmin)) *r = ib__op_maximum(g, *r, ib__op_constant(g, (float)s->rmin));
    if (!isnan(s->rmax)) *r = ib__op_minimum(g, *r, ib__op_constant(g, (float)s->rmax));
    if (!isnan(s->dmax)) {
        *d = ib__op_maximum(g, *d, ib__op_constant(g, (float)-s->dmax));
        *d = ib__op_minimum(g, *d, ib__op_constant(g, (float)s->dmax));
    }
    (void)update_moving(layer, g, "renorm_mean", s->renorm_momentum, mean);
    (void)update_moving(layer, g, "renorm_stddev", s->renorm_momentum, stddev);
    (void)update_moving(layer, g, "moving_mean", s->momentum, mean);
    ib_node deviation = update_moving(layer, g, "moving_stddev", s->momentum, stddev);
    ib__graph_assign(g, moving_variance,
                     ib__op_relu(g, ib__op_subtract(g, ib__op_square(g, deviation), epsilon)));
}

/* (x - mean) * (rsqrt(variance + epsilon) [* r] [* gamma]) [+ d [* gamma]] [+ beta]; r and d may be
 * IB_NO_NODE. */
static ib_node normalize(const ib_layer *layer, ib_graph *g, ib_node x, ib_node centred, ib_node variance,
                         ib_node r, ib_node d) {
    const settings *s = layer->settings;
    ib_node gamma = s->scale ? parameter(layer, g, "gamma", x) : IB_NO_NODE;
    ib_node beta = s->center ? parameter(layer, g, "beta", x) : IB_NO_NODE;
    ib_node factor =
        ib__op_map(g, IB_MAP_rsqrt, ib__op_offset(g, variance, (float)s->epsilon), IB_NO_NODE, IB_NO_NODE);
    if (d != IB_NO_NODE) {
        ib_node shift = s->scale ? ib__op_multiply(g, d, gamma) : d;
        gamma = s->scale ? ib__op_multiply(g, r, gamma) : r;
        beta = s->center ? ib__op_add(g, shift, beta) : shift;
    }
    if (gamma != IB_NO_NODE) factor = ib__op_multiply(g, factor, gamma);
    ib_node y = ib__op_multiply(g, centred, factor);
    return beta != IB_NO_NODE ? ib__op_add(g, y, beta) : y;
}

/* x - mean, and the mean of its square. The variance's own gradient does not go through the mean: in exact
 * arithmetic that part is the sum of (x - mean), zero; in float32 it would be noise. */
static void centre(ib_graph *g, ib_node x, ib_node mean, unsigned axes, ib_node *centred, ib_node *variance) {
    *centred = ib__op_subtract(g, x, mean);
    ib_node apart = ib__op_subtract(g, x, ib__op_stop_gradient(g, mean));
    *variance = ib__op_mean(g, ib__op_square(g, apart), axes, true);
}

/* The same over the samples that a mask [all axes but the last] leaves; sums are divided by their number plus
 * Keras's 1e-7. */
static void masked_moments(ib_graph *g, ib_node x, ib_node mask, unsigned axes, ib_node *mean,
                           ib_node *variance) {
    ib_shape shape = ib__node_shape(g, x), column = shape;
    column.dims[column.rank - 1] = 1;
    ib_node zero = ib__op_constant(g, 0.0f);
    mask = ib__op_broadcast_to(g, ib__op_reshape(g, mask, &column), &shape);
    ib_node ones = ib__op_convert(g, mask, IB_TYPE_F32);
    ib_node count = ib__op_offset(g, ib__op_reduce(g, IB_REDUCE_SUM, ones, axes, true), 1e-7f);
    ib_node sum = ib__op_reduce(g, IB_REDUCE_SUM, ib__op_select(g, mask, x, zero), axes, true);
    *mean = ib__op_divide(g, sum, count);
    ib_node apart = ib__op_select(g, mask, ib__op_subtract(g, x, *mean), zero);
    ib_node squares = ib__op_reduce(g, IB_REDUCE_SUM, ib__op_square(g, apart), axes, true);
    *variance = ib__op_divide(g, squares, count);
}

static void batch_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow *out) {
    const settings *s = layer->settings;
    ib_graph *g = b->g;
    ib_node x = args->flows[0].node, mask = args->flows[0].mask;
    int rank = ib__node_shape(g, x).rank;
    out->mask = mask;
    if (!b->training || !layer->trainable) {
        ib_node centred = ib__op_subtract(g, x, parameter(layer, g, "moving_mean", x));
        out->node = normalize(layer, g, x, centred, parameter(layer, g, "moving_variance", x), IB_NO_NODE,
                              IB_NO_NODE);
        return;
    }
    unsigned axes = ((1u << rank) - 1) & ~ib__axes_mask(s->axes, s->n_axes, rank);
    ib_node mean, centred, variance;
    if (mask == IB_NO_NODE) {
        mean = ib__op_mean(g, x, axes, true);
        centre(g, x, mean, axes, &centred, &variance);
    } else {
        masked_moments(g, x, mask, axes, &mean, &variance);
        centred = ib__op_subtract(g, x, mean);
    }
    ib_node r = IB_NO_NODE, d = IB_NO_NODE;
    if (s->renorm) {
        renormalize(layer, g, mean, variance, &r, &d);
    } else {
        (void)update_moving(layer, g, "moving_mean", s->momentum, ib__op_stop_gradient(g, mean));
        (void)update_moving(layer, g, "moving_variance", s->momentum, ib__op_stop_gradient(g, variance));
    }
    out->node = normalize(layer, g, x, centred, variance, r, d);
}

const ib_layer_class ib__layer_batch_normalization = {.name = "BatchNormalization",
                                                      .casts = IB_CASTS_INPUTS,
                                                      .settings = sizeof(settings),
                                                      .configure = batch_configure,
                                                      .shape = shape,
                                                      .build = batch_build,
                                                      .apply = batch_apply,
                                                      .mixes_samples = true};

/* ---- LayerNormalization ---- */

static const ib_field layer_fields[] = {
    IB_LAYER_FIELDS,
    {.key = "axis", .fallback = "[-1]", .read = ib__read_axes, AT(axes), .choices = "list"},
    {.key = "epsilon", .fallback = "0.001", .read = ib__read_real, AT(epsilon), .high = 0x1p100},
    {.key = "center", .fallback = "true", .read = ib__read_bool, AT(center)},
    {.key = "scale", .fallback = "true", .read = ib__read_bool, AT(scale)},
    {.key = "rms_scaling", .fallback = "false", .read = ib__read_bool, AT(rms)},
    {.key = "beta_initializer", .fallback = "\"zeros\"", .read = ib__read_initializer},
    {.key = "gamma_initializer", .fallback = "\"ones\"", .read = ib__read_initializer},
    {.key = "beta_regularizer", .fallback = "null", .read = ib__read_regularizer},
    {.key = "gamma_regularizer", .fallback = "null", .read = ib__read_regularizer},
    {.key = "beta_constraint", .fallback = "null", .read = ib__read_constraint},
    {.key = "gamma_constraint", .fallback = "null", .read = ib__read_constraint}};

static ib_status layer_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    settings *s = layer->settings;
    ib_status status =
        ib__layer_configure(layer, layer_fields, sizeof layer_fields / sizeof *layer_fields, config, err);
    if (status == IB_OK) s->n_axes = ib__axes_count(ib__value_get(layer->config, "axis"));
    return status;
}

static ib_status layer_build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    (void)n;
    const settings *s = layer->settings;
    ib_shape parameters;
    ib_status status = parameter_shape(layer, &inputs[0], &parameters, err);
    if (status == IB_OK && (s->scale || s->rms))
        status = ib__layer_add_configured(layer, "gamma", &parameters, true, err);
    if (status == IB_OK && s->center && !s->rms)
        status = ib__layer_add_configured(layer, "beta", &parameters, true, err);
    return status;
}

/* rms_scaling divides by the standard deviation without centring, times gamma. */
static ib_node layer_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const settings *s = layer->settings;
    ib_graph *g = b->g;
    ib_node x = inputs[0];
    unsigned axes = ib__axes_mask(s->axes, s->n_axes, ib__node_shape(g, x).rank);
    ib_node centred, variance;
    centre(g, x, ib__op_mean(g, x, axes, true), axes, &centred, &variance);
    if (!s->rms) return normalize(layer, g, x, centred, variance, IB_NO_NODE, IB_NO_NODE);
    ib_node factor =
        ib__op_map(g, IB_MAP_rsqrt, ib__op_offset(g, variance, (float)s->epsilon), IB_NO_NODE, IB_NO_NODE);
    factor = ib__op_multiply(g, factor, parameter(layer, g, "gamma", x));
    return ib__op_multiply(g, x, factor);
}

const ib_layer_class ib__layer_layer_normalization = {.name = "LayerNormalization",
                                                      .casts = IB_CASTS_NONE,
                                                      .settings = sizeof(settings),
                                                      .configure = layer_configure,
                                                      .shape = shape,
                                                      .build = layer_build,
                                                      .call = layer_call,
                                                      .mask = ib__mask_first};

/* ---- GroupNormalization: groups of channels of each sample ---- */

/* -1: a group for each channel. */
static ib_status read_groups(const ib_field *field, const ib_value *value, const char *where, void *out,
                             ib_value **canonical, ib_error *err) {
    if (value->kind == IB_INT && value->integer == -1) {
        *(int64_t *)out = -1;
        return IB_OK;
    }
    return ib__read_int(field, value, where, out, canonical, err);
}

static const ib_field group_fields[] = {
    IB_LAYER_FIELDS,
    {.key = "groups", .fallback = "32", .read = read_groups, AT(groups), .low = 1, .high = 0x1p31},
    {.key = "axis", .fallback = "-1", .read = ib__read_axes, AT(axes), .choices = "one"},
    {.key = "epsilon", .fallback = "0.001", .read = ib__read_real, AT(epsilon), .high = 0x1p100},
    {.key = "center", .fallback = "true", .read = ib__read_bool, AT(center)},
    {.key = "scale", .fallback = "true", .read = ib__read_bool, AT(scale)},
    {.key = "beta_initializer", .fallback = "\"zeros\"", .read = ib__read_initializer},
    {.key = "gamma_initializer", .fallback = "\"ones\"", .read = ib__read_initializer},
    {.key = "beta_regularizer", .fallback = "null", .read = ib__read_regularizer},
    {.key = "gamma_regularizer", .fallback = "null", .read = ib__read_regularizer},
    {.key = "beta_constraint", .fallback = "null", .read = ib__read_constraint},
    {.key = "gamma_constraint", .fallback = "null", .read = ib__read_constraint}};

static ib_status group_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    settings *s = layer->settings;
    s->n_axes = 1;
    return ib__layer_configure(layer, group_fields, sizeof group_fields / sizeof *group_fields, config, err);
}

static ib_status group_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                             ib_error *err) {
    const settings *s = layer->settings;
    ib_status status = shape(layer, inputs, n, out, err);
    if (status != IB_OK) return status;
    int64_t channels = out->dims[ib__layer_axis(s->axes[0], out->rank)];
    if (out->rank == IB_RANK_MAX)
        return ib__fail(err, IB_UNSUPPORTED, layer->place, "inputs of %d axes are not supported", out->rank);
    if (s->groups > 0 && channels % s->groups)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "expected channels divisible by groups, found %lld and %lld", (long long)channels,
                        (long long)s->groups);
    for (int i = 1; i < out->rank; i++)
        if (out->dims[i] < 0)
            return ib__fail(err, IB_UNSUPPORTED, layer->place,
                            "inputs of unknown size beside the batch are not supported yet");
    return IB_OK;
}

static ib_status group_build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    (void)n;
    const settings *s = layer->settings;
    ib_shape channels;
    ib_status status = parameter_shape(layer, &inputs[0], &channels, err);
    if (status == IB_OK && s->scale) status = ib__layer_add_configured(layer, "gamma", &channels, true, err);
    if (status == IB_OK && s->center) status = ib__layer_add_configured(layer, "beta", &channels, true, err);
    return status;
}

/* [n, .., c, ..] -> [n, .., groups, c / groups, ..], normalized over all but the batch and the groups. */
static ib_node group_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const settings *s = layer->settings;
    ib_graph *g = b->g;
    ib_shape from = ib__node_shape(g, inputs[0]), grouped = {.rank = from.rank + 1};
    int axis = ib__layer_axis(s->axes[0], from.rank);
    if (axis < 0) return IB_NO_NODE;
    int64_t groups = s->groups > 0 ? s->groups : from.dims[axis];
    for (int i = 0; i < from.rank; i++)
        grouped.dims[i < axis ? i : i + 1] = from.dims[i];
    grouped.dims[axis] = groups;
    grouped.dims[axis + 1] = groups ? from.dims[axis] / groups : 0;
    ib_node x = ib__op_reshape(g, inputs[0], &grouped);
    unsigned axes = ((1u << grouped.rank) - 1) & ~(1u | 1u << axis);
    ib_node centred = ib__op_subtract(g, x, ib__op_mean(g, x, axes, true));
    ib_node variance = ib__op_mean(g, ib__op_square(g, centred), axes, true);
    ib_node factor =
        ib__op_map(g, IB_MAP_rsqrt, ib__op_offset(g, variance, (float)s->epsilon), IB_NO_NODE, IB_NO_NODE);
    ib_node y = ib__op_reshape(g, ib__op_multiply(g, centred, factor), &from);
    if (s->scale) y = ib__op_multiply(g, y, parameter(layer, g, "gamma", inputs[0]));
    return s->center ? ib__op_add(g, y, parameter(layer, g, "beta", inputs[0])) : y;
}

const ib_layer_class ib__layer_group_normalization = {.name = "GroupNormalization",
                                                      .casts = IB_CASTS_NONE,
                                                      .settings = sizeof(settings),
                                                      .configure = group_configure,
                                                      .shape = group_shape,
                                                      .build = group_build,
                                                      .call = group_call,
                                                      .mask = ib__mask_first};

/* ---- RMSNormalization: x * rsqrt(mean(x^2) + epsilon) * scale ---- */

static const ib_field rms_fields[] = {
    IB_LAYER_FIELDS,
    {.key = "axis", .fallback = "[-1]", .read = ib__read_axes, AT(axes), .choices = "list"},
    {.key = "epsilon", .fallback = "1e-06", .read = ib__read_real, AT(epsilon), .high = 0x1p100}};

static ib_status rms_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    settings *s = layer->settings;
    ib_status status =
        ib__layer_configure(layer, rms_fields, sizeof rms_fields / sizeof *rms_fields, config, err);
    if (status == IB_OK) s->n_axes = ib__axes_count(ib__value_get(layer->config, "axis"));
    return status;
}

static ib_status rms_build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    (void)n;
    static char ones_name[] = "ones";
    static const ib_value ones = {.kind = IB_STRING, .string = ones_name};
    ib_shape parameters;
    ib_status status = parameter_shape(layer, &inputs[0], &parameters, err);
    if (status != IB_OK) return status;
    return ib__layer_add_weight(layer, "scale", &parameters, true, &ones, NULL, NULL, NULL, err);
}

static ib_node rms_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const settings *s = layer->settings;
    ib_graph *g = b->g;
    ib_node x = inputs[0];
    unsigned axes = ib__axes_mask(s->axes, s->n_axes, ib__node_shape(g, x).rank);
    ib_node square = ib__op_mean(g, ib__op_square(g, x), axes, true);
    ib_node factor =
        ib__op_map(g, IB_MAP_rsqrt, ib__op_offset(g, square, (float)s->epsilon), IB_NO_NODE, IB_NO_NODE);
    return ib__op_multiply(g, ib__op_multiply(g, x, factor), parameter(layer, g, "scale", x));
}

const ib_layer_class ib__layer_rms_normalization = {.name = "RMSNormalization",
                                                    .settings = sizeof(settings),
                                                    .configure = rms_configure,
                                                    .shape = shape,
                                                    .build = rms_build,
                                                    .call = rms_call};

/* ---- UnitNormalization: x * rsqrt(max(sum(x^2), 1e-12)) ---- */

static const ib_field unit_fields[] = {IB_LAYER_FIELDS,
                                       {.key = "axis", .fallback = "-1", .read = ib__read_axes, AT(axes)}};

static ib_status unit_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    settings *s = layer->settings;
    ib_status status =
        ib__layer_configure(layer, unit_fields, sizeof unit_fields / sizeof *unit_fields, config, err);
    if (status == IB_OK) s->n_axes = ib__axes_count(ib__value_get(layer->config, "axis"));
    return status;
}

static ib_node unit_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const settings *s = layer->settings;
    ib_graph *g = b->g;
    unsigned axes = ib__axes_mask(s->axes, s->n_axes, ib__node_shape(g, inputs[0]).rank);
    ib_node square = ib__op_reduce(g, IB_REDUCE_SUM, ib__op_square(g, inputs[0]), axes, true);
    ib_node kept = ib__op_maximum(g, square, ib__op_constant(g, 1e-12f));
    return ib__op_multiply(g, inputs[0], ib__op_map(g, IB_MAP_rsqrt, kept, IB_NO_NODE, IB_NO_NODE));
}

const ib_layer_class ib__layer_unit_normalization = {.name = "UnitNormalization",
                                                     .settings = sizeof(settings),
                                                     .configure = unit_configure,
                                                     .shape = shape,
                                                     .call = unit_call,
                                                     .mask = ib__mask_first};
