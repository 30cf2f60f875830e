/* SPDX-License-Identifier: Apache-2.0
 *
 * Embedding, ReversibleEmbedding and Masking.
 */
#include <math.h>

#include "layers/internal.h"

typedef struct embedding {
    int64_t rows, width;
    bool mask_zero;
    bool tied;       /* of ReversibleEmbedding: the way back takes the same table */
    double soft_cap; /* NaN: none */
} embedding;

#define AT(member) .offset = offsetof(embedding, member)
#define EMBEDDING_FIELDS                                                                                     \
    IB_LAYER_FIELDS, {.key = "input_dim", .read = ib__read_int, AT(rows), .low = 1, .high = 0x1p31},         \
        {.key = "output_dim", .read = ib__read_int, AT(width), .low = 1, .high = 0x1p31},                    \
        {.key = "embeddings_initializer", .fallback = "\"uniform\"", .read = ib__read_initializer},          \
        {.key = "embeddings_regularizer", .fallback = "null", .read = ib__read_regularizer},                 \
        {.key = "activity_regularizer", .fallback = "null", .read = ib__read_regularizer},                   \
        {.key = "embeddings_constraint", .fallback = "null", .read = ib__read_constraint},                   \
        {.key = "mask_zero", .fallback = "false", .read = ib__read_bool, AT(mask_zero)}, {                   \
        .key = "quantization_config", .fallback = "null", .read = ib__read_null                              \
    }
static const ib_field fields[] = {EMBEDDING_FIELDS};

IB_CONFIGURE(fields)

static ib_status infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], size_t *n,
                       ib_error *err) {
    const embedding *s = layer->settings;
    if (args->n != 1) return ib__fail(err, IB_BAD_INPUT, layer->place, "expected one input");
    out[0] = (ib_spec){.shape = args->specs[0].shape, .type = IB_TYPE_F32};
    if (out[0].shape.rank >= IB_RANK_MAX)
        return ib__fail(err, IB_UNSUPPORTED, layer->place, "the output would have too many axes");
    out[0].shape.dims[out[0].shape.rank++] = s->width;
    *n = 1;
    return IB_OK;
}

static ib_status build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    (void)inputs, (void)n;
    const embedding *s = layer->settings;
    ib_shape shape = {.rank = 2, .dims = {s->rows, s->width}};
    return ib__layer_add_configured(layer, "embeddings", &shape, true, err);
}

static void apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    const embedding *s = layer->settings;
    ib_graph *g = b->g;
    ib_node ids = ib__op_convert(g, args->flows[0].node, IB_TYPE_I32);
    out[0].node = ib__op_gather(g, ib__layer_weight(layer, g, "embeddings"), ids);
    if (s->mask_zero) out[0].mask = ib__op_convert(g, ids, IB_TYPE_PRED);
}

static int64_t count_rows(const ib_layer *layer) {
    return ((const embedding *)layer->settings)->rows;
}

const ib_layer_class ib__layer_embedding = {.name = "Embedding",
                                            .casts = IB_CASTS_NONE,
                                            .settings = sizeof(embedding),
                                            .configure = configure,
                                            .infer = infer,
                                            .build = build,
                                            .apply = apply,
                                            .rows = count_rows};

/* ---- ReversibleEmbedding: called with reverse, it multiplies with the table's transpose, or with a table of
 * its own ---- */

static const ib_field reversible_fields[] = {
    EMBEDDING_FIELDS,
    {.key = "tie_weights", .fallback = "true", .read = ib__read_bool, AT(tied)},
    {.key = "reverse_dtype", .fallback = "null", .read = ib__read_null},
    {.key = "logit_soft_cap",
     .fallback = "null",
     .read = ib__read_optional_real,
     AT(soft_cap),
     .low = 0x1p-60,
     .high = 0x1p60}};

static ib_status reversible_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    return ib__layer_configure(layer, reversible_fields, sizeof reversible_fields / sizeof *reversible_fields,
                               config, err);
}

static ib_status reversible_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                                  size_t *n, ib_error *err) {
    const embedding *s = layer->settings;
    if (!ib__args_flag(args, "reverse")) return infer(layer, args, out, n, err);
    const ib_shape *x = &args->specs[0].shape;
    if (args->n != 1 || x->rank < 2 || x->dims[x->rank - 1] != s->width)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "reverse: expected one input with a last axis of %lld", (long long)s->width);
    out[0] = (ib_spec){.shape = *x, .type = IB_TYPE_F32};
    out[0].shape.dims[x->rank - 1] = s->rows;
    *n = 1;
    return IB_OK;
}

static ib_status reversible_build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    const embedding *s = layer->settings;
    ib_shape shape = {.rank = 2, .dims = {s->width, s->rows}};
    const ib_value *initializer = ib__value_get(layer->config, "embeddings_initializer");
    ib_status status = build(layer, inputs, n, err);
    if (status != IB_OK || s->tied) return status;
    return ib__layer_add_weight(layer, "reverse_embeddings", &shape, true, initializer, NULL, NULL, NULL,
                                err);
}

static void reversible_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    const embedding *s = layer->settings;
    ib_graph *g = b->g;
    if (!ib__args_flag(args, "reverse")) {
        apply(layer, b, args, out);
        return;
    }
    ib_node table = ib__layer_weight(layer, g, s->tied ? "embeddings" : "reverse_embeddings");
    if (s->tied) table = ib__op_transpose(g, table, (const int[]){1, 0});
    ib_node y = ib__op_matmul(g, ib__op_convert(g, args->flows[0].node, IB_TYPE_F32), table);
    if (!isnan(s->soft_cap)) {
        ib_node cap = ib__op_constant(g, (float)s->soft_cap);
        y = ib__op_map(g, IB_MAP_tanh, ib__op_divide(g, y, cap), IB_NO_NODE, IB_NO_NODE);
        y = ib__op_multiply(g, y, cap);
    }
    out[0].node = y;
}

const ib_layer_class ib__layer_reversible_embedding = {.name = "ReversibleEmbedding",
                                                       .casts = IB_CASTS_NONE,
                                                       .settings = sizeof(embedding),
                                                       .arguments = "inputs reverse",
                                                       .configure = reversible_configure,
                                                       .infer = reversible_infer,
                                                       .build = reversible_build,
                                                       .apply = reversible_apply,
                                                       .rows = count_rows};

/* ---- Masking: time steps all of whose values are mask_value are masked and set to 0 ---- */

static const ib_field masking_fields[] = {
    IB_LAYER_FIELDS,
    {.key = "mask_value", .fallback = "0.0", .read = ib__read_real, .low = -0x1p120, .high = 0x1p120}};

static ib_status masking_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    return ib__layer_configure(layer, masking_fields, sizeof masking_fields / sizeof *masking_fields, config,
                               err);
}

static void masking_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    ib_graph *g = b->g;
    ib_node x = args->flows[0].node;
    ib_shape shape = ib__node_shape(g, x), rows = shape;
    ib_node value = ib__op_constant(g, (float)*(const double *)layer->settings);
    ib_node other = ib__op_map(g, IB_MAP_not_equal, x, value, IB_NO_NODE);
    unsigned last = 1u << (shape.rank - 1);
    ib_node any = ib__op_reduce(g, IB_REDUCE_MAX, ib__op_convert(g, other, IB_TYPE_F32), last, true);
    ib_node keep = ib__op_convert(g, any, IB_TYPE_PRED);
    rows.rank--;
    out[0].mask = ib__op_reshape(g, keep, &rows);
    out[0].node = ib__op_select(g, keep, x, ib__op_constant(g, 0.0f));
}

const ib_layer_class ib__layer_masking = {.name = "Masking",
                                          .rounds = true,
                                          .settings = sizeof(double),
                                          .configure = masking_configure,
                                          .shape = ib__layer_same_shape,
                                          .apply = masking_apply};
