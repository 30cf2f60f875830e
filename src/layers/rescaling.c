/* SPDX-License-Identifier: Apache-2.0
 *
 * Rescaling and Dropout.
 */
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
                                            .settings = sizeof(rescaling),
                                            .configure = rescaling_configure,
                                            .shape = rescaling_shape,
                                            .call = rescaling_call,
                                            .mask = ib__mask_first};

/* ---- Dropout: while training, keeps where the stream's number >= rate, times 1 / (1 - rate) ---- */

typedef struct dropout {
    double rate;
    int64_t seed; /* -1: the experiment's */
} dropout;

static const ib_field dropout_fields[] = {
    IB_LAYER_FIELDS,
    {.key = "rate", .read = ib__read_real, .offset = offsetof(dropout, rate), .high = 1.0},
    {.key = "seed",
     .fallback = "null",
     .read = ib__read_optional_int,
     .offset = offsetof(dropout, seed),
     .high = 0x1p53},
    {.key = "noise_shape", .fallback = "null", .read = ib__read_null}};

static ib_status dropout_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    return ib__layer_configure(layer, dropout_fields, sizeof dropout_fields / sizeof *dropout_fields, config,
                               err);
}

static ib_node dropout_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const dropout *s = layer->settings;
    ib_graph *g = b->g;
    float rate = (float)s->rate;
    if (!b->training || !(rate > 0.0f)) return inputs[0];
    if (rate >= 1.0f) return ib__op_scale(g, inputs[0], 0.0f);
    ib_stream stream = ib__stream(s->seed >= 0 ? (uint64_t)s->seed : b->seed, layer->path, "dropout");
    ib_shape shape = ib__node_shape(g, inputs[0]);
    ib_node u = ib__op_uniform(g, stream.key, &shape);
    ib_node keep = ib__op_map(g, IB_MAP_greater_equal, u, ib__op_constant(g, rate), IB_NO_NODE);
    ib_node scaled = ib__op_scale(g, inputs[0], (float)(1.0 / (1.0 - s->rate)));
    return ib__op_select(g, keep, scaled, ib__op_constant(g, 0.0f));
}

const ib_layer_class ib__layer_dropout = {.name = "Dropout",
                                          .settings = sizeof(dropout),
                                          .configure = dropout_configure,
                                          .shape = ib__layer_same_shape,
                                          .call = dropout_call,
                                          .mask = ib__mask_first};
