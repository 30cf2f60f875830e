/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers around other layers: Bidirectional, TimeDistributed, SpectralNormalization.
 */
#include <stdio.h>

#include "layers/recurrent.h"

/* ---- Bidirectional ---- */

enum merge { MERGE_SUM, MERGE_MUL, MERGE_AVE, MERGE_CONCAT, MERGE_NONE };

typedef struct bidirectional {
    int merge;
} bidirectional;

static ib_status read_merge(const ib_field *field, const ib_value *value, const char *where, void *out,
                            ib_value **canonical, ib_error *err) {
    if (value->kind == IB_NULL) {
        *(int *)out = MERGE_NONE;
        return IB_OK;
    }
    ib_field choice = *field;
    choice.choices = "sum mul ave concat";
    return ib__read_choice(&choice, value, where, out, canonical, err);
}

static const ib_field bidirectional_fields[] = {
    IB_LAYER_FIELDS,
    {.key = "merge_mode",
     .fallback = "\"concat\"",
     .read = read_merge,
     .offset = offsetof(bidirectional, merge)},
    {.key = "layer", .read = ib__read_anything},
    {.key = "backward_layer", .fallback = "null", .read = ib__read_anything}};

/* A copy of a serialized layer under the name "forward_lstm" or "backward_lstm". go_backwards: -1 as it is.
 * NULL: no memory, or no serialized layer. */
static ib_value *direction(const ib_value *entry, const char *prefix, int go_backwards) {
    const char *class_name;
    const ib_value *config;
    ib_value *copy = NULL;
    if (ib__serialized_parts(entry, "a layer", "", &class_name, &config, NULL) != IB_OK) return NULL;
    const ib_value *given = ib__value_get(config, "name");
    char name[256], snake[128];
    ib__snake_case(snake, sizeof snake, class_name);
    const char *base = ib__value_is(given, IB_STRING) ? given->string : snake;
    size_t length = strlen(prefix);
    snprintf(name, sizeof name, "%s%.200s", prefix,
             strncmp(base, prefix, length) == 0 ? base + length : base);
    ib_value *settings = config && config->kind == IB_MAP ? ib__value_copy(config) : ib__value_map();
    bool good = ib__value_set(settings, "name", ib__value_string(name));
    if (good && go_backwards >= 0)
        good = ib__value_set(settings, "go_backwards", ib__value_bool(go_backwards != 0));
    if (!good) {
        ib__value_free(settings);
        return NULL;
    }
    copy = ib__serialized("keras.layers", class_name, settings);
    const ib_value *build = ib__value_get(entry, "build_config");
    if (copy && build && !ib__value_set(copy, "build_config", ib__value_copy(build))) {
        ib__value_free(copy);
        return NULL;
    }
    return copy;
}

/* Keras forces zeros where the mask is not set, when sequences are returned. */
static bool force_zero_output(ib_layer *part, ib_value *canonical) {
    ib_rnn_flags *flags = ib__rnn_flags(part);
    flags->zero_output = flags->sequences;
    return ib__value_set(part->config, "zero_output_for_mask", ib__value_bool(flags->sequences)) &&
           ib__value_set(ib__value_get(canonical, "config"), "zero_output_for_mask",
                         ib__value_bool(flags->sequences));
}

static ib_status add_direction(ib_layer *layer, const char *attribute, const char *key, const ib_value *entry,
                               ib_error *err) {
    ib_layer *part;
    ib_value *canonical = NULL;
    ib_status status = ib__layer_add_part(layer, attribute, entry, "rnn", &part, &canonical, err);
    if (status == IB_OK && !ib__rnn_flags(part))
        status = ib__fail(err, IB_BAD_INPUT, layer->place, "%s: expected a recurrent layer, found %s", key,
                          part->class->name);
    if (status == IB_OK && !force_zero_output(part, canonical)) status = ib__fail_memory(err);
    if (status != IB_OK) {
        ib__value_free(canonical);
        return status;
    }
    return ib__value_set(layer->config, key, canonical) ? IB_OK : ib__fail_memory(err);
}

static ib_status check_directions(const ib_layer *layer, ib_error *err) {
    const ib_rnn_flags *f = ib__rnn_flags(layer->parts[0].layer), *b = ib__rnn_flags(layer->parts[1].layer);
    if (f->backwards != b->backwards && f->sequences == b->sequences && f->state == b->state &&
        f->stateful == b->stateful)
        return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, layer->place,
                    "layer and backward_layer: expected other go_backwards and the same return_sequences, "
                    "return_state and stateful");
}

static ib_status bidirectional_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status = ib__layer_configure(
        layer, bidirectional_fields, sizeof bidirectional_fields / sizeof *bidirectional_fields, config, err);
    if (status != IB_OK) return status;
    const ib_value *given = ib__value_get(layer->config, "backward_layer");
    ib_value *one = ib__value_copy(ib__value_get(layer->config, "layer"));
    ib_value *other = given->kind != IB_NULL ? ib__value_copy(given) : NULL;
    ib_value *forward = one ? direction(one, "forward_", -1) : NULL;
    ib_value *backward = other ? direction(other, "", -1) : one ? direction(one, "backward_", 1) : NULL;
    if (!forward || !backward)
        status = ib__fail(err, IB_BAD_INPUT, layer->place, "layer: expected a recurrent layer");
    if (status == IB_OK) status = add_direction(layer, "forward_layer", "layer", forward, err);
    if (status == IB_OK) status = add_direction(layer, "backward_layer", "backward_layer", backward, err);
    if (status == IB_OK) status = check_directions(layer, err);
    ib__value_free(one);
    ib__value_free(other);
    ib__value_free(forward);
    ib__value_free(backward);
    return status;
}

/* The arguments of one direction: the sequence, and its half of the initial states. */
typedef struct half {
    ib_args args;
    const char *names[IB_STATES_MAX + 1];
    ib_spec specs[IB_STATES_MAX + 1];
    ib_flow flows[IB_STATES_MAX + 1];
} half;

static void take_half(half *h, const ib_args *args, int which) {
    size_t n, first = ib__args_find(args, "initial_state", &n);
    if (n > 2 * IB_STATES_MAX) n = 0;
    n /= 2;
    h->args =
        (ib_args){.n = 1 + n, .names = h->names, .settings = args->settings, .mask_given = args->mask_given};
    for (size_t i = 0; i < 1 + n; i++) {
        size_t from = i ? first + (size_t)which * n + i - 1 : 0;
        h->names[i] = args->names[from];
        if (args->specs) h->specs[i] = args->specs[from];
        if (args->flows) h->flows[i] = args->flows[from];
    }
    if (args->specs) h->args.specs = h->specs;
    if (args->flows) h->args.flows = h->flows;
}

static ib_status bidirectional_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                                     size_t *n, ib_error *err) {
    const bidirectional *s = layer->settings;
    ib_spec made[2][IB_OUTPUTS_MAX];
    size_t count[2];
    for (int i = 0; i < 2; i++) {
        half h;
        if (args->n == 0) return ib__fail(err, IB_BAD_INPUT, layer->place, "expected a sequence");
        take_half(&h, args, i);
        ib_status status = ib__rnn_infer(layer->parts[i].layer, &h.args, made[i], &count[i], err);
        if (status != IB_OK) return status;
    }
    ib_shape *y = &made[0][0].shape;
    bool same = made[0][0].shape.dims[y->rank - 1] == made[1][0].shape.dims[y->rank - 1];
    if (!same && s->merge != MERGE_NONE && s->merge != MERGE_CONCAT)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "the two directions have other shapes");
    if (s->merge == MERGE_CONCAT) y->dims[y->rank - 1] += made[1][0].shape.dims[y->rank - 1];
    *n = 0;
    out[(*n)++] = made[0][0];
    if (s->merge == MERGE_NONE) out[(*n)++] = made[1][0];
    for (int i = 0; i < 2; i++)
        for (size_t k = 1; k < count[i] && *n < IB_OUTPUTS_MAX; k++)
            out[(*n)++] = made[i][k];
    return IB_OK;
}

static ib_status bidirectional_build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    (void)n;
    ib_status status = ib__layer_build_part(layer->parts[0].layer, &inputs[0], err);
    return status == IB_OK ? ib__layer_build_part(layer->parts[1].layer, &inputs[0], err) : status;
}

static ib_node merge(ib_graph *g, enum merge how, ib_node a, ib_node b) {
    switch (how) {
    case MERGE_SUM:
        return ib__op_add(g, a, b);
    case MERGE_MUL:
        return ib__op_multiply(g, a, b);
    case MERGE_AVE:
        return ib__op_divide(g, ib__op_add(g, a, b), ib__op_constant(g, 2.0f));
    default:
        return ib__op_concatenate(g, (ib_node[]){a, b}, 2, ib__node_shape(g, a).rank - 1);
    }
}

static void bidirectional_apply(ib_layer *layer, ib_build *b, const ib_args *args,
                                ib_flow out[IB_OUTPUTS_MAX]) {
    const bidirectional *s = layer->settings;
    ib_flow made[2][IB_OUTPUTS_MAX];
    size_t count[2], n = 0;
    for (int i = 0; i < 2; i++) {
        half h;
        take_half(&h, args, i);
        count[i] = ib__layer_call(layer->parts[i].layer, b, &h.args, made[i]);
        if (!count[i]) return;
    }
    const ib_rnn_flags *flags = ib__rnn_flags(layer->parts[0].layer);
    ib_node backward = made[1][0].node;
    if (flags->sequences) backward = ib__op_reverse(b->g, backward, 1);
    ib_node mask = flags->sequences ? args->flows[0].mask : IB_NO_NODE;
    if (s->merge == MERGE_NONE) {
        out[n++] = (ib_flow){made[0][0].node, mask};
        out[n++] = (ib_flow){backward, mask};
    } else {
        out[n++] = (ib_flow){merge(b->g, (enum merge)s->merge, made[0][0].node, backward), mask};
    }
    for (int i = 0; i < 2; i++)
        for (size_t k = 1; k < count[i]; k++)
            out[n++] = made[i][k];
}

const ib_layer_class ib__layer_bidirectional = {.name = "Bidirectional",
                                                .rounds = true,
                                                .settings = sizeof(bidirectional),
                                                .arguments = "sequences initial_state",
                                                .configure = bidirectional_configure,
                                                .infer = bidirectional_infer,
                                                .build = bidirectional_build,
                                                .apply = bidirectional_apply};

/* The setting "layer" as a part. */
static ib_status add_inner(ib_layer *layer, ib_error *err) {
    ib_value *canonical = NULL;
    ib_status status = ib__layer_add_part(layer, "layer", ib__value_get(layer->config, "layer"), "layer",
                                          NULL, &canonical, err);
    if (status != IB_OK) {
        ib__value_free(canonical);
        return status;
    }
    return ib__value_set(layer->config, "layer", canonical) ? IB_OK : ib__fail_memory(err);
}

/* ---- TimeDistributed: time steps are samples for the layer inside ---- */

static const ib_field distributed_fields[] = {IB_LAYER_FIELDS, {.key = "layer", .read = ib__read_anything}};

static ib_status distributed_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status = ib__layer_configure(
        layer, distributed_fields, sizeof distributed_fields / sizeof *distributed_fields, config, err);
    if (status != IB_OK) return status;
    status = add_inner(layer, err);
    if (status == IB_OK)
        layer->parts[0].layer->unpenalized = true; /* Keras calls it without what every call adds */
    return status;
}

/* [batch, steps, ...] without the axis of steps, and with it. */
static ib_shape without_steps(const ib_shape *shape) {
    ib_shape out = {.rank = shape->rank - 1, .dims = {shape->dims[0]}};
    for (int i = 1; i < out.rank; i++)
        out.dims[i] = shape->dims[i + 1];
    return out;
}

static ib_shape with_steps(const ib_shape *shape, int64_t batch, int64_t steps) {
    ib_shape out = {.rank = shape->rank + 1, .dims = {batch, steps}};
    for (int i = 1; i < shape->rank && i + 1 < IB_RANK_MAX; i++)
        out.dims[i + 1] = shape->dims[i];
    return out;
}

static ib_status distributed_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                                   size_t *n, ib_error *err) {
    if (args->n != 1 || args->specs[0].shape.rank < 3) {
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "expected one input (batch, steps, ...) with 3 axes or more");
    }
    static const char *const name = "inputs";
    ib_spec inner = {.shape = without_steps(&args->specs[0].shape), .type = args->specs[0].type};
    ib_args one = {.n = 1, .names = &name, .specs = &inner};
    ib_status status = ib__layer_infer(layer->parts[0].layer, &one, out, n, err);
    for (size_t i = 0; status == IB_OK && i < *n; i++) {
        if (out[i].shape.rank >= IB_RANK_MAX)
            return ib__fail(err, IB_UNSUPPORTED, layer->place, "the output has too many axes");
        out[i].shape = with_steps(&out[i].shape, out[i].shape.dims[0], args->specs[0].shape.dims[1]);
    }
    return status;
}

static ib_status distributed_build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    (void)n;
    ib_shape inner = without_steps(&inputs[0]);
    return ib__layer_build_part(layer->parts[0].layer, &inner, err);
}

/* x[:, t] */
static ib_node slice_step(ib_graph *g, ib_node x, int64_t t) {
    if (x == IB_NO_NODE) return x;
    ib_shape shape = ib__node_shape(g, x), flat = without_steps(&shape);
    int64_t start[IB_RANK_MAX] = {0, t}, limit[IB_RANK_MAX];
    memcpy(limit, shape.dims, sizeof limit);
    limit[1] = t + 1;
    return ib__op_reshape(g, ib__op_slice(g, x, start, limit), &flat);
}

/* A layer that mixes samples sees the steps one after the other. */
static void one_by_one(ib_layer *inner, ib_build *b, const ib_args *args, ib_flow *out) {
    ib_graph *g = b->g;
    ib_shape shape = ib__node_shape(g, args->flows[0].node);
    int64_t steps = shape.dims[1];
    ib_node *made = ib__alloc((size_t)steps, sizeof *made);
    if (!made) {
        (void)ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
        return;
    }
    for (int64_t t = 0; t < steps; t++) {
        ib_flow in = {slice_step(g, args->flows[0].node, t), slice_step(g, args->flows[0].mask, t)};
        ib_flow results[IB_OUTPUTS_MAX];
        ib_args one = {.n = 1, .names = args->names, .flows = &in};
        made[t] = ib__layer_call(inner, b, &one, results) ? results[0].node : IB_NO_NODE;
        ib_shape y = ib__node_shape(g, made[t]), stacked = with_steps(&y, y.dims[0], 1);
        made[t] = ib__op_reshape(g, made[t], &stacked);
    }
    out->node = ib__op_concatenate(g, made, (size_t)steps, 1);
    ib__free(made);
}

/* [batch, steps, ...] as [batch * steps, ...] */
static ib_node folded(ib_graph *g, ib_node x) {
    if (x == IB_NO_NODE) return x;
    ib_shape shape = ib__node_shape(g, x), flat = without_steps(&shape);
    flat.dims[0] = shape.dims[0] * shape.dims[1];
    return ib__op_reshape(g, x, &flat);
}

/* Whether a layer, or one inside of it, mixes samples. */
static bool mixes_samples(const ib_layer *layer) {
    bool mixes = layer->class->mixes_samples;
    for (size_t i = 0; !mixes && i < layer->n_parts; i++)
        mixes = mixes_samples(layer->parts[i].layer);
    return mixes;
}

static void distributed_apply(ib_layer *layer, ib_build *b, const ib_args *args,
                              ib_flow out[IB_OUTPUTS_MAX]) {
    ib_layer *inner = layer->parts[0].layer;
    ib_graph *g = b->g;
    ib_shape shape = ib__node_shape(g, args->flows[0].node);
    out[0].mask = args->flows[0].mask;
    if (b->training && mixes_samples(inner)) {
        one_by_one(inner, b, args, out);
        return;
    }
    ib_flow in = {folded(g, args->flows[0].node), folded(g, args->flows[0].mask)}, made[IB_OUTPUTS_MAX];
    ib_args one = {.n = 1, .names = args->names, .flows = &in};
    if (!ib__layer_call(inner, b, &one, made)) return;
    ib_shape y = ib__node_shape(g, made[0].node), steps = with_steps(&y, shape.dims[0], shape.dims[1]);
    out[0].node = ib__op_reshape(g, made[0].node, &steps);
}

const ib_layer_class ib__layer_time_distributed = {.name = "TimeDistributed",
                                                   .passes = true,
                                                   .settings = 1,
                                                   .configure = distributed_configure,
                                                   .infer = distributed_infer,
                                                   .build = distributed_build,
                                                   .apply = distributed_apply};

/* ---- SpectralNormalization: divides the kernel inside by its largest singular value, as far as a few steps
 * of the power iteration know it. While training the kernel is assigned before the layer inside uses it. ----
 */

typedef struct spectral {
    int64_t iterations;
} spectral;

static const ib_field spectral_fields[] = {IB_LAYER_FIELDS,
                                           {.key = "layer", .read = ib__read_anything},
                                           {.key = "power_iterations",
                                            .fallback = "1",
                                            .read = ib__read_int,
                                            .offset = offsetof(spectral, iterations),
                                            .low = 1,
                                            .high = 1000}};

static ib_status spectral_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status = ib__layer_configure(layer, spectral_fields,
                                           sizeof spectral_fields / sizeof *spectral_fields, config, err);
    return status == IB_OK ? add_inner(layer, err) : status;
}

static ib_status spectral_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                                size_t *n, ib_error *err) {
    if (args->n != 1 || args->specs[0].type != IB_TYPE_F32)
        return ib__fail(err, IB_UNSUPPORTED, layer->place, "expected one float32 input");
    return ib__layer_infer(layer->parts[0].layer, args, out, n, err);
}

/* The part's weights are made by now. */
static ib_status spectral_build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    (void)n;
    ib_layer *inner = layer->parts[0].layer;
    ib_status status = ib__layer_build_part(inner, &inputs[0], err);
    if (status != IB_OK) return status;
    for (size_t i = 0; i < inner->n_weights; i++)
        if (strcmp(inner->weights[i].name, "kernel") == 0 ||
            strcmp(inner->weights[i].name, "embeddings") == 0)
            layer->tracked = &inner->weights[i];
    if (!layer->tracked)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "%s has no kernel and no embeddings",
                        inner->class->name);
    const ib_shape *kernel = &layer->tracked->variable.shape;
    ib_shape shape = {2, {1, kernel->dims[kernel->rank - 1]}};
    ib_value *config = ib__value_map(), *initializer = NULL;
    if (ib__value_set(config, "mean", ib__value_real(0.0)) &&
        ib__value_set(config, "stddev", ib__value_real(0.02)) &&
        ib__value_set(config, "seed", ib__value_null()))
        initializer = ib__serialized("keras.initializers", "TruncatedNormal", config);
    const ib_value *kept = initializer ? ib__layer_keep(layer, initializer) : NULL;
    if (!kept) return ib__fail_memory(err);
    return ib__layer_add_weight(layer, "vector_u", &shape, false, kept, NULL, NULL, NULL, err);
}

/* x / |x|, where 1 / |x| is at most 1e7. */
static ib_node unit(ib_graph *g, ib_node x) {
    ib_node squares = ib__op_reduce(g, IB_REDUCE_SUM, ib__op_square(g, x), 3u, true);
    ib_node inverse = ib__op_map(g, IB_MAP_rsqrt, squares, IB_NO_NODE, IB_NO_NODE);
    return ib__op_multiply(g, x, ib__op_minimum(g, inverse, ib__op_constant(g, 1e7f)));
}

/* A kernel of zeros stays, and so does vector_u then. */
static void normalize_kernel(ib_layer *layer, ib_graph *g) {
    const spectral *s = layer->settings;
    ib_variable *vector = &layer->weights[0].variable;
    ib_node kernel = ib__weight_node(g, layer->tracked), before = ib__graph_assigned(g, vector);
    ib_shape shape = ib__node_shape(g, kernel), flat = {2, {-1, shape.dims[shape.rank - 1]}};
    if (before == IB_NO_NODE) before = ib__op_variable(g, vector);
    ib_node w = ib__op_reshape(g, kernel, &flat), turned = ib__op_transpose(g, w, (int[]){1, 0});
    ib_node u = before, v = before;
    for (int64_t i = 0; i < s->iterations; i++) {
        v = unit(g, ib__op_matmul(g, u, turned));
        u = unit(g, ib__op_matmul(g, v, w));
    }
    ib_node sigma = ib__op_matmul(g, ib__op_matmul(g, v, w), ib__op_transpose(g, u, (int[]){1, 0}));
    ib_node next = ib__op_divide(g, kernel, ib__op_reshape(g, sigma, &(ib_shape){0}));
    ib_node some = ib__op_map(g, IB_MAP_not_equal, w, ib__op_constant(g, 0.0f), IB_NO_NODE);
    some = ib__op_reduce(g, IB_REDUCE_MAX, ib__op_convert(g, some, IB_TYPE_F32), 3u, false);
    some = ib__op_map(g, IB_MAP_greater, some, ib__op_constant(g, 0.0f), IB_NO_NODE);
    ib__graph_assign(g, vector, ib__op_select(g, some, u, before));
    ib__graph_assign(g, &layer->tracked->variable, ib__op_select(g, some, next, kernel));
}

static void spectral_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    if (b->training) normalize_kernel(layer, b->g);
    (void)ib__layer_call(layer->parts[0].layer, b, args, out);
}

const ib_layer_class ib__layer_spectral_normalization = {.name = "SpectralNormalization",
                                                         .settings = sizeof(spectral),
                                                         .configure = spectral_configure,
                                                         .infer = spectral_infer,
                                                         .build = spectral_build,
                                                         .apply = spectral_apply};
