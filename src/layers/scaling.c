/* SPDX-License-Identifier: Apache-2.0
 *
 * Rescaling and Normalization.
 */
#include <stdio.h>

#include "initializers/numbers.h"
#include "layers/internal.h"

/* ---- Rescaling: x * scale + offset; a list runs along the last axis ---- */

typedef struct factors {
    size_t n; /* 0: the single number values[0] */
    float values[1024];
} factors;

typedef struct rescaling {
    factors scale, offset;
} rescaling;

static ib_status read_factors(const ib_field *field, const ib_value *value, const char *where, void *out,
                              ib_value **canonical, ib_error *err) {
    (void)field, (void)canonical;
    factors *f = out;
    bool list = value->kind == IB_LIST;
    size_t n = list ? value->count : 1;
    bool good = n > 0 && n <= sizeof f->values / sizeof *f->values;
    f->n = list ? n : 0;
    for (size_t i = 0; good && i < n; i++) {
        double x;
        good = ib__value_number(list ? value->items[i] : value, &x);
        if (good) f->values[i] = (float)x;
    }
    if (good) return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, where, "expected a number or a list of numbers");
}

static const ib_field rescaling_fields[] = {
    IB_LAYER_FIELDS,
    {.key = "scale", .read = read_factors, .offset = offsetof(rescaling, scale)},
    {.key = "offset", .fallback = "0.0", .read = read_factors, .offset = offsetof(rescaling, offset)}};

static ib_status rescaling_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    return ib__layer_configure(layer, rescaling_fields, sizeof rescaling_fields / sizeof *rescaling_fields,
                               config, err);
}

static ib_status rescaling_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                                 ib_error *err) {
    const rescaling *s = layer->settings;
    ib_status status = ib__layer_same_shape(layer, inputs, n, out, err);
    int64_t last = status == IB_OK && out->rank > 1 ? out->dims[out->rank - 1] : 0;
    const factors *both[] = {&s->scale, &s->offset};
    for (int i = 0; i < 2 && status == IB_OK; i++)
        if (both[i]->n > 1 && (int64_t)both[i]->n != last)
            status = ib__fail(err, IB_BAD_INPUT, layer->place, "%s has %zu numbers, the last axis %lld",
                              i ? "offset" : "scale", both[i]->n, (long long)last);
    return status;
}

static ib_node factors_node(ib_graph *g, const factors *f) {
    if (f->n < 2) return ib__op_constant(g, f->values[0]);
    ib_shape shape = {.rank = 1, .dims = {(int64_t)f->n}};
    return ib__op_constant_array(g, f->values, &shape);
}

static ib_node rescaling_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const rescaling *s = layer->settings;
    ib_node x = ib__op_convert(b->g, inputs[0], IB_TYPE_F32);
    x = ib__op_multiply(b->g, x, factors_node(b->g, &s->scale));
    return ib__op_add(b->g, x, factors_node(b->g, &s->offset));
}

const ib_layer_class ib__layer_rescaling = {.name = "Rescaling",
                                            .rounds = true,
                                            .settings = sizeof(rescaling),
                                            .configure = rescaling_configure,
                                            .shape = rescaling_shape,
                                            .call = rescaling_call,
                                            .mask = ib__mask_first};

/* ---- Normalization: (x - mean) / max(sqrt(variance), 1e-7) for each index along some axes, or back. Mean
 * and variance stand in the config or were found by adapting the layer to data: then they are weights. ----
 */

typedef struct normalization {
    int64_t axes[IB_RANK_MAX];
    int n_axes;
    bool invert, given;
    ib_numbers mean, variance; /* of the config, if they are given */
} normalization;

/* null, an axis or a list of them; written as a list. */
static ib_status read_kept_axes(const ib_field *field, const ib_value *value, const char *where, void *out,
                                ib_value **canonical, ib_error *err) {
    normalization *s = out;
    bool none = value->kind == IB_NULL || (value->kind == IB_LIST && !value->count);
    s->n_axes = none ? 0 : ib__axes_count(value);
    if (!none) return ib__read_axes(field, value, where, s->axes, canonical, err);
    *canonical = ib__value_list();
    return *canonical ? IB_OK : ib__fail_memory(err);
}

static const ib_field normalization_fields[] = {
    IB_LAYER_FIELDS,
    {.key = "axis", .fallback = "-1", .read = read_kept_axes, .choices = "list"},
    {.key = "invert", .fallback = "false", .read = ib__read_bool, .offset = offsetof(normalization, invert)},
    {.key = "mean", .fallback = "null", .read = ib__read_anything},
    {.key = "variance", .fallback = "null", .read = ib__read_anything}};

static ib_status normalization_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    normalization *s = layer->settings;
    ib_status status = ib__layer_configure(
        layer, normalization_fields, sizeof normalization_fields / sizeof *normalization_fields, config, err);
    if (status != IB_OK) return status;
    const ib_value *mean = ib__value_get(layer->config, "mean");
    const ib_value *variance = ib__value_get(layer->config, "variance");
    s->given = mean->kind != IB_NULL;
    if (s->given != (variance->kind != IB_NULL))
        return ib__fail(err, IB_BAD_INPUT, layer->place, "expected both mean and variance, or none of them");
    if (!s->given) return IB_OK;
    char where[512];
    snprintf(where, sizeof where, "%.480s, mean", layer->place);
    status = ib__numbers_read(&s->mean, mean, where, err);
    snprintf(where, sizeof where, "%.480s, variance", layer->place);
    if (status == IB_OK) status = ib__numbers_read(&s->variance, variance, where, err);
    if (status == IB_OK && !ib__shape_equal(&s->mean.shape, &s->variance.shape))
        status = ib__fail(err, IB_BAD_INPUT, layer->place, "mean and variance have other shapes");
    return status;
}

/* The sizes of the kept axes, in their order in the input; *wide: the same with 1 for all other axes. */
static ib_status kept_shape(const ib_layer *layer, const ib_shape *input, ib_shape *kept, ib_shape *wide,
                            ib_error *err) {
    const normalization *s = layer->settings;
    unsigned mask = ib__axes_mask(s->axes, s->n_axes, input->rank);
    bool fits = mask || s->n_axes == 0;
    *kept = (ib_shape){0};
    *wide = (ib_shape){.rank = input->rank};
    for (int i = 0; i < input->rank; i++) {
        bool keep = mask >> i & 1;
        wide->dims[i] = keep ? input->dims[i] : 1;
        if (keep) kept->dims[kept->rank++] = input->dims[i];
    }
    if (fits && ib__shape_elements(kept) >= 1) return IB_OK;
    char text[128];
    ib__shape_print(text, input);
    return ib__fail(err, IB_BAD_INPUT, layer->place,
                    "axis: expected axes of known size beside the batch, found the input %s", text);
}

static ib_status normalization_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                                     ib_error *err) {
    ib_shape kept, wide;
    ib_status status = ib__layer_same_shape(layer, inputs, n, out, err);
    return status == IB_OK ? kept_shape(layer, &inputs[0], &kept, &wide, err) : status;
}

static ib_status normalization_build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    (void)n;
    static char zeros[] = "zeros", ones[] = "ones";
    static const ib_value zero = {.kind = IB_STRING, .string = zeros},
                          one = {.kind = IB_STRING, .string = ones};
    const normalization *s = layer->settings;
    ib_shape kept, wide, scalar = {0};
    ib_status status = kept_shape(layer, &inputs[0], &kept, &wide, err);
    if (status != IB_OK || s->given) return status;
    ib_weight *count;
    status = ib__layer_add_weight(layer, "mean", &kept, false, &zero, NULL, NULL, NULL, err);
    if (status == IB_OK)
        status = ib__layer_add_weight(layer, "variance", &kept, false, &one, NULL, NULL, NULL, err);
    if (status == IB_OK)
        status = ib__layer_add_weight(layer, "count", &scalar, false, &zero, NULL, NULL, &count, err);
    if (status == IB_OK) count->integer = true;
    return status;
}

/* Mean or variance, ready for broadcasting against the input. */
static ib_node moment(const ib_layer *layer, ib_graph *g, const char *name, const ib_numbers *numbers,
                      const ib_shape *kept, const ib_shape *wide) {
    const normalization *s = layer->settings;
    if (!s->given) return ib__op_reshape(g, ib__layer_weight(layer, g, name), wide);
    float *data = ib__alloc((size_t)ib__shape_elements(kept) + 1, sizeof *data);
    if (!data) return ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
    ib_error error = {0};
    ib_status status = ib__numbers_fill(data, kept, numbers, name, &error);
    ib_node a = status == IB_OK ? ib__op_constant_array(g, data, wide)
                                : ib__graph_fail(g, status, "%s: %s", error.where, error.text);
    ib__free(data);
    return a;
}

static ib_node normalization_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const normalization *s = layer->settings;
    ib_graph *g = b->g;
    ib_node x = ib__op_convert(g, inputs[0], IB_TYPE_F32);
    ib_shape input = ib__node_shape(g, x), kept, wide;
    ib_error error = {0};
    if (kept_shape(layer, &input, &kept, &wide, &error) != IB_OK)
        return ib__graph_fail(g, IB_BAD_INPUT, "%s", error.text);
    ib_node mean = moment(layer, g, "mean", &s->mean, &kept, &wide);
    ib_node variance = moment(layer, g, "variance", &s->variance, &kept, &wide);
    ib_node deviation = ib__op_maximum(g, ib__op_sqrt(g, variance), ib__op_constant(g, 1e-7f));
    return s->invert ? ib__op_add(g, mean, ib__op_multiply(g, x, deviation))
                     : ib__op_divide(g, ib__op_subtract(g, x, mean), deviation);
}

/* ---- Adapting: mean and variance of each kept index over all else, by Welford's method in float64, sample
 * after sample ---- */

typedef struct running {
    double count, mean, squares;
} running;

static void take_value(running *r, double x) {
    double away = x - r->mean;
    r->count++;
    r->mean += away / r->count;
    r->squares += away * (x - r->mean);
}

/* Which kept index element i of an array of this shape belongs to. */
static size_t kept_index(const ib_shape *wide, const ib_shape *shape, size_t i) {
    size_t index = 0, size = 1;
    for (int d = shape->rank; d-- > 0;) {
        size_t at = i % (size_t)shape->dims[d];
        i /= (size_t)shape->dims[d];
        if (wide->dims[d] == 1) continue;
        index += at * size;
        size *= (size_t)wide->dims[d];
    }
    return index;
}

static ib_status take_samples(running *all, const ib_layer *layer, ib_samples_fn *next, void *context,
                              size_t *n, ib_error *err) {
    ib_tensor x = {0};
    ib_shape kept, wide;
    *n = 0;
    for (;;) {
        ib_status status = next(context, &x, err);
        const ib_shape shape = x.shape;
        if (status != IB_OK || x.data == NULL) return status;
        status = kept_shape(layer, &shape, &kept, &wide, err);
        if (status == IB_OK && !ib__shape_equal(&kept, &layer->weights[0].variable.shape))
            status =
                ib__fail(err, IB_BAD_INPUT, layer->place, "the samples have another shape than its input");
        if (status != IB_OK) return status;
        size_t count = (size_t)ib__shape_elements(&shape);
        for (size_t i = 0; i < count; i++) {
            float value;
            ib__tensor_to_float(&value, &x, i, 1);
            take_value(&all[kept_index(&wide, &shape, i)], (double)value);
        }
        *n += count;
    }
}

static ib_status normalization_adapt(ib_layer *layer, ib_samples_fn *next, void *context, ib_error *err) {
    const normalization *s = layer->settings;
    if (s->given)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "mean and variance are given: there is nothing to adapt");
    size_t kept = (size_t)ib__shape_elements(&layer->weights[0].variable.shape), n;
    running *all = ib__alloc(kept + 1, sizeof *all);
    if (!all) return ib__fail_memory(err);
    ib_status status = take_samples(all, layer, next, context, &n, err);
    for (size_t i = 0; status == IB_OK && n && i < kept; i++) {
        layer->weights[0].variable.data[i] = (float)all[i].mean;
        layer->weights[1].variable.data[i] = (float)(all[i].squares / all[i].count);
    }
    ib__free(all);
    return status;
}

const ib_layer_class ib__layer_normalization = {.name = "Normalization",
                                                .settings = sizeof(normalization),
                                                .configure = normalization_configure,
                                                .shape = normalization_shape,
                                                .build = normalization_build,
                                                .call = normalization_call,
                                                .adapt = normalization_adapt,
                                                .mask = ib__mask_first};
